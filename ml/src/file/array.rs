//! Plain numbers with a shape: what a model file keeps bit for bit.

use crate::error::{Error, Result};

/// A number that arrays in a model file can hold. Sealed: the list is part of the format.
pub trait Element: Copy + PartialEq + std::fmt::Debug + sealed::Element {}

pub(crate) mod sealed {
    use super::Data;

    #[expect(unnameable_types, reason = "sealed: nobody else is to implement it")]
    pub trait Element: Sized {
        fn wrap(values: Vec<Self>) -> Data;
        fn unwrap(data: &Data) -> Option<&[Self]>;
    }
}

/// The numbers of one array.
#[derive(Clone, Debug, PartialEq)]
#[expect(unnameable_types, reason = "only the sealed trait speaks of it")]
pub enum Data {
    F64(Vec<f64>),
    F32(Vec<f32>),
    I64(Vec<i64>),
    I32(Vec<i32>),
    U64(Vec<u64>),
    U32(Vec<u32>),
    U8(Vec<u8>),
}

macro_rules! elements {
    ($($number:ty => $variant:ident, $name:literal;)*) => {
        $(
            impl Element for $number {}

            impl sealed::Element for $number {
                fn wrap(values: Vec<Self>) -> Data {
                    Data::$variant(values)
                }

                fn unwrap(data: &Data) -> Option<&[Self]> {
                    match data {
                        Data::$variant(values) => Some(values),
                        _ => None,
                    }
                }
            }
        )*

        impl Data {
            pub(crate) fn dtype(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)*
                }
            }

            /// Bytes of one number of that type; none for a type that the format does not know.
            pub(crate) fn width(dtype: &str) -> Option<usize> {
                match dtype {
                    $($name => Some(size_of::<$number>()),)*
                    _ => None,
                }
            }

            pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
                match self {
                    $(Self::$variant(values) => {
                        values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
                    })*
                }
            }

            pub(crate) fn read(dtype: &str, bytes: &[u8]) -> Option<Self> {
                match dtype {
                    $($name => {
                        let (numbers, rest) = bytes.as_chunks();
                        let values = numbers.iter().map(|&bytes| <$number>::from_le_bytes(bytes));
                        rest.is_empty().then(|| Self::$variant(values.collect()))
                    })*
                    _ => None,
                }
            }
        }
    };
}
elements! {
    f64 => F64, "f64";
    f32 => F32, "f32";
    i64 => I64, "i64";
    i32 => I32, "i32";
    u64 => U64, "u64";
    u32 => U32, "u32";
    u8 => U8, "u8";
}

/// A named array.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Data,
}

impl Array {
    pub(crate) fn new<T: Element>(name: &str, shape: &[usize], values: Vec<T>) -> Result<Self> {
        match count(shape) {
            Some(expected) if expected == values.len() => {
                Ok(Self { name: name.to_owned(), shape: shape.to_vec(), data: T::wrap(values) })
            }
            expected => Err(Error::Shape {
                what: format!("array `{name}` of shape {shape:?}"),
                expected: expected.unwrap_or(usize::MAX),
                got: values.len(),
            }),
        }
    }
}

/// The numbers in an array of that shape; none if no machine could hold them, or hold the array
/// that its other sides would make.
pub(crate) fn count(shape: &[usize]) -> Option<usize> {
    let sides = shape.iter().try_fold(1_usize, |n, &side| n.checked_mul(side.max(1)))?;
    let empty = shape.contains(&0);
    (sides <= isize::MAX as usize / 16).then_some(if empty { 0 } else { sides })
}
