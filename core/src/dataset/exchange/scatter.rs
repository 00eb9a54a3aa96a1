//! Rows on their way to the partitions that they belong to: one buffer for each.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::data::Wire;
use crate::error::Result;
use crate::hash::fixed_hash;
use crate::memory::Reservation;
use crate::spill::{Extent, Spill};
use crate::store::Store;
use crate::wire;

/// Bytes that a scatter holds back before it asks the accountant or writes to disk, at most.
const MOST_HELD: u64 = 512 << 20;
/// Bytes written to disk at a time, about.
const WRITTEN: usize = 1 << 20;

/// The spill file that the tasks of one stage share, made when the first of them needs it.
#[derive(Debug)]
pub(in crate::dataset) struct SharedSpill {
    store: Arc<Store>,
    spill: Mutex<Option<Arc<Spill>>>,
}

impl SharedSpill {
    pub(in crate::dataset) fn new(store: &Arc<Store>) -> Arc<Self> {
        Arc::new(Self { store: Arc::clone(store), spill: Mutex::new(None) })
    }

    pub(in crate::dataset) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    fn file(&self) -> Result<Arc<Spill>> {
        let mut spill = lock(&self.spill);
        Ok(match &*spill {
            Some(spill) => Arc::clone(spill),
            None => Arc::clone(spill.insert(self.store.spill_file()?)),
        })
    }

    /// Writes bytes to the file.
    pub(in crate::dataset) fn append(&self, bytes: &[u8]) -> Result<Extent> {
        self.store.append(&self.file()?, bytes)
    }
}

/// The rows and the fingerprint of what was written for each output partition.
///
/// The fingerprint is a sum over the pieces, so it does not matter in which order they come.
#[derive(Debug)]
pub(super) struct Totals(Vec<(AtomicU64, AtomicU64)>);

impl Totals {
    pub(super) fn new(partitions: usize) -> Self {
        Self((0..partitions).map(|_| Default::default()).collect())
    }

    fn add(&self, from: usize, to: usize, seq: usize, rows: usize) {
        let (all_rows, print) = &self.0[to];
        all_rows.fetch_add(rows as u64, Ordering::Relaxed);
        print.fetch_add(print_of(from, to, seq, rows), Ordering::Relaxed);
    }

    pub(super) fn into_vec(self) -> Vec<(u64, u64)> {
        self.0.into_iter().map(|(rows, print)| (rows.into_inner(), print.into_inner())).collect()
    }
}

/// What a piece adds to its output partition's fingerprint.
pub(super) fn print_of(from: usize, to: usize, seq: usize, rows: usize) -> u64 {
    fixed_hash(&(from, to, seq, rows))
}

/// A piece that lies on disk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spilled {
    pub(super) start: u64,
    pub(super) len: u32,
    pub(super) rows: u32,
}

/// What one input partition has for all output partitions.
#[derive(Debug)]
pub(super) struct Scattered<T> {
    pub(super) from: usize,
    /// Each has one entry for each output partition; earlier rows are in earlier ones.
    pub(super) segments: Vec<Vec<Spilled>>,
    pub(super) spill: Option<Arc<Spill>>,
    /// The last rows of each output partition; empty if all are on disk.
    pub(super) memory: Vec<(Vec<T>, Option<Reservation>)>,
}

/// Deals the rows of one input partition out to output partitions.
pub(in crate::dataset) struct Scatter<T> {
    spill: Arc<SharedSpill>,
    buckets: Vec<Vec<T>>,
    /// Rows pushed since the last look at their size.
    fresh: usize,
    last: usize,
    /// Bytes in the buckets that were not taken from the budget.
    loose: u64,
    held: Vec<Reservation>,
    most: u64,
    file: Option<Arc<Spill>>,
    segments: Vec<Vec<Spilled>>,
}

impl<T: Wire> Scatter<T> {
    pub(in crate::dataset) fn new(partitions: usize, spill: &Arc<SharedSpill>) -> Self {
        // Vectors that grow by doubling have room for twice their rows.
        let most = (spill.store.share() / 4).min(MOST_HELD);
        Self {
            spill: Arc::clone(spill),
            buckets: (0..partitions).map(|_| Vec::new()).collect(),
            fresh: 0,
            last: 0,
            loose: 0,
            held: Vec::new(),
            most,
            file: None,
            segments: Vec::new(),
        }
    }

    /// Adds a row for partition `to`.
    #[inline]
    pub(in crate::dataset) fn push(&mut self, to: usize, row: T) {
        self.buckets[to].push(row);
        self.last = to;
        self.fresh += 1;
    }

    /// To be called every some thousand rows: makes sure that they fit.
    pub(in crate::dataset) fn check(&mut self) -> Result<()> {
        if !self.spill.store.is_limited() {
            return Ok(());
        }
        let row = match wire::plain_size::<T>() {
            Some(bytes) => bytes as u64,
            None if self.fresh == 0 => return Ok(()),
            None => {
                wire::bytes_of(self.buckets[self.last].last().map_or(&[], std::slice::from_ref))?
            }
        };
        self.loose += std::mem::take(&mut self.fresh) as u64 * row;
        if self.loose > self.most {
            match self.spill.store.reserve(self.loose)? {
                Some(held) => {
                    self.held.push(held);
                    self.loose = 0;
                }
                None => self.flush()?,
            }
        }
        Ok(())
    }

    /// Writes all that is buffered to disk.
    fn flush(&mut self) -> Result<()> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => Arc::clone(self.file.insert(self.spill.file()?)),
        };
        let mut segment = Vec::with_capacity(self.buckets.len());
        let (mut bytes, mut first) = (Vec::new(), 0);
        for to in 0..self.buckets.len() {
            // What is written to disk gives its memory back.
            let rows = std::mem::take(&mut self.buckets[to]);
            let start = bytes.len();
            if !rows.is_empty() {
                wire::append_rows(&rows, &mut bytes)?;
            }
            let len = (bytes.len() - start) as u32;
            segment.push(Spilled { start: start as u64, len, rows: rows.len() as u32 });
            if bytes.len() >= WRITTEN {
                first = self.write(&file, &mut bytes, &mut segment, first)?;
            }
        }
        self.write(&file, &mut bytes, &mut segment, first)?;
        self.segments.push(segment);
        self.held.clear();
        self.loose = 0;
        Ok(())
    }

    /// Writes the frames that `bytes` holds, and tells the entries from `first` on where they lie.
    fn write(
        &self,
        file: &Arc<Spill>,
        bytes: &mut Vec<u8>,
        segment: &mut [Spilled],
        first: usize,
    ) -> Result<usize> {
        let extent = self.spill.store.append(file, bytes)?;
        for piece in &mut segment[first..] {
            piece.start += extent.start();
        }
        bytes.clear();
        Ok(segment.len())
    }

    /// Ends it; pieces that stay in memory are taken from the budget.
    fn close(mut self) -> Result<Self> {
        self.check()?;
        if self.loose > 0 {
            match self.spill.store.reserve(self.loose)? {
                Some(held) => self.held.push(held),
                None => self.flush()?,
            }
        }
        Ok(self)
    }

    pub(super) fn finish(self, from: usize, totals: &Totals) -> Result<Scattered<T>> {
        let mut this = self.close()?;
        for (seq, segment) in this.segments.iter().enumerate() {
            for (to, piece) in segment.iter().enumerate().filter(|(_, piece)| piece.rows > 0) {
                totals.add(from, to, seq, piece.rows as usize);
            }
        }
        let seq = this.segments.len();
        let mut memory = Vec::new();
        if this.buckets.iter().any(|bucket| !bucket.is_empty()) {
            let mut held = Reservation::joined(std::mem::take(&mut this.held));
            let rows: usize = this.buckets.iter().map(Vec::len).sum();
            let bytes = held.as_ref().map_or(0, Reservation::bytes);
            for (to, mut bucket) in this.buckets.into_iter().enumerate() {
                if bucket.is_empty() {
                    memory.push((bucket, None));
                    continue;
                }
                totals.add(from, to, seq, bucket.len());
                bucket.shrink_to_fit();
                let part = (u128::from(bytes) * bucket.len() as u128 / rows as u128) as u64;
                let part = held.as_mut().map(|held| held.split(part));
                memory.push((bucket, part));
            }
        }
        Ok(Scattered { from, segments: this.segments, spill: this.file, memory })
    }

    /// Ends it; the rows of each bucket in the order in which they came, as pieces to read.
    pub(in crate::dataset) fn into_buckets(self) -> Result<Vec<Bucket<T>>> {
        let this = self.close()?;
        let held = Reservation::joined(this.held).map(Arc::new);
        let mut buckets: Vec<Bucket<T>> = Vec::with_capacity(this.buckets.len());
        for (at, rows) in this.buckets.into_iter().enumerate() {
            let mut spilled = Vec::new();
            let mut count = rows.len() as u64;
            if let Some(file) = &this.file {
                for piece in this.segments.iter().map(|segment| segment[at]) {
                    if piece.rows > 0 {
                        count += u64::from(piece.rows);
                        spilled.push(file.extent(piece.start, u64::from(piece.len)));
                    }
                }
            }
            let spilled = spilled.into_iter();
            buckets.push(Bucket { spilled, last: Some(rows), rows: count, _held: held.clone() });
        }
        Ok(buckets)
    }
}

/// The rows of one bucket, piece by piece.
pub(in crate::dataset) struct Bucket<T> {
    spilled: std::vec::IntoIter<Extent>,
    last: Option<Vec<T>>,
    rows: u64,
    _held: Option<Arc<Reservation>>,
}

impl<T: Wire> Bucket<T> {
    /// No rows.
    pub(in crate::dataset) fn empty() -> Self {
        Self::of(Vec::new())
    }

    /// Rows that are in memory.
    pub(in crate::dataset) fn of(rows: Vec<T>) -> Self {
        let count = rows.len() as u64;
        Self { spilled: Vec::new().into_iter(), last: Some(rows), rows: count, _held: None }
    }

    /// How many rows it had when it was made.
    pub(in crate::dataset) fn rows(&self) -> u64 {
        self.rows
    }

    /// The next rows.
    pub(in crate::dataset) fn next(&mut self) -> Result<Option<Vec<T>>> {
        if let Some(extent) = self.spilled.next() {
            let rows = wire::decode_rows(&extent.read()?).map_err(|error| extent.name(error))?;
            return Ok(Some(rows));
        }
        Ok(self.last.take().filter(|rows| !rows.is_empty()))
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}
