//! Functions of one value or several, beyond the operators.
//!
//! A null gives null, but where a function says otherwise. What has no result in its domain (the
//! logarithm of a negative number) is NaN, so no function of numbers or text fails on a row. Functions of
//! mathematics are those of the `libm` crate, the same bits on every machine. Those of dates and lists are
//! in files of their own.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::{Arc, LazyLock, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow_schema::DataType;
use regex::Regex;
use serde::{Deserialize, Serialize};

use super::evaluate::Part;
use super::times::{self, TimeUnit};
use super::typing::wider;
use super::{Expr, Node, lists, lit, null, when};
use crate::error::{Error, Result};
use crate::schema::Type;

/// A function that an [`Expr`] calls; see the method of the same name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the method of `Expr` of the same name, documented there")]
pub enum Function {
    Lower,
    Upper,
    Trim,
    TrimStart,
    TrimEnd,
    Reverse,
    Replace(String, String),
    SplitPart(String, i64),
    PadStart(u32, char),
    PadEnd(u32, char),
    Find(String),
    Matches(String),
    Extract(String, u32),
    ReplaceRegex(String, String),
    Sqrt,
    Exp,
    Ln,
    Log10,
    Log2,
    Log1p,
    Expm1,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Pow,
    Atan2,
    Sign,
    RoundTo(i32),
    IsNan,
    IsFinite,
    Greatest,
    Least,
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Weekday,
    DayOfYear,
    Hour,
    Minute,
    Second,
    Microsecond,
    Truncate(TimeUnit),
    OffsetBy(TimeUnit),
    Since(TimeUnit),
    ToDate(String),
    TryToDate(String),
    ToTimestamp(String),
    TryToTimestamp(String),
    FormatTime(String),
    FromUtc(String),
    ToUtc(String),
    Split(String),
    List,
    ListLen,
    ListGet(i64),
    ListContains,
    ListJoin(String),
    ListSort,
    ListDistinct,
}

/// What a function is about.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Number,
    Time,
    List,
}

/// Methods without a parameter, and what they call.
macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident => $function:ident;)*) => {
        impl Expr {$(
            $(#[$doc])*
            #[must_use]
            pub fn $name(self) -> Self {
                self.call(Function::$function)
            }
        )*}
    };
}

calls! {
    /// The text in small letters, by Unicode.
    lower => Lower;
    /// The text in capitals, by Unicode.
    upper => Upper;
    /// The text without white space at both ends.
    trim => Trim;
    /// The text without white space at its start.
    trim_start => TrimStart;
    /// The text without white space at its end.
    trim_end => TrimEnd;
    /// The characters (code points) of the text from last to first.
    reverse => Reverse;
    /// The square root; NaN of a negative number.
    sqrt => Sqrt;
    /// e to this power.
    exp => Exp;
    /// The natural logarithm; NaN of a negative number, minus infinity of zero.
    ln => Ln;
    /// The logarithm to base 10.
    log10 => Log10;
    /// The logarithm to base 2.
    log2 => Log2;
    /// The natural logarithm of one more than this, exact near zero.
    log1p => Log1p;
    /// One less than e to this power, exact near zero.
    expm1 => Expm1;
    /// The sine of an angle in radians.
    sin => Sin;
    /// The cosine of an angle in radians.
    cos => Cos;
    /// The tangent of an angle in radians.
    tan => Tan;
    /// The angle in radians of a sine.
    asin => Asin;
    /// The angle in radians of a cosine.
    acos => Acos;
    /// The angle in radians of a tangent.
    atan => Atan;
    /// The hyperbolic sine.
    sinh => Sinh;
    /// The hyperbolic cosine.
    cosh => Cosh;
    /// The hyperbolic tangent.
    tanh => Tanh;
    /// −1, 0 or 1 for the number's sign, of its type; NaN of NaN.
    sign => Sign;
    /// Whether a number is NaN; a whole number is not.
    is_nan => IsNan;
    /// Whether a number is neither infinite nor NaN.
    is_finite => IsFinite;
    /// The year of a date or timestamp.
    year => Year;
    /// The quarter of the year, from 1 to 4.
    quarter => Quarter;
    /// The month, from 1 to 12.
    month => Month;
    /// The week of the year as ISO 8601 counts: the first is the one with the year's first Thursday.
    week => Week;
    /// The day of the month, from 1.
    day => Day;
    /// The day of the week, from 1 for Monday to 7.
    weekday => Weekday;
    /// The day of the year, from 1.
    day_of_year => DayOfYear;
    /// The hour of a timestamp, from 0 to 23.
    hour => Hour;
    /// The minute of the hour of a timestamp.
    minute => Minute;
    /// The whole second of the minute of a timestamp.
    second => Second;
    /// The microseconds of the second of a timestamp, from 0 to 999,999.
    microsecond => Microsecond;
    /// The number of values of a list, nulls among them.
    list_len => ListLen;
    /// The values of a list in ascending order, nulls last.
    list_sort => ListSort;
    /// The different values of a list, in the order of their first appearance.
    list_distinct => ListDistinct;
}

impl Expr {
    fn call(self, function: Function) -> Self {
        Self::of(Node::Call(function, vec![self]))
    }

    /// The text with every `from` replaced by `to`; an empty `from` changes nothing.
    #[must_use]
    pub fn replace(self, from: impl Into<String>, to: impl Into<String>) -> Self {
        self.call(Function::Replace(from.into(), to.into()))
    }

    /// The part of that number (from 0; from the end if negative) of the text cut at each `by`; null
    /// past the parts. An empty `by` does not cut.
    #[must_use]
    pub fn split_part(self, by: impl Into<String>, number: i64) -> Self {
        self.call(Function::SplitPart(by.into(), number))
    }

    /// The text with so many `fill` before it that it has at least `length` characters.
    #[must_use]
    pub fn pad_start(self, length: u32, fill: char) -> Self {
        self.call(Function::PadStart(length, fill))
    }

    /// The text with so many `fill` behind it that it has at least `length` characters.
    #[must_use]
    pub fn pad_end(self, length: u32, fill: char) -> Self {
        self.call(Function::PadEnd(length, fill))
    }

    /// The number of the character, from 0, at which the text has `sought` first; null if it has not.
    #[must_use]
    pub fn find(self, sought: impl Into<String>) -> Self {
        self.call(Function::Find(sought.into()))
    }

    /// Whether a regular expression matches somewhere in the text.
    ///
    /// Patterns are those of the `regex` crate: Perl's without look-around and back-references, in time
    /// linear in the text. A pattern that is none is an error when the expression is checked.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_table::{Schema, Type, col};
    ///
    /// let diabetes = col("diag_1").matches(r"^250(\.|$)");
    /// assert_eq!(diabetes.to_string(), r"matches(diag_1, '^250(\.|$)')");
    /// let schema = Schema::of([("diag_1", Type::String)])?;
    /// assert!(col("diag_1").matches("(").output_type(&schema).is_err());
    /// # Ok::<(), firesteel_table::Error>(())
    /// ```
    #[must_use]
    pub fn matches(self, pattern: impl Into<String>) -> Self {
        self.call(Function::Matches(pattern.into()))
    }

    /// What the group of that number (0 for all) of the first match of a regular expression holds; null
    /// without a match. Patterns as in [`matches`](Self::matches).
    #[must_use]
    pub fn extract(self, pattern: impl Into<String>, group: u32) -> Self {
        self.call(Function::Extract(pattern.into(), group))
    }

    /// The text with every match of a regular expression replaced; `$1` in `to` is the first group.
    /// Patterns as in [`matches`](Self::matches).
    #[must_use]
    pub fn replace_regex(self, pattern: impl Into<String>, to: impl Into<String>) -> Self {
        self.call(Function::ReplaceRegex(pattern.into(), to.into()))
    }

    /// This to the power of the other, as a float.
    #[must_use]
    pub fn pow(self, exponent: impl Into<Self>) -> Self {
        Self::of(Node::Call(Function::Pow, vec![self, exponent.into()]))
    }

    /// The angle in radians of the point with this as y and the other as x.
    #[must_use]
    pub fn atan2(self, x: impl Into<Self>) -> Self {
        Self::of(Node::Call(Function::Atan2, vec![self, x.into()]))
    }

    /// The number rounded to so many decimals, or to a power of ten if `digits` is negative; halves move
    /// away from zero. It is multiplied, rounded and divided: so 2.675, whose float lies below that, becomes
    /// 2.68, as in numpy and polars.
    #[must_use]
    pub fn round_to(self, digits: i32) -> Self {
        self.call(Function::RoundTo(digits))
    }

    /// Null where this equals the other, else this.
    #[must_use]
    pub fn null_if(self, other: impl Into<Self>) -> Self {
        when(self.clone().eq(other)).then(null()).otherwise(self)
    }

    /// The other where this is NaN, else this.
    #[must_use]
    pub fn fill_nan(self, other: impl Into<Self>) -> Self {
        when(self.clone().is_nan()).then(other).otherwise(self)
    }

    /// The number brought into the range from `low` to `high`; a null end does not bound.
    #[must_use]
    pub fn clip(self, low: impl Into<Self>, high: impl Into<Self>) -> Self {
        let is_null = self.clone().is_null();
        when(is_null).then(null()).otherwise(least([greatest([self, low.into()]), high.into()]))
    }
}

/// The greatest of the numbers that are not null; NaN is greater than all.
pub fn greatest<E: Into<Expr>>(expressions: impl IntoIterator<Item = E>) -> Expr {
    Expr::of(Node::Call(Function::Greatest, expressions.into_iter().map(Into::into).collect()))
}

/// The least of the numbers that are not null; NaN is greater than all.
pub fn least<E: Into<Expr>>(expressions: impl IntoIterator<Item = E>) -> Expr {
    Expr::of(Node::Call(Function::Least, expressions.into_iter().map(Into::into).collect()))
}

impl Function {
    fn kind(&self) -> Kind {
        use Function::*;
        match self {
            Lower | Upper | Trim | TrimStart | TrimEnd | Reverse | Replace(..) | SplitPart(..)
            | PadStart(..) | PadEnd(..) | Find(_) | Matches(_) | Extract(..) | ReplaceRegex(..) => {
                Kind::Text
            }
            Sqrt | Exp | Ln | Log10 | Log2 | Log1p | Expm1 | Sin | Cos | Tan | Asin | Acos
            | Atan | Sinh | Cosh | Tanh | Pow | Atan2 | Sign | RoundTo(_) | IsNan | IsFinite
            | Greatest | Least => Kind::Number,
            Year | Quarter | Month | Week | Day | Weekday | DayOfYear | Hour | Minute | Second
            | Microsecond | Truncate(_) | OffsetBy(_) | Since(_) | ToDate(_) | TryToDate(_)
            | ToTimestamp(_) | TryToTimestamp(_) | FormatTime(_) | FromUtc(_) | ToUtc(_) => {
                Kind::Time
            }
            Split(_) | List | ListLen | ListGet(_) | ListContains | ListJoin(_) | ListSort
            | ListDistinct => Kind::List,
        }
    }

    /// Whether there are rows for which it has no result.
    pub(super) fn can_fail(&self) -> bool {
        self.kind() == Kind::Time && !matches!(self, Self::TryToDate(_) | Self::TryToTimestamp(_))
    }

    /// The type of the result; or which operand does not fit, and what would.
    pub(super) fn result(&self, types: &[Option<Type>]) -> Result<Option<Type>, (usize, String)> {
        match self.kind() {
            Kind::Time => return times::result(self, types),
            Kind::List => return lists::result(self, types),
            Kind::Text | Kind::Number => {}
        }
        let is_text = self.kind() == Kind::Text;
        let mut widest = None;
        for (at, of) in types.iter().enumerate() {
            match *of {
                Some(of) if is_text && of != Type::String => return Err((at, "string".to_owned())),
                Some(of) if !is_text && !of.is_number() => return Err((at, "a number".to_owned())),
                of => widest = wider(widest, of),
            }
        }
        Ok(self.result_type().or(widest))
    }

    /// Whether it can be called with so many operands.
    pub(super) fn takes(&self, operands: usize) -> bool {
        match self {
            Self::Greatest | Self::Least | Self::List => operands > 0,
            Self::Pow | Self::Atan2 | Self::OffsetBy(_) | Self::Since(_) | Self::ListContains => {
                operands == 2
            }
            _ => operands == 1,
        }
    }

    fn pattern(&self) -> Option<&str> {
        match self {
            Self::Matches(pattern) | Self::Extract(pattern, _) | Self::ReplaceRegex(pattern, _) => {
                Some(pattern)
            }
            _ => None,
        }
    }

    /// What is wrong with its parameters.
    pub(super) fn problem(&self) -> Option<String> {
        if self.kind() == Kind::Time {
            return times::problem(self);
        }
        let regex = match self.pattern().map(compiled)? {
            Ok(regex) => regex,
            Err(error) => return Some(error.to_string()),
        };
        match self {
            Self::Extract(_, group) if *group as usize >= regex.captures_len() => {
                let groups = regex.captures_len() - 1;
                Some(format!("group {group} of a pattern that has {groups}"))
            }
            _ => None,
        }
    }

    /// The type of a result of texts or numbers, if it is not that of the operands.
    fn result_type(&self) -> Option<Type> {
        match self {
            Self::Find(_) => Some(Type::I64),
            Self::Matches(_) | Self::IsNan | Self::IsFinite => Some(Type::Bool),
            Self::Sign | Self::Greatest | Self::Least => None,
            text if text.kind() == Kind::Text => Some(Type::String),
            _ => Some(Type::F64),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Upper => "upper",
            Self::Trim => "trim",
            Self::TrimStart => "trim_start",
            Self::TrimEnd => "trim_end",
            Self::Reverse => "reverse",
            Self::Replace(..) => "replace",
            Self::SplitPart(..) => "split_part",
            Self::PadStart(..) => "pad_start",
            Self::PadEnd(..) => "pad_end",
            Self::Find(_) => "find",
            Self::Matches(_) => "matches",
            Self::Extract(..) => "extract",
            Self::ReplaceRegex(..) => "replace_regex",
            Self::Sqrt => "sqrt",
            Self::Exp => "exp",
            Self::Ln => "ln",
            Self::Log10 => "log10",
            Self::Log2 => "log2",
            Self::Log1p => "log1p",
            Self::Expm1 => "expm1",
            Self::Sin => "sin",
            Self::Cos => "cos",
            Self::Tan => "tan",
            Self::Asin => "asin",
            Self::Acos => "acos",
            Self::Atan => "atan",
            Self::Sinh => "sinh",
            Self::Cosh => "cosh",
            Self::Tanh => "tanh",
            Self::Pow => "pow",
            Self::Atan2 => "atan2",
            Self::Sign => "sign",
            Self::RoundTo(_) => "round_to",
            Self::IsNan => "is_nan",
            Self::IsFinite => "is_finite",
            Self::Greatest => "greatest",
            Self::Least => "least",
            Self::Year => "year",
            Self::Quarter => "quarter",
            Self::Month => "month",
            Self::Week => "week",
            Self::Day => "day",
            Self::Weekday => "weekday",
            Self::DayOfYear => "day_of_year",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Second => "second",
            Self::Microsecond => "microsecond",
            Self::Truncate(_) => "truncate",
            Self::OffsetBy(_) => "offset_by",
            Self::Since(_) => "since",
            Self::ToDate(_) => "to_date",
            Self::TryToDate(_) => "try_to_date",
            Self::ToTimestamp(_) => "to_timestamp",
            Self::TryToTimestamp(_) => "try_to_timestamp",
            Self::FormatTime(_) => "format_time",
            Self::FromUtc(_) => "from_utc",
            Self::ToUtc(_) => "to_utc",
            Self::Split(_) => "split",
            Self::List => "list",
            Self::ListLen => "list_len",
            Self::ListGet(_) => "list_get",
            Self::ListContains => "list_contains",
            Self::ListJoin(_) => "list_join",
            Self::ListSort => "list_sort",
            Self::ListDistinct => "list_distinct",
        }
    }

    /// Its parameters as they stand behind the operands.
    pub(super) fn parameters(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = |text: &str| write!(f, ", {}", lit(text));
        match self {
            Self::Replace(from, to) | Self::ReplaceRegex(from, to) => {
                text(from)?;
                text(to)
            }
            Self::Find(one)
            | Self::Matches(one)
            | Self::ToDate(one)
            | Self::TryToDate(one)
            | Self::ToTimestamp(one)
            | Self::TryToTimestamp(one)
            | Self::FormatTime(one)
            | Self::FromUtc(one)
            | Self::ToUtc(one)
            | Self::Split(one)
            | Self::ListJoin(one) => text(one),
            Self::Truncate(unit) | Self::OffsetBy(unit) | Self::Since(unit) => {
                write!(f, ", {unit}")
            }
            Self::ListGet(number) => write!(f, ", {number}"),
            Self::SplitPart(by, number) => {
                text(by)?;
                write!(f, ", {number}")
            }
            Self::Extract(pattern, group) => {
                text(pattern)?;
                write!(f, ", {group}")
            }
            Self::PadStart(length, fill) | Self::PadEnd(length, fill) => {
                write!(f, ", {length}, {}", lit(fill.to_string()))
            }
            Self::RoundTo(digits) => write!(f, ", {digits}"),
            _ => Ok(()),
        }
    }

    /// The result on whole columns; `to` is its type.
    pub(super) fn apply(
        &self,
        whole: &Expr,
        parts: &[Part],
        to: Option<Type>,
        rows: usize,
    ) -> Result<Part> {
        let of = to.map_or(DataType::Null, Type::to_arrow);
        let folds =
            matches!(self, Self::Greatest | Self::Least) || (*self == Self::List && to.is_some());
        if !folds && parts.iter().any(Part::is_untyped) {
            return Ok(Part::null(&of));
        }
        let scalar = parts.iter().all(|part| part.scalar);
        let rows = if scalar { 1 } else { rows };
        let array: ArrayRef = match self {
            _ if self.kind() == Kind::Time => times::apply(self, whole, parts, rows)?,
            _ if self.kind() == Kind::List => {
                lists::apply(self, parts, to.unwrap_or(Type::Bool), rows)?
            }
            text if text.kind() == Kind::Text => {
                return text.of_texts(parts[0].array.as_string::<i32>(), scalar);
            }
            Self::IsNan | Self::IsFinite => {
                let floats = floats(&parts[0]);
                let wanted = *self == Self::IsNan;
                let test = |x: f64| if wanted { x.is_nan() } else { x.is_finite() };
                Arc::new(floats.iter().map(|x| x.map(test)).collect::<BooleanArray>())
            }
            Self::Sign if parts[0].array.data_type() == &DataType::Int64 => {
                let whole = parts[0].array.as_primitive::<Int64Type>();
                let signs: Int64Array = whole.unary(i64::signum);
                Arc::new(signs)
            }
            Self::Greatest | Self::Least => return Ok(self.extreme(parts, &of, rows, scalar)),
            Self::Pow | Self::Atan2 => {
                let how = if *self == Self::Pow { libm::pow } else { libm::atan2 };
                let (a, b) = (floats(&parts[0]), floats(&parts[1]));
                let both = (0..rows).map(|row| {
                    let (i, j) = (parts[0].index(row), parts[1].index(row));
                    (a.is_valid(i) && b.is_valid(j)).then(|| how(a.value(i), b.value(j)))
                });
                Arc::new(both.collect::<Float64Array>())
            }
            of_one => {
                let floats = floats(&parts[0]);
                let result: Float64Array = floats.unary(|x| of_one.of_float(x));
                Arc::new(result)
            }
        };
        Ok(Part { array, scalar })
    }

    fn of_float(&self, x: f64) -> f64 {
        match self {
            Self::Sqrt => x.sqrt(),
            Self::Exp => libm::exp(x),
            Self::Ln => libm::log(x),
            Self::Log10 => libm::log10(x),
            Self::Log2 => libm::log2(x),
            Self::Log1p => libm::log1p(x),
            Self::Expm1 => libm::expm1(x),
            Self::Sin => libm::sin(x),
            Self::Cos => libm::cos(x),
            Self::Tan => libm::tan(x),
            Self::Asin => libm::asin(x),
            Self::Acos => libm::acos(x),
            Self::Atan => libm::atan(x),
            Self::Sinh => libm::sinh(x),
            Self::Cosh => libm::cosh(x),
            Self::Tanh => libm::tanh(x),
            Self::Sign if x == 0.0 || x.is_nan() => x,
            Self::Sign => x.signum(),
            Self::RoundTo(digits) => rounded(x, *digits),
            _ => f64::NAN, // not a function of one float
        }
    }

    fn extreme(&self, parts: &[Part], of: &DataType, rows: usize, scalar: bool) -> Part {
        let parts: Vec<Part> = parts.iter().map(|part| part.clone().widened(of)).collect();
        let is_greatest = *self == Self::Greatest;
        let array: ArrayRef = match of {
            DataType::Int64 => {
                let best = (0..rows).map(|row| {
                    let at = |part: &Part| {
                        let (column, i) = (part.array.as_primitive::<Int64Type>(), part.index(row));
                        column.is_valid(i).then(|| column.value(i))
                    };
                    let values = parts.iter().filter_map(at);
                    if is_greatest { values.max() } else { values.min() }
                });
                Arc::new(best.collect::<Int64Array>())
            }
            DataType::Float64 => {
                let order = |a: &f64, b: &f64| {
                    a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
                };
                let best = (0..rows).map(|row| {
                    let at = |part: &Part| {
                        let (column, i) =
                            (part.array.as_primitive::<Float64Type>(), part.index(row));
                        column.is_valid(i).then(|| column.value(i))
                    };
                    let values = parts.iter().filter_map(at);
                    if is_greatest { values.max_by(order) } else { values.min_by(order) }
                });
                Arc::new(best.collect::<Float64Array>())
            }
            _ => return Part::null(of),
        };
        Part { array, scalar }
    }

    fn of_texts(&self, texts: &StringArray, scalar: bool) -> Result<Part> {
        let regex = self.pattern().map(compiled).transpose().map_err(|error| {
            Error::Expression { expression: self.name().to_owned(), problem: error.to_string() }
        })?;
        let array: ArrayRef = match (self, regex) {
            (Self::Matches(_), Some(regex)) => {
                let found = texts.iter().map(|text| text.map(|text| regex.is_match(text)));
                Arc::new(found.collect::<BooleanArray>())
            }
            (Self::Find(sought), _) => {
                let found = |text: &str| {
                    text.find(sought.as_str()).map(|at| text[..at].chars().count() as i64)
                };
                Arc::new(texts.iter().map(|text| text.and_then(found)).collect::<Int64Array>())
            }
            (_, regex) => {
                let mut line = String::new();
                let mut out = arrow_array::builder::StringBuilder::with_capacity(
                    texts.len(),
                    texts.value_data().len(),
                );
                for text in texts {
                    line.clear();
                    let has_one =
                        text.is_some_and(|text| self.of_text(text, regex.as_ref(), &mut line));
                    out.append_option(has_one.then_some(line.as_str()));
                }
                Arc::new(out.finish())
            }
        };
        Ok(Part { array, scalar })
    }

    /// Writes the result for one text; whether there is one.
    fn of_text(&self, text: &str, regex: Option<&Regex>, out: &mut String) -> bool {
        match self {
            Self::Lower => out.push_str(&text.to_lowercase()),
            Self::Upper => out.push_str(&text.to_uppercase()),
            Self::Trim => out.push_str(text.trim()),
            Self::TrimStart => out.push_str(text.trim_start()),
            Self::TrimEnd => out.push_str(text.trim_end()),
            Self::Reverse => out.extend(text.chars().rev()),
            Self::Replace(from, _) if from.is_empty() => out.push_str(text),
            Self::Replace(from, to) => out.push_str(&text.replace(from.as_str(), to)),
            Self::SplitPart(by, number) => {
                let part = if by.is_empty() {
                    (matches!(number, 0 | -1)).then_some(text)
                } else if *number >= 0 {
                    usize::try_from(*number).ok().and_then(|n| text.split(by.as_str()).nth(n))
                } else {
                    let back = number.unsigned_abs() - 1;
                    usize::try_from(back).ok().and_then(|n| text.rsplit(by.as_str()).nth(n))
                };
                out.push_str(part.unwrap_or_default());
                return part.is_some();
            }
            Self::PadStart(length, fill) | Self::PadEnd(length, fill) => {
                let missing = (*length as usize).saturating_sub(text.chars().count());
                let fill = std::iter::repeat_n(*fill, missing);
                if matches!(self, Self::PadStart(..)) {
                    out.extend(fill);
                    out.push_str(text);
                } else {
                    out.push_str(text);
                    out.extend(fill);
                }
            }
            Self::Extract(_, group) => {
                let captures = regex.and_then(|regex| regex.captures(text));
                let part = captures.and_then(|captures| captures.get(*group as usize));
                out.push_str(part.map_or("", |part| part.as_str()));
                return part.is_some();
            }
            Self::ReplaceRegex(_, to) => {
                if let Some(regex) = regex {
                    let _ = write!(out, "{}", regex.replace_all(text, to.as_str()));
                }
            }
            _ => return false, // not a function from text to text
        }
        true
    }
}

/// Numbers as floats.
fn floats(part: &Part) -> Float64Array {
    let part = part.clone().widened(&DataType::Float64);
    part.array.as_primitive::<Float64Type>().clone()
}

/// To the nearest multiple of a power of ten, halves away from zero: of the number times that power,
/// rounded once more when it is divided again, as in numpy and polars.
fn rounded(x: f64, digits: i32) -> f64 {
    let shift = libm::exp10(f64::from(digits.unsigned_abs().min(308)));
    let result =
        if digits >= 0 { (x * shift).round() / shift } else { (x / shift).round() * shift };
    // What leaves the range on the way has no decimals to be rounded.
    if result.is_finite() { result } else { x }
}

/// Compiled patterns, so that each is compiled once and not for every batch.
fn compiled(pattern: &str) -> Result<Regex, regex::Error> {
    const MOST: usize = 1000;
    static PATTERNS: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut patterns = PATTERNS.lock().unwrap_or_else(|poison| poison.into_inner());
    if let Some(regex) = patterns.get(pattern) {
        return Ok(regex.clone());
    }
    let regex = Regex::new(pattern)?;
    if patterns.len() >= MOST {
        patterns.clear();
    }
    patterns.insert(pattern.to_owned(), regex.clone());
    Ok(regex)
}
