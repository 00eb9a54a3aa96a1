//! Quantiles of numbers without keeping all of them.
//!
//! Numbers are counted in buckets: those that share sign, exponent and the eight highest bits of the
//! fraction. Of each bucket the count, the least and the greatest number are kept, so what is kept is a
//! function of the numbers alone, whatever their order and partitioning, and nothing is rounded on the
//! way. A quantile is off by less than the width of its bucket, 1/256 of the value, and exact where a
//! bucket holds one number: whole numbers below 512, for instance. Up to 512 numbers all are kept, and
//! quantiles are exact. The idea is that of
//!
//! C. Masson, J. E. Rim, H. K. Lee, "DDSketch: a fast and fully-mergeable quantile sketch with
//! relative-error guarantees", VLDB 2019,
//!
//! with the buckets of G. Tene's HdrHistogram, which take no logarithm.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::aggregate::between;

/// Numbers that are kept as they are.
const FEW: usize = 512;
/// Bits of the fraction that tell buckets apart.
const BITS: u32 = 8;

/// Numbers counted in buckets; a monoid. NaN is a number, the greatest, and both zeros are one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sketch {
    count: u64,
    few: Vec<f64>,
    /// By their order; empty while all numbers are in `few`.
    #[serde(with = "in_pairs")]
    octaves: BTreeMap<u16, Box<[Bucket]>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Bucket {
    count: u64,
    min: f64,
    max: f64,
}

impl Bucket {
    fn add(&mut self, other: Self) {
        if self.count == 0 {
            *self = other;
        } else if other.count > 0 {
            self.count += other.count;
            // Of one bucket: of one sign, and NaN only with NaN.
            self.min = if other.min < self.min { other.min } else { self.min };
            self.max = if other.max > self.max { other.max } else { self.max };
        }
    }

    /// The number of that rank among those of the bucket, which are taken to lie evenly.
    fn at(&self, rank: u64) -> f64 {
        if rank == 0 || self.count < 2 {
            return self.min;
        }
        between(self.min, self.max, rank as f64 / (self.count - 1) as f64)
    }
}

/// A number that orders as the float does: octave and place in it.
fn place(x: f64) -> (u16, usize) {
    let bits = x.to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    let key = ordered >> (52 - BITS);
    ((key >> BITS) as u16, (key & ((1 << BITS) - 1)) as usize)
}

impl Sketch {
    pub(crate) fn add(&mut self, x: f64) {
        let x = if x.is_nan() { f64::NAN } else { x + 0.0 };
        self.count += 1;
        if self.octaves.is_empty() {
            self.few.push(x);
            if self.few.len() > FEW {
                self.spread();
            }
        } else {
            self.put(x);
        }
    }

    fn put(&mut self, x: f64) {
        self.bucket(place(x)).add(Bucket { count: 1, min: x, max: x });
    }

    fn bucket(&mut self, (octave, at): (u16, usize)) -> &mut Bucket {
        let buckets = self.octaves.entry(octave);
        &mut buckets.or_insert_with(|| vec![Bucket::default(); 1 << BITS].into())[at]
    }

    /// Puts the numbers that were kept into buckets.
    fn spread(&mut self) {
        std::mem::take(&mut self.few).into_iter().for_each(|x| self.put(x));
    }

    pub(crate) fn merge(mut self, mut other: Self) -> Self {
        let is_few = self.octaves.is_empty() && other.octaves.is_empty();
        self.count += other.count;
        if is_few && self.count <= FEW as u64 {
            self.few.append(&mut other.few);
            return self;
        }
        self.spread();
        other.spread();
        for (octave, buckets) in other.octaves {
            for (at, bucket) in buckets.iter().enumerate() {
                self.bucket((octave, at)).add(*bucket);
            }
        }
        self
    }

    /// The quantile, from 0 to 1, linear between two numbers; none of no numbers.
    pub(crate) fn quantile(&self, p: f64) -> Option<f64> {
        let last = self.count.checked_sub(1)?;
        let at = p * last as f64;
        let below = (at.floor() as u64).min(last);
        let (low, high) = (self.ranked(below)?, self.ranked((below + 1).min(last))?);
        Some(between(low, high, at.fract()))
    }

    /// The number of that rank, from 0.
    fn ranked(&self, rank: u64) -> Option<f64> {
        if self.octaves.is_empty() {
            let mut few = self.few.clone();
            few.sort_unstable_by(crate::aggregate::compared);
            return few.get(rank as usize).copied();
        }
        let mut before = 0;
        for bucket in self.octaves.values().flat_map(|buckets| buckets.iter()) {
            if rank < before + bucket.count {
                return Some(bucket.at(rank - before));
            }
            before += bucket.count;
        }
        None
    }
}

/// Buckets that hold something, with their places.
mod in_pairs {
    use super::*;
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        octaves: &BTreeMap<u16, Box<[Bucket]>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let full = octaves.iter().flat_map(|(octave, buckets)| {
            let held = (0_u16..).zip(buckets.iter()).filter(|(_, bucket)| bucket.count > 0);
            held.map(move |(at, bucket)| (*octave, at, *bucket))
        });
        full.collect::<Vec<(u16, u16, Bucket)>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<u16, Box<[Bucket]>>, D::Error> {
        let mut sketch = Sketch::default();
        for (octave, at, bucket) in Vec::<(u16, u16, Bucket)>::deserialize(deserializer)? {
            let at = usize::from(at).min((1 << BITS) - 1);
            sketch.bucket((octave, at)).add(bucket);
        }
        Ok(sketch.octaves)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sketch(numbers: &[f64]) -> Sketch {
        let mut sketch = Sketch::default();
        numbers.iter().for_each(|&x| sketch.add(x));
        sketch
    }

    fn exact(numbers: &[f64], p: f64) -> f64 {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = p * (sorted.len() - 1) as f64;
        let low = at.floor() as usize;
        between(sorted[low], sorted[(low + 1).min(sorted.len() - 1)], at.fract())
    }

    proptest! {
        #[test]
        fn quantiles_are_near_and_do_not_depend_on_order_or_cuts(
            numbers in prop::collection::vec(-1e6_f64..1e6, 1..2000),
            cut in any::<prop::sample::Index>(),
            p in 0.0_f64..=1.0,
        ) {
            let whole = sketch(&numbers);
            let (a, b) = numbers.split_at(cut.index(numbers.len()));
            let turned: Vec<f64> = numbers.iter().rev().copied().collect();
            let merged = sketch(b).merge(sketch(a));
            let found = whole.quantile(p).unwrap();
            for other in [&merged, &sketch(&turned)] {
                prop_assert_eq!(found.to_bits(), other.quantile(p).unwrap().to_bits());
            }
            let wire: Sketch = postcard::from_bytes(&postcard::to_stdvec(&whole).unwrap()).unwrap();
            prop_assert_eq!(&wire, &whole);
            let exact = exact(&numbers, p);
            // Between two numbers of opposite signs the error is relative to the larger one.
            let size = numbers.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
            let allowed = if numbers.len() <= FEW { 1e-9 * size } else { exact.abs().max(size / 100.0) / 128.0 };
            prop_assert!((found - exact).abs() <= allowed, "{} against {}", found, exact);
        }
    }

    #[test]
    fn small_whole_numbers_and_odd_ones_are_exact() {
        let numbers: Vec<f64> = (0..3000).map(|i| f64::from(i % 500)).collect();
        for p in [0.0, 0.25, 0.5, 0.9, 1.0] {
            assert_eq!(sketch(&numbers).quantile(p), Some(exact(&numbers, p)), "{p}");
        }
        assert_eq!(Sketch::default().quantile(0.5), None);
        let odd = [f64::NEG_INFINITY, -0.0, 0.0, f64::INFINITY, f64::NAN];
        let many: Vec<f64> = odd.iter().copied().cycle().take(1000).collect();
        let many = sketch(&many);
        assert_eq!(many.quantile(0.1), Some(f64::NEG_INFINITY));
        assert_eq!(many.quantile(0.5), Some(0.0));
        assert_eq!(many.quantile(0.7), Some(f64::INFINITY));
        assert!(many.quantile(1.0).unwrap().is_nan());
    }
}
