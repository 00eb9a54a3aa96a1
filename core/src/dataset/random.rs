//! Random collections: rows whose value is a function of the seed and the row's number.
//!
//! The transformations from uniform draws are ours, with `libm` for the elementary functions, so
//! the numbers are the same on every machine and in every version of a library.

use libm::{cos, exp, floor, lgamma, log, pow, sqrt};

use super::Dataset;
use super::source::slice;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::rng::Draws;

/// Means up to which a Poisson number is found by inversion.
const INVERSION: f64 = 10.0;

/// A distribution of random numbers.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_core::dataset::Random;
///
/// # fn main() -> firesteel_core::Result<()> {
/// let ctx = Context::local();
/// let few = ctx.random(Random::Normal, 1_000, 2, 7)?;
/// let many = ctx.random(Random::Normal, 1_000, 8, 7)?;
/// assert_eq!(few.collect()?, many.collect()?); // partitions do not matter
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Random {
    /// Uniform in `[0, 1)`.
    Uniform,
    /// Normal with mean 0 and variance 1.
    Normal,
    /// Poisson.
    Poisson {
        /// Its mean: above 0, at most 10⁹.
        mean: f64,
    },
    /// Exponential.
    Exponential {
        /// Its mean: above 0.
        mean: f64,
    },
    /// Gamma, of mean `shape · scale`.
    Gamma {
        /// Above 0.
        shape: f64,
        /// Above 0.
        scale: f64,
    },
    /// What has a normal logarithm.
    LogNormal {
        /// Mean of the logarithm.
        mean: f64,
        /// Standard deviation of the logarithm: 0 or more.
        std: f64,
    },
}

impl Random {
    fn check(&self) -> Result<()> {
        let require = |name: &str, value: f64, expected: &str, holds: bool| {
            if holds { Ok(()) } else { Err(Error::parameter(name, value, expected)) }
        };
        let positive = |name: &str, value: f64| {
            require(name, value, "above 0 and finite", value > 0.0 && value.is_finite())
        };
        match *self {
            Self::Uniform | Self::Normal => Ok(()),
            Self::Poisson { mean } => {
                require("mean", mean, "above 0, at most 1e9", mean > 0.0 && mean <= 1e9)
            }
            Self::Exponential { mean } => positive("mean", mean),
            Self::Gamma { shape, scale } => {
                positive("shape", shape).and_then(|()| positive("scale", scale))
            }
            Self::LogNormal { mean, std } => {
                require("mean", mean, "finite", mean.is_finite())?;
                require("std", std, "0 or more and finite", std >= 0.0 && std.is_finite())
            }
        }
    }

    fn purpose(&self) -> &'static str {
        match self {
            Self::Uniform => "random uniform",
            Self::Normal => "random normal",
            Self::Poisson { .. } => "random poisson",
            Self::Exponential { .. } => "random exponential",
            Self::Gamma { .. } => "random gamma",
            Self::LogNormal { .. } => "random log normal",
        }
    }

    fn draw(&self, from: &mut Row<'_>) -> f64 {
        match *self {
            Self::Uniform => from.uniform(),
            Self::Normal => normal(from),
            Self::Poisson { mean } if mean < INVERSION => poisson_by_inversion(from, mean),
            Self::Poisson { mean } => poisson_by_rejection(from, mean),
            Self::Exponential { mean } => -mean * log(from.above_zero()),
            Self::Gamma { shape, scale } => scale * gamma(from, shape),
            Self::LogNormal { mean, std } => exp(mean + std * normal(from)),
        }
    }
}

/// The draws of one number, one after the other.
struct Row<'a> {
    draws: &'a Draws,
    row: u64,
    next: u64,
}

impl Row<'_> {
    fn uniform(&mut self) -> f64 {
        self.next += 1;
        self.draws.uniform_at(self.row, self.next - 1)
    }

    /// Uniform in `(0, 1]`.
    fn above_zero(&mut self) -> f64 {
        1.0 - self.uniform()
    }
}

/// Box & Muller, "A note on the generation of random normal deviates", 1958; the cosine alone.
fn normal(from: &mut Row<'_>) -> f64 {
    let radius = sqrt(-2.0 * log(from.above_zero()));
    radius * cos(std::f64::consts::TAU * from.uniform())
}

/// Sums the probabilities up to a uniform draw (Devroye, "Non-Uniform Random Variate Generation",
/// 1986, X.3.3).
fn poisson_by_inversion(from: &mut Row<'_>, mean: f64) -> f64 {
    let (mut k, mut left, mut probability) = (0.0, from.uniform(), exp(-mean));
    // Rounding may leave a rest that no probability takes away; they fall to zero first.
    while left >= probability && probability > 0.0 {
        left -= probability;
        k += 1.0;
        probability *= mean / k;
    }
    k
}

/// Transformed rejection with a squeeze: algorithm PTRS of Hörmann, "The transformed rejection
/// method for generating Poisson random variables", 1993.
fn poisson_by_rejection(from: &mut Row<'_>, mean: f64) -> f64 {
    let log_mean = log(mean);
    let b = 0.931 + 2.53 * sqrt(mean);
    let a = -0.059 + 0.02483 * b;
    let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    let squeeze = 0.9277 - 3.6224 / (b - 2.0);
    loop {
        let u = from.uniform() - 0.5;
        let v = from.above_zero();
        let us = 0.5 - u.abs();
        let k = floor((2.0 * a / us + b) * u + mean + 0.43);
        if us >= 0.07 && v <= squeeze {
            return k;
        }
        if k < 0.0 || (us < 0.013 && v > us) {
            continue;
        }
        let bound = k * log_mean - mean - lgamma(k + 1.0);
        if log(v * inverse_alpha / (a / (us * us) + b)) <= bound {
            return k;
        }
    }
}

/// Marsaglia & Tsang, "A simple method for generating gamma variables", 2000, with their boost
/// for shapes below 1.
fn gamma(from: &mut Row<'_>, shape: f64) -> f64 {
    if shape < 1.0 {
        let boost = pow(from.above_zero(), 1.0 / shape);
        return boost * gamma(from, shape + 1.0);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / sqrt(9.0 * d);
    loop {
        let x = normal(from);
        let root = 1.0 + c * x;
        if root <= 0.0 {
            continue;
        }
        let v = root * root * root;
        if log(from.above_zero()) < 0.5 * x * x + d - d * v + d * log(v) {
            return d * v;
        }
    }
}

impl Context {
    /// `rows` independent random numbers of a distribution, in `partitions` partitions (from 1 to
    /// 2²⁰; what lies outside is taken as the nearer end).
    ///
    /// Row `i` is a function of the distribution, `seed` and `i` alone: the partitions move no
    /// number. In Spark each partition has a generator of its own, so there they do.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] that names a parameter of the distribution outside its range.
    ///
    /// # Cost
    ///
    /// Nothing is held: a number is made from seed and row when it is asked for; one Philox block
    /// for two draws.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Random;
    ///
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let numbers = ctx.random(Random::Normal, 1_000, 4, 7)?;
    /// assert_eq!(numbers.first()?, ctx.random(Random::Normal, 1_000, 9, 7)?.first()?);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn random(
        &self,
        of: Random,
        rows: u64,
        partitions: usize,
        seed: u64,
    ) -> Result<Dataset<f64>> {
        of.check()?;
        let draws = Draws::new(seed, of.purpose());
        let number = move |row| of.draw(&mut Row { draws: &draws, row, next: 0 });
        Ok(self.numbered("random", rows, partitions, number))
    }

    /// `rows` vectors of `columns` independent random numbers each; otherwise as
    /// [`random`](Self::random).
    ///
    /// # Errors
    ///
    /// As [`random`](Self::random), and for more than 2⁶⁴ numbers in all.
    ///
    /// # Cost
    ///
    /// As [`random`](Self::random), and a vector a row.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::dataset::Random;
    ///
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let points = ctx.random_vectors(Random::Uniform, 100, 3, 4, 7)?;
    /// assert!(points.collect()?.iter().all(|point| point.len() == 3));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn random_vectors(
        &self,
        of: Random,
        rows: u64,
        columns: usize,
        partitions: usize,
        seed: u64,
    ) -> Result<Dataset<Vec<f64>>> {
        of.check()?;
        let columns = columns as u64;
        if rows.checked_mul(columns).is_none() {
            let expected = "such that rows times columns fits in 64 bits";
            return Err(Error::parameter("columns", columns, expected));
        }
        let draws = Draws::new(seed, of.purpose());
        let vector = move |row| {
            let numbers = row * columns..(row + 1) * columns;
            numbers.map(|row| of.draw(&mut Row { draws: &draws, row, next: 0 })).collect()
        };
        Ok(self.numbered("random_vectors", rows, partitions, vector))
    }

    #[track_caller]
    fn numbered<T: crate::Data>(
        &self,
        name: &'static str,
        rows: u64,
        partitions: usize,
        row: impl Fn(u64) -> T + Clone + Send + Sync + 'static,
    ) -> Dataset<T> {
        let partitions = partitions.clamp(1, super::source::MOST_ASKED);
        self.generate(name, partitions, move |partition| {
            let row = row.clone();
            let numbers = slice(rows, partitions, partition);
            Ok(numbers.map(move |number| Ok::<T, Error>(row(number))))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_ranks;

    const N: u64 = 40_000;

    fn drawn(of: Random) -> Vec<f64> {
        Context::local().random(of, N, 3, 11).unwrap().collect().unwrap()
    }

    /// Mean and variance within five standard errors; `kurtosis` is the fourth central moment
    /// over the squared variance.
    fn assert_moments(of: Random, mean: f64, variance: f64, kurtosis: f64) {
        let rows = drawn(of);
        let n = N as f64;
        let m = rows.iter().sum::<f64>() / n;
        let v = rows.iter().map(|x| (x - m).powi(2)).sum::<f64>() / n;
        assert!((m - mean).abs() < 5.0 * (variance / n).sqrt(), "{of:?}: mean {m}, not {mean}");
        let error = variance * ((kurtosis - 1.0) / n).sqrt();
        assert!((v - variance).abs() < 5.0 * error, "{of:?}: variance {v}, not {variance}");
    }

    /// Kolmogorov and Smirnov's test; 1.95/√n is passed once in a thousand.
    fn assert_distribution(of: Random, cdf: impl Fn(f64) -> f64) {
        let mut rows = drawn(of);
        rows.sort_by(f64::total_cmp);
        let n = N as f64;
        let gap = rows.iter().enumerate().map(|(i, &x)| {
            let p = cdf(x);
            (p - i as f64 / n).abs().max((p - (i + 1) as f64 / n).abs())
        });
        let gap = gap.fold(0.0, f64::max);
        assert!(gap < 1.95 / n.sqrt(), "{of:?}: {gap}");
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        assert_moments(Random::Uniform, 0.5, 1.0 / 12.0, 1.8);
        assert_moments(Random::Normal, 0.0, 1.0, 3.0);
        for mean in [0.1, 3.0, 9.9, 10.0, 50.0, 1e6] {
            assert_moments(Random::Poisson { mean }, mean, mean, 3.0 + 1.0 / mean);
        }
        assert_moments(Random::Exponential { mean: 2.5 }, 2.5, 6.25, 9.0);
        for (shape, scale) in [(0.3, 2.0), (1.0, 1.0), (7.5, 0.5)] {
            let of = Random::Gamma { shape, scale };
            assert_moments(of, shape * scale, shape * scale * scale, 3.0 + 6.0 / shape);
        }
    }

    #[test]
    fn distribution_functions_are_those_of_the_distributions() {
        let phi = |x: f64| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
        assert_distribution(Random::Uniform, |x| x);
        assert_distribution(Random::Normal, phi);
        assert_distribution(Random::Exponential { mean: 2.0 }, |x| 1.0 - exp(-x / 2.0));
        assert_distribution(Random::LogNormal { mean: 1.0, std: 0.5 }, |x| {
            phi((log(x) - 1.0) / 0.5)
        });
        let half = Random::Gamma { shape: 0.5, scale: 1.0 };
        assert_distribution(half, |x| libm::erf(sqrt(x)));
        let two = Random::Gamma { shape: 2.0, scale: 3.0 };
        assert_distribution(two, |x| 1.0 - exp(-x / 3.0) * (1.0 + x / 3.0));
    }

    #[test]
    fn poisson_numbers_pass_a_chi_square_test() {
        for mean in [2.0, 12.0] {
            let mut counts = [0.0; 25];
            for k in drawn(Random::Poisson { mean }) {
                counts[(k as usize).min(24)] += 1.0;
            }
            let probability = |k: usize| exp(k as f64 * log(mean) - mean - lgamma(k as f64 + 1.0));
            let (mut chi2, mut cells) = (0.0, 0.0);
            for (k, count) in counts.iter().enumerate().take(24) {
                let expected = N as f64 * probability(k);
                if expected >= 5.0 {
                    chi2 += (count - expected) * (count - expected) / expected;
                    cells += 1.0;
                }
            }
            assert!(chi2 < cells + 5.0 * f64::sqrt(2.0 * cells), "{mean}: {chi2} of {cells}");
        }
    }

    #[test]
    fn numbers_are_the_same_bits_in_any_partitions_on_any_ranks() {
        let bits = |rows: Vec<f64>| rows.into_iter().map(f64::to_bits).collect::<Vec<_>>();
        let of = Random::Gamma { shape: 0.7, scale: 2.0 };
        for rows in [0, 1, 1_000] {
            let one = bits(Context::local().random(of, rows, 1, 3).unwrap().collect().unwrap());
            assert_eq!(one.len() as u64, rows);
            for partitions in [0, 2, 7] {
                for came in
                    on_ranks(3, |ctx| ctx.random(of, rows, partitions, 3).unwrap().collect())
                {
                    assert_eq!(bits(came.unwrap()), one);
                }
            }
        }
        let ctx = Context::local();
        let flat = ctx.random(of, 12, 2, 3).unwrap().collect().unwrap();
        let vectors = ctx.random_vectors(of, 4, 3, 3, 3).unwrap().collect().unwrap();
        assert_eq!(bits(vectors.concat()), bits(flat));
        assert_ne!(
            bits(ctx.random(of, 4, 1, 4).unwrap().collect().unwrap()),
            bits(vectors.concat())
        );
    }

    #[test]
    fn parameters_outside_their_range_are_named() {
        let ctx = Context::local();
        for (of, wrong) in [
            (Random::Poisson { mean: 0.0 }, "mean"),
            (Random::Poisson { mean: f64::NAN }, "mean"),
            (Random::Exponential { mean: f64::INFINITY }, "mean"),
            (Random::Gamma { shape: -1.0, scale: 1.0 }, "shape"),
            (Random::Gamma { shape: 1.0, scale: 0.0 }, "scale"),
            (Random::LogNormal { mean: 0.0, std: -1.0 }, "std"),
        ] {
            let error = ctx.random(of, 1, 1, 0).unwrap_err();
            assert!(matches!(&error, Error::Parameter { name, .. } if name == wrong), "{error}");
        }
        assert!(ctx.random_vectors(Random::Normal, u64::MAX, 2, 1, 0).is_err());
    }
}
