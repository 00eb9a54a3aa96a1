//! Joins with the nearest row of an order, as of the time of each left row.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use firesteel_core::Error as CoreError;
use serde::{Deserialize, Serialize};

use super::Table;
use super::join::{Brought, NONE, Sides, columns_at, side_by_side};
use super::measure::Measure;
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::keys::{Groups, Keys, any_null, check_numbered};
use crate::schema::{Schema, Type};

/// Which right row is the partner of a left one in [`Table::join_asof`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Direction {
    /// The last one that is not later.
    #[default]
    Backward,
    /// The first one that is not earlier.
    Forward,
    /// The nearest one; of two as near the earlier.
    Nearest,
}

/// How [`Table::join_asof`] looks for a partner.
///
/// # Examples
///
/// ```
/// use firesteel_table::{AsOf, Direction};
///
/// let asof = AsOf::new("day").by(["patient"]).direction(Direction::Nearest).tolerance(30.0);
/// assert!(asof.exact);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[must_use]
pub struct AsOf {
    /// The column of both tables that tells when: numbers, dates or timestamps.
    pub on: String,
    /// The columns of both tables in which partners are equal. Default: none.
    pub by: Vec<String>,
    /// Which row is the partner. Default: the last one that is not later.
    pub direction: Direction,
    /// How far away a partner may be, in the numbers' own unit, of dates and timestamps in days. Default:
    /// any distance.
    pub tolerance: Option<f64>,
    /// Whether a row of the same time can be the partner. Default: yes.
    pub exact: bool,
}

impl AsOf {
    /// Looks by the column `on` for the last row that is not later.
    pub fn new(on: impl Into<String>) -> Self {
        let direction = Direction::Backward;
        Self { on: on.into(), by: Vec::new(), direction, tolerance: None, exact: true }
    }

    /// Sets the columns in which partners are equal.
    pub fn by<S: Into<String>>(self, by: impl IntoIterator<Item = S>) -> Self {
        Self { by: by.into_iter().map(Into::into).collect(), ..self }
    }

    /// Sets which row is the partner.
    pub fn direction(self, direction: Direction) -> Self {
        Self { direction, ..self }
    }

    /// Sets how far away a partner may be.
    pub fn tolerance(self, tolerance: impl Into<Option<f64>>) -> Self {
        Self { tolerance: tolerance.into(), ..self }
    }

    /// Sets whether a row of the same time can be the partner.
    pub fn exact(self, exact: bool) -> Self {
        Self { exact, ..self }
    }
}

impl Table {
    /// Each row of this table with the one of the other that was valid at its time: among rows equal in
    /// [`AsOf::by`], that which [`AsOf::direction`] says. Rows without a partner have nulls. The columns of
    /// `by` come once, other names that this table has too get `_right` behind them, `on` among them.
    ///
    /// A null in `by` equals nothing, a row without a time has no partner. NaN is later than all numbers.
    /// Of right rows of the same time the last one of the table counts, the first one when looking forward.
    ///
    /// Rows are in an order that depends on `by` and on the order of this table only.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`], [`Error::DuplicateColumn`]; [`Error::TypeMismatch`] if a column has
    /// different types in both, or `on` has no distances; a parameter error for a tolerance that is
    /// negative or NaN.
    ///
    /// # Cost
    ///
    /// As [`Table::join`], and a sort of a partition's right rows; without `by` all rows of both are in one
    /// partition.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::{AsOf, Table, one_row};
    ///
    /// let ctx = Context::local();
    /// let stays = [(1, 100), (1, 200), (2, 50)].map(|(patient, day)| {
    ///     one_row(&[("patient", patient.into()), ("day", day.into())]).unwrap()
    /// });
    /// let tests = [(1, 90, 6.1), (1, 150, 7.4)].map(|(patient, day, hba1c)| {
    ///     let row = [("patient", patient.into()), ("day", day.into()), ("hba1c", hba1c.into())];
    ///     one_row(&row).unwrap()
    /// });
    /// let stays = Table::from_batches(&ctx, stays.to_vec())?;
    /// let tests = Table::from_batches(&ctx, tests.to_vec())?;
    /// let known = stays.join_asof(&tests, &AsOf::new("day").by(["patient"]))?.sort(["patient", "day"])?;
    /// assert_eq!(known.schema().to_string(), "patient: i64, day: i64, day_right: i64, hba1c: f64");
    /// assert_eq!(known.column_f64("hba1c")?[..2], [6.1, 7.4]);
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    pub fn join_asof(&self, other: &Self, asof: &AsOf) -> Result<Self> {
        if let Some(tolerance) = asof.tolerance.filter(|most| !(0.0..).contains(most)) {
            return Err(Error::parameter("tolerance", tolerance, "zero or more"));
        }
        self.schema().select(&asof.by)?;
        let sides = Sides::new(self, other, &asof.by, &asof.by)?;
        let on = Sides::new(self, other, &[&asof.on], &[&asof.on])?;
        if !Measure::is_of(on.types[0]) {
            let expected = "a number, date or timestamp";
            return Err(Error::mismatch(&asof.on, expected, Some(on.types[0])));
        }
        let brought = Brought::new(self, other, &sides.right)?;
        let output = brought.output.clone();
        let (left, right) = (self.placed(&sides.left)?, other.placed(&sides.right)?);
        let work = Arc::new(Work {
            asof: asof.clone(),
            sides,
            on: (on.left[0], on.right[0]),
            brought,
            right: other.schema().clone(),
        });
        let joined = left
            .zip_partitions(&right, move |left, right| {
                let (work, mut right, mut partners) = (Arc::clone(&work), Some(right), None);
                left.map(move |Batch(batch)| {
                    let right = &mut right;
                    let known: &Result<Partners> = partners
                        .get_or_insert_with(|| work.gather(right.take().into_iter().flatten()));
                    let known = known.as_ref().map_err(Clone::clone);
                    known.and_then(|known| work.joined(&batch, known)).map_err(CoreError::from)
                })
            })
            .map_err(Error::Core)?;
        Ok(Self::new(output, joined.try_map(|batch| batch)))
    }
}

/// What is done in each partition.
struct Work {
    asof: AsOf,
    sides: Sides,
    /// Where the time is, left and right.
    on: (usize, usize),
    brought: Brought,
    right: Schema,
}

/// The right rows of a partition: by key, each group in the order of time.
struct Partners {
    keys: Option<Keys>,
    rows: RecordBatch,
    groups: Groups,
    ordered: Vec<Vec<u32>>,
    times: Measure,
}

fn measured(column: &ArrayRef) -> Result<Measure> {
    Measure::of(column).ok_or_else(|| Error::mismatch("on", "a number, date or timestamp", None))
}

impl Work {
    fn keys(&self) -> Result<Option<Keys>> {
        let types: &[Type] = &self.sides.types;
        (!types.is_empty()).then(|| Keys::new(types)).transpose()
    }

    fn gather(&self, right: impl Iterator<Item = Batch>) -> Result<Partners> {
        let batches: Vec<RecordBatch> = right.map(|batch| batch.0).collect();
        let rows = arrow_select::concat::concat_batches(&self.right.to_arrow(), &batches)
            .map_err(Error::arrow("putting batches together"))?;
        check_numbered(rows.num_rows())?;
        let times = measured(rows.column(self.on.1))?;
        let columns = columns_at(&rows, &self.sides.right);
        let keys = self.keys()?;
        let bytes = keys.as_ref().map(|keys| keys.rows(&columns)).transpose()?;
        let mut groups = Groups::default();
        let mut ordered: Vec<Vec<u32>> = Vec::new();
        for row in 0..rows.num_rows() {
            if any_null(&columns, row) || !times.is_known(row) {
                continue;
            }
            let group = groups.number(bytes.as_ref().map_or(&[], |bytes| bytes.row(row).data()));
            if group as usize == ordered.len() {
                ordered.push(Vec::new());
            }
            ordered[group as usize].push(row as u32);
        }
        for group in &mut ordered {
            group.sort_by(|&a, &b| times.order(a as usize, &times, b as usize, 0.0));
        }
        Ok(Partners { keys, rows, groups, ordered, times })
    }

    fn joined(&self, batch: &RecordBatch, right: &Partners) -> Result<Batch> {
        let columns = columns_at(batch, &self.sides.left);
        let bytes = right.keys.as_ref().map(|keys| keys.rows(&columns)).transpose()?;
        let times = measured(batch.column(self.on.0))?;
        let partner = |row: usize| {
            if any_null(&columns, row) || !times.is_known(row) {
                return None;
            }
            let key = bytes.as_ref().map_or(&[][..], |bytes| bytes.row(row).data());
            let group = &right.ordered[right.groups.find(key)? as usize];
            let at = self.nearest(&times, row, &right.times, group)?;
            self.is_near(&times, row, &right.times, at as usize).then_some(at)
        };
        let there: Vec<u32> =
            (0..batch.num_rows()).map(|row| partner(row).unwrap_or(NONE)).collect();
        let here: Vec<u32> = (0..batch.num_rows() as u32).collect();
        side_by_side(&self.brought, batch, &here, &right.rows, &there)
    }

    /// The partner, however far away it is.
    fn nearest(&self, left: &Measure, row: usize, right: &Measure, group: &[u32]) -> Option<u32> {
        let order = |at: u32| right.order(at as usize, left, row, 0.0);
        // Rows before, at and behind the time.
        let first = group.partition_point(|&at| order(at).is_lt());
        let end = group.partition_point(|&at| order(at).is_le());
        let (before, behind) = if self.asof.exact { (end, first) } else { (first, end) };
        let before = before.checked_sub(1).map(|at| group[at]);
        let behind = group.get(behind).copied();
        match self.asof.direction {
            Direction::Backward => before,
            Direction::Forward => behind,
            Direction::Nearest => match (before, behind) {
                (Some(before), Some(behind)) => {
                    let distance = |at: u32| right.distance(at as usize, left, row);
                    let is_behind = distance(behind).is_less(distance(before));
                    Some(if is_behind { behind } else { before })
                }
                (before, behind) => before.or(behind),
            },
        }
    }

    fn is_near(&self, left: &Measure, row: usize, right: &Measure, at: usize) -> bool {
        match self.asof.tolerance {
            Some(most) if most.is_finite() => {
                right.order(at, left, row, -most).is_ge()
                    && right.order(at, left, row, most).is_le()
            }
            _ => true,
        }
    }
}
