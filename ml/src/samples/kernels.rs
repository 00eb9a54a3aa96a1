//! The kernels as methods of a block, whatever its features are held as.

use super::block::{Block, Features};
use crate::kernel::{self, CsrRows, DenseRows, Moments, ShapeError};

/// Runs one of two expressions, with `x` bound to the block's rows as the kernels see them.
macro_rules! by_features {
    ($block:expr, dense $x:ident => $dense:expr, sparse $s:ident => $sparse:expr) => {
        match &$block.features {
            Features::Dense(values) => {
                let $x = &DenseRows::new(values, $block.len(), $block.d)?;
                $dense
            }
            Features::DenseF32(values) => {
                let $x = &DenseRows::new(values, $block.len(), $block.d)?;
                $dense
            }
            Features::Sparse(csr) => {
                let $s = &CsrRows::new(&csr.offsets, &csr.indices, &csr.values, $block.d)?;
                $sparse
            }
        }
    };
}

impl Block {
    /// Adds the gradient of the block's logistic losses at coefficients `v` and intercept `b`;
    /// returns their sum.
    pub(crate) fn loss_gradient(
        &self,
        v: &[f64],
        b: f64,
        gradient: &mut [f64],
        residual: &mut f64,
    ) -> Result<f64, ShapeError> {
        let (y, s) = (&self.labels[..], self.weights.as_deref());
        by_features!(self,
            dense x => kernel::logistic_loss_gradient(x, y, s, v, b, gradient, residual),
            sparse x => kernel::csr_logistic_loss_gradient(x, y, s, v, b, gradient, residual)
        )
    }

    /// The margins `x·v + b` of its rows.
    pub(crate) fn margins(&self, v: &[f64], b: f64) -> Result<Vec<f64>, ShapeError> {
        let mut out = vec![0.0; self.len()];
        by_features!(self,
            dense x => kernel::margins(x, v, b, &mut out)?,
            sparse x => kernel::csr_margins(x, v, b, &mut out)?
        );
        Ok(out)
    }

    /// Each row's `s·p(1 − p)`.
    pub(crate) fn logistic_curvature(&self, v: &[f64], b: f64) -> Result<Vec<f64>, ShapeError> {
        let mut h = vec![0.0; self.len()];
        let s = self.weights.as_deref();
        by_features!(self,
            dense x => kernel::logistic_curvature(x, s, v, b, &mut h)?,
            sparse x => kernel::csr_logistic_curvature(x, s, v, b, &mut h)?
        );
        Ok(h)
    }

    /// Adds `[X 1]ᵀ·diag(h)·[X 1]` to a lower triangle with `d + 1` rows.
    pub(crate) fn weighted_gram(&self, h: &[f64], gram: &mut [f64]) -> Result<(), ShapeError> {
        by_features!(self,
            dense x => kernel::weighted_gram(x, h, gram),
            sparse x => kernel::csr_weighted_gram(x, h, gram)
        )
    }

    /// The moments of its columns.
    pub(crate) fn moments(&self) -> Result<Moments, ShapeError> {
        let s = self.weights.as_deref();
        by_features!(self,
            dense x => kernel::dense_moments(x, s),
            sparse x => kernel::csr_moments(x, s)
        )
    }
}
