//! Folders named by values: `year=2024/sex=f`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};

use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::value::Value;

/// What stands for a null.
pub(crate) const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The columns that name folders, and those that stay.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    names: Vec<String>,
    keys: Vec<usize>,
    rest: Vec<usize>,
}

impl Keys {
    /// The columns of that schema by those names, and the schema of what stays.
    pub(super) fn new(schema: &Schema, names: &[String]) -> Result<(Self, Schema)> {
        let keys = names.iter().map(|name| schema.index_of(name)).collect::<Result<Vec<_>>>()?;
        let rest = (0..schema.len()).filter(|i| !keys.contains(i)).collect();
        let names: Vec<_> = names.iter().map(|name| escaped(name, true)).collect();
        let left = schema.without(&schema_names(schema, &keys))?;
        Ok((Self { names, keys, rest }, left))
    }

    /// The rows of each folder, in the order of the folders' names.
    pub(super) fn split(&self, batch: &RecordBatch) -> Result<Vec<(String, RecordBatch)>> {
        let texts: Vec<_> = self.keys.iter().map(|&key| texts(batch.column(key))).collect();
        let mut rows: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let mut folder = String::new();
        for row in 0..batch.num_rows() {
            folder.clear();
            for (name, texts) in self.names.iter().zip(&texts) {
                let separator = if folder.is_empty() { "" } else { "/" };
                let _ = write!(folder, "{separator}{name}={}", texts[row]);
            }
            match rows.get_mut(&folder) {
                Some(rows) => rows.push(row as u32),
                None => {
                    rows.insert(folder.clone(), vec![row as u32]);
                }
            }
        }
        let rest = batch.project(&self.rest).map_err(Error::arrow("leaving columns out"))?;
        let part = |(folder, rows): (String, Vec<u32>)| {
            let rows = arrow_select::take::take_record_batch(&rest, &UInt32Array::from(rows))
                .map_err(Error::arrow("dealing rows out to folders"))?;
            Ok((folder, rows))
        };
        rows.into_iter().map(part).collect()
    }
}

fn schema_names(schema: &Schema, columns: &[usize]) -> Vec<String> {
    columns.iter().map(|&i| schema.fields()[i].name.clone()).collect()
}

/// The texts of a column's values as they are written in names of folders.
fn texts(column: &ArrayRef) -> Vec<String> {
    let text = |row: usize| {
        if column.is_null(row) {
            return NULL.to_owned();
        }
        let text = Value::at(column, row).to_string();
        if text == NULL { format!("%5F{}", &NULL[1..]) } else { escaped(&text, false) }
    };
    (0..column.len()).map(text).collect()
}

/// A text without what a path or a pattern would take for something else.
fn escaped(text: &str, is_first: bool) -> String {
    let mut safe = String::with_capacity(text.len());
    for (i, c) in text.char_indices() {
        let hides = is_first && i == 0 && c == '.';
        let is_special = c.is_ascii_control() || "\"#%'*/:=?\\{}[]^<>|".contains(c);
        if hides || is_special {
            let _ = write!(safe, "%{:02X}", c as u32);
        } else {
            safe.push(c);
        }
    }
    safe
}

/// What [`escaped`] was given; none if it cannot have been its result.
pub(crate) fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| byte == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) => {
                bytes.push(escaped);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_escaped_comes_back(text in any::<String>(), is_first in any::<bool>()) {
            let safe = escaped(&text, is_first);
            prop_assert!(!safe.contains('/') && !safe.contains('=') && !safe.contains('\0'));
            prop_assert_eq!(unescaped(&safe), Some(text));
        }
    }
}
