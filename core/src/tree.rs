//! The fixed reduction tree.
//!
//! Partial results meet in a binary tree on their index: leaf `i` joins leaf `i ^ 1`, the pair
//! `j` joins the pair `j ^ 1`, and so on; a node without a right neighbour moves up unchanged.
//! The tree depends on the number of leaves alone, so neither the order in which tasks finish nor
//! the rank they ran on decides how a sum is bracketed (law 2).

use std::collections::BTreeMap;
use std::sync::Mutex;

/// A node's place: its level (leaves are level 0) and its index in the level.
pub(crate) type Place = (u32, usize);

/// Merges partial results over `leaves` leaves as they come.
pub(crate) struct Tree<U> {
    leaves: usize,
    waiting: Mutex<BTreeMap<Place, U>>,
}

impl<U> Tree<U> {
    pub(crate) fn new(leaves: usize) -> Self {
        Self { leaves, waiting: Mutex::new(BTreeMap::new()) }
    }

    /// Adds the node at `place`, merging upwards as far as neighbours are there. Merging happens
    /// outside the lock, so that several threads can merge at once.
    pub(crate) fn insert(&self, place: Place, value: U, merge: impl Fn(U, U) -> U) {
        let (mut level, mut index) = place;
        let mut value = value;
        loop {
            let width = 1_usize << level;
            if width >= self.leaves {
                self.lock().insert((level, index), value);
                return;
            }
            let neighbour = index ^ 1;
            let neighbour_starts = neighbour * width;
            if neighbour_starts < self.leaves {
                let other = {
                    let mut waiting = self.lock();
                    match waiting.remove(&(level, neighbour)) {
                        Some(other) => other,
                        None => {
                            waiting.insert((level, index), value);
                            return;
                        }
                    }
                };
                value = if neighbour < index { merge(other, value) } else { merge(value, other) };
            }
            level += 1;
            index /= 2;
        }
    }

    /// The nodes that still wait for a neighbour: the root alone, once all leaves came.
    pub(crate) fn into_nodes(self) -> Vec<(Place, U)> {
        let waiting = self.waiting.into_inner().unwrap_or_else(|poison| poison.into_inner());
        waiting.into_iter().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Place, U>> {
        self.waiting.lock().unwrap_or_else(|poison| poison.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bracketed(leaves: usize, order: &[usize]) -> String {
        let tree = Tree::new(leaves);
        for &i in order {
            tree.insert((0, i), i.to_string(), |a, b| format!("({a} {b})"));
        }
        let mut nodes = tree.into_nodes();
        assert_eq!(nodes.len(), 1);
        nodes.pop().unwrap().1
    }

    #[test]
    fn five_leaves_are_bracketed_as_the_head_of_the_module_says() {
        assert_eq!(bracketed(5, &[4, 2, 0, 3, 1]), "(((0 1) (2 3)) 4)");
        assert_eq!(bracketed(1, &[0]), "0");
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_does_not_matter(
            leaves in 1_usize..40,
            seed in any::<u64>(),
            cut in 0_usize..40,
        ) {
            let in_order: Vec<usize> = (0..leaves).collect();
            let mut shuffled = in_order.clone();
            shuffled.sort_by_key(|&i| crate::hash::mix(seed ^ i as u64));
            prop_assert_eq!(bracketed(leaves, &in_order), bracketed(leaves, &shuffled));

            // Two ranks: each merges what it can, then all nodes meet in one tree.
            let cut = cut.min(leaves);
            let merge = |a: String, b: String| format!("({a} {b})");
            let parts = [Tree::new(leaves), Tree::new(leaves)];
            for i in 0..leaves {
                parts[usize::from(i >= cut)].insert((0, i), i.to_string(), merge);
            }
            let whole = Tree::new(leaves);
            for part in parts {
                for (place, value) in part.into_nodes() {
                    whole.insert(place, value, merge);
                }
            }
            let nodes = whole.into_nodes();
            prop_assert_eq!(nodes.len(), 1);
            prop_assert_eq!(&nodes[0].1, &bracketed(leaves, &in_order));
        }
    }
}
