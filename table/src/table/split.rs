//! A random split by a key: all rows of a patient on one side.
//!
//! A row's side is a pure function of the seed and the key's text: `u = draw(seed, hash(text))`
//! in `[0, 1)`, compared with the running sums of the weights. So the split does not depend on the
//! order of rows, on files or partitions, or on which other rows there are; a patient added later
//! moves nobody.

use arrow_array::{Array, BooleanArray, RecordBatch};
use firesteel_core::Error::BadValue;
use firesteel_core::hash::fixed_hash;
use firesteel_core::rng::Draws;

use super::Table;
use crate::error::{Error, Result};
use crate::value::Value;

impl Table {
    /// Splits the rows at random in the given proportions, so that all rows with the same key fall
    /// on the same side.
    ///
    /// What counts is the key's text: the whole number 7, the float 7.0 and the text `7` fall on
    /// the same side, so a table read with ids as text splits like one read with ids as numbers.
    /// The text `007` is another key. Neither order nor partitioning of the rows matters.
    ///
    /// The weights are proportions of keys, to be expected, not of rows: with few keys, or keys
    /// with very many rows, the parts differ from them.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`]; [`Error::TypeMismatch`] for a key of vectors; a parameter error
    /// if a weight is negative or not finite, or all are zero. When the parts are used: a
    /// `BadValue` for a null key (fill it first, or leave the row out).
    ///
    /// # Cost
    ///
    /// Nothing by itself; each part reads the whole table, which is therefore best cached.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::{Table, one_row};
    ///
    /// let rows = (0..100).map(|i| one_row(&[("patient", (i % 40).into())]).unwrap()).collect();
    /// let table = Table::from_batches(&Context::local(), rows)?;
    /// let parts = table.split_by_key("patient", &[0.8, 0.2], 7)?;
    /// assert_eq!(parts[0].count()? + parts[1].count()?, 100);
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    pub fn split_by_key(&self, key: &str, weights: &[f64], seed: u64) -> Result<Vec<Self>> {
        let of = self.schema.type_of(key)?;
        if !of.is_single() {
            return Err(Error::mismatch(key, "a key of single values", Some(of)));
        }
        let ends = borders(weights)?;
        let part = |part: usize| {
            let (key, ends) = (key.to_owned(), ends.clone());
            let draw = Draws::new(seed, "table/split_by_key");
            self.map_batches(self.schema.clone(), move |batch| {
                let sides = sides(batch, &key, &draw, &ends)?;
                let keep =
                    BooleanArray::from_iter(sides.into_iter().map(|side| Some(side == part)));
                arrow_select::filter::filter_record_batch(batch, &keep)
                    .map_err(Error::arrow("splitting rows"))
            })
        };
        Ok((0..weights.len()).map(part).collect())
    }
}

/// The running sums of the weights, as fractions; the last is 1.
fn borders(weights: &[f64]) -> Result<Vec<f64>> {
    let total: f64 = weights.iter().sum();
    let sound = weights.iter().all(|weight| *weight >= 0.0) && total > 0.0 && total.is_finite();
    if !sound {
        let expected = "numbers of zero or more, finite, not all zero";
        return Err(Error::parameter("weights", format_args!("{weights:?}"), expected));
    }
    let mut sum = 0.0;
    let mut ends: Vec<f64> = weights
        .iter()
        .map(|weight| {
            sum += weight;
            sum / total
        })
        .collect();
    // Rounding must leave no gap below 1 behind the last part that takes rows.
    let last = weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0);
    ends[last..].fill(1.0);
    Ok(ends)
}

/// The part that each row belongs to.
fn sides(batch: &RecordBatch, key: &str, draw: &Draws, ends: &[f64]) -> Result<Vec<usize>> {
    let Some(column) = batch.column_by_name(key) else {
        let fields = batch.schema_ref().fields();
        return Err(Error::unknown_column(key, fields.iter().map(|field| field.name().as_str())));
    };
    let side = |row: usize| {
        let text = key_text(&Value::at(column, row)).ok_or_else(|| {
            Error::Core(BadValue {
                operation: "split_by_key".to_owned(),
                row: row as u64,
                column: key.to_owned(),
                value: "null".to_owned(),
                expected: "a key".to_owned(),
            })
        })?;
        let u = draw.uniform(fixed_hash(text.as_str()));
        Ok(ends.iter().take_while(|&&end| end <= u).count())
    };
    (0..column.len()).map(side).collect()
}

/// The text that stands for a key; none for a null.
fn key_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        // Below 2⁵³ a float that is whole reads like the whole number.
        Value::F64(x) if x.fract() == 0.0 && x.abs() <= 9_007_199_254_740_992.0 => {
            Some((*x as i64).to_string())
        }
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_end_at_one_and_leave_zero_weights_empty() {
        assert_eq!(borders(&[3.0, 1.0]).unwrap(), [0.75, 1.0]);
        assert_eq!(borders(&[0.0, 1.0, 0.0]).unwrap(), [0.0, 1.0, 1.0]);
        for weights in [&[][..], &[0.0], &[-1.0, 2.0], &[f64::NAN], &[f64::INFINITY]] {
            assert!(borders(weights).is_err(), "{weights:?}");
        }
    }

    #[test]
    fn a_key_is_its_text() {
        assert_eq!(key_text(&Value::I64(7)), key_text(&Value::F64(7.0)));
        assert_eq!(key_text(&Value::I64(7)), key_text(&Value::from("7")));
        assert_eq!(key_text(&Value::F64(-0.0)), key_text(&Value::I64(0)));
        assert_ne!(key_text(&Value::from("007")), key_text(&Value::from("7")));
        assert_eq!(key_text(&Value::Null), None);
    }
}
