//! Faults on demand.
//!
//! A program that must survive bad days has to be shown some. A [`Chaos`] makes tasks fail or
//! panic, ranks slow, bytes wrong or short and disks full, at points that the engine passes:
//!
//! | point | passed | number | faults |
//! |---|---|---|---|
//! | `task` | in each attempt of a task: at its start, some chunks later or at its end | partition | passing, lasting, panic, slow |
//! | `meeting` | before a rank gives the others its note and what belongs to it | meeting | slow, corrupted, dropped |
//! | `exchange` | before a rank gives another one its parcel | the meeting that follows | slow, corrupted, dropped |
//! | `shuffle` | before an output partition of a shuffle is made | output partition | slow, dropped (one of its pieces) |
//! | `object.write` | before a block of an object file or a checkpoint is written | partition | passing, lasting, slow, corrupted, dropped, full disk |
//! | `object.read` | after such a block was read | partition | passing, lasting, slow, corrupted, dropped |
//! | `store.write` | before a block goes to disk | block | passing, lasting, slow, corrupted, dropped, full disk |
//! | `store.read` | after a block came back from disk | block | passing, lasting, slow, corrupted, dropped |
//!
//! Whether there is a fault, and which, is a pure function of the seed, the point and the event's
//! identity (its number, the meeting and ranks it belongs to, the attempt). Neither the clock nor
//! the order in which threads come by has a say, so a seed brings its faults again. What a run
//! reports can still vary where several faults race: then the first that is met stops the job.
//!
//! An action must end in the result of a run without faults, or in the same error on every rank.
//! Faults that pass are tried again (see [`Builder::task_retries`](crate::Builder::task_retries)).
//! Bytes are damaged before they leave, so that all ranks that get them get the same; whoever
//! reads them finds out by a checksum.
//!
//! Without chaos each point costs a look at an `Option`.
//!
//! # A point in the engine
//!
//! ```text
//! if let Some(chaos) = ctx.chaos() {
//!     chaos.strike(Event::new(Point::StoreWrite, partition, &(node, kind)).attempt(n), &mut bytes)?;
//! }
//! ```
//!
//! The number is what `Chaos::at` counts by, so it is small and can be told beforehand; the detail
//! tells apart what shares it. Neither may come from a counter that threads advance in the order
//! they happen to come. `attempt` is for what is tried again without the task's being. Where the
//! error of a fault that passes could leave a task that has been spent, the write or the read is
//! to be tried again on the spot. `Chaos::point` only tells the fault, for points that bring it
//! about in a way of their own (a file that is gone).

mod attempt;

use std::hash::Hash;
use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

pub(crate) use attempt::{Attempt, attempts};

use crate::error::{Error, Result};
use crate::hash::{fixed_hash, mix};

/// What can be made to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// An error as of input or output that is gone at the next attempt.
    Passing,
    /// An error that no second attempt helps against.
    Lasting,
    /// A panic.
    Panic,
    /// A pause of a few milliseconds.
    Slow,
    /// Some bits of a block are flipped.
    Corrupted,
    /// A block is cut short, or nothing of it is left.
    Dropped,
    /// A block cannot be written: the disk is full.
    DiskFull,
}

/// A place in the engine where faults may strike; the names are in the head of the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the store's points are passed by the store alone")]
pub(crate) enum Point {
    Task,
    Meeting,
    Exchange,
    Shuffle,
    ObjectWrite,
    ObjectRead,
    StoreWrite,
    StoreRead,
}

impl Point {
    const ALL: [Self; 8] = [
        Self::Task,
        Self::Meeting,
        Self::Exchange,
        Self::Shuffle,
        Self::ObjectWrite,
        Self::ObjectRead,
        Self::StoreWrite,
        Self::StoreRead,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Meeting => "meeting",
            Self::Exchange => "exchange",
            Self::Shuffle => "shuffle",
            Self::ObjectWrite => "object.write",
            Self::ObjectRead => "object.read",
            Self::StoreWrite => "store.write",
            Self::StoreRead => "store.read",
        }
    }

    fn faults(self) -> &'static [Fault] {
        use Fault::*;
        match self {
            Self::Task => &[Passing, Lasting, Panic, Slow],
            Self::Meeting | Self::Exchange => &[Slow, Corrupted, Dropped],
            Self::Shuffle => &[Slow, Dropped],
            Self::ObjectWrite | Self::StoreWrite => {
                &[Passing, Lasting, Slow, Corrupted, Dropped, DiskFull]
            }
            Self::ObjectRead | Self::StoreRead => &[Passing, Lasting, Slow, Corrupted, Dropped],
        }
    }
}

/// One passing of a point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    point: Point,
    number: u64,
    detail: u64,
    attempt: u32,
}

impl Event {
    /// The event `number` at `point`, which is what [`Chaos::at`] goes by; `detail` is whatever
    /// else tells it from others. Both must be the same in every run.
    pub(crate) fn new(point: Point, number: u64, detail: &(impl Hash + ?Sized)) -> Self {
        Self { point, number, detail: fixed_hash(detail), attempt: 0 }
    }

    /// The same event, tried again.
    pub(crate) fn attempt(self, attempt: u32) -> Self {
        Self { attempt, ..self }
    }
}

/// A seed of faults, for [`Builder::chaos_with`](crate::Builder::chaos_with).
///
/// Clones share their count of faults.
///
/// # Examples
///
/// ```
/// use firesteel_core::chaos::{Chaos, Fault};
/// use firesteel_core::{Context, Error};
///
/// # fn main() -> firesteel_core::Result<()> {
/// // The task of partition 2 has a fault that passes: it is tried again.
/// let chaos = Chaos::new(7).rate(0.0).only(&[Fault::Passing]).at("task", 2);
/// let ctx = Context::builder().chaos_with(chaos.clone()).build()?;
/// assert_eq!(ctx.range_in(0..100, 4).count()?, 100);
/// assert_eq!(chaos.struck(), 1);
///
/// // One that lasts is the action's error; the context goes on working.
/// let chaos = Chaos::new(7).rate(0.0).only(&[Fault::Lasting]).at("task", 2);
/// let ctx = Context::builder().chaos_with(chaos).build()?;
/// assert!(matches!(ctx.range_in(0..100, 4).count(), Err(Error::File { .. })));
/// assert_eq!(ctx.range_in(0..100, 2).count()?, 100);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Chaos {
    seed: u64,
    rate: f64,
    only: Option<Vec<Fault>>,
    at: Vec<(String, u64)>,
    struck: Arc<AtomicU64>,
}

impl Chaos {
    /// Faults of all kinds at every point, one event in a hundred.
    pub fn new(seed: u64) -> Self {
        Self { seed, rate: 0.01, only: None, at: Vec::new(), struck: Arc::default() }
    }

    /// Sets the share of events that have a fault, from 0 to 1. Default 0.01.
    pub fn rate(self, rate: f64) -> Self {
        Self { rate, ..self }
    }

    /// Leaves out all faults but these.
    pub fn only(self, faults: &[Fault]) -> Self {
        Self { only: Some(faults.to_vec()), ..self }
    }

    /// Adds a fault at a chosen event, whatever the rate: at its first attempt, whenever the
    /// point is passed with this number (see the [module's](self) table for both).
    pub fn at(mut self, point: &str, number: u64) -> Self {
        self.at.push((point.to_owned(), number));
        self
    }

    /// How many faults there have been so far.
    pub fn struck(&self) -> u64 {
        self.struck.load(Ordering::Relaxed)
    }

    /// An error if the rate or the name of a point makes no sense.
    pub(crate) fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.rate) {
            return Err(Error::parameter("rate", self.rate, "in [0, 1]"));
        }
        let names = Point::ALL.map(Point::name);
        match self.at.iter().find(|(name, _)| !names.contains(&name.as_str())) {
            Some((name, _)) => {
                Err(Error::parameter("point", name, format!("one of {}", names.join(", "))))
            }
            None => Ok(()),
        }
    }

    /// The fault that strikes at an event, if there is one. Whoever asks must bring it about;
    /// [`strike`](Self::strike) asks and does.
    pub(crate) fn point(&self, event: Event) -> Option<Fault> {
        let chosen = event.attempt == 0
            && self
                .at
                .iter()
                .any(|(name, number)| name == event.point.name() && *number == event.number);
        let share = (self.draw(event, "whether") >> 11) as f64 * (1.0 / (1_u64 << 53) as f64);
        if !chosen && share >= self.rate {
            return None;
        }
        let allowed = |fault: &&Fault| self.only.as_ref().is_none_or(|only| only.contains(fault));
        let faults: Vec<Fault> = event.point.faults().iter().filter(allowed).copied().collect();
        let which = self.draw(event, "which").checked_rem(faults.len() as u64)?;
        let fault = faults[which as usize];
        self.struck.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(?fault, point = event.point.name(), number = event.number, "chaos");
        Some(fault)
    }

    /// Brings about the fault of an event, if there is one: returns its error, panics, pauses, or
    /// damages `bytes`, the block that the event is about.
    pub(crate) fn strike(&self, event: Event, bytes: &mut Vec<u8>) -> Result<()> {
        match self.point(event) {
            None => return Ok(()),
            Some(Fault::Slow) => self.pause(event),
            Some(Fault::Corrupted) => self.corrupt(event, bytes),
            Some(Fault::Dropped) => {
                let left = self.draw(event, "left").checked_rem(bytes.len() as u64).unwrap_or(0);
                // Half of the blocks are lost altogether.
                let lost = self.draw(event, "lost").is_multiple_of(2);
                bytes.truncate(if lost { 0 } else { left as usize });
            }
            Some(fault) => return Err(self.failure(event, fault)),
        }
        Ok(())
    }

    /// [`strike`](Self::strike) at bytes that go from one rank to another, or to all.
    pub(crate) fn on_the_way(
        &self,
        point: Point,
        number: u64,
        from: usize,
        to: Option<usize>,
        bytes: &mut Vec<u8>,
    ) {
        let struck = self.strike(Event::new(point, number, &(from, to)), bytes);
        debug_assert!(struck.is_ok(), "sending has no faults of its own");
    }

    /// The error of a fault that is one, or its panic.
    fn failure(&self, event: Event, fault: Fault) -> Error {
        let file = format!("chaos at {} {}", event.point.name(), event.number);
        match fault {
            Fault::DiskFull => Error::file(file, io::Error::from(io::ErrorKind::StorageFull)),
            Fault::Passing => {
                Error::File { file, message: "a fault that passes".into(), transient: true }
            }
            // Not `panic!`: what is wanted needs no report on standard error.
            Fault::Panic => resume_unwind(Box::new(file)),
            Fault::Lasting | Fault::Slow | Fault::Corrupted | Fault::Dropped => {
                Error::file(file, "a fault that lasts")
            }
        }
    }

    fn pause(&self, event: Event) {
        sleep(Duration::from_millis(1 + self.draw(event, "pause") % 4));
    }

    fn corrupt(&self, event: Event, bytes: &mut [u8]) {
        let Some(at) = self.draw(event, "at").checked_rem(bytes.len() as u64) else { return };
        let flip = self.draw(event, "flip") % 255 + 1;
        bytes[at as usize] ^= flip as u8;
    }

    /// 64 random bits for one question about an event.
    fn draw(&self, event: Event, question: &str) -> u64 {
        let identity = (event.point.name(), event.number, event.detail, event.attempt, question);
        mix(mix(self.seed) ^ fixed_hash(&identity))
    }
}

/// The faults of whoever writes and reads files outside of the store, with further attempts on the
/// spot at what passes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    chaos: Option<Chaos>,
    retries: u32,
}

impl Faults {
    pub(crate) fn new(chaos: Option<&Chaos>, retries: u32) -> Self {
        Self { chaos: chaos.cloned(), retries }
    }

    /// Whether there can be any.
    pub(crate) fn any(&self) -> bool {
        self.chaos.is_some()
    }

    /// [`Chaos::strike`], again while it passes.
    pub(crate) fn strike(
        &self,
        point: Point,
        number: u64,
        detail: &(impl Hash + ?Sized),
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        let Some(chaos) = &self.chaos else { return Ok(()) };
        let event = Event::new(point, number, detail);
        let mut attempt = 0;
        loop {
            match chaos.strike(event.attempt(attempt), bytes) {
                Err(error) if error.may_pass() && attempt < self.retries => attempt += 1,
                result => return result,
            }
        }
    }
}

#[cfg(test)]
mod tests;
