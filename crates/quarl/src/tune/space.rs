//! Search spaces: the keys that a study varies and the values that it tries.
//!
//! ```toml
//! [space]
//! "optimizer.lr.from" = { low = 1e-4, high = 1e-2, log = true }
//! "agent.n_step" = { low = 1, high = 5 }
//! "network.layer_norm" = { choices = [true, false] }
//! ```
//!
//! A key of whole numbers is searched over whole numbers. One entry of a schedule has the schedule's key and its own name
//! (`optimizer.lr.from`, `exploration.epsilon.to`); the schedule's other entries stay those of the configuration.

use toml::{Table, Value};

use super::parameter::{Parameter, Values};
use crate::config::settings::{invalid, show};
use crate::config::{ConfigBuilder, Key, TrainConfig};
use crate::error::Error;
use crate::suggest;

/// The keys and sections that decide what is measured, and are therefore the same in all trials.
const FIXED: [&str; 7] = [
    "env.id",
    "env.max_episode_steps",
    "env.gym.",
    "training.seed",
    "training.steps",
    "training.episodes",
    "evaluation.",
];

/// An entry of a schedule, and whether it is a whole number.
type Entry = (&'static str, bool);

/// The entries of a schedule that can be searched.
const SCHEDULE_ENTRIES: [Entry; 5] =
    [("from", false), ("to", false), ("fraction", false), ("half_life", false), ("steps", true)];

/// The type name of keys with a schedule.
const SCHEDULE: &str = "number or schedule";

/// A search space.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    pub(super) parameters: Vec<Parameter>,
}

impl Space {
    /// Reads a space from TOML text, for the configuration that it varies; `origin`, such as a file name, is for error
    /// messages.
    ///
    /// # Errors
    /// [`Error::Config`] for text that is not TOML, a key that is unknown (with the nearest known one) or cannot be searched,
    /// a range without two ends, and values that the key does not allow.
    pub fn parse(origin: &str, text: &str, config: &TrainConfig) -> Result<Self, Error> {
        let located = |error: Error| match error {
            Error::Setting { .. } => Error::Config { origin: origin.to_owned(), message: error.to_string() },
            error => error,
        };
        let mut parameters = Vec::new();
        for (key, description) in entries(origin, text)? {
            parameters.push(read(&key, &description, config).map_err(located)?);
        }
        let space = Self { parameters };
        space.check_alternatives().map_err(located)?;
        Ok(space)
    }

    /// The parameters, in the order of the file.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The space without the parameters of this key, which keeps its value in the configuration.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.parameters
            .retain(|parameter| parameter.key != key && parent(&parameter.key).is_none_or(|(outer, _)| outer != key));
        self
    }

    /// The coordinates of a trial's values; see [`Values::coordinate`].
    pub(super) fn coordinates(&self, values: &Table) -> Vec<f64> {
        let coordinate =
            |parameter: &Parameter| values.get(&parameter.key).map_or(0.0, |value| parameter.values.coordinate(value));
        self.parameters.iter().map(coordinate).collect()
    }

    /// The space as TOML, in the form that [`Space::parse`] reads.
    pub fn to_toml(&self) -> String {
        let lines = self.parameters.iter().map(|Parameter { key, values }| format!("\"{key}\" = {values}\n"));
        format!("[space]\n{}", lines.collect::<String>())
    }

    /// The differences to another space: `agent.n_step is { low = 1, high = 5 } there and absent here`, where "there" is this
    /// space and "here" the other one.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let shown = |space: &Self, key: &str| {
            let found = space.parameters.iter().find(|parameter| parameter.key == key);
            found.map_or("absent".to_owned(), |parameter| parameter.values.to_string())
        };
        let keys = self.parameters.iter().chain(&other.parameters).map(|parameter| parameter.key.as_str());
        let mut differences: Vec<String> = Vec::new();
        for key in keys {
            let (there, here) = (shown(self, key), shown(other, key));
            let difference = format!("the space of {key} is {there} there and {here} here");
            if there != here && !differences.contains(&difference) {
                differences.push(difference);
            }
        }
        if differences.is_empty() && self != other {
            differences.push("the parameters of the space have another order".to_owned());
        }
        differences
    }

    /// The base configuration with a trial's values. Values of keys that do not apply to the trial, such as `replay.alpha`
    /// without prioritised replay, are left out.
    ///
    /// # Errors
    /// Those of [`ConfigBuilder::build`](crate::config::ConfigBuilder::build), for values that cannot be combined.
    pub(super) fn apply(&self, base: &TrainConfig, values: &Table) -> Result<TrainConfig, Error> {
        let settings = self.settings(base, values);
        let build = |chosen: &[&(Key, Value)]| {
            let builder = TrainConfig::builder().file("the study's configuration", &base.to_toml());
            let set = |builder: ConfigBuilder, (key, value): &&(Key, Value)| builder.set(&key.path(), value.clone());
            chosen.iter().fold(builder, set).build()
        };
        let unconditional: Vec<&(Key, Value)> = settings.iter().filter(|(key, _)| key.condition.is_none()).collect();
        // A kind may require keys that apply only to it: they decide whether the configuration is complete.
        let Ok(kinds) = build(&unconditional) else { return build(&settings.iter().collect::<Vec<_>>()) };
        build(&settings.iter().filter(|(key, _)| key.applies(&kinds)).collect::<Vec<_>>())
    }

    /// The settings of a trial: schedules are complete tables.
    fn settings(&self, base: &TrainConfig, values: &Table) -> Vec<(Key, Value)> {
        let mut settings: Vec<(Key, Value)> = Vec::new();
        for Parameter { key, .. } in &self.parameters {
            let Some(value) = values.get(key) else { continue };
            if let Some(known) = TrainConfig::key(key) {
                settings.push((known, value.clone()));
                continue;
            }
            let Some((outer, entry)) = parent(key) else { continue };
            if !settings.iter().any(|(key, _)| key.path() == outer)
                && let (Some(known), Some(schedule)) = (TrainConfig::key(outer), base.get(outer))
            {
                settings.push((known, schedule));
            }
            if let Some((_, Value::Table(schedule))) = settings.iter_mut().find(|(key, _)| key.path() == outer) {
                set_entry(schedule, entry, value.clone());
            }
        }
        settings
    }

    /// Refuses two parameters for the same value.
    fn check_alternatives(&self) -> Result<(), Error> {
        let keys = || self.parameters.iter().map(|parameter| parameter.key.as_str());
        for key in keys() {
            let other = match parent(key) {
                Some((outer, _)) if TrainConfig::key(key).is_none() && keys().any(|other| other == outer) => {
                    Some(outer.to_owned())
                }
                Some((outer, "fraction")) => Some(format!("{outer}.steps")),
                _ => None,
            };
            if let Some(other) = other.filter(|other| keys().any(|key| key == other)) {
                return Err(invalid(
                    key,
                    format!("{other} is in the space, too, and decides the same value: remove one"),
                ));
            }
        }
        Ok(())
    }
}

/// Replaces an entry of a schedule.
fn set_entry(schedule: &mut Table, entry: &str, value: Value) {
    let alternative = match entry {
        "fraction" => "steps",
        "steps" => "fraction",
        _ => "",
    };
    schedule.remove(alternative);
    schedule.insert(entry.to_owned(), value);
}

/// Splits a key into what is before its last dot and the name after it.
pub(super) fn parent(key: &str) -> Option<(&str, &str)> {
    key.rsplit_once('.')
}

/// The keys of `[space]` with their descriptions. `agent.n_step = ..` without quotes means the same as with quotes.
pub(super) fn entries(origin: &str, text: &str) -> Result<Vec<(String, Value)>, Error> {
    let refused = |message: String| Error::Config { origin: origin.to_owned(), message };
    let table = crate::config::parse_table(origin, text)?;
    if let Some(other) = table.keys().find(|key| *key != "space") {
        let remedy = "the only table of a space is [space]; write keys with their section, such as \"agent.gamma\"";
        return Err(refused(format!("{other}: {remedy}")));
    }
    let mut found = Vec::new();
    if let Some(Value::Table(space)) = table.get("space") {
        flatten("", space, &mut found);
    }
    match found.is_empty() {
        true => {
            let example = "[space] with keys such as \"agent.gamma\" = { low = 0.95, high = 0.999 }";
            Err(refused(format!("no parameters: write {example}")))
        }
        false => Ok(found),
    }
}

fn flatten(prefix: &str, table: &Table, found: &mut Vec<(String, Value)>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(inner) if !inner.is_empty() && inner.values().all(Value::is_table) => {
                flatten(&key, inner, found)
            }
            value => found.push((key, value.clone())),
        }
    }
}

/// Reads one parameter and checks that its key allows all of its values.
pub(super) fn read(path: &str, description: &Value, config: &TrainConfig) -> Result<Parameter, Error> {
    if FIXED.iter().any(|fixed| path == *fixed || (fixed.ends_with('.') && path.starts_with(fixed))) {
        let reason = "cannot be searched, because it decides what is measured: set it for the whole study";
        return Err(invalid(path, reason.to_owned()));
    }
    let (key, entry) = find(path, config)?;
    let whole = match entry {
        Some((_, whole)) => whole,
        None => key.value_type.name == "whole number",
    };
    let is_number = entry.is_some() || whole || ["number", SCHEDULE].contains(&key.value_type.name);
    let values = Values::read(path, description, is_number, whole)?;
    for value in values.extremes() {
        let value = match entry {
            None => value,
            Some((name, _)) => {
                let Some(Value::Table(mut schedule)) = config.get(&key.path()) else { continue };
                set_entry(&mut schedule, name, value);
                schedule.into()
            }
        };
        config.check_value(&key, value)?;
    }
    // A choice may be what makes the key of another parameter apply; what applies nowhere is known only when a trial starts.
    Ok(Parameter { key: path.to_owned(), values })
}

/// The key with this name; for an entry of a schedule the schedule's key, the entry's name, and whether it is a whole number.
fn find(path: &str, config: &TrainConfig) -> Result<(Key, Option<Entry>), Error> {
    if let Some(key) = TrainConfig::key(path) {
        return Ok((key, None));
    }
    let schedule = parent(path).and_then(|(outer, name)| Some((TrainConfig::key(outer)?, name)));
    let Some((key, name)) = schedule.filter(|(key, _)| key.value_type.name == SCHEDULE) else {
        let keys: Vec<String> = TrainConfig::keys().iter().map(Key::path).collect();
        let names: Vec<&str> = keys.iter().map(String::as_str).collect();
        let remedy = match suggest::nearest(path, &names)[..] {
            [] => "the reference of settings lists all keys".to_owned(),
            ref nearest => format!("did you mean {}?", nearest.join(" or ")),
        };
        return Err(invalid(path, format!("unknown key: {remedy}")));
    };
    let outer = key.path();
    let schedule = match config.get(&outer) {
        Some(Value::Table(schedule)) => schedule,
        value => {
            let value = value.map_or("not set".to_owned(), |value| show(&value));
            let message = format!(
                "{outer} is {value} in this configuration, not a schedule: search {outer} itself, or set a schedule"
            );
            return Err(invalid(path, message));
        }
    };
    let of_kind = |entry: &str| schedule.contains_key(entry) || (entry == "fraction" && schedule.contains_key("steps"));
    let entries: Vec<(&str, bool)> = SCHEDULE_ENTRIES.into_iter().filter(|(entry, _)| of_kind(entry)).collect();
    match entries.iter().find(|(entry, _)| *entry == name) {
        Some(entry) => Ok((key, Some(*entry))),
        None => {
            let names: Vec<&str> = entries.iter().map(|(entry, _)| *entry).collect();
            Err(invalid(path, format!("this schedule has no such number: {}", suggest::remedy(name, &names))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dqn() -> TrainConfig {
        TrainConfig::preset("dqn").build().unwrap()
    }

    fn refused(text: &str) -> String {
        Space::parse("space.toml", &format!("[space]\n{text}"), &dqn()).unwrap_err().to_string()
    }

    #[test]
    fn a_space_is_read_and_written() {
        let text = "[space]\n\"optimizer.lr.from\" = { low = 0.0001, high = 0.01, log = true }\n\"agent.batch_size\" = { \
                    choices = [32, 64] }\n\"agent.n_step\" = { low = 1, high = 5 }\n\"network.layer_norm\" = { choices = \
                    [true, false] }\n";
        let space = Space::parse("space.toml", text, &dqn()).unwrap();
        assert_eq!(space.to_toml(), text);
        assert_eq!(space.parameters()[2].values, Values::Integers { low: 1, high: 5, log: false });
        let unquoted = "[space]\nagent.n_step = { low = 1, high = 5 }\nagent.gamma = { low = 0.9, high = 1 }";
        let space = Space::parse("space.toml", unquoted, &dqn()).unwrap();
        let keys: Vec<&str> = space.parameters().iter().map(|parameter| parameter.key.as_str()).collect();
        assert_eq!(keys, ["agent.n_step", "agent.gamma"]);
    }

    #[test]
    fn what_cannot_be_searched_is_refused_with_the_key_and_a_remedy() {
        for (text, expected) in [
            (
                "\"agent.gama\" = { low = 0.9, high = 0.99 }",
                "space.toml: agent.gama: unknown key: did you mean agent.gamma?",
            ),
            ("\"agent.gamma\" = { low = 0.9, high = 1.5 }", "space.toml: agent.gamma: 1.5 is not a number from 0 to 1"),
            ("\"agent.gamma\" = { low = 0.99, high = 0.9 }", "low is 0.99 and high is 0.9: low has to be below high"),
            ("\"agent.gamma\" = { low = 0.9 }", "agent.gamma: expected"),
            ("\"agent.gamma\" = { low = 0.9, high = 0.99, lag = true }", "unknown entry lag: did you mean log?"),
            ("\"agent.gamma\" = 0.99", "agent.gamma: expected"),
            ("\"agent.n_step\" = { low = 1.5, high = 3 }", "agent.n_step: low is 1.5"),
            ("\"agent.n_step\" = { low = 0, high = 3 }", "agent.n_step: 0 is not a whole number"),
            ("\"optimizer.lr.from\" = { low = 0, high = 1, log = true }", "a logarithmic range needs low above 0"),
            ("\"agent.target\" = { choices = [\"max\", \"dubble\"] }", "agent.target"),
            ("\"agent.target\" = { choices = [] }", "agent.target: expected"),
            ("\"agent.target\" = { choices = [\"max\", \"max\"] }", "agent.target: \"max\" is given twice"),
            ("\"agent.target\" = { low = 1, high = 2 }", "agent.target: a range is for numbers"),
            ("\"training.seed\" = { low = 1, high = 2 }", "training.seed: cannot be searched"),
            ("\"env.id\" = { choices = [\"CartPole-v0\"] }", "env.id: cannot be searched"),
            ("\"evaluation.episodes\" = { low = 1, high = 2 }", "evaluation.episodes: cannot be searched"),
            ("\"optimizer.lr.form\" = { low = 1e-4, high = 1e-2 }", "did you mean from?"),
            (
                "\"optimizer.lr.half_life\" = { low = 1, high = 2 }",
                "optimizer.lr.half_life: this schedule has no such number",
            ),
            (
                "\"optimizer.lr\" = { low = 1e-4, high = 1e-2 }\n\"optimizer.lr.from\" = { low = 1e-4, high = 1e-2 }",
                "remove one",
            ),
            ("", "space.toml: no parameters"),
            ("\"a\" = ", "space.toml: not valid TOML in line 2"),
        ] {
            let message = refused(text);
            assert!(message.contains(expected), "{text}:\n{message}");
        }
        let message = Space::parse("space.toml", "[spaces]\n", &dqn()).unwrap_err().to_string();
        assert!(message.contains("the only table of a space is [space]"), "{message}");
        let textbook = TrainConfig::preset("textbook").build().unwrap();
        let message = Space::parse("f", "[space]\n\"exploration.epsilon.to\" = { low = 0, high = 1 }", &textbook);
        assert!(
            message
                .unwrap_err()
                .to_string()
                .contains("exploration.epsilon is 0.1 in this configuration, not a schedule")
        );
    }

    #[test]
    fn a_trials_values_change_the_configuration_and_the_rest_of_a_schedule_stays() {
        let text = "[space]\n\"exploration.epsilon.to\" = { low = 0.0, high = 0.2 }\n\"exploration.epsilon.fraction\" = { low \
                    = 0.1, high = 0.5 }\n\"replay.kind\" = { choices = [\"uniform\", \"prioritized\"] }\n\"replay.alpha\" = { \
                    low = 0.2, high = 0.8 }\n";
        let space = Space::parse("space.toml", text, &dqn()).unwrap();
        let values = |kind: &str| {
            let text = format!(
                "\"exploration.epsilon.to\" = 0.01\n\"exploration.epsilon.fraction\" = 0.2\n\"replay.kind\" = \"{kind}\"\n\
                 \"replay.alpha\" = 0.3\n"
            );
            text.parse::<Table>().unwrap()
        };
        let config = space.apply(&dqn(), &values("prioritized")).unwrap();
        assert_eq!(config.replay.alpha, 0.3);
        assert_eq!(
            show(&config.get("exploration.epsilon").unwrap()),
            "{ kind = \"linear\", from = 1.0, to = 0.01, steps = 10000 }"
        );
        let differences = dqn().differences(&space.apply(&dqn(), &values("uniform")).unwrap());
        assert!(differences.len() == 1 && differences[0].starts_with("exploration.epsilon is"), "{differences:?}");
    }
}
