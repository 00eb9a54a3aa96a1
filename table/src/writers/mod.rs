//! Tables to files.
//!
//! | file | what is in it |
//! |---|---|
//! | `mode`, `target` | what becomes of what is there, files and folders that appear whole |
//! | `keys` | folders named by values |
//! | `output` | one file or a folder of parts, whatever the format |
//! | the rest | one format each |

#[cfg(feature = "avro")]
mod avro;
mod csv;
mod ipc;
mod json;
pub(crate) mod keys;
mod libsvm;
mod mode;
mod output;
mod parquet;
pub(crate) mod target;

#[cfg(feature = "avro")]
pub use avro::{AvroCompression, AvroWriter};
pub use csv::CsvWriter;
pub use ipc::{IpcCompression, IpcWriter};
pub use json::JsonWriter;
pub use libsvm::LibsvmWriter;
pub use mode::{Output, WriteMode};
pub use parquet::{ParquetCompression, ParquetWriter};
