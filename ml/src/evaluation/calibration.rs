//! Do predicted probabilities come true? A table of groups of rows with similar predictions.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::binary::BinaryMetrics;
use super::exact::SteadySum;
use super::levels::{Above, Level};
use crate::error::{Error, Result};
use crate::params::require;

/// The standard normal's 0.975 quantile: two-sided 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// How rows are put into groups of similar predictions.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CalibrationGroups {
    /// So many groups of about equal weight. Rows of equal score stay together, so groups differ
    /// in size, and some may be missing, where many scores are equal.
    ///
    /// A score belongs to the group in which the middle of its weight falls.
    EqualCount(usize),
    /// Cut at these scores, which must rise: below the first; from each up to, and without, the
    /// next; from the last on.
    SplitAt(Vec<f64>),
}

impl CalibrationGroups {
    fn check(&self) -> Result<()> {
        match self {
            Self::EqualCount(groups) => {
                require("groups", groups, "from 1 to a million", (1..=1_000_000).contains(groups))
            }
            Self::SplitAt(edges) => {
                let rise = edges.windows(2).all(|pair| pair[0] < pair[1]);
                let rise = rise && edges.iter().all(|edge| edge.is_finite());
                if rise {
                    return Ok(());
                }
                Err(Error::parameter("split_at", format!("{edges:?}"), "finite and rising"))
            }
        }
    }

    fn number(&self) -> usize {
        match self {
            Self::EqualCount(groups) => *groups,
            Self::SplitAt(edges) => edges.len() + 1,
        }
    }

    /// The group of a level, from the lowest scores up.
    fn of(&self, level: &Level, above: Above, all: Above) -> usize {
        match self {
            Self::EqualCount(groups) => {
                let middle = (above.weight() + level.weight() / 2.0) / all.weight();
                let from_top = (middle * *groups as f64).ceil() as usize;
                groups - from_top.clamp(1, *groups)
            }
            Self::SplitAt(edges) => edges.partition_point(|&edge| edge <= level.score()),
        }
    }
}

/// Rows with similar predictions, and what came true.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct CalibrationGroup {
    /// The lowest prediction.
    pub lowest: f64,
    /// The highest prediction.
    pub highest: f64,
    /// How many rows (of weight above zero).
    pub rows: u64,
    /// Their weight.
    pub weight: f64,
    /// Weighted mean of the predictions.
    pub predicted: f64,
    /// The share of label 1, by weight.
    pub observed: f64,
    /// Lower end of Wilson's 95 % interval of the share, weights counting as repeated rows.
    pub lower: f64,
    /// Upper end of the interval.
    pub upper: f64,
}

/// Groups of rows from the lowest predictions to the highest; made by
/// [`BinaryMetrics::calibration_table`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CalibrationTable {
    /// The groups that have rows.
    pub groups: Vec<CalibrationGroup>,
}

impl fmt::Display for CalibrationTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = ["rows", "weight", "predicted", "observed", "lower", "upper"];
        write!(f, "{:>19}", "scores")?;
        heads.iter().try_for_each(|head| write!(f, " {head:>10}"))?;
        for group in &self.groups {
            write!(f, "\n{:>8.4} – {:>8.4}", group.lowest, group.highest)?;
            write!(f, " {:>10} {:>10}", group.rows, short(group.weight))?;
            for share in [group.predicted, group.observed, group.lower, group.upper] {
                write!(f, " {share:>10.4}")?;
            }
        }
        Ok(())
    }
}

/// Whole numbers without decimals.
fn short(weight: f64) -> String {
    if weight.fract() == 0.0 { format!("{weight:.0}") } else { format!("{weight:.2}") }
}

/// Wilson's score interval of a share, of which `successes` of `trials` were seen.
///
/// It lies within `[0, 1]`, also for 0 and for all; without trials it is `(0, 1)`. `z` is the
/// normal quantile: 1.96 for 95 %. Both numbers may be sums of weights.
///
/// # Examples
///
/// ```
/// use firesteel_ml::evaluation::wilson_interval;
///
/// let (lower, upper) = wilson_interval(1.0, 10.0, 1.96);
/// assert!((lower - 0.01787).abs() < 1e-5 && (upper - 0.40416).abs() < 1e-5);
/// assert_eq!(wilson_interval(0.0, 0.0, 1.96), (0.0, 1.0));
/// ```
///
/// # References
///
/// E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal
/// of the American Statistical Association 22(158), 1927.
pub fn wilson_interval(successes: f64, trials: f64, z: f64) -> (f64, f64) {
    let share = successes / trials;
    let small = z * z / trials;
    if trials <= 0.0 || !small.is_finite() {
        return (0.0, 1.0);
    }
    let middle = (share + small / 2.0) / (1.0 + small);
    let spread = (share * (1.0 - share) / trials + small / trials / 4.0).sqrt();
    let half = z * spread / (1.0 + small);
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

impl BinaryMetrics {
    /// What came true of predictions, by groups of similar ones.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`](crate::Error::Parameter) for no groups or edges that do not rise;
    /// [`Error::BadValue`](crate::Error::BadValue) for a score outside `[0, 1]`;
    /// [`Error::Core`](crate::Error::Core) if the job fails.
    ///
    /// # Cost
    ///
    /// One pass over the distinct scores; a few numbers a group travel.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_ml::evaluation::{BinaryMetrics, CalibrationGroups, Scored};
    ///
    /// # fn main() -> firesteel_ml::Result<()> {
    /// let scored =
    ///     Scored::from_slices(&Context::local(), &[0.1, 0.3, 0.7, 0.9], &[0.0, 1.0, 0.0, 1.0])?;
    /// let metrics = BinaryMetrics::new(&scored)?;
    /// let table = metrics.calibration_table(&CalibrationGroups::EqualCount(2))?;
    /// assert_eq!((table.groups[0].rows, table.groups[0].observed), (2, 0.5));
    /// assert!((table.groups[1].predicted - 0.8).abs() < 1e-15);
    /// let halves = metrics.calibration_table(&CalibrationGroups::SplitAt(vec![0.5]))?;
    /// assert_eq!(halves, table);
    /// # Ok(())
    /// # }
    /// ```
    pub fn calibration_table(&self, groups: &CalibrationGroups) -> Result<CalibrationTable> {
        groups.check()?;
        self.levels.checked.need_probabilities()?;
        let all = self.levels.all();
        let sums = self.levels.blocks.tree_aggregate(
            Vec::new(),
            |mut sums: Vec<GroupSum>, block| {
                sums.resize_with(groups.number(), GroupSum::default);
                let mut above = self.levels.above(block);
                for level in &block.levels {
                    sums[groups.of(level, above, all)].add(level);
                    above.pass(level);
                }
                sums
            },
            |above, below| match (above.is_empty(), below.is_empty()) {
                (true, _) => below,
                (_, true) => above,
                _ => above.into_iter().zip(below).map(|(a, b)| a.merge(b)).collect(),
            },
        )?;
        let groups = sums.into_iter().filter_map(GroupSum::finish).collect();
        Ok(CalibrationTable { groups })
    }
}

/// What a group adds up, from its highest score down.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct GroupSum {
    rows: u64,
    /// The lowest and the highest score.
    range: Option<(f64, f64)>,
    weight: SteadySum,
    positive: SteadySum,
    predicted: SteadySum,
}

impl GroupSum {
    fn add(&mut self, level: &Level) {
        let score = level.score();
        self.rows += level.rows;
        self.range = Some((score, self.range.map_or(score, |(_, highest)| highest)));
        self.weight.add(level.weight());
        self.positive.add(level.positive);
        self.predicted.add(score * level.weight());
    }

    fn merge(self, below: Self) -> Self {
        let range = match (self.range, below.range) {
            (Some((_, highest)), Some((lowest, _))) => Some((lowest, highest)),
            (one, other) => one.or(other),
        };
        Self {
            rows: self.rows + below.rows,
            range,
            weight: self.weight.merge(below.weight),
            positive: self.positive.merge(below.positive),
            predicted: self.predicted.merge(below.predicted),
        }
    }

    fn finish(self) -> Option<CalibrationGroup> {
        let (lowest, highest) = self.range?;
        let weight = self.weight.total();
        let (lower, upper) = wilson_interval(self.positive.total(), weight, Z);
        Some(CalibrationGroup {
            lowest,
            highest,
            rows: self.rows,
            weight,
            predicted: self.predicted.total() / weight,
            observed: self.positive.total() / weight,
            lower,
            upper,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// statsmodels 0.15.0, `proportion_confint(x, n, method="wilson")`.
    #[test]
    fn wilson_intervals_are_those_of_other_systems() {
        let near = |got: (f64, f64), lower: f64, upper: f64| {
            assert!((got.0 - lower).abs() < 1e-12 && (got.1 - upper).abs() < 1e-12, "{got:?}");
        };
        near(wilson_interval(0.0, 10.0, Z), 0.0, 0.277_532_799_862_889_3);
        near(wilson_interval(81.0, 263.0, Z), 0.255_288_519_878_274_2, 0.366_209_576_982_800_4);
        near(wilson_interval(10.0, 10.0, Z), 0.722_467_200_137_110_6, 1.0);
        near(wilson_interval(7.25, 31.5, Z), 0.117_645_786_938_440_4, 0.401_332_756_470_025_8);
    }
}
