//! What algorithms eat: labelled rows in blocks.
//!
//! However rows came in (from arrays, from a table, in any partitions), [`Samples`] hold them in
//! one canonical form: blocks cut at fixed global row numbers, whose height is a function of
//! their width alone, in partitions whose number is a function of rows and width. Whatever is
//! summed over samples is summed block by block within a partition and over the fixed tree on the
//! partitions, so it depends on the rows alone: not on threads, ranks, or how the input was
//! partitioned (law 2). With a row key the rows are first brought into the key's order, and then
//! it does not depend on the order of rows or files either.

mod arrays;
mod block;
mod check;
mod kernels;
mod labels;
mod sampled;
mod slice;
mod table;

pub use arrays::ArraySamples;
pub use block::{Block, Csr, Features};
pub(crate) use labels::Labels;
pub use slice::Slice;
pub use table::TableSamples;

use std::sync::{Arc, OnceLock};

use firesteel_core::{Context, Dataset, StorageLevel};

use crate::error::Result;
use crate::kernel::Moments;

/// Numbers in a block of dense rows, about: one block fills half of a second-level cache.
const BLOCK_NUMBERS: usize = 1 << 17;
/// Most partitions, and so most leaves of the reduction tree.
const MOST_PARTITIONS: u64 = 256;

/// Rows of a block of width `d`: a power of two between 256 and 8192.
pub(crate) fn block_rows(d: usize) -> usize {
    let fit = (BLOCK_NUMBERS / d.max(1)).clamp(256, 8192);
    1 << fit.ilog2()
}

/// Rows of a partition of `n` rows of width `d`: whole blocks, in at most 256 partitions.
pub(crate) fn partition_rows(n: u64, d: usize) -> u64 {
    let rows = block_rows(d) as u64;
    let blocks = n.div_ceil(rows);
    rows * blocks.div_ceil(MOST_PARTITIONS).max(1)
}

/// Labelled rows, in canonical blocks. Cheap to clone.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_ml::Samples;
/// use ndarray::array;
///
/// # fn main() -> firesteel_ml::Result<()> {
/// let ctx = Context::local();
/// let x = array![[1.0, 0.0], [2.0, 1.0], [3.0, 0.0]];
/// let samples = Samples::from_arrays(&ctx, x, array![0.0, 1.0, 1.0])?;
/// assert_eq!((samples.n(), samples.d()), (3, 2));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Samples {
    blocks: Dataset<Block>,
    shape: Arc<Shape>,
    known: Arc<Known>,
}

/// What passes have found out; all ranks come to know it in the same action.
#[derive(Debug, Default)]
struct Known {
    labels: OnceLock<Labels>,
    moments: OnceLock<Moments>,
}

/// What is known of samples without a pass.
#[derive(Clone, Debug)]
struct Shape {
    n: u64,
    d: usize,
    names: Vec<String>,
    label: String,
    has_weights: bool,
    has_groups: bool,
    is_sparse: bool,
}

impl Samples {
    /// Number of rows.
    pub fn n(&self) -> u64 {
        self.shape.n
    }

    /// Number of features.
    pub fn d(&self) -> usize {
        self.shape.d
    }

    /// The features' names; `x0`, `x1`, … where they were given none.
    pub fn names(&self) -> &[String] {
        &self.shape.names
    }

    /// The label's name.
    pub fn label(&self) -> &str {
        &self.shape.label
    }

    /// Whether rows have weights of their own.
    pub fn has_weights(&self) -> bool {
        self.shape.has_weights
    }

    /// Whether rows belong to groups.
    pub fn has_groups(&self) -> bool {
        self.shape.has_groups
    }

    /// Whether features are held as compressed sparse rows.
    pub fn is_sparse(&self) -> bool {
        self.shape.is_sparse
    }

    /// The blocks, in the order of their rows.
    pub fn blocks(&self) -> &Dataset<Block> {
        &self.blocks
    }

    /// The context that they live in.
    pub fn context(&self) -> &Context {
        self.blocks.context()
    }

    /// Keeps the blocks at another storage level.
    ///
    /// Data on disk is read anew at every pass.
    #[must_use]
    pub fn persist(&self, level: StorageLevel) -> Self {
        Self { blocks: self.blocks.persist(level), ..self.clone() }
    }

    fn new(blocks: Dataset<Block>, shape: Shape) -> Self {
        Self { blocks, shape: Arc::new(shape), known: Arc::default() }
    }
}

/// Names for features without names.
fn default_names(d: usize) -> Vec<String> {
    (0..d).map(|j| format!("x{j}")).collect()
}

/// Cuts consecutive blocks of one partition anew, at multiples of the canonical height.
fn canonical(pieces: &[Block], first_row: u64, d: usize) -> Vec<Block> {
    let Some(mut whole) = Block::concat(pieces) else { return Vec::new() };
    whole.first_row = first_row;
    let (n, rows) = (whole.len(), block_rows(d));
    (0..n).step_by(rows).map(|start| whole.slice(start..n.min(start + rows))).collect()
}

/// Checks that an input has rows and columns.
fn require_rows(n: u64) -> Result<()> {
    if n == 0 {
        return Err(crate::Error::EmptyData { what: "samples".into() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_partitions_are_functions_of_the_shape() {
        assert_eq!(block_rows(1), 8192);
        assert_eq!(block_rows(100), 1024);
        assert_eq!(block_rows(100_000), 256);
        for (n, d) in [(1, 1), (1_000_000, 100), (79_457, 15), (u64::MAX >> 20, 3)] {
            let each = partition_rows(n, d);
            assert_eq!(each % block_rows(d) as u64, 0);
            assert!(n.div_ceil(each) <= MOST_PARTITIONS);
        }
    }
}
