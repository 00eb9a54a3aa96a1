//! How a CSV file is written.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How a CSV file is written: delimiter, quotes, header, what stands for a null. A plain value
/// that can be saved beside a model, so that new files are read as the first one was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CsvFormat {
    /// The byte between fields. Default: a comma.
    pub delimiter: u8,
    /// The byte around fields that hold delimiters or line ends; doubled it stands for itself.
    /// None: quotes have no meaning. Default: `"`.
    pub quote: Option<u8>,
    /// Whether the first record names the columns. Without it they are called `column_1` and so
    /// on, or as a given schema says. Default: yes.
    pub header: bool,
    /// Texts that stand for a null, in columns of any type, unless quoted. Default: the empty
    /// text alone.
    pub null_tokens: Vec<String>,
    /// Other null tokens for some columns, by name; they replace `null_tokens` there.
    pub column_null_tokens: Vec<(String, Vec<String>)>,
    /// Whether blanks and tabs around fields without quotes are removed. Default: no.
    pub trim: bool,
}

impl Default for CsvFormat {
    fn default() -> Self {
        Self {
            delimiter: b',',
            quote: Some(b'"'),
            header: true,
            null_tokens: vec![String::new()],
            column_null_tokens: Vec::new(),
            trim: false,
        }
    }
}

impl CsvFormat {
    /// Checks that the bytes can be told apart.
    pub(crate) fn check(&self) -> Result<()> {
        let shown = |byte: u8| format!("{:?}", char::from(byte));
        let is_plain = |byte: u8| byte.is_ascii() && !matches!(byte, b'\n' | b'\r');
        if !is_plain(self.delimiter) {
            let expected = "an ASCII character other than a line end";
            return Err(Error::parameter("delimiter", shown(self.delimiter), expected));
        }
        match self.quote {
            Some(quote) if !is_plain(quote) || quote == self.delimiter => {
                let expected = "an ASCII character other than a line end and the delimiter";
                Err(Error::parameter("quote", shown(quote), expected))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        Dialect { delimiter: self.delimiter, quote: self.quote }
    }

    /// The null tokens of a column.
    pub(super) fn nulls_of(&self, column: &str) -> NullTokens {
        let own = self.column_null_tokens.iter().find(|(name, _)| name == column);
        NullTokens::new(own.map_or(&self.null_tokens, |(_, tokens)| tokens))
    }
}

/// The bytes that cut records and fields.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
}

impl Default for Dialect {
    fn default() -> Self {
        CsvFormat::default().dialect()
    }
}

impl Dialect {
    /// Whether a field that follows the byte begins there.
    #[inline]
    pub(super) fn ends_field(&self, byte: u8) -> bool {
        byte == self.delimiter || byte == b'\n' || byte == b'\r'
    }
}

/// Null tokens, ready for comparison.
#[derive(Clone, Debug)]
pub(super) struct NullTokens {
    tokens: Vec<Vec<u8>>,
    longest: usize,
    spare_numbers: bool,
}

impl NullTokens {
    fn new(tokens: &[String]) -> Self {
        let tokens: Vec<Vec<u8>> = tokens.iter().map(|token| token.as_bytes().to_vec()).collect();
        let longest = tokens.iter().map(Vec::len).max().unwrap_or(0);
        let spare_numbers = !tokens.iter().flatten().any(u8::is_ascii_digit);
        Self { tokens, longest, spare_numbers }
    }

    /// Whether no number can be a null.
    #[inline]
    pub(super) fn spare_numbers(&self) -> bool {
        self.spare_numbers
    }

    #[inline]
    pub(super) fn contains(&self, field: &[u8]) -> bool {
        field.len() <= self.longest && self.tokens.iter().any(|token| token == field)
    }
}
