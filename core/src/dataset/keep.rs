//! Caches: a dataset that is computed once and kept.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use super::chunk::{AnyChunk, CHUNK, Chunk, Stream, Typed, Windows};
use super::node::{At, Node, Staged};
use super::{Dataset, Kind, StorageLevel, call, local_partitions};
use crate::data::Wire;
use crate::error::{Error, Result};
use crate::job::{Call, Job, Task};
use crate::store::{Block, Stored, Taken, Writer};

/// The partitions that a stage keeps on this rank.
pub(super) type Kept<T> = OnceLock<BTreeMap<usize, Stored<T>>>;

impl<T: Wire> Dataset<T> {
    /// Keeps the rows once an action has computed them: in memory while the budget lasts, then
    /// on disk.
    ///
    /// The first action that needs the dataset computes all its partitions; from then on it no
    /// longer needs what it was computed from. What is kept goes when the last handle on the
    /// dataset, or on one that stands on it, is dropped. When memory runs short, what was not
    /// read for the longest time goes to disk first.
    ///
    /// # Cost
    ///
    /// One pass over the lineage, once. In memory a kept row takes what it takes in a vector; on
    /// disk it is written as it travels, in blocks of about 1 MiB with a checksum, and read again
    /// at each use.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let squares = ctx.range(0..100).map(|x| x * x).cache();
    /// assert_eq!(squares.count()?, 100); // computes and keeps
    /// assert_eq!(squares.top(1)?, [9801]); // reads what was kept
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn cache(&self) -> Dataset<T> {
        self.kept(call("cache"), StorageLevel::default(), None)
    }

    /// [`cache`](Self::cache) with a function that says how many bytes of memory a row takes,
    /// for rows that know it (a batch of columns, a matrix).
    ///
    /// Without it plain numbers are counted exactly and other rows by a sample.
    ///
    /// # Cost
    ///
    /// As [`cache`](Self::cache).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let blocks = ctx.range(0..4).map(|n| vec![0.5; n as usize]);
    /// let kept = blocks.cache_sized(|block| block.len() * 8);
    /// assert_eq!(kept.map(|block| block.len() as u64).fold(0, |a, b| a + b)?, 6);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn cache_sized(&self, bytes: impl Fn(&T) -> usize + Send + Sync + 'static) -> Dataset<T> {
        self.kept(call("cache"), StorageLevel::default(), Some(Box::new(bytes)))
    }

    /// [`cache`](Self::cache) with a choice of where the rows lie.
    ///
    /// With [`StorageLevel::Memory`] and [`StorageLevel::Disk`] the dataset goes on knowing what it
    /// was computed from: rows that had to leave memory, or whose block on disk turns out to be
    /// damaged, are computed anew, on the rank where they live.
    ///
    /// # Cost
    ///
    /// As [`cache`](Self::cache); packed levels compress and decompress each block (LZ4).
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::{Context, StorageLevel};
    ///
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = Context::builder().memory_limit(1 << 20).build()?;
    /// let rows = ctx.range(0..1_000_000).persist(StorageLevel::MemoryPacked);
    /// assert_eq!((rows.count()?, rows.count()?), (1_000_000, 1_000_000));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn persist(&self, level: StorageLevel) -> Dataset<T> {
        self.kept(call("persist"), level, None)
    }

    fn kept(&self, call: Call, level: StorageLevel, bytes: Option<BytesOf<T>>) -> Dataset<T> {
        let cache = Cache::<T> { level, bytes, kept: OnceLock::new() };
        self.child(call, Kind::Staged(Box::new(cache))).placed_as(self)
    }
}

/// Says how many bytes of memory a row takes.
type BytesOf<T> = Box<dyn Fn(&T) -> usize + Send + Sync>;

struct Cache<T> {
    level: StorageLevel,
    bytes: Option<BytesOf<T>>,
    kept: Kept<T>,
}

impl<T: Wire> Staged for Cache<T> {
    fn is_ready(&self) -> bool {
        self.kept.get().is_some()
    }

    fn keeps_lineage(&self) -> bool {
        self.level.keeps_lineage()
    }

    fn prepare(&self, job: &Job<'_>, call: Call, parents: &[Arc<Node>]) -> Result<()> {
        let node = &parents[0];
        let keeper = job.ctx().store().keeper(self.level);
        let computed = job.run(&local_partitions(job.ctx(), node), |task| {
            let mut rows = Typed::<T>::counted(node.open(task.partition, task)?, call, task);
            let mut writer = Writer::new(&keeper);
            while let Some(chunk) = rows.next()? {
                let bytes = self.bytes.as_ref();
                let bytes =
                    bytes.map(|bytes| chunk.as_slice().iter().map(|row| bytes(row) as u64).sum());
                match chunk {
                    Chunk::Owned(rows) => writer.extend(rows, bytes)?,
                    Chunk::Shared(rows, range) => {
                        writer.extend(rows[range].iter().cloned(), bytes)?;
                    }
                }
            }
            writer.finish()
        });
        let (outcome, kept) = apart(computed);
        job.agree(outcome)?;
        let _ = self.kept.set(kept.into_iter().collect());
        Ok(())
    }

    fn open(
        &self,
        call: Call,
        partition: usize,
        task: &Arc<Task>,
        parents: &[Arc<Node>],
    ) -> Result<Option<Box<dyn Stream>>> {
        let stored = kept_partition(&self.kept, partition);
        if stored.is_lost() && !parents.is_empty() {
            return Ok(None);
        }
        let lineage = parents.first().map(|node| (Arc::clone(node), partition));
        Ok(Some(Box::new(Blocks::new(stored, call, lineage, task))))
    }

    fn anew(&self, input: Box<dyn Stream>, at: At<'_>) -> Box<dyn Stream> {
        let rows = kept_partition(&self.kept, at.partition).rows();
        let count = Count { call: at.call, partition: at.partition, expected: rows, given: 0 };
        Box::new(Anew::<T> { stream: input, skip: 0, count, row: PhantomData })
    }

    fn taken(&self) -> Option<Taken> {
        taken_kept(&self.kept)
    }
}

/// Parts a result into whether it went well, which is told to all, and what stays here.
pub(super) fn apart<R>(result: Result<Vec<R>>) -> (Result<()>, Vec<R>) {
    match result {
        Ok(rows) => (Ok(()), rows),
        Err(error) => (Err(error), Vec::new()),
    }
}

fn kept_partition<T>(kept: &Kept<T>, partition: usize) -> &Stored<T> {
    let kept = kept.get().expect("a job prepares its stages before it runs");
    kept.get(&partition).expect("a task runs on its partition's home rank")
}

/// A kept partition as a stream.
pub(super) fn open_kept<T: Wire>(
    kept: &Kept<T>,
    call: Call,
    partition: usize,
    task: &Arc<Task>,
) -> Box<dyn Stream> {
    Box::new(Blocks::new(kept_partition(kept, partition), call, None, task))
}

/// What a stage keeps on this rank, if it was computed.
pub(super) fn taken_kept<T: Wire>(kept: &Kept<T>) -> Option<Taken> {
    let mut sum = Taken::default();
    for stored in kept.get()?.values() {
        let one = stored.taken();
        sum.rows += one.rows;
        sum.memory += one.memory;
        sum.disk += one.disk;
        sum.lost += one.lost;
    }
    Some(sum)
}

/// Rows that were kept, and those that are given out.
#[derive(Clone, Copy, Debug)]
struct Count {
    call: Call,
    partition: usize,
    expected: u64,
    given: u64,
}

impl Count {
    fn add(&mut self, rows: usize) {
        self.given += rows as u64;
    }

    /// At the end: an error if rows are missing or there are more than before.
    fn compare(&self) -> Result<()> {
        if self.given == self.expected {
            return Ok(());
        }
        Err(Error::NotRepeatable {
            operator: self.call.operator.into(),
            site: self.call.site.into(),
            partition: self.partition,
            kept: self.expected,
            anew: self.given,
        })
    }
}

/// Kept rows, block by block; what cannot be read is computed anew where the lineage is known.
pub(super) struct Blocks<T> {
    blocks: std::vec::IntoIter<Arc<Block<T>>>,
    windows: Windows<T>,
    count: Count,
    lineage: Option<(Arc<Node>, usize)>,
    task: Arc<Task>,
    anew: Option<Anew<T>>,
}

impl<T: Wire> Blocks<T> {
    pub(super) fn new(
        stored: &Stored<T>,
        call: Call,
        lineage: Option<(Arc<Node>, usize)>,
        task: &Arc<Task>,
    ) -> Self {
        let blocks = stored.blocks().to_vec().into_iter();
        let windows = Windows::new(Arc::new(Vec::new()));
        let partition = lineage.as_ref().map_or(task.partition, |(_, partition)| *partition);
        let count = Count { call, partition, expected: stored.rows(), given: 0 };
        Self { blocks, windows, count, lineage, task: Arc::clone(task), anew: None }
    }

    /// Goes on with the rows as the lineage computes them.
    fn start_anew(&mut self, reason: Error) -> Result<Option<AnyChunk>> {
        let Some((node, partition)) = &self.lineage else { return Err(reason) };
        tracing::warn!(operator = node.name(), partition, %reason, "computing anew");
        let stream = node.open(*partition, &self.task)?;
        let count = Count { given: 0, ..self.count };
        let anew = Anew { stream, skip: self.count.given, count, row: PhantomData };
        self.anew.insert(anew).next()
    }
}

impl<T: Wire> Stream for Blocks<T> {
    fn next(&mut self) -> Result<Option<AnyChunk>> {
        self.pull(CHUNK)
    }

    fn next_large(&mut self) -> Result<Option<AnyChunk>> {
        self.pull(usize::MAX)
    }
}

impl<T: Wire> Blocks<T> {
    /// The next rows, so many at most.
    fn pull(&mut self, most: usize) -> Result<Option<AnyChunk>> {
        if let Some(anew) = &mut self.anew {
            return anew.next();
        }
        loop {
            if let Some(window) = self.windows.next_range(most) {
                self.count.add(window.as_slice().len());
                return Ok(Some(window.erased()));
            }
            let Some(block) = self.blocks.next() else {
                return self.count.compare().map(|()| None);
            };
            match block.load() {
                Ok(Some(rows)) => self.windows = Windows::new(rows),
                Ok(None) => {
                    let message = "it had to leave memory".into();
                    return self.start_anew(Error::Damaged { what: "kept block".into(), message });
                }
                Err(error) => return self.start_anew(error),
            }
        }
    }
}

/// The lineage's own stream, of which some rows were given out before.
struct Anew<T> {
    stream: Box<dyn Stream>,
    skip: u64,
    count: Count,
    row: PhantomData<fn(T)>,
}

impl<T: Wire> Stream for Anew<T> {
    fn next(&mut self) -> Result<Option<AnyChunk>> {
        loop {
            let Some(chunk) = self.stream.next()? else {
                return self.count.compare().map(|()| None);
            };
            let chunk = Chunk::<T>::from_erased(chunk);
            let rows = chunk.as_slice().len();
            self.count.add(rows);
            // Rather no rows than more than there were: whoever reads them may not read to the end.
            if self.count.given > self.count.expected {
                return self.count.compare().map(|()| None);
            }
            let skipped = self.skip.min(rows as u64);
            self.skip -= skipped;
            return Ok(Some(match skipped {
                0 => chunk.erased(),
                _ if skipped == rows as u64 => continue,
                _ => Chunk::Owned(chunk.as_slice()[skipped as usize..].to_vec()).erased(),
            }));
        }
    }
}
