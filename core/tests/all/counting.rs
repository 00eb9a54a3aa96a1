//! Counters and accumulators: each row counts once, whatever is computed again.

use firesteel_core::chaos::{Chaos, Fault};
use firesteel_core::testing::{on_ranks, on_ranks_with};
use firesteel_core::{Context, Partitioner, StorageLevel};

use crate::keyed::everywhere;

#[test]
fn each_row_counts_once_however_often_it_is_computed() {
    let counts = everywhere(|ctx| {
        let (steps, parts, groups) =
            (ctx.counter("steps"), ctx.counter("parts"), ctx.counter("groups"));
        let (in_step, in_part, in_group) = (steps.clone(), parts.clone(), groups.clone());
        let rows = ctx
            .range_in(0..30_000, 7)
            .map(move |x| {
                in_step.add(1);
                x
            })
            .flat_map(move |x| {
                in_part.add(1);
                (x % 2 == 0).then_some((x % 10, x))
            });
        let sizes = rows.map_groups(move |key, values| {
            in_group.add(1);
            (*key, values.count())
        });
        assert_eq!(rows.take(3).unwrap().len(), 3);
        let before = (steps.value().unwrap(), parts.value().unwrap());
        rows.count().unwrap();
        rows.union(&rows).zip(&rows.union(&rows)).unwrap().count().unwrap();
        assert_eq!(sizes.count().unwrap(), sizes.collect().unwrap().len() as u64);
        (before, steps.value().unwrap(), parts.value().unwrap(), groups.value().unwrap())
    });
    assert_eq!(counts, ((0, 0), 30_000, 30_000, 5));
}

#[test]
fn sums_of_floats_have_the_same_bits_everywhere() {
    let bits = everywhere(|ctx| {
        let sum = ctx.accumulator("sum", 0.0, |a, b| a + b);
        let add = sum.clone();
        let rows = ctx.range_in(0..3_000, 11).map(move |x| {
            add.add((x as f64).sqrt());
            x
        });
        let placed = rows.map(|x| (x, ())).partition_by(&Partitioner::hash(3));
        placed.count().unwrap();
        rows.persist(StorageLevel::Memory).count().unwrap();
        sum.value().unwrap().to_bits()
    });
    let exact: f64 = (0..3_000).map(|x| f64::from(x).sqrt()).sum();
    assert!((f64::from_bits(bits) / exact - 1.0).abs() < 1e-12);
}

#[test]
fn attempts_that_fail_count_nothing() {
    for seed in 0..20 {
        let chaos = Chaos::new(seed).rate(0.3).only(&[Fault::Passing]);
        let set_up = |builder: firesteel_core::Builder| {
            builder.threads(2).task_retries(40).chaos_with(chaos.clone())
        };
        let counts = on_ranks_with(3, set_up, |ctx| {
            let counter = ctx.counter("rows");
            let add = counter.clone();
            let rows = ctx.range_in(0..9_000, 10).map(move |x| {
                add.add(1);
                (x % 7, x)
            });
            rows.reduce_by_key(|a, b| a + b).count().unwrap();
            rows.count().unwrap();
            counter.value().unwrap()
        });
        assert_eq!(counts, [9_000; 3]);
        assert!(chaos.struck() > 0 || seed > 0);
    }
}

#[test]
fn an_operator_that_failed_has_counted_only_what_was_complete() {
    let ctx = Context::builder().threads(1).build().unwrap();
    let counter = ctx.counter("rows");
    let add = counter.clone();
    let rows = ctx.range_in(0..100, 4).map(move |x| {
        add.add(1);
        x
    });
    let failing = rows.try_map(|x| if x == 60 { Err("no") } else { Ok(x) });
    assert!(failing.count().is_err());
    // Partitions 0 and 1 came to their end, 2 did not.
    assert_eq!(counter.value(), Ok(50));
    rows.count().unwrap();
    assert_eq!(counter.value(), Ok(100));
}

#[test]
fn what_actions_and_the_program_add_counts_each_time() {
    let counts = on_ranks(3, |ctx| {
        let (visits, program) = (ctx.counter("visits"), ctx.counter("program"));
        for _ in 0..2 {
            let seen = visits.clone();
            ctx.range_in(0..50, 6).for_each(move |_| seen.add(1)).unwrap();
            program.add(10);
        }
        assert_eq!((visits.name(), program.name()), ("visits", "program"));
        (visits.value().unwrap(), program.value().unwrap())
    });
    assert_eq!(counts, [(100, 20); 3]);
}
