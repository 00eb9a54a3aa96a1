//! Counters and accumulators that count exactly once.
//!
//! What a closure adds belongs to its operator and the partition it works on, and counts once in the
//! life of that operator: by the first evaluation of the partition that came to its end inside a task
//! that succeeded. Evaluations that stop early (`take`), attempts that failed, and computing anew what
//! was counted before add nothing. (Spark counts again whenever a transformation is computed again.)
//! What the closure of an action adds (of `for_each`, of a merge) counts for each task of the action
//! that succeeded.
//!
//! While a task runs, additions wait on its thread, tagged with their owner; a stream that has been
//! read to its end is noted; when the task has succeeded, what is complete and new is kept. Reading
//! the value is an action: the contributions of all ranks are merged in the order of (operator,
//! partition), so sums of floats have the same bits everywhere.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::context::Context;
use crate::data::Wire;
use crate::error::Result;
use crate::hash::fixed_hash;
use crate::job::Job;

/// Who an addition belongs to. The order is the one in which contributions are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    /// The program outside of any task: the number of the addition.
    Program(u64),
    /// An operator's node and partition.
    Operator(u64, usize),
    /// A task of an action: the meeting it worked for, and its partition.
    Task(u64, usize),
}

/// One evaluation of an operator's partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Evaluation {
    node: u64,
    partition: usize,
    number: u64,
}

impl Evaluation {
    /// A new evaluation of a partition of `node`.
    pub(crate) fn new(node: u64, partition: usize) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { node, partition, number: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// Notes that its stream was read to its end.
    pub(crate) fn completed(self) {
        WAITING.with_borrow_mut(|waiting| {
            if let Some(waiting) = waiting
                && !waiting.additions.is_empty()
            {
                waiting.complete.insert(self);
            }
        });
    }
}

/// Additions of the task that runs on this thread.
#[derive(Default)]
struct Waiting {
    additions: Vec<Addition>,
    complete: BTreeSet<Evaluation>,
}

struct Addition {
    to: Arc<dyn Kept>,
    by: Option<Evaluation>,
    value: Box<dyn Any + Send>,
}

thread_local! {
    static WAITING: RefCell<Option<Waiting>> = const { RefCell::new(None) };
    /// The evaluation whose closure runs on this thread.
    static BY: Cell<Option<Evaluation>> = const { Cell::new(None) };
}

/// Notes which evaluation's closure is about to run; none for that of an action.
#[inline]
pub(crate) fn working_for(evaluation: Option<Evaluation>) {
    BY.set(evaluation);
}

/// The additions of a task, from its start to its end.
pub(crate) struct Scope {
    /// Those of a task that waits on this thread meanwhile.
    outer: Option<Waiting>,
    outer_by: Option<Evaluation>,
}

impl Scope {
    /// A task starts on this thread.
    pub(crate) fn begin() -> Self {
        let outer = WAITING.replace(Some(Waiting::default()));
        Self { outer, outer_by: BY.replace(None) }
    }

    /// The task has succeeded: what it added is kept.
    pub(crate) fn succeed(self, meeting: u64, partition: usize) {
        let waiting = WAITING.take().unwrap_or_default();
        let Waiting { additions, complete } = waiting;
        for Addition { to, by, value } in additions {
            match by {
                None => to.keep(Owner::Task(meeting, partition), 0, value),
                Some(by) if complete.contains(&by) => {
                    to.keep(Owner::Operator(by.node, by.partition), by.number, value);
                }
                Some(_) => {}
            }
        }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        WAITING.set(self.outer.take());
        BY.set(self.outer_by);
    }
}

/// What contributions are kept in.
trait Kept: Send + Sync {
    /// Keeps a contribution, or adds it to what the same evaluation has contributed.
    fn keep(&self, owner: Owner, evaluation: u64, value: Box<dyn Any + Send>);
}

/// A value that closures add to and that counts exactly once; made by
/// [`Context::accumulator`]. Cheap to clone into closures.
pub struct Accumulator<A> {
    inner: Arc<Inner<A>>,
    ctx: Context,
}

struct Inner<A> {
    name: String,
    zero: A,
    merge: Box<dyn Fn(A, A) -> A + Send + Sync>,
    /// By owner, with the number of the evaluation.
    contributions: Mutex<BTreeMap<Owner, (u64, A)>>,
    outside: AtomicU64,
}

impl<A: Wire> Inner<A> {
    fn contributions(&self) -> MutexGuard<'_, BTreeMap<Owner, (u64, A)>> {
        self.contributions.lock().unwrap_or_else(|poison| poison.into_inner())
    }
}

impl<A: Wire> Kept for Inner<A> {
    fn keep(&self, owner: Owner, evaluation: u64, value: Box<dyn Any + Send>) {
        let Ok(value) = value.downcast::<A>() else { return };
        let mut contributions = self.contributions();
        match contributions.remove(&owner) {
            None => {
                contributions.insert(owner, (evaluation, *value));
            }
            Some((first, before)) if first == evaluation => {
                contributions.insert(owner, (first, (self.merge)(before, *value)));
            }
            // Another evaluation has counted.
            Some(counted) => {
                contributions.insert(owner, counted);
            }
        }
    }
}

impl<A: Wire> Accumulator<A> {
    /// Adds to it.
    ///
    /// Inside an operator's closure, for the operator and its partition; inside an action's, for its
    /// task; elsewhere for the program, which every rank runs, so that the root's additions count.
    /// It must be called on the thread that runs the closure.
    pub fn add(&self, value: A) {
        let by = BY.get();
        let left = WAITING.with_borrow_mut(|waiting| {
            let Some(waiting) = waiting else { return Some(value) };
            let to: Arc<dyn Kept> = Arc::<Inner<A>>::clone(&self.inner);
            // Mostly the same closure adds again.
            if let Some(last) = waiting.additions.last_mut()
                && last.by == by
                && Arc::ptr_eq(&last.to, &to)
                && let Some(sum) = last.value.downcast_mut::<A>()
            {
                let before = std::mem::replace(sum, self.inner.zero.clone());
                *sum = (self.inner.merge)(before, value);
                return None;
            }
            waiting.additions.push(Addition { to, by, value: Box::new(value) });
            None
        });
        if let Some(value) = left {
            let number = self.inner.outside.fetch_add(1, Ordering::Relaxed);
            self.inner.contributions().insert(Owner::Program(number), (0, value));
        }
    }

    /// What was added, on all ranks: an action.
    ///
    /// Operators that no action has evaluated have added nothing yet.
    ///
    /// # Errors
    ///
    /// What an action can give: see [`Error`](crate::Error).
    ///
    /// # Cost
    ///
    /// A contribution for each operator and partition that added to it travels.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let sum = ctx.accumulator("sum", 0, |a: u64, b| a + b);
    /// let seen = sum.clone();
    /// ctx.range(0..5).for_each(move |n| seen.add(*n))?;
    /// assert_eq!(sum.value()?, 10);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn value(&self) -> Result<A> {
        let job = Job::begin(&self.ctx, "value", Location::caller())?;
        job.runs_on(fixed_hash(&self.inner.name));
        let here: Vec<(Owner, A)> = {
            let contributions = self.inner.contributions();
            let of_this_rank = contributions.iter().filter(|(owner, _)| {
                // The program runs on every rank.
                self.ctx.is_root() || !matches!(owner, Owner::Program(_))
            });
            of_this_rank.map(|(owner, (_, value))| (*owner, value.clone())).collect()
        };
        let mut all: Vec<(Owner, A)> = job
            .gather(Ok(here.into_iter().map(Sent::of).collect::<Vec<_>>()))?
            .into_iter()
            .flatten()
            .map(Sent::into_pair)
            .collect();
        all.sort_by_key(|(owner, _)| *owner);
        job.guarded(None, || {
            let zero = self.inner.zero.clone();
            Ok(all.into_iter().fold(zero, |sum, (_, value)| (self.inner.merge)(sum, value)))
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }
}

/// An owner and its contribution, on the wire.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Sent<A>(u8, u64, usize, A);

impl<A> Sent<A> {
    fn of((owner, value): (Owner, A)) -> Self {
        match owner {
            Owner::Program(number) => Self(0, number, 0, value),
            Owner::Operator(node, partition) => Self(1, node, partition, value),
            Owner::Task(meeting, partition) => Self(2, meeting, partition, value),
        }
    }

    fn into_pair(self) -> (Owner, A) {
        let Self(kind, number, partition, value) = self;
        let owner = match kind {
            0 => Owner::Program(number),
            1 => Owner::Operator(number, partition),
            _ => Owner::Task(number, partition),
        };
        (owner, value)
    }
}

impl<A> Clone for Accumulator<A> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), ctx: self.ctx.clone() }
    }
}

impl<A> fmt::Debug for Accumulator<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accumulator").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

/// A named number that closures count up; made by [`Context::counter`].
#[derive(Clone, Debug)]
pub struct Counter {
    sum: Accumulator<u64>,
}

impl Counter {
    /// Counts `n` more; see [`Accumulator::add`].
    #[inline]
    pub fn add(&self, n: u64) {
        self.sum.add(n);
    }

    /// The count over all ranks: an action.
    ///
    /// # Errors
    ///
    /// As [`Accumulator::value`].
    #[track_caller]
    pub fn value(&self) -> Result<u64> {
        self.sum.value()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.sum.name()
    }
}

impl Context {
    /// A number that closures count up, exactly once for each row that they count.
    ///
    /// # Cost
    ///
    /// An addition to a value of the task each time; at the end of an action the first contribution of
    /// each operator and partition stays on its rank until it is asked for.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let odd = ctx.counter("odd rows");
    /// let counted = odd.clone();
    /// let rows = ctx.range_in(0..100, 4).map(move |x| {
    ///     counted.add(x % 2);
    ///     x
    /// });
    /// rows.take(3)?; // not a whole partition: counts nothing
    /// assert_eq!(odd.value()?, 0);
    /// (rows.count()?, rows.count()?); // computed twice, counted once
    /// assert_eq!(odd.value()?, 50);
    /// # Ok(())
    /// # }
    /// ```
    pub fn counter(&self, name: impl Into<String>) -> Counter {
        Counter { sum: self.accumulator(name, 0, u64::wrapping_add) }
    }

    /// A value that closures add to, exactly once: `zero` is neutral under `merge`, which is
    /// associative. Contributions are merged in the order of (operator, partition, row).
    ///
    /// # Cost
    ///
    /// As [`counter`](Self::counter).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let longest = ctx.accumulator("longest", 0, usize::max);
    /// let seen = longest.clone();
    /// let words = ctx.parallelize(vec!["fire", "of", "steel"]);
    /// words.for_each(move |word| seen.add(word.len()))?;
    /// assert_eq!(longest.value()?, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn accumulator<A: Wire>(
        &self,
        name: impl Into<String>,
        zero: A,
        merge: impl Fn(A, A) -> A + Send + Sync + 'static,
    ) -> Accumulator<A> {
        let inner = Inner {
            name: name.into(),
            zero,
            merge: Box::new(merge),
            contributions: Mutex::new(BTreeMap::new()),
            outside: AtomicU64::new(0),
        };
        Accumulator { inner: Arc::new(inner), ctx: self.clone() }
    }
}
