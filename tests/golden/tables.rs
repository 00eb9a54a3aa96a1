//! Tables on real data against what polars and DuckDB agree on (`tables.py`).

use firesteel::core::testing::on_ranks;
use firesteel::prelude::*;
use firesteel::table::{Direction, Value as Cell, dense_rank, list, rank};
use serde_json::{Value, json};

use super::golden;
use crate::support::shared;

const PATIENT: &str = "patient_nbr";
const KIND: &str = "admission_type_id";

fn stays(ctx: &Context) -> Option<Table> {
    let path = shared("data/diabetes130/readmission_shared.csv.gz")?;
    let reader = CsvReader::new(path).null_tokens(["?"]);
    let reader = ["diag_1", "diag_2", "diag_3"]
        .into_iter()
        .fold(reader, |reader, name| reader.column_type(name, Type::String));
    Some(reader.read(ctx).unwrap())
}

fn adult(ctx: &Context) -> Option<Table> {
    let path = shared("data/adult/adult.data.gz")?;
    let reader = CsvReader::new(path).header(false).trim(true).null_tokens(["?"]);
    let names = [
        "age",
        "workclass",
        "fnlwgt",
        "education",
        "education_num",
        "marital_status",
        "occupation",
        "relationship",
        "race",
        "sex",
        "capital_gain",
        "capital_loss",
        "hours_per_week",
        "native_country",
        "income",
    ];
    let mut table = reader.read(ctx).unwrap();
    let old: Vec<String> = table.schema().names().map(str::to_owned).collect();
    for (old, new) in old.iter().zip(names) {
        table = table.rename(old, new).unwrap();
    }
    Some(table)
}

fn rows(table: &Table) -> Vec<Vec<Value>> {
    let batch = table.to_batch().unwrap();
    let cell = |value: Cell| match value {
        Cell::Null => Value::Null,
        Cell::Bool(truth) => json!(truth),
        Cell::I64(whole) => json!(whole),
        Cell::F64(float) => json!(float),
        other => json!(other.to_string()),
    };
    let row = |row: usize| {
        batch.columns().iter().map(|column| cell(Cell::at(column, row))).collect::<Vec<_>>()
    };
    (0..batch.num_rows()).map(row).collect()
}

/// Whole numbers and texts are equal, floats to 1e-9 (both programs round on their own way).
fn agree(name: &str, found: &[Vec<Value>], expected: &Value) {
    let expected = expected.as_array().unwrap();
    assert_eq!(found.len(), expected.len(), "{name}");
    for (found, expected) in found.iter().zip(expected) {
        let expected = expected.as_array().unwrap();
        assert_eq!(found.len(), expected.len(), "{name}");
        for (a, b) in found.iter().zip(expected) {
            let is_same = match (a.as_f64(), b.as_f64()) {
                (Some(x), Some(y)) => (x - y).abs() <= 1e-9 * y.abs().max(1e-3),
                _ => a == b,
            };
            assert!(is_same, "{name}: {found:?} against {expected:?}");
        }
    }
}

/// The program's rows on one rank and on three, equal to the bit, against the reference.
fn check(
    name: &str,
    data: fn(&Context) -> Option<Table>,
    program: impl Fn(&Table) -> Table + Sync,
) {
    let expected = golden("tables.json");
    let run = |ctx: &Context| data(ctx).map(|table| rows(&program(&table)));
    let Some(found) = run(&Context::local()) else { return };
    agree(name, &found, &expected[name]);
    for other in on_ranks(3, run) {
        assert!(other.as_ref() == Some(&found), "{name}: other rows on three ranks");
    }
}

#[test]
fn groups_of_stays_are_those_of_polars_and_duckdb() {
    check("groups", stays, |stays| {
        let aggregates = [
            count_rows().alias("rows"),
            col(PATIENT).count_distinct(),
            col("time_in_hospital").sum(),
            col("num_medications").mean(),
            col("num_lab_procedures").std(),
            col("num_lab_procedures").min(),
            col("num_lab_procedures").max(),
            col("num_medications").median(),
            col("num_medications").quantile(0.9),
            col("medical_specialty").count(),
        ];
        let groups = stays.group_by(["age", "gender"]).unwrap().agg(aggregates).unwrap();
        groups.sort(["age", "gender"]).unwrap()
    });
    check("rollup", stays, |stays| {
        let groups = stays.rollup(&["race", "gender"]).unwrap().agg([count_rows()]).unwrap();
        groups.sort(["grouping_id", "race", "gender"]).unwrap()
    });
    check("pivot", stays, |stays| {
        let wide = stays.pivot(&["age"], "readmitted", count_rows()).unwrap();
        wide.sort(["age"]).unwrap().select(&["age", "<30", ">30", "NO"]).unwrap()
    });
    check("adult", adult, |adult| {
        let aggregates = [
            count_rows(),
            col("hours_per_week").mean(),
            col("fnlwgt").sum(),
            col("age").quantile(0.25),
            col("occupation").count_distinct(),
        ];
        let groups = adult.group_by(["education"]).unwrap().agg(aggregates).unwrap();
        groups.sort(["education"]).unwrap()
    });
}

#[test]
fn windows_over_patients_are_those_of_polars_and_duckdb() {
    let days = || col("time_in_hospital");
    check("windows", stays, |stays| {
        let windows = stays.window(&[PATIENT], ["encounter_id"]).unwrap();
        let windows = windows
            .with_columns([
                row_number().alias("number"),
                days().lag(1).alias("before"),
                days().sum().over(Frame::Running).alias("running"),
                days().sum().over(Frame::rows(-3, -1)).alias("moving"),
            ])
            .unwrap();
        let sums =
            ["number", "before", "running", "moving"].map(|name| col(name).sum().alias(name));
        let sums = windows.group_by([KIND]).unwrap().agg(sums).unwrap();
        let filled = ["before", "moving"]
            .into_iter()
            .fold(sums, |table, name| table.with_column(name, col(name).fill_null(0)).unwrap());
        filled.sort([KIND]).unwrap()
    });
    check("ranges", stays, |stays| {
        let near = count_rows().over(Frame::range(-1e7, -1.0)).alias("n");
        let windows = stays.window(&[PATIENT], ["encounter_id"]).unwrap();
        let windows = windows.with_columns([near]).unwrap();
        let ranks = windows.window(&[PATIENT], ["time_in_hospital"]).unwrap();
        let ranks = ranks.with_columns([rank().alias("r"), dense_rank().alias("dr")]).unwrap();
        let sums = ["n", "r", "dr"].map(|name| col(name).sum().alias(name));
        ranks.group_by([KIND]).unwrap().agg(sums).unwrap().sort([KIND]).unwrap()
    });
}

#[test]
fn joins_of_stays_are_those_of_polars_and_duckdb() {
    let expected = golden("tables.json");
    let ctx = Context::local();
    let Some(stays) = stays(&ctx) else { return };
    let many = stays.group_by([PATIENT]).unwrap().agg([count_rows().alias("n")]).unwrap();
    let many = many.filter(col("n").ge(5)).unwrap();
    let kinds = [JoinType::Inner, JoinType::Left, JoinType::Semi, JoinType::Anti];
    let found = kinds.map(|how| stays.join(&many, &[PATIENT], how).unwrap().count().unwrap());
    assert_eq!(json!(found), expected["joins"]);
    let of = |kind: i64, columns: &[&str]| {
        stays.filter(col(KIND).eq(kind)).unwrap().select(columns).unwrap()
    };
    let left = of(1, &["encounter_id", PATIENT]);
    let right = of(3, &["encounter_id", PATIENT, "time_in_hospital"]);
    let right = right.with_column("then", col("encounter_id")).unwrap();
    let mut found = Vec::new();
    for (name, direction) in [
        ("backward", Direction::Backward),
        ("forward", Direction::Forward),
        ("nearest", Direction::Nearest),
    ] {
        for tolerance in [None, Some(20_000_000)] {
            let asof = AsOf::new("encounter_id").by([PATIENT]).direction(direction);
            let asof = asof.tolerance(tolerance.map(f64::from));
            let met = left.join_asof(&right, &asof).unwrap();
            let sums = [col("then").count(), col("time_in_hospital").sum(), col("then").sum()];
            let mut row = vec![json!(name), json!(tolerance)];
            row.extend(rows(&met.agg(sums).unwrap()).remove(0));
            found.push(row);
        }
    }
    agree("asof", &found, &expected["asof"]);
}

#[test]
fn texts_times_and_lists_are_those_of_polars_and_duckdb() {
    check("texts", stays, |stays| {
        let diagnosis = || col("diag_1");
        let made = [
            ("race", col("race").upper()),
            ("digits", diagnosis().extract(r"^[VE]?(\d+)", 1).cast(Type::I64)),
            ("part", diagnosis().split_part(".", 1)),
            ("len", diagnosis().length()),
            ("long", diagnosis().replace("0", "oo").length()),
        ];
        let made = made
            .into_iter()
            .fold(stays.clone(), |table, (name, expr)| table.with_column(name, expr).unwrap());
        let of = [col("digits").sum(), col("part").count(), col("len").sum(), col("long").sum()];
        made.group_by(["race"]).unwrap().agg(of).unwrap().sort(["race"]).unwrap()
    });
    check("times", stays, |stays| {
        let (day, at) = (|| col("day"), || col("at"));
        let start = |unit| day().truncate(unit);
        let made = [
            ("day", date("1999-01-01").offset_by(col("encounter_id") % 3653, TimeUnit::Day)),
            (
                "at",
                day()
                    .cast(Type::Timestamp)
                    .offset_by(col("encounter_id") % 86_400, TimeUnit::Second),
            ),
            ("year", day().year()),
            ("quarter", day().quarter()),
            ("weekday", day().weekday()),
            ("week", day().week()),
            ("ordinal", day().day_of_year()),
            ("in_month", day().since(start(TimeUnit::Month), TimeUnit::Day)),
            ("month", day().offset_by(1, TimeUnit::Month).since(day(), TimeUnit::Day)),
            ("in_week", day().since(start(TimeUnit::Week), TimeUnit::Day)),
            ("hour", at().hour()),
            ("berlin", at().from_utc("Europe/Berlin").hour()),
            ("minute", at().minute()),
            ("in_hour", at().since(at().truncate(TimeUnit::Hour), TimeUnit::Second)),
        ];
        let sums = made[4..].iter().map(|(name, _)| col(*name).sum()).collect::<Vec<_>>();
        let made =
            made.iter().fold(stays.select(&["encounter_id"]).unwrap(), |table, (name, expr)| {
                table.with_column(name, expr.clone()).unwrap()
            });
        let groups = made.group_by(["year", "quarter"]).unwrap();
        let groups = groups.agg([count_rows()].into_iter().chain(sums)).unwrap();
        groups.sort(["year", "quarter"]).unwrap()
    });
    check("codes", stays, |stays| {
        let codes = list([col("diag_1"), col("diag_2"), col("diag_3")]);
        let codes = stays.with_column("code", codes).unwrap().select(&["code"]).unwrap();
        let codes = codes.explode("code").unwrap().filter(col("code").is_not_null()).unwrap();
        codes.value_counts("code").unwrap().head(25).unwrap()
    });
}

#[test]
fn sorts_and_correlations_are_those_of_polars_and_duckdb() {
    check("sorted", adult, |adult| {
        let by = [
            SortKey::descending(col("capital_gain")),
            SortKey::from("age"),
            SortKey::descending(col("fnlwgt")),
            SortKey::from("occupation"),
        ];
        let sorted = adult.sort(by).unwrap().head(40).unwrap();
        sorted.select(&["capital_gain", "age", "fnlwgt", "occupation"]).unwrap()
    });
    let expected = golden("tables.json");
    let Some(stays) = stays(&Context::local()) else { return };
    let names: Vec<&str> =
        expected["numbers"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let found = rows(&stays.corr(&names).unwrap());
    let found: Vec<Value> = found.into_iter().flat_map(|row| row.into_iter().skip(1)).collect();
    agree("corr", &[found], &json!([expected["corr"]]));
    // In one group they are the same to rounding.
    let one = stays.agg([col(names[0]).corr(col(names[1]))]).unwrap();
    let found = rows(&one).remove(0);
    agree("corr in a group", &[found], &json!([[expected["corr"][1]]]));
}
