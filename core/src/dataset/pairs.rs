//! Operators on (key, value) rows.

use std::collections::HashMap;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;

use super::chunk::Typed;
use super::exchange::{Exchange, Move};
use super::homes::Homes;
use super::{Dataset, call};
use crate::data::Wire;
use crate::error::Result;
use crate::hash::{FixedState, fixed_hash, mix};

/// Distinct keys that a partition combines before it puts the partial values aside and starts
/// anew: fixed, so that how a sum is bracketed never depends on free memory (law 2).
const COMBINED: usize = 1 << 20;

impl<K: Wire + Eq + Hash, V: Wire> Dataset<(K, V)> {
    /// Combines the values of each key by `combine`.
    ///
    /// # Shape and units
    ///
    /// As many partitions as the parent. A key's partition is a fixed hash modulo their number;
    /// within a partition keys stand in the order of their first appearance in the parent.
    /// `combine` sees the values of a key within each parent partition from first to last, then
    /// these partial values in the order of the partitions.
    ///
    /// # Cost
    ///
    /// One pass and one shuffle; each parent partition sends one value for each of its keys.
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
        let partitions = self.partitions();
        let movement = ByKey { partitions, combine, pair: PhantomData::<fn(K, V)> };
        let homes = Homes::contiguous(partitions);
        self.staged(call("reduce_by_key"), partitions, Exchange::new(movement, Arc::clone(&homes)))
    }
}

/// The partition of a key. Mixed once more: hash tables go by the low bits of [`fixed_hash`],
/// and a table whose keys all have the same low bits is a list.
fn place<K: Hash>(key: &K, partitions: usize) -> usize {
    (mix(fixed_hash(key) ^ 0x5bd1_e995_9d2c_7f4b) % partitions as u64) as usize
}

struct ByKey<K, V, F> {
    partitions: usize,
    combine: F,
    pair: PhantomData<fn(K, V)>,
}

/// Values by key, in the order of the keys' first appearance.
struct Combined<K, V> {
    places: HashMap<K, usize, FixedState>,
    rows: Vec<(K, Option<V>)>,
}

impl<K: Clone + Eq + Hash, V> Combined<K, V> {
    fn new() -> Self {
        Self { places: HashMap::with_hasher(FixedState), rows: Vec::new() }
    }

    fn add(&mut self, key: K, value: V, combine: &impl Fn(V, V) -> V) {
        match self.places.get(&key) {
            Some(&place) => {
                let slot = &mut self.rows[place].1;
                let before = slot.take().expect("every key has a value between two calls");
                *slot = Some(combine(before, value));
            }
            None => {
                self.places.insert(key.clone(), self.rows.len());
                self.rows.push((key, Some(value)));
            }
        }
    }

    fn into_rows(self) -> impl Iterator<Item = (K, V)> {
        self.rows.into_iter().filter_map(|(key, value)| Some((key, value?)))
    }
}

impl<K, V, F> Move for ByKey<K, V, F>
where
    K: Wire + Eq + Hash,
    V: Wire,
    F: Fn(V, V) -> V + Send + Sync + 'static,
{
    type In = (K, V);
    type Held = Vec<Vec<(K, V)>>;
    type Summary = ();
    type Plan = ();
    type Moved = (K, V);
    type Out = (K, V);

    fn hold(&self, mut rows: Typed<(K, V)>) -> Result<(Self::Held, ())> {
        let mut buckets = vec![Vec::new(); self.partitions];
        let mut combined = Combined::new();
        let mut flush = |combined: Combined<K, V>| {
            for (key, value) in combined.into_rows() {
                buckets[place(&key, self.partitions)].push((key, value));
            }
        };
        while let Some(chunk) = rows.next()? {
            for (key, value) in chunk.into_vec() {
                combined.add(key, value, &self.combine);
                if combined.rows.len() == COMBINED {
                    flush(std::mem::replace(&mut combined, Combined::new()));
                }
            }
        }
        flush(combined);
        Ok((buckets, ()))
    }

    fn plan(&self, _summaries: Vec<()>) -> Result<()> {
        Ok(())
    }

    fn cut(&self, _: usize, held: Self::Held, (): &()) -> Result<Vec<(usize, Vec<(K, V)>)>> {
        Ok(held.into_iter().enumerate().filter(|(_, rows)| !rows.is_empty()).collect())
    }

    fn finish(&self, pieces: Vec<Vec<(K, V)>>) -> Result<Vec<(K, V)>> {
        let mut combined = Combined::new();
        for (key, value) in pieces.into_iter().flatten() {
            combined.add(key, value, &self.combine);
        }
        Ok(combined.into_rows().collect())
    }
}
