//! Greedy episodes: what an agent has learnt, without exploration and apart from training.
//!
//! A model file and its environment are all that is needed:
//!
//! ```
//! use quarl::config::presets;
//! use quarl::env;
//! use quarl::evaluate::{self, GreedyPolicy};
//! use quarl::model::Model;
//! use quarl::train::Trainer;
//!
//! # let mut config = presets::config("textbook", None)?;
//! # config.training.episodes = Some(2);
//! # let mut trainer = Trainer::new(config)?;
//! # (&mut trainer).try_for_each(|event| event.map(|_| ()))?;
//! # let bytes = trainer.model().to_bytes()?;
//! let model = Model::from_bytes(&bytes).expect("a model file's bytes"); // or Model::load("run/model.safetensors")
//! let mut env = env::make(&model.env)?;
//! let network = model.network(env.spec())?;
//! let mut policy = GreedyPolicy::new(&network, &model.parameters).normalized(model.observation_statistics.as_ref());
//!
//! // One action, for whoever steps the environment themselves ..
//! let action = policy.act(&[0.01, -0.02, 0.03, 0.04], None);
//! assert!(action < 2);
//! // .. or whole episodes.
//! let episodes = evaluate::play(&mut policy, &mut *env, 0, 3)?;
//! assert!(episodes.iter().all(|episode| episode.total_reward >= 1.0));
//! # Ok::<(), quarl::Error>(())
//! ```

use crate::env::wrappers::ObservationStatistics;
use crate::env::{End, Environment};
use crate::error::Error;
use crate::network::{QNetwork, SingleScratch};

/// A trained network that acts greedily.
pub struct GreedyPolicy<'a> {
    network: &'a QNetwork,
    parameters: &'a [f32],
    scratch: SingleScratch,
    statistics: Option<&'a ObservationStatistics>,
    normalized: Vec<f32>,
}

impl<'a> GreedyPolicy<'a> {
    /// The greedy policy of a network with these parameters.
    pub fn new(network: &'a QNetwork, parameters: &'a [f32]) -> Self {
        let scratch = network.single_scratch();
        Self { network, parameters, scratch, statistics: None, normalized: Vec::new() }
    }

    /// The same, for a network that sees observations normalised by these statistics, if any. They stay as they are.
    pub fn normalized(self, statistics: Option<&'a ObservationStatistics>) -> Self {
        Self { statistics, ..self }
    }

    /// The action with the highest Q-value; the lowest where several are equal. `mask` says which are allowed, where not
    /// all are.
    pub fn act(&mut self, observation: &[f32], mask: Option<&[bool]>) -> usize {
        let observation = match self.statistics {
            None => observation,
            Some(statistics) => {
                self.normalized.clear();
                self.normalized.extend_from_slice(observation);
                statistics.normalize(&mut self.normalized);
                &*self.normalized
            }
        };
        self.network.q_values(self.parameters, observation, &mut self.scratch).masked(mask).argmax(0)
    }
}

/// How one greedy episode went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GreedyEpisode {
    /// The sum of its rewards.
    pub total_reward: f64,
    /// How many steps it took.
    pub length: u64,
    /// Why it ended.
    pub end: End,
}

/// Plays `episodes` episodes. The first reset is given `seed`, the later ones go on from there, so that the same call
/// meets the same first observations every time.
///
/// # Errors
/// What the environment fails with.
pub fn play(
    policy: &mut GreedyPolicy,
    env: &mut dyn Environment,
    seed: u64,
    episodes: usize,
) -> Result<Vec<GreedyEpisode>, Error> {
    let mut observation = vec![0.0; env.spec().observation_space.len()];
    (0..episodes)
        .map(|episode| {
            env.reset((episode == 0).then_some(seed), &mut observation)?;
            let (mut total_reward, mut length) = (0.0, 0);
            loop {
                let action = policy.act(&observation, env.action_mask());
                let step = env.step(action, &mut observation)?;
                // What the task itself gave, where a wrapper changes rewards.
                let so_far = env.episode_statistics().map(|episode| episode.total_reward);
                total_reward = so_far.unwrap_or(total_reward + step.reward);
                length += 1;
                if let Some(end) = step.end {
                    return Ok(GreedyEpisode { total_reward, length, end });
                }
            }
        })
        .collect()
}
