//! The operators that move nothing and the numeric actions, at the borders of what they are given.

use firesteel_core::hash::mix;
use firesteel_core::testing::on_ranks;
use firesteel_core::{Context, DistinctSketch, Error};

use crate::keyed::everywhere;

#[test]
fn windows_are_those_of_a_vector_at_any_borders() {
    // Partitions without rows, also several in a row, and windows that span many partitions.
    for (rows, partitions) in [(0_u64, 3), (1, 4), (5, 9), (23, 6), (40, 1)] {
        for (window, step) in [(1, 1), (1, 3), (2, 1), (3, 7), (7, 2), (23, 1), (24, 1), (60, 60)] {
            let all: Vec<u64> = (0..rows).map(mix).collect();
            let found = on_ranks(3, |ctx| {
                let data = ctx.parallelize_in(all.clone(), partitions);
                let sparse =
                    data.union(&data.filter(|x| x % 5 == 0)).union(&data.filter(|_| false));
                (
                    data.sliding(window, step).unwrap().collect().unwrap(),
                    sparse.sliding(window, step).unwrap().collect().unwrap(),
                )
            });
            let windows = |rows: &[u64]| -> Vec<Vec<u64>> {
                rows.windows(window).step_by(step).map(<[u64]>::to_vec).collect()
            };
            let mut more = all.clone();
            more.extend(all.iter().filter(|x| *x % 5 == 0));
            for found in found {
                assert_eq!(found.0, windows(&all), "{rows} rows, {window} by {step}");
                assert_eq!(found.1, windows(&more), "{rows} rows, {window} by {step}");
            }
        }
    }
}

#[test]
fn a_window_longer_than_any_memory_is_never_full() {
    let rows = Context::local().range_in(0..10, 3);
    assert!(rows.sliding(usize::MAX, 1).unwrap().collect().unwrap().is_empty());
    assert_eq!(rows.sliding(2, usize::MAX).unwrap().collect().unwrap(), [[0, 1]]);
}

#[test]
fn both_zeros_are_in_the_histogram() {
    for zeros in [[0.0, -0.0], [-0.0, 0.0]] {
        let found = everywhere(|ctx| {
            let data = ctx.parallelize_in([&[-1.0][..], &zeros].concat(), 2);
            let same = ctx.parallelize_in(zeros.to_vec(), 2).histogram(3).unwrap();
            let bits = |x: &[f64]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let even = data.histogram(2).unwrap();
            let given = data.histogram_with(&[-1.0, 0.0]).unwrap().counts;
            let minus = data.histogram_with(&[-2.0, -0.0]).unwrap().counts;
            (bits(&even.bounds), even.counts, given, minus, same.counts)
        });
        assert_eq!(found.1.iter().sum::<u64>(), 3, "{zeros:?}");
        assert_eq!((&found.2[..], &found.3[..], &found.4[..]), (&[3][..], &[3][..], &[2][..]));
    }
}

#[test]
fn every_number_is_in_an_even_histogram() {
    let ctx = Context::local();
    for trial in 0..300_u64 {
        let start = f64::from_bits(mix(trial) >> 2).abs().clamp(1e-300, 1e300);
        let ulps = 1 + mix(trial ^ 77) % 40;
        let values: Vec<f64> = (0..=ulps).map(|i| f64::from_bits(start.to_bits() + i)).collect();
        let buckets = 1 + (mix(trial ^ 5) % 500) as usize;
        let found = ctx.parallelize(values.clone()).histogram(buckets).unwrap();
        assert!(found.bounds.windows(2).all(|pair| pair[0] < pair[1]), "{values:?} {buckets}");
        assert_eq!(found.counts.iter().sum::<u64>(), values.len() as u64, "{values:?} {buckets}");
        assert_eq!(found.bounds.last(), values.last());
    }
    let wide = ctx.parallelize(vec![f64::MIN, 0.0, f64::MAX]).histogram(4).unwrap();
    assert_eq!(wide.counts, [1, 0, 1, 1]);
}

#[test]
fn sizes_past_all_memory_are_errors() {
    let ctx = Context::local();
    let numbers = ctx.parallelize(vec![1.0, 2.0]);
    let buckets = numbers.histogram(usize::MAX);
    assert!(matches!(buckets, Err(Error::Parameter { name, .. }) if name == "buckets"));
    let sample = ctx.range(0..10).take_sample(true, usize::MAX, 1);
    assert!(matches!(sample, Err(Error::Parameter { name, .. }) if name == "n"));
    assert_eq!(ctx.range(0..10).take_sample(false, usize::MAX, 1).unwrap().len(), 10);
    assert_eq!(ctx.range(0..10).take_ordered(usize::MAX).unwrap().len(), 10);
}

#[test]
fn a_sketch_that_cannot_be_is_not_read() {
    let whole = DistinctSketch::new(0.05).unwrap();
    let text = serde_json::to_value(&whole).unwrap();
    assert_eq!(serde_json::from_value::<DistinctSketch>(text.clone()).unwrap(), whole);
    for precision in [0, 3, 8, 19, 64, 200] {
        let mut bad = text.clone();
        bad["precision"] = precision.into();
        assert!(serde_json::from_value::<DistinctSketch>(bad).is_err(), "{precision}");
    }
    let mut bad = text;
    bad["registers"][7] = 200.into();
    assert!(serde_json::from_value::<DistinctSketch>(bad).is_err());
}

#[test]
fn ten_thousand_operators_with_two_inputs_are_no_deeper_than_one() {
    const DEEP: u64 = 10_000;
    let found = on_ranks(2, |ctx| {
        let other = ctx.range_in(0..4, 2);
        let (mut left, mut right) = (other.clone(), other.clone());
        let mut partitions = other.clone();
        for _ in 0..DEEP {
            left = left.zip(&other).unwrap().map(|(a, b)| a + b);
            right = other.zip(&right).unwrap().map(|(a, b)| a + b);
            partitions = partitions.zip_partitions(&other, |a, b| a.chain(b.take(0))).unwrap();
        }
        (left.collect().unwrap(), right.collect().unwrap(), partitions.collect().unwrap())
    });
    let sums: Vec<u64> = (0..4).map(|i| i * (DEEP + 1)).collect();
    for found in found {
        assert_eq!(found, (sums.clone(), sums.clone(), vec![0, 1, 2, 3]));
    }
}

#[test]
fn ten_thousand_batches_are_put_together_one_by_one() {
    let ctx = Context::local();
    let mut all = ctx.range_in(0..2, 2);
    for step in 1..10_000_u64 {
        all = all.union(&ctx.range_in(step * 2..step * 2 + 2, 1)).coalesce(2);
    }
    assert_eq!(all.count().unwrap(), 20_000);
    assert_eq!(all.collect().unwrap(), (0..20_000).collect::<Vec<u64>>());
}

#[test]
fn pairs_are_in_left_major_order_wherever_the_rows_are() {
    let found = everywhere(|ctx| {
        let left = ctx.range_in(0..30, 4).filter(|x| x % 3 == 0);
        let right = ctx.range_in(0..70, 5).union(&ctx.range_in(70..90, 3)).filter(|x| x % 2 == 0);
        let none = ctx.range_in(0..0, 2);
        let pairs = left.cartesian(&right);
        (
            pairs.collect().unwrap(),
            pairs.take(7).unwrap(),
            left.cartesian(&none).count().unwrap() + none.cartesian(&left).count().unwrap(),
            left.union(&left).cartesian(&left).values().count().unwrap(),
        )
    });
    let model: Vec<(u64, u64)> =
        (0..30).step_by(3).flat_map(|a| (0..90).step_by(2).map(move |b| (a, b))).collect();
    assert_eq!(found, (model.clone(), model[..7].to_vec(), 0, 200));
}

#[test]
fn partitions_of_three_are_seen_together() {
    let found = everywhere(|ctx| {
        let data = ctx.range_in(0..50, 4).filter(|x| x % 13 != 0);
        let moved = ctx.range_in(0..9, 2).union(&ctx.range_in(9..30, 2));
        let words = data.map(|x| format!("w{x}"));
        let made = data.zip_partitions3(&moved, &words, |a, b, c| {
            let sizes = (a.sum::<u64>(), b.sum::<u64>());
            c.map(move |word| (word, sizes))
        });
        (
            made.unwrap().collect().unwrap(),
            data.zip_partitions3(&moved, &ctx.range_in(0..9, 3), |_, _, c| c).unwrap_err(),
            data.zip_partitions3(&ctx.range_in(0..9, 3), &moved, |_, _, c| c).unwrap_err(),
        )
    });
    let parts = |bounds: [u64; 5]| bounds.windows(2).map(|b| b[0]..b[1]).collect::<Vec<_>>();
    let pairs = parts([0, 12, 25, 37, 50]).into_iter().zip(parts([0, 4, 9, 19, 30]));
    let model: Vec<(String, (u64, u64))> = pairs
        .flat_map(|(here, there)| {
            let rows: Vec<u64> = here.filter(|x| x % 13 != 0).collect();
            let sizes = (rows.iter().sum(), there.sum());
            rows.into_iter().map(move |x| (format!("w{x}"), sizes))
        })
        .collect();
    assert_eq!(found.0, model);
    assert!(matches!(found.1, Error::Parameter { name, .. } if name == "third"));
    assert!(matches!(found.2, Error::Parameter { name, .. } if name == "other"));
}

#[test]
fn what_may_fail_does_as_its_plain_kin() {
    let found = everywhere(|ctx| {
        let data = ctx.range_in(0..900, 3);
        [data.cache(), data].map(|data| {
            let even = data.try_filter(|x| Ok::<_, String>(x.is_multiple_of(3)));
            let several = data.try_flat_map(|x| Ok::<_, String>(vec![x; (x % 3) as usize]));
            (even.collect().unwrap(), several.collect().unwrap())
        })
    });
    let some = |x: u64| std::iter::repeat_n(x, (x % 3) as usize);
    for (even, several) in found {
        assert_eq!(even, (0..900).step_by(3).collect::<Vec<_>>());
        assert_eq!(several, (0..900).flat_map(some).collect::<Vec<_>>());
    }
}

#[test]
fn what_may_fail_fails_with_the_closure_s_error() {
    let found = everywhere(|ctx| {
        let data = ctx.range_in(0..9_000, 3);
        let late = |x: &u64| if *x == 3_999 { Err(format!("{x}")) } else { Ok(true) };
        [
            data.try_filter(late).count().unwrap_err(),
            data.cache().try_flat_map(move |x| late(&x).map(|_| [x])).count().unwrap_err(),
        ]
    });
    for (error, name) in found.into_iter().zip(["try_filter", "try_flat_map"]) {
        assert!(
            matches!(&error, Error::Task { operator, partition: Some(1), message, .. }
                if operator == name && message == "3999"),
            "{error:?}"
        );
    }
}

#[test]
fn ten_thousand_runs_of_partitions_with_work_between_them_are_no_deeper_than_one() {
    let ctx = Context::local();
    let start = ctx.range_in(0..4, 2);
    // Without rows, so that there is always one more partition to join.
    let none = ctx.range_in(0..0, 1);
    let (mut mapped, mut walked) = (start.clone(), start);
    for _ in 0..10_000 {
        mapped = mapped.union(&none).coalesce(2).map(|x| x + 1);
        walked = walked.union(&none).map_partitions(|rows| rows.map(|x| x + 1)).coalesce(2);
    }
    assert_eq!(mapped.collect().unwrap(), [10_000, 10_001, 10_002, 10_003]);
    assert_eq!(walked.collect().unwrap(), [10_000, 10_001, 10_002, 10_003]);
}
