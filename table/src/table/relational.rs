//! Groups, sorts and joins against loops over rows, on one rank and on three, over partitionings.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use firesteel_core::Context;
use firesteel_core::testing::on_ranks_with;

use super::{Frame, JoinType, SortKey, Table, dense_rank, rank, row_number};
use crate::batch::Batch;
use crate::{Error, Schema, Value, col, count_rows, lit};

/// A row as values.
pub(super) type Row = Vec<Value>;

/// Numbers that repeat, with nulls, both zeros, NaN and infinities.
fn float(i: i64) -> Option<f64> {
    match i % 11 {
        0 => None,
        1 => Some(0.0),
        2 => Some(-0.0),
        3 => Some(f64::NAN),
        4 if i % 7 == 0 => Some(f64::INFINITY),
        5 => Some(1e16),
        6 => Some(-1e16),
        _ => Some((i % 13) as f64 / 3.0),
    }
}

pub(super) fn sample(rows: usize, salt: i64) -> RecordBatch {
    let n = rows as i64;
    let of = move |i: i64| i * 31 + salt;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..n))),
        (
            "k",
            Arc::new(Int64Array::from_iter((0..n).map(|i| (of(i) % 9 != 4).then(|| of(i) % 17)))),
        ),
        (
            "s",
            Arc::new(StringArray::from_iter((0..n).map(|i| {
                (of(i) % 5 != 1)
                    .then(|| ["", "fire", "steel", "é", "fir"][(of(i) % 7 % 5) as usize])
            }))),
        ),
        ("x", Arc::new(Float64Array::from_iter((0..n).map(|i| float(of(i)))))),
        (
            "ok",
            Arc::new(BooleanArray::from_iter(
                (0..n).map(|i| (of(i) % 6 != 2).then(|| of(i) % 4 == 1)),
            )),
        ),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

pub(super) fn spread(ctx: &Context, rows: &RecordBatch, each: usize, partitions: usize) -> Table {
    let starts = (0..rows.num_rows()).step_by(each);
    let batches: Vec<Batch> =
        starts.map(|at| Batch(rows.slice(at, each.min(rows.num_rows() - at)))).collect();
    Table::from_dataset(Schema::of_batch(rows).unwrap(), ctx.parallelize_in(batches, partitions))
}

pub(super) fn rows_of(batch: &RecordBatch) -> Vec<Row> {
    let cell = |row: usize| batch.columns().iter().map(move |column| Value::at(column, row));
    (0..batch.num_rows()).map(|row| cell(row).collect()).collect()
}

/// Rows as text in which every bit shows.
pub(super) fn shown(rows: &[Row]) -> Vec<String> {
    let cell = |value: &Value| match value {
        Value::F64(x) if x.is_nan() => "NaN".to_owned(),
        Value::F64(x) => format!("{x:?}/{:x}", x.to_bits()),
        other => format!("{other:?}"),
    };
    rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(",")).collect()
}

/// The rows that a program gives: the same in the same order on 1 and 3 ranks, over partitionings, and
/// with next to no memory.
pub(super) fn agreed(
    inputs: &[RecordBatch],
    program: impl Fn(&[Table]) -> Table + Sync,
) -> Vec<String> {
    let run = |ctx: &Context, each: usize, partitions: usize| {
        let tables: Vec<Table> =
            inputs.iter().map(|rows| spread(ctx, rows, each, partitions)).collect();
        let table = program(&tables);
        let batch = table.to_batch().unwrap();
        assert_eq!(batch.schema(), table.schema().to_arrow());
        shown(&rows_of(&batch))
    };
    let expected = run(&Context::local(), 1000, 1);
    for ranks in [1, 3] {
        for (each, partitions, limit) in [(1, 16, None), (7, 3, Some(1000)), (1000, 1, None)] {
            let set_up = |builder: firesteel_core::Builder| match limit {
                Some(bytes) => builder.threads(2).memory_limit(bytes),
                None => builder.threads(2),
            };
            for found in on_ranks_with(ranks, set_up, |ctx| run(ctx, each, partitions)) {
                assert_eq!(found, expected, "{ranks} ranks, {partitions} partitions, {limit:?}");
            }
        }
    }
    expected
}

/// A cell of a key: equal cells are equal texts.
pub(super) fn key_text(value: &Value) -> String {
    match value {
        Value::F64(x) if x.is_nan() => "NaN".to_owned(),
        Value::F64(x) => format!("{:?}", x + 0.0),
        other => format!("{other:?}"),
    }
}

/// Rows by the named columns, in the order of their appearance.
pub(super) fn groups(batch: &RecordBatch, by: &[&str]) -> BTreeMap<Vec<String>, Vec<Row>> {
    let at: Vec<usize> = by.iter().map(|name| batch.schema().index_of(name).unwrap()).collect();
    let mut groups: BTreeMap<Vec<String>, Vec<Row>> = BTreeMap::new();
    for row in rows_of(batch) {
        groups.entry(at.iter().map(|&at| key_text(&row[at])).collect()).or_default().push(row);
    }
    groups
}

pub(super) fn floats(rows: &[Row], at: usize) -> Vec<f64> {
    let float = |row: &Row| match &row[at] {
        Value::F64(x) => Some(*x),
        Value::I64(n) => Some(*n as f64),
        Value::Bool(b) => Some(f64::from(u8::from(*b))),
        _ => None,
    };
    rows.iter().filter_map(float).collect()
}

fn or_null(value: Option<f64>) -> Value {
    value.map_or(Value::Null, Value::F64)
}

pub(super) fn ordered(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())));
    values
}

#[test]
fn aggregates_of_groups_are_those_of_loops() {
    for rows in [0, 1, 60, 700] {
        let input = sample(rows, 5);
        for by in [&["k"][..], &["s", "ok"], &["x"]] {
            let found = agreed(std::slice::from_ref(&input), |tables| {
                let aggregates = [
                    count_rows(),
                    col("x").count(),
                    col("k").sum().alias("total"),
                    col("ok").sum(),
                    col("k").mean(),
                    col("k").var(),
                    col("x").min(),
                    col("x").max(),
                    col("s").min(),
                    col("x").first(),
                    col("s").last(),
                    col("id").first_by(col("k")),
                    col("id").last_by(col("x")),
                    col("x").count_distinct(),
                    col("k").quantile(0.3),
                ];
                tables[0].group_by(by).unwrap().agg(aggregates).unwrap()
            });
            let mut expected = Vec::new();
            for rows in groups(&input, by).values() {
                let at: Vec<usize> =
                    by.iter().map(|name| input.schema().index_of(name).unwrap()).collect();
                let as_key = |value: &Value| match value {
                    Value::F64(x) => Value::F64(x + 0.0),
                    other => other.clone(),
                };
                let mut row: Row = at.iter().map(|&at| as_key(&rows[0][at])).collect();
                let (x, k, ok) = (floats(rows, 3), floats(rows, 1), floats(rows, 4));
                let whole = |values: &[f64]| match values {
                    [] => Value::Null,
                    some => Value::I64(some.iter().sum::<f64>() as i64),
                };
                row.push(Value::I64(rows.len() as i64));
                row.push(Value::I64(x.len() as i64));
                row.extend([whole(&k), whole(&ok)]);
                let mean = (!k.is_empty()).then(|| k.iter().sum::<f64>() / k.len() as f64);
                row.push(or_null(mean));
                // Welford's updates, as the documentation says.
                let (mut n, mut m, mut squares) = (0.0, 0.0, 0.0);
                for &value in &k {
                    n += 1.0;
                    let before = value - m;
                    m += before / n;
                    squares += before * (value - m);
                }
                row.push(or_null((k.len() > 1).then(|| squares / (n - 1.0))));
                let in_order = ordered(&x);
                row.push(or_null(in_order.first().map(|x| x + 0.0)));
                row.push(or_null(in_order.last().map(|x| x + 0.0)));
                let mut texts: Vec<&Value> =
                    rows.iter().map(|row| &row[2]).filter(|text| **text != Value::Null).collect();
                texts.sort_by_key(|text| text.to_string());
                row.push(texts.first().map_or(Value::Null, |text| (*text).clone()));
                row.push(rows[0][3].clone());
                row.push(rows[rows.len() - 1][2].clone());
                let first = rows.iter().filter(|row| row[1] != Value::Null).min_by_key(|row| {
                    let Value::I64(k) = row[1] else { unreachable!() };
                    k
                });
                row.push(first.map_or(Value::Null, |row| row[0].clone()));
                let mut last: Option<(f64, &Row)> = None;
                for one in rows {
                    if let Value::F64(x) = one[3] {
                        let is_later = last.is_none_or(|(best, _)| {
                            if best.is_nan() { x.is_nan() } else { x.is_nan() || x >= best }
                        });
                        last = if is_later { Some((x, one)) } else { last };
                    }
                }
                row.push(last.map_or(Value::Null, |(_, row)| row[0].clone()));
                let mut different: Vec<String> = rows
                    .iter()
                    .filter(|row| row[3] != Value::Null)
                    .map(|row| key_text(&row[3]))
                    .collect();
                different.sort();
                different.dedup();
                row.push(Value::I64(different.len() as i64));
                let k = ordered(&k);
                let quantile = k.len().checked_sub(1).map(|last| {
                    let at = 0.3 * last as f64;
                    let (low, high) =
                        (k[at.floor() as usize], k[(at.floor() as usize + 1).min(last)]);
                    if at.fract() <= 0.0 || low >= high {
                        low
                    } else {
                        low + at.fract() * (high - low)
                    }
                });
                row.push(or_null(quantile));
                expected.push(row);
            }
            let (mut found, mut expected) = (found, shown(&expected));
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{rows} rows by {by:?}");
        }
    }
}

#[test]
fn sums_of_floats_keep_what_partial_sums_lose_and_are_the_same_however_rows_lie() {
    let x = Float64Array::from_iter_values((0..999).map(|i| match i % 3 {
        0 => 1e16 + (i / 3) as f64 * 2.0,
        1 => 0.1 * i as f64,
        _ => -1e16 - ((i - 2) / 3) as f64 * 2.0,
    }));
    let exact: f64 = (0..999).filter(|i| i % 3 == 1).map(|i| 0.1 * i as f64).sum();
    let batch = RecordBatch::try_from_iter([("x", Arc::new(x) as ArrayRef)]).unwrap();
    let found =
        agreed(&[batch], |tables| tables[0].agg([col("x").sum(), col("x").mean()]).unwrap());
    let expected = shown(&[vec![Value::F64(exact), Value::F64(exact / 999.0)]]);
    let number = |text: &str| text.split('/').next().and_then(|x| x.parse::<f64>().ok()).unwrap();
    assert!((number(&found[0]) - exact).abs() < 1e-10, "{found:?} {expected:?}");
}

#[test]
fn distinct_rows_and_counts_of_values_are_those_of_a_map() {
    let input = sample(400, 2);
    let names = ["k", "ok"];
    let found = agreed(std::slice::from_ref(&input), |tables| {
        tables[0].select(&names).unwrap().distinct().unwrap()
    });
    let counted = groups(&input, &names);
    assert_eq!(found.len(), counted.len());
    let found = agreed(std::slice::from_ref(&input), |tables| tables[0].value_counts("s").unwrap());
    let mut expected: Vec<(std::cmp::Reverse<usize>, bool, Value)> = groups(&input, &["s"])
        .into_values()
        .map(|rows| {
            let value = rows[0][2].clone();
            (std::cmp::Reverse(rows.len()), value == Value::Null, value)
        })
        .collect();
    expected.sort_by_key(|(count, is_null, value)| (*count, *is_null, value.to_string()));
    let expected: Vec<Row> = expected
        .into_iter()
        .map(|(count, _, value)| vec![value, Value::I64(count.0 as i64)])
        .collect();
    assert_eq!(found, shown(&expected));
    assert_eq!(agreed(&[sample(0, 0)], |tables| tables[0].distinct().unwrap()).len(), 0);
}

/// The order of two cells, nulls last, and the other way round if asked.
fn cell_order(a: &Value, b: &Value, descending: bool, nulls_first: bool) -> std::cmp::Ordering {
    let nulls = |a: bool, b: bool| if nulls_first { b.cmp(&a) } else { a.cmp(&b) };
    let order = match (a, b) {
        (Value::Null, _) | (_, Value::Null) => {
            return nulls(*a == Value::Null, *b == Value::Null);
        }
        (Value::F64(a), Value::F64(b)) => {
            a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
        }
        (Value::I64(a), Value::I64(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (a, b) => a.to_string().as_bytes().cmp(b.to_string().as_bytes()),
    };
    if descending { order.reverse() } else { order }
}

#[test]
fn sorts_by_several_keys_are_stable_and_those_of_a_vector() {
    for rows in [0, 1, 50, 900] {
        let input = sample(rows, 11);
        let found = agreed(std::slice::from_ref(&input), |tables| {
            let by = [
                SortKey::from("ok").nulls_first(),
                SortKey::descending(col("x")),
                SortKey::from(col("s")),
            ];
            tables[0].sort(by).unwrap()
        });
        let mut expected = rows_of(&input);
        expected.sort_by(|a, b| {
            cell_order(&a[4], &b[4], false, true)
                .then(cell_order(&a[3], &b[3], true, false))
                .then(cell_order(&a[2], &b[2], false, false))
        });
        assert_eq!(found, shown(&expected), "{rows} rows");
    }
}

#[test]
fn joins_of_every_kind_are_those_of_two_loops() {
    use JoinType::{Anti, Full, Inner, Left, Right, Semi};
    for (left_rows, right_rows) in [(0, 0), (40, 0), (0, 30), (120, 70)] {
        let inputs = [sample(left_rows, 3), sample(right_rows, 8)];
        for on in [&["k", "s"][..], &["x"]] {
            for how in [Inner, Left, Right, Full, Semi, Anti] {
                let found = agreed(&inputs, |tables| tables[0].join(&tables[1], on, how).unwrap());
                let at: Vec<usize> =
                    on.iter().map(|name| inputs[0].schema().index_of(name).unwrap()).collect();
                let key = |row: &Row| -> Option<Vec<String>> {
                    let values: Vec<&Value> = at.iter().map(|&at| &row[at]).collect();
                    let has_null = values.iter().any(|value| **value == Value::Null);
                    (!has_null).then(|| values.into_iter().map(key_text).collect())
                };
                let (left, right) = (rows_of(&inputs[0]), rows_of(&inputs[1]));
                let others = |row: &Row| -> Row {
                    (0..5).filter(|i| !at.contains(i)).map(|i| row[i].clone()).collect()
                };
                let nulls = vec![Value::Null; 5 - at.len()];
                let mut expected: Vec<Row> = Vec::new();
                let mut met = vec![false; right.len()];
                for one in &left {
                    let partners: Vec<usize> = (0..right.len())
                        .filter(|&other| key(one).is_some() && key(one) == key(&right[other]))
                        .collect();
                    partners.iter().for_each(|&other| met[other] = true);
                    match how {
                        Semi | Anti if partners.is_empty() == (how == Anti) => {
                            expected.push(one.clone());
                        }
                        Semi | Anti => {}
                        _ => {
                            let side =
                                |other: &usize| [one.clone(), others(&right[*other])].concat();
                            expected.extend(partners.iter().map(side));
                            if partners.is_empty() && matches!(how, Left | Full) {
                                expected.push([one.clone(), nulls.clone()].concat());
                            }
                        }
                    }
                }
                if matches!(how, Right | Full) {
                    for (other, _) in right.iter().zip(&met).filter(|(_, met)| !**met) {
                        let mut row = vec![Value::Null; 5];
                        at.iter().for_each(|&at| row[at] = other[at].clone());
                        expected.push([row, others(other)].concat());
                    }
                }
                let (mut found, mut expected) = (found, shown(&expected));
                found.sort();
                expected.sort();
                assert_eq!(found, expected, "{how:?} by {on:?}");
            }
        }
    }
}

#[test]
fn windows_are_those_of_loops() {
    let frames = [
        Frame::Whole,
        Frame::Running,
        Frame::rows(-2, 1),
        Frame::rows(3, 1),
        Frame::rows(i64::MIN, i64::MAX),
        Frame::range(-5.0, -1.0),
        Frame::range(-0.5, f64::INFINITY),
        Frame::range(f64::NEG_INFINITY, 2.0),
        Frame::range(-1e300, 1e300),
        Frame::range(f64::INFINITY, f64::INFINITY),
        Frame::range(f64::NEG_INFINITY, f64::NEG_INFINITY),
    ];
    let cases = [(&["s"][..], "k"), (&[], "k"), (&["ok", "s"], "k"), (&["s"], "x"), (&[], "x")];
    for rows in [0, 1, 40, 260] {
        let input = sample(rows, 7);
        for (by, order_by) in cases {
            let place = if order_by == "k" { 1 } else { 3 };
            let found = agreed(std::slice::from_ref(&input), |tables| {
                let over = frames.iter().enumerate().flat_map(|(i, &frame)| {
                    let named = |what: &str| format!("{what}{i}");
                    [
                        count_rows().over(frame).alias(named("rows")),
                        col("id").sum().over(frame).alias(named("sum")),
                        col("x").max().over(frame).alias(named("max")),
                        col("x").first().over(frame).alias(named("first")),
                        col("s").last().over(frame).alias(named("last")),
                        col("k").median().over(frame).alias(named("median")),
                    ]
                });
                let some = [
                    row_number().alias("number"),
                    rank(),
                    dense_rank(),
                    col("id").lag(2).alias("lag"),
                    col("s").lead(1),
                ];
                let windows = tables[0].window(by, [order_by]).unwrap();
                windows.with_columns(some.into_iter().chain(over)).unwrap()
            });
            let mut expected: Vec<Row> = Vec::new();
            for mut group in groups(&input, by).into_values() {
                group.sort_by(|a, b| cell_order(&a[place], &b[place], false, false));
                let order = |at: usize| match group[at][place] {
                    Value::I64(k) => Some(k as f64),
                    Value::F64(x) => Some(x),
                    _ => None,
                };
                // NaN is the greatest, and as far from itself as any number from itself.
                let up_to = |a: f64, b: f64| b.is_nan() || a <= b;
                for at in 0..group.len() {
                    let mut row = group[at].clone();
                    let differs =
                        |&i: &usize| key_text(&group[i][place]) != key_text(&group[at][place]);
                    let before = (0..at).filter(differs).count();
                    let mut orders: Vec<String> =
                        (0..=at).map(|i| key_text(&group[i][place])).collect();
                    orders.dedup();
                    row.extend([at + 1, before + 1, orders.len()].map(|n| Value::I64(n as i64)));
                    let there = |i: Option<usize>, column: usize| {
                        i.and_then(|i| group.get(i)).map_or(Value::Null, |row| row[column].clone())
                    };
                    row.extend([there(at.checked_sub(2), 0), there(Some(at + 1), 2)]);
                    for frame in &frames {
                        let members: Vec<Row> = (0..group.len())
                            .filter(|&i| match *frame {
                                Frame::Whole => true,
                                Frame::Running => i <= at,
                                Frame::Rows { from, to } => {
                                    let away = i as i128 - at as i128;
                                    away >= i128::from(from) && away <= i128::from(to)
                                }
                                Frame::Range { from, to } => {
                                    order(i).zip(order(at)).is_some_and(|(i, at)| {
                                        let starts = match from {
                                            f64::INFINITY => false,
                                            f64::NEG_INFINITY => true,
                                            _ => up_to(at + from, i),
                                        };
                                        let ends = match to {
                                            f64::INFINITY => true,
                                            f64::NEG_INFINITY => false,
                                            _ => up_to(i, at + to),
                                        };
                                        starts && ends
                                    })
                                }
                            })
                            .map(|i| group[i].clone())
                            .collect();
                        let (ids, x) = (floats(&members, 0), ordered(&floats(&members, 3)));
                        let k = ordered(&floats(&members, 1));
                        row.push(Value::I64(members.len() as i64));
                        let sum = Value::I64(ids.iter().sum::<f64>() as i64);
                        row.push(if ids.is_empty() { Value::Null } else { sum });
                        row.push(or_null(x.last().map(|x| x + 0.0)));
                        row.push(members.first().map_or(Value::Null, |row| row[3].clone()));
                        row.push(members.last().map_or(Value::Null, |row| row[2].clone()));
                        let middle = k
                            .len()
                            .checked_sub(1)
                            .map(|last| f64::midpoint(k[last / 2], k[last.div_ceil(2)]));
                        row.push(or_null(middle));
                    }
                    expected.push(row);
                }
            }
            let (mut found, mut expected) = (found, shown(&expected));
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{rows} rows by {by:?} in the order of {order_by}");
        }
    }
}

#[test]
fn running_aggregates_are_those_of_each_prefix() {
    let input = sample(300, 4);
    let functions: [fn(&str) -> crate::Aggregate; 7] = [
        |name| col(name).count(),
        |name| col(name).sum(),
        |name| col(name).mean(),
        |name| col(name).var(),
        |name| col(name).std(),
        |name| col(name).min(),
        |name| col(name).max(),
    ];
    // A frame that begins before all rows takes the way of frames that move.
    let found = |frame: Frame| {
        agreed(std::slice::from_ref(&input), |tables| {
            let windows = functions.iter().zip(0..).flat_map(|(function, i)| {
                ["x", "k", "ok"].map(|name| function(name).over(frame).alias(format!("{name}{i}")))
            });
            tables[0].window(&["s"], ["id"]).unwrap().with_columns(windows).unwrap()
        })
    };
    assert_eq!(found(Frame::Running), found(Frame::rows(-1_000_000, 0)));
}

#[test]
fn columns_of_a_join_are_named_and_keys_of_other_names_stay() {
    let ctx = Context::local();
    let table = spread(&ctx, &sample(20, 0), 7, 3);
    let joined = table.join(&table, &["id"], JoinType::Left).unwrap();
    let names: Vec<&str> = joined.schema().names().collect();
    assert_eq!(names, ["id", "k", "s", "x", "ok", "k_right", "s_right", "x_right", "ok_right"]);
    let other = table.rename("id", "number").unwrap().select(&["number", "k"]).unwrap();
    let joined = table.join_on(&other, &["id"], &["number"], JoinType::Inner).unwrap();
    let names: Vec<&str> = joined.schema().names().collect();
    assert_eq!(names, ["id", "k", "s", "x", "ok", "number", "k_right"]);
    assert_eq!(joined.column_f64("id").unwrap(), joined.column_f64("number").unwrap());
    assert_eq!(joined.count().unwrap(), 20);
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let ctx = Context::local();
    let table = spread(&ctx, &sample(20, 0), 7, 3);
    let text = |result: crate::Result<Table>| result.map(|_| ()).unwrap_err().to_string();
    let group = |names: &[&str]| table.group_by(names).map(|_| table.clone());
    assert!(text(group(&["kk"])).contains("no column `kk`"));
    assert!(matches!(group(&["k", "k"]), Err(Error::DuplicateColumn { name }) if name == "k"));
    let by_k = table.group_by(["k"]).unwrap();
    assert!(text(by_k.agg([col("s").mean()])).contains("`s` is string"));
    assert!(text(by_k.agg([col("x").sum().alias("k")])).contains("two columns have the name `k`"));
    assert!(text(table.join(&table, &["id"; 0], JoinType::Inner)).contains("at least one"));
    let other = table.with_column("k", col("k").cast(crate::Type::F64)).unwrap();
    let error = text(table.join(&other, &["k"], JoinType::Inner));
    assert!(error.contains("`k` is f64, expected i64, as on the left"), "{error}");
    assert!(text(table.sort(["nothing"])).contains("no column `nothing`"));
    let windows = |order: Vec<SortKey>| {
        let windows = table.window(&["k"], order).unwrap();
        text(windows.with_columns([count_rows().over(Frame::range(-1.0, 0.0))]))
    };
    assert!(windows(vec!["s".into()]).contains("one number, date or timestamp in ascending order"));
    assert!(
        windows(vec![SortKey::descending(col("x"))])
            .contains("one number, date or timestamp in ascending order")
    );
    assert!(windows(vec![]).contains("one number, date or timestamp in ascending order"));
    // What only rows can show comes with the action, and names the aggregate.
    let large = table.with_column("n", lit(i64::MAX)).unwrap().agg([col("n").sum()]).unwrap();
    let error = large.count().unwrap_err().to_string();
    assert!(error.contains("sum(n)") && error.contains("range of i64"), "{error}");
    assert_eq!(table.count().unwrap(), 20);
}

#[test]
fn grouping_sets_are_groups_of_each_set() {
    let input = sample(150, 9);
    let sets: [&[bool]; 4] = [&[true, true], &[true, false], &[false, true], &[false, false]];
    let expected = |sets: &[&[bool]]| -> Vec<String> {
        let mut rows: Vec<Row> = Vec::new();
        for set in sets {
            let names: Vec<&str> = ["s", "ok"]
                .into_iter()
                .zip(*set)
                .filter(|(_, held)| **held)
                .map(|(n, _)| n)
                .collect();
            let id = set.iter().fold(0, |id, held| id << 1 | i64::from(!held));
            for group in groups(&input, &names).into_values() {
                let key =
                    |at: usize, held: bool| if held { group[0][at].clone() } else { Value::Null };
                let ids = floats(&group, 0).iter().sum::<f64>() as i64;
                rows.push(vec![key(2, set[0]), key(4, set[1]), Value::I64(id), Value::I64(ids)]);
            }
        }
        let mut shown = shown(&rows);
        shown.sort();
        shown
    };
    type Make = fn(&Table) -> crate::Result<super::GroupingSets>;
    let cases: [(Make, &[&[bool]]); 3] = [
        (|table| table.cube(&["s", "ok"]), &sets),
        (|table| table.rollup(&["s", "ok"]), &[sets[0], sets[1], sets[3]]),
        (|table| table.grouping_sets(&[&["s"][..], &["ok"]]), &[sets[1], sets[2]]),
    ];
    for (make, sets) in cases {
        let mut found = agreed(std::slice::from_ref(&input), |tables| {
            make(&tables[0]).unwrap().agg([col("id").sum()]).unwrap()
        });
        found.sort();
        assert_eq!(found, expected(sets));
    }
}

#[test]
fn pivots_are_aggregates_of_the_rows_that_have_a_value() {
    let input = sample(200, 6);
    for aggregate in [col("id").sum(), count_rows(), col("x").max(), col("id").last_by(col("k"))] {
        let aggregate = &aggregate;
        let mut found = agreed(std::slice::from_ref(&input), |tables| {
            tables[0].pivot(&["ok"], "s", aggregate.clone()).unwrap()
        });
        // The same by a filter for each value.
        let table = spread(&Context::local(), &input, 50, 3);
        let names = ["", "fir", "fire", "steel", "é", "null"];
        let mut expected: Vec<Row> =
            rows_of(&table.group_by(["ok"]).unwrap().agg([]).unwrap().to_batch().unwrap());
        for name in names {
            let is_it = if name == "null" { col("s").is_null() } else { col("s").eq(name) };
            let some = table.filter(is_it).unwrap().group_by(["ok"]).unwrap();
            let some = rows_of(&some.agg([aggregate.clone()]).unwrap().to_batch().unwrap());
            for row in &mut expected {
                let cell =
                    some.iter().find(|other| other[0] == row[0]).map(|other| other[1].clone());
                let none = if *aggregate == count_rows() { Value::I64(0) } else { Value::Null };
                row.push(cell.unwrap_or(none));
            }
        }
        let mut expected = shown(&expected);
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{aggregate}");
        let wide = table.pivot(&["ok"], "s", aggregate.clone()).unwrap();
        assert_eq!(wide.schema().names().skip(1).collect::<Vec<_>>(), names);
    }
    let table = spread(&Context::local(), &input, 50, 3);
    let error = table.pivot(&["ok"], "s", col("id").first()).unwrap_err().to_string();
    assert!(error.contains("first(id)"), "{error}");
    assert!(
        table.pivot(&["ok"], "x", count_rows()).unwrap_err().to_string().contains("`x` is f64")
    );
}

#[test]
fn samples_and_unions_do_not_depend_on_how_a_table_is_cut() {
    let input = sample(3_000, 6);
    let program = |tables: &[Table]| {
        let some = tables[0].sample(0.2, 11).unwrap();
        let other = some.drop_columns(&["s"]).unwrap().select(&["x", "ok", "k", "id"]).unwrap();
        some.union_by_name(&other, true).unwrap()
    };
    let found = agreed(std::slice::from_ref(&input), program);
    // Five standard deviations around 2 · 600.
    assert!((2 * 490..2 * 710).contains(&found.len()), "{}", found.len());
    let table = spread(&Context::local(), &input, 50, 3);
    assert_eq!(table.sample(0.0, 1).unwrap().count(), Ok(0));
    assert_eq!(table.sample(1.0, 1).unwrap().count(), Ok(3_000));
    assert!(table.sample(1.1, 1).unwrap_err().to_string().contains("fraction"));
}
