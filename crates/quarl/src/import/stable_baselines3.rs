//! An agent of Stable-Baselines3's DQN, or of sb3-contrib's QRDQN, with `MlpPolicy`: `model.save("agent.zip")`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::algorithm::Algorithm;
use super::settings::{class_path, configuration};
use super::torch::{self, Tensor};
use super::zip::{Archive, shown};
use crate::config::TrainConfig;
use crate::error::Error;
use crate::model::Model;
use crate::network::{Activation, Architecture, Head};

/// An agent of another program.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The model: the online network with its parameters.
    pub model: Model,
    /// The settings of the archive, for continuing the training. The replay buffer is empty, and epsilon stays at its last value.
    pub config: TrainConfig,
    /// The settings that cannot be read from the archive, or that quarl does not have, with the defaults that are used instead.
    pub defaults: Vec<String>,
}

/// Reads an archive of Stable-Baselines3 for the environment `env`.
///
/// An agent that was trained with `VecNormalize` needs normalised observations. The archive holds neither the statistics nor whether
/// they are needed, so such an agent is read and acts badly.
///
/// # Errors
/// [`Error::Unusable`] with what is wrong with the archive, or what quarl does not have: another algorithm, images, another
/// activation function or features extractor; those of [`ConfigBuilder::build`](crate::config::ConfigBuilder::build) for its settings.
pub fn stable_baselines3(archive: &[u8], env: &str) -> Result<Imported, Error> {
    let (settings, tensors) = read(archive).map_err(refused)?;
    let (algorithm, activation) = check_policy(&settings, &tensors).map_err(refused)?;
    let actions = check_spaces(&settings).map_err(refused)?;
    let (architecture, parameters) = network(&tensors, algorithm, activation, actions).map_err(refused)?;
    let (config, defaults) = configuration(&settings, algorithm, &architecture, env)?;
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
    let settings = serde_json::from_slice(&without_infinities(entry("data")?))
        .map_err(|_| "its entry 'data' is not JSON".to_owned())?;
    let tensors =
        torch::read(entry("policy.pth")?).map_err(|message| format!("in its entry 'policy.pth': {message}"))?;
    Ok((settings, tensors))
}

/// The text with `null` for the words `Infinity` and `NaN` outside strings, which Python writes and JSON does not have.
fn without_infinities(text: &[u8]) -> Cow<'_, [u8]> {
    let mut replaced = Vec::new();
    let (mut at, mut copied, mut in_string) = (0, 0, false);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' => at += 1,
            _ if in_string => {}
            _ => {
                let starts = |word: &&&[u8]| text[at..].starts_with(word);
                if let Some(word) = [&b"-Infinity"[..], b"Infinity", b"NaN"].iter().find(starts) {
                    replaced.extend_from_slice(&text[copied..at]);
                    replaced.extend_from_slice(b"null");
                    at += word.len();
                    copied = at;
                    continue;
                }
            }
        }
        at += 1;
    }
    if copied == 0 {
        return text.into();
    }
    replaced.extend_from_slice(&text[copied..]);
    replaced.into()
}

/// A setting that every archive holds unless it was saved without it.
fn object<'a>(settings: &'a Value, name: &str) -> Result<&'a Value, String> {
    settings.get(name).filter(|value| value.is_object()).ok_or_else(|| {
        format!("its entry 'data' has no '{name}', without which the agent is not known: save() must not exclude it")
    })
}

/// Checks that the policy is the `MlpPolicy` of an algorithm, and returns the algorithm and the activation function.
fn check_policy(settings: &Value, tensors: &BTreeMap<String, Tensor>) -> Result<(Algorithm, Activation), String> {
    let module = object(settings, "policy_class")?["__module__"].as_str().unwrap_or_default();
    let Some(algorithm) = Algorithm::of(module) else {
        let of = match module.split('.').collect::<Vec<_>>()[..] {
            ["stable_baselines3", "common", "policies"] => " (A2C, PPO or TRPO)".to_owned(),
            ["stable_baselines3" | "sb3_contrib", algorithm, "policies"] => {
                format!(" ({})", shown(algorithm).to_uppercase())
            }
            _ => String::new(),
        };
        return Err(format!(
            "its policy is one of '{}'{of}; quarl reads the MlpPolicy of DQN (stable_baselines3.dqn.policies) and QRDQN \
             (sb3_contrib.qrdqn.policies)",
            shown(module)
        ));
    };
    let extractor = format!("{}.features_extractor.", algorithm.network());
    if tensors.keys().any(|name| name.starts_with(&extractor)) {
        return Err("its policy has a features extractor with parameters, such as that of CnnPolicy or MultiInputPolicy; quarl \
                    reads MlpPolicy, and has no networks for images"
            .to_owned());
    }
    let arguments = object(settings, "policy_kwargs")?;
    let class =
        |name: &str| arguments.get(name).map(|value| class_path(value.as_str().unwrap_or("of an unknown kind")));
    // A class of the same name in another module can compute anything.
    let flatten = "stable_baselines3.common.torch_layers.FlattenExtractor";
    if let Some(extractor) = class("features_extractor_class").filter(|path| *path != flatten) {
        return Err(format!("it has the features extractor {}; quarl has none", shown(extractor)));
    }
    let Some(path) = class("activation_fn") else { return Ok((algorithm, Activation::Relu)) };
    let of_torch = path.strip_prefix("torch.nn.modules.activation.");
    match of_torch {
        Some("ReLU") => Ok((algorithm, Activation::Relu)),
        Some("Tanh") => Ok((algorithm, Activation::Tanh)),
        Some("ELU") => Ok((algorithm, Activation::Elu)),
        _ => {
            let name = shown(of_torch.unwrap_or(path));
            Err(format!(
                "its activation function is {name}; quarl has PyTorch's ReLU, Tanh and ELU with their defaults"
            ))
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
fn network(
    tensors: &BTreeMap<String, Tensor>,
    algorithm: Algorithm,
    activation: Activation,
    actions: usize,
) -> Result<(Architecture, Vec<f32>), String> {
    let name = algorithm.network();
    let prefixes = [format!("{name}.{name}."), format!("{name}_target.{name}.")];
    let [online, target] = [layers(tensors, &prefixes[0])?, layers(tensors, &prefixes[1])?];
    let known = 2 * (online.len() + target.len());
    if online.is_empty() || known != tensors.len() {
        let is_known = |name: &&String| {
            let rest = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix));
            rest.is_some_and(|rest| rest.ends_with(".weight") || rest.ends_with(".bias"))
        };
        let other = tensors.keys().find(|name| !is_known(name)).or(tensors.keys().next());
        let named = other.map_or(String::new(), |name| format!(", such as '{}'", shown(name)));
        return Err(format!(
            "its tensors are not those of the MlpPolicy, linear layers with an activation function between them{named}"
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
    let [inputs, hidden @ .., outputs] = &units[..] else { return Err("it has no layers".to_owned()) };
    let fits = if algorithm == Algorithm::Dqn { *outputs == actions } else { outputs.is_multiple_of(actions) };
    if !fits {
        return Err(format!("it has {outputs} outputs for {actions} actions"));
    }
    let head = match algorithm {
        Algorithm::Dqn => Head::Scalar,
        Algorithm::QrDqn => Head::Quantile { quantiles: outputs / actions },
    };
    let architecture = Architecture { activation, head, ..Architecture::plain(*inputs, hidden, actions) };
    architecture.check().map_err(|reason| format!("its network is invalid ({reason})"))?;
    let mut parameters: Vec<f32> = Vec::new();
    for tensor in online[..online.len() - 1].iter().flatten() {
        parameters.extend(&tensor.values);
    }
    for tensor in online.last().into_iter().flatten() {
        parameters.extend(by_action(&tensor.values, actions, outputs / actions));
    }
    if parameters.iter().any(|x| !x.is_finite()) {
        return Err("a parameter is not finite".to_owned());
    }
    Ok((architecture, parameters))
}

/// Rows of the output layer in the order `[action][atom]`; Stable-Baselines3 has `[atom][action]`.
fn by_action(values: &[f32], actions: usize, atoms: usize) -> impl Iterator<Item = &f32> {
    let width = values.len() / (actions * atoms);
    let rows = (0..actions).flat_map(move |action| (0..atoms).map(move |atom| atom * actions + action));
    rows.flat_map(move |row| &values[row * width..(row + 1) * width])
}

/// Checks the spaces, and returns the number of actions.
fn check_spaces(settings: &Value) -> Result<usize, String> {
    let kind = |space: &Value| {
        let path = class_path(space[":type:"].as_str().unwrap_or_default());
        path.rsplit('.').next().unwrap_or_default().to_owned()
    };
    let (observations, actions) = (object(settings, "observation_space")?, object(settings, "action_space")?);
    let of = kind(observations);
    if !["Box", "Discrete", "MultiDiscrete", "MultiBinary"].contains(&&*of) {
        return Err(format!(
            "its observations are of the kind '{}'; quarl reads agents for Box, Discrete, MultiDiscrete and MultiBinary",
            shown(&of)
        ));
    }
    let rank = observations["_shape"].as_array().map_or(0, Vec::len);
    if observations["dtype"] == "uint8" && rank == 3 {
        return Err("its observations are images, for which quarl has no networks".to_owned());
    }
    let of = kind(actions);
    if of != "Discrete" {
        return Err(format!("its actions are of the kind '{}'; quarl has Discrete", shown(&of)));
    }
    // Gymnasium's numbers are text in the archive, those of old versions of Gym numbers.
    let number = |name: &str| -> Option<usize> {
        actions.get(name).and_then(|value| value.as_str().map_or_else(|| value.to_string().parse(), str::parse).ok())
    };
    if actions.get("start").is_some() && number("start") != Some(0) {
        return Err("its actions are not numbered from 0".to_owned());
    }
    number("n").filter(|n| *n >= 1).ok_or_else(|| "its number of actions is not a whole number above 0".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(module: &str, arguments: &Value) -> Result<(Algorithm, Activation), String> {
        let settings = json!({ "policy_class": { "__module__": module }, "policy_kwargs": arguments });
        check_policy(&settings, &BTreeMap::new())
    }

    #[test]
    fn only_classes_of_pytorch_and_stable_baselines3_are_known() {
        let refusal = |arguments: Value| policy("stable_baselines3.dqn.policies", &arguments).unwrap_err();
        for (text, named) in [
            ("<class '__main__.ReLU'>", "__main__.ReLU;"),
            ("<class 'torch.nn.modules.activation.LeakyReLU'>", "is LeakyReLU;"),
            ("functools.partial(<class 'torch.nn.modules.activation.ELU'>, alpha=0.5)", "functools.partial(<class"),
        ] {
            let error = refusal(json!({ "activation_fn": text }));
            assert!(error.contains(named), "{error}");
        }
        let error = refusal(json!({ "features_extractor_class": "<class '__main__.FlattenExtractor'>" }));
        assert!(error.contains("the features extractor __main__.FlattenExtractor"), "{error}");
        let known = json!({
            "activation_fn": "<class 'torch.nn.modules.activation.ELU'>",
            "features_extractor_class": "<class 'stable_baselines3.common.torch_layers.FlattenExtractor'>",
        });
        assert_eq!(policy("sb3_contrib.qrdqn.policies", &known), Ok((Algorithm::QrDqn, Activation::Elu)));
    }

    #[test]
    fn other_algorithms_are_named() {
        for (module, name) in [
            ("stable_baselines3.common.policies", "(A2C, PPO or TRPO)"),
            ("stable_baselines3.sac.policies", "(SAC)"),
            ("sb3_contrib.tqc.policies", "(TQC)"),
            ("mine.policies", "'mine.policies'; quarl"),
        ] {
            let error = policy(module, &json!({})).unwrap_err();
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn an_archive_without_what_describes_the_agent_is_refused_with_the_name_of_the_missing_entry() {
        let class = json!({ "__module__": "stable_baselines3.dqn.policies" });
        for (settings, missing) in
            [(json!({}), "'policy_class'"), (json!({ "policy_class": class }), "'policy_kwargs'")]
        {
            let error = check_policy(&settings, &BTreeMap::new()).unwrap_err();
            assert!(error.contains(missing), "{error}");
        }
        let space = json!({ ":type:": "<class 'gymnasium.spaces.box.Box'>", "dtype": "float32", "_shape": [4] });
        assert!(check_spaces(&json!({})).unwrap_err().contains("'observation_space'"));
        assert!(check_spaces(&json!({ "observation_space": space })).unwrap_err().contains("'action_space'"));
    }

    #[test]
    fn spaces_of_gymnasium_and_of_old_versions_of_gym_are_read() {
        let space = |class: &str| json!({ ":type:": format!("<class '{class}'>"), "_shape": [3], "dtype": "int64" });
        let checked = |of: &str, actions: Value| {
            let mut action_space = actions;
            action_space[":type:"] = "<class 'gymnasium.spaces.discrete.Discrete'>".into();
            check_spaces(&json!({ "observation_space": space(of), "action_space": action_space }))
        };
        for of in ["gymnasium.spaces.multi_discrete.MultiDiscrete", "gymnasium.spaces.multi_binary.MultiBinary"] {
            assert_eq!(checked(of, json!({ "n": "3", "start": "0" })), Ok(3));
        }
        assert_eq!(checked("gym.spaces.box.Box", json!({ "n": 2 })), Ok(2));
        let error = checked("gym.spaces.box.Box", json!({ "n": 2, "start": 1 })).unwrap_err();
        assert!(error.contains("not numbered from 0"), "{error}");
        for n in [json!("0"), json!(0), json!("many"), json!(null)] {
            assert!(checked("gym.spaces.box.Box", json!({ "n": n })).is_err());
        }
        assert!(checked("gymnasium.spaces.dict.Dict", json!({ "n": 2 })).unwrap_err().contains("MultiBinary"));
    }

    #[test]
    fn infinities_of_python_are_read_as_null_outside_strings() {
        let text = br#"{"a": Infinity, "b": -Infinity, "c": [NaN], "d\"Infinity": "NaN \\", "e": 1}"#;
        let read: Value = serde_json::from_slice(&without_infinities(text)).unwrap();
        assert_eq!(read, json!({ "a": null, "b": null, "c": [null], "d\"Infinity": "NaN \\", "e": 1 }));
        assert!(matches!(without_infinities(b"{\"a\": 1}"), Cow::Borrowed(_)));
        assert_eq!(&*without_infinities(b"\"\\"), b"\"\\");
    }

    #[test]
    fn rows_of_quantiles_are_sorted_by_action() {
        // Two quantiles of three actions, with two inputs: row (quantile, action) is [10 quantile + action, -1].
        let rows = [0.0, -1.0, 1.0, -1.0, 2.0, -1.0, 10.0, -1.0, 11.0, -1.0, 12.0, -1.0];
        let sorted: Vec<f32> = by_action(&rows, 3, 2).copied().collect();
        assert_eq!(sorted, [0.0, -1.0, 10.0, -1.0, 1.0, -1.0, 11.0, -1.0, 2.0, -1.0, 12.0, -1.0]);
        let biases: Vec<f32> = by_action(&[0.0, 1.0, 2.0, 10.0, 11.0, 12.0], 3, 2).copied().collect();
        assert_eq!(biases, [0.0, 10.0, 1.0, 11.0, 2.0, 12.0]);
    }
}
