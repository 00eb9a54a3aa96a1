//! The space that a fit searches: standardised, centred, without columns that carry nothing.
//!
//! Data are never copied for it. With `z = (x − μ)/σ` and coefficients `u` on `z`, the margin is
//! `Σ (uⱼ/σⱼ)·xⱼ + (c − Σ (uⱼ/σⱼ)·μⱼ)`: raw coefficients and a raw intercept. Gradients and
//! Hessians come back the same way.

use firesteel_core::Dataset;

use super::passes::{Weighing, gram, loss_gradient};
use crate::error::{Error, Result};
use crate::optim::{Curvature, Objective};
use crate::samples::Block;

/// A change of variables, and the smooth penalty in the new ones.
#[derive(Clone, Debug)]
pub(super) struct Space {
    /// Number of features of the data.
    pub(super) d: usize,
    /// The features that take part, ascending.
    pub(super) active: Vec<usize>,
    /// `1/σ` of each that takes part.
    pub(super) scale: Vec<f64>,
    /// `μ` of each that takes part; 0 if the data are not centred.
    pub(super) shift: Vec<f64>,
    /// Weight of `½u²` of each.
    pub(super) l2: Vec<f64>,
    /// Weight of `|u|` of each.
    pub(super) l1: Vec<f64>,
    /// Whether the last coordinate is an intercept.
    pub(super) intercept: bool,
    /// What was taken from each feature of the data before this began; all zeros where they are
    /// near enough to zero, and without an intercept.
    pub(super) origin: Vec<f64>,
}

impl Space {
    /// All features as they are, without a penalty.
    pub(super) fn plain(d: usize, intercept: bool) -> Self {
        Self {
            d,
            active: (0..d).collect(),
            scale: vec![1.0; d],
            shift: vec![0.0; d],
            l2: vec![0.0; d],
            l1: vec![0.0; d],
            intercept,
            origin: vec![0.0; d],
        }
    }

    /// Number of coordinates.
    pub(super) fn dim(&self) -> usize {
        self.active.len() + usize::from(self.intercept)
    }

    /// Without the features at these positions among the active ones.
    pub(super) fn without(&self, positions: &[usize]) -> Self {
        let keep = |values: &[f64]| -> Vec<f64> {
            let kept = values.iter().enumerate().filter(|(a, _)| !positions.contains(a));
            kept.map(|(_, value)| *value).collect()
        };
        let kept = self.active.iter().enumerate().filter(|(a, _)| !positions.contains(a));
        Self {
            active: kept.map(|(_, j)| *j).collect(),
            scale: keep(&self.scale),
            shift: keep(&self.shift),
            l2: keep(&self.l2),
            l1: keep(&self.l1),
            origin: self.origin.clone(),
            ..*self
        }
    }

    /// Raw coefficients, one for each feature of the data, and the raw intercept.
    pub(super) fn to_raw(&self, u: &[f64]) -> (Vec<f64>, f64) {
        let mut v = vec![0.0; self.d];
        let mut b = if self.intercept { u[self.active.len()] } else { 0.0 };
        for (a, &j) in self.active.iter().enumerate() {
            v[j] = u[a] * self.scale[a];
            b -= v[j] * self.shift[a];
        }
        (v, b)
    }

    /// Coefficients and intercept for the features as they came, before their origin was moved.
    pub(super) fn to_original(&self, u: &[f64]) -> (Vec<f64>, f64) {
        let (v, b) = self.to_raw(u);
        let moved: f64 = v.iter().zip(&self.origin).map(|(v, origin)| v * origin).sum();
        (v, b - moved)
    }

    /// A raw gradient (`d` features, then the intercept's) in this space.
    pub(super) fn gradient(&self, raw: &[f64], raw_intercept: f64, out: &mut [f64]) {
        for (a, &j) in self.active.iter().enumerate() {
            out[a] = (raw[j] - self.shift[a] * raw_intercept) * self.scale[a];
        }
        if self.intercept {
            out[self.active.len()] = raw_intercept;
        }
    }

    /// A raw Gram matrix (lower triangle, `d + 1` rows, the intercept last) in this space.
    pub(super) fn matrix(&self, raw: &[f64], out: &mut [f64]) {
        let (k, side, dim) = (self.active.len(), self.d + 1, self.dim());
        let sums = &raw[self.d * side..];
        let total = sums[self.d];
        for a in 0..k {
            let (j, shift_j) = (self.active[a], self.shift[a]);
            for b in 0..=a {
                let (i, shift_i) = (self.active[b], self.shift[b]);
                let centred = raw[j * side + i] - shift_j * sums[i] - shift_i * sums[j]
                    + shift_j * shift_i * total;
                out[a * dim + b] = centred * self.scale[a] * self.scale[b];
            }
        }
        if self.intercept {
            for a in 0..k {
                let j = self.active[a];
                out[k * dim + a] = (sums[j] - self.shift[a] * total) * self.scale[a];
            }
            out[k * dim + k] = total;
        }
    }

    /// The matrix `T` with `original = T·u` over (active features, intercept): what turns a
    /// covariance in this space into one of the coefficients. `dim` rows of `dim`.
    pub(super) fn to_original_matrix(&self) -> Vec<f64> {
        let (k, dim) = (self.active.len(), self.dim());
        let mut t = vec![0.0; dim * dim];
        for a in 0..k {
            t[a * dim + a] = self.scale[a];
            if self.intercept {
                let shift = self.shift[a] + self.origin[self.active[a]];
                t[k * dim + a] = -self.scale[a] * shift;
            }
        }
        if self.intercept {
            t[k * dim + k] = 1.0;
        }
        t
    }
}

/// Mean log loss plus the smooth part of the penalty, over some blocks.
#[derive(Debug)]
pub(super) struct LogisticObjective<'a> {
    pub(super) blocks: &'a Dataset<Block>,
    pub(super) space: &'a Space,
    /// Sum of the weights of the rows in `blocks`.
    pub(super) weight: f64,
}

impl Objective for LogisticObjective<'_> {
    type Error = Error;

    fn dim(&self) -> usize {
        self.space.dim()
    }

    fn value_gradient(&mut self, u: &[f64], gradient: &mut [f64]) -> Result<f64> {
        let (v, b) = self.space.to_raw(u);
        let sums = loss_gradient(self.blocks, &v, b)?;
        self.space.gradient(&sums.gradient, sums.residual, gradient);
        let mut penalty = 0.0;
        for g in gradient.iter_mut() {
            *g /= self.weight;
        }
        for (a, l2) in self.space.l2.iter().enumerate() {
            gradient[a] += l2 * u[a];
            penalty += 0.5 * l2 * u[a] * u[a];
        }
        Ok(sums.loss / self.weight + penalty)
    }
}

impl Curvature for LogisticObjective<'_> {
    fn hessian(&mut self, u: &[f64], hessian: &mut [f64]) -> Result<()> {
        let (v, b) = self.space.to_raw(u);
        let raw = gram(self.blocks, self.space.d, Weighing::Logistic(&v, b))?;
        self.space.matrix(&raw, hessian);
        let dim = self.space.dim();
        for h in hessian.iter_mut() {
            *h /= self.weight;
        }
        for (a, l2) in self.space.l2.iter().enumerate() {
            hessian[a * dim + a] += l2;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three features of which the middle one is out, shifted and scaled.
    fn space() -> Space {
        Space {
            d: 3,
            active: vec![0, 2],
            scale: vec![0.5, 2.0],
            shift: vec![1.0, -3.0],
            l2: vec![0.0; 2],
            l1: vec![0.0; 2],
            intercept: true,
            origin: vec![0.0; 3],
        }
    }

    #[test]
    fn margins_are_equal_in_both_spaces() {
        let (space, u, x) = (space(), [1.5, -0.25, 0.75], [2.0, 9.0, 4.0]);
        let (v, b) = space.to_raw(&u);
        let raw: f64 = v.iter().zip(&x).map(|(v, x)| v * x).sum::<f64>() + b;
        let z = [(x[0] - 1.0) * 0.5, (x[2] + 3.0) * 2.0];
        assert_eq!(raw, u[0] * z[0] + u[1] * z[1] + u[2]);
    }

    #[test]
    fn the_matrix_is_the_gram_matrix_of_the_changed_rows() {
        let space = space();
        let rows = [[2.0, 9.0, 4.0], [1.0, 0.0, -1.0], [0.0, 1.0, 2.5]];
        let mut raw = vec![0.0; 16];
        let mut expected = [0.0; 9];
        for row in rows {
            let wide = [row[0], row[1], row[2], 1.0];
            let z = [(row[0] - 1.0) * 0.5, (row[2] + 3.0) * 2.0, 1.0];
            for i in 0..4 {
                for j in 0..=i {
                    raw[i * 4 + j] += wide[i] * wide[j];
                }
            }
            for i in 0..3 {
                for j in 0..=i {
                    expected[i * 3 + j] += z[i] * z[j];
                }
            }
        }
        let mut got = vec![0.0; 9];
        space.matrix(&raw, &mut got);
        for (got, expected) in got.iter().zip(expected) {
            approx::assert_abs_diff_eq!(*got, expected, epsilon = 1e-12);
        }
    }
}
