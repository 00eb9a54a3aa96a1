//! A Parquet file into memory, whole and by a filter.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray};
use firesteel::core::hash::mix;
use firesteel::prelude::*;
use firesteel::table::{Batch, ParquetReader, ParquetWriter};
use serde_json::{Value, json};

use crate::Request;

/// Runs; the median counts.
const RUNS: usize = 3;
/// Rows of the file, unless the command line says something else.
const ROWS: u64 = 10_000_000;
/// Rows in a batch.
const BATCH: u64 = 8192;

/// Reads all of `table.parquet` into memory, then the hundredth part of its rows by a filter. The
/// file is made if it is not there, outside of the clock.
pub(crate) fn run(ctx: &Context, request: &Request) -> Result<Value, Box<dyn Error>> {
    let path = request.folder.join("table.parquet");
    make(ctx, request, &path)?;
    let (mut seconds, mut filtered) = (Vec::new(), Vec::new());
    let mut answer = (0, 0, 0);
    for _ in 0..RUNS {
        let start = Instant::now();
        let table = ParquetReader::new(&path).read(ctx)?.cache();
        let rows = table.count()?;
        seconds.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let few = col("id").lt(i64::try_from(rows / 100)?);
        let few = ParquetReader::new(&path).filter(few).read(ctx)?.cache().count()?;
        filtered.push(start.elapsed().as_secs_f64());
        answer = (rows, few, checksum(&table)?);
    }
    for seconds in [&mut seconds, &mut filtered] {
        seconds.sort_by(f64::total_cmp);
    }
    Ok(json!({
        "task": request.task,
        "seconds": seconds[RUNS / 2],
        "filtered_seconds": filtered[RUNS / 2],
        "rows": answer.0,
        "filtered_rows": answer.1,
        "checksum": answer.2,
        "bytes": std::fs::metadata(&path)?.len(),
        "threads": ctx.threads(),
    }))
}

/// Makes the file if it is not there.
pub(crate) fn make(ctx: &Context, request: &Request, path: &Path) -> Result<(), Box<dyn Error>> {
    if !path.exists() {
        let rows = request.rows.unwrap_or(ROWS);
        ParquetWriter::new().write(&made(ctx, rows)?, path)?;
    }
    Ok(())
}

/// The sum of all keys, around the end of 64 bits.
fn checksum(table: &Table) -> Result<u64, Box<dyn Error>> {
    let add = |sum: u64, batch: &Batch| {
        let keys = batch.as_record_batch().column_by_name("key");
        let keys = keys.and_then(|keys| keys.as_primitive_opt::<Int64Type>());
        let keys = keys.map_or(&[][..], |keys| keys.values());
        keys.iter().fold(sum, |sum, key| sum.wrapping_add(*key as u64))
    };
    Ok(table.batches().tree_aggregate(0, add, u64::wrapping_add)?)
}

/// A rising number, a key of a million values, two floats and one of a thousand texts.
fn made(ctx: &Context, rows: u64) -> Result<Table, Box<dyn Error>> {
    let types = [
        ("id", Type::I64),
        ("key", Type::I64),
        ("x", Type::F64),
        ("y", Type::F64),
        ("text", Type::String),
    ];
    let schema = Schema::of(types)?;
    let to = schema.clone();
    let starts = ctx.range(0..rows.div_ceil(BATCH));
    let batches = starts.try_map(move |start: u64| {
        let ids = start * BATCH..((start + 1) * BATCH).min(rows);
        let float = |draw: u64| (draw >> 11) as f64 / (1_u64 << 53) as f64;
        let texts = ids.clone().map(|id| format!("text {}", mix(id ^ 3) % 1000));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(ids.clone().map(|id| id as i64))),
            Arc::new(Int64Array::from_iter_values(
                ids.clone().map(|id| (mix(id) % 1_000_000) as i64),
            )),
            Arc::new(Float64Array::from_iter_values(ids.clone().map(|id| float(mix(id ^ 1))))),
            Arc::new(Float64Array::from_iter_values(
                ids.clone().map(|id| (float(mix(id ^ 2)) * 1e4).round()),
            )),
            Arc::new(StringArray::from_iter_values(texts)),
        ];
        to.batch(columns, (ids.end - ids.start) as usize).map(Batch)
    });
    Ok(Table::from_dataset(schema, batches))
}
