//! Tables from files.
//!
//! | file | what is in it |
//! |---|---|
//! | `listing`, `keys` | which files a path means, columns from the names of their folders |
//! | `together` | what ranks do alike: agreement, panics of decoders as errors |
//! | `pruning` | what bounds of values say of a condition |
//! | `report` | what was found on reading |
//! | the rest | one format each |

pub(crate) mod csv;
mod keys;
mod listing;
mod parquet;
mod pruning;
mod report;
mod together;

pub use csv::{CsvFormat, CsvReader, OnBadRecord};
pub use parquet::ParquetReader;
pub use report::{BadExample, ColumnReport, ReadReport};
