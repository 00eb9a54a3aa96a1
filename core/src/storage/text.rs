//! Text files as datasets of lines.

use std::sync::Arc;

use crate::context::Context;
use crate::data::Data;
use crate::dataset::{Dataset, call};
use crate::error::{Error, Result};
use crate::storage::Input;

/// Bytes of a split: fixed, so that a file has the same partitions everywhere.
const SPLIT: u64 = 4 << 20;
/// Bytes read at a time to find the end of a split's last line.
const OVERHANG: usize = 64 << 10;
/// Bytes of lines that are handed on at a time by `text_file_into`, about.
const BLOCK: usize = 16 << 10;

/// Files and where a split of them starts.
type Splits = Vec<(Arc<Input>, u64)>;

impl Context {
    /// The lines of one or more text files, without their ends.
    ///
    /// `pattern` is a path or a glob; files come in the order of their names, `.gz` files
    /// decompressed. Lines end at `\n` or `\r\n`; a last line without an end counts. Files are
    /// cut into splits of 4 MiB (of decompressed bytes); a line belongs to the split in which it
    /// begins.
    ///
    /// # Errors
    ///
    /// [`Error::File`] now if a file is missing or not readable; [`Error::BadRecord`] from the
    /// action that meets a line that is not UTF-8, with file and line number.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let path = std::env::temp_dir().join(format!("text-doc-{}.txt", std::process::id()));
    /// std::fs::write(&path, "fire\r\nsteel")?;
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.text_file(path.to_str().ok_or("path")?)?.collect()?, ["fire", "steel"]);
    /// # std::fs::remove_file(path)?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn text_file(&self, pattern: &str) -> Result<Dataset<String>> {
        self.text_files(&[pattern])
    }

    /// [`text_file`](Self::text_file) for several patterns, one after the other.
    ///
    /// # Errors
    ///
    /// As [`text_file`](Self::text_file).
    #[track_caller]
    pub fn text_files(&self, patterns: &[&str]) -> Result<Dataset<String>> {
        self.text_splits(patterns, SPLIT)
    }

    /// Rows made of the lines of one or more text files: for each line `parse` pushes as many as it
    /// likes.
    ///
    /// The same as [`text_file`](Self::text_file) and [`flat_map_into`](Dataset::flat_map_into), but
    /// a line is a piece of what was read: nothing is allocated for it. Files, splits and the order of
    /// rows are those of `text_file`.
    ///
    /// # Errors
    ///
    /// As [`text_file`](Self::text_file).
    ///
    /// # Cost
    ///
    /// One pass over the files for each action that needs the rows; a copy of the bytes, 16 KiB at a
    /// time.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("words.txt");
    /// std::fs::write(&path, "fire and steel\nand steel")?;
    /// let ctx = firesteel_core::Context::local();
    /// let words = ctx.text_file_into(path.to_str().ok_or("path")?, |line, out| {
    ///     out.extend(line.split(' ').map(str::to_owned));
    /// })?;
    /// assert_eq!(words.collect()?, ["fire", "and", "steel", "and", "steel"]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn text_file_into<T: Data>(
        &self,
        pattern: &str,
        parse: impl Fn(&str, &mut Vec<T>) + Send + Sync + 'static,
    ) -> Result<Dataset<T>> {
        self.text_blocks(pattern, SPLIT, BLOCK, parse)
    }

    #[track_caller]
    fn text_blocks<T: Data>(
        &self,
        pattern: &str,
        split: u64,
        block: usize,
        parse: impl Fn(&str, &mut Vec<T>) + Send + Sync + 'static,
    ) -> Result<Dataset<T>> {
        let splits = self.splits(&[pattern], split)?;
        let blocks = self.generated(call("text_file"), splits.len(), 1, move |partition| {
            Ok(Blocks { lines: Lines::of(&splits, partition, split)?, most: block })
        });
        Ok(blocks.each_into(call("text_file_into"), move |block: &String, out| {
            block.lines().for_each(|line| parse(line, out));
        }))
    }

    #[track_caller]
    fn text_splits(&self, patterns: &[&str], split: u64) -> Result<Dataset<String>> {
        let splits = self.splits(patterns, split)?;
        Ok(self.generate("text_file", splits.len(), move |partition| {
            Lines::of(&splits, partition, split)
        }))
    }

    fn splits(&self, patterns: &[&str], split: u64) -> Result<Splits> {
        let mut splits = Vec::new();
        for pattern in patterns {
            for input in self.inputs(pattern)? {
                let input = Arc::new(input);
                let starts = (0..input.len()).step_by(split as usize);
                splits.extend(starts.map(|start| (Arc::clone(&input), start)));
            }
        }
        Ok(splits)
    }
}

/// The lines that begin in one split.
struct Lines {
    input: Option<Arc<Input>>,
    /// Where `bytes` starts in the file.
    start: u64,
    bytes: Vec<u8>,
    next: usize,
}

impl Lines {
    fn of(splits: &Splits, partition: usize, split: u64) -> Result<Self> {
        match splits.get(partition) {
            Some((input, start)) => Self::open(input, *start, split),
            None => Ok(Self { input: None, start: 0, bytes: Vec::new(), next: 0 }),
        }
    }

    /// Reads the split, and past it to the end of its last line.
    fn open(input: &Arc<Input>, start: u64, split: u64) -> Result<Self> {
        // One byte before the split tells whether a line begins right at its start.
        let before = u64::from(start > 0);
        let mut bytes = input.read(start - before, (split + before) as usize)?;
        let next = match before {
            0 => 0,
            _ => memchr::memchr(b'\n', &bytes).map_or(bytes.len(), |at| at + 1),
        };
        if next < bytes.len() || (before == 0 && !bytes.is_empty()) {
            let mut at = start - before + bytes.len() as u64;
            while bytes.last() != Some(&b'\n') && at < input.len() {
                let more = input.read(at, OVERHANG)?;
                let end = memchr::memchr(b'\n', &more).map_or(more.len(), |end| end + 1);
                bytes.extend_from_slice(&more[..end]);
                at += end as u64;
            }
        }
        Ok(Self { input: Some(Arc::clone(input)), start: start - before, bytes, next })
    }

    fn not_utf8(&self, line: &[u8], at: usize) -> Error {
        let file = self.input.as_ref().map_or("", |input| input.name());
        let mut value = String::from_utf8_lossy(line).into_owned();
        if let Some((cut, _)) = value.char_indices().nth(80) {
            value.truncate(cut);
        }
        let before =
            self.input.as_ref().map_or(Ok(0), |input| lines_before(input, self.start + at as u64));
        match before {
            Ok(before) => Error::BadRecord {
                file: file.into(),
                line: before + 1,
                column: "line".into(),
                value,
                expected: "valid UTF-8".into(),
            },
            Err(error) => error,
        }
    }
}

/// Counts line ends before `offset`; only errors need to know.
fn lines_before(input: &Input, offset: u64) -> Result<u64> {
    let (mut at, mut count) = (0, 0);
    while at < offset {
        let bytes = input.read(at, SPLIT.min(offset - at) as usize)?;
        count += memchr::memchr_iter(b'\n', &bytes).count() as u64;
        at += bytes.len() as u64;
    }
    Ok(count)
}

impl Iterator for Lines {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Result<String>> {
        let start = self.next;
        let rest = self.bytes.get(start..).filter(|rest| !rest.is_empty())?;
        let end = memchr::memchr(b'\n', rest);
        let line = &rest[..end.unwrap_or(rest.len())];
        self.next = start + end.map_or(rest.len(), |end| end + 1);
        let line = match end {
            Some(_) => line.strip_suffix(b"\r").unwrap_or(line),
            None => line,
        };
        Some(match std::str::from_utf8(line) {
            Ok(line) => Ok(line.to_owned()),
            Err(_) => Err(self.not_utf8(line, start)),
        })
    }
}

/// The same, many whole lines at a time with their ends.
struct Blocks {
    lines: Lines,
    most: usize,
}

impl Iterator for Blocks {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Result<String>> {
        let lines = &mut self.lines;
        let rest = lines.bytes.get(lines.next..).filter(|rest| !rest.is_empty())?;
        let end = match memchr::memrchr(b'\n', &rest[..self.most.min(rest.len())]) {
            _ if rest.len() <= self.most => rest.len(),
            Some(end) => end + 1,
            // A line longer than a block.
            None => memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1),
        };
        match std::str::from_utf8(&rest[..end]) {
            Ok(block) => {
                let block = block.to_owned();
                lines.next += end;
                Some(Ok(block))
            }
            // The line that is to blame names itself.
            Err(_) => lines.find(Result::is_err),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines_of(bytes: &[u8], split: u64) -> Result<Vec<String>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let ctx = Context::builder().threads(1).build().unwrap();
        ctx.text_splits(&[file.path().to_str().unwrap()], split)?.collect()
    }

    fn blocks_of(bytes: &[u8], split: u64, block: usize) -> Result<Vec<String>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let ctx = Context::builder().threads(1).build().unwrap();
        let parse = |line: &str, out: &mut Vec<String>| out.push(line.to_owned());
        ctx.text_blocks(file.path().to_str().unwrap(), split, block, parse)?.collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn lines_are_those_of_the_whole_text_wherever_it_is_split(
            text in "[ab\n\ré]{0,40}",
            split in 1_u64..50,
        ) {
            let expected: Vec<&str> = text.lines().collect();
            // `str::lines` keeps a bare carriage return at the very end, as we do.
            prop_assert_eq!(lines_of(text.as_bytes(), split).unwrap(), &expected[..]);
            for block in [1, 3, 1000] {
                prop_assert_eq!(blocks_of(text.as_bytes(), split, block).unwrap(), &expected[..]);
            }
        }
    }

    #[test]
    fn a_line_that_is_not_utf8_is_named_by_file_and_line() {
        let bytes = b"one\ntwo\n\xff\xfe\nfour\n";
        let blocks =
            [(5, 1), (5, 1000), (100, 1000)].map(|(split, most)| blocks_of(bytes, split, most));
        for error in blocks.into_iter().chain([lines_of(bytes, 5), lines_of(bytes, 100)]) {
            let error = error.unwrap_err();
            assert!(
                matches!(&error, Error::BadRecord { line: 3, expected, .. } if expected.contains("UTF-8")),
                "{error}"
            );
        }
    }

    #[test]
    fn an_empty_file_has_no_lines() {
        assert_eq!(lines_of(b"", 4).unwrap(), Vec::<String>::new());
        assert_eq!(blocks_of(b"", 4, 9).unwrap(), Vec::<String>::new());
    }
}
