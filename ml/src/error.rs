//! What can go wrong in learning, and whose fault it is.

use std::fmt::Display;

/// The result of anything that can fail in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything this crate reports. The same value is returned on every rank.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A fault in the core: a job, a file, a rank.
    #[error(transparent)]
    Core(#[from] firesteel_core::Error),
    /// A parameter outside its range.
    #[error("parameter `{name}` must be {expected}, got {value}")]
    Parameter {
        /// The parameter's name.
        name: String,
        /// The value that came.
        value: String,
        /// The values that are allowed.
        expected: String,
    },
    /// No rows to learn from or to measure on.
    #[error("{what}: no rows")]
    EmptyData {
        /// Who needed them.
        what: String,
    },
    /// A number in the data that cannot be learnt from.
    #[error("row {row}, {column}: expected {expected}, found {value}")]
    BadValue {
        /// Global row number, from 0.
        row: u64,
        /// The column's name, or its number, or `label`, `weight`.
        column: String,
        /// The value that was found.
        value: String,
        /// What would have been right.
        expected: String,
    },
    /// Inputs of different lengths or widths.
    #[error("{what}: expected {expected}, got {got}")]
    Shape {
        /// Whose length or width.
        what: String,
        /// What it had to be.
        expected: usize,
        /// What it was.
        got: usize,
    },
    /// Labels that cannot be told apart.
    #[error("{what}: all labels are {label}; both classes are needed")]
    OneClass {
        /// Who needed two classes.
        what: String,
        /// The only label.
        label: String,
    },
    /// A measure that these data do not determine.
    #[error("{what}: {reason}")]
    Undefined {
        /// What was asked for.
        what: String,
        /// Why there is no answer.
        reason: String,
    },
    /// A model file that is damaged, foreign, or of another version or kind.
    #[error("model file {file}: {message}")]
    ModelFile {
        /// The path.
        file: String,
        /// What is wrong with it.
        message: String,
    },
}

impl Error {
    /// A parameter error.
    pub(crate) fn parameter(
        name: impl Into<String>,
        value: impl Display,
        expected: impl Into<String>,
    ) -> Self {
        Self::Parameter { name: name.into(), value: value.to_string(), expected: expected.into() }
    }
}
