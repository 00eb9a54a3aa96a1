//! Global row numbers.

use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use super::chunk::{AnyChunk, Chunk, Typed};
use super::node::{Node, Step, StepRun};
use super::{Dataset, call, local_partitions};
use crate::data::Data;
use crate::error::{Failure, Result};
use crate::job::{Call, Job};

impl<T: Data> Dataset<T> {
    /// Pairs every row with its global number, from 0.
    ///
    /// # Cost
    ///
    /// One pass of its own over the parent to count the rows of its partitions, at the first
    /// action; one number a partition travels. With one partition, none.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let rows = ctx.parallelize_in(vec!['a', 'b', 'c'], 2).zip_with_index();
    /// assert_eq!(rows.collect()?, [('a', 0), ('b', 1), ('c', 2)]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn zip_with_index(&self) -> Dataset<(T, u64)> {
        let partitions = self.partitions();
        let starts = Arc::new(OnceLock::new());
        if partitions == 1 {
            let _ = starts.set(vec![0]);
        }
        self.step(call("zip_with_index"), Numbered { starts, next: 0, item: PhantomData::<fn(T)> })
    }
}

struct Numbered<T> {
    /// The number of each partition's first row.
    starts: Arc<OnceLock<Vec<u64>>>,
    next: u64,
    item: PhantomData<fn(T)>,
}

impl<T: Data> Step for Numbered<T> {
    fn start(&self, partition: usize) -> Box<dyn StepRun> {
        let starts = self.starts.get().expect("a job prepares its steps before it runs");
        let next = starts[partition];
        Box::new(Numbered { starts: Arc::clone(&self.starts), next, item: PhantomData::<fn(T)> })
    }

    fn is_ready(&self) -> bool {
        self.starts.get().is_some()
    }

    fn prepares(&self) -> bool {
        true
    }

    fn prepare(&self, job: &Job<'_>, call: Call, parents: &[Arc<Node>]) -> Result<()> {
        let node = &parents[0];
        let counts = job.run(&local_partitions(job.ctx(), node), |task| {
            let mut rows = Typed::<T>::counted(node.open(task.partition, task)?, call, task);
            let mut count = 0_u64;
            while let Some(chunk) = rows.next()? {
                count += chunk.as_slice().len() as u64;
            }
            Ok(count)
        });
        let mut sizes = vec![0; node.homes().partitions()];
        for (partition, count) in job.gather(counts)?.into_iter().flatten() {
            sizes[partition] = count;
        }
        let _ = self.starts.set(running_starts(&sizes));
        Ok(())
    }
}

/// Where each part starts if they lie one behind the other.
pub(super) fn running_starts(sizes: &[u64]) -> Vec<u64> {
    let mut sum = 0;
    sizes
        .iter()
        .map(|size| {
            let start = sum;
            sum += size;
            start
        })
        .collect()
}

impl<T: Data> StepRun for Numbered<T> {
    fn apply(&mut self, chunk: AnyChunk) -> Result<AnyChunk, Failure> {
        let rows = Chunk::<T>::from_erased(chunk).into_vec();
        let first = self.next;
        self.next += rows.len() as u64;
        let numbered: Vec<(T, u64)> = rows.into_iter().zip(first..).collect();
        Ok(Chunk::Owned(numbered).erased())
    }
}
