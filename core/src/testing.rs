//! Several ranks in one process, for tests.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::context::{Builder, Context};
use crate::transport::thread_ranks;

/// Runs a program on `ranks` ranks that are threads of this process and exchange bytes; returns
/// what each returned, in rank order.
///
/// # Panics
///
/// If the program panics on a rank outside of an action; the other ranks then get
/// [`Error::RankLost`](crate::Error::RankLost) from the action they are in.
///
/// # Examples
///
/// ```
/// use firesteel_core::testing::on_ranks;
///
/// let sums = on_ranks(3, |ctx| ctx.range(0..100).fold(0, |a, b| a + b).unwrap());
/// assert_eq!(sums, [4950, 4950, 4950]);
/// ```
pub fn on_ranks<R: Send>(ranks: usize, program: impl Fn(&Context) -> R + Sync) -> Vec<R> {
    on_ranks_with(ranks, |builder| builder.threads(1), program)
}

/// [`on_ranks`] with contexts set up by `set_up`.
///
/// # Panics
///
/// As [`on_ranks`], and if a context cannot be built.
pub fn on_ranks_with<R: Send>(
    ranks: usize,
    set_up: impl Fn(Builder) -> Builder + Sync,
    program: impl Fn(&Context) -> R + Sync,
) -> Vec<R> {
    std::thread::scope(|scope| {
        let (program, set_up) = (&program, &set_up);
        let running: Vec<_> = thread_ranks(ranks)
            .into_iter()
            .map(|transport| {
                scope.spawn(move || {
                    let builder = set_up(Context::builder().transport(transport));
                    let ctx = builder.build().expect("the ranks of one process are alike");
                    let result = catch_unwind(AssertUnwindSafe(|| program(&ctx)));
                    let message = if result.is_ok() { "its program ended" } else { "it panicked" };
                    // A handle may outlive the program; the rank takes part no longer.
                    ctx.transport().leave(message);
                    result
                })
            })
            .collect();
        let results: Vec<_> = running.into_iter().map(|rank| rank.join()).collect();
        results
            .into_iter()
            .map(|joined| match joined {
                Ok(Ok(result)) => result,
                Ok(Err(panic)) | Err(panic) => resume_unwind(panic),
            })
            .collect()
    })
}
