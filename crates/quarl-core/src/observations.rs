//! Arrays of observations of one shape, stored in their space's type: f32 or bytes.

use serde::{Deserialize, Serialize};

use crate::space::Dtype;

/// An array of observations, `[item][..shape]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Observations {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// Unsigned bytes, such as pixels.
    U8(Vec<u8>),
}

/// A borrowed view of [`Observations`], `[item][..shape]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ObservationsView<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// Unsigned bytes, such as pixels.
    U8(&'a [u8]),
}

impl Observations {
    /// An empty array.
    pub fn new(dtype: Dtype) -> Self {
        Self::zeros(dtype, 0)
    }

    /// An array of `len` zeros in total (items times features).
    pub fn zeros(dtype: Dtype, len: usize) -> Self {
        match dtype {
            Dtype::F32 => Self::F32(vec![0.0; len]),
            Dtype::U8 => Self::U8(vec![0; len]),
        }
    }

    /// A view of the whole array.
    pub fn view(&self) -> ObservationsView<'_> {
        match self {
            Self::F32(values) => ObservationsView::F32(values),
            Self::U8(values) => ObservationsView::U8(values),
        }
    }

    /// All numbers as f32, in order.
    pub fn to_floats(&self) -> Vec<f32> {
        self.view().iter().collect()
    }

    /// The total number of numbers (items times features).
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether the array is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of the numbers.
    pub fn dtype(&self) -> Dtype {
        match self {
            Self::F32(_) => Dtype::F32,
            Self::U8(_) => Dtype::U8,
        }
    }

    /// Appends the numbers of another array; `None` where they are of another type.
    pub(crate) fn append(&mut self, other: Self) -> Option<()> {
        match (self, other) {
            (Self::F32(values), Self::F32(more)) => values.extend(more),
            (Self::U8(values), Self::U8(more)) => values.extend(more),
            _ => return None,
        }
        Some(())
    }

    /// Reserves memory for `len` numbers in total; returns false where the memory is not available.
    pub(crate) fn try_reserve(&mut self, len: usize) -> bool {
        match self {
            Self::F32(values) => try_reserve(values, len),
            Self::U8(values) => try_reserve(values, len),
        }
    }

    /// Writes observation `id`, appending it or replacing an old one. For byte storage, numbers are rounded; environments
    /// return whole numbers for such spaces.
    pub(crate) fn put(&mut self, id: usize, observation: &[f32]) {
        match self {
            Self::F32(values) => put(values, id, observation.iter().copied()),
            Self::U8(values) => put(values, id, observation.iter().map(|x| x.round() as u8)),
        }
    }

    /// Copies the observations `ids`, each of `features` numbers, into `out`. An array of floats cannot be copied into one
    /// of bytes.
    ///
    /// # Panics
    /// When `out` has another length, or holds bytes where these are floats.
    pub(crate) fn gather(&self, ids: &[usize], features: usize, out: &mut Observations) {
        match (self, out) {
            // For four features (CartPole), this loop is faster than a call of memcpy for each row.
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
            (Self::F32(_), Self::U8(_)) => panic!("observations of floats cannot be gathered into bytes"),
        }
    }

    /// Copies observation `id`, converted to f32.
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

impl<'a> ObservationsView<'a> {
    /// The numbers in a range.
    pub(crate) fn range(self, numbers: std::ops::Range<usize>) -> ObservationsView<'a> {
        match self {
            Self::F32(values) => Self::F32(&values[numbers]),
            Self::U8(values) => Self::U8(&values[numbers]),
        }
    }
}

impl ObservationsView<'_> {
    /// The total number of numbers (items times features).
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::U8(values) => values.len(),
        }
    }

    /// Whether the view is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All numbers as f32, in order.
    pub fn iter(&self) -> impl Iterator<Item = f32> + '_ {
        let (floats, bytes): (&[f32], &[u8]) = match self {
            Self::F32(values) => (values, &[]),
            Self::U8(values) => (&[], values),
        };
        floats.iter().copied().chain(bytes.iter().map(|byte| f32::from(*byte)))
    }
}

pub(crate) fn try_reserve<T>(values: &mut Vec<T>, len: usize) -> bool {
    // Fallible reservation, because the plain constructors abort the process when memory runs out.
    values.try_reserve_exact(len.saturating_sub(values.len())).is_ok()
}

/// Writes row `id` of a table whose rows have the length of `row`, appending it or replacing an old one.
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
