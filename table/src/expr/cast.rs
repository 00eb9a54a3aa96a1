//! Casts between cells. What has no exact counterpart is an error or, when asked for, a null; the
//! one exception is a whole number beyond 2⁵³, which becomes the nearest float.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};

use super::Expr;
use super::evaluate::Part;
use crate::error::Result;
use crate::schema::Type;
use crate::times::{DAY, date_text, parse_date, parse_time, time_text};
use crate::value::{Value, float_text};

/// Whether some value of the one type has a counterpart in the other.
pub(super) fn is_known(from: Type, to: Type) -> bool {
    let is_whole_or_text = |of: Type| matches!(of, Type::I64 | Type::String);
    let is_time = |of: Type| of.is_time();
    match (is_time(from), is_time(to)) {
        _ if !from.is_single() || !to.is_single() => false,
        (true, false) => is_whole_or_text(to),
        (false, true) => is_whole_or_text(from),
        _ => true,
    }
}

/// The part as another type. A strict cast fails at the first value without a counterpart.
pub(super) fn cast(whole: &Expr, part: &Part, to: Type, strict: bool) -> Result<Part> {
    if part.is_untyped() || *part.array.data_type() == to.to_arrow() {
        return Ok(part.clone().widened(&to.to_arrow()));
    }
    let array = converted(&part.array, to);
    if strict && let Some(row) = first_lost(&part.array, &array) {
        let value = Value::at(&part.array, row).to_string();
        return Err(whole.bad_value(row, value, &to.to_string()));
    }
    Ok(Part { array, scalar: part.scalar })
}

/// The first row that had a value and has none any more.
fn first_lost(before: &ArrayRef, after: &ArrayRef) -> Option<usize> {
    (before.null_count() != after.null_count())
        .then(|| (0..before.len()).find(|&row| before.is_valid(row) && after.is_null(row)))
        .flatten()
}

/// Every value as the other type, null where there is no counterpart.
fn converted(array: &ArrayRef, to: Type) -> ArrayRef {
    if let Some(from) = array.as_boolean_opt() {
        match to {
            Type::I64 => Arc::new(from.iter().map(|v| v.map(i64::from)).collect::<Int64Array>()),
            Type::F64 => Arc::new(from.iter().map(|v| v.map(f64::from)).collect::<Float64Array>()),
            _ => Arc::new(from.iter().map(|v| v.map(|v| v.to_string())).collect::<StringArray>()),
        }
    } else if let Some(from) = array.as_primitive_opt::<Int64Type>() {
        match to {
            Type::Bool => {
                Arc::new(from.iter().map(|v| v.and_then(truth)).collect::<BooleanArray>())
            }
            Type::F64 => Arc::new(from.unary::<_, Float64Type>(|v| v as f64)),
            Type::Date => {
                let days = from.iter().map(|v| v.and_then(|v| i32::try_from(v).ok()));
                Arc::new(days.collect::<Date32Array>())
            }
            Type::Timestamp => Arc::new(from.iter().collect::<TimestampMicrosecondArray>()),
            _ => Arc::new(from.iter().map(|v| v.map(|v| v.to_string())).collect::<StringArray>()),
        }
    } else if let Some(from) = array.as_primitive_opt::<Float64Type>() {
        match to {
            Type::Bool => {
                let truth = |v| whole_number(v).and_then(truth);
                Arc::new(from.iter().map(|v| v.and_then(truth)).collect::<BooleanArray>())
            }
            Type::I64 => {
                Arc::new(from.iter().map(|v| v.and_then(whole_number)).collect::<Int64Array>())
            }
            _ => Arc::new(from.iter().map(|v| v.map(float_text)).collect::<StringArray>()),
        }
    } else if let Some(from) = array.as_string_opt::<i32>() {
        let text = from.iter().map(|v| v.map(str::trim_ascii));
        match to {
            Type::Bool => Arc::new(text.map(|v| v.and_then(spoken)).collect::<BooleanArray>()),
            Type::I64 => Arc::new(text.map(|v| v?.parse().ok()).collect::<Int64Array>()),
            Type::Date => Arc::new(text.map(|v| parse_date(v?)).collect::<Date32Array>()),
            Type::Timestamp => {
                Arc::new(text.map(|v| parse_time(v?)).collect::<TimestampMicrosecondArray>())
            }
            _ => Arc::new(text.map(|v| v?.parse().ok()).collect::<Float64Array>()),
        }
    } else if let Some(from) = array.as_primitive_opt::<Date32Type>() {
        let midnight = |days: i32| i64::from(days).checked_mul(DAY);
        match to {
            Type::I64 => Arc::new(from.iter().map(|v| v.map(i64::from)).collect::<Int64Array>()),
            Type::Timestamp => {
                let micros = from.iter().map(|v| v.and_then(midnight));
                Arc::new(micros.collect::<TimestampMicrosecondArray>())
            }
            _ => Arc::new(from.iter().map(|v| v.map(date_text)).collect::<StringArray>()),
        }
    } else if let Some(from) = array.as_primitive_opt::<TimestampMicrosecondType>() {
        match to {
            Type::I64 => Arc::new(from.iter().collect::<Int64Array>()),
            Type::Date => {
                let days = from.iter().map(|v| v.map(|v| v.div_euclid(DAY) as i32)); // all fit
                Arc::new(days.collect::<Date32Array>())
            }
            _ => Arc::new(from.iter().map(|v| v.map(time_text)).collect::<StringArray>()),
        }
    } else {
        arrow_array::new_null_array(&to.to_arrow(), array.len()) // refused by the types
    }
}

fn truth(number: i64) -> Option<bool> {
    match number {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// The whole number that a float is.
fn whole_number(value: f64) -> Option<i64> {
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    let whole = value.fract() == 0.0 && (-TWO_63..TWO_63).contains(&value);
    whole.then_some(value as i64)
}

pub(crate) fn spoken(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}
