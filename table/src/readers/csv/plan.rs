//! What is done with the records of a file: which fields become which columns.

use std::sync::Arc;

use firesteel_core::Error as CoreError;
use serde::{Deserialize, Serialize};

use super::columns::Growing;
use super::format::{CsvFormat, Dialect, NullTokens};
use super::infer::Evidence;
use super::records::{Found, Record, Records};
use super::splits::{Source, SplitReader};
use super::{OnBadRecord, Split};
use crate::batch::Batch;
use crate::error::Result;
use crate::readers::keys::KeyColumns;
use crate::readers::report::{BadExample, Counts};
use crate::schema::{Schema, Type};

/// Bytes of text in one column of a batch after which the batch is closed early.
const TEXT_BYTES: usize = 256 << 20;
/// Bytes that are looked at for a first guess of the types.
const SAMPLE: usize = 1 << 16;
/// What a report calls the record as a whole.
const RECORD: &str = "(record)";

/// Which fields become which columns, and how they are read.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) dialect: Dialect,
    trim: bool,
    /// Fields in a sound record.
    width: usize,
    pub(super) columns: Vec<Planned>,
    on_bad_record: OnBadRecord,
    batch_rows: usize,
}

/// A column to be read.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) name: String,
    /// The field's place in the record.
    field: usize,
    nulls: NullTokens,
    /// The type, if it is given.
    pub(super) given: Option<Type>,
}

impl Plan {
    /// `names` are those of the file's fields; `wanted` are the columns to be read, as places in
    /// `names`.
    pub(super) fn new(
        format: &CsvFormat,
        names: &[String],
        wanted: &[(usize, Option<Type>)],
        on_bad_record: OnBadRecord,
        batch_rows: usize,
    ) -> Self {
        let column = |&(field, given): &(usize, Option<Type>)| {
            let name = names[field].clone();
            Planned { nulls: format.nulls_of(&name), name, field, given }
        };
        Self {
            dialect: format.dialect(),
            trim: format.trim,
            width: names.len(),
            columns: wanted.iter().map(column).collect(),
            on_bad_record,
            batch_rows,
        }
    }

    /// The schema that follows from the given types and the evidence.
    pub(super) fn schema(&self, evidence: &[Evidence]) -> Result<Schema> {
        Schema::of(self.columns.iter().enumerate().map(|(i, column)| {
            let inferred = || evidence.get(i).copied().unwrap_or_default().resolve();
            (column.name.clone(), column.given.unwrap_or_else(inferred))
        }))
    }

    /// Which columns are text for want of any value.
    pub(super) fn unknown(&self, evidence: &[Evidence]) -> Vec<bool> {
        let silent = |i: usize| evidence.get(i).is_none_or(|evidence| evidence.is_none());
        let columns = self.columns.iter().enumerate();
        columns.map(|(i, column)| column.given.is_none() && silent(i)).collect()
    }

    /// What the values of a split say about the columns' types.
    pub(super) fn evidence(&self, split: &Split) -> Result<Vec<Evidence>, CoreError> {
        let mut evidence = vec![Evidence::default(); self.columns.len()];
        let mut reader = SplitReader::open(split, &self.dialect)?;
        let mut record = Record::default();
        while reader.next(&mut record, &self.dialect, &[])? {
            self.look(&record, reader.bytes(), &mut evidence);
        }
        Ok(evidence)
    }

    /// What the first few values of a file say.
    pub(super) fn sample(&self, source: &Source) -> Result<Vec<Evidence>, CoreError> {
        let mut evidence = vec![Evidence::default(); self.columns.len()];
        let (bytes, is_whole) = source.beginning(SAMPLE)?;
        let mut records = Records::new(&bytes, 0, is_whole, &self.dialect);
        let mut record = Record::default();
        while records.read(&mut record) == Found::Record {
            self.look(&record, &bytes, &mut evidence);
        }
        Ok(evidence)
    }

    /// Adds what a record's values say of the columns whose type is open.
    fn look(&self, record: &Record, bytes: &[u8], evidence: &mut [Evidence]) {
        if self.is_skipped(record.len()) {
            return;
        }
        for (column, evidence) in self.columns.iter().zip(evidence) {
            if column.given.is_none()
                && !evidence.is_settled()
                && let Some((text, _)) = self.value(column, record, bytes)
            {
                *evidence = evidence.join(Evidence::of(text));
            }
        }
    }

    /// Which fields hold the floats of that schema.
    fn numbers(&self, schema: &Schema) -> Vec<bool> {
        let mut numbers = vec![false; self.width];
        if matches!(self.dialect.delimiter, b'0'..=b'9' | b'.' | b'-') {
            return numbers; // a number would not end where its field does
        }
        for (column, field) in self.columns.iter().zip(schema.fields()) {
            numbers[column.field] = field.data_type == Type::F64;
        }
        numbers
    }

    /// Whether all types are given.
    pub(super) fn is_typed(&self) -> bool {
        self.columns.iter().all(|column| column.given.is_some())
    }

    /// The text of a column's field; none for a null token or a missing field.
    #[inline]
    fn value<'a>(
        &self,
        column: &Planned,
        record: &'a Record,
        bytes: &'a [u8],
    ) -> Option<(&'a [u8], bool)> {
        if column.field >= record.len() {
            return None;
        }
        let (mut text, is_quoted) = record.field(bytes, column.field);
        if is_quoted {
            return Some((text, true));
        }
        if self.trim {
            text = trimmed(text);
        }
        (!column.nulls.contains(text)).then_some((text, false))
    }

    /// Whether a record of so many fields is left out, unless it is an error.
    fn is_skipped(&self, fields: usize) -> bool {
        fields > self.width || (fields < self.width && self.on_bad_record != OnBadRecord::Null)
    }
}

fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Some rows, what was counted on the way to them, and what their values say of the types that
/// were guessed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Piece {
    pub(super) batch: Batch,
    pub(super) found: Findings,
}

impl Piece {
    /// The piece of a file with the columns that folders tell behind its own.
    pub(super) fn with_keys(
        mut self,
        keys: &KeyColumns,
        file: usize,
        to: &Schema,
    ) -> Result<Self, CoreError> {
        if !keys.fields.is_empty() {
            let batch = keys.behind(file, &self.batch.0, to)?;
            let nulls = batch.columns()[self.found.counts.nulls.len()..].iter();
            self.found.counts.nulls.extend(nulls.map(|column| column.null_count() as u64));
            self.batch = Batch(batch);
        }
        Ok(self)
    }
}

/// What was found in a part of the rows; a monoid over neighbours.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Findings {
    pub(super) counts: Counts,
    pub(super) evidence: Vec<Evidence>,
}

impl Findings {
    pub(super) fn new(columns: usize) -> Self {
        let evidence = vec![Evidence::default(); columns];
        Self { counts: Counts::new(columns), evidence }
    }

    pub(super) fn merge(mut self, other: &Self) -> Self {
        self.counts = self.counts.merge(&other.counts);
        self.evidence = joined(self.evidence, &other.evidence);
        self
    }
}

/// The evidence of both, column by column.
pub(super) fn joined(mut evidence: Vec<Evidence>, other: &[Evidence]) -> Vec<Evidence> {
    for (evidence, other) in evidence.iter_mut().zip(other) {
        *evidence = evidence.join(*other);
    }
    evidence
}

/// Reads the rows of a split in pieces.
///
/// On trial the types of some columns are a guess. What does not fit the guess is no fault of the
/// file: the cell stays empty, and the evidence tells that the guess was wrong.
#[derive(Debug)]
pub(super) struct Rows {
    plan: Arc<Plan>,
    schema: Schema,
    is_trial: bool,
    reader: SplitReader,
    record: Record,
    numbers: Vec<bool>,
    is_over: bool,
}

impl Rows {
    pub(super) fn open(
        plan: Arc<Plan>,
        schema: Schema,
        is_trial: bool,
        split: &Split,
    ) -> Result<Self, CoreError> {
        let reader = SplitReader::open(split, &plan.dialect)?;
        let numbers = plan.numbers(&schema);
        Ok(Self {
            plan,
            schema,
            is_trial,
            reader,
            record: Record::default(),
            numbers,
            is_over: false,
        })
    }

    fn piece(&mut self) -> Result<Piece, CoreError> {
        let plan = Arc::clone(&self.plan);
        let types = self.schema.fields().iter().map(|field| field.data_type);
        let mut columns: Vec<Growing> =
            types.map(|of| Growing::new(of, plan.batch_rows.min(1 << 16))).collect();
        let mut found = Findings::new(columns.len());
        let mut rows = 0;
        while rows < plan.batch_rows {
            if !self.reader.next(&mut self.record, &plan.dialect, &self.numbers)? {
                self.is_over = true;
                break;
            }
            if self.is_trial {
                plan.look(&self.record, self.reader.bytes(), &mut found.evidence);
            }
            let counts = &mut found.counts;
            if self.is_sound(&plan, counts)? && self.row(&plan, &mut columns, counts)? {
                rows += 1;
            } else {
                columns.iter_mut().for_each(|column| column.truncate(rows));
                counts.skipped += 1;
            }
            if columns.iter().any(|column| column.text_bytes() > TEXT_BYTES) {
                break;
            }
        }
        let columns = columns.into_iter().map(Growing::finish).collect::<Result<Vec<_>>>()?;
        found.counts.rows = rows as u64;
        found.counts.nulls = columns.iter().map(|column| column.null_count() as u64).collect();
        Ok(Piece { batch: Batch(self.schema.batch(columns, rows)?), found })
    }

    /// Whether the record has as many fields as it should, or as many as can be made up for.
    fn is_sound(&mut self, plan: &Plan, counts: &mut Counts) -> Result<bool, CoreError> {
        let fields = self.record.len();
        if fields == plan.width {
            return Ok(true);
        }
        let (found, expected) = (format!("{fields} fields"), format!("{} fields", plan.width));
        self.bad(plan, counts, RECORD, found, expected)?;
        Ok(!plan.is_skipped(fields))
    }

    /// Adds the record's cells; no if the record is to be left out, with its cells half added.
    fn row(
        &mut self,
        plan: &Plan,
        columns: &mut [Growing],
        counts: &mut Counts,
    ) -> Result<bool, CoreError> {
        let is_utf8 = self.reader.is_utf8();
        for (i, (column, cells)) in plan.columns.iter().zip(columns).enumerate() {
            if let Some(number) = self.record.number(column.field)
                && column.nulls.spare_numbers()
                && cells.push_number(number)
            {
                continue;
            }
            let Some((text, _)) = plan.value(column, &self.record, self.reader.bytes()) else {
                cells.push_null();
                continue;
            };
            if !cells.push(text, is_utf8) {
                let of = self.schema.fields()[i].data_type;
                if self.is_trial && column.given.is_none() && of != Type::String {
                    cells.push_null();
                    continue;
                }
                let value = shortened(text);
                let expected = match of {
                    Type::String => "text in UTF-8".to_owned(),
                    of => of.to_string(),
                };
                counts.bad[i] += 1;
                self.bad(plan, counts, &column.name, value, expected)?;
                if plan.on_bad_record == OnBadRecord::Skip {
                    return Ok(false);
                }
                cells.push_null();
            }
        }
        Ok(true)
    }

    /// Something that cannot be read: an error, or an example for the report.
    fn bad(
        &mut self,
        plan: &Plan,
        counts: &mut Counts,
        column: &str,
        value: String,
        expected: String,
    ) -> Result<(), CoreError> {
        let (file, column) = (self.reader.file().to_owned(), column.to_owned());
        if plan.on_bad_record == OnBadRecord::Fail {
            let line = self.reader.line(&self.record);
            return Err(CoreError::BadRecord { file, line, column, value, expected });
        }
        counts.note(|| {
            let line = self.reader.line(&self.record);
            BadExample { file, line, column, value, expected }
        });
        Ok(())
    }
}

impl Iterator for Rows {
    type Item = Result<Piece, CoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let piece = self.piece();
        self.is_over |= piece.is_err();
        Some(piece)
    }
}

/// A value for an error message, of readable length.
pub(super) fn shortened(value: &[u8]) -> String {
    const LONGEST: usize = 80;
    let text = String::from_utf8_lossy(value);
    match text.char_indices().nth(LONGEST) {
        None => text.into_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
