//! Which part of the flat parameter vector is what.
//!
//! First come all weights, biases and normalisations in the order in which an observation meets them: what a forward pass
//! reads. A noisy network's sigmas follow behind, so that the front part, perturbed or not, is a network like any other.

use std::ops::Range;

use super::{Architecture, Head};

/// A fully connected layer's place in the flat parameter vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linear {
    /// Its name in a model file, PyTorch style: `l1`, `l2`, ..
    pub name: String,
    /// How many numbers go in.
    pub inputs: usize,
    /// How many numbers come out.
    pub outputs: usize,
    /// Where the weight is, `[outputs][inputs]` as in PyTorch.
    pub weight: Range<usize>,
    /// Where the bias is, `[outputs]`; it follows the weight.
    pub bias: Range<usize>,
    /// Where the scale of the noise is, weight and bias laid out as those; none where the layer is not noisy.
    pub sigma: Option<Range<usize>>,
}

/// A layer normalisation's place in the flat parameter vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerNorm {
    /// Its name in a model file: `norm1`, ..
    pub name: String,
    /// What each normalised unit is multiplied by, `[units]`.
    pub weight: Range<usize>,
    /// What is then added, `[units]`.
    pub bias: Range<usize>,
}

/// A hidden layer: fully connected, normalised where the network has layer normalisation, then activated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HiddenLayer {
    /// Weight and bias.
    pub linear: Linear,
    /// The normalisation between them and the activation.
    pub norm: Option<LayerNorm>,
}

/// What follows the trunk, up to one part of the outputs: a hidden layer in a dueling network, then a linear layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The stream's own hidden layer.
    pub hidden: Option<HiddenLayer>,
    /// The linear layer behind it.
    pub output: Linear,
}

impl Stream {
    /// The layer that sees the trunk's output.
    pub(super) fn first(&self) -> &Linear {
        self.hidden.as_ref().map_or(&self.output, |layer| &layer.linear)
    }
}

/// The plan of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The trunk: the hidden layers that all outputs share.
    pub hidden: Vec<HiddenLayer>,
    /// From a level's cosines to the last hidden layer's width, in an implicit head.
    pub embedding: Option<Linear>,
    /// One stream; in a dueling network two, the value and the advantages.
    pub streams: Vec<Stream>,
    /// The length of the part that a forward pass reads.
    pub forward_len: usize,
    /// The length of the whole vector.
    pub len: usize,
}

/// A named part of the flat vector, as a model file keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// PyTorch style: `l1.weight`.
    pub name: String,
    /// Its dimensions, the last one contiguous.
    pub shape: Vec<usize>,
    /// Where it is.
    pub range: Range<usize>,
}

/// Hands out the flat vector from its beginning.
struct Layout {
    len: usize,
    layer_norm: bool,
}

impl Layout {
    fn take(&mut self, len: usize) -> Range<usize> {
        self.len += len;
        self.len - len..self.len
    }

    fn linear(&mut self, name: &str, inputs: usize, outputs: usize) -> Linear {
        let (weight, bias) = (self.take(outputs * inputs), self.take(outputs));
        Linear { name: name.to_owned(), inputs, outputs, weight, bias, sigma: None }
    }

    fn hidden(&mut self, name: &str, norm: &str, inputs: usize, units: usize) -> HiddenLayer {
        let linear = self.linear(name, inputs, units);
        let norm = self.layer_norm.then(|| LayerNorm {
            name: norm.to_owned(),
            weight: self.take(units),
            bias: self.take(units),
        });
        HiddenLayer { linear, norm }
    }
}

impl Plan {
    /// The plan of a network.
    ///
    /// # Panics
    /// When a layer would have no units.
    pub fn new(architecture: &Architecture) -> Self {
        let Architecture { inputs, hidden: sizes, actions, layer_norm, dueling, noisy, head, dueling_hidden, .. } =
            architecture;
        let outputs = architecture.outputs();
        let sizes_of_streams = dueling_hidden.iter();
        let has_units = *inputs > 0 && outputs > 0 && !sizes.iter().chain(sizes_of_streams).any(|units| *units == 0);
        assert!(has_units, "every layer needs a unit: {architecture:?}");
        let mut layout = Layout { len: 0, layer_norm: *layer_norm };
        let mut width = *inputs;
        let mut hidden = Vec::new();
        for (i, units) in (1..).zip(sizes) {
            hidden.push(layout.hidden(&format!("l{i}"), &format!("norm{i}"), width, *units));
            width = *units;
        }
        let embedding = match head {
            Head::Implicit { cosines, .. } => Some(layout.linear("embedding", *cosines, width)),
            _ => None,
        };
        let atoms = head.atoms();
        let streams = if *dueling {
            let mut stream = |name: &str, outputs: usize| {
                let hidden = dueling_hidden
                    .map(|units| layout.hidden(&format!("{name}_hidden"), &format!("{name}_norm"), width, units));
                let output = layout.linear(name, dueling_hidden.unwrap_or(width), outputs);
                Stream { hidden, output }
            };
            vec![stream("value", atoms), stream("advantage", actions * atoms)]
        } else {
            let output = layout.linear(&format!("l{}", sizes.len() + 1), width, outputs);
            vec![Stream { hidden: None, output }]
        };
        let forward_len = layout.len;
        let mut plan = Self { hidden, embedding, streams, forward_len, len: forward_len };
        if *noisy {
            for layer in plan.linears_mut() {
                layer.sigma = Some(layout.take(layer.weight.len() + layer.bias.len()));
            }
            plan.len = layout.len;
        }
        plan
    }

    /// All fully connected layers, in the order of the flat vector.
    pub fn linears(&self) -> impl Iterator<Item = &Linear> {
        let streams = self.streams.iter();
        let of_streams =
            streams.flat_map(|Stream { hidden, output }| hidden.iter().map(|layer| &layer.linear).chain([output]));
        self.hidden.iter().map(|layer| &layer.linear).chain(&self.embedding).chain(of_streams)
    }

    fn linears_mut(&mut self) -> impl Iterator<Item = &mut Linear> {
        let streams = self.streams.iter_mut();
        let of_streams = streams
            .flat_map(|Stream { hidden, output }| hidden.iter_mut().map(|layer| &mut layer.linear).chain([output]));
        self.hidden.iter_mut().map(|layer| &mut layer.linear).chain(&mut self.embedding).chain(of_streams)
    }

    /// All layer normalisations, in the order of the flat vector.
    pub fn norms(&self) -> impl Iterator<Item = &LayerNorm> {
        let of_streams = self.streams.iter().filter_map(|stream| stream.hidden.as_ref());
        self.hidden.iter().chain(of_streams).filter_map(|layer| layer.norm.as_ref())
    }

    /// Every named part, together the whole vector.
    pub fn tensors(&self) -> Vec<Tensor> {
        let mut tensors = Vec::new();
        for layer in self.linears() {
            let mut push = |suffix: &str, start: usize| {
                let bias = start + layer.weight.len();
                tensors.push(Tensor {
                    name: format!("{}.weight{suffix}", layer.name),
                    shape: vec![layer.outputs, layer.inputs],
                    range: start..bias,
                });
                tensors.push(Tensor {
                    name: format!("{}.bias{suffix}", layer.name),
                    shape: vec![layer.outputs],
                    range: bias..bias + layer.outputs,
                });
            };
            push("", layer.weight.start);
            if let Some(sigma) = &layer.sigma {
                push("_sigma", sigma.start);
            }
        }
        for norm in self.norms() {
            for (suffix, range) in [("weight", &norm.weight), ("bias", &norm.bias)] {
                tensors.push(Tensor {
                    name: format!("{}.{suffix}", norm.name),
                    shape: vec![range.len()],
                    range: range.clone(),
                });
            }
        }
        tensors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn the_named_tensors_are_the_whole_vector_and_share_nothing() {
        let quantile = Architecture { head: Head::Quantile { quantiles: 6 }, ..everything() };
        let linear_streams = Architecture { dueling_hidden: None, ..everything() };
        for architecture in [everything(), linear_streams, quantile, Architecture::plain(4, &[], 2)] {
            let plan = Plan::new(&architecture);
            let mut owners = vec![0; plan.len];
            for tensor in plan.tensors() {
                assert_eq!(tensor.shape.iter().product::<usize>(), tensor.range.len(), "{}", tensor.name);
                owners[tensor.range].iter_mut().for_each(|owners| *owners += 1);
            }
            assert!(owners.iter().all(|owners| *owners == 1), "{architecture:?}");
            assert_eq!(architecture.parameter_count(), Some(plan.len), "{architecture:?}");
        }
    }

    #[test]
    fn a_plain_network_is_its_layers_one_after_the_other() {
        let plan = Plan::new(&Architecture::plain(4, &[3], 2));
        let (first, output) = (&plan.hidden[0].linear, &plan.streams[0].output);
        assert_eq!((first.weight.clone(), first.bias.clone()), (0..12, 12..15));
        assert_eq!((output.weight.clone(), output.bias.clone()), (15..21, 21..23));
        assert_eq!((plan.forward_len, plan.len), (23, 23));
    }

    #[test]
    fn each_stream_of_a_dueling_network_has_a_hidden_layer_of_its_own() {
        let architecture = Architecture { head: Head::Quantile { quantiles: 5 }, ..everything() };
        let plan = Plan::new(&architecture);
        let shapes: Vec<(&str, usize, usize)> =
            plan.linears().skip(2).map(|layer| (&*layer.name, layer.inputs, layer.outputs)).collect();
        let expected = [("value_hidden", 7, 6), ("value", 6, 5), ("advantage_hidden", 7, 6), ("advantage", 6, 10)];
        assert_eq!(shapes, expected);
        assert!(plan.linears().all(|layer| layer.sigma.is_some()), "noise has a scale in every layer");
        let norms: Vec<&str> = plan.norms().map(|norm| &*norm.name).collect();
        assert_eq!(norms, ["norm1", "norm2", "value_norm", "advantage_norm"]);
    }
}
