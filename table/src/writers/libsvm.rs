//! Writing tables as LIBSVM files.

use std::io::Write as _;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use firesteel_core::Error as CoreError;

use crate::error::{Error, Result};
use crate::schema::{Schema, Type};
use crate::table::Table;
use crate::vectors::{dense_vectors, sparse_vectors};
use crate::writers::mode::{Output, output_methods};
use crate::writers::output::{Encoder, Format, Texts};

/// Writes a column of numbers and one of vectors as LIBSVM: `label index:value …`, a row a line.
///
/// Positions are written from 1. Of a dense vector the numbers that are not zero are written; of a
/// sparse one those that it holds. Numbers are the shortest text that reads back equal. Other
/// columns are left out, save those that name folders. A row without a label or a vector is an
/// error.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_table::{LibsvmReader, LibsvmWriter};
///
/// let folder = std::env::temp_dir().join(format!("svm-{}", std::process::id()));
/// std::fs::create_dir_all(&folder)?;
/// std::fs::write(folder.join("a"), "1 1:0.5 3:2\n")?;
/// let table = LibsvmReader::new(folder.join("a")).read(&Context::local())?;
/// LibsvmWriter::new().write(&table, folder.join("b"))?;
/// assert_eq!(std::fs::read_to_string(folder.join("b"))?, "1.0 1:0.5 3:2.0\n");
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct LibsvmWriter {
    /// The column of labels, whole numbers or floats. Default: `label`.
    pub label: String,
    /// The column of vectors. Default: `features`.
    pub features: String,
    /// What becomes of what is there, folders by key, rows of a part.
    pub output: Output,
}

impl Default for LibsvmWriter {
    fn default() -> Self {
        let (label, features) = ("label".to_owned(), "features".to_owned());
        Self { label, features, output: Output::default() }
    }
}

impl LibsvmWriter {
    /// A writer with the default of everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the column of labels.
    pub fn label(self, label: impl Into<String>) -> Self {
        Self { label: label.into(), ..self }
    }

    /// Sets the column of vectors.
    pub fn features(self, features: impl Into<String>) -> Self {
        Self { features: features.into(), ..self }
    }

    output_methods!(
        "part-00000.libsvm",
        ", compressed if its name ends in `.gz`",
        "[`Error::UnknownColumn`] and [`Error::TypeMismatch`] for the two columns; the core's `BadValue` for a row without a label or a vector;"
    );

    /// Adds a line for each row; none if a column is not what it should be.
    fn lines(&self, batch: &RecordBatch, lines: &mut Vec<u8>) -> Option<()> {
        let labels = batch.column_by_name(&self.label)?;
        let features = batch.column_by_name(&self.features)?;
        let (dense, sparse) = (dense_vectors(features).ok(), sparse_vectors(features).ok());
        for row in 0..batch.num_rows() {
            match labels.as_primitive_opt::<Int64Type>() {
                Some(whole) => write!(lines, "{}", whole.value(row)).ok()?,
                None => {
                    let label = labels.as_primitive_opt::<Float64Type>()?.value(row);
                    write!(lines, "{label:?}").ok()?;
                }
            }
            if let Some(vector) = dense.as_ref().and_then(|vectors| vectors.row(row)) {
                for (i, value) in vector.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                    write!(lines, " {}:{value:?}", i + 1).ok()?;
                }
            } else if let Some((indices, values)) = sparse.as_ref().and_then(|all| all.row(row)) {
                for (i, value) in indices.iter().zip(values) {
                    write!(lines, " {}:{value:?}", u64::from(*i) + 1).ok()?;
                }
            }
            lines.push(b'\n');
        }
        Some(())
    }
}

impl Format for LibsvmWriter {
    fn extension(&self) -> &'static str {
        "libsvm"
    }

    fn check_table(&self, table: &Table) -> Result<()> {
        let schema = table.schema();
        let of = schema.type_of(&self.label)?;
        if !of.is_number() {
            return Err(Error::mismatch(&self.label, "a column of numbers", Some(of)));
        }
        let of = schema.type_of(&self.features)?;
        if !matches!(of, Type::Vector(_) | Type::SparseVector(_)) {
            return Err(Error::mismatch(&self.features, "a column of vectors", Some(of)));
        }
        if self.output.partition_by.contains(&self.label) {
            let shown = format!("{:?}", self.output.partition_by);
            return Err(Error::parameter("partition_by", shown, "without the column of labels"));
        }
        Ok(())
    }

    fn is_gzipped(&self, name: &Path) -> bool {
        name.extension().is_some_and(|extension| extension == "gz")
    }

    fn check(&self, batch: &RecordBatch) -> Result<(), CoreError> {
        for name in [&self.label, &self.features] {
            let Some(column) = batch.column_by_name(name) else { continue };
            if let Some(row) = (0..column.len()).find(|&row| column.is_null(row)) {
                return Err(CoreError::BadValue {
                    operation: "writing libsvm".to_owned(),
                    row: row as u64,
                    column: name.clone(),
                    value: "null".to_owned(),
                    expected: "a value in every row".to_owned(),
                });
            }
        }
        let features = batch.column_by_name(&self.features);
        match features.filter(|column| column.as_fixed_size_list_opt().is_some()) {
            Some(column) => Ok(dense_vectors(column).map(drop)?),
            None => Ok(()),
        }
    }

    fn text(&self, batch: &RecordBatch) -> Option<Vec<u8>> {
        let mut lines = Vec::new();
        self.lines(batch, &mut lines)?; // the columns were checked
        Some(lines)
    }

    fn encoder(&self, _schema: &Schema, _file: &str) -> Result<Box<dyn Encoder>, CoreError> {
        Ok(Texts::boxed(self.clone(), Vec::new()))
    }
}
