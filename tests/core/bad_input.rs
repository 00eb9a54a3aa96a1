//! Bad input, as far as the core meets it: each is a typed error that names the culprit, and
//! leaves nothing half-written.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use firesteel_core::storage::write_atomic;
use firesteel_core::testing::on_ranks;
use firesteel_core::{Context, Error, Result};

use crate::support::{SmallDisk, skip};

fn lines_of(path: &Path) -> Result<Vec<String>> {
    Context::builder().threads(2).build()?.text_file(path.to_str().unwrap())?.collect()
}

/// The file and message of a file error.
fn file_error<T: std::fmt::Debug>(result: Result<T>) -> (String, String) {
    match result {
        Err(Error::File { file, message, .. }) => (file, message),
        other => panic!("expected a file error, got {other:?}"),
    }
}

#[test]
fn missing_files_folders_and_patterns_without_a_match_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.txt");
    let (file, message) = file_error(lines_of(&missing));
    assert!(file.ends_with("missing.txt") && message.contains("No such file"), "{message}");
    let (file, message) = file_error(lines_of(folder.path()));
    assert!(file == folder.path().to_str().unwrap() && message == "is a folder", "{message}");
    let (file, message) = file_error(lines_of(&folder.path().join("*.txt")));
    assert!(file.ends_with("*.txt") && message.contains("no file"), "{message}");
    let (file, _) = file_error(lines_of(&folder.path().join("***")));
    assert!(file.ends_with("***"));
    let (_, message) = file_error(lines_of(&folder.path().join("below").join("a.txt")));
    assert!(message.contains("No such file"), "{message}");
}

#[test]
fn what_is_no_regular_file_is_refused_and_nobody_waits_for_it() {
    let (_, message) = file_error(lines_of(Path::new("/dev/null")));
    assert_eq!(message, "is not a regular file");
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    match Command::new("mkfifo").arg(&pipe).status() {
        Ok(status) if status.success() => {
            let (file, message) = file_error(lines_of(&pipe));
            assert!(file.ends_with("pipe") && message == "is not a regular file", "{message}");
        }
        _ => skip("mkfifo does not work here"),
    }
}

#[test]
fn empty_files_are_empty_datasets() {
    let folder = tempfile::tempdir().unwrap();
    let (empty, one) = (folder.path().join("a.txt"), folder.path().join("b.txt"));
    std::fs::write(&empty, b"").unwrap();
    std::fs::write(&one, b"one").unwrap();
    assert_eq!(lines_of(&empty).unwrap(), Vec::<String>::new());
    assert_eq!(lines_of(&folder.path().join("*.txt")).unwrap(), ["one"]);
    let gzip = folder.path().join("c.gz");
    std::fs::write(&gzip, gzipped(b"")).unwrap();
    assert_eq!(lines_of(&gzip).unwrap(), Vec::<String>::new());
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[test]
fn damaged_gzip_files_are_named_wherever_they_are_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.gz");
    let text: Vec<u8> = (0..50_000_u32).flat_map(|i| format!("{i}\n").into_bytes()).collect();
    let whole = gzipped(&text);
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(lines_of(&path).unwrap().len(), 50_000);
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 0x10;
    let mut checksum = whole.clone();
    checksum[whole.len() - 6] ^= 1;
    let trailing = [&whole[..], b"something else"].concat();
    let damaged: [&[u8]; 7] = [
        b"",
        b"no gzip at all\n",
        &whole[..5],
        &whole[..whole.len() / 2],
        &whole[..whole.len() - 1],
        &flipped,
        &checksum,
    ];
    for bytes in damaged.into_iter().chain([&trailing[..]]) {
        std::fs::write(&path, bytes).unwrap();
        let (file, message) = file_error(lines_of(&path));
        assert!(file.ends_with("damaged.gz") && message.starts_with("gzip: "), "{message}");
    }
}

#[test]
fn text_that_is_not_utf8_is_named_by_file_and_line_on_every_rank() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latin.txt");
    // In the second split of two, so that its line number has to be counted.
    let mut text = b"a line of plain text\n".repeat(300_000);
    text.extend_from_slice(b"caf\xe9\nthe end");
    for (name, bytes) in [("latin.txt", text.clone()), ("latin.txt.gz", gzipped(&text))] {
        let path = path.with_file_name(name);
        std::fs::write(&path, bytes).unwrap();
        for ranks in [1, 2] {
            for result in on_ranks(ranks, |ctx| {
                let count = ctx.text_file(path.to_str().unwrap())?.count();
                assert_eq!(ctx.range(0..9).count(), Ok(9));
                count
            }) {
                let Err(Error::BadRecord { file, line, value, expected, .. }) = result else {
                    panic!("{result:?}")
                };
                assert!(file.ends_with(name), "{file}");
                assert_eq!((line, value.as_str()), (300_001, "caf\u{fffd}"));
                assert_eq!(expected, "valid UTF-8");
            }
        }
    }
}

#[test]
fn a_file_cut_short_after_it_was_opened_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shrinks.txt");
    std::fs::write(&path, b"one\ntwo\n").unwrap();
    let ctx = Context::local();
    let lines = ctx.text_file(path.to_str().unwrap()).unwrap();
    std::fs::write(&path, b"one\n").unwrap();
    let (file, message) = file_error(lines.collect());
    assert!(file.ends_with("shrinks.txt") && message.contains("cut short"), "{message}");
    std::fs::remove_file(&path).unwrap();
    assert!(file_error(lines.count()).0.ends_with("shrinks.txt"));
}

#[test]
fn parameters_out_of_range_are_named() {
    let named = |result: Result<()>, name: &str| {
        assert!(
            matches!(&result, Err(Error::Parameter { name: n, .. }) if n == name),
            "{name}: {result:?}"
        );
    };
    let ctx = Context::local();
    let rows = ctx.range(0..10);
    named(Context::builder().threads(0).build().map(|_| ()), "threads");
    for fraction in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        named(rows.sample(fraction, 1).map(|_| ()), "fraction");
    }
    for weights in [&[][..], &[0.0, 0.0], &[1.0, -1.0], &[f64::NAN], &[f64::INFINITY, 1.0]] {
        named(rows.random_split(weights, 1).map(|_| ()), "weights");
    }
    let blocks = rows.map(|x| vec![x]);
    let cut = blocks.recut(Vec::len, |block, range| block[range].to_vec(), |_| 0);
    named(cut.map(|_| ()), "rows_per_partition");
    assert!(matches!(rows.filter(|_| false).first(), Err(Error::Empty { .. })));
    // No partitions at all is one partition, and a range that ends before it starts is empty.
    assert_eq!(ctx.parallelize_in(vec![1, 2], 0).count(), Ok(2));
    #[expect(clippy::reversed_empty_ranges, reason = "that is the case")]
    let backwards = ctx.range(5..3);
    assert_eq!(backwards.count(), Ok(0));
    assert_eq!(ctx.range(u64::MAX - 2..u64::MAX).collect().unwrap(), [u64::MAX - 2, u64::MAX - 1]);
}

/// A folder that nothing can be written into; `None` if that cannot be had, for a root who may
/// write everywhere.
fn read_only(folder: &Path) -> Option<std::path::PathBuf> {
    let path = folder.join("locked");
    std::fs::create_dir(&path).unwrap();
    let mut permissions = path.metadata().unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).unwrap();
    match std::fs::write(path.join("probe"), b"") {
        Ok(()) => None,
        Err(_) => Some(path),
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    // No permission: only where the tests do not run as root.
    let folder = tempfile::tempdir().unwrap();
    match read_only(folder.path()) {
        Some(locked) => {
            let (file, message) = file_error(write_atomic(locked.join("a"), |_| Ok(())));
            assert!(file.ends_with("a") && message.contains("denied"), "{message}");
        }
        None => skip("the user may write into read-only folders"),
    }
    // Places where nobody can write, root or not.
    let file = folder.path().join("file");
    std::fs::write(&file, b"old").unwrap();
    for path in [file.join("below"), Path::new("/proc/firesteel").into(), folder.path().into()] {
        let (named, _) = file_error(write_atomic(&path, |out| out.write_all(b"new")));
        assert_eq!(named, path.to_string_lossy());
    }
    let (named, _) = file_error(write_atomic("/", |_| Ok(())));
    assert_eq!(named, "/");
    assert_eq!(std::fs::read(&file).unwrap(), b"old");
    let names: Vec<_> = folder.path().read_dir().unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| name == "file" || name == "locked"), "{names:?}");
}

#[test]
fn a_full_disk_leaves_the_old_file_and_nothing_else() {
    let Some(disk) = SmallDisk::mount() else { return };
    let path = disk.path().join("model");
    write_atomic(&path, |out| out.write_all(b"old")).unwrap();
    let (file, message) =
        file_error(write_atomic(&path, |out| (0..300).try_for_each(|_| out.write_all(&[7; 8192]))));
    assert!(file.ends_with("model") && message.contains("No space left"), "{message}");
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(disk.path().read_dir().unwrap().count(), 1);
}

/// Waits until half of a small disk is free again; an error if it takes too long.
fn space_comes_back(disk: &Path) -> std::io::Result<()> {
    let probe = disk.join("probe");
    let start = std::time::Instant::now();
    loop {
        let written = std::fs::write(&probe, vec![0; 1 << 19]);
        std::fs::remove_file(&probe)?;
        if written.is_ok() || start.elapsed().as_secs() > 20 {
            return written;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_full_spill_disk_is_one_error_on_all_ranks_and_the_space_comes_back() {
    let Some(disk) = SmallDisk::mount() else { return };
    let set_up = |builder: firesteel_core::Builder| {
        builder.threads(2).memory_limit(0).spill_dir(disk.path())
    };
    let results = firesteel_core::testing::on_ranks_with(2, set_up, |ctx| {
        let too_much = ctx.range_in(0..300_000, 8).cache().count();
        // The ranks share the disk: they meet once after each has let go of its blocks. A process that
        // another test is just starting may hold this one's open files a moment longer.
        ctx.range(0..1).count().unwrap();
        ctx.on_root(|| space_comes_back(disk.path())).unwrap();
        let fits = ctx.range_in(0..3_000, 8).sort_by(|x| u64::MAX - x);
        let fits = fits.first();
        (too_much, fits)
    });
    assert_eq!(results[0].0, results[1].0);
    for (too_much, fits) in results {
        let (file, message) = file_error(too_much);
        assert!(file.starts_with(disk.path().to_str().unwrap()), "{file}");
        assert!(message.contains("No space left"), "{message}");
        assert_eq!(fits, Ok(2_999));
    }
    assert_eq!(disk.path().read_dir().unwrap().count(), 0);
}
