//! Count, mean, spread and range of the values of one column.

use serde::{Deserialize, Serialize};

use super::Scaling;

/// What is known of a column's values; the default, of none, is the neutral element of `merge`.
///
/// Within a block two readings, of the values and of their distances from the mean; blocks are
/// merged by the formula of Chan, Golub & LeVeque (1979), steady where `Σx² − (Σx)²/n` cancels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Moments {
    pub(super) count: u64,
    pub(super) mean: f64,
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
    pub(super) fn of(values: impl Iterator<Item = f64> + Clone, zeros: u64) -> Self {
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

    pub(super) fn merge(self, other: Self) -> Self {
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

    /// The mean; of equal values exactly their value, which a sum may miss by a rounding.
    pub(super) fn centre(&self) -> f64 {
        if self.is_constant() { self.min } else { self.mean }
    }

    /// The standard deviation; of equal values exactly 0.
    pub(super) fn deviation(&self, scaling: Scaling) -> f64 {
        let divisor = match scaling {
            Scaling::Sample => self.count.saturating_sub(1),
            Scaling::Population => self.count,
        };
        if self.is_constant() || divisor == 0 { 0.0 } else { (self.m2 / divisor as f64).sqrt() }
    }

    fn is_constant(&self) -> bool {
        self.min >= self.max
    }
}

/// Merges column by column.
pub(super) fn merge_all(a: Vec<Moments>, b: Vec<Moments>) -> Vec<Moments> {
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
            let deviation = |m: Moments| m.deviation(Scaling::Sample);
            prop_assert!((deviation(merged) - deviation(whole)).abs() < 1e-9);
        }
    }

    #[test]
    fn equal_values_have_no_spread_whatever_the_rounding() {
        let m = Moments::of(std::iter::repeat_n(0.1, 7), 0)
            .merge(Moments::of(std::iter::repeat_n(0.1, 3), 0));
        assert_eq!((m.centre(), m.deviation(Scaling::Sample)), (0.1, 0.0));
        assert_eq!(Moments::default().deviation(Scaling::Population), 0.0);
        assert_eq!(Moments::of([5.0].into_iter(), 0).deviation(Scaling::Sample), 0.0);
        assert_eq!(Moments::of([1.0, 3.0].into_iter(), 0).deviation(Scaling::Population), 1.0);
    }
}
