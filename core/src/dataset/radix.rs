//! Sorting the rows of a partition in memory.
//!
//! Rows go by a key. Keys that are whole numbers are sorted by their bits, least significant digit
//! first, as pairs of (bits, row number), and the rows are put into their places once at the end;
//! bits in which all keys agree cost nothing. Everything else goes through the standard library's
//! stable sort. Both are stable, so rows with equal keys keep their order.

use std::any::TypeId;
use std::cmp::Reverse;

/// Keys below this number are sorted by comparison: a digit's table must pay.
const FEW: usize = 256;
const DIGIT: u32 = 8;
const BUCKETS: usize = 1 << DIGIT;

/// Sorts rows by a key; equal keys keep their order.
pub(super) fn sort_rows<T, K: Ord + 'static>(rows: &mut Vec<T>, key: impl Fn(&T) -> K) {
    if rows.len() < 2 {
        return;
    }
    if rows.len() < FEW || rows.len() > u32::MAX as usize || !has_bits::<K>() {
        if std::mem::needs_drop::<K>() {
            // A key with memory of its own is made once a row, not twice a comparison.
            rows.sort_by_cached_key(key);
        } else {
            rows.sort_by_key(key);
        }
        return;
    }
    let (mut least, mut most) = (u64::MAX, 0);
    for row in &*rows {
        let bits = bits(&key(row));
        (least, most) = (least.min(bits), most.max(bits));
    }
    if least == most {
        return;
    }
    let order = if most - least <= u64::from(u32::MAX) {
        let pairs = rows.iter().zip(0..).map(|(row, at)| ((bits(&key(row)) - least) as u32, at));
        by_digits(pairs.collect(), u64::from(u32::MAX).min(most - least), u64::from)
    } else {
        let pairs = rows.iter().zip(0..).map(|(row, at)| (bits(&key(row)) - least, at));
        by_digits(pairs.collect(), most - least, |bits| bits)
    };
    *rows = in_order(std::mem::take(rows), &order);
}

/// The row numbers in the order of their bits.
fn by_digits<B: Copy + Default>(
    mut pairs: Vec<(B, u32)>,
    most: u64,
    wide: impl Fn(B) -> u64,
) -> Vec<u32> {
    let mut other = vec![(B::default(), 0); pairs.len()];
    let mut shift = 0;
    while shift < u64::BITS && most >> shift > 0 {
        let digit = |bits: B| (wide(bits) >> shift) as usize % BUCKETS;
        let mut next = [0_usize; BUCKETS];
        for &(bits, _) in &pairs {
            next[digit(bits)] += 1;
        }
        let mut start = 0;
        for slot in &mut next {
            start += std::mem::replace(slot, start);
        }
        for &pair in &pairs {
            let slot = &mut next[digit(pair.0)];
            other[*slot] = pair;
            *slot += 1;
        }
        std::mem::swap(&mut pairs, &mut other);
        shift += DIGIT;
    }
    pairs.into_iter().map(|(_, at)| at).collect()
}

macro_rules! with_bits {
    ($then:ident) => {
        $then!(
            u8 => |k: u8| u64::from(k),
            u16 => |k: u16| u64::from(k),
            u32 => |k: u32| u64::from(k),
            u64 => |k: u64| k,
            usize => |k: usize| k as u64,
            i8 => |k: i8| signed(i64::from(k)),
            i16 => |k: i16| signed(i64::from(k)),
            i32 => |k: i32| signed(i64::from(k)),
            i64 => |k: i64| signed(k),
            Reverse<u32> => |k: Reverse<u32>| !u64::from(k.0),
            Reverse<u64> => |k: Reverse<u64>| !k.0,
            Reverse<usize> => |k: Reverse<usize>| !(k.0 as u64),
            Reverse<i32> => |k: Reverse<i32>| !signed(i64::from(k.0)),
            Reverse<i64> => |k: Reverse<i64>| !signed(k.0)
        )
    };
}

/// Signed numbers in the order of unsigned ones.
fn signed(k: i64) -> u64 {
    (k as u64) ^ (1 << 63)
}

/// Whether keys of this type are sorted by their bits.
pub(super) fn has_bits<K: 'static>() -> bool {
    macro_rules! any {
        ($($t:ty => $f:expr),*) => { $(TypeId::of::<K>() == TypeId::of::<$t>())||* };
    }
    with_bits!(any)
}

/// A number in the order of the key; zero if the type has none.
#[inline]
pub(super) fn bits<K: 'static>(key: &K) -> u64 {
    let key: &dyn std::any::Any = key;
    macro_rules! first {
        ($($t:ty => $f:expr),*) => {
            $(if let Some(key) = key.downcast_ref::<$t>() {
                let f: fn($t) -> u64 = $f;
                return f(*key);
            })*
        };
    }
    with_bits!(first);
    0
}

pub(super) use gather::in_order;

/// Rows into their places: the one thing here that safe code cannot do without a copy of each row
/// or a second pass of swaps.
mod gather {
    #![expect(unsafe_code, reason = "moves rows out of a vector in another order than they lie")]

    /// The rows in the order of `order`, which holds each row's number once.
    pub(in crate::dataset) fn in_order<T>(mut rows: Vec<T>, order: &[u32]) -> Vec<T> {
        assert!(
            rows.len() == order.len() && is_permutation(order),
            "an order has the number of each row once"
        );
        let mut out = Vec::with_capacity(rows.len());
        // SAFETY: `order` has each number below the length once (checked above), so each row is
        // read once and none beyond the end; the length is set to zero before the first row is
        // read, so none is dropped twice, also not if something panicked here, which nothing does.
        unsafe {
            rows.set_len(0);
            let from = rows.as_ptr();
            for &at in order {
                out.push(std::ptr::read(from.add(at as usize)));
            }
        }
        out
    }

    fn is_permutation(order: &[u32]) -> bool {
        let mut seen = vec![0_u64; order.len().div_ceil(64)];
        let mut all_new = true;
        for &at in order {
            let at = at as usize;
            let Some(word) = seen.get_mut(at / 64) else { return false };
            all_new &= at < order.len() && *word >> (at % 64) & 1 == 0;
            *word |= 1 << (at % 64);
        }
        all_new
    }

    /// The safe twin, for tests.
    #[cfg(test)]
    pub(super) fn cloned_in_order<T: Clone>(rows: &[T], order: &[u32]) -> Vec<T> {
        order.iter().map(|&at| rows[at as usize].clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hash::mix;

    fn agrees<K: Ord + Copy + std::fmt::Debug + 'static>(keys: Vec<K>) {
        assert!(has_bits::<K>());
        let rows: Vec<(K, String)> =
            keys.into_iter().enumerate().map(|(i, k)| (k, i.to_string())).collect();
        let mut expected = rows.clone();
        expected.sort_by_key(|row| row.0);
        let mut sorted = rows;
        sort_rows(&mut sorted, |row| row.0);
        assert_eq!(sorted, expected);
    }

    #[test]
    fn whole_numbers_are_sorted_as_the_standard_library_does() {
        for n in [0, 1, 2, 255, 256, 1000, 5000] {
            for cut in [0, 30, 48, 60, 63] {
                let words = || (0..n).map(move |i| mix(i ^ cut) >> cut);
                agrees::<u64>(words().collect());
                agrees::<u32>(words().map(|w| w as u32).collect());
                agrees::<u16>(words().map(|w| w as u16).collect());
                agrees::<u8>(words().map(|w| w as u8).collect());
                agrees::<usize>(words().map(|w| w as usize).collect());
                agrees::<i64>(words().map(|w| w as i64).collect());
                agrees::<i32>(words().map(|w| w as i32).collect());
                agrees::<i16>(words().map(|w| w as i16).collect());
                agrees::<i8>(words().map(|w| w as i8).collect());
                agrees::<Reverse<u64>>(words().map(Reverse).collect());
                agrees::<Reverse<i64>>(words().map(|w| Reverse(w as i64)).collect());
            }
        }
        agrees::<u64>(vec![u64::MAX; 300]);
        agrees::<i64>((0..300).map(|i| if i % 2 == 0 { i64::MIN } else { i64::MAX }).collect());
    }

    proptest! {
        #[test]
        fn rows_are_moved_as_they_would_be_cloned(n in 0_usize..500, seed in any::<u64>()) {
            let mut order: Vec<u32> = (0..n as u32).collect();
            order.sort_by_key(|&i| mix(seed ^ u64::from(i)));
            let rows: Vec<String> = (0..n).map(|i| i.to_string()).collect();
            let expected = gather::cloned_in_order(&rows, &order);
            prop_assert_eq!(gather::in_order(rows, &order), expected);
        }

        #[test]
        #[should_panic(expected = "the number of each row once")]
        fn an_order_that_is_none_is_refused(n in 2_usize..200, at in any::<prop::sample::Index>(), to in 0_u32..300) {
            let mut order: Vec<u32> = (0..n as u32).collect();
            let at = at.index(n);
            order[at] = if to == at as u32 { to + 1 } else { to };
            gather::in_order(vec![String::new(); n], &order);
        }
    }
}
