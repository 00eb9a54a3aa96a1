//! Noticing classes that a hyperplane tells apart, so that no finite optimum exists.
//!
//! The likelihood then rises for ever along some direction, and its curvature there dies away
//! (Albert & Anderson 1984). So: where the information matrix has lost nearly all of what the
//! plain Gram matrix has, the estimate's own part in these directions is tried as a separating
//! direction on every row. Only if no row contradicts is separation reported.

use serde::{Deserialize, Serialize};

use super::space::Space;
use crate::error::Result;
use crate::linalg::{Cholesky, symmetric_eigen};
use crate::samples::Samples;

/// What was found of a separation of the classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Separation {
    /// Whether all rows are told apart; else some lie on the border.
    pub is_complete: bool,
    /// The features that tell them apart, those with the largest part first.
    pub features: Vec<String>,
}

/// Share of the plain curvature below which a direction is tried.
const FADED: f64 = 1e-3;
/// How far a row may lie on the wrong side, in parts of the furthest row's distance.
const SLACK: f64 = 1e-2;

/// Looks for separation at the point `u`, where the information matrix is `information` and the
/// plain Gram matrix `plain` (both lower triangles in `space`).
pub(super) fn find(
    samples: &Samples,
    space: &Space,
    u: &[f64],
    information: &[f64],
    plain: &[f64],
) -> Result<Option<Separation>> {
    let dim = space.dim();
    let Some(direction) = faded_part(u, information, plain, dim) else { return Ok(None) };
    let (v, b) = space.to_raw(&direction);
    let (nearest, furthest) = sides(samples, &v, b)?;
    if !(furthest > 0.0 && nearest >= -SLACK * furthest) {
        return Ok(None);
    }
    let (v_all, b_all) = space.to_raw(u);
    let (worst, _) = sides(samples, &v_all, b_all)?;
    let largest = direction.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
    let mut parts: Vec<(usize, f64)> = space
        .active
        .iter()
        .enumerate()
        .map(|(a, &j)| (j, direction[a].abs()))
        .filter(|(_, part)| *part > 0.1 * largest)
        .collect();
    parts.sort_by(|a, b| b.1.total_cmp(&a.1));
    let features = parts.into_iter().map(|(j, _)| samples.names()[j].clone()).collect();
    Ok(Some(Separation { is_complete: worst > 0.0, features }))
}

/// The part of `u` in the directions whose curvature has faded; `None` if there are none.
fn faded_part(u: &[f64], information: &[f64], plain: &[f64], dim: usize) -> Option<Vec<f64>> {
    let factor = Cholesky::new(plain, dim).ok()?;
    let l = factor.factor();
    // M = L⁻¹·I·L⁻ᵀ, by rows: first L⁻¹·I, then the same on the transpose.
    let full: Vec<f64> = (0..dim * dim)
        .map(|at| {
            let (i, j) = (at / dim, at % dim);
            4.0 * information[i.max(j) * dim + i.min(j)]
        })
        .collect();
    let half = solve_lower_columns(l, &full, dim);
    let turned: Vec<f64> = (0..dim * dim).map(|at| half[(at % dim) * dim + at / dim]).collect();
    let ratio = solve_lower_columns(l, &turned, dim);
    let (values, vectors) = symmetric_eigen(&ratio, dim).ok()?;
    // In the coordinates Lᵀ·u the plain curvature is the identity.
    let inner: Vec<f64> = (0..dim).map(|i| (i..dim).map(|k| l[k * dim + i] * u[k]).sum()).collect();
    let mut part = vec![0.0; dim];
    let mut any = false;
    for (e, &value) in values.iter().enumerate() {
        if value < FADED {
            any = true;
            let along: f64 = (0..dim).map(|i| vectors[e * dim + i] * inner[i]).sum();
            for i in 0..dim {
                part[i] += along * vectors[e * dim + i];
            }
        }
    }
    if !any {
        return None;
    }
    for i in (0..dim).rev() {
        let above: f64 = (i + 1..dim).map(|k| l[k * dim + i] * part[k]).sum();
        part[i] = (part[i] - above) / l[i * dim + i];
    }
    Some(part)
}

/// `L⁻¹·A` for a lower triangular `L`.
fn solve_lower_columns(l: &[f64], a: &[f64], dim: usize) -> Vec<f64> {
    let mut x = a.to_vec();
    for i in 0..dim {
        for k in 0..i {
            let factor = l[i * dim + k];
            for j in 0..dim {
                x[i * dim + j] -= factor * x[k * dim + j];
            }
        }
        for j in 0..dim {
            x[i * dim + j] /= l[i * dim + i];
        }
    }
    x
}

/// The smallest and the largest signed distance `(2y − 1)·(x·v + b)` over rows with weight.
fn sides(samples: &Samples, v: &[f64], b: f64) -> Result<(f64, f64)> {
    let found = samples.blocks().try_tree_aggregate(
        (f64::INFINITY, f64::NEG_INFINITY),
        |(low, high), block| {
            let margins = block.margins(v, b)?;
            let rows = margins.iter().enumerate().filter(|&(i, _)| block.weight(i) > 0.0);
            Ok::<_, crate::kernel::ShapeError>(rows.fold((low, high), |(low, high), (i, m)| {
                let side = (2.0 * block.labels[i] - 1.0) * m;
                (low.min(side), high.max(side))
            }))
        },
        |a, b| (a.0.min(b.0), a.1.max(b.1)),
    )?;
    Ok(found)
}
