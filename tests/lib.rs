//! What spans crates, what needs several ranks, and the laws: one binary, a folder an idea.

mod core;
mod golden;
mod ranks;
mod support;
