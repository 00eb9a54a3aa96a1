//! Values where there are none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch};
use firesteel_table::{Schema, Table, Type};
use serde::{Deserialize, Serialize};

use super::Scaling;
use super::blocks::count_rows;
use super::moments::spreads;
use super::numbers::{Numbers, bad_value};
use super::pairs::{Pair, check_saved, distinct, pairs, wrong_type};
use super::select::{Sought, key_of, select, value_of};
use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::file::{Saved, finite_or_text};
use crate::pipeline::{FittedStage, Loadable, Output, Stage, with_columns};

/// Which value takes the place of a missing one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Strategy {
    /// The mean.
    #[default]
    Mean,
    /// The median, exactly; of an even number of values the mean of the two in the middle.
    Median,
    /// The most frequent value; of equally frequent ones the least.
    Mode,
}

/// Fills in missing numbers: nulls, NaN, and a placeholder if there is one.
///
/// Whole numbers become floats, unless the mode takes the missing ones' place.
///
/// # Cost
///
/// One pass for means and for modes (for these, each rank's table of distinct values travels); for
/// medians one that keeps 8 bytes a value, and eight over these.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_ml::feature::{Imputer, Strategy};
/// use firesteel_ml::{Estimator, Transformer};
/// use firesteel_table::{Table, Value, one_row};
///
/// let rows = [Value::F64(1.0), Value::F64(2.0), Value::F64(6.0), Value::F64(f64::NAN)];
/// let rows = rows.map(|x| one_row(&[("x", x)]).unwrap());
/// let table = Table::from_batches(&Context::local(), rows.to_vec())?;
/// let imputer = Imputer::new(["x"]).strategy(Strategy::Median).indicators(true);
/// let filled = imputer.fit(&table)?.transform(&table)?;
/// assert_eq!(filled.column_f64("x")?, [1.0, 2.0, 6.0, 2.0]);
/// assert_eq!(filled.column_f64("x_missing")?, [0.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), firesteel_ml::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct Imputer {
    /// The columns.
    pub inputs: Vec<String>,
    /// What they become, in the same order. Default: they are replaced.
    pub outputs: Vec<String>,
    /// Which value takes the place of a missing one. Default: the mean.
    pub strategy: Strategy,
    /// A number that stands for a missing one, besides null and NaN. Default NaN.
    pub missing_value: f64,
    /// Whether a column `…_missing` says where a value was missing. Default: no.
    pub indicators: bool,
}

impl Imputer {
    /// Fills in these columns; everything else starts at its default.
    pub fn new<S: Into<String>>(inputs: impl IntoIterator<Item = S>) -> Self {
        Self {
            inputs: inputs.into_iter().map(Into::into).collect(),
            outputs: Vec::new(),
            strategy: Strategy::default(),
            missing_value: f64::NAN,
            indicators: false,
        }
    }

    /// Sets the names of the results.
    pub fn outputs<S: Into<String>>(self, outputs: impl IntoIterator<Item = S>) -> Self {
        Self { outputs: outputs.into_iter().map(Into::into).collect(), ..self }
    }

    /// Sets which value takes the place of a missing one.
    pub fn strategy(self, strategy: Strategy) -> Self {
        Self { strategy, ..self }
    }

    /// Sets a number that stands for a missing one.
    pub fn missing_value(self, missing_value: f64) -> Self {
        Self { missing_value, ..self }
    }

    /// Sets whether a column `…_missing` says where a value was missing.
    pub fn indicators(self, indicators: bool) -> Self {
        Self { indicators, ..self }
    }

    fn means(&self, table: &Table) -> Result<Vec<Option<f64>>> {
        let (inputs, missing) = (self.inputs.clone(), self.missing_value);
        let values = move |batch: &RecordBatch, first: u64| {
            inputs.iter().map(|input| Ok((present(batch, input, missing, first)?, 0))).collect()
        };
        let positions = self.inputs.len();
        let spreads = spreads(table, &self.inputs, positions, Scaling::default(), values)?;
        Ok(spreads.iter().map(|spread| (spread.count > 0).then_some(spread.mean)).collect())
    }

    fn medians(&self, table: &Table) -> Result<Vec<Option<f64>>> {
        let narrow = table.select(&self.inputs)?;
        let (inputs, missing) = (self.inputs.clone(), self.missing_value);
        let keys = narrow.batches().try_map(move |batch| {
            keys(&batch.0, &inputs, missing).map_err(firesteel_core::Error::from)
        });
        let keys = keys.cache();
        let count = |mut counts: Vec<u64>, keys: &Vec<Vec<u64>>| {
            counts.iter_mut().zip(keys).for_each(|(count, keys)| *count += keys.len() as u64);
            counts
        };
        let add = |a: Vec<u64>, b: Vec<u64>| a.iter().zip(&b).map(|(a, b)| a + b).collect();
        let counts = keys.tree_aggregate(vec![0; self.inputs.len()], count, add)?;
        let middle = |(column, &n): (usize, &u64)| {
            [n.saturating_sub(1) / 2, n / 2].map(|rank| Sought { column, rank })
        };
        let sought: Vec<Sought> = counts.iter().enumerate().flat_map(middle).collect();
        let found = select(&keys, &sought)?;
        let median = |(&n, pair): (&u64, &[f64])| {
            // Halved first: the sum of two large values may be too large.
            let middle = pair[0] / 2.0 + pair[1] / 2.0;
            (n > 0).then_some(if n % 2 == 1 { pair[0] } else { middle })
        };
        Ok(counts.iter().zip(found.chunks(2)).map(median).collect())
    }

    fn modes(&self, table: &Table) -> Result<Vec<Option<f64>>> {
        let (inputs, missing) = (&self.inputs, self.missing_value);
        type Counts = Vec<BTreeMap<u64, u64>>;
        let count = |mut counts: Counts, batch: &RecordBatch| {
            for (counts, keys) in counts.iter_mut().zip(keys(batch, inputs, missing)?) {
                keys.into_iter().for_each(|key| *counts.entry(key).or_default() += 1);
            }
            Ok(counts)
        };
        let merge = |mut a: Counts, b: Counts| {
            for (a, b) in a.iter_mut().zip(b) {
                b.into_iter().for_each(|(key, count)| *a.entry(key).or_default() += count);
            }
            a
        };
        let zero = vec![BTreeMap::new(); inputs.len()];
        let counts = count_rows(table, inputs, zero, count, merge)?;
        let mode = |counts: &BTreeMap<u64, u64>| {
            let most = counts.iter().max_by_key(|&(&key, &count)| (count, u64::MAX - key));
            most.map(|(&key, _)| value_of(key))
        };
        Ok(counts.iter().map(mode).collect())
    }
}

/// The present values of a column, which must be finite.
fn present(batch: &RecordBatch, input: &str, missing: f64, first: u64) -> Result<Vec<f64>> {
    let numbers = Numbers::of(batch, input)?;
    let mut values = Vec::with_capacity(batch.num_rows());
    for (row, x) in numbers.iter(batch.num_rows()).enumerate() {
        match x.filter(|&x| is_present(x, missing)) {
            Some(x) if x.is_infinite() => {
                let row = first as usize + row;
                let (kind, expected) = (ImputerModel::KIND, "a finite number");
                return Err(bad_value(kind, row, input, x.to_string(), expected));
            }
            x => values.extend(x),
        }
    }
    Ok(values)
}

/// The present values of each column, as keys.
fn keys(batch: &RecordBatch, inputs: &[String], missing: f64) -> Result<Vec<Vec<u64>>> {
    let of = |input: &String| {
        let numbers = Numbers::of(batch, input)?;
        let present = numbers.iter(batch.num_rows()).flatten();
        // Adding 0 makes the negative zero the positive one: they are one value.
        Ok(present.filter(|&x| is_present(x, missing)).map(|x| key_of(x + 0.0)).collect())
    };
    inputs.iter().map(of).collect()
}

#[expect(clippy::float_cmp, reason = "a placeholder is meant exactly")]
fn is_present(x: f64, missing: f64) -> bool {
    !x.is_nan() && x != missing
}

impl Estimator<Table> for Imputer {
    type Model = ImputerModel;

    /// Finds what takes the place of missing values; collective.
    ///
    /// # Errors
    ///
    /// A parameter, column or type that does not fit; [`Error::Column`] for a column without any
    /// value; a value of infinity, by row, where a mean is to be taken.
    fn fit(&self, table: &Table) -> Result<ImputerModel> {
        self.check(table.schema())?;
        let found = match self.strategy {
            Strategy::Mean => self.means(table),
            Strategy::Median => self.medians(table),
            Strategy::Mode => self.modes(table),
        }?;
        let mut columns = Vec::with_capacity(found.len());
        for (pair, found) in pairs(&self.inputs, &self.outputs)?.into_iter().zip(found) {
            let wrong = || {
                let problem = format!("has no value to take a {:?} of", self.strategy);
                Error::column(ImputerModel::KIND, &pair.input, problem.to_lowercase())
            };
            let surrogate = found.ok_or_else(wrong)?;
            let whole = filled_type(table.schema(), &pair.input, self.strategy)? == Type::I64;
            columns.push(Filled { pair, surrogate, whole });
        }
        Ok(ImputerModel { columns, missing_value: self.missing_value, indicators: self.indicators })
    }
}

impl Stage for Imputer {
    fn kind(&self) -> &str {
        ImputerModel::KIND
    }

    fn check(&self, input: &Schema) -> Result<Schema> {
        let pairs = pairs(&self.inputs, &self.outputs)?;
        if self.indicators {
            let indicators = pairs.iter().map(|pair| indicator(&pair.output));
            let outputs = pairs.iter().map(|pair| pair.output.clone());
            distinct("outputs", &outputs.chain(indicators).collect::<Vec<_>>())?;
        }
        pairs.iter().try_fold(input.clone(), |schema, pair| {
            let of = filled_type(input, &pair.input, self.strategy)?;
            let schema = schema.with(&pair.output, of);
            Ok(match self.indicators {
                true => schema.with(&indicator(&pair.output), Type::Bool),
                false => schema,
            })
        })
    }

    fn fit_stage(&self, table: &Table) -> Result<Box<dyn FittedStage>> {
        Ok(Box::new(self.fit(table)?))
    }
}

fn indicator(output: &str) -> String {
    format!("{output}_missing")
}

fn filled_type(schema: &Schema, input: &str, strategy: Strategy) -> Result<Type> {
    match (schema.type_of(input)?, strategy) {
        (Type::I64, Strategy::Mode) => Ok(Type::I64),
        (Type::I64 | Type::F64, _) => Ok(Type::F64),
        (other, _) => Err(wrong_type(input, "a number", other)),
    }
}

/// What takes the place of missing values; made by [`Imputer`].
#[derive(Clone, Debug)]
pub struct ImputerModel {
    columns: Vec<Filled>,
    missing_value: f64,
    indicators: bool,
}

#[derive(Clone, Debug)]
struct Filled {
    pair: Pair,
    surrogate: f64,
    /// Whether the column stays one of whole numbers.
    whole: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    columns: Vec<Pair>,
    whole: Vec<bool>,
    #[serde(with = "finite_or_text")]
    missing_value: f64,
    indicators: bool,
}

impl ImputerModel {
    /// What takes the place of a column's missing values.
    #[must_use]
    pub fn surrogate(&self, input: &str) -> Option<f64> {
        let filled = self.columns.iter().find(|filled| filled.pair.input == input);
        filled.map(|filled| filled.surrogate)
    }

    /// The column without gaps, and where they were.
    fn fill(&self, filled: &Filled, batch: &RecordBatch) -> Result<(Type, ArrayRef, ArrayRef)> {
        let rows = batch.num_rows();
        let numbers = Numbers::of(batch, &filled.pair.input)?;
        let present = |x: &f64| is_present(*x, self.missing_value);
        let gaps = numbers.iter(rows).map(|x| Some(x.filter(present).is_none()));
        let gaps: BooleanArray = gaps.collect();
        let (of, column): (Type, ArrayRef) = match numbers {
            // Whole numbers are not taken through floats, which would round the large ones.
            Numbers::I64(whole) if filled.whole => {
                let fill = |row| match gaps.value(row) {
                    true => filled.surrogate as i64,
                    false => whole.value(row),
                };
                (Type::I64, Arc::new(Int64Array::from_iter_values((0..rows).map(fill))))
            }
            numbers => {
                let fill = |x: Option<f64>| x.filter(present).unwrap_or(filled.surrogate);
                (Type::F64, Arc::new(Float64Array::from_iter_values(numbers.iter(rows).map(fill))))
            }
        };
        Ok((of, column, Arc::new(gaps)))
    }
}

impl FittedStage for ImputerModel {
    fn kind(&self) -> &str {
        Self::KIND
    }

    fn outputs(&self) -> Vec<Output> {
        let mut outputs = Vec::new();
        for Filled { pair, .. } in &self.columns {
            outputs.push(pair.as_output());
            if self.indicators {
                outputs.push(Output::new(indicator(&pair.output), [&pair.input]));
            }
        }
        outputs
    }

    fn output_schema(&self, input: &Schema) -> Result<Schema> {
        self.columns.iter().try_fold(input.clone(), |schema, filled| {
            let of = match (input.type_of(&filled.pair.input)?, filled.whole) {
                (Type::I64, true) => Type::I64,
                (Type::I64 | Type::F64, _) => Type::F64,
                (other, _) => return Err(wrong_type(&filled.pair.input, "a number", other)),
            };
            let schema = schema.with(&filled.pair.output, of);
            Ok(match self.indicators {
                true => schema.with(&indicator(&filled.pair.output), Type::Bool),
                false => schema,
            })
        })
    }

    fn transform_batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let names: Vec<_> = self.columns.iter().map(|c| indicator(&c.pair.output)).collect();
        let mut new = Vec::with_capacity(self.columns.len());
        for (filled, name) in self.columns.iter().zip(&names) {
            let (of, column, gaps) = self.fill(filled, batch)?;
            new.push((filled.pair.output.as_str(), of, column));
            if self.indicators {
                new.push((name, Type::Bool, gaps));
            }
        }
        with_columns(batch, new)
    }

    fn only(&self, outputs: &BTreeSet<String>) -> Option<Box<dyn FittedStage>> {
        let columns = self.columns.iter().filter(|filled| outputs.contains(&filled.pair.output));
        Some(Box::new(Self { columns: columns.cloned().collect(), ..*self }))
    }

    fn to_saved(&self) -> Result<Saved> {
        let body = Body {
            columns: self.columns.iter().map(|filled| filled.pair.clone()).collect(),
            whole: self.columns.iter().map(|filled| filled.whole).collect(),
            missing_value: self.missing_value,
            indicators: self.indicators,
        };
        let surrogates: Vec<f64> = self.columns.iter().map(|filled| filled.surrogate).collect();
        Saved::new(Self::KIND, &body)?.with("surrogates", &[surrogates.len()], surrogates)
    }
}

impl Loadable for ImputerModel {
    const KIND: &'static str = "imputer";

    fn from_saved(saved: &Saved) -> Result<Self> {
        let body: Body = saved.expect_kind(Self::KIND)?.body()?;
        let surrogates = saved.vector::<f64>("surrogates")?;
        if surrogates.len() != body.columns.len() || body.whole.len() != body.columns.len() {
            return Err(saved.wrong("an imputer with values for other columns"));
        }
        let columns = body.columns.into_iter().zip(surrogates).zip(body.whole);
        let columns =
            columns.map(|((pair, &surrogate), whole)| Filled { pair, surrogate, whole }).collect();
        let model =
            Self { columns, missing_value: body.missing_value, indicators: body.indicators };
        check_saved(saved, model.outputs().into_iter().map(|output| output.column))?;
        Ok(model)
    }
}
