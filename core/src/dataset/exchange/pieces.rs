//! What arrived for an output partition.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::scatter::{Scattered, Segment, lock, print_of, read_rows};
use crate::data::Wire;
use crate::error::{Error, Result};
use crate::job::Call;
use crate::memory::Reservation;
use crate::spill::Extent;
use crate::wire;

/// Rows that one input partition has for one output partition, all or some of them.
pub(super) struct Piece<T> {
    pub(super) from: usize,
    pub(super) seq: usize,
    pub(super) rows: usize,
    body: Body<T>,
}

enum Body<T> {
    Rows(Vec<T>, Option<Reservation>),
    Frame(Vec<u8>, Option<Reservation>),
    Disk(Extent),
}

impl<T: Wire> Piece<T> {
    /// A frame that came from another rank.
    pub(super) fn arrived(
        (from, seq, rows): (usize, usize, usize),
        frame: Vec<u8>,
        held: Option<Reservation>,
    ) -> Self {
        Self { from, seq, rows, body: Body::Frame(frame, held) }
    }

    /// A frame that came from another rank and was written to disk.
    pub(super) fn put_aside((from, seq, rows): (usize, usize, usize), extent: Extent) -> Self {
        Self { from, seq, rows, body: Body::Disk(extent) }
    }

    fn into_rows(self) -> Result<(Vec<T>, Option<Reservation>)> {
        let rows: Vec<T> = match self.body {
            Body::Rows(rows, held) => return Ok((rows, held)),
            Body::Frame(frame, _held) => wire::decode_rows(&frame)?,
            Body::Disk(extent) => return Ok((read_rows(&extent, self.rows)?, None)),
        };
        if rows.len() != self.rows {
            return Err(Error::Damaged {
                what: "shuffled block".into(),
                message: format!("it has {} rows instead of {}", rows.len(), self.rows),
            });
        }
        Ok((rows, None))
    }

    /// The piece as a frame, for another rank.
    pub(super) fn into_frame(self) -> Result<Vec<u8>> {
        match self.body {
            Body::Rows(rows, _) => wire::encode_rows(&rows),
            Body::Frame(frame, _) => Ok(frame),
            Body::Disk(extent) => extent.read(),
        }
    }
}

/// All pieces that are on this rank.
pub(super) struct Here<T> {
    scattered: Vec<Mutex<Scattered<T>>>,
    arrived: BTreeMap<usize, Mutex<Vec<Piece<T>>>>,
}

impl<T: Wire> Here<T> {
    pub(super) fn new(scattered: Vec<Scattered<T>>) -> Self {
        let scattered = scattered.into_iter().map(Mutex::new).collect();
        Self { scattered, arrived: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, to: usize, piece: Piece<T>) {
        let pieces = self.arrived.entry(to).or_default();
        pieces.get_mut().unwrap_or_else(|poison| poison.into_inner()).push(piece);
    }

    /// The pieces for `to` that were made here, in the order of their rows; they are gone then.
    pub(super) fn take_local(&self, to: usize) -> Vec<Piece<T>> {
        let mut pieces = Vec::new();
        for scattered in &self.scattered {
            let mut scattered = lock(scattered);
            let from = scattered.from;
            for (seq, segment) in scattered.segments.iter_mut().enumerate() {
                let (rows, body) = match segment {
                    Segment::Memory(parts) => {
                        let (rows, held) = std::mem::take(&mut parts[to]);
                        (rows.len(), Body::Rows(rows, held))
                    }
                    Segment::Disk(file, parts) => {
                        let part = std::mem::take(&mut parts[to]);
                        let extent = file.extent(part.start, part.len);
                        (part.rows as usize, Body::Disk(extent))
                    }
                };
                if rows > 0 {
                    pieces.push(Piece { from, seq, rows, body });
                }
            }
        }
        pieces
    }

    /// All pieces for `to`, if they are what was written; `fault` loses one of them before that.
    pub(super) fn take(
        &self,
        to: usize,
        call: Call,
        written: (u64, u64),
        fault: bool,
    ) -> Result<Pieces<T>> {
        let mut pieces = self.take_local(to);
        if let Some(arrived) = self.arrived.get(&to) {
            pieces.append(&mut lock(arrived));
            pieces.sort_unstable_by_key(|piece| (piece.from, piece.seq));
        }
        if fault {
            pieces.pop();
        }
        let rows = pieces.iter().map(|piece| piece.rows as u64).sum::<u64>();
        let print = pieces.iter().fold(0_u64, |sum, piece| {
            sum.wrapping_add(print_of(piece.from, to, piece.seq, piece.rows))
        });
        if rows != written.0 {
            return Err(rows_lost(call, to, written.0, rows));
        }
        if print != written.1 {
            return Err(Error::Damaged {
                what: format!("what {} at {} moved to partition {to}", call.operator, call.site),
                message: format!("its {rows} rows came in other pieces than were written"),
            });
        }
        Ok(Pieces { pieces: pieces.into_iter(), rows, read: Arc::default() })
    }
}

/// The error of an exchange that wrote and read different numbers of rows.
pub(super) fn rows_lost(call: Call, partition: usize, written: u64, read: u64) -> Error {
    let (operator, site) = (call.operator.into(), call.site.into());
    Error::RowsLost { operator, site, partition, written, read }
}

/// The rows of an output partition, in the order of (input partition, position).
pub(in crate::dataset) struct Pieces<T> {
    pieces: std::vec::IntoIter<Piece<T>>,
    rows: u64,
    /// Rows that were read so far, for whoever looks on.
    read: Arc<AtomicU64>,
}

impl<T: Wire> Pieces<T> {
    /// Counts the rows that are read.
    pub(super) fn reads(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.read)
    }

    /// How many rows there were at the start.
    pub(in crate::dataset) fn rows(&self) -> u64 {
        self.rows
    }

    /// The next rows, with what they hold of the budget if they were in memory.
    pub(in crate::dataset) fn next(&mut self) -> Result<Option<(Vec<T>, Option<Reservation>)>> {
        let Some(piece) = self.pieces.next() else { return Ok(None) };
        let (rows, held) = piece.into_rows()?;
        self.read.fetch_add(rows.len() as u64, Ordering::Relaxed);
        Ok(Some((rows, held)))
    }
}

/// Frames on their way to another rank.
pub(super) struct Outgoing<T> {
    here: Arc<Here<T>>,
    /// Output partitions that live elsewhere, with their homes.
    to: std::vec::IntoIter<(usize, usize)>,
    pieces: std::vec::IntoIter<Piece<T>>,
    now: (usize, usize),
}

/// What one rank sends to another in a round: output partition, input partition, sequence number,
/// rows, frame.
pub(super) type Parcel = Vec<(usize, usize, usize, usize, FrameBytes)>;

/// The bytes of a frame inside a parcel.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct FrameBytes(#[serde(with = "bytes")] pub(super) Vec<u8>);

mod bytes {
    use std::fmt;

    use serde::{Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        struct Whole;
        impl de::Visitor<'_> for Whole {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of a frame")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        from.deserialize_bytes(Whole)
    }
}

impl<T: Wire> Outgoing<T> {
    pub(super) fn new(here: Arc<Here<T>>, to: Vec<(usize, usize)>) -> Self {
        Self { here, to: to.into_iter(), pieces: Vec::new().into_iter(), now: (0, 0) }
    }

    /// The parcels of one round, of about `most` bytes together, and whether that is all.
    pub(super) fn round(&mut self, ranks: usize, most: u64) -> Result<(Vec<Parcel>, bool)> {
        let mut parcels: Vec<Parcel> = vec![Vec::new(); ranks];
        let mut bytes = 0;
        while bytes < most {
            match self.pieces.next() {
                Some(piece) => {
                    let (from, seq, rows) = (piece.from, piece.seq, piece.rows);
                    let frame = piece.into_frame()?;
                    bytes += frame.len() as u64;
                    let (to, home) = self.now;
                    parcels[home].push((to, from, seq, rows, FrameBytes(frame)));
                }
                None => match self.to.next() {
                    Some(now) => {
                        self.now = now;
                        self.pieces = self.here.take_local(now.0).into_iter();
                    }
                    None => return Ok((parcels, true)),
                },
            }
        }
        Ok((parcels, false))
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::super::scatter::{Scatter, SharedSpill, Totals};
    use super::*;
    use crate::store::Store;

    fn call() -> Call {
        Call { operator: "reduce_by_key", site: Location::caller() }
    }

    /// Ten rows of input partition `from`, dealt out to two.
    fn scattered(from: usize, totals: &Totals) -> Scattered<u64> {
        let store = Arc::new(Store::new(None, 1, std::env::temp_dir()));
        let mut out = Scatter::new(2, &SharedSpill::new(&store));
        (0..10).for_each(|row| out.push(row % 2, row as u64));
        assert_eq!(out.rows(), 10);
        out.finish(from, totals).unwrap().2
    }

    #[test]
    fn a_piece_that_is_gone_or_came_twice_is_seen() {
        let totals = Totals::new(2);
        let both = [scattered(0, &totals), scattered(1, &totals)];
        let written = totals.into_vec();
        let here = Here::new(both.into());
        let mut pieces = here.take(0, call(), written[0], false).unwrap();
        let reads = pieces.reads();
        while pieces.next().unwrap().is_some() {}
        assert_eq!((reads.load(Ordering::Relaxed), pieces.rows()), (10, 10));

        let lost = here.take(1, call(), written[1], true).map(|pieces| pieces.rows());
        let error = lost.unwrap_err();
        assert!(
            matches!(&error, Error::RowsLost { partition: 1, written: 10, read: 5, .. }),
            "{error}"
        );

        let totals = Totals::new(2);
        let one = scattered(0, &totals);
        let written = totals.into_vec();
        let twice = Here::new(vec![one, scattered(0, &Totals::new(2))]);
        let error = twice.take(0, call(), written[0], false).map(|pieces| pieces.rows());
        assert!(matches!(error, Err(Error::RowsLost { written: 5, read: 10, .. })));
        // As many rows, but of another input partition.
        let other = Here::new(vec![scattered(3, &Totals::new(2))]);
        let error = other.take(1, call(), written[1], false).map(|pieces| pieces.rows());
        assert!(matches!(error, Err(Error::Damaged { message, .. }) if message.contains("pieces")));
    }
}
