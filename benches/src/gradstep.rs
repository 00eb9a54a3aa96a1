//! One step of batch gradient descent: the data in memory, held as f32, read from our own disk
//! level anew, or parsed from a CSV file anew.
//!
//! Beside the step stands the time that reading the matrix once takes, on the same threads and from
//! the same place.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use firesteel::core::StorageLevel;
use firesteel::ml::classification::{LossGradient, loss_gradient};
use firesteel::ml::samples::Features;
use firesteel::prelude::*;
use serde_json::{Value, json};

use crate::csv::TextRows;
use crate::{Request, input};

/// Steps; the median counts.
const STEPS: usize = 15;

/// Where the rows are between two steps.
enum Rows {
    Kept(Samples),
    Text(TextRows),
}

impl Rows {
    fn open(ctx: &Context, request: &Request) -> Result<Self, Box<dyn Error>> {
        if request.level == "csv" {
            return Ok(Self::Text(TextRows::open(ctx, &request.folder.join("lr.csv"))?));
        }
        let y = input::vector(&request.folder, "lr_y.npy")?;
        let x = input::matrix::<f64>(&request.folder, "lr_x.npy")?;
        Ok(Self::Kept(match request.level.as_str() {
            "memory" => Samples::from_arrays(ctx, x, y)?,
            "f32" => ArraySamples::new_f32(x.mapv(|x| x as f32), y).build(ctx)?,
            "disk" => Samples::from_arrays(ctx, x, y)?.persist(StorageLevel::Disk),
            other => return Err(format!("no level `{other}`: memory, f32, disk, csv").into()),
        }))
    }

    fn width(&self) -> usize {
        match self {
            Self::Kept(samples) => samples.d(),
            Self::Text(rows) => rows.width(),
        }
    }

    fn loss_gradient(&self, w: &[f64], b: f64) -> Result<LossGradient, Box<dyn Error>> {
        match self {
            Self::Kept(samples) => Ok(loss_gradient(samples, w, b)?),
            Self::Text(rows) => rows.loss_gradient(w, b),
        }
    }

    /// Sums every feature: as little arithmetic as reading can have.
    fn read_once(&self) -> Result<f64, Box<dyn Error>> {
        match self {
            Self::Kept(samples) => Ok(sum_of(samples)?),
            Self::Text(rows) => rows.read_once(),
        }
    }
}

pub(crate) fn run(ctx: &Context, request: &Request) -> Result<Value, Box<dyn Error>> {
    let rows = Rows::open(ctx, request)?;
    let descent = GradientDescent { rate: 0.1, lambda: crate::lr::LAMBDA };
    let (mut w, mut b) = (vec![0.0; rows.width()], 0.0);
    let (mut steps, mut reads, mut losses) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..STEPS {
        let start = Instant::now();
        losses.push(descent.step(&rows, &mut w, &mut b)?);
        steps.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        black_box(rows.read_once()?);
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
    fn step(&self, rows: &Rows, w: &mut [f64], b: &mut f64) -> Result<f64, Box<dyn Error>> {
        let at = rows.loss_gradient(w, *b)?;
        for (w, g) in w.iter_mut().zip(&at.gradient) {
            *w -= self.rate * (g + self.lambda * *w);
        }
        *b -= self.rate * at.intercept;
        Ok(at.loss)
    }
}

fn sum_of(samples: &Samples) -> firesteel::core::Result<f64> {
    let sum = |sum: f64, block: &firesteel::ml::samples::Block| match &block.features {
        Features::Dense(x) => sum + lanes(x.as_chunks::<8>().0.iter().copied()),
        Features::DenseF32(x) => {
            sum + lanes(x.as_chunks::<8>().0.iter().map(|chunk| chunk.map(f64::from)))
        }
        _ => sum,
    };
    samples.blocks().tree_aggregate(0.0, sum, |a, b| a + b)
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
