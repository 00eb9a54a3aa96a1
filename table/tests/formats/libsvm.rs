//! LIBSVM files.

use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch};
use firesteel_core::testing::on_ranks;
use firesteel_core::{Context, Error as CoreError};
use firesteel_table::{
    Error, LibsvmReader, LibsvmWriter, OnBadRecord, SparseVectorBuilder, Table, Type, WriteMode,
    dense_vectors, sparse_vectors,
};

use crate::support::{Draws, table, told};

fn read(text: &str, set: impl Fn(LibsvmReader) -> LibsvmReader) -> Result<Table, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.libsvm");
    std::fs::write(&path, text).unwrap();
    set(LibsvmReader::new(&path)).read(&Context::local())
}

const TEXT: &str = "# two columns\n1 1:0.5 3:-2e3\n\n  -1.5\t2:1 \r\n   # more\n0\n3 10:nan";

#[test]
fn records_are_what_they_say() {
    for split in [1, 5, 1 << 20] {
        let table = read(TEXT, |r| r.split_bytes(split)).unwrap();
        assert_eq!(table.schema().to_string(), "label: f64, features: sparse_vector[10]");
        assert_eq!(table.column_f64("label").unwrap(), [1.0, -1.5, 0.0, 3.0]);
        let features = table.column("features").unwrap();
        let rows = sparse_vectors(&features).unwrap();
        assert_eq!(rows.row(0), Some((&[0, 2][..], &[0.5, -2000.0][..])));
        assert_eq!(rows.row(1), Some((&[1][..], &[1.0][..])));
        assert_eq!(rows.row(2), Some((&[][..], &[][..])));
        assert!(rows.row(3).unwrap().1[0].is_nan());
    }
    let dense =
        read("1 2:5\n", |r| r.dense(true).num_features(3).label("y").features("x")).unwrap();
    assert_eq!(dense.schema().to_string(), "y: f64, x: vector[3]");
    let column = dense.column("x").unwrap();
    assert_eq!(dense_vectors(&column).unwrap().row(0), Some(&[0.0, 5.0, 0.0][..]));
    let empty = read("# nothing\n", |r| r).unwrap();
    assert_eq!(
        (empty.count().unwrap(), empty.schema().type_of("features").unwrap()),
        (0, Type::SparseVector(1))
    );
}

#[test]
fn bad_records_are_told_with_line_column_and_value() {
    for (line, column, value, expected) in [
        ("x 1:2", "label", "x", "a number"),
        ("1 2", "features", "2", "a pair index:value"),
        ("1 0:2", "features", "0:2", "an index from 1 to 5"),
        ("1 6:2", "features", "6:2", "an index from 1 to 5"),
        ("1 99999999999:2", "features", "99999999999:2", "an index from 1 to 5"),
        ("1 -1:2", "features", "-1:2", "a pair index:value"),
        ("1 qid:2", "features", "qid:2", "a pair index:value"),
        ("1 2:1 2:1", "features", "2:1", "an index above the one before"),
        ("1 3:1 2:1", "features", "2:1", "an index above the one before"),
        ("1 2:", "features", "2:", "a number behind the colon"),
        ("1 2:1e999", "features", "2:1e999", "a number behind the colon"),
    ] {
        let text = format!("# first\n1 1:1\n{line}\n0 2:2\n");
        let error = read(&text, |r| r.num_features(5).split_bytes(4)).unwrap_err();
        let Error::Core(CoreError::BadRecord {
            file,
            line: at,
            column: found,
            value: v,
            expected: e,
        }) = error
        else {
            panic!("{error}");
        };
        assert!(file.ends_with("a.libsvm"));
        assert_eq!((at, &*found, &*v, &*e), (3, column, value, expected), "{line}");
        let with = |policy| read(&text, |r| r.num_features(5).on_bad_record(policy)).unwrap();
        assert_eq!(with(OnBadRecord::Skip).count().unwrap(), 2);
        let emptied = with(OnBadRecord::Null);
        assert!(emptied.column(column).unwrap().is_null(1));
        assert_eq!((emptied.count().unwrap(), emptied.report().unwrap().bad()), (3, 1));
    }
    for (set, name) in [
        ((|r| r.num_features(0)) as fn(LibsvmReader) -> LibsvmReader, "num_features"),
        (|r| r.batch_rows(0), "batch_rows"),
        (|r| r.split_bytes(0), "split_bytes"),
    ] {
        assert!(read(TEXT, set).unwrap_err().to_string().contains(name));
    }
}

#[test]
fn what_is_written_reads_back_to_the_bit() {
    let mut draws = Draws(3);
    let mut features = SparseVectorBuilder::new(50).unwrap();
    let values = [0.1, -0.0, 1e300, f64::NAN, f64::NEG_INFINITY, 5e-324];
    let labels = Float64Array::from_iter_values((0..200).map(|i| f64::from(i % 3) - 0.5));
    for _ in 0..200 {
        let indices: Vec<u32> = (0..50).filter(|_| draws.below(10) == 0).collect();
        let values: Vec<f64> = indices.iter().map(|_| values[draws.below(6) as usize]).collect();
        features.push(&indices, &values).unwrap();
    }
    let columns: [(&str, ArrayRef); 2] =
        [("label", std::sync::Arc::new(labels)), ("features", features.finish().unwrap())];
    let rows =
        RecordBatch::try_from_iter_with_nullable(columns.map(|(n, c)| (n, c, true))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.libsvm", "a.libsvm.gz"] {
        let path = folder.path().join(name);
        on_ranks(3, |ctx| {
            let written = table(ctx, &rows, 9, 4);
            LibsvmWriter::new().mode(WriteMode::Overwrite).write(&written, &path).unwrap();
            let back =
                LibsvmReader::new(&path).num_features(50).split_bytes(100).read(ctx).unwrap();
            assert_eq!(told(&back), told(&written));
        });
    }
}

#[test]
fn what_cannot_be_written_is_named() {
    let ctx = Context::local();
    let rows = table(&ctx, &crate::support::all_types(1, 50), 10, 2);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let write = |writer: LibsvmWriter| writer.write(&rows, &path).unwrap_err();
    assert!(matches!(write(LibsvmWriter::new()), Error::UnknownColumn { .. }));
    let text = write(LibsvmWriter::new().label("s é").features("sparse"));
    assert!(matches!(text, Error::TypeMismatch { .. }), "{text}");
    let flat = write(LibsvmWriter::new().label("n").features("x"));
    assert!(matches!(flat, Error::TypeMismatch { .. }), "{flat}");
    let nulls = write(LibsvmWriter::new().label("n").features("sparse")).to_string();
    assert!(nulls.contains("expected a value in every row"), "{nulls}");
    assert!(crate::support::names(folder.path()).is_empty());
}
