//! `A = L·Lᵀ` and what follows from it.

use super::{LinalgError, add_scaled, dot};
use faer::{Mat, Side};

/// Up to this many rows the plain loop is the faster one.
const OWN: usize = 64;

/// The factor `L` of a symmetric positive definite matrix.
#[derive(Clone, Debug)]
pub struct Cholesky {
    /// Row after row, with what is above the diagonal left alone.
    l: Vec<f64>,
    n: usize,
}

impl Cholesky {
    /// Factors the `n × n` matrix whose lower triangle `a` holds, row after row.
    ///
    /// # Errors
    ///
    /// [`LinalgError::Length`] if `a` is not square, [`LinalgError::NotPositiveDefinite`] if a pivot
    /// is zero, negative or not a number.
    ///
    /// # Cost
    ///
    /// `n³/3` operations.
    pub fn new(a: &[f64], n: usize) -> Result<Self, LinalgError> {
        expect_square(a, n)?;
        let l = if n <= OWN { factor(a.to_vec(), n)? } else { factor_faer(a, n)? };
        Ok(Self { l, n })
    }

    /// Factors `a`, or, if it is not safely positive definite, `a` with its diagonal raised by the
    /// smallest of a few fixed fractions that makes it so. Returns the fraction, 0 if none.
    ///
    /// A pivot counts as unsafe below `1e-13` of its diagonal element: what is left of the column
    /// then consists of rounding errors.
    ///
    /// # Errors
    ///
    /// [`LinalgError::Length`] if `a` is not square, [`LinalgError::NotPositiveDefinite`] if no
    /// fraction helps: a diagonal element is negative or a number is not finite.
    pub fn with_ridge(a: &[f64], n: usize) -> Result<(Self, f64), LinalgError> {
        expect_square(a, n)?;
        let top = (0..n).map(|i| a[i * n + i]).fold(0.0, f64::max);
        let mut worst = 0;
        for ridge in [0.0, 1e-11, 1e-9, 1e-7, 1e-5, 1e-3, 1e-1] {
            let mut raised = a.to_vec();
            for i in 0..n {
                // An empty column has no scale of its own: it takes the largest one's.
                let own = a[i * n + i];
                let scale = if own > 1e-14 * top { own } else { top.max(f64::MIN_POSITIVE) };
                raised[i * n + i] += ridge * scale;
            }
            match Self::new(&raised, n) {
                Ok(factor) => match factor.unsafe_pivot(&raised) {
                    None => return Ok((factor, ridge)),
                    Some(row) => worst = row,
                },
                Err(LinalgError::NotPositiveDefinite { row }) => worst = row,
                Err(other) => return Err(other),
            }
        }
        Err(LinalgError::NotPositiveDefinite { row: worst })
    }

    fn unsafe_pivot(&self, a: &[f64]) -> Option<usize> {
        (0..self.n).find(|&i| {
            let pivot = self.l[i * self.n + i];
            pivot * pivot <= 1e-13 * a[i * self.n + i]
        })
    }

    /// Number of rows.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The factor, row after row; only the lower triangle has a meaning.
    pub fn factor(&self) -> &[f64] {
        &self.l
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.l[i * self.n..][..=i]
    }

    /// Replaces `x` by the solution of `A·y = x`.
    ///
    /// # Errors
    ///
    /// [`LinalgError::Length`] if `x` does not have `n` elements.
    pub fn solve(&self, x: &mut [f64]) -> Result<(), LinalgError> {
        if x.len() != self.n {
            return Err(LinalgError::Length { what: "x", expected: self.n, got: x.len() });
        }
        self.solve_lower(x);
        for i in (0..self.n).rev() {
            let row = self.row(i);
            x[i] /= row[i];
            let scale = -x[i];
            add_scaled(&mut x[..i], scale, &row[..i]);
        }
        Ok(())
    }

    fn solve_lower(&self, x: &mut [f64]) {
        for i in 0..self.n {
            let row = self.row(i);
            x[i] = (x[i] - dot(&row[..i], &x[..i])) / row[i];
        }
    }

    /// The inverse matrix, both triangles, row after row.
    pub fn inverse(&self) -> Vec<f64> {
        let n = self.n;
        let mut inverse = vec![0.0; n * n];
        let mut column = vec![0.0; n];
        for j in 0..n {
            column.fill(0.0);
            column[j] = 1.0;
            self.solve(&mut column).expect("the column has n elements");
            for i in j..n {
                inverse[i * n + j] = column[i];
                inverse[j * n + i] = column[i];
            }
        }
        inverse
    }

    /// `ln det A`.
    pub fn log_determinant(&self) -> f64 {
        (0..self.n).map(|i| 2.0 * crate::kernel::ln(self.l[i * self.n + i])).sum()
    }

    /// An estimate from below of the condition number in the 2-norm: five steps of the power
    /// method for each end of the spectrum.
    pub fn condition_estimate(&self) -> f64 {
        let grow = |step: &dyn Fn(&mut [f64])| {
            // Alternating signs and sizes: no symmetry of a plain matrix hides from them.
            let mut x: Vec<f64> =
                (0..self.n).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 - i as f64 * 0.1 }).collect();
            let mut size = dot(&x, &x).sqrt();
            let mut growth = 0.0;
            for _ in 0..5 {
                x.iter_mut().for_each(|x| *x /= size);
                step(&mut x);
                size = dot(&x, &x).sqrt();
                growth = f64::max(growth, size);
            }
            growth
        };
        if self.n == 0 {
            return 1.0;
        }
        let largest = grow(&|x| self.multiply(x));
        let smallest = grow(&|x| self.solve(x).expect("x has n elements"));
        largest * smallest
    }

    /// Replaces `x` by `L·Lᵀ·x`.
    fn multiply(&self, x: &mut [f64]) {
        let mut y = vec![0.0; self.n];
        for i in 0..self.n {
            add_scaled(&mut y[..=i], x[i], self.row(i));
        }
        for i in 0..self.n {
            x[i] = dot(self.row(i), &y[..=i]);
        }
    }
}

fn expect_square(a: &[f64], n: usize) -> Result<(), LinalgError> {
    let expected = n.saturating_mul(n);
    if a.len() == expected {
        Ok(())
    } else {
        Err(LinalgError::Length { what: "a", expected, got: a.len() })
    }
}

fn factor(mut a: Vec<f64>, n: usize) -> Result<Vec<f64>, LinalgError> {
    for i in 0..n {
        let (above, rest) = a.split_at_mut(i * n);
        let row = &mut rest[..=i];
        for j in 0..i {
            let other = &above[j * n..][..=j];
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        let pivot = row[i] - dot(&row[..i], &row[..i]);
        if !(pivot > 0.0 && pivot.is_finite()) {
            return Err(LinalgError::NotPositiveDefinite { row: i });
        }
        row[i] = pivot.sqrt();
    }
    Ok(a)
}

fn factor_faer(a: &[f64], n: usize) -> Result<Vec<f64>, LinalgError> {
    let matrix = Mat::from_fn(n, n, |i, j| if j <= i { a[i * n + j] } else { 0.0 });
    let llt = matrix.llt(Side::Lower).map_err(|error| match error {
        faer::linalg::cholesky::llt::factor::LltError::NonPositivePivot { index } => {
            LinalgError::NotPositiveDefinite { row: index }
        }
    })?;
    let l = llt.L();
    let mut rows = vec![0.0; n * n];
    for j in 0..n {
        for i in j..n {
            rows[i * n + j] = l[(i, j)];
        }
        if !(rows[j * n + j] > 0.0 && rows[j * n + j].is_finite()) {
            return Err(LinalgError::NotPositiveDefinite { row: j });
        }
    }
    Ok(rows)
}

/// Columns that are, up to rounding, combinations of the columns before them, by the Gram matrix
/// `a` of all columns (lower triangle, row after row).
///
/// A column counts as dependent if the square of what the earlier independent columns leave of it
/// is at most `tol` of its own square; `1e-12` finds what f64 can tell of a Gram matrix (columns
/// equal to about six digits are equal to it). A column of zeros is dependent.
///
/// # Errors
///
/// [`LinalgError::Length`] if `a` is not square.
pub fn dependent_columns(a: &[f64], n: usize, tol: f64) -> Result<Vec<usize>, LinalgError> {
    expect_square(a, n)?;
    let mut l = a.to_vec();
    let mut dependent = Vec::new();
    let mut is_dependent = vec![false; n];
    for i in 0..n {
        let (above, rest) = l.split_at_mut(i * n);
        let row = &mut rest[..=i];
        for j in 0..i {
            let other = &above[j * n..][..=j];
            // A skipped column contributes nothing to the ones after it.
            row[j] = if is_dependent[j] {
                0.0
            } else {
                (row[j] - dot(&row[..j], &other[..j])) / other[j]
            };
        }
        let own = row[i];
        let left = own - dot(&row[..i], &row[..i]);
        if left > tol * own && left > 0.0 {
            row[i] = left.sqrt();
        } else {
            is_dependent[i] = true;
            dependent.push(i);
        }
    }
    Ok(dependent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::numbers;

    /// `B·Bᵀ + n·shift·I`, both triangles.
    fn positive_definite(n: usize, shift: f64) -> Vec<f64> {
        let b = numbers(n as u64, n * n);
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                a[i * n + j] = dot(&b[i * n..][..n], &b[j * n..][..n]);
            }
            a[i * n + i] += n as f64 * shift;
        }
        a
    }

    #[test]
    fn the_solution_solves_the_system_on_both_sides_of_the_switch() {
        for n in [0, 1, 2, 9, 63, 64, 65, 130] {
            let a = positive_definite(n, 0.1);
            let right = numbers(9, n);
            let factor = Cholesky::new(&a, n).unwrap();
            let mut x = right.clone();
            factor.solve(&mut x).unwrap();
            for i in 0..n {
                assert!((dot(&a[i * n..][..n], &x) - right[i]).abs() < 1e-11, "{n}");
            }
        }
    }

    #[test]
    fn both_factorisations_agree() {
        let n = 40;
        let a = positive_definite(n, 0.1);
        let own = factor(a.clone(), n).unwrap();
        let other = factor_faer(&a, n).unwrap();
        for i in 0..n {
            for j in 0..=i {
                assert!((own[i * n + j] - other[i * n + j]).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn inverse_and_determinant_fit_the_matrix() {
        let a = [4.0, 2.0, 2.0, 3.0];
        let factor = Cholesky::new(&a, 2).unwrap();
        assert!((factor.log_determinant() - libm::log(8.0)).abs() < 1e-14);
        for (got, expected) in factor.inverse().iter().zip([0.375, -0.25, -0.25, 0.5]) {
            assert!((got - expected).abs() < 1e-15);
        }
        let condition = factor.condition_estimate();
        let exact = (7.0 + 17f64.sqrt()) / (7.0 - 17f64.sqrt());
        assert!(condition <= exact * 1.0001 && condition > 0.8 * exact, "{condition} {exact}");
    }

    #[test]
    fn a_singular_matrix_is_refused_or_given_a_ridge() {
        let (n, mut a) = (3, positive_definite(3, 0.1));
        for j in 0..3 {
            a[2 * n + j] = a[n + j];
        }
        a[8] = a[4];
        let (factor, ridge) = Cholesky::with_ridge(&a, n).unwrap();
        assert!(ridge > 0.0 && factor.n() == 3);
        assert!(Cholesky::with_ridge(&[f64::NAN], 1).is_err());
        assert!(Cholesky::new(&[-1.0], 1).is_err());
        assert!(Cholesky::new(&[1.0; 3], 2).is_err());
        assert!(factor.solve(&mut [0.0; 2]).is_err());
        let mut indefinite = positive_definite(70, 0.1);
        indefinite[50 * 70 + 50] = -1.0;
        let refused = Cholesky::new(&indefinite, 70).unwrap_err();
        assert_eq!(refused, LinalgError::NotPositiveDefinite { row: 50 });
        let (_, none) = Cholesky::with_ridge(&positive_definite(70, 0.1), 70).unwrap();
        assert!(none.to_bits() == 0);
    }

    #[test]
    fn columns_made_of_earlier_ones_are_named() {
        let (n, rows) = (6, 50);
        let mut x = numbers(7, rows * n);
        for row in x.chunks_mut(n) {
            row[3] = row[0] - 2.0 * row[1];
            row[4] = 0.0;
            row[5] = 1e6 * (row[2] + row[3]);
        }
        let mut gram = vec![0.0; n * n];
        for row in x.chunks(n) {
            for i in 0..n {
                add_scaled(&mut gram[i * n..][..n], row[i], row);
            }
        }
        assert_eq!(dependent_columns(&gram, n, 1e-12).unwrap(), [3, 4, 5]);
    }
}
