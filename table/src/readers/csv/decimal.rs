//! Short decimal numbers, sixteen bytes at a time.
//!
//! Most numbers in tables have a few digits, and how many differs from one to the next, which a
//! loop over bytes cannot foresee. Here sixteen bytes are looked at as one value: where the digits
//! stop, what they are without the point, and the number they make by three multiplications
//! (Lemire 2021 describes that step). Up to 15 digits are exact as a float and so is the power of
//! ten, so one division rounds as it should (Clinger 1990). Longer numbers and exponents are the
//! standard library's.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "entering code compiled for features that were detected")
)]

/// Powers of ten that a float holds exactly.
const POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Calls `found` with every number of a run, as long as it takes them; where the first byte is that
/// was not taken. A run is made of short numbers with one byte behind each, taken with it.
#[inline]
pub(super) fn numbers_from(bytes: &[u8], at: usize, found: impl FnMut(Number) -> Verdict) -> usize {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the feature was detected.
        return unsafe { x86::run(bytes, at, found) };
    }
    run::<Plain>(bytes, at, found)
}

/// A number of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    pub(super) value: f64,
    pub(super) start: usize,
    /// Where it ends; the byte behind it is `next`.
    pub(super) end: usize,
    pub(super) next: u8,
}

/// What is done with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is taken, and more are wanted.
    Take,
    /// It is taken, and is the last.
    Last,
    /// It is not taken, and no more are wanted.
    Leave,
}

/// Something that reads numbers.
trait Reader {
    /// The decimal number that the bytes begin with, and how many of them it takes: up to 15
    /// characters, digits with or without `-` and a point. None for any other beginning, and near
    /// the end of the bytes.
    fn short_decimal(bytes: &[u8]) -> Option<(f64, usize)>;
}

#[inline(always)]
fn run<R: Reader>(bytes: &[u8], mut at: usize, mut found: impl FnMut(Number) -> Verdict) -> usize {
    while let Some((value, len)) = R::short_decimal(&bytes[at..])
        && let Some(&next) = bytes.get(at + len)
    {
        let verdict = found(Number { value, start: at, end: at + len, next });
        if verdict != Verdict::Leave {
            at += len + 1;
        }
        if verdict != Verdict::Take {
            break;
        }
    }
    at
}

struct Plain;

const fn every(byte: u8) -> u128 {
    u128::from_ne_bytes([byte; 16])
}

impl Reader for Plain {
    #[inline]
    fn short_decimal(bytes: &[u8]) -> Option<(f64, usize)> {
        let text = u128::from_le_bytes(*bytes.first_chunk()?);
        // A sign counts as a digit 0, so that nothing waits for it. Signs alternate at random: no
        // branches.
        let sign = u128::from(text as u8 == b'-');
        let values = (text ^ every(b'0')) & !(sign * 0xff);
        // The highest bit of every byte that is not a digit.
        let others = (((values & every(0x7f)) + every(0x76)) | values) & every(0x80);
        let stop = (others.trailing_zeros() / 8) as usize;
        if stop == 16 {
            return None;
        }
        let (digits, len, places) = if (text >> (8 * stop)) as u8 == b'.' {
            let others = others & (others - 1);
            let end = (others.trailing_zeros() / 8) as usize;
            if end == 16 {
                return None;
            }
            let whole = (1 << (8 * stop)) - 1;
            ((values & whole) | ((values >> 8) & !whole), end, end - stop - 1)
        } else {
            (values, stop, 0)
        };
        let count = len - usize::from(len > stop);
        if count == sign as usize {
            return None;
        }
        // The last digit in the last byte, zeros before the first.
        let digits = digits << (8 * (16 - count));
        let number = eight(digits as u64) * 100_000_000 + eight((digits >> 64) as u64);
        let float = number as i64 as f64 / POWERS[places];
        Some((f64::from_bits(float.to_bits() | (sign as u64) << 63), len))
    }
}

/// The number of eight digits, the first in the lowest byte.
#[inline(always)]
fn eight(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10 * (1 << 8) + 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 * (1 << 16) + 1) >> 16 & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 * (1 << 32) + 1) >> 32
}

/// The same with the instructions of AVX2, a table's lookup in place of wide shifts: a pass over a
/// file of 10⁸ numbers took 0.63 of the time that it took with plain Rust.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Number, POWERS, Reader, Verdict, run as run_with};
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx2")]
    pub(super) fn run(bytes: &[u8], at: usize, found: impl FnMut(Number) -> Verdict) -> usize {
        run_with::<Avx2>(bytes, at, found)
    }

    /// Named in [`run`] and in its test only, so that the feature is there wherever it is used.
    pub(super) struct Avx2;

    impl Reader for Avx2 {
        #[inline(always)]
        fn short_decimal(bytes: &[u8]) -> Option<(f64, usize)> {
            // SAFETY: see the type.
            unsafe { short_decimal(bytes) }
        }
    }

    /// `PLACES[stop][end]`: which bytes of a text are its digits, if they stop at a point at
    /// `stop` and then at `end` (without a point both are the same); the last comes last, and
    /// zeros stand before the first.
    static PLACES: [[[u8; 16]; 16]; 16] = places();

    const fn places() -> [[[u8; 16]; 16]; 16] {
        let mut all = [[[0x80; 16]; 16]; 16];
        let mut stop = 0;
        while stop < 16 {
            let mut end = stop;
            while end < 16 {
                let count = if end > stop { end - 1 } else { end };
                let mut k = 0;
                while k < count {
                    all[stop][end][16 - count + k] = if k < stop { k } else { k + 1 } as u8;
                    k += 1;
                }
                end += 1;
            }
            stop += 1;
        }
        all
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn short_decimal(bytes: &[u8]) -> Option<(f64, usize)> {
        let text: &[u8; 16] = bytes.first_chunk()?;
        let sign = u32::from(text[0] == b'-');
        let values = _mm_sub_epi8(load(text), _mm_set1_epi8(b'0' as i8));
        let is_digit = _mm_cmpeq_epi8(_mm_min_epu8(values, _mm_set1_epi8(9)), values);
        // A sign counts as a digit 0.
        let others = !(_mm_movemask_epi8(is_digit) as u32) & !sign & 0xffff;
        let stop = others.trailing_zeros() as usize;
        if stop >= 16 {
            return None;
        }
        let (end, places) = if text[stop] == b'.' {
            let end = (others & (others - 1)).trailing_zeros() as usize;
            if end >= 16 {
                return None;
            }
            if end - 1 == sign as usize {
                return None;
            }
            (end, end - stop - 1)
        } else {
            if stop == sign as usize {
                return None;
            }
            (stop, 0)
        };
        let digits = _mm_shuffle_epi8(_mm_and_si128(values, is_digit), load(&PLACES[stop][end]));
        let pairs = _mm_maddubs_epi16(digits, _mm_set1_epi16(10 + (1 << 8)));
        let fours = _mm_madd_epi16(pairs, _mm_set1_epi32(100 + (1 << 16)));
        let eights =
            _mm_madd_epi16(_mm_packus_epi32(fours, fours), _mm_set1_epi32(10_000 + (1 << 16)));
        let eights = _mm_cvtsi128_si64(eights) as u64;
        let number = (eights & 0xffff_ffff) * 100_000_000 + (eights >> 32);
        let float = number as i64 as f64 / POWERS[places];
        Some((f64::from_bits(float.to_bits() | u64::from(sign) << 63), end))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(bytes: &[u8; 16]) -> __m128i {
        let halves = u128::from_le_bytes(*bytes);
        _mm_set_epi64x((halves >> 64) as i64, halves as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What both readers make of it.
    fn short_decimal(bytes: &[u8]) -> Option<(f64, usize)> {
        let plain = Plain::short_decimal(bytes);
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            let bits = |read: Option<(f64, usize)>| read.map(|(x, len)| (x.to_bits(), len));
            assert_eq!(bits(x86::Avx2::short_decimal(bytes)), bits(plain), "{bytes:?}");
        }
        plain
    }

    #[test]
    fn beginnings_that_are_no_short_number_are_left_to_others() {
        for text in ["", "-", ".", "-.", "x", ",1", "+1", "--1", "1234567890123456", "\u{ff10}"] {
            let padded = format!("{text},                ");
            assert_eq!(short_decimal(padded.as_bytes()), None, "{text}");
        }
        assert_eq!(short_decimal(b"12"), None, "too near the end");
        let (zero, len) = short_decimal(b"-0,               ").unwrap();
        assert!(zero == 0.0 && zero.is_sign_negative() && len == 2);
    }

    #[test]
    fn a_run_ends_where_it_is_told_to_and_where_no_number_is() {
        let bytes = b"1,-2.5,3\n4,x,5,                 ";
        let mut seen = Vec::new();
        let mut all = |number: Number| {
            seen.push(number.value);
            if number.next == b',' { Verdict::Take } else { Verdict::Last }
        };
        assert_eq!(numbers_from(bytes, 0, &mut all), 9);
        assert_eq!(numbers_from(bytes, 9, &mut all), 11);
        assert_eq!(seen, [1.0, -2.5, 3.0, 4.0]);
        assert_eq!(numbers_from(bytes, 2, |_| Verdict::Leave), 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn they_are_those_of_the_standard_library(
            text in "-?[0-9]{0,8}\\.?[0-9]{0,8}",
            behind in "[,\n;e x\u{e9}-]",
        ) {
            let padded = format!("{text}{behind}...............");
            if let Some((float, len)) = short_decimal(padded.as_bytes()) {
                let expected: f64 = padded[..len].parse().unwrap();
                prop_assert_eq!(float.to_bits(), expected.to_bits(), "{}", padded);
                prop_assert_eq!(len, text.len());
            } else if text.parse::<f64>().is_ok() {
                prop_assert!(text.len() > 15, "{}", padded);
            }
        }

        #[test]
        fn any_bytes_are_read_alike(bytes in prop::collection::vec(
            prop::sample::select(b"-.,0123456789e\xff ".to_vec()), 0..24)) {
            short_decimal(&bytes);
        }
    }
}
