//! Logistic regression against R, statsmodels, and optima found in 80-bit floats.

use std::collections::HashMap;

use firesteel::ml::classification::{Inference, StandardErrors};
use firesteel::prelude::*;
use ndarray::Array1;
use serde_json::Value;

use super::data::{Labelled, load, readmission_of};
use super::{golden, numbers};
use crate::support::shared;

/// A tolerance at which coefficients have more digits than the references are compared to.
const TIGHT: f64 = 1e-22;

fn samples(data: &Labelled, weighted: bool) -> Samples {
    let mut arrays = ArraySamples::new(data.x.clone(), data.y.clone());
    if weighted {
        arrays = arrays.weights(Array1::from_shape_fn(data.y.len(), |i| 1.0 + (i % 3) as f64));
    }
    if let Some(groups) = &data.groups {
        arrays = arrays.groups(groups.clone());
    }
    arrays.build(&Context::local()).unwrap()
}

/// Checks numbers to `tol`, relative to the larger of their own size and `scale`.
fn assert_close(what: &str, got: &[f64], expected: &[f64], scale: &[f64], tol: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (j, (got, expected)) in got.iter().zip(expected).enumerate() {
        let size = expected.abs().max(scale[j]);
        let error = (got - expected).abs() / size;
        assert!(error <= tol, "{what}, number {j}: {got} against {expected}, off by {error:e}");
    }
}

/// For each coefficient, and the intercept, what moves the margin by one over a deviation of its
/// column.
fn units(data: &Labelled) -> Vec<f64> {
    data.x.columns().into_iter().map(|x| 1.0 / x.std(0.0)).chain([1.0]).collect()
}

fn with_intercept(model: &LogisticRegressionModel) -> Vec<f64> {
    model.coefficients.iter().copied().chain([model.intercept]).collect()
}

#[test]
fn the_readmission_fits_are_those_of_r() {
    for (table, key) in [
        ("readmission_shared", "readmission_shared"),
        ("readmission_sample10k", "readmission_sample10k_and_embed10k"),
        ("readmission_embed10k", "readmission_sample10k_and_embed10k"),
    ] {
        let Some(path) = shared(format!("data/diabetes130/{table}.csv.gz")) else { return };
        let reference = reference("diabetes130").unwrap();
        readmission_fits(&readmission_of(&path).unwrap(), &reference["logistic"][key]);
    }
}

/// The reference results beside a data set.
fn reference(set: &str) -> Option<Value> {
    let path = shared(format!("data/{set}/reference.json"))?;
    Some(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
}

/// The unpenalised fit with its standard errors to 8 digits, the penalised ones to 6.
fn readmission_fits(data: &Labelled, reference: &Value) {
    let model = LogisticRegression::new().tol(TIGHT).fit(&samples(data, false)).unwrap();
    let StandardErrors::Available { plain, .. } = &model.summary.standard_errors else {
        panic!("{:?}", model.summary.standard_errors);
    };
    // serde_json's map is sorted by name, so the reference is taken by the names of the columns.
    let names: Vec<&str> = reference_names();
    let column = |what: &str| -> Vec<f64> {
        names.iter().map(|name| reference[what][name].as_f64().unwrap()).collect()
    };
    let none = vec![0.0; names.len()];
    assert_close("coefficients", &with_intercept(&model), &column("coef"), &none, 1e-8);
    assert_close("standard errors", &plain.std_errors(), &column("std_error"), &none, 1e-8);
    let expected = reference["log_likelihood"].as_f64().unwrap();
    assert_close("log-likelihood", &[model.summary.log_likelihood], &[expected], &[0.0], 1e-12);
    let expected = reference["null_deviance"].as_f64().unwrap();
    assert_close("null deviance", &[model.summary.null_deviance()], &[expected], &[0.0], 1e-12);
    for (what, reg_param, share) in [("l1_lambda_0.005", 0.005, 1.0), ("l2_lambda_0.01", 0.01, 0.0)]
    {
        let model = LogisticRegression::new()
            .reg_param(reg_param)
            .elastic_net_param(share)
            .scaling(Scaling::Population)
            .tol(TIGHT)
            .fit(&samples(data, false))
            .unwrap();
        assert_close(what, &with_intercept(&model), &column(what), &units(data), 1e-6);
    }
}

#[test]
fn the_fits_beside_the_other_sets_are_met() {
    let l2 = |case: &Value| {
        let fit = LogisticRegression::new().reg_param(case["lam"].as_f64().unwrap());
        (fit.scaling(Scaling::Population), numbers(&case["coef"]), case["intercept"].clone())
    };
    for (set, name, key) in [
        ("uci-small", "breast_cancer", "logistic_l2_breast_cancer"),
        ("adult", "adult", "logistic_l2"),
        ("higgs-7k", "higgs", "logistic_l2"),
    ] {
        let (Some(reference), Some(data)) = (reference(set), load(name)) else { continue };
        let cases = match &reference[key] {
            Value::Array(cases) => cases.clone(),
            case => vec![case.clone()],
        };
        assert!(!cases.is_empty());
        for case in &cases {
            let (fit, coefficients, intercept) = l2(case);
            let model = fit.tol(TIGHT).fit(&samples(&data, false)).unwrap();
            let what = format!("{name}, lambda {}", case["lam"]);
            let expected = [&coefficients[..], &[intercept.as_f64().unwrap()]].concat();
            assert_close(&what, &with_intercept(&model), &expected, &units(&data), 1e-6);
        }
    }
    let (Some(reference), Some(data)) = (reference("heart-cleveland"), load("heart")) else {
        return;
    };
    let model = LogisticRegression::new().tol(TIGHT).fit(&samples(&data, false)).unwrap();
    let names = ["age", "sex", "trestbps", "chol", "thalach", "exang", "oldpeak", "ca"];
    let names: Vec<&str> = names.into_iter().chain(["(Intercept)"]).collect();
    let column = |what: &str| -> Vec<f64> {
        names.iter().map(|name| reference["logit"][what][name].as_f64().unwrap()).collect()
    };
    let StandardErrors::Available { plain, .. } = &model.summary.standard_errors else {
        panic!("{:?}", model.summary.standard_errors);
    };
    assert_close("heart", &with_intercept(&model), &column("coef"), &[0.0; 9], 1e-8);
    assert_close("heart, errors", &plain.std_errors(), &column("std_error"), &[0.0; 9], 1e-8);
}

fn reference_names() -> Vec<&'static str> {
    vec![
        "time_in_hospital",
        "num_lab_procedures",
        "num_procedures",
        "num_medications",
        "number_outpatient",
        "number_emergency",
        "number_inpatient",
        "number_diagnoses",
        "age_mid",
        "male",
        "emergency_admit",
        "insulin_used",
        "change_ch",
        "diabetesmed",
        "a1c_measured",
        "(Intercept)",
    ]
}

/// Runs the cases of one file that `fit` can fit, and compares coefficients to `tol` in units of
/// the columns' deviations.
fn compare_cases(file: &str, tol: f64, fit: impl Fn(&Value) -> Option<LogisticRegression>) {
    let golden = golden(file);
    let mut loaded: HashMap<String, Option<Labelled>> = HashMap::new();
    let mut compared = 0;
    for case in golden["cases"].as_array().unwrap() {
        let Some(estimator) = fit(case) else { continue };
        let name = case["data"].as_str().unwrap().to_owned();
        let data = loaded.entry(name.clone()).or_insert_with(|| load(&name));
        let Some(data) = data else { continue };
        let weighted = case.get("weights").is_some_and(|weights| !weights.is_null());
        let model = estimator.fit(&samples(data, weighted)).unwrap();
        let expected = coefficients(case, data.x.ncols());
        let label = case["name"].as_str().unwrap();
        // One unit of a coefficient moves the margin by a deviation of its column.
        for (j, expected) in expected.iter().enumerate() {
            let deviation = data.x.column(j).std(0.0);
            let error = (model.coefficients[j] - expected).abs() * deviation;
            let size = 1.0_f64.max(expected.abs() * deviation);
            assert!(
                error <= tol * size,
                "{label}, coefficient {j}: {} against {expected}, off by {:e} ({:?})",
                model.coefficients[j],
                error / size,
                model.summary.stop,
            );
        }
        let objective = case["objective"].as_f64().unwrap();
        let got = model.summary.objective_history.last().unwrap();
        assert!((got - objective).abs() <= 1e-10 * objective, "{label}: {got} {objective}");
        compared += 1;
    }
    assert!(compared > 0 || loaded.values().all(Option::is_none), "{file}: nothing compared");
}

/// A list of all coefficients, or of pairs of position and value for the ones that are not zero.
fn coefficients(case: &Value, d: usize) -> Vec<f64> {
    let list = case["coefficients"].as_array().unwrap();
    if list.first().is_some_and(Value::is_array) || list.len() != d {
        let mut all = vec![0.0; d];
        for pair in list {
            all[pair[0].as_u64().unwrap() as usize] = pair[1].as_f64().unwrap();
        }
        return all;
    }
    numbers(&case["coefficients"])
}

#[test]
fn elastic_net_fits_are_those_of_glmnet() {
    compare_cases("logistic_elastic_net.json", 1e-6, |case| {
        let number = |key: &str| case[key].as_f64().unwrap();
        Some(
            LogisticRegression::new()
                .reg_param(number("reg_param"))
                .elastic_net_param(number("elastic_net_param"))
                .scaling(Scaling::Population)
                .tol(TIGHT),
        )
    });
}

#[test]
fn penalties_with_sample_scaling_and_without_are_those_of_mllib() {
    compare_cases("logistic_sample_scaling.json", 1e-6, |case| {
        let number = |key: &str| case[key].as_f64().unwrap();
        let truth = |key: &str| case[key].as_bool().unwrap();
        if case["scaling"].as_str() == Some("repeated_rows") {
            return None; // another divisor than ours
        }
        Some(
            LogisticRegression::new()
                .reg_param(number("reg_param"))
                .elastic_net_param(number("elastic_net_param"))
                .standardization(truth("standardization"))
                .fit_intercept(truth("fit_intercept"))
                .tol(TIGHT),
        )
    });
}

#[test]
fn plain_and_clustered_errors_are_those_of_r_and_statsmodels() {
    let golden = golden("logistic_clustered_se.json");
    for case in golden["cases"].as_array().unwrap() {
        let Some(data) = load(case["data"].as_str().unwrap()) else { continue };
        let weighted = !case["weights"].is_null();
        let samples = samples(&data, weighted);
        let label = case["name"].as_str().unwrap();
        // The references begin with the intercept, ours ends with it.
        let turned = |value: &Value| {
            let mut values = numbers(value);
            values.rotate_left(1);
            values
        };
        let kinds = [
            ("cluster_none", SmallSample::None),
            ("cluster_groups", SmallSample::Groups),
            ("cluster_groups_and_rows", SmallSample::GroupsAndRows),
        ];
        for (key, small_sample) in kinds {
            let model = LogisticRegression::new()
                .tol(TIGHT)
                .small_sample(small_sample)
                .fit(&samples)
                .unwrap();
            let none = vec![0.0; model.coefficients.len() + 1];
            let expected = turned(&case["coefficients"]);
            assert_close(label, &with_intercept(&model), &expected, &none, 1e-8);
            let errors = |inference: &Inference| inference.std_errors();
            let StandardErrors::Available { plain, clustered: Some(Ok(clustered)) } =
                &model.summary.standard_errors
            else {
                panic!("{label}: {:?}", model.summary.standard_errors);
            };
            let expected = turned(&case["standard_errors"]["plain"]);
            assert_close(label, &errors(plain), &expected, &none, 1e-8);
            let expected = turned(&case["standard_errors"][key]);
            assert_close(label, &errors(clustered), &expected, &none, 1e-8);
            assert_eq!(clustered.groups, case["groups"].as_u64(), "{label}");
        }
    }
}
