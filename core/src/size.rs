//! Bytes that values take in memory, counted through serde.
//!
//! What lies inside a value its type tells. What its texts, sequences and maps hold lies elsewhere,
//! and is counted as it lies there: a number by its width, a text by its bytes, and the three words
//! that own it unless they are inside the value. A box is taken as if its content lay inside.

use serde::ser::{self, Serialize};

use crate::data::Wire;
use crate::error::{Error, Result};
use crate::wire;

/// Bytes of the words that own a text or a sequence.
const OWNER: u64 = 24;
/// Bytes that a map's table takes for an entry besides the entry itself, about.
const ENTRY: u64 = 16;

/// Bytes that rows take in memory, each of them looked at unless their type tells.
pub(crate) fn bytes_of<T: Wire>(rows: &[T]) -> Result<u64> {
    let own = size_of_val(rows) as u64;
    if wire::plain_size::<T>().is_some() {
        return Ok(own);
    }
    let mut count = Count::default();
    for row in rows {
        row.serialize(&mut count).map_err(damaged)?;
    }
    Ok(own + count.bytes)
}

/// [`bytes_of`] by a few rows spread evenly over all: for reports, where no budget stands on it.
pub(crate) fn bytes_about<T: Wire>(rows: &[T]) -> Result<u64> {
    const SAMPLED: usize = 4;
    let own = size_of_val(rows) as u64;
    if rows.is_empty() || wire::plain_size::<T>().is_some() {
        return Ok(own);
    }
    let sampled = rows.len().min(SAMPLED);
    let mut count = Count::default();
    for i in 0..sampled {
        rows[i * rows.len() / sampled].serialize(&mut count).map_err(damaged)?;
    }
    Ok(own + count.bytes * rows.len() as u64 / sampled as u64)
}

/// Bytes that a value holds elsewhere than inside itself.
pub(crate) fn held_by<T: Serialize>(value: &T) -> Result<u64> {
    let mut count = Count::default();
    value.serialize(&mut count).map_err(damaged)?;
    Ok(count.bytes)
}

fn damaged(error: Failed) -> Error {
    Error::Damaged { what: "value".into(), message: error.0 }
}

#[derive(Debug, Default)]
struct Count {
    bytes: u64,
    /// Sequences and maps around what comes next; without any it lies inside the value.
    around: u32,
}

impl Count {
    fn plain(&mut self, bytes: u64) -> Result<(), Failed> {
        if self.around > 0 {
            self.bytes += bytes;
        }
        Ok(())
    }

    fn held(&mut self, bytes: usize) -> Result<(), Failed> {
        self.bytes += bytes as u64;
        self.plain(OWNER)
    }

    fn enter(&mut self) -> Result<&mut Self, Failed> {
        self.plain(OWNER)?;
        self.around += 1;
        Ok(self)
    }

    fn leave(&mut self) -> Result<(), Failed> {
        self.around -= 1;
        Ok(())
    }
}

/// Why a value does not let itself be counted.
#[derive(Debug)]
struct Failed(String);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

impl ser::Error for Failed {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

macro_rules! plain {
    ($($name:ident: $type:ty,)*) => {$(
        #[inline]
        fn $name(self, _: $type) -> Result<(), Failed> {
            self.plain(size_of::<$type>() as u64)
        }
    )*};
}

impl<'a> ser::Serializer for &'a mut Count {
    type Ok = ();
    type Error = Failed;
    type SerializeSeq = &'a mut Count;
    type SerializeTuple = &'a mut Count;
    type SerializeTupleStruct = &'a mut Count;
    type SerializeTupleVariant = &'a mut Count;
    type SerializeMap = &'a mut Count;
    type SerializeStruct = &'a mut Count;
    type SerializeStructVariant = &'a mut Count;

    plain! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_i128: i128,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_u128: u128,
        serialize_f32: f32,
        serialize_f64: f64,
        serialize_char: char,
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_str(self, text: &str) -> Result<(), Failed> {
        self.held(text.len())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Failed> {
        self.held(bytes.len())
    }

    fn serialize_none(self) -> Result<(), Failed> {
        self.plain(8)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Failed> {
        self.plain(8)?;
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Failed> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Failed> {
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
    ) -> Result<(), Failed> {
        self.plain(8)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Failed> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Failed> {
        self.plain(8)?;
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Failed> {
        self.enter()
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Failed> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Failed> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Failed> {
        self.plain(8)?;
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Failed> {
        self.enter()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Failed> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Failed> {
        self.plain(8)?;
        Ok(self)
    }
}

impl ser::SerializeSeq for &mut Count {
    type Ok = ();
    type Error = Failed;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Failed> {
        self.leave()
    }
}

impl ser::SerializeMap for &mut Count {
    type Ok = ();
    type Error = Failed;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Failed> {
        self.bytes += ENTRY;
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Failed> {
        self.leave()
    }
}

/// Things whose parts lie where the whole lies.
macro_rules! inside {
    ($($trait:ident, $method:ident $(, $key:ty)?;)*) => {$(
        impl ser::$trait for &mut Count {
            type Ok = ();
            type Error = Failed;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, $(_: $key,)? value: &T) -> Result<(), Failed> {
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Failed> {
                Ok(())
            }
        }
    )*};
}
inside! {
    SerializeTuple, serialize_element;
    SerializeTupleStruct, serialize_field;
    SerializeTupleVariant, serialize_field;
    SerializeStruct, serialize_field, &'static str;
    SerializeStructVariant, serialize_field, &'static str;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_rows_hold_is_counted_where_it_lies() {
        // Inside: one pointer, capacity and length each. Outside: eight bytes a number, one a letter.
        assert_eq!(bytes_of(&[vec![1_u64, 2], vec![]]).unwrap(), 2 * 24 + 16);
        assert_eq!(bytes_of(&["steel".to_owned()]).unwrap(), 24 + 5);
        let nested = vec![vec!["ab".to_owned(), String::new()]];
        assert_eq!(bytes_of(&nested).unwrap(), 24 + 2 * 24 + 2);
        // Numbers beside a vector lie inside the row.
        assert_eq!(bytes_of(&[(1_u64, 2.0_f32, vec![3_u8; 7])]).unwrap(), 40 + 7);
        assert_eq!(bytes_of(&[(1_u32, 2.5_f64)]).unwrap(), 16);
        assert_eq!(bytes_of::<Vec<u8>>(&[]).unwrap(), 0);
        let map: BTreeMap<u64, u64> = [(1, 2), (3, 4)].into();
        assert_eq!(held_by(&map).unwrap(), 2 * (16 + ENTRY));
        assert_eq!(held_by(&(1, Some(2), 'a', ())).unwrap(), 0);
        assert_eq!(held_by(&vec![Some(1_i32)]).unwrap(), 12);
    }

    #[test]
    fn one_large_row_among_many_is_not_overlooked() {
        let mut rows = vec![Vec::<u8>::new(); 2048];
        rows[1000] = vec![0; 1 << 20];
        assert_eq!(bytes_of(&rows).unwrap(), 2048 * 24 + (1 << 20));
        assert!(bytes_about(&rows).unwrap() < 1 << 20);
    }
}
