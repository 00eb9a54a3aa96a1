//! Actions: what runs a lineage. Every action is collective and returns the same on all ranks.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::panic::Location;
use std::sync::Arc;

use super::Dataset;
use super::chunk::{Chunk, Typed};
use crate::data::{Data, Wire};
use crate::error::{Result, TaskFailure};
use crate::job::{Job, Task, entering};
use crate::tree::Tree;

impl<T: Data> Dataset<T> {
    #[track_caller]
    pub(super) fn begin(&self, action: &'static str) -> Result<Job<'_>> {
        let job = Job::begin(&self.ctx, action, Location::caller())?;
        job.prepare(&self.node)?;
        Ok(job)
    }

    pub(super) fn read(&self, job: &Job<'_>, task: &Arc<Task>) -> Result<Typed<T>> {
        Ok(Typed::counted(self.node.open(task.partition, task)?, job.call(), task))
    }

    /// One value a partition, merged over the fixed tree.
    pub(super) fn tree<U: Wire>(
        &self,
        job: &Job<'_>,
        leaf: impl Fn(Typed<T>, &Task) -> Result<U> + Sync,
        merge: impl Fn(U, U) -> U + Sync,
    ) -> Result<Option<U>> {
        let leaves = self.partitions();
        let tree = Tree::new(leaves);
        let local = job.run(&self.local_partitions(), |task| {
            let value = leaf(self.read(job, task)?, task)?;
            entering(job.call());
            task.spend()?;
            tree.insert((0, task.partition), value, &merge);
            Ok(())
        });
        job.reduce(leaves, local.map(|_| tree.into_nodes()), merge)
    }

    /// The number of rows.
    ///
    /// # Errors
    ///
    /// What the lineage's closures give, and what an action can give: see
    /// [`Error`](crate::Error).
    ///
    /// # Cost
    ///
    /// One pass; one number a rank travels.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let rows = ctx.range(0..10).filter(|x| x % 3 == 0);
    /// assert_eq!(rows.count()?, 4);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn count(&self) -> Result<u64> {
        let job = self.begin("count")?;
        let leaf = |mut rows: Typed<T>, _: &Task| {
            let mut count = 0_u64;
            while let Some(chunk) = rows.next_large()? {
                count += chunk.as_slice().len() as u64;
            }
            Ok(count)
        };
        Ok(self.tree(&job, leaf, |a, b| a + b)?.unwrap_or(0))
    }

    /// Folds each partition from `zero` by `fold`, then merges the partial results by `merge`
    /// over the fixed binary tree on the partition's index.
    ///
    /// `zero` must be neutral under `merge`. Partial results are merged as they come, in the
    /// tree's brackets, so besides the threads' own about log₂ of the partitions' number are
    /// alive at a time.
    ///
    /// # Errors
    ///
    /// What the lineage's closures give, and what an action can give: see
    /// [`Error`](crate::Error).
    ///
    /// # Cost
    ///
    /// One pass; each rank sends its unmerged partial results, at most about 2 log₂ of the
    /// partitions' number.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let add = |sum: (f64, u64), x: &f64| (sum.0 + x, sum.1 + 1);
    /// let (sum, n) = ctx
    ///     .parallelize(vec![1.0, 2.0, 6.0])
    ///     .tree_aggregate((0.0, 0), add, |a, b| (a.0 + b.0, a.1 + b.1))?;
    /// assert_eq!(sum / n as f64, 3.0);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn tree_aggregate<U: Wire>(
        &self,
        zero: U,
        fold: impl Fn(U, &T) -> U + Sync,
        merge: impl Fn(U, U) -> U + Sync,
    ) -> Result<U> {
        let job = self.begin("tree_aggregate")?;
        self.aggregated(&job, zero, |u, row| Ok(fold(u, row)), merge)
    }

    /// [`tree_aggregate`](Self::tree_aggregate) with a fold that may fail.
    ///
    /// # Errors
    ///
    /// Also what `fold` returns, as [`try_map`](Self::try_map) treats it.
    ///
    /// # Cost
    ///
    /// As [`tree_aggregate`](Self::tree_aggregate).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let add = |sum: u64, x: &u64| sum.checked_add(*x).ok_or("too much");
    /// assert_eq!(ctx.range(0..5).try_tree_aggregate(0, add, |a, b| a + b)?, 10);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn try_tree_aggregate<U: Wire, E: Into<TaskFailure>>(
        &self,
        zero: U,
        fold: impl Fn(U, &T) -> Result<U, E> + Sync,
        merge: impl Fn(U, U) -> U + Sync,
    ) -> Result<U> {
        let job = self.begin("try_tree_aggregate")?;
        self.aggregated(&job, zero, |u, row| fold(u, row).map_err(Into::into), merge)
    }

    /// Another name of [`tree_aggregate`](Self::tree_aggregate): here every aggregation runs over
    /// the tree.
    ///
    /// # Errors
    ///
    /// As [`tree_aggregate`](Self::tree_aggregate).
    ///
    /// # Cost
    ///
    /// As [`tree_aggregate`](Self::tree_aggregate).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.range(0..5).aggregate(0, |sum, x| sum + x, |a, b| a + b)?, 10);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn aggregate<U: Wire>(
        &self,
        zero: U,
        fold: impl Fn(U, &T) -> U + Sync,
        merge: impl Fn(U, U) -> U + Sync,
    ) -> Result<U> {
        let job = self.begin("aggregate")?;
        self.aggregated(&job, zero, |u, row| Ok(fold(u, row)), merge)
    }

    pub(super) fn aggregated<U: Wire>(
        &self,
        job: &Job<'_>,
        zero: U,
        fold: impl Fn(U, &T) -> Result<U, TaskFailure> + Sync,
        merge: impl Fn(U, U) -> U + Sync,
    ) -> Result<U> {
        let call = job.call();
        let leaf = |mut rows: Typed<T>, task: &Task| {
            let mut state = zero.clone();
            while let Some(chunk) = rows.next_large()? {
                for row in chunk.as_slice() {
                    state = fold(state, row).map_err(|error| task.error(call, error.0))?;
                }
            }
            Ok(state)
        };
        Ok(self.tree(job, leaf, merge)?.unwrap_or(zero))
    }

    /// Runs `f` on every row.
    ///
    /// Each rank runs it on the rows of its own partitions, in each partition from first to last.
    /// A task that has run it on a row is not tried again, so no row is seen twice.
    ///
    /// # Errors
    ///
    /// What the lineage's closures give, and what an action can give: see
    /// [`Error`](crate::Error).
    ///
    /// # Cost
    ///
    /// One pass; nothing travels.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let seen = std::sync::atomic::AtomicU64::new(0);
    /// ctx.range(0..5).for_each(|x| {
    ///     seen.fetch_add(*x, std::sync::atomic::Ordering::Relaxed);
    /// })?;
    /// assert_eq!(seen.into_inner(), 10);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn for_each(&self, f: impl Fn(&T) + Sync) -> Result<()> {
        let job = self.begin("for_each")?;
        let done = job.run(&self.local_partitions(), |task| {
            let mut rows = self.read(&job, task)?;
            while let Some(chunk) = rows.next()? {
                task.spend()?;
                chunk.as_slice().iter().for_each(&f);
            }
            Ok(())
        });
        job.agree(done.map(|_| ()))
    }
}

impl<T: Wire> Dataset<T> {
    /// All rows, in the order of the partitions.
    ///
    /// # Errors
    ///
    /// What the lineage's closures give, and what an action can give: see
    /// [`Error`](crate::Error).
    ///
    /// # Cost
    ///
    /// One pass; all rows travel to every rank and must fit into its memory.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.range(0..3).map(|x| x * x).collect()?, [0, 1, 4]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn collect(&self) -> Result<Vec<T>> {
        let job = self.begin("collect")?;
        let read = |task: &Arc<Task>| self.read(&job, task)?.into_rows();
        let mut parts = job.gather_rows(&self.local_partitions(), read)?;
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        let mut all = Vec::with_capacity(parts.iter().map(Vec::len).sum());
        for mut part in parts {
            all.append(&mut part);
        }
        Ok(all)
    }

    /// Combines all rows by `combine`, `None` if there are none.
    ///
    /// Rows of a partition are combined from first to last, the results over the fixed binary
    /// tree on the partition's index; `combine` must be associative for the result not to depend
    /// on the number of partitions, and need not be commutative.
    ///
    /// # Errors
    ///
    /// What the lineage's closures give, and what an action can give: see
    /// [`Error`](crate::Error).
    ///
    /// # Cost
    ///
    /// As [`tree_aggregate`](Self::tree_aggregate).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.range(1..5).reduce(|a, b| a * b)?, Some(24));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn reduce(&self, combine: impl Fn(T, T) -> T + Sync) -> Result<Option<T>> {
        let job = self.begin("reduce")?;
        let both = |a: Option<T>, b: Option<T>| match (a, b) {
            (Some(a), Some(b)) => Some(combine(a, b)),
            (one, None) | (None, one) => one,
        };
        let leaf = |mut rows: Typed<T>, _: &Task| {
            let mut state = None;
            while let Some(chunk) = rows.next()? {
                for row in chunk.into_vec() {
                    state = both(state, Some(row));
                }
            }
            Ok(state)
        };
        Ok(self.tree(&job, leaf, both)?.flatten())
    }

    /// Combines all rows by `combine`, starting from `zero` in every partition.
    ///
    /// `zero` must be neutral under `combine`.
    ///
    /// # Errors
    ///
    /// What the lineage's closures give, and what an action can give: see
    /// [`Error`](crate::Error).
    ///
    /// # Cost
    ///
    /// As [`tree_aggregate`](Self::tree_aggregate).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.range(0..5).fold(0, |a, b| a + b)?, 10);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn fold(&self, zero: T, combine: impl Fn(T, T) -> T + Sync) -> Result<T> {
        let job = self.begin("fold")?;
        let leaf = |mut rows: Typed<T>, _: &Task| {
            let mut state = zero.clone();
            while let Some(chunk) = rows.next_large()? {
                state = match chunk {
                    Chunk::Owned(rows) => rows.into_iter().fold(state, &combine),
                    Chunk::Shared(rows, range) => rows[range].iter().cloned().fold(state, &combine),
                };
            }
            Ok(state)
        };
        Ok(self.tree(&job, leaf, &combine)?.unwrap_or(zero))
    }

    /// The first `n` rows, in the order of the partitions.
    ///
    /// # Errors
    ///
    /// What the lineage's closures give, and what an action can give: see
    /// [`Error`](crate::Error).
    ///
    /// # Cost
    ///
    /// Reads the first partition, then four times as many at each try, and of each no more chunks
    /// than are needed.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.range(0..1 << 40).take(3)?, [0, 1, 2]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn take(&self, n: usize) -> Result<Vec<T>> {
        let job = self.begin("take")?;
        job.runs_on(n as u64);
        self.taken(&job, n)
    }

    /// The first row.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`](crate::Error::Empty) without rows; else as [`take`](Self::take).
    ///
    /// # Cost
    ///
    /// As [`take`](Self::take) of one row.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.range(7..9).first()?, 7);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn first(&self) -> Result<T> {
        let job = self.begin("first")?;
        self.taken(&job, 1)?.pop().ok_or_else(|| job.empty())
    }

    pub(super) fn taken(&self, job: &Job<'_>, n: usize) -> Result<Vec<T>> {
        let mut rows: Vec<T> = Vec::new();
        let (mut from, mut wave) = (0, 1);
        let local = self.local_partitions();
        while rows.len() < n && from < self.partitions() {
            let to = (from + wave).min(self.partitions());
            let here: Vec<usize> =
                local.iter().copied().filter(|p| (from..to).contains(p)).collect();
            let missing = n - rows.len();
            let parts = job.gather_rows(&here, |task| {
                let mut input = self.read(job, task)?;
                let mut head: Vec<T> = Vec::new();
                while head.len() < missing {
                    let Some(chunk) = input.next()? else { break };
                    let wanted = missing - head.len();
                    head.extend(chunk.as_slice().iter().take(wanted).cloned());
                }
                Ok(head)
            })?;
            rows.extend(parts.into_iter().flatten().take(missing));
            (from, wave) = (to, wave.saturating_mul(4));
        }
        Ok(rows)
    }
}

impl<T: Wire + Ord> Dataset<T> {
    /// The `n` greatest rows, greatest first.
    ///
    /// # Errors
    ///
    /// What the lineage's closures give, and what an action can give: see
    /// [`Error`](crate::Error).
    ///
    /// # Cost
    ///
    /// One pass; at most `n` rows a partition travel.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.parallelize(vec![3, 9, 1, 7]).top(2)?, [9, 7]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn top(&self, n: usize) -> Result<Vec<T>> {
        let job = self.begin("top")?;
        job.runs_on(n as u64);
        let leaf = |mut rows: Typed<T>, _: &Task| {
            let mut heap = BinaryHeap::new();
            while let Some(chunk) = rows.next()? {
                for row in chunk.into_vec() {
                    if heap.len() < n {
                        heap.push(Reverse(row));
                    } else if heap.peek().is_some_and(|Reverse(least)| row > *least) {
                        heap.pop();
                        heap.push(Reverse(row));
                    }
                }
            }
            let mut rows: Vec<T> = heap.into_iter().map(|Reverse(row)| row).collect();
            rows.sort_by(|a, b| b.cmp(a));
            Ok(rows)
        };
        let merge = |mut a: Vec<T>, mut b: Vec<T>| {
            a.append(&mut b);
            a.sort_by(|a, b| b.cmp(a));
            a.truncate(n);
            a
        };
        Ok(self.tree(&job, leaf, merge)?.unwrap_or_default())
    }
}

impl Dataset<f64> {
    /// The sum of all rows: each partition's from first to last, these over the fixed tree.
    ///
    /// # Errors
    ///
    /// What the lineage's closures give, and what an action can give: see
    /// [`Error`](crate::Error).
    ///
    /// # Cost
    ///
    /// As [`tree_aggregate`](Self::tree_aggregate): one number a rank and unmerged partition
    /// travels.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.parallelize(vec![0.5, 1.5]).sum()?, 2.0);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn sum(&self) -> Result<f64> {
        let job = self.begin("sum")?;
        self.aggregated(&job, 0.0, |sum, x| Ok(sum + x), |a, b| a + b)
    }
}
