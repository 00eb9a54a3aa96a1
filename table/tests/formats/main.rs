//! Formats: what is written reads back to the bit, alone and on three ranks, in every mode and
//! layout; damaged files are typed errors; other programs' files are read, and read ours.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[cfg(feature = "avro")]
mod avro;
mod damage;
mod foreign;
mod ipc;
mod json;
mod libsvm;
mod modes;
mod parquet;
mod support;
