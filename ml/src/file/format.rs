//! From models to bytes and back.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Saved;
use super::array::{Array, Data, count};
use crate::error::{Error, Result};

/// A byte above ASCII, the name, and line ends: a transfer as text changes one of them.
pub(super) const MAGIC: [u8; 8] = *b"\x89FSML\r\n\x1a";
const VERSION: u32 = 1;
/// Magic number, version, zero, length of the file, length of the header.
pub(super) const PREFIX: usize = 32;
const CHECKSUM: usize = 4;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    kind: String,
    #[serde(borrow)]
    body: &'a RawValue,
    arrays: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    dtype: String,
    shape: Vec<usize>,
    offset: u64,
}

pub(super) fn encode(saved: &Saved) -> Vec<u8> {
    let mut data = Vec::new();
    let mut arrays = Vec::new();
    for array in &saved.arrays {
        arrays.push(Entry {
            name: array.name.clone(),
            dtype: array.data.dtype().to_owned(),
            shape: array.shape.clone(),
            offset: data.len() as u64,
        });
        array.data.write(&mut data);
        fill(&mut data);
    }
    let header = Header { kind: saved.kind.clone(), body: &saved.body, arrays };
    let header = serde_json::to_vec(&header).expect("strings and numbers always become JSON");
    let mut bytes = Vec::with_capacity(PREFIX + header.len() + data.len() + 16);
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend([0; 4]);
    let len = PREFIX + padded(header.len()).unwrap_or_default() + data.len() + CHECKSUM;
    bytes.extend((len as u64).to_le_bytes());
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    fill(&mut bytes);
    bytes.extend(data);
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

fn fill(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
}

fn padded(len: usize) -> Option<usize> {
    len.checked_next_multiple_of(8)
}

/// Reads a file whole. Only a folder or a device could lie about its length, and is not believed.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let meta = file.metadata()?;
    if meta.is_dir() {
        return Err(io::Error::other("is a folder"));
    }
    let mut bytes = Vec::new();
    file.take(meta.len()).read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn decode(bytes: &[u8], origin: Arc<str>) -> Result<Saved> {
    parse(bytes, Arc::clone(&origin))
        .map_err(|message| Error::ModelFile { file: origin.to_string(), message })
}

fn parse(bytes: &[u8], origin: Arc<str>) -> Result<Saved, String> {
    let header_len = outside(bytes)?;
    let (before, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
    if crc32fast::hash(before).to_le_bytes() != checksum {
        return Err("is damaged: its checksum does not match".into());
    }
    let header = &before[PREFIX..PREFIX + header_len];
    let data = &before[PREFIX + padded(header_len).unwrap_or_default()..];
    if before[PREFIX + header_len..before.len() - data.len()].iter().any(|&byte| byte != 0) {
        return Err("is damaged: the space after its header is not empty".into());
    }
    let header: Header<'_> =
        serde_json::from_slice(header).map_err(|error| format!("header: {error}"))?;
    let arrays = arrays(header.arrays, data)?;
    Ok(Saved { kind: header.kind, body: header.body.to_owned(), arrays, origin })
}

/// Checks what stands outside of the header; gives its length, which fits.
fn outside(bytes: &[u8]) -> Result<usize, String> {
    if bytes.is_empty() {
        return Err("is empty".into());
    }
    let start = &bytes[..bytes.len().min(MAGIC.len())];
    if *start != MAGIC[..start.len()] {
        return Err("is not a Firesteel model file".into());
    }
    let short = || format!("is cut short: {} bytes are less than a model file has", bytes.len());
    let number = |at: usize| bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
    let number = |at| number(at).map(u64::from_le_bytes).ok_or_else(short);
    let version = number(8)?; // with the four zeros after it
    if version != u64::from(VERSION) {
        return Err(format!("has the format version {version}; this program reads {VERSION}"));
    }
    let (len, header_len) = (number(16)?, number(24)?);
    let found = bytes.len() as u64;
    if found < len {
        return Err(format!("is cut short: {found} of its {len} bytes are there"));
    }
    let absurd = || format!("is damaged: a header of {header_len} bytes in {found} bytes");
    if found > len {
        return Err(format!("has {} bytes after its end", found - len));
    }
    let header_len = usize::try_from(header_len).map_err(|_| absurd())?;
    let least = padded(header_len).and_then(|len| len.checked_add(PREFIX + CHECKSUM));
    least.filter(|&least| least <= bytes.len()).ok_or_else(absurd)?;
    Ok(header_len)
}

/// The arrays must lie one after the other, and fill what is there.
fn arrays(entries: Vec<Entry>, data: &[u8]) -> Result<Vec<Array>, String> {
    let mut names = BTreeSet::new();
    let mut at = 0;
    let mut arrays = Vec::new();
    for Entry { name, dtype, shape, offset } in entries {
        let width = Data::width(&dtype)
            .ok_or_else(|| format!("array `{name}` has the unknown type {dtype:?}"))?;
        let len = count(&shape).and_then(|n| n.checked_mul(width));
        let end = len.and_then(|len| padded(len)?.checked_add(at));
        let (Some(len), Some(end)) = (len, end.filter(|&end| end <= data.len())) else {
            let left = data.len() - at;
            return Err(format!("array `{name}` of shape {shape:?} in {left} bytes"));
        };
        if offset != at as u64 {
            return Err(format!("array `{name}` at offset {offset}, expected {at}"));
        }
        if data[at + len..end].iter().any(|&byte| byte != 0) {
            return Err(format!("is damaged: the space after array `{name}` is not empty"));
        }
        if !names.insert(name.clone()) {
            return Err(format!("two arrays have the name `{name}`"));
        }
        let numbers = Data::read(&dtype, &data[at..at + len]);
        let data = numbers.ok_or_else(|| format!("array `{name}` is not whole"))?;
        arrays.push(Array { name, shape, data });
        at = end;
    }
    if at < data.len() {
        return Err(format!("has {} bytes that belong to no array", data.len() - at));
    }
    Ok(arrays)
}
