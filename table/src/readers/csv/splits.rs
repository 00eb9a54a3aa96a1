//! Files cut into splits, and the records of one split.
//!
//! A split is a range of bytes of one file, cut at fixed sizes behind the header. It owns the
//! records that begin in it; the last one may end in a later split.

use std::sync::Arc;

use firesteel_core::storage::Input;
use firesteel_core::{Context, Error as CoreError};

use super::boundaries::{Passage, State, first_record, last_opening};
use super::format::Dialect;
use super::records::{Found, Record, Records};
use crate::error::Result;

/// Bytes that are read behind a split for its last record, at first.
const LOOKAHEAD: usize = 1 << 16;

/// A file whose header has been read.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) input: Input,
    /// Where the rows begin, and on which line.
    pub(super) start: u64,
    pub(super) line: u64,
}

/// A range of bytes of a file, with what the bytes before it lead to.
#[derive(Clone, Debug)]
pub(super) struct Split {
    pub(super) input: Input,
    start: u64,
    len: usize,
    /// The line on which it starts, from 1.
    line: u64,
    state: State,
}

impl Source {
    /// Some bytes from the start of the rows, and whether the file ends with them.
    pub(super) fn beginning(&self, len: usize) -> Result<(Vec<u8>, bool), CoreError> {
        let bytes = self.input.read(self.start, len)?;
        let is_whole = self.start + bytes.len() as u64 >= self.input.len();
        Ok((bytes, is_whole))
    }
}

/// The splits of all files, each with its true start; one job.
///
/// # Errors
///
/// A file that ends inside quotes, with the line on which they open; what reading can fail with.
#[track_caller]
pub(super) fn cut(
    ctx: &Context,
    sources: &[Source],
    split_bytes: usize,
    dialect: Dialect,
) -> Result<Arc<[Split]>> {
    let files: Vec<Vec<Split>> =
        sources.iter().map(|source| equal_splits(source, split_bytes)).collect();
    let unplaced: Arc<[Split]> = files.concat().into();
    let passages = ctx.generate("csv boundaries", unplaced.len(), move |p| {
        let passage = unplaced.get(p).map(|split| -> Result<Passage, CoreError> {
            Ok(Passage::of(&split.input.read(split.start, split.len)?, &dialect))
        });
        Ok(passage.into_iter())
    });
    let mut passages = passages.collect()?.into_iter();
    let mut placed = Vec::new();
    for mut file in files {
        let end = place(&mut file, &mut passages);
        if end == State::Quoted {
            return Err(open_quotes(&file, &dialect)?.into());
        }
        placed.append(&mut file);
    }
    Ok(placed.into())
}

fn equal_splits(source: &Source, split_bytes: usize) -> Vec<Split> {
    let Source { input, start, line } = source;
    (*start..input.len())
        .step_by(split_bytes)
        .map(|start| Split {
            input: input.clone(),
            start,
            len: (input.len() - start).min(split_bytes as u64) as usize,
            line: *line,
            state: State::RecordStart,
        })
        .collect()
}

/// Gives each split of a file the state and line that those before it lead to; returns the state
/// at the end of the file.
fn place(splits: &mut [Split], passages: &mut impl Iterator<Item = Passage>) -> State {
    let Some(mut line) = splits.first().map(|split| split.line) else { return State::RecordStart };
    let mut state = State::RecordStart;
    for (split, passage) in splits.iter_mut().zip(passages) {
        (split.state, split.line) = (state, line);
        state = passage.end(state);
        line += passage.newlines;
    }
    state
}

/// The error for a file that ends inside quotes: looks for them from the end.
fn open_quotes(splits: &[Split], dialect: &Dialect) -> Result<CoreError> {
    for split in splits.iter().rev() {
        let bytes = split.input.read(split.start, split.len)?;
        if let Some(at) = last_opening(&bytes, split.state, dialect) {
            return Ok(never_closed(&split.input, split.line + newlines(&bytes[..at])));
        }
    }
    Ok(never_closed(&splits[0].input, splits[0].line))
}

/// The error for quotes that open on a line and do not close before the file ends.
pub(super) fn never_closed(input: &Input, line: u64) -> CoreError {
    let message = format!(
        "ends inside the quotes that open on line {line}: the file was cut short, or a quote is missing"
    );
    CoreError::file(input.name(), message)
}

pub(super) fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// The bytes of a split and of the end of its last record, and how far its records were read.
#[derive(Debug)]
pub(super) struct SplitReader {
    split: Split,
    bytes: Vec<u8>,
    at: Option<usize>, // none when all records were read
    lookahead: usize,
    utf8: usize,           // bytes that are known to be valid
    counted: (usize, u64), // the lines before a place
}

impl SplitReader {
    pub(super) fn open(split: &Split, dialect: &Dialect) -> Result<Self, CoreError> {
        let bytes = split.input.read(split.start, split.len + LOOKAHEAD)?;
        let at = first_record(&bytes, split.state, dialect).filter(|&at| at < split.len);
        let mut reader = Self {
            split: split.clone(),
            bytes,
            at,
            lookahead: LOOKAHEAD,
            utf8: 0,
            counted: (0, split.line),
        };
        reader.check_utf8();
        Ok(reader)
    }

    /// The next record, with numbers looked for in the fields that `numbers` marks; none when the
    /// split has no more.
    ///
    /// # Errors
    ///
    /// Of reading, and of a file that is no longer what it was.
    pub(super) fn next(
        &mut self,
        record: &mut Record,
        dialect: &Dialect,
        numbers: &[bool],
    ) -> Result<bool, CoreError> {
        while let Some(at) = self.at {
            let is_whole = self.split.start + self.bytes.len() as u64 >= self.split.input.len();
            let mut records =
                Records::new(&self.bytes, at, is_whole, dialect).with_numbers(numbers);
            if records.next_start() >= self.split.len {
                self.at = None;
                break;
            }
            let found = records.read(record);
            self.at = Some(records.at);
            match found {
                Found::Record => return Ok(true),
                Found::End => self.at = None,
                Found::Unfinished(_) if is_whole => {
                    return Err(CoreError::file(
                        self.split.input.name(),
                        "changed while it was read",
                    ));
                }
                Found::Unfinished(_) => self.read_on()?,
            }
        }
        Ok(false)
    }

    fn read_on(&mut self) -> Result<(), CoreError> {
        let from = self.split.start + self.bytes.len() as u64;
        self.bytes.extend(self.split.input.read(from, self.lookahead)?);
        self.lookahead *= 2;
        self.check_utf8();
        Ok(())
    }

    fn check_utf8(&mut self) {
        self.utf8 += match std::str::from_utf8(&self.bytes[self.utf8..]) {
            Ok(valid) => valid.len(),
            Err(error) => error.valid_up_to(),
        };
    }

    /// The bytes that the fields of a record are ranges of.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether all bytes up to the end of the record that was read last are valid UTF-8.
    #[inline]
    pub(super) fn is_utf8(&self) -> bool {
        self.at.unwrap_or(self.bytes.len()) <= self.utf8
    }

    /// The line on which the record starts that was read last.
    pub(super) fn line(&mut self, record: &Record) -> u64 {
        let (counted, line) = self.counted;
        let line = line + newlines(&self.bytes[counted..record.start]);
        self.counted = (record.start, line);
        line
    }

    pub(super) fn file(&self) -> &str {
        self.split.input.name()
    }
}
