//! What ranks do alike, and decoders that must not take the program down.

use std::panic::{AssertUnwindSafe, catch_unwind};

use firesteel_core::{Context, Error as CoreError};

use crate::error::Result;

/// What this rank found, if no rank failed; otherwise the same error on all of them (law 3).
#[track_caller]
pub(super) fn agreed<T>(ctx: &Context, what: &'static str, found: Result<T>) -> Result<T> {
    let fault: Option<CoreError> = match found {
        Ok(_) => None,
        Err(ref error) => Some(error.clone().into()),
    };
    let faults = ctx.generate(what, ctx.ranks(), move |_| match &fault {
        None => Ok(std::iter::empty::<Result<u8, CoreError>>()),
        Some(error) => Err(error.clone()),
    });
    match (faults.count(), found) {
        (Ok(_), found) => found,
        (Err(error), Err(own)) if error == own.clone().into() => Err(own), // with its own type
        (Err(error), _) => Err(error.into()),
    }
}

/// A damaged place of a file.
pub(super) fn damaged(what: impl Into<String>, message: impl std::fmt::Display) -> CoreError {
    CoreError::Damaged { what: what.into(), message: message.to_string() }
}

/// Runs a decoder on bytes that may be anything: its errors, and its panics, are a damaged `what`.
pub(super) fn guarded<T, E: std::fmt::Display>(
    what: &str,
    decode: impl FnOnce() -> Result<T, E>,
) -> Result<T, CoreError> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(damaged(what, error)),
        Err(panic) => {
            let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
            let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(damaged(what, words.unwrap_or_else(|| "the decoder gave up".to_owned())))
        }
    }
}
