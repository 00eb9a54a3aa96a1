//! Values that are picked of a group's: the least, the greatest, the first, the last, all of them.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{Array, ArrayRef, ListArray, PrimitiveArray, UInt32Array};
use arrow_buffer::OffsetBuffer;
use arrow_schema::Field;

use super::accumulators::Accumulator;
use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::schema::Type;

/// The least or the greatest of numbers and times.
pub(super) struct Best<T: ArrowPrimitiveType> {
    best: Vec<Option<T::Native>>,
    is_max: bool,
    /// Makes equal values the same to the bit.
    form: fn(T::Native) -> T::Native,
    order: fn(&T::Native, &T::Native) -> Ordering,
}

impl<T: ArrowPrimitiveType> Best<T> {
    pub(super) fn new(
        is_max: bool,
        form: fn(T::Native) -> T::Native,
        order: fn(&T::Native, &T::Native) -> Ordering,
    ) -> Self {
        Self { best: Vec::new(), is_max, form, order }
    }
}

impl<T: ArrowPrimitiveType> Accumulator for Best<T> {
    fn add(&mut self, groups: &[u32], count: usize, inputs: &[ArrayRef]) -> Result<()> {
        self.best.resize(count, None);
        let better = if self.is_max { Ordering::Greater } else { Ordering::Less };
        for (&group, value) in groups.iter().zip(inputs[0].as_primitive::<T>()) {
            let Some(value) = value.map(self.form) else { continue };
            let best = &mut self.best[group as usize];
            if best.is_none_or(|best| (self.order)(&value, &best) == better) {
                *best = Some(value);
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, count: usize) -> Result<ArrayRef> {
        self.best.resize(count, None);
        Ok(Arc::new(self.best.into_iter().collect::<PrimitiveArray<T>>()))
    }
}

/// The least or the greatest value, as the bytes of a key.
pub(super) struct Extreme {
    pub(super) keys: Keys,
    pub(super) best: Vec<Option<Box<[u8]>>>,
    pub(super) is_max: bool,
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
pub(super) struct Picked {
    pub(super) values: Keys,
    pub(super) order: Option<Keys>,
    pub(super) is_first: bool,
    /// The value and its place in the order.
    pub(super) picked: Vec<Option<(Box<[u8]>, Box<[u8]>)>>,
}

impl Picked {
    pub(super) fn new(inputs: &[Type], is_first: bool) -> Result<Self> {
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

/// The values themselves.
pub(super) struct Collected {
    pub(super) of: Type,
    pub(super) parts: Vec<ArrayRef>,
    /// The group of each row of the parts.
    pub(super) groups: Vec<u32>,
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
