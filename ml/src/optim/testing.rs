//! Objectives and oracles for the tests of minimisers.

use super::{Curvature, Objective};
use crate::kernel::testing::numbers;
use crate::kernel::{DenseRows, logistic_curvature, logistic_loss_gradient, weighted_gram};
use std::convert::Infallible;

/// Mean logistic loss and `½·l2·‖w‖²`, the intercept last and free.
#[derive(Clone)]
pub(super) struct Logistic {
    pub(super) x: Vec<f64>,
    pub(super) y: Vec<f64>,
    pub(super) d: usize,
    pub(super) l2: f64,
}

impl Logistic {
    /// Rows like those of the benches: columns of different scales, half of the effects zero.
    pub(super) fn like_the_benches(n: usize, d: usize, l2: f64) -> Self {
        let scales: Vec<f64> = normals(1, d).iter().map(|z| libm::exp(0.5 * z)).collect();
        let keep = numbers(2, d);
        let root = (d as f64).sqrt();
        let w: Vec<f64> = normals(3, d)
            .iter()
            .zip(&keep)
            .map(|(z, k)| if *k < 0.0 { z / root } else { 0.0 })
            .collect();
        let mut x = normals(4, n * d);
        let chance = numbers(5, n);
        let mut y = Vec::with_capacity(n);
        for (row, u) in x.chunks_mut(d).zip(&chance) {
            row.iter_mut().zip(&scales).for_each(|(x, s)| *x *= s);
            let m: f64 = row.iter().zip(&w).map(|(x, w)| x * w).sum::<f64>() - 1.5;
            y.push(f64::from(u8::from(0.5 * (u + 1.0) < 1.0 / (1.0 + libm::exp(-m)))));
        }
        Self { x, y, d, l2 }
    }

    /// The first `rows` rows.
    pub(super) fn head(&self, rows: usize) -> Self {
        Self { x: self.x[..rows * self.d].to_vec(), y: self.y[..rows].to_vec(), ..*self }
    }

    fn rows(&self) -> DenseRows<'_, f64> {
        DenseRows::new(&self.x, self.y.len(), self.d).unwrap()
    }

    /// The optimum by a slow loop that shares nothing with the code under test: Newton's method with
    /// Gauss–Jordan elimination, until steps no longer change anything.
    pub(super) fn oracle(&self) -> Vec<f64> {
        let (n, k) = (self.y.len(), self.d + 1);
        let mut w = vec![0.0; k];
        for _ in 0..60 {
            let mut table = vec![vec![0.0; k + 1]; k];
            for i in 0..n {
                let at = |j: usize| if j < self.d { self.x[i * self.d + j] } else { 1.0 };
                let m: f64 = (0..k).map(|j| at(j) * w[j]).sum();
                let p = 1.0 / (1.0 + libm::exp(-m));
                for (r, row) in table.iter_mut().enumerate() {
                    for (c, cell) in row.iter_mut().take(k).enumerate() {
                        *cell += p * (1.0 - p) * at(r) * at(c) / n as f64;
                    }
                    row[k] += (p - self.y[i]) * at(r) / n as f64;
                }
            }
            for j in 0..self.d {
                table[j][j] += self.l2;
                table[j][k] += self.l2 * w[j];
            }
            for pivot in 0..k {
                let row = table[pivot].clone();
                for (r, other) in table.iter_mut().enumerate() {
                    if r != pivot {
                        let share = other[pivot] / row[pivot];
                        other.iter_mut().zip(&row).for_each(|(a, b)| *a -= share * b);
                    }
                }
            }
            for j in 0..k {
                w[j] -= table[j][k] / table[j][j];
            }
        }
        w
    }

    pub(super) fn value(&self, w: &[f64]) -> f64 {
        self.clone().value_gradient(w, &mut vec![0.0; self.d + 1]).unwrap()
    }
}

impl Objective for Logistic {
    type Error = Infallible;

    fn dim(&self) -> usize {
        self.d + 1
    }

    fn value_gradient(&mut self, w: &[f64], gradient: &mut [f64]) -> Result<f64, Infallible> {
        let (scale, (w, b)) = (1.0 / self.y.len() as f64, w.split_at(self.d));
        gradient.fill(0.0);
        let (grad, rest) = gradient.split_at_mut(self.d);
        let rows = self.rows();
        let loss =
            logistic_loss_gradient(&rows, &self.y, None, w, b[0], grad, &mut rest[0]).unwrap();
        rest[0] *= scale;
        for (g, w) in grad.iter_mut().zip(w) {
            *g = *g * scale + self.l2 * w;
        }
        Ok(loss * scale + 0.5 * self.l2 * w.iter().map(|w| w * w).sum::<f64>())
    }
}

impl Curvature for Logistic {
    fn hessian(&mut self, w: &[f64], hessian: &mut [f64]) -> Result<(), Infallible> {
        let mut h = vec![0.0; self.y.len()];
        logistic_curvature(&self.rows(), None, &w[..self.d], w[self.d], &mut h).unwrap();
        hessian.fill(0.0);
        weighted_gram(&self.rows(), &h, hessian).unwrap();
        hessian.iter_mut().for_each(|x| *x /= self.y.len() as f64);
        for j in 0..self.d {
            hessian[j * (self.d + 2)] += self.l2;
        }
        Ok(())
    }
}

/// Standard normal numbers (Box & Muller).
pub(super) fn normals(stream: u64, count: usize) -> Vec<f64> {
    numbers(stream + 100, 2 * count)
        .chunks(2)
        .map(|u| {
            let radius = (-2.0 * libm::log(0.5 * (u[0] + 1.0) + 1e-300)).sqrt();
            radius * libm::cos(std::f64::consts::PI * u[1])
        })
        .collect()
}
