use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::context::{Builder, Context};
use crate::testing::on_ranks_with;

fn with(chaos: &Chaos) -> impl Fn(Builder) -> Builder + Sync {
    |builder| builder.threads(2).chaos_with(chaos.clone())
}

/// The faults of a thousand events at a point.
fn faults(chaos: &Chaos, point: Point) -> Vec<Option<Fault>> {
    (0..1_000).map(|number| chaos.point(Event::new(point, number, &3))).collect()
}

#[test]
fn a_seed_brings_its_faults_again_and_another_one_others() {
    let chaos = Chaos::new(5).rate(0.3);
    assert_eq!(faults(&chaos, Point::Task), faults(&Chaos::new(5).rate(0.3), Point::Task));
    assert_ne!(faults(&chaos, Point::Task), faults(&Chaos::new(6).rate(0.3), Point::Task));
    let of = |event| Chaos::new(5).rate(0.5).point(event);
    let differ = |other: &dyn Fn(u64) -> Event| {
        (0..100).any(|i| of(Event::new(Point::StoreRead, i, &3)) != of(other(i)))
    };
    assert!(differ(&|i| Event::new(Point::StoreRead, i, &4)));
    assert!(differ(&|i| Event::new(Point::StoreRead, i, &3).attempt(1)));
    assert!(differ(&|i| Event::new(Point::Exchange, i, &3)));
}

#[test]
fn the_rate_is_the_share_of_events_that_have_a_fault_and_all_kinds_come() {
    for point in Point::ALL {
        let chaos = Chaos::new(1).rate(0.25);
        let found: Vec<Fault> = faults(&chaos, point).into_iter().flatten().collect();
        assert!((190..310).contains(&found.len()), "{point:?}: {}", found.len());
        assert_eq!(chaos.struck(), found.len() as u64);
        for fault in point.faults() {
            assert!(found.contains(fault), "{fault:?} at {point:?}");
        }
        assert!(faults(&Chaos::new(1).rate(0.0), point).iter().all(Option::is_none));
        assert!(faults(&Chaos::new(1).rate(1.0), point).iter().all(Option::is_some));
        let slow = faults(&Chaos::new(1).rate(1.0).only(&[Fault::Slow]), point);
        assert!(slow.iter().all(|fault| *fault == Some(Fault::Slow)));
        let none = faults(&Chaos::new(1).rate(1.0).only(&[]), point);
        assert!(none.iter().all(Option::is_none));
    }
}

#[test]
fn a_chosen_event_has_its_fault_at_the_first_attempt_only() {
    let chaos = Chaos::new(1).rate(0.0).at("store.write", 3);
    let event = |number| Event::new(Point::StoreWrite, number, &());
    assert!(chaos.point(event(3)).is_some());
    assert_eq!(chaos.point(event(3).attempt(1)), None);
    assert_eq!(chaos.point(event(2)), None);
    assert_eq!(chaos.point(Event::new(Point::StoreRead, 3, &())), None);
}

#[test]
fn a_rate_or_a_point_that_makes_no_sense_is_refused() {
    for (chaos, culprit) in [
        (Chaos::new(0).rate(1.5), "rate"),
        (Chaos::new(0).rate(f64::NAN), "rate"),
        (Chaos::new(0).at("stor.write", 1), "point"),
    ] {
        let error = Context::builder().chaos_with(chaos).build().unwrap_err();
        assert!(matches!(&error, Error::Parameter { name, .. } if name == culprit), "{error}");
    }
}

#[test]
fn a_block_is_damaged_lost_or_refused_as_asked() {
    let strike = |fault, number| {
        let mut bytes = vec![7; 100];
        let chaos = Chaos::new(2).rate(1.0).only(&[fault]);
        let result = chaos.strike(Event::new(Point::StoreWrite, number, &()), &mut bytes);
        (result, bytes)
    };
    for number in 0..50 {
        let (result, bytes) = strike(Fault::Corrupted, number);
        assert_eq!(bytes.iter().filter(|byte| **byte != 7).count(), 1);
        assert_eq!((result, bytes.len()), (Ok(()), 100));
        let (result, bytes) = strike(Fault::Dropped, number);
        assert!(result.is_ok() && bytes.len() < 100);
        let (full, bytes) = strike(Fault::DiskFull, number);
        assert!(!full.unwrap_err().may_pass() && bytes == [7; 100]);
        assert!(strike(Fault::Passing, number).0.unwrap_err().may_pass());
        assert!(!strike(Fault::Lasting, number).0.unwrap_err().may_pass());
    }
    let nothing = &mut Vec::new();
    for fault in [Fault::Corrupted, Fault::Dropped] {
        let chaos = Chaos::new(2).rate(1.0).only(&[fault]);
        assert_eq!(chaos.strike(Event::new(Point::StoreRead, 0, &()), nothing), Ok(()));
    }
}

#[test]
fn what_passes_is_tried_again_as_often_as_asked() {
    for (retries, attempts) in [(0, 1), (1, 2), (3, 4)] {
        let chaos = Chaos::new(3).rate(1.0).only(&[Fault::Passing]);
        let builder = Context::builder().threads(1).task_retries(retries);
        let ctx = builder.chaos_with(chaos.clone()).build().unwrap();
        let error = ctx.range_in(0..10, 1).count().unwrap_err();
        assert!(error.may_pass(), "{error}");
        assert_eq!(chaos.struck(), attempts);
    }
    let chaos = Chaos::new(3).rate(0.4).only(&[Fault::Passing]);
    let set_up = |builder: Builder| with(&chaos)(builder).task_retries(40);
    let sums = on_ranks_with(3, set_up, |ctx| {
        let rows = ctx.range_in(0..10_000, 16).map(|x| (x % 10, x)).reduce_by_key(|a, b| a + b);
        (rows.count(), rows.map(|(_, sum)| sum).fold(0, |a, b| a + b))
    });
    assert_eq!(sums, vec![(Ok(10), Ok(49_995_000)); 3]);
    assert!(chaos.struck() > 10);
}

#[test]
fn a_closures_error_is_tried_again_only_if_it_says_that_it_may_pass() {
    let ctx = Context::builder().threads(1).build().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = |error: fn() -> Result<u64>| {
        let mine = Arc::clone(&calls);
        calls.store(0, Ordering::Relaxed);
        let failing = ctx.range_in(0..1, 1).try_map(move |x| {
            let calls = mine.fetch_add(1, Ordering::Relaxed);
            if calls < 2 { error() } else { Ok(x) }
        });
        (failing.collect(), calls.load(Ordering::Relaxed))
    };
    let timed_out: fn() -> Result<u64> =
        || Err(Error::file("far away", io::Error::from(io::ErrorKind::TimedOut)));
    let (result, calls) = counted(|| Err(Error::file("far away", io::ErrorKind::TimedOut)));
    assert!(result.is_err() && calls == 1, "words do not pass");
    assert_eq!(counted(timed_out), (Ok(vec![0]), 3));
    let (result, calls) = counted(|| panic!("mine"));
    assert!(matches!(result, Err(Error::Panic { .. })) && calls == 1);
    let (result, calls) =
        counted(|| Err(Error::Damaged { what: "frame".into(), message: "it does not fit".into() }));
    assert!(matches!(result, Err(Error::Damaged { .. })) && calls == 1);
}

#[test]
fn side_effects_are_not_repeated() {
    for seed in 0..20 {
        let chaos = Chaos::new(seed).rate(0.3).only(&[Fault::Passing]);
        let seen: Vec<AtomicUsize> = (0..20_000).map(|_| AtomicUsize::new(0)).collect();
        let builder = with(&chaos)(Context::builder()).task_retries(40);
        let rows = builder.build().unwrap().range_in(0..20_000, 3);
        rows.map(|x| x)
            .for_each(|x| {
                seen[*x as usize].fetch_add(1, Ordering::Relaxed);
            })
            .unwrap();
        let counts: Vec<usize> = seen.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        assert!(counts.iter().all(|count| *count == 1), "seed {seed}");
    }
}

#[test]
fn a_panic_or_an_error_on_one_rank_is_everybodys_and_the_context_goes_on() {
    for fault in [Fault::Panic, Fault::Lasting] {
        let chaos = Chaos::new(0).rate(0.0).only(&[fault]).at("task", 5);
        let results = on_ranks_with(3, with(&chaos), |ctx| {
            (ctx.range_in(0..60, 6).count(), ctx.range_in(0..60, 5).count())
        });
        for (failed, fine) in &results {
            match failed {
                Err(Error::Panic { message, partition: Some(5), .. }) => {
                    assert!(fault == Fault::Panic && message == "chaos at task 5");
                }
                Err(Error::File { file, .. }) => {
                    assert!(fault == Fault::Lasting && file == "chaos at task 5");
                }
                other => panic!("{other:?}"),
            }
            assert_eq!((failed, fine), (&results[0].0, &Ok(60)));
        }
    }
}

#[test]
fn bytes_damaged_on_their_way_are_one_error_on_every_rank() {
    for fault in [Fault::Corrupted, Fault::Dropped] {
        for (point, what) in [("meeting", "note of rank"), ("exchange", "parcel from rank")] {
            let mut met = 0;
            // The first meeting is that of the contexts when they start.
            for number in 2..9 {
                let chaos = Chaos::new(4).rate(0.0).only(&[fault]).at(point, number);
                let results = on_ranks_with(3, with(&chaos), |ctx| {
                    let rows = ctx.range_in(0..100, 7).map(|x| (x % 10, x));
                    let sums = rows.reduce_by_key(|a, b| a + b).map(|(_, sum)| sum);
                    sums.fold(0, |a, b| a + b)
                });
                let first = &results[0];
                assert!(results.iter().all(|other| other == first), "{results:?}");
                match first {
                    Ok(sum) => assert_eq!((*sum, chaos.struck()), (4_950, 0)),
                    Err(Error::Damaged { what: found, .. }) => {
                        assert!(found.starts_with(what), "{found}");
                        met += 1;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            assert!(met > 0, "{point}");
        }
    }
}

#[test]
fn slow_ranks_come_to_the_same() {
    let chaos = Chaos::new(4).rate(0.5).only(&[Fault::Slow]);
    let sorted = on_ranks_with(3, with(&chaos), |ctx| {
        ctx.range_in(0..100, 7).sort_by(|x| std::cmp::Reverse(*x)).take(3)
    });
    assert_eq!(sorted, vec![Ok(vec![99, 98, 97]); 3]);
    assert!(chaos.struck() > 0);
}
