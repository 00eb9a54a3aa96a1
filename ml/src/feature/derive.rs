//! Columns by expressions.

use std::collections::BTreeSet;

use arrow_array::RecordBatch;
use firesteel_table::{Expr, Schema, Table};
use serde::{Deserialize, Serialize};

use super::pairs::{check_saved, distinct};
use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::file::Saved;
use crate::pipeline::{FittedStage, Loadable, Output, Stage, with_columns};

/// Adds or replaces columns by expressions, which are saved with the pipeline.
///
/// All expressions read the columns as they were before the stage; what one makes, only later
/// stages see.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_ml::feature::Derive;
/// use firesteel_ml::{Estimator, Transformer};
/// use firesteel_table::{Table, col, one_row, when};
///
/// let table = Table::from_batches(&Context::local(), vec![one_row(&[("age", 71.into())])?])?;
/// let derive = Derive::new("old", col("age").ge(65))
///     .column("decade", (col("age") / 10).floor());
/// let table = derive.fit(&table)?.transform(&table)?;
/// assert_eq!(table.schema().to_string(), "age: i64, old: bool, decade: f64");
/// assert_eq!(table.column_f64("decade")?, [7.0]);
/// # Ok::<(), firesteel_ml::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct Derive {
    /// The columns and what they are made by.
    pub columns: Vec<(String, Expr)>,
}

impl Derive {
    /// Makes one column.
    pub fn new(column: impl Into<String>, expr: impl Into<Expr>) -> Self {
        Self { columns: vec![(column.into(), expr.into())] }
    }

    /// Makes another column.
    pub fn column(mut self, column: impl Into<String>, expr: impl Into<Expr>) -> Self {
        self.columns.push((column.into(), expr.into()));
        self
    }
}

impl Estimator<Table> for Derive {
    type Model = DeriveModel;

    /// Checks the expressions; reads no rows.
    fn fit(&self, table: &Table) -> Result<DeriveModel> {
        self.check(table.schema())?;
        Ok(DeriveModel { columns: self.columns.clone() })
    }
}

impl Stage for Derive {
    fn kind(&self) -> &str {
        DeriveModel::KIND
    }

    fn check(&self, input: &Schema) -> Result<Schema> {
        let names: Vec<String> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        distinct("columns", &names)?;
        derived(&self.columns, input)
    }

    fn fit_stage(&self, table: &Table) -> Result<Box<dyn FittedStage>> {
        Ok(Box::new(self.fit(table)?))
    }
}

fn derived(columns: &[(String, Expr)], input: &Schema) -> Result<Schema> {
    columns.iter().try_fold(input.clone(), |schema, (name, expr)| {
        let of = expr.output_type(input).map_err(Error::from)?;
        Ok(schema.with(name, of))
    })
}

/// A checked [`Derive`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeriveModel {
    columns: Vec<(String, Expr)>,
}

impl DeriveModel {
    /// The columns and what they are made by.
    #[must_use]
    pub fn columns(&self) -> &[(String, Expr)] {
        &self.columns
    }
}

impl FittedStage for DeriveModel {
    fn kind(&self) -> &str {
        Self::KIND
    }

    fn outputs(&self) -> Vec<Output> {
        self.columns.iter().map(|(name, expr)| Output::new(name, expr.columns())).collect()
    }

    fn output_schema(&self, input: &Schema) -> Result<Schema> {
        derived(&self.columns, input)
    }

    fn transform_batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let schema = Schema::of_batch(batch)?;
        let mut new = Vec::with_capacity(self.columns.len());
        for (name, expr) in &self.columns {
            new.push((name.as_str(), expr.output_type(&schema)?, expr.evaluate(batch)?));
        }
        with_columns(batch, new)
    }

    fn only(&self, outputs: &BTreeSet<String>) -> Option<Box<dyn FittedStage>> {
        let columns = self.columns.iter().filter(|(name, _)| outputs.contains(name));
        Some(Box::new(Self { columns: columns.cloned().collect() }))
    }

    fn to_saved(&self) -> Result<Saved> {
        Saved::new(Self::KIND, self)
    }
}

impl Loadable for DeriveModel {
    const KIND: &'static str = "derive";

    fn from_saved(saved: &Saved) -> Result<Self> {
        let model: Self = saved.expect_kind(Self::KIND)?.body()?;
        check_saved(saved, model.columns.iter().map(|(name, _)| name.clone()))?;
        Ok(model)
    }
}
