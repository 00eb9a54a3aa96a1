//! The operators on whole columns. Arrow's kernels do the work where they mean the same; what is
//! added is which row was at fault, exact comparison of whole numbers with floats, and `-0 = 0`.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use arrow_arith::boolean;
use arrow_arith::numeric;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_ord::cmp;
use arrow_schema::{ArrowError, DataType};

use super::Expr;
use super::evaluate::Part;
use crate::error::{Error, Result};
use crate::value::Value;

const NOT_ZERO: &str = "a whole number other than zero below the line";
const IN_RANGE: &str = "a result in the range of i64";

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rounding {
    Floor,
    Ceil,
    Nearest,
}

/// `a how b`; whole numbers stay whole except under division.
pub(super) fn reckon(whole: &Expr, how: Arithmetic, a: &Part, b: &Part) -> Result<Part> {
    let scalar = a.scalar && b.scalar;
    let both_whole = is(a, &DataType::Int64) && is(b, &DataType::Int64);
    if a.is_untyped() || b.is_untyped() {
        let of = match (how, a.is_untyped()) {
            (Arithmetic::Div, _) => &DataType::Float64,
            (_, true) => b.array.data_type(),
            (_, false) => a.array.data_type(),
        };
        return Ok(Part::null(of));
    }
    if both_whole && how == Arithmetic::Div {
        if let Some(row) = first_fault(a, b, |_, b| b == 0) {
            return Err(fault(whole, row, a, b, NOT_ZERO));
        }
    } else if both_whole {
        let kernel = match how {
            Arithmetic::Add => numeric::add,
            Arithmetic::Sub => numeric::sub,
            Arithmetic::Mul => numeric::mul,
            Arithmetic::Div | Arithmetic::Rem => numeric::rem,
        };
        return match kernel(a, b) {
            Ok(array) => Ok(Part { array, scalar }),
            Err(error) => Err(located(whole, how, a, b, &error)),
        };
    }
    let float = DataType::Float64;
    let (a, b) = (a.clone().widened(&float), b.clone().widened(&float));
    let kernel = match how {
        Arithmetic::Add => numeric::add,
        Arithmetic::Sub => numeric::sub,
        Arithmetic::Mul => numeric::mul,
        Arithmetic::Div => numeric::div,
        Arithmetic::Rem => numeric::rem,
    };
    let array = kernel(&a, &b).map_err(Error::arrow("arithmetic on floats"))?;
    Ok(Part { array, scalar })
}

/// The error of a failed kernel with the row that made it fail.
fn located(whole: &Expr, how: Arithmetic, a: &Part, b: &Part, error: &ArrowError) -> Error {
    let fails = |x: i64, y: i64| match how {
        Arithmetic::Add => x.checked_add(y).is_none(),
        Arithmetic::Sub => x.checked_sub(y).is_none(),
        Arithmetic::Mul => x.checked_mul(y).is_none(),
        Arithmetic::Div | Arithmetic::Rem => y == 0 || x.checked_rem(y).is_none(),
    };
    match first_fault(a, b, fails) {
        Some(row) if how == Arithmetic::Rem => fault(whole, row, a, b, NOT_ZERO),
        Some(row) => fault(whole, row, a, b, IN_RANGE),
        None => Error::Arrow { doing: format!("evaluating {whole}"), problem: error.to_string() },
    }
}

fn first_fault(a: &Part, b: &Part, fails: impl Fn(i64, i64) -> bool) -> Option<usize> {
    let (x, y) = (a.array.as_primitive::<Int64Type>(), b.array.as_primitive::<Int64Type>());
    (0..common_len(a, b)).find(|&row| {
        let (i, j) = (a.index(row), b.index(row));
        x.is_valid(i) && y.is_valid(j) && fails(x.value(i), y.value(j))
    })
}

fn fault(whole: &Expr, row: usize, a: &Part, b: &Part, expected: &str) -> Error {
    let value = |part: &Part| Value::at(&part.array, part.index(row)).to_string();
    whole.bad_value(row, format!("{} and {}", value(a), value(b)), expected)
}

pub(super) fn negate(whole: &Expr, a: &Part) -> Result<Part> {
    signed(whole, a, i64::checked_neg, |x| -x)
}

pub(super) fn absolute(whole: &Expr, a: &Part) -> Result<Part> {
    signed(whole, a, i64::checked_abs, f64::abs)
}

fn signed(
    whole: &Expr,
    a: &Part,
    on_whole: fn(i64) -> Option<i64>,
    on_float: fn(f64) -> f64,
) -> Result<Part> {
    let array: ArrayRef = if let Some(numbers) = a.array.as_primitive_opt::<Int64Type>() {
        let fails = |&row: &usize| numbers.is_valid(row) && on_whole(numbers.value(row)).is_none();
        if let Some(row) = (0..numbers.len()).find(fails) {
            return Err(whole.bad_value(row, numbers.value(row).to_string(), IN_RANGE));
        }
        let result: Int64Array = numbers.unary(|n| on_whole(n).unwrap_or(n)); // only nulls are left
        Arc::new(result)
    } else if let Some(numbers) = a.array.as_primitive_opt::<Float64Type>() {
        let result: Float64Array = numbers.unary(on_float);
        Arc::new(result)
    } else {
        Arc::clone(&a.array) // nulls
    };
    Ok(Part { array, scalar: a.scalar })
}

pub(super) fn round(how: Rounding, a: Part) -> Result<Part> {
    let Some(numbers) = a.array.as_primitive_opt::<Float64Type>() else { return Ok(a) };
    let result: Float64Array = numbers.unary(match how {
        Rounding::Floor => f64::floor,
        Rounding::Ceil => f64::ceil,
        Rounding::Nearest => f64::round,
    });
    Ok(Part { array: Arc::new(result), scalar: a.scalar })
}

pub(super) fn compare(how: Comparison, a: &Part, b: &Part) -> Result<Part> {
    if a.is_untyped() || b.is_untyped() {
        return Ok(Part::null(&DataType::Boolean));
    }
    let float = &DataType::Float64;
    let truth = match (is(a, float), is(b, float)) {
        (false, false) => {
            let kernel = match how {
                Comparison::Eq => cmp::eq,
                Comparison::Ne => cmp::neq,
                Comparison::Lt => cmp::lt,
                Comparison::Le => cmp::lt_eq,
                Comparison::Gt => cmp::gt,
                Comparison::Ge => cmp::gt_eq,
            };
            kernel(a, b).map_err(Error::arrow("comparing"))?
        }
        (true, true) => compare_by(how, a, b, floats(a), floats(b), |x, y| order(*x, *y)),
        (true, false) => {
            compare_by(how, a, b, floats(a), wholes(b), |x, y| order_mixed(*y, *x).reverse())
        }
        (false, true) => compare_by(how, a, b, wholes(a), floats(b), |x, y| order_mixed(*x, *y)),
    };
    Ok(Part { array: Arc::new(truth), scalar: a.scalar && b.scalar })
}

fn compare_by<X, Y>(
    how: Comparison,
    a: &Part,
    b: &Part,
    x: &[X],
    y: &[Y],
    order: impl Fn(&X, &Y) -> Ordering,
) -> BooleanArray {
    let rows = common_len(a, b);
    let at = |row: usize| order(&x[a.index(row)], &y[b.index(row)]);
    let values = match how {
        Comparison::Eq => BooleanBuffer::collect_bool(rows, |row| at(row).is_eq()),
        Comparison::Ne => BooleanBuffer::collect_bool(rows, |row| at(row).is_ne()),
        Comparison::Lt => BooleanBuffer::collect_bool(rows, |row| at(row).is_lt()),
        Comparison::Le => BooleanBuffer::collect_bool(rows, |row| at(row).is_le()),
        Comparison::Gt => BooleanBuffer::collect_bool(rows, |row| at(row).is_gt()),
        Comparison::Ge => BooleanBuffer::collect_bool(rows, |row| at(row).is_ge()),
    };
    BooleanArray::new(values, NullBuffer::union(nulls(a, rows).as_ref(), nulls(b, rows).as_ref()))
}

/// Numbers in their order, then NaN, which equals itself.
pub(crate) fn order(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// A whole number against a float, by their exact values.
fn order_mixed(a: i64, b: f64) -> Ordering {
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    if b.is_nan() || b >= TWO_63 {
        Ordering::Less
    } else if b < -TWO_63 {
        Ordering::Greater
    } else {
        let whole = b.trunc();
        a.cmp(&(whole as i64)).then_with(|| order(0.0, b - whole))
    }
}

pub(super) fn and(a: Part, b: Part, rows: usize) -> Result<Part> {
    connect(a, b, rows, boolean::and_kleene)
}

pub(super) fn or(a: Part, b: Part, rows: usize) -> Result<Part> {
    connect(a, b, rows, boolean::or_kleene)
}

fn connect(
    a: Part,
    b: Part,
    rows: usize,
    kernel: fn(&BooleanArray, &BooleanArray) -> Result<BooleanArray, ArrowError>,
) -> Result<Part> {
    let scalar = a.scalar && b.scalar;
    let rows = if scalar { 1 } else { rows };
    let bool = crate::schema::Type::Bool;
    let (a, b) = (a.into_column(bool, rows)?, b.into_column(bool, rows)?);
    let truth = kernel(a.as_boolean(), b.as_boolean()).map_err(Error::arrow("and, or"))?;
    Ok(Part { array: Arc::new(truth), scalar })
}

pub(super) fn not(a: &Part) -> Result<Part> {
    let Some(truth) = a.array.as_boolean_opt() else { return Ok(Part::null(&DataType::Boolean)) };
    let truth = boolean::not(truth).map_err(Error::arrow("not"))?;
    Ok(Part { array: Arc::new(truth), scalar: a.scalar })
}

pub(super) fn is_null(a: &Part) -> Result<Part> {
    let truth = boolean::is_null(&a.array).map_err(Error::arrow("is null"))?;
    Ok(Part { array: Arc::new(truth), scalar: a.scalar })
}

/// Whether each value is listed. The list is brought to the column's type; a constant that has no
/// exact counterpart there cannot be equal to any value.
pub(super) fn is_in(a: &Part, values: &[Value]) -> Result<Part> {
    let rows = a.len();
    let found = match a.array.data_type() {
        DataType::Boolean => {
            let truth = a.array.as_boolean();
            let listed =
                [values.contains(&Value::Bool(false)), values.contains(&Value::Bool(true))];
            BooleanBuffer::collect_bool(rows, |row| listed[usize::from(truth.value(row))])
        }
        DataType::Int64 => {
            let listed: HashSet<i64> = values.iter().filter_map(exact_whole).collect();
            let column = wholes(a);
            BooleanBuffer::collect_bool(rows, |row| listed.contains(&column[row]))
        }
        DataType::Float64 => {
            let listed: HashSet<u64> =
                values.iter().filter_map(exact_float).map(float_key).collect();
            let column = floats(a);
            BooleanBuffer::collect_bool(rows, |row| listed.contains(&float_key(column[row])))
        }
        DataType::Utf8 => {
            let mut listed = HashSet::new();
            for value in values {
                if let Value::String(text) = value {
                    listed.insert(text.as_str());
                }
            }
            let column = a.array.as_string::<i32>();
            BooleanBuffer::collect_bool(rows, |row| listed.contains(column.value(row)))
        }
        DataType::Date32 => {
            let days = |value: &Value| match value {
                Value::Date(days) => Some(*days),
                _ => None,
            };
            let listed: HashSet<i32> = values.iter().filter_map(days).collect();
            let column = a.array.as_primitive::<Date32Type>();
            BooleanBuffer::collect_bool(rows, |row| listed.contains(&column.value(row)))
        }
        DataType::Timestamp(..) => {
            let micros = |value: &Value| match value {
                Value::Timestamp(micros) => Some(*micros),
                _ => None,
            };
            let listed: HashSet<i64> = values.iter().filter_map(micros).collect();
            let column = a.array.as_primitive::<TimestampMicrosecondType>();
            BooleanBuffer::collect_bool(rows, |row| listed.contains(&column.value(row)))
        }
        _ => return Ok(Part::null(&DataType::Boolean)), // nulls
    };
    let known = values.contains(&Value::Null).then(|| NullBuffer::new(found.clone()));
    let nulls = NullBuffer::union(a.array.nulls(), known.as_ref());
    Ok(Part { array: Arc::new(BooleanArray::new(found, nulls)), scalar: a.scalar })
}

fn exact_whole(value: &Value) -> Option<i64> {
    match *value {
        Value::I64(whole) => Some(whole),
        Value::F64(float) => (order_mixed(float as i64, float).is_eq()).then_some(float as i64),
        _ => None,
    }
}

fn exact_float(value: &Value) -> Option<f64> {
    match *value {
        Value::F64(float) => Some(float),
        Value::I64(whole) => order_mixed(whole, whole as f64).is_eq().then_some(whole as f64),
        _ => None,
    }
}

/// Equal for floats that compare equal.
fn float_key(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() }
}

fn is(part: &Part, of: &DataType) -> bool {
    part.array.data_type() == of
}

fn floats(part: &Part) -> &[f64] {
    part.array.as_primitive::<Float64Type>().values()
}

fn wholes(part: &Part) -> &[i64] {
    part.array.as_primitive::<Int64Type>().values()
}

fn common_len(a: &Part, b: &Part) -> usize {
    if a.scalar { b.len() } else { a.len() }
}

fn nulls(part: &Part, rows: usize) -> Option<NullBuffer> {
    match part.array.nulls() {
        Some(nulls) if part.scalar && nulls.is_null(0) => Some(NullBuffer::new_null(rows)),
        Some(nulls) if !part.scalar => Some(nulls.clone()),
        _ => None,
    }
}
