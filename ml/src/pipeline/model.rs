//! A fitted pipeline.

use std::any::Any;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use arrow_array::RecordBatch;
use firesteel_table::{CsvFormat, CsvReader, Schema, Table, Type, Value, col};

use super::columns::with_columns;
use super::needs::{makeable, needs};
use super::row::ScoredRow;
use super::stage::FittedStage;
use crate::error::{Error, Result};
use crate::estimator::Transformer;

/// A fitted pipeline: fitted stages, and what raw rows look like. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PipelineModel {
    stages: Arc<[Arc<dyn FittedStage>]>,
    input: Schema,
    fit_only: Vec<String>,
    csv_format: CsvFormat,
    /// The raw columns that scoring needs, in the order of the input.
    needed: Schema,
    /// How rows of just the needed columns are scored.
    row_plan: Arc<OnceLock<Result<Plan>>>,
}

/// How tables with certain columns are scored.
#[derive(Clone, Debug)]
struct Plan {
    /// Whole numbers where floats are expected.
    widened: Arc<[String]>,
    stages: Arc<[Arc<dyn FittedStage>]>,
    output: Schema,
}

impl PipelineModel {
    pub(super) fn new(
        stages: Vec<Arc<dyn FittedStage>>,
        input: Schema,
        fit_only: Vec<String>,
        csv_format: CsvFormat,
    ) -> Result<Self> {
        let outputs: Vec<_> = stages.iter().map(|stage| stage.outputs()).collect();
        let needed = needs(&outputs, &fit_only);
        let missing: Vec<_> = needed.iter().filter(|name| !input.contains(name)).cloned().collect();
        if !missing.is_empty() {
            return Err(Error::MissingColumns { what: "pipeline".to_owned(), columns: missing });
        }
        let mut unique = BTreeSet::new();
        let fit_only = fit_only.into_iter().filter(|name| unique.insert(name.clone())).collect();
        let needed: Vec<&str> = input.names().filter(|&name| needed.contains(name)).collect();
        let needed = input.select(&needed)?;
        let (stages, row_plan) = (stages.into(), Arc::default());
        Ok(Self { stages, input, fit_only, csv_format, needed, row_plan })
    }

    /// The fitted stages, in their order.
    pub fn stages(&self) -> impl ExactSizeIterator<Item = &dyn FittedStage> {
        self.stages.iter().map(|stage| &**stage)
    }

    /// Stage `i`, if it is a `T`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use firesteel_core::Context;
    /// # use firesteel_ml::feature::{Derive, DeriveModel};
    /// # use firesteel_ml::{Estimator, Pipeline};
    /// # use firesteel_table::{Table, Value, col, one_row};
    /// # let table = Table::from_batches(&Context::local(), vec![one_row(&[("x", 1.into())])?])?;
    /// let model = Pipeline::new().stage(Derive::new("y", col("x") + 1)).fit(&table)?;
    /// assert!(model.stage::<DeriveModel>(0).is_some());
    /// assert_eq!(model.predict_row(&[("x", 5.into())])?.value("y")?, Value::I64(6));
    /// # Ok::<(), firesteel_ml::Error>(())
    /// ```
    #[must_use]
    pub fn stage<T: FittedStage>(&self, i: usize) -> Option<&T> {
        let stage: &dyn Any = &**self.stages.get(i)?;
        stage.downcast_ref()
    }

    /// The last stage that is a `T`: the model behind the feature stages.
    #[must_use]
    pub fn find<T: FittedStage>(&self) -> Option<&T> {
        (0..self.stages.len()).rev().find_map(|i| self.stage(i))
    }

    /// The columns of the table that it was fitted on.
    #[must_use]
    pub fn input_schema(&self) -> &Schema {
        &self.input
    }

    /// Those of its columns that scoring needs.
    #[must_use]
    pub fn needed_schema(&self) -> &Schema {
        &self.needed
    }

    /// The columns that only fitting needed: labels, weights, groups.
    #[must_use]
    pub fn fit_only(&self) -> &[String] {
        &self.fit_only
    }

    /// How raw rows are written in CSV files.
    #[must_use]
    pub fn csv_format(&self) -> &CsvFormat {
        &self.csv_format
    }

    /// A reader of raw rows, set up as the pipeline needs it: format, null tokens, the types of
    /// the needed columns. Other columns of the file come along; their types are inferred. A
    /// needed column that the file lacks is an error that names it.
    pub fn csv_reader(&self, path: impl AsRef<Path>) -> CsvReader {
        let mut format = self.csv_format.clone();
        format.column_null_tokens.retain(|(column, _)| self.needed.contains(column));
        let reader = CsvReader::new(path).format(format);
        self.needed
            .fields()
            .iter()
            .fold(reader, |reader, field| reader.column_type(&field.name, field.data_type))
    }

    /// The columns that [`transform`](Transformer::transform) makes of these.
    ///
    /// # Errors
    ///
    /// Those of [`transform`](Transformer::transform).
    pub fn output_schema(&self, input: &Schema) -> Result<Schema> {
        Ok(self.plan(input)?.output)
    }

    /// Scores one row, without a context. The columns that scoring needs must be there, others
    /// of the input may be; the order does not matter, and a whole number is welcome in a column
    /// of floats.
    ///
    /// # Errors
    ///
    /// [`Error::MissingColumns`]; a name that is none of the input, a value of another type, and
    /// what the stages say of it; [`Error::EmptyData`] if a stage leaves the row out.
    ///
    /// # Examples
    ///
    /// See [`Pipeline`](super::Pipeline).
    pub fn predict_row(&self, values: &[(&str, Value)]) -> Result<ScoredRow> {
        for (name, _) in values {
            self.input.index_of(name)?;
        }
        let given = |name: &str| values.iter().any(|(given, _)| *given == name);
        self.require(given)?;
        let needed: Vec<&(&str, Value)> =
            values.iter().filter(|(name, _)| self.needed.contains(name)).collect();
        let needed: Vec<(&str, Value)> = needed.into_iter().cloned().collect();
        let row = self.needed.row(&needed)?;
        let plan = self.row_plan.get_or_init(|| self.plan(&self.needed));
        ScoredRow::new(plan.as_ref().map_err(Clone::clone)?.transform(&row)?)
    }

    /// An error that names the needed columns of which that is not true.
    fn require(&self, is_there: impl Fn(&str) -> bool) -> Result<()> {
        let missing = self.needed.names().filter(|name| !is_there(name));
        let columns: Vec<String> = missing.map(str::to_owned).collect();
        match columns.is_empty() {
            true => Ok(()),
            false => Err(Error::MissingColumns { what: "pipeline".to_owned(), columns }),
        }
    }

    /// How a table with these columns is scored: by all stages, or, if columns are not there that
    /// only fitting needed, without what would be made of them.
    fn plan(&self, have: &Schema) -> Result<Plan> {
        self.require(|name| have.contains(name))?;
        let mut available: BTreeSet<String> = have.names().map(str::to_owned).collect();
        let mut widened = Vec::new();
        let mut schema = have.clone();
        for field in self.input.fields().iter().filter(|field| have.contains(&field.name)) {
            match (field.data_type, have.type_of(&field.name)?) {
                (expected, found) if expected == found => {}
                (Type::F64, Type::I64) => {
                    widened.push(field.name.clone());
                    schema = schema.with(&field.name, Type::F64);
                }
                (expected, found) if self.needed.contains(&field.name) => {
                    let mismatch = firesteel_table::Error::TypeMismatch {
                        expression: field.name.clone(),
                        expected: format!("{expected}, as the pipeline was fitted on"),
                        found: found.to_string(),
                    };
                    return Err(mismatch.into());
                }
                _ => {
                    available.remove(&field.name);
                }
            }
        }
        let mut stages: Vec<Arc<dyn FittedStage>> = Vec::new();
        for stage in self.stages.iter() {
            let outputs = stage.outputs();
            let made = makeable(&outputs, &mut available);
            let stage = if outputs.iter().all(|output| made.contains(&output.column)) {
                Arc::clone(stage)
            } else if made.is_empty() {
                continue;
            } else if let Some(part) = stage.only(&made) {
                part.into()
            } else {
                let from = outputs.into_iter().filter(|output| !made.contains(&output.column));
                let columns = from.flat_map(|output| output.from);
                let columns = columns.filter(|name| !available.contains(name)).collect();
                return Err(Error::MissingColumns { what: stage.kind().to_owned(), columns });
            };
            schema = stage.output_schema(&schema)?;
            stages.push(stage);
        }
        Ok(Plan { widened: widened.into(), stages: stages.into(), output: schema })
    }
}

impl Plan {
    fn transform(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut wide = Vec::with_capacity(self.widened.len());
        for name in self.widened.iter() {
            wide.push((name.as_str(), Type::F64, col(name).cast(Type::F64).evaluate(batch)?));
        }
        let batch = if wide.is_empty() { batch.clone() } else { with_columns(batch, wide)? };
        self.stages.iter().try_fold(batch, |batch, stage| stage.transform_batch(&batch))
    }
}

impl Transformer<Table> for PipelineModel {
    type Output = Table;

    /// Adds the stages' columns to a table of raw rows, lazily. Columns that scoring does not
    /// need may be missing, or have another type; then what only they lead to is not made. Whole
    /// numbers are welcome where the fit had floats.
    ///
    /// # Errors
    ///
    /// [`Error::MissingColumns`], and a needed column of another type. Values that a stage cannot
    /// take are errors of the action that meets them.
    fn transform(&self, table: &Table) -> Result<Table> {
        let plan = self.plan(table.schema())?;
        Ok(table.map_batches(plan.output.clone(), move |batch| plan.transform(batch)))
    }
}
