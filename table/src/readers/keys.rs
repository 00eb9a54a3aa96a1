//! Columns from the names of folders: `year=2024/sex=f`.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, UInt32Array,
    new_null_array,
};
use firesteel_core::Error as CoreError;

use super::csv::infer::{Evidence, parse_bool, parse_f64, parse_i64};
use super::listing::Listed;
use crate::error::{Error, Result};
use crate::schema::{Field, Schema, Type};
use crate::times::{parse_date, parse_time};
use crate::value::Value;

/// The columns that folders tell, and their value in each file.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyColumns {
    pub(super) fields: Vec<Field>,
    /// One cell for each file and column.
    cells: Vec<Vec<ArrayRef>>,
}

impl KeyColumns {
    /// Types that are not given are inferred from all values, by the rules of CSV.
    ///
    /// # Errors
    ///
    /// The core's `File` for a file whose folders have other names than those of the first, or a
    /// value that is not of a given type; [`Error::UnknownColumn`] for a type of no column.
    pub(super) fn new(files: &[Listed], given: &[(String, Type)]) -> Result<Self> {
        let Some(first) = files.first() else { return Ok(Self::default()) };
        let names = |file: &Listed| file.keys.iter().map(|key| key.0.clone()).collect::<Vec<_>>();
        let known = names(first);
        if let Some(other) = files.iter().find(|file| names(file) != known) {
            let message =
                format!("its folders name {:?}, but {known:?} for {}", names(other), first.path);
            return Err(CoreError::file(&*other.path, message).into());
        }
        if let Some((name, _)) = given.iter().find(|(name, _)| !known.contains(name)) {
            return Err(Error::unknown_column(name, known.iter().map(String::as_str)));
        }
        let mut columns = Self { fields: Vec::new(), cells: vec![Vec::new(); files.len()] };
        for (i, name) in known.iter().enumerate() {
            let values = files.iter().map(|file| file.keys[i].1.as_deref());
            let given = given.iter().find(|(known, _)| known == name).map(|(_, of)| *of);
            let of = given.unwrap_or_else(|| inferred(values.clone().flatten()));
            for ((file, value), cells) in files.iter().zip(values).zip(&mut columns.cells) {
                cells.push(cell(value, of).ok_or_else(|| {
                    let value = value.unwrap_or_default();
                    let message = format!("its folder says `{name}={value}`, which is no {of}");
                    CoreError::file(&*file.path, message)
                })?);
            }
            columns.fields.push(Field::new(name, of));
        }
        Ok(columns)
    }

    /// The value of a column in a file.
    pub(super) fn cell(&self, file: usize, name: &str) -> Option<&ArrayRef> {
        let column = self.fields.iter().position(|field| field.name == name)?;
        self.cells.get(file)?.get(column)
    }

    /// The batch of a file with the columns that folders tell behind its own.
    pub(super) fn behind(
        &self,
        file: usize,
        own: &RecordBatch,
        to: &Schema,
    ) -> Result<RecordBatch> {
        let mut columns = own.columns().to_vec();
        for field in &self.fields {
            columns.extend(self.column(file, &field.name, own.num_rows()).transpose()?);
        }
        to.batch(columns, own.num_rows())
    }

    /// The value of a column in a file, on so many rows.
    pub(super) fn column(&self, file: usize, name: &str, rows: usize) -> Option<Result<ArrayRef>> {
        let cell = self.cell(file, name)?;
        let first = UInt32Array::from(vec![0; rows]);
        let column = arrow_select::take::take(cell, &first, None);
        Some(column.map_err(Error::arrow("repeating the value of a folder")))
    }
}

/// The columns of the files and behind them those of the folders.
pub(super) fn with_keys(own: &Schema, keys: &KeyColumns) -> Result<Schema> {
    Schema::new(own.fields().iter().chain(&keys.fields).cloned().collect())
}

fn inferred<'a>(values: impl Iterator<Item = &'a str>) -> Type {
    let evidence = values.map(|value| Evidence::of(value.as_bytes()));
    evidence.fold(Evidence::default(), Evidence::join).resolve()
}

/// A text as a column of one cell; none if it cannot be read as that type.
fn cell(text: Option<&str>, of: Type) -> Option<ArrayRef> {
    let Some(text) = text else { return Some(new_null_array(&of.to_arrow(), 1)) };
    Some(match of {
        Type::Bool => Arc::new(BooleanArray::from(vec![parse_bool(text.as_bytes())?])),
        Type::I64 => Arc::new(Int64Array::from(vec![parse_i64(text.as_bytes())?])),
        Type::F64 => Arc::new(Float64Array::from(vec![parse_f64(text.as_bytes())?])),
        Type::String => Arc::new(StringArray::from(vec![text])),
        Type::Date => Value::Date(parse_date(text)?).to_array(),
        Type::Timestamp => Value::Timestamp(parse_time(text)?).to_array(),
        Type::List(_) | Type::Vector(_) | Type::SparseVector(_) => return None,
    })
}
