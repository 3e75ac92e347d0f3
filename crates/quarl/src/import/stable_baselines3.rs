//! An agent of Stable-Baselines3's DQN with `MlpPolicy`: `model.save("agent.zip")`.

use std::collections::BTreeMap;

use serde_json::Value;
use toml::Table;

use super::torch::{self, Tensor};
use super::zip::{Archive, shown};
use crate::config::TrainConfig;
use crate::error::Error;
use crate::model::Model;
use crate::network::{Activation, Architecture};

/// The start of the names of the online network's tensors, and of the target network's.
const ONLINE: &str = "q_net.q_net.";
const TARGET: &str = "q_net_target.q_net.";

/// The settings with a number in the archive: the name there, the key of the configuration, and the default of Stable-Baselines3.
const NUMBERS: [(&str, &str, f64); 7] = [
    ("learning_rate", "optimizer.lr", 1e-4),
    ("buffer_size", "replay.capacity", 1e6),
    ("learning_starts", "training.learning_starts", 100.0),
    ("batch_size", "agent.batch_size", 32.0),
    ("gamma", "agent.gamma", 0.99),
    ("gradient_steps", "training.gradient_steps", 1.0),
    ("max_grad_norm", "optimizer.max_grad_norm", 10.0),
];

/// An agent of another program.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The model: the online network with its parameters.
    pub model: Model,
    /// The settings of the archive, for continuing the training. The replay buffer is empty, and epsilon stays at its last value.
    pub config: TrainConfig,
    /// The settings that the archive does not hold as numbers, with the defaults that are used instead.
    pub defaults: Vec<String>,
}

/// Reads an archive of Stable-Baselines3 for the environment `env`.
///
/// An agent that was trained with `VecNormalize` needs normalised observations. The archive holds neither the statistics nor whether
/// they are needed, so such an agent is read and acts badly.
///
/// # Errors
/// [`Error::Unusable`] with what is wrong with the archive, or what quarl does not have: another algorithm, images, another
/// activation function; those of [`ConfigBuilder::build`](crate::config::ConfigBuilder::build) for its settings.
pub fn stable_baselines3(archive: &[u8], env: &str) -> Result<Imported, Error> {
    let (settings, tensors) = read(archive).map_err(refused)?;
    let activation = check_policy(&settings, &tensors).map_err(refused)?;
    let (architecture, parameters) = network(&tensors, activation).map_err(refused)?;
    check_spaces(&settings, &architecture).map_err(refused)?;
    let (config, defaults) = configuration(&settings, &architecture, env)?;
    let model = Model { env: config.env.id.clone(), architecture, parameters, observation_statistics: None };
    Ok(Imported { model, config, defaults })
}

impl Imported {
    /// [`stable_baselines3`] for a file.
    ///
    /// # Errors
    /// [`Error::File`] with the reason, [`Error::Io`] where the file cannot be read.
    #[cfg(feature = "files")]
    pub fn load(path: &std::path::Path, env: &str) -> Result<Self, Error> {
        let bytes = crate::files::read(path)?;
        stable_baselines3(&bytes, env).map_err(|error| {
            let message = match error {
                Error::Unusable { message, .. } => message,
                error => format!("its settings cannot be used: {error}"),
            };
            Error::File { path: path.to_owned(), message }
        })
    }
}

fn refused(message: String) -> Error {
    Error::Unusable { what: "the archive of Stable-Baselines3".to_owned(), message }
}

/// The settings and the tensors of an archive.
fn read(bytes: &[u8]) -> Result<(Value, BTreeMap<String, Tensor>), String> {
    let archive = Archive::read(bytes)?;
    let entry = |name: &str| {
        let missing =
            || format!("the zip archive has no entry '{name}': it was not written by Stable-Baselines3's save()");
        archive.get(name).ok_or_else(missing)
    };
    let settings = serde_json::from_slice(entry("data")?).map_err(|_| "its entry 'data' is not JSON".to_owned())?;
    let tensors =
        torch::read(entry("policy.pth")?).map_err(|message| format!("in its entry 'policy.pth': {message}"))?;
    Ok((settings, tensors))
}

/// Checks that the policy is DQN's, and returns its activation function.
fn check_policy(settings: &Value, tensors: &BTreeMap<String, Tensor>) -> Result<Activation, String> {
    let module = settings["policy_class"]["__module__"].as_str().unwrap_or_default();
    if module != "stable_baselines3.dqn.policies" {
        return Err(format!(
            "its policy is one of '{}'; quarl reads the MlpPolicy of DQN (stable_baselines3.dqn.policies)",
            shown(module)
        ));
    }
    if tensors.keys().any(|name| name.starts_with("q_net.features_extractor.")) {
        return Err("its policy has a features extractor with parameters, such as that of CnnPolicy or MultiInputPolicy; quarl \
                    reads MlpPolicy, and has no networks for images"
            .to_owned());
    }
    let arguments = &settings["policy_kwargs"];
    let class = |name: &str| {
        let text = arguments.get(name)?.as_str()?;
        Some(text.trim_end_matches("'>").rsplit('.').next().unwrap_or(text))
    };
    if let Some(extractor) = class("features_extractor_class").filter(|name| *name != "FlattenExtractor") {
        return Err(format!("it has the features extractor {}; quarl has none", shown(extractor)));
    }
    match (arguments.get("activation_fn"), class("activation_fn")) {
        (None, _) | (_, Some("ReLU")) => Ok(Activation::Relu),
        (_, Some("Tanh")) => Ok(Activation::Tanh),
        (_, Some("ELU")) => Ok(Activation::Elu),
        (_, other) => {
            let name = shown(other.unwrap_or("of an unknown kind"));
            Err(format!("its activation function is {name}; quarl has ReLU, Tanh and ELU"))
        }
    }
}

/// The layers of one network: shapes and values of `0.weight`, `0.bias`, `2.weight`, .., where odd numbers are activations.
fn layers<'a>(tensors: &'a BTreeMap<String, Tensor>, prefix: &str) -> Result<Vec<[&'a Tensor; 2]>, String> {
    let mut layers = Vec::new();
    while let Some(weight) = tensors.get(&format!("{prefix}{}.weight", 2 * layers.len())) {
        let bias = tensors.get(&format!("{prefix}{}.bias", 2 * layers.len()));
        layers.push([weight, bias.ok_or("a layer has no bias")?]);
    }
    Ok(layers)
}

/// The online network. The shapes of its tensors give the architecture.
fn network(tensors: &BTreeMap<String, Tensor>, activation: Activation) -> Result<(Architecture, Vec<f32>), String> {
    let (online, target) = (layers(tensors, ONLINE)?, layers(tensors, TARGET)?);
    let known = 2 * (online.len() + target.len());
    if online.is_empty() || known != tensors.len() {
        let is_known = |name: &&String| {
            let rest = name.strip_prefix(ONLINE).or_else(|| name.strip_prefix(TARGET));
            rest.is_some_and(|rest| rest.ends_with(".weight") || rest.ends_with(".bias"))
        };
        let other = tensors.keys().find(|name| !is_known(name)).or(tensors.keys().next());
        let named = other.map_or(String::new(), |name| format!(", such as '{}'", shown(name)));
        return Err(format!(
            "its tensors are not those of the MlpPolicy of DQN, linear layers with an activation function between them{named}"
        ));
    }
    let mut units = Vec::new();
    for [weight, bias] in &online {
        let ([outputs, inputs], [biases]) = (&weight.shape[..], &bias.shape[..]) else {
            return Err(format!(
                "a layer has a weight of shape {:?} and a bias of shape {:?}",
                weight.shape, bias.shape
            ));
        };
        if biases != outputs || units.last().is_some_and(|last| last != inputs) {
            return Err(format!("a layer of shape {:?} does not fit to its bias or the layer before it", weight.shape));
        }
        if units.is_empty() {
            units.push(*inputs);
        }
        units.push(*outputs);
    }
    let [inputs, hidden @ .., actions] = &units[..] else { return Err("it has no layers".to_owned()) };
    let architecture = Architecture { activation, ..Architecture::plain(*inputs, hidden, *actions) };
    architecture.check().map_err(|reason| format!("its network is invalid ({reason})"))?;
    let parameters: Vec<f32> = online.iter().flatten().flat_map(|tensor| tensor.values.iter().copied()).collect();
    if parameters.iter().any(|x| !x.is_finite()) {
        return Err("a parameter is not finite".to_owned());
    }
    Ok((architecture, parameters))
}

fn check_spaces(settings: &Value, architecture: &Architecture) -> Result<(), String> {
    let kind = |space: &Value| {
        let text = space[":type:"].as_str().unwrap_or_default().trim_end_matches("'>");
        text.rsplit('.').next().unwrap_or_default().to_owned()
    };
    let (observations, actions) = (&settings["observation_space"], &settings["action_space"]);
    let of = kind(observations);
    if !["Box", "Discrete"].contains(&&*of) {
        return Err(format!("its observations are of the kind '{}'; quarl has Box and Discrete", shown(&of)));
    }
    let rank = observations["_shape"].as_array().map_or(0, Vec::len);
    if observations["dtype"] == "uint8" && rank == 3 {
        return Err("its observations are images, for which quarl has no networks".to_owned());
    }
    let of = kind(actions);
    if of != "Discrete" {
        return Err(format!("its actions are of the kind '{}'; quarl has Discrete", shown(&of)));
    }
    if actions["n"].as_str().is_some_and(|n| n != architecture.actions.to_string()) {
        return Err(format!(
            "it has {} outputs for {} actions",
            architecture.actions,
            shown(actions["n"].as_str().unwrap_or_default())
        ));
    }
    if actions["start"].as_str().is_some_and(|start| start != "0") {
        return Err("its actions are not numbered from 0".to_owned());
    }
    Ok(())
}

/// The configuration that continues the training, and the settings that are defaults.
fn configuration(
    settings: &Value,
    architecture: &Architecture,
    env: &str,
) -> Result<(TrainConfig, Vec<String>), Error> {
    let mut defaults = Vec::new();
    // NaN and infinity are words that JSON does not have, so these numbers are finite.
    let number = |name: &str| settings[name].as_f64();
    let mut builder = TrainConfig::preset("dqn").set("env.id", env);
    for (name, key, default) in NUMBERS {
        let value = number(name).filter(|value| name != "gradient_steps" || *value >= 1.0);
        if value.is_none() {
            defaults.push(format!("{name} = {default}"));
        }
        builder = builder.set(key, value_of(value.unwrap_or(default)));
    }
    // A tuple of a number and a unit, which only the pickle holds.
    match number("train_freq") {
        Some(frequency) => builder = builder.set("training.train_frequency", value_of(frequency)),
        None => {
            defaults.push("train_freq = 4".to_owned());
            builder = builder.set("training.train_frequency", 4);
        }
    }
    for (name, key) in [("seed", "training.seed"), ("n_steps", "agent.n_step")] {
        if let Some(value) = number(name) {
            builder = builder.set(key, value_of(value));
        }
    }
    builder = builder.set("target_network.every_steps", value_of(number("target_update_interval").unwrap_or(10_000.0)));
    if let Some(tau) = number("tau").filter(|tau| *tau != 1.0) {
        builder = builder.set("target_network.kind", "soft").set("target_network.tau", tau);
    }
    let steps = number("_total_timesteps").filter(|steps| *steps >= 1.0);
    if let Some(steps) = steps {
        builder = builder.set("training.steps", value_of(steps));
    }
    builder = match number("exploration_rate").filter(|_| number("num_timesteps").is_some_and(|steps| steps > 0.0)) {
        Some(epsilon) => builder.set("exploration.epsilon", epsilon),
        None => {
            let ends = [("from", "exploration_initial_eps", 1.0), ("to", "exploration_final_eps", 0.05)];
            let mut schedule = Table::from_iter([("kind".to_owned(), "linear".into())]);
            for (key, name, default) in ends.into_iter().chain([("fraction", "exploration_fraction", 0.1)]) {
                schedule.insert(key.to_owned(), number(name).unwrap_or(default).into());
            }
            builder.set("exploration.epsilon", schedule)
        }
    };
    let hidden: Vec<i64> = architecture.hidden.iter().map(|units| *units as i64).collect();
    let activation = toml::Value::try_from(architecture.activation).expect("an activation function has a name");
    let config = builder.set("network.hidden", hidden).set("network.activation", activation).build()?;
    Ok((config, defaults))
}

/// A whole number as an integer of TOML.
fn value_of(number: f64) -> toml::Value {
    if number.fract() == 0.0 && number.abs() < 1e15 { (number as i64).into() } else { number.into() }
}
