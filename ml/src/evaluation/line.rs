//! Calibration as a line: what logistic regression of the label on logit(p) makes of it.
//!
//! With well calibrated predictions logit P(label = 1) = a + b·logit(p) has a = 0, b = 1. A slope
//! below 1 says that predictions are too extreme (overfitting), an intercept with the slope held
//! at 1 ("calibration in the large") that they are too low (above 0) or too high on the whole.
//! Newton's method on two numbers, each step one pass over the distinct scores: their logits are
//! taken once, kept for the fit, and centred, so that slope and intercept hardly meddle with each
//! other. It starts from slope 0, where the curvature is that of the labels' share; at slope 1
//! certain predictions have none. A step after which the likelihood would fall is halved.
//!
//! # References
//!
//! D. R. Cox, "Two Further Applications of a Model for Binary Regression", Biometrika 45(3/4),
//! 1958.

use firesteel_core::Dataset;
use serde::{Deserialize, Serialize};

use super::binary::{BinaryMetrics, inside};
use super::exact::SteadySum;
use crate::error::{Error, Result};

/// Steps, at most. Five or so suffice on sensible predictions.
const MAX_ITER: usize = 100;

/// A step that has to be shortened further than this is given up.
const SHORTEST: f64 = 1e-10;

/// The fit ends with the step that moves no coefficient by more than this.
const TOL: f64 = 1e-10;

/// A coefficient with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Estimate {
    /// The coefficient.
    pub value: f64,
    /// Its standard error, weights counting as repeated rows.
    pub standard_error: f64,
}

/// The line logit P(label = 1) = intercept + slope · logit(p), by maximum likelihood.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct CalibrationLine {
    /// 0 for well calibrated predictions.
    pub intercept: Estimate,
    /// 1 for well calibrated predictions; below 1 where they are too extreme.
    pub slope: Estimate,
    /// Newton steps.
    pub iterations: usize,
    /// Whether the last step was as small as it should be.
    pub converged: bool,
}

impl BinaryMetrics {
    /// Intercept and slope of the labels' log odds on the predictions' log odds.
    ///
    /// Probabilities are moved inside `[ε, 1 − ε]`, `ε = 1e-15`, first.
    ///
    /// # Errors
    ///
    /// [`Error::BadValue`](crate::Error::BadValue) for a score outside `[0, 1]`;
    /// [`Error::OneClass`](crate::Error::OneClass) if all labels are equal;
    /// [`Error::Undefined`](crate::Error::Undefined) if all scores are equal, or if a threshold
    /// parts the labels, so that no slope is steep enough;
    /// [`Error::Core`](crate::Error::Core) if a job fails.
    ///
    /// # Cost
    ///
    /// Some five to ten passes over the distinct scores, 24 bytes of memory for each.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_ml::evaluation::{BinaryMetrics, Scored};
    ///
    /// # fn main() -> firesteel_ml::Result<()> {
    /// // Of ten rows each: predicted 0.1 and 0.9, but 3 and 7 came true.
    /// let scores = [0.1, 0.1, 0.9, 0.9];
    /// let scored = Scored::from_weighted_slices(
    ///     &Context::local(),
    ///     &scores,
    ///     &[0.0, 1.0, 0.0, 1.0],
    ///     &[7.0, 3.0, 3.0, 7.0],
    /// )?;
    /// let line = BinaryMetrics::new(&scored)?.calibration_line()?;
    /// assert!(line.intercept.value.abs() < 1e-12);
    /// assert!((line.slope.value - (7_f64 / 3.0).ln() / 9_f64.ln()).abs() < 1e-12);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # References
    ///
    /// D. R. Cox, "Two Further Applications of a Model for Binary Regression", Biometrika 45(3/4),
    /// 1958.
    pub fn calibration_line(&self) -> Result<CalibrationLine> {
        let logits = Logits::new(self, "calibration line")?;
        logits.need_overlap()?;
        let all = self.levels.all();
        let fit = logits.maximise([logit(all.positive / all.weight()), 0.0], true)?;
        let [a, b] = fit.at;
        let inverse = fit.here.inverse().ok_or_else(singular)?;
        let c = logits.centre;
        let variance = inverse[0] - 2.0 * c * inverse[1] + c * c * inverse[2];
        let error = |variance: f64| (variance.max(0.0) / logits.weight).sqrt();
        Ok(CalibrationLine {
            intercept: Estimate { value: a - c * b, standard_error: error(variance) },
            slope: Estimate { value: b, standard_error: error(inverse[2]) },
            iterations: fit.iterations,
            converged: fit.converged,
        })
    }

    /// The intercept with the slope held at 1: how much the log odds of all predictions would
    /// have to be raised for as many labels to come true as were predicted.
    ///
    /// # Errors
    ///
    /// [`Error::BadValue`](crate::Error::BadValue) for a score outside `[0, 1]`;
    /// [`Error::OneClass`](crate::Error::OneClass) if all labels are equal;
    /// [`Error::Core`](crate::Error::Core) if a job fails.
    ///
    /// # Cost
    ///
    /// As [`calibration_line`](Self::calibration_line).
    pub fn calibration_in_the_large(&self) -> Result<Estimate> {
        let logits = Logits::new(self, "calibration in the large")?;
        // In centred logits, the line of slope 1 through the origin has the centre as intercept.
        let fit = logits.maximise([logits.centre, 1.0], false)?;
        let variance = 1.0 / (fit.here.information[0].total() * logits.weight);
        Ok(Estimate { value: fit.at[0] - logits.centre, standard_error: variance.sqrt() })
    }
}

fn singular() -> Error {
    let reason = "its information matrix is singular in f64".into();
    Error::Undefined { what: "calibration line".into(), reason }
}

/// A distinct score as the fit sees it; weights are shares of all.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Point {
    logit: f64,
    positive: f64,
    negative: f64,
}

fn logit(probability: f64) -> f64 {
    let p = inside(probability);
    libm::log(p) - libm::log1p(-p)
}

struct Logits {
    points: Dataset<Vec<Point>>,
    /// Weighted mean of the logits.
    centre: f64,
    /// The weight of all rows.
    weight: f64,
}

impl Logits {
    fn new(metrics: &BinaryMetrics, what: &str) -> Result<Self> {
        let levels = &metrics.levels;
        levels.checked.need_probabilities()?;
        levels.need_both_classes(what)?;
        let weight = levels.all().weight();
        let points = levels
            .blocks
            .map_ref(move |block| -> Vec<Point> {
                let point = |level: &super::levels::Level| Point {
                    logit: logit(level.score()),
                    positive: level.positive / weight,
                    negative: level.negative / weight,
                };
                block.levels.iter().map(point).collect()
            })
            .cache_sized(|points| size_of_val(&**points));
        let sum = points.tree_aggregate(
            SteadySum::default(),
            |mut sum, points| {
                let add = |p: &Point| sum.add(p.logit * (p.positive + p.negative));
                points.iter().for_each(add);
                sum
            },
            SteadySum::merge,
        )?;
        Ok(Self { points, centre: sum.total(), weight })
    }

    /// An error where no slope, or no finite one, fits best.
    fn need_overlap(&self) -> Result<()> {
        let ranges = self.points.tree_aggregate(
            [None, None],
            |ranges: [Range; 2], points| {
                points.iter().fold(ranges, |[negative, positive], p| {
                    let here = Some((p.logit, p.logit));
                    [
                        if p.negative > 0.0 { widest(negative, here) } else { negative },
                        if p.positive > 0.0 { widest(positive, here) } else { positive },
                    ]
                })
            },
            |[a, b], [c, d]| [widest(a, c), widest(b, d)],
        )?;
        let [Some(negative), Some(positive)] = ranges else { return Ok(()) };
        let reason = match widest(ranges[0], ranges[1]) {
            Some((lowest, highest)) if lowest >= highest => "all scores are equal",
            _ if negative.1 <= positive.0 || positive.1 <= negative.0 => {
                "a threshold parts the labels, so no slope is steep enough"
            }
            _ => return Ok(()),
        };
        Err(Error::Undefined { what: "calibration line".into(), reason: reason.into() })
    }

    /// Climbs from `at` (intercept at the centre, slope) to the greatest likelihood.
    fn maximise(&self, mut at: [f64; 2], slope: bool) -> Result<Fit> {
        let mut here = self.likelihood(at)?;
        for iterations in 1..=MAX_ITER {
            let step = if slope { here.step().ok_or_else(singular)? } else { here.step_up() };
            let mut length = 1.0;
            let (to, there) = loop {
                let to = [at[0] + length * step[0], at[1] + length * step[1]];
                let there = self.likelihood(to)?;
                if there.is_not_below(&here) {
                    break (to, there);
                }
                length /= 2.0;
                if length < SHORTEST {
                    return Ok(Fit { at, here, iterations, converged: false });
                }
            };
            (at, here) = (to, there);
            if step[0].abs().max(step[1].abs()) <= TOL {
                return Ok(Fit { at, here, iterations, converged: true });
            }
        }
        Ok(Fit { at, here, iterations: MAX_ITER, converged: false })
    }

    fn likelihood(&self, at: [f64; 2]) -> Result<Likelihood> {
        Ok(self.points.tree_aggregate(
            Likelihood::default(),
            |mut sums, points| {
                points.iter().for_each(|point| sums.add(point, point.logit - self.centre, at));
                sums
            },
            Likelihood::merge,
        )?)
    }
}

type Range = Option<(f64, f64)>;

fn widest(a: Range, b: Range) -> Range {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (one, other) => one.or(other),
    }
}

struct Fit {
    at: [f64; 2],
    here: Likelihood,
    iterations: usize,
    converged: bool,
}

/// The mean log-likelihood with its derivatives, by intercept and slope.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Likelihood {
    value: SteadySum,
    gradient: [SteadySum; 2],
    /// Less the second derivatives: intercept twice, both, slope twice.
    information: [SteadySum; 3],
}

impl Likelihood {
    #[inline]
    fn add(&mut self, point: &Point, x: f64, [a, b]: [f64; 2]) {
        let eta = a + b * x;
        // e^−|η| never overflows; σ and 1 − σ come from it without cancelling.
        let small = libm::exp(-eta.abs());
        let (near, far) = (1.0 / (1.0 + small), small / (1.0 + small));
        let (up, down) = if eta >= 0.0 { (near, far) } else { (far, near) };
        let softplus = eta.max(0.0) + libm::log1p(small);
        let weight = point.positive + point.negative;
        self.value.add(point.positive * eta - weight * softplus);
        let residual = point.positive * down - point.negative * up;
        self.gradient[0].add(residual);
        self.gradient[1].add(residual * x);
        let curvature = weight * up * down;
        self.information[0].add(curvature);
        self.information[1].add(curvature * x);
        self.information[2].add(curvature * x * x);
    }

    fn merge(self, other: Self) -> Self {
        let [g, h] = [self.gradient, other.gradient];
        let [i, j] = [self.information, other.information];
        Self {
            value: self.value.merge(other.value),
            gradient: [g[0].merge(h[0]), g[1].merge(h[1])],
            information: [i[0].merge(j[0]), i[1].merge(j[1]), i[2].merge(j[2])],
        }
    }

    /// Up to the rounding of the sums.
    fn is_not_below(&self, before: &Self) -> bool {
        let (now, before) = (self.value.total(), before.value.total());
        now >= before - 1e-13 * before.abs()
    }

    /// The inverse of the information: intercept twice, both, slope twice.
    fn inverse(&self) -> Option<[f64; 3]> {
        let [aa, ab, bb] = self.information.map(SteadySum::total);
        let determinant = aa * bb - ab * ab;
        (determinant > 0.0).then(|| [bb / determinant, -ab / determinant, aa / determinant])
    }

    /// Newton's step in both.
    fn step(&self) -> Option<[f64; 2]> {
        let [aa, ab, bb] = self.inverse()?;
        let [a, b] = self.gradient.map(SteadySum::total);
        Some([aa * a + ab * b, ab * a + bb * b])
    }

    /// Newton's step in the intercept alone, no longer than 8: far from the optimum, where all
    /// predictions are nearly certain, there is hardly any curvature to divide by.
    fn step_up(&self) -> [f64; 2] {
        let (gradient, information) = (self.gradient[0].total(), self.information[0].total());
        [(gradient / information).clamp(-8.0, 8.0), 0.0]
    }
}
