//! First parameters.

use super::{Architecture, Plan};
use crate::rng::Rng;

/// PyTorch's default for `Linear`: weights and biases uniform in +-1/sqrt(inputs) (He et al. 2015 with a = sqrt(5), which
/// comes to just that), normalisations as the identity; in a noisy network every sigma is `noisy_sigma`/sqrt(inputs)
/// (Fortunato et al. 2018: 0.5).
pub fn pytorch_default(architecture: &Architecture, noisy_sigma: f64, rng: &mut Rng) -> Vec<f32> {
    let plan = Plan::new(architecture);
    let mut parameters = vec![0.0; plan.len];
    for layer in plan.linears() {
        let bound = 1.0 / (layer.inputs as f64).sqrt();
        for parameter in &mut parameters[layer.weight.start..layer.bias.end] {
            *parameter = rng.uniform_in(-bound, bound) as f32;
        }
        if let Some(sigma) = &layer.sigma {
            parameters[sigma.clone()].fill((noisy_sigma * bound) as f32);
        }
    }
    for norm in plan.norms() {
        parameters[norm.weight.clone()].fill(1.0);
    }
    parameters
}
