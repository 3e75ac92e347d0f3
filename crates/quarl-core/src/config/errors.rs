//! Errors about single keys, and values formatted as in a configuration file.

use toml::Value;

use super::TrainConfig;
use crate::error::Error;

/// An error about one key.
pub fn invalid(key: &str, message: String) -> Error {
    Error::Setting { key: key.to_owned(), message }
}

/// [`invalid`] if a condition is false.
pub(crate) fn check(right: bool, key: &str, message: impl FnOnce() -> String) -> Result<(), Error> {
    if right { Ok(()) } else { Err(invalid(key, message())) }
}

/// The error for a value of another type or range than expected.
pub(crate) fn not_expected(key: &str, value: &Value, expected: &str) -> Error {
    let shown = show(value);
    // Anything that is not a TOML value is read as text, such as a number with too many digits.
    let digits = value.as_str().map(|text| text.trim_start_matches(['-', '+']));
    if digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())) {
        let number = value.as_str().unwrap_or_default();
        return invalid(
            key,
            format!("{number} is beyond the largest whole number, {}: {expected} is expected", i64::MAX),
        );
    }
    invalid(key, format!("{shown} is not {expected}"))
}

/// The error for a missing key.
pub(crate) fn not_given(key: &str, _: &TrainConfig) -> Option<Error> {
    Some(Error::MissingKeys { keys: key.to_owned() })
}

/// A value formatted as in a configuration file.
pub fn show(value: &Value) -> String {
    match value {
        Value::Float(x) if x.is_finite() => format!("{x:?}"),
        Value::Array(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Table(table) if table.is_empty() => "{}".to_owned(),
        Value::Table(table) => {
            let entries: Vec<String> =
                table.iter().map(|(key, value)| format!("{} = {}", bare(key), show(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

/// A key formatted as in TOML, quoted where necessary.
fn bare(key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if plain { key.to_owned() } else { Value::String(key.to_owned()).to_string() }
}

/// The error for a text that is not one of the choices.
pub(crate) fn unknown_choice(key: &str, given: &str, choices: &[&str]) -> Error {
    let suggestion = match crate::suggest::nearest(given, choices)[..] {
        [] => String::new(),
        ref nearest => format!(": did you mean {}?", nearest.join(" or ")),
    };
    invalid(key, format!("{given:?} is not one of {}{suggestion}", choices.join(", ")))
}

/// The key for a parameter of Stable-Baselines3's DQN that has another name there, for suggestions.
pub(super) fn key_of_stable_baselines3(parameter: &str) -> Option<&'static str> {
    Some(match parameter {
        "buffer_size" => "replay.capacity",
        "exploration_fraction" | "exploration_initial_eps" | "exploration_final_eps" => "exploration.epsilon",
        "learning_rate" => "optimizer.lr",
        "net_arch" => "network.hidden",
        "activation_fn" => "network.activation",
        "optimizer_class" => "optimizer.kind",
        "n_steps" => "agent.n_step",
        "n_envs" => "training.num_envs",
        "target_update_interval" => "target_network.every_steps",
        "total_timesteps" => "training.steps",
        "train_freq" => "training.train_frequency",
        _ => return None,
    })
}
