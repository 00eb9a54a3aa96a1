//! Caches: a dataset that is computed once and kept.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::chunk::{Stream, Typed, Windows};
use super::node::{Node, Staged};
use super::{Dataset, Kind, StorageLevel, call, local_partitions};
use crate::data::Wire;
use crate::error::Result;
use crate::job::{Call, Job, Task};
use crate::store::Stored;

/// The partitions that a stage keeps on this rank.
pub(super) type Kept<T> = OnceLock<BTreeMap<usize, Stored<T>>>;

impl<T: Wire> Dataset<T> {
    /// Keeps the rows once an action has computed them: in memory while the budget lasts, then
    /// on disk.
    ///
    /// The first action that needs the dataset computes all its partitions; from then on it no
    /// longer needs what it was computed from. What is kept goes when the last handle on the
    /// dataset, or on one that stands on it, is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let squares = ctx.range(0..100).map(|x| x * x).cache();
    /// assert_eq!(squares.count()?, 100); // computes and keeps
    /// assert_eq!(squares.top(1)?, [9801]); // reads what was kept
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn cache(&self) -> Dataset<T> {
        self.kept(call("cache"), StorageLevel::default(), None)
    }

    /// [`cache`](Self::cache) with a function that says how many bytes of memory a row takes,
    /// for rows that know it (a batch of columns, a matrix).
    ///
    /// Without it plain numbers are counted exactly and other rows by a sample.
    #[track_caller]
    pub fn cache_sized(&self, bytes: impl Fn(&T) -> usize + Send + Sync + 'static) -> Dataset<T> {
        self.kept(call("cache"), StorageLevel::default(), Some(Box::new(bytes)))
    }

    /// [`cache`](Self::cache) with a choice of where the rows lie.
    #[track_caller]
    pub fn persist(&self, level: StorageLevel) -> Dataset<T> {
        self.kept(call("persist"), level, None)
    }

    fn kept(&self, call: Call, level: StorageLevel, bytes: Option<BytesOf<T>>) -> Dataset<T> {
        let cache = Cache::<T> { level, bytes, kept: OnceLock::new() };
        self.child(call, Kind::Staged(Box::new(cache)))
    }
}

/// Says how many bytes of memory a row takes.
type BytesOf<T> = Box<dyn Fn(&T) -> usize + Send + Sync>;

struct Cache<T> {
    level: StorageLevel,
    bytes: Option<BytesOf<T>>,
    kept: Kept<T>,
}

impl<T: Wire> Staged for Cache<T> {
    fn is_ready(&self) -> bool {
        self.kept.get().is_some()
    }

    fn prepare(&self, job: &Job<'_>, call: Call, parents: &[Arc<Node>]) -> Result<()> {
        let node = &parents[0];
        let computed = job.run(&local_partitions(job.ctx(), node), |task| {
            let rows = Typed::<T>::new(node.open(task.partition, task)?, call).into_rows()?;
            let bytes = self.bytes.as_ref();
            let bytes = bytes.map(|bytes| rows.iter().map(|row| bytes(row) as u64).sum());
            job.ctx().store().put(rows, bytes, self.level)
        });
        let (outcome, kept) = apart(computed);
        job.agree(outcome)?;
        let _ = self.kept.set(kept.into_iter().collect());
        Ok(())
    }

    fn open(&self, partition: usize, _task: &Arc<Task>) -> Result<Box<dyn Stream>> {
        open_kept(&self.kept, partition)
    }

    fn detail(&self) -> String {
        detail_kept(&self.kept)
    }
}

/// Parts a result into whether it went well, which is told to all, and what stays here.
pub(super) fn apart<R>(result: Result<Vec<R>>) -> (Result<()>, Vec<R>) {
    match result {
        Ok(rows) => (Ok(()), rows),
        Err(error) => (Err(error), Vec::new()),
    }
}

pub(super) fn open_kept<T: Wire>(kept: &Kept<T>, partition: usize) -> Result<Box<dyn Stream>> {
    let kept = kept.get().expect("a job prepares its stages before it runs");
    let stored = kept.get(&partition).expect("a task runs on its partition's home rank");
    Ok(Box::new(Windows::new(stored.load()?)))
}

pub(super) fn detail_kept<T>(kept: &Kept<T>) -> String {
    let Some(kept) = kept.get() else { return "not computed yet".into() };
    let rows: usize = kept.values().map(Stored::len).sum();
    let in_memory = kept.values().filter(|stored| stored.in_memory().is_some()).count();
    format!(
        "kept here: {rows} rows, {in_memory} partitions in memory, {} on disk",
        kept.len() - in_memory
    )
}
