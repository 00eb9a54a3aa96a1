//! What lies side by side in files, put together into partitions.

/// Neighbours in one partition up to so many bytes; what is larger has one of its own. A function of the
/// sizes alone.
pub(super) fn neighbours<T>(
    pieces: impl IntoIterator<Item = (T, u64)>,
    most_bytes: u64,
) -> Vec<Vec<T>> {
    let (mut partitions, mut bytes) = (Vec::<Vec<T>>::new(), 0_u64);
    for (piece, size) in pieces {
        match partitions.last_mut() {
            Some(last) if bytes.saturating_add(size) <= most_bytes => {
                last.push(piece);
                bytes += size;
            }
            _ => {
                partitions.push(vec![piece]);
                bytes = size;
            }
        }
    }
    partitions
}

#[cfg(test)]
mod tests {
    use super::neighbours;

    #[test]
    fn neighbours_come_together_up_to_the_limit() {
        let sizes = [("a", 3), ("b", 4), ("c", 9), ("d", 0), ("e", u64::MAX), ("f", 1)];
        let found = neighbours(sizes, 7);
        assert_eq!(found, [vec!["a", "b"], vec!["c"], vec!["d"], vec!["e"], vec!["f"]]);
        assert!(neighbours(Vec::<((), u64)>::new(), 7).is_empty());
    }
}
