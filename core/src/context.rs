//! Where datasets live: threads, memory, seed, and the other ranks.

use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread::ThreadId;

use serde::{Deserialize, Serialize};

use crate::branches::Stage;
use crate::chaos::Chaos;
use crate::data::Wire;
use crate::error::{Error, Result, TaskFailure};
use crate::hash::fixed_hash;
use crate::job::Job;
use crate::memory::Sharer;
use crate::pool::Pool;
use crate::store::Store;
use crate::summary::Log;
use crate::transport::{Alone, Transport};

/// The place where datasets live and actions run. Cheap to clone; all clones are one context.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
///
/// # fn main() -> firesteel_core::Result<()> {
/// let ctx = Context::builder().threads(2).memory_limit(1 << 30).seed(7).build()?;
/// assert_eq!(ctx.parallelize(vec![1, 2, 3]).map(|x| x * 10).collect()?, [10, 20, 30]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

struct Inner {
    transport: Box<dyn Transport>,
    threads: usize,
    pool: OnceLock<Result<Pool>>,
    seed: u64,
    progress: bool,
    store: Arc<Store>,
    chaos: Option<Chaos>,
    task_retries: u32,
    next_node: AtomicU64,
    collectives: AtomicU64,
    running: Mutex<Option<Running>>,
    /// The number of the branch, the same on all ranks; 0 of a context that is none.
    branch: u64,
    /// Whether the running action, or every later one too, is to stop.
    stop: AtomicU8,
    stage: Mutex<Option<Arc<Stage>>>,
    log: Arc<Log>,
    /// A branch has a part of what tasks work with.
    _sharer: Option<Sharer>,
}

/// Threads of a rank, at most: more take long to start and help nobody.
const MOST_THREADS: usize = 4096;
/// The running action is to stop.
const STOP_ONE: u8 = 1;
/// Every action is to stop.
const STOP_ALL: u8 = 2;

pub(crate) struct Running {
    pub(crate) thread: ThreadId,
    pub(crate) what: String,
}

/// Sets up a [`Context`]; made by [`Context::builder`].
#[derive(Debug)]
#[must_use]
pub struct Builder {
    threads: Option<usize>,
    memory_limit: Option<u64>,
    spill_dir: Option<PathBuf>,
    seed: u64,
    progress: bool,
    chaos: Option<Chaos>,
    task_retries: u32,
    trace: Option<PathBuf>,
    transport: Box<dyn Transport>,
}

impl Builder {
    /// Threads of this rank. Default: what the machine offers. Results do not depend on it.
    pub fn threads(self, threads: usize) -> Self {
        Self { threads: Some(threads), ..self }
    }

    /// Bytes of memory for caches, shuffles, sorts, groupings and joins together; what does not
    /// fit goes to disk. Default: no limit.
    ///
    /// Three fifths are for what is kept, two fifths for what tasks work with, in equal shares.
    /// The process itself, and the rows that are on their way through a chain of operators, come
    /// on top: about 64 MiB and 16 MiB a thread. Results do not depend on it. Branches divide the
    /// part of the tasks among them.
    ///
    /// Outside of it is what a program holds itself: what closures keep, broadcast values, what
    /// actions return ([`collect`](crate::Dataset::collect), and the waves of
    /// [`to_local_iterator`](crate::Dataset::to_local_iterator)), the output of a
    /// [piped](crate::Dataset::pipe) program, the rows that a [`sliding`](crate::Dataset::sliding)
    /// window needs of its neighbours, and a single row that is larger than its share.
    pub fn memory_limit(self, bytes: u64) -> Self {
        Self { memory_limit: Some(bytes), ..self }
    }

    /// Folder for what goes to disk. Default: the system's folder for temporary files.
    pub fn spill_dir(self, folder: impl Into<PathBuf>) -> Self {
        Self { spill_dir: Some(folder.into()), ..self }
    }

    /// Seed of everything random that is not given a seed of its own. Default 0.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Shows a progress bar for long jobs if standard error is a terminal. Default: no.
    pub fn progress(self, progress: bool) -> Self {
        Self { progress, ..self }
    }

    /// How often a task is run again after an error that [may pass](Error::may_pass), with a short
    /// pause before each attempt. Default 3.
    ///
    /// A closure may so see rows of a partition again. Results do not depend on it, and
    /// [`for_each`](crate::Dataset::for_each), which is there for side effects, is not repeated
    /// once its closure has run.
    pub fn task_retries(self, task_retries: u32) -> Self {
        Self { task_retries, ..self }
    }

    /// Makes things go wrong on this rank, one event in a hundred, as `seed` says; for tests.
    /// Default: no.
    pub fn chaos(self, seed: u64) -> Self {
        self.chaos_with(Chaos::new(seed))
    }

    /// [`chaos`](Self::chaos) with a choice of what goes wrong, where and how often.
    pub fn chaos_with(self, chaos: Chaos) -> Self {
        Self { chaos: Some(chaos), ..self }
    }

    /// Writes what jobs, stages and tasks do, and when, to a file that `chrome://tracing` and Perfetto
    /// show. Default: no. Further ranks put their number in its name: `trace.rank1.json`.
    ///
    /// The file is brought up to date at the end of every job, and complete once the last handle
    /// on the context is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("trace.json");
    /// let ctx = firesteel_core::Context::builder().trace(&path).build()?;
    /// ctx.range(0..1000).count()?;
    /// assert!(std::fs::read_to_string(&path)?.contains(r#""name":"count""#));
    /// # Ok(())
    /// # }
    /// ```
    pub fn trace(self, file: impl Into<PathBuf>) -> Self {
        Self { trace: Some(file.into()), ..self }
    }

    /// Joins the ranks behind `transport`. Default: one rank alone.
    pub fn transport(self, transport: impl Transport + 'static) -> Self {
        Self { transport: Box::new(transport), ..self }
    }

    /// Builds the context; collective if there are several ranks.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] for zero or more than 4096 threads, or a chaos whose rate or point makes no sense;
    /// [`Error::File`] if the trace cannot be written;
    /// [`Error::MixedWorld`] if another rank runs another version, has another seed, or has a
    /// processor that would not give the same bits.
    #[track_caller]
    pub fn build(self) -> Result<Context> {
        if let Some(threads) = self.threads.filter(|threads| !(1..=MOST_THREADS).contains(threads))
        {
            let expected = format!("from 1 to {MOST_THREADS}");
            return Err(Error::parameter("threads", threads, expected));
        }
        self.chaos.as_ref().map_or(Ok(()), Chaos::check)?;
        let default_threads = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = self.threads.unwrap_or_else(default_threads);
        let log = Arc::new(Log::new(self.trace.as_deref(), self.transport.rank())?);
        let folder = self.spill_dir.unwrap_or_else(std::env::temp_dir);
        let inner = Inner {
            transport: self.transport,
            threads,
            pool: OnceLock::new(),
            seed: self.seed,
            progress: self.progress,
            store: Arc::new(
                Store::new(self.memory_limit, threads, folder)
                    .faults(self.chaos.clone(), self.task_retries),
            ),
            chaos: self.chaos,
            task_retries: self.task_retries,
            next_node: AtomicU64::new(0),
            collectives: AtomicU64::new(0),
            running: Mutex::new(None),
            branch: 0,
            stop: AtomicU8::new(0),
            stage: Mutex::new(None),
            log,
            _sharer: None,
        };
        let ctx = Context { inner: Arc::new(inner) };
        if ctx.ranks() > 1 {
            ctx.compare_worlds(Location::caller())?;
        }
        Ok(ctx)
    }
}

/// What must be equal on all ranks for their results to be equal.
#[derive(Clone, Serialize, Deserialize)]
struct World {
    version: String,
    seed: u64,
    instructions: String,
}

impl Context {
    /// A context of this process alone, with the default of everything.
    pub fn local() -> Self {
        Self::builder().build().expect("the defaults are valid")
    }

    /// Starts to set up a context.
    pub fn builder() -> Builder {
        Builder {
            threads: None,
            memory_limit: None,
            spill_dir: None,
            seed: 0,
            progress: false,
            chaos: None,
            task_retries: 3,
            trace: None,
            transport: Box::new(Alone),
        }
    }

    /// This process's number among the ranks, from 0.
    pub fn rank(&self) -> usize {
        self.inner.transport.rank()
    }

    /// How many ranks the program runs on.
    pub fn ranks(&self) -> usize {
        self.inner.transport.size()
    }

    /// Whether this is rank 0, which writes what is written once.
    pub fn is_root(&self) -> bool {
        self.rank() == 0
    }

    /// Threads of this rank.
    pub fn threads(&self) -> usize {
        self.inner.threads
    }

    /// The context's seed.
    pub fn seed(&self) -> u64 {
        self.inner.seed
    }

    /// Bytes of the memory budget that are in use on this rank.
    pub fn memory_used(&self) -> u64 {
        self.inner.store.memory_used()
    }

    /// Bytes that this rank has written to spill files since its start.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::builder().memory_limit(100_000).build()?;
    /// ctx.range(0..100_000).sort_by(|x| u64::MAX - x).count()?;
    /// assert!(ctx.spilled_bytes() > 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn spilled_bytes(&self) -> u64 {
        self.inner.store.spilled()
    }

    /// Gives every rank the root's value.
    ///
    /// On one rank nothing is copied or serialised.
    ///
    /// # Errors
    ///
    /// What an action can return: a rank that is lost or has parted.
    ///
    /// # Cost
    ///
    /// The encoded value, once to each rank.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    ///
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = Context::local();
    /// let names = ctx.broadcast(vec!["zero".to_owned(), "one".to_owned()])?;
    /// let named = ctx.parallelize(vec![1, 0]).map(move |i: usize| names[i].clone());
    /// assert_eq!(named.collect()?, ["one", "zero"]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn broadcast<T: Wire>(&self, value: T) -> Result<Broadcast<T>> {
        let job = Job::begin(self, "broadcast", Location::caller())?;
        let root = self.is_root();
        let mut all = job.gather(Ok(if root { Some(value) } else { None }))?;
        let value = all.swap_remove(0).expect("rank 0 sends its value");
        Ok(Broadcast { value: Arc::new(value) })
    }

    /// Runs `work` on the root alone and returns what it returned on every rank, error included.
    ///
    /// For what must happen once (writing a file), yet whose failure is everybody's.
    ///
    /// # Errors
    ///
    /// What `work` returns, and what an action can return.
    ///
    /// # Cost
    ///
    /// The encoded value, once to each rank.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::{Context, Error};
    ///
    /// # fn main() -> firesteel_core::Result<()> {
    /// assert_eq!(Context::local().on_root(|| Ok::<_, Error>(7))?, 7);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn on_root<T: Wire, E: Into<TaskFailure>>(
        &self,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T> {
        let job = Job::begin(self, "on_root", Location::caller())?;
        let run = || work().map_err(|error| job.failure(error.into()));
        let outcome = if self.is_root() { job.guarded(None, run).map(Some) } else { Ok(None) };
        Ok(job.gather(outcome)?.swap_remove(0).expect("rank 0 sends its value"))
    }

    pub(crate) fn transport(&self) -> &dyn Transport {
        &*self.inner.transport
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.inner.store
    }

    /// The faults that are asked for.
    #[inline]
    pub(crate) fn chaos(&self) -> Option<&Chaos> {
        self.inner.chaos.as_ref()
    }

    pub(crate) fn task_retries(&self) -> u32 {
        self.inner.task_retries
    }

    pub(crate) fn shows_progress(&self) -> bool {
        self.inner.progress && self.is_root()
    }

    pub(crate) fn pool(&self) -> Result<&Pool> {
        let threads = self.inner.threads;
        let refused = |error: rayon::ThreadPoolBuildError| {
            Error::parameter("threads", threads, error.to_string())
        };
        let made = self.inner.pool.get_or_init(|| Pool::new(threads).map_err(refused));
        made.as_ref().map_err(Clone::clone)
    }

    /// A context beside this one: its branch of this number.
    pub(crate) fn beside(&self, transport: Box<dyn Transport>, number: u64) -> Self {
        let here = &self.inner;
        let branch = fixed_hash(&(here.branch, number)).max(1);
        let inner = Inner {
            transport,
            threads: here.threads,
            pool: OnceLock::new(),
            seed: here.seed,
            progress: here.progress,
            store: Arc::clone(&here.store),
            chaos: here.chaos.clone(),
            task_retries: here.task_retries,
            // Numbers that no other branch gives, and the same on all ranks.
            next_node: AtomicU64::new(branch & !((1 << 32) - 1)),
            collectives: AtomicU64::new(0),
            running: Mutex::new(None),
            branch,
            stop: AtomicU8::new(0),
            stage: Mutex::new(None),
            log: Arc::clone(&here.log),
            _sharer: Some(here.store.join()),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The number of the branch that it is; 0 if it is none.
    pub(crate) fn branch_number(&self) -> u64 {
        self.inner.branch
    }

    /// Whether the running action is to stop.
    #[inline]
    pub(crate) fn is_to_stop(&self) -> bool {
        self.inner.stop.load(Ordering::Relaxed) > 0
    }

    /// Asks the running action to stop, or takes that back for the next one.
    pub(crate) fn ask_to_stop(&self, stop: bool) {
        let (from, to) = if stop { (0, STOP_ONE) } else { (STOP_ONE, 0) };
        // One that is stopped for good stays so.
        let _ = self.inner.stop.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Asks the running action and all later ones to stop.
    pub(crate) fn stop_for_good(&self) {
        self.inner.stop.store(STOP_ALL, Ordering::Relaxed);
    }

    /// What its jobs did.
    pub(crate) fn log(&self) -> &Arc<Log> {
        &self.inner.log
    }

    /// What is being computed.
    pub(crate) fn stage(&self) -> Option<Arc<Stage>> {
        self.inner.stage.lock().unwrap_or_else(|poison| poison.into_inner()).clone()
    }

    /// Says what is being computed.
    pub(crate) fn enter_stage(&self, stage: Option<Arc<Stage>>) {
        *self.inner.stage.lock().unwrap_or_else(|poison| poison.into_inner()) = stage;
    }

    pub(crate) fn next_node(&self) -> u64 {
        self.inner.next_node.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn next_collective(&self) -> u64 {
        self.inner.collectives.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn current_collective(&self) -> u64 {
        self.inner.collectives.load(Ordering::Relaxed) + 1
    }

    pub(crate) fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.inner.running.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    fn compare_worlds(&self, site: &'static Location<'static>) -> Result<()> {
        let job = Job::begin(self, "start", site)?;
        let here = World {
            version: env!("CARGO_PKG_VERSION").into(),
            seed: self.seed(),
            instructions: instructions(),
        };
        let worlds = job.gather(Ok(here))?;
        let root = &worlds[0];
        for (rank, world) in worlds.iter().enumerate() {
            let pairs = [
                ("version", root.version.clone(), world.version.clone()),
                ("seed", root.seed.to_string(), world.seed.to_string()),
                ("instruction set", root.instructions.clone(), world.instructions.clone()),
            ];
            for (what, here, other) in pairs {
                if here != other {
                    return Err(Error::MixedWorld {
                        what: what.into(),
                        here,
                        other_rank: rank,
                        other,
                    });
                }
            }
        }
        Ok(())
    }
}

/// The instruction sets that numeric kernels choose by.
fn instructions() -> String {
    #[cfg(target_arch = "x86_64")]
    {
        let mut sets = vec!["x86-64"];
        for (name, found) in [
            ("avx2", std::is_x86_feature_detected!("avx2")),
            ("fma", std::is_x86_feature_detected!("fma")),
            ("avx512f", std::is_x86_feature_detected!("avx512f")),
        ] {
            if found {
                sets.push(name);
            }
        }
        sets.join(" ")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        std::env::consts::ARCH.into()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("rank", &self.rank())
            .field("ranks", &self.ranks())
            .field("threads", &self.threads())
            .field("seed", &self.seed())
            .finish_non_exhaustive()
    }
}

/// A value that every rank has; made by [`Context::broadcast`]. Cheap to clone into closures.
#[derive(Debug)]
pub struct Broadcast<T> {
    value: Arc<T>,
}

impl<T> Clone for Broadcast<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value) }
    }
}

impl<T> Deref for Broadcast<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
