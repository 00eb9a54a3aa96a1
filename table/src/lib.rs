//! Tables for Firesteel: a schema and a partitioned collection of Arrow record batches.

mod batch;
mod error;
mod expr;
mod schema;
mod value;
mod vectors;

pub use batch::Batch;
pub use error::{Error, Result};
pub use expr::{Expr, Node, Then, When, coalesce, col, lit, null, when};
pub use schema::{Field, Schema, Type, one_row};
pub use value::Value;
pub use vectors::{
    DenseVectors, SparseVectorBuilder, SparseVectors, dense_vector_column, dense_vectors,
    sparse_vector_column, sparse_vectors,
};
