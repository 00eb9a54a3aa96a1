//! What is printed, and written beside the model.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use firesteel::core::storage::write_atomic;
use firesteel::ml::classification::CoefficientRow;
use firesteel::ml::evaluation::{CalibrationGroups, CalibrationLine, CalibrationTable};
use firesteel::prelude::*;
use firesteel::table::CsvWriter;
use serde_json::json;

use crate::{Outcome, prepare};

/// Whether a line could not be printed, other than for want of a reader.
static LOST: AtomicBool = AtomicBool::new(false);

/// Prints a line. Whoever reads may have seen enough and gone (`| head`): the rest of the work is
/// done all the same.
pub(crate) fn say(line: std::fmt::Arguments<'_>) {
    if let Err(error) = writeln!(std::io::stdout(), "{line}")
        && error.kind() != ErrorKind::BrokenPipe
        && !LOST.swap(true, Ordering::Relaxed)
    {
        eprintln!("readmission: standard output: {error}");
    }
}

/// Whether everything that was said was written.
pub(crate) fn is_said() -> bool {
    !LOST.load(Ordering::Relaxed)
}

/// Levels of the confidence intervals.
const LEVEL: f64 = 0.95;

/// What the reader found.
pub(crate) fn reading(table: &Table) {
    let Some(report) = table.report() else { return };
    say!("rows: {}, bad rows left out: {}", report.rows, report.skipped);
    let missing: Vec<String> = report
        .columns
        .iter()
        .filter(|column| column.nulls > 0)
        .map(|column| {
            let share = 100.0 * column.nulls as f64 / report.rows.max(1) as f64;
            format!("{} {} ({share:.1} %)", column.name, column.nulls)
        })
        .collect();
    say!("missing values: {}", if missing.is_empty() { "none".into() } else { missing.join(", ") });
    say!("bad values: {}", report.bad());
    for example in &report.examples {
        say!(
            "  {}, line {}, column {}: expected {}, found {:?}",
            example.file,
            example.line,
            example.column,
            example.expected,
            example.value
        );
    }
}

fn odds_ratios(model: &LogisticRegressionModel) -> Outcome<Vec<CoefficientRow>> {
    Ok(model.summary.standard_errors.best()?.table(LEVEL)?)
}

/// How the fit went, and the odds ratios with their intervals.
pub(crate) fn coefficients(model: &LogisticRegressionModel) -> Outcome<()> {
    let summary = &model.summary;
    say!(
        "\nlogistic regression: {} coefficients, {} steps, stopped by {:?}",
        model.coefficients.len(),
        summary.iterations,
        summary.stop
    );
    // The level for values that were never seen is constant while nothing but seen ones is there.
    let dropped: Vec<String> = summary
        .dropped
        .iter()
        .filter(|dropped| !dropped.feature.ends_with("=__unknown"))
        .map(|dropped| format!("{} ({:?})", dropped.feature, dropped.because))
        .collect();
    if !dropped.is_empty() {
        say!("without effect: {}", dropped.join(", "));
    }
    if let Some(separation) = &summary.separation {
        say!("warning: the classes are separated by {}", separation.features.join(", "));
        return Ok(());
    }
    say!(
        "odds ratios with {:.0} % intervals, clustered by patient; numbers per standard deviation, \
         categories against their most frequent level",
        100.0 * LEVEL
    );
    say!("{:<44} {:>8} {:>8} {:>8} {:>10}", "", "ratio", "lower", "upper", "p");
    for row in odds_ratios(model)? {
        let name: String = row.name.chars().take(44).collect();
        say!(
            "{name:<44} {:>8.3} {:>8.3} {:>8.3} {:>10.2e}",
            exp(row.estimate),
            exp(row.lower),
            exp(row.upper),
            row.p_value
        );
    }
    Ok(())
}

fn exp(x: f64) -> f64 {
    firesteel::ml::kernel::exp(x)
}

/// How well the held-back patients were told apart, and how true the probabilities are.
pub(crate) struct Metrics {
    rows: u64,
    auc_roc: f64,
    auc_pr: f64,
    log_loss: f64,
    brier: f64,
    line: CalibrationLine,
    table: CalibrationTable,
}

impl Metrics {
    /// One machine-readable line; `rows` is the number of stays learnt from and held back.
    pub(crate) fn line(&self, rows: u64) -> String {
        let mut line = self.json();
        line["rows"] = json!(rows);
        line["held_back"] = json!(self.rows);
        line.to_string()
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "held_back": self.rows,
            "auc_roc": self.auc_roc,
            "auc_pr": self.auc_pr,
            "log_loss": self.log_loss,
            "brier": self.brier,
            "calibration_intercept": self.line.intercept.value,
            "calibration_slope": self.line.slope.value,
        })
    }
}

/// Measures a scored table with labels, and prints what it finds.
pub(crate) fn metrics(ctx: &Context, scored: &Table) -> Outcome<Metrics> {
    let (probabilities, labels) = prepare::probabilities_and_labels(scored)?;
    let metrics = BinaryMetrics::new(&Scored::from_slices(ctx, &probabilities, &labels)?)?;
    let found = Metrics {
        rows: metrics.rows(),
        auc_roc: metrics.area_under_roc()?,
        auc_pr: metrics.average_precision()?,
        log_loss: metrics.log_loss()?,
        brier: metrics.brier()?,
        line: metrics.calibration_line()?,
        table: metrics.calibration_table(&CalibrationGroups::EqualCount(10))?,
    };
    say!("\nheld-back patients: {} stays", found.rows);
    say!("AUC-ROC {:.4}", found.auc_roc);
    say!("AUC-PR  {:.4}", found.auc_pr);
    say!("Brier   {:.4}", found.brier);
    say!(
        "calibration: slope {:.3}, intercept {:.3}",
        found.line.slope.value,
        found.line.intercept.value
    );
    if !found.line.converged {
        say!("(the calibration line did not converge)");
    }
    say!("{}", found.table);
    Ok(found)
}

/// Writes odds ratios and metrics.
pub(crate) fn write(
    ctx: &Context,
    out: &Path,
    model: &LogisticRegressionModel,
    metrics: &Metrics,
) -> Outcome<()> {
    let mut table = String::from("name,odds_ratio,lower,upper,estimate,std_error,z,p_value\n");
    if model.summary.separation.is_none() {
        for row in odds_ratios(model)? {
            let [ratio, lower, upper] = [row.estimate, row.lower, row.upper].map(exp);
            let CoefficientRow { name, estimate, std_error, z, p_value, .. } = row;
            writeln!(
                table,
                "\"{}\",{ratio},{lower},{upper},{estimate},{std_error},{z},{p_value}",
                name.replace('"', "\"\"")
            )?;
        }
    }
    let metrics = format!("{:#}\n", metrics.json());
    ctx.on_root(|| {
        write_atomic(out.join("odds_ratios.csv"), |file| file.write_all(table.as_bytes()))?;
        write_atomic(out.join("metrics.json"), |file| file.write_all(metrics.as_bytes()))
    })?;
    Ok(())
}

/// Prints scores as CSV. A reader that has seen enough (`| head`) is no error.
pub(crate) fn print_scores(scores: &Table) -> Outcome<()> {
    let mut text = Vec::new();
    CsvWriter::new().write_to(scores, &mut text)?;
    match std::io::stdout().write_all(&text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
