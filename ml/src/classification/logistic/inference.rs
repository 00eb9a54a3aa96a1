//! Standard errors: plain, and clustered by group.
//!
//! Plain: the inverse of the observed information, `(XᵀWX)⁻¹` with `W = s·p(1 − p)`. Clustered:
//! the sandwich `H⁻¹·(Σ_g s_g·s_gᵀ)·H⁻¹`, `s_g` being the sum of the scores `s·(p − y)·x` of the
//! group's rows (Liang & Zeger 1986), times a small-sample factor. Weights count as repeated
//! rows in both.

use serde::{Deserialize, Serialize};

use super::space::Space;
use crate::error::{Error, Result};
use crate::linalg::Cholesky;
use crate::samples::{Block, Samples};
use crate::special::{normal_quantile, two_sided_p};

/// The factor by which a clustered covariance is enlarged for few groups and rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SmallSample {
    /// `G/(G − 1) · (n − 1)/(n − k)` with `G` groups, `n` rows (the sum of weights) and `k`
    /// coefficients: what Stata and statsmodels take.
    #[default]
    GroupsAndRows,
    /// `G/(G − 1)`: what R's `sandwich::vcovCL` takes for generalised linear models.
    Groups,
    /// 1.
    None,
}

/// Whether a fit has standard errors, and if not, why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum StandardErrors {
    /// It has.
    Available {
        /// From the information matrix.
        plain: Inference,
        /// Clustered by group, if the samples have groups; an error says why they cannot be had.
        clustered: Option<Result<Inference, String>>,
    },
    /// It has not; the text says why.
    Unavailable(String),
}

/// Coefficients with their covariance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inference {
    /// Names of the coefficients that were estimated, the intercept last if there is one.
    pub names: Vec<String>,
    /// The estimates.
    pub estimates: Vec<f64>,
    /// Their covariance, row after row.
    pub covariance: Vec<f64>,
    /// Number of groups, for a clustered covariance.
    pub groups: Option<u64>,
}

/// One line of a coefficient table.
#[derive(Clone, Debug, PartialEq)]
pub struct CoefficientRow {
    /// The feature, or `(intercept)`.
    pub name: String,
    /// The estimate.
    pub estimate: f64,
    /// Its standard error.
    pub std_error: f64,
    /// The estimate over its standard error.
    pub z: f64,
    /// Two-sided probability of a larger |z| under a normal distribution.
    pub p_value: f64,
    /// Lower end of the confidence interval.
    pub lower: f64,
    /// Upper end of the confidence interval.
    pub upper: f64,
}

/// The name under which an intercept stands in tables.
pub(super) const INTERCEPT: &str = "(intercept)";

impl Inference {
    /// Standard errors, one for each name.
    pub fn std_errors(&self) -> Vec<f64> {
        let k = self.names.len();
        (0..k).map(|i| self.covariance[i * k + i].sqrt()).collect()
    }

    /// The coefficient table with intervals at `level` (0.95, say).
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] unless `level` is between 0 and 1.
    pub fn table(&self, level: f64) -> Result<Vec<CoefficientRow>> {
        crate::params::require("level", level, "between 0 and 1", level > 0.0 && level < 1.0)?;
        let reach = normal_quantile(0.5 + level / 2.0);
        let rows = self.names.iter().zip(&self.estimates).zip(self.std_errors());
        Ok(rows
            .map(|((name, &estimate), std_error)| {
                let z = estimate / std_error;
                CoefficientRow {
                    name: name.clone(),
                    estimate,
                    std_error,
                    z,
                    p_value: two_sided_p(z),
                    lower: estimate - reach * std_error,
                    upper: estimate + reach * std_error,
                }
            })
            .collect())
    }
}

/// Standard errors at the optimum `u` of an unpenalised fit with this information matrix (lower
/// triangle in `space`).
pub(super) fn standard_errors(
    samples: &Samples,
    space: &Space,
    u: &[f64],
    information: &[f64],
    weight: f64,
    small_sample: SmallSample,
) -> Result<StandardErrors> {
    let (v, b) = space.to_raw(u);
    let dim = space.dim();
    let Ok(factor) = Cholesky::new(information, dim) else {
        return Ok(StandardErrors::Unavailable(
            "the information matrix is singular at the estimate".into(),
        ));
    };
    let inverse = factor.inverse();
    let (original, intercept) = space.to_original(u);
    let estimates = space.active.iter().map(|&j| original[j]);
    let estimates: Vec<f64> = estimates.chain(space.intercept.then_some(intercept)).collect();
    let names: Vec<String> = space
        .active
        .iter()
        .map(|&j| samples.names()[j].clone())
        .chain(space.intercept.then(|| INTERCEPT.to_owned()))
        .collect();
    let inference = |covariance: &[f64], groups| Inference {
        names: names.clone(),
        estimates: estimates.clone(),
        covariance: sandwich(&space.to_original_matrix(), covariance, dim),
        groups,
    };
    let clustered = || -> Result<Result<Inference, String>> {
        let (groups, meat) = group_scores(samples, space, &v, b)?;
        let (g, k) = (groups as f64, dim as f64);
        if groups < 2 {
            return Ok(Err("all rows are of one group".into()));
        }
        let factor = match small_sample {
            SmallSample::GroupsAndRows if weight <= k => {
                return Ok(Err(format!("the weights sum to {weight}, for {dim} coefficients")));
            }
            SmallSample::GroupsAndRows => g / (g - 1.0) * (weight - 1.0) / (weight - k),
            SmallSample::Groups => g / (g - 1.0),
            SmallSample::None => 1.0,
        };
        let mut covariance = sandwich(&inverse, &meat, dim);
        covariance.iter_mut().for_each(|c| *c *= factor);
        Ok(Ok(inference(&covariance, Some(groups))))
    };
    let clustered = samples.has_groups().then(clustered).transpose()?;
    Ok(StandardErrors::Available { plain: inference(&inverse, None), clustered })
}

/// `A·M·Aᵀ` of square matrices with `n` rows, symmetric.
fn sandwich(a: &[f64], m: &[f64], n: usize) -> Vec<f64> {
    let product = |x: &[f64], y: &dyn Fn(usize, usize) -> f64| {
        let mut out = vec![0.0; n * n];
        for i in 0..n {
            for k in 0..n {
                let x = x[i * n + k];
                for j in 0..n {
                    out[i * n + j] += x * y(k, j);
                }
            }
        }
        out
    };
    let half = product(a, &|k, j| m[k * n + j]);
    let whole = product(&half, &|k, j| a[j * n + k]);
    // Rounding may have left the halves apart by a bit.
    let mean = |i: usize, j: usize| 0.5 * (whole[i * n + j] + whole[j * n + i]);
    (0..n * n).map(|at| mean(at / n, at % n)).collect()
}

/// The number of groups, and the sum over groups of the outer product of their score sums, in
/// the space's coordinates.
///
/// Two stages: score sums by group (a shuffle of one vector for each group and partition), then
/// the outer products over the fixed tree.
fn group_scores(samples: &Samples, space: &Space, v: &[f64], b: f64) -> Result<(u64, Vec<f64>)> {
    let (v, space_) = (v.to_vec(), space.clone());
    let dim = space.dim();
    let by_group = samples
        .blocks()
        .try_map_partitions_with_index(move |_, blocks| {
            let mut scores = Vec::new();
            for block in blocks {
                push_scores(&block, &v, b, &space_, &mut scores)?;
            }
            Ok::<_, crate::kernel::ShapeError>(scores)
        })
        .reduce_by_key(|mut a: Vec<f64>, b: Vec<f64>| {
            for (a, b) in a.iter_mut().zip(&b) {
                *a += b;
            }
            a
        });
    let add_outer = move |(groups, mut meat): (u64, Vec<f64>), row: &(u64, Vec<f64>)| {
        for (i, a) in row.1.iter().enumerate() {
            for (j, b) in row.1.iter().enumerate() {
                meat[i * dim + j] += a * b;
            }
        }
        (groups + 1, meat)
    };
    let merge = |(g, mut a): (u64, Vec<f64>), (h, b): (u64, Vec<f64>)| {
        for (a, b) in a.iter_mut().zip(&b) {
            *a += b;
        }
        (g + h, a)
    };
    Ok(by_group.tree_aggregate((0, vec![0.0; dim * dim]), add_outer, merge)?)
}

/// Appends (group, score) of every row, runs of one group already summed.
fn push_scores(
    block: &Block,
    v: &[f64],
    b: f64,
    space: &Space,
    scores: &mut Vec<(u64, Vec<f64>)>,
) -> Result<(), crate::kernel::ShapeError> {
    let Some(groups) = &block.groups else { return Ok(()) };
    let margins = block.margins(v, b)?;
    let mut row = vec![0.0; block.d];
    let mut score = vec![0.0; space.dim()];
    for i in 0..block.len() {
        block.copy_row(i, &mut row);
        let residual = block.weight(i) * (crate::kernel::sigmoid(margins[i]) - block.labels[i]);
        row.iter_mut().for_each(|x| *x *= residual);
        space.gradient(&row, residual, &mut score);
        match scores.last_mut() {
            Some((group, sum)) if *group == groups[i] => {
                for (sum, score) in sum.iter_mut().zip(&score) {
                    *sum += score;
                }
            }
            _ => scores.push((groups[i], score.clone())),
        }
    }
    Ok(())
}

impl StandardErrors {
    /// The inference to report: clustered if the samples have groups, else plain. Plain errors
    /// never stand in for clustered ones.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] with the reason if there is none.
    pub fn best(&self) -> Result<&Inference> {
        let none = |what: &str, reason: &String| {
            Err(Error::Unsupported { what: what.into(), reason: reason.clone() })
        };
        match self {
            Self::Available { clustered: Some(Ok(clustered)), .. } => Ok(clustered),
            Self::Available { clustered: Some(Err(reason)), .. } => {
                none("clustered standard errors", reason)
            }
            Self::Available { plain, clustered: None } => Ok(plain),
            Self::Unavailable(reason) => none("standard errors", reason),
        }
    }
}
