//! Right and wrong decisions at a threshold.

use std::fmt;

use super::binary::BinaryMetrics;
use super::levels::{Above, Level};
use crate::error::Result;
use crate::params::require;

/// Right and wrong decisions, each the weight of its rows. A quotient whose denominator is zero
/// is `None`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Confusion {
    /// Label 1, predicted 1.
    pub true_positives: f64,
    /// Label 0, predicted 1.
    pub false_positives: f64,
    /// Label 0, predicted 0.
    pub true_negatives: f64,
    /// Label 1, predicted 0.
    pub false_negatives: f64,
}

impl Confusion {
    fn new(predicted: Above, all: Above) -> Self {
        Self {
            true_positives: predicted.positive,
            false_positives: predicted.negative,
            true_negatives: all.negative - predicted.negative,
            false_negatives: all.positive - predicted.positive,
        }
    }

    /// The share of right decisions.
    pub fn accuracy(&self) -> f64 {
        let right = self.true_positives + self.true_negatives;
        right / (right + (self.false_positives + self.false_negatives))
    }

    /// The share of label 1 among those predicted 1. None if no row was.
    pub fn precision(&self) -> Option<f64> {
        share(self.true_positives, self.false_positives)
    }

    /// The share of those predicted 1 among label 1 (sensitivity). None without label 1.
    pub fn recall(&self) -> Option<f64> {
        share(self.true_positives, self.false_negatives)
    }

    /// The share of those predicted 0 among label 0. None without label 0.
    pub fn specificity(&self) -> Option<f64> {
        share(self.true_negatives, self.false_positives)
    }

    /// The share of label 0 among those predicted 0. None if no row was.
    pub fn negative_predictive_value(&self) -> Option<f64> {
        share(self.true_negatives, self.false_negatives)
    }

    /// Harmonic mean of precision and recall, 2·tp / (2·tp + fp + fn); zero if no row was
    /// predicted 1. None without label 1 among labels and predictions.
    pub fn f1(&self) -> Option<f64> {
        share(2.0 * self.true_positives, self.false_positives + self.false_negatives)
    }
}

fn share(part: f64, rest: f64) -> Option<f64> {
    let whole = part + rest;
    (whole > 0.0).then(|| part / whole)
}

/// A small table: a row for each label, a column for each prediction.
impl fmt::Display for Confusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |f: &mut fmt::Formatter<'_>, label, zero: f64, one: f64| {
            write!(f, "{label:<8} {zero:>14} {one:>14}")
        };
        writeln!(f, "{:<8} {:>14} {:>14}", "", "predicted 0", "predicted 1")?;
        row(f, "label 0", self.true_negatives, self.false_positives)?;
        writeln!(f)?;
        row(f, "label 1", self.false_negatives, self.true_positives)
    }
}

impl BinaryMetrics {
    /// Right and wrong decisions if 1 is predicted where the score is **above** `threshold`: the
    /// rule of MLlib's classifiers and of this crate's.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`](crate::Error::Parameter) if `threshold` is NaN;
    /// [`Error::Core`](crate::Error::Core) if the job fails.
    ///
    /// # Cost
    ///
    /// One search in each block of distinct scores; a few numbers travel.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_ml::evaluation::{BinaryMetrics, Scored};
    ///
    /// # fn main() -> firesteel_ml::Result<()> {
    /// let scored = Scored::from_slices(&Context::local(), &[0.2, 0.5, 0.9], &[0.0, 1.0, 1.0])?;
    /// let metrics = BinaryMetrics::new(&scored)?;
    /// let above = metrics.confusion(0.5)?;
    /// assert_eq!((above.true_positives, above.false_negatives), (1.0, 1.0));
    /// assert_eq!(above.precision(), Some(1.0));
    /// assert_eq!(metrics.confusion_at_least(0.5)?.true_positives, 2.0);
    /// println!("{above}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn confusion(&self, threshold: f64) -> Result<Confusion> {
        self.confused(threshold, move |level| level.score() > threshold)
    }

    /// [`confusion`](Self::confusion) if 1 is predicted where the score is `threshold` **or
    /// above**: the points of the curves.
    ///
    /// # Errors
    ///
    /// As [`confusion`](Self::confusion).
    pub fn confusion_at_least(&self, threshold: f64) -> Result<Confusion> {
        self.confused(threshold, move |level| level.score() >= threshold)
    }

    /// The share of right decisions: [`Confusion::accuracy`] of [`confusion`](Self::confusion).
    ///
    /// # Errors
    ///
    /// As [`confusion`](Self::confusion).
    pub fn accuracy(&self, threshold: f64) -> Result<f64> {
        Ok(self.confusion(threshold)?.accuracy())
    }

    fn confused(&self, threshold: f64, one: impl Fn(&Level) -> bool + Sync) -> Result<Confusion> {
        require("threshold", threshold, "a number", !threshold.is_nan())?;
        // The last block that holds a row predicted 1 knows all that lie above it.
        let predicted = self.levels.blocks.tree_aggregate(
            None,
            |before: Option<Above>, block| {
                let ones = block.levels.partition_point(&one);
                if ones == 0 {
                    return before;
                }
                let mut above = self.levels.above(block);
                block.levels[..ones].iter().for_each(|level| above.pass(level));
                Some(above)
            },
            |above, below| below.or(above),
        )?;
        Ok(Confusion::new(predicted.unwrap_or_default(), self.levels.all()))
    }
}
