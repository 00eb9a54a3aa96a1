//! Rows as values of a program's own types, by serde, and columns as pairs and matrices.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch};
use firesteel_core::{Context, Data, Dataset, Error as CoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_arrow::schema::{SchemaLike, TracingOptions};

use super::{BATCH_ROWS, Table};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::schema::{Schema, Type};

impl Table {
    /// The rows as values of a type that serde can make of them: a structure whose fields have the names
    /// of columns; columns without a field are passed over. `Option` takes nulls, a null elsewhere is an
    /// error. Lists come as vectors.
    ///
    /// The dataset is lazy.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`] for a field without a column, if serde tells the names; a value that does
    /// not fit is an error of the action that meets it.
    ///
    /// # Cost
    ///
    /// Nothing moves; each row is decoded and its texts are copied.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::{Table, one_row};
    /// use serde::Deserialize;
    ///
    /// #[derive(Clone, Deserialize)]
    /// struct Stay {
    ///     patient: i64,
    ///     weight: Option<f64>,
    /// }
    ///
    /// let row = one_row(&[("patient", 1.into()), ("weight", 70.5.into()), ("sex", "f".into())])?;
    /// let table = Table::from_batches(&Context::local(), vec![row])?;
    /// let heavy = table.rows::<Stay>()?.filter(|stay| stay.weight.is_some_and(|kg| kg > 60.0));
    /// assert_eq!(heavy.map(|stay| stay.patient).collect()?, [1]);
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    pub fn rows<T: Data + DeserializeOwned>(&self) -> Result<Dataset<T>> {
        if let Some(fields) = field_names::<T>() {
            fields.iter().try_for_each(|name| self.schema.index_of(name).map(drop))?;
        }
        let rows = self.batches.map_partitions_with_index(|partition, batches| {
            batches.flat_map(move |Batch(batch)| {
                match serde_arrow::from_record_batch::<Vec<T>>(&batch) {
                    Ok(rows) => rows.into_iter().map(Ok).collect::<Vec<_>>(),
                    Err(error) => vec![Err(not_read(partition, &error))],
                }
            })
        });
        Ok(rows.try_map(|row| row))
    }

    /// A table of rows that every rank has in memory (law 1: the same on every rank): a column for each
    /// field that serde writes, in their order. Types are those of all the rows: `Option` makes nulls, whole
    /// numbers and floats are widened, vectors of single values become lists.
    ///
    /// # Errors
    ///
    /// A parameter error without a row, whose columns cannot be known ([`Table::from_row_dataset`] takes a
    /// schema); [`Error::Column`] for a field that no column can hold; [`Error::UnsupportedType`].
    ///
    /// # Cost
    ///
    /// Two passes over the rows, one for their types.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::Table;
    /// use serde::Serialize;
    ///
    /// #[derive(Serialize)]
    /// struct Stay {
    ///     patient: u32,
    ///     weight: Option<f32>,
    ///     codes: Vec<String>,
    /// }
    ///
    /// let stay = Stay { patient: 1, weight: None, codes: vec!["250".to_owned()] };
    /// let other = Stay { patient: 2, weight: Some(70.5), codes: vec![] };
    /// let table = Table::from_rows(&Context::local(), &[stay, other])?;
    /// assert_eq!(table.schema().to_string(), "patient: i64, weight: f64, codes: list[string]");
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    pub fn from_rows<T: Serialize>(ctx: &Context, rows: &[T]) -> Result<Self> {
        if rows.is_empty() {
            return Err(Error::parameter("rows", "none", "at least one"));
        }
        let options = TracingOptions::default().coerce_numbers(true).allow_null_fields(true);
        let fields = Vec::<arrow_schema::FieldRef>::from_samples(rows, options)
            .map_err(|e| not_written(&e))?;
        let batches = rows.chunks(BATCH_ROWS).map(|some| {
            serde_arrow::to_record_batch(&fields, &some).map_err(|error| not_written(&error))
        });
        Self::from_batches(ctx, batches.collect::<Result<_>>()?)
    }

    /// A table of the rows of a dataset, whose fields have the names of the schema's columns.
    ///
    /// A row that does not fit the schema is an error of the action that meets it.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::{Schema, Table, Type};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Clone, Serialize, Deserialize)]
    /// struct Square {
    ///     n: i64,
    ///     square: f64,
    /// }
    ///
    /// let ctx = Context::local();
    /// let squares = ctx.range(0..100).map(|n| Square { n: n as i64, square: (n * n) as f64 });
    /// let schema = Schema::of([("n", Type::I64), ("square", Type::F64)])?;
    /// let table = Table::from_row_dataset(schema, &squares);
    /// assert_eq!(table.column_f64("square")?[9], 81.0);
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    pub fn from_row_dataset<T: Data + Serialize>(schema: Schema, rows: &Dataset<T>) -> Self {
        let to = schema.clone();
        let batches =
            rows.map_partitions(move |rows| {
                let to = to.clone();
                let mut rows = rows.peekable();
                std::iter::from_fn(move || {
                    rows.peek()?;
                    let some: Vec<T> = rows.by_ref().take(BATCH_ROWS).collect();
                    let fields = to.to_arrow().fields().to_vec();
                    let batch = serde_arrow::to_record_batch(&fields, &some);
                    let batch = batch.map_err(|error| CoreError::from(not_written(&error)));
                    // The same columns, under the schema that knows its sizes.
                    Some(batch.and_then(|batch| {
                        Ok(Batch(to.batch(batch.columns().to_vec(), some.len())?))
                    }))
                })
            });
        Self::new(schema, batches.try_map(|batch| batch))
    }

    /// Two columns of whole numbers as pairs: the edges of a graph.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`]; [`Error::TypeMismatch`] for columns of other types. A null is an error of
    /// the action that meets it, with its row.
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
    /// let row = one_row(&[("from", 1.into()), ("to", 2.into())])?;
    /// let table = Table::from_batches(&Context::local(), vec![row])?;
    /// assert_eq!(table.pairs("from", "to")?.collect()?, [(1, 2)]);
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    pub fn pairs(&self, src: &str, dst: &str) -> Result<Dataset<(i64, i64)>> {
        for name in [src, dst] {
            let of = self.schema.type_of(name)?;
            if of != Type::I64 {
                return Err(Error::mismatch(name, "i64", Some(of)));
            }
        }
        let names = [src.to_owned(), dst.to_owned()];
        let places = [self.schema.index_of(src)?, self.schema.index_of(dst)?];
        let whole = self.map_known(self.schema.clone(), move |batch| {
            for (name, &at) in names.iter().zip(&places) {
                check_whole(batch, at, name)?;
            }
            Ok(batch.clone())
        });
        Ok(whole.batches.map_partitions(move |batches| {
            batches.flat_map(move |Batch(batch)| {
                let [src, dst] =
                    places.map(|at| batch.column(at).as_primitive::<Int64Type>().clone());
                (0..batch.num_rows()).map(move |row| (src.value(row), dst.value(row)))
            })
        }))
    }
}

fn check_whole(batch: &RecordBatch, at: usize, name: &str) -> Result<()> {
    let column = batch.column(at);
    if column.null_count() == 0 {
        return Ok(());
    }
    let row = (0..column.len()).find(|&row| column.is_null(row)).unwrap_or_default();
    Err(Error::Core(CoreError::BadValue {
        operation: "pairs".to_owned(),
        row: row as u64,
        column: name.to_owned(),
        value: "null".to_owned(),
        expected: "a whole number".to_owned(),
    }))
}

/// The names of a structure's fields, if serde asks for them.
fn field_names<T: DeserializeOwned>() -> Option<&'static [&'static str]> {
    struct Asked(Option<&'static [&'static str]>);
    struct Ask<'a>(&'a mut Asked);

    impl<'de> serde::Deserializer<'de> for Ask<'_> {
        type Error = serde::de::value::Error;

        fn deserialize_any<V: serde::de::Visitor<'de>>(
            self,
            _: V,
        ) -> Result<V::Value, Self::Error> {
            Err(serde::de::Error::custom("no structure"))
        }

        fn deserialize_struct<V: serde::de::Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Self::Error> {
            self.0.0 = Some(fields);
            Err(serde::de::Error::custom("asked"))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
            unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let mut asked = Asked(None);
    let _ = T::deserialize(Ask(&mut asked));
    asked.0
}

fn not_read(partition: usize, error: &serde_arrow::Error) -> CoreError {
    let problem = format!("rows of partition {partition} cannot be read: {error}");
    Error::Column { column: "rows".to_owned(), problem }.into()
}

fn not_written(error: &serde_arrow::Error) -> Error {
    Error::Column { column: "rows".to_owned(), problem: error.to_string() }
}
