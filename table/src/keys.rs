//! Rows of key columns as bytes that compare as the rows do.
//!
//! The bytes are those of `arrow-row`. Before they are made, floats are brought into the form in which
//! equal ones have equal bits: NaN is one value, and `-0.0` is `0.0`, as comparisons say.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{DataType, SortOptions};
use firesteel_core::hash::fixed_hash;
use hashbrown::HashTable;

use crate::error::{Error, Result};
use crate::schema::Type;

/// Makes keys of columns of some types.
#[derive(Debug)]
pub(crate) struct Keys {
    converter: RowConverter,
}

impl Keys {
    pub(crate) fn new(types: &[Type]) -> Result<Self> {
        Self::ordered(types.iter().map(|of| (*of, SortOptions::default())))
    }

    /// Keys that compare as those orders ask.
    pub(crate) fn ordered(types: impl IntoIterator<Item = (Type, SortOptions)>) -> Result<Self> {
        let fields = types
            .into_iter()
            .map(|(of, options)| SortField::new_with_options(of.to_arrow(), options));
        let converter = RowConverter::new(fields.collect());
        Ok(Self { converter: converter.map_err(Error::arrow("making keys of columns"))? })
    }

    /// The keys of the rows.
    pub(crate) fn rows(&self, columns: &[ArrayRef]) -> Result<Rows> {
        let columns: Vec<ArrayRef> = columns.iter().map(as_key).collect();
        self.exact_rows(&columns)
    }

    /// The rows as they are, down to the sign of a zero.
    pub(crate) fn exact_rows(&self, columns: &[ArrayRef]) -> Result<Rows> {
        self.converter.convert_columns(columns).map_err(Error::arrow("making keys of columns"))
    }

    /// The columns that the bytes were made of.
    pub(crate) fn columns<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Vec<ArrayRef>> {
        let parser = self.converter.parser();
        let rows: Vec<_> = rows.into_iter().map(|bytes| parser.parse(bytes)).collect();
        self.converter.convert_rows(rows).map_err(Error::arrow("making columns of keys"))
    }
}

/// A column in which equal values have equal bytes.
fn as_key(column: &ArrayRef) -> ArrayRef {
    if column.data_type() != &DataType::Float64 {
        return Arc::clone(column);
    }
    let floats = column.as_primitive::<Float64Type>();
    Arc::new(floats.unary::<_, Float64Type>(key_form))
}

/// A float in the form in which equal ones have equal bits.
pub(crate) fn key_form(x: f64) -> f64 {
    if x.is_nan() { f64::NAN } else { x + 0.0 }
}

/// The hash of a key: the same on every machine.
pub(crate) fn hash_of(key: &[u8]) -> u64 {
    fixed_hash(key)
}

/// Keys numbered by their first appearance.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// Numbers of keys with some bits of their hashes, which tell most other keys apart without a look at
    /// their bytes.
    places: HashTable<(u32, u32)>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    hashes: Vec<u64>,
    /// The length of all keys, as long as they have the same.
    width: Option<usize>,
}

impl Groups {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn key(&self, group: usize) -> &[u8] {
        if let Some(width) = self.width {
            return &self.bytes[group * width..(group + 1) * width];
        }
        let start = if group == 0 { 0 } else { self.ends[group - 1] };
        &self.bytes[start..self.ends[group]]
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|group| self.key(group))
    }

    /// The number of a key, if it was met.
    pub(crate) fn find(&self, key: &[u8]) -> Option<u32> {
        let hash = hash_of(key);
        let is_it = |&(tag, at): &(u32, u32)| tag == tag_of(hash) && self.key(at as usize) == key;
        self.places.find(hash, is_it).map(|&(_, at)| at)
    }

    /// The number of a key, a new one if it was not met.
    pub(crate) fn number(&mut self, key: &[u8]) -> u32 {
        if let Some(at) = self.find(key) {
            return at;
        }
        let (hash, at) = (hash_of(key), self.len() as u32);
        self.width =
            self.width.or((at == 0).then_some(key.len())).filter(|&width| width == key.len());
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
        self.hashes.push(hash);
        let hashes = &self.hashes;
        self.places.insert_unique(hash, (tag_of(hash), at), |&(_, at)| hashes[at as usize]);
        at
    }
}

/// Bits of a hash that the table itself does not look at first.
fn tag_of(hash: u64) -> u32 {
    (hash >> 20) as u32
}

/// Rows that come together in one place are numbered by 32 bits.
///
/// # Errors
///
/// [`Error::TooManyRows`] if there are more.
pub(crate) fn check_numbered(rows: usize) -> Result<()> {
    match u32::try_from(rows) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::TooManyRows { rows: rows as u64 }),
    }
}

/// Rows of which a key column has no value: these equal nothing in a join.
pub(crate) fn any_null(columns: &[ArrayRef], row: usize) -> bool {
    columns.iter().any(|column| column.is_null(row))
}

#[cfg(test)]
mod tests {
    use arrow_array::{Float64Array, StringArray};

    use super::*;

    #[test]
    fn equal_floats_are_one_key_and_others_are_not() {
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![
            Some(0.0),
            Some(-0.0),
            Some(f64::NAN),
            Some(-f64::NAN),
            None,
            Some(1.0),
            None,
        ]));
        let keys = Keys::new(&[Type::F64]).unwrap();
        let mut groups = Groups::default();
        let rows = keys.rows(&[floats]).unwrap();
        let numbers: Vec<u32> = rows.iter().map(|row| groups.number(row.data())).collect();
        assert_eq!(numbers, [0, 0, 1, 1, 2, 3, 2]);
        let columns = keys.columns(groups.keys()).unwrap();
        let back = columns[0].as_primitive::<Float64Type>();
        assert!(back.value(0) == 0.0 && back.value(1).is_nan() && back.is_null(2));
    }

    #[test]
    fn many_keys_are_found_again() {
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(
            (0..5_000).map(|i| "x".repeat(i % 70) + &i.to_string()),
        ));
        let keys = Keys::new(&[Type::String]).unwrap();
        let rows = keys.rows(&[texts]).unwrap();
        let mut groups = Groups::default();
        for (i, row) in rows.iter().enumerate() {
            assert_eq!((groups.find(row.data()), groups.number(row.data())), (None, i as u32));
        }
        for (i, row) in rows.iter().enumerate() {
            assert_eq!(groups.find(row.data()), Some(i as u32));
        }
    }
}
