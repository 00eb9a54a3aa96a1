//! Minimisers of smooth and l1-penalised objectives, a pass over the data at a time.
//!
//! An [`Objective`] answers one question: value and gradient at a point. Each answer is a pass over
//! the data, and passes are what is paid for; everything in here is arithmetic on vectors as
//! long as the number of columns. Whoever implements it owns the cluster, the penalty and the
//! scaling; [`Curvature`] adds the Hessian, also a pass.
//!
//! - [`lbfgs`]: the limited-memory quasi-Newton method (Liu & Nocedal 1989), with a factored matrix
//!   as its initial Hessian where one is at hand.
//! - [`newton`]: the same loop with the Hessian taken anew whenever the last step left more than a
//!   stated share of the distance.
//! - [`subsampled_newton`]: a sample's own optimum and Hessian as start and metric of full-gradient
//!   steps, corrected by the pairs that the full gradients form (Roosta-Khorasani & Mahoney 2019,
//!   with L-BFGS in place of their fixed metric).
//! - [`owlqn`]: orthant-wise L-BFGS (Andrew & Gao 2007) for l1 penalties of any width.
//! - [`proximal_newton`]: coordinate descent on the quadratic model (Friedman, Hastie & Tibshirani
//!   2010; Lee, Sun & Saunders 2014) for l1 penalties where the width allows a Hessian.
//!
//! # What `tol` means
//!
//! Newton's decrement `½·gᵀH⁻¹g` is what a quadratic model says is still to be gained. A minimiser
//! stops once it is at most `tol·|f|`: **the objective is then, by that estimate, within a relative
//! `tol` of its minimum**, and coefficients are within about `√tol` of theirs, relative to the
//! scale on which the objective feels them. The decrement is a form of the gradient, not a
//! difference of two values, so `tol` may go far below the 1e-16 at which values stop telling
//! points apart: 1e-20 asks for ten digits of the coefficients, and the loop ends by itself
//! ([`Stop::Rounding`]) where rounding errors are all that is left.
//!
//! Where no Hessian is known, its place is taken by the pairs seen so far; they know nothing of the
//! directions not yet gone, so that estimate is taken ten times, and believed only with some pairs in
//! memory and when two points in a row agree.

mod engine;
mod l1;
mod proximal;

mod search;
mod subsampled;

pub use engine::{lbfgs, newton};
pub use l1::owlqn;
pub use proximal::{kkt_residual, proximal_newton, subsampled_proximal_newton};

pub use subsampled::subsampled_newton;

/// What is minimised: a pass over the data answers with value and gradient.
pub trait Objective {
    /// What a pass may fail with.
    type Error;

    /// Number of coordinates.
    fn dim(&self) -> usize;

    /// Returns the value at `w` and writes the gradient over `gradient`.
    ///
    /// # Errors
    ///
    /// Whatever the pass fails with; the minimiser hands it on and stops.
    fn value_gradient(&mut self, w: &[f64], gradient: &mut [f64]) -> Result<f64, Self::Error>;
}

/// An objective whose second derivatives can be had, also by a pass over the data.
pub trait Curvature: Objective {
    /// Writes the Hessian at `w` over the lower triangle of `hessian`: `dim` rows of `dim` numbers.
    ///
    /// # Errors
    ///
    /// Whatever the pass fails with; the minimiser hands it on and stops.
    fn hessian(&mut self, w: &[f64], hessian: &mut [f64]) -> Result<(), Self::Error>;
}

/// Widest objective for which the minimisers ask for a Hessian: 128 MB in f64.
pub const WIDEST_HESSIAN: usize = 4096;

/// When to stop, and how much to remember.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Largest estimated relative distance of the objective from its minimum; see the module.
    pub tol: f64,
    /// Most steps.
    pub max_iter: usize,
    /// Pairs of steps and gradient changes kept.
    pub memory: usize,
    /// Largest share of the decrement that a step may leave before the Hessian is taken anew; 0
    /// takes it at every step. 0.25 is a step that halves the distance.
    pub reuse: f64,
    /// Whether the last step may be taken without a pass to verify it, when the measured
    /// contraction says that it ends far inside the tolerance. The value reported is then predicted.
    pub predict_last_step: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { tol: 1e-6, max_iter: 100, memory: 10, reuse: 0.0, predict_last_step: false }
    }
}

/// Why a minimiser stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Stop {
    /// The estimated distance from the minimum is within the tolerance.
    Tolerance,
    /// The estimate is above the tolerance but only rounding errors are left.
    Rounding,
    /// The number of steps is used up.
    MaxIter,
    /// No step along a descent direction improves the objective.
    LineSearch,
    /// The objective or its gradient is not finite where a finite value is needed.
    NonFinite,
}

impl Stop {
    /// Whether the point reported is a minimum as far as the minimiser can tell.
    pub fn is_converged(self) -> bool {
        matches!(self, Self::Tolerance | Self::Rounding)
    }
}

/// Where a minimiser ended and how it went.
#[derive(Clone, Debug)]
pub struct Report {
    /// The point.
    pub w: Vec<f64>,
    /// The objective there, the l1 part included.
    pub value: f64,
    /// The gradient of the smooth part there (at the point before, if the last step is predicted).
    pub gradient: Vec<f64>,
    /// The objective at the start and after each step.
    pub history: Vec<f64>,
    /// Steps.
    pub iterations: usize,
    /// Passes over the data for value and gradient.
    pub passes: usize,
    /// Passes over the data for the Hessian.
    pub hessian_passes: usize,
    /// Last estimate of what is still to be gained.
    pub decrement: f64,
    /// Largest fraction by which a Hessian's diagonal had to be raised to be factored; 0 is none.
    /// Above 0 some columns depend on others, and `decrement` is that of the raised model.
    pub ridge: f64,
    /// Whether the last step was taken without a pass to verify it.
    pub is_predicted: bool,
    /// Why it stopped.
    pub stop: Stop,
}

/// A point with what a pass says about it.
#[derive(Clone, Debug)]
struct Point {
    w: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

impl Point {
    /// Asks the objective; counts the pass.
    fn evaluate<O: Objective>(
        objective: &mut O,
        w: Vec<f64>,
        passes: &mut usize,
    ) -> Result<Self, O::Error> {
        let mut gradient = vec![0.0; w.len()];
        let value = objective.value_gradient(&w, &mut gradient)?;
        *passes += 1;
        Ok(Self { w, value, gradient })
    }

    fn is_finite(&self) -> bool {
        self.value.is_finite() && self.gradient.iter().all(|g| g.is_finite())
    }
}

/// The start, brought to the objective's length: missing coordinates are zero, extra ones cut.
fn fitted(w: &[f64], dim: usize) -> Vec<f64> {
    let mut w = w.to_vec();
    w.resize(dim, 0.0);
    w
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
