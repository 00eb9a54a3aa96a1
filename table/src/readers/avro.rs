//! Reading Avro object container files.
//!
//! Blocks are found by their sizes, a file a task, and each must end with the file's marker, so a
//! file that was cut short is not taken for a shorter one. Tasks then decode blocks one by one.

use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_avro::reader::{ReaderBuilder, read_header_info};
use firesteel_core::storage::Input;
use firesteel_core::{Context, Error as CoreError};
use serde::{Deserialize, Serialize};

use super::columns::{Chosen, FileColumns};
use super::keys::KeyColumns;
use super::listing;
use super::neighbours::neighbours;
use super::setters::column_setters;
use super::together::{agreed, damaged, guarded};
use crate::batch::Batch;
use crate::error::Result;
use crate::expr::Expr;
use crate::schema::Type;
use crate::table::{BATCH_ROWS, Table};

/// Bytes that are read at first for a head, and at a time for the sizes of blocks.
const WINDOW: usize = 64 << 10;
/// The bytes of the marker between blocks.
const MARKER: u64 = 16;

/// Reads Avro object container files as a table.
///
/// Paths, folders and agreement of files are as with [`ParquetReader`](crate::ParquetReader). Fields
/// may be booleans, numbers, texts, enumerations, and unions of one of these with null. The table is
/// lazy.
///
/// # Partitions
///
/// A partition is a block, or as many neighbours as have
/// [`partition_bytes`](Self::partition_bytes) in the file together.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_table::{AvroReader, AvroWriter, Table, one_row};
///
/// let path = std::env::temp_dir().join(format!("stays-{}.avro", std::process::id()));
/// let ctx = Context::local();
/// let table = Table::from_batches(&ctx, vec![one_row(&[("n", 7.into())])?])?;
/// AvroWriter::new().write(&table, &path)?;
/// assert_eq!(AvroReader::new(&path).read(&ctx)?.column_f64("n")?, [7.0]);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct AvroReader {
    /// A file, a folder or a glob pattern.
    pub path: String,
    /// The columns to be read, in this order. Default: all.
    pub columns: Option<Vec<String>>,
    /// What rows must meet. Default: nothing.
    pub filter: Option<Expr>,
    /// Types of columns that folders tell, by name. Default: inferred.
    pub key_types: Vec<(String, Type)>,
    /// Bytes in the file up to which neighbouring blocks make one partition. Default 4 MiB.
    pub partition_bytes: u64,
}

impl AvroReader {
    /// Reads the file, the files below the folder, or those of the glob pattern.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_string_lossy().into_owned(),
            columns: None,
            filter: None,
            key_types: Vec::new(),
            partition_bytes: 4 << 20,
        }
    }

    column_setters!("blocks");

    /// A table that reads the files in every action; the places of blocks are found now.
    ///
    /// # Errors
    ///
    /// Those of [`ParquetReader::read`](crate::ParquetReader::read), with the block in place of the
    /// row group.
    ///
    /// # Cost
    ///
    /// A job that reads the sizes of all blocks, a file a task; they travel to all ranks.
    #[track_caller]
    pub fn read(&self, ctx: &Context) -> Result<Table> {
        let files = listing::list(ctx, &self.path)?;
        let opened = KeyColumns::new(&files, &self.key_types)
            .and_then(|keys| Ok((keys, listing::open(ctx, &files)?)));
        let (keys, inputs) = agreed(ctx, "avro files", opened)?;
        let inputs: Arc<[Input]> = inputs.into();
        let to_read = Arc::clone(&inputs);
        let files = ctx.generate("avro blocks", inputs.len(), move |file| {
            Ok(to_read.get(file).map(Container::read).into_iter())
        });
        let files = files.collect()?;
        let own: Vec<_> = files.iter().map(|file| &file.columns).collect();
        let chosen = Chosen::new(keys, &own, self.columns.as_deref(), self.filter.as_ref())?;
        let partitions = Arc::new(self.partitions(&chosen, &files));
        let schema = chosen.schema.clone();
        let plan = Arc::new(Plan { inputs, files, chosen });
        let batches = ctx.generate("avro", partitions.len().max(1), move |partition| {
            let places = partitions.get(partition).cloned().unwrap_or_default();
            let plan = Arc::clone(&plan);
            Ok(places.into_iter().flat_map(move |(file, block)| match plan.block(file, block) {
                Ok(batches) => batches.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            }))
        });
        Ok(Table::new(schema, batches))
    }

    /// Files and numbers of blocks, in partitions.
    fn partitions(&self, chosen: &Chosen, files: &[Container]) -> Vec<Vec<(usize, usize)>> {
        let sizes =
            |container: &Container| container.blocks.iter().map(|block| block.len).collect();
        neighbours(chosen.pieces(files.iter().map(sizes)), self.partition_bytes)
    }
}

/// A block with its counts in front and the marker behind it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Block {
    start: u64,
    len: u64,
    rows: u64,
}

/// What all ranks need to know of a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Container {
    columns: FileColumns,
    head: u64,
    blocks: Vec<Block>,
}

impl Container {
    fn read(input: &Input) -> Result<Self, CoreError> {
        let name = input.name();
        let mut head = input.read(0, WINDOW)?;
        let info = loop {
            let found = guarded(name, || read_header_info(Cursor::new(&head)));
            match found {
                Ok(info) => break info,
                Err(error) if head.len() as u64 >= input.len() => return Err(error),
                Err(error) if !head.starts_with(b"Obj\x01") => return Err(error),
                Err(_) => {
                    let more = input.read(head.len() as u64, head.len())?;
                    head.extend(more);
                }
            }
        };
        let len = info.header_len();
        head.truncate(len as usize);
        let schema = guarded(name, || {
            ReaderBuilder::new().build(Cursor::new(&head)).map(|reader| reader.schema())
        })?;
        let columns = FileColumns::of(name, &schema)?;
        let blocks = blocks(input, len, info.sync())?;
        Ok(Self { columns, head: len, blocks })
    }
}

/// The blocks behind the head.
fn blocks(input: &Input, head: u64, marker: [u8; 16]) -> Result<Vec<Block>, CoreError> {
    let mut blocks = Vec::new();
    let mut window = Window { input, from: 0, bytes: Vec::new() };
    let mut at = head;
    while at < input.len() {
        let what = || format!("{}, block {}", input.name(), blocks.len());
        let counts = window.upto(at, 20)?;
        let read = number(counts).and_then(|(rows, taken)| {
            let (bytes, more) = number(&counts[taken..])?;
            Some((u64::try_from(rows).ok()?, u64::try_from(bytes).ok()?, (taken + more) as u64))
        });
        let (rows, bytes, taken) =
            read.ok_or_else(|| damaged(what(), "its number of rows or bytes cannot be read"))?;
        let len = taken.saturating_add(bytes).saturating_add(MARKER);
        if len > input.len() - at {
            return Err(damaged(what(), "it ends behind the file: it was cut short or is damaged"));
        }
        if window.upto(at + len - MARKER, MARKER as usize)? != marker {
            return Err(damaged(what(), "the marker behind it is not that of the file"));
        }
        blocks.push(Block { start: at, len, rows });
        at += len;
    }
    Ok(blocks)
}

/// Bytes of a file that were read last.
struct Window<'a> {
    input: &'a Input,
    from: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// Up to `len` bytes; fewer at the end of the file.
    fn upto(&mut self, at: u64, len: usize) -> Result<&[u8], CoreError> {
        let end = self.from + self.bytes.len() as u64;
        if at < self.from || (at + len as u64 > end && end < self.input.len()) {
            self.bytes = self.input.read(at, WINDOW)?;
            self.from = at;
        }
        let start = ((at - self.from) as usize).min(self.bytes.len());
        Ok(&self.bytes[start..self.bytes.len().min(start + len)])
    }
}

/// A number in Avro's form, and the bytes that it takes.
fn number(bytes: &[u8]) -> Option<(i64, usize)> {
    let mut value = 0_u64;
    for (i, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some(((value >> 1) as i64 ^ -((value & 1) as i64), i + 1));
        }
    }
    None
}

/// What tasks need to know.
struct Plan {
    inputs: Arc<[Input]>,
    files: Vec<Container>,
    chosen: Chosen,
}

impl Plan {
    /// The rows of a block.
    fn block(&self, file: usize, number: usize) -> Result<Vec<Batch>, CoreError> {
        let (input, container) = (&self.inputs[file], &self.files[file]);
        let block = container.blocks[number];
        let what = format!("{}, block {number}", input.name());
        let mut bytes = input.read(0, container.head as usize)?;
        bytes.extend(input.read(block.start, block.len as usize)?);
        if block.rows == 0 {
            return Ok(Vec::new());
        }
        // A batch for the whole block: behind its last row the decoder would wait for more of them,
        // for ever if bytes are left over.
        let decoded = guarded(&what, || {
            let builder = ReaderBuilder::new().with_batch_size(block.rows as usize);
            builder.build(Cursor::new(bytes))?.next().transpose()
        })?;
        let rows = decoded.as_ref().map_or(0, RecordBatch::num_rows);
        let Some(decoded) = decoded.filter(|batch| batch.num_rows() as u64 == block.rows) else {
            let message = format!("{} rows were written, {rows} came", block.rows);
            return Err(damaged(what, message));
        };
        let starts = (0..rows).step_by(BATCH_ROWS);
        let cut = starts.map(|at| decoded.slice(at, BATCH_ROWS.min(rows - at)));
        cut.map(|batch| Ok(Batch(self.chosen.rows(file, &batch)?))).collect()
    }
}
