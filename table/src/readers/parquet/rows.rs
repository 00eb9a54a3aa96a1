//! Batches of row groups.

use std::sync::Arc;

use firesteel_core::Error as CoreError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};

use super::footer::Files;
use crate::batch::Batch;
use crate::error::Result;
use crate::readers::columns::Chosen;
use crate::readers::together::{damaged, guarded};

/// A row group to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) file: usize,
    pub(super) number: usize,
    pub(super) rows: u64,
}

/// What tasks need to know.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) files: Arc<Files>,
    pub(super) chosen: Chosen,
    pub(super) batch_rows: usize,
}

impl Plan {
    fn told(&self, group: Group) -> String {
        format!("{}, row group {}", self.files.name(group.file), group.number)
    }

    /// A reader of the columns that the file has of those wanted.
    fn open(
        &self,
        group: Group,
        only: Option<&str>,
    ) -> Result<ParquetRecordBatchReader, CoreError> {
        let footer = self.files.footer(group.file)?;
        let what = self.told(group);
        let mask = self.mask(&footer, only);
        let groups = footer.metadata().row_groups();
        let facts = groups
            .get(group.number)
            .filter(|facts| facts.num_rows() as u64 == group.rows)
            .ok_or_else(|| damaged(&*what, "the file has changed since its footer was read"))?;
        let columns = facts.columns().iter().enumerate();
        let ranges = columns.filter(|(leaf, _)| mask.leaf_included(*leaf)).map(|(_, column)| {
            let (start, len) = column.byte_range(); // lies in the file: the footer was checked
            start..start + len
        });
        let source = self.files.source(group.file).with_ranges(ranges.collect())?;
        guarded(&what, || {
            ParquetRecordBatchReaderBuilder::new_with_metadata(source, footer.clone())
                .with_row_groups(vec![group.number])
                .with_projection(mask)
                .with_batch_size(self.batch_rows)
                .build()
        })
    }

    fn mask(&self, footer: &ArrowReaderMetadata, only: Option<&str>) -> ProjectionMask {
        let is_wanted = |name: &str| match only {
            Some(only) => name == only,
            None => self.chosen.all.contains(name),
        };
        let fields = footer.schema().fields().iter().enumerate();
        let roots = fields.filter(|(_, field)| is_wanted(field.name())).map(|(i, _)| i);
        ProjectionMask::roots(footer.parquet_schema(), roots)
    }

    /// The error of a row group, with the column that it comes from if one alone gives it too.
    fn blamed(&self, group: Group, error: CoreError) -> CoreError {
        let CoreError::Damaged { what, message } = error else { return error };
        let guilty = self.chosen.own_names().find(|name| {
            let rows = self.open(group, Some(name)).and_then(|reader| {
                let mut reader = reader;
                guarded(&what, || {
                    reader.try_fold(0, |sum, batch| batch.map(|batch| sum + batch.num_rows()))
                })
            });
            !matches!(rows, Ok(rows) if rows as u64 == group.rows)
        });
        match guilty {
            Some(name) => damaged(format!("{what}, column `{name}`"), message),
            None => damaged(what, message),
        }
    }
}

/// The rows of some row groups, batch by batch.
pub(super) struct RowGroups {
    plan: Arc<Plan>,
    groups: std::vec::IntoIter<Group>,
    open: Option<(Group, ParquetRecordBatchReader, u64)>,
}

impl RowGroups {
    pub(super) fn new(plan: Arc<Plan>, groups: Vec<Group>) -> Self {
        Self { plan, groups: groups.into_iter(), open: None }
    }

    fn next_batch(&mut self) -> Result<Option<Batch>, CoreError> {
        loop {
            let Some((group, reader, read)) = &mut self.open else {
                let Some(group) = self.groups.next() else { return Ok(None) };
                let reader = self.plan.open(group, None);
                let reader = reader.map_err(|error| self.plan.blamed(group, error))?;
                self.open = Some((group, reader, 0));
                continue;
            };
            let what = self.plan.told(*group);
            let decoded = guarded(&what, || reader.next().transpose());
            match decoded.map_err(|error| self.plan.blamed(*group, error))? {
                Some(decoded) => {
                    *read += decoded.num_rows() as u64;
                    return Ok(Some(Batch(self.plan.chosen.rows(group.file, &decoded)?)));
                }
                None if *read == group.rows => self.open = None,
                None => {
                    let message = format!("{} rows were written, {read} came", group.rows);
                    return Err(self.plan.blamed(*group, damaged(what, message)));
                }
            }
        }
    }
}

impl Iterator for RowGroups {
    type Item = Result<Batch, CoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_batch().transpose();
        if matches!(next, Some(Err(_))) {
            (self.open, self.groups) = (None, Vec::new().into_iter());
        }
        next
    }
}
