//! Values as the tests hold them: reals in f64, whatever device they come from.

use gradus_core::device::Data;

/// The elements of one buffer or node.
#[derive(Clone, Debug, PartialEq)]
pub enum Array {
    /// Reals.
    Float(Vec<f64>),
    /// Tokens, counters, bits.
    U32(Vec<u32>),
}

impl Array {
    /// The reals. Panics, naming the fault, if these are integers.
    pub fn f(&self) -> &[f64] {
        match self {
            Self::Float(v) => v,
            Self::U32(_) => panic!("these are integers, reals were asked for"),
        }
    }

    /// The integers. Panics, naming the fault, if these are reals.
    pub fn u(&self) -> &[u32] {
        match self {
            Self::U32(v) => v,
            Self::Float(_) => panic!("these are reals, integers were asked for"),
        }
    }

    /// How many elements.
    pub fn len(&self) -> usize {
        match self {
            Self::Float(v) => v.len(),
            Self::U32(v) => v.len(),
        }
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `len` elements from `offset` on.
    pub fn part(&self, offset: usize, len: usize) -> Self {
        match self {
            Self::Float(v) => Self::Float(v[offset..offset + len].to_vec()),
            Self::U32(v) => Self::U32(v[offset..offset + len].to_vec()),
        }
    }

    /// Overwrites the elements from `offset` on.
    pub fn put(&mut self, offset: usize, part: &Self) {
        match (self, part) {
            (Self::Float(to), Self::Float(from)) => to[offset..offset + from.len()].copy_from_slice(from),
            (Self::U32(to), Self::U32(from)) => to[offset..offset + from.len()].copy_from_slice(from),
            _ => panic!("reals and integers do not mix"),
        }
    }

    /// For a device, which takes f32.
    pub fn data(&self) -> Data {
        match self {
            Self::Float(v) => Data::Float(v.iter().map(|&x| x as f32).collect()),
            Self::U32(v) => Data::U32(v.clone()),
        }
    }
}

impl From<Data> for Array {
    fn from(data: Data) -> Self {
        match data {
            Data::Float(v) => Self::Float(v.into_iter().map(f64::from).collect()),
            Data::U32(v) => Self::U32(v),
        }
    }
}
