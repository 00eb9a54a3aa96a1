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
    Core(firesteel_core::Error),
    /// A fault in a table: a column, a type, an expression.
    #[error(transparent)]
    Table(firesteel_table::Error),
    /// A stage of a pipeline that cannot go on.
    #[error("stage {number} ({kind}): {source}")]
    Stage {
        /// Its position in the pipeline, from 0.
        number: usize,
        /// What it is.
        kind: String,
        /// What is wrong.
        source: Box<Error>,
    },
    /// Columns that are needed and not there.
    #[error("{what}: no column {}", quoted(columns))]
    MissingColumns {
        /// Who needs them.
        what: String,
        /// The columns.
        columns: Vec<String>,
    },
    /// A column that cannot be learnt from, or used, as a whole.
    #[error("{what}: column `{column}`: {problem}")]
    Column {
        /// Who had to do with it.
        what: String,
        /// The column.
        column: String,
        /// What is wrong with it.
        problem: String,
    },
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
    /// Something that a model does not have, or cannot do, and why.
    #[error("{what}: {reason}")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// Why it cannot be had.
        reason: String,
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

fn quoted(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

impl Error {
    /// A column that cannot be used.
    pub(crate) fn column(
        what: impl Into<String>,
        column: impl Into<String>,
        problem: impl Into<String>,
    ) -> Self {
        Self::Column { what: what.into(), column: column.into(), problem: problem.into() }
    }

    /// A parameter error.
    pub(crate) fn parameter(
        name: impl Into<String>,
        value: impl Display,
        expected: impl Into<String>,
    ) -> Self {
        Self::Parameter { name: name.into(), value: value.to_string(), expected: expected.into() }
    }
}

/// The operation under which a bad value of this crate travels through the core.
const LEARNING: &str = "learning";

/// How an error comes back from a job: a bad value is one of this crate's again.
impl From<firesteel_core::Error> for Error {
    fn from(error: firesteel_core::Error) -> Self {
        match error {
            firesteel_core::Error::BadValue { operation, row, column, value, expected }
                if operation == LEARNING =>
            {
                Self::BadValue { row, column, value, expected }
            }
            other => Self::Core(other),
        }
    }
}

/// How an error of a task travels: a core error as it is, another with its words.
impl From<Error> for firesteel_core::Error {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::Core(error) => return error,
            Error::Table(error) => return error.into(),
            Error::BadValue { row, column, value, expected } => {
                let operation = LEARNING.into();
                return Self::BadValue { operation, row, column, value, expected };
            }
            Error::Parameter { name, value, expected } => {
                return Self::Parameter { name, value, expected };
            }
            Error::EmptyData { .. } => "ml/empty-data",
            Error::Shape { .. } => "ml/shape",
            Error::Unsupported { .. } => "ml/unsupported",
            Error::OneClass { .. } => "ml/one-class",
            Error::Undefined { .. } => "ml/undefined",
            Error::ModelFile { .. } => "ml/model-file",
            Error::Stage { .. } => "ml/stage",
            Error::MissingColumns { .. } => "ml/missing-columns",
            Error::Column { .. } => "ml/column",
        };
        Self::Foreign { kind: kind.into(), message: error.to_string() }
    }
}

impl From<firesteel_table::Error> for Error {
    fn from(error: firesteel_table::Error) -> Self {
        match error {
            firesteel_table::Error::Core(error) => error.into(),
            error => Self::Table(error),
        }
    }
}

/// How an error goes through an operator of a table.
impl From<Error> for firesteel_table::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Table(error) => error,
            error => Self::Core(error.into()),
        }
    }
}
