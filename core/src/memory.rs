//! The accountant: one budget for all that is kept and all that tasks work with.
//!
//! Part of the budget is for what is kept (caches, what shuffles hold): whoever keeps data asks for
//! its bytes first and gives them back by dropping the [`Reservation`]; a refused request means: go
//! to disk. The other part is divided among the threads: a task's own buffers (a scatter, a sort, a
//! table of keys) stay below its [`share`](Memory::share), whatever the others do. Free memory never
//! decides how a result is computed, only where its bytes lie.
//!
//! Kept blocks that were not used for the longest time make room for new ones, if they can.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use crate::error::Result;

/// A kept block that can leave memory.
pub(crate) trait Evict: Send + Sync {
    /// When it was used last, by [`Memory::tick`]; `None` if it is not in memory.
    fn last_used(&self) -> Option<u64>;
    /// Leaves memory; its reservation ends.
    fn evict(&self) -> Result<()>;
}

pub(crate) struct Memory {
    /// Bytes for what is kept.
    kept_limit: u64,
    /// Bytes for the buffers of all tasks together.
    working: u64,
    /// Tasks of one context that can run at once.
    threads: u64,
    /// Contexts that share the budget: the first one and its branches.
    contexts: AtomicU64,
    used: AtomicU64,
    clock: AtomicU64,
    kept: Mutex<Vec<Weak<dyn Evict>>>,
}

/// Bytes taken from the budget, given back on drop.
#[derive(Debug)]
pub(crate) struct Reservation {
    memory: Arc<Memory>,
    bytes: u64,
}

/// One more context that shares the budget, until it is dropped.
#[derive(Debug)]
pub(crate) struct Sharer(Arc<Memory>);

impl Drop for Sharer {
    fn drop(&mut self) {
        self.0.contexts.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The least that a task may work with: smaller budgets are not worth their bookkeeping.
const LEAST_SHARE: u64 = 4 << 10;

impl Memory {
    /// A budget of `limit` bytes for so many threads; without one, everything is granted.
    pub(crate) fn new(limit: Option<u64>, threads: usize) -> Arc<Self> {
        let threads = threads.max(1) as u64;
        let (kept_limit, working) = match limit {
            None => (u64::MAX, u64::MAX),
            Some(limit) => {
                let working = limit / 5 * 2 / threads * threads;
                (limit - working, working)
            }
        };
        Arc::new(Self {
            kept_limit,
            working,
            threads,
            contexts: AtomicU64::new(1),
            used: AtomicU64::new(0),
            clock: AtomicU64::new(0),
            kept: Mutex::new(Vec::new()),
        })
    }

    /// Bytes that a task may take for its own buffers without asking. Less while there are
    /// branches, so whoever fills a buffer asks anew now and then.
    pub(crate) fn share(&self) -> u64 {
        if !self.is_limited() {
            return u64::MAX;
        }
        let contexts = self.contexts.load(Ordering::Relaxed);
        (self.working / (self.threads * contexts)).max(LEAST_SHARE)
    }

    /// Divides what tasks work with among one context more.
    pub(crate) fn join(self: &Arc<Self>) -> Sharer {
        self.contexts.fetch_add(1, Ordering::Relaxed);
        Sharer(Arc::clone(self))
    }

    /// Takes `bytes` if the budget has them left, or can get them back from kept blocks.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: u64) -> Result<Option<Reservation>> {
        if let Some(taken) = self.take(bytes) {
            return Ok(Some(taken));
        }
        if bytes > self.kept_limit || !self.make_room(bytes)? {
            return Ok(None);
        }
        Ok(self.take(bytes))
    }

    /// Takes `bytes` if the budget has them left.
    pub(crate) fn take(self: &Arc<Self>, bytes: u64) -> Option<Reservation> {
        let take = |used: u64| used.checked_add(bytes).filter(|&sum| sum <= self.kept_limit);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .ok()
            .map(|_| Reservation { memory: Arc::clone(self), bytes })
    }

    /// Evicts blocks, those not used for the longest time first; says whether any went.
    fn make_room(&self, bytes: u64) -> Result<bool> {
        let mut oldest: Vec<(u64, Arc<dyn Evict>)> = Vec::new();
        {
            let mut kept = self.kept();
            // What has left memory does not come back.
            kept.retain(|block| {
                let block = block.upgrade();
                let used = block.as_ref().and_then(|block| block.last_used());
                oldest.extend(used.zip(block));
                used.is_some()
            });
        }
        oldest.sort_by_key(|(used, _)| *used);
        let mut any = false;
        for (_, block) in oldest {
            if self.used().saturating_add(bytes) <= self.kept_limit {
                break;
            }
            block.evict()?;
            any = true;
        }
        Ok(any)
    }

    /// Makes a block known that can be evicted.
    pub(crate) fn enlist(&self, block: Weak<dyn Evict>) {
        let mut kept = self.kept();
        if kept.len() == kept.capacity() {
            // Before it grows: many may be gone.
            kept.retain(|block| block.strong_count() > 0);
            let left = kept.len();
            kept.reserve(left.max(64));
        }
        kept.push(block);
    }

    /// The next moment.
    pub(crate) fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether there is a limit at all.
    pub(crate) fn is_limited(&self) -> bool {
        self.kept_limit != u64::MAX
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Weak<dyn Evict>>> {
        self.kept.lock().unwrap_or_else(|poison| poison.into_inner())
    }
}

impl Reservation {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Parts some of its bytes, to be given back apart.
    pub(crate) fn split(&mut self, bytes: u64) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { memory: Arc::clone(&self.memory), bytes }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").field("kept_limit", &self.kept_limit).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let memory = Memory::new(Some(1000), 1);
        assert_eq!((memory.kept_limit, memory.share()), (600, LEAST_SHARE));
        let first = memory.reserve(360).unwrap().unwrap();
        assert!(memory.reserve(241).unwrap().is_none());
        let second = memory.reserve(240).unwrap().unwrap();
        assert_eq!(memory.used(), 600);
        drop(first);
        assert!(memory.reserve(360).unwrap().is_some());
        drop(second);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn sizes_near_the_end_of_the_range_do_not_wrap() {
        let memory = Memory::new(None, 1);
        let _most = memory.reserve(u64::MAX - 1).unwrap().unwrap();
        assert!(memory.reserve(2).unwrap().is_none());
    }

    #[test]
    fn branches_divide_what_tasks_work_with() {
        let memory = Memory::new(Some(1 << 20), 2);
        let alone = memory.share();
        let branches = [memory.join(), memory.join()];
        assert_eq!(memory.share(), alone / 3);
        drop(branches);
        assert_eq!(memory.share(), alone);
        assert_eq!(Memory::new(None, 2).share(), u64::MAX);
    }

    #[test]
    fn blocks_that_are_gone_are_forgotten() {
        let memory = Memory::new(Some(1 << 20), 1);
        for _ in 0..10_000 {
            let block = Arc::new(Block(1, Mutex::new(None)));
            let weak: Weak<Block> = Arc::downgrade(&block);
            memory.enlist(weak);
        }
        assert!(memory.kept().len() <= 129, "{}", memory.kept().len());
    }

    struct Block(u64, Mutex<Option<Reservation>>);

    impl Evict for Block {
        fn last_used(&self) -> Option<u64> {
            self.1.lock().unwrap().as_ref().map(|_| self.0)
        }
        fn evict(&self) -> Result<()> {
            *self.1.lock().unwrap() = None;
            Ok(())
        }
    }

    #[test]
    fn the_block_not_used_for_the_longest_time_goes_first() {
        let memory = Memory::new(Some(1000), 1);
        let blocks: Vec<Arc<Block>> = [3, 1, 2]
            .into_iter()
            .map(|used| {
                let held = memory.reserve(200).unwrap().unwrap();
                let block = Arc::new(Block(used, Mutex::new(Some(held))));
                let weak: Weak<Block> = Arc::downgrade(&block);
                memory.enlist(weak);
                block
            })
            .collect();
        let _new = memory.reserve(300).unwrap().unwrap();
        let there: Vec<bool> = blocks.iter().map(|block| block.last_used().is_some()).collect();
        assert_eq!(there, [true, false, false]);
        assert!(memory.reserve(700).unwrap().is_none());
    }
}
