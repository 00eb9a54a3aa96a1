//! The same products with compressed sparse rows.
//!
//! A row's entries meet coefficients that lie anywhere, so nothing is loaded in lanes; a row's
//! product runs in four interleaved sums (its entry `k` in sum `k mod 4`), sums over rows are
//! chains in the order of the rows, as in the dense kernels. Loss and residuals are those kernels'
//! own loop. Left: gathers (on current processors no faster than four scalar loads).

use super::dense::{Curvature, RowSums, TILE_ROWS};
use super::level::{Job, Vector, dispatch};
use super::{ShapeError, expect_len};

/// A block of `n` sparse rows over `d` columns.
#[derive(Clone, Copy, Debug)]
pub struct CsrRows<'a> {
    offsets: &'a [usize],
    columns: &'a [u32],
    values: &'a [f64],
    d: usize,
}

impl<'a> CsrRows<'a> {
    /// Views `n + 1` offsets, and columns and values of the entries between them, as rows.
    ///
    /// # Errors
    ///
    /// [`ShapeError`] unless offsets start at 0, never fall and end at the number of values, and
    /// each row names its columns once, in rising order, below `d`.
    ///
    /// # Cost
    ///
    /// One read of offsets and columns.
    pub fn new(
        offsets: &'a [usize],
        columns: &'a [u32],
        values: &'a [f64],
        d: usize,
    ) -> Result<Self, ShapeError> {
        expect_len("columns", columns.len(), values.len())?;
        let misplaced = |row: usize| ShapeError::Offsets {
            row,
            got: offsets.get(row).copied().unwrap_or(0),
            values: values.len(),
        };
        if offsets.first() != Some(&0) {
            return Err(misplaced(0));
        }
        if let Some(row) = offsets.windows(2).position(|pair| pair[0] > pair[1]) {
            return Err(misplaced(row + 1));
        }
        if offsets.last() != Some(&values.len()) {
            return Err(misplaced(offsets.len() - 1));
        }
        for (row, pair) in offsets.windows(2).enumerate() {
            let mut next = 0;
            for &column in &columns[pair[0]..pair[1]] {
                let column = column as usize;
                if column >= d {
                    return Err(ShapeError::Column { row, column, columns: d });
                }
                if column < next {
                    return Err(ShapeError::Order { row, column });
                }
                next = column + 1;
            }
        }
        Ok(Self { offsets, columns, values, d })
    }

    /// Number of rows.
    pub fn n(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of columns.
    pub fn d(&self) -> usize {
        self.d
    }

    /// Columns and values of row `i`, empty past the last.
    #[inline(always)]
    pub fn row(&self, i: usize) -> (&'a [u32], &'a [f64]) {
        match self.offsets.get(i..i.saturating_add(2)) {
            Some(&[from, to]) => (&self.columns[from..to], &self.values[from..to]),
            _ => (&[], &[]),
        }
    }
}

#[inline(always)]
fn row_margin((columns, values): (&[u32], &[f64]), w: &[f64], b: f64) -> f64 {
    let mut sums = [0.0; 4];
    let ((columns, columns_rest), (values, values_rest)) =
        (columns.as_chunks::<4>(), values.as_chunks::<4>());
    for (columns, values) in columns.iter().zip(values) {
        for l in 0..4 {
            sums[l] = values[l].mul_add(w[columns[l] as usize], sums[l]);
        }
    }
    for ((sum, column), value) in sums.iter_mut().zip(columns_rest).zip(values_rest) {
        *sum = value.mul_add(w[*column as usize], *sum);
    }
    ((sums[0] + sums[2]) + (sums[1] + sums[3])) + b
}

struct Margins<'a> {
    x: CsrRows<'a>,
    w: &'a [f64],
    b: f64,
    out: &'a mut [f64],
}

impl Job for Margins<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        for (i, out) in self.out.iter_mut().enumerate() {
            *out = row_margin(self.x.row(i), self.w, self.b);
        }
    }
}

/// Writes `x·w + b`, one number a row, to `out`.
///
/// # Errors
///
/// [`ShapeError::Length`] if an operand does not fit `x`.
pub fn csr_margins(x: &CsrRows<'_>, w: &[f64], b: f64, out: &mut [f64]) -> Result<(), ShapeError> {
    expect_len("w", w.len(), x.d)?;
    expect_len("out", out.len(), x.n())?;
    dispatch(Margins { x: *x, w, b, out });
    Ok(())
}

struct LossGradient<'a> {
    x: CsrRows<'a>,
    labels: &'a [f64],
    weights: Option<&'a [f64]>,
    w: &'a [f64],
    b: f64,
    grad: &'a mut [f64],
    grad_intercept: &'a mut f64,
}

impl Job for LossGradient<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<V: Vector>(self) -> f64 {
        let Self { x, labels, weights, w, b, grad, grad_intercept } = self;
        let mut sums = RowSums::default();
        let mut buffer = [0.0; TILE_ROWS];
        for from in (0..x.n()).step_by(TILE_ROWS) {
            let to = (from + TILE_ROWS).min(x.n());
            let margins = &mut buffer[..to - from];
            for (i, margin) in margins.iter_mut().enumerate() {
                *margin = row_margin(x.row(from + i), w, b);
            }
            sums.add(margins, &labels[from..to], weights.map(|s| &s[from..to]));
            for (i, residual) in margins.iter().enumerate() {
                let (columns, values) = x.row(from + i);
                for (&column, value) in columns.iter().zip(values) {
                    let g = &mut grad[column as usize];
                    *g = residual.mul_add(*value, *g);
                }
            }
        }
        *grad_intercept += sums.residual();
        sums.loss()
    }
}

/// [`logistic_loss_gradient`](super::logistic_loss_gradient) of sparse rows: same operands, same
/// meaning.
///
/// # Errors
///
/// [`ShapeError::Length`] if an operand does not fit `x`.
pub fn csr_logistic_loss_gradient(
    x: &CsrRows<'_>,
    labels: &[f64],
    weights: Option<&[f64]>,
    w: &[f64],
    b: f64,
    grad: &mut [f64],
    grad_intercept: &mut f64,
) -> Result<f64, ShapeError> {
    expect_len("labels", labels.len(), x.n())?;
    expect_len("weights", weights.map_or(x.n(), <[f64]>::len), x.n())?;
    expect_len("w", w.len(), x.d)?;
    expect_len("grad", grad.len(), x.d)?;
    Ok(dispatch(LossGradient { x: *x, labels, weights, w, b, grad, grad_intercept }))
}

/// [`logistic_curvature`](super::logistic_curvature) of sparse rows.
///
/// # Errors
///
/// [`ShapeError::Length`] if an operand does not fit `x`.
pub fn csr_logistic_curvature(
    x: &CsrRows<'_>,
    weights: Option<&[f64]>,
    w: &[f64],
    b: f64,
    h: &mut [f64],
) -> Result<(), ShapeError> {
    expect_len("weights", weights.map_or(x.n(), <[f64]>::len), x.n())?;
    csr_margins(x, w, b, h)?;
    dispatch(Curvature { margins: h, weights });
    Ok(())
}

struct Gram<'a> {
    x: CsrRows<'a>,
    h: &'a [f64],
    gram: &'a mut [f64],
}

impl Job for Gram<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let side = self.x.d + 1;
        for (i, &h) in self.h.iter().enumerate() {
            let (columns, values) = self.x.row(i);
            for (k, (&row, value)) in columns.iter().zip(values).enumerate() {
                let scaled = h * value;
                let target = &mut self.gram[row as usize * side..][..side];
                for (&column, value) in columns[..=k].iter().zip(values) {
                    let g = &mut target[column as usize];
                    *g = scaled.mul_add(*value, *g);
                }
            }
            let ones = &mut self.gram[self.x.d * side..];
            for (&column, value) in columns.iter().zip(values) {
                let g = &mut ones[column as usize];
                *g = h.mul_add(*value, *g);
            }
            ones[self.x.d] += h;
        }
    }
}

/// [`weighted_gram`](super::weighted_gram) of sparse rows: same operands, same meaning.
///
/// # Errors
///
/// [`ShapeError::Length`] if `h` or `gram` does not fit `x`.
///
/// # Cost
///
/// Half the sum of the squares of the rows' numbers of entries, scattered over `gram`.
pub fn csr_weighted_gram(x: &CsrRows<'_>, h: &[f64], gram: &mut [f64]) -> Result<(), ShapeError> {
    expect_len("h", h.len(), x.n())?;
    expect_len("gram", gram.len(), (x.d + 1).saturating_mul(x.d + 1))?;
    dispatch(Gram { x: *x, h, gram });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::numbers;
    use crate::kernel::{
        DenseRows, Level, logistic_curvature, logistic_loss_gradient, weighted_gram,
    };

    /// Rows with about a third of their entries, sparse and dense.
    fn rows(n: usize, d: usize) -> (Vec<usize>, Vec<u32>, Vec<f64>, Vec<f64>) {
        let mut dense = numbers(1, n * d);
        let keep = numbers(2, n * d);
        let (mut offsets, mut columns, mut values) = (vec![0], vec![], vec![]);
        for i in 0..n {
            for j in 0..d {
                if keep[i * d + j] < -0.3 {
                    columns.push(j as u32);
                    values.push(dense[i * d + j]);
                } else {
                    dense[i * d + j] = 0.0;
                }
            }
            offsets.push(values.len());
        }
        (offsets, columns, values, dense)
    }

    /// Loss, gradients, curvature and Gram matrix, one after the other.
    fn sparse(x: &CsrRows<'_>, labels: &[f64], weights: &[f64], w: &[f64]) -> Vec<f64> {
        let (d, s) = (x.d(), Some(weights));
        let mut all = vec![0.0; d + 2];
        let (grad, rest) = all.split_at_mut(d);
        rest[1] = csr_logistic_loss_gradient(x, labels, s, w, 0.2, grad, &mut rest[0]).unwrap();
        let mut h = vec![0.0; x.n()];
        csr_logistic_curvature(x, s, w, 0.2, &mut h).unwrap();
        let mut gram = vec![0.0; (d + 1) * (d + 1)];
        csr_weighted_gram(x, &h, &mut gram).unwrap();
        [all, h, gram].concat()
    }

    #[test]
    fn sparse_rows_give_what_the_same_rows_give_when_dense() {
        for (n, d) in [(0, 3), (1, 1), (7, 20), (300, 33)] {
            let (offsets, columns, values, dense) = rows(n, d);
            let x = CsrRows::new(&offsets, &columns, &values, d).unwrap();
            let labels: Vec<f64> =
                numbers(3, n).iter().map(|u| f64::from(u8::from(*u > 0.0))).collect();
            let (weights, w) = (numbers(4, n), numbers(5, d));
            let got = sparse(&x, &labels, &weights, &w);
            let full = DenseRows::new(&dense, n, d).unwrap();
            let mut all = vec![0.0; d + 2];
            let (grad, rest) = all.split_at_mut(d);
            let s = Some(&weights[..]);
            rest[1] =
                logistic_loss_gradient(&full, &labels, s, &w, 0.2, grad, &mut rest[0]).unwrap();
            let mut h = vec![0.0; n];
            logistic_curvature(&full, s, &w, 0.2, &mut h).unwrap();
            let mut gram = vec![0.0; (d + 1) * (d + 1)];
            weighted_gram(&full, &h, &mut gram).unwrap();
            for (a, b) in got.iter().zip([all, h, gram].concat()) {
                assert!((a - b).abs() < 1e-12, "{n} x {d}: {a} {b}");
            }
            for level in Level::ALL {
                let again = level.force(|| sparse(&x, &labels, &weights, &w));
                assert!(again.iter().zip(&got).all(|(a, b)| a.to_bits() == b.to_bits()));
            }
        }
    }

    #[test]
    fn rows_that_are_not_csr_are_refused() {
        let new = |offsets: &[usize], columns: &[u32]| {
            CsrRows::new(offsets, columns, &vec![1.0; columns.len()], 3).map(|x| x.n())
        };
        assert_eq!(new(&[0, 2, 2], &[0, 2]), Ok(2));
        assert_eq!(new(&[0], &[]), Ok(0));
        assert!(matches!(new(&[], &[]), Err(ShapeError::Offsets { row: 0, .. })));
        assert!(matches!(new(&[1, 2], &[0, 1]), Err(ShapeError::Offsets { row: 0, .. })));
        assert!(matches!(new(&[0, 2, 1], &[0]), Err(ShapeError::Offsets { row: 2, .. })));
        assert!(matches!(new(&[0, 1], &[0, 1]), Err(ShapeError::Offsets { row: 1, .. })));
        assert!(matches!(new(&[0, 1], &[3]), Err(ShapeError::Column { column: 3, .. })));
        assert!(matches!(new(&[0, 2], &[1, 1]), Err(ShapeError::Order { column: 1, .. })));
        assert!(CsrRows::new(&[0, 1], &[0], &[], 1).is_err());
        let x = CsrRows::new(&[0, 1], &[0], &[2.0], 1).unwrap();
        assert_eq!(x.row(7).0.len() + x.row(usize::MAX).0.len(), 0);
        assert!(csr_margins(&x, &[1.0; 2], 0.0, &mut [0.0]).is_err());
    }
}
