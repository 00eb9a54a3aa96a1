//! Sorting more rows than a task may hold: sorted runs on disk, merged.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::exchange::SharedSpill;
use super::radix::sort_rows;
use crate::data::Wire;
use crate::error::Result;
use crate::size;
use crate::spill::Extent;
use crate::wire;

/// Sorts rows by a key; equal keys keep the order in which they came.
pub(super) struct Sorter<T, F> {
    key: F,
    spill: Arc<SharedSpill>,
    rows: Vec<T>,
    bytes: u64,
    counted: usize,
    runs: Vec<Run>,
}

/// A sorted run on disk: its frames, first to last.
type Run = Vec<Extent>;

/// Rows between two looks at their size.
const LOOK: usize = 1024;

impl<T: Wire, K: Ord + 'static, F: Fn(&T) -> K> Sorter<T, F> {
    pub(super) fn new(spill: &Arc<SharedSpill>, key: F) -> Self {
        let (rows, runs) = (Vec::new(), Vec::new());
        Self { key, spill: Arc::clone(spill), rows, bytes: 0, counted: 0, runs }
    }

    /// Bytes of rows at which a run is written. Besides them there are a copy while they are put in
    /// order, and the keys.
    fn most(&self) -> u64 {
        self.spill.store().share() / 4
    }

    /// Makes room for so many rows, if they will fit.
    pub(super) fn expect(&mut self, rows: u64) {
        if rows.saturating_mul(size_of::<T>() as u64) <= self.most() {
            self.rows.reserve_exact(rows as usize);
        }
    }

    #[inline]
    pub(super) fn push(&mut self, row: T) -> Result<()> {
        self.rows.push(row);
        if self.rows.len() - self.counted >= LOOK { self.check() } else { Ok(()) }
    }

    pub(super) fn extend(&mut self, rows: Vec<T>) -> Result<()> {
        if self.rows.capacity() == 0 {
            self.rows = rows;
        } else {
            self.rows.extend(rows);
        }
        self.check()
    }

    fn check(&mut self) -> Result<()> {
        self.bytes += size::bytes_of(&self.rows[self.counted..])?;
        self.counted = self.rows.len();
        if self.bytes > self.most() { self.write_run() } else { Ok(()) }
    }

    fn write_run(&mut self) -> Result<()> {
        let mut rows = std::mem::take(&mut self.rows);
        sort_rows(&mut rows, &self.key);
        // So small that the frames of all runs fit while they are merged.
        let frame = (self.most() / 256).clamp(1 << 10, 256 << 10);
        let each = (rows.len() as u64 * frame / self.bytes.max(1)).max(1) as usize;
        let mut run = Vec::new();
        let mut rows = rows.into_iter();
        loop {
            let part: Vec<T> = rows.by_ref().take(each).collect();
            if part.is_empty() {
                break;
            }
            run.push(self.spill.append(&wire::encode_rows(&part)?)?);
        }
        self.runs.push(run);
        (self.bytes, self.counted) = (0, 0);
        Ok(())
    }

    /// The rows in order.
    pub(super) fn finish(mut self) -> Result<Merged<T, K, F>> {
        if self.runs.is_empty() {
            sort_rows(&mut self.rows, &self.key);
            let rows = self.rows.into_iter();
            return Ok(Merged { rows, key: self.key, heads: BinaryHeap::new(), runs: Vec::new() });
        }
        if !self.rows.is_empty() {
            self.write_run()?;
        }
        let mut merged = Merged {
            rows: Vec::new().into_iter(),
            key: self.key,
            heads: BinaryHeap::with_capacity(self.runs.len()),
            runs: Vec::with_capacity(self.runs.len()),
        };
        for (at, run) in self.runs.into_iter().enumerate() {
            let run = Reader { frames: run.into_iter(), rows: Vec::new().into_iter() };
            merged.runs.push(run);
            merged.pull(at)?;
        }
        Ok(merged)
    }
}

/// Rows in order, from memory or from runs on disk.
pub(super) struct Merged<T, K, F> {
    rows: std::vec::IntoIter<T>,
    key: F,
    heads: BinaryHeap<Head<T, K>>,
    runs: Vec<Reader<T>>,
}

/// The first row of a run that was not given out.
struct Head<T, K> {
    key: K,
    run: usize,
    row: T,
}

struct Reader<T> {
    frames: std::vec::IntoIter<Extent>,
    rows: std::vec::IntoIter<T>,
}

impl<T: Wire> Reader<T> {
    fn next(&mut self) -> Result<Option<T>> {
        loop {
            if let Some(row) = self.rows.next() {
                return Ok(Some(row));
            }
            let Some(extent) = self.frames.next() else { return Ok(None) };
            let rows: Vec<T> =
                wire::decode_rows(&extent.read()?).map_err(|error| extent.name(error))?;
            self.rows = rows.into_iter();
        }
    }
}

impl<T: Wire, K: Ord, F: Fn(&T) -> K> Merged<T, K, F> {
    fn pull(&mut self, run: usize) -> Result<()> {
        if let Some(row) = self.runs[run].next()? {
            self.heads.push(Head { key: (self.key)(&row), run, row });
        }
        Ok(())
    }

    /// The next row.
    pub(super) fn next(&mut self) -> Result<Option<T>> {
        if self.runs.is_empty() {
            return Ok(self.rows.next());
        }
        let Some(Head { run, row, .. }) = self.heads.pop() else { return Ok(None) };
        self.pull(run)?;
        Ok(Some(row))
    }

    /// Rows that are all in memory, if they are.
    pub(super) fn in_memory(&mut self) -> Option<std::vec::IntoIter<T>> {
        self.runs.is_empty().then(|| std::mem::take(&mut self.rows))
    }
}

// The heap gives the greatest first: so the smallest key, and of equal ones the earliest run.
impl<T, K: Ord> Ord for Head<T, K> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(&self.key).then(other.run.cmp(&self.run))
    }
}

impl<T, K: Ord> PartialOrd for Head<T, K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T, K: Ord> PartialEq for Head<T, K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T, K: Ord> Eq for Head<T, K> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::mix;
    use crate::store::Store;

    #[test]
    fn rows_are_sorted_alike_in_memory_and_on_disk() {
        let rows: Vec<(u64, String)> =
            (0..20_000_u64).map(|i| (mix(i) % 500, i.to_string())).collect();
        let mut expected = rows.clone();
        expected.sort_by_key(|row| row.0);
        for (limit, on_disk) in [(None, false), (Some(100 << 10), true), (Some(10), true)] {
            let store = Arc::new(Store::new(limit, 1, std::env::temp_dir()));
            let mut sorter = Sorter::new(&SharedSpill::new(&store), |row: &(u64, String)| row.0);
            for row in rows.clone() {
                sorter.push(row).unwrap();
            }
            let mut merged = sorter.finish().unwrap();
            let mut sorted = Vec::new();
            while let Some(row) = merged.next().unwrap() {
                sorted.push(row);
            }
            assert_eq!(sorted, expected);
            assert_eq!(store.spilled() > 0, on_disk);
        }
    }
}
