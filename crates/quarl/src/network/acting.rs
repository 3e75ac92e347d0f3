//! One observation through the network: what acting needs, without a batch's padding.

use super::architecture::{Activation, Head};
use super::buffer::Buffer;
use super::kernels::{self, Finish, LANES};
use super::{QNetwork, QValues, dueling, head, implicit};

/// Room for one observation's way through the network.
#[derive(Clone, Debug)]
pub struct SingleScratch {
    /// Each hidden layer's output.
    hidden: Vec<Buffer>,
    /// An implicit head's levels, one behind the other, and what becomes of them.
    implicit: Option<ImplicitScratch>,
    /// Value and advantages of a dueling network, `[1 + actions][atoms]`; else empty.
    streams: Buffer,
    /// `[actions][atoms]`, or `[actions][levels]`.
    outputs: Buffer,
    /// A categorical head's atoms.
    support: Vec<f32>,
    q_values: Vec<f32>,
}

#[derive(Clone, Debug)]
struct ImplicitScratch {
    /// As many as are averaged over, then padding to whole vectors.
    levels: Buffer,
    count: usize,
    recurrence: Vec<f64>,
    cosines: Buffer,
    /// The observation's own column, repeated: `[width][LANES]`.
    trunk: Buffer,
    embedded: Buffer,
    merged: Buffer,
}

impl QNetwork {
    /// Room for [`QNetwork::q_values`].
    pub fn single_scratch(&self) -> SingleScratch {
        let architecture = self.architecture();
        let (mut columns, mut implicit) = (1, None);
        if let (Some(embedding), Head::Implicit { acting_quantiles, .. }) = (&self.plan().embedding, architecture.head)
        {
            columns = acting_quantiles.next_multiple_of(LANES);
            let mut levels = Buffer::from_slice(&vec![0.5; columns]);
            levels.iter_mut().zip(head::midpoints(acting_quantiles)).for_each(|(level, middle)| *level = middle);
            implicit = Some(ImplicitScratch {
                levels,
                count: acting_quantiles,
                recurrence: vec![0.0; 3 * columns],
                cosines: Buffer::zeros(embedding.inputs * columns),
                trunk: Buffer::zeros(embedding.outputs * LANES),
                embedded: Buffer::zeros(embedding.outputs * columns),
                merged: Buffer::zeros(embedding.outputs * columns),
            });
        }
        let support = match architecture.head {
            Head::Categorical { atoms, v_min, v_max } => head::support(atoms, v_min, v_max),
            _ => Vec::new(),
        };
        SingleScratch {
            hidden: architecture.hidden.iter().map(|units| Buffer::zeros(*units)).collect(),
            implicit,
            streams: Buffer::zeros(if architecture.dueling { architecture.outputs() * columns } else { 0 }),
            outputs: Buffer::zeros(architecture.actions * architecture.head.atoms() * columns),
            support,
            q_values: vec![0.0; architecture.actions],
        }
    }

    /// One observation's Q-values.
    pub fn q_values<'a>(&self, parameters: &[f32], observation: &[f32], scratch: &'a mut SingleScratch) -> QValues<'a> {
        let architecture = self.architecture();
        let plan = self.plan();
        let SingleScratch { hidden, implicit, streams, outputs, support, q_values } = scratch;
        let is_fused = architecture.activation == Activation::Relu && !architecture.layer_norm;
        for (i, layer) in plan.hidden.iter().enumerate() {
            let (inputs, output) = hidden.split_at_mut(i);
            let output = &mut output[0];
            let (weight, bias) = (&parameters[layer.weight.clone()], &parameters[layer.bias.clone()]);
            let input = inputs.last().map_or(observation, |input| input);
            kernels::affine(self.path(), weight, bias, input, is_fused, output);
            if let Some(norm) = plan.norms.get(i) {
                layer_norm(&parameters[norm.weight.clone()], &parameters[norm.bias.clone()], output);
            }
            if !is_fused {
                kernels::activate(self.path(), architecture.activation, output.padded_mut());
                // The padding is behind the last unit: zero before, and zero after each of these functions.
            }
        }
        let features = hidden.last().map_or(observation, |units| units);
        let into = if architecture.dueling { &mut *streams } else { &mut *outputs };
        let columns = match implicit {
            Some(implicit) => {
                self.merge_levels(parameters, features, implicit);
                let columns = implicit.levels.len();
                self.linear(parameters, &plan.output, &implicit.merged, into, columns, Finish::Plain);
                columns
            }
            None => {
                let weight = &parameters[plan.output.weight.clone()];
                kernels::affine(self.path(), weight, &parameters[plan.output.bias.clone()], features, false, into);
                1
            }
        };
        if architecture.dueling {
            dueling::combine(streams, architecture.actions, outputs);
        }
        let per_action = outputs.chunks_exact(architecture.head.atoms() * columns);
        match (&architecture.head, implicit) {
            (Head::Scalar, _) => return QValues::new(outputs, architecture.actions, 1),
            (Head::Categorical { .. }, _) => {
                q_values.iter_mut().zip(per_action).for_each(|(q, logits)| *q = expectation(logits, support));
            }
            (_, implicit) => {
                let count = implicit.as_ref().map_or(architecture.head.atoms(), |implicit| implicit.count);
                q_values
                    .iter_mut()
                    .zip(per_action)
                    .for_each(|(q, quantiles)| *q = quantiles[..count].iter().sum::<f32>() / count as f32);
            }
        }
        QValues::new(q_values, architecture.actions, 1)
    }

    /// The trunk's output, multiplied by every level's embedding.
    fn merge_levels(&self, parameters: &[f32], features: &[f32], scratch: &mut ImplicitScratch) {
        let ImplicitScratch { levels, recurrence, cosines, trunk, embedded, merged, .. } = scratch;
        let Some(embedding) = &self.plan().embedding else { return };
        let columns = levels.len();
        implicit::cosines(levels, recurrence, cosines);
        self.linear(parameters, embedding, cosines, embedded, columns, Finish::Relu);
        for (row, feature) in trunk.chunks_exact_mut(LANES).zip(features) {
            row.fill(*feature);
        }
        kernels::merge(self.path(), trunk, LANES, embedded, merged);
    }
}

impl SingleScratch {
    /// The levels that an implicit head's Q-values are averaged over: midpoints unless the caller writes others. Empty for
    /// any other head.
    pub fn levels_mut(&mut self) -> &mut [f32] {
        self.implicit.as_mut().map_or(&mut [], |implicit| &mut implicit.levels[..implicit.count])
    }
}

/// One item's layer normalisation, summed in plain order.
fn layer_norm(weight: &[f32], bias: &[f32], values: &mut [f32]) {
    let count = values.len() as f32;
    let mean = values.iter().sum::<f32>() / count;
    let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / count;
    let inverse = 1.0 / (variance + kernels::LAYER_NORM_EPS).sqrt();
    for ((x, weight), bias) in values.iter_mut().zip(weight).zip(bias) {
        *x = (*x - mean) * inverse * weight + bias;
    }
}

/// The mean of a distribution over `support`, from its logits.
fn expectation(logits: &[f32], support: &[f32]) -> f32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (logit, value) in logits.iter().zip(support) {
        let weight = libm::expf(logit - largest);
        sum += weight;
        weighted += weight * value;
    }
    weighted / sum
}
