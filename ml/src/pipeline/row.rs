//! One scored row.

use arrow_array::RecordBatch;
use firesteel_table::{Schema, Value, dense_vectors, sparse_vectors};

use super::columns::column;
use crate::error::{Error, Result};

/// A row with the columns that a pipeline has given it; see
/// [`PipelineModel::predict_row`](super::PipelineModel::predict_row).
#[derive(Clone, Debug)]
pub struct ScoredRow {
    /// Of one row.
    batch: RecordBatch,
}

impl ScoredRow {
    /// A row, if there is one.
    pub(super) fn new(batch: RecordBatch) -> Result<Self> {
        match batch.num_rows() {
            1 => Ok(Self { batch }),
            _ => Err(Error::EmptyData { what: "a stage left the row out".to_owned() }),
        }
    }

    /// Its columns.
    ///
    /// # Errors
    ///
    /// A column of a type that tables do not hold.
    pub fn schema(&self) -> Result<Schema> {
        Ok(Schema::of_batch(&self.batch)?)
    }

    /// The row as a batch of one.
    #[must_use]
    pub fn as_batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// The cell of a column; that of a vector is its text.
    ///
    /// # Errors
    ///
    /// [`Error::MissingColumns`].
    pub fn value(&self, name: &str) -> Result<Value> {
        Ok(Value::at(&**column(&self.batch, name)?, 0))
    }

    /// The number in a column; a truth value is 0 or 1.
    ///
    /// # Errors
    ///
    /// [`Error::MissingColumns`]; [`Error::Column`] for anything that is not a number.
    pub fn f64(&self, name: &str) -> Result<f64> {
        match self.value(name)? {
            Value::F64(value) => Ok(value),
            Value::I64(value) => Ok(value as f64),
            Value::Bool(value) => Ok(f64::from(u8::from(value))),
            other => Err(Error::column("a scored row", name, format!("{other} is not a number"))),
        }
    }

    /// The vector in a column, zeros included.
    ///
    /// # Errors
    ///
    /// [`Error::MissingColumns`]; [`Error::Column`] for anything that is not a vector.
    pub fn vector(&self, name: &str) -> Result<Vec<f64>> {
        let column = column(&self.batch, name)?;
        let none = || Error::column("a scored row", name, "is not a vector");
        if let Ok(rows) = dense_vectors(column) {
            return rows.row(0).map(<[f64]>::to_vec).ok_or_else(none);
        }
        let rows = sparse_vectors(column).map_err(|_| none())?;
        let (indices, values) = rows.row(0).ok_or_else(none)?;
        let mut all = vec![0.0; rows.size()];
        for (&i, &value) in indices.iter().zip(values) {
            all[i as usize] = value;
        }
        Ok(all)
    }
}
