//! What tests share: the grid of ranks and threads, bits to compare, a watchdog, paths, skips.

mod bits;
mod disk;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use firesteel_core::testing::on_ranks_with;
use firesteel_core::{Builder, Context};

pub(crate) use bits::{Bits, bits};
pub(crate) use disk::SmallDisk;

/// The numbers of ranks that a law must hold for.
pub(crate) const RANKS: [usize; 3] = [1, 2, 3];
/// The numbers of threads that a law must hold for.
pub(crate) const THREADS: [usize; 3] = [1, 2, 7];

/// Runs `program` on every number of ranks and threads; every rank of every run must return what
/// the first one did, to the bit. Returns that.
pub(crate) fn grid<R: Bits + Send>(name: &str, program: impl Fn(&Context) -> R + Sync) -> R {
    grid_with(name, |builder| builder, program)
}

/// [`grid`] with contexts set up by `set_up`.
pub(crate) fn grid_with<R: Bits + Send>(
    name: &str,
    set_up: impl Fn(Builder) -> Builder + Sync,
    program: impl Fn(&Context) -> R + Sync,
) -> R {
    let mut first: Option<(Vec<u8>, R)> = None;
    for ranks in RANKS {
        for threads in THREADS {
            let set_up = |builder: Builder| set_up(builder.threads(threads));
            for (rank, result) in on_ranks_with(ranks, set_up, &program).into_iter().enumerate() {
                let got = bits(&result);
                let (expected, _) = first.get_or_insert_with(|| (got.clone(), result));
                let place = format!("rank {rank} of {ranks}, {threads} threads");
                assert!(*expected == got, "{name}: other bits on {place}");
            }
        }
    }
    first.expect("the grid has a first place").1
}

/// Runs `program` and fails if it has not ended after a minute: what must not hang is run here.
pub(crate) fn within_a_minute<R: Send + 'static>(
    program: impl FnOnce() -> R + Send + 'static,
) -> R {
    let (done, ended) = channel();
    let name = test_name();
    let run = move || {
        let result = program();
        // Nobody waits any more if the minute is over.
        let _ = done.send(());
        result
    };
    let running = std::thread::Builder::new().name(name).spawn(run).unwrap();
    match ended.recv_timeout(Duration::from_secs(60)) {
        Err(RecvTimeoutError::Timeout) => panic!("still running after a minute: a hang"),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => {
            running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        }
    }
}

/// Says why a test did not run what it is there for. It is written past the test runner's
/// capture, so that `.ci/run` can count it.
pub(crate) fn skip(reason: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {}: {reason}", test_name());
}

fn test_name() -> String {
    std::thread::current().name().unwrap_or("a test").to_owned()
}

/// A file or folder under `shared/`, which stands beside the repository or where
/// `FIRESTEEL_SHARED` says; skips the test if it is not there.
pub(crate) fn shared(path: impl AsRef<Path>) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let root = std::env::var_os("FIRESTEEL_SHARED").map_or_else(beside, PathBuf::from);
    let found = root.join(path);
    if found.exists() {
        return Some(found);
    }
    skip(&format!("{} is not there", found.display()));
    None
}
