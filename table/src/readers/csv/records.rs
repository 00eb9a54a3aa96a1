//! Cutting bytes into records and fields.
//!
//! By the rules told in `boundaries`, so that what a split calls a record is what the whole file
//! would. A field is a range of the bytes; only a quoted field with doubled quotes, or with text
//! behind its closing quote, is put together elsewhere.

use super::decimal::{Number, Verdict, numbers_from};
use super::format::Dialect;

/// One field of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    start: usize,
    end: usize,
    pub(super) is_quoted: bool,
    is_pieced: bool, // in `pieces` rather than in the bytes
    number: f64,     // NaN if none was read
}

impl Span {
    fn text(start: usize, end: usize) -> Self {
        Self { start, end, is_quoted: false, is_pieced: false, number: f64::NAN }
    }
}

/// The fields of the record that was read last. Reused from record to record.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) start: usize,
    spans: Vec<Span>,
    pieces: Vec<u8>,
}

/// What came of looking for the next record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A whole record.
    Record,
    /// A record begins at that byte, but the bytes end before it does.
    Unfinished(usize),
    /// Nothing but blank lines is left.
    End,
}

impl Record {
    /// The number of fields.
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// The bytes of a field, without its quotes, and whether it had them.
    #[inline]
    pub(super) fn field<'a>(&'a self, bytes: &'a [u8], i: usize) -> (&'a [u8], bool) {
        let span = self.spans[i];
        let text = if span.is_pieced { &self.pieces } else { bytes };
        (&text[span.start..span.end], span.is_quoted)
    }

    /// The number that a field is, if it was looked for and read on the way.
    #[inline]
    pub(super) fn number(&self, i: usize) -> Option<f64> {
        let number = self.spans.get(i)?.number;
        (!number.is_nan()).then_some(number)
    }
}

/// Reads records one after the other.
#[derive(Debug)]
pub(super) struct Records<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
    is_whole: bool,
    dialect: &'a Dialect,
    numbers: &'a [bool],
}

impl<'a> Records<'a> {
    /// Records of `bytes` from `at` on, where a record begins; `is_whole` says that the file ends
    /// with the bytes.
    pub(super) fn new(bytes: &'a [u8], at: usize, is_whole: bool, dialect: &'a Dialect) -> Self {
        Self { bytes, at, is_whole, dialect, numbers: &[] }
    }

    /// The same, looking for numbers in these fields: short ones are read while their end is
    /// sought, which spares a second look at their bytes.
    pub(super) fn with_numbers(self, numbers: &'a [bool]) -> Self {
        Self { numbers, ..self }
    }

    /// Skips blank lines; where the next record begins.
    pub(super) fn next_start(&mut self) -> usize {
        while let Some(b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.at
    }

    /// Reads the next record into `record`.
    pub(super) fn read(&mut self, record: &mut Record) -> Found {
        let start = self.next_start();
        if start == self.bytes.len() {
            return Found::End;
        }
        record.start = start;
        record.spans.clear();
        record.pieces.clear();
        loop {
            if self.short_numbers(record) {
                return Found::Record;
            }
            let is_quoted = self.dialect.quote.is_some()
                && self.bytes.get(self.at).copied() == self.dialect.quote;
            let end = if is_quoted { self.quoted(record) } else { self.unquoted(record) };
            match end {
                FieldEnd::Delimiter => {}
                FieldEnd::Record => return Found::Record,
                FieldEnd::Bytes => {
                    self.at = start;
                    return Found::Unfinished(start);
                }
            }
        }
    }

    /// Reads fields as long as they are short numbers that were asked for; whether the record
    /// ended with them.
    #[inline]
    fn short_numbers(&mut self, record: &mut Record) -> bool {
        let (numbers, dialect, spans) = (self.numbers, self.dialect, &mut record.spans);
        if numbers.get(spans.len()) != Some(&true) {
            return false;
        }
        let mut is_over = false;
        self.at = numbers_from(self.bytes, self.at, |Number { value, start, end, next }| {
            if numbers.get(spans.len()) != Some(&true) || !dialect.ends_field(next) {
                return Verdict::Leave;
            }
            spans.push(Span { number: value, ..Span::text(start, end) });
            is_over = next != dialect.delimiter;
            if is_over { Verdict::Last } else { Verdict::Take }
        });
        is_over
    }

    /// A field without quotes.
    #[inline]
    fn unquoted(&mut self, record: &mut Record) -> FieldEnd {
        let start = self.at;
        let (stop, end) = self.stop(start);
        if stop != FieldEnd::Bytes {
            record.spans.push(Span::text(start, end));
        }
        stop
    }

    /// What ends the field that goes on at `from`, and where; moves behind it.
    #[inline]
    fn stop(&mut self, from: usize) -> (FieldEnd, usize) {
        let delimiter = self.dialect.delimiter;
        match memchr::memchr3(delimiter, b'\n', b'\r', &self.bytes[from..]) {
            Some(found) => {
                let end = from + found;
                self.at = end + 1;
                if self.bytes[end] == delimiter {
                    (FieldEnd::Delimiter, end)
                } else {
                    (FieldEnd::Record, end)
                }
            }
            None if self.is_whole => {
                self.at = self.bytes.len();
                (FieldEnd::Record, self.at)
            }
            None => (FieldEnd::Bytes, from),
        }
    }

    /// A field that begins with a quote.
    fn quoted(&mut self, record: &mut Record) -> FieldEnd {
        let quote = self.dialect.quote.expect("the caller has seen one");
        let mut start = self.at + 1; // of the piece at hand
        let pieces = record.pieces.len();
        loop {
            let Some(found) = memchr::memchr(quote, &self.bytes[start..]) else {
                // A file that ends inside quotes was refused before; it must have changed.
                return FieldEnd::Bytes;
            };
            let close = start + found;
            match self.bytes.get(close + 1) {
                Some(&byte) if byte == quote => {
                    record.pieces.extend_from_slice(&self.bytes[start..=close]);
                    start = close + 2;
                }
                None if !self.is_whole => return FieldEnd::Bytes,
                _ => {
                    let (stop, end) = self.stop(close + 1);
                    if stop == FieldEnd::Bytes {
                        return stop;
                    }
                    let is_plain = record.pieces.len() == pieces && end == close + 1;
                    let span = if is_plain {
                        Span { is_quoted: true, ..Span::text(start, close) }
                    } else {
                        record.pieces.extend_from_slice(&self.bytes[start..close]);
                        record.pieces.extend_from_slice(&self.bytes[close + 1..end]);
                        let end = record.pieces.len();
                        Span { is_quoted: true, is_pieced: true, ..Span::text(pieces, end) }
                    };
                    record.spans.push(span);
                    return stop;
                }
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum FieldEnd {
    Delimiter,
    Record,
    /// The bytes end before the field does.
    Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn records(bytes: &[u8], dialect: &Dialect) -> (Vec<Vec<Vec<u8>>>, Found) {
        let mut records = Records::new(bytes, 0, true, dialect);
        let (mut record, mut all) = (Record::default(), Vec::new());
        loop {
            match records.read(&mut record) {
                Found::Record => {
                    all.push((0..record.len()).map(|i| record.field(bytes, i).0.to_vec()).collect())
                }
                end => return (all, end),
            }
        }
    }

    /// What the `csv` crate makes of the bytes.
    fn oracle(bytes: &[u8], dialect: &Dialect) -> Vec<Vec<Vec<u8>>> {
        csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(dialect.delimiter)
            .quote(dialect.quote.unwrap_or(b'"'))
            .quoting(dialect.quote.is_some())
            .from_reader(bytes)
            .byte_records()
            .map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect())
            .collect()
    }

    fn texts() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop::sample::select(vec![
            "a",
            ",",
            "\"",
            "\"\"",
            "\n",
            "\r\n",
            "\r",
            ",\"",
            "\",",
            "é",
            "\u{1f600}",
            " ",
            "1.5",
        ]);
        prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat().into_bytes())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]

        #[test]
        fn records_are_those_of_the_csv_crate(text in texts(), quoting in any::<bool>()) {
            let dialect = Dialect { quote: quoting.then_some(b'"'), ..Dialect::default() };
            let (mut found, end) = records(&text, &dialect);
            let mut expected = oracle(&text, &dialect);
            if end != Found::End {
                // Open quotes at the end of the file: an error here, a last record there.
                let same = found.len();
                expected.truncate(same);
                found.truncate(same);
            }
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn a_record_is_found_whole_or_not_at_all(text in texts(), cut in 0_usize..60) {
            let dialect = Dialect::default();
            let bytes = &text[..cut.min(text.len())];
            let (all, _) = records(&text, &dialect);
            let mut reader = Records::new(bytes, 0, false, &dialect);
            let mut record = Record::default();
            let mut count = 0;
            while reader.read(&mut record) == Found::Record {
                let fields: Vec<_> = (0..record.len()).map(|i| record.field(bytes, i).0.to_vec()).collect();
                prop_assert_eq!(&fields, &all[count]);
                count += 1;
            }
        }
    }
}
