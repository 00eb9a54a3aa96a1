//! Tests of the collections that need nothing but the public interface.

mod chaos;
mod keyed;
