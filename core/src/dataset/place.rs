//! Placing rows by their keys, and what is already placed.

use std::any::Any;
use std::cmp::Ordering;
use std::hash::Hash;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};
use std::sync::atomic::{self, AtomicU64};
use std::sync::{Arc, OnceLock};

use super::chunk::{AnyChunk, Chunk, Ready, Stream, Typed};
use super::exchange::{Exchange, Move, Pieces, Scatter, Work, keep_pieces};
use super::external::Sorter;
use super::homes::Homes;
use super::node::{At, By, Partitionwise, Placement};
use super::slots::partition_of;
use super::sort::{Drawn, Sample, borders, wanted};
use super::{Dataset, call};
use crate::data::{Data, Wire};
use crate::error::{Error, Result};
use crate::hash::fixed_hash;
use crate::job::Call;
use crate::store::Writer;

/// Says which partition a key belongs to; for [`Dataset::partition_by`].
///
/// # Examples
///
/// ```
/// use firesteel_core::{Context, Partitioner};
///
/// # fn main() -> firesteel_core::Result<()> {
/// let pairs = Context::local().parallelize(vec![(3, 'c'), (0, 'a'), (4, 'd'), (1, 'b')]);
/// let parity = pairs.partition_by(&Partitioner::own(2, |key: &i32| (key % 2) as usize));
/// let parts = parity.map_partitions(|rows| [rows.collect::<Vec<_>>()]).collect()?;
/// assert_eq!(parts, [vec![(0, 'a'), (4, 'd')], vec![(3, 'c'), (1, 'b')]]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Partitioner<K> {
    partitions: usize,
    way: Way<K>,
}

#[derive(Clone)]
enum Way<K> {
    Hash(fn(&K) -> u64),
    Range(fn(&K, &K) -> Ordering),
    Own(u64, Arc<dyn Fn(&K) -> usize + Send + Sync>),
}

impl<K> Partitioner<K> {
    /// By the fixed hash of the key; at least one partition.
    pub fn hash(partitions: usize) -> Self
    where
        K: Hash,
    {
        Self { partitions: partitions.max(1), way: Way::Hash(fixed_hash::<K>) }
    }

    /// By ranges of about equal numbers of rows, found from a sample of the data; read one after the
    /// other, partitions ascend.
    pub fn range(partitions: usize) -> Self
    where
        K: Ord,
    {
        Self { partitions: partitions.max(1), way: Way::Range(K::cmp) }
    }

    /// By a function of the key, which must be below `partitions`; clones of this partitioner place
    /// alike, and their datasets are joined without a shuffle.
    pub fn own(partitions: usize, place: impl Fn(&K) -> usize + Send + Sync + 'static) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, atomic::Ordering::Relaxed);
        Self { partitions: partitions.max(1), way: Way::Own(number, Arc::new(place)) }
    }

    /// How many partitions it makes.
    pub fn partitions(&self) -> usize {
        self.partitions
    }
}

impl<K> std::fmt::Debug for Partitioner<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let way = match self.way {
            Way::Hash(_) => "hash",
            Way::Range(_) => "range",
            Way::Own(..) => "own",
        };
        f.debug_struct("Partitioner")
            .field("by", &way)
            .field("partitions", &self.partitions)
            .finish()
    }
}

impl<K: Wire, V: Wire> Dataset<(K, V)> {
    /// Moves rows to the partitions that `partitioner` says; rows of one partition keep their order.
    ///
    /// Datasets that were placed alike (by the hash into the same number of partitions, or by clones
    /// of one partitioner of your own), and what `filter`, `map_values`, `flat_map_values` and caches
    /// make of them, are joined and grouped without another shuffle. A dataset that is already placed
    /// so is returned as it is.
    ///
    /// # Errors
    ///
    /// The action that runs this returns [`Error::BadValue`] if a function of your own gives a
    /// number that is not below the number of partitions.
    ///
    /// # Cost
    ///
    /// One pass and one shuffle of all rows; ranges also hold the rows while a sample of the keys
    /// meets on every rank.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Partitioner;
    ///
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let pairs = ctx.parallelize(vec![(5, 'a'), (1, 'b'), (5, 'c')]);
    /// let placed = pairs.partition_by(&Partitioner::range(2));
    /// assert_eq!(placed.glom().collect()?, [vec![(1, 'b')], vec![(5, 'a'), (5, 'c')]]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn partition_by(&self, partitioner: &Partitioner<K>) -> Dataset<(K, V)> {
        self.placed(call("partition_by"), partitioner, keep_pieces_as_they_are)
    }

    /// [`partition_by`](Self::partition_by), and sorts each partition by key on the way: the
    /// secondary sort of Spark. Rows with equal keys keep their order.
    ///
    /// # Cost
    ///
    /// As [`partition_by`](Self::partition_by); partitions that outgrow the memory budget are sorted
    /// on disk.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::{Context, Partitioner};
    ///
    /// # fn main() -> firesteel_core::Result<()> {
    /// let visits = Context::local().parallelize(vec![(("ann", 3), 'c'), (("bob", 1), 'x'), (("ann", 1), 'a')]);
    /// let visits = visits.map(|((who, day), what)| ((who.to_owned(), day), what));
    /// let by_patient = Partitioner::own(4, |(who, _): &(String, i32)| who.len() % 4);
    /// let sorted = visits.repartition_and_sort_within_partitions(&by_patient);
    /// assert_eq!(sorted.values().collect()?, ['a', 'c', 'x']);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn repartition_and_sort_within_partitions(
        &self,
        partitioner: &Partitioner<K>,
    ) -> Dataset<(K, V)>
    where
        K: Ord,
    {
        self.placed(call("repartition_and_sort_within_partitions"), partitioner, sort_pieces)
    }

    /// The rows whose key lies in `range`.
    ///
    /// # Cost
    ///
    /// One pass; of a dataset that is placed by ranges (by [`sort_by_key`](Self::sort_by_key) or
    /// [`Partitioner::range`]), only of the partitions that can have such keys.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let pairs = firesteel_core::Context::local().range(0..100).map(|x| (x, ())).sort_by_key();
    /// assert_eq!(pairs.filter_by_range(5..8).keys().collect()?, [5, 6, 7]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn filter_by_range(
        &self,
        range: impl RangeBounds<K> + Send + Sync + 'static,
    ) -> Dataset<(K, V)>
    where
        K: Ord,
    {
        let borders = self.node.borders();
        let within = Within { range: Arc::new(range), borders, row: PhantomData::<fn(K, V)> };
        self.partitionwise(call("filter_by_range"), within).placed_as(self)
    }

    fn placed(
        &self,
        call: Call,
        partitioner: &Partitioner<K>,
        finish: Finish<(K, V)>,
    ) -> Dataset<(K, V)> {
        let by = match &partitioner.way {
            Way::Hash(_) => Some(By::Hash),
            Way::Own(number, _) => Some(By::Own(*number)),
            Way::Range(_) => None,
        };
        let partitions = partitioner.partitions;
        let is_placed = by.is_some()
            && self.node.placement().map(|p| (Some(p.by), p.partitions)) == Some((by, partitions));
        if is_placed && call.operator == "partition_by" {
            return self.clone();
        }
        let found = Arc::new(OnceLock::new());
        let movement = Placed {
            partitioner: partitioner.clone(),
            finish,
            borders: Arc::clone(&found),
            value: PhantomData::<fn(V)>,
        };
        let exchange = Exchange::new(movement, Homes::contiguous(partitions));
        let placed: Dataset<(K, V)> = self.staged(call, partitions, exchange);
        let by = by.unwrap_or_else(|| By::Range(placed.node.id()));
        placed.node.place(Placement { by, partitions });
        if matches!(by, By::Range(_)) {
            placed.node.bound(found);
        }
        placed
    }
}

impl<K: Wire + Hash, V: Wire> Dataset<(K, V)> {
    /// The same rows placed by the fixed hash, or as they are if they are placed so already.
    pub(super) fn hashed(&self, call: Call, partitions: usize) -> Dataset<(K, V)> {
        let by_hash = Placement { by: By::Hash, partitions };
        if self.node.placement() == Some(by_hash) {
            return self.clone();
        }
        self.placed(call, &Partitioner::hash(partitions), keep_pieces_as_they_are)
    }
}

/// What is done with the pieces of an output partition.
type Finish<T> = fn(Pieces<T>, &Work<'_>, &mut Writer<T>) -> Result<()>;

fn keep_pieces_as_they_are<T: Wire>(
    pieces: Pieces<T>,
    _: &Work<'_>,
    out: &mut Writer<T>,
) -> Result<()> {
    keep_pieces(pieces, out)
}

fn sort_pieces<K: Wire + Ord, V: Wire>(
    mut pieces: Pieces<(K, V)>,
    work: &Work<'_>,
    out: &mut Writer<(K, V)>,
) -> Result<()> {
    let mut sorter = Sorter::new(work.spill, |row: &(K, V)| row.0.clone());
    while let Some((rows, _)) = pieces.next()? {
        sorter.extend(rows)?;
    }
    let mut sorted = sorter.finish()?;
    while let Some(row) = sorted.next()? {
        out.push(row)?;
    }
    Ok(())
}

struct Placed<K, V> {
    partitioner: Partitioner<K>,
    finish: Finish<(K, V)>,
    borders: Arc<OnceLock<Vec<K>>>,
    value: PhantomData<fn(V)>,
}

impl<K: Wire, V: Wire> Move for Placed<K, V> {
    type In = (K, V);
    type Look = Drawn<K>;
    type Summary = Sample<K>;
    type Plan = Vec<K>;
    type Moved = (K, V);
    type Out = (K, V);
    const DEALS_EACH: bool = true;
    const KEEPS_EACH: bool = true;

    fn look(&self, partition: usize) -> Option<Drawn<K>> {
        let partitions = self.partitioner.partitions;
        match self.partitioner.way {
            Way::Range(_) => Some(Drawn::new(partition, wanted(partitions, partitions))),
            Way::Hash(_) | Way::Own(..) => None,
        }
    }

    fn note(&self, rows: &[(K, V)], drawn: &mut Drawn<K>) -> Result<()> {
        drawn.note(rows, |(key, _)| key.clone());
        Ok(())
    }

    fn summary(&self, drawn: Drawn<K>) -> Sample<K> {
        drawn.into_sample()
    }

    fn plan(&self, samples: Vec<Sample<K>>) -> Result<Vec<K>> {
        let Way::Range(compare) = self.partitioner.way else { return Ok(Vec::new()) };
        let borders = borders(samples, self.partitioner.partitions, compare);
        let _ = self.borders.set(borders.clone());
        Ok(borders)
    }

    fn scatter(
        &self,
        from: usize,
        mut rows: Typed<(K, V)>,
        borders: &Vec<K>,
        out: &mut Scatter<(K, V)>,
    ) -> Result<()> {
        let partitions = self.partitioner.partitions;
        let mut before = 0;
        while let Some(chunk) = rows.next()? {
            let chunk = chunk.into_vec();
            let count = chunk.len() as u64;
            match &self.partitioner.way {
                Way::Hash(hash) => {
                    for row in chunk {
                        out.push(partition_of(hash(&row.0), partitions), row);
                    }
                }
                Way::Range(compare) => {
                    for row in chunk {
                        let to = borders.partition_point(|border| compare(border, &row.0).is_le());
                        out.push(to, row);
                    }
                }
                Way::Own(_, place) => {
                    for (row, number) in chunk.into_iter().zip(before..) {
                        let to = place(&row.0);
                        if to >= partitions {
                            return Err(out_of_range(to, partitions, from, number));
                        }
                        out.push(to, row);
                    }
                }
            }
            before += count;
            out.check()?;
        }
        Ok(())
    }

    fn finish(
        &self,
        pieces: Pieces<(K, V)>,
        work: &Work<'_>,
        out: &mut Writer<(K, V)>,
    ) -> Result<()> {
        (self.finish)(pieces, work, out)
    }
}

fn out_of_range(to: usize, partitions: usize, from: usize, row: u64) -> Error {
    Error::BadValue {
        operation: format!("the partitioner's function, in partition {from}"),
        row,
        column: "key".into(),
        value: to.to_string(),
        expected: format!("a partition below {partitions}"),
    }
}

/// Keeps the rows of a range of keys.
struct Within<K, V, R> {
    range: Arc<R>,
    borders: Option<Arc<dyn Any + Send + Sync>>,
    row: PhantomData<fn(K, V)>,
}

impl<K: Data + Ord, V: Data, R: RangeBounds<K> + Send + Sync + 'static> Partitionwise
    for Within<K, V, R>
{
    fn open(&self, input: Box<dyn Stream>, at: At<'_>) -> Box<dyn Stream> {
        let borders = self.borders.as_ref();
        let borders = borders.and_then(|any| any.downcast_ref::<OnceLock<Vec<K>>>()?.get());
        if borders.is_some_and(|borders| !may_have(borders, at.partition, &*self.range)) {
            return Box::new(Ready(Vec::new().into_iter()));
        }
        let rows = Typed::new(input, at.call);
        Box::new(InRange { rows, range: Arc::clone(&self.range), row: PhantomData::<fn(K, V)> })
    }
}

/// Whether a partition between its borders may have a key of the range.
fn may_have<K: Ord>(borders: &[K], partition: usize, range: &impl RangeBounds<K>) -> bool {
    let first = partition.checked_sub(1).and_then(|before| borders.get(before));
    let end = borders.get(partition);
    // A partition past the last border has no rows at all.
    if partition > borders.len() {
        return false;
    }
    let starts_before_its_end = match (range.start_bound(), end) {
        (Bound::Included(start) | Bound::Excluded(start), Some(end)) => start < end,
        _ => true,
    };
    let ends_behind_its_start = match (range.end_bound(), first) {
        (Bound::Included(end), Some(first)) => end >= first,
        (Bound::Excluded(end), Some(first)) => end > first,
        _ => true,
    };
    starts_before_its_end && ends_behind_its_start
}

struct InRange<K, V, R> {
    rows: Typed<(K, V)>,
    range: Arc<R>,
    row: PhantomData<fn(K, V)>,
}

impl<K: Data + Ord, V: Data, R: RangeBounds<K> + Send + Sync> Stream for InRange<K, V, R> {
    fn next(&mut self) -> Result<Option<AnyChunk>> {
        let Some(chunk) = self.rows.next()? else { return Ok(None) };
        let rows: Vec<(K, V)> = match chunk {
            Chunk::Owned(mut rows) => {
                rows.retain(|(key, _)| self.range.contains(key));
                rows
            }
            Chunk::Shared(rows, window) => {
                rows[window].iter().filter(|(key, _)| self.range.contains(key)).cloned().collect()
            }
        };
        Ok(Some(Chunk::Owned(rows).erased()))
    }
}
