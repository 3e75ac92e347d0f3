//! The backward pass over a batch.

use super::layers::layer::{Backward, Features};
use super::{Activations, QNetwork};
use crate::engine::cpu::buffer::Buffer;

/// The buffers of a backward pass.
#[derive(Clone, Debug)]
pub struct BackwardScratch {
    /// The gradient of the loss with respect to each layer's outputs, before their activation. The caller sets the last
    /// one.
    deltas: Vec<Buffer>,
    /// The buffers of the layers' own backward passes.
    scratch: Vec<Vec<Buffer>>,
    transposed: Buffer,
}

impl QNetwork {
    /// Allocates the buffers of a backward pass over a batch of the size of `activations`.
    pub fn backward_scratch(&self, activations: &Activations) -> BackwardScratch {
        let passes = &activations.passes;
        let inputs = |i: usize| if i == 0 { activations.columns } else { passes[i - 1].outputs().columns };
        BackwardScratch {
            deltas: passes.iter().map(|pass| Buffer::zeros(pass.outputs().values.len())).collect(),
            scratch: passes.iter().enumerate().map(|(i, pass)| pass.gradient_scratch(inputs(i))).collect(),
            transposed: Buffer::zeros(passes.iter().map(|pass| pass.transposed_len()).max().unwrap_or(0)),
        }
    }

    /// Backpropagation: computes the gradient of the loss with respect to every parameter that a forward pass reads, from
    /// the gradient with respect to the outputs ([`BackwardScratch::output_deltas`]) and the activations of
    /// [`QNetwork::forward`].
    pub fn backward(
        &self,
        parameters: &[f32],
        activations: &Activations,
        scratch: &mut BackwardScratch,
        gradients: &mut [f32],
    ) {
        let BackwardScratch { deltas, scratch, transposed } = scratch;
        let Activations { columns, inputs, passes, .. } = activations;
        let observations = Features { values: inputs, columns: *columns, activation: None };
        let mut cx = Backward { path: self.path(), parameters, gradients, transposed };
        for (i, (pass, scratch)) in passes.iter().zip(scratch).enumerate().rev() {
            let (earlier, deltas) = deltas.split_at_mut(i);
            let inputs = if i == 0 { observations } else { passes[i - 1].outputs() };
            // The gradient with respect to the observations is not needed.
            let input_deltas = earlier.last_mut().map(|deltas| &mut **deltas);
            pass.backward(&mut cx, inputs, &mut deltas[0], input_deltas, scratch);
        }
    }
}

impl BackwardScratch {
    /// The gradient of the loss with respect to each output, `[action][atom][stride]`, set to zero, for the caller to fill.
    /// The padding has to stay zero.
    pub fn output_deltas(&mut self) -> &mut [f32] {
        match self.deltas.last_mut() {
            Some(deltas) => {
                deltas.fill(0.0);
                deltas
            }
            None => &mut [],
        }
    }
}
