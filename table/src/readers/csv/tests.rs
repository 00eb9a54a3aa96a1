//! The whole reader: against the `csv` crate reading from start to end, over ranks and splits, and
//! on files that are wrong.

use std::path::PathBuf;

use firesteel_core::testing::on_ranks;
use firesteel_core::{Context, Error as CoreError};
use proptest::prelude::*;

use super::*;
use crate::value::Value;

/// A file in a folder of its own, gone with the handle.
struct Scratch {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn scratch(bytes: impl AsRef<[u8]>) -> Scratch {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stays.csv");
    std::fs::write(&path, bytes).unwrap();
    Scratch { _folder: folder, path }
}

fn cells(table: &Table) -> Vec<Vec<Value>> {
    let rows = table.to_batch().unwrap();
    let row = |i| rows.columns().iter().map(|column| Value::at(column, i)).collect();
    (0..rows.num_rows()).map(row).collect()
}

fn read(bytes: impl AsRef<[u8]>, set: impl Fn(CsvReader) -> CsvReader) -> Result<Table> {
    let file = scratch(bytes);
    set(CsvReader::new(&file.path)).read(&Context::local())
}

fn text_of(bytes: impl AsRef<[u8]>) -> Vec<String> {
    let table = read(bytes, |reader| reader).unwrap();
    cells(&table)
        .into_iter()
        .map(|row| row.iter().map(Value::to_string).collect::<Vec<_>>().join("|"))
        .collect()
}

fn refusal(bytes: impl AsRef<[u8]>, set: impl Fn(CsvReader) -> CsvReader) -> String {
    let text = read(bytes, set).unwrap_err().to_string();
    let start = text.find("stays.csv").map_or(0, |at| at); // without the temporary folder
    text[start..].to_owned()
}

#[test]
fn line_ends_quotes_and_marks_are_read_as_meant() {
    assert_eq!(text_of("a,b\n1,x\n2,y"), ["1|x", "2|y"]);
    assert_eq!(text_of("a,b\r\n1,x\r\n\r\n2,y\r\n"), ["1|x", "2|y"]);
    assert_eq!(text_of("\u{feff}a,b\n1,x\n"), ["1|x"]);
    assert_eq!(text_of("a,b\n1,\"x\ny\"\"z, \"\n"), ["1|x\ny\"z, "]);
    assert_eq!(text_of("a,b\n,\"\"\n"), ["null|"]);
    assert_eq!(text_of("a,b\n1,5\" wide\n"), ["1|5\" wide"]);
    assert_eq!(text_of("a,\"b\"\n1,\"x\"y\n"), ["1|xy"]);
    assert_eq!(text_of("\n\na,b\n\n1,x"), ["1|x"]);
}

#[test]
fn types_and_nulls_follow_the_whole_column() {
    let table =
        read("id,x,code,ok,none\n1,1.5,0250,true,?\n2,?,250.83,FALSE,\n3,7,V57,?,?\n", |r| {
            r.null_tokens(["?", ""])
        })
        .unwrap();
    let expected = "id: i64, x: f64, code: string, ok: bool, none: string";
    assert_eq!(table.schema().to_string(), expected);
    let report = table.report().unwrap();
    let nulls: Vec<u64> = report.columns.iter().map(|column| column.nulls).collect();
    assert_eq!((report.rows, report.skipped, nulls), (3, 0, vec![0, 1, 0, 1, 3]));
    assert!(report.columns[4].is_type_unknown && !report.columns[0].is_type_unknown);
    let quoted = read("a,b\n\"?\",\"1\"\n", |r| r.null_tokens(["?"])).unwrap();
    assert_eq!(cells(&quoted), [[Value::from("?"), Value::I64(1)]]);
    let own = read("a,b\nx,1\nNA,x\n", |r| r.column_null_tokens("b", ["x"])).unwrap();
    assert_eq!(cells(&own)[1], [Value::from("NA"), Value::Null]);
}

#[test]
fn delimiters_trimming_and_missing_headers_can_be_set() {
    let table =
        read("1;' a;b '; 7 \n", |r| r.delimiter(b';').quote(b'\'').trim(true).header(false))
            .unwrap();
    assert_eq!(table.schema().to_string(), "column_1: i64, column_2: string, column_3: i64");
    assert_eq!(cells(&table)[0][1], Value::from(" a;b "));
    let named = Schema::of([("x", Type::F64), ("y", Type::String)]).unwrap();
    let table = read("1,2\n", |r| r.header(false).schema(named.clone())).unwrap();
    assert_eq!(cells(&table), [[Value::F64(1.0), Value::from("2")]]);
    let raw = read("a,b\n\"1\",x\"\n", |r| r.quote(None)).unwrap();
    assert_eq!(cells(&raw), [[Value::from("\"1\""), Value::from("x\"")]]);
}

#[test]
fn a_schema_selects_by_name() {
    let schema = Schema::of([("c", Type::String), ("a", Type::F64)]).unwrap();
    let table = read("a,b,c\n1,2,3\n", |r| r.schema(schema.clone())).unwrap();
    assert_eq!(table.schema(), &schema);
    assert_eq!(cells(&table), [[Value::from("3"), Value::F64(1.0)]]);
    let error = read("a,b,cc\n1,2,3\n", |r| r.schema(schema.clone())).unwrap_err();
    assert_eq!(error.to_string(), "no column `c`; did you mean `cc`?");
    let given = read("a,b\n1,2\n", |r| r.column_type("b", Type::String)).unwrap();
    assert_eq!(given.schema().to_string(), "a: i64, b: string");
    assert!(read("a\n1\n", |r| r.column_type("b", Type::I64)).is_err());
    assert!(read("a\n1\n", |r| r.column_type("a", Type::Vector(2))).is_err());
}

#[test]
fn a_header_alone_is_a_table_without_rows() {
    for text in ["a,b", "a,b\n", "a,b\r\n\r\n"] {
        let table = read(text, |r| r.column_type("a", Type::F64)).unwrap();
        assert_eq!(table.schema().to_string(), "a: f64, b: string");
        assert_eq!((table.count().unwrap(), table.to_batch().unwrap().num_rows()), (0, 0));
        assert!(table.report().unwrap().columns[1].is_type_unknown);
    }
    let schema = Schema::of([("a", Type::I64)]).unwrap();
    let table = read("", |r| r.header(false).schema(schema.clone())).unwrap();
    assert_eq!(table.count().unwrap(), 0);
}

#[test]
fn bad_files_are_refused_with_their_place() {
    let bad = |bytes: &[u8]| refusal(bytes, |r| r);
    assert_eq!(bad(b""), "stays.csv: is empty: it has no header");
    assert_eq!(bad(b"\n\r\n\n"), "stays.csv: is empty: it has no header");
    assert_eq!(bad(b"a,b,a\n"), "stays.csv: two columns have the name `a`");
    assert_eq!(
        bad(b"a,b\n1,2\n\n3\n"),
        "stays.csv, line 4, column `(record)`: expected 2 fields, found \"1 fields\""
    );
    assert!(bad(b"a,b\n1,2,3\n").contains("expected 2 fields, found \"3 fields\""));
    assert!(bad(b"a,b\n1,2\n3,\"x\ny\n4,z\n").contains("quotes that open on line 3"));
    assert!(bad(b"a,\"b\nc").contains("quotes that open on line 1"));
    assert_eq!(
        bad(b"a,b\n1,x\n2,\xff\n"),
        "stays.csv, line 3, column `b`: expected text in UTF-8, found \"\u{fffd}\""
    );
    assert!(bad(b"a,\xff\n").contains("a name in UTF-8"));
    let typed = refusal("a,b\n1,\"x\n\"\nx,2\n", |r| r.column_type("a", Type::I64));
    assert_eq!(typed, "stays.csv, line 4, column `a`: expected i64, found \"x\"");
    assert!(refusal("", |r| r.header(false)).contains("is empty"));
    let missing = CsvReader::new("/nowhere/stays.csv").read(&Context::local());
    assert!(matches!(missing, Err(Error::Core(CoreError::File { .. }))));
}

#[test]
fn parameters_out_of_range_are_named() {
    for (set, name) in [
        ((|r| r.delimiter(b'\n')) as fn(CsvReader) -> CsvReader, "delimiter"),
        (|r| r.delimiter(0xc3), "delimiter"),
        (|r| r.quote(b','), "quote"),
        (|r| r.batch_rows(0), "batch_rows"),
        (|r| r.split_bytes(0), "split_bytes"),
    ] {
        let error = read("a\n1\n", set).unwrap_err();
        assert!(matches!(&error, Error::Core(CoreError::Parameter { name: n, .. }) if n == name));
    }
}

#[test]
fn bad_records_are_skipped_or_emptied_and_counted() {
    let text = b"n,s\n1,a\nx,b\n3\n4,d,e\n5,\xff\n6,f\n".as_slice();
    let with = |policy| {
        read(text, move |r| {
            r.on_bad_record(policy).column_type("n", Type::I64).column_type("s", Type::String)
        })
        .unwrap()
    };
    let skipped = with(OnBadRecord::Skip);
    assert_eq!(cells(&skipped), [[1.into(), "a".into()], [Value::I64(6), Value::from("f")]]);
    let report = skipped.report().unwrap();
    assert_eq!((report.rows, report.skipped, report.bad(), report.nulls()), (2, 4, 2, 0));
    let lines: Vec<_> = report.examples.iter().map(|e| (e.line, e.column.as_str())).collect();
    assert_eq!(lines, [(3, "n"), (4, "(record)"), (5, "(record)"), (6, "s")]);

    let emptied = with(OnBadRecord::Null);
    let column = |i: usize| cells(&emptied).into_iter().map(move |row| row[i].to_string());
    assert_eq!(column(0).collect::<Vec<_>>(), ["1", "null", "3", "5", "6"]);
    assert_eq!(column(1).collect::<Vec<_>>(), ["a", "b", "null", "null", "f"]);
    let report = emptied.report().unwrap();
    assert_eq!((report.rows, report.skipped, report.bad(), report.nulls()), (5, 1, 2, 3));
    assert!(report.to_string().contains("line 3, column `n`: expected i64, found \"x\""));
}

#[test]
fn several_files_are_one_table_if_their_headers_agree() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("b.csv", "x,y\n3,c\n");
    write("a.csv", "x,y\n1,a\n2,b");
    let all = CsvReader::new(folder.path().join("*.csv"));
    let table = all.read(&Context::local()).unwrap();
    assert_eq!(table.column_strings("y").unwrap().len(), 3);
    assert_eq!(table.column_f64("x").unwrap(), [1.0, 2.0, 3.0]);
    assert_eq!(table.report().unwrap().partition_rows, [2, 1]);
    write("c.csv", "x,z\n");
    let error = all.read(&Context::local()).unwrap_err().to_string();
    assert!(error.contains("c.csv: its column 2 is `z`, but `y` in"), "{error}");
}

#[test]
fn values_far_behind_the_first_ones_decide_as_well() {
    let mut text = "a,b,c,d,e\n".to_owned();
    (0..9000).for_each(|i| text.push_str(&format!("{i},{i},{i},,true\n"))); // beyond the sample
    text.push_str("V57,0.5,007,1.5,1\n,,,,\n1\n,,\"\n\",x\n");
    let file = scratch(&text);
    for policy in [OnBadRecord::Skip, OnBadRecord::Null] {
        let reader = CsvReader::new(&file.path).on_bad_record(policy).split_bytes(50_000);
        let expected = match policy {
            OnBadRecord::Skip => "a: string, b: f64, c: string, d: f64, e: string",
            _ => "a: string, b: f64, c: string, d: string, e: string",
        };
        for table in on_ranks(3, |ctx| {
            let table = reader.read(ctx).unwrap();
            let scan = reader.scan(ctx).unwrap();
            assert_eq!(scan.schema(), table.schema());
            assert_eq!(scan.count().unwrap(), table.count().unwrap());
            let last = table.column_strings("a").unwrap().split_off(8999);
            let bad = table.report().unwrap().bad();
            (table.schema().to_string(), last[..2].to_vec(), bad)
        }) {
            let last = ["8999", "V57"].map(|text| Some(text.to_owned()));
            assert_eq!(table, (expected.to_owned(), last.to_vec(), 0));
        }
    }
}

#[test]
fn a_fault_of_one_rank_alone_is_everybodys() {
    let file = scratch("a\n1\n");
    let faults = on_ranks(3, |ctx| {
        let reader = CsvReader::new(&file.path);
        let reader = if ctx.rank() == 1 { reader.column_type("b", Type::I64) } else { reader };
        let fault = reader.read(ctx).unwrap_err().to_string();
        let gone = CsvReader::new(file.path.with_extension("gone")).read(ctx);
        assert!(gone.unwrap_err().to_string().contains("stays.gone"));
        assert_eq!(CsvReader::new(&file.path).read(ctx).unwrap().count().unwrap(), 1);
        fault
    });
    assert!(faults.iter().all(|fault| fault.contains("no column `b`")), "{faults:?}");
}

#[test]
fn a_scan_reads_the_file_anew() {
    let file = scratch("a\n1\n2\n");
    let table = CsvReader::new(&file.path).scan(&Context::local()).unwrap();
    assert!(table.report().is_none());
    assert_eq!(table.count().unwrap(), 2);
    std::fs::write(&file.path, "a\n7\n8\n").unwrap();
    assert_eq!(table.column_f64("a").unwrap(), [7.0, 8.0]);
    std::fs::write(&file.path, "a\n").unwrap();
    assert!(table.count().is_err(), "the file is shorter than it was");
}

#[test]
fn gzip_files_read_like_plain_ones() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv.gz");
    let file = std::fs::File::create(&path).unwrap();
    let mut out = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    out.write_all(b"a,b\n1,\"x\ny\"\n").unwrap();
    out.finish().unwrap();
    let table = CsvReader::new(&path).split_bytes(3).read(&Context::local()).unwrap();
    assert_eq!(cells(&table), [[Value::I64(1), Value::from("x\ny")]]);
}

/// Everything about a table that must not depend on ranks or splits.
fn essence(table: &Table) -> String {
    let report = table.report().unwrap();
    let lines: Vec<_> = report.examples.iter().map(|e| (e.line, &e.column, &e.value)).collect();
    let counts = (report.rows, report.skipped, &report.columns);
    format!("{} {:?} {counts:?} {lines:?}", table.schema(), cells(table))
}

const MIXED: &[u8] = "id,x,note\n1,0.5,\"a \"\"b\"\"\n, c\"\r\n2,?,\u{e9}\n\n3,nan,\"\"\n4,x\n5,7,8,9\n6,1e3,\"\u{1f600}\"\r\n7,,z".as_bytes();

#[test]
fn ranks_and_splits_do_not_show() {
    let file = scratch(MIXED);
    let read = |ctx: &Context, split: usize, rows: usize, policy| {
        let reader = CsvReader::new(&file.path).null_tokens(["?", ""]).on_bad_record(policy);
        essence(&reader.split_bytes(split).batch_rows(rows).read(ctx).unwrap())
    };
    for policy in [OnBadRecord::Skip, OnBadRecord::Null] {
        let alone = read(&Context::local(), 1 << 20, 1000, policy);
        for ranks in [1, 3] {
            for (split, rows) in [(1, 1), (2, 3), (7, 1000), (40, 2), (1 << 20, 1)] {
                for here in on_ranks(ranks, |ctx| read(ctx, split, rows, policy)) {
                    assert_eq!(here, alone, "{ranks} ranks, splits of {split}");
                }
            }
        }
    }
}

#[test]
fn a_bad_record_is_the_same_error_on_every_rank() {
    let file = scratch("a,b\n1,2\n3,4\n5\n6,7\n8\n");
    for split in [3, 1000] {
        for ranks in [2, 3] {
            let errors = on_ranks(ranks, |ctx| {
                let error = CsvReader::new(&file.path).split_bytes(split).read(ctx).unwrap_err();
                assert_eq!(ctx.range(0..5).count().unwrap(), 5); // and the context goes on
                error.to_string()
            });
            assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
            let is_bad = |line| errors[0].contains(&format!("line {line}, column `(record)`"));
            assert!(is_bad(4) || is_bad(6), "{}", errors[0]);
        }
    }
}

/// What the `csv` crate reads from start to end: records of strings.
fn oracle(text: &[u8]) -> Vec<Vec<String>> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text)
        .records()
        .map(|record| record.unwrap().iter().map(str::to_owned).collect())
        .collect()
}

fn texts() -> impl Strategy<Value = String> {
    let cell = prop_oneof![
        3 => "[a-z0-9]{0,4}",
        1 => Just("\"\"".to_owned()),
        1 => Just("\"a,b\"".to_owned()),
        1 => Just("\"x\ny\"".to_owned()),
        1 => Just("\"\r\n\"\"\"".to_owned()),
        1 => Just("é\u{1f600}".to_owned()),
        1 => Just("q\"q".to_owned()),
        1 => Just("\"end\"x".to_owned()),
    ];
    let end = prop_oneof![Just("\n"), Just("\r\n"), Just("\r"), Just("\n\n")];
    let line = (cell.clone(), cell, end).prop_map(|(a, b, end)| format!("{a},{b}{end}"));
    (prop::collection::vec(line, 0..12), any::<bool>()).prop_map(|(lines, whole)| {
        let mut text = lines.concat();
        if !whole {
            text.push_str("last,1"); // without a line end
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_split_reads_what_the_csv_crate_reads(text in texts(), split in 1_usize..30, rows in 1_usize..5) {
        let file = scratch(format!("a,b\n{text}"));
        let reader = CsvReader::new(&file.path).null_tokens(["no such token"]).split_bytes(split);
        let strings = Schema::of([("a", Type::String), ("b", Type::String)]).unwrap();
        let table = reader.schema(strings).batch_rows(rows).read(&Context::local()).unwrap();
        let found: Vec<Vec<String>> = cells(&table)
            .into_iter()
            .map(|row| row.iter().map(Value::to_string).collect())
            .collect();
        prop_assert_eq!(found, oracle(text.as_bytes()));
    }

    #[test]
    fn any_split_refuses_what_one_split_refuses(text in texts(), cut in 0.0..1.0, split in 1_usize..30) {
        let mut text = format!("a,b\n{text}").into_bytes();
        text.truncate(4 + ((text.len() - 4) as f64 * cut) as usize);
        let file = scratch(&text);
        let outcome = |split| match CsvReader::new(&file.path).split_bytes(split).read(&Context::local()) {
            Ok(table) => format!("{:?}", cells(&table)),
            Err(error) => error.to_string(),
        };
        prop_assert_eq!(outcome(split), outcome(1 << 20));
    }
}

/// The folder of shared data, if it is there.
fn shared() -> Option<PathBuf> {
    let folder = match std::env::var_os("FIRESTEEL_SHARED") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
    };
    folder.is_dir().then_some(folder)
}

#[test]
fn the_readmission_table_has_its_rows_and_types() {
    let Some(shared) = shared() else {
        return println!("skipped: no shared data (FIRESTEEL_SHARED, ../shared)");
    };
    let path = shared.join("data/diabetes130/readmission_shared.csv.gz");
    let read = |ctx: &Context, split| {
        let reader = CsvReader::new(&path).null_tokens(["?", ""]).split_bytes(split);
        let table = reader.read(ctx).unwrap();
        let report = table.report().unwrap();
        let nulls: Vec<_> = report.columns.iter().map(|c| (c.name.clone(), c.nulls)).collect();
        let names = ["patient_nbr", "time_in_hospital", "diag_1", "readmitted"];
        let types = names.map(|name| table.schema().type_of(name).unwrap());
        let description = table.describe().unwrap();
        (report.rows, report.columns.len(), report.skipped, types, nulls, description)
    };
    let alone = read(&Context::local(), 8 << 20);
    assert_eq!((alone.0, alone.1, alone.2), (81_403, 50, 0));
    assert_eq!(alone.3, [Type::I64, Type::I64, Type::String, Type::String]);
    for other in on_ranks(3, |ctx| read(ctx, 1_000_003)) {
        assert_eq!(other, alone);
    }
}
