//! The ready-made configurations, built in from `configs/`.

use toml::{Table, Value};

use super::TrainConfig;
use super::layers::{self, Layer};
use crate::env::task;
use crate::error::Error;
use crate::suggest;

/// One preset's file.
struct Preset {
    name: &'static str,
    /// Its name in words, for the legend of a figure.
    display_name: &'static str,
    /// What it is, in a line.
    summary: &'static str,
    /// The files it consists of, for one environment each; the first is the preset's own environment.
    files: &'static [(&'static str, &'static str)],
    /// The file for an environment without one of its own; the first file where there is none.
    elsewhere: Option<(&'static str, &'static str)>,
}

/// The settings for an environment without a file of its own.
const ROBUST: (&str, &str) = ("CartPole-v1", include_str!("../../../../configs/robust.toml"));

const PRESETS: &[Preset] = &[
    Preset {
        name: "textbook",
        display_name: "Textbook DQN",
        summary: "the textbook experiment: DQN on CartPole-v0, 300 episodes, epsilon 0.1; a time limit counts as the end of an episode",
        files: &[("CartPole-v0", include_str!("../../../../configs/textbook.toml"))],
        elsewhere: None,
    },
    Preset {
        name: "robust",
        display_name: "Robust DQN",
        summary: "one recipe for any environment: Double DQN, 3-step returns and layer normalisation, scaled to the length of the run",
        files: &[ROBUST],
        elsewhere: None,
    },
    Preset {
        name: "tuned",
        display_name: "Tuned DQN",
        summary: "settings measured for each built-in environment and gym:LunarLander-v3; robust for any other environment",
        files: &[
            ("CartPole-v0", include_str!("../../../../configs/tuned/CartPole-v0.toml")),
            ("CartPole-v1", include_str!("../../../../configs/tuned/CartPole-v1.toml")),
            ("Acrobot-v1", include_str!("../../../../configs/tuned/Acrobot-v1.toml")),
            ("MountainCar-v0", include_str!("../../../../configs/tuned/MountainCar-v0.toml")),
            ("gym:LunarLander-v3", include_str!("../../../../configs/tuned/LunarLander-v3.toml")),
        ],
        elsewhere: Some(ROBUST),
    },
    Preset {
        name: "efficient",
        display_name: "Efficient DQN",
        summary: "few environment steps: CartPole-v1 in at most 6,000 and MountainCar-v0 in 50,000; robust for any other environment",
        files: &[
            ("CartPole-v1", include_str!("../../../../configs/efficient/CartPole-v1.toml")),
            ("MountainCar-v0", include_str!("../../../../configs/efficient/MountainCar-v0.toml")),
        ],
        elsewhere: Some(ROBUST),
    },
    Preset {
        name: "dqn",
        display_name: "DQN",
        summary: "DQN with experience replay and a target network, for CartPole-v1 (Mnih et al. 2015)",
        files: &[("CartPole-v1", include_str!("../../../../configs/dqn.toml"))],
        elsewhere: None,
    },
    Preset {
        name: "double",
        display_name: "Double DQN",
        summary: "DQN with Double Q-learning targets (van Hasselt et al. 2016)",
        files: &[("CartPole-v1", include_str!("../../../../configs/double.toml"))],
        elsewhere: None,
    },
    Preset {
        name: "dueling",
        display_name: "Dueling DQN",
        summary: "DQN with a dueling network: separate value and advantage streams (Wang et al. 2016)",
        files: &[("CartPole-v1", include_str!("../../../../configs/dueling.toml"))],
        elsewhere: None,
    },
    Preset {
        name: "per",
        display_name: "Prioritised replay",
        summary: "Double DQN with prioritised replay: large TD errors are sampled more often (Schaul et al. 2016)",
        files: &[("CartPole-v1", include_str!("../../../../configs/per.toml"))],
        elsewhere: None,
    },
    Preset {
        name: "nstep",
        display_name: "n-step DQN",
        summary: "DQN with 3-step returns (Sutton 1988; Hessel et al. 2018)",
        files: &[("CartPole-v1", include_str!("../../../../configs/nstep.toml"))],
        elsewhere: None,
    },
    Preset {
        name: "c51",
        display_name: "C51",
        summary: "DQN that learns the return distribution over 51 fixed atoms (Bellemare et al. 2017)",
        files: &[("CartPole-v1", include_str!("../../../../configs/c51.toml"))],
        elsewhere: None,
    },
    Preset {
        name: "qrdqn",
        display_name: "QR-DQN",
        summary: "DQN that learns 32 quantiles of the return (Dabney et al. 2018a)",
        files: &[("CartPole-v1", include_str!("../../../../configs/qrdqn.toml"))],
        elsewhere: None,
    },
    Preset {
        name: "iqn",
        display_name: "IQN",
        summary: "DQN that learns return quantiles at sampled levels (Dabney et al. 2018b)",
        files: &[("CartPole-v1", include_str!("../../../../configs/iqn.toml"))],
        elsewhere: None,
    },
    Preset {
        name: "noisy",
        display_name: "Noisy DQN",
        summary: "DQN that explores with noisy layers instead of epsilon-greedy (Fortunato et al. 2018)",
        files: &[("CartPole-v1", include_str!("../../../../configs/noisy.toml"))],
        elsewhere: None,
    },
    Preset {
        name: "munchausen",
        display_name: "Munchausen DQN",
        summary: "DQN with the scaled log-policy added to the reward (Vieillard et al. 2020)",
        files: &[("CartPole-v1", include_str!("../../../../configs/munchausen.toml"))],
        elsewhere: None,
    },
    Preset {
        name: "rainbow",
        display_name: "Rainbow",
        summary: "Double DQN, dueling, prioritised replay, 3-step returns, C51 and noisy layers combined (Hessel et al. 2018)",
        files: &[("CartPole-v1", include_str!("../../../../configs/rainbow.toml"))],
        elsewhere: None,
    },
];

/// Every preset's name and what it is.
pub fn list() -> impl Iterator<Item = (&'static str, &'static str)> {
    PRESETS.iter().map(|preset| (preset.name, preset.summary))
}

/// The preset's name in words, such as `Double DQN` for `double`; none where there is no such preset.
pub fn display_name(name: &str) -> Option<&'static str> {
    preset(name).map(|preset| preset.display_name)
}

/// The preset that a configuration trains, as its name and its name in words: all keys that apply are equal, except those of
/// the environment, the seed, the length of the run and its evaluation.
#[doc(hidden)]
pub fn of(config: &TrainConfig) -> Option<(&'static str, &'static str)> {
    let is_same = |preset: &&Preset| {
        let Ok(mut built) = TrainConfig::preset(preset.name).set("env.id", config.env.id.as_str()).build() else {
            return false;
        };
        built.env.clone_from(&config.env);
        built.evaluation.clone_from(&config.evaluation);
        let training = &config.training;
        (built.training.seed, built.training.steps, built.training.episodes) =
            (training.seed, training.steps, training.episodes);
        built == *config
    };
    PRESETS.iter().find(is_same).map(|preset| (preset.name, preset.display_name))
}

/// The preset of `train` where none is named: the textbook experiment without an environment, the tuned settings where the
/// environment has some, and one robust recipe for every other environment.
pub fn default_for(env: Option<&str>) -> &'static str {
    let has_tuned = |id: &str| preset("tuned").is_some_and(|tuned| tuned.own_file(id).is_some());
    match env {
        None => "textbook",
        Some(id) if has_tuned(id) => "tuned",
        Some(_) => "robust",
    }
}

impl Preset {
    /// The file for `env`, if there is one.
    fn own_file(&self, env: &str) -> Option<(&'static str, &'static str)> {
        self.files.iter().find(|(id, _)| task(env) == task(id)).copied()
    }
}

fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// The preset's file for `env` or else for its own environment, and that file's environment. Where it has no settings for
/// `env`, those to start from.
fn file(name: &str, env: Option<&str>) -> Result<(&'static str, &'static str), Error> {
    let Some(preset) = preset(name) else {
        let known: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
        return Err(Error::UnknownPreset { name: name.to_owned(), remedy: suggest::remedy(name, &known) });
    };
    let own = preset.files[0];
    Ok(env.map_or(own, |env| preset.own_file(env).or(preset.elsewhere).unwrap_or(own)))
}

/// The preset as the lowest layer of a configuration, for `env` or else for its own environment.
pub(super) fn layer(name: &str, env: Option<&str>) -> Result<Layer, Error> {
    let (own, text) = file(name, env)?;
    let mut table = layers::parse(&format!("preset {name}"), text)?;
    let id = Table::from_iter([("id".to_owned(), env.unwrap_or(own).into())]);
    match table.get_mut("env") {
        Some(Value::Table(env)) => env.extend(id),
        _ => drop(table.insert("env".to_owned(), id.into())),
    }
    Layer::new(table, None)
}

/// The preset as a TOML document with comments, for `env` or else for its own environment. Complete, except for keys whose
/// values depend on an environment that nothing is known of: those are comments that say how to choose them.
///
/// # Errors
/// [`Error::UnknownPreset`], naming the nearest known ones.
pub fn text(name: &str, env: Option<&str>) -> Result<String, Error> {
    let (own, text) = file(name, env)?;
    let header: String =
        text.lines().take_while(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let (config, missing) = layers::read_incomplete(&layer(name, env)?)?;
    let elsewhere = match task(own) == task(&config.env.id) {
        true => String::new(),
        false => {
            format!("# The settings below are for {}. The measurements above were made on {own}.\n", config.env.id)
        }
    };
    Ok(format!("{header}{elsewhere}\n{}", config.to_template(&missing)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainConfig;

    fn config(preset: &str, env: &str) -> Result<TrainConfig, Error> {
        TrainConfig::preset(preset).set("env.id", env).build()
    }

    #[test]
    fn a_presets_files_are_for_the_environments_they_name() {
        for preset in PRESETS {
            for (id, text) in preset.files {
                let table = layers::parse(preset.name, text).unwrap();
                assert_eq!(table["env"]["id"].as_str(), Some(*id), "{}", preset.name);
                assert_eq!(config(preset.name, id).unwrap().env.id, *id);
            }
        }
    }

    #[test]
    fn only_textbook_takes_a_time_limit_for_an_end() {
        use crate::config::TimeLimitMeaning::{Bootstrap, Terminal};
        for preset in PRESETS {
            for (id, _) in preset.files {
                let expected = if preset.name == "textbook" { Terminal } else { Bootstrap };
                assert_eq!(config(preset.name, id).unwrap().agent.time_limit, expected, "{} {id}", preset.name);
            }
        }
    }

    #[test]
    fn a_preset_can_be_put_to_another_environment() {
        assert_eq!(config("textbook", "CartPole-v1").unwrap().env.id, "CartPole-v1");
        let text = text("c51", Some("MountainCar-v0")).unwrap();
        assert!(
            text.contains("id = \"MountainCar-v0\"") && text.contains("v_min = -100.0") && text.contains("v_max = 0.0")
        );
    }

    #[test]
    fn one_of_gymnasiums_environments_gets_the_settings_of_its_task() {
        let of = |id: &str| config("tuned", id).unwrap();
        let bridged = of("gym:Acrobot-v1");
        assert_eq!((bridged.env.id.as_str(), bridged.training.clone()), ("gym:Acrobot-v1", of("Acrobot-v1").training));
        assert_eq!(of("gym:LunarLander-v3").training.steps, Some(100_000));
    }

    #[test]
    fn the_default_preset_is_that_of_the_environment() {
        assert_eq!(default_for(None), "textbook");
        for id in
            ["CartPole-v0", "CartPole-v1", "gym:CartPole-v1", "Acrobot-v1", "MountainCar-v0", "gym:LunarLander-v3"]
        {
            assert_eq!(default_for(Some(id)), "tuned", "{id}");
        }
        assert_eq!((default_for(Some("gym:Taxi-v3")), default_for(Some("Pong"))), ("robust", "robust"));
    }

    #[test]
    fn an_environment_without_tuned_settings_gets_the_robust_ones() {
        assert_eq!(config("tuned", "gym:Taxi-v3").unwrap(), config("robust", "gym:Taxi-v3").unwrap());
        assert_ne!(config("tuned", "CartPole-v1").unwrap(), config("robust", "CartPole-v1").unwrap());
        assert_eq!(of(&config("tuned", "gym:Taxi-v3").unwrap()).unwrap().0, "robust");
    }

    #[test]
    fn the_robust_preset_scales_with_the_length_of_the_run() {
        use crate::schedule::{Changing, Schedule};
        for (steps, capacity) in [(2_000, 10_000), (40_000, 40_000), (3_000_000, 1_000_000)] {
            let set = TrainConfig::preset("robust").set("training.steps", steps);
            let config = set.set("env.id", "gym:Taxi-v3").build().unwrap();
            let linear = |from, to, steps| Schedule::Changing(Changing::Linear { from, to, steps });
            let steps = u64::try_from(steps).unwrap();
            assert_eq!(config.replay.capacity, capacity);
            assert_eq!(config.exploration.epsilon, linear(1.0, 0.05, steps / 10));
            assert_eq!(config.optimizer.lr, linear(1e-3, 0.0, steps));
        }
    }

    #[test]
    fn every_preset_has_a_name_in_words_of_its_own() {
        let names: Vec<&str> = list().filter_map(|(name, _)| display_name(name)).collect();
        let distinct: std::collections::BTreeSet<&&str> = names.iter().collect();
        assert_eq!((names.len(), distinct.len()), (PRESETS.len(), PRESETS.len()));
        assert_eq!((display_name("double"), display_name("dubble")), (Some("Double DQN"), None));
    }

    #[test]
    fn an_unknown_preset_is_answered_with_the_nearest() {
        let message = TrainConfig::preset("textbok").build().unwrap_err().to_string();
        assert!(message.starts_with("unknown preset 'textbok': did you mean textbook?"), "{message}");
    }
}
