//! Quantiles, and the order of floats that they go by.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array};

use super::accumulators::{Accumulator, each_float};
use crate::error::Result;
use crate::sketch::Sketch;

pub(super) struct Quantile {
    pub(super) p: f64,
    pub(super) values: Vec<Vec<f64>>,
}

impl Accumulator for Quantile {
    fn add(&mut self, groups: &[u32], count: usize, inputs: &[ArrayRef]) -> Result<()> {
        self.values.resize_with(count, Vec::new);
        each_float(groups, &inputs[0], |group, value| self.values[group].push(value));
        Ok(())
    }

    fn finish(mut self: Box<Self>, count: usize) -> Result<ArrayRef> {
        self.values.resize_with(count, Vec::new);
        let p = self.p;
        let result = |mut values: Vec<f64>| {
            let last = values.len().checked_sub(1)?;
            values.sort_unstable_by(compared);
            let at = p * last as f64;
            let (below, share) = (at.floor() as usize, at.fract());
            let (low, high) = (values[below], values[(below + 1).min(last)]);
            Some(between(low, high, share))
        };
        Ok(Arc::new(self.values.into_iter().map(result).collect::<Float64Array>()))
    }
}

pub(super) struct Sketched {
    pub(super) p: f64,
    pub(super) sketches: Vec<Sketch>,
}

impl Accumulator for Sketched {
    fn add(&mut self, groups: &[u32], count: usize, inputs: &[ArrayRef]) -> Result<()> {
        self.sketches.resize_with(count, Sketch::default);
        each_float(groups, &inputs[0], |group, value| self.sketches[group].add(value));
        Ok(())
    }

    fn finish(mut self: Box<Self>, count: usize) -> Result<ArrayRef> {
        self.sketches.resize_with(count, Sketch::default);
        let quantiles = self.sketches.iter().map(|sketch| sketch.quantile(self.p));
        Ok(Arc::new(quantiles.collect::<Float64Array>()))
    }
}

/// What lies at that share, below 1, of the way from one value to the next. NaN is the greatest: between
/// a number and NaN lies NaN. Next to an infinite value lies that value, between two of them infinity.
pub(crate) fn between(low: f64, high: f64, share: f64) -> f64 {
    let is_at_low = share <= 0.0 || compared(&low, &high).is_eq();
    match (low.is_infinite(), high.is_infinite()) {
        _ if is_at_low => low,
        (_, true) => high,
        (true, false) if !high.is_nan() => low,
        _ if (high - low).is_infinite() => (1.0 - share) * low + share * high,
        _ => low + share * (high - low),
    }
}

/// NaN is greater than every number, and both zeros are equal.
pub(crate) fn compared(a: &f64, b: &f64) -> std::cmp::Ordering {
    a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}
