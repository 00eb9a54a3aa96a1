//! Chapters of diagnoses.

use std::fmt;

use super::level::Level;

/// Groups of ICD-9 codes after Strack et al. 2014, table 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chapter {
    /// 390–459 and 785.
    Circulatory,
    /// 460–519 and 786.
    Respiratory,
    /// 520–579 and 787.
    Digestive,
    /// 250, with all its subdivisions.
    Diabetes,
    /// 800–999.
    Injury,
    /// 710–739.
    Musculoskeletal,
    /// 580–629 and 788.
    Genitourinary,
    /// 140–239.
    Neoplasms,
    /// Everything else, with the codes that begin with E or V.
    Other,
}

impl Chapter {
    /// All chapters.
    pub const ALL: [Self; 9] = [
        Self::Circulatory,
        Self::Respiratory,
        Self::Digestive,
        Self::Diabetes,
        Self::Injury,
        Self::Musculoskeletal,
        Self::Genitourinary,
        Self::Neoplasms,
        Self::Other,
    ];

    /// The chapter of a code such as `428`, `250.83` or `V57`; none of `?` and of what is no
    /// code.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_datasets::readmission::Chapter;
    ///
    /// assert_eq!(Chapter::of("250.83"), Some(Chapter::Diabetes));
    /// assert_eq!(Chapter::of("E888"), Some(Chapter::Other));
    /// assert_eq!(Chapter::of("?"), None);
    /// ```
    #[must_use]
    pub fn of(code: &str) -> Option<Self> {
        if code.starts_with(['E', 'V']) {
            return Some(Self::Other);
        }
        Some(match category(code)? {
            250 => Self::Diabetes,
            390..=459 | 785 => Self::Circulatory,
            460..=519 | 786 => Self::Respiratory,
            520..=579 | 787 => Self::Digestive,
            800..=999 => Self::Injury,
            710..=739 => Self::Musculoskeletal,
            580..=629 | 788 => Self::Genitourinary,
            140..=239 => Self::Neoplasms,
            _ => Self::Other,
        })
    }

    /// The name in small letters, `circulatory` for example.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Circulatory => "circulatory",
            Self::Respiratory => "respiratory",
            Self::Digestive => "digestive",
            Self::Diabetes => "diabetes",
            Self::Injury => "injury",
            Self::Musculoskeletal => "musculoskeletal",
            Self::Genitourinary => "genitourinary",
            Self::Neoplasms => "neoplasms",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Chapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The three digits before the point.
fn category(code: &str) -> Option<u16> {
    code.split('.').next()?.parse().ok()
}

/// Whether a person of this sex and age can have the diagnosis. Diseases of the organs of one
/// sex, pregnancy and birth are what would strike a reader first.
pub(crate) fn is_possible(code: Level, gender: Level, years: f64) -> bool {
    let fertile = is_fertile(gender, years);
    match category(code.trim_start_matches('V')) {
        Some(22..=28) if code.starts_with('V') => fertile,
        _ if code.starts_with('V') => true,
        Some(630..=679) => fertile,
        Some(174 | 179..=184 | 218..=221 | 256 | 614..=629) => gender != Level::MALE,
        Some(175 | 185..=187 | 222 | 600..=608) => gender != Level::FEMALE,
        _ => true,
    }
}

/// Whether a diagnosis may have to do with bearing children.
pub(crate) fn is_fertile(gender: Level, years: f64) -> bool {
    gender != Level::MALE && (12.0..50.0).contains(&years)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn men_bear_no_children_and_women_have_no_prostate() {
        let possible = |code, gender| is_possible(Level::named(code), gender, 30.0);
        assert!(possible("648", Level::FEMALE) && !possible("648", Level::MALE));
        assert!(possible("185", Level::MALE) && !possible("185", Level::FEMALE));
        assert!(!is_possible(Level::named("V27"), Level::FEMALE, 75.0));
        assert!(possible("V45", Level::MALE) && possible("E888", Level::MALE));
    }
}
