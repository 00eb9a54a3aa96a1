//! One hash function, fixed for good.
//!
//! Where a key goes in a shuffle, and on which side of a split a patient falls, must not change
//! with the machine, the run or the version of a library, so the function lives here. It folds
//! eight bytes at a time with a 64 × 64 → 128 bit multiplication whose halves are xored, as the
//! wyhash family does (Wang Yi, 2019), and ends with the finaliser of SplitMix64 (Steele, Lea &
//! Flood 2014). It is not meant to withstand an attacker who chooses keys.

use std::hash::{BuildHasher, Hash, Hasher};

const SEED: u64 = 0x2d35_8dcc_aa6c_78a5;
const STEP: u64 = 0x8bb8_4b93_962e_acc9;

/// The fixed hash of a value: the same on every machine and in every run.
///
/// # Examples
///
/// ```
/// use firesteel_core::hash::fixed_hash;
///
/// assert_eq!(fixed_hash(&"patient 7"), fixed_hash(&String::from("patient 7")));
/// assert_ne!(fixed_hash(&1_u64), fixed_hash(&2_u64));
/// ```
pub fn fixed_hash<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = FixedHasher::default();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Mixes 64 bits so that every input bit moves about half of the output bits: SplitMix64's
/// finaliser.
#[inline]
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The hasher behind [`fixed_hash`].
#[derive(Clone, Copy, Debug)]
pub struct FixedHasher {
    state: u64,
}

impl Default for FixedHasher {
    fn default() -> Self {
        Self { state: SEED }
    }
}

impl FixedHasher {
    #[inline]
    fn fold(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(STEP);
        // The low half comes back through a rotation: a zero product must not swallow the state.
        self.state = (product as u64) ^ ((product >> 64) as u64) ^ word.rotate_left(32);
    }
}

/// Fewer than eight bytes as the low bytes of a word, by two reads that may overlap.
#[inline]
fn short(bytes: &[u8]) -> u64 {
    let behind = |width: usize| 8 * (bytes.len() - width) as u32;
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return u64::from(first) | u64::from(last) << behind(4);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<2>(), bytes.last_chunk::<2>()) {
        let (first, last) = (u16::from_le_bytes(*first), u16::from_le_bytes(*last));
        return u64::from(first) | u64::from(last) << behind(2);
    }
    bytes.first().map_or(0, |byte| u64::from(*byte))
}

impl Hasher for FixedHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.fold(u64::from_le_bytes(*word));
        }
        let last = match bytes.last_chunk::<8>() {
            // What of the last eight bytes the words above have not had; nothing may be left.
            Some(last) => {
                u64::from_le_bytes(*last).checked_shr(64 - 8 * rest.len() as u32).unwrap_or(0)
            }
            None => short(bytes),
        };
        self.fold(last ^ (bytes.len() as u64).rotate_left(56));
    }

    #[inline]
    fn write_u8(&mut self, i: u8) {
        self.fold(u64::from(i));
    }

    #[inline]
    fn write_u16(&mut self, i: u16) {
        self.fold(u64::from(i));
    }

    #[inline]
    fn write_u32(&mut self, i: u32) {
        self.fold(u64::from(i));
    }

    #[inline]
    fn write_u64(&mut self, i: u64) {
        self.fold(i);
    }

    #[inline]
    fn write_u128(&mut self, i: u128) {
        self.fold(i as u64);
        self.fold((i >> 64) as u64);
    }

    #[inline]
    fn write_usize(&mut self, i: usize) {
        self.fold(i as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        mix(self.state)
    }
}

/// Builds [`FixedHasher`]s, for maps whose behaviour must not vary between runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct FixedState;

impl BuildHasher for FixedState {
    type Hasher = FixedHasher;

    fn build_hasher(&self) -> FixedHasher {
        FixedHasher::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn mix_agrees_with_the_published_generator() {
        // SplitMix64 seeded with 1234567: the first two outputs, as in Vigna's splitmix64.c.
        let gamma = 0x9e37_79b9_7f4a_7c15_u64;
        let first = mix(1_234_567_u64.wrapping_add(gamma));
        let second = mix(1_234_567_u64.wrapping_add(gamma.wrapping_mul(2)));
        assert_eq!((first, second), (6_457_827_717_110_365_317, 3_203_168_211_198_807_973));
    }

    #[test]
    fn small_keys_spread_over_every_number_of_buckets() {
        for buckets in [2, 3, 16, 100] {
            let mut counts = vec![0_u64; buckets];
            for key in 0..10_000_u64 {
                counts[(fixed_hash(&key) % buckets as u64) as usize] += 1;
            }
            let mean = 10_000.0 / buckets as f64;
            let chi2: f64 = counts.iter().map(|&c| (c as f64 - mean).powi(2) / mean).sum();
            let dof = buckets as f64 - 1.0;
            assert!(chi2 < dof + 5.0 * (2.0 * dof).sqrt() + 5.0, "{buckets} buckets: {chi2}");
        }
    }

    #[test]
    fn bytes_are_folded_eight_at_a_time_with_zeros_behind_them() {
        let bytes: Vec<u8> = (1..40).map(|i| i * 6).collect();
        for len in 0..bytes.len() {
            let mut plain = FixedHasher::default();
            let (words, rest) = bytes[..len].as_chunks::<8>();
            words.iter().for_each(|word| plain.fold(u64::from_le_bytes(*word)));
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            plain.fold(u64::from_le_bytes(last) ^ (len as u64).rotate_left(56));
            let mut hasher = FixedHasher::default();
            hasher.write(&bytes[..len]);
            assert_eq!(hasher.finish(), plain.finish(), "{len} bytes");
        }
    }

    #[test]
    fn no_short_keys_collide() {
        let mut seen = HashSet::new();
        for key in 0..200_000_u64 {
            assert!(seen.insert(fixed_hash(&key)));
            assert!(seen.insert(fixed_hash(&key.to_string())));
        }
    }
}
