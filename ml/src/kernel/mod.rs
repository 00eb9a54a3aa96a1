//! The arithmetic that runs over every row: short, wide, and with the same bits everywhere.
//!
//! A kernel works on plain slices of one block of rows and knows nothing of partitions; whoever
//! calls it owns the passes and adds blocks up in a fixed order. What a kernel promises:
//!
//! - **One definition.** [`Level`] says for which instructions the code is compiled; the code and
//!   its bits are the same. Sums over columns run in eight lanes whatever the vector width (column
//!   `j` in lane `j mod 8`, except that a row's last `d mod 8` columns sit in the lanes of
//!   its last eight), lanes are added in one stated order; sums over rows are chains of fused
//!   multiply–adds in the order of the rows, so neither tiles nor register blocks show in the result.
//! - **One read.** [`logistic_loss_gradient`] takes margins, loss and gradient from one read of the
//!   matrix: a tile of rows is small enough to stay in the nearest cache between the two products.
//! - **Any element.** [`Element`] is f64 or f32; lanes and sums are always f64.
//! - **No surprise.** Shapes are checked once, by [`DenseRows::new`], [`CsrRows::new`] and at
//!   the head of each kernel; nothing here panics.
//!
//! Scaling a column by `1/σ` never touches the data: fold it into the coefficients (`w/σ`) and
//! scale the gradient afterwards.

#![allow(
    clippy::needless_range_loop,
    reason = "lanes and register blocks are walked by number, several arrays in step"
)]

mod dense;
mod elementary;
mod gram;
mod level;
mod moments;
mod sparse;
#[cfg(test)]
pub(crate) mod testing;

pub use dense::{DenseRows, Element, logistic_curvature, logistic_loss_gradient, margins};
pub use elementary::{
    exp, exp_in_place, ln, ln_1p, ln_1p_in_place, ln_in_place, sigmoid, sigmoid_in_place, softplus,
    softplus_in_place,
};
pub use gram::weighted_gram;
pub use level::Level;
pub use moments::{Moments, csr_moments, dense_moments};
pub use sparse::{
    CsrRows, csr_logistic_curvature, csr_logistic_loss_gradient, csr_margins, csr_weighted_gram,
};

/// Operands whose shapes do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// A slice is longer or shorter than the others ask for.
    #[error("`{what}` must have {expected} elements, got {got}")]
    Length {
        /// Which operand.
        what: &'static str,
        /// Its length by the shape of the others.
        expected: usize,
        /// Its length.
        got: usize,
    },
    /// Row offsets that do not start at 0, decrease, or end elsewhere than the values.
    #[error("row offset {row} is {got}, which does not fit its neighbours and {values} values")]
    Offsets {
        /// Position among the offsets.
        row: usize,
        /// The offset there.
        got: usize,
        /// How many values there are.
        values: usize,
    },
    /// A row that names a column twice or not in rising order.
    #[error("row {row} names column {column} twice or out of order")]
    Order {
        /// The row, counted from 0.
        row: usize,
        /// The column that is not above the one before it.
        column: usize,
    },
    /// A column that the matrix does not have.
    #[error("row {row} names column {column}, the matrix has {columns}")]
    Column {
        /// The row, counted from 0.
        row: usize,
        /// The column it names.
        column: usize,
        /// How many columns there are.
        columns: usize,
    },
}

/// Checks the length of one operand.
pub(crate) fn expect_len(
    what: &'static str,
    got: usize,
    expected: usize,
) -> Result<(), ShapeError> {
    if got == expected { Ok(()) } else { Err(ShapeError::Length { what, expected, got }) }
}
