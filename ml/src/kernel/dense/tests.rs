use super::*;
use crate::kernel::Level;
use crate::kernel::testing::{numbers, shapes};

struct Case {
    x: Vec<f64>,
    labels: Vec<f64>,
    weights: Vec<f64>,
    w: Vec<f64>,
}

fn case(n: usize, d: usize) -> Case {
    let labels = numbers(2, n).iter().map(|u| f64::from(u8::from(*u > 0.3))).collect();
    let weights = numbers(3, n).iter().map(|u| u.abs() * 3.0).collect();
    Case { x: numbers(1, n * d), labels, weights, w: numbers(4, d) }
}

/// The plain version, with the system-independent functions of `libm`.
fn oracle(c: &Case, d: usize, weights: Option<&[f64]>, b: f64) -> (f64, Vec<f64>, f64) {
    let (mut loss, mut grad, mut intercept) = (0.0, vec![0.0; d], 0.0);
    for (i, &y) in c.labels.iter().enumerate() {
        let row = &c.x[i * d..(i + 1) * d];
        let m = b + row.iter().zip(&c.w).map(|(x, w)| x * w).sum::<f64>();
        let s = weights.map_or(1.0, |s| s[i]);
        loss += s * (m.max(0.0) + libm::log1p(libm::exp(-m.abs())) - y * m);
        let r = s * (1.0 / (1.0 + libm::exp(-m)) - y);
        intercept += r;
        for (g, x) in grad.iter_mut().zip(row) {
            *g += r * x;
        }
    }
    (loss, grad, intercept)
}

#[test]
fn loss_and_gradient_are_those_of_the_plain_loop() {
    for (n, d) in shapes() {
        let c = case(n, d);
        for weights in [None, Some(&c.weights[..])] {
            let (mut grad, mut intercept) = (vec![0.25; d], 0.5);
            let rows = DenseRows::new(&c.x, n, d).unwrap();
            let loss = logistic_loss_gradient(
                &rows,
                &c.labels,
                weights,
                &c.w,
                0.3,
                &mut grad,
                &mut intercept,
            )
            .unwrap();
            let expected = oracle(&c, d, weights, 0.3);
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-14 * (1.0 + n as f64);
            assert!(near(loss, expected.0), "{n} x {d}: {loss} {}", expected.0);
            assert!(near(intercept, expected.2 + 0.5), "{n} x {d}");
            for (g, e) in grad.iter().zip(&expected.1) {
                assert!(near(*g, e + 0.25), "{n} x {d}: {g} {e}");
            }
        }
    }
}

#[test]
fn every_level_gives_the_same_bits() {
    for (n, d) in shapes() {
        let c = case(n, d);
        let narrow: Vec<f32> = c.x.iter().map(|&x| x as f32).collect();
        let run = |level: Level| {
            level.force(|| {
                let mut all = vec![0.0; d + 2];
                let mut h = vec![0.0; n];
                let (grad, rest) = all.split_at_mut(d);
                let weights = Some(&c.weights[..]);
                let rows = DenseRows::new(&c.x, n, d).unwrap();
                rest[1] += logistic_loss_gradient(
                    &rows,
                    &c.labels,
                    weights,
                    &c.w,
                    0.1,
                    grad,
                    &mut rest[0],
                )
                .unwrap();
                let rows = DenseRows::new(&narrow, n, d).unwrap();
                rest[1] +=
                    logistic_loss_gradient(&rows, &c.labels, None, &c.w, 0.1, grad, &mut rest[0])
                        .unwrap();
                logistic_curvature(&rows, weights, &c.w, 0.1, &mut h).unwrap();
                all.iter().chain(&h).map(|x| x.to_bits()).collect::<Vec<_>>()
            })
        };
        let baseline = run(Level::Baseline);
        for level in Level::ALL {
            assert_eq!(run(level), baseline, "{n} x {d} at {level:?}");
        }
    }
}

#[test]
fn margins_do_not_depend_on_the_rows_around_them() {
    let (n, d) = (43, 13);
    let c = case(n, d);
    let mut together = vec![0.0; n];
    margins(&DenseRows::new(&c.x, n, d).unwrap(), &c.w, 0.7, &mut together).unwrap();
    for i in 0..n {
        let mut alone = [0.0];
        let row = DenseRows::new(&c.x[i * d..(i + 1) * d], 1, d).unwrap();
        margins(&row, &c.w, 0.7, &mut alone).unwrap();
        assert_eq!(alone[0].to_bits(), together[i].to_bits());
    }
}

#[test]
fn a_numerical_derivative_agrees_with_gradient_and_curvature() {
    let (n, d) = (60, 5);
    let c = case(n, d);
    let rows = DenseRows::new(&c.x, n, d).unwrap();
    let slope = |b: f64| {
        let (mut grad, mut intercept) = (vec![0.0; d], 0.0);
        let weights = Some(&c.weights[..]);
        let loss =
            logistic_loss_gradient(&rows, &c.labels, weights, &c.w, b, &mut grad, &mut intercept)
                .unwrap();
        (loss, intercept)
    };
    let step = 1e-5;
    let ((low, low_slope), (high, high_slope)) = (slope(0.2 - step), slope(0.2 + step));
    assert!(((high - low) / (2.0 * step) - slope(0.2).1).abs() < 1e-7);
    let mut h = vec![0.0; n];
    logistic_curvature(&rows, Some(&c.weights), &c.w, 0.2, &mut h).unwrap();
    assert!(((high_slope - low_slope) / (2.0 * step) - h.iter().sum::<f64>()).abs() < 1e-7);
}

#[test]
#[expect(clippy::float_cmp, reason = "nothing may be lost at all")]
fn certain_margins_lose_nothing() {
    let (mut grad, mut intercept) = ([0.0], 0.0);
    let rows = DenseRows::new(&[40.0, -40.0], 2, 1).unwrap();
    let loss =
        logistic_loss_gradient(&rows, &[1.0, 0.0], None, &[1.0], 0.0, &mut grad, &mut intercept)
            .unwrap();
    let expected = 2.0 * libm::exp(-40.0);
    assert!((loss / expected - 1.0).abs() < 1e-15);
    assert!((grad[0] / (-40.0 * expected) - 1.0).abs() < 1e-15);
    assert_eq!(intercept, 0.0);
}

#[test]
fn operands_that_do_not_fit_are_refused() {
    assert!(DenseRows::new(&[0.0; 5], 2, 3).is_err());
    assert!(DenseRows::new(&[0.0; 5], usize::MAX, 2).is_err());
    let rows = DenseRows::new(&[0.0f32; 6], 2, 3).unwrap();
    assert!(margins(&rows, &[0.0; 2], 0.0, &mut [0.0; 2]).is_err());
    assert!(margins(&rows, &[0.0; 3], 0.0, &mut [0.0; 3]).is_err());
    let mut grad = [0.0; 3];
    let refused = |labels: &[f64], weights: Option<&[f64]>, grad: &mut [f64]| {
        logistic_loss_gradient(&rows, labels, weights, &[0.0; 3], 0.0, grad, &mut 0.0).is_err()
    };
    assert!(refused(&[0.0; 3], None, &mut grad));
    assert!(refused(&[0.0; 2], Some(&[1.0]), &mut grad));
    assert!(refused(&[0.0; 2], None, &mut grad[..2]));
    assert!(!refused(&[0.0; 2], Some(&[1.0; 2]), &mut grad));
}
