//! Avro object container files.

use firesteel_core::testing::on_ranks;
use firesteel_core::{Context, Error as CoreError};
use firesteel_table::{AvroCompression, AvroReader, AvroWriter, Error, Table, WriteMode, col};

use crate::support::{all_types, plain, table, told};

fn rows(ctx: &Context, seed: u64, rows: usize, size: usize) -> Table {
    table(ctx, &plain(seed, rows), size, 4).rename("s é", "s").unwrap()
}

#[test]
fn single_values_come_back_to_the_bit_whatever_the_choices() {
    let folder = tempfile::tempdir().unwrap();
    for compression in [
        AvroCompression::None,
        AvroCompression::Deflate,
        AvroCompression::Snappy,
        AvroCompression::Zstd,
    ] {
        for n in [0, 1, 20_000] {
            let path = folder.path().join(format!("{compression:?}-{n}.avro"));
            let again = folder.path().join("again.avro");
            on_ranks(3, |ctx| {
                let written = rows(ctx, 5, n, 777);
                let writer = AvroWriter::new().compression(compression).mode(WriteMode::Overwrite);
                writer.write(&written, &path).unwrap();
                writer.write(&rows(ctx, 5, n, 5000), &again).unwrap();
                for bytes in [0, 1 << 30] {
                    let back = AvroReader::new(&path).partition_bytes(bytes).read(ctx).unwrap();
                    assert_eq!(back.schema(), written.schema());
                    assert_eq!(told(&back), told(&written));
                    let expected = if bytes == 0 { n.div_ceil(8192).max(1) } else { 1 };
                    assert_eq!(back.batches().partitions(), expected);
                }
                let some = AvroReader::new(&path).columns(["s", "x"]).filter(col("n").gt(0));
                let expected = written.filter(col("n").gt(0)).unwrap().select(&["s", "x"]).unwrap();
                assert_eq!(told(&some.read(ctx).unwrap()), told(&expected));
            });
            assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&again).unwrap());
        }
    }
}

#[test]
fn what_avro_does_not_hold_is_named() {
    let ctx = Context::local();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    let all = table(&ctx, &all_types(1, 9), 3, 1);
    let name = AvroWriter::new().write(&all, &path).unwrap_err();
    assert!(matches!(&name, Error::Column { column, .. } if column == "s é"), "{name}");
    let vectors =
        AvroWriter::new().write(&all.select(&["n", "dense"]).unwrap(), &path).unwrap_err();
    assert!(matches!(&vectors, Error::TypeMismatch { expression, .. } if expression == "dense"));
    let keyed = all.drop_columns(&["list", "dense", "sparse"]).unwrap();
    AvroWriter::new().partition_by(["s é"]).write_folder(&keyed, &path).unwrap();
    let back = AvroReader::new(&path).read(&ctx).unwrap();
    assert_eq!((back.count().unwrap(), back.schema().names().last()), (9, Some("s é")));
}

#[test]
fn a_file_that_was_cut_short_is_no_shorter_file() {
    let ctx = Context::local();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.avro");
    AvroWriter::new().write(&rows(&ctx, 1, 20_000, 5000), &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for cut in [1, 10, 17, bytes.len() / 2, bytes.len() - 30] {
        std::fs::write(&path, &bytes[..bytes.len() - cut]).unwrap();
        let error = AvroReader::new(&path).read(&ctx).unwrap_err();
        assert!(matches!(&error, Error::Core(CoreError::Damaged { .. })), "{cut}: {error}");
        assert!(error.to_string().contains("a.avro"), "{error}");
    }
}
