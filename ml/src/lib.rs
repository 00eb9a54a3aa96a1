//! Firesteel's learning algorithms.

pub mod kernel;
pub mod linalg;
pub mod optim;
pub mod special;
