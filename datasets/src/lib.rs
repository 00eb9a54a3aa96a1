//! Data for Firesteel: seeded generators of tables that look like well-known ones.
//!
//! [`readmission`] makes hospital stays with the schema of the "Diabetes 130-US hospitals" table.
//! What it makes is fiction: no row describes a person. With the feature `download`, `loaders` fetches the
//! real one.
//!
//! ```
//! use firesteel_datasets::readmission::Readmission;
//!
//! let stays = Readmission::new(1_000).seed(7).rows();
//! assert!(stays.len() > 1_000); // some patients come back
//! ```

pub mod generators;
#[cfg(feature = "download")]
pub mod loaders;

pub use generators::readmission;
