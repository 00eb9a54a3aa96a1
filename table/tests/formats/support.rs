//! Tables to write, and what must be the same when they come back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{Float64Builder, ListBuilder};
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use firesteel_core::Context;
use firesteel_core::hash::mix;
use firesteel_table::{
    Batch, Schema, SparseVectorBuilder, Table, dense_vector_column, sparse_vectors,
};

/// Draws from a seed.
pub(crate) struct Draws(pub(crate) u64);

impl Draws {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0) % n
    }

    fn float(&mut self) -> f64 {
        let special = [0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 5e-324, 0.1];
        match self.below(3) {
            0 => special[self.below(8) as usize],
            1 => self.below(7) as f64,
            _ => f64::from_bits(0x3ff0_0000_0000_0000 | self.below(1 << 52)) - 1.5,
        }
    }

    fn text(&mut self) -> String {
        let letters =
            ["a", "é", "\u{1f600}", " ", "\"", ",", "\n", "\\", "\u{1}", "0", "null", "\t"];
        (0..self.below(4)).map(|_| letters[self.below(12) as usize]).collect()
    }

    fn maybe<T>(&mut self, draw: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.below(5) == 0 { None } else { Some(draw(self)) }
    }
}

/// Rows with all types of single values; nulls, empty texts and all kinds of floats among them.
pub(crate) fn plain(seed: u64, rows: usize) -> RecordBatch {
    let mut draws = Draws(seed);
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "n",
            Arc::new(Int64Array::from_iter((0..rows).map(|_| {
                draws.maybe(|draws| match draws.below(4) {
                    0 => i64::MIN,
                    1 => i64::MAX,
                    _ => draws.below(5) as i64 - 2,
                })
            }))),
        ),
        ("x", Arc::new(Float64Array::from_iter((0..rows).map(|_| draws.maybe(Draws::float))))),
        (
            "b",
            Arc::new(BooleanArray::from_iter(
                (0..rows).map(|_| draws.maybe(|draws| draws.below(2) == 1)),
            )),
        ),
        (
            "day",
            Arc::new(Date32Array::from_iter((0..rows).map(|_| {
                draws.maybe(|draws| match draws.below(8) {
                    0 => -90_000_000,
                    _ => draws.below(40_000) as i32 - 10_000,
                })
            }))),
        ),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from_iter((0..rows).map(|_| {
                draws.maybe(|draws| match draws.below(3) {
                    0 => draws.below(100_000) as i64 * 1_000_000,
                    _ => draws.below(1 << 52) as i64 - (1 << 51),
                })
            }))),
        ),
        ("s é", Arc::new(StringArray::from_iter((0..rows).map(|_| draws.maybe(Draws::text))))),
    ];
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    )
    .unwrap()
}

/// [`plain`] with a column of lists, one of dense and one of sparse vectors.
pub(crate) fn all_types(seed: u64, rows: usize) -> RecordBatch {
    let mut draws = Draws(seed ^ 0xff);
    let plain = plain(seed, rows);
    let numbers = (0..rows * 3).map(|_| draws.float()).collect();
    let dense = dense_vector_column(3, numbers).unwrap();
    let mut sparse = SparseVectorBuilder::new(9).unwrap();
    for _ in 0..rows {
        match draws.below(4) {
            0 => sparse.push_null(),
            1 => sparse.push(&[], &[]).unwrap(),
            _ => {
                let first = draws.below(4) as u32;
                let second = first + 1 + draws.below(4) as u32;
                sparse.push(&[first, second], &[draws.float(), draws.float()]).unwrap();
            }
        }
    }
    let sparse = sparse.finish().unwrap();
    let mut lists = ListBuilder::new(Float64Builder::new());
    for _ in 0..rows {
        let is_there = draws.below(5) > 0;
        if is_there {
            for _ in 0..draws.below(4) {
                lists.values().append_option(draws.maybe(Draws::float));
            }
        }
        lists.append(is_there);
    }
    assert!(sparse_vectors(&sparse).is_ok());
    let schema = Schema::of_batch(&plain).unwrap();
    let schema = schema
        .with("list", firesteel_table::Type::List(firesteel_table::Item::F64))
        .with("dense", firesteel_table::Type::Vector(3))
        .with("sparse", firesteel_table::Type::SparseVector(9));
    let mut columns = plain.columns().to_vec();
    columns.extend([Arc::new(lists.finish()) as ArrayRef, dense, sparse]);
    schema.batch(columns, rows).unwrap()
}

/// The rows in batches of `size`, over so many partitions.
pub(crate) fn table(ctx: &Context, rows: &RecordBatch, size: usize, partitions: usize) -> Table {
    let starts = (0..rows.num_rows()).step_by(size);
    let batches: Vec<Batch> =
        starts.map(|at| Batch(rows.slice(at, size.min(rows.num_rows() - at)))).collect();
    let data = ctx.parallelize_in(batches, partitions);
    Table::from_dataset(Schema::of_batch(rows).unwrap(), data)
}

/// Every value of the table, told apart to the bit: NaN is NaN, and `-0` is not `0`.
pub(crate) fn told(table: &Table) -> Vec<String> {
    rows_told(&table.to_batch().unwrap())
}

/// The rows as text.
pub(crate) fn rows_told(batch: &RecordBatch) -> Vec<String> {
    let row = |row: usize| {
        let cell = |column: &ArrayRef| {
            let value = firesteel_table::Value::at(column, row);
            format!("{value:?}")
        };
        batch.columns().iter().map(cell).collect::<Vec<_>>().join("|")
    };
    (0..batch.num_rows()).map(row).collect()
}

/// All files below a folder with their bytes, hidden ones too, by their paths from there.
pub(crate) fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(below) = open.pop() {
        for entry in std::fs::read_dir(&below).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                found.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The names of [`files`].
pub(crate) fn names(folder: &Path) -> Vec<String> {
    files(folder).into_iter().map(|(name, _)| name).collect()
}
