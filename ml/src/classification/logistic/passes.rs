//! The passes over the samples that a logistic fit makes.
//!
//! Each is one `tree_aggregate`: blocks are folded in order within a partition, partitions meet
//! in the fixed tree.

use firesteel_core::Dataset;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::samples::{Block, Labels, Samples};

/// Loss and gradient sums in the raw space of the features, not averaged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sums {
    pub(super) loss: f64,
    pub(super) gradient: Vec<f64>,
    pub(super) residual: f64,
}

impl Sums {
    fn zero(d: usize) -> Self {
        Self { loss: 0.0, gradient: vec![0.0; d], residual: 0.0 }
    }

    fn merge(mut self, other: Self) -> Self {
        self.loss += other.loss;
        self.residual += other.residual;
        add(&mut self.gradient, &other.gradient);
        self
    }
}

fn add(to: &mut [f64], from: &[f64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

/// Loss and gradient at raw coefficients `v` and intercept `b`, in one pass.
pub(super) fn loss_gradient(blocks: &Dataset<Block>, v: &[f64], b: f64) -> Result<Sums> {
    Ok(blocks.try_tree_aggregate(
        Sums::zero(v.len()),
        |mut sums, block| {
            sums.loss += block.loss_gradient(v, b, &mut sums.gradient, &mut sums.residual)?;
            Ok::<_, crate::kernel::ShapeError>(sums)
        },
        Sums::merge,
    )?)
}

/// What the curvature of a row is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Weighing<'a> {
    /// The row's weight: the plain Gram matrix.
    Plain,
    /// The row's weight times `p(1 − p)` at these coefficients: the Hessian of the loss.
    Logistic(&'a [f64], f64),
}

/// The lower triangle of `[X 1]ᵀ·diag(h)·[X 1]`, `d + 1` rows of `d + 1`, in one pass.
pub(super) fn gram(blocks: &Dataset<Block>, d: usize, weighing: Weighing<'_>) -> Result<Vec<f64>> {
    Ok(blocks.try_tree_aggregate(
        vec![0.0; (d + 1) * (d + 1)],
        |mut gram, block| {
            let h = match weighing {
                Weighing::Plain => (0..block.len()).map(|i| block.weight(i)).collect(),
                Weighing::Logistic(v, b) => block.logistic_curvature(v, b)?,
            };
            block.weighted_gram(&h, &mut gram)?;
            Ok::<_, crate::kernel::ShapeError>(gram)
        },
        |mut a, b| {
            add(&mut a, &b);
            a
        },
    )?)
}

/// The totals of labels that are 0 and 1; taken in one pass the first time.
///
/// # Errors
///
/// A label that is neither, or weights that are all zero.
pub(super) fn labels(samples: &Samples) -> Result<Labels> {
    let labels = samples.binary_labels()?;
    if let Some((row, value)) = labels.wrong {
        return Err(Error::BadValue {
            row,
            column: samples.label().into(),
            value: value.to_string(),
            expected: "label 0 or 1".into(),
        });
    }
    if labels.weight <= 0.0 {
        return Err(Error::EmptyData {
            what: "logistic regression: the weights are all zero".into(),
        });
    }
    Ok(labels)
}
