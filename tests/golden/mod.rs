//! Numbers from other systems. The JSON files say what made them; see the folder's README.

mod data;
mod logistic;
mod tables;

use std::path::Path;

use serde_json::Value;

/// One of the folder's JSON files.
fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A list of numbers.
fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}
