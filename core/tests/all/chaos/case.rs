//! One case: a pipeline, the ranks it runs on, and what goes wrong there, all from one seed.

use std::fmt;
use std::path::Path;

use firesteel_core::chaos::{Chaos, Fault};
use firesteel_core::hash::mix;
use firesteel_core::transport::{Alone, Transport};
use firesteel_core::{Context, Result};

use super::operators::{ACTIONS, Action, OPERATORS, Operator};

/// What a rank got from each step of the program.
pub(crate) type Outcomes = Vec<Result<Vec<u64>>>;

#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    start: Vec<i64>,
    operators: Vec<(Operator, i64)>,
    actions: Vec<(Action, i64)>,
    partitions: usize,
    pub(crate) ranks: usize,
    pub(crate) threads: usize,
    limit: Option<u64>,
    pub(crate) trouble: Trouble,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    Nothing,
    /// Only what must not change the result.
    Passing {
        rate: f64,
    },
    /// Whatever there is, or some of it, on all ranks or on one.
    Anything {
        rate: f64,
        only: Option<Vec<Fault>>,
        rank: Option<usize>,
    },
}

/// Draws from a seed, one after the other.
struct Dice(u64);

impl Dice {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.bits() % bound as u64) as usize
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}

const FAULTS: [Fault; 7] = [
    Fault::Passing,
    Fault::Lasting,
    Fault::Panic,
    Fault::Slow,
    Fault::Corrupted,
    Fault::Dropped,
    Fault::DiskFull,
];

impl Case {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice(mix(seed));
        let rows = match dice.below(8) {
            0 => 0,
            1 => 3_000 + dice.below(6_000),
            _ => dice.below(80),
        };
        let start = (0..rows).map(|_| dice.below(400) as i64 - 200).collect();
        let operators =
            (0..dice.below(7)).map(|_| (dice.of(OPERATORS), dice.below(9) as i64 + 1)).collect();
        let actions =
            (0..1 + dice.below(4)).map(|_| (dice.of(ACTIONS), dice.below(9) as i64 + 1)).collect();
        let ranks = 1 + dice.below(4);
        Self {
            seed,
            start,
            operators,
            actions,
            // Now and then more than there are groups of partitions that are dealt out together.
            partitions: if dice.below(6) == 0 { 30 + dice.below(90) } else { 1 + dice.below(9) },
            ranks,
            threads: 1 + dice.below(3),
            limit: dice.of(&[None, Some(0), Some(64), Some(4_000)]),
            trouble: Trouble::new(&mut dice, ranks),
        }
    }

    /// The chaos of a rank.
    pub(crate) fn chaos(&self, rank: usize) -> Option<Chaos> {
        let chaos = Chaos::new(self.seed);
        match &self.trouble {
            Trouble::Nothing => None,
            Trouble::Passing { rate } => {
                Some(chaos.rate(*rate).only(&[Fault::Passing, Fault::Slow]))
            }
            Trouble::Anything { rank: Some(only), .. } if *only != rank => None,
            Trouble::Anything { rate, only: Some(only), .. } => Some(chaos.rate(*rate).only(only)),
            Trouble::Anything { rate, only: None, .. } => Some(chaos.rate(*rate)),
        }
    }

    /// What a plain vector gives, where it can tell.
    pub(crate) fn model(&self) -> Vec<Option<Vec<u64>>> {
        let rows = self.operators.iter().try_fold(self.start.clone(), |rows, (operator, k)| {
            let (_, _, on_vec) = operator;
            on_vec(rows, *k)
        });
        let result = |((_, _, on_vec), k): &(Action, i64)| on_vec(rows.as_ref()?, *k);
        self.actions.iter().map(result).collect()
    }

    /// Runs the case without faults: alone, on one thread, with all the memory there is.
    pub(crate) fn run_clean(&self) -> Outcomes {
        let builder = Context::builder().threads(1).transport(Alone);
        self.run(&builder.build().expect("nothing can go wrong"))
    }

    /// Runs the case as one of its ranks.
    pub(crate) fn run_as(
        &self,
        transport: impl Transport + 'static,
        chaos: Option<Chaos>,
        folder: &Path,
    ) -> Outcomes {
        let mut builder = Context::builder().threads(self.threads).spill_dir(folder);
        if let Some(limit) = self.limit {
            builder = builder.memory_limit(limit);
        }
        if matches!(self.trouble, Trouble::Passing { .. }) {
            builder = builder.task_retries(30);
        }
        if let Some(chaos) = chaos {
            builder = builder.chaos_with(chaos);
        }
        match builder.transport(transport).build() {
            Ok(ctx) => self.run(&ctx),
            Err(error) => self.actions.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    fn run(&self, ctx: &Context) -> Outcomes {
        let build = || {
            let start = ctx.parallelize_in(self.start.clone(), self.partitions);
            self.operators
                .iter()
                .try_fold(start, |rows, ((_, on_dataset, _), k)| on_dataset(ctx, rows, *k))
        };
        // What an action has kept serves the next one; what could not be built is tried again.
        let mut built = None;
        let outcomes = self
            .actions
            .iter()
            .map(|((_, on_dataset, _), k)| {
                let rows = match built.take() {
                    Some(rows) => rows,
                    None => build()?,
                };
                on_dataset(built.insert(rows), *k)
            })
            .collect();
        drop(built);
        assert_eq!(ctx.memory_used(), 0, "memory is held that nobody needs");
        outcomes
    }
}

impl Trouble {
    fn new(dice: &mut Dice, ranks: usize) -> Self {
        let rate = dice.of(&[0.003, 0.01, 0.03, 0.1]);
        match dice.below(8) {
            0 => Self::Nothing,
            1 | 2 => Self::Passing { rate },
            3..=5 => Self::Anything { rate, only: None, rank: None },
            6 => {
                let only = FAULTS.into_iter().filter(|_| dice.below(3) == 0).collect();
                Self::Anything { rate: rate * 3.0, only: Some(only), rank: None }
            }
            _ => Self::Anything { rate: rate * 2.0, only: None, rank: Some(dice.below(ranks)) },
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operators: Vec<_> =
            self.operators.iter().map(|((name, ..), k)| format!("{name} {k}")).collect();
        let actions: Vec<_> =
            self.actions.iter().map(|((name, ..), k)| format!("{name} {k}")).collect();
        f.debug_struct("Case")
            .field("seed", &self.seed)
            .field("rows", &self.start.len())
            .field("operators", &operators)
            .field("actions", &actions)
            .field("partitions", &self.partitions)
            .field("ranks", &self.ranks)
            .field("threads", &self.threads)
            .field("memory_limit", &self.limit)
            .field("trouble", &self.trouble)
            .finish()
    }
}
