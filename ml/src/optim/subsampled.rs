//! Newton's method with a sample's Hessian and all the data's gradients.
//!
//! 1. The sample, small enough to stay in cache, is minimised for itself; its optimum is off by
//!    about `d/(2s)` of objective for `s` rows.
//! 2. Full gradients take over with the sample's Hessian there as metric. A step leaves a share of
//!    about `√(d/s)` of the distance, its square of the objective; the pairs of full gradients
//!    correct the metric, so the share falls from step to step.
//! 3. Where that does not hold (heavy tails that the sample missed, a sample of one class, as many
//!    columns as rows), a step leaves more than half of the distance, and the full Hessian is taken.
//!
//! The whole step is tried first, so each pass is check and next gradient at once.
//!
//! Measured on the benches' 10⁶ rows of 100 (λ = 1e-3), passes to `tol` 1e-8 and what was left of the
//! objective, with samples of 1 %, 2 % and 4 %: 5, 4, 4 and 2e-10, 1e-9, 5e-11; one fewer for 2 % and
//! 4 % with `predict_last_step`. To 1e-12: 7, 6, 5. Without pairs (`memory` 0), as in the paper: 6,
//! 5, 4 to 1e-8 and 9, 7, 6 to 1e-12. [`lbfgs`](super::lbfgs) took 38 passes to 1e-8, [`newton`] 7 and
//! 6 Hessians to the last digit.

use super::engine::{Metric, newton, run};
use super::{Curvature, Options, Point, Report, Stop, WIDEST_HESSIAN, fitted};
use crate::linalg::{Cholesky, dot};

/// Relative distance to which the sample is minimised: far below what it can know.
pub(super) const SAMPLE_TOL: f64 = 1e-7;
/// Steps spent on the sample, at most.
pub(super) const SAMPLE_STEPS: usize = 40;
/// Share of the decrement that a step may leave: half of the distance.
pub(super) const CONTRACTION: f64 = 0.25;

/// Minimises `full` from `w` with the help of `sample`, an objective of the same dimension and scale
/// (means with means, the same penalty) over a part of the rows.
///
/// The report counts the passes over all the data; what the sample cost is not in it. If the sample
/// has no safe optimum of its own, this is [`newton`] on all the data.
///
/// # Errors
///
/// What the objectives' passes fail with.
///
/// # References
///
/// F. Roosta-Khorasani, M. W. Mahoney, "Sub-sampled Newton methods", Mathematical Programming 174,
/// 2019.
pub fn subsampled_newton<S, F>(
    sample: &mut S,
    full: &mut F,
    w: &[f64],
    options: &Options,
) -> Result<Report, F::Error>
where
    S: Curvature<Error = F::Error>,
    F: Curvature,
{
    let dim = full.dim();
    let options = &Options { reuse: CONTRACTION, ..options.clone() };
    if sample.dim() != dim || dim > WIDEST_HESSIAN {
        return newton(full, w, options);
    }
    let w = fitted(w, dim);
    let Some((optimum, factor)) = sample_optimum(sample, &w)? else {
        return newton(full, &w, options);
    };
    let mut passes = 0;
    let start = Point::evaluate(full, optimum, &mut passes)?;
    if is_near(&start, &factor) {
        return run(full, start, Some(factor), Some(F::hessian), options, passes);
    }
    // The sample misled: the lower of both starts, and no trust in its metric.
    let other = Point::evaluate(full, w, &mut passes)?;
    let start = if start.is_finite() && start.value < other.value { start } else { other };
    run(full, start, None, Some(F::hessian), options, passes)
}

/// The sample's optimum and its factored Hessian there, if both are sound.
fn sample_optimum<S: Curvature>(
    sample: &mut S,
    w: &[f64],
) -> Result<Option<(Vec<f64>, Cholesky)>, S::Error> {
    // On the sample a Hessian costs several gradients: it is kept while steps leave little.
    let options =
        Options { tol: SAMPLE_TOL, max_iter: SAMPLE_STEPS, reuse: 0.1, ..Options::default() };
    let report = newton(sample, w, &options)?;
    if report.stop != Stop::Tolerance || report.ridge > 0.0 {
        return Ok(None);
    }
    let n = report.w.len();
    let mut hessian = vec![0.0; n * n];
    sample.hessian(&report.w, &mut hessian)?;
    Ok(match Cholesky::with_ridge(&hessian, n) {
        Ok((factor, 0.0)) => Some((report.w, factor)),
        _ => None,
    })
}

/// Whether the sample's metric expects at most a tenth of the objective to be gained.
fn is_near(start: &Point, factor: &Cholesky) -> bool {
    let metric = Metric::new(Some(factor.clone()), 0);
    let gain = 0.5 * dot(&start.gradient, &metric.apply(&start.gradient));
    start.is_finite() && gain <= 0.1 * start.value.abs()
}
