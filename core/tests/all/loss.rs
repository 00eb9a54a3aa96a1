//! Rows that would be lost in silence: in a shuffle, in a cache that is computed anew, in a folder.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use firesteel_core::chaos::{Chaos, Fault};
use firesteel_core::dataset::Saving;
use firesteel_core::testing::{on_ranks, on_ranks_with};
use firesteel_core::{Context, Error, Partitioner, Result, StorageLevel};

type Shuffle = fn(&Context) -> Result<u64>;

const SHUFFLES: &[(&str, Shuffle)] = &[
    ("reduce_by_key", |ctx| pairs(ctx).reduce_by_key(|a, b| a + b).count()),
    ("sort_by", |ctx| pairs(ctx).sort_by(|row| row.1).count()),
    ("repartition", |ctx| pairs(ctx).repartition(4).count()),
    ("partition_by", |ctx| pairs(ctx).partition_by(&Partitioner::hash(4)).count()),
    ("group_by_key", |ctx| pairs(ctx).group_by_key().count()),
];

fn pairs(ctx: &Context) -> firesteel_core::Dataset<(u64, u64)> {
    ctx.range_in(0..4_000, 5).map(|x| (x % 1_000, x))
}

#[test]
fn a_piece_that_a_shuffle_loses_stops_the_job_on_every_rank() {
    for ranks in [1, 3] {
        for limit in [None, Some(100)] {
            for (name, shuffle) in SHUFFLES {
                let chaos = Chaos::new(1).rate(0.0).only(&[Fault::Dropped]).at("shuffle", 2);
                let set_up = |builder: firesteel_core::Builder| {
                    let builder = builder.threads(2).chaos_with(chaos.clone());
                    match limit {
                        Some(bytes) => builder.memory_limit(bytes),
                        None => builder,
                    }
                };
                let found =
                    on_ranks_with(ranks, set_up, |ctx| (shuffle(ctx), ctx.range(0..10).count()));
                for (result, after) in &found {
                    let Err(Error::RowsLost { operator, partition, written, read, .. }) = result
                    else {
                        panic!("{name} on {ranks} ranks: {result:?}");
                    };
                    assert!(operator == name && *partition == 2 && read < written, "{result:?}");
                    assert_eq!((result, after), (&found[0].0, &Ok(10)));
                }
            }
        }
    }
}

#[test]
fn a_cache_that_is_computed_anew_with_other_rows_is_an_error() {
    // Kept nowhere since there is no room, and on disk where the first block comes back damaged.
    let levels = [
        (StorageLevel::Memory, None),
        (StorageLevel::MemoryPacked, None),
        (StorageLevel::Disk, Some(("store.read", 0))),
    ];
    for (level, damage) in levels {
        for ranks in [1, 3] {
            for starts_with_all in [true, false] {
                let set_up = |builder: firesteel_core::Builder| {
                    let builder = builder.threads(2).memory_limit(64);
                    match damage {
                        Some((point, number)) => {
                            let chaos = Chaos::new(1).rate(0.0).only(&[Fault::Corrupted]);
                            builder.chaos_with(chaos.at(point, number))
                        }
                        None => builder,
                    }
                };
                let found = on_ranks_with(ranks, set_up, |ctx| {
                    let all = Arc::new(AtomicBool::new(starts_with_all));
                    let now = Arc::clone(&all);
                    let rows =
                        ctx.range_in(0..600, 1).filter(move |x| x % 3 > 0 || now.load(Relaxed));
                    let kept = rows.persist(level);
                    let first = kept.count();
                    let again = kept.collect().map(|rows| rows.len() as u64);
                    all.store(!starts_with_all, Relaxed);
                    (first, again, kept.collect(), kept.take(1))
                });
                let (some, all) = (400, 600);
                let (first, other) = if starts_with_all { (all, some) } else { (some, all) };
                for (counted, again, changed, _) in &found {
                    assert_eq!((counted, again), (&Ok(first), &Ok(first)), "{level:?}");
                    let Err(Error::NotRepeatable { operator, partition: 0, kept, anew, .. }) =
                        changed
                    else {
                        panic!("{level:?} on {ranks} ranks: {changed:?}");
                    };
                    assert_eq!((operator.as_str(), *kept, *anew), ("persist", first, other));
                    assert_eq!(changed, &found[0].2);
                }
            }
        }
    }
}

#[test]
fn a_loop_can_check_point_into_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    for ranks in [1, 3] {
        let name = folder.path().join(format!("steps-{ranks}")).to_string_lossy().into_owned();
        let ends = on_ranks(ranks, |ctx| {
            let saving = Saving::new().overwrite(true);
            let mut rows = ctx.range_in(0..100, 4);
            let mut old = rows.clone();
            for _ in 0..5 {
                old = rows.clone();
                rows =
                    rows.map(|x| x + 1).filter(|x| *x > 2).checkpoint_with(&name, saving).unwrap();
            }
            let refused = rows.checkpoint(&name).map(|_| ());
            (rows.collect().unwrap(), old.count(), refused)
        });
        for (rows, old, refused) in ends {
            assert_eq!(rows, (3..105).filter(|x| *x >= 7).collect::<Vec<_>>());
            // What stood on the replaced rows says so.
            assert!(matches!(old, Err(Error::Damaged { .. })), "{old:?}");
            assert!(
                matches!(refused, Err(Error::File { message, .. }) if message.contains("already"))
            );
        }
    }
    // Neither old folders nor half of new ones stay.
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}
