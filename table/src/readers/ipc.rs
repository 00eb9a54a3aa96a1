//! Reading Arrow IPC files.
//!
//! As with Parquet, footers are looked at first; tasks then read the bytes of their record batches
//! and nothing else.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use arrow_buffer::Buffer;
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::{Block, MetadataVersion, root_as_footer, root_as_message};
use arrow_schema::{ArrowError, SchemaRef};
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
use crate::table::Table;

/// Reads Arrow IPC files ("Feather, version 2") as a table.
///
/// Paths, folders and agreement of files are as with [`ParquetReader`](crate::ParquetReader). Of
/// the columns that are not asked for the bytes are read, but not decompressed. Buffers may be
/// compressed by LZ4 or Zstandard. The table is lazy.
///
/// # Partitions
///
/// A partition is a record batch, or as many neighbours as have
/// [`partition_bytes`](Self::partition_bytes) in the file together.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_table::{IpcReader, IpcWriter, Table, one_row};
///
/// let path = std::env::temp_dir().join(format!("stays-{}.arrow", std::process::id()));
/// let ctx = Context::local();
/// let table = Table::from_batches(&ctx, vec![one_row(&[("n", 7.into())])?])?;
/// IpcWriter::new().write(&table, &path)?;
/// assert_eq!(IpcReader::new(&path).read(&ctx)?.column_f64("n")?, [7.0]);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct IpcReader {
    /// A file, a folder or a glob pattern.
    pub path: String,
    /// The columns to be read, in this order. Default: all.
    pub columns: Option<Vec<String>>,
    /// What rows must meet. Default: nothing.
    pub filter: Option<Expr>,
    /// Types of columns that folders tell, by name. Default: inferred.
    pub key_types: Vec<(String, Type)>,
    /// Bytes in the file up to which neighbouring record batches make one partition. Default
    /// 16 MiB.
    pub partition_bytes: u64,
}

impl IpcReader {
    /// Reads the file, the files below the folder, or those of the glob pattern.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_string_lossy().into_owned(),
            columns: None,
            filter: None,
            key_types: Vec::new(),
            partition_bytes: 16 << 20,
        }
    }

    column_setters!("record batches");

    /// A table that reads the files in every action; footers are read now.
    ///
    /// # Errors
    ///
    /// Those of [`ParquetReader::read`](crate::ParquetReader::read), with the record batch in place
    /// of the row group.
    ///
    /// # Cost
    ///
    /// A job that reads the footers, a file a task; what they tell travels to all ranks.
    #[track_caller]
    pub fn read(&self, ctx: &Context) -> Result<Table> {
        let files = listing::list(ctx, &self.path)?;
        let opened = KeyColumns::new(&files, &self.key_types)
            .and_then(|keys| Ok((keys, Files::new(listing::open(ctx, &files)?))));
        let (keys, files) = agreed(ctx, "ipc files", opened)?;
        let files = Arc::new(files);
        let to_read = Arc::clone(&files);
        let footers = ctx.generate("ipc footers", files.inputs.len(), move |file| {
            Ok(std::iter::once(to_read.facts(file)))
        });
        let footers = footers.collect()?;
        let own: Vec<_> = footers.iter().map(|footer| &footer.columns).collect();
        let chosen = Chosen::new(keys, &own, self.columns.as_deref(), self.filter.as_ref())?;
        let partitions = Arc::new(self.partitions(&chosen, &footers));
        let (schema, chosen) = (chosen.schema.clone(), Arc::new(chosen));
        let batches = ctx.generate("ipc", partitions.len().max(1), move |partition| {
            let places = partitions.get(partition).cloned().unwrap_or_default();
            let (files, chosen) = (Arc::clone(&files), Arc::clone(&chosen));
            Ok(places.into_iter().map(move |(file, number)| files.batch(&chosen, file, number)))
        });
        Ok(Table::new(schema, batches))
    }

    /// Files and numbers of record batches, in partitions.
    fn partitions(&self, chosen: &Chosen, footers: &[Facts]) -> Vec<Vec<(usize, usize)>> {
        let sizes = footers.iter().map(|footer| footer.sizes.clone());
        neighbours(chosen.pieces(sizes), self.partition_bytes)
    }
}

/// What all ranks need to know of a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Facts {
    columns: FileColumns,
    /// Bytes of each record batch.
    sizes: Vec<u64>,
}

/// A footer as it is needed for reading.
#[derive(Clone, Debug)]
struct Footer {
    schema: SchemaRef,
    version: MetadataVersion,
    dictionaries: Vec<Block>,
    batches: Vec<Block>,
}

/// The files of a table; what a rank has read of a footer it keeps.
#[derive(Debug)]
struct Files {
    inputs: Vec<Input>,
    footers: Vec<OnceLock<Footer>>,
}

/// The bytes in front of a footer's length, and behind the whole file.
const MAGIC: u64 = 8;
const TRAILER: u64 = 10;

impl Files {
    fn new(inputs: Vec<Input>) -> Self {
        let footers = inputs.iter().map(|_| OnceLock::new()).collect();
        Self { inputs, footers }
    }

    fn facts(&self, file: usize) -> Result<Facts, CoreError> {
        let footer = self.footer(file)?;
        let columns = FileColumns::of(self.inputs[file].name(), &footer.schema)?;
        Ok(Facts { columns, sizes: footer.batches.iter().map(size).collect() })
    }

    fn footer(&self, file: usize) -> Result<&Footer, CoreError> {
        if let Some(known) = self.footers[file].get() {
            return Ok(known);
        }
        let input = &self.inputs[file];
        let read = Footer::read(input)?;
        Ok(self.footers[file].get_or_init(|| read))
    }

    /// The rows of a record batch.
    fn batch(&self, chosen: &Chosen, file: usize, number: usize) -> Result<Batch, CoreError> {
        let input = &self.inputs[file];
        let footer = self.footer(file)?;
        let what = format!("{}, record batch {number}", input.name());
        let changed = || damaged(&*what, "the file has changed since its footer was read");
        let block = footer.batches.get(number).ok_or_else(changed)?;
        let wanted: Vec<usize> = chosen
            .own_names()
            .map(|name| footer.schema.index_of(name).map_err(|_| changed()))
            .collect::<Result<_, _>>()?;
        let mut decoder =
            FileDecoder::new(Arc::clone(&footer.schema), footer.version).with_projection(wanted);
        for dictionary in &footer.dictionaries {
            let bytes = bytes(input, dictionary)?;
            guarded(&what, || {
                check_sizes(&bytes, dictionary)?;
                decoder.read_dictionary(dictionary, &bytes)
            })?;
        }
        let bytes = bytes(input, block)?;
        let decoded = guarded(&what, || {
            check_sizes(&bytes, block)?;
            decoder.read_record_batch(block, &bytes)
        })?;
        let decoded = decoded.ok_or_else(|| damaged(&*what, "it has no rows in it"))?;
        Ok(Batch(chosen.rows(file, &decoded)?))
    }
}

impl Footer {
    fn read(input: &Input) -> Result<Self, CoreError> {
        let name = input.name();
        let cut = || damaged(name, "it is no Arrow IPC file, or was cut short");
        if input.len() < MAGIC + TRAILER || !input.read(0, 6)?.starts_with(b"ARROW1") {
            return Err(cut());
        }
        let trailer = input.read(input.len() - TRAILER, TRAILER as usize)?;
        let trailer: [u8; TRAILER as usize] = trailer.try_into().map_err(|_| cut())?;
        let len = read_footer_length(trailer).map_err(|_| cut())? as u64;
        let start = (input.len() - TRAILER).checked_sub(len).ok_or_else(cut)?;
        let bytes = input.read(start, len as usize)?;
        let footer = guarded(name, || -> Result<Self, String> {
            let footer = root_as_footer(&bytes).map_err(|error| error.to_string())?;
            let schema = footer.schema().ok_or("the footer has no schema")?;
            Ok(Self {
                schema: Arc::new(fb_to_schema(schema)),
                version: footer.version(),
                dictionaries: footer.dictionaries().iter().flatten().copied().collect(),
                batches: footer.recordBatches().iter().flatten().copied().collect(),
            })
        })?;
        for block in footer.dictionaries.iter().chain(&footer.batches) {
            let (start, meta, body) = (block.offset(), block.metaDataLength(), block.bodyLength());
            let end = i128::from(start) + i128::from(meta) + i128::from(body);
            if start < 0 || meta < 0 || body < 0 || end > i128::from(input.len()) {
                let message =
                    "a record batch lies outside the file: it was cut short or is damaged";
                return Err(damaged(name, message));
            }
        }
        Ok(footer)
    }
}

fn size(block: &Block) -> u64 {
    (block.metaDataLength() as u64).saturating_add(block.bodyLength() as u64)
}

fn bytes(input: &Input, block: &Block) -> Result<Buffer, CoreError> {
    Ok(Buffer::from_vec(input.read(block.offset() as u64, size(block) as usize)?))
}

/// Checks that compressed buffers do not claim more than they can hold: the decoder asks for the
/// memory that they claim.
fn check_sizes(bytes: &Buffer, block: &Block) -> Result<(), ArrowError> {
    let wrong = |message: &str| ArrowError::IpcError(message.to_owned());
    let (meta, body) = bytes
        .split_at_checked(block.metaDataLength() as usize)
        .ok_or_else(|| wrong("it was cut short"))?;
    let meta = meta.strip_prefix(&[0xff; 4]).unwrap_or(meta);
    let message = meta.get(4..).ok_or_else(|| wrong("its head was cut short"))?;
    let message = root_as_message(message).map_err(|error| wrong(&error.to_string()))?;
    let batch = match message.header_as_dictionary_batch() {
        Some(dictionary) => dictionary.data(),
        None => message.header_as_record_batch(),
    };
    let Some(batch) = batch.filter(|batch| batch.compression().is_some()) else { return Ok(()) };
    for buffer in batch.buffers().iter().flatten() {
        let (at, len) = (buffer.offset(), buffer.length());
        let (Ok(at), Ok(len)) = (usize::try_from(at), usize::try_from(len)) else {
            return Err(wrong("a buffer's place is negative"));
        };
        let Some(prefix) = body.get(at..).and_then(|rest| rest.first_chunk::<8>()) else {
            if len == 0 { continue } else { return Err(wrong("a buffer lies outside")) }
        };
        let claimed = i64::from_le_bytes(*prefix);
        if len > 0 && claimed > (len as i64).saturating_mul(1 << 16) {
            return Err(wrong("a buffer claims more bytes than it can hold"));
        }
    }
    Ok(())
}
