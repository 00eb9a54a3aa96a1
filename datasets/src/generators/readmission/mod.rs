//! Hospital stays with the schema of the "Diabetes 130-US hospitals" table. **Generated**: no row
//! describes a person, and nothing medical follows from them.
//!
//! The published table (Clore, Cios, DeShazo & Strack, "Diabetes 130-US Hospitals for Years
//! 1999-2008", UCI 2014, doi 10.24432/C5230J; described in Strack et al., "Impact of HbA1c
//! Measurement on Hospital Readmission Rates", BioMed Research International 2014, 781670) has
//! 101,766 stays of 71,518 patients in 50 columns. This module makes as many rows as asked for
//! with the same columns, the same spellings and nearly the same frequencies, so that a program
//! can be written, tried and tested where the real table is not at hand.
//!
//! How rows come about:
//!
//! - Patients first: severity, the number of stays (1 to 40), when they are, age, race, sex.
//! - Stays in order of time, over all patients; `encounter_id` grows along the rows.
//! - Per stay the diagnoses, eight counts that hang together through a Gaussian copula, the
//!   administrative columns, drugs. A patient tends to keep drugs, payer and specialty.
//! - `readmitted` from a logistic model whose effects are stated at [`log_odds`]'s source; a fit
//!   that includes them reaches an AUC of about 0.66.
//!
//! What is like the published table: the share of every level to within one row in a hundred, rank
//! correlations of the counts to within 0.03, columns missing more often in older stays, 2.3 % of
//! stays ending in death or hospice, the rate of return by earlier inpatient visits. What is not:
//! a stay knows nothing of the outcome of the one before, and codes that occur in one or two
//! published rows do not occur.
//!
//! Every draw belongs to (seed, purpose, patient or stay), so a row has the same bits on any
//! number of threads, ranks and partitions.

mod chapter;
mod choice;
mod counts;
mod encounter;
mod frequencies;
mod level;
mod outcome;
mod patient;
mod plan;
mod stay;
mod table;
#[cfg(test)]
mod tests;
mod treatment;

use std::io::{self, Write};
use std::iter::FusedIterator;
use std::path::Path;
use std::sync::Arc;

use firesteel_core::storage::write_atomic;
use firesteel_core::{Context, Dataset, Error, Result};
use flate2::{Compression, write::GzEncoder};

pub use chapter::Chapter;
pub use encounter::{Dose, Encounter, Readmitted, drugs, header};
pub use level::Level;
pub use outcome::{log_odds, log_odds_later};

use plan::Plan;

/// Patients in the published table.
const PATIENTS: u32 = 71_518;
/// Rows in a partition of [`Readmission::dataset`] and in a batch of [`Readmission::table`].
const ROWS: usize = 1 << 13;
const MOST_PARTITIONS: usize = 1024;

/// A generator of hospital stays; see the [module](self).
///
/// # Cost
///
/// Sixteen bytes a row for the order of stays, made anew by each call; a row costs about three
/// microseconds where it is used.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_datasets::readmission::{Readmission, Readmitted};
///
/// # fn main() -> firesteel_core::Result<()> {
/// let table = Readmission::new(7_000).seed(42);
/// let stays = table.dataset(&Context::local());
/// let early = stays.filter(|stay| stay.readmitted == Readmitted::Within30).count()?;
/// let share = early as f64 / stays.count()? as f64;
/// assert!((0.10..0.13).contains(&share));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct Readmission {
    /// Number of patients; there are about 1.42 times as many rows. Default 71 518, which makes
    /// about 101 800.
    pub patients: u32,
    /// Seed of all draws. Default 42.
    pub seed: u64,
}

impl Default for Readmission {
    fn default() -> Self {
        Self { patients: PATIENTS, seed: 42 }
    }
}

impl Readmission {
    /// Stays of so many patients.
    pub fn new(patients: u32) -> Self {
        Self { patients, ..Self::default() }
    }

    /// Sets the seed.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The rows in order of `encounter_id`, made one by one.
    #[must_use]
    pub fn rows(&self) -> Rows {
        let plan = Arc::new(self.plan());
        let end = plan.rows();
        Rows { plan, next: 0, end }
    }

    /// The rows in order of `encounter_id`, in partitions whose number depends on the number of
    /// rows alone. Made on the partition's home each time they are used.
    #[track_caller]
    pub fn dataset(&self, ctx: &Context) -> Dataset<Encounter> {
        let plan = self.plan();
        let partitions = partitions(&plan);
        dataset(ctx, plan, partitions)
    }

    /// [`dataset`](Self::dataset) in so many partitions, at least one.
    #[track_caller]
    pub fn dataset_in(&self, ctx: &Context, partitions: usize) -> Dataset<Encounter> {
        dataset(ctx, self.plan(), partitions.max(1))
    }

    /// Writes the rows under a [`header`] as the published file has them: commas, no quotes,
    /// CRLF. Compressed if the name ends in `.gz`. Not collective: the root calls it.
    ///
    /// # Errors
    ///
    /// [`Error::File`] that names `path`; what was there before stays as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_datasets::readmission::Readmission;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = std::env::temp_dir().join(format!("stays-doc-{}", std::process::id()));
    /// let path = folder.join("stays.csv");
    /// Readmission::new(100).write_csv(&path)?;
    /// let text = std::fs::read_to_string(&path)?;
    /// assert!(text.starts_with("encounter_id,patient_nbr,race,"));
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let is_gz = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
        write_atomic(path, |out| {
            if is_gz {
                let mut out = GzEncoder::new(out, Compression::default());
                self.write_csv_to(&mut out)?;
                out.finish().map(drop)
            } else {
                self.write_csv_to(out)
            }
        })
    }

    /// Writes what [`write_csv`](Self::write_csv) writes, uncompressed, to anything. Flushing is
    /// left to the caller.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_csv_to(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{}\r\n", header().join(","))?;
        let mut line = Vec::new();
        for stay in self.rows() {
            line.clear();
            write!(line, "{stay}\r\n")?;
            out.write_all(&line)?;
        }
        Ok(())
    }

    fn plan(&self) -> Plan {
        Plan::new(self.seed, self.patients)
    }
}

/// As many partitions as the number of rows asks for.
fn partitions(plan: &Plan) -> usize {
    plan.rows().div_ceil(ROWS).clamp(1, MOST_PARTITIONS)
}

#[track_caller]
fn dataset(ctx: &Context, plan: Plan, partitions: usize) -> Dataset<Encounter> {
    let plan = Arc::new(plan);
    ctx.generate("readmission", partitions, move |partition| {
        Ok(Rows::of_partition(&plan, partition, partitions).map(Ok::<_, Error>))
    })
}

/// The rows of a [`Readmission`], in order.
#[derive(Clone, Debug)]
pub struct Rows {
    plan: Arc<Plan>,
    next: usize,
    end: usize,
}

impl Rows {
    fn of_partition(plan: &Arc<Plan>, partition: usize, partitions: usize) -> Self {
        let border = |p: usize| (plan.rows() as u128 * p as u128 / partitions as u128) as usize;
        let (next, end) = (border(partition), border(partition + 1));
        Self { plan: Arc::clone(plan), next, end }
    }
}

impl Iterator for Rows {
    type Item = Encounter;

    fn next(&mut self) -> Option<Encounter> {
        let row = (self.next < self.end).then_some(self.next)?;
        let slot = self.plan.slot(row)?;
        self.next += 1;
        Some(self.plan.encounter(row, slot))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.end - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Rows {}
impl FusedIterator for Rows {}
