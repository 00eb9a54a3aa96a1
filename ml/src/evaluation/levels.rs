//! Rows, by score: the distinct scores from the highest to the lowest, each with the weight of
//! label 1 and of label 0 that it carries.
//!
//! Everything that is measured here is a function of this sequence, so the rows are sorted once
//! and then forgotten. It is the same for any order and partitioning of the rows: the weights of
//! a score are added without rounding ([`ExactSum`]) and rounded once. Whatever is summed *along*
//! the sequence is summed over blocks of a fixed number of levels, joined over the fixed tree.
//!
//! How it is made: each partition sorts its rows and joins equal scores; borders are picked from
//! regular samples; the sorted runs are cut at the borders, the pieces between two borders meet
//! in one place (the core's `sort_by` on the number of the piece), and are merged there. What
//! travels is one entry for each distinct score of a partition (or a few, where an exact sum of
//! weights needs more than 53 bits), so heavily tied scores cost next to nothing.
//!
//! Tried and left: merging the sorted runs by `tree_aggregate` (all levels would end up on every
//! rank), and `sort_by` on the rows themselves (sorts one row at a time, twice as slow).

use std::ops::Range;

use firesteel_core::Dataset;
use serde::{Deserialize, Serialize};

use super::check::{Checked, check};
use super::exact::ExactSum;
use super::scored::ScoredBlock;
use crate::error::{Error, Result};

/// Entries between two borders, about.
const PIECE: u64 = 1 << 16;

/// Keys that a partition contributes to the choice of the borders, at most.
const SAMPLED: usize = 128;

/// Levels in a block, while there are at most [`MOST_BLOCKS`] of them.
const BLOCK: u64 = 1 << 14;
const MOST_BLOCKS: u64 = 1 << 13;

/// Levels in a block, a function of their number alone.
fn levels_per_block(levels: u64) -> u64 {
    levels.div_ceil(MOST_BLOCKS).next_power_of_two().max(BLOCK)
}

/// A number whose order as an integer is that of the score, highest first. No score is NaN.
pub(super) fn descending_key(score: f64) -> u64 {
    // Adding zero makes −0 and +0 one level.
    let bits = (score + 0.0).to_bits();
    let ascending = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    !ascending
}

/// The score of a key.
pub(super) fn score_of(key: u64) -> f64 {
    let ascending = !key;
    f64::from_bits(if ascending >> 63 == 1 { ascending & !(1 << 63) } else { !ascending })
}

/// A distinct score, with what carries it.
///
/// Before levels are finished several entries may share a key, and then a weight may also be
/// negative: only their sum means something.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Level {
    key: u64,
    /// Weight of the rows with label 1.
    pub(super) positive: f64,
    /// Weight of the rows with label 0.
    pub(super) negative: f64,
    /// How many rows.
    pub(super) rows: u64,
}

impl Level {
    pub(super) fn score(&self) -> f64 {
        score_of(self.key)
    }

    pub(super) fn weight(&self) -> f64 {
        self.positive + self.negative
    }
}

/// Joins entries that come in the order of their keys.
#[derive(Default)]
struct Joining {
    key: u64,
    positive: ExactSum,
    negative: ExactSum,
    rows: u64,
    out: Vec<Level>,
}

impl Joining {
    /// Adds an entry; `put_out` closes the level before it if this is another one.
    fn add(&mut self, entry: Level, put_out: fn(&mut Self)) {
        if entry.key != self.key {
            put_out(self);
            self.key = entry.key;
        }
        self.positive.add(entry.positive);
        self.negative.add(entry.negative);
        self.rows += entry.rows;
    }

    /// Puts out entries whose exact sum is the level.
    fn put_out_exactly(&mut self) {
        let (positive, negative) = (self.positive.parts(), self.negative.parts());
        for i in 0..positive.len().max(negative.len()) {
            let part = |parts: &[f64]| parts.get(i).copied().unwrap_or(0.0);
            let (positive, negative) = (part(positive), part(negative));
            let rows = std::mem::take(&mut self.rows);
            self.out.push(Level { key: self.key, positive, negative, rows });
        }
        self.start_over();
    }

    /// Puts out the level, its weights rounded.
    fn put_out_rounded(&mut self) {
        if self.rows > 0 {
            let (positive, negative) = (self.positive.rounded(), self.negative.rounded());
            self.out.push(Level { key: self.key, positive, negative, rows: self.rows });
        }
        self.start_over();
    }

    fn start_over(&mut self) {
        self.positive.clear();
        self.negative.clear();
        self.rows = 0;
    }
}

fn join(entries: impl IntoIterator<Item = Level>, put_out: fn(&mut Joining)) -> Vec<Level> {
    let mut joining = Joining::default();
    entries.into_iter().for_each(|entry| joining.add(entry, put_out));
    put_out(&mut joining);
    joining.out
}

/// A partition's rows in order, equal scores joined, and what the check found.
#[derive(Clone, Serialize, Deserialize)]
struct Run {
    checked: Checked,
    entries: Vec<Level>,
}

impl Run {
    fn new(blocks: impl Iterator<Item = (Checked, Vec<(u64, f64)>)>) -> Self {
        let (mut checked, mut rows) = blocks.reduce(concatenate).unwrap_or_default();
        rows.sort_unstable_by_key(|&(key, _)| key);
        let entries = rows.iter().map(|&(key, weight)| Level {
            key,
            positive: weight.max(0.0),
            negative: (-weight).max(0.0),
            rows: 1,
        });
        let entries = join(entries, Joining::put_out_exactly);
        checked.entries = entries.len() as u64;
        Self { checked, entries }
    }

    /// Keys at regular places, each with how many entries it stands for.
    fn sample(&self) -> Vec<(u64, f64)> {
        let (n, k) = (self.entries.len(), SAMPLED.min(self.entries.len()));
        (0..k).map(|i| (self.entries[i * n / k].key, n as f64 / k as f64)).collect()
    }

    /// The pieces between the borders, with their numbers.
    fn cut(&self, borders: &[u64]) -> Vec<Piece> {
        let at = |border: &u64| self.entries.partition_point(|entry| entry.key < *border);
        let starts = std::iter::once(0).chain(borders.iter().map(at));
        let ends = borders.iter().map(at).chain([self.entries.len()]);
        let pieces = starts.zip(ends).enumerate().filter(|(_, (start, end))| start < end);
        pieces.map(|(i, (start, end))| (i as u64, self.entries[start..end].to_vec())).collect()
    }
}

/// Entries between two borders, with the number of the first.
type Piece = (u64, Vec<Level>);

fn concatenate<K>(a: (Checked, Vec<K>), mut b: (Checked, Vec<K>)) -> (Checked, Vec<K>) {
    let (checked, mut rows) = a;
    rows.append(&mut b.1);
    (checked.merge(b.0), rows)
}

/// Keys at which to cut, so that about `PIECE` entries lie between two.
fn borders(mut sample: Vec<(u64, f64)>, entries: u64) -> Vec<u64> {
    sample.sort_unstable_by_key(|&(key, _)| key);
    let pieces = entries.div_ceil(PIECE);
    let (mut borders, mut before) = (Vec::new(), 0.0);
    for (key, stands_for) in sample {
        let due = entries as f64 * (borders.len() + 1) as f64 / pieces as f64;
        if borders.len() as u64 + 1 < pieces && before >= due {
            borders.push(key);
        }
        before += stands_for;
    }
    borders
}

/// Merges the pieces of each number; they come in order.
fn merged(pieces: impl Iterator<Item = Piece>) -> Vec<Vec<Level>> {
    let mut together: Vec<Piece> = Vec::new();
    for (number, mut piece) in pieces {
        match together.last_mut() {
            Some((last, entries)) if *last == number => entries.append(&mut piece),
            _ => together.push((number, piece)),
        }
    }
    let merge = |(_, mut entries): Piece| {
        // The stable sort finds the sorted runs and merges them.
        entries.sort_by_key(|entry| entry.key);
        join(entries, Joining::put_out_rounded)
    };
    together.into_iter().map(merge).collect()
}

/// Levels next to each other; the blocks' borders are fixed by the levels' number.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Block {
    pub(super) number: usize,
    pub(super) levels: Vec<Level>,
}

/// The weight of label 1 and of label 0 above some level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Above {
    pub(super) positive: f64,
    pub(super) negative: f64,
}

impl Above {
    /// Moves below the level.
    #[inline]
    pub(super) fn pass(&mut self, level: &Level) {
        self.positive += level.positive;
        self.negative += level.negative;
    }

    pub(super) fn weight(&self) -> f64 {
        self.positive + self.negative
    }
}

/// All levels in their order, kept, and what lies above each block.
#[derive(Clone, Debug)]
pub(super) struct Levels {
    pub(super) blocks: Dataset<Block>,
    /// Above each block; at the end, the weight of all.
    above: Vec<Above>,
    pub(super) checked: Checked,
}

impl Levels {
    /// Checks and sorts the rows.
    pub(super) fn new(scored: &Dataset<ScoredBlock>) -> Result<Self> {
        let runs = scored
            .map_ref(check)
            .map_partitions(|blocks| [Run::new(blocks)])
            .cache_sized(|run| size_of_val(&*run.entries));
        let (checked, sample) = runs.tree_aggregate(
            (Checked::default(), Vec::new()),
            |all, run| concatenate(all, (run.checked.clone(), run.sample())),
            concatenate,
        )?;
        checked.verdict()?;
        let borders = borders(sample, checked.entries);
        let ordered = runs
            .map_ref(move |run| run.cut(&borders))
            .flat_map(|pieces| pieces)
            .sort_by(|piece| piece.0)
            .map_partitions(merged)
            .cache_sized(|levels| size_of_val(&**levels));
        let slice = |levels: &Vec<Level>, range: Range<usize>| levels[range].to_vec();
        let blocks = ordered
            .recut(Vec::len, slice, levels_per_block)?
            .map_partitions_with_index(|number, pieces| {
                let levels = pieces.reduce(|mut all, mut more| {
                    all.append(&mut more);
                    all
                });
                [Block { number, levels: levels.unwrap_or_default() }]
            })
            .cache_sized(|block| size_of_val(&*block.levels));
        let sums = blocks.map_ref(|block| {
            let mut sum = Above::default();
            block.levels.iter().for_each(|level| sum.pass(level));
            sum
        });
        let above = running(sums.collect()?);
        Ok(Self { blocks, above, checked })
    }

    /// What lies above the block.
    pub(super) fn above(&self, block: &Block) -> Above {
        self.above[block.number]
    }

    /// What lies above each block, for closures that outlive this.
    pub(super) fn above_blocks(&self) -> &[Above] {
        &self.above
    }

    /// The weight of all rows.
    pub(super) fn all(&self) -> Above {
        *self.above.last().expect("the running sums begin with nothing")
    }

    /// An error unless both labels carry weight.
    pub(super) fn need_both_classes(&self, what: &str) -> Result<()> {
        let all = self.all();
        let missing = |label: &str| Error::OneClass { what: what.into(), label: label.into() };
        match (all.positive > 0.0, all.negative > 0.0) {
            (true, true) => Ok(()),
            (false, _) => Err(missing("0")),
            (_, false) => Err(missing("1")),
        }
    }
}

/// Before each, and at the end after all.
fn running(sums: Vec<Above>) -> Vec<Above> {
    let mut above = vec![Above::default()];
    let mut so_far = Above::default();
    for sum in sums {
        so_far.positive += sum.positive;
        so_far.negative += sum.negative;
        above.push(so_far);
    }
    above
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is compared is exact")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_fall_as_scores_rise() {
        let falling =
            [f64::INFINITY, 1e300, 1.0, 0.5, 1e-310, 0.0, -1e-310, -1.0, f64::NEG_INFINITY];
        for pair in falling.windows(2) {
            assert!(descending_key(pair[0]) < descending_key(pair[1]), "{pair:?}");
        }
        assert_eq!(descending_key(-0.0), descending_key(0.0));
    }

    #[test]
    fn the_size_of_a_block_depends_on_the_number_of_levels_alone() {
        assert_eq!(levels_per_block(0), BLOCK);
        assert_eq!(levels_per_block(BLOCK * MOST_BLOCKS), BLOCK);
        assert_eq!(levels_per_block(BLOCK * MOST_BLOCKS + 1), 2 * BLOCK);
    }

    proptest! {
        #[test]
        fn a_key_gives_its_score_back(score in any::<f64>()) {
            prop_assume!(!score.is_nan());
            prop_assert_eq!(score_of(descending_key(score)), score);
        }

        #[test]
        fn pieces_cover_a_run_once_and_in_order(
            keys in prop::collection::btree_set(0_u64..500, 1..200),
            borders in prop::collection::btree_set(0_u64..500, 0..8),
        ) {
            let entry = |&key: &u64| Level { key, positive: 1.0, negative: 0.0, rows: 1 };
            let entries: Vec<Level> = keys.iter().map(entry).collect();
            let run = Run { checked: Checked::default(), entries: entries.clone() };
            let borders: Vec<u64> = borders.into_iter().collect();
            let pieces = run.cut(&borders);
            for (number, piece) in &pieces {
                for entry in piece {
                    let passed = borders.iter().filter(|&&border| border <= entry.key).count();
                    prop_assert_eq!(passed as u64, *number);
                }
            }
            let together: Vec<Level> = pieces.into_iter().flat_map(|(_, piece)| piece).collect();
            prop_assert_eq!(together, entries);
        }
    }
}
