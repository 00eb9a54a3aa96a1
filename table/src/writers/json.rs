//! Writing tables as JSON lines.

use std::io::Write as _;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use firesteel_core::Error as CoreError;

use crate::error::Result;
use crate::schema::Schema;
use crate::value::Value;
use crate::vectors::{dense_vectors, sparse_vectors};
use crate::writers::mode::{Output, output_methods};
use crate::writers::output::{Encoder, Format, Texts};

/// Writes tables as JSON lines: an object on each line.
///
/// Every column is in every object, a null as `null`, so that a reader finds all of them. Numbers
/// are the shortest text that reads back equal. JSON has no number for NaN and the infinities:
/// they are the texts `"NaN"`, `"inf"` and `"-inf"`, which [`JsonReader`](crate::JsonReader) takes
/// in columns of floats. A dense vector is an array, a sparse one
/// `{"size":9,"indices":[0,3],"values":[1.0,2.0]}`. The bytes of one file depend on the rows alone.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_table::{JsonWriter, Table, one_row};
///
/// let row = one_row(&[("name", "a \"b\"".into()), ("x", f64::NAN.into()), ("y", None::<f64>.into())])?;
/// let table = Table::from_batches(&Context::local(), vec![row])?;
/// let path = std::env::temp_dir().join(format!("rows-{}.json", std::process::id()));
/// JsonWriter::new().write(&table, &path)?;
/// let text = std::fs::read_to_string(&path)?;
/// assert_eq!(text, "{\"name\":\"a \\\"b\\\"\",\"x\":\"NaN\",\"y\":null}\n");
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct JsonWriter {
    /// Whether parts of a folder are compressed and their names end in `.json.gz`; one file is
    /// compressed if its name ends in `.gz`. Default: no.
    pub gzip: bool,
    /// What becomes of what is there, folders by key, rows of a part.
    pub output: Output,
}

impl JsonWriter {
    /// A writer with the default of everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether parts of a folder are compressed.
    pub fn gzip(self, gzip: bool) -> Self {
        Self { gzip, ..self }
    }

    output_methods!("part-00000.json", ", compressed if its name ends in `.gz`", "");
}

impl Format for JsonWriter {
    fn extension(&self) -> &'static str {
        "json"
    }

    fn is_gzipped(&self, name: &Path) -> bool {
        name.extension().is_some_and(|extension| extension == "gz")
    }

    fn has_gzipped_parts(&self) -> bool {
        self.gzip
    }

    fn check(&self, batch: &RecordBatch) -> Result<(), CoreError> {
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            if matches!(field.data_type(), arrow_schema::DataType::FixedSizeList(..)) {
                dense_vectors(column).map_err(|error| named(field.name(), error))?;
            }
        }
        Ok(())
    }

    fn text(&self, batch: &RecordBatch) -> Option<Vec<u8>> {
        let names = batch.schema_ref().fields().iter();
        let names: Vec<Vec<u8>> = names.map(|field| quoted(field.name())).collect();
        let mut lines = Vec::with_capacity(batch.num_rows() * batch.num_columns() * 16);
        for row in 0..batch.num_rows() {
            lines.push(b'{');
            for (i, (name, column)) in names.iter().zip(batch.columns()).enumerate() {
                if i > 0 {
                    lines.push(b',');
                }
                lines.extend_from_slice(name);
                lines.push(b':');
                value(&mut lines, column, row);
            }
            lines.extend_from_slice(b"}\n");
        }
        Some(lines)
    }

    fn encoder(&self, _schema: &Schema, _file: &str) -> Result<Box<dyn Encoder>, CoreError> {
        Ok(Texts::boxed(self.clone(), Vec::new()))
    }
}

fn named(name: &str, error: crate::Error) -> CoreError {
    match error {
        crate::Error::Column { problem, .. } => {
            crate::Error::Column { column: name.to_owned(), problem }.into()
        }
        other => other.into(),
    }
}

fn quoted(text: &str) -> Vec<u8> {
    serde_json::to_vec(text).expect("text is always written")
}

fn float(line: &mut Vec<u8>, value: f64) {
    let put = match value.is_finite() {
        true => write!(line, "{value:?}"),
        false => write!(line, "\"{value:?}\""),
    };
    put.expect("a vector takes all bytes");
}

fn floats(line: &mut Vec<u8>, values: &[f64]) {
    line.push(b'[');
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            line.push(b',');
        }
        float(line, *value);
    }
    line.push(b']');
}

fn value(line: &mut Vec<u8>, column: &ArrayRef, row: usize) {
    if column.is_null(row) {
        line.extend_from_slice(b"null");
    } else if let Some(texts) = column.as_string_opt::<i32>() {
        line.extend(quoted(texts.value(row)));
    } else if let Some(numbers) = column.as_primitive_opt::<Float64Type>() {
        float(line, numbers.value(row));
    } else if let Some(numbers) = column.as_primitive_opt::<Int64Type>() {
        line.extend_from_slice(numbers.value(row).to_string().as_bytes());
    } else if let Some(truths) = column.as_boolean_opt() {
        line.extend_from_slice(truths.value(row).to_string().as_bytes());
    } else if column.as_fixed_size_list_opt().is_some() {
        let cell = column.slice(row, 1);
        let vectors = dense_vectors(&cell).ok();
        floats(line, vectors.and_then(|vectors| vectors.row(0)).unwrap_or_default());
    } else if column.as_struct_opt().is_some() {
        let cell = column.slice(row, 1);
        if let Some((size, (indices, values))) =
            sparse_vectors(&cell).ok().and_then(|vectors| Some((vectors.size(), vectors.row(0)?)))
        {
            let put = write!(line, "{{\"size\":{size},\"indices\":{indices:?},\"values\":");
            put.expect("a vector takes all bytes");
            floats(line, values);
            line.push(b'}');
        }
    } else if let Some(lists) = column.as_list_opt::<i32>() {
        let items = lists.value(row);
        line.push(b'[');
        for i in 0..items.len() {
            if i > 0 {
                line.push(b',');
            }
            value(line, &items, i);
        }
        line.push(b']');
    } else {
        line.extend(quoted(&Value::at(column, row).to_string())); // dates and timestamps
    }
}
