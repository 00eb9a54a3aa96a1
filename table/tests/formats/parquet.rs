//! Parquet.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Int32Array, RecordBatch};
use firesteel_core::testing::on_ranks;
use firesteel_core::{Context, Error as CoreError};
use firesteel_table::{
    Error, Expr, ParquetCompression, ParquetReader, ParquetWriter, Schema, Table, Type, col, lit,
};

use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::support::{Draws, all_types, rows_told, table, told};

#[test]
fn all_types_come_back_to_the_bit_whatever_the_choices() {
    let folder = tempfile::tempdir().unwrap();
    let choices = [
        ParquetWriter::new(),
        ParquetWriter::new().compression(ParquetCompression::None).dictionary(false),
        ParquetWriter::new().compression(ParquetCompression::Snappy).statistics(false),
        ParquetWriter::new().compression(ParquetCompression::Lz4),
        ParquetWriter::new().compression(ParquetCompression::Gzip(6)),
        ParquetWriter::new().compression(ParquetCompression::Zstd(19)),
    ];
    for (i, writer) in choices.into_iter().enumerate() {
        for rows in [0, 1, 500] {
            let batch = all_types(i as u64, rows);
            let path = folder.path().join(format!("{i}-{rows}.parquet"));
            on_ranks(3, |ctx| {
                let written = table(ctx, &batch, 37, 5);
                writer.clone().row_group_rows(64).write(&written, &path).unwrap();
                for bytes in [0, 1 << 20] {
                    let reader = ParquetReader::new(&path).partition_bytes(bytes).batch_rows(50);
                    let back = reader.read(ctx).unwrap();
                    assert_eq!(back.schema(), written.schema());
                    assert_eq!(told(&back), rows_told(&batch));
                    let expected = if bytes == 0 { rows.div_ceil(64).max(1) } else { 1 };
                    assert_eq!(back.batches().partitions(), expected);
                }
            });
        }
    }
}

fn filters(draws: &mut Draws) -> Expr {
    let number = |draws: &mut Draws| lit(draws.below(60) as i64 * 20 - 50);
    let leaf = |draws: &mut Draws| match draws.below(9) {
        0 => col("i").lt(number(draws)),
        1 => col("i").ge(number(draws)),
        2 => col("i").between(number(draws), number(draws)),
        3 => col("i").is_in([draws.below(1000) as i64, 5]),
        4 => col("x").gt(lit(0.5)),
        5 => col("x").eq(lit(f64::NAN)),
        6 => col("s é").eq("é"),
        7 => col("n").is_null(),
        _ => col("b").or(col("i").eq(number(draws))),
    };
    let a = leaf(draws);
    match draws.below(3) {
        0 => a,
        1 => a.and(leaf(draws)),
        _ => a.or(leaf(draws)),
    }
}

#[test]
fn a_filter_keeps_what_it_keeps_of_the_whole_table() {
    let ctx = Context::local();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let numbers: ArrayRef = Arc::new(arrow_array::Int64Array::from_iter_values(0..1000));
    let batch = all_types(3, 1000);
    let schema = Schema::of_batch(&batch).unwrap().with("i", Type::I64);
    let batch = schema.batch([batch.columns(), &[numbers]].concat(), 1000).unwrap();
    let whole = table(&ctx, &batch, 100, 3);
    ParquetWriter::new().row_group_rows(50).write(&whole, &path).unwrap();
    let mut draws = Draws(17);
    let mut pruned = 0;
    for _ in 0..60 {
        let filter = filters(&mut draws);
        let reader = ParquetReader::new(&path).partition_bytes(0).filter(filter.clone());
        let few = reader.clone().columns(["sparse", "x"]).read(&ctx).unwrap();
        let expected = whole.filter(filter.clone()).unwrap();
        assert_eq!(told(&reader.read(&ctx).unwrap()), told(&expected), "{filter}");
        let expected = expected.select(&["sparse", "x"]).unwrap();
        assert_eq!(told(&few), told(&expected), "{filter}");
        pruned += 20 - few.batches().partitions();
    }
    assert!(pruned > 200, "{pruned} row groups passed over");
    let none = ParquetReader::new(&path).filter(col("i").gt(1000)).read(&ctx).unwrap();
    assert_eq!((none.count().unwrap(), none.schema().len()), (0, 10));
}

#[test]
fn files_of_a_folder_must_agree() {
    let ctx = Context::local();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, columns: &[&str], of: Type| {
        let rows = table(&ctx, &all_types(1, 10), 10, 1);
        let rows = rows.with_column("n", col("n").cast(of)).unwrap().select(columns).unwrap();
        rows.write_parquet(folder.path().join(name)).unwrap();
    };
    let read = || ParquetReader::new(folder.path()).read(&ctx);
    write("a.parquet", &["n", "x", "dense"], Type::I64);
    write("b.parquet", &["dense", "n", "x"], Type::I64);
    assert_eq!(read().unwrap().count().unwrap(), 20); // the order may differ
    write("c.parquet", &["n", "x"], Type::I64);
    let error = read().unwrap_err().to_string();
    assert!(error.contains("c.parquet: has no column `dense`, which"), "{error}");
    let some = ParquetReader::new(folder.path()).columns(["x"]).filter(col("n").is_not_null());
    assert!(some.read(&ctx).unwrap().count().is_ok());
    write("d.parquet", &["n", "x", "dense"], Type::String);
    std::fs::remove_file(folder.path().join("c.parquet")).unwrap();
    let error = read().unwrap_err().to_string();
    assert!(error.contains("d.parquet: its column `n` is string, but i64 in"), "{error}");
    std::fs::remove_file(folder.path().join("d.parquet")).unwrap();
    write("e.parquet", &["n", "x", "dense", "b"], Type::I64);
    let error = read().unwrap_err().to_string();
    assert!(error.contains("e.parquet: has a column `b`"), "{error}");
}

#[test]
fn what_cannot_be_read_is_named() {
    let ctx = Context::local();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    table(&ctx, &all_types(1, 10), 10, 1).write_parquet(&path).unwrap();
    let read = |reader: ParquetReader| reader.read(&ctx).unwrap_err();
    let error = read(ParquetReader::new(&path).columns(["m"]));
    assert!(matches!(error, Error::UnknownColumn { .. }), "{error}");
    let error = read(ParquetReader::new(&path).columns(["n", "n"]));
    assert!(matches!(error, Error::DuplicateColumn { .. }), "{error}");
    let error = read(ParquetReader::new(&path).filter(col("n") + 1));
    assert!(matches!(error, Error::TypeMismatch { .. }), "{error}");
    let error = read(ParquetReader::new(&path).key_type("k", Type::I64));
    assert!(matches!(error, Error::UnknownColumn { .. }), "{error}");
    for gone in ["gone.parquet", "*.gone", "empty"] {
        std::fs::create_dir_all(folder.path().join("empty")).unwrap();
        let error = read(ParquetReader::new(folder.path().join(gone)));
        assert!(matches!(error, Error::Core(CoreError::File { .. })), "{error}");
    }
    std::fs::create_dir_all(folder.path().join("k/y=1")).unwrap();
    std::fs::copy(&path, folder.path().join("k/y=1/a.parquet")).unwrap();
    std::fs::copy(&path, folder.path().join("k/b.parquet")).unwrap();
    let error = read(ParquetReader::new(folder.path().join("k"))).to_string();
    assert!(error.contains("its folders name"), "{error}");
    std::fs::remove_file(folder.path().join("k/b.parquet")).unwrap();
    assert_eq!(ParquetReader::new(folder.path().join("k")).read(&ctx).unwrap().schema().len(), 10);
    std::fs::create_dir_all(folder.path().join("k/y=z")).unwrap();
    std::fs::copy(&path, folder.path().join("k/y=z/a.parquet")).unwrap();
    let typed = ParquetReader::new(folder.path().join("k")).key_type("y", Type::I64);
    assert!(read(typed).to_string().contains("`y=z`, which is no i64"));
}

#[test]
fn a_fault_of_one_rank_alone_is_everybodys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    table(&Context::local(), &all_types(1, 200), 10, 1).write_parquet(&path).unwrap();
    let faults = on_ranks(3, |ctx| {
        let table: Table = ParquetReader::new(&path).read(ctx).unwrap();
        ctx.on_root(|| {
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(&path, [&bytes[..bytes.len() / 8], &bytes[bytes.len() / 4..]].concat())
        })
        .unwrap();
        table.count().unwrap_err().to_string()
    });
    assert!(faults.iter().all(|fault| *fault == faults[0]), "{faults:?}");
    assert!(faults[0].contains("a.parquet"), "{faults:?}");
}

#[test]
fn damage_is_told_with_row_group_and_column() {
    let ctx = Context::local();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("a", Arc::new(Int32Array::from_iter_values(0..1000))),
        ("b", Arc::new(Float32Array::from_iter_values((0..1000).map(|i| i as f32)))),
    ];
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    let writer = ParquetWriter::new().row_group_rows(500).dictionary(false);
    writer.write(&Table::from_batches(&ctx, vec![rows]).unwrap(), &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes.clone())).unwrap();
    let (start, _) = reader.metadata().row_group(1).column(1).byte_range();
    let mut broken = bytes;
    broken[start as usize..start as usize + 20].fill(0xff);
    std::fs::write(&path, &broken).unwrap();
    let error = ParquetReader::new(&path).read(&ctx).unwrap().count().unwrap_err();
    assert!(matches!(&error, Error::Core(CoreError::Damaged { .. })), "{error}");
    assert!(error.to_string().contains("a.parquet, row group 1, column `b`"), "{error}");
}
