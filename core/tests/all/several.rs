//! Operators on three and four datasets, ranges with a step, descending sorts: each against loops over
//! vectors, on one rank and on three.

use std::collections::{BTreeMap, BTreeSet};

use firesteel_core::testing::on_ranks_with;
use firesteel_core::{Context, Dataset, Error, TotalF64};

/// On 1 and 3 ranks, with and without a limit to memory; all must get what `expected` is.
fn everywhere<R: PartialEq + std::fmt::Debug + Send>(
    expected: &R,
    program: impl Fn(&Context) -> R + Sync,
) {
    for ranks in [1, 3] {
        for limit in [None, Some(100)] {
            let set_up = |builder: firesteel_core::Builder| match limit {
                Some(bytes) => builder.threads(2).memory_limit(bytes),
                None => builder.threads(2),
            };
            for found in on_ranks_with(ranks, set_up, &program) {
                assert!(found == *expected, "{ranks} ranks, {limit:?}: {found:?}");
            }
        }
    }
}

type Pairs = Vec<(u64, u64)>;

fn pairs(rows: u64, keys: u64, salt: u64) -> Pairs {
    (0..rows).map(|i| (i * i % keys + salt, i * 10 + salt)).collect()
}

fn groups(of: &[&Pairs]) -> Vec<(u64, Vec<Vec<u64>>)> {
    let keys: BTreeSet<u64> = of.iter().flat_map(|rows| rows.iter().map(|row| row.0)).collect();
    let with =
        |key: u64, rows: &Pairs| rows.iter().filter(|row| row.0 == key).map(|row| row.1).collect();
    keys.into_iter().map(|key| (key, of.iter().map(|rows| with(key, rows)).collect())).collect()
}

#[test]
fn cogroups_of_three_and_four_are_those_of_loops() {
    let rows = [pairs(300, 17, 0), pairs(40, 11, 3), pairs(90, 23, 5), pairs(7, 5, 14)];
    let three = groups(&[&rows[0], &rows[1], &rows[2]]);
    let four = groups(&[&rows[0], &rows[1], &rows[2], &rows[3]]);
    everywhere(&(three, four), |ctx| {
        let [a, b, c, d] = [0, 1, 2, 3].map(|i| ctx.parallelize_in(rows[i].clone(), 2 + i));
        let three = a.cogroup3(&b, &c).try_map(|(key, (a, b, c))| {
            Ok::<_, Error>((key, vec![a.to_vec()?, b.to_vec()?, c.to_vec()?]))
        });
        let four = a.cogroup4(&b, &c, &d).try_map(|(key, (a, b, c, d))| {
            Ok::<_, Error>((key, vec![a.to_vec()?, b.to_vec()?, c.to_vec()?, d.to_vec()?]))
        });
        let in_order = |groups: Dataset<(u64, Vec<Vec<u64>>)>| {
            groups.sort_by(|group| group.0).collect().expect("a clean run")
        };
        (in_order(three), in_order(four))
    });
}

#[test]
fn partitions_of_four_are_seen_together() {
    let expected: Vec<(u64, u64)> = vec![(0, 4), (1, 8), (2, 12)];
    everywhere(&expected, |ctx| {
        let part = |rows: u64| ctx.range_in(0..rows, 3);
        let sizes = part(3).zip_partitions4(&part(6), &part(9), &part(12), |a, b, c, d| {
            let first = a.min().expect("a partition with rows");
            let counts = [1, b.count() as u64 / 2, c.count() as u64 / 3, d.count() as u64 / 4];
            [(first, (first + 1) * counts.iter().sum::<u64>())]
        });
        sizes.and_then(|sizes| sizes.collect()).expect("a clean run")
    });
    let ctx = Context::local();
    let part = |partitions| ctx.range_in(0..9, partitions);
    let refused = part(3).zip_partitions4(&part(3), &part(3), &part(4), |a, _, _, _| a);
    assert!(matches!(refused.map(|_| ()), Err(Error::Parameter { name, .. }) if name == "fourth"));
}

#[test]
fn ranges_with_a_step_are_those_of_the_standard_library() {
    let ranges = [(0, 10, 3), (5, 5, 1), (7, -8, -5), (-3, 9, 4), (9, 0, 2), (0, 1, i64::MAX)];
    let expected: Vec<Vec<i64>> = ranges
        .iter()
        .map(|&(start, end, step)| {
            let next = |x: &i64| x.checked_add(step);
            let before = |x: &i64| if step > 0 { *x < end } else { *x > end };
            std::iter::successors(Some(start), next).take_while(before).collect()
        })
        .collect();
    everywhere(&expected, |ctx| {
        let collected = ranges.iter().map(|&(start, end, step)| {
            ctx.range_by(start, end, step).and_then(|rows| rows.collect()).expect("a clean run")
        });
        collected.collect()
    });
    let ctx = Context::local();
    let ends = ctx.range_by(i64::MIN, i64::MAX, i64::MAX).and_then(|rows| rows.collect());
    assert_eq!(ends, Ok(vec![i64::MIN, -1, i64::MAX - 1]));
    let refused = ctx.range_by(0, 1, 0).map(|_| ());
    assert!(matches!(refused, Err(Error::Parameter { name, .. }) if name == "step"));
}

#[test]
fn descending_sorts_are_stable_and_floats_can_be_keys() {
    let rows = pairs(500, 13, 0);
    let mut expected = rows.clone();
    expected.sort_by_key(|row| std::cmp::Reverse(row.0));
    everywhere(&expected, |ctx| {
        let sorted = ctx.parallelize_in(rows.clone(), 7).sort_by_key_descending();
        sorted.collect().expect("a clean run")
    });
    let floats = |i: u64| match i % 7 {
        0 => f64::NAN,
        1 => -0.0,
        2 => 0.0,
        _ => (i as f64 - 300.0) / 8.0,
    };
    let mut counts: BTreeMap<TotalF64, u64> = BTreeMap::new();
    (0..500).for_each(|i| *counts.entry(TotalF64(floats(i))).or_default() += 1);
    let expected: Vec<(u64, u64)> = counts.into_iter().map(|(x, n)| (x.0.to_bits(), n)).collect();
    everywhere(&expected, |ctx| {
        let keyed = ctx.range_in(0..500, 5).map(move |i| (TotalF64(floats(i)), 1));
        let counts = keyed.reduce_by_key(|a, b| a + b).sort_by_key();
        counts.map(|(x, n)| (x.0.to_bits(), n)).collect().expect("a clean run")
    });
}

#[test]
fn an_exact_sample_by_key_stays_placed_and_has_the_smallest_draws() {
    let fractions: BTreeMap<u64, f64> = [(0, 0.25), (1, 1.0), (2, 0.0), (3, 0.001)].into();
    let rows: Pairs = (0..2_000).map(|i| (i % 5, i)).collect();
    let expected = vec![(0, 100), (1, 400), (3, 1)];
    everywhere(&expected, |ctx| {
        let placed =
            ctx.parallelize_in(rows.clone(), 6).partition_by(&firesteel_core::Partitioner::hash(4));
        let some = placed.sample_by_key_exact(&fractions, 7).expect("a clean run");
        // What is placed is joined without a shuffle.
        let plan = some.join(&placed).explain();
        assert!(plan.contains("stage 1: partition_by") && !plan.contains("stage 2"), "{plan}");
        Vec::from_iter(some.count_by_key().expect("a clean run"))
    });
}
