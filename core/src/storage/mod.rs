//! Files in and out.
//!
//! [`Input`] is a file to read by ranges, plain or gzip; [`write_atomic`] writes a file so that
//! a reader sees the old one or the whole new one.

mod atomic;
mod input;
pub(crate) mod location;
pub(crate) mod objects;
mod text;
mod whole;

pub use atomic::write_atomic;
pub use input::Input;
