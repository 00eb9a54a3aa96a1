//! Several datasets side by side, and partitions one behind the other.

use std::marker::PhantomData;
use std::sync::Arc;

use super::chunk::{AnyChunk, CHUNK, Chunk, Stream, Typed};
use super::exchange::{Exchange, Move, Pieces, Scatter, Work, keep_pieces};
use super::homes::Homes;
use super::node::{At, Kind, Many, Node};
use super::partitions::{Items, iterating};
use super::source::slice;
use super::{Dataset, call};
use crate::counters::Evaluation;
use crate::data::{Data, Wire};
use crate::error::{Error, Result, TaskFailure};
use crate::job::{Call, Task};
use crate::store::Writer;

impl<T: Wire> Dataset<T> {
    /// Pairs the rows of both datasets in their order: the first with the first, and so on.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] if the numbers of partitions differ; from the action that meets it,
    /// [`Error::UnequalPartitions`] if a partition has more rows here than there.
    ///
    /// # Cost
    ///
    /// No pass of its own. On several ranks, datasets whose partitions live on other ranks than the
    /// default ([`union`](Self::union) makes such) are moved first.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let rows = ctx.range_in(0..3, 2).zip(&ctx.range_in(10..13, 2))?;
    /// assert_eq!(rows.collect()?, [(0, 10), (1, 11), (2, 12)]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn zip<U: Wire>(&self, other: &Dataset<U>) -> Result<Dataset<(T, U)>> {
        let call = call("zip");
        self.beside(call, other, Zip { row: PhantomData::<fn(T, U)> })
    }

    /// Gives `f` the partitions of the same number of both datasets, and puts out what it makes of
    /// them.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] if the numbers of partitions differ.
    ///
    /// # Cost
    ///
    /// As [`zip`](Self::zip).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let more = ctx.range_in(0..4, 2).zip_partitions(&ctx.range_in(0..6, 2), |a, b| {
    ///     [b.count() - a.count()]
    /// })?;
    /// assert_eq!(more.collect()?, [1, 1]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn zip_partitions<U: Wire, I>(
        &self,
        other: &Dataset<U>,
        f: impl Fn(Items<T>, Items<U>) -> I + Send + Sync + 'static,
    ) -> Result<Dataset<I::Item>>
    where
        I: IntoIterator<Item: Data, IntoIter: Send + 'static> + 'static,
    {
        let f = Arc::new(f);
        self.beside(
            call("zip_partitions"),
            other,
            ZipPartitions { f, row: PhantomData::<fn(T, U)> },
        )
    }

    /// [`zip_partitions`](Self::zip_partitions) of three datasets.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] if the numbers of partitions differ.
    ///
    /// # Cost
    ///
    /// As [`zip`](Self::zip).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let (numbers, letters) = (ctx.range_in(0..4, 2), ctx.parallelize_in(vec!['a', 'b'], 2));
    /// let sums = numbers.zip_partitions3(&letters, &ctx.range_in(5..9, 2), |a, b, c| {
    ///     let sum: u64 = a.chain(c).sum();
    ///     b.map(move |letter| (letter, sum))
    /// })?;
    /// assert_eq!(sums.collect()?, [('a', 12), ('b', 20)]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn zip_partitions3<U: Wire, V: Wire, I>(
        &self,
        other: &Dataset<U>,
        third: &Dataset<V>,
        f: impl Fn(Items<T>, Items<U>, Items<V>) -> I + Send + Sync + 'static,
    ) -> Result<Dataset<I::Item>>
    where
        I: IntoIterator<Item: Data, IntoIter: Send + 'static> + 'static,
    {
        let call = call("zip_partitions3");
        self.like_this("other", other)?;
        self.like_this("third", third)?;
        let parents = vec![self.home(call), other.home(call), third.home(call)];
        let work = ZipPartitions3 { f: Arc::new(f), row: PhantomData::<fn(T, U, V)> };
        Ok(side_by_side(self, call, parents, work))
    }

    /// [`zip_partitions`](Self::zip_partitions) of four datasets.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] if the numbers of partitions differ.
    ///
    /// # Cost
    ///
    /// As [`zip`](Self::zip).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let part = |from: u64| ctx.range_in(from..from + 4, 2);
    /// let sums = part(0).zip_partitions4(&part(10), &part(20), &part(30), |a, b, c, d| {
    ///     [a.chain(b).chain(c).chain(d).sum::<u64>()]
    /// })?;
    /// assert_eq!(sums.collect()?, [124, 140]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn zip_partitions4<U: Wire, V: Wire, W: Wire, I>(
        &self,
        other: &Dataset<U>,
        third: &Dataset<V>,
        fourth: &Dataset<W>,
        f: impl Fn(Items<T>, Items<U>, Items<V>, Items<W>) -> I + Send + Sync + 'static,
    ) -> Result<Dataset<I::Item>>
    where
        I: IntoIterator<Item: Data, IntoIter: Send + 'static> + 'static,
    {
        let call = call("zip_partitions4");
        self.like_this("other", other)?;
        self.like_this("third", third)?;
        self.like_this("fourth", fourth)?;
        let parents = vec![self.home(call), other.home(call), third.home(call), fourth.home(call)];
        let work = ZipPartitions4 { f: Arc::new(f), row: PhantomData::<fn(T, U, V, W)> };
        Ok(side_by_side(self, call, parents, work))
    }

    fn beside<U: Wire, R: Data>(
        &self,
        call: Call,
        other: &Dataset<U>,
        work: impl Many + 'static,
    ) -> Result<Dataset<R>> {
        self.like_this("other", other)?;
        Ok(side_by_side(self, call, vec![self.home(call), other.home(call)], work))
    }

    /// Refuses a dataset that has another number of partitions.
    fn like_this<U: Data>(&self, name: &'static str, other: &Dataset<U>) -> Result<()> {
        let (here, there) = (self.partitions(), other.partitions());
        if here == there {
            return Ok(());
        }
        let expected = format!("a dataset of {here} partitions, as this one has");
        Err(Error::parameter(name, format!("{there} partitions"), expected))
    }

    fn home(&self, call: Call) -> Arc<Node> {
        Arc::clone(&self.at_home(call).node)
    }

    /// The same partitions on their default ranks.
    fn at_home(&self, call: Call) -> Dataset<T> {
        if self.ctx.ranks() == 1 || matches!(**self.node.homes(), Homes::Contiguous(_)) {
            return self.clone();
        }
        let partitions = self.partitions();
        let movement =
            Gather { to: |from, _, _| from, from: partitions, partitions, row: PhantomData };
        self.staged(
            call,
            partitions,
            Exchange::<Gather<T>>::new(movement, Homes::contiguous(partitions)),
        )
    }

    /// Puts neighbouring partitions together, so that there are `partitions` of them (at least one;
    /// no more than there are now). Rows keep their order.
    ///
    /// Output partition `p` of `k` has the input partitions `[p·n/k, (p + 1)·n/k)`, whatever their
    /// sizes; [`repartition`](Self::repartition) makes partitions of equal size.
    ///
    /// # Cost
    ///
    /// No pass of its own on one rank; on several, one shuffle, in which only the rows travel whose
    /// partition's home changes.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let few = firesteel_core::Context::local().range_in(0..6, 6).coalesce(2);
    /// assert_eq!(few.glom().collect()?, [vec![0, 1, 2], vec![3, 4, 5]]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn coalesce(&self, partitions: usize) -> Dataset<T> {
        let (call, from) = (call("coalesce"), self.partitions());
        let partitions = partitions.clamp(1, from);
        if partitions == from {
            return self.clone();
        }
        let homes = Homes::contiguous(partitions);
        if self.ctx.ranks() == 1 {
            let start = |p| slice(from as u64, partitions, p).start as usize;
            let starts = (0..partitions).map(start).chain([from]).collect();
            let parents = vec![Arc::clone(&self.node)];
            let node = Node::new(&self.ctx, call, Kind::Chained(starts), homes, parents);
            return Dataset::from_node(&self.ctx, node);
        }
        let to = |from: usize, all: usize, partitions: usize| {
            (0..partitions)
                .find(|&p| from < slice(all as u64, partitions, p).end as usize)
                .expect("the slices cover all partitions")
        };
        let movement = Gather { to, from, partitions, row: PhantomData };
        self.staged(call, partitions, Exchange::<Gather<T>>::new(movement, homes))
    }
}

/// What `work` makes of the partitions of the same number of all `parents`, at the first one's homes.
fn side_by_side<T: Data, R: Data>(
    first: &Dataset<T>,
    call: Call,
    parents: Vec<Arc<Node>>,
    work: impl Many + 'static,
) -> Dataset<R> {
    let homes = Arc::clone(parents[0].homes());
    let node = Node::new(&first.ctx, call, Kind::Many(Box::new(work)), homes, parents);
    Dataset::from_node(&first.ctx, node)
}

/// Moves whole partitions: `to(from, all, partitions)` says where.
struct Gather<T> {
    to: fn(usize, usize, usize) -> usize,
    from: usize,
    partitions: usize,
    row: PhantomData<fn(T)>,
}

impl<T: Wire> Move for Gather<T> {
    type In = T;
    type Look = ();
    type Summary = ();
    type Plan = ();
    type Moved = T;
    type Out = T;
    const DEALS_EACH: bool = true;
    const KEEPS_EACH: bool = true;

    fn look(&self, _partition: usize) -> Option<()> {
        None
    }

    fn note(&self, _rows: &[T], (): &mut ()) -> Result<()> {
        Ok(())
    }

    fn summary(&self, (): ()) {}

    fn plan(&self, _summaries: Vec<()>) -> Result<()> {
        Ok(())
    }

    fn scatter(
        &self,
        from: usize,
        mut rows: Typed<T>,
        (): &(),
        out: &mut Scatter<T>,
    ) -> Result<()> {
        let to = (self.to)(from, self.from, self.partitions);
        while let Some(chunk) = rows.next()? {
            chunk.into_vec().into_iter().for_each(|row| out.push(to, row));
            out.check()?;
        }
        Ok(())
    }

    fn finish(&self, pieces: Pieces<T>, _: &Work<'_>, out: &mut Writer<T>) -> Result<()> {
        keep_pieces(pieces, out)
    }
}

struct Zip<T, U> {
    row: PhantomData<fn(T, U)>,
}

impl<T: Data, U: Data> Many for Zip<T, U> {
    fn open(&self, inputs: Vec<Box<dyn Stream>>, at: At<'_>) -> Box<dyn Stream> {
        let mut inputs = inputs.into_iter();
        let mut next = || inputs.next().expect("a zip has two inputs");
        let (left, right) = (Typed::new(next(), at.call), Typed::new(next(), at.call));
        Box::new(ZipStream::<T, U> {
            left: Rest { input: left, rows: Vec::new().into_iter(), seen: 0 },
            right: Rest { input: right, rows: Vec::new().into_iter(), seen: 0 },
            call: at.call,
            partition: at.partition,
            task: Arc::clone(at.task),
        })
    }
}

struct ZipStream<T, U> {
    left: Rest<T>,
    right: Rest<U>,
    call: Call,
    partition: usize,
    task: Arc<Task>,
}

/// An input that is read row by row.
struct Rest<T> {
    input: Typed<T>,
    rows: std::vec::IntoIter<T>,
    seen: u64,
}

impl<T: Data> Rest<T> {
    fn next(&mut self) -> Result<Option<T>> {
        while self.rows.len() == 0 {
            match self.input.next()? {
                Some(chunk) => self.rows = chunk.into_vec().into_iter(),
                None => return Ok(None),
            }
        }
        self.seen += 1;
        Ok(self.rows.next())
    }

    /// How many rows there are in all.
    fn count(&mut self) -> Result<u64> {
        let mut count = self.seen + self.rows.len() as u64;
        while let Some(chunk) = self.input.next()? {
            count += chunk.as_slice().len() as u64;
        }
        Ok(count)
    }
}

impl<T: Data, U: Data> Stream for ZipStream<T, U> {
    fn next(&mut self) -> Result<Option<AnyChunk>> {
        self.task.check()?;
        let mut out: Vec<(T, U)> = Vec::new();
        while out.len() < CHUNK {
            match (self.left.next()?, self.right.next()?) {
                (Some(left), Some(right)) => out.push((left, right)),
                (None, None) => break,
                _ => {
                    return Err(Error::UnequalPartitions {
                        operator: self.call.operator.into(),
                        site: self.call.site.into(),
                        partition: self.partition,
                        here: self.left.count()?,
                        there: self.right.count()?,
                    });
                }
            }
        }
        Ok(if out.is_empty() { None } else { Some(Chunk::Owned(out).erased()) })
    }
}

struct ZipPartitions<T, U, F> {
    f: Arc<F>,
    row: PhantomData<fn(T, U)>,
}

impl<T: Data, U: Data, I, F> Many for ZipPartitions<T, U, F>
where
    F: Fn(Items<T>, Items<U>) -> I + Send + Sync + 'static,
    I: IntoIterator<Item: Data, IntoIter: Send + 'static> + 'static,
{
    fn open(&self, inputs: Vec<Box<dyn Stream>>, at: At<'_>) -> Box<dyn Stream> {
        let mut inputs = inputs.into_iter();
        let mut next = || inputs.next().expect("a zip of partitions has two inputs");
        let (evaluation, fault) = (Evaluation::new(at.node, at.partition), Arc::default());
        let left = Items::within(next(), at.call, evaluation, &fault);
        let right = Items::within(next(), at.call, evaluation, &fault);
        let f = Arc::clone(&self.f);
        iterating(fault, at, evaluation, move || Ok::<_, TaskFailure>(f(left, right).into_iter()))
    }
}

struct ZipPartitions3<T, U, V, F> {
    f: Arc<F>,
    row: PhantomData<fn(T, U, V)>,
}

impl<T: Data, U: Data, V: Data, I, F> Many for ZipPartitions3<T, U, V, F>
where
    F: Fn(Items<T>, Items<U>, Items<V>) -> I + Send + Sync + 'static,
    I: IntoIterator<Item: Data, IntoIter: Send + 'static> + 'static,
{
    fn open(&self, inputs: Vec<Box<dyn Stream>>, at: At<'_>) -> Box<dyn Stream> {
        let mut inputs = inputs.into_iter();
        let mut next = || inputs.next().expect("a zip of three has three inputs");
        let (evaluation, fault) = (Evaluation::new(at.node, at.partition), Arc::default());
        let first = Items::within(next(), at.call, evaluation, &fault);
        let second = Items::within(next(), at.call, evaluation, &fault);
        let third = Items::within(next(), at.call, evaluation, &fault);
        let f = Arc::clone(&self.f);
        let work = move || Ok::<_, TaskFailure>(f(first, second, third).into_iter());
        iterating(fault, at, evaluation, work)
    }
}

struct ZipPartitions4<T, U, V, W, F> {
    f: Arc<F>,
    row: PhantomData<fn(T, U, V, W)>,
}

impl<T: Data, U: Data, V: Data, W: Data, I, F> Many for ZipPartitions4<T, U, V, W, F>
where
    F: Fn(Items<T>, Items<U>, Items<V>, Items<W>) -> I + Send + Sync + 'static,
    I: IntoIterator<Item: Data, IntoIter: Send + 'static> + 'static,
{
    fn open(&self, inputs: Vec<Box<dyn Stream>>, at: At<'_>) -> Box<dyn Stream> {
        let mut inputs = inputs.into_iter();
        let mut next = || inputs.next().expect("a zip of four has four inputs");
        let (evaluation, fault) = (Evaluation::new(at.node, at.partition), Arc::default());
        let first = Items::within(next(), at.call, evaluation, &fault);
        let second = Items::within(next(), at.call, evaluation, &fault);
        let third = Items::within(next(), at.call, evaluation, &fault);
        let fourth = Items::within(next(), at.call, evaluation, &fault);
        let f = Arc::clone(&self.f);
        let work = move || Ok::<_, TaskFailure>(f(first, second, third, fourth).into_iter());
        iterating(fault, at, evaluation, work)
    }
}
