//! The first record of each file, and which of its fields are to be read.

use firesteel_core::Error as CoreError;
use firesteel_core::storage::Input;

use super::CsvReader;
use super::boundaries::{State, last_opening};
use super::plan::shortened;
use super::records::{Found, Record, Records};
use super::splits::{Source, never_closed, newlines};
use crate::error::{Error, Result};
use crate::schema::{Schema, Type};

impl CsvReader {
    /// The names of the fields, and where the rows of each file begin.
    pub(super) fn sources(&self, inputs: Vec<Input>) -> Result<(Vec<String>, Vec<Source>)> {
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
                    let open = last_opening(&bytes[at..], State::RecordStart, &dialect);
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
    pub(super) fn wanted(&self, names: &[String]) -> Result<Vec<(usize, Option<Type>)>> {
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
