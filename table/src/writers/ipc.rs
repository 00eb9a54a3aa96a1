//! Writing tables as Arrow IPC files.

use arrow_array::RecordBatch;
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_schema::ArrowError;
use firesteel_core::Error as CoreError;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::schema::Schema;
use crate::writers::mode::{Output, output_methods};
use crate::writers::output::{Encoder, Format};

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

    output_methods!("part-00000.arrow", "", "");
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
