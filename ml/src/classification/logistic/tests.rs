//! Laws of the logistic fit, on small data.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use firesteel_core::testing::on_ranks;
use firesteel_core::{Context, StorageLevel};
use firesteel_table::{Schema, Table, Type, sparse_vector_column};
use ndarray::{Array1, Array2, array};
use proptest::prelude::*;

use super::StandardErrors::Available;
use super::*;
use crate::estimator::Predict;
use crate::samples::{ArraySamples, Block, Features, TableSamples};

/// Rows with `d` features of unlike size, and labels drawn from a logistic model.
fn data(n: usize, d: usize, seed: u64) -> (Array2<f64>, Array1<f64>) {
    let draws = firesteel_core::rng::Draws::new(seed, "test rows");
    let x = Array2::from_shape_fn((n, d), |(i, j)| {
        let sum: f64 = (0..4).map(|k| draws.uniform_at(i as u64, (4 * j + k) as u64)).sum();
        (sum - 2.0) * (1.0 + j as f64) + j as f64
    });
    let y = Array1::from_shape_fn(n, |i| {
        // Each feature's mean is its number.
        let centred = |j: usize| (x[[i, j]] - j as f64) / (1.0 + j as f64);
        let margin: f64 = (0..d).map(centred).sum::<f64>() * (2.0 / d as f64).sqrt() - 0.5;
        let share = 1.0 / (1.0 + (-margin).exp());
        f64::from(u8::from(draws.uniform_at(i as u64, 1_000) < share))
    });
    (x, y)
}

fn samples(ctx: &Context, n: usize, d: usize) -> Samples {
    let (x, y) = data(n, d, 1);
    Samples::from_arrays(ctx, x, y).unwrap()
}

fn bits(model: &LogisticRegressionModel) -> Vec<u64> {
    let all = model.coefficients.iter().chain([&model.intercept]);
    all.chain(&model.summary.objective_history).map(|x| x.to_bits()).collect()
}

/// The gradient of the penalised mean log loss in the raw coefficients, the slow way.
fn plain_gradient(x: &Array2<f64>, y: &Array1<f64>, w: &[f64], b: f64, l2: &[f64]) -> Vec<f64> {
    let n = y.len() as f64;
    let mut gradient: Vec<f64> = w.iter().zip(l2).map(|(w, l2)| w * l2).collect();
    gradient.push(0.0);
    for (row, y) in x.outer_iter().zip(y) {
        let margin: f64 = row.iter().zip(w).map(|(x, w)| x * w).sum::<f64>() + b;
        let residual = (1.0 / (1.0 + (-margin).exp()) - y) / n;
        for (g, x) in gradient.iter_mut().zip(row.iter().chain([&1.0])) {
            *g += residual * x;
        }
    }
    gradient
}

#[test]
fn a_fit_has_the_same_bits_on_any_number_of_ranks_and_threads() {
    // Wide enough for the path that samples rows.
    let fit = |ctx: &Context| {
        let samples = samples(ctx, 60_000, 100);
        bits(&LogisticRegression::new().reg_param(0.01).fit(&samples).unwrap())
    };
    let alone = fit(&Context::local());
    for threads in [1, 2, 7] {
        assert_eq!(fit(&Context::builder().threads(threads).build().unwrap()), alone);
    }
    for model in on_ranks(3, fit) {
        assert_eq!(model, alone);
    }
}

#[test]
fn every_solver_finds_the_point_where_the_gradient_vanishes() {
    let (x, y) = data(3_000, 5, 2);
    let samples = Samples::from_arrays(&Context::local(), x.clone(), y.clone()).unwrap();
    for solver in [Solver::Auto, Solver::Newton, Solver::Lbfgs] {
        let model = LogisticRegression::new()
            .reg_param(0.1)
            .standardization(false)
            .tol(1e-20)
            .max_iter(1_000)
            .solver(solver)
            .fit(&samples)
            .unwrap();
        let gradient = plain_gradient(&x, &y, &model.coefficients, model.intercept, &[0.1; 5]);
        let largest = gradient.iter().fold(0.0, |max: f64, g| max.max(g.abs()));
        assert!(largest < 1e-8, "{solver:?}: {largest:e}");
    }
}

#[test]
fn weight_two_is_the_row_twice() {
    let ctx = Context::local();
    let (x, y) = data(400, 3, 3);
    let weights = Array1::from_shape_fn(400, |i| 1.0 + (i % 2) as f64);
    let twice: Vec<usize> = (0..400).flat_map(|i| vec![i; 1 + i % 2]).collect();
    let repeated = Samples::from_arrays(
        &ctx,
        x.select(ndarray::Axis(0), &twice),
        y.select(ndarray::Axis(0), &twice),
    );
    let weighted = ArraySamples::new(x, y).weights(weights).build(&ctx).unwrap();
    for reg_param in [0.0, 0.1] {
        let estimator =
            LogisticRegression::new().reg_param(reg_param).scaling(Scaling::Population).tol(1e-20);
        let one = estimator.fit(&weighted).unwrap();
        let other = estimator.fit(repeated.as_ref().unwrap()).unwrap();
        for (a, b) in one.coefficients.iter().zip(&other.coefficients) {
            approx::assert_relative_eq!(*a, *b, max_relative = 1e-9);
        }
        if let (Ok(a), Ok(b)) =
            (one.summary.standard_errors.best(), other.summary.standard_errors.best())
        {
            for (a, b) in a.std_errors().iter().zip(b.std_errors()) {
                approx::assert_relative_eq!(*a, b, max_relative = 1e-9);
            }
        }
    }
}

#[test]
fn parameters_out_of_range_are_refused_by_name() {
    let samples = samples(&Context::local(), 50, 2);
    let new = LogisticRegression::new;
    let wrong = [
        ("reg_param", new().reg_param(-1.0)),
        ("reg_param", new().reg_param(f64::NAN)),
        ("elastic_net_param", new().elastic_net_param(1.5)),
        ("max_iter", new().max_iter(0)),
        ("tol", new().tol(f64::NAN)),
        ("threshold", new().threshold(2.0)),
    ];
    for (name, estimator) in wrong {
        let error = estimator.fit(&samples).unwrap_err();
        assert!(matches!(&error, Error::Parameter { name: n, .. } if n == name), "{error}");
    }
}

#[test]
fn labels_that_cannot_be_learnt_from_are_refused() {
    let ctx = Context::local();
    let fit = |y: Array1<f64>| {
        let samples = Samples::from_arrays(&ctx, array![[1.0], [2.0], [3.0]], y).unwrap();
        LogisticRegression::new().fit(&samples).unwrap_err()
    };
    assert!(matches!(fit(array![0.0, 2.0, 1.0]), Error::BadValue { row: 1, .. }));
    assert!(matches!(fit(array![1.0, 1.0, 1.0]), Error::OneClass { label, .. } if label == "1"));
    assert!(matches!(fit(array![0.0, 0.0, 0.0]), Error::OneClass { label, .. } if label == "0"));
    let weightless = ArraySamples::new(array![[1.0], [2.0]], array![0.0, 1.0])
        .weights(array![0.0, 0.0])
        .build(&ctx)
        .unwrap();
    let error = LogisticRegression::new().fit(&weightless).unwrap_err();
    assert!(matches!(error, Error::EmptyData { .. }), "{error}");
}

#[test]
fn constant_and_collinear_columns_are_dropped_and_named() {
    let (x, y) = data(500, 2, 4);
    let wide = Array2::from_shape_fn((500, 4), |(i, j)| match j {
        0 | 1 => x[[i, j]],
        2 => 7.0,
        _ => 2.0 * x[[i, 0]] - x[[i, 1]],
    });
    let ctx = Context::local();
    let fit = |x, standardization| {
        let samples = Samples::from_arrays(&ctx, x, y.clone()).unwrap();
        let estimator = LogisticRegression::new().tol(1e-20).standardization(standardization);
        estimator.fit(&samples).unwrap()
    };
    for standardization in [true, false] {
        let model = fit(wide.clone(), standardization);
        let mut names: Vec<&str> =
            model.summary.dropped.iter().map(|dropped| dropped.feature.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["x2", "x3"], "{:?}", model.summary.dropped);
        let narrow = fit(x.clone(), standardization);
        for j in 0..2 {
            approx::assert_relative_eq!(
                model.coefficients[j],
                narrow.coefficients[j],
                max_relative = 1e-8
            );
        }
        assert_eq!(model.coefficients[2..], [0.0, 0.0]);
    }
}

#[test]
fn separation_is_noticed_named_and_leaves_no_standard_errors() {
    let (mut x, y) = data(300, 2, 5);
    for i in 0..300 {
        x[[i, 1]] = (2.0 * y[i] - 1.0) * (1.0 + x[[i, 1]].abs());
    }
    let samples = Samples::from_arrays(&Context::local(), x, y).unwrap();
    let model = LogisticRegression::new().fit(&samples).unwrap();
    let separation = model.summary.separation.as_ref().unwrap();
    assert!(separation.is_complete);
    assert_eq!(separation.features[0], "x1");
    assert!(model.summary.standard_errors.best().is_err());
    // A penalty makes the optimum finite again.
    let penalised = LogisticRegression::new().reg_param(0.1).fit(&samples).unwrap();
    assert!(penalised.summary.separation.is_none() && penalised.summary.is_converged());
}

#[test]
fn overlapping_classes_are_not_taken_for_separated() {
    for seed in 6..12 {
        let (x, y) = data(200, 3, seed);
        let samples = Samples::from_arrays(&Context::local(), x, y).unwrap();
        let model = LogisticRegression::new().fit(&samples).unwrap();
        assert_eq!(model.summary.separation, None);
    }
}

#[test]
fn f32_and_disk_samples_give_the_same_fit() {
    let ctx = Context::local();
    let (x, y) = data(2_000, 4, 13);
    // Halves are exact in f32.
    let x = x.mapv(|x| (2.0 * x).round() / 2.0);
    let dense = Samples::from_arrays(&ctx, x.clone(), y.clone()).unwrap();
    let narrow = ArraySamples::new_f32(x.mapv(|x| x as f32), y).build(&ctx).unwrap();
    let estimator = LogisticRegression::new().tol(1e-20);
    let expected = estimator.fit(&dense).unwrap();
    assert_eq!(bits(&estimator.fit(&narrow).unwrap()), bits(&expected));
    let disk = estimator.fit(&dense.persist(StorageLevel::Disk)).unwrap();
    assert_eq!(bits(&disk), bits(&expected));
}

/// Two thirds zeros, as a table with a sparse vector column and as an array.
fn sparse_data(n: usize, d: usize) -> (RecordBatch, Array2<f64>, Array1<f64>) {
    let (mut x, y) = data(n, d, 21);
    x.indexed_iter_mut().for_each(|((i, j), x)| *x *= f64::from(u8::from((i + 2 * j) % 3 == 0)));
    let rows = x.outer_iter().map(|row| {
        let stored = row.iter().enumerate().filter(|(_, x)| x.abs() > 0.0);
        stored.map(|(j, &x)| (j as u32, x)).unzip::<u32, f64, Vec<_>, Vec<_>>()
    });
    let features = sparse_vector_column(d, rows).unwrap();
    let label = Arc::new(Float64Array::from(y.to_vec())) as ArrayRef;
    let schema = Schema::of([("features", Type::SparseVector(d)), ("label", Type::F64)]).unwrap();
    (schema.batch(vec![features, label], n).unwrap(), x, y)
}

#[test]
fn sparse_samples_give_the_dense_fit_with_the_same_bits_anywhere() {
    let (batch, x, y) = sparse_data(3_000, 9);
    for (reg_param, share) in [(0.0, 0.0), (0.02, 0.0), (0.01, 1.0), (0.02, 0.4)] {
        let estimator =
            LogisticRegression::new().reg_param(reg_param).elastic_net_param(share).tol(1e-20);
        let fit = |ctx: &Context| {
            let halves = [batch.slice(0, 1_100), batch.slice(1_100, 1_900)];
            let table = Table::from_batches(ctx, halves.to_vec()).unwrap();
            let samples = TableSamples::new(&table).build().unwrap();
            let sparse = |block: &Block| matches!(block.features, Features::Sparse(_));
            assert!(samples.blocks().map_ref(sparse).reduce(|a, b| a && b).unwrap().unwrap());
            estimator.fit(&samples).unwrap()
        };
        let models: Vec<_> = [1, 3].into_iter().flat_map(|ranks| on_ranks(ranks, fit)).collect();
        assert!(models.iter().all(|model| bits(model) == bits(&models[0])));
        let dense = Samples::from_arrays(&Context::local(), x.clone(), y.clone()).unwrap();
        let dense = estimator.fit(&dense).unwrap();
        let all = |model: &LogisticRegressionModel| {
            [&model.coefficients[..], &[model.intercept]].concat()
        };
        for (sparse, dense) in all(&models[0]).iter().zip(all(&dense)) {
            assert!((sparse - dense).abs() < 1e-10 * (1.0 + dense.abs()), "{sparse} {dense}");
        }
        let found = [&models[0].summary.standard_errors, &dense.summary.standard_errors];
        if let [Available { plain: a, .. }, Available { plain: b, .. }] = found {
            for (a, b) in a.std_errors().iter().zip(b.std_errors()) {
                assert!((a / b - 1.0).abs() < 1e-9, "{a} {b}");
            }
        } else {
            assert!(reg_param > 0.0, "{found:?}");
        }
    }
}

#[test]
fn slopes_and_their_errors_do_not_depend_on_where_features_lie() {
    let (x, y) = data(3_000, 4, 31);
    let x = x.mapv(|x| (64.0 * x).round() / 64.0); // adding the offsets is exact
    let groups: Vec<u64> = (0..3_000).map(|i| i / 7).collect();
    for (reg_param, standardization) in [(0.0, true), (0.0, false), (0.1, true), (0.1, false)] {
        let estimator = LogisticRegression::new()
            .reg_param(reg_param)
            .standardization(standardization)
            .tol(1e-20);
        let fit = |ctx: &Context, offset: f64| {
            let samples = ArraySamples::new(&x + offset, y.clone()).groups(groups.clone());
            estimator.fit(&samples.build(ctx).unwrap()).unwrap()
        };
        let near = fit(&Context::local(), 0.0);
        for offset in [1e3, -1e5, 1e7, 1e9, 1e12] {
            let models: Vec<_> =
                [1, 3].into_iter().flat_map(|n| on_ranks(n, |ctx| fit(ctx, offset))).collect();
            assert!(models.iter().all(|model| bits(model) == bits(&models[0])));
            let far = &models[0];
            assert!(far.summary.is_converged() && far.summary.dropped.is_empty(), "{offset}");
            for (a, b) in far.coefficients.iter().zip(&near.coefficients) {
                assert!((a - b).abs() < 1e-9 * b.abs().max(1e-2), "{offset}: {a} {b}");
            }
            let intercept = near.intercept - offset * near.coefficients.iter().sum::<f64>();
            assert!((far.intercept / intercept - 1.0).abs() < 1e-8, "{offset}");
            let errors = |model: &LogisticRegressionModel| match &model.summary.standard_errors {
                Available { plain, clustered: Some(Ok(clustered)) } => {
                    [&plain.std_errors()[..4], &clustered.std_errors()[..4]].concat()
                }
                _ => Vec::new(),
            };
            assert_eq!(errors(far).len(), if reg_param > 0.0 { 0 } else { 8 });
            for (a, b) in errors(far).iter().zip(errors(&near)) {
                assert!((a / b - 1.0).abs() < 1e-9, "{offset}: {a} {b}");
            }
        }
    }
}

#[test]
fn features_out_of_reach_are_refused_by_name_and_large_ones_are_not() {
    let (x, y) = data(500, 2, 33);
    let ctx = Context::local();
    for standardization in [true, false] {
        let fit = |x: Array2<f64>| {
            let samples = ArraySamples::new(x, y.clone()).names(["a", "b"]).build(&ctx).unwrap();
            LogisticRegression::new().standardization(standardization).fit(&samples)
        };
        for scale in [1e160, 1e-170] {
            let mut x = x.clone();
            x.column_mut(1).mapv_inplace(|x| x * scale);
            let error = fit(x).unwrap_err();
            assert!(matches!(&error, Error::Column { column, .. } if column == "b"), "{error}");
        }
    }
    let near =
        LogisticRegression::new().fit(&Samples::from_arrays(&ctx, x.clone(), y.clone()).unwrap());
    let far =
        LogisticRegression::new().fit(&Samples::from_arrays(&ctx, &x * 1e100, y.clone()).unwrap());
    let (near, far) = (near.unwrap().coefficients[0], far.unwrap().coefficients[0] * 1e100);
    assert!((near / far - 1.0).abs() < 1e-7, "{near} {far}");
}

#[test]
fn estimates_with_errors_are_exact_in_their_measure_by_default() {
    let (x, y) = data(4_000, 6, 35);
    let samples = Samples::from_arrays(&Context::local(), x, y).unwrap();
    let default = LogisticRegression::new().fit(&samples).unwrap();
    let exact = LogisticRegression::new().tol(1e-22).fit(&samples).unwrap();
    let errors = exact.summary.standard_errors.best().unwrap().std_errors();
    for ((a, b), error) in default.coefficients.iter().zip(&exact.coefficients).zip(errors) {
        assert!((a - b).abs() < 2e-5 * error, "{a} {b} {error}");
    }
}

#[test]
fn clustered_errors_that_cannot_be_had_are_not_replaced() {
    let (x, y) = data(8, 2, 37);
    let ctx = Context::local();
    let y =
        Array1::from_shape_fn(8, |i| if i < 8 { f64::from(u8::from(i % 2 == 0)) } else { y[i] });
    let fit = |groups: Vec<u64>, weight: f64| {
        let samples = ArraySamples::new(x.clone(), y.clone()).groups(groups);
        let samples = samples.weights(Array1::from_elem(8, weight)).build(&ctx).unwrap();
        LogisticRegression::new().fit(&samples).unwrap().summary.standard_errors
    };
    let one = fit(vec![7; 8], 1.0).best().unwrap_err().to_string();
    assert!(one.contains("one group"), "{one}");
    let light = fit((0..8).collect(), 0.3).best().unwrap_err().to_string();
    assert!(light.contains("weights sum to"), "{light}");
}

#[test]
fn a_row_alone_is_predicted_as_among_others() {
    let ctx = Context::local();
    let (x, y) = data(700, 11, 14);
    let samples = Samples::from_arrays(&ctx, x.clone(), y).unwrap();
    let model = LogisticRegression::new().fit(&samples).unwrap();
    let all = model.probabilities(&samples).unwrap().collect().unwrap();
    for (row, expected) in x.outer_iter().zip(all) {
        let got = model.predict(row.as_slice().unwrap()).unwrap().probability;
        assert_eq!(got.to_bits(), expected.to_bits());
    }
    let short = model.predict(&[1.0][..]).unwrap_err();
    assert_eq!(short, Error::Shape { what: "features of a row".into(), expected: 11, got: 1 });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn standardisation_does_not_move_an_unpenalised_optimum(seed in 20_u64..1_000) {
        let (x, y) = data(300, 3, seed);
        let samples = Samples::from_arrays(&Context::local(), x, y).unwrap();
        let estimator = LogisticRegression::new().tol(1e-20);
        let scaled = estimator.clone().fit(&samples).unwrap();
        let raw = estimator.standardization(false).fit(&samples).unwrap();
        prop_assume!(scaled.summary.separation.is_none());
        for (a, b) in scaled.coefficients.iter().zip(&raw.coefficients) {
            prop_assert!((a - b).abs() <= 1e-8 * (1.0 + a.abs()), "{} {}", a, b);
        }
    }
}
