//! Actions that look for some rows or count them: extremes, samples, counts by value.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};

use super::Dataset;
use super::chunk::Typed;
use crate::data::{Data, Wire};
use crate::error::{Error, Result};
use crate::hash::fixed_hash;
use crate::job::{Job, Task};
use crate::rng::Draws;

/// A row with what it is compared by, and where it stands: of equal ones the first counts.
#[derive(Clone)]
struct Ranked<K, T> {
    key: K,
    at: (usize, u64),
    row: T,
}

impl<K: Ord, T> Ord for Ranked<K, T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key).then(self.at.cmp(&other.at))
    }
}

impl<K: Ord, T> PartialOrd for Ranked<K, T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord, T> PartialEq for Ranked<K, T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<K: Ord, T> Eq for Ranked<K, T> {}

/// The `n` smallest, in order.
type Smallest<K, T> = Vec<(K, (usize, u64), T)>;

impl<T: Wire> Dataset<T> {
    /// The `n` rows with the smallest keys, of equal ones the first, in order.
    fn smallest<K: Wire + Ord>(
        &self,
        job: &Job<'_>,
        n: usize,
        key: impl Fn(&T, (usize, u64)) -> K + Sync,
    ) -> Result<Vec<T>> {
        job.runs_on(n as u64);
        let leaf = |mut rows: Typed<T>, task: &Task| {
            let mut heap: BinaryHeap<Ranked<K, T>> = BinaryHeap::new();
            let mut position = 0;
            while let Some(chunk) = rows.next()? {
                for row in chunk.as_slice() {
                    let at = (task.partition, position);
                    position += 1;
                    let key = key(row, at);
                    let is_smaller =
                        heap.peek().is_some_and(|most| (&key, at) < (&most.key, most.at));
                    if heap.len() < n {
                        heap.push(Ranked { key, at, row: row.clone() });
                    } else if is_smaller {
                        heap.pop();
                        heap.push(Ranked { key, at, row: row.clone() });
                    }
                }
            }
            let sorted = heap.into_sorted_vec().into_iter();
            Ok(sorted.map(|ranked| (ranked.key, ranked.at, ranked.row)).collect::<Smallest<K, T>>())
        };
        let merge = |mut a: Smallest<K, T>, mut b: Smallest<K, T>| {
            a.append(&mut b);
            a.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
            a.truncate(n);
            a
        };
        let rows = self.tree(job, leaf, merge)?.unwrap_or_default();
        Ok(rows.into_iter().map(|(_, _, row)| row).collect())
    }

    /// The `n` rows with the smallest keys, smallest first; of equal ones the first.
    ///
    /// # Errors
    ///
    /// What the lineage's closures give, and what an action can give: see [`Error`].
    ///
    /// # Cost
    ///
    /// One pass; at most `n` rows a partition travel.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let words = firesteel_core::Context::local().parallelize(vec!["steel", "of", "a", "in"]);
    /// let short = words.map(str::to_owned).take_ordered_by(2, |word| word.len())?;
    /// assert_eq!(short, ["a", "of"]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn take_ordered_by<K: Wire + Ord>(
        &self,
        n: usize,
        key: impl Fn(&T) -> K + Sync,
    ) -> Result<Vec<T>> {
        let job = self.begin("take_ordered_by")?;
        self.smallest(&job, n, |row, _| key(row))
    }

    /// The `n` rows with the greatest keys, greatest first; of equal ones the first.
    ///
    /// # Errors
    ///
    /// As [`take_ordered_by`](Self::take_ordered_by).
    ///
    /// # Cost
    ///
    /// As [`top`](Self::top).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.range(0..10).top_by(2, |x| x % 4)?, [3, 7]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn top_by<K: Wire + Ord>(&self, n: usize, key: impl Fn(&T) -> K + Sync) -> Result<Vec<T>> {
        let job = self.begin("top_by")?;
        self.smallest(&job, n, |row, _| std::cmp::Reverse(key(row)))
    }

    /// The row with the smallest key, of equal ones the first; `None` without rows.
    ///
    /// # Errors
    ///
    /// As [`take_ordered_by`](Self::take_ordered_by).
    ///
    /// # Cost
    ///
    /// As [`top`](Self::top) of one row.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.range(1..9).min_by(|x| x % 4)?, Some(4));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn min_by<K: Wire + Ord>(&self, key: impl Fn(&T) -> K + Sync) -> Result<Option<T>> {
        let job = self.begin("min_by")?;
        Ok(self.smallest(&job, 1, |row, _| key(row))?.pop())
    }

    /// The row with the greatest key, of equal ones the first; `None` without rows.
    ///
    /// # Errors
    ///
    /// As [`take_ordered_by`](Self::take_ordered_by).
    ///
    /// # Cost
    ///
    /// As [`top`](Self::top) of one row.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let rows = firesteel_core::Context::local().range(0..10);
    /// assert_eq!(rows.max_by(|x| x % 4)?, Some(3));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn max_by<K: Wire + Ord>(&self, key: impl Fn(&T) -> K + Sync) -> Result<Option<T>> {
        let job = self.begin("max_by")?;
        Ok(self.smallest(&job, 1, |row, _| std::cmp::Reverse(key(row)))?.pop())
    }

    /// `n` rows drawn by chance; all if there are no more, and any number with replacement.
    ///
    /// A row's draw is a function of the seed, its partition and its position there. Without
    /// replacement the rows with the smallest draws are taken, in the order of the draws (so every
    /// order is as likely as any other); with replacement each of the `n` rows is drawn by itself.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] for more than 2³² rows with replacement; what the lineage's closures give, and what an action can give: see [`Error`].
    ///
    /// # Cost
    ///
    /// One pass without replacement, two with; at most `n` rows a partition travel.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let rows = firesteel_core::Context::local().range(0..1000);
    /// let some = rows.take_sample(false, 5, 7)?;
    /// assert_eq!(some.len(), 5);
    /// assert_eq!(rows.take_sample(true, 2000, 7)?.len(), 2000);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn take_sample(&self, with_replacement: bool, n: usize, seed: u64) -> Result<Vec<T>> {
        if with_replacement && n as u64 > 1 << 32 {
            return Err(Error::parameter("n", n, "at most 2^32"));
        }
        let draws = Draws::new(seed, "take_sample");
        let job = self.begin("take_sample")?;
        job.runs_on(fixed_hash(&(with_replacement, n, seed)));
        if !with_replacement {
            return self.smallest(&job, n, |_, (partition, at)| {
                draws.bits(((partition as u64) << 40) + at)
            });
        }
        let sizes = job.run(&self.local_partitions(), |task| {
            let mut rows = self.read(&job, task)?;
            let mut count = 0_u64;
            while let Some(chunk) = rows.next()? {
                count += chunk.as_slice().len() as u64;
            }
            Ok(count)
        });
        let mut starts = vec![0; self.partitions()];
        for (partition, count) in job.gather(sizes)?.into_iter().flatten() {
            starts[partition] = count;
        }
        let all: u64 = starts.iter().sum();
        let starts = super::zip::running_starts(&starts);
        // Which rows, by their global number, and for which places of the result.
        let mut wanted: Vec<(u64, usize)> = match all {
            0 => Vec::new(),
            all => (0..n).map(|place| (draws.below(place as u64, all), place)).collect(),
        };
        wanted.sort_unstable();
        let found = job.gather_rows(&self.local_partitions(), |task| {
            let mut rows = self.read(&job, task)?;
            let mut start = starts[task.partition];
            let mut next = wanted.partition_point(|(number, _)| *number < start);
            let mut found: Vec<(usize, T)> = Vec::new();
            while let Some(chunk) = rows.next()? {
                let rows = chunk.as_slice();
                while let Some(&(number, place)) = wanted.get(next) {
                    let Some(row) = rows.get((number - start) as usize) else { break };
                    found.push((place, row.clone()));
                    next += 1;
                }
                start += rows.len() as u64;
            }
            Ok(found)
        })?;
        let mut found: Vec<(usize, T)> = found.into_iter().flatten().collect();
        found.sort_by_key(|(place, _)| *place);
        Ok(found.into_iter().map(|(_, row)| row).collect())
    }

    /// Counts how often each row occurs.
    ///
    /// # Errors
    ///
    /// What the lineage's closures give, and what an action can give: see [`Error`].
    ///
    /// # Cost
    ///
    /// One pass; the counts of each partition travel to every rank and must fit into memory. For very
    /// many values: `map` to pairs with 1, and [`reduce_by_key`](Dataset::reduce_by_key).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let rows = firesteel_core::Context::local().parallelize(vec!['b', 'a', 'b']);
    /// assert_eq!(rows.count_by_value()?, [('a', 1), ('b', 2)].into());
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn count_by_value(&self) -> Result<BTreeMap<T, u64>>
    where
        T: Ord,
    {
        let job = self.begin("count_by_value")?;
        self.counts(&job, |row| row)
    }

    fn counts<K: Wire + Ord>(
        &self,
        job: &Job<'_>,
        key: impl Fn(&T) -> &K + Sync,
    ) -> Result<BTreeMap<K, u64>> {
        let leaf = |mut rows: Typed<T>, _: &Task| {
            let mut counts: BTreeMap<K, u64> = BTreeMap::new();
            while let Some(chunk) = rows.next()? {
                for row in chunk.as_slice() {
                    let key = key(row);
                    match counts.get_mut(key) {
                        Some(count) => *count += 1,
                        None => {
                            counts.insert(key.clone(), 1);
                        }
                    }
                }
            }
            Ok(counts)
        };
        let merge = |mut a: BTreeMap<K, u64>, b: BTreeMap<K, u64>| {
            for (key, count) in b {
                *a.entry(key).or_insert(0) += count;
            }
            a
        };
        Ok(self.tree(job, leaf, merge)?.unwrap_or_default())
    }

    /// The smallest row, of equal ones the first; `None` without rows.
    ///
    /// # Errors
    ///
    /// As [`take_ordered_by`](Self::take_ordered_by).
    ///
    /// # Cost
    ///
    /// As [`top`](Self::top) of one row.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.range(3..9).min()?, Some(3));
    /// assert_eq!(ctx.range(3..3).min()?, None);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn min(&self) -> Result<Option<T>>
    where
        T: Ord,
    {
        let job = self.begin("min")?;
        Ok(self.smallest(&job, 1, |row, _| row.clone())?.pop())
    }

    /// The greatest row, of equal ones the first; `None` without rows.
    ///
    /// # Errors
    ///
    /// As [`take_ordered_by`](Self::take_ordered_by).
    ///
    /// # Cost
    ///
    /// As [`top`](Self::top) of one row.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let rows = firesteel_core::Context::local().parallelize(vec![3, 9, 1]);
    /// assert_eq!((rows.min()?, rows.max()?), (Some(1), Some(9)));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn max(&self) -> Result<Option<T>>
    where
        T: Ord,
    {
        let job = self.begin("max")?;
        Ok(self.smallest(&job, 1, |row, _| std::cmp::Reverse(row.clone()))?.pop())
    }

    /// The `n` smallest rows, smallest first.
    ///
    /// # Errors
    ///
    /// As [`take_ordered_by`](Self::take_ordered_by).
    ///
    /// # Cost
    ///
    /// As [`take_ordered_by`](Self::take_ordered_by).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let rows = firesteel_core::Context::local().parallelize(vec![3, 9, 1, 7]);
    /// assert_eq!(rows.take_ordered(2)?, [1, 3]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn take_ordered(&self, n: usize) -> Result<Vec<T>>
    where
        T: Ord,
    {
        let job = self.begin("take_ordered")?;
        self.smallest(&job, n, |row, _| row.clone())
    }

    /// Whether there is no row.
    ///
    /// # Errors
    ///
    /// What the lineage's closures give, and what an action can give: see [`Error`].
    ///
    /// # Cost
    ///
    /// As [`take`](Self::take) of one row.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let rows = firesteel_core::Context::local().range(0..10);
    /// assert!(rows.filter(|x| *x > 20).is_empty()? && !rows.is_empty()?);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn is_empty(&self) -> Result<bool> {
        let job = self.begin("is_empty")?;
        Ok(self.taken(&job, 1)?.is_empty())
    }

    /// Runs `f` on the rows of each partition, on the rank and a thread where they live.
    ///
    /// # Errors
    ///
    /// What the lineage's closures give, and what an action can give: see [`Error`].
    ///
    /// # Cost
    ///
    /// One pass; nothing travels.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// # fn main() -> firesteel_core::Result<()> {
    /// let most = AtomicU64::new(0);
    /// firesteel_core::Context::local().range_in(0..10, 3).for_each_partition(|_, rows| {
    ///     most.fetch_max(rows.count() as u64, Ordering::Relaxed);
    /// })?;
    /// assert_eq!(most.into_inner(), 4);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn for_each_partition(
        &self,
        f: impl Fn(usize, &mut dyn Iterator<Item = T>) + Sync,
    ) -> Result<()> {
        let job = self.begin("for_each_partition")?;
        let done = job.run(&self.local_partitions(), |task| {
            let stream = self.node.open(task.partition, task)?;
            // What the closure does may be seen from outside.
            task.spend()?;
            let mut rows = super::Items::new(stream, job.call());
            let fault = rows.fault();
            f(task.partition, &mut rows);
            let fault = fault.lock().unwrap_or_else(|poison| poison.into_inner()).take();
            fault.map_or(Ok(()), Err)
        });
        job.agree(done.map(|_| ()))
    }

    /// The rows one by one, of which only a few partitions are in memory at a time.
    ///
    /// Partitions are fetched in waves of one a thread and rank. Each wave is an action of its own,
    /// which all ranks take part in: whoever stops to read, or drops the iterator, sends nothing and
    /// waits for nobody; ranks that go on without it get the error of ranks that have parted at
    /// their next wave.
    ///
    /// # Errors
    ///
    /// The items are results: what the lineage's closures give, and what an action can give. After an
    /// error the iterator ends.
    ///
    /// # Cost
    ///
    /// One pass in all; every row travels to every rank.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let rows = firesteel_core::Context::local().range_in(0..1000, 10);
    /// let mut sum = 0;
    /// for row in rows.to_local_iterator() {
    ///     sum += row?;
    ///     if sum > 100 {
    ///         break;
    ///     }
    /// }
    /// assert_eq!(sum, 105);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn to_local_iterator(&self) -> LocalIterator<T> {
        LocalIterator {
            dataset: self.clone(),
            site: std::panic::Location::caller(),
            next: 0,
            rows: Vec::new().into_iter(),
            is_over: false,
        }
    }
}

/// The rows of a dataset, fetched in waves of partitions; made by
/// [`Dataset::to_local_iterator`].
pub struct LocalIterator<T> {
    dataset: Dataset<T>,
    site: &'static std::panic::Location<'static>,
    next: usize,
    rows: std::vec::IntoIter<T>,
    is_over: bool,
}

impl<T: Wire> LocalIterator<T> {
    fn fetch(&mut self) -> Result<Vec<T>> {
        let dataset = &self.dataset;
        let job = Job::begin(&dataset.ctx, "to_local_iterator", self.site)?;
        job.prepare(&dataset.node)?;
        job.runs_on(self.next as u64);
        let threads: usize = job.gather(Ok(dataset.ctx.threads()))?.iter().sum();
        let wave = self.next..self.next + threads;
        self.next = wave.end;
        let mut here = dataset.local_partitions();
        here.retain(|partition| wave.contains(partition));
        let parts = job.gather_rows(&here, |task| dataset.read(&job, task)?.into_rows())?;
        Ok(parts.into_iter().flatten().collect())
    }
}

impl<T: Wire> Iterator for LocalIterator<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(Ok(row));
            }
            if self.is_over || self.next >= self.dataset.partitions() {
                return None;
            }
            match self.fetch() {
                Ok(rows) => self.rows = rows.into_iter(),
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl<T: Data> std::fmt::Debug for LocalIterator<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalIterator").field("next", &self.next).finish_non_exhaustive()
    }
}

impl<K: Wire + Ord, V: Wire> Dataset<(K, V)> {
    /// Counts the rows of each key.
    ///
    /// # Errors
    ///
    /// What the lineage's closures give, and what an action can give: see [`Error`].
    ///
    /// # Cost
    ///
    /// As [`count_by_value`](Dataset::count_by_value).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let pairs = ctx.parallelize(vec![('a', 1), ('b', 2), ('a', 3)]);
    /// assert_eq!(pairs.count_by_key()?, [('a', 2), ('b', 1)].into());
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn count_by_key(&self) -> Result<BTreeMap<K, u64>> {
        let job = self.begin("count_by_key")?;
        self.counts(&job, |(key, _)| key)
    }

    /// All rows as a map; of rows with equal keys the last one counts.
    ///
    /// # Errors
    ///
    /// As [`collect`](Dataset::collect).
    ///
    /// # Cost
    ///
    /// As [`collect`](Dataset::collect).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let pairs = firesteel_core::Context::local().parallelize(vec![(1, 'a'), (2, 'b'), (1, 'c')]);
    /// assert_eq!(pairs.collect_as_map()?, [(1, 'c'), (2, 'b')].into());
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn collect_as_map(&self) -> Result<BTreeMap<K, V>> {
        Ok(self.collect()?.into_iter().collect())
    }

    /// Combines the values of each key by `combine` into a map on every rank.
    ///
    /// Values of a partition are combined from first to last, the results over the fixed tree.
    ///
    /// # Errors
    ///
    /// What the lineage's closures give, and what an action can give: see [`Error`].
    ///
    /// # Cost
    ///
    /// As [`count_by_value`](Dataset::count_by_value): no shuffle, the maps must fit into memory.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let pairs = firesteel_core::Context::local().parallelize(vec![('a', 1), ('b', 2), ('a', 3)]);
    /// assert_eq!(pairs.reduce_by_key_locally(|a, b| a + b)?, [('a', 4), ('b', 2)].into());
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn reduce_by_key_locally(
        &self,
        combine: impl Fn(V, V) -> V + Sync,
    ) -> Result<BTreeMap<K, V>> {
        let job = self.begin("reduce_by_key_locally")?;
        let add = |map: &mut BTreeMap<K, V>, key: K, value: V| {
            let value = match map.remove(&key) {
                Some(before) => combine(before, value),
                None => value,
            };
            map.insert(key, value);
        };
        let leaf = |mut rows: Typed<(K, V)>, _: &Task| {
            let mut map = BTreeMap::new();
            while let Some(chunk) = rows.next()? {
                for (key, value) in chunk.into_vec() {
                    add(&mut map, key, value);
                }
            }
            Ok(map)
        };
        let merge = |mut a: BTreeMap<K, V>, b: BTreeMap<K, V>| {
            b.into_iter().for_each(|(key, value)| add(&mut a, key, value));
            a
        };
        Ok(self.tree(&job, leaf, merge)?.unwrap_or_default())
    }
}

impl<T: Data> Dataset<T> {
    /// Each row as often as a draw from the Poisson distribution with mean `fraction` says.
    ///
    /// The draw is a function of the seed, the partition and the position in it.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] unless `fraction` is between 0 and 100.
    ///
    /// # Cost
    ///
    /// No pass of its own: one draw a row when it is read, and a copy of the row each time it is
    /// drawn. Nothing moves.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let rows = firesteel_core::Context::local().range(0..10_000);
    /// let more = rows.sample_with_replacement(1.5, 42)?.count()?;
    /// assert!((14_000..16_000).contains(&more));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn sample_with_replacement(&self, fraction: f64, seed: u64) -> Result<Dataset<T>> {
        if !(0.0..=100.0).contains(&fraction) {
            return Err(Error::parameter("fraction", fraction, "in [0, 100]"));
        }
        let draws = Draws::new(seed, "sample_with_replacement");
        let none = libm::exp(-fraction);
        Ok(self.map_partitions_with_index(move |partition, rows| {
            rows.zip((partition as u64) << 40..).flat_map(move |(row, number)| {
                // By inversion: how many terms of the distribution lie below the draw.
                let draw = draws.uniform(number);
                let (mut times, mut term, mut sum) = (0_usize, none, none);
                while sum <= draw && term > 0.0 {
                    times += 1;
                    term *= fraction / times as f64;
                    sum += term;
                }
                std::iter::repeat_n(row, times)
            })
        }))
    }
}
