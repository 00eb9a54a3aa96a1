//! One number of one metric, chosen by value: what tuning compares models by.

use super::binary::BinaryMetrics;
use super::scored::Scored;
use crate::error::Result;

/// A measure of binary scores that is one number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum BinaryMetric {
    /// [`BinaryMetrics::area_under_roc`].
    #[default]
    AreaUnderRoc,
    /// [`BinaryMetrics::area_under_pr`], by trapezoids as in MLlib.
    AreaUnderPr,
    /// [`BinaryMetrics::average_precision`].
    AveragePrecision,
    /// [`BinaryMetrics::log_loss`].
    LogLoss,
    /// [`BinaryMetrics::brier`].
    Brier,
    /// [`BinaryMetrics::accuracy`] if 1 is predicted above this score.
    Accuracy(f64),
}

/// Evaluates scores by one metric.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_ml::evaluation::{BinaryClassificationEvaluator, BinaryMetric, Scored};
///
/// # fn main() -> firesteel_ml::Result<()> {
/// let scored = Scored::from_slices(&Context::local(), &[0.2, 0.6, 0.9], &[0.0, 0.0, 1.0])?;
/// let by_area = BinaryClassificationEvaluator::new();
/// assert_eq!(by_area.evaluate(&scored)?, 1.0);
/// let by_loss = by_area.metric(BinaryMetric::Brier);
/// assert!(!by_loss.is_larger_better() && by_loss.evaluate(&scored)? < 0.14);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct BinaryClassificationEvaluator {
    /// What is measured. Default: the area under the ROC curve.
    pub metric: BinaryMetric,
}

impl BinaryClassificationEvaluator {
    /// Evaluates by the area under the ROC curve.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what is measured.
    pub fn metric(self, metric: BinaryMetric) -> Self {
        Self { metric }
    }

    /// Measures `scored`; collective.
    ///
    /// # Errors
    ///
    /// As [`BinaryMetrics::new`] and the metric's own method.
    pub fn evaluate(&self, scored: &Scored) -> Result<f64> {
        let metrics = BinaryMetrics::new(scored)?;
        match self.metric {
            BinaryMetric::AreaUnderRoc => metrics.area_under_roc(),
            BinaryMetric::AreaUnderPr => metrics.area_under_pr(),
            BinaryMetric::AveragePrecision => metrics.average_precision(),
            BinaryMetric::LogLoss => metrics.log_loss(),
            BinaryMetric::Brier => metrics.brier(),
            BinaryMetric::Accuracy(threshold) => metrics.accuracy(threshold),
        }
    }

    /// Whether a larger number is a better one.
    pub fn is_larger_better(&self) -> bool {
        !matches!(self.metric, BinaryMetric::LogLoss | BinaryMetric::Brier)
    }
}
