//! What a reader found: nothing is lost in silence (law 6), so whatever was skipped or emptied is
//! counted here.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::schema::{Schema, Type};

/// Examples that are kept, of the whole table and of each of its partitions.
const EXAMPLES: usize = 10;

/// What was found on reading a table; see [`Table::report`](crate::Table::report).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReadReport {
    /// Files, in the order of the rows.
    pub files: Vec<String>,
    /// Bytes in them, decompressed.
    pub bytes: u64,
    /// Rows of the table.
    pub rows: u64,
    /// Records that were left out.
    pub skipped: u64,
    /// The columns, in the order of the table.
    pub columns: Vec<ColumnReport>,
    /// The first of what was wrong, in the order of the files.
    pub examples: Vec<BadExample>,
    /// Rows in each partition: row `i` of partition `p` has the number `i` plus all before `p`.
    pub partition_rows: Vec<u64>,
}

/// What was found in one column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ColumnReport {
    /// The column's name.
    pub name: String,
    /// Its type, given or inferred.
    pub data_type: Type,
    /// Rows without a value: null tokens, bad values made null, fields missing at the end.
    pub nulls: u64,
    /// Values that could not be read, whether they became null or their record was skipped.
    pub bad: u64,
    /// Whether the type was inferred although no row has a value: it is then text.
    pub is_type_unknown: bool,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BadExample {
    /// The file.
    pub file: String,
    /// The line on which the record starts, from 1.
    pub line: u64,
    /// The column, or `(record)` if the record as a whole is wrong.
    pub column: String,
    /// What was found.
    pub value: String,
    /// What would have been right.
    pub expected: String,
}

/// The counts of one part of a table; a monoid over neighbours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) rows: u64,
    pub(crate) skipped: u64,
    pub(crate) nulls: Vec<u64>,
    pub(crate) bad: Vec<u64>,
    pub(crate) examples: Vec<BadExample>,
}

impl Counts {
    pub(crate) fn new(columns: usize) -> Self {
        Self { nulls: vec![0; columns], bad: vec![0; columns], ..Self::default() }
    }

    /// Whether one more example is kept.
    pub(crate) fn has_room(&self) -> bool {
        self.examples.len() < EXAMPLES
    }

    /// Keeps the example if there is room.
    pub(crate) fn note(&mut self, example: impl FnOnce() -> BadExample) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(example());
        }
    }

    pub(crate) fn merge(mut self, other: &Self) -> Self {
        self.rows += other.rows;
        self.skipped += other.skipped;
        add(&mut self.nulls, &other.nulls);
        add(&mut self.bad, &other.bad);
        let room = EXAMPLES - self.examples.len().min(EXAMPLES);
        self.examples.extend(other.examples.iter().take(room).cloned());
        self
    }
}

fn add(sums: &mut Vec<u64>, more: &[u64]) {
    sums.resize(sums.len().max(more.len()), 0);
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}

impl ReadReport {
    /// The report on a table from the counts of its partitions, in order.
    pub(crate) fn new(
        files: Vec<String>,
        bytes: u64,
        schema: &Schema,
        unknown: &[bool],
        parts: &[Counts],
    ) -> Self {
        let total = parts.iter().fold(Counts::new(schema.len()), |sum, part| sum.merge(part));
        let column = |(i, field): (usize, &crate::Field)| ColumnReport {
            name: field.name.clone(),
            data_type: field.data_type,
            nulls: total.nulls[i],
            bad: total.bad[i],
            is_type_unknown: unknown.get(i).copied().unwrap_or(false),
        };
        Self {
            files,
            bytes,
            rows: total.rows,
            skipped: total.skipped,
            columns: schema.fields().iter().enumerate().map(column).collect(),
            examples: total.examples,
            partition_rows: parts.iter().map(|part| part.rows).collect(),
        }
    }

    /// Values that could not be read, over all columns.
    #[must_use]
    pub fn bad(&self) -> u64 {
        self.columns.iter().map(|column| column.bad).sum()
    }

    /// Rows without a value, over all columns.
    #[must_use]
    pub fn nulls(&self) -> u64 {
        self.columns.iter().map(|column| column.nulls).sum()
    }
}

impl fmt::Display for BadExample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, value, expected } = self;
        write!(f, "{file}, line {line}, column `{column}`: expected {expected}, found {value:?}")
    }
}

/// The counts, the columns with nulls or bad values, and the examples.
impl fmt::Display for ReadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, columns) = (self.rows, self.columns.len());
        writeln!(f, "{rows} rows of {columns} columns read, {} records skipped", self.skipped)?;
        for column in self.columns.iter().filter(|c| c.nulls > 0 || c.bad > 0 || c.is_type_unknown)
        {
            let ColumnReport { name, data_type, nulls, bad, is_type_unknown } = column;
            let unknown = if *is_type_unknown { ", never a value: type unknown" } else { "" };
            writeln!(f, "  {name}: {data_type}, {nulls} nulls, {bad} bad values{unknown}")?;
        }
        for example in &self.examples {
            writeln!(f, "  {example}")?;
        }
        Ok(())
    }
}
