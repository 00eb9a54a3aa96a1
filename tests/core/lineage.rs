//! Long lineages: ten thousand operators are built, run, shown and dropped on a small stack.

use firesteel_core::testing::on_ranks_with;
use firesteel_core::{Context, Dataset};

const OPERATORS: usize = 10_000;

/// Runs on a stack of the size that test threads have, whatever the environment says.
fn on_a_small_stack<R: Send>(program: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let run = || std::thread::Builder::new().stack_size(2 << 20).spawn_scoped(scope, program);
        run().unwrap().join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn chain(start: &Dataset<u64>, add: impl Fn(&Dataset<u64>, usize) -> Dataset<u64>) -> Dataset<u64> {
    (0..OPERATORS).fold(start.clone(), |rows, i| add(&rows, i))
}

/// Builds a chain, prints it, runs it twice and drops it, on one rank and on two.
fn survives(add: impl Fn(&Dataset<u64>, usize) -> Dataset<u64> + Sync, expected: (u64, u64)) {
    for ranks in [1, 2] {
        on_a_small_stack(|| {
            on_ranks_with(
                ranks,
                |builder| builder.threads(2),
                |ctx| {
                    let rows = chain(&ctx.range_in(0..10, 2), &add);
                    assert!(rows.explain().lines().count() > OPERATORS);
                    let sum = rows.fold(0, |a, b| a + b).unwrap();
                    assert_eq!((rows.count().unwrap(), sum), expected);
                    drop(rows);
                },
            )
        });
    }
}

#[test]
fn a_chain_of_maps() {
    survives(|rows, _| rows.map(|x| x + 1), (10, 100_045));
}

#[test]
fn a_chain_of_filters() {
    survives(|rows, _| rows.filter(|x| *x != 3), (9, 42));
}

#[test]
fn a_chain_of_unions() {
    survives(
        |rows, i| {
            // Empty inputs keep the result small; ten thousand of them are still read.
            let none = rows.context().range_in(0..u64::from(i % 1000 == 0), 1);
            if i % 2 == 0 { rows.union(&none) } else { none.union(rows) }
        },
        (20, 45),
    );
}

#[test]
fn a_chain_of_map_partitions() {
    survives(|rows, _| rows.map_partitions(|rows| rows.map(|x| x + 1)), (10, 100_045));
}

#[test]
fn a_chain_of_flat_maps() {
    survives(|rows, _| rows.flat_map(|x| [x + 1]), (10, 100_045));
}

#[test]
fn a_chain_of_everything() {
    survives(
        |rows, i| match i % 6 {
            0 => rows.map(|x| x + 1),
            1 => rows.filter(|_| true),
            2 => rows.flat_map(|x| [x]),
            3 => rows.map_partitions_with_index(|_, rows| rows),
            4 => rows.sample(1.0, 1).unwrap(),
            _ if i % 1000 == 5 => rows.cache().zip_with_index().map(|(x, _)| x),
            _ => rows.map_ref(|x| *x),
        },
        (10, 45 + 10 * 1_667),
    );
}

#[test]
fn a_chain_of_caches_is_computed_and_let_go_of_one_by_one() {
    on_a_small_stack(|| {
        let ctx = Context::builder().threads(2).build().unwrap();
        let rows = (0..1_000).fold(ctx.range_in(0..10, 2), |rows, _| rows.map(|x| x + 1).cache());
        assert_eq!(rows.collect().unwrap(), (1_000..1_010).collect::<Vec<_>>());
        // Every cache below has lost its last handle.
        assert_eq!(ctx.memory_used(), 10 * 8);
        assert_eq!(rows.explain().lines().count(), 1);
    });
}

#[test]
fn datasets_of_two_contexts_can_be_put_together() {
    let (one, other) = (Context::local(), Context::local());
    let rows = one.range_in(0..5, 2).map(|x| (x % 2, x)).reduce_by_key(|a, b| a + b);
    let same = other.range_in(0..5, 2).map(|x| (x % 2, x)).reduce_by_key(|a, b| a * b);
    let both = one.union(&[rows.cache(), same.cache()]);
    let mut all = both.collect().unwrap();
    all.sort_unstable();
    assert_eq!(all, [(0, 0), (0, 6), (1, 3), (1, 4)]);
}
