//! Dense symmetric systems, as small as the number of columns.
//!
//! Matrices are square slices, row after row, of which the lower triangle is read: what
//! [`weighted_gram`](crate::kernel::weighted_gram) fills. One factorisation, [`Cholesky`], serves
//! solving, inverting, the log-determinant and a condition estimate; up to 64 rows it is our own
//! (a third of the time of a general library there, ENGINES section 7), above that faer's on one
//! thread. Everything here is single-threaded and has the same bits at every run; above 64 rows
//! faer picks its kernels by processor, so bits are those of one kind of CPU.
//!
//! [`dependent_columns`] looks for columns that the ones before them explain: a Cholesky
//! factorisation without pivoting skips a column whose remaining norm is a fraction `tol` of what
//! it was, so the names that come out are those a reader of the table expects ("`c` is made of `a`
//! and `b`", not the other way round).

mod cholesky;
mod eigen;

pub use cholesky::{Cholesky, dependent_columns};
pub use eigen::symmetric_eigen;

/// Why a matrix could not be factored.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LinalgError {
    /// The slice is not square, or the right-hand side does not fit.
    #[error("{what} must have {expected} elements, got {got}")]
    Length {
        /// Which operand.
        what: &'static str,
        /// Its length by the shape of the others.
        expected: usize,
        /// Its length.
        got: usize,
    },
    /// A pivot is not positive: the matrix is singular or indefinite, or not finite.
    #[error("the matrix is not positive definite: row {row} depends on the rows before it")]
    NotPositiveDefinite {
        /// The row of the pivot.
        row: usize,
    },
    /// The iteration for the eigenvalues did not converge.
    #[error("the eigenvalues did not converge")]
    Eigenvalues,
}

/// Inner product in eight interleaved sums, added in one order.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for l in 0..8 {
            sums[l] += a[l] * b[l];
        }
    }
    for ((sum, a), b) in sums.iter_mut().zip(a_rest).zip(b_rest) {
        *sum += a * b;
    }
    ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]))
}

/// `y += scale·x`.
pub(crate) fn add_scaled(y: &mut [f64], scale: f64, x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += scale * x;
    }
}
