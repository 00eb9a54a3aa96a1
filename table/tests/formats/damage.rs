//! Files that were changed or cut anywhere: a typed error, or a table of the same columns.

use std::path::Path;

use firesteel_core::Context;
use firesteel_table::{
    CsvReader, CsvWriter, Error, IpcCompression, IpcReader, IpcWriter, JsonReader, JsonWriter,
    LibsvmReader, LibsvmWriter, ParquetReader, ParquetWriter, Result, Schema, Table,
};

use crate::support::{Draws, all_types, plain, table};

/// Reads a file's rows; the schema with them.
type Read = fn(&Context, &Path) -> Result<(Schema, u64)>;

fn read_all(table: &Table) -> Result<(Schema, u64)> {
    let rows = table.to_batch()?;
    Ok((table.schema().clone(), rows.num_rows() as u64))
}

/// Changes the file at seeded places, and cuts it, so many times.
pub(crate) fn survives(bytes: &[u8], name: &str, read: Read, times: u64) {
    let ctx = Context::builder().threads(1).build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let (schema, _) = read(&ctx, &path).unwrap();
    let (mut faults, mut draws) = (0, Draws(bytes.len() as u64));
    for _ in 0..times {
        let mut bytes = bytes.to_vec();
        match draws.below(4) {
            0 => bytes.truncate(draws.below(bytes.len() as u64) as usize),
            1 => {
                let at = draws.below(bytes.len() as u64) as usize;
                let to = (at + 1 + draws.below(30) as usize).min(bytes.len());
                bytes.drain(at..to);
            }
            _ => {
                for _ in 0..=draws.below(4) {
                    let at = draws.below(bytes.len() as u64) as usize;
                    bytes[at] = match draws.below(3) {
                        0 => 0xff,
                        1 => bytes[at] ^ 1 << draws.below(8),
                        _ => draws.below(256) as u8,
                    };
                }
            }
        }
        std::fs::write(&path, &bytes).unwrap();
        match read(&ctx, &path) {
            Ok((_, _)) => {}
            Err(Error::Core(firesteel_core::Error::Panic { message, .. })) => {
                let kept = std::env::temp_dir().join(format!("panic-{name}"));
                std::fs::write(&kept, &bytes).unwrap();
                panic!("{message}; the file is {}", kept.display());
            }
            Err(error) => {
                faults += 1;
                assert!(!error.to_string().is_empty());
            }
        }
    }
    assert!(faults > times / 20, "{faults} of {times} were seen");
    drop(schema);
}

fn parquet(ctx: &Context, path: &Path) -> Result<(Schema, u64)> {
    read_all(&ParquetReader::new(path).read(ctx)?)
}

#[test]
fn damaged_parquet_files_are_errors() {
    let ctx = Context::local();
    let folder = tempfile::tempdir().unwrap();
    for (i, writer) in [
        ParquetWriter::new().row_group_rows(20),
        ParquetWriter::new().compression(firesteel_table::ParquetCompression::None),
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.path().join(format!("{i}.parquet"));
        writer.write(&table(&ctx, &all_types(2, 60), 60, 1), &path).unwrap();
        survives(&std::fs::read(&path).unwrap(), "a.parquet", parquet, 600);
    }
}

fn ipc(ctx: &Context, path: &Path) -> Result<(Schema, u64)> {
    read_all(&IpcReader::new(path).read(ctx)?)
}

#[test]
fn damaged_ipc_files_are_errors() {
    let ctx = Context::local();
    let folder = tempfile::tempdir().unwrap();
    for compression in [IpcCompression::None, IpcCompression::Lz4, IpcCompression::Zstd] {
        let path = folder.path().join(format!("{compression:?}"));
        let writer = IpcWriter::new().compression(compression);
        writer.write(&table(&ctx, &all_types(2, 60), 60, 1), &path).unwrap();
        survives(&std::fs::read(&path).unwrap(), "a.arrow", ipc, 600);
    }
}

#[test]
fn damaged_texts_are_errors_or_other_rows() {
    let ctx = Context::local();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let bytes = |name: &str| std::fs::read(path(name)).unwrap();
    let rows = table(&ctx, &all_types(2, 40), 40, 1);
    JsonWriter::new().write(&rows, path("a.json")).unwrap();
    let json: Read = |ctx, path| read_all(&JsonReader::new(path).split_bytes(99).read(ctx)?);
    survives(&bytes("a.json"), "a.json", json, 400);
    JsonWriter::new().write(&rows, path("a.json.gz")).unwrap();
    survives(&bytes("a.json.gz"), "a.json.gz", json, 200);
    CsvWriter::new()
        .null_token("?")
        .write(&table(&ctx, &plain(2, 40), 40, 1), path("a.csv"))
        .unwrap();
    let csv: Read = |ctx, path| read_all(&CsvReader::new(path).split_bytes(99).read(ctx)?);
    survives(&bytes("a.csv"), "a.csv", csv, 400);
    let whole = rows.filter(firesteel_table::col("n").is_not_null()).unwrap();
    let whole = whole.filter(firesteel_table::col("n").lt(100)).unwrap();
    let writer = LibsvmWriter::new().label("n").features("dense");
    writer.write(&whole, path("a.libsvm")).unwrap();
    let libsvm: Read = |ctx, path| {
        let table = LibsvmReader::new(path).num_features(3).split_bytes(99).read(ctx)?;
        read_all(&table)
    };
    survives(&bytes("a.libsvm"), "a.libsvm", libsvm, 400);
}

#[test]
#[cfg(feature = "avro")]
fn damaged_avro_files_are_errors() {
    use firesteel_table::{AvroCompression, AvroReader, AvroWriter};
    let ctx = Context::local();
    let folder = tempfile::tempdir().unwrap();
    let avro: Read = |ctx, path| read_all(&AvroReader::new(path).read(ctx)?);
    for compression in [AvroCompression::None, AvroCompression::Deflate, AvroCompression::Zstd] {
        let path = folder.path().join(format!("{compression:?}"));
        let rows = table(&ctx, &plain(2, 60), 60, 1).rename("s é", "s").unwrap();
        AvroWriter::new().compression(compression).write(&rows, &path).unwrap();
        survives(&std::fs::read(&path).unwrap(), "a.avro", avro, 400);
    }
}

/// Files with damage that random changes rarely hit; those called `sound` are what they say.
#[test]
fn the_corpus_is_errors_or_tables() {
    let ctx = Context::builder().threads(1).build().unwrap();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/corpus");
    let mut paths: Vec<_> =
        std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() > 30);
    for path in paths {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let read = match path.extension().unwrap().to_str().unwrap() {
            "parquet" => parquet(&ctx, &path),
            "arrow" => ipc(&ctx, &path),
            #[cfg(feature = "avro")]
            "avro" => firesteel_table::AvroReader::new(&path).read(&ctx).and_then(|t| read_all(&t)),
            "json" => JsonReader::new(&path).read(&ctx).and_then(|table| read_all(&table)),
            "libsvm" => LibsvmReader::new(&path).read(&ctx).and_then(|table| read_all(&table)),
            "csv" => CsvReader::new(&path).read(&ctx).and_then(|table| read_all(&table)),
            _ => continue,
        };
        match (name, read) {
            ("sound", read) => assert_eq!(read.unwrap().1, 2, "{}", path.display()),
            ("largest-index", read) => assert_eq!(read.unwrap().1, 1),
            ("bytes-left-over", Ok((_, rows))) => assert_eq!(rows, 1),
            (_, Ok(_)) => panic!("{} was read", path.display()),
            (_, Err(Error::Core(firesteel_core::Error::Panic { message, .. }))) => {
                panic!("{}: {message}", path.display())
            }
            (_, Err(error)) => {
                let file = path.file_name().unwrap().to_str().unwrap();
                assert!(error.to_string().contains(file), "{file}: {error}");
            }
        }
    }
}
