//! The default space of a configuration, from `configs/space.toml`.

use toml::Value;

use super::space::{Space, entries, parent, read};
use crate::config::{TargetNetworkKind, TrainConfig};

impl Space {
    /// The default space of a configuration: the learning rate, the batch size and the discount factor, and the settings of
    /// the methods that the configuration uses.
    pub fn default_for(config: &TrainConfig) -> Self {
        const DEFAULT: &str = include_str!("../../../../configs/space.toml");
        let entries = entries("the default space", DEFAULT).expect("the default space is TOML");
        let parameters = entries.iter().filter(|(key, _)| suits(key, config));
        Self { parameters: parameters.filter_map(|(key, values)| read(key, values, config).ok()).collect() }
    }
}

/// Whether a parameter of the default space suits a configuration.
fn suits(path: &str, config: &TrainConfig) -> bool {
    let key = TrainConfig::key(path).or_else(|| TrainConfig::key(parent(path)?.0));
    let Some(key) = key.filter(|key| key.applies(config)) else { return false };
    let is_set = |name: &str| config.get(&format!("{}.{name}", key.section)).is_some();
    match path {
        // Longer returns are a method of their own.
        "agent.n_step" => config.agent.n_step > 1,
        // The speed of soft updates is searched by their coefficient.
        "target_network.every_steps" | "target_network.every_episodes" => {
            config.target_network.kind == TargetNetworkKind::Hard && is_set(key.name)
        }
        // A fraction of the run is preferred where the run has a length in steps.
        "exploration.epsilon.steps" => config.training.steps.is_none(),
        // A schedule is searched by its entries.
        _ => !(path == key.path() && matches!(config.get(path), Some(Value::Table(_)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_has_a_default_space_whose_middle_is_a_valid_configuration() {
        for (preset, _) in crate::config::presets::list() {
            let config = TrainConfig::preset(preset).build().unwrap();
            let space = Space::default_for(&config);
            assert!(space.parameters().len() >= 4, "{preset}: {}", space.to_toml());
            assert_eq!(Space::parse(preset, &space.to_toml(), &config).unwrap(), space);
            for parameter in space.parameters() {
                let key =
                    TrainConfig::key(&parameter.key).or_else(|| TrainConfig::key(parent(&parameter.key)?.0)).unwrap();
                assert!(key.applies(&config), "{preset}: {}", parameter.key);
            }
            for share in [0.0, 0.5, 0.999] {
                let values = space.parameters().iter().map(|p| (p.key.clone(), p.values.at(share))).collect();
                space.apply(&config, &values).unwrap_or_else(|error| panic!("{preset} at {share}: {error}"));
            }
        }
        let of = |preset: &str| Space::default_for(&TrainConfig::preset(preset).build().unwrap()).to_toml();
        assert!(of("per").contains("replay.alpha") && !of("dqn").contains("replay.alpha"));
        assert!(of("nstep").contains("agent.n_step") && !of("dqn").contains("agent.n_step"));
        assert!(of("munchausen").contains("agent.munchausen_alpha") && of("noisy").contains("network.noisy_sigma"));
        assert!(of("textbook").contains("\"exploration.epsilon\"") && of("dqn").contains("\"exploration.epsilon.to\""));
    }
}
