//! Work on more data than the memory budget: the answers must be those without a budget, and the
//! peak of the process below it and a little (measured from outside, by `.ci/run`).

use std::error::Error;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Instant;

use firesteel::core::hash::mix;
use firesteel::prelude::*;
use serde_json::{Value, json};

use crate::Request;

/// Bytes of the data, unless `--rows` says how many rows there are.
const BYTES: u64 = 4 << 30;

/// Folds what a dataset has into a number that depends on every bit, and counts its rows.
type Sum = (u64, u64);

fn joined(a: Sum, b: Sum) -> Sum {
    (a.0 + b.0, a.1.wrapping_mul(31).wrapping_add(b.1))
}

fn scrambled(ctx: &Context, rows: u64) -> Dataset<(u64, u64)> {
    ctx.range(0..rows).map(|i| (mix(i), i))
}

fn sorted(ctx: &Context, rows: u64) -> Result<Sum, Box<dyn Error>> {
    let sorted = scrambled(ctx, rows).sort_by(|row| row.0);
    // Each partition's rows in order, and none before the partition before it.
    let spans = sorted.map_partitions(|rows| {
        let (mut n, mut sum, mut first, mut last, mut in_order) = (0, 0_u64, u64::MAX, 0, true);
        for (key, value) in rows {
            in_order &= last <= key;
            first = first.min(key);
            last = key;
            n += 1;
            sum = sum.wrapping_mul(31).wrapping_add(key ^ value);
        }
        [(n, sum, first, last, in_order)]
    });
    let mut all = (0, 0);
    let mut last = 0;
    for (n, sum, first, end, in_order) in spans.collect()? {
        if n > 0 {
            if !in_order || first < last {
                return Err("the rows are not in order".into());
            }
            last = end;
        }
        all = joined(all, (n, sum));
    }
    Ok(all)
}

fn distinct_keys(ctx: &Context, rows: u64) -> Result<Sum, Box<dyn Error>> {
    let sums = scrambled(ctx, rows).reduce_by_key(u64::wrapping_add);
    Ok(sums.aggregate(
        (0, 0),
        |(n, sum), (k, v)| (n + 1, sum.wrapping_add(k ^ mix(!*v))),
        joined,
    )?)
}

fn floats(ctx: &Context, rows: u64) -> Result<Sum, Box<dyn Error>> {
    let keys = (rows / 1000).max(1);
    let pairs = ctx.range(0..rows).map(move |i| (mix(i) % keys, (mix(!i) >> 11) as f64 / 3.0));
    let sums = pairs.reduce_by_key(|a, b| a + b);
    let add = |(n, sum): Sum, (k, v): &(u64, f64)| (n + 1, sum.wrapping_add(mix(k ^ v.to_bits())));
    Ok(sums.aggregate((0, 0), add, joined)?)
}

/// Rows of 1000 numbers each, of which a thousand have the same key.
fn vectors(ctx: &Context, rows: u64) -> Result<Sum, Box<dyn Error>> {
    let keys = (rows / 1000).max(1);
    let pairs = ctx.range(0..rows).map(move |i| {
        let key = mix(i) % keys;
        (key, (0..1000).map(|at| (mix(i ^ (at << 40)) >> 11) as f64 / 3.0).collect::<Vec<f64>>())
    });
    let sums = pairs.reduce_by_key(|mut a, b| {
        a.iter_mut().zip(&b).for_each(|(a, b)| *a += b);
        a
    });
    let add = |(n, sum): Sum, (k, v): &(u64, Vec<f64>)| {
        let bits = v.iter().fold(*k, |sum, x| mix(sum ^ x.to_bits()));
        (n + 1, sum.wrapping_add(bits))
    };
    Ok(sums.aggregate((0, 0), add, joined)?)
}

fn giant(ctx: &Context, rows: u64) -> Result<Sum, Box<dyn Error>> {
    let one = ctx.range(0..rows).map(|i| (7_u64, mix(i)));
    let sums = one.map_groups(|_, values| {
        values.fold((0, 0_u64), |(n, sum), v| (n + 1, sum.wrapping_mul(31).wrapping_add(v)))
    });
    Ok(sums.reduce(joined)?.ok_or("no group")?)
}

fn join(ctx: &Context, rows: u64) -> Result<Sum, Box<dyn Error>> {
    let half = rows / 2;
    let left = ctx.range(0..half).map(move |i| (mix(i) % half, i));
    let right = ctx.range(0..half).map(move |i| (mix(!i) % half, i));
    let add = |(n, sum): Sum, (k, (a, b)): &(u64, (u64, u64))| {
        (n + 1, sum.wrapping_add(mix(k ^ mix(*a) ^ b)))
    };
    Ok(left.join(&right).aggregate((0, 0), add, joined)?)
}

/// One of the tasks on generated data.
pub(crate) fn run(ctx: &Context, request: &Request) -> Result<Value, Box<dyn Error>> {
    let task = request.level.as_str();
    let (work, bytes): (fn(&Context, u64) -> Result<Sum, Box<dyn Error>>, u64) = match task {
        "sort" => (sorted, 16),
        "distinct_keys" => (distinct_keys, 16),
        "floats" => (floats, 16),
        "vectors" => (vectors, 8024),
        "giant" => (giant, 16),
        "join" => (join, 16),
        other => return Err(format!("no level `{other}` of spill").into()),
    };
    let rows = request.rows.unwrap_or(BYTES / bytes);
    let start = Instant::now();
    let (n, sum) = work(ctx, rows)?;
    Ok(json!({
        "task": "spill", "level": task, "rows": rows, "bytes": rows * bytes, "answer": n, "checksum": sum,
        "seconds": start.elapsed().as_secs_f64(), "limit_mib": request.limit, "threads": ctx.threads(),
    }))
}

/// The pairs of `kv_key.npy` and `kv_val.npy`, read from the files whenever they are needed.
fn pairs_on_disk(ctx: &Context, folder: &Path) -> Result<Dataset<(u64, u64)>, Box<dyn Error>> {
    const EACH: u64 = 1 << 18;
    let paths = ["kv_key.npy", "kv_val.npy"].map(|name| folder.join(name));
    let rows = (std::fs::metadata(&paths[0])?.len() - 128) / 8;
    let column = |path: &Path, first: u64, count: u64| -> std::io::Result<Vec<u64>> {
        let mut file = File::open(path)?;
        // The head of these files has 128 bytes.
        file.seek(SeekFrom::Start(128 + first * 8))?;
        let mut bytes = Vec::new();
        file.take(count * 8).read_to_end(&mut bytes)?;
        let (numbers, _) = bytes.as_chunks::<8>();
        Ok(numbers.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect())
    };
    let partitions = rows.div_ceil(EACH) as usize;
    Ok(ctx.generate("pairs on disk", partitions, move |p| {
        let first = p as u64 * EACH;
        let count = EACH.min(rows - first);
        let named =
            |error: std::io::Error| firesteel::core::Error::file(paths[0].to_string_lossy(), error);
        let keys = column(&paths[0], first, count).map_err(named)?;
        let values = column(&paths[1], first, count).map_err(named)?;
        Ok(keys.into_iter().zip(values).map(Ok::<_, firesteel::core::Error>))
    }))
}

/// Sums by key and a sort of the pairs in the files, under a budget.
pub(crate) fn shuffle(ctx: &Context, request: &Request) -> Result<Value, Box<dyn Error>> {
    let data = pairs_on_disk(ctx, &request.folder)?;
    let start = Instant::now();
    let add = |(n, sum): Sum, (k, v): &(u64, u64)| (n + 1, sum.wrapping_add(k.wrapping_mul(*v)));
    let both = |a: Sum, b: Sum| (a.0 + b.0, a.1.wrapping_add(b.1));
    let (groups, checksum) = data.reduce_by_key(u64::wrapping_add).aggregate((0, 0), add, both)?;
    let sums = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let sorted = data.sort_by(|row| row.0).zip_with_index();
    let order = sorted.aggregate(
        0,
        |sum: u64, ((key, _), at)| sum.wrapping_add(at.wrapping_mul(*key)),
        u64::wrapping_add,
    )?;
    Ok(json!({
        "task": "shuffle_spill", "groups": groups, "sums": checksum, "checksum": order,
        "sums_seconds": sums, "sort_seconds": start.elapsed().as_secs_f64(),
        "seconds": sums + start.elapsed().as_secs_f64(),
        "limit_mib": request.limit, "threads": ctx.threads(),
    }))
}
