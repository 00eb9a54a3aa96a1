//! A task's attempts: what may pass is tried again, and chaos may strike in each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use super::{Chaos, Event, Fault, Point};
use crate::context::Context;
use crate::error::Result;

/// The pause before the second attempt; each one after it is four times as long.
const PAUSE: Duration = Duration::from_millis(5);

/// Chunks after which a fault inside a task strikes are fewer than these.
const DEEPEST: u64 = 4;

/// The steps left to a fault that has struck: it does so once.
const SPRUNG: u32 = u32::MAX;

/// One attempt of a task.
#[derive(Debug)]
pub(crate) struct Attempt {
    trap: Option<Trap>,
    spent: AtomicBool,
}

/// A fault that waits inside a task.
#[derive(Debug)]
struct Trap {
    chaos: Chaos,
    event: Event,
    fault: Fault,
    steps_left: AtomicU32,
}

impl Attempt {
    fn new(chaos: Option<&Chaos>, event: Event) -> Self {
        let trap = chaos.and_then(|chaos| {
            let fault = chaos.point(event)?;
            let steps = (chaos.draw(event, "steps") % DEEPEST) as u32;
            let chaos = chaos.clone();
            Some(Trap { chaos, event, fault, steps_left: AtomicU32::new(steps) })
        });
        Self { trap, spent: AtomicBool::new(false) }
    }

    /// The task has come a chunk further: here a fault may strike.
    #[inline]
    pub(crate) fn step(&self) -> Result<()> {
        match &self.trap {
            None => Ok(()),
            Some(trap) => trap.step(),
        }
    }

    /// The task has done all it had to: a fault that still waits strikes now, so that a whole
    /// attempt is thrown away.
    pub(crate) fn finish(&self) -> Result<()> {
        self.trap.as_ref().map_or(Ok(()), Trap::strike)
    }

    /// From now on the task cannot be tried again: it uses up what it works on, or is seen from
    /// outside. A fault that still waits strikes before that.
    pub(crate) fn spend(&self) -> Result<()> {
        self.finish()?;
        self.spent.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Trap {
    #[cold]
    fn step(&self) -> Result<()> {
        match self.steps_left.load(Ordering::Relaxed) {
            SPRUNG => Ok(()),
            0 => self.strike(),
            left => {
                self.steps_left.store(left - 1, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    fn strike(&self) -> Result<()> {
        match (self.steps_left.swap(SPRUNG, Ordering::Relaxed), self.fault) {
            (SPRUNG, _) => {}
            (_, Fault::Slow) => self.chaos.pause(self.event),
            (_, fault) => return Err(self.chaos.failure(self.event, fault)),
        }
        Ok(())
    }
}

/// Runs a task of meeting `number`, again if it fails in a way that may pass.
///
/// An attempt must leave nothing behind when it fails; one that cannot promise that says so by
/// [`Attempt::spend`], and is the last.
pub(crate) fn attempts<R>(
    ctx: &Context,
    number: u64,
    partition: usize,
    once: impl Fn(Arc<Attempt>) -> Result<R>,
) -> Result<R> {
    let event = Event::new(Point::Task, partition as u64, &number);
    let mut tried = 0;
    loop {
        let attempt = Arc::new(Attempt::new(ctx.chaos(), event.attempt(tried)));
        let error = match once(Arc::clone(&attempt)) {
            Ok(result) => return Ok(result),
            Err(error) => error,
        };
        let is_last = tried >= ctx.task_retries() || attempt.spent.load(Ordering::Relaxed);
        if is_last || !error.may_pass() {
            return Err(error);
        }
        tracing::warn!(partition, attempt = tried, %error, "a task is tried again");
        sleep(PAUSE.saturating_mul(4_u32.saturating_pow(tried)).min(Duration::from_secs(1)));
        tried += 1;
    }
}
