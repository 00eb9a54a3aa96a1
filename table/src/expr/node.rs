//! What expressions are made of.

use serde::{Deserialize, Serialize};

use super::{Expr, Function};
use crate::schema::Type;
use crate::value::Value;

/// What an [`Expr`] is at its top; for programs that translate expressions into another language.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Node {
    /// The column of that name.
    #[serde(rename = "col")]
    Column(String),
    /// A constant.
    #[serde(rename = "lit")]
    Literal(Value),
    /// The sum of one or more, from left to right.
    Add(Vec<Expr>),
    /// The first less the second.
    Sub(Expr, Expr),
    /// The product of one or more, from left to right.
    Mul(Vec<Expr>),
    /// The first over the second, as a float.
    Div(Expr, Expr),
    /// The remainder of the first over the second, with the sign of the first.
    Rem(Expr, Expr),
    /// With the other sign.
    Neg(Expr),
    /// Without the sign.
    Abs(Expr),
    /// The next whole number below.
    Floor(Expr),
    /// The next whole number above.
    Ceil(Expr),
    /// The nearest whole number; halves move away from zero.
    Round(Expr),
    /// Whether both are equal.
    Eq(Expr, Expr),
    /// Whether they differ.
    Ne(Expr, Expr),
    /// Whether the first is less.
    Lt(Expr, Expr),
    /// Whether the first is less or equal.
    Le(Expr, Expr),
    /// Whether the first is greater.
    Gt(Expr, Expr),
    /// Whether the first is greater or equal.
    Ge(Expr, Expr),
    /// Whether all are true.
    And(Vec<Expr>),
    /// Whether any is true.
    Or(Vec<Expr>),
    /// Whether it is false.
    Not(Expr),
    /// Whether the first is among the constants.
    IsIn(Expr, Vec<Value>),
    /// Whether the first is at least the second and at most the third.
    Between(Expr, Expr, Expr),
    /// Whether there is no value.
    IsNull(Expr),
    /// Whether there is a value.
    IsNotNull(Expr),
    /// The value of the first branch whose condition is true.
    When {
        /// Conditions and values, in order.
        branches: Vec<(Expr, Expr)>,
        /// The value where no condition is true.
        otherwise: Expr,
    },
    /// The first that is not null.
    Coalesce(Vec<Expr>),
    /// As another type; an error where that cannot be.
    Cast(Expr, Type),
    /// As another type; null where that cannot be.
    TryCast(Expr, Type),
    /// Whether the first text starts with the second.
    StartsWith(Expr, Expr),
    /// Whether the first text ends with the second.
    EndsWith(Expr, Expr),
    /// Whether the first text has the second somewhere inside.
    Contains(Expr, Expr),
    /// A part of a text: first character (from 0; from the end if negative) and length.
    Substr(Expr, i64, u64),
    /// The number of characters of a text.
    Length(Expr),
    /// The texts one after the other.
    Concat(Vec<Expr>),
    /// A function of one or more operands.
    Call(Function, Vec<Expr>),
    /// An expression that could not be built; it says why when it is checked. Never in a file.
    #[serde(skip)]
    Invalid(String),
}

impl Node {
    /// The operands, from left to right.
    #[must_use]
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Self::Column(_) | Self::Literal(_) | Self::Invalid(_) => vec![],
            Self::Add(terms)
            | Self::Mul(terms)
            | Self::And(terms)
            | Self::Or(terms)
            | Self::Coalesce(terms)
            | Self::Concat(terms)
            | Self::Call(_, terms) => terms.iter().collect(),
            Self::Sub(a, b)
            | Self::Div(a, b)
            | Self::Rem(a, b)
            | Self::Eq(a, b)
            | Self::Ne(a, b)
            | Self::Lt(a, b)
            | Self::Le(a, b)
            | Self::Gt(a, b)
            | Self::Ge(a, b)
            | Self::StartsWith(a, b)
            | Self::EndsWith(a, b)
            | Self::Contains(a, b) => vec![a, b],
            Self::Neg(a)
            | Self::Abs(a)
            | Self::Floor(a)
            | Self::Ceil(a)
            | Self::Round(a)
            | Self::Not(a)
            | Self::IsIn(a, _)
            | Self::IsNull(a)
            | Self::IsNotNull(a)
            | Self::Cast(a, _)
            | Self::TryCast(a, _)
            | Self::Substr(a, _, _)
            | Self::Length(a) => vec![a],
            Self::Between(a, b, c) => vec![a, b, c],
            Self::When { branches, otherwise } => {
                let pairs = branches.iter().flat_map(|(condition, value)| [condition, value]);
                pairs.chain([otherwise]).collect()
            }
        }
    }
}
