//! Aggregates from a group's first row up to each row.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, Int64Array};

use super::accumulators::{each_float, each_whole};
use super::quantiles::compared;
use super::sums::Twice;
use super::{Aggregate, Function};
use crate::error::{Error, Result};
use crate::schema::Type;

/// Aggregates of numbers from a group's first row up to each row, in one pass.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    name: String,
    function: Function,
    is_float: bool,
}

impl Running {
    /// For an aggregate that has such a pass.
    pub(crate) fn of(aggregate: &Aggregate, inputs: &[Type]) -> Option<Self> {
        let is_float = inputs.first() == Some(&Type::F64);
        let has_one = match aggregate.function() {
            Function::Count => true,
            Function::Sum | Function::Mean | Function::Var | Function::Std => true,
            Function::Min | Function::Max => is_float,
            _ => false,
        };
        let is_number = matches!(inputs.first(), Some(Type::I64 | Type::F64 | Type::Bool));
        let (name, function) = (aggregate.to_string(), aggregate.function());
        (has_one && is_number).then_some(Self { name, function, is_float })
    }

    /// The results for rows that lie in groups, one behind the other.
    pub(crate) fn over(
        &self,
        groups: impl Iterator<Item = Range<usize>>,
        values: &ArrayRef,
    ) -> Result<ArrayRef> {
        let rows = values.len();
        let mut value = vec![None; rows];
        let numbers: Vec<u32> = (0..rows as u32).collect();
        if self.is_float {
            each_float(&numbers, values, |row, x| value[row] = Some((x, 0)));
        } else {
            each_whole(&numbers, values, |row, n| value[row] = Some((n as f64, n)));
        }
        let mut wholes: Vec<Option<i64>> = Vec::with_capacity(rows);
        let mut floats: Vec<Option<f64>> = Vec::with_capacity(rows);
        for group in groups {
            let (mut count, mut whole, mut sum) = (0_u64, 0_i128, Twice::default());
            let (mut mean, mut squares) = (0.0, 0.0);
            let mut best: Option<f64> = None;
            for &one in &value[group] {
                if let Some((x, n)) = one {
                    count += 1;
                    whole += i128::from(n);
                    sum.add(x);
                    let before = x - mean;
                    mean += before / count as f64;
                    squares += before * (x - mean);
                    // Both zeros are one, as they are in a key.
                    let x = x + 0.0;
                    let is_better = |best: f64| match self.function {
                        Function::Max => compared(&x, &best).is_gt(),
                        _ => compared(&x, &best).is_lt(),
                    };
                    if best.is_none_or(is_better) {
                        best = Some(x);
                    }
                }
                let some = count > 0;
                let var = (count > 1).then(|| squares / (count - 1) as f64);
                match self.function {
                    Function::Count => wholes.push(Some(count as i64)),
                    Function::Sum if !self.is_float => {
                        let sum = i64::try_from(whole).map_err(|_| Error::Column {
                            column: self.name.clone(),
                            problem:
                                "a running sum leaves the range of i64; cast the values to f64"
                                    .into(),
                        })?;
                        wholes.push(some.then_some(sum));
                    }
                    Function::Sum => floats.push(some.then(|| sum.value())),
                    Function::Mean if self.is_float => {
                        floats.push(some.then(|| sum.value() / count as f64));
                    }
                    Function::Mean => floats.push(some.then(|| whole as f64 / count as f64)),
                    Function::Var => floats.push(var),
                    Function::Std => floats.push(var.map(f64::sqrt)),
                    _ => floats.push(best),
                }
            }
        }
        Ok(if wholes.is_empty() {
            Arc::new(Float64Array::from(floats))
        } else {
            Arc::new(Int64Array::from(wholes))
        })
    }
}
