//! Random pipelines under random faults: each must end, in the clean run's exact result or in the
//! same named error on every rank.
//!
//! A seed makes a case: a pipeline, some actions, how many partitions, ranks and threads, how much
//! memory, and what goes wrong. It runs once without faults, which is compared with a plain
//! vector, and once as it says. Ranks go on after an error, so it is also seen that a failed
//! action leaves nothing behind.
//!
//! `FIRESTEEL_CHAOS_CASES` is the number of cases (2000 if it is not given),
//! `FIRESTEEL_CHAOS_SEED` the first one's seed (then one case if their number is not given).

mod case;
mod operators;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use firesteel_core::chaos::Chaos;
use firesteel_core::transport::thread_ranks;
use firesteel_core::{Error, Result};

use case::{Case, Outcomes, Trouble};
use operators::{FOLDERS, REFUSAL};

/// A case that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Cases that run side by side: most of their time they wait.
const ABREAST: usize = 4;

/// How the actions of the cases ended.
#[derive(Debug, Default)]
struct Tally {
    faults: u64,
    struck_cases: u64,
    clean: u64,
    clean_in_spite: u64,
    errors: BTreeMap<String, u64>,
}

#[test]
fn a_pipeline_under_faults_ends_in_the_clean_result_or_in_one_error() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let first = number("FIRESTEEL_CHAOS_SEED");
    let cases = number("FIRESTEEL_CHAOS_CASES").unwrap_or(if first.is_some() { 1 } else { 2000 });
    let first = first.unwrap_or(0);
    let (next, tally) = (AtomicU64::new(0), Mutex::new(Tally::default()));
    let failures = Mutex::new(Vec::new());
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..ABREAST {
            scope.spawn(|| {
                while failures.lock().unwrap().is_empty() {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= cases {
                        break;
                    }
                    let case = Case::new(first.wrapping_add(i));
                    if let Err(message) = check(&case, &tally) {
                        let seed = case.seed;
                        failures.lock().unwrap().push(format!(
                            "FIRESTEEL_CHAOS_SEED={seed} cargo test -p firesteel-core --test \
                             all chaos\n{message}\n{case:#?}"
                        ));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    let tally = tally.into_inner().unwrap();
    println!("{cases} cases in {:?}: {tally:#?}", started.elapsed());
    if cases >= 500 {
        // The test sees something: faults of every kind, met and survived.
        assert!(tally.struck_cases > cases / 4, "{tally:?}");
        assert!(tally.clean_in_spite > cases / 8, "{tally:?}");
        for kind in ["lasting", "panic", "note", "parcel", "closure"] {
            assert!(tally.errors.contains_key(kind), "no error of kind {kind}: {tally:?}");
        }
    }
}

fn check(case: &Case, tally: &Mutex<Tally>) -> Result<(), String> {
    let clean = case.run_clean();
    for (at, (clean, model)) in clean.iter().zip(case.model()).enumerate() {
        if let Some(model) = model
            && clean.as_ref() != Ok(&model)
        {
            return Err(format!("action {at} without faults: {clean:?}, not {model:?}"));
        }
    }
    let (outcomes, faults) = run(case)?;
    for (rank, other) in outcomes.iter().enumerate() {
        if *other != outcomes[0] {
            return Err(format!("rank 0 got {:?}, rank {rank} got {other:?}", outcomes[0]));
        }
    }
    if (case.ranks, case.threads) == (1, 1) && (outcomes.clone(), faults) != run(case)? {
        return Err("one rank and thread: the same seed did not bring the same again".into());
    }
    let mut tally = tally.lock().expect("nobody panics with the tally");
    tally.faults += faults;
    tally.struck_cases += u64::from(faults > 0);
    for (at, (got, clean)) in outcomes[0].iter().zip(&clean).enumerate() {
        let kind = kind(got, clean, case, faults)
            .ok_or_else(|| format!("action {at} gave {got:?}, without faults {clean:?}"))?;
        match kind {
            "clean" => {
                tally.clean += 1;
                tally.clean_in_spite += u64::from(faults > 0);
            }
            error => *tally.errors.entry(error.to_owned()).or_default() += 1,
        }
    }
    Ok(())
}

/// How an action ended, or `None` if that is not how it may.
fn kind(
    got: &Result<Vec<u64>>,
    clean: &Result<Vec<u64>>,
    case: &Case,
    faults: u64,
) -> Option<&'static str> {
    let may_fail = faults > 0 && matches!(case.trouble, Trouble::Anything { .. });
    match (got, clean) {
        (Ok(got), Ok(clean)) => (got == clean).then_some("clean"),
        // Which of several rows that are refused is met first depends on the threads.
        (Err(got), Err(clean)) if is_closures(got) && is_closures(clean) => Some("closure"),
        (Err(error), _) if may_fail => match error {
            Error::File { file, transient, .. } if file.starts_with("chaos at") => {
                Some(if *transient { "passing" } else { "lasting" })
            }
            Error::Panic { message, .. } if message.starts_with("chaos at") => Some("panic"),
            Error::Damaged { what, .. } if what.starts_with("note") => Some("note"),
            Error::Damaged { what, .. } if what.starts_with("parcel") => Some("parcel"),
            Error::Damaged { .. } => Some("block"),
            Error::RowsLost { .. } => Some("lost rows"),
            _ => None,
        },
        _ => None,
    }
}

/// Whether an error is that of a closure in the pipeline.
fn is_closures(error: &Error) -> bool {
    match error {
        Error::Task { message, .. } | Error::Panic { message, .. } => message.starts_with(REFUSAL),
        _ => false,
    }
}

/// Runs the case on its ranks and returns what each got, and how many faults there were. A rank
/// that does not come back is left behind.
fn run(case: &Case) -> Result<(Vec<Outcomes>, u64), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = Arc::new(folder.path().to_owned());
    let (done, arrivals) = mpsc::channel();
    let mut all_chaos: Vec<Chaos> = Vec::new();
    for (rank, transport) in thread_ranks(case.ranks).into_iter().enumerate() {
        let (case, done, path, chaos) =
            (case.clone(), done.clone(), Arc::clone(&path), case.chaos(rank));
        all_chaos.extend(chaos.clone());
        thread::spawn(move || {
            let outcomes = case.run_as(transport, chaos, &path);
            // Nobody listens any more if another rank has failed the case.
            let _ = done.send((rank, outcomes));
        });
    }
    drop(done);
    let mut outcomes = BTreeMap::new();
    let deadline = Instant::now() + PATIENCE;
    while outcomes.len() < case.ranks {
        match arrivals.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok((rank, outcome)) => outcomes.insert(rank, outcome),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                return Err(format!("hangs; these ranks came back: {outcomes:#?}"));
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(format!("a rank panicked; the others: {outcomes:#?}"));
            }
        };
    }
    let left = std::fs::read_dir(&*path).map_err(|error| error.to_string())?.count();
    if left > 0 {
        return Err(format!("{left} spill folders were left behind"));
    }
    let faults = all_chaos.iter().map(Chaos::struck).sum();
    // The folder has another name in every run.
    let mut outcomes: Vec<Outcomes> = outcomes.into_values().collect();
    for outcome in outcomes.iter_mut().flatten() {
        if let Err(Error::File { file: name, .. } | Error::Damaged { what: name, .. }) = outcome {
            *name = name.replace(&*path.to_string_lossy(), "FOLDER");
            if let Some(start) = name.find(FOLDERS) {
                let end = name[start..].find('/').map_or(name.len(), |end| start + end);
                name.replace_range(start..end, "FOLDER");
            }
        }
    }
    Ok((outcomes, faults))
}
