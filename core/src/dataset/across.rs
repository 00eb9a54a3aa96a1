//! Operators that look across the borders of partitions: windows of rows, and every pair of rows.

use std::collections::{BTreeMap, VecDeque};
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use super::chunk::{AnyChunk, CHUNK, Chunk, Stream, Typed};
use super::homes::Homes;
use super::keep::apart;
use super::node::{At, Kind, Many, Node, Staged};
use super::{Dataset, StorageLevel, call, local_partitions};
use crate::data::{Data, Wire};
use crate::error::{Error, Result};
use crate::job::{Call, Job, Task};
use crate::store::{Block, Stored, Taken, Writer};
use crate::wire;

impl<T: Wire> Dataset<T> {
    /// Windows of `window` consecutive rows, the next one starting `step` rows on, across the borders
    /// of partitions; rows at the end that do not fill a window are left out.
    ///
    /// A window is put out in the partition where it starts.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] for a window or a step of zero; and what an action can give: the sizes of
    /// the partitions are found by a job.
    ///
    /// # Cost
    ///
    /// A pass over the parent at once, in which the first `window − 1` rows of each partition meet on
    /// every rank; none of its own after that.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let rows = firesteel_core::Context::local().range_in(0..5, 3);
    /// assert_eq!(rows.sliding(3, 1)?.collect()?, [[0, 1, 2], [1, 2, 3], [2, 3, 4]]);
    /// assert_eq!(rows.sliding(2, 3)?.collect()?, [[0, 1], [3, 4]]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn sliding(&self, window: usize, step: usize) -> Result<Dataset<Vec<T>>> {
        if window == 0 {
            return Err(Error::parameter("window", window, "at least 1"));
        }
        if step == 0 {
            return Err(Error::parameter("step", step, "at least 1"));
        }
        let heads = self.heads(call("sliding"), window - 1)?;
        // What follows each partition, as far as a window can reach; and its first row's number.
        let mut following: Vec<(u64, Vec<T>)> = Vec::with_capacity(heads.len());
        let mut start: u64 = heads.iter().map(|(count, _)| count).sum();
        let mut after: VecDeque<T> = VecDeque::new();
        for (count, head) in heads.into_iter().rev() {
            start -= count;
            following.push((start, after.iter().cloned().collect()));
            head.into_iter().rev().for_each(|row| after.push_front(row));
            after.truncate(window - 1);
        }
        following.reverse();
        let following = Arc::new(following);
        Ok(self.map_partitions_with_index(move |partition, rows| {
            let following = Arc::clone(&following);
            let (first, tail) = &following[partition];
            let tail = tail.clone();
            let mut held: VecDeque<T> = VecDeque::new();
            // The number of the first row that `held` has.
            let mut from = *first;
            rows.chain(tail).filter_map(move |row| {
                held.push_back(row);
                while held.len() > window {
                    held.pop_front();
                    from += 1;
                }
                let starts_one = from % step as u64 == 0;
                (held.len() == window && starts_one).then(|| held.iter().cloned().collect())
            })
        }))
    }

    /// The number of rows of each partition, and its first `most` rows, on every rank.
    fn heads(&self, call: Call, most: usize) -> Result<Vec<(u64, Vec<T>)>> {
        let job = Job::begin(&self.ctx, call.operator, call.site)?;
        job.prepare(&self.node)?;
        job.runs_on(most as u64);
        let here = job.run(&self.local_partitions(), |task| {
            let mut rows = Typed::<T>::counted(self.node.open(task.partition, task)?, call, task);
            let (mut count, mut head) = (0_u64, Vec::new());
            while let Some(chunk) = rows.next()? {
                count += chunk.as_slice().len() as u64;
                let wanted = most - head.len();
                head.extend(chunk.as_slice().iter().take(wanted).cloned());
            }
            Ok((count, head))
        });
        let mut all: Vec<_> = job.gather(here)?.into_iter().flatten().collect();
        all.sort_by_key(|(partition, _)| *partition);
        Ok(all.into_iter().map(|(_, head)| head).collect())
    }

    /// Every row with every row of `other`: the first with each of `other`'s in order, then the
    /// second, and so on.
    ///
    /// # Shape and units
    ///
    /// As many partitions as `self`. (Spark makes one of each pair of partitions, and leaves the order
    /// open.)
    ///
    /// # Cost
    ///
    /// `other` is computed once, travels to every rank, a few blocks at a time, and is kept there, within
    /// the memory budget, while the result is in use; `self` stays where it is. Put the larger one first:
    /// if `other` does not fit into memory, what of it lies on disk is read again for every row of
    /// `self`.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let pairs = ctx.range(0..2).cartesian(&ctx.parallelize(vec!['a', 'b']));
    /// assert_eq!(pairs.collect()?, [(0, 'a'), (0, 'b'), (1, 'a'), (1, 'b')]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn cartesian<U: Wire>(&self, other: &Dataset<U>) -> Dataset<(T, U)> {
        let call = call("cartesian");
        let kept = Arc::new(OnceLock::new());
        let everywhere = Everywhere { kept: Arc::clone(&kept) };
        let parents = vec![Arc::clone(&other.node)];
        let kind = Kind::Staged(Box::new(everywhere));
        let everywhere = Node::new(&self.ctx, call, kind, Homes::contiguous(1), parents);
        let pairs = Pairs { other: kept, row: PhantomData::<fn(T, U)> };
        let parents = vec![Arc::clone(&self.node), everywhere];
        let homes = Arc::clone(self.node.homes());
        let node = Node::new(&self.ctx, call, Kind::Many(Box::new(pairs)), homes, parents);
        Dataset::from_node(&self.ctx, node)
    }
}

/// Blocks that travel together.
const SENT_TOGETHER: usize = 4;

fn loaded<T: Wire>(block: &Block<T>) -> Result<Arc<Vec<T>>> {
    Ok(block.load()?.expect("what may go to disk is not lost"))
}

/// All rows of a dataset, kept on every rank.
struct Everywhere<T> {
    kept: Arc<OnceLock<Stored<T>>>,
}

impl<T: Wire> Staged for Everywhere<T> {
    fn is_ready(&self) -> bool {
        self.kept.get().is_some()
    }

    fn prepare(&self, job: &Job<'_>, call: Call, parents: &[Arc<Node>]) -> Result<()> {
        let node = &parents[0];
        let keeper = job.ctx().store().keeper(StorageLevel::default());
        // Each rank keeps its own partitions first, block by block.
        let kept = job.run(&local_partitions(job.ctx(), node), |task| {
            let mut rows = Typed::<T>::counted(node.open(task.partition, task)?, call, task);
            let mut writer = Writer::new(&keeper);
            while let Some(chunk) = rows.next()? {
                writer.extend(chunk.into_vec(), None)?;
            }
            writer.finish()
        });
        let (outcome, kept) = apart(kept);
        let sizes = kept.iter().map(|(partition, stored)| (*partition, stored.blocks().len()));
        let sizes = job.gather(outcome.map(|()| sizes.collect::<Vec<_>>()))?;
        let all = if job.ctx().ranks() == 1 {
            let blocks = kept.iter().flat_map(|(_, stored)| stored.blocks().iter().cloned());
            Stored::of(blocks.collect())
        } else {
            // Then the others get them, in the order of the partitions, some blocks at a time.
            let kept: BTreeMap<usize, Stored<T>> = kept.into_iter().collect();
            let mut partitions: Vec<(usize, usize)> = sizes.into_iter().flatten().collect();
            partitions.sort_unstable();
            let mut writer = Writer::new(&keeper);
            for (partition, blocks) in partitions {
                for first in (0..blocks).step_by(SENT_TOGETHER) {
                    let sent = job.guarded(None, || {
                        let here = kept.get(&partition).map(Stored::blocks).unwrap_or_default();
                        let blocks = here.iter().skip(first).take(SENT_TOGETHER);
                        blocks.map(|block| wire::Frame::of(&*loaded(block)?)).collect()
                    });
                    let frames: Vec<Vec<wire::Frame<T>>> = job.gather(sent)?;
                    let written = job.guarded(None, || {
                        frames
                            .into_iter()
                            .flatten()
                            .try_for_each(|frame| writer.extend_all(frame.into_rows()?.into_iter()))
                    });
                    job.agree(written)?;
                }
            }
            let (outcome, mut stored) = apart(writer.finish().map(|stored| vec![stored]));
            job.agree(outcome)?;
            stored.pop().expect("the ranks have agreed that it is there")
        };
        let _ = self.kept.set(all);
        Ok(())
    }

    fn open(
        &self,
        _call: Call,
        _partition: usize,
        _task: &Arc<Task>,
        _parents: &[Arc<Node>],
    ) -> Result<Option<Box<dyn Stream>>> {
        unreachable!("it is read through the operator that it was made for")
    }

    fn taken(&self) -> Option<Taken> {
        self.kept.get().map(Stored::taken)
    }
}

struct Pairs<T, U> {
    other: Arc<OnceLock<Stored<U>>>,
    row: PhantomData<fn(T, U)>,
}

impl<T: Data, U: Wire> Many for Pairs<T, U> {
    fn opens(&self, _parents: usize) -> usize {
        1
    }

    fn open(&self, mut inputs: Vec<Box<dyn Stream>>, at: At<'_>) -> Box<dyn Stream> {
        let input = inputs.pop().expect("a cartesian product opens its left input");
        Box::new(PairStream::<T, U> {
            left: Typed::new(input, at.call),
            rows: Vec::new().into_iter(),
            row: None,
            other: Arc::clone(&self.other),
            block: 0,
            right: Arc::new(Vec::new()),
            at: 0,
            task: Arc::clone(at.task),
        })
    }
}

struct PairStream<T, U> {
    left: Typed<T>,
    rows: std::vec::IntoIter<T>,
    /// The left row whose pairs are being put out.
    row: Option<T>,
    other: Arc<OnceLock<Stored<U>>>,
    /// The next block of the right rows, and how far the present one is put out.
    block: usize,
    right: Arc<Vec<U>>,
    at: usize,
    task: Arc<Task>,
}

impl<T: Data, U: Wire> PairStream<T, U> {
    /// Goes on to the next left row.
    fn next_row(&mut self) -> Result<bool> {
        while self.rows.len() == 0 {
            match self.left.next()? {
                Some(chunk) => self.rows = chunk.into_vec().into_iter(),
                None => return Ok(false),
            }
        }
        self.row = self.rows.next();
        (self.block, self.at, self.right) = (0, 0, Arc::new(Vec::new()));
        Ok(true)
    }
}

impl<T: Data, U: Wire> Stream for PairStream<T, U> {
    fn next(&mut self) -> Result<Option<AnyChunk>> {
        self.task.check()?;
        let other = Arc::clone(&self.other);
        let other = other.get().expect("a job prepares its stages before it runs");
        let mut out: Vec<(T, U)> = Vec::new();
        while out.len() < CHUNK {
            if self.row.is_none() && !self.next_row()? {
                break;
            }
            let Some(row) = &self.row else { break };
            let wanted = CHUNK - out.len();
            let rest = &self.right[self.at..];
            if rest.is_empty() {
                match other.blocks().get(self.block) {
                    Some(block) => {
                        self.right = loaded(block)?;
                        (self.block, self.at) = (self.block + 1, 0);
                    }
                    None => self.row = None,
                }
                continue;
            }
            out.extend(rest.iter().take(wanted).map(|right| (row.clone(), right.clone())));
            self.at += rest.len().min(wanted);
        }
        Ok(if out.is_empty() { None } else { Some(Chunk::Owned(out).erased()) })
    }
}
