//! Laws of expressions: what one row says, a batch says; text and files keep the meaning.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use firesteel_core::Error::BadValue;
use proptest::prelude::*;

use super::*;
use crate::{Error, Schema};

fn table() -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("b", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)]))),
        ("n", Arc::new(Int64Array::from(vec![Some(7), Some(0), None, Some(-2)]))),
        ("x", Arc::new(Float64Array::from(vec![Some(0.5), Some(f64::NAN), None, Some(-0.0)]))),
        ("s", Arc::new(StringArray::from(vec![Some("V57"), Some("250.83"), None, Some("")]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn values(expr: &Expr) -> Vec<Value> {
    let column = expr.evaluate(&table()).unwrap();
    (0..column.len()).map(|row| Value::at(&column, row)).collect()
}

fn values_of<V: Into<Value>>(values: impl IntoIterator<Item = V>) -> Vec<Value> {
    values.into_iter().map(Into::into).collect()
}

#[test]
fn nulls_follow_three_valued_logic() {
    let (yes, no) = (lit(true), lit(false));
    for (expr, expected) in [
        (no.clone().and(null()), Some(false)),
        (yes.clone().and(null()), None),
        (yes.or(null()), Some(true)),
        (no.or(null()), None),
        (!null(), None),
        (null().eq(1), None),
        (lit(3).is_in([Value::Null, 3.into()]), Some(true)),
        (lit(4).is_in([Value::Null, 3.into()]), None),
        (lit(2).between(1, null()), None),
        (lit(0).between(1, null()), Some(false)),
        (null().is_null(), Some(true)),
    ] {
        assert_eq!(values(&expr), vec![Value::from(expected); 4], "{expr}");
    }
}

#[test]
fn arithmetic_keeps_whole_numbers_whole_but_for_division() {
    assert_eq!(values(&(col("n") + 1)), values_of([Some(8), Some(1), None, Some(-1)]));
    assert_eq!(
        values(&(7 / lit(2) + (col("n") - col("n")))),
        values_of([Some(3.5), Some(3.5), None, Some(3.5)])
    );
    assert_eq!(values(&(col("n") % 3)), values_of([Some(1), Some(0), None, Some(-2)]));
    assert_eq!(values(&-col("n").abs()), values_of([Some(-7), Some(0), None, Some(-2)]));
    assert_eq!(values(&lit(-2.5).round())[0], Value::F64(-3.0));
    assert_eq!(values(&lit(-2.5).floor())[0], Value::F64(-3.0));
    assert_eq!(values(&(2.0 - col("n")))[0], Value::F64(-5.0));
    assert_eq!(values(&(lit(1) / lit(0.0)))[0], Value::F64(f64::INFINITY));
}

#[test]
fn comparisons_are_exact_and_nan_is_the_greatest() {
    let truth = |expr: Expr| values(&expr);
    assert_eq!(truth(col("x").gt(1e300)), values_of([Some(false), Some(true), None, Some(false)]));
    assert_eq!(truth(col("x").eq(col("x"))), values_of([Some(true), Some(true), None, Some(true)]));
    assert_eq!(truth(col("x").eq(0)), values_of([Some(false), Some(false), None, Some(true)]));
    assert_eq!(truth(col("x").is_in([0])), values_of([Some(false), Some(false), None, Some(true)]));
    let big = 9_007_199_254_740_993_i64; // 2⁵³ + 1: no float
    assert_eq!(truth(lit(big).eq(big as f64))[0], Value::Bool(false));
    assert_eq!(truth(lit(big).gt(big as f64))[0], Value::Bool(true));
    assert_eq!(truth(lit(big).is_in([big as f64]))[0], Value::Bool(false));
    assert_eq!(truth(lit(big as f64).is_in([big]))[0], Value::Bool(false));
    assert_eq!(truth(lit(i64::MAX).lt(9.3e18))[0], Value::Bool(true));
    assert_eq!(truth(lit(i64::MIN).gt(f64::NEG_INFINITY))[0], Value::Bool(true));
    assert_eq!(truth(col("s").lt("V")), values_of([Some(false), Some(true), None, Some(true)]));
}

#[test]
fn text_operators_count_characters() {
    assert_eq!(
        values(&col("s").starts_with("V")),
        values_of([Some(true), Some(false), None, Some(false)])
    );
    assert_eq!(values(&col("s").length()), values_of([Some(3), Some(6), None, Some(0)]));
    assert_eq!(
        values(&col("s").substr(0, 3)),
        values_of([Some("V57"), Some("250"), None, Some("")])
    );
    let joined = lit("<").concat(col("s")).concat(">");
    assert_eq!(values(&joined), values_of([Some("<V57>"), Some("<250.83>"), None, Some("<>")]));
    assert_eq!(values(&lit("aé").contains("é"))[0], Value::Bool(true));
    assert_eq!(values(&lit("aé").ends_with("a"))[0], Value::Bool(false));
}

#[test]
fn a_strict_cast_names_expression_column_value_and_row() {
    let error = col("s").cast(Type::F64).evaluate(&table()).unwrap_err();
    let Error::Core(BadValue { operation, row, column, value, expected }) = error else {
        panic!("{error}")
    };
    assert_eq!((operation.as_str(), row, column.as_str()), ("cast(s as f64)", 0, "s"));
    assert_eq!((value.as_str(), expected.as_str()), ("V57", "f64"));
    let lenient = values(&col("s").try_cast(Type::F64));
    assert_eq!(lenient, values_of([None, Some(250.83), None, None]));
    assert_eq!(values(&lit(" 42 ").cast(Type::I64))[0], Value::I64(42));
    assert_eq!(values(&lit(2.5).try_cast(Type::I64))[0], Value::Null);
    assert_eq!(values(&lit(9.3e18).try_cast(Type::I64))[0], Value::Null);
    assert_eq!(values(&lit(2).try_cast(Type::Bool))[0], Value::Null);
    assert_eq!(values(&lit("TRUE").cast(Type::Bool))[0], Value::Bool(true));
    assert_eq!(values(&col("n").cast(Type::String))[3], Value::from("-2"));
    assert_eq!(values(&lit(1e16).cast(Type::String))[0], Value::from("1e16"));
}

#[test]
fn overflow_and_division_by_zero_name_the_row() {
    let row_of = |expr: Expr| match expr.evaluate(&table()).unwrap_err() {
        Error::Core(BadValue { row, expected, .. }) => (row, expected),
        other => panic!("{other}"),
    };
    assert_eq!(row_of(lit(i64::MAX) + col("n").abs() - 1).0, 0);
    assert_eq!(row_of(7 / col("n")).0, 1);
    assert!(row_of(7 % col("n")).1.contains("zero"));
    assert_eq!(row_of(-(col("n") - col("n") + i64::MIN)).0, 0);
    // Inside a branch the row is still that of the batch.
    let guarded = when(col("n").lt(0)).then(col("n") * i64::MAX).otherwise(1);
    assert_eq!(row_of(guarded).0, 3);
}

#[test]
fn when_and_coalesce_evaluate_a_branch_where_it_applies_only() {
    let safe = when(col("n").ne(0)).then(14 / col("n")).otherwise(0);
    assert_eq!(values(&safe), values_of([Some(2.0), Some(0.0), Some(0.0), Some(-7.0)]));
    let filled = col("s").try_cast(Type::F64).fill_null(col("n")).fill_null(-1);
    assert_eq!(values(&filled), values_of([Some(7.0), Some(250.83), Some(-1.0), Some(-2.0)]));
    let lazy = coalesce([col("n"), col("s").fill_null("5").cast(Type::I64)]);
    assert_eq!(values(&lazy), values_of([Some(7), Some(0), Some(5), Some(-2)]));
    let open = when(col("b")).then(null()).otherwise("no");
    assert_eq!(values(&open), values_of([None, Some("no"), Some("no"), None]));
}

#[test]
fn mistakes_show_from_the_schema_alone() {
    let schema = Schema::of_batch(&table()).unwrap();
    let text = |expr: Expr| expr.output_type(&schema).unwrap_err().to_string();
    assert_eq!(text(col("nn") + 1), "no column `nn`; did you mean `n`?");
    assert_eq!(text(col("s") + 1), "`s` is string, expected a number in `s + 1`");
    assert_eq!(text(col("n").eq("7")), "`'7'` is string, expected i64, like n in `n = '7'`");
    assert_eq!(text(col("n").and(true)), "`n` is i64, expected bool in `n and true`");
    assert!(text(when(col("b")).then(1).otherwise("x")).contains("like the values before"));
    assert!(text(null()).contains("cast it"));
    assert!(text(col("n").is_in(["a"])).contains("expected i64"));
}

#[test]
fn the_text_has_brackets_where_they_matter() {
    for (expr, text) in [
        (col("a") - (col("b") - 1), "a - (b - 1)"),
        (col("a") - col("b") - 1, "a - b - 1"),
        ((col("a") + 1) * 2, "(a + 1) * 2"),
        (col("a") * 2 + 1, "a * 2 + 1"),
        (-(col("a") + 1), "-(a + 1)"),
        (lit(-1) - lit(-2.5), "-1 - -2.5"),
        (-lit(-1), "-(-1)"),
        ((!col("a").and(col("b"))).or(col("c")), "not (a and b) or c"),
        (col("a").or("b").and(col("c")), "(a or 'b') and c"),
        (col("glyburide-metformin").eq("it's"), "`glyburide-metformin` = 'it''s'"),
        (col("a").is_in([1, 2]).is_null(), "(a in (1, 2)) is null"),
        (col("a").between(1, col("b") + 1), "a between 1 and b + 1"),
        (col("a").cast(Type::F64).abs(), "abs(cast(a as f64))"),
        (col("a").lt(1).eq(true), "(a < 1) = true"),
        (null().fill_null(1.0), "coalesce(null, 1.0)"),
    ] {
        assert_eq!(expr.to_string(), text);
    }
}

#[test]
fn long_chains_do_not_nest_and_deep_trees_are_refused() {
    let sum = (0..10_000).fold(lit(0), |sum, n| sum + n);
    assert_eq!(values(&sum)[0], Value::I64((0..10_000).sum()));
    let text = serde_json::to_string(&sum).unwrap();
    assert_eq!(serde_json::from_str::<Expr>(&text).unwrap(), sum);

    let deep = (0..100_000).fold(col("n"), |expr, _| -expr);
    let error = deep.evaluate(&table()).unwrap_err().to_string();
    assert!(error.contains("nested deeper than 100 levels"), "{error}");
    assert!(serde_json::to_string(&deep).is_err());

    let deepest = (0..49).fold(col("n"), |expr, _| -expr);
    let text = serde_json::to_string(&deepest).unwrap();
    assert_eq!(serde_json::from_str::<Expr>(&text).unwrap(), deepest);
    let hostile = format!("{}{}{}", r#"{"neg":"#.repeat(60), r#"{"col":"n"}"#, "}".repeat(60));
    assert!(serde_json::from_str::<Expr>(&hostile).is_err());
}

#[test]
fn files_that_make_no_sense_are_refused() {
    for text in [r#"{"add":[]}"#, r#"{"later":[1]}"#, r#"{"col":7}"#, "3", r#"{"invalid":"x"}"#] {
        assert!(serde_json::from_str::<Expr>(text).is_err(), "{text}");
    }
    let by_hand = r#"{"ge":[{"col":"age"},{"lit":{"i64":65}}]}"#;
    assert_eq!(serde_json::from_str::<Expr>(by_hand).unwrap(), col("age").ge(65));
}

#[test]
fn no_rows_give_no_values() {
    let empty = table().slice(0, 0);
    for expr in [lit(1), 7 / col("n"), when(col("b")).then(1).otherwise(col("n")), col("s")] {
        assert_eq!(expr.evaluate(&empty).unwrap().len(), 0, "{expr}");
    }
}

/// Expressions of a type over the columns of [`table`].
fn expressions(of: Type) -> BoxedStrategy<Expr> {
    expressions_to(of, 3)
}

fn expressions_to(of: Type, depth: u32) -> BoxedStrategy<Expr> {
    let leaf = match of {
        Type::Bool => {
            prop_oneof![Just(col("b")), any::<bool>().prop_map(lit), Just(null())].boxed()
        }
        Type::I64 => prop_oneof![
            Just(col("n")),
            (-3_i64..4).prop_map(lit),
            Just(lit(i64::MAX)),
            Just(null())
        ]
        .boxed(),
        Type::F64 => {
            prop_oneof![Just(col("x")), (-3_i64..4).prop_map(|n| lit(n as f64 / 2.0))].boxed()
        }
        _ => prop_oneof![Just(col("s")), "[0-9V]{0,2}".prop_map(lit)].boxed(),
    };
    if depth == 0 {
        return leaf;
    }
    let sub = |of| expressions_to(of, depth - 1);
    let choice =
        (sub(Type::Bool), sub(of), sub(of)).prop_map(|(c, a, b)| when(c).then(a).otherwise(b));
    let filled = (sub(of), sub(of)).prop_map(|(a, b)| a.fill_null(b));
    let own = match of {
        Type::Bool => {
            let pair = prop_oneof![
                (sub(Type::I64), sub(Type::I64)),
                (sub(Type::F64), sub(Type::I64)),
                (sub(Type::String), sub(Type::String)),
            ];
            let compared = (pair, 0..6).prop_map(|((a, b), how)| match how {
                0 => a.eq(b),
                1 => a.ne(b),
                2 => a.lt(b),
                3 => a.le(b),
                4 => a.gt(b),
                _ => a.ge(b),
            });
            prop_oneof![
                compared,
                (sub(Type::Bool), sub(Type::Bool)).prop_map(|(a, b)| a.and(b)),
                (sub(Type::Bool), sub(Type::Bool)).prop_map(|(a, b)| a.or(b)),
                sub(Type::Bool).prop_map(|a| !a),
                sub(Type::I64).prop_map(|a| a.is_null()),
                sub(Type::F64).prop_map(|a| a.is_in([0, 1])),
                sub(Type::I64).prop_map(|a| a.is_in([Value::Null, 7.into()])),
            ]
            .boxed()
        }
        Type::I64 => prop_oneof![
            (sub(of), sub(of)).prop_map(|(a, b)| a + b),
            (sub(of), sub(of)).prop_map(|(a, b)| a * b),
            (sub(of), sub(of)).prop_map(|(a, b)| a % b),
            sub(of).prop_map(|a| -a),
            sub(Type::String).prop_map(|a| a.length()),
            sub(Type::String).prop_map(|a| a.cast(Type::I64)),
            sub(Type::F64).prop_map(|a| a.try_cast(Type::I64)),
        ]
        .boxed(),
        Type::F64 => prop_oneof![
            (sub(of), sub(Type::I64)).prop_map(|(a, b)| a - b),
            (sub(Type::I64), sub(Type::I64)).prop_map(|(a, b)| a / b),
            sub(Type::String).prop_map(|a| a.try_cast(Type::F64)),
        ]
        .boxed(),
        _ => prop_oneof![
            (sub(of), sub(of)).prop_map(|(a, b)| a.concat(b)),
            (sub(of), -3_i64..3, 0_u64..3).prop_map(|(a, start, len)| a.substr(start, len)),
            sub(Type::I64).prop_map(|a| a.cast(Type::String)),
        ]
        .boxed(),
    };
    prop_oneof![1 => leaf, 4 => own, 1 => choice, 1 => filled].boxed()
}

fn any_expression() -> impl Strategy<Value = Expr> {
    prop_oneof![
        expressions(Type::Bool),
        expressions(Type::I64),
        expressions(Type::F64),
        expressions(Type::String),
    ]
}

const TWO_63: f64 = 9_223_372_036_854_775_808.0;

/// The slow and obvious meaning of an expression: one row at a time, no vectors. `None` where
/// the evaluation must fail.
fn meaning(expr: &Expr, row: &RecordBatch) -> Option<Value> {
    let of = |e: &Expr| meaning(e, row);
    let truth = |e: &Expr| of(e).map(|v| if let Value::Bool(b) = v { Some(b) } else { None });
    let float = |v: &Value| match v {
        Value::I64(n) => *n as f64,
        Value::F64(x) => *x,
        other => panic!("{other:?} is no number"),
    };
    let reckon = |a: Value, b: Value, w: fn(i64, i64) -> Option<i64>, f: fn(f64, f64) -> f64| {
        Some(match (&a, &b) {
            (Value::Null, _) | (_, Value::Null) => Value::Null,
            (Value::I64(a), Value::I64(b)) => Value::I64(w(*a, *b)?),
            _ => Value::F64(f(float(&a), float(&b))),
        })
    };
    let ordered = |a: &Expr, b: &Expr, fits: fn(std::cmp::Ordering) -> bool| {
        Some(match (of(a)?, of(b)?) {
            (Value::Null, _) | (_, Value::Null) => Value::Null,
            (Value::String(a), Value::String(b)) => fits(a.cmp(&b)).into(),
            (Value::I64(a), Value::I64(b)) => fits(a.cmp(&b)).into(),
            // The numbers of these tests are exact as floats where a float takes part, or huge.
            (a, b) => fits(kernels::order(float(&a), float(&b))).into(),
        })
    };
    Some(match expr.node() {
        Node::Column(name) => Value::at(row.column_by_name(name).unwrap(), 0),
        Node::Literal(value) => value.clone(),
        Node::Add(terms) => {
            let mut sum = of(&terms[0])?;
            for term in &terms[1..] {
                sum = reckon(sum, of(term)?, i64::checked_add, |a, b| a + b)?;
            }
            sum
        }
        Node::Mul(terms) => {
            let mut product = of(&terms[0])?;
            for term in &terms[1..] {
                product = reckon(product, of(term)?, i64::checked_mul, |a, b| a * b)?;
            }
            product
        }
        Node::Sub(a, b) => reckon(of(a)?, of(b)?, i64::checked_sub, |a, b| a - b)?,
        Node::Rem(a, b) => reckon(of(a)?, of(b)?, i64::checked_rem, |a, b| a % b)?,
        Node::Div(a, b) => match (of(a)?, of(b)?) {
            (Value::Null, _) | (_, Value::Null) => Value::Null,
            (Value::I64(_), Value::I64(0)) => return None,
            (a, b) => Value::F64(float(&a) / float(&b)),
        },
        Node::Neg(a) => reckon(Value::I64(0), of(a)?, i64::checked_sub, |_, b| -b)?,
        Node::Eq(a, b) => ordered(a, b, |o| o.is_eq())?,
        Node::Ne(a, b) => ordered(a, b, |o| o.is_ne())?,
        Node::Lt(a, b) => ordered(a, b, |o| o.is_lt())?,
        Node::Le(a, b) => ordered(a, b, |o| o.is_le())?,
        Node::Gt(a, b) => ordered(a, b, |o| o.is_gt())?,
        Node::Ge(a, b) => ordered(a, b, |o| o.is_ge())?,
        Node::And(terms) => {
            let truths: Vec<_> = terms.iter().map(truth).collect::<Option<_>>()?;
            if truths.contains(&Some(false)) {
                false.into()
            } else if truths.contains(&None) {
                Value::Null
            } else {
                true.into()
            }
        }
        Node::Or(terms) => {
            let truths: Vec<_> = terms.iter().map(truth).collect::<Option<_>>()?;
            if truths.contains(&Some(true)) {
                true.into()
            } else if truths.contains(&None) {
                Value::Null
            } else {
                false.into()
            }
        }
        Node::Not(a) => truth(a)?.map(|b| !b).into(),
        Node::IsNull(a) => of(a)?.is_null().into(),
        Node::IsIn(a, values) => {
            let value = of(a)?;
            let equal =
                |v: &&Value| !v.is_null() && kernels::order(float(v), float(&value)).is_eq();
            if value.is_null() {
                Value::Null
            } else if values.iter().any(|v| equal(&v)) {
                true.into()
            } else if values.contains(&Value::Null) {
                Value::Null
            } else {
                false.into()
            }
        }
        Node::When { branches, otherwise } => {
            for (condition, value) in branches {
                if truth(condition)? == Some(true) {
                    return of(value);
                }
            }
            of(otherwise)?
        }
        Node::Coalesce(terms) => {
            for term in terms {
                let value = of(term)?;
                if !value.is_null() {
                    return Some(value);
                }
            }
            Value::Null
        }
        Node::Cast(a, Type::I64) => match of(a)? {
            Value::String(text) => Value::I64(text.parse().ok()?),
            _ => Value::Null,
        },
        Node::TryCast(a, Type::I64) => match of(a)? {
            Value::F64(x) if x.fract() == 0.0 && (-TWO_63..TWO_63).contains(&x) => {
                Value::I64(x as i64)
            }
            _ => Value::Null,
        },
        Node::Cast(a, Type::String) => match of(a)? {
            Value::Null => Value::Null,
            value => Value::String(value.to_string()),
        },
        Node::TryCast(a, Type::F64) => match of(a)? {
            Value::String(text) => text.parse::<f64>().ok().into(),
            _ => Value::Null,
        },
        Node::Length(a) => match of(a)? {
            Value::String(text) => Value::I64(text.len() as i64),
            _ => Value::Null,
        },
        Node::Substr(a, start, len) => match of(a)? {
            Value::String(text) => {
                let n = text.len() as i64;
                let from = if *start < 0 { (n + start).max(0) } else { (*start).min(n) };
                let to = (from + *len as i64).min(n);
                Value::from(&text[from as usize..to as usize])
            }
            _ => Value::Null,
        },
        Node::Concat(terms) => {
            let parts: Vec<_> = terms.iter().map(of).collect::<Option<_>>()?;
            if parts.contains(&Value::Null) {
                Value::Null
            } else {
                parts.iter().map(ToString::to_string).collect::<String>().into()
            }
        }
        other => panic!("not in these tests: {other:?}"),
    })
}

/// Equal as values: `1` and `1.0` where a branch was widened, NaN and NaN.
fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::F64(a), Value::F64(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        (Value::I64(a), Value::F64(b)) | (Value::F64(b), Value::I64(a)) => {
            (*a as f64).to_bits() == b.to_bits()
        }
        (a, b) => a == b,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_batch_says_what_its_rows_say(expr in any_expression()) {
        let table = table();
        let rows: Vec<_> = (0..table.num_rows()).map(|i| meaning(&expr, &table.slice(i, 1))).collect();
        let schema = Schema::of_batch(&table).unwrap();
        prop_assume!(expr.output_type(&schema).is_ok()); // not for a null without a type
        match expr.evaluate(&table) {
            Ok(column) => for (i, expected) in rows.iter().enumerate() {
                let found = Value::at(&column, i);
                let same = expected.as_ref().is_some_and(|expected| alike(expected, &found));
                prop_assert!(same, "{expr} in row {i}: {expected:?}, found {found:?}");
            },
            Err(Error::Core(BadValue { row, .. })) => {
                prop_assert!(rows.contains(&None), "{expr} fails in row {row}, no row does alone");
                let constant = expr.columns().is_empty();
                prop_assert!(constant || rows[row as usize].is_none() || row == 0, "{expr}, row {row}");
            }
            Err(other) => prop_assert!(false, "{expr}: {other}"),
        }
    }

    #[test]
    fn a_slice_of_the_batch_gives_the_slice_of_the_values(expr in any_expression(), from in 0_usize..4) {
        let schema = Schema::of_batch(&table()).unwrap();
        prop_assume!(expr.output_type(&schema).is_ok());
        if let Ok(column) = expr.evaluate(&table()) {
            let part = expr.evaluate(&table().slice(from, 4 - from)).unwrap();
            prop_assert_eq!(format!("{:?}", column.slice(from, 4 - from)), format!("{part:?}"));
        }
    }

    #[test]
    fn an_expression_survives_its_file(expr in any_expression()) {
        let text = serde_json::to_string(&expr).unwrap();
        prop_assert_eq!(serde_json::from_str::<Expr>(&text).unwrap(), expr);
    }
}

#[test]
fn functions_of_text_are_those_of_strings() {
    let s = || col("s");
    let texts = [Some("V57"), Some("250.83"), None, Some("")];
    let text = |f: fn(&str) -> String| -> Vec<Value> {
        texts.iter().map(|text| text.map_or(Value::Null, |text| f(text).into())).collect()
    };
    assert_eq!(values(&s().lower()), text(str::to_lowercase));
    assert_eq!(values(&s().upper()), text(str::to_uppercase));
    assert_eq!(values(&lit(" \u{a0}é ").trim().concat("|")), values_of(["é|"; 4]));
    assert_eq!(values(&lit(" é ").trim_start()), values_of(["é "; 4]));
    assert_eq!(values(&lit(" é ").trim_end()), values_of([" é"; 4]));
    assert_eq!(values(&s().reverse()), text(|text| text.chars().rev().collect()));
    assert_eq!(values(&s().replace("5", "ff")), text(|text| text.replace('5', "ff")));
    assert_eq!(values(&s().replace("", "x")), text(str::to_owned));
    assert_eq!(
        values(&s().split_part(".", 0)),
        text(|text| text.split('.').next().unwrap().into())
    );
    let parts = [None, Some("83"), None, None];
    assert_eq!(values(&s().split_part(".", 1)), values_of(parts));
    assert_eq!(values(&lit("a,b,c").split_part(",", -3)), values_of(["a"; 4]));
    assert_eq!(values(&lit("a,b,c").split_part(",", i64::MIN)), vec![Value::Null; 4]);
    assert_eq!(values(&lit("ab").split_part("", -1)), values_of(["ab"; 4]));
    assert_eq!(values(&lit("é5").pad_start(4, '0')), values_of(["00é5"; 4]));
    assert_eq!(values(&lit("é5").pad_end(3, 'ü')), values_of(["é5ü"; 4]));
    assert_eq!(values(&lit("abc").pad_end(2, ' ')), values_of(["abc"; 4]));
    assert_eq!(values(&lit("né5né5").find("5")), values_of([2; 4]));
    assert_eq!(values(&s().find("5")), values_of([Some(1), Some(1), None, None]));
    let matches = [Some(false), Some(true), None, Some(false)];
    assert_eq!(values(&s().matches(r"^\d+\.\d+$")), values_of(matches));
    let extracted = [Some("57"), Some("250"), None, None];
    assert_eq!(values(&s().extract("([A-Z]*)([0-9]+)", 2)), values_of(extracted));
    let replaced = [Some("<V>57"), Some("250.83"), None, Some("")];
    assert_eq!(values(&s().replace_regex("([A-Z])", "<$1>")), values_of(replaced));
}

#[test]
fn functions_of_numbers_are_those_of_floats() {
    type OfExpr = fn(Expr) -> Expr;
    type OfFloat = fn(f64) -> f64;
    let functions: [(OfExpr, OfFloat); 17] = [
        (Expr::sqrt, f64::sqrt),
        (Expr::exp, libm::exp),
        (Expr::ln, libm::log),
        (Expr::log10, libm::log10),
        (Expr::log2, libm::log2),
        (Expr::log1p, libm::log1p),
        (Expr::expm1, libm::expm1),
        (Expr::sin, libm::sin),
        (Expr::cos, libm::cos),
        (Expr::tan, libm::tan),
        (Expr::asin, libm::asin),
        (Expr::acos, libm::acos),
        (Expr::atan, libm::atan),
        (Expr::sinh, libm::sinh),
        (Expr::cosh, libm::cosh),
        (Expr::tanh, libm::tanh),
        (|x| x.round_to(1), |x| (x * 10.0).round() / 10.0),
    ];
    let bits = |values: Vec<Value>| -> Vec<Option<u64>> {
        let bits = |value: &Value| match value {
            Value::F64(x) if x.is_nan() => Some(f64::NAN.to_bits()),
            Value::F64(x) => Some(x.to_bits()),
            _ => None,
        };
        values.iter().map(bits).collect()
    };
    for (of, expected) in functions {
        let floats = [Some(0.5), Some(f64::NAN), None, Some(-0.0)];
        let wholes = [Some(7.0), Some(0.0), None, Some(-2.0)];
        for (column, inputs) in [("x", floats), ("n", wholes)] {
            let expr = of(col(column));
            let expected = values_of(inputs.map(|x: Option<f64>| x.map(expected)));
            assert_eq!(bits(values(&expr)), bits(expected), "{expr}");
        }
    }
    assert_eq!(
        values(&lit(2).pow(col("n"))),
        values_of([Some(128.0), Some(1.0), None, Some(0.25)])
    );
    assert_eq!(values(&lit(1.0).atan2(1.0)), values_of([libm::atan2(1.0, 1.0); 4]));
    assert_eq!(values(&col("n").sign()), values_of([Some(1), Some(0), None, Some(-1)]));
    assert_eq!(values(&lit(-2.5).sign()), values_of([-1.0; 4]));
    assert_eq!(values(&lit(1250.0).round_to(-2)), values_of([1300.0; 4]));
    assert_eq!(values(&lit(1e300).round_to(300)), values_of([1e300; 4]));
    let nan = [Some(false), Some(true), None, Some(false)];
    assert_eq!(values(&col("x").is_nan()), values_of(nan));
    assert_eq!(
        values(&col("n").is_finite()),
        values_of([Some(true), Some(true), None, Some(true)])
    );
    let most = greatest([col("n"), lit(3), null()]);
    assert_eq!(values(&most), values_of([7, 3, 3, 3]));
    assert_eq!(values(&least([col("n"), lit(3.5)])), values_of([3.5, 0.0, 3.5, -2.0]));
    assert_eq!(values(&col("n").clip(0, 5)), values_of([Some(5), Some(0), None, Some(0)]));
    assert_eq!(values(&col("n").null_if(0)), values_of([Some(7), None, None, Some(-2)]));
    let filled = values(&col("x").fill_nan(9.0));
    assert_eq!(filled, values_of([Some(0.5), Some(9.0), None, Some(-0.0)]));
}

#[test]
fn calls_print_are_saved_and_refuse_what_makes_no_sense() {
    for (expr, text) in [
        (col("s").lower(), "lower(s)"),
        (col("s").replace("a'", "b"), "replace(s, 'a''', 'b')"),
        (col("s").split_part(",", -1), "split_part(s, ',', -1)"),
        (col("s").pad_start(3, '0'), "pad_start(s, 3, '0')"),
        (col("s").extract("(a)", 1), "extract(s, '(a)', 1)"),
        (col("n").pow(2) + 1, "pow(n, 2) + 1"),
        (col("x").round_to(2), "round_to(x, 2)"),
        (greatest([col("n"), col("x")]), "greatest(n, x)"),
    ] {
        assert_eq!(expr.to_string(), text);
        let saved = serde_json::to_string(&expr).unwrap();
        assert_eq!(serde_json::from_str::<Expr>(&saved).unwrap(), expr, "{saved}");
    }
    let schema = Schema::of_batch(&table()).unwrap();
    let error = |expr: Expr| expr.output_type(&schema).unwrap_err().to_string();
    assert!(error(col("n").lower()).contains("`n` is i64, expected string"));
    assert!(error(col("s").sqrt()).contains("`s` is string, expected a number"));
    assert!(error(col("s").matches("(")).contains("unclosed group"));
    assert!(error(col("s").extract("a", 1)).contains("group 1 of a pattern that has 0"));
    let hostile = r#"{"call":["pow",[{"col":"n"}]]}"#;
    assert!(serde_json::from_str::<Expr>(hostile).is_err());
    assert!(serde_json::from_str::<Expr>(r#"{"call":["evil",[{"col":"n"}]]}"#).is_err());
    let of = |expr: Expr| expr.output_type(&schema).unwrap();
    assert_eq!(of(greatest([col("n"), lit(3)])), Type::I64);
    assert_eq!(of(greatest([col("n"), col("x")])), Type::F64);
    assert_eq!(of(col("s").find("a")), Type::I64);
}
