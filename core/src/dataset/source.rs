//! Where datasets begin: vectors, ranges, generators, files.

use std::ops::Range;
use std::sync::Arc;

use super::chunk::{AnyChunk, CHUNK, Chunk, Stream, Windows, made_at_a_time};
use super::node::Source;
use super::{Dataset, call};
use crate::context::Context;
use crate::data::Data;
use crate::error::{Error, Result, TaskFailure};
use crate::job::{Call, Task};

/// Rows in a partition of `parallelize` and `range` by default, while there are at most
/// [`MOST_PARTITIONS`] of them.
const ROWS: u64 = 1 << 16;
const MOST_PARTITIONS: u64 = 1024;

/// The default number of partitions: a function of the number of rows alone, so that neither
/// threads nor ranks move a partition's borders (law 2).
fn default_partitions(rows: u64) -> usize {
    rows.div_ceil(ROWS).clamp(1, MOST_PARTITIONS) as usize
}

/// Partitions that one may ask for, at most.
pub(super) const MOST_ASKED: usize = 1 << 20;

/// Rows `[p·n/k, (p + 1)·n/k)` of `n` in `k` partitions.
pub(super) fn slice(rows: u64, partitions: usize, partition: usize) -> Range<u64> {
    let border = |p: usize| (u128::from(rows) * p as u128 / partitions as u128) as u64;
    border(partition)..border(partition + 1)
}

impl Context {
    /// A dataset of the given rows, cut into partitions whose number depends on their number.
    ///
    /// Every rank passes the same rows (law 1) and keeps them; nothing is sent.
    ///
    /// # Cost
    ///
    /// Every rank holds all rows, outside of the memory budget, as long as the dataset lives; each
    /// task clones its own as it reads them.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.parallelize(vec![1.5, 2.5]).count()?, 2);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn parallelize<T: Data>(&self, rows: impl Into<Vec<T>>) -> Dataset<T> {
        let rows = rows.into();
        let partitions = default_partitions(rows.len() as u64);
        self.vector(call("parallelize"), rows, partitions)
    }

    /// [`parallelize`](Self::parallelize) into a given number of partitions (from 1 to 2²⁰; what lies outside is taken as the nearer end):
    /// partition `p` of `k` has rows `[p·n/k, (p + 1)·n/k)`.
    ///
    /// # Cost
    ///
    /// As [`parallelize`](Self::parallelize).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let rows = ctx.parallelize_in(vec!['a', 'b', 'c'], 2);
    /// assert_eq!(rows.glom().collect()?, [vec!['a'], vec!['b', 'c']]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn parallelize_in<T: Data>(
        &self,
        rows: impl Into<Vec<T>>,
        partitions: usize,
    ) -> Dataset<T> {
        self.vector(call("parallelize"), rows.into(), partitions)
    }

    fn vector<T: Data>(&self, call: Call, rows: Vec<T>, partitions: usize) -> Dataset<T> {
        let partitions = partitions.clamp(1, MOST_ASKED);
        Dataset::from_source(self, call, partitions, Vector { rows: Arc::new(rows), partitions })
    }

    /// The integers of a range.
    ///
    /// # Cost
    ///
    /// Nothing is held: numbers are made when they are asked for.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.range(5..9).collect()?, [5, 6, 7, 8]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn range(&self, range: Range<u64>) -> Dataset<u64> {
        let rows = range.end.saturating_sub(range.start);
        self.counted(call("range"), range, default_partitions(rows))
    }

    /// [`range`](Self::range) into a given number of partitions (from 1 to 2²⁰; what lies outside is taken as the nearer end).
    ///
    /// # Cost
    ///
    /// As [`range`](Self::range).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.range_in(0..4, 2).glom().collect()?, [vec![0, 1], vec![2, 3]]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn range_in(&self, range: Range<u64>, partitions: usize) -> Dataset<u64> {
        self.counted(call("range"), range, partitions)
    }

    /// The integers `start`, `start + step`, … before `end` (above it, if `step` is negative).
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] if `step` is 0.
    ///
    /// # Cost
    ///
    /// Nothing is held: numbers are made when they are asked for.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.range_by(0, 10, 4)?.collect()?, [0, 4, 8]);
    /// assert_eq!(ctx.range_by(3, -3, -2)?.collect()?, [3, 1, -1]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn range_by(&self, start: i64, end: i64, step: i64) -> Result<Dataset<i64>> {
        if step == 0 {
            return Err(Error::parameter("step", 0, "a number other than 0"));
        }
        let rise = i128::from(end) - i128::from(start);
        let span = if step > 0 { rise } else { -rise };
        let rows = span.max(0).unsigned_abs().div_ceil(u128::from(step.unsigned_abs())) as u64;
        let numbers = self.counted(call("range_by"), 0..rows, default_partitions(rows));
        // The true number lies in the range, so what wraps on the way to it wraps back.
        Ok(numbers.map(move |i| start.wrapping_add((i as i64).wrapping_mul(step))))
    }

    fn counted(&self, call: Call, range: Range<u64>, partitions: usize) -> Dataset<u64> {
        let partitions = partitions.clamp(1, MOST_ASKED);
        Dataset::from_source(self, call, partitions, Integers { range, partitions })
    }

    /// A dataset whose partition `p` has the rows that `rows(p)` yields.
    ///
    /// `rows` runs on the partition's home rank each time the partition is needed, and must yield
    /// the same each time.
    ///
    /// # Errors
    ///
    /// The iterator's items may be errors, which then are the action's error.
    ///
    /// # Cost
    ///
    /// What the iterators hold; nothing moves.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::{Context, Error};
    ///
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = Context::local();
    /// let stairs = ctx.generate("stairs", 3, |p| Ok((0..p).map(Ok::<_, Error>)));
    /// assert_eq!(stairs.collect()?, [0, 0, 1]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn generate<T, I, E, F>(&self, name: &'static str, partitions: usize, rows: F) -> Dataset<T>
    where
        T: Data,
        F: Fn(usize) -> Result<I> + Send + Sync + 'static,
        I: Iterator<Item = Result<T, E>> + Send + 'static,
        E: Into<TaskFailure> + 'static,
    {
        self.generated(call(name), partitions, made_at_a_time::<T>(), rows)
    }

    /// [`generate`](Self::generate) with a choice of how many rows make a chunk.
    pub(crate) fn generated<T, I, E, F>(
        &self,
        call: Call,
        partitions: usize,
        at_a_time: usize,
        rows: F,
    ) -> Dataset<T>
    where
        T: Data,
        F: Fn(usize) -> Result<I> + Send + Sync + 'static,
        I: Iterator<Item = Result<T, E>> + Send + 'static,
        E: Into<TaskFailure> + 'static,
    {
        Dataset::from_source(self, call, partitions, Generated { rows, at_a_time, call })
    }
}

struct Vector<T> {
    rows: Arc<Vec<T>>,
    partitions: usize,
}

impl<T: Data> Source for Vector<T> {
    fn open(&self, partition: usize, _task: &Arc<Task>) -> Result<Box<dyn Stream>> {
        let range = slice(self.rows.len() as u64, self.partitions, partition);
        let range = range.start as usize..range.end as usize;
        Ok(Box::new(Windows::of_range(Arc::clone(&self.rows), range)))
    }

    fn detail(&self) -> String {
        format!("{} rows", self.rows.len())
    }

    fn is_kept(&self) -> bool {
        true
    }
}

struct Integers {
    range: Range<u64>,
    partitions: usize,
}

impl Source for Integers {
    fn open(&self, partition: usize, _task: &Arc<Task>) -> Result<Box<dyn Stream>> {
        let rows = self.range.end.saturating_sub(self.range.start);
        let slice = slice(rows, self.partitions, partition);
        Ok(Box::new(Counting(self.range.start + slice.start..self.range.start + slice.end)))
    }

    fn detail(&self) -> String {
        format!("{:?}", self.range)
    }
}

struct Counting(Range<u64>);

impl Stream for Counting {
    fn next(&mut self) -> Result<Option<AnyChunk>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let end = self.0.end.min(self.0.start.saturating_add(CHUNK as u64));
        let rows: Vec<u64> = (self.0.start..end).collect();
        self.0.start = end;
        Ok(Some(Chunk::Owned(rows).erased()))
    }
}

struct Generated<F> {
    rows: F,
    at_a_time: usize,
    call: Call,
}

impl<T, I, E, F> Source for Generated<F>
where
    T: Data,
    F: Fn(usize) -> Result<I> + Send + Sync,
    I: Iterator<Item = Result<T, E>> + Send + 'static,
    E: Into<TaskFailure> + 'static,
{
    fn open(&self, partition: usize, task: &Arc<Task>) -> Result<Box<dyn Stream>> {
        let rows = (self.rows)(partition)?;
        let (at_a_time, call) = (self.at_a_time, self.call);
        Ok(Box::new(Generating { rows, at_a_time, call, task: Arc::clone(task) }))
    }
}

struct Generating<I> {
    rows: I,
    at_a_time: usize,
    call: Call,
    task: Arc<Task>,
}

impl<T: Data, E: Into<TaskFailure>, I: Iterator<Item = Result<T, E>> + Send> Stream
    for Generating<I>
{
    fn next(&mut self) -> Result<Option<AnyChunk>> {
        let mut chunk = Vec::new();
        for row in self.rows.by_ref().take(self.at_a_time) {
            chunk.push(row.map_err(|error| self.task.error(self.call, error.into().0))?);
        }
        Ok(if chunk.is_empty() { None } else { Some(Chunk::Owned(chunk).erased()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cover_the_rows_once_and_in_order() {
        for rows in [0, 1, 7, 100, u64::MAX] {
            for partitions in [1, 2, 3, 16] {
                let slices: Vec<_> = (0..partitions).map(|p| slice(rows, partitions, p)).collect();
                assert_eq!((slices[0].start, slices[partitions - 1].end), (0, rows));
                assert!(slices.windows(2).all(|pair| pair[0].end == pair[1].start));
            }
        }
    }
}
