//! Seeded generators: the same rows for the same seed, on any machine, threads and ranks.

pub mod readmission;
