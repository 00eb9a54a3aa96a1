//! Columns and rows in, columns and rows out.

use std::sync::Arc;

use arrow_array::RecordBatch;
use firesteel_core::Error as CoreError;

use super::Table;
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::schema::{Schema, Type};

impl Table {
    /// The named columns, in the order of the names.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`], [`Error::DuplicateColumn`].
    pub fn select<S: AsRef<str>>(&self, columns: &[S]) -> Result<Self> {
        let schema = self.schema.select(columns)?;
        let positions = columns.iter().map(|name| self.schema.index_of(name.as_ref()));
        let positions = positions.collect::<Result<Vec<_>>>()?;
        Ok(self.map_known(schema, move |batch| {
            batch.project(&positions).map_err(Error::arrow("selecting columns"))
        }))
    }

    /// All columns but the named ones.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`] for a name that is not there.
    pub fn drop_columns<S: AsRef<str>>(&self, columns: &[S]) -> Result<Self> {
        let left = self.schema.without(columns)?;
        self.select(&left.names().collect::<Vec<_>>())
    }

    /// The same table with a column under another name.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`]; [`Error::DuplicateColumn`] if the new name is taken.
    pub fn rename(&self, old: &str, new: &str) -> Result<Self> {
        let schema = self.schema.renamed(old, new)?;
        let to = schema.clone();
        Ok(self
            .map_known(schema, move |batch| to.batch(batch.columns().to_vec(), batch.num_rows())))
    }

    /// The rows for which the expression is true; where it is null the row goes.
    ///
    /// # Errors
    ///
    /// Those of [`Expr::output_type`]; [`Error::TypeMismatch`] if it is not a truth value.
    pub fn filter(&self, expr: impl Into<Expr>) -> Result<Self> {
        let expr = expr.into();
        let of = expr.output_type(&self.schema)?;
        if of != Type::Bool {
            return Err(Error::mismatch(&expr, "bool", Some(of)));
        }
        Ok(self.map_known(self.schema.clone(), move |batch| {
            let keep = expr.selection(batch)?;
            arrow_select::filter::filter_record_batch(batch, &keep)
                .map_err(Error::arrow("filtering rows"))
        }))
    }

    /// The table with one more column at the end, or with the column of that name replaced in its
    /// place; the expression may read the column that it replaces.
    ///
    /// # Errors
    ///
    /// Those of [`Expr::output_type`].
    pub fn with_column(&self, name: &str, expr: impl Into<Expr>) -> Result<Self> {
        let expr = expr.into();
        let schema = self.schema.with(name, expr.output_type(&self.schema)?);
        let place = schema.index_of(name)?;
        let to = schema.clone();
        Ok(self.map_known(schema, move |batch| {
            let column = expr.evaluate(batch)?;
            let mut columns = batch.columns().to_vec();
            match columns.get_mut(place) {
                Some(old) => *old = column,
                None => columns.push(column),
            }
            to.batch(columns, batch.num_rows())
        }))
    }

    /// The rows of this table, then those of the other; both have the same columns in the same
    /// order.
    ///
    /// # Errors
    ///
    /// [`Error::SchemaMismatch`] at the first difference.
    pub fn union(&self, other: &Self) -> Result<Self> {
        self.schema.require_same(&other.schema)?;
        Ok(Self::new(self.schema.clone(), self.batches.union(&other.batches)))
    }

    /// A table of the first `n` rows, in one partition. Runs a job that reads no more partitions
    /// than it needs.
    ///
    /// # Errors
    ///
    /// What the job can fail with.
    #[track_caller]
    pub fn head(&self, n: usize) -> Result<Self> {
        let first = self.batches.map_ref(move |batch| Batch(batch.0.slice(0, n.min(batch.rows()))));
        let first = first.filter(|batch| batch.rows() > 0).take(n)?; // at least one row in each
        let mut left = n;
        let mut head = Vec::new();
        for Batch(batch) in first {
            let rows = batch.num_rows().min(left);
            if rows > 0 {
                head.push(Batch(batch.slice(0, rows)));
            }
            left -= rows;
        }
        Ok(Self::new(self.schema.clone(), self.context().parallelize_in(head, 1)))
    }

    /// Every batch replaced by what `change` makes of it, under a schema that the caller knows:
    /// the way in for what expressions cannot say, such as a model that adds its predictions. A
    /// batch may change its number of rows.
    ///
    /// A result whose columns are not the schema's is an error of the action that meets it, as is
    /// an error of `change`. The row of a `BadValue` that `change` returns is taken as the row in
    /// the batch and becomes the row in the partition, with the partition named.
    pub fn map_batches<E: Into<CoreError>>(
        &self,
        schema: Schema,
        change: impl Fn(&RecordBatch) -> Result<RecordBatch, E> + Send + Sync + 'static,
    ) -> Self {
        let to = schema.clone();
        self.map_known(schema, move |batch| {
            let changed = change(batch).map_err(|error| Error::Core(error.into()))?;
            to.conform(&changed)
        })
    }

    /// [`Table::map_batches`] for a change that is known to give the schema's columns.
    pub(super) fn map_known(
        &self,
        schema: Schema,
        change: impl Fn(&RecordBatch) -> Result<RecordBatch> + Send + Sync + 'static,
    ) -> Self {
        let change = Arc::new(change);
        let changed = self.batches.map_partitions_with_index(move |partition, batches| {
            let change = Arc::clone(&change);
            let mut before = 0; // rows of the partition in front of the batch
            batches.map(move |Batch(batch)| {
                let changed = change(&batch).map(Batch);
                let placed = changed.map_err(|error| placed(error.into(), partition, before));
                before += batch.num_rows() as u64;
                placed
            })
        });
        Self::new(schema, changed.try_map(|batch| batch))
    }
}

/// An error with a row of its batch, told as the row of the partition.
fn placed(error: CoreError, partition: usize, before: u64) -> CoreError {
    match error {
        CoreError::BadValue { operation, row, column, value, expected } => CoreError::BadValue {
            operation: format!("{operation}, partition {partition}"),
            row: before + row,
            column,
            value,
            expected,
        },
        other => other,
    }
}
