//! The ROC and the precision-recall curve, one point for each distinct score.

use firesteel_core::Wire;
use serde::{Deserialize, Serialize};

use super::binary::BinaryMetrics;
use super::levels::Above;
use crate::error::Result;

/// A point of the ROC curve: what predicting 1 from `threshold` upwards gives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RocPoint {
    /// 1 is predicted where the score is at least this.
    pub threshold: f64,
    /// The share of label 0 that is predicted 1.
    pub false_positive_rate: f64,
    /// The share of label 1 that is predicted 1.
    pub true_positive_rate: f64,
}

/// A point of the precision-recall curve: what predicting 1 from `threshold` upwards gives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PrPoint {
    /// 1 is predicted where the score is at least this.
    pub threshold: f64,
    /// The share of label 1 that is predicted 1.
    pub recall: f64,
    /// The share of label 1 among those predicted 1.
    pub precision: f64,
}

impl BinaryMetrics {
    /// The ROC curve, from (0, 0) with an infinite threshold to (1, 1); one point for each
    /// distinct score, highest first.
    ///
    /// # Errors
    ///
    /// [`Error::OneClass`](crate::Error::OneClass) if all labels are equal;
    /// [`Error::Core`](crate::Error::Core) if the job fails.
    ///
    /// # Cost
    ///
    /// One pass over the distinct scores; all points travel to every rank.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_ml::evaluation::{BinaryMetrics, Scored};
    ///
    /// # fn main() -> firesteel_ml::Result<()> {
    /// let scored = Scored::from_slices(&Context::local(), &[0.2, 0.5, 0.9], &[0.0, 1.0, 1.0])?;
    /// let curve = BinaryMetrics::new(&scored)?.roc_curve()?;
    /// assert_eq!((curve[0].false_positive_rate, curve[0].true_positive_rate), (0.0, 0.0));
    /// assert_eq!((curve[1].threshold, curve[1].true_positive_rate), (0.9, 0.5));
    /// assert_eq!(curve.len(), 4);
    /// # Ok(())
    /// # }
    /// ```
    pub fn roc_curve(&self) -> Result<Vec<RocPoint>> {
        self.levels.need_both_classes("ROC curve")?;
        let all = self.levels.all();
        let point = move |threshold, above: Above| RocPoint {
            threshold,
            false_positive_rate: above.negative / all.negative,
            true_positive_rate: above.positive / all.positive,
        };
        let start = point(f64::INFINITY, Above::default());
        Ok([vec![start], self.points(point)?].concat())
    }

    /// The precision-recall curve, from recall 0 to recall 1; one point for each distinct score,
    /// highest first, behind a first one (as MLlib's) of recall 0, the precision of the highest
    /// score and an infinite threshold.
    ///
    /// # Errors
    ///
    /// [`Error::OneClass`](crate::Error::OneClass) if all labels are equal;
    /// [`Error::Core`](crate::Error::Core) if the job fails.
    ///
    /// # Cost
    ///
    /// One pass over the distinct scores; all points travel to every rank.
    pub fn pr_curve(&self) -> Result<Vec<PrPoint>> {
        self.levels.need_both_classes("precision-recall curve")?;
        let all = self.levels.all();
        let points = self.points(move |threshold, above: Above| PrPoint {
            threshold,
            recall: above.positive / all.positive,
            precision: above.positive / above.weight(),
        })?;
        let first = points.first().map(|point| point.precision).unwrap_or_default();
        let start = PrPoint { threshold: f64::INFINITY, recall: 0.0, precision: first };
        Ok([vec![start], points].concat())
    }

    /// One point for each level, of its score and of the weights down to it.
    fn points<P: Wire>(
        &self,
        point: impl Fn(f64, Above) -> P + Send + Sync + 'static,
    ) -> Result<Vec<P>> {
        let starts = self.levels.above_blocks().to_vec();
        let points = self.levels.blocks.map_ref(move |block| {
            let mut above = starts[block.number];
            let mut points = Vec::with_capacity(block.levels.len());
            for level in &block.levels {
                above.pass(level);
                points.push(point(level.score(), above));
            }
            points
        });
        Ok(points.collect()?.concat())
    }
}
