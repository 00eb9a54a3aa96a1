//! What can go wrong with a table: one enum, whose variants carry what was asked and what was
//! found.
//!
//! Mistakes that the schema can show (an unknown column, types that do not fit) are returned by
//! the call that makes them, before any row is read. What only a row can show (text that is not a
//! number, an overflow) is found by a task; it travels to all ranks as an error of the core.

use crate::schema::Type;

/// What the functions of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with a table.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A job failed, a file could not be read or written, a parameter was out of range, a value
    /// was met that an expression cannot work with.
    #[error(transparent)]
    Core(#[from] firesteel_core::Error),

    /// A column was named that the table does not have.
    #[error("no column `{name}`{}", suggestion(near))]
    UnknownColumn {
        /// The name that was asked for.
        name: String,
        /// Names of the table that look like it, the nearest first.
        near: Vec<String>,
    },

    /// Two columns of one table would have the same name.
    #[error("two columns have the name `{name}`")]
    DuplicateColumn {
        /// The name in question.
        name: String,
    },

    /// An expression or a column has another type than its place asks for.
    #[error("`{expression}` is {found}, expected {expected}")]
    TypeMismatch {
        /// The expression or column.
        expression: String,
        /// The types that would do.
        expected: String,
        /// The type that it has.
        found: String,
    },

    /// An expression that cannot be evaluated whatever the rows are.
    #[error("expression `{expression}`: {problem}")]
    Expression {
        /// The expression as text, cut short if it is long.
        expression: String,
        /// What is wrong with it.
        problem: String,
    },

    /// Two tables or batches that should have the same columns do not.
    #[error("schemas differ at column {position}: `{left}` against `{right}`")]
    SchemaMismatch {
        /// The first position, counted from 0, at which they differ.
        position: usize,
        /// The column on the left, "nothing" past its end.
        left: String,
        /// The column on the right, "nothing" past its end.
        right: String,
    },

    /// An Arrow type that tables do not hold.
    #[error("column `{column}` has the Arrow type {found}, which tables do not hold")]
    UnsupportedType {
        /// The column.
        column: String,
        /// Its Arrow type.
        found: String,
    },

    /// A column's contents are not what its type promises.
    #[error("column `{column}`: {problem}")]
    Column {
        /// The column.
        column: String,
        /// What is wrong.
        problem: String,
    },

    /// More rows in one place of a join or a window than can be numbered.
    #[error("{rows} rows come together in one place, at most 4294967295 can")]
    TooManyRows {
        /// How many came.
        rows: u64,
    },

    /// Arrow refused an operation.
    #[error("{doing}: {problem}")]
    Arrow {
        /// What was being done.
        doing: String,
        /// Arrow's words.
        problem: String,
    },
}

impl Error {
    /// An Arrow error with what was being done when it came.
    pub(crate) fn arrow(doing: &str) -> impl FnOnce(arrow_schema::ArrowError) -> Self {
        let doing = doing.to_owned();
        move |error| Self::Arrow { doing, problem: error.to_string() }
    }

    /// A parameter that is out of its range.
    pub(crate) fn parameter(
        name: &str,
        value: impl std::fmt::Display,
        expected: impl Into<String>,
    ) -> Self {
        Self::Core(firesteel_core::Error::parameter(name, value, expected))
    }

    /// A column or expression of the wrong type.
    pub(crate) fn mismatch(
        expression: impl std::fmt::Display,
        expected: &str,
        found: Option<Type>,
    ) -> Self {
        Self::TypeMismatch {
            expression: expression.to_string(),
            expected: expected.to_owned(),
            found: found.map_or_else(|| "a null without a type".to_owned(), |t| t.to_string()),
        }
    }

    /// A name that is not among `names`, with those that look like it.
    pub(crate) fn unknown_column<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Self {
        Self::UnknownColumn { name: name.to_owned(), near: near_names(name, names) }
    }
}

/// How an error of a task travels: one of the core's stays what it is, another keeps its words.
impl From<Error> for firesteel_core::Error {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::Core(error) => return error,
            Error::UnknownColumn { .. } => "table/unknown-column",
            Error::DuplicateColumn { .. } => "table/duplicate-column",
            Error::TypeMismatch { .. } => "table/type-mismatch",
            Error::Expression { .. } => "table/expression",
            Error::SchemaMismatch { .. } => "table/schema-mismatch",
            Error::UnsupportedType { .. } => "table/unsupported-type",
            Error::Column { .. } => "table/column",
            Error::TooManyRows { .. } => "table/too-many-rows",
            Error::Arrow { .. } => "table/arrow",
        };
        Self::Foreign { kind: kind.to_owned(), message: error.to_string() }
    }
}

fn suggestion(near: &[String]) -> String {
    match near {
        [] => String::new(),
        [one] => format!("; did you mean `{one}`?"),
        several => {
            let quoted: Vec<_> = several.iter().map(|name| format!("`{name}`")).collect();
            format!("; did you mean one of {}?", quoted.join(", "))
        }
    }
}

/// At most three of `names` that are a few letters away from `name`, nearest first.
pub(crate) fn near_names<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted = folded(name);
    let tolerance = (wanted.len() / 3).clamp(1, 4);
    let mut near: Vec<(usize, &str)> = names
        .filter_map(|candidate| {
            let letters = folded(candidate);
            let within = wanted.len() >= 3 && contains(&letters, &wanted);
            let distance = edit_distance(&wanted, &letters);
            let is_like = distance <= tolerance && distance < wanted.len().max(letters.len());
            (is_like || within).then_some((distance, candidate))
        })
        .collect();
    near.sort(); // by distance, then by name
    near.into_iter().take(3).map(|(_, candidate)| candidate.to_owned()).collect()
}

/// Letters without case and without the separators that people mix up.
fn folded(name: &str) -> Vec<char> {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-' | ' ' | '.'))
        .flat_map(char::to_lowercase)
        .collect()
}

fn contains(letters: &[char], part: &[char]) -> bool {
    letters.windows(part.len()).any(|window| window == part)
}

/// Insertions, deletions, substitutions and swaps of neighbours that lead from one to the other
/// (optimal string alignment).
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_a_slip_of_the_finger_away_are_suggested_nearest_first() {
        let names = ["age", "race", "time_in_hospital", "diag_1", "diag_2"];
        let near = |name| near_names(name, names.iter().copied());
        assert_eq!(near("Age"), ["age"]);
        assert_eq!(near("diag1"), ["diag_1", "diag_2"]);
        assert_eq!(near("hospital"), ["time_in_hospital"]);
        assert!(near("zzzzzz").is_empty());
        assert!(near("").is_empty());
    }

    #[test]
    fn an_unknown_column_reads_as_a_question() {
        let error = Error::unknown_column("raze", ["race", "age"].into_iter());
        assert_eq!(error.to_string(), "no column `raze`; did you mean `race`?");
    }
}
