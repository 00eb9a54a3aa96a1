//! All rows through the root, one after the other, without holding them all.

use super::Dataset;
use super::chunk::Typed;
use crate::data::Wire;
use crate::error::{Result, TaskFailure};
use crate::job::Job;

impl<T: Wire> Dataset<T> {
    /// Runs `visit` on every row, on the root, in the order of the partitions.
    ///
    /// Partitions are computed in waves of one a thread and rank, so at most that many are held.
    ///
    /// # Errors
    ///
    /// What `visit` returns, on every rank; what the lineage's closures give, and what an action
    /// can give: see [`Error`](crate::Error).
    ///
    /// # Cost
    ///
    /// One pass; every row travels to the root.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::{Context, Error};
    ///
    /// # fn main() -> firesteel_core::Result<()> {
    /// let mut seen = Vec::new();
    /// Context::local().range_in(0..5, 3).visit(|x| Ok::<_, Error>(seen.push(x)))?;
    /// assert_eq!(seen, [0, 1, 2, 3, 4]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn visit<E: Into<TaskFailure>>(
        &self,
        mut visit: impl FnMut(T) -> Result<(), E>,
    ) -> Result<()> {
        let job = Job::begin(&self.ctx, "visit", std::panic::Location::caller())?;
        job.prepare(&self.node)?;
        let local = self.local_partitions();
        // Every rank counts the same waves, each of as many partitions as all threads can take.
        let threads: usize = job.gather(Ok(self.ctx.threads()))?.iter().sum();
        let mut from = 0;
        while from < self.partitions() {
            let to = (from + threads).min(self.partitions());
            let here: Vec<usize> =
                local.iter().copied().filter(|p| (from..to).contains(p)).collect();
            let parts = job.gather_rows_at_root(&here, |task| {
                Typed::<T>::counted(self.node.open(task.partition, task)?, job.call(), task)
                    .into_rows()
            })?;
            let visited = parts.and_then(|parts| {
                job.guarded(None, || {
                    let mut rows = parts.into_iter().flatten();
                    rows.try_for_each(|row| visit(row).map_err(|error| job.failure(error.into())))
                })
            });
            job.agree(visited)?;
            from = to;
        }
        Ok(())
    }
}
