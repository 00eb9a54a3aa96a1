//! The values of each key together.
//!
//! Rows move to the partitions of their keys (unless they are there) and are kept; what an operator
//! makes of the groups is computed each time it is read, a slot at a time (see `slots`), so that
//! neither a large partition nor a single large group has to fit into memory.

use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::{SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::chunk::{AnyChunk, Chunk, Stream, Typed};
use super::exchange::SharedSpill;
use super::node::{At, By, Kind, Many, Node, Partitionwise, Placement};
use super::slots::{Grouped, Rows, Side, Slots, Sorted};
use super::{Dataset, StorageLevel, call};
use crate::counters::Evaluation;
use crate::data::{Data, Wire};
use crate::error::Result;
use crate::job::{Call, Task, entering_for};
use crate::size;
use crate::store::{Block, Stored, Writer};

/// The values of one key, which may be more than fit into memory; can be read again and again.
///
/// A group that is kept, shuffled again or collected travels as one row, which has to fit into memory as a
/// whole. What is to be made of very large groups is best made at once, by
/// [`map_groups`](Dataset::map_groups).
///
/// # Examples
///
/// ```
/// # fn main() -> firesteel_core::Result<()> {
/// let ctx = firesteel_core::Context::local();
/// let groups = ctx.parallelize(vec![('a', 1), ('b', 2), ('a', 3)]).group_by_key().collect()?;
/// let (key, group) = &groups[0];
/// assert_eq!((*key, group.len(), group.to_vec()?), ('a', 2, vec![1, 3]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Group<V> {
    values: Values<V>,
}

#[derive(Clone)]
enum Values<V> {
    Here(Arc<Vec<V>>),
    Kept(Arc<Stored<V>>),
}

impl<V> Default for Group<V> {
    /// Without a value.
    fn default() -> Self {
        Self { values: Values::Here(Arc::new(Vec::new())) }
    }
}

impl<V: Wire> Group<V> {
    /// How many values there are.
    pub fn len(&self) -> usize {
        match &self.values {
            Values::Here(values) => values.len(),
            Values::Kept(stored) => stored.rows() as usize,
        }
    }

    /// Whether there is none, which only the sides of a cogroup can be.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values from first to last, cloned; an error if they lie on disk and cannot be read.
    pub fn iter(&self) -> GroupValues<'_, V> {
        GroupValues { group: self, block: 0, rows: Arc::new(Vec::new()), at: 0, failed: false }
    }

    /// The values from number `from` on.
    pub(super) fn iter_from(&self, from: usize) -> Result<GroupValues<'_, V>> {
        let mut values = self.iter();
        let mut left = from;
        if let Values::Kept(stored) = &self.values {
            while let Some(rows) = stored.blocks().get(values.block).map(|block| block.rows()) {
                if rows > left {
                    break;
                }
                (left, values.block) = (left - rows, values.block + 1);
            }
        }
        if values.load()? {
            values.at = left;
        }
        Ok(values)
    }

    /// All values.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`](crate::Error::Damaged) or [`Error::File`](crate::Error::File) if they lie
    /// on disk and cannot be read.
    pub fn to_vec(&self) -> Result<Vec<V>> {
        match &self.values {
            Values::Here(values) => Ok(values.to_vec()),
            Values::Kept(_) => self.iter().collect(),
        }
    }
}

/// The values of a [`Group`], one after the other; made by [`Group::iter`].
pub struct GroupValues<'a, V> {
    group: &'a Group<V>,
    block: usize,
    rows: Arc<Vec<V>>,
    at: usize,
    failed: bool,
}

impl<V: Wire> GroupValues<'_, V> {
    fn load(&mut self) -> Result<bool> {
        let rows = match &self.group.values {
            Values::Here(values) if self.block == 0 => Arc::clone(values),
            Values::Here(_) => return Ok(false),
            Values::Kept(stored) => match stored.blocks().get(self.block) {
                Some(block) => loaded(block)?,
                None => return Ok(false),
            },
        };
        (self.rows, self.at, self.block) = (rows, 0, self.block + 1);
        Ok(true)
    }
}

fn loaded<V: Wire>(block: &Block<V>) -> Result<Arc<Vec<V>>> {
    Ok(block.load()?.expect("what may go to disk is not lost"))
}

impl<V: Wire> Iterator for GroupValues<'_, V> {
    type Item = Result<V>;

    fn next(&mut self) -> Option<Result<V>> {
        loop {
            if let Some(value) = self.rows.get(self.at) {
                self.at += 1;
                return Some(Ok(value.clone()));
            }
            if self.failed {
                return None;
            }
            match self.load() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl<V> fmt::Debug for GroupValues<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupValues").field("block", &self.block).finish_non_exhaustive()
    }
}

impl<V: Wire + fmt::Debug> fmt::Debug for Group<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().flatten()).finish()
    }
}

impl<V: Wire + PartialEq> PartialEq for Group<V> {
    /// Whether both have the same values in the same order; what cannot be read is equal to nothing.
    fn eq(&self, other: &Self) -> bool {
        let both = self.iter().zip(other.iter());
        self.len() == other.len()
            && both.into_iter().all(|pair| matches!(pair, (Ok(a), Ok(b)) if a == b))
    }
}

impl<V: Wire> Serialize for Group<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.len()))?;
        for value in self.iter() {
            seq.serialize_element(&value.map_err(S::Error::custom)?)?;
        }
        seq.end()
    }
}

impl<'de, V: Wire> Deserialize<'de> for Group<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All<V>(PhantomData<fn() -> V>);
        impl<'de, V: Wire> Visitor<'de> for All<V> {
            type Value = Vec<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the values of a group")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<V>, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = seq.next_element()? {
                    values.push(value);
                }
                Ok(values)
            }
        }
        let values = deserializer.deserialize_seq(All(PhantomData))?;
        Ok(Self { values: Values::Here(Arc::new(values)) })
    }
}

impl<K: Wire + Eq + Hash, V: Wire> Dataset<(K, V)> {
    /// Gathers the values of each key, in the order of the parent's rows.
    ///
    /// # Shape and units
    ///
    /// As many partitions as the parent, one row a key; keys stand as in
    /// [`reduce_by_key`](Self::reduce_by_key). A group that does not fit into its task's share of
    /// the memory budget lies on disk.
    ///
    /// # Cost
    ///
    /// One shuffle of all rows, which are kept; each reading groups them again. To combine values,
    /// [`reduce_by_key`](Self::reduce_by_key) and its kin move and keep far less.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let groups = ctx.range(0..6).map(|x| (x % 2, x)).group_by_key();
    /// let sizes = groups.map(|(key, group)| (key, group.len()));
    /// assert_eq!(sizes.collect()?, [(0, 3), (1, 3)]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn group_by_key(&self) -> Dataset<(K, Group<V>)> {
        let groups = self.grouped(call("group_by_key"), |key, values| Ok((key, values.group()?)));
        let by_hash = Placement { by: By::Hash, partitions: self.partitions() };
        groups.node.place(self.node.placement().unwrap_or(by_hash));
        groups
    }

    /// Gives `f` each key with its values, in the order of the parent's rows, and puts out what it
    /// returns: the values are read one by one and need not fit into memory. Values that `f` leaves
    /// are passed over.
    ///
    /// # Shape and units
    ///
    /// As [`group_by_key`](Self::group_by_key).
    ///
    /// # Errors
    ///
    /// Should values on disk not be readable, the iterator ends and the job fails with the error,
    /// whatever `f` returns.
    ///
    /// # Cost
    ///
    /// One shuffle of all rows, which are kept; `f` runs each time the result is read, as that of
    /// `map` does.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let stays = ctx.parallelize(vec![("ann", 3), ("bob", 2), ("ann", 9)]);
    /// let longest = stays
    ///     .map(|(who, days)| (who.to_owned(), days))
    ///     .map_groups(|who, days| (who.clone(), days.max()));
    /// assert_eq!(longest.collect()?, [("ann".to_owned(), Some(9)), ("bob".to_owned(), Some(2))]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn map_groups<U: Data>(
        &self,
        f: impl Fn(&K, &mut dyn Iterator<Item = V>) -> U + Send + Sync + 'static,
    ) -> Dataset<U> {
        self.grouped(call("map_groups"), move |key, values| {
            let mut fault = None;
            let mut values = std::iter::from_fn(|| match values.next() {
                Ok(value) => value,
                Err(error) => {
                    fault = Some(error);
                    None
                }
            });
            let made = f(&key, &mut values);
            match fault {
                None => Ok(made),
                Some(error) => Err(error),
            }
        })
    }

    fn grouped<U: Data>(
        &self,
        call: Call,
        make: impl Fn(K, &mut ValuesOf<'_, V>) -> Result<U> + Send + Sync + 'static,
    ) -> Dataset<U> {
        // What is placed by keys in any way has all rows of a key in one partition.
        let placed = match self.node.placement() {
            Some(_) => self.clone(),
            None => self.hashed(call, self.partitions()),
        };
        let make = Arc::new(make);
        let work = Groups { make, row: PhantomData::<fn(K, V) -> U> };
        placed.partitionwise(call, work)
    }

    /// Gathers the values of each key in both datasets. A key that only one of them has gets an
    /// empty group for the other.
    ///
    /// # Shape and units
    ///
    /// As many partitions as the larger of both, or as one that is placed by the hash. Keys stand
    /// as in [`reduce_by_key`](Self::reduce_by_key), those of `self` before those that only `other`
    /// has.
    ///
    /// # Cost
    ///
    /// A shuffle for each dataset that is not placed by its keys already: see
    /// [`partition_by`](Self::partition_by).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let ages = ctx.parallelize(vec![(1, 70), (2, 45)]);
    /// let stays = ctx.parallelize(vec![(1, 'a'), (1, 'b')]);
    /// let sizes = ages.cogroup(&stays).map(|(id, (ages, stays))| (id, ages.len(), stays.len()));
    /// assert_eq!(sizes.collect()?, [(1, 1, 2), (2, 1, 0)]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn cogroup<W: Wire>(&self, other: &Dataset<(K, W)>) -> Dataset<(K, (Group<V>, Group<W>))> {
        let cogroups = Cogroups { row: PhantomData::<fn(K, V, W)> };
        self.together(call("cogroup"), other, cogroups)
    }

    /// [`cogroup`](Self::cogroup) of three datasets.
    ///
    /// # Cost
    ///
    /// As two cogroups; what was placed by the first stays. The groups of one key in the first two
    /// datasets together have to fit into memory, and travel as one row if the third dataset is placed
    /// in another way.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let pairs = |values: &[(u8, u8)]| ctx.parallelize(values.to_vec());
    /// let groups = pairs(&[(1, 5)]).cogroup3(&pairs(&[(2, 6)]), &pairs(&[(1, 7), (1, 8)]));
    /// let sizes = groups.map(|(key, (a, b, c))| (key, a.len(), b.len(), c.len()));
    /// assert_eq!(sizes.sort_by(|row| row.0).collect()?, [(1, 1, 0, 2), (2, 0, 1, 0)]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn cogroup3<W: Wire, X: Wire>(
        &self,
        other: &Dataset<(K, W)>,
        third: &Dataset<(K, X)>,
    ) -> Dataset<(K, (Group<V>, Group<W>, Group<X>))> {
        self.cogroup(other).cogroup(third).try_map(|(key, (pairs, third))| {
            let (first, second) = pairs.iter().next().transpose()?.unwrap_or_default();
            Ok::<_, crate::Error>((key, (first, second, third)))
        })
    }

    /// [`cogroup`](Self::cogroup) of four datasets.
    ///
    /// # Cost
    ///
    /// As three cogroups; see [`cogroup3`](Self::cogroup3).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let pairs = |values: &[(u8, u8)]| ctx.parallelize(values.to_vec());
    /// let (a, b) = (pairs(&[(1, 5)]), pairs(&[(1, 6), (1, 7)]));
    /// let sizes = a.cogroup4(&b, &a, &b).map(|(_, (a, b, c, d))| [a, b, c, d].map(|g| g.len()));
    /// assert_eq!(sizes.collect()?, [[1, 2, 1, 2]]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn cogroup4<W: Wire, X: Wire, Y: Wire>(
        &self,
        other: &Dataset<(K, W)>,
        third: &Dataset<(K, X)>,
        fourth: &Dataset<(K, Y)>,
    ) -> Dataset<(K, (Group<V>, Group<W>, Group<X>, Group<Y>))> {
        self.cogroup3(other, third).cogroup(fourth).try_map(|(key, (triples, fourth))| {
            let (first, second, third) = triples.iter().next().transpose()?.unwrap_or_default();
            Ok::<_, crate::Error>((key, (first, second, third, fourth)))
        })
    }

    /// An operator on both datasets, placed alike.
    pub(super) fn together<W: Wire, U: Data>(
        &self,
        call: Call,
        other: &Dataset<(K, W)>,
        work: impl Many + 'static,
    ) -> Dataset<U> {
        let (left, right) = self.alike(call, other);
        let homes = Arc::clone(left.node.homes());
        let parents = vec![Arc::clone(&left.node), Arc::clone(&right.node)];
        let node = Node::new(&self.ctx, call, Kind::Many(Box::new(work)), homes, parents);
        Dataset::from_node(&self.ctx, node).placed_as(&left)
    }

    /// Both datasets placed alike, with as few shuffles as it takes.
    fn alike<W: Wire>(
        &self,
        call: Call,
        other: &Dataset<(K, W)>,
    ) -> (Dataset<(K, V)>, Dataset<(K, W)>) {
        let (here, there) = (self.node.placement(), other.node.placement());
        if here.is_some() && here == there {
            return (self.clone(), other.clone());
        }
        let hashed = |placement: Option<Placement>| {
            placement.filter(|place| place.by == By::Hash).map(|place| place.partitions)
        };
        let larger = self.partitions().max(other.partitions());
        let partitions = match (hashed(here), hashed(there)) {
            // The one with more partitions stays.
            (Some(here), Some(there)) => here.max(there),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => larger,
        };
        (self.hashed(call, partitions), other.hashed(call, partitions))
    }
}

impl<T: Wire> Dataset<T> {
    /// Gathers the rows that have the same key under `key`.
    ///
    /// # Cost
    ///
    /// As [`group_by_key`](Dataset::group_by_key).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let words = firesteel_core::Context::local().parallelize(vec!["of", "fire", "in"]);
    /// let groups = words.map(str::to_owned).group_by(|word| word.len());
    /// let groups = groups.map(|(len, words)| (len, words.len()));
    /// assert_eq!(groups.collect()?, [(2, 2), (4, 1)]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn group_by<K: Wire + Eq + Hash>(
        &self,
        key: impl Fn(&T) -> K + Send + Sync + 'static,
    ) -> Dataset<(K, Group<T>)> {
        let keyed = self.keyed(call("group_by"), key);
        keyed.grouped(call("group_by"), |key, values| Ok((key, values.group()?)))
    }
}

/// The values of one key that an operator is given.
pub(super) struct ValuesOf<'a, V> {
    values: &'a mut Cursor<V>,
    number: usize,
    spill: &'a Arc<SharedSpill>,
}

/// The values of one side of a slot, key after key.
pub(super) enum Cursor<V> {
    Memory { values: std::vec::IntoIter<V>, starts: Vec<u32>, at: u32 },
    Disk(Sorted<V>),
}

impl<V: Wire> Cursor<V> {
    pub(super) fn new(side: Side<V>) -> Self {
        match side {
            Side::Memory { values, starts } => {
                Self::Memory { values: values.into_iter(), starts, at: 0 }
            }
            Side::Disk(sorted) => Self::Disk(sorted),
        }
    }

    /// The next value of key `number`.
    #[inline]
    pub(super) fn next_of(&mut self, number: usize) -> Result<Option<V>> {
        match self {
            Self::Memory { values, starts, at } => {
                if !Side::<V>::range(starts, number).contains(&(*at as usize)) {
                    return Ok(None);
                }
                *at += 1;
                Ok(values.next())
            }
            Self::Disk(sorted) => sorted.next_of(number as u32),
        }
    }

    /// All values of key `number`.
    pub(super) fn group_of(&mut self, number: usize, spill: &Arc<SharedSpill>) -> Result<Group<V>> {
        if let Self::Memory { values, starts, at } = self {
            let here = Side::<V>::range(starts, number).len();
            *at += here as u32;
            let values = Arc::new(values.by_ref().take(here).collect());
            return Ok(Group { values: Values::Here(values) });
        }
        // What came from disk may be too large for memory.
        let most = spill.store().share() / 16;
        let (mut values, mut bytes, mut looked) = (Vec::new(), 0, 0);
        while let Some(value) = self.next_of(number)? {
            values.push(value);
            if values.len() - looked == 256 {
                bytes += size::bytes_of(&values[looked..])?;
                looked = values.len();
                if bytes > most {
                    let keeper = spill.store().keeper(StorageLevel::default());
                    let mut writer = Writer::new(&keeper);
                    writer.extend_all(std::mem::take(&mut values).into_iter())?;
                    while let Some(value) = self.next_of(number)? {
                        writer.push(value)?;
                    }
                    return Ok(Group { values: Values::Kept(Arc::new(writer.finish()?)) });
                }
            }
        }
        Ok(Group { values: Values::Here(Arc::new(values)) })
    }

    /// Passes over what is left of key `number`.
    pub(super) fn skip(&mut self, number: usize) -> Result<()> {
        if let Self::Memory { values, starts, at } = self {
            let end = Side::<V>::range(starts, number).end as u32;
            if end > *at {
                values.nth((end - *at - 1) as usize);
                *at = end;
            }
            return Ok(());
        }
        while self.next_of(number)?.is_some() {}
        Ok(())
    }
}

impl<V: Wire> ValuesOf<'_, V> {
    fn next(&mut self) -> Result<Option<V>> {
        self.values.next_of(self.number)
    }

    fn group(&mut self) -> Result<Group<V>> {
        self.values.group_of(self.number, self.spill)
    }
}

/// The rows of a stream.
pub(super) struct FromStream<T>(pub(super) Typed<T>);

impl<T: Data> Rows<T> for FromStream<T> {
    fn next(&mut self) -> Result<Option<Vec<T>>> {
        Ok(self.0.next()?.map(Chunk::into_vec))
    }
}

/// No rows.
pub(super) struct Nothing;

impl<T> Rows<T> for Nothing {
    fn next(&mut self) -> Result<Option<Vec<T>>> {
        Ok(None)
    }
}

/// Starts to read slots when the first is asked for: opening a stream computes nothing.
pub(super) struct Lazy<K, V, W> {
    inputs: Option<(Typed<(K, V)>, Option<Typed<(K, W)>>)>,
    slots: Option<Slots<K, V, W>>,
    partitions: usize,
    pub(super) spill: Arc<SharedSpill>,
    pub(super) task: Arc<Task>,
}

impl<K: Wire + Eq + Hash, V: Wire, W: Wire> Lazy<K, V, W> {
    pub(super) fn new(
        left: Typed<(K, V)>,
        right: Option<Typed<(K, W)>>,
        partitions: usize,
        task: &Arc<Task>,
    ) -> Self {
        let spill = SharedSpill::new(task.store());
        Self { inputs: Some((left, right)), slots: None, partitions, spill, task: Arc::clone(task) }
    }

    pub(super) fn next(&mut self) -> Result<Option<Grouped<K, V, W>>> {
        if let Some((left, right)) = self.inputs.take() {
            let left = FromStream(left);
            let (partitions, spill, task) = (self.partitions, &self.spill, &self.task);
            self.slots = Some(match right {
                Some(right) => Slots::new(left, FromStream(right), partitions, spill, task)?,
                None => Slots::new(left, Nothing, partitions, spill, task)?,
            });
        }
        match &mut self.slots {
            Some(slots) => slots.next_grouped(),
            None => Ok(None),
        }
    }
}

/// Rows that a stream of groups puts out at a time, at most.
const GROUPS: usize = 512;

/// An operator on the groups of one input.
struct Groups<K, V, U, F> {
    make: Arc<F>,
    row: PhantomData<fn(K, V) -> U>,
}

impl<K, V, U, F> Partitionwise for Groups<K, V, U, F>
where
    K: Wire + Eq + Hash,
    V: Wire,
    U: Data,
    F: Fn(K, &mut ValuesOf<'_, V>) -> Result<U> + Send + Sync + 'static,
{
    fn open(&self, input: Box<dyn Stream>, at: At<'_>) -> Box<dyn Stream> {
        let rows = Typed::new(input, at.call);
        let slots = Lazy::<K, V, ()>::new(rows, None, at.partitions, at.task);
        let (make, call) = (Arc::clone(&self.make), at.call);
        let evaluation = Evaluation::new(at.node, at.partition);
        Box::new(GroupStream { make, slots, now: None, call, evaluation })
    }
}

struct GroupStream<K, V, F> {
    make: Arc<F>,
    slots: Lazy<K, V, ()>,
    now: Option<Grouping<K, V>>,
    call: Call,
    evaluation: Evaluation,
}

/// A slot that is being read: its keys, the number of the next one, its values.
type Grouping<K, V> = (std::vec::IntoIter<K>, usize, Cursor<V>);

impl<K, V, U, F> Stream for GroupStream<K, V, F>
where
    K: Wire + Eq + Hash,
    V: Wire,
    U: Data,
    F: Fn(K, &mut ValuesOf<'_, V>) -> Result<U> + Send + Sync,
{
    fn next(&mut self) -> Result<Option<AnyChunk>> {
        self.slots.task.check()?;
        let mut out = Vec::new();
        while out.len() < GROUPS {
            let Some((keys, number, values)) = &mut self.now else {
                let Some(Grouped { keys, left, .. }) = self.slots.next()? else {
                    self.evaluation.completed();
                    break;
                };
                self.now = Some((keys.into_iter(), 0, Cursor::new(left)));
                continue;
            };
            let Some(key) = keys.next() else {
                self.now = None;
                continue;
            };
            entering_for(self.call, self.evaluation);
            let mut of = ValuesOf { values, number: *number, spill: &self.slots.spill };
            out.push((self.make)(key, &mut of)?);
            values.skip(*number)?;
            *number += 1;
        }
        Ok(if out.is_empty() { None } else { Some(Chunk::Owned(out).erased()) })
    }
}

struct Cogroups<K, V, W> {
    row: PhantomData<fn(K, V, W)>,
}

impl<K: Wire + Eq + Hash, V: Wire, W: Wire> Many for Cogroups<K, V, W> {
    fn open(&self, inputs: Vec<Box<dyn Stream>>, at: At<'_>) -> Box<dyn Stream> {
        let (left, right) = two::<K, V, W>(inputs, at.call);
        let slots = Lazy::new(left, Some(right), at.partitions, at.task);
        Box::new(CogroupStream { slots, now: None })
    }
}

/// The two inputs of an operator on two.
pub(super) fn two<K: Data, V: Data, W: Data>(
    inputs: Vec<Box<dyn Stream>>,
    call: Call,
) -> (Typed<(K, V)>, Typed<(K, W)>) {
    let mut inputs = inputs.into_iter();
    let mut next = || inputs.next().expect("an operator on two datasets has two inputs");
    (Typed::new(next(), call), Typed::new(next(), call))
}

struct CogroupStream<K, V, W> {
    slots: Lazy<K, V, W>,
    now: Option<Cogrouping<K, V, W>>,
}

type Cogrouping<K, V, W> = (std::vec::IntoIter<K>, usize, Cursor<V>, Cursor<W>);

impl<K: Wire + Eq + Hash, V: Wire, W: Wire> Stream for CogroupStream<K, V, W> {
    fn next(&mut self) -> Result<Option<AnyChunk>> {
        self.slots.task.check()?;
        let mut out: Vec<(K, (Group<V>, Group<W>))> = Vec::new();
        while out.len() < GROUPS {
            let Some((keys, number, left, right)) = &mut self.now else {
                let Some(Grouped { keys, left, right }) = self.slots.next()? else { break };
                self.now = Some((keys.into_iter(), 0, Cursor::new(left), Cursor::new(right)));
                continue;
            };
            let Some(key) = keys.next() else {
                self.now = None;
                continue;
            };
            let left = left.group_of(*number, &self.slots.spill)?;
            let right = right.group_of(*number, &self.slots.spill)?;
            out.push((key, (left, right)));
            *number += 1;
        }
        Ok(if out.is_empty() { None } else { Some(Chunk::Owned(out).erased()) })
    }
}
