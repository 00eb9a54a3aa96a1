//! The program `bench`: one task of Firesteel's benchmarks, one JSON line.
//!
//! `bench TASK DIR [--threads N]`. `seconds` covers the task alone, with its data in memory;
//! input files are those that `generate` writes, or any program that writes the same arrays.

mod chain;
mod collections;
mod csv;
mod generate;
mod gradstep;
mod input;
mod lr;
mod parquet;
mod spill;
mod start;
mod tables;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use firesteel::prelude::*;
use lexopt::prelude::*;

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct Request {
    task: String,
    folder: PathBuf,
    threads: Option<usize>,
    level: String,
    rows: Option<u64>,
    show: bool,
    alone: bool,
    /// The memory budget in MiB.
    limit: Option<u64>,
}

impl Request {
    fn parse() -> Result<Self, lexopt::Error> {
        let mut words = Vec::new();
        let (mut threads, mut level, mut rows) = (None, "memory".to_owned(), None);
        let (mut show, mut alone, mut limit) = (false, false, None);
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("threads") => threads = Some(parser.value()?.parse()?),
                Long("level") => level = parser.value()?.string()?,
                Long("rows") => rows = Some(parser.value()?.parse()?),
                Long("limit") => limit = Some(parser.value()?.parse()?),
                Long("show") => show = true,
                Long("alone") => alone = true,
                Value(word) => words.push(word.string()?),
                other => return Err(other.unexpected()),
            }
        }
        let mut words = words.into_iter();
        let usage = "usage: bench TASK DIR [--threads N] [--level memory|f32|disk|csv|…] [--rows N] [--limit MIB] \
                     [--alone: without bare rayon beside it]";
        let task = words.next().ok_or(usage)?;
        let folder = words.next().map(PathBuf::from).unwrap_or_default();
        Ok(Self { task, folder, threads, level, rows, show, alone, limit })
    }

    fn context(&self) -> firesteel::core::Result<Context> {
        let mut builder = Context::builder();
        if let Some(mib) = self.limit {
            builder = builder.memory_limit(mib << 20);
        }
        match self.threads {
            Some(threads) => builder.threads(threads).build(),
            None => builder.build(),
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let request = Request::parse()?;
    let ctx = request.context()?;
    let line = match request.task.as_str() {
        "lr" => lr::run(&ctx, &request)?,
        "chain" => chain::run(&ctx, &request)?,
        "generate" => generate::run(&request)?,
        "start" => start::run(&ctx)?,
        "gradstep" => gradstep::run(&ctx, &request)?,
        "words" => collections::words(&ctx, &request)?,
        "reduce_by_key" => collections::reduce_by_key(&ctx, &request)?,
        "sort" => collections::sort(&ctx, &request)?,
        "join" => collections::join(&ctx, &request)?,
        "spill" => spill::run(&ctx, &request)?,
        "shuffle_spill" => spill::shuffle(&ctx, &request)?,
        "parquet_read" => parquet::run(&ctx, &request)?,
        "csv_read" => tables::csv_read(&ctx, &request)?,
        "group_agg" => tables::group_agg(&ctx, &request)?,
        "table_join" => tables::table_join(&ctx, &request)?,
        "window" => tables::window(&ctx, &request)?,
        "cache" => collections::cache(&ctx, &request)?,
        other => {
            let tasks = "generate, lr, gradstep, chain, start, words, reduce_by_key, sort, join, \
                         cache, spill, shuffle_spill, parquet_read, csv_read, group_agg, table_join, \
                         window";
            return Err(format!("no task `{other}`: {tasks}").into());
        }
    };
    println!("{line}");
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
