//! Columns that grow record by record.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, StringBuilder};
use arrow_array::{Array, ArrayRef, new_empty_array};

use super::Wrong;
use crate::error::{Error, Result};
use crate::readers::keys::cell;
use crate::schema::Type;
use crate::vectors::{SparseVectorBuilder, dense_vector_column};

/// A cell of a record.
#[derive(Clone, Debug)]
pub(in crate::readers) enum Cell {
    Null,
    Bool(bool),
    I64(i64),
    F64(f64),
    Text(String),
    Dense(Vec<f64>),
    Sparse(Vec<u32>, Vec<f64>),
    /// A column of this one cell, of a type that has no kind of its own here.
    Other(ArrayRef),
    /// What cannot be read.
    Bad(Wrong),
}

/// A column that is being read.
pub(super) enum Growing {
    Bool(BooleanBuilder),
    I64(Int64Builder),
    F64(Float64Builder),
    Text(StringBuilder),
    Dense { size: usize, values: Vec<f64>, nulls: Vec<bool> },
    Sparse(SparseVectorBuilder),
    Other(Type, Vec<ArrayRef>),
}

impl Growing {
    pub(super) fn new(of: Type) -> Result<Self> {
        Ok(match of {
            Type::Bool => Self::Bool(BooleanBuilder::new()),
            Type::I64 => Self::I64(Int64Builder::new()),
            Type::F64 => Self::F64(Float64Builder::new()),
            Type::String => Self::Text(StringBuilder::new()),
            Type::Vector(size) => Self::Dense { size, values: Vec::new(), nulls: Vec::new() },
            Type::SparseVector(size) => Self::Sparse(SparseVectorBuilder::new(size)?),
            #[allow(unreachable_patterns, reason = "types whose text Arrow can read")]
            other => Self::Other(other, Vec::new()),
        })
    }

    /// Adds a cell; one of another type counts as none.
    pub(super) fn push(&mut self, value: Cell) -> Result<()> {
        match (self, value) {
            (Self::Bool(column), Cell::Bool(value)) => column.append_value(value),
            (Self::Bool(column), _) => column.append_null(),
            (Self::I64(column), Cell::I64(value)) => column.append_value(value),
            (Self::I64(column), _) => column.append_null(),
            (Self::F64(column), Cell::F64(value)) => column.append_value(value),
            (Self::F64(column), _) => column.append_null(),
            (Self::Text(column), Cell::Text(value)) => column.append_value(value),
            (Self::Text(column), _) => column.append_null(),
            (Self::Dense { size, values, nulls }, value) => {
                let vector = match value {
                    Cell::Dense(vector) if vector.len() == *size => Some(vector),
                    _ => None,
                };
                nulls.push(vector.is_none());
                values.extend(vector.unwrap_or_else(|| vec![0.0; *size]));
            }
            (Self::Sparse(column), Cell::Sparse(indices, values)) => {
                column.push(&indices, &values)?;
            }
            (Self::Sparse(column), _) => column.push_null(),
            (Self::Other(_, cells), Cell::Other(value)) => cells.push(value),
            (Self::Other(of, cells), _) => cells.extend(cell(None, *of)),
        }
        Ok(())
    }

    /// Bytes of text in the column.
    pub(super) fn text_bytes(&self) -> usize {
        match self {
            Self::Text(column) => column.values_slice().len(),
            _ => 0,
        }
    }

    pub(super) fn finish(self) -> Result<ArrayRef> {
        Ok(match self {
            Self::Bool(mut column) => Arc::new(column.finish()),
            Self::I64(mut column) => Arc::new(column.finish()),
            Self::F64(mut column) => Arc::new(column.finish()),
            Self::Text(mut column) => Arc::new(column.finish()),
            Self::Dense { size, values, nulls } => {
                with_nulls(dense_vector_column(size, values)?, &nulls)?
            }
            Self::Sparse(column) => column.finish()?,
            Self::Other(of, cells) if cells.is_empty() => new_empty_array(&of.to_arrow()),
            Self::Other(_, cells) => {
                let cells: Vec<&dyn Array> = cells.iter().map(AsRef::as_ref).collect();
                arrow_select::concat::concat(&cells).map_err(Error::arrow("making a column"))?
            }
        })
    }
}

fn with_nulls(column: ArrayRef, nulls: &[bool]) -> Result<ArrayRef> {
    if !nulls.contains(&true) {
        return Ok(column);
    }
    let mask = arrow_array::BooleanArray::from(nulls.to_vec());
    arrow_select::nullif::nullif(&column, &mask).map_err(Error::arrow("making a vector column"))
}
