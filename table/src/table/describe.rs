//! Statistics of every column, in one pass.
//!
//! Nothing depends on how the rows are partitioned or ordered (law 2): counts are counts, sums are
//! exact (see `exact`), and what is kept of the levels of a text column is a function of their set
//! (see `levels`).

use std::fmt;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use serde::{Deserialize, Serialize};

use super::Table;
use super::exact::ExactMoments;
use super::levels::Levels;
use crate::batch::Batch;
use crate::error::Result;
use crate::schema::{Field, Schema, Type};
use crate::sketch::Sketch;
use crate::value::{Value, float_text};

/// Statistics of every column; made by [`Table::describe`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Description {
    /// The number of rows.
    pub rows: u64,
    /// The columns, in the order of the table.
    pub columns: Vec<ColumnSummary>,
}

/// Statistics of one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ColumnSummary {
    /// The column's name.
    pub name: String,
    /// The column's type.
    pub data_type: Type,
    /// Rows with a value.
    pub count: u64,
    /// Rows without a value.
    pub nulls: u64,
    /// What is known of the values of a column of numbers, dates or timestamps; the last two have no mean
    /// and no deviation.
    pub numbers: Option<NumberSummary>,
    /// What is known of the values of a column of text or truth values.
    pub texts: Option<TextSummary>,
}

/// Statistics of numbers. Those of no numbers are none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NumberSummary {
    /// The mean, exact but for one rounding; NaN or infinite if a value is.
    pub mean: Option<f64>,
    /// The standard deviation with `n − 1`; none of fewer than two values, NaN if a value is not
    /// finite.
    pub std: Option<f64>,
    /// The least value that is not NaN.
    pub min: Option<Value>,
    /// The greatest value that is not NaN.
    pub max: Option<Value>,
    /// How many values are NaN.
    pub nan: u64,
    /// The quantiles 0.25, 0.5 and 0.75 of the values that are not NaN: exact of up to 512 values and of
    /// whole numbers below 512, else within 1/256 of the value. None of dates and timestamps.
    #[serde(default)]
    pub quartiles: Option<[f64; 3]>,
}

/// Statistics of levels: the different values of a column of text or truth values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TextSummary {
    /// How many levels there are; an estimate, within a per cent or so, if there are more than
    /// 65,536.
    pub distinct: u64,
    /// Whether `distinct` is exact.
    pub is_exact: bool,
    /// The most frequent level and how often it comes, the first by alphabet among equals; none
    /// if there is no value or if there are more than 65,536 levels.
    pub top: Option<(String, u64)>,
}

impl Table {
    /// Counts, nulls, mean, standard deviation, minimum, quartiles and maximum of number columns, the
    /// least and the greatest of dates and timestamps; counts, nulls, number of levels and the most
    /// frequent one of text columns. Of lists and vectors only counts.
    ///
    /// The result does not depend on partitioning or order, to the bit.
    ///
    /// # Errors
    ///
    /// What the job can fail with.
    ///
    /// # Cost
    ///
    /// One pass. Per column and partition 2 KB and 6 KB a power of two for numbers, at most 65,536
    /// levels for text.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::{Table, one_row};
    ///
    /// let rows = [1, 2, 6].map(|n| one_row(&[("n", n.into())]).unwrap());
    /// let table = Table::from_batches(&Context::local(), rows.to_vec())?;
    /// let description = table.describe()?;
    /// assert_eq!(description.columns[0].numbers.as_ref().unwrap().mean, Some(3.0));
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    #[track_caller]
    pub fn describe(&self) -> Result<Description> {
        let start = Tally::new(&self.schema);
        let tally = self.batches.tree_aggregate(start, Tally::add, Tally::merge)?;
        let fields = self.schema.fields().iter();
        let columns = fields.zip(tally.columns).map(|(field, column)| column.summary(field));
        Ok(Description { rows: tally.rows, columns: columns.collect() })
    }
}

/// What is counted on the way; a monoid.
#[derive(Clone, Serialize, Deserialize)]
struct Tally {
    rows: u64,
    columns: Vec<ColumnTally>,
}

#[derive(Clone, Serialize, Deserialize)]
struct ColumnTally {
    count: u64,
    nulls: u64,
    values: Values,
}

#[derive(Clone, Serialize, Deserialize)]
enum Values {
    Wholes { moments: Box<ExactMoments>, range: Option<(i64, i64)>, sketch: Sketch },
    Floats { moments: Box<ExactMoments>, range: Option<(f64, f64)>, odd: Odd, sketch: Sketch },
    Times { range: Option<(i64, i64)> },
    Texts(Levels),
    Others,
}

/// Floats that are not finite.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Odd {
    nan: u64,
    up: u64,
    down: u64,
}

impl Tally {
    fn new(schema: &Schema) -> Self {
        let column = |field: &Field| {
            let values = match field.data_type {
                Type::I64 => Values::Wholes {
                    moments: Box::default(),
                    range: None,
                    sketch: Sketch::default(),
                },
                Type::F64 => Values::Floats {
                    moments: Box::default(),
                    range: None,
                    odd: Odd::default(),
                    sketch: Sketch::default(),
                },
                Type::Bool | Type::String => Values::Texts(Levels::default()),
                Type::Date | Type::Timestamp => Values::Times { range: None },
                Type::List(_) | Type::Vector(_) | Type::SparseVector(_) => Values::Others,
            };
            ColumnTally { count: 0, nulls: 0, values }
        };
        Self { rows: 0, columns: schema.fields().iter().map(column).collect() }
    }

    fn add(mut self, Batch(batch): &Batch) -> Self {
        self.rows += batch.num_rows() as u64;
        for (i, tally) in self.columns.iter_mut().enumerate() {
            tally.add(batch, i);
        }
        self
    }

    fn merge(self, other: Self) -> Self {
        let pairs = self.columns.into_iter().zip(other.columns);
        let columns = pairs.map(|(a, b)| a.merge(b)).collect();
        Self { rows: self.rows + other.rows, columns }
    }
}

impl ColumnTally {
    fn add(&mut self, batch: &RecordBatch, i: usize) {
        let column = batch.column(i);
        self.nulls += column.null_count() as u64;
        self.count += (column.len() - column.null_count()) as u64;
        match &mut self.values {
            Values::Wholes { moments, range, sketch } => {
                for value in column.as_primitive::<Int64Type>().iter().flatten() {
                    moments.add_whole(value);
                    sketch.add(value as f64);
                    *range = spanned(*range, Some((value, value)));
                }
            }
            Values::Times { range } => {
                let of = |value: i64| Some((value, value));
                if let Some(days) = column.as_primitive_opt::<Date32Type>() {
                    days.iter().flatten().for_each(|day| *range = spanned(*range, of(day.into())));
                } else {
                    let times = column.as_primitive::<TimestampMicrosecondType>();
                    times.iter().flatten().for_each(|time| *range = spanned(*range, of(time)));
                }
            }
            Values::Floats { moments, range, odd, sketch } => {
                for value in column.as_primitive::<Float64Type>().iter().flatten() {
                    odd.add(value);
                    if value.is_finite() {
                        moments.add(value);
                    }
                    if !value.is_nan() {
                        sketch.add(value);
                        *range = wider(*range, Some((value, value)));
                    }
                }
            }
            Values::Texts(levels) => match column.as_boolean_opt() {
                Some(truths) => {
                    truths
                        .iter()
                        .flatten()
                        .for_each(|value| levels.add(if value { "true" } else { "false" }, 1));
                }
                None => {
                    column
                        .as_string::<i32>()
                        .iter()
                        .flatten()
                        .for_each(|value| levels.add(value, 1));
                }
            },
            Values::Others => {}
        }
    }

    fn merge(self, other: Self) -> Self {
        let values = match (self.values, other.values) {
            (
                Values::Wholes { moments, range, sketch },
                Values::Wholes { moments: more, range: other, sketch: rest },
            ) => Values::Wholes {
                moments: Box::new(moments.merge(&more)),
                range: spanned(range, other),
                sketch: sketch.merge(rest),
            },
            (
                Values::Floats { moments, range, odd, sketch },
                Values::Floats { moments: more, range: other, odd: more_odd, sketch: rest },
            ) => Values::Floats {
                moments: Box::new(moments.merge(&more)),
                range: wider(range, other),
                odd: odd.merge(&more_odd),
                sketch: sketch.merge(rest),
            },
            (Values::Times { range }, Values::Times { range: other }) => {
                Values::Times { range: spanned(range, other) }
            }
            (Values::Texts(a), Values::Texts(b)) => Values::Texts(a.merge(b)),
            (values, _) => values, // both are of one schema, so both are lists or vectors
        };
        Self { count: self.count + other.count, nulls: self.nulls + other.nulls, values }
    }

    fn summary(self, field: &Field) -> ColumnSummary {
        let (numbers, texts) = match self.values {
            Values::Wholes { moments, range, sketch } => {
                let (mean, std) = (moments.mean(), moments.std());
                let min = range.map(|(low, _)| low.into());
                let max = range.map(|(_, high)| high.into());
                let quartiles = quartiles(&sketch);
                (Some(NumberSummary { mean, std, min, max, nan: 0, quartiles }), None)
            }
            Values::Times { range } => {
                let value = |at: i64| match field.data_type {
                    Type::Date => Value::Date(at as i32), // as it was read
                    _ => Value::Timestamp(at),
                };
                let (min, max) =
                    (range.map(|(low, _)| value(low)), range.map(|(_, high)| value(high)));
                let (mean, std, quartiles) = (None, None, None);
                (Some(NumberSummary { mean, std, min, max, nan: 0, quartiles }), None)
            }
            Values::Floats { moments, range, odd, sketch } => {
                let mean = odd.mean().or(moments.mean());
                let std = match odd.mean() {
                    Some(_) => (self.count > 1).then_some(f64::NAN),
                    None => moments.std(),
                };
                let min = range.map(|(low, _)| low.into());
                let max = range.map(|(_, high)| high.into());
                let quartiles = quartiles(&sketch);
                (Some(NumberSummary { mean, std, min, max, nan: odd.nan, quartiles }), None)
            }
            Values::Texts(levels) => (None, Some(levels.summary())),
            Values::Others => (None, None),
        };
        let (count, nulls) = (self.count, self.nulls);
        let (name, data_type) = (field.name.clone(), field.data_type);
        ColumnSummary { name, data_type, count, nulls, numbers, texts }
    }
}

fn quartiles(sketch: &Sketch) -> Option<[f64; 3]> {
    let quantile = |p| sketch.quantile(p);
    Some([quantile(0.25)?, quantile(0.5)?, quantile(0.75)?])
}

/// The range over both.
fn spanned(a: Option<(i64, i64)>, b: Option<(i64, i64)>) -> Option<(i64, i64)> {
    let (Some(a), Some(b)) = (a, b) else { return a.or(b) };
    Some((a.0.min(b.0), a.1.max(b.1)))
}

/// The range over both; `-0.0` comes before `0.0`, so that the order of rows cannot show.
fn wider(a: Option<(f64, f64)>, b: Option<(f64, f64)>) -> Option<(f64, f64)> {
    let (Some(a), Some(b)) = (a, b) else { return a.or(b) };
    let low = if a.0.total_cmp(&b.0).is_le() { a.0 } else { b.0 };
    let high = if a.1.total_cmp(&b.1).is_ge() { a.1 } else { b.1 };
    Some((low, high))
}

impl Odd {
    fn add(&mut self, value: f64) {
        self.nan += u64::from(value.is_nan());
        self.up += u64::from(value == f64::INFINITY);
        self.down += u64::from(value == f64::NEG_INFINITY);
    }

    fn merge(self, other: &Self) -> Self {
        Self { nan: self.nan + other.nan, up: self.up + other.up, down: self.down + other.down }
    }

    /// What the mean is because of them.
    fn mean(&self) -> Option<f64> {
        match (self.nan, self.up, self.down) {
            (0, 0, 0) => None,
            (0, _, 0) => Some(f64::INFINITY),
            (0, 0, _) => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        }
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = [
            "column", "type", "count", "nulls", "mean", "std", "min", "25%", "50%", "75%", "max",
            "levels", "top",
        ];
        let mut lines = vec![head.map(str::to_owned)];
        lines.extend(self.columns.iter().map(ColumnSummary::cells));
        let width = |i: usize| lines.iter().map(|line| line[i].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        for line in &lines {
            let mut text = String::new();
            for (i, (cell, &width)) in line.iter().zip(&widths).enumerate() {
                let left = matches!(i, 0 | 1 | 12);
                text.push_str(&if left {
                    format!("{cell:<width$}  ")
                } else {
                    format!("{cell:>width$}  ")
                });
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        writeln!(f, "{} rows", self.rows)
    }
}

impl ColumnSummary {
    fn cells(&self) -> [String; 13] {
        let number = |x: Option<f64>| x.map_or_else(String::new, short_number);
        let value = |value: &Option<Value>| match value {
            Some(Value::F64(x)) => short_number(*x),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let mut cells = std::array::from_fn(|_| String::new());
        cells[0] = self.name.clone();
        cells[1] = self.data_type.to_string();
        cells[2] = self.count.to_string();
        cells[3] = self.nulls.to_string();
        if let Some(numbers) = &self.numbers {
            cells[4] = number(numbers.mean);
            cells[5] = number(numbers.std);
            cells[6] = value(&numbers.min);
            for (cell, quartile) in (7..).zip(numbers.quartiles.iter().flatten()) {
                cells[cell] = short_number(*quartile);
            }
            cells[10] = value(&numbers.max);
            if numbers.nan > 0 {
                cells[12] = format!("NaN ({})", numbers.nan);
            }
        }
        if let Some(texts) = &self.texts {
            let about = if texts.is_exact { "" } else { "~" };
            cells[11] = format!("{about}{}", texts.distinct);
            if let Some((level, times)) = &texts.top {
                let level: String = level.chars().filter(|c| !c.is_control()).take(24).collect();
                cells[12] = format!("{level} ({times})");
            }
        }
        cells
    }
}

/// A float for people: six digits.
fn short_number(x: f64) -> String {
    let size = x.abs();
    if x.fract() == 0.0 && size < 1e15 {
        format!("{x}")
    } else if (1e-3..1e6).contains(&size) {
        let decimals = 5 - size.log10().floor() as i32;
        format!("{x:.*}", decimals.max(0) as usize)
    } else if size.is_finite() {
        format!("{x:.5e}")
    } else {
        float_text(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_for_people() {
        for (x, text) in [
            (3.0, "3"),
            (0.123_456_789, "0.123457"),
            (12_345.678_9, "12345.7"),
            (1.0e-9, "1.00000e-9"),
            (f64::NAN, "NaN"),
            (-0.5, "-0.500000"),
        ] {
            assert_eq!(short_number(x), text);
        }
    }
}
