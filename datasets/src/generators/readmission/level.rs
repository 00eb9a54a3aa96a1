//! Names of levels, spelled as in the published table.

use std::fmt;
use std::ops::Deref;
use std::sync::LazyLock;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::frequencies;

/// The name of a level, `[70-80)` or `?` for example: one of the fixed names that the published
/// table uses, so it costs nothing to copy. Reads like a `str`.
///
/// # Examples
///
/// ```
/// use firesteel_datasets::readmission::Readmission;
///
/// let stay = Readmission::new(10).rows().next().unwrap();
/// assert!(stay.gender == "Female" || stay.gender == "Male");
/// assert!(stay.age.starts_with('['));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(&'static str);

impl Level {
    /// A value that is not known.
    pub const MISSING: Self = Self("?");
    pub(crate) const NONE: Self = Self("None");
    pub(crate) const FEMALE: Self = Self("Female");
    pub(crate) const MALE: Self = Self("Male");
    pub(crate) const UNKNOWN: Self = Self("Unknown/Invalid");
    pub(crate) const INTERNAL_MEDICINE: Self = Self("InternalMedicine");

    /// A name that a table in this crate spells.
    pub(crate) const fn named(name: &'static str) -> Self {
        Self(name)
    }

    /// The level of this name, if the table has one in any column.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        static KNOWN: LazyLock<Vec<&'static str>> = LazyLock::new(known);
        KNOWN.binary_search(&name).ok().map(|at| Self(KNOWN[at]))
    }

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

fn known() -> Vec<&'static str> {
    let fixed = [Level::MISSING, Level::NONE, Level::FEMALE, Level::MALE, Level::UNKNOWN];
    let mut names: Vec<_> = fixed.into_iter().map(Level::as_str).collect();
    for table in frequencies::named() {
        names.extend(table.split_whitespace().filter_map(|item| Some(item.rsplit_once(':')?.0)));
    }
    names.sort_unstable();
    names.dedup();
    names
}

impl Deref for Level {
    type Target = str;

    fn deref(&self) -> &str {
        self.0
    }
}

impl PartialEq<str> for Level {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Level {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

impl Serialize for Level {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::find(&name).ok_or_else(|| D::Error::custom(format!("unknown level {name:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_travels_and_no_other_name_does() {
        for name in known() {
            let level = Level::find(name).unwrap();
            let json = serde_json::to_string(&level).unwrap();
            assert_eq!(serde_json::from_str::<Level>(&json).unwrap(), level);
        }
        let strange = serde_json::from_str::<Level>("\"[70-80]\"").unwrap_err();
        assert!(strange.to_string().contains("unknown level \"[70-80]\""), "{strange}");
    }
}
