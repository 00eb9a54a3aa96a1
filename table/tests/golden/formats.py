"""Files that pyarrow and polars write, for table/tests/data; and what they read of ours.

    python table/tests/golden/formats.py write DIR     small files, and what is in them as JSON lines
    python table/tests/golden/formats.py check DIR     reads DIR/ours.*, compares with DIR/ours.jsonl

Needs pyarrow and polars. The files under table/tests/data came from pyarrow 26.0 and polars 2.1.
"""

import json
import math
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.json
import pyarrow.parquet as pq

ROWS = {
    "n": [1, None, -(2**63), 2**63 - 1, 7, 7],
    "x": [0.1, -0.0, None, math.inf, 5e-324, 1e300],
    "b": [True, False, None, True, None, False],
    "s": ["", None, "é", "\U0001f600", 'a "b"', "x,y\n"],
}


def table():
    return pa.table({
        "n": pa.array(ROWS["n"], pa.int64()),
        "x": pa.array(ROWS["x"], pa.float64()),
        "b": pa.array(ROWS["b"], pa.bool_()),
        "s": pa.array(ROWS["s"], pa.string()),
    })


def word(value):
    """A value as our JSON lines have it."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value


def write(folder):
    rows = table()
    narrow = rows.set_column(0, "n", pa.array([1, None, -128, 127, 7, 7], pa.int8()))
    narrow = narrow.set_column(1, "x", rows["x"].cast(pa.float32()))
    narrow = narrow.set_column(3, "s", rows["s"].dictionary_encode())
    for codec in ["none", "snappy", "gzip", "lz4", "zstd"]:
        pq.write_table(rows, folder / f"pyarrow-{codec}.parquet", compression=codec, row_group_size=4)
    pq.write_table(rows, folder / "pyarrow-v2.parquet", data_page_version="2.0", write_page_checksum=True)
    pq.write_table(narrow, folder / "pyarrow-narrow.parquet")
    vectors = pa.FixedSizeListArray.from_arrays(pa.array([float(i) for i in range(12)]), 2)
    pq.write_table(pa.table({"v": vectors}), folder / "pyarrow-vectors.parquet")
    for codec in [None, "lz4", "zstd"]:
        options = pa.ipc.IpcWriteOptions(compression=codec)
        with pa.ipc.new_file(folder / f"pyarrow-{codec or 'none'}.arrow", rows.schema, options=options) as out:
            out.write_table(rows, max_chunksize=4)
    with pa.ipc.new_file(folder / "pyarrow-narrow.arrow", narrow.schema) as out:
        out.write_table(narrow)
    import polars as pl
    frame = pl.from_arrow(rows)
    frame.write_parquet(folder / "polars.parquet")
    frame.write_ipc(folder / "polars.arrow", compression="zstd")
    frame.write_avro(folder / "polars.avro", compression="snappy")
    frame.write_ndjson(folder / "polars.json")
    with open(folder / "rows.jsonl", "w") as out:
        for row in rows.to_pylist():
            print(json.dumps({name: word(value) for name, value in row.items()}), file=out)


def same(a, b):
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return repr(a) == repr(b)
    return type(a) is type(b) and a == b


def number(value):
    return {"NaN": math.nan, "inf": math.inf, "-inf": -math.inf}.get(value, value)


def check(folder):
    expected = [json.loads(line) for line in open(folder / "ours.jsonl")]
    for row in expected:
        row["x"] = number(row["x"])
        row["dense"] = [number(value) for value in row["dense"]]
    import polars as pl
    readers = {
        "ours.parquet": lambda path: pq.read_table(path).to_pylist(),
        "ours.arrow": lambda path: pa.ipc.open_file(path).read_all().to_pylist(),
        "ours.avro": lambda path: pl.read_avro(path).to_dicts(),
        "parts": lambda path: pa.parquet.read_table(path, partitioning="hive").to_pylist(),
    }
    for name, read in readers.items():
        rows = read(str(folder / name))
        if name == "parts":
            found, wanted = len(rows), len(expected)
            assert found == wanted, f"{name}: {found} rows instead of {wanted}"
            continue
        assert len(rows) == len(expected), f"{name}: {len(rows)} rows instead of {len(expected)}"
        for i, (found, wanted) in enumerate(zip(rows, expected)):
            for column in found:
                if column in ("sparse", "s é"):
                    continue
                key = column
                if not same(found[column], wanted[key]):
                    raise SystemExit(f"{name}, row {i}, column {column}: {found[column]!r}, not {wanted[key]!r}")
        print(f"{name}: {len(rows)} rows")


if __name__ == "__main__":
    {"write": write, "check": check}[sys.argv[1]](Path(sys.argv[2]))
