//! Reading CSV files in parallel, exactly.
//!
//! Files are cut at fixed sizes, so the number of partitions depends on bytes alone. Three passes:
//! the first finds out where records begin, whatever is inside quotes (`boundaries`); the second
//! looks at every value for the types of the columns (`infer`), unless they are given; the third
//! reads the rows (`plan`). What a record is follows RFC 4180 and the `csv` crate, which the tests take
//! as their oracle.
//!
//! | file | what is in it |
//! |---|---|
//! | `format` | how a file is written |
//! | `boundaries`, `records` | where records and fields begin and end |
//! | `splits` | ranges of bytes, and the records that begin in them |
//! | `infer`, `columns` | types, and columns that grow |
//! | `plan` | records to rows, under a policy for bad ones |

mod boundaries;
mod columns;
mod format;
mod infer;
mod plan;
mod records;
mod splits;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use firesteel_core::storage::Input;
use firesteel_core::{Context, Dataset, Error as CoreError};
use serde::{Deserialize, Serialize};

pub use format::CsvFormat;

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::readers::report::{Counts, ReadReport};
use crate::schema::{Schema, Type};
use crate::table::{BATCH_ROWS, Table};
use infer::Evidence;
use plan::{Plan, Rows, shortened};
use records::{Found, Record, Records};
use splits::{Source, Split, never_closed, newlines};

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
    /// A bad value becomes null and is counted, fields missing at the end become null. A record with too
    /// many fields is left out and counted: nobody knows which of its fields is which.
    Null,
}

/// Reads CSV files as a table.
///
/// A record ends with `\n`, `\r\n` or `\r`; a last line without end is fine; blank lines are
/// skipped, a byte order mark at the start of a file too. A field in quotes may hold delimiters, line ends and doubled quotes.
/// Quotes that are not at the start of a field are characters.
///
/// # Types
///
/// Every column without a given type gets one from all of its values: bool for `true` and `false`,
/// i64 for whole numbers, f64 for other numbers (with `nan` and `inf` beside them), text for
/// anything else. Leading zeros (`0250`), plus signs and whole numbers beyond 64 bits make a
/// column text, because a number would lose them. A column without a value is text, and the report says
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
    /// A path or glob pattern; several files are read in the order of their names and must have
    /// the same header. A name that ends in `.gz` is decompressed.
    pub path: String,
    /// How the files are written.
    pub format: CsvFormat,
    /// The columns to be read with their types. With a header they are looked up by name, other columns
    /// are left out; without one they are the fields in order. Default: all, inferred.
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
    /// Reads the file of that path, or the files of that glob pattern; everything else starts at
    /// its default.
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

    /// Sets the columns to be read, with their types.
    pub fn schema(self, schema: Schema) -> Self {
        Self { schema: Some(schema), ..self }
    }

    /// Sets the type of one column.
    pub fn column_type(mut self, column: &str, data_type: Type) -> Self {
        self.column_types.retain(|(name, _)| name != column);
        self.column_types.push((column.to_owned(), data_type));
        self
    }

    /// Sets what to do with a bad record.
    pub fn on_bad_record(self, on_bad_record: OnBadRecord) -> Self {
        Self { on_bad_record, ..self }
    }

    /// Sets the largest number of rows in a batch.
    pub fn batch_rows(self, batch_rows: usize) -> Self {
        Self { batch_rows, ..self }
    }

    /// Sets the bytes in a split. Rows and their order do not depend on it.
    pub fn split_bytes(self, split_bytes: usize) -> Self {
        Self { split_bytes, ..self }
    }

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
    /// Two passes over the bytes for boundaries and rows, one more for types that are not given.
    #[track_caller]
    pub fn read(&self, ctx: &Context) -> Result<Table> {
        let reading = self.prepare(ctx)?;
        let rows = reading.rows(ctx);
        let rows = rows.cache_sized(|(batch, _)| batch.0.get_array_memory_size());
        let counts = rows.map_ref(|(_, counts)| counts.clone());
        let columns = reading.schema.len();
        let counts = counts.map_partitions(move |parts| {
            [parts.fold(Counts::new(columns), |sum, part| sum.merge(&part))]
        });
        let report = ReadReport::new(
            reading.files,
            reading.bytes,
            &reading.schema,
            &reading.unknown,
            &counts.collect()?,
        );
        let batches = rows.map_ref(|(batch, _)| batch.clone());
        Ok(Table::new(reading.schema, batches).with_report(report))
    }

    /// A table that reads the files anew in every action; boundaries and types are found now.
    ///
    /// # Errors
    ///
    /// Those of [`CsvReader::read`] that can be told by then; the others come from the actions.
    #[track_caller]
    pub fn scan(&self, ctx: &Context) -> Result<Table> {
        let reading = self.prepare(ctx)?;
        let batches = reading.rows(ctx).map(|(batch, _)| batch);
        Ok(Table::new(reading.schema, batches))
    }

    fn check(&self) -> Result<()> {
        self.format.check()?;
        if self.batch_rows == 0 {
            return Err(Error::parameter("batch_rows", 0, "at least 1"));
        }
        if self.split_bytes == 0 {
            return Err(Error::parameter("split_bytes", 0, "at least 1"));
        }
        let schema = self.schema.iter().flat_map(|schema| schema.fields());
        let given = schema.map(|field| (&field.name, field.data_type));
        let given = given.chain(self.column_types.iter().map(|(name, of)| (name, *of)));
        for (name, of) in given {
            if matches!(of, Type::Vector(_) | Type::SparseVector(_)) {
                return Err(Error::mismatch(name, "a type of single values", Some(of)));
            }
        }
        Ok(())
    }

    /// Everything but the rows: headers, boundaries, types.
    fn prepare(&self, ctx: &Context) -> Result<Reading> {
        self.check()?;
        let inputs = ctx.inputs(&self.path)?;
        let files = inputs.iter().map(|input| input.name().to_owned()).collect();
        let bytes = inputs.iter().map(Input::len).sum();
        let (names, sources) = self.sources(inputs)?;
        let wanted = self.wanted(&names)?;
        let plan = Plan::new(&self.format, &names, &wanted, self.on_bad_record, self.batch_rows);
        let plan = Arc::new(plan);
        let splits = splits::cut(ctx, &sources, self.split_bytes, plan.dialect)?;
        let evidence = match wanted.iter().all(|(_, given)| given.is_some()) {
            true => Vec::new(),
            false => evidence(ctx, &plan, &splits)?,
        };
        let schema = plan.schema(&evidence)?;
        let is_unknown = |(i, column): (usize, &plan::Planned)| {
            column.given.is_none() && evidence.get(i).is_none_or(|evidence| evidence.is_none())
        };
        let unknown = plan.columns.iter().enumerate().map(is_unknown).collect();
        Ok(Reading { files, bytes, plan, schema, unknown, splits })
    }

    /// The names of the fields, and where the rows of each file begin.
    fn sources(&self, inputs: Vec<Input>) -> Result<(Vec<String>, Vec<Source>)> {
        let mut first: Option<(String, Vec<String>)> = None;
        let mut sources = Vec::new();
        for input in inputs {
            let (names, source) = self.head(input)?;
            match &first {
                _ if !self.format.header && names.is_empty() => {} // no rows: any width
                None => first = Some((source.input.name().to_owned(), names)),
                Some((file, known)) if *known != names && self.format.header => {
                    let place = known.iter().zip(&names).position(|(a, b)| a != b);
                    let place = place.unwrap_or(known.len().min(names.len()));
                    let name = |names: &[String]| {
                        names.get(place).map_or("nothing".to_owned(), |name| format!("`{name}`"))
                    };
                    let (here, there) = (name(&names), name(known));
                    let message =
                        format!("its column {} is {here}, but {there} in {file}", place + 1);
                    return Err(CoreError::file(source.input.name(), message).into());
                }
                Some(_) => {}
            }
            sources.push(source);
        }
        let names = match (first, &self.schema) {
            (Some((_, names)), _) => names,
            (None, Some(schema)) => schema.names().map(str::to_owned).collect(),
            (None, None) => {
                return Err(
                    CoreError::file(&self.path, "is empty: no record to tell the columns").into()
                );
            }
        };
        Ok((names, sources))
    }

    /// Reads a file's first record: the names of its fields.
    fn head(&self, input: Input) -> Result<(Vec<String>, Source)> {
        let dialect = self.format.dialect();
        let mut bytes = input.read(0, 1 << 16)?;
        loop {
            let is_whole = bytes.len() as u64 >= input.len();
            let mark = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
            let mut records = Records::new(&bytes, mark, is_whole, &dialect);
            let mut record = Record::default();
            match records.read(&mut record) {
                Found::Record => {
                    let at = if self.format.header { records.at } else { mark };
                    let names = self.names(&input, &bytes, &record)?;
                    let line = 1 + newlines(&bytes[..at]);
                    return Ok((names, Source { input, start: at as u64, line }));
                }
                Found::Unfinished(at) if is_whole => {
                    let open = boundaries::last_opening(
                        &bytes[at..],
                        boundaries::State::RecordStart,
                        &dialect,
                    );
                    let line = 1 + newlines(&bytes[..at + open.unwrap_or(0)]);
                    return Err(never_closed(&input, line).into());
                }
                Found::End if is_whole && self.format.header => {
                    return Err(CoreError::file(input.name(), "is empty: it has no header").into());
                }
                Found::End if is_whole => {
                    let start = input.len();
                    return Ok((Vec::new(), Source { input, start, line: 1 }));
                }
                Found::Unfinished(_) | Found::End => {
                    let more = input.read(bytes.len() as u64, bytes.len())?;
                    bytes.extend(more);
                }
            }
        }
    }

    fn names(&self, input: &Input, bytes: &[u8], record: &Record) -> Result<Vec<String>> {
        let default = |i: usize| format!("column_{}", i + 1);
        if !self.format.header {
            let given = self.schema.as_ref().filter(|schema| schema.len() == record.len());
            return Ok(match given {
                Some(schema) => schema.names().map(str::to_owned).collect(),
                None => (0..record.len()).map(default).collect(),
            });
        }
        let line = 1 + newlines(&bytes[..record.start]);
        let mut names: Vec<String> = Vec::with_capacity(record.len());
        for i in 0..record.len() {
            let (text, is_quoted) = record.field(bytes, i);
            let name = std::str::from_utf8(text).map_err(|_| CoreError::BadRecord {
                file: input.name().to_owned(),
                line,
                column: default(i),
                value: shortened(text),
                expected: "a name in UTF-8".to_owned(),
            })?;
            let name = if self.format.trim && !is_quoted { name.trim() } else { name };
            let name = if name.is_empty() { default(i) } else { name.to_owned() };
            if names.contains(&name) {
                let message = format!("two columns have the name `{name}`");
                return Err(CoreError::file(input.name(), message).into());
            }
            names.push(name);
        }
        Ok(names)
    }

    /// The fields to be read, with their types where they are given.
    fn wanted(&self, names: &[String]) -> Result<Vec<(usize, Option<Type>)>> {
        let place = |name: &str| {
            let place = names.iter().position(|known| known == name);
            place.ok_or_else(|| Error::unknown_column(name, names.iter().map(String::as_str)))
        };
        let mut wanted: Vec<(usize, Option<Type>)> = match &self.schema {
            None => (0..names.len()).map(|field| (field, None)).collect(),
            Some(schema) if !self.format.header && schema.len() != names.len() => {
                let expected = format!("one of {} columns, like the first record", names.len());
                return Err(Error::parameter(
                    "schema",
                    format_args!("of {} columns", schema.len()),
                    expected,
                ));
            }
            Some(schema) => {
                let field = |field: &crate::Field| Ok((place(&field.name)?, Some(field.data_type)));
                schema.fields().iter().map(field).collect::<Result<_>>()?
            }
        };
        for (name, of) in &self.column_types {
            let field = place(name)?;
            match wanted.iter_mut().find(|(known, _)| *known == field) {
                Some((_, given)) => *given = Some(*of),
                None => {
                    return Err(Error::unknown_column(
                        name,
                        self.schema.iter().flat_map(Schema::names),
                    ));
                }
            }
        }
        for (name, _) in &self.format.column_null_tokens {
            place(name)?;
        }
        Ok(wanted)
    }
}

/// What all columns' values say, in one job.
fn evidence(ctx: &Context, plan: &Arc<Plan>, splits: &Arc<[Split]>) -> Result<Vec<Evidence>> {
    let (plan, splits) = (Arc::clone(plan), Arc::clone(splits));
    let columns = plan.columns.len();
    let parts = ctx.generate("csv types", splits.len(), move |p| {
        let evidence = splits.get(p).map(|split| plan.evidence(split));
        Ok(evidence.into_iter())
    });
    let join = |sum: Vec<Evidence>, part: &Vec<Evidence>| -> Vec<Evidence> {
        sum.iter().zip(part).map(|(a, b)| a.join(*b)).collect()
    };
    let none = vec![Evidence::default(); columns];
    Ok(parts.tree_aggregate(none, join, |a, b| join(a, &b))?)
}

/// Files that are ready to be read.
struct Reading {
    files: Vec<String>,
    bytes: u64,
    plan: Arc<Plan>,
    schema: Schema,
    unknown: Vec<bool>,
    splits: Arc<[Split]>,
}

impl Reading {
    fn rows(&self, ctx: &Context) -> Dataset<(Batch, Counts)> {
        let (plan, splits) = (Arc::clone(&self.plan), Arc::clone(&self.splits));
        let schema = self.schema.clone();
        ctx.generate("csv", splits.len(), move |p| {
            let rows =
                splits.get(p).map(|split| Rows::open(Arc::clone(&plan), schema.clone(), split));
            Ok(rows.transpose()?.into_iter().flatten())
        })
    }
}
