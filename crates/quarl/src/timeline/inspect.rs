//! What the agent knew at a step of its run.

use serde::Serialize;

use super::{Moment, Timeline, mean};
use crate::error::Error;
use crate::observations::ObservationsView;
use crate::policy::Policy;
use crate::replay::Replay;
use crate::train::Event;

/// The largest number of stored transitions whose TD error is computed; of a larger buffer, evenly spaced ones.
const MOST_TRANSITIONS: usize = 20_000;
/// The number of groups by age.
const GROUPS: usize = 10;

/// What the agent knew at a step.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// The environment steps taken.
    pub env_steps: u64,
    /// The episodes finished.
    pub episodes: u64,
    /// The environment steps of the checkpoint that the moment was computed from; `None` where it was computed from the start.
    pub checkpoint: Option<u64>,
    /// The exploration probability of the next action; 0 where exploration is not epsilon-greedy.
    pub epsilon: f64,
    /// The learning rate of the next update.
    pub learning_rate: f64,
    /// The greedy returns, from the same initial observations as the evaluations at an interval.
    pub greedy_returns: Vec<f64>,
    /// Their mean.
    pub greedy_mean: f64,
    /// The Euclidean distance between the parameters of the online and of the target network.
    pub target_drift: f64,
    /// The mean over stored observations of the best action's Q-value less the second best's.
    pub action_gap: f64,
    /// The episode that runs, or has ended with this step; `None` with several environments.
    pub episode: Option<Episode>,
    /// The number of stored transitions.
    pub stored: usize,
    /// The stored transitions by age, newest first.
    pub replay: Vec<AgeGroup>,
}

/// An episode up to a step, as the network of that step values it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Episode {
    /// The number of the episode, counted from 0.
    pub number: u64,
    /// Its steps so far.
    pub steps: Vec<EpisodeStep>,
}

/// One step of an episode.
#[derive(Clone, Debug, Serialize)]
pub struct EpisodeStep {
    /// The environment steps before it.
    pub env_steps: u64,
    /// The observation.
    pub observation: Vec<f32>,
    /// The Q-value of each action, of the network at the inspected step.
    pub q_values: Vec<f32>,
    /// The action taken then.
    pub action: usize,
    /// The reward.
    pub reward: f64,
}

/// Stored transitions of similar age.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AgeGroup {
    /// The smallest and the largest age: the number of transitions stored since.
    pub ages: (u64, u64),
    /// The number of transitions that the means are taken over.
    pub transitions: usize,
    /// The mean absolute TD error: reward plus discounted largest Q-value of the target network, less the online network's
    /// Q-value of the action, whatever the run's own target rule.
    pub td_error: f64,
    /// The largest absolute TD error.
    pub largest_td_error: f64,
    /// The mean reward.
    pub reward: f64,
    /// The share of transitions that end an episode.
    pub terminal: f64,
    /// The mean Q-value of the actions taken, of the online network.
    pub q_value: f64,
}

/// Computes what the agent of a run knew after `env_steps` environment steps. `episodes` is the number of greedy episodes.
///
/// # Errors
/// [`Error::Unusable`] where the run is shorter, [`Error::Stopped`] after a stop was requested, and those of the run.
pub fn inspect(run: &Timeline, env_steps: u64, episodes: u64) -> Result<Inspection, Error> {
    let is_single = run.config().training.num_envs == 1;
    let start = if is_single { run.episode_start(env_steps)? } else { env_steps };
    let mut episode = Episode::default();
    let mut ended = false;
    let Moment { trainer, checkpoint } = run.at(env_steps, start, |event, trainer| {
        match event {
            Event::Step { env_steps, action, reward } if is_single => {
                if std::mem::take(&mut ended) {
                    episode.steps.clear();
                }
                let observation = trainer.stepped_observation().to_vec();
                let (env_steps, q_values) = (env_steps - 1, Vec::new());
                episode.steps.push(EpisodeStep { env_steps, observation, q_values, action: *action, reward: *reward });
                episode.number = trainer.episodes();
            }
            Event::Episode(_) => ended = true,
            _ => {}
        }
        Ok(())
    })?;
    let mut policy = trainer.agent().policy()?;
    for step in &mut episode.steps {
        step.q_values = q_values(&mut policy, &step.observation)?;
    }
    let target = trainer.target_model();
    let drift = target.parameters.iter().zip(trainer.agent().parameters());
    let drift = drift.map(|(target, online)| f64::from(online - target).powi(2)).sum::<f64>().sqrt();
    let (replay, action_gap) = contents(trainer.agent().replay(), &mut policy, &mut Policy::new(&target)?)?;
    let mut env = run.environment()?;
    let greedy_returns = run.greedy_returns(&mut policy, &mut *env, episodes)?;
    Ok(Inspection {
        env_steps: trainer.env_steps(),
        episodes: trainer.episodes(),
        checkpoint,
        epsilon: trainer.config().exploration.at(env_steps).epsilon(),
        learning_rate: trainer.config().optimizer.lr.value(env_steps),
        greedy_mean: mean(greedy_returns.iter().copied()),
        greedy_returns,
        target_drift: drift,
        action_gap,
        episode: is_single.then_some(episode),
        stored: trainer.agent().replay_len(),
        replay,
    })
}

fn q_values(policy: &mut Policy, observation: &[f32]) -> Result<Vec<f32>, Error> {
    let values = policy.q_values(observation)?;
    Ok((0..values.actions()).map(|action| values.get(0, action)).collect())
}

/// The stored transitions by age, and the mean action gap.
fn contents(replay: &Replay, online: &mut Policy, target: &mut Policy) -> Result<(Vec<AgeGroup>, f64), Error> {
    let (len, pushed) = (replay.len() as u64, replay.pushed());
    let mut groups: Vec<AgeGroup> = Vec::new();
    let (mut gaps, mut seen) = (0.0, 0_u64);
    let mut observation = vec![0.0; replay.features()];
    let mut next_observation = observation.clone();
    let spacing = len.div_ceil(MOST_TRANSITIONS as u64).max(1);
    for group in 0..GROUPS as u64 {
        let ages = group * len / GROUPS as u64..(group + 1) * len / GROUPS as u64;
        if ages.is_empty() {
            continue;
        }
        let mut summary = AgeGroup { ages: (ages.start, ages.end - 1), ..AgeGroup::default() };
        for age in ages.step_by(spacing as usize) {
            let id = replay.id(pushed - 1 - age);
            let stored = replay.arrays(id..id + 1);
            copy(stored.obs, &mut observation);
            copy(stored.next_obs, &mut next_observation);
            let (action, reward) = (stored.actions[0] as usize, f64::from(stored.rewards[0]));
            let discount = f64::from(stored.discounts[0]);
            let masks = stored.next_masks;
            let values = q_values(online, &observation)?;
            let next_values = q_values(target, &next_observation)?;
            let allowed = next_values.iter().enumerate().filter(|(action, _)| masks.get(*action) != Some(&false));
            let largest = allowed.map(|(_, value)| f64::from(*value)).fold(f64::NEG_INFINITY, f64::max);
            let bootstrap = if discount == 0.0 || largest == f64::NEG_INFINITY { 0.0 } else { discount * largest };
            let q_value = f64::from(values[action]);
            let td_error = (reward + bootstrap - q_value).abs();
            summary.transitions += 1;
            summary.td_error += td_error;
            summary.largest_td_error = summary.largest_td_error.max(td_error);
            summary.reward += reward;
            summary.terminal += f64::from(u8::from(discount == 0.0));
            summary.q_value += q_value;
            gaps += gap(&values);
            seen += 1;
        }
        let count = summary.transitions as f64;
        for sum in [&mut summary.td_error, &mut summary.reward, &mut summary.terminal, &mut summary.q_value] {
            *sum /= count;
        }
        groups.push(summary);
    }
    Ok((groups, if seen == 0 { 0.0 } else { gaps / seen as f64 }))
}

fn copy(view: ObservationsView, out: &mut [f32]) {
    out.iter_mut().zip(view.iter()).for_each(|(out, value)| *out = value);
}

/// The best Q-value less the second best; 0 with one action.
fn gap(values: &[f32]) -> f64 {
    let mut sorted: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
    sorted.sort_by(|one, other| other.total_cmp(one));
    sorted.get(1).map_or(0.0, |second| sorted[0] - second)
}
