//! Turning away what cannot be learnt from, by row and column.

use super::block::{Block, Features};
use crate::error::{Error, Result};

/// Checks that every number of a block is finite and every weight at least zero.
///
/// `names` are the features' names. The error names the global row.
pub(super) fn check_block(block: &Block, names: &[String], label: &str) -> Result<()> {
    let finite = match &block.features {
        Features::Dense(x) => all_finite(x),
        Features::DenseF32(x) => x.iter().fold(0.0_f32, |sum, x| sum + x * 0.0) == 0.0,
        Features::Sparse(csr) => all_finite(&csr.values),
    };
    if !finite {
        return Err(first_bad_feature(block, names));
    }
    for (i, &y) in block.labels.iter().enumerate() {
        if !y.is_finite() {
            return Err(bad(block, i, label, y, "a finite label"));
        }
    }
    for (i, &weight) in block.weights.iter().flat_map(|weights| weights.iter()).enumerate() {
        if !(weight >= 0.0 && weight.is_finite()) {
            return Err(bad(block, i, "weight", weight, "a finite weight of zero or more"));
        }
    }
    Ok(())
}

/// A product with zero is zero unless a number is infinite or none at all; this vectorises.
fn all_finite(x: &[f64]) -> bool {
    let (chunks, rest) = x.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += x * 0.0;
        }
    }
    sums.iter().all(|sum| *sum == 0.0) && rest.iter().all(|x| x.is_finite())
}

fn first_bad_feature(block: &Block, names: &[String]) -> Error {
    let mut row = vec![0.0; block.d];
    for i in 0..block.len() {
        block.copy_row(i, &mut row);
        if let Some(j) = row.iter().position(|x| !x.is_finite()) {
            let name = names.get(j).map_or("", String::as_str);
            return bad(block, i, name, row[j], "a finite number");
        }
    }
    bad(block, 0, "features", f64::NAN, "finite numbers")
}

fn bad(block: &Block, i: usize, column: &str, value: f64, expected: &str) -> Error {
    Error::BadValue {
        row: block.first_row + i as u64,
        column: column.into(),
        value: value.to_string(),
        expected: expected.into(),
    }
}
