//! Orthant-wise L-BFGS: an l1 penalty of any width, gradients only.
//!
//! Inside an orthant `‖w‖₁` is linear. The pseudo-gradient (the subgradient nearest to zero) picks
//! the orthant, the pairs of the smooth part give the direction, parts of it that leave the
//! pseudo-gradient's descent side are dropped, and points are cut off where they cross into another
//! orthant. An l2 part belongs into the smooth objective.
//!
//! # References
//!
//! G. Andrew, J. Gao, "Scalable training of L1-regularized log-linear models", ICML 2007.

use super::engine::{Metric, report_of};
use super::{Objective, Options, Point, Report, Stop, fitted};
use crate::linalg::dot;

/// Share of the first-order gain that a step must bring.
const ENOUGH: f64 = 1e-4;
/// Values closer than this fraction count as equal.
const SAME: f64 = 1e-13;
/// Passes for one step, at most.
const MOST: usize = 40;

/// `Σ l1_j·|w_j|`.
pub(super) fn penalty(l1: &[f64], w: &[f64]) -> f64 {
    l1.iter().zip(w).map(|(l1, w)| l1 * w.abs()).sum()
}

/// The subgradient nearest to zero.
pub(super) fn pseudo_gradient(w: &[f64], gradient: &[f64], l1: &[f64]) -> Vec<f64> {
    let one = |((w, g), l1): ((&f64, &f64), &f64)| {
        if *w > 0.0 {
            g + l1
        } else if *w < 0.0 {
            g - l1
        } else {
            (g + l1).min(0.0) + (g - l1).max(0.0)
        }
    };
    w.iter().zip(gradient).zip(l1).map(one).collect()
}

/// Minimises `objective + Σ l1_j·|w_j|` from `w`; weights that `l1` lacks are zero.
///
/// Stops as [`lbfgs`](super::lbfgs) does, with the pseudo-gradient in place of the gradient.
///
/// # Errors
///
/// What the objective's passes fail with.
pub fn owlqn<O: Objective>(
    objective: &mut O,
    w: &[f64],
    l1: &[f64],
    options: &Options,
) -> Result<Report, O::Error> {
    let dim = objective.dim();
    let l1 = &fitted(l1, dim)[..];
    let mut passes = 0;
    let mut point = Point::evaluate(objective, fitted(w, dim), &mut passes)?;
    point.value += penalty(l1, &point.w);
    let mut metric = Metric::new(None, options.memory);
    let mut report = report_of(&point, passes);
    let (mut agreed, mut stalled, mut least) = (0, 0, f64::INFINITY);
    report.stop = loop {
        if !point.is_finite() {
            break Stop::NonFinite;
        }
        let pseudo = pseudo_gradient(&point.w, &point.gradient, l1);
        if pseudo.iter().all(|g| g.abs() == 0.0) {
            report.decrement = 0.0;
            break Stop::Tolerance;
        }
        let mut direction = metric.apply(&pseudo);
        for (p, g) in direction.iter_mut().zip(&pseudo) {
            *p = if *p * g > 0.0 { -*p } else { 0.0 };
        }
        let decrement = -0.5 * dot(&pseudo, &direction);
        report.decrement = decrement;
        let is_inside = 10.0 * decrement <= options.tol * point.value.abs();
        agreed = if is_inside { agreed + 1 } else { 0 };
        if agreed >= 2 && metric.is_trusted() {
            break Stop::Tolerance;
        }
        if report.iterations >= options.max_iter {
            break Stop::MaxIter;
        }
        stalled = if decrement <= 0.5 * least { 0 } else { stalled + 1 };
        least = least.min(decrement);
        if decrement <= 1e-18 * point.value.abs() && stalled >= 10 {
            break Stop::Rounding;
        }
        let first =
            if metric.is_empty() { (1.0 / dot(&pseudo, &pseudo).sqrt()).min(1.0) } else { 1.0 };
        match search(objective, &point, &pseudo, &direction, l1, first, &mut report.passes)? {
            Some(next) => {
                metric.learn(&point, &next);
                point = next;
                report.iterations += 1;
                report.history.push(point.value);
            }
            None if !metric.is_empty() => metric = Metric::new(None, options.memory),
            None if decrement <= 1e-12 * point.value.abs() => break Stop::Rounding,
            None => break Stop::LineSearch,
        }
    };
    report.value = point.value;
    (report.w, report.gradient) = (point.w, point.gradient);
    Ok(report)
}

/// Halves the step until the objective falls enough within the orthant.
fn search<O: Objective>(
    objective: &mut O,
    from: &Point,
    pseudo: &[f64],
    direction: &[f64],
    l1: &[f64],
    first: f64,
    passes: &mut usize,
) -> Result<Option<Point>, O::Error> {
    let mut step = first;
    for _ in 0..MOST {
        let mut w = from.w.clone();
        for (j, w) in w.iter_mut().enumerate() {
            let orthant = if from.w[j].abs() > 0.0 { from.w[j] } else { -pseudo[j] };
            let moved = step.mul_add(direction[j], *w);
            *w = if l1[j].abs() > 0.0 && moved * orthant <= 0.0 { 0.0 } else { moved };
        }
        let gain: f64 = (0..w.len()).map(|j| pseudo[j] * (w[j] - from.w[j])).sum();
        let mut next = Point::evaluate(objective, w, passes)?;
        next.value += penalty(l1, &next.w);
        let falls = next.value <= from.value + ENOUGH * gain;
        // Where values no longer differ, the direction is trusted for the whole step.
        let is_same = step >= 1.0
            && -gain <= 1e-10 * from.value.abs()
            && next.value <= from.value + SAME * from.value.abs();
        if next.is_finite() && gain < 0.0 && (falls || is_same) {
            return Ok(Some(next));
        }
        step *= 0.5;
    }
    Ok(None)
}
