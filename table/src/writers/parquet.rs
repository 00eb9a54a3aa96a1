//! Writing tables as Parquet.

use std::path::Path;

use arrow_array::RecordBatch;
use firesteel_core::Error as CoreError;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression as Codec, GzipLevel, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::table::Table;
use crate::writers::mode::{Output, output_methods};
use crate::writers::output::{Encoder, Format};

/// How the pages of a Parquet file are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ParquetCompression {
    /// Not at all.
    None,
    /// By Snappy: fast, and read by everything.
    Snappy,
    /// By LZ4 in its raw form.
    Lz4,
    /// By gzip, with a level from 0 to 9.
    Gzip(u32),
    /// By Zstandard, with a level from 1 to 22.
    Zstd(i32),
}

impl ParquetCompression {
    fn codec(self) -> Result<Codec> {
        let refused = |level: i64, range: &str| {
            Error::parameter("compression", format_args!("level {level}"), range)
        };
        Ok(match self {
            Self::None => Codec::UNCOMPRESSED,
            Self::Snappy => Codec::SNAPPY,
            Self::Lz4 => Codec::LZ4_RAW,
            Self::Gzip(level) => Codec::GZIP(
                GzipLevel::try_new(level).map_err(|_| refused(level.into(), "level 0 to 9"))?,
            ),
            Self::Zstd(level) => Codec::ZSTD(
                ZstdLevel::try_new(level).map_err(|_| refused(level.into(), "level 1 to 22"))?,
            ),
        })
    }
}

/// Bytes of a dictionary beyond which a column goes on without one: large dictionaries take longer to
/// make than plain values and compress worse.
const DICTIONARY: usize = 128 << 10;

/// Writes tables as Parquet.
///
/// The bytes of one file depend on the rows and the choices alone. Vectors are kept, with their
/// sizes, and come back as such. Other programs see a dense vector as a list of numbers and a
/// sparse one as a struct of `size`, `indices` and `values`.
///
/// # Cost
///
/// A row group is held until it is written, of each file that a task writes. One thread encodes one
/// file; [`write_folder`](Self::write_folder) encodes on all threads.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_table::{ParquetReader, ParquetWriter, Table, one_row};
///
/// let folder = std::env::temp_dir().join(format!("parts-{}", std::process::id()));
/// let ctx = Context::local();
/// let rows = [("f", 1), ("m", 2)].map(|(sex, n)| {
///     one_row(&[("sex", sex.into()), ("n", n.into())]).unwrap()
/// });
/// let table = Table::from_batches(&ctx, rows.to_vec())?;
/// ParquetWriter::new().partition_by(["sex"]).write_folder(&table, &folder)?;
/// assert!(folder.join("sex=f/part-00000.parquet").is_file());
/// assert_eq!(ParquetReader::new(&folder).read(&ctx)?.count()?, 2);
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct ParquetWriter {
    /// How pages are compressed. Default: Zstandard, level 3.
    pub compression: ParquetCompression,
    /// Rows in a row group. Default 131,072.
    pub row_group_rows: usize,
    /// Whether least and greatest values and the number of nulls are written, for row groups and
    /// pages. Default: yes.
    pub statistics: bool,
    /// Whether columns with few distinct values, up to 128 KiB of them in a row group, are written as
    /// dictionaries. Default: yes.
    pub dictionary: bool,
    /// What becomes of what is there, folders by key, rows of a part.
    pub output: Output,
}

impl Default for ParquetWriter {
    fn default() -> Self {
        Self {
            compression: ParquetCompression::Zstd(3),
            row_group_rows: 1 << 17,
            statistics: true,
            dictionary: true,
            output: Output::default(),
        }
    }
}

impl Table {
    /// Writes all rows into one Parquet file. It is an error if something is there already;
    /// [`ParquetWriter`] has the choices.
    ///
    /// # Errors
    ///
    /// Those of [`ParquetWriter::write`].
    #[track_caller]
    pub fn write_parquet(&self, path: impl AsRef<Path>) -> Result<()> {
        ParquetWriter::new().write(self, path)
    }
}

impl ParquetWriter {
    /// A writer with the default of everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how pages are compressed.
    pub fn compression(self, compression: ParquetCompression) -> Self {
        Self { compression, ..self }
    }

    /// Sets the rows in a row group. Small ones let readers pass more over and read with more
    /// threads, large ones compress better.
    pub fn row_group_rows(self, row_group_rows: usize) -> Self {
        Self { row_group_rows, ..self }
    }

    /// Sets whether statistics are written.
    pub fn statistics(self, statistics: bool) -> Self {
        Self { statistics, ..self }
    }

    /// Sets whether columns with few distinct values are written as dictionaries.
    pub fn dictionary(self, dictionary: bool) -> Self {
        Self { dictionary, ..self }
    }

    output_methods!("part-00000.parquet", "", "");

    fn properties(&self) -> Result<WriterProperties> {
        let statistics = match self.statistics {
            true => EnabledStatistics::Page,
            false => EnabledStatistics::None,
        };
        Ok(WriterProperties::builder()
            .set_created_by(concat!("firesteel ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(self.compression.codec()?)
            .set_max_row_group_row_count(Some(self.row_group_rows))
            .set_statistics_enabled(statistics)
            .set_dictionary_enabled(self.dictionary)
            .set_dictionary_page_size_limit(DICTIONARY)
            .build())
    }
}

impl Format for ParquetWriter {
    fn extension(&self) -> &'static str {
        "parquet"
    }

    fn check_table(&self, _table: &Table) -> Result<()> {
        if self.row_group_rows == 0 {
            return Err(Error::parameter("row_group_rows", 0, "at least 1"));
        }
        self.compression.codec().map(drop)
    }

    fn encoder(&self, schema: &Schema, file: &str) -> Result<Box<dyn Encoder>, CoreError> {
        let file = file.to_owned();
        let writer = ArrowWriter::try_new(Vec::new(), schema.to_arrow(), Some(self.properties()?))
            .map_err(|error| unwritten(&file, &error))?;
        Ok(Box::new(Groups { writer, file }))
    }
}

fn unwritten(file: &str, error: &ParquetError) -> CoreError {
    CoreError::file(file, error.to_string())
}

/// Row groups on their way into a file.
struct Groups {
    writer: ArrowWriter<Vec<u8>>,
    file: String,
}

impl Groups {
    fn drain(&mut self, out: &mut Vec<u8>) {
        out.append(self.writer.inner_mut());
    }
}

impl Encoder for Groups {
    fn put(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), CoreError> {
        self.writer.write(batch).map_err(|error| unwritten(&self.file, &error))?;
        self.drain(out);
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), CoreError> {
        self.writer.finish().map_err(|error| unwritten(&self.file, &error))?;
        self.drain(out);
        Ok(())
    }
}
