//! Files that were changed or cut anywhere: a typed error, or a table of the same columns.

use std::path::Path;

use firesteel_core::Context;
use firesteel_table::{Error, ParquetReader, ParquetWriter, Result, Schema, Table};

use crate::support::{Draws, all_types, table};

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
