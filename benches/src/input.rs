//! Reading the arrays that tasks start from.

use std::error::Error;
use std::fs::File;
use std::path::Path;

use ndarray::{Array1, Array2};
use ndarray_npy::{ReadNpyExt, ReadableElement};

/// A matrix of `folder/name`.
pub(crate) fn matrix<E: ReadableElement>(
    folder: &Path,
    name: &str,
) -> Result<Array2<E>, Box<dyn Error>> {
    Ok(Array2::read_npy(open(folder, name)?)?)
}

/// A vector of `folder/name`.
pub(crate) fn vector(folder: &Path, name: &str) -> Result<Array1<f64>, Box<dyn Error>> {
    Ok(Array1::read_npy(open(folder, name)?)?)
}

/// The whole numbers of `folder/name`.
pub(crate) fn numbers(folder: &Path, name: &str) -> Result<Vec<u64>, Box<dyn Error>> {
    Ok(Array1::<u64>::read_npy(open(folder, name)?)?.to_vec())
}

fn open(folder: &Path, name: &str) -> Result<File, Box<dyn Error>> {
    let path = folder.join(name);
    File::open(&path).map_err(|error| format!("{}: {error}", path.display()).into())
}
