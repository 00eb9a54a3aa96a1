//! Parquet's view of a file: ranges of bytes, some of them read in advance.

use std::io::Read;
use std::ops::Range;

use bytes::{Buf, Bytes};
use firesteel_core::Error as CoreError;
use firesteel_core::storage::Input;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// Bytes that are read at a time where nobody says how many there will be.
const BLOCK: usize = 64 << 10;
/// Ranges this close to each other are read in one.
const GAP: u64 = 16 << 10;

/// A file, and what was read of it in advance.
#[derive(Clone, Debug)]
pub(super) struct Source {
    input: Input,
    kept: Vec<(u64, Bytes)>,
}

impl Source {
    pub(super) fn new(input: Input) -> Self {
        Self { input, kept: Vec::new() }
    }

    /// The file with those ranges in memory; neighbours are read together.
    pub(super) fn with_ranges(&self, mut ranges: Vec<Range<u64>>) -> Result<Self, CoreError> {
        ranges.sort_by_key(|range| range.start);
        let mut joined: Vec<Range<u64>> = Vec::new();
        for range in ranges {
            match joined.last_mut() {
                Some(last) if range.start <= last.end.saturating_add(GAP) => {
                    last.end = last.end.max(range.end);
                }
                _ => joined.push(range),
            }
        }
        let read = |range: Range<u64>| {
            let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            Ok((range.start, Bytes::from(self.input.read(range.start, len)?)))
        };
        let kept = joined.into_iter().map(read).collect::<Result<_, CoreError>>()?;
        Ok(Self { input: self.input.clone(), kept })
    }

    /// Kept bytes from `start` on.
    fn kept(&self, start: u64) -> Option<Bytes> {
        self.kept.iter().find_map(|(at, bytes)| {
            let from = usize::try_from(start.checked_sub(*at)?).ok()?;
            (from < bytes.len()).then(|| bytes.slice(from..))
        })
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.input.len()
    }
}

impl ChunkReader for Source {
    type T = From;

    fn get_read(&self, start: u64) -> Result<From> {
        let bytes = self.kept(start).unwrap_or_default();
        let next = start + bytes.len() as u64;
        Ok(From { input: self.input.clone(), bytes, next })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if let Some(bytes) = self.kept(start).filter(|bytes| bytes.len() >= length) {
            return Ok(bytes.slice(..length));
        }
        let bytes = self.input.read(start, length).map_err(outside)?;
        match bytes.len() == length {
            true => Ok(bytes.into()),
            false => Err(ParquetError::EOF(format!(
                "{length} bytes are wanted at {start}, the file has {}",
                self.input.len()
            ))),
        }
    }
}

fn outside(error: CoreError) -> ParquetError {
    ParquetError::External(Box::new(error))
}

/// The bytes of a file from a place on.
#[derive(Debug)]
pub(super) struct From {
    input: Input,
    bytes: Bytes,
    next: u64,
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.bytes.is_empty() {
            let read = self.input.read(self.next, BLOCK).map_err(std::io::Error::other)?;
            self.next += read.len() as u64;
            self.bytes = read.into();
        }
        let len = buffer.len().min(self.bytes.len());
        self.bytes.copy_to_slice(&mut buffer[..len]);
        Ok(len)
    }
}
