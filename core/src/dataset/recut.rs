//! Items that hold several rows (batches, blocks), cut anew at fixed global row numbers.
//!
//! Whatever is fitted or measured sums over blocks whose borders depend on the row number alone,
//! so it must not matter how the rows came in. A recut brings them there: contiguous ranges of
//! rows, in order, with pieces that stay on their rank moved without being serialised.

use std::marker::PhantomData;
use std::ops::Range;

use super::chunk::Typed;
use super::exchange::{Exchange, Move, Pieces, Scatter, Work, keep_pieces};
use super::homes::Homes;
use super::zip::running_starts;
use super::{Dataset, Kind, call};
use crate::data::Wire;
use crate::dataset::node::Node;
use crate::error::{Error, Result};
use crate::job::Job;
use crate::store::Writer;

impl<T: Wire> Dataset<T> {
    /// Cuts the rows that the items hold into partitions of `rows_per_partition(n)` rows each
    /// (the last may have fewer), `n` being the number of all rows.
    ///
    /// `len` says how many rows an item holds, `slice` cuts a range of rows out of one. Output
    /// partition `p` has the rows `[p·r, (p + 1)·r)` of the whole, as one or several items.
    /// Collective, and run at once: the number of partitions is not known before.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] if `rows_per_partition` gives zero,
    /// [`Error::ResultsDiffer`] if it gives different numbers on different ranks, and whatever
    /// computing the items can give.
    ///
    /// # Cost
    ///
    /// One pass over the items, which are held until they are cut; rows whose new home is another
    /// rank travel once.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let items = ctx.parallelize(vec![vec![0, 1], vec![2], vec![3, 4, 5]]);
    /// let cut = items.recut(Vec::len, |item, range| item[range].to_vec(), |_| 4)?;
    /// let parts = cut.map_partitions(|items| [items.flatten().collect::<Vec<i32>>()]);
    /// assert_eq!(parts.collect()?, [vec![0, 1, 2, 3], vec![4, 5]]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn recut(
        &self,
        len: impl Fn(&T) -> usize + Send + Sync + 'static,
        slice: impl Fn(&T, Range<usize>) -> T + Send + Sync + 'static,
        rows_per_partition: impl Fn(u64) -> u64,
    ) -> Result<Dataset<T>> {
        let call = call("recut");
        let job = Job::begin(&self.ctx, call.operator, call.site)?;
        job.prepare(&self.node)?;
        // The count first: the exchange's partitions depend on it. Items are computed twice only
        // if they are not kept; whoever recuts an expensive lineage caches it before.
        let counts = job.run(&self.local_partitions(), |task| {
            let mut items = Typed::<T>::counted(self.node.open(task.partition, task)?, call, task);
            let mut count = 0_u64;
            while let Some(chunk) = items.next()? {
                count += chunk.as_slice().iter().map(|item| len(item) as u64).sum::<u64>();
            }
            Ok(count)
        });
        let mut sizes = vec![0; self.partitions()];
        for (partition, count) in job.gather(counts)?.into_iter().flatten() {
            sizes[partition] = count;
        }
        let rows: u64 = sizes.iter().sum();
        let each = job.same(job.guarded(None, || match rows_per_partition(rows) {
            0 => Err(Error::parameter("rows_per_partition", 0, "at least 1")),
            each => Ok(each),
        }))?;
        let starts = running_starts(&sizes);
        let homes = Homes::contiguous((rows.div_ceil(each) as usize).max(1));
        let movement = Recut { len, slice, each, starts, item: PhantomData::<fn(T)> };
        let exchange = Exchange::new(movement, std::sync::Arc::clone(&homes));
        exchange.run(&job, call, &self.node)?;
        let kind = Kind::Staged(Box::new(exchange));
        Ok(Dataset::from_node(&self.ctx, Node::new(&self.ctx, call, kind, homes, vec![])))
    }
}

struct Recut<T, L, S> {
    len: L,
    slice: S,
    each: u64,
    /// The global number of each input partition's first row.
    starts: Vec<u64>,
    item: PhantomData<fn(T)>,
}

impl<T, L, S> Move for Recut<T, L, S>
where
    T: Wire,
    L: Fn(&T) -> usize + Send + Sync + 'static,
    S: Fn(&T, Range<usize>) -> T + Send + Sync + 'static,
{
    type In = T;
    type Look = ();
    type Summary = ();
    type Plan = ();
    type Moved = T;
    type Out = T;
    const DEALS_EACH: bool = false;
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
        mut items: Typed<T>,
        (): &(),
        out: &mut Scatter<T>,
    ) -> Result<()> {
        let mut row = self.starts[from];
        while let Some(chunk) = items.next()? {
            for item in chunk.into_vec() {
                let len = (self.len)(&item);
                let to = (row / self.each) as usize;
                if len > 0 && (row + len as u64 - 1) / self.each == to as u64 {
                    out.push(to, item);
                } else {
                    let mut at = 0;
                    while at < len {
                        let here = row + at as u64;
                        let room = (self.each - here % self.each).min((len - at) as u64) as usize;
                        out.push((here / self.each) as usize, (self.slice)(&item, at..at + room));
                        at += room;
                    }
                }
                row += len as u64;
            }
            out.check()?;
        }
        Ok(())
    }

    fn finish(&self, pieces: Pieces<T>, _: &Work<'_>, out: &mut Writer<T>) -> Result<()> {
        keep_pieces(pieces, out)
    }
}
