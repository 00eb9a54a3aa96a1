//! Reading JSON lines.
//!
//! | file | what is in it |
//! |---|---|
//! | `fields` | a record as names and texts of values |
//! | `infer` | which type a field has, from all of its values |
//! | `values` | a value as a cell of a type |

mod fields;
mod infer;
mod values;

use std::path::Path;
use std::sync::Arc;

use firesteel_core::Context;

use super::OnBadRecord;
use super::keys::{KeyColumns, with_keys};
use super::lines::{self, Cell, Lines, Reading, SplitLines, Wrong, check_sizes, cut};
use super::listing;
use super::together::agreed;
use crate::error::Result;
use crate::readers::setters::{line_setters, type_setters};
use crate::schema::{Schema, Type};
use crate::table::{BATCH_ROWS, Table};
use fields::fields;
use infer::Evidence;
use values::cell;

/// Reads JSON lines as a table: an object on each line, whose names are the columns.
///
/// Paths and folders are as with [`ParquetReader`](crate::ParquetReader); a name that ends in `.gz`
/// is decompressed. Blank lines are passed over. A name that an object does not have is null, as is
/// `null`.
///
/// # Types
///
/// Without a schema, the columns are all names in the order in which they first appear, and every
/// column gets a type from all of its values: bool; i64 for whole numbers; f64 for other numbers,
/// with the texts `NaN`, `inf` and `-inf` beside them; a vector for arrays of as many numbers each, a list
/// for other arrays of single values; text for anything else. Dates and timestamps are texts in JSON: say
/// so by [`column_type`](Self::column_type). With a schema names that it does not have are left out.
///
/// A text column takes values that are no text as the JSON that they are written in: numbers with
/// every digit, objects and arrays whole. Nothing else is bent: a number in quotes is no number, `1.0`
/// is no whole number, `1` is no truth. A column of sparse vectors takes objects
/// `{"size":9,"indices":[0,3],"values":[1.0,2.0]}`.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_table::JsonReader;
///
/// let path = std::env::temp_dir().join(format!("stays-{}.json", std::process::id()));
/// std::fs::write(&path, "{\"age\":61,\"diag\":\"V57\"}\n{\"diag\":null,\"x\":[1,2]}\n")?;
/// let table = JsonReader::new(&path).read(&Context::local())?;
/// assert_eq!(table.schema().to_string(), "age: i64, diag: string, x: vector[2]");
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct JsonReader {
    /// A file, a folder or a glob pattern.
    pub path: String,
    /// The columns to be read with their types. Default: all, inferred.
    pub schema: Option<Schema>,
    /// Types of single columns, by name; they come before what is inferred.
    pub column_types: Vec<(String, Type)>,
    /// What to do with a bad record. Default: fail.
    pub on_bad_record: OnBadRecord,
    /// Rows in a batch, at most. Default 8,192.
    pub batch_rows: usize,
    /// Bytes in a split, which becomes a partition. Default 8 MiB.
    pub split_bytes: usize,
}

impl JsonReader {
    /// Reads the file, the files below the folder, or those of the glob pattern.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_string_lossy().into_owned(),
            schema: None,
            column_types: Vec::new(),
            on_bad_record: OnBadRecord::Fail,
            batch_rows: BATCH_ROWS,
            split_bytes: 8 << 20,
        }
    }

    type_setters!();
    line_setters!(" A line that is no object is left out under [`OnBadRecord::Null`] too.");

    /// Reads the files now; the rows are kept in memory while the budget lasts, then on disk. The
    /// table's [`report`](Table::report) says what was found.
    ///
    /// # Errors
    ///
    /// A parameter error; the core's `File` for a file that is missing; `BadRecord` with file, line,
    /// column and value for a bad record under [`OnBadRecord::Fail`]; [`Error::UnknownColumn`] for
    /// the type of a column that no record has.
    ///
    /// [`Error::UnknownColumn`]: crate::Error::UnknownColumn
    ///
    /// # Cost
    ///
    /// A pass, and one before it for the types if there is no schema. Of an error the line is counted,
    /// which reads the file up to it.
    #[track_caller]
    pub fn read(&self, ctx: &Context) -> Result<Table> {
        let (reading, unknown) = self.prepare(ctx)?;
        lines::keep(ctx, "json", Arc::new(reading), &unknown)
    }

    /// A table that reads the files anew in every action; types are found now.
    ///
    /// # Errors
    ///
    /// Those of [`JsonReader::read`] that can be told by then; the others come from the actions.
    #[track_caller]
    pub fn scan(&self, ctx: &Context) -> Result<Table> {
        let (reading, _) = self.prepare(ctx)?;
        Ok(lines::scan(ctx, "json", Arc::new(reading)))
    }

    #[track_caller]
    fn prepare(&self, ctx: &Context) -> Result<(Reading, Vec<bool>)> {
        check_sizes(self.batch_rows, self.split_bytes)?;
        let files = listing::list(ctx, &self.path)?;
        let opened =
            KeyColumns::new(&files, &[]).and_then(|keys| Ok((keys, listing::open(ctx, &files)?)));
        let (keys, inputs) = agreed(ctx, "json files", opened)?;
        let splits = cut(&inputs, self.split_bytes);
        let mut unknown = Vec::new();
        let mut own = match &self.schema {
            Some(schema) => schema.clone(),
            None => {
                let to_read: Arc<[_]> = splits.clone().into();
                let parts = ctx.generate("json types", splits.len(), move |p| {
                    Ok(to_read.get(p).map(evidence).into_iter())
                });
                let parts: Vec<Evidence> = parts.collect()?;
                let all = parts.into_iter().fold(Evidence::default(), Evidence::join);
                unknown = all.unknown();
                all.schema()?
            }
        };
        for (name, of) in &self.column_types {
            let place = own.index_of(name)?;
            own = own.with(name, *of);
            if let Some(unknown) = unknown.get_mut(place) {
                *unknown = false;
            }
        }
        let reading = Reading {
            lines: Box::new(Objects { schema: own.clone() }),
            splits,
            schema: with_keys(&own, &keys)?,
            own,
            keys,
            on_bad_record: self.on_bad_record,
            batch_rows: self.batch_rows,
        };
        Ok((reading, unknown))
    }
}

/// What the values of a split say of the types.
fn evidence(split: &lines::Split) -> Result<Evidence, firesteel_core::Error> {
    let (mut lines, mut evidence) = (SplitLines::open(split)?, Evidence::default());
    while let Some(line) = lines.next_line()? {
        // What is wrong with a record is told when rows are read.
        if let Ok(fields) = fields(lines.bytes(&line)) {
            fields.iter().for_each(|(name, value)| evidence.see(name, value));
        }
    }
    Ok(evidence)
}

/// Objects as records of those columns.
struct Objects {
    schema: Schema,
}

impl Lines for Objects {
    fn is_none(&self, line: &[u8]) -> bool {
        line.iter().all(u8::is_ascii_whitespace)
    }

    fn record(&self, line: &[u8], cells: &mut Vec<Cell>) -> Result<(), Wrong> {
        let fields = fields(line)?;
        for (place, column) in self.schema.fields().iter().enumerate() {
            // Records mostly have their fields in the order of the columns.
            let is_own = |field: &&(_, _)| field.0 == *column.name;
            let value = fields.get(place).filter(is_own).or_else(|| fields.iter().find(is_own));
            cells.push(match value {
                None => Cell::Null,
                Some((_, value)) => cell(value, column.data_type).unwrap_or_else(Cell::Bad),
            });
        }
        Ok(())
    }
}
