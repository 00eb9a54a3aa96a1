//! Correlations between columns, from exact sums.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray};
use serde::{Deserialize, Serialize};

use super::Table;
use super::exact::ExactPairs;
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::expr::col;
use crate::schema::{Schema, Type};

/// Columns at most: of each pair sums are kept.
const MOST: usize = 200;

impl Table {
    /// Pearson's correlations of numeric columns with each other: a row for each, its name in `column`, and a
    /// column for each under its own name. Of each pair the rows count that have both; a correlation with
    /// what does not vary, of fewer than two rows, or with a value that is not finite is NaN.
    ///
    /// Sums are exact, so the result does not depend on partitioning or order, to the bit.
    /// [`Expr::corr`](crate::Expr::corr) is the correlation within groups.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`]; [`Error::TypeMismatch`] for a column that has no numbers;
    /// [`Error::DuplicateColumn`], also for a column called `column`; a parameter error for more than 200
    /// columns. What the job can fail with.
    ///
    /// # Cost
    ///
    /// A job at once: one pass, with 4 KB a pair and partition.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::{Table, one_row};
    ///
    /// let rows = [(1, 2.0), (2, 4.0), (3, 6.0)].map(|(a, b)| {
    ///     one_row(&[("a", a.into()), ("b", b.into())]).unwrap()
    /// });
    /// let table = Table::from_batches(&Context::local(), rows.to_vec())?;
    /// let corr = table.corr(&["a", "b"])?;
    /// assert_eq!(corr.schema().to_string(), "column: string, a: f64, b: f64");
    /// assert_eq!(corr.column_f64("b")?, [1.0, 1.0]);
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    #[track_caller]
    pub fn corr<S: AsRef<str>>(&self, columns: &[S]) -> Result<Self> {
        if columns.len() > MOST {
            return Err(Error::parameter("columns", columns.len(), format!("at most {MOST}")));
        }
        let names: Vec<&str> = columns.iter().map(AsRef::as_ref).collect();
        let mut numbers = self.select(&names)?;
        let mut output = Schema::of([("column", Type::String)])?;
        for name in &names {
            let of = numbers.schema.type_of(name)?;
            if !(of.is_number() || of == Type::Bool) {
                return Err(Error::mismatch(name, "a number or bool", Some(of)));
            }
            if output.contains(name) {
                return Err(Error::DuplicateColumn { name: (*name).to_owned() });
            }
            output = output.with(name, Type::F64);
            numbers = numbers.with_column(name, col(*name).cast(Type::F64))?;
        }
        let tally =
            numbers.batches.tree_aggregate(Tally::new(names.len()), Tally::add, Tally::merge)?;
        let at = |i: usize, j: usize| {
            let (i, j) = (i.max(j), i.min(j));
            let corr = tally.pairs[i * (i + 1) / 2 + j].corr();
            // With itself it is 1, but for the roundings of a root.
            if i == j && !corr.is_nan() { 1.0 } else { corr }
        };
        let mut made: Vec<ArrayRef> = vec![Arc::new(StringArray::from(names.clone()))];
        for j in 0..names.len() {
            let column = (0..names.len()).map(|i| at(i, j));
            made.push(Arc::new(column.collect::<Float64Array>()));
        }
        let batch = output.batch(made, names.len())?;
        let batches = self.context().parallelize_in(vec![Batch(batch)], 1);
        Ok(Self::new(output, batches))
    }
}

/// Sums of each pair, `j ≤ i` at `i (i + 1) / 2 + j`; a monoid.
#[derive(Clone, Serialize, Deserialize)]
struct Tally {
    pairs: Vec<ExactPairs>,
}

impl Tally {
    fn new(columns: usize) -> Self {
        Self { pairs: vec![ExactPairs::default(); columns * (columns + 1) / 2] }
    }

    fn add(mut self, Batch(batch): &Batch) -> Self {
        let columns: Vec<&Float64Array> = columns_of(batch);
        let mut pairs = self.pairs.iter_mut();
        for (i, a) in columns.iter().enumerate() {
            for b in &columns[..=i] {
                let Some(pair) = pairs.next() else { continue };
                for row in 0..batch.num_rows() {
                    if a.is_valid(row) && b.is_valid(row) {
                        pair.add(a.value(row), b.value(row));
                    }
                }
            }
        }
        self
    }

    fn merge(self, other: Self) -> Self {
        let pairs = self.pairs.into_iter().zip(&other.pairs);
        Self { pairs: pairs.map(|(a, b)| a.merge(b)).collect() }
    }
}

fn columns_of(batch: &RecordBatch) -> Vec<&Float64Array> {
    batch.columns().iter().map(|column| column.as_primitive::<Float64Type>()).collect()
}
