//! What is kept of a dataset, and where: blocks in memory under the budget, on disk past it.
//!
//! A kept partition is a list of blocks of about [`BLOCK`] bytes. Where a block lies is decided when
//! it is full and may change when others need its memory (see `memory`): it is then written to a
//! spill file as one frame (see `wire`), or dropped if its level allows no disk. Where the borders
//! of blocks fall shows in no result.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use indicatif::{HumanBytes, HumanCount};

use crate::chaos::Chaos;
use crate::data::Wire;
use crate::error::{Error, Result};
use crate::memory::{Evict, Memory, Reservation, Sharer};
use crate::size;
use crate::spill::{Extent, Spill};
use crate::wire;

/// Bytes of a kept block, about.
pub(crate) const BLOCK: u64 = 1 << 20;

/// Where a kept dataset lies.
///
/// Packed levels hold blocks compressed (LZ4), in memory and on disk: they take less room and more
/// time at every reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageLevel {
    /// In memory while the budget lasts, then on disk. What it was computed from is let go.
    #[default]
    MemoryAndDisk,
    /// In memory while the budget lasts; what does not fit is computed anew when it is read.
    Memory,
    /// On disk only. A block that is found damaged is computed anew.
    Disk,
    /// As [`MemoryAndDisk`](Self::MemoryAndDisk), compressed.
    MemoryAndDiskPacked,
    /// As [`Memory`](Self::Memory), compressed.
    MemoryPacked,
    /// As [`Disk`](Self::Disk), compressed.
    DiskPacked,
}

impl StorageLevel {
    fn takes_memory(self) -> bool {
        !matches!(self, Self::Disk | Self::DiskPacked)
    }

    fn takes_disk(self) -> bool {
        !matches!(self, Self::Memory | Self::MemoryPacked)
    }

    fn packs(self) -> bool {
        matches!(self, Self::MemoryAndDiskPacked | Self::MemoryPacked | Self::DiskPacked)
    }

    /// Whether what was kept can be lost and must be computed anew then.
    pub(crate) fn keeps_lineage(self) -> bool {
        !matches!(self, Self::MemoryAndDisk | Self::MemoryAndDiskPacked)
    }
}

#[derive(Debug)]
pub(crate) struct Store {
    memory: Arc<Memory>,
    parent: PathBuf,
    next_file: AtomicU64,
    spilled: AtomicU64,
    chaos: Option<Chaos>,
    retries: u32,
}

impl Store {
    pub(crate) fn new(memory_limit: Option<u64>, threads: usize, parent: PathBuf) -> Self {
        Self {
            memory: Memory::new(memory_limit, threads),
            parent,
            next_file: AtomicU64::new(0),
            spilled: AtomicU64::new(0),
            chaos: None,
            retries: 0,
        }
    }

    /// With faults on demand, and so many further attempts at what may pass.
    pub(crate) fn faults(self, chaos: Option<Chaos>, retries: u32) -> Self {
        Self { chaos, retries, ..self }
    }

    pub(crate) fn memory_used(&self) -> u64 {
        self.memory.used()
    }

    /// Bytes that were written to spill files since the start.
    pub(crate) fn spilled(&self) -> u64 {
        self.spilled.load(Ordering::Relaxed)
    }

    /// Bytes that a task may take for its own buffers.
    pub(crate) fn share(&self) -> u64 {
        self.memory.share()
    }

    /// Divides what tasks work with among one context more, as long as it lives.
    pub(crate) fn join(&self) -> Sharer {
        self.memory.join()
    }

    /// Whether there is a limit to what may be kept in memory.
    pub(crate) fn is_limited(&self) -> bool {
        self.memory.is_limited()
    }

    /// Takes bytes from the budget for what is kept.
    pub(crate) fn reserve(&self, bytes: u64) -> Result<Option<Reservation>> {
        self.memory.reserve(bytes)
    }

    /// A new spill file.
    pub(crate) fn spill_file(&self) -> Result<Arc<Spill>> {
        let number = self.next_file.fetch_add(1, Ordering::Relaxed);
        Spill::create(&self.parent, number, self.chaos.clone(), self.retries)
    }

    /// Writes bytes to a spill file.
    pub(crate) fn append(&self, spill: &Arc<Spill>, bytes: &[u8]) -> Result<Extent> {
        let start = spill.append(bytes)?;
        self.spilled.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(spill.extent(start, bytes.len() as u64))
    }

    /// What keeps the partitions of one dataset.
    pub(crate) fn keeper(self: &Arc<Self>, level: StorageLevel) -> Arc<Keeper> {
        Arc::new(Keeper { store: Arc::clone(self), level, spill: Mutex::new(None) })
    }
}

/// Keeps the blocks of one dataset: all of one level, in one spill file.
#[derive(Debug)]
pub(crate) struct Keeper {
    store: Arc<Store>,
    level: StorageLevel,
    spill: Mutex<Option<Arc<Spill>>>,
}

impl Keeper {
    fn to_disk(&self, bytes: &[u8]) -> Result<Extent> {
        let spill = {
            let mut spill = lock(&self.spill);
            match &*spill {
                Some(spill) => Arc::clone(spill),
                None => Arc::clone(spill.insert(self.store.spill_file()?)),
            }
        };
        self.store.append(&spill, bytes)
    }

    fn frame<T: Wire>(&self, rows: &Vec<T>) -> Result<Vec<u8>> {
        let frame = wire::encode_rows(rows)?;
        Ok(if self.level.packs() { wire::pack(&frame) } else { frame })
    }

    fn rows<T: Wire>(&self, frame: &[u8]) -> Result<Vec<T>> {
        match self.level.packs() {
            true => wire::decode_rows(&wire::unpack(frame)?),
            false => wire::decode_rows(frame),
        }
    }

    /// Keeps rows as one block; `bytes` is their size in memory.
    pub(crate) fn keep<T: Wire>(
        self: &Arc<Self>,
        mut rows: Vec<T>,
        bytes: u64,
    ) -> Result<Arc<Block<T>>> {
        let count = rows.len();
        if !self.level.packs() && self.level.takes_memory() {
            if let Some(held) = self.store.reserve(bytes)? {
                // What grew by doubling may have room for twice its rows, which nobody counted.
                rows.shrink_to_fit();
                return Ok(self.adopt(rows, held));
            }
            if !self.level.takes_disk() {
                return Ok(self.block(count, Place::Lost));
            }
        }
        let frame = self.frame(&rows)?;
        drop(rows);
        if self.level.packs() && self.level.takes_memory() {
            if let Some(held) = self.store.reserve(frame.len() as u64)? {
                return Ok(self.block(count, Place::Packed(Arc::new(frame), held)));
            }
            if !self.level.takes_disk() {
                return Ok(self.block(count, Place::Lost));
            }
        }
        let extent = self.to_disk(&frame)?;
        Ok(self.block(count, Place::Disk(extent)))
    }

    /// Keeps rows whose bytes were taken from the budget before.
    pub(crate) fn adopt<T: Wire>(
        self: &Arc<Self>,
        rows: Vec<T>,
        held: Reservation,
    ) -> Arc<Block<T>> {
        self.block(rows.len(), Place::Memory(Arc::new(rows), held))
    }

    fn block<T: Wire>(self: &Arc<Self>, rows: usize, place: Place<T>) -> Arc<Block<T>> {
        let in_memory = matches!(place, Place::Memory(..) | Place::Packed(..));
        let block = Arc::new(Block {
            rows,
            keeper: Arc::clone(self),
            used: AtomicU64::new(self.store.memory.tick()),
            place: Mutex::new(place),
        });
        if in_memory && self.store.is_limited() {
            let weak: Weak<Block<T>> = Arc::downgrade(&block);
            self.store.memory.enlist(weak);
        }
        block
    }
}

/// Some consecutive rows of a kept partition.
pub(crate) struct Block<T> {
    rows: usize,
    keeper: Arc<Keeper>,
    used: AtomicU64,
    place: Mutex<Place<T>>,
}

enum Place<T> {
    Memory(Arc<Vec<T>>, Reservation),
    Packed(Arc<Vec<u8>>, Reservation),
    Disk(Extent),
    Lost,
}

impl<T: Wire> Block<T> {
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The rows, read back if they lie on disk; `None` if they are kept nowhere.
    pub(crate) fn load(&self) -> Result<Option<Arc<Vec<T>>>> {
        self.used.store(self.keeper.store.memory.tick(), Ordering::Relaxed);
        let (frame, extent) = match &*lock(&self.place) {
            Place::Memory(rows, _) => return Ok(Some(Arc::clone(rows))),
            Place::Packed(frame, _) => (Some(Arc::clone(frame)), None),
            Place::Disk(extent) => (None, Some(extent.clone())),
            Place::Lost => return Ok(None),
        };
        let rows: Result<Vec<T>> = match (&frame, &extent) {
            (Some(frame), _) => self.keeper.rows(frame),
            (None, Some(extent)) => {
                self.keeper.rows(&extent.read()?).map_err(|error| extent.name(error))
            }
            (None, None) => return Ok(None),
        };
        let rows = rows?;
        if rows.len() != self.rows {
            return Err(Error::Damaged {
                what: "kept block".into(),
                message: format!("it has {} rows instead of {}", rows.len(), self.rows),
            });
        }
        Ok(Some(Arc::new(rows)))
    }

    /// Overwrites it on disk, as a failing disk would.
    #[cfg(test)]
    pub(crate) fn damage(&self) {
        if let Place::Disk(extent) = &*lock(&self.place) {
            extent.damage();
        }
    }
}

impl<T: Wire> Evict for Block<T> {
    fn last_used(&self) -> Option<u64> {
        let in_memory = matches!(*lock(&self.place), Place::Memory(..) | Place::Packed(..));
        in_memory.then(|| self.used.load(Ordering::Relaxed))
    }

    fn evict(&self) -> Result<()> {
        let mut place = lock(&self.place);
        let keeper = &self.keeper;
        let next = match &*place {
            Place::Disk(_) | Place::Lost => return Ok(()),
            Place::Memory(..) | Place::Packed(..) if !keeper.level.takes_disk() => Place::Lost,
            Place::Memory(rows, _) => Place::Disk(keeper.to_disk(&keeper.frame(rows)?)?),
            Place::Packed(frame, _) => Place::Disk(keeper.to_disk(frame)?),
        };
        *place = next;
        Ok(())
    }
}

impl<T> fmt::Debug for Block<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// A kept partition.
#[derive(Debug)]
pub(crate) struct Stored<T> {
    blocks: Vec<Arc<Block<T>>>,
    rows: u64,
}

/// Bytes that a kept partition takes, and where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) rows: u64,
    pub(crate) memory: u64,
    pub(crate) disk: u64,
    /// Rows that are kept nowhere and will be computed anew.
    pub(crate) lost: u64,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, memory, disk, lost } = self;
        write!(f, "kept here: {} rows, {} in memory", HumanCount(*rows), HumanBytes(*memory))?;
        if *disk > 0 {
            write!(f, ", {} on disk", HumanBytes(*disk))?;
        }
        if *lost > 0 {
            write!(f, ", {} rows to be computed anew", HumanCount(*lost))?;
        }
        Ok(())
    }
}

impl<T: Wire> Stored<T> {
    pub(crate) fn of(blocks: Vec<Arc<Block<T>>>) -> Self {
        let rows = blocks.iter().map(|block| block.rows as u64).sum();
        Self { blocks, rows }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn blocks(&self) -> &[Arc<Block<T>>] {
        &self.blocks
    }

    /// Whether some of it is kept nowhere.
    pub(crate) fn is_lost(&self) -> bool {
        self.blocks.iter().any(|block| matches!(*lock(&block.place), Place::Lost))
    }

    pub(crate) fn taken(&self) -> Taken {
        let mut taken = Taken::default();
        for block in &self.blocks {
            taken.rows += block.rows as u64;
            match &*lock(&block.place) {
                Place::Memory(_, held) | Place::Packed(_, held) => taken.memory += held.bytes(),
                Place::Disk(extent) => taken.disk += extent.len(),
                Place::Lost => taken.lost += block.rows as u64,
            }
        }
        taken
    }
}

/// Keeps a partition row by row.
pub(crate) struct Writer<T> {
    keeper: Arc<Keeper>,
    blocks: Vec<Arc<Block<T>>>,
    rows: Vec<T>,
    bytes: u64,
    /// How many rows were counted in `bytes`.
    counted: usize,
    item: PhantomData<fn(T)>,
}

impl<T: Wire> Writer<T> {
    pub(crate) fn new(keeper: &Arc<Keeper>) -> Self {
        let (keeper, blocks, rows) = (Arc::clone(keeper), Vec::new(), Vec::new());
        Self { keeper, blocks, rows, bytes: 0, counted: 0, item: PhantomData }
    }

    /// Adds rows, whose size is known or estimated.
    pub(crate) fn extend(
        &mut self,
        rows: impl IntoIterator<Item = T>,
        bytes: Option<u64>,
    ) -> Result<()> {
        if self.rows.capacity() == 0 && wire::plain_size::<T>().is_some() {
            self.rows.reserve_exact(rows_of_a_block::<T>());
        }
        self.rows.extend(rows);
        self.full(bytes)
    }

    /// Adds rows of any number, block by block.
    pub(crate) fn extend_all(&mut self, mut rows: impl ExactSizeIterator<Item = T>) -> Result<()> {
        while rows.len() > 0 {
            self.extend(rows.by_ref().take(crate::dataset::CHUNK), None)?;
        }
        Ok(())
    }

    /// Adds one row.
    #[inline]
    pub(crate) fn push(&mut self, row: T) -> Result<()> {
        self.rows.push(row);
        if self.rows.len() - self.counted >= 256 { self.full(None) } else { Ok(()) }
    }

    /// Adds rows as a block of their own, without copying them.
    pub(crate) fn adopt(&mut self, rows: Vec<T>, held: Reservation) -> Result<()> {
        self.seal()?;
        self.blocks.push(self.keeper.adopt(rows, held));
        Ok(())
    }

    fn full(&mut self, bytes: Option<u64>) -> Result<()> {
        let new = &self.rows[self.counted..];
        self.bytes += match bytes {
            Some(bytes) => bytes,
            None => bytes_of(&self.keeper, new)?,
        };
        self.counted = self.rows.len();
        if self.bytes >= BLOCK { self.seal() } else { Ok(()) }
    }

    fn seal(&mut self) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        if self.counted < self.rows.len() {
            self.bytes += bytes_of(&self.keeper, &self.rows[self.counted..])?;
        }
        let rows = std::mem::take(&mut self.rows);
        self.blocks.push(self.keeper.keep(rows, self.bytes)?);
        (self.bytes, self.counted) = (0, 0);
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Stored<T>> {
        self.seal()?;
        Ok(Stored::of(self.blocks))
    }
}

/// Without a budget a few rows tell enough.
fn bytes_of<T: Wire>(keeper: &Keeper, rows: &[T]) -> Result<u64> {
    if keeper.store.is_limited() { size::bytes_of(rows) } else { size::bytes_about(rows) }
}

/// Rows of plain numbers that fill a block.
fn rows_of_a_block<T>() -> usize {
    // A chunk may lie across the border.
    BLOCK as usize / size_of::<T>().max(1) + crate::dataset::CHUNK
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(limit: Option<u64>) -> Arc<Store> {
        Arc::new(Store::new(limit, 1, std::env::temp_dir()))
    }

    fn kept(store: &Arc<Store>, level: StorageLevel, rows: u64) -> Stored<u64> {
        let mut writer = Writer::new(&store.keeper(level));
        writer.extend_all((0..rows as usize).map(|row| row as u64)).unwrap();
        writer.finish().unwrap()
    }

    fn all(stored: &Stored<u64>) -> Vec<u64> {
        let load = |block: &Arc<Block<u64>>| block.load().unwrap().unwrap().to_vec();
        stored.blocks().iter().flat_map(load).collect()
    }

    #[test]
    fn the_oldest_rows_go_to_disk_and_come_back() {
        let store = store(Some(2000));
        let first = kept(&store, StorageLevel::MemoryAndDisk, 100);
        let second = kept(&store, StorageLevel::MemoryAndDisk, 100);
        let (one, two) = (first.taken(), second.taken());
        assert_eq!((one.memory, two.memory, two.disk), (0, 800, 0));
        assert!(one.disk >= 800);
        assert_eq!(all(&first), all(&second));
        assert_eq!(store.memory_used(), 800);
        drop((first, second));
        assert_eq!(store.memory_used(), 0);
    }

    #[test]
    fn every_level_gives_its_rows_back() {
        use StorageLevel::*;
        for level in [MemoryAndDisk, Memory, Disk, MemoryAndDiskPacked, MemoryPacked, DiskPacked] {
            let store = store(None);
            let stored = kept(&store, level, 300_000);
            assert!(stored.blocks().len() > 1);
            assert_eq!(all(&stored), (0..300_000).collect::<Vec<_>>());
            let taken = stored.taken();
            assert_eq!(taken.memory > 0, level.takes_memory(), "{level:?}");
            assert_eq!(taken.memory + taken.disk < 8 * 300_000, level.packs(), "{level:?}");
        }
    }

    #[test]
    fn what_may_not_go_to_disk_is_lost() {
        let store = store(Some(2000));
        let first = kept(&store, StorageLevel::Memory, 100);
        let second = kept(&store, StorageLevel::Memory, 100);
        assert!(first.is_lost() && !second.is_lost());
        assert_eq!(first.blocks()[0].load().unwrap(), None);
        assert_eq!(kept(&store, StorageLevel::Memory, 1000).taken().lost, 1000);
    }

    #[test]
    fn a_block_that_was_damaged_on_disk_is_named() {
        let stored = kept(&store(None), StorageLevel::Disk, 10);
        stored.blocks()[0].damage();
        let error = stored.blocks()[0].load().unwrap_err();
        assert!(
            matches!(&error, Error::Damaged { what, .. } if what.contains("spill file 0, bytes 0 to")),
            "{error}"
        );
    }
}
