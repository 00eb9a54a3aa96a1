//! The lineage as text.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;

use super::Dataset;
use super::node::{Kind, Node};
use crate::data::Data;

impl<T: Data> Dataset<T> {
    /// The lineage, one operator a line, the newest first; inputs are indented.
    ///
    /// # Examples
    ///
    /// ```
    /// let ctx = firesteel_core::Context::local();
    /// let text = ctx.range(0..10).map(|x| x + 1).explain();
    /// assert!(text.starts_with("map [1 partitions]"));
    /// assert!(text.contains("range [1 partitions] 0..10"));
    /// ```
    pub fn explain(&self) -> String {
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
            let again = if seen.insert(node.id()) { "" } else { " (see above)" };
            let partitions = node.homes().partitions();
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{indent}{} [{partitions} partitions] {detail}{again} at {}:{}",
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
