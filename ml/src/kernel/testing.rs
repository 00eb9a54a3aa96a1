//! Operands for the tests of kernels.

/// `count` numbers in (−1, 1), keyed by `stream`: splitmix64.
pub(crate) fn numbers(stream: u64, count: usize) -> Vec<f64> {
    (0..count as u64)
        .map(|i| {
            let mut z = (stream << 40 | (i + 1)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect()
}

/// Rows and columns that meet every remainder of the tiles and register blocks.
pub(crate) fn shapes() -> Vec<(usize, usize)> {
    let mut shapes = vec![(0, 3), (5, 0), (0, 0), (300, 100), (137, 129), (129, 15)];
    for n in [1, 3, 4, 7, 8, 9, 21] {
        for d in [1, 2, 7, 8, 9, 12, 16, 17, 31] {
            shapes.push((n, d));
        }
    }
    shapes
}
