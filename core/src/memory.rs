//! The accountant: one budget for all that is kept.
//!
//! Whoever keeps data asks for its bytes first and gives them back by dropping the
//! [`Reservation`]. A refused request means: go to disk. Free memory never decides how a result
//! is computed, only where its bytes lie.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
pub(crate) struct Memory {
    limit: u64,
    used: AtomicU64,
}

/// Bytes taken from the budget, given back on drop.
#[derive(Debug)]
pub(crate) struct Reservation {
    memory: Arc<Memory>,
    bytes: u64,
}

impl Memory {
    /// A budget of `limit` bytes; without one, everything is granted.
    pub(crate) fn new(limit: Option<u64>) -> Arc<Self> {
        Arc::new(Self { limit: limit.unwrap_or(u64::MAX), used: AtomicU64::new(0) })
    }

    /// Takes `bytes` if the budget has them left.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: u64) -> Option<Reservation> {
        let take = |used: u64| used.checked_add(bytes).filter(|&sum| sum <= self.limit);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .ok()
            .map(|_| Reservation { memory: Arc::clone(self), bytes })
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let memory = Memory::new(Some(100));
        let first = memory.reserve(60).unwrap();
        assert!(memory.reserve(41).is_none());
        let second = memory.reserve(40).unwrap();
        assert_eq!(memory.used(), 100);
        drop(first);
        assert!(memory.reserve(60).is_some());
        drop(second);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn sizes_near_the_end_of_the_range_do_not_wrap() {
        let memory = Memory::new(None);
        let _most = memory.reserve(u64::MAX - 1).unwrap();
        assert!(memory.reserve(2).is_none());
    }
}
