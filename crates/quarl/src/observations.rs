//! Observations of one shape, one after the other, in the numbers that their space has: floats or bytes.

use serde::{Deserialize, Serialize};

use crate::space::Dtype;

/// Observations, `[item][..shape]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Observations {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// Unsigned bytes, such as pixels.
    U8(Vec<u8>),
}

/// A view of [`Observations`], `[item][..shape]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ObservationsView<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// Unsigned bytes, such as pixels.
    U8(&'a [u8]),
}

impl Observations {
    /// No observations.
    pub fn new(dtype: Dtype) -> Self {
        Self::zeros(dtype, 0)
    }

    /// Observations of `len` zeros altogether.
    pub fn zeros(dtype: Dtype, len: usize) -> Self {
        match dtype {
            Dtype::F32 => Self::F32(vec![0.0; len]),
            Dtype::U8 => Self::U8(vec![0; len]),
        }
    }

    /// A view of all of them.
    pub fn view(&self) -> ObservationsView<'_> {
        match self {
            Self::F32(values) => ObservationsView::F32(values),
            Self::U8(values) => ObservationsView::U8(values),
        }
    }

    /// The numbers as floats, one after the other.
    pub fn to_floats(&self) -> Vec<f32> {
        self.view().iter().collect()
    }

    /// How many numbers they have altogether.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the numbers are.
    pub fn dtype(&self) -> Dtype {
        match self {
            Self::F32(_) => Dtype::F32,
            Self::U8(_) => Dtype::U8,
        }
    }

    /// Asks for room for `len` numbers altogether; false where that much memory cannot be had.
    pub(crate) fn try_reserve(&mut self, len: usize) -> bool {
        match self {
            Self::F32(values) => try_reserve(values, len),
            Self::U8(values) => try_reserve(values, len),
        }
    }

    /// Writes observation `id`: at the end, or over an old one. Bytes are rounded: environments give whole numbers.
    pub(crate) fn put(&mut self, id: usize, observation: &[f32]) {
        match self {
            Self::F32(values) => put(values, id, observation.iter().copied()),
            Self::U8(values) => put(values, id, observation.iter().map(|x| x.round() as u8)),
        }
    }

    /// Copies the observations `ids`, of `features` numbers each, one after the other. Floats are never written as bytes.
    ///
    /// # Panics
    /// When `out` has another length, or bytes where these are floats.
    pub(crate) fn gather(&self, ids: &[usize], features: usize, out: &mut Observations) {
        match (self, out) {
            // A row as short as CartPole's is copied in less time than a call for it takes.
            (Self::F32(values), Self::F32(out)) if features == 4 => {
                let rows = values.as_chunks::<4>().0;
                for (id, out) in ids.iter().zip(out.as_chunks_mut::<4>().0) {
                    *out = rows[*id];
                }
            }
            (Self::U8(values), Self::U8(out)) => {
                for (id, out) in ids.iter().zip(out.chunks_exact_mut(features)) {
                    out.copy_from_slice(&values[id * features..(id + 1) * features]);
                }
            }
            (_, Self::F32(out)) => {
                for (id, out) in ids.iter().zip(out.chunks_exact_mut(features)) {
                    self.copy_to(*id, out);
                }
            }
            (Self::F32(_), Self::U8(_)) => panic!("floats are not written as bytes"),
        }
    }

    /// Copies observation `id` as floats.
    pub(crate) fn copy_to(&self, id: usize, out: &mut [f32]) {
        let row = id * out.len()..(id + 1) * out.len();
        match self {
            Self::F32(values) => out.copy_from_slice(&values[row]),
            Self::U8(values) => {
                for (out, byte) in out.iter_mut().zip(&values[row]) {
                    *out = f32::from(*byte);
                }
            }
        }
    }
}

impl ObservationsView<'_> {
    /// How many numbers they have altogether.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::U8(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = f32> + '_ {
        let (floats, bytes): (&[f32], &[u8]) = match self {
            Self::F32(values) => (values, &[]),
            Self::U8(values) => (&[], values),
        };
        floats.iter().copied().chain(bytes.iter().map(|byte| f32::from(*byte)))
    }
}

pub(crate) fn try_reserve<T>(values: &mut Vec<T>, len: usize) -> bool {
    // Asks first, because the plain constructors would end the program.
    values.try_reserve_exact(len.saturating_sub(values.len())).is_ok()
}

/// Writes row `id` of a table whose rows are as long as `row`: at the end, or over an old one.
pub(crate) fn put<T>(values: &mut Vec<T>, id: usize, row: impl ExactSizeIterator<Item = T>) {
    let begin = id * row.len();
    if begin == values.len() {
        values.extend(row);
    } else {
        for (old, new) in values[begin..].iter_mut().zip(row) {
            *old = new;
        }
    }
}
