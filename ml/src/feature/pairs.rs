//! Columns that are mapped one by one: names in, names out.

use std::collections::BTreeSet;

use firesteel_table::{Schema, Type};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::file::Saved;
use crate::pipeline::Output;

/// A column and the column made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pair {
    pub(super) input: String,
    pub(super) output: String,
}

impl Pair {
    pub(super) fn as_output(&self) -> Output {
        Output::new(&self.output, [&self.input])
    }
}

/// Inputs with their outputs; without outputs the inputs are replaced.
pub(super) fn pairs(inputs: &[String], outputs: &[String]) -> Result<Vec<Pair>> {
    if inputs.is_empty() {
        return Err(Error::parameter("inputs", "none", "at least one column"));
    }
    let outputs = if outputs.is_empty() { inputs } else { outputs };
    if outputs.len() != inputs.len() {
        let expected = format!("as many as inputs: {}", inputs.len());
        return Err(Error::parameter("outputs", format_args!("{} names", outputs.len()), expected));
    }
    distinct("inputs", inputs)?;
    distinct("outputs", outputs)?;
    let pair =
        |(input, output): (&String, &String)| Pair { input: input.clone(), output: output.clone() };
    Ok(inputs.iter().zip(outputs).map(pair).collect())
}

/// No name comes twice.
pub(super) fn distinct(parameter: &str, names: &[String]) -> Result<()> {
    let mut seen = BTreeSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        None => Ok(()),
        Some(twice) => Err(Error::parameter(parameter, format!("`{twice}` twice"), "distinct")),
    }
}

/// What holds for the columns of every stage that was fitted, also for those in a file.
pub(super) fn check_saved(saved: &Saved, outputs: impl Iterator<Item = String>) -> Result<()> {
    let outputs: Vec<String> = outputs.collect();
    distinct("outputs", &outputs).map_err(|error| saved.wrong(error.to_string()))
}

/// The type of a column of single numbers or truth values.
pub(super) fn require_number(schema: &Schema, column: &str) -> Result<Type> {
    let of = schema.type_of(column)?;
    match of {
        Type::Bool | Type::I64 | Type::F64 => Ok(of),
        _ => Err(wrong_type(column, "a number or bool", of)),
    }
}

pub(super) fn wrong_type(column: &str, expected: &str, found: Type) -> Error {
    Error::Table(firesteel_table::Error::TypeMismatch {
        expression: column.to_owned(),
        expected: expected.to_owned(),
        found: found.to_string(),
    })
}
