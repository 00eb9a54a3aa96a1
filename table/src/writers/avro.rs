//! Writing tables as Avro object container files.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_avro::compression::CompressionCodec;
use arrow_avro::writer::format::AvroOcfFormat;
use arrow_avro::writer::{Writer, WriterBuilder};
use firesteel_core::Error as CoreError;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::table::Table;
use crate::writers::mode::{Output, output_methods};
use crate::writers::output::{Encoder, Format};

/// How the blocks of an Avro file are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AvroCompression {
    /// Not at all.
    None,
    /// By Deflate, which every program can read.
    #[default]
    Deflate,
    /// By Snappy, with a checksum of each block.
    Snappy,
    /// By Zstandard.
    Zstd,
}

/// The bytes of Avro's marker between blocks.
const MARKER: usize = 16;

/// Writes tables as Avro object container files, in blocks of 8,192 rows.
///
/// Every column is a union with null. Avro's names have letters, digits and underscores, and start
/// with no digit; other names are an error, as are columns of vectors. The bytes of one file depend
/// on the rows and the choices alone: the marker between blocks is made from the schema.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_table::{AvroReader, AvroWriter, Table, one_row};
///
/// let path = std::env::temp_dir().join(format!("rows-{}.avro", std::process::id()));
/// let ctx = Context::local();
/// let table = Table::from_batches(&ctx, vec![one_row(&[("x", 0.5.into())])?])?;
/// AvroWriter::new().write(&table, &path)?;
/// assert_eq!(AvroReader::new(&path).read(&ctx)?.count()?, 1);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct AvroWriter {
    /// How blocks are compressed. Default: by Deflate.
    pub compression: AvroCompression,
    /// What becomes of what is there, folders by key, rows of a part.
    pub output: Output,
}

impl AvroWriter {
    /// A writer with the default of everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how blocks are compressed.
    pub fn compression(self, compression: AvroCompression) -> Self {
        Self { compression, ..self }
    }

    output_methods!(
        "part-00000.avro",
        "",
        "[`Error::TypeMismatch`] for a column of vectors; [`Error::Column`] for a name that Avro does not have;"
    );
}

impl Format for AvroWriter {
    fn extension(&self) -> &'static str {
        "avro"
    }

    fn check_table(&self, table: &Table) -> Result<()> {
        for field in table.schema().fields() {
            if self.output.partition_by.contains(&field.name) {
                continue;
            }
            if !field.data_type.is_single() {
                let expected = "a column of single values";
                return Err(Error::mismatch(&field.name, expected, Some(field.data_type)));
            }
            let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
            let is_named = field.name.starts_with(is_letter)
                && field.name.chars().all(|c| is_letter(c) || c.is_ascii_digit());
            if !is_named {
                let problem = "Avro's names have letters, digits and underscores; rename it";
                let (column, problem) = (field.name.clone(), problem.to_owned());
                return Err(Error::Column { column, problem });
            }
        }
        Ok(())
    }

    fn encoder(&self, schema: &Schema, file: &str) -> Result<Box<dyn Encoder>, CoreError> {
        let codec = match self.compression {
            AvroCompression::None => None,
            AvroCompression::Deflate => Some(CompressionCodec::Deflate),
            AvroCompression::Snappy => Some(CompressionCodec::Snappy),
            AvroCompression::Zstd => Some(CompressionCodec::ZStandard),
        };
        let shared = Shared::default();
        let writer = WriterBuilder::new(schema.to_arrow().as_ref().clone())
            .with_compression(codec)
            .build::<_, AvroOcfFormat>(shared.clone())
            .map_err(|error| CoreError::file(file, error.to_string()))?;
        let name = schema.to_string();
        let half = |seed: u64| firesteel_core::hash::fixed_hash(&(seed, &name)).to_le_bytes();
        let mut marker = [0; MARKER];
        marker[..8].copy_from_slice(&half(1));
        marker[8..].copy_from_slice(&half(2));
        Ok(Box::new(Blocks { writer, shared, marker, head: true, file: file.to_owned() }))
    }
}

/// Where the writer puts its bytes, and from where they are taken.
#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Blocks on their way into a file.
struct Blocks {
    writer: Writer<Shared, AvroOcfFormat>,
    shared: Shared,
    marker: [u8; MARKER],
    /// Whether the head is still to be put out.
    head: bool,
    file: String,
}

impl Blocks {
    /// Puts out what ends with the writer's own marker, which is a random one, with the file's.
    fn drain(&mut self, out: &mut Vec<u8>) {
        let bytes = self.shared.take();
        if let Some(rest) = bytes.len().checked_sub(MARKER) {
            out.extend_from_slice(&bytes[..rest]);
            out.extend_from_slice(&self.marker);
        }
        self.head = false;
    }
}

impl Encoder for Blocks {
    fn put(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), CoreError> {
        if self.head {
            self.drain(out);
        }
        let written = self.writer.write(batch);
        written.map_err(|error| CoreError::file(&*self.file, error.to_string()))?;
        self.drain(out);
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), CoreError> {
        if self.head {
            self.drain(out);
        }
        Ok(())
    }
}
