//! Files for what does not fit into memory.
//!
//! A spill file has no name: it is unlinked as soon as it is open, so it is gone when its last user
//! is, however the process ends. Whoever spills appends frames and keeps an [`Extent`] for each;
//! one file serves all tasks of a stage.

use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::chaos::{Chaos, Event, Point};
use crate::error::{Error, Result};

/// An unnamed file that grows at its end.
pub(crate) struct Spill {
    file: File,
    folder: PathBuf,
    number: u64,
    end: AtomicU64,
    chaos: Option<Chaos>,
    retries: u32,
}

/// The pause before the second attempt; later ones are longer.
const PAUSE: Duration = Duration::from_millis(2);

/// Some bytes of a spill file.
#[derive(Clone)]
pub(crate) struct Extent {
    spill: Arc<Spill>,
    start: u64,
    len: u64,
}

impl Spill {
    /// A new file in `folder`, which is made if it is not there.
    pub(crate) fn create(
        folder: &PathBuf,
        number: u64,
        chaos: Option<Chaos>,
        retries: u32,
    ) -> Result<Arc<Self>> {
        let named = |error| Error::file(folder.to_string_lossy(), error);
        std::fs::create_dir_all(folder).map_err(named)?;
        let file = tempfile::tempfile_in(folder).map_err(named)?;
        Ok(Arc::new(Self {
            file,
            folder: folder.clone(),
            number,
            end: AtomicU64::new(0),
            chaos,
            retries,
        }))
    }

    /// Writes bytes at the end and says where they start.
    pub(crate) fn append(&self, bytes: &[u8]) -> Result<u64> {
        let start = self.end.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let name = || self.place(start, bytes.len() as u64);
        self.retried(|attempt| {
            let Some(chaos) = &self.chaos else {
                return write_at(&self.file, bytes, start)
                    .map_err(|error| Error::file(name(), error));
            };
            let mut bytes = bytes.to_vec();
            let event = Event::new(Point::StoreWrite, start, &self.number);
            chaos.strike(event.attempt(attempt), &mut bytes)?;
            write_at(&self.file, &bytes, start).map_err(|error| Error::file(name(), error))
        })?;
        Ok(start)
    }

    /// Does it again where it failed in a way that may pass: a task that has used up what it works
    /// on could not.
    fn retried<R>(&self, once: impl Fn(u32) -> Result<R>) -> Result<R> {
        let mut tried = 0;
        loop {
            match once(tried) {
                Err(error) if error.may_pass() && tried < self.retries => {
                    tracing::debug!(%error, "trying again");
                    std::thread::sleep(PAUSE * (tried + 1).min(10));
                    tried += 1;
                }
                result => return result,
            }
        }
    }

    /// The extent of what was appended at `start`.
    pub(crate) fn extent(self: &Arc<Self>, start: u64, len: u64) -> Extent {
        Extent { spill: Arc::clone(self), start, len }
    }

    fn place(&self, start: u64, len: u64) -> String {
        let (folder, number, end) = (self.folder.display(), self.number, start + len);
        format!("{folder}, spill file {number}, bytes {start} to {end}")
    }
}

impl Extent {
    /// Its bytes.
    pub(crate) fn read(&self) -> Result<Vec<u8>> {
        self.spill.retried(|attempt| {
            let mut bytes = vec![0; self.len as usize];
            read_at(&self.spill.file, &mut bytes, self.start).map_err(|error| {
                if error.kind() == std::io::ErrorKind::UnexpectedEof {
                    return Error::Damaged {
                        what: self.place(),
                        message: "it is cut short".into(),
                    };
                }
                Error::file(self.place(), error)
            })?;
            if let Some(chaos) = &self.spill.chaos {
                let event = Event::new(Point::StoreRead, self.start, &self.spill.number);
                chaos.strike(event.attempt(attempt), &mut bytes)?;
            }
            Ok(bytes)
        })
    }

    /// Names it in an error about what it holds.
    pub(crate) fn name(&self, error: Error) -> Error {
        match error {
            Error::Damaged { message, .. } => Error::Damaged { what: self.place(), message },
            other => other,
        }
    }

    /// Where it starts in its file.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// Whether it has no bytes.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    fn place(&self) -> String {
        self.spill.place(self.start, self.len)
    }

    /// Writes over what it holds, as a failing disk would.
    #[cfg(test)]
    pub(crate) fn damage(&self) {
        write_at(&self.spill.file, &vec![0x5a; self.len as usize], self.start).unwrap();
    }
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(not(unix))]
fn write_at(file: &File, bytes: &[u8], at: u64) -> std::io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};
    let _one_at_a_time = lock_files();
    let mut file = file;
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)
}

#[cfg(not(unix))]
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> std::io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    let _one_at_a_time = lock_files();
    let mut file = file;
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(bytes)
}

/// Where a file has one position for all its users, they take turns.
#[cfg(not(unix))]
fn lock_files() -> std::sync::MutexGuard<'static, ()> {
    static FILES: std::sync::Mutex<()> = std::sync::Mutex::new(());
    FILES.lock().unwrap_or_else(|poison| poison.into_inner())
}

impl fmt::Debug for Spill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spill").field("number", &self.number).finish_non_exhaustive()
    }
}

impl fmt::Debug for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())
    }
}
