//! The rows of one partition by key, in pieces that fit into a cache.
//!
//! A partition of up to [`SLOT`] rows is one slot. A larger one is dealt out, by bits of the fixed
//! hash of the keys, into [`FAN`] slots, and each of these again while it is too large; a slot that
//! nearly all of its parent's rows fell into has few keys and stays as it is. So all rows of a key
//! are in one slot, in the order in which they came, and which slot comes when is a function of the
//! rows alone: memory only decides whether their bytes wait in memory or on disk.
//!
//! Within a slot keys are numbered by their first appearance, left input before right.

use std::hash::Hash;
use std::sync::Arc;

use hashbrown::HashTable;

use super::exchange::{Bucket, Scatter, SharedSpill};
use super::external::{Merged, Sorter};
use crate::data::Wire;
use crate::error::Result;
use crate::hash::fixed_hash;
use crate::job::Task;
use crate::size;

/// Rows of a slot, unless its keys cannot be told apart.
const SLOT: u64 = 1 << 17;
/// Slots that a too large one is dealt out into.
const FAN: usize = 1 << FAN_BITS;
const FAN_BITS: u32 = 5;
/// How often a slot may be dealt out again: then the hash has no bits left.
const DEEPEST: u32 = 4;

/// The part of a hash that places its key: bits that hash tables do not go by.
const WINDOW: u64 = u32::MAX as u64;

fn window(hash: u64) -> u64 {
    (hash >> 24) & WINDOW
}

/// The partition of a key, by its fixed hash.
#[inline]
pub(super) fn partition_of(hash: u64, partitions: usize) -> usize {
    ((window(hash) * partitions as u64) >> 32) as usize
}

/// The slot of a key at a level, from the bits that [`partition_of`] left.
#[inline]
fn slot_of(hash: u64, partitions: usize, level: u32) -> usize {
    let rest = window(hash).wrapping_mul(partitions as u64) & WINDOW;
    ((rest << (FAN_BITS * level)) & WINDOW) as usize >> (32 - FAN_BITS)
}

/// Rows of two inputs, by key.
pub(super) struct Slots<K, V, W> {
    waiting: Vec<Slot<K, V, W>>,
    partitions: usize,
    spill: Arc<SharedSpill>,
    task: Arc<Task>,
}

struct Slot<K, V, W> {
    left: Bucket<(K, V)>,
    right: Bucket<(K, W)>,
    level: u32,
    /// Whether it stays as it is.
    whole: bool,
}

/// A source of rows, some thousand at a time.
pub(super) trait Rows<T> {
    fn next(&mut self) -> Result<Option<Vec<T>>>;
}

impl<T: Wire> Rows<T> for Bucket<T> {
    fn next(&mut self) -> Result<Option<Vec<T>>> {
        Bucket::next(self)
    }
}

impl<K: Wire + Eq + Hash, V: Wire, W: Wire> Slots<K, V, W> {
    /// Takes in the rows of a partition, one of `partitions`.
    pub(super) fn new(
        mut left: impl Rows<(K, V)>,
        mut right: impl Rows<(K, W)>,
        partitions: usize,
        spill: &Arc<SharedSpill>,
        task: &Arc<Task>,
    ) -> Result<Self> {
        let mut this = Self {
            waiting: Vec::new(),
            partitions,
            spill: Arc::clone(spill),
            task: Arc::clone(task),
        };
        // Few rows are one slot, and nobody knows beforehand whether they are few.
        let (mut first_left, mut first_right) = (First::new(spill), First::new(spill));
        let mut all = false;
        while first_left.count + first_right.count <= SLOT {
            if let Some(rows) = left.next()? {
                first_left.add(rows)?;
            } else if let Some(rows) = right.next()? {
                first_right.add(rows)?;
            } else {
                all = true;
                break;
            }
        }
        let (first_left, first_right) = (first_left.into_bucket()?, first_right.into_bucket()?);
        if all {
            let slot = Slot { left: first_left, right: first_right, level: 0, whole: true };
            this.waiting.push(slot);
            return Ok(this);
        }
        this.deal((first_left, left), (first_right, right), 0)?;
        Ok(this)
    }

    /// Deals rows out into slots of `level`.
    fn deal(
        &mut self,
        left: (Bucket<(K, V)>, impl Rows<(K, V)>),
        right: (Bucket<(K, W)>, impl Rows<(K, W)>),
        level: u32,
    ) -> Result<()> {
        let left = self.dealt(left.0, left.1, level)?;
        let right = self.dealt(right.0, right.1, level)?;
        let rows = |slot: &(Bucket<(K, V)>, Bucket<(K, W)>)| slot.0.rows() + slot.1.rows();
        let slots: Vec<_> = left.into_iter().zip(right).collect();
        let all: u64 = slots.iter().map(rows).sum();
        // The last is taken first.
        for slot in slots.into_iter().rev() {
            let here = rows(&slot);
            if here > 0 {
                let whole = here <= SLOT || level >= DEEPEST || here > all / 100 * 99;
                let (left, right) = slot;
                self.waiting.push(Slot { left, right, level: level + 1, whole });
            }
        }
        Ok(())
    }

    fn dealt<X: Wire>(
        &self,
        mut first: Bucket<(K, X)>,
        mut rest: impl Rows<(K, X)>,
        level: u32,
    ) -> Result<Vec<Bucket<(K, X)>>> {
        let mut out = Scatter::new(FAN, &self.spill);
        let mut next = || {
            Ok(match first.next()? {
                Some(rows) => Some(rows),
                None => rest.next()?,
            })
        };
        while let Some(rows) = next()? {
            self.task.check()?;
            for (i, row) in rows.into_iter().enumerate() {
                out.push(slot_of(fixed_hash(&row.0), self.partitions, level), row);
                if i % 4096 == 4095 {
                    out.check()?;
                }
            }
            out.check()?;
        }
        out.into_buckets()
    }

    /// The next slot's rows, left and right.
    pub(super) fn next(&mut self) -> Result<Option<Pair<K, V, W>>> {
        while let Some(slot) = self.waiting.pop() {
            if slot.whole {
                return Ok(Some((slot.left, slot.right)));
            }
            let (left, right) = ((Bucket::empty(), slot.left), (Bucket::empty(), slot.right));
            self.deal(left, right, slot.level)?;
        }
        Ok(None)
    }

    /// The next slot's rows, grouped by key.
    pub(super) fn next_grouped(&mut self) -> Result<Option<Grouped<K, V, W>>> {
        let Some((left, right)) = self.next()? else { return Ok(None) };
        let mut keys = Keys::new();
        let left = Side::of(left, &mut keys, &self.spill)?;
        let right = Side::of(right, &mut keys, &self.spill)?;
        Ok(Some(Grouped { keys: keys.into_keys(), left, right }))
    }
}

/// Rows of a slot: of the left input, and of the right.
pub(super) type Pair<K, V, W> = (Bucket<(K, V)>, Bucket<(K, W)>);

/// The first rows of a partition: in memory while they are few bytes, else where they may go to
/// disk.
struct First<T> {
    spill: Arc<SharedSpill>,
    rows: Vec<T>,
    bytes: u64,
    large: Option<Scatter<T>>,
    count: u64,
}

impl<T: Wire> First<T> {
    fn new(spill: &Arc<SharedSpill>) -> Self {
        Self { spill: Arc::clone(spill), rows: Vec::new(), bytes: 0, large: None, count: 0 }
    }

    fn add(&mut self, mut rows: Vec<T>) -> Result<()> {
        self.count += rows.len() as u64;
        if self.spill.store().is_limited() {
            self.bytes += size::bytes_of(&rows)?;
        }
        if self.rows.is_empty() {
            self.rows = rows;
        } else {
            self.rows.append(&mut rows);
        }
        if self.large.is_some() || self.bytes > self.spill.store().share() / 8 {
            let large = self.large.get_or_insert_with(|| Scatter::new(1, &self.spill));
            for row in self.rows.drain(..) {
                large.push(0, row);
            }
            large.check()?;
        }
        Ok(())
    }

    fn into_bucket(self) -> Result<Bucket<T>> {
        match self.large {
            None => Ok(Bucket::of(self.rows)),
            Some(large) => Ok(large.into_buckets()?.pop().unwrap_or_else(Bucket::empty)),
        }
    }
}

/// The keys of a slot, numbered by their first appearance.
pub(super) struct Keys<K> {
    places: HashTable<u32>,
    keys: Vec<K>,
}

impl<K: Eq + Hash> Keys<K> {
    pub(super) fn new() -> Self {
        Self { places: HashTable::new(), keys: Vec::new() }
    }

    /// The keys in the order of their numbers.
    pub(super) fn into_keys(self) -> Vec<K> {
        self.keys
    }

    /// The number of a key.
    #[inline]
    pub(super) fn number(&mut self, key: K) -> u32 {
        let Self { places, keys } = self;
        let hash = fixed_hash(&key);
        let same = |&at: &u32| keys[at as usize] == key;
        if let Some(&at) = places.find(hash, same) {
            return at;
        }
        let at = keys.len() as u32;
        places.insert_unique(hash, at, |&at| fixed_hash(&keys[at as usize]));
        keys.push(key);
        at
    }
}

/// A slot's rows by key: the keys in order, and the values of each input.
pub(super) struct Grouped<K, V, W> {
    pub(super) keys: Vec<K>,
    pub(super) left: Side<V>,
    pub(super) right: Side<W>,
}

/// The values of one input of a slot, in the order of their keys' numbers.
pub(super) enum Side<V> {
    /// Key `i` has the values from `starts[i]` to `starts[i + 1]`; there may be more keys than
    /// starts, which have none.
    Memory {
        values: Vec<V>,
        starts: Vec<u32>,
    },
    Disk(Sorted<V>),
}

type ByNumber<V> = fn(&(u32, V)) -> u32;

/// Values with their keys' numbers, in order.
pub(super) struct Sorted<V> {
    rows: Merged<(u32, V), u32, ByNumber<V>>,
    next: Option<(u32, V)>,
}

impl<V: Wire> Sorted<V> {
    /// The next value of key `number`, if there is one.
    pub(super) fn next_of(&mut self, number: u32) -> Result<Option<V>> {
        if self.next.is_none() {
            self.next = self.rows.next()?;
        }
        match self.next.take_if(|(at, _)| *at == number) {
            Some((_, value)) => Ok(Some(value)),
            None => Ok(None),
        }
    }
}

impl<V: Wire> Side<V> {
    fn of<K: Wire + Eq + Hash>(
        mut rows: Bucket<(K, V)>,
        keys: &mut Keys<K>,
        spill: &Arc<SharedSpill>,
    ) -> Result<Self> {
        // As they come, a copy in the order of the keys, and their numbers.
        let most = spill.store().share() / 8;
        let (mut numbers, mut values) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        let mut external: Option<Sorter<(u32, V), ByNumber<V>>> = None;
        while let Some(part) = rows.next()? {
            if let Some(sorter) = &mut external {
                for (key, value) in part {
                    sorter.push((keys.number(key), value))?;
                }
                continue;
            }
            let first = values.len();
            for (key, value) in part {
                numbers.push(keys.number(key));
                values.push(value);
            }
            if spill.store().is_limited() {
                bytes += size::bytes_of(&values[first..])? + 4 * (values.len() - first) as u64;
            }
            if bytes > most {
                let by_number: ByNumber<V> = |row| row.0;
                let mut sorter = Sorter::new(spill, by_number);
                let rows = std::mem::take(&mut numbers).into_iter();
                for row in rows.zip(std::mem::take(&mut values)) {
                    sorter.push(row)?;
                }
                external = Some(sorter);
            }
        }
        match external {
            None => {
                let starts = in_groups(&mut values, &mut numbers, keys.keys.len());
                Ok(Self::Memory { values, starts })
            }
            Some(sorter) => Ok(Self::Disk(Sorted { rows: sorter.finish()?, next: None })),
        }
    }

    /// Where the values of a key lie, if they are in memory.
    #[inline]
    pub(super) fn range(starts: &[u32], number: usize) -> std::ops::Range<usize> {
        match (starts.get(number), starts.get(number + 1)) {
            (Some(&start), Some(&end)) => start as usize..end as usize,
            _ => 0..0,
        }
    }
}

/// Puts values into the order of their keys' numbers, equal ones in the order in which they came;
/// returns where each key's values start, and the end of all.
fn in_groups<V>(values: &mut [V], numbers: &mut [u32], keys: usize) -> Vec<u32> {
    let mut starts = vec![0_u32; keys + 1];
    for &number in &*numbers {
        starts[number as usize + 1] += 1;
    }
    for i in 0..keys {
        starts[i + 1] += starts[i];
    }
    if numbers.is_sorted() {
        return starts;
    }
    let mut next = starts.clone();
    for number in &mut *numbers {
        let slot = &mut next[*number as usize];
        *number = *slot;
        *slot += 1;
    }
    // Each value goes where its number now says; what was there goes on from here.
    for i in 0..values.len() {
        while numbers[i] as usize != i {
            let to = numbers[i] as usize;
            values.swap(i, to);
            numbers.swap(i, to);
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn values_are_put_in_groups_as_a_stable_sort_would(numbers in prop::collection::vec(0_u32..9, 0..60)) {
            let mut values: Vec<(u32, usize)> = numbers.iter().copied().zip(0..).collect();
            let mut expected = values.clone();
            expected.sort_by_key(|value| value.0);
            let mut numbers = numbers;
            let starts = in_groups(&mut values, &mut numbers, 9);
            prop_assert_eq!(&values, &expected);
            for key in 0..9_u32 {
                let range = Side::<u32>::range(&starts, key as usize);
                prop_assert!(values[range.clone()].iter().all(|value| value.0 == key));
                prop_assert_eq!(range.len(), values.iter().filter(|value| value.0 == key).count());
            }
        }
    }

    #[test]
    fn places_are_spread_at_every_level() {
        for partitions in [1, 3, 32, 1000] {
            let mut by_partition = vec![0; partitions];
            let mut by_slot = vec![[0; FAN]; 2];
            for key in 0..100_000_u64 {
                let hash = fixed_hash(&key);
                by_partition[partition_of(hash, partitions)] += 1;
                for (level, counts) in by_slot.iter_mut().enumerate() {
                    if partition_of(hash, partitions) == 0 {
                        counts[slot_of(hash, partitions, level as u32)] += 1;
                    }
                }
            }
            let even = 100_000.0 / partitions as f64;
            assert!(by_partition.iter().all(|&n| (f64::from(n) - even).abs() < 6.0 * even.sqrt()));
            for counts in by_slot {
                let even = f64::from(by_partition[0]) / FAN as f64;
                assert!(
                    counts.iter().all(|&n| (f64::from(n) - even).abs() < 6.0 * even.sqrt() + 6.0)
                );
            }
        }
    }
}
