//! `exp`, `ln`, `ln(1 + x)`, sigmoid and softplus with the same bits on every processor.
//!
//! The system's functions change their last bits with the processor's features, so a fitted model
//! would too. These are straight-line code on one number, without branches or tables: a loop over
//! them is vectorised by the compiler, and the scalar entry points give the same bits as the loops
//! because there is no order to choose.
//!
//! - `exp`: `x = k·ln 2 + r` with `|r| ≤ ½·ln 2` (Cody & Waite 1980), Taylor's polynomial of
//!   degree 13 in `r`, and `2^k` in two factors so that subnormal results are rounded once.
//! - `ln`: `x = 2^k·(1 + f)` with `1 + f` in `[√½, √2)`, then `2·artanh(f / (2 + f))` with
//!   the leading `f` kept apart.
//! - `ln(1 + x)`: `ln y + (x − (y − 1)) / y` with `y = 1 + x` rounded.
//!
//! The tests hold them against the `libm` crate on 100,000 arguments of each of several ranges:
//! `exp` within one unit in the last place, logarithms within two. Left: tables (gathers are slow and
//! cost cache), minimax coefficients (two or three fewer multiplications a number).

use super::level::{Job, Vector, dispatch};
use std::f64::consts::{LN_2, LOG2_E};

/// Adding and subtracting it rounds to the nearest integer, which is left in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 · 2^52
/// What `LN_2` lacks, so that their sum is ln 2 to 106 bits.
const LN_2_REST: f64 = 2.319_046_813_846_299_6e-17;
/// ln 2 in two parts, the first with 21 trailing zeros: its products with exponents are exact.
const LN_2_HEAD: f64 = f64::from_bits(0x3FE6_2E42_FEE0_0000);
const LN_2_TAIL: f64 = 1.908_214_929_270_587_7e-10;

/// `1/n!` for `n` from 13 down to 2.
const INVERSE_FACTORIALS: [f64; 12] = [
    1.0 / 6_227_020_800.0,
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
];

/// `2/(2n + 3)` for `n` from 10 down to 0.
const ARTANH: [f64; 11] = [
    2.0 / 23.0,
    2.0 / 21.0,
    2.0 / 19.0,
    2.0 / 17.0,
    2.0 / 15.0,
    2.0 / 13.0,
    2.0 / 11.0,
    2.0 / 9.0,
    2.0 / 7.0,
    2.0 / 5.0,
    2.0 / 3.0,
];

#[inline(always)]
fn horner<const N: usize>(coefficients: &[f64; N], x: f64) -> f64 {
    let mut sum = coefficients[0];
    for &c in &coefficients[1..] {
        sum = sum.mul_add(x, c);
    }
    sum
}

/// `2^k` for an integral `k` in `[−1022, 1023]`.
#[inline(always)]
fn power_of_two(k: f64) -> f64 {
    f64::from_bits((k + ROUND).to_bits().wrapping_add(1023) << 52)
}

#[inline(always)]
pub(super) fn exp1(x: f64) -> f64 {
    // Beyond these the result is infinite or zero anyway; NaN fails both comparisons and stays.
    let x = if x > 710.0 { 710.0 } else { x };
    let x = if x < -746.0 { -746.0 } else { x };
    let k = x.mul_add(LOG2_E, ROUND) - ROUND;
    let r = k.mul_add(-LN_2, x);
    let r = k.mul_add(-LN_2_REST, r);
    let tail = (r * r).mul_add(horner(&INVERSE_FACTORIALS, r), r);
    let half = k.mul_add(0.5, ROUND) - ROUND;
    (1.0 + tail) * power_of_two(half) * power_of_two(k - half)
}

#[inline(always)]
pub(super) fn ln1(x: f64) -> f64 {
    const SQRT_HALF: u64 = 0x3FE6_A09E_667F_3BCD;
    const EXPONENT: u64 = 0xFFF << 52;
    let is_small = x < f64::MIN_POSITIVE;
    let scaled = if is_small { x * 18_014_398_509_481_984.0 } else { x }; // 2^54
    let above = scaled.to_bits().wrapping_sub(SQRT_HALF);
    // The exponent's twelve bits, as a number: biased, put into the low bits of 2^52.
    let biased = f64::from_bits(0x4330_0000_0000_0000 | ((above >> 52) ^ 0x800));
    let k = biased - (4_503_599_627_370_496.0 + 2048.0) - if is_small { 54.0 } else { 0.0 };
    let f = f64::from_bits(scaled.to_bits().wrapping_sub(above & EXPONENT)) - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let half_square = 0.5 * f * f;
    let rest = z.mul_add(horner(&ARTANH, z), half_square);
    let low = k.mul_add(LN_2_TAIL, s.mul_add(rest, -half_square));
    let y = k.mul_add(LN_2_HEAD, f + low);
    let y = if x == f64::INFINITY { x } else { y };
    let y = if x == 0.0 { f64::NEG_INFINITY } else { y };
    if x >= 0.0 { y } else { f64::NAN }
}

#[inline(always)]
pub(super) fn ln_1p1(x: f64) -> f64 {
    let y = 1.0 + x;
    let lost = if x < 1.0 { x - (y - 1.0) } else { 1.0 - (y - x) };
    let result = ln1(y) + lost / y;
    // Outside these the formula meets ∞ − ∞ or 0/0, or would lose the sign of zero.
    let result = if x.abs() < 1.0e-16 { x } else { result };
    let result = if x == f64::INFINITY { x } else { result };
    if x.to_bits() == (-1.0f64).to_bits() { f64::NEG_INFINITY } else { result }
}

#[inline(always)]
fn sigmoid1(x: f64) -> f64 {
    let t = exp1(-x.abs());
    (if x >= 0.0 { 1.0 } else { t }) / (1.0 + t)
}

#[inline(always)]
fn softplus1(x: f64) -> f64 {
    (if x < 0.0 { 0.0 } else { x }) + ln_1p_unit(exp1(-x.abs())).0
}

/// `ln(1 + t)` for `t` in `[0, 1]`, and `1/(1 + t)`; shares the steps of [`ln1`] and [`ln_1p1`].
#[inline(always)]
fn ln_1p_unit(t: f64) -> (f64, f64) {
    let y = 1.0 + t;
    let inverse = 1.0 / y;
    let is_upper = y > std::f64::consts::SQRT_2;
    let f = (if is_upper { 0.5 * y } else { y }) - 1.0;
    let (head, tail) = if is_upper { (LN_2_HEAD, LN_2_TAIL) } else { (0.0, 0.0) };
    let s = f / (2.0 + f);
    let z = s * s;
    let half_square = 0.5 * f * f;
    let rest = z.mul_add(horner(&ARTANH, z), half_square);
    let low = s.mul_add(rest, -half_square) + (t - (y - 1.0)).mul_add(inverse, tail);
    (head + (f + low), inverse)
}

/// Loss and its derivative in the margin, for one row: `ln(1 + e^m) − y·m` and `σ(m) − y`.
///
/// Written so that nothing cancels for labels 0 and 1, however certain the margin is.
#[inline(always)]
pub(super) fn logistic1(margin: f64, label: f64) -> (f64, f64) {
    let t = exp1(-margin.abs());
    let is_positive = margin >= 0.0;
    let (above, below) = if is_positive { (1.0, t) } else { (t, 1.0) };
    let (log, inverse) = ln_1p_unit(t);
    let slope = (above * (1.0 - label) - label * below) * inverse;
    let hinge = (if is_positive { margin } else { 0.0 }) - label * margin;
    (hinge + log, slope)
}

/// `σ(m)·(1 − σ(m))`, the second derivative of the logistic loss in the margin.
#[inline(always)]
pub(super) fn logistic_curvature1(margin: f64) -> f64 {
    let t = exp1(-margin.abs());
    let y = 1.0 + t;
    t / (y * y)
}

macro_rules! elementwise {
    ($(#[$doc:meta])* $name:ident, $slice:ident, $job:ident, $body:ident) => {
        struct $job<'a>(&'a mut [f64]);

        impl Job for $job<'_> {
            type Output = ();
            #[inline(always)]
            fn run<V: Vector>(self) {
                for x in self.0 {
                    *x = $body(*x);
                }
            }
        }

        $(#[$doc])*
        pub fn $name(x: f64) -> f64 {
            let mut one = [x];
            dispatch($job(&mut one));
            one[0]
        }

        #[doc = concat!("Replaces each element by its [`", stringify!($name), "`]; the same bits.")]
        pub fn $slice(x: &mut [f64]) {
            dispatch($job(x));
        }
    };
}

elementwise!(
    /// `e^x`, within one unit in the last place.
    exp, exp_in_place, Exp, exp1
);
elementwise!(
    /// Natural logarithm, within two units in the last place; NaN below zero.
    ln, ln_in_place, Ln, ln1
);
elementwise!(
    /// `ln(1 + x)`, accurate near zero; within two units in the last place.
    ln_1p, ln_1p_in_place, Ln1p, ln_1p1
);
elementwise!(
    /// `1 / (1 + e^−x)`, without overflow and accurate in both tails.
    sigmoid, sigmoid_in_place, Sigmoid, sigmoid1
);
elementwise!(
    /// `ln(1 + e^x)`, without overflow and accurate in both tails.
    softplus, softplus_in_place, Softplus, softplus1
);

#[cfg(test)]
mod tests;
