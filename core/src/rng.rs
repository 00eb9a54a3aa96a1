//! Random draws that belong to a row, not to a moment.
//!
//! A draw is a pure function of (seed, purpose, row, index), so it does not matter which thread
//! or rank asks for it, nor in which order (law 2). The generator is Philox4x32-10 (Salmon,
//! Moraes, Dror & Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC11): the key is made of
//! the seed and the purpose, the counter of the row and the index.

use crate::hash::{fixed_hash, mix};

/// A stream of draws for one purpose.
///
/// # Examples
///
/// ```
/// use firesteel_core::rng::Draws;
///
/// let draws = Draws::new(42, "bootstrap");
/// assert_eq!(draws.bits(7), Draws::new(42, "bootstrap").bits(7));
/// assert_ne!(draws.bits(7), Draws::new(42, "split").bits(7));
/// assert!((0.0..1.0).contains(&draws.uniform(7)));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    key: [u32; 2],
}

impl Draws {
    /// Draws under `seed` for `purpose`: two purposes never share their numbers.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let key = mix(seed ^ fixed_hash(purpose).rotate_left(17)) ^ fixed_hash(purpose);
        Self { key: [key as u32, (key >> 32) as u32] }
    }

    /// The row's own 64 random bits.
    #[inline]
    pub fn bits(&self, row: u64) -> u64 {
        self.bits_at(row, 0)
    }

    /// The row's `index`-th 64 random bits.
    #[inline]
    pub fn bits_at(&self, row: u64, index: u64) -> u64 {
        // One block gives two draws: even and odd index share it.
        let block = philox(
            [row as u32, (row >> 32) as u32, (index >> 1) as u32, (index >> 33) as u32],
            self.key,
        );
        let half = if index.is_multiple_of(2) { 0 } else { 2 };
        u64::from(block[half]) | (u64::from(block[half + 1]) << 32)
    }

    /// The row's own number in `[0, 1)`, a multiple of 2⁻⁵³.
    #[inline]
    pub fn uniform(&self, row: u64) -> f64 {
        self.uniform_at(row, 0)
    }

    /// The row's `index`-th number in `[0, 1)`, a multiple of 2⁻⁵³.
    #[inline]
    pub fn uniform_at(&self, row: u64, index: u64) -> f64 {
        (self.bits_at(row, index) >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// The row's number in `0..bound`, from the high bits of a product (no modulo bias above
    /// `bound / 2⁶⁴`). Zero if `bound` is zero.
    #[inline]
    pub fn below(&self, row: u64, bound: u64) -> u64 {
        ((u128::from(self.bits(row)) * u128::from(bound)) >> 64) as u64
    }
}

fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    const M0: u64 = 0xD251_1F53;
    const M1: u64 = 0xCD9E_8D57;
    const W0: u32 = 0x9E37_79B9;
    const W1: u32 = 0xBB67_AE85;
    for _ in 0..10 {
        let (p0, p1) = (M0 * u64::from(counter[0]), M1 * u64::from(counter[2]));
        counter = [
            (p1 >> 32) as u32 ^ counter[1] ^ key[0],
            p1 as u32,
            (p0 >> 32) as u32 ^ counter[3] ^ key[1],
            p0 as u32,
        ];
        key = [key[0].wrapping_add(W0), key[1].wrapping_add(W1)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_gives_the_published_vectors() {
        // kat_vectors of the Random123 distribution, philox4x32 with 10 rounds.
        let none = philox([0; 4], [0; 2]);
        assert_eq!(none, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let all = philox([u32::MAX; 4], [u32::MAX; 2]);
        assert_eq!(all, [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    }

    #[test]
    fn uniform_draws_have_the_right_mean_and_variance() {
        let draws = Draws::new(1, "test");
        let n = 100_000;
        let sum: f64 = (0..n).map(|i| draws.uniform(i)).sum();
        let sum2: f64 = (0..n).map(|i| (draws.uniform(i) - 0.5).powi(2)).sum();
        let (mean, variance) = (sum / n as f64, sum2 / n as f64);
        assert!((mean - 0.5).abs() < 5.0 * (1.0 / 12.0 / n as f64).sqrt(), "{mean}");
        assert!((variance - 1.0 / 12.0).abs() < 1.5e-3, "{variance}");
    }

    #[test]
    fn even_and_odd_indices_differ() {
        let draws = Draws::new(9, "test");
        let mut all: Vec<u64> = (0..100).map(|i| draws.bits_at(3, i)).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 100);
    }
}
