//! Scoring the risk of a hospital readmission within 30 days.
//!
//! ```text
//! cargo run --release --example readmission                      on a generated table
//! cargo run --release --example readmission -- --data FILE       on the real one, plain or .gz
//! cargo run --release --example readmission -- --score MODEL --data FILE
//! ```
//!
//! Also `--out DIR` (model, odds ratios, metrics, scores of the held-back patients; nothing in
//! them tells when, where or on how many threads they were made), `--threads N`, `--seed N`, and
//! `--json` for one machine-readable line at the end.
//!
//! The real table is "Diabetes 130-US hospitals for years 1999–2008" (UCI Machine Learning
//! Repository, doi 10.24432/C5230J); the grouping of diagnoses follows Strack et al., "Impact of
//! HbA1c Measurement on Hospital Readmission Rates", BioMed Research International, 2014.

/// [`println!`] for a reader that may be gone.
macro_rules! say {
    ($($words:tt)*) => {
        $crate::report::say(format_args!($($words)*))
    };
}

mod prepare;
mod report;
mod words;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use firesteel::datasets::readmission::Readmission;
use firesteel::ml::pipeline::PipelineModel;
use firesteel::prelude::*;
use firesteel::table::{CsvWriter, WriteMode};
use words::Words;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Patients of the generated table.
const PATIENTS: u32 = 70_000;

fn main() -> ExitCode {
    match Words::parse().and_then(|words| run(&words)) {
        Ok(()) if report::is_said() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("readmission: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &Words) -> Outcome<()> {
    let builder = Context::builder().seed(words.seed).progress(true);
    let ctx = match words.threads {
        Some(threads) => builder.threads(threads).build()?,
        None => builder.build()?,
    };
    match (&words.score, &words.data) {
        (Some(model), Some(data)) => score(&ctx, model, data, words.out.as_deref()),
        (Some(_), None) => Err("--score needs --data: the rows to score".into()),
        (None, Some(data)) => train(&ctx, &read(&ctx, data)?, words),
        (None, None) => train(&ctx, &generated(&ctx, words.seed)?, words),
    }
}

fn read(ctx: &Context, path: &Path) -> Outcome<Table> {
    say!("data: {}", path.display());
    Ok(prepare::reader(path).on_bad_record(OnBadRecord::Skip).read(ctx)?)
}

/// A generated table, read back from a file like the real one.
fn generated(ctx: &Context, seed: u64) -> Outcome<Table> {
    say!("data: GENERATED hospital stays of {PATIENTS} patients who do not exist (seed {seed})");
    let name = format!("firesteel-readmission-{}.csv", std::process::id());
    let file = Temporary(std::env::temp_dir().join(name));
    Readmission::new(PATIENTS).seed(seed).write_csv(&file.0)?;
    Ok(prepare::reader(&file.0).read(ctx)?)
}

/// A file that goes when it is dropped.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn train(ctx: &Context, table: &Table, words: &Words) -> Outcome<()> {
    report::reading(table);
    let stays = prepare::without_deaths(table)?.cache();
    let rows = stays.count()?;
    say!("left out, ending in death or hospice: {}", table.count()? - rows);
    let parts = stays.split_by_key(prepare::PATIENT, &[0.8, 0.2], words.seed)?;
    let (train, test) = (&parts[0], &parts[1]);
    say!("stays to learn from: {}, held back by patient: {}", train.count()?, test.count()?);

    let model = prepare::pipeline(&[]).fit(train)?;
    let logistic: &LogisticRegressionStage = model.find().ok_or("the pipeline has no model")?;
    report::coefficients(&logistic.model)?;

    let scored = model.transform(&prepare::with_label(test)?)?.cache();
    let metrics = report::metrics(ctx, &scored)?;
    if let Some(out) = &words.out {
        write_results(ctx, out, &model, &scored, &metrics)?;
    }
    if words.json {
        say!("{}", metrics.line(rows));
    }
    Ok(())
}

fn write_results(
    ctx: &Context,
    out: &Path,
    model: &PipelineModel,
    scored: &Table,
    metrics: &report::Metrics,
) -> Outcome<()> {
    let logistic: &LogisticRegressionStage = model.find().ok_or("the pipeline has no model")?;
    model.save(ctx, out.join("readmission.model"))?;
    let over = CsvWriter::new().mode(WriteMode::Overwrite);
    over.write(&prepare::scores(scored)?, out.join("held_back_scores.csv"))?;
    report::write(ctx, out, &logistic.model, metrics)?;
    say!("\nwritten to {}", out.display());
    Ok(())
}

/// Scores raw rows by a saved pipeline: to `scores.csv` in `out`, or to standard output.
fn score(ctx: &Context, model: &Path, data: &Path, out: Option<&Path>) -> Outcome<()> {
    let model = PipelineModel::load(model)?;
    let rows = model.csv_reader(data).read(ctx)?;
    let scores = prepare::scores(&model.transform(&rows)?)?;
    match out {
        Some(out) => {
            let over = CsvWriter::new().mode(WriteMode::Overwrite);
            Ok(over.write(&scores, out.join("scores.csv"))?)
        }
        None => report::print_scores(&scores),
    }
}
