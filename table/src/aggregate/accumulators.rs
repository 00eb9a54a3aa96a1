//! What groups hold while their rows go by, and what becomes of it.

use std::collections::HashSet;
use std::convert::identity;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array};
use arrow_schema::DataType;

use super::picked::{Best, Collected, Extreme, Picked};
use super::quantiles::{Quantile, Sketched, compared};
use super::sums::{FloatSum, Moments, Paired, WholeMean, WholeSum};
use super::{Aggregate, Function};
use crate::error::Result;
use crate::keys::{Keys, key_form};
use crate::schema::Type;

/// The state of one aggregate in all groups of a partition.
pub(crate) trait Accumulator {
    /// Takes in rows, in their order: `groups` says to which group each belongs, the `inputs` are
    /// those of [`Aggregate::inputs`]. There are `count` groups so far.
    fn add(&mut self, groups: &[u32], count: usize, inputs: &[ArrayRef]) -> Result<()>;
    /// The results, one for each group.
    fn finish(self: Box<Self>, count: usize) -> Result<ArrayRef>;
}

/// The accumulator of an aggregate whose inputs have these types.
pub(crate) fn accumulator(aggregate: &Aggregate, inputs: &[Type]) -> Result<Box<dyn Accumulator>> {
    let keys = || Keys::new(&inputs[..1]);
    let is_max = aggregate.function() == Function::Max;
    Ok(match (aggregate.function(), inputs.first()) {
        (Function::CountRows, _) => Box::new(Count { of_rows: true, counts: Vec::new() }),
        (Function::Count, _) => Box::new(Count { of_rows: false, counts: Vec::new() }),
        (Function::CountDistinct, _) => {
            Box::new(Distinct { keys: keys()?, seen: HashSet::new(), counts: Vec::new() })
        }
        (Function::Sum, Some(Type::F64)) => Box::new(FloatSum { sums: Vec::new(), is_mean: false }),
        (Function::Sum, _) => Box::new(WholeSum { name: aggregate.to_string(), sums: Vec::new() }),
        (Function::Mean, Some(Type::F64)) => Box::new(FloatSum { sums: Vec::new(), is_mean: true }),
        (Function::Mean, _) => Box::new(WholeMean { sums: Vec::new() }),
        (Function::Var, _) => Box::new(Moments { states: Vec::new(), is_std: false }),
        (Function::Std, _) => Box::new(Moments { states: Vec::new(), is_std: true }),
        (Function::ApproxQuantile(p), _) => Box::new(Sketched { p, sketches: Vec::new() }),
        (Function::Covar, _) => Box::new(Paired { states: Vec::new(), is_corr: false }),
        (Function::Corr, _) => Box::new(Paired { states: Vec::new(), is_corr: true }),
        (Function::CollectList, of) => Box::new(Collected {
            of: of.copied().unwrap_or(Type::String),
            parts: Vec::new(),
            groups: Vec::new(),
        }),
        (Function::Quantile(p), _) => Box::new(Quantile { p, values: Vec::new() }),
        (Function::Min | Function::Max, Some(Type::F64)) => {
            Box::new(Best::<Float64Type>::new(is_max, key_form, compared))
        }
        (Function::Min | Function::Max, Some(Type::I64)) => {
            Box::new(Best::<Int64Type>::new(is_max, identity, i64::cmp))
        }
        (Function::Min | Function::Max, Some(Type::Date)) => {
            Box::new(Best::<Date32Type>::new(is_max, identity, i32::cmp))
        }
        (Function::Min | Function::Max, Some(Type::Timestamp)) => {
            Box::new(Best::<TimestampMicrosecondType>::new(is_max, identity, i64::cmp))
        }
        (Function::Min, _) => Box::new(Extreme { keys: keys()?, best: Vec::new(), is_max: false }),
        (Function::Max, _) => Box::new(Extreme { keys: keys()?, best: Vec::new(), is_max: true }),
        (Function::First, _) => Box::new(Picked::new(inputs, true)?),
        (Function::Last, _) => Box::new(Picked::new(inputs, false)?),
        (Function::FirstBy, _) => Box::new(Picked::new(inputs, true)?),
        (Function::LastBy, _) => Box::new(Picked::new(inputs, false)?),
    })
}

/// Calls `add` with the group and the value of each row that has one, as a float.
pub(super) fn each_float(groups: &[u32], values: &ArrayRef, mut add: impl FnMut(usize, f64)) {
    match values.data_type() {
        DataType::Float64 => {
            let values = values.as_primitive::<Float64Type>();
            if values.null_count() == 0 {
                let pairs = groups.iter().zip(values.values());
                return pairs.for_each(|(&group, &value)| add(group as usize, value));
            }
            for (&group, value) in groups.iter().zip(values) {
                value.into_iter().for_each(|value| add(group as usize, value));
            }
        }
        _ => each_whole(groups, values, |group, value| add(group, value as f64)),
    }
}

/// The same as whole numbers; a truth value is 0 or 1.
pub(super) fn each_whole(groups: &[u32], values: &ArrayRef, mut add: impl FnMut(usize, i64)) {
    match values.data_type() {
        DataType::Boolean => {
            let values: &BooleanArray = values.as_boolean();
            for (&group, value) in groups.iter().zip(values) {
                value.into_iter().for_each(|value| add(group as usize, i64::from(value)));
            }
        }
        _ => {
            let values = values.as_primitive::<Int64Type>();
            if values.null_count() == 0 {
                let pairs = groups.iter().zip(values.values());
                return pairs.for_each(|(&group, &value)| add(group as usize, value));
            }
            for (&group, value) in groups.iter().zip(values) {
                value.into_iter().for_each(|value| add(group as usize, value));
            }
        }
    }
}

struct Count {
    of_rows: bool,
    counts: Vec<i64>,
}

impl Accumulator for Count {
    fn add(&mut self, groups: &[u32], count: usize, inputs: &[ArrayRef]) -> Result<()> {
        self.counts.resize(count, 0);
        let nulls =
            inputs.first().filter(|_| !self.of_rows).and_then(|input| input.logical_nulls());
        match nulls.filter(|nulls| nulls.null_count() > 0) {
            None => groups.iter().for_each(|&group| self.counts[group as usize] += 1),
            Some(nulls) => {
                for (&group, counts) in groups.iter().zip(&nulls) {
                    self.counts[group as usize] += i64::from(counts);
                }
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, count: usize) -> Result<ArrayRef> {
        self.counts.resize(count, 0);
        Ok(Arc::new(Int64Array::from(self.counts)))
    }
}

struct Distinct {
    keys: Keys,
    seen: HashSet<(u32, Box<[u8]>)>,
    counts: Vec<i64>,
}

impl Accumulator for Distinct {
    fn add(&mut self, groups: &[u32], count: usize, inputs: &[ArrayRef]) -> Result<()> {
        self.counts.resize(count, 0);
        let rows = self.keys.rows(&inputs[..1])?;
        for (row, &group) in groups.iter().enumerate() {
            if inputs[0].is_valid(row) && self.seen.insert((group, rows.row(row).data().into())) {
                self.counts[group as usize] += 1;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, count: usize) -> Result<ArrayRef> {
        self.counts.resize(count, 0);
        Ok(Arc::new(Int64Array::from(self.counts)))
    }
}
