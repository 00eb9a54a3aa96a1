//! What the pipelines are made of: a line for each operator and action.
//!
//! A line has a name, the operator on a dataset, and the same on the rows as a plain vector, both
//! with a number `k` from 1 to 9. The rows must not depend on the partitions; where they do, or
//! where the operator may fail, there is no vector (`None`) and the run without faults is the
//! only measure.

use std::collections::BTreeMap;
use std::panic::resume_unwind;

use firesteel_core::{Context, Dataset, Error, Partitioner, Result, StorageLevel};

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
    ("persist in memory", |_, d, _| Ok(d.persist(StorageLevel::Memory)), |v, _| Some(v)),
    ("persist packed", |_, d, _| Ok(d.persist(StorageLevel::MemoryAndDiskPacked)), |v, _| Some(v)),
    ("persist packed in memory", |_, d, _| Ok(d.persist(StorageLevel::MemoryPacked)), |v, _| Some(v)),
    ("sort_by descending", |_, d, k| Ok(d.sort_by_descending(move |x| x % k)), |v, k| sorted(v, |x| std::cmp::Reverse(x % k))),
    ("sort_by_key", |_, d, k| Ok(d.key_by(move |x| x % k).sort_by_key().values()), |v, k| sorted(v, |x| x % k)),
    ("repartition", |_, d, k| Ok(d.repartition(k as usize)), |v, _| Some(v)),
    ("coalesce", |_, d, k| Ok(d.coalesce(k as usize)), |v, _| Some(v)),
    ("distinct", |_, d, _| Ok(d.distinct().sort_by(|x| *x)), |v, _| Some(unique(v))),
    ("intersection", |c, d, k| Ok(d.intersection(&some(c, k)).sort_by(|x| *x)), |v, k| Some(unique(kept(v, |x| few(k).contains(x))?))),
    ("subtract", |c, d, k| Ok(d.subtract(&some(c, k)).sort_by(|x| *x)), |v, k| sorted(kept(v, |x| !few(k).contains(x))?, |x| *x)),
    ("join", |c, d, k| Ok(joined(c, d, k)), |v, k| Some(joined_vec(v, k))),
    ("left_outer_join", |c, d, k| Ok(outer_joined(c, d, k)), |v, k| Some(outer_joined_vec(v, k))),
    ("semi_join", |c, d, k| Ok(d.key_by(|x| *x).semi_join(&some(c, k).map(|x| (x, ()))).values().sort_by(|x| *x)), |v, k| sorted(kept(v, |x| few(k).contains(x))?, |x| *x)),
    ("map_groups", |_, d, k| Ok(grouped(d, k)), |v, k| Some(grouped_vec(v, k))),
    ("group_by", |_, d, k| Ok(groups_joined(d, k)), |v, k| Some(grouped_vec(v, k))),
    ("aggregate_by_key", |_, d, k| Ok(longest(d, k)), |v, k| Some(longest_vec(v, k))),
    ("partition_by", |_, d, k| Ok(placed(d, k)), |v, k| sorted(v, move |x| x.rem_euclid(k))),
    ("sort within partitions", |_, d, k| Ok(placed_and_sorted(d, k)), |v, k| sorted(v, move |x| (x.rem_euclid(k), *x))),
    ("partition_by ranges", |_, d, k| Ok(d.key_by(|x| *x).partition_by(&Partitioner::range(k as usize)).values().sort_by(|x| *x)), |v, _| sorted(v, |x| *x)),
    ("sliding", |_, d, k| Ok(d.sliding(k as usize, 2)?.map(|w| w.into_iter().fold(0, later))), |v, k| Some(v.windows(k as usize).step_by(2).map(|w| w.iter().copied().fold(0, later)).collect())),
    ("cartesian", |c, d, k| Ok(d.cartesian(&c.parallelize_in(vec![1, k], 2)).map(|(x, y)| x ^ y)), |v, k| Some(v.into_iter().flat_map(|x| [x ^ 1, x ^ k]).collect())),
    ("checkpoint", |c, d, _| check_point(c, d), |v, _| Some(v)),
    ("zip", |_, d, k| Ok(d.zip(&d.map(move |x| x ^ k))?.map(|(x, y)| x.wrapping_add(y))), |v, k| each(v, |x| x.wrapping_add(x ^ k))),
    ("zip_partitions", |_, d, _| d.zip_partitions(&d, |a, b| a.chain(b.take(0))), |v, _| Some(v)),
    ("glom", |_, d, _| Ok(d.glom().flat_map_into(|rows, out| out.extend_from_slice(rows))), |v, _| Some(v)),
    ("flat_map_values", |_, d, k| Ok(d.key_by(|x| *x).flat_map_values(move |x| several(x, k)).values()), |v, k| Some(v.into_iter().flat_map(|x| several(x, k)).collect())),
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

/// Some numbers that rows may have, some of them twice.
fn few(k: i64) -> Vec<i64> {
    (-20 * k..20 * k).step_by(3).chain(0..k).collect()
}

fn some(ctx: &Context, k: i64) -> Rows {
    ctx.parallelize_in(few(k), 3)
}

fn unique(mut rows: Vec<i64>) -> Vec<i64> {
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// Partners of rows: keys modulo ten, some twice, some not there.
fn partners(k: i64) -> Vec<(i64, i64)> {
    (0..k).flat_map(|i| [(i, i * 100), (i / 2, i)]).collect()
}

fn joined(ctx: &Context, rows: Rows, k: i64) -> Rows {
    let partners = ctx.parallelize_in(partners(k), 2);
    let pairs = rows.key_by(|x| x.rem_euclid(10)).join(&partners);
    pairs.map(|(key, (x, y))| x.wrapping_mul(7) ^ y ^ key).sort_by(|x| *x)
}

fn joined_vec(rows: Vec<i64>, k: i64) -> Vec<i64> {
    let mut out = Vec::new();
    for x in rows {
        for (key, y) in partners(k) {
            if key == x.rem_euclid(10) {
                out.push(x.wrapping_mul(7) ^ y ^ key);
            }
        }
    }
    out.sort_unstable();
    out
}

fn outer_joined(ctx: &Context, rows: Rows, k: i64) -> Rows {
    let partners = ctx.parallelize_in(partners(k), 2);
    let pairs = rows.key_by(|x| x.rem_euclid(10)).left_outer_join(&partners);
    pairs.map(|(key, (x, y))| x.wrapping_mul(7) ^ y.unwrap_or(-1) ^ key).sort_by(|x| *x)
}

fn outer_joined_vec(rows: Vec<i64>, k: i64) -> Vec<i64> {
    let mut out = Vec::new();
    for x in rows {
        let key = x.rem_euclid(10);
        let found: Vec<i64> =
            partners(k).into_iter().filter(|(at, _)| *at == key).map(|(_, y)| y).collect();
        let found = if found.is_empty() { vec![-1] } else { found };
        out.extend(found.into_iter().map(|y| x.wrapping_mul(7) ^ y ^ key));
    }
    out.sort_unstable();
    out
}

/// A number for each group that depends on the order of its values.
fn folded(key: i64, values: impl Iterator<Item = i64>) -> i64 {
    values.fold(key, |sum, x| sum.wrapping_mul(31).wrapping_add(x))
}

fn grouped(rows: Rows, k: i64) -> Rows {
    let groups = rows.key_by(move |x| x.rem_euclid(k));
    groups.map_groups(|key, values| folded(*key, values)).sort_by(|x| *x)
}

fn groups_joined(rows: Rows, k: i64) -> Rows {
    let groups = rows.group_by(move |x| x.rem_euclid(k));
    groups
        .try_map(|(key, group)| Ok::<_, Error>(folded(key, group.to_vec()?.into_iter())))
        .sort_by(|x| *x)
}

fn by_key(rows: Vec<i64>, k: i64) -> BTreeMap<i64, Vec<i64>> {
    let mut groups: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for x in rows {
        groups.entry(x.rem_euclid(k)).or_default().push(x);
    }
    groups
}

fn grouped_vec(rows: Vec<i64>, k: i64) -> Vec<i64> {
    let groups = by_key(rows, k).into_iter();
    let mut out: Vec<i64> = groups.map(|(key, values)| folded(key, values.into_iter())).collect();
    out.sort_unstable();
    out
}

fn longest(rows: Rows, k: i64) -> Rows {
    let texts = rows.map(move |x| (x.rem_euclid(k).to_string(), x.to_string()));
    let longest = texts.aggregate_by_key(
        String::new(),
        |a: String, b: String| if b.len() > a.len() { b } else { a },
        |a, b| if b.len() > a.len() { b } else { a },
    );
    longest.map(|(_, text)| text.parse().unwrap_or(0)).sort_by(|x| *x)
}

fn longest_vec(rows: Vec<i64>, k: i64) -> Vec<i64> {
    // Of equally long texts the first.
    let first = |values: Vec<i64>| {
        let longest = values.iter().map(|x| x.to_string().len()).max().unwrap_or(0);
        values.into_iter().find(|x| x.to_string().len() == longest)
    };
    let mut out: Vec<i64> = by_key(rows, k).into_values().filter_map(first).collect();
    out.sort_unstable();
    out
}

fn placed(rows: Rows, k: i64) -> Rows {
    let own = Partitioner::own(k as usize, |key: &i64| *key as usize);
    rows.key_by(move |x| x.rem_euclid(k)).partition_by(&own).values()
}

fn placed_and_sorted(rows: Rows, k: i64) -> Rows {
    let own = Partitioner::own(k as usize, move |key: &i64| key.rem_euclid(k) as usize);
    rows.key_by(|x| *x).repartition_and_sort_within_partitions(&own).values()
}

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

/// Rows that are read from a folder, which goes with them.
fn check_point(ctx: &Context, rows: Rows) -> Result<Rows> {
    let mut held = None;
    let name = ctx.on_root(|| {
        let folder = tempfile::Builder::new().prefix(FOLDERS).tempdir();
        let folder = folder.map_err(|error| Error::file("the folder of checkpoints", error))?;
        let name = folder.path().join("rows").to_string_lossy().into_owned();
        held = Some(folder);
        Ok::<_, Error>(name)
    })?;
    let held = std::sync::Arc::new(held);
    Ok(rows.checkpoint(&name)?.map(move |x| {
        let _ = &held;
        x
    }))
}

/// How the names of folders of checkpoints begin.
pub(crate) const FOLDERS: &str = "firesteel-chaos-";

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
