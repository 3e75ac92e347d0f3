//! What an agent learns from: a transition, and a batch of them.

use crate::observations::Observations;
use crate::space::Dtype;

/// One step's experience, or several steps' added up.
///
/// A transition carries its own discount: gamma^k for k steps, or 0 where the episode terminated. So whoever learns from it
/// computes `reward + discount * bootstrap` and needs to know neither how it ended nor how many steps it spans.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition<'a> {
    /// What was seen.
    pub obs: &'a [f32],
    /// What was done.
    pub action: usize,
    /// What was earned, later steps' rewards discounted.
    pub reward: f32,
    /// What the value of `next_obs` counts for.
    pub discount: f32,
    /// What was seen k steps later.
    pub next_obs: &'a [f32],
    /// Which actions are allowed at `next_obs`, one entry an action; `None` where all always are.
    pub next_mask: Option<&'a [bool]>,
}

/// Transitions drawn from a replay buffer. Every array has one entry an item.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Which of the buffer's transitions these are.
    pub ids: Vec<usize>,
    /// What each item's loss counts for; all ones when sampling is uniform.
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
    /// Which actions are allowed at the next observations, `[item][action]`; empty where all always are.
    pub next_masks: Vec<bool>,
}

impl Batch {
    /// Room for `size` transitions with observations of `features` floats.
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

    /// The same with observations of other numbers.
    pub fn with_dtype(mut self, dtype: Dtype) -> Self {
        for observations in [&mut self.obs, &mut self.next_obs] {
            *observations = Observations::zeros(dtype, observations.len());
        }
        self
    }

    /// The same with room for the masks of an environment with so many actions.
    pub fn with_action_masks(mut self, actions: usize) -> Self {
        self.next_masks = vec![true; self.len() * actions];
        self
    }

    /// How many transitions it has.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}
