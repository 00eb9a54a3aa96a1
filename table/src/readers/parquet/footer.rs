//! What the footer of a file tells.

use std::sync::OnceLock;

use arrow_array::{Array, ArrayRef, RecordBatch};
use firesteel_core::Error as CoreError;
use firesteel_core::storage::Input;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use serde::{Deserialize, Serialize};

use super::source::Source;
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::readers::columns::FileColumns;
use crate::readers::pruning::Bounds;
use crate::readers::together::{damaged, guarded};
use crate::schema::{Schema, Type};

/// The files of a table; what a rank has read of a footer it keeps.
#[derive(Debug)]
pub(super) struct Files {
    inputs: Vec<Input>,
    footers: Vec<OnceLock<ArrowReaderMetadata>>,
}

impl Files {
    pub(super) fn new(inputs: Vec<Input>) -> Self {
        let footers = inputs.iter().map(|_| OnceLock::new()).collect();
        Self { inputs, footers }
    }

    pub(super) fn len(&self) -> usize {
        self.inputs.len()
    }

    pub(super) fn name(&self, file: usize) -> &str {
        self.inputs[file].name()
    }

    pub(super) fn source(&self, file: usize) -> Source {
        Source::new(self.inputs[file].clone())
    }

    /// The footer of a file.
    pub(super) fn footer(&self, file: usize) -> Result<ArrowReaderMetadata, CoreError> {
        if let Some(known) = self.footers[file].get() {
            return Ok(known.clone());
        }
        let source = self.source(file);
        let read = guarded(self.name(file), || {
            ArrowReaderMetadata::load(&source, ArrowReaderOptions::new())
        })?;
        self.check(file, &read)?;
        Ok(self.footers[file].get_or_init(|| read).clone())
    }

    /// Checks that row groups lie in the file, so that nothing is read or held for nothing.
    fn check(&self, file: usize, footer: &ArrowReaderMetadata) -> Result<(), CoreError> {
        let len = self.inputs[file].len() as i128;
        for (number, group) in footer.metadata().row_groups().iter().enumerate() {
            let what = format!("{}, row group {number}", self.name(file));
            if group.num_rows() < 0 || group.total_byte_size() < 0 {
                return Err(damaged(what, "a number of rows or bytes is negative"));
            }
            for column in group.columns() {
                let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
                let (start, size) = (i128::from(start), i128::from(column.compressed_size()));
                if start < 0 || size < 0 || start + size > len {
                    let path = column.column_path().string();
                    let message = "its bytes lie outside the file: it was cut short or is damaged";
                    return Err(damaged(format!("{what}, column `{path}`"), message));
                }
            }
        }
        Ok(())
    }
}

/// What all ranks need to know of a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Footer {
    pub(super) columns: FileColumns,
    pub(super) groups: Vec<GroupFacts>,
}

/// What all ranks need to know of a row group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct GroupFacts {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// For each column that was asked for and has statistics: least and greatest value, as two
    /// rows of a batch of one column, and the number of nulls.
    facts: Vec<(String, Option<Batch>, Option<u64>)>,
}

impl GroupFacts {
    /// What is known of a column of that type.
    pub(super) fn bounds(&self, name: &str, of: Type) -> Option<Bounds> {
        let (_, cells, nulls) = self.facts.iter().find(|facts| facts.0 == name)?;
        let cell = |row: usize| Some(cells.as_ref()?.0.column(0).slice(row, 1));
        Some(Bounds {
            min: cell(0),
            max: cell(1),
            may_be_nan: of == Type::F64, // statistics pass NaN over
            nulls: *nulls,
            rows: self.rows,
        })
    }
}

impl Footer {
    /// Reads a footer, and in it the statistics of the columns that are asked for.
    pub(super) fn of(files: &Files, file: usize, asked: &[String]) -> Result<Self, CoreError> {
        let footer = files.footer(file)?;
        let name = files.name(file);
        let columns = FileColumns::of(name, footer.schema())?;
        let group = |group: &parquet::file::metadata::RowGroupMetaData| GroupFacts {
            rows: group.num_rows() as u64,
            bytes: group.total_byte_size() as u64,
            facts: Vec::new(),
        };
        let mut groups: Vec<GroupFacts> =
            footer.metadata().row_groups().iter().map(group).collect();
        for name in asked {
            let Some(of) = columns.type_of(name) else { continue };
            // Statistics only save work: without them the rows are looked at.
            let Ok(facts) = guarded(files.name(file), || facts(&footer, name, of)) else {
                continue;
            };
            for (group, (cells, nulls)) in groups.iter_mut().zip(facts) {
                group.facts.push((name.clone(), cells, nulls));
            }
        }
        Ok(Self { columns, groups })
    }
}

type Facts = (Option<Batch>, Option<u64>);

/// Bounds and nulls of a column in each row group.
fn facts(footer: &ArrowReaderMetadata, name: &str, of: Type) -> Result<Vec<Facts>> {
    let told = Error::arrow("reading statistics");
    let fault = |error: parquet::errors::ParquetError| arrow_schema::ArrowError::from(error);
    let groups = footer.metadata().row_groups();
    let schema = footer.schema();
    let read = || -> Result<_, arrow_schema::ArrowError> {
        let converter = StatisticsConverter::try_new(name, schema, footer.parquet_schema())
            .map_err(fault)?
            .with_missing_null_counts_as_zero(false);
        let mins = converter.row_group_mins(groups).map_err(fault)?;
        let maxes = converter.row_group_maxes(groups).map_err(fault)?;
        let nulls = converter.row_group_null_counts(groups).map_err(fault)?;
        Ok((converter.parquet_column_index(), mins, maxes, nulls))
    };
    let (place, mins, maxes, nulls) = read().map_err(told)?;
    let of_group = |i: usize| {
        let column = place.and_then(|place| groups[i].columns().get(place));
        let is_sound = column
            .and_then(|column| column.statistics())
            .is_some_and(|statistics| !statistics.is_min_max_deprecated());
        let cells = is_sound.then(|| bounds(&mins.slice(i, 1), &maxes.slice(i, 1), name, of));
        let nulls = (!nulls.is_null(i)).then(|| nulls.value(i));
        (cells.flatten(), nulls)
    };
    Ok((0..groups.len()).map(of_group).collect())
}

/// Two rows: the least and the greatest value, in the table's type.
fn bounds(min: &ArrayRef, max: &ArrayRef, name: &str, of: Type) -> Option<Batch> {
    let both = arrow_select::concat::concat(&[min.as_ref(), max.as_ref()]).ok()?;
    let batch = RecordBatch::try_from_iter_with_nullable([(name, both, true)]).ok()?;
    let schema = Schema::of([(name, of)]).ok()?;
    schema.conform(&batch).ok().map(Batch)
}
