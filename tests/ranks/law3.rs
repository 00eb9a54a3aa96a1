//! Law 3: every action ends in agreement. What fails on one rank is the same typed error on all,
//! nobody waits for ever, and the context goes on working.

mod divergence;
mod failures;
mod refusals;

use firesteel_core::testing::on_ranks_with;
use firesteel_core::{Context, Result};

use crate::support::within_a_minute;

/// Runs `program` on `ranks` ranks of two threads each, where it must end.
fn run<R: Send + 'static>(
    ranks: usize,
    program: impl Fn(&Context) -> R + Send + Sync + 'static,
) -> Vec<R> {
    within_a_minute(move || on_ranks_with(ranks, |builder| builder.threads(2), program))
}

/// An ordinary job: what must go well after whatever went wrong.
fn works(ctx: &Context) -> bool {
    let sums = ctx.range_in(0..100, 8).map(|x| (x % 3, x)).reduce_by_key(|a, b| a + b);
    let total = sums.cache().map(|(_, sum)| sum).reduce(|a, b| a + b);
    matches!(total, Ok(Some(4950)))
}

/// The error that all ranks returned, which must be one and the same.
fn one_error<T>(results: Vec<Result<T>>) -> firesteel_core::Error {
    let errors: Vec<_> =
        results.into_iter().map(|result| result.err().expect("no rank succeeds")).collect();
    assert!(errors.iter().all(|error| *error == errors[0]), "ranks disagree: {errors:#?}");
    errors.into_iter().next().expect("there is a rank")
}
