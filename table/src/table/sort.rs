//! Sorting by several keys.

use std::fmt;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SortOptions;
use firesteel_core::Error as CoreError;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{BATCH_ROWS, Table};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::keys::Keys;
use crate::schema::Type;

/// What rows are sorted by, and which way.
///
/// # Examples
///
/// ```
/// use firesteel_table::{SortKey, col};
///
/// let key = SortKey::descending(col("age"));
/// assert_eq!(key.to_string(), "age descending, nulls last");
/// assert_eq!(SortKey::from(col("age")).nulls_first().to_string(), "age ascending, nulls first");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct SortKey {
    expr: Expr,
    descending: bool,
    nulls_first: bool,
}

impl SortKey {
    /// Least first, nulls last.
    pub fn ascending(expr: impl Into<Expr>) -> Self {
        Self { expr: expr.into(), descending: false, nulls_first: false }
    }

    /// Greatest first, nulls last.
    pub fn descending(expr: impl Into<Expr>) -> Self {
        Self { expr: expr.into(), descending: true, nulls_first: false }
    }

    /// Puts nulls before everything else.
    pub fn nulls_first(self) -> Self {
        Self { nulls_first: true, ..self }
    }

    /// Its type and its order, if it has one.
    pub(crate) fn check(&self, schema: &crate::Schema) -> Result<(Type, SortOptions)> {
        let of = self.expr.output_type(schema)?;
        if !of.is_single() {
            return Err(Error::mismatch(&self.expr, "something with an order", Some(of)));
        }
        Ok((of, self.options()))
    }

    pub(crate) fn is_descending(&self) -> bool {
        self.descending
    }

    pub(crate) fn evaluate(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        self.expr.evaluate(batch)
    }

    fn options(&self) -> SortOptions {
        SortOptions { descending: self.descending, nulls_first: self.nulls_first }
    }
}

impl From<Expr> for SortKey {
    fn from(expr: Expr) -> Self {
        Self::ascending(expr)
    }
}

impl From<&str> for SortKey {
    fn from(column: &str) -> Self {
        Self::ascending(crate::col(column))
    }
}

impl fmt::Display for SortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.descending { "descending" } else { "ascending" };
        let nulls = if self.nulls_first { "first" } else { "last" };
        write!(f, "{} {way}, nulls {nulls}", self.expr)
    }
}

impl Table {
    /// The rows sorted by the first key, those equal in it by the second, and so on; rows equal in all
    /// keep their order. Numbers, texts and truth values compare as in expressions: NaN is greater than
    /// every number, `-0.0` equals `0.0`, texts go by code point, false before true.
    ///
    /// # Errors
    ///
    /// Those of [`Expr::output_type`]; [`Error::TypeMismatch`] for a vector. From the action: an error
    /// of an expression with its row.
    ///
    /// # Cost
    ///
    /// One shuffle of all rows, as bytes that compare as the keys do; what does not fit into the memory
    /// budget is sorted on disk.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::{SortKey, Table, col, one_row};
    ///
    /// let rows = [("a", 20), ("b", 67), ("a", 41)].map(|(ward, age)| {
    ///     one_row(&[("ward", ward.into()), ("age", age.into())]).unwrap()
    /// });
    /// let table = Table::from_batches(&Context::local(), rows.to_vec())?;
    /// let sorted = table.sort([SortKey::from("ward"), SortKey::descending(col("age"))])?;
    /// assert_eq!(sorted.column_f64("age")?, [41.0, 20.0, 67.0]);
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    pub fn sort<K: Into<SortKey>>(&self, by: impl IntoIterator<Item = K>) -> Result<Self> {
        let by: Vec<SortKey> = by.into_iter().map(Into::into).collect();
        let types = by.iter().map(|key| key.check(&self.schema)).collect::<Result<Vec<_>>>()?;
        if by.is_empty() {
            return Ok(self.clone());
        }
        let keys = Arc::new(Keys::ordered(types)?);
        let columns: Vec<Type> = self.schema.fields().iter().map(|field| field.data_type).collect();
        let whole = Arc::new(Keys::new(&columns)?);
        let packed = {
            let whole = Arc::clone(&whole);
            self.batches.map_partitions(move |batches| {
                let (by, keys, whole) = (by.clone(), Arc::clone(&keys), Arc::clone(&whole));
                batches.flat_map(move |batch| match pack(&batch, &by, &keys, &whole) {
                    Ok(rows) => rows.into_iter().map(Ok).collect::<Vec<_>>(),
                    Err(error) => vec![Err(CoreError::from(error))],
                })
            })
        };
        let sorted = packed.try_map(|row| row).sort_by_key().values();
        let schema = self.schema.clone();
        let batches = sorted.map_partitions(move |rows| {
            let (whole, schema) = (Arc::clone(&whole), schema.clone());
            let mut rows = rows.peekable();
            std::iter::from_fn(move || {
                rows.peek()?;
                let some: Vec<Packed> = rows.by_ref().take(BATCH_ROWS).collect();
                let columns = whole.columns(some.iter().map(|row| &*row.0));
                let batch = columns.and_then(|columns| schema.batch(columns, some.len()));
                Some(batch.map(Batch).map_err(CoreError::from))
            })
        });
        Ok(Self::new(self.schema.clone(), batches.try_map(|batch| batch)))
    }
}

fn pack(
    Batch(batch): &Batch,
    by: &[SortKey],
    keys: &Keys,
    whole: &Keys,
) -> Result<Vec<(Packed, Packed)>> {
    let columns = by.iter().map(|key| key.evaluate(batch)).collect::<Result<Vec<_>>>()?;
    let (keys, rows) = (keys.rows(&columns)?, whole.exact_rows(batch.columns())?);
    let packed = |(key, row): (arrow_row::Row<'_>, arrow_row::Row<'_>)| {
        (Packed(key.data().into()), Packed(row.data().into()))
    };
    Ok(keys.iter().zip(rows.iter()).map(packed).collect())
}

/// Bytes that travel in one piece.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Packed(Box<[u8]>);

impl Serialize for Packed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;
        impl Visitor<'_> for Whole {
            type Value = Packed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of a row")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Packed, E> {
                Ok(Packed(bytes.into()))
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Packed, E> {
                Ok(Packed(bytes.into()))
            }
        }
        deserializer.deserialize_bytes(Whole)
    }
}
