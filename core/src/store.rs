//! What is kept of a dataset, and where: partitions in memory under the budget, on disk past it.
//!
//! A spilled partition is one frame (see `wire`) in a file of its own, in a folder that belongs
//! to the context.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tempfile::TempDir;

use crate::data::Wire;
use crate::error::{Error, Result};
use crate::memory::{Memory, Reservation};
use crate::wire;

/// Where a kept dataset lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageLevel {
    /// In memory while the budget lasts, then on disk.
    #[default]
    MemoryAndDisk,
    /// On disk only.
    Disk,
}

#[derive(Debug)]
pub(crate) struct Store {
    memory: Arc<Memory>,
    parent: PathBuf,
    folder: OnceLock<Result<Arc<TempDir>>>,
    next_file: AtomicU64,
}

/// The rows of one kept partition.
#[derive(Debug)]
pub(crate) enum Stored<T> {
    Memory { rows: Arc<Vec<T>>, _held: Reservation },
    Disk { file: SpillFile, rows: usize },
}

impl Store {
    pub(crate) fn new(memory_limit: Option<u64>, parent: PathBuf) -> Self {
        Self {
            memory: Memory::new(memory_limit),
            parent,
            folder: OnceLock::new(),
            next_file: AtomicU64::new(0),
        }
    }

    pub(crate) fn memory_used(&self) -> u64 {
        self.memory.used()
    }

    /// Takes bytes from the budget.
    pub(crate) fn reserve(&self, bytes: u64) -> Option<Reservation> {
        self.memory.reserve(bytes)
    }

    /// Keeps `rows` where `level` and the budget say; `bytes` is their size if it is known.
    pub(crate) fn put<T: Wire>(
        &self,
        mut rows: Vec<T>,
        bytes: Option<u64>,
        level: StorageLevel,
    ) -> Result<Stored<T>> {
        if level == StorageLevel::MemoryAndDisk {
            let bytes = match bytes {
                Some(bytes) => bytes,
                None => estimated_bytes(&rows)?,
            };
            if let Some(held) = self.memory.reserve(bytes) {
                // What grew by doubling may have room for twice its rows, which nobody counted.
                rows.shrink_to_fit();
                return Ok(Stored::Memory { rows: Arc::new(rows), _held: held });
            }
        }
        Ok(Stored::Disk { file: self.spill(&wire::encode_rows(&rows)?)?, rows: rows.len() })
    }

    /// Writes bytes into a file of their own.
    pub(crate) fn spill(&self, bytes: &[u8]) -> Result<SpillFile> {
        let folder = self.folder.get_or_init(|| self.make_folder()).clone()?;
        let path = folder.path().join(self.next_file.fetch_add(1, Ordering::Relaxed).to_string());
        let file = SpillFile { path, _folder: folder };
        fs::write(&file.path, bytes).map_err(|error| file.error(error))?;
        Ok(file)
    }

    /// A folder that nobody else has or can look into.
    fn make_folder(&self) -> Result<Arc<TempDir>> {
        let named = |error| Error::file(self.parent.to_string_lossy(), error);
        fs::create_dir_all(&self.parent).map_err(named)?;
        let folder = tempfile::Builder::new().prefix("firesteel-").tempdir_in(&self.parent);
        Ok(Arc::new(folder.map_err(named)?))
    }
}

/// Exact for plain numbers; otherwise the rows themselves and, for what they point to, the
/// encoded size of up to 64 rows spread evenly over the partition.
fn estimated_bytes<T: Wire>(rows: &[T]) -> Result<u64> {
    let own = rows.len() as u64 * size_of::<T>() as u64;
    if rows.is_empty() || wire::plain_size::<T>().is_some() {
        return Ok(own);
    }
    let sampled = rows.len().min(64);
    let mut bytes = 0;
    for i in 0..sampled {
        bytes += wire::encode(&rows[i * rows.len() / sampled])?.len() as u64;
    }
    Ok(own + bytes * rows.len() as u64 / sampled as u64)
}

impl<T: Wire> Stored<T> {
    /// The rows, read back if they lie on disk.
    pub(crate) fn load(&self) -> Result<Arc<Vec<T>>> {
        match self {
            Self::Memory { rows, .. } => Ok(Arc::clone(rows)),
            Self::Disk { file, .. } => Ok(Arc::new(wire::decode_rows(&file.read()?)?)),
        }
    }
}

impl<T> Stored<T> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Memory { rows, .. } => rows.len(),
            Self::Disk { rows, .. } => *rows,
        }
    }

    pub(crate) fn in_memory(&self) -> Option<Arc<Vec<T>>> {
        match self {
            Self::Memory { rows, .. } => Some(Arc::clone(rows)),
            Self::Disk { .. } => None,
        }
    }
}

/// A file that is removed when its last user is gone. It may outlive the context: the folder
/// goes with the last of its files.
#[derive(Debug)]
pub(crate) struct SpillFile {
    path: PathBuf,
    _folder: Arc<TempDir>,
}

impl SpillFile {
    pub(crate) fn read(&self) -> Result<Vec<u8>> {
        fs::read(&self.path).map_err(|error| self.error(error))
    }

    fn error(&self, error: std::io::Error) -> Error {
        Error::file(self.path.to_string_lossy(), error)
    }
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        // A file that cannot be removed now goes with the folder.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_past_the_budget_go_to_disk_and_come_back() {
        let parent = tempfile::tempdir().unwrap();
        let store = Store::new(Some(1000), parent.path().to_owned());
        let first = store.put((0..100_u64).collect(), None, StorageLevel::default()).unwrap();
        let second = store.put((0..100_u64).collect(), None, StorageLevel::default()).unwrap();
        assert!(first.in_memory().is_some());
        assert!(second.in_memory().is_none());
        assert_eq!(first.load().unwrap(), second.load().unwrap());
        assert_eq!((store.memory_used(), second.len()), (800, 100));
        drop((first, second));
        assert_eq!(store.memory_used(), 0);
        drop(store);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_spilled_partition_that_was_damaged_is_an_error() {
        let parent = tempfile::tempdir().unwrap();
        let store = Store::new(None, parent.path().to_owned());
        let stored = store.put(vec!["a".to_owned()], None, StorageLevel::Disk).unwrap();
        if let Stored::Disk { file, .. } = &stored {
            fs::write(&file.path, b"something else entirely").unwrap();
        }
        assert!(matches!(stored.load(), Err(Error::Damaged { .. })));
    }
}
