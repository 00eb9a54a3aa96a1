//! One cell of a table as a Rust value, and how cells are written as text.

use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, NullArray, StringArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{DataType, TimeUnit};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::schema::Type;
use crate::times::{date_text, days_of, time_text};
use crate::vectors::{dense_vectors, sparse_vectors};

/// One cell: a literal of an expression, a field of a single row.
///
/// # Examples
///
/// ```
/// use firesteel_table::Value;
///
/// assert_eq!(Value::from(3), Value::I64(3));
/// assert_eq!(Value::from(None::<f64>), Value::Null);
/// assert_eq!(Value::from("V57").to_string(), "V57");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Value {
    /// No value; its type comes from its place.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    I64(i64),
    /// A number in double precision. In readable formats such as JSON, which know no infinities,
    /// a value that is not finite is the text `"NaN"`, `"inf"` or `"-inf"`.
    F64(#[serde(serialize_with = "write_float", deserialize_with = "read_float")] f64),
    /// Text.
    String(String),
    /// A day, as the number of days from 1970-01-01; [`date`](crate::date) reads one.
    Date(i32),
    /// A point in time, as microseconds from 1970-01-01T00:00:00; [`timestamp`](crate::timestamp) reads
    /// one.
    Timestamp(i64),
}

impl Value {
    /// The type of the value; none for a null.
    #[must_use]
    pub fn data_type(&self) -> Option<Type> {
        match self {
            Self::Null => None,
            Self::Bool(_) => Some(Type::Bool),
            Self::I64(_) => Some(Type::I64),
            Self::F64(_) => Some(Type::F64),
            Self::String(_) => Some(Type::String),
            Self::Date(_) => Some(Type::Date),
            Self::Timestamp(_) => Some(Type::Timestamp),
        }
    }

    /// The cell of a column of a table; a null for other Arrow types and past the end. Lists and vectors
    /// have no counterpart among values and read as their text.
    #[must_use]
    pub fn at(column: &dyn Array, row: usize) -> Self {
        if row >= column.len() || column.is_null(row) {
            return Self::Null;
        }
        match column.data_type() {
            DataType::Boolean => Self::Bool(column.as_boolean().value(row)),
            DataType::Int64 => Self::I64(column.as_primitive::<Int64Type>().value(row)),
            DataType::Float64 => Self::F64(column.as_primitive::<Float64Type>().value(row)),
            DataType::Utf8 => Self::String(column.as_string::<i32>().value(row).to_owned()),
            DataType::Date32 => Self::Date(column.as_primitive::<Date32Type>().value(row)),
            DataType::Timestamp(TimeUnit::Microsecond, None) => {
                Self::Timestamp(column.as_primitive::<TimestampMicrosecondType>().value(row))
            }
            DataType::List(_) => Self::String(list_text(&column.as_list::<i32>().value(row))),
            _ => vector_text(column, row).map_or(Self::Null, Self::String),
        }
    }

    /// A column of this one cell; a null has Arrow's null type.
    pub(crate) fn to_array(&self) -> ArrayRef {
        match self {
            Self::Null => Arc::new(NullArray::new(1)),
            Self::Bool(value) => Arc::new(BooleanArray::from(vec![*value])),
            Self::I64(value) => Arc::new(Int64Array::from(vec![*value])),
            Self::F64(value) => Arc::new(Float64Array::from(vec![*value])),
            Self::String(value) => Arc::new(StringArray::from(vec![value.as_str()])),
            Self::Date(days) => Arc::new(Date32Array::from(vec![*days])),
            Self::Timestamp(micros) => Arc::new(TimestampMicrosecondArray::from(vec![*micros])),
        }
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// The text of the cell, "null" for a null.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::I64(value) => write!(f, "{value}"),
            Self::F64(value) => f.write_str(&float_text(*value)),
            Self::String(value) => f.write_str(value),
            Self::Date(days) => f.write_str(&date_text(*days)),
            Self::Timestamp(micros) => f.write_str(&time_text(*micros)),
        }
    }
}

impl From<chrono::NaiveDate> for Value {
    fn from(date: chrono::NaiveDate) -> Self {
        Self::Date(days_of(date))
    }
}

/// The shortest text that reads back as the same float: `0.1`, `2.0`, `1e300`, `NaN`, `inf`.
pub(crate) fn float_text(value: f64) -> String {
    format!("{value:?}")
}

/// `[a, null, b]`.
fn list_text(items: &dyn Array) -> String {
    let items: Vec<_> = (0..items.len()).map(|i| Value::at(items, i).to_string()).collect();
    format!("[{}]", items.join(", "))
}

/// `[1.0, 2.0]` or, sparse, `10:{2: 1.0, 7: -1.0}`.
fn vector_text(column: &dyn Array, row: usize) -> Option<String> {
    let column = column.slice(row, 1);
    if let Ok(rows) = dense_vectors(&column) {
        return Some(format!("{:?}", rows.row(0)?));
    }
    let rows = sparse_vectors(&column).ok()?;
    let (indices, values) = rows.row(0)?;
    let pairs: Vec<_> = indices.iter().zip(values).map(|(i, v)| format!("{i}: {v:?}")).collect();
    Some(format!("{}:{{{}}}", rows.size(), pairs.join(", ")))
}

macro_rules! value_from {
    ($($from:ty => $variant:ident),* $(,)?) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}
value_from! {
    bool => Bool,
    i8 => I64, i16 => I64, i32 => I64, i64 => I64, u8 => I64, u16 => I64, u32 => I64,
    f32 => F64, f64 => F64,
    &str => String, String => String, &String => String,
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum ReadableFloat {
    Finite(f64),
    Other(String),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn write_float<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() && !value.is_finite() {
        ReadableFloat::Other(float_text(*value)).serialize(serializer)
    } else {
        serializer.serialize_f64(*value)
    }
}

fn read_float<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    if !deserializer.is_human_readable() {
        return f64::deserialize(deserializer);
    }
    match ReadableFloat::deserialize(deserializer)? {
        ReadableFloat::Finite(value) => Ok(value),
        ReadableFloat::Other(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_json() {
        let values = [
            Value::Null,
            Value::Bool(true),
            Value::I64(i64::MIN),
            Value::F64(0.1),
            Value::F64(-0.0),
            Value::F64(f64::INFINITY),
            Value::F64(f64::NEG_INFINITY),
            Value::String("a \"b\"".into()),
            Value::Date(-1),
            Value::Timestamp(i64::MAX),
        ];
        for value in values {
            let text = serde_json::to_string(&value).unwrap();
            let back: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(format!("{value:?}"), format!("{back:?}"), "{text}");
        }
        let nan: Value = serde_json::from_str(r#"{"f64":"NaN"}"#).unwrap();
        assert!(matches!(nan, Value::F64(x) if x.is_nan()));
        let whole: Value = serde_json::from_str(r#"{"f64":3}"#).unwrap();
        assert_eq!(whole, Value::F64(3.0));
    }
}
