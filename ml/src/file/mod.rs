//! The model file: one file that says what it is.
//!
//! Everything that is fitted is written the same way, whatever it is: a *kind* (a name such as
//! `standard_scaler`), a *body* (parameters, schemas, names: JSON) and *arrays* (numbers with a
//! name and a shape, raw). A model with models inside, such as a pipeline, nests their bodies in
//! its own and puts its part's name in front of their arrays'.
//!
//! # The bytes
//!
//! | bytes | what |
//! |---|---|
//! | 8 | the magic number `89 46 53 4D 4C 0D 0A 1A` (`FSML` in a frame that shows mangled line ends) |
//! | 4 | the format's version, now 1 |
//! | 4 | zero |
//! | 8 | the length of the whole file |
//! | 8 | the length of the header |
//! | … | the header: JSON `{"kind", "body", "arrays": [{"name", "dtype", "shape", "offset"}]}`, filled up with zeros to a multiple of 8 bytes |
//! | … | the arrays one after the other, each filled up likewise; `offset` counts from the first |
//! | 4 | CRC-32 (IEEE) of all before |
//!
//! Numbers are little-endian. The layout leaves no choice, so equal models are equal bytes: no
//! time, path, version of the program, thread or rank count goes in. Numbers in arrays come back
//! to the bit; those in JSON too ([`finite_or_text`] for those that may not be finite).
//!
//! # Reading
//!
//! A file is taken for hostile until shown otherwise: lengths, offsets and shapes are checked
//! against the bytes that are there before anything is allocated for them, and everything that
//! is wrong with a file is one [`Error::ModelFile`] that names it.

mod array;
pub mod finite_or_text;
mod format;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use firesteel_core::{Context, storage};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use array::Array;
pub use array::Element;

use crate::error::{Error, Result};

/// A model as a file has it: kind, body, arrays.
///
/// # Examples
///
/// ```
/// use firesteel_ml::file::Saved;
///
/// let line = Saved::new("line", &("slope and intercept", 2))?.with("w", &[2], vec![0.1, -0.0])?;
/// let back = Saved::from_bytes("line.fsm", &line.to_bytes())?;
/// assert_eq!(back.kind(), "line");
/// assert_eq!(back.vector::<f64>("w")?, [0.1, -0.0]);
/// # Ok::<(), firesteel_ml::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Saved {
    kind: String,
    body: Box<RawValue>,
    arrays: Vec<Array>,
    /// The file it came from, for errors.
    origin: Arc<str>,
}

/// The part of a [`Saved`] that goes into the body of another one; its arrays go along.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Nested {
    kind: String,
    body: Box<RawValue>,
}

impl Nested {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }
}

impl Saved {
    /// A model without arrays. `body` is anything that serde can write; of maps, those with a
    /// fixed order (`BTreeMap`).
    ///
    /// # Errors
    ///
    /// [`Error::ModelFile`] if `body` cannot be written as JSON.
    pub fn new(kind: impl Into<String>, body: &impl Serialize) -> Result<Self> {
        let (kind, origin): (String, Arc<str>) = (kind.into(), "(not in a file)".into());
        let body = serde_json::value::to_raw_value(body).map_err(|error| Error::ModelFile {
            file: origin.to_string(),
            message: format!("the parameters of a {kind} cannot be written: {error}"),
        })?;
        Ok(Self { kind, body, arrays: Vec::new(), origin })
    }

    /// The same with one more array, its numbers in row-major order.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if the shape does not have as many numbers; a parameter error for a name
    /// that is taken.
    pub fn with<T: Element>(mut self, name: &str, shape: &[usize], values: Vec<T>) -> Result<Self> {
        if self.arrays.iter().any(|array| array.name == name) {
            return Err(Error::parameter("name", name, "the name of no other array"));
        }
        self.arrays.push(Array::new(name, shape, values)?);
        Ok(self)
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The body as the type that it was made from.
    ///
    /// # Errors
    ///
    /// [`Error::ModelFile`] if it is not one.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(self.body.get())
            .map_err(|error| self.wrong(format!("parameters of the {}: {error}", self.kind)))
    }

    /// An array with its shape.
    ///
    /// # Errors
    ///
    /// [`Error::ModelFile`] if there is none of that name and type.
    pub fn array<T: Element>(&self, name: &str) -> Result<(&[usize], &[T])> {
        let array = self.arrays.iter().find(|array| array.name == name);
        let array = array.ok_or_else(|| self.wrong(format!("no array `{name}`")))?;
        let values = T::unwrap(&array.data).ok_or_else(|| {
            let (found, expected) = (array.data.dtype(), std::any::type_name::<T>());
            self.wrong(format!("array `{name}` has the type {found}, expected {expected}"))
        })?;
        Ok((&array.shape, values))
    }

    /// An array of one dimension.
    ///
    /// # Errors
    ///
    /// [`Error::ModelFile`] if there is none of that name and type, or it has another shape.
    pub fn vector<T: Element>(&self, name: &str) -> Result<&[T]> {
        let (shape, values) = self.array(name)?;
        match shape {
            [_] => Ok(values),
            _ => Err(self.wrong(format!("array `{name}` has the shape {shape:?}, expected a row"))),
        }
    }

    /// An array of two dimensions: rows, columns, and the numbers row by row.
    ///
    /// # Errors
    ///
    /// [`Error::ModelFile`] if there is none of that name and type, or it has another shape.
    pub fn matrix<T: Element>(&self, name: &str) -> Result<(usize, usize, &[T])> {
        let (shape, values) = self.array(name)?;
        match *shape {
            [rows, columns] => Ok((rows, columns, values)),
            _ => Err(self.wrong(format!("array `{name}` has the shape {shape:?}, not a matrix's"))),
        }
    }

    /// An error that names the file and says what is wrong with it.
    #[must_use]
    pub fn wrong(&self, message: impl Into<String>) -> Error {
        Error::ModelFile { file: self.origin.to_string(), message: message.into() }
    }

    /// This model, if it is of that kind.
    ///
    /// # Errors
    ///
    /// [`Error::ModelFile`] if it is of another.
    pub fn expect_kind(&self, kind: &str) -> Result<&Self> {
        if self.kind == kind {
            return Ok(self);
        }
        Err(self.wrong(format!("holds a `{}`, expected a `{kind}`", self.kind)))
    }

    /// Takes over a part's arrays, `part/` before their names.
    fn take_in(&mut self, part: &str, model: Self) {
        let renamed = |array: Array| Array { name: format!("{part}/{}", array.name), ..array };
        self.arrays.extend(model.arrays.into_iter().map(renamed));
    }

    /// A model with models inside. `body` is made from the parts' [`Nested`] forms, in their
    /// order; the name of part `i` is `i`.
    ///
    /// # Errors
    ///
    /// [`Error::ModelFile`] if the body cannot be written as JSON.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_ml::file::{Nested, Saved};
    ///
    /// let part = |x: f64| Saved::new("part", &"p")?.with("x", &[1], vec![x]);
    /// let both = Saved::nest("both", vec![part(1.0)?, part(2.0)?], |parts| ("title", parts))?;
    /// let (title, parts): (String, Vec<Nested>) = both.body()?;
    /// assert_eq!(title, "title");
    /// assert_eq!(both.part(1, &parts[1]).vector::<f64>("x")?, [2.0]);
    /// # Ok::<(), firesteel_ml::Error>(())
    /// ```
    pub fn nest<B: Serialize>(
        kind: impl Into<String>,
        parts: Vec<Self>,
        body: impl FnOnce(Vec<Nested>) -> B,
    ) -> Result<Self> {
        let nested = parts
            .iter()
            .map(|part| Nested { kind: part.kind.clone(), body: part.body.clone() })
            .collect();
        let mut all = Self::new(kind, &body(nested))?;
        for (i, part) in parts.into_iter().enumerate() {
            all.take_in(&i.to_string(), part);
        }
        Ok(all)
    }

    /// Part `i` of a model made by [`Saved::nest`], with its arrays.
    #[must_use]
    pub fn part(&self, i: usize, nested: &Nested) -> Self {
        let prefix = format!("{i}/");
        let own = |array: &Array| {
            let name = array.name.strip_prefix(&prefix)?;
            Some(Array { name: name.to_owned(), ..array.clone() })
        };
        Self {
            kind: nested.kind.clone(),
            body: nested.body.clone(),
            arrays: self.arrays.iter().filter_map(own).collect(),
            origin: Arc::clone(&self.origin),
        }
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        format::encode(self)
    }

    /// The model in a file's bytes; `name` is what errors call the file.
    ///
    /// # Errors
    ///
    /// [`Error::ModelFile`] that says what is wrong with them.
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self> {
        format::decode(bytes, name.into())
    }

    /// Writes the file, by this process alone: the old file or the whole new one is there.
    ///
    /// # Errors
    ///
    /// [`firesteel_core::Error::File`], inside [`Error::Core`], if it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let bytes = self.to_bytes();
        Ok(storage::write_atomic(path, |out: &mut dyn Write| out.write_all(&bytes))?)
    }

    /// Writes the file once, on the root; collective, and what goes wrong goes wrong on all ranks.
    ///
    /// # Errors
    ///
    /// Those of [`Saved::write`].
    #[track_caller]
    pub fn save(&self, ctx: &Context, path: impl AsRef<Path>) -> Result<()> {
        Ok(ctx.on_root(|| self.write(path).map_err(firesteel_core::Error::from))?)
    }

    /// Reads a file, by this process alone.
    ///
    /// # Errors
    ///
    /// [`firesteel_core::Error::File`], inside [`Error::Core`], if it cannot be read;
    /// [`Error::ModelFile`] for what is wrong with it.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.to_string_lossy();
        let bytes = format::read(path)
            .map_err(|error| Error::Core(firesteel_core::Error::file(&*name, error)))?;
        Self::from_bytes(&name, &bytes)
    }
}
