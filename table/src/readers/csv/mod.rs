//! Reading CSV files in parallel, exactly.
//!
//! Files are cut at fixed sizes, so the number of partitions depends on bytes alone. A first pass
//! finds out where records begin, whatever is inside quotes (`boundaries`); a second one reads the
//! rows (`plan`). Types that are not given are guessed from the first values, and the second pass
//! gathers what every value says of its column (`infer`); if that contradicts the guess the rows
//! are read once more with the right types, so the guess never shows. What a record is follows RFC
//! 4180 and the `csv` crate, which the tests take as their oracle.
//!
//! | file | what is in it |
//! |---|---|
//! | `format`, `head` | how a file is written, what its first record says |
//! | `boundaries`, `records` | where records and fields begin and end |
//! | `splits` | ranges of bytes, and the records that begin in them |
//! | `infer`, `columns`, `decimal` | types, columns that grow, short numbers |
//! | `plan` | records to rows, under a policy for bad ones |

mod boundaries;
mod columns;
mod decimal;
mod format;
mod head;
pub(in crate::readers) mod infer;
mod plan;
mod records;
mod splits;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use firesteel_core::{Context, Dataset};
use serde::{Deserialize, Serialize};

pub use format::CsvFormat;

use crate::error::{Error, Result};
use crate::readers::keys::{KeyColumns, with_keys};
use crate::readers::lines::check_sizes;
use crate::readers::listing::{self, Listed};
use crate::readers::report::{Counts, ReadReport};
use crate::readers::setters::{line_setters, type_setters};
use crate::readers::together::agreed;
use crate::schema::{Schema, Type};
use crate::table::{BATCH_ROWS, Table};
use infer::Evidence;
use plan::{Findings, Piece, Plan, Rows, joined};
use splits::{Source, Split};

/// What to do with a record that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnBadRecord {
    /// The job fails with file, line, column and value.
    #[default]
    Fail,
    /// The record is left out and counted.
    Skip,
    /// A bad value becomes null and is counted, fields missing at the end become null. A record
    /// with too many fields is left out and counted: nobody knows which of its fields is which.
    Null,
}

/// Reads CSV files as a table.
///
/// A record ends with `\n`, `\r\n` or `\r`; a last line without end is fine; blank lines are
/// skipped, a byte order mark at the start of a file too. A field in quotes may hold delimiters,
/// line ends and doubled quotes. Quotes that are not at the start of a field are characters.
///
/// # Types
///
/// Every column without a given type gets one from all of its values: bool for `true` and `false`,
/// i64 for whole numbers, f64 for other numbers (with `nan` and `inf` beside them), text for
/// anything else. Leading zeros (`0250`), plus signs and whole numbers beyond 64 bits make a column
/// text, because a number would lose them. A column without a value is text, and the report says
/// so. Codes that look like numbers (`250.10`) need a [`column_type`](Self::column_type).
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_table::{CsvReader, OnBadRecord};
///
/// let path = std::env::temp_dir().join(format!("stays-{}.csv", std::process::id()));
/// std::fs::write(&path, "patient,age,diag\n7,61,V57\n8,?,250.83\n")?;
/// let table = CsvReader::new(&path).null_tokens(["?"]).read(&Context::local())?;
/// assert_eq!(table.schema().to_string(), "patient: i64, age: i64, diag: string");
/// assert_eq!(table.report().map(|report| (report.rows, report.nulls())), Some((2, 1)));
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct CsvReader {
    /// A file, a folder or a glob pattern; several files are read in the order of their paths and
    /// must have the same header. Folders named `key=value` below the path become columns behind
    /// those of the files. A name that ends in `.gz` is decompressed.
    pub path: String,
    /// How the files are written.
    pub format: CsvFormat,
    /// The columns to be read with their types. With a header they are looked up by name, other
    /// columns are left out; without one they are the fields in order. Default: all, inferred.
    pub schema: Option<Schema>,
    /// Types of single columns, by name; they come before `schema`.
    pub column_types: Vec<(String, Type)>,
    /// What to do with a bad record. Default: fail.
    pub on_bad_record: OnBadRecord,
    /// Rows in a batch, at most. Default 8,192.
    pub batch_rows: usize,
    /// Bytes in a split, which becomes a partition. Default 8 MiB.
    pub split_bytes: usize,
}

impl CsvReader {
    /// Reads the file of that path, the files below that folder, or those of that glob pattern;
    /// everything else starts at its default.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_string_lossy().into_owned(),
            format: CsvFormat::default(),
            schema: None,
            column_types: Vec::new(),
            on_bad_record: OnBadRecord::Fail,
            batch_rows: BATCH_ROWS,
            split_bytes: 8 << 20,
        }
    }

    /// Sets all of the format at once, for instance to that of an earlier file.
    pub fn format(self, format: CsvFormat) -> Self {
        Self { format, ..self }
    }

    /// Sets the byte between fields.
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.format.delimiter = delimiter;
        self
    }

    /// Sets the byte around fields with special characters; `None` takes quotes their meaning.
    pub fn quote(mut self, quote: impl Into<Option<u8>>) -> Self {
        self.format.quote = quote.into();
        self
    }

    /// Sets whether the first record of each file names the columns.
    pub fn header(mut self, header: bool) -> Self {
        self.format.header = header;
        self
    }

    /// Sets the texts that stand for a null, in place of the empty text.
    pub fn null_tokens<S: Into<String>>(mut self, tokens: impl IntoIterator<Item = S>) -> Self {
        self.format.null_tokens = tokens.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the texts that stand for a null in one column, in place of those of all columns.
    pub fn column_null_tokens<S: Into<String>>(
        mut self,
        column: &str,
        tokens: impl IntoIterator<Item = S>,
    ) -> Self {
        let tokens = tokens.into_iter().map(Into::into).collect();
        self.format.column_null_tokens.retain(|(name, _)| name != column);
        self.format.column_null_tokens.push((column.to_owned(), tokens));
        self
    }

    /// Sets whether blanks and tabs around fields without quotes are removed.
    pub fn trim(mut self, trim: bool) -> Self {
        self.format.trim = trim;
        self
    }

    type_setters!();
    line_setters!();

    /// Reads the files now; the rows are kept in memory while the budget lasts, then on disk. The
    /// table's [`report`](Table::report) says what was found.
    ///
    /// # Errors
    ///
    /// A parameter error; the core's `File` for a file that is missing, empty, cut short inside
    /// quotes, or has no usable header; `BadRecord` for a bad record under [`OnBadRecord::Fail`];
    /// [`Error::UnknownColumn`] for a column of the schema that the file does not have.
    ///
    /// # Cost
    ///
    /// Two passes over the bytes, for boundaries and rows; one more if the first 64 KiB of the rows
    /// suggest other types than the whole. Bytes are read from disk each time, unless the system
    /// still has them.
    #[track_caller]
    pub fn read(&self, ctx: &Context) -> Result<Table> {
        let reading = self.prepare(ctx)?;
        let guess = reading.plan.schema(&reading.guess)?;
        let (rows, found) = reading.keep(ctx, &guess, !reading.plan.is_typed())?;
        let all = found.iter().fold(Findings::new(guess.len()), |sum, part| sum.merge(part));
        let schema = reading.plan.schema(&all.evidence)?;
        let (rows, found) = if schema == guess {
            (rows, found)
        } else {
            drop(rows); // their memory is needed
            reading.keep(ctx, &schema, false)?
        };
        let counts: Vec<Counts> = found.into_iter().map(|found| found.counts).collect();
        let unknown = reading.plan.unknown(&all.evidence);
        let schema = with_keys(&schema, &reading.keys)?;
        let Reading { files, bytes, .. } = reading;
        let report = ReadReport::new(files, bytes, &schema, &unknown, &counts);
        let batches = rows.map_ref(|piece| piece.batch.clone());
        Ok(Table::new(schema, batches).with_report(report))
    }

    /// A table that reads the files anew in every action; boundaries and types are found now.
    ///
    /// # Errors
    ///
    /// Those of [`CsvReader::read`] that can be told by then; the others come from the actions.
    #[track_caller]
    pub fn scan(&self, ctx: &Context) -> Result<Table> {
        let reading = self.prepare(ctx)?;
        let evidence = match reading.plan.is_typed() {
            true => Vec::new(),
            false => reading.evidence(ctx)?,
        };
        let own = reading.plan.schema(&evidence)?;
        let batches = reading.rows(ctx, &own, false)?.map(|piece| piece.batch);
        Ok(Table::new(with_keys(&own, &reading.keys)?, batches))
    }

    fn check(&self) -> Result<()> {
        self.format.check()?;
        check_sizes(self.batch_rows, self.split_bytes)?;
        let schema = self.schema.iter().flat_map(|schema| schema.fields());
        let given = schema.map(|field| (&field.name, field.data_type));
        let given = given.chain(self.column_types.iter().map(|(name, of)| (name, *of)));
        for (name, of) in given {
            if !of.is_single() {
                return Err(Error::mismatch(name, "a type of single values", Some(of)));
            }
        }
        Ok(())
    }

    /// Everything but types and rows: headers and boundaries.
    #[track_caller]
    fn prepare(&self, ctx: &Context) -> Result<Reading> {
        self.check()?;
        let files = listing::list(ctx, &self.path)?;
        let opened = self.open(ctx, &files);
        let Opened { sources, plan, guess, keys } = agreed(ctx, "csv headers", opened)?;
        let files = sources.iter().map(|source| source.input.name().to_owned()).collect();
        let bytes = sources.iter().map(|source| source.input.len()).sum();
        let splits = splits::cut(ctx, &sources, self.split_bytes, plan.dialect)?;
        Ok(Reading { files, bytes, plan: Arc::new(plan), guess, splits, keys: Arc::new(keys) })
    }

    /// Looks at the beginning of the files, on this rank alone.
    fn open(&self, ctx: &Context, files: &[Listed]) -> Result<Opened> {
        let keys = KeyColumns::new(files, &[])?;
        let (names, sources) = self.sources(listing::open(ctx, files)?)?;
        let wanted = self.wanted(&names)?;
        let plan = Plan::new(&self.format, &names, &wanted, self.on_bad_record, self.batch_rows);
        let guess = match sources.iter().find(|source| source.start < source.input.len()) {
            Some(source) if !plan.is_typed() => plan.sample(source)?,
            _ => Vec::new(),
        };
        Ok(Opened { sources, plan, guess, keys })
    }
}

/// Files whose headers have been read.
struct Opened {
    sources: Vec<Source>,
    plan: Plan,
    guess: Vec<Evidence>,
    keys: KeyColumns,
}

/// Files that are ready to be read.
struct Reading {
    files: Vec<String>,
    bytes: u64,
    plan: Arc<Plan>,
    guess: Vec<Evidence>,
    splits: Arc<[Split]>,
    keys: Arc<KeyColumns>,
}

impl Reading {
    /// What all values say of the columns' types, in a pass of its own.
    #[track_caller]
    fn evidence(&self, ctx: &Context) -> Result<Vec<Evidence>> {
        let (plan, splits) = (Arc::clone(&self.plan), Arc::clone(&self.splits));
        let none = vec![Evidence::default(); plan.columns.len()];
        let parts = ctx.generate("csv types", splits.len(), move |p| {
            let evidence = splits.get(p).map(|split| plan.evidence(split));
            Ok(evidence.into_iter())
        });
        Ok(parts.tree_aggregate(none, |sum, part| joined(sum, part), |a, b| joined(a, &b))?)
    }

    /// The rows, read anew in every action; `schema` has the columns of the files.
    #[track_caller]
    fn rows(&self, ctx: &Context, schema: &Schema, is_trial: bool) -> Result<Dataset<Piece>> {
        let (plan, splits) = (Arc::clone(&self.plan), Arc::clone(&self.splits));
        let (schema, whole) = (schema.clone(), with_keys(schema, &self.keys)?);
        let keys = Arc::clone(&self.keys);
        let file_of = |split: &Split| self.files.iter().position(|file| file == split.input.name());
        let files: Vec<usize> = splits.iter().map(|split| file_of(split).unwrap_or(0)).collect();
        Ok(ctx.generate("csv", splits.len(), move |p| {
            let rows = splits
                .get(p)
                .map(|split| Rows::open(Arc::clone(&plan), schema.clone(), is_trial, split));
            let (keys, whole, file) = (Arc::clone(&keys), whole.clone(), files.get(p).copied());
            let pieces = rows.transpose()?.into_iter().flatten();
            Ok(pieces.map(move |piece| piece?.with_keys(&keys, file.unwrap_or(0), &whole)))
        }))
    }

    /// The rows, read and kept, and what was found in each partition.
    #[track_caller]
    fn keep(
        &self,
        ctx: &Context,
        schema: &Schema,
        is_trial: bool,
    ) -> Result<(Dataset<Piece>, Vec<Findings>)> {
        let rows = self.rows(ctx, schema, is_trial)?;
        let rows = rows.cache_sized(|piece| piece.batch.bytes());
        let columns = schema.len();
        let found = rows.map_ref(|piece| piece.found.clone()).map_partitions(move |parts| {
            [parts.fold(Findings::new(columns), |sum, part| sum.merge(&part))]
        });
        let found = found.collect()?;
        Ok((rows, found))
    }
}
