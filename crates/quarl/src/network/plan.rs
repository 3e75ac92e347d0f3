//! Which part of the flat parameter vector is what.
//!
//! First come all weights, biases and normalisations in the order in which an observation meets them: what a forward pass
//! reads. A noisy network's sigmas follow behind, so that the front part, perturbed or not, is a network like any other.

use std::ops::Range;

use super::architecture::{Architecture, Head};

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

/// The plan of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The hidden layers.
    pub hidden: Vec<Linear>,
    /// Their normalisations: one each, or none at all.
    pub norms: Vec<LayerNorm>,
    /// From a level's cosines to the last hidden layer's width, in an implicit head.
    pub embedding: Option<Linear>,
    /// The output layer; in a dueling network its first rows are the value, the others the advantages.
    pub output: Linear,
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

impl Plan {
    /// The plan of a network.
    ///
    /// # Panics
    /// When a layer would have no units.
    pub fn new(architecture: &Architecture) -> Self {
        let Architecture { inputs, hidden: sizes, layer_norm, noisy, head, .. } = architecture;
        let outputs = architecture.outputs();
        assert!(*inputs > 0 && outputs > 0 && !sizes.contains(&0), "every layer needs a unit: {architecture:?}");
        let mut at = 0;
        let mut take = |len: usize| {
            at += len;
            at - len..at
        };
        let mut linear = |name: String, inputs: usize, outputs: usize| {
            let (weight, bias) = (take(outputs * inputs), take(outputs));
            Linear { name, inputs, outputs, weight, bias, sigma: None }
        };
        let (mut hidden, mut norms) = (Vec::new(), Vec::new());
        let mut width = *inputs;
        for (i, units) in sizes.iter().enumerate() {
            hidden.push(linear(format!("l{}", i + 1), width, *units));
            if *layer_norm {
                // A layer normalisation is two vectors: as long as a linear layer of one input.
                let Linear { weight, bias, .. } = linear(String::new(), 1, *units);
                norms.push(LayerNorm { name: format!("norm{}", i + 1), weight, bias });
            }
            width = *units;
        }
        let mut embedding = match head {
            Head::Implicit { cosines, .. } => Some(linear("embedding".to_owned(), *cosines, width)),
            _ => None,
        };
        let mut output = linear(format!("l{}", sizes.len() + 1), width, outputs);
        let forward_len = output.bias.end;
        if *noisy {
            for layer in hidden.iter_mut().chain(&mut embedding).chain([&mut output]) {
                layer.sigma = Some(take(layer.weight.len() + layer.bias.len()));
            }
        }
        Self { hidden, norms, embedding, output, forward_len, len: at }
    }

    /// All fully connected layers, in the order of the flat vector.
    pub fn linears(&self) -> impl Iterator<Item = &Linear> {
        self.hidden.iter().chain(&self.embedding).chain([&self.output])
    }

    /// Every named part, together the whole vector. A dueling output is two: `value` and `advantage`.
    pub fn tensors(&self, architecture: &Architecture) -> Vec<Tensor> {
        let mut tensors = Vec::new();
        for layer in self.linears() {
            let value_rows = architecture.head.atoms();
            let parts = if architecture.dueling && *layer == self.output {
                vec![("value", 0..value_rows), ("advantage", value_rows..layer.outputs)]
            } else {
                vec![(layer.name.as_str(), 0..layer.outputs)]
            };
            for (name, rows) in parts {
                let mut push = |suffix: &str, weight: usize, bias: usize| {
                    tensors.push(Tensor {
                        name: format!("{name}.weight{suffix}"),
                        shape: vec![rows.len(), layer.inputs],
                        range: weight + rows.start * layer.inputs..weight + rows.end * layer.inputs,
                    });
                    tensors.push(Tensor {
                        name: format!("{name}.bias{suffix}"),
                        shape: vec![rows.len()],
                        range: bias + rows.start..bias + rows.end,
                    });
                };
                push("", layer.weight.start, layer.bias.start);
                if let Some(sigma) = &layer.sigma {
                    push("_sigma", sigma.start, sigma.start + layer.weight.len());
                }
            }
        }
        for norm in &self.norms {
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
            noisy: true,
            head: Head::Implicit { cosines: 5, acting_quantiles: 8 },
            ..Architecture::plain(4, &[3, 7], 2)
        }
    }

    #[test]
    fn the_named_tensors_are_the_whole_vector_and_share_nothing() {
        let quantile = Architecture { head: Head::Quantile { quantiles: 6 }, ..everything() };
        for architecture in [everything(), quantile, Architecture::plain(4, &[], 2)] {
            let plan = Plan::new(&architecture);
            let mut owners = vec![0; plan.len];
            for tensor in plan.tensors(&architecture) {
                assert_eq!(tensor.shape.iter().product::<usize>(), tensor.range.len(), "{}", tensor.name);
                owners[tensor.range].iter_mut().for_each(|owners| *owners += 1);
            }
            assert!(owners.iter().all(|owners| *owners == 1), "{architecture:?}");
        }
    }

    #[test]
    fn a_plain_network_is_its_layers_one_after_the_other() {
        let plan = Plan::new(&Architecture::plain(4, &[3], 2));
        assert_eq!((plan.hidden[0].weight.clone(), plan.hidden[0].bias.clone()), (0..12, 12..15));
        assert_eq!((plan.output.weight.clone(), plan.output.bias.clone()), (15..21, 21..23));
        assert_eq!((plan.forward_len, plan.len), (23, 23));
    }
}
