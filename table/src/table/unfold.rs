//! Rows made of lists and of columns; rows that differ in some columns.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow_select::take::take;

use super::Table;
use crate::error::{Error, Result};
use crate::expr::col;
use crate::schema::{Field, Schema, Type};

impl Table {
    /// A row for each value of a column of lists, in their order, with the other columns repeated. A row
    /// whose list is null or empty stays, with a null: nothing is lost in silence. Filter by
    /// `col(name).list_len().gt(0)` before it to be rid of those.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`]; [`Error::TypeMismatch`] if the column has no lists.
    ///
    /// # Cost
    ///
    /// Nothing moves.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::{Table, col, one_row};
    ///
    /// let rows = [(1, "250.8;401"), (2, "")].map(|(id, codes)| {
    ///     one_row(&[("id", id.into()), ("codes", codes.into())]).unwrap()
    /// });
    /// let table = Table::from_batches(&Context::local(), rows.to_vec())?;
    /// let codes = table.with_column("codes", col("codes").split(";"))?.explode("codes")?;
    /// assert_eq!(codes.column_f64("id")?, [1.0, 1.0, 2.0]);
    /// assert_eq!(codes.column_strings("codes")?[1].as_deref(), Some("401"));
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    pub fn explode(&self, column: &str) -> Result<Self> {
        let place = self.schema.index_of(column)?;
        let of = self.schema.type_of(column)?;
        let Type::List(item) = of else {
            return Err(Error::mismatch(column, "a list", Some(of)));
        };
        let schema = self.schema.with(column, item.into());
        let to = schema.clone();
        Ok(self.map_known(schema, move |batch| exploded(batch, place, &to)))
    }

    /// A row for each of the columns `on`, in their order: `index`, then the column's name as `variable` and
    /// its value as `value`. Other columns go. Whole numbers become floats where there are both.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`]; [`Error::DuplicateColumn`] if `index` has a column `variable` or
    /// `value`; [`Error::TypeMismatch`] if `on` has columns of different types; a parameter error if it is
    /// empty.
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
    /// let row = one_row(&[("id", 1.into()), ("sbp", 120.into()), ("bmi", 24.5.into())])?;
    /// let table = Table::from_batches(&Context::local(), vec![row])?;
    /// let long = table.unpivot(&["id"], &["sbp", "bmi"])?;
    /// assert_eq!(long.schema().to_string(), "id: i64, variable: string, value: f64");
    /// assert_eq!(long.column_f64("value")?, [120.0, 24.5]);
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    pub fn unpivot<S: AsRef<str>, T: AsRef<str>>(&self, index: &[S], on: &[T]) -> Result<Self> {
        let first = on.first();
        let first = first.ok_or_else(|| Error::parameter("on", "empty", "at least one column"))?;
        let mut common = self.schema.type_of(first.as_ref())?;
        for name in on {
            let of = self.schema.type_of(name.as_ref())?;
            if of != common {
                if !(of.is_number() && common.is_number()) {
                    let expected = format!("{common}, like the columns before");
                    return Err(Error::mismatch(name.as_ref(), &expected, Some(of)));
                }
                common = Type::F64;
            }
        }
        let mut fields = self.schema.select(index)?.fields().to_vec();
        fields.extend([Field::new("variable", Type::String), Field::new("value", common)]);
        let schema = Schema::new(fields)?;
        let place = |name: &str| self.schema.index_of(name);
        let index = index.iter().map(|name| place(name.as_ref())).collect::<Result<Vec<_>>>()?;
        let values = on.iter().map(|name| col(name.as_ref()).cast(common)).collect::<Vec<_>>();
        let names = StringArray::from_iter_values(on.iter().map(AsRef::as_ref));
        let names: ArrayRef = Arc::new(names);
        let to = schema.clone();
        Ok(self.map_known(schema, move |batch| {
            let values = values.iter().map(|value| value.evaluate(batch));
            let values = values.collect::<Result<Vec<_>>>()?;
            unpivoted(batch, &index, &names, &values, &to)
        }))
    }

    /// Of the rows that are equal in the named columns the first, with all columns.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`], [`Error::DuplicateColumn`].
    ///
    /// # Cost
    ///
    /// As [`GroupBy::agg`](crate::GroupBy::agg); the order of rows is as there.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::{Table, one_row};
    ///
    /// let rows = [("a", 1), ("b", 2), ("a", 3)].map(|(s, n)| {
    ///     one_row(&[("n", n.into()), ("s", s.into())]).unwrap()
    /// });
    /// let table = Table::from_batches(&Context::local(), rows.to_vec())?;
    /// let firsts = table.distinct_by(&["s"])?.sort(["n"])?;
    /// assert_eq!(firsts.column_f64("n")?, [1.0, 2.0]);
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    pub fn distinct_by<S: AsRef<str>>(&self, columns: &[S]) -> Result<Self> {
        let keys: Vec<&str> = columns.iter().map(AsRef::as_ref).collect();
        let others = self.schema.names().filter(|name| !keys.contains(name));
        let firsts = others.map(|name| col(name).first().alias(name));
        let firsts = self.group_by(&keys)?.agg(firsts)?;
        firsts.select(&self.schema.names().collect::<Vec<_>>())
    }
}

fn exploded(batch: &RecordBatch, place: usize, to: &Schema) -> Result<RecordBatch> {
    let lists = batch.column(place).as_list::<i32>();
    let ends = lists.value_offsets();
    let (mut rows, mut values): (Vec<u32>, Vec<Option<u32>>) = (Vec::new(), Vec::new());
    for row in 0..batch.num_rows() {
        let range = match lists.is_valid(row) {
            true => ends[row] as u32..ends[row + 1] as u32,
            false => 0..0,
        };
        let count = range.len().max(1);
        rows.extend(std::iter::repeat_n(row as u32, count));
        match range.is_empty() {
            true => values.push(None),
            false => values.extend(range.map(Some)),
        }
    }
    let (rows, values) = (UInt32Array::from(rows), UInt32Array::from(values));
    let taken = |column: &ArrayRef, rows: &UInt32Array| {
        take(column, rows, None).map_err(Error::arrow("making rows of lists"))
    };
    let column = |(at, column): (usize, &ArrayRef)| match at == place {
        true => taken(lists.values(), &values),
        false => taken(column, &rows),
    };
    let columns = batch.columns().iter().enumerate().map(column).collect::<Result<_>>()?;
    to.batch(columns, rows.len())
}

fn unpivoted(
    batch: &RecordBatch,
    index: &[usize],
    names: &ArrayRef,
    values: &[ArrayRef],
    to: &Schema,
) -> Result<RecordBatch> {
    let (count, each) = (batch.num_rows(), values.len());
    let doing = "making rows of columns";
    let repeated = |at: &dyn Fn(usize) -> u32| -> UInt32Array {
        (0..count * each).map(|row| Some(at(row))).collect()
    };
    let rows = repeated(&|row| (row / each) as u32);
    let which = repeated(&|row| (row % each) as u32);
    let mut columns = index
        .iter()
        .map(|&at| take(batch.column(at), &rows, None).map_err(Error::arrow(doing)))
        .collect::<Result<Vec<_>>>()?;
    columns.push(take(names, &which, None).map_err(Error::arrow(doing))?);
    let arrays: Vec<&dyn Array> = values.iter().map(AsRef::as_ref).collect();
    let places: Vec<(usize, usize)> =
        (0..count * each).map(|row| (row % each, row / each)).collect();
    let value = arrow_select::interleave::interleave(&arrays, &places);
    columns.push(value.map_err(Error::arrow(doing))?);
    to.batch(columns, count * each)
}
