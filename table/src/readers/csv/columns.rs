//! Columns that grow cell by cell.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};

use super::infer::{parse_bool, parse_f64, parse_i64};
use crate::error::{Error, Result};
use crate::schema::Type;
use crate::times::{parse_date, parse_time};

/// A column that is being read.
#[derive(Debug)]
pub(super) struct Growing {
    cells: Cells,
    nulls: NullBufferBuilder,
}

#[derive(Debug)]
enum Cells {
    Bool(BooleanBufferBuilder),
    I64(Vec<i64>),
    F64(Vec<f64>),
    Text { bytes: Vec<u8>, ends: Vec<i32> }, // the ends start with 0
    Date(Vec<i32>),
    Time(Vec<i64>),
}

impl Growing {
    pub(super) fn new(of: Type, rows: usize) -> Self {
        let cells = match of {
            Type::Bool => Cells::Bool(BooleanBufferBuilder::new(rows)),
            Type::I64 => Cells::I64(Vec::with_capacity(rows)),
            Type::F64 => Cells::F64(Vec::with_capacity(rows)),
            Type::String => {
                let mut ends = Vec::with_capacity(rows + 1);
                ends.push(0);
                Cells::Text { bytes: Vec::new(), ends }
            }
            Type::Date => Cells::Date(Vec::with_capacity(rows)),
            Type::Timestamp => Cells::Time(Vec::with_capacity(rows)),
            Type::List(_) | Type::Vector(_) | Type::SparseVector(_) => {
                unreachable!("a CSV file has single values; the reader has checked it")
            }
        };
        Self { cells, nulls: NullBufferBuilder::new(rows) }
    }

    /// Adds a cell if the text can be read as the column's type; `is_utf8` says that the text is
    /// known to be valid.
    #[inline]
    pub(super) fn push(&mut self, text: &[u8], is_utf8: bool) -> bool {
        let is_read = match &mut self.cells {
            Cells::F64(cells) => parse_f64(text).map(|value| cells.push(value)).is_some(),
            Cells::I64(cells) => parse_i64(text).map(|value| cells.push(value)).is_some(),
            Cells::Bool(cells) => parse_bool(text).map(|value| cells.append(value)).is_some(),
            Cells::Text { bytes, ends } => {
                let end = i32::try_from(bytes.len() + text.len());
                match end {
                    Ok(end) if is_utf8 || std::str::from_utf8(text).is_ok() => {
                        bytes.extend_from_slice(text);
                        ends.push(end);
                        true
                    }
                    _ => false,
                }
            }
            Cells::Date(cells) => {
                let days = std::str::from_utf8(text).ok().and_then(parse_date);
                days.map(|days| cells.push(days)).is_some()
            }
            Cells::Time(cells) => {
                let micros = std::str::from_utf8(text).ok().and_then(parse_time);
                micros.map(|micros| cells.push(micros)).is_some()
            }
        };
        if is_read {
            self.nulls.append_non_null();
        }
        is_read
    }

    /// Adds a number that was read on the way; no if the column is not one of floats.
    #[inline]
    pub(super) fn push_number(&mut self, number: f64) -> bool {
        let Cells::F64(cells) = &mut self.cells else { return false };
        cells.push(number);
        self.nulls.append_non_null();
        true
    }

    /// Adds a cell without a value.
    #[inline]
    pub(super) fn push_null(&mut self) {
        match &mut self.cells {
            Cells::Bool(cells) => cells.append(false),
            Cells::I64(cells) => cells.push(0),
            Cells::F64(cells) => cells.push(0.0),
            Cells::Text { bytes, ends } => ends.push(bytes.len() as i32), // `push` has checked
            Cells::Date(cells) => cells.push(0),
            Cells::Time(cells) => cells.push(0),
        }
        self.nulls.append_null();
    }

    /// Takes cells back until there are so many.
    pub(super) fn truncate(&mut self, rows: usize) {
        match &mut self.cells {
            Cells::Bool(cells) => cells.truncate(rows),
            Cells::I64(cells) => cells.truncate(rows),
            Cells::F64(cells) => cells.truncate(rows),
            Cells::Text { bytes, ends } => {
                ends.truncate(rows + 1);
                bytes.truncate(ends.last().map_or(0, |&end| end as usize));
            }
            Cells::Date(cells) => cells.truncate(rows),
            Cells::Time(cells) => cells.truncate(rows),
        }
        self.nulls.truncate(rows);
    }

    /// Bytes of text in the column.
    pub(super) fn text_bytes(&self) -> usize {
        match &self.cells {
            Cells::Text { bytes, .. } => bytes.len(),
            _ => 0,
        }
    }

    /// The column.
    pub(super) fn finish(self) -> Result<ArrayRef> {
        let nulls = self.nulls.build();
        Ok(match self.cells {
            Cells::Bool(cells) => Arc::new(BooleanArray::new(cells.build(), nulls)),
            Cells::I64(mut cells) => {
                cells.shrink_to_fit();
                Arc::new(Int64Array::new(cells.into(), nulls))
            }
            Cells::F64(mut cells) => {
                cells.shrink_to_fit();
                Arc::new(Float64Array::new(cells.into(), nulls))
            }
            Cells::Text { mut bytes, mut ends } => {
                bytes.shrink_to_fit();
                ends.shrink_to_fit();
                let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
                let texts = StringArray::try_new(ends, Buffer::from_vec(bytes), nulls);
                Arc::new(texts.map_err(Error::arrow("making a column of text"))?)
            }
            Cells::Date(cells) => Arc::new(Date32Array::new(cells.into(), nulls)),
            Cells::Time(cells) => Arc::new(TimestampMicrosecondArray::new(cells.into(), nulls)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    #[test]
    fn cells_taken_back_leave_no_trace() {
        for (of, good, bad) in [
            (Type::Bool, "true", "maybe"),
            (Type::I64, "12", "1.5"),
            (Type::F64, "1.5", "x"),
            (Type::String, "é", "\u{fffd}"),
            (Type::Date, "2008-03-01", "2008-03-32"),
            (Type::Timestamp, "2008-03-01T10:15:00.250", "10:15"),
        ] {
            let mut column = Growing::new(of, 4);
            assert!(column.push(good.as_bytes(), false));
            column.push_null();
            assert!(column.push(good.as_bytes(), true));
            let bad: &[u8] = if of == Type::String { b"\xff" } else { bad.as_bytes() };
            assert!(!column.push(bad, false));
            column.truncate(2);
            column.push_null();
            let cells = column.finish().unwrap();
            let cells: Vec<_> = (0..3).map(|row| Value::at(&cells, row)).collect();
            assert_eq!(cells[0].to_string(), good);
            assert_eq!(cells[1..], [Value::Null, Value::Null]);
        }
    }
}
