//! First parameters.

use super::QNetwork;
use super::buffer::Buffer;
use crate::rng::Rng;

/// PyTorch's default for `Linear`: weights and biases uniform in +-1/sqrt(inputs) (He et al. 2015 with a = sqrt(5), which
/// comes to just that).
pub fn pytorch_default(network: &QNetwork, rng: &mut Rng) -> Buffer {
    let mut parameters = Buffer::zeros(network.parameter_count());
    for layer in network.layers() {
        let bound = 1.0 / (layer.inputs as f64).sqrt();
        for parameter in &mut parameters[layer.weight.start..layer.bias.end] {
            *parameter = rng.uniform_in(-bound, bound) as f32;
        }
    }
    parameters
}
