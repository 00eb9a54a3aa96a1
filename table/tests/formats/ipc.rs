//! Arrow IPC files.

use firesteel_core::testing::on_ranks;
use firesteel_core::{Context, Error as CoreError};
use firesteel_table::{Error, IpcCompression, IpcReader, IpcWriter, WriteMode, col};

use crate::support::{all_types, rows_told, table, told};

#[test]
fn all_types_come_back_to_the_bit_whatever_the_choices() {
    let folder = tempfile::tempdir().unwrap();
    for compression in [IpcCompression::None, IpcCompression::Lz4, IpcCompression::Zstd] {
        for rows in [0, 1, 20_000] {
            let batch = all_types(rows as u64, rows);
            let path = folder.path().join(format!("{compression:?}-{rows}.arrow"));
            let again = folder.path().join("again.arrow");
            on_ranks(3, |ctx| {
                let written = table(ctx, &batch, 777, 5);
                let writer = IpcWriter::new().compression(compression).mode(WriteMode::Overwrite);
                writer.write(&written, &path).unwrap();
                writer.write(&table(ctx, &batch, 5000, 2), &again).unwrap();
                for bytes in [0, 1 << 30] {
                    let back = IpcReader::new(&path).partition_bytes(bytes).read(ctx).unwrap();
                    assert_eq!(back.schema(), written.schema());
                    assert_eq!(told(&back), rows_told(&batch));
                    let expected = if bytes == 0 { rows.div_ceil(8192).max(1) } else { 1 };
                    assert_eq!(back.batches().partitions(), expected);
                }
                let some = IpcReader::new(&path).columns(["sparse", "x"]).filter(col("n").gt(0));
                let expected = written.filter(col("n").gt(0)).unwrap();
                let expected = expected.select(&["sparse", "x"]).unwrap();
                assert_eq!(told(&some.read(ctx).unwrap()), told(&expected));
            });
            assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&again).unwrap());
        }
    }
}

#[test]
fn folders_of_parts_and_keys_are_read() {
    let ctx = Context::local();
    let folder = tempfile::tempdir().unwrap();
    let rows = table(&ctx, &all_types(2, 100), 10, 4);
    IpcWriter::new().partition_by(["b"]).write_folder(&rows, folder.path().join("t")).unwrap();
    let reader = IpcReader::new(folder.path().join("t"));
    let kept = reader.clone().filter(col("b").eq(true)).read(&ctx).unwrap();
    assert_eq!(kept.count().unwrap(), rows.filter(col("b").eq(true)).unwrap().count().unwrap());
    assert_eq!(reader.read(&ctx).unwrap().count().unwrap(), 100);
}

#[test]
fn what_is_no_such_file_is_named() {
    let ctx = Context::local();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.arrow");
    IpcWriter::new().write(&table(&ctx, &all_types(2, 100), 10, 4), &path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for bytes in
        [&b""[..], b"ARROW1", b"not arrow at all, but long enough", &whole[..whole.len() - 7]]
    {
        std::fs::write(&path, bytes).unwrap();
        let error = IpcReader::new(&path).read(&ctx).unwrap_err();
        assert!(matches!(&error, Error::Core(CoreError::Damaged { .. })), "{error}");
        assert!(error.to_string().contains("a.arrow"), "{error}");
    }
    std::fs::write(&path, &whole).unwrap();
    let error = IpcReader::new(&path).columns(["m"]).read(&ctx).unwrap_err();
    assert!(matches!(error, Error::UnknownColumn { .. }), "{error}");
}
