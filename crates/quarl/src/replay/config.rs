//! `[replay]`.

use crate::config::TrainConfig;
use crate::config::settings::Absent::{Follows, Is, Required};
use crate::config::settings::{Condition, Consistent, check, choices, from_to, settings};
use crate::error::Error;
use crate::schedule::{Changing, Schedule};

/// The smallest `replay.eps`: the weights of the rarest and the most frequent of four billion items still add up without
/// losing the rarest.
const SMALLEST_EPS: f64 = 1e-12;

/// The schedule of beta where the budget is in episodes: over so many environment steps.
const BETA_STEPS: u64 = 100_000;

pub(crate) const STORED: Condition =
    Condition::new("replay.kind = \"uniform\" or \"prioritized\"", |config| config.replay.kind != ReplayKind::None);

const PRIORITIZED: Condition =
    Condition::new("replay.kind = \"prioritized\"", |config| config.replay.kind == ReplayKind::Prioritized);

settings! {
    /// `[replay]`: the replay buffer.
    pub struct ReplayConfig: "replay" {
        /// How transitions are sampled: uniformly, by priority, or not at all (each one is learnt from once, as it comes).
        kind: ReplayKind = Is(ReplayKind::Uniform);
        /// Capacity in transitions; a new transition overwrites the oldest one.
        capacity: usize = Required, in from_to(1, u32::MAX), if STORED;
        /// Priority exponent alpha; 0 samples uniformly.
        alpha: f64 = Is(0.6), in from_to(0, 1), if PRIORITIZED;
        /// Importance-sampling exponent beta; 1 corrects for unequal probabilities in full.
        beta: Schedule = Follows(|context| beta_of(context.budget())), in from_to(0, 1), if PRIORITIZED;
        /// Added to every priority, so that none is 0.
        eps: f64 = Is(1e-6), in from_to(SMALLEST_EPS, 1), if PRIORITIZED;
    }
}

/// How transitions are sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplayKind {
    /// Every stored transition with the same probability.
    #[default]
    Uniform,
    /// In proportion to priorities (Schaul et al. 2016).
    Prioritized,
    /// No replay: the newest transition, once.
    None,
}

choices!(ReplayKind { "uniform" => Uniform, "prioritized" => Prioritized, "none" => None });

/// Beta from 0.4 to 1 over the budget in steps (Schaul et al. 2016).
fn beta_of(budget: Option<u64>) -> Schedule {
    Schedule::Changing(Changing::Linear { from: 0.4, to: 1.0, steps: budget.unwrap_or(BETA_STEPS) })
}

impl Consistent for ReplayConfig {
    fn check(&self, config: &TrainConfig) -> Result<(), Error> {
        let (capacity, batch_size) = (self.capacity, config.agent.batch_size);
        check(self.kind == ReplayKind::None || batch_size <= capacity, "agent.batch_size", || {
            format!(
                "{batch_size} is larger than replay.capacity = {capacity}: a batch cannot be larger than the buffer; \
                 lower one or raise the other"
            )
        })
    }
}
