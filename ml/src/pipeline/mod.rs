//! Stages over tables, chained into one value that is fitted, saved and loaded as a whole.
//!
//! A [`Stage`] is not fitted yet: parameters and the names of its columns. Fitted it becomes a
//! [`FittedStage`], a pure function of a batch of rows that adds or replaces columns. A
//! [`Pipeline`] is a list of stages; `fit` checks all of them against the table's schema before
//! the first pass, then fits one after the other, each on the table as the stages before it leave
//! it. The [`PipelineModel`] that comes out also knows the *raw* input: the columns' names and
//! types and how the CSV file was written. So its file is all that is needed to score new raw
//! rows, a table or a single one.
//!
//! Columns that only fitting needs, the label above all, may be missing from what is scored; the
//! stages' [`Output`]s tell what depends on what (`needs`).
//!
//! | file | what is in it |
//! |---|---|
//! | `stage` | the two traits |
//! | `columns` | columns put into batches |
//! | `registry` | stages by the name of their kind |
//! | `needs` | which raw columns scoring needs: a pure function |
//! | `model` | what is fitted: transforming, scoring |
//! | `row` | one scored row |
//! | `saved` | pipelines in files |

mod columns;
mod model;
mod needs;
mod registry;
mod row;
mod saved;
mod stage;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::sync::Arc;

use firesteel_table::{CsvFormat, Schema, Table};

pub(crate) use columns::column;
pub use columns::with_columns;
pub use model::PipelineModel;
pub use registry::register;
pub use row::ScoredRow;
pub use stage::{FittedStage, Loadable, Output, Stage, UNKNOWN_WIDTH};

use crate::error::{Error, Result};
use crate::estimator::Estimator;
use stage::transformed;

/// Stages in their order. Cheap to clone.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_ml::feature::{OneHotEncoder, StringIndexer, VectorAssembler};
/// use firesteel_ml::{Estimator, Pipeline};
/// use firesteel_table::{Table, one_row};
///
/// let rows = [("a", 1.0), ("b", 2.0), ("a", 3.0)];
/// let rows = rows.map(|(s, x)| one_row(&[("s", s.into()), ("x", x.into())]).unwrap());
/// let table = Table::from_batches(&Context::local(), rows.to_vec())?;
/// let pipeline = Pipeline::new()
///     .stage(StringIndexer::new(["s"]).outputs(["s_index"]))
///     .stage(OneHotEncoder::new(["s_index"]).outputs(["s_vector"]))
///     .stage(VectorAssembler::new(["s_vector", "x"]).output("features"));
/// let model = pipeline.fit(&table)?;
/// let row = model.predict_row(&[("s", "b".into()), ("x", 0.5.into())])?;
/// assert_eq!(row.vector("features")?, [0.0, 0.5]); // of two levels the last is left out
/// # Ok::<(), firesteel_ml::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
#[must_use]
pub struct Pipeline {
    /// The stages, in their order.
    pub stages: Vec<Arc<dyn Stage>>,
    /// Columns that scoring can do without, besides those that the stages name themselves.
    pub fit_only: Vec<String>,
    /// How raw rows are written, for [`PipelineModel::csv_reader`].
    pub csv_format: CsvFormat,
}

impl Pipeline {
    /// A pipeline without stages, which changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a stage at the end.
    pub fn stage(mut self, stage: impl Stage) -> Self {
        self.stages.push(Arc::new(stage));
        self
    }

    /// Names columns that scoring can do without: raw ones, or ones that stages make, such as a
    /// label for an estimator outside of the pipeline. What is only needed to make them is not
    /// needed either. Stages name theirs by themselves ([`Stage::fit_columns`]).
    pub fn fit_only<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.fit_only.extend(columns.into_iter().map(Into::into));
        self
    }

    /// Sets how raw rows are written in CSV files (null tokens, delimiter, …), which goes into
    /// the pipeline's file: `.csv_format(reader.format.clone())`.
    pub fn csv_format(self, csv_format: CsvFormat) -> Self {
        Self { csv_format, ..self }
    }

    /// Stage `i`, if it is a `T`.
    #[must_use]
    pub fn stage_at<T: Stage>(&self, i: usize) -> Option<&T> {
        let stage: &dyn Any = &**self.stages.get(i)?;
        stage.downcast_ref()
    }

    /// Checks every stage against the columns that those before it leave; reads no rows. Returns
    /// the columns at the end; vectors whose width shows on fitting have [`UNKNOWN_WIDTH`].
    ///
    /// # Errors
    ///
    /// [`Error::Stage`] with the first stage that does not fit, and why.
    pub fn check(&self, input: &Schema) -> Result<Schema> {
        self.stages.iter().enumerate().try_fold(input.clone(), |schema, (i, stage)| {
            stage.check(&schema).map_err(|error| in_stage(i, stage.kind(), error))
        })
    }
}

impl Estimator<Table> for Pipeline {
    type Model = PipelineModel;

    /// Fits the stages one after the other, each on the table as those before it leave it;
    /// collective.
    ///
    /// # Errors
    ///
    /// [`Error::Stage`] with the stage and what is wrong: a missing column or one of another type
    /// before any row is read; what a fit can meet later.
    ///
    /// # Cost
    ///
    /// What the stages' fits cost, each time through the stages before: a table that is
    /// expensive to compute is better cached.
    fn fit(&self, table: &Table) -> Result<PipelineModel> {
        self.check(table.schema())?;
        let mut now = table.clone();
        let mut fitted: Vec<Arc<dyn FittedStage>> = Vec::with_capacity(self.stages.len());
        for (i, stage) in self.stages.iter().enumerate() {
            let located = |error| in_stage(i, stage.kind(), error);
            let one = stage.fit_stage(&now).map_err(|error| located(no_rows(error, &now)));
            let one: Arc<dyn FittedStage> = one?.into();
            now = transformed(&one, &now).map_err(located)?;
            fitted.push(one);
        }
        let mut fit_only = self.fit_only.clone();
        fit_only.extend(self.stages.iter().flat_map(|stage| stage.fit_columns()));
        PipelineModel::new(fitted, table.schema().clone(), fit_only, self.csv_format.clone())
    }
}

/// A column without values in a table without rows is no fault of the column.
fn no_rows(error: Error, table: &Table) -> Error {
    match error {
        Error::Column { what, .. } if table.count() == Ok(0) => Error::EmptyData { what },
        error => error,
    }
}

fn in_stage(number: usize, kind: &str, error: Error) -> Error {
    match error {
        Error::Stage { .. } => error,
        // What a job reports says where it happened, and must stay what it is on every rank.
        Error::Core(core) if !matches!(core, firesteel_core::Error::Parameter { .. }) => {
            Error::Core(core)
        }
        error => Error::Stage { number, kind: kind.to_owned(), source: Box::new(error) },
    }
}
