//! Reading LIBSVM files: `label index:value …`, a record a line.

use std::path::Path;
use std::sync::Arc;

use firesteel_core::Context;

use super::OnBadRecord;
use super::keys::{KeyColumns, with_keys};
use super::lines::{self, Cell, Lines, Reading, SplitLines, Wrong, check_sizes, cut};
use super::listing;
use super::together::agreed;
use crate::error::{Error, Result};
use crate::readers::setters::line_setters;
use crate::schema::{Schema, Type};
use crate::table::{BATCH_ROWS, Table};

/// Reads LIBSVM files as a table with a `label` and a vector of `features`.
///
/// A line is a label and pairs `index:value`, with blanks between; positions in the file are
/// counted from 1 and rise from pair to pair, those of the vectors are counted from 0. Blank lines
/// and lines that start with `#` are passed over. Paths and folders are as with
/// [`ParquetReader`](crate::ParquetReader); a name that ends in `.gz` is decompressed.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_table::LibsvmReader;
///
/// let path = std::env::temp_dir().join(format!("rows-{}.libsvm", std::process::id()));
/// std::fs::write(&path, "# two rows\n1 1:0.5 3:2\n-1 2:1\n")?;
/// let table = LibsvmReader::new(&path).read(&Context::local())?;
/// assert_eq!(table.schema().to_string(), "label: f64, features: sparse_vector[3]");
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct LibsvmReader {
    /// A file, a folder or a glob pattern.
    pub path: String,
    /// The size of the vectors. Default: the largest position in the files, found by a pass.
    pub num_features: Option<usize>,
    /// Whether vectors are dense. Default: no.
    pub dense: bool,
    /// The name of the column of labels. Default: `label`.
    pub label: String,
    /// The name of the column of vectors. Default: `features`.
    pub features: String,
    /// What to do with a bad record; under [`OnBadRecord::Null`] a bad vector becomes null as a
    /// whole. Default: fail.
    pub on_bad_record: OnBadRecord,
    /// Rows in a batch, at most. Default 8,192.
    pub batch_rows: usize,
    /// Bytes in a split, which becomes a partition. Default 8 MiB.
    pub split_bytes: usize,
}

impl LibsvmReader {
    /// Reads the file, the files below the folder, or those of the glob pattern.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_string_lossy().into_owned(),
            num_features: None,
            dense: false,
            label: "label".to_owned(),
            features: "features".to_owned(),
            on_bad_record: OnBadRecord::Fail,
            batch_rows: BATCH_ROWS,
            split_bytes: 8 << 20,
        }
    }

    /// Sets the size of the vectors, which saves a pass; a position beyond it is an error.
    pub fn num_features(self, num_features: impl Into<Option<usize>>) -> Self {
        Self { num_features: num_features.into(), ..self }
    }

    /// Sets whether vectors are dense.
    pub fn dense(self, dense: bool) -> Self {
        Self { dense, ..self }
    }

    /// Sets the name of the column of labels.
    pub fn label(self, label: impl Into<String>) -> Self {
        Self { label: label.into(), ..self }
    }

    /// Sets the name of the column of vectors.
    pub fn features(self, features: impl Into<String>) -> Self {
        Self { features: features.into(), ..self }
    }

    line_setters!();

    /// Reads the files now; the rows are kept in memory while the budget lasts, then on disk. The
    /// table's [`report`](Table::report) says what was found.
    ///
    /// # Errors
    ///
    /// A parameter error; the core's `File` for a file that is missing; `BadRecord` with file, line,
    /// column and value for a bad record under [`OnBadRecord::Fail`].
    ///
    /// # Cost
    ///
    /// A pass, and one before it if the size of the vectors is not given.
    #[track_caller]
    pub fn read(&self, ctx: &Context) -> Result<Table> {
        lines::keep(ctx, "libsvm", Arc::new(self.prepare(ctx)?), &[])
    }

    /// A table that reads the files anew in every action.
    ///
    /// # Errors
    ///
    /// Those of [`LibsvmReader::read`] that can be told by then; the others come from the actions.
    #[track_caller]
    pub fn scan(&self, ctx: &Context) -> Result<Table> {
        Ok(lines::scan(ctx, "libsvm", Arc::new(self.prepare(ctx)?)))
    }

    #[track_caller]
    fn prepare(&self, ctx: &Context) -> Result<Reading> {
        check_sizes(self.batch_rows, self.split_bytes)?;
        let most = if self.dense { i32::MAX as usize } else { u32::MAX as usize };
        if let Some(size) = self.num_features.filter(|size| !(1..=most).contains(size)) {
            return Err(Error::parameter("num_features", size, format!("from 1 to {most}")));
        }
        let files = listing::list(ctx, &self.path)?;
        let opened =
            KeyColumns::new(&files, &[]).and_then(|keys| Ok((keys, listing::open(ctx, &files)?)));
        let (keys, inputs) = agreed(ctx, "libsvm files", opened)?;
        let splits = cut(&inputs, self.split_bytes);
        let size = match self.num_features {
            Some(size) => size,
            None => {
                let to_read: Arc<[_]> = splits.clone().into();
                let largest = ctx.generate("libsvm sizes", splits.len(), move |p| {
                    Ok(to_read.get(p).map(largest_index).into_iter())
                });
                (largest.collect()?.into_iter().max().unwrap_or(0) as usize).max(1)
            }
        };
        let features = if self.dense { Type::Vector(size) } else { Type::SparseVector(size) };
        let own = Schema::of([(&*self.label, Type::F64), (&*self.features, features)])?;
        Ok(Reading {
            lines: Box::new(Pairs { size, dense: self.dense }),
            splits,
            schema: with_keys(&own, &keys)?,
            own,
            keys,
            on_bad_record: self.on_bad_record,
            batch_rows: self.batch_rows,
        })
    }
}

fn tokens(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|token| !token.is_empty())
}

fn is_comment(line: &[u8]) -> bool {
    tokens(line).next().is_none_or(|token| token.starts_with(b"#"))
}

/// The largest position in a split, of pairs that can be read; from 1.
fn largest_index(split: &lines::Split) -> Result<u32, firesteel_core::Error> {
    let mut lines = SplitLines::open(split)?;
    let mut largest = 0;
    while let Some(line) = lines.next_line()? {
        let line = lines.bytes(&line);
        if !is_comment(line) {
            let indices = tokens(line).skip(1).filter_map(|token| index_of(token)?.0);
            largest = indices.fold(largest, u32::max);
        }
    }
    Ok(largest)
}

/// The position and the text of the value of a pair.
fn index_of(token: &[u8]) -> Option<(Option<u32>, &[u8])> {
    let colon = token.iter().position(|byte| *byte == b':')?;
    let (index, value) = (&token[..colon], &token[colon + 1..]);
    let digits = index.iter().all(u8::is_ascii_digit);
    let index = std::str::from_utf8(index).ok().filter(|_| digits)?.parse().ok();
    Some((index, value))
}

fn number(text: &[u8]) -> Option<f64> {
    super::csv::infer::parse_f64(text)
}

/// Lines of pairs.
struct Pairs {
    size: usize,
    dense: bool,
}

impl Pairs {
    fn features<'a>(&self, pairs: impl Iterator<Item = &'a [u8]>) -> Result<Cell, Wrong> {
        let (mut indices, mut values) = (Vec::new(), Vec::new());
        for token in pairs {
            let wrong = |expected: &str| Wrong::new(token, expected);
            let pair = index_of(token).ok_or_else(|| wrong("a pair index:value"))?;
            let index = pair.0.filter(|index| *index > 0 && *index as usize <= self.size);
            let expected = || format!("an index from 1 to {}", self.size);
            let index = index.ok_or_else(|| Wrong::new(token, expected()))? - 1;
            if indices.last().is_some_and(|last| *last >= index) {
                return Err(wrong("an index above the one before"));
            }
            values.push(number(pair.1).ok_or_else(|| wrong("a number behind the colon"))?);
            indices.push(index);
        }
        if !self.dense {
            return Ok(Cell::Sparse(indices, values));
        }
        let mut dense = vec![0.0; self.size];
        for (index, value) in indices.into_iter().zip(values) {
            dense[index as usize] = value;
        }
        Ok(Cell::Dense(dense))
    }
}

impl Lines for Pairs {
    fn is_none(&self, line: &[u8]) -> bool {
        is_comment(line)
    }

    fn record(&self, line: &[u8], cells: &mut Vec<Cell>) -> Result<(), Wrong> {
        let mut tokens = tokens(line);
        let label = tokens.next().unwrap_or_default();
        cells.push(match number(label) {
            Some(label) => Cell::F64(label),
            None => Cell::Bad(Wrong::new(label, "a number")),
        });
        cells.push(self.features(tokens).unwrap_or_else(Cell::Bad));
        Ok(())
    }
}
