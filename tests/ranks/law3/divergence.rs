//! Ranks that part: each way is a typed error on the ranks that are left, never a hang.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use firesteel_core::testing::on_ranks_with;
use firesteel_core::{Context, Error, Result};

use super::{one_error, run, works};
use crate::support::within_a_minute;

#[test]
fn actions_at_different_places_name_both_places_and_the_ranks_find_together_again() {
    let results = run(3, |ctx| {
        let rows = ctx.range_in(0..100, 8);
        let parted = if ctx.rank() == 1 { rows.sum_of() } else { rows.count() };
        (parted, works(ctx))
    });
    let (results, work): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    let error = one_error(results);
    let Error::Diverged { here, there } = &error else { panic!("{error}") };
    assert_eq!((here.rank, here.operator.as_str()), (0, "count"));
    assert_eq!((there.rank, there.operator.as_str()), (1, "fold"));
    assert_eq!(here.number, there.number);
    assert_ne!(here.site, there.site);
    assert!(error.to_string().contains("divergence.rs"), "{error}");
    assert!(work.into_iter().all(|works| works));
}

trait SumOf {
    fn sum_of(&self) -> Result<u64>;
}

impl SumOf for firesteel_core::Dataset<u64> {
    fn sum_of(&self) -> Result<u64> {
        self.fold(0, |a, b| a + b)
    }
}

#[test]
fn a_rank_that_calls_one_action_more_meets_nobody_by_mistake() {
    let results = run(3, |ctx| {
        let rows = ctx.range_in(0..100, 8);
        let mut results = Vec::new();
        if ctx.rank() == 2 {
            results.push(rows.fold(0, |a, b| a + b));
        }
        results.push(rows.count());
        results.push(rows.map(|x| x + 1).reduce(|a, b| a + b).map(|sum| sum.unwrap_or(0)));
        results
    });
    for (rank, results) in results.into_iter().enumerate() {
        for (at, result) in results.iter().enumerate() {
            let error = result.as_ref().unwrap_err();
            let expected = match error {
                Error::Diverged { .. } => true,
                // The last of the extra calls finds the others gone.
                Error::RankLost { rank: lost, .. } => rank == 2 && at == 2 && *lost < 2,
                _ => false,
            };
            assert!(expected, "rank {rank}, action {at}: {error}");
        }
    }
}

#[test]
fn a_rank_that_ends_early_is_named() {
    let results = run(3, |ctx| {
        assert!(works(ctx));
        if ctx.rank() == 1 {
            return None;
        }
        let rows = ctx.range_in(0..100, 8);
        Some([rows.count().map(|_| ()), rows.cache().collect().map(|_| ())])
    });
    assert!(results[1].is_none());
    for errors in [results[0].as_ref(), results[2].as_ref()].into_iter().flatten() {
        for result in errors {
            let error = result.as_ref().unwrap_err();
            assert!(
                matches!(error, Error::RankLost { rank: 1, message, .. } if message.contains("ended")),
                "{error}"
            );
        }
    }
}

#[test]
fn a_rank_that_panics_outside_of_an_action_is_named() {
    let (panicked, seen) = within_a_minute(|| {
        let seen = Mutex::new(Vec::new());
        let program = |ctx: &Context| {
            assert!(works(ctx));
            assert!(ctx.rank() != 2, "this rank's own business");
            let result =
                ctx.range_in(0..100, 8).map(|x| (x % 3, x)).reduce_by_key(|a, _| a).count();
            seen.lock().unwrap().push(result);
        };
        let run = || on_ranks_with(3, |builder| builder.threads(2), program);
        let panicked = catch_unwind(AssertUnwindSafe(run)).is_err();
        (panicked, seen.into_inner().unwrap())
    });
    assert!(panicked);
    assert_eq!(seen.len(), 2);
    for result in seen {
        let error = result.unwrap_err();
        assert!(
            matches!(&error, Error::RankLost { rank: 2, message, .. } if message.contains("panicked")),
            "{error}"
        );
    }
}

#[test]
fn results_that_differ_between_ranks_are_an_error() {
    for ranks in [2, 3] {
        let results = run(ranks, |ctx| {
            let rank = ctx.rank() as u64;
            let rows = ctx.range_in(0..100, 8);
            (rows.tree_aggregate(0, |a, b| a + b, move |a, b| a + b + rank), works(ctx))
        });
        let (results, work): (Vec<_>, Vec<_>) = results.into_iter().unzip();
        let error = one_error(results);
        assert!(
            matches!(&error, Error::ResultsDiffer { operator, other_rank: 1, .. }
                if operator == "tree_aggregate"),
            "{error}"
        );
        assert!(work.into_iter().all(|works| works));
    }
}

#[test]
fn one_line_on_different_data_is_an_error() {
    let programs: [fn(&Context) -> Result<()>; 6] = [
        |ctx| ctx.parallelize_in(vec![1; 10 + ctx.rank()], 3).collect().map(|_| ()),
        |ctx| ctx.range_in(0..100, 3 + ctx.rank()).zip_with_index().collect().map(|_| ()),
        |ctx| ctx.range_in(0..100, 3 + ctx.rank()).sort_by(|x| *x).count().map(|_| ()),
        |ctx| ctx.range_in(0..100, 3).take(1 + ctx.rank()).map(|_| ()),
        |ctx| ctx.range_in(0..100, 3).top(1 + ctx.rank()).map(|_| ()),
        |ctx| {
            let rows = ctx.range_in(0..100, 4).cache();
            let rows = if ctx.rank() == 0 { rows.map(|x| x + 1) } else { rows.filter(|_| true) };
            rows.count().map(|_| ())
        },
    ];
    for (at, program) in programs.into_iter().enumerate() {
        let results = run(2, move |ctx| (program(ctx), works(ctx)));
        let (results, work): (Vec<_>, Vec<_>) = results.into_iter().unzip();
        let error = one_error(results);
        assert!(matches!(error, Error::PlansDiffer { other_rank: 1, .. }), "program {at}: {error}");
        assert!(work.into_iter().all(|works| works), "program {at}");
    }
}

#[test]
fn ranks_that_recut_differently_part_with_an_error() {
    let results = run(2, |ctx| {
        let rank = ctx.rank() as u64;
        let blocks = ctx.range_in(0..100, 8).map_partitions(|rows| [rows.collect::<Vec<u64>>()]);
        let cut = blocks.recut(Vec::len, |block, range| block[range].to_vec(), move |_| 5 + rank);
        (cut.map(|_| ()), works(ctx))
    });
    let (results, work): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    assert!(matches!(one_error(results), Error::ResultsDiffer { .. }));
    assert!(work.into_iter().all(|works| works));
}

#[test]
fn ranks_of_different_seeds_do_not_start() {
    use firesteel_core::transport::thread_ranks;
    let errors = within_a_minute(|| {
        let ranks: Vec<_> = thread_ranks(2)
            .into_iter()
            .enumerate()
            .map(|(rank, transport)| {
                std::thread::spawn(move || {
                    Context::builder().transport(transport).seed(rank as u64).build().map(|_| ())
                })
            })
            .collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect::<Vec<_>>()
    });
    let error = one_error(errors);
    assert!(matches!(&error, Error::MixedWorld { what, .. } if what == "seed"), "{error}");
}
