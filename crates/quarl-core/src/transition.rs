//! Transitions, and batches of them: the data that an agent learns from.

use crate::observations::Observations;
use crate::space::Dtype;

/// A transition: the experience of one step, or of n steps combined.
///
/// A transition carries its own discount: gamma^k for k steps, or 0 where the episode terminated. The TD target is
/// therefore always `reward + discount * bootstrap`, independent of how the episode ended and of the number of steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition<'a> {
    /// The observation, `[features]`.
    pub obs: &'a [f32],
    /// The action taken at `obs`.
    pub action: usize,
    /// The reward of the step; for k steps, their discounted sum.
    pub reward: f32,
    /// The factor of the bootstrapped value of `next_obs`.
    pub discount: f32,
    /// The observation k steps later, `[features]`.
    pub next_obs: &'a [f32],
    /// The action mask at `next_obs`, one entry for each action; `None` where every action is allowed.
    pub next_mask: Option<&'a [bool]>,
}

/// A batch of transitions sampled from a replay buffer. Every array has one entry for each item.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The ids of the transitions in the buffer.
    pub ids: Vec<usize>,
    /// Importance-sampling weights of the losses; all 1 with uniform sampling.
    pub weights: Vec<f32>,
    /// Observations, `[item][feature]`.
    pub obs: Observations,
    /// Actions.
    pub actions: Vec<usize>,
    /// Rewards.
    pub rewards: Vec<f32>,
    /// Discounts: gamma^k, or 0 where the episode terminated.
    pub discounts: Vec<f32>,
    /// Next observations, `[item][feature]`.
    pub next_obs: Observations,
    /// Action masks at the next observations, `[item][action]`; empty where every action is allowed.
    pub next_masks: Vec<bool>,
}

impl Batch {
    /// A batch of `size` transitions with observations of `features` floats.
    pub fn new(size: usize, features: usize) -> Self {
        Self {
            ids: vec![0; size],
            weights: vec![1.0; size],
            obs: Observations::zeros(Dtype::F32, size * features),
            actions: vec![0; size],
            rewards: vec![0.0; size],
            discounts: vec![0.0; size],
            next_obs: Observations::zeros(Dtype::F32, size * features),
            next_masks: Vec::new(),
        }
    }

    /// The same batch with observations of type `dtype`.
    pub fn with_dtype(mut self, dtype: Dtype) -> Self {
        for observations in [&mut self.obs, &mut self.next_obs] {
            *observations = Observations::zeros(dtype, observations.len());
        }
        self
    }

    /// The same batch with action masks of `actions` entries.
    pub fn with_action_masks(mut self, actions: usize) -> Self {
        self.next_masks = vec![true; self.len() * actions];
        self
    }

    /// The number of transitions.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether the batch has no transitions.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}
