//! Writing, whatever the format: one file, or a folder of parts.
//!
//! One file is put together on the root, where the rows come by in their order, a few partitions
//! at a time; its bytes depend on the rows alone. Formats whose rows stand each for itself are
//! encoded where the rows live. Parts of a folder are written by the tasks, into a hidden folder
//! that the root gives its name once all ranks have agreed that nothing failed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use firesteel_core::Error as CoreError;

use super::keys::Keys;
use super::mode::Output;
use super::target::{Bytes, NewFile, NewFolder};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::table::{BATCH_ROWS, Table};

/// Files that a task has open at once.
const OPEN: usize = 128;

/// How rows become the bytes of a file.
pub(crate) trait Format: Send + Sync + 'static {
    /// How the names of parts end, without a dot.
    fn extension(&self) -> &'static str;

    /// Whether the bytes are compressed by gzip if the name of the file is that.
    fn is_gzipped(&self, _name: &Path) -> bool {
        false
    }

    /// Whether the name of a part ends in `.gz`.
    fn has_gzipped_parts(&self) -> bool {
        false
    }

    /// What no table must have.
    fn check_table(&self, _table: &Table) -> Result<()> {
        Ok(())
    }

    /// What no batch must have; the row of an error is the row in the batch.
    fn check(&self, _batch: &RecordBatch) -> Result<(), CoreError> {
        Ok(())
    }

    /// The text of some rows, if rows stand each for itself.
    fn text(&self, _batch: &RecordBatch) -> Option<Vec<u8>> {
        None
    }

    /// What makes a file of that name.
    fn encoder(&self, schema: &Schema, file: &str) -> Result<Box<dyn Encoder>, CoreError>;
}

/// Makes the bytes of one file.
pub(crate) trait Encoder: Send {
    /// Adds rows: at most [`BATCH_ROWS`], always as many but for the last ones, unless rows stand
    /// each for itself.
    fn put(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), CoreError>;

    /// Adds what comes at the end.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), CoreError>;
}

/// The encoder of a format whose rows stand each for itself: something before all rows, then text.
pub(crate) struct Texts<F> {
    format: F,
    head: Vec<u8>,
}

impl<F: Format> Texts<F> {
    pub(crate) fn boxed(format: F, head: Vec<u8>) -> Box<dyn Encoder> {
        Box::new(Self { format, head })
    }
}

impl<F: Format> Encoder for Texts<F> {
    fn put(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), CoreError> {
        out.append(&mut self.head);
        out.extend(self.format.text(batch).unwrap_or_default());
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), CoreError> {
        out.append(&mut self.head);
        Ok(())
    }
}

/// Batches cut at fixed row numbers, so that what is made of them depends on the rows alone.
struct Recutter {
    schema: Schema,
    pending: Vec<RecordBatch>,
    rows: usize,
}

impl Recutter {
    fn new(schema: Schema) -> Self {
        Self { schema, pending: Vec::new(), rows: 0 }
    }

    fn put(
        &mut self,
        batch: &RecordBatch,
        mut each: impl FnMut(&RecordBatch) -> Result<(), CoreError>,
    ) -> Result<(), CoreError> {
        let mut at = 0;
        while at < batch.num_rows() {
            let rows = (BATCH_ROWS - self.rows).min(batch.num_rows() - at);
            self.pending.push(batch.slice(at, rows));
            self.rows += rows;
            at += rows;
            if self.rows == BATCH_ROWS {
                self.flush(&mut each)?;
            }
        }
        Ok(())
    }

    fn flush(
        &mut self,
        mut each: impl FnMut(&RecordBatch) -> Result<(), CoreError>,
    ) -> Result<(), CoreError> {
        let pending = std::mem::take(&mut self.pending);
        self.rows = 0;
        match pending.as_slice() {
            [] => Ok(()),
            [batch] => each(batch),
            batches => {
                let batch = arrow_select::concat::concat_batches(&self.schema.to_arrow(), batches)
                    .map_err(Error::arrow("putting batches together"))?;
                each(&batch)
            }
        }
    }
}

/// An encoder behind what cuts its batches.
struct Encoding {
    encoder: Box<dyn Encoder>,
    recutter: Option<Recutter>,
    bytes: Vec<u8>,
}

impl Encoding {
    fn open(format: &dyn Format, schema: &Schema, file: &str) -> Result<Self, CoreError> {
        let stands_alone = format.text(&RecordBatch::new_empty(schema.to_arrow())).is_some();
        let recutter = (!stands_alone).then(|| Recutter::new(schema.clone()));
        Ok(Self { encoder: format.encoder(schema, file)?, recutter, bytes: Vec::new() })
    }

    /// Adds rows; the bytes that are ready come back.
    fn put(&mut self, batch: &RecordBatch) -> Result<&[u8], CoreError> {
        let Self { encoder, recutter, bytes } = self;
        bytes.clear();
        match recutter {
            None => encoder.put(batch, bytes)?,
            Some(recutter) => recutter.put(batch, |batch| encoder.put(batch, bytes))?,
        }
        Ok(bytes)
    }

    fn finish(&mut self) -> Result<&[u8], CoreError> {
        let Self { encoder, recutter, bytes } = self;
        bytes.clear();
        if let Some(recutter) = recutter {
            recutter.flush(|batch| encoder.put(batch, bytes))?;
        }
        encoder.finish(bytes)?;
        Ok(bytes)
    }
}

/// The table with the format's check in front of every batch.
fn checked(table: &Table, format: &Arc<dyn Format>) -> Table {
    let format = Arc::clone(format);
    table.map_batches(table.schema().clone(), move |batch| {
        format.check(batch)?;
        Ok::<_, CoreError>(batch.clone())
    })
}

/// Writes one file; every rank calls it, the root writes.
#[track_caller]
pub(super) fn write_file(
    table: &Table,
    output: &Output,
    format: Arc<dyn Format>,
    path: &Path,
) -> Result<()> {
    format.check_table(table)?;
    output.check(table.schema(), false)?;
    let ctx = table.context();
    let name = path.to_string_lossy().into_owned();
    let schema = table.schema().clone();
    let empty = RecordBatch::new_empty(schema.to_arrow());
    let mut begun = None;
    let is_wanted = ctx.on_root(|| -> Result<bool, CoreError> {
        let mut encoding = Encoding::open(&*format, &schema, &name)?;
        let file = NewFile::create(path, output.mode, format.is_gzipped(path))?;
        let Some(mut file) = file else { return Ok(false) };
        file.put(encoding.put(&empty)?)?; // what stands before all rows
        begun = Some((file, encoding));
        Ok(true)
    })?;
    if !is_wanted {
        return Ok(());
    }
    let rows = checked(table, &format);
    if format.text(&empty).is_some() {
        let format = Arc::clone(&format);
        let texts =
            rows.batches().map_ref(move |Batch(batch)| format.text(batch).unwrap_or_default());
        texts.visit(|text| match &mut begun {
            Some((file, _)) => file.put(&text),
            None => Ok(()),
        })?;
    } else {
        rows.batches().visit(|Batch(batch)| match &mut begun {
            Some((file, encoding)) => encoding.put(&batch).and_then(|bytes| file.put(bytes)),
            None => Ok(()),
        })?;
    }
    let mode = output.mode;
    Ok(ctx.on_root(|| -> Result<(), CoreError> {
        let Some((mut file, mut encoding)) = begun else { return Ok(()) };
        file.put(encoding.finish()?)?;
        file.finish(mode)
    })?)
}

/// Writes a folder of parts; every rank calls it and writes what lives there.
#[track_caller]
pub(super) fn write_folder(
    table: &Table,
    output: &Output,
    format: Arc<dyn Format>,
    path: &Path,
) -> Result<()> {
    format.check_table(table)?;
    output.check(table.schema(), true)?;
    let ctx = table.context();
    let mut begun = None;
    let mode = output.mode;
    let told = ctx.on_root(|| -> Result<Option<(String, u64)>, CoreError> {
        begun = NewFolder::create(path, mode)?;
        Ok(begun.as_ref().map(|new| (new.path().to_string_lossy().into_owned(), new.first())))
    })?;
    let Some((folder, first)) = told else { return Ok(()) };
    let rows = checked(table, &format);
    let rows = match output.part_rows {
        None => rows.batches().clone(),
        Some(each) => rows.batches().recut(
            Batch::rows,
            |batch, range| Batch(batch.0.slice(range.start, range.len())),
            move |_| each,
        )?,
    };
    let (keys, schema) = match output.partition_by.is_empty() {
        true => (None, table.schema().clone()),
        false => {
            let (keys, rest) = Keys::new(table.schema(), &output.partition_by)?;
            (Some(keys), rest)
        }
    };
    let plan = Arc::new(Plan {
        format,
        schema,
        keys,
        folder: PathBuf::from(&folder),
        target: path.to_owned(),
        first,
    });
    let to_do = Arc::clone(&plan);
    let parts = rows.try_map_partitions_with_index(move |partition, batches| {
        let mut parts = Parts::new(Arc::clone(&to_do), partition as u64);
        for Batch(batch) in batches {
            parts.put(&batch)?;
        }
        parts.finish().map(|files| [files])
    });
    let files: u64 = parts.collect()?.into_iter().sum();
    Ok(ctx.on_root(|| -> Result<(), CoreError> {
        let Some(new) = begun else { return Ok(()) };
        if files == 0 && plan.keys.is_none() {
            Part::open(&plan, "", 0, 0)?.finish()?; // tells the columns
        }
        new.finish()
    })?)
}

/// What the tasks that write parts need to know.
struct Plan {
    format: Arc<dyn Format>,
    /// The columns of the parts.
    schema: Schema,
    keys: Option<Keys>,
    folder: PathBuf,
    /// The folder's name to be, for errors.
    target: PathBuf,
    first: u64,
}

/// One file of a folder.
struct Part {
    bytes: Bytes,
    encoding: Encoding,
    used: u64,
}

impl Part {
    /// The file for a partition's rows in `below`; `again` counts those that it had there before.
    fn open(plan: &Plan, below: &str, partition: u64, again: u64) -> Result<Self, CoreError> {
        let again = if again == 0 { String::new() } else { format!("-{again:03}") };
        let end = if plan.format.has_gzipped_parts() { ".gz" } else { "" };
        let number = plan.first + partition;
        let name = format!("part-{number:05}{again}.{}{end}", plan.format.extension());
        let folder = plan.folder.join(below);
        let told = plan.target.join(below).join(&name);
        std::fs::create_dir_all(&folder)
            .map_err(|error| CoreError::file(told.to_string_lossy(), error))?;
        let path = folder.join(&name);
        let bytes = Bytes::create(&path, &told, plan.format.is_gzipped(&path))?;
        let encoding = Encoding::open(&*plan.format, &plan.schema, &told.to_string_lossy())?;
        Ok(Self { bytes, encoding, used: 0 })
    }

    fn put(&mut self, batch: &RecordBatch) -> Result<(), CoreError> {
        self.bytes.put(self.encoding.put(batch)?)
    }

    fn finish(mut self) -> Result<(), CoreError> {
        self.bytes.put(self.encoding.finish()?)?;
        self.bytes.finish()
    }
}

/// The files that one task writes.
struct Parts {
    plan: Arc<Plan>,
    partition: u64,
    open: std::collections::BTreeMap<String, Part>,
    /// How many files were closed for each folder before its rows were at an end.
    closed: std::collections::BTreeMap<String, u64>,
    files: u64,
    clock: u64,
}

impl Parts {
    fn new(plan: Arc<Plan>, partition: u64) -> Self {
        let (open, closed) = Default::default();
        Self { plan, partition, open, closed, files: 0, clock: 0 }
    }

    fn put(&mut self, batch: &RecordBatch) -> Result<(), CoreError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let plan = Arc::clone(&self.plan);
        match &plan.keys {
            None => self.put_into("", batch),
            Some(keys) => {
                keys.split(batch)?.iter().try_for_each(|(folder, rows)| self.put_into(folder, rows))
            }
        }
    }

    fn put_into(&mut self, folder: &str, batch: &RecordBatch) -> Result<(), CoreError> {
        if !self.open.contains_key(folder) {
            if self.open.len() >= OPEN {
                self.close_one()?;
            }
            let again = self.closed.get(folder).copied().unwrap_or(0);
            let part = Part::open(&self.plan, folder, self.partition, again)?;
            self.open.insert(folder.to_owned(), part);
            self.files += 1;
        }
        self.clock += 1;
        let part = self.open.get_mut(folder).expect("it was put there if it was not");
        part.used = self.clock;
        part.put(batch)
    }

    /// Closes the file that no row has come to for the longest time.
    fn close_one(&mut self) -> Result<(), CoreError> {
        let oldest = self.open.iter().min_by_key(|(_, part)| part.used);
        let Some(folder) = oldest.map(|(folder, _)| folder.clone()) else { return Ok(()) };
        *self.closed.entry(folder.clone()).or_default() += 1;
        self.open.remove(&folder).map_or(Ok(()), Part::finish)
    }

    /// Closes all files and tells how many there were.
    fn finish(self) -> Result<u64, CoreError> {
        self.open.into_values().try_for_each(Part::finish)?;
        Ok(self.files)
    }
}
