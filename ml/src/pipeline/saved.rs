//! Pipelines in files.

use std::path::Path;
use std::sync::Arc;

use firesteel_core::Context;
use firesteel_table::{CsvFormat, Schema};
use serde::{Deserialize, Serialize};

use super::model::PipelineModel;
use super::registry;
use crate::error::Result;
use crate::file::{Nested, Saved};

const KIND: &str = "pipeline";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    input: Schema,
    fit_only: Vec<String>,
    csv_format: CsvFormat,
    stages: Vec<Nested>,
}

impl PipelineModel {
    /// The pipeline as it is written to a file.
    ///
    /// # Errors
    ///
    /// [`Error::ModelFile`](crate::Error::ModelFile) if a stage cannot be written.
    pub fn to_saved(&self) -> Result<Saved> {
        let parts = self.stages().map(|stage| stage.to_saved()).collect::<Result<Vec<_>>>()?;
        Saved::nest(KIND, parts, |stages| Body {
            input: self.input_schema().clone(),
            fit_only: self.fit_only().to_vec(),
            csv_format: self.csv_format().clone(),
            stages,
        })
    }

    /// Reads what [`to_saved`](Self::to_saved) wrote.
    ///
    /// # Errors
    ///
    /// [`Error::ModelFile`](crate::Error::ModelFile) for another kind of model, a stage of an
    /// unknown kind, or one that is damaged.
    pub fn from_saved(saved: &Saved) -> Result<Self> {
        let body: Body = saved.expect_kind(KIND)?.body()?;
        let stage =
            |(i, nested): (usize, &Nested)| Ok(Arc::from(registry::load(&saved.part(i, nested))?));
        let stages = body.stages.iter().enumerate().map(stage).collect::<Result<_>>()?;
        Self::new(stages, body.input, body.fit_only, body.csv_format)
            .map_err(|error| saved.wrong(error.to_string()))
    }

    /// The bytes of its file. Equal pipelines have equal bytes, wherever they were fitted.
    ///
    /// # Errors
    ///
    /// Those of [`to_saved`](Self::to_saved).
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        Ok(self.to_saved()?.to_bytes())
    }

    /// The pipeline in a file's bytes; `name` is what errors call the file.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load).
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self> {
        Self::from_saved(&Saved::from_bytes(name, bytes)?)
    }

    /// Writes its file once, on the root; collective, and what goes wrong goes wrong on all
    /// ranks. A reader sees the old file or the whole new one.
    ///
    /// # Errors
    ///
    /// [`firesteel_core::Error::File`], inside [`Error::Core`](crate::Error::Core), if it cannot
    /// be written; those of [`to_saved`](Self::to_saved).
    #[track_caller]
    pub fn save(&self, ctx: &Context, path: impl AsRef<Path>) -> Result<()> {
        self.to_saved()?.save(ctx, path)
    }

    /// [`save`](Self::save) by this process alone, for programs without a context.
    ///
    /// # Errors
    ///
    /// Those of [`save`](Self::save).
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        self.to_saved()?.write(path)
    }

    /// Reads a file; every rank for itself. The stages' types need not be known when the program
    /// is compiled, but those of your own must be [registered](super::register).
    ///
    /// # Errors
    ///
    /// [`firesteel_core::Error::File`], inside [`Error::Core`](crate::Error::Core), if it cannot
    /// be read; [`Error::ModelFile`](crate::Error::ModelFile) that says what is wrong with it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::from_saved(&Saved::read(path)?)
    }
}
