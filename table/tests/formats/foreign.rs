//! Files of other programs: what they write is read (`table/tests/data`), and what we write they read
//! (`table/tests/golden/formats.py`, if Python has pyarrow and polars).

use std::path::{Path, PathBuf};
use std::process::Command;

use firesteel_core::Context;
use firesteel_table::{
    IpcReader, JsonReader, JsonWriter, ParquetReader, ParquetWriter, Schema, Table, Type, col,
};

use crate::support::{all_types, table, told};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn expected(ctx: &Context) -> Table {
    let schema =
        Schema::of([("n", Type::I64), ("x", Type::F64), ("b", Type::Bool), ("s", Type::String)]);
    JsonReader::new(data("rows.jsonl")).schema(schema.unwrap()).read(ctx).unwrap()
}

#[test]
fn files_of_pyarrow_and_polars_are_read() {
    let ctx = Context::local();
    let expected = expected(&ctx);
    for name in ["none", "snappy", "gzip", "lz4", "zstd", "v2"] {
        let path = data(&format!("pyarrow-{name}.parquet"));
        let table = ParquetReader::new(path).read(&ctx).unwrap();
        assert_eq!(table.schema(), expected.schema(), "{name}");
        assert_eq!(told(&table), told(&expected), "{name}");
    }
    assert_eq!(
        told(&ParquetReader::new(data("polars.parquet")).read(&ctx).unwrap()),
        told(&expected)
    );
    for name in ["pyarrow-none", "pyarrow-lz4", "pyarrow-zstd", "polars"] {
        let table = IpcReader::new(data(&format!("{name}.arrow"))).read(&ctx).unwrap();
        assert_eq!(table.schema(), expected.schema(), "{name}");
        assert_eq!(told(&table), told(&expected), "{name}");
    }
    let pruned = ParquetReader::new(data("pyarrow-none.parquet")).partition_bytes(0);
    let pruned = pruned.filter(col("n").eq(7)).read(&ctx).unwrap();
    assert_eq!(told(&pruned), told(&expected.filter(col("n").eq(7)).unwrap()));
}

#[test]
#[cfg(feature = "avro")]
fn avro_files_of_polars_are_read() {
    let ctx = Context::local();
    let table = firesteel_table::AvroReader::new(data("polars.avro")).read(&ctx).unwrap();
    assert_eq!(told(&table), told(&expected(&ctx)));
}

#[test]
fn narrow_types_are_widened() {
    let ctx = Context::local();
    let parquet = ParquetReader::new(data("pyarrow-narrow.parquet")).read(&ctx).unwrap();
    let ipc = IpcReader::new(data("pyarrow-narrow.arrow")).read(&ctx).unwrap();
    assert_eq!(parquet.schema().to_string(), "n: i64, x: f64, b: bool, s: string");
    assert_eq!(told(&parquet), told(&ipc));
    assert_eq!(parquet.column_f64("n").unwrap()[2..4], [-128.0, 127.0]);
    assert_eq!(parquet.column_strings("s").unwrap()[2], Some("é".to_owned()));
    let vectors = ParquetReader::new(data("pyarrow-vectors.parquet")).read(&ctx).unwrap();
    assert_eq!(vectors.schema().to_string(), "v: vector[2]");
}

#[test]
fn other_programs_read_our_files() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats.py");
    let python = |args: &[&std::ffi::OsStr]| Command::new("python3").args(args).output();
    match python(&["-c".as_ref(), "import pyarrow, polars".as_ref()]) {
        Ok(output) if output.status.success() => {}
        _ => return println!("SKIPPED: formats read by pyarrow: Python has no pyarrow and polars"),
    }
    let ctx = Context::local();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let rows = table(&ctx, &all_types(11, 300), 40, 3);
    JsonWriter::new().write(&rows, path("ours.jsonl")).unwrap();
    rows.write_parquet(path("ours.parquet")).unwrap();
    firesteel_table::IpcWriter::new()
        .compression(firesteel_table::IpcCompression::Lz4)
        .write(&rows, path("ours.arrow"))
        .unwrap();
    #[cfg(feature = "avro")]
    {
        let plain = rows.select(&["n", "x", "b"]).unwrap();
        firesteel_table::AvroWriter::new().write(&plain, path("ours.avro")).unwrap();
    }
    ParquetWriter::new().partition_by(["b"]).write_folder(&rows, path("parts")).unwrap();
    let output = python(&[script.as_ref(), "check".as_ref(), folder.path().as_ref()]).unwrap();
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
}
