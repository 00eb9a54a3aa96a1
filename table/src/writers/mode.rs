//! What every writer can be told: what becomes of what is there, folders by key, rows of a part.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::schema::Schema;

/// What becomes of what is at the path already.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_table::{CsvWriter, Table, WriteMode, one_row};
///
/// let path = std::env::temp_dir().join(format!("modes-{}.csv", std::process::id()));
/// let table = Table::from_batches(&Context::local(), vec![one_row(&[("n", 1.into())])?])?;
/// CsvWriter::new().write(&table, &path)?;
/// assert!(CsvWriter::new().write(&table, &path).is_err());
/// CsvWriter::new().mode(WriteMode::Overwrite).write(&table, &path)?;
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WriteMode {
    /// It stays, and writing is an error.
    #[default]
    Error,
    /// It is replaced once all of the new is written. A folder is replaced only if it has the
    /// marker `_SUCCESS` of an earlier write.
    Overwrite,
    /// It stays, and new parts come beside the old ones; for folders alone.
    Append,
    /// It stays, and nothing is written.
    Ignore,
}

/// What all writers can be told; their setters of the same names set it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Output {
    /// What becomes of what is at the path already. Default: [`WriteMode::Error`].
    pub mode: WriteMode,
    /// The columns whose values name the folders of the parts, from the outermost to the
    /// innermost. Default: none.
    pub partition_by: Vec<String>,
    /// The rows of a part, if parts are to be cut anew. Default: a part for each partition.
    pub part_rows: Option<u64>,
}

impl Output {
    /// Checks the choices against the table's columns.
    pub(super) fn check(&self, schema: &Schema, is_folder: bool) -> Result<()> {
        if !is_folder {
            if self.mode == WriteMode::Append {
                let expected = "error, overwrite or ignore for one file; a folder can be added to";
                return Err(Error::parameter("mode", "append", expected));
            }
            if !self.partition_by.is_empty() {
                let shown = format!("{:?}", self.partition_by);
                return Err(Error::parameter("partition_by", shown, "empty for one file"));
            }
        }
        if self.part_rows == Some(0) {
            return Err(Error::parameter("part_rows", 0, "at least 1"));
        }
        for (i, name) in self.partition_by.iter().enumerate() {
            let of = schema.type_of(name)?;
            if !of.is_single() {
                return Err(Error::mismatch(name, "a column of single values", Some(of)));
            }
            if self.partition_by[..i].contains(name) {
                return Err(Error::DuplicateColumn { name: name.clone() });
            }
        }
        if !schema.is_empty() && self.partition_by.len() == schema.len() {
            let shown = format!("{:?}", self.partition_by);
            return Err(Error::parameter("partition_by", shown, "without at least one column"));
        }
        Ok(())
    }
}

/// What every writer has: the setters of [`Output`], and writing itself. Told are the part's name, what is
/// to be said of one file, and what else can go wrong.
macro_rules! output_methods {
    ($part:literal, $file:literal, $errors:literal) => {
        /// Sets what becomes of what is at the path already, in place of an error.
        pub fn mode(mut self, mode: crate::writers::WriteMode) -> Self {
            self.output.mode = mode;
            self
        }

        /// Sets the columns whose values name the folders of the parts: `year=2024/sex=f/…`. They
        /// are not in the parts; a reader of the folder puts them at the end of its columns.
        /// Special characters are written as `%3A`, a null as `__HIVE_DEFAULT_PARTITION__`.
        pub fn partition_by<S: Into<String>>(
            mut self,
            columns: impl IntoIterator<Item = S>,
        ) -> Self {
            self.output.partition_by = columns.into_iter().map(Into::into).collect();
            self
        }

        /// Sets the rows of a part. Parts, and so the bytes of the folder, then depend on the rows
        /// alone, not on the table's partitions; all rows are held for it, on disk if need be.
        pub fn part_rows(mut self, rows: impl Into<Option<u64>>) -> Self {
            self.output.part_rows = rows.into();
            self
        }

        #[doc = concat!("Writes the table into one file", $file, ".")]
        /// It appears whole or not at all: if anything fails, what was there before stays. Every rank
        /// calls it, the root writes.
        ///
        /// # Errors
        ///
        #[doc = concat!("A parameter error; ", $errors)]
        /// the core's `File` if the file cannot be written, or is there already and the mode says
        /// nothing else; what the job can fail with. The same on every rank.
        ///
        /// # Cost
        ///
        /// One pass; the rows travel to the root, a few partitions at a time.
        #[track_caller]
        pub fn write(&self, table: &crate::Table, path: impl AsRef<std::path::Path>) -> Result<()> {
            let format = std::sync::Arc::new(self.clone());
            crate::writers::output::write_file(table, &self.output, format, path.as_ref())
        }

        /// Writes the table as a folder of parts with a marker `_SUCCESS`, all of which appears at
        /// once or not at all. Every rank calls it and writes what lives there, to a file system that
        /// all of them see.
        ///
        #[doc = concat!("A partition with rows becomes the part `", $part, "` with its number, unless")]
        /// [`part_rows`](Self::part_rows) cuts them anew.
        ///
        /// # Errors
        ///
        /// Those of [`write`](Self::write); [`Error::UnknownColumn`](crate::Error::UnknownColumn) for a
        /// column to partition by that the table does not have.
        ///
        /// # Cost
        ///
        /// One pass; nothing travels.
        #[track_caller]
        pub fn write_folder(
            &self,
            table: &crate::Table,
            folder: impl AsRef<std::path::Path>,
        ) -> Result<()> {
            let format = std::sync::Arc::new(self.clone());
            crate::writers::output::write_folder(table, &self.output, format, folder.as_ref())
        }
    };
}
pub(super) use output_methods;
