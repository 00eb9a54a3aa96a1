//! Sums, means, variances and covariances.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array};

use super::accumulators::{Accumulator, each_float, each_whole};
use crate::error::{Error, Result};

pub(super) struct WholeSum {
    pub(super) name: String,
    pub(super) sums: Vec<Option<i128>>,
}

impl Accumulator for WholeSum {
    fn add(&mut self, groups: &[u32], count: usize, inputs: &[ArrayRef]) -> Result<()> {
        self.sums.resize(count, None);
        // 2⁶³ rows of the largest number fit.
        each_whole(groups, &inputs[0], |group, value| {
            *self.sums[group].get_or_insert(0) += i128::from(value);
        });
        Ok(())
    }

    fn finish(mut self: Box<Self>, count: usize) -> Result<ArrayRef> {
        self.sums.resize(count, None);
        let whole = |sum: Option<i128>| sum.map(i64::try_from).transpose();
        let sums: Result<Vec<Option<i64>>, _> = self.sums.into_iter().map(whole).collect();
        let sums = sums.map_err(|_| Error::Column {
            column: self.name.clone(),
            problem: "a group's sum leaves the range of i64; cast the values to f64".into(),
        })?;
        Ok(Arc::new(Int64Array::from(sums)))
    }
}

pub(super) struct WholeMean {
    pub(super) sums: Vec<(i128, u64)>,
}

impl Accumulator for WholeMean {
    fn add(&mut self, groups: &[u32], count: usize, inputs: &[ArrayRef]) -> Result<()> {
        self.sums.resize(count, (0, 0));
        each_whole(groups, &inputs[0], |group, value| {
            let (sum, rows) = &mut self.sums[group];
            (*sum, *rows) = (*sum + i128::from(value), *rows + 1);
        });
        Ok(())
    }

    fn finish(mut self: Box<Self>, count: usize) -> Result<ArrayRef> {
        self.sums.resize(count, (0, 0));
        let mean = |(sum, rows): (i128, u64)| (rows > 0).then(|| sum as f64 / rows as f64);
        Ok(Arc::new(self.sums.into_iter().map(mean).collect::<Float64Array>()))
    }
}

/// A sum in twice the precision of a float: what `high` has lost is in `low`.
#[derive(Clone, Copy, Default)]
pub(super) struct Twice {
    pub(super) high: f64,
    pub(super) low: f64,
}

impl Twice {
    /// Adds a number (Knuth's two-sum; Dekker 1971).
    #[inline]
    pub(super) fn add(&mut self, x: f64) {
        let sum = self.high + x;
        let part = sum - self.high;
        let lost = (self.high - (sum - part)) + (x - part);
        // Infinities and NaN have lost nothing that could be told.
        let low = if sum.is_finite() { self.low + lost } else { 0.0 };
        (self.high, self.low) = (sum, low);
    }

    pub(super) fn value(self) -> f64 {
        self.high + self.low
    }
}

pub(super) struct FloatSum {
    pub(super) sums: Vec<(Twice, u64)>,
    pub(super) is_mean: bool,
}

impl Accumulator for FloatSum {
    fn add(&mut self, groups: &[u32], count: usize, inputs: &[ArrayRef]) -> Result<()> {
        self.sums.resize(count, Default::default());
        each_float(groups, &inputs[0], |group, value| {
            let (sum, rows) = &mut self.sums[group];
            sum.add(value);
            *rows += 1;
        });
        Ok(())
    }

    fn finish(mut self: Box<Self>, count: usize) -> Result<ArrayRef> {
        self.sums.resize(count, Default::default());
        let is_mean = self.is_mean;
        let result = |(sum, rows): (Twice, u64)| {
            let sum = (rows > 0).then(|| sum.value())?;
            Some(if is_mean { sum / rows as f64 } else { sum })
        };
        Ok(Arc::new(self.sums.into_iter().map(result).collect::<Float64Array>()))
    }
}

/// Count, mean and squared distances from it, by Welford's updates in the order of the rows.
pub(super) struct Moments {
    pub(super) states: Vec<(u64, f64, f64)>,
    pub(super) is_std: bool,
}

impl Accumulator for Moments {
    fn add(&mut self, groups: &[u32], count: usize, inputs: &[ArrayRef]) -> Result<()> {
        self.states.resize(count, (0, 0.0, 0.0));
        each_float(groups, &inputs[0], |group, value| {
            let (rows, mean, squares) = &mut self.states[group];
            *rows += 1;
            let before = value - *mean;
            *mean += before / *rows as f64;
            *squares += before * (value - *mean);
        });
        Ok(())
    }

    fn finish(mut self: Box<Self>, count: usize) -> Result<ArrayRef> {
        self.states.resize(count, (0, 0.0, 0.0));
        let is_std = self.is_std;
        let result = |(rows, _, squares): (u64, f64, f64)| {
            let var = (rows > 1).then(|| squares / (rows - 1) as f64)?;
            Some(if is_std { var.sqrt() } else { var })
        };
        Ok(Arc::new(self.states.into_iter().map(result).collect::<Float64Array>()))
    }
}

/// Means, squared distances from them and their products, by Welford's updates in the order of the rows.
pub(super) struct Paired {
    pub(super) states: Vec<Pair>,
    pub(super) is_corr: bool,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Pair {
    pub(super) rows: u64,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) squares_x: f64,
    pub(super) squares_y: f64,
    pub(super) products: f64,
}

impl Accumulator for Paired {
    fn add(&mut self, groups: &[u32], count: usize, inputs: &[ArrayRef]) -> Result<()> {
        self.states.resize(count, Pair::default());
        let mut others = vec![None; groups.len()];
        let rows: Vec<u32> = (0..groups.len() as u32).collect();
        each_float(&rows, &inputs[1], |row, y| others[row] = Some(y));
        each_float(&rows, &inputs[0], |row, x| {
            let Some(y) = others[row] else { return };
            let pair = &mut self.states[groups[row] as usize];
            pair.rows += 1;
            let n = pair.rows as f64;
            let (before_x, before_y) = (x - pair.x, y - pair.y);
            pair.x += before_x / n;
            pair.y += before_y / n;
            pair.squares_x += before_x * (x - pair.x);
            pair.squares_y += before_y * (y - pair.y);
            pair.products += before_x * (y - pair.y);
        });
        Ok(())
    }

    fn finish(mut self: Box<Self>, count: usize) -> Result<ArrayRef> {
        self.states.resize(count, Pair::default());
        let is_corr = self.is_corr;
        let result = |pair: Pair| {
            let free = (pair.rows > 1).then(|| (pair.rows - 1) as f64)?;
            Some(if is_corr {
                pair.products / (pair.squares_x.sqrt() * pair.squares_y.sqrt())
            } else {
                pair.products / free
            })
        };
        Ok(Arc::new(self.states.into_iter().map(result).collect::<Float64Array>()))
    }
}
