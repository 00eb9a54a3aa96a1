//! Groups of rows, and what becomes of each.

use std::sync::Arc;

use arrow_array::ArrayRef;
use firesteel_core::Error as CoreError;

use super::{BATCH_ROWS, Table};
use crate::aggregate::{Accumulator, Aggregate, accumulator, count_rows};
use crate::batch::Batch;
use crate::error::Result;
use crate::expr::{Expr, Node, col};
use crate::keys::{Groups, Keys};
use crate::schema::{Field, Schema, Type};
use crate::table::sort::SortKey;

/// The rows of a table by key; made by [`Table::group_by`].
#[derive(Clone, Debug)]
#[must_use = "groups do nothing until they are aggregated"]
pub struct GroupBy {
    table: Table,
    keys: Vec<Key>,
}

/// What rows are grouped by: a column by its name, or an expression under a name, `("decade",
/// col("age") / 10)`; without one its text is the name.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Key {
    name: String,
    expr: Expr,
}

impl<S: AsRef<str> + ?Sized> From<&S> for Key {
    fn from(column: &S) -> Self {
        Self { name: column.as_ref().to_owned(), expr: col(column.as_ref()) }
    }
}

impl From<String> for Key {
    fn from(column: String) -> Self {
        Self::from(&column)
    }
}

impl From<Expr> for Key {
    fn from(expr: Expr) -> Self {
        let name = match expr.node() {
            Node::Column(name) => name.clone(),
            _ => expr.to_string(),
        };
        Self { name, expr }
    }
}

impl<N: Into<String>> From<(N, Expr)> for Key {
    fn from((name, expr): (N, Expr)) -> Self {
        Self { name: name.into(), expr }
    }
}

impl Table {
    /// Groups rows that are equal in the named columns, or in expressions (see [`Key`]). Nulls are equal to
    /// each other here, so are NaNs, and both zeros.
    ///
    /// # Errors
    ///
    /// Those of [`Expr::output_type`];
    /// [`Error::DuplicateColumn`](crate::Error::DuplicateColumn) for a name given twice.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::{Table, col, count_rows, one_row};
    ///
    /// let rows = [("a", 41), ("b", 67), ("a", 20)].map(|(ward, age)| {
    ///     one_row(&[("ward", ward.into()), ("age", age.into())]).unwrap()
    /// });
    /// let table = Table::from_batches(&Context::local(), rows.to_vec())?;
    /// let wards = table
    ///     .group_by(["ward"])?
    ///     .agg([count_rows().alias("rows"), col("age").mean()])?
    ///     .sort([col("ward")])?;
    /// assert_eq!(wards.column_f64("rows")?, [2.0, 1.0]);
    /// assert_eq!(wards.column_f64("mean(age)")?, [30.5, 67.0]);
    /// let decade = (col("age") / 10).floor();
    /// let decades = table.group_by([("decade", decade)])?.agg([count_rows()])?;
    /// assert_eq!(decades.schema().to_string(), "decade: f64, count_rows(): i64");
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    pub fn group_by<K: Into<Key>>(&self, keys: impl IntoIterator<Item = K>) -> Result<GroupBy> {
        let keys: Vec<Key> = keys.into_iter().map(Into::into).collect();
        let groups = GroupBy { table: self.clone(), keys };
        Schema::new(groups.fields()?)?;
        Ok(groups)
    }

    /// One row about all rows, also if there are none: [`GroupBy::agg`] without keys.
    ///
    /// # Errors
    ///
    /// As [`GroupBy::agg`].
    ///
    /// # Cost
    ///
    /// The columns that are asked about travel to one partition, which holds what its aggregates hold.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::{Schema, Table, Type, col, count_rows};
    ///
    /// let none = Table::empty(&Context::local(), Schema::of([("x", Type::F64)])?);
    /// let all = none.agg([count_rows(), col("x").sum()])?;
    /// assert_eq!((all.column_f64("count_rows()")?[0], all.count()?), (0.0, 1));
    /// assert!(all.column_f64("sum(x)")?[0].is_nan()); // a null
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    pub fn agg(&self, aggregates: impl IntoIterator<Item = Aggregate>) -> Result<Self> {
        self.group_by(std::iter::empty::<Key>())?.agg(aggregates)
    }

    /// Each different row once. Of floats that are equal one form is kept: `0.0` of both zeros, one
    /// NaN of all.
    ///
    /// # Errors
    ///
    /// As [`GroupBy::agg`].
    ///
    /// # Cost
    ///
    /// As [`GroupBy::agg`] with all columns as keys; the order of rows is as there.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::{Table, one_row};
    ///
    /// let rows = ["b", "a", "b"].map(|s| one_row(&[("s", s.into())]).unwrap());
    /// let table = Table::from_batches(&Context::local(), rows.to_vec())?;
    /// assert_eq!(table.distinct()?.count()?, 2);
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    pub fn distinct(&self) -> Result<Self> {
        let names: Vec<&str> = self.schema.names().collect();
        self.group_by(&names)?.agg([])
    }

    /// How often each value of a column occurs, in a column `count`: the most frequent first, of
    /// equally frequent ones the least; a null counts as a value.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`](crate::Error::UnknownColumn);
    /// [`Error::DuplicateColumn`](crate::Error::DuplicateColumn) if the column itself is called
    /// `count`.
    ///
    /// # Cost
    ///
    /// As [`GroupBy::agg`] and [`Table::sort`] of the values.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::{Table, one_row};
    ///
    /// let rows = ["b", "a", "c", "c"].map(|s| one_row(&[("s", s.into())]).unwrap());
    /// let table = Table::from_batches(&Context::local(), rows.to_vec())?;
    /// let counts = table.value_counts("s")?;
    /// assert_eq!(counts.column_strings("s")?.into_iter().flatten().collect::<String>(), "cab");
    /// assert_eq!(counts.column_f64("count")?, [2.0, 1.0, 1.0]);
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    pub fn value_counts(&self, column: &str) -> Result<Self> {
        let counts = self.group_by([column])?.agg([count_rows().alias("count")])?;
        counts.sort([SortKey::descending(col("count")), col(column).into()])
    }
}

impl GroupBy {
    /// The columns of the keys.
    fn fields(&self) -> Result<Vec<Field>> {
        let schema = &self.table.schema;
        let field = |key: &Key| match key.expr.node() {
            // With what is noted about it.
            Node::Column(name) if *name == key.name => schema.field(name).cloned(),
            _ => Ok(Field::new(&key.name, key.expr.output_type(schema)?)),
        };
        self.keys.iter().map(field).collect()
    }

    /// A table with a row for each group: its keys, and a column for each aggregate under its
    /// [name](Aggregate::name).
    ///
    /// Rows are in an order that depends on their keys and nothing else but the order of the table;
    /// [`sort`](Table::sort) the result for one that means something. What functions do with nulls,
    /// overflow and NaN:
    ///
    /// - Nulls are left out, but by `count_rows`, and by `first` and `last`, which give what stands
    ///   there. Of no values `count` and `count_distinct` are 0, everything else is null.
    /// - Whole numbers are added exactly; a sum beyond the range of `i64` is an error.
    /// - Floats are added in the order of the table's rows, in twice their precision; a partial sum that
    ///   leaves the range of floats stays infinite.
    /// - `var` and `std` are those of a sample, null of fewer than two values.
    /// - NaN is greater than every number in `min`, `max`, orders and quantiles.
    /// - Quantiles are exact, linear between two values (numpy's default), infinite next to an infinite
    ///   value.
    ///
    /// # Errors
    ///
    /// Those of [`Aggregate::output_type`];
    /// [`Error::DuplicateColumn`](crate::Error::DuplicateColumn) if two columns would have one
    /// name. From the action: an error of an expression with its row, a sum that overflows.
    ///
    /// # Cost
    ///
    /// One shuffle of the keys and of the columns that the aggregates read, into 64 partitions, within
    /// the memory budget. There a partition's groups are held in memory, outside of it: their keys and
    /// some words an aggregate, all values for quantiles, the different ones for `count_distinct`.
    pub fn agg(&self, aggregates: impl IntoIterator<Item = Aggregate>) -> Result<Table> {
        let (table, schema) = (&self.table, &self.table.schema);
        let aggregates: Vec<Aggregate> = aggregates.into_iter().collect();
        // What travels: the keys, and each expression once.
        let mut inputs: Vec<Expr> = self.keys.iter().map(|key| key.expr.clone()).collect();
        let keys = inputs.len();
        let mut output = self.fields()?;
        let mut reads: Vec<Vec<usize>> = Vec::new();
        for aggregate in &aggregates {
            output.push(Field::new(aggregate.name(), aggregate.output_type(schema)?));
            let mut place = |expr: &Expr| {
                let known = inputs[keys..].iter().position(|known| known == expr);
                known.map_or_else(
                    || {
                        inputs.push(expr.clone());
                        inputs.len() - 1
                    },
                    |at| keys + at,
                )
            };
            reads.push(aggregate.inputs().map(&mut place).collect());
        }
        let output = Schema::new(output)?;
        let types: Vec<Type> =
            inputs.iter().map(|input| input.output_type(schema)).collect::<Result<_>>()?;
        let moved = Schema::of(types.iter().enumerate().map(|(at, of)| (at.to_string(), *of)))?;
        let to = moved.clone();
        let projected = table.map_known(moved, move |batch| {
            let columns = inputs.iter().map(|input| input.evaluate(batch));
            to.batch(columns.collect::<Result<_>>()?, batch.num_rows())
        });
        let placed = projected.placed(&(0..keys).collect::<Vec<_>>())?;
        let work = Arc::new(Work { keys, types, reads, aggregates, output: output.clone() });
        work.start()?; // what cannot be a key is found now
        let grouped = placed.try_map_partitions_with_index(move |place, batches| {
            work.group(place, batches).map_err(CoreError::from)
        });
        Ok(Table::new(output, grouped))
    }
}

/// What is done in each partition.
struct Work {
    /// The first columns are the keys.
    keys: usize,
    types: Vec<Type>,
    /// The columns that each aggregate reads.
    reads: Vec<Vec<usize>>,
    aggregates: Vec<Aggregate>,
    output: Schema,
}

impl Work {
    fn start(&self) -> Result<(Keys, Vec<Box<dyn Accumulator>>)> {
        let keys = Keys::new(&self.types[..self.keys])?;
        let states = self.aggregates.iter().zip(&self.reads).map(|(aggregate, reads)| {
            let types: Vec<Type> = reads.iter().map(|&at| self.types[at]).collect();
            accumulator(aggregate, &types)
        });
        Ok((keys, states.collect::<Result<_>>()?))
    }

    fn group(&self, place: usize, batches: impl Iterator<Item = Batch>) -> Result<Vec<Batch>> {
        let (keys, mut states) = self.start()?;
        let mut groups = Groups::default();
        if self.keys == 0 && place == 0 {
            groups.number(&[]); // all rows, also if there are none
        }
        for Batch(batch) in batches {
            let numbers: Vec<u32> = if self.keys == 0 {
                vec![0; batch.num_rows()]
            } else {
                let rows = keys.rows(&batch.columns()[..self.keys])?;
                rows.iter().map(|row| groups.number(row.data())).collect()
            };
            for (state, reads) in states.iter_mut().zip(&self.reads) {
                let inputs: Vec<ArrayRef> =
                    reads.iter().map(|&at| Arc::clone(batch.column(at))).collect();
                state.add(&numbers, groups.len(), &inputs)?;
            }
        }
        let count = groups.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut columns = if self.keys == 0 { Vec::new() } else { keys.columns(groups.keys())? };
        for state in states {
            columns.push(state.finish(count)?);
        }
        let all = self.output.batch(columns, count)?;
        let starts = (0..count).step_by(BATCH_ROWS);
        Ok(starts.map(|at| Batch(all.slice(at, BATCH_ROWS.min(count - at)))).collect())
    }
}
