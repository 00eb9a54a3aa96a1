//! Operators that see a partition as a whole, as an iterator over its rows.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};

use super::chunk::{AnyChunk, CHUNK, Chunk, Stream, Typed};
use super::node::{At, Partitionwise};
use super::{Dataset, call};
use crate::counters::Evaluation;
use crate::data::Data;
use crate::error::{Error, Result, TaskFailure};
use crate::job::{Call, Task, entering_for};

/// The rows of one partition, by value.
///
/// If a row cannot be computed the iterator ends; the job then fails with the error.
pub struct Items<T> {
    input: Typed<T>,
    chunk: std::vec::IntoIter<T>,
    fault: Fault,
    call: Call,
}

/// Where an iterator leaves the error that ended it.
pub(super) type Fault = Arc<Mutex<Option<Error>>>;

impl<T: Data> Items<T> {
    /// For the closure of an action.
    pub(super) fn new(input: Box<dyn Stream>, call: Call) -> Self {
        Self::of(Typed::new(input, call), call, Arc::default())
    }

    /// For the closure of an operator's evaluation; an error of any of its inputs goes to `fault`.
    pub(super) fn within(
        input: Box<dyn Stream>,
        call: Call,
        evaluation: Evaluation,
        fault: &Fault,
    ) -> Self {
        Self::of(Typed::of(input, call, evaluation), call, Arc::clone(fault))
    }

    fn of(input: Typed<T>, call: Call, fault: Fault) -> Self {
        Self { input, chunk: Vec::new().into_iter(), fault, call }
    }
}

impl<T> Items<T> {
    pub(super) fn fault(&self) -> Fault {
        Arc::clone(&self.fault)
    }
}

impl<T: Data> Iterator for Items<T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        loop {
            if let Some(row) = self.chunk.next() {
                return Some(row);
            }
            match self.input.next() {
                Ok(Some(chunk)) => self.chunk = chunk.into_vec().into_iter(),
                Ok(None) => return None,
                Err(error) => {
                    *lock(&self.fault) = Some(error);
                    return None;
                }
            }
        }
    }
}

impl<T> std::fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Items").field("call", &self.call).finish_non_exhaustive()
    }
}

fn lock(fault: &Fault) -> std::sync::MutexGuard<'_, Option<Error>> {
    fault.lock().unwrap_or_else(|poison| poison.into_inner())
}

impl<T: Data> Dataset<T> {
    /// Replaces every row by the rows that `f` makes of it.
    ///
    /// # Cost
    ///
    /// Rows are made on their way, nothing moves; an iterator a row.
    /// [`flat_map_into`](Self::flat_map_into) does without.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let letters = ctx.parallelize(vec!["ab", "", "c"]).flat_map(|word| word.chars());
    /// assert_eq!(letters.collect()?, ['a', 'b', 'c']);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn flat_map<I>(&self, f: impl Fn(T) -> I + Send + Sync + 'static) -> Dataset<I::Item>
    where
        I: IntoIterator<Item: Data, IntoIter: Send + 'static> + 'static,
    {
        let f = Arc::new(f);
        let work = move |_, items: Items<T>| {
            let f = Arc::clone(&f);
            Ok::<_, TaskFailure>(items.flat_map(move |row| f(row)))
        };
        self.partitionwise(call("flat_map"), Iterated::new(work))
    }

    /// Each partition as one row.
    ///
    /// # Cost
    ///
    /// No pass of its own; a partition must fit into memory.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let parts = firesteel_core::Context::local().range_in(0..5, 2).glom();
    /// assert_eq!(parts.collect()?, [vec![0, 1], vec![2, 3, 4]]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn glom(&self) -> Dataset<Vec<T>> {
        let work =
            |_, items: Items<T>| Ok::<_, TaskFailure>([items.collect::<Vec<T>>()].into_iter());
        self.partitionwise(call("glom"), Iterated::new(work))
    }

    /// Pairs every row with a number of its own: the `i`-th row of partition `p` of `k` with
    /// `p + i·k`.
    ///
    /// # Cost
    ///
    /// No pass of its own; [`zip_with_index`](Self::zip_with_index) needs one to count rows.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let rows = firesteel_core::Context::local().parallelize_in(vec!['a', 'b', 'c'], 2);
    /// assert_eq!(rows.zip_with_unique_id().collect()?, [('a', 0), ('b', 1), ('c', 3)]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn zip_with_unique_id(&self) -> Dataset<(T, u64)> {
        let step = self.partitions();
        let work =
            move |p, items: Items<T>| Ok::<_, TaskFailure>(items.zip((p as u64..).step_by(step)));
        self.partitionwise(call("zip_with_unique_id"), Iterated::new(work))
    }

    /// Replaces every partition by the rows that `f` makes of its rows.
    ///
    /// # Cost
    ///
    /// Nothing moves. What the closure holds is its own; rows that it has read are gone.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let sums = ctx.range_in(0..4, 2).map_partitions(|rows| [rows.sum::<u64>()]);
    /// assert_eq!(sums.collect()?, [1, 5]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn map_partitions<I>(
        &self,
        f: impl Fn(Items<T>) -> I + Send + Sync + 'static,
    ) -> Dataset<I::Item>
    where
        I: IntoIterator<Item: Data, IntoIter: Send + 'static> + 'static,
    {
        let work = move |_, items| Ok::<_, TaskFailure>(f(items).into_iter());
        self.partitionwise(call("map_partitions"), Iterated::new(work))
    }

    /// [`map_partitions`](Self::map_partitions) with the partition's number.
    ///
    /// # Cost
    ///
    /// As [`map_partitions`](Self::map_partitions).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let numbered = ctx.range_in(0..4, 2).map_partitions_with_index(|p, rows| rows.map(move |x| (p, x)));
    /// assert_eq!(numbered.collect()?, [(0, 0), (0, 1), (1, 2), (1, 3)]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn map_partitions_with_index<I>(
        &self,
        f: impl Fn(usize, Items<T>) -> I + Send + Sync + 'static,
    ) -> Dataset<I::Item>
    where
        I: IntoIterator<Item: Data, IntoIter: Send + 'static> + 'static,
    {
        let work = move |p, items| Ok::<_, TaskFailure>(f(p, items).into_iter());
        self.partitionwise(call("map_partitions_with_index"), Iterated::new(work))
    }

    /// [`map_partitions_with_index`](Self::map_partitions_with_index) that may fail.
    ///
    /// # Errors
    ///
    /// As [`try_map`](Self::try_map).
    ///
    /// # Cost
    ///
    /// As [`map_partitions`](Self::map_partitions).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let first = ctx.range_in(0..4, 2).try_map_partitions_with_index(|p, mut rows| {
    ///     rows.next().map(|row| [row]).ok_or(format!("partition {p} is empty"))
    /// });
    /// assert_eq!(first.collect()?, [0, 2]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn try_map_partitions_with_index<I, E>(
        &self,
        f: impl Fn(usize, Items<T>) -> Result<I, E> + Send + Sync + 'static,
    ) -> Dataset<I::Item>
    where
        I: IntoIterator<Item: Data, IntoIter: Send + 'static> + 'static,
        E: Into<TaskFailure> + 'static,
    {
        let work = move |p, items| f(p, items).map(IntoIterator::into_iter);
        self.partitionwise(call("try_map_partitions_with_index"), Iterated::new(work))
    }
}

/// A function from a partition's items to an iterator, made when the first chunk is pulled, so
/// that its panics and errors belong to the task that pulls.
pub(super) struct Iterated<F, T> {
    work: Arc<F>,
    item: PhantomData<fn(T)>,
}

impl<F, T: Data> Iterated<F, T> {
    pub(super) fn new<I, E>(work: F) -> Self
    where
        F: Fn(usize, Items<T>) -> Result<I, E> + Send + Sync + 'static,
    {
        Self { work: Arc::new(work), item: PhantomData }
    }
}

impl<F, T, I, E> Partitionwise for Iterated<F, T>
where
    T: Data,
    F: Fn(usize, Items<T>) -> Result<I, E> + Send + Sync + 'static,
    I: Iterator<Item: Data> + Send + 'static,
    E: Into<TaskFailure> + 'static,
{
    fn open(&self, input: Box<dyn Stream>, at: At<'_>) -> Box<dyn Stream> {
        let partition = at.partition;
        let (evaluation, fault) = (Evaluation::new(at.node, partition), Fault::default());
        let items = Items::<T>::within(input, at.call, evaluation, &fault);
        let work = Arc::clone(&self.work);
        iterating(fault, at, evaluation, move || work(partition, items))
    }
}

/// The rows of the iterator that `start` makes when the first are asked for.
pub(super) fn iterating<I, E>(
    fault: Fault,
    at: At<'_>,
    evaluation: Evaluation,
    start: impl FnOnce() -> Result<I, E> + Send + 'static,
) -> Box<dyn Stream>
where
    I: Iterator<Item: Data> + Send + 'static,
    E: Into<TaskFailure> + 'static,
{
    let At { call, task, .. } = at;
    let state = State::Waiting(Box::new(move || start().map_err(Into::into)));
    Box::new(Iterating { state, fault, call, evaluation, task: Arc::clone(task) })
}

enum State<I> {
    Waiting(Box<dyn FnOnce() -> Result<I, TaskFailure> + Send>),
    Running(I),
    Over,
}

struct Iterating<I> {
    state: State<I>,
    fault: Fault,
    call: Call,
    evaluation: Evaluation,
    task: Arc<Task>,
}

impl<I: Iterator<Item: Data> + Send> Iterating<I> {
    fn pull(&mut self) -> Result<Vec<I::Item>> {
        let mut rows = match std::mem::replace(&mut self.state, State::Over) {
            State::Over => return Ok(Vec::new()),
            State::Running(rows) => rows,
            State::Waiting(start) => {
                start().map_err(|error| self.task.error(self.call, error.0))?
            }
        };
        let chunk: Vec<_> = rows.by_ref().take(CHUNK).collect();
        if chunk.len() == CHUNK {
            self.state = State::Running(rows);
        }
        Ok(chunk)
    }
}

impl<I: Iterator<Item: Data> + Send> Stream for Iterating<I> {
    fn next(&mut self) -> Result<Option<AnyChunk>> {
        self.task.check()?;
        entering_for(self.call, self.evaluation);
        let chunk = catch_unwind(AssertUnwindSafe(|| self.pull()));
        // What went wrong below comes first: it may be why the closure above failed or panicked.
        if let Some(error) = lock(&self.fault).take() {
            self.state = State::Over;
            return Err(error);
        }
        let chunk = chunk.unwrap_or_else(|panic| resume_unwind(panic))?;
        if matches!(self.state, State::Over) {
            self.evaluation.completed();
        }
        Ok(if chunk.is_empty() { None } else { Some(Chunk::Owned(chunk).erased()) })
    }
}
