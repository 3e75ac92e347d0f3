//! Arrays of floats aligned to cache lines and padded with zeros to whole vectors.
//!
//! A vector load that straddles two cache lines costs twice as much, and with the ordinary allocator's alignment nearly all
//! loads would.

use std::ops::{Deref, DerefMut};

use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::kernels::LANES;

/// One vector, which is one cache line.
#[derive(Clone, Copy, Debug, Zeroable, Pod)]
#[repr(C, align(64))]
struct Line([f32; LANES]);

/// A fixed number of floats, aligned to 64 bytes. It dereferences to a slice of these floats; [`Buffer::padded`] includes
/// the zeros behind them.
#[derive(Clone, Debug, Default)]
pub struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// A buffer of `len` zeros.
    pub fn zeros(len: usize) -> Self {
        Self { lines: vec![Line([0.0; LANES]); len.div_ceil(LANES)], len }
    }

    /// A copy of `values`.
    pub fn from_slice(values: &[f32]) -> Self {
        let mut buffer = Self::zeros(values.len());
        buffer.copy_from_slice(values);
        buffer
    }

    /// The floats and the padding behind them; the length is a multiple of 16.
    pub fn padded(&self) -> &[f32] {
        bytemuck::cast_slice(&self.lines)
    }

    /// [`Buffer::padded`], mutably. The padding has to be zero afterwards.
    pub fn padded_mut(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(&mut self.lines)
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl PartialEq for Buffer {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Serialize for Buffer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Buffer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_slice(&Vec::<f32>::deserialize(deserializer)?))
    }
}
