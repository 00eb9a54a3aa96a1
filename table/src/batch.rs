//! A record batch that can move between ranks and to disk.

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use serde::de::Visitor;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An Arrow record batch whose serialised form is an Arrow IPC stream, so that batches, alone or
/// inside other values, travel and spill like everything else. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch(pub RecordBatch);

impl Batch {
    /// The record batch inside.
    #[must_use]
    pub fn as_record_batch(&self) -> &RecordBatch {
        &self.0
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.0.num_rows()
    }

    /// Bytes that the rows take in memory: of a slice, its own part only.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let bytes = |column: &ArrayRef| {
            let own = column.to_data().get_slice_memory_size();
            own.unwrap_or_else(|_| column.get_array_memory_size())
        };
        self.0.columns().iter().map(bytes).sum()
    }
}

impl From<RecordBatch> for Batch {
    fn from(batch: RecordBatch) -> Self {
        Self(batch)
    }
}

impl From<Batch> for RecordBatch {
    fn from(batch: Batch) -> Self {
        batch.0
    }
}

impl Serialize for Batch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let size = self.bytes();
        let write = || {
            let mut writer = StreamWriter::try_new(Vec::with_capacity(size), self.0.schema_ref())?;
            writer.write(&self.0)?;
            writer.into_inner()
        };
        serializer.serialize_bytes(&write().map_err(S::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for Batch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(IpcVisitor)
    }
}

struct IpcVisitor;

impl<'de> Visitor<'de> for IpcVisitor {
    type Value = Batch;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("one record batch as an Arrow IPC stream")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Batch, E> {
        let mut batches = StreamReader::try_new(bytes, None).map_err(E::custom)?;
        let batch = batches.next().ok_or_else(|| E::custom("no record batch inside"))?;
        batch.map(Batch).map_err(E::custom)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Batch, A::Error> {
        // Formats without a form for bytes, JSON for one, write them as a list of numbers.
        let mut bytes: Vec<u8> = Vec::new();
        while let Some(byte) = seq.next_element()? {
            bytes.push(byte);
        }
        self.visit_bytes(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Schema, Type, dense_vector_column, sparse_vector_column};
    use arrow_array::{BooleanArray, Float64Array, Int64Array, StringArray};
    use std::sync::Arc;

    fn batch() -> RecordBatch {
        let schema = Schema::of([
            ("b", Type::Bool),
            ("n", Type::I64),
            ("x", Type::F64),
            ("s", Type::String),
            ("v", Type::Vector(2)),
            ("w", Type::SparseVector(4)),
        ]);
        let sparse = [(vec![1], vec![1.0]), (vec![], vec![]), (vec![0, 3], vec![2.0, 3.0])];
        let columns: Vec<ArrayRef> = vec![
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
            Arc::new(Int64Array::from(vec![None, Some(1), Some(i64::MIN)])),
            Arc::new(Float64Array::from(vec![Some(-0.0), None, Some(f64::NAN)])),
            Arc::new(StringArray::from(vec![Some(""), None, Some("é")])),
            dense_vector_column(2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap(),
            sparse_vector_column(4, sparse).unwrap(),
        ];
        schema.unwrap().batch(columns, 3).unwrap()
    }

    fn round_trip(batch: &RecordBatch) -> RecordBatch {
        let json = serde_json::to_string(&Batch(batch.clone())).unwrap();
        serde_json::from_str::<Batch>(&json).unwrap().0
    }

    #[test]
    fn a_batch_survives_with_schema_and_nulls_whole_and_sliced() {
        let batch = batch();
        // The debug form tells NaN from NaN, equality does not.
        assert_eq!(format!("{:?}", round_trip(&batch)), format!("{batch:?}"));
        assert_eq!(round_trip(&batch).schema(), batch.schema());
        let slice = batch.slice(1, 1);
        assert_eq!(round_trip(&slice), slice);
        assert_eq!(round_trip(&batch.slice(0, 0)).num_rows(), 0);
        let no_columns = Schema::of::<&str>([]).unwrap().batch(vec![], 5).unwrap();
        assert_eq!(round_trip(&no_columns).num_rows(), 5);
    }

    #[test]
    fn a_slice_counts_its_own_bytes() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
        let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
        assert_eq!(Batch(batch.clone()).bytes(), 8000);
        assert_eq!(Batch(batch.slice(10, 5)).bytes(), 40);
    }

    #[test]
    fn bytes_that_are_no_batch_are_an_error() {
        for bytes in ["[]", "[1,2,3]", "[255,255,255,255,16,0,0,0,1,2,3]"] {
            assert!(serde_json::from_str::<Batch>(bytes).is_err(), "{bytes}");
        }
    }
}
