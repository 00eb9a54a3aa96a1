//! Columns put into batches.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::Schema as ArrowSchema;
use firesteel_table::{Schema, Type};

use crate::error::{Error, Result};

/// The batch with more columns: new names come at the end, in order, known ones replace the
/// column of that name in its place. This is what [`Schema::with`] does to a schema.
///
/// # Errors
///
/// [`firesteel_table::Error::Arrow`] if a column has another length or type.
///
/// # Examples
///
/// ```
/// use firesteel_ml::pipeline::with_columns;
/// use firesteel_table::{Type, col, one_row};
///
/// let row = one_row(&[("x", 2.0.into())])?;
/// let doubled = (col("x") * 2.0).evaluate(&row)?;
/// let row = with_columns(&row, vec![("y", Type::F64, doubled)])?;
/// assert_eq!(row.schema().field(1).name(), "y");
/// # Ok::<(), firesteel_ml::Error>(())
/// ```
pub fn with_columns(batch: &RecordBatch, new: Vec<(&str, Type, ArrayRef)>) -> Result<RecordBatch> {
    let mut fields = batch.schema_ref().fields().to_vec();
    let mut columns = batch.columns().to_vec();
    for (name, of, column) in new {
        let field = std::sync::Arc::clone(&Schema::of([(name, of)])?.to_arrow().fields()[0]);
        match fields.iter().position(|field| field.name() == name) {
            Some(place) => (fields[place], columns[place]) = (field, column),
            None => {
                fields.push(field);
                columns.push(column);
            }
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let schema = Arc::new(ArrowSchema::new(fields));
    RecordBatch::try_new_with_options(schema, columns, &options).map_err(|error| {
        let doing = "adding columns to a batch".to_owned();
        Error::Table(firesteel_table::Error::Arrow { doing, problem: error.to_string() })
    })
}

/// A column of a batch.
pub(crate) fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| Error::MissingColumns {
        what: "a batch of rows".to_owned(),
        columns: vec![name.to_owned()],
    })
}
