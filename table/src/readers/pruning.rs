//! Whether rows can meet a condition, told by the bounds of their values.
//!
//! The answer is "no" only if it is certain for every row, so whoever asks may pass the rows over.
//! The order is that of expressions: NaN is the greatest number, `-0` equals `0`.

use std::cmp::Ordering;

use arrow_array::{Array, ArrayRef};

use crate::expr::{Expr, Node};
use crate::value::Value;

/// What is known of a column's values in some rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Bounds {
    /// A column of one cell: no value is less.
    pub(super) min: Option<ArrayRef>,
    /// A column of one cell: no value is greater, NaN apart.
    pub(super) max: Option<ArrayRef>,
    /// Whether values may be NaN, which bounds do not tell.
    pub(super) may_be_nan: bool,
    /// Rows without a value.
    pub(super) nulls: Option<u64>,
    /// All rows.
    pub(super) rows: u64,
}

impl Bounds {
    fn is_all_null(&self) -> bool {
        self.nulls == Some(self.rows)
    }

    fn least(&self, value: &Value) -> Option<Ordering> {
        order(self.min.as_ref()?, value)
    }

    fn greatest(&self, value: &Value) -> Option<Ordering> {
        if self.may_be_nan { None } else { order(self.max.as_ref()?, value) }
    }
}

/// Whether some row may meet the condition; `bounds` tells what is known of a column.
pub(super) fn may_hold(condition: &Expr, bounds: &dyn Fn(&str) -> Option<Bounds>) -> bool {
    use Ordering::{Equal, Greater, Less};
    let compared = |a: &Expr, b: &Expr, how: fn(&Bounds, &Value) -> bool| {
        let (Node::Column(name), Node::Literal(value)) = (a.node(), b.node()) else { return None };
        if value.is_null() {
            return Some(false); // comparing with a null is null
        }
        let bounds = bounds(name)?;
        Some(!bounds.is_all_null() && how(&bounds, value))
    };
    let either = |a: &Expr,
                  b: &Expr,
                  how: fn(&Bounds, &Value) -> bool,
                  turned: fn(&Bounds, &Value) -> bool| {
        compared(a, b, how).or_else(|| compared(b, a, turned)).unwrap_or(true)
    };
    let lt = |of: &Bounds, value: &Value| !matches!(of.least(value), Some(Greater | Equal));
    let le = |of: &Bounds, value: &Value| of.least(value) != Some(Greater);
    let gt = |of: &Bounds, value: &Value| !matches!(of.greatest(value), Some(Less | Equal));
    let ge = |of: &Bounds, value: &Value| of.greatest(value) != Some(Less);
    let eq = |of: &Bounds, value: &Value| {
        of.least(value) != Some(Greater) && of.greatest(value) != Some(Less)
    };
    match condition.node() {
        Node::And(terms) => terms.iter().all(|term| may_hold(term, bounds)),
        Node::Or(terms) => terms.iter().any(|term| may_hold(term, bounds)),
        Node::Lt(a, b) => either(a, b, lt, gt),
        Node::Le(a, b) => either(a, b, le, ge),
        Node::Gt(a, b) => either(a, b, gt, lt),
        Node::Ge(a, b) => either(a, b, ge, le),
        Node::Eq(a, b) => either(a, b, eq, eq),
        Node::Between(a, low, high) => {
            compared(a, low, ge).unwrap_or(true) && compared(a, high, le).unwrap_or(true)
        }
        Node::IsIn(a, values) => match a.node() {
            Node::Column(name) => bounds(name).is_none_or(|of| {
                let values = values.iter().filter(|value| !value.is_null());
                !of.is_all_null() && values.into_iter().any(|value| eq(&of, value))
            }),
            _ => true,
        },
        Node::IsNull(a) => match a.node() {
            Node::Column(name) => bounds(name).is_none_or(|of| of.nulls != Some(0)),
            _ => true,
        },
        Node::IsNotNull(a) => match a.node() {
            Node::Column(name) => bounds(name).is_none_or(|of| !of.is_all_null()),
            _ => true,
        },
        Node::Column(name) => {
            bounds(name).is_none_or(|of| !of.is_all_null() && ge(&of, &Value::Bool(true)))
        }
        Node::Literal(Value::Bool(false) | Value::Null) => false,
        _ => true,
    }
}

/// How a bound stands to a value; none if that is not certain.
fn order(bound: &ArrayRef, value: &Value) -> Option<Ordering> {
    if bound.is_empty() || bound.is_null(0) {
        return None;
    }
    let mixed = |a: i64, b: f64| {
        // Rounding keeps the order, but makes equals of numbers that are none.
        (a as f64).partial_cmp(&b).filter(|order| order.is_ne() || a.unsigned_abs() < 1 << 53)
    };
    match (Value::at(bound, 0), value) {
        (Value::I64(a), Value::I64(b)) => Some(a.cmp(b)),
        (Value::F64(a), Value::F64(b)) => a.partial_cmp(b),
        (Value::I64(a), Value::F64(b)) => mixed(a, *b),
        (Value::F64(a), Value::I64(b)) => mixed(*b, a).map(Ordering::reverse),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::String(a), Value::String(b)) => Some(a.as_str().cmp(b)),
        (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
        (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
    use proptest::prelude::*;

    use super::*;
    use crate::{col, lit, null};

    type Row = (Option<i64>, Option<f64>, Option<bool>, Option<String>);

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        let float = prop::sample::select(vec![-0.0, 0.0, 1.5, -2.0, f64::NAN, f64::INFINITY, 3.0]);
        let row = (
            prop::option::of(-3_i64..4),
            prop::option::of(float),
            any::<Option<bool>>(),
            prop::option::of("[ab]{0,2}"),
        );
        prop::collection::vec(row, 1..5)
    }

    fn literals() -> impl Strategy<Value = Expr> {
        prop_oneof![
            (-4_i64..5).prop_map(lit),
            prop::sample::select(vec![-0.0, 0.0, 1.5, f64::NAN, f64::INFINITY, -9.0]).prop_map(lit),
            Just(null()),
        ]
    }

    fn conditions() -> impl Strategy<Value = Expr> {
        let leaf =
            (prop::sample::select(vec!["n", "x"]), literals(), literals(), 0..12, "[ab]{0,2}");
        let leaf = leaf.prop_map(|(name, a, b, how, text)| match how {
            0 => col(name).lt(a),
            1 => col(name).le(a),
            2 => col(name).gt(a),
            3 => col(name).ge(a),
            4 => col(name).eq(a),
            5 => a.lt(col(name)),
            6 => a.ge(col(name)),
            7 => col(name).between(a, b),
            8 => col(name).is_null(),
            9 => col("s").ge(text),
            10 => col("s").is_in([text]),
            _ => col("b"),
        });
        leaf.prop_recursive(2, 6, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| a.and(b)),
                (inner.clone(), inner).prop_map(|(a, b)| a.or(b)),
            ]
        })
    }

    fn bounds_of(column: &ArrayRef) -> Bounds {
        let rows = column.len();
        let valid = (0..rows).filter(|&i| !column.is_null(i));
        let is_nan = |i: &usize| matches!(Value::at(column, *i), Value::F64(x) if x.is_nan());
        let (nan, told): (Vec<_>, Vec<_>) = valid.partition(is_nan);
        let less =
            |a: &usize, b: &usize| order(&column.slice(*a, 1), &Value::at(column, *b)).unwrap();
        let cell = |i: usize| column.slice(i, 1);
        Bounds {
            min: told.iter().copied().min_by(less).map(cell),
            max: told.iter().copied().max_by(less).map(cell),
            may_be_nan: !nan.is_empty(),
            nulls: Some(column.null_count() as u64),
            rows: rows as u64,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn rows_that_hold_are_never_passed_over(rows in rows(), condition in conditions()) {
            let columns: Vec<(&str, ArrayRef)> = vec![
                ("n", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>())),
                ("x", Arc::new(rows.iter().map(|row| row.1).collect::<Float64Array>())),
                ("b", Arc::new(rows.iter().map(|row| row.2).collect::<BooleanArray>())),
                ("s", Arc::new(rows.iter().map(|row| row.3.clone()).collect::<StringArray>())),
            ];
            let batch = RecordBatch::try_from_iter(columns).unwrap();
            let holds = match condition.selection(&batch) {
                Ok(selection) => selection.true_count() > 0,
                Err(_) => return Ok(()), // a null without a type
            };
            let bounds = |name: &str| batch.column_by_name(name).map(bounds_of);
            prop_assert!(may_hold(&condition, &bounds) || !holds, "{condition}");
        }
    }

    #[test]
    fn what_cannot_hold_is_passed_over() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![3, 7]));
        let bounds = |_: &str| Some(bounds_of(&column));
        for never in [
            col("n").lt(3),
            col("n").gt(7),
            col("n").eq(8),
            lit(2.5).ge(col("n")),
            col("n").between(8, 12),
            col("n").is_in([1, 9]),
            col("n").is_null(),
            col("n").eq(5).and(col("n").gt(7)),
            col("n").lt(3).or(col("n").gt(7)),
        ] {
            assert!(!may_hold(&never, &bounds), "{never}");
        }
        assert!(may_hold(&col("n").is_not_null(), &bounds));
        assert!(may_hold(&col("n").ne(5), &bounds));
        assert!(may_hold(&col("n").lt(3), &|_| None));
    }
}
