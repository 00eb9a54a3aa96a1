//! One step of batch gradient descent, with the data in memory, held as f32, on disk, or as CSV.

use std::error::Error;
use std::time::Instant;

use firesteel::prelude::*;
use serde_json::{Value, json};

use crate::{Request, input};

pub(crate) fn run(_ctx: &Context, request: &Request) -> Result<Value, Box<dyn Error>> {
    let _ = (input::vector(&request.folder, "lr_y.npy")?, Instant::now());
    Err(format!("level `{}` is not built yet", request.level).into())
}

#[expect(dead_code, reason = "the shape of the answer")]
fn answer(step: f64) -> Value {
    json!({ "step_seconds": step })
}
