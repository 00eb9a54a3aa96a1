//! Laws of dates, timestamps and lists in expressions.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, Date32Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use chrono::{Datelike, NaiveDate};
use firesteel_core::Error::BadValue;
use proptest::prelude::*;

use super::*;
use crate::times::{date_of, days_of, parse_date, parse_time};
use crate::{Error, Item, Schema};

const UNITS: [TimeUnit; 10] = [
    TimeUnit::Year,
    TimeUnit::Quarter,
    TimeUnit::Month,
    TimeUnit::Week,
    TimeUnit::Day,
    TimeUnit::Hour,
    TimeUnit::Minute,
    TimeUnit::Second,
    TimeUnit::Millisecond,
    TimeUnit::Microsecond,
];

fn table() -> RecordBatch {
    let days = ["2024-02-29", "2008-12-31", "", "1969-12-29"].map(parse_date);
    let times =
        ["2024-02-29T23:59:59.250001", "", "1969-12-31T23:59:59", "2008-03-01"].map(parse_time);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("d", Arc::new(Date32Array::from(days.to_vec()))),
        ("t", Arc::new(TimestampMicrosecondArray::from(times.to_vec()))),
        ("s", Arc::new(StringArray::from(vec![Some("a;b;a"), Some(""), None, Some("c")]))),
        ("w", Arc::new(StringArray::from(vec!["01.02.2008 07:30", "31.12.1999 23:00", "", "x"]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn values(expr: &Expr) -> Vec<Value> {
    let column = expr.evaluate(&table()).unwrap();
    (0..column.len()).map(|row| Value::at(&column, row)).collect()
}

fn shown(expr: &Expr) -> Vec<String> {
    values(expr).iter().map(ToString::to_string).collect()
}

fn wholes(expr: &Expr) -> Vec<Option<i64>> {
    let whole = |value: &Value| match value {
        Value::I64(n) => Some(*n),
        Value::Null => None,
        other => panic!("{other:?}"),
    };
    values(expr).iter().map(whole).collect()
}

#[test]
fn parts_of_dates_are_those_of_the_calendar() {
    let d = || col("d");
    assert_eq!(wholes(&d().year()), [Some(2024), Some(2008), None, Some(1969)]);
    assert_eq!(wholes(&d().quarter()), [Some(1), Some(4), None, Some(4)]);
    assert_eq!(wholes(&d().month()), [Some(2), Some(12), None, Some(12)]);
    assert_eq!(wholes(&d().day()), [Some(29), Some(31), None, Some(29)]);
    // ISO 8601: 2008-12-31 lies in the first week of 2009, 1969-12-29 in that of 1970, a Monday.
    assert_eq!(wholes(&d().week()), [Some(9), Some(1), None, Some(1)]);
    assert_eq!(wholes(&d().weekday()), [Some(4), Some(3), None, Some(1)]);
    assert_eq!(wholes(&d().day_of_year()), [Some(60), Some(366), None, Some(363)]);
    let t = || col("t");
    assert_eq!(wholes(&t().hour()), [Some(23), None, Some(23), Some(0)]);
    assert_eq!(wholes(&t().minute()), [Some(59), None, Some(59), Some(0)]);
    assert_eq!(wholes(&t().second()), [Some(59), None, Some(59), Some(0)]);
    assert_eq!(wholes(&t().microsecond()), [Some(250_001), None, Some(0), Some(0)]);
}

#[test]
fn times_are_truncated_moved_and_subtracted_by_units() {
    let starts = |unit| shown(&col("t").truncate(unit));
    assert_eq!(starts(TimeUnit::Quarter)[0], "2024-01-01T00:00:00");
    assert_eq!(starts(TimeUnit::Week)[..3], ["2024-02-26T00:00:00", "null", "1969-12-29T00:00:00"]);
    assert_eq!(starts(TimeUnit::Minute)[2], "1969-12-31T23:59:00");
    assert_eq!(starts(TimeUnit::Millisecond)[0], "2024-02-29T23:59:59.250");
    let year = shown(&col("d").offset_by(1, TimeUnit::Year));
    assert_eq!(year, ["2025-02-28", "2009-12-31", "null", "1970-12-29"]);
    let earlier = shown(&col("d").offset_by(-2, TimeUnit::Month));
    assert_eq!(earlier, ["2023-12-29", "2008-10-31", "null", "1969-10-29"]);
    assert_eq!(shown(&col("t").offset_by(90, TimeUnit::Minute))[0], "2024-03-01T01:29:59.250001");
    let since = |unit| wholes(&col("d").since(date("2008-01-31"), unit));
    assert_eq!(since(TimeUnit::Day), [Some(5873), Some(335), None, Some(-13_912)]);
    assert_eq!(since(TimeUnit::Month), [Some(193), Some(11), None, Some(-457)]);
    assert_eq!(since(TimeUnit::Year), [Some(16), Some(0), None, Some(-38)]);
    assert_eq!(since(TimeUnit::Hour)[1], Some(335 * 24));
    assert_eq!(shown(&col("t").cast(Type::Date))[2], "1969-12-31");
    assert_eq!(shown(&col("d").cast(Type::Timestamp))[0], "2024-02-29T00:00:00");
    assert_eq!(shown(&col("d").cast(Type::I64).cast(Type::Date))[1], "2008-12-31");
}

#[test]
fn texts_become_times_by_a_format_or_say_where_they_do_not() {
    let lenient = shown(&col("w").try_to_timestamp("%d.%m.%Y %H:%M"));
    assert_eq!(lenient, ["2008-02-01T07:30:00", "1999-12-31T23:00:00", "null", "null"]);
    let error = col("w").to_timestamp("%d.%m.%Y %H:%M").evaluate(&table()).unwrap_err();
    let Error::Core(BadValue { operation, row, column, value, expected }) = error else {
        panic!("{error}")
    };
    assert_eq!((row, column.as_str(), value.as_str()), (2, "w", ""));
    assert!(operation.contains("to_timestamp(w, '%d.%m.%Y %H:%M')"), "{operation}");
    assert!(expected.contains("%d.%m.%Y"), "{expected}");
    // A branch that is not taken does not fail.
    let guarded = when(col("w").length().eq(16)).then(col("w").to_timestamp("%d.%m.%Y %H:%M"));
    assert_eq!(shown(&guarded.otherwise(null()))[2], "null");
    assert_eq!(shown(&lit("5/1/99").to_date("%d/%m/%y"))[0], "1999-01-05");
    assert_eq!(shown(&lit(" 2008-03-01 ").cast(Type::Date))[0], "2008-03-01");
    let zoned = lit("2008-03-01 10:00 +0200").to_timestamp("%Y-%m-%d %H:%M %z");
    assert_eq!(shown(&zoned)[0], "2008-03-01T08:00:00");
    assert_eq!(shown(&col("d").format_time("%d.%m.%y"))[..3], ["29.02.24", "31.12.08", "null"]);
    let schema = Schema::of_batch(&table()).unwrap();
    let text = |expr: Expr| expr.output_type(&schema).unwrap_err().to_string();
    assert!(text(col("w").to_date("%Q")).contains("`%Q` is no format"));
    assert!(text(col("t").from_utc("Europe/Atlantis")).contains("no time zone `Europe/Atlantis`"));
    assert!(text(col("d").hour()).contains("`d` is date, expected timestamp"));
    assert!(text(col("d").truncate(TimeUnit::Hour)).contains("expected timestamp"));
    assert!(
        text(col("d").since(col("t"), TimeUnit::Day)).contains("expected date, like the first")
    );
    assert!(text(col("d").cast(Type::F64)).contains("something that can become f64"));
    assert!(text(col("d").eq("2008-03-01")).contains("expected date, like d"));
    let far = col("d").offset_by(i64::MAX, TimeUnit::Year).evaluate(&table()).unwrap_err();
    assert!(far.to_string().contains("2024-02-29"), "{far}");
}

/// The clocks of Berlin were set forward on 2024-03-31 at 2:00 and back on 2024-10-27 at 3:00.
#[test]
fn clocks_of_a_zone_are_set_forward_and_back() {
    let local = |utc: &str| shown(&timestamp(utc).from_utc("Europe/Berlin"))[0].clone();
    assert_eq!(local("2024-03-31T00:59:59"), "2024-03-31T01:59:59");
    assert_eq!(local("2024-03-31T01:00:00"), "2024-03-31T03:00:00");
    assert_eq!(local("2024-10-27T01:00:00"), "2024-10-27T02:00:00");
    let utc = |local: &str| shown(&timestamp(local).to_utc("Europe/Berlin"))[0].clone();
    assert_eq!(utc("2024-10-27T02:30:00"), "2024-10-27T00:30:00"); // the earlier of two
    assert_eq!(utc("2024-03-31T02:30:00"), "2024-03-31T01:30:00"); // an hour later: 3:30 there
    assert_eq!(utc("2024-07-01T12:00:00"), "2024-07-01T10:00:00");
    assert_eq!(shown(&timestamp("2024-01-01").to_utc("+05:30"))[0], "2023-12-31T18:30:00");
    // Samoa had no 2011-12-30.
    let samoa = timestamp("2011-12-30T12:00:00").to_utc("Pacific/Apia");
    assert_eq!(shown(&samoa)[0], "2011-12-30T22:00:00");
}

#[test]
fn times_print_are_saved_and_compare() {
    let day = col("d").ge(date("2008-03-01")).and(col("t").lt(timestamp("2024-01-01T12:30")));
    assert_eq!(day.to_string(), "d >= date '2008-03-01' and t < timestamp '2024-01-01T12:30:00'");
    let all = [
        day,
        col("d").is_in([Value::Date(19_782), Value::Null]),
        col("t").truncate(TimeUnit::Week).since(col("t"), TimeUnit::Second).abs(),
        col("d").format_time("%Y").concat(col("s").split(";").list_get(-1)),
        list([col("s"), lit("x")]).list_join("+"),
    ];
    for expr in all {
        let text = serde_json::to_string(&expr).unwrap();
        assert_eq!(serde_json::from_str::<Expr>(&text).unwrap(), expr, "{text}");
        let text = postcard::to_stdvec(&expr).unwrap();
        assert_eq!(postcard::from_bytes::<Expr>(&text).unwrap(), expr);
        expr.evaluate(&table()).unwrap();
    }
    let known = values(&col("d").is_in([Value::Date(19_782)]));
    assert_eq!(
        known,
        [true, false]
            .map(Value::from)
            .into_iter()
            .chain([Value::Null, false.into()])
            .collect::<Vec<_>>()
    );
    let error = lit(1).eq(date("1.3.2008")).evaluate(&table()).unwrap_err().to_string();
    assert!(error.contains("expected i64"), "{error}");
    let error = date("1.3.2008").evaluate(&table()).unwrap_err().to_string();
    assert!(error.contains("1.3.2008") && error.contains("date"), "{error}");
}

#[test]
fn lists_are_made_and_looked_into() {
    let parts = || col("s").split(";");
    assert_eq!(shown(&parts()), ["[a, b, a]", "[]", "null", "[c]"]);
    assert_eq!(wholes(&parts().list_len()), [Some(3), Some(1), None, Some(1)]);
    assert_eq!(shown(&parts().list_get(1)), ["b", "null", "null", "null"]);
    assert_eq!(shown(&parts().list_get(-1)), ["a", "", "null", "c"]);
    assert_eq!(shown(&parts().list_contains("a")), ["true", "false", "null", "false"]);
    assert_eq!(shown(&parts().list_contains(col("s"))), ["false", "true", "null", "true"]);
    assert_eq!(
        shown(&lit("c;d").split(";").list_contains(col("s"))),
        ["false", "false", "null", "true"]
    );
    assert_eq!(shown(&parts().list_sort()), ["[a, a, b]", "[]", "null", "[c]"]);
    assert_eq!(shown(&parts().list_distinct())[0], "[a, b]");
    assert_eq!(shown(&parts().list_join("-"))[..3], ["a-b-a", "", "null"]);
    let mixed = list([lit(2), null(), lit(0.5)]);
    assert_eq!(shown(&mixed)[0], "[2.0, null, 0.5]");
    assert_eq!(shown(&mixed.clone().list_sort())[0], "[0.5, 2.0, null]");
    assert_eq!(shown(&mixed.clone().list_contains(2))[0], "true");
    assert_eq!(shown(&mixed.list_get(1))[0], "null");
    assert_eq!(shown(&list([col("d"), date("2000-01-01")]))[2], "[null, 2000-01-01]");
    let schema = Schema::of_batch(&table()).unwrap();
    assert_eq!(parts().output_type(&schema), Ok(Type::List(Item::String)));
    let text = |expr: Expr| expr.output_type(&schema).unwrap_err().to_string();
    assert!(text(col("s").list_len()).contains("`s` is string, expected a list"));
    assert!(text(list([lit(1), lit("x")])).contains("like the values before"));
    assert!(text(parts().eq(parts())).contains("expected a single value"));
    // Slices of lists are looked into at their own places.
    let lists = parts().evaluate(&table()).unwrap();
    let batch = RecordBatch::try_from_iter([("l", lists.slice(3, 1))]).unwrap();
    let get = col("l").list_get(0).evaluate(&batch).unwrap();
    assert_eq!(get.as_string::<i32>().value(0), "c");
}

proptest! {
    /// A unit's start is not later and the next one is; moving by what lies between leads back.
    #[test]
    fn units_fit_together(micros in -9_000_000_000_000_000_i64..9_000_000_000_000_000, other in -9_000_000_000_000_000_i64..9_000_000_000_000_000, at in 0..10_usize) {
        let unit = UNITS[at];
        let one = |expr: &Expr| match expr.evaluate(&table().slice(0, 1)) {
            Ok(column) => Value::at(&column, 0),
            Err(error) => panic!("{expr}: {error}"),
        };
        let micros_of = |value: Value| match value {
            Value::Timestamp(micros) => micros,
            other => panic!("{other:?}"),
        };
        let time = lit(Value::Timestamp(micros));
        let start = time.clone().truncate(unit);
        let first = micros_of(one(&start));
        let next = micros_of(one(&lit(Value::Timestamp(first)).offset_by(1, unit)));
        prop_assert!(first <= micros && micros < next, "{unit}: {first} {micros} {next}");
        prop_assert_eq!(micros_of(one(&lit(Value::Timestamp(first)).truncate(unit))), first);
        let from = lit(Value::Timestamp(other));
        let Value::I64(between) = one(&time.clone().since(from.clone(), unit)) else { panic!() };
        let there = micros_of(one(&from.clone().offset_by(between, unit)));
        let beyond = micros_of(one(&from.offset_by(between + if micros < other { -1 } else { 1 }, unit)));
        if micros >= other {
            prop_assert!(there <= micros && micros < beyond);
        } else {
            prop_assert!(there >= micros && micros > beyond);
        }
    }

    #[test]
    fn days_are_those_of_the_calendar(days in -90_000_000..90_000_000_i32) {
        let date: NaiveDate = date_of(days).unwrap();
        prop_assert_eq!(days_of(date), days);
        let batch = RecordBatch::try_from_iter([("d", Arc::new(Date32Array::from(vec![days])) as ArrayRef)]).unwrap();
        let year = col("d").year().evaluate(&batch).unwrap();
        prop_assert_eq!(Value::at(&year, 0), Value::I64(date.year().into()));
        let days_from_first = col("d").since(col("d").truncate(TimeUnit::Year), TimeUnit::Day) + 1;
        let same = days_from_first.eq(col("d").day_of_year()).evaluate(&batch).unwrap();
        prop_assert_eq!(Value::at(&same, 0), Value::Bool(true));
    }
}
