//! Expressions over a table's columns, as values.
//!
//! `col("age").ge(65).and(col("weight").is_not_null())` is a small tree. It can be printed, saved
//! in a pipeline and read back, asked which columns it reads and which type it has, and evaluated
//! on a batch of rows; nothing in it is code, so it means the same wherever it is read.
//!
//! # What the operators mean
//!
//! - **Nulls** follow SQL: an operator with a null operand gives null, but `false and null` is
//!   false, `true or null` is true, and `is_null`, `is_not_null`, `fill_null`, `coalesce` and
//!   `when` look at nulls. A condition that is null counts as not met, in `when` as in a filter.
//! - **Numbers**: whole numbers stay whole under `+ - * %` and negation; leaving the range of `i64`
//!   is an error that names the row, as is a whole number divided by whole zero or its remainder.
//!   `/` is true division and always gives a float (`7 / 2` is 3.5). When a float meets a whole
//!   number in arithmetic, the whole number becomes the nearest float. Floats follow IEEE 754.
//! - **Comparisons** are between numbers, between texts (by code point) or between truth values.
//!   A whole number and a float compare by their exact values. NaN equals NaN and is greater than
//!   every number, as in Spark and polars; `-0.0` equals `0.0`.
//! - **Types are not guessed**: text is not a number until it is cast. `cast` turns a value that
//!   has no counterpart into an error with expression, column, value and row; `try_cast` into null.
//! - **`when` guards**: a branch is evaluated on the rows that take it only, so that
//!   `when(col("n").ne(0)).then(col("a") / col("n")).otherwise(0.0)` cannot divide by zero.
//!   `coalesce` likewise. `and` and `or` evaluate both sides.
//!
//! # In files
//!
//! serde writes the tree as nested objects with one key each,
//! `{"ge":[{"col":"age"},{"lit":{"i64":65}}]}`. Nesting is limited (see [`Expr::MAX_DEPTH`]), which
//! keeps a file from exhausting the stack; chains of `+`, `*`, `and`, `or`, `concat` and the
//! branches of a `when` do not nest.

mod cast;
mod display;
mod evaluate;
mod functions;
mod kernels;
mod lists;
mod node;
mod saved;
mod strings;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_times;
mod times;
mod typing;

use std::collections::BTreeSet;
use std::sync::Arc;

pub(crate) use cast::spoken;
pub use functions::{Function, greatest, least};
pub use lists::list;
pub use node::Node;
pub use times::{TimeUnit, date, timestamp};

use crate::schema::Type;
use crate::value::Value;

/// An expression over the columns of a table. Cheap to clone.
///
/// # Examples
///
/// ```
/// use firesteel_table::{Schema, Type, col, when};
///
/// let elderly = col("age").ge(65).and(col("diag_1").starts_with("250"));
/// assert_eq!(elderly.to_string(), "age >= 65 and starts_with(diag_1, '250')");
/// assert_eq!(elderly.columns(), ["age", "diag_1"]);
///
/// let schema = Schema::of([("age", Type::I64), ("diag_1", Type::String)])?;
/// assert_eq!(elderly.output_type(&schema)?, Type::Bool);
///
/// let group = when(col("age").lt(30)).then("young").when(col("age").lt(60)).then("middle");
/// let group = group.otherwise("old");
/// let text = serde_json::to_string(&group).unwrap();
/// assert_eq!(serde_json::from_str::<firesteel_table::Expr>(&text).unwrap(), group);
/// # Ok::<(), firesteel_table::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    node: Arc<Node>,
    depth: usize,
}

/// The column of that name.
pub fn col(name: impl Into<String>) -> Expr {
    Expr::of(Node::Column(name.into()))
}

/// A constant: a truth value, number, text or date, or `None::<i64>` for a null.
pub fn lit(value: impl Into<Value>) -> Expr {
    Expr::of(Node::Literal(value.into()))
}

/// A null; its type comes from its place (the other branches of a `when`, for instance).
#[must_use]
pub fn null() -> Expr {
    lit(Value::Null)
}

/// The first of the expressions that is not null. Those after it are not evaluated for that row.
pub fn coalesce<E: Into<Expr>>(expressions: impl IntoIterator<Item = E>) -> Expr {
    Expr::of(Node::Coalesce(expressions.into_iter().map(Into::into).collect()))
}

/// Starts a choice: `when(condition).then(value).when(…).then(…).otherwise(value)`. The first
/// condition that is true decides; without one, or if all are false or null, `otherwise` does.
///
/// # Examples
///
/// ```
/// use firesteel_table::{col, when};
///
/// let label = when(col("readmitted").eq("<30")).then(1).otherwise(0);
/// assert_eq!(label.to_string(), "case when readmitted = '<30' then 1 else 0 end");
/// ```
pub fn when(condition: impl Into<Expr>) -> When {
    When { branches: Vec::new(), condition: condition.into() }
}

/// A choice that waits for the value of its last condition; see [`when`].
#[derive(Clone, Debug)]
#[must_use]
pub struct When {
    branches: Vec<(Expr, Expr)>,
    condition: Expr,
}

impl When {
    /// The value where the condition is true.
    pub fn then(mut self, value: impl Into<Expr>) -> Then {
        self.branches.push((self.condition, value.into()));
        Then { branches: self.branches }
    }
}

/// A choice that can be closed or get another branch; see [`when`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Then {
    branches: Vec<(Expr, Expr)>,
}

impl Then {
    /// One more branch, for rows on which no condition so far was true.
    pub fn when(self, condition: impl Into<Expr>) -> When {
        When { branches: self.branches, condition: condition.into() }
    }

    /// The value where no condition was true; [`null()`] leaves those rows empty.
    pub fn otherwise(self, value: impl Into<Expr>) -> Expr {
        Expr::of(Node::When { branches: self.branches, otherwise: value.into() })
    }
}

impl<V: Into<Value>> From<V> for Expr {
    fn from(value: V) -> Self {
        lit(value)
    }
}

/// Methods with one more operand, and what they build.
macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident => $node:ident;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(self, other: impl Into<Expr>) -> Self {
            Self::of(Node::$node(self, other.into()))
        }
    )*};
}

/// Methods without an operand, and what they build.
macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident => $node:ident;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(self) -> Self {
            Self::of(Node::$node(self))
        }
    )*};
}

#[expect(clippy::should_implement_trait, reason = "these build expressions; `not` is also `!`")]
impl Expr {
    /// How many levels of brackets an expression may have when written as JSON, where a column has
    /// one level and most operators add two. Deeper ones become an error at their first check:
    /// give a part a column of its own.
    pub const MAX_DEPTH: usize = 100;

    binary! {
        /// Whether both are equal.
        eq => Eq;
        /// Whether they differ.
        ne => Ne;
        /// Whether this is less than the other.
        lt => Lt;
        /// Whether this is less than or equal to the other.
        le => Le;
        /// Whether this is greater than the other.
        gt => Gt;
        /// Whether this is greater than or equal to the other.
        ge => Ge;
        /// Whether this text starts with the other.
        starts_with => StartsWith;
        /// Whether this text ends with the other.
        ends_with => EndsWith;
        /// Whether this text has the other somewhere inside.
        contains => Contains;
    }

    unary! {
        /// True where this is false; null where this is null.
        not => Not;
        /// Whether there is no value. NaN is a value.
        is_null => IsNull;
        /// Whether there is a value.
        is_not_null => IsNotNull;
        /// The number without its sign.
        abs => Abs;
        /// The largest whole number that is not above; a float stays a float.
        floor => Floor;
        /// The smallest whole number that is not below; a float stays a float.
        ceil => Ceil;
        /// The nearest whole number, halves away from zero; a float stays a float.
        round => Round;
        /// The number of characters (code points) of a text.
        length => Length;
    }

    /// Whether both are true.
    #[must_use]
    pub fn and(self, other: impl Into<Expr>) -> Self {
        self.chain(other.into(), Node::And, |node| match node {
            Node::And(terms) => Ok(terms),
            other => Err(other),
        })
    }

    /// Whether at least one is true.
    #[must_use]
    pub fn or(self, other: impl Into<Expr>) -> Self {
        self.chain(other.into(), Node::Or, |node| match node {
            Node::Or(terms) => Ok(terms),
            other => Err(other),
        })
    }

    /// This text with the other behind it; both are texts.
    #[must_use]
    pub fn concat(self, other: impl Into<Expr>) -> Self {
        self.chain(other.into(), Node::Concat, |node| match node {
            Node::Concat(terms) => Ok(terms),
            other => Err(other),
        })
    }

    /// Whether the value is one of those listed. Without a match the answer is null if a null is
    /// listed.
    #[must_use]
    pub fn is_in<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Self {
        Self::of(Node::IsIn(self, values.into_iter().map(Into::into).collect()))
    }

    /// Whether the value is at least `low` and at most `high`; both ends are inside.
    #[must_use]
    pub fn between(self, low: impl Into<Expr>, high: impl Into<Expr>) -> Self {
        Self::of(Node::Between(self, low.into(), high.into()))
    }

    /// The value as another type; an error naming expression, column, value and row where it has
    /// no counterpart.
    ///
    /// | from \ to | bool | i64 | f64 | string |
    /// |---|---|---|---|---|
    /// | bool | as is | 0, 1 | 0.0, 1.0 | `true`, `false` |
    /// | i64 | 0, 1 only | as is | the nearest float | digits |
    /// | f64 | 0.0, 1.0 only | whole numbers only, see [`Expr::floor`] | as is | the shortest text that reads back equal |
    /// | string | `true`, `false` in any case | digits with a sign | decimal, exponent, `inf`, `nan` | as is |
    /// | date | – | days from 1970 | – | `2008-03-01` |
    /// | timestamp | – | microseconds from 1970 | – | `2008-03-01T10:15:00` |
    ///
    /// Texts and whole numbers become dates and timestamps the same way, a date becomes its midnight, a
    /// timestamp its date; other texts are read by [`to_date`](Self::to_date) and
    /// [`to_timestamp`](Self::to_timestamp). Blanks around a text are ignored.
    #[must_use]
    pub fn cast(self, to: Type) -> Self {
        Self::of(Node::Cast(self, to))
    }

    /// The value as another type; null where [`Expr::cast`] would fail.
    #[must_use]
    pub fn try_cast(self, to: Type) -> Self {
        Self::of(Node::TryCast(self, to))
    }

    /// At most `len` characters of a text from character `start` on, counted from 0. A negative
    /// `start` counts from the end; one before the beginning means the beginning. Past the end
    /// there is nothing: the empty text.
    #[must_use]
    pub fn substr(self, start: i64, len: u64) -> Self {
        Self::of(Node::Substr(self, start, len))
    }

    /// The value, or the other where it is null.
    #[must_use]
    pub fn fill_null(self, other: impl Into<Expr>) -> Self {
        coalesce([self, other.into()])
    }

    /// What the expression is at its top.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The columns that the expression reads, sorted, each once.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        let mut names = BTreeSet::new();
        self.visit(&mut |node| {
            if let Node::Column(name) = node {
                names.insert(name.as_str());
            }
        });
        names.into_iter().collect()
    }

    /// The expression of a node, or an invalid one if it would be too deep.
    fn of(node: Node) -> Self {
        let own = match node {
            Node::When { .. } => 4, // object, object, list, pair
            Node::Call(..) => 3,    // object, pair, list
            _ => 2,
        };
        let depth = own + node.children().iter().map(|child| child.depth).max().unwrap_or(0);
        if depth <= Self::MAX_DEPTH {
            return Self { node: Arc::new(node), depth };
        }
        let problem = format!(
            "nested deeper than {} levels; give a part of it a column of its own",
            Self::MAX_DEPTH
        );
        Self { node: Arc::new(Node::Invalid(problem)), depth: 2 }
    }

    /// `a + b + c` is one list, not a tree: `open` gives the list of a node of the same operator.
    fn chain(
        self,
        last: Self,
        make: fn(Vec<Self>) -> Node,
        open: fn(Node) -> Result<Vec<Self>, Node>,
    ) -> Self {
        let depth = self.depth.max(last.depth + 2);
        let node = Arc::unwrap_or_clone(self.node);
        match open(node) {
            Ok(mut terms) if depth <= Self::MAX_DEPTH => {
                terms.push(last);
                Self { node: Arc::new(make(terms)), depth }
            }
            Ok(terms) => Self::of(make(vec![Self::of(make(terms)), last])),
            Err(node) => Self::of(make(vec![Self::of(node), last])),
        }
    }

    /// Calls `see` on every node, operands first.
    fn visit<'a>(&'a self, see: &mut impl FnMut(&'a Node)) {
        for child in self.node.children() {
            child.visit(see);
        }
        see(&self.node);
    }
}

/// The operators of Rust, also with a plain number on the left.
macro_rules! operator {
    ($($trait:ident, $method:ident, |$left:ident, $right:ident| $build:expr;)*) => {$(
        impl<R: Into<Expr>> std::ops::$trait<R> for Expr {
            type Output = Expr;

            fn $method(self, right: R) -> Expr {
                let ($left, $right): (Expr, Expr) = (self, right.into());
                $build
            }
        }
        operator!(@number $trait, $method, i32);
        operator!(@number $trait, $method, i64);
        operator!(@number $trait, $method, f64);
    )*};
    (@number $trait:ident, $method:ident, $number:ty) => {
        impl std::ops::$trait<Expr> for $number {
            type Output = Expr;

            fn $method(self, right: Expr) -> Expr {
                std::ops::$trait::$method(lit(self), right)
            }
        }
    };
}
operator! {
    Add, add, |left, right| left.chain(right, Node::Add, |node| match node {
        Node::Add(terms) => Ok(terms),
        other => Err(other),
    });
    Sub, sub, |left, right| Expr::of(Node::Sub(left, right));
    Mul, mul, |left, right| left.chain(right, Node::Mul, |node| match node {
        Node::Mul(terms) => Ok(terms),
        other => Err(other),
    });
    Div, div, |left, right| Expr::of(Node::Div(left, right));
    Rem, rem, |left, right| Expr::of(Node::Rem(left, right));
}

impl std::ops::Neg for Expr {
    type Output = Expr;

    fn neg(self) -> Expr {
        Expr::of(Node::Neg(self))
    }
}

impl std::ops::Not for Expr {
    type Output = Expr;

    fn not(self) -> Expr {
        Expr::of(Node::Not(self))
    }
}
