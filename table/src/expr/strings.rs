//! Operators on text, counted in characters (code points), never in bytes.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, Int64Array, StringArray};
use arrow_schema::DataType;
use arrow_string::like;

use super::evaluate::Part;
use crate::error::{Error, Result};

/// Where one text is looked for in another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Where {
    Start,
    End,
    Anywhere,
}

pub(super) fn search(place: Where, text: &Part, sought: &Part) -> Result<Part> {
    if text.is_untyped() || sought.is_untyped() {
        return Ok(Part::null(&DataType::Boolean));
    }
    let kernel = match place {
        Where::Start => like::starts_with,
        Where::End => like::ends_with,
        Where::Anywhere => like::contains,
    };
    let truth = kernel(text, sought).map_err(Error::arrow("searching text"))?;
    Ok(Part { array: Arc::new(truth), scalar: text.scalar && sought.scalar })
}

pub(super) fn length(text: &Part) -> Result<Part> {
    let Some(texts) = text.array.as_string_opt::<i32>() else {
        return Ok(Part::null(&DataType::Int64));
    };
    let count = |text: &str| text.chars().count() as i64;
    let lengths: Int64Array = texts.iter().map(|text| text.map(count)).collect();
    Ok(Part { array: Arc::new(lengths), scalar: text.scalar })
}

pub(super) fn part_of(text: &Part, start: i64, len: u64) -> Result<Part> {
    let Some(texts) = text.array.as_string_opt::<i32>() else {
        return Ok(Part::null(&DataType::Utf8));
    };
    let parts: StringArray =
        texts.iter().map(|text| text.map(|text| characters(text, start, len))).collect();
    Ok(Part { array: Arc::new(parts), scalar: text.scalar })
}

/// `len` characters from `start` on; a negative `start` counts from the end.
fn characters(text: &str, start: i64, len: u64) -> &str {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let skip = match usize::try_from(start) {
        Ok(start) => start,
        Err(_) => {
            let back = usize::try_from(start.unsigned_abs()).unwrap_or(usize::MAX);
            text.chars().count().saturating_sub(back)
        }
    };
    let byte = |text: &str, n: usize| text.char_indices().nth(n).map_or(text.len(), |(at, _)| at);
    let rest = &text[byte(text, skip)..];
    &rest[..byte(rest, len)]
}

pub(super) fn concat(parts: &[Part], rows: usize) -> Result<Part> {
    if parts.iter().any(Part::is_untyped) {
        return Ok(Part::null(&DataType::Utf8));
    }
    let scalar = parts.iter().all(|part| part.scalar);
    let texts: Vec<&StringArray> = parts.iter().map(|part| part.array.as_string::<i32>()).collect();
    let mut joined = StringBuilder::new();
    let mut line = String::new();
    for row in 0..if scalar { 1 } else { rows } {
        line.clear();
        let mut cells = parts.iter().zip(&texts).map(|(part, texts)| (texts, part.index(row)));
        let whole = cells.all(|(texts, i)| {
            line.push_str(texts.value(i)); // of a null it is empty
            texts.is_valid(i)
        });
        joined.append_option(whole.then_some(line.as_str()));
    }
    Ok(Part { array: Arc::new(joined.finish()), scalar })
}

#[cfg(test)]
mod tests {
    use super::characters;

    #[test]
    fn a_part_of_a_text_is_cut_at_characters() {
        assert_eq!(characters("héllo", 1, 3), "éll");
        assert_eq!(characters("héllo", -2, 9), "lo");
        assert_eq!(characters("héllo", -9, 2), "hé");
        assert_eq!(characters("héllo", 5, 1), "");
        assert_eq!(characters("héllo", 99, u64::MAX), "");
        assert_eq!(characters("", i64::MIN, u64::MAX), "");
    }
}
