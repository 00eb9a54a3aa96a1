//! What becomes of what is there, and of what was begun when something fails.

use arrow_array::{Array, RecordBatch};
use firesteel_core::Context;
use firesteel_core::testing::on_ranks;
use firesteel_table::{
    CsvReader, CsvWriter, Error, ParquetReader, ParquetWriter, Table, Type, WriteMode, col, lit,
};

use crate::support::{all_types, files, names, plain, rows_told, table, told};

#[test]
fn modes_of_a_file_are_kept_on_every_rank() {
    for ranks in [1, 3] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/a.parquet");
        let (old, new) = (plain(1, 20), plain(2, 30));
        on_ranks(ranks, |ctx| {
            let read = || told(&ParquetReader::new(&path).read(ctx).unwrap());
            let write = |mode, rows: &RecordBatch| {
                ParquetWriter::new().mode(mode).write(&table(ctx, rows, 7, 2), &path)
            };
            write(WriteMode::Error, &old).unwrap();
            assert_eq!(read(), rows_told(&old));
            let error = write(WriteMode::Error, &new).unwrap_err();
            assert!(error.to_string().contains("a.parquet: is there already"), "{error}");
            write(WriteMode::Ignore, &new).unwrap();
            assert_eq!(read(), rows_told(&old));
            let error = write(WriteMode::Append, &new).unwrap_err().to_string();
            assert!(error.contains("parameter `mode`"), "{error}");
            write(WriteMode::Overwrite, &new).unwrap();
            assert_eq!(read(), rows_told(&new));
        });
        assert_eq!(names(folder.path()), ["deep/a.parquet"]);
    }
}

#[test]
fn modes_of_a_folder_are_kept_on_every_rank() {
    for ranks in [1, 3] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        let (old, new) = (plain(1, 20), plain(2, 30));
        on_ranks(ranks, |ctx| {
            let read = || told(&ParquetReader::new(&path).read(ctx).unwrap());
            let write = |mode, rows: &RecordBatch| {
                ParquetWriter::new().mode(mode).write_folder(&table(ctx, rows, 5, 3), &path)
            };
            write(WriteMode::Append, &old).unwrap();
            assert!(write(WriteMode::Error, &new).is_err());
            write(WriteMode::Ignore, &new).unwrap();
            assert_eq!(read(), rows_told(&old));
            write(WriteMode::Append, &new).unwrap();
            assert_eq!(read(), [rows_told(&old), rows_told(&new)].concat());
            write(WriteMode::Overwrite, &new).unwrap();
            assert_eq!(read(), rows_told(&new));
        });
        let parts =
            ["t/_SUCCESS", "t/part-00000.parquet", "t/part-00001.parquet", "t/part-00002.parquet"];
        assert_eq!(names(folder.path()), parts);
    }
}

#[test]
fn a_folder_of_somebody_else_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("photo"), "x").unwrap();
    let ctx = Context::local();
    let rows = table(&ctx, &plain(1, 3), 1, 1);
    let over = CsvWriter::new().mode(WriteMode::Overwrite);
    let error = over.write_folder(&rows, folder.path()).unwrap_err().to_string();
    assert!(error.contains("has no _SUCCESS"), "{error}");
    let error = over.write(&rows, folder.path()).unwrap_err().to_string();
    assert!(error.contains("is a folder"), "{error}");
    let file = folder.path().join("photo");
    let error = over.write_folder(&rows, &file).unwrap_err().to_string();
    assert!(error.contains("is not a folder"), "{error}");
    assert_eq!(names(folder.path()), ["photo"]);
}

#[test]
fn a_failure_leaves_what_was_there_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    let ctx = Context::local();
    let good = table(&ctx, &plain(3, 40), 4, 5);
    ParquetWriter::new().partition_by(["b"]).write_folder(&good, &path).unwrap();
    let before = files(folder.path());
    let errors = on_ranks(3, |ctx| {
        let good = table(ctx, &plain(3, 40), 4, 5);
        let failing = good.with_column("n", col("s é").cast(Type::I64)).unwrap();
        let mut errors = Vec::new();
        for mode in [WriteMode::Overwrite, WriteMode::Append] {
            let writer = ParquetWriter::new().mode(mode).partition_by(["b"]);
            errors.push(writer.write_folder(&failing, &path).unwrap_err().to_string());
        }
        let one = folder.path().join("one.csv");
        errors.push(CsvWriter::new().write(&failing, &one).unwrap_err().to_string());
        let below = path.join("_SUCCESS/below");
        errors.push(CsvWriter::new().write_folder(&good, &below).unwrap_err().to_string());
        assert_eq!(good.count().unwrap(), 40); // and the context goes on
        errors
    });
    assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
    assert!(errors[0][..3].iter().all(|error| error.contains("expected i64")), "{errors:?}");
    assert!(errors[0][3].contains("below"), "{errors:?}");
    assert_eq!(files(folder.path()), before);
}

#[test]
fn parts_that_a_killed_program_left_are_not_read_and_go_with_the_next_append() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    let ctx = Context::local();
    let rows = table(&ctx, &plain(1, 10), 5, 2);
    let append = CsvWriter::new().null_token("?").mode(WriteMode::Append);
    append.write_folder(&rows, &path).unwrap();
    std::fs::write(path.join("part-00007.csv"), "half").unwrap();
    std::fs::write(path.join("_appending"), "part-00007.csv\npart-00008.csv\n../../x").unwrap();
    std::fs::write(folder.path().join("x"), "stays").unwrap();
    append.write_folder(&rows, &path).unwrap();
    let expected =
        ["_SUCCESS", "part-00000.csv", "part-00001.csv", "part-00002.csv", "part-00003.csv"];
    assert_eq!(names(&path), expected);
    assert!(folder.path().join("x").is_file());
}

#[test]
fn parts_cut_by_rows_have_the_same_bytes_on_any_partitions_and_ranks() {
    let rows = all_types(5, 300);
    let mut seen = Vec::new();
    for (ranks, size, partitions) in [(1, 300, 1), (1, 7, 11), (3, 11, 4), (3, 50, 6)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        on_ranks(ranks, |ctx| {
            let rows = table(ctx, &rows, size, partitions);
            let writer = ParquetWriter::new().part_rows(70).row_group_rows(32);
            writer.write_folder(&rows, &path).unwrap();
            let keyed = rows.drop_columns(&["list", "dense", "sparse"]).unwrap();
            let csv =
                CsvWriter::new().gzip(true).null_token("?").part_rows(100).partition_by(["b", "n"]);
            csv.write_folder(&keyed, folder.path().join("k")).unwrap();
            ParquetWriter::new().row_group_rows(100).write(&rows, folder.path().join("f")).unwrap();
        });
        seen.push(files(folder.path()));
    }
    assert_eq!(seen[0].iter().filter(|(name, _)| name.starts_with("t/part")).count(), 5);
    assert!(
        seen[0].iter().any(|(name, _)| name == "k/b=true/n=-9223372036854775808/part-00000.csv.gz")
    );
    assert!(seen[0].iter().any(|(name, _)| name.starts_with("k/b=__HIVE_DEFAULT_PARTITION__/")));
    assert!(seen.iter().all(|files| *files == seen[0]));
}

/// A table in which every row is told by its text, in any order.
fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

#[test]
fn folders_named_by_values_give_the_values_back() {
    let rows = plain(8, 400);
    let ctx = Context::local();
    let folder = tempfile::tempdir().unwrap();
    for (i, keys) in [vec!["s é", "at"], vec!["b", "x"], vec!["n", "day"]].into_iter().enumerate()
    {
        let path = folder.path().join(i.to_string());
        let written = table(&ctx, &rows, 30, 4);
        ParquetWriter::new().partition_by(keys.clone()).write_folder(&written, &path).unwrap();
        let mut reader = ParquetReader::new(&path).columns(["n", "x", "b", "day", "at", "s é"]);
        for key in &keys {
            reader = reader.key_type(key, written.schema().type_of(key).unwrap());
        }
        for back in on_ranks(3, |ctx| told(&reader.read(ctx).unwrap())) {
            assert_eq!(sorted(back), sorted(rows_told(&rows)), "{keys:?}");
        }
    }
    // Without a given type the values tell it, and columns of folders come last.
    let reader = ParquetReader::new(folder.path().join("1")).partition_bytes(0);
    let back = reader.clone().read(&ctx).unwrap();
    assert_eq!(
        back.schema().to_string(),
        "n: i64, day: date, at: timestamp, s é: string, b: bool, x: f64"
    );
    let kept = reader.filter(col("b").eq(true).and(col("x").is_null())).read(&ctx).unwrap();
    let expected = table(&ctx, &rows, 400, 1);
    let expected = expected.filter(col("b").eq(true).and(col("x").is_null())).unwrap();
    assert_eq!(kept.count().unwrap(), expected.count().unwrap());
    assert!(kept.batches().partitions() < back.batches().partitions());
}

#[test]
fn folders_of_csv_named_by_values_are_read() {
    let rows = plain(8, 200);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    on_ranks(3, |ctx| {
        let written = table(ctx, &rows, 30, 4);
        let writer = CsvWriter::new().null_token("?").partition_by(["b", "n"]);
        writer.write_folder(&written, &path).unwrap();
        let reader = CsvReader::new(&path).null_tokens(["?"]);
        let reader = reader.column_type("x", Type::F64).column_type("day", Type::Date);
        let reader = reader.column_type("at", Type::Timestamp).split_bytes(40);
        for back in [reader.read(ctx).unwrap(), reader.scan(ctx).unwrap()] {
            assert_eq!(
                back.schema().to_string(),
                "x: f64, day: date, at: timestamp, s é: string, b: bool, n: i64"
            );
            let back = back.select(&["n", "x", "b", "day", "at", "s é"]).unwrap();
            assert_eq!(sorted(told(&back)), sorted(rows_told(&rows)));
        }
        let report = reader.read(ctx).unwrap().report().unwrap().clone();
        assert_eq!(report.columns[4].nulls, rows.column(2).null_count() as u64);
        assert_eq!((report.rows, report.bad()), (200, 0));
    });
}

#[test]
fn many_keys_do_not_need_many_open_files() {
    let ctx = Context::local();
    let n = 1000_i64;
    let numbers = arrow_array::Int64Array::from_iter_values((0..n).map(|i| i * 7919 % 200));
    let order = arrow_array::Int64Array::from_iter_values(0..n);
    let rows = RecordBatch::try_from_iter([
        ("k", std::sync::Arc::new(numbers) as arrow_array::ArrayRef),
        ("i", std::sync::Arc::new(order)),
    ])
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    let writer = ParquetWriter::new().partition_by(["k"]);
    writer.write_folder(&table(&ctx, &rows, 300, 1), &path).unwrap();
    let back = ParquetReader::new(&path).columns(["k", "i"]).read(&ctx).unwrap();
    let expected = sorted(rows_told(&rows));
    assert_eq!(sorted(told(&back)), expected);
    assert!(path.join("k=0/part-00000-001.parquet").is_file());
}

#[test]
fn choices_that_cannot_be_are_named() {
    let ctx = Context::local();
    let folder = tempfile::tempdir().unwrap();
    let rows = table(&ctx, &all_types(1, 5), 5, 1);
    let path = folder.path().join("t");
    let write = |writer: ParquetWriter| writer.write_folder(&rows, &path).unwrap_err();
    assert!(matches!(write(ParquetWriter::new().partition_by(["m"])), Error::UnknownColumn { .. }));
    let vectors = write(ParquetWriter::new().partition_by(["dense"]));
    assert!(matches!(vectors, Error::TypeMismatch { .. }), "{vectors}");
    let twice = write(ParquetWriter::new().partition_by(["n", "n"]));
    assert!(matches!(twice, Error::DuplicateColumn { .. }), "{twice}");
    let all: Vec<String> = rows.schema().names().map(str::to_owned).collect();
    let lonely = rows.select(&["n"]).unwrap();
    let error = ParquetWriter::new().partition_by(["n"]).write_folder(&lonely, &path).unwrap_err();
    assert!(error.to_string().contains("`partition_by`"), "{error} {all:?}");
    for (writer, name) in [
        (ParquetWriter::new().part_rows(0), "part_rows"),
        (ParquetWriter::new().row_group_rows(0), "row_group_rows"),
        (
            ParquetWriter::new().compression(firesteel_table::ParquetCompression::Zstd(99)),
            "compression",
        ),
    ] {
        assert!(write(writer).to_string().contains(&format!("parameter `{name}`")));
    }
    let keyed = ParquetWriter::new().partition_by(["n"]);
    assert!(keyed.write(&rows, &path).unwrap_err().to_string().contains("`partition_by`"));
    assert!(names(folder.path()).is_empty());
}

#[test]
fn tables_without_rows_keep_their_columns() {
    let ctx = Context::local();
    let folder = tempfile::tempdir().unwrap();
    let empty: Table = table(&ctx, &all_types(1, 9), 3, 3).filter(lit(false)).unwrap();
    let (file, parts) = (folder.path().join("a.parquet"), folder.path().join("t"));
    empty.write_parquet(&file).unwrap();
    ParquetWriter::new().write_folder(&empty, &parts).unwrap();
    for path in [file, parts] {
        let back = ParquetReader::new(&path).read(&ctx).unwrap();
        assert_eq!(back.schema(), empty.schema());
        assert_eq!(back.count().unwrap(), 0);
        assert_eq!(back.filter(col("n").gt(3)).unwrap().to_batch().unwrap().num_rows(), 0);
    }
    let plain = empty.drop_columns(&["list", "dense", "sparse"]).unwrap();
    let text = folder.path().join("c");
    CsvWriter::new().write_folder(&plain, &text).unwrap();
    assert_eq!(CsvReader::new(text.join("part-*")).read(&ctx).unwrap().schema().len(), 6);
}
