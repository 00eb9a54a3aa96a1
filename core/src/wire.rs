//! Values as bytes, between ranks and on disk.
//!
//! A frame is: version (1 byte), format (1 byte), number of rows (8 bytes), payload, CRC-32 of all
//! before it (4 bytes); numbers are little-endian. Rows of plain numbers, and pairs of them, are
//! written as they lie in memory; everything else goes through serde and postcard. What a frame
//! claims is checked before anything is allocated for it.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::data::Wire;
use crate::error::{Error, Result};

const VERSION: u8 = 1;
const POSTCARD: u8 = 0;
const PLAIN: u8 = 1;
const HEAD: usize = 10;
const TAIL: usize = 4;

/// Rows that are written as they lie in memory.
trait Plain: Sized + 'static {
    const BYTES: usize;
    fn write(rows: &[Self], out: &mut Vec<u8>);
    fn read(bytes: &[u8]) -> Vec<Self>;
}

macro_rules! plain_number {
    ($($t:ty),*) => {$(
        impl Plain for $t {
            const BYTES: usize = size_of::<$t>();
            fn write(rows: &[Self], out: &mut Vec<u8>) {
                if cfg!(target_endian = "little") {
                    out.extend_from_slice(bytemuck::cast_slice(rows));
                } else {
                    out.extend(rows.iter().flat_map(|row| row.to_le_bytes()));
                }
            }
            fn read(bytes: &[u8]) -> Vec<Self> {
                let (rows, _) = bytes.as_chunks::<{ size_of::<$t>() }>();
                rows.iter().map(|row| <$t>::from_le_bytes(*row)).collect()
            }
        }
    )*};
}
plain_number!(u8, u16, u32, u64, i8, i16, i32, i64, f32, f64);

macro_rules! plain_pair {
    ($(($a:ty, $b:ty)),*) => {$(
        impl Plain for ($a, $b) {
            const BYTES: usize = size_of::<$a>() + size_of::<$b>();
            fn write(rows: &[Self], out: &mut Vec<u8>) {
                out.reserve(rows.len() * Self::BYTES);
                for (a, b) in rows {
                    out.extend_from_slice(&a.to_le_bytes());
                    out.extend_from_slice(&b.to_le_bytes());
                }
            }
            fn read(bytes: &[u8]) -> Vec<Self> {
                let (rows, _) = bytes.as_chunks::<{ size_of::<$a>() + size_of::<$b>() }>();
                rows.iter().map(|row| {
                    let (a, b) = row.split_at(size_of::<$a>());
                    let a = a.try_into().expect("the split is at the first number's width");
                    let b = b.try_into().expect("the rest is the second number's width");
                    (<$a>::from_le_bytes(a), <$b>::from_le_bytes(b))
                }).collect()
            }
        }
    )*};
}
plain_pair!(
    (u32, u32),
    (u32, u64),
    (u32, f32),
    (u32, f64),
    (u32, i64),
    (u64, u32),
    (u64, u64),
    (u64, f32),
    (u64, f64),
    (u64, i64),
    (i32, i32),
    (i32, f32),
    (i32, f64),
    (i32, u64),
    (i64, i64),
    (i64, u64),
    (i64, f64),
    (f32, f32),
    (f64, f64),
    (f64, u64)
);

/// Tries the plain types one after the other; `None` if `T` is none of them.
macro_rules! for_plain {
    ($try:ident) => {
        $try!(u8, u16, u32, u64, i8, i16, i32, i64, f32, f64);
        $try!(
            (u32, u32),
            (u32, u64),
            (u32, f32),
            (u32, f64),
            (u32, i64),
            (u64, u32),
            (u64, u64),
            (u64, f32),
            (u64, f64),
            (u64, i64),
            (i32, i32),
            (i32, f32),
            (i32, f64),
            (i32, u64),
            (i64, i64),
            (i64, u64),
            (i64, f64),
            (f32, f32),
            (f64, f64),
            (f64, u64)
        );
    };
}

#[expect(clippy::ptr_arg, reason = "a slice has no type id to ask for")]
fn write_plain<T: Wire>(rows: &Vec<T>, out: &mut Vec<u8>) -> bool {
    let any: &dyn Any = rows;
    macro_rules! attempt {
        ($($t:ty),*) => {$(
            if let Some(rows) = any.downcast_ref::<Vec<$t>>() {
                <$t as Plain>::write(rows, out);
                return true;
            }
        )*};
    }
    for_plain!(attempt);
    false
}

fn read_plain<T: Wire>(rows: u64, bytes: &[u8]) -> Option<Result<Vec<T>>> {
    macro_rules! attempt {
        ($($t:ty),*) => {$(
            if std::any::TypeId::of::<T>() == std::any::TypeId::of::<$t>() {
                if (bytes.len() as u64) != rows.saturating_mul(<$t as Plain>::BYTES as u64) {
                    return Some(Err(damaged("its length does not fit its number of rows")));
                }
                let boxed: Box<dyn Any> = Box::new(<$t as Plain>::read(bytes));
                let rows = boxed.downcast::<Vec<T>>().expect("the type ids are equal");
                return Some(Ok(*rows));
            }
        )*};
    }
    for_plain!(attempt);
    None
}

/// Bytes that a row takes in memory if it is plain, so that sizes are known exactly.
pub(crate) fn plain_size<T: 'static>() -> Option<usize> {
    macro_rules! attempt {
        ($($t:ty),*) => {$(
            if std::any::TypeId::of::<T>() == std::any::TypeId::of::<$t>() {
                return Some(size_of::<$t>());
            }
        )*};
    }
    for_plain!(attempt);
    None
}

/// Writes `rows` as one frame.
pub(crate) fn encode_rows<T: Wire>(rows: &Vec<T>) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    append_rows(rows, &mut out)?;
    Ok(out)
}

/// [`encode_rows`], behind what `out` holds; returns the checksum.
pub(crate) fn append_rows<T: Wire>(rows: &Vec<T>, out: &mut Vec<u8>) -> Result<u32> {
    let start = out.len();
    out.extend_from_slice(&[VERSION, PLAIN]);
    out.extend_from_slice(&(rows.len() as u64).to_le_bytes());
    if !write_plain(rows, out) {
        out[start + 1] = POSTCARD;
        for row in rows {
            append(row, out)?;
        }
    }
    let sum = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&sum.to_le_bytes());
    Ok(sum)
}

/// Bytes that [`encode`] would write.
pub(crate) fn encoded_len<T: serde::Serialize>(value: &T) -> Result<u64> {
    let count = postcard::ser_flavors::Size::default();
    postcard::serialize_with_flavor(value, count)
        .map(|len| len as u64)
        .map_err(|error| Error::Damaged { what: "value".into(), message: error.to_string() })
}

/// A frame compressed (LZ4), with a checksum of its own.
pub(crate) fn pack(frame: &[u8]) -> Vec<u8> {
    let mut packed = lz4_flex::block::compress_prepend_size(frame);
    let sum = crc32fast::hash(&packed);
    packed.extend_from_slice(&sum.to_le_bytes());
    packed
}

/// The frame that [`pack`] compressed.
pub(crate) fn unpack(packed: &[u8]) -> Result<Vec<u8>> {
    let (body, tail) = packed
        .split_last_chunk::<TAIL>()
        .ok_or_else(|| damaged("it is shorter than its own head"))?;
    if crc32fast::hash(body).to_le_bytes() != *tail {
        return Err(damaged("its checksum does not fit"));
    }
    lz4_flex::block::decompress_size_prepended(body).map_err(|error| damaged(&error.to_string()))
}

/// Reads a frame that [`encode_rows`] wrote.
pub(crate) fn decode_rows<T: Wire>(frame: &[u8]) -> Result<Vec<T>> {
    if frame.len() < HEAD + TAIL {
        return Err(damaged("it is shorter than its own head"));
    }
    let (body, tail) = frame.split_at(frame.len() - TAIL);
    if crc32fast::hash(body).to_le_bytes() != tail {
        return Err(damaged("its checksum does not fit"));
    }
    if body[0] != VERSION {
        return Err(damaged("it has another version"));
    }
    let count = u64::from_le_bytes(body[2..HEAD].try_into().expect("the head has eight bytes"));
    let payload = &body[HEAD..];
    if body[1] == PLAIN {
        return read_plain(count, payload)
            .unwrap_or_else(|| Err(damaged("its rows are of another type")));
    }
    // A row may take no byte at all (the unit type), so the count alone bounds nothing.
    let mut rows = Vec::with_capacity((count as usize).min(payload.len() + 1));
    let mut rest = payload;
    for _ in 0..count {
        let (row, after) =
            postcard::take_from_bytes(rest).map_err(|error| damaged(&error.to_string()))?;
        rows.push(row);
        rest = after;
    }
    if rest.is_empty() { Ok(rows) } else { Err(damaged("bytes are left over")) }
}

/// Rows as a frame that can be part of a larger value.
pub(crate) struct Frame<T> {
    bytes: Vec<u8>,
    row: PhantomData<fn(T)>,
}

impl<T: Wire> Frame<T> {
    pub(crate) fn of(rows: &Vec<T>) -> Result<Self> {
        Ok(Self { bytes: encode_rows(rows)?, row: PhantomData })
    }

    pub(crate) fn into_rows(self) -> Result<Vec<T>> {
        decode_rows(&self.bytes)
    }
}

impl<T> Clone for Frame<T> {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), row: PhantomData }
    }
}

impl<T> Serialize for Frame<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.bytes)
    }
}

impl<'de, T> Deserialize<'de> for Frame<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
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
        Ok(Self { bytes: deserializer.deserialize_bytes(Whole)?, row: PhantomData })
    }
}

/// One value as bytes.
pub(crate) fn encode<T: serde::Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    append(value, &mut out)?;
    Ok(out)
}

/// A value that [`encode`] wrote.
pub(crate) fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    postcard::from_bytes(bytes).map_err(|error| damaged(&error.to_string()))
}

/// Writes one value behind what `out` holds.
pub(crate) fn append<T: serde::Serialize>(value: &T, out: &mut Vec<u8>) -> Result<()> {
    let taken = std::mem::take(out);
    *out = postcard::to_extend(value, taken)
        .map_err(|error| Error::Damaged { what: "value".into(), message: error.to_string() })?;
    Ok(())
}

fn damaged(message: &str) -> Error {
    Error::Damaged { what: "frame".into(), message: message.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn there_and_back<T: Wire>(rows: Vec<T>) -> Vec<T> {
        let frame: Frame<T> = decode(&encode(&Frame::of(&rows).unwrap()).unwrap()).unwrap();
        frame.into_rows().unwrap()
    }

    proptest! {
        #[test]
        fn rows_come_back_as_they_went(
            numbers in prop::collection::vec(any::<u64>(), 0..50),
            text in prop::collection::vec((".{0,8}", any::<i32>()), 0..20),
        ) {
            prop_assert_eq!(&there_and_back(numbers.clone()), &numbers);
            let floats: Vec<f64> = numbers.iter().map(|&b| f64::from_bits(b)).collect();
            let back: Vec<u64> = there_and_back(floats).into_iter().map(f64::to_bits).collect();
            prop_assert_eq!(&back, &numbers);
            let pairs: Vec<(u64, u32)> = numbers.iter().map(|&n| (n, n as u32)).collect();
            prop_assert_eq!(&there_and_back(pairs.clone()), &pairs);
            prop_assert_eq!(&there_and_back(text.clone()), &text);
        }

        #[test]
        fn a_damaged_frame_is_an_error(
            rows in prop::collection::vec(".{0,8}", 0..20),
            at in any::<prop::sample::Index>(),
            flip in 1_u8..,
        ) {
            let mut frame = encode_rows(&rows).unwrap();
            let at = at.index(frame.len());
            prop_assert!(decode_rows::<String>(&frame[..at]).is_err());
            frame[at] ^= flip;
            prop_assert!(decode_rows::<String>(&frame).is_err());
        }
    }

    #[test]
    fn a_frame_of_another_type_is_an_error() {
        let frame = encode_rows(&vec![1_u64, 2]).unwrap();
        assert!(decode_rows::<u32>(&frame).is_err());
        assert!(decode_rows::<String>(&frame).is_err());
    }

    #[test]
    fn rows_without_bytes_keep_their_number() {
        assert_eq!(there_and_back(vec![(); 1000]).len(), 1000);
    }
}
