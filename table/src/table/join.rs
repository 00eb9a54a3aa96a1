//! Joins by one or more keys.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_select::concat::concat_batches;
use arrow_select::take::take;
use firesteel_core::Error as CoreError;
use serde::{Deserialize, Serialize};

use super::{BATCH_ROWS, Table};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::keys::{Groups, Keys, any_null};
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
    /// memory, outside of it: put the smaller table on the right.
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
        let places = |table: &Self, names: &[&str]| {
            names.iter().map(|name| table.schema.index_of(name)).collect::<Result<Vec<usize>>>()
        };
        let left_keys = places(self, &left_on.iter().map(AsRef::as_ref).collect::<Vec<_>>())?;
        let right_names: Vec<&str> = right_on.iter().map(AsRef::as_ref).collect();
        let mut right_keys = places(other, &right_names)?;
        let mut types: Vec<Type> = Vec::new();
        for (&left, &right) in left_keys.iter().zip(&right_keys) {
            let (left, right) = (&self.schema.fields()[left], &other.schema.fields()[right]);
            if left.data_type != right.data_type {
                let expected = format!("{}, as on the left", left.data_type);
                return Err(Error::mismatch(&right.name, &expected, Some(right.data_type)));
            }
            types.push(left.data_type);
        }
        let mut output: Vec<Field> = self.schema.fields().to_vec();
        let mut brought: Vec<usize> = Vec::new();
        let mut right = other.clone();
        if how.is_filter() {
            right = other.select(&right_names)?.distinct()?;
            right_keys = (0..right_names.len()).collect();
        } else {
            for (at, field) in other.schema.fields().iter().enumerate() {
                if once && right_keys.contains(&at) {
                    continue;
                }
                let mut field = field.clone();
                if self.schema.contains(&field.name) {
                    field.name.push_str(SUFFIX);
                }
                output.push(field);
                brought.push(at);
            }
        }
        let output = Schema::new(output)?;
        let (left_rows, right_rows) = (self.placed(&left_keys)?, right.placed(&right_keys)?);
        let coalesced = if once { Some(right_keys.clone()) } else { None };
        let work = Arc::new(Join {
            how,
            types,
            left_keys,
            right_keys,
            coalesced,
            brought,
            left: self.schema.clone(),
            right: right.schema.clone(),
            output: output.clone(),
        });
        Keys::new(&work.types)?; // what cannot be a key is found now
        let joined = left_rows
            .zip_partitions(&right_rows, move |left, right| work.join(left, right))
            .map_err(Error::Core)?;
        Ok(Self::new(output, joined.try_map(|batch| batch)))
    }
}

/// What is done in each partition.
struct Join {
    how: JoinType,
    types: Vec<Type>,
    left_keys: Vec<usize>,
    right_keys: Vec<usize>,
    /// The right keys, if the left ones take their values where there is no left row.
    coalesced: Option<Vec<usize>>,
    /// The right columns that are put out.
    brought: Vec<usize>,
    left: Schema,
    right: Schema,
    output: Schema,
}

/// The right rows of a partition, by key.
struct Partners {
    rows: RecordBatch,
    groups: Groups,
    /// Where the rows of each group start in `order`, and the end.
    starts: Vec<u32>,
    order: Vec<u32>,
    met: Vec<bool>,
}

fn columns_at(batch: &RecordBatch, positions: &[usize]) -> Vec<ArrayRef> {
    positions.iter().map(|&at| Arc::clone(batch.column(at))).collect()
}

impl Join {
    fn join(
        &self,
        left: impl Iterator<Item = Batch>,
        right: impl Iterator<Item = Batch>,
    ) -> Vec<Result<Batch, CoreError>> {
        let all = || -> Result<Vec<Batch>> {
            let keys = Keys::new(&self.types)?;
            let mut right = self.gather(&keys, right)?;
            let mut out = Vec::new();
            for Batch(batch) in left {
                self.match_batch(&keys, &batch, &mut right, &mut out)?;
            }
            if self.how.keeps_right() {
                let alone = right.met.iter().zip(0..).filter(|(met, _)| !**met);
                let alone: Vec<Option<u32>> = alone.map(|(_, row)| Some(row)).collect();
                let none = RecordBatch::new_empty(self.left.to_arrow());
                for some in alone.chunks(BATCH_ROWS) {
                    let no_left = vec![None; some.len()];
                    out.push(self.put(&none, &no_left, &right.rows, some)?);
                }
            }
            Ok(out)
        };
        match all() {
            Ok(batches) => batches.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error.into())],
        }
    }

    fn gather(&self, keys: &Keys, right: impl Iterator<Item = Batch>) -> Result<Partners> {
        let batches: Vec<RecordBatch> = right.map(|batch| batch.0).collect();
        let rows = concat_batches(&self.right.to_arrow(), &batches)
            .map_err(Error::arrow("putting batches together"))?;
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
        let met = vec![false; rows.num_rows()];
        Ok(Partners { rows, groups, starts, order, met })
    }

    fn match_batch(
        &self,
        keys: &Keys,
        batch: &RecordBatch,
        right: &mut Partners,
        out: &mut Vec<Batch>,
    ) -> Result<()> {
        let columns = columns_at(batch, &self.left_keys);
        let (mut here, mut there): (Vec<Option<u32>>, Vec<Option<u32>>) = (Vec::new(), Vec::new());
        for (row, key) in keys.rows(&columns)?.iter().enumerate() {
            let group = if any_null(&columns, row) { None } else { right.groups.find(key.data()) };
            let partners = group.map_or(0..0, |group| {
                right.starts[group as usize] as usize..right.starts[group as usize + 1] as usize
            });
            let row = row as u32;
            if self.how.is_filter() {
                if partners.is_empty() == (self.how == JoinType::Anti) {
                    here.push(Some(row));
                    there.push(None);
                }
                continue;
            }
            if partners.is_empty() && self.how.keeps_left() {
                here.push(Some(row));
                there.push(None);
            }
            for &partner in &right.order[partners] {
                right.met[partner as usize] = true;
                here.push(Some(row));
                there.push(Some(partner));
                if here.len() == BATCH_ROWS {
                    out.push(self.put(batch, &here, &right.rows, &there)?);
                    here.clear();
                    there.clear();
                }
            }
        }
        if !here.is_empty() {
            out.push(self.put(batch, &here, &right.rows, &there)?);
        }
        Ok(())
    }

    /// A batch of left and right rows, side by side.
    fn put(
        &self,
        left: &RecordBatch,
        here: &[Option<u32>],
        right: &RecordBatch,
        there: &[Option<u32>],
    ) -> Result<Batch> {
        let rows = here.len();
        let is_alone = here.first().is_some_and(Option::is_none);
        let (here, there) = (UInt32Array::from(here.to_vec()), UInt32Array::from(there.to_vec()));
        let one = |column: &ArrayRef, rows: &UInt32Array| {
            take(column, rows, None).map_err(Error::arrow("putting rows side by side"))
        };
        let mut columns = Vec::with_capacity(self.output.len());
        for (at, column) in left.columns().iter().enumerate() {
            let key = self.left_keys.iter().position(|&key| key == at);
            let from_right = key.zip(self.coalesced.as_ref()).filter(|_| is_alone);
            columns.push(match from_right {
                Some((key, right_keys)) => one(right.column(right_keys[key]), &there)?,
                None => one(column, &here)?,
            });
        }
        for &at in &self.brought {
            columns.push(one(right.column(at), &there)?);
        }
        Ok(Batch(self.output.batch(columns, rows)?))
    }
}
