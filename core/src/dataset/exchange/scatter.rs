//! Rows on their way to the partitions that they belong to: one buffer for each.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::data::Wire;
use crate::dataset::radix::in_order;
use crate::error::{Error, Result};
use crate::hash::fixed_hash;
use crate::memory::Reservation;
use crate::size;
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
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spilled {
    pub(super) start: u64,
    pub(super) len: u64,
    pub(super) rows: u32,
}

/// What some neighbouring input partitions have for all output partitions.
#[derive(Debug)]
pub(super) struct Scattered<T> {
    /// The first of the input partitions.
    pub(super) from: usize,
    /// Each has an entry for each output partition; earlier rows are in earlier ones.
    pub(super) segments: Vec<Segment<T>>,
}

/// Rows for every output partition.
#[derive(Debug)]
pub(super) enum Segment<T> {
    Memory(Vec<(Vec<T>, Option<Reservation>)>),
    Disk(Arc<Spill>, Vec<Spilled>),
}

impl<T> Segment<T> {
    fn rows(&self, to: usize) -> usize {
        match self {
            Self::Memory(parts) => parts[to].0.len(),
            Self::Disk(_, parts) => parts[to].rows as usize,
        }
    }

    /// Bytes as the budget counts them; without one, by the size of the type.
    fn bytes(&self, to: usize) -> u64 {
        match self {
            Self::Memory(parts) => match &parts[to] {
                (_, Some(held)) => held.bytes(),
                (rows, None) => (rows.len() * size_of::<T>()) as u64,
            },
            Self::Disk(_, parts) => parts[to].len,
        }
    }
}

/// Deals rows out to output partitions.
///
/// Without a memory limit each output partition has a vector of its own. With one, rows are noted one
/// behind the other with where they go, and dealt out when the buffer is full: thousands of vectors
/// that grow would leave holes in memory that nobody counts.
pub(in crate::dataset) struct Scatter<T> {
    spill: Arc<SharedSpill>,
    partitions: usize,
    buckets: Vec<Vec<T>>,
    rows: Vec<T>,
    to: Vec<u32>,
    is_limited: bool,
    /// Rows whose size was looked at.
    counted: usize,
    bytes: u64,
    segments: Vec<Segment<T>>,
}

impl<T: Wire> Scatter<T> {
    pub(in crate::dataset) fn new(partitions: usize, spill: &Arc<SharedSpill>) -> Self {
        let is_limited = spill.store.is_limited();
        let buckets = if is_limited { 0 } else { partitions };
        Self {
            spill: Arc::clone(spill),
            partitions,
            buckets: (0..buckets).map(|_| Vec::new()).collect(),
            rows: Vec::new(),
            to: Vec::new(),
            is_limited,
            counted: 0,
            bytes: 0,
            segments: Vec::new(),
        }
    }

    /// Adds a row for partition `to`.
    #[inline]
    pub(in crate::dataset) fn push(&mut self, to: usize, row: T) {
        if self.is_limited {
            debug_assert!(to < self.partitions);
            self.rows.push(row);
            self.to.push(to as u32);
        } else {
            self.buckets[to].push(row);
        }
    }

    /// Bytes at which rows are dealt out. Besides them there are a copy while they are, where they go,
    /// and a frame of them.
    fn most(&self) -> u64 {
        (self.spill.store.share() / 8).min(MOST_HELD)
    }

    /// How many rows were added.
    pub(super) fn rows(&self) -> u64 {
        let of = |segment: &Segment<T>| {
            (0..self.partitions).map(|to| segment.rows(to) as u64).sum::<u64>()
        };
        let noted = self.rows.len() + self.buckets.iter().map(Vec::len).sum::<usize>();
        self.segments.iter().map(of).sum::<u64>() + noted as u64
    }

    /// To be called every some thousand rows: makes sure that they fit.
    pub(in crate::dataset) fn check(&mut self) -> Result<()> {
        if !self.is_limited {
            return Ok(());
        }
        let fresh = &self.rows[self.counted..];
        self.bytes += size::bytes_of(fresh)? + 4 * fresh.len() as u64;
        self.counted = self.rows.len();
        if self.bytes >= self.most() { self.flush(false) } else { Ok(()) }
    }

    /// Deals out what is noted, into memory if it may stay there, else to disk.
    fn flush(&mut self, is_last: bool) -> Result<()> {
        let noted = self.rows.len();
        let segment = self.dealt_out(is_last)?;
        self.segments.push(segment);
        if !is_last {
            self.rows.reserve_exact(noted);
            self.to.reserve_exact(noted);
        }
        Ok(())
    }

    fn dealt_out(&mut self, is_last: bool) -> Result<Segment<T>> {
        let (rows, ends) = self.in_order();
        let bytes = std::mem::take(&mut self.bytes);
        // What comes after rows on disk goes there too: it is little, and there is no room.
        let follows = matches!(self.segments.last(), Some(Segment::Disk(..)));
        let held = if is_last && follows { None } else { self.spill.store.reserve(bytes)? };
        let mut rows = rows.into_iter();
        let mut start = 0;
        let sizes = ends.into_iter().map(|end| end - std::mem::replace(&mut start, end));
        let Some(mut held) = held else {
            return self.to_disk(rows, sizes);
        };
        let all = rows.len().max(1) as u128;
        let parts = sizes.map(|size| {
            let part = (u128::from(bytes) * u128::from(size) / all) as u64;
            let part = (size > 0).then(|| held.split(part));
            (rows.by_ref().take(size as usize).collect(), part)
        });
        Ok(Segment::Memory(parts.collect()))
    }

    /// The noted rows in the order of where they go, and where each partition's end.
    fn in_order(&mut self) -> (Vec<T>, Vec<u32>) {
        let (rows, to) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.to));
        self.counted = 0;
        let mut next = vec![0_u32; self.partitions + 1];
        for &to in &to {
            next[to as usize + 1] += 1;
        }
        for i in 0..self.partitions {
            next[i + 1] += next[i];
        }
        let mut order = vec![0_u32; rows.len()];
        for (at, &to) in to.iter().enumerate() {
            let slot = &mut next[to as usize];
            order[*slot as usize] = at as u32;
            *slot += 1;
        }
        next.truncate(self.partitions);
        (in_order(rows, &order), next)
    }

    fn to_disk(
        &self,
        mut rows: std::vec::IntoIter<T>,
        sizes: impl Iterator<Item = u32>,
    ) -> Result<Segment<T>> {
        let file = self.spill.file()?;
        let mut parts = Vec::with_capacity(self.partitions);
        let (mut bytes, mut written) = (Vec::new(), 0);
        let mut part: Vec<T> = Vec::new();
        for size in sizes {
            let start = bytes.len();
            if size > 0 {
                part.extend(rows.by_ref().take(size as usize));
                wire::append_rows(&part, &mut bytes)?;
                part.clear();
            }
            let len = (bytes.len() - start) as u64;
            parts.push(Spilled { start: start as u64, len, rows: size });
            if bytes.len() >= WRITTEN {
                written = self.write(&file, &mut bytes, &mut parts, written)?;
            }
        }
        self.write(&file, &mut bytes, &mut parts, written)?;
        Ok(Segment::Disk(file, parts))
    }

    /// Writes the frames that `bytes` holds, and tells the entries from `first` on where they lie.
    fn write(
        &self,
        file: &Arc<Spill>,
        bytes: &mut Vec<u8>,
        parts: &mut [Spilled],
        first: usize,
    ) -> Result<usize> {
        let extent = self.spill.store.append(file, bytes)?;
        for part in &mut parts[first..] {
            part.start += extent.start();
        }
        bytes.clear();
        Ok(parts.len())
    }

    fn into_segments(mut self) -> Result<Vec<Segment<T>>> {
        if self.is_limited {
            self.check()?;
            if !self.rows.is_empty() {
                self.flush(true)?;
            }
        } else if self.buckets.iter().any(|bucket| !bucket.is_empty()) {
            let buckets = std::mem::take(&mut self.buckets).into_iter();
            let parts = buckets.map(|mut bucket| {
                bucket.shrink_to_fit();
                (bucket, None)
            });
            self.segments.push(Segment::Memory(parts.collect()));
        }
        Ok(self.segments)
    }

    /// Ends it: rows, their bytes, and where they are.
    pub(super) fn finish(self, from: usize, totals: &Totals) -> Result<(u64, u64, Scattered<T>)> {
        let partitions = self.partitions;
        let (mut all_rows, mut bytes) = (0, 0);
        let segments = self.into_segments()?;
        for (seq, segment) in segments.iter().enumerate() {
            for to in 0..partitions {
                let rows = segment.rows(to);
                all_rows += rows as u64;
                bytes += segment.bytes(to);
                if rows > 0 {
                    totals.add(from, to, seq, rows);
                }
            }
        }
        Ok((all_rows, bytes, Scattered { from, segments }))
    }

    /// Ends it; the rows of each bucket in the order in which they came.
    pub(in crate::dataset) fn into_buckets(self) -> Result<Vec<Bucket<T>>> {
        let mut buckets: Vec<Bucket<T>> = (0..self.partitions).map(|_| Bucket::empty()).collect();
        for segment in self.into_segments()? {
            match segment {
                Segment::Memory(parts) => {
                    for (bucket, (rows, held)) in buckets.iter_mut().zip(parts) {
                        bucket.rows += rows.len() as u64;
                        bucket.pieces.push_back(Waiting::Memory(rows, held));
                    }
                }
                Segment::Disk(file, parts) => {
                    for (bucket, part) in buckets.iter_mut().zip(parts) {
                        bucket.rows += u64::from(part.rows);
                        let extent = file.extent(part.start, part.len);
                        bucket.pieces.push_back(Waiting::Disk(extent, part.rows as usize));
                    }
                }
            }
        }
        Ok(buckets)
    }
}

/// The rows of one bucket, piece by piece.
pub(in crate::dataset) struct Bucket<T> {
    pieces: VecDeque<Waiting<T>>,
    rows: u64,
}

enum Waiting<T> {
    Memory(Vec<T>, Option<Reservation>),
    /// With the rows that were written there.
    Disk(Extent, usize),
}

impl<T: Wire> Bucket<T> {
    /// No rows.
    pub(in crate::dataset) fn empty() -> Self {
        Self { pieces: VecDeque::new(), rows: 0 }
    }

    /// Rows that are in memory.
    pub(in crate::dataset) fn of(rows: Vec<T>) -> Self {
        let count = rows.len() as u64;
        Self { pieces: [Waiting::Memory(rows, None)].into(), rows: count }
    }

    /// How many rows it had when it was made.
    pub(in crate::dataset) fn rows(&self) -> u64 {
        self.rows
    }

    /// The next rows.
    pub(in crate::dataset) fn next(&mut self) -> Result<Option<Vec<T>>> {
        loop {
            let rows = match self.pieces.pop_front() {
                None => return Ok(None),
                Some(Waiting::Memory(rows, _held)) => rows,
                Some(Waiting::Disk(extent, _)) if extent.is_empty() => continue,
                Some(Waiting::Disk(extent, count)) => read_rows(&extent, count)?,
            };
            if !rows.is_empty() {
                return Ok(Some(rows));
            }
        }
    }
}

/// The rows that lie at `extent`, if they are as many as were written.
pub(super) fn read_rows<T: Wire>(extent: &Extent, count: usize) -> Result<Vec<T>> {
    let rows: Vec<T> = wire::decode_rows(&extent.read()?).map_err(|error| extent.name(error))?;
    if rows.len() == count {
        return Ok(rows);
    }
    let message = format!("it has {} rows instead of {count}", rows.len());
    Err(extent.name(Error::Damaged { what: String::new(), message }))
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}
