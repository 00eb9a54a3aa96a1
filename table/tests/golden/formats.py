"""Files that pyarrow and polars write, for table/tests/data; and what they read of ours.

    python table/tests/golden/formats.py write DIR     small files, and what is in them as JSON lines
    python table/tests/golden/formats.py corpus DIR    damaged files, DIR/corpus, from what `write` wrote
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


def corpus(folder):
    """Damage that random changes rarely hit."""
    out = folder / "corpus"
    out.mkdir(exist_ok=True)

    def put(name, data):
        (out / name).write_bytes(data)

    parquet = (folder / "pyarrow-zstd.parquet").read_bytes()
    put("empty.parquet", b"")
    put("magic-alone.parquet", b"PAR1PAR1")
    put("footer-longer-than-file.parquet", parquet[:-8] + (2**31 - 1).to_bytes(4, "little") + b"PAR1")
    put("footer-of-another.parquet", (folder / "polars.parquet").read_bytes()[:200] + parquet[-900:])
    put("head-lost.parquet", parquet[300:])
    put("encrypted-footer.parquet", parquet[:-4] + b"PARE")
    checked = bytearray((folder / "pyarrow-v2.parquet").read_bytes())
    checked[60] ^= 0x55
    put("changed-below-a-checksum.parquet", bytes(checked))
    ipc = (folder / "pyarrow-lz4.arrow").read_bytes()
    put("empty.arrow", b"")
    put("magic-alone.arrow", b"ARROW1\0\0" + b"\0" * 4 + b"ARROW1")
    put("footer-longer-than-file.arrow", ipc[:-10] + (2**31 - 1).to_bytes(4, "little") + b"ARROW1")
    put("negative-footer.arrow", ipc[:-10] + (2**32 - 5).to_bytes(4, "little") + b"ARROW1")
    frame = ipc.find(b"\x04\x22\x4d\x18")  # an LZ4 frame: the eight bytes before it are its claim
    put("claims-terabytes.arrow", ipc[:frame - 8] + (2**42).to_bytes(8, "little") + ipc[frame:])
    put("claims-a-negative-size.arrow", ipc[:frame - 8] + (-2 & (2**64 - 1)).to_bytes(8, "little") + ipc[frame:])
    avro = (folder / "polars.avro").read_bytes()
    put("empty.avro", b"")
    put("magic-alone.avro", b"Obj\x01")
    put("cut-in-a-block.avro", avro[:-20])
    put("other-marker.avro", avro[:-1] + bytes([avro[-1] ^ 1]))
    schema = b'{"type":"record","name":"r","fields":[{"name":"a","type":"long"}]}'

    def container(block):
        meta = b"\x04\x16avro.schema" + zigzag(len(schema)) + schema + b"\x14avro.codec\x08null\x00"
        return b"Obj\x01" + meta + b"m" * 16 + block

    put("bytes-left-over.avro", container(zigzag(1) + zigzag(5) + b"\x02\x02\x02\x02\x02" + b"m" * 16))
    put("rows-without-end.avro", container(zigzag(2**60) + zigzag(2) + b"\x02\x02" + b"m" * 16))
    put("negative-rows.avro", container(zigzag(-3) + zigzag(2) + b"\x02\x02" + b"m" * 16))
    put("sound.avro", container(zigzag(2) + zigzag(2) + b"\x02\x04" + b"m" * 16))
    put("deep.json", b'{"a":' + b"[" * 100000 + b"}")
    put("no-text.json", b'{"a":"\xff"}\n')
    put("half-a-pair.json", b'{"a":"\\ud800"}\n')
    put("sound.json", b'\xef\xbb\xbf{"a":1}\r\n\r\n{"a":2}')
    put("wide-index.libsvm", b"1 4294967296:1\n")
    put("largest-index.libsvm", b"1 4294967295:1\n")
    put("no-text.libsvm", b"1 1:\xff\n")
    put("sound.libsvm", b"1 1:1 2:2\n0\n")
    put("open-quotes.csv", b'a,b\n1,"x\n2,y\n')
    put("no-text.csv", b"a,b\n1,\xff\n")


def zigzag(value):
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


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
    {"write": write, "corpus": corpus, "check": check}[sys.argv[1]](Path(sys.argv[2]))
