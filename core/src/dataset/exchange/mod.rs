//! The shuffle: rows move to other partitions.
//!
//! Every exchange has these parts, run as one stage:
//!
//! 1. *look*, if the operator asks for it: each input partition is computed once, on its home, and
//!    held (in memory or on disk) unless it is kept anyway, with a small summary; the summaries of
//!    all partitions meet on every rank, which make the same plan of them (range borders, row
//!    numbers);
//! 2. *scatter*: each input partition is dealt out into one buffer for each output partition;
//!    buffers that outgrow their task's share of the memory budget go to disk;
//! 3. *send*: pieces whose new home is another rank travel, in rounds that fit into memory; what
//!    stays on the rank is not serialised;
//! 4. *finish*: each output partition is made of its pieces in the order of the input partitions,
//!    whatever the order in which they arrived, and kept.
//!
//! Rows are counted all the way (law 6). What an input partition has must be dealt out, unless the
//! operator combines or cuts rows there. The writer of an output partition counts its rows and adds up
//! a fingerprint of its pieces, which all ranks learn; whoever takes the pieces compares both, then
//! counts the rows that it reads, and those that it keeps unless it combines them; whoever reads what
//! was kept counts again. What was put out stays until its last handle is dropped, so a recomputation
//! never crosses an exchange.

mod pieces;
mod scatter;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

pub(super) use pieces::Pieces;
pub(super) use scatter::{Bucket, Scatter, SharedSpill};

use super::chunk::{Stream, Typed};
use super::keep::{Blocks, Kept, apart, open_kept, taken_kept};
use super::node::{Node, Staged};
use super::{StorageLevel, local_partitions};
use crate::chaos::{Event, Fault, Point};
use crate::data::Wire;
use crate::dataset::homes::Homes;
use crate::error::Result;
use crate::job::{Call, Job, Task, entering};
use crate::store::{Stored, Taken, Writer};
use crate::wire;
use pieces::{Here, Outgoing, Parcel, Piece, rows_lost};
use scatter::{Scattered, Totals};

/// Groups of input partitions that are dealt out together, for each thread.
const GROUPS_A_THREAD: usize = 16;

/// The operator's part in an exchange.
pub(super) trait Move: Send + Sync + 'static {
    /// Rows that come in.
    type In: Wire;
    /// What is noted of a partition while it is looked at.
    type Look: Send;
    /// What all ranks learn of a partition.
    type Summary: Wire;
    /// What the summaries make.
    type Plan: Send + Sync;
    /// Rows that travel.
    type Moved: Wire;
    /// Rows that come out.
    type Out: Wire;
    /// Whether each row that comes in travels as one row.
    const DEALS_EACH: bool;
    /// Whether each row that travelled comes out as one row.
    const KEEPS_EACH: bool;

    /// Starts to look at a partition; `None` if the operator has no need to.
    fn look(&self, partition: usize) -> Option<Self::Look>;
    /// Looks at the next rows of a partition.
    fn note(&self, rows: &[Self::In], look: &mut Self::Look) -> Result<()>;
    /// What all ranks learn of a partition that was looked at.
    fn summary(&self, look: Self::Look) -> Self::Summary;
    /// The plan, from the summaries in partition order.
    fn plan(&self, summaries: Vec<Self::Summary>) -> Result<Self::Plan>;
    /// Deals out the rows of input partition `from`.
    fn scatter(
        &self,
        from: usize,
        rows: Typed<Self::In>,
        plan: &Self::Plan,
        out: &mut Scatter<Self::Moved>,
    ) -> Result<()>;
    /// Makes an output partition of its pieces, in the order of the input partitions.
    fn finish(
        &self,
        pieces: Pieces<Self::Moved>,
        work: &Work<'_>,
        out: &mut Writer<Self::Out>,
    ) -> Result<()>;
}

/// What the making of an output partition may use besides its rows.
#[derive(Debug)]
pub(super) struct Work<'a> {
    pub(super) task: &'a Arc<Task>,
    pub(super) spill: &'a Arc<SharedSpill>,
}

pub(super) struct Exchange<M: Move> {
    pub(super) movement: M,
    pub(super) homes: Arc<Homes>,
    pub(super) kept: Kept<M::Out>,
}

/// A value for each of some partitions, in ascending order.
type ByPartition<H> = Vec<(usize, H)>;

impl<M: Move> Exchange<M> {
    pub(super) fn new(movement: M, homes: Arc<Homes>) -> Self {
        Self { movement, homes, kept: OnceLock::new() }
    }

    /// Runs the whole exchange on the rows of `node`, for the operator of `call`; collective.
    pub(super) fn run(&self, job: &Job<'_>, call: Call, node: &Arc<Node>) -> Result<()> {
        let (held, plan) = self.look(job, call, node)?;
        let totals = Totals::new(self.homes.partitions());
        let spill = SharedSpill::new(job.ctx().store());
        let scattered =
            plan.and_then(|plan| self.scatter(job, call, node, &held, &plan, &totals, &spill));
        drop(held);
        let written = self.agree_on_totals(job, totals, &scattered)?;
        // The meeting would have failed if this rank had none.
        let here = Here::new(scattered?);
        let here = if job.ctx().ranks() > 1 { self.send(job, here, &spill)? } else { here };
        let finished = self.finish(job, call, here, &written);
        let (outcome, kept) = apart(finished);
        job.agree(outcome)?;
        let _ = self.kept.set(kept.into_iter().collect());
        Ok(())
    }

    /// Looks at all partitions, shares the summaries and makes the plan; whether that worked here
    /// is told at the next meeting.
    fn look(
        &self,
        job: &Job<'_>,
        call: Call,
        node: &Arc<Node>,
    ) -> Result<(BTreeMap<usize, Stored<M::In>>, Result<M::Plan>)> {
        let make = |summaries: Vec<M::Summary>| {
            job.guarded(None, || {
                entering(call);
                self.movement.plan(summaries)
            })
        };
        if self.movement.look(0).is_none() {
            return Ok((BTreeMap::new(), make(Vec::new())));
        }
        let keeper = job.ctx().store().keeper(StorageLevel::default());
        let is_kept = node.is_kept();
        let looked = job.run(&local_partitions(job.ctx(), node), |task| {
            let mut rows = Typed::<M::In>::new(node.open(task.partition, task)?, call);
            let mut writer = (!is_kept).then(|| Writer::new(&keeper));
            let mut look = self.movement.look(task.partition).expect("it was asked before");
            while let Some(chunk) = rows.next()? {
                self.movement.note(chunk.as_slice(), &mut look)?;
                if let Some(writer) = &mut writer {
                    writer.extend(chunk.into_vec(), None)?;
                }
            }
            let held = writer.map(Writer::finish).transpose()?;
            Ok((held, self.movement.summary(look)))
        });
        let mut held = BTreeMap::new();
        let summaries = looked.map(|looked| {
            let mut summaries = Vec::with_capacity(looked.len());
            for (partition, (rows, summary)) in looked {
                held.extend(rows.map(|rows| (partition, rows)));
                summaries.push((partition, summary));
            }
            summaries
        });
        let mut all: Vec<(usize, M::Summary)> =
            job.gather(summaries)?.into_iter().flatten().collect();
        all.sort_by_key(|&(partition, _)| partition);
        Ok((held, make(all.into_iter().map(|(_, summary)| summary).collect())))
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one stage, called once")]
    fn scatter(
        &self,
        job: &Job<'_>,
        call: Call,
        node: &Arc<Node>,
        held: &BTreeMap<usize, Stored<M::In>>,
        plan: &M::Plan,
        totals: &Totals,
        spill: &Arc<SharedSpill>,
    ) -> Result<Vec<Scattered<M::Moved>>> {
        // Partitions next to each other are dealt out together, so that pieces are not too many and
        // too small; their rows still come in the order of (partition, position).
        let partitions = local_partitions(job.ctx(), node);
        let groups = job.ctx().threads() * GROUPS_A_THREAD;
        let most = partitions.len().div_ceil(groups);
        // Of a union not all that is here is next to each other: what lives elsewhere comes between.
        let groups: Vec<&[usize]> =
            partitions.chunk_by(|a, b| a + 1 == *b).flat_map(|run| run.chunks(most)).collect();
        let scattered = job.run_groups(
            &groups,
            || (Scatter::new(self.homes.partitions(), spill), 0),
            |(out, came), task| {
                let from = task.partition;
                let stream: Box<dyn Stream> = match held.get(&from) {
                    Some(stored) => Box::new(Blocks::new(stored, call, None, task)),
                    None => node.open(from, task)?,
                };
                entering(call);
                let rows = Typed::counted(stream, call, task);
                self.movement.scatter(from, rows, plan, out)?;
                *came += task.has_read_so_far();
                out.check()
            },
            |first, (out, came)| {
                if M::DEALS_EACH && out.rows() != came {
                    return Err(rows_lost(call, first, came, out.rows()));
                }
                let (rows, bytes, scattered) = out.finish(first, totals)?;
                job.meter().shuffled(rows, bytes);
                Ok(scattered)
            },
        )?;
        Ok(scattered.into_iter().map(|(_, scattered)| scattered).collect())
    }

    /// Adds up on all ranks what was written for each output partition.
    fn agree_on_totals<R>(
        &self,
        job: &Job<'_>,
        totals: Totals,
        scattered: &Result<R>,
    ) -> Result<Vec<(u64, u64)>> {
        let outcome = match scattered {
            Ok(_) => Ok(totals.into_vec()),
            Err(error) => Err(error.clone()),
        };
        let mut sums = vec![(0_u64, 0_u64); self.homes.partitions()];
        for totals in job.gather(outcome)? {
            for (sum, (rows, print)) in sums.iter_mut().zip(totals) {
                *sum = (sum.0 + rows, sum.1.wrapping_add(print));
            }
        }
        Ok(sums)
    }

    /// Sends each rank its pieces and takes in what comes, in rounds until nobody has more.
    fn send(
        &self,
        job: &Job<'_>,
        here: Here<M::Moved>,
        spill: &Arc<SharedSpill>,
    ) -> Result<Here<M::Moved>> {
        let (rank, ranks) = (job.ctx().rank(), job.ctx().ranks());
        let elsewhere = (0..self.homes.partitions())
            .map(|to| (to, self.homes.home(to, ranks)))
            .filter(|&(_, home)| home != rank)
            .collect();
        let store = job.ctx().store();
        let most = store.share() / 4;
        let here = Arc::new(here);
        let mut outgoing = Outgoing::new(Arc::clone(&here), elsewhere);
        let mut arrived: Vec<(usize, Piece<M::Moved>)> = Vec::new();
        loop {
            let mut last = true;
            let packed = job.guarded(None, || {
                let (parcels, all) = outgoing.round(ranks, most)?;
                last = all;
                parcels.iter().map(wire::encode).collect::<Result<Vec<_>>>()
            });
            let received = job.exchange(packed)?;
            let outcome: Result<()> = received.iter().try_for_each(|bytes| {
                for (to, from, seq, rows, frame) in wire::decode::<Parcel>(bytes)? {
                    let (frame, key) = (frame.0, (from, seq, rows));
                    arrived.push((
                        to,
                        match store.reserve(frame.len() as u64)? {
                            Some(held) => Piece::arrived(key, frame, Some(held)),
                            None => Piece::put_aside(key, spill.append(&frame)?),
                        },
                    ));
                }
                Ok(())
            });
            let anyone = job.gather(outcome.map(|()| !last))?;
            if !anyone.contains(&true) {
                break;
            }
        }
        drop(outgoing);
        let mut here = Arc::into_inner(here).expect("nobody else reads it any more");
        for (to, piece) in arrived {
            here.add(to, piece);
        }
        Ok(here)
    }

    fn finish(
        &self,
        job: &Job<'_>,
        call: Call,
        here: Here<M::Moved>,
        written: &[(u64, u64)],
    ) -> Result<ByPartition<Stored<M::Out>>> {
        let to = self.homes.of_rank(job.ctx().rank(), job.ctx().ranks());
        let keeper = job.ctx().store().keeper(StorageLevel::default());
        let spill = SharedSpill::new(job.ctx().store());
        let number = job.ctx().current_collective();
        let is_struck = |partition: usize| {
            let event = Event::new(Point::Shuffle, partition as u64, &number);
            let fault = job.ctx().chaos().and_then(|chaos| chaos.point(event));
            fault == Some(Fault::Dropped)
        };
        job.run(&to, |task| {
            // The pieces are used up.
            task.spend()?;
            let partition = task.partition;
            let rows = written[partition].0;
            let pieces = here.take(partition, call, written[partition], is_struck(partition))?;
            let reads = pieces.reads();
            let mut out = Writer::new(&keeper);
            entering(call);
            self.movement.finish(pieces, &Work { task, spill: &spill }, &mut out)?;
            let kept = out.finish()?;
            let read = if M::KEEPS_EACH { kept.rows() } else { reads.load(Ordering::Relaxed) };
            if read == rows { Ok(kept) } else { Err(rows_lost(call, partition, rows, read)) }
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

    fn open(
        &self,
        call: Call,
        partition: usize,
        task: &Arc<Task>,
        _parents: &[Arc<Node>],
    ) -> Result<Option<Box<dyn Stream>>> {
        Ok(Some(open_kept(&self.kept, call, partition, task)))
    }

    fn taken(&self) -> Option<Taken> {
        taken_kept(&self.kept)
    }
}

/// Pieces smaller than this are put together: many small blocks cost more than a copy.
const SMALL_PIECE: usize = 64 << 10;

/// Keeps the rows of an output partition as they came.
pub(super) fn keep_pieces<T: Wire>(mut pieces: Pieces<T>, out: &mut Writer<T>) -> Result<()> {
    while let Some((rows, held)) = pieces.next()? {
        match held {
            Some(held) if rows.len() * size_of::<T>() >= SMALL_PIECE => out.adopt(rows, held)?,
            held => {
                drop(held);
                out.extend_all(rows.into_iter())?;
            }
        }
    }
    Ok(())
}
