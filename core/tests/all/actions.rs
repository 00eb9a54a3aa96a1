//! Actions and the operators that move nothing, against plain vectors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use firesteel_core::hash::mix;
use firesteel_core::testing::on_ranks;
use firesteel_core::{Context, Error, Stats};

use crate::keyed::everywhere;

fn numbers(rows: u64) -> Vec<u64> {
    (0..rows).map(|i| mix(i) % 300).collect()
}

#[test]
fn extremes_are_those_of_a_sorted_vector() {
    for (rows, partitions) in [(0, 3), (1, 1), (2_000, 7)] {
        let all: Vec<(u64, usize)> = numbers(rows).into_iter().zip(0..).collect();
        let found = everywhere(|ctx| {
            let data = ctx.parallelize_in(all.clone(), partitions);
            let values = data.keys();
            (
                (values.min().unwrap(), values.max().unwrap(), values.is_empty().unwrap()),
                (data.min_by(|row| row.0).unwrap(), data.max_by(|row| row.0).unwrap()),
                (values.take_ordered(9).unwrap(), data.take_ordered_by(9, |row| row.0).unwrap()),
                (data.top_by(9, |row| row.0).unwrap(), values.take_ordered(0).unwrap()),
            )
        });
        let values: Vec<u64> = all.iter().map(|row| row.0).collect();
        let mut sorted = all.clone();
        sorted.sort_by_key(|row| row.0);
        let mut falling = all.clone();
        falling.sort_by_key(|row| std::cmp::Reverse(row.0));
        let first = |rows: &[(u64, usize)]| rows.iter().take(9).copied().collect::<Vec<_>>();
        assert_eq!(
            found.0,
            (values.iter().min().copied(), values.iter().max().copied(), rows == 0)
        );
        assert_eq!(found.1, (sorted.first().copied(), falling.first().copied()));
        assert_eq!(found.2.0, first(&sorted).iter().map(|row| row.0).collect::<Vec<_>>());
        assert_eq!((found.2.1, found.3.0), (first(&sorted), first(&falling)));
        assert!(found.3.1.is_empty());
    }
}

#[test]
fn counts_and_maps_are_those_of_a_map() {
    let all: Vec<(u64, u64)> = numbers(3_000).into_iter().map(|x| x % 40).zip(0..).collect();
    let found = everywhere(|ctx| {
        let data = ctx.parallelize_in(all.clone(), 5);
        (
            data.count_by_key().unwrap(),
            data.keys().count_by_value().unwrap(),
            data.collect_as_map().unwrap(),
            data.reduce_by_key_locally(|a, b| a * 31 % 1_009 + b).unwrap(),
        )
    });
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    let mut last = BTreeMap::new();
    for (key, value) in &all {
        *counts.entry(*key).or_default() += 1;
        last.insert(*key, *value);
    }
    assert_eq!((&found.0, &found.1), (&counts, &counts));
    assert_eq!(found.2, last);
    assert_eq!(found.3.len(), 40);
}

#[test]
fn samples_have_their_size_and_are_fair() {
    let found = everywhere(|ctx| {
        let data = ctx.range_in(0..1_000, 6);
        (
            data.take_sample(false, 300, 3).unwrap(),
            data.take_sample(true, 3_000, 3).unwrap(),
            data.take_sample(false, 5_000, 3).unwrap().len(),
            ctx.range_in(0..0, 2).take_sample(true, 10, 3).unwrap().len(),
            data.sample_with_replacement(2.0, 3).unwrap().collect().unwrap(),
        )
    });
    assert_eq!(found.0.iter().collect::<BTreeSet<_>>().len(), 300);
    assert_eq!((found.1.len(), found.2, found.3), (3_000, 1_000, 0));
    // Means of 300 and 3000 draws from 0..1000, whose deviation is 289: within five errors.
    let mean = |rows: &[u64]| rows.iter().sum::<u64>() as f64 / rows.len() as f64;
    assert!((mean(&found.0) - 499.5).abs() < 5.0 * 289.0 / 300_f64.sqrt());
    assert!((mean(&found.1) - 499.5).abs() < 5.0 * 289.0 / 3_000_f64.sqrt());
    // Not in the order of the rows.
    assert!(!found.0.is_sorted() && !found.1.is_sorted());
    // Poisson with mean 2 a row: 2000 of them, deviation √2000.
    assert!((found.4.len() as f64 - 2_000.0).abs() < 5.0 * 2_000_f64.sqrt());
    assert!(found.4.is_sorted());
    let ctx = Context::local();
    let bad = ctx.range(0..9).sample_with_replacement(f64::NAN, 1);
    assert!(matches!(bad, Err(Error::Parameter { name, .. }) if name == "fraction"));
}

#[test]
fn statistics_are_those_of_two_passes() {
    let all: Vec<f64> = (0..5_000).map(|i| 1e9 + (mix(i) % 1_000) as f64 / 7.0).collect();
    let stats: Stats = everywhere(|ctx| {
        let data = ctx.parallelize_in(all.clone(), 9);
        let stats = data.stats().unwrap();
        assert_eq!(data.mean().unwrap().to_bits(), stats.mean.to_bits());
        assert_eq!(data.sample_stdev().unwrap().to_bits(), stats.sample_stdev().to_bits());
        stats
    });
    let mean = all.iter().sum::<f64>() / 5_000.0;
    let m2: f64 = all.iter().map(|x| (x - mean).powi(2)).sum();
    assert_eq!(stats.count, 5_000);
    assert!((stats.mean / mean - 1.0).abs() < 1e-15);
    assert!((stats.variance() / (m2 / 5_000.0) - 1.0).abs() < 1e-9);
    assert!((stats.sample_variance() / (m2 / 4_999.0) - 1.0).abs() < 1e-9);
    assert!((stats.sum() / all.iter().sum::<f64>() - 1.0).abs() < 1e-15);
    assert_eq!(
        (stats.min, stats.max),
        all.iter().fold((f64::MAX, f64::MIN), |m, x| (m.0.min(*x), m.1.max(*x)))
    );
    let none = Context::local().parallelize(Vec::<f64>::new());
    assert!(matches!(none.mean(), Err(Error::Empty { .. })));
    assert_eq!(none.stats().unwrap(), Stats::default());
}

#[test]
fn histograms_count_every_number_once() {
    let all: Vec<f64> = numbers(4_000).into_iter().map(|x| x as f64 - 100.0).collect();
    let (even, given) = everywhere(|ctx| {
        let data = ctx.parallelize_in(all.clone(), 4);
        (data.histogram(10).unwrap(), data.histogram_with(&[-50.0, 0.0, 0.5, 199.0]).unwrap())
    });
    assert_eq!((even.bounds[0], even.bounds[10], even.counts.len()), (-100.0, 199.0, 10));
    assert_eq!(even.counts.iter().sum::<u64>(), 4_000);
    for histogram in [even, given] {
        let last = histogram.counts.len() - 1;
        for (i, pair) in histogram.bounds.windows(2).enumerate() {
            let inside =
                |x: &&f64| pair[0] <= **x && (**x < pair[1] || (i == last && **x <= pair[1]));
            assert_eq!(histogram.counts[i], all.iter().filter(inside).count() as u64);
        }
    }
    let ctx = Context::local();
    let same = ctx.parallelize(vec![3.0; 5]).histogram(4).unwrap();
    assert_eq!((same.bounds, same.counts), (vec![3.0, 3.0], vec![5]));
    let with_nan = ctx.parallelize(vec![1.0, f64::NAN]);
    assert!(matches!(with_nan.histogram(2), Err(Error::BadValue { value, .. }) if value == "NaN"));
    assert!(matches!(with_nan.histogram(0), Err(Error::Parameter { .. })));
    for bad in [&[1.0][..], &[2.0, 1.0], &[0.0, f64::INFINITY]] {
        assert!(matches!(with_nan.histogram_with(bad), Err(Error::Parameter { .. })));
    }
    assert!(matches!(ctx.parallelize(Vec::new()).histogram(2), Err(Error::Empty { .. })));
}

#[test]
fn distinct_rows_are_counted_about() {
    let found = everywhere(|ctx| {
        let data = ctx.range_in(0..30_000, 5).map(|i| (i % 3, mix(i) % 2_000));
        (
            data.values().count_approx_distinct(0.02).unwrap(),
            data.count_approx_distinct_by_key(0.02).unwrap(),
        )
    });
    // All 2000 values occur: 30000 draws miss one with probability e^-15.
    assert!(found.0.abs_diff(2_000) < 160);
    assert_eq!(found.1.len(), 3);
    // 10000 draws miss a value with probability e^-5: 1986 are expected.
    assert!(found.1.values().all(|n| n.abs_diff(1_986) < 180));
}

#[test]
fn a_local_iterator_gives_all_rows_and_may_be_dropped() {
    let rows = everywhere(|ctx| {
        let data = ctx.range_in(0..5_000, 11).map(|i| i * 3);
        let some: Vec<u64> = data.to_local_iterator().take(10).map(Result::unwrap).collect();
        assert_eq!(some, (0..30).step_by(3).collect::<Vec<_>>());
        data.to_local_iterator().collect::<Result<Vec<u64>, Error>>().unwrap()
    });
    assert_eq!(rows, (0..15_000).step_by(3).collect::<Vec<_>>());
    let errors = on_ranks(3, |ctx| {
        let data = ctx.range_in(0..100, 20).try_map(|i| if i == 77 { Err("no") } else { Ok(i) });
        let all: Vec<_> = data.to_local_iterator().collect();
        assert!(all[..all.len() - 1].iter().all(Result::is_ok));
        all.last().cloned()
    });
    assert!(matches!(&errors[0], Some(Err(Error::Task { message, .. })) if message == "no"));
    assert!(errors.iter().all(|error| *error == errors[0]));
}

#[test]
fn a_rank_that_goes_on_alone_gets_an_error() {
    let found = on_ranks(3, |ctx| {
        let mut rows = ctx.range_in(0..100, 20).to_local_iterator();
        let wanted = if ctx.rank() == 1 { 10 } else { 100 };
        let read = rows.by_ref().take(wanted).take_while(Result::is_ok).count();
        drop(rows);
        (read, ctx.range(0..3).count())
    });
    // Rank 1 reads from its first wave, drops the rest, and meets the others' second wave.
    assert_eq!(found[1].0, 10);
    for (_, count) in found {
        assert!(matches!(count, Err(Error::Diverged { .. } | Error::RankLost { .. }) | Ok(3)));
    }
}

#[test]
fn every_partition_is_seen_once() {
    let seen = Mutex::new(Vec::new());
    Context::local()
        .range_in(0..10, 4)
        .for_each_partition(|p, rows| seen.lock().unwrap().push((p, rows.sum::<u64>())))
        .unwrap();
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    assert_eq!(seen, [(0, 1), (1, 9), (2, 11), (3, 24)]);
    let failing =
        Context::local().range_in(0..10, 2).try_map(|i| if i == 7 { Err("no") } else { Ok(i) });
    assert!(matches!(
        failing.for_each_partition(|_, rows| assert!(rows.count() < 6)),
        Err(Error::Task { .. })
    ));
}

#[test]
fn rows_side_by_side_and_across_borders() {
    let all = numbers(500);
    let found = everywhere(|ctx| {
        let data = ctx.parallelize_in(all.clone(), 7);
        let other = data.map(|x| x * 2);
        // Homes of a union are not the default ones.
        let union = data.union(&other);
        let zipped = union.zip(&ctx.parallelize_in(vec![1_u64; 1_000], 14)).unwrap();
        (
            zipped.count().is_ok(),
            data.zip(&other).unwrap().collect().unwrap(),
            data.zip_with_unique_id().collect().unwrap(),
            data.sliding(60, 25).unwrap().collect().unwrap(),
            data.coalesce(3).glom().collect().unwrap(),
            ctx.range_in(0..3, 2).cartesian(&data).values().collect().unwrap(),
        )
    });
    assert_eq!(found.1, all.iter().map(|x| (*x, x * 2)).collect::<Vec<_>>());
    assert_eq!(found.2.iter().map(|row| row.1).collect::<BTreeSet<_>>().len(), 500);
    assert_eq!(found.3, all.windows(60).step_by(25).map(<[u64]>::to_vec).collect::<Vec<_>>());
    assert_eq!(found.4.concat(), all);
    assert_eq!(found.4.len(), 3);
    assert_eq!(found.5, all.repeat(3));
}

#[test]
fn what_cannot_be_paired_is_an_error() {
    let found = everywhere(|ctx| {
        let data = ctx.range_in(0..10, 3);
        let sizes = data.zip(&ctx.range_in(0..11, 3)).unwrap().count().unwrap_err();
        let partitions = data.zip(&ctx.range_in(0..10, 4)).unwrap_err();
        (sizes, partitions, data.sliding(0, 1).unwrap_err(), data.sliding(1, 0).unwrap_err())
    });
    assert!(
        matches!(found.0, Error::UnequalPartitions { partition: 1, here: 3, there: 4, .. }),
        "{}",
        found.0
    );
    assert!(matches!(found.1, Error::Parameter { name, .. } if name == "other"));
    assert!(matches!(found.2, Error::Parameter { name, .. } if name == "window"));
    assert!(matches!(found.3, Error::Parameter { name, .. } if name == "step"));
}
