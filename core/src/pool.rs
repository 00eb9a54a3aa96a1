//! The threads of a context.
//!
//! They are reached through a trait object only. In a notebook every cell is a library with its own
//! copy of this crate and of what it stands on, and a pool knows its threads by the copy that made
//! them: the object's table leads a later cell back to that copy.

use std::fmt;

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// Threads that work together.
pub(crate) struct Pool(Box<dyn Threads>);

trait Threads: Send + Sync {
    /// Runs `work` so many times side by side; returns when all have ended.
    fn run(&self, times: usize, work: &(dyn Fn() + Sync));
}

impl Threads for ThreadPool {
    fn run(&self, times: usize, work: &(dyn Fn() + Sync)) {
        self.scope(|scope| {
            for _ in 0..times {
                scope.spawn(|_| work());
            }
        });
    }
}

impl Pool {
    /// A pool of so many threads.
    pub(crate) fn new(threads: usize) -> Result<Self, ThreadPoolBuildError> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("firesteel-{i}"))
            .build()?;
        Ok(Self(Box::new(pool)))
    }

    /// Runs `work` so many times side by side; returns when all have ended.
    pub(crate) fn run(&self, times: usize, work: &(dyn Fn() + Sync)) {
        self.0.run(times, work);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}
