//! Loaders of well-known data.

mod download;

pub use download::{Download, Error, READMISSION_SHA256, READMISSION_URL, download};
