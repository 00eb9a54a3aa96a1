//! How many different rows there are, about: HyperLogLog.
//!
//! A row's fixed hash picks one of 2^p registers by its first p bits; the register keeps the longest
//! run of zeros that it has seen at the start of the other bits, plus one. Registers of two sketches
//! merge by the greater, so the result does not depend on the order or the cut of the rows. The count
//! is Ertl's improved raw estimate, which needs neither a table of biases nor a switch between
//! methods at small and large counts.
//!
//! References: P. Flajolet, É. Fusy, O. Gandouet & F. Meunier, "HyperLogLog", AofA 2007; S. Heule,
//! M. Nunkesser & A. Hall, "HyperLogLog in Practice", EDBT 2013 (64-bit hashes); O. Ertl, "New
//! cardinality estimation algorithms for HyperLogLog sketches", arXiv:1702.01284, 2017, algorithm 6.

use std::collections::BTreeMap;
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use super::Dataset;
use super::chunk::Typed;
use crate::data::Wire;
use crate::error::{Error, Result};
use crate::hash::fixed_hash;
use crate::job::Task;

/// A summary of a set from which its size can be told, about.
///
/// # Examples
///
/// ```
/// use firesteel_core::DistinctSketch;
///
/// # fn main() -> firesteel_core::Result<()> {
/// let mut sketch = DistinctSketch::new(0.02)?;
/// (0..10_000).for_each(|i| sketch.add(&(i % 1_000)));
/// assert!((950.0..1_050.0).contains(&sketch.count()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct DistinctSketch {
    precision: u8,
    registers: Vec<u8>,
}

/// A sketch as it was read, which may be any numbers.
#[derive(Deserialize)]
struct Parts {
    precision: u8,
    registers: Vec<u8>,
}

impl TryFrom<Parts> for DistinctSketch {
    type Error = &'static str;

    fn try_from(Parts { precision, registers }: Parts) -> Result<Self, &'static str> {
        if !(4..=18).contains(&precision) || registers.len() != 1 << precision {
            return Err("a sketch has 2^4 to 2^18 registers");
        }
        if registers.iter().any(|run| *run > 65 - precision) {
            return Err("a register of a sketch has seen a run longer than a hash");
        }
        Ok(Self { precision, registers })
    }
}

impl DistinctSketch {
    /// An empty sketch whose counts have the given relative standard deviation, or a smaller one:
    /// 1.04/√m with m registers of one byte.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] unless it is between 0.0021 (2¹⁸ registers) and 0.26 (2⁴).
    pub fn new(relative_sd: f64) -> Result<Self> {
        let precision = (4..=18).find(|p| 1.04 / f64::from(1_u32 << p).sqrt() <= relative_sd);
        match precision {
            Some(precision) if relative_sd <= 0.26 => {
                Ok(Self { precision, registers: vec![0; 1 << precision] })
            }
            _ => Err(Error::parameter("relative_sd", relative_sd, "between 0.0021 and 0.26")),
        }
    }

    /// Adds a member, which may be there already.
    pub fn add<T: Hash + ?Sized>(&mut self, member: &T) {
        let hash = fixed_hash(member);
        let register = (hash >> (64 - self.precision)) as usize;
        // A one behind the bits that are left ends the run.
        let rest = (hash << self.precision) | (1 << (self.precision - 1));
        let run = rest.leading_zeros() as u8 + 1;
        if let Some(longest) = self.registers.get_mut(register) {
            *longest = run.max(*longest);
        }
    }

    /// The sketch of both sets together.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] if `other` has another number of registers.
    pub fn merge(mut self, other: &Self) -> Result<Self> {
        if self.precision != other.precision {
            let (here, there) = (self.precision, other.precision);
            let expected = format!("a sketch of 2^{here} registers, as this one has");
            return Err(Error::parameter("other", format!("2^{there} registers"), expected));
        }
        for (here, there) in self.registers.iter_mut().zip(&other.registers) {
            *here = (*here).max(*there);
        }
        Ok(self)
    }

    /// How many different members were added, about.
    pub fn count(&self) -> f64 {
        let most = 64 - usize::from(self.precision);
        let mut counts = vec![0_u32; most + 2];
        for register in &self.registers {
            if let Some(count) = counts.get_mut(usize::from(*register)) {
                *count += 1;
            }
        }
        let m = self.registers.len() as f64;
        let mut z = m * tau((m - f64::from(counts[most + 1])) / m);
        for k in (1..=most).rev() {
            z = 0.5 * (z + f64::from(counts[k]));
        }
        z += m * sigma(f64::from(counts[0]) / m);
        m * m / (2.0 * std::f64::consts::LN_2 * z)
    }
}

/// Σ over k of x^(2^k)·2^(k−1), plus x.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z <= before {
            return z;
        }
    }
}

/// A third of (1 − x − Σ over k of (1 − x^(2^−k))²·2^(−k)).
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}

impl<T: Wire + Hash> Dataset<T> {
    /// How many different rows there are, about; `relative_sd` is the standard deviation of the
    /// answer over the truth.
    ///
    /// # Errors
    ///
    /// As [`DistinctSketch::new`], and what an action can give.
    ///
    /// # Cost
    ///
    /// One pass; a sketch a partition travels (1 KiB at 0.05, 16 KiB at 0.01).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let rows = firesteel_core::Context::local().range(0..100_000).map(|x| x % 5_000);
    /// let about = rows.count_approx_distinct(0.02)?;
    /// assert!((4_700..5_300).contains(&about));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn count_approx_distinct(&self, relative_sd: f64) -> Result<u64> {
        let empty = DistinctSketch::new(relative_sd)?;
        let job = self.begin("count_approx_distinct")?;
        job.runs_on(relative_sd.to_bits());
        let leaf = |mut rows: Typed<T>, _: &Task| {
            let mut sketch = empty.clone();
            while let Some(chunk) = rows.next()? {
                chunk.as_slice().iter().for_each(|row| sketch.add(row));
            }
            Ok(sketch)
        };
        let merge = |a: DistinctSketch, b: DistinctSketch| {
            a.merge(&b).expect("all partitions have the same precision")
        };
        let sketch = self.tree(&job, leaf, merge)?;
        Ok(sketch.map_or(0.0, |sketch| sketch.count()).round() as u64)
    }
}

impl<K: Wire + Ord + Hash, V: Wire + Hash> Dataset<(K, V)> {
    /// How many different values each key has, about.
    ///
    /// # Errors
    ///
    /// As [`count_approx_distinct`](Dataset::count_approx_distinct).
    ///
    /// # Cost
    ///
    /// One pass and one shuffle, in which a sketch a key and group of rows travels; the counts
    /// travel to every rank.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let pairs = ctx.range(0..100).map(|x| (x % 2, x / 10));
    /// assert_eq!(pairs.count_approx_distinct_by_key(0.02)?, [(0, 10), (1, 10)].into());
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn count_approx_distinct_by_key(&self, relative_sd: f64) -> Result<BTreeMap<K, u64>> {
        let empty = DistinctSketch::new(relative_sd)?;
        let sketches = self.aggregate_by_key(
            empty,
            |mut sketch: DistinctSketch, value| {
                sketch.add(&value);
                sketch
            },
            |a, b| a.merge(&b).expect("all keys have the same precision"),
        );
        sketches.map_values(|sketch| sketch.count().round() as u64).collect_as_map()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_within_their_error_at_every_size() {
        for relative_sd in [0.2, 0.05, 0.01] {
            let mut squares = 0.0;
            let mut sketches = 0.0;
            for n in [1_u64, 10, 100, 1_000, 10_000, 100_000, 300_000] {
                for trial in 0..5_u64 {
                    let mut sketch = DistinctSketch::new(relative_sd).unwrap();
                    (0..n).for_each(|i| sketch.add(&(trial << 40 | i)));
                    let error = sketch.count() / n as f64 - 1.0;
                    assert!(error.abs() < 4.5 * relative_sd, "{n} at {relative_sd}: {error}");
                    squares += (error / relative_sd).powi(2);
                    sketches += 1.0;
                }
            }
            assert!(squares / sketches < 1.6, "{relative_sd}: {}", squares / sketches);
        }
        assert!(DistinctSketch::new(0.05).unwrap().count().abs() < 1e-9);
    }

    #[test]
    fn merging_is_adding_all() {
        let sketch = |range: std::ops::Range<u32>| {
            let mut sketch = DistinctSketch::new(0.05).unwrap();
            range.for_each(|i| sketch.add(&i));
            sketch
        };
        assert_eq!(sketch(0..700).merge(&sketch(300..1_000)).unwrap(), sketch(0..1_000));
        assert!(sketch(0..1).merge(&DistinctSketch::new(0.2).unwrap()).is_err());
        for bad in [0.0, 0.001, 0.3, f64::NAN] {
            assert!(matches!(DistinctSketch::new(bad), Err(Error::Parameter { .. })));
        }
    }
}
