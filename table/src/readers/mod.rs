//! Tables from files.
//!
//! | file | what is in it |
//! |---|---|
//! | `listing`, `keys` | which files a path means, columns from the names of their folders |
//! | `columns` | columns of files that must agree, those that are asked for, a filter |
//! | `neighbours` | pieces of files put together into partitions |
//! | `setters` | setters that several readers share |
//! | `lines` | text, a record a line: splits, policies, columns that grow |
//! | `together` | what ranks do alike: agreement, panics of decoders as errors |
//! | `pruning` | what bounds of values say of a condition |
//! | `report` | what was found on reading |
//! | the rest | one format each |

#[cfg(feature = "avro")]
mod avro;
mod columns;
pub(crate) mod csv;
mod ipc;
mod json;
mod keys;
mod libsvm;
mod lines;
mod listing;
mod neighbours;
mod parquet;
mod pruning;
mod report;
mod setters;
mod together;

#[cfg(feature = "avro")]
pub use avro::AvroReader;
pub use csv::{CsvFormat, CsvReader, OnBadRecord};
pub use ipc::IpcReader;
pub use json::JsonReader;
pub use libsvm::LibsvmReader;
pub use parquet::ParquetReader;
pub use report::{BadExample, ColumnReport, ReadReport};
