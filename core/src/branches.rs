//! Several jobs at once, and how to stop them.
//!
//! Actions of one context run one after the other, since all ranks must meet in the same order. A
//! branch is a context with an order of its own: its own numbering, its own channel between the ranks,
//! its own threads; memory, seed and spill folder are those of the context it came from. Ranks make
//! their branches in the same order, after that each branch goes its way.
//!
//! A dataset runs on a branch through [`Dataset::on`]. What a branch finds kept (a cache, a shuffle)
//! it reads. On one rank it waits for a stage that another branch is computing. On several ranks the
//! ones that would wait could wait for each other in a ring, so there a stage is computed by the
//! branch that it was made on, and any other one that meets it too early gets an error.

use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crate::context::Context;
use crate::data::Data;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::hash::fixed_hash;
use crate::job::{Job, panic_message};

impl Context {
    /// A context for actions beside those of this one; collective.
    ///
    /// Tasks of a branch run on threads of their own, as many as this context has. While there are
    /// branches, the memory budget's part for tasks is divided among them and this context.
    ///
    /// # Errors
    ///
    /// [`Error::PlansDiffer`] if ranks give their branches different names; what an action can give.
    ///
    /// # Cost
    ///
    /// One agreement of the ranks, and threads that sleep while the branch has nothing to do.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let ctx = firesteel_core::Context::local();
    /// let rows = ctx.range(0..1000).map(|x| x * x).cache();
    /// let branch = ctx.branch("sums")?;
    /// let beside = rows.on(&branch);
    /// let sum = std::thread::spawn(move || beside.fold(0, |a, b| a + b));
    /// assert_eq!(rows.count()?, 1000);
    /// assert_eq!(sum.join().map_err(|_| "panic")??, 332_833_500);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn branch(&self, name: &str) -> Result<Context> {
        let job = Job::begin(self, "branch", Location::caller())?;
        job.runs_on(fixed_hash(name));
        let number = self.current_collective();
        job.agree(Ok(()))?;
        let channel = self.transport().branch(&format!("{number} {name}"));
        let branch = channel.map_err(|lost| job.lost(lost)).map(|way| self.beside(way, number));
        job.agree(branch.as_ref().map(|_| ()).map_err(Clone::clone))?;
        branch
    }

    /// A handle that stops the action that runs on this context, from any thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::{Context, Error};
    ///
    /// let ctx = Context::local();
    /// let canceller = ctx.canceller();
    /// let rows = ctx.range(0..1 << 40).map(move |x| {
    ///     if x == 1000 {
    ///         canceller.cancel();
    ///     }
    ///     x
    /// });
    /// assert!(matches!(rows.count(), Err(Error::Cancelled { .. })));
    /// assert_eq!(ctx.range(0..10).count(), Ok(10)); // the context goes on working
    /// ```
    pub fn canceller(&self) -> Canceller {
        Canceller { ctx: self.clone() }
    }

    /// Runs `work` on a thread and a branch of its own and returns at once; collective.
    ///
    /// `work` gets the branch: datasets made before run there through [`Dataset::on`]. A notebook
    /// goes on meanwhile, and stops the job by [`Background::cancel`]: its own stop button would end
    /// the process and lose all variables.
    ///
    /// # Errors
    ///
    /// As [`branch`](Self::branch).
    ///
    /// # Cost
    ///
    /// A [`branch`](Self::branch) and a thread that waits for it.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let rows = ctx.range(0..100_000).cache();
    /// let sum = ctx.background("sum", {
    ///     let rows = rows.clone();
    ///     move |branch| rows.on(branch).fold(0, |a, b| a + b)
    /// })?;
    /// assert_eq!(rows.count()?, 100_000);
    /// assert_eq!(sum.wait()?, 4_999_950_000);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn background<R: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Context) -> Result<R> + Send + 'static,
    ) -> Result<Background<R>> {
        let site = Location::caller();
        let ctx = self.branch(name)?;
        let branch = ctx.clone();
        let run = move || {
            let done = catch_unwind(AssertUnwindSafe(|| work(&branch)));
            let result = done.unwrap_or_else(|panic| {
                Err(Error::Panic {
                    operator: "background".into(),
                    site: site.into(),
                    partition: None,
                    message: panic_message(&*panic),
                })
            });
            // Ranks that still wait for this one on the branch learn that it is gone.
            branch.transport().leave("its background job has ended");
            result
        };
        let thread = std::thread::Builder::new().name(format!("firesteel-{name}")).spawn(run);
        let thread =
            thread.map_err(|error| Error::parameter("background", name, error.to_string()))?;
        Ok(Background { name: name.to_owned(), ctx, thread })
    }
}

impl<T: Data> Dataset<T> {
    /// The same dataset, whose actions run on `branch`: a [branch](Context::branch) of the context
    /// that it was made in, or that context itself.
    ///
    /// # Cost
    ///
    /// Nothing moves and nothing is copied; what is cached is cached for both.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let rows = ctx.range(0..10).cache();
    /// let branch = ctx.branch("beside")?;
    /// assert_eq!((rows.count()?, rows.on(&branch).count()?), (10, 10));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "the dataset itself goes on running where it was made"]
    pub fn on(&self, branch: &Context) -> Dataset<T> {
        self.moved_to(branch)
    }
}

/// Stops the running action of a context; made by [`Context::canceller`].
#[derive(Clone, Debug)]
pub struct Canceller {
    ctx: Context,
}

impl Canceller {
    /// Asks the action that is running to stop: its tasks end at their next chunk, and it returns
    /// [`Error::Cancelled`] on all ranks. It does nothing if no action is running, or if the tasks of
    /// the one that is have done all that they had to do.
    pub fn cancel(&self) {
        if self.ctx.running().is_some() {
            self.ctx.ask_to_stop(true);
        }
    }
}

/// How far the running stage of a job has come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The action or the operator that is being computed.
    pub operator: String,
    /// Tasks (groups of partitions) of this rank that are done.
    pub done: usize,
    /// Tasks of this rank.
    pub tasks: usize,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} of {} tasks", self.operator, self.done, self.tasks)
    }
}

/// The running stage of a context, for whoever looks on.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) operator: &'static str,
    pub(crate) done: AtomicUsize,
    pub(crate) tasks: usize,
}

impl Stage {
    fn progress(&self) -> Progress {
        let done = self.done.load(Ordering::Relaxed);
        Progress { operator: self.operator.to_owned(), done, tasks: self.tasks }
    }
}

/// A job on a thread of its own; made by [`Context::background`].
///
/// Dropping it lets the job run on to its end, unseen.
#[derive(Debug)]
pub struct Background<R> {
    name: String,
    ctx: Context,
    thread: JoinHandle<Result<R>>,
}

impl<R> Background<R> {
    /// The name that it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it has come to its end, well or not.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// How far the stage has come that it is computing; `None` between stages and at the end.
    pub fn progress(&self) -> Option<Progress> {
        self.ctx.stage().map(|stage: Arc<Stage>| stage.progress())
    }

    /// Stops it: see [`Canceller::cancel`]. Later actions of the job are stopped as soon as they
    /// start.
    pub fn cancel(&self) {
        self.ctx.stop_for_good();
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// What the job returned, [`Error::Panic`] if it panicked, [`Error::Cancelled`] if it was
    /// stopped.
    pub fn wait(self) -> Result<R> {
        self.thread.join().unwrap_or_else(|panic| {
            Err(Error::Foreign { kind: "core/background".into(), message: panic_message(&*panic) })
        })
    }
}
