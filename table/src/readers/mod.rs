//! Tables from files.

pub(crate) mod csv;
mod report;

pub use csv::{CsvFormat, CsvReader, OnBadRecord};
pub use report::{BadExample, ColumnReport, ReadReport};
