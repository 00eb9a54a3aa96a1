//! Joins by one or more keys.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_select::concat::concat_batches;
use arrow_select::take::take;
use firesteel_core::Error as CoreError;
use serde::{Deserialize, Serialize};

use super::{BATCH_ROWS, Table};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::keys::{Groups, Keys, any_null, check_numbered};
use crate::schema::{Field, Schema, Type};

/// Which rows a join puts out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JoinType {
    /// Each left row with each right row of the same key.
    #[default]
    Inner,
    /// These, and left rows without a partner, with nulls on the right.
    Left,
    /// These, and right rows without a partner, with nulls on the left.
    Right,
    /// These, and rows of both sides without a partner.
    Full,
    /// Left rows that have a partner, each once, without columns of the right.
    Semi,
    /// Left rows without a partner, without columns of the right.
    Anti,
}

impl JoinType {
    fn keeps_left(self) -> bool {
        matches!(self, Self::Left | Self::Full)
    }

    fn keeps_right(self) -> bool {
        matches!(self, Self::Right | Self::Full)
    }

    fn is_filter(self) -> bool {
        matches!(self, Self::Semi | Self::Anti)
    }
}

/// What a column of the right has behind its name if the left has one of that name.
const SUFFIX: &str = "_right";

impl Table {
    /// Joins two tables by columns that have the same names in both. The key columns come once, with
    /// the right one's value in right rows without a partner; then the other columns of the left and
    /// those of the right. A name that the left has too gets `_right` behind it.
    ///
    /// A key with a null in it equals nothing. NaN equals NaN, `-0.0` equals `0.0`.
    ///
    /// Rows are in an order that depends on their keys and on the order of both tables only: of one key,
    /// in the order of the left rows and then of the right ones; right rows without a partner come
    /// last. [`sort`](Table::sort) the result for one that means something.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`]; [`Error::TypeMismatch`] if a key has different types in both;
    /// [`Error::DuplicateColumn`] if a name is taken even with its suffix; a parameter error without a
    /// key.
    ///
    /// # Cost
    ///
    /// One shuffle of each table into 64 partitions, within the memory budget (of the right one the keys
    /// alone for [`JoinType::Semi`] and [`JoinType::Anti`]). There a partition's right rows are held in
    /// memory, outside of it, and what a batch of the left becomes: put the smaller table on the right.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::{JoinType, Table, one_row};
    ///
    /// let ctx = Context::local();
    /// let stays = [(1, 3), (2, 5), (1, 4)].map(|(id, days)| {
    ///     one_row(&[("id", id.into()), ("days", days.into())]).unwrap()
    /// });
    /// let ages = [(1, 67)].map(|(id, age)| {
    ///     one_row(&[("id", id.into()), ("age", age.into())]).unwrap()
    /// });
    /// let stays = Table::from_batches(&ctx, stays.to_vec())?;
    /// let ages = Table::from_batches(&ctx, ages.to_vec())?;
    /// let joined = stays.join(&ages, &["id"], JoinType::Inner)?;
    /// assert_eq!(joined.column_f64("days")?, [3.0, 4.0]);
    /// assert_eq!(joined.schema().to_string(), "id: i64, days: i64, age: i64");
    /// assert_eq!(stays.join(&ages, &["id"], JoinType::Anti)?.column_f64("id")?, [2.0]);
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    pub fn join<S: AsRef<str>>(&self, other: &Self, on: &[S], how: JoinType) -> Result<Self> {
        self.joined(other, on, on, how, true)
    }

    /// [`join`](Table::join) by columns of different names: the first of `left_on` with the first of
    /// `right_on`, and so on. All columns of both stay, the right ones renamed where they must be.
    ///
    /// # Errors
    ///
    /// As [`join`](Table::join); a parameter error if there are not as many names on both sides.
    ///
    /// # Cost
    ///
    /// As [`join`](Table::join).
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::{JoinType, Table, one_row};
    ///
    /// let ctx = Context::local();
    /// let left = Table::from_batches(&ctx, vec![one_row(&[("a", 1.into())])?])?;
    /// let right = Table::from_batches(&ctx, vec![one_row(&[("b", 2.into())])?])?;
    /// let joined = left.join_on(&right, &["a"], &["b"], JoinType::Full)?;
    /// assert_eq!((joined.count()?, joined.schema().to_string()), (2, "a: i64, b: i64".to_owned()));
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    pub fn join_on<S: AsRef<str>, R: AsRef<str>>(
        &self,
        other: &Self,
        left_on: &[S],
        right_on: &[R],
        how: JoinType,
    ) -> Result<Self> {
        self.joined(other, left_on, right_on, how, false)
    }

    fn joined<S: AsRef<str>, R: AsRef<str>>(
        &self,
        other: &Self,
        left_on: &[S],
        right_on: &[R],
        how: JoinType,
        once: bool,
    ) -> Result<Self> {
        if left_on.is_empty() || left_on.len() != right_on.len() {
            let found = format!("{} and {} columns", left_on.len(), right_on.len());
            return Err(Error::parameter("on", found, "as many of both tables, at least one"));
        }
        let sides = Sides::new(self, other, left_on, right_on)?;
        let mut right = other.clone();
        let mut right_keys = sides.right;
        let brought = if how.is_filter() {
            let names: Vec<&str> = right_on.iter().map(AsRef::as_ref).collect();
            right = other.select(&names)?.distinct()?;
            right_keys = (0..names.len()).collect();
            Brought { columns: Vec::new(), output: self.schema.clone() }
        } else {
            Brought::new(self, other, if once { &right_keys } else { &[] })?
        };
        let output = brought.output.clone();
        let (left_rows, right_rows) = (self.placed(&sides.left)?, right.placed(&right_keys)?);
        let work = Arc::new(Join {
            how,
            types: sides.types,
            left_keys: sides.left,
            right_keys,
            is_coalesced: once,
            brought,
            left: self.schema.clone(),
            right: right.schema.clone(),
        });
        Keys::new(&work.types)?; // what cannot be a key is found now
        let joined = left_rows
            .zip_partitions(&right_rows, move |left, right| Joined {
                work: Arc::clone(&work),
                left,
                right: Some(right),
                partners: None,
                ready: VecDeque::new(),
            })
            .map_err(Error::Core)?;
        Ok(Self::new(output, joined.try_map(|batch| batch)))
    }
}

/// Where the columns are in which rows of two tables are equal.
pub(super) struct Sides {
    pub(super) types: Vec<Type>,
    pub(super) left: Vec<usize>,
    pub(super) right: Vec<usize>,
}

impl Sides {
    /// The first of `left_on` with the first of `right_on`, and so on.
    pub(super) fn new<S: AsRef<str>, R: AsRef<str>>(
        left: &Table,
        right: &Table,
        left_on: &[S],
        right_on: &[R],
    ) -> Result<Self> {
        let mut sides = Self { types: Vec::new(), left: Vec::new(), right: Vec::new() };
        for (own, other) in left_on.iter().zip(right_on) {
            let (own, other) =
                (left.schema.index_of(own.as_ref())?, right.schema.index_of(other.as_ref())?);
            let (of, field) = (left.schema.fields()[own].data_type, &right.schema.fields()[other]);
            if of != field.data_type {
                let expected = format!("{of}, as on the left");
                return Err(Error::mismatch(&field.name, &expected, Some(field.data_type)));
            }
            sides.types.push(of);
            sides.left.push(own);
            sides.right.push(other);
        }
        Ok(sides)
    }
}

/// The columns of the right that stand beside those of the left.
pub(super) struct Brought {
    pub(super) columns: Vec<usize>,
    pub(super) output: Schema,
}

impl Brought {
    /// All columns of the right but some.
    pub(super) fn new(left: &Table, right: &Table, without: &[usize]) -> Result<Self> {
        let mut output: Vec<Field> = left.schema.fields().to_vec();
        let mut columns: Vec<usize> = Vec::new();
        for (at, field) in right.schema.fields().iter().enumerate() {
            if without.contains(&at) {
                continue;
            }
            let mut field = field.clone();
            if left.schema.contains(&field.name) {
                field.name.push_str(SUFFIX);
            }
            output.push(field);
            columns.push(at);
        }
        Ok(Self { columns, output: Schema::new(output)? })
    }
}

/// What is done in each partition.
struct Join {
    how: JoinType,
    types: Vec<Type>,
    left_keys: Vec<usize>,
    right_keys: Vec<usize>,
    /// Whether left keys take the values of right ones where there is no left row.
    is_coalesced: bool,
    brought: Brought,
    left: Schema,
    right: Schema,
}

/// The right rows of a partition, by key.
struct Partners {
    keys: Keys,
    rows: RecordBatch,
    groups: Groups,
    /// Where the rows of each group start in `order`, and the end.
    starts: Vec<u32>,
    order: Vec<u32>,
    /// Which rows have met a partner, if that is asked for.
    met: Vec<bool>,
}

pub(super) fn columns_at(batch: &RecordBatch, positions: &[usize]) -> Vec<ArrayRef> {
    positions.iter().map(|&at| Arc::clone(batch.column(at))).collect()
}

/// The rows of a joined partition, made left batch by left batch.
struct Joined<L, R> {
    work: Arc<Join>,
    left: L,
    /// The right rows, until they are gathered.
    right: Option<R>,
    partners: Option<Partners>,
    ready: VecDeque<Batch>,
}

impl<L: Iterator<Item = Batch>, R: Iterator<Item = Batch>> Iterator for Joined<L, R> {
    type Item = Result<Batch, CoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Some(Ok(batch));
            }
            match self.more() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error.into())),
            }
        }
    }
}

impl<L: Iterator<Item = Batch>, R: Iterator<Item = Batch>> Joined<L, R> {
    /// Makes the rows of one more left batch, or the right rows without a partner; whether there was
    /// anything to be done.
    fn more(&mut self) -> Result<bool> {
        if let Some(right) = self.right.take() {
            self.partners = Some(self.work.gather(right)?);
        }
        let Some(partners) = self.partners.as_mut() else { return Ok(false) };
        if let Some(Batch(batch)) = self.left.next() {
            self.work.match_batch(&batch, partners, &mut self.ready)?;
            return Ok(true);
        }
        let partners = self.partners.take().filter(|_| self.work.how.keeps_right());
        if let Some(partners) = partners {
            self.work.put_alone(&partners, &mut self.ready)?;
        }
        Ok(!self.ready.is_empty())
    }
}

impl Join {
    /// The right rows without a partner.
    fn put_alone(&self, right: &Partners, out: &mut VecDeque<Batch>) -> Result<()> {
        let alone = right.met.iter().zip(0..).filter(|(met, _)| !**met);
        let alone: Vec<u32> = alone.map(|(_, row)| row).collect();
        let none = RecordBatch::new_empty(self.left.to_arrow());
        for some in alone.chunks(BATCH_ROWS) {
            let no_left = vec![NONE; some.len()];
            out.push_back(self.put(&none, &no_left, &right.rows, some)?);
        }
        Ok(())
    }

    fn gather(&self, right: impl Iterator<Item = Batch>) -> Result<Partners> {
        let keys = Keys::new(&self.types)?;
        let batches: Vec<RecordBatch> = right.map(|batch| batch.0).collect();
        let rows = concat_batches(&self.right.to_arrow(), &batches)
            .map_err(Error::arrow("putting batches together"))?;
        check_numbered(rows.num_rows())?;
        let columns = columns_at(&rows, &self.right_keys);
        let mut groups = Groups::default();
        let mut numbers: Vec<Option<u32>> = Vec::with_capacity(rows.num_rows());
        for (row, key) in keys.rows(&columns)?.iter().enumerate() {
            numbers.push((!any_null(&columns, row)).then(|| groups.number(key.data())));
        }
        let mut starts = vec![0_u32; groups.len() + 1];
        numbers.iter().flatten().for_each(|&group| starts[group as usize + 1] += 1);
        (0..groups.len()).for_each(|group| starts[group + 1] += starts[group]);
        let mut next = starts.clone();
        let mut order = vec![0_u32; numbers.iter().flatten().count()];
        for (row, group) in numbers.iter().enumerate() {
            if let Some(group) = group {
                let at = &mut next[*group as usize];
                order[*at as usize] = row as u32;
                *at += 1;
            }
        }
        let met = vec![false; if self.how.keeps_right() { rows.num_rows() } else { 0 }];
        Ok(Partners { keys, rows, groups, starts, order, met })
    }

    fn match_batch(
        &self,
        batch: &RecordBatch,
        right: &mut Partners,
        out: &mut VecDeque<Batch>,
    ) -> Result<()> {
        let columns = columns_at(batch, &self.left_keys);
        let most = batch.num_rows().min(BATCH_ROWS);
        let (mut here, mut there) = (Vec::with_capacity(most), Vec::with_capacity(most));
        for (row, key) in right.keys.rows(&columns)?.iter().enumerate() {
            let group = if any_null(&columns, row) { None } else { right.groups.find(key.data()) };
            let partners = group.map_or(0..0, |group| {
                right.starts[group as usize] as usize..right.starts[group as usize + 1] as usize
            });
            let row = row as u32;
            if self.how.is_filter() {
                if partners.is_empty() == (self.how == JoinType::Anti) {
                    here.push(row);
                    there.push(NONE);
                }
                continue;
            }
            if partners.is_empty() && self.how.keeps_left() {
                here.push(row);
                there.push(NONE);
            }
            for &partner in &right.order[partners] {
                if let Some(met) = right.met.get_mut(partner as usize) {
                    *met = true;
                }
                here.push(row);
                there.push(partner);
                if here.len() == BATCH_ROWS {
                    out.push_back(self.put(batch, &here, &right.rows, &there)?);
                    here.clear();
                    there.clear();
                }
            }
        }
        if !here.is_empty() {
            out.push_back(self.put(batch, &here, &right.rows, &there)?);
        }
        Ok(())
    }

    /// A batch of left and right rows, side by side.
    fn put(
        &self,
        left: &RecordBatch,
        here: &[u32],
        right: &RecordBatch,
        there: &[u32],
    ) -> Result<Batch> {
        let Batch(batch) = side_by_side(&self.brought, left, here, right, there)?;
        let is_alone = here.first() == Some(&NONE);
        if !(is_alone && self.is_coalesced) {
            return Ok(Batch(batch));
        }
        let mut columns = batch.columns().to_vec();
        let there = numbered(there);
        for (&own, &other) in self.left_keys.iter().zip(&self.right_keys) {
            columns[own] = taken(right.column(other), &there)?;
        }
        Ok(Batch(self.brought.output.batch(columns, here.len())?))
    }
}

/// Rows of both sides beside each other, nulls where there is none.
pub(super) fn side_by_side(
    brought: &Brought,
    left: &RecordBatch,
    here: &[u32],
    right: &RecordBatch,
    there: &[u32],
) -> Result<Batch> {
    let rows = here.len();
    // Where each left row comes once, as with a key of the right, its columns are there already.
    let is_left = rows == left.num_rows() && here.iter().zip(0..).all(|(&row, at)| row == at);
    let (here, there) = (numbered(here), numbered(there));
    let own = left.columns().iter().map(|column| match is_left {
        true => Ok(Arc::clone(column)),
        false => taken(column, &here),
    });
    let other = brought.columns.iter().map(|&at| taken(right.column(at), &there));
    Ok(Batch(brought.output.batch(own.chain(other).collect::<Result<_>>()?, rows)?))
}

/// The number of no row. There are fewer rows than that.
pub(super) const NONE: u32 = u32::MAX;

/// Numbers of rows, null where there is none.
fn numbered(rows: &[u32]) -> UInt32Array {
    match rows.contains(&NONE) {
        false => UInt32Array::from(rows.to_vec()),
        true => rows.iter().map(|&row| (row != NONE).then_some(row)).collect(),
    }
}

fn taken(column: &ArrayRef, rows: &UInt32Array) -> Result<ArrayRef> {
    take(column, rows, None).map_err(Error::arrow("putting rows side by side"))
}
