//! Writing tables as CSV.
//!
//! The bytes of one file depend on the rows alone: no time, no rank, no partitioning. A cell gets quotes if without them it would read back as something else;
//! numbers are the shortest text that reads back equal.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use firesteel_core::{Dataset, Error as CoreError};

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::table::Table;
use crate::value::Value;
use crate::writers::mode::{Output, output_methods};
use crate::writers::output::{Encoder, Format, Texts};

/// Writes tables as CSV.
///
/// # Examples
///
/// ```
/// use firesteel_core::Context;
/// use firesteel_table::{CsvWriter, Table, one_row};
///
/// let row = one_row(&[("name", "a \"b\"".into()), ("x", 0.1.into()), ("y", None::<f64>.into())])?;
/// let table = Table::from_batches(&Context::local(), vec![row])?;
/// let mut text = Vec::new();
/// CsvWriter::new().null_token("NA").write_to(&table, &mut text)?;
/// assert_eq!(text, b"name,x,y\n\"a \"\"b\"\"\",0.1,NA\n");
/// # Ok::<(), firesteel_table::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct CsvWriter {
    /// The byte between fields. Default: a comma.
    pub delimiter: u8,
    /// Whether the first line has the names of the columns. Default: yes.
    pub header: bool,
    /// The text of a null. Default: the empty text; an empty text that is none has quotes.
    pub null_token: String,
    /// Whether parts of a folder are compressed and their names end in `.csv.gz`; one file is
    /// compressed if its name ends in `.gz`. Default: no.
    pub gzip: bool,
    /// What becomes of what is there, folders by key, rows of a part.
    pub output: Output,
}

impl Default for CsvWriter {
    fn default() -> Self {
        Self {
            delimiter: b',',
            header: true,
            null_token: String::new(),
            gzip: false,
            output: Output::default(),
        }
    }
}

impl Table {
    /// Writes all rows into one CSV file, in their order, with a header and empty text for nulls;
    /// a name that ends in `.gz` is compressed. It is an error if something is there already;
    /// [`CsvWriter`] has the choices.
    ///
    /// # Errors
    ///
    /// Those of [`CsvWriter::write`].
    pub fn write_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        CsvWriter::new().write(self, path)
    }
}

impl CsvWriter {
    /// A writer with the default of everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the byte between fields.
    pub fn delimiter(self, delimiter: u8) -> Self {
        Self { delimiter, ..self }
    }

    /// Sets whether the first line has the names of the columns.
    pub fn header(self, header: bool) -> Self {
        Self { header, ..self }
    }

    /// Sets the text of a null.
    pub fn null_token(self, token: impl Into<String>) -> Self {
        Self { null_token: token.into(), ..self }
    }

    /// Sets whether parts of a folder are compressed.
    pub fn gzip(self, gzip: bool) -> Self {
        Self { gzip, ..self }
    }

    output_methods!(
        "part-00000.csv",
        ", compressed if its name ends in `.gz`",
        "[`Error::TypeMismatch`] for a column of vectors;"
    );

    /// Writes the table into anything that takes bytes. Every rank calls it; only the root's `out`
    /// is written to.
    ///
    /// # Errors
    ///
    /// Those of [`CsvWriter::write`]; what was written before a failure stays written.
    pub fn write_to(&self, table: &Table, out: &mut dyn Write) -> Result<()> {
        const NAME: &str = "(output)";
        let lines = self.lines(table)?;
        let header = self.header_line(table.schema());
        let begun = match table.context().is_root() {
            true => out.write_all(&header),
            false => Ok(()),
        };
        let passed = match begun {
            Ok(()) => pass(&lines, NAME, Some(&mut *out)),
            Err(_) => pass(&lines, NAME, Some(&mut io::sink())),
        };
        let written = begun.and_then(|()| match table.context().is_root() {
            true => out.flush(),
            false => Ok(()),
        });
        settled(&lines, passed, written.map_err(|error| CoreError::file(NAME, error)))
    }

    /// Every batch as text.
    fn lines(&self, table: &Table) -> Result<Dataset<Vec<u8>>> {
        self.check_table(table)?;
        let writer = self.clone();
        let kept = table.map_batches(table.schema().clone(), move |batch| {
            Format::check(&writer, batch).map(|()| batch.clone())
        });
        let writer = self.clone();
        Ok(kept.batches().map_ref(move |Batch(batch)| writer.lines_of(batch)))
    }

    fn header_line(&self, schema: &Schema) -> Vec<u8> {
        let mut line = Vec::new();
        if self.header {
            for (i, name) in schema.names().enumerate() {
                if i > 0 {
                    line.push(self.delimiter);
                }
                self.cell(&mut line, name);
            }
            line.push(b'\n');
        }
        line
    }

    fn lines_of(&self, batch: &RecordBatch) -> Vec<u8> {
        let mut lines = Vec::with_capacity(batch.num_rows() * batch.num_columns() * 8);
        let mut scratch = String::new();
        for row in 0..batch.num_rows() {
            for (i, column) in batch.columns().iter().enumerate() {
                if i > 0 {
                    lines.push(self.delimiter);
                }
                if column.is_null(row) {
                    lines.extend_from_slice(self.null_token.as_bytes());
                } else {
                    self.cell(&mut lines, cell_text(column, row, &mut scratch));
                }
            }
            lines.push(b'\n');
        }
        lines
    }

    /// Adds a cell, with quotes if it would be read as something else without.
    fn cell(&self, line: &mut Vec<u8>, text: &str) {
        let bytes = text.as_bytes();
        let special = |byte: &u8| matches!(byte, b'"' | b'\n' | b'\r') || *byte == self.delimiter;
        let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
        let needs_quotes = bytes.is_empty()
            || text == self.null_token
            || blank(bytes.first())
            || blank(bytes.last())
            || text.starts_with('\u{feff}')
            || bytes.iter().any(special);
        if !needs_quotes {
            line.extend_from_slice(bytes);
            return;
        }
        line.push(b'"');
        for &byte in bytes {
            if byte == b'"' {
                line.push(b'"');
            }
            line.push(byte);
        }
        line.push(b'"');
    }
}

impl Format for CsvWriter {
    fn extension(&self) -> &'static str {
        "csv"
    }

    fn check_table(&self, table: &Table) -> Result<()> {
        let is_plain = |byte: u8| byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | b'"');
        if !is_plain(self.delimiter) {
            let shown = format!("{:?}", char::from(self.delimiter));
            let expected = "an ASCII character other than a line end and a quote";
            return Err(Error::parameter("delimiter", shown, expected));
        }
        if self
            .null_token
            .bytes()
            .any(|byte| matches!(byte, b'\n' | b'\r' | b'"') || byte == self.delimiter)
        {
            let expected = "without delimiter, quotes and line ends";
            return Err(Error::parameter(
                "null_token",
                format_args!("{:?}", self.null_token),
                expected,
            ));
        }
        let fields = table.schema().fields().iter();
        let mut others = fields.filter(|field| !field.data_type.is_single());
        match others.next() {
            Some(field) => Err(Error::mismatch(
                &field.name,
                "a column of single values",
                Some(field.data_type),
            )),
            None => Ok(()),
        }
    }

    fn is_gzipped(&self, name: &Path) -> bool {
        name.extension().is_some_and(|extension| extension == "gz")
    }

    fn has_gzipped_parts(&self) -> bool {
        self.gzip
    }

    fn check(&self, batch: &RecordBatch) -> Result<(), CoreError> {
        let is_key = |name: &String| self.output.partition_by.contains(name);
        let fields = batch.schema_ref().fields().iter().zip(batch.columns());
        let mut written = fields.filter(|(field, _)| !is_key(field.name()));
        match (written.next(), written.next()) {
            (Some((field, column)), None) if self.null_token.is_empty() => match null_in(column) {
                Some(row) => Err(lost_null(field.name(), row)),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn text(&self, batch: &RecordBatch) -> Option<Vec<u8>> {
        Some(self.lines_of(batch))
    }

    fn encoder(&self, schema: &Schema, _file: &str) -> Result<Box<dyn Encoder>, CoreError> {
        Ok(Texts::boxed(self.clone(), self.header_line(schema)))
    }
}

/// The first row without a value.
fn null_in(column: &ArrayRef) -> Option<usize> {
    (column.null_count() > 0).then(|| (0..column.len()).find(|&row| column.is_null(row)))?
}

/// An empty line is no record, so a null alone on its line would be lost.
fn lost_null(column: &str, row: usize) -> CoreError {
    CoreError::BadValue {
        operation: "write_csv of a table of one column".to_owned(),
        row: row as u64,
        column: column.to_owned(),
        value: "null".to_owned(),
        expected: "a null token that is not empty".to_owned(),
    }
}

/// The text of a cell that has a value; numbers are put together in `scratch`.
fn cell_text<'a>(column: &'a ArrayRef, row: usize, scratch: &'a mut String) -> &'a str {
    scratch.clear();
    let put = if let Some(texts) = column.as_string_opt::<i32>() {
        return texts.value(row);
    } else if let Some(numbers) = column.as_primitive_opt::<Int64Type>() {
        write!(scratch, "{}", numbers.value(row))
    } else if let Some(numbers) = column.as_primitive_opt::<Float64Type>() {
        write!(scratch, "{:?}", numbers.value(row))
    } else if let Some(truths) = column.as_boolean_opt() {
        write!(scratch, "{}", truths.value(row))
    } else {
        write!(scratch, "{}", Value::at(column, row)) // dates and timestamps
    };
    put.expect("a string takes all text");
    scratch
}

/// Sends all text through the root's `out`. The one place of this collective, which all ranks meet
/// at.
fn pass(
    lines: &Dataset<Vec<u8>>,
    name: &str,
    mut out: Option<&mut dyn Write>,
) -> Result<(), CoreError> {
    lines.visit(|text| match &mut out {
        Some(out) => out.write_all(&text).map_err(|error| CoreError::file(name, error)),
        None => Ok(()),
    })
}

/// What all ranks return: the fault of the pass, which they know, or else that of the root.
fn settled(
    lines: &Dataset<Vec<u8>>,
    passed: Result<(), CoreError>,
    written: Result<(), CoreError>,
) -> Result<()> {
    passed?;
    Ok(lines.context().on_root(|| written)?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{BooleanArray, Float64Array, Int64Array, StringArray};
    use firesteel_core::Context;
    use firesteel_core::testing::on_ranks;
    use proptest::prelude::*;

    use super::*;
    use crate::{CsvReader, Schema, dense_vector_column};

    fn rows() -> RecordBatch {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("n", Arc::new(Int64Array::from(vec![Some(1), None, Some(i64::MIN), Some(7)]))),
            ("x", Arc::new(Float64Array::from(vec![Some(0.1), Some(1e300), None, Some(-0.0)]))),
            ("b", Arc::new(BooleanArray::from(vec![None, Some(true), Some(false), None]))),
            ("s, t", Arc::new(StringArray::from(vec![Some("a\n"), Some(""), None, Some("\" é")]))),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    const TEXT: &str = "n,x,b,\"s, t\"\n1,0.1,,\"a\n\"\n,1e300,true,\"\"\n-9223372036854775808,,false,\n7,-0.0,,\"\"\" é\"\n";

    /// The rows in batches of one, over so many partitions.
    fn table(ctx: &Context, rows: &RecordBatch, partitions: usize) -> Table {
        let batches: Vec<Batch> = (0..rows.num_rows()).map(|i| Batch(rows.slice(i, 1))).collect();
        Table::from_dataset(
            Schema::of_batch(rows).unwrap(),
            ctx.parallelize_in(batches, partitions),
        )
    }

    #[test]
    fn the_bytes_depend_on_the_rows_alone() {
        for ranks in [1, 3] {
            for partitions in [1, 2, 7] {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("deep/a.csv");
                on_ranks(ranks, |ctx| table(ctx, &rows(), partitions).write_csv(&path).unwrap());
                assert_eq!(std::fs::read_to_string(&path).unwrap(), TEXT);
            }
        }
    }

    #[test]
    fn compressed_files_are_the_same_bytes_each_time_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let ctx = Context::local();
        let (one, two) = (folder.path().join("1.csv.gz"), folder.path().join("2.csv.gz"));
        table(&ctx, &rows(), 3).write_csv(&one).unwrap();
        table(&ctx, &rows(), 1).write_csv(&two).unwrap();
        assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
        let back = CsvReader::new(&one).read(&ctx).unwrap().to_batch().unwrap();
        assert_eq!(back.columns(), rows().columns());
    }

    #[test]
    fn a_failure_is_everybodys_and_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "old").unwrap();
        let below = path.join("b.csv"); // below a file
        let faults = on_ranks(3, |ctx| {
            let good = table(ctx, &rows(), 2);
            let unwritable = good.write_csv(&below).unwrap_err().to_string();
            let empty = good.filter(crate::lit(false)).unwrap();
            let still = empty.write_csv(&below).unwrap_err().to_string();
            let cast = crate::col("s, t").cast(crate::Type::I64);
            let failing = good.with_column("n", cast).unwrap();
            let over = CsvWriter::new().mode(crate::WriteMode::Overwrite);
            let failed = over.write(&failing, &path).unwrap_err().to_string();
            assert_eq!(good.count().unwrap(), 4); // and the context goes on
            [unwritable, still, failed]
        });
        assert!(faults.iter().all(|fault| *fault == faults[0]), "{faults:?}");
        assert!(faults[0][0].contains("b.csv") && faults[0][1].contains("b.csv"));
        assert!(faults[0][2].contains("expected i64"), "{}", faults[0][2]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_an_error() {
        let faults = on_ranks(2, |ctx| {
            let mut full = std::fs::File::options().write(true).open("/dev/full").unwrap();
            CsvWriter::new().write_to(&table(ctx, &rows(), 2), &mut full).unwrap_err().to_string()
        });
        assert!(faults.iter().all(|fault| fault.contains("No space left")), "{faults:?}");
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let ctx = Context::local();
        let mut out = Vec::new();
        let good = table(&ctx, &rows(), 1);
        for writer in [
            CsvWriter::new().delimiter(b'\n'),
            CsvWriter::new().delimiter(b'"'),
            CsvWriter::new().null_token("a,b"),
            CsvWriter::new().null_token("\""),
        ] {
            let error = writer.write_to(&good, &mut out).unwrap_err();
            assert!(matches!(error, Error::Core(CoreError::Parameter { .. })), "{error}");
        }
        let lonely = good.select(&["n"]).unwrap();
        let error = CsvWriter::new().write_to(&lonely, &mut out).unwrap_err().to_string();
        assert!(error.contains("a null token that is not empty"), "{error}");
        out.clear();
        CsvWriter::new().null_token("?").header(false).write_to(&lonely, &mut out).unwrap();
        assert_eq!(out, b"1\n?\n-9223372036854775808\n7\n");
        let vectors = dense_vector_column(1, vec![1.0]).unwrap();
        let vectors = RecordBatch::try_from_iter([("v", vectors)]).unwrap();
        let error = table(&ctx, &vectors, 1).write_csv("/nowhere/x.csv").unwrap_err();
        assert!(matches!(error, Error::TypeMismatch { .. }), "{error}");
    }

    type Row = (Option<i64>, Option<f64>, Option<bool>, Option<String>);

    fn cells() -> impl Strategy<Value = Vec<Row>> {
        let text = "[a,\"\n\r \u{feff}é?7]{0,4}";
        let row = (
            any::<Option<i64>>(),
            any::<Option<f64>>(),
            any::<Option<bool>>(),
            prop::option::of(text),
        );
        prop::collection::vec(row, 0..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn what_is_written_reads_back_to_the_bit(rows in cells(), token in "(|\\?|NA|7)", split in 1_usize..40) {
            let columns: Vec<(&str, ArrayRef)> = vec![
                ("n", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>())),
                ("x", Arc::new(rows.iter().map(|row| row.1).collect::<Float64Array>())),
                ("b", Arc::new(rows.iter().map(|row| row.2).collect::<BooleanArray>())),
                ("s", Arc::new(rows.iter().map(|row| row.3.clone()).collect::<StringArray>())),
            ];
            let batch = RecordBatch::try_from_iter(columns).unwrap();
            let (ctx, folder) = (Context::local(), tempfile::tempdir().unwrap());
            let path = folder.path().join("a.csv");
            CsvWriter::new().null_token(&token).write(&table(&ctx, &batch, 3), &path).unwrap();
            let reader = CsvReader::new(&path).null_tokens([&token]).split_bytes(split);
            let back = reader.schema(Schema::of_batch(&batch).unwrap()).read(&ctx).unwrap();
            let back = back.to_batch().unwrap();
            for (a, b) in batch.columns().iter().zip(back.columns()) {
                prop_assert_eq!(format!("{:?}", a), format!("{:?}", b)); // tells -0 from 0, NaN is NaN
            }
        }
    }
}
