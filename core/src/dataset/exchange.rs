//! The shuffle: rows move to other partitions.
//!
//! Every exchange has four parts, run as one stage:
//!
//! 1. *hold*: each input partition is computed once, on its home, into whatever the operator
//!    needs (buckets by key, a sorted run, whole rows), with a small summary;
//! 2. *plan*: the summaries of all partitions meet on every rank, which make the same plan of
//!    them (range borders, row numbers; nothing for a hash shuffle);
//! 3. *cut*: each held partition is cut into pieces, one for each output partition it
//!    contributes to; pieces that stay on the rank are not serialised;
//! 4. *finish*: each output partition is made of its pieces in the order of the input partitions,
//!    whatever the order in which they arrived, and kept.
//!
//! What was put out stays until its last handle is dropped, so a recomputation never crosses an
//! exchange.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use super::chunk::{Stream, Typed};
use super::keep::{Kept, apart, detail_kept, open_kept};
use super::node::{Node, Staged};
use super::{StorageLevel, local_partitions};
use crate::data::{Data, Wire};
use crate::dataset::homes::Homes;
use crate::error::Result;
use crate::job::{Call, Job, Task, entering};
use crate::store::Stored;
use crate::wire::{self, Frame};

/// The operator's part in an exchange.
pub(super) trait Move: Send + Sync + 'static {
    /// Rows that come in.
    type In: Data;
    /// What a partition is held as.
    type Held: Send;
    /// What all ranks learn of a partition.
    type Summary: Wire;
    /// What the summaries make.
    type Plan: Send + Sync;
    /// Rows that travel.
    type Moved: Wire;
    /// Rows that come out.
    type Out: Wire;

    fn hold(&self, rows: Typed<Self::In>) -> Result<(Self::Held, Self::Summary)>;
    /// The plan, from the summaries in partition order.
    fn plan(&self, summaries: Vec<Self::Summary>) -> Result<Self::Plan>;
    /// The pieces of input partition `from`, as (output partition, rows), empty ones left out.
    fn cut(
        &self,
        from: usize,
        held: Self::Held,
        plan: &Self::Plan,
    ) -> Result<Vec<(usize, Vec<Self::Moved>)>>;
    /// An output partition, of its pieces in the order of the input partitions.
    fn finish(&self, pieces: Vec<Vec<Self::Moved>>) -> Result<Vec<Self::Out>>;
}

pub(super) struct Exchange<M: Move> {
    pub(super) movement: M,
    pub(super) homes: Arc<Homes>,
    pub(super) kept: Kept<M::Out>,
}

/// A value for each of some partitions, in ascending order.
type ByPartition<H> = Vec<(usize, H)>;

/// What is held here, and the plan for it.
type Planned<M> = (ByPartition<<M as Move>::Held>, Result<<M as Move>::Plan>);

/// The pieces for the output partitions of this rank, by output and input partition.
type Pieces<R> = BTreeMap<usize, BTreeMap<usize, Piece<R>>>;

/// What one rank sends to another: input partition, output partition, rows.
type Parcel<R> = Vec<(usize, usize, Frame<R>)>;

/// The pieces that stay, and a parcel for each rank.
type Packed<R> = (Pieces<R>, Vec<Parcel<R>>);

/// The rows that one input partition has for one output partition.
enum Piece<R> {
    Stayed(Vec<R>),
    Sent(Frame<R>),
}

impl<R: Wire> Piece<R> {
    fn into_rows(self) -> Result<Vec<R>> {
        match self {
            Self::Stayed(rows) => Ok(rows),
            Self::Sent(frame) => frame.into_rows(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}

impl<M: Move> Exchange<M> {
    pub(super) fn new(movement: M, homes: Arc<Homes>) -> Self {
        Self { movement, homes, kept: OnceLock::new() }
    }

    /// Runs the whole exchange on the rows of `node`, for the operator of `call`; collective.
    pub(super) fn run(&self, job: &Job<'_>, call: Call, node: &Arc<Node>) -> Result<()> {
        let held = job.run(&local_partitions(job.ctx(), node), |task| {
            self.movement.hold(Typed::new(node.open(task.partition, task)?, call))
        });
        let (held, plan) = self.meet(job, call, node.homes().partitions(), held)?;
        let pieces = self.send(job, call, held, plan)?;
        let (outcome, kept) = apart(self.finish(job, call, pieces));
        job.agree(outcome)?;
        let _ = self.kept.set(kept.into_iter().collect());
        Ok(())
    }

    /// Shares the summaries and makes the plan; whether that worked here is told at the next
    /// meeting.
    fn meet(
        &self,
        job: &Job<'_>,
        call: Call,
        partitions: usize,
        held: Result<ByPartition<(M::Held, M::Summary)>>,
    ) -> Result<Planned<M>> {
        let mut kept = Vec::new();
        let summaries = held.map(|held| {
            held.into_iter()
                .map(|(partition, (rows, summary))| {
                    kept.push((partition, rows));
                    (partition, summary)
                })
                .collect::<Vec<_>>()
        });
        let mut all: BTreeMap<usize, M::Summary> =
            job.gather(summaries)?.into_iter().flatten().collect();
        let in_order = (0..partitions).filter_map(|partition| all.remove(&partition)).collect();
        let plan = job.guarded(None, || {
            entering(call);
            self.movement.plan(in_order)
        });
        Ok((kept, plan))
    }

    /// Cuts what is held here, sends each rank its pieces, and takes in what comes.
    fn send(
        &self,
        job: &Job<'_>,
        call: Call,
        held: ByPartition<M::Held>,
        plan: Result<M::Plan>,
    ) -> Result<Result<Pieces<M::Moved>>> {
        let cut = plan.and_then(|plan| self.cut(job, call, held, &plan));
        if job.ctx().ranks() == 1 {
            let pieces = cut.map(|(pieces, _)| pieces);
            job.agree(pieces.as_ref().map(|_| ()).map_err(Clone::clone))?;
            return Ok(pieces);
        }
        let (mut pieces, packed) = match cut {
            Ok((pieces, parcels)) => (pieces, parcels.iter().map(wire::encode).collect()),
            Err(error) => (BTreeMap::new(), Err(error)),
        };
        let arrived = job.exchange(packed)?;
        let mut unpack = || -> Result<()> {
            for bytes in &arrived {
                for (from, to, frame) in wire::decode::<Parcel<M::Moved>>(bytes)? {
                    pieces.entry(to).or_default().insert(from, Piece::Sent(frame));
                }
            }
            Ok(())
        };
        Ok(unpack().map(|()| pieces))
    }

    /// Cuts what is held here.
    fn cut(
        &self,
        job: &Job<'_>,
        call: Call,
        held: ByPartition<M::Held>,
        plan: &M::Plan,
    ) -> Result<Packed<M::Moved>> {
        let (rank, ranks) = (job.ctx().rank(), job.ctx().ranks());
        let from: Vec<usize> = held.iter().map(|&(partition, _)| partition).collect();
        let held: BTreeMap<usize, Mutex<Option<M::Held>>> =
            held.into_iter().map(|(p, rows)| (p, Mutex::new(Some(rows)))).collect();
        let cut = job.run(&from, |task| {
            entering(call);
            task.spend()?;
            let rows = lock(&held[&task.partition]).take().expect("each partition is cut once");
            let pieces = self.movement.cut(task.partition, rows, plan)?.into_iter();
            let packed = pieces.map(|(to, rows)| match self.homes.home(to, ranks) {
                home if home == rank => Ok((to, Piece::Stayed(rows))),
                _ => Ok((to, Piece::Sent(Frame::of(&rows)?))),
            });
            packed.collect::<Result<Vec<_>>>()
        })?;
        let mut pieces: Pieces<M::Moved> = BTreeMap::new();
        let mut parcels: Vec<Parcel<M::Moved>> = (0..ranks).map(|_| Vec::new()).collect();
        for (from, parts) in cut {
            for (to, piece) in parts {
                match piece {
                    Piece::Sent(frame) => {
                        parcels[self.homes.home(to, ranks)].push((from, to, frame))
                    }
                    stayed => {
                        pieces.entry(to).or_default().insert(from, stayed);
                    }
                }
            }
        }
        Ok((pieces, parcels))
    }

    fn finish(
        &self,
        job: &Job<'_>,
        call: Call,
        pieces: Result<Pieces<M::Moved>>,
    ) -> Result<ByPartition<Stored<M::Out>>> {
        let to = self.homes.of_rank(job.ctx().rank(), job.ctx().ranks());
        let pieces: BTreeMap<usize, Mutex<Vec<Piece<M::Moved>>>> = pieces?
            .into_iter()
            .map(|(to, pieces)| (to, Mutex::new(pieces.into_values().collect())))
            .collect();
        job.run(&to, |task| {
            entering(call);
            task.spend()?;
            let slot = pieces.get(&task.partition);
            let pieces = slot.map_or_else(Vec::new, |slot| std::mem::take(&mut *lock(slot)));
            let rows = pieces.into_iter().map(Piece::into_rows).collect::<Result<Vec<_>>>()?;
            let rows = self.movement.finish(rows)?;
            job.ctx().store().put(rows, None, StorageLevel::default())
        })
    }
}

impl<M: Move> Staged for Exchange<M> {
    fn is_ready(&self) -> bool {
        self.kept.get().is_some()
    }

    fn prepare(&self, job: &Job<'_>, call: Call, parents: &[Arc<Node>]) -> Result<()> {
        self.run(job, call, &parents[0])
    }

    fn open(&self, partition: usize, _task: &Arc<Task>) -> Result<Box<dyn Stream>> {
        open_kept(&self.kept, partition)
    }

    fn detail(&self) -> String {
        detail_kept(&self.kept)
    }
}
