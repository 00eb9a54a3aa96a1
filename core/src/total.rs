//! Floats as keys.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

/// A float that can be a key or be sorted by: ordered by the total order of IEEE 754, in which
/// `-0.0` comes before `0.0`, and NaNs come last (those with a sign bit first). Equal means: the same
/// bits.
///
/// # Examples
///
/// ```
/// use firesteel_core::{Context, TotalF64};
///
/// # fn main() -> firesteel_core::Result<()> {
/// let numbers = Context::local().parallelize(vec![2.5, f64::NAN, -1.0, 0.0]);
/// let sorted = numbers.sort_by(|x| TotalF64(*x)).collect()?;
/// assert_eq!(sorted[..3], [-1.0, 0.0, 2.5]);
/// assert!(sorted[3].is_nan());
/// assert_eq!(numbers.map(TotalF64).max()?, Some(TotalF64(f64::NAN)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TotalF64(pub f64);

impl Ord for TotalF64 {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for TotalF64 {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for TotalF64 {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for TotalF64 {}

impl Hash for TotalF64 {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl From<f64> for TotalF64 {
    fn from(x: f64) -> Self {
        Self(x)
    }
}

impl From<TotalF64> for f64 {
    fn from(x: TotalF64) -> Self {
        x.0
    }
}

impl fmt::Debug for TotalF64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TotalF64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::fixed_hash;

    #[test]
    fn the_order_is_total_and_agrees_with_equality_and_hash() {
        let numbers = [
            -f64::NAN,
            f64::NEG_INFINITY,
            -1.5,
            -f64::MIN_POSITIVE,
            -0.0,
            0.0,
            5e-324,
            1.5,
            f64::INFINITY,
            f64::NAN,
        ];
        for (i, a) in numbers.map(TotalF64).into_iter().enumerate() {
            for (j, b) in numbers.map(TotalF64).into_iter().enumerate() {
                assert_eq!(a.cmp(&b), i.cmp(&j), "{a} {b}");
                assert_eq!((a == b, fixed_hash(&a) == fixed_hash(&b)), (i == j, i == j));
            }
        }
    }
}
