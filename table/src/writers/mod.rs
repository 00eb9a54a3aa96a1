//! Tables to files.

mod csv;

pub use csv::CsvWriter;
