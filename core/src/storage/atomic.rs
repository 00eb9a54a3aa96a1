//! Writing so that nothing half-written is ever seen.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Writes a file through `write`: into a temporary file beside it, which takes the place of
/// `path` once all is on disk. If anything fails the temporary file is removed and what was at
/// `path` stays as it was.
///
/// Missing folders on the way are made. Not collective: the root calls it.
///
/// # Errors
///
/// [`Error::File`] that names `path`, if the folder cannot be made, the disk is full, or `write`
/// fails.
///
/// # Examples
///
/// ```
/// use std::io::Write;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = std::env::temp_dir().join(format!("atomic-doc-{}", std::process::id()));
/// let path = folder.join("numbers.txt");
/// firesteel_core::storage::write_atomic(&path, |out| writeln!(out, "1 2 3"))?;
/// assert_eq!(std::fs::read_to_string(&path)?, "1 2 3\n");
/// # std::fs::remove_dir_all(folder)?;
/// # Ok(())
/// # }
/// ```
pub fn write_atomic(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    let named = |error: io::Error| Error::file(path.to_string_lossy(), error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        fs::create_dir_all(folder).map_err(named)?;
    }
    let temporary = Temporary(beside(path));
    let file = File::create(&temporary.0).map_err(named)?;
    let mut out = BufWriter::new(file);
    write(&mut out).and_then(|()| out.flush()).map_err(named)?;
    let file = out.into_inner().map_err(|error| named(error.into_error()))?;
    file.sync_all().map_err(named)?;
    drop(file);
    fs::rename(&temporary.0, path).map_err(named)
}

fn beside(path: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}-{number}.part", std::process::id()));
    path.with_file_name(name)
}

/// Removes the file unless it was renamed away.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_atomic(&path, |out| out.write_all(b"old")).unwrap();
        let failed = write_atomic(&path, |out| {
            out.write_all(b"new")?;
            Err(io::Error::other("no more"))
        });
        assert!(matches!(failed, Err(Error::File { message, .. }) if message == "no more"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"").unwrap();
        let failed = write_atomic(file.join("below"), |_| Ok(()));
        assert!(matches!(failed, Err(Error::File { file, .. }) if file.ends_with("below")));
    }
}
