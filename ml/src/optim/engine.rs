//! The loop that Newton's method and L-BFGS share: a metric, a step, what is left.
//!
//! The metric is an optional factored Hessian, taken somewhere, and the pairs of steps and gradient
//! changes since; the two-loop recursion (Nocedal 1980) multiplies the gradient by the inverse of
//! both together. With a Hessian of the point at hand and no pairs that is Newton's step; with no
//! Hessian it is L-BFGS; with a Hessian of elsewhere the pairs correct it step by step.

use super::search::search;
use super::{Curvature, Objective, Options, Point, Report, Stop, WIDEST_HESSIAN, fitted};
use crate::linalg::{Cholesky, add_scaled, dot};
use std::collections::VecDeque;

/// A step, the change of gradient along it, and their product.
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    product: f64,
}

/// What stands for the inverse Hessian.
pub(super) struct Metric {
    factor: Option<Cholesky>,
    pairs: VecDeque<Pair>,
    memory: usize,
}

impl Metric {
    pub(super) fn new(factor: Option<Cholesky>, memory: usize) -> Self {
        Self { factor, pairs: VecDeque::new(), memory }
    }

    /// The inverse metric times `v`.
    pub(super) fn apply(&self, v: &[f64]) -> Vec<f64> {
        let mut q = v.to_vec();
        let mut shares = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().rev() {
            let share = dot(&pair.step, &q) / pair.product;
            add_scaled(&mut q, -share, &pair.change);
            shares.push(share);
        }
        match (&self.factor, self.pairs.back()) {
            (Some(factor), _) => {
                factor.solve(&mut q).expect("the factor has the gradient's length")
            }
            (None, Some(last)) => {
                let scale = last.product / dot(&last.change, &last.change);
                q.iter_mut().for_each(|q| *q *= scale);
            }
            (None, None) => {}
        }
        for (pair, share) in self.pairs.iter().zip(shares.iter().rev()) {
            let correction = share - dot(&pair.change, &q) / pair.product;
            add_scaled(&mut q, correction, &pair.step);
        }
        q
    }

    /// Learns from a step; a pair without positive curvature says nothing.
    pub(super) fn learn(&mut self, from: &Point, to: &Point) {
        let step: Vec<f64> = to.w.iter().zip(&from.w).map(|(a, b)| a - b).collect();
        let change: Vec<f64> = to.gradient.iter().zip(&from.gradient).map(|(a, b)| a - b).collect();
        let product = dot(&step, &change);
        if product > 1e-14 * (dot(&step, &step) * dot(&change, &change)).sqrt() {
            self.pairs.push_back(Pair { step, change, product });
            if self.pairs.len() > self.memory {
                self.pairs.pop_front();
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    fn has_factor(&self) -> bool {
        self.factor.is_some()
    }

    /// Whether its estimate of the decrement deserves belief.
    pub(super) fn is_trusted(&self) -> bool {
        self.has_factor() || self.pairs.len() >= self.memory.min(5)
    }
}

/// How a Hessian is taken, where it can be.
pub(super) type Hessian<O> = fn(&mut O, &[f64], &mut [f64]) -> Result<(), <O as Objective>::Error>;

/// Minimises by L-BFGS from `w`, with `initial` as the Hessian before any pair is known.
///
/// Without `initial` the first step has length at most 1, and the metric is scaled by the latest
/// pair as usual. `initial` must have the objective's dimension, else it is ignored.
///
/// # Errors
///
/// What the objective's passes fail with.
pub fn lbfgs<O: Objective>(
    objective: &mut O,
    w: &[f64],
    initial: Option<Cholesky>,
    options: &Options,
) -> Result<Report, O::Error> {
    let dim = objective.dim();
    let initial = initial.filter(|factor| factor.n() == dim);
    let mut passes = 0;
    let start = Point::evaluate(objective, fitted(w, dim), &mut passes)?;
    run(objective, start, initial, None, options, passes)
}

/// Minimises by Newton's method from `w`; past [`WIDEST_HESSIAN`] coordinates by L-BFGS.
///
/// The Hessian is taken at the start and again after each step that left more than `reuse` of the
/// decrement; in between, pairs correct it. A Hessian that is not safely positive definite is
/// factored with a raised diagonal, and the report says so.
///
/// # Errors
///
/// What the objective's passes fail with.
pub fn newton<O: Curvature>(
    objective: &mut O,
    w: &[f64],
    options: &Options,
) -> Result<Report, O::Error> {
    let mut passes = 0;
    let start = Point::evaluate(objective, fitted(w, objective.dim()), &mut passes)?;
    run(objective, start, None, Some(O::hessian), options, passes)
}

/// The loop. `initial` is a Hessian taken elsewhere; `hessian` takes new ones.
pub(super) fn run<O: Objective>(
    objective: &mut O,
    start: Point,
    initial: Option<Cholesky>,
    hessian: Option<Hessian<O>>,
    options: &Options,
    passes: usize,
) -> Result<Report, O::Error> {
    let hessian = hessian.filter(|_| start.w.len() <= WIDEST_HESSIAN);
    let mut run = Run {
        metric: Metric::new(initial, options.memory),
        report: report_of(&start, passes),
        point: start,
        hessian,
        options,
        last: None,
        is_fresh: false,
        agreed: 0,
        least: f64::INFINITY,
        stalled: 0,
    };
    let stop = run.go(objective)?;
    let Run { mut report, point, .. } = run;
    report.stop = stop;
    if !report.is_predicted {
        report.w = point.w;
        report.value = point.value;
        report.gradient = point.gradient;
    }
    Ok(report)
}

pub(super) fn report_of(start: &Point, passes: usize) -> Report {
    Report {
        w: Vec::new(),
        value: start.value,
        gradient: Vec::new(),
        history: vec![start.value],
        iterations: 0,
        passes,
        hessian_passes: 0,
        decrement: f64::INFINITY,
        ridge: 0.0,
        is_predicted: false,
        stop: Stop::MaxIter,
    }
}

struct Run<'a, O: Objective> {
    metric: Metric,
    report: Report,
    point: Point,
    hessian: Option<Hessian<O>>,
    options: &'a Options,
    /// The decrement before the last step.
    last: Option<f64>,
    /// Whether the metric's Hessian is that of the point.
    is_fresh: bool,
    /// Points in a row at which the decrement was within the tolerance.
    agreed: usize,
    /// Least decrement so far, and the steps since one that halved it.
    least: f64,
    stalled: usize,
}

impl<O: Objective> Run<'_, O> {
    fn go(&mut self, objective: &mut O) -> Result<Stop, O::Error> {
        if !self.point.is_finite() {
            return Ok(Stop::NonFinite);
        }
        loop {
            if self.hessian.is_some() && !self.metric.has_factor() && !self.is_fresh {
                self.refresh(objective)?;
            }
            let mut direction = self.metric.apply(&self.point.gradient);
            direction.iter_mut().for_each(|p| *p = -*p);
            let slope = dot(&self.point.gradient, &direction);
            if !(slope < 0.0 && slope.is_finite()) {
                if self.point.gradient.iter().all(|g| g.abs() == 0.0) {
                    self.report.decrement = 0.0;
                    return Ok(Stop::Tolerance);
                }
                if self.forget(objective)? {
                    continue;
                }
                return Ok(Stop::LineSearch);
            }
            let decrement = -0.5 * slope;
            self.report.decrement = decrement;
            if self.is_close(decrement) {
                return Ok(Stop::Tolerance);
            }
            if self.report.iterations >= self.options.max_iter {
                return Ok(Stop::MaxIter);
            }
            let left = self.last.map(|last| decrement / last);
            if self.is_noise(decrement) {
                return Ok(Stop::Rounding);
            }
            if self.predicts(decrement, left) {
                self.take_unseen(&direction, decrement);
                return Ok(Stop::Tolerance);
            }
            // Without a Hessian for the point, a step that left much asks for one.
            let is_slow = left.is_some_and(|left| left > self.options.reuse);
            if self.hessian.is_some() && is_slow && !self.is_fresh {
                self.refresh(objective)?;
                continue;
            }
            let first = if self.metric.has_factor() || !self.metric.is_empty() {
                1.0
            } else {
                (1.0 / dot(&direction, &direction).sqrt()).min(1.0)
            };
            let passes = &mut self.report.passes;
            match search(objective, &self.point, &direction, first, passes)? {
                Some((next, _)) => self.step_to(next, decrement),
                None if self.forget(objective)? => {}
                None if decrement <= 1e-12 * self.point.value.abs() => return Ok(Stop::Rounding),
                None => return Ok(Stop::LineSearch),
            }
        }
    }

    fn is_close(&mut self, decrement: f64) -> bool {
        // Pairs alone know too little of the directions that were not gone: a margin, and a second
        // opinion.
        let (margin, needed) = if self.metric.has_factor() { (1.0, 1) } else { (10.0, 2) };
        let is_inside = margin * decrement <= self.options.tol * self.point.value.abs();
        self.agreed = if is_inside { self.agreed + 1 } else { 0 };
        is_inside && self.metric.is_trusted() && self.agreed >= needed
    }

    /// Whether the steps have stopped telling anything: far below the values' last digit, and
    /// several in a row did not bring the point nearer.
    fn is_noise(&self, decrement: f64) -> bool {
        // The point's own Hessian would have brought it nearer, unless a ridge shortens the steps.
        let is_exact = self.is_fresh && self.report.ridge <= 0.0;
        let patience = if is_exact { 1 } else { 6 };
        decrement <= 1e-18 * self.point.value.abs() && self.stalled >= patience
    }

    /// Whether one more step may be taken unseen: the last one contracted well, and another like it
    /// ends at a quarter of the tolerance or nearer.
    fn predicts(&self, decrement: f64, left: Option<f64>) -> bool {
        let target = 0.25 * self.options.tol * self.point.value.abs();
        self.options.predict_last_step
            && self.metric.has_factor()
            && decrement <= 1e-3 * self.point.value.abs()
            && left.is_some_and(|left| left < 0.1 && left * decrement <= target)
    }

    fn take_unseen(&mut self, direction: &[f64], decrement: f64) {
        let report = &mut self.report;
        report.w = self.point.w.iter().zip(direction).map(|(w, p)| w + p).collect();
        report.value = self.point.value - decrement;
        report.gradient = self.point.gradient.clone();
        report.history.push(report.value);
        report.iterations += 1;
        report.decrement = decrement * decrement / self.last.unwrap_or(decrement);
        report.is_predicted = true;
    }

    fn step_to(&mut self, next: Point, decrement: f64) {
        self.metric.learn(&self.point, &next);
        self.last = Some(decrement);
        self.stalled = if decrement <= 0.5 * self.least { 0 } else { self.stalled + 1 };
        self.least = self.least.min(decrement);
        self.is_fresh = false;
        self.report.iterations += 1;
        self.report.history.push(next.value);
        self.point = next;
    }

    /// Takes the Hessian at the point; one that cannot be factored leaves plain L-BFGS.
    fn refresh(&mut self, objective: &mut O) -> Result<(), O::Error> {
        let Some(take) = self.hessian else { return Ok(()) };
        let n = self.point.w.len();
        let mut hessian = vec![0.0; n * n];
        take(objective, &self.point.w, &mut hessian)?;
        self.report.hessian_passes += 1;
        self.is_fresh = true;
        if let Ok((factor, ridge)) = Cholesky::with_ridge(&hessian, n) {
            self.report.ridge = self.report.ridge.max(ridge);
            self.metric = Metric::new(Some(factor), self.options.memory);
        }
        Ok(())
    }

    /// After a failure: a fresh Hessian, or no memory. False if neither is left to try.
    fn forget(&mut self, objective: &mut O) -> Result<bool, O::Error> {
        self.last = None;
        if self.hessian.is_some() && !self.is_fresh {
            self.refresh(objective)?;
            return Ok(true);
        }
        let had = !self.metric.is_empty() || (self.metric.has_factor() && !self.is_fresh);
        if had {
            let factor = if self.is_fresh { self.metric.factor.take() } else { None };
            self.metric = Metric::new(factor, self.options.memory);
        }
        Ok(had)
    }
}
