//! Jobs beside each other, and jobs that are stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use firesteel_core::testing::{on_ranks, on_ranks_with};
use firesteel_core::{Context, Error, Result};

/// Waits for something that another thread does.
fn until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "it never comes");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn branches_run_beside_each_other_on_any_ranks() {
    for ranks in [1, 3] {
        let sums = on_ranks(ranks, |ctx| {
            let rows = ctx.range_in(0..1_000, 5).map(|x| x * 3);
            let branches = [ctx.branch("one").unwrap(), ctx.branch("two").unwrap()];
            // Each rank runs its branches in an order of its own.
            std::thread::scope(|scope| {
                let mut order = [0, 1];
                order.rotate_left(ctx.rank() % 2);
                let running: Vec<_> = order
                    .into_iter()
                    .map(|i| {
                        let (rows, branch) = (rows.on(&branches[i]), &branches[i]);
                        let run = move || -> Result<(usize, u64, u64)> {
                            let mut last = 0;
                            for _ in 0..10 {
                                last =
                                    rows.map(|x| (x % 7, x)).reduce_by_key(|a, b| a + b).count()?;
                            }
                            assert_eq!(branch.range(0..9).count()?, 9);
                            Ok((i, last, rows.fold(0, |a, b| a + b)?))
                        };
                        let started = scope.spawn(run);
                        std::thread::sleep(Duration::from_millis(3));
                        started
                    })
                    .collect();
                let here = rows.count().unwrap();
                let mut all: Vec<_> =
                    running.into_iter().map(|r| r.join().unwrap().unwrap()).collect();
                all.sort_unstable();
                (here, all)
            })
        });
        for found in sums {
            assert_eq!(found, (1_000, vec![(0, 7, 1_498_500), (1, 7, 1_498_500)]), "{ranks} ranks");
        }
    }
}

#[test]
fn a_stage_that_several_branches_need_is_computed_once() {
    let ctx = Context::builder().threads(2).build().unwrap();
    let computed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&computed);
    let rows = ctx.range_in(0..100, 4).map(move |x| {
        count.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_micros(300));
        x
    });
    let kept = rows.cache();
    std::thread::scope(|scope| {
        for i in 0..4 {
            let kept = kept.on(&ctx.branch(&i.to_string()).unwrap());
            scope.spawn(move || assert_eq!(kept.count(), Ok(100)));
        }
    });
    assert_eq!(computed.load(Ordering::Relaxed), 100);
}

#[test]
fn on_several_ranks_a_stage_of_another_branch_must_be_computed() {
    let found = on_ranks(3, |ctx| {
        let kept = ctx.range_in(0..100, 4).cache();
        let branch = ctx.branch("beside").unwrap();
        let early = kept.on(&branch).map(|x| x + 1).zip_with_index().count();
        kept.count().unwrap();
        (early, kept.on(&branch).map(|x| x + 1).zip_with_index().count())
    });
    for (early, late) in &found {
        assert!(
            matches!(early, Err(Error::StageOfAnotherBranch { stage, .. }) if stage.starts_with("cache at"))
        );
        assert_eq!((early, late), (&found[0].0, &Ok(100)));
    }
}

#[test]
fn branches_of_other_names_are_an_error() {
    let found = on_ranks(3, |ctx| ctx.branch(if ctx.rank() == 2 { "b" } else { "a" }).map(|_| ()));
    assert!(found.iter().all(|made| matches!(made, Err(Error::PlansDiffer { other_rank: 2, .. }))));
}

#[test]
fn a_cancel_is_everybodys_and_the_context_goes_on() {
    for (ranks, threads) in [(1, 1), (1, 2), (3, 1), (3, 2)] {
        let found = on_ranks_with(
            ranks,
            |builder| builder.threads(threads),
            |ctx| {
                let (canceller, rank) = (ctx.canceller(), ctx.rank());
                // Does nothing: no action is running.
                canceller.cancel();
                assert_eq!(ctx.range(0..5).count(), Ok(5));
                let rows = ctx.range_in(0..1 << 40, 6).map(move |x| {
                    if rank == 0 && x == 5_000 {
                        canceller.cancel();
                    }
                    x
                });
                let stopped = rows.map(|x| (x % 3, 1)).reduce_by_key(|a, b| a + b).collect();
                (stopped, ctx.range_in(0..50, 7).map(|x| (x, x)).sort_by_key().count())
            },
        );
        for (stopped, after) in found {
            assert!(matches!(&stopped, Err(Error::Cancelled { .. })), "{stopped:?}");
            assert_eq!(after, Ok(50));
        }
    }
}

#[test]
fn a_background_job_is_watched_and_stopped() {
    for ranks in [1, 3] {
        let found = on_ranks(ranks, |ctx| {
            let started = Arc::new(AtomicBool::new(false));
            let seen = Arc::clone(&started);
            let long = ctx
                .background("long", move |branch| {
                    let rows = branch.range_in(0..1 << 40, 8).map(move |x| {
                        seen.store(true, Ordering::Relaxed);
                        x
                    });
                    rows.count()
                })
                .unwrap();
            until(|| started.load(Ordering::Relaxed));
            // The context itself works meanwhile.
            assert_eq!(ctx.range_in(0..100, 9).count(), Ok(100));
            assert!(!long.is_finished());
            let progress = long.progress().unwrap();
            assert_eq!((progress.operator.as_str(), progress.done), ("count", 0));
            if ctx.rank() == 0 {
                long.cancel();
            }
            (long.name().to_owned(), long.wait(), ctx.range(0..3).count())
        });
        for (name, stopped, after) in found {
            assert_eq!((name.as_str(), after), ("long", Ok(3)));
            assert!(matches!(stopped, Err(Error::Cancelled { .. })), "{stopped:?}");
        }
    }
}

#[test]
fn what_a_background_job_returns_or_panics_with_is_there_to_read() {
    let ctx = Context::local();
    let fine = ctx.background("fine", |branch| branch.range(0..10).fold(0, |a, b| a + b)).unwrap();
    assert_eq!(fine.wait(), Ok(45));
    let panics = ctx.background("bad", |_| -> Result<()> { panic!("oh") }).unwrap();
    assert!(matches!(panics.wait(), Err(Error::Panic { message, .. }) if message == "oh"));
    let fails =
        ctx.background("bad", |branch| branch.range(0..9).try_map(|_| Err::<u64, _>("no")).count());
    assert!(matches!(fails.unwrap().wait(), Err(Error::Task { message, .. }) if message == "no"));
}

#[test]
fn too_many_threads_are_refused_at_once() {
    for threads in [0, 4_097, usize::MAX] {
        let refused = Context::builder().threads(threads).build();
        assert!(matches!(refused, Err(Error::Parameter { name, .. }) if name == "threads"));
    }
}
