//! The command line.

use std::path::PathBuf;

use lexopt::prelude::*;

use crate::Outcome;

/// What the command line asks for.
#[derive(Debug, Default)]
pub(crate) struct Words {
    pub(crate) data: Option<PathBuf>,
    pub(crate) out: Option<PathBuf>,
    pub(crate) score: Option<PathBuf>,
    pub(crate) threads: Option<usize>,
    pub(crate) seed: u64,
    pub(crate) json: bool,
}

const USAGE: &str = "usage: readmission [--data FILE] [--out DIR] [--score MODEL] [--threads N] [--seed N] [--json]";

impl Words {
    pub(crate) fn parse() -> Outcome<Self> {
        let mut words = Self { seed: 42, ..Self::default() };
        let mut parser = lexopt::Parser::from_env();
        while let Some(word) = parser.next()? {
            match word {
                Long("data") => words.data = Some(parser.value()?.into()),
                Long("out") => words.out = Some(parser.value()?.into()),
                Long("score") => words.score = Some(parser.value()?.into()),
                Long("threads") => words.threads = Some(parser.value()?.parse()?),
                Long("seed") => words.seed = parser.value()?.parse()?,
                Long("json") => words.json = true,
                Short('h') | Long("help") => {
                    println!("{USAGE}");
                    std::process::exit(0);
                }
                other => return Err(format!("{}; {USAGE}", other.unexpected()).into()),
            }
        }
        Ok(words)
    }
}
