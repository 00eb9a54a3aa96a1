//! Actions where there must be none: inside tasks, and from a second thread.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use firesteel_core::{Context, Error, Result};

use super::{one_error, run, works};

#[test]
fn an_action_inside_a_task_is_a_typed_error() {
    let programs: [fn(&Context) -> Result<()>; 5] = [
        |ctx| {
            let inner = ctx.range(0..10);
            ctx.range_in(0..8, 8).try_map(move |_| inner.count()).collect().map(|_| ())
        },
        |ctx| {
            let inner = ctx.clone();
            let rows = ctx.range_in(0..8, 8).map_partitions_with_index(|p, _| [p]);
            rows.try_map(move |p| inner.broadcast(p).map(|p| *p)).cache().count().map(|_| ())
        },
        |ctx| {
            // Another context is no way round either: its ranks are not all here.
            let rows = ctx.range_in(0..8, 8);
            let inner = |_| Context::builder().threads(1).build()?.range(0..10).count();
            rows.try_map(inner).count().map(|_| ())
        },
        |ctx| ctx.on_root(|| ctx.range(0..10).count()).map(|_| ()),
        |ctx| ctx.range(0..3).visit(|_| ctx.range(0..10).count().map(|_| ())),
    ];
    for (at, program) in programs.into_iter().enumerate() {
        for ranks in [1, 2, 3] {
            let results = run(ranks, move |ctx| (program(ctx), works(ctx)));
            let (results, work): (Vec<_>, Vec<_>) = results.into_iter().unzip();
            let error = one_error(results);
            assert!(matches!(error, Error::ActionInTask { .. }), "program {at}: {error}");
            assert!(work.into_iter().all(|works| works), "program {at}");
        }
    }
}

#[test]
fn an_action_inside_a_merge_is_refused_and_a_panic_over_it_is_reported() {
    for ranks in [1, 2] {
        let results = run(ranks, |ctx| {
            let refused = Mutex::new(Vec::new());
            let merge = |a, b| {
                let inner = ctx.range(0..10).count();
                refused.lock().unwrap().extend(inner.as_ref().err().cloned());
                inner.map_or(a + b, |n| n)
            };
            let sum = ctx.range_in(0..4, 4).tree_aggregate(0, |a, b| a + b, merge);
            let unwrapped = ctx.range_in(0..4, 4).tree_aggregate(
                0,
                |a, b| a + b,
                |_, _| ctx.range(0..10).count().unwrap(),
            );
            (sum, refused.into_inner().unwrap(), unwrapped, works(ctx))
        });
        for (sum, refused, unwrapped, works) in results {
            assert_eq!(sum, Ok(6));
            assert!(refused.len() >= 2);
            assert!(refused.iter().all(|error| matches!(error, Error::ActionInTask { .. })));
            assert!(matches!(unwrapped, Err(Error::Panic { .. })), "{unwrapped:?}");
            assert!(works);
        }
    }
}

#[test]
fn an_action_from_a_second_thread_is_refused_while_another_runs() {
    for ranks in [1, 2] {
        let results = run(ranks, |ctx| {
            let (started, has_started) = channel();
            let (go_on, may_go_on) = channel::<()>();
            let may_go_on = Mutex::new(may_go_on);
            std::thread::scope(|scope| {
                let long = scope.spawn(move || {
                    // The rank's first row waits until the other thread has been refused.
                    let waited = std::sync::Once::new();
                    ctx.range_in(0..8, 8).for_each(|_| {
                        waited.call_once(|| {
                            started.send(()).unwrap();
                            may_go_on.lock().unwrap().recv().unwrap();
                        });
                    })
                });
                has_started.recv().unwrap();
                let refused = ctx.range(0..10).count();
                let sources_are_fine = ctx.range(0..10).map(|x| x + 1).explain();
                go_on.send(()).unwrap();
                (long.join().unwrap(), refused, sources_are_fine.len(), works(ctx))
            })
        });
        for (long, refused, text, works) in results {
            assert_eq!(long, Ok(()));
            let error = refused.unwrap_err();
            assert!(
                matches!(&error, Error::ConcurrentAction { operator, running, .. }
                    if operator == "count" && running.contains("for_each")),
                "{error}"
            );
            assert!(text > 0 && works);
        }
    }
}
