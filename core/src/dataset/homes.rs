//! Which rank a partition lives on: a pure function of the plan.

use std::sync::Arc;

/// The homes of a dataset's partitions.
///
/// By default each rank has a contiguous range; a union keeps the homes of its inputs, so that
/// nothing moves.
#[derive(Debug)]
pub(crate) enum Homes {
    Contiguous(usize),
    Union { inputs: Vec<Arc<Homes>>, starts: Vec<usize> },
}

impl Homes {
    pub(crate) fn contiguous(partitions: usize) -> Arc<Self> {
        Arc::new(Self::Contiguous(partitions))
    }

    pub(crate) fn union(inputs: Vec<Arc<Homes>>) -> Arc<Self> {
        let mut starts = vec![0];
        for input in &inputs {
            starts.push(starts[starts.len() - 1] + input.partitions());
        }
        Arc::new(Self::Union { inputs, starts })
    }

    pub(crate) fn partitions(&self) -> usize {
        match self {
            Self::Contiguous(partitions) => *partitions,
            Self::Union { starts, .. } => starts[starts.len() - 1],
        }
    }

    /// Which input of a union a partition comes from, and its number there.
    pub(crate) fn locate(starts: &[usize], partition: usize) -> (usize, usize) {
        let input = starts.partition_point(|&start| start <= partition) - 1;
        (input, partition - starts[input])
    }

    /// The rank of `partition` among `ranks`.
    pub(crate) fn home(&self, partition: usize, ranks: usize) -> usize {
        let (mut at, mut partition) = (self, partition);
        loop {
            match at {
                Self::Contiguous(partitions) => {
                    return owner(partition, *partitions, ranks);
                }
                Self::Union { inputs, starts } => {
                    let (input, inner) = Self::locate(starts, partition);
                    (at, partition) = (&inputs[input], inner);
                }
            }
        }
    }

    /// The partitions that live on `rank`, in ascending order.
    pub(crate) fn of_rank(&self, rank: usize, ranks: usize) -> Vec<usize> {
        let all = 0..self.partitions();
        if ranks == 1 {
            return all.collect();
        }
        all.filter(|&partition| self.home(partition, ranks) == rank).collect()
    }
}

/// The rank whose range `[r·n/ranks, (r + 1)·n/ranks)` holds `partition`.
fn owner(partition: usize, partitions: usize, ranks: usize) -> usize {
    // The largest r with r·n/ranks ≤ partition.
    ((partition + 1) * ranks - 1) / partitions.max(1)
}

impl Drop for Homes {
    fn drop(&mut self) {
        // A chain of 10,000 unions must not be dropped by recursion.
        let Self::Union { inputs, .. } = self else { return };
        let mut pending = std::mem::take(inputs);
        while let Some(next) = pending.pop() {
            if let Some(mut homes) = Arc::into_inner(next)
                && let Self::Union { inputs, .. } = &mut homes
            {
                pending.append(inputs);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_one_home_and_ranges_are_contiguous() {
        for partitions in 1..40 {
            for ranks in 1..10 {
                let homes = Homes::contiguous(partitions);
                let owners: Vec<usize> = (0..partitions).map(|p| homes.home(p, ranks)).collect();
                for rank in 0..ranks {
                    let range = rank * partitions / ranks..(rank + 1) * partitions / ranks;
                    let expected: Vec<usize> = range.collect();
                    assert_eq!(homes.of_rank(rank, ranks), expected, "{partitions} {ranks}");
                }
                assert!(owners.is_sorted());
            }
        }
    }

    #[test]
    fn a_union_keeps_the_homes_of_its_inputs() {
        let union = Homes::union(vec![Homes::contiguous(4), Homes::contiguous(2)]);
        let homes: Vec<usize> = (0..6).map(|p| union.home(p, 2)).collect();
        assert_eq!(homes, [0, 0, 1, 1, 0, 1]);
    }
}
