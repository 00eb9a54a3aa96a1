//! Numbers of intervals.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use firesteel_table::{Field, Schema, Table, Type};
use serde::{Deserialize, Serialize};

use super::numbers::{Numbers, bad_value, kept};
use super::pairs::{Pair, check_saved, pairs, require_number};
use super::{HandleInvalid, Levels};
use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::file::Saved;
use crate::pipeline::{FittedStage, Loadable, Output, Stage, with_columns};

/// Turns numbers into numbers of intervals: with splits `s₀ < s₁ < … < sₖ`, `0` for `[s₀, s₁)`,
/// …, `k − 1` for `[sₖ₋₁, sₖ]`, the last one closed.
///
/// Infinite first and last splits cover everything; a number outside the splits is an error in
/// any case. Nulls and NaN are invalid: [`HandleInvalid::Error`] fails, [`HandleInvalid::Skip`]
/// leaves the row out, [`HandleInvalid::Keep`] puts them into one more interval, `k`.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_ml::feature::Bucketizer;
/// use firesteel_ml::{Estimator, Transformer};
/// use firesteel_table::{Table, one_row};
///
/// let rows = [17.0, 18.0, 90.0].map(|x| one_row(&[("age", x.into())]).unwrap());
/// let table = Table::from_batches(&Context::local(), rows.to_vec())?;
/// let bucketizer = Bucketizer::new("age", [0.0, 18.0, 65.0, f64::INFINITY]);
/// let bucketed = bucketizer.fit(&table)?.transform(&table)?;
/// assert_eq!(bucketed.column_f64("age")?, [0.0, 1.0, 2.0]);
/// # Ok::<(), firesteel_ml::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct Bucketizer {
    /// The columns, with the splits of each: at least three, rising.
    pub inputs: Vec<(String, Vec<f64>)>,
    /// What they become, in the same order. Default: they are replaced.
    pub outputs: Vec<String>,
    /// What to do with nulls and NaN. Default: an error.
    pub handle_invalid: HandleInvalid,
}

impl Bucketizer {
    /// Splits one column; everything else starts at its default.
    pub fn new(input: impl Into<String>, splits: impl Into<Vec<f64>>) -> Self {
        Self {
            inputs: vec![(input.into(), splits.into())],
            outputs: Vec::new(),
            handle_invalid: HandleInvalid::default(),
        }
    }

    /// Splits another column.
    pub fn column(mut self, input: impl Into<String>, splits: impl Into<Vec<f64>>) -> Self {
        self.inputs.push((input.into(), splits.into()));
        self
    }

    /// Sets the names of the results.
    pub fn outputs<S: Into<String>>(self, outputs: impl IntoIterator<Item = S>) -> Self {
        Self { outputs: outputs.into_iter().map(Into::into).collect(), ..self }
    }

    /// Sets what to do with nulls and NaN.
    pub fn handle_invalid(self, handle_invalid: HandleInvalid) -> Self {
        Self { handle_invalid, ..self }
    }

    fn pairs(&self) -> Result<Vec<Pair>> {
        let inputs: Vec<String> = self.inputs.iter().map(|(input, _)| input.clone()).collect();
        pairs(&inputs, &self.outputs)
    }
}

fn are_splits(splits: &[f64]) -> bool {
    splits.len() >= 3 && splits.windows(2).all(|pair| pair[0] < pair[1]) // turns NaN away, too
}

impl Estimator<Table> for Bucketizer {
    type Model = BucketizerModel;

    /// Checks the splits; reads no rows.
    fn fit(&self, table: &Table) -> Result<BucketizerModel> {
        self.check(table.schema())?;
        let columns = self.pairs()?.into_iter().zip(&self.inputs);
        let columns = columns.map(|(pair, (_, splits))| (pair, splits.clone())).collect();
        Ok(BucketizerModel { columns, handle_invalid: self.handle_invalid })
    }
}

impl Stage for Bucketizer {
    fn kind(&self) -> &str {
        BucketizerModel::KIND
    }

    fn check(&self, input: &Schema) -> Result<Schema> {
        for (column, splits) in &self.inputs {
            if !are_splits(splits) {
                let value = format!("{splits:?} for `{column}`");
                return Err(Error::parameter("splits", value, "at least three rising numbers"));
            }
        }
        self.pairs()?.iter().try_fold(input.clone(), |schema, pair| {
            require_number(input, &pair.input)?;
            Ok(schema.with(&pair.output, Type::I64))
        })
    }

    fn fit_stage(&self, table: &Table) -> Result<Box<dyn FittedStage>> {
        Ok(Box::new(self.fit(table)?))
    }
}

/// A checked [`Bucketizer`].
#[derive(Clone, Debug)]
pub struct BucketizerModel {
    columns: Vec<(Pair, Vec<f64>)>,
    handle_invalid: HandleInvalid,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    columns: Vec<Pair>,
    handle_invalid: HandleInvalid,
}

impl BucketizerModel {
    /// The splits of a column.
    #[must_use]
    pub fn splits(&self, input: &str) -> Option<&[f64]> {
        let column = self.columns.iter().find(|(pair, _)| pair.input == input);
        column.map(|(_, splits)| &**splits)
    }

    fn levels(&self, pair: &Pair, splits: &[f64]) -> Levels {
        let last = splits.len() - 2;
        let name = |(i, ends): (usize, &[f64])| {
            format!("[{}, {}{}", ends[0], ends[1], if i == last { ']' } else { ')' })
        };
        let mut names: Vec<String> = splits.windows(2).enumerate().map(name).collect();
        if self.handle_invalid == HandleInvalid::Keep {
            names.push("missing".to_owned());
        }
        Levels { of: pair.input.clone(), names }
    }

    fn buckets(
        &self,
        (pair, splits): &(Pair, Vec<f64>),
        batch: &RecordBatch,
        keep: &mut [bool],
    ) -> Result<Int64Array> {
        let mut buckets = Vec::with_capacity(batch.num_rows());
        let numbers = Numbers::of(batch, &pair.input)?;
        for (row, x) in numbers.iter(batch.num_rows()).enumerate() {
            let value = x.map_or("null".to_owned(), |x| x.to_string());
            let wrong = |expected| bad_value(Self::KIND, row, &pair.input, value, expected);
            buckets.push(match (x.filter(|x| !x.is_nan()), self.handle_invalid) {
                (Some(x), _) => match bucket(splits, x) {
                    Some(bucket) => bucket as i64,
                    None => {
                        let (first, last) = (splits[0], splits[splits.len() - 1]);
                        return Err(wrong(format!("a number from {first} to {last}")));
                    }
                },
                (None, HandleInvalid::Keep) => (splits.len() - 1) as i64,
                (None, HandleInvalid::Skip) => {
                    keep[row] = false;
                    0
                }
                (None, HandleInvalid::Error) => return Err(wrong("a number".to_owned())),
            });
        }
        Ok(Int64Array::from(buckets))
    }
}

/// The interval of a number, if it is inside.
fn bucket(splits: &[f64], x: f64) -> Option<usize> {
    let reached = splits.partition_point(|&split| split <= x); // splits at or below `x`
    match reached {
        0 => None,
        reached if reached < splits.len() => Some(reached - 1),
        // Only the last split itself belongs to the last interval.
        _ => (x <= splits[splits.len() - 1]).then(|| splits.len() - 2),
    }
}

impl FittedStage for BucketizerModel {
    fn kind(&self) -> &str {
        Self::KIND
    }

    fn outputs(&self) -> Vec<Output> {
        self.columns.iter().map(|(pair, _)| pair.as_output()).collect()
    }

    fn output_schema(&self, input: &Schema) -> Result<Schema> {
        self.columns.iter().try_fold(input.clone(), |schema, (pair, splits)| {
            require_number(input, &pair.input)?;
            let field = Field::new(&pair.output, Type::I64);
            Ok(schema.with_field(self.levels(pair, splits).note(field)))
        })
    }

    fn transform_batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut keep = vec![true; batch.num_rows()];
        let mut new = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let buckets = self.buckets(column, batch, &mut keep)?;
            new.push((column.0.output.as_str(), Type::I64, Arc::new(buckets) as _));
        }
        kept(&with_columns(batch, new)?, &keep)
    }

    fn only(&self, outputs: &BTreeSet<String>) -> Option<Box<dyn FittedStage>> {
        let columns = self.columns.iter().filter(|(pair, _)| outputs.contains(&pair.output));
        Some(Box::new(Self { columns: columns.cloned().collect(), ..*self }))
    }

    fn to_saved(&self) -> Result<Saved> {
        let columns = self.columns.iter().map(|(pair, _)| pair.clone()).collect();
        let saved = Saved::new(Self::KIND, &Body { columns, handle_invalid: self.handle_invalid })?;
        self.columns.iter().enumerate().try_fold(saved, |saved, (i, (_, splits))| {
            saved.with(&format!("splits {i}"), &[splits.len()], splits.clone())
        })
    }
}

impl Loadable for BucketizerModel {
    const KIND: &'static str = "bucketizer";

    fn from_saved(saved: &Saved) -> Result<Self> {
        let body: Body = saved.expect_kind(Self::KIND)?.body()?;
        check_saved(saved, body.columns.iter().map(|pair| pair.output.clone()))?;
        let mut columns = Vec::new();
        for (i, pair) in body.columns.into_iter().enumerate() {
            let splits = saved.vector::<f64>(&format!("splits {i}"))?.to_vec();
            if !are_splits(&splits) {
                return Err(saved.wrong(format!("splits of column `{}`", pair.input)));
            }
            columns.push((pair, splits));
        }
        Ok(Self { columns, handle_invalid: body.handle_invalid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_open_on_the_right_and_the_last_is_closed() {
        let splits = [f64::NEG_INFINITY, 0.0, 0.5, 2.0];
        let of = |x| bucket(&splits, x);
        assert_eq!([of(-1e300), of(-0.0), of(0.4), of(0.5)], [Some(0), Some(1), Some(1), Some(2)]);
        assert_eq!([of(2.0), of(2.1), of(f64::NEG_INFINITY)], [Some(2), None, Some(0)]);
        assert_eq!(bucket(&[0.0, 1.0, f64::INFINITY], f64::INFINITY), Some(1));
        assert_eq!(bucket(&[0.0, 1.0, 2.0], -0.1), None);
    }
}
