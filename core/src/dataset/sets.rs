//! Datasets as sets of rows.

use std::hash::Hash;

use super::{Dataset, call};
use crate::data::Wire;
use crate::job::Call;

impl<T: Wire + Eq + Hash> Dataset<T> {
    /// Each row once.
    ///
    /// # Shape and units
    ///
    /// As many partitions as the parent; rows stand as keys do in
    /// [`reduce_by_key`](Dataset::reduce_by_key).
    ///
    /// # Cost
    ///
    /// One pass and one shuffle; each parent partition sends what it has once (see
    /// [`reduce_by_key`](Dataset::reduce_by_key)).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// assert_eq!(ctx.parallelize(vec![2, 1, 2, 3, 1]).distinct().collect()?, [2, 1, 3]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn distinct(&self) -> Dataset<T> {
        self.once(call("distinct"))
    }

    /// The rows that both datasets have, each once.
    ///
    /// # Cost
    ///
    /// One pass and one shuffle of each; repeated rows mostly travel once.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let both = ctx.parallelize(vec![3, 1, 2, 1]).intersection(&ctx.parallelize(vec![1, 3, 9]));
    /// assert_eq!(both.collect()?, [3, 1]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn intersection(&self, other: &Dataset<T>) -> Dataset<T> {
        let call = call("intersection");
        let partitions = self.partitions().max(other.partitions());
        let (here, there) = (self.units(call, partitions), other.units(call, partitions));
        here.sifted(call, &there, true).mapped(call, |(row, ())| row.clone())
    }

    /// The rows that `other` does not have, repeated ones as often as they are here.
    ///
    /// # Cost
    ///
    /// One pass and one shuffle of each.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let rest = ctx.parallelize(vec![3, 1, 2, 1]).subtract(&ctx.parallelize(vec![3, 7]));
    /// assert_eq!(rest.collect()?, [1, 1, 2]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn subtract(&self, other: &Dataset<T>) -> Dataset<T> {
        let call = call("subtract");
        let here = self.mapped(call, |row| (row.clone(), ()));
        let there = other.mapped(call, |row| (row.clone(), ()));
        here.sifted(call, &there, false).mapped(call, |(row, ())| row.clone())
    }

    fn once(&self, call: Call) -> Dataset<T> {
        self.units(call, self.partitions()).mapped(call, |(row, ())| row.clone())
    }

    /// The rows as keys, each once, placed by their hash.
    fn units(&self, call: Call, partitions: usize) -> Dataset<(T, ())> {
        let keyed = self.mapped(call, |row| (row.clone(), ()));
        keyed.combined(call, partitions, |()| (), |(), ()| (), |(), ()| ())
    }
}
