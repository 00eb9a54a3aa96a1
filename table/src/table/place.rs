//! Rows with equal keys to one partition.

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use firesteel_core::{Dataset, Error as CoreError, Partitioner};

use std::sync::Arc;

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::keys::{Keys, hash_of};

use super::Table;

/// Partitions behind a shuffle by key. A number of its own, not the table's: where a key goes, and with it
/// the order of the result, does not depend on how the table is cut.
pub(super) const PLACES: usize = 64;
/// Rows that are dealt out together, about: the pieces of a single batch would be small.
const TOGETHER: usize = 1 << 16;

impl Table {
    /// The rows in the partition of their key, which is made of the columns at `positions`; in each
    /// partition in the order that they have in the table. Without a column all rows are in the first.
    pub(super) fn placed(&self, positions: &[usize]) -> Result<Dataset<Batch>> {
        let types: Vec<_> =
            positions.iter().map(|&at| self.schema.fields()[at].data_type).collect();
        let keys = Arc::new(Keys::new(&types)?);
        let positions: Arc<[usize]> = positions.into();
        let pieces = self.batches.map_partitions(move |batches| Dealt {
            batches,
            keys: Arc::clone(&keys),
            positions: Arc::clone(&positions),
            pieces: Vec::new().into_iter(),
        });
        let own = Partitioner::own(PLACES, |place: &u64| *place as usize);
        Ok(pieces.try_map(|piece| piece).partition_by(&own).values())
    }
}

/// Batches taken apart by where their rows go.
struct Dealt<I> {
    batches: I,
    keys: Arc<Keys>,
    positions: Arc<[usize]>,
    pieces: std::vec::IntoIter<(u64, Batch)>,
}

impl<I: Iterator<Item = Batch>> Iterator for Dealt<I> {
    type Item = Result<(u64, Batch), CoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(piece) = self.pieces.next() {
                return Some(Ok(piece));
            }
            let (mut together, mut rows) = (Vec::new(), 0);
            while rows < TOGETHER {
                let Some(Batch(batch)) = self.batches.next() else { break };
                rows += batch.num_rows();
                together.push(batch);
            }
            let first = together.first()?;
            let whole = match &together[..] {
                [one] => Ok(one.clone()),
                several => concat_batches(first.schema_ref(), several)
                    .map_err(Error::arrow("putting batches together")),
            };
            match whole.and_then(|whole| deal(&whole, &self.keys, &self.positions)) {
                Ok(pieces) => self.pieces = pieces.into_iter(),
                Err(error) => return Some(Err(error.into())),
            }
        }
    }
}

fn deal(batch: &RecordBatch, keys: &Keys, positions: &[usize]) -> Result<Vec<(u64, Batch)>> {
    if positions.is_empty() {
        return Ok(vec![(0, Batch(batch.clone()))]);
    }
    let columns: Vec<ArrayRef> = positions.iter().map(|&at| Arc::clone(batch.column(at))).collect();
    let places: Vec<usize> = keys.rows(&columns)?.iter().map(|row| place_of(row.data())).collect();
    let mut ends = [0_u32; PLACES + 1];
    places.iter().for_each(|&place| ends[place + 1] += 1);
    (0..PLACES).for_each(|place| ends[place + 1] += ends[place]);
    let mut next = ends;
    let mut order = vec![0_u32; places.len()];
    for (row, &place) in places.iter().enumerate() {
        order[next[place] as usize] = row as u32;
        next[place] += 1;
    }
    let dealt = take_record_batch(batch, &UInt32Array::from(order))
        .map_err(Error::arrow("dealing rows out"))?;
    let piece = |place: usize| {
        let (start, end) = (ends[place] as usize, ends[place + 1] as usize);
        (end > start).then(|| (place as u64, Batch(dealt.slice(start, end - start))))
    };
    Ok((0..PLACES).filter_map(piece).collect())
}

/// The partition of a key.
fn place_of(key: &[u8]) -> usize {
    ((u128::from(hash_of(key)) * PLACES as u128) >> 64) as usize
}
