"""What the row `peers` measures outside Node: ClickHouse (chdb), Redis and DataSketches.

    peers.py recompute <glob of Parquet files of pageviews> <directory for results> <rounds>
    peers.py range <socket of a Redis server> <hours> <people of an hour> <rounds>

Prints one JSON object: for each measurement its wall time and processor time in seconds, each the median of the rounds.
"""

import json
import os
import random
import resource
import statistics
import sys
import time


def processor_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure(work, rounds, processor=processor_seconds):
    """Medians over `rounds`, after one round that warms up. The last result of `work` stands beside them."""
    walls, processors, result = [], [], None
    for i in range(rounds + 1):
        started, used = time.perf_counter(), processor()
        result = work()
        if i > 0:
            walls.append(time.perf_counter() - started)
            processors.append(processor() - used)
    return {
        "seconds": statistics.median(walls),
        "processorSeconds": statistics.median(processors),
        "result": result,
    }


def recompute(files, results, rounds):
    import chdb

    grouped = f"""from file('{files}', Parquet) group by url, intDiv(timestamp, 3600000) as hour"""
    settings = "settings max_threads = 2, max_memory_usage = 4000000000"
    states = os.path.join(results, "states.native")

    def counted():
        text = chdb.query(
            f"select count(), sum(people) from (select uniqCombined(14)(visitor) as people {grouped}) {settings}"
        )
        return str(text).strip()

    def stored():
        chdb.query(
            f"""insert into function file('{states}', Native)
                select url, intDiv(timestamp, 3600000) as hour, uniqCombinedState(14)(visitor) as people
                from file('{files}', Parquet) group by url, hour {settings}, engine_file_truncate_on_insert = 1"""
        )
        return os.path.getsize(states)

    return {
        "clickHouseCounts": measure(counted, rounds),
        "clickHouseStored": measure(stored, rounds),
    }


def sketched_range(socket, hours, people_of_an_hour, rounds):
    import datasketches
    import redis
    from chdb import session

    chooser = random.Random(42)
    visits = [[chooser.randrange(500_000) for _ in range(people_of_an_hour)] for _ in range(hours)]

    client = redis.Redis(unix_socket_path=socket)
    pipeline = client.pipeline(transaction=False)
    for hour, people in enumerate(visits):
        pipeline.pfadd(f"hour:{hour}", *people)
        if hour % 500 == 499:
            pipeline.execute()
    pipeline.execute()
    keys = [f"hour:{hour}" for hour in range(hours)]

    def redis_processor_seconds():
        used = client.info("cpu")
        return used["used_cpu_user"] + used["used_cpu_sys"]

    sketches = []
    for people in visits:
        sketch = datasketches.hll_sketch(14)
        for person in people:
            sketch.update(person)
        sketches.append(sketch)

    def union():
        merged = datasketches.hll_union(14)
        for sketch in sketches:
            merged.update(sketch)
        return merged.get_estimate()

    clickhouse = session.Session()
    clickhouse.query("create database bench")
    clickhouse.query(
        "create table bench.hours (hour UInt32, people AggregateFunction(uniqCombined(14), UInt32)) engine = MergeTree order by hour"
    )
    clickhouse.query(
        f"""insert into bench.hours select number % {hours} as hour, uniqCombinedState(14)(rand64() % 500000)
            from numbers({hours * people_of_an_hour}) group by hour"""
    )

    def merged_states():
        return str(
            clickhouse.query("select uniqCombinedMerge(14)(people) from bench.hours settings max_threads = 2")
        ).strip()

    return {
        "redis": measure(lambda: client.pfcount(*keys), rounds, redis_processor_seconds),
        "dataSketches": measure(union, rounds),
        "clickHouse": measure(merged_states, rounds),
    }


def main(arguments):
    task = arguments[0]
    if task == "recompute":
        figures = recompute(arguments[1], arguments[2], int(arguments[3]))
    elif task == "range":
        figures = sketched_range(arguments[1], int(arguments[2]), int(arguments[3]), int(arguments[4]))
    else:
        raise SystemExit(f"unknown task {task}")
    print(json.dumps(figures))


main(sys.argv[1:])
