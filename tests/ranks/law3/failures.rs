//! Closures that fail: in every kind of operator and action, on one rank and on all.

use std::cell::Cell;
use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use firesteel_core::{Context, Dataset, Error, Result, TaskFailure};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{one_error, run, works};

/// How a closure fails, and whether it does so on this rank.
#[derive(Clone, Copy, Debug)]
struct Fault {
    how: How,
    here: bool,
}

#[derive(Clone, Copy, Debug)]
enum How {
    Panic,
    Typed,
    Foreign,
}

impl Fault {
    /// Fails in a closure that cannot return an error.
    fn strike<T>(self, value: T) -> T {
        assert!(!self.here, "struck");
        value
    }

    fn try_strike<T>(self, value: T) -> Result<T, TaskFailure> {
        match self.how {
            _ if !self.here => Ok(value),
            How::Panic => Ok(self.strike(value)),
            How::Typed => Err(Error::parameter("struck", 1, "something else").into()),
            How::Foreign => Err("struck by something else".into()),
        }
    }

    fn is_told_by(self, error: &Error, closure_of: &str) -> bool {
        match (self.how, error) {
            (How::Panic, Error::Panic { operator, message, .. }) => {
                operator == closure_of && message == "struck"
            }
            (How::Typed, Error::Parameter { name, .. }) => name == "struck",
            (How::Foreign, Error::Task { operator, message, .. }) => {
                operator == closure_of && message == "struck by something else"
            }
            _ => false,
        }
    }
}

/// The operator or action whose closure fails, in how many ways it can, and the program.
type Case = (&'static str, &'static [How], fn(&Context, Fault) -> Result<()>);

const PANIC: &[How] = &[How::Panic];
const ALL: &[How] = &[How::Panic, How::Typed, How::Foreign];

const CASES: &[Case] = &[
    ("map", PANIC, |ctx, fault| ran(rows(ctx).map(move |x| fault.strike(x)))),
    ("map_ref", PANIC, |ctx, fault| ran(rows(ctx).cache().map_ref(move |x| fault.strike(*x)))),
    ("try_map", ALL, |ctx, fault| ran(rows(ctx).try_map(move |x| fault.try_strike(x)))),
    ("filter", PANIC, |ctx, fault| ran(rows(ctx).filter(move |_| fault.strike(true)))),
    ("key_by", PANIC, |ctx, fault| ran(rows(ctx).key_by(move |x| fault.strike(*x)))),
    ("flat_map", PANIC, |ctx, fault| ran(rows(ctx).flat_map(move |x| fault.strike([x, x])))),
    ("flat_map", PANIC, |ctx, fault| {
        ran(rows(ctx).flat_map(move |x| (0..3).map(move |_| fault.strike(x))))
    }),
    ("map_partitions", PANIC, |ctx, fault| {
        ran(rows(ctx).map_partitions(move |rows| fault.strike(rows)))
    }),
    ("map_partitions", PANIC, |ctx, fault| {
        ran(rows(ctx).map_partitions(move |rows| rows.map(move |x| fault.strike(x))))
    }),
    ("map_partitions_with_index", PANIC, |ctx, fault| {
        ran(rows(ctx).map_partitions_with_index(move |p, rows| fault.strike(rows.skip(p))))
    }),
    ("try_map_partitions_with_index", ALL, |ctx, fault| {
        ran(rows(ctx).try_map_partitions_with_index(move |_, rows| fault.try_strike(rows)))
    }),
    ("generator", ALL, |ctx, fault| {
        let rows = move |p| Ok((0..p).map(move |x| fault.try_strike(x)));
        ran(ctx.generate("generator", 8, rows))
    }),
    ("generator", PANIC, |ctx, fault| {
        ran(ctx.generate("generator", 8, move |p| fault.strike(Ok((0..p).map(Ok::<_, Error>)))))
    }),
    // Combined within a partition, and only where partitions meet.
    ("reduce_by_key", PANIC, |ctx, fault| {
        ran(rows(ctx).map(|x| (x % 2, x)).reduce_by_key(move |a, b| fault.strike(a + b)))
    }),
    ("reduce_by_key", PANIC, |ctx, fault| {
        let apart = ctx.range_in(0..8, 8).map(|x| (0_u8, x));
        let everywhere = apart.flat_map(|(_, x)| (0..100_u64).map(move |key| (key, x)));
        ran(everywhere.reduce_by_key(move |a, b| fault.strike(a + b)))
    }),
    ("sort_by", PANIC, |ctx, fault| ran(rows(ctx).sort_by(move |x| fault.strike(*x)))),
    ("sort_by", PANIC, |ctx, fault| {
        // Comparisons fail only on the program's own thread, where the borders are chosen.
        STRIKES.set(fault.here);
        let result = ran(rows(ctx).map(Touchy).sort_by(|row| row.clone()));
        STRIKES.set(false);
        result
    }),
    ("zip_with_index", PANIC, |ctx, fault| {
        // The fault is below, but met while the step counts its rows.
        match rows(ctx).map(move |x| fault.strike(x)).zip_with_index().count() {
            Err(Error::Panic { operator, site, partition, message }) if operator == "map" => {
                Err(Error::Panic { operator: "zip_with_index".into(), site, partition, message })
            }
            other => other.map(|_| ()),
        }
    }),
    ("map", PANIC, |ctx, fault| ran(rows(ctx).map(move |x| fault.strike(x)).cache())),
    ("map", PANIC, |ctx, fault| {
        let below = rows(ctx).map(move |x| fault.strike(x)).map(|x| (x % 3, x));
        ran(below.reduce_by_key(|a, b| a + b).cache().zip_with_index())
    }),
    ("recut", PANIC, |ctx, fault| {
        let len = move |block: &Vec<u64>| fault.strike(block.len());
        blocks(ctx).recut(len, |block, range| block[range].to_vec(), |_| 7).map(|_| ())
    }),
    ("recut", PANIC, |ctx, fault| {
        let slice = move |block: &Vec<u64>, range| fault.strike(block[range_of(range)].to_vec());
        blocks(ctx).recut(Vec::len, slice, |_| 7).map(|_| ())
    }),
    ("recut", PANIC, |ctx, fault| {
        let slice = |block: &Vec<u64>, range: std::ops::Range<usize>| block[range].to_vec();
        blocks(ctx).recut(Vec::len, slice, move |_| fault.strike(7)).map(|_| ())
    }),
    ("reduce", PANIC, |ctx, fault| rows(ctx).reduce(move |a, b| fault.strike(a + b)).map(|_| ())),
    ("reduce", PANIC, |ctx, fault| {
        one_row_each(ctx).reduce(move |a, b| fault.strike(a + b)).map(|_| ())
    }),
    ("fold", PANIC, |ctx, fault| rows(ctx).fold(0, move |a, b| fault.strike(a + b)).map(|_| ())),
    ("aggregate", PANIC, |ctx, fault| {
        rows(ctx).aggregate(0, move |a, b| fault.strike(a + b), |a, b| a + b).map(|_| ())
    }),
    ("tree_aggregate", PANIC, |ctx, fault| {
        rows(ctx).tree_aggregate(0, |a, b| a + b, move |a, b| fault.strike(a + b)).map(|_| ())
    }),
    ("tree_aggregate", PANIC, |ctx, fault| {
        let rows = one_row_each(ctx);
        rows.tree_aggregate(0, |a, b| a + b, move |a, b| fault.strike(a + b)).map(|_| ())
    }),
    ("try_tree_aggregate", ALL, |ctx, fault| {
        let fold = move |a: u64, b: &u64| fault.try_strike(a + b);
        rows(ctx).try_tree_aggregate(0, fold, |a, b| a + b).map(|_| ())
    }),
    ("for_each", PANIC, |ctx, fault| rows(ctx).for_each(move |_| fault.strike(()))),
    ("top", PANIC, |ctx, fault| {
        let touchy = rows(ctx).map(move |x| Touchy(fault.strike_later(x)));
        match touchy.top(3) {
            Err(error) => Err(error),
            Ok(_) => Ok(()),
        }
    }),
];

thread_local! {
    /// Whether comparing two [`Touchy`] panics on this thread.
    static STRIKES: Cell<bool> = const { Cell::new(false) };
}

/// A number whose comparison fails on threads that say so, or if it is itself struck.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Touchy(u64);

const STRUCK: u64 = u64::MAX;

impl Fault {
    /// A number that fails as soon as it is compared.
    fn strike_later(self, x: u64) -> u64 {
        if self.here { STRUCK } else { x }
    }
}

impl PartialOrd for Touchy {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Touchy {
    fn cmp(&self, other: &Self) -> Ordering {
        assert!(!STRIKES.get() && self.0 != STRUCK && other.0 != STRUCK, "struck");
        self.0.cmp(&other.0)
    }
}

fn rows(ctx: &Context) -> Dataset<u64> {
    ctx.range_in(0..100, 8)
}

/// So few rows that only the end of an action has anything to merge.
fn one_row_each(ctx: &Context) -> Dataset<u64> {
    let partitions = ctx.ranks().max(2);
    ctx.range_in(0..partitions as u64, partitions)
}

fn blocks(ctx: &Context) -> Dataset<Vec<u64>> {
    rows(ctx).map_partitions(|rows| [rows.collect::<Vec<_>>()])
}

fn range_of(range: std::ops::Range<usize>) -> std::ops::Range<usize> {
    range
}

fn ran<T: firesteel_core::Wire>(rows: Dataset<T>) -> Result<()> {
    rows.collect().map(|_| ())
}

#[test]
fn what_fails_on_one_rank_or_all_is_one_typed_error_and_the_context_works_on() {
    for (at, &(operator, ways, program)) in CASES.iter().enumerate() {
        for &how in ways {
            for ranks in [1, 2, 3] {
                for everywhere in [false, true] {
                    let results = run(ranks, move |ctx| {
                        let here = everywhere || ctx.rank() == ctx.ranks() - 1;
                        let result = program(ctx, Fault { how, here });
                        (result, works(ctx))
                    });
                    let (results, work): (Vec<_>, Vec<_>) = results.into_iter().unzip();
                    let error = one_error(results);
                    let place = format!("case {at}, {operator}, {ranks} ranks, all: {everywhere}");
                    let fault = Fault { how, here: true };
                    assert!(fault.is_told_by(&error, operator), "{place}: {error:?}");
                    assert!(work.iter().all(|works| *works), "{place}: does not work on");
                }
            }
        }
    }
}

#[test]
fn what_the_root_alone_runs_fails_everywhere() {
    for ranks in [1, 3] {
        for how in [How::Panic, How::Typed, How::Foreign] {
            let fault = Fault { how, here: true };
            let results = run(ranks, move |ctx| (ctx.on_root(|| fault.try_strike(0)), works(ctx)));
            let (results, work): (Vec<_>, Vec<_>) = results.into_iter().unzip();
            let error = one_error(results);
            assert!(fault.is_told_by(&error, "on_root"), "{error:?}");
            assert!(work.into_iter().all(|works| works));

            let results = run(ranks, move |ctx| {
                let visited = rows(ctx).visit(|x| fault.try_strike(x).map(|_| ()));
                (visited, works(ctx))
            });
            let (results, work): (Vec<_>, Vec<_>) = results.into_iter().unzip();
            let error = one_error(results);
            assert!(fault.is_told_by(&error, "visit"), "{error:?}");
            assert!(work.into_iter().all(|works| works));
        }
    }
}

/// Goes out and cannot come back.
#[derive(Clone, Debug, Serialize)]
struct OneWay(u64);

impl<'de> Deserialize<'de> for OneWay {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("there is no way back"))
    }
}

/// Cannot even go out.
#[derive(Clone, Debug, Deserialize)]
struct NoWay(u64);

impl Serialize for NoWay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == 0 {
            return serializer.serialize_u64(0);
        }
        panic!("struck")
    }
}

#[test]
fn a_type_that_does_not_come_back_is_the_same_error_on_all_ranks() {
    // Whoever has rows of its own need not read them back; all must fail all the same.
    for only in [0, 1, 2] {
        let results = run(3, move |ctx| {
            let here = ctx.range_in(0..3, 3).filter(move |x| *x == only).map(OneWay);
            let collected = here.collect().map(|_| ());
            let reduced = here.reduce(|a, _| a).map(|_| ());
            let shuffled = here.map(|x| (x.0 + 1, x)).reduce_by_key(|a, _| a).count().map(|_| ());
            let sent = ctx.broadcast(OneWay(1)).map(|_| ());
            let visited = here.visit(|_| Ok::<_, Error>(()));
            (collected, reduced, [shuffled, sent, visited], works(ctx))
        });
        assert!(results.iter().all(|(.., works)| *works));
        assert!(matches!(
            one_error(results.iter().map(|r| r.0.clone()).collect()),
            Error::Damaged { .. }
        ));
        assert!(matches!(
            one_error(results.iter().map(|r| r.1.clone()).collect()),
            Error::Damaged { .. }
        ));
        // A shuffle may have nothing to send, but the ranks agree on that too.
        let shuffled: Vec<_> = results.iter().map(|r| r.2[0].clone()).collect();
        assert!(shuffled.iter().all(|result| *result == shuffled[0]), "{shuffled:?}");
        one_error(results.iter().map(|r| r.2[1].clone()).collect());
        one_error(results.iter().map(|r| r.2[2].clone()).collect());
    }
}

#[test]
fn a_type_that_panics_on_its_way_out_is_the_same_error_on_all_ranks() {
    let results = run(3, |ctx| {
        let rows = ctx.range_in(0..3, 3).map(|x| NoWay(x / 2));
        let collected = rows.collect().map(|_| ());
        let reduced = rows.reduce(|_, b| b).map(|_| ());
        let kept = rows.persist(firesteel_core::StorageLevel::Disk).count().map(|_| ());
        let sent = ctx.broadcast(NoWay(1)).map(|_| ());
        (collected, reduced, (kept, sent), works(ctx))
    });
    assert!(results.iter().all(|(.., works)| *works));
    let columns: [Vec<Result<()>>; 4] = [
        results.iter().map(|r| r.0.clone()).collect(),
        results.iter().map(|r| r.1.clone()).collect(),
        results.iter().map(|r| r.2.0.clone()).collect(),
        results.iter().map(|r| r.2.1.clone()).collect(),
    ];
    for (results, operator) in
        columns.into_iter().zip(["collect", "reduce", "persist", "broadcast"])
    {
        let error = one_error(results);
        let fault = Fault { how: How::Panic, here: true };
        assert!(fault.is_told_by(&error, operator), "{error:?}");
    }
}

#[test]
fn a_stage_that_failed_can_be_computed_later() {
    for ranks in [1, 3] {
        let results = run(ranks, |ctx| {
            let broken = Arc::new(AtomicBool::new(true));
            let (here, is_broken) = (ctx.rank() == ctx.ranks() - 1, Arc::clone(&broken));
            let rows = rows(ctx).try_map(move |x| {
                if here && is_broken.load(SeqCst) { Err("still broken") } else { Ok(x) }
            });
            let cached = rows.cache();
            let summed = cached.map(|x| (x % 4, x)).reduce_by_key(|a, b| a + b).sort_by(|row| *row);
            let first = summed.collect();
            broken.store(false, SeqCst);
            (first, cached.count(), summed.collect())
        });
        for (first, cached, summed) in results {
            assert!(matches!(first, Err(Error::Task { .. })), "{first:?}");
            assert_eq!(cached, Ok(100));
            assert_eq!(summed, Ok(vec![(0, 1200), (1, 1225), (2, 1250), (3, 1275)]));
        }
    }
}

#[test]
fn a_failure_ends_the_tasks_of_all_ranks_at_their_next_chunk() {
    for ranks in [1, 2, 3] {
        // What runs is seen through memory that real ranks would not share.
        let (running, counted) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let shown = Arc::clone(&counted);
        let results = run(ranks, move |ctx| {
            let (running, counted) = (Arc::clone(&running), Arc::clone(&counted));
            let last = 2 * ctx.ranks() - 1;
            // Two partitions a rank, of more rows than anybody could ever count; the last
            // partition fails once another one of each rank is at work.
            let work = move |p: usize| {
                let (running, counted) = (Arc::clone(&running), Arc::clone(&counted));
                if p == last {
                    while running.load(SeqCst) < (last as u64).div_ceil(2) {
                        std::thread::yield_now();
                    }
                }
                Ok((0_u64..).map(move |i| {
                    if p == last {
                        return Err("enough");
                    }
                    if i == 0 && p.is_multiple_of(2) {
                        running.fetch_add(1, SeqCst);
                    }
                    counted.fetch_add(1, SeqCst);
                    Ok(i)
                }))
            };
            let endless = ctx.generate("endless", last + 1, work);
            let result = endless.map(|x| x + 1).count();
            (result, works(ctx))
        });
        let before = shown.load(SeqCst);
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert_eq!(shown.load(SeqCst), before, "a task runs on");
        let (results, work): (Vec<_>, Vec<_>) = results.into_iter().unzip();
        let error = one_error(results);
        assert!(matches!(&error, Error::Task { message, .. } if message == "enough"), "{error}");
        assert!(work.into_iter().all(|works| works));
    }
}

#[test]
fn a_closure_that_stumbles_over_rows_that_failed_below_does_not_hide_why() {
    let results = run(2, |ctx| {
        let below = rows(ctx).try_map(|x| if x % 10 == 9 { Err("bad row") } else { Ok(x) });
        let all = below.map_partitions(|rows| {
            let rows: Vec<u64> = rows.collect();
            assert!(rows.len() >= 12, "the rows must be whole");
            rows
        });
        (all.count(), works(ctx))
    });
    let (results, work): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    let error = one_error(results);
    assert!(matches!(&error, Error::Task { operator, .. } if operator == "try_map"), "{error}");
    assert!(work.into_iter().all(|works| works));
}
