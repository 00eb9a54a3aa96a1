//! Another number of partitions, the rows in the same order.

use std::marker::PhantomData;

use super::chunk::Typed;
use super::exchange::{Exchange, Move, Pieces, Scatter, Work, keep_pieces};
use super::homes::Homes;
use super::source::slice;
use super::zip::running_starts;
use super::{Dataset, call};
use crate::data::Wire;
use crate::error::Result;
use crate::store::Writer;

impl<T: Wire> Dataset<T> {
    /// Cuts the rows anew into `partitions` partitions (at least one) of equal size, give or take a
    /// row; their order stays.
    ///
    /// Partition `p` of `k` has rows `[p·n/k, (p + 1)·n/k)` of the whole, however they were cut before.
    /// (Spark deals rows out in turns from a start that depends on the partition, which loses their
    /// order.)
    ///
    /// # Cost
    ///
    /// One pass and one shuffle; rows are held until all are counted, and those whose new home is
    /// another rank travel.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let odd = firesteel_core::Context::local().range_in(0..10, 5).filter(|x| x % 2 == 1);
    /// let parts = odd.repartition(2).map_partitions(|rows| [rows.collect::<Vec<_>>()]);
    /// assert_eq!(parts.collect()?, [vec![1, 3], vec![5, 7, 9]]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn repartition(&self, partitions: usize) -> Dataset<T> {
        let partitions = partitions.clamp(1, super::source::MOST_ASKED);
        let movement = Repartition { partitions, row: PhantomData::<fn(T)> };
        let exchange = Exchange::new(movement, Homes::contiguous(partitions));
        self.staged(call("repartition"), partitions, exchange)
    }
}

struct Repartition<T> {
    partitions: usize,
    row: PhantomData<fn(T)>,
}

impl<T: Wire> Move for Repartition<T> {
    type In = T;
    type Look = u64;
    type Summary = u64;
    /// The global number of each input partition's first row, and the number of all rows.
    type Plan = (Vec<u64>, u64);
    type Moved = T;
    type Out = T;
    const DEALS_EACH: bool = true;
    const KEEPS_EACH: bool = true;

    fn look(&self, _partition: usize) -> Option<u64> {
        Some(0)
    }

    fn note(&self, rows: &[T], count: &mut u64) -> Result<()> {
        *count += rows.len() as u64;
        Ok(())
    }

    fn summary(&self, count: u64) -> u64 {
        count
    }

    fn plan(&self, counts: Vec<u64>) -> Result<(Vec<u64>, u64)> {
        Ok((running_starts(&counts), counts.iter().sum()))
    }

    fn scatter(
        &self,
        from: usize,
        mut rows: Typed<T>,
        (starts, all): &(Vec<u64>, u64),
        out: &mut Scatter<T>,
    ) -> Result<()> {
        let mut number = starts[from];
        let mut to = 0;
        let mut end = slice(*all, self.partitions, 0).end;
        while let Some(chunk) = rows.next()? {
            for row in chunk.into_vec() {
                while number >= end && to + 1 < self.partitions {
                    to += 1;
                    end = slice(*all, self.partitions, to).end;
                }
                out.push(to, row);
                number += 1;
            }
            out.check()?;
        }
        Ok(())
    }

    fn finish(&self, pieces: Pieces<T>, _: &Work<'_>, out: &mut Writer<T>) -> Result<()> {
        keep_pieces(pieces, out)
    }
}
