//! One action from its call to the agreement at its end.
//!
//! A [`Job`] is made by every action and lives until it returns. It holds the context's right to
//! run actions, prepares what the action stands on (shuffles, caches), runs the tasks of this
//! rank's partitions on the context's threads, and lets the ranks meet. Whenever they meet, each
//! brings a note: the collective's number, the action's call site, a fingerprint of what it runs
//! on, and how its part of the work went. So an error on one rank becomes the same error on all, and ranks
//! that have parted see it before they wait for each other (law 3).
//!
//! Between two meetings every rank must come to the next one, whatever happens: what can fail
//! there is caught and brought along as the outcome, never returned early.

use std::cell::Cell;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::branches::Stage;
use crate::chaos::{Attempt, Point, attempts};
use crate::context::{Context, Running};
use crate::counters::{Evaluation, Scope, working_for};
use crate::data::Wire;
use crate::dataset::node::Node;
use crate::error::{Error, Failure, Result, Site, TaskFailure, Whereabouts};
use crate::fingerprint::fingerprint;
use crate::hash::fixed_hash;
use crate::seal::{seal, sealed_len};
use crate::store::Store;
use crate::summary::{Account, Meter};
use crate::transport::{Bytes, Lost};
use crate::tree::{Place, Tree};
use crate::wire;

/// An operator or action with the place where it was called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) operator: &'static str,
    pub(crate) site: &'static Location<'static>,
}

thread_local! {
    /// Set while a task runs on this thread: actions refuse to start here.
    static IN_TASK: Cell<bool> = const { Cell::new(false) };
    /// The operator whose closure runs on this thread, for the report of a panic.
    static CURRENT: Cell<Option<Call>> = const { Cell::new(None) };
}

/// Notes which operator's closure is about to run.
#[inline]
pub(crate) fn entering(call: Call) {
    CURRENT.set(Some(call));
    working_for(None);
}

/// [`entering`], with the evaluation that the closure works for.
#[inline]
pub(crate) fn entering_for(call: Call, evaluation: Evaluation) {
    CURRENT.set(Some(call));
    working_for(Some(evaluation));
}

/// What a running task may look at: whether its work is still wanted, and its partition.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) partition: usize,
    /// Rows that it has read.
    rows: AtomicU64,
    stop: Arc<Stop>,
    attempt: Arc<Attempt>,
}

#[derive(Debug)]
struct Stop {
    ctx: Context,
    call: Call,
    number: u64,
    here: AtomicBool,
}

const STOPPED: &str = "core/stopped";

fn stopped() -> Error {
    Error::Foreign { kind: STOPPED.into(), message: "stopped: the job has failed".into() }
}

fn is_stopped(error: &Error) -> bool {
    matches!(error, Error::Foreign { kind, .. } if kind == STOPPED)
}

fn cancelled(call: Call) -> Error {
    Error::Cancelled { operator: call.operator.into(), site: call.site.into() }
}

impl Task {
    /// An error if the job has failed elsewhere: tasks ask between chunks.
    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        self.is_wanted()?;
        self.attempt.step()
    }

    /// [`check`](Self::check) for whoever only looks on.
    #[inline]
    pub(crate) fn is_wanted(&self) -> Result<()> {
        let stop = &self.stop;
        if stop.here.load(Ordering::Relaxed) || stop.ctx.transport().raised(stop.number) {
            return Err(stopped());
        }
        if stop.ctx.is_to_stop() {
            return Err(cancelled(stop.call));
        }
        Ok(())
    }

    /// Says that the task cannot be tried again from here on: what it works on is used up, or
    /// what it does is seen from outside (a closure's side effects). Asked for before that, and
    /// returned early if it fails: a fault may strike here for the last time.
    pub(crate) fn spend(&self) -> Result<()> {
        self.attempt.spend()
    }

    /// Notes rows that the stage or the action has read.
    pub(crate) fn has_read(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// Rows that were [noted](Self::has_read) so far.
    pub(crate) fn has_read_so_far(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Where its rank keeps things.
    pub(crate) fn store(&self) -> &Arc<Store> {
        self.stop.ctx.store()
    }

    /// The error for a closure of `call` that failed in this task.
    pub(crate) fn error(&self, call: Call, failure: Failure) -> Error {
        match failure {
            Failure::Typed(error) => error,
            Failure::Message(message) => Error::Task {
                operator: call.operator.into(),
                site: call.site.into(),
                partition: Some(self.partition),
                message,
            },
        }
    }
}

/// The note that each rank brings to a meeting; it travels behind the bytes that it is about.
#[derive(Serialize, Deserialize)]
struct Note {
    number: u64,
    operator: String,
    site: Site,
    plan: u64,
    outcome: Outcome,
}

#[derive(Serialize, Deserialize)]
enum Outcome {
    Fine,
    Failed(Error),
    Stopped,
}

/// What came from a rank, without the note or checksum behind it.
pub(crate) struct Brought {
    bytes: Bytes,
    len: usize,
}

impl std::ops::Deref for Brought {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Bytes that say how long the note before them is.
const NOTE_LEN: usize = 4;

impl Note {
    /// Writes the note behind `bytes`, and a checksum of both.
    fn append_to(&self, mut bytes: Vec<u8>) -> Result<Vec<u8>> {
        let start = bytes.len();
        wire::append(self, &mut bytes)?;
        let len = (bytes.len() - start) as u32;
        bytes.extend_from_slice(&len.to_le_bytes());
        seal(&mut bytes);
        Ok(bytes)
    }

    fn split_from(bytes: &Bytes, rank: usize) -> Result<(Self, Brought)> {
        let cut = || -> Option<(usize, usize)> {
            let bytes = &bytes[..sealed_len(bytes)?];
            let end = bytes.len().checked_sub(NOTE_LEN)?;
            let len = u32::from_le_bytes(bytes[end..].try_into().ok()?) as usize;
            Some((end.checked_sub(len)?, end))
        };
        let (start, end) = cut().ok_or_else(|| Error::Damaged {
            what: format!("note of rank {rank}"),
            message: "its checksum does not fit".into(),
        })?;
        let note = wire::decode(&bytes[start..end])?;
        Ok((note, Brought { bytes: Arc::clone(bytes), len: start }))
    }
}

/// A running action.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    ctx: &'a Context,
    call: Call,
    /// A fingerprint of the datasets and parameters that it runs on: equal on ranks that are together.
    plan: AtomicU64,
    account: Account,
    span: tracing::Span,
    /// The stage that is being computed, if it is not the action itself.
    stage: Mutex<Option<(Call, tracing::Span)>>,
}

impl Drop for Job<'_> {
    fn drop(&mut self) {
        self.account.close(self.ctx.spilled_bytes());
        *self.ctx.running() = None;
    }
}

impl<'a> Job<'a> {
    /// Takes the context's right to run actions.
    pub(crate) fn begin(
        ctx: &'a Context,
        operator: &'static str,
        site: &'static Location<'static>,
    ) -> Result<Self> {
        if IN_TASK.get() {
            return Err(Error::ActionInTask { operator: operator.into(), site: site.into() });
        }
        let thread = std::thread::current().id();
        let mut running = ctx.running();
        if let Some(other) = &*running {
            return Err(if other.thread == thread {
                // A closure that merges results runs on the action's own thread.
                Error::ActionInTask { operator: operator.into(), site: site.into() }
            } else {
                Error::ConcurrentAction {
                    operator: operator.into(),
                    site: site.into(),
                    running: other.what.clone(),
                }
            });
        }
        ctx.ask_to_stop(false);
        *running = Some(Running { thread, what: format!("{operator} at {}", Site::from(site)) });
        drop(running);
        let call = Call { operator, site };
        let (plan, account) = (AtomicU64::new(0), Account::open(ctx, call));
        let span = tracing::info_span!("job", action = operator, %site);
        Ok(Self { ctx, call, plan, account, span, stage: Mutex::new(None) })
    }

    /// A job that is not among those that the context remembers: it asks about them.
    pub(crate) fn begin_unseen(
        ctx: &'a Context,
        operator: &'static str,
        site: &'static Location<'static>,
    ) -> Result<Self> {
        let mut job = Self::begin(ctx, operator, site)?;
        job.account.is_seen = false;
        Ok(job)
    }

    /// What is being computed: a stage, or the action itself.
    fn at(&self) -> (Call, tracing::Span) {
        lock(&self.stage).clone().unwrap_or_else(|| (self.call, self.span.clone()))
    }

    pub(crate) fn call(&self) -> Call {
        self.call
    }

    /// What it counts.
    pub(crate) fn meter(&self) -> &Meter {
        &self.account.meter
    }

    pub(crate) fn ctx(&self) -> &'a Context {
        self.ctx
    }

    /// The error of a closure that the action itself ran, outside of any partition.
    pub(crate) fn failure(&self, failure: TaskFailure) -> Error {
        match failure.0 {
            Failure::Typed(error) => error,
            Failure::Message(message) => Error::Task {
                operator: self.call.operator.into(),
                site: self.call.site.into(),
                partition: None,
                message,
            },
        }
    }

    /// The error of an action that met no rows.
    pub(crate) fn empty(&self) -> Error {
        Error::Empty { operator: self.call.operator.into(), site: self.call.site.into() }
    }

    /// Adds a parameter of the action to what the ranks compare when they meet.
    pub(crate) fn runs_on(&self, part: u64) {
        let plan = self.plan.load(Ordering::Relaxed);
        self.plan.store(fixed_hash(&(plan, part)), Ordering::Relaxed);
    }

    /// Runs what `node` stands on and is not there yet: shuffles, caches, counts; parents first.
    pub(crate) fn prepare(&self, node: &Arc<Node>) -> Result<()> {
        self.runs_on(node.fingerprint());
        self.agree_on_foreign_stages(node)?;
        // By address: a union may reach into another context, which numbers its nodes anew.
        let mut seen = HashSet::new();
        let mut pending = vec![(Arc::clone(node), false)];
        while let Some((node, parents_are_done)) = pending.pop() {
            if parents_are_done {
                if !node.is_ready() {
                    let span = tracing::info_span!(parent: &self.span, "stage", name = node.name(), id = node.id());
                    *lock(&self.stage) = Some((node.call(), span.clone()));
                    let prepared = span.in_scope(|| node.prepare(self));
                    *lock(&self.stage) = None;
                    if prepared.is_err() {
                        self.account.fail();
                    }
                    self.account.stage(node.call(), self.ctx.spilled_bytes());
                    prepared?;
                }
                continue;
            }
            if !seen.insert(Arc::as_ptr(&node)) || node.stands_alone() {
                continue;
            }
            let parents = node.parents();
            if !node.is_ready() {
                pending.push((node, true));
            }
            pending.extend(parents.into_iter().map(|parent| (parent, false)));
        }
        Ok(())
    }

    /// On several ranks, makes sure that what was made on other branches is computed on all of them.
    ///
    /// What a lineage meets first of stages is the same on all ranks, since own stages are computed
    /// by this branch alone.
    fn agree_on_foreign_stages(&self, node: &Arc<Node>) -> Result<()> {
        if self.ctx.ranks() == 1 {
            return Ok(());
        }
        let (mut any, mut missing) = (false, None);
        let mut seen = HashSet::new();
        let mut pending = vec![Arc::clone(node)];
        while let Some(node) = pending.pop() {
            if !seen.insert(Arc::as_ptr(&node)) {
                continue;
            }
            let is_foreign = node.branch() != self.ctx.branch_number();
            if is_foreign && node.prepares() {
                any = true;
                if !node.is_ready() {
                    missing = Some(format!("{} at {}", node.name(), Site::from(node.call().site)));
                }
            }
            let is_end = node.stands_alone() || (is_foreign && node.is_staged());
            if !is_end {
                pending.extend(node.parents());
            }
        }
        if !any {
            return Ok(());
        }
        self.agree(match missing {
            None => Ok(()),
            Some(stage) => Err(Error::StageOfAnotherBranch {
                operator: self.call.operator.into(),
                site: self.call.site.into(),
                stage,
            }),
        })
    }

    /// Runs `work` for each of `partitions`, in their order, on the context's threads; again where
    /// it failed in a way that may pass, unless the task has been [spent](Task::spend).
    ///
    /// After a failure no further task starts, and running ones end at their next chunk; the
    /// error of the lowest partition that failed is returned.
    pub(crate) fn run<R: Send>(
        &self,
        partitions: &[usize],
        work: impl Fn(&Arc<Task>) -> Result<R> + Sync,
    ) -> Result<Vec<(usize, R)>> {
        let groups: Vec<&[usize]> = partitions.chunks(1).collect();
        let step = |result: &mut Option<R>, task: &Arc<Task>| {
            *result = Some(work(task)?);
            Ok(())
        };
        self.run_groups(&groups, || None, step, |_, result| result.ok_or_else(stopped))
    }

    /// Runs `step` for each partition of each group; the partitions of a group run one after the
    /// other on one thread, from what `start` gave, and `finish` makes the group's result of what
    /// is there then. A group is tried again as a whole.
    pub(crate) fn run_groups<S, R: Send>(
        &self,
        groups: &[&[usize]],
        start: impl Fn() -> S + Sync,
        step: impl Fn(&mut S, &Arc<Task>) -> Result<()> + Sync,
        finish: impl Fn(usize, S) -> Result<R> + Sync,
    ) -> Result<Vec<(usize, R)>> {
        let number = self.ctx.current_collective();
        let stop = Arc::new(Stop {
            ctx: self.ctx.clone(),
            call: self.call,
            number,
            here: AtomicBool::new(false),
        });
        let next = AtomicUsize::new(0);
        let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(groups.len()));
        let failed: Mutex<Option<(usize, Error)>> = Mutex::new(None);
        let (call, span) = self.at();
        let bar = Progress::new(self.ctx, call.operator, groups.len());
        let (operator, tasks) = (call.operator, groups.len());
        let stage = Arc::new(Stage { operator, done: AtomicUsize::new(0), tasks });
        self.ctx.enter_stage(Some(Arc::clone(&stage)));
        let worker = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(&group) = groups.get(at) else { return };
                let first = group[0];
                let at_work = AtomicUsize::new(first);
                let once = |attempt: Arc<Attempt>| {
                    let added = Scope::begin();
                    let (begun, mut rows) = (Instant::now(), 0);
                    let span = tracing::info_span!(parent: &span, "task", partition = first);
                    let _inside = span.enter();
                    let mut state = start();
                    for &partition in group {
                        at_work.store(partition, Ordering::Relaxed);
                        let (stop, attempt) = (Arc::clone(&stop), Arc::clone(&attempt));
                        let task =
                            Arc::new(Task { partition, rows: AtomicU64::new(0), stop, attempt });
                        self.guarded(Some(partition), || {
                            task.check()?;
                            step(&mut state, &task)
                        })?;
                        rows += task.rows.load(Ordering::Relaxed);
                    }
                    let result = self.guarded(Some(at_work.load(Ordering::Relaxed)), || {
                        // A fault that still waits strikes before the group's result is seen.
                        attempt.finish()?;
                        finish(first, state)
                    })?;
                    added.succeed(number, first);
                    self.meter().task(rows, begun.elapsed());
                    self.account.task(call, first, begun);
                    Ok(result)
                };
                match attempts(self.ctx, number, first, once) {
                    Ok(result) => lock(&done).push((first, result)),
                    Err(error) => {
                        stop.here.store(true, Ordering::Relaxed);
                        if !is_stopped(&error) {
                            if self.ctx.ranks() > 1 {
                                self.ctx.transport().raise(number);
                            }
                            let partition = at_work.load(Ordering::Relaxed);
                            let mut failed = lock(&failed);
                            if failed.as_ref().is_none_or(|(lowest, _)| partition < *lowest) {
                                *failed = Some((partition, error));
                            }
                        }
                        return;
                    }
                }
                bar.step();
                stage.done.fetch_add(1, Ordering::Relaxed);
            }
        };
        let workers = self.ctx.threads().min(groups.len());
        let pool = self.ctx.pool();
        if let Ok(pool) = &pool {
            pool.run(workers, &worker);
        }
        self.ctx.enter_stage(None);
        pool?;
        if let Some((_, error)) = into_inner(failed) {
            self.account.fail();
            return Err(error);
        }
        if stop.here.load(Ordering::Relaxed) {
            self.account.fail();
            return Err(stopped());
        }
        let mut done = into_inner(done);
        done.sort_unstable_by_key(|&(partition, _)| partition);
        Ok(done)
    }

    /// Runs a closure of the user's; a panic becomes an error.
    pub(crate) fn guarded<R>(
        &self,
        partition: Option<usize>,
        work: impl FnOnce() -> Result<R>,
    ) -> Result<R> {
        let was_in_task = IN_TASK.replace(true);
        // A task that waits for threads of its own may run another task meanwhile.
        let was_current = CURRENT.replace(Some(self.call));
        let result = catch_unwind(AssertUnwindSafe(work));
        IN_TASK.set(was_in_task);
        let call = CURRENT.replace(was_current).unwrap_or(self.call);
        result.unwrap_or_else(|panic| {
            Err(Error::Panic {
                operator: call.operator.into(),
                site: call.site.into(),
                partition,
                message: panic_message(&*panic),
            })
        })
    }

    /// A cancel takes effect where the ranks meet: all of them learn of it there, or none.
    fn unless_cancelled<R>(&self, outcome: Result<R>) -> Result<R> {
        if self.ctx.is_to_stop() { outcome.and(Err(cancelled(self.call))) } else { outcome }
    }

    /// Lets the ranks meet: returns the bytes of all if every rank's part went well, else the
    /// error of the lowest rank that has one.
    fn meet(&self, outcome: Result<Vec<u8>>) -> Result<Vec<Brought>> {
        let outcome = self.unless_cancelled(outcome);
        let number = self.ctx.next_collective();
        let (bytes, outcome) = match outcome {
            Ok(bytes) => (bytes, Outcome::Fine),
            Err(error) if is_stopped(&error) => (Vec::new(), Outcome::Stopped),
            Err(error) => (Vec::new(), Outcome::Failed(error)),
        };
        let note = Note {
            number,
            operator: self.call.operator.into(),
            site: self.call.site.into(),
            plan: self.plan.load(Ordering::Relaxed),
            outcome,
        };
        let mut bytes = note.append_to(bytes)?;
        if let Some(chaos) = self.ctx.chaos() {
            chaos.on_the_way(Point::Meeting, number, self.ctx.rank(), None, &mut bytes);
        }
        self.meter().sent((bytes.len() * (self.ctx.ranks() - 1)) as u64);
        let gathered = self.ctx.transport().all_gather(bytes);
        let (mut notes, mut all) = (Vec::new(), Vec::new());
        for (rank, bytes) in gathered.map_err(|lost| self.lost(lost))?.iter().enumerate() {
            let (note, brought) = Note::split_from(bytes, rank)?;
            notes.push(note);
            all.push(brought);
        }
        self.compare_places(&notes)?;
        let mut any_stopped = false;
        for note in notes {
            match note.outcome {
                Outcome::Fine => {}
                Outcome::Failed(error) => {
                    self.account.fail();
                    return Err(error);
                }
                Outcome::Stopped => any_stopped = true,
            }
        }
        if any_stopped { Err(stopped()) } else { Ok(all) }
    }

    fn compare_places(&self, notes: &[Note]) -> Result<()> {
        let place = |rank: usize| {
            let note = &notes[rank];
            let (operator, site) = (note.operator.clone(), note.site.clone());
            Box::new(Whereabouts { rank, operator, site, number: note.number })
        };
        let differs = |other: &Note| {
            let first = &notes[0];
            (other.number, &other.operator, &other.site)
                != (first.number, &first.operator, &first.site)
        };
        if let Some(other) = notes.iter().position(differs) {
            return Err(Error::Diverged { here: place(0), there: place(other) });
        }
        match notes.iter().position(|other| other.plan != notes[0].plan) {
            None => Ok(()),
            Some(other_rank) => Err(Error::PlansDiffer {
                operator: self.call.operator.into(),
                site: self.call.site.into(),
                other_rank,
            }),
        }
    }

    pub(crate) fn lost(&self, lost: Lost) -> Error {
        let (rank, message) = match lost {
            Lost::Rank { rank, message } => (rank, message),
            Lost::OutOfStep { rank } => (rank, "it is in another kind of exchange".to_owned()),
        };
        Error::RankLost {
            rank,
            operator: self.call.operator.into(),
            site: self.call.site.into(),
            message,
        }
    }

    /// Ends a piece of work without a result: all ranks fine, or the same error on all.
    pub(crate) fn agree(&self, outcome: Result<()>) -> Result<()> {
        if self.ctx.ranks() == 1 {
            self.ctx.next_collective();
            return self.unless_cancelled(outcome);
        }
        self.meet(outcome.map(|()| Vec::new())).map(|_| ())
    }

    /// Gives every rank the values of all ranks, in rank order. On one rank nothing is encoded.
    ///
    /// A rank reads its own value from the bytes as the others do: so a type that does not come
    /// back as it went, or not at all, is the same value or error everywhere.
    pub(crate) fn gather<U: Wire>(&self, outcome: Result<U>) -> Result<Vec<U>> {
        if self.ctx.ranks() == 1 {
            self.ctx.next_collective();
            return Ok(vec![self.unless_cancelled(outcome)?]);
        }
        let encode = |value: U| self.guarded(None, || wire::encode(&value));
        let all = self.meet(outcome.and_then(encode))?;
        self.guarded(None, || all.iter().map(|brought| wire::decode(brought)).collect())
    }

    /// Gives every rank the rows of all of `here`'s partitions, in the order of the partitions;
    /// `here` are those of this rank.
    pub(crate) fn gather_rows<T: Wire>(
        &self,
        here: &[usize],
        rows: impl Fn(&Arc<Task>) -> Result<Vec<T>> + Sync,
    ) -> Result<Vec<Vec<T>>> {
        if self.ctx.ranks() == 1 {
            let parts = self.run(here, rows);
            self.ctx.next_collective();
            let parts = self.unless_cancelled(parts);
            return Ok(parts?.into_iter().map(|(_, rows)| rows).collect());
        }
        let frames = self.run(here, |task| {
            let rows = rows(task)?;
            entering(self.call);
            wire::Frame::of(&rows)
        });
        let mut frames: Vec<_> = self.gather(frames)?.into_iter().flatten().collect();
        frames.sort_by_key(|&(partition, _)| partition);
        self.guarded(None, || frames.into_iter().map(|(_, frame)| frame.into_rows()).collect())
    }

    /// [`gather_rows`](Self::gather_rows), but for the root alone: the others get none. What fails
    /// at the root at last, where the rows are read, is in the inner result, to be brought to the
    /// next meeting.
    pub(crate) fn gather_rows_at_root<T: Wire>(
        &self,
        here: &[usize],
        rows: impl Fn(&Arc<Task>) -> Result<Vec<T>> + Sync,
    ) -> Result<Result<Vec<Vec<T>>>> {
        if self.ctx.ranks() == 1 {
            return self.gather_rows(here, rows).map(Ok);
        }
        let frames = self.run(here, |task| {
            let rows = rows(task)?;
            entering(self.call);
            wire::Frame::of(&rows)
        });
        let parcels = frames.and_then(|frames| {
            let mut parcels = vec![Vec::new(); self.ctx.ranks()];
            parcels[0] = wire::encode(&frames)?;
            Ok(parcels)
        });
        let arrived = self.exchange(parcels)?;
        if !self.ctx.is_root() {
            return Ok(Ok(Vec::new()));
        }
        Ok(self.guarded(None, || {
            let mut frames: Vec<(usize, wire::Frame<T>)> = Vec::new();
            for bytes in &arrived {
                frames.append(&mut wire::decode(bytes)?);
            }
            frames.sort_by_key(|&(partition, _)| partition);
            frames.into_iter().map(|(_, frame)| frame.into_rows()).collect()
        }))
    }

    /// Sends `parts[r]` to rank `r` once all ranks agree that theirs are there; in the end they
    /// agree that everything came as it went.
    pub(crate) fn exchange(&self, outcome: Result<Vec<Vec<u8>>>) -> Result<Vec<Brought>> {
        let mut parts = match outcome {
            Ok(parts) => {
                self.agree(Ok(()))?;
                parts
            }
            Err(error) => {
                self.agree(Err(error.clone()))?;
                return Err(error);
            }
        };
        let here = self.ctx.rank();
        for (to, part) in parts.iter_mut().enumerate() {
            seal(part);
            if let Some(chaos) = self.ctx.chaos() {
                let number = self.ctx.current_collective();
                chaos.on_the_way(Point::Exchange, number, here, Some(to), part);
            }
        }
        let sent: usize = (0..parts.len()).filter(|&to| to != here).map(|to| parts[to].len()).sum();
        self.meter().sent(sent as u64);
        let arrived = self.ctx.transport().all_to_all(parts).map_err(|lost| self.lost(lost))?;
        let opened = arrived.into_iter().enumerate().map(|(from, bytes)| {
            let len = sealed_len(&bytes).ok_or_else(|| Error::Damaged {
                what: format!("parcel from rank {from} to rank {here}"),
                message: "its checksum does not fit".into(),
            })?;
            Ok(Brought { bytes, len })
        });
        let opened: Result<Vec<Brought>> = opened.collect();
        self.agree(opened.as_ref().map(|_| ()).map_err(Clone::clone))?;
        opened
    }

    /// Merges partial results over the fixed tree on `leaves` leaves; `None` if none came.
    ///
    /// `outcome` holds the nodes that this rank could merge; what is left meets on every rank,
    /// which all finish the tree in the same way and then compare what they got.
    pub(crate) fn reduce<U: Wire>(
        &self,
        leaves: usize,
        outcome: Result<Vec<(Place, U)>>,
        merge: impl Fn(U, U) -> U,
    ) -> Result<Option<U>> {
        let nodes = self.gather(outcome)?;
        let finish = || {
            let tree = Tree::new(leaves);
            for (place, value) in nodes.into_iter().flatten() {
                tree.insert(place, value, &merge);
            }
            Ok(tree.into_nodes().pop().map(|(_, value)| value))
        };
        self.same(self.guarded(None, finish))
    }

    /// Returns `result` if all ranks have come to the same one by themselves.
    pub(crate) fn same<U: Serialize>(&self, result: Result<U>) -> Result<U> {
        if self.ctx.ranks() == 1 {
            return result;
        }
        let print = match &result {
            Ok(value) => self.guarded(None, || fingerprint(value)),
            Err(error) => Err(error.clone()),
        };
        let prints = self.gather(print)?;
        match prints.iter().position(|print| *print != prints[0]) {
            None => result,
            Some(other_rank) => Err(Error::ResultsDiffer {
                operator: self.call.operator.into(),
                site: self.call.site.into(),
                other_rank,
            }),
        }
    }
}

pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}

fn into_inner<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(|poison| poison.into_inner())
}

/// A progress bar on standard error, for jobs that take longer than a moment.
struct Progress(Option<(indicatif::ProgressBar, AtomicUsize)>);

impl Progress {
    fn new(ctx: &Context, operator: &'static str, tasks: usize) -> Self {
        use std::io::IsTerminal;
        if !ctx.shows_progress() || !std::io::stderr().is_terminal() {
            return Self(None);
        }
        // Shown only once the job has taken longer than a moment.
        let hidden = indicatif::ProgressDrawTarget::hidden();
        let bar = indicatif::ProgressBar::with_draw_target(Some(tasks as u64), hidden);
        if let Ok(style) = indicatif::ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}") {
            bar.set_style(style);
        }
        bar.set_message(operator);
        Self(Some((bar, AtomicUsize::new(0))))
    }

    fn step(&self) {
        if let Some((bar, done)) = &self.0 {
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if bar.elapsed() > Duration::from_secs(1) {
                if bar.is_hidden() {
                    bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
                }
                bar.set_position(done as u64);
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((bar, _)) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
