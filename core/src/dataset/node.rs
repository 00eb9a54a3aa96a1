//! The lineage: what a dataset is made of.
//!
//! A node is one operator; nodes know their parents. A chain of chunk-by-chunk steps is run as a
//! flat list over one source, so that its length costs neither stack nor virtual calls beyond
//! one a step and chunk; building, running and dropping a lineage are loops, never recursions.

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock};

use super::chunk::{AnyChunk, Ready, Stream};
use super::homes::Homes;
use crate::context::Context;
use crate::counters::Evaluation;
use crate::error::{Failure, Result};
use crate::hash::fixed_hash;
use crate::job::{Call, Job, Task, entering, entering_for};
use crate::store::Taken;

/// A source of chunks that stands on nothing.
pub(crate) trait Source: Send + Sync {
    fn open(&self, partition: usize, task: &Arc<Task>) -> Result<Box<dyn Stream>>;
    /// A word on size for `explain`.
    fn detail(&self) -> String {
        String::new()
    }
    /// Whether opening a partition again costs no more than reading its rows.
    fn is_kept(&self) -> bool {
        false
    }
}

/// An operator that turns one chunk into one chunk.
pub(crate) trait Step: Send + Sync {
    /// Starts a run over one partition.
    fn start(&self, partition: usize) -> Box<dyn StepRun>;
    /// Whether what it needs to know beforehand (sizes of partitions, say) is known.
    fn is_ready(&self) -> bool {
        true
    }
    /// Whether there is anything that it needs to know beforehand.
    fn prepares(&self) -> bool {
        false
    }
    /// Finds out what it needs to know beforehand; collective.
    fn prepare(&self, _job: &Job<'_>, _call: Call, _parents: &[Arc<Node>]) -> Result<()> {
        Ok(())
    }
}

/// A [`Step`] at work on one partition.
pub(crate) trait StepRun: Send {
    fn apply(&mut self, chunk: AnyChunk) -> Result<AnyChunk, Failure>;
}

/// An operator that sees a whole partition as a stream.
pub(crate) trait Partitionwise: Send + Sync {
    fn open(&self, input: Box<dyn Stream>, at: At<'_>) -> Box<dyn Stream>;
}

/// An operator that sees the partitions of the same number of several inputs.
pub(crate) trait Many: Send + Sync {
    /// How many of its parents are opened; the others are only made ready.
    fn opens(&self, parents: usize) -> usize {
        parents
    }
    fn open(&self, inputs: Vec<Box<dyn Stream>>, at: At<'_>) -> Box<dyn Stream>;
}

/// Where a partition-wise operator is at work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    pub(crate) call: Call,
    /// The operator's number.
    pub(crate) node: u64,
    /// The operator's own partition, which under a union is not the task's.
    pub(crate) partition: usize,
    /// How many partitions the operator has.
    pub(crate) partitions: usize,
    pub(crate) task: &'a Arc<Task>,
}

/// An operator whose result is computed as a whole and then kept: a cache, a shuffle.
pub(crate) trait Staged: Send + Sync {
    fn is_ready(&self) -> bool;
    /// Computes and keeps the result; collective. Afterwards the parents are not needed.
    fn prepare(&self, job: &Job<'_>, call: Call, parents: &[Arc<Node>]) -> Result<()>;
    /// The kept rows of a partition; `None` if they are not there any more, and the first of
    /// `parents` has to compute them anew.
    fn open(
        &self,
        call: Call,
        partition: usize,
        task: &Arc<Task>,
        parents: &[Arc<Node>],
    ) -> Result<Option<Box<dyn Stream>>>;
    /// What its first parent computes anew, held against what was there.
    fn anew(&self, input: Box<dyn Stream>, _at: At<'_>) -> Box<dyn Stream> {
        input
    }
    /// Whether it goes on knowing its parents after it was prepared.
    fn keeps_lineage(&self) -> bool {
        false
    }
    /// What is kept here, once it is computed.
    fn taken(&self) -> Option<Taken>;
}

pub(crate) enum Kind {
    Source(Box<dyn Source>),
    Step(Box<dyn Step>),
    Partitionwise(Box<dyn Partitionwise>),
    Union(Vec<usize>),
    /// Runs of its parent's partitions, one behind the other: where each starts, and the end.
    Chained(Vec<usize>),
    Many(Box<dyn Many>),
    Staged(Box<dyn Staged>),
}

pub(crate) struct Node {
    id: u64,
    /// The branch that it was made on.
    branch: u64,
    /// Held while it is made ready: branches take turns.
    preparing: Mutex<()>,
    fingerprint: u64,
    call: Call,
    kind: Kind,
    homes: Arc<Homes>,
    placement: OnceLock<Placement>,
    /// The borders of its partitions' keys, if it is placed by ranges.
    borders: OnceLock<Arc<dyn Any + Send + Sync>>,
    /// How many streams at most pull through one another when it is read.
    deep: usize,
    /// The same for a run of its partitions.
    deep_chained: usize,
    parents: Mutex<Vec<Arc<Node>>>,
}

/// How the rows of a dataset were placed by their keys: rows with equal keys in datasets of the
/// same placement are in partitions of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    /// Which function placed them.
    pub(crate) by: By,
    /// Into how many partitions.
    pub(crate) partitions: usize,
}

/// A function that places keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The fixed hash.
    Hash,
    /// The borders that the node of this number found.
    Range(u64),
    /// The user's function that came with the node of this number.
    Own(u64),
}

/// How many streams may pull through one another before one is drained first, which bounds the
/// stack.
const DEEPEST: usize = 64;

impl Node {
    pub(crate) fn new(
        ctx: &Context,
        call: Call,
        kind: Kind,
        homes: Arc<Homes>,
        parents: Vec<Arc<Node>>,
    ) -> Arc<Self> {
        let fingerprint = fingerprint(call, &kind, &homes, &parents);
        let (deep, deep_chained) = depths(&kind, &parents);
        let parents = Mutex::new(parents);
        let (placement, borders) = (OnceLock::new(), OnceLock::new());
        let id = ctx.next_node();
        let (branch, preparing) = (ctx.branch_number(), Mutex::new(()));
        Arc::new(Self {
            id,
            branch,
            preparing,
            fingerprint,
            call,
            kind,
            homes,
            placement,
            borders,
            deep,
            deep_chained,
            parents,
        })
    }

    /// How its rows were placed by their keys, if they were.
    pub(crate) fn placement(&self) -> Option<Placement> {
        self.placement.get().copied()
    }

    /// Says, when it is made, how its rows were placed.
    pub(crate) fn place(&self, placement: Placement) {
        let _ = self.placement.set(placement);
    }

    /// Where the borders between its partitions' keys will be: a `OnceLock<Vec<K>>`.
    pub(crate) fn borders(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.borders.get().cloned()
    }

    /// Says, when it is made, where its borders will be.
    pub(crate) fn bound(&self, borders: Arc<dyn Any + Send + Sync>) {
        let _ = self.borders.set(borders);
    }

    /// Whether its partitions can be read twice at no cost of computing them twice.
    pub(crate) fn is_kept(&self) -> bool {
        match &self.kind {
            Kind::Source(source) => source.is_kept(),
            Kind::Staged(stage) => !stage.keeps_lineage(),
            Kind::Step(_)
            | Kind::Partitionwise(_)
            | Kind::Union(_)
            | Kind::Chained(_)
            | Kind::Many(_) => false,
        }
    }

    /// The branch that it was made on.
    pub(crate) fn branch(&self) -> u64 {
        self.branch
    }

    /// Whether it has to be made ready by a job.
    pub(crate) fn prepares(&self) -> bool {
        match &self.kind {
            Kind::Staged(_) => true,
            Kind::Step(step) => step.prepares(),
            _ => false,
        }
    }

    /// Whether it keeps its result.
    pub(crate) fn is_staged(&self) -> bool {
        matches!(self.kind, Kind::Staged(_))
    }

    /// A hash of the lineage: equal on ranks that built the same one.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn name(&self) -> &'static str {
        self.call.operator
    }

    pub(crate) fn call(&self) -> Call {
        self.call
    }

    pub(crate) fn homes(&self) -> &Arc<Homes> {
        &self.homes
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.kind
    }

    pub(crate) fn parents(&self) -> Vec<Arc<Node>> {
        self.parents.lock().unwrap_or_else(|poison| poison.into_inner()).clone()
    }

    fn parent(&self, input: usize) -> Arc<Node> {
        let parents = self.parents.lock().unwrap_or_else(|poison| poison.into_inner());
        Arc::clone(parents.get(input).expect("only sources and finished stages have no parents"))
    }

    pub(crate) fn is_ready(&self) -> bool {
        match &self.kind {
            Kind::Staged(stage) => stage.is_ready(),
            Kind::Step(step) => step.is_ready(),
            Kind::Source(_)
            | Kind::Partitionwise(_)
            | Kind::Union(_)
            | Kind::Chained(_)
            | Kind::Many(_) => true,
        }
    }

    /// Whether its chunks can be had without its parents.
    pub(crate) fn stands_alone(&self) -> bool {
        match &self.kind {
            Kind::Source(_) => true,
            Kind::Staged(stage) => stage.is_ready(),
            Kind::Step(_)
            | Kind::Partitionwise(_)
            | Kind::Union(_)
            | Kind::Chained(_)
            | Kind::Many(_) => false,
        }
    }

    /// Makes it ready; its parents are. A stage lets go of its parents: a recomputation never
    /// crosses it (law 4).
    pub(crate) fn prepare(&self, job: &Job<'_>) -> Result<()> {
        let _turn = self.preparing.lock().unwrap_or_else(|poison| poison.into_inner());
        if self.is_ready() {
            return Ok(());
        }
        match &self.kind {
            Kind::Staged(stage) => {
                stage.prepare(job, self.call, &self.parents())?;
                if stage.keeps_lineage() {
                    return Ok(());
                }
                let parents = std::mem::take(
                    &mut *self.parents.lock().unwrap_or_else(|poison| poison.into_inner()),
                );
                drop_all(parents);
                Ok(())
            }
            Kind::Step(step) => step.prepare(job, self.call, &self.parents()),
            Kind::Source(_)
            | Kind::Partitionwise(_)
            | Kind::Union(_)
            | Kind::Chained(_)
            | Kind::Many(_) => Ok(()),
        }
    }

    /// Opens one partition for reading; everything it stands on is ready.
    pub(crate) fn open(
        self: &Arc<Self>,
        partition: usize,
        task: &Arc<Task>,
    ) -> Result<Box<dyn Stream>> {
        // Down to what can be opened by itself, noting what stands above it, and up again: a stack
        // of its own instead of the thread's.
        let mut todo = vec![Todo::Open(Arc::clone(self), partition)];
        let mut opened: Vec<Opened> = Vec::new();
        let mut joined: Vec<Vec<AnyChunk>> = Vec::new();
        while let Some(next) = todo.pop() {
            match next {
                Todo::Open(node, partition) => {
                    let stream = match &node.kind {
                        Kind::Source(source) => {
                            entering(node.call);
                            Some(source.open(partition, task)?)
                        }
                        Kind::Staged(stage) => {
                            stage.open(node.call, partition, task, &node.parents())?
                        }
                        Kind::Chained(_) if node.deep <= DEEPEST => {
                            let left = Chain::new(node.as_ref(), partition);
                            let task = Arc::clone(task);
                            Some(Box::new(Chained { left, now: None, task }) as Box<dyn Stream>)
                        }
                        _ => None,
                    };
                    match stream {
                        Some(stream) => {
                            let is_chained = matches!(node.kind, Kind::Chained(_));
                            opened
                                .push(Opened::new(stream, if is_chained { node.deep } else { 0 }));
                        }
                        None => todo.extend(node.inputs_of(partition)),
                    }
                }
                Todo::Join => joined.push(Vec::new()),
                Todo::Append => {
                    let part = opened.pop().expect("what is appended was opened just before");
                    let whole = joined.last_mut().expect("what is appended to was begun before");
                    drain(part.piped(task), whole)?;
                }
                Todo::Joined => {
                    let whole = joined.pop().expect("what is complete was begun before");
                    opened.push(Opened::new(Box::new(Ready(whole.into_iter())), 0));
                }
                Todo::Put(node, partition) => {
                    let inputs = opened.len() - node.inputs();
                    let inputs = opened.split_off(inputs);
                    opened.push(node.put_on(inputs, partition, task)?);
                }
            }
        }
        let whole = opened.pop().expect("the last thing that is opened is the node itself");
        Ok(whole.piped(task))
    }

    /// What has to be done to open a partition that stands on others, the last first.
    fn inputs_of(self: &Arc<Self>, partition: usize) -> Vec<Todo> {
        match &self.kind {
            Kind::Union(starts) => {
                let (input, inner) = Homes::locate(starts, partition);
                vec![Todo::Open(self.parent(input), inner)]
            }
            Kind::Source(_) => vec![Todo::Open(self.parent(0), partition)],
            // Too deep to be opened when it is its turn: from the ground up instead.
            Kind::Chained(_) => {
                let mut todo = vec![Todo::Join];
                for (node, partition) in Chain::new(self, partition) {
                    todo.extend([Todo::Open(node, partition), Todo::Append]);
                }
                todo.push(Todo::Joined);
                todo.reverse();
                todo
            }
            Kind::Step(_) | Kind::Partitionwise(_) | Kind::Many(_) | Kind::Staged(_) => {
                let mut todo = vec![Todo::Put(Arc::clone(self), partition)];
                let mut parents = self.parents();
                parents.truncate(self.inputs());
                todo.extend(parents.into_iter().rev().map(|parent| Todo::Open(parent, partition)));
                todo
            }
        }
    }

    /// How many streams it is put on.
    fn inputs(&self) -> usize {
        match &self.kind {
            Kind::Step(_) | Kind::Partitionwise(_) | Kind::Staged(_) => 1,
            Kind::Many(operator) => operator.opens(self.parents().len()),
            Kind::Source(_) | Kind::Union(_) | Kind::Chained(_) => 0,
        }
    }

    fn put_on(
        &self,
        mut inputs: Vec<Opened>,
        partition: usize,
        task: &Arc<Task>,
    ) -> Result<Opened> {
        let partitions = self.homes.partitions();
        let at = At { call: self.call, node: self.id, partition, partitions, task };
        let deep = inputs.iter().map(|input| input.deep).max().unwrap_or(0) + 1;
        let only = |inputs: &mut Vec<Opened>| {
            inputs.pop().expect("a step and a partition-wise operator have one input")
        };
        let stream = match &self.kind {
            Kind::Step(step) => {
                let mut input = only(&mut inputs);
                let evaluation = Evaluation::new(self.id, partition);
                let (call, run) = (self.call, step.start(partition));
                input.steps.push(Running { call, evaluation, run });
                return Ok(input);
            }
            Kind::Partitionwise(operator) => {
                let input = only(&mut inputs).flattened(deep, task)?;
                operator.open(input, at)
            }
            Kind::Staged(stage) => {
                let input = only(&mut inputs).flattened(deep, task)?;
                stage.anew(input, at)
            }
            Kind::Many(operator) => {
                let inputs = inputs.into_iter().map(|input| input.flattened(deep, task));
                operator.open(inputs.collect::<Result<_>>()?, at)
            }
            Kind::Source(_) | Kind::Union(_) | Kind::Chained(_) => {
                unreachable!("they are opened, not put on others")
            }
        };
        Ok(Opened { stream, steps: Vec::new(), deep })
    }
}

/// How deep reading goes, of a partition and of a run of partitions. Runs of runs and of unions are
/// looked through; a stage that keeps its lineage may have to read it.
fn depths(kind: &Kind, parents: &[Arc<Node>]) -> (usize, usize) {
    let below = parents.iter().map(|parent| parent.deep).max().unwrap_or(0);
    let chained = parents.iter().map(|parent| parent.deep_chained).max().unwrap_or(0);
    match kind {
        Kind::Source(_) => (0, 1),
        Kind::Staged(stage) if !stage.keeps_lineage() => (0, 1),
        Kind::Step(_) => (below, below + 1),
        Kind::Staged(_) | Kind::Partitionwise(_) | Kind::Many(_) => (below + 1, below + 2),
        Kind::Union(_) => (below, chained),
        Kind::Chained(_) => (chained, chained),
    }
}

/// The partitions that stand behind a run of partitions, from first to last. Unions and runs among
/// them are looked through with a stack of its own.
struct Chain(Vec<(Arc<Node>, Range<usize>)>);

impl Chain {
    /// Those of a partition of a node of the `Chained` kind.
    fn new(node: &Node, partition: usize) -> Self {
        let mut chain = Self(Vec::new());
        if let Kind::Chained(starts) = &node.kind {
            chain.0.push((node.parent(0), starts[partition]..starts[partition + 1]));
        }
        chain
    }
}

impl Iterator for Chain {
    type Item = (Arc<Node>, usize);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (node, left) = self.0.last_mut()?;
            let (mut node, Some(mut partition)) = (Arc::clone(node), left.next()) else {
                self.0.pop();
                continue;
            };
            while let Kind::Union(starts) = &node.kind {
                let (input, inner) = Homes::locate(starts, partition);
                (node, partition) = (node.parent(input), inner);
            }
            match &node.kind {
                Kind::Chained(_) => self.0.extend(Self::new(&node, partition).0),
                _ => return Some((node, partition)),
            }
        }
    }
}

/// Partitions one behind the other, each opened when it is its turn.
struct Chained {
    left: Chain,
    now: Option<Box<dyn Stream>>,
    task: Arc<Task>,
}

impl Stream for Chained {
    fn next(&mut self) -> Result<Option<AnyChunk>> {
        loop {
            if let Some(stream) = &mut self.now
                && let Some(chunk) = stream.next()?
            {
                return Ok(Some(chunk));
            }
            // What is read to its end is let go before the next is opened.
            self.now = None;
            match self.left.next() {
                Some((node, partition)) => self.now = Some(node.open(partition, &self.task)?),
                None => return Ok(None),
            }
        }
    }
}

/// What is still to be done while a partition is opened.
enum Todo {
    Open(Arc<Node>, usize),
    /// To be put on the streams that were opened last.
    Put(Arc<Node>, usize),
    /// Begins a partition that is made of several.
    Join,
    /// Reads what was opened last to its end, behind what was joined so far.
    Append,
    /// What was joined is whole.
    Joined,
}

/// A stream that is open, and the run of steps on top of it.
struct Opened {
    stream: Box<dyn Stream>,
    steps: Vec<Running>,
    deep: usize,
}

impl Opened {
    fn new(stream: Box<dyn Stream>, deep: usize) -> Self {
        Self { stream, steps: Vec::new(), deep }
    }

    /// As one stream.
    fn piped(self, task: &Arc<Task>) -> Box<dyn Stream> {
        Box::new(Piped { input: self.stream, steps: self.steps, task: Arc::clone(task) })
    }

    /// As one stream, drained if too many pull through one another.
    fn flattened(self, deep: usize, task: &Arc<Task>) -> Result<Box<dyn Stream>> {
        let stream = self.piped(task);
        if deep.is_multiple_of(DEEPEST) { drained(stream) } else { Ok(stream) }
    }
}

fn fingerprint(call: Call, kind: &Kind, homes: &Homes, parents: &[Arc<Node>]) -> u64 {
    let detail = match kind {
        Kind::Source(source) => source.detail(),
        Kind::Step(_)
        | Kind::Partitionwise(_)
        | Kind::Union(_)
        | Kind::Chained(_)
        | Kind::Many(_)
        | Kind::Staged(_) => String::new(),
    };
    let parents: Vec<u64> = parents.iter().map(|parent| parent.fingerprint).collect();
    let site = (call.site.file(), call.site.line(), call.site.column());
    fixed_hash(&(call.operator, site, homes.partitions(), detail, parents))
}

fn drained(stream: Box<dyn Stream>) -> Result<Box<dyn Stream>> {
    let mut chunks = Vec::new();
    drain(stream, &mut chunks)?;
    Ok(Box::new(Ready(chunks.into_iter())))
}

fn drain(mut stream: Box<dyn Stream>, chunks: &mut Vec<AnyChunk>) -> Result<()> {
    while let Some(chunk) = stream.next()? {
        chunks.push(chunk);
    }
    Ok(())
}

struct Running {
    call: Call,
    evaluation: Evaluation,
    run: Box<dyn StepRun>,
}

/// A run of steps over one input.
struct Piped {
    input: Box<dyn Stream>,
    steps: Vec<Running>,
    task: Arc<Task>,
}

impl Stream for Piped {
    fn next(&mut self) -> Result<Option<AnyChunk>> {
        self.task.check()?;
        let Some(mut chunk) = self.input.next()? else {
            self.steps.iter().for_each(|step| step.evaluation.completed());
            return Ok(None);
        };
        for step in &mut self.steps {
            entering_for(step.call, step.evaluation);
            chunk = step.run.apply(chunk).map_err(|failure| self.task.error(step.call, failure))?;
        }
        Ok(Some(chunk))
    }

    fn next_large(&mut self) -> Result<Option<AnyChunk>> {
        if !self.steps.is_empty() {
            return self.next();
        }
        self.task.check()?;
        self.input.next_large()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let parents = self.parents.get_mut().unwrap_or_else(|poison| poison.into_inner());
        drop_all(std::mem::take(parents));
    }
}

fn drop_all(mut pending: Vec<Arc<Node>>) {
    while let Some(next) = pending.pop() {
        if let Some(mut node) = Arc::into_inner(next) {
            let parents = node.parents.get_mut().unwrap_or_else(|poison| poison.into_inner());
            pending.append(parents);
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("id", &self.id).field("call", &self.call).finish()
    }
}
