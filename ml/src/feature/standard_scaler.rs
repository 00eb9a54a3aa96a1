//! Numbers of unit spread.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch};
use arrow_buffer::NullBuffer;
use firesteel_table::{
    Field, Schema, SparseVectorBuilder, Table, Type, dense_vector_column, dense_vectors,
    sparse_vectors,
};
use serde::{Deserialize, Serialize};

use super::moments::{Spread, Values, spreads};
use super::numbers::{Numbers, bad_value};
use super::pairs::{Pair, check_saved, pairs, wrong_type};
use super::{element_names, with_element_names};
use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::file::Saved;
use crate::pipeline::{FittedStage, Loadable, Output, Stage, column, with_columns};

/// By which standard deviation numbers are divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scaling {
    /// The sample's, with `n − 1` below the sum of squares, as in MLlib.
    #[default]
    Sample,
    /// The population's, with `n`, as in scikit-learn and glmnet.
    Population,
}

/// Divides numbers by their standard deviation, and takes their mean away before if asked to.
///
/// Columns of numbers, and of vectors, position by position. A constant column becomes 0 if it is
/// divided (MLlib's rule: standard deviation 0, factor 0). Nulls stay nulls and do not count.
/// Sparse vectors stay sparse unless means are taken away.
///
/// # Cost
///
/// One pass over the columns, whose sums are exact; beyond 2048 numbers a row two, with sums over
/// blocks of rows, which travel once if their block is on another rank.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_ml::feature::StandardScaler;
/// use firesteel_ml::{Estimator, Transformer};
/// use firesteel_table::{Table, one_row};
///
/// let rows = [1.0, 2.0, 3.0].map(|x| one_row(&[("x", x.into())]).unwrap());
/// let table = Table::from_batches(&Context::local(), rows.to_vec())?;
/// let model = StandardScaler::new(["x"]).with_mean(true).fit(&table)?;
/// assert_eq!((model.mean("x").unwrap(), model.std("x").unwrap()), (&[2.0][..], &[1.0][..]));
/// assert_eq!(model.transform(&table)?.column_f64("x")?, [-1.0, 0.0, 1.0]);
/// # Ok::<(), firesteel_ml::Error>(())
/// ```
///
/// # References
///
/// T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating Formulae and a Pairwise Algorithm for
/// Computing Sample Variances", Stanford STAN-CS-79-773, 1979.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct StandardScaler {
    /// The columns.
    pub inputs: Vec<String>,
    /// What they become, in the same order. Default: they are replaced.
    pub outputs: Vec<String>,
    /// Whether the mean is taken away; makes sparse vectors dense. Default: no.
    pub with_mean: bool,
    /// Whether numbers are divided by the standard deviation. Default: yes.
    pub with_std: bool,
    /// By which standard deviation. Default: the sample's.
    pub scaling: Scaling,
}

impl StandardScaler {
    /// Scales these columns; everything else starts at its default.
    pub fn new<S: Into<String>>(inputs: impl IntoIterator<Item = S>) -> Self {
        Self {
            inputs: inputs.into_iter().map(Into::into).collect(),
            outputs: Vec::new(),
            with_mean: false,
            with_std: true,
            scaling: Scaling::default(),
        }
    }

    /// Sets the names of the results.
    pub fn outputs<S: Into<String>>(self, outputs: impl IntoIterator<Item = S>) -> Self {
        Self { outputs: outputs.into_iter().map(Into::into).collect(), ..self }
    }

    /// Sets whether the mean is taken away.
    pub fn with_mean(self, with_mean: bool) -> Self {
        Self { with_mean, ..self }
    }

    /// Sets whether numbers are divided by the standard deviation.
    pub fn with_std(self, with_std: bool) -> Self {
        Self { with_std, ..self }
    }

    /// Sets by which standard deviation numbers are divided.
    pub fn scaling(self, scaling: Scaling) -> Self {
        Self { scaling, ..self }
    }
}

/// The numbers of a column, position by position, and how many zeros are not among them.
fn values(batch: &RecordBatch, input: &str, of: Type, first: u64) -> Result<Values> {
    let check = |row: usize, x: f64| {
        let row = first as usize + row;
        let expected = "a finite number";
        let wrong = || bad_value("standard_scaler", row, input, x.to_string(), expected);
        if x.is_finite() { Ok(x) } else { Err(wrong()) }
    };
    match of {
        Type::Vector(width) => {
            let vectors = dense_vectors(column(batch, input)?)?;
            let mut all = vec![(Vec::with_capacity(vectors.len()), 0); width];
            for row in 0..vectors.len() {
                for (x, (values, _)) in vectors.row(row).unwrap_or_default().iter().zip(&mut all) {
                    values.push(check(row, *x)?);
                }
            }
            Ok(all)
        }
        Type::SparseVector(width) => {
            let vectors = sparse_vectors(column(batch, input)?)?;
            let mut all = vec![(Vec::new(), 0); width];
            let mut rows = 0;
            for row in 0..vectors.len() {
                let Some((indices, values)) = vectors.row(row) else { continue };
                rows += 1;
                for (&i, &x) in indices.iter().zip(values) {
                    if let Some((values, _)) = all.get_mut(i as usize) {
                        values.push(check(row, x)?);
                    }
                }
            }
            all.iter_mut().for_each(|(values, zeros)| *zeros = rows - values.len() as u64);
            Ok(all)
        }
        _ => {
            let numbers = Numbers::of(batch, input)?;
            let present = numbers.iter(batch.num_rows()).enumerate();
            let present = present.filter_map(|(row, x)| x.map(|x| check(row, x)));
            Ok(vec![(present.collect::<Result<_>>()?, 0)])
        }
    }
}

impl Estimator<Table> for StandardScaler {
    type Model = StandardScalerModel;

    /// Finds means and standard deviations; collective.
    ///
    /// # Errors
    ///
    /// A parameter, column or type that does not fit; [`Error::Column`] for a column without any
    /// value; a value that is not finite, by its row.
    fn fit(&self, table: &Table) -> Result<StandardScalerModel> {
        self.check(table.schema())?;
        let pairs = pairs(&self.inputs, &self.outputs)?;
        let types = self.inputs.iter().map(|input| Ok(table.schema().type_of(input)?));
        let types: Vec<Type> = types.collect::<Result<_>>()?;
        let columns: Vec<(String, Type)> = self.inputs.iter().cloned().zip(types.clone()).collect();
        let positions = types.iter().map(|&of| width_of(of).unwrap_or(1)).sum();
        let values = move |batch: &RecordBatch, first: u64| {
            let all = columns.iter().map(|(input, of)| values(batch, input, *of, first));
            Ok(all.collect::<Result<Vec<_>>>()?.concat())
        };
        let spreads = spreads(table, &self.inputs, positions, self.scaling, values)?;
        let mut rest = spreads.as_slice();
        let mut scaled = Vec::with_capacity(pairs.len());
        for (pair, of) in pairs.into_iter().zip(types) {
            let (own, others) = rest.split_at(width_of(of).unwrap_or(1).min(rest.len()));
            rest = others;
            if own.iter().any(|spread| spread.count == 0) {
                let problem = "has no value to take a spread of";
                return Err(Error::column(StandardScalerModel::KIND, pair.input, problem));
            }
            scaled.push(Scaled {
                pair,
                is_vector: width_of(of).is_some(),
                mean: own.iter().map(|spread: &Spread| spread.mean).collect(),
                std: own.iter().map(|spread| spread.std).collect(),
            });
        }
        Ok(StandardScalerModel {
            columns: scaled,
            with_mean: self.with_mean,
            with_std: self.with_std,
        })
    }
}

impl Stage for StandardScaler {
    fn kind(&self) -> &str {
        StandardScalerModel::KIND
    }

    fn check(&self, input: &Schema) -> Result<Schema> {
        pairs(&self.inputs, &self.outputs)?.iter().try_fold(input.clone(), |schema, pair| {
            Ok(schema.with(&pair.output, scaled_type(input, &pair.input, self.with_mean)?))
        })
    }

    fn fit_stage(&self, table: &Table) -> Result<Box<dyn FittedStage>> {
        Ok(Box::new(self.fit(table)?))
    }
}

fn width_of(of: Type) -> Option<usize> {
    match of {
        Type::Vector(width) | Type::SparseVector(width) => Some(width),
        _ => None,
    }
}

fn scaled_type(schema: &Schema, input: &str, with_mean: bool) -> Result<Type> {
    match schema.type_of(input)? {
        Type::Bool | Type::I64 | Type::F64 => Ok(Type::F64),
        Type::SparseVector(width) if with_mean => Ok(Type::Vector(width)),
        vector @ (Type::Vector(_) | Type::SparseVector(_)) => Ok(vector),
        other => Err(wrong_type(input, "numbers or vectors", other)),
    }
}

/// Means and standard deviations; made by [`StandardScaler`].
#[derive(Clone, Debug)]
pub struct StandardScalerModel {
    columns: Vec<Scaled>,
    with_mean: bool,
    with_std: bool,
}

#[derive(Clone, Debug)]
struct Scaled {
    pair: Pair,
    is_vector: bool,
    mean: Vec<f64>,
    std: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    columns: Vec<BodyColumn>,
    with_mean: bool,
    with_std: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BodyColumn {
    pair: Pair,
    is_vector: bool,
    width: usize,
}

impl StandardScalerModel {
    /// The mean of a column; of a vector's, one for each position.
    #[must_use]
    pub fn mean(&self, input: &str) -> Option<&[f64]> {
        self.scaled(input).map(|scaled| &*scaled.mean)
    }

    /// The standard deviation of a column; of a vector's, one for each position.
    #[must_use]
    pub fn std(&self, input: &str) -> Option<&[f64]> {
        self.scaled(input).map(|scaled| &*scaled.std)
    }

    fn scaled(&self, input: &str) -> Option<&Scaled> {
        self.columns.iter().find(|scaled| scaled.pair.input == input)
    }

    /// What is taken away from numbers, and what they are multiplied with.
    fn shift_and_factor(&self, scaled: &Scaled, i: usize) -> (f64, f64) {
        let factor = match scaled.std[i] {
            _ if !self.with_std => 1.0,
            std if std > 0.0 => 1.0 / std,
            _ => 0.0,
        };
        (if self.with_mean { scaled.mean[i] } else { 0.0 }, factor)
    }

    fn scale(&self, scaled: &Scaled, batch: &RecordBatch) -> Result<(Type, ArrayRef)> {
        let input = &scaled.pair.input;
        let apply = |i: usize, x: f64| {
            let (shift, factor) = self.shift_and_factor(scaled, i);
            (x - shift) * factor
        };
        if !scaled.is_vector {
            let numbers = Numbers::of(batch, input)?;
            let numbers = numbers.iter(batch.num_rows()).map(|x| x.map(|x| apply(0, x)));
            return Ok((Type::F64, Arc::new(numbers.collect::<Float64Array>())));
        }
        let width = scaled.mean.len();
        let array = column(batch, input)?;
        let fits = |found: usize| match found == width {
            true => Ok(()),
            false => Err(wrong_type(input, &format!("of width {width}"), Type::Vector(found))),
        };
        if let Ok(vectors) = dense_vectors(array) {
            fits(vectors.size())?;
            let values = vectors.values().iter().enumerate();
            let values = values.map(|(at, &x)| apply(at % width, x)).collect();
            let column = dense_vector_column(width, values)?;
            return Ok((Type::Vector(width), with_nulls(column, array.nulls())?));
        }
        let vectors = sparse_vectors(array)?;
        if !vectors.is_empty() {
            fits(vectors.size())?;
        }
        if self.with_mean {
            let mut all = vec![0.0; width * vectors.len()];
            for (row, to) in all.chunks_mut(width.max(1)).enumerate() {
                let (indices, values) = vectors.row(row).unwrap_or_default();
                indices.iter().zip(values).for_each(|(&i, &x)| to[i as usize] = x);
                to.iter_mut().enumerate().for_each(|(i, x)| *x = apply(i, *x));
            }
            let column = dense_vector_column(width, all)?;
            return Ok((Type::Vector(width), with_nulls(column, array.nulls())?));
        }
        let mut builder = SparseVectorBuilder::new(width)?;
        for row in 0..vectors.len() {
            match vectors.row(row) {
                None => builder.push_null(),
                Some((indices, values)) => {
                    let scaled = indices.iter().zip(values);
                    let scaled: Vec<f64> = scaled.map(|(&i, &x)| apply(i as usize, x)).collect();
                    builder.push(indices, &scaled)?;
                }
            }
        }
        Ok((Type::SparseVector(width), builder.finish()?))
    }
}

/// The vectors with the gaps of the column they were made from.
fn with_nulls(column: ArrayRef, nulls: Option<&NullBuffer>) -> Result<ArrayRef> {
    let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else { return Ok(column) };
    let data = column.to_data().into_builder().nulls(Some(nulls.clone())).build();
    let data = data.map_err(|error| {
        let doing = "making a vector column".to_owned();
        Error::Table(firesteel_table::Error::Arrow { doing, problem: error.to_string() })
    })?;
    Ok(arrow_array::make_array(data))
}

impl FittedStage for StandardScalerModel {
    fn kind(&self) -> &str {
        Self::KIND
    }

    fn outputs(&self) -> Vec<Output> {
        self.columns.iter().map(|scaled| scaled.pair.as_output()).collect()
    }

    fn output_schema(&self, input: &Schema) -> Result<Schema> {
        self.columns.iter().try_fold(input.clone(), |schema, scaled| {
            let Pair { input: name, output } = &scaled.pair;
            let found = input.type_of(name)?;
            let of = scaled_type(input, name, self.with_mean)?;
            let expected = scaled.is_vector.then_some(scaled.mean.len());
            if width_of(found) != expected {
                let expected = expected.map_or("a number".to_owned(), |w| format!("of width {w}"));
                return Err(wrong_type(name, &expected, found));
            }
            let field = Field::new(output, of);
            let field = match scaled.is_vector {
                true => with_element_names(field, &element_names(input, name)?),
                false => field,
            };
            Ok(schema.with_field(field))
        })
    }

    fn transform_batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut new = Vec::with_capacity(self.columns.len());
        for scaled in &self.columns {
            let (of, column) = self.scale(scaled, batch)?;
            new.push((scaled.pair.output.as_str(), of, column));
        }
        with_columns(batch, new)
    }

    fn only(&self, outputs: &BTreeSet<String>) -> Option<Box<dyn FittedStage>> {
        let columns = self.columns.iter().filter(|scaled| outputs.contains(&scaled.pair.output));
        Some(Box::new(Self { columns: columns.cloned().collect(), ..*self }))
    }

    fn to_saved(&self) -> Result<Saved> {
        let column = |scaled: &Scaled| BodyColumn {
            pair: scaled.pair.clone(),
            is_vector: scaled.is_vector,
            width: scaled.mean.len(),
        };
        let columns = self.columns.iter().map(column).collect();
        let body = Body { columns, with_mean: self.with_mean, with_std: self.with_std };
        let all = |of: fn(&Scaled) -> &Vec<f64>| -> Vec<f64> {
            self.columns.iter().flat_map(|scaled| of(scaled).iter().copied()).collect()
        };
        let (mean, std) = (all(|scaled| &scaled.mean), all(|scaled| &scaled.std));
        let n = mean.len();
        Saved::new(Self::KIND, &body)?.with("mean", &[n], mean)?.with("std", &[n], std)
    }
}

impl Loadable for StandardScalerModel {
    const KIND: &'static str = "standard_scaler";

    fn from_saved(saved: &Saved) -> Result<Self> {
        let body: Body = saved.expect_kind(Self::KIND)?.body()?;
        let (mut mean, mut std) = (saved.vector::<f64>("mean")?, saved.vector::<f64>("std")?);
        let wrong = || saved.wrong("a scaler with numbers for other columns");
        let mut take = |width: usize| {
            let (m, rest) = mean.split_at_checked(width)?;
            let (s, others) = std.split_at_checked(width)?;
            (mean, std) = (rest, others);
            Some((m.to_vec(), s.to_vec()))
        };
        let mut columns = Vec::new();
        for BodyColumn { pair, is_vector, width } in body.columns {
            let (mean, std) = take(width).ok_or_else(wrong)?;
            if !is_vector && width != 1 {
                return Err(wrong());
            }
            columns.push(Scaled { pair, is_vector, mean, std });
        }
        if !(mean.is_empty() && std.is_empty()) {
            return Err(wrong());
        }
        check_saved(saved, columns.iter().map(|scaled| scaled.pair.output.clone()))?;
        Ok(Self { columns, with_mean: body.with_mean, with_std: body.with_std })
    }
}
