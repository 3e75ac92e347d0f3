//! Reparametrisations: functions from the stored parameters to the *effective* parameters that a forward pass uses, so that
//! layers need not know of them. The backward pass gives gradients with respect to the effective parameters, which are then
//! converted to gradients with respect to the stored ones.

use std::fmt::Debug;

use super::layer::Tensor;
use crate::rng::Rng;

/// A reparametrisation. It may have parameters of its own behind those of the layers, and random numbers for each forward
/// pass.
pub(crate) trait Reparametrisation: Debug + Send + Sync {
    /// Its own parameters by name.
    fn tensors(&self) -> Vec<Tensor>;

    /// Initialises its own parameters, after the layers' have been initialised.
    fn initialise(&self, noisy_sigma: f64, parameters: &mut [f32]);

    /// The number of random numbers that it uses in each forward pass.
    fn draws(&self) -> usize {
        0
    }

    /// Draws these random numbers.
    fn draw(&self, _rng: &mut Rng, _noise: &mut [f32]) {}

    /// Computes the effective parameters: `effective` starts as a copy of the layers' part of `parameters`.
    fn apply(&self, parameters: &[f32], noise: &[f32], effective: &mut [f32]);

    /// Converts gradients in place: from those with respect to the effective parameters to those with respect to the stored
    /// ones, its own included.
    fn gradients_from_effective(&self, parameters: &[f32], noise: &[f32], gradients: &mut [f32]);
}
