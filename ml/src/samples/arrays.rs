//! Samples from arrays in memory, without a copy.

use std::sync::Arc;

use firesteel_core::{Context, Error as CoreError};
use ndarray::{Array1, Array2};

use super::block::{Block, Features};
use super::check::check_block;
use super::slice::Slice;
use super::{Samples, Shape, block_rows, default_names, partition_rows, require_rows};
use crate::error::{Error, Result};

/// Sets up [`Samples`] from arrays; made by [`ArraySamples::new`] or
/// [`ArraySamples::new_f32`].
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_ml::ArraySamples;
/// use ndarray::array;
///
/// # fn main() -> firesteel_ml::Result<()> {
/// let samples = ArraySamples::new(array![[1.0], [2.0]], array![0.0, 1.0])
///     .weights(array![1.0, 3.0])
///     .names(["dose"])
///     .build(&Context::local())?;
/// assert_eq!(samples.names(), ["dose"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ArraySamples {
    x: Matrix,
    y: Array1<f64>,
    weights: Option<Array1<f64>>,
    groups: Option<Vec<u64>>,
    names: Option<Vec<String>>,
}

#[derive(Clone, Debug)]
enum Matrix {
    F64(Array2<f64>),
    F32(Array2<f32>),
}

impl ArraySamples {
    /// Samples of the rows of `x`, labelled by `y`.
    pub fn new(x: Array2<f64>, y: Array1<f64>) -> Self {
        Self { x: Matrix::F64(x), y, weights: None, groups: None, names: None }
    }

    /// [`new`](Self::new) with features held as f32, in half the memory.
    pub fn new_f32(x: Array2<f32>, y: Array1<f64>) -> Self {
        Self { x: Matrix::F32(x), y, weights: None, groups: None, names: None }
    }

    /// Gives each row a weight.
    pub fn weights(self, weights: Array1<f64>) -> Self {
        Self { weights: Some(weights), ..self }
    }

    /// Says which rows belong together: equal numbers, one group.
    pub fn groups(self, groups: impl Into<Vec<u64>>) -> Self {
        Self { groups: Some(groups.into()), ..self }
    }

    /// Names the features.
    pub fn names<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        Self { names: Some(names.into_iter().map(Into::into).collect()), ..self }
    }

    /// Builds the samples. A row-major array is taken over without a copy.
    ///
    /// Every rank passes the same arrays.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyData`] without rows, [`Error::Shape`] if lengths differ,
    /// [`Error::BadValue`] for a number that is not finite or a negative weight, with its row and
    /// column.
    ///
    /// # Cost
    ///
    /// One pass over the features, to check them.
    pub fn build(self, ctx: &Context) -> Result<Samples> {
        let (n, d) = match &self.x {
            Matrix::F64(x) => x.dim(),
            Matrix::F32(x) => x.dim(),
        };
        require_rows(n as u64)?;
        require_len("labels", n, self.y.len())?;
        require_len("weights", n, self.weights.as_ref().map_or(n, Array1::len))?;
        require_len("groups", n, self.groups.as_ref().map_or(n, Vec::len))?;
        require_len("names", d, self.names.as_ref().map_or(d, Vec::len))?;
        let shape = Shape {
            n: n as u64,
            d,
            names: self.names.unwrap_or_else(|| default_names(d)),
            label: "label".into(),
            has_weights: self.weights.is_some(),
            has_groups: self.groups.is_some(),
            is_sparse: false,
        };
        let whole = Block {
            first_row: 0,
            d,
            features: match self.x {
                Matrix::F64(x) => Features::Dense(row_major(x)),
                Matrix::F32(x) => Features::DenseF32(row_major(x)),
            },
            labels: vector(self.y),
            weights: self.weights.map(vector),
            groups: self.groups.map(Slice::from),
        };
        let (rows, each) = (block_rows(d), partition_rows(n as u64, d) as usize);
        let blocks = ctx.generate("samples", n.div_ceil(each), move |p| {
            let (start, end) = (p * each, n.min((p + 1) * each));
            let whole = whole.clone();
            Ok((start..end)
                .step_by(rows)
                .map(move |row| Ok::<_, CoreError>(whole.slice(row..end.min(row + rows)))))
        });
        let samples = Samples::new(blocks, shape);
        samples.check()?;
        Ok(samples)
    }
}

impl Samples {
    /// Samples of the rows of `x`, labelled by `y`; [`ArraySamples`] has weights, groups and
    /// names too.
    ///
    /// # Errors
    ///
    /// As [`ArraySamples::build`].
    pub fn from_arrays(ctx: &Context, x: Array2<f64>, y: Array1<f64>) -> Result<Self> {
        ArraySamples::new(x, y).build(ctx)
    }

    /// Checks every number, in one pass.
    fn check(&self) -> Result<()> {
        let shape = Arc::clone(&self.shape);
        let checked = self.blocks.try_tree_aggregate(
            (),
            |(), block| check_block(block, &shape.names, &shape.label).map_err(CoreError::from),
            |(), ()| (),
        );
        Ok(checked?)
    }
}

fn require_len(what: &str, expected: usize, got: usize) -> Result<()> {
    if got == expected { Ok(()) } else { Err(Error::Shape { what: what.into(), expected, got }) }
}

fn row_major<E: Clone>(x: Array2<E>) -> Slice<E> {
    let (n, d) = x.dim();
    if x.is_standard_layout() {
        let (data, offset) = x.into_raw_vec_and_offset();
        let start = offset.unwrap_or(0);
        return Slice::from(data).slice(start..start + n * d);
    }
    x.iter().cloned().collect::<Vec<_>>().into()
}

fn vector(x: Array1<f64>) -> Slice<f64> {
    if x.is_standard_layout() {
        let n = x.len();
        let (data, offset) = x.into_raw_vec_and_offset();
        let start = offset.unwrap_or(0);
        return Slice::from(data).slice(start..start + n);
    }
    x.iter().copied().collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn any_memory_layout_gives_the_same_rows() {
        let ctx = Context::local();
        let x = array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
        let y = array![0.0, 1.0, 0.0];
        let turned = array![[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]].reversed_axes();
        let blocks =
            |x| Samples::from_arrays(&ctx, x, y.clone()).unwrap().blocks.collect().unwrap();
        assert_eq!(blocks(x.clone()), blocks(turned));
        assert_eq!(blocks(x).len(), 1);
    }

    #[test]
    fn the_first_bad_number_is_named_by_row_and_column() {
        let ctx = Context::local();
        let mut x = Array2::zeros((20_000, 3));
        x[[15_000, 2]] = f64::NAN;
        x[[9_000, 1]] = f64::INFINITY;
        let error = Samples::from_arrays(&ctx, x, Array1::zeros(20_000)).unwrap_err();
        let expected = Error::BadValue {
            row: 9_000,
            column: "x1".into(),
            value: "inf".into(),
            expected: "a finite number".into(),
        };
        assert_eq!(error, expected);
    }

    #[test]
    fn wrong_lengths_and_weights_are_refused_by_name() {
        let ctx = Context::local();
        let x = Array2::<f64>::ones((3, 1));
        let short = Samples::from_arrays(&ctx, x.clone(), array![0.0]).unwrap_err();
        assert_eq!(short, Error::Shape { what: "labels".into(), expected: 3, got: 1 });
        let negative = ArraySamples::new(x, array![0.0, 1.0, 1.0])
            .weights(array![1.0, -1.0, 1.0])
            .build(&ctx)
            .unwrap_err();
        assert!(matches!(negative, Error::BadValue { row: 1, column, .. } if column == "weight"));
        let none = Samples::from_arrays(&ctx, Array2::zeros((0, 2)), array![]).unwrap_err();
        assert!(matches!(none, Error::EmptyData { .. }));
    }
}
