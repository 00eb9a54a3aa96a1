//! Logistic regression with an L2 penalty to a relative 1e-8 of the smallest objective.

use std::error::Error;
use std::time::Instant;

use firesteel::prelude::*;
use serde_json::{Value, json};

use crate::{Request, input};

/// Weight of the penalty.
pub(crate) const LAMBDA: f64 = 1e-3;

pub(crate) fn run(ctx: &Context, request: &Request) -> Result<Value, Box<dyn Error>> {
    let x = input::matrix::<f64>(&request.folder, "lr_x.npy")?;
    let y = input::vector(&request.folder, "lr_y.npy")?;
    let samples = Samples::from_arrays(ctx, x, y)?;
    let estimator = LogisticRegression::new().reg_param(LAMBDA).standardization(false).tol(1e-8);
    let start = Instant::now();
    let model = estimator.fit(&samples)?;
    let seconds = start.elapsed().as_secs_f64();
    let summary = &model.summary;
    Ok(json!({
        "task": "lr",
        "seconds": seconds,
        "logloss": summary.log_loss,
        "objective": summary.objective_history.last(),
        "iterations": summary.iterations,
        "passes": summary.passes,
        "hessian_passes": summary.hessian_passes,
        "stop": format!("{:?}", summary.stop),
        "history": if request.show { json!(summary.objective_history) } else { Value::Null },
        "threads": ctx.threads(),
    }))
}
