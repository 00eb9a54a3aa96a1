//! Checking parameters, with errors that name them.

use std::fmt::Display;

use crate::error::{Error, Result};

/// An error that names the parameter, unless `holds`.
pub(crate) fn require(
    name: &'static str,
    value: impl Display,
    expected: &'static str,
    holds: bool,
) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::parameter(name, value, expected)) }
}
