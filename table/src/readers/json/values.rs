//! A value as a cell of a type.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::readers::csv::infer::{parse_f64, parse_i64};
use crate::readers::lines::{Cell, Wrong};
use crate::schema::Type;
use crate::times::{parse_date, parse_time};

/// The cell that a value is in a column of that type.
pub(super) fn cell(value: &str, of: Type) -> Result<Cell, Wrong> {
    if value == "null" {
        return Ok(Cell::Null);
    }
    let cell = match of {
        Type::Bool => match value {
            "true" => Some(Cell::Bool(true)),
            "false" => Some(Cell::Bool(false)),
            _ => None,
        },
        Type::I64 => is_number(value).then(|| parse_i64(value.as_bytes())).flatten().map(Cell::I64),
        Type::F64 => float(value).map(Cell::F64),
        Type::String => match value.starts_with('"') {
            true => text(value).map(Cell::Text),
            false => Some(Cell::Text(value.to_owned())),
        },
        Type::Vector(size) => vector(value).filter(|vector| vector.len() == size).map(Cell::Dense),
        Type::SparseVector(size) => sparse(value, size),
        Type::Date => text(value).and_then(|text| parse_date(&text)).map(Cell::Date),
        Type::Timestamp => text(value).and_then(|text| parse_time(&text)).map(Cell::Time),
        Type::List(item) => return list(value, item.into()),
    };
    cell.ok_or_else(|| Wrong::new(value.as_bytes(), of.to_string()))
}

/// The values of an array, each of that type.
fn list(value: &str, item: Type) -> Result<Cell, Wrong> {
    let values: Vec<&RawValue> = serde_json::from_str(value)
        .map_err(|_| Wrong::new(value.as_bytes(), format!("an array of {item}")))?;
    let cells = values.into_iter().map(|value| cell(value.get(), item));
    Ok(Cell::List(cells.collect::<Result<_, _>>()?))
}

fn is_number(value: &str) -> bool {
    value.starts_with(|c: char| c == '-' || c.is_ascii_digit())
}

/// The text of a value in quotes.
fn text(value: &str) -> Option<String> {
    serde_json::from_str(value).ok()
}

/// A float that JSON has no number for.
pub(super) fn float_word(value: &str) -> Option<f64> {
    match value {
        "\"NaN\"" => Some(f64::NAN),
        "\"inf\"" | "\"Infinity\"" => Some(f64::INFINITY),
        "\"-inf\"" | "\"-Infinity\"" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn float(value: &str) -> Option<f64> {
    if is_number(value) { parse_f64(value.as_bytes()) } else { float_word(value) }
}

/// The numbers of an array of nothing else.
pub(super) fn vector(value: &str) -> Option<Vec<f64>> {
    let values: Vec<&RawValue> = serde_json::from_str(value).ok()?;
    values.into_iter().map(|value| float(value.get())).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sparse<'a> {
    size: usize,
    indices: Vec<u32>,
    #[serde(borrow)]
    values: Vec<&'a RawValue>,
}

fn sparse(value: &str, size: usize) -> Option<Cell> {
    let found: Sparse<'_> = serde_json::from_str(value).ok()?;
    let rises = found.indices.windows(2).all(|pair| pair[0] < pair[1]);
    let is_inside = found.indices.last().is_none_or(|last| (*last as usize) < size);
    let is_sound = found.size == size && found.indices.len() == found.values.len();
    let values = found.values.into_iter().map(|value| float(value.get())).collect::<Option<_>>()?;
    (rises && is_inside && is_sound).then_some(Cell::Sparse(found.indices, values))
}
