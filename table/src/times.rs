//! Dates and points in time: as numbers, as text, on the calendar.
//!
//! A date is a number of days from 1970-01-01, a timestamp one of microseconds from its midnight, both in
//! the proleptic Gregorian calendar. A timestamp has no time zone of its own: it is UTC, or the time on
//! the clocks of a place, as whoever made it says. Leap seconds do not count.

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, Timelike};

/// Microseconds of a day.
pub(crate) const DAY: i64 = 86_400_000_000;
/// The number of 1970-01-01 when days are counted from 0001-01-01, which is 1.
const FIRST: i32 = 719_163;

/// The date of a number of days; none some 260,000 years away.
pub(crate) fn date_of(days: i32) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(days.checked_add(FIRST)?)
}

pub(crate) fn days_of(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - FIRST
}

/// The date and time of a number of microseconds; none some 260,000 years away.
pub(crate) fn time_of(micros: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros).map(|time| time.naive_utc())
}

/// The microseconds of a date and time; none if it has parts of a microsecond, which would be lost.
pub(crate) fn micros_of(time: NaiveDateTime) -> Option<i64> {
    time.nanosecond().is_multiple_of(1000).then(|| time.and_utc().timestamp_micros())
}

/// `2008-03-01`.
pub(crate) fn date_text(days: i32) -> String {
    match date_of(days) {
        Some(date) => date.to_string(),
        None => format!("{days} days from 1970-01-01"),
    }
}

/// `2008-03-01T10:15:00`, with as many decimals as there are, by threes.
pub(crate) fn time_text(micros: i64) -> String {
    match time_of(micros) {
        Some(time) => format!("{time:?}"),
        None => format!("{micros} microseconds from 1970-01-01"),
    }
}

/// Reads what [`date_text`] writes: a year of four digits or more, month and day of two.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text).as_bytes();
    let fits = |(i, byte): (usize, &u8)| match i {
        2 | 5 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    let is_date = digits.len() >= 10 && digits.iter().rev().enumerate().all(fits);
    if !is_date {
        return None;
    }
    let (year, rest) = text.split_at(text.len() - 6);
    let date = NaiveDate::from_ymd_opt(
        year.parse().ok()?,
        rest[1..3].parse().ok()?,
        rest[4..].parse().ok()?,
    );
    date.map(days_of)
}

/// Reads what [`time_text`] writes: also a date alone, which is its midnight, a blank for the `T`, times
/// without seconds, and `Z` or an offset from UTC behind it, which is taken off.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    if let Some(days) = parse_date(text) {
        return i64::from(days).checked_mul(DAY);
    }
    if let Ok(time) = text.parse::<DateTime<FixedOffset>>() {
        return micros_of(time.naive_utc());
    }
    let formats =
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let read = |format| NaiveDateTime::parse_from_str(text, format).ok();
    formats.into_iter().find_map(read).and_then(micros_of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_and_times_are_read_as_iso_8601_says() {
        for (text, days) in [
            ("1970-01-01", Some(0)),
            ("1969-12-31", Some(-1)),
            ("2000-02-29", Some(11_016)),
            ("1900-02-29", None),
            ("2008-3-1", None),
            ("20080301", None),
            ("2008-13-01", None),
            ("", None),
            ("+10000-01-01", Some(2_932_897)),
        ] {
            assert_eq!(parse_date(text), days, "{text}");
        }
        for (text, micros) in [
            ("1970-01-01T00:00:01", Some(1_000_000)),
            ("1970-01-01 00:00:01.5", Some(1_500_000)),
            ("1970-01-01T00:00:00.000001Z", Some(1)),
            ("1970-01-01T02:00:00+02:00", Some(0)),
            ("1970-01-01 01:00", Some(3_600_000_000)),
            ("1970-01-02", Some(DAY)),
            ("1970-01-01T00:00:00.0000001", None),
            ("1970-01-01T25:00:00", None),
            ("noon", None),
        ] {
            assert_eq!(parse_time(text), micros, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(days in any::<i32>(), micros in any::<i64>()) {
            if date_of(days).is_some() {
                prop_assert_eq!(parse_date(&date_text(days)), Some(days));
            }
            if time_of(micros).is_some() {
                prop_assert_eq!(parse_time(&time_text(micros)), Some(micros));
            }
        }
    }
}
