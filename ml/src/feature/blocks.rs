//! One value for every block of rows, blocks being cut at fixed global row numbers.
//!
//! How a table was partitioned, and by how many ranks and threads it is read, thus leaves no
//! trace in what is fitted (law 2): a block's value is reckoned from its rows alone, and blocks
//! are merged over a fixed tree on their number.

use std::cell::Cell;

use arrow_array::RecordBatch;
use firesteel_core::Wire;
use firesteel_table::{Batch, Table};

use crate::error::{Error, Result};

/// Rows of a block, until there would be too many blocks.
const BLOCK_ROWS: u64 = 8192;
/// Blocks, at most.
const BLOCKS: u64 = 4096;

/// Reckons `block` on every block of rows (their named columns, in that order, and the global
/// number of the first) and merges the results; none without rows. Collective.
pub(super) fn fold_blocks<S: Wire>(
    table: &Table,
    columns: &[String],
    block: impl Fn(&RecordBatch, u64) -> Result<S> + Send + Sync + 'static,
    merge: impl Fn(S, S) -> S + Sync,
) -> Result<Option<S>> {
    let narrow = table.select(columns)?;
    let schema = narrow.schema().to_arrow();
    let rows = Cell::new(BLOCK_ROWS);
    let cut = narrow.batches().recut(
        Batch::rows,
        |batch, range| Batch(batch.0.slice(range.start, range.len())),
        |n| {
            rows.set(n.div_ceil(BLOCKS).max(BLOCK_ROWS));
            rows.get()
        },
    )?;
    let rows = rows.get();
    let values = cut.try_map_partitions_with_index(move |p, batches| {
        let batches: Vec<RecordBatch> = batches.map(RecordBatch::from).collect();
        let whole = arrow_select::concat::concat_batches(&schema, &batches).map_err(|error| {
            firesteel_core::Error::Damaged {
                what: "a block of rows".to_owned(),
                message: error.to_string(),
            }
        })?;
        if whole.num_rows() == 0 {
            return Ok(None);
        }
        block(&whole, p as u64 * rows).map(Some).map_err(firesteel_core::Error::from)
    });
    Ok(values.reduce(merge)?)
}

/// A count of every column by `count`, which takes what is known and one more batch; counts are
/// whole numbers, so no rows need to be moved. Collective.
pub(super) fn count_rows<S: Wire>(
    table: &Table,
    columns: &[String],
    zero: S,
    count: impl Fn(S, &RecordBatch) -> Result<S> + Sync,
    merge: impl Fn(S, S) -> S + Sync,
) -> Result<S> {
    let narrow = table.select(columns)?;
    let count = |state, batch: &Batch| count(state, &batch.0).map_err(firesteel_core::Error::from);
    narrow.batches().try_tree_aggregate(zero, count, merge).map_err(Error::from)
}
