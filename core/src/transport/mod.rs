//! How ranks meet.
//!
//! A [`Transport`] carries bytes between the ranks of one program and knows nothing of what they
//! mean. Ranks never share memory through it: also ranks that are threads of one process see only
//! bytes. Everything above is written against this trait, so another carrier is one more
//! implementation of it.

mod alone;
mod threads;

use std::fmt;
use std::sync::Arc;

pub use alone::Alone;
pub use threads::{ThreadRank, thread_ranks};

/// Bytes that may have several readers.
pub type Bytes = Arc<Vec<u8>>;

/// Why a collective could not be completed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lost {
    /// A rank ended, or gave up, before it took part.
    Rank {
        /// The rank that is gone.
        rank: usize,
        /// What is known of the reason.
        message: String,
    },
    /// Ranks met in different kinds of collectives.
    OutOfStep {
        /// The first rank whose collective is of another kind than the lowest rank's.
        rank: usize,
    },
}

/// The ranks of a program, as one of them sees them.
///
/// [`all_gather`](Transport::all_gather) and [`all_to_all`](Transport::all_to_all) are collective:
/// every rank calls them in the same order.
pub trait Transport: fmt::Debug + Send + Sync {
    /// This rank's number, from 0.
    fn rank(&self) -> usize;

    /// How many ranks there are.
    fn size(&self) -> usize;

    /// Gives every rank the bytes of all ranks, in rank order.
    ///
    /// # Errors
    ///
    /// [`Lost`] if a rank does not take part.
    fn all_gather(&self, bytes: Vec<u8>) -> Result<Vec<Bytes>, Lost>;

    /// Sends `parts[r]` to rank `r`; returns what each rank sent here, in rank order.
    ///
    /// # Errors
    ///
    /// [`Lost`] if a rank does not take part.
    fn all_to_all(&self, parts: Vec<Vec<u8>>) -> Result<Vec<Bytes>, Lost>;

    /// Tells the others, without waiting for them, that action `number` has failed here, so that
    /// they need not finish its work before they meet.
    fn raise(&self, number: u64);

    /// Whether some rank raised action `number`.
    fn raised(&self, number: u64) -> bool;

    /// A channel of its own on which the same ranks meet, whatever goes on here: the one that all
    /// ranks ask for by the same `path`.
    ///
    /// # Errors
    ///
    /// [`Lost`] if it cannot be made.
    fn branch(&self, path: &str) -> Result<Box<dyn Transport>, Lost>;

    /// Leaves for good: whoever waits for this rank gets [`Lost::Rank`] with the message.
    fn leave(&self, message: &str);
}
