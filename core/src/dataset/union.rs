//! One dataset after another; nothing moves.

use std::sync::Arc;

use super::homes::Homes;
use super::node::{Kind, Node};
use super::{Dataset, call};
use crate::context::Context;
use crate::data::Data;
use crate::job::Call;

impl<T: Data> Dataset<T> {
    /// The rows of `self`, then the rows of `other`, duplicates kept.
    ///
    /// Partitions keep their homes, so nothing is sent.
    ///
    /// # Cost
    ///
    /// No pass, nothing moves: the partitions of both follow one another and keep their homes.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.range(0..2).union(&ctx.range(1..3)).collect()?, [0, 1, 1, 2]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn union(&self, other: &Dataset<T>) -> Dataset<T> {
        concatenated(&self.ctx, call("union"), &[self.clone(), other.clone()])
    }
}

impl Context {
    /// The rows of all `datasets`, one after the other. Without any, an empty dataset.
    ///
    /// # Cost
    ///
    /// No pass, nothing moves: the partitions of both follow one another and keep their homes.
    #[track_caller]
    pub fn union<T: Data>(&self, datasets: &[Dataset<T>]) -> Dataset<T> {
        if datasets.is_empty() {
            return self.parallelize(Vec::new());
        }
        concatenated(self, call("union"), datasets)
    }
}

fn concatenated<T: Data>(ctx: &Context, call: Call, inputs: &[Dataset<T>]) -> Dataset<T> {
    let homes = Homes::union(inputs.iter().map(|input| Arc::clone(input.node.homes())).collect());
    let mut starts = vec![0];
    for input in inputs {
        starts.push(starts[starts.len() - 1] + input.partitions());
    }
    let parents = inputs.iter().map(|input| Arc::clone(&input.node)).collect();
    Dataset::from_node(ctx, Node::new(ctx, call, Kind::Union(starts), homes, parents))
}
