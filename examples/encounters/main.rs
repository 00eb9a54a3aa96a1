//! What a patient's earlier stays say about the next readmission.
//!
//! ```text
//! cargo run --release --example encounters                       on a generated table
//! cargo run --release --example encounters -- --data FILE        on the real one, plain or .gz
//! ```
//!
//! Each stay learns by windows over its patient what came before it, and nothing of what came after;
//! grouped reports are printed; the enriched table is written as Parquet, in folders by the kind of
//! admission; and the pipeline of the example `readmission` is fitted with the new columns and without
//! them, on the same patients, to see what they do to the AUC.
//!
//! Also `--out DIR` (where to write; a folder that goes again without it), `--threads N`, `--seed N`, and
//! `--json` for one machine-readable line at the end.
//!
//! The table has no dates; the numbers of encounters rise with time, which is all the order that windows
//! need. The real table is "Diabetes 130-US hospitals for years 1999–2008" (UCI Machine Learning
//! Repository, doi 10.24432/C5230J).

#[path = "../readmission/prepare.rs"]
#[allow(dead_code, reason = "what the other example needs besides")]
mod prepare;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use firesteel::datasets::readmission::Readmission;
use firesteel::prelude::*;
use firesteel::table::{
    Frame, ParquetReader, ParquetWriter, SortKey, WriteMode, count_rows, row_number,
};
use lexopt::prelude::*;
use serde_json::json;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Patients of the generated table.
const PATIENTS: u32 = 20_000;
/// Splits into patients to learn from and patients to measure on.
const SPLITS: u64 = 5;
/// What a stay learns of the earlier ones.
const EARLIER: [&str; 5] =
    ["earlier_stays", "earlier_days", "earlier_emergencies", "last_days", "soon_returns"];

const USAGE: &str = "usage: encounters [--data FILE] [--out DIR] [--threads N] [--seed N] [--json]";

#[derive(Debug, Default)]
struct Words {
    data: Option<PathBuf>,
    out: Option<PathBuf>,
    threads: Option<usize>,
    seed: u64,
    json: bool,
}

impl Words {
    fn parse() -> Outcome<Self> {
        let mut words = Self { seed: 42, ..Self::default() };
        let mut parser = lexopt::Parser::from_env();
        while let Some(word) = parser.next()? {
            match word {
                Long("data") => words.data = Some(parser.value()?.into()),
                Long("out") => words.out = Some(parser.value()?.into()),
                Long("threads") => words.threads = Some(parser.value()?.parse()?),
                Long("seed") => words.seed = parser.value()?.parse()?,
                Long("json") => words.json = true,
                Short('h') | Long("help") => {
                    println!("{USAGE}");
                    std::process::exit(0);
                }
                other => return Err(format!("{}; {USAGE}", other.unexpected()).into()),
            }
        }
        Ok(words)
    }
}

fn main() -> ExitCode {
    match Words::parse().and_then(|words| run(&words)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("encounters: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &Words) -> Outcome<()> {
    let builder = Context::builder().seed(words.seed);
    let ctx = match words.threads {
        Some(threads) => builder.threads(threads).build()?,
        None => builder.build()?,
    };
    let scratch = Scratch::new()?;
    let raw = match &words.data {
        Some(path) => prepare::reader(path).on_bad_record(OnBadRecord::Skip).read(&ctx)?,
        None => {
            println!("GENERATED hospital stays of {PATIENTS} patients who do not exist");
            let path = scratch.0.join("stays.csv");
            Readmission::new(PATIENTS).seed(words.seed).write_csv(&path)?;
            prepare::reader(&path).read(&ctx)?
        }
    };
    let stays = enriched(&raw)?.cache();
    report(&stays)?;

    let folder = words.out.clone().unwrap_or_else(|| scratch.0.clone()).join("encounters");
    let stays = through_parquet(&ctx, &stays, &folder)?.cache();
    let effect = effect(&ctx, &prepare::without_deaths(&stays)?.cache(), words.seed)?;
    if words.json {
        println!("{}", effect.line(stays.count()?));
    }
    Ok(())
}

/// A folder that goes when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Outcome<Self> {
        let folder =
            std::env::temp_dir().join(format!("firesteel-encounters-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Each stay with what came before it in its patient's life: frames end one row before.
fn enriched(raw: &Table) -> Outcome<Table> {
    let before = Frame::rows(i64::MIN, -1);
    let is = |condition: firesteel::table::Expr| condition.cast(Type::I64);
    let stays = raw.window(&[prepare::PATIENT], ["encounter_id"])?.with_columns([
        row_number().alias("stay"),
        col("time_in_hospital").sum().over(before).alias("earlier_days"),
        is(col("admission_type_id").eq(1)).sum().over(before).alias("earlier_emergencies"),
        col("time_in_hospital").lag(1).alias("last_days"),
        // That an earlier stay was followed by another within 30 days is known by now: by this one.
        is(col("readmitted").eq("<30")).sum().over(before).alias("soon_returns"),
    ])?;
    let mut stays = stays.with_column("earlier_stays", col("stay") - 1)?;
    for name in EARLIER {
        stays = stays.with_column(name, col(name).fill_null(0).cast(Type::F64))?;
    }
    Ok(stays.drop_columns(&["stay"])?)
}

/// Readmissions by age and sex with their subtotals, and by the number of earlier stays.
fn report(stays: &Table) -> Outcome<()> {
    let soon = col("readmitted").eq("<30").cast(Type::F64);
    let what = || {
        [
            count_rows().alias("stays"),
            col(prepare::PATIENT).count_distinct().alias("patients"),
            soon.clone().mean().alias("soon_back"),
            col("time_in_hospital").mean().alias("days"),
            col("num_medications").median().alias("medications"),
        ]
    };
    let by_age = stays.rollup(&["age", "gender"])?.agg(what())?;
    let by_age = by_age.sort(["grouping_id", "age", "gender"])?;
    println!("readmission within 30 days by age and sex, with subtotals\n{}", by_age.show(40)?);
    let earlier = when(col("earlier_stays").ge(3)).then("3 and more");
    let earlier = earlier.otherwise(col("earlier_stays").cast(Type::I64).cast(Type::String));
    let by_earlier = stays.group_by([("earlier", earlier)])?.agg(what())?.sort(["earlier"])?;
    println!("by the number of earlier stays\n{}", by_earlier.show(10)?);
    let by_kind = stays.pivot(&["age"], "admission_type_id", count_rows())?.sort(["age"])?;
    println!("stays by age and kind of admission\n{}", by_kind.show(12)?);
    let top = stays.value_counts("medical_specialty")?.head(8)?;
    let top = top.sort([SortKey::descending(col("count"))])?;
    println!("most frequent specialties\n{}", top.show(8)?);
    println!("{}", stays.corr(&EARLIER)?.show(8)?);
    Ok(())
}

/// The table written as Parquet in folders by the kind of admission, and read back.
fn through_parquet(ctx: &Context, stays: &Table, folder: &Path) -> Outcome<Table> {
    let writer = ParquetWriter::new().mode(WriteMode::Overwrite).part_rows(50_000);
    let writer = writer.partition_by(["admission_type_id"]);
    writer.write_folder(&stays.sort(["encounter_id"])?, folder)?;
    println!("written to {}", folder.display());
    let names: Vec<&str> = stays.schema().names().collect();
    let reader = ParquetReader::new(folder).columns(names);
    Ok(reader.key_type("admission_type_id", Type::I64).read(ctx)?.sort(["encounter_id"])?)
}

/// AUCs of the pipeline on the held-back patients of each split, without the new columns and with them.
struct Effect {
    splits: Vec<(f64, f64)>,
}

impl Effect {
    /// The mean of what the new columns add, and its standard error over the splits.
    fn gain(&self) -> (f64, f64) {
        let n = self.splits.len() as f64;
        let gains = || self.splits.iter().map(|(without, with)| with - without);
        let mean = gains().sum::<f64>() / n;
        let squares: f64 = gains().map(|gain| (gain - mean) * (gain - mean)).sum();
        (mean, (squares / (n - 1.0) / n).sqrt())
    }

    fn line(&self, rows: u64) -> String {
        let mean = |of: fn(&(f64, f64)) -> f64| {
            self.splits.iter().map(of).sum::<f64>() / self.splits.len() as f64
        };
        let (gain, error) = self.gain();
        json!({
            "rows": rows,
            "auc_without": mean(|split| split.0),
            "auc_with": mean(|split| split.1),
            "gain": gain,
            "gain_std_error": error,
        })
        .to_string()
    }
}

fn effect(ctx: &Context, stays: &Table, seed: u64) -> Outcome<Effect> {
    println!("\nAUC-ROC on held-back patients, without and with what came before");
    let mut splits = Vec::new();
    for split in 0..SPLITS {
        let parts = stays.split_by_key(prepare::PATIENT, &[0.8, 0.2], seed + split)?;
        let auc = |more: &[&str]| -> Outcome<f64> {
            let model = prepare::pipeline(more).fit(&parts[0])?;
            let scored = model.transform(&prepare::with_label(&parts[1])?)?.cache();
            let (scores, labels) = prepare::probabilities_and_labels(&scored)?;
            let scored = Scored::from_slices(ctx, &scores, &labels)?;
            Ok(BinaryMetrics::new(&scored)?.area_under_roc()?)
        };
        let (without, with) = (auc(&[])?, auc(&EARLIER)?);
        println!("split {split}: {without:.4} {with:.4} ({:+.4})", with - without);
        splits.push((without, with));
    }
    let effect = Effect { splits };
    let (gain, error) = effect.gain();
    println!("what came before adds {gain:+.4}, standard error over {SPLITS} splits {error:.4}");
    Ok(effect)
}
