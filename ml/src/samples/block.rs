//! A block of rows: what a kernel works on at a time.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::slice::Slice;

/// The features of a block of rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Features {
    /// Row after row of `d` numbers.
    Dense(Slice<f64>),
    /// Row after row of `d` numbers held in half the memory; sums over them are f64 all the same.
    DenseF32(Slice<f32>),
    /// Compressed sparse rows.
    Sparse(Csr),
}

/// Compressed sparse rows: row `i` has the columns `indices[offsets[i]..offsets[i + 1]]`,
/// ascending, with `values` beside them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Csr {
    /// One more than there are rows, from 0.
    pub offsets: Slice<usize>,
    /// Columns, ascending within a row.
    pub indices: Slice<u32>,
    /// Values of these columns.
    pub values: Slice<f64>,
}

/// Consecutive rows with their labels, and weights and groups if there are any.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// Global number of its first row.
    pub first_row: u64,
    /// Number of features.
    pub d: usize,
    /// The features of its rows.
    pub features: Features,
    /// One label a row.
    pub labels: Slice<f64>,
    /// One weight a row, unless all are 1.
    pub weights: Option<Slice<f64>>,
    /// One group a row, if rows belong together (stays of one patient).
    pub groups: Option<Slice<u64>>,
}

impl Block {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The rows in `range`; nothing dense is copied.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let d = self.d;
        let wide = range.start * d..range.end * d;
        let features = match &self.features {
            Features::Dense(x) => Features::Dense(x.slice(wide)),
            Features::DenseF32(x) => Features::DenseF32(x.slice(wide)),
            Features::Sparse(csr) => Features::Sparse(csr.slice(range.clone())),
        };
        Self {
            first_row: self.first_row + range.start as u64,
            d,
            features,
            labels: self.labels.slice(range.clone()),
            weights: self.weights.as_ref().map(|weights| weights.slice(range.clone())),
            groups: self.groups.as_ref().map(|groups| groups.slice(range)),
        }
    }

    /// [`slice`](Self::slice) as a function of a reference.
    pub(crate) fn slice_ref(block: &Block, range: Range<usize>) -> Block {
        block.slice(range)
    }

    /// Bytes of memory that its rows take.
    pub fn bytes(&self) -> usize {
        let features = match &self.features {
            Features::Dense(x) => x.len() * 8,
            Features::DenseF32(x) => x.len() * 4,
            Features::Sparse(csr) => csr.offsets.len() * 8 + csr.values.len() * 12,
        };
        let columns = 1 + usize::from(self.weights.is_some()) + usize::from(self.groups.is_some());
        features + self.len() * 8 * columns
    }

    /// The weight of row `i`.
    #[inline]
    pub fn weight(&self, i: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights[i])
    }

    /// Writes row `i` into `row`, which has `d` numbers.
    pub fn copy_row(&self, i: usize, row: &mut [f64]) {
        match &self.features {
            Features::Dense(x) => row.copy_from_slice(&x[i * self.d..(i + 1) * self.d]),
            Features::DenseF32(x) => {
                for (to, from) in row.iter_mut().zip(&x[i * self.d..(i + 1) * self.d]) {
                    *to = f64::from(*from);
                }
            }
            Features::Sparse(csr) => {
                row.fill(0.0);
                let (indices, values) = csr.row(i);
                for (&j, &value) in indices.iter().zip(values) {
                    row[j as usize] = value;
                }
            }
        }
    }

    /// Several blocks that follow one another as one.
    pub(crate) fn concat(blocks: &[Block]) -> Option<Block> {
        let first = blocks.first()?;
        if blocks.len() == 1 {
            return Some(first.clone());
        }
        fn joined<E: Copy>(parts: impl Iterator<Item = Slice<E>>) -> Slice<E> {
            let mut all = Vec::new();
            for part in parts {
                all.extend_from_slice(&part);
            }
            all.into()
        }
        let features = match &first.features {
            Features::Dense(_) => {
                Features::Dense(joined(blocks.iter().map(|block| match &block.features {
                    Features::Dense(x) => x.clone(),
                    Features::DenseF32(x) => {
                        x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>().into()
                    }
                    Features::Sparse(_) => block.densified().into(),
                })))
            }
            Features::DenseF32(_) => Features::DenseF32(joined(blocks.iter().filter_map(
                |block| match &block.features {
                    Features::DenseF32(x) => Some(x.clone()),
                    _ => None,
                },
            ))),
            Features::Sparse(_) => Features::Sparse(Csr::concat(blocks)),
        };
        let with = |column: fn(&Block) -> &Option<Slice<f64>>| {
            column(first)
                .is_some()
                .then(|| joined(blocks.iter().filter_map(|block| column(block).clone())))
        };
        Some(Block {
            first_row: first.first_row,
            d: first.d,
            features,
            labels: joined(blocks.iter().map(|block| block.labels.clone())),
            weights: with(|block| &block.weights),
            groups: first
                .groups
                .is_some()
                .then(|| joined(blocks.iter().filter_map(|block| block.groups.clone()))),
        })
    }

    /// The same rows with `origin` taken from each, in f64; sparse ones as they are.
    pub(crate) fn moved(self, origin: &[f64]) -> Block {
        fn less<E: Copy + Into<f64>>(x: &[E], origin: &[f64]) -> Features {
            let rows = x.chunks_exact(origin.len());
            let moved = rows.flat_map(|row| row.iter().zip(origin).map(|(&x, at)| x.into() - at));
            Features::Dense(moved.collect::<Vec<f64>>().into())
        }
        let features = match self.features {
            Features::Dense(x) => less(&x, origin),
            Features::DenseF32(x) => less(&x, origin),
            sparse @ Features::Sparse(_) => sparse,
        };
        Block { features, ..self }
    }

    fn densified(&self) -> Vec<f64> {
        let mut x = vec![0.0; self.len() * self.d];
        for (i, row) in x.chunks_exact_mut(self.d.max(1)).enumerate() {
            self.copy_row(i, row);
        }
        x
    }
}

impl Csr {
    /// The columns and values of row `i`.
    pub fn row(&self, i: usize) -> (&[u32], &[f64]) {
        let base = self.offsets[0];
        let range = self.offsets[i] - base..self.offsets[i + 1] - base;
        (&self.indices[range.clone()], &self.values[range])
    }

    fn slice(&self, range: Range<usize>) -> Self {
        let base = self.offsets[0];
        let offsets = self.offsets.slice(range.start..range.end + 1);
        let stored = offsets[0] - base..offsets[offsets.len() - 1] - base;
        // Kernels want offsets from zero; they are a small part of the block.
        let from = offsets[0];
        let offsets = offsets.iter().map(|offset| offset - from).collect::<Vec<_>>().into();
        Self {
            offsets,
            indices: self.indices.slice(stored.clone()),
            values: self.values.slice(stored),
        }
    }

    fn concat(blocks: &[Block]) -> Self {
        let (mut offsets, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for block in blocks {
            if let Features::Sparse(csr) = &block.features {
                let base = values.len();
                offsets.extend(csr.offsets[1..].iter().map(|offset| base + offset));
                indices.extend_from_slice(&csr.indices);
                values.extend_from_slice(&csr.values);
            }
        }
        Self { offsets: offsets.into(), indices: indices.into(), values: values.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sparse() -> Block {
        Block {
            first_row: 0,
            d: 4,
            features: Features::Sparse(Csr {
                offsets: vec![0, 2, 2, 3, 5].into(),
                indices: vec![0, 3, 1, 0, 2].into(),
                values: vec![1.0, 2.0, 3.0, 4.0, 5.0].into(),
            }),
            labels: vec![0.0, 1.0, 0.0, 1.0].into(),
            weights: Some(vec![1.0, 2.0, 3.0, 4.0].into()),
            groups: None,
        }
    }

    #[test]
    fn slices_of_sparse_rows_join_to_the_whole() {
        let whole = sparse();
        for cut in 0..=4 {
            let parts = [whole.slice(0..cut), whole.slice(cut..4)];
            assert_eq!(parts[1].first_row, cut as u64);
            assert_eq!(Block::concat(&parts).unwrap(), whole);
        }
        let mut row = vec![9.0; 4];
        whole.slice(1..4).copy_row(2, &mut row);
        assert_eq!(row, [4.0, 0.0, 5.0, 0.0]);
    }
}
