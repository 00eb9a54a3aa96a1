mod l1;

use super::testing::{Logistic, normals};
use super::*;
use std::convert::Infallible;

fn tight() -> Options {
    Options { tol: 1e-22, max_iter: 500, ..Options::default() }
}

fn assert_near(got: &[f64], expected: &[f64], relative: f64) {
    let size = expected.iter().fold(0.0f64, |a, b| a.max(b.abs()));
    for (g, e) in got.iter().zip(expected) {
        assert!((g - e).abs() <= relative * size, "{g} instead of {e}");
    }
}

#[test]
fn all_minimisers_reach_the_oracle_to_ten_digits() {
    for (n, d, l2) in [(300, 4, 0.0), (500, 12, 1e-3), (200, 1, 0.1)] {
        let mut objective = Logistic::like_the_benches(n, d, l2);
        let expected = objective.oracle();
        let start = vec![0.0; d + 1];
        let mut sample = objective.head(n / 4);
        for report in [
            lbfgs(&mut objective, &start, None, &tight()).unwrap(),
            newton(&mut objective, &start, &tight()).unwrap(),
            newton(&mut objective, &start, &Options { reuse: 0.25, ..tight() }).unwrap(),
            subsampled_newton(&mut sample, &mut objective, &start, &tight()).unwrap(),
        ] {
            assert!(report.stop.is_converged(), "{report:?}");
            assert_near(&report.w, &expected, 1e-10);
        }
    }
}

/// `½ Σ c_j·(w_j − j)²` with stretched coordinates.
struct Quadratic(Vec<f64>);

impl Objective for Quadratic {
    type Error = Infallible;
    fn dim(&self) -> usize {
        self.0.len()
    }
    fn value_gradient(&mut self, w: &[f64], gradient: &mut [f64]) -> Result<f64, Infallible> {
        let mut value = 1.0;
        for (j, c) in self.0.iter().enumerate() {
            let off = w[j] - j as f64;
            gradient[j] = c * off;
            value += 0.5 * c * off * off;
        }
        Ok(value)
    }
}

impl Curvature for Quadratic {
    fn hessian(&mut self, _: &[f64], hessian: &mut [f64]) -> Result<(), Infallible> {
        hessian.fill(0.0);
        for (j, c) in self.0.iter().enumerate() {
            hessian[j * (self.0.len() + 1)] = *c;
        }
        Ok(())
    }
}

#[test]
fn newton_solves_a_quadratic_in_one_step() {
    let mut objective = Quadratic(vec![1.0, 1e4, 1e-3, 7.0]);
    let report = newton(&mut objective, &[], &tight()).unwrap();
    assert_near(&report.w, &[0.0, 1.0, 2.0, 3.0], 1e-14);
    assert_eq!((report.iterations, report.passes, report.stop), (1, 2, Stop::Tolerance));
    let report = lbfgs(&mut objective, &[5.0; 9], None, &tight()).unwrap();
    assert_near(&report.w, &[0.0, 1.0, 2.0, 3.0], 1e-8);
}

#[test]
fn rows_like_the_benches_take_four_passes_to_eight_digits_of_objective() {
    // A tenth of the benches' rows and of their columns, so the sample knows as much per column.
    let mut full = Logistic::like_the_benches(40_000, 10, 1e-3);
    let best = full.value(&full.oracle());
    let mut sample = full.head(4_000);
    let options = Options { tol: 1e-8, ..Options::default() };
    let report = subsampled_newton(&mut sample, &mut full, &[0.0; 11], &options).unwrap();
    assert!(report.value - best <= 1e-8 * best, "{}", report.value - best);
    assert!(report.passes <= 4 && report.hessian_passes == 0, "{report:?}");

    let options = Options { predict_last_step: true, ..options };
    let quick = subsampled_newton(&mut sample, &mut full, &[0.0; 11], &options).unwrap();
    assert!(full.value(&quick.w) - best <= 1e-8 * best && quick.passes < report.passes);
    assert!((quick.value - full.value(&quick.w)).abs() <= 1e-8 * best);
}

#[test]
fn the_tolerance_bounds_the_distance_from_the_minimum() {
    let mut objective = Logistic::like_the_benches(2_000, 8, 1e-3);
    let best = objective.value(&objective.oracle());
    let mut sample = objective.head(200);
    for tol in [1e-2, 1e-4, 1e-6, 1e-9, 1e-12] {
        let options = Options { tol, max_iter: 1000, ..Options::default() };
        for report in [
            lbfgs(&mut objective, &[], None, &options).unwrap(),
            newton(&mut objective, &[], &options).unwrap(),
            subsampled_newton(&mut sample, &mut objective, &[], &options).unwrap(),
        ] {
            assert_eq!(report.stop, Stop::Tolerance);
            assert!(report.value - best <= 2.0 * tol * best, "{tol}: {}", report.value - best);
        }
    }
}

#[test]
fn a_misleading_sample_costs_passes_but_not_the_answer() {
    let plain = Logistic::like_the_benches(1_000, 6, 1e-4);
    // Rows a thousand times the others' size, none of them in the sample.
    let mut heavy = plain.clone();
    for i in (500..1_000).step_by(50) {
        heavy.x[i * 6..(i + 1) * 6].iter_mut().for_each(|x| *x *= 1_000.0);
    }
    // The sample's rows have one class only.
    let mut one_class = plain.clone();
    one_class.y[..200].fill(1.0);
    // Two columns are equal.
    let mut twice = plain.clone();
    twice.x.chunks_mut(6).for_each(|row| row[5] = row[0]);
    // The sample's columns are unrelated to the others'.
    let mut drift = plain.clone();
    for i in 0..200 {
        drift.y[i] = f64::from(u8::from(plain.x[i * 6] > 0.0));
    }
    for (name, mut full) in
        [("heavy", heavy), ("one class", one_class), ("twice", twice), ("drift", drift)]
    {
        for (rows, l2) in [(200, 1e-4), (200, 0.0), (8, 1e-4), (8, 0.0)] {
            if name == "twice" && l2 == 0.0 {
                continue; // the oracle has no unique answer
            }
            full.l2 = l2;
            let best = full.value(&full.oracle());
            let mut sample = full.head(rows);
            let options = Options { tol: 1e-10, ..Options::default() };
            let report = subsampled_newton(&mut sample, &mut full, &[], &options).unwrap();
            assert!(report.stop.is_converged(), "{name}, {rows} rows, {l2}: {report:?}");
            let off = report.value - best;
            assert!(off <= 1e-9 * best, "{name}, {rows} rows, {l2}: {off}");
            assert!(report.passes <= 60, "{name}, {rows} rows, {l2}: {report:?}");
        }
    }
}

#[test]
fn equal_columns_without_penalty_get_a_ridge_and_a_minimum() {
    let mut objective = Logistic::like_the_benches(400, 3, 0.0);
    let alone =
        Logistic { x: objective.x.chunks(3).map(|r| r[0]).collect(), d: 1, ..objective.clone() };
    objective.x.chunks_mut(3).for_each(|row| row.copy_from_slice(&[row[0]; 3]));
    let report = newton(&mut objective, &[], &tight()).unwrap();
    assert!(report.ridge > 0.0 && report.stop.is_converged(), "{report:?}");
    let best = alone.value(&alone.oracle());
    assert!((report.value - best).abs() <= 1e-13 * best);
    let sum: f64 = report.w[..3].iter().sum();
    assert!((sum - alone.oracle()[0]).abs() < 1e-8);
}

#[test]
fn separable_rows_end_at_the_limit_of_steps_with_a_falling_objective() {
    let x = normals(9, 200);
    let y = x.iter().map(|x| f64::from(u8::from(*x > 0.0))).collect();
    let mut objective = Logistic { x, y, d: 1, l2: 0.0 };
    let mut sample = objective.head(20);
    let options = Options { max_iter: 15, ..Options::default() };
    for report in [
        newton(&mut objective, &[], &options).unwrap(),
        lbfgs(&mut objective, &[], None, &options).unwrap(),
        subsampled_newton(&mut sample, &mut objective, &[], &options).unwrap(),
    ] {
        assert!(!report.stop.is_converged(), "{report:?}");
        assert!(report.history.is_sorted_by(|a, b| a >= b), "{:?}", report.history);
        assert!(report.value < 0.05);
    }
}

#[test]
fn what_is_not_finite_stops_at_once() {
    let mut objective = Logistic::like_the_benches(50, 2, 0.0);
    objective.x[7] = f64::NAN;
    let mut sample = objective.head(20);
    for report in [
        newton(&mut objective, &[], &tight()).unwrap(),
        lbfgs(&mut objective, &[], None, &tight()).unwrap(),
        subsampled_newton(&mut sample, &mut objective, &[], &tight()).unwrap(),
    ] {
        assert_eq!(report.stop, Stop::NonFinite);
    }
}

struct Failing(usize);

impl Objective for Failing {
    type Error = &'static str;
    fn dim(&self) -> usize {
        2
    }
    fn value_gradient(&mut self, w: &[f64], gradient: &mut [f64]) -> Result<f64, &'static str> {
        self.0 = self.0.checked_sub(1).ok_or("a pass failed")?;
        gradient.copy_from_slice(w);
        gradient[0] += 3.0;
        Ok(0.5 * (w[0] * w[0] + w[1] * w[1]) + 3.0 * w[0])
    }
}

#[test]
fn an_error_of_a_pass_is_handed_on() {
    for passes in 0..3 {
        let error = lbfgs(&mut Failing(passes), &[1.0, 1.0], None, &tight()).unwrap_err();
        assert_eq!(error, "a pass failed");
    }
    assert!(lbfgs(&mut Failing(50), &[1.0, 1.0], None, &tight()).is_ok());
}
