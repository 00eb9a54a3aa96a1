//! Values as bits, to compare what must be equal to the bit: `0.0` is not `-0.0`, and a NaN is
//! itself.

/// A value that can be compared to the bit.
pub(crate) trait Bits {
    fn append_bits(&self, out: &mut Vec<u8>);
}

/// The bits of a value.
pub(crate) fn bits<T: Bits + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    value.append_bits(&mut out);
    out
}

macro_rules! numbers {
    ($($t:ty)*) => {$(
        impl Bits for $t {
            fn append_bits(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}
numbers!(u8 u32 u64 i32 i64 f64 usize);

impl Bits for bool {
    fn append_bits(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl Bits for () {
    fn append_bits(&self, _out: &mut Vec<u8>) {}
}

impl Bits for str {
    fn append_bits(&self, out: &mut Vec<u8>) {
        self.len().append_bits(out);
        out.extend_from_slice(self.as_bytes());
    }
}

impl Bits for String {
    fn append_bits(&self, out: &mut Vec<u8>) {
        self.as_str().append_bits(out);
    }
}

impl<T: Bits> Bits for [T] {
    fn append_bits(&self, out: &mut Vec<u8>) {
        self.len().append_bits(out);
        self.iter().for_each(|value| value.append_bits(out));
    }
}

impl<T: Bits> Bits for Vec<T> {
    fn append_bits(&self, out: &mut Vec<u8>) {
        self.as_slice().append_bits(out);
    }
}

impl<T: Bits> Bits for Option<T> {
    fn append_bits(&self, out: &mut Vec<u8>) {
        self.is_some().append_bits(out);
        self.iter().for_each(|value| value.append_bits(out));
    }
}

impl<A: Bits, B: Bits> Bits for (A, B) {
    fn append_bits(&self, out: &mut Vec<u8>) {
        self.0.append_bits(out);
        self.1.append_bits(out);
    }
}

impl<A: Bits, B: Bits, C: Bits> Bits for (A, B, C) {
    fn append_bits(&self, out: &mut Vec<u8>) {
        self.0.append_bits(out);
        self.1.append_bits(out);
        self.2.append_bits(out);
    }
}
