//! Expressions as text, close to SQL: `age >= 65 and starts_with(diag_1, '250')`.
//!
//! Brackets are printed where the reading would change without them, and nowhere else.

use std::fmt::{self, Display, Formatter, Write};

use super::{Expr, Node};
use crate::value::Value;

/// How tightly a node holds its operands; those that hold less tightly get brackets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Or,
    And,
    Not,
    Comparison,
    Sum,
    Product,
    Sign,
    Atom,
}

impl Binding {
    fn of(node: &Node) -> Self {
        match node {
            Node::Or(terms) if terms.len() > 1 => Self::Or,
            Node::And(terms) if terms.len() > 1 => Self::And,
            Node::Not(_) => Self::Not,
            Node::Eq(..)
            | Node::Ne(..)
            | Node::Lt(..)
            | Node::Le(..)
            | Node::Gt(..)
            | Node::Ge(..)
            | Node::IsIn(..)
            | Node::Between(..)
            | Node::IsNull(_)
            | Node::IsNotNull(_) => Self::Comparison,
            Node::Add(terms) if terms.len() > 1 => Self::Sum,
            Node::Sub(..) => Self::Sum,
            Node::Mul(terms) if terms.len() > 1 => Self::Product,
            Node::Div(..) | Node::Rem(..) => Self::Product,
            Node::Neg(_) => Self::Sign,
            // A chain of one prints as what is in it.
            Node::Or(terms) | Node::And(terms) | Node::Add(terms) | Node::Mul(terms) => {
                terms.first().map_or(Self::Atom, |term| Self::of(term.node()))
            }
            Node::Literal(Value::I64(value)) if *value < 0 => Self::Sign,
            Node::Literal(Value::F64(value)) if value.is_sign_negative() => Self::Sign,
            _ => Self::Atom,
        }
    }

    /// The next tighter one: what the right operand of `-` must be.
    fn tighter(self) -> Self {
        match self {
            Self::Or => Self::And,
            Self::And => Self::Not,
            Self::Not => Self::Comparison,
            Self::Comparison => Self::Sum,
            Self::Sum => Self::Product,
            Self::Product => Self::Sign,
            Self::Sign | Self::Atom => Self::Atom,
        }
    }
}

/// An operand that needs brackets if it holds less tightly than `least`.
struct Operand<'a>(&'a Expr, Binding);

impl Display for Operand<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if Binding::of(self.0.node()) < self.1 {
            write!(f, "({})", self.0)
        } else {
            write!(f, "{}", self.0)
        }
    }
}

/// A number, text or truth value as it stands in an expression.
struct Constant<'a>(&'a Value);

impl Display for Constant<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text) => write!(f, "'{}'", text.replace('\'', "''")),
            time @ Value::Date(_) => write!(f, "date '{time}'"),
            time @ Value::Timestamp(_) => write!(f, "timestamp '{time}'"),
            other => write!(f, "{other}"),
        }
    }
}

/// A column's name, in backticks unless it looks like a name in a program.
struct Name<'a>(&'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let starts_well = self.0.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if starts_well && self.0.chars().all(|c| c.is_alphanumeric() || c == '_') {
            f.write_str(self.0)
        } else {
            write!(f, "`{}`", self.0.replace('`', "``"))
        }
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let node = self.node();
        let binding = Binding::of(node);
        let infix = |f: &mut Formatter<'_>, left: &Expr, sign: &str, right: &Expr| {
            let left_binding = match binding {
                Binding::Comparison => binding.tighter(), // `a < b < c` is no chain
                other => other,
            };
            write!(
                f,
                "{} {sign} {}",
                Operand(left, left_binding),
                Operand(right, binding.tighter())
            )
        };
        let inside = Binding::Comparison.tighter();
        match node {
            Node::Column(name) => write!(f, "{}", Name(name)),
            Node::Literal(value) => write!(f, "{}", Constant(value)),
            Node::Add(terms) => chain(f, terms, " + ", binding),
            Node::Mul(terms) => chain(f, terms, " * ", binding),
            Node::And(terms) => chain(f, terms, " and ", binding),
            Node::Or(terms) => chain(f, terms, " or ", binding),
            Node::Sub(a, b) => infix(f, a, "-", b),
            Node::Div(a, b) => infix(f, a, "/", b),
            Node::Rem(a, b) => infix(f, a, "%", b),
            Node::Eq(a, b) => infix(f, a, "=", b),
            Node::Ne(a, b) => infix(f, a, "<>", b),
            Node::Lt(a, b) => infix(f, a, "<", b),
            Node::Le(a, b) => infix(f, a, "<=", b),
            Node::Gt(a, b) => infix(f, a, ">", b),
            Node::Ge(a, b) => infix(f, a, ">=", b),
            Node::Neg(a) => write!(f, "-{}", Operand(a, Binding::Atom)),
            Node::Not(a) => write!(f, "not {}", Operand(a, Binding::Not)),
            Node::IsIn(a, values) => {
                write!(f, "{} in (", Operand(a, inside))?;
                listed(f, values.iter().map(Constant))?;
                f.write_char(')')
            }
            Node::Between(a, low, high) => write!(
                f,
                "{} between {} and {}",
                Operand(a, inside),
                Operand(low, inside),
                Operand(high, inside)
            ),
            Node::IsNull(a) => write!(f, "{} is null", Operand(a, inside)),
            Node::IsNotNull(a) => write!(f, "{} is not null", Operand(a, inside)),
            Node::When { branches, otherwise } => {
                f.write_str("case")?;
                for (condition, value) in branches {
                    write!(f, " when {condition} then {value}")?;
                }
                write!(f, " else {otherwise} end")
            }
            Node::Cast(a, to) => write!(f, "cast({a} as {to})"),
            Node::TryCast(a, to) => write!(f, "try_cast({a} as {to})"),
            Node::Substr(a, start, len) => write!(f, "substr({a}, {start}, {len})"),
            Node::Abs(_) => call(f, "abs", node),
            Node::Floor(_) => call(f, "floor", node),
            Node::Ceil(_) => call(f, "ceil", node),
            Node::Round(_) => call(f, "round", node),
            Node::StartsWith(..) => call(f, "starts_with", node),
            Node::EndsWith(..) => call(f, "ends_with", node),
            Node::Contains(..) => call(f, "contains", node),
            Node::Length(_) => call(f, "length", node),
            Node::Concat(_) => call(f, "concat", node),
            Node::Coalesce(_) => call(f, "coalesce", node),
            Node::Call(function, operands) => {
                write!(f, "{}(", function.name())?;
                listed(f, operands.iter())?;
                function.parameters(f)?;
                f.write_char(')')
            }
            Node::Invalid(problem) => write!(f, "invalid({problem})"),
        }
    }
}

/// The operands of a chain: the first may hold as tightly as the chain, the others tighter.
fn chain(f: &mut Formatter<'_>, terms: &[Expr], sign: &str, binding: Binding) -> fmt::Result {
    for (i, term) in terms.iter().enumerate() {
        if i == 0 {
            write!(f, "{}", Operand(term, binding))?;
        } else {
            write!(f, "{sign}{}", Operand(term, binding.tighter()))?;
        }
    }
    Ok(())
}

fn call(f: &mut Formatter<'_>, name: &str, node: &Node) -> fmt::Result {
    write!(f, "{name}(")?;
    listed(f, node.children().into_iter())?;
    f.write_char(')')
}

fn listed(f: &mut Formatter<'_>, items: impl Iterator<Item = impl Display>) -> fmt::Result {
    for (i, item) in items.enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        write!(f, "{comma}{item}")?;
    }
    Ok(())
}
