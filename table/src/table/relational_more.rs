//! As-of joins, lists, long forms, sketches and correlations against loops over rows.

use std::sync::Arc;

use arrow_array::{ArrayRef, Date32Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use firesteel_core::Context;
use serde::{Deserialize, Serialize};

use super::relational::{
    Row, agreed, floats, groups, key_text, ordered, rows_of, sample, shown, spread,
};
use super::{AsOf, Direction, Frame, Table};
use crate::times::DAY;
use crate::{Error, Schema, Type, Value, col, count_rows, date, lit};

/// [`sample`] with a day and a time that repeat, in no order.
fn with_times(rows: usize, salt: i64) -> RecordBatch {
    let sample = sample(rows, salt);
    let of = move |i: i64| i * 37 + salt;
    let n = rows as i64;
    let schema = Schema::of_batch(&sample).unwrap();
    let schema = schema.with("day", Type::Date).with("at", Type::Timestamp);
    let days = (0..n).map(|i| (of(i) % 8 != 3).then(|| (of(i) % 23 - 5) as i32));
    let times = (0..n).map(|i| (of(i) % 10 != 1).then(|| of(i) % 19 * DAY / 4 - DAY));
    let mut columns = sample.columns().to_vec();
    columns.push(Arc::new(Date32Array::from_iter(days)));
    columns.push(Arc::new(TimestampMicrosecondArray::from_iter(times)));
    schema.batch(columns, rows).unwrap()
}

/// A time as a number of days.
fn in_days(value: &Value) -> Option<f64> {
    match value {
        Value::I64(n) => Some(*n as f64),
        Value::F64(x) => Some(*x),
        Value::Date(day) => Some(f64::from(*day)),
        Value::Timestamp(at) => Some(*at as f64 / DAY as f64),
        _ => None,
    }
}

#[test]
fn joins_as_of_a_time_are_those_of_two_loops() {
    let inputs = [with_times(90, 3), with_times(70, 8)];
    let place = |name: &str| inputs[0].schema().index_of(name).unwrap();
    // Which one a loop would take: NaN is later than all numbers.
    let before = |a: f64, b: f64| b.is_nan() || a <= b;
    for on in ["k", "x", "day", "at"] {
        for by in [&["s"][..], &[]] {
            for direction in [Direction::Backward, Direction::Forward, Direction::Nearest] {
                for (tolerance, exact) in [(None, true), (None, false), (Some(1.5), true)] {
                    let asof = AsOf::new(on).by(by.to_vec()).direction(direction);
                    let asof = asof.tolerance(tolerance).exact(exact);
                    let asof = &asof;
                    let found =
                        agreed(&inputs, |tables| tables[0].join_asof(&tables[1], asof).unwrap());
                    let (left, right) = (rows_of(&inputs[0]), rows_of(&inputs[1]));
                    let mut expected: Vec<Row> = Vec::new();
                    for row in &left {
                        let now = in_days(&row[place(on)]);
                        let time = |other: &Row| in_days(&other[place(on)]);
                        let is_open = |other: &&Row| {
                            let equal = by.iter().all(|name| {
                                let at = place(name);
                                row[at] != Value::Null && key_text(&row[at]) == key_text(&other[at])
                            });
                            let is_same = |(now, then)| before(now, then) && before(then, now);
                            equal
                                && now
                                    .zip(time(other))
                                    .is_some_and(|times| exact || !is_same(times))
                        };
                        let open: Vec<&Row> = right.iter().filter(is_open).collect();
                        let pick =
                            |takes: &dyn Fn(f64, f64) -> bool,
                             betters: &dyn Fn(f64, f64) -> bool| {
                                let mut best: Option<&Row> = None;
                                for other in &open {
                                    let Some((now, then)) = now.zip(time(other)) else { continue };
                                    let known = best.and_then(time);
                                    if takes(then, now)
                                        && known.is_none_or(|known| betters(then, known))
                                    {
                                        best = Some(other);
                                    }
                                }
                                best
                            };
                        // The last of the latest, the first of the earliest.
                        let back = pick(&|then, now| before(then, now), &|then, known| {
                            before(known, then)
                        });
                        let forth = pick(&|then, now| before(now, then), &|then, known| {
                            !before(known, then)
                        });
                        let best = match (direction, back, forth) {
                            (Direction::Backward, back, _) => back,
                            (Direction::Forward, _, forth) => forth,
                            (_, Some(back), Some(forth)) => {
                                let away = |other| {
                                    now.zip(time(other)).map_or(0.0, |(a, b)| (a - b).abs())
                                };
                                let (a, b) = (away(forth), away(back));
                                Some(if before(a, b) && !before(b, a) { forth } else { back })
                            }
                            (_, back, forth) => back.or(forth),
                        };
                        let is_near = |other: &&Row| {
                            let apart = now.zip(in_days(&other[place(on)]));
                            tolerance.is_none_or(|most| {
                                apart.is_some_and(|(a, b)| {
                                    before(b - most, a) && before(a, b + most)
                                })
                            })
                        };
                        let best = best.filter(is_near);
                        let kept =
                            (0..row.len()).filter(|&i| !by.iter().any(|name| place(name) == i));
                        let beside = kept.map(|i| best.map_or(Value::Null, |best| best[i].clone()));
                        expected.push(row.iter().cloned().chain(beside).collect());
                    }
                    let (mut found, mut expected) = (found, shown(&expected));
                    found.sort();
                    expected.sort();
                    assert_eq!(found, expected, "{asof:?}");
                }
            }
        }
    }
}

#[test]
fn mistakes_of_a_join_as_of_are_named() {
    let table = spread(&Context::local(), &with_times(20, 0), 7, 3);
    let text = |asof: AsOf| table.join_asof(&table, &asof).map(|_| ()).unwrap_err().to_string();
    assert!(text(AsOf::new("s")).contains("`s` is string, expected a number, date or timestamp"));
    assert!(text(AsOf::new("dya")).contains("no column `dya`; did you mean `day`?"));
    assert!(text(AsOf::new("day").tolerance(-1.0)).contains("tolerance"));
    assert!(text(AsOf::new("day").tolerance(f64::NAN)).contains("tolerance"));
    assert!(text(AsOf::new("day").by(["k", "k"])).contains("two columns"));
}

#[test]
fn ranges_of_dates_and_times_are_in_days() {
    let input = with_times(120, 4);
    for order in ["day", "at"] {
        let frame = Frame::range(-2.25, 1.0);
        let mut found = agreed(std::slice::from_ref(&input), |tables| {
            let windows = tables[0].window(&["s"], [order]).unwrap();
            windows.with_columns([count_rows().over(frame).alias("n")]).unwrap()
        });
        let at = input.schema().index_of(order).unwrap();
        let mut expected = Vec::new();
        for group in groups(&input, &["s"]).into_values() {
            for row in &group {
                let inside = |other: &&Row| {
                    let apart = in_days(&other[at]).zip(in_days(&row[at])).map(|(a, b)| a - b);
                    apart.is_some_and(|apart| (-2.25..=1.0).contains(&apart))
                };
                let n = group.iter().filter(inside).count() as i64;
                expected.push([row.clone(), vec![Value::I64(n)]].concat());
            }
        }
        let mut expected = shown(&expected);
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{order}");
    }
}

#[test]
fn lists_of_groups_explode_into_their_rows() {
    let input = with_times(150, 5);
    let found = agreed(std::slice::from_ref(&input), |tables| {
        let lists = tables[0].group_by(["s"]).unwrap().agg([col("day").collect_list()]).unwrap();
        lists.explode("collect_list(day)").unwrap().sort(["s"]).unwrap()
    });
    let mut expected: Vec<Row> = Vec::new();
    let mut all: Vec<Vec<Row>> = groups(&input, &["s"]).into_values().collect();
    all.sort_by_key(|rows| (rows[0][2] == Value::Null, rows[0][2].to_string()));
    for rows in all {
        let days = rows.iter().map(|row| row[5].clone()).filter(|day| *day != Value::Null);
        expected.extend(days.map(|day| vec![rows[0][2].clone(), day]));
    }
    assert_eq!(found, shown(&expected));
    // Empty and missing lists leave a row.
    let ctx = Context::local();
    let table = spread(&ctx, &input, 40, 3);
    let lists = table.with_column("l", col("s").split("e")).unwrap();
    let parts = lists.explode("l").unwrap();
    let counted = lists.with_column("n", col("l").list_len().fill_null(1)).unwrap();
    let rows: f64 = counted.column_f64("n").unwrap().iter().sum();
    assert_eq!(parts.count().unwrap(), rows as u64);
    assert!(matches!(table.explode("s"), Err(Error::TypeMismatch { .. })));
}

#[test]
fn long_forms_and_first_rows_are_those_of_loops() {
    let input = sample(60, 2);
    let found = agreed(std::slice::from_ref(&input), |tables| {
        tables[0].unpivot(&["id", "s"], &["k", "x"]).unwrap()
    });
    let mut expected: Vec<Row> = Vec::new();
    for row in rows_of(&input) {
        for (name, at) in [("k", 1), ("x", 3)] {
            let value = match &row[at] {
                Value::I64(n) => Value::F64(*n as f64),
                other => other.clone(),
            };
            expected.push(vec![row[0].clone(), row[2].clone(), name.into(), value]);
        }
    }
    assert_eq!(found, shown(&expected));
    let mut found =
        agreed(std::slice::from_ref(&input), |tables| tables[0].distinct_by(&["k", "ok"]).unwrap());
    let firsts = groups(&input, &["k", "ok"]).into_values().map(|rows| rows[0].clone());
    let mut expected = shown(&firsts.collect::<Vec<Row>>());
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    let table = spread(&Context::local(), &input, 7, 3);
    assert!(matches!(table.unpivot(&["id"], &["k", "s"]), Err(Error::TypeMismatch { .. })));
    assert!(matches!(table.unpivot(&["id"], &["k"; 0]), Err(Error::Core(_))));
}

#[test]
fn groups_by_expressions_have_their_names() {
    let input = sample(100, 1);
    let found = agreed(std::slice::from_ref(&input), |tables| {
        let third = col("id") % 3;
        let groups = tables[0].group_by([("third", third), ("ok", col("ok"))]).unwrap();
        groups.agg([col("id").sum()]).unwrap().sort(["third", "ok"]).unwrap()
    });
    let table = spread(&Context::local(), &input, 30, 2);
    let beside = table.with_column("third", col("id") % 3).unwrap();
    let beside = beside.group_by(["third", "ok"]).unwrap().agg([col("id").sum()]).unwrap();
    let beside = beside.sort(["third", "ok"]).unwrap().to_batch().unwrap();
    assert_eq!(found, shown(&rows_of(&beside)));
    assert!(table.group_by([("k", col("id")), ("k", col("k"))]).is_err());
    assert!(table.group_by([col("kk") + 1]).is_err());
}

#[test]
fn sketched_quantiles_and_correlations_are_near_those_of_all_values() {
    let n = 4000;
    let x: Vec<f64> = (0..n).map(|i| f64::from(i * 7919 % 4001).sqrt() - 20.0).collect();
    let y: Vec<Option<f64>> = (0..n).map(|i| (i % 7 != 0).then(|| f64::from(i % 90))).collect();
    let batch = RecordBatch::try_from_iter([
        ("k", Arc::new(Int64Array::from_iter_values((0..n).map(|i| i64::from(i % 3)))) as ArrayRef),
        ("x", Arc::new(arrow_array::Float64Array::from(x.clone()))),
        ("y", Arc::new(arrow_array::Float64Array::from(y.clone()))),
    ])
    .unwrap();
    let found = agreed(std::slice::from_ref(&batch), |tables| {
        let of = [col("x").approx_quantile(0.3), col("x").corr(col("y")), col("x").covar(col("y"))];
        tables[0].group_by(["k"]).unwrap().agg(of).unwrap().sort(["k"]).unwrap()
    });
    let pearson = |rows: &[(f64, f64)]| {
        let n = rows.len() as f64;
        let mean = |of: &dyn Fn(&(f64, f64)) -> f64| rows.iter().map(of).sum::<f64>() / n;
        let (a, b) = (mean(&|row| row.0), mean(&|row| row.1));
        let sum = |of: &dyn Fn(f64, f64) -> f64| {
            rows.iter().map(|row| of(row.0 - a, row.1 - b)).sum::<f64>()
        };
        let (xy, xx, yy) = (sum(&|x, y| x * y), sum(&|x, _| x * x), sum(&|_, y| y * y));
        (xy / (xx * yy).sqrt(), xy / (n - 1.0))
    };
    let number = |text: &str| text.split('/').next().and_then(|x| x.parse::<f64>().ok()).unwrap();
    let mut all = Vec::new();
    for (group, line) in found.iter().enumerate() {
        let cells: Vec<f64> = line
            .split(',')
            .skip(1)
            .map(|cell| number(cell.trim_start_matches("F64(").trim_end_matches(')')))
            .collect();
        let own = |i: &usize| *i % 3 == group;
        let values = ordered(&(0..x.len()).filter(own).map(|i| x[i]).collect::<Vec<_>>());
        let exact = values[(0.3 * (values.len() - 1) as f64) as usize];
        assert!((cells[0] - exact).abs() < exact.abs() / 128.0 + 0.05, "{line}: {exact}");
        let pairs: Vec<(f64, f64)> =
            (0..x.len()).filter(own).filter_map(|i| Some((x[i], y[i]?))).collect();
        let (corr, covar) = pearson(&pairs);
        assert!((cells[1] - corr).abs() < 1e-12 && (cells[2] - covar).abs() < 1e-10, "{line}");
        all.extend(pairs);
    }
    let corr = agreed(&[batch], |tables| tables[0].corr(&["x", "y", "k"]).unwrap());
    let second = number(corr[0].split(',').nth(2).unwrap());
    assert!((second - pearson(&all).0).abs() < 1e-14, "{second}");
    assert!(corr[1].split(',').nth(2).unwrap().starts_with("1.0"));
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stay {
    id: i64,
    weight: Option<f64>,
    codes: Vec<String>,
    ok: bool,
}

#[test]
fn rows_go_into_own_types_and_back() {
    let stays: Vec<Stay> = (0..300)
        .map(|id| Stay {
            id,
            weight: (id % 3 != 0).then_some(id as f64 / 7.0),
            codes: (0..id % 4).map(|code| format!("c{code}")).collect(),
            ok: id % 2 == 0,
        })
        .collect();
    let found = firesteel_core::testing::on_ranks(3, |ctx| {
        let table = Table::from_rows(ctx, &stays).unwrap();
        assert_eq!(
            table.schema().to_string(),
            "id: i64, weight: f64, codes: list[string], ok: bool"
        );
        let rows = table.rows::<Stay>().unwrap();
        let again = Table::from_row_dataset(table.schema().clone(), &rows);
        assert_eq!(again.to_batch().unwrap(), table.to_batch().unwrap());
        rows.collect().unwrap()
    });
    assert!(found.iter().all(|rows| *rows == stays));
    let ctx = Context::local();
    let table = Table::from_rows(&ctx, &stays).unwrap();
    let less = table.drop_columns(&["ok"]).unwrap();
    assert!(matches!(less.rows::<Stay>(), Err(Error::UnknownColumn { name, .. }) if name == "ok"));
    let holes = table.with_column("id", crate::null().cast(Type::I64)).unwrap();
    let error = holes.rows::<Stay>().unwrap().collect().unwrap_err().to_string();
    assert!(error.contains("partition 0"), "{error}");
    assert!(Table::from_rows::<Stay>(&ctx, &[]).is_err());
    let error = table.with_column("to", lit(None::<i64>).fill_null(col("id") + 1)).unwrap();
    assert_eq!(error.pairs("id", "to").unwrap().take(2).unwrap(), [(0, 1), (1, 2)]);
    let error = holes.pairs("id", "id").unwrap().collect().unwrap_err().to_string();
    assert!(error.contains("`id`") || error.contains("id"), "{error}");
    assert!(table.pairs("id", "weight").is_err());
}

#[test]
fn descriptions_have_quartiles_and_spans_of_time() {
    let input = with_times(2000, 6);
    for ranks in [1, 3] {
        let found = firesteel_core::testing::on_ranks(ranks, |ctx| {
            [(13, 7), (2000, 1)]
                .map(|(each, parts)| spread(ctx, &input, each, parts).describe().unwrap())
        });
        let description = &found[0][0];
        assert!(
            found.iter().flatten().all(|other| format!("{other:?}") == format!("{description:?}"))
        );
        let k = ordered(&floats(&rows_of(&input), 1));
        let exact = |p: f64| {
            let at = p * (k.len() - 1) as f64;
            let (low, high) = (k[at.floor() as usize], k[at.ceil() as usize]);
            low + at.fract() * (high - low)
        };
        let numbers = description.columns[1].numbers.as_ref().unwrap();
        assert_eq!(numbers.quartiles, Some([exact(0.25), exact(0.5), exact(0.75)]));
        let day = description.columns[5].numbers.as_ref().unwrap();
        assert_eq!(
            (day.min.clone(), day.max.clone()),
            (Some(Value::Date(-5)), Some(Value::Date(17)))
        );
        assert!(description.to_string().contains("1969-12-27"), "{description}");
    }
    let table = spread(&Context::local(), &input, 100, 3);
    let late = table.filter(col("day").gt(date("1970-01-15"))).unwrap();
    assert!(late.count().unwrap() > 0);
}
