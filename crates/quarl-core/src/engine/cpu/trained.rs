//! A trained network that computes Q-values of single observations.

use std::sync::Arc;

use super::buffer::Buffer;
use super::kernels::CpuPath;
use super::network::{QNetwork, SingleScratch};
use crate::error::Error;
use crate::network::{Architecture, QValues};

/// A network with fixed parameters, without the noise of a noisy network. It has buffers of its own, so computing allocates
/// nothing. Clones share the parameters and are cheap.
#[derive(Debug)]
pub struct TrainedNetwork {
    fixed: Arc<Fixed>,
    scratch: SingleScratch,
}

#[derive(Debug)]
struct Fixed {
    network: QNetwork,
    /// The effective parameters.
    parameters: Buffer,
}

impl Clone for TrainedNetwork {
    fn clone(&self) -> Self {
        Self::with_buffers(Arc::clone(&self.fixed))
    }
}

impl TrainedNetwork {
    /// A network with these parameters.
    ///
    /// # Errors
    /// [`Error::State`] where `parameters` does not have the network's length; [`Error::CpuPath`] for an invalid `QUARL_CPU`.
    pub fn new(architecture: &Architecture, parameters: &[f32]) -> Result<Self, Error> {
        let network = QNetwork::new(architecture.clone(), CpuPath::select()?);
        let (given, needed) = (parameters.len(), network.parameter_count());
        if given != needed {
            let message = format!("it has {given} parameters, and its network {needed}");
            return Err(Error::State { what: "the model".to_owned(), message });
        }
        let mut effective = Buffer::zeros(network.forward_parameter_count());
        network.effective_parameters(parameters, &network.no_noise(), &mut effective);
        Ok(Self::with_buffers(Arc::new(Fixed { network, parameters: effective })))
    }

    fn with_buffers(fixed: Arc<Fixed>) -> Self {
        Self { scratch: fixed.network.single_scratch(), fixed }
    }

    /// The network's architecture.
    pub fn architecture(&self) -> &Architecture {
        self.fixed.network.architecture()
    }

    /// The parameters of the forward pass, after reparametrisations: the first ones of the
    /// [layout](crate::engine::parameter_layout).
    pub fn effective_parameters(&self) -> &[f32] {
        &self.fixed.parameters
    }

    /// The Q-values of all actions.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] where the observation has another length than the network's inputs.
    pub fn q_values(&mut self, observation: &[f32]) -> Result<QValues<'_>, Error> {
        self.fixed.network.q_values(&self.fixed.parameters, observation, &mut self.scratch)
    }
}
