"""The batch computation on Apache Spark: from the master dataset's Parquet files and rules tables to cells, visits, persons and
statistics (the batch contract: batch/tables/contract.ts).

    spark-submit job.py <job file> ...

Several jobs are computed one after the other. Progress is written to stdout as lines of JSON: {"step", "done", "of"}, counting tasks of the running stages;
the last line of a job is {"finished": <its out>}, or {"error": <why>} with exit code 1.

Everything is Spark SQL, so no Python runs on executors. Texts compare as UTF-8 bytes (UTF8_BINARY), and `hll_sketch_agg` makes DataSketches HLL over
UTF-8 with seed 9001, both as in the rest of the system.
"""

import json
import os
import re
import sys
import threading
from functools import reduce

from pyspark.sql import DataFrame, Observation, SparkSession, Window
from pyspark.sql import functions as F

CONTRACT = 3
TYPES = {"BIGINT": "bigint", "VARCHAR": "string", "BLOB": "binary"}
ROUND_LIMIT = 100
CAPPED_LISTED = 100


class Failed(Exception):
    """An error whose message is complete for the user."""


def say(**message):
    print(json.dumps(message), flush=True)


def log(text):
    """Writes a line to Spark's log."""
    print(f"swa: {text}", file=sys.stderr, flush=True)


# ---- Reading


def escaped(path: str) -> str:
    """Escapes the characters of a path that Hadoop takes for a glob pattern."""
    return re.sub(r"([\\{}\[\]*?^,])", r"\\\1", path)


def read(spark, schema, *paths) -> DataFrame:
    return spark.read.schema(schema).parquet(*[escaped(path) for path in paths])


def ids_of(spark, job) -> DataFrame:
    return read(spark, "id string, nobody boolean, erased boolean, joins boolean", job["rules"]["ids"])


def results_of(spark, table) -> DataFrame:
    texts = [f"`{name}` string" for name in (table["key"], *table["columns"])]
    flags = [f"`{name}` boolean" for name in table["flags"]]
    return read(spark, ", ".join(texts + flags), table["path"])


def facts(spark, job, topic) -> DataFrame:
    """The rows of a topic below the cut, with `partition`; columns that a file lacks are null."""
    schema = ", ".join(f"`{column['name']}` {TYPES[column['type']]}" for column in job["columns"][topic])
    ends = {}
    for file in job["files"]:
        if file["topic"] == topic:
            ends.setdefault((file["partition"], file["endOffset"]), []).append(file["path"])
    parts = [
        read(spark, schema, *paths).where(F.col("offset") < end).withColumn("partition", F.lit(partition))
        for (partition, end), paths in ends.items()
    ]
    if not parts:
        return spark.createDataFrame([], f"{schema}, partition int")
    return reduce(DataFrame.unionAll, parts)


def check_files(spark, job):
    """Checks size and SHA-256 of every file of the snapshot, since damaged files could give wrong results without an error."""
    if not job["files"]:
        return
    paths = [escaped(file["path"]) for file in job["files"]]
    found = spark.read.format("binaryFile").load(paths).select("length", F.sha2("content", 256).alias("sha256"))
    seen = {(row.length, row.sha256) for row in found.collect()}
    for file in job["files"]:
        if (file["sizeBytes"], file["sha256"]) not in seen:
            raise Failed(f"{file['path']} is damaged: no file has SHA-256 {file['sha256']}, which its manifest names")


def is_time(job):
    times = job["times"]
    return (F.col("timestamp") >= times["from"]) & (F.col("timestamp") < times["to"])


class Work:
    """Writes tables that are read more than once to files, so that lost executors cannot make Spark compute them again with another result."""

    def __init__(self, spark, job):
        self.spark = spark
        self.out = job["out"]

    def keep(self, frame: DataFrame, name: str) -> DataFrame:
        path = f"{self.out}/work/{name}"
        frame.write.mode("overwrite").parquet(path)
        return self.spark.read.schema(frame.schema).parquet(escaped(path))

    def table(self, frame: DataFrame, name: str) -> DataFrame:
        path = f"{self.out}/{name}"
        frame.write.mode("overwrite").parquet(path)
        return self.spark.read.schema(frame.schema).parquet(escaped(path))


# ---- Persons


def live_edges(spark, job, work, statistics) -> DataFrame:
    """(lo, hi) of the pairs whose latest fact is an equiv. Among edges with the same event id, kind and pair only the first counts."""
    records = facts(spark, job, "equivs")
    unjoined = F.broadcast(ids_of(spark, job).where("not joins").select("id"))
    edges = (
        records.where(F.col("kind").isin("equiv", "retract") & is_time(job) & (F.col("a") != "") & (F.col("b") != ""))
        .join(unjoined.withColumnRenamed("id", "a"), "a", "left_anti")
        .join(unjoined.withColumnRenamed("id", "b"), "b", "left_anti")
        .select(F.least("a", "b").alias("lo"), F.greatest("a", "b").alias("hi"), "kind", "timestamp", "partition", "offset", "event_id")
    )
    edges = without_old(spark, job, edges)
    same = Window.partitionBy("event_id", "kind", "lo", "hi").orderBy("partition", "offset")
    edges = work.keep(
        edges.withColumn("repeated", (F.coalesce("event_id", F.lit("")) != "") & (F.row_number().over(same) > 1)), "edges"
    )
    counts = edges.agg(F.count("*"), F.count_if(F.col("kind") == "retract"), F.count_if("repeated")).first()
    statistics["edges"], statistics["retractions"], statistics["repeatedEdges"] = counts
    latest = F.max_by("kind", F.struct("timestamp", "partition", "offset"))
    live = edges.where(~F.col("repeated")).groupBy("lo", "hi").agg(latest.alias("kind")).where("kind = 'equiv'").select("lo", "hi")
    live = work.keep(live, "live")
    statistics["liveEdges"] = live.count()
    return live


def without_old(spark, job, edges) -> DataFrame:
    """Drops edges before `keptFrom` neither of whose ids has a pageview since."""
    if job["keptFrom"] is None:
        return edges
    is_old = F.col("timestamp") < job["keptFrom"]
    ids = edges.where(is_old).select(F.explode(F.array("lo", "hi")).alias("visitor")).distinct()
    views = facts(spark, job, "pageviews").where((F.coalesce("url", F.lit("")) != "") & ~is_old & is_time(job))
    seen = views.select("visitor").join(ids, "visitor", "left_semi").distinct()
    of = lambda end: seen.select(F.col("visitor").alias(end), F.lit(True).alias(f"{end}_seen"))
    marked = edges.join(of("lo"), "lo", "left").join(of("hi"), "hi", "left")
    is_seen = F.coalesce("lo_seen", "hi_seen", F.lit(False))
    return marked.where(~is_old | is_seen).drop("lo_seen", "hi_seen")


def large_star(edges: DataFrame) -> DataFrame:
    """For each id: points its greater neighbours at the least id among itself and its neighbours."""
    both = edges.unionAll(edges.select(F.col("parent").alias("child"), F.col("child").alias("parent")))
    least = F.least("child", F.min("parent").over(Window.partitionBy("child")))
    stars = both.select(F.col("parent").alias("neighbour"), "child", least.alias("least")).where("neighbour > child")
    return stars.select(F.col("neighbour").alias("child"), F.col("least").alias("parent")).distinct()


def small_star(edges: DataFrame) -> DataFrame:
    """For each id: points itself and its lesser neighbours at the least of these neighbours."""
    least = F.min("parent").over(Window.partitionBy("child"))
    stars = edges.withColumn("least", least)
    lesser = stars.where("parent > least").select(F.col("parent").alias("child"), F.col("least").alias("parent"))
    return lesser.unionAll(stars.select("child", F.col("least").alias("parent"))).distinct()


def is_finished(edges: DataFrame) -> bool:
    """Whether every child has one parent, and no parent is a child."""
    ends = F.inline(F.expr("array(struct(child as id, 1 as parents), struct(parent as id, 0 as parents))"))
    found = edges.select(ends).groupBy("id").agg(F.sum("parents").alias("parents"), F.count_if(F.col("parents") == 0).alias("children"))
    return found.where("parents > 1 or (parents > 0 and children > 0)").isEmpty()


def resolve_persons(spark, job, work, statistics) -> DataFrame:
    """(person, visitor) of all persons with two or more ids: the connected components of the live edges.

    Alternates large-star and small-star (Kiveris et al., "Connected Components in MapReduce and Beyond", 2014). Edges always
    point from a greater id to a lesser one, and both steps preserve components. At the fixed point each component is a star
    around its least id.
    """
    say(step="persons", done=0, of=0)
    live = live_edges(spark, job, work, statistics)
    edges = work.keep(live.where("lo < hi").select(F.col("hi").alias("child"), F.col("lo").alias("parent")), "round-0")
    rounds = 0
    while not is_finished(edges):
        rounds += 1
        if rounds > ROUND_LIMIT:
            raise Failed(f"persons are not resolved after {ROUND_LIMIT} rounds")
        edges = work.keep(small_star(large_star(edges)), f"round-{rounds}")
        log(f"persons: round {rounds}")
    log(f"persons: resolved after {rounds} rounds")
    roots = edges.select(F.col("parent").alias("person"), F.col("parent").alias("visitor")).distinct()
    everyone = work.keep(roots.unionAll(edges.select(F.col("parent").alias("person"), F.col("child").alias("visitor"))), "everyone")
    check_persons(live, everyone)
    sizes = everyone.groupBy("person").agg(F.count("*").alias("ids"))
    cap = job["maxPersonIds"] or sys.maxsize
    over = F.count_if(F.col("ids") > cap)
    found = sizes.agg(F.sum("ids"), F.count("*") - over, F.max("ids"), over).first()
    names = ("joinedIds", "components", "largestComponent", "cappedComponents")
    statistics.update(zip(names, (value or 0 for value in found)), rounds=rounds, capped=[])
    if statistics["cappedComponents"] > 0:
        capped = sizes.where(F.col("ids") > cap)
        statistics["capped"] = capped.orderBy(F.desc("ids"), "person").limit(CAPPED_LISTED).collect()
        everyone = everyone.join(capped, "person", "left_anti")
    return work.table(everyone.select("person", "visitor"), "persons")


def check_persons(live: DataFrame, everyone: DataFrame):
    """Checks that no live edge crosses persons, so that an error above cannot publish one person as two."""
    of_lo = everyone.select(F.col("visitor").alias("lo"), F.col("person").alias("of_lo"))
    of_hi = everyone.select(F.col("visitor").alias("hi"), F.col("person").alias("of_hi"))
    found = live.where("lo < hi").join(of_lo, "lo", "left").join(of_hi, "hi", "left")
    crossing = found.where(~F.coalesce(F.col("of_lo") == F.col("of_hi"), F.lit(False))).count()
    if crossing > 0:
        raise Failed(f"{crossing} live edges cross persons: ids that they join are not of one person")


# ---- Pageviews


def judged(spark, job) -> DataFrame:
    """Every pageview with the results of the rules for its texts, and its verdict: null if it counts, apart from repeats."""
    views = facts(spark, job, "pageviews").drop("raw", "received_at", "invalid_reason")
    for table in job["rules"]["ofTexts"]:
        views = views.join(results_of(spark, table), table["key"], "left")
    ids = F.broadcast(ids_of(spark, job).where("nobody or erased").withColumnRenamed("id", "visitor"))
    views = views.join(ids.drop("joins"), "visitor", "left")
    excluded = read(spark, "by string, text string, from bigint, to bigint", job["rules"]["excluded"]["path"])
    is_old = F.lit(False) if job["keptFrom"] is None else F.coalesce(F.col("timestamp") < job["keptFrom"], F.lit(False))
    views = views.withColumn("excluded", F.coalesce("erased", F.lit(False)) | is_old)
    for by in job["rules"]["excluded"]["columns"]:
        # A text has few ranges. They are joined as one row per text, so that no pageview is doubled.
        ranges = excluded.where(F.col("by") == by).groupBy(F.col("text").alias(by)).agg(F.collect_list(F.struct("from", "to")).alias("ranges"))
        within = F.exists(
            "ranges",
            lambda range: (range["from"].isNull() | (F.col("timestamp") >= range["from"]))
            & (range["to"].isNull() | (F.col("timestamp") < range["to"])),
        )
        views = views.join(ranges, by, "left").withColumn("excluded", F.col("excluded") | F.coalesce(within, F.lit(False))).drop("ranges")
    no_one = F.coalesce("nobody", F.lit(False)) | F.coalesce(F.col("visitor") == "", F.lit(True))
    verdict = (
        F.when(F.coalesce(F.col("url") == "", F.lit(True)), "noFact")
        .when(F.col("page").isNull(), "refusedUrl")
        .when(F.coalesce("bot", F.lit(False)), "bot")
        .when(no_one | ~F.coalesce(is_time(job), F.lit(False)), "invalid")
        .when(F.col("excluded"), "excluded")
    )
    return views.withColumn("verdict", verdict)


def counted(spark, job, work, persons, statistics) -> DataFrame:
    """The pageviews that count: page, domain, person, timestamp and the value of each dimension."""
    say(step="facts", done=0, of=0)
    observed = Observation()
    is_verdict = lambda name: F.count_if(F.col("verdict") == name).alias(name)
    views = judged(spark, job).observe(
        observed,
        F.count_if(F.col("verdict").isNull()).alias("kept"),
        *[is_verdict(name) for name in ("refusedUrl", "bot", "excluded")],
    )
    views = views.where("verdict is null")
    # Among pageviews with the same partition, event id, visitor and page only the first counts; without an event id nothing is a repeat.
    alone = F.when(F.col("event_id").isNull(), F.col("offset"))
    same = Window.partitionBy("partition", "event_id", alone, "visitor", "page").orderBy("offset")
    views = views.withColumn("turn", F.row_number().over(same)).where("turn = 1")
    views = views.join(persons, "visitor", "left").withColumn("person", F.coalesce("person", "visitor"))
    values = []
    for dimension in job["dimensions"]:
        results = [
            F.when(F.col(f"`{choice['column']}`") != F.col("domain"), F.col(f"`{choice['column']}`"))
            if choice["exceptOwnDomain"]
            else F.col(f"`{choice['column']}`")
            for choice in dimension["choices"]
        ]
        values.append(F.coalesce(*results, F.lit(dimension["otherwise"])).alias(f"value-{dimension['name']}"))
    views = work.keep(views.select("page", "domain", "person", "timestamp", *values), "counted")
    totals = observed.get
    statistics["refusedUrls"] = totals["refusedUrl"]
    statistics["botPageviews"] = totals["bot"]
    statistics["excludedPageviews"] = totals["excluded"]
    statistics["pageviews"], statistics["persons"] = views.agg(F.count("*"), F.count_distinct("person")).first()
    statistics["repeats"] = totals["kept"] - statistics["pageviews"]
    return views


def cells(job, views) -> DataFrame:
    """Cells of all subjects: by bucket, the number of pageviews and a sketch of the persons.

    Pageviews are shuffled once by domain and day, before they become one row per subject: each group lies within one domain
    and day, so sketches are not shuffled. Spark groups by sorting. A hash is the first sort key, because it is cheaper to
    compare than texts; the other keys still separate groups with equal hashes.
    """
    subject = lambda kind, column: F.struct(F.lit(kind).alias("kind"), F.col(f"`{column}`").alias("subject"))
    subjects = [subject("page", "page"), subject("domain", "domain")]
    subjects += [subject(dimension["name"], f"value-{dimension['name']}") for dimension in job["dimensions"]]
    together = views.withColumn("day", F.expr("timestamp div 86400000")).repartition("domain", "day")
    return (
        together.select("domain", "day", "person", bucket(job, "timestamp"), F.inline(F.array(*subjects)))
        .where("subject is not null")
        .groupBy(F.xxhash64("bucket", "subject", "domain", "kind"), "bucket", "subject", "domain", "day", "kind")
        .agg(F.count("*").alias("pageviews"), F.hll_sketch_agg("person", F.lit(job["lgK"])).alias("sketch"))
        .select("kind", "domain", "subject", "bucket", "pageviews", "sketch")
    )


def visits(job, views) -> DataFrame:
    """Visits by bucket. A pageview at least `visitGapMs` after the person's previous one in the domain begins a visit; a visit of one pageview is a bounce."""
    in_order = Window.partitionBy("domain", "person").orderBy("timestamp")
    gap = F.col("timestamp") - F.lag("timestamp").over(in_order)
    begins = F.when(gap < job["visitGapMs"], 0).otherwise(1)
    numbered = views.select("domain", "person", "timestamp", begins.alias("begins")).withColumn("number", F.sum("begins").over(in_order))
    each = numbered.groupBy("domain", "person", "number").agg(F.min("timestamp").alias("began"), F.max("timestamp").alias("ended"), F.count("*").alias("views"))
    return (
        each.groupBy("domain", bucket(job, "began"))
        .agg(
            F.count("*").alias("visits"),
            F.count_if(F.col("views") == 1).alias("bounces"),
            F.sum("views").alias("pageviews"),
            F.sum(F.col("ended") - F.col("began")).alias("duration_ms"),
        )
        .select("domain", "bucket", "visits", "bounces", "pageviews", "duration_ms")
    )


def bucket(job, time):
    return F.expr(f"{time} div {60_000 * job['bucketMinutes']}").alias("bucket")


# ---- A job


def compute(spark, path):
    job = json.loads(spark.read.text(escaped(path), wholetext=True).first().value)
    if job["contract"] != CONTRACT:
        raise Failed(f"{path} is of batch contract {job['contract']}, and this program knows {CONTRACT}")
    statistics = {}
    work = Work(spark, job)
    check_files(spark, job)
    persons = resolve_persons(spark, job, work, statistics)
    views = counted(spark, job, work, persons, statistics)
    say(step="buckets", done=0, of=0)
    work.table(cells(job, views), "cells")
    work.table(visits(job, views), "visits")
    capped = [("capped", row.ids, row.person) for row in statistics.pop("capped")]
    rows = [(name, value, None) for name, value in statistics.items()] + capped
    row = lambda name, value, id: F.struct(F.lit(name), F.lit(value).cast("bigint"), F.lit(id).cast("string"))
    table = spark.range(0, 1, 1, 1).select(F.inline(F.array(*[row(*each) for each in rows])).alias("name", "value", "id"))
    work.table(table, "statistics")
    say(finished=job["out"])


def watch(spark, stopped):
    """Reports the progress of the running stages once a second; ends the program when the parent process is gone."""
    tracker = spark.sparkContext.statusTracker()
    parent = int(os.environ.get("SWA_PARENT_PID", os.getpid()))
    while not stopped.wait(1):
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            os._exit(1)
        stages = [info for id in tracker.getActiveStageIds() if (info := tracker.getStageInfo(id)) is not None]
        if stages:
            say(done=sum(stage.numCompletedTasks for stage in stages), of=sum(stage.numTasks for stage in stages))


def main(paths) -> int:
    spark = SparkSession.builder.appName("super-web-analytics batch").getOrCreate()
    stopped = threading.Event()
    threading.Thread(target=watch, args=(spark, stopped), daemon=True).start()
    try:
        for path in paths:
            compute(spark, path)
        return 0
    except Failed as error:
        say(error=str(error))
        return 1
    except Exception as error:  # the first line of Spark's message names the cause
        say(error=f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")
        raise
    finally:
        stopped.set()
        spark.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
