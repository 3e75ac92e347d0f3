//! The support of a categorical head (C51): its default, and the checks of its ends.

use super::config::NetworkConfig;
use super::head::Head;
use crate::config::TrainConfig;
use crate::config::settings::{Context, check, invalid};
use crate::config::values::number;
use crate::env::known_rewards;
use crate::error::Error;

impl NetworkConfig {
    /// Refuses an environment other than the one that a categorical head's support was chosen for.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub(crate) fn check_support(&self, configured: &str, actual: &str) -> Result<(), Error> {
        let has_support = matches!(self.head, Head::Categorical { .. });
        check(!has_support || configured == actual, "network.v_min", || {
            format!(
                "the support was chosen for {configured}, and the environment is {actual}: set env.id = \"{actual}\", with \
                 network.v_min and network.v_max for it"
            )
        })
    }
}

/// Refuses a support whose atoms are not in increasing order in single precision.
pub(super) fn check_width(atoms: usize, v_min: f64, v_max: f64) -> Result<(), Error> {
    check(v_min < v_max, "network.v_max", || format!("{v_max:?} is not above network.v_min = {v_min:?}"))?;
    // Neighbouring atoms have to differ in single precision, also the largest ones.
    let spacing = (v_max - v_min) / (atoms - 1) as f64;
    let precision = v_min.abs().max(v_max.abs()) * f64::from(f32::EPSILON);
    check(spacing > precision, "network.v_max", || {
        format!(
            "{v_max:?} is too near to network.v_min = {v_min:?} for {atoms} atoms: in single precision some of them \
             would be equal; choose a wider support, or fewer atoms"
        )
    })
}

/// The default support of a categorical head for an environment whose rewards are known: the smallest and the largest
/// discounted return.
pub(super) fn known_support(context: &Context) -> Option<[f64; 2]> {
    // Arguments of a Gymnasium environment can change its rewards and its time limit.
    if context.get("env.gym", "kwargs").and_then(toml::Value::as_table).is_some_and(|kwargs| !kwargs.is_empty()) {
        return None;
    }
    let rewards = known_rewards(context.get("env", "id")?.as_str()?)?;
    let gamma = context.get("agent", "gamma").and_then(number)?;
    let scale = context.get("env", "reward_scale").and_then(number).unwrap_or(1.0);
    let clip: Option<[f64; 2]> = context
        .get("env", "clip_reward")
        .and_then(|ends| ends.as_array()?.iter().filter_map(number).collect::<Vec<_>>().try_into().ok());
    // Rounded to nine decimals, so that a gamma of 0.99 gives 100 instead of 99.99999999999991.
    let horizon = (1e9 / (1.0 - gamma)).round() / 1e9;
    let horizon = horizon.min(f64::from(rewards.steps));
    let ends = rewards.range.map(|reward| reward * scale);
    let mut support = [ends[0].min(ends[1]), ends[0].max(ends[1])];
    if let Some([low, high]) = clip {
        support = support.map(|reward| reward.max(low).min(high));
    }
    // The return after the end of an episode is 0.
    Some([support[0].min(0.0) * horizon, support[1].max(0.0) * horizon])
}

/// Advice on the support of a categorical head, for the error if it is required and missing.
pub(super) fn support_is_needed(key: &str, config: &TrainConfig) -> Option<Error> {
    if config.env.gym.kwargs.is_empty() && known_rewards(&config.env.id).is_some() {
        return None;
    }
    let gamma = config.agent.gamma;
    let horizon = 1.0 / (1.0 - gamma);
    let factor = match horizon.is_finite() {
        true => format!("{:.4} (1 / (1 - agent.gamma))", horizon).replace(".0000", ""),
        false => "the number of steps of the longest episode".to_owned(),
    };
    let id = &config.env.id;
    Some(invalid(
        key,
        format!(
            "needed, because network.head = \"categorical\" and there is no known range of returns for {id}: set \
             network.v_min to the smallest reward times {factor} and network.v_max to the largest reward times that, or \
             times the steps of an episode where that is less"
        ),
    ))
}
