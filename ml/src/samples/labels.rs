//! Totals of labels that say yes or no.

use serde::{Deserialize, Serialize};

use super::{Block, Samples};
use crate::error::Result;

/// The labels' totals.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Labels {
    /// Sum of all weights.
    pub(crate) weight: f64,
    /// Sum of the weights of the rows with label 1.
    pub(crate) positive: f64,
    /// Rows with a weight above zero.
    pub(crate) rows: u64,
    /// The first row whose label is neither 0 nor 1, and the label.
    pub(crate) wrong: Option<(u64, f64)>,
}

impl Labels {
    fn add(mut self, block: &Block) -> Self {
        for (i, &y) in block.labels.iter().enumerate() {
            let weight = block.weight(i);
            // 0 and 1 are exact in any float; what is only near them is wrong.
            if y.to_bits() == 1.0_f64.to_bits() {
                self.positive += weight;
            } else if y.abs() > 0.0 && self.wrong.is_none() {
                self.wrong = Some((block.first_row + i as u64, y));
            }
            self.weight += weight;
            self.rows += u64::from(weight > 0.0);
        }
        self
    }

    fn merge(self, other: Self) -> Self {
        Self {
            weight: self.weight + other.weight,
            positive: self.positive + other.positive,
            rows: self.rows + other.rows,
            wrong: match (self.wrong, other.wrong) {
                (Some(a), Some(b)) => Some(if a.0 <= b.0 { a } else { b }),
                (one, None) | (None, one) => one,
            },
        }
    }
}

impl Samples {
    /// The totals of the labels, in one pass over them; known from then on.
    pub(crate) fn binary_labels(&self) -> Result<Labels> {
        if let Some(labels) = self.known.labels.get() {
            return Ok(labels.clone());
        }
        let labels = self.blocks.tree_aggregate(Labels::default(), Labels::add, Labels::merge)?;
        Ok(self.known.labels.get_or_init(|| labels).clone())
    }
}
