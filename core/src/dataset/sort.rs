//! A global sort: sorted runs, borders from a regular sample, runs cut at the borders, merged.
//!
//! Each partition is computed once, sorted, and held; nothing is computed twice. The borders come
//! from keys at regular places of the sorted runs (Shi & Schaeffer, "Parallel Sorting by Regular
//! Sampling", 1992). Equal keys never straddle a border, and keep the order of the parent, so the
//! order of the result does not depend on where the borders fall.

use std::marker::PhantomData;
use std::sync::Arc;

use super::chunk::Typed;
use super::exchange::{Exchange, Move};
use super::homes::Homes;
use super::{Dataset, call};
use crate::data::Wire;
use crate::error::Result;

/// Keys that each partition contributes to the choice of the borders, for each output partition.
const SAMPLED: usize = 16;

impl<T: Wire> Dataset<T> {
    /// Sorts all rows by a key, smallest first; rows with equal keys keep their order.
    ///
    /// # Shape and units
    ///
    /// As many partitions as the parent; read one after the other they are in order.
    ///
    /// # Cost
    ///
    /// One pass and one shuffle of all rows; a small sample of the keys meets on every rank.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let words = ctx.parallelize(vec!["steel", "a", "fire", "of"]);
    /// assert_eq!(words.map(str::to_owned).sort_by(|word| word.len()).collect()?, ["a", "of", "fire", "steel"]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn sort_by<K: Wire + Ord>(
        &self,
        key: impl Fn(&T) -> K + Send + Sync + 'static,
    ) -> Dataset<T> {
        let partitions = self.partitions();
        let movement = Sorted { partitions, key, row: PhantomData::<fn(T) -> K> };
        let homes = Homes::contiguous(partitions);
        self.staged(call("sort_by"), partitions, Exchange::new(movement, Arc::clone(&homes)))
    }
}

struct Sorted<T, K, F> {
    partitions: usize,
    key: F,
    row: PhantomData<fn(T) -> K>,
}

impl<T, K, F> Move for Sorted<T, K, F>
where
    T: Wire,
    K: Wire + Ord,
    F: Fn(&T) -> K + Send + Sync + 'static,
{
    type In = T;
    type Held = Vec<T>;
    /// The number of rows, and keys at regular places.
    type Summary = (u64, Vec<K>);
    /// The first key of each output partition but the first.
    type Plan = Vec<K>;
    type Moved = T;
    type Out = T;

    fn hold(&self, rows: Typed<T>) -> Result<(Vec<T>, Self::Summary)> {
        let mut rows = rows.into_rows()?;
        rows.sort_by_cached_key(|row| (self.key)(row));
        let wanted = (SAMPLED * self.partitions).min(rows.len());
        let keys = (0..wanted).map(|i| (self.key)(&rows[i * rows.len() / wanted])).collect();
        let count = rows.len() as u64;
        Ok((rows, (count, keys)))
    }

    fn plan(&self, summaries: Vec<Self::Summary>) -> Result<Vec<K>> {
        // A sampled key stands for the rows between it and the next one of its partition.
        let mut weighted: Vec<(K, f64)> = Vec::new();
        for (count, keys) in summaries {
            let weight = count as f64 / keys.len() as f64;
            weighted.extend(keys.into_iter().map(|key| (key, weight)));
        }
        weighted.sort_by(|a, b| a.0.cmp(&b.0));
        let total: f64 = weighted.iter().map(|(_, weight)| weight).sum();
        let mut borders = Vec::new();
        let mut before = 0.0;
        for (key, weight) in weighted {
            let due = total * (borders.len() + 1) as f64 / self.partitions as f64;
            if borders.len() + 1 < self.partitions && before >= due {
                borders.push(key);
            }
            before += weight;
        }
        Ok(borders)
    }

    fn cut(&self, _from: usize, mut held: Vec<T>, plan: &Vec<K>) -> Result<Vec<(usize, Vec<T>)>> {
        let mut pieces = Vec::new();
        for (i, border) in plan.iter().enumerate().rev() {
            let at = held.partition_point(|row| (self.key)(row) < *border);
            if at < held.len() {
                pieces.push((i + 1, held.split_off(at)));
            }
        }
        if !held.is_empty() {
            held.shrink_to_fit();
            pieces.push((0, held));
        }
        Ok(pieces)
    }

    fn finish(&self, pieces: Vec<Vec<T>>) -> Result<Vec<T>> {
        // A stable sort finds the sorted runs and merges them, earlier partitions first.
        let rows = pieces.into_iter().flatten();
        if std::mem::needs_drop::<K>() {
            // A key with memory of its own is made once a row, not twice a comparison.
            let mut keyed: Vec<(K, T)> = rows.map(|row| ((self.key)(&row), row)).collect();
            keyed.sort_by(|a, b| a.0.cmp(&b.0));
            return Ok(keyed.into_iter().map(|(_, row)| row).collect());
        }
        let mut rows: Vec<T> = rows.collect();
        rows.sort_by_key(&self.key);
        Ok(rows)
    }
}
