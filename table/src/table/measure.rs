//! An order column as numbers between which there are distances.

use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};

use crate::aggregate::compared;
use crate::schema::Type;
use crate::times::DAY;

/// Numbers, or dates and timestamps, whose distances are in days.
#[derive(Debug)]
pub(super) struct Measure {
    numbers: Numbers,
    /// Whether there is no value.
    nulls: Option<arrow_buffer::NullBuffer>,
}

#[derive(Debug)]
enum Numbers {
    /// Whole numbers, and how many of them a distance of 1 is.
    Whole(Vec<i64>, f64),
    Float(Vec<f64>),
}

impl Measure {
    /// Whether values of the type have distances.
    pub(super) fn is_of(of: Type) -> bool {
        of.is_number() || of.is_time()
    }

    /// The column's numbers, if its type has distances.
    pub(super) fn of(column: &ArrayRef) -> Option<Self> {
        let numbers = if let Some(whole) = column.as_primitive_opt::<Int64Type>() {
            Numbers::Whole(whole.values().to_vec(), 1.0)
        } else if let Some(floats) = column.as_primitive_opt::<Float64Type>() {
            Numbers::Float(floats.values().to_vec())
        } else if let Some(dates) = column.as_primitive_opt::<Date32Type>() {
            Numbers::Whole(dates.values().iter().map(|&day| i64::from(day)).collect(), 1.0)
        } else {
            let times = column.as_primitive_opt::<TimestampMicrosecondType>()?;
            Numbers::Whole(times.values().to_vec(), DAY as f64)
        };
        Some(Self { numbers, nulls: column.nulls().cloned() })
    }

    pub(super) fn is_known(&self, at: usize) -> bool {
        self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(at))
    }

    /// How a value stands to another one moved by `away`, which is finite. NaN is the greatest number.
    pub(super) fn order(&self, at: usize, other: &Self, from: usize, away: f64) -> Ordering {
        match (&self.numbers, &other.numbers) {
            (Numbers::Whole(here, unit), Numbers::Whole(there, _)) => {
                let apart = i128::from(here[at]) - i128::from(there[from]);
                // Exact: a whole number against the whole part, then the rest.
                let away = away * unit;
                let order = apart.cmp(&(away.floor() as i128));
                order.then(if away.fract() == 0.0 { Ordering::Equal } else { Ordering::Less })
            }
            (Numbers::Float(here), Numbers::Float(there)) => {
                compared(&here[at], &(there[from] + away))
            }
            // Whoever makes two of them has checked that they are of one type.
            _ => Ordering::Equal,
        }
    }

    /// How far a value is from another one, however it is moved: to be compared with other distances.
    pub(super) fn distance(&self, at: usize, other: &Self, from: usize) -> Distance {
        match (&self.numbers, &other.numbers) {
            (Numbers::Whole(here, _), Numbers::Whole(there, _)) => {
                Distance::Whole((i128::from(here[at]) - i128::from(there[from])).abs())
            }
            (Numbers::Float(here), Numbers::Float(there)) => {
                Distance::Float((here[at] - there[from]).abs())
            }
            _ => Distance::Whole(0),
        }
    }
}

/// How far two values are apart.
#[derive(Clone, Copy, Debug)]
pub(super) enum Distance {
    Whole(i128),
    Float(f64),
}

impl Distance {
    /// Whether it is less; NaN is greater than all.
    pub(super) fn is_less(self, other: Self) -> bool {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a < b,
            (Self::Float(a), Self::Float(b)) => compared(&a, &b).is_lt(),
            _ => false,
        }
    }
}
