//! Writing tables as Arrow IPC files.

use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_schema::ArrowError;
use firesteel_core::Error as CoreError;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::schema::Schema;
use crate::table::Table;
use crate::writers::mode::{Output, output_setters};
use crate::writers::output::{Encoder, Format, write_file, write_folder};

/// How the buffers of an Arrow IPC file are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IpcCompression {
    /// Not at all: readers need no work.
    #[default]
    None,
    /// By LZ4 frames.
    Lz4,
    /// By Zstandard.
    Zstd,
}

/// Writes tables as Arrow IPC files ("Feather, version 2"), in record batches of 8,192 rows.
///
/// The bytes of one file depend on the rows and the choices alone. All types are kept.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_table::{IpcCompression, IpcReader, IpcWriter, Table, one_row};
///
/// let path = std::env::temp_dir().join(format!("rows-{}.arrow", std::process::id()));
/// let ctx = Context::local();
/// let table = Table::from_batches(&ctx, vec![one_row(&[("x", 0.5.into())])?])?;
/// IpcWriter::new().compression(IpcCompression::Lz4).write(&table, &path)?;
/// assert_eq!(IpcReader::new(&path).read(&ctx)?.count()?, 1);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct IpcWriter {
    /// How buffers are compressed. Default: not at all.
    pub compression: IpcCompression,
    /// What becomes of what is there, folders by key, rows of a part.
    pub output: Output,
}

impl IpcWriter {
    /// A writer with the default of everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how buffers are compressed.
    pub fn compression(self, compression: IpcCompression) -> Self {
        Self { compression, ..self }
    }

    output_setters!();

    /// Writes the table into one file, which appears whole or not at all. Every rank calls it, the
    /// root writes.
    ///
    /// # Errors
    ///
    /// A parameter error; the core's `File` if the file cannot be written, or is there already and
    /// the mode says nothing else; what the job can fail with. The same on every rank.
    ///
    /// # Cost
    ///
    /// One pass; the rows travel to the root, a few partitions at a time.
    #[track_caller]
    pub fn write(&self, table: &Table, path: impl AsRef<Path>) -> Result<()> {
        write_file(table, &self.output, Arc::new(self.clone()), path.as_ref())
    }

    /// Writes the table as a folder of parts with a marker `_SUCCESS`, all of which appears at once
    /// or not at all. Every rank calls it and writes what lives there, to a file system that all
    /// of them see.
    ///
    /// A partition with rows becomes the part `part-00000.arrow` with its number, unless
    /// [`part_rows`](Self::part_rows) cuts them anew.
    ///
    /// # Errors
    ///
    /// Those of [`IpcWriter::write`]; [`Error::UnknownColumn`](crate::Error::UnknownColumn) for a column to
    /// partition by that the table does not have.
    ///
    /// # Cost
    ///
    /// One pass; nothing travels.
    #[track_caller]
    pub fn write_folder(&self, table: &Table, folder: impl AsRef<Path>) -> Result<()> {
        write_folder(table, &self.output, Arc::new(self.clone()), folder.as_ref())
    }
}

impl Format for IpcWriter {
    fn extension(&self) -> &'static str {
        "arrow"
    }

    fn encoder(&self, schema: &Schema, file: &str) -> Result<Box<dyn Encoder>, CoreError> {
        let compression = match self.compression {
            IpcCompression::None => None,
            IpcCompression::Lz4 => Some(CompressionType::LZ4_FRAME),
            IpcCompression::Zstd => Some(CompressionType::ZSTD),
        };
        let file = file.to_owned();
        let writer = IpcWriteOptions::default()
            .try_with_compression(compression)
            .and_then(|options| {
                FileWriter::try_new_with_options(Vec::new(), &schema.to_arrow(), options)
            })
            .map_err(|error| unwritten(&file, &error))?;
        Ok(Box::new(Batches { writer, file }))
    }
}

fn unwritten(file: &str, error: &ArrowError) -> CoreError {
    CoreError::file(file, error.to_string())
}

/// Record batches on their way into a file.
struct Batches {
    writer: FileWriter<Vec<u8>>,
    file: String,
}

impl Encoder for Batches {
    fn put(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), CoreError> {
        self.writer.write(batch).map_err(|error| unwritten(&self.file, &error))?;
        out.append(self.writer.get_mut());
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), CoreError> {
        self.writer.finish().map_err(|error| unwritten(&self.file, &error))?;
        out.append(self.writer.get_mut());
        Ok(())
    }
}
