//! Aggregates: what becomes of the rows of a group, as values.
//!
//! `col("x").sum()` is a small value as an expression is: it prints, is saved and read back, and knows
//! its type before a row is read. [`GroupBy::agg`](crate::GroupBy::agg) computes it.
//!
//! # What the functions mean
//!
//! - Nulls are left out, but by `count_rows`, and by `first` and `last`, which give what stands there. Of
//!   no values `count` and `count_distinct` are 0, and everything else is null.
//! - Whole numbers are added exactly; a sum beyond the range of `i64` is an error that names the
//!   aggregate. A truth value counts as 0 or 1.
//! - Floats are added from the first row to the last in twice their precision, with what a partial sum
//!   loses in a second float: nearly the exact sum, but infinite where a partial sum is. The order of the
//!   rows is that of the table, however it is cut and whoever computes it: so are the bits.
//! - `var` and `std` are those of a sample (divided by n − 1), null of fewer than two values.
//! - `min` and `max` compare as expressions do: NaN is greater than every number. Of texts they are by
//!   code point.
//! - Quantiles are exact, between two values by linear interpolation (R's type 7, numpy's default); next
//!   to an infinite value they are that value.

mod accumulators;
mod picked;
mod quantiles;
mod running;
mod sums;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(crate) use accumulators::{Accumulator, accumulator};
pub(crate) use quantiles::{between, compared};
pub(crate) use running::Running;

use crate::error::{Error, Result};
use crate::expr::{Expr, lit, null, when};
use crate::schema::{Item, Schema, Type};

/// What is done with the values of a group.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Function {
    CountRows,
    Count,
    CountDistinct,
    Sum,
    Mean,
    Var,
    Std,
    Min,
    Max,
    First,
    Last,
    FirstBy,
    LastBy,
    Quantile(f64),
    ApproxQuantile(f64),
    Covar,
    Corr,
    CollectList,
}

/// A function of the rows of a group; made by [`count_rows`] and by methods of [`Expr`] such as
/// [`sum`](Expr::sum). What the functions mean with nulls, overflow and NaN: see
/// [`GroupBy::agg`](crate::GroupBy::agg).
///
/// # Examples
///
/// ```
/// use firesteel_table::{Schema, Type, col, count_rows};
///
/// let stay = col("time_in_hospital").mean().alias("mean_stay");
/// assert_eq!(stay.to_string(), "mean(time_in_hospital)");
/// assert_eq!(stay.name(), "mean_stay");
/// assert_eq!(count_rows().name(), "count_rows()");
/// let schema = Schema::of([("time_in_hospital", Type::I64)])?;
/// assert_eq!(stay.output_type(&schema)?, Type::F64);
/// # Ok::<(), firesteel_table::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct Aggregate {
    function: Function,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<Expr>,
    /// Whose order says what is first and last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<Expr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alias: Option<String>,
}

/// The number of rows.
pub fn count_rows() -> Aggregate {
    Aggregate { function: Function::CountRows, of: None, by: None, alias: None }
}

/// Aggregates without a parameter.
macro_rules! aggregates {
    ($($(#[$doc:meta])* $name:ident => $function:ident;)*) => {
        impl Expr {$(
            $(#[$doc])*
            pub fn $name(self) -> Aggregate {
                Aggregate { function: Function::$function, of: Some(self), by: None, alias: None }
            }
        )*}
    };
}

aggregates! {
    /// How many rows of a group have a value.
    count => Count;
    /// How many different values a group has.
    count_distinct => CountDistinct;
    /// The sum of a group's numbers, whole for whole numbers and truth values.
    sum => Sum;
    /// The mean of a group's numbers.
    mean => Mean;
    /// The variance of a group's numbers as a sample: divided by n − 1.
    var => Var;
    /// The standard deviation of a group's numbers as a sample.
    std => Std;
    /// The least value of a group.
    min => Min;
    /// The greatest value of a group.
    max => Max;
    /// The value in a group's first row, which may be null.
    first => First;
    /// The value in a group's last row, which may be null.
    last => Last;
    /// The values of a group as a list, in the order of its rows; nulls are left out.
    collect_list => CollectList;
}

impl Expr {
    /// The value in the row where `order` is least, of equal ones the first. Rows without an order are
    /// left out.
    pub fn first_by(self, order: impl Into<Expr>) -> Aggregate {
        let (function, by) = (Function::FirstBy, Some(order.into()));
        Aggregate { function, of: Some(self), by, alias: None }
    }

    /// The value in the row where `order` is greatest, of equal ones the last. Rows without an order
    /// are left out.
    pub fn last_by(self, order: impl Into<Expr>) -> Aggregate {
        let (function, by) = (Function::LastBy, Some(order.into()));
        Aggregate { function, of: Some(self), by, alias: None }
    }

    /// The quantile `p` (from 0 to 1) of a group's numbers.
    pub fn quantile(self, p: f64) -> Aggregate {
        Aggregate { function: Function::Quantile(p), of: Some(self), by: None, alias: None }
    }

    /// About the quantile `p` (from 0 to 1) of a group's numbers, for groups whose values would not fit into
    /// memory: exact of up to 512 values and of whole numbers below 512, else within 1/256 of the value.
    pub fn approx_quantile(self, p: f64) -> Aggregate {
        Aggregate { function: Function::ApproxQuantile(p), of: Some(self), by: None, alias: None }
    }

    /// The covariance with another number as a sample (divided by n − 1), of rows that have both.
    pub fn covar(self, other: impl Into<Expr>) -> Aggregate {
        let (function, by) = (Function::Covar, Some(other.into()));
        Aggregate { function, of: Some(self), by, alias: None }
    }

    /// Pearson's correlation with another number, of rows that have both; NaN if one of them does not
    /// vary.
    pub fn corr(self, other: impl Into<Expr>) -> Aggregate {
        let (function, by) = (Function::Corr, Some(other.into()));
        Aggregate { function, of: Some(self), by, alias: None }
    }

    /// The median of a group's numbers.
    pub fn median(self) -> Aggregate {
        self.quantile(0.5)
    }
}

impl Aggregate {
    /// Gives the column that it becomes another name than its text.
    pub fn alias(self, name: impl Into<String>) -> Self {
        Self { alias: Some(name.into()), ..self }
    }

    /// The name of the column that it becomes.
    #[must_use]
    pub fn name(&self) -> String {
        self.alias.clone().unwrap_or_else(|| self.to_string())
    }

    /// The type of the column that it becomes.
    ///
    /// # Errors
    ///
    /// Those of [`Expr::output_type`]; [`Error::TypeMismatch`] for values that the function has no
    /// meaning for; a parameter error for a quantile outside of [0, 1].
    pub fn output_type(&self, schema: &Schema) -> Result<Type> {
        let input = self.of.as_ref().map(|of| of.output_type(schema)).transpose()?;
        if let Some(by) = &self.by {
            let of = by.output_type(schema)?;
            let is_pair = matches!(self.function, Function::Covar | Function::Corr);
            if is_pair && !(of.is_number() || of == Type::Bool) {
                return Err(Error::mismatch(by, "a number or bool", Some(of)));
            }
            if !of.is_single() {
                return Err(Error::mismatch(by, "something with an order", Some(of)));
            }
        }
        let expected = |what: &str| Err(Error::mismatch(self.of_text(), what, input));
        match (self.function, input) {
            (Function::CountRows, _) | (Function::Count | Function::CountDistinct, Some(_)) => {
                Ok(Type::I64)
            }
            (Function::Sum, Some(Type::I64 | Type::Bool)) => Ok(Type::I64),
            (Function::Sum, Some(Type::F64)) => Ok(Type::F64),
            (Function::Quantile(p) | Function::ApproxQuantile(p), _)
                if !(0.0..=1.0).contains(&p) =>
            {
                Err(Error::parameter("quantile", p, "from 0 to 1"))
            }
            (
                Function::Mean
                | Function::Var
                | Function::Std
                | Function::Quantile(_)
                | Function::ApproxQuantile(_)
                | Function::Covar
                | Function::Corr,
                Some(Type::I64 | Type::F64 | Type::Bool),
            ) => Ok(Type::F64),
            (Function::Min | Function::Max, Some(of)) if !of.is_single() => {
                expected("something with an order")
            }
            (
                Function::Min
                | Function::Max
                | Function::First
                | Function::Last
                | Function::FirstBy
                | Function::LastBy,
                Some(of),
            ) => Ok(of),
            (Function::CollectList, Some(of)) => match Item::of(of) {
                Some(item) => Ok(Type::List(item)),
                None => expected("a single value"),
            },
            _ => expected("a number or bool"),
        }
    }

    /// The aggregate of those rows alone for which the condition is true.
    pub(crate) fn only_where(&self, condition: Expr) -> Result<Self> {
        let is_met = |of: Expr| when(condition.clone()).then(of).otherwise(null());
        Ok(match self.function {
            Function::First | Function::Last => {
                return Err(Error::parameter("aggregate", self, "none of first and last here"));
            }
            // A row that meets it counts as a value.
            Function::CountRows => is_met(lit(1)).count(),
            // The order alone decides which row is picked, whatever its value.
            Function::FirstBy | Function::LastBy => {
                Self { by: self.by.clone().map(is_met), ..self.clone() }
            }
            _ => Self { of: self.of.clone().map(is_met), ..self.clone() },
        })
    }

    pub(crate) fn function(&self) -> Function {
        self.function
    }

    /// What it is computed of: the values, and what they are ordered by.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &Expr> {
        self.of.iter().chain(&self.by)
    }

    fn of_text(&self) -> String {
        self.of.as_ref().map(ToString::to_string).unwrap_or_default()
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = self.of_text();
        let name = match self.function {
            Function::CountRows => return f.write_str("count_rows()"),
            Function::Quantile(p) => return write!(f, "quantile({of}, {p:?})"),
            Function::ApproxQuantile(p) => return write!(f, "approx_quantile({of}, {p:?})"),
            Function::Covar => "covar",
            Function::Corr => "corr",
            Function::CollectList => "collect_list",
            Function::Count => "count",
            Function::CountDistinct => "count_distinct",
            Function::Sum => "sum",
            Function::Mean => "mean",
            Function::Var => "var",
            Function::Std => "std",
            Function::Min => "min",
            Function::Max => "max",
            Function::First => "first",
            Function::Last => "last",
            Function::FirstBy => "first_by",
            Function::LastBy => "last_by",
        };
        match &self.by {
            None => write!(f, "{name}({of})"),
            Some(by) => write!(f, "{name}({of}, {by})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Aggregate, Schema, Type, col, count_rows};

    #[test]
    fn aggregates_print_are_saved_and_know_their_types() {
        let schema = Schema::of([("n", Type::I64), ("x", Type::F64), ("s", Type::String)]).unwrap();
        let all = [
            (count_rows(), "count_rows()", Ok(Type::I64)),
            (col("s").count_distinct(), "count_distinct(s)", Ok(Type::I64)),
            ((col("n") + 1).sum(), "sum(n + 1)", Ok(Type::I64)),
            (col("x").sum(), "sum(x)", Ok(Type::F64)),
            (col("s").max(), "max(s)", Ok(Type::String)),
            (col("s").first_by(col("x")), "first_by(s, x)", Ok(Type::String)),
            (col("n").median(), "quantile(n, 0.5)", Ok(Type::F64)),
            (col("n").approx_quantile(0.5), "approx_quantile(n, 0.5)", Ok(Type::F64)),
            (col("n").corr(col("x")), "corr(n, x)", Ok(Type::F64)),
            (col("n").covar(col("s")), "covar(n, s)", Err("`s` is string")),
            (col("s").collect_list(), "collect_list(s)", Ok(Type::List(crate::Item::String))),
            (col("s").sum(), "sum(s)", Err("`s` is string, expected a number or bool")),
            (col("x").quantile(1.5), "quantile(x, 1.5)", Err("quantile")),
            (col("y").min(), "min(y)", Err("no column `y`")),
        ];
        for (aggregate, text, of) in all {
            assert_eq!(aggregate.to_string(), text);
            let saved = serde_json::to_string(&aggregate).unwrap();
            assert_eq!(serde_json::from_str::<Aggregate>(&saved).unwrap(), aggregate, "{saved}");
            match (aggregate.output_type(&schema), of) {
                (Ok(found), Ok(of)) => assert_eq!(found, of, "{text}"),
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
                (found, of) => panic!("{text}: {found:?}, not {of:?}"),
            }
        }
    }
}
