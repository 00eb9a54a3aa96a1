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
use std::sync::{Arc, Mutex, OnceLock};

use super::chunk::{Stream, Typed};
use super::keep::{Kept, apart, detail_kept, open_kept};
use super::node::{Node, Staged};
use super::{StorageLevel, local_partitions};
use crate::data::{Data, Wire};
use crate::dataset::homes::Homes;
use crate::error::Result;
use crate::job::{Job, Task};
use crate::store::Stored;
use crate::wire;

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

/// The pieces for the output partitions of this rank, by output and input partition.
type Pieces<R> = BTreeMap<usize, BTreeMap<usize, Vec<R>>>;

impl<M: Move> Exchange<M> {
    pub(super) fn new(movement: M, homes: Arc<Homes>) -> Self {
        Self { movement, homes, kept: OnceLock::new() }
    }

    /// Runs the whole exchange; collective.
    pub(super) fn run(&self, job: &Job<'_>, node: &Arc<Node>) -> Result<()> {
        let held = job.run(&local_partitions(job.ctx(), node), |task| {
            self.movement.hold(Typed::new(node.open(task.partition, task)?))
        });
        let (held, plan) = self.meet(job, node.homes().partitions(), held)?;
        let pieces = self.send(job, held, &plan)?;
        let (outcome, kept) = apart(self.finish(job, pieces));
        job.agree(outcome)?;
        let _ = self.kept.set(kept.into_iter().collect());
        Ok(())
    }

    /// Shares the summaries and makes the plan.
    fn meet(
        &self,
        job: &Job<'_>,
        partitions: usize,
        held: Result<ByPartition<(M::Held, M::Summary)>>,
    ) -> Result<(ByPartition<M::Held>, M::Plan)> {
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
        let plan = job.guarded(None, || self.movement.plan(in_order))?;
        Ok((kept, plan))
    }

    /// Cuts what is held here, sends each rank its pieces, and takes in what comes.
    fn send(
        &self,
        job: &Job<'_>,
        held: ByPartition<M::Held>,
        plan: &M::Plan,
    ) -> Result<Pieces<M::Moved>> {
        let (rank, ranks) = (job.ctx().rank(), job.ctx().ranks());
        let from: Vec<usize> = held.iter().map(|&(partition, _)| partition).collect();
        let held: BTreeMap<usize, Mutex<Option<M::Held>>> =
            held.into_iter().map(|(p, rows)| (p, Mutex::new(Some(rows)))).collect();
        let cut = job.run(&from, |task| {
            let mut slot = held[&task.partition].lock().unwrap_or_else(|p| p.into_inner());
            let rows = slot.take().expect("each partition is cut once");
            self.movement.cut(task.partition, rows, plan)
        });
        let mut pieces: Pieces<M::Moved> = BTreeMap::new();
        let mut parcels: Vec<Vec<(usize, usize, Vec<u8>)>> = vec![Vec::new(); ranks];
        let packed = cut.and_then(|cut| {
            for (from, parts) in cut {
                for (to, rows) in parts {
                    let home = self.homes.home(to, ranks);
                    if home == rank {
                        pieces.entry(to).or_default().insert(from, rows);
                    } else {
                        let mut frame = Vec::new();
                        wire::encode_rows(&rows, &mut frame)?;
                        parcels[home].push((from, to, frame));
                    }
                }
            }
            parcels.iter().map(wire::encode).collect::<Result<Vec<_>>>()
        });
        if ranks == 1 {
            packed?;
            return Ok(pieces);
        }
        let arrived = job.exchange(packed)?;
        let mut unpack = || -> Result<()> {
            for bytes in &arrived {
                for (from, to, frame) in wire::decode::<Vec<(usize, usize, Vec<u8>)>>(bytes)? {
                    pieces.entry(to).or_default().insert(from, wire::decode_rows(&frame)?);
                }
            }
            Ok(())
        };
        let unpacked = unpack();
        job.agree(unpacked)?;
        Ok(pieces)
    }

    fn finish(
        &self,
        job: &Job<'_>,
        pieces: Pieces<M::Moved>,
    ) -> Result<ByPartition<Stored<M::Out>>> {
        let to = self.homes.of_rank(job.ctx().rank(), job.ctx().ranks());
        let pieces: BTreeMap<usize, Mutex<Vec<Vec<M::Moved>>>> = pieces
            .into_iter()
            .map(|(to, pieces)| (to, Mutex::new(pieces.into_values().collect())))
            .collect();
        job.run(&to, |task| {
            let pieces = pieces.get(&task.partition).map_or_else(Vec::new, |slot| {
                std::mem::take(&mut *slot.lock().unwrap_or_else(|p| p.into_inner()))
            });
            let rows = self.movement.finish(pieces)?;
            job.ctx().store().put(rows, None, StorageLevel::default())
        })
    }
}

impl<M: Move> Staged for Exchange<M> {
    fn is_ready(&self) -> bool {
        self.kept.get().is_some()
    }

    fn prepare(&self, job: &Job<'_>, parents: &[Arc<Node>]) -> Result<()> {
        self.run(job, &parents[0])
    }

    fn open(&self, partition: usize, _task: &Arc<Task>) -> Result<Box<dyn Stream>> {
        open_kept(&self.kept, partition)
    }

    fn detail(&self) -> String {
        detail_kept(&self.kept)
    }
}
