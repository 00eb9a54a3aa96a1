//! Object files: rows of any type that can travel, in blocks that are checked when they are read.
//!
//! A part file is a sequence of blocks: magic (4 bytes), version (1), codec (1), length of the
//! type's name (2), the name, number of rows (8), bytes before compression (4), bytes of the
//! payload (4), the payload, CRC-32 of all before it (4); numbers are little-endian. The payload
//! is one lz4 block of rows as postcard writes them. A block holds about [`BLOCK`] bytes, so
//! neither writing nor reading has a whole partition in memory.
//!
//! The marker `_SUCCESS` is written last and says what must come out of the parts again.

use std::fmt::Write as _;
use std::fs::File;
use std::hash::Hasher;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use crate::chaos::{Faults, Point};
use crate::data::Wire;
use crate::error::{Error, Result};
use crate::hash::FixedHasher;
use crate::wire;

const MAGIC: [u8; 4] = *b"FSOB";
const VERSION: u8 = 1;
const LZ4: u8 = 1;
/// Encoded bytes at which a block is closed.
const BLOCK: usize = 1 << 20;
/// Bytes that lz4 can make of one byte, at most.
const LZ4_MOST: u64 = 255;
/// Name of the file that says that a folder is whole.
pub(crate) const MARKER: &str = "_SUCCESS";
const MARKER_HEAD: &str = "firesteel-objects";

/// What a part has in it: enough to see that a row was lost, changed or came twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Content {
    pub(crate) rows: u64,
    /// Wrapping sum of the hashes of the rows' encoded bytes: free of order.
    pub(crate) print: u64,
}

impl Content {
    fn add(&mut self, row: &[u8]) {
        let mut hasher = FixedHasher::default();
        hasher.write(row);
        self.rows += 1;
        self.print = self.print.wrapping_add(hasher.finish());
    }

    pub(crate) fn merge(self, other: Self) -> Self {
        Self { rows: self.rows + other.rows, print: self.print.wrapping_add(other.print) }
    }
}

/// The name of a part file.
pub(crate) fn part_name(partition: usize) -> String {
    format!("part-{partition:05}")
}

/// Writes one part.
pub(crate) struct PartWriter<T> {
    path: String,
    out: BufWriter<File>,
    block: Vec<u8>,
    rows: u64,
    blocks: u64,
    content: Content,
    partition: usize,
    faults: Faults,
    item: PhantomData<fn(T)>,
}

impl<T: Wire> PartWriter<T> {
    pub(crate) fn create(path: &Path, partition: usize, faults: Faults) -> Result<Self> {
        let name = path.to_string_lossy().into_owned();
        let file = File::create(path).map_err(|error| Error::file(&*name, error))?;
        Ok(Self {
            path: name,
            out: BufWriter::new(file),
            block: Vec::new(),
            rows: 0,
            blocks: 0,
            content: Content::default(),
            partition,
            faults,
            item: PhantomData,
        })
    }

    pub(crate) fn push(&mut self, row: &T) -> Result<()> {
        let start = self.block.len();
        wire::append(row, &mut self.block)?;
        self.content.add(&self.block[start..]);
        self.rows += 1;
        if self.block.len() >= BLOCK { self.close_block() } else { Ok(()) }
    }

    fn close_block(&mut self) -> Result<()> {
        let too_long = || Error::file(&*self.path, "a row takes more than 4 GiB");
        let raw = u32::try_from(self.block.len()).map_err(|_| too_long())?;
        let payload = lz4_flex::block::compress(&self.block);
        let len = u32::try_from(payload.len()).map_err(|_| too_long())?;
        let name = type_name::<T>();
        let mut head = Vec::with_capacity(24 + name.len());
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(&[VERSION, LZ4]);
        head.extend_from_slice(&(name.len() as u16).to_le_bytes());
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(&self.rows.to_le_bytes());
        head.extend_from_slice(&raw.to_le_bytes());
        head.extend_from_slice(&len.to_le_bytes());
        let mut sum = crc32fast::Hasher::new();
        sum.update(&head);
        sum.update(&payload);
        let mut payload = payload;
        let (number, at) = (self.partition as u64, self.blocks);
        self.faults.strike(Point::ObjectWrite, number, &at, &mut payload)?;
        for bytes in [&head[..], &payload, &sum.finalize().to_le_bytes()] {
            self.out.write_all(bytes).map_err(|error| Error::file(&*self.path, error))?;
        }
        self.block.clear();
        self.rows = 0;
        self.blocks += 1;
        Ok(())
    }

    /// Writes what is left and brings it to disk. Even a part without rows has a block: it tells
    /// the type.
    pub(crate) fn finish(mut self) -> Result<Content> {
        if self.rows > 0 || self.blocks == 0 {
            self.close_block()?;
        }
        let named = |error: io::Error| Error::file(&*self.path, error);
        let file = self.out.into_inner().map_err(|error| named(error.into_error()))?;
        file.sync_all().map_err(named)?;
        Ok(self.content)
    }
}

/// The type's name as the compiler gives it, cut to what a block's head can hold.
fn type_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    let mut end = name.len().min(u16::MAX as usize);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

/// The rows of one part; ends with an error if they are not those that the marker tells of.
pub(crate) struct PartRows<T> {
    path: String,
    input: BufReader<File>,
    /// Bytes of the file that were not read yet.
    left: u64,
    block: Vec<u8>,
    at: usize,
    rows: u64,
    found: Content,
    expected: Content,
    over: bool,
    partition: usize,
    blocks: u64,
    faults: Faults,
    item: PhantomData<fn() -> T>,
}

impl<T: Wire> PartRows<T> {
    pub(crate) fn open(
        path: &Path,
        expected: Content,
        partition: usize,
        faults: Faults,
    ) -> Result<Self> {
        let name = path.to_string_lossy().into_owned();
        let open = || {
            let file = File::open(path)?;
            let left = file.metadata()?.len();
            Ok((file, left))
        };
        let (file, left) = open().map_err(|error: io::Error| Error::file(&*name, error))?;
        Ok(Self {
            path: name,
            input: BufReader::new(file),
            left,
            block: Vec::new(),
            at: 0,
            rows: 0,
            found: Content::default(),
            expected,
            over: false,
            partition,
            blocks: 0,
            faults,
            item: PhantomData,
        })
    }

    fn damaged(&self, message: impl Into<String>) -> Error {
        Error::Damaged { what: self.path.clone(), message: message.into() }
    }

    fn bytes(&mut self, len: usize, sum: &mut crc32fast::Hasher) -> Result<Vec<u8>> {
        if len as u64 > self.left {
            return Err(self.damaged("it was cut short"));
        }
        let mut bytes = vec![0; len];
        match self.input.read_exact(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(self.damaged("it was cut short"));
            }
            read => read.map_err(|error| Error::file(&*self.path, error))?,
        }
        self.left -= len as u64;
        sum.update(&bytes);
        Ok(bytes)
    }

    fn next_block(&mut self) -> Result<()> {
        let mut sum = crc32fast::Hasher::new();
        let start = self.bytes(8, &mut sum)?;
        if start[..4] != MAGIC {
            return Err(self.damaged("it is not an object file"));
        }
        if start[4..6] != [VERSION, LZ4] {
            return Err(self.damaged(format!("version {} codec {} is unknown", start[4], start[5])));
        }
        let name = self.bytes(usize::from(start[6]) | usize::from(start[7]) << 8, &mut sum)?;
        let lens = self.bytes(16, &mut sum)?;
        let number = |range: std::ops::Range<usize>| {
            lens[range].iter().rev().fold(0_u64, |all, &byte| all << 8 | u64::from(byte))
        };
        let (rows, raw, len) = (number(0..8), number(8..12), number(12..16));
        let payload = if self.faults.any() {
            let mut payload = self.bytes(len as usize, &mut crc32fast::Hasher::new())?;
            let (number, at) = (self.partition as u64, self.blocks);
            self.faults.strike(Point::ObjectRead, number, &at, &mut payload)?;
            sum.update(&payload);
            payload
        } else {
            self.bytes(len as usize, &mut sum)?
        };
        self.blocks += 1;
        let expected = sum.clone().finalize();
        if self.bytes(4, &mut sum)? != expected.to_le_bytes() {
            return Err(self.damaged("a block's checksum does not fit"));
        }
        check_type::<T>(&self.path, &String::from_utf8_lossy(&name))?;
        if raw > LZ4_MOST * len + 64 {
            return Err(self.damaged("a block claims more bytes than it can hold"));
        }
        self.block = lz4_flex::block::decompress(&payload, raw as usize)
            .map_err(|error| self.damaged(error.to_string()))?;
        (self.at, self.rows) = (0, rows);
        Ok(())
    }

    fn next_row(&mut self) -> Result<Option<T>> {
        while self.rows == 0 {
            if self.at < self.block.len() {
                return Err(self.damaged("bytes are left over in a block"));
            }
            if self.left == 0 {
                return self.check_end().map(|()| None);
            }
            self.next_block()?;
        }
        let rest = &self.block[self.at..];
        let (row, after) = postcard::take_from_bytes::<T>(rest)
            .map_err(|error| self.damaged(format!("a row cannot be read: {error}")))?;
        let taken = rest.len() - after.len();
        self.found.add(&self.block[self.at..self.at + taken]);
        self.at += taken;
        self.rows -= 1;
        Ok(Some(row))
    }

    fn check_end(&self) -> Result<()> {
        let (found, expected) = (self.found, self.expected);
        if found.rows != expected.rows {
            let message = format!("{} rows were written, {} came", expected.rows, found.rows);
            return Err(self.damaged(message));
        }
        if found.print != expected.print {
            let message = format!(
                "rows with fingerprint {:016x} were written, {:016x} came",
                expected.print, found.print
            );
            return Err(self.damaged(message));
        }
        Ok(())
    }
}

impl<T: Wire> Iterator for PartRows<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        if self.over {
            return None;
        }
        let row = self.next_row().transpose();
        self.over = !matches!(row, Some(Ok(_)));
        row
    }
}

fn check_type<T>(file: &str, found: &str) -> Result<()> {
    let expected = type_name::<T>();
    if found == expected {
        return Ok(());
    }
    let message = format!("it has rows of type `{found}`, not `{expected}`");
    Err(Error::Damaged { what: file.to_owned(), message })
}

/// The text of the marker of a folder of parts.
pub(crate) fn marker<T>(parts: &[Content]) -> String {
    let all = parts.iter().copied().fold(Content::default(), Content::merge);
    let mut text = format!(
        "{MARKER_HEAD} {VERSION}\ntype {}\npartitions {}\nrows {}\nfingerprint {:016x}\n",
        type_name::<T>(),
        parts.len(),
        all.rows,
        all.print
    );
    for part in parts {
        let _ = writeln!(text, "part {} {:016x}", part.rows, part.print);
    }
    let sum = crc32fast::hash(text.as_bytes());
    let _ = writeln!(text, "checksum {sum:08x}");
    text
}

/// The parts of a folder, once its marker is found to be right and all of them to be there.
pub(crate) fn read_marker<T>(folder: &Path) -> Result<Vec<(PathBuf, Content)>> {
    let path = folder.join(MARKER);
    let name = path.to_string_lossy().into_owned();
    let damaged = |message: &str| Error::Damaged { what: name.clone(), message: message.into() };
    let bytes = std::fs::read(&path).map_err(|error| Error::file(&*name, error))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged("it is not text"))?;
    if !text.starts_with(MARKER_HEAD) {
        return Err(damaged("it is not the marker of a folder of object files"));
    }
    let cut = text.rfind("checksum ").ok_or_else(|| damaged("it was cut short"))?;
    let sum = crc32fast::hash(&bytes[..cut]);
    if text[cut..] != format!("checksum {sum:08x}\n") {
        return Err(damaged("its checksum does not fit"));
    }
    let mut lines = text[..cut].lines();
    let mut field = |key: &str| {
        let value = lines.next().and_then(|line| line.strip_prefix(key)?.strip_prefix(' '));
        value.ok_or_else(|| damaged(&format!("it has no line `{key}` where one must be")))
    };
    let malformed = || damaged("a number in it cannot be read");
    let version = field(MARKER_HEAD)?;
    if version != VERSION.to_string() {
        return Err(damaged(&format!("version {version} is unknown")));
    }
    check_type::<T>(&name, field("type")?)?;
    let partitions: usize = field("partitions")?.parse().map_err(|_| malformed())?;
    let rows: u64 = field("rows")?.parse().map_err(|_| malformed())?;
    let print = u64::from_str_radix(field("fingerprint")?, 16).map_err(|_| malformed())?;
    let mut parts = Vec::new();
    for partition in 0..partitions {
        let (rows, print) = field("part")?.split_once(' ').ok_or_else(malformed)?;
        let rows = rows.parse().map_err(|_| malformed())?;
        let print = u64::from_str_radix(print, 16).map_err(|_| malformed())?;
        let path = folder.join(part_name(partition));
        if !path.is_file() {
            return Err(Error::file(path.to_string_lossy(), "is missing"));
        }
        parts.push((path, Content { rows, print }));
    }
    let all = parts.iter().map(|part| part.1).fold(Content::default(), Content::merge);
    if lines.next().is_some() || all != (Content { rows, print }) {
        return Err(damaged("its parts do not add up to its whole"));
    }
    Ok(parts)
}
