//! Text with a record on each line, read in parallel.
//!
//! Files are cut at fixed sizes; a line belongs to the split in which it begins. Which line of the
//! file a record is on is only counted when somebody wants to know.

mod growing;
mod rows;
mod splits;

use std::sync::Arc;

use firesteel_core::{Context, Dataset};

pub(super) use growing::Cell;
pub(super) use rows::{Piece, Reading};
pub(super) use splits::{Split, SplitLines, cut};

use super::report::{Counts, ReadReport};
use crate::error::{Error, Result};
use crate::table::Table;

/// What makes a record of a line.
pub(super) trait Lines: Send + Sync + 'static {
    /// Whether the line is none: blank, or a comment.
    fn is_none(&self, line: &[u8]) -> bool;

    /// The cells of a record, one for each column of the files.
    fn record(&self, line: &[u8], cells: &mut Vec<Cell>) -> Result<(), Wrong>;
}

/// What is wrong with a record, or with a cell.
#[derive(Clone, Debug)]
pub(super) struct Wrong {
    pub(super) value: String,
    pub(super) expected: String,
}

impl Wrong {
    pub(super) fn new(value: &[u8], expected: impl Into<String>) -> Self {
        const LONGEST: usize = 80;
        let text = String::from_utf8_lossy(value);
        let value = match text.char_indices().nth(LONGEST) {
            None => text.into_owned(),
            Some((end, _)) => format!("{}…", &text[..end]),
        };
        Self { value, expected: expected.into() }
    }
}

/// A table that is read anew in every action.
#[track_caller]
pub(super) fn scan(ctx: &Context, name: &'static str, reading: Arc<Reading>) -> Table {
    let schema = reading.schema.clone();
    Table::new(schema, pieces(ctx, name, reading).map(|piece| piece.batch))
}

/// A table that is read now and kept, with a report.
#[track_caller]
pub(super) fn keep(
    ctx: &Context,
    name: &'static str,
    reading: Arc<Reading>,
    unknown: &[bool],
) -> Result<Table> {
    let schema = reading.schema.clone();
    let kept = pieces(ctx, name, Arc::clone(&reading)).cache_sized(|piece| piece.batch.bytes());
    let columns = schema.len();
    let counts = kept.map_ref(|piece| piece.counts.clone()).map_partitions(move |parts| {
        [parts.fold(Counts::new(columns), |sum, part| sum.merge(&part))]
    });
    let counts: Vec<Counts> = counts.collect()?;
    let (files, bytes) = (reading.files(), reading.bytes());
    let report = ReadReport::new(files, bytes, &schema, unknown, &counts);
    Ok(Table::new(schema, kept.map_ref(|piece| piece.batch.clone())).with_report(report))
}

#[track_caller]
fn pieces(ctx: &Context, name: &'static str, reading: Arc<Reading>) -> Dataset<Piece> {
    ctx.generate(name, reading.splits.len().max(1), move |p| {
        let rows = reading.splits.get(p).map(|split| reading.rows(split));
        Ok(rows.transpose()?.into_iter().flatten())
    })
}

/// Checks the sizes that all readers of lines have.
pub(super) fn check_sizes(batch_rows: usize, split_bytes: usize) -> Result<()> {
    if batch_rows == 0 {
        return Err(Error::parameter("batch_rows", 0, "at least 1"));
    }
    if split_bytes == 0 {
        return Err(Error::parameter("split_bytes", 0, "at least 1"));
    }
    Ok(())
}
