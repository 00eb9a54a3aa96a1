//! Weighted count, mean, spread and range of every column: what scaling and checks need.
//!
//! Within a block two readings: sums, then squares of the distance from the block's mean, less what
//! rounding left of their sum (Chan, Golub & LeVeque 1983, the corrected two-pass form). Blocks are
//! merged by the same authors' pairwise formula, which stays steady where `Σx² − (Σx)²/n` cancels.
//! Rows of weight zero count for nothing; weights below zero are the caller's to refuse. What is not finite shows in the column's mean.

use super::dense::{DenseRows, Element};
use super::level::{Job, Vector, dispatch};
use super::sparse::CsrRows;
use super::{ShapeError, expect_len};

/// What is known of each column of some rows; `Moments::new(d)` is the neutral element of `merge`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Moments {
    /// Rows of weight above zero.
    pub count: u64,
    /// Sum of the weights.
    pub weight: f64,
    /// Sum of the weights' squares.
    pub weight_squares: f64,
    /// Weighted means.
    pub mean: Vec<f64>,
    /// Weighted sums of squared distances from the mean.
    pub m2: Vec<f64>,
    /// Least values; infinite without rows.
    pub min: Vec<f64>,
    /// Greatest values; minus infinite without rows.
    pub max: Vec<f64>,
    /// Rows with a value other than zero.
    pub nonzero: Vec<u64>,
}

impl Moments {
    /// Of no rows, for `d` columns.
    pub fn new(d: usize) -> Self {
        Self {
            count: 0,
            weight: 0.0,
            weight_squares: 0.0,
            mean: vec![0.0; d],
            m2: vec![0.0; d],
            min: vec![f64::INFINITY; d],
            max: vec![f64::NEG_INFINITY; d],
            nonzero: vec![0; d],
        }
    }

    /// Number of columns.
    pub fn d(&self) -> usize {
        self.mean.len()
    }

    /// Joins what is known of further rows to this.
    ///
    /// # Errors
    ///
    /// [`ShapeError::Length`] if `other` has another number of columns.
    pub fn merge(&mut self, other: &Self) -> Result<(), ShapeError> {
        expect_len("moments", other.d(), self.d())?;
        if other.count == 0 {
            return Ok(());
        }
        if self.count == 0 {
            self.clone_from(other);
            return Ok(());
        }
        let weight = self.weight + other.weight;
        let share = other.weight / weight;
        for j in 0..self.d() {
            let delta = other.mean[j] - self.mean[j];
            self.mean[j] += delta * share;
            self.m2[j] += other.m2[j] + delta * delta * self.weight * share;
            self.min[j] = self.min[j].min(other.min[j]);
            self.max[j] = self.max[j].max(other.max[j]);
            self.nonzero[j] += other.nonzero[j];
        }
        self.count += other.count;
        self.weight = weight;
        self.weight_squares += other.weight_squares;
        Ok(())
    }

    /// Population variances: `m2` over the weight.
    pub fn population_variance(&self) -> Vec<f64> {
        self.m2.iter().map(|m2| if self.weight > 0.0 { m2 / self.weight } else { 0.0 }).collect()
    }

    /// Sample variances with weights as repeated rows: `m2 / (Σs − 1)`, 0 where that is not
    /// positive.
    pub fn sample_variance(&self) -> Vec<f64> {
        let divisor = self.weight - 1.0;
        self.m2.iter().map(|m2| if divisor > 0.0 { m2 / divisor } else { 0.0 }).collect()
    }

    /// Sample variances with weights as reliabilities, as MLlib's summariser has them:
    /// `m2 / (Σs − Σs²/Σs)`, 0 where that is not positive.
    pub fn reliability_variance(&self) -> Vec<f64> {
        let divisor = self.weight - self.weight_squares / self.weight;
        self.m2.iter().map(|m2| if divisor > 0.0 { m2 / divisor } else { 0.0 }).collect()
    }

    fn count_rows(&mut self, n: usize, weights: Option<&[f64]>) {
        match weights {
            None => (self.count, self.weight, self.weight_squares) = (n as u64, n as f64, n as f64),
            Some(weights) => {
                for &s in weights {
                    self.count += u64::from(s > 0.0);
                    self.weight += s;
                    self.weight_squares += s * s;
                }
            }
        }
    }
}

struct Dense<'a, E> {
    x: DenseRows<'a, E>,
    weights: Option<&'a [f64]>,
    to: &'a mut Moments,
}

impl<E: Element> Job for Dense<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { x, weights, to } = self;
        let d = x.d();
        let row = |i: usize| &x.values()[i * d..][..d];
        let weight = |i: usize| weights.map_or(1.0, |s| s[i]);
        for i in 0..x.n() {
            let s = weight(i);
            if s <= 0.0 {
                continue;
            }
            let (sum, nonzero) = (&mut to.mean[..d], &mut to.nonzero[..d]);
            let (min, max) = (&mut to.min[..d], &mut to.max[..d]);
            for (j, x) in row(i).iter().enumerate() {
                let x = x.widen();
                sum[j] = s.mul_add(x, sum[j]);
                min[j] = if x < min[j] { x } else { min[j] };
                max[j] = if x > max[j] { x } else { max[j] };
                nonzero[j] += u64::from(x.abs() > 0.0);
            }
        }
        to.mean.iter_mut().for_each(|mean| *mean /= to.weight);
        let mut left = vec![0.0; d];
        for i in 0..x.n() {
            let s = weight(i);
            if s <= 0.0 {
                continue;
            }
            let (mean, m2, left) = (&to.mean[..d], &mut to.m2[..d], &mut left[..d]);
            for (j, x) in row(i).iter().enumerate() {
                let off = x.widen() - mean[j];
                m2[j] = (s * off).mul_add(off, m2[j]);
                left[j] = s.mul_add(off, left[j]);
            }
        }
        for (m2, left) in to.m2.iter_mut().zip(left) {
            *m2 = (*m2 - left * left / to.weight).max(0.0);
        }
    }
}

/// The moments of a dense block.
///
/// # Errors
///
/// [`ShapeError::Length`] if `weights` does not have one number a row.
///
/// # Cost
///
/// Two reads of the block.
pub fn dense_moments<E: Element>(
    x: &DenseRows<'_, E>,
    weights: Option<&[f64]>,
) -> Result<Moments, ShapeError> {
    expect_len("weights", weights.map_or(x.n(), <[f64]>::len), x.n())?;
    let mut moments = Moments::new(x.d());
    moments.count_rows(x.n(), weights);
    if moments.count > 0 {
        dispatch(Dense { x: *x, weights, to: &mut moments });
    }
    Ok(moments)
}

/// The moments of a block of sparse rows; an absent entry is a zero.
///
/// # Errors
///
/// [`ShapeError::Length`] if `weights` does not have one number a row.
///
/// # Cost
///
/// Two reads of the block's entries.
pub fn csr_moments(x: &CsrRows<'_>, weights: Option<&[f64]>) -> Result<Moments, ShapeError> {
    expect_len("weights", weights.map_or(x.n(), <[f64]>::len), x.n())?;
    let mut to = Moments::new(x.d());
    to.count_rows(x.n(), weights);
    if to.count == 0 {
        return Ok(to);
    }
    let weight = |i: usize| weights.map_or(1.0, |s| s[i]);
    // Rows, and weights, of the entries that are there.
    let (mut present, mut seen) = (vec![0u64; x.d()], vec![0.0; x.d()]);
    let entries = || {
        (0..x.n()).filter(|&i| weight(i) > 0.0).flat_map(|i| {
            let (columns, values) = x.row(i);
            columns.iter().zip(values).map(move |(j, x)| (weight(i), *j as usize, *x))
        })
    };
    for (s, j, x) in entries() {
        to.mean[j] += s * x;
        to.min[j] = if x < to.min[j] { x } else { to.min[j] };
        to.max[j] = if x > to.max[j] { x } else { to.max[j] };
        to.nonzero[j] += u64::from(x.abs() > 0.0);
        present[j] += 1;
        seen[j] += s;
    }
    to.mean.iter_mut().for_each(|mean| *mean /= to.weight);
    let mut left = vec![0.0; x.d()];
    for (s, j, x) in entries() {
        let off = x - to.mean[j];
        to.m2[j] += s * off * off;
        left[j] += s * off;
    }
    for j in 0..x.d() {
        if present[j] < to.count {
            let absent = to.weight - seen[j];
            to.min[j] = to.min[j].min(0.0);
            to.max[j] = to.max[j].max(0.0);
            to.m2[j] += absent * to.mean[j] * to.mean[j];
            left[j] -= absent * to.mean[j];
        }
        to.m2[j] = (to.m2[j] - left[j] * left[j] / to.weight).max(0.0);
    }
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Level;
    use crate::kernel::testing::numbers;
    use proptest::prelude::*;

    fn near(a: &Moments, b: &Moments, tolerance: f64) -> bool {
        let all = |a: &[f64], b: &[f64]| {
            // Infinite ends are equal in their bits only.
            a.iter().zip(b).all(|(a, b)| {
                a.to_bits() == b.to_bits() || (a - b).abs() <= tolerance * (1.0 + a.abs())
            })
        };
        a.count == b.count
            && all(&[a.weight, a.weight_squares], &[b.weight, b.weight_squares])
            && all(&a.mean, &b.mean)
            && all(&a.m2, &b.m2)
            && all(&a.min, &b.min)
            && all(&a.max, &b.max)
            && a.nonzero == b.nonzero
    }

    #[test]
    fn a_column_far_from_zero_keeps_its_spread() {
        let x: Vec<f64> = (0..1000).map(|i| 1e9 + f64::from(i % 10)).collect();
        let mut moments = Moments::new(1);
        for block in x.chunks(77) {
            let rows = DenseRows::new(block, block.len(), 1).unwrap();
            moments.merge(&dense_moments(&rows, None).unwrap()).unwrap();
        }
        assert!((moments.population_variance()[0] - 8.25).abs() < 1e-9);
        assert!((moments.mean[0] - (1e9 + 4.5)).abs() < 1e-6);
        assert_eq!((moments.min[0], moments.max[0]), (1e9, 1e9 + 9.0));
    }

    #[test]
    fn every_level_gives_the_same_bits() {
        let x = numbers(1, 37 * 11);
        let weights: Vec<f64> = numbers(2, 37).iter().map(|s| s.max(0.0)).collect();
        let rows = DenseRows::new(&x, 37, 11).unwrap();
        let run = |level: Level| level.force(|| dense_moments(&rows, Some(&weights)).unwrap());
        for level in Level::ALL {
            assert_eq!(run(level), run(Level::Baseline));
        }
    }

    proptest! {
        #[test]
        fn merging_is_like_summing_up_at_once(
            x in proptest::collection::vec(-1e3f64..1e3, 2..60), cut in 0usize..60, other in 0usize..60,
        ) {
            let rows = |x: &[f64]| {
                dense_moments(&DenseRows::new(x, x.len(), 1).unwrap(), None).unwrap()
            };
            let (first, last) = (cut.min(other).min(x.len()), cut.max(other).min(x.len()));
            let mut left = rows(&x[..first]);
            left.merge(&rows(&x[first..last])).unwrap();
            left.merge(&rows(&x[last..])).unwrap();
            let mut right = rows(&x[first..last]);
            right.merge(&rows(&x[last..])).unwrap();
            let mut whole = rows(&x[..first]);
            whole.merge(&right).unwrap();
            prop_assert!(near(&left, &rows(&x), 1e-10) && near(&left, &whole, 1e-10));
        }

        #[test]
        fn a_weight_is_that_many_rows(
            rows in proptest::collection::vec((-9i8..9, 0u8..4), 1..30),
        ) {
            let x: Vec<f64> = rows.iter().map(|r| f64::from(r.0)).collect();
            let weights: Vec<f64> = rows.iter().map(|r| f64::from(r.1)).collect();
            let repeated: Vec<f64> = rows.iter()
                .flat_map(|r| std::iter::repeat_n(f64::from(r.0), r.1.into())).collect();
            let weighted =
                dense_moments(&DenseRows::new(&x, x.len(), 1).unwrap(), Some(&weights)).unwrap();
            let plain = dense_moments(
                &DenseRows::new(&repeated, repeated.len(), 1).unwrap(), None).unwrap();
            prop_assert!((weighted.mean[0] - plain.mean[0]).abs() < 1e-12);
            prop_assert!((weighted.m2[0] - plain.m2[0]).abs() < 1e-9);
            prop_assert!(weighted.min == plain.min && weighted.max == plain.max);
            let (a, b) = (weighted.sample_variance()[0], plain.sample_variance()[0]);
            prop_assert!((a - b).abs() < 1e-9);
        }

        #[test]
        fn sparse_rows_have_the_moments_of_the_same_dense_rows(
            x in proptest::collection::vec(-3i8..4, 12..90), weighted in any::<bool>(),
        ) {
            let (d, n) = (3, x.len() / 3);
            let dense: Vec<f64> = x[..n * d].iter().map(|x| f64::from(*x)).collect();
            let (mut offsets, mut columns, mut values) = (vec![0], vec![], vec![]);
            for row in dense.chunks(d) {
                for (j, x) in row.iter().enumerate().filter(|(_, x)| x.abs() > 0.0) {
                    columns.push(j as u32);
                    values.push(*x);
                }
                offsets.push(values.len());
            }
            let weights: Vec<f64> = (0..n).map(|i| (i % 3) as f64).collect();
            let weights = weighted.then_some(&weights[..]);
            let sparse = CsrRows::new(&offsets, &columns, &values, d).unwrap();
            let a = csr_moments(&sparse, weights).unwrap();
            let b = dense_moments(&DenseRows::new(&dense, n, d).unwrap(), weights).unwrap();
            prop_assert!(near(&a, &b, 1e-12), "{a:?} {b:?}");
        }
    }
}
