#!/usr/bin/env python3
"""The collection tasks with what a user would take instead: collection_peers.py TASK DIR PEER [--threads N].

TASK: words, reduce_by_key, sort, join, cache (Spark's DataFrames alone), shuffle_spill (from a table on disk;
DuckDB with 256 MiB, Spark's DataFrames with a heap of 1 GiB, about the least that they start with), parquet_read (polars, DuckDB; DIR/table.parquet is made by `bench`),
csv_read (DIR/lr.csv is made by peers.py), group_agg, table_join, window (of table.parquet, in memory); PEER: polars, duckdb, spark (DataFrames), spark-rdd (Java).
One line of JSON: `seconds` is the median of three runs with the data in memory (`words`: with the file
in the system's cache), and the numbers that the program `bench` prints for the same task.
Needs numpy; polars, duckdb, pyspark and Java 17. Written with polars 2.1.0, duckdb 2.0.0, pyspark 4.3.0.
"""
import argparse
import json
import os
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path

RUNS = 3
MASK = (1 << 64) - 1


def main():
    parser = argparse.ArgumentParser(usage=__doc__, add_help=False)
    parser.add_argument("task", choices=["words", "reduce_by_key", "sort", "join", "cache", "shuffle_spill", "parquet_read", "csv_read", "group_agg",
                                         "table_join", "window"])
    parser.add_argument("dir", type=Path)
    parser.add_argument("peer", choices=["polars", "duckdb", "spark", "spark-rdd"])
    parser.add_argument("--threads", type=int, default=2)
    a = parser.parse_args()
    os.environ["POLARS_MAX_THREADS"] = str(a.threads)
    peer = {"polars": with_polars, "duckdb": with_duckdb, "spark": with_spark, "spark-rdd": with_rdd}[a.peer]
    answer, seconds = peer(a.task, a.dir, a.threads)
    of = {"polars": "polars", "duckdb": "duckdb"}.get(a.peer, "pyspark")
    print(json.dumps({"task": a.task, "peer": a.peer, "seconds": statistics.median(seconds),
                      "all_seconds": seconds, "version": version(of), **answer}))


def timed(run, look):
    """Runs three times; what `look` makes of the last result, outside of the clock."""
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - start)
    return look(result), seconds


def array(dir, name):
    import numpy as np
    return np.load(dir / f"{name}.npy")


def sums(key, val):
    """What identifies the sums by key."""
    import numpy as np
    with np.errstate(over="ignore"):
        checksum = (key.astype(np.uint64) * val.astype(np.uint64)).sum(dtype=np.uint64)
    return {"groups": len(key), "checksum": int(checksum)}


def order(keys):
    """What identifies the order of sorted keys."""
    import numpy as np
    with np.errstate(over="ignore"):
        return {"checksum": int((np.arange(len(keys), dtype=np.uint64) * keys.astype(np.uint64)).sum(dtype=np.uint64))}


# ---- polars ----


def with_polars(task, dir, threads):
    import polars as pl
    if task == "parquet_read":
        return timed(lambda: pl.read_parquet(dir / "table.parquet"),
                     lambda f: {"rows": f.height, "checksum": int(f["key"].sum())})
    if task == "csv_read":
        return timed(lambda: pl.read_csv(dir / "lr.csv", has_header=False),
                     lambda f: {"rows": f.height, "positive": int((f["column_2"] > 0).sum()), "columns": f.width})
    if task in ("group_agg", "table_join", "window"):
        table = pl.read_parquet(dir / "table.parquet")
        if task == "group_agg":
            def run():
                few = table.group_by("text").agg(pl.col("x").sum(), pl.col("y").mean(), pl.col("id").max().alias("last"), pl.len().alias("rows"))
                return few, table.group_by("key").agg(pl.col("y").sum(), pl.len().alias("rows"))
            return timed(run, lambda both: {"groups": both[0].height + both[1].height,
                                            "checksum": int(both[0]["last"].sum() + (both[1]["rows"].cast(pl.Int64) ** 2).sum())})
        if task == "table_join":
            other = table.select(pl.col("key").unique()).with_columns((pl.col("key") * 3).alias("value"))
            return timed(lambda: table.join(other, on="key"), lambda f: {"rows": f.height, "checksum": int(f["value"].sum())})
        table = table.select("id", "key", "y")
        over = lambda e: e.over("key", order_by="id")
        return timed(lambda: table.with_columns(over(pl.int_range(1, pl.len() + 1)).alias("number"), over(pl.col("id").shift(1)).alias("before"),
                                                over(pl.col("y").cum_sum()).alias("so_far")),
                     lambda f: {"rows": f.height, "checksum": int(f["number"].sum() + f["before"].sum())})
    if task == "words":
        def run():
            lines = pl.scan_csv(dir / "words.txt", has_header=False, separator="\n", quote_char=None, new_columns=["line"])
            return lines.select(pl.col("line").str.split(" ").explode().alias("word")).group_by("word").len().collect(engine="streaming")
        return timed(run, lambda frame: {"distinct": frame.height, "total": int(frame["len"].sum())})
    if task == "join":
        side = lambda name: pl.DataFrame({"key": array(dir, f"join_{name}")}).with_row_index(name)
        left, right = side("left"), side("right")
        return timed(lambda: left.join(right, on="key"), lambda frame: {"rows": frame.height})
    frame = pl.DataFrame({"key": array(dir, "kv_key"), "val": array(dir, "kv_val")})
    if task == "reduce_by_key":
        return timed(lambda: frame.group_by("key").agg(pl.col("val").sum()),
                     lambda f: sums(f["key"].to_numpy(), f["val"].to_numpy()))
    return timed(lambda: frame.sort("key"), lambda f: order(f["key"].to_numpy()))


# ---- DuckDB ----


def with_duckdb(task, dir, threads):
    import duckdb
    if task == "shuffle_spill":
        return duckdb_on_disk(duckdb, dir, threads)
    db = duckdb.connect()
    db.execute(f"set threads = {threads}; set preserve_insertion_order = false")
    def load(table, **columns):
        db.register("frame", columns)
        db.execute(f"create table {table} as select * from frame")
        db.unregister("frame")
    def made(query, look):
        def run():
            db.execute("drop table if exists made")
            db.execute("create table made as " + query)
        return timed(run, lambda _: look())
    if task == "parquet_read":
        db.execute("set preserve_insertion_order = true")
        return made(f"select * from read_parquet('{dir}/table.parquet')",
                    lambda: dict(zip(["rows", "checksum"], map(int, db.sql("select count(*), sum(key) from made").fetchall()[0]))))
    def looked(query):
        return lambda: dict(zip(["rows", "checksum"], map(int, db.sql(query).fetchall()[0])))
    if task == "csv_read":
        return made(f"select * from read_csv('{dir}/lr.csv', header = false)",
                    lambda: {**dict(zip(["rows", "positive"], map(int, db.sql("select count(*), count(*) filter (where column001 > 0) from made").fetchall()[0]))),
                             "columns": len(db.sql("select * from made").columns)})
    if task in ("group_agg", "table_join", "window"):
        db.execute(f"create table rows as select * from read_parquet('{dir}/table.parquet')")
        if task == "group_agg":
            def run():
                db.execute("drop table if exists few; drop table if exists many")
                db.execute("create table few as select text, sum(x) as x, avg(y) as y, max(id) as last, count(*) as n from rows group by text")
                db.execute("create table many as select key, sum(y) as y, count(*) as n from rows group by key")
            def look(_):
                groups, checksum = db.sql("select (select count(*) from few) + (select count(*) from many), (select sum(last) from few) + (select sum(n * n) from many)").fetchall()[0]
                return {"groups": int(groups), "checksum": int(checksum)}
            return timed(run, look)
        if task == "table_join":
            db.execute("create table other as select distinct key, key * 3 as value from rows")
            return made("select rows.*, value from rows join other using (key)", looked("select count(*), sum(value) from made"))
        return made("select id, key, y, row_number() over w as number, lag(id) over w as before, sum(y) over w as so_far from rows window w as (partition by key order by id rows unbounded preceding)",
                    looked("select count(*), sum(number) + sum(before) from made"))
    if task == "words":
        # A separator that the file does not have, so that a line is a field.
        lines = f"read_csv('{dir}/words.txt', header = false, columns = {{'line': 'varchar'}}, delim = '\\x01', quote = '', escape = '', auto_detect = false)"
        query = f"select word, count(*) as n from (select unnest(string_split(line, ' ')) as word from {lines}) group by word"
        return made(query, lambda: dict(zip(["distinct", "total"], map(int, db.sql("select count(*), sum(n) from made").fetchall()[0]))))
    if task == "join":
        import numpy as np
        for side in ["left", "right"]:
            key = array(dir, f"join_{side}")
            load(f"{side}_side", key=key, row=np.arange(len(key), dtype=np.uint64))
        return made("select key, l.row as a, r.row as b from left_side l join right_side r using (key)",
                    lambda: {"rows": db.sql("select count(*) from made").fetchall()[0][0]})
    load("pairs", key=array(dir, "kv_key"), val=array(dir, "kv_val"))
    columns = lambda: db.sql("select * from made").fetchnumpy()
    if task == "reduce_by_key":
        return made("select key, sum(val)::ubigint as val from pairs group by key", lambda: sums(**columns()))
    db.execute("set preserve_insertion_order = true")
    return made("select key, val from pairs order by key", lambda: order(columns()["key"]))


def duckdb_on_disk(duckdb, dir, threads):
    """Sums by key and a sort of a table on disk, with 256 MiB of memory."""
    import tempfile
    file = dir / "kv.duckdb"
    if not file.exists():
        db = duckdb.connect(str(file))
        db.register("frame", {"key": array(dir, "kv_key"), "val": array(dir, "kv_val")})
        db.execute("create table pairs as select * from frame")
        db.close()
    seconds, answer = [], {}
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory(dir=dir) as folder:
            db = duckdb.connect(f"{folder}/made.duckdb")
            db.execute(f"attach '{file}' as source (read_only)")
            db.execute(f"set threads = {threads}; set memory_limit = '256MiB'; set temp_directory = '{folder}'")
            start = time.perf_counter()
            db.execute("create table sums as select key, sum(val)::ubigint as val from source.pairs group by key")
            db.execute("create table sorted as select key, val from source.pairs order by key")
            seconds.append(time.perf_counter() - start)
            answer = {"groups": db.sql("select count(*) from sums").fetchall()[0][0]}
            db.close()
    return answer, seconds


# ---- Spark ----


def with_spark(task, dir, threads):
    from pyspark.sql import functions as f
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from peers import spark_session
    spark = spark_session(threads, **({"memory": "1g"} if task == "shuffle_spill" else {}))
    def on_disk(name, **columns):
        file = dir / f"{name}.parquet"
        if not file.exists():
            import pyarrow as pa, pyarrow.parquet as pq
            pq.write_table(pa.table({n: pa.array(c.view("int64")) for n, c in columns.items()}), file, row_group_size=1 << 20)
        return spark.read.parquet(str(file))
    def frame(name, **columns):
        cached = on_disk(name, **columns).cache()
        cached.count()
        return cached
    def thrown_away(sorted):
        """Every sorted row is made and thrown away; its place cannot be asked for without another job."""
        sorted.write.format("noop").mode("overwrite").save()
    def summed(pairs):
        return pairs.groupBy("key").agg(f.sum("val").alias("total")).agg(
            f.count("key"), f.sum((f.col("key") * f.col("total")).cast("decimal(38,0)"))).collect()[0]
    try:
        if task == "cache":
            kept = spark.range(1 << 28).select(f.expr("id ^ shiftright(id, 7)").alias("n")).cache()
            kept.count()
            def passes():
                total = 0
                for _ in range(10):
                    total = (total * 31 + kept.agg(f.sum("n")).collect()[0][0]) & MASK
                return total
            return timed(passes, lambda total: {"checksum": total})
        if task == "csv_read":
            def run():
                kept = spark.read.option("inferSchema", True).csv(str(dir / "lr.csv")).cache()
                rows = kept.count()
                answer = {"rows": rows, "positive": kept.filter("_c1 > 0").count(), "columns": len(kept.columns)}
                kept.unpersist(blocking=True)
                return answer
            return timed(run, lambda answer: answer)
        if task in ("group_agg", "table_join", "window"):
            table = spark.read.parquet(str(dir / "table.parquet")).cache()
            table.count()
            if task == "group_agg":
                def run():
                    few = table.groupBy("text").agg(f.sum("x"), f.avg("y"), f.max("id").alias("last"), f.count("*")).agg(f.count("*"), f.sum("last")).collect()[0]
                    many = table.groupBy("key").agg(f.sum("y").alias("y"), f.count("*").alias("n")).agg(f.count("*"), f.sum(f.col("n") * f.col("n")), f.max("y")).collect()[0]
                    return {"groups": few[0] + many[0], "checksum": few[1] + many[1]}
                return timed(run, lambda answer: answer)
            if task == "table_join":
                other = table.select("key").distinct().withColumn("value", f.col("key") * 3).cache()
                other.count()
                joined = lambda: table.join(other, "key")
                # Every joined row is made and thrown away.
                return timed(lambda: thrown_away(joined()), lambda _: dict(zip(["rows", "checksum"], joined().agg(f.count("*"), f.sum("value")).collect()[0])))
            from pyspark.sql import Window
            by = Window.partitionBy("key").orderBy("id")
            made = lambda: table.select("id", "key", "y").withColumn("number", f.row_number().over(by)).withColumn("before", f.lag("id").over(by)).withColumn(
                "so_far", f.sum("y").over(by.rowsBetween(Window.unboundedPreceding, 0)))
            return timed(lambda: thrown_away(made()), lambda _: dict(zip(["rows", "checksum"], made().agg(f.count("*"), f.sum("number") + f.sum("before")).collect()[0])))
        if task == "shuffle_spill":
            pairs = on_disk("kv", key=array(dir, "kv_key"), val=array(dir, "kv_val"))
            def both():
                row = summed(pairs)
                thrown_away(pairs.sort("key"))
                return row
            return timed(both, lambda row: {"groups": row[0], "sums": int(row[1]) & MASK})
        if task == "words":
            query = lambda: spark.read.text(str(dir / "words.txt")).select(f.explode(f.split("value", " ")).alias("word")).groupBy("word").count()
            return timed(lambda: query().agg(f.count("word"), f.sum("count")).collect()[0],
                         lambda row: {"distinct": row[0], "total": row[1]})
        if task == "join":
            import numpy as np
            keys = {side: array(dir, f"join_{side}") for side in ["left", "right"]}
            left, right = (frame(f"join_{side}", key=key, **{side: np.arange(len(key), dtype=np.uint64)}) for side, key in keys.items())
            # Every joined row is made: `max` looks at both sides.
            return timed(lambda: left.join(right, "key").agg(f.count("key"), f.max(f.col("left") + f.col("right"))).collect()[0],
                         lambda row: {"rows": row[0]})
        pairs = frame("kv", key=array(dir, "kv_key"), val=array(dir, "kv_val"))
        if task == "reduce_by_key":
            return timed(lambda: summed(pairs), lambda row: {"groups": row[0], "checksum": int(row[1]) & MASK})
        return timed(lambda: thrown_away(pairs.sort("key")), lambda _: {})
    finally:
        spark.stop()


def with_rdd(task, dir, threads):
    from peers import java
    result = java("SparkCollections", task, dir, threads, RUNS, memory="10g")
    seconds = result.pop("seconds")
    return result, seconds


if __name__ == "__main__":
    main()
