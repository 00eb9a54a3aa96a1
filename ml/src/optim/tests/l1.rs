use super::*;

/// The penalised optimum by a slow loop that shares nothing with the code under test: proximal
/// gradient steps with momentum and restarts, until the conditions hold to 1e-13.
fn oracle(objective: &Logistic, l1: &[f64]) -> Vec<f64> {
    let (n, d) = (objective.y.len(), objective.d);
    let size: f64 = objective.x.chunks(d).map(|r| 1.0 + r.iter().map(|x| x * x).sum::<f64>()).sum();
    let step = 1.0 / (0.25 * size / n as f64 + objective.l2);
    let gradient = |w: &[f64]| {
        let mut g = vec![0.0; d + 1];
        for (row, y) in objective.x.chunks(d).zip(&objective.y) {
            let m: f64 = w[d] + row.iter().zip(w).map(|(x, w)| x * w).sum::<f64>();
            let r = (1.0 / (1.0 + libm::exp(-m)) - y) / n as f64;
            row.iter().chain([&1.0]).zip(&mut g).for_each(|(x, g)| *g += r * x);
        }
        (0..d).for_each(|j| g[j] += objective.l2 * w[j]);
        g
    };
    let (mut w, mut ahead, mut t) = (vec![0.0; d + 1], vec![0.0; d + 1], 1.0f64);
    for _ in 0..200_000 {
        let g = gradient(&ahead);
        let mut next: Vec<f64> = ahead.iter().zip(&g).map(|(w, g)| w - step * g).collect();
        for (w, l1) in next.iter_mut().zip(l1) {
            *w -= w.clamp(-step * l1, step * l1);
        }
        let moved: f64 = next.iter().zip(&w).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let off: f64 = (0..=d).map(|j| (ahead[j] - next[j]) * (next[j] - w[j])).sum();
        let t_next = if off > 0.0 { 1.0 } else { 0.5 * (1.0 + (1.0 + 4.0 * t * t).sqrt()) };
        let share = if off > 0.0 { 0.0 } else { (t - 1.0) / t_next };
        ahead = next.iter().zip(&w).map(|(a, b)| a + share * (a - b)).collect();
        (w, t) = (next, t_next);
        if moved < 1e-16 {
            break;
        }
    }
    w
}

fn penalties(d: usize, l1: f64) -> Vec<f64> {
    let mut all = vec![l1; d + 1];
    all[d] = 0.0;
    all
}

#[test]
fn both_minimisers_reach_the_oracle_and_agree_on_what_is_zero() {
    for (n, d, l1, l2) in [(300, 6, 0.02, 0.0), (400, 10, 0.05, 0.01), (200, 3, 1e-3, 0.1)] {
        let mut objective = Logistic::like_the_benches(n, d, l2);
        let l1 = penalties(d, l1);
        let expected = oracle(&objective, &l1);
        for report in [
            owlqn(&mut objective, &[], &l1, &tight()).unwrap(),
            proximal_newton(&mut objective, &[], &l1, None, &tight()).unwrap(),
            proximal_newton(&mut objective, &[], &l1, None, &Options { reuse: 0.25, ..tight() })
                .unwrap(),
        ] {
            assert!(report.stop.is_converged(), "{report:?}");
            assert_near(&report.w, &expected, 1e-8);
            for (a, b) in report.w.iter().zip(&expected) {
                assert_eq!(a.abs() > 0.0, b.abs() > 1e-10, "{:?} {expected:?}", report.w);
            }
            assert!(kkt_residual(&report.w, &report.gradient, &l1) < 1e-8);
        }
    }
}

#[test]
fn proximal_newton_meets_the_conditions_to_ten_digits() {
    let mut objective = Logistic::like_the_benches(5_000, 30, 0.0);
    // Nearly equal columns are what coordinate descent likes least.
    objective.x.chunks_mut(30).for_each(|row| row[7] = row[3] + 0.05 * row[4]);
    let l1 = penalties(30, 0.005);
    let options = Options { tol: 1e-20, ..Options::default() };
    let report = proximal_newton(&mut objective, &[], &l1, None, &options).unwrap();
    assert!(report.stop.is_converged() && report.passes < 15, "{report:?}");
    let residual = kkt_residual(&report.w, &report.gradient, &l1);
    assert!(residual < 1e-10, "{residual}");
}

#[test]
fn a_sample_s_hessian_saves_those_of_all_rows() {
    let mut full = Logistic::like_the_benches(20_000, 10, 1e-3);
    let l1 = penalties(10, 0.003);
    let mut sample = full.head(2_000);
    let options = Options { tol: 1e-8, ..Options::default() };
    let report = subsampled_proximal_newton(&mut sample, &mut full, &[], &l1, &options).unwrap();
    assert!(report.hessian_passes == 0 && report.passes <= 5, "{report:?}");
    let best = proximal_newton(&mut full, &[], &l1, None, &tight()).unwrap();
    assert!(report.value - best.value <= 1e-8 * best.value);

    // And one that misleads does no harm.
    let mut one_class = sample.clone();
    one_class.y.fill(1.0);
    let report = subsampled_proximal_newton(&mut one_class, &mut full, &[], &l1, &options).unwrap();
    assert!(report.stop.is_converged() && report.value - best.value <= 1e-8 * best.value);
}

#[test]
fn a_large_penalty_leaves_the_intercept_alone() {
    let mut objective = Logistic::like_the_benches(500, 5, 0.0);
    let share = objective.y.iter().sum::<f64>() / 500.0;
    let l1 = penalties(5, 1e3);
    for report in [
        owlqn(&mut objective, &[], &l1, &tight()).unwrap(),
        proximal_newton(&mut objective, &[], &l1, None, &tight()).unwrap(),
    ] {
        assert!(report.w[..5].iter().all(|w| w.abs() == 0.0), "{report:?}");
        assert!((report.w[5] - libm::log(share / (1.0 - share))).abs() < 1e-9);
    }
}

#[test]
fn no_penalty_is_the_smooth_problem() {
    let mut objective = Logistic::like_the_benches(300, 4, 1e-3);
    let expected = objective.oracle();
    let report = owlqn(&mut objective, &[], &[], &tight()).unwrap();
    assert_near(&report.w, &expected, 1e-8);
    let report = proximal_newton(&mut objective, &[], &[], None, &tight()).unwrap();
    assert_near(&report.w, &expected, 1e-10);
}

#[test]
fn what_is_not_finite_stops_them_too() {
    let mut objective = Logistic::like_the_benches(50, 2, 0.0);
    objective.x[7] = f64::INFINITY;
    let l1 = penalties(2, 0.1);
    assert_eq!(owlqn(&mut objective, &[], &l1, &tight()).unwrap().stop, Stop::NonFinite);
    let report = proximal_newton(&mut objective, &[], &l1, None, &tight()).unwrap();
    assert_eq!(report.stop, Stop::NonFinite);
}
