//! What the pipelines are made of: a line for each operator and action.
//!
//! A line has a name, the operator on a dataset, and the same on the rows as a plain vector, both
//! with a number `k` from 1 to 9. The rows must not depend on the partitions; where they do, or
//! where the operator may fail, there is no vector (`None`) and the run without faults is the
//! only measure.

use std::collections::BTreeMap;
use std::panic::resume_unwind;

use firesteel_core::{Context, Dataset, Error, Result, StorageLevel};

type Rows = Dataset<i64>;

/// An operator: its name, on a dataset, on a vector.
pub(crate) type Operator =
    (&'static str, fn(&Context, Rows, i64) -> Result<Rows>, fn(Vec<i64>, i64) -> Option<Vec<i64>>);

/// An action: its name, on a dataset, on a vector; results as bits.
pub(crate) type Action =
    (&'static str, fn(&Rows, i64) -> Result<Vec<u64>>, fn(&[i64], i64) -> Option<Vec<u64>>);

#[rustfmt::skip]
pub(crate) const OPERATORS: &[Operator] = &[
    ("map", |_, d, k| Ok(d.map(move |x| step(x, k))), |v, k| each(v, |x| step(x, k))),
    ("map_ref", |_, d, k| Ok(d.map_ref(move |x| x ^ k)), |v, k| each(v, |x| x ^ k)),
    ("filter", |_, d, k| Ok(d.filter(move |x| x % (k + 1) != 0)), |v, k| kept(v, |x| x % (k + 1) != 0)),
    ("flat_map", |_, d, k| Ok(d.flat_map(move |x| several(x, k))), |v, k| Some(v.into_iter().flat_map(|x| several(x, k)).collect())),
    ("map_partitions", |_, d, k| Ok(d.map_partitions(move |rows| rows.map(move |x| x ^ k))), |v, k| each(v, |x| x ^ k)),
    ("union with itself", |_, d, _| Ok(d.union(&d)), |v, _| Some(v.repeat(2))),
    ("union", |c, d, k| Ok(d.union(&c.parallelize_in(vec![k; 5], 2))), |v, k| Some([v, vec![k; 5]].concat())),
    ("zip_with_index", |_, d, _| Ok(d.zip_with_index().map(|(x, i)| x.wrapping_add(i as i64))), |v, _| Some(v.into_iter().zip(0..).map(|(x, i)| x.wrapping_add(i)).collect())),
    ("sort_by", |_, d, k| Ok(d.sort_by(move |x| x % k)), |v, k| sorted(v, |x| x % k)),
    ("reduce_by_key", |_, d, k| Ok(summed(d, k * 7)), |v, k| summed_vec(v, k * 7)),
    ("recut", |_, d, k| recut(d, k as u64), |v, _| Some(v)),
    ("cache", |_, d, _| Ok(d.cache()), |v, _| Some(v)),
    ("persist on disk", |_, d, _| Ok(d.persist(StorageLevel::Disk)), |v, _| Some(v)),
    ("text on disk", |_, d, _| Ok(text_on_disk(d)), |v, _| Some(v)),
    ("sort_by text", |_, d, _| Ok(d.sort_by(i64::to_string)), |v, _| sorted(v, |x| x.to_string())),
    ("sample", |_, d, k| d.sample(0.1 * k as f64, k as u64), |_, _| None),
    ("random_split", |c, d, k| Ok(c.union(&d.random_split(&[0.3, 0.7], k as u64)?)), |_, _| None),
    ("refuse", |_, d, k| Ok(d.try_map(move |x| refused(x, k))), |_, _| None),
    ("panic", |_, d, k| Ok(d.map(move |x| refused(x, k).unwrap_or_else(|no| resume_unwind(Box::new(no))))), |_, _| None),
];

#[rustfmt::skip]
pub(crate) const ACTIONS: &[Action] = &[
    ("collect", |d, _| Ok(bits(&d.collect()?)), |v, _| Some(bits(v))),
    ("count", |d, _| Ok(vec![d.count()?]), |v, _| Some(vec![v.len() as u64])),
    ("take", |d, k| Ok(bits(&d.take(3 * k as usize)?)), |v, k| Some(bits(&v[..v.len().min(3 * k as usize)]))),
    ("top", |d, k| Ok(bits(&d.top(k as usize)?)), top),
    ("sum", |d, _| Ok(vec![d.map(|x| (x % 1000) as f64).sum()?.to_bits()]), |v, _| Some(vec![v.iter().map(|x| (x % 1000) as f64).fold(0.0, |a, b| a + b).to_bits()])),
    ("sum of fractions", |d, _| Ok(vec![d.map(|x| x as f64 * 0.1).sum()?.to_bits()]), |_, _| None),
    ("reduce", |d, _| Ok(bits(&Vec::from_iter(d.reduce(later)?))), |v, _| Some(bits(&Vec::from_iter(v.iter().copied().reduce(later))))),
    ("visit", visited, |v, _| Some(bits(v))),
];

/// How the words of a closure that fails begin.
pub(crate) const REFUSAL: &str = "no row may be";

fn step(x: i64, k: i64) -> i64 {
    x.wrapping_mul(3).wrapping_add(k)
}

fn several(x: i64, k: i64) -> impl Iterator<Item = i64> {
    (0..x.rem_euclid(k % 3 + 2)).map(move |i| x.wrapping_add(i))
}

/// Refuses some rows; the words are those of [`REFUSAL`].
fn refused(x: i64, k: i64) -> Result<i64, String> {
    if x % 101 == k { Err(format!("{REFUSAL} {x}")) } else { Ok(x) }
}

fn each(rows: Vec<i64>, f: impl Fn(i64) -> i64) -> Option<Vec<i64>> {
    Some(rows.into_iter().map(f).collect())
}

fn kept(mut rows: Vec<i64>, keep: impl Fn(&i64) -> bool) -> Option<Vec<i64>> {
    rows.retain(keep);
    Some(rows)
}

fn sorted<K: Ord>(mut rows: Vec<i64>, key: impl Fn(&i64) -> K) -> Option<Vec<i64>> {
    rows.sort_by_key(key);
    Some(rows)
}

fn summed(rows: Rows, keys: i64) -> Rows {
    rows.map(move |x| (x.rem_euclid(keys), x))
        .reduce_by_key(i64::wrapping_add)
        .sort_by(|(key, _)| *key)
        .map(|(key, sum)| key ^ sum)
}

fn summed_vec(rows: Vec<i64>, keys: i64) -> Option<Vec<i64>> {
    let mut sums = BTreeMap::<i64, i64>::new();
    for x in rows {
        let sum = sums.entry(x.rem_euclid(keys)).or_default();
        *sum = sum.wrapping_add(x);
    }
    Some(sums.into_iter().map(|(key, sum)| key ^ sum).collect())
}

fn recut(rows: Rows, each: u64) -> Result<Rows> {
    let blocks = rows.map_partitions(|rows| [rows.collect::<Vec<_>>()]);
    let rows_of = move |n: u64| (n / each).max(1);
    Ok(blocks
        .recut(Vec::len, |block, range| block[range].to_vec(), rows_of)?
        .flat_map(|block| block))
}

/// Rows that are not written as they lie in memory.
fn text_on_disk(rows: Rows) -> Rows {
    rows.map(|x| x.to_string())
        .persist(StorageLevel::Disk)
        .map(|text| text.parse().expect("it was a number"))
}

fn bits(rows: &[i64]) -> Vec<u64> {
    rows.iter().map(|x| *x as u64).collect()
}

fn top(rows: &[i64], k: i64) -> Option<Vec<u64>> {
    let mut rows = rows.to_vec();
    rows.sort_by(|a, b| b.cmp(a));
    rows.truncate(k as usize);
    Some(bits(&rows))
}

/// Associative, not commutative.
fn later(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { b }
}

fn visited(rows: &Rows, _: i64) -> Result<Vec<u64>> {
    let mut seen = Vec::new();
    rows.visit(|x| {
        seen.push(x as u64);
        Ok::<_, Error>(())
    })?;
    Ok(rows.context().broadcast(seen)?.to_vec())
}
