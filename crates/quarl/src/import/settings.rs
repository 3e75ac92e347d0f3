//! The settings of an archive, as a configuration that continues the training.

use serde_json::Value;
use toml::Table;

use super::algorithm::Algorithm;
use super::zip::shown;
use crate::config::TrainConfig;
use crate::error::Error;
use crate::network::{Architecture, Head};

/// The configuration that continues the training, and the settings that are defaults.
pub(super) fn configuration(
    settings: &Value,
    algorithm: Algorithm,
    architecture: &Architecture,
    env: &str,
) -> Result<(TrainConfig, Vec<String>), Error> {
    let mut defaults = Vec::new();
    // NaN and infinity were read as null, so these numbers are finite.
    let number = |name: &str| settings[name].as_f64();
    let mut builder = TrainConfig::preset(algorithm.preset()).set("env.id", env);
    for (name, key, default) in algorithm.numbers() {
        let value = number(name).filter(|value| name != "gradient_steps" || *value >= 1.0);
        if value.is_none() {
            defaults.push(format!("{name} = {default}"));
        }
        builder = builder.set(key, value_of(value.unwrap_or(default)));
    }
    // QRDQN's null and DQN's infinity mean that gradients are not clipped.
    let clips = settings.get("max_grad_norm").is_none_or(|norm| !norm.is_null());
    if clips {
        let norm = number("max_grad_norm");
        if norm.is_none() {
            defaults.push("max_grad_norm = 10".to_owned());
        }
        builder = builder.set("optimizer.max_grad_norm", norm.unwrap_or(10.0));
    }
    for (key, value) in optimizer(&settings["policy_kwargs"], &mut defaults) {
        builder = builder.set(key, value);
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
            let (last, fraction) = if algorithm == Algorithm::Dqn { (0.05, 0.1) } else { (0.01, 0.005) };
            let ends = [("from", "exploration_initial_eps", 1.0), ("to", "exploration_final_eps", last)];
            let mut schedule = Table::from_iter([("kind".to_owned(), "linear".into())]);
            for (key, name, default) in ends.into_iter().chain([("fraction", "exploration_fraction", fraction)]) {
                schedule.insert(key.to_owned(), number(name).unwrap_or(default).into());
            }
            builder.set("exploration.epsilon", schedule)
        }
    };
    let hidden: Vec<i64> = architecture.hidden.iter().map(|units| *units as i64).collect();
    let activation = toml::Value::try_from(architecture.activation).expect("an activation function has a name");
    if let Head::Quantile { quantiles } = architecture.head {
        builder = builder.set("network.quantiles", quantiles as i64);
    }
    let mut config = builder.set("network.hidden", hidden).set("network.activation", activation).build()?;
    if !clips {
        config.optimizer.max_grad_norm = None;
    }
    Ok((config, defaults))
}

/// The settings of PyTorch's Adam, RMSprop and SGD in the arguments of a policy. What quarl does not have is added to `defaults`.
fn optimizer(arguments: &Value, defaults: &mut Vec<String>) -> Vec<(&'static str, toml::Value)> {
    const ADAM: &str = "torch.optim.adam.Adam";
    let class = arguments.get("optimizer_class").map_or(ADAM, |class| class_path(class.as_str().unwrap_or_default()));
    let (kind, known): (_, &[(&str, &str)]) = match class {
        ADAM => ("adam", &[("eps", "optimizer.eps")]),
        "torch.optim.rmsprop.RMSprop" => (
            "rmsprop",
            &[
                ("alpha", "optimizer.alpha"),
                ("eps", "optimizer.eps"),
                ("momentum", "optimizer.momentum"),
                ("centered", "optimizer.centered"),
            ],
        ),
        "torch.optim.sgd.SGD" => ("sgd", &[("momentum", "optimizer.momentum"), ("nesterov", "optimizer.nesterov")]),
        _ => {
            defaults.push("optimizer_class = Adam".to_owned());
            return Vec::new();
        }
    };
    let mut settings = vec![("optimizer.kind", kind.into())];
    for (name, value) in arguments["optimizer_kwargs"].as_object().into_iter().flatten() {
        let key = known.iter().find(|(known, _)| known == name).map(|(_, key)| *key);
        match (key, value, value.as_array().map(Vec::as_slice)) {
            (Some(key), Value::Number(number), _) => settings.extend(number.as_f64().map(|x| (key, x.into()))),
            (Some(key), Value::Bool(value), _) => settings.push((key, (*value).into())),
            (None, _, Some([beta1, beta2])) if (name.as_str(), kind) == ("betas", "adam") => {
                let betas = [("optimizer.beta1", beta1), ("optimizer.beta2", beta2)];
                settings.extend(betas.iter().filter_map(|(key, beta)| Some((*key, beta.as_f64()?.into()))));
            }
            _ => defaults.push(format!("no {} of the optimizer", shown(name))),
        }
    }
    settings
}

/// A whole number as an integer of TOML.
fn value_of(number: f64) -> toml::Value {
    if number.fract() == 0.0 && number.abs() < 1e15 { (number as i64).into() } else { number.into() }
}

/// The path of a class, such as `torch.optim.adam.Adam`, from the text `<class '..'>` that the archive holds for it; other text
/// unchanged.
pub(super) fn class_path(text: &str) -> &str {
    text.strip_prefix("<class '").and_then(|path| path.strip_suffix("'>")).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The settings of an archive with these entries.
    fn configured(algorithm: Algorithm, settings: &Value) -> (TrainConfig, Vec<String>) {
        let head = match algorithm {
            Algorithm::Dqn => Head::Scalar,
            Algorithm::QrDqn => Head::Quantile { quantiles: 7 },
        };
        let architecture = Architecture { head, ..Architecture::plain(4, &[16], 2) };
        let mut all = json!({
            "buffer_size": 1000, "learning_starts": 100, "batch_size": 32, "gamma": 0.99, "gradient_steps": 1,
            "learning_rate": 1e-3, "_total_timesteps": 1000, "num_timesteps": 1000, "exploration_rate": 0.05,
            "max_grad_norm": 10, "policy_kwargs": {},
        });
        settings.as_object().unwrap().iter().for_each(|(name, value)| all[name] = value.clone());
        configuration(&all, algorithm, &architecture, "CartPole-v1").unwrap()
    }

    #[test]
    fn optimizers_of_pytorch_are_those_of_the_configuration() {
        let with = |class: &str, arguments: Value| {
            let class = format!("<class 'torch.optim.{class}'>");
            configured(
                Algorithm::Dqn,
                &json!({ "policy_kwargs": { "optimizer_class": class, "optimizer_kwargs": arguments } }),
            )
        };
        let expected = |assignments: &[&str]| {
            TrainConfig::preset("dqn").set("optimizer.lr", 1e-3).assign_all(assignments).build().unwrap().optimizer
        };
        let (config, defaults) = with("adam.Adam", json!({ "eps": 1e-5, "betas": [0.8, 0.99] }));
        assert_eq!(config.optimizer, expected(&["optimizer.eps=1e-5", "optimizer.beta1=0.8", "optimizer.beta2=0.99"]));
        assert_eq!(defaults, ["train_freq = 4"]);
        let (config, _) = with("sgd.SGD", json!({ "momentum": 0.9, "nesterov": true }));
        assert_eq!(
            config.optimizer,
            expected(&["optimizer.kind=sgd", "optimizer.momentum=0.9", "optimizer.nesterov=true"])
        );
        let (config, _) = with("rmsprop.RMSprop", json!({ "alpha": 0.95, "eps": 0.01, "centered": true }));
        let rmsprop =
            ["optimizer.kind=rmsprop", "optimizer.alpha=0.95", "optimizer.eps=0.01", "optimizer.centered=true"];
        assert_eq!(config.optimizer, expected(&rmsprop));
        let (config, defaults) = with("adamw.AdamW", json!({ "weight_decay": 0.1 }));
        assert_eq!(config.optimizer, expected(&[]));
        assert_eq!(defaults, ["optimizer_class = Adam", "train_freq = 4"]);
        let (_, defaults) = with("adam.Adam", json!({ "weight_decay": 0.1 }));
        assert_eq!(defaults, ["no weight_decay of the optimizer", "train_freq = 4"]);
    }

    #[test]
    fn gradients_are_not_clipped_where_the_archive_has_no_finite_norm() {
        for algorithm in [Algorithm::Dqn, Algorithm::QrDqn] {
            let norm =
                |value: Value| configured(algorithm, &json!({ "max_grad_norm": value })).0.optimizer.max_grad_norm;
            assert_eq!(norm(json!(null)), None);
            assert_eq!(norm(json!(0.5)), Some(0.5));
        }
    }
}
