//! Estimators of class probabilities.

mod logistic;

pub use logistic::{
    CoefficientRow, Dropped, DroppedBecause, Inference, LogisticColumns, LogisticRegression,
    LogisticRegressionModel, LogisticRegressionStage, LogisticSummary, LossGradient, Prediction,
    Separation, SmallSample, Solver, StandardErrors, loss_gradient,
};
