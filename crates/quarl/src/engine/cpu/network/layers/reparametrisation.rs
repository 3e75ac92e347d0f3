//! Reparametrisations: what the layers' parameters go through before a pass, so that no layer knows of it.
//!
//! A pass computes with the *effective* parameters that come of it. The gradient that the backward pass gives with respect to
//! those is taken back to the parameters themselves.

use std::fmt::Debug;

use super::layer::Tensor;
use crate::rng::Rng;

/// A reparametrisation. It may have parameters of its own behind those of the layers, and random numbers drawn for each pass.
pub(crate) trait Reparametrisation: Debug + Send + Sync {
    /// Its own parameters by name.
    fn tensors(&self) -> Vec<Tensor>;

    /// Writes its own first parameters, once the layers' are written.
    fn initialise(&self, noisy_sigma: f64, parameters: &mut [f32]);

    /// How many random numbers it uses in each pass.
    fn draws(&self) -> usize {
        0
    }

    /// Draws them.
    fn draw(&self, _rng: &mut Rng, _noise: &mut [f32]) {}

    /// Changes `effective`, the parameters that a forward pass reads, which start as a copy of those in `parameters`.
    fn apply(&self, parameters: &[f32], noise: &[f32], effective: &mut [f32]);

    /// Takes gradients back, in place: from those with respect to the effective parameters to those with respect to the
    /// parameters, its own included.
    fn take_back(&self, parameters: &[f32], noise: &[f32], gradients: &mut [f32]);
}
