//! Numbers of categories to indicators.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::{ArrayRef, RecordBatch};
use firesteel_table::{Field, Schema, SparseVectorBuilder, Table, Type, dense_vector_column};
use serde::{Deserialize, Serialize};

use super::blocks::count_rows;
use super::numbers::{Numbers, bad_value, kept};
use super::pairs::{Pair, check_saved, pairs, require_number};
use super::{HandleInvalid, Levels, with_element_names};
use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::file::Saved;
use crate::pipeline::{FittedStage, Loadable, Output, Stage, UNKNOWN_WIDTH, with_columns};

/// Which level has no indicator of its own: the one that the others are compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DropLevel {
    /// The last one (MLlib's `dropLast`).
    #[default]
    Last,
    /// The first one.
    First,
    /// The one that most rows of the fit have; of equally frequent ones the first.
    MostFrequent,
    /// The one of that name.
    Named(String),
    /// None: every level has an indicator.
    None,
}

/// Turns numbers of categories 0, 1, … into vectors of indicators, one for each level but the
/// dropped one.
///
/// How many levels there are is what the column's maker has noted ([`Levels`]; a
/// [`StringIndexer`](super::StringIndexer) does), or else one more than the greatest number. The
/// vector's positions are called `column=level`, after the column that was indexed.
///
/// A number beyond the levels and a null are invalid: [`HandleInvalid::Error`] fails,
/// [`HandleInvalid::Skip`] leaves the row out, [`HandleInvalid::Keep`] makes one more level of
/// them, at the end, called `__invalid`.
///
/// # Cost
///
/// No pass if the levels are noted and no level is dropped by its frequency; else one.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_ml::feature::{DropLevel, OneHotEncoder, StringIndexer, element_names};
/// use firesteel_ml::{Estimator, Transformer};
/// use firesteel_table::{Table, one_row};
///
/// let rows = ["b", "c", "b", "a"].map(|s| one_row(&[("s", s.into())]).unwrap());
/// let table = Table::from_batches(&Context::local(), rows.to_vec())?;
/// let indexed = StringIndexer::new(["s"]).fit(&table)?.transform(&table)?;
/// let encoder = OneHotEncoder::new(["s"]).drop_level(DropLevel::MostFrequent);
/// let encoded = encoder.fit(&indexed)?.transform(&indexed)?;
/// assert_eq!(element_names(encoded.schema(), "s")?, ["s=a", "s=c"]);
/// # Ok::<(), firesteel_ml::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct OneHotEncoder {
    /// The columns.
    pub inputs: Vec<String>,
    /// What they become, in the same order. Default: they are replaced.
    pub outputs: Vec<String>,
    /// Which level has no indicator. Default: the last.
    pub drop_level: DropLevel,
    /// The same for single columns, by their name.
    pub drop_levels: BTreeMap<String, DropLevel>,
    /// What to do with numbers beyond the levels and with nulls. Default: an error.
    pub handle_invalid: HandleInvalid,
    /// Whether the vectors are sparse. Default: yes.
    pub sparse: bool,
}

impl OneHotEncoder {
    /// Makes indicators of these columns; everything else starts at its default.
    pub fn new<S: Into<String>>(inputs: impl IntoIterator<Item = S>) -> Self {
        Self {
            inputs: inputs.into_iter().map(Into::into).collect(),
            outputs: Vec::new(),
            drop_level: DropLevel::default(),
            drop_levels: BTreeMap::new(),
            handle_invalid: HandleInvalid::default(),
            sparse: true,
        }
    }

    /// Sets the names of the results.
    pub fn outputs<S: Into<String>>(self, outputs: impl IntoIterator<Item = S>) -> Self {
        Self { outputs: outputs.into_iter().map(Into::into).collect(), ..self }
    }

    /// Sets which level has no indicator, in all columns that have no setting of their own.
    pub fn drop_level(self, drop_level: DropLevel) -> Self {
        Self { drop_level, ..self }
    }

    /// Sets which level of one column has no indicator.
    pub fn drop_level_of(mut self, input: impl Into<String>, drop_level: DropLevel) -> Self {
        self.drop_levels.insert(input.into(), drop_level);
        self
    }

    /// Sets what to do with numbers beyond the levels and with nulls.
    pub fn handle_invalid(self, handle_invalid: HandleInvalid) -> Self {
        Self { handle_invalid, ..self }
    }

    /// Sets whether the vectors are sparse.
    pub fn sparse(self, sparse: bool) -> Self {
        Self { sparse, ..self }
    }

    fn drop_of(&self, input: &str) -> &DropLevel {
        self.drop_levels.get(input).unwrap_or(&self.drop_level)
    }

    /// Counts the numbers of those columns for which noted levels are not enough.
    fn count(&self, table: &Table, columns: &[String]) -> Result<BTreeMap<String, Counts>> {
        let zero: Vec<Counts> = vec![Counts::new(); columns.len()];
        let count = |mut counts: Vec<Counts>, batch: &RecordBatch| {
            for (counts, column) in counts.iter_mut().zip(columns) {
                let numbers = Numbers::of(batch, column)?;
                for number in numbers.iter(batch.num_rows()).flatten() {
                    // Other numbers are met again, and named, when the table is transformed.
                    if let Some(level) = level_of(number) {
                        *counts.entry(level as u64).or_default() += 1;
                    }
                }
            }
            Ok(counts)
        };
        let merge = |mut a: Counts, b: Counts| {
            for (level, count) in b {
                *a.entry(level).or_default() += count;
            }
            a
        };
        let counts = match columns {
            [] => zero,
            _ => count_rows(table, columns, zero, count, |a, b| {
                a.into_iter().zip(b).map(|(a, b)| merge(a, b)).collect()
            })?,
        };
        Ok(columns.iter().cloned().zip(counts).collect())
    }

    fn encoding(&self, pair: Pair, noted: Option<Levels>, counts: &Counts) -> Result<Encoding> {
        let wrong = |problem: String| Error::column(OneHotEncoderModel::KIND, &pair.input, problem);
        let Levels { of, names: mut levels } = match noted {
            Some(levels) => levels,
            None => {
                let greatest = counts.last_key_value().map(|(&level, _)| level);
                let greatest = greatest.ok_or_else(|| wrong("has no value".to_owned()))?;
                let names = (0..=greatest).map(|level| level.to_string()).collect();
                Levels { of: pair.input.clone(), names }
            }
        };
        if self.handle_invalid == HandleInvalid::Keep {
            levels.push(INVALID.to_owned());
        }
        let dropped = match self.drop_of(&pair.input) {
            DropLevel::Last => levels.len().checked_sub(1),
            DropLevel::First => Some(0),
            DropLevel::MostFrequent => {
                let most = counts.iter().max_by_key(|&(&level, &count)| (count, u64::MAX - level));
                Some(most.map_or(0, |(&level, _)| level as usize))
            }
            DropLevel::Named(name) => {
                let place = levels.iter().position(|level| level == name);
                let known = || wrong(format!("has no level `{name}`; its levels are {levels:?}"));
                Some(place.ok_or_else(known)?)
            }
            DropLevel::None => None,
        };
        let dropped = dropped.filter(|&dropped| dropped < levels.len());
        if !self.sparse && levels.len() == usize::from(dropped.is_some()) {
            return Err(wrong("has one level only; nothing is left once it is dropped".to_owned()));
        }
        Ok(Encoding { pair, of, levels, dropped })
    }
}

/// Rows of each level.
type Counts = BTreeMap<u64, u64>;

/// What MLlib calls the level of invalid numbers.
const INVALID: &str = "__invalid";
/// The greatest number that can be a level: what the width of a vector may be.
const MOST_LEVELS: f64 = (1 << 24) as f64;

/// The level of a number, if it can be one.
fn level_of(number: f64) -> Option<usize> {
    let is_level = (0.0..MOST_LEVELS).contains(&number) && number.fract() == 0.0;
    is_level.then_some(number as usize)
}

impl Estimator<Table> for OneHotEncoder {
    type Model = OneHotEncoderModel;

    /// Finds the levels, and the one to be dropped; collective.
    ///
    /// # Errors
    ///
    /// A parameter, column or type that does not fit; [`Error::Column`] for a column without
    /// values or without the named level, or with one level only if the vectors are dense.
    fn fit(&self, table: &Table) -> Result<OneHotEncoderModel> {
        self.check(table.schema())?;
        let pairs = pairs(&self.inputs, &self.outputs)?;
        let noted = |input: &str| Ok(Levels::of_field(table.schema().field(input)?));
        let mut uncounted = Vec::new();
        for Pair { input, .. } in &pairs {
            if noted(input)?.is_none() || *self.drop_of(input) == DropLevel::MostFrequent {
                uncounted.push(input.clone());
            }
        }
        let counts = self.count(table, &uncounted)?;
        let none = Counts::new();
        let encoding = |pair: Pair| {
            let counts = counts.get(&pair.input).unwrap_or(&none);
            let noted: Result<Option<Levels>> = noted(&pair.input);
            self.encoding(pair, noted?, counts)
        };
        Ok(OneHotEncoderModel {
            columns: pairs.into_iter().map(encoding).collect::<Result<_>>()?,
            handle_invalid: self.handle_invalid,
            sparse: self.sparse,
        })
    }
}

impl Stage for OneHotEncoder {
    fn kind(&self) -> &str {
        OneHotEncoderModel::KIND
    }

    fn check(&self, input: &Schema) -> Result<Schema> {
        if let Some(other) = self.drop_levels.keys().find(|name| !self.inputs.contains(name)) {
            return Err(Error::parameter("drop_levels", other, "one of the inputs"));
        }
        pairs(&self.inputs, &self.outputs)?.iter().try_fold(input.clone(), |schema, pair| {
            require_number(input, &pair.input)?;
            Ok(schema.with(&pair.output, vector(self.sparse, UNKNOWN_WIDTH)))
        })
    }

    fn fit_stage(&self, table: &Table) -> Result<Box<dyn FittedStage>> {
        Ok(Box::new(self.fit(table)?))
    }
}

fn vector(sparse: bool, width: usize) -> Type {
    if sparse { Type::SparseVector(width) } else { Type::Vector(width) }
}

/// The levels of columns, and which of them have an indicator; made by [`OneHotEncoder`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneHotEncoderModel {
    columns: Vec<Encoding>,
    handle_invalid: HandleInvalid,
    sparse: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoding {
    pair: Pair,
    /// The column that was indexed.
    of: String,
    /// With that of invalid numbers at the end, if they are kept.
    levels: Vec<String>,
    dropped: Option<usize>,
}

impl Encoding {
    fn width(&self) -> usize {
        self.levels.len() - usize::from(self.dropped.is_some())
    }

    /// The position of a level's indicator, if it has one.
    fn place(&self, level: usize) -> Option<usize> {
        match self.dropped {
            Some(dropped) if level == dropped => None,
            Some(dropped) if level > dropped => Some(level - 1),
            _ => Some(level),
        }
    }

    fn names(&self) -> Vec<String> {
        let levels = self.levels.iter().enumerate();
        let shown = levels.filter(|&(i, _)| Some(i) != self.dropped);
        shown.map(|(_, level)| format!("{}={level}", self.of)).collect()
    }
}

impl OneHotEncoderModel {
    /// The levels of a column, in the order of their numbers.
    #[must_use]
    pub fn levels(&self, input: &str) -> Option<&[String]> {
        self.encoding(input).map(|encoding| &*encoding.levels)
    }

    /// The level of a column that has no indicator.
    #[must_use]
    pub fn dropped(&self, input: &str) -> Option<&str> {
        let encoding = self.encoding(input)?;
        encoding.dropped.map(|dropped| encoding.levels[dropped].as_str())
    }

    fn encoding(&self, input: &str) -> Option<&Encoding> {
        self.columns.iter().find(|encoding| encoding.pair.input == input)
    }

    /// The position of every row's indicator, if it has one.
    fn places(
        &self,
        encoding: &Encoding,
        batch: &RecordBatch,
        keep: &mut [bool],
    ) -> Result<Vec<Option<u32>>> {
        let input = &encoding.pair.input;
        let kept = self.handle_invalid == HandleInvalid::Keep;
        let known = encoding.levels.len() - usize::from(kept);
        let numbers = Numbers::of(batch, input)?;
        let mut places = Vec::with_capacity(batch.num_rows());
        for (row, number) in numbers.iter(batch.num_rows()).enumerate() {
            let level = number.and_then(level_of).filter(|&level| level < known);
            let place = match (level, self.handle_invalid) {
                (Some(level), _) => encoding.place(level),
                (None, HandleInvalid::Keep) => encoding.place(known),
                (None, HandleInvalid::Skip) => {
                    keep[row] = false;
                    None
                }
                (None, HandleInvalid::Error) => {
                    let value = number.map_or("null".to_owned(), |number| number.to_string());
                    let expected = format!("a whole number from 0 to {}", known.saturating_sub(1));
                    return Err(bad_value(Self::KIND, row, input, value, expected));
                }
            };
            places.push(place.map(|place| place as u32));
        }
        Ok(places)
    }

    fn vectors(&self, width: usize, places: &[Option<u32>]) -> Result<ArrayRef> {
        if self.sparse {
            let mut builder = SparseVectorBuilder::new(width)?;
            for place in places {
                match place {
                    Some(place) => builder.push(&[*place], &[1.0])?,
                    None => builder.push(&[], &[])?,
                }
            }
            return Ok(builder.finish()?);
        }
        let mut values = vec![0.0; width * places.len()];
        for (row, place) in places.iter().enumerate() {
            if let Some(place) = place {
                values[row * width + *place as usize] = 1.0;
            }
        }
        Ok(dense_vector_column(width, values)?)
    }
}

impl FittedStage for OneHotEncoderModel {
    fn kind(&self) -> &str {
        Self::KIND
    }

    fn outputs(&self) -> Vec<Output> {
        self.columns.iter().map(|encoding| encoding.pair.as_output()).collect()
    }

    fn output_schema(&self, input: &Schema) -> Result<Schema> {
        self.columns.iter().try_fold(input.clone(), |schema, encoding| {
            require_number(input, &encoding.pair.input)?;
            let field = Field::new(&encoding.pair.output, vector(self.sparse, encoding.width()));
            Ok(schema.with_field(with_element_names(field, &encoding.names())))
        })
    }

    fn transform_batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut keep = vec![true; batch.num_rows()];
        let mut new = Vec::with_capacity(self.columns.len());
        for encoding in &self.columns {
            let places = self.places(encoding, batch, &mut keep)?;
            let width = encoding.width();
            let vectors = self.vectors(width, &places)?;
            new.push((encoding.pair.output.as_str(), vector(self.sparse, width), vectors));
        }
        kept(&with_columns(batch, new)?, &keep)
    }

    fn only(&self, outputs: &BTreeSet<String>) -> Option<Box<dyn FittedStage>> {
        let columns = self.columns.iter();
        let columns = columns.filter(|encoding| outputs.contains(&encoding.pair.output));
        Some(Box::new(Self { columns: columns.cloned().collect(), ..*self }))
    }

    fn to_saved(&self) -> Result<Saved> {
        Saved::new(Self::KIND, self)
    }
}

impl Loadable for OneHotEncoderModel {
    const KIND: &'static str = "one_hot_encoder";

    fn from_saved(saved: &Saved) -> Result<Self> {
        let model: Self = saved.expect_kind(Self::KIND)?.body()?;
        check_saved(saved, model.columns.iter().map(|encoding| encoding.pair.output.clone()))?;
        let is_sound = |encoding: &&Encoding| {
            let n = encoding.levels.len();
            let dropped = encoding.dropped.is_none_or(|dropped| dropped < n);
            n > 0 && dropped && (model.sparse || encoding.width() > 0)
        };
        match model.columns.iter().find(|encoding| !is_sound(encoding)) {
            None => Ok(model),
            Some(encoding) => {
                Err(saved.wrong(format!("levels of column `{}`", encoding.pair.input)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_behind_the_dropped_one_move_up() {
        let pair = Pair { input: "c".into(), output: "c".into() };
        let levels = ["a", "b", "c"].map(str::to_owned).to_vec();
        let encoding = Encoding { pair, of: "c".into(), levels, dropped: Some(1) };
        let places: Vec<_> = (0..3).map(|level| encoding.place(level)).collect();
        assert_eq!(places, [Some(0), None, Some(1)]);
        assert_eq!(encoding.names(), ["c=a", "c=c"]);
    }
}
