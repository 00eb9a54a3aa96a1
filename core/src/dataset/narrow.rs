//! Chunk-by-chunk operators: each output partition is made of one input partition, in order.

use std::marker::PhantomData;
use std::sync::Arc;

use super::chunk::{AnyChunk, Chunk};
use super::node::{Step, StepRun};
use super::{Dataset, call};
use crate::data::Data;
use crate::error::{Failure, TaskFailure};
use crate::job::Call;

impl<T: Data> Dataset<T> {
    /// Applies `f` to every row.
    ///
    /// # Cost
    ///
    /// No pass of its own: it runs fused with its neighbours. Rows of a cached dataset are cloned
    /// first; [`map_ref`](Self::map_ref) avoids that.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.range(0..3).map(|x| x as f64 / 2.0).collect()?, [0.0, 0.5, 1.0]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn map<U: Data>(&self, f: impl Fn(T) -> U + Send + Sync + 'static) -> Dataset<U> {
        self.each(call("map"), f)
    }

    pub(super) fn each<U: Data>(
        &self,
        call: Call,
        f: impl Fn(T) -> U + Send + Sync + 'static,
    ) -> Dataset<U> {
        self.step(
            call,
            EachChunk::new(move |chunk: Chunk<T>| {
                Ok(match chunk {
                    Chunk::Owned(rows) => rows.into_iter().map(&f).collect(),
                    Chunk::Shared(rows, range) => rows[range].iter().cloned().map(&f).collect(),
                })
            }),
        )
    }

    /// Replaces every row by the rows that `f` pushes behind those of the rows before it.
    ///
    /// # Cost
    ///
    /// As [`map_ref`](Self::map_ref): nothing is cloned, and where [`flat_map`](Self::flat_map) makes
    /// an iterator for each row, here the rows go straight to where they are read next.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let lines = firesteel_core::Context::local().parallelize(vec!["fire and", "steel"]);
    /// let words = lines.flat_map_into(|line, out| out.extend(line.split(' ').map(str::to_owned)));
    /// assert_eq!(words.collect()?, ["fire", "and", "steel"]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn flat_map_into<U: Data>(
        &self,
        f: impl Fn(&T, &mut Vec<U>) + Send + Sync + 'static,
    ) -> Dataset<U> {
        self.each_into(call("flat_map_into"), f)
    }

    pub(crate) fn each_into<U: Data>(
        &self,
        call: Call,
        f: impl Fn(&T, &mut Vec<U>) + Send + Sync + 'static,
    ) -> Dataset<U> {
        self.step(
            call,
            EachChunk::new(move |chunk: Chunk<T>| {
                let mut out = Vec::with_capacity(chunk.as_slice().len());
                chunk.as_slice().iter().for_each(|row| f(row, &mut out));
                Ok(out)
            }),
        )
    }

    /// Applies `f` to a reference to every row.
    ///
    /// # Cost
    ///
    /// As [`map`](Self::map), and nothing is cloned.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let names = ctx.parallelize(vec!["fire".to_owned(), "steel".to_owned()]);
    /// assert_eq!(names.map_ref(|name| name.len()).collect()?, [4, 5]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn map_ref<U: Data>(&self, f: impl Fn(&T) -> U + Send + Sync + 'static) -> Dataset<U> {
        self.mapped(call("map_ref"), f)
    }

    pub(super) fn mapped<U: Data>(
        &self,
        call: Call,
        f: impl Fn(&T) -> U + Send + Sync + 'static,
    ) -> Dataset<U> {
        self.step(
            call,
            EachChunk::new(move |chunk: Chunk<T>| Ok(chunk.as_slice().iter().map(&f).collect())),
        )
    }

    /// Applies `f` to every row; the first error ends the job.
    ///
    /// # Errors
    ///
    /// The action that runs this returns the error on every rank: a core
    /// [`Error`](crate::Error) as it is, any other as [`Error::Task`](crate::Error::Task) with
    /// its message.
    ///
    /// # Cost
    ///
    /// As [`map`](Self::map): rows are changed on their way, nothing moves.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::{Context, Error};
    ///
    /// let numbers = Context::local().parallelize(vec!["1", "2", "x"]).try_map(str::parse::<i32>);
    /// assert!(matches!(numbers.collect(), Err(Error::Task { .. })));
    /// ```
    #[track_caller]
    pub fn try_map<U: Data, E: Into<TaskFailure>>(
        &self,
        f: impl Fn(T) -> Result<U, E> + Send + Sync + 'static,
    ) -> Dataset<U> {
        self.step(
            call("try_map"),
            EachChunk::new(move |chunk: Chunk<T>| {
                let apply = |row| f(row).map_err(|error| error.into().0);
                match chunk {
                    Chunk::Owned(rows) => rows.into_iter().map(apply).collect(),
                    Chunk::Shared(rows, range) => rows[range].iter().cloned().map(apply).collect(),
                }
            }),
        )
    }

    /// Replaces every row by the rows that `f` makes of it; the first error ends the job.
    ///
    /// # Errors
    ///
    /// As [`try_map`](Self::try_map).
    ///
    /// # Cost
    ///
    /// As [`map`](Self::map); what is made of some thousand rows is in memory at once.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let lines = firesteel_core::Context::local().parallelize(vec!["1 2", "", "3"]);
    /// let numbers = lines.try_flat_map(|line| {
    ///     line.split_whitespace().map(str::parse).collect::<Result<Vec<i32>, _>>()
    /// });
    /// assert_eq!(numbers.collect()?, [1, 2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn try_flat_map<I, E>(
        &self,
        f: impl Fn(T) -> Result<I, E> + Send + Sync + 'static,
    ) -> Dataset<I::Item>
    where
        I: IntoIterator<Item: Data>,
        E: Into<TaskFailure>,
    {
        self.step(
            call("try_flat_map"),
            EachChunk::new(move |chunk: Chunk<T>| {
                let mut out = Vec::with_capacity(chunk.as_slice().len());
                let mut add = |row| {
                    out.extend(f(row).map_err(|error| error.into().0)?);
                    Ok::<_, Failure>(())
                };
                match chunk {
                    Chunk::Owned(rows) => rows.into_iter().try_for_each(&mut add)?,
                    Chunk::Shared(rows, range) => {
                        rows[range].iter().cloned().try_for_each(&mut add)?;
                    }
                }
                Ok(out)
            }),
        )
    }

    /// Keeps the rows for which `keep` holds; the first error ends the job.
    ///
    /// # Errors
    ///
    /// As [`try_map`](Self::try_map).
    ///
    /// # Cost
    ///
    /// As [`filter`](Self::filter): only rows that stay are cloned, and those only from a cache.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let texts = ctx.parallelize(vec!["4", "7"]).map(str::to_owned);
    /// let even = texts.try_filter(|x| x.parse().map(|x: i32| x % 2 == 0));
    /// assert_eq!(even.collect()?, ["4"]);
    /// assert!(texts.try_filter(|x| x.parse::<bool>()).collect().is_err());
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn try_filter<E: Into<TaskFailure>>(
        &self,
        keep: impl Fn(&T) -> Result<bool, E> + Send + Sync + 'static,
    ) -> Dataset<T> {
        self.step(
            call("try_filter"),
            EachChunk::new(move |chunk: Chunk<T>| match chunk {
                Chunk::Owned(rows) => {
                    rows.into_iter().filter_map(|row| sifted(keep(&row), row)).collect()
                }
                Chunk::Shared(rows, range) => rows[range]
                    .iter()
                    .filter_map(|row| sifted(keep(row), row))
                    .map(|row| row.cloned())
                    .collect(),
            }),
        )
        .placed_as(self)
    }

    /// Keeps the rows for which `keep` holds.
    ///
    /// # Cost
    ///
    /// Rows are looked at on their way, nothing moves or is held.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.range(0..10).filter(|x| x % 4 == 1).collect()?, [1, 5, 9]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn filter(&self, keep: impl Fn(&T) -> bool + Send + Sync + 'static) -> Dataset<T> {
        self.step(
            call("filter"),
            EachChunk::new(move |chunk: Chunk<T>| {
                Ok(match chunk {
                    Chunk::Owned(rows) => retained(rows, &keep),
                    Chunk::Shared(rows, range) => {
                        rows[range].iter().filter(|row| keep(row)).cloned().collect()
                    }
                })
            }),
        )
        .placed_as(self)
    }

    /// Pairs every row with a key made from it.
    ///
    /// # Cost
    ///
    /// As [`map`](Self::map).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let words = ctx.parallelize(vec!["of".to_owned(), "fire".to_owned()]);
    /// let keyed = words.key_by(|word| word.len());
    /// assert_eq!(keyed.keys().collect()?, [2, 4]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn key_by<K: Data>(
        &self,
        key: impl Fn(&T) -> K + Send + Sync + 'static,
    ) -> Dataset<(K, T)> {
        self.keyed(call("key_by"), key)
    }

    pub(super) fn keyed<K: Data>(
        &self,
        call: Call,
        key: impl Fn(&T) -> K + Send + Sync + 'static,
    ) -> Dataset<(K, T)> {
        self.step(
            call,
            EachChunk::new(move |chunk: Chunk<T>| {
                let pair = |row: T| (key(&row), row);
                Ok(match chunk {
                    Chunk::Owned(rows) => rows.into_iter().map(pair).collect(),
                    Chunk::Shared(rows, range) => rows[range].iter().cloned().map(pair).collect(),
                })
            }),
        )
    }
}

/// A row, if it stays, or the error.
fn sifted<R, E: Into<TaskFailure>>(stays: Result<bool, E>, row: R) -> Option<Result<R, Failure>> {
    match stays {
        Ok(stays) => stays.then_some(Ok(row)),
        Err(error) => Some(Err(error.into().0)),
    }
}

/// The rows for which `keep` holds, in order.
///
/// As `rows.retain(keep)`; but that jumps over each row that goes, and a processor that cannot
/// foresee the jumps loses more time over them than over everything else. Small rows are swapped
/// to the front without a jump; what gathers behind them are the rows that go.
fn retained<T>(mut rows: Vec<T>, keep: impl Fn(&T) -> bool) -> Vec<T> {
    if size_of::<T>() > 16 {
        rows.retain(keep);
        return rows;
    }
    let mut kept = 0;
    for i in 0..rows.len() {
        let stays = keep(&rows[i]);
        rows.swap(kept, i);
        kept += usize::from(stays);
    }
    rows.truncate(kept);
    rows
}

/// A step without a state: one function from chunk to chunk.
struct EachChunk<F, T> {
    apply: Arc<F>,
    item: PhantomData<fn(T)>,
}

impl<F, T> EachChunk<F, T> {
    fn new<U>(apply: F) -> Self
    where
        F: Fn(Chunk<T>) -> Result<Vec<U>, Failure> + Send + Sync + 'static,
    {
        Self { apply: Arc::new(apply), item: PhantomData }
    }
}

impl<F, T: Data, U: Data> Step for EachChunk<F, T>
where
    F: Fn(Chunk<T>) -> Result<Vec<U>, Failure> + Send + Sync + 'static,
{
    fn start(&self, _partition: usize) -> Box<dyn StepRun> {
        Box::new(EachChunk { apply: Arc::clone(&self.apply), item: PhantomData })
    }
}

impl<F, T: Data, U: Data> StepRun for EachChunk<F, T>
where
    F: Fn(Chunk<T>) -> Result<Vec<U>, Failure> + Send + Sync,
{
    fn apply(&mut self, chunk: AnyChunk) -> Result<AnyChunk, Failure> {
        Ok(Chunk::Owned((self.apply)(Chunk::from_erased(chunk))?).erased())
    }
}
