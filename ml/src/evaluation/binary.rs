//! The measures of binary scores that are one number.

use serde::{Deserialize, Serialize};

use super::exact::SteadySum;
use super::levels::{Above, Block, Level, Levels};
use super::scored::Scored;
use crate::error::Result;

/// How far from 0 and 1 a probability is moved before its logarithm is taken.
const EPSILON: f64 = 1e-15;

/// Whole numbers below this are exact, and so are their sums.
const WHOLE: f64 = (1_u64 << 53) as f64;

/// A probability whose logarithm, and that of its complement, is finite.
pub(super) fn inside(probability: f64) -> f64 {
    probability.clamp(EPSILON, 1.0 - EPSILON)
}

/// Exact measures of scores against binary labels.
///
/// [`new`](Self::new) checks and sorts the rows and takes the sums that most measures need; the
/// distinct scores stay in memory (spilled to disk beyond the context's budget) for what needs
/// them later, until this and its clones are dropped.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_ml::evaluation::{BinaryMetrics, CalibrationGroups, Scored};
///
/// # fn main() -> firesteel_ml::Result<()> {
/// let ctx = Context::local();
/// let scores = [0.1, 0.2, 0.2, 0.3, 0.6, 0.7, 0.7, 0.9];
/// let labels = [0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0];
/// let metrics = BinaryMetrics::new(&Scored::from_slices(&ctx, &scores, &labels)?)?;
///
/// assert_eq!(metrics.area_under_roc()?, 0.75); // 12 of 16 pairs, a tie as half
/// assert!((metrics.average_precision()? - 0.747_023_809_523_809_5).abs() < 1e-15);
/// assert!((metrics.brier()? - 0.191_25).abs() < 1e-15);
/// let confusion = metrics.confusion(0.5)?;
/// assert_eq!((confusion.true_positives, confusion.false_positives), (3.0, 1.0));
/// println!("{}", metrics.calibration_table(&CalibrationGroups::EqualCount(2))?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct BinaryMetrics {
    pub(super) levels: Levels,
    sums: Sums,
}

impl BinaryMetrics {
    /// Checks and sorts `scored`; collective.
    ///
    /// Scores that are no probabilities, and labels that are all equal, are errors only of the
    /// measures that cannot do with them.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyData`](crate::Error::EmptyData) without rows;
    /// [`Error::Undefined`](crate::Error::Undefined) if all weights are zero;
    /// [`Error::BadValue`](crate::Error::BadValue), with the global number of the row, for a score
    /// that is NaN, a label other than 0 and 1, a weight that is negative, not finite or above
    /// 1e288; [`Error::Core`](crate::Error::Core) if a job fails.
    ///
    /// # Cost
    ///
    /// One pass over the rows, which are sorted where they are; one shuffle of the distinct
    /// scores of each partition (32 bytes each); two passes over the distinct scores.
    pub fn new(scored: &Scored) -> Result<Self> {
        let levels = Levels::new(scored.blocks())?;
        let (all, probabilities) = (levels.all(), levels.checked.are_probabilities());
        let sums = levels.blocks.tree_aggregate(
            Sums::default(),
            |sums, block| sums.merge(Sums::of(block, levels.above(block), all, probabilities)),
            Sums::merge,
        )?;
        Ok(Self { levels, sums })
    }

    /// How many rows count: those whose weight is above zero.
    pub fn rows(&self) -> u64 {
        self.sums.rows
    }

    /// How many different scores they have.
    pub fn distinct_scores(&self) -> u64 {
        self.sums.levels
    }

    /// The weight of all rows.
    pub fn weight(&self) -> f64 {
        self.levels.all().weight()
    }

    /// The weight of the rows with label 1.
    pub fn positive_weight(&self) -> f64 {
        self.levels.all().positive
    }

    /// The weight of the rows with label 0.
    pub fn negative_weight(&self) -> f64 {
        self.levels.all().negative
    }

    /// Area under the ROC curve: the probability that a row with label 1 scores above one with
    /// label 0, a tie counting half.
    ///
    /// With whole weights (ones, say) it is the quotient of two exact integers.
    ///
    /// # Errors
    ///
    /// [`Error::OneClass`](crate::Error::OneClass) if all labels are equal.
    ///
    /// # Cost
    ///
    /// None: known since [`new`](Self::new).
    ///
    /// # References
    ///
    /// J. A. Hanley & B. J. McNeil, "The Meaning and Use of the Area under a Receiver Operating
    /// Characteristic (ROC) Curve", Radiology 143(1), 1982.
    pub fn area_under_roc(&self) -> Result<f64> {
        self.levels.need_both_classes("area under the ROC curve")?;
        let all = self.levels.all();
        if self.sums.are_whole && all.positive < WHOLE && all.negative < WHOLE {
            let pairs = u128::from(all.positive as u64) * u128::from(all.negative as u64);
            return Ok(self.sums.twice_won as f64 / (2 * pairs) as f64);
        }
        Ok(self.sums.roc.total())
    }

    /// Area under the precision-recall curve as a sum of steps: Σ (Rₖ − Rₖ₋₁) Pₖ over the distinct
    /// scores from the highest, Rₖ and Pₖ being recall and precision of the rows with at least
    /// that score.
    ///
    /// It does not interpolate, so it is not too optimistic; scikit-learn's
    /// `average_precision_score`.
    ///
    /// # Errors
    ///
    /// [`Error::OneClass`](crate::Error::OneClass) if all labels are equal.
    ///
    /// # Cost
    ///
    /// None: known since [`new`](Self::new).
    ///
    /// # References
    ///
    /// J. Davis & M. Goadrich, "The Relationship Between Precision-Recall and ROC Curves", ICML
    /// 2006.
    pub fn average_precision(&self) -> Result<f64> {
        self.levels.need_both_classes("average precision")?;
        Ok(self.sums.average_precision.total())
    }

    /// Area under the precision-recall curve by trapezoids, as MLlib's `areaUnderPR` (without its
    /// bins).
    ///
    /// The curve begins at recall 0 with the precision at the highest score. Straight lines
    /// between its points are optimistic (Davis & Goadrich 2006);
    /// [`average_precision`](Self::average_precision) is the safer number.
    ///
    /// # Errors
    ///
    /// [`Error::OneClass`](crate::Error::OneClass) if all labels are equal.
    ///
    /// # Cost
    ///
    /// None: known since [`new`](Self::new).
    pub fn area_under_pr(&self) -> Result<f64> {
        self.levels.need_both_classes("area under the precision-recall curve")?;
        Ok(self.sums.trapezoids.total())
    }

    /// Average negative log-likelihood of the labels under the predicted probabilities, in nats.
    ///
    /// Lower is better. Probabilities are moved inside `[ε, 1 − ε]`, `ε = 1e-15`, so that one
    /// certain mistake cannot make the score infinite.
    ///
    /// # Errors
    ///
    /// [`Error::BadValue`](crate::Error::BadValue) for a score outside `[0, 1]`.
    ///
    /// # Cost
    ///
    /// None: known since [`new`](Self::new).
    ///
    /// # References
    ///
    /// I. J. Good, "Rational Decisions", Journal of the Royal Statistical Society B 14(1), 1952.
    pub fn log_loss(&self) -> Result<f64> {
        self.levels.checked.need_probabilities()?;
        Ok(self.sums.log_loss.total())
    }

    /// Average squared difference between label and predicted probability.
    ///
    /// Lower is better. Brier's own definition for two classes is twice this; what is called the
    /// Brier score today, here and in scikit-learn, is the half.
    ///
    /// # Errors
    ///
    /// [`Error::BadValue`](crate::Error::BadValue) for a score outside `[0, 1]`.
    ///
    /// # Cost
    ///
    /// None: known since [`new`](Self::new).
    ///
    /// # References
    ///
    /// G. W. Brier, "Verification of Forecasts Expressed in Terms of Probability", Monthly Weather
    /// Review 78(1), 1950.
    pub fn brier(&self) -> Result<f64> {
        self.levels.checked.need_probabilities()?;
        Ok(self.sums.brier.total())
    }
}

/// What one pass along the levels adds up.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sums {
    rows: u64,
    levels: u64,
    /// Whether all weights so far are whole numbers; only then does `twice_won` mean something.
    are_whole: bool,
    /// Twice the number of pairs (label 1, label 0) in the right order, a tie being one.
    twice_won: u128,
    roc: SteadySum,
    average_precision: SteadySum,
    trapezoids: SteadySum,
    log_loss: SteadySum,
    brier: SteadySum,
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            rows: 0,
            levels: 0,
            are_whole: true,
            twice_won: 0,
            roc: SteadySum::default(),
            average_precision: SteadySum::default(),
            trapezoids: SteadySum::default(),
            log_loss: SteadySum::default(),
            brier: SteadySum::default(),
        }
    }
}

impl Sums {
    /// The sums of one block, given what lies above it.
    fn of(block: &Block, mut above: Above, all: Above, probabilities: bool) -> Self {
        let mut sums = Self { levels: block.levels.len() as u64, ..Self::default() };
        let both = all.positive > 0.0 && all.negative > 0.0;
        for level in &block.levels {
            sums.rows += level.rows;
            let mut below = above;
            below.pass(level);
            if both {
                sums.rank(level, above, below, all);
            }
            if probabilities {
                let (positive, negative) = (level.positive, level.negative);
                sums.rate(level.score(), positive / all.weight(), negative / all.weight());
            }
            sums.are_whole &= is_whole(level.positive) && is_whole(level.negative);
            let (positive, negative) = (level.positive as u64, level.negative as u64);
            // Too large sums wrap here and are not used then.
            let twice = (2 * u128::from(above.positive as u64)).wrapping_add(positive.into());
            sums.twice_won = sums.twice_won.wrapping_add(twice.wrapping_mul(negative.into()));
            above = below;
        }
        sums
    }

    /// Adds what lies between two neighbouring points of the curves.
    #[inline]
    fn rank(&mut self, level: &Level, above: Above, below: Above, all: Above) {
        let recalled = level.positive / all.positive;
        let fallen = level.negative / all.negative;
        let height = (above.positive + below.positive) / (2.0 * all.positive);
        self.roc.add(fallen * height);
        let precision = below.positive / below.weight();
        let before = if above.weight() > 0.0 { above.positive / above.weight() } else { precision };
        self.average_precision.add(recalled * precision);
        self.trapezoids.add(recalled * (before + precision) / 2.0);
    }

    /// Adds the losses of a level whose shares of the weight of all rows are given.
    #[inline]
    fn rate(&mut self, p: f64, positive: f64, negative: f64) {
        let (q, clamped) = (1.0 - p, inside(p));
        if positive > 0.0 {
            self.log_loss.add(-libm::log(clamped) * positive);
            self.brier.add(q * q * positive);
        }
        if negative > 0.0 {
            self.log_loss.add(-libm::log1p(-clamped) * negative);
            self.brier.add(p * p * negative);
        }
    }

    /// Joins the sums of the levels below.
    fn merge(self, below: Self) -> Self {
        Self {
            rows: self.rows + below.rows,
            levels: self.levels + below.levels,
            are_whole: self.are_whole && below.are_whole,
            twice_won: self.twice_won.wrapping_add(below.twice_won),
            roc: self.roc.merge(below.roc),
            average_precision: self.average_precision.merge(below.average_precision),
            trapezoids: self.trapezoids.merge(below.trapezoids),
            log_loss: self.log_loss.merge(below.log_loss),
            brier: self.brier.merge(below.brier),
        }
    }
}

fn is_whole(x: f64) -> bool {
    x < WHOLE && x.fract() == 0.0
}
