//! The check of every row, and the rows that count, ready to be sorted.

use serde::{Deserialize, Serialize};

use super::levels::descending_key;
use super::scored::ScoredBlock;
use crate::error::{Error, Result};

/// The largest weight: 2⁶⁰ rows of it still have a finite sum.
const HEAVIEST: f64 = 1e288;

/// What was found in some rows next to each other; row numbers count from the first of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Checked {
    /// All rows, also those of weight zero.
    rows: u64,
    /// Entries that the rows make once equal scores are joined.
    pub(super) entries: u64,
    /// The first value that cannot be measured.
    fault: Option<(Column, Found)>,
    /// The first score that is not a probability.
    no_probability: Option<Found>,
}

/// A value and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Found {
    row: u64,
    value: f64,
}

impl Found {
    fn moved(self, rows: u64) -> Self {
        Self { row: self.row + rows, ..self }
    }

    fn error(self, column: &str, expected: impl Into<String>) -> Error {
        let (row, value) = (self.row, format!("{:?}", self.value));
        Error::BadValue { row, column: column.into(), value, expected: expected.into() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Column {
    Score,
    Label,
    Weight,
}

impl Checked {
    /// Joins what was found in the rows after these.
    pub(super) fn merge(self, after: Self) -> Self {
        let moved = |found: Found| found.moved(self.rows);
        let next_fault = after.fault.map(|(column, found)| (column, moved(found)));
        Self {
            rows: self.rows + after.rows,
            entries: self.entries + after.entries,
            fault: self.fault.or(next_fault),
            no_probability: self.no_probability.or(after.no_probability.map(moved)),
        }
    }

    /// An error if the rows cannot be measured at all.
    pub(super) fn verdict(&self) -> Result<()> {
        match self.fault {
            Some((Column::Score, found)) => Err(found.error("score", "a number")),
            Some((Column::Label, found)) => Err(found.error("label", "0 or 1")),
            Some((Column::Weight, found)) => {
                Err(found.error("weight", format!("a number from 0 to {HEAVIEST:e}")))
            }
            None if self.rows == 0 => Err(Error::EmptyData { what: "binary metrics".into() }),
            None if self.entries == 0 => Err(Error::Undefined {
                what: "binary metrics".into(),
                reason: "all weights are zero".into(),
            }),
            None => Ok(()),
        }
    }

    /// An error if a score is not a probability.
    pub(super) fn need_probabilities(&self) -> Result<()> {
        match self.no_probability {
            Some(found) => Err(found.error("score", "a probability from 0 to 1")),
            None => Ok(()),
        }
    }

    pub(super) fn are_probabilities(&self) -> bool {
        self.no_probability.is_none()
    }
}

/// Checks the rows of a block. Those that count come out as the key of their score and their
/// weight, which is negative for label 0; after a fault no more come.
pub(super) fn check(block: &ScoredBlock) -> (Checked, Vec<(u64, f64)>) {
    let mut checked = Checked { rows: block.len() as u64, ..Checked::default() };
    let mut counting = Vec::with_capacity(block.len());
    for (row, (score, label, weight)) in block.rows().enumerate() {
        let found = |value| Found { row: row as u64, value };
        if !(0.0..=1.0).contains(&score) {
            if score.is_nan() {
                checked.fault = Some((Column::Score, found(score)));
                break;
            }
            checked.no_probability = checked.no_probability.or(Some(found(score)));
        }
        if !(0.0..=HEAVIEST).contains(&weight) {
            checked.fault = Some((Column::Weight, found(weight)));
            break;
        }
        let signed = if label.to_bits() == 1_f64.to_bits() {
            weight
        } else if label == 0.0 {
            -weight
        } else {
            checked.fault = Some((Column::Label, found(label)));
            break;
        };
        if weight > 0.0 {
            counting.push((descending_key(score), signed));
        }
    }
    (checked, counting)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(rows: &[(f64, f64, f64)]) -> Checked {
        let column = |pick: fn(&(f64, f64, f64)) -> f64| rows.iter().map(pick).collect();
        let block = ScoredBlock::new(column(|r| r.0), column(|r| r.1), Some(column(|r| r.2)));
        check(&block.unwrap()).0
    }

    #[test]
    fn the_first_fault_is_named_by_its_global_row() {
        let good = (0.5, 1.0, 1.0);
        let merged = checked(&[good, good])
            .merge(checked(&[good, (0.5, 2.0, 1.0)]))
            .merge(checked(&[(0.5, 1.0, -1.0)]));
        let error = merged.verdict().unwrap_err();
        assert_eq!(error.to_string(), "row 3, label: expected 0 or 1, found 2.0");
    }

    #[test]
    fn a_row_of_weight_zero_does_not_count_and_is_checked() {
        let block = ScoredBlock::new(vec![0.5], vec![1.0], Some(vec![0.0])).unwrap();
        assert!(check(&block).1.is_empty());
        assert!(checked(&[(f64::NAN, 1.0, 0.0)]).verdict().is_err());
    }
}
