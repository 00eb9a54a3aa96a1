//! Rows that are parsed from a CSV file in every pass, the label first, without a header.

use std::error::Error;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use firesteel::ml::classification::LossGradient;
use firesteel::ml::kernel::{DenseRows, ShapeError, logistic_loss_gradient};
use firesteel::prelude::*;
use firesteel::table::Batch;

/// Rows of a batch: with a hundred columns it stays in the second cache until it is used.
const BATCH_ROWS: usize = 1024;

/// A table that is read anew in every pass.
pub(crate) struct TextRows {
    table: Table,
    rows: u64,
}

/// Sums over some rows.
type Sums = (f64, f64, Vec<f64>);

impl TextRows {
    pub(crate) fn open(ctx: &Context, path: &Path) -> Result<Self, Box<dyn Error>> {
        let reader = CsvReader::new(path).header(false).batch_rows(BATCH_ROWS);
        let names = reader.scan(ctx)?.schema().names().map(str::to_owned).collect::<Vec<_>>();
        let schema = Schema::of(names.into_iter().map(|name| (name, Type::F64)))?;
        let table = reader.schema(schema).scan(ctx)?;
        let rows = table.count()?;
        Ok(Self { table, rows })
    }

    /// Number of features.
    pub(crate) fn width(&self) -> usize {
        self.table.schema().len() - 1
    }

    /// Mean log loss and its gradient, by one reading of the file.
    pub(crate) fn loss_gradient(&self, w: &[f64], b: f64) -> Result<LossGradient, Box<dyn Error>> {
        let zero = (0.0, 0.0, vec![0.0; w.len()]);
        let (loss, intercept, gradient) = self.table.batches().try_tree_aggregate(
            zero,
            |sums: Sums, batch: &Batch| add(sums, batch, w, b),
            |a: Sums, b: Sums| {
                let gradient = a.2.iter().zip(&b.2).map(|(a, b)| a + b).collect();
                (a.0 + b.0, a.1 + b.1, gradient)
            },
        )?;
        let n = self.rows as f64;
        Ok(LossGradient {
            loss: loss / n,
            intercept: intercept / n,
            gradient: gradient.iter().map(|g| g / n).collect(),
        })
    }

    /// Parses every number and adds them up.
    pub(crate) fn read_once(&self) -> Result<f64, Box<dyn Error>> {
        let sum = |sum: f64, batch: &Batch| sum + columns(batch).flatten().sum::<f64>();
        Ok(self.table.batches().tree_aggregate(0.0, sum, |a, b| a + b)?)
    }
}

/// The columns of a batch, all of them floats.
fn columns(batch: &Batch) -> impl Iterator<Item = &[f64]> {
    let columns = batch.as_record_batch().columns().iter();
    columns.map(|column| &column.as_primitive::<Float64Type>().values()[..])
}

fn add(mut sums: Sums, batch: &Batch, w: &[f64], b: f64) -> Result<Sums, ShapeError> {
    let (n, d) = (batch.rows(), w.len());
    let mut columns = columns(batch);
    let labels = columns.next().unwrap_or_default();
    let mut x = vec![0.0; n * d];
    for (j, column) in columns.enumerate() {
        for (row, &value) in x.chunks_exact_mut(d).zip(column) {
            row[j] = value;
        }
    }
    let x = DenseRows::new(&x, n, d)?;
    let (_, intercept, gradient) = &mut sums;
    sums.0 += logistic_loss_gradient(&x, labels, None, w, b, gradient, intercept)?;
    Ok(sums)
}
