//! Random choices, by (partition, position): the same on any threads and ranks.

use std::marker::PhantomData;
use std::ops::Range;

use super::chunk::{AnyChunk, Chunk};
use super::node::{Step, StepRun};
use super::{Dataset, call};
use crate::data::Data;
use crate::error::{Error, Failure, Result};
use crate::job::Call;
use crate::rng::Draws;

impl<T: Data> Dataset<T> {
    /// Keeps each row with probability `fraction`, without replacement.
    ///
    /// Whether a row stays depends on the seed, its partition and its position there.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] unless `fraction` is in `[0, 1]`.
    ///
    /// # Cost
    ///
    /// No pass of its own: one draw a row when it is read. Nothing moves.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let some = ctx.range(0..10_000).sample(0.1, 42)?;
    /// assert!((800..1_200).contains(&some.count()?));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn sample(&self, fraction: f64, seed: u64) -> Result<Dataset<T>> {
        if !(0.0..=1.0).contains(&fraction) {
            return Err(Error::parameter("fraction", fraction, "in [0, 1]"));
        }
        Ok(self.chosen(call("sample"), seed, 0.0..fraction))
    }

    /// Cuts the rows into as many datasets as there are weights; each row falls into exactly one
    /// of them, with probability in proportion to the weight.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] if a weight is negative or not finite, or if all are zero.
    ///
    /// # Cost
    ///
    /// Each part reads the parent when it is read, and draws once a row: cache what is dear to
    /// compute.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let parts = ctx.range(0..1_000).random_split(&[0.8, 0.2], 1)?;
    /// assert_eq!(parts[0].count()? + parts[1].count()?, 1_000);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn random_split(&self, weights: &[f64], seed: u64) -> Result<Vec<Dataset<T>>> {
        let call = call("random_split");
        let borders = borders(weights)?;
        Ok(borders.windows(2).map(|w| self.chosen(call, seed, w[0]..w[1])).collect())
    }

    fn chosen(&self, call: Call, seed: u64, range: Range<f64>) -> Dataset<T> {
        let draws = Draws::new(seed, "sample");
        self.step(call, Chosen { draws, range, row: 0, item: PhantomData::<fn(T)> })
    }
}

/// The borders of the parts in `[0, 1]`: the running sums of the weights over their total.
pub(crate) fn borders(weights: &[f64]) -> Result<Vec<f64>> {
    let total: f64 = weights.iter().sum();
    let valid = weights.iter().all(|weight| *weight >= 0.0) && total > 0.0 && total.is_finite();
    if !valid {
        let given = format!("{weights:?}");
        return Err(Error::parameter("weights", given, "zero or more, finite, not all zero"));
    }
    let mut sum = 0.0;
    let mut borders = vec![0.0];
    borders.extend(weights.iter().map(|weight| {
        sum += weight;
        sum / total
    }));
    // Rounding must not leave a row outside the last part.
    borders[weights.len()] = f64::INFINITY;
    Ok(borders)
}

struct Chosen<T> {
    draws: Draws,
    range: Range<f64>,
    /// The next row's number: the partition in the high bits, the position in the low 40.
    row: u64,
    item: PhantomData<fn(T)>,
}

impl<T: Data> Step for Chosen<T> {
    fn start(&self, partition: usize) -> Box<dyn StepRun> {
        let row = (partition as u64) << 40;
        let range = self.range.clone();
        Box::new(Chosen { draws: self.draws, range, row, item: PhantomData::<fn(T)> })
    }
}

impl<T: Data> StepRun for Chosen<T> {
    fn apply(&mut self, chunk: AnyChunk) -> Result<AnyChunk, Failure> {
        let chunk = Chunk::<T>::from_erased(chunk);
        let mut kept = Vec::new();
        for row in chunk.as_slice() {
            if self.range.contains(&self.draws.uniform(self.row)) {
                kept.push(row.clone());
            }
            self.row += 1;
        }
        Ok(Chunk::Owned(kept).erased())
    }
}
