//! Logistic regression as a stage of a pipeline.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch};
use firesteel_core::Context;
use firesteel_table::{Schema, Table, Type, Value, dense_vectors, sparse_vectors};
use serde::{Deserialize, Serialize};

use super::LogisticRegression;
use super::inference::{Inference, StandardErrors};
use super::model::{LogisticRegressionModel, LogisticSummary};
use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::file::Saved;
use crate::kernel::{CsrRows, DenseRows, csr_margins, margins, sigmoid};
use crate::pipeline::{FittedStage, Loadable, Output, Stage, UNKNOWN_WIDTH, column, with_columns};
use crate::samples::TableSamples;

/// The columns that a logistic regression over tables reads and makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogisticColumns {
    /// The vector column of the features. Default `features`.
    pub features: String,
    /// The label: 0 and 1, or false and true. Default `label`.
    pub label: String,
    /// The weights. Default: none.
    pub weight: Option<String>,
    /// The groups for clustered standard errors. Default: none.
    pub group: Option<String>,
    /// A column with another value in every row, by which rows are ordered first. Default: none.
    pub row_key: Option<String>,
    /// Made: the log odds. Default `raw_prediction`.
    pub raw_prediction: String,
    /// Made: the probability of class 1. Default `probability`.
    pub probability: String,
    /// Made: the predicted class. Default `prediction`.
    pub prediction: String,
}

impl Default for LogisticColumns {
    fn default() -> Self {
        Self {
            features: "features".into(),
            label: "label".into(),
            weight: None,
            group: None,
            row_key: None,
            raw_prediction: "raw_prediction".into(),
            probability: "probability".into(),
            prediction: "prediction".into(),
        }
    }
}

/// A fitted logistic regression that reads a table's feature column and adds the log odds, the
/// probability of class 1 and the predicted class.
#[derive(Clone, Debug, PartialEq)]
pub struct LogisticRegressionStage {
    /// The model.
    pub model: LogisticRegressionModel,
    /// The columns.
    pub columns: LogisticColumns,
}

impl LogisticRegression {
    /// The samples that these columns of a table hold.
    fn samples(&self, table: &Table) -> TableSamples {
        let columns = &self.columns;
        let mut samples =
            TableSamples::new(table).features([&columns.features]).label(&columns.label);
        if let Some(weight) = &columns.weight {
            samples = samples.weight(weight);
        }
        if let Some(group) = &columns.group {
            samples = samples.group(group);
        }
        if let Some(key) = &columns.row_key {
            samples = samples.row_key(key);
        }
        samples
    }
}

/// Over a table, the columns are those of [`LogisticRegression::columns`].
impl Estimator<Table> for LogisticRegression {
    type Model = LogisticRegressionStage;

    fn fit(&self, table: &Table) -> Result<LogisticRegressionStage> {
        self.check()?;
        let model = self.fit(&self.samples(table).build()?)?;
        Ok(LogisticRegressionStage { model, columns: self.columns.clone() })
    }
}

impl Stage for LogisticRegression {
    fn kind(&self) -> &str {
        LogisticRegressionStage::KIND
    }

    fn check(&self, input: &Schema) -> Result<Schema> {
        LogisticRegression::check(self)?;
        require_features(input, &self.columns.features, None)?;
        let columns = &self.columns;
        for name in [Some(&columns.label), columns.weight.as_ref()].into_iter().flatten() {
            require_type(input, name, "numbers or truth values", |of| {
                matches!(of, Type::Bool | Type::I64 | Type::F64)
            })?;
        }
        for name in [&columns.group, &columns.row_key].into_iter().flatten() {
            require_type(input, name, "whole numbers or text", |of| {
                matches!(of, Type::I64 | Type::String)
            })?;
        }
        Ok(made(columns, input))
    }

    fn fit_stage(&self, table: &Table) -> Result<Box<dyn FittedStage>> {
        Ok(Box::new(Estimator::<Table>::fit(self, table)?))
    }

    fn fit_columns(&self) -> Vec<String> {
        let columns = &self.columns;
        let optional = [&columns.weight, &columns.group, &columns.row_key];
        let optional = optional.into_iter().flatten().cloned();
        std::iter::once(columns.label.clone()).chain(optional).collect()
    }
}

fn made(columns: &LogisticColumns, input: &Schema) -> Schema {
    [&columns.raw_prediction, &columns.probability, &columns.prediction]
        .into_iter()
        .fold(input.clone(), |schema, name| schema.with(name, Type::F64))
}

fn require_type(
    input: &Schema,
    name: &str,
    expected: &str,
    holds: impl Fn(Type) -> bool,
) -> Result<()> {
    let found = input.type_of(name)?;
    if holds(found) {
        return Ok(());
    }
    Err(Error::Table(firesteel_table::Error::TypeMismatch {
        expression: name.into(),
        expected: expected.into(),
        found: found.to_string(),
    }))
}

/// Checks that the features are a vector, of that width if it is known.
fn require_features(input: &Schema, name: &str, width: Option<usize>) -> Result<()> {
    let fits = |size| width.is_none_or(|width| size == width || size == UNKNOWN_WIDTH);
    let expected = width.map_or("a vector".to_owned(), |width| format!("a vector of {width}"));
    require_type(input, name, &expected, |of| match of {
        Type::Vector(size) | Type::SparseVector(size) => fits(size),
        _ => false,
    })
}

impl LogisticRegressionStage {
    /// The log odds of every row of a batch.
    fn margins(&self, batch: &RecordBatch) -> Result<Vec<f64>> {
        let features = column(batch, &self.columns.features)?;
        let n = batch.num_rows();
        let mut out = vec![0.0; n];
        if let Some(row) = (0..n).find(|&row| features.is_null(row)) {
            return Err(self.bad_features(row, "null"));
        }
        let (w, b) = (&self.model.coefficients, self.model.intercept);
        let shape = |error: crate::kernel::ShapeError| Error::Column {
            what: LogisticRegressionStage::KIND.into(),
            column: self.columns.features.clone(),
            problem: error.to_string(),
        };
        if let Ok(vectors) = dense_vectors(features) {
            for (i, row) in (0..n).filter_map(|i| Some((i, vectors.row(i)?))) {
                self.require_finite(i, row, |j| j)?;
            }
            let rows = DenseRows::new(vectors.values(), n, vectors.size()).map_err(shape)?;
            margins(&rows, w, b, &mut out).map_err(shape)?;
        } else {
            let vectors = sparse_vectors(features)?;
            let (mut offsets, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
            for (i, (columns, row)) in (0..n).filter_map(|i| Some((i, vectors.row(i)?))) {
                self.require_finite(i, row, |place| columns[place] as usize)?;
                indices.extend_from_slice(columns);
                values.extend_from_slice(row);
                offsets.push(values.len());
            }
            let rows = CsrRows::new(&offsets, &indices, &values, w.len()).map_err(shape)?;
            csr_margins(&rows, w, b, &mut out).map_err(shape)?;
        }
        Ok(out)
    }

    /// Refuses features that are not finite: they would pass as probabilities of 0, 1 or none.
    fn require_finite(
        &self,
        row: usize,
        values: &[f64],
        at: impl Fn(usize) -> usize,
    ) -> Result<()> {
        let Some(place) = values.iter().position(|x| !x.is_finite()) else { return Ok(()) };
        let name = self.model.names.get(at(place)).map_or("", String::as_str);
        Err(self.bad_features(row, &format!("{} in `{name}`", values[place])))
    }

    fn bad_features(&self, row: usize, found: &str) -> Error {
        Error::Core(firesteel_core::Error::BadValue {
            operation: Self::KIND.into(),
            row: row as u64,
            column: self.columns.features.clone(),
            value: Value::from(found).to_string(),
            expected: "finite features".into(),
        })
    }
}

impl FittedStage for LogisticRegressionStage {
    fn kind(&self) -> &str {
        Self::KIND
    }

    fn outputs(&self) -> Vec<Output> {
        let columns = &self.columns;
        [&columns.raw_prediction, &columns.probability, &columns.prediction]
            .into_iter()
            .map(|name| Output::new(name, [&columns.features]))
            .collect()
    }

    fn output_schema(&self, input: &Schema) -> Result<Schema> {
        let width = Some(self.model.coefficients.len());
        require_features(input, &self.columns.features, width)?;
        Ok(made(&self.columns, input))
    }

    fn transform_batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let margins = self.margins(batch)?;
        let probabilities: Vec<f64> = margins.iter().map(|&margin| sigmoid(margin)).collect();
        let threshold = self.model.threshold;
        let classes: Vec<f64> =
            probabilities.iter().map(|&p| f64::from(u8::from(p > threshold))).collect();
        let floats = |values: Vec<f64>| Arc::new(Float64Array::from(values)) as ArrayRef;
        let columns = &self.columns;
        with_columns(
            batch,
            vec![
                (columns.raw_prediction.as_str(), Type::F64, floats(margins)),
                (columns.probability.as_str(), Type::F64, floats(probabilities)),
                (columns.prediction.as_str(), Type::F64, floats(classes)),
            ],
        )
    }

    fn only(&self, _outputs: &BTreeSet<String>) -> Option<Box<dyn FittedStage>> {
        // All outputs come from the one features column.
        None
    }

    fn to_saved(&self) -> Result<Saved> {
        let model = &self.model;
        let summary = Numbers::take(&model.summary);
        let body = Body {
            columns: self.columns.clone(),
            names: model.names.clone(),
            summary: summary.rest,
        };
        let mut saved = Saved::new(Self::KIND, &body)?
            .with("coefficients", &[model.coefficients.len()], model.coefficients.clone())?
            .with("intercept and threshold", &[2], vec![model.intercept, model.threshold])?;
        for (name, values) in summary.arrays {
            saved = saved.with(name, &[values.len()], values)?;
        }
        Ok(saved)
    }
}

impl LogisticRegressionModel {
    /// The model as a file has it: that of a [`LogisticRegressionStage`] with columns of the
    /// default names, so that it can be loaded as either.
    ///
    /// # Errors
    ///
    /// [`Error::ModelFile`] if it cannot be written as one.
    pub fn to_saved(&self) -> Result<Saved> {
        let columns = LogisticColumns::default();
        LogisticRegressionStage { model: self.clone(), columns }.to_saved()
    }

    /// Writes the model to one file, once, on the root; collective.
    ///
    /// # Errors
    ///
    /// [`firesteel_core::Error::File`], inside [`Error::Core`], if it cannot be written.
    ///
    /// # Examples
    ///
    /// ```
    /// # use firesteel_core::Context;
    /// # use firesteel_ml::classification::{LogisticRegression, LogisticRegressionModel};
    /// # use firesteel_ml::{Estimator, Samples};
    /// # use ndarray::array;
    /// # fn main() -> firesteel_ml::Result<()> {
    /// # let ctx = Context::local();
    /// # let x = array![[0.0], [1.0], [2.0], [3.0]];
    /// # let samples = Samples::from_arrays(&ctx, x, array![0.0, 1.0, 0.0, 1.0])?;
    /// # let path = std::env::temp_dir().join(format!("readmission-{}.fsm", std::process::id()));
    /// let model = LogisticRegression::new().fit(&samples)?;
    /// model.save(&ctx, &path)?;
    /// assert_eq!(LogisticRegressionModel::load(&path)?, model);
    /// # std::fs::remove_file(path).ok();
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn save(&self, ctx: &Context, path: impl AsRef<Path>) -> Result<()> {
        self.to_saved()?.save(ctx, path)
    }

    /// Reads a model from a file, by this process alone.
    ///
    /// # Errors
    ///
    /// [`firesteel_core::Error::File`], inside [`Error::Core`], if it cannot be read;
    /// [`Error::ModelFile`] if it is damaged, or another kind of model.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Ok(LogisticRegressionStage::from_saved(&Saved::read(path)?)?.model)
    }
}

/// What stands in a file's JSON; numbers are in its arrays.
#[derive(Serialize, Deserialize)]
struct Body {
    columns: LogisticColumns,
    names: Vec<String>,
    summary: LogisticSummary,
}

const HISTORY: &str = "objective history";
const FIT: &str = "fit";
const PLAIN: [&str; 2] = ["estimates", "covariance"];
const CLUSTERED: [&str; 2] = ["clustered estimates", "clustered covariance"];

/// A summary taken apart: its numbers as arrays (exact, and finite or not), the rest with zeros
/// and empty lists in their place.
struct Numbers {
    rest: LogisticSummary,
    arrays: Vec<(&'static str, Vec<f64>)>,
}

impl Numbers {
    fn take(summary: &LogisticSummary) -> Self {
        let mut rest = summary.clone();
        let mut arrays = vec![(HISTORY, std::mem::take(&mut rest.objective_history))];
        let fit = [
            &mut rest.log_loss,
            &mut rest.log_likelihood,
            &mut rest.null_log_likelihood,
            &mut rest.weight,
        ];
        arrays.push((FIT, fit.into_iter().map(std::mem::take).collect()));
        for (names, inference) in inferences(&mut rest.standard_errors) {
            arrays.push((names[0], std::mem::take(&mut inference.estimates)));
            arrays.push((names[1], std::mem::take(&mut inference.covariance)));
        }
        Self { rest, arrays }
    }

    fn put_back(mut rest: LogisticSummary, saved: &Saved) -> Result<LogisticSummary> {
        rest.objective_history = saved.vector::<f64>(HISTORY)?.to_vec();
        let &[log_loss, log_likelihood, null_log_likelihood, weight] = saved.vector::<f64>(FIT)?
        else {
            return Err(saved.wrong("array `fit` must have four numbers"));
        };
        (rest.log_loss, rest.log_likelihood) = (log_loss, log_likelihood);
        (rest.null_log_likelihood, rest.weight) = (null_log_likelihood, weight);
        for (names, inference) in inferences(&mut rest.standard_errors) {
            inference.estimates = saved.vector::<f64>(names[0])?.to_vec();
            inference.covariance = saved.vector::<f64>(names[1])?.to_vec();
            let k = inference.names.len();
            if inference.estimates.len() != k || inference.covariance.len() != k * k {
                return Err(saved.wrong("the covariance does not fit the coefficients"));
            }
        }
        Ok(rest)
    }
}

fn inferences(errors: &mut StandardErrors) -> Vec<([&'static str; 2], &mut Inference)> {
    match errors {
        StandardErrors::Available { plain, clustered } => {
            let clustered = clustered.iter_mut().flatten().map(|inference| (CLUSTERED, inference));
            std::iter::once((PLAIN, plain)).chain(clustered).collect()
        }
        StandardErrors::Unavailable(_) => Vec::new(),
    }
}

impl Loadable for LogisticRegressionStage {
    const KIND: &'static str = "logistic_regression";

    fn from_saved(saved: &Saved) -> Result<Self> {
        let body: Body = saved.expect_kind(Self::KIND)?.body()?;
        let coefficients = saved.vector::<f64>("coefficients")?.to_vec();
        let &[intercept, threshold] = saved.vector::<f64>("intercept and threshold")? else {
            return Err(saved.wrong("intercept and threshold must be two numbers"));
        };
        if body.names.len() != coefficients.len() {
            return Err(saved.wrong(format!(
                "{} names for {} coefficients",
                body.names.len(),
                coefficients.len()
            )));
        }
        let summary = Numbers::put_back(body.summary, saved)?;
        let names = body.names;
        let model = LogisticRegressionModel { coefficients, intercept, threshold, names, summary };
        Ok(Self { model, columns: body.columns })
    }
}
