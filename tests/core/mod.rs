//! The core against plain vectors, at its limits, and on bad input.

mod bad_input;
mod keeping;
mod lineage;
mod operators;
