//! What is evaluated: scores beside the labels that came true.

use firesteel_core::{Context, Dataset};
use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Rows in a block that the constructors here make: a function of nothing, so that the cut never
/// depends on the machine. (The metrics do not depend on it either.)
const BLOCK: usize = 1 << 16;

/// Some rows to evaluate, in columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoredBlock {
    scores: Vec<f64>,
    labels: Vec<f64>,
    /// None: every row counts once.
    weights: Option<Vec<f64>>,
}

impl ScoredBlock {
    /// Rows with a score, a label (0 or 1) and a weight; without weights each row counts once.
    ///
    /// The values are checked when they are evaluated.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if the columns have different lengths.
    pub fn new(scores: Vec<f64>, labels: Vec<f64>, weights: Option<Vec<f64>>) -> Result<Self> {
        check_lengths(scores.len(), labels.len(), weights.as_ref().map(Vec::len))?;
        Ok(Self { scores, labels, weights })
    }

    /// How many rows it holds.
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// Whether it holds no rows.
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    /// The rows as (score, label, weight).
    pub fn rows(&self) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
        let weight = |i| self.weights.as_ref().map_or(1.0, |weights| weights[i]);
        let pairs = self.scores.iter().zip(&self.labels);
        pairs.enumerate().map(move |(i, (&score, &label))| (score, label, weight(i)))
    }
}

fn check_lengths(scores: usize, labels: usize, weights: Option<usize>) -> Result<()> {
    for (what, got) in [("labels", Some(labels)), ("weights", weights)] {
        if let Some(got) = got
            && got != scores
        {
            return Err(Error::Shape { what: what.into(), expected: scores, got });
        }
    }
    Ok(())
}

/// Scores, the labels that came true, and weights: what [`BinaryMetrics`](super::BinaryMetrics)
/// measures. Cheap to clone.
///
/// A score is a probability or any other number that is higher for rows more likely to have
/// label 1 (a margin, say). A weight counts a row as that many equal rows.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_ml::evaluation::{BinaryMetrics, Scored};
///
/// # fn main() -> firesteel_ml::Result<()> {
/// let ctx = Context::local();
/// let arrays = Scored::from_slices(&ctx, &[0.9, 0.2, 0.6], &[1.0, 0.0, 0.0])?;
/// let rows = ctx.parallelize(vec![(0.9, 1.0), (0.2, 0.0), (0.6, 0.0)]);
/// let dataset = Scored::from_rows(&rows);
/// for scored in [arrays, dataset] {
///     assert_eq!(BinaryMetrics::new(&scored)?.area_under_roc()?, 1.0);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Scored {
    blocks: Dataset<ScoredBlock>,
}

impl Scored {
    /// Rows of equal weight from slices. Every rank passes the same ones.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if they have different lengths.
    pub fn from_slices(ctx: &Context, scores: &[f64], labels: &[f64]) -> Result<Self> {
        Self::from_columns(ctx, scores, labels, None)
    }

    /// Rows with weights from slices. Every rank passes the same ones.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if they have different lengths.
    pub fn from_weighted_slices(
        ctx: &Context,
        scores: &[f64],
        labels: &[f64],
        weights: &[f64],
    ) -> Result<Self> {
        Self::from_columns(ctx, scores, labels, Some(weights))
    }

    fn from_columns(
        ctx: &Context,
        scores: &[f64],
        labels: &[f64],
        weights: Option<&[f64]>,
    ) -> Result<Self> {
        check_lengths(scores.len(), labels.len(), weights.map(<[f64]>::len))?;
        let blocks: Vec<ScoredBlock> = (0..scores.len())
            .step_by(BLOCK)
            .map(|from| {
                let rows = from..scores.len().min(from + BLOCK);
                ScoredBlock {
                    scores: scores[rows.clone()].to_vec(),
                    labels: labels[rows.clone()].to_vec(),
                    weights: weights.map(|weights| weights[rows].to_vec()),
                }
            })
            .collect();
        let partitions = blocks.len();
        Ok(Self { blocks: ctx.parallelize_in(blocks, partitions) })
    }

    /// Rows from arrays; without weights each row counts once. Every rank passes the same ones.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if they have different lengths.
    pub fn from_arrays(
        ctx: &Context,
        scores: ArrayView1<'_, f64>,
        labels: ArrayView1<'_, f64>,
        weights: Option<ArrayView1<'_, f64>>,
    ) -> Result<Self> {
        // A column of a matrix is not contiguous; then it is copied first.
        let (scores, labels) = (scores.as_standard_layout(), labels.as_standard_layout());
        let weights = weights.as_ref().map(|weights| weights.as_standard_layout());
        let weights = weights.as_ref().and_then(|weights| weights.as_slice());
        let contiguous = "an array in standard layout is contiguous";
        Self::from_columns(
            ctx,
            scores.as_slice().expect(contiguous),
            labels.as_slice().expect(contiguous),
            weights,
        )
    }

    /// Rows of equal weight from (score, label).
    pub fn from_rows(rows: &Dataset<(f64, f64)>) -> Self {
        Self {
            blocks: rows.map_partitions(|rows| {
                in_blocks(rows, |rows| ScoredBlock {
                    scores: rows.iter().map(|row| row.0).collect(),
                    labels: rows.iter().map(|row| row.1).collect(),
                    weights: None,
                })
            }),
        }
    }

    /// Rows from (score, label, weight).
    pub fn from_weighted_rows(rows: &Dataset<(f64, f64, f64)>) -> Self {
        Self {
            blocks: rows.map_partitions(|rows| {
                in_blocks(rows, |rows| ScoredBlock {
                    scores: rows.iter().map(|row| row.0).collect(),
                    labels: rows.iter().map(|row| row.1).collect(),
                    weights: Some(rows.iter().map(|row| row.2).collect()),
                })
            }),
        }
    }

    /// Rows in blocks of any sizes.
    pub fn from_blocks(blocks: Dataset<ScoredBlock>) -> Self {
        Self { blocks }
    }

    /// The rows in blocks.
    pub fn blocks(&self) -> &Dataset<ScoredBlock> {
        &self.blocks
    }
}

/// Gathers rows and makes a block of every [`BLOCK`] of them.
fn in_blocks<T>(
    mut rows: impl Iterator<Item = T>,
    block: impl Fn(Vec<T>) -> ScoredBlock,
) -> impl Iterator<Item = ScoredBlock> {
    std::iter::from_fn(move || {
        let some: Vec<T> = rows.by_ref().take(BLOCK).collect();
        (!some.is_empty()).then(|| block(some))
    })
}
