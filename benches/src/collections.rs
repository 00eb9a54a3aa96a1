//! Collections: words, sums by key, a sort, ten passes over a cache; each next to a plain loop on
//! bare rayon in the same process, answers compared.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::hash::Hash;
use std::time::Instant;

use compact_str::CompactString;
use firesteel::prelude::*;
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::{Request, input};

/// Runs of each side; the median counts.
const RUNS: usize = 3;
/// Partitions of the inputs: several for each thread, so that none waits long for another.
const PARTITIONS: usize = 32;
/// Numbers of the cached collection: 2 GiB.
const CACHED: u64 = 1 << 28;

/// Times both sides in turns and compares what they answer.
fn side_by_side<A: PartialEq + std::fmt::Debug + Send>(
    request: &Request,
    ctx: &Context,
    mut ours: impl FnMut() -> Result<A, Box<dyn Error>>,
    bare: impl Fn() -> Result<A, Box<dyn Error>> + Sync + Send,
) -> Result<(A, Value), Box<dyn Error>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(ctx.threads()).build()?;
    let (mut here, mut there) = (Vec::new(), Vec::new());
    let mut answer = None;
    for _ in 0..RUNS {
        let start = Instant::now();
        let got = ours()?;
        here.push(start.elapsed().as_secs_f64());
        if !request.alone {
            let start = Instant::now();
            let expected = pool.install(|| bare().map_err(|error| error.to_string()))?;
            there.push(start.elapsed().as_secs_f64());
            if got != expected {
                return Err(format!("answers differ: {got:?} and {expected:?}").into());
            }
        }
        answer = Some(got);
    }
    let answer = answer.ok_or("no run")?;
    let mut line = json!({
        "task": request.task,
        "seconds": median(&mut here),
        "threads": ctx.threads(),
    });
    if !there.is_empty() {
        line["rayon_seconds"] = json!(median(&mut there));
        line["ratio"] = json!(median(&mut here) / median(&mut there));
    }
    Ok((answer, line))
}

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// How often each word occurs in `words.txt`, read from the file.
pub(crate) fn words(ctx: &Context, request: &Request) -> Result<Value, Box<dyn Error>> {
    let path = request.folder.join("words.txt");
    let name = path.to_str().ok_or("the folder has no name in UTF-8")?;
    let ours = || {
        let words = ctx.text_file_into(name, |line, out| {
            // Short words need no memory of their own.
            let words = line.split_ascii_whitespace();
            out.extend(words.map(|word| (CompactString::from(word), 1_u64)));
        })?;
        let counts = words.reduce_by_key(|a, b| a + b);
        Ok(counts.aggregate((0, 0), |(n, sum), (_, count)| (n + 1, sum + count), both)?)
    };
    let bare = || {
        let text = fs::read_to_string(&path)?;
        let counts = text.par_lines().fold(HashMap::new, |mut counts, line| {
            for word in line.split_ascii_whitespace() {
                *counts.entry(word).or_insert(0_u64) += 1;
            }
            counts
        });
        let counts = counts.reduce(HashMap::new, merged);
        Ok((counts.len() as u64, counts.values().sum()))
    };
    let ((distinct, total), mut line) = side_by_side(request, ctx, ours, bare)?;
    line["distinct"] = json!(distinct);
    line["total"] = json!(total);
    Ok(line)
}

fn both(a: (u64, u64), b: (u64, u64)) -> (u64, u64) {
    (a.0 + b.0, a.1.wrapping_add(b.1))
}

#[expect(clippy::iter_over_hash_type, reason = "sums of whole numbers do not depend on the order")]
fn merged<K: Hash + Eq>(a: HashMap<K, u64>, b: HashMap<K, u64>) -> HashMap<K, u64> {
    let (mut large, small) = if a.len() < b.len() { (b, a) } else { (a, b) };
    for (key, value) in small {
        let sum = large.entry(key).or_insert(0);
        *sum = sum.wrapping_add(value);
    }
    large
}

fn pairs(request: &Request) -> Result<Vec<(u64, u64)>, Box<dyn Error>> {
    let keys = input::numbers(&request.folder, "kv_key.npy")?;
    let values = input::numbers(&request.folder, "kv_val.npy")?;
    Ok(keys.into_iter().zip(values).collect())
}

/// Sums by key.
pub(crate) fn reduce_by_key(ctx: &Context, request: &Request) -> Result<Value, Box<dyn Error>> {
    let rows = pairs(request)?;
    let plain = if request.alone { Vec::new() } else { rows.clone() };
    let data = ctx.parallelize_in(rows, PARTITIONS);
    let add = |(n, sum): (u64, u64), (key, value): &(u64, u64)| {
        (n + 1, sum.wrapping_add(key.wrapping_mul(*value)))
    };
    let ours = || {
        let sums = data.reduce_by_key(|a, b| a.wrapping_add(b));
        Ok(sums.aggregate((0, 0), add, both)?)
    };
    let bare = || {
        let sums =
            plain.par_iter().fold(HashMap::new, |mut sums: HashMap<u64, u64>, (key, value)| {
                let sum = sums.entry(*key).or_insert(0);
                *sum = sum.wrapping_add(*value);
                sums
            });
        let sums = sums.reduce(HashMap::new, merged);
        Ok(sums.into_iter().fold((0, 0), |sum, row| add(sum, &row)))
    };
    let ((groups, checksum), mut line) = side_by_side(request, ctx, ours, bare)?;
    line["groups"] = json!(groups);
    line["checksum"] = json!(checksum);
    Ok(line)
}

/// The pairs by key.
pub(crate) fn sort(ctx: &Context, request: &Request) -> Result<Value, Box<dyn Error>> {
    let rows = pairs(request)?;
    let plain = if request.alone { Vec::new() } else { rows.clone() };
    let data = ctx.parallelize_in(rows, PARTITIONS);
    let ours = || {
        let sorted = data.sort_by(|(key, _)| *key).zip_with_index();
        let term =
            |sum: u64, ((key, _), at): &((u64, u64), u64)| sum.wrapping_add(at.wrapping_mul(*key));
        Ok(sorted.aggregate(0, term, u64::wrapping_add)?)
    };
    let bare = || {
        let mut rows = plain.clone();
        rows.par_sort_by_key(|(key, _)| *key);
        let terms =
            rows.par_iter().enumerate().map(|(at, (key, _))| (at as u64).wrapping_mul(*key));
        Ok(terms.reduce(|| 0, u64::wrapping_add))
    };
    let (checksum, mut line) = side_by_side(request, ctx, ours, bare)?;
    line["checksum"] = json!(checksum);
    Ok(line)
}

/// The rows of two sides that have the same key; a row's value is its number.
pub(crate) fn join(ctx: &Context, request: &Request) -> Result<Value, Box<dyn Error>> {
    let side = |name: &str| -> Result<Vec<(u64, u64)>, Box<dyn Error>> {
        Ok(input::numbers(&request.folder, name)?.into_iter().zip(0..).collect())
    };
    let (left, right) = (side("join_left.npy")?, side("join_right.npy")?);
    let plain = if request.alone { Default::default() } else { (left.clone(), right.clone()) };
    let left = ctx.parallelize_in(left, PARTITIONS);
    let right = ctx.parallelize_in(right, PARTITIONS);
    let add = |(n, sum): (u64, u64), (key, a, b): (u64, u64, u64)| {
        (n + 1, sum.wrapping_add(key ^ a.wrapping_mul(b)))
    };
    let ours = || {
        let rows = left.join(&right);
        Ok(rows.aggregate((0, 0), |sum, (key, (a, b))| add(sum, (*key, *a, *b)), both)?)
    };
    // A table of one side and a loop over the other: what one writes without a library.
    let bare = || {
        let (left, right) = &plain;
        let mut table: HashMap<u64, Vec<u64>> = HashMap::with_capacity(right.len());
        for (key, value) in right {
            table.entry(*key).or_default().push(*value);
        }
        let found = left.par_iter().fold(
            || (0, 0),
            |sum, (key, a)| {
                let partners = table.get(key).map_or(&[][..], Vec::as_slice);
                partners.iter().fold(sum, |sum, b| add(sum, (*key, *a, *b)))
            },
        );
        Ok(found.reduce(|| (0, 0), both))
    };
    let ((rows, checksum), mut line) = side_by_side(request, ctx, ours, bare)?;
    line["rows"] = json!(rows);
    line["checksum"] = json!(checksum);
    Ok(line)
}

/// Ten passes over 2 GiB of numbers that are kept in memory.
pub(crate) fn cache(ctx: &Context, request: &Request) -> Result<Value, Box<dyn Error>> {
    let numbers = request.rows.unwrap_or(CACHED);
    let kept = ctx.range_in(0..numbers, PARTITIONS).map(|i| i ^ (i >> 7)).cache();
    kept.count()?;
    let plain: Vec<u64> = match request.alone {
        true => Vec::new(),
        false => (0..numbers).map(|i| i ^ (i >> 7)).collect(),
    };
    let pass = |sum: u64, at: u64| sum.wrapping_mul(31).wrapping_add(at);
    let ours = || {
        (0..10).try_fold(0, |sum, _| {
            let one = kept.aggregate(0, |a: u64, b| a.wrapping_add(*b), u64::wrapping_add)?;
            Ok(pass(sum, one))
        })
    };
    let bare = || {
        Ok((0..10)
            .fold(0, |sum, _| pass(sum, plain.par_iter().copied().reduce(|| 0, u64::wrapping_add))))
    };
    let (checksum, mut line) = side_by_side(request, ctx, ours, bare)?;
    line["checksum"] = json!(checksum);
    Ok(line)
}
