//! Sums that do not depend on the order of what is added.
//!
//! [`ExactSum`] keeps a sum without any rounding as a few components (Shewchuk 1997) and rounds
//! once, when asked: the result is the `f64` nearest to the true sum of a *set* of numbers.
//! [`SteadySum`] adds in a given order and carries the rounding along (Neumaier 1974): for
//! sequences whose order is fixed already.
//!
//! # References
//!
//! J. R. Shewchuk, "Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric
//! Predicates", Discrete & Computational Geometry 18, 1997. A. Neumaier, "Rundungsfehleranalyse
//! einiger Verfahren zur Summation endlicher Summen", ZAMM 54, 1974.

use serde::{Deserialize, Serialize};

/// The rounded sum and what was lost: `a + b = sum + lost`, exactly (Knuth).
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let from_b = sum - a;
    let lost = (a - (sum - from_b)) + (b - from_b);
    (sum, lost)
}

/// A sum without rounding. What is added must be so small that the sum is finite.
#[derive(Debug, Default)]
pub(super) struct ExactSum {
    /// They do not overlap, the smallest first; their sum is the sum.
    parts: Vec<f64>,
}

impl ExactSum {
    pub(super) fn add(&mut self, x: f64) {
        let (mut x, mut kept) = (x, 0);
        for i in 0..self.parts.len() {
            let (sum, lost) = two_sum(x, self.parts[i]);
            if lost != 0.0 {
                self.parts[kept] = lost;
                kept += 1;
            }
            x = sum;
        }
        self.parts.truncate(kept);
        if x != 0.0 {
            self.parts.push(x);
        }
    }

    /// Numbers whose exact sum is the sum: none if it is zero.
    pub(super) fn parts(&self) -> &[f64] {
        &self.parts
    }

    pub(super) fn clear(&mut self) {
        self.parts.clear();
    }

    /// The nearest number; of two equally near, the even one.
    pub(super) fn rounded(&self) -> f64 {
        let mut rest = self.parts.iter().rev().copied();
        let Some(mut sum) = rest.next() else { return 0.0 };
        let mut lost = 0.0;
        for part in rest.by_ref() {
            (sum, lost) = two_sum(sum, part);
            if lost != 0.0 {
                break;
            }
        }
        // `sum + lost` was rounded to even where it lay half way; what is left decides otherwise.
        if let Some(next) = rest.next()
            && lost * next.signum() > 0.0
        {
            let doubled = lost * 2.0;
            let moved = sum + doubled;
            if (moved - sum).to_bits() == doubled.to_bits() {
                return moved;
            }
        }
        sum
    }
}

/// A running sum that carries its rounding along.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct SteadySum {
    sum: f64,
    lost: f64,
}

impl SteadySum {
    #[inline]
    pub(super) fn add(&mut self, x: f64) {
        let (sum, lost) = two_sum(self.sum, x);
        self.sum = sum;
        self.lost += lost;
    }

    /// Joins the sum of what comes after.
    pub(super) fn merge(mut self, after: Self) -> Self {
        self.add(after.sum);
        self.lost += after.lost;
        self
    }

    pub(super) fn total(self) -> f64 {
        self.sum + self.lost
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is compared is exact")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exact(numbers: impl IntoIterator<Item = f64>) -> ExactSum {
        let mut sum = ExactSum::default();
        numbers.into_iter().for_each(|x| sum.add(x));
        sum
    }

    #[test]
    fn what_rounding_would_lose_is_kept() {
        assert_eq!(exact([1e16, 1.0, -1e16]).rounded(), 1.0);
        assert_eq!(exact([1e100, 1.0, -1e100, 1e-300]).rounded(), 1.0);
        assert_eq!(exact([]).rounded(), 0.0);
        assert_eq!(exact([0.1; 10]).rounded(), 1.0);
        assert!(exact([3.5, -3.5]).parts().is_empty());
    }

    #[test]
    fn half_way_is_decided_by_what_lies_below() {
        let half = f64::EPSILON / 2.0;
        assert_eq!(exact([1.0, half]).rounded(), 1.0);
        assert_eq!(exact([1.0, half, 1e-40]).rounded(), 1.0 + f64::EPSILON);
        assert_eq!(exact([1.0, half, -1e-40]).rounded(), 1.0);
    }

    proptest! {
        #[test]
        fn the_sum_is_that_of_integers_in_any_order(
            numbers in prop::collection::vec((-(1_i64 << 53)..1 << 53, 0_u32..40), 0..30),
            seed in any::<u64>(),
            cut in 0_usize..30,
        ) {
            // Whole multiples of 2⁻⁵², which an integer adds up.
            let whole: i128 = numbers.iter().map(|&(m, e)| i128::from(m) << e).sum();
            let nearest = whole as f64 / 2_f64.powi(52);
            let number = |&(m, e): &(i64, u32)| m as f64 * 2_f64.powi(e as i32 - 52);
            let mut numbers: Vec<f64> = numbers.iter().map(number).collect();
            prop_assert_eq!(exact(numbers.iter().copied()).rounded().to_bits(), nearest.to_bits());

            numbers.sort_by_key(|x| firesteel_core::hash::fixed_hash(&(seed, x.to_bits())));
            let (a, b) = numbers.split_at(cut.min(numbers.len()));
            let (a, b) = (exact(a.iter().copied()), exact(b.iter().copied()));
            let joined = exact(b.parts().iter().chain(a.parts()).copied());
            prop_assert_eq!(joined.rounded().to_bits(), nearest.to_bits());
        }
    }
}
