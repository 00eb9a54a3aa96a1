//! Mean and spread of the values of columns.
//!
//! Up to [`EXACT_POSITIONS`] numbers a row, sums are exact ([`ExactMoments`]): the order of rows
//! leaves no trace either, and no rows are moved. For wider vectors, whose exact sums would take
//! too much room (1.6 KiB a position), blocks are reckoned at fixed global row numbers and merged.

use arrow_array::RecordBatch;
use firesteel_core::Error as CoreError;
use firesteel_table::{ExactMoments, Table};
use serde::{Deserialize, Serialize};

use super::Scaling;
use super::blocks::{count_rows, fold_blocks};
use crate::error::{Error, Result};

/// Numbers a row up to which sums are exact.
const EXACT_POSITIONS: usize = 2048;

/// Mean and standard deviation of the values at one position.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Spread {
    pub(super) count: u64,
    pub(super) mean: f64,
    pub(super) std: f64,
}

/// The values of a batch, position by position, with the number of zeros that are not among them.
pub(super) type Values = Vec<(Vec<f64>, u64)>;

/// The spread of the values that `values` finds in a batch whose first row has that number. It
/// must give finite values only; the error for another is given with the row's global number.
pub(super) fn spreads(
    table: &Table,
    inputs: &[String],
    positions: usize,
    scaling: Scaling,
    values: impl Fn(&RecordBatch, u64) -> Result<Values> + Send + Sync + 'static,
) -> Result<Vec<Spread>> {
    if positions <= EXACT_POSITIONS {
        match exact(table, inputs, positions, &values) {
            Ok(moments) => return Ok(moments.iter().map(|m| Spread::exact(m, scaling)).collect()),
            // The blocks know the numbers of their rows, and meet the same value.
            Err(Error::Core(CoreError::BadValue { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    let block = move |batch: &RecordBatch, first| {
        let values = values(batch, first)?;
        Ok(values.iter().map(|(x, zeros)| Moments::of(x.iter().copied(), *zeros)).collect())
    };
    let moments: Option<Vec<Moments>> = fold_blocks(table, inputs, block, merge_all)?;
    let moments = moments.unwrap_or_else(|| vec![Moments::default(); positions]);
    Ok(moments.iter().map(|m| m.spread(scaling)).collect())
}

fn exact(
    table: &Table,
    inputs: &[String],
    positions: usize,
    values: impl Fn(&RecordBatch, u64) -> Result<Values> + Sync,
) -> Result<Vec<ExactMoments>> {
    let add = |mut moments: Vec<ExactMoments>, batch: &RecordBatch| {
        for (moments, (values, zeros)) in moments.iter_mut().zip(values(batch, 0)?) {
            values.iter().for_each(|&x| moments.add(x));
            moments.add_zeros(zeros);
        }
        Ok(moments)
    };
    let merge = |a: Vec<ExactMoments>, b: Vec<ExactMoments>| {
        a.into_iter().zip(b).map(|(a, b)| a.merge(&b)).collect()
    };
    count_rows(table, inputs, vec![ExactMoments::default(); positions], add, merge)
}

impl Spread {
    fn exact(moments: &ExactMoments, scaling: Scaling) -> Self {
        let std = match scaling {
            Scaling::Sample => moments.std(),
            Scaling::Population => moments.population_std(),
        };
        Self {
            count: moments.count(),
            mean: moments.mean().unwrap_or_default(),
            std: std.unwrap_or_default(),
        }
    }
}

/// What is known of a column's values; the default, of none, is the neutral element of `merge`.
///
/// Within a block two readings, of the values and of their distances from the mean; blocks are
/// merged by the formula of Chan, Golub & LeVeque (1979), steady where `Σx² − (Σx)²/n` cancels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Moments {
    count: u64,
    mean: f64,
    m2: f64,
    min: f64,
    max: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self { count: 0, mean: 0.0, m2: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Moments {
    /// Of these values, and as many zeros.
    fn of(values: impl Iterator<Item = f64> + Clone, zeros: u64) -> Self {
        let mut sum = Self { count: zeros, ..Self::default() };
        if zeros > 0 {
            (sum.min, sum.max) = (0.0, 0.0);
        }
        let mut total = 0.0;
        for x in values.clone() {
            sum.count += 1;
            total += x;
            sum.min = sum.min.min(x);
            sum.max = sum.max.max(x);
        }
        if sum.count > 0 {
            sum.mean = total / sum.count as f64;
            sum.m2 = zeros as f64 * sum.mean * sum.mean;
            sum.m2 += values.map(|x| (x - sum.mean) * (x - sum.mean)).sum::<f64>();
        }
        sum
    }

    fn merge(self, other: Self) -> Self {
        let count = self.count + other.count;
        if self.count == 0 || other.count == 0 {
            return if self.count == 0 { other } else { self };
        }
        let delta = other.mean - self.mean;
        let share = other.count as f64 / count as f64;
        Self {
            count,
            mean: self.mean + delta * share,
            m2: self.m2 + other.m2 + delta * delta * self.count as f64 * share,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }

    /// Of equal values the mean is exactly their value, which a sum may miss by a rounding, and
    /// the deviation exactly 0.
    fn spread(&self, scaling: Scaling) -> Spread {
        let divisor = match scaling {
            Scaling::Sample => self.count.saturating_sub(1),
            Scaling::Population => self.count,
        };
        if self.is_constant() || divisor == 0 {
            let mean = if self.count > 0 { self.min } else { 0.0 };
            return Spread { count: self.count, mean, std: 0.0 };
        }
        let std = (self.m2 / divisor as f64).sqrt();
        Spread { count: self.count, mean: self.mean, std }
    }

    fn is_constant(&self) -> bool {
        self.min >= self.max
    }
}

/// Merges column by column.
fn merge_all(a: Vec<Moments>, b: Vec<Moments>) -> Vec<Moments> {
    a.into_iter().zip(b).map(|(a, b)| a.merge(b)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn merged_moments_are_those_of_all_values(
            a in prop::collection::vec(-1e3..1e3_f64, 0..30),
            b in prop::collection::vec(-1e3..1e3_f64, 1..30),
        ) {
            let both: Vec<f64> = a.iter().chain(&b).copied().collect();
            let of = |x: &[f64]| Moments::of(x.iter().copied(), 2);
            let merged = of(&a).merge(of(&b));
            let whole = Moments::of(both.iter().copied(), 4);
            prop_assert_eq!(merged.count, whole.count);
            prop_assert!((merged.mean - whole.mean).abs() < 1e-9);
            let std = |m: Moments| m.spread(Scaling::Sample).std;
            prop_assert!((std(merged) - std(whole)).abs() < 1e-9);
            let mut exact = ExactMoments::default();
            both.iter().for_each(|&x| exact.add(x));
            exact.add_zeros(4);
            for scaling in [Scaling::Sample, Scaling::Population] {
                let (a, b) = (Spread::exact(&exact, scaling), merged.spread(scaling));
                prop_assert_eq!(a.count, b.count);
                prop_assert!((a.mean - b.mean).abs() + (a.std - b.std).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn equal_values_have_no_spread_whatever_the_rounding() {
        let tenths = |n| Moments::of(std::iter::repeat_n(0.1, n), 0);
        let expected = Spread { count: 10, mean: 0.1, std: 0.0 };
        assert_eq!(tenths(7).merge(tenths(3)).spread(Scaling::Sample), expected);
        let mut exact = ExactMoments::default();
        (0..10).for_each(|_| exact.add(0.1));
        assert_eq!(Spread::exact(&exact, Scaling::Sample), expected);
        assert_eq!(Moments::default().spread(Scaling::Population), Spread::default());
        assert_eq!(tenths(1).spread(Scaling::Sample).std, 0.0);
    }
}
