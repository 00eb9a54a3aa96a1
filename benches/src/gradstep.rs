//! One step of batch gradient descent: the data in memory, held as f32, or read from disk anew.
//!
//! Beside the step stands the time that reading the matrix once takes, on the same threads.

use std::error::Error;
use std::time::Instant;

use firesteel::core::StorageLevel;
use firesteel::ml::samples::Features;
use firesteel::prelude::*;
use serde_json::{Value, json};

use crate::{Request, input};

/// Steps; the median counts.
const STEPS: usize = 15;

pub(crate) fn run(ctx: &Context, request: &Request) -> Result<Value, Box<dyn Error>> {
    let y = input::vector(&request.folder, "lr_y.npy")?;
    let x = input::matrix::<f64>(&request.folder, "lr_x.npy")?;
    let d = x.ncols();
    let samples = match request.level.as_str() {
        "memory" => Samples::from_arrays(ctx, x, y)?,
        "f32" => ArraySamples::new_f32(x.mapv(|x| x as f32), y).build(ctx)?,
        "disk" => Samples::from_arrays(ctx, x, y)?.persist(StorageLevel::Disk),
        other => return Err(format!("no level `{other}`: memory, f32, disk").into()),
    };
    let descent = GradientDescent { rate: 0.1, lambda: crate::lr::LAMBDA };
    let (mut w, mut b) = (vec![0.0; d], 0.0);
    let (mut steps, mut reads, mut losses) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..STEPS {
        let start = Instant::now();
        losses.push(descent.step(&samples, &mut w, &mut b)?);
        steps.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        read_once(&samples)?;
        reads.push(start.elapsed().as_secs_f64());
    }
    let (step, read) = (median(steps), median(reads));
    Ok(json!({
        "task": "gradstep",
        "level": request.level,
        "step_seconds": step,
        "read_seconds": read,
        "ratio": step / read,
        "first_loss": losses[0],
        "last_loss": losses[STEPS - 1],
        "threads": ctx.threads(),
    }))
}

/// Fixed-rate gradient descent on the mean log loss with half a squared penalty.
struct GradientDescent {
    rate: f64,
    lambda: f64,
}

impl GradientDescent {
    fn step(&self, samples: &Samples, w: &mut [f64], b: &mut f64) -> Result<f64, Box<dyn Error>> {
        let at = firesteel::ml::classification::loss_gradient(samples, w, *b)?;
        for (w, g) in w.iter_mut().zip(&at.gradient) {
            *w -= self.rate * (g + self.lambda * *w);
        }
        *b -= self.rate * at.intercept;
        Ok(at.loss)
    }
}

/// Sums every feature: as little arithmetic as reading can have.
fn read_once(samples: &Samples) -> Result<f64, Box<dyn Error>> {
    let sum = |sum: f64, block: &firesteel::ml::samples::Block| match &block.features {
        Features::Dense(x) => sum + lanes(x.as_chunks::<8>().0.iter().copied()),
        Features::DenseF32(x) => {
            sum + lanes(x.as_chunks::<8>().0.iter().map(|chunk| chunk.map(f64::from)))
        }
        _ => sum,
    };
    Ok(samples.blocks().tree_aggregate(0.0, sum, |a, b| a + b)?)
}

fn lanes(chunks: impl Iterator<Item = [f64; 8]>) -> f64 {
    let mut sums = [[0.0; 8]; 4];
    for (i, chunk) in chunks.enumerate() {
        for (sum, x) in sums[i % 4].iter_mut().zip(chunk) {
            *sum += x;
        }
    }
    sums.iter().flatten().sum()
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}
