//! Eigenvalues and eigenvectors of a symmetric matrix, by faer.

use super::LinalgError;
use faer::{Mat, Side};

/// Eigenvalues, smallest first, and eigenvectors, one a row, of the symmetric `n × n` matrix whose
/// lower triangle `a` holds, row after row.
///
/// The sign of each vector is chosen so that its largest element (the first of them) is positive.
///
/// # Errors
///
/// [`LinalgError::Length`] if `a` is not square, [`LinalgError::Eigenvalues`] if the iteration does
/// not end or `a` holds what is not a finite number.
pub fn symmetric_eigen(a: &[f64], n: usize) -> Result<(Vec<f64>, Vec<f64>), LinalgError> {
    let expected = n.saturating_mul(n);
    if a.len() != expected {
        return Err(LinalgError::Length { what: "a", expected, got: a.len() });
    }
    if n == 0 {
        return Ok((Vec::new(), Vec::new()));
    }
    if (0..n).any(|i| a[i * n..][..=i].iter().any(|x| !x.is_finite())) {
        return Err(LinalgError::Eigenvalues);
    }
    let matrix = Mat::from_fn(n, n, |i, j| a[i.max(j) * n + i.min(j)]);
    let eigen = matrix.self_adjoint_eigen(Side::Lower).map_err(|_| LinalgError::Eigenvalues)?;
    let values = (0..n).map(|k| eigen.S()[k]).collect();
    let mut vectors = vec![0.0; n * n];
    for (k, vector) in vectors.chunks_exact_mut(n.max(1)).enumerate() {
        for (i, x) in vector.iter_mut().enumerate() {
            *x = eigen.U()[(i, k)];
        }
        let largest =
            vector.iter().fold(0.0, |best: f64, &x| if x.abs() > best.abs() { x } else { best });
        if largest < 0.0 {
            vector.iter_mut().for_each(|x| *x = -*x);
        }
    }
    Ok((values, vectors))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::dot;

    #[test]
    fn eigenvectors_are_orthonormal_and_stretched_by_the_eigenvalues() {
        let n = 12;
        let mut a = crate::kernel::testing::numbers(3, n * n);
        for i in 0..n {
            for j in 0..i {
                a[j * n + i] = a[i * n + j];
            }
        }
        let (values, vectors) = symmetric_eigen(&a, n).unwrap();
        assert!(values.is_sorted());
        for (k, v) in vectors.chunks(n).enumerate() {
            for i in 0..n {
                assert!((dot(&a[i * n..][..n], v) - values[k] * v[i]).abs() < 1e-13);
            }
            for (m, w) in vectors.chunks(n).enumerate() {
                assert!((dot(v, w) - f64::from(u8::from(k == m))).abs() < 1e-13);
            }
        }
    }

    #[test]
    fn what_is_not_finite_or_not_square_is_refused() {
        assert!(symmetric_eigen(&[f64::NAN], 1).is_err());
        assert!(symmetric_eigen(&[1.0; 2], 2).is_err());
        assert!(symmetric_eigen(&[], 0).unwrap().0.is_empty());
    }
}
