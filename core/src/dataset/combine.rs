//! Combining the values of each key: on the way into a shuffle, and out of it.
//!
//! Before the shuffle each input partition combines what fits into a table of a fixed number of
//! keys, which is flushed whenever it is full; where after some rows nearly every row has turned out
//! to be a key of its own, the rest of the partition is not combined at all. Behind the shuffle each
//! slot (see `slots`) is combined at once. When the table is flushed, and whether it is used,
//! depends on the rows alone, so it is the data that decides how a sum is bracketed, never the
//! memory (law 2).

use std::hash::Hash;
use std::marker::PhantomData;

use hashbrown::HashTable;

use super::Dataset;
use super::chunk::Typed;
use super::exchange::{Bucket, Exchange, Move, Pieces, Scatter, Work};
use super::external::Sorter;
use super::homes::Homes;
use super::node::{By, Placement};
use super::slots::{Keys, Rows, Slots, partition_of};
use crate::data::Wire;
use crate::error::Result;
use crate::hash::fixed_hash;
use crate::job::{Call, entering};
use crate::size;
use crate::store::Writer;
use crate::wire;

/// Keys of the table before the shuffle, while rows are small: so many fit into a second-level cache.
const COMBINED: usize = 1 << 13;
/// Bytes of the table before the shuffle, by what its rows take on the wire.
const COMBINED_BYTES: u64 = 2 << 20;
/// Rows after which a partition decides whether combining is worth it.
const TRIED: u64 = 1 << 16;

impl<K: Wire + Eq + Hash, V: Wire> Dataset<(K, V)> {
    /// Combines the values of each key: `create` makes a combiner of a key's first value, `add` adds
    /// a value, `merge` merges two.
    pub(super) fn combined<C: Wire>(
        &self,
        call: Call,
        partitions: usize,
        create: impl Fn(V) -> C + Send + Sync + 'static,
        add: impl Fn(C, V) -> C + Send + Sync + 'static,
        merge: impl Fn(C, C) -> C + Send + Sync + 'static,
    ) -> Dataset<(K, C)> {
        let by_hash = Placement { by: By::Hash, partitions };
        let pair = PhantomData::<fn(K, V) -> C>;
        let movement = ByKey { call, partitions, create, add, merge, pair };
        let homes = Homes::contiguous(partitions);
        let combined = self.staged(call, partitions, Exchange::new(movement, homes));
        combined.node.place(by_hash);
        combined
    }
}

struct ByKey<K, V, C, A, F, G> {
    call: Call,
    partitions: usize,
    create: A,
    add: F,
    merge: G,
    pair: PhantomData<fn(K, V) -> C>,
}

/// Combiners by key, in the order of the keys' first appearance.
struct Table<K, C> {
    places: HashTable<u32>,
    rows: Vec<(K, Option<C>)>,
}

impl<K: Eq + Hash, C> Table<K, C> {
    fn with_capacity(keys: usize) -> Self {
        Self { places: HashTable::with_capacity(keys), rows: Vec::with_capacity(keys) }
    }

    #[inline]
    fn add<V>(
        &mut self,
        (key, value): (K, V),
        hash: u64,
        create: impl Fn(V) -> C,
        add: impl Fn(C, V) -> C,
    ) {
        let Self { places, rows } = self;
        match places.find(hash, |&at| rows[at as usize].0 == key) {
            Some(&at) => {
                let slot = &mut rows[at as usize].1;
                let before = slot.take().expect("every key has a combiner between two calls");
                *slot = Some(add(before, value));
            }
            None => {
                let at = rows.len() as u32;
                places.insert_unique(hash, at, |&at| fixed_hash(&rows[at as usize].0));
                rows.push((key, Some(create(value))));
            }
        }
    }

    fn drain(&mut self) -> impl Iterator<Item = (K, C)> {
        self.places.clear();
        self.rows.drain(..).filter_map(|(key, value)| Some((key, value?)))
    }
}

/// How many keys the table may have, from what rows take on the wire; of plain numbers as many as
/// there is room for.
struct Room {
    keys: usize,
    largest: u64,
    looked: u64,
}

impl Room {
    /// Looks at the first row, the second, the fourth and so on.
    fn look<R: Wire>(&mut self, number: u64, row: &R) -> Result<()> {
        if wire::plain_size::<R>().is_none() && number >= self.looked {
            self.looked = (number + 1).next_power_of_two();
            self.largest = self.largest.max(wire::encoded_len(row)?);
            self.keys = (COMBINED_BYTES / self.largest.max(1)).clamp(16, COMBINED as u64) as usize;
        }
        Ok(())
    }
}

impl<K, V, C, A, F, G> Move for ByKey<K, V, C, A, F, G>
where
    K: Wire + Eq + Hash,
    V: Wire,
    C: Wire,
    A: Fn(V) -> C + Send + Sync + 'static,
    F: Fn(C, V) -> C + Send + Sync + 'static,
    G: Fn(C, C) -> C + Send + Sync + 'static,
{
    type In = (K, V);
    type Look = ();
    type Summary = ();
    type Plan = ();
    type Moved = (K, C);
    type Out = (K, C);
    const DEALS_EACH: bool = false;
    const KEEPS_EACH: bool = false;

    fn look(&self, _partition: usize) -> Option<()> {
        None
    }

    fn note(&self, _rows: &[(K, V)], (): &mut ()) -> Result<()> {
        Ok(())
    }

    fn summary(&self, (): ()) {}

    fn plan(&self, _summaries: Vec<()>) -> Result<()> {
        Ok(())
    }

    fn scatter(
        &self,
        _from: usize,
        mut input: Typed<(K, V)>,
        (): &(),
        out: &mut Scatter<(K, C)>,
    ) -> Result<()> {
        let place = |key: &K| partition_of(fixed_hash(key), self.partitions);
        let mut room = Room { keys: COMBINED, largest: 0, looked: 0 };
        let mut table = Table::with_capacity(0);
        let (mut rows, mut flushed) = (0_u64, 0_u64);
        let mut hashes = Vec::new();
        while let Some(chunk) = input.next()? {
            if rows >= TRIED && flushed > rows / 4 * 3 {
                for (key, value) in chunk.into_vec() {
                    out.push(place(&key), (key, (self.create)(value)));
                }
                out.check()?;
                continue;
            }
            // All hashes first: none of them waits for the table.
            hashes.clear();
            hashes.extend(chunk.as_slice().iter().map(|row| fixed_hash(&row.0)));
            for (row, hash) in chunk.into_vec().into_iter().zip(hashes.iter().copied()) {
                if rows == room.looked {
                    room.look(rows, &row)?;
                }
                rows += 1;
                table.add(row, hash, &self.create, &self.add);
                if table.rows.len() >= room.keys {
                    flushed += table.rows.len() as u64;
                    for (key, combined) in table.drain() {
                        out.push(place(&key), (key, combined));
                    }
                    out.check()?;
                }
            }
        }
        for (key, combined) in table.drain() {
            out.push(place(&key), (key, combined));
        }
        Ok(())
    }

    fn finish(
        &self,
        pieces: Pieces<(K, C)>,
        work: &Work<'_>,
        out: &mut Writer<(K, C)>,
    ) -> Result<()> {
        let pieces = Arrived(pieces);
        let none = Bucket::<(K, ())>::empty();
        let mut slots = Slots::new(pieces, none, self.partitions, work.spill, work.task)?;
        while let Some((rows, _)) = slots.next()? {
            entering(self.call);
            self.combine_slot(rows, work, out)?;
        }
        Ok(())
    }
}

impl<T: Wire> Rows<T> for Arrived<T> {
    fn next(&mut self) -> Result<Option<Vec<T>>> {
        Ok(self.0.next()?.map(|(rows, _)| rows))
    }
}

/// Pieces as rows; what they held of the budget is given back as they are read.
pub(super) struct Arrived<T>(pub(super) Pieces<T>);

impl<K, V, C, A, F, G> ByKey<K, V, C, A, F, G>
where
    K: Wire + Eq + Hash,
    C: Wire,
    G: Fn(C, C) -> C,
{
    fn combine_slot(
        &self,
        mut rows: Bucket<(K, C)>,
        work: &Work<'_>,
        out: &mut Writer<(K, C)>,
    ) -> Result<()> {
        let store = work.spill.store();
        let mut table = Table::with_capacity(0);
        while let Some(part) = rows.next()? {
            work.task.check()?;
            for row in part {
                let hash = fixed_hash(&row.0);
                table.add(row, hash, |first| first, &self.merge);
            }
            if store.is_limited() && bytes_of(&table.rows)? > store.share() / 4 {
                return self.combine_on_disk(table.rows, rows, work, out);
            }
        }
        out.extend_all(table.rows.into_iter().map(|(key, combined)| {
            (key, combined.expect("every key has a combiner between two calls"))
        }))
    }

    /// What [`combine_slot`](Self::combine_slot) does, where the combiners do not fit: they and what
    /// is still to come are sorted by their keys' numbers, and merged in the same order.
    fn combine_on_disk(
        &self,
        so_far: Vec<(K, Option<C>)>,
        mut rest: Bucket<(K, C)>,
        work: &Work<'_>,
        out: &mut Writer<(K, C)>,
    ) -> Result<()> {
        let mut keys = Keys::new();
        let mut sorter = Sorter::new(work.spill, |row: &(u32, C)| row.0);
        for (key, combined) in so_far {
            let combined = combined.expect("every key has a combiner between two calls");
            sorter.push((keys.number(key), combined))?;
        }
        while let Some(part) = rest.next()? {
            for (key, combined) in part {
                sorter.push((keys.number(key), combined))?;
            }
        }
        let mut sorted = sorter.finish()?;
        let mut next = sorted.next()?;
        for (key, number) in keys.into_keys().into_iter().zip(0..) {
            let mut combined: Option<C> = None;
            while let Some((_, one)) = next.take_if(|(at, _)| *at == number) {
                combined = Some(match combined {
                    None => one,
                    Some(before) => (self.merge)(before, one),
                });
                next = sorted.next()?;
            }
            out.push((key, combined.expect("a key was numbered because it has a value")))?;
        }
        Ok(())
    }
}

/// Bytes of combiners, by a few of them.
fn bytes_of<K: Wire, C: Wire>(rows: &[(K, Option<C>)]) -> Result<u64> {
    const SAMPLED: usize = 64;
    let own = size_of::<(K, Option<C>)>() as u64 + 8;
    let mut bytes = 0;
    let sampled = rows.len().min(SAMPLED);
    if wire::plain_size::<(K, C)>().is_none() {
        for i in 0..sampled {
            bytes += size::held_by(&rows[i * rows.len() / sampled])?;
        }
    }
    Ok(rows.len() as u64 * (own + bytes / sampled.max(1) as u64))
}
