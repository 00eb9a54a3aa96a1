//! What spans crates, what needs several ranks, and the laws: one binary, a folder an idea.
#![allow(clippy::unwrap_used, reason = "clippy knows helpers of tests only beside the code")]

mod bad_input;
mod core;
mod golden;
mod ranks;
mod support;
