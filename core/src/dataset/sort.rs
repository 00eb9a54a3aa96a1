//! A global sort: borders from a sample, rows dealt out between them, each part sorted.
//!
//! Each partition is computed once; while it is held, some of its keys are drawn: one from each
//! stretch of rows, the stretches getting longer as the partition turns out to be long (a stratified
//! sample, by fixed draws). The borders that all ranks make of them cut the keys into output
//! partitions of about equal size. Equal keys never straddle a border and keep the order of the
//! parent, so the order of the result does not depend on where the borders fall. An output partition
//! that outgrows its task's memory is sorted in runs on disk.

use std::cmp::{Ordering, Reverse};
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use super::chunk::Typed;
use super::exchange::{Exchange, Move, Pieces, Scatter, Work};
use super::external::Sorter;
use super::homes::Homes;
use super::node::{By, Placement};
use super::radix;
use super::{Dataset, call};
use crate::data::Wire;
use crate::error::Result;
use crate::hash::mix;
use crate::job::Call;
use crate::store::Writer;

/// Keys that each output partition's borders are chosen from, if there are few partitions.
const SAMPLED: usize = 256;
/// Keys that are drawn in all, at most, and at least one for each input partition.
const MOST_SAMPLED: usize = 1 << 16;

impl<T: Wire> Dataset<T> {
    /// Sorts all rows by a key, smallest first; rows with equal keys keep their order.
    ///
    /// # Shape and units
    ///
    /// As many partitions as the parent; read one after the other they are in order. All rows of
    /// one key are in one partition.
    ///
    /// # Cost
    ///
    /// One pass and one shuffle of all rows; a small sample of the keys meets on every rank. Keys
    /// that are whole numbers are sorted by their bits. Rows past the memory budget go to disk.
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
        self.sorted(call("sort_by"), key, Arc::default())
    }

    /// [`sort_by`](Self::sort_by), greatest first.
    ///
    /// # Cost
    ///
    /// As [`sort_by`](Self::sort_by).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.range(0..4).sort_by_descending(|x| *x).collect()?, [3, 2, 1, 0]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn sort_by_descending<K: Wire + Ord>(
        &self,
        key: impl Fn(&T) -> K + Send + Sync + 'static,
    ) -> Dataset<T> {
        let key = move |row: &T| Reverse(key(row));
        self.sorted(call("sort_by_descending"), key, Arc::default())
    }

    /// Sorted by `key`; the borders of its partitions will be in `borders`.
    fn sorted<K: Wire + Ord>(
        &self,
        call: Call,
        key: impl Fn(&T) -> K + Send + Sync + 'static,
        borders: Arc<OnceLock<Vec<K>>>,
    ) -> Dataset<T> {
        let partitions = self.partitions();
        let movement = Sorted { partitions, key, borders, row: PhantomData::<fn(T) -> K> };
        self.staged(call, partitions, Exchange::new(movement, Homes::contiguous(partitions)))
    }
}

impl<K: Wire + Ord, V: Wire> Dataset<(K, V)> {
    /// Sorts by key, smallest first; rows with equal keys keep their order.
    ///
    /// The result is placed by ranges of its keys: see
    /// [`filter_by_range`](Self::filter_by_range).
    ///
    /// # Cost
    ///
    /// As [`sort_by`](Self::sort_by).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let pairs = ctx.parallelize(vec![(2, 'b'), (1, 'x'), (2, 'a')]);
    /// assert_eq!(pairs.sort_by_key().collect()?, [(1, 'x'), (2, 'b'), (2, 'a')]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn sort_by_key(&self) -> Dataset<(K, V)> {
        let borders = Arc::new(OnceLock::new());
        let key = |row: &(K, V)| row.0.clone();
        let sorted = self.sorted(call("sort_by_key"), key, Arc::clone(&borders));
        let by = By::Range(sorted.node.id());
        sorted.node.bound(borders);
        sorted.node.place(Placement { by, partitions: sorted.partitions() });
        sorted
    }

    /// [`sort_by_key`](Self::sort_by_key), greatest first; rows with equal keys keep their order.
    ///
    /// # Cost
    ///
    /// As [`sort_by`](Self::sort_by).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let pairs = ctx.parallelize(vec![(2, 'b'), (3, 'x'), (2, 'a')]);
    /// assert_eq!(pairs.sort_by_key_descending().collect()?, [(3, 'x'), (2, 'b'), (2, 'a')]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn sort_by_key_descending(&self) -> Dataset<(K, V)> {
        let key = |row: &(K, V)| Reverse(row.0.clone());
        self.sorted(call("sort_by_key_descending"), key, Arc::default())
    }
}

/// Keys drawn from the rows of one partition.
pub(super) struct Drawn<K> {
    partition: u64,
    rows: u64,
    /// Rows of a stretch, of which one is drawn.
    stretch: u64,
    most: usize,
    keys: Vec<K>,
    /// The row of the running stretch whose key is drawn.
    next: u64,
}

impl<K> Drawn<K> {
    pub(super) fn new(partition: usize, most: usize) -> Self {
        let partition = partition as u64;
        Self { partition, rows: 0, stretch: 1, most, keys: Vec::new(), next: 0 }
    }

    pub(super) fn note<T>(&mut self, rows: &[T], key: impl Fn(&T) -> K) {
        let end = self.rows + rows.len() as u64;
        while self.next < end {
            let at = (self.next - self.rows) as usize;
            self.keys.push(key(&rows[at]));
            if self.keys.len() >= 2 * self.most {
                // Twice as long stretches: every other key stays.
                let mut stays = false;
                self.keys.retain(|_| {
                    stays = !stays;
                    stays
                });
                self.stretch *= 2;
            }
            let stretch = self.next / self.stretch + 1;
            let draw = mix(stretch ^ self.partition.rotate_left(40)) % self.stretch;
            self.next = stretch * self.stretch + draw;
        }
        self.rows = end;
    }

    /// What all ranks learn.
    pub(super) fn into_sample(self) -> Sample<K> {
        (self.rows, self.keys)
    }
}

/// What all ranks learn of a partition: its rows, and keys that were drawn.
pub(super) type Sample<K> = (u64, Vec<K>);

/// Keys that a partition contributes.
pub(super) fn wanted(from: usize, to: usize) -> usize {
    (to * SAMPLED).min(MOST_SAMPLED).div_ceil(from.max(1)).max(16)
}

/// The first key of each output partition but the first, in ascending order.
pub(super) fn borders<K>(
    samples: Vec<Sample<K>>,
    partitions: usize,
    compare: impl Fn(&K, &K) -> Ordering,
) -> Vec<K> {
    // A drawn key stands for as many rows as its partition has for each key.
    let mut weighted: Vec<(K, f64)> = Vec::new();
    for (rows, keys) in samples {
        let weight = rows as f64 / keys.len() as f64;
        weighted.extend(keys.into_iter().map(|key| (key, weight)));
    }
    weighted.sort_by(|a, b| compare(&a.0, &b.0));
    let total: f64 = weighted.iter().map(|(_, weight)| weight).sum();
    let mut borders: Vec<K> = Vec::new();
    let mut before = 0.0;
    for (key, weight) in weighted {
        let due = total * (borders.len() + 1) as f64 / partitions as f64;
        let is_new = borders.last().is_none_or(|last| compare(last, &key).is_lt());
        if borders.len() + 1 < partitions && before >= due && is_new {
            borders.push(key);
        }
        before += weight;
    }
    borders
}

struct Sorted<T, K, F> {
    partitions: usize,
    key: F,
    borders: Arc<OnceLock<Vec<K>>>,
    row: PhantomData<fn(T) -> K>,
}

impl<T, K, F> Move for Sorted<T, K, F>
where
    T: Wire,
    K: Wire + Ord,
    F: Fn(&T) -> K + Send + Sync + 'static,
{
    type In = T;
    type Look = Drawn<K>;
    type Summary = Sample<K>;
    type Plan = Vec<K>;
    type Moved = T;
    type Out = T;
    const DEALS_EACH: bool = true;
    const KEEPS_EACH: bool = true;

    fn look(&self, partition: usize) -> Option<Drawn<K>> {
        // As many keys as if there were one input for each output partition: a small sample does
        // not know how many inputs there are.
        Some(Drawn::new(partition, wanted(self.partitions, self.partitions)))
    }

    fn note(&self, rows: &[T], drawn: &mut Drawn<K>) -> Result<()> {
        drawn.note(rows, &self.key);
        Ok(())
    }

    fn summary(&self, drawn: Drawn<K>) -> Sample<K> {
        drawn.into_sample()
    }

    fn plan(&self, samples: Vec<Sample<K>>) -> Result<Vec<K>> {
        let borders = borders(samples, self.partitions, K::cmp);
        let _ = self.borders.set(borders.clone());
        Ok(borders)
    }

    fn scatter(
        &self,
        _from: usize,
        mut rows: Typed<T>,
        borders: &Vec<K>,
        out: &mut Scatter<T>,
    ) -> Result<()> {
        if radix::has_bits::<K>() {
            let borders: Vec<u64> = borders.iter().map(radix::bits).collect();
            while let Some(chunk) = rows.next()? {
                for row in chunk.into_vec() {
                    let bits = radix::bits(&(self.key)(&row));
                    out.push(borders.partition_point(|border| *border <= bits), row);
                }
                out.check()?;
            }
            return Ok(());
        }
        while let Some(chunk) = rows.next()? {
            for row in chunk.into_vec() {
                let key = (self.key)(&row);
                out.push(borders.partition_point(|border| *border <= key), row);
            }
            out.check()?;
        }
        Ok(())
    }

    fn finish(&self, mut pieces: Pieces<T>, work: &Work<'_>, out: &mut Writer<T>) -> Result<()> {
        let mut sorter = Sorter::new(work.spill, &self.key);
        sorter.expect(pieces.rows());
        while let Some((rows, _)) = pieces.next()? {
            work.task.check()?;
            sorter.extend(rows)?;
        }
        let mut sorted = sorter.finish()?;
        if let Some(rows) = sorted.in_memory() {
            return out.extend_all(rows);
        }
        while let Some(row) = sorted.next()? {
            out.push(row)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn drawn_keys_are_spread_over_the_rows(rows in 0_u64..5000, most in 1_usize..40, cut in 1_usize..500) {
            let mut drawn = Drawn::new(3, most);
            let all: Vec<u64> = (0..rows).collect();
            for part in all.chunks(cut) {
                drawn.note(part, |row| *row);
            }
            let mut whole = Drawn::new(3, most);
            whole.note(&all, |row| *row);
            prop_assert_eq!(&drawn.keys, &whole.keys);
            prop_assert_eq!(drawn.rows, rows);
            prop_assert!(drawn.keys.len() <= 2 * most);
            prop_assert!(drawn.keys.len() as u64 >= rows.min(most as u64 - 1));
            prop_assert!(drawn.keys.is_sorted());
            let longest = drawn.keys.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
            prop_assert!(longest <= 4 * drawn.stretch, "{longest} of {}", drawn.stretch);
        }

        #[test]
        fn borders_ascend_and_part_evenly(keys in prop::collection::vec(0_u32..1000, 0..300), p in 1_usize..9) {
            let samples = vec![(keys.len() as u64, keys.clone()), (0, vec![])];
            let borders = borders(samples, p, u32::cmp);
            prop_assert!(borders.len() < p);
            prop_assert!(borders.windows(2).all(|pair| pair[0] < pair[1]));
            let mut distinct = keys;
            distinct.sort_unstable();
            distinct.dedup();
            prop_assert!(borders.len() + 1 >= p.min(distinct.len().min(2)));
        }
    }
}
