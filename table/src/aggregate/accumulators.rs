//! What groups hold while their rows go by, and what becomes of it.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, UInt32Array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};

use super::{Aggregate, Function};
use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::schema::Type;
use crate::sketch::Sketch;

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
        (Function::Min, _) => Box::new(Extreme { keys: keys()?, best: Vec::new(), is_max: false }),
        (Function::Max, _) => Box::new(Extreme { keys: keys()?, best: Vec::new(), is_max: true }),
        (Function::First, _) => Box::new(Picked::new(inputs, true)?),
        (Function::Last, _) => Box::new(Picked::new(inputs, false)?),
        (Function::FirstBy, _) => Box::new(Picked::new(inputs, true)?),
        (Function::LastBy, _) => Box::new(Picked::new(inputs, false)?),
    })
}

/// Calls `add` with the group and the value of each row that has one, as a float.
fn each_float(groups: &[u32], values: &ArrayRef, mut add: impl FnMut(usize, f64)) {
    match values.data_type() {
        DataType::Float64 => {
            let values = values.as_primitive::<Float64Type>();
            for (&group, value) in groups.iter().zip(values) {
                value.into_iter().for_each(|value| add(group as usize, value));
            }
        }
        _ => each_whole(groups, values, |group, value| add(group, value as f64)),
    }
}

/// The same as whole numbers; a truth value is 0 or 1.
fn each_whole(groups: &[u32], values: &ArrayRef, mut add: impl FnMut(usize, i64)) {
    match values.data_type() {
        DataType::Boolean => {
            let values: &BooleanArray = values.as_boolean();
            for (&group, value) in groups.iter().zip(values) {
                value.into_iter().for_each(|value| add(group as usize, i64::from(value)));
            }
        }
        _ => {
            let values = values.as_primitive::<Int64Type>();
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
        for (row, &group) in groups.iter().enumerate() {
            let counts = self.of_rows || inputs[0].is_valid(row);
            self.counts[group as usize] += i64::from(counts);
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

struct WholeSum {
    name: String,
    sums: Vec<Option<i128>>,
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

struct WholeMean {
    sums: Vec<(i128, u64)>,
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
struct Twice {
    high: f64,
    low: f64,
}

impl Twice {
    /// Adds a number (Knuth's two-sum; Dekker 1971).
    fn add(&mut self, x: f64) {
        let sum = self.high + x;
        let part = sum - self.high;
        let lost = (self.high - (sum - part)) + (x - part);
        // Infinities and NaN have lost nothing that could be told.
        let low = if sum.is_finite() { self.low + lost } else { 0.0 };
        (self.high, self.low) = (sum, low);
    }

    fn value(self) -> f64 {
        self.high + self.low
    }
}

struct FloatSum {
    sums: Vec<(Twice, u64)>,
    is_mean: bool,
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
struct Moments {
    states: Vec<(u64, f64, f64)>,
    is_std: bool,
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

struct Quantile {
    p: f64,
    values: Vec<Vec<f64>>,
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

struct Sketched {
    p: f64,
    sketches: Vec<Sketch>,
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

/// Means, squared distances from them and their products, by Welford's updates in the order of the rows.
struct Paired {
    states: Vec<Pair>,
    is_corr: bool,
}

#[derive(Clone, Copy, Default)]
struct Pair {
    rows: u64,
    x: f64,
    y: f64,
    squares_x: f64,
    squares_y: f64,
    products: f64,
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

/// The values themselves.
struct Collected {
    of: Type,
    parts: Vec<ArrayRef>,
    /// The group of each row of the parts.
    groups: Vec<u32>,
}

impl Accumulator for Collected {
    fn add(&mut self, groups: &[u32], _count: usize, inputs: &[ArrayRef]) -> Result<()> {
        self.parts.push(Arc::clone(&inputs[0]));
        self.groups.extend_from_slice(groups);
        Ok(())
    }

    fn finish(self: Box<Self>, count: usize) -> Result<ArrayRef> {
        let doing = "putting values into lists";
        let parts: Vec<&dyn Array> = self.parts.iter().map(AsRef::as_ref).collect();
        let all = match parts.is_empty() {
            true => arrow_array::new_empty_array(&self.of.to_arrow()),
            false => arrow_select::concat::concat(&parts).map_err(Error::arrow(doing))?,
        };
        let mut lens = vec![0_usize; count];
        let held = || self.groups.iter().enumerate().filter(|(row, _)| all.is_valid(*row));
        held().for_each(|(_, &group)| lens[group as usize] += 1);
        let total: usize = lens.iter().sum();
        if i32::try_from(total).is_err() {
            return Err(Error::TooManyRows { rows: total as u64 });
        }
        let ends = OffsetBuffer::<i32>::from_lengths(lens.iter().copied());
        let mut next: Vec<usize> = ends.iter().map(|&end| end as usize).collect();
        let mut order = vec![0_u32; total];
        for (row, &group) in held() {
            let at = &mut next[group as usize];
            order[*at] = row as u32;
            *at += 1;
        }
        let values = arrow_select::take::take(&all, &UInt32Array::from(order), None)
            .map_err(Error::arrow(doing))?;
        let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
        let lists = ListArray::try_new(field, ends, values, None).map_err(Error::arrow(doing))?;
        Ok(Arc::new(lists))
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

/// The least or the greatest value, as the bytes of a key.
struct Extreme {
    keys: Keys,
    best: Vec<Option<Box<[u8]>>>,
    is_max: bool,
}

impl Accumulator for Extreme {
    fn add(&mut self, groups: &[u32], count: usize, inputs: &[ArrayRef]) -> Result<()> {
        self.best.resize(count, None);
        let rows = self.keys.rows(&inputs[..1])?;
        for (row, &group) in groups.iter().enumerate() {
            if inputs[0].is_null(row) {
                continue;
            }
            let (value, best) = (rows.row(row).data(), &mut self.best[group as usize]);
            let is_better = match best {
                None => true,
                Some(best) if self.is_max => value > &**best,
                Some(best) => value < &**best,
            };
            if is_better {
                *best = Some(value.into());
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, count: usize) -> Result<ArrayRef> {
        self.best.resize(count, None);
        decoded(&self.keys, &self.best)
    }
}

/// The value of the first or the last row, in the order of the rows or of a second input.
struct Picked {
    values: Keys,
    order: Option<Keys>,
    is_first: bool,
    /// The value and its place in the order.
    picked: Vec<Option<(Box<[u8]>, Box<[u8]>)>>,
}

impl Picked {
    fn new(inputs: &[Type], is_first: bool) -> Result<Self> {
        let order = inputs.get(1).map(|of| Keys::new(&[*of])).transpose()?;
        Ok(Self { values: Keys::new(&inputs[..1])?, order, is_first, picked: Vec::new() })
    }
}

impl Accumulator for Picked {
    fn add(&mut self, groups: &[u32], count: usize, inputs: &[ArrayRef]) -> Result<()> {
        self.picked.resize(count, None);
        let values = self.values.exact_rows(&inputs[..1])?;
        let order = self.order.as_ref().map(|order| order.rows(&inputs[1..2])).transpose()?;
        for (row, &group) in groups.iter().enumerate() {
            let place: &[u8] = match &order {
                Some(_) if inputs[1].is_null(row) => continue,
                Some(order) => order.row(row).data(),
                None => &[],
            };
            let picked = &mut self.picked[group as usize];
            let is_better = match picked {
                None => true,
                Some((_, best)) if self.is_first => place < &**best,
                Some((_, best)) => place >= &**best,
            };
            if is_better {
                *picked = Some((values.row(row).data().into(), place.into()));
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, count: usize) -> Result<ArrayRef> {
        self.picked.resize(count, None);
        let values: Vec<_> =
            self.picked.into_iter().map(|picked| picked.map(|(value, _)| value)).collect();
        decoded(&self.values, &values)
    }
}

/// Values that were kept as bytes; null where there is none.
fn decoded(keys: &Keys, values: &[Option<Box<[u8]>>]) -> Result<ArrayRef> {
    let there = keys.columns(values.iter().flatten().map(|value| &**value))?;
    let there = there.into_iter().next().expect("the keys are of one column");
    let mut at = 0;
    let places = values.iter().map(|value| {
        value.as_ref().map(|_| {
            at += 1;
            at - 1
        })
    });
    let places: arrow_array::UInt64Array = places.collect();
    arrow_select::take::take(&there, &places, None)
        .map_err(Error::arrow("putting results in their places"))
}

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
