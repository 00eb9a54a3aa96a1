//! The three small traits that algorithms share.

use crate::error::Result;

/// Learns a model from an input.
///
/// An estimator is its parameters: a plain value, checked when `fit` is called.
pub trait Estimator<I> {
    /// What is learnt.
    type Model;

    /// Learns from `input`; collective.
    ///
    /// # Errors
    ///
    /// A parameter outside its range, by name; data that cannot be learnt from; whatever the
    /// passes over the data can give.
    fn fit(&self, input: &I) -> Result<Self::Model>;
}

/// Maps an input lazily.
pub trait Transformer<I> {
    /// What comes out.
    type Output;

    /// Maps `input`.
    ///
    /// # Errors
    ///
    /// An input of another shape than the transformer was made for.
    fn transform(&self, input: &I) -> Result<Self::Output>;
}

/// Answers for one row: a pure function, without a context.
pub trait Predict<X: ?Sized> {
    /// The answer.
    type Output;

    /// Answers for `row`.
    ///
    /// # Errors
    ///
    /// A row of another shape than the model was fitted on.
    fn predict(&self, row: &X) -> Result<Self::Output>;
}
