//! Which type a field has, from all of its values.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::values::{float_word, vector};
use crate::error::Result;
use crate::readers::csv::infer::Evidence as Single;
use crate::schema::{Schema, Type};

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
    vectors: Vectors,
}

/// What is known of arrays of numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
enum Vectors {
    #[default]
    None,
    /// All have so many numbers.
    Size(usize),
}

impl Said {
    fn of(value: &str) -> Self {
        let text = || Self { single: Single::of(b"text"), vectors: Vectors::None };
        match value.as_bytes() {
            [b'n', ..] => Self::default(),
            [b't' | b'f' | b'-' | b'0'..=b'9', ..] => {
                Self { single: Single::of(value.as_bytes()), vectors: Vectors::None }
            }
            [b'"', ..] if float_word(value).is_some() => {
                Self { single: Single::of(b"nan"), vectors: Vectors::None }
            }
            [b'[', ..] => match vector(value).map(|vector| vector.len()) {
                None | Some(0) => text(),
                Some(size) => Self { single: Single::default(), vectors: Vectors::Size(size) },
            },
            _ => text(),
        }
    }

    fn join(self, other: Self) -> Self {
        let (mut single, mut vectors) = (self.single.join(other.single), self.vectors);
        match (self.vectors, other.vectors) {
            (_, Vectors::None) => {}
            (Vectors::None, size) => vectors = size,
            (Vectors::Size(a), Vectors::Size(b)) if a == b => {}
            _ => single = single.join(Single::of(b"text")),
        }
        Self { single, vectors }
    }

    fn resolve(self) -> Type {
        match self.vectors {
            Vectors::None => self.single.resolve(),
            Vectors::Size(size) if self.single.is_none() => Type::Vector(size),
            Vectors::Size(_) => Type::String,
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
