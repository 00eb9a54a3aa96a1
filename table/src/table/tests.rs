//! Tables on one rank and on three, over partitionings.

use std::sync::Arc;

use arrow_array::{BooleanArray, Float64Array, Int64Array};
use firesteel_core::testing::on_ranks;
use firesteel_core::{Context, Error as CoreError};
use proptest::prelude::*;

use super::*;
use crate::{Value, col, lit, null, one_row, when};

fn sample(rows: usize) -> RecordBatch {
    let n = rows as i64;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..n))),
        ("patient", Arc::new(Int64Array::from_iter_values((0..n).map(|i| i * 7 % 40)))),
        (
            "x",
            Arc::new(Float64Array::from_iter(
                (0..n).map(|i| (i % 5 != 3).then_some(0.1 * i as f64)),
            )),
        ),
        ("ok", Arc::new(BooleanArray::from_iter((0..n).map(|i| Some(i % 3 == 0))))),
        (
            "s",
            Arc::new(StringArray::from_iter(
                (0..n).map(|i| (i % 4 != 1).then(|| format!("d{}", i % 6))),
            )),
        ),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// The rows in batches of a few rows, over some partitions.
fn spread(ctx: &Context, rows: &RecordBatch, each: usize, partitions: usize) -> Table {
    let starts = (0..rows.num_rows()).step_by(each);
    let batches = starts.map(|at| Batch(rows.slice(at, each.min(rows.num_rows() - at))));
    let batches: Vec<Batch> = batches.collect();
    let schema = Schema::of_batch(rows).unwrap();
    Table::from_dataset(schema, ctx.parallelize_in(batches, partitions))
}

/// The outcome of a program on 1 and 3 ranks over several partitionings: always the same.
fn agreed(rows: usize, program: impl Fn(&Table) -> String + Sync) -> String {
    let rows = sample(rows);
    let expected = program(&spread(&Context::local(), &rows, 1000, 1));
    for ranks in [1, 3] {
        for (each, partitions) in [(1, 16), (7, 3), (1000, 1)] {
            for found in on_ranks(ranks, |ctx| program(&spread(ctx, &rows, each, partitions))) {
                assert_eq!(found, expected, "{ranks} ranks, {partitions} partitions");
            }
        }
    }
    expected
}

fn text(table: &Table) -> String {
    let rows = table.to_batch().unwrap();
    let row = |i| rows.columns().iter().map(|c| Value::at(c, i).to_string()).collect::<Vec<_>>();
    let lines: Vec<_> = (0..rows.num_rows()).map(|i| row(i).join(",")).collect();
    format!("{}\n{}", table.schema(), lines.join("\n"))
}

#[test]
fn operators_say_the_same_on_any_ranks_and_partitions() {
    let result = agreed(50, |table| {
        let table = table
            .with_column("half", col("x") / 2)
            .and_then(|t| t.with_column("x", col("x").fill_null(-1)))
            .and_then(|t| t.filter(col("ok").or(col("s").eq("d2"))))
            .and_then(|t| t.drop_columns(&["ok"]))
            .and_then(|t| t.rename("s", "level"))
            .and_then(|t| t.select(&["level", "id", "half", "x"]))
            .unwrap();
        assert_eq!(table.count().unwrap(), table.to_batch().unwrap().num_rows() as u64);
        text(&table.union(&table.head(2).unwrap()).unwrap())
    });
    assert!(result.starts_with("level: string, id: i64, half: f64, x: f64\nd0,0,0.0,0.0\nd2,2,"));
    assert!(result.ends_with("d0,0,0.0,0.0\nd2,2,0.1,0.2"));
}

#[test]
fn descriptions_have_the_same_bits_on_any_ranks_and_partitions() {
    let result = agreed(200, |table| {
        let description = table.describe().unwrap();
        let numbers = description.columns.iter().flat_map(|c| &c.numbers);
        let bits: Vec<_> =
            numbers.map(|n| (n.mean.unwrap().to_bits(), n.std.unwrap().to_bits())).collect();
        format!("{bits:?}\n{description}")
    });
    assert!(
        result.contains("patient  i64       200      0  19.5000  11.5724    0  9.75000  19.5000  29.2500       39"),
        "{result}"
    );
}

#[test]
fn splits_by_key_keep_a_key_together_whatever_the_order() {
    let result = agreed(300, |table| {
        let parts = table.split_by_key("patient", &[0.8, 0.2], 7).unwrap();
        let keys = |part: &Table| {
            let mut keys = part.column_f64("patient").unwrap();
            keys.sort_by(f64::total_cmp);
            keys.dedup();
            keys
        };
        let (train, test) = (keys(&parts[0]), keys(&parts[1]));
        assert_eq!(train.len() + test.len(), 40);
        assert!(train.iter().all(|key| !test.contains(key)));
        assert_eq!(parts[0].count().unwrap() + parts[1].count().unwrap(), 300);
        // The same keys as text fall on the same sides.
        let texts = table.with_column("patient", col("patient").cast(Type::String)).unwrap();
        let again = texts.split_by_key("patient", &[4.0, 1.0], 7).unwrap();
        assert_eq!(keys_of(&again[1]), test);
        format!("{test:?}")
    });
    assert!(result.len() > 5, "{result}");
    let other = sample(300);
    let other = spread(&Context::local(), &other, 50, 2);
    let parts = other.split_by_key("patient", &[0.8, 0.2], 8).unwrap();
    assert_ne!(format!("{:?}", keys_of(&parts[1])), result, "another seed, another split");
}

fn keys_of(part: &Table) -> Vec<f64> {
    let mut keys: Vec<f64> = part
        .column_strings("patient")
        .unwrap()
        .iter()
        .flatten()
        .map(|k| k.parse().unwrap())
        .collect();
    keys.sort_by(f64::total_cmp);
    keys.dedup();
    keys
}

#[test]
fn a_null_key_is_refused_with_its_place() {
    // On one thread the first partition that has one is met first.
    let ctx = Context::builder().threads(1).build().unwrap();
    let table = spread(&ctx, &sample(20), 4, 2);
    let parts = table.split_by_key("s", &[1.0, 1.0], 0).unwrap();
    let error = parts[0].count().unwrap_err();
    let Error::Core(CoreError::BadValue { operation, row, column, .. }) = error else {
        panic!("{error}")
    };
    assert_eq!((operation.as_str(), row, column.as_str()), ("split_by_key, partition 0", 1, "s"));
}

#[test]
fn mistakes_in_names_and_types_show_before_any_job() {
    let table = spread(&Context::local(), &sample(5), 2, 2);
    let error = |result: Result<Table>| result.unwrap_err().to_string();
    assert_eq!(error(table.select(&["pateint"])), "no column `pateint`; did you mean `patient`?");
    assert_eq!(error(table.select(&["x", "x"])), "two columns have the name `x`");
    assert!(error(table.drop_columns(&["y"])).starts_with("no column `y`"));
    assert!(error(table.rename("x", "id")).contains("two columns"));
    assert_eq!(error(table.filter(col("x"))), "`x` is f64, expected bool");
    assert!(error(table.with_column("y", col("s") + 1)).contains("expected a number"));
    assert!(error(table.with_column("y", null())).contains("cast it"));
    let narrow = table.select(&["id"]).unwrap();
    assert_eq!(
        error(table.union(&narrow)),
        "schemas differ at column 1: `patient: i64` against `nothing`"
    );
    assert!(table.split_by_key("x", &[], 0).is_err());
    assert!(table.column_f64("s").is_err());
    assert!(Table::from_batches(&Context::local(), vec![]).is_err());
}

#[test]
fn an_error_in_a_task_is_the_same_on_all_ranks_and_names_the_row() {
    let rows = sample(30);
    let errors = on_ranks(3, |ctx| {
        let table = spread(ctx, &rows, 2, 5);
        let cast = table.with_column("n", col("s").substr(1, 1).fill_null("x").cast(Type::I64));
        let error = cast.unwrap().count().unwrap_err();
        assert_eq!(table.count().unwrap(), 30); // and the context goes on
        error.to_string()
    });
    assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
    let (place, rest) = errors[0].split_once(": row ").unwrap();
    assert!(
        place.starts_with("cast(coalesce(substr(s, 1, 1), 'x') as i64), partition "),
        "{place}"
    );
    assert!(rest.ends_with(", column `s`: expected i64, found x"), "{rest}");
}

#[test]
fn map_batches_checks_what_it_is_given() {
    let table = spread(&Context::local(), &sample(6), 4, 2);
    let schema = Schema::of([("twice", Type::F64)]).unwrap();
    let to = schema.clone();
    let doubled = table.map_batches(schema.clone(), move |batch| {
        let twice = (col("id") * 2).cast(Type::F64).evaluate(batch)?;
        to.batch(vec![twice], batch.num_rows())
    });
    assert_eq!(doubled.column_f64("twice").unwrap(), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
    let wrong = table.map_batches(schema.clone(), |batch| Ok::<_, Error>(batch.clone()));
    let error = wrong.count().unwrap_err();
    assert!(
        matches!(error, Error::Core(CoreError::Foreign { ref kind, .. }) if kind == "table/schema-mismatch")
    );
    let failing = table
        .map_batches(schema, |_| Err::<RecordBatch, _>(CoreError::parameter("k", 0, "at least 1")));
    assert!(matches!(failing.count(), Err(Error::Core(CoreError::Parameter { .. }))));
}

#[test]
fn a_table_shows_its_first_rows() {
    let table = spread(&Context::local(), &sample(20), 3, 2);
    let shown = table.to_string();
    assert_eq!(shown.lines().count(), 14, "{shown}");
    assert!(shown.contains(" id | patient |"), "{shown}");
    assert!(shown.contains("\n  1 |       7 |                0.1 | false | null\n"), "{shown}");
    assert!(shown.ends_with("10 rows, 5 columns\n"), "{shown}");
    let names: Vec<String> = (0..30).map(|i| format!("c{i}")).collect();
    let wide: Vec<(&str, Value)> =
        names.iter().map(|n| (n.as_str(), "a\nb".repeat(20).into())).collect();
    let wide = Table::from_batches(&Context::local(), vec![one_row(&wide).unwrap()]).unwrap();
    let shown = wide.show(3).unwrap().to_string();
    assert!(shown.contains(" | … | c28 ") && shown.contains("a·ba·b"), "{shown}");
    let empty = Table::empty(&Context::local(), table.schema().clone());
    assert!(empty.to_string().ends_with("0 rows, 5 columns\n"));
    assert_eq!(format!("{table:?}"), format!("Table({})", table.schema()));
}

#[test]
fn no_rows_are_no_problem() {
    let table = spread(&Context::local(), &sample(10), 3, 4).filter(lit(false)).unwrap();
    assert_eq!((table.count().unwrap(), table.head(5).unwrap().count().unwrap()), (0, 0));
    let description = table.describe().unwrap();
    assert_eq!(description.rows, 0);
    assert_eq!(description.columns[2].numbers.as_ref().unwrap().mean, None);
    assert_eq!(description.columns[4].texts.as_ref().unwrap().distinct, 0);
    assert!(table.with_column("y", 1).unwrap().column_f64("y").unwrap().is_empty());
    assert_eq!(table.head(0).unwrap().count().unwrap(), 0);
}

#[test]
fn statistics_of_odd_numbers_are_those_of_ieee() {
    let of = |values: Vec<Option<f64>>| {
        let column: ArrayRef = Arc::new(Float64Array::from(values));
        let batch = RecordBatch::try_from_iter([("x", column)]).unwrap();
        let table = Table::from_batches(&Context::local(), vec![batch]).unwrap();
        table.describe().unwrap().columns[0].numbers.clone().unwrap()
    };
    let odd = of(vec![Some(1.0), Some(f64::NAN), None]);
    assert_eq!((odd.nan, odd.min, odd.max), (1, Some(1.0.into()), Some(1.0.into())));
    assert!(odd.mean.unwrap().is_nan() && odd.std.unwrap().is_nan());
    assert_eq!(of(vec![Some(1.0), Some(f64::INFINITY)]).mean, Some(f64::INFINITY));
    let zeros = of(vec![Some(0.0), Some(-0.0)]);
    assert_eq!(format!("{:?} {:?}", zeros.min, zeros.max), "Some(F64(-0.0)) Some(F64(0.0))");
    assert_eq!(of(vec![None]).std, None);
}

#[test]
fn a_cached_table_is_computed_once() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static BATCHES: AtomicUsize = AtomicUsize::new(0);
    let table = spread(&Context::local(), &sample(10), 5, 2);
    let counted = table.map_batches(table.schema().clone(), |batch| {
        BATCHES.fetch_add(1, Ordering::Relaxed);
        Ok::<_, Error>(batch.clone())
    });
    let cached = counted.cache();
    assert_eq!((cached.count().unwrap(), cached.count().unwrap()), (10, 10));
    assert_eq!(BATCHES.load(Ordering::Relaxed), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn a_filter_keeps_what_the_condition_says_row_by_row(n in 0_usize..60, least in -1_i64..70, each in 1_usize..20) {
        let rows = sample(n);
        let table = spread(&Context::local(), &rows, each, 3);
        let keep = when(col("ok")).then(col("id").ge(least)).otherwise(col("x").lt(1.0));
        let kept = table.filter(keep).unwrap().column_f64("id").unwrap();
        let expected: Vec<f64> = (0..n as i64)
            .filter(|i| if i % 3 == 0 { *i >= least } else { i % 5 != 3 && 0.1 * (*i as f64) < 1.0 })
            .map(|i| i as f64)
            .collect();
        prop_assert_eq!(kept, expected);
    }
}
