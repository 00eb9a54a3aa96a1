//! The laws that need several ranks.

pub(crate) mod cases;
mod law2;
mod law3;
mod whole;
