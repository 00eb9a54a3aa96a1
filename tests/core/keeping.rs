//! What is kept: computed once, counted, spilled, and gone with its last handle.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use firesteel_core::testing::on_ranks_with;
use firesteel_core::{Context, Dataset, StorageLevel};

/// Rows that count how often one of them is computed.
fn counted(ctx: &Context, rows: u64, partitions: usize) -> (Dataset<u64>, Arc<AtomicU64>) {
    let computed = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&computed);
    let rows = ctx.range_in(0..rows, partitions).map(move |x| {
        counter.fetch_add(1, Relaxed);
        x * 2
    });
    (rows, computed)
}

fn files_under(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { files_under(&path) } else { 1 })
        .sum()
}

#[test]
fn what_is_kept_is_computed_once() {
    for level in [StorageLevel::MemoryAndDisk, StorageLevel::Disk] {
        for ranks in [1, 3] {
            let computed = on_ranks_with(
                ranks,
                |builder| builder.threads(2),
                |ctx| {
                    let (rows, computed) = counted(ctx, 1_000, 8);
                    let kept = rows.persist(level);
                    assert_eq!(kept.count(), Ok(1_000));
                    assert_eq!(kept.map(|x| x / 2).fold(0, |a, b| a + b), Ok(499_500));
                    assert_eq!(kept.union(&kept).zip_with_index().count(), Ok(2_000));
                    computed.load(Relaxed)
                },
            );
            assert_eq!(computed.iter().sum::<u64>(), 1_000);
        }
    }
}

#[test]
fn a_shuffle_is_run_once() {
    let ctx = Context::local();
    let (rows, computed) = counted(&ctx, 1_000, 8);
    let sums = rows.map(|x| (x % 10, x)).reduce_by_key(|a, b| a + b);
    let sorted = sums.sort_by(|(key, _)| *key);
    assert_eq!(sorted.count(), Ok(5));
    assert_eq!(sums.count(), Ok(5));
    assert_eq!(sorted.first(), Ok((0, (0..200).map(|x| 10 * x).sum())));
    assert_eq!(computed.load(Relaxed), 1_000);
}

#[test]
fn memory_comes_back_with_the_last_handle() {
    for ranks in [1, 2] {
        on_ranks_with(
            ranks,
            |builder| builder.threads(2),
            |ctx| {
                let kept = ctx.range_in(0..1_000, 8).map(|x| x as f64).cache();
                assert_eq!(ctx.memory_used(), 0);
                kept.sum().unwrap();
                assert_eq!(ctx.memory_used(), 8_000 / ranks as u64);
                let (clone, child) = (kept.clone(), kept.map(|x| x + 1.0));
                let sorted = child.sort_by(|x| x.to_bits());
                sorted.count().unwrap();
                let shuffled = ctx.memory_used();
                assert!(shuffled >= 16_000 / 2 / ranks as u64);
                drop(kept);
                drop(clone);
                // The child still stands on it.
                assert_eq!(ctx.memory_used(), shuffled);
                drop(child);
                // What was sorted does not.
                assert!(ctx.memory_used() < shuffled);
                drop(sorted);
                assert_eq!(ctx.memory_used(), 0);
            },
        );
    }
}

#[test]
fn a_failed_cache_keeps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ctx =
        Context::builder().memory_limit(100).spill_dir(folder.path()).threads(2).build().unwrap();
    let rows = ctx.range_in(0..1_000, 8).try_map(|x| if x == 900 { Err("no") } else { Ok(x) });
    let kept = rows.cache();
    assert!(kept.count().is_err());
    assert_eq!((ctx.memory_used(), files_under(folder.path())), (0, 0));
}

#[test]
fn spilled_rows_have_no_name_and_outlive_their_context() {
    let folder = tempfile::tempdir().unwrap();
    let ctx = Context::builder().memory_limit(2_500).spill_dir(folder.path()).build().unwrap();
    let kept = ctx.range_in(0..1_000, 8).cache();
    assert_eq!(kept.map(|x| x + 1).fold(0, |a, b| a + b), Ok(500_500));
    // Three fifths of 2,500 bytes are for what is kept: one partition of 1,000 bytes.
    assert_eq!(ctx.memory_used(), 1_000);
    assert!(kept.explain().contains("1,000 rows, 1000 B in memory"), "{}", kept.explain());
    let on_disk = ctx.parallelize(vec!["fire".to_owned(); 9]).persist(StorageLevel::Disk);
    assert_eq!(on_disk.count(), Ok(9));
    // Whatever happens to the process, nothing is left there.
    assert_eq!(files_under(folder.path()), 0);
    drop(kept);
    assert_eq!(ctx.memory_used(), 0);
    drop(ctx);
    assert_eq!(on_disk.first().unwrap(), "fire");
}

#[test]
fn a_spill_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let ctx = Context::builder().memory_limit(0).spill_dir(file.join("below")).build().unwrap();
    let error = ctx.range(0..10).cache().count().unwrap_err();
    assert!(error.to_string().contains("below"), "{error}");
    assert_eq!(ctx.range(0..10).count(), Ok(10));
}

#[test]
fn take_computes_no_more_than_it_needs() {
    let ctx = Context::builder().threads(2).build().unwrap();
    // Partitions of 10,000 rows: a take of few rows computes one chunk of the first.
    let (rows, computed) = counted(&ctx, 1_000_000, 100);
    assert_eq!(rows.take(3).unwrap(), [0, 2, 4]);
    assert!(computed.swap(0, Relaxed) <= 2_048);
    assert_eq!(rows.first(), Ok(0));
    assert!(computed.swap(0, Relaxed) <= 2_048);
    assert!(rows.take(0).unwrap().is_empty());
    assert_eq!(computed.swap(0, Relaxed), 0);
    // One partition is not enough: the next try has four.
    assert_eq!(rows.take(10_001).unwrap().len(), 10_001);
    assert!(computed.swap(0, Relaxed) <= 10_000 + 4 * 2_048);
    // Rows that are rare cost more tries, each of four times as many partitions.
    assert_eq!(rows.filter(|x| *x >= 100_000).take(1).unwrap(), [100_000]);
    assert!(computed.swap(0, Relaxed) <= 21 * 10_000);
    // Through a flat_map too, whose rows come a chunk at a time.
    let many = rows.flat_map(|x| (0..1_000).map(move |i| x + i));
    assert_eq!(many.take(2_000).unwrap().len(), 2_000);
    assert!(computed.swap(0, Relaxed) <= 2 * 2_048);
}
