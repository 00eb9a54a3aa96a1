//! The lineage as text.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;

use super::Dataset;
use super::node::{Kind, Node};
use crate::data::Data;

impl<T: Data> Dataset<T> {
    /// The lineage, one operator a line, the newest first; inputs are indented.
    ///
    /// Stages (caches, shuffles) have the numbers of the order in which an action makes them ready;
    /// of those that are computed it says what they keep on this rank, and nothing that they were
    /// computed from is shown, since they let go of it.
    ///
    /// # Cost
    ///
    /// Nothing is computed.
    ///
    /// # Examples
    ///
    /// ```
    /// let ctx = firesteel_core::Context::local();
    /// let text = ctx.range(0..10).map(|x| x + 1).explain();
    /// assert!(text.starts_with("map [1 partitions]"));
    /// assert!(text.contains("range [1 partitions] 0..10"));
    ///
    /// let counts = ctx.range(0..10).map(|x| (x % 3, x)).cache().reduce_by_key(|a, b| a + b);
    /// let text = counts.explain();
    /// assert!(text.starts_with("stage 2: reduce_by_key [1 partitions] (not computed yet)"));
    /// assert!(text.contains("stage 1: cache"));
    /// ```
    pub fn explain(&self) -> String {
        let stages = stages(&self.node);
        let mut text = String::new();
        let mut seen = HashSet::new();
        let mut pending: Vec<(Arc<Node>, usize)> = vec![(Arc::clone(&self.node), 0)];
        while let Some((node, depth)) = pending.pop() {
            let indent = "  ".repeat(depth.min(20));
            let site = node.call().site;
            let detail = match node.kind() {
                Kind::Source(source) => source.detail(),
                Kind::Staged(stage) => match stage.taken() {
                    None => "(not computed yet)".to_owned(),
                    Some(taken) => format!("({taken})"),
                },
                Kind::Step(_)
                | Kind::Partitionwise(_)
                | Kind::Union(_)
                | Kind::Chained(_)
                | Kind::Many(_) => String::new(),
            };
            let stage = stages.get(&Arc::as_ptr(&node));
            let stage = stage.map_or(String::new(), |number| format!("stage {number}: "));
            let again = if seen.insert(node.id()) { "" } else { " (see above)" };
            let partitions = node.homes().partitions();
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{indent}{stage}{} [{partitions} partitions] {detail}{again} at {}:{}",
                node.name(),
                site.file(),
                site.line(),
            );
            if again.is_empty() {
                let parents = node.parents();
                // A chain stays in one column; only branches are indented.
                let deeper = usize::from(parents.len() > 1);
                pending.extend(parents.into_iter().rev().map(|parent| (parent, depth + deeper)));
            }
        }
        text
    }
}

/// The stages by address, numbered in the order in which a job makes them ready.
fn stages(node: &Arc<Node>) -> HashMap<*const Node, usize> {
    let mut numbers = HashMap::new();
    let mut seen = HashSet::new();
    let mut pending = vec![(Arc::clone(node), false)];
    while let Some((node, parents_are_done)) = pending.pop() {
        if parents_are_done {
            if node.is_staged() {
                let next = numbers.len() + 1;
                numbers.insert(Arc::as_ptr(&node), next);
            }
        } else if seen.insert(Arc::as_ptr(&node)) {
            let parents = node.parents();
            pending.push((node, true));
            pending.extend(parents.into_iter().map(|parent| (parent, false)));
        }
    }
    numbers
}
