//! Tests of the collections that need nothing but the public interface.

mod actions;
mod borders;
mod branches;
mod chaos;
mod counting;
mod keyed;
mod loss;
mod several;
mod summaries;
