//! JSON lines.

use std::io::Write;

use firesteel_core::testing::on_ranks;
use firesteel_core::{Context, Error as CoreError};
use firesteel_table::{
    Error, Item, JsonReader, JsonWriter, OnBadRecord, Schema, Table, Type, Value, WriteMode,
};

use crate::support::{all_types, plain, rows_told, table, told};

/// Reads the text with the reader that `set` makes of the default one.
fn read(text: &str, set: impl Fn(JsonReader) -> JsonReader) -> Result<Table, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    std::fs::write(&path, text).unwrap();
    set(JsonReader::new(&path)).read(&Context::local())
}

fn cells(table: &Table) -> Vec<Vec<Value>> {
    let batch = table.to_batch().unwrap();
    let row = |row| batch.columns().iter().map(|column| Value::at(column, row)).collect();
    (0..batch.num_rows()).map(row).collect()
}

#[test]
fn all_types_come_back_to_the_bit_on_any_splits_and_ranks() {
    let folder = tempfile::tempdir().unwrap();
    for rows in [0, 1, 300] {
        let batch = all_types(rows as u64, rows);
        for name in ["a.json", "a.json.gz"] {
            let path = folder.path().join(name);
            for found in on_ranks(3, |ctx| {
                let written = table(ctx, &batch, 37, 5);
                let writer = JsonWriter::new().mode(WriteMode::Overwrite);
                writer.write(&written, &path).unwrap();
                let smallest = if rows < 2 { 1 } else { 61 };
                for (split, size) in [(smallest, 1), (100, 7), (1 << 20, 8192)] {
                    let reader = JsonReader::new(&path).schema(written.schema().clone());
                    let reader = reader.split_bytes(split).batch_rows(size);
                    let back = reader.read(ctx).unwrap();
                    assert_eq!(back.schema(), written.schema());
                    assert_eq!(told(&back), rows_told(&batch), "splits of {split}");
                    assert_eq!(told(&reader.scan(ctx).unwrap()), rows_told(&batch));
                }
                std::fs::read(&path).unwrap()
            }) {
                assert_eq!(found, std::fs::read(&path).unwrap());
            }
        }
    }
}

#[test]
fn what_is_written_is_inferred_as_it_was() {
    let ctx = Context::local();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    let rows = all_types(4, 200);
    let written = table(&ctx, &rows, 50, 3).drop_columns(&["sparse"]).unwrap();
    JsonWriter::new().gzip(true).write_folder(&written, &path).unwrap();
    // Dates and timestamps are texts unless they are said to be times.
    let reader = JsonReader::new(&path).column_type("day", Type::Date);
    let back = reader.column_type("at", Type::Timestamp).read(&ctx).unwrap();
    assert_eq!(back.schema(), written.schema());
    assert_eq!(told(&back), told(&written));
    let keyed = folder.path().join("k");
    JsonWriter::new().partition_by(["b"]).write_folder(&written, &keyed).unwrap();
    let back = JsonReader::new(&keyed).read(&ctx).unwrap();
    assert_eq!(back.schema().names().last(), Some("b"));
    assert_eq!(back.count().unwrap(), 200);
}

#[test]
fn types_are_told_by_all_records() {
    for (values, expected) in [
        (&["1", "-5"][..], Type::I64),
        (&["1", "2.5", "null"], Type::F64),
        (&["1", "\"NaN\"", "\"-inf\""], Type::F64),
        (&["\"NaN\""], Type::String),
        (&["true", "false"], Type::Bool),
        (&["true", "1"], Type::String),
        (&["1", "\"1\""], Type::String),
        (&["[1,2]", "[\"NaN\",2.5]", "null"], Type::Vector(2)),
        (&["[1,2]", "[1]"], Type::List(Item::I64)),
        (&["[1,null]", "[2.5]", "null"], Type::List(Item::F64)),
        (&["[\"a\",null]", "[]"], Type::List(Item::String)),
        (&["[true]", "[1]"], Type::List(Item::String)),
        (&["[[1]]", "[1]"], Type::String),
        (&["[1,2]", "3"], Type::String),
        (&["[]"], Type::List(Item::String)),
        (&["{\"a\":1}"], Type::String),
        (&["9223372036854775808", "1"], Type::String),
        (&["1e999"], Type::String),
        (&["null"], Type::String),
    ] {
        let text: String = values.iter().map(|value| format!("{{\"v\":{value}}}\n")).collect();
        for split in [1, 1 << 20] {
            let table = read(&text, |reader| reader.split_bytes(split)).unwrap();
            assert_eq!(table.schema().type_of("v").unwrap(), expected, "{values:?}");
            let unknown = values == ["null"];
            assert_eq!(table.report().unwrap().columns[0].is_type_unknown, unknown);
        }
    }
    let table =
        read("{\"b\":1}\n\n  \r\n{\"a\":[1, 2],\"b\":2}\r\n{\"c\":{\"x\" : 1}}", |r| r).unwrap();
    assert_eq!(table.schema().to_string(), "b: i64, a: vector[2], c: string");
    assert_eq!(cells(&table)[2][2], Value::from("{\"x\" : 1}"));
    let long = read("{\"v\":12345678901234567890}\n{\"v\":true}", |r| r).unwrap();
    assert_eq!(cells(&long)[0][0], Value::from("12345678901234567890"));
    let late: String = (0..5000).map(|i| format!("{{\"v\":{i}}}\n")).collect();
    let late = read(&(late + "{\"v\":\"x\"}"), |r| r.split_bytes(777)).unwrap();
    assert_eq!(late.schema().to_string(), "v: string");
}

#[test]
fn names_and_texts_may_have_anything_in_them() {
    let table = read("\u{feff}{\"\\u00e9\\n\":\"\\ud83d\\ude00\\u0000\"}", |r| r).unwrap();
    assert_eq!(table.schema().names().collect::<Vec<_>>(), ["é\n"]);
    assert_eq!(cells(&table), [[Value::from("\u{1f600}\0")]]);
}

#[test]
fn bad_records_are_told_with_line_and_value() {
    let with = |text: &str, schema: &[(&str, Type)]| {
        let schema = Schema::of(schema.iter().copied()).unwrap();
        let error = read(text, |r| r.schema(schema.clone()).split_bytes(9)).unwrap_err();
        assert!(matches!(error, Error::Core(CoreError::BadRecord { .. })), "{error}");
        let text = error.to_string();
        text[text.find("a.json").unwrap()..].to_owned()
    };
    let number = [("n", Type::I64)];
    assert_eq!(
        with("{\"n\":1}\n\n{\"n\":\"2\"}\n", &number),
        "a.json, line 3, column `n`: expected i64, found \"\\\"2\\\"\""
    );
    assert!(with("{\"n\":1}\n{\"n\":1.0}", &number).contains("line 2, column `n`"));
    assert!(with("{\"n\":1}\n{\"n\":9223372036854775808}", &number).contains("line 2"));
    assert!(
        with("{\"n\":1}\n{\"n\":1", &number)
            .contains("line 2, column `(record)`: expected an object that ends")
    );
    assert!(with("{\"n\":1,\"n\":2}", &number).contains("expected the name `n` once"));
    assert!(with("[1]", &number).contains("line 1, column `(record)`"));
    assert!(with("{\"n\":1} x", &number).contains("(record)"));
    assert!(with("{\"n\":nul}", &number).contains("(record)"));
    assert!(with("{\"x\":\"nan\"}", &[("x", Type::F64)]).contains("expected f64"));
    assert!(with("{\"x\":1e999}", &[("x", Type::F64)]).contains("expected f64"));
    assert!(with("{\"v\":[1,2,3]}", &[("v", Type::Vector(2))]).contains("expected vector[2]"));
    for sparse in [
        "{\"size\":3,\"indices\":[2,1],\"values\":[1,2]}",
        "[1]",
        "{\"size\":3,\"indices\":[3],\"values\":[1]}",
        "{\"size\":4,\"indices\":[],\"values\":[]}",
    ] {
        let text = format!("{{\"v\":{sparse}}}");
        assert!(with(&text, &[("v", Type::SparseVector(3))]).contains("column `v`"), "{sparse}");
    }
    let wide: String = (0..40).map(|i| format!("\"{i}\":0,")).collect();
    assert!(with(&format!("{{{wide}\"7\":1}}"), &number).contains("expected the name `7` once"));
    let deep = format!("{{\"v\":{}1{}}}", "[".repeat(5000), "]".repeat(5000));
    assert!(with(&deep, &[("v", Type::Vector(1))]).contains("column `v`"));
    assert!(read("{\"n\":1}", |r| r.column_type("m", Type::I64)).is_err());
}

#[test]
fn bad_records_are_skipped_or_emptied_and_counted() {
    let text = "{\"n\":1,\"s\":\"a\"}\n{\"n\":\"x\",\"s\":\"b\"}\nnope\n{\"n\":4}\n";
    let schema = Schema::of([("n", Type::I64), ("s", Type::String)]).unwrap();
    for split in [1, 20, 1 << 20] {
        let with = |policy| {
            read(text, |r| r.schema(schema.clone()).on_bad_record(policy).split_bytes(split))
                .unwrap()
        };
        let skipped = with(OnBadRecord::Skip);
        assert_eq!(
            cells(&skipped),
            [[Value::I64(1), Value::from("a")], [Value::I64(4), Value::Null]]
        );
        let report = skipped.report().unwrap();
        assert_eq!((report.rows, report.skipped, report.bad(), report.nulls()), (2, 2, 1, 1));
        let emptied = with(OnBadRecord::Null);
        assert_eq!(cells(&emptied)[1], [Value::Null, Value::from("b")]);
        let report = emptied.report().unwrap();
        assert_eq!((report.rows, report.skipped, report.bad(), report.nulls()), (3, 1, 1, 2));
        let lines: Vec<_> = report.examples.iter().map(|e| (e.line, e.column.as_str())).collect();
        assert_eq!(lines, [(2, "n"), (3, "(record)")]);
        assert_eq!(report.bytes, text.len() as u64);
    }
}

#[test]
fn a_bad_record_is_the_same_error_on_every_rank() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let mut file = std::fs::File::create(&path).unwrap();
    (0..50).for_each(|i| writeln!(file, "{{\"n\":{i}}}").unwrap());
    write!(file, "{{").unwrap();
    let errors = on_ranks(3, |ctx| {
        let error = JsonReader::new(&path).split_bytes(40).read(ctx).unwrap_err().to_string();
        assert!(JsonReader::new(folder.path().join("gone")).read(ctx).is_err());
        assert_eq!(ctx.range(0..5).count().unwrap(), 5); // and the context goes on
        error
    });
    assert!(
        errors.iter().all(|error| error.contains("line 51") && *error == errors[0]),
        "{errors:?}"
    );
}

#[test]
fn a_folder_of_files_without_rows_has_no_columns() {
    for text in ["", "\n", " \r\n\n"] {
        let table = read(text, |r| r).unwrap();
        assert_eq!((table.schema().len(), table.count().unwrap()), (0, 0));
    }
    let ctx = Context::local();
    let folder = tempfile::tempdir().unwrap();
    let rows = table_of(&ctx);
    JsonWriter::new().write_folder(&rows, folder.path().join("t")).unwrap();
    let schema = rows.schema().clone();
    let back = JsonReader::new(folder.path().join("t")).schema(schema).read(&ctx).unwrap();
    assert_eq!(back.count().unwrap(), 0);
}

fn table_of(ctx: &Context) -> Table {
    table(ctx, &plain(1, 0), 1, 1)
}
