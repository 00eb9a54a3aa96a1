//! Expressions in files: derived for the nodes, checked on the way in.

use std::cell::Cell;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Expr, Node};

impl Serialize for Expr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.node.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Expr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Counted while reading, because formats other than JSON follow a hostile file down until
        // the stack ends.
        let _level =
            Level::enter().ok_or_else(|| D::Error::custom("expression nested too deep"))?;
        let expression = Self::of(Node::deserialize(deserializer)?);
        match expression.node() {
            Node::Invalid(problem) => Err(D::Error::custom(problem)),
            Node::Add(terms)
            | Node::Mul(terms)
            | Node::And(terms)
            | Node::Or(terms)
            | Node::Coalesce(terms)
            | Node::Concat(terms)
                if terms.is_empty() =>
            {
                Err(D::Error::custom("expression with an operator without operands"))
            }
            Node::Call(function, operands) if !function.takes(operands.len()) => {
                Err(D::Error::custom("a function with the wrong number of operands"))
            }
            _ => Ok(expression),
        }
    }
}

/// One level of nesting while reading on this thread.
struct Level;

thread_local! {
    static LEVELS: Cell<usize> = const { Cell::new(0) };
}

impl Level {
    fn enter() -> Option<Self> {
        let levels = LEVELS.get();
        (levels < Expr::MAX_DEPTH).then(|| {
            LEVELS.set(levels + 1);
            Self
        })
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        LEVELS.set(LEVELS.get() - 1);
    }
}
