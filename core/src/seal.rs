//! A checksum behind bytes that go to another rank.

const CRC: usize = 4;

/// Writes the CRC-32 of `bytes` behind them.
pub(crate) fn seal(bytes: &mut Vec<u8>) {
    let sum = crc32fast::hash(bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
}

/// How many of the bytes lie before the seal; `None` if they are not what was sealed.
pub(crate) fn sealed_len(bytes: &[u8]) -> Option<usize> {
    let (body, sum) = bytes.split_last_chunk::<CRC>()?;
    (crc32fast::hash(body).to_le_bytes() == *sum).then_some(body.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_or_a_cut_shows_and_nothing_else_does() {
        for len in [0, 1, 3, 4, 100] {
            let mut bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            seal(&mut bytes);
            assert_eq!(sealed_len(&bytes), Some(len));
            for at in 0..bytes.len() {
                assert_eq!(sealed_len(&bytes[..at]), None, "{len} bytes cut at {at}");
                for bit in 0..8 {
                    bytes[at] ^= 1 << bit;
                    assert_eq!(sealed_len(&bytes), None, "{len} bytes, bit {bit} of {at}");
                    bytes[at] ^= 1 << bit;
                }
            }
        }
    }
}
