//! Joins: the rows of two datasets that have the same key, side by side.
//!
//! Both datasets are placed by their keys, unless they are; each partition is then joined a slot at
//! a time (see `slots`), each time it is read. Where the values of a slot fit into memory they are
//! two slices by key; where they do not (a key with very many rows), the left ones are read one by
//! one, and the right ones of a key are a group that can be read again.

use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;

use super::chunk::{AnyChunk, CHUNK, Chunk, Stream};
use super::groups::{Cursor, Group, Lazy, two};
use super::node::{At, Many};
use super::slots::{Grouped, Side};
use super::{Dataset, call};
use crate::data::{Data, Wire};
use crate::error::Result;

impl<K: Wire + Eq + Hash, V: Wire> Dataset<(K, V)> {
    /// All pairs of values that have the same key, one from each dataset.
    ///
    /// # Shape and units
    ///
    /// As many partitions as the larger of both, or as one that is placed by the hash. Keys stand as
    /// in [`reduce_by_key`](Self::reduce_by_key); of a key, the first value of `self` comes with each
    /// of `other`'s, then the second, and so on, both in the order of their dataset's rows. (Spark
    /// leaves the order open.)
    ///
    /// # Cost
    ///
    /// A shuffle for each dataset that is not placed by its keys already (see
    /// [`partition_by`](Self::partition_by)); what was shuffled is kept, and joined each time the
    /// result is read. Within the memory budget, also for keys with very many rows.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let ages = ctx.parallelize(vec![(1, 70), (2, 45)]);
    /// let stays = ctx.parallelize(vec![(1, 'a'), (1, 'b'), (3, 'c')]);
    /// assert_eq!(ages.join(&stays).collect()?, [(1, (70, 'a')), (1, (70, 'b'))]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn join<W: Wire>(&self, other: &Dataset<(K, W)>) -> Dataset<(K, (V, W))> {
        let inner = Rule { left_alone: false, right_alone: false };
        self.joined(call("join"), other, inner, |key: &K, left: Option<&V>, right: Option<&W>| {
            Some((key.clone(), (left?.clone(), right?.clone())))
        })
    }

    /// [`join`](Self::join) that also keeps the rows of `self` without a partner.
    ///
    /// # Cost
    ///
    /// As [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let ages = ctx.parallelize(vec![(1, 70), (2, 45)]);
    /// let stays = ctx.parallelize(vec![(1, 'a')]);
    /// let all = ages.left_outer_join(&stays).collect()?;
    /// assert_eq!(all, [(1, (70, Some('a'))), (2, (45, None))]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn left_outer_join<W: Wire>(
        &self,
        other: &Dataset<(K, W)>,
    ) -> Dataset<(K, (V, Option<W>))> {
        let rule = Rule { left_alone: true, right_alone: false };
        self.joined(
            call("left_outer_join"),
            other,
            rule,
            |key: &K, left: Option<&V>, right: Option<&W>| {
                Some((key.clone(), (left?.clone(), right.cloned())))
            },
        )
    }

    /// [`join`](Self::join) that also keeps the rows of `other` without a partner; keys that only
    /// `other` has come after the others of their slot.
    ///
    /// # Cost
    ///
    /// As [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let (a, b) = (ctx.parallelize(vec![(1, 'a')]), ctx.parallelize(vec![(1, 'x'), (2, 'y')]));
    /// let rows = a.right_outer_join(&b).sort_by(|row| row.0).collect()?;
    /// assert_eq!(rows, [(1, (Some('a'), 'x')), (2, (None, 'y'))]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn right_outer_join<W: Wire>(
        &self,
        other: &Dataset<(K, W)>,
    ) -> Dataset<(K, (Option<V>, W))> {
        let rule = Rule { left_alone: false, right_alone: true };
        self.joined(
            call("right_outer_join"),
            other,
            rule,
            |key: &K, left: Option<&V>, right: Option<&W>| {
                Some((key.clone(), (left.cloned(), right?.clone())))
            },
        )
    }

    /// [`join`](Self::join) that also keeps the rows of both without a partner.
    ///
    /// # Cost
    ///
    /// As [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let left = ctx.parallelize(vec![(1, 'a'), (2, 'b')]);
    /// let right = ctx.parallelize(vec![(2, 0.5), (3, 1.5)]);
    /// let all = left.full_outer_join(&right).collect()?;
    /// let expected =
    ///     [(1, (Some('a'), None)), (2, (Some('b'), Some(0.5))), (3, (None, Some(1.5)))];
    /// assert_eq!(all, expected);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn full_outer_join<W: Wire>(
        &self,
        other: &Dataset<(K, W)>,
    ) -> Dataset<(K, (Option<V>, Option<W>))> {
        let rule = Rule { left_alone: true, right_alone: true };
        self.joined(
            call("full_outer_join"),
            other,
            rule,
            |key: &K, left: Option<&V>, right: Option<&W>| {
                Some((key.clone(), (left.cloned(), right.cloned())))
            },
        )
    }

    /// The rows of `self` whose key `other` has, each once.
    ///
    /// # Cost
    ///
    /// As [`join`](Self::join); of `other` the keys alone travel.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let rows = ctx.parallelize(vec![(1, 'a'), (2, 'b'), (1, 'c')]);
    /// let chosen = ctx.parallelize(vec![(1, ()), (1, ()), (3, ())]);
    /// assert_eq!(rows.semi_join(&chosen).collect()?, [(1, 'a'), (1, 'c')]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn semi_join<W: Wire>(&self, other: &Dataset<(K, W)>) -> Dataset<(K, V)> {
        self.sifted(call("semi_join"), other, true)
    }

    /// The rows of `self` whose key `other` has not.
    ///
    /// # Cost
    ///
    /// As [`semi_join`](Self::semi_join).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let rows = ctx.parallelize(vec![(1, 'a'), (2, 'b'), (1, 'c')]);
    /// assert_eq!(rows.anti_join(&ctx.parallelize(vec![(1, ())])).collect()?, [(2, 'b')]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn anti_join<W: Wire>(&self, other: &Dataset<(K, W)>) -> Dataset<(K, V)> {
        self.sifted(call("anti_join"), other, false)
    }

    /// Spark's name of [`anti_join`](Self::anti_join).
    ///
    /// # Cost
    ///
    /// As [`anti_join`](Self::anti_join): of the other side the keys move alone.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let (a, b) = (ctx.parallelize(vec![(1, 'a'), (2, 'b')]), ctx.parallelize(vec![(1, 0.5)]));
    /// assert_eq!(a.subtract_by_key(&b).collect()?, [(2, 'b')]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn subtract_by_key<W: Wire>(&self, other: &Dataset<(K, W)>) -> Dataset<(K, V)> {
        self.sifted(call("subtract_by_key"), other, false)
    }

    fn joined<W: Wire, U: Data>(
        &self,
        call: crate::job::Call,
        other: &Dataset<(K, W)>,
        rule: Rule,
        make: impl Fn(&K, Option<&V>, Option<&W>) -> Option<U> + Send + Sync + 'static,
    ) -> Dataset<U> {
        let make = Arc::new(make);
        self.together(call, other, Join { rule, make, row: PhantomData::<fn(K, V, W) -> U> })
    }

    /// The rows whose key `other` has, or has not.
    pub(super) fn sifted<W: Wire>(
        &self,
        call: crate::job::Call,
        other: &Dataset<(K, W)>,
        wanted: bool,
    ) -> Dataset<(K, V)> {
        let sift = Sift { wanted, row: PhantomData::<fn(K, V)> };
        self.together(call, &other.keyed_units(call), sift)
    }

    /// The keys, with nothing behind them.
    fn keyed_units(&self, call: crate::job::Call) -> Dataset<(K, ())> {
        self.mapped(call, |(key, _): &(K, V)| (key.clone(), ())).placed_as(self)
    }
}

/// Which rows without a partner stay.
#[derive(Clone, Copy, Debug)]
struct Rule {
    left_alone: bool,
    right_alone: bool,
}

struct Join<K, V, W, U, F> {
    rule: Rule,
    make: Arc<F>,
    row: PhantomData<fn(K, V, W) -> U>,
}

impl<K, V, W, U, F> Many for Join<K, V, W, U, F>
where
    K: Wire + Eq + Hash,
    V: Wire,
    W: Wire,
    U: Data,
    F: Fn(&K, Option<&V>, Option<&W>) -> Option<U> + Send + Sync + 'static,
{
    fn open(&self, inputs: Vec<Box<dyn Stream>>, at: At<'_>) -> Box<dyn Stream> {
        let (left, right) = two::<K, V, W>(inputs, at.call);
        let slots = Lazy::new(left, Some(right), at.partitions, at.task);
        let make = Arc::clone(&self.make);
        Box::new(JoinStream { slots, rule: self.rule, make, now: Now::Nothing })
    }
}

struct JoinStream<K, V, W, F> {
    slots: Lazy<K, V, W>,
    rule: Rule,
    make: Arc<F>,
    now: Now<K, V, W>,
}

/// The slot that is being joined.
enum Now<K, V, W> {
    Nothing,
    Slices(Slices<K, V, W>),
    Groups(Groups<K, V, W>),
}

/// A slot in memory, and how far it is joined.
struct Slices<K, V, W> {
    keys: Vec<K>,
    left: (Vec<V>, Vec<u32>),
    right: (Vec<W>, Vec<u32>),
    key: usize,
    /// Values of the key's left and right side that were put out, as pairs.
    l: usize,
    r: usize,
}

/// A slot with a side on disk, and how far it is joined.
struct Groups<K, V, W> {
    keys: std::vec::IntoIter<K>,
    number: usize,
    left: Cursor<V>,
    right: Cursor<W>,
    pair: Option<Pair<K, V, W>>,
}

struct Pair<K, V, W> {
    key: K,
    any_left: bool,
    left: Option<V>,
    group: Group<W>,
    /// Values of the group that were put out with the present left value.
    done: usize,
}

impl<K, V, W, U, F> Stream for JoinStream<K, V, W, F>
where
    K: Wire + Eq + Hash,
    V: Wire,
    W: Wire,
    U: Data,
    F: Fn(&K, Option<&V>, Option<&W>) -> Option<U> + Send + Sync,
{
    fn next(&mut self) -> Result<Option<AnyChunk>> {
        self.slots.task.check()?;
        let mut out: Vec<U> = Vec::new();
        while out.len() < CHUNK {
            let is_over = match &mut self.now {
                Now::Nothing => true,
                Now::Slices(slices) => slices.join(self.rule, &*self.make, &mut out),
                Now::Groups(groups) => {
                    groups.join(self.rule, &*self.make, &mut out, &self.slots.spill)?
                }
            };
            if is_over {
                let Some(grouped) = self.slots.next()? else {
                    self.now = Now::Nothing;
                    break;
                };
                self.now = Now::of(grouped);
            }
        }
        Ok(if out.is_empty() { None } else { Some(Chunk::Owned(out).erased()) })
    }
}

impl<K: Wire, V: Wire, W: Wire> Now<K, V, W> {
    fn of(grouped: Grouped<K, V, W>) -> Self {
        let Grouped { keys, left, right } = grouped;
        match (left, right) {
            (
                Side::Memory { values: left, starts: left_starts },
                Side::Memory { values: right, starts: right_starts },
            ) => {
                let (left, right) = ((left, left_starts), (right, right_starts));
                Self::Slices(Slices { keys, left, right, key: 0, l: 0, r: 0 })
            }
            (left, right) => Self::Groups(Groups {
                keys: keys.into_iter(),
                number: 0,
                left: Cursor::new(left),
                right: Cursor::new(right),
                pair: None,
            }),
        }
    }
}

impl<K, V: Wire, W: Wire> Slices<K, V, W> {
    /// Puts out about [`CHUNK`] rows; says whether that was all.
    fn join<U>(
        &mut self,
        rule: Rule,
        make: &impl Fn(&K, Option<&V>, Option<&W>) -> Option<U>,
        out: &mut Vec<U>,
    ) -> bool {
        while let Some(key) = self.keys.get(self.key) {
            let left = &self.left.0[Side::<V>::range(&self.left.1, self.key)];
            let right = &self.right.0[Side::<W>::range(&self.right.1, self.key)];
            if right.is_empty() {
                if rule.left_alone {
                    while let Some(value) = left.get(self.l) {
                        if out.len() >= CHUNK {
                            return false;
                        }
                        out.extend(make(key, Some(value), None));
                        self.l += 1;
                    }
                }
            } else if left.is_empty() {
                if rule.right_alone {
                    while let Some(value) = right.get(self.r) {
                        if out.len() >= CHUNK {
                            return false;
                        }
                        out.extend(make(key, None, Some(value)));
                        self.r += 1;
                    }
                }
            } else {
                while let Some(value) = left.get(self.l) {
                    while let Some(partner) = right.get(self.r) {
                        if out.len() >= CHUNK {
                            return false;
                        }
                        out.extend(make(key, Some(value), Some(partner)));
                        self.r += 1;
                    }
                    self.r = 0;
                    self.l += 1;
                }
            }
            (self.key, self.l, self.r) = (self.key + 1, 0, 0);
        }
        true
    }
}

impl<K, V: Wire, W: Wire> Groups<K, V, W> {
    /// Puts out about [`CHUNK`] rows; says whether that was all.
    fn join<U>(
        &mut self,
        rule: Rule,
        make: &impl Fn(&K, Option<&V>, Option<&W>) -> Option<U>,
        out: &mut Vec<U>,
        spill: &Arc<super::exchange::SharedSpill>,
    ) -> Result<bool> {
        loop {
            let Some(pair) = &mut self.pair else {
                let Some(key) = self.keys.next() else { return Ok(true) };
                let group = self.right.group_of(self.number, spill)?;
                let left = self.left.next_of(self.number)?;
                let any_left = left.is_some();
                self.pair = Some(Pair { key, any_left, left, group, done: 0 });
                continue;
            };
            let present = pair.left.as_ref();
            let right_alone = !pair.any_left && rule.right_alone;
            let goes_on = present.is_some() || (right_alone && pair.done < pair.group.len());
            if !goes_on {
                self.pair = None;
                self.number += 1;
                continue;
            }
            if pair.group.is_empty() {
                if rule.left_alone {
                    out.extend(make(&pair.key, present, None));
                }
            } else {
                for partner in pair.group.iter_from(pair.done)? {
                    if out.len() >= CHUNK {
                        return Ok(false);
                    }
                    out.extend(make(&pair.key, present, Some(&partner?)));
                    pair.done += 1;
                }
            }
            if pair.any_left {
                pair.done = 0;
                pair.left = self.left.next_of(self.number)?;
            }
            if out.len() >= CHUNK {
                return Ok(false);
            }
        }
    }
}

/// Keeps the rows of the left input whose key is, or is not, in the right one.
struct Sift<K, V> {
    wanted: bool,
    row: PhantomData<fn(K, V)>,
}

impl<K: Wire + Eq + Hash, V: Wire> Many for Sift<K, V> {
    fn open(&self, inputs: Vec<Box<dyn Stream>>, at: At<'_>) -> Box<dyn Stream> {
        let (left, right) = two::<K, V, ()>(inputs, at.call);
        let slots = Lazy::new(left, Some(right), at.partitions, at.task);
        Box::new(SiftStream { slots, wanted: self.wanted, now: None })
    }
}

struct SiftStream<K, V> {
    slots: Lazy<K, V, ()>,
    wanted: bool,
    now: Option<Sifting<K, V>>,
}

struct Sifting<K, V> {
    keys: Vec<K>,
    number: usize,
    /// Whether the present key's rows stay, once it was asked.
    stays: Option<bool>,
    left: Cursor<V>,
    right: Cursor<()>,
}

impl<K: Wire + Eq + Hash, V: Wire> Stream for SiftStream<K, V> {
    fn next(&mut self) -> Result<Option<AnyChunk>> {
        self.slots.task.check()?;
        let mut out: Vec<(K, V)> = Vec::new();
        while out.len() < CHUNK {
            let Some(now) = &mut self.now else {
                let Some(Grouped { keys, left, right }) = self.slots.next()? else { break };
                let (left, right) = (Cursor::new(left), Cursor::new(right));
                self.now = Some(Sifting { keys, number: 0, stays: None, left, right });
                continue;
            };
            let Some(key) = now.keys.get(now.number) else {
                self.now = None;
                continue;
            };
            let stays = match now.stays {
                Some(stays) => stays,
                None => {
                    let stays = now.right.next_of(now.number)?.is_some() == self.wanted;
                    now.right.skip(now.number)?;
                    *now.stays.insert(stays)
                }
            };
            let next = if stays { now.left.next_of(now.number)? } else { None };
            match next {
                Some(value) => out.push((key.clone(), value)),
                None => {
                    now.left.skip(now.number)?;
                    (now.number, now.stays) = (now.number + 1, None);
                }
            }
        }
        Ok(if out.is_empty() { None } else { Some(Chunk::Owned(out).erased()) })
    }
}
