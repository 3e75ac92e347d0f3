//! What a network is made of, as plain data: enough to build it again.

use serde::{Deserialize, Serialize};

/// What a network is made of. A trunk of hidden layers is the same for all; switches change what surrounds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// How many numbers an observation has.
    pub inputs: usize,
    /// Units of each hidden layer.
    pub hidden: Vec<usize>,
    /// How many actions there are.
    pub actions: usize,
    /// What follows each hidden layer.
    #[serde(default)]
    pub activation: Activation,
    /// Whether each hidden layer is normalised before its activation (Ba et al. 2016).
    #[serde(default)]
    pub layer_norm: bool,
    /// Whether the output is one value and an advantage for each action (Wang et al. 2016).
    #[serde(default)]
    pub dueling: bool,
    /// Whether weights and biases carry factorised Gaussian noise (Fortunato et al. 2018).
    #[serde(default)]
    pub noisy: bool,
    /// How the output represents what an action is worth.
    #[serde(default)]
    pub head: Head,
}

/// The function after a hidden layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// `x` where positive, else 0.
    #[default]
    Relu,
    /// The hyperbolic tangent.
    Tanh,
    /// `x` where positive, else `exp(x) - 1` (Clevert et al. 2016).
    Elu,
}

/// How the output represents what an action is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Head {
    /// One number: the Q-value itself (Mnih et al. 2015).
    #[default]
    Scalar,
    /// A distribution over returns on fixed atoms, as logits (C51, Bellemare et al. 2017).
    Categorical {
        /// How many atoms.
        atoms: usize,
        /// The lowest atom's return.
        v_min: f64,
        /// The highest atom's return.
        v_max: f64,
    },
    /// The return's quantiles at the middle of `quantiles` equal parts of (0, 1) (QR-DQN, Dabney et al. 2018a).
    Quantile {
        /// How many quantiles.
        quantiles: usize,
    },
    /// The return's quantile at any level that is asked for (IQN, Dabney et al. 2018b).
    Implicit {
        /// How many cosines embed a level.
        cosines: usize,
        /// How many levels a Q-value is averaged over when acting.
        acting_quantiles: usize,
    },
}

impl Head {
    /// Numbers an action has in the network's output (at each level, for an implicit head).
    pub fn atoms(&self) -> usize {
        match *self {
            Head::Scalar | Head::Implicit { .. } => 1,
            Head::Categorical { atoms, .. } => atoms,
            Head::Quantile { quantiles } => quantiles,
        }
    }

    /// Whether its outputs are quantiles.
    pub fn is_quantile(&self) -> bool {
        matches!(self, Head::Quantile { .. } | Head::Implicit { .. })
    }
}

impl Architecture {
    /// A multilayer perceptron with ReLUs and one Q-value an action: DQN's.
    pub fn plain(inputs: usize, hidden: &[usize], actions: usize) -> Self {
        Self {
            inputs,
            hidden: hidden.to_vec(),
            actions,
            activation: Activation::Relu,
            layer_norm: false,
            dueling: false,
            noisy: false,
            head: Head::Scalar,
        }
    }

    /// The last hidden layer's units, or the inputs where there is no hidden layer.
    pub fn width(&self) -> usize {
        self.hidden.last().copied().unwrap_or(self.inputs)
    }

    /// Units of the output layer: for each atom an advantage an action and, in a dueling network, first the value.
    pub fn outputs(&self) -> usize {
        (self.actions + usize::from(self.dueling)) * self.head.atoms()
    }
}
