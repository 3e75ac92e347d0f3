//! What a network is made of, as plain data: enough to build it again.

use serde::{Deserialize, Serialize};

/// Units of a layer times levels, when an implicit head acts: a gigabyte in all its layers.
const LARGEST_ACTING_LAYER: usize = 1 << 26;

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
    /// Whether the trunk is followed by two streams, one for the value and one for the advantages (Wang et al. 2016).
    #[serde(default)]
    pub dueling: bool,
    /// Units of the hidden layer of each of a dueling network's streams. `None`: the streams are linear, as in model files
    /// written before streams had hidden layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dueling_hidden: Option<usize>,
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
            dueling_hidden: None,
            noisy: false,
            head: Head::Scalar,
        }
    }

    /// Whether a network can be planned from this; if not, why not. Sizes may still be too large to be had: see
    /// [`Architecture::parameter_count`].
    pub fn check(&self) -> Result<(), String> {
        let Self { inputs, hidden, actions, dueling_hidden, head, .. } = self;
        let of_head = match *head {
            Head::Implicit { cosines, acting_quantiles } => [cosines, acting_quantiles],
            _ => [1, 1],
        };
        let sizes =
            hidden.iter().chain(dueling_hidden).copied().chain([*inputs, *actions, head.atoms()]).chain(of_head);
        if sizes.into_iter().any(|size| size == 0) {
            return Err("a layer without units".to_owned());
        }
        match *head {
            Head::Categorical { atoms, v_min, v_max } => {
                let (low, high) = (v_min as f32, v_max as f32);
                let has_width = low.is_finite() && high.is_finite() && (high - low).is_finite() && low < high;
                if atoms < 2 || !has_width {
                    return Err(format!("{atoms} atoms from v_min = {v_min} to v_max = {v_max}"));
                }
            }
            Head::Implicit { cosines, acting_quantiles } => {
                if cosines > LARGEST_ACTING_LAYER / acting_quantiles && cosines > self.width() {
                    return Err(format!("cosines = {cosines} take too much memory to act"));
                }
                if self.acting_units().is_none_or(|units| units > LARGEST_ACTING_LAYER) {
                    return Err(format!("acting_quantiles = {acting_quantiles} takes too much memory to act"));
                }
            }
            Head::Scalar | Head::Quantile { .. } => {}
        }
        Ok(())
    }

    /// Units of the widest layer behind the levels of an implicit head, times these levels, when it acts.
    fn acting_units(&self) -> Option<usize> {
        match self.head {
            Head::Implicit { cosines, acting_quantiles } => {
                acting_quantiles.checked_mul(cosines.max(self.width()).max(self.dueling_hidden.unwrap_or(0)))
            }
            _ => Some(0),
        }
    }

    /// How many parameters a network has that is made of this; none where that is more than can be counted.
    pub fn parameter_count(&self) -> Option<usize> {
        let Self { inputs, hidden, actions, layer_norm, dueling, dueling_hidden, noisy, head, .. } = self;
        let (mut linear, mut norms) = (0_usize, 0_usize);
        let mut add = |inputs: usize, outputs: usize| {
            linear = linear.checked_add(inputs.checked_mul(outputs)?)?.checked_add(outputs)?;
            Some(())
        };
        let mut width = *inputs;
        for units in hidden {
            add(width, *units)?;
            norms = norms.checked_add(*units)?;
            width = *units;
        }
        if let Head::Implicit { cosines, .. } = *head {
            add(cosines, width)?;
        }
        let outputs = actions.checked_mul(head.atoms())?;
        if *dueling {
            for outputs in [head.atoms(), outputs] {
                if let Some(units) = *dueling_hidden {
                    add(width, units)?;
                    norms = norms.checked_add(units)?;
                }
                add(dueling_hidden.unwrap_or(width), outputs)?;
            }
        } else {
            add(width, outputs)?;
        }
        let linear = linear.checked_mul(if *noisy { 2 } else { 1 })?;
        linear.checked_add(if *layer_norm { norms.checked_mul(2)? } else { 0 })
    }

    /// The last hidden layer's units, or the inputs where there is no hidden layer.
    pub fn width(&self) -> usize {
        self.hidden.last().copied().unwrap_or(self.inputs)
    }

    /// Outputs of all streams together: each atom of each action and, in a dueling network, first each atom of the value.
    pub fn outputs(&self) -> usize {
        (self.actions + usize::from(self.dueling)) * self.head.atoms()
    }
}
