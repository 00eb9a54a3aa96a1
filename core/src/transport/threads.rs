//! Ranks as threads of one process, for tests.
//!
//! The ranks meet at one board under a mutex: each pins its bytes, the last to come takes all
//! pins down as one finished round, and everybody reads from that. A round cannot finish before
//! all have come, so one finished round is all that is ever kept. A rank that leaves wakes the
//! others.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use super::{Bytes, Lost, Transport};

#[derive(Clone, Debug)]
enum Pin {
    Same(Bytes),
    Each(Vec<Bytes>),
}

#[derive(Debug, Default)]
struct Board {
    round: u64,
    pins: Vec<Option<Pin>>,
    finished: Arc<Vec<Pin>>,
    left: Vec<Option<String>>,
}

#[derive(Debug)]
struct Shared {
    board: Mutex<Board>,
    changed: Condvar,
    raised: AtomicU64,
    branches: Mutex<BTreeMap<String, Arc<Shared>>>,
}

impl Shared {
    fn new(size: usize) -> Arc<Self> {
        let board = Board { pins: vec![None; size], left: vec![None; size], ..Board::default() };
        Arc::new(Self {
            board: Mutex::new(board),
            changed: Condvar::new(),
            raised: AtomicU64::new(0),
            branches: Mutex::default(),
        })
    }

    fn branches(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Shared>>> {
        self.branches.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    /// Rank `rank` takes part no more, here and on all branches.
    fn leave(&self, rank: usize, message: &str) {
        // The branches first: one that is made from now on finds the board.
        for branch in self.branches().values() {
            branch.leave(rank, message);
        }
        let mut board = self.board.lock().unwrap_or_else(|poison| poison.into_inner());
        board.left[rank].get_or_insert_with(|| message.to_owned());
        self.changed.notify_all();
    }
}

/// One of the ranks that [`thread_ranks`] makes.
#[derive(Debug)]
pub struct ThreadRank {
    rank: usize,
    size: usize,
    shared: Arc<Shared>,
}

/// The transports of `size` ranks that are threads of this process, in rank order.
///
/// A rank that is dropped has left.
pub fn thread_ranks(size: usize) -> Vec<ThreadRank> {
    let shared = Shared::new(size);
    (0..size).map(|rank| ThreadRank { rank, size, shared: Arc::clone(&shared) }).collect()
}

impl ThreadRank {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.shared.board.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    fn meet(&self, pin: Pin) -> Result<Arc<Vec<Pin>>, Lost> {
        let mut board = self.board();
        let round = board.round;
        board.pins[self.rank] = Some(pin);
        if board.pins.iter().all(Option::is_some) {
            board.finished = Arc::new(board.pins.iter_mut().filter_map(Option::take).collect());
            board.round += 1;
            self.shared.changed.notify_all();
            return Ok(Arc::clone(&board.finished));
        }
        loop {
            if board.round > round {
                return Ok(Arc::clone(&board.finished));
            }
            let absent = board.left.iter().zip(&board.pins).enumerate().find_map(|(rank, slot)| {
                let (left, pin) = slot;
                if pin.is_some() { None } else { left.clone().map(|message| (rank, message)) }
            });
            if let Some((rank, message)) = absent {
                // Nobody will complete this round; whoever still comes finds the same reason.
                return Err(Lost::Rank { rank, message });
            }
            board = self.shared.changed.wait(board).unwrap_or_else(|poison| poison.into_inner());
        }
    }
}

impl Transport for ThreadRank {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn all_gather(&self, bytes: Vec<u8>) -> Result<Vec<Bytes>, Lost> {
        let pins = self.meet(Pin::Same(bytes.into()))?;
        pins.iter()
            .enumerate()
            .map(|(rank, pin)| match pin {
                Pin::Same(bytes) => Ok(Arc::clone(bytes)),
                Pin::Each(_) => Err(Lost::OutOfStep { rank }),
            })
            .collect()
    }

    fn all_to_all(&self, parts: Vec<Vec<u8>>) -> Result<Vec<Bytes>, Lost> {
        let pins = self.meet(Pin::Each(parts.into_iter().map(Bytes::from).collect()))?;
        pins.iter()
            .enumerate()
            .map(|(rank, pin)| match pin {
                Pin::Each(parts) => parts.get(self.rank).cloned().ok_or(Lost::OutOfStep { rank }),
                Pin::Same(_) => Err(Lost::OutOfStep { rank }),
            })
            .collect()
    }

    fn raise(&self, number: u64) {
        self.shared.raised.fetch_max(number, Ordering::Relaxed);
    }

    fn raised(&self, number: u64) -> bool {
        self.shared.raised.load(Ordering::Relaxed) >= number
    }

    fn branch(&self, path: &str) -> Result<Box<dyn Transport>, Lost> {
        let shared = {
            let mut branches = self.shared.branches();
            let made = branches.entry(path.to_owned()).or_insert_with(|| Shared::new(self.size));
            Arc::clone(made)
        };
        // Whoever has left here will not come there.
        let left = self.board().left.clone();
        for (rank, message) in left.iter().enumerate() {
            if let Some(message) = message {
                shared.leave(rank, message);
            }
        }
        Ok(Box::new(Self { rank: self.rank, size: self.size, shared }))
    }

    fn leave(&self, message: &str) {
        self.shared.leave(self.rank, message);
    }
}

impl Drop for ThreadRank {
    fn drop(&mut self) {
        self.leave("its program ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on<R: Send>(size: usize, work: impl Fn(&ThreadRank) -> R + Sync) -> Vec<R> {
        std::thread::scope(|scope| {
            let work = &work;
            let ranks: Vec<_> = thread_ranks(size)
                .into_iter()
                .map(|rank| scope.spawn(move || work(&rank)))
                .collect();
            ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
        })
    }

    #[test]
    fn everybody_gets_everything_in_rank_order() {
        for size in [1, 2, 3, 8] {
            for got in on(size, |rank| {
                (0..50_u8).map(|i| rank.all_gather(vec![i, rank.rank as u8])).collect::<Vec<_>>()
            }) {
                for (i, round) in got.into_iter().enumerate() {
                    let round: Vec<Vec<u8>> =
                        round.unwrap().iter().map(|bytes| bytes.to_vec()).collect();
                    let expected: Vec<Vec<u8>> =
                        (0..size).map(|r| vec![i as u8, r as u8]).collect();
                    assert_eq!(round, expected);
                }
            }
        }
    }

    #[test]
    fn each_part_arrives_where_it_was_sent() {
        let got = on(3, |rank| {
            let parts = (0..3).map(|to| vec![rank.rank as u8, to]).collect();
            rank.all_to_all(parts).unwrap().iter().map(|b| b.to_vec()).collect::<Vec<_>>()
        });
        for (rank, parts) in got.iter().enumerate() {
            let expected: Vec<Vec<u8>> = (0..3).map(|from| vec![from, rank as u8]).collect();
            assert_eq!(parts, &expected);
        }
    }

    #[test]
    fn a_rank_that_leaves_is_named_and_nobody_waits() {
        let got = on(3, |rank| {
            if rank.rank == 1 {
                rank.leave("gone fishing");
                return None;
            }
            Some(rank.all_gather(vec![]).unwrap_err())
        });
        let expected = Lost::Rank { rank: 1, message: "gone fishing".into() };
        assert_eq!(got, [Some(expected.clone()), None, Some(expected)]);
    }

    #[test]
    fn different_kinds_of_collectives_are_told_apart() {
        let got = on(2, |rank| {
            if rank.rank == 0 { rank.all_gather(vec![]) } else { rank.all_to_all(vec![vec![]; 2]) }
        });
        assert!(got.iter().all(|result| matches!(result, Err(Lost::OutOfStep { .. }))));
    }
}
