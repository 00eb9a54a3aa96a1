//! A hash of any value that serde can write, to compare what ranks came to.
//!
//! The ranks hold equal values, not equal bytes: a `HashMap` yields its entries in another order
//! on every rank. So the entries of a map, and the elements of a hash set, are hashed one by one
//! and added up; everything else is hashed in the order in which it is written.

use std::fmt;
use std::hash::Hasher;

use serde::ser::{self, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::hash::FixedHasher;

/// The fingerprint of `value`.
pub(crate) fn fingerprint<T: Serialize + ?Sized>(value: &T) -> Result<u64> {
    hash_of(value).map_err(|Unwritable(message)| Error::Damaged { what: "value".into(), message })
}

fn hash_of<T: Serialize + ?Sized>(value: &T) -> Result<u64, Unwritable> {
    let mut hasher = FixedHasher::default();
    value.serialize(Ordered(&mut hasher))?;
    Ok(hasher.finish())
}

/// What a `Serialize` implementation refused.
#[derive(Debug)]
struct Unwritable(String);

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unwritable {}

impl ser::Error for Unwritable {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Whether an iterable is a hash set (the standard library's, hashbrown's, …): serde has no
/// notion of a set, so that its name is all there is to know it by.
fn is_hash_set<I>() -> bool {
    let name = std::any::type_name::<I>();
    let outer = name.split('<').next().unwrap_or(name);
    outer.ends_with("HashSet")
}

/// Hashes what is written in the order of writing.
struct Ordered<'a>(&'a mut FixedHasher);

/// Hashes the entries of a map, or the elements of a set, in no order.
struct Unordered<'a> {
    into: &'a mut FixedHasher,
    entry: FixedHasher,
    sum: u64,
    entries: u64,
}

impl<'a> Unordered<'a> {
    fn new(into: &'a mut FixedHasher) -> Self {
        Self { into, entry: FixedHasher::default(), sum: 0, entries: 0 }
    }

    fn begin<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unwritable> {
        self.entry = FixedHasher::default();
        key.serialize(Ordered(&mut self.entry))
    }

    fn finish_entry(&mut self) {
        self.sum = self.sum.wrapping_add(self.entry.finish());
        self.entries += 1;
    }

    fn finish(self) {
        self.into.write_u64(self.entries);
        self.into.write_u64(self.sum);
    }
}

macro_rules! numbers {
    ($($method:ident $t:ty, $write:ident $as:expr;)*) => {$(
        fn $method(self, v: $t) -> Result<(), Unwritable> {
            let bits: fn($t) -> _ = $as;
            self.0.$write(bits(v));
            Ok(())
        }
    )*};
}

impl<'a> Serializer for Ordered<'a> {
    type Ok = ();
    type Error = Unwritable;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Unordered<'a>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    numbers! {
        serialize_bool bool, write_u8 u8::from;
        serialize_i8 i8, write_u64 |v| v as u64;
        serialize_i16 i16, write_u64 |v| v as u64;
        serialize_i32 i32, write_u64 |v| v as u64;
        serialize_i64 i64, write_u64 |v| v as u64;
        serialize_i128 i128, write_u128 |v| v as u128;
        serialize_u8 u8, write_u8 |v| v;
        serialize_u16 u16, write_u64 u64::from;
        serialize_u32 u32, write_u64 u64::from;
        serialize_u64 u64, write_u64 |v| v;
        serialize_u128 u128, write_u128 |v| v;
        serialize_f32 f32, write_u64 |v| u64::from(v.to_bits());
        serialize_f64 f64, write_u64 f64::to_bits;
        serialize_char char, write_u64 |v| u64::from(u32::from(v));
    }

    fn serialize_str(self, v: &str) -> Result<(), Unwritable> {
        self.serialize_bytes(v.as_bytes())
    }

    fn serialize_bytes(self, v: &[u8]) -> Result<(), Unwritable> {
        self.0.write(v);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Unwritable> {
        self.serialize_u8(0)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unwritable> {
        self.0.write_u8(1);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Unwritable> {
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Unwritable> {
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
    ) -> Result<(), Unwritable> {
        self.serialize_u32(index)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Unwritable> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        value: &T,
    ) -> Result<(), Unwritable> {
        self.0.write_u64(u64::from(index));
        value.serialize(self)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self, Unwritable> {
        self.0.write_u64(len.map_or(u64::MAX, |len| len as u64));
        Ok(self)
    }

    fn serialize_tuple(self, _len: usize) -> Result<Self, Unwritable> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _len: usize) -> Result<Self, Unwritable> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Self, Unwritable> {
        self.0.write_u64(u64::from(index));
        Ok(self)
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Unordered<'a>, Unwritable> {
        Ok(Unordered::new(self.0))
    }

    fn serialize_struct(self, _: &'static str, _len: usize) -> Result<Self, Unwritable> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Self, Unwritable> {
        self.0.write_u64(u64::from(index));
        Ok(self)
    }

    fn collect_seq<I>(self, elements: I) -> Result<(), Unwritable>
    where
        I: IntoIterator<Item: Serialize>,
    {
        if is_hash_set::<I>() {
            let mut set = Unordered::new(self.0);
            for element in elements {
                set.begin(&element)?;
                set.finish_entry();
            }
            set.finish();
            return Ok(());
        }
        // The number comes last: not every iterator knows it before.
        let mut count = 0;
        for element in elements {
            element.serialize(Ordered(self.0))?;
            count += 1;
        }
        self.0.write_u64(count);
        Ok(())
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

macro_rules! ordered {
    ($($trait:ident $method:ident;)*) => {$(
        impl ser::$trait for Ordered<'_> {
            type Ok = ();
            type Error = Unwritable;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
                value.serialize(Ordered(self.0))
            }

            fn end(self) -> Result<(), Unwritable> {
                Ok(())
            }
        }
    )*};
}
ordered! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

macro_rules! ordered_fields {
    ($($trait:ident)*) => {$(
        impl ser::$trait for Ordered<'_> {
            type Ok = ();
            type Error = Unwritable;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                _key: &'static str,
                value: &T,
            ) -> Result<(), Unwritable> {
                value.serialize(Ordered(self.0))
            }

            fn end(self) -> Result<(), Unwritable> {
                Ok(())
            }
        }
    )*};
}
ordered_fields!(SerializeStruct SerializeStructVariant);

impl ser::SerializeMap for Unordered<'_> {
    type Ok = ();
    type Error = Unwritable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unwritable> {
        self.begin(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        value.serialize(Ordered(&mut self.entry))?;
        self.finish_entry();
        Ok(())
    }

    fn end(self) -> Result<(), Unwritable> {
        self.finish();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap, HashSet};

    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    enum Kind {
        Empty,
        One(f64),
        Two(u8, Option<String>),
        Named { sets: Vec<HashSet<u32>>, text: &'static str },
    }

    #[test]
    fn values_that_differ_have_different_fingerprints() {
        let named = |numbers: [u32; 2], text| Kind::Named { sets: vec![numbers.into()], text };
        let kinds = [
            Kind::Empty,
            Kind::One(0.0),
            Kind::One(-0.0),
            Kind::Two(1, None),
            Kind::Two(1, Some(String::new())),
            named([1, 2], "a"),
            named([1, 3], "a"),
            named([1, 2], "b"),
        ];
        let prints: HashSet<u64> = kinds.iter().map(|kind| fingerprint(kind).unwrap()).collect();
        assert_eq!(prints.len(), kinds.len());
        assert_ne!(fingerprint(&[1, 2]).unwrap(), fingerprint(&[2, 1]).unwrap());
        assert_ne!(fingerprint(&vec![1, 2]).unwrap(), fingerprint(&vec![2, 1]).unwrap());
        assert_ne!(fingerprint(&("ab", "c")).unwrap(), fingerprint(&("a", "bc")).unwrap());
    }

    #[test]
    fn the_order_of_hash_maps_and_hash_sets_does_not_count() {
        let sorted: BTreeMap<u32, (f64, String)> =
            (0..100).map(|i| (i, (f64::from(i).sqrt(), i.to_string()))).collect();
        for _ in 0..5 {
            // Each map of the standard library has keys of its own for its hashes.
            let map: HashMap<_, _> = sorted.clone().into_iter().collect();
            assert_eq!(fingerprint(&map).unwrap(), fingerprint(&sorted).unwrap());
            let set: HashSet<u32> = (0..100).collect();
            let reversed: HashSet<u32> = (0..100).rev().collect();
            assert_eq!(fingerprint(&set).unwrap(), fingerprint(&reversed).unwrap());
        }
        let mut other = sorted.clone();
        other.insert(7, (0.0, "7".into()));
        assert_ne!(fingerprint(&other).unwrap(), fingerprint(&sorted).unwrap());
        // Keys and values belong together.
        let (one, two) = (BTreeMap::from([(1, 2), (3, 4)]), BTreeMap::from([(1, 4), (3, 2)]));
        assert_ne!(fingerprint(&one).unwrap(), fingerprint(&two).unwrap());
    }
}
