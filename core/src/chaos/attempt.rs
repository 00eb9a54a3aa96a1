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

/// Chunks after which a fault inside a task strikes, at most; a shorter task gets away.
const DEEPEST: u64 = 4;

/// One attempt of a task.
#[derive(Debug, Default)]
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

    /// From now on the task cannot be tried again: it uses up what it works on, or is seen from
    /// outside.
    pub(crate) fn spend(&self) {
        self.spent.store(true, Ordering::Relaxed);
    }
}

impl Trap {
    #[cold]
    fn step(&self) -> Result<()> {
        // Counts down to zero, strikes there, and stays silent for ever.
        let left = self.steps_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            (left != u32::MAX).then(|| left.wrapping_sub(1))
        });
        match (left, self.fault) {
            (Ok(0), Fault::Slow) => self.chaos.pause(self.event),
            (Ok(0), fault) => return Err(self.chaos.failure(self.event, fault)),
            _ => {}
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
