"""Reads the answers of a running system as docs/clients.md shows it, and prints what was read as JSON."""

import json
import sys
import tempfile
from urllib.request import Request, urlopen

import duckdb
import pandas as pd
import pyarrow as pa
from datasketches import hll_sketch, hll_union, tgt_hll_type

origin, series, sketches = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
ARROW = "application/vnd.apache.arrow.stream"


def get(path, accept="*/*"):
    with urlopen(Request(origin + path, headers={"Accept": accept})) as answer:
        return answer.read()


def types(frame):
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


def read_arrow():
    rows = pa.ipc.open_stream(get(series, ARROW)).read_all()
    rows.validate(full=True)
    frame = rows.to_pandas()
    return {
        "types": types(frame),
        "from": [at.isoformat() for at in frame["from"]],
        "visitors": frame["visitors"].tolist(),
        "total": json.loads(rows.schema.metadata[b"swa.data"])["visitors"],
        "duckdb": duckdb.sql("select sum(visitors)::bigint, count(*) from rows").fetchall()[0],
    }


def read_csv():
    frame = pd.read_csv(
        origin + series, storage_options={"Accept": "text/csv"}, parse_dates=["from", "to"]
    )
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        file.write(get(series, "text/csv"))
        file.flush()
        by_duckdb = duckdb.sql(f"from read_csv('{file.name}')")
        columns = {name: str(kind) for name, kind in zip(by_duckdb.columns, by_duckdb.types)}
    return {"types": types(frame), "visitors": frame["visitors"].tolist(), "duckdb": columns}


def sketch_of(ids):
    sketch = hll_sketch(14, tgt_hll_type.HLL_8)
    for each in range(*ids):
        sketch.update(f"cookie:{each}")
    return sketch


def union_of(*sketches):
    union = hll_union(14)
    for each in sketches:
        union.update(each)
    return union.get_estimate()


def read_sketch(path, people):
    """And its union with a sketch of half of the people and as many others, beside the same made without us."""
    ours = hll_sketch.deserialize(get(path))
    others = sketch_of((people // 2, people + people // 2))
    return {
        "estimate": ours.get_estimate(),
        "union": union_of(ours, others),
        "unionWithoutUs": union_of(sketch_of((0, people)), others),
    }


print(
    json.dumps(
        {
            "arrow": read_arrow(),
            "csv": read_csv(),
            "sketches": [read_sketch(path, people) for path, people in sketches],
        }
    )
)
