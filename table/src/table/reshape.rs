//! Grouping sets, pivots, unions by name, samples.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::BooleanArray;
use firesteel_core::Error as CoreError;
use firesteel_core::rng::Draws;

use super::Table;
use crate::aggregate::Aggregate;
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::expr::{col, lit, null};
use crate::schema::{Schema, Type};
use crate::value::Value;

/// The rows of a table by several sets of keys at once; made by [`Table::rollup`], [`Table::cube`] and
/// [`Table::grouping_sets`].
#[derive(Clone, Debug)]
#[must_use = "groups do nothing until they are aggregated"]
pub struct GroupingSets {
    table: Table,
    keys: Vec<String>,
    /// For each set, which of the keys are in it.
    sets: Vec<Vec<bool>>,
}

/// The column that tells the sets apart.
const GROUPING_ID: &str = "grouping_id";
/// Columns that a pivot makes at most.
const MOST_PIVOTED: usize = 10_000;
/// Keys of a cube at most: it has 2ⁿ sets.
const MOST_CUBED: usize = 12;

impl Table {
    /// Groups by the keys, then by all but the last, and so on down to all rows together: subtotals of a
    /// hierarchy.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`], [`Error::DuplicateColumn`].
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::{Table, col, one_row};
    ///
    /// let rows = [("a", 1, 10), ("a", 2, 20), ("b", 1, 40)].map(|(ward, year, stays)| {
    ///     let row = [("ward", ward.into()), ("year", year.into()), ("stays", stays.into())];
    ///     one_row(&row).unwrap()
    /// });
    /// let table = Table::from_batches(&Context::local(), rows.to_vec())?;
    /// let totals = table.rollup(&["ward", "year"])?.agg([col("stays").sum().alias("stays")])?;
    /// let totals = totals.sort(["grouping_id", "ward", "year"])?;
    /// assert_eq!(totals.column_f64("stays")?, [10.0, 20.0, 40.0, 30.0, 40.0, 70.0]);
    /// assert_eq!(totals.column_f64("grouping_id")?, [0.0, 0.0, 0.0, 1.0, 1.0, 3.0]);
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    pub fn rollup<S: AsRef<str>>(&self, keys: &[S]) -> Result<GroupingSets> {
        let sets = (0..=keys.len()).rev().map(|kept| (0..keys.len()).map(|i| i < kept).collect());
        self.sets_of(keys, sets.collect())
    }

    /// Groups by every subset of the keys.
    ///
    /// # Errors
    ///
    /// As [`rollup`](Self::rollup); a parameter error for more than 12 keys, of which there are 4,096
    /// subsets.
    pub fn cube<S: AsRef<str>>(&self, keys: &[S]) -> Result<GroupingSets> {
        if keys.len() > MOST_CUBED {
            let expected = format!("at most {MOST_CUBED} of them");
            return Err(Error::parameter("keys", keys.len(), expected));
        }
        let all = 1_usize << keys.len();
        let set = |absent: usize| {
            (0..keys.len()).map(move |i| absent >> (keys.len() - 1 - i) & 1 == 0).collect()
        };
        self.sets_of(keys, (0..all).map(set).collect())
    }

    /// Groups by each of some sets of keys.
    ///
    /// # Errors
    ///
    /// As [`rollup`](Self::rollup); a parameter error without a set.
    pub fn grouping_sets<S: AsRef<str>>(&self, sets: &[&[S]]) -> Result<GroupingSets> {
        if sets.is_empty() {
            return Err(Error::parameter("sets", "none", "at least one"));
        }
        let mut keys: Vec<&str> = Vec::new();
        for key in sets.iter().flat_map(|set| set.iter()) {
            if !keys.contains(&key.as_ref()) {
                keys.push(key.as_ref());
            }
        }
        let has = |set: &&[S], key: &str| set.iter().any(|one| one.as_ref() == key);
        let held = sets.iter().map(|set| keys.iter().map(|key| has(set, key)).collect()).collect();
        self.sets_of(&keys, held)
    }

    fn sets_of<S: AsRef<str>>(&self, keys: &[S], sets: Vec<Vec<bool>>) -> Result<GroupingSets> {
        self.schema.select(keys)?;
        let keys = keys.iter().map(|key| key.as_ref().to_owned()).collect();
        Ok(GroupingSets { table: self.clone(), keys, sets })
    }

    /// A row for each group of `index`, and in it a column for each value of `on`, with what the
    /// aggregate makes of the rows that have it. The columns are called as the values are written, in
    /// their order; a null value is called `null`.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`]; those of [`Aggregate::output_type`]; [`Error::TypeMismatch`] for `on`
    /// of floats or vectors; a parameter error for more than 10,000 values, and for `first` and `last`,
    /// which look at places of rows (`first_by` and `last_by` do not);
    /// [`Error::DuplicateColumn`] if a value is called as a column of `index` is. What the job that
    /// finds the values can fail with.
    ///
    /// # Cost
    ///
    /// A job at once that finds the values, then as [`GroupBy::agg`](crate::GroupBy::agg), with a
    /// column a value.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::{Table, col, one_row};
    ///
    /// let rows = [("a", 2024, 10), ("a", 2025, 20), ("b", 2025, 40)].map(|(ward, year, stays)| {
    ///     let row = [("ward", ward.into()), ("year", year.into()), ("stays", stays.into())];
    ///     one_row(&row).unwrap()
    /// });
    /// let table = Table::from_batches(&Context::local(), rows.to_vec())?;
    /// let wide = table.pivot(&["ward"], "year", col("stays").sum())?.sort(["ward"])?;
    /// assert_eq!(wide.schema().to_string(), "ward: string, 2024: i64, 2025: i64");
    /// assert_eq!(wide.column_f64("2025")?, [20.0, 40.0]);
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    #[track_caller]
    pub fn pivot<S: AsRef<str>>(
        &self,
        index: &[S],
        on: &str,
        aggregate: Aggregate,
    ) -> Result<Self> {
        let of = self.schema.type_of(on)?;
        if of == Type::F64 || !of.is_single() {
            return Err(Error::mismatch(
                on,
                "text, whole numbers, dates, timestamps or bool",
                Some(of),
            ));
        }
        aggregate.output_type(&self.schema)?;
        let values = self.select(&[on])?.distinct()?.sort([on])?.to_batch()?;
        if values.num_rows() > MOST_PIVOTED {
            let expected = format!("at most {MOST_PIVOTED}");
            return Err(Error::parameter("values of `on`", values.num_rows(), expected));
        }
        let pivoted = (0..values.num_rows()).map(|row| {
            let value = Value::at(values.column(0), row);
            let (name, is_it) = match &value {
                Value::Null => ("null".to_owned(), col(on).is_null()),
                some => (some.to_string(), col(on).eq(some.clone())),
            };
            Ok(aggregate.only_where(is_it)?.alias(name))
        });
        self.group_by(index)?.agg(pivoted.collect::<Result<Vec<_>>>()?)
    }

    /// The rows of this table, then those of the other, whose columns are found by their names. What
    /// one of them lacks is null in its rows if `allow_missing`, and an error if not; columns that only
    /// the other has come last.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`] for what is lacking; [`Error::SchemaMismatch`] for a column of
    /// different types.
    ///
    /// # Cost
    ///
    /// Nothing moves.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::{Table, one_row};
    ///
    /// let ctx = Context::local();
    /// let one = Table::from_batches(&ctx, vec![one_row(&[("a", 1.into()), ("b", 2.into())])?])?;
    /// let other = Table::from_batches(&ctx, vec![one_row(&[("c", 3.into()), ("a", 4.into())])?])?;
    /// let all = one.union_by_name(&other, true)?;
    /// assert_eq!(all.schema().to_string(), "a: i64, b: i64, c: i64");
    /// assert_eq!(all.column_f64("a")?, [1.0, 4.0]);
    /// assert!(one.union_by_name(&other, false).is_err());
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    pub fn union_by_name(&self, other: &Self, allow_missing: bool) -> Result<Self> {
        let (here, there) = (&self.schema, &other.schema);
        let mut names: Vec<&str> = here.names().collect();
        names.extend(there.names().filter(|name| !here.contains(name)));
        let filled = |table: &Self, from: &Schema| -> Result<Self> {
            let mut table = table.clone();
            for name in &names {
                if !table.schema.contains(name) {
                    if !allow_missing {
                        table.schema.index_of(name)?;
                    }
                    table = table.with_column(name, null().cast(from.type_of(name)?))?;
                }
            }
            table.select(&names)
        };
        filled(self, there)?.union(&filled(other, here)?)
    }

    /// About this share of the rows, each by a draw of its own: which ones depends on the seed and the
    /// rows' numbers, not on how the table is cut.
    ///
    /// # Errors
    ///
    /// A parameter error for a share outside of [0, 1]; what the job that counts the rows can fail
    /// with.
    ///
    /// # Cost
    ///
    /// A job at once that counts the rows of each partition; then a draw a row when it is read.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::{Table, one_row};
    ///
    /// let rows = (0..100).map(|i| one_row(&[("i", i.into())])).collect::<Result<Vec<_>, _>>()?;
    /// let some = Table::from_batches(&Context::local(), rows)?.sample(0.3, 7)?;
    /// assert!((15..45).contains(&some.count()?));
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    #[track_caller]
    pub fn sample(&self, fraction: f64, seed: u64) -> Result<Self> {
        if !(0.0..=1.0).contains(&fraction) {
            return Err(Error::parameter("fraction", fraction, "in [0, 1]"));
        }
        let counts = self
            .batches
            .map_partitions(|batches| [batches.map(|batch| batch.rows() as u64).sum::<u64>()]);
        let mut before = 0_u64;
        let starts: Vec<u64> = counts
            .collect()?
            .into_iter()
            .map(|rows| {
                before += rows;
                before - rows
            })
            .collect();
        let (draws, starts) = (Draws::new(seed, "table sample"), Arc::new(starts));
        let sampled = self.batches.map_partitions_with_index(move |partition, batches| {
            let mut row = starts[partition];
            batches.map(move |Batch(batch)| {
                let rows = row..row + batch.num_rows() as u64;
                row = rows.end;
                let kept: BooleanArray =
                    rows.map(|row| Some(draws.uniform(row) < fraction)).collect();
                arrow_select::filter::filter_record_batch(&batch, &kept)
                    .map(Batch)
                    .map_err(|error| CoreError::from(Error::arrow("sampling rows")(error)))
            })
        });
        Ok(Self::new(self.schema.clone(), sampled.try_map(|batch| batch)))
    }
}

impl GroupingSets {
    /// A table with a row for each group of each set: the keys (null where they are not in the set), a
    /// column `grouping_id`, and a column for each aggregate. `grouping_id` has a bit for each key, the
    /// last key's the lowest, which is set where the key is not in the set: so a null that was in the
    /// table is told from one that stands for all values, as in SQL.
    ///
    /// Rows come set by set.
    ///
    /// # Errors
    ///
    /// As [`GroupBy::agg`](crate::GroupBy::agg); a parameter error for more than 62 keys.
    ///
    /// # Cost
    ///
    /// As [`GroupBy::agg`](crate::GroupBy::agg), once for each set: cache a table that is dear to
    /// compute.
    pub fn agg(&self, aggregates: impl IntoIterator<Item = Aggregate>) -> Result<Table> {
        if self.keys.len() > 62 {
            return Err(Error::parameter("keys", self.keys.len(), "at most 62 of them"));
        }
        let aggregates: Vec<Aggregate> = aggregates.into_iter().collect();
        let mut names: Vec<String> = self.keys.clone();
        names.push(GROUPING_ID.to_owned());
        names.extend(aggregates.iter().map(Aggregate::name));
        let mut seen = BTreeSet::new();
        if let Some(name) = names.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(Error::DuplicateColumn { name: name.clone() });
        }
        let mut all: Option<Table> = None;
        for set in &self.sets {
            let held: Vec<&String> =
                self.keys.iter().zip(set).filter(|(_, held)| **held).map(|(key, _)| key).collect();
            let mut table = self.table.group_by(&held)?.agg(aggregates.clone())?;
            let mut id = 0_i64;
            for (key, held) in self.keys.iter().zip(set) {
                id = id << 1 | i64::from(!held);
                if !held {
                    let of = self.table.schema.type_of(key)?;
                    table = table.with_column(key, null().cast(of))?;
                }
            }
            let table = table.with_column(GROUPING_ID, lit(id))?.select(&names)?;
            all = Some(match all {
                None => table,
                Some(before) => before.union(&table)?,
            });
        }
        all.ok_or_else(|| Error::parameter("sets", "none", "at least one"))
    }
}
