//! What a job did, and how long each part of it took.
//!
//! A job counts while it runs: rows that its stages and its action read, rows and bytes that moved,
//! bytes that went to disk, time. [`Context::last_job`] and [`Context::jobs`] give the sums of this
//! rank; [`Builder::trace`](crate::Builder::trace) writes the same, task by task, to a file that
//! `chrome://tracing` and Perfetto show. Whoever has a `tracing` subscriber of their own gets spans for
//! jobs, stages and tasks.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount};
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::error::{Error, Result, Site};
use crate::job::{Call, Job};

/// Jobs that a context remembers, at most.
const REMEMBERED: usize = 1000;

/// What one stage of a job did on this rank: a cache, a shuffle, or the action itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StageSummary {
    /// The operator, or the action.
    pub operator: String,
    /// Where it was called.
    pub site: Site,
    /// Tasks (groups of partitions) that were run to their end. A shuffle runs some that deal rows out
    /// and some that take them in.
    pub tasks: u64,
    /// Rows that were read from the lineage.
    pub rows: u64,
    /// Rows that were dealt out to other partitions.
    pub rows_shuffled: u64,
    /// Bytes of those rows: as the memory budget counts them where they stayed on this rank, as
    /// they were sent where they went to others. Without a memory limit rows that stay are counted by
    /// the size of their type alone.
    pub bytes_shuffled: u64,
    /// Bytes sent to other ranks, of the shuffled ones and of everything else.
    pub bytes_sent: u64,
    /// Bytes that went to disk. What a branch spills at the same time is counted here too.
    pub bytes_spilled: u64,
    /// Time from its start to its end.
    pub time: Duration,
    /// Time of its tasks, added up: with two busy threads twice [`time`](Self::time).
    pub task_time: Duration,
    /// Whether it ended in an error, here or on another rank; the numbers are those up to then.
    pub failed: bool,
}

/// What a job did on this rank, stage by stage; from [`Context::last_job`].
///
/// Printed, it is a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JobSummary {
    /// The action.
    pub action: String,
    /// Where it was called.
    pub site: Site,
    /// Its stages in the order in which they ran, the action itself last. Stages that were there
    /// before are not among them, nor is what was not begun since a stage failed.
    pub stages: Vec<StageSummary>,
    /// Time from its start to its end.
    pub time: Duration,
}

impl JobSummary {
    fn sum(&self, of: impl Fn(&StageSummary) -> u64) -> u64 {
        self.stages.iter().map(of).sum()
    }

    /// Whether it ended in an error.
    pub fn failed(&self) -> bool {
        self.stages.iter().any(|stage| stage.failed)
    }

    /// Rows that its stages and the action read, added up.
    pub fn rows(&self) -> u64 {
        self.sum(|stage| stage.rows)
    }

    /// Rows that moved to other partitions.
    pub fn rows_shuffled(&self) -> u64 {
        self.sum(|stage| stage.rows_shuffled)
    }

    /// Bytes of the rows that moved to other partitions.
    pub fn bytes_shuffled(&self) -> u64 {
        self.sum(|stage| stage.bytes_shuffled)
    }

    /// Bytes sent to other ranks.
    pub fn bytes_sent(&self) -> u64 {
        self.sum(|stage| stage.bytes_sent)
    }

    /// Bytes that went to disk.
    pub fn bytes_spilled(&self) -> u64 {
        self.sum(|stage| stage.bytes_spilled)
    }
}

impl fmt::Display for JobSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (action, site) = (&self.action, &self.site);
        writeln!(f, "{action} at {site}: {:.3} s", self.time.as_secs_f64())?;
        for (at, stage) in self.stages.iter().enumerate() {
            let number = at + 1;
            let (time, work) = (stage.time.as_secs_f64(), stage.task_time.as_secs_f64());
            let (tasks, rows) = (HumanCount(stage.tasks), HumanCount(stage.rows));
            let operator = &stage.operator;
            write!(f, "  stage {number}: {operator} at {}: {time:.3} s", stage.site)?;
            write!(f, ", {tasks} tasks of {work:.3} s together, {rows} rows")?;
            if stage.rows_shuffled > 0 {
                let rows = HumanCount(stage.rows_shuffled);
                write!(f, ", {rows} shuffled ({})", HumanBytes(stage.bytes_shuffled))?;
            }
            if stage.bytes_sent > 0 {
                write!(f, ", {} sent", HumanBytes(stage.bytes_sent))?;
            }
            if stage.bytes_spilled > 0 {
                write!(f, ", {} spilled", HumanBytes(stage.bytes_spilled))?;
            }
            writeln!(f, "{}", if stage.failed { ", failed" } else { "" })?;
        }
        Ok(())
    }
}

impl Context {
    /// What the last job did on this rank; `None` before the first one.
    ///
    /// Every action is a job, also one that failed.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let counts = ctx.range(0..1000).map(|x| (x % 10, 1)).reduce_by_key(|a, b| a + b);
    /// counts.count()?;
    /// let job = ctx.last_job().expect("an action has run");
    /// assert_eq!(job.action, "count");
    /// assert_eq!(job.stages[0].operator, "reduce_by_key");
    /// assert_eq!((job.stages[0].rows, job.stages[1].rows), (1000, 10));
    /// println!("{job}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn last_job(&self) -> Option<JobSummary> {
        self.log().jobs().back().cloned()
    }

    /// What the last job did on each rank, in the order of the ranks; collective. Empty before the
    /// first one.
    ///
    /// Branches that run meanwhile end jobs of their own: then ranks may tell of different ones.
    ///
    /// # Errors
    ///
    /// What an action can return: a rank that is lost or has parted.
    ///
    /// # Cost
    ///
    /// Some hundred bytes a stage, from each rank to each.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// ctx.range(0..1000).count()?;
    /// let ranks = ctx.last_job_of_ranks()?;
    /// assert_eq!(ranks.iter().map(|job| job.rows()).sum::<u64>(), 1000);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn last_job_of_ranks(&self) -> Result<Vec<JobSummary>> {
        let last = self.last_job();
        let job = Job::begin_unseen(self, "last_job_of_ranks", Location::caller())?;
        Ok(job.gather(Ok(last))?.into_iter().flatten().collect())
    }

    /// What the jobs of this context and its branches did on this rank, the oldest first; the last
    /// thousand of them.
    pub fn jobs(&self) -> Vec<JobSummary> {
        self.log().jobs().iter().cloned().collect()
    }
}

/// What a context and its branches remember of their jobs.
#[derive(Debug)]
pub(crate) struct Log {
    jobs: Mutex<VecDeque<JobSummary>>,
    trace: Option<Trace>,
}

impl Log {
    /// With a trace in the file `trace` if there is one.
    pub(crate) fn new(trace: Option<&Path>, rank: usize) -> Result<Self> {
        let trace = trace.map(|path| Trace::create(path, rank)).transpose()?;
        Ok(Self { jobs: Mutex::default(), trace })
    }

    fn jobs(&self) -> MutexGuard<'_, VecDeque<JobSummary>> {
        lock(&self.jobs)
    }

    /// Notes what happened from `start` until now, if there is a trace.
    pub(crate) fn event(&self, kind: &str, name: &str, start: Instant, details: &[(&str, String)]) {
        if let Some(trace) = &self.trace {
            trace.event(kind, name, start, details);
        }
    }
}

/// Events in the JSON array format of `chrome://tracing`, which may lack its end: so a program that was
/// killed leaves a readable file.
#[derive(Debug)]
struct Trace {
    rank: usize,
    start: Instant,
    out: Mutex<BufWriter<File>>,
}

impl Trace {
    fn create(path: &Path, rank: usize) -> Result<Self> {
        let path = if rank == 0 { path.to_owned() } else { beside(path, rank) };
        let open = || -> std::io::Result<_> {
            let mut out = BufWriter::new(File::create(&path)?);
            out.write_all(b"[")?;
            out.flush()?;
            Ok(out)
        };
        let out = open().map_err(|error| Error::file(path.to_string_lossy(), error))?;
        Ok(Self { rank, start: Instant::now(), out: Mutex::new(out) })
    }

    fn event(&self, kind: &str, name: &str, start: Instant, details: &[(&str, String)]) {
        let details: serde_json::Map<_, _> =
            details.iter().map(|(key, value)| ((*key).to_owned(), value.as_str().into())).collect();
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let event = serde_json::json!({
            "name": name, "cat": kind, "ph": "X", "pid": self.rank, "tid": thread_number(),
            "ts": micros(start.saturating_duration_since(self.start)), "dur": micros(start.elapsed()),
            "args": details,
        });
        let mut out = lock(&self.out);
        // A trace that cannot be written must not end the program's work.
        let _ = writeln!(out, "{event},");
        if kind == "job" {
            let _ = out.flush();
        }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        // An event that nobody looks at, so that the array ends without a comma.
        let event = serde_json::json!({
            "name": "process_name", "ph": "M", "pid": self.rank,
            "args": { "name": format!("rank {}", self.rank) },
        });
        let _ = writeln!(lock(&self.out), "{event}]");
    }
}

/// `trace.json` of rank 2 is `trace.rank2.json`.
fn beside(path: &Path, rank: usize) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".rank{rank}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

fn thread_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        static NUMBER: u64 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}

/// What a job counts while it runs.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    tasks: AtomicU64,
    rows: AtomicU64,
    rows_shuffled: AtomicU64,
    bytes_shuffled: AtomicU64,
    bytes_sent: AtomicU64,
    task_nanos: AtomicU64,
}

impl Meter {
    /// A task has come to its end.
    pub(crate) fn task(&self, rows: u64, time: Duration) {
        self.tasks.fetch_add(1, Ordering::Relaxed);
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.task_nanos.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Rows were dealt out.
    pub(crate) fn shuffled(&self, rows: u64, bytes: u64) {
        self.rows_shuffled.fetch_add(rows, Ordering::Relaxed);
        self.bytes_shuffled.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes were sent to other ranks.
    pub(crate) fn sent(&self, bytes: u64) {
        self.bytes_sent.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A job's account of itself, from its start to its end.
#[derive(Debug)]
pub(crate) struct Account {
    log: Arc<Log>,
    call: Call,
    started: Instant,
    pub(crate) meter: Meter,
    /// Whether the context remembers it.
    pub(crate) is_seen: bool,
    has_failed: AtomicBool,
    parts: Mutex<Parts>,
}

#[derive(Debug)]
struct Parts {
    stages: Vec<StageSummary>,
    since: Instant,
    spilled: u64,
}

impl Account {
    pub(crate) fn open(ctx: &Context, call: Call) -> Self {
        let now = Instant::now();
        let parts = Parts { stages: Vec::new(), since: now, spilled: ctx.spilled_bytes() };
        let (log, parts) = (Arc::clone(ctx.log()), Mutex::new(parts));
        let (meter, has_failed) = (Meter::default(), AtomicBool::new(false));
        Self { log, call, started: now, meter, is_seen: true, has_failed, parts }
    }

    /// What is counted now has ended in an error.
    pub(crate) fn fail(&self) {
        self.has_failed.store(true, Ordering::Relaxed);
    }

    /// What was counted since the last stage is that of `call`.
    pub(crate) fn stage(&self, call: Call, spilled: u64) {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        let mut parts = lock(&self.parts);
        let stage = StageSummary {
            operator: call.operator.into(),
            site: call.site.into(),
            tasks: take(&self.meter.tasks),
            rows: take(&self.meter.rows),
            rows_shuffled: take(&self.meter.rows_shuffled),
            bytes_shuffled: take(&self.meter.bytes_shuffled),
            bytes_sent: take(&self.meter.bytes_sent),
            bytes_spilled: spilled - parts.spilled,
            time: parts.since.elapsed(),
            task_time: Duration::from_nanos(take(&self.meter.task_nanos)),
            failed: self.has_failed.swap(false, Ordering::Relaxed),
        };
        let details = [
            ("site", stage.site.to_string()),
            ("rows", stage.rows.to_string()),
            ("bytes_shuffled", stage.bytes_shuffled.to_string()),
            ("bytes_spilled", stage.bytes_spilled.to_string()),
            ("failed", stage.failed.to_string()),
        ];
        self.log.event("stage", call.operator, parts.since, &details);
        parts.stages.push(stage);
        (parts.since, parts.spilled) = (Instant::now(), spilled);
    }

    /// Notes a task of `call` in the trace.
    pub(crate) fn task(&self, call: Call, partition: usize, start: Instant) {
        if self.log.trace.is_some() {
            let details = [("partition", partition.to_string())];
            self.log.event("task", call.operator, start, &details);
        }
    }

    /// The job has come to its end.
    pub(crate) fn close(&self, spilled: u64) {
        if !self.is_seen {
            return;
        }
        // After a stage that failed the action itself was not begun.
        if lock(&self.parts).stages.last().is_none_or(|stage| !stage.failed) {
            self.stage(self.call, spilled);
        }
        let (call, stages) = (self.call, std::mem::take(&mut lock(&self.parts).stages));
        self.log.event(
            "job",
            call.operator,
            self.started,
            &[("site", Site::from(call.site).to_string())],
        );
        let time = self.started.elapsed();
        let job = JobSummary { action: call.operator.into(), site: call.site.into(), stages, time };
        let mut jobs = self.log.jobs();
        if jobs.len() == REMEMBERED {
            jobs.pop_front();
        }
        jobs.push_back(job);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}
