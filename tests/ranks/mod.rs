//! The laws that need several ranks.

pub(crate) mod cases;
pub(crate) mod keyed;
mod law2;
mod law3;
mod whole;
