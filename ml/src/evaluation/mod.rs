//! How good are the predictions? Exact, weighted measures of binary scores.
//!
//! [`BinaryMetrics`] sorts the scores once and then knows, for every distinct score, how much
//! weight of either label lies above it. From that follow the areas under the ROC and the
//! precision-recall curve, the curves themselves, the confusion at any threshold, log loss and
//! Brier score, and how well probabilities are calibrated. Nothing is binned.
//!
//! # The same bits
//!
//! A result depends on the *set* of rows alone: not on partitions, threads or ranks, and not on
//! the order of the rows either. Three steps see to it. Weights of equal scores are added without
//! rounding and rounded once. Sums along the distinct scores, highest first, run over blocks of a
//! fixed number of them, joined over the fixed tree. Where all weights are whole numbers, the
//! area under the ROC curve is a quotient of exact integers. So a row of weight 2 is, to the bit,
//! the row twice (the numbers of rows excepted).
//!
//! # What counts
//!
//! A weight is a number of equal rows; standard errors and intervals take it so. Rows of weight
//! zero are checked and then left out. Predicted probabilities of 0 and 1 are allowed: where a
//! logarithm is taken they are first moved inside `[ε, 1 − ε]`, `ε = 1e-15`.
//!
//! # Examples
//!
//! ```
//! use firesteel_core::Context;
//! use firesteel_ml::evaluation::{BinaryMetrics, Scored};
//!
//! # fn main() -> firesteel_ml::Result<()> {
//! let (scores, labels) = ([0.1, 0.4, 0.35, 0.8], [0.0, 0.0, 1.0, 1.0]);
//! let metrics = BinaryMetrics::new(&Scored::from_slices(&Context::local(), &scores, &labels)?)?;
//! assert_eq!(metrics.area_under_roc()?, 0.75);
//! assert_eq!(metrics.confusion(0.5)?.recall(), Some(0.5));
//! # Ok(())
//! # }
//! ```

mod binary;
mod calibration;
mod check;
mod confusion;
mod curve;
mod evaluator;
mod exact;
mod levels;
mod line;
mod scored;
#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is compared is exact")]
mod tests;

pub use binary::BinaryMetrics;
pub use calibration::{CalibrationGroup, CalibrationGroups, CalibrationTable, wilson_interval};
pub use confusion::Confusion;
pub use curve::{PrPoint, RocPoint};
pub use evaluator::{BinaryClassificationEvaluator, BinaryMetric};
pub use line::{CalibrationLine, Estimate};
pub use scored::{Scored, ScoredBlock};
