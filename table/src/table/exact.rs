//! Sums of floats and of their squares without any rounding.
//!
//! A finite `f64` is a whole number of 53 bits times a power of two, so a wide enough fixed-point
//! number holds any sum of them exactly: 2,098 bits for the values, 4,196 for their squares, 64
//! more for the count. Digits of 32 bits are kept in `i64`, so that carries can wait for half a
//! thousand million additions (Neal 2015 calls this a small superaccumulator). Exact sums do not
//! depend on order or partitioning, and mean and variance are rounded once, at the end.
//!
//! R. M. Neal, "Fast exact summation using small and large superaccumulators", arXiv:1505.05571.

use serde::{Deserialize, Serialize};

/// The lowest bit of a sum of values stands for 2⁻¹⁰⁷⁴, that of a sum of squares for its square.
const LOWEST: i32 = -1074;
const VALUE_DIGITS: usize = 68;
const SQUARE_DIGITS: usize = 134;
/// Additions until carries are moved: each adds less than 2³³ to a digit.
const PATIENCE: u32 = 1 << 29;

/// Sum and sum of squares of numbers, exact; `Default` is the sum of none.
///
/// Order and partitioning leave no trace: mean and standard deviation are rounded once, at the
/// end.
///
/// # Cost
///
/// 1.6 KiB.
///
/// # Examples
///
/// ```
/// use firesteel_table::ExactMoments;
///
/// let mut moments = ExactMoments::default();
/// [1e300, 1.0, -1e300, 3.0].iter().for_each(|&x| moments.add(x));
/// assert_eq!(moments.mean(), Some(1.0));
/// ```
///
/// # References
///
/// R. M. Neal, "Fast exact summation using small and large superaccumulators", arXiv:1505.05571,
/// 2015.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExactMoments {
    count: u64,
    not_finite: u64,
    values: Digits,
    squares: Digits,
}

impl Default for ExactMoments {
    fn default() -> Self {
        Self {
            count: 0,
            not_finite: 0,
            values: Digits::new(VALUE_DIGITS),
            squares: Digits::new(SQUARE_DIGITS),
        }
    }
}

impl ExactMoments {
    /// Adds a float. One that is not finite has no place in such a sum: it counts, and makes mean
    /// and deviations NaN.
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            self.count += 1;
            self.not_finite += 1;
            return;
        }
        let (mantissa, shift) = parts(value);
        self.push(u128::from(mantissa), shift, value.is_sign_negative());
    }

    /// Adds a whole number, all of its digits.
    pub fn add_whole(&mut self, value: i64) {
        self.push(u128::from(value.unsigned_abs()), -LOWEST as usize, value < 0);
    }

    fn push(&mut self, mantissa: u128, shift: usize, negative: bool) {
        self.count += 1;
        self.values.add(mantissa, shift, negative);
        self.squares.add(mantissa * mantissa, 2 * shift, false); // of 64 bits at most
    }

    /// Adds so many zeros.
    pub fn add_zeros(&mut self, zeros: u64) {
        self.count += zeros;
    }

    /// How many numbers were added.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The sum over both.
    #[must_use]
    pub fn merge(mut self, other: &Self) -> Self {
        self.count += other.count;
        self.not_finite += other.not_finite;
        self.values.merge(&other.values);
        self.squares.merge(&other.squares);
        self
    }

    /// The mean, rounded once; none of no numbers.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        if self.not_finite > 0 {
            return Some(f64::NAN);
        }
        let (negative, sum) = self.values.magnitude();
        let mean = sum.over(self.count)?.scaled(LOWEST).to_f64();
        Some(if negative { -mean } else { mean })
    }

    /// The standard deviation with `n − 1`, from the exactly computed `nΣx² − (Σx)²`; none of
    /// fewer than two numbers.
    #[must_use]
    pub fn std(&self) -> Option<f64> {
        self.root_over(self.count.checked_sub(1)?)
    }

    /// The standard deviation with `n`; none of no numbers.
    #[must_use]
    pub fn population_std(&self) -> Option<f64> {
        self.root_over(self.count)
    }

    fn root_over(&self, divisor: u64) -> Option<f64> {
        if self.not_finite > 0 {
            return (divisor > 0).then_some(f64::NAN);
        }
        let variance = Whole(self.excess().digits).over(self.count)?.then_over(divisor)?;
        Some(variance.scaled(2 * LOWEST).sqrt())
    }

    /// `nΣx² − (Σx)²`, in units of the lowest bit.
    fn excess(&self) -> Quotient {
        let (_, sum) = self.values.magnitude();
        let (_, squares) = self.squares.magnitude();
        let digits = squares.times(self.count).minus(&sum.squared()).0;
        Quotient { digits, exponent: 0, inexact: false }
    }
}

/// The mantissa of a finite float as a whole number, and how many bits it is above 2⁻¹⁰⁷⁴.
fn parts(value: f64) -> (u64, usize) {
    let bits = value.to_bits();
    let (exponent, fraction) = (bits >> 52 & 0x7ff, bits & ((1 << 52) - 1));
    let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
    (mantissa, (exponent.max(1) - 1) as usize)
}

/// Sums of two numbers, of their squares and of their product, exact; `Default` is the sum of none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ExactPairs {
    x: ExactMoments,
    y: ExactMoments,
    products: Digits,
}

impl Default for ExactPairs {
    fn default() -> Self {
        let (x, y) = Default::default();
        Self { x, y, products: Digits::new(SQUARE_DIGITS) }
    }
}

impl ExactPairs {
    pub(super) fn add(&mut self, x: f64, y: f64) {
        self.x.add(x);
        self.y.add(y);
        if x.is_finite() && y.is_finite() {
            let ((a, up), (b, more)) = (parts(x), parts(y));
            let negative = x.is_sign_negative() != y.is_sign_negative();
            self.products.add(u128::from(a) * u128::from(b), up + more, negative);
        }
    }

    pub(super) fn merge(mut self, other: &Self) -> Self {
        self.products.merge(&other.products);
        Self { x: self.x.merge(&other.x), y: self.y.merge(&other.y), products: self.products }
    }

    /// Pearson's correlation: `nΣxy − ΣxΣy` over the root of `nΣx² − (Σx)²` times that of y, each computed
    /// exactly and rounded once; NaN of fewer than two, or of what does not vary or is not finite.
    pub(super) fn corr(&self) -> f64 {
        if self.x.not_finite + self.y.not_finite > 0 {
            return f64::NAN;
        }
        let (negative, excess) = self.excess();
        let (Some(x), Some(y)) = (self.x.excess().rounded(), self.y.excess().rounded()) else {
            return f64::NAN;
        };
        // Of the product of both, whose exponents may be far apart, the root of each.
        let root = |(mantissa, exponent): (f64, i32)| {
            let odd = exponent.rem_euclid(2);
            ((mantissa * f64::from(1 + odd)).sqrt(), (exponent - odd) / 2)
        };
        let ((a, up), (b, more)) = (root(x), root(y));
        let Some((mantissa, exponent)) = excess.rounded() else { return 0.0 };
        let size = times_power_of_two(mantissa / (a * b), exponent - up - more).min(1.0);
        if negative { -size } else { size }
    }

    fn excess(&self) -> (bool, Quotient) {
        let (negative, products) = self.products.magnitude();
        let ((negative_x, x), (negative_y, y)) =
            (self.x.values.magnitude(), self.y.values.magnitude());
        let (left, right) = (products.times(self.x.count), x.product(&y.0));
        let turned = negative_x != negative_y;
        let (negative, size) = if negative == turned {
            match left.is_less(&right) {
                true => (!negative, right.minus(&left)),
                false => (negative, left.minus(&right)),
            }
        } else {
            (negative, left.plus(&right))
        };
        (negative, Quotient { digits: size.0, exponent: 0, inexact: false })
    }
}

/// A signed fixed-point number: digits of 32 bits, lowest first, with room for carries.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Digits {
    digits: Vec<i64>,
    waiting: u32,
}

impl PartialEq for Digits {
    fn eq(&self, other: &Self) -> bool {
        self.settled().digits == other.settled().digits
    }
}

impl Digits {
    fn new(digits: usize) -> Self {
        Self { digits: vec![0; digits], waiting: 0 }
    }

    fn add(&mut self, mut mantissa: u128, shift: usize, negative: bool) {
        let (mut place, shift) = (shift / 32, shift % 32);
        while mantissa != 0 {
            let part = ((mantissa as u32 as u64) << shift) as i64; // below 2⁶³
            let (low, high) = (part & 0xffff_ffff, part >> 32);
            let sign = if negative { -1 } else { 1 };
            self.digits[place] += sign * low;
            self.digits[place + 1] += sign * high;
            mantissa >>= 32;
            place += 1;
        }
        self.waiting += 1;
        if self.waiting == PATIENCE {
            self.settle();
        }
    }

    fn merge(&mut self, other: &Self) {
        let other = other.settled();
        self.settle();
        for (digit, more) in self.digits.iter_mut().zip(&other.digits) {
            *digit += more;
        }
        self.settle();
    }

    /// Moves carries up: every digit in `0..2³²` but the highest, which has the sign.
    fn settle(&mut self) {
        let mut carry = 0;
        let (highest, digits) = self.digits.split_last_mut().expect("there are digits");
        for digit in digits {
            let sum = *digit + carry;
            *digit = sum & 0xffff_ffff;
            carry = sum >> 32;
        }
        *highest += carry;
        self.waiting = 0;
    }

    fn settled(&self) -> Self {
        let mut settled = self.clone();
        settled.settle();
        settled
    }

    /// Whether it is negative, and its digits without the sign.
    fn magnitude(&self) -> (bool, Whole) {
        let mut settled = self.settled();
        let negative = settled.digits.last().is_some_and(|&highest| highest < 0);
        if negative {
            settled.digits.iter_mut().for_each(|digit| *digit = -*digit);
            settled.settle();
        }
        // The highest digit is small: it has room for the count only.
        (negative, Whole(settled.digits.iter().map(|&digit| digit as u32).collect()))
    }
}

/// A whole number of any size: digits of 32 bits, lowest first.
#[derive(Clone, Debug)]
struct Whole(Vec<u32>);

impl Whole {
    fn times(&self, factor: u64) -> Self {
        self.product(&[factor as u32, (factor >> 32) as u32])
    }

    fn squared(&self) -> Self {
        self.product(&self.0)
    }

    fn product(&self, other: &[u32]) -> Self {
        let mut digits = vec![0_u32; self.0.len() + other.len()];
        for (i, &a) in self.0.iter().enumerate() {
            let mut carry = 0_u64;
            for (j, &b) in other.iter().enumerate() {
                let sum = u64::from(a) * u64::from(b) + u64::from(digits[i + j]) + carry;
                digits[i + j] = sum as u32;
                carry = sum >> 32;
            }
            digits[i + other.len()] = carry as u32;
        }
        Self(digits)
    }

    fn is_less(&self, other: &Self) -> bool {
        let digit = |of: &Self, i: usize| of.0.get(i).copied().unwrap_or(0);
        let places = (0..self.0.len().max(other.0.len())).rev();
        let first = places.map(|i| (digit(self, i), digit(other, i))).find(|(a, b)| a != b);
        first.is_some_and(|(a, b)| a < b)
    }

    fn plus(&self, other: &Self) -> Self {
        let mut carry = 0_u64;
        let digit = |of: &Self, i: usize| u64::from(of.0.get(i).copied().unwrap_or(0));
        let digits = (0..=self.0.len().max(other.0.len())).map(|i| {
            let sum = digit(self, i) + digit(other, i) + carry;
            carry = sum >> 32;
            sum as u32
        });
        Self(digits.collect())
    }

    /// The difference from a number that is not greater.
    fn minus(&self, other: &Self) -> Self {
        let mut borrow = 0_i64;
        let digit = |i: usize, of: &Self| i64::from(of.0.get(i).copied().unwrap_or(0));
        let digits = (0..self.0.len().max(other.0.len())).map(|i| {
            let difference = digit(i, self) - digit(i, other) + borrow;
            borrow = difference >> 32;
            difference as u32
        });
        Self(digits.collect())
    }

    /// The quotient, with 128 more bits below; none by zero.
    fn over(&self, divisor: u64) -> Option<Quotient> {
        let mut digits = vec![0; 4];
        digits.extend(&self.0);
        Quotient { digits, exponent: -128, inexact: false }.then_over(divisor)
    }
}

/// `digits · 2^exponent`, cut off; `inexact` if something was cut.
#[derive(Clone, Debug)]
struct Quotient {
    digits: Vec<u32>,
    exponent: i32,
    inexact: bool,
}

impl Quotient {
    fn then_over(mut self, divisor: u64) -> Option<Self> {
        if divisor == 0 {
            return None;
        }
        let mut rest = 0_u128;
        for digit in self.digits.iter_mut().rev() {
            let part = rest << 32 | u128::from(*digit);
            *digit = (part / u128::from(divisor)) as u32;
            rest = part % u128::from(divisor);
        }
        self.inexact |= rest != 0;
        Some(self)
    }

    fn scaled(mut self, by: i32) -> Self {
        self.exponent += by;
        self
    }

    /// Mantissa of 53 bits, rounded to the nearest (ties to even), and its exponent; none of zero.
    fn rounded(&self) -> Option<(f64, i32)> {
        let highest = self.digits.iter().rposition(|&digit| digit != 0)?;
        let top = 32 * highest as i32 + 31 - self.digits[highest].leading_zeros() as i32;
        // The 64 bits from `top` down, and whether anything is below.
        let low = top - 63;
        let bit = |i: i32| i >= 0 && self.digits[i as usize / 32] >> (i % 32) & 1 == 1;
        let bits = (0..64).fold(0_u64, |bits, i| bits | u64::from(bit(low + i)) << i);
        let below = self.inexact || (0..low.max(0)).any(bit);
        let (kept, cut) = (bits >> 11, bits & 0x7ff);
        let half = 1 << 10;
        let up = cut > half || (cut == half && (below || kept & 1 == 1));
        Some(((kept + u64::from(up)) as f64, low + 11 + self.exponent))
    }

    fn to_f64(&self) -> f64 {
        self.rounded().map_or(0.0, |(mantissa, exponent)| times_power_of_two(mantissa, exponent))
    }

    fn sqrt(&self) -> f64 {
        self.rounded().map_or(0.0, |(mantissa, exponent)| {
            let odd = exponent.rem_euclid(2);
            let root = (mantissa * f64::from(1 + odd)).sqrt();
            times_power_of_two(root, (exponent - odd) / 2)
        })
    }
}

/// `x · 2^n`, in steps that neither overflow nor underflow before they must.
fn times_power_of_two(mut x: f64, mut n: i32) -> f64 {
    let power = |n: i32| f64::from_bits(((n + 1023) as u64) << 52); // for -1022 <= n <= 1023
    while n < -1022 {
        x *= power(-969); // 53 bits above the least normal number: no early rounding
        n += 969;
    }
    while n > 1023 {
        x *= power(1023);
        n -= 1023;
    }
    x * power(n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f64]) -> ExactMoments {
        let mut moments = ExactMoments::default();
        values.iter().for_each(|&value| moments.add(value));
        moments
    }

    #[test]
    fn what_cancels_in_floats_does_not_cancel_here() {
        assert_eq!(of(&[1e300, 1.0, -1e300, 3.0]).mean(), Some(1.0));
        assert_eq!(of(&[1e16 + 2.0, 1e16, 1e16 + 4.0]).std(), Some(2.0));
        assert_eq!(of(&[0.1; 10]).mean(), Some(0.1));
        assert_eq!(of(&[0.1; 10]).std(), Some(0.0));
        assert_eq!(of(&[f64::MAX, -f64::MAX]).std(), Some(f64::INFINITY)); // √2·max
        assert_eq!(of(&[f64::MAX, f64::MAX]).mean(), Some(f64::MAX));
        assert_eq!(of(&[5e-324, 5e-324]).mean(), Some(5e-324));
        assert_eq!(of(&[1e-200, 3e-200]).std(), Some(2_f64.sqrt() * 1e-200));
        assert_eq!(of(&[-3.0]).mean(), Some(-3.0));
        assert_eq!((of(&[]).mean(), of(&[]).std(), of(&[1.0]).std()), (None, None, None));
    }

    #[test]
    fn a_number_that_is_not_finite_spoils_the_moments_and_nothing_else() {
        let moments = of(&[1.0, f64::NAN]).merge(&of(&[2.0]));
        assert_eq!(moments.count(), 3);
        assert!(moments.mean().unwrap().is_nan() && moments.std().unwrap().is_nan());
        assert_eq!(of(&[f64::INFINITY]).std(), None);
    }

    #[test]
    fn zeros_count_without_being_added() {
        let mut moments = of(&[3.0, -3.0]);
        moments.add_zeros(2);
        assert_eq!((moments.count(), moments.mean()), (4, Some(0.0)));
        assert_eq!(moments.population_std(), Some(4.5_f64.sqrt()));
        assert_eq!(moments.std(), of(&[3.0, 0.0, 0.0, -3.0]).std());
    }

    #[test]
    fn whole_numbers_keep_all_their_digits() {
        let mut moments = ExactMoments::default();
        for value in [i64::MAX, i64::MIN, 1] {
            moments.add_whole(value);
        }
        assert_eq!(moments.mean(), Some(0.0));
    }

    fn numbers() -> impl Strategy<Value = Vec<f64>> {
        let finite = any::<f64>().prop_filter("finite", |x| x.is_finite());
        prop::collection::vec(prop_oneof![finite, -1e3..1e3], 0..40)
    }

    proptest! {
        #[test]
        fn order_and_grouping_do_not_matter(mut values in numbers(), cut in 0.0..1.0) {
            let whole = of(&values);
            let by = (cut * values.len() as f64) as usize;
            values.rotate_left(by);
            let (a, b) = values.split_at(values.len() / 3);
            prop_assert_eq!(of(a).merge(&of(b)), whole);
        }

        #[test]
        fn mean_and_deviation_agree_with_two_passes(values in prop::collection::vec(-1e3..1e3, 2..50)) {
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
            let exact = of(&values);
            prop_assert!((exact.mean().unwrap() - mean).abs() <= 1e-10);
            prop_assert!((exact.std().unwrap() - variance.sqrt()).abs() <= 1e-10);
        }

        #[test]
        fn the_mean_of_one_number_is_that_number(value in any::<f64>()) {
            prop_assume!(value.is_finite());
            prop_assert_eq!(of(&[value]).mean().unwrap().to_bits(), (value + 0.0).to_bits());
        }
    }
}
