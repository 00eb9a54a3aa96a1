//! Which type a field has, from all of its values.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::values::{float_word, vector};
use crate::error::Result;
use crate::readers::csv::infer::Evidence as Single;
use crate::schema::{Item, Schema, Type};

/// What all values of all names said, in the order in which the names first appear.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Evidence {
    names: Vec<(String, Said)>,
    #[serde(skip)]
    places: HashMap<String, usize>,
}

/// What the values of a name said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Said {
    single: Single,
    arrays: Arrays,
    /// What the values of arrays said.
    items: Single,
}

/// What is known of arrays of single values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
enum Arrays {
    #[default]
    None,
    /// All have so many numbers.
    Vectors(usize),
    /// They have other values, or not all as many.
    Lists,
}

impl Said {
    fn of(value: &str) -> Self {
        let single = |single: Single| Self { single, ..Self::default() };
        match value.as_bytes() {
            [b'n', ..] => Self::default(),
            [b't' | b'f' | b'-' | b'0'..=b'9', ..] => single(Single::of(value.as_bytes())),
            [b'"', ..] if float_word(value).is_some() => single(Single::of(b"nan")),
            [b'[', ..] => Self::of_array(value).unwrap_or_else(|| single(Single::of(b"text"))),
            _ => single(Single::of(b"text")),
        }
    }

    /// None of an array that has something else than single values.
    fn of_array(value: &str) -> Option<Self> {
        let arrays = match vector(value).map(|vector| vector.len()) {
            None | Some(0) => Arrays::Lists,
            Some(size) => Arrays::Vectors(size),
        };
        let values: Vec<&RawValue> = serde_json::from_str(value).ok()?;
        let mut items = Single::default();
        for value in values {
            if value.get().starts_with(['[', '{']) {
                return None;
            }
            items = items.join(Self::of(value.get()).single);
        }
        Some(Self { single: Single::default(), arrays, items })
    }

    fn join(self, other: Self) -> Self {
        let arrays = match (self.arrays, other.arrays) {
            (one, Arrays::None) | (Arrays::None, one) => one,
            (Arrays::Vectors(a), Arrays::Vectors(b)) if a == b => Arrays::Vectors(a),
            _ => Arrays::Lists,
        };
        let (single, items) = (self.single.join(other.single), self.items.join(other.items));
        Self { single, arrays, items }
    }

    fn resolve(self) -> Type {
        match self.arrays {
            Arrays::None => self.single.resolve(),
            _ if !self.single.is_none() => Type::String,
            Arrays::Vectors(size) => Type::Vector(size),
            Arrays::Lists => Item::of(self.items.resolve()).map_or(Type::String, Type::List),
        }
    }
}

impl Evidence {
    pub(super) fn see(&mut self, name: &str, value: &str) {
        self.add(name, Said::of(value));
    }

    fn add(&mut self, name: &str, said: Said) {
        match self.places.get(name) {
            Some(&place) => self.names[place].1 = self.names[place].1.join(said),
            None => {
                self.places.insert(name.to_owned(), self.names.len());
                self.names.push((name.to_owned(), said));
            }
        }
    }

    /// What both say; the names of `self` come first.
    pub(super) fn join(mut self, other: Self) -> Self {
        if self.places.len() != self.names.len() {
            // Places do not travel.
            let names = self.names.iter().enumerate();
            self.places = names.map(|(place, (name, _))| (name.clone(), place)).collect();
        }
        other.names.iter().for_each(|(name, said)| self.add(name, *said));
        self
    }

    pub(super) fn schema(&self) -> Result<Schema> {
        Schema::of(self.names.iter().map(|(name, said)| (name.clone(), said.resolve())))
    }

    /// Which columns are text for want of any value.
    pub(super) fn unknown(&self) -> Vec<bool> {
        self.names.iter().map(|(_, said)| *said == Said::default()).collect()
    }
}
