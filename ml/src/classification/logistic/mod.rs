//! Binary logistic regression.
//!
//! Minimises `1/W · Σ sᵢ·(ln(1 + e^mᵢ) − yᵢ·mᵢ) + λ·(α·‖w‖₁ + (1 − α)/2·‖w‖²)` with `mᵢ = xᵢ·w + b`
//! and `W = Σ sᵢ`; the intercept is never penalised.
//!
//! A pass over the data costs what reading them costs, so passes are what is saved: loss and
//! gradient come from one read, and where the width allows a Hessian, steps are Newton's with
//! full gradients and the Hessian of a sample of the rows, started from the sample's own optimum.
//! Rows of the sample are drawn by their global number, one of each run of rows, so the path is
//! the same on any threads, ranks and partitions. L1 penalties are met by proximal Newton steps;
//! wider problems by L-BFGS and OWL-QN. What travels in a pass is `d + 2` numbers for each partial
//! result that a rank has left, or `(d + 1)²` for a Hessian.

mod gradient;
mod inference;
mod model;
mod passes;
mod separation;
mod space;
mod stage;

pub use gradient::{LossGradient, loss_gradient};
pub use inference::{CoefficientRow, Inference, SmallSample, StandardErrors};
pub use model::{Dropped, DroppedBecause, LogisticRegressionModel, LogisticSummary, Prediction};
pub use separation::Separation;
pub use stage::{LogisticColumns, LogisticRegressionStage};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::feature::Scaling;
use crate::kernel::Moments;
use crate::linalg::dependent_columns;
use crate::optim::{
    Options, Report, WIDEST_HESSIAN, lbfgs, newton, owlqn, proximal_newton, subsampled_newton,
    subsampled_proximal_newton,
};
use crate::params::require;
use crate::samples::{Labels, Samples};
use passes::{Weighing, gram};
use space::{LogisticObjective, Space};

/// Binary logistic regression with L2, L1 and elastic-net penalties.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_ml::classification::LogisticRegression;
/// use firesteel_ml::{Estimator, Predict, Samples};
/// use ndarray::array;
///
/// # fn main() -> firesteel_ml::Result<()> {
/// let ctx = Context::local();
/// let x = array![[0.0], [1.0], [2.0], [3.0]];
/// let samples = Samples::from_arrays(&ctx, x, array![0.0, 1.0, 0.0, 1.0])?;
/// let model = LogisticRegression::new().fit(&samples)?;
/// assert!(model.summary.is_converged());
/// assert!(model.predict(&[3.0][..])?.probability > 0.5);
/// # Ok(())
/// # }
/// ```
///
/// # References
///
/// J. Friedman, T. Hastie, R. Tibshirani, "Regularization Paths for Generalized Linear Models via
/// Coordinate Descent", Journal of Statistical Software 33(1), 2010.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[must_use]
pub struct LogisticRegression {
    /// Weight λ of the penalty, zero or more. Default 0.
    pub reg_param: f64,
    /// Share α of the L1 penalty, in `[0, 1]`. Default 0.
    pub elastic_net_param: f64,
    /// Most steps of the solver, at least 1. Default 100.
    pub max_iter: usize,
    /// Relative distance from the smallest objective, by the solver's estimate, at which it
    /// stops, zero or more and finite. Default 1e-6. A fit that computes standard errors goes on
    /// until the estimates are within some 10⁻⁵ of their standard errors, whatever this says.
    pub tol: f64,
    /// Whether an intercept is fitted. Default true.
    pub fit_intercept: bool,
    /// Whether the penalty applies to the coefficients of standardised features. Default true.
    /// Without a penalty it changes nothing but the path to the solution.
    pub standardization: bool,
    /// By which standard deviation features are scaled; with weights the sample's variance is
    /// divided by `Σs − Σs²/Σs`, as MLlib does, the population's by `Σs`. Default the sample's.
    pub scaling: Scaling,
    /// Probability above which class 1 is predicted, in `[0, 1]`. Default 0.5.
    pub threshold: f64,
    /// Whether an unpenalised fit computes standard errors (one or two more passes). Default
    /// true.
    pub standard_errors: bool,
    /// The small-sample factor of clustered standard errors.
    pub small_sample: SmallSample,
    /// How the minimum is sought. Default: by the shape of the data and the penalty.
    pub solver: Solver,
    /// The columns it reads and makes, where it learns from a table.
    pub columns: LogisticColumns,
}

/// How the minimum is sought. All find the same one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Solver {
    /// Newton steps up to 4096 coordinates (with a sample's Hessian for large data), L-BFGS past
    /// that; with an L1 penalty their proximal and orthant-wise forms.
    #[default]
    Auto,
    /// Newton steps with the exact Hessian; proximal with an L1 penalty.
    Newton,
    /// L-BFGS; OWL-QN with an L1 penalty.
    Lbfgs,
}

impl Default for LogisticRegression {
    fn default() -> Self {
        Self {
            reg_param: 0.0,
            elastic_net_param: 0.0,
            max_iter: 100,
            tol: 1e-6,
            fit_intercept: true,
            standardization: true,
            scaling: Scaling::default(),
            threshold: 0.5,
            standard_errors: true,
            small_sample: SmallSample::default(),
            solver: Solver::default(),
            columns: LogisticColumns::default(),
        }
    }
}

impl LogisticRegression {
    /// An unpenalised fit with an intercept; everything else at its default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the weight of the penalty.
    pub fn reg_param(self, reg_param: f64) -> Self {
        Self { reg_param, ..self }
    }

    /// Sets the share of the L1 penalty.
    pub fn elastic_net_param(self, elastic_net_param: f64) -> Self {
        Self { elastic_net_param, ..self }
    }

    /// Sets the largest number of steps.
    pub fn max_iter(self, max_iter: usize) -> Self {
        Self { max_iter, ..self }
    }

    /// Sets the tolerance.
    pub fn tol(self, tol: f64) -> Self {
        Self { tol, ..self }
    }

    /// Says whether an intercept is fitted.
    pub fn fit_intercept(self, fit_intercept: bool) -> Self {
        Self { fit_intercept, ..self }
    }

    /// Says whether the penalty applies to standardised features.
    pub fn standardization(self, standardization: bool) -> Self {
        Self { standardization, ..self }
    }

    /// Says by which standard deviation features are scaled.
    pub fn scaling(self, scaling: Scaling) -> Self {
        Self { scaling, ..self }
    }

    /// Sets the probability above which class 1 is predicted.
    pub fn threshold(self, threshold: f64) -> Self {
        Self { threshold, ..self }
    }

    /// Says whether an unpenalised fit computes standard errors.
    pub fn standard_errors(self, standard_errors: bool) -> Self {
        Self { standard_errors, ..self }
    }

    /// Sets the small-sample factor of clustered standard errors.
    pub fn small_sample(self, small_sample: SmallSample) -> Self {
        Self { small_sample, ..self }
    }

    /// Says how the minimum is sought.
    pub fn solver(self, solver: Solver) -> Self {
        Self { solver, ..self }
    }

    /// Names the vector column of the features.
    pub fn features(mut self, column: impl Into<String>) -> Self {
        self.columns.features = column.into();
        self
    }

    /// Names the label column.
    pub fn label(mut self, column: impl Into<String>) -> Self {
        self.columns.label = column.into();
        self
    }

    /// Names the column of the weights.
    pub fn weight(mut self, column: impl Into<String>) -> Self {
        self.columns.weight = Some(column.into());
        self
    }

    /// Names the column of the groups, for clustered standard errors.
    pub fn group(mut self, column: impl Into<String>) -> Self {
        self.columns.group = Some(column.into());
        self
    }

    /// Names a column with another value in every row, by which rows are ordered first, so that
    /// the fit does not depend on the order of rows or files.
    pub fn row_key(mut self, column: impl Into<String>) -> Self {
        self.columns.row_key = Some(column.into());
        self
    }

    /// Sets the columns it reads and makes.
    pub fn columns(self, columns: LogisticColumns) -> Self {
        Self { columns, ..self }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let share = self.elastic_net_param;
        let reg = self.reg_param;
        require("reg_param", reg, "zero or more and finite", reg >= 0.0 && reg.is_finite())?;
        require("elastic_net_param", share, "in [0, 1]", (0.0..=1.0).contains(&share))?;
        require("max_iter", self.max_iter, "at least 1", self.max_iter >= 1)?;
        require(
            "tol",
            self.tol,
            "zero or more and finite",
            (0.0..f64::INFINITY).contains(&self.tol),
        )?;
        require("threshold", self.threshold, "in [0, 1]", (0.0..=1.0).contains(&self.threshold))
    }

    /// The space to search, by one pass for the features' means and deviations if it takes them.
    fn space(
        &self,
        samples: &Samples,
        origin: &[f64],
        dropped: &mut Vec<Dropped>,
    ) -> Result<Space> {
        let d = samples.d();
        let mut space = Space::plain(d, self.fit_intercept);
        space.origin.copy_from_slice(origin);
        let (l1, l2) = (
            self.reg_param * self.elastic_net_param,
            self.reg_param * (1.0 - self.elastic_net_param),
        );
        space.l1.fill(l1);
        space.l2.fill(l2);
        if !self.standardization && d <= WIDEST_HESSIAN {
            return Ok(space);
        }
        let moments = samples.moments()?;
        let variances = match self.scaling {
            Scaling::Sample => moments.reliability_variance(),
            Scaling::Population => moments.population_variance(),
        };
        let mut constant = Vec::new();
        for (j, variance) in variances.into_iter().enumerate() {
            // A column with one value may have a variance of rounding errors.
            if moments.min[j] >= moments.max[j] {
                if self.standardization || self.fit_intercept {
                    constant.push(j);
                }
                continue;
            }
            let deviation = variance.sqrt();
            space.scale[j] = 1.0 / deviation;
            if self.fit_intercept {
                space.shift[j] = moments.mean[j];
            }
            if !self.standardization {
                space.l1[j] /= deviation;
                space.l2[j] /= variance;
            }
        }
        dropped.extend(constant.iter().map(|&j| Dropped {
            feature: samples.names()[j].clone(),
            because: DroppedBecause::Constant,
        }));
        Ok(space.without(&constant))
    }

    /// The tolerance of the solver. Where standard errors are wanted, the estimates must be exact
    /// in their measure: a log-likelihood 10⁻¹⁰ below the highest one moves none of them by more
    /// than some 10⁻⁵ of its standard error.
    fn tolerance(&self, weight: f64) -> f64 {
        match self.reg_param == 0.0 && self.standard_errors {
            true => self.tol.min(1e-10 / weight),
            false => self.tol,
        }
    }

    fn solve(&self, samples: &Samples, plan: &Plan, weight: f64, start: &[f64]) -> Result<Report> {
        let space = &plan.space;
        let options =
            Options { tol: self.tolerance(weight), max_iter: self.max_iter, ..Options::default() };
        let mut full = LogisticObjective { blocks: samples.blocks(), space, weight };
        let has_l1 = space.l1.iter().any(|l1| *l1 > 0.0);
        let narrow = space.dim() <= WIDEST_HESSIAN;
        let mut l1 = space.l1.clone();
        l1.resize(space.dim(), 0.0);
        match (self.solver, has_l1) {
            (Solver::Lbfgs, false) => lbfgs(&mut full, start, None, &options),
            (Solver::Lbfgs, true) => owlqn(&mut full, start, &l1, &options),
            (Solver::Newton, false) => newton(&mut full, start, &options),
            (Solver::Newton, true) => proximal_newton(&mut full, start, &l1, None, &options),
            (Solver::Auto, false) if !narrow => lbfgs(&mut full, start, None, &options),
            (Solver::Auto, true) if !narrow => owlqn(&mut full, start, &l1, &options),
            (Solver::Auto, _) => {
                let Some(sample) = &plan.sample else {
                    return if has_l1 {
                        proximal_newton(&mut full, start, &l1, None, &options)
                    } else {
                        newton(&mut full, start, &options)
                    };
                };
                let weight = passes::labels(sample)?.weight;
                let mut sampled = LogisticObjective { blocks: sample.blocks(), space, weight };
                if has_l1 {
                    subsampled_proximal_newton(&mut sampled, &mut full, start, &l1, &options)
                } else {
                    subsampled_newton(&mut sampled, &mut full, start, &options)
                }
            }
        }
    }
}

/// What is decided before the first step.
struct Plan {
    space: Space,
    /// A sample of the rows, if the data are large enough for one to pay.
    sample: Option<Samples>,
}

/// Work of an exact Hessian, in rows × coordinates², below which no sample is taken.
const SMALL: f64 = 5e8;

/// A mean of more deviations than this is taken from its feature before squares are summed: they
/// keep `16 − 2·log₁₀` of it digits of what the feature varies by.
const FAR: f64 = 100.0;

/// A sample of the rows, if the data are large enough for one to pay.
fn sample_of(samples: &Samples, intercept: bool) -> Result<Option<Samples>> {
    let (n, k) = (samples.n(), samples.d() + usize::from(intercept));
    let wanted = (n / 25).max(200 * k as u64).max(10_000);
    let every = n / wanted;
    let pays = n as f64 * (k * k) as f64 > SMALL && every >= 4 && k <= WIDEST_HESSIAN;
    if pays { samples.sampled(every).map(Some) } else { Ok(None) }
}

/// Refuses features whose squares are too large or too small for a float.
fn in_reach(samples: &Samples, moments: &Moments) -> Result<()> {
    for (j, variance) in moments.population_variance().into_iter().enumerate() {
        let (min, max) = (moments.min[j], moments.max[j]);
        // The reciprocal must be a float too.
        if min < max && !(1e-300..1e300).contains(&variance) {
            let problem = format!(
                "goes from {min:e} to {max:e}, whose squares are out of a float's reach: learn \
                 from it in another unit"
            );
            return Err(Error::column("logistic regression", &samples.names()[j], problem));
        }
    }
    Ok(())
}

/// Where features lie that are far from zero, if there are any.
fn far_from_zero(moments: &Moments) -> Option<Vec<f64>> {
    let deviations = moments.population_variance().into_iter().map(f64::sqrt);
    let mut origin = vec![0.0; moments.d()];
    for (j, deviation) in deviations.enumerate() {
        if moments.min[j] < moments.max[j] && moments.mean[j].abs() > FAR * deviation {
            origin[j] = moments.mean[j];
        }
    }
    let is_useful = |x: &f64| x.abs() > 0.0 && x.is_finite();
    (origin.iter().any(is_useful) && origin.iter().all(|x| x.is_finite())).then_some(origin)
}

impl Plan {
    fn new(
        params: &LogisticRegression,
        samples: &Samples,
        origin: &[f64],
        sample: Option<Samples>,
        dropped: &mut Vec<Dropped>,
    ) -> Result<Self> {
        let mut space = params.space(samples, origin, dropped)?;
        let unpenalised = params.reg_param == 0.0;
        if unpenalised && space.dim() <= WIDEST_HESSIAN {
            let aliased = aliased(samples, sample.as_ref(), &space)?;
            dropped.extend(aliased.iter().map(|&a| Dropped {
                feature: samples.names()[space.active[a]].clone(),
                because: DroppedBecause::Collinear,
            }));
            space = space.without(&aliased);
        }
        Ok(Self { space, sample })
    }
}

/// Share of a feature's own variance, left by the features before it, below which it counts as a
/// linear combination of them.
const COLLINEAR: f64 = 1e-10;

/// The positions of the active features that are combinations of earlier ones.
///
/// A sample shows all of them, and perhaps more: only if it shows any do all rows decide.
fn aliased(samples: &Samples, sample: Option<&Samples>, space: &Space) -> Result<Vec<usize>> {
    let features = Space { intercept: false, ..space.clone() };
    let dependent = |samples: &Samples| -> Result<Vec<usize>> {
        let raw = gram(samples.blocks(), space.d, Weighing::Plain)?;
        let k = features.dim();
        let mut matrix = vec![0.0; k * k];
        // With an intercept, what counts is what is left beside it.
        let centred =
            if space.intercept { centred_on_data(&features, &raw) } else { features.clone() };
        centred.matrix(&raw, &mut matrix);
        dependent_columns(&matrix, k, COLLINEAR).map_err(|error| Error::Unsupported {
            what: "the search for collinear features".into(),
            reason: error.to_string(),
        })
    };
    if let Some(sample) = sample
        && dependent(sample)?.is_empty()
    {
        return Ok(Vec::new());
    }
    dependent(samples)
}

/// The space with the shift that the Gram matrix itself gives.
fn centred_on_data(space: &Space, raw: &[f64]) -> Space {
    let side = space.d + 1;
    let sums = &raw[space.d * side..];
    let shift = space.active.iter().map(|&j| sums[j] / sums[space.d]).collect();
    Space { shift, ..space.clone() }
}

impl Estimator<Samples> for LogisticRegression {
    type Model = LogisticRegressionModel;

    /// Fits the model.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] for a parameter outside its range, [`Error::BadValue`] for a label
    /// that is neither 0 nor 1, [`Error::OneClass`] if only one of them has weight.
    ///
    /// # Cost
    ///
    /// One pass over the labels, one for means and deviations (over a sample, if the data are
    /// large and not standardised), then the solver's (see the model's summary), then for standard
    /// errors one for the information matrix, and one more with groups. Dense data with a feature
    /// whose mean is more than a hundred deviations from zero are copied once, nearer to it.
    fn fit(&self, samples: &Samples) -> Result<LogisticRegressionModel> {
        self.check()?;
        one_class(&passes::labels(samples)?)?;
        let sample = sample_of(samples, self.fit_intercept)?;
        let moments = match &sample {
            Some(sample) if !self.standardization => sample.moments()?,
            _ => samples.moments()?,
        };
        in_reach(samples, &moments)?;
        match far_from_zero(&moments).filter(|_| self.fit_intercept && !samples.is_sparse()) {
            None => self.fit_from(samples, &vec![0.0; samples.d()], sample),
            Some(origin) => {
                drop(sample);
                let moved = samples.moved(&origin);
                let sample = sample_of(&moved, true)?;
                self.fit_from(&moved, &origin, sample)
            }
        }
    }
}

impl LogisticRegression {
    /// The fit to samples from whose features `origin` was taken.
    fn fit_from(
        &self,
        samples: &Samples,
        origin: &[f64],
        sample: Option<Samples>,
    ) -> Result<LogisticRegressionModel> {
        let labels = passes::labels(samples)?;
        let mut dropped = Vec::new();
        let plan = Plan::new(self, samples, origin, sample, &mut dropped)?;
        let space = &plan.space;
        let share = labels.positive / labels.weight;
        let mut start = vec![0.0; space.dim()];
        if self.fit_intercept {
            start[space.active.len()] = crate::kernel::ln(share / (1.0 - share));
        }
        let report = self.solve(samples, &plan, labels.weight, &start)?;
        let summary = self.summarise(samples, space, &labels, &report, dropped)?;
        let (coefficients, intercept) = space.to_original(&report.w);
        Ok(LogisticRegressionModel {
            coefficients,
            intercept,
            threshold: self.threshold,
            names: samples.names().to_vec(),
            summary,
        })
    }
}

fn one_class(labels: &Labels) -> Result<()> {
    let only =
        |label: &str| Error::OneClass { what: "logistic regression".into(), label: label.into() };
    if labels.positive <= 0.0 {
        Err(only("0"))
    } else if labels.positive >= labels.weight {
        Err(only("1"))
    } else {
        Ok(())
    }
}

impl LogisticRegression {
    fn summarise(
        &self,
        samples: &Samples,
        space: &Space,
        labels: &Labels,
        report: &Report,
        dropped: Vec<Dropped>,
    ) -> Result<LogisticSummary> {
        let mut penalty = 0.0;
        for a in 0..space.active.len() {
            let u = report.w[a];
            penalty += 0.5 * space.l2[a] * u * u + space.l1[a] * u.abs();
        }
        let log_loss = report.value - penalty;
        let (separation, standard_errors) = self.inference(samples, space, labels, report)?;
        Ok(LogisticSummary {
            objective_history: report.history.clone(),
            iterations: report.iterations,
            passes: report.passes,
            hessian_passes: report.hessian_passes,
            stop: report.stop,
            log_loss,
            log_likelihood: -log_loss * labels.weight,
            null_log_likelihood: null_log_likelihood(labels, self.fit_intercept),
            rows: samples.n(),
            weight: labels.weight,
            dropped,
            separation,
            standard_errors,
        })
    }

    fn inference(
        &self,
        samples: &Samples,
        space: &Space,
        labels: &Labels,
        report: &Report,
    ) -> Result<(Option<Separation>, StandardErrors)> {
        let unavailable = |reason: &str| (None, StandardErrors::Unavailable(reason.into()));
        if self.reg_param > 0.0 {
            return Ok(unavailable(
                "a penalised fit is biased towards zero, and its spread is not its error; fit \
                 with reg_param 0",
            ));
        }
        if !self.standard_errors {
            return Ok(unavailable("they were not asked for (standard_errors is false)"));
        }
        if space.dim() > WIDEST_HESSIAN {
            return Ok(unavailable("there are more than 4096 coefficients"));
        }
        let (v, b) = space.to_raw(&report.w);
        let dim = space.dim();
        let in_space = |weighing| -> Result<Vec<f64>> {
            let raw = gram(samples.blocks(), space.d, weighing)?;
            let mut matrix = vec![0.0; dim * dim];
            space.matrix(&raw, &mut matrix);
            Ok(matrix)
        };
        let information = in_space(Weighing::Logistic(&v, b))?;
        let plain = in_space(Weighing::Plain)?;
        let separation = separation::find(samples, space, &report.w, &information, &plain)?;
        if separation.is_some() {
            let reason = "the features separate the classes: there is no finite estimate";
            return Ok((separation, StandardErrors::Unavailable(reason.into())));
        }
        let errors = inference::standard_errors(
            samples,
            space,
            &report.w,
            &information,
            labels.weight,
            self.small_sample,
        )?;
        Ok((None, errors))
    }
}

fn null_log_likelihood(labels: &Labels, intercept: bool) -> f64 {
    let ln = crate::kernel::ln;
    if !intercept {
        return -labels.weight * std::f64::consts::LN_2;
    }
    let share = labels.positive / labels.weight;
    labels.positive * ln(share) + (labels.weight - labels.positive) * ln(1.0 - share)
}

#[cfg(test)]
mod tests;
