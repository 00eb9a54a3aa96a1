//! Tables for Firesteel: a schema and a partitioned collection of Arrow record batches.
//!
//! ```
//! use firesteel_core::Context;
//! use firesteel_table::{CsvReader, col};
//!
//! let path = std::env::temp_dir().join(format!("people-{}.csv", std::process::id()));
//! std::fs::write(&path, "name,age\nAnn,41\nBob,67\n")?;
//! let people = CsvReader::new(&path).read(&Context::local())?;
//! let elderly = people.filter(col("age").ge(65))?;
//! assert_eq!(elderly.column_strings("name")?, [Some("Bob".to_owned())]);
//! # std::fs::remove_file(path)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! From the bottom up: [`Type`], [`Schema`], [`Value`] and vector columns; [`Batch`], a record
//! batch that can move; [`Expr`], expressions that are values; [`Aggregate`], what becomes of groups;
//! [`Table`] and its operators; [`CsvReader`], [`ParquetReader`], [`JsonReader`] and the other readers; a
//! writer for each format, which share [`WriteMode`] and [`Output`].

mod aggregate;
mod batch;
mod error;
mod expr;
mod keys;
mod readers;
mod schema;
mod sketch;
mod table;
mod times;
mod value;
mod vectors;
mod writers;

pub use aggregate::{Aggregate, count_rows};
pub use batch::Batch;
pub use error::{Error, Result};
pub use expr::{
    Expr, Function, Node, Then, TimeUnit, When, coalesce, col, date, greatest, least, list, lit,
    null, timestamp, when,
};
#[cfg(feature = "avro")]
pub use readers::AvroReader;
pub use readers::{
    BadExample, ColumnReport, CsvFormat, CsvReader, IpcReader, JsonReader, LibsvmReader,
    OnBadRecord, ParquetReader, ReadReport,
};
pub use schema::{Field, Item, Schema, Type, one_row};
pub use table::{
    AsOf, ColumnSummary, Description, Direction, ExactMoments, Frame, GroupBy, GroupingSets,
    JoinType, Key, NumberSummary, Preview, SortKey, Table, TextSummary, Window, Windows,
    dense_rank, rank, row_number,
};
pub use value::Value;
pub use vectors::{
    DenseVectors, SparseVectorBuilder, SparseVectors, dense_vector_column, dense_vectors,
    sparse_vector_column, sparse_vectors,
};
#[cfg(feature = "avro")]
pub use writers::{AvroCompression, AvroWriter};
pub use writers::{
    CsvWriter, IpcCompression, IpcWriter, JsonWriter, LibsvmWriter, Output, ParquetCompression,
    ParquetWriter, WriteMode,
};
