//! The levels of a column (its different values) and how often each comes.
//!
//! Counted in full up to 65,536 levels. Beyond that a sample of them is kept, chosen by their
//! hash: those whose hash ends in `k` zero bits, for the least `k` that leaves few enough (Gibbons
//! 2001). It is a function of the set of levels alone, whatever the order and the partitioning, and
//! counts what it keeps in full; the number of levels kept times `2ᵏ` estimates how many there are.
//!
//! P. B. Gibbons, "Distinct sampling for highly-accurate answers to distinct values queries and
//! event reports", VLDB 2001.

use std::collections::BTreeMap;

use firesteel_core::hash::fixed_hash;
use serde::{Deserialize, Serialize};

use super::describe::TextSummary;

/// Levels kept in full, at most.
const LEVELS: usize = 1 << 16;

/// How often each level comes, of those whose hash ends in `zeros` zero bits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Levels {
    counts: BTreeMap<String, u64>,
    zeros: u32,
}

impl Levels {
    pub(super) fn add(&mut self, level: &str, times: u64) {
        if let Some(count) = self.counts.get_mut(level) {
            *count += times;
        } else if self.zeros == 0 || is_kept(level, self.zeros) {
            self.counts.insert(level.to_owned(), times);
            self.thin(LEVELS);
        }
    }

    /// Drops levels, half of them at a time, until few enough are left.
    fn thin(&mut self, most: usize) {
        while self.counts.len() > most {
            self.zeros += 1;
            self.counts.retain(|level, _| is_kept(level, self.zeros));
        }
    }

    pub(super) fn merge(mut self, mut other: Self) -> Self {
        if self.counts.len() < other.counts.len() {
            std::mem::swap(&mut self, &mut other);
        }
        if self.zeros < other.zeros {
            self.zeros = other.zeros;
            self.counts.retain(|level, _| is_kept(level, other.zeros));
        }
        for (level, times) in other.counts {
            self.add(&level, times);
        }
        self
    }

    pub(super) fn summary(self) -> TextSummary {
        let is_exact = self.zeros == 0;
        let distinct = (self.counts.len() as u64) << self.zeros.min(47);
        let top = self.counts.into_iter().rev().max_by_key(|(_, times)| *times);
        TextSummary { distinct, is_exact, top: top.filter(|_| is_exact) }
    }
}

fn is_kept(level: &str, zeros: u32) -> bool {
    fixed_hash(level).trailing_zeros() >= zeros
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn many_levels_are_estimated_whatever_the_order_of_merging() {
        let of = |range: std::ops::Range<u32>| {
            let mut levels = Levels::default();
            range.for_each(|i| levels.add(&format!("level {i}"), 1));
            levels
        };
        let whole = of(0..200_000);
        let parts = of(150_000..200_000).merge(of(0..50_000)).merge(of(50_000..150_000));
        assert_eq!(whole, parts);
        let summary = whole.summary();
        assert!(!summary.is_exact && summary.top.is_none());
        assert!((190_000..210_000).contains(&summary.distinct), "{}", summary.distinct);
    }

    #[test]
    fn among_equals_the_first_level_by_alphabet_is_on_top() {
        let mut levels = Levels::default();
        ["b", "a", "b", "c", "a"].iter().for_each(|level| levels.add(level, 1));
        let summary = levels.summary();
        assert_eq!((summary.distinct, summary.top), (3, Some(("a".to_owned(), 2))));
    }

    proptest! {
        #[test]
        fn thinning_gives_the_same_levels_in_any_grouping(
            names in prop::collection::vec("[a-f]{1,3}", 0..60), cut in 0_usize..60, most in 1_usize..20,
        ) {
            let of = |names: &[String]| {
                let mut levels = Levels::default();
                for name in names {
                    levels.add(name, 1);
                    levels.thin(most);
                }
                levels
            };
            let (a, b) = names.split_at(cut.min(names.len()));
            let mut merged = of(a).merge(of(b));
            merged.thin(most);
            prop_assert_eq!(merged, of(&names));
        }
    }
}
