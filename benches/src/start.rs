//! From the start of the process to the first result of a small fit.

use std::error::Error;

use firesteel::prelude::*;
use ndarray::{Array1, Array2};
use serde_json::{Value, json};

/// Seconds since this process was started, by the kernel's clock; whoever runs the program from
/// outside measures the same plus the loading of the program.
pub(crate) fn run(ctx: &Context) -> Result<Value, Box<dyn Error>> {
    let x = Array2::from_shape_fn((10, 3), |(i, j)| ((i * (j + 2)) % 7) as f64);
    let y = Array1::from_shape_fn(10, |i| f64::from(u8::from(i % 3 == 0)));
    let samples = Samples::from_arrays(ctx, x, y)?;
    let model = LogisticRegression::new().reg_param(0.1).fit(&samples)?;
    Ok(json!({
        "task": "start",
        "seconds": since_start()?,
        "coefficients": model.coefficients,
        "threads": ctx.threads(),
    }))
}

/// Field 22 of `/proc/self/stat` is the start in ticks of 1/100 s since boot.
fn since_start() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = after_name.split_whitespace().nth(19).ok_or("no start time")?.parse()?;
    let uptime = std::fs::read_to_string("/proc/uptime")?;
    let up: f64 = uptime.split_whitespace().next().ok_or("no uptime")?.parse()?;
    Ok(up - ticks / 100.0)
}
