//! Records to rows, under a policy for bad ones.

use std::sync::Arc;

use arrow_array::Array;
use firesteel_core::Error as CoreError;
use serde::{Deserialize, Serialize};

use super::growing::{Cell, Growing};
use super::{Lines, Split, SplitLines, Wrong};
use crate::batch::Batch;
use crate::error::Result;
use crate::readers::OnBadRecord;
use crate::readers::keys::KeyColumns;
use crate::readers::report::{BadExample, Counts};
use crate::schema::Schema;

/// Bytes of text in one column of a batch after which the batch is closed early.
const TEXT_BYTES: usize = 256 << 20;
/// What a report calls the record as a whole.
const RECORD: &str = "(record)";

/// What tasks need to know.
pub(in crate::readers) struct Reading {
    pub(in crate::readers) lines: Box<dyn Lines>,
    pub(in crate::readers) splits: Vec<Split>,
    /// The columns of the files.
    pub(in crate::readers) own: Schema,
    /// The same, and those that folders tell.
    pub(in crate::readers) schema: Schema,
    pub(in crate::readers) keys: KeyColumns,
    pub(in crate::readers) on_bad_record: OnBadRecord,
    pub(in crate::readers) batch_rows: usize,
}

impl Reading {
    pub(super) fn files(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.splits.iter().map(|split| split.input.name().to_owned()).collect();
        names.dedup();
        names
    }

    pub(super) fn bytes(&self) -> u64 {
        let mut files: Vec<(usize, u64)> =
            self.splits.iter().map(|split| (split.file, split.input.len())).collect();
        files.dedup();
        files.into_iter().map(|file| file.1).sum()
    }

    pub(super) fn rows(self: &Arc<Self>, split: &Split) -> Result<Rows, CoreError> {
        let lines = SplitLines::open(split)?;
        Ok(Rows { reading: Arc::clone(self), file: split.file, lines, is_over: false })
    }
}

/// Some rows, and what was counted on the way to them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::readers) struct Piece {
    pub(in crate::readers) batch: Batch,
    pub(in crate::readers) counts: Counts,
}

/// Reads the rows of a split in pieces.
pub(super) struct Rows {
    reading: Arc<Reading>,
    file: usize,
    lines: SplitLines,
    is_over: bool,
}

impl Rows {
    fn piece(&mut self) -> Result<Piece, CoreError> {
        let reading = Arc::clone(&self.reading);
        let types = reading.own.fields().iter().map(|field| field.data_type);
        let mut columns = types.map(Growing::new).collect::<Result<Vec<_>>>()?;
        let mut counts = Counts::new(reading.schema.len());
        let (mut rows, mut cells) = (0, Vec::new());
        while rows < reading.batch_rows {
            let Some(line) = self.lines.next_line()? else {
                self.is_over = true;
                break;
            };
            let bytes = self.lines.bytes(&line);
            if reading.lines.is_none(bytes) {
                continue;
            }
            cells.clear();
            let record = reading.lines.record(bytes, &mut cells);
            if self.is_kept(record, &mut cells, line.start, &mut counts)? {
                for (column, cell) in columns.iter_mut().zip(cells.drain(..)) {
                    column.push(cell)?;
                }
                rows += 1;
            } else {
                counts.skipped += 1;
            }
            if columns.iter().any(|column| column.text_bytes() > TEXT_BYTES) {
                break;
            }
        }
        let mut columns = columns.into_iter().map(Growing::finish).collect::<Result<Vec<_>>>()?;
        for key in &reading.keys.fields {
            columns.extend(reading.keys.column(self.file, &key.name, rows).transpose()?);
        }
        counts.rows = rows as u64;
        counts.nulls = columns.iter().map(|column| column.null_count() as u64).collect();
        Ok(Piece { batch: Batch(reading.schema.batch(columns, rows)?), counts })
    }

    /// Whether the record becomes a row; bad cells may become null on the way.
    fn is_kept(
        &mut self,
        record: Result<(), Wrong>,
        cells: &mut [Cell],
        start: usize,
        counts: &mut Counts,
    ) -> Result<bool, CoreError> {
        let policy = self.reading.on_bad_record;
        if let Err(wrong) = record {
            self.bad(RECORD, wrong, start, counts)?;
            return Ok(false);
        }
        for (i, cell) in cells.iter_mut().enumerate() {
            if !matches!(cell, Cell::Bad(_)) {
                continue;
            }
            let Cell::Bad(wrong) = std::mem::replace(cell, Cell::Null) else { continue };
            counts.bad[i] += 1;
            let name = self.reading.own.fields()[i].name.clone();
            self.bad(&name, wrong, start, counts)?;
            if policy == OnBadRecord::Skip {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Something that cannot be read: an error, or an example for the report.
    fn bad(
        &mut self,
        column: &str,
        wrong: Wrong,
        start: usize,
        counts: &mut Counts,
    ) -> Result<(), CoreError> {
        let Wrong { value, expected } = wrong;
        let (file, column) = (self.lines.file().to_owned(), column.to_owned());
        if self.reading.on_bad_record == OnBadRecord::Fail {
            let line = self.lines.number(start)?;
            return Err(CoreError::BadRecord { file, line, column, value, expected });
        }
        if counts.has_room() {
            let line = self.lines.number(start)?;
            counts.note(|| BadExample { file, line, column, value, expected });
        }
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
