//! What a pipeline is made of: stages before and after fitting.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

use arrow_array::RecordBatch;
use firesteel_table::{Schema, Table};

use crate::error::Result;
use crate::estimator::Transformer;
use crate::file::Saved;

/// The width of a vector column, in a schema that [`Stage::check`] returns, if it shows on
/// fitting only (how many levels a column has, for instance).
pub const UNKNOWN_WIDTH: usize = 0;

/// A stage that is not fitted yet: parameters, and the names of its columns.
///
/// A type of your own becomes a stage by these methods; its fitted form implements
/// [`FittedStage`], and [`Loadable`] to be found in files.
pub trait Stage: Any + Debug + Send + Sync {
    /// What it is, for errors: `string_indexer`.
    fn kind(&self) -> &str;

    /// Checks the parameters, and the columns that it will be given; returns the columns that it
    /// will leave. Reads no rows: a vector whose width is not known yet has [`UNKNOWN_WIDTH`], on
    /// the way in as well.
    ///
    /// # Errors
    ///
    /// A parameter outside its range, a column that is missing or of another type, by name.
    fn check(&self, input: &Schema) -> Result<Schema>;

    /// Learns from the table, whose columns have passed [`Stage::check`]; collective.
    ///
    /// # Errors
    ///
    /// Data that cannot be learnt from; whatever the passes over the data can give.
    fn fit_stage(&self, table: &Table) -> Result<Box<dyn FittedStage>>;

    /// The columns that fitting reads and transforming does not: label, weight, group. Scoring
    /// can do without them.
    fn fit_columns(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A column that a fitted stage makes, and the columns it is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The name of the column.
    pub column: String,
    /// The columns that it is made from.
    pub from: Vec<String>,
}

impl Output {
    /// A column made from others.
    pub fn new<S: Into<String>>(
        column: impl Into<String>,
        from: impl IntoIterator<Item = S>,
    ) -> Self {
        Self { column: column.into(), from: from.into_iter().map(Into::into).collect() }
    }
}

/// A fitted stage: a pure function from a batch of rows to a batch with more columns.
pub trait FittedStage: Any + Debug + Send + Sync {
    /// What it is, by the name under which files know it.
    fn kind(&self) -> &str;

    /// The columns that it makes or replaces. One that only drops rows names the columns that it
    /// looks at, each made from itself.
    fn outputs(&self) -> Vec<Output>;

    /// The columns that [`transform_batch`](Self::transform_batch) leaves of these: new ones come
    /// at the end, in the order of [`outputs`](Self::outputs), others are replaced in their place
    /// (as [`Schema::with_field`] does).
    ///
    /// # Errors
    ///
    /// A column that is missing or of another type than the stage was fitted on.
    fn output_schema(&self, input: &Schema) -> Result<Schema>;

    /// Transforms a batch of rows; [`with_columns`](super::with_columns) helps to.
    ///
    /// # Errors
    ///
    /// A value that it cannot take: [`firesteel_core::Error::BadValue`], its row counted in the
    /// batch.
    fn transform_batch(&self, batch: &RecordBatch) -> Result<RecordBatch>;

    /// The same stage making only those of its outputs, so that a table can be scored that lacks
    /// what the others are made from; none if it can not be cut down.
    fn only(&self, outputs: &BTreeSet<String>) -> Option<Box<dyn FittedStage>> {
        let _ = outputs;
        None
    }

    /// The stage as it is written to a file.
    ///
    /// # Errors
    ///
    /// [`Error::ModelFile`](crate::Error::ModelFile) for a stage that cannot be written.
    fn to_saved(&self) -> Result<Saved>;
}

/// A fitted stage that can be read from a file, once its type is
/// [registered](super::register).
pub trait Loadable: FittedStage + Sized {
    /// What [`FittedStage::kind`] and the file call it.
    const KIND: &'static str;

    /// Reads what [`FittedStage::to_saved`] wrote. The file may be hostile: whatever must hold
    /// for the methods not to panic is checked here.
    ///
    /// # Errors
    ///
    /// [`Error::ModelFile`](crate::Error::ModelFile), made by [`Saved::wrong`].
    fn from_saved(saved: &Saved) -> Result<Self>;
}

/// A table mapped by a stage, lazily.
pub(crate) fn transformed(stage: &Arc<dyn FittedStage>, table: &Table) -> Result<Table> {
    let schema = stage.output_schema(table.schema())?;
    let stage = Arc::clone(stage);
    Ok(table.map_batches(schema, move |batch| stage.transform_batch(batch)))
}

/// Every fitted stage maps tables.
impl<T: FittedStage + Clone> Transformer<Table> for T {
    type Output = Table;

    fn transform(&self, table: &Table) -> Result<Table> {
        let stage: Arc<dyn FittedStage> = Arc::new(self.clone());
        transformed(&stage, table)
    }
}
