//! The pass itself, for whoever writes an optimiser of their own.

use super::passes;
use crate::error::{Error, Result};
use crate::samples::Samples;

/// Mean log loss of a linear model, and its gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct LossGradient {
    /// Mean log loss, in nats.
    pub loss: f64,
    /// Its derivative in each coefficient.
    pub gradient: Vec<f64>,
    /// Its derivative in the intercept.
    pub intercept: f64,
}

/// The weighted mean log loss at coefficients `w` and intercept `b`, with its gradient.
///
/// # Errors
///
/// [`Error::Shape`] if `w` has another length than the samples have features; a label that is
/// neither 0 nor 1; weights that are all zero.
///
/// # Cost
///
/// One pass over the features, one over the labels; `d + 2` numbers for each partial result that
/// a rank has left travel.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_ml::Samples;
/// use firesteel_ml::classification::loss_gradient;
/// use ndarray::array;
///
/// # fn main() -> firesteel_ml::Result<()> {
/// let ctx = Context::local();
/// let samples = Samples::from_arrays(&ctx, array![[2.0], [0.0]], array![1.0, 0.0])?;
/// let at = loss_gradient(&samples, &[0.0], 0.0)?;
/// assert!((at.loss - 2.0_f64.ln()).abs() < 1e-15);
/// assert_eq!((at.gradient[0], at.intercept), (-0.5, 0.0));
/// # Ok(())
/// # }
/// ```
pub fn loss_gradient(samples: &Samples, w: &[f64], b: f64) -> Result<LossGradient> {
    if w.len() != samples.d() {
        let (expected, got) = (samples.d(), w.len());
        return Err(Error::Shape { what: "coefficients".into(), expected, got });
    }
    let weight = passes::labels(samples)?.weight;
    let sums = passes::loss_gradient(samples.blocks(), w, b)?;
    Ok(LossGradient {
        loss: sums.loss / weight,
        gradient: sums.gradient.iter().map(|g| g / weight).collect(),
        intercept: sums.residual / weight,
    })
}
