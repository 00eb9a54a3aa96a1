//! `Table`: a schema and a partitioned collection of record batches.
//!
//! Operators are lazy and cheap: each looks at the schema, returns what is wrong with the request
//! at once, and adds one step to the lineage. Rows keep their order: that of the partitions, and
//! within one that of its batches. Actions (`count`, `collect`, `describe`, `show`, writing) run
//! the lineage and return the same on every rank.
//!
//! | file | what is in it |
//! |---|---|
//! | `mod` | making tables, actions |
//! | `operators` | columns and rows in, columns and rows out |
//! | `place` | rows with equal keys to one partition |
//! | `group_by`, `join`, `asof`, `sort`, `window` | what needs that |
//! | `measure` | an order whose values have distances |
//! | `reshape` | grouping sets, pivots, unions by name, samples |
//! | `unfold` | rows of lists and of columns, first rows |
//! | `rows` | rows as values of own types |
//! | `split` | a random split by a key |
//! | `corr` | correlations, over `exact` sums |
//! | `describe` | one pass of statistics, over `exact` sums and counted `levels` |
//! | `show` | the first rows as text |

mod asof;
mod corr;
mod describe;
mod exact;
mod group_by;
mod join;
mod levels;
mod measure;
mod operators;
mod place;
mod reshape;
mod rows;
mod show;
mod sort;
mod split;
mod unfold;
mod window;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use firesteel_core::{Context, Dataset};

pub use asof::{AsOf, Direction};
pub use describe::{ColumnSummary, Description, NumberSummary, TextSummary};
pub use exact::ExactMoments;
pub use group_by::{GroupBy, Key};
pub use join::JoinType;
pub use reshape::GroupingSets;
pub use show::Preview;
pub use sort::SortKey;
pub use window::{Frame, Window, Windows, dense_rank, rank, row_number};

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::readers::ReadReport;
use crate::schema::{Schema, Type};

/// Rows in one batch, where a table is made or cut here.
pub(crate) const BATCH_ROWS: usize = 8192;
/// Batches in one partition of a table made from memory.
const PARTITION_BATCHES: usize = 16;

/// Named, typed columns over partitioned rows. Cheap to clone; a clone is the same table.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_table::{Table, col, one_row, when};
///
/// let ctx = Context::local();
/// let rows = [("a", 41), ("b", 67)].map(|(name, age)| {
///     one_row(&[("name", name.into()), ("age", age.into())]).unwrap()
/// });
/// let table = Table::from_batches(&ctx, rows.to_vec())?;
/// let elderly = table
///     .with_column("group", when(col("age").ge(65)).then("old").otherwise("young"))?
///     .filter(col("group").eq("old"))?;
/// assert_eq!(elderly.column_strings("name")?, [Some("b".to_owned())]);
/// # Ok::<(), firesteel_table::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "a table does nothing until an action runs it"]
pub struct Table {
    schema: Schema,
    batches: Dataset<Batch>,
    report: Option<Arc<ReadReport>>,
}

impl Table {
    /// A table of batches that every rank has in memory (law 1: the same on every rank). Narrower
    /// Arrow types are widened to those of tables; batches are cut to at most 8,192 rows, so
    /// that they can be spread.
    ///
    /// # Errors
    ///
    /// A parameter error without a batch (see [`Table::empty`]); [`Error::UnsupportedType`],
    /// [`Error::SchemaMismatch`] if the batches differ, those of [`Schema::conform`].
    pub fn from_batches(ctx: &Context, batches: Vec<RecordBatch>) -> Result<Self> {
        let first = batches.first();
        let first = first.ok_or_else(|| Error::parameter("batches", "none", "at least one"))?;
        let schema = Schema::of_batch(first)?;
        let mut cut = Vec::new();
        for batch in &batches {
            let batch = schema.conform(batch)?;
            for start in (0..batch.num_rows()).step_by(BATCH_ROWS) {
                cut.push(Batch(batch.slice(start, BATCH_ROWS.min(batch.num_rows() - start))));
            }
        }
        let partitions = cut.len().div_ceil(PARTITION_BATCHES);
        Ok(Self::new(schema, ctx.parallelize_in(cut, partitions)))
    }

    /// A table of those columns without rows.
    pub fn empty(ctx: &Context, schema: Schema) -> Self {
        Self::new(schema, ctx.parallelize_in(Vec::new(), 1))
    }

    /// A table over a dataset whose batches have the schema's columns and types.
    ///
    /// A batch that has not is an error of the action that meets it.
    pub fn from_dataset(schema: Schema, batches: Dataset<Batch>) -> Self {
        let wanted = schema.clone();
        let batches = batches.try_map(move |batch: Batch| {
            wanted.conform(&batch.0).map(Batch).map_err(firesteel_core::Error::from)
        });
        Self::new(schema, batches)
    }

    /// A table over batches that are known to have the schema.
    pub(crate) fn new(schema: Schema, batches: Dataset<Batch>) -> Self {
        Self { schema, batches, report: None }
    }

    /// The same table with what was found on reading it.
    pub(crate) fn with_report(self, report: ReadReport) -> Self {
        Self { report: Some(Arc::new(report)), ..self }
    }

    /// The columns.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The batches, in the order of the rows. Their number and sizes are not part of what a table
    /// means; a filter leaves small ones.
    pub fn batches(&self) -> &Dataset<Batch> {
        &self.batches
    }

    /// The context that the table lives in.
    #[must_use]
    pub fn context(&self) -> &Context {
        self.batches.context()
    }

    /// What a reader found: rows, skipped rows, bad values. Only for a table as it was read.
    #[must_use]
    pub fn report(&self) -> Option<&ReadReport> {
        self.report.as_deref()
    }

    /// Keeps the rows once an action has computed them, in memory while the budget lasts, then on
    /// disk, until the last handle is dropped.
    pub fn cache(&self) -> Self {
        let batches = self.batches.cache_sized(Batch::bytes);
        Self { schema: self.schema.clone(), batches, report: self.report.clone() }
    }

    /// The number of rows.
    ///
    /// # Errors
    ///
    /// What the job can fail with.
    #[track_caller]
    pub fn count(&self) -> Result<u64> {
        let add = |sum: u64, batch: &Batch| sum + batch.rows() as u64;
        Ok(self.batches.tree_aggregate(0, add, |a, b| a + b)?)
    }

    /// All rows, on every rank, in batches.
    ///
    /// # Errors
    ///
    /// What the job can fail with.
    #[track_caller]
    pub fn collect(&self) -> Result<Vec<RecordBatch>> {
        Ok(self.batches.collect()?.into_iter().map(RecordBatch::from).collect())
    }

    /// All rows, on every rank, in one batch.
    ///
    /// # Errors
    ///
    /// What the job can fail with; [`Error::Arrow`] if a column of text grows beyond 2 GiB.
    #[track_caller]
    pub fn to_batch(&self) -> Result<RecordBatch> {
        let batches = self.collect()?;
        arrow_select::concat::concat_batches(&self.schema.to_arrow(), &batches)
            .map_err(Error::arrow("putting batches together"))
    }

    /// One column, on every rank, in one array.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`], and those of [`Table::to_batch`].
    #[track_caller]
    pub fn column(&self, name: &str) -> Result<ArrayRef> {
        Ok(Arc::clone(self.select(&[name])?.to_batch()?.column(0)))
    }

    /// One column of numbers or truth values as floats, on every rank; a null is NaN.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`], [`Error::TypeMismatch`] for another type, and what the job can
    /// fail with.
    #[track_caller]
    pub fn column_f64(&self, name: &str) -> Result<Vec<f64>> {
        let of = self.schema.type_of(name)?;
        if !(of.is_number() || of == Type::Bool) {
            return Err(Error::mismatch(name, "a number or bool", Some(of)));
        }
        let floats = self.with_column(name, crate::col(name).cast(Type::F64))?.column(name)?;
        let floats: &Float64Array = floats.as_primitive::<Float64Type>();
        Ok(floats.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
    }

    /// One column of single values as text, on every rank; a null is none.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`], [`Error::TypeMismatch`] for vectors, and what the job can fail
    /// with.
    #[track_caller]
    pub fn column_strings(&self, name: &str) -> Result<Vec<Option<String>>> {
        let texts = self.with_column(name, crate::col(name).cast(Type::String))?.column(name)?;
        let texts: &StringArray = texts.as_string();
        Ok(texts.iter().map(|text| text.map(str::to_owned)).collect())
    }
}

#[cfg(test)]
mod relational;
#[cfg(test)]
mod relational_more;
#[cfg(test)]
mod tests;
