//! Which type a column has, from all of its values.
//!
//! Each value says what it could be; a column's evidence is the set of what was said. Sets are
//! joined, so neither the order of values nor the partitioning matters.
//!
//! | value | says |
//! |---|---|
//! | `true`, `false` in any case | truth |
//! | digits, with or without `-` | whole number |
//! | the same, beyond 64 bits | wide whole number |
//! | decimal point or exponent, finite as `f64`; `-0` | float |
//! | `nan`, `inf`, `infinity` in any case, with or without `-` | not finite |
//! | anything else: `V57`, `+49`, `0250`, `1e999` | text |
//!
//! Leading zeros and plus signs mean that a value is a code, not a number, and would be lost.
//! Only truths make bool; whole numbers alone make i64; floats, with or without whole numbers,
//! make f64, and so do values that are not finite beside numbers. Everything else is text, among it
//! wide whole numbers without any float beside them (identifiers that a float would round) and
//! columns that say `nan` and nothing else (names). A column without a value is text.

use serde::{Deserialize, Serialize};

use crate::expr::spoken;
use crate::schema::Type;

/// The set of what values said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::readers) struct Evidence(u8);

impl Evidence {
    const TRUTH: Self = Self(1);
    const WHOLE: Self = Self(2);
    const WIDE: Self = Self(4);
    const FLOAT: Self = Self(8);
    const NOT_FINITE: Self = Self(16);
    const TEXT: Self = Self(32);

    /// What a value says.
    pub(in crate::readers) fn of(value: &[u8]) -> Self {
        let (digits, is_negative) = match value {
            [b'-', digits @ ..] => (digits, true),
            digits => (digits, false),
        };
        match digits.first() {
            Some(b'0'..=b'9' | b'.') => Self::of_number(value, digits, is_negative),
            Some(b'n' | b'N' | b'i' | b'I') if is_named_float(digits) => Self::NOT_FINITE,
            Some(b't' | b'T' | b'f' | b'F') if !is_negative && is_truth(value) => Self::TRUTH,
            _ => Self::TEXT,
        }
    }

    fn of_number(value: &[u8], digits: &[u8], is_negative: bool) -> Self {
        let count = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let whole = count(digits);
        if whole > 1 && digits[0] == b'0' {
            return Self::TEXT;
        }
        if whole == digits.len() {
            return match parse_i64(value) {
                Some(0) if is_negative => Self::FLOAT, // a whole number has no -0
                Some(_) => Self::WHOLE,
                None if parse_f64(value).is_some() => Self::WIDE,
                None => Self::TEXT,
            };
        }
        let mut rest = &digits[whole..];
        let mut fraction = 0;
        if rest[0] == b'.' {
            fraction = count(&rest[1..]);
            rest = &rest[1 + fraction..];
        }
        if whole + fraction == 0 {
            return Self::TEXT;
        }
        if let [b'e' | b'E', exponent @ ..] = rest {
            let exponent =
                exponent.strip_prefix(b"-").or(exponent.strip_prefix(b"+")).unwrap_or(exponent);
            if exponent.is_empty() || count(exponent) < exponent.len() || parse_f64(value).is_none()
            {
                return Self::TEXT;
            }
        } else if !rest.is_empty() || (whole > 300 && parse_f64(value).is_none()) {
            return Self::TEXT;
        }
        Self::FLOAT
    }

    pub(in crate::readers) fn join(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn has(self, what: Self) -> bool {
        self.0 & what.0 != 0
    }

    /// Whether nothing was said.
    pub(in crate::readers) fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether nothing that is said can change the type any more.
    #[inline]
    pub(in crate::readers) fn is_settled(self) -> bool {
        self.has(Self::TEXT)
    }

    /// The type of a column with that evidence.
    pub(in crate::readers) fn resolve(self) -> Type {
        let is_number = !self.has(Self::TEXT) && !self.has(Self::TRUTH);
        let is_rounded = self.has(Self::WIDE) && !self.has(Self::FLOAT);
        if self == Self::TRUTH {
            Type::Bool
        } else if self == Self::WHOLE {
            Type::I64
        } else if is_number && !is_rounded && self.has(Self::WHOLE.join(Self::FLOAT)) {
            Type::F64
        } else {
            Type::String
        }
    }
}

fn is_named_float(name: &[u8]) -> bool {
    [&b"nan"[..], b"inf", b"infinity"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn is_truth(value: &[u8]) -> bool {
    parse_bool(value).is_some()
}

/// A truth value.
pub(in crate::readers) fn parse_bool(value: &[u8]) -> Option<bool> {
    std::str::from_utf8(value).ok().and_then(spoken)
}

/// A whole number in the range of `i64`.
#[inline]
pub(in crate::readers) fn parse_i64(value: &[u8]) -> Option<i64> {
    let (digits, is_negative) = match value {
        [b'-', digits @ ..] => (digits, true),
        [b'+', digits @ ..] => (digits, false),
        digits => (digits, false),
    };
    if digits.is_empty() || digits.len() > 18 {
        return std::str::from_utf8(value).ok()?.parse().ok();
    }
    let mut number = 0_i64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + i64::from(digit);
    }
    Some(if is_negative { -number } else { number })
}

/// A float; none for a number that no finite float comes near.
#[inline]
pub(in crate::readers) fn parse_f64(value: &[u8]) -> Option<f64> {
    let float: f64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    let is_lost = float.is_infinite() && value.iter().any(u8::is_ascii_digit);
    (!is_lost).then_some(float)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[&str]) -> Type {
        let all = values.iter().map(|value| Evidence::of(value.as_bytes()));
        all.fold(Evidence::default(), Evidence::join).resolve()
    }

    #[test]
    fn columns_have_the_types_that_people_expect() {
        for (values, expected) in [
            (&["1", "-5", "0"][..], Type::I64),
            (&["9223372036854775807", "-9223372036854775808"], Type::I64),
            (&["1", "2.5"], Type::F64),
            (&["1e5", ".5", "5.", "-0.25", "1E-3", "2e+1"], Type::F64),
            (&["-0"], Type::F64),
            (&["1", "NaN", "-inf", "Infinity"], Type::F64),
            (&["nan"], Type::String),
            (&["true", "FALSE"], Type::Bool),
            (&["true", "1"], Type::String),
            (&["250.83", "V57"], Type::String),
            (&["0250", "1"], Type::String),
            (&["00"], Type::String),
            (&["+4930", "1"], Type::String),
            (&["9223372036854775808", "1"], Type::String),
            (&["100000000000000000000", "0.5"], Type::F64),
            (&["1e999"], Type::String),
            (&["1e-999"], Type::F64),
            (&[".", "-", "1e", "e5", "1.2.3", "0x1f", "1_000", " 1", "--1", "-true"], Type::String),
            (&[], Type::String),
        ] {
            assert_eq!(of(values), expected, "{values:?}");
        }
        for text in [".", "-", "1e", "e5", "1.2.3", "0x1f", "1_000", " 1", "--1", "-true", "1e+-5"]
        {
            assert_eq!(of(&[text]), Type::String, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_value_that_fits_a_column_can_be_read(
            value in "-?([1-9][0-9]{0,22}|[0-9]{300,320}|[0-9]?)\\.?[0-9]{0,4}(e[0-9]{1,4})?",
        ) {
            let (value, float) = (value.as_bytes(), Evidence::FLOAT);
            let evidence = Evidence::of(value);
            if evidence.resolve() == Type::I64 {
                prop_assert!(parse_i64(value).is_some());
            }
            if evidence.join(float).resolve() == Type::F64 {
                prop_assert!(parse_f64(value).is_some());
            }
        }

        #[test]
        fn numbers_are_read_as_the_standard_library_reads_them(value in "[-+]?[0-9a]{0,21}") {
            prop_assert_eq!(parse_i64(value.as_bytes()), value.parse().ok());
        }

        #[test]
        fn floats_are_told_by_their_text(x in any::<f64>()) {
            prop_assume!(x.is_finite());
            let evidence = Evidence::of(format!("{x:?}").as_bytes());
            prop_assert_eq!(evidence, Evidence::FLOAT);
        }
    }
}
