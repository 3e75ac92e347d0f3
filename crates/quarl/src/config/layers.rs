//! Putting one piece of configuration over another: a preset, then a file, then single keys.

use toml::{Table, Value};

use super::TrainConfig;
use crate::error::Error;
use crate::suggest;

/// Keys of which a section has at most one: whoever sets one of them takes the others back.
const ALTERNATIVES: [(&str, [&str; 2]); 3] = [
    ("target_network", ["every_episodes", "every_steps"]),
    ("training", ["episodes", "steps"]),
    ("evaluation", ["every_episodes", "every_steps"]),
];

/// Sections with a `kind`: whoever sets another kind takes back what belongs to the old one, all keys but these.
const KINDS: [(&str, &[&str]); 4] = [
    ("replay", &["capacity"]),
    ("target_network", &["initial"]),
    ("exploration", &[]),
    ("optimizer", &["lr", "max_grad_norm"]),
];

/// A table read from TOML text; `origin` (a file's name, say) is for messages.
///
/// # Errors
/// [`Error::Config`] where the text is not TOML.
pub fn parse(origin: &str, text: &str) -> Result<Table, Error> {
    text.parse::<Table>().map_err(|error| {
        let place = error.span().map_or(String::new(), |span| {
            format!(" in line {}", text[..span.start.min(text.len())].matches('\n').count() + 1)
        });
        config_error(origin, format!("not valid TOML{place}: {}", error.message()))
    })
}

/// A table with the one key that `assignment` (`section.key=value`) sets. The value is read as TOML; what is not TOML is
/// taken as text.
///
/// # Errors
/// [`Error::Config`] where there is no `section.key=`.
pub fn assignment(assignment: &str) -> Result<Table, Error> {
    let origin = format!("--set {assignment}");
    let usage = || config_error(&origin, "expected section.key=value, such as agent.gamma=0.99".to_owned());
    let (key, value) = assignment.split_once('=').ok_or_else(usage)?;
    let (section, key) = key.trim().split_once('.').ok_or_else(usage)?;
    if section.is_empty() || key.is_empty() || key.contains('.') {
        return Err(usage());
    }
    let value = format!("value = {}", value.trim())
        .parse::<Table>()
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(value.trim().to_owned()));
    Ok(self::key(section, key, value))
}

/// A table with one key.
pub fn key(section: &str, key: &str, value: impl Into<Value>) -> Table {
    let keys = Table::from_iter([(key.to_owned(), value.into())]);
    Table::from_iter([(section.to_owned(), Value::Table(keys))])
}

/// Puts `upper` over `lower`: what `upper` says replaces what `lower` says, key by key.
pub fn overlay(lower: &mut Table, upper: &Table) {
    for (section, upper_value) in upper {
        match (lower.get_mut(section), upper_value) {
            (Some(Value::Table(lower_keys)), Value::Table(upper_keys)) => {
                for (name, alternatives) in ALTERNATIVES {
                    if name == section && alternatives.iter().any(|key| upper_keys.contains_key(*key)) {
                        lower_keys.retain(|key, _| !alternatives.contains(&key));
                    }
                }
                for (name, shared) in KINDS {
                    let old = lower_keys.get("kind").and_then(Value::as_str).unwrap_or(match name {
                        "replay" => "uniform",
                        "exploration" => "epsilon_greedy",
                        "target_network" if lower_keys.get("tau").is_none_or(|tau| tau.as_float() == Some(1.0)) => {
                            "hard"
                        }
                        "target_network" => "soft",
                        _ => "",
                    });
                    let new = upper_keys.get("kind").and_then(Value::as_str);
                    if name == section && new.is_some_and(|new| new != old) {
                        lower_keys.retain(|key, _| shared.contains(&key));
                    }
                }
                lower_keys.extend(upper_keys.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
            _ => {
                lower.insert(section.clone(), upper_value.clone());
            }
        }
    }
}

/// The configuration that a complete table says, not yet validated; `origin` is for messages.
///
/// # Errors
/// [`Error::Config`] naming the key that is unknown (with the nearest known one), missing, or of the wrong type.
pub fn resolve(origin: &str, table: Table) -> Result<TrainConfig, Error> {
    for (section, value) in &table {
        let known: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
        let Some((_, keys)) = SECTIONS.iter().find(|(name, _)| name == section) else {
            return Err(config_error(
                origin,
                format!("unknown section [{section}]: {}", suggest::remedy(section, &known)),
            ));
        };
        let Value::Table(given) = value else {
            return Err(config_error(origin, format!("{section} is a section: write [{section}], then its keys")));
        };
        for key in given.keys() {
            if !keys.contains(&key.as_str()) {
                let remedy = suggest::remedy(key, keys);
                return Err(config_error(origin, format!("unknown key {section}.{key}: {remedy}")));
            }
        }
    }
    let mut sections = table;
    let mut missing = Vec::new();
    for (section, _) in SECTIONS {
        if !sections.contains_key(*section) {
            missing.push(format!("[{section}]"));
        }
    }
    if !missing.is_empty() {
        return Err(config_error(origin, format!("missing {}", missing.join(", "))));
    }
    resolve_fractions(&mut sections).map_err(|message| config_error(origin, message))?;
    // One section at a time, so that a message can say where it was.
    macro_rules! section {
        ($name:literal) => {
            sections
                .remove($name)
                .expect("all sections are there")
                .try_into()
                .map_err(|error: toml::de::Error| config_error(origin, format!("[{}] {}", $name, error.message())))?
        };
    }
    Ok(TrainConfig {
        env: section!("env"),
        network: section!("network"),
        replay: section!("replay"),
        agent: section!("agent"),
        target_network: section!("target_network"),
        exploration: section!("exploration"),
        optimizer: section!("optimizer"),
        training: section!("training"),
        evaluation: section!("evaluation"),
    })
}

/// Replaces `fraction` in schedules, a share of the budget in steps, by the number of steps that it is.
fn resolve_fractions(sections: &mut Table) -> Result<(), String> {
    let budget = sections.get("training").and_then(|training| training.get("steps")?.as_integer());
    for (section, keys) in sections.iter_mut() {
        let Value::Table(keys) = keys else { continue };
        for (key, value) in keys.iter_mut() {
            let Value::Table(schedule) = value else { continue };
            let Some(fraction) = schedule.get("fraction") else { continue };
            let shown = format!("{section}.{key}.fraction = {fraction}");
            if schedule.contains_key("steps") {
                return Err(format!("{shown}: steps is given, too: remove one of them"));
            }
            let share = fraction.as_float().or_else(|| fraction.as_integer().map(|whole| whole as f64));
            let Some(share) = share.filter(|share| (0.0..=1.0).contains(share)) else {
                return Err(format!("{shown}: choose from 0 to 1"));
            };
            let Some(budget) = budget else {
                return Err(format!(
                    "{shown}: a share of the budget needs a budget in steps: set training.steps, or give steps here"
                ));
            };
            schedule.remove("fraction");
            schedule.insert("steps".to_owned(), Value::Integer((share * budget as f64).round() as i64));
        }
    }
    Ok(())
}

/// Every section and its keys; a test holds it against [`TrainConfig`].
const SECTIONS: &[(&str, &[&str])] = &[
    (
        "env",
        &[
            "id",
            "python",
            "imports",
            "timeout_seconds",
            "environments_per_worker",
            "max_episode_steps",
            "reward_scale",
            "clip_reward",
            "frame_stack",
            "normalize_observation",
            "args",
        ],
    ),
    (
        "network",
        &[
            "hidden",
            "activation",
            "layer_norm",
            "dueling",
            "dueling_hidden",
            "noisy",
            "noisy_sigma",
            "head",
            "atoms",
            "v_min",
            "v_max",
            "quantiles",
            "acting_quantiles",
            "cosines",
        ],
    ),
    ("replay", &["kind", "capacity", "alpha", "beta", "eps"]),
    (
        "agent",
        &[
            "gamma",
            "n_step",
            "target",
            "munchausen_alpha",
            "munchausen_temperature",
            "munchausen_floor",
            "loss",
            "batch_size",
            "time_limit",
        ],
    ),
    ("target_network", &["kind", "initial", "every_episodes", "every_steps", "tau"]),
    ("exploration", &["kind", "epsilon", "temperature"]),
    (
        "optimizer",
        &[
            "kind",
            "lr",
            "beta1",
            "beta2",
            "alpha",
            "eps",
            "eps_inside_sqrt",
            "centered",
            "momentum",
            "nesterov",
            "max_grad_norm",
        ],
    ),
    (
        "training",
        &[
            "seed",
            "episodes",
            "steps",
            "num_envs",
            "learning_starts",
            "train_frequency",
            "gradient_steps",
            "diagnostics",
        ],
    ),
    ("evaluation", &["every_episodes", "every_steps", "episodes", "max_episode_steps"]),
];

fn config_error(origin: &str, message: String) -> Error {
    Error::Config { origin: origin.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{TargetNetworkKind, presets};
    use crate::schedule::Schedule;

    fn textbook_with(assignments: &[&str]) -> Result<TrainConfig, Error> {
        let mut table = presets::table("textbook", None).unwrap();
        for text in assignments {
            overlay(&mut table, &assignment(text)?);
        }
        resolve("test", table)
    }

    fn message(assignments: &[&str]) -> String {
        textbook_with(assignments).unwrap_err().to_string()
    }

    #[test]
    fn the_list_of_keys_is_the_structs() {
        let mut config = textbook_with(&["optimizer.max_grad_norm=10"]).unwrap();
        config.env.max_episode_steps = Some(10);
        config.env.reward_scale = Some(0.1);
        config.env.clip_reward = Some([-1.0, 1.0]);
        config.env.frame_stack = Some(4);
        config.env.normalize_observation = true;
        config.env.python = Some("python3".to_owned());
        config.env.imports = vec!["ale_py".to_owned()];
        config.env.timeout_seconds = Some(60);
        config.env.environments_per_worker = Some(2);
        config.env.max_episode_steps = Some(100);
        config.env.frame_stack = Some(4);
        config.env.args = Table::from_iter([("continuous".to_owned(), Value::Boolean(false))]);
        config.target_network.every_steps = Some(1);
        config.training.steps = Some(1);
        config.training.num_envs = 2;
        config.evaluation.every_steps = Some(1);
        config.evaluation.max_episode_steps = Some(1);
        config.network.dueling_hidden = Some(64);
        config.replay.alpha = Some(0.5);
        config.replay.beta = Some(Schedule::Constant(0.5));
        config.replay.eps = Some(1e-3);
        config.target_network.kind = Some(TargetNetworkKind::Hard);
        config.exploration.temperature = Some(Schedule::Constant(1.0));
        let optimizer = &mut config.optimizer;
        (optimizer.alpha, optimizer.momentum) = (Some(0.9), Some(0.9));
        (optimizer.eps_inside_sqrt, optimizer.centered, optimizer.nesterov) = (Some(true), Some(true), Some(true));
        let table = Table::try_from(&config).unwrap();
        let mut sections: Vec<&str> = table.keys().map(String::as_str).collect();
        let mut expected: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
        sections.sort_unstable();
        expected.sort_unstable();
        assert_eq!(sections, expected);
        for (section, keys) in SECTIONS {
            let mut actual: Vec<&str> = table[*section].as_table().unwrap().keys().map(String::as_str).collect();
            let mut expected = keys.to_vec();
            actual.sort_unstable();
            expected.sort_unstable();
            assert_eq!(actual, expected, "[{section}]");
        }
    }

    #[test]
    fn a_key_that_is_set_replaces_the_presets() {
        let config = textbook_with(&["agent.gamma=0.9", "env.id=CartPole-v1", "network.hidden=[64]"]).unwrap();
        assert_eq!(config.agent.gamma, 0.9);
        assert_eq!(config.env.id, "CartPole-v1");
        assert_eq!(config.network.hidden, [64]);
        assert_eq!(config.agent.batch_size, 32);
    }

    #[test]
    fn setting_one_alternative_takes_the_other_back() {
        let config = textbook_with(&["target_network.every_steps=100", "training.steps=5000"]).unwrap();
        assert_eq!((config.target_network.every_episodes, config.target_network.every_steps), (None, Some(100)));
        assert_eq!((config.training.episodes, config.training.steps), (None, Some(5000)));
    }

    #[test]
    fn mistakes_are_named_with_the_nearest_right_key() {
        assert!(message(&["agent.gama=0.9"]).contains("unknown key agent.gama: did you mean gamma?"));
        assert!(message(&["agnet.gamma=0.9"]).contains("unknown section [agnet]: did you mean agent?"));
        assert!(message(&["agent.gamma=high"]).contains("[agent] invalid type: string \"high\", expected f64"));
        assert!(message(&["gamma=0.9"]).contains("expected section.key=value"));
        assert!(message(&["agent.gamma"]).contains("expected section.key=value"));
        assert!(message(&["exploration.epsilon=much"]).contains("expected a number, or a table such as"));
        assert!(
            message(&["agent.target=triple"])
                .contains("unknown variant `triple`, expected one of `max`, `double`, `munchausen`")
        );
    }

    #[test]
    fn a_schedule_is_a_number_or_a_table() {
        let linear = r#"exploration.epsilon={ kind = "linear", from = 1.0, to = 0.1, steps = 100 }"#;
        assert_eq!(textbook_with(&[linear]).unwrap().exploration.at(50).epsilon(), 0.55);
        assert_eq!(textbook_with(&["exploration.epsilon=0"]).unwrap().exploration.at(50).epsilon(), 0.0);
    }

    #[test]
    fn a_fraction_is_a_share_of_the_budget_in_steps() {
        let linear = r#"exploration.epsilon={ kind = "linear", from = 1.0, to = 0.0, fraction = 0.2 }"#;
        let config = textbook_with(&["training.steps=1000", linear]).unwrap();
        assert_eq!([0, 100, 200, 1000].map(|step| config.exploration.at(step).epsilon()), [1.0, 0.5, 0.0, 0.0]);
        assert!(message(&[linear]).contains("exploration.epsilon.fraction = 0.2: a share of the budget needs"));
        let both = r#"optimizer.lr={ kind = "linear", from = 1.0, to = 0.0, fraction = 0.2, steps = 3 }"#;
        assert!(message(&[both, "training.steps=10"]).contains("optimizer.lr.fraction = 0.2: steps is given, too"));
        let large = r#"optimizer.lr={ kind = "linear", from = 1.0, to = 0.0, fraction = 20 }"#;
        assert!(message(&[large, "training.steps=10"]).contains("choose from 0 to 1"));
    }

    #[test]
    fn another_kind_takes_back_what_belonged_to_the_old_one() {
        for preset in ["textbook", "tuned"] {
            for switch in [
                "replay.kind=none",
                "replay.kind=prioritized",
                "replay.kind=uniform",
                "target_network.kind=none",
                "exploration.kind=softmax",
                "exploration.kind=epsilon_greedy",
                "optimizer.kind=rmsprop",
                "optimizer.kind=sgd",
                "optimizer.kind=adam",
            ] {
                let mut table = presets::table(preset, None).unwrap();
                overlay(&mut table, &assignment(switch).unwrap());
                resolve("test", table).unwrap().validate().unwrap();
            }
        }
        assert_eq!(textbook_with(&["target_network.kind=hard"]).unwrap().target_network.every_episodes, Some(20));
    }

    #[test]
    fn what_is_written_reads_back_as_it_was() {
        let config = textbook_with(&["agent.gamma=0.123456789012345"]).unwrap();
        assert_eq!(resolve("test", parse("test", &config.to_toml()).unwrap()).unwrap(), config);
    }

    #[test]
    fn broken_toml_is_located() {
        let message = parse("run.toml", "[env]\nid = \n").unwrap_err().to_string();
        assert!(message.starts_with("run.toml: not valid TOML in line 2"), "{message}");
    }
}
