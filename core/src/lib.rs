//! Firesteel's collections.
//!
//! A [`Dataset`] is an immutable, lazy, partitioned collection; a [`Context`] says where it
//! lives: how many threads, how much memory, and which other ranks take part. Every process of a
//! program runs the same `main` and meets the others only inside actions (`collect`, `reduce`,
//! …), which return the same value on every rank.
//!
//! ```
//! use firesteel_core::Context;
//!
//! # fn main() -> firesteel_core::Result<()> {
//! let ctx = Context::local();
//! let squares = ctx.range(0..1_000).map(|x| x * x).filter(|x| x % 3 == 0);
//! assert_eq!(squares.count()?, 334);
//! assert_eq!(squares.take(3)?, [0, 9, 36]);
//! # Ok(())
//! # }
//! ```
//!
//! The modules, from the bottom up: [`error`], [`hash`] and [`rng`] (fixed functions, the same on
//! every machine), `wire` and `seal` (bytes between ranks and to disk), `fingerprint` (whether two ranks have
//! the same value), `tree` (the fixed reduction tree), [`transport`] (how ranks meet), `memory`
//! and `store` (what is kept, and where), [`storage`] (files), [`context`], [`chaos`] (faults on demand), `job` (one action from
//! start to agreement), [`summary`] (what it did) and [`dataset`].

pub mod branches;
pub mod chaos;
pub mod context;
pub mod counters;
mod data;
pub mod dataset;
pub mod error;
mod fingerprint;
pub mod hash;
mod job;
mod memory;
mod pool;
pub mod rng;
mod seal;
mod size;
mod spill;
pub mod storage;
mod store;
pub mod summary;
pub mod testing;
mod total;
pub mod transport;
mod tree;
mod wire;

pub use branches::{Background, Canceller, Progress};
pub use chaos::{Chaos, Fault};
pub use context::{Broadcast, Builder, Context};
pub use counters::{Accumulator, Counter};
pub use data::{Data, Wire};
pub use dataset::{
    Dataset, DistinctSketch, Group, GroupValues, Histogram, Items, LocalIterator, Partitioner,
    Pipe, Random, Saving, Stats, StorageLevel,
};
pub use error::{Error, Result, Site, TaskFailure, Whereabouts};
pub use summary::{JobSummary, StageSummary};
pub use total::TotalF64;
