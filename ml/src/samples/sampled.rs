//! Passes over samples that several algorithms share: moments, and a sample of the rows.

use std::sync::Arc;

use firesteel_core::rng::Draws;

use super::block::{Block, Csr, Features};
use super::{Samples, Shape, canonical, partition_rows};
use crate::error::Result;
use crate::kernel::{Moments, ShapeError};

impl Samples {
    /// Weighted moments and range of every feature, in one pass; known from then on.
    ///
    /// # Errors
    ///
    /// What an action can give.
    pub(crate) fn moments(&self) -> Result<Moments> {
        if let Some(moments) = self.known.moments.get() {
            return Ok(moments.clone());
        }
        // Merging cannot fail where all have the width of the samples.
        let merge = |mut a: Moments, b: Moments| {
            a.merge(&b).expect("all moments are those of the same features");
            a
        };
        let moments = self.blocks.try_tree_aggregate(
            Moments::new(self.d()),
            |moments, block| Ok::<_, ShapeError>(merge(moments, block.moments()?)),
            merge,
        )?;
        Ok(self.known.moments.get_or_init(|| moments).clone())
    }

    /// The same rows with `origin` taken from their features, kept beside them: for features far
    /// from zero, whose squares would drown what they differ by. Dense rows only.
    pub(crate) fn moved(&self, origin: &[f64]) -> Samples {
        let origin = origin.to_vec();
        let blocks = self.blocks.map(move |block| block.moved(&origin)).cache_sized(Block::bytes);
        Samples { blocks, shape: Arc::clone(&self.shape), known: Arc::default() }
    }

    /// One row of each run of `every` consecutive rows, drawn by the run's number under the
    /// context's seed; canonical samples of their own, kept in memory.
    ///
    /// # Errors
    ///
    /// What an action can give.
    pub(crate) fn sampled(&self, every: u64) -> Result<Samples> {
        let draws = Draws::new(self.context().seed(), "sample of rows");
        let d = self.d();
        let chosen = self.blocks.map_partitions(move |blocks| {
            let picked: Vec<Block> =
                blocks.map(|block| pick(&block, every, &draws)).filter(|b| !b.is_empty()).collect();
            Block::concat(&picked)
        });
        let n = self.n().div_ceil(every);
        let each = partition_rows(n, d);
        let blocks = chosen
            .cache_sized(Block::bytes)
            .recut(Block::len, Block::slice_ref, |_| each)?
            .map_partitions_with_index(move |p, pieces| {
                let pieces: Vec<Block> = pieces.collect();
                canonical(&pieces, p as u64 * each, d)
            })
            .cache_sized(Block::bytes);
        let shape = Shape { n, ..(*self.shape).clone() };
        Ok(Samples::new(blocks, shape))
    }
}

/// The rows of a block that are drawn from their runs.
fn pick(block: &Block, every: u64, draws: &Draws) -> Block {
    let (first, end) = (block.first_row, block.first_row + block.len() as u64);
    let rows: Vec<usize> = (first / every..end.div_ceil(every))
        .map(|run| run * every + draws.below(run, every))
        .filter(|row| (first..end).contains(row))
        .map(|row| (row - first) as usize)
        .collect();
    let d = block.d;
    let features = match &block.features {
        Features::Dense(x) => {
            let mut picked = Vec::with_capacity(rows.len() * d);
            rows.iter().for_each(|&i| picked.extend_from_slice(&x[i * d..(i + 1) * d]));
            Features::Dense(picked.into())
        }
        Features::DenseF32(x) => {
            let mut picked = Vec::with_capacity(rows.len() * d);
            rows.iter().for_each(|&i| picked.extend_from_slice(&x[i * d..(i + 1) * d]));
            Features::DenseF32(picked.into())
        }
        Features::Sparse(csr) => {
            let (mut offsets, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
            for &i in &rows {
                let (columns, row) = csr.row(i);
                indices.extend_from_slice(columns);
                values.extend_from_slice(row);
                offsets.push(values.len());
            }
            Features::Sparse(Csr {
                offsets: offsets.into(),
                indices: indices.into(),
                values: values.into(),
            })
        }
    };
    let of = |column: &[f64]| rows.iter().map(|&i| column[i]).collect::<Vec<f64>>().into();
    Block {
        first_row: first,
        d,
        features,
        labels: of(&block.labels),
        weights: block.weights.as_deref().map(of),
        groups: None,
    }
}
