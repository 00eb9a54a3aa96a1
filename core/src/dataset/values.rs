//! Chunk-by-chunk operators on (key, value) rows: keys stay, and with them where the rows are.

use super::{Dataset, call};
use crate::data::Data;

impl<K: Data, V: Data> Dataset<(K, V)> {
    /// The keys.
    ///
    /// # Cost
    ///
    /// As [`map`](Self::map).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let pairs = firesteel_core::Context::local().parallelize(vec![(1, 'a'), (2, 'b')]);
    /// assert_eq!(pairs.keys().collect()?, [1, 2]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn keys(&self) -> Dataset<K> {
        self.each(call("keys"), |(key, _)| key)
    }

    /// The values.
    ///
    /// # Cost
    ///
    /// As [`map`](Self::map).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let pairs = ctx.parallelize(vec![(1, 'a'), (2, 'b')]);
    /// assert_eq!(pairs.values().collect()?, ['a', 'b']);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn values(&self) -> Dataset<V> {
        self.each(call("values"), |(_, value)| value)
    }

    /// Applies `f` to every value.
    ///
    /// A dataset that is placed by its keys stays so (see
    /// [`partition_by`](Dataset::partition_by)), which after `map` nobody can know.
    ///
    /// # Cost
    ///
    /// As [`map`](Dataset::map).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let pairs = firesteel_core::Context::local().parallelize(vec![('a', 1), ('b', 2)]);
    /// assert_eq!(pairs.map_values(|x| x * 10).collect()?, [('a', 10), ('b', 20)]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn map_values<W: Data>(
        &self,
        f: impl Fn(V) -> W + Send + Sync + 'static,
    ) -> Dataset<(K, W)> {
        self.each(call("map_values"), move |(key, value)| (key, f(value))).placed_as(self)
    }

    /// Replaces every value by the values that `f` makes of it, each with the key.
    ///
    /// A dataset that is placed by its keys stays so.
    ///
    /// # Cost
    ///
    /// As [`flat_map`](Self::flat_map); rows stay as they were placed.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let pairs = firesteel_core::Context::local().parallelize(vec![('a', 2), ('b', 0), ('c', 1)]);
    /// let all = pairs.flat_map_values(|n| 0..n).collect()?;
    /// assert_eq!(all, [('a', 0), ('a', 1), ('c', 0)]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn flat_map_values<I>(
        &self,
        f: impl Fn(V) -> I + Send + Sync + 'static,
    ) -> Dataset<(K, I::Item)>
    where
        I: IntoIterator<Item: Data>,
    {
        let made = move |(key, value): &(K, V), out: &mut Vec<(K, I::Item)>| {
            out.extend(f(value.clone()).into_iter().map(|value| (key.clone(), value)));
        };
        self.each_into(call("flat_map_values"), made).placed_as(self)
    }
}
