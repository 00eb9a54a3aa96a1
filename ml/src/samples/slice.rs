//! A window of a shared vector of numbers, which travels as raw bytes.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, Range};
use std::sync::Arc;

use bytemuck::Pod;
use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

/// Numbers that may share their memory with other slices of the same vector.
///
/// Cloning and slicing copy nothing. Between ranks and on disk it is the bytes of its own
/// numbers, little-endian.
#[derive(Clone, Default)]
pub struct Slice<E> {
    data: Arc<Vec<E>>,
    range: Range<usize>,
}

impl<E> Slice<E> {
    /// The part of this slice in `range`, cut to its length.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let end = self.range.end.min(self.range.start + range.end);
        let start = end.min(self.range.start + range.start);
        Self { data: Arc::clone(&self.data), range: start..end }
    }
}

impl<E> From<Vec<E>> for Slice<E> {
    fn from(data: Vec<E>) -> Self {
        let range = 0..data.len();
        Self { data: Arc::new(data), range }
    }
}

impl<E> From<Arc<Vec<E>>> for Slice<E> {
    fn from(data: Arc<Vec<E>>) -> Self {
        let range = 0..data.len();
        Self { data, range }
    }
}

impl<E> Deref for Slice<E> {
    type Target = [E];

    fn deref(&self) -> &[E] {
        &self.data[self.range.clone()]
    }
}

impl<E: fmt::Debug> fmt::Debug for Slice<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<E: PartialEq> PartialEq for Slice<E> {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl<E: Pod> Serialize for Slice<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Ranks of one world and files of one run are of one kind of machine.
        serializer.serialize_bytes(bytemuck::cast_slice(&self[..]))
    }
}

impl<'de, E: Pod> Deserialize<'de> for Slice<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Bytes(PhantomData))
    }
}

struct Bytes<E>(PhantomData<E>);

impl<'de, E: Pod> Visitor<'de> for Bytes<E> {
    type Value = Slice<E>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the bytes of numbers of {} bytes each", size_of::<E>())
    }

    fn visit_bytes<X: serde::de::Error>(self, bytes: &[u8]) -> Result<Slice<E>, X> {
        if !bytes.len().is_multiple_of(size_of::<E>().max(1)) {
            return Err(X::invalid_length(bytes.len(), &self));
        }
        Ok(bytemuck::pod_collect_to_vec(bytes).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Slice<E>, A::Error> {
        let mut bytes: Vec<u8> = Vec::new();
        while let Some(byte) = seq.next_element()? {
            bytes.push(byte);
        }
        self.visit_bytes(&bytes).map_err(|error: A::Error| A::Error::custom(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_shows_its_own_part_and_never_more() {
        let all = Slice::from(vec![0, 1, 2, 3, 4, 5]);
        let part = all.slice(2..5);
        assert_eq!(part[..], [2, 3, 4]);
        assert_eq!(part.slice(1..9)[..], [3, 4]);
        assert!(part.slice(7..9).is_empty());
    }

    #[test]
    fn only_its_own_numbers_travel() {
        let part = Slice::from(vec![0.5, -1.5, f64::NAN, 2.5]).slice(1..3);
        let json = serde_json::to_string(&part).unwrap();
        let back: Slice<f64> = serde_json::from_str(&json).unwrap();
        let bits = |slice: &Slice<f64>| slice.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back), bits(&part));
        assert!(serde_json::from_str::<Slice<f64>>("[1,2,3]").is_err());
    }
}
