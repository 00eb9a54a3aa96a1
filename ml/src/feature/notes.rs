//! What stages note about the columns they make, for the stages behind them.

use firesteel_table::{Field, Schema, Type};
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// The note with the names of a vector's positions, a line each.
const NAMES: &str = "names";
/// The note with the levels of an index column, as JSON.
const LEVELS: &str = "levels";

/// What the values 0, 1, … of an index column stand for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Levels {
    /// The column that was indexed.
    pub of: String,
    /// The name of each value.
    pub names: Vec<String>,
}

impl Levels {
    /// The levels of a column, if whoever made it has noted them.
    #[must_use]
    pub fn of_field(field: &Field) -> Option<Self> {
        serde_json::from_str(field.metadata.get(LEVELS)?).ok()
    }

    /// The field with these levels noted.
    pub(crate) fn note(&self, field: Field) -> Field {
        let text = serde_json::to_string(self).expect("texts always become JSON");
        field.with_metadata(LEVELS, text)
    }
}

/// The names of the numbers in a feature column: of a vector's positions, as noted or else
/// `column[0]`, `column[1]`, …; of a single value the column's own name.
///
/// # Errors
///
/// [`firesteel_table::Error::UnknownColumn`].
pub fn element_names(schema: &Schema, column: &str) -> Result<Vec<String>> {
    let field = schema.field(column)?;
    let (Type::Vector(width) | Type::SparseVector(width)) = field.data_type else {
        return Ok(vec![column.to_owned()]);
    };
    let noted = field.metadata.get(NAMES).filter(|_| width > 0);
    let noted: Vec<String> =
        noted.iter().flat_map(|text| text.split('\n')).map(str::to_owned).collect();
    match noted.len() == width {
        true => Ok(noted),
        false => Ok((0..width).map(|i| format!("{column}[{i}]")).collect()),
    }
}

/// The field of a vector column with the names of its positions noted; line ends in names become
/// blanks.
#[must_use]
pub fn with_element_names<S: AsRef<str>>(field: Field, names: &[S]) -> Field {
    let lines: Vec<String> =
        names.iter().map(|name| name.as_ref().replace(['\n', '\r'], " ")).collect();
    field.with_metadata(NAMES, lines.join("\n"))
}
