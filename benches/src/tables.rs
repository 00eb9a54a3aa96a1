//! Tables in memory: groups, a join, windows; and a CSV file into memory.

use std::error::Error;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use firesteel::prelude::*;
use firesteel::table::{Aggregate, Batch, Frame, JoinType, ParquetReader, count_rows, row_number};
use serde_json::{Value, json};

use crate::{Request, parquet};

/// Runs; the median counts.
const RUNS: usize = 3;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// All of `lr.csv` into memory, its types found on the way.
pub(crate) fn csv_read(ctx: &Context, request: &Request) -> Outcome<Value> {
    let path = request.folder.join("lr.csv");
    timed(request, ctx, || {
        let table = CsvReader::new(&path).header(false).read(ctx)?;
        let names: Vec<String> = table.schema().names().map(str::to_owned).collect();
        let positive = move |sum: u64, batch: &Batch| {
            let column = batch.as_record_batch().column_by_name(&names[1]);
            let column = column.and_then(|column| column.as_primitive_opt::<Float64Type>());
            let values = column.map_or(&[][..], |column| column.values());
            sum + values.iter().filter(|&&x| x > 0.0).count() as u64
        };
        let rows = table.count()?;
        Ok((table, move |table: &Table| {
            let positive = table.batches().tree_aggregate(0, &positive, |a, b| a + b)?;
            Ok(json!({"rows": rows, "positive": positive, "columns": table.schema().len()}))
        }))
    })
}

/// The table of `parquet_read`, kept in memory.
fn kept(ctx: &Context, request: &Request) -> Outcome<Table> {
    let path = request.folder.join("table.parquet");
    parquet::make(ctx, request, &path)?;
    let table = ParquetReader::new(&path).read(ctx)?.cache();
    table.count()?;
    Ok(table)
}

/// Sums, means and counts of a thousand groups, then of a million.
pub(crate) fn group_agg(ctx: &Context, request: &Request) -> Outcome<Value> {
    let table = kept(ctx, request)?;
    timed(request, ctx, || {
        let of_texts = [
            col("x").sum().alias("x"),
            col("y").mean().alias("y"),
            col("id").max().alias("last"),
            count_rows().alias("rows"),
        ];
        let few = table.group_by(["text"])?.agg(of_texts)?.cache();
        let few_groups = few.count()?;
        let of_keys: [Aggregate; 2] = [col("y").sum().alias("y"), count_rows().alias("rows")];
        let many = table.group_by(["key"])?.agg(of_keys)?.cache();
        let many_groups = many.count()?;
        Ok((many, move |many: &Table| {
            let (last, rows) = (total(&few, "last")?, squares(many, "rows")?);
            let groups = few_groups + many_groups;
            Ok(json!({"groups": groups, "checksum": last.wrapping_add(rows)}))
        }))
    })
}

/// Ten million rows with a million others.
pub(crate) fn table_join(ctx: &Context, request: &Request) -> Outcome<Value> {
    let table = kept(ctx, request)?;
    let keys = table.group_by(["key"])?.agg([])?;
    let other = keys.with_column("value", col("key") * 3)?.cache();
    other.count()?;
    timed(request, ctx, || {
        let joined = table.join(&other, &["key"], JoinType::Inner)?.cache();
        let rows = joined.count()?;
        let look =
            move |joined: &Table| Ok(json!({"rows": rows, "checksum": total(joined, "value")?}));
        Ok((joined, look))
    })
}

/// Each row's number and predecessor among the rows of its key, and a running sum.
pub(crate) fn window(ctx: &Context, request: &Request) -> Outcome<Value> {
    let table = kept(ctx, request)?.select(&["id", "key", "y"])?.cache();
    table.count()?;
    timed(request, ctx, || {
        let windows = table.window(&["key"], ["id"])?.with_columns([
            row_number().alias("number"),
            col("id").lag(1).alias("before"),
            col("y").sum().over(Frame::Running).alias("so_far"),
        ])?;
        let windows = windows.cache();
        let rows = windows.count()?;
        let look = move |windows: &Table| {
            let (numbers, before) = (total(windows, "number")?, total(windows, "before")?);
            Ok(json!({"rows": rows, "checksum": numbers.wrapping_add(before)}))
        };
        Ok((windows, look))
    })
}

/// Runs a few times; what is looked at is outside of the clock.
fn timed<L: FnOnce(&Table) -> Outcome<Value>>(
    request: &Request,
    ctx: &Context,
    run: impl Fn() -> Outcome<(Table, L)>,
) -> Outcome<Value> {
    let mut seconds = Vec::new();
    let mut line = json!({});
    for _ in 0..RUNS {
        let start = Instant::now();
        let (table, look) = run()?;
        seconds.push(start.elapsed().as_secs_f64());
        line = look(&table)?;
    }
    seconds.sort_by(f64::total_cmp);
    line["task"] = json!(request.task);
    line["seconds"] = json!(seconds[RUNS / 2]);
    line["threads"] = json!(ctx.threads());
    Ok(line)
}

/// The sum of a column of whole numbers, around the end of 64 bits; nulls count as 0.
fn total(table: &Table, column: &'static str) -> Outcome<u64> {
    folded(table, column, |value| value)
}

fn squares(table: &Table, column: &'static str) -> Outcome<u64> {
    folded(table, column, |value| value.wrapping_mul(value))
}

fn folded(table: &Table, column: &'static str, of: fn(u64) -> u64) -> Outcome<u64> {
    let add = move |sum: u64, batch: &Batch| {
        let values = batch.as_record_batch().column_by_name(column);
        let values = values.and_then(|values| values.as_primitive_opt::<Int64Type>());
        let values = values.into_iter().flat_map(|values| values.iter().flatten());
        values.fold(sum, |sum, value| sum.wrapping_add(of(value as u64)))
    };
    Ok(table.batches().tree_aggregate(0, add, u64::wrapping_add)?)
}
