//! `[replay]`.

use crate::config::TrainConfig;
use crate::config::settings::KeyDefault::{Follows, Is};
use crate::config::settings::{Condition, Consistent, check, choices, from_to, settings};
use crate::error::Error;
use crate::schedule::{Changing, Schedule};

/// The minimum of `replay.eps`: with it, the sum over four billion items still includes the smallest weight.
const SMALLEST_EPS: f64 = 1e-12;

/// The duration of beta's default schedule in environment steps if the budget is in episodes.
const BETA_STEPS: u64 = 100_000;

/// The capacity of the default where the budget is in episodes.
const EPISODES_CAPACITY: usize = 100_000;

/// The smallest capacity of the default, larger than any usual batch, and the largest one, that of Mnih et al. (2015).
const CAPACITIES: (usize, usize) = (10_000, 1_000_000);

pub(crate) const STORED: Condition =
    Condition::new("replay.kind = \"uniform\" or \"prioritized\"", |config| config.replay.kind != ReplayKind::None);

const PRIORITIZED: Condition =
    Condition::new("replay.kind = \"prioritized\"", |config| config.replay.kind == ReplayKind::Prioritized);

settings! {
    /// `[replay]`: the replay buffer, which stores transitions and samples batches of them (Lin 1992; Mnih et al. 2015).
    pub struct ReplayConfig: "replay" {
        /// How the transitions of a batch are sampled.
        kind: ReplayKind = Is(ReplayKind::Uniform), guide "replay";
        /// Capacity of the replay buffer; a new transition overwrites the oldest one.
        ///
        /// A larger buffer holds more varied, less correlated transitions; a smaller one forgets older policies sooner. Memory is
        /// proportional to it.
        capacity: usize = Follows(
            |context| capacity_of(context.budget()),
            "`training.steps`, at least 10,000 and at most 1,000,000; 100,000 where the run's length is given in episodes",
        ), in from_to(1, u32::MAX), unit "transitions", guide "replay", if STORED;
        /// Priority exponent alpha; 0 samples uniformly.
        ///
        /// The probability of a transition is proportional to (|TD error| + eps)^alpha; a new transition gets the
        /// largest priority so far. 0.5 to 0.7 is usual (Schaul et al. 2016).
        alpha: f64 = Is(0.6), in from_to(0, 1), guide "prioritized", if PRIORITIZED;
        /// Importance-sampling exponent beta; 1 corrects the bias of prioritised sampling in full.
        ///
        /// A transition that is sampled more often gets a smaller weight in the loss: (N * probability)^-beta with N transitions in
        /// the buffer, divided by the batch's largest weight. The paper raises beta to 1 over the run (Schaul et al. 2016).
        beta: Schedule = Follows(
            |context| beta_of(context.budget()),
            "a linear schedule from 0.4 to 1 over `training.steps`, or over 100,000 environment steps where the run's length is \
             given in episodes",
        ), in from_to(0, 1), guide "prioritized", if PRIORITIZED;
        /// Constant that is added to the absolute TD error, so that no priority is 0.
        ///
        /// Larger values make sampling more uniform (Schaul et al. 2016).
        eps: f64 = Is(1e-6), in from_to(SMALLEST_EPS, 1), guide "prioritized", if PRIORITIZED;
    }
}

/// How transitions are sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplayKind {
    /// Every stored transition with equal probability.
    #[default]
    Uniform,
    /// With probability proportional to priority (Schaul et al. 2016).
    Prioritized,
    /// No replay: one update on the newest transition.
    None,
}

choices!(ReplayKind {
    "uniform" => Uniform: "every stored transition with equal probability (Mnih et al. 2015)",
    "prioritized" => Prioritized: "with probability proportional to priority, a power of the TD error (Schaul et al. 2016)",
    "none" => None: "no replay: one update on the newest transition after each environment step",
});

/// All transitions of the run, within [`CAPACITIES`].
fn capacity_of(budget: Option<u64>) -> usize {
    let (smallest, largest) = CAPACITIES;
    let steps = budget.map_or(EPISODES_CAPACITY, |steps| usize::try_from(steps).unwrap_or(largest));
    steps.clamp(smallest, largest)
}

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
