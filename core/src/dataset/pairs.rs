//! Operators on (key, value) rows that combine the values of each key.

use std::hash::Hash;
use std::sync::Arc;

use super::{Dataset, call};
use crate::data::Wire;

impl<K: Wire + Eq + Hash, V: Wire> Dataset<(K, V)> {
    /// Combines the values of each key by `combine`.
    ///
    /// # Shape and units
    ///
    /// As many partitions as the parent, one row a key. A key's partition is a function of its
    /// fixed hash; within a partition of up to 2¹⁷ rows to combine, keys stand in the order of their
    /// first appearance in the parent; a larger one is first cut by further bits of the hash into
    /// slots of such a size. `combine` sees the values of a key from first to last: those of a parent
    /// partition in groups, which are cut by the number of distinct keys met (never by memory), then
    /// these partial values in the order of the partitions. Spark merges in the order in which tasks
    /// finish; here the order is the data's.
    ///
    /// # Cost
    ///
    /// One pass and one shuffle. Each parent partition combines before it sends, unless its first
    /// 65,536 rows show that nearly all keys are distinct. What does not fit into the memory budget
    /// goes to disk.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let pairs = ctx.range(0..10).map(|x| (x % 3, x));
    /// let mut sums = pairs.reduce_by_key(|a, b| a + b).collect()?;
    /// sums.sort();
    /// assert_eq!(sums, [(0, 18), (1, 12), (2, 15)]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn reduce_by_key(
        &self,
        combine: impl Fn(V, V) -> V + Send + Sync + 'static,
    ) -> Dataset<(K, V)> {
        let combine = Arc::new(combine);
        let merge = Arc::clone(&combine);
        let add = move |a, b| combine(a, b);
        let merge = move |a, b| merge(a, b);
        self.combined(call("reduce_by_key"), self.partitions(), |first| first, add, merge)
    }

    /// Combines the values of each key into something else: `create` makes it of a key's first value
    /// (of a group of values, see [`reduce_by_key`](Self::reduce_by_key)), `add` adds a value, `merge`
    /// merges two, the earlier one first.
    ///
    /// # Shape and units
    ///
    /// As [`reduce_by_key`](Self::reduce_by_key).
    ///
    /// # Cost
    ///
    /// As [`reduce_by_key`](Self::reduce_by_key).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let pairs = ctx.parallelize(vec![('a', 1.0), ('b', 5.0), ('a', 2.0)]);
    /// let means = pairs
    ///     .combine_by_key(|x| (x, 1.0), |(sum, n), x| (sum + x, n + 1.0), |a, b| (a.0 + b.0, a.1 + b.1))
    ///     .map(|(key, (sum, n))| (key, sum / n));
    /// assert_eq!(means.collect()?, [('a', 1.5), ('b', 5.0)]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn combine_by_key<C: Wire>(
        &self,
        create: impl Fn(V) -> C + Send + Sync + 'static,
        add: impl Fn(C, V) -> C + Send + Sync + 'static,
        merge: impl Fn(C, C) -> C + Send + Sync + 'static,
    ) -> Dataset<(K, C)> {
        self.combined(call("combine_by_key"), self.partitions(), create, add, merge)
    }

    /// Folds the values of each key, starting from `zero`, and merges the partial results.
    ///
    /// `zero` must be neutral under `merge`: it enters once for each group of values that is
    /// combined before the shuffle.
    ///
    /// # Cost
    ///
    /// As [`reduce_by_key`](Self::reduce_by_key).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let pairs = ctx.parallelize(vec![(1, "fire"), (2, "a"), (1, "steel")]);
    /// let longest = pairs.map(|(k, v)| (k, v.len())).aggregate_by_key(0, |m, n| m.max(n), usize::max);
    /// assert_eq!(longest.collect()?, [(1, 5), (2, 1)]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn aggregate_by_key<C: Wire>(
        &self,
        zero: C,
        fold: impl Fn(C, V) -> C + Send + Sync + 'static,
        merge: impl Fn(C, C) -> C + Send + Sync + 'static,
    ) -> Dataset<(K, C)> {
        let fold = Arc::new(fold);
        let first = Arc::clone(&fold);
        let create = move |value| first(zero.clone(), value);
        let add = move |a, b| fold(a, b);
        self.combined(call("aggregate_by_key"), self.partitions(), create, add, merge)
    }

    /// Combines the values of each key by `combine`, starting from `zero`, which must be neutral.
    ///
    /// # Cost
    ///
    /// As [`reduce_by_key`](Self::reduce_by_key).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let pairs = ctx.parallelize(vec![(1, 2), (1, 3), (7, 4)]);
    /// assert_eq!(pairs.fold_by_key(1, |a, b| a * b).collect()?, [(1, 6), (7, 4)]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn fold_by_key(
        &self,
        zero: V,
        combine: impl Fn(V, V) -> V + Send + Sync + 'static,
    ) -> Dataset<(K, V)> {
        let combine = Arc::new(combine);
        let (first, merge) = (Arc::clone(&combine), Arc::clone(&combine));
        let create = move |value| first(zero.clone(), value);
        let (add, merge) = (move |a, b| combine(a, b), move |a, b| merge(a, b));
        self.combined(call("fold_by_key"), self.partitions(), create, add, merge)
    }
}
