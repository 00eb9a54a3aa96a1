//! A chain of cheap operators next to the same chain in bare rayon, in one process.

use std::error::Error;
use std::time::Instant;

use firesteel::prelude::*;
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::Request;

/// Runs of each side; the median counts.
const RUNS: usize = 7;

fn splitmix64(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn ours(ctx: &Context, rows: u64) -> Result<f64, Box<dyn Error>> {
    let chain =
        ctx.range(0..rows).map(splitmix64).filter(|x| x % 3 == 0).map(|x| (x as f64).sqrt());
    Ok(chain.sum()?)
}

fn bare(pool: &rayon::ThreadPool, rows: u64) -> f64 {
    pool.install(|| {
        (0..rows)
            .into_par_iter()
            .map(splitmix64)
            .filter(|x| x % 3 == 0)
            .map(|x| (x as f64).sqrt())
            .sum()
    })
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

pub(crate) fn run(ctx: &Context, request: &Request) -> Result<Value, Box<dyn Error>> {
    let rows = request.rows.unwrap_or(100_000_000);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(ctx.threads()).build()?;
    let (mut here, mut there) = (Vec::new(), Vec::new());
    let (mut answer, mut expected) = (0.0, 0.0);
    for _ in 0..RUNS {
        let start = Instant::now();
        answer = ours(ctx, rows)?;
        here.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        expected = bare(&pool, rows);
        there.push(start.elapsed().as_secs_f64());
    }
    // Rayon's sum is bracketed by chance, so only rounding may differ.
    if (answer - expected).abs() > 1e-9 * expected {
        return Err(format!("answers differ: {answer} and {expected}").into());
    }
    let (seconds, rayon) = (median(here), median(there));
    Ok(json!({
        "task": "chain",
        "seconds": seconds,
        "rayon_seconds": rayon,
        "ratio": seconds / rayon,
        "answer": answer,
        "threads": ctx.threads(),
    }))
}
