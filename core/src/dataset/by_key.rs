//! Samples, extremes and single keys of (key, value) rows.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;

use super::chunk::{AnyChunk, Chunk, Typed};
use super::node::{By, Step, StepRun};
use super::slots::partition_of;
use super::{Dataset, Partitioner, call};
use crate::data::{Data, Wire};
use crate::error::{Error, Failure, Result};
use crate::hash::fixed_hash;
use crate::job::Job;
use crate::rng::Draws;

impl<K: Wire + Eq + Hash + Ord, V: Wire> Dataset<(K, V)> {
    /// Keeps each row with the probability that `fractions` gives its key; keys without one are
    /// left out.
    ///
    /// A row's draw is a function of the seed, the partition and the position in it, so neither
    /// threads nor ranks change it; another cut into partitions does.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] for a fraction that is not between 0 and 1.
    ///
    /// # Cost
    ///
    /// No pass of its own.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let rows = firesteel_core::Context::local().range(0..1000).map(|x| (x % 2, x));
    /// let some = rows.sample_by_key(&[(0, 1.0), (1, 0.1)].into(), 7)?;
    /// assert_eq!(some.filter(|(key, _)| *key == 0).count()?, 500);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn sample_by_key(
        &self,
        fractions: &BTreeMap<K, f64>,
        seed: u64,
    ) -> Result<Dataset<(K, V)>> {
        check(fractions)?;
        let chosen = ByFraction {
            fractions: Arc::new(fractions.clone()),
            draws: Draws::new(seed, "sample_by_key"),
            row: 0,
            value: PhantomData::<fn(V)>,
        };
        Ok(self.step(call("sample_by_key"), chosen).placed_as(self))
    }

    /// [`sample_by_key`](Self::sample_by_key) with exactly `⌈fraction · n⌉` of the `n` rows of each
    /// key: those with the smallest draws.
    ///
    /// # Errors
    ///
    /// As [`sample_by_key`](Self::sample_by_key), and what an action can give: the thresholds are
    /// found by a job.
    ///
    /// # Cost
    ///
    /// Two passes over the parent at once (cache what is dear to compute), and one when the result is
    /// read. Of the keys whose fraction is neither 0 nor 1 each row sends its key and 16 bytes through a
    /// shuffle, where they are sorted within the memory budget. A number a key is held on every rank.
    /// Rows stay where they are, and as they were placed.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let rows = firesteel_core::Context::local().range(0..1000).map(|x| (x % 2, x));
    /// let some = rows.sample_by_key_exact(&[(0, 0.3), (1, 0.1)].into(), 7)?;
    /// assert_eq!(some.filter(|(key, _)| *key == 0).count()?, 150);
    /// assert_eq!(some.filter(|(key, _)| *key == 1).count()?, 50);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn sample_by_key_exact(
        &self,
        fractions: &BTreeMap<K, f64>,
        seed: u64,
    ) -> Result<Dataset<(K, V)>> {
        check(fractions)?;
        let draws = Draws::new(seed, "sample_by_key");
        let wanted = Arc::new(fractions.clone());
        let drawn = {
            let wanted = Arc::clone(&wanted);
            self.map_partitions_with_index(move |partition, rows| {
                let (wanted, first) = (Arc::clone(&wanted), first_row(partition));
                rows.zip(first..).filter_map(move |((key, _), row)| {
                    let fraction = wanted.get(&key).copied().unwrap_or(0.0);
                    (fraction > 0.0 && fraction < 1.0).then(|| ((key, draws.bits(row), row), ()))
                })
            })
        };
        // How many draws of each key stay, and the last of them.
        let counts = drawn.map(|((key, ..), ())| (key, ())).count_by_key()?;
        let stay: BTreeMap<K, u64> = counts
            .into_iter()
            .map(|(key, count)| {
                let fraction = wanted.get(&key).copied().unwrap_or(0.0);
                let stay = (fraction * count as f64).ceil() as u64;
                (key, stay.clamp(1, count))
            })
            .collect();
        let (partitions, stay) = (self.partitions(), Arc::new(stay));
        let by_key = Partitioner::own(partitions, move |(key, ..): &(K, u64, u64)| {
            partition_of(fixed_hash(key), partitions)
        });
        let sorted = drawn.repartition_and_sort_within_partitions(&by_key);
        let thresholds = sorted.map_partitions(move |rows| {
            let stay = Arc::clone(&stay);
            let mut run: Option<(K, u64)> = None;
            rows.filter_map(move |((key, draw, row), ())| {
                let number = match &mut run {
                    Some((before, number)) if *before == key => {
                        *number += 1;
                        *number
                    }
                    _ => {
                        run = Some((key.clone(), 1));
                        1
                    }
                };
                (stay.get(&key) == Some(&number)).then_some((key, (draw, row)))
            })
        });
        let thresholds = Arc::new(thresholds.collect_as_map()?);
        let sampled = self.map_partitions_with_index(move |partition, rows| {
            let (wanted, thresholds) = (Arc::clone(&wanted), Arc::clone(&thresholds));
            rows.zip(first_row(partition)..).filter_map(move |((key, value), row)| {
                let stays = match wanted.get(&key).copied().unwrap_or(0.0) {
                    1.0 => true,
                    0.0 => false,
                    _ => thresholds.get(&key).is_some_and(|last| (draws.bits(row), row) <= *last),
                };
                stays.then_some((key, value))
            })
        });
        Ok(sampled.placed_as(self))
    }
}

/// The number of a partition's first row among the draws.
fn first_row(partition: usize) -> u64 {
    (partition as u64) << 40
}

fn check<K>(fractions: &BTreeMap<K, f64>) -> Result<()> {
    match fractions.values().find(|fraction| !(0.0..=1.0).contains(*fraction)) {
        None => Ok(()),
        Some(fraction) => Err(Error::parameter("fractions", fraction, "between 0 and 1")),
    }
}

struct ByFraction<K, V> {
    fractions: Arc<BTreeMap<K, f64>>,
    draws: Draws,
    row: u64,
    value: PhantomData<fn(V)>,
}

impl<K: Data + Ord, V: Data> Step for ByFraction<K, V> {
    fn start(&self, partition: usize) -> Box<dyn StepRun> {
        let (fractions, row) = (Arc::clone(&self.fractions), first_row(partition));
        Box::new(ByFraction { fractions, draws: self.draws, row, value: PhantomData::<fn(V)> })
    }
}

impl<K: Data + Ord, V: Data> StepRun for ByFraction<K, V> {
    fn apply(&mut self, chunk: AnyChunk) -> Result<AnyChunk, Failure> {
        let chunk = Chunk::<(K, V)>::from_erased(chunk);
        let mut kept = Vec::new();
        for row in chunk.as_slice() {
            let fraction = self.fractions.get(&row.0).copied().unwrap_or(0.0);
            if self.draws.uniform(self.row) < fraction {
                kept.push(row.clone());
            }
            self.row += 1;
        }
        Ok(Chunk::Owned(kept).erased())
    }
}

impl<K: Wire + Eq + Hash, V: Wire + Ord> Dataset<(K, V)> {
    /// The `n` greatest values of each key, greatest first.
    ///
    /// # Cost
    ///
    /// As [`aggregate_by_key`](Self::aggregate_by_key): at most `n` values a key and group travel.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let rows = firesteel_core::Context::local().range(0..10).map(|x| (x % 2, x));
    /// assert_eq!(rows.top_by_key(2).collect()?, [(0, vec![8, 6]), (1, vec![9, 7])]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn top_by_key(&self, n: usize) -> Dataset<(K, Vec<V>)> {
        let add = move |mut heap: BinaryHeap<Reverse<V>>, value: V| {
            if heap.len() < n {
                heap.push(Reverse(value));
            } else if heap.peek().is_some_and(|Reverse(least)| value > *least) {
                heap.pop();
                heap.push(Reverse(value));
            }
            heap
        };
        let call = call("top_by_key");
        let create = move |value| add(BinaryHeap::new(), value);
        let merge = move |a, b: BinaryHeap<Reverse<V>>| {
            // In a fixed order, since a heap's own depends on how it came about.
            b.into_sorted_vec().into_iter().fold(a, |a, Reverse(value)| add(a, value))
        };
        self.combined(call, self.partitions(), create, add, merge).mapped(call, |(key, heap)| {
            let sorted = heap.clone().into_sorted_vec();
            (key.clone(), sorted.into_iter().map(|Reverse(value)| value).collect())
        })
    }
}

impl<K: Wire + Eq + Hash, V: Wire> Dataset<(K, V)> {
    /// The values of one key, in the order of the rows.
    ///
    /// # Errors
    ///
    /// What the lineage's closures give, and what an action can give: see [`Error`].
    ///
    /// # Cost
    ///
    /// One pass; of a dataset that is placed by the hash, over the one partition that can have the
    /// key. The values travel.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let pairs = ctx.parallelize(vec![('a', 1), ('b', 2), ('a', 3)]);
    /// assert_eq!(pairs.lookup(&'a')?, [1, 3]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn lookup(&self, key: &K) -> Result<Vec<V>> {
        let call = call("lookup");
        let job = Job::begin(&self.ctx, call.operator, call.site)?;
        job.prepare(&self.node)?;
        job.runs_on(fixed_hash(key));
        let mut here = self.local_partitions();
        if let Some(place) = self.node.placement().filter(|place| place.by == By::Hash) {
            let only = partition_of(fixed_hash(key), place.partitions);
            here.retain(|&partition| partition == only);
        }
        let parts = job.gather_rows(&here, |task| {
            let mut rows =
                Typed::<(K, V)>::counted(self.node.open(task.partition, task)?, call, task);
            let mut found = Vec::new();
            while let Some(chunk) = rows.next()? {
                let equal = chunk.as_slice().iter().filter(|row| row.0 == *key);
                found.extend(equal.map(|row| row.1.clone()));
            }
            Ok(found)
        })?;
        Ok(parts.into_iter().flatten().collect())
    }
}
