//! Datasets written as folders of part files, and read again.

use std::fs;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Dataset;
use super::chunk::Typed;
use crate::chaos::Faults;
use crate::context::Context;
use crate::data::{Data, Wire};
use crate::error::{Error, Result};
use crate::job::Job;
use crate::storage::location::folder_path;
use crate::storage::objects::{self, Content, MARKER, PartRows, PartWriter};

/// How a folder of part files is written.
///
/// # Examples
///
/// ```
/// use firesteel_core::dataset::Saving;
///
/// let saving = Saving::new().overwrite(true);
/// assert!(saving.overwrite && !saving.gzip);
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
#[must_use]
pub struct Saving {
    /// Whether a folder that was saved before is replaced. Default: no, it is an error.
    pub overwrite: bool,
    /// Whether text is compressed, into parts whose names end in `.gz`. Default: no.
    pub gzip: bool,
}

impl Saving {
    /// Nothing is replaced or compressed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether a folder that was saved before is replaced.
    pub fn overwrite(self, overwrite: bool) -> Self {
        Self { overwrite, ..self }
    }

    /// Sets whether text is compressed.
    pub fn gzip(self, gzip: bool) -> Self {
        Self { gzip, ..self }
    }
}

impl<T: Wire> Dataset<T> {
    /// Writes the rows as a folder of object files: one part for each partition, in blocks of
    /// about 1 MiB that are compressed and checksummed, and a marker `_SUCCESS` with the number
    /// and the fingerprint of the rows.
    ///
    /// `folder` is a path or a `file:///…` URL that all ranks can write to. The folder appears
    /// under its name once everything is in it. Spark writes a Hadoop sequence file without
    /// checks of its own; the formats cannot read each other.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the folder is there already or cannot be written, [`Error::Parameter`]
    /// for a URL of another store, and what the lineage and an action can give. Nothing is left
    /// behind then.
    ///
    /// # Cost
    ///
    /// One pass, a block a thread in memory; two numbers a partition travel.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let folder = std::env::temp_dir().join(format!("objects-doc-{}", std::process::id()));
    /// let name = folder.to_str().ok_or("path")?;
    /// let ctx = firesteel_core::Context::local();
    /// ctx.parallelize(vec![(1, "one".to_owned())]).save_as_object_file(name)?;
    /// assert_eq!(ctx.object_file::<(i32, String)>(name)?.collect()?, [(1, "one".to_owned())]);
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn save_as_object_file(&self, folder: &str) -> Result<()> {
        self.save_objects("save_as_object_file", folder, Saving::new())
    }

    /// [`save_as_object_file`](Self::save_as_object_file) that may replace a folder saved before
    /// (`gzip` has no effect here: blocks are compressed anyway).
    ///
    /// A folder without a `_SUCCESS` marker was not saved before and is never replaced. On Linux the
    /// new folder takes the old one's place at once; where the system or the file system cannot do
    /// that, the name is missing for a moment between two renames. It is never seen in part.
    ///
    /// A program that is killed while it writes leaves a hidden folder
    /// `.<name>.<process>-<number>.part` beside the target, which nothing reads and which can be
    /// removed.
    ///
    /// # Errors
    ///
    /// As [`save_as_object_file`](Self::save_as_object_file).
    ///
    /// # Cost
    ///
    /// As [`save_as_object_file`](Self::save_as_object_file).
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::{Context, Saving};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let folder = std::env::temp_dir().join(format!("objects-with-doc-{}", std::process::id()));
    /// let name = folder.to_str().ok_or("path")?;
    /// let ctx = Context::local();
    /// ctx.range(0..3).save_as_object_file(name)?;
    /// ctx.range(0..5).save_as_object_file_with(name, Saving::new().overwrite(true))?;
    /// assert_eq!(ctx.object_file::<u64>(name)?.count()?, 5);
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn save_as_object_file_with(&self, folder: &str, saving: Saving) -> Result<()> {
        self.save_objects("save_as_object_file", folder, saving)
    }

    /// Computes the rows, writes them as [`save_as_object_file`](Self::save_as_object_file) does,
    /// and returns a dataset that reads them from there and knows nothing of how they came about.
    ///
    /// For long loops: a step that stands on a checkpoint costs the same however many came
    /// before. An action, where Spark's `checkpoint` waits for the next one and computes twice.
    /// The folder stays until the program removes it.
    ///
    /// # Errors
    ///
    /// As [`save_as_object_file`](Self::save_as_object_file); [`Error::Damaged`] from the action
    /// that finds other rows in the folder than were written.
    ///
    /// # Cost
    ///
    /// One pass over the lineage; afterwards one over the files each time it is read.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let folder = std::env::temp_dir().join(format!("checkpoint-doc-{}", std::process::id()));
    /// let ctx = firesteel_core::Context::local();
    /// let squares = ctx.range(0..4).map(|x| x * x).checkpoint(folder.to_str().ok_or("path")?)?;
    /// assert_eq!(squares.collect()?, [0, 1, 4, 9]);
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn checkpoint(&self, folder: &str) -> Result<Dataset<T>> {
        self.checkpoint_with(folder, Saving::new())
    }

    /// [`checkpoint`](Self::checkpoint) that may replace a folder saved before, as
    /// [`save_as_object_file_with`](Self::save_as_object_file_with) does: a loop has one folder then.
    ///
    /// The dataset that read the old content must not be used any more: its next action finds other
    /// rows than it was told of, and says so.
    ///
    /// # Errors
    ///
    /// As [`checkpoint`](Self::checkpoint).
    ///
    /// # Cost
    ///
    /// As [`checkpoint`](Self::checkpoint).
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::dataset::Saving;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let folder = std::env::temp_dir().join(format!("steps-doc-{}", std::process::id()));
    /// let name = folder.to_str().ok_or("path")?;
    /// let ctx = firesteel_core::Context::local();
    /// let mut ranks = ctx.range(0..4);
    /// for _ in 0..3 {
    ///     ranks = ranks.map(|x| x * 2).checkpoint_with(name, Saving::new().overwrite(true))?;
    /// }
    /// assert_eq!(ranks.collect()?, [0, 8, 16, 24]);
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn checkpoint_with(&self, folder: &str, saving: Saving) -> Result<Dataset<T>> {
        self.save_objects("checkpoint", folder, saving)?;
        self.context().parts("checkpoint", folder)
    }

    #[track_caller]
    fn save_objects(&self, action: &'static str, folder: &str, saving: Saving) -> Result<()> {
        let faults = Faults::new(self.ctx.chaos(), self.ctx.task_retries());
        let write = |mut rows: Typed<T>, folder: &Path, partition: usize| {
            let path = folder.join(objects::part_name(partition));
            let mut part = PartWriter::create(&path, partition, faults.clone())?;
            while let Some(chunk) = rows.next()? {
                for row in chunk.as_slice() {
                    part.push(row)?;
                }
            }
            part.finish()
        };
        self.save_parts(action, folder, saving, write, objects::marker::<T>)
    }
}

impl<T: Data> Dataset<T> {
    /// Writes every partition by `write` into a new folder, which takes its name once the marker
    /// is in it too.
    #[track_caller]
    pub(super) fn save_parts(
        &self,
        action: &'static str,
        folder: &str,
        saving: Saving,
        write: impl Fn(Typed<T>, &Path, usize) -> Result<Content> + Sync,
        marker: impl Fn(&[Content]) -> String,
    ) -> Result<()> {
        let target = folder_path(folder)?;
        let job = Job::begin(&self.ctx, action, Location::caller())?;
        job.runs_on(crate::hash::fixed_hash(&(folder, saving.overwrite, saving.gzip)));
        job.prepare(&self.node)?;
        let root = self.ctx.is_root();
        let mut fresh = None;
        let made = if root { Fresh::make(&target, saving.overwrite) } else { Ok(None) };
        let told = made.map(|made| {
            fresh = made;
            fresh.as_ref().map(|fresh| fresh.path.to_string_lossy().into_owned())
        });
        let beside = job.gather(told)?.swap_remove(0).expect("rank 0 makes the folder");
        let beside = Path::new(&beside);
        let written = job.run(&self.local_partitions(), |task| {
            let rows = Typed::counted(self.node.open(task.partition, task)?, job.call(), task);
            write(rows, beside, task.partition)
        });
        let mut parts: Vec<_> = job.gather(written)?.into_iter().flatten().collect();
        parts.sort_unstable_by_key(|&(partition, _)| partition);
        let parts: Vec<Content> = parts.into_iter().map(|(_, content)| content).collect();
        let finish = |fresh: Fresh| fresh.finish(&target, saving.overwrite, &marker(&parts));
        job.agree(fresh.map_or(Ok(()), finish))
    }
}

/// A folder that is being written; removed unless it got its name.
struct Fresh {
    path: PathBuf,
}

impl Fresh {
    fn make(target: &Path, overwrite: bool) -> Result<Option<Self>> {
        check_target(target, overwrite)?;
        let path = sibling(target, "part")?;
        fs::create_dir_all(&path).map_err(|error| Error::file(target.to_string_lossy(), error))?;
        Ok(Some(Self { path }))
    }

    fn finish(self, target: &Path, overwrite: bool, marker: &str) -> Result<()> {
        let named = |error: std::io::Error| Error::file(target.to_string_lossy(), error);
        crate::storage::write_atomic(self.path.join(MARKER), |out| {
            out.write_all(marker.as_bytes())
        })?;
        check_target(target, overwrite)?;
        if !target.exists() {
            fs::rename(&self.path, target).map_err(named)?;
            to_disk(target);
            return Ok(());
        }
        if trade_places(&self.path, target) {
            // The old rows now lie under the hidden name, and go with it.
            to_disk(target);
            return Ok(());
        }
        let old = sibling(target, "old")?;
        fs::rename(target, &old).map_err(named)?;
        if let Err(error) = fs::rename(&self.path, target) {
            let _ = fs::rename(&old, target);
            return Err(named(error));
        }
        to_disk(target);
        if let Err(error) = fs::remove_dir_all(&old) {
            tracing::warn!(folder = %old.display(), %error, "what was replaced could not be removed");
        }
        Ok(())
    }
}

/// Exchanges the names of two folders at once, where the system can do that.
fn trade_places(one: &Path, other: &Path) -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).is_ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (one, other);
        false
    }
}

/// Brings a new name to disk. It is seen already, so a failure is told and no more.
fn to_disk(target: &Path) {
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or_else(|| Path::new("."));
    let synced =
        if cfg!(unix) { fs::File::open(parent).and_then(|file| file.sync_all()) } else { Ok(()) };
    if let Err(error) = synced {
        tracing::warn!(folder = %parent.display(), %error, "a new name may not be on disk yet");
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn check_target(target: &Path, overwrite: bool) -> Result<()> {
    let name = target.to_string_lossy();
    if !target.exists() {
        return Ok(());
    }
    if !overwrite {
        return Err(Error::file(name, "is there already"));
    }
    if !target.join(MARKER).is_file() {
        let message = format!("is not replaced: it has no {MARKER}, so it was not saved before");
        return Err(Error::file(name, message));
    }
    Ok(())
}

/// A name in the same folder that nothing else has.
fn sibling(target: &Path, end: &str) -> Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let Some(name) = target.file_name() else {
        return Err(Error::parameter("folder", target.display(), "a path that ends in a name"));
    };
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let hidden = format!(".{}.{}-{number}.{end}", name.to_string_lossy(), std::process::id());
    Ok(target.with_file_name(hidden))
}

impl Context {
    /// The rows of a folder that [`save_as_object_file`](Dataset::save_as_object_file) wrote, in
    /// the partitions that they had.
    ///
    /// Every rank must see the folder. Each block's checksum, the rows of each part and their
    /// fingerprint are checked while they are read.
    ///
    /// # Errors
    ///
    /// Now: [`Error::File`] if the folder, its marker or a part is missing, [`Error::Damaged`] if
    /// the marker is not what was written or tells of rows of another type. From the action that
    /// reads: [`Error::Damaged`] that names the part, and both numbers if rows are lost or changed.
    ///
    /// # Cost
    ///
    /// Now: the marker is read. Each use reads the files, a block of about 1 MiB a task at a time,
    /// and hashes each row.
    #[track_caller]
    pub fn object_file<T: Wire>(&self, folder: &str) -> Result<Dataset<T>> {
        self.parts("object_file", folder)
    }

    /// The dataset that [`checkpoint`](Dataset::checkpoint) wrote, in a later run too.
    ///
    /// # Errors
    ///
    /// As [`object_file`](Self::object_file).
    ///
    /// # Cost
    ///
    /// As [`object_file`](Self::object_file).
    #[track_caller]
    pub fn checkpoint_file<T: Wire>(&self, folder: &str) -> Result<Dataset<T>> {
        self.parts("checkpoint_file", folder)
    }

    #[track_caller]
    fn parts<T: Wire>(&self, name: &'static str, folder: &str) -> Result<Dataset<T>> {
        let parts = Arc::new(objects::read_marker::<T>(&folder_path(folder)?)?);
        let faults = Faults::new(self.chaos(), self.task_retries());
        Ok(self.generate(name, parts.len(), move |partition| {
            let (path, content) = &parts[partition];
            PartRows::<T>::open(path, *content, partition, faults.clone())
        }))
    }
}

#[cfg(test)]
mod tests;
