//! Stages that make features of columns.
//!
//! Each is its parameters: `fit` gives a model, which maps tables; in a
//! [`Pipeline`](crate::Pipeline) both happen by themselves. Names and defaults are MLlib's. Stages
//! that map columns one by one take several at once and put the results in their place, or under
//! the names given by `outputs`.
//!
//! | stage | makes |
//! |---|---|
//! | [`Derive`] | columns by expressions |
//! | [`StringIndexer`] | numbers of categories: text to 0, 1, … |
//! | [`OneHotEncoder`] | indicators of categories: 0, 1, … to vectors |
//! | [`Imputer`] | values where there are none |
//! | [`StandardScaler`] | numbers of unit spread |
//! | [`Bucketizer`] | numbers of intervals |
//! | [`VectorAssembler`] | one vector of many columns |
//!
//! # Same bits
//!
//! What is fitted depends neither on how rows are partitioned nor on their order: counts, and
//! medians found by counting, are whole numbers; sums of floats are exact (`moments`). Only sums
//! over very wide vectors run over blocks cut at fixed global row numbers (`blocks`), joined over
//! a fixed tree, and know the order of rows.
//!
//! # What columns stand for
//!
//! Index columns know their levels ([`Levels`]) and vector columns the names of their positions
//! ([`element_names`]); both travel in the table's schema, so that a model at the end can call a
//! coefficient `race=Asian`.

mod blocks;
mod bucketizer;
mod derive;
mod imputer;
mod moments;
mod notes;
mod numbers;
mod one_hot;
mod pairs;
mod select;
mod standard_scaler;
mod string_indexer;
#[cfg(test)]
mod tests;
mod vector_assembler;

use serde::{Deserialize, Serialize};

pub use bucketizer::{Bucketizer, BucketizerModel};
pub use derive::{Derive, DeriveModel};
pub use imputer::{Imputer, ImputerModel, Strategy};
pub use notes::{Levels, element_names, with_element_names};
pub use one_hot::{DropLevel, OneHotEncoder, OneHotEncoderModel};
pub use standard_scaler::{Scaling, StandardScaler, StandardScalerModel};
pub use string_indexer::{Nulls, StringIndexer, StringIndexerModel, StringOrder};
pub use vector_assembler::{VectorAssembler, VectorAssemblerModel, VectorForm};

/// What to do with a value that a stage cannot take; each stage says which values these are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HandleInvalid {
    /// The job fails, naming row, column and value.
    #[default]
    Error,
    /// The row is left out.
    Skip,
    /// The value is kept as something of its own, as the stage says.
    Keep,
}
