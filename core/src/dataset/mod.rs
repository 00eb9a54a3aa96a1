//! Partitioned, immutable, lazy collections.
//!
//! A [`Dataset`] is a handle on a lineage of operators. Transformations (`map`, `filter`,
//! `reduce_by_key`, …) only add to the lineage; actions (`collect`, `count`, …) run it and return
//! the same value on every rank. Between shuffles a chain of operators runs fused: each partition
//! is pulled through it a chunk at a time.
//!
//! | file | what is in it |
//! |---|---|
//! | `chunk`, `homes`, `node` | what flows, where it lives, what it is made of |
//! | `source`, `narrow`, `partitions`, `union`, `sample`, `zip` | operators that move nothing |
//! | `exchange`, `pairs`, `sort`, `recut` | operators that move rows between partitions |
//! | `keep` | caches |
//! | `save`, `save_text`, `pipe`, `random` | folders of part files, foreign programs, random rows |
//! | `actions`, `visit`, `explain` | what runs it, and what shows it |

mod across;
mod actions;
mod approximate;
mod beside;
mod by_key;
mod chunk;
mod combine;
mod exchange;
mod explain;
mod external;
mod extremes;
mod groups;
mod homes;
mod join;
mod keep;
mod narrow;
pub(crate) mod node;
mod pairs;
mod partitions;
mod pipe;
mod place;
mod radix;
mod random;
mod recut;
mod repartition;
mod sample;
mod save;
mod save_text;
mod sets;
mod slots;
mod sort;
mod source;
mod stats;
mod union;
mod values;
mod visit;
mod zip;

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

pub use crate::store::StorageLevel;
pub use approximate::DistinctSketch;
pub use extremes::LocalIterator;
pub use groups::{Group, GroupValues};
pub use partitions::Items;
pub use pipe::Pipe;
pub use place::Partitioner;
pub use random::Random;
pub use save::Saving;
pub use stats::{Histogram, Stats};

pub(crate) use chunk::CHUNK;

use crate::context::Context;
use crate::data::Data;
use crate::job::Call;
use homes::Homes;
use node::{Kind, Node, Partitionwise, Source, Staged, Step};

/// A partitioned, immutable, lazy collection. Cheap to clone; a clone is the same dataset.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
///
/// # fn main() -> firesteel_core::Result<()> {
/// let ctx = Context::local();
/// let words = ctx.parallelize(vec!["fire", "steel", "fire"]).map(|word| (word.to_owned(), 1));
/// let mut counts = words.reduce_by_key(|a, b| a + b).collect()?;
/// counts.sort();
/// assert_eq!(counts, [("fire".to_owned(), 2), ("steel".to_owned(), 1)]);
/// # Ok(())
/// # }
/// ```
#[must_use = "a dataset does nothing until an action runs it"]
pub struct Dataset<T> {
    ctx: Context,
    node: Arc<Node>,
    item: PhantomData<fn() -> T>,
}

impl<T> Clone for Dataset<T> {
    fn clone(&self) -> Self {
        Self { ctx: self.ctx.clone(), node: Arc::clone(&self.node), item: PhantomData }
    }
}

impl<T> fmt::Debug for Dataset<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dataset")
            .field("operator", &self.node.name())
            .field("id", &self.node.id())
            .field("partitions", &self.node.homes().partitions())
            .field("item", &std::any::type_name::<T>())
            .finish()
    }
}

impl<T: Data> Dataset<T> {
    /// The context that it lives in.
    pub fn context(&self) -> &Context {
        &self.ctx
    }

    pub(crate) fn moved_to(&self, ctx: &Context) -> Self {
        Self { ctx: ctx.clone(), node: Arc::clone(&self.node), item: PhantomData }
    }

    /// How many partitions it has: at least one.
    pub fn partitions(&self) -> usize {
        self.node.homes().partitions()
    }

    /// The partitions that live on this rank.
    fn local_partitions(&self) -> Vec<usize> {
        local_partitions(&self.ctx, &self.node)
    }

    fn from_source(
        ctx: &Context,
        call: Call,
        partitions: usize,
        source: impl Source + 'static,
    ) -> Self {
        let homes = Homes::contiguous(partitions.max(1));
        Self::from_node(ctx, Node::new(ctx, call, Kind::Source(Box::new(source)), homes, vec![]))
    }

    fn from_node(ctx: &Context, node: Arc<Node>) -> Self {
        Self { ctx: ctx.clone(), node, item: PhantomData }
    }

    /// Takes over how the rows of `other` are placed by their keys.
    fn placed_as<U>(self, other: &Dataset<U>) -> Self {
        if let Some(placement) = other.node.placement() {
            self.node.place(placement);
        }
        if let Some(borders) = other.node.borders() {
            self.node.bound(borders);
        }
        self
    }

    fn step<U: Data>(&self, call: Call, step: impl Step + 'static) -> Dataset<U> {
        self.child(call, Kind::Step(Box::new(step)))
    }

    fn partitionwise<U: Data>(&self, call: Call, work: impl Partitionwise + 'static) -> Dataset<U> {
        self.child(call, Kind::Partitionwise(Box::new(work)))
    }

    fn child<U: Data>(&self, call: Call, kind: Kind) -> Dataset<U> {
        let homes = Arc::clone(self.node.homes());
        let parents = vec![Arc::clone(&self.node)];
        Dataset::from_node(&self.ctx, Node::new(&self.ctx, call, kind, homes, parents))
    }

    /// A stage that puts out `partitions` partitions with homes of their own.
    fn staged<U: Data>(
        &self,
        call: Call,
        partitions: usize,
        stage: impl Staged + 'static,
    ) -> Dataset<U> {
        let homes = Homes::contiguous(partitions.max(1));
        let parents = vec![Arc::clone(&self.node)];
        let kind = Kind::Staged(Box::new(stage));
        Dataset::from_node(&self.ctx, Node::new(&self.ctx, call, kind, homes, parents))
    }
}

/// The partitions of `node` that live on this rank.
fn local_partitions(ctx: &Context, node: &Node) -> Vec<usize> {
    node.homes().of_rank(ctx.rank(), ctx.ranks())
}

/// The call of the operator that is being built: its name and the user's line.
#[track_caller]
pub(crate) fn call(operator: &'static str) -> Call {
    Call { operator, site: Location::caller() }
}
