//! The returns that are normalised to the scores 0 and 1.

use std::collections::BTreeMap;

use super::{Comparison, Experiment, Plan};
use crate::config::settings::invalid;
use crate::error::Error;
use crate::evaluate::{random_returns, step_limit};
use crate::stats::mean;

/// The number of random episodes that define the score 0.
const RANDOM_EPISODES: u64 = 100;
/// The seed of these episodes.
const RANDOM_SEED: u64 = 0;

/// The returns that are normalised to the scores 0 and 1.
#[derive(Clone, Debug, PartialEq)]
pub enum ScoreRange {
    /// The mean return of random play, and the threshold of the environment.
    RandomToThreshold,
    /// These returns, by environment.
    Given(BTreeMap<String, [f64; 2]>),
}

impl Comparison {
    /// The returns that are the scores 0 and 1 on each environment. Known before the first run, so that a range that is not
    /// defined is refused before hours of training.
    ///
    /// # Errors
    /// [`Error::Setting`] for a range that is not defined for one of the environments; those of the environments.
    pub fn score_ranges(&self, range: &ScoreRange) -> Result<BTreeMap<String, [f64; 2]>, Error> {
        let mut ranges = BTreeMap::new();
        for experiment in self.experiments() {
            let env = &experiment.config().env.id;
            if !ranges.contains_key(env) {
                ranges.insert(env.clone(), score_range(range, experiment)?);
            }
        }
        Ok(ranges)
    }
}

/// The returns that are the scores 0 and 1 on an experiment's environment.
fn score_range(range: &ScoreRange, experiment: &Experiment) -> Result<[f64; 2], Error> {
    let env = &experiment.config().env.id;
    let undefined = |message: String| invalid("score range", message);
    let [low, high] = match range {
        ScoreRange::Given(given) => *given.get(env).ok_or_else(|| {
            let known: Vec<&str> = given.keys().map(String::as_str).collect();
            undefined(format!("no returns are given for {env}, only for {}: add them", known.join(", ")))
        })?,
        ScoreRange::RandomToThreshold => {
            let threshold = experiment.threshold.ok_or_else(|| {
                undefined(format!("{env} has no threshold: give the returns that are the scores 0 and 1"))
            })?;
            [experiment.plan.random_return()?, threshold]
        }
    };
    if low < high && low.is_finite() && high.is_finite() {
        return Ok([low, high]);
    }
    Err(undefined(format!(
        "on {env}, score 0 is the return {low}, and score 1 the return {high}, which is not above it"
    )))
}

impl Plan {
    /// The mean return of random play in the evaluation environment: the return of the score 0.
    pub(crate) fn random_return(&self) -> Result<f64, Error> {
        let mut env = self.evaluation_environment()?;
        let limit = step_limit(self.config.evaluation.max_episode_steps, env.spec());
        Ok(mean(&random_returns(&mut *env, RANDOM_SEED, RANDOM_EPISODES, limit)?))
    }
}
