//! Functions of dates and timestamps.
//!
//! A timestamp has no zone of its own (see [`Type::Timestamp`]). What is asked of the clocks of a place is
//! asked in two steps: `col("at").from_utc("Europe/Berlin").hour()`. Zones are those of the IANA database
//! that the crate `chrono-tz` brings along, so they are the same on every machine, or offsets from UTC
//! such as `+05:30`.

use std::fmt;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, Date32Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use chrono::format::{Item as FormatItem, StrftimeItems};
use chrono::{
    DateTime, Datelike, FixedOffset, MappedLocalTime, Months, NaiveDate, NaiveDateTime, Offset,
    TimeDelta, TimeZone, Timelike,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::evaluate::Part;
use super::{Expr, Function, Node, lit};
use crate::error::Result;
use crate::schema::Type;
use crate::times::{DAY, date_of, days_of, micros_of, time_of};
use crate::value::Value;

/// A unit of time, on the calendar or on the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimeUnit {
    /// A year of the calendar.
    Year,
    /// Three months, from January, April, July or October.
    Quarter,
    /// A month of the calendar.
    Month,
    /// Seven days, from Monday.
    Week,
    /// A day.
    Day,
    /// An hour.
    Hour,
    /// A minute.
    Minute,
    /// A second.
    Second,
    /// A thousandth of a second.
    Millisecond,
    /// A millionth of a second.
    Microsecond,
}

impl TimeUnit {
    /// The months of a unit that has some.
    fn months(self) -> Option<i64> {
        match self {
            Self::Year => Some(12),
            Self::Quarter => Some(3),
            Self::Month => Some(1),
            _ => None,
        }
    }

    /// The microseconds of a unit that always has as many.
    fn micros(self) -> i64 {
        match self {
            Self::Year | Self::Quarter | Self::Month => 0,
            Self::Week => 7 * DAY,
            Self::Day => DAY,
            Self::Hour => DAY / 24,
            Self::Minute => 60_000_000,
            Self::Second => 1_000_000,
            Self::Millisecond => 1000,
            Self::Microsecond => 1,
        }
    }

    /// Whether a day has several of it.
    fn is_of_clock(self) -> bool {
        self.months().is_none() && self.micros() < DAY
    }
}

impl fmt::Display for TimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Year => "year",
            Self::Quarter => "quarter",
            Self::Month => "month",
            Self::Week => "week",
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Second => "second",
            Self::Millisecond => "millisecond",
            Self::Microsecond => "microsecond",
        })
    }
}

/// A day of the calendar, written as `2008-03-01`. What cannot be read is an error of the evaluation.
///
/// # Examples
///
/// ```
/// use firesteel_table::{Value, col, date};
///
/// assert_eq!(date("2008-03-01").node(), &firesteel_table::Node::Literal(Value::Date(13939)));
/// assert_eq!(col("day").ge(date("2008-03-01")).to_string(), "day >= date '2008-03-01'");
/// ```
pub fn date(text: &str) -> Expr {
    match crate::times::parse_date(text) {
        Some(days) => lit(Value::Date(days)),
        None => lit(text).cast(Type::Date),
    }
}

/// A point in time, written as `2008-03-01T10:15:00`, with decimals of the second or without seconds if
/// need be; an offset from UTC behind it (`Z`, `+01:00`) is taken off. What cannot be read is an error of
/// the evaluation.
pub fn timestamp(text: &str) -> Expr {
    match crate::times::parse_time(text) {
        Some(micros) => lit(Value::Timestamp(micros)),
        None => lit(text).cast(Type::Timestamp),
    }
}

impl Expr {
    /// The start of the unit in which a date or timestamp lies: of [`TimeUnit::Month`] the first of the
    /// month, of [`TimeUnit::Week`] the Monday. Of a date no units of the clock.
    #[must_use]
    pub fn truncate(self, unit: TimeUnit) -> Self {
        Self::of(Node::Call(Function::Truncate(unit), vec![self]))
    }

    /// The date or timestamp so many units later, earlier if `count` is negative. Where a month is too
    /// short for the day, its last day: a month after January 31 is the end of February.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::Context;
    /// use firesteel_table::{Table, TimeUnit, Value, col, date, one_row};
    ///
    /// let day = chrono::NaiveDate::from_ymd_opt(2024, 1, 31).unwrap();
    /// let table = Table::from_batches(&Context::local(), vec![one_row(&[("day", day.into())])?])?;
    /// let next = table.with_column("next", col("day").offset_by(1, TimeUnit::Month))?;
    /// assert_eq!(next.column_strings("next")?, [Some("2024-02-29".to_owned())]);
    /// let days = next.with_column("days", col("next").since(col("day"), TimeUnit::Day))?;
    /// assert_eq!(days.column_f64("days")?, [29.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn offset_by(self, count: impl Into<Self>, unit: TimeUnit) -> Self {
        Self::of(Node::Call(Function::OffsetBy(unit), vec![self, count.into()]))
    }

    /// How many whole units lie between the other date or timestamp and this, negative if this is
    /// earlier. Of months it is the largest number by which the other can be
    /// [offset](Self::offset_by) without passing this.
    #[must_use]
    pub fn since(self, other: impl Into<Self>, unit: TimeUnit) -> Self {
        Self::of(Node::Call(Function::Since(unit), vec![self, other.into()]))
    }

    /// The date that a text tells in a format of `strftime` (`%d.%m.%Y`); an error with the row where it
    /// tells none. Blanks around the text are ignored.
    #[must_use]
    pub fn to_date(self, format: impl Into<String>) -> Self {
        Self::of(Node::Call(Function::ToDate(format.into()), vec![self]))
    }

    /// [`to_date`](Self::to_date) with null in place of an error.
    #[must_use]
    pub fn try_to_date(self, format: impl Into<String>) -> Self {
        Self::of(Node::Call(Function::TryToDate(format.into()), vec![self]))
    }

    /// The timestamp that a text tells in a format of `strftime` (`%d.%m.%Y %H:%M`); an error with the row
    /// where it tells none, or parts of a microsecond. With `%z` in the format the offset is taken off, a
    /// date alone means its midnight. Blanks around the text are ignored.
    #[must_use]
    pub fn to_timestamp(self, format: impl Into<String>) -> Self {
        Self::of(Node::Call(Function::ToTimestamp(format.into()), vec![self]))
    }

    /// [`to_timestamp`](Self::to_timestamp) with null in place of an error.
    #[must_use]
    pub fn try_to_timestamp(self, format: impl Into<String>) -> Self {
        Self::of(Node::Call(Function::TryToTimestamp(format.into()), vec![self]))
    }

    /// A date or timestamp as text, in a format of `strftime`.
    #[must_use]
    pub fn format_time(self, format: impl Into<String>) -> Self {
        Self::of(Node::Call(Function::FormatTime(format.into()), vec![self]))
    }

    /// What the clocks of a zone (`Europe/Berlin`, `+05:30`) show at a timestamp in UTC.
    #[must_use]
    pub fn from_utc(self, zone: impl Into<String>) -> Self {
        Self::of(Node::Call(Function::FromUtc(zone.into()), vec![self]))
    }

    /// The timestamp in UTC at which the clocks of a zone show this one. Of two the earlier one, when
    /// clocks are set back; what is passed over when they are set forward counts as that much later, as in
    /// Spark.
    #[must_use]
    pub fn to_utc(self, zone: impl Into<String>) -> Self {
        Self::of(Node::Call(Function::ToUtc(zone.into()), vec![self]))
    }
}

/// The type of the result; or which operand does not fit, and what would.
pub(super) fn result(
    function: &Function,
    types: &[Option<Type>],
) -> Result<Option<Type>, (usize, String)> {
    let expect = |at: usize, fits: &dyn Fn(Type) -> bool, what: &str| match types[at] {
        Some(of) if !fits(of) => Err((at, what.to_owned())),
        _ => Ok(()),
    };
    let of_clock = |needed: bool| match needed {
        true => expect(0, &|of| of == Type::Timestamp, "timestamp"),
        false => expect(0, &Type::is_time, "date or timestamp"),
    };
    match function {
        Function::ToDate(_) | Function::TryToDate(_) => {
            expect(0, &|of| of == Type::String, "string")?;
            Ok(Some(Type::Date))
        }
        Function::ToTimestamp(_) | Function::TryToTimestamp(_) => {
            expect(0, &|of| of == Type::String, "string")?;
            Ok(Some(Type::Timestamp))
        }
        Function::FromUtc(_) | Function::ToUtc(_) => {
            of_clock(true)?;
            Ok(Some(Type::Timestamp))
        }
        Function::Truncate(unit) => of_clock(unit.is_of_clock()).map(|()| types[0]),
        Function::OffsetBy(unit) => {
            of_clock(unit.is_of_clock())?;
            expect(1, &|of| of == Type::I64, "i64")?;
            Ok(types[0])
        }
        Function::Since(_) => {
            of_clock(false)?;
            match (types[0], types[1]) {
                (Some(left), Some(right)) if left != right => {
                    Err((1, format!("{left}, like the first")))
                }
                (None, Some(right)) if !right.is_time() => Err((1, "date or timestamp".to_owned())),
                _ => Ok(Some(Type::I64)),
            }
        }
        Function::FormatTime(_) => of_clock(false).map(|()| Some(Type::String)),
        Function::Hour | Function::Minute | Function::Second | Function::Microsecond => {
            of_clock(true).map(|()| Some(Type::I64))
        }
        _ => of_clock(false).map(|()| Some(Type::I64)),
    }
}

/// What is wrong with a format or a zone.
pub(super) fn problem(function: &Function) -> Option<String> {
    match function {
        Function::ToDate(format)
        | Function::TryToDate(format)
        | Function::ToTimestamp(format)
        | Function::TryToTimestamp(format)
        | Function::FormatTime(format) => {
            let is_odd = StrftimeItems::new(format).any(|item| matches!(item, FormatItem::Error));
            is_odd.then(|| format!("`{format}` is no format of strftime"))
        }
        Function::FromUtc(zone) | Function::ToUtc(zone) => match Zone::of(zone) {
            Some(_) => None,
            None => Some(format!("there is no time zone `{zone}`")),
        },
        _ => None,
    }
}

/// A place's clocks.
enum Zone {
    Named(chrono_tz::Tz),
    Fixed(FixedOffset),
}

impl Zone {
    fn of(name: &str) -> Option<Self> {
        match name.parse() {
            Ok(zone) => Some(Self::Named(zone)),
            Err(_) => name.parse().ok().map(Self::Fixed),
        }
    }

    fn shown(&self, utc: NaiveDateTime) -> Option<NaiveDateTime> {
        let offset = match self {
            Self::Named(zone) => zone.offset_from_utc_datetime(&utc).fix(),
            Self::Fixed(offset) => *offset,
        };
        utc.checked_add_offset(offset)
    }

    /// When the clocks show it.
    fn at(&self, shown: NaiveDateTime) -> Option<NaiveDateTime> {
        let offset = |shown: &NaiveDateTime| match self {
            Self::Fixed(offset) => Some(*offset),
            Self::Named(zone) => match zone.offset_from_local_datetime(shown) {
                MappedLocalTime::Single(one) => Some(one.fix()),
                MappedLocalTime::Ambiguous(earlier, _) => Some(earlier.fix()),
                MappedLocalTime::None => None,
            },
        };
        // What is passed over counts by the clocks before; no gap is longer than a day.
        let offset = (0..=25)
            .find_map(|hours| offset(&(shown.checked_sub_signed(TimeDelta::hours(hours))?)));
        shown.checked_sub_offset(offset?)
    }
}

/// A column of dates or timestamps.
enum Times<'a> {
    Dates(&'a Date32Array),
    Stamps(&'a TimestampMicrosecondArray),
}

impl<'a> Times<'a> {
    fn of(part: &'a Part) -> Self {
        match part.array.as_primitive_opt::<Date32Type>() {
            Some(dates) => Self::Dates(dates),
            None => Self::Stamps(part.array.as_primitive::<TimestampMicrosecondType>()),
        }
    }

    fn at(&self, i: usize) -> Option<NaiveDateTime> {
        match self {
            Self::Dates(dates) => date_of(dates.value(i)).map(NaiveDateTime::from),
            Self::Stamps(stamps) => time_of(stamps.value(i)),
        }
    }

    /// Microseconds from 1970, wide enough for all dates.
    fn micros(&self, i: usize) -> i128 {
        match self {
            Self::Dates(dates) => i128::from(dates.value(i)) * i128::from(DAY),
            Self::Stamps(stamps) => i128::from(stamps.value(i)),
        }
    }
}

/// The result on so many rows; operands have a type.
pub(super) fn apply(
    function: &Function,
    whole: &Expr,
    parts: &[Part],
    rows: usize,
) -> Result<ArrayRef> {
    if let Function::ToDate(format)
    | Function::TryToDate(format)
    | Function::ToTimestamp(format)
    | Function::TryToTimestamp(format) = function
    {
        return read(function, whole, format, &parts[0], rows);
    }
    let times = Times::of(&parts[0]);
    let is_date = matches!(times, Times::Dates(_));
    // The value of each row that has one, and the error of one that has no result.
    let out_of_range = |row: usize| {
        let value = |part: &Part| Value::at(&part.array, part.index(row)).to_string();
        let values: Vec<String> = parts.iter().map(value).collect();
        whole.bad_value(row, values.join(" and "), "a time within 260,000 years of 1970")
    };
    let place = |row: usize| {
        let is_there = parts.iter().all(|part| part.array.is_valid(part.index(row)));
        is_there.then(|| parts[0].index(row))
    };
    match function {
        Function::FormatTime(format) => {
            let items = StrftimeItems::new(format).parse().unwrap_or_default(); // it was checked
            let text = |row| {
                let Some(i) = place(row) else { return Ok(None) };
                let time = times.at(i).ok_or_else(|| out_of_range(row))?;
                let mut text = String::new();
                // A field that a date has not, an offset for one, cannot be written.
                let written =
                    fmt::write(&mut text, format_args!("{}", time.format_with_items(items.iter())));
                match written {
                    Ok(()) => Ok(Some(text)),
                    Err(_) => Err(whole.bad_value(
                        row,
                        time.to_string(),
                        &format!("what `{format}` asks for"),
                    )),
                }
            };
            let texts: StringArray = (0..rows).map(text).collect::<Result<Vec<_>>>()?.into();
            Ok(Arc::new(texts))
        }
        Function::Since(unit) => {
            let others = Times::of(&parts[1]);
            let units = |row| {
                let Some(i) = place(row) else { return Ok(None) };
                let j = parts[1].index(row);
                let units = match unit.months() {
                    None => {
                        let apart = times.micros(i) - others.micros(j);
                        i64::try_from(apart / i128::from(unit.micros())).ok()
                    }
                    Some(months) => {
                        times.at(i).zip(others.at(j)).map(|(a, b)| months_between(b, a) / months)
                    }
                };
                units.map(Some).ok_or_else(|| out_of_range(row))
            };
            let units = (0..rows).map(units).collect::<Result<Vec<Option<i64>>>>()?;
            Ok(Arc::new(Int64Array::from(units)))
        }
        Function::Truncate(_)
        | Function::OffsetBy(_)
        | Function::FromUtc(_)
        | Function::ToUtc(_) => {
            let zone = match function {
                Function::FromUtc(zone) | Function::ToUtc(zone) => Zone::of(zone),
                _ => None,
            };
            let counts = parts.get(1).map(|part| (part, part.array.as_primitive::<Int64Type>()));
            let moved = |row: usize, time: NaiveDateTime| match function {
                Function::Truncate(unit) => truncated(time, *unit),
                Function::OffsetBy(unit) => {
                    let (part, counts) = counts?;
                    offset(time, counts.value(part.index(row)), *unit)
                }
                Function::FromUtc(_) => zone.as_ref()?.shown(time),
                _ => zone.as_ref()?.at(time),
            };
            let result = |row| {
                let Some(i) = place(row) else { return Ok(None) };
                let moved = times.at(i).and_then(|time| moved(row, time));
                moved.map(Some).ok_or_else(|| out_of_range(row))
            };
            let moved = (0..rows).map(result).collect::<Result<Vec<Option<NaiveDateTime>>>>()?;
            Ok(if is_date {
                let days = moved.into_iter().map(|time| time.map(|time| days_of(time.date())));
                Arc::new(days.collect::<Date32Array>())
            } else {
                let micros = moved.into_iter().map(|time| time.and_then(micros_of));
                Arc::new(micros.collect::<TimestampMicrosecondArray>())
            })
        }
        _ => {
            let part = |row| {
                let Some(i) = place(row) else { return Ok(None) };
                let time = times.at(i).ok_or_else(|| out_of_range(row))?;
                Ok(Some(part_of(function, time)))
            };
            let parts = (0..rows).map(part).collect::<Result<Vec<Option<i64>>>>()?;
            Ok(Arc::new(Int64Array::from(parts)))
        }
    }
}

fn part_of(function: &Function, time: NaiveDateTime) -> i64 {
    match function {
        Function::Year => i64::from(time.year()),
        Function::Quarter => i64::from(time.quarter()),
        Function::Month => i64::from(time.month()),
        Function::Week => i64::from(time.iso_week().week()),
        Function::Day => i64::from(time.day()),
        Function::Weekday => i64::from(time.weekday().number_from_monday()),
        Function::DayOfYear => i64::from(time.ordinal()),
        Function::Hour => i64::from(time.hour()),
        Function::Minute => i64::from(time.minute()),
        Function::Second => i64::from(time.second()),
        _ => i64::from(time.nanosecond() / 1000),
    }
}

/// The start of the unit.
fn truncated(time: NaiveDateTime, unit: TimeUnit) -> Option<NaiveDateTime> {
    let date = time.date();
    let first = match unit {
        TimeUnit::Year => NaiveDate::from_ymd_opt(date.year(), 1, 1)?,
        TimeUnit::Quarter => NaiveDate::from_ymd_opt(date.year(), date.month0() / 3 * 3 + 1, 1)?,
        TimeUnit::Month => NaiveDate::from_ymd_opt(date.year(), date.month(), 1)?,
        TimeUnit::Week => {
            let days = TimeDelta::days(i64::from(date.weekday().num_days_from_monday()));
            date.checked_sub_signed(days)?
        }
        TimeUnit::Day => date,
        _ => {
            let micros = time.and_utc().timestamp_micros();
            return time_of(micros.checked_sub(micros.rem_euclid(unit.micros()))?);
        }
    };
    Some(first.into())
}

/// So many units later.
fn offset(time: NaiveDateTime, count: i64, unit: TimeUnit) -> Option<NaiveDateTime> {
    if let Some(months) = unit.months() {
        let months = count.checked_mul(months)?;
        let size = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
        return if months < 0 {
            time.checked_sub_months(size)
        } else {
            time.checked_add_months(size)
        };
    }
    let micros = count.checked_mul(unit.micros())?;
    time.checked_add_signed(TimeDelta::microseconds(micros))
}

/// The whole months from one time to the next, towards zero.
fn months_between(from: NaiveDateTime, to: NaiveDateTime) -> i64 {
    let months =
        i64::from(to.year() - from.year()) * 12 + i64::from(to.month()) - i64::from(from.month());
    match offset(from, months, TimeUnit::Month) {
        Some(there) if months > 0 && there > to => months - 1,
        Some(there) if months < 0 && there < to => months + 1,
        _ => months,
    }
}

/// Texts read by a format.
fn read(
    function: &Function,
    whole: &Expr,
    format: &str,
    part: &Part,
    rows: usize,
) -> Result<ArrayRef> {
    let texts = part.array.as_string::<i32>();
    let is_lenient = matches!(function, Function::TryToDate(_) | Function::TryToTimestamp(_));
    let is_date = matches!(function, Function::ToDate(_) | Function::TryToDate(_));
    let has_offset = ["%z", "%:z", "%::z", "%:::z", "%#z", "%+", "%s"];
    let has_offset = has_offset.iter().any(|item| format.contains(item));
    let parse = |text: &str| -> Option<NaiveDateTime> {
        if is_date {
            return NaiveDate::parse_from_str(text, format).ok().map(NaiveDateTime::from);
        }
        if has_offset {
            let time = DateTime::parse_from_str(text, format).map(|time| time.naive_utc());
            return time.or_else(|_| NaiveDateTime::parse_from_str(text, format)).ok();
        }
        let time = NaiveDateTime::parse_from_str(text, format);
        time.ok().or_else(|| NaiveDate::parse_from_str(text, format).ok().map(NaiveDateTime::from))
    };
    let one = |row: usize| {
        let i = part.index(row);
        if texts.is_null(i) {
            return Ok(None);
        }
        let text = texts.value(i);
        let time = parse(text.trim()).filter(|time| is_date || micros_of(*time).is_some());
        match time {
            None if !is_lenient => {
                let what = if is_date { "a date" } else { "a time" };
                Err(whole.bad_value(row, text.to_owned(), &format!("{what} as `{format}`")))
            }
            time => Ok(time),
        }
    };
    let times = (0..rows).map(one).collect::<Result<Vec<Option<NaiveDateTime>>>>()?;
    Ok(if is_date {
        let days = times.into_iter().map(|time| time.map(|time| days_of(time.date())));
        Arc::new(days.collect::<Date32Array>())
    } else {
        let micros = times.into_iter().map(|time| time.and_then(micros_of));
        Arc::new(micros.collect::<TimestampMicrosecondArray>())
    })
}
