//! Operators on keys against the same on plain vectors and maps, over partitions, ranks, threads and
//! memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use firesteel_core::hash::mix;
use firesteel_core::testing::on_ranks_with;
use firesteel_core::{Context, Dataset, Error, Group, Partitioner, StorageLevel};

/// Runs a program on every shape of machine, which must give the same, and returns it.
pub(crate) fn everywhere<R: Send + PartialEq + Debug>(program: impl Fn(&Context) -> R + Sync) -> R {
    let alone = program(&Context::builder().threads(1).build().expect("the defaults are valid"));
    for (ranks, threads, limit) in [
        (1, 2, Some(40_000)),
        (1, 2, Some(4_000_000)),
        (3, 1, None),
        (3, 2, Some(100_000)),
        (2, 1, Some(1)),
    ] {
        let results = on_ranks_with(
            ranks,
            |builder| match limit {
                Some(limit) => builder.threads(threads).memory_limit(limit),
                None => builder.threads(threads),
            },
            &program,
        );
        for result in results {
            assert_eq!(result, alone, "{ranks} ranks, {threads} threads, limit {limit:?}");
        }
    }
    alone
}

/// Pairs with repeated keys, some of them in most rows.
fn pairs(rows: u64, keys: u64) -> Vec<(u64, f64)> {
    (0..rows)
        .map(|i| {
            let draw = mix(i);
            let key = if draw.is_multiple_of(3) { 7 % keys } else { draw % keys };
            (key, (draw >> 40) as f64 / 3.0)
        })
        .collect()
}

fn words(rows: u64, keys: u64) -> Vec<(String, Vec<u32>)> {
    (0..rows).map(|i| (format!("w{}", mix(i) % keys), vec![i as u32; (i % 5) as usize])).collect()
}

fn bits(rows: Vec<(u64, f64)>) -> Vec<(u64, u64)> {
    rows.into_iter().map(|(key, x)| (key, x.to_bits())).collect()
}

/// The values of each key, in order.
fn groups<K: Ord + Clone, V: Clone>(rows: &[(K, V)]) -> BTreeMap<K, Vec<V>> {
    let mut groups: BTreeMap<K, Vec<V>> = BTreeMap::new();
    for (key, value) in rows {
        groups.entry(key.clone()).or_default().push(value.clone());
    }
    groups
}

#[test]
fn sums_by_key_are_those_of_a_map_and_the_same_bits_everywhere() {
    for (rows, keys, partitions) in [(0, 1, 3), (1, 1, 1), (5_000, 40, 7), (60_000, 30_000, 4)] {
        let rows = pairs(rows, keys);
        let sums = everywhere(|ctx| {
            let data = ctx.parallelize_in(rows.clone(), partitions);
            bits(data.reduce_by_key(|a, b| a + b).collect().unwrap())
        });
        let expected = groups(&rows);
        assert_eq!(sums.len(), expected.len());
        for (key, sum) in sums {
            let exact: f64 = expected[&key].iter().sum();
            assert!((f64::from_bits(sum) - exact).abs() <= 1e-9 * exact.abs());
        }
    }
}

#[test]
fn many_rows_of_one_partition_are_cut_into_slots_alike_everywhere() {
    let rows = pairs(400_000, 90_000);
    let sums = everywhere(|ctx| {
        let data = ctx.parallelize_in(rows.clone(), 2);
        let sums = bits(data.reduce_by_key(|a, b| a + b).collect().unwrap());
        let sizes = data.map_groups(|key, values| (*key, values.count())).collect().unwrap();
        (sums, sizes)
    });
    let expected = groups(&rows);
    assert_eq!(sums.0.len(), expected.len());
    assert_eq!(sums.1.len(), expected.len());
    assert!(sums.1.iter().all(|(key, size)| expected[key].len() == *size));
    // One key in a third of the rows, all the rest in others.
    assert!(expected[&7].len() > 100_000);
}

#[test]
fn combiners_of_another_type_fold_in_order() {
    let rows = words(3_000, 50);
    let lists = everywhere(|ctx| {
        let data = ctx.parallelize_in(rows.clone(), 5);
        let combined = data.combine_by_key(
            |v| vec![v],
            |mut all: Vec<Vec<u32>>, v| {
                all.push(v);
                all
            },
            |mut a, mut b| {
                a.append(&mut b);
                a
            },
        );
        let longest = data.aggregate_by_key(0, |n, v: Vec<u32>| n.max(v.len()), usize::max);
        let all = data.map_values_len().fold_by_key(0, |a, b| a + b);
        (combined.collect().unwrap(), longest.collect().unwrap(), all.collect().unwrap())
    });
    let expected = groups(&rows);
    assert_eq!(lists.0.iter().cloned().collect::<BTreeMap<_, _>>(), expected);
    for (key, n) in lists.1 {
        assert_eq!(n, expected[&key].iter().map(Vec::len).max().unwrap());
    }
    for (key, n) in lists.2 {
        assert_eq!(n, expected[&key].iter().map(Vec::len).sum::<usize>());
    }
}

trait Lengths {
    fn map_values_len(&self) -> Dataset<(String, usize)>;
}

impl Lengths for Dataset<(String, Vec<u32>)> {
    fn map_values_len(&self) -> Dataset<(String, usize)> {
        self.map_ref(|(key, value)| (key.clone(), value.len()))
    }
}

#[test]
fn groups_have_all_values_in_order() {
    let rows = words(20_000, 100);
    let expected = groups(&rows);
    let found = everywhere(|ctx| {
        let data = ctx.parallelize_in(rows.clone(), 4);
        let groups = data.group_by_key();
        // Twice: what was shuffled is kept, what is grouped is not.
        assert_eq!(groups.count().unwrap(), 100);
        let read = |(key, group): (String, Group<Vec<u32>>)| {
            let all = group.to_vec().unwrap();
            assert_eq!(group.iter().map(Result::unwrap).collect::<Vec<_>>(), all);
            assert_eq!((group.len(), group.is_empty()), (all.len(), false));
            (key, all)
        };
        groups.map(read).collect().unwrap()
    });
    assert_eq!(found.into_iter().collect::<BTreeMap<_, _>>(), expected);
}

#[test]
fn one_giant_key_is_read_value_by_value() {
    let rows = 300_000_u64;
    let sums = everywhere(|ctx| {
        let data = ctx.range_in(0..rows, 3).map(|i| ("all".to_owned(), i));
        let of = |_: &String, values: &mut dyn Iterator<Item = u64>| {
            values.fold((0, 0), |(n, sum), i| (n + 1, sum + n * i))
        };
        let some = |_: &String, values: &mut dyn Iterator<Item = u64>| values.nth(70_000);
        (data.map_groups(of).collect().unwrap(), data.map_groups(some).collect().unwrap())
    });
    assert_eq!(sums.0, [(rows, (0..rows).map(|i| i * i).sum::<u64>())]);
    assert_eq!(sums.1, [Some(70_000)]);
}

type Left = (u64, String);
type Right = (u64, u64);

fn sides(rows: u64, keys: u64) -> (Vec<Left>, Vec<Right>) {
    let left = (0..rows).map(|i| (mix(i) % keys, format!("l{i}"))).collect();
    let right = (0..rows / 2).map(|i| (mix(i ^ 99) % (keys * 2), i)).collect();
    (left, right)
}

#[test]
fn joins_are_those_of_nested_loops() {
    for (rows, keys) in [(0, 1), (40, 3), (3_000, 500)] {
        let (left, right) = sides(rows, keys);
        let found = everywhere(|ctx| {
            let l = ctx.parallelize_in(left.clone(), 3);
            let r = ctx.parallelize_in(right.clone(), 5);
            (
                l.join(&r).collect().unwrap(),
                l.left_outer_join(&r).collect().unwrap(),
                l.right_outer_join(&r).collect().unwrap(),
                l.full_outer_join(&r).collect().unwrap(),
                l.semi_join(&r).collect().unwrap(),
                l.anti_join(&r).collect().unwrap(),
                l.cogroup(&r)
                    .map(|(k, (a, b))| (k, a.to_vec().unwrap(), b.to_vec().unwrap()))
                    .collect()
                    .unwrap(),
            )
        });
        let (lg, rg) = (groups(&left), groups(&right));
        let keys: BTreeSet<u64> = lg.keys().chain(rg.keys()).copied().collect();
        let mut full = Vec::new();
        for key in &keys {
            let l: Vec<Option<String>> = match lg.get(key) {
                Some(values) => values.iter().cloned().map(Some).collect(),
                None => vec![None],
            };
            let r: Vec<Option<u64>> = match rg.get(key) {
                Some(values) => values.iter().copied().map(Some).collect(),
                None => vec![None],
            };
            for a in &l {
                for b in &r {
                    full.push((*key, (a.clone(), *b)));
                }
            }
        }
        let (inner, left_outer, right_outer, full_outer, semi, anti, cogroup) = found;
        // By key; within a key the order is that of nested loops.
        let by_key = |mut rows: Vec<(u64, (Option<String>, Option<u64>))>| {
            rows.sort_by_key(|row| row.0);
            rows
        };
        let only = |l: bool, r: bool| -> Vec<_> {
            full.iter()
                .filter(|(_, (a, b))| (!l || a.is_some()) && (!r || b.is_some()))
                .cloned()
                .collect()
        };
        assert_eq!(by_key(full_outer), full);
        assert_eq!(
            by_key(inner.into_iter().map(|(k, (a, b))| (k, (Some(a), Some(b)))).collect()),
            only(true, true)
        );
        assert_eq!(
            by_key(left_outer.into_iter().map(|(k, (a, b))| (k, (Some(a), b))).collect()),
            only(true, false)
        );
        assert_eq!(
            by_key(right_outer.into_iter().map(|(k, (a, b))| (k, (a, Some(b)))).collect()),
            only(false, true)
        );
        for (rows, wanted) in [(semi, true), (anti, false)] {
            let expected: Vec<Left> =
                left.iter().filter(|row| rg.contains_key(&row.0) == wanted).cloned().collect();
            assert_eq!(groups(&rows), groups(&expected));
        }
        assert_eq!(cogroup.len(), keys.len());
        for (key, a, b) in cogroup {
            assert_eq!(a, lg.get(&key).cloned().unwrap_or_default());
            assert_eq!(b, rg.get(&key).cloned().unwrap_or_default());
        }
    }
}

#[test]
fn a_join_of_giant_keys_gives_every_pair() {
    let counts = everywhere(|ctx| {
        let left = ctx.range_in(0..3_000, 2).map(|i| (i / 2_900, i));
        let right = ctx.range_in(0..2_000, 3).map(|i| (i % 2 * 5, i));
        let joined = left.join(&right);
        let sum = joined
            .aggregate(
                (0_u64, 0_u64),
                |(n, s), (_, (a, b))| (n + 1, s.wrapping_add(a * (n + b))),
                |a, b| (a.0 + b.0, a.1.wrapping_mul(31).wrapping_add(b.1)),
            )
            .unwrap();
        let right_alone = left.right_outer_join(&right).filter(|(_, (a, _))| a.is_none());
        (sum, right_alone.count().unwrap(), joined.take(3).unwrap())
    });
    assert_eq!(counts.0.0, 2_900 * 1_000);
    assert_eq!(counts.1, 1_000);
    assert_eq!(counts.2, [(0, (0, 0)), (0, (0, 2)), (0, (0, 4))]);
}

#[test]
fn what_is_placed_alike_is_joined_without_a_shuffle() {
    let ctx = Context::local();
    let own = Partitioner::own(4, |key: &u64| (key % 4) as usize);
    for way in [Partitioner::hash(4), own] {
        let left = ctx.range_in(0..100, 3).map(|i| (i, i * 2)).partition_by(&way);
        let right = ctx
            .range_in(50..150, 5)
            .map(|i| (i, i * 3))
            .partition_by(&way)
            .filter(|_| true)
            .cache();
        let joined = left.join(&right);
        joined.count().unwrap();
        assert_eq!(joined.partitions(), 4);
        let text = joined.explain();
        assert_eq!(text.lines().filter(|line| line.contains("join [")).count(), 1, "{text}");
        assert_eq!(joined.map(|(k, (a, b))| (k, a, b)).count().unwrap(), 50);
        assert!(left.partition_by(&Partitioner::hash(4)).partitions() == 4);
    }
}

#[test]
fn partitions_are_where_the_partitioner_says_and_keep_their_order() {
    let rows: Vec<(u64, u64)> = (0..5_000).map(|i| (mix(i) % 300, i)).collect();
    let parts = everywhere(|ctx| {
        let data = ctx.parallelize_in(rows.clone(), 6);
        let parts = |data: Dataset<(u64, u64)>| {
            data.map_partitions(|rows| [rows.collect::<Vec<_>>()]).collect().unwrap()
        };
        (
            parts(data.partition_by(&Partitioner::own(5, |key| (key / 7 % 5) as usize))),
            parts(data.partition_by(&Partitioner::range(4))),
            parts(data.partition_by(&Partitioner::hash(9))),
            parts(data.repartition_and_sort_within_partitions(&Partitioner::own(3, |key| {
                (key % 3) as usize
            }))),
            parts(data.repartition(7)),
            parts(data.sort_by_key()),
        )
    });
    for (p, part) in parts.0.iter().enumerate() {
        let expected: Vec<_> =
            rows.iter().filter(|row| row.0 / 7 % 5 == p as u64).copied().collect();
        assert_eq!(*part, expected);
    }
    assert_eq!(parts.1.len(), 4);
    for pair in parts.1.windows(2) {
        let end = |part: &Vec<(u64, u64)>| part.iter().map(|row| row.0).max();
        let start = |part: &Vec<(u64, u64)>| part.iter().map(|row| row.0).min();
        assert!(end(&pair[0]) < start(&pair[1]));
    }
    assert!(parts.1.iter().all(|part| part.len() > 800));
    assert_eq!(parts.2.iter().map(Vec::len).sum::<usize>(), 5_000);
    for (p, part) in parts.3.iter().enumerate() {
        let mut expected: Vec<_> =
            rows.iter().filter(|row| row.0 % 3 == p as u64).copied().collect();
        expected.sort_by_key(|row| row.0);
        assert_eq!(*part, expected);
    }
    for (p, part) in parts.4.iter().enumerate() {
        assert_eq!(part, &rows[p * 5_000 / 7..(p + 1) * 5_000 / 7]);
    }
    let mut sorted = rows.clone();
    sorted.sort_by_key(|row| row.0);
    assert_eq!(parts.5.concat(), sorted);
}

#[test]
fn a_partitioner_that_is_out_of_range_is_an_error() {
    let found = everywhere(|ctx| {
        let data = ctx.range_in(0..100, 3).map(|i| (i, ()));
        data.partition_by(&Partitioner::own(5, |key: &u64| (key / 14) as usize))
            .count()
            .unwrap_err()
    });
    assert!(matches!(&found, Error::BadValue { value, .. } if value == "5"), "{found}");
}

#[test]
fn ranges_of_keys_are_found_also_where_partitions_are_skipped() {
    let rows: Vec<(i32, u32)> =
        (0..2_000).map(|i| ((mix(i) % 500) as i32 - 250, i as u32)).collect();
    for (low, high) in [(-300, -200), (-10, 10), (100, 100), (200, 900), (50, 51)] {
        let expected: Vec<_> = {
            let mut rows = rows.clone();
            rows.sort_by_key(|row| row.0);
            rows.into_iter().filter(|row| (low..high).contains(&row.0)).collect()
        };
        let found = everywhere(|ctx| {
            let sorted = ctx.parallelize_in(rows.clone(), 6).sort_by_key();
            let first = sorted.filter_by_range(low..high).collect().unwrap();
            assert_eq!(sorted.cache().filter_by_range(low..=high - 1).collect().unwrap(), first);
            first
        });
        assert_eq!(found, expected);
    }
}

#[test]
fn sorts_of_every_kind_of_key_are_stable() {
    let rows: Vec<(String, i64)> =
        (0..4_000).map(|i| (format!("{}", mix(i) % 90), i as i64 % 50 - 25)).collect();
    let found = everywhere(|ctx| {
        let data = ctx.parallelize_in(rows.clone(), 5);
        (
            data.sort_by(|row| row.0.clone()).collect().unwrap(),
            data.sort_by(|row| row.1).collect().unwrap(),
            data.sort_by_descending(|row| (row.1, row.0.len())).collect().unwrap(),
        )
    });
    let mut expected = (rows.clone(), rows.clone(), rows);
    expected.0.sort_by_key(|row| row.0.clone());
    expected.1.sort_by_key(|row| row.1);
    expected.2.sort_by_key(|row| std::cmp::Reverse((row.1, row.0.len())));
    assert_eq!(found, expected);
}

#[test]
fn sets_are_those_of_the_standard_library() {
    let left: Vec<u64> = (0..3_000).map(|i| mix(i) % 700).collect();
    let right: Vec<u64> = (0..2_000).map(|i| mix(i ^ 5) % 500 + 300).collect();
    let found = everywhere(|ctx| {
        let l = ctx.parallelize_in(left.clone(), 4);
        let r = ctx.parallelize_in(right.clone(), 3);
        (
            l.distinct().collect().unwrap(),
            l.intersection(&r).collect().unwrap(),
            l.subtract(&r).collect().unwrap(),
        )
    });
    let (a, b): (BTreeSet<u64>, BTreeSet<u64>) =
        (left.iter().copied().collect(), right.iter().copied().collect());
    let sorted = |mut rows: Vec<u64>| {
        rows.sort_unstable();
        rows
    };
    assert_eq!(sorted(found.0), a.iter().copied().collect::<Vec<_>>());
    assert_eq!(sorted(found.1), a.intersection(&b).copied().collect::<Vec<_>>());
    assert_eq!(sorted(found.2), sorted(left.into_iter().filter(|x| !b.contains(x)).collect()));
}

#[test]
fn samples_by_key_have_their_fractions() {
    let rows: Vec<(u64, u64)> = (0..6_000).map(|i| (i % 4, i)).collect();
    let fractions: BTreeMap<u64, f64> = [(0, 0.0), (1, 0.25), (2, 1.0)].into();
    let (some, exact) = everywhere(|ctx| {
        let data = ctx.parallelize_in(rows.clone(), 4);
        let some = data.sample_by_key(&fractions, 3).unwrap().collect().unwrap();
        (some, data.sample_by_key_exact(&fractions, 3).unwrap().collect().unwrap())
    });
    let count = |rows: &[(u64, u64)], key| rows.iter().filter(|row| row.0 == key).count();
    // 375 expected of 1500; five standard deviations are 84.
    assert!(count(&some, 1).abs_diff(375) < 84);
    assert_eq!([count(&some, 0), count(&some, 2), count(&some, 3)], [0, 1_500, 0]);
    assert_eq!([0, 1, 2, 3].map(|key| count(&exact, key)), [0, 375, 1_500, 0]);
    assert!(exact.is_sorted_by_key(|row| row.1));
    for bad in [-0.1, 1.5, f64::NAN] {
        let error = Context::local().parallelize(rows.clone()).sample_by_key(&[(1, bad)].into(), 1);
        assert!(matches!(error, Err(Error::Parameter { name, .. }) if name == "fractions"));
    }
}

#[test]
fn extremes_and_lookups_by_key() {
    let rows: Vec<(u64, u64)> = (0..3_000).map(|i| (mix(i) % 20, mix(i ^ 1) % 1_000)).collect();
    let (top, none, found) = everywhere(|ctx| {
        let data = ctx.parallelize_in(rows.clone(), 4);
        let placed = data.partition_by(&Partitioner::hash(3));
        assert_eq!(placed.lookup(&5).unwrap(), data.lookup(&5).unwrap());
        let top = data.top_by_key(3).collect().unwrap();
        (top, data.top_by_key(0).collect().unwrap().len(), data.lookup(&5).unwrap())
    });
    let expected = groups(&rows);
    assert_eq!((top.len(), none), (20, 20));
    for (key, values) in top {
        let mut all = expected[&key].clone();
        all.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(values, all[..3]);
    }
    assert_eq!(found, expected[&5]);
}

#[test]
fn kept_rows_come_back_from_every_level() {
    use StorageLevel::*;
    let rows = words(5_000, 300);
    for level in [MemoryAndDisk, Memory, Disk, MemoryAndDiskPacked, MemoryPacked, DiskPacked] {
        let found = everywhere(|ctx| {
            let kept = ctx.parallelize_in(rows.clone(), 6).map(|row| row).persist(level);
            (kept.count().unwrap(), kept.collect().unwrap(), kept.take(3).unwrap())
        });
        assert_eq!((found.0, &found.1), (5_000, &rows));
    }
}
