//! A record as names and texts of values.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::readers::lines::Wrong;

/// The fields of an object, in order; values are as they are written.
pub(super) fn fields(line: &[u8]) -> Result<Vec<(Cow<'_, str>, &str)>, Wrong> {
    let fields: Fields<'_> = serde_json::from_slice(line).map_err(|error| {
        let place = error.column();
        let expected = match error.classify() {
            serde_json::error::Category::Eof => "an object that ends on its line".to_owned(),
            _ => format!("a JSON object: {error}"),
        };
        let from = place.saturating_sub(40).min(line.len());
        let from = (0..=from).rev().find(|at| std::str::from_utf8(&line[*at..]).is_ok());
        Wrong::new(&line[from.unwrap_or(0)..], expected)
    })?;
    if let Some((name, value)) = repeated(&fields.0) {
        return Err(Wrong::new(value.as_bytes(), format!("the name `{name}` once")));
    }
    Ok(fields.0)
}

/// The first field whose name was there before.
fn repeated<'a, 'b>(fields: &'b [(Cow<'a, str>, &'a str)]) -> Option<&'b (Cow<'a, str>, &'a str)> {
    const FEW: usize = 24; // up to so many, comparing is faster than hashing
    if fields.len() <= FEW {
        let is_there = |(i, field): &(usize, &(Cow<'_, str>, &str))| {
            fields[..*i].iter().any(|earlier| earlier.0 == field.0)
        };
        return fields.iter().enumerate().find(is_there).map(|(_, field)| field);
    }
    let mut seen = std::collections::HashSet::with_capacity(fields.len());
    fields.iter().find(|field| !seen.insert(&*field.0))
}

struct Fields<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &RawValue>()? {
                    fields.push((name, value.get()));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// A name, borrowed where nothing in it is escaped.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
