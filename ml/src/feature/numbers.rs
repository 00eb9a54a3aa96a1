//! Columns of single values, read row by row.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use firesteel_table::{Type, col};

use crate::error::{Error, Result};
use crate::pipeline::column;

/// A column of numbers or truth values.
pub(super) enum Numbers<'a> {
    Bool(&'a BooleanArray),
    I64(&'a Int64Array),
    F64(&'a Float64Array),
}

impl<'a> Numbers<'a> {
    pub(super) fn of(batch: &'a RecordBatch, name: &str) -> Result<Self> {
        let array = column(batch, name)?;
        if let Some(numbers) = array.as_primitive_opt::<Float64Type>() {
            Ok(Self::F64(numbers))
        } else if let Some(numbers) = array.as_primitive_opt::<Int64Type>() {
            Ok(Self::I64(numbers))
        } else if let Some(truths) = array.as_boolean_opt() {
            Ok(Self::Bool(truths))
        } else {
            let found = array.data_type().to_string();
            Err(Error::column("features", name, format!("is {found}, expected a number or bool")))
        }
    }

    /// The number in a row, if there is one. NaN is one.
    pub(super) fn get(&self, row: usize) -> Option<f64> {
        match self {
            Self::Bool(truths) => {
                truths.is_valid(row).then(|| f64::from(u8::from(truths.value(row))))
            }
            Self::I64(numbers) => numbers.is_valid(row).then(|| numbers.value(row) as f64),
            Self::F64(numbers) => numbers.is_valid(row).then(|| numbers.value(row)),
        }
    }

    /// All numbers; none for a null.
    pub(super) fn iter(&self, rows: usize) -> impl Iterator<Item = Option<f64>> {
        (0..rows).map(|row| self.get(row))
    }
}

/// A column as text: that of its values where they are not text.
pub(super) fn texts(batch: &RecordBatch, name: &str) -> Result<StringArray> {
    let array = column(batch, name)?;
    let texts: ArrayRef = match array.as_string_opt::<i32>() {
        Some(_) => Arc::clone(array),
        None => col(name).cast(Type::String).evaluate(batch)?,
    };
    Ok(texts.as_string::<i32>().clone())
}

/// A value that a stage cannot take, in a row of the batch that it was given.
pub(super) fn bad_value(
    operation: &str,
    row: usize,
    column: &str,
    value: impl Into<String>,
    expected: impl Into<String>,
) -> Error {
    Error::Core(firesteel_core::Error::BadValue {
        operation: operation.to_owned(),
        row: row as u64,
        column: column.to_owned(),
        value: value.into(),
        expected: expected.into(),
    })
}

/// The rows that are marked.
pub(super) fn kept(batch: &RecordBatch, keep: &[bool]) -> Result<RecordBatch> {
    if keep.iter().all(|&keep| keep) {
        return Ok(batch.clone());
    }
    let keep = BooleanArray::from(keep.to_vec());
    arrow_select::filter::filter_record_batch(batch, &keep).map_err(|error| {
        let doing = "leaving out rows".to_owned();
        Error::Table(firesteel_table::Error::Arrow { doing, problem: error.to_string() })
    })
}
