//! The fitted model: what it predicts, and how its fit went.

use firesteel_core::Dataset;
use serde::{Deserialize, Serialize};

use super::inference::StandardErrors;
use super::separation::Separation;
use crate::error::{Error, Result};
use crate::estimator::Predict;
use crate::kernel::{DenseRows, margins, sigmoid};
use crate::optim::Stop;
use crate::samples::Samples;

/// A fitted binary logistic regression.
#[derive(Clone, Debug, PartialEq)]
pub struct LogisticRegressionModel {
    /// One coefficient for each feature, on the feature's own scale.
    pub coefficients: Vec<f64>,
    /// The intercept; 0 if none was fitted.
    pub intercept: f64,
    /// Rows with a probability above this are predicted to be of class 1.
    pub threshold: f64,
    /// The features' names.
    pub names: Vec<String>,
    /// How the fit went.
    pub summary: LogisticSummary,
}

/// How a logistic fit went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogisticSummary {
    /// The objective at the start and after each step: mean log loss plus penalty.
    pub objective_history: Vec<f64>,
    /// Steps of the solver.
    pub iterations: usize,
    /// Passes over the data for loss and gradient.
    pub passes: usize,
    /// Passes over the data for second derivatives.
    pub hessian_passes: usize,
    /// Why the solver stopped.
    pub stop: Stop,
    /// Mean log loss at the solution, in nats, without the penalty.
    pub log_loss: f64,
    /// Log-likelihood at the solution: minus the weighted sum of the log losses.
    pub log_likelihood: f64,
    /// Log-likelihood of the model that has an intercept only (or nothing, without one).
    pub null_log_likelihood: f64,
    /// Number of rows.
    pub rows: u64,
    /// Sum of the weights: the number of rows, weights counted as repeated rows.
    pub weight: f64,
    /// Features that took no part, and why; their coefficients are 0.
    pub dropped: Vec<Dropped>,
    /// A separation of the classes by the features, if one was noticed: coefficients and
    /// standard errors then mean nothing.
    pub separation: Option<Separation>,
    /// Standard errors, or why there are none.
    pub standard_errors: StandardErrors,
}

impl LogisticSummary {
    /// Whether the solver reached its tolerance.
    pub fn is_converged(&self) -> bool {
        self.stop.is_converged()
    }

    /// Twice the log-likelihood lost against a model that fits every row: `−2·log L`.
    pub fn deviance(&self) -> f64 {
        -2.0 * self.log_likelihood
    }

    /// The [`deviance`](Self::deviance) of the model without features.
    pub fn null_deviance(&self) -> f64 {
        -2.0 * self.null_log_likelihood
    }
}

/// A feature that took no part in a fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Its name.
    pub feature: String,
    /// Why.
    pub because: DroppedBecause,
}

/// Why a feature took no part in a fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum DroppedBecause {
    /// It has one value only.
    Constant,
    /// It is a linear combination of the features before it (and the intercept).
    Collinear,
}

/// What the model says of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// The log odds.
    pub margin: f64,
    /// The probability of class 1.
    pub probability: f64,
    /// The predicted class, 0 or 1.
    pub label: f64,
}

impl LogisticRegressionModel {
    /// The log odds of one row.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if the row has another number of features than the model,
    /// [`Error::BadValue`] for a feature that is not finite.
    pub fn margin(&self, row: &[f64]) -> Result<f64> {
        if let Some(j) = row.iter().position(|x| !x.is_finite()) {
            return Err(Error::BadValue {
                row: 0,
                column: self.names.get(j).cloned().unwrap_or_default(),
                value: row[j].to_string(),
                expected: "a finite number".into(),
            });
        }
        let expected = self.coefficients.len();
        let wrong = || Error::Shape { what: "features of a row".into(), expected, got: row.len() };
        let rows = DenseRows::new(row, 1, expected).map_err(|_| wrong())?;
        let mut margin = [0.0];
        margins(&rows, &self.coefficients, self.intercept, &mut margin).map_err(|_| wrong())?;
        Ok(margin[0])
    }

    /// What the model makes of the log odds of a row.
    pub fn of_margin(&self, margin: f64) -> Prediction {
        let probability = sigmoid(margin);
        let label = f64::from(u8::from(probability > self.threshold));
        Prediction { margin, probability, label }
    }

    /// The probability of class 1 for every row of `samples`, in their order, lazily.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if they have another number of features than the model.
    pub fn probabilities(&self, samples: &Samples) -> Result<Dataset<f64>> {
        let scored = self.scored(samples)?;
        Ok(scored.map_ref(|(probability, _, _)| *probability))
    }

    /// (probability of class 1, label, weight) of every row of `samples`: what evaluation takes.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if they have another number of features than the model.
    pub fn scored(&self, samples: &Samples) -> Result<Dataset<(f64, f64, f64)>> {
        if samples.d() != self.coefficients.len() {
            let expected = self.coefficients.len();
            return Err(Error::Shape { what: "features".into(), expected, got: samples.d() });
        }
        let (v, b) = (self.coefficients.clone(), self.intercept);
        let rows = samples.blocks().try_map(move |block| {
            let margins = block.margins(&v, b)?;
            let row = |(i, m): (usize, f64)| (sigmoid(m), block.labels[i], block.weight(i));
            Ok::<Vec<_>, crate::kernel::ShapeError>(
                margins.into_iter().enumerate().map(row).collect(),
            )
        });
        Ok(rows.flat_map(|rows| rows))
    }
}

impl Predict<[f64]> for LogisticRegressionModel {
    type Output = Prediction;

    fn predict(&self, row: &[f64]) -> Result<Prediction> {
        Ok(self.of_margin(self.margin(row)?))
    }
}
