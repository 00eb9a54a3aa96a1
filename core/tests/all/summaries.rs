//! What jobs say of themselves: summaries, traces, the lineage in stages.

use std::path::Path;

use firesteel_core::testing::{on_ranks, on_ranks_with};
use firesteel_core::{Context, Error, JobSummary};

/// A job with a cache, a shuffle and an action, and another on what was kept.
fn two_jobs(ctx: &Context) -> (JobSummary, JobSummary) {
    let rows = ctx.range_in(0..60_000, 6).map(|x| (x % 50, x)).cache();
    let sums = rows.reduce_by_key(|a, b| a + b);
    assert_eq!(sums.count().expect("a clean run"), 50);
    let first = ctx.last_job().expect("an action has run");
    assert_eq!(sums.collect().expect("a clean run").len(), 50);
    (first, ctx.last_job().expect("an action has run"))
}

#[test]
fn every_stage_counts_its_rows_once_over_all_ranks() {
    for ranks in [1, 3] {
        let jobs = on_ranks(ranks, two_jobs);
        let sum =
            |of: &dyn Fn(&JobSummary) -> u64| jobs.iter().map(|(job, _)| of(job)).sum::<u64>();
        for (job, again) in &jobs {
            let stages: Vec<&str> =
                job.stages.iter().map(|stage| stage.operator.as_str()).collect();
            assert_eq!(stages, ["cache", "reduce_by_key", "count"]);
            assert_eq!(job.action, "count");
            assert!(job.site.to_string().contains("summaries.rs"), "{}", job.site);
            assert!(job.stages.iter().all(|stage| stage.time <= job.time));
            // What was computed before is no stage of the second job.
            assert_eq!((again.stages.len(), again.action.as_str()), (1, "collect"));
            assert_eq!(job.bytes_sent() > 0, ranks > 1);
            assert_eq!(job.bytes_spilled(), 0);
        }
        assert_eq!(sum(&|job| job.stages[0].rows), 60_000);
        assert_eq!(sum(&|job| job.stages[1].rows), 60_000);
        assert_eq!(sum(&|job| job.stages[2].rows), 50);
        assert_eq!(sum(&|job| job.stages[0].tasks), 6);
        assert_eq!(sum(&|job| job.stages[0].rows_shuffled), 0);
        // Each group of partitions sends one row a key at most once.
        let shuffled = sum(&|job| job.rows_shuffled());
        assert!((50..=300).contains(&shuffled), "{shuffled}");
        assert!(sum(&|job| job.bytes_shuffled()) >= shuffled * 16);
        let again: u64 = jobs.iter().map(|(_, again)| again.rows()).sum();
        assert_eq!(again, 50);
    }
}

#[test]
fn what_goes_to_disk_and_what_fails_is_told() {
    let ctx = Context::builder().threads(2).memory_limit(100_000).build().unwrap();
    assert!(ctx.last_job().is_none());
    ctx.range_in(0..100_000, 4).sort_by(|x| u64::MAX - x).count().unwrap();
    let sort = ctx.last_job().unwrap();
    assert_eq!(sort.bytes_spilled(), ctx.spilled_bytes());
    assert!(sort.bytes_spilled() > 100_000);
    assert_eq!(sort.rows_shuffled(), 100_000);
    let text = sort.to_string();
    assert!(text.contains("stage 1: sort_by") && text.contains("spilled"), "{text}");
    let failed = ctx.range(0..9).map(|x| assert_ne!(x, 7)).count();
    assert!(matches!(failed, Err(Error::Panic { .. })));
    assert_eq!(ctx.jobs().len(), 2);
    assert_eq!(ctx.last_job().unwrap().stages[0].tasks, 0);
    for _ in 0..1_000 {
        ctx.range(0..1).count().unwrap();
    }
    assert_eq!(ctx.jobs().len(), 1_000);
}

#[test]
fn a_stage_that_fails_is_told_and_nothing_after_it() {
    for ranks in [1, 3] {
        let found = on_ranks(ranks, |ctx| {
            let rows = ctx.range_in(0..90, 9).map(|x| (x / (x - 41).pow(1), x));
            let sums = rows.cache().reduce_by_key(|a, b| a + b);
            let failed = sums.count();
            let job = ctx.last_job().expect("an action has run");
            let fine = ctx.range(0..100).count();
            (failed.is_err(), job, fine, ctx.last_job_of_ranks())
        });
        for (failed, job, fine, of_ranks) in found {
            assert!(failed && fine == Ok(100));
            let stages: Vec<_> =
                job.stages.iter().map(|stage| (stage.operator.as_str(), stage.failed)).collect();
            assert_eq!((job.failed(), stages), (true, vec![("cache", true)]), "{job}");
            assert!(job.to_string().contains("failed"), "{job}");
            let of_ranks = of_ranks.expect("nothing fails");
            assert!(of_ranks.iter().all(|job| job.action == "count" && !job.failed()));
            let rows: u64 = of_ranks.iter().map(JobSummary::rows).sum();
            assert_eq!((of_ranks.len(), rows), (ranks, 100));
        }
    }
}

#[test]
fn progress_names_the_stage_that_is_computed() {
    let ctx = Context::local();
    let (go_on, waits) = std::sync::mpsc::channel::<()>();
    let waits = std::sync::Mutex::new(waits);
    let rows = ctx.range_in(0..4, 1).map(move |x| {
        let _ = waits.lock().map(|waits| waits.recv());
        x
    });
    let rows = rows.cache();
    let job = ctx.background("kept", move |branch| rows.on(branch).count()).unwrap();
    let stage = loop {
        if let Some(progress) = job.progress() {
            break progress.operator;
        }
        std::thread::yield_now();
    };
    drop(go_on);
    assert_eq!((stage.as_str(), job.wait()), ("cache", Ok(4)));
}

#[test]
fn a_trace_is_json_for_every_rank() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.json");
    on_ranks_with(3, |builder| builder.threads(2).trace(&path), |ctx| two_jobs(ctx).0);
    for (rank, name) in ["trace.json", "trace.rank1.json", "trace.rank2.json"].iter().enumerate() {
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
        let events: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert!(events.iter().all(|event| event["pid"] == rank));
        let of = |kind: &str| events.iter().filter(|event| event["cat"] == kind).count();
        assert!(of("job") >= 2 && of("stage") >= 4 && of("task") >= 4, "{text}");
        let has = |name: &str| events.iter().any(|event| event["name"] == name);
        assert!(has("reduce_by_key") && has("count"), "{text}");
    }
    let nowhere = Context::builder().trace("/no/such/folder/trace.json").build();
    assert!(
        matches!(&nowhere, Err(Error::File { file, .. }) if Path::new(file).ends_with("trace.json"))
    );
}

#[test]
fn the_lineage_shows_stages_in_their_order_and_what_they_keep() {
    let ctx = Context::builder().threads(2).build().unwrap();
    let left = ctx.range_in(0..1_000, 4).map(|x| (x % 10, x)).cache();
    let right = left.reduce_by_key(|a, b| a + b);
    let joined = left.join(&right).map(|(k, _)| k);
    let before = joined.explain();
    for stage in ["stage 1: cache", "stage 2: reduce_by_key"] {
        assert!(before.contains(stage), "{before}");
    }
    assert_eq!(left.count(), Ok(1_000));
    let after = joined.explain();
    assert!(after.contains("1,000 rows, 15.62 KiB in memory"), "{after}");
    assert!(!after.contains("range"), "{after}");
}
