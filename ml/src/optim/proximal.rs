//! Proximal Newton: the penalised quadratic model is minimised by coordinate descent.
//!
//! Outer step: value, gradient and Hessian `H` at `w`; inner: the point `z` that minimises
//! `g·(z−w) + ½(z−w)ᵀH(z−w) + Σ l1_j·|z_j|`, one coordinate at a time, each in closed form by soft
//! thresholding. `q = g + H(z−w)` is kept up to date, so a coordinate that stays costs nothing, and
//! sweeps over the coordinates that move take turns with sweeps over all. The whole step is
//! tried first. What the model still promises to gain, `F(w) − model(z)`, is Newton's decrement
//! here, and `tol` bounds it just the same.
//!
//! A Hessian is kept while steps leave at most `reuse` of what they promised; one from a sample may
//! come first, as in [`subsampled_newton`](super::subsampled_newton).

use super::engine::report_of;
use super::l1::{penalty, pseudo_gradient};
use super::subsampled::{CONTRACTION, SAMPLE_STEPS, SAMPLE_TOL};
use super::{Curvature, Options, Point, Report, Stop, fitted, owlqn};
use crate::linalg::{add_scaled, dot};

/// Share of the first-order gain that a step must bring.
const ENOUGH: f64 = 1e-4;
/// Share of a model's gain that its last sweep may still have brought.
const INNER: f64 = 1e-10;
/// Sweeps for one model, at most.
const SWEEPS: usize = 2_000;
/// Halvings of one step, at most.
const HALVINGS: usize = 30;

/// Minimises `objective + Σ l1_j·|w_j|` from `w`; weights that `l1` lacks are zero. Past
/// [`WIDEST_HESSIAN`](super::WIDEST_HESSIAN) coordinates by [`owlqn`].
///
/// `initial` may bring a Hessian to begin with (lower triangle, row after row), say of a sample;
/// another length than the objective's is ignored.
///
/// # Errors
///
/// What the objective's passes fail with.
///
/// # References
///
/// J. Friedman, T. Hastie, R. Tibshirani, "Regularization paths for generalized linear models via
/// coordinate descent", Journal of Statistical Software 33(1), 2010. J. D. Lee, Y. Sun, M. A.
/// Saunders, "Proximal Newton-type methods for minimizing composite functions", SIAM Journal on
/// Optimization 24(3), 2014.
pub fn proximal_newton<O: Curvature>(
    objective: &mut O,
    w: &[f64],
    l1: &[f64],
    initial: Option<&[f64]>,
    options: &Options,
) -> Result<Report, O::Error> {
    let dim = objective.dim();
    if dim > super::WIDEST_HESSIAN {
        return owlqn(objective, w, l1, options);
    }
    let l1 = &fitted(l1, dim)[..];
    let mut passes = 0;
    let mut point = Point::evaluate(objective, fitted(w, dim), &mut passes)?;
    point.value += penalty(l1, &point.w);
    let mut report = report_of(&point, passes);
    let mut hessian = vec![0.0; dim * dim];
    let (mut has_hessian, mut is_fresh) = (false, false);
    if let Some(initial) = initial.filter(|h| h.len() == dim * dim) {
        hessian.copy_from_slice(initial);
        mirror(&mut hessian, dim);
        has_hessian = true;
    }
    let mut last: Option<f64> = None;
    report.stop = loop {
        if !point.is_finite() {
            break Stop::NonFinite;
        }
        if !has_hessian {
            objective.hessian(&point.w, &mut hessian)?;
            mirror(&mut hessian, dim);
            report.hessian_passes += 1;
            (has_hessian, is_fresh) = (true, true);
        }
        let (step, decrement) = model_step(&point, &hessian, l1);
        report.decrement = decrement;
        if !decrement.is_finite() {
            break Stop::NonFinite;
        }
        if decrement <= options.tol * point.value.abs() {
            break Stop::Tolerance;
        }
        if report.iterations >= options.max_iter {
            break Stop::MaxIter;
        }
        let is_slow = last.is_some_and(|last| decrement > options.reuse * last);
        if is_slow && !is_fresh {
            has_hessian = false;
            continue;
        }
        let is_noise = last.is_some_and(|last| decrement > 0.25 * last);
        if decrement <= 1e-18 * point.value.abs() && is_noise {
            break Stop::Rounding;
        }
        match search(objective, &point, &step, l1, decrement, &mut report.passes)? {
            Some(next) => {
                point = next;
                report.iterations += 1;
                report.history.push(point.value);
                (last, is_fresh) = (Some(decrement), false);
            }
            None if !is_fresh => has_hessian = false,
            None if decrement <= 1e-12 * point.value.abs() => break Stop::Rounding,
            None => break Stop::LineSearch,
        }
    };
    report.value = point.value;
    (report.w, report.gradient) = (point.w, point.gradient);
    Ok(report)
}

/// [`proximal_newton`] with a sample's optimum as its start and the sample's Hessian there as its first,
/// as in [`subsampled_newton`](super::subsampled_newton); what the sample costs is not in the report.
///
/// # Errors
///
/// What the objectives' passes fail with.
pub fn subsampled_proximal_newton<S, F>(
    sample: &mut S,
    full: &mut F,
    w: &[f64],
    l1: &[f64],
    options: &Options,
) -> Result<Report, F::Error>
where
    S: Curvature<Error = F::Error>,
    F: Curvature,
{
    let dim = full.dim();
    let options = &Options { reuse: CONTRACTION, ..options.clone() };
    if sample.dim() != dim || dim > super::WIDEST_HESSIAN {
        return proximal_newton(full, w, l1, None, options);
    }
    let inner =
        Options { tol: SAMPLE_TOL, max_iter: SAMPLE_STEPS, reuse: 0.1, ..Options::default() };
    let report = proximal_newton(sample, w, l1, None, &inner)?;
    if report.stop != Stop::Tolerance {
        return proximal_newton(full, w, l1, None, options);
    }
    let mut hessian = vec![0.0; dim * dim];
    sample.hessian(&report.w, &mut hessian)?;
    proximal_newton(full, &report.w, l1, Some(&hessian), options)
}

/// Copies the lower triangle to the upper one.
fn mirror(a: &mut [f64], n: usize) {
    for i in 0..n {
        for j in 0..i {
            a[j * n + i] = a[i * n + j];
        }
    }
}

/// The step to the minimum of the penalised model, and what the model gains by it.
fn model_step(point: &Point, hessian: &[f64], l1: &[f64]) -> (Vec<f64>, f64) {
    let n = point.w.len();
    let mut z = point.w.clone();
    // The model's gradient at z.
    let mut q = point.gradient.clone();
    let mut gained = 0.0;
    // Coordinates that are not zero or may leave zero; all of them at first.
    let mut active: Vec<usize> = (0..n).collect();
    let mut is_full = true;
    for _ in 0..SWEEPS {
        let mut sweep = 0.0;
        for &j in &active {
            let row = &hessian[j * n..][..n];
            let curvature = row[j];
            if curvature <= 0.0 {
                continue; // an empty column: its gradient is zero too
            }
            let free = z[j] - q[j] / curvature;
            let shrink = l1[j] / curvature;
            let new = free - free.clamp(-shrink, shrink);
            let change = new - z[j];
            if change.abs() > 0.0 {
                add_scaled(&mut q, change, row);
                z[j] = new;
                sweep += 0.5 * curvature * change * change;
            }
        }
        gained += sweep;
        let is_done = sweep <= INNER * gained;
        if is_done && is_full {
            break;
        }
        // All coordinates are looked at once those that move have settled.
        is_full = is_done;
        active = if is_full {
            (0..n).collect()
        } else {
            (0..n).filter(|&j| z[j].abs() > 0.0 || l1[j] <= 0.0).collect()
        };
    }
    let step: Vec<f64> = z.iter().zip(&point.w).map(|(z, w)| z - w).collect();
    // ½·Δᵀ(g + q) is g·Δ + ½·ΔᵀHΔ.
    let smooth = 0.5 * (dot(&step, &point.gradient) + dot(&step, &q));
    let gain = -(smooth + penalty(l1, &z) - penalty(l1, &point.w));
    // Near the end the difference above is all rounding; the sweeps' own sum is not.
    (step, if gain > 0.5 * gained && gain < 2.0 * gained { gain } else { gained })
}

/// The whole step, or the first half, quarter, … that brings enough of what the model promised.
fn search<O: Curvature>(
    objective: &mut O,
    from: &Point,
    step: &[f64],
    l1: &[f64],
    decrement: f64,
    passes: &mut usize,
) -> Result<Option<Point>, O::Error> {
    let mut share = 1.0;
    for _ in 0..HALVINGS {
        let w = from.w.iter().zip(step).map(|(w, s)| share * s + w).collect();
        let mut next = Point::evaluate(objective, w, passes)?;
        next.value += penalty(l1, &next.w);
        let falls = next.value <= from.value - ENOUGH * share * decrement;
        // Values no longer tell so small a gain: the model is trusted unless things get worse.
        let is_same = decrement <= 1e-12 * from.value.abs()
            && next.value <= from.value + 1e-13 * from.value.abs();
        if next.is_finite() && (falls || is_same) {
            return Ok(Some(next));
        }
        share *= 0.5;
    }
    Ok(None)
}

/// Largest violation of the conditions for a minimum: the pseudo-gradient's largest element.
pub fn kkt_residual(w: &[f64], gradient: &[f64], l1: &[f64]) -> f64 {
    let l1 = fitted(l1, w.len());
    pseudo_gradient(w, gradient, &l1).iter().fold(0.0, |worst, g| worst.max(g.abs()))
}
