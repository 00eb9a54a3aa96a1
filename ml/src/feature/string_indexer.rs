//! Categories to numbers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch};
use firesteel_table::{Field, Schema, Table, Type};
use serde::{Deserialize, Serialize};

use super::blocks::count_rows;
use super::numbers::{bad_value, kept, texts};
use super::pairs::{Pair, check_saved, pairs, wrong_type};
use super::{HandleInvalid, Levels};
use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::file::Saved;
use crate::params::require;
use crate::pipeline::{FittedStage, Loadable, Output, Stage, with_columns};

/// In which order levels are numbered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StringOrder {
    /// The most frequent first; ties in alphabetical order.
    #[default]
    FrequencyDesc,
    /// The least frequent first; ties in alphabetical order.
    FrequencyAsc,
    /// From Z to A.
    AlphabetDesc,
    /// From A to Z, by code points.
    AlphabetAsc,
}

/// What to do with rows that have no category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Nulls {
    /// An error: already the fit says how many there are.
    #[default]
    Error,
    /// They have a level of their own, which is counted, ordered and merged like any other.
    Level,
    /// The fit does not count them, scoring leaves the rows out.
    Skip,
}

/// Numbers the categories of columns 0, 1, …, the most frequent first.
///
/// Columns of text; of numbers and truth values those of their texts. With `min_count`, levels
/// that fewer rows have are merged into one; a value that has the merged level's name joins it.
/// The same goes for the name of the level of nulls.
///
/// Categories that the fit has not seen are invalid: [`HandleInvalid::Error`] fails,
/// [`HandleInvalid::Skip`] leaves the row out, [`HandleInvalid::Keep`] puts them into the merged
/// level if there is one (a category never seen is as rare as can be), else into one more level
/// at the end, called `__unknown` as in MLlib.
///
/// # Cost
///
/// One pass; each rank's table of levels and counts travels.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_ml::feature::StringIndexer;
/// use firesteel_ml::{Estimator, Transformer};
/// use firesteel_table::{Table, one_row};
///
/// let rows = ["b", "c", "b", "a"].map(|s| one_row(&[("s", s.into())]).unwrap());
/// let table = Table::from_batches(&Context::local(), rows.to_vec())?;
/// let model = StringIndexer::new(["s"]).fit(&table)?;
/// assert_eq!(model.levels("s").unwrap(), ["b", "a", "c"]);
/// assert_eq!(model.transform(&table)?.column_f64("s")?, [0.0, 2.0, 0.0, 1.0]);
/// let model = StringIndexer::new(["s"]).min_count(2).other("rare").fit(&table)?;
/// assert_eq!(model.levels("s").unwrap(), ["b", "rare"]);
/// # Ok::<(), firesteel_ml::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct StringIndexer {
    /// The columns.
    pub inputs: Vec<String>,
    /// What they become, in the same order. Default: they are replaced.
    pub outputs: Vec<String>,
    /// In which order levels are numbered. Default: the most frequent first.
    pub string_order: StringOrder,
    /// Rows that a level needs not to be merged with other rare ones. Default 1: none is.
    pub min_count: u64,
    /// The name of the merged level. Default `other`.
    pub other: String,
    /// What to do with nulls. Default: an error.
    pub nulls: Nulls,
    /// The name of the level of nulls. Default `missing`.
    pub missing: String,
    /// What to do with categories that the fit has not seen. Default: an error.
    pub handle_invalid: HandleInvalid,
}

impl StringIndexer {
    /// Numbers the categories of these columns; everything else starts at its default.
    pub fn new<S: Into<String>>(inputs: impl IntoIterator<Item = S>) -> Self {
        Self {
            inputs: inputs.into_iter().map(Into::into).collect(),
            outputs: Vec::new(),
            string_order: StringOrder::default(),
            min_count: 1,
            other: "other".to_owned(),
            nulls: Nulls::default(),
            missing: "missing".to_owned(),
            handle_invalid: HandleInvalid::default(),
        }
    }

    /// Sets the names of the results.
    pub fn outputs<S: Into<String>>(self, outputs: impl IntoIterator<Item = S>) -> Self {
        Self { outputs: outputs.into_iter().map(Into::into).collect(), ..self }
    }

    /// Sets the order of the levels.
    pub fn string_order(self, string_order: StringOrder) -> Self {
        Self { string_order, ..self }
    }

    /// Sets how many rows a level needs not to be merged with other rare ones.
    pub fn min_count(self, min_count: u64) -> Self {
        Self { min_count, ..self }
    }

    /// Sets the name of the merged level.
    pub fn other(self, other: impl Into<String>) -> Self {
        Self { other: other.into(), ..self }
    }

    /// Sets what to do with nulls.
    pub fn nulls(self, nulls: Nulls) -> Self {
        Self { nulls, ..self }
    }

    /// Sets the name of the level of nulls.
    pub fn missing(self, missing: impl Into<String>) -> Self {
        Self { missing: missing.into(), ..self }
    }

    /// Sets what to do with categories that the fit has not seen.
    pub fn handle_invalid(self, handle_invalid: HandleInvalid) -> Self {
        Self { handle_invalid, ..self }
    }

    /// The levels of a column from the counts of its values.
    fn index(&self, pair: Pair, counts: Counts) -> Result<Index> {
        if self.nulls == Nulls::Error && counts.nulls > 0 {
            let problem = format!(
                "has {} nulls; `nulls` says whether they are a level or their rows are left out",
                counts.nulls
            );
            return Err(Error::column(StringIndexerModel::KIND, pair.input, problem));
        }
        let mut values = counts.values;
        let null = (self.nulls == Nulls::Level && counts.nulls > 0).then(|| {
            *values.entry(self.missing.clone()).or_default() += counts.nulls;
            self.missing.clone()
        });
        if values.is_empty() {
            let problem = "has no value to take levels from";
            return Err(Error::column(StringIndexerModel::KIND, pair.input, problem));
        }
        let is_rare = |(_, count): &(String, u64)| *count < self.min_count;
        let (rare, mut values): (BTreeMap<String, u64>, BTreeMap<String, u64>) =
            values.into_iter().partition(is_rare);
        if !rare.is_empty() {
            *values.entry(self.other.clone()).or_default() += rare.values().sum::<u64>();
        }
        let mut levels: Vec<(String, u64)> = values.into_iter().collect();
        match self.string_order {
            StringOrder::FrequencyDesc => levels.sort_by_key(|&(_, count)| u64::MAX - count),
            StringOrder::FrequencyAsc => levels.sort_by_key(|&(_, count)| count),
            StringOrder::AlphabetAsc => {}
            StringOrder::AlphabetDesc => levels.reverse(),
        }
        let other = (!rare.is_empty()).then(|| self.other.clone());
        let null =
            null.map(|name| if rare.contains_key(&name) { self.other.clone() } else { name });
        let place = |name: String| levels.iter().position(|(level, _)| *level == name);
        let (other, null) = (other.and_then(place), null.and_then(place));
        let (levels, counts) = levels.into_iter().unzip();
        let rare: Vec<String> = rare.into_keys().collect();
        Ok(Index::new(Body { pair, levels, counts, rare, other, null }))
    }
}

impl Estimator<Table> for StringIndexer {
    type Model = StringIndexerModel;

    /// Counts the categories; collective.
    ///
    /// # Errors
    ///
    /// A parameter, column or type that does not fit; [`Error::Column`] for a column without
    /// values, or with nulls if those are an error.
    fn fit(&self, table: &Table) -> Result<StringIndexerModel> {
        self.check(table.schema())?;
        let pairs = pairs(&self.inputs, &self.outputs)?;
        let inputs = self.inputs.clone();
        let zero = vec![Counts::default(); pairs.len()];
        let count = |mut counts: Vec<Counts>, batch: &RecordBatch| {
            for (counts, input) in counts.iter_mut().zip(&inputs) {
                counts.add(batch, input)?;
            }
            Ok(counts)
        };
        let counts = count_rows(table, &self.inputs, zero, count, |a, b| {
            a.into_iter().zip(b).map(|(a, b)| a.merge(b)).collect()
        })?;
        let index = |(pair, counts)| self.index(pair, counts);
        let columns = pairs.into_iter().zip(counts).map(index).collect::<Result<_>>()?;
        Ok(StringIndexerModel { columns, nulls: self.nulls, handle_invalid: self.handle_invalid })
    }
}

impl Stage for StringIndexer {
    fn kind(&self) -> &str {
        StringIndexerModel::KIND
    }

    fn check(&self, input: &Schema) -> Result<Schema> {
        require("min_count", self.min_count, "at least 1", self.min_count >= 1)?;
        pairs(&self.inputs, &self.outputs)?.iter().try_fold(input.clone(), |schema, pair| {
            require_category(input, &pair.input)?;
            Ok(schema.with(&pair.output, Type::I64))
        })
    }

    fn fit_stage(&self, table: &Table) -> Result<Box<dyn FittedStage>> {
        Ok(Box::new(self.fit(table)?))
    }
}

fn require_category(schema: &Schema, column: &str) -> Result<()> {
    match schema.type_of(column)? {
        Type::String | Type::Bool | Type::I64 | Type::F64 => Ok(()),
        other => Err(wrong_type(column, "text, a number or bool", other)),
    }
}

/// How many rows have which value.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Counts {
    values: BTreeMap<String, u64>,
    nulls: u64,
}

impl Counts {
    fn add(&mut self, batch: &RecordBatch, column: &str) -> Result<()> {
        let texts = texts(batch, column)?;
        // Most rows have one of few values: those of a batch are counted before they are looked
        // up in order.
        let mut here: HashMap<&str, u64> = HashMap::new();
        for text in &texts {
            match text {
                Some(text) => *here.entry(text).or_default() += 1,
                None => self.nulls += 1,
            }
        }
        let mut add = |(text, count): (&str, u64)| match self.values.get_mut(text) {
            Some(known) => *known += count,
            None => drop(self.values.insert(text.to_owned(), count)),
        };
        here.into_iter().for_each(&mut add); // whole numbers: any order gives the same
        Ok(())
    }

    fn merge(mut self, other: Self) -> Self {
        for (text, count) in other.values {
            *self.values.entry(text).or_default() += count;
        }
        self.nulls += other.nulls;
        self
    }
}

/// The categories of columns, numbered; made by [`StringIndexer`].
#[derive(Clone, Debug)]
pub struct StringIndexerModel {
    columns: Vec<Index>,
    nulls: Nulls,
    handle_invalid: HandleInvalid,
}

/// One column's levels.
#[derive(Clone, Debug)]
struct Index {
    body: Body,
    /// The number of each value.
    places: Arc<HashMap<String, i64>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    pair: Pair,
    levels: Vec<String>,
    counts: Vec<u64>,
    /// Values that were merged, in order.
    rare: Vec<String>,
    /// The level that they were merged into.
    other: Option<usize>,
    /// The level of nulls.
    null: Option<usize>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bodies {
    columns: Vec<Body>,
    nulls: Nulls,
    handle_invalid: HandleInvalid,
}

/// What MLlib calls the level of what the fit has not seen.
const UNKNOWN: &str = "__unknown";

impl Index {
    fn new(body: Body) -> Self {
        let other = body.other.unwrap_or_default() as i64;
        let rare = body.rare.iter().map(|value| (value.clone(), other));
        let levels = body.levels.iter().enumerate();
        let levels = levels.map(|(i, level)| (level.clone(), i as i64));
        let places = rare.chain(levels).collect();
        Self { body, places: Arc::new(places) }
    }

    /// The number of what the fit has not seen, if it is kept.
    fn unknown(&self) -> i64 {
        self.body.other.unwrap_or(self.body.levels.len()) as i64
    }

    fn names(&self, keep: bool) -> Vec<String> {
        let mut names = self.body.levels.clone();
        if keep && self.body.other.is_none() {
            names.push(UNKNOWN.to_owned());
        }
        names
    }
}

impl StringIndexerModel {
    /// The levels of a column that was indexed, in the order of their numbers.
    #[must_use]
    pub fn levels(&self, input: &str) -> Option<&[String]> {
        self.index(input).map(|index| &*index.body.levels)
    }

    /// How many rows of the fit had each level.
    #[must_use]
    pub fn counts(&self, input: &str) -> Option<&[u64]> {
        self.index(input).map(|index| &*index.body.counts)
    }

    /// The values that were merged because they were rare, in alphabetical order.
    #[must_use]
    pub fn merged(&self, input: &str) -> Option<&[String]> {
        self.index(input).map(|index| &*index.body.rare)
    }

    fn index(&self, input: &str) -> Option<&Index> {
        self.columns.iter().find(|index| index.body.pair.input == input)
    }

    /// The numbers of a column; `keep` loses the rows that are to be left out.
    fn numbers(&self, index: &Index, batch: &RecordBatch, keep: &mut [bool]) -> Result<ArrayRef> {
        let input = &index.body.pair.input;
        let texts = texts(batch, input)?;
        let mut numbers = Vec::with_capacity(texts.len());
        for (row, text) in texts.iter().enumerate() {
            let (known, skip) = match (text, self.nulls) {
                (Some(text), _) => (index.places.get(text).copied(), false),
                (None, Nulls::Level) => (index.body.null.map(|null| null as i64), false),
                (None, Nulls::Skip) => (None, true),
                (None, Nulls::Error) => {
                    return Err(bad_value(Self::KIND, row, input, "null", "a category"));
                }
            };
            numbers.push(match (known, self.handle_invalid) {
                (Some(number), _) => number,
                (None, HandleInvalid::Keep) if !skip => index.unknown(),
                (None, HandleInvalid::Error) if !skip => {
                    let text = text.map_or("null".to_owned(), |text| format!("{text:?}"));
                    let levels = index.body.levels.len() + index.body.rare.len();
                    let expected = format!("one of the {levels} categories seen by the fit");
                    return Err(bad_value(Self::KIND, row, input, text, expected));
                }
                (None, _) => {
                    keep[row] = false;
                    0
                }
            });
        }
        Ok(Arc::new(Int64Array::from(numbers)))
    }
}

impl FittedStage for StringIndexerModel {
    fn kind(&self) -> &str {
        Self::KIND
    }

    fn outputs(&self) -> Vec<Output> {
        self.columns.iter().map(|index| index.body.pair.as_output()).collect()
    }

    fn output_schema(&self, input: &Schema) -> Result<Schema> {
        let keep = self.handle_invalid == HandleInvalid::Keep;
        self.columns.iter().try_fold(input.clone(), |schema, index| {
            require_category(input, &index.body.pair.input)?;
            let levels = Levels { of: index.body.pair.input.clone(), names: index.names(keep) };
            Ok(schema.with_field(levels.note(Field::new(&index.body.pair.output, Type::I64))))
        })
    }

    fn transform_batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut keep = vec![true; batch.num_rows()];
        let mut new = Vec::with_capacity(self.columns.len());
        for index in &self.columns {
            let numbers = self.numbers(index, batch, &mut keep)?;
            new.push((index.body.pair.output.as_str(), Type::I64, numbers));
        }
        kept(&with_columns(batch, new)?, &keep)
    }

    fn only(&self, outputs: &BTreeSet<String>) -> Option<Box<dyn FittedStage>> {
        let columns = self.columns.iter();
        let columns = columns.filter(|index| outputs.contains(&index.body.pair.output));
        Some(Box::new(Self { columns: columns.cloned().collect(), ..*self }))
    }

    fn to_saved(&self) -> Result<Saved> {
        let columns = self.columns.iter().map(|index| index.body.clone()).collect();
        let (nulls, handle_invalid) = (self.nulls, self.handle_invalid);
        Saved::new(Self::KIND, &Bodies { columns, nulls, handle_invalid })
    }
}

impl Loadable for StringIndexerModel {
    const KIND: &'static str = "string_indexer";

    fn from_saved(saved: &Saved) -> Result<Self> {
        let bodies: Bodies = saved.expect_kind(Self::KIND)?.body()?;
        check_saved(saved, bodies.columns.iter().map(|body| body.pair.output.clone()))?;
        let is_sound = |body: &Body| {
            let n = body.levels.len();
            let distinct: BTreeSet<&String> = body.levels.iter().collect();
            let inside = |place: Option<usize>| place.is_none_or(|place| place < n);
            let merged = body.rare.is_empty() || body.other.is_some();
            n > 0
                && distinct.len() == n
                && body.counts.len() == n
                && inside(body.other)
                && inside(body.null)
                && merged
        };
        if let Some(body) = bodies.columns.iter().find(|body| !is_sound(body)) {
            return Err(saved.wrong(format!("levels of column `{}`", body.pair.input)));
        }
        Ok(Self {
            columns: bodies.columns.into_iter().map(Index::new).collect(),
            nulls: bodies.nulls,
            handle_invalid: bodies.handle_invalid,
        })
    }
}
