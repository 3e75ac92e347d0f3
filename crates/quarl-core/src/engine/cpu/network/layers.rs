//! The layers, one file each; the construction of a network's layers and their places in the flat parameter vector.
//!
//! The vector begins with all layers' parameters in the order of the forward pass, which reads this part only. The
//! parameters of a reparametrisation (a noisy network's sigmas) follow. The first part is therefore the parameter vector of
//! an ordinary network.

mod dense;
mod dueling;
pub(super) mod layer;
mod layer_norm;
mod linear;
mod noisy;
mod quantile_embedding;
mod reparametrisation;
mod weight_norm;

use crate::network::{Architecture, Head};
use crate::rng::Rng;
use dense::Dense;
use dueling::Dueling;
pub use layer::Tensor;
use layer::{Layer, Layout};
pub use linear::Linear;
use noisy::Noisy;
use quantile_embedding::QuantileEmbedding;
use reparametrisation::Reparametrisation;
use weight_norm::WeightNorm;

/// The layers of a network, and the places of their parameters in the flat vector.
#[derive(Debug)]
pub struct LayerStack {
    /// In the order of the forward pass.
    pub(super) layers: Vec<Box<dyn Layer>>,
    /// Reparametrisations, which compute the effective parameters before a forward pass.
    pub(super) reparametrisations: Vec<Box<dyn Reparametrisation>>,
    /// The length of the part of the vector that a forward pass reads.
    pub(super) forward_len: usize,
    /// The length of the whole vector.
    pub(super) len: usize,
}

impl LayerStack {
    /// The layers of an architecture.
    ///
    /// # Panics
    /// When a layer has no units.
    pub fn new(architecture: &Architecture) -> Self {
        let Architecture {
            inputs,
            hidden,
            actions,
            layer_norm,
            dueling,
            noisy,
            weight_norm,
            head,
            dueling_hidden,
            activation,
            ..
        } = architecture;
        let outputs = architecture.outputs();
        let has_units = *inputs > 0 && outputs > 0 && !hidden.iter().chain(dueling_hidden).any(|units| *units == 0);
        assert!(has_units, "every layer needs at least one unit: {architecture:?}");
        let layout = &mut Layout::default();
        let mut layers: Vec<Box<dyn Layer>> = Vec::new();
        let mut width = *inputs;
        for (i, units) in (1..).zip(hidden) {
            let norm = layer_norm.then(|| format!("norm{i}"));
            layers.push(Box::new(Dense::hidden(layout, format!("l{i}"), norm, (width, *units), *activation)));
            width = *units;
        }
        match *head {
            Head::Implicit { cosines, .. } => layers.push(Box::new(QuantileEmbedding::new(layout, cosines, width))),
            Head::Scalar | Head::Categorical { .. } | Head::Quantile { .. } => {}
        }
        layers.push(match *dueling {
            true => Box::new(Dueling::new(layout, architecture, width)),
            false => {
                let name = format!("l{}", hidden.len() + 1);
                Box::new(Dense::output(layout, name, width, actions * head.atoms()))
            }
        });
        let forward_len = layout.len;
        let linears = || layers.iter().flat_map(|layer| layer.linears()).cloned().collect();
        let mut reparametrisations: Vec<Box<dyn Reparametrisation>> = Vec::new();
        if *weight_norm {
            reparametrisations.push(Box::new(WeightNorm::new(layout, linears())));
        }
        if *noisy {
            reparametrisations.push(Box::new(Noisy::new(layout, linears())));
        }
        Self { reparametrisations, forward_len, len: layout.len, layers }
    }

    /// The number of parameters.
    pub fn parameter_count(&self) -> usize {
        self.len
    }

    /// All fully connected parts, in the order of the flat vector.
    pub fn linears(&self) -> impl Iterator<Item = &Linear> {
        self.layers.iter().flat_map(|layer| layer.linears())
    }

    /// All named tensors, which together cover the whole vector.
    pub fn tensors(&self) -> Vec<Tensor> {
        let of_layers = self.layers.iter().flat_map(|layer| layer.tensors());
        of_layers.chain(self.reparametrisations.iter().flat_map(|each| each.tensors())).collect()
    }

    /// The name of a layer: that of its first tensor without the tensor's part.
    pub(crate) fn name(&self, layer: usize) -> String {
        let first = self.layers[layer].tensors().into_iter().next();
        first.and_then(|tensor| Some(tensor.name.rsplit_once('.')?.0.to_owned())).unwrap_or_default()
    }

    /// Draws initial parameters: each layer's as PyTorch initialises it; a noisy network's sigmas from `noisy_sigma` (0.5
    /// in Fortunato et al. 2018).
    pub fn initial_parameters(&self, noisy_sigma: f64, rng: &mut Rng) -> Vec<f32> {
        let mut parameters = vec![0.0; self.len];
        self.layers.iter().for_each(|layer| layer.initialise(&mut parameters, rng));
        self.reparametrisations.iter().for_each(|each| each.initialise(noisy_sigma, &mut parameters));
        parameters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{TrainConfig, presets};
    use crate::space::BoxSpace;

    fn everything() -> Architecture {
        Architecture {
            layer_norm: true,
            dueling: true,
            dueling_hidden: Some(6),
            noisy: true,
            head: Head::Implicit { cosines: 5, acting_quantiles: 8 },
            ..Architecture::plain(4, &[3, 7], 2)
        }
    }

    fn names(tensors: &[Tensor]) -> Vec<&str> {
        tensors.iter().map(|tensor| &*tensor.name).collect()
    }

    #[test]
    fn the_named_tensors_are_the_whole_vector_and_share_nothing() {
        let quantile = Architecture { head: Head::Quantile { quantiles: 6 }, ..everything() };
        let linear_streams = Architecture { dueling_hidden: None, ..everything() };
        for architecture in [everything(), linear_streams, quantile, Architecture::plain(4, &[], 2)] {
            let layers = LayerStack::new(&architecture);
            let mut owners = vec![0; layers.len];
            for tensor in layers.tensors() {
                assert_eq!(tensor.shape.iter().product::<usize>(), tensor.range.len(), "{}", tensor.name);
                owners[tensor.range].iter_mut().for_each(|owners| *owners += 1);
            }
            assert!(owners.iter().all(|owners| *owners == 1), "{architecture:?}");
        }
    }

    #[test]
    fn every_networks_parameters_are_counted() {
        for (preset, _) in presets::list() {
            for switches in [
                &[][..],
                &["network.layer_norm=true"],
                &["network.dueling=true", "network.noisy=true", "network.hidden=[19, 9]"],
                &["network.hidden=[]", "network.dueling=false"],
                &["network.weight_norm=true"],
            ] {
                let config = TrainConfig::preset(preset).assign_all(switches).build().unwrap();
                let architecture = config.network.architecture(&BoxSpace::vector(vec![0.0; 4], vec![1.0; 4]), 2);
                let layers = LayerStack::new(&architecture);
                let counts = (architecture.forward_parameter_count(), architecture.parameter_count());
                assert_eq!(counts, (Some(layers.forward_len), Some(layers.len)), "{preset} {switches:?}");
            }
        }
    }

    #[test]
    fn a_plain_network_is_its_layers_one_after_the_other() {
        let layers = LayerStack::new(&Architecture::plain(4, &[3], 2));
        let ranges: Vec<_> = layers.linears().map(|layer| (layer.weight.clone(), layer.bias.clone())).collect();
        assert_eq!(ranges, [(0..12, 12..15), (15..21, 21..23)]);
        assert_eq!((layers.forward_len, layers.len), (23, 23));
    }

    #[test]
    fn each_stream_of_a_dueling_network_has_a_hidden_layer_of_its_own() {
        let architecture = Architecture { head: Head::Quantile { quantiles: 5 }, ..everything() };
        let layers = LayerStack::new(&architecture);
        let shapes: Vec<(&str, usize, usize)> =
            layers.linears().skip(2).map(|layer| (&*layer.name, layer.inputs, layer.outputs)).collect();
        let expected = [("value_hidden", 7, 6), ("value", 6, 5), ("advantage_hidden", 7, 6), ("advantage", 6, 10)];
        assert_eq!(shapes, expected);
        let tensors = layers.tensors();
        let names = names(&tensors);
        assert!(layers.linears().all(|layer| names.contains(&&*format!("{}.bias_sigma", layer.name))), "{names:?}");
        assert!(
            ["norm1", "norm2", "value_norm", "advantage_norm"]
                .iter()
                .all(|norm| names.contains(&&*format!("{norm}.weight")))
        );
    }
}
