//! Ranges of bytes, and the lines that begin in them.

use firesteel_core::Error as CoreError;
use firesteel_core::storage::Input;

/// Bytes that are read behind a split for its last line, at first.
const LOOKAHEAD: usize = 1 << 16;
/// Bytes that are read at a time to count lines.
const BLOCK: usize = 4 << 20;

/// A range of bytes of a file.
#[derive(Clone, Debug)]
pub(in crate::readers) struct Split {
    pub(in crate::readers) input: Input,
    /// The file's place in the listing.
    pub(in crate::readers) file: usize,
    start: u64,
    len: usize,
}

/// Files cut at fixed sizes.
pub(in crate::readers) fn cut(inputs: &[Input], split_bytes: usize) -> Vec<Split> {
    let splits = |(file, input): (usize, &Input)| {
        let input = input.clone();
        let len = input.len();
        (0..len).step_by(split_bytes).map(move |start| Split {
            input: input.clone(),
            file,
            start,
            len: (len - start).min(split_bytes as u64) as usize,
        })
    };
    inputs.iter().enumerate().flat_map(splits).collect()
}

/// The lines of a split, without their ends.
#[derive(Debug)]
pub(in crate::readers) struct SplitLines {
    split: Split,
    bytes: Vec<u8>,
    /// Where in the file `bytes` begins.
    from: u64,
    /// Where in `bytes` the next line begins.
    next: usize,
    /// Where in `bytes` the split ends.
    end: usize,
    counted: Option<(usize, u64)>,
}

impl SplitLines {
    pub(in crate::readers) fn open(split: &Split) -> Result<Self, CoreError> {
        // The byte before the split tells whether a line begins right at its start.
        let before = usize::from(split.start > 0);
        let from = split.start - before as u64;
        let bytes = split.input.read(from, before + split.len + LOOKAHEAD)?;
        let end = before + split.len;
        let mark = if split.start == 0 && bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let mut lines = Self { split: split.clone(), bytes, from, next: mark, end, counted: None };
        if before == 1 {
            lines.next = match lines.line_end(0)? {
                end if end < lines.bytes.len() => end + 1,
                end => end.max(lines.end),
            };
        }
        Ok(lines)
    }

    /// Where the line ends that begins at `at`: at its `\n`, or at the end of the file.
    fn line_end(&mut self, at: usize) -> Result<usize, CoreError> {
        let (mut seen, mut more) = (at, LOOKAHEAD);
        loop {
            if let Some(found) = memchr::memchr(b'\n', &self.bytes[seen..]) {
                return Ok(seen + found);
            }
            seen = self.bytes.len();
            let next = self.split.input.read(self.from + seen as u64, more)?;
            if next.is_empty() {
                return Ok(seen);
            }
            self.bytes.extend(next);
            more *= 2;
        }
    }

    /// The place of the next line in the split's bytes.
    pub(in crate::readers) fn next_line(
        &mut self,
    ) -> Result<Option<std::ops::Range<usize>>, CoreError> {
        if self.next >= self.end {
            return Ok(None);
        }
        let start = self.next;
        let end = self.line_end(start)?;
        self.next = end + 1;
        let end = if end > start && self.bytes[end - 1] == b'\r' { end - 1 } else { end };
        Ok(Some(start..end))
    }

    pub(in crate::readers) fn bytes(&self, line: &std::ops::Range<usize>) -> &[u8] {
        &self.bytes[line.clone()]
    }

    /// The number of the line that begins at `start`, from 1.
    pub(in crate::readers) fn number(&mut self, start: usize) -> Result<u64, CoreError> {
        let newlines = |bytes: &[u8]| memchr::memchr_iter(b'\n', bytes).count() as u64;
        let (at, number) = match self.counted {
            Some(counted) => counted,
            None => {
                let (mut at, mut lines) = (0, 1);
                while at < self.from {
                    let len = (self.from - at).min(BLOCK as u64) as usize;
                    lines += newlines(&self.split.input.read(at, len)?);
                    at += len as u64;
                }
                (0, lines)
            }
        };
        let number = number + newlines(&self.bytes[at..start]);
        self.counted = Some((start, number));
        Ok(number)
    }

    pub(in crate::readers) fn file(&self) -> &str {
        self.split.input.name()
    }
}
