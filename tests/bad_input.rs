//! Bad input on the way from a file to scores: each is a typed error that names file, line, column,
//! value or parameter, the same on one rank and on each of three; the context goes on working, and
//! nothing half-written stays. What the core alone meets is in `core::bad_input`.

use std::path::{Path, PathBuf};

use firesteel::core::Error as CoreError;
use firesteel::core::testing::on_ranks;
use firesteel::ml::classification::DroppedBecause;
use firesteel::ml::{Error, Result};
use firesteel::prelude::*;
use firesteel::table::{CsvWriter, WriteMode};
use tempfile::TempDir;

use crate::support::SmallDisk;

const HEADER: &str = "age,dose,drug,back\n";

/// Stays that a model can be learnt from.
fn sound() -> String {
    let row = |i: u32| {
        let (age, dose) = (30 + i * 7 % 50, i * 13 % 11);
        let drug = ["none", "low", "high"][(i * i % 3) as usize];
        format!("{age},{dose}.5,{drug},{}\n", u32::from(i * 29 % 7 < 3))
    };
    HEADER.to_owned() + &(0..60).map(row).collect::<String>()
}

/// A file in a folder of its own, which is removed with it.
struct Stays(TempDir);

impl Stays {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("stays.csv"), text).unwrap();
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("stays.csv")
    }
}

fn read(ctx: &Context, path: &Path) -> Result<Table> {
    let reader = CsvReader::new(path).null_tokens(["?"]).column_type("age", Type::F64);
    Ok(reader.column_type("dose", Type::F64).column_type("back", Type::F64).read(ctx)?)
}

fn learn_from(table: &Table) -> Result<PipelineModel> {
    Pipeline::new()
        .stage(StringIndexer::new(["drug"]))
        .stage(OneHotEncoder::new(["drug"]))
        .stage(VectorAssembler::new(["age", "dose", "drug"]))
        .stage(LogisticRegression::new().label("back"))
        .fit(table)
}

fn learn(ctx: &Context, path: &Path) -> Result<PipelineModel> {
    learn_from(&read(ctx, path)?)
}

/// What a program is refused with, the same everywhere; its context works afterwards.
fn refusal<T>(program: impl Fn(&Context) -> Result<T> + Sync) -> Error {
    let run = |ctx: &Context| {
        let Err(error) = program(ctx) else { panic!("was accepted") };
        assert_eq!(ctx.range(0..10).count(), Ok(10));
        error
    };
    let mut all: Vec<Error> = [1, 3].into_iter().flat_map(|ranks| on_ranks(ranks, run)).collect();
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
    all.remove(0)
}

/// What comes of learning from that text.
fn refused(text: &str) -> Error {
    let stays = Stays::new(text);
    refusal(|ctx| learn(ctx, &stays.path()))
}

/// The innermost cause.
fn cause(error: Error) -> Error {
    match error {
        Error::Stage { source, .. } => cause(*source),
        error => error,
    }
}

#[track_caller]
fn file_error(error: Error, file: &str, message: &str) {
    let text = error.to_string();
    let Error::Core(CoreError::File { .. }) = error else { panic!("not a file error: {error:?}") };
    assert!(text.contains(file) && text.contains(message), "{text}");
}

#[track_caller]
fn bad_record(error: Error, at: u64, of: &str, with: &str) {
    match error {
        Error::Core(CoreError::BadRecord { file, line, column, value, .. }) => {
            assert!(file.ends_with("stays.csv"), "{file}");
            assert_eq!((line, &*column, &*value), (at, of, with));
        }
        error => panic!("not a bad record: {error:?}"),
    }
}

#[track_caller]
fn bad_value(error: Error, at: u64, of: &str, with: &str) {
    match cause(error) {
        // A job's error names the operator too, and says what stands for a missing number.
        Error::BadValue { row, column, value, .. }
        | Error::Core(CoreError::BadValue { row, column, value, .. }) => {
            let value = value.replace("null or NaN", "NaN");
            assert_eq!((row, &*column, &*value), (at, of, with));
        }
        error => panic!("not a bad value: {error:?}"),
    }
}

#[test]
fn the_sound_table_is_learnt_from() {
    let stays = Stays::new(&sound());
    let model = learn(&Context::local(), &stays.path()).unwrap();
    assert!(model.find::<LogisticRegressionStage>().unwrap().model.summary.is_converged());
}

#[test]
fn a_missing_file() {
    let folder = tempfile::tempdir().unwrap();
    let error = refusal(|ctx| learn(ctx, &folder.path().join("stays.csv")));
    file_error(error, "stays.csv", "No such file");
}

#[test]
fn an_empty_file() {
    file_error(refused(""), "stays.csv", "empty");
}

#[test]
fn a_header_alone() {
    let error = cause(refused(HEADER));
    assert!(matches!(error, Error::EmptyData { .. }), "{error:?}");
}

#[test]
fn ragged_rows() {
    let text = sound();
    bad_record(refused(&(text.clone() + "44,2.5,low\n")), 62, "(record)", "3 fields");
    bad_record(refused(&(text + "44,2.5,low,1,9\n")), 62, "(record)", "5 fields");
}

#[test]
fn text_where_numbers_should_be() {
    let text = sound().replacen("\n37,", "\nold,", 1);
    bad_record(refused(&text), 3, "age", "old");
}

#[test]
fn a_column_without_a_value() {
    let lines = sound();
    let empty = |line: &str| match line.split_once(',') {
        Some((_, rest)) if !line.starts_with("age") => format!("?,{rest}\n"),
        _ => format!("{line}\n"),
    };
    let text: String = lines.lines().map(empty).collect();
    let stays = Stays::new(&text);
    // The report tells of it, and learning names the column, with an imputer or without.
    let report = on_ranks(1, |ctx| read(ctx, &stays.path()).unwrap().report().unwrap().to_string());
    assert!(report[0].contains("age"), "{}", report[0]);
    let error = refused(&text).to_string();
    assert!(error.contains("age"), "{error}");
    let error = refusal(|ctx| Imputer::new(["age"]).fit(&read(ctx, &stays.path())?));
    let Error::Column { column, .. } = cause(error) else { panic!("not a column's error") };
    assert_eq!(column, "age");
}

#[test]
fn one_class_only() {
    let text: String = sound().lines().map(|line| line.to_owned() + "\n").collect();
    let text = text.replace(",1\n", ",0\n");
    let error = cause(refused(&text));
    assert!(matches!(&error, Error::OneClass { label, .. } if label == "0"), "{error:?}");
}

#[test]
fn features_that_are_not_finite() {
    for (text, shown) in [("nan", "NaN"), ("inf", "inf"), ("-inf", "-inf")] {
        let error = refused(&sound().replacen("\n37,", &format!("\n{text},"), 1));
        bad_value(error, 1, "age", shown);
    }
}

#[test]
fn weights_below_zero() {
    let stays = Stays::new(&sound().replacen("13.5", "-13.5", 1).replacen("2.5,", "-2.5,", 1));
    let error = refusal(|ctx| {
        let table = read(ctx, &stays.path())?;
        TableSamples::new(&table).features(["age"]).label("back").weight("dose").build()
    });
    bad_value(error, 1, "weight", "-2.5");
}

#[test]
fn no_rows_after_a_filter() {
    let stays = Stays::new(&sound());
    let error = refusal(|ctx| learn_from(&read(ctx, &stays.path())?.filter(col("age").gt(200))?));
    assert!(matches!(cause(error.clone()), Error::EmptyData { .. }), "{error:?}");
}

#[test]
fn constant_and_collinear_columns_are_left_out_by_name() {
    let stays = Stays::new(&sound());
    let found = on_ranks(3, |ctx| {
        let table = read(ctx, &stays.path()).unwrap();
        let table = table.with_column("one", lit(1.0)).unwrap();
        let table = table.with_column("twice", col("age") * 2).unwrap();
        let features = ["one", "age", "dose", "twice"];
        let samples = TableSamples::new(&table).features(features).label("back").build().unwrap();
        let model = LogisticRegression::new().fit(&samples).unwrap();
        assert!(model.coefficients[0] == 0.0 && model.coefficients[3] == 0.0);
        let dropped = model.summary.dropped.into_iter();
        dropped.map(|dropped| (dropped.feature, dropped.because)).collect::<Vec<_>>()
    });
    for dropped in found {
        let expected = [("one", DroppedBecause::Constant), ("twice", DroppedBecause::Collinear)];
        assert_eq!(dropped, expected.map(|(name, because)| (name.to_owned(), because)));
    }
}

#[test]
fn categories_that_were_never_seen() {
    let (stays, new) = (Stays::new(&sound()), Stays::new("age,dose,drug\n50,1,new\n"));
    let error = refusal(|ctx| {
        let model = learn(ctx, &stays.path())?;
        let table = model.csv_reader(new.path()).read(ctx)?;
        model.transform(&table)?.count().map_err(Error::from)
    });
    let text = error.to_string();
    assert!(text.contains("`drug`") && text.contains("new"), "{text}");
    let model = learn(&Context::local(), &stays.path()).unwrap();
    let row = [("age", 50.into()), ("dose", 1.into()), ("drug", "new".into())];
    let text = model.predict_row(&row).unwrap_err().to_string();
    assert!(text.contains("`drug`") && text.contains("new"), "{text}");
}

/// A model's bytes with some of them changed and the checksum made right again.
fn forged(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + new.len()].copy_from_slice(new);
    let end = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..end]).to_le_bytes();
    bytes[end..].copy_from_slice(&checksum);
    bytes
}

#[test]
fn model_files_cut_short_of_another_version_of_another_kind_or_with_absurd_lengths() {
    let stays = Stays::new(&sound());
    let model = learn(&Context::local(), &stays.path()).unwrap();
    let (path, bytes) = (stays.0.path().join("m.fsm"), model.to_bytes().unwrap());
    let absurd = u64::MAX.to_le_bytes();
    let kind = model.stages().next().unwrap().to_saved().unwrap().to_bytes();
    for (bytes, complaint) in [
        (bytes[..bytes.len() / 2].to_vec(), "cut short"),
        (bytes[..5].to_vec(), "cut short"),
        (Vec::new(), "empty"),
        (forged(&bytes, 8, &[99]), "version"),
        (kind, "expected a `pipeline`"),
        (forged(&bytes, 16, &absurd), "m.fsm"),
        (forged(&bytes, 24, &absurd), "m.fsm"),
        (forged(&bytes, 24, &(1_u64 << 40).to_le_bytes()), "m.fsm"),
        (b"age,dose,drug\n".repeat(9), "not a Firesteel model file"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = refusal(|_| PipelineModel::load(&path));
        let text = error.to_string();
        assert!(matches!(error, Error::ModelFile { .. }), "{complaint}: {text}");
        assert!(text.contains("m.fsm") && text.contains(complaint), "{complaint}: {text}");
    }
}

#[test]
fn an_output_that_cannot_be_written() {
    let stays = Stays::new(&sound());
    // A file stands where a folder should.
    let below = stays.path().join("below");
    file_error(refusal(|ctx| learn(ctx, &stays.path())?.save(ctx, &below)), "below", "");
    let write = |ctx: &Context| Ok(read(ctx, &stays.path())?.write_csv(&below)?);
    file_error(refusal(write), "below", "");
    assert_eq!(std::fs::read_to_string(stays.path()).unwrap(), sound());
    assert_eq!(stays.0.path().read_dir().unwrap().count(), 1);
}

#[test]
fn a_full_disk() {
    let Some(disk) = SmallDisk::mount() else { return };
    let path = disk.path().join("scores.csv");
    std::fs::write(&path, "old").unwrap();
    let error = refusal(|ctx| {
        let stays = Stays::new(&(HEADER.to_owned() + &"50,1.5,none,1\n".repeat(100_000)));
        let over = CsvWriter::new().mode(WriteMode::Overwrite);
        Ok(over.write(&read(ctx, &stays.path())?, &path)?)
    });
    file_error(error, "scores.csv", "No space left");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(disk.path().read_dir().unwrap().count(), 1);
}
