//! Columns of vectors: how features travel inside a table.
//!
//! A dense vector column is Arrow's `FixedSizeList<Float64>`: the numbers of all rows one after the
//! other. A sparse one is `Struct{size, indices, values}`: for each row the positions that are not
//! zero, in rising order, and their numbers. Both can be viewed as plain slices, without a copy:
//! what a block of rows in CSR form needs is already there.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt32Type};
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, Float64Array, ListArray, StructArray, UInt32Array,
};
use arrow_buffer::{NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Fields};

use crate::error::{Error, Result};

/// The Arrow type of dense vectors of that size.
pub(crate) fn dense_type(size: usize) -> DataType {
    // A size beyond i32 cannot be made by `dense_vector_column`; a schema that claims it matches
    // nothing.
    DataType::FixedSizeList(dense_item(), i32::try_from(size).unwrap_or(i32::MAX))
}

fn dense_item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Float64, true))
}

/// The Arrow type of sparse vectors; the size is in the rows and in the field's metadata.
pub(crate) fn sparse_type() -> DataType {
    DataType::Struct(sparse_fields())
}

fn sparse_fields() -> Fields {
    Fields::from(vec![
        Field::new("size", DataType::UInt32, false),
        Field::new("indices", DataType::List(sparse_item(DataType::UInt32)), false),
        Field::new("values", DataType::List(sparse_item(DataType::Float64)), false),
    ])
}

fn sparse_item(of: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", of, false))
}

/// The size of the first sparse vector of a column of such; none if it is not such a column.
pub(crate) fn sparse_size(array: &dyn Array) -> Option<usize> {
    let sparse = array.as_struct_opt().filter(|_| *array.data_type() == sparse_type())?;
    let sizes = sparse.column(0).as_primitive_opt::<UInt32Type>()?;
    sizes.values().first().map(|&size| size as usize)
}

/// A column of dense vectors from the numbers of all rows, one row after the other.
///
/// # Errors
///
/// A parameter error if `size` is not between 1 and `i32::MAX` or does not divide the number of
/// values.
///
/// # Examples
///
/// ```
/// use firesteel_table::{dense_vector_column, dense_vectors};
///
/// let column = dense_vector_column(2, vec![1.0, 2.0, 3.0, 4.0])?;
/// let rows = dense_vectors(&column)?;
/// assert_eq!(rows.row(1), Some([3.0, 4.0].as_slice()));
/// # Ok::<(), firesteel_table::Error>(())
/// ```
pub fn dense_vector_column(size: usize, values: Vec<f64>) -> Result<ArrayRef> {
    let width = i32::try_from(size).ok().filter(|&width| width > 0);
    let Some(width) = width.filter(|_| values.len().is_multiple_of(size)) else {
        let expected = format!("between 1 and {} and a divisor of {}", i32::MAX, values.len());
        return Err(Error::parameter("size", size, expected));
    };
    let values = Arc::new(Float64Array::from(values));
    let column = FixedSizeListArray::try_new(dense_item(), width, values, None)
        .map_err(Error::arrow("making a vector column"))?;
    Ok(Arc::new(column))
}

/// A view of a column of dense vectors.
///
/// # Errors
///
/// [`Error::UnsupportedType`] for another type, [`Error::Column`] if a vector has a null inside.
pub fn dense_vectors(column: &dyn Array) -> Result<DenseVectors<'_>> {
    let wrong = || Error::UnsupportedType {
        column: "of dense vectors".to_owned(),
        found: column.data_type().to_string(),
    };
    let lists = column.as_fixed_size_list_opt().ok_or_else(wrong)?;
    let numbers = lists.values().as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
    let size = usize::try_from(lists.value_length()).map_err(|_| wrong())?;
    let start = lists.value_offset(0) as usize;
    let values = &numbers.values()[start..start + lists.len() * size];
    let vectors = DenseVectors { size, rows: lists.len(), values, nulls: lists.nulls() };
    let hole =
        |i: usize| !vectors.is_null(i) && (0..size).any(|j| numbers.is_null(start + i * size + j));
    if numbers.null_count() > 0
        && let Some(row) = (0..vectors.len()).find(|&i| hole(i))
    {
        let problem = format!("the vector in row {row} has a null inside");
        return Err(Error::Column { column: "of dense vectors".to_owned(), problem });
    }
    Ok(vectors)
}

/// Dense vectors as slices; see [`dense_vectors`].
#[derive(Clone, Copy, Debug)]
pub struct DenseVectors<'a> {
    size: usize,
    rows: usize,
    values: &'a [f64],
    nulls: Option<&'a NullBuffer>,
}

impl<'a> DenseVectors<'a> {
    /// The numbers in each vector.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The numbers of all rows, one row after the other; those of a null row mean nothing.
    #[must_use]
    pub fn values(&self) -> &'a [f64] {
        self.values
    }

    /// Whether row `i` is null; also past the end.
    #[must_use]
    pub fn is_null(&self, i: usize) -> bool {
        i >= self.rows || self.nulls.is_some_and(|nulls| nulls.is_null(i))
    }

    /// Row `i`; none if it is null or past the end.
    #[must_use]
    pub fn row(&self, i: usize) -> Option<&'a [f64]> {
        (!self.is_null(i)).then(|| &self.values[i * self.size..(i + 1) * self.size])
    }
}

/// Builds a column of sparse vectors row by row.
///
/// # Examples
///
/// ```
/// use firesteel_table::{SparseVectorBuilder, sparse_vectors};
///
/// let mut builder = SparseVectorBuilder::new(10)?;
/// builder.push(&[2, 7], &[1.0, -1.0])?;
/// builder.push_null();
/// let column = builder.finish()?;
/// let rows = sparse_vectors(&column)?;
/// assert_eq!(rows.row(0), Some((&[2, 7][..], &[1.0, -1.0][..])));
/// assert_eq!(rows.row(1), None);
/// # Ok::<(), firesteel_table::Error>(())
/// ```
#[derive(Debug)]
pub struct SparseVectorBuilder {
    size: u32,
    ends: Vec<i32>, // starts with 0
    indices: Vec<u32>,
    values: Vec<f64>,
    nulls: NullBufferBuilder,
}

impl SparseVectorBuilder {
    /// Vectors of that size.
    ///
    /// # Errors
    ///
    /// A parameter error for a size that does not fit in 32 bits.
    pub fn new(size: usize) -> Result<Self> {
        let size = u32::try_from(size)
            .map_err(|_| Error::parameter("size", size, format!("at most {}", u32::MAX)))?;
        Ok(Self {
            size,
            ends: vec![0],
            indices: Vec::new(),
            values: Vec::new(),
            nulls: NullBufferBuilder::new(0),
        })
    }

    /// Adds a row: the positions that are not zero, rising, and their numbers.
    ///
    /// # Errors
    ///
    /// A parameter error if the slices differ in length, if the positions do not rise or reach
    /// beyond the size, or if the column grows beyond `i32::MAX` numbers.
    pub fn push(&mut self, indices: &[u32], values: &[f64]) -> Result<()> {
        let rising = indices.windows(2).all(|pair| pair[0] < pair[1]);
        let inside = indices.last().is_none_or(|&last| last < self.size);
        if !(rising && inside && indices.len() == values.len()) {
            return Err(Error::parameter(
                "indices",
                format_args!("{indices:?} for {} values", values.len()),
                format!("rising, below {} and one for each value", self.size),
            ));
        }
        let end = i32::try_from(self.indices.len() + indices.len()).map_err(|_| {
            let numbers = self.indices.len() + indices.len();
            Error::parameter("indices", numbers, format!("at most {} in a column", i32::MAX))
        })?;
        self.indices.extend_from_slice(indices);
        self.values.extend_from_slice(values);
        self.ends.push(end);
        self.nulls.append_non_null();
        Ok(())
    }

    /// Adds a row without a vector.
    pub fn push_null(&mut self) {
        self.ends.push(self.indices.len() as i32); // `push` has checked that it fits
        self.nulls.append_null();
    }

    /// The column.
    ///
    /// # Errors
    ///
    /// [`Error::Arrow`] if Arrow refuses the parts.
    pub fn finish(self) -> Result<ArrayRef> {
        let rows = self.ends.len() - 1;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.ends));
        let list = |of: DataType, items: ArrayRef| {
            ListArray::try_new(sparse_item(of), offsets.clone(), items, None)
                .map(|list| Arc::new(list) as ArrayRef)
                .map_err(Error::arrow("making a sparse vector column"))
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from(vec![self.size; rows])),
            list(DataType::UInt32, Arc::new(UInt32Array::from(self.indices)))?,
            list(DataType::Float64, Arc::new(Float64Array::from(self.values)))?,
        ];
        let column = StructArray::try_new(sparse_fields(), columns, self.nulls.build())
            .map_err(Error::arrow("making a sparse vector column"))?;
        Ok(Arc::new(column))
    }
}

/// A column of sparse vectors of that size, one `(indices, values)` for each row.
///
/// # Errors
///
/// Those of [`SparseVectorBuilder::push`].
pub fn sparse_vector_column<I, V>(
    size: usize,
    rows: impl IntoIterator<Item = (I, V)>,
) -> Result<ArrayRef>
where
    I: AsRef<[u32]>,
    V: AsRef<[f64]>,
{
    let mut builder = SparseVectorBuilder::new(size)?;
    for (indices, values) in rows {
        builder.push(indices.as_ref(), values.as_ref())?;
    }
    builder.finish()
}

/// A view of a column of sparse vectors.
///
/// # Errors
///
/// [`Error::UnsupportedType`] for another type; [`Error::Column`] if the rows differ in size, if
/// indices and values differ in number, or if indices do not rise or reach beyond the size.
pub fn sparse_vectors(column: &dyn Array) -> Result<SparseVectors<'_>> {
    let wrong = || Error::UnsupportedType {
        column: "of sparse vectors".to_owned(),
        found: column.data_type().to_string(),
    };
    let damaged = |problem: &str| Error::Column {
        column: "of sparse vectors".to_owned(),
        problem: problem.to_owned(),
    };
    let parts = column.as_struct_opt().filter(|_| *column.data_type() == sparse_type());
    let parts = parts.ok_or_else(wrong)?;
    let sizes = parts.column(0).as_primitive_opt::<UInt32Type>().ok_or_else(wrong)?.values();
    let indices = parts.column(1).as_list_opt::<i32>().ok_or_else(wrong)?;
    let values = parts.column(2).as_list_opt::<i32>().ok_or_else(wrong)?;
    if sizes.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(damaged("its rows differ in size"));
    }
    let vectors = SparseVectors {
        size: sizes.first().map_or(0, |&size| size as usize),
        offsets: indices.value_offsets(),
        value_offsets: values.value_offsets(),
        indices: indices.values().as_primitive_opt::<UInt32Type>().ok_or_else(wrong)?.values(),
        values: values.values().as_primitive_opt::<Float64Type>().ok_or_else(wrong)?.values(),
        nulls: parts.nulls(),
    };
    let sound = |i: usize| {
        vectors.row(i).is_none_or(|(indices, values)| {
            indices.len() == values.len()
                && indices.windows(2).all(|pair| pair[0] < pair[1])
                && indices.last().is_none_or(|&last| (last as usize) < vectors.size)
        })
    };
    match (0..vectors.len()).find(|&i| !sound(i)) {
        None => Ok(vectors),
        Some(row) => Err(damaged(&format!("row {row} is not a sparse vector"))),
    }
}

/// Sparse vectors as slices; see [`sparse_vectors`].
#[derive(Clone, Copy, Debug)]
pub struct SparseVectors<'a> {
    size: usize,
    offsets: &'a [i32],
    value_offsets: &'a [i32],
    indices: &'a [u32],
    values: &'a [f64],
    nulls: Option<&'a NullBuffer>,
}

impl<'a> SparseVectors<'a> {
    /// The numbers in each vector, zeros included; 0 if there are no rows.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether row `i` is null; also past the end.
    #[must_use]
    pub fn is_null(&self, i: usize) -> bool {
        i >= self.len() || self.nulls.is_some_and(|nulls| nulls.is_null(i))
    }

    /// Positions and numbers of row `i`; none if it is null or past the end.
    #[must_use]
    pub fn row(&self, i: usize) -> Option<(&'a [u32], &'a [f64])> {
        let within = |offsets: &[i32]| offsets[i] as usize..offsets[i + 1] as usize;
        (!self.is_null(i)).then(|| {
            (&self.indices[within(self.offsets)], &self.values[within(self.value_offsets)])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_of_a_vector_column_shows_its_own_rows() {
        let dense = dense_vector_column(2, (0..8).map(f64::from).collect()).unwrap().slice(1, 2);
        let rows = dense_vectors(&dense).unwrap();
        assert_eq!((rows.len(), rows.size()), (2, 2));
        assert_eq!(rows.values(), &[2.0, 3.0, 4.0, 5.0]);
        assert_eq!(rows.row(1), Some([4.0, 5.0].as_slice()));
        assert_eq!(rows.row(2), None);

        let rows = [(vec![0], vec![1.0]), (vec![1, 4], vec![2.0, 3.0]), (vec![], vec![])];
        let sparse = sparse_vector_column(5, rows).unwrap().slice(1, 2);
        let rows = sparse_vectors(&sparse).unwrap();
        assert_eq!((rows.len(), rows.size()), (2, 5));
        assert_eq!(rows.row(0), Some((&[1, 4][..], &[2.0, 3.0][..])));
        assert_eq!(rows.row(1), Some((&[][..], &[][..])));
    }

    #[test]
    fn vectors_that_are_none_are_refused() {
        assert!(dense_vector_column(0, vec![]).is_err());
        assert!(dense_vector_column(3, vec![1.0]).is_err());
        assert!(sparse_vector_column(3, [([3], [1.0])]).is_err());
        assert!(sparse_vector_column(3, [([1, 1], [1.0, 1.0])]).is_err());
        assert!(sparse_vector_column(3, [([1, 2].as_slice(), [1.0].as_slice())]).is_err());
        assert!(dense_vectors(&Float64Array::from(vec![1.0])).is_err());
        assert!(sparse_vectors(&Float64Array::from(vec![1.0])).is_err());
    }

    #[test]
    fn no_rows_are_no_problem() {
        let dense = dense_vector_column(4, vec![]).unwrap();
        assert!(dense_vectors(&dense).unwrap().is_empty());
        let sparse = SparseVectorBuilder::new(4).unwrap().finish().unwrap();
        assert!(sparse_vectors(&sparse).unwrap().is_empty());
    }
}
