//! The input files, for users without Python: rows with standard normal features of unlike size,
//! and labels drawn from a logistic model. Not the rows of any other generator.

use std::error::Error;
use std::fs::{self, File};

use firesteel::core::rng::Draws;
use ndarray::{Array1, Array2};
use ndarray_npy::WriteNpyExt;
use serde_json::{Value, json};

use crate::Request;

/// Number of features.
const WIDTH: usize = 100;

pub(crate) fn run(request: &Request) -> Result<Value, Box<dyn Error>> {
    let n = request.rows.unwrap_or(1_000_000) as usize;
    let normal = |purpose: &'static str| {
        let draws = Draws::new(7, purpose);
        // Box & Muller 1958; zero is moved away from the logarithm.
        move |row: u64, index: u64| {
            let (u, v) = (draws.uniform_at(row, 2 * index), draws.uniform_at(row, 2 * index + 1));
            (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
        }
    };
    let (feature, size, effect) = (normal("feature"), normal("size"), normal("effect"));
    let sizes: Vec<f64> = (0..WIDTH as u64).map(|j| (0.5 * size(j, 0)).exp()).collect();
    let effects: Vec<f64> = (0..WIDTH as u64)
        .map(|j| if j % 2 == 0 { effect(j, 0) / (WIDTH as f64).sqrt() } else { 0.0 })
        .collect();
    let x = Array2::from_shape_fn((n, WIDTH), |(i, j)| feature(i as u64, j as u64) * sizes[j]);
    let label = Draws::new(7, "label");
    let y = Array1::from_shape_fn(n, |i| {
        let margin: f64 = x.row(i).iter().zip(&effects).map(|(x, w)| x * w).sum::<f64>() - 1.5;
        f64::from(u8::from(label.uniform(i as u64) < 1.0 / (1.0 + (-margin).exp())))
    });
    fs::create_dir_all(&request.folder)?;
    x.write_npy(File::create(request.folder.join("lr_x.npy"))?)?;
    y.write_npy(File::create(request.folder.join("lr_y.npy"))?)?;
    Ok(json!({ "task": "generate", "rows": n, "columns": WIDTH }))
}
