//! For floats in JSON that may be infinite or NaN, which JSON's numbers cannot say: such a float
//! is the text `"inf"`, `"-inf"` or `"NaN"`.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Limit {
//!     #[serde(with = "firesteel_ml::file::finite_or_text")]
//!     at_most: f64,
//! }
//! let text = serde_json::to_string(&Limit { at_most: f64::INFINITY })?;
//! assert_eq!(text, r#"{"at_most":"inf"}"#);
//! assert_eq!(serde_json::from_str::<Limit>(&text)?.at_most, f64::INFINITY);
//! # Ok::<(), serde_json::Error>(())
//! ```

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Text(String),
}

/// Writes a float.
///
/// # Errors
///
/// Those of the writer.
pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() {
        serializer.serialize_f64(*value)
    } else {
        serializer.serialize_str(&format!("{value:?}"))
    }
}

/// Reads a float.
///
/// # Errors
///
/// For what [`serialize`] does not write.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    match Number::deserialize(deserializer)? {
        Number::Finite(value) => Ok(value),
        Number::Text(text) => match text.as_str() {
            "NaN" => Ok(f64::NAN),
            "inf" => Ok(f64::INFINITY),
            "-inf" => Ok(f64::NEG_INFINITY),
            _ => Err(D::Error::custom(format!("expected a number, found {text:?}"))),
        },
    }
}
