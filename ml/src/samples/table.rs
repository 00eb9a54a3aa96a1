//! Samples from the columns of a table.

use firesteel_core::hash::fixed_hash;
use firesteel_core::{Dataset, Error as CoreError};
use firesteel_table::{Batch, Schema, Table, Type, Value, dense_vectors, sparse_vectors};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use serde::{Deserialize, Serialize};

use super::block::{Block, Csr, Features};
use super::{Samples, Shape, canonical, partition_rows, require_rows};
use crate::error::{Error, Result};

/// Sets up [`Samples`] from a table's columns; made by [`TableSamples::new`].
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_ml::TableSamples;
/// use firesteel_table::{Table, one_row};
///
/// # fn main() -> firesteel_ml::Result<()> {
/// let row = |age: f64, ill: bool| one_row(&[("age", age.into()), ("ill", ill.into())]);
/// let table = Table::from_batches(&Context::local(), vec![row(41.0, false)?, row(67.0, true)?])?;
/// let samples = TableSamples::new(&table).features(["age"]).label("ill").build()?;
/// assert_eq!((samples.n(), samples.d()), (2, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TableSamples {
    table: Table,
    features: Vec<String>,
    label: String,
    weight: Option<String>,
    group: Option<String>,
    row_key: Option<String>,
}

/// The note under which a vector column keeps the names of its positions, a line each.
pub(crate) const NAMES: &str = "names";

impl TableSamples {
    /// Samples of a table's rows: by default the features are in the column `features`, the
    /// label in `label`.
    pub fn new(table: &Table) -> Self {
        Self {
            table: table.clone(),
            features: vec!["features".into()],
            label: "label".into(),
            weight: None,
            group: None,
            row_key: None,
        }
    }

    /// Names the feature columns: numbers, truth values, vectors, in this order.
    pub fn features<S: Into<String>>(self, columns: impl IntoIterator<Item = S>) -> Self {
        Self { features: columns.into_iter().map(Into::into).collect(), ..self }
    }

    /// Names the label column: numbers or truth values.
    pub fn label(self, column: impl Into<String>) -> Self {
        Self { label: column.into(), ..self }
    }

    /// Names the column of the weights.
    pub fn weight(self, column: impl Into<String>) -> Self {
        Self { weight: Some(column.into()), ..self }
    }

    /// Names the column that says which rows belong together. Text is taken by its fixed hash of
    /// 64 bits.
    pub fn group(self, column: impl Into<String>) -> Self {
        Self { group: Some(column.into()), ..self }
    }

    /// Names a column with another whole number or text in every row. Rows are brought into its
    /// order first, so that what is learnt does not depend on the order of rows or files.
    pub fn row_key(self, column: impl Into<String>) -> Self {
        Self { row_key: Some(column.into()), ..self }
    }

    /// Builds the samples; collective. They are kept in memory while the budget lasts, then on
    /// disk.
    ///
    /// One sparse vector as the only feature column stays sparse; everything else becomes dense.
    ///
    /// # Errors
    ///
    /// A column that is missing or of a type that cannot be taken; [`Error::EmptyData`] without
    /// rows; a null, a number that is not finite, a negative weight or a repeated row key, by row
    /// and column.
    ///
    /// # Cost
    ///
    /// One pass over the table; rows whose new home is another rank travel once, with a row key
    /// through a sort.
    pub fn build(&self) -> Result<Samples> {
        let columns = Columns::of(self)?;
        let (d, is_sparse) = (columns.width, columns.sparse);
        let names = columns.names.clone();
        let pieces = match &self.row_key {
            None => {
                let columns = columns.clone();
                self.table
                    .batches()
                    .try_map(move |batch: Batch| columns.block(&batch.0).map_err(CoreError::from))
            }
            Some(key) => in_key_order(self.table.batches(), &columns, key)?,
        };
        let (label, checked_names) = (self.label.clone(), names.clone());
        let pieces = pieces.filter(|block| !block.is_empty()).cache_sized(Block::bytes);
        let n = pieces.tree_aggregate(0, |n, block| n + block.len() as u64, |a, b| a + b)?;
        require_rows(n)?;
        let each = partition_rows(n, d);
        let blocks = pieces
            .recut(Block::len, Block::slice_ref, |_| each)?
            .try_map_partitions_with_index(move |p, pieces| {
                let pieces: Vec<Block> = pieces.collect();
                let blocks = canonical(&pieces, p as u64 * each, d);
                for block in &blocks {
                    super::check::check_block(block, &checked_names, &label)
                        .map_err(CoreError::from)?;
                }
                Ok::<_, CoreError>(blocks)
            })
            .cache_sized(Block::bytes);
        // The first pass builds and checks the blocks; what they were cut from can go.
        blocks.count()?;
        let shape = Shape {
            n,
            d,
            names,
            label: self.label.clone(),
            has_weights: self.weight.is_some(),
            has_groups: self.group.is_some(),
            is_sparse,
        };
        Ok(Samples::new(blocks, shape))
    }
}

/// Which columns are read, and as what.
#[derive(Clone, Debug)]
struct Columns {
    features: Vec<String>,
    label: String,
    weight: Option<String>,
    group: Option<String>,
    width: usize,
    names: Vec<String>,
    sparse: bool,
}

impl Columns {
    fn of(from: &TableSamples) -> Result<Self> {
        let schema = from.table.schema();
        let (mut names, mut sparse) = (Vec::new(), false);
        for column in &from.features {
            match schema.type_of(column)? {
                Type::Bool | Type::I64 | Type::F64 => names.push(column.clone()),
                Type::Vector(size) => names.extend(vector_names(schema, column, size)?),
                Type::SparseVector(size) => {
                    sparse = from.features.len() == 1;
                    names.extend(vector_names(schema, column, size)?);
                }
                other => return Err(wrong_type(column, "numbers or vectors", other)),
            }
        }
        let single = [Some(&from.label), from.weight.as_ref()];
        for column in single.into_iter().flatten() {
            let found = schema.type_of(column)?;
            if !matches!(found, Type::Bool | Type::I64 | Type::F64) {
                return Err(wrong_type(column, "numbers", found));
            }
        }
        for column in [&from.group, &from.row_key].into_iter().flatten() {
            let found = schema.type_of(column)?;
            if !matches!(found, Type::I64 | Type::String) {
                return Err(wrong_type(column, "whole numbers or text", found));
            }
        }
        Ok(Self {
            features: from.features.clone(),
            label: from.label.clone(),
            weight: from.weight.clone(),
            group: from.group.clone(),
            width: names.len(),
            names,
            sparse,
        })
    }

    /// A batch as a block whose rows are not numbered yet.
    fn block(&self, batch: &RecordBatch) -> Result<Block> {
        let features = if self.sparse {
            Features::Sparse(self.sparse_rows(batch)?)
        } else {
            Features::Dense(self.dense_rows(batch)?.into())
        };
        Ok(Block {
            first_row: 0,
            d: self.width,
            features,
            labels: numbers(batch, &self.label)?.into(),
            weights: match &self.weight {
                Some(weight) => Some(numbers(batch, weight)?.into()),
                None => None,
            },
            groups: match &self.group {
                Some(group) => Some(groups(batch, group)?.into()),
                None => None,
            },
        })
    }

    fn dense_rows(&self, batch: &RecordBatch) -> Result<Vec<f64>> {
        let (n, d) = (batch.num_rows(), self.width);
        let mut x = vec![0.0; n * d];
        let mut at = 0;
        for column in &self.features {
            let array = &column_of(batch, column)?;
            if let Ok(vectors) = dense_vectors(array) {
                for i in 0..n {
                    let to = &mut x[i * d + at..i * d + at + vectors.size()];
                    match vectors.row(i) {
                        Some(row) => to.copy_from_slice(row),
                        None => to.fill(f64::NAN),
                    }
                }
                at += vectors.size();
            } else if let Ok(vectors) = sparse_vectors(array) {
                for i in 0..n {
                    let to = &mut x[i * d + at..i * d + at + vectors.size()];
                    match vectors.row(i) {
                        Some((indices, values)) => {
                            for (&j, &value) in indices.iter().zip(values) {
                                to[j as usize] = value;
                            }
                        }
                        None => to.fill(f64::NAN),
                    }
                }
                at += vectors.size();
            } else {
                for (i, value) in numbers(batch, column)?.into_iter().enumerate() {
                    x[i * d + at] = value;
                }
                at += 1;
            }
        }
        Ok(x)
    }

    fn sparse_rows(&self, batch: &RecordBatch) -> Result<Csr> {
        let array = column_of(batch, &self.features[0])?;
        let vectors = sparse_vectors(&array)?;
        let (mut offsets, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for i in 0..vectors.len() {
            match vectors.row(i) {
                Some((columns, row)) => {
                    indices.extend_from_slice(columns);
                    values.extend_from_slice(row);
                }
                // A row that is missing is found, and named, once its number is known.
                None => {
                    indices.push(0);
                    values.push(f64::NAN);
                }
            }
            offsets.push(values.len());
        }
        Ok(Csr { offsets: offsets.into(), indices: indices.into(), values: values.into() })
    }
}

fn vector_names(schema: &Schema, column: &str, size: usize) -> Result<Vec<String>> {
    let noted: Vec<String> = match schema.field(column)?.metadata.get(NAMES) {
        Some(text) => text.split('\n').map(str::to_owned).collect(),
        None => Vec::new(),
    };
    if noted.len() == size {
        return Ok(noted);
    }
    Ok((0..size).map(|j| format!("{column}[{j}]")).collect())
}

fn wrong_type(column: &str, expected: &str, found: Type) -> Error {
    firesteel_table::Error::TypeMismatch {
        expression: column.into(),
        expected: expected.into(),
        found: found.to_string(),
    }
    .into()
}

fn column_of(batch: &RecordBatch, name: &str) -> Result<arrow_array::ArrayRef> {
    batch.column_by_name(name).cloned().ok_or_else(|| {
        firesteel_table::Error::UnknownColumn { name: name.into(), near: Vec::new() }.into()
    })
}

/// A column of numbers or truth values; a null is NaN, to be named once its row is known.
fn numbers(batch: &RecordBatch, name: &str) -> Result<Vec<f64>> {
    let array = column_of(batch, name)?;
    let mut values: Vec<f64> = if let Some(floats) = array.as_primitive_opt::<Float64Type>() {
        floats.values().to_vec()
    } else if let Some(integers) = array.as_primitive_opt::<Int64Type>() {
        integers.values().iter().map(|&i| i as f64).collect()
    } else if let Some(truths) = array.as_boolean_opt() {
        truths.values().iter().map(|truth| f64::from(u8::from(truth))).collect()
    } else {
        return Err(firesteel_table::Error::UnsupportedType {
            column: name.into(),
            found: array.data_type().to_string(),
        }
        .into());
    };
    if array.null_count() > 0 {
        for (i, value) in values.iter_mut().enumerate() {
            if array.is_null(i) {
                *value = f64::NAN;
            }
        }
    }
    Ok(values)
}

/// A column of groups: whole numbers as they are, text by its hash.
fn groups(batch: &RecordBatch, name: &str) -> Result<Vec<u64>> {
    let array = column_of(batch, name)?;
    (0..array.len())
        .map(|row| match Value::at(&array, row) {
            Value::I64(group) => Ok(group as u64),
            Value::String(group) => Ok(fixed_hash(group.as_str())),
            _ => Err(Error::BadValue {
                row: row as u64,
                column: name.into(),
                value: "null".into(),
                expected: "a group (rows counted in their batch)".into(),
            }),
        })
        .collect()
}

/// A key that rows are ordered by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Key {
    Number(i64),
    Text(String),
}

/// One row on its way to its place in the key's order.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Keyed {
    key: Key,
    label: f64,
    weight: Option<f64>,
    group: Option<u64>,
    /// Columns that are not zero; none for a dense row.
    indices: Option<Vec<u32>>,
    values: Vec<f64>,
}

/// The rows as blocks in the order of a key; a repeated key is an error.
fn in_key_order(batches: &Dataset<Batch>, columns: &Columns, key: &str) -> Result<Dataset<Block>> {
    let (columns, key) = (columns.clone(), key.to_owned());
    let width = columns.width;
    let key_name = key.clone();
    let rows = batches
        .try_map(move |batch: Batch| keyed_rows(&columns, &key, &batch.0).map_err(CoreError::from));
    let sorted = rows.flat_map(|rows| rows).sort_by(|row| row.key.clone());
    Ok(sorted.try_map_partitions_with_index(move |_, rows| {
        let rows: Vec<Keyed> = rows.collect();
        // Equal keys never fall into different partitions of a sort.
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].key == pair[1].key) {
            let value = match &pair[0].key {
                Key::Number(key) => key.to_string(),
                Key::Text(key) => key.clone(),
            };
            return Err(CoreError::BadValue {
                operation: "row_key (rows counted in the key's order of a partition)".into(),
                row: rows.iter().position(|row| row.key == pair[0].key).unwrap_or(0) as u64,
                column: key_name.clone(),
                value,
                expected: "a key that no other row has".into(),
            });
        }
        Ok((!rows.is_empty()).then(|| block_of(&rows, width)))
    }))
}

fn keyed_rows(columns: &Columns, key: &str, batch: &RecordBatch) -> Result<Vec<Keyed>> {
    let block = columns.block(batch)?;
    let keys = column_of(batch, key)?;
    (0..block.len())
        .map(|i| {
            let key = match Value::at(&keys, i) {
                Value::I64(key) => Key::Number(key),
                Value::String(key) => Key::Text(key),
                other => {
                    return Err(Error::BadValue {
                        row: i as u64,
                        column: key.to_owned(),
                        value: other.to_string(),
                        expected: "a key (rows counted in their batch)".into(),
                    });
                }
            };
            let (indices, values) = match &block.features {
                Features::Sparse(csr) => {
                    let (indices, values) = csr.row(i);
                    (Some(indices.to_vec()), values.to_vec())
                }
                Features::Dense(_) | Features::DenseF32(_) => {
                    let mut row = vec![0.0; block.d];
                    block.copy_row(i, &mut row);
                    (None, row)
                }
            };
            Ok(Keyed {
                key,
                label: block.labels[i],
                weight: block.weights.as_ref().map(|weights| weights[i]),
                group: block.groups.as_ref().map(|groups| groups[i]),
                indices,
                values,
            })
        })
        .collect()
}

fn block_of(rows: &[Keyed], d: usize) -> Block {
    let values: Vec<f64> = rows.iter().flat_map(|row| row.values.iter().copied()).collect();
    let sparse = rows.first().is_some_and(|row| row.indices.is_some());
    let features = if sparse {
        let mut offsets = vec![0];
        for row in rows {
            offsets.push(offsets[offsets.len() - 1] + row.values.len());
        }
        let indices: Vec<u32> =
            rows.iter().flat_map(|row| row.indices.iter().flatten().copied()).collect();
        Features::Sparse(Csr {
            offsets: offsets.into(),
            indices: indices.into(),
            values: values.into(),
        })
    } else {
        Features::Dense(values.into())
    };
    let weights: Option<Vec<f64>> = rows.iter().map(|row| row.weight).collect();
    let groups: Option<Vec<u64>> = rows.iter().map(|row| row.group).collect();
    Block {
        first_row: 0,
        d,
        features,
        labels: rows.iter().map(|row| row.label).collect::<Vec<f64>>().into(),
        weights: weights.map(Into::into),
        groups: groups.map(Into::into),
    }
}
