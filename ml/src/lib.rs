//! Firesteel's learning algorithms.
//!
//! An estimator is its parameters; `fit` turns data into a model; a model predicts. Over tables,
//! a `Pipeline` chains feature stages and an estimator into one value that is saved to, and
//! loaded from, a single file. Algorithms see the cluster only through the core's primitives, sum
//! over blocks cut at fixed global row numbers, and so give the same bits on any number of
//! threads, ranks and partitions.

#![cfg_attr(test, allow(clippy::float_cmp, reason = "tests compare exact results"))]

pub mod classification;
pub mod error;
mod estimator;
pub mod evaluation;
pub mod feature;
pub mod file;
pub mod kernel;
pub mod linalg;
pub mod optim;
mod params;
pub mod pipeline;
pub mod samples;
pub mod special;

pub use error::{Error, Result};
pub use estimator::{Estimator, Predict, Transformer};
pub use pipeline::{FittedStage, Pipeline, PipelineModel, Stage};
pub use samples::{ArraySamples, Samples, TableSamples};
