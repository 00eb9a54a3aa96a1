//! Which type an expression has, found from the schema alone, before any row is read.

use super::{Expr, Node};
use crate::error::{Error, Result};
use crate::schema::{Schema, Type};

impl Expr {
    /// The type of the expression over rows of that schema.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownColumn`], with the names that come near; [`Error::TypeMismatch`], with the
    /// part of the expression that does not fit; [`Error::Expression`] for one that was built too
    /// deep.
    pub fn output_type(&self, schema: &Schema) -> Result<Type> {
        self.known_type(schema)?.ok_or_else(|| {
            let found = "a null without a type; cast it".to_owned();
            Error::TypeMismatch { expression: self.shown(), expected: "a type".to_owned(), found }
        })
    }

    /// The type, or none for a null whose type is open.
    pub(super) fn known_type(&self, schema: &Schema) -> Result<Option<Type>> {
        match self.node() {
            Node::Column(name) => schema.type_of(name).map(Some),
            Node::Literal(value) => Ok(value.data_type()),
            Node::Add(terms) | Node::Mul(terms) => {
                let first = self.number(terms.first(), schema)?;
                terms.iter().skip(1).try_fold(first, |so_far, term| {
                    Ok(wider(so_far, self.number(Some(term), schema)?))
                })
            }
            Node::Sub(a, b) | Node::Rem(a, b) => {
                Ok(wider(self.number(Some(a), schema)?, self.number(Some(b), schema)?))
            }
            Node::Div(a, b) => {
                self.number(Some(a), schema)?;
                self.number(Some(b), schema)?;
                Ok(Some(Type::F64))
            }
            Node::Neg(a) | Node::Abs(a) | Node::Floor(a) | Node::Ceil(a) | Node::Round(a) => {
                self.number(Some(a), schema)
            }
            Node::Eq(a, b)
            | Node::Ne(a, b)
            | Node::Lt(a, b)
            | Node::Le(a, b)
            | Node::Gt(a, b)
            | Node::Ge(a, b) => self.comparable(a, [b], schema),
            Node::Between(a, low, high) => self.comparable(a, [low, high], schema),
            Node::IsIn(a, values) => {
                let values: Vec<Self> = values.iter().map(|value| value.clone().into()).collect();
                self.comparable(a, &values, schema)
            }
            Node::And(terms) | Node::Or(terms) => self.all(terms, Type::Bool, schema),
            Node::Not(a) => self.all([a], Type::Bool, schema),
            Node::IsNull(a) | Node::IsNotNull(a) => {
                a.known_type(schema)?;
                Ok(Some(Type::Bool))
            }
            Node::When { branches, otherwise } => {
                self.all(branches.iter().map(|(condition, _)| condition), Type::Bool, schema)?;
                let values = branches.iter().map(|(_, value)| value);
                self.common(values.chain([otherwise]), schema)
            }
            Node::Coalesce(terms) => self.common(terms, schema),
            Node::Cast(a, to) | Node::TryCast(a, to) => match a.known_type(schema)? {
                Some(from) if !super::cast::is_known(from, *to) => {
                    Err(self.misplaced(a, &format!("something that can become {to}"), from))
                }
                _ => Ok(Some(*to)),
            },
            Node::StartsWith(a, b) | Node::EndsWith(a, b) | Node::Contains(a, b) => {
                self.all([a, b], Type::String, schema)?;
                Ok(Some(Type::Bool))
            }
            Node::Substr(a, _, _) => self.all([a], Type::String, schema),
            Node::Length(a) => {
                self.all([a], Type::String, schema)?;
                Ok(Some(Type::I64))
            }
            Node::Concat(terms) => self.all(terms, Type::String, schema),
            Node::Call(function, operands) => {
                if let Some(problem) = function.problem() {
                    return Err(Error::Expression { expression: self.shown(), problem });
                }
                if !function.takes(operands.len()) {
                    let problem = "the wrong number of operands".to_owned();
                    return Err(Error::Expression { expression: self.shown(), problem });
                }
                let types = operands.iter().map(|operand| operand.known_type(schema));
                let types = types.collect::<Result<Vec<_>>>()?;
                function.result(&types).map_err(|(at, expected)| match types[at] {
                    Some(found) => self.misplaced(&operands[at], &expected, found),
                    None => Error::mismatch(operands[at].shown(), &expected, None),
                })
            }
            Node::Invalid(problem) => {
                Err(Error::Expression { expression: "…".to_owned(), problem: problem.clone() })
            }
        }
    }

    /// The text of the expression, cut where it gets long.
    pub(super) fn shown(&self) -> String {
        const LONGEST: usize = 160;
        let text = self.to_string();
        match text.char_indices().nth(LONGEST) {
            None => text,
            Some((end, _)) => format!("{}…", &text[..end]),
        }
    }

    fn number(&self, term: Option<&Self>, schema: &Schema) -> Result<Option<Type>> {
        let Some(term) = term else { return Ok(None) };
        match term.known_type(schema)? {
            Some(of) if !of.is_number() => Err(self.misplaced(term, "a number", of)),
            number => Ok(number),
        }
    }

    fn all<'a>(
        &self,
        terms: impl IntoIterator<Item = &'a Self>,
        wanted: Type,
        schema: &Schema,
    ) -> Result<Option<Type>> {
        for term in terms {
            match term.known_type(schema)? {
                Some(of) if of != wanted => {
                    return Err(self.misplaced(term, &wanted.to_string(), of));
                }
                _ => {}
            }
        }
        Ok(Some(wanted))
    }

    fn comparable<'a>(
        &self,
        a: &Self,
        others: impl IntoIterator<Item = &'a Self>,
        schema: &Schema,
    ) -> Result<Option<Type>> {
        let left = a.known_type(schema)?;
        if let Some(of) = left.filter(|of| !of.is_single()) {
            return Err(self.misplaced(a, "a single value", of));
        }
        for other in others {
            match (left, other.known_type(schema)?) {
                (_, Some(of)) if !of.is_single() => {
                    return Err(self.misplaced(other, "a single value", of));
                }
                (Some(x), Some(y)) if x != y && !(x.is_number() && y.is_number()) => {
                    return Err(self.misplaced(other, &format!("{x}, like {}", a.shown()), y));
                }
                _ => {}
            }
        }
        Ok(Some(Type::Bool))
    }

    fn common<'a>(
        &self,
        terms: impl IntoIterator<Item = &'a Self>,
        schema: &Schema,
    ) -> Result<Option<Type>> {
        let mut so_far: Option<Type> = None;
        for term in terms {
            let of = term.known_type(schema)?;
            so_far = match (so_far, of) {
                (Some(x), Some(y)) if x != y && !(x.is_number() && y.is_number()) => {
                    return Err(self.misplaced(term, &format!("{x}, like the values before"), y));
                }
                (x, y) => wider(x, y),
            };
        }
        Ok(so_far)
    }

    fn misplaced(&self, term: &Self, expected: &str, found: Type) -> Error {
        let whole = if self == term { String::new() } else { format!(" in `{}`", self.shown()) };
        Error::TypeMismatch {
            expression: term.shown(),
            expected: format!("{expected}{whole}"),
            found: found.to_string(),
        }
    }
}

/// The type that holds both, given that they have one.
pub(super) fn wider(a: Option<Type>, b: Option<Type>) -> Option<Type> {
    match (a, b) {
        (None, other) | (other, None) => other,
        (Some(a), Some(b)) if a == b => Some(a),
        _ => Some(Type::F64),
    }
}
