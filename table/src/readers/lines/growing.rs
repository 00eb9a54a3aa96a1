//! Columns that grow record by record.

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, ListArray};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::Field;

use super::Wrong;
use crate::error::{Error, Result};
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
    Date(i32),
    Time(i64),
    List(Vec<Cell>),
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
    Date(Date32Builder),
    Time(TimestampMicrosecondBuilder),
    List { item: Type, items: Box<Growing>, ends: Vec<i32>, is_there: Vec<bool> },
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
            Type::Date => Self::Date(Date32Builder::new()),
            Type::Timestamp => Self::Time(TimestampMicrosecondBuilder::new()),
            Type::List(item) => {
                let item = item.into();
                let (ends, is_there) = (vec![0], Vec::new());
                Self::List { item, items: Box::new(Self::new(item)?), ends, is_there }
            }
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
            (Self::Date(column), Cell::Date(days)) => column.append_value(days),
            (Self::Date(column), _) => column.append_null(),
            (Self::Time(column), Cell::Time(micros)) => column.append_value(micros),
            (Self::Time(column), _) => column.append_null(),
            (Self::List { items, ends, is_there, .. }, value) => {
                let (is_list, cells) = match value {
                    Cell::List(cells) => (true, cells),
                    _ => (false, Vec::new()),
                };
                let end = ends.last().map_or(0, |end| *end as usize) + cells.len();
                ends.push(i32::try_from(end).map_err(|_| Error::Column {
                    column: "a column of lists".to_owned(),
                    problem: "more than 2³¹ − 1 values in a batch".to_owned(),
                })?);
                is_there.push(is_list);
                cells.into_iter().try_for_each(|cell| items.push(cell))?;
            }
        }
        Ok(())
    }

    /// Bytes of text in the column.
    pub(super) fn text_bytes(&self) -> usize {
        match self {
            Self::Text(column) => column.values_slice().len(),
            Self::List { items, .. } => items.text_bytes(),
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
            Self::Date(mut column) => Arc::new(column.finish()),
            Self::Time(mut column) => Arc::new(column.finish()),
            Self::List { item, items, ends, is_there } => {
                let field = Arc::new(Field::new_list_field(item.to_arrow(), true));
                let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
                let lists = ListArray::try_new(field, ends, items.finish()?, Some(is_there.into()));
                Arc::new(lists.map_err(Error::arrow("making a column of lists"))?)
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
