//! Functions that make lists and look into them.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, ListArray, StringArray, UInt32Array};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{Field, SortOptions};
use arrow_select::take::take;

use super::evaluate::Part;
use super::kernels::{Comparison, compare};
use super::{Expr, Function, Node};
use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::schema::{Item, Type};

/// A list of the values of several expressions, of one type but for numbers, of which whole ones become
/// floats if there are both. Nulls are values of the list.
///
/// # Examples
///
/// ```
/// use firesteel_table::{Item, Schema, Type, col, list};
///
/// let codes = list([col("diag_1"), col("diag_2")]);
/// assert_eq!(codes.to_string(), "list(diag_1, diag_2)");
/// let schema = Schema::of([("diag_1", Type::String), ("diag_2", Type::String)])?;
/// assert_eq!(codes.output_type(&schema)?, Type::List(Item::String));
/// # Ok::<(), firesteel_table::Error>(())
/// ```
pub fn list<E: Into<Expr>>(expressions: impl IntoIterator<Item = E>) -> Expr {
    Expr::of(Node::Call(Function::List, expressions.into_iter().map(Into::into).collect()))
}

impl Expr {
    /// The parts of a text cut at each `by`, as a list; an empty `by` does not cut.
    #[must_use]
    pub fn split(self, by: impl Into<String>) -> Self {
        Self::of(Node::Call(Function::Split(by.into()), vec![self]))
    }

    /// The value of that number in a list, from 0, from the end if negative; null past the values.
    #[must_use]
    pub fn list_get(self, number: i64) -> Self {
        Self::of(Node::Call(Function::ListGet(number), vec![self]))
    }

    /// Whether a list has a value that equals the other.
    #[must_use]
    pub fn list_contains(self, value: impl Into<Self>) -> Self {
        Self::of(Node::Call(Function::ListContains, vec![self, value.into()]))
    }

    /// The texts of a list one after the other with `by` between them; nulls are passed over.
    #[must_use]
    pub fn list_join(self, by: impl Into<String>) -> Self {
        Self::of(Node::Call(Function::ListJoin(by.into()), vec![self]))
    }
}

/// The type of the result; or which operand does not fit, and what would.
pub(super) fn result(
    function: &Function,
    types: &[Option<Type>],
) -> Result<Option<Type>, (usize, String)> {
    let item = match types[0] {
        Some(Type::List(item)) => Some(item),
        _ => None,
    };
    let is_list = || match types[0] {
        Some(Type::List(_)) | None => Ok(()),
        Some(_) => Err((0, "a list".to_owned())),
    };
    match function {
        Function::Split(_) => match types[0] {
            Some(Type::String) | None => Ok(Some(Type::List(Item::String))),
            Some(_) => Err((0, "string".to_owned())),
        },
        Function::List => {
            let mut so_far: Option<Type> = None;
            for (at, of) in types.iter().enumerate() {
                let Some(of) = *of else { continue };
                if !of.is_single() {
                    return Err((at, "a single value".to_owned()));
                }
                so_far = match so_far {
                    None => Some(of),
                    Some(known) if known == of => Some(known),
                    Some(known) if known.is_number() && of.is_number() => Some(Type::F64),
                    Some(known) => return Err((at, format!("{known}, like the values before"))),
                };
            }
            Ok(so_far.and_then(Item::of).map(Type::List))
        }
        Function::ListLen => is_list().map(|()| Some(Type::I64)),
        Function::ListGet(_) => is_list().map(|()| item.map(Type::from)),
        Function::ListContains => {
            is_list()?;
            match (item.map(Type::from), types[1]) {
                (Some(item), Some(of)) if item != of && !(item.is_number() && of.is_number()) => {
                    Err((1, format!("{item}, like the list's values")))
                }
                _ => Ok(Some(Type::Bool)),
            }
        }
        Function::ListJoin(_) => match types[0] {
            Some(Type::List(Item::String)) | None => Ok(Some(Type::String)),
            Some(_) => Err((0, "a list of strings".to_owned())),
        },
        _ => is_list().map(|()| types[0]),
    }
}

/// The result on so many rows; operands have a type.
pub(super) fn apply(
    function: &Function,
    parts: &[Part],
    to: Type,
    rows: usize,
) -> Result<ArrayRef> {
    match function {
        Function::Split(by) => return Ok(split(&parts[0], by, rows)),
        Function::List => return gathered(parts, to, rows),
        _ => {}
    }
    let lists = parts[0].array.as_list::<i32>();
    let range = |row: usize| {
        let i = parts[0].index(row);
        let ends = lists.value_offsets();
        lists.is_valid(i).then(|| ends[i] as usize..ends[i + 1] as usize)
    };
    Ok(match function {
        Function::ListLen => {
            let lens = (0..rows).map(|row| range(row).map(|range| range.len() as i64));
            Arc::new(lens.collect::<Int64Array>())
        }
        Function::ListGet(number) => {
            let at = |row: usize| {
                let range = range(row)?;
                let len = range.len() as i64;
                let at = if *number < 0 { number.checked_add(len)? } else { *number };
                (0..len).contains(&at).then(|| (range.start as i64 + at) as u32)
            };
            let places: UInt32Array = (0..rows).map(at).collect();
            take(lists.values(), &places, None).map_err(Error::arrow("picking values of lists"))?
        }
        Function::ListContains => contains(lists, parts, rows, &range)?,
        Function::ListJoin(by) => {
            let texts = lists.values().as_string::<i32>();
            let joined = (0..rows).map(|row| {
                let range = range(row)?;
                let there = range.filter(|&i| texts.is_valid(i)).map(|i| texts.value(i));
                Some(there.collect::<Vec<_>>().join(by))
            });
            Arc::new(joined.collect::<StringArray>())
        }
        _ => reordered(function, lists, rows, &range)?,
    })
}

fn split(part: &Part, by: &str, rows: usize) -> ArrayRef {
    let texts = part.array.as_string::<i32>();
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..rows {
        let i = part.index(row);
        if texts.is_valid(i) {
            let text = texts.value(i);
            match by.is_empty() {
                true => lists.values().append_value(text),
                false => text.split(by).for_each(|part| lists.values().append_value(part)),
            }
        }
        lists.append(texts.is_valid(i));
    }
    Arc::new(lists.finish())
}

/// Values side by side as lists.
fn gathered(parts: &[Part], to: Type, rows: usize) -> Result<ArrayRef> {
    let Type::List(item) = to else {
        return Err(Error::mismatch("list", "a list", Some(to)));
    };
    let item = Type::from(item).to_arrow();
    let columns: Vec<Part> = parts.iter().map(|part| part.clone().widened(&item)).collect();
    let arrays: Vec<&dyn Array> = columns.iter().map(|part| part.array.as_ref()).collect();
    let places: Vec<(usize, usize)> = (0..rows)
        .flat_map(|row| columns.iter().enumerate().map(move |(at, part)| (at, part.index(row))))
        .collect();
    let values = arrow_select::interleave::interleave(&arrays, &places)
        .map_err(Error::arrow("putting values into lists"))?;
    let ends = OffsetBuffer::from_repeated_length(columns.len(), rows);
    let field = Arc::new(Field::new_list_field(item, true));
    let lists = ListArray::try_new(field, ends, values, None);
    Ok(Arc::new(lists.map_err(Error::arrow("making lists"))?))
}

fn contains(
    lists: &ListArray,
    parts: &[Part],
    rows: usize,
    range: &dyn Fn(usize) -> Option<std::ops::Range<usize>>,
) -> Result<ArrayRef> {
    // What is looked for, beside each value of its list.
    let mut sought = vec![None; lists.values().len()];
    for row in 0..rows {
        let at = parts[1].index(row) as u32;
        if !parts[0].scalar || row == 0 {
            range(row).into_iter().flatten().for_each(|i| sought[i] = Some(at));
        }
    }
    if parts[0].scalar && !parts[1].scalar {
        // One list and many values: each row is asked for itself.
        let one = |row: usize| -> Result<Option<bool>> {
            let value = Part { array: parts[1].array.slice(row, 1), scalar: true };
            let alone = contains(lists, &[parts[0].clone(), value], 1, range)?;
            let alone = alone.as_boolean();
            Ok(alone.is_valid(0).then(|| alone.value(0)))
        };
        let found = (0..rows).map(one).collect::<Result<Vec<Option<bool>>>>()?;
        return Ok(Arc::new(BooleanArray::from(found)));
    }
    let sought = take(&parts[1].array, &UInt32Array::from(sought), None)
        .map_err(Error::arrow("looking into lists"))?;
    let values = Part { array: Arc::clone(lists.values()), scalar: false };
    let equal = compare(Comparison::Eq, &values, &Part { array: sought, scalar: false })?;
    let equal = equal.array.as_boolean();
    let found = (0..rows).map(|row| {
        let range = range(row)?;
        let is_known = parts[1].array.is_valid(parts[1].index(row));
        is_known.then(|| range.into_iter().any(|i| equal.is_valid(i) && equal.value(i)))
    });
    Ok(Arc::new(found.collect::<BooleanArray>()))
}

/// The values of each list sorted, or each once.
fn reordered(
    function: &Function,
    lists: &ListArray,
    rows: usize,
    range: &dyn Fn(usize) -> Option<std::ops::Range<usize>>,
) -> Result<ArrayRef> {
    let field = match lists.data_type() {
        arrow_schema::DataType::List(field) => Arc::clone(field),
        _ => Arc::new(Field::new_list_field(lists.values().data_type().clone(), true)),
    };
    let values = lists.values();
    let alone = crate::Schema::from_arrow(&arrow_schema::Schema::new(vec![Arc::clone(&field)]))?;
    let options = SortOptions { descending: false, nulls_first: false };
    let keys = Keys::ordered([(alone.fields()[0].data_type, options)])?;
    let bytes = keys.rows(&[Arc::clone(values)])?;
    let (mut places, mut lens, mut is_there) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..rows {
        let range = range(row);
        is_there.push(range.is_some());
        let mut own: Vec<u32> = range.into_iter().flatten().map(|i| i as u32).collect();
        if *function == Function::ListSort {
            own.sort_by(|&a, &b| bytes.row(a as usize).cmp(&bytes.row(b as usize)));
        } else {
            let mut seen = HashSet::new();
            own.retain(|&i| seen.insert(bytes.row(i as usize)));
        }
        lens.push(own.len());
        places.extend(own);
    }
    let values = take(values, &UInt32Array::from(places), None)
        .map_err(Error::arrow("putting values of lists in order"))?;
    let ends = OffsetBuffer::from_lengths(lens);
    let lists = ListArray::try_new(field, ends, values, Some(is_there.into()));
    Ok(Arc::new(lists.map_err(Error::arrow("making lists"))?))
}
