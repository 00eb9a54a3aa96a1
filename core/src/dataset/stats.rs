//! Numbers that describe numbers, in one pass.

use serde::{Deserialize, Serialize};

use super::Dataset;
use crate::error::{Error, Result};
use crate::hash::fixed_hash;
use crate::job::Job;

/// Count, moments and extremes of numbers, mergeable.
///
/// # Examples
///
/// ```
/// use firesteel_core::Stats;
///
/// let all: Stats = [1.0, 2.0, 6.0].into_iter().collect();
/// assert_eq!((all.count, all.mean, all.max), (3, 3.0, 6.0));
/// assert_eq!(all.sample_variance(), 7.0);
/// ```
///
/// # References
///
/// T. F. Chan, G. H. Golub & R. J. LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing
/// Sample Variances", 1979.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Stats {
    /// How many numbers there were.
    pub count: u64,
    /// Their mean; zero of none.
    pub mean: f64,
    /// The sum of their squared distances from the mean.
    pub m2: f64,
    /// The smallest; plus infinity of none.
    pub min: f64,
    /// The greatest; minus infinity of none.
    pub max: f64,
}

impl Default for Stats {
    fn default() -> Self {
        Self { count: 0, mean: 0.0, m2: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Stats {
    /// With one more number. NaN makes the moments NaN and leaves the extremes.
    #[must_use]
    pub fn with(mut self, x: f64) -> Self {
        self.count += 1;
        let delta = x - self.mean;
        self.mean += delta / self.count as f64;
        self.m2 += delta * (x - self.mean);
        self.min = self.min.min(x);
        self.max = self.max.max(x);
        self
    }

    /// Of these numbers and those of `other` together.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        if self.count == 0 {
            return other;
        }
        if other.count == 0 {
            return self;
        }
        let count = self.count + other.count;
        let (here, there) = (self.count as f64, other.count as f64);
        let delta = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + delta * there / count as f64,
            m2: self.m2 + other.m2 + delta * delta * here * there / count as f64,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }

    /// Their sum, as mean times count.
    pub fn sum(&self) -> f64 {
        self.mean * self.count as f64
    }

    /// The mean squared distance from the mean (divided by n); NaN of none.
    pub fn variance(&self) -> f64 {
        self.m2 / self.count as f64
    }

    /// The estimate of the variance of what the numbers are a sample of (divided by n − 1); NaN of
    /// fewer than two.
    pub fn sample_variance(&self) -> f64 {
        if self.count < 2 { f64::NAN } else { self.m2 / (self.count - 1) as f64 }
    }

    /// The square root of [`variance`](Self::variance).
    pub fn stdev(&self) -> f64 {
        self.variance().sqrt()
    }

    /// The square root of [`sample_variance`](Self::sample_variance).
    pub fn sample_stdev(&self) -> f64 {
        self.sample_variance().sqrt()
    }
}

impl FromIterator<f64> for Stats {
    fn from_iter<I: IntoIterator<Item = f64>>(numbers: I) -> Self {
        numbers.into_iter().fold(Self::default(), Self::with)
    }
}

/// How many numbers fall into each of some buckets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Histogram {
    /// Where buckets start and end: one more than there are buckets, ascending.
    pub bounds: Vec<f64>,
    /// Numbers in each: from its start up to but without its end; the last has its end too.
    pub counts: Vec<u64>,
}

impl Dataset<f64> {
    /// Count, mean, variance and extremes.
    ///
    /// Each partition's from first to last, these over the fixed tree: the same bits on any threads
    /// and ranks.
    ///
    /// # Errors
    ///
    /// What the lineage's closures give, and what an action can give: see [`Error`].
    ///
    /// # Cost
    ///
    /// One pass; five numbers a partition travel.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let stats = firesteel_core::Context::local().range(1..10).map(|x| x as f64).stats()?;
    /// assert_eq!((stats.mean, stats.variance(), stats.max), (5.0, 60.0 / 9.0, 9.0));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn stats(&self) -> Result<Stats> {
        let job = self.begin("stats")?;
        self.stats_of(&job)
    }

    fn stats_of(&self, job: &Job<'_>) -> Result<Stats> {
        self.aggregated(job, Stats::default(), |stats, x| Ok(stats.with(*x)), Stats::merge)
    }

    /// The mean.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] without rows; else as [`stats`](Self::stats).
    ///
    /// # Cost
    ///
    /// As [`stats`](Self::stats).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.parallelize(vec![1.0, 2.0, 6.0]).mean()?, 3.0);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn mean(&self) -> Result<f64> {
        let job = self.begin("mean")?;
        self.of_some(&job, |stats| stats.mean)
    }

    /// The mean squared distance from the mean (divided by n).
    ///
    /// # Errors
    ///
    /// As [`mean`](Self::mean).
    ///
    /// # Cost
    ///
    /// As [`stats`](Self::stats).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.parallelize(vec![1.0, 3.0]).variance()?, 1.0);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn variance(&self) -> Result<f64> {
        let job = self.begin("variance")?;
        self.of_some(&job, |stats| stats.variance())
    }

    /// The square root of [`variance`](Self::variance).
    ///
    /// # Errors
    ///
    /// As [`mean`](Self::mean).
    ///
    /// # Cost
    ///
    /// As [`stats`](Self::stats).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.parallelize(vec![1.0, 5.0]).stdev()?, 2.0);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn stdev(&self) -> Result<f64> {
        let job = self.begin("stdev")?;
        self.of_some(&job, |stats| stats.stdev())
    }

    /// The variance estimated from a sample (divided by n − 1); NaN of one row.
    ///
    /// # Errors
    ///
    /// As [`mean`](Self::mean).
    ///
    /// # Cost
    ///
    /// As [`stats`](Self::stats).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.parallelize(vec![1.0, 3.0]).sample_variance()?, 2.0);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn sample_variance(&self) -> Result<f64> {
        let job = self.begin("sample_variance")?;
        self.of_some(&job, |stats| stats.sample_variance())
    }

    /// The square root of [`sample_variance`](Self::sample_variance).
    ///
    /// # Errors
    ///
    /// As [`mean`](Self::mean).
    ///
    /// # Cost
    ///
    /// As [`stats`](Self::stats).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.parallelize(vec![0.0, 2.0, 4.0]).sample_stdev()?, 2.0);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn sample_stdev(&self) -> Result<f64> {
        let job = self.begin("sample_stdev")?;
        self.of_some(&job, |stats| stats.sample_stdev())
    }

    fn of_some(&self, job: &Job<'_>, of: impl Fn(Stats) -> f64) -> Result<f64> {
        let stats = self.stats_of(job)?;
        if stats.count == 0 { Err(job.empty()) } else { Ok(of(stats)) }
    }

    /// Counts the numbers in `buckets` buckets of equal width between the smallest and the greatest.
    ///
    /// Where all are equal there is one bucket, as in Spark; where so few numbers lie between them that
    /// buckets would have no width, those are left out.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] for zero buckets or more than 2²⁴; [`Error::Empty`] without rows; [`Error::BadValue`] for a
    /// number that is not finite (Spark counts NaN nowhere); and what an action can give.
    ///
    /// # Cost
    ///
    /// Two passes; the counts of each partition travel.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let rows = firesteel_core::Context::local().range(0..11).map(|x| x as f64);
    /// let histogram = rows.histogram(2)?;
    /// assert_eq!((histogram.bounds, histogram.counts), (vec![0.0, 5.0, 10.0], vec![5, 6]));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn histogram(&self, buckets: usize) -> Result<Histogram> {
        if !(1..=MOST_BUCKETS).contains(&buckets) {
            return Err(Error::parameter("buckets", buckets, "between 1 and 2^24"));
        }
        let job = self.begin("histogram")?;
        job.runs_on(buckets as u64);
        let span = |(min, max): (f64, f64), x: &f64| {
            if !x.is_finite() {
                return Err(not_finite(*x).into());
            }
            // Of the two zeros only the positive one: which is the smaller is not defined.
            let x = *x + 0.0;
            Ok((min.min(x), max.max(x)))
        };
        let both = |a: (f64, f64), b: (f64, f64)| (a.0.min(b.0), a.1.max(b.1));
        let (min, max) = self.aggregated(&job, (f64::INFINITY, f64::NEG_INFINITY), span, both)?;
        if min > max {
            return Err(job.empty());
        }
        let bounds = if min < max { even_bounds(min, max, buckets) } else { vec![min, max] };
        self.counted(&job, bounds)
    }

    /// Counts the numbers between the given bounds; those outside are counted nowhere.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] unless there are at least two bounds, finite and ascending;
    /// [`Error::BadValue`] for NaN; and what an action can give.
    ///
    /// # Cost
    ///
    /// One pass; the counts of each partition travel.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let rows = firesteel_core::Context::local().range(0..100).map(|x| x as f64);
    /// assert_eq!(rows.histogram_with(&[0.0, 10.0, 50.0])?.counts, [10, 41]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn histogram_with(&self, bounds: &[f64]) -> Result<Histogram> {
        let ascend = bounds.windows(2).all(|pair| pair[0] < pair[1]);
        if bounds.len() < 2 || !ascend || !bounds.iter().all(|bound| bound.is_finite()) {
            let expected = "at least two numbers, finite and ascending";
            return Err(Error::parameter("bounds", format!("{bounds:?}"), expected));
        }
        let job = self.begin("histogram_with")?;
        job.runs_on(fixed_hash(&bounds.iter().map(|x| x.to_bits()).collect::<Vec<_>>()));
        self.counted(&job, bounds.to_vec())
    }

    fn counted(&self, job: &Job<'_>, bounds: Vec<f64>) -> Result<Histogram> {
        let zero = vec![0_u64; bounds.len() - 1];
        let add = |mut counts: Vec<u64>, x: &f64| {
            if x.is_nan() {
                return Err(not_finite(*x).into());
            }
            let at = bounds.partition_point(|bound| bound <= x);
            // The last bucket has its end.
            let is_end = at == bounds.len() && bounds.last().is_some_and(|last| x <= last);
            if let Some(bucket) = at.checked_sub(1 + usize::from(is_end))
                && let Some(count) = counts.get_mut(bucket)
            {
                *count += 1;
            }
            Ok(counts)
        };
        let both = |mut a: Vec<u64>, b: Vec<u64>| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            a
        };
        let counts = self.aggregated(job, zero, add, both)?;
        Ok(Histogram { bounds, counts })
    }
}

/// So many buckets at most: more have no use, and 2⁶⁴ of them no place.
const MOST_BUCKETS: usize = 1 << 24;

/// Bounds of equal buckets, `min + i·(max − min)/buckets`; rounding may make some of them equal, which
/// then are left out.
fn even_bounds(min: f64, max: f64, buckets: usize) -> Vec<f64> {
    // A power of two, which rounds nothing, keeps the products of huge numbers finite.
    let scale = if max.max(-min) > 1e290 { 2_f64.powi(-64) } else { 1.0 };
    let (low, span) = (min * scale, max * scale - min * scale);
    let bound = |i| (low + i as f64 * span / buckets as f64) / scale;
    // A rounded span may reach past the end.
    let inner = (1..buckets).map(|i| bound(i).clamp(min, max));
    let mut bounds: Vec<f64> = std::iter::once(min).chain(inner).chain([max]).collect();
    bounds.dedup();
    bounds
}

fn not_finite(x: f64) -> Error {
    Error::BadValue {
        operation: "histogram".into(),
        row: 0,
        column: "value".into(),
        value: x.to_string(),
        expected: "a finite number".into(),
    }
}
