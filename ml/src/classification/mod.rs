//! Estimators of class probabilities.

mod logistic;

pub use logistic::{
    CoefficientRow, Dropped, DroppedBecause, Inference, LogisticRegression,
    LogisticRegressionModel, LogisticSummary, Prediction, Scaling, Separation, SmallSample, Solver,
    StandardErrors,
};
