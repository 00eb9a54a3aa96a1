//! The value of a given rank in a column, exactly, without sorting.
//!
//! Floats are mapped to whole numbers in the same order, and these are found digit by digit: a
//! pass counts how many values that agree with what is known so far have which next digit. Eight
//! passes of 256 counters find any rank, whatever the values are, and counts are exact whatever
//! the partitioning.

use firesteel_core::Dataset;

use crate::error::Result;

const DIGITS: u32 = 8;
const BINS: usize = 256;

/// A whole number in whose order floats are; `-0.0` comes before `0.0`.
pub(super) fn key_of(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

/// The float of a key.
pub(super) fn value_of(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key & !(1 << 63) } else { !key })
}

/// What is sought: the value of rank `rank` (from 0) in column `column`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sought {
    pub(super) column: usize,
    pub(super) rank: u64,
}

/// Finds the values in columns of keys; an item has, for each column, some of its keys. A rank
/// beyond a column's end gives some value of it or none.
pub(super) fn select(columns: &Dataset<Vec<Vec<u64>>>, sought: &[Sought]) -> Result<Vec<f64>> {
    let mut found: Vec<(u64, u64)> = sought.iter().map(|sought| (0, sought.rank)).collect();
    for digit in (0..DIGITS).rev() {
        let shift = digit * 8;
        let known: Vec<u64> = found.iter().map(|&(key, _)| key).collect();
        let count = |mut bins: Vec<u64>, keys: &Vec<Vec<u64>>| {
            for (i, sought) in sought.iter().enumerate() {
                for &key in &keys[sought.column] {
                    // Shifted twice, because a shift by all 64 bits is none.
                    if key >> shift >> 8 == known[i] >> shift >> 8 {
                        bins[i * BINS + (key >> shift) as usize % BINS] += 1;
                    }
                }
            }
            bins
        };
        let add = |a: Vec<u64>, b: Vec<u64>| a.iter().zip(&b).map(|(a, b)| a + b).collect();
        let bins = columns.tree_aggregate(vec![0; sought.len() * BINS], count, add)?;
        for ((key, rank), bins) in found.iter_mut().zip(bins.chunks(BINS)) {
            let mut before = 0;
            let mut reaches = |&count: &u64| {
                before += count;
                before > *rank
            };
            let digit = bins.iter().position(&mut reaches).unwrap_or(BINS - 1);
            *rank -= (*rank).min(before - bins[digit]);
            *key |= (digit as u64) << shift;
        }
    }
    Ok(found.into_iter().map(|(key, _)| value_of(key)).collect())
}

#[cfg(test)]
mod tests {
    use firesteel_core::Context;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_rank_is_found_as_sorting_finds_it(
            values in prop::collection::vec(any::<f64>(), 1..40),
            at in any::<prop::sample::Index>(),
            partitions in 1_usize..4,
        ) {
            let values: Vec<f64> = values.into_iter().filter(|x| !x.is_nan()).collect();
            prop_assume!(!values.is_empty());
            let rank = at.index(values.len());
            let items: Vec<_> = values.iter().map(|&x| vec![vec![], vec![key_of(x)]]).collect();
            let ctx = Context::builder().threads(1).build().unwrap();
            let columns = ctx.parallelize_in(items, partitions);
            let found = select(&columns, &[Sought { column: 1, rank: rank as u64 }]).unwrap();
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            prop_assert_eq!(found[0].to_bits(), sorted[rank].to_bits());
        }
    }

    #[test]
    fn keys_keep_the_order_and_come_back() {
        let rising = [f64::NEG_INFINITY, -2.0, -1e-300, -0.0, 0.0, 1e-300, 2.0, f64::INFINITY];
        assert!(rising.windows(2).all(|pair| key_of(pair[0]) < key_of(pair[1])));
        assert!(rising.iter().all(|&x| value_of(key_of(x)).to_bits() == x.to_bits()));
    }
}
