//! Files and folders that become visible whole or not at all.
//!
//! A file is written under a hidden name beside its target and renamed. So is a folder, with all
//! parts and the marker inside. Parts that are added to a folder are listed in its file
//! `_appending` while they get their names one by one; readers pass over what is listed there, so
//! the removal of that file is the moment at which all of them are seen. If the program is killed
//! before, the next one that adds to the folder clears them away.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_core::Error as CoreError;
use firesteel_core::storage::write_atomic;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

use super::WriteMode;

/// The marker of a folder that was written whole.
pub(crate) const MARKER: &str = "_SUCCESS";
/// The list of parts that are being added to a folder.
pub(crate) const APPENDING: &str = "_appending";

type Result<T, E = CoreError> = std::result::Result<T, E>;

fn named(path: &Path) -> impl Fn(io::Error) -> CoreError + '_ {
    move |error| CoreError::file(path.to_string_lossy(), error)
}

/// Whether to write: not if something is there and is to stay.
pub(super) fn is_wanted(path: &Path, mode: WriteMode, is_folder: bool) -> Result<bool> {
    let name = path.to_string_lossy();
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(true) };
    match mode {
        WriteMode::Error => Err(CoreError::file(name, "is there already")),
        WriteMode::Ignore => Ok(false),
        _ if is_folder && !path.is_dir() => Err(CoreError::file(name, "is not a folder")),
        WriteMode::Overwrite if !is_folder && (found.is_dir() || path.is_dir()) => {
            Err(CoreError::file(name, "is a folder"))
        }
        WriteMode::Overwrite if is_folder && !path.join(MARKER).is_file() => {
            let message =
                format!("is not replaced: it has no {MARKER}, so it was not written before");
            Err(CoreError::file(name, message))
        }
        WriteMode::Overwrite | WriteMode::Append => Ok(true),
    }
}

/// A name in the same folder that nothing else has.
fn sibling(target: &Path, end: &str) -> Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let Some(name) = target.file_name() else {
        let expected = "a path that ends in a name";
        return Err(CoreError::parameter("path", target.display(), expected));
    };
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let hidden = format!(".{}.{}-{number}.{end}", name.to_string_lossy(), std::process::id());
    Ok(target.with_file_name(hidden))
}

/// Bytes on their way into a file.
pub(super) struct Bytes {
    name: String,
    out: Out,
}

enum Out {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
}

impl Bytes {
    /// Into a new file; errors name `name`.
    pub(super) fn create(path: &Path, name: &Path, is_gzipped: bool) -> Result<Self> {
        let file = BufWriter::with_capacity(1 << 16, File::create(path).map_err(named(name))?);
        let out = match is_gzipped {
            // Without a name and a time in its head the bytes depend on the rows alone.
            true => Out::Gzip(GzBuilder::new().write(file, Compression::default())),
            false => Out::Plain(file),
        };
        Ok(Self { name: name.to_string_lossy().into_owned(), out })
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let put = match &mut self.out {
            Out::Plain(out) => out.write_all(bytes),
            Out::Gzip(out) => out.write_all(bytes),
        };
        put.map_err(|error| CoreError::file(&*self.name, error))
    }

    /// Brings everything to disk.
    pub(super) fn finish(self) -> Result<()> {
        let finish = || {
            let out = match self.out {
                Out::Plain(out) => out,
                Out::Gzip(out) => out.finish()?,
            };
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
        };
        finish().map_err(|error| CoreError::file(&*self.name, error))
    }
}

/// A path that is removed unless it got its name.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = match self.0.is_dir() {
            true => fs::remove_dir_all(&self.0),
            false => fs::remove_file(&self.0),
        };
    }
}

/// One file that is being written.
pub(super) struct NewFile {
    target: PathBuf,
    temporary: Temporary,
    bytes: Bytes,
}

impl NewFile {
    /// Starts a file; none if what is there is to stay. Missing folders on the way are made.
    pub(super) fn create(target: &Path, mode: WriteMode, is_gzipped: bool) -> Result<Option<Self>> {
        if !is_wanted(target, mode, false)? {
            return Ok(None);
        }
        let path = sibling(target, "part")?;
        if let Some(folder) = target.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(named(target))?;
        }
        let bytes = Bytes::create(&path, target, is_gzipped)?;
        Ok(Some(Self { target: target.to_owned(), temporary: Temporary(path), bytes }))
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes.put(bytes)
    }

    /// Gives the file its name, unless something that is to stay came there meanwhile.
    pub(super) fn finish(self, mode: WriteMode) -> Result<()> {
        let Self { target, temporary, bytes } = self;
        bytes.finish()?;
        if is_wanted(&target, mode, false)? {
            fs::rename(&temporary.0, &target).map_err(named(&target))?;
        }
        Ok(())
    }
}

/// A folder of parts that is being written.
pub(super) struct NewFolder {
    target: PathBuf,
    temporary: Temporary,
    mode: WriteMode,
    first: u64,
}

impl NewFolder {
    /// Starts a folder; none if what is there is to stay.
    pub(super) fn create(target: &Path, mode: WriteMode) -> Result<Option<Self>> {
        if !is_wanted(target, mode, true)? {
            return Ok(None);
        }
        let first = match mode {
            WriteMode::Append if target.is_dir() => {
                clear_appending(target).map_err(named(target))?;
                next_part(target).map_err(named(target))?
            }
            _ => 0,
        };
        let path = sibling(target, "part")?;
        fs::create_dir_all(&path).map_err(named(target))?;
        let temporary = Temporary(path);
        Ok(Some(Self { target: target.to_owned(), temporary, mode, first }))
    }

    /// Where the parts are to be written.
    pub(super) fn path(&self) -> &Path {
        &self.temporary.0
    }

    /// The number of the first part.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Gives the folder, or the parts that come to it, their names.
    pub(super) fn finish(self) -> Result<()> {
        let Self { target, temporary, mode, .. } = self;
        if !is_wanted(&target, mode, true)? {
            return Ok(());
        }
        if mode == WriteMode::Append && target.is_dir() {
            return append(&temporary.0, &target).map_err(named(&target));
        }
        write_atomic(temporary.0.join(MARKER), |_| Ok(()))?;
        if !target.exists() {
            return fs::rename(&temporary.0, &target).map_err(named(&target));
        }
        let old = sibling(&target, "old")?;
        fs::rename(&target, &old).map_err(named(&target))?;
        if let Err(error) = fs::rename(&temporary.0, &target) {
            let _ = fs::rename(&old, &target);
            return Err(named(&target)(error));
        }
        fs::remove_dir_all(&old).map_err(named(&target))
    }
}

/// All files below a folder, as paths from there.
fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(below) = open.pop() {
        for entry in fs::read_dir(folder.join(&below))? {
            let entry = entry?;
            let path = below.join(entry.file_name());
            match entry.file_type()?.is_dir() {
                true => open.push(path),
                false => found.push(path),
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The number after the largest in the names of parts.
fn next_part(folder: &Path) -> io::Result<u64> {
    let number = |path: &PathBuf| -> Option<u64> {
        let name = path.file_name()?.to_str()?.strip_prefix("part-")?;
        let digits = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len());
        name[..digits].parse().ok()
    };
    let largest = files_below(folder)?.iter().filter_map(number).max();
    Ok(largest.map_or(0, |number| number.saturating_add(1)))
}

fn append(from: &Path, target: &Path) -> io::Result<()> {
    let files = files_below(from)?;
    let names: Vec<_> = files.iter().map(|path| path.to_string_lossy()).collect();
    let list = target.join(APPENDING);
    write_atomic(&list, |out| out.write_all(names.join("\n").as_bytes()))
        .map_err(|error| io::Error::other(error.to_string()))?;
    let moved = files.iter().try_for_each(|file| {
        let to = target.join(file);
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        match to.exists() {
            true => Err(io::Error::other(format!("{} has come there meanwhile", file.display()))),
            false => fs::rename(from.join(file), to),
        }
    });
    match moved {
        Ok(()) => fs::remove_file(&list),
        Err(error) => {
            // What has not been moved is not there: of the listed files only moved ones go.
            for file in files.iter().filter(|file| !from.join(file).exists()) {
                let _ = fs::remove_file(target.join(file));
            }
            let _ = fs::remove_file(&list);
            Err(error)
        }
    }
}

/// Removes what a program left that was killed while it added parts.
fn clear_appending(target: &Path) -> io::Result<()> {
    let list = target.join(APPENDING);
    let Ok(names) = fs::read_to_string(&list) else { return Ok(()) };
    for name in names.lines().map(Path::new) {
        let is_inside =
            name.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        if is_inside && target.join(name).is_file() {
            fs::remove_file(target.join(name))?;
        }
    }
    fs::remove_file(&list)
}
