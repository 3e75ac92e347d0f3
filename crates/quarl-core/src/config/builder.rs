//! Builds a configuration. Values are recorded, then merged and checked at the end, so their order does not matter.

use toml::{Table, Value};

use super::layers::{self, Layer};
use super::settings::show;
use super::values::number;
use super::{TrainConfig, presets};
use crate::error::Error;
use crate::suggest;

/// A builder of [`TrainConfig`]: a preset, a file that overrides it, and single keys that override both.
///
/// ```
/// use quarl::config::TrainConfig;
///
/// let config = TrainConfig::preset("dqn")
///     .set("env.id", "MountainCar-v0")
///     .set("replay.alpha", 0.5) // belongs to the kind that follows
///     .set("replay.kind", "prioritized")
///     .build()?;
/// assert_eq!(config.replay.alpha, 0.5);
/// # Ok::<(), quarl::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ConfigBuilder {
    preset: Option<String>,
    /// The text of a file, and its name for error messages.
    file: Option<(String, String)>,
    assigned: Vec<(String, Value)>,
    /// The first malformed assignment.
    error: Option<String>,
}

impl TrainConfig {
    /// Starts from a preset, with its settings for the environment that is set, or for the preset's own environment.
    pub fn preset(name: &str) -> ConfigBuilder {
        ConfigBuilder { preset: Some(name.to_owned()), ..ConfigBuilder::default() }
    }

    /// Starts from the default preset: `textbook` where no environment is set, `tuned` for an environment with settings of its
    /// own, `robust` for any other.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// Reads a complete configuration file, such as a run's `config.toml`; `origin` is its name for error messages.
    ///
    /// # Errors
    /// Those of [`ConfigBuilder::build`].
    pub fn from_toml(origin: &str, text: &str) -> Result<Self, Error> {
        Self::builder().file(origin, text).build().map_err(|error| {
            let message = match error {
                Error::MissingKeys { keys } => format!(
                    "{keys}: not given, and there is no default: the file is cut short, or is no complete configuration"
                ),
                // Two keys of the file that contradict each other.
                Error::Setting { .. } if !error.to_string().contains(origin) => error.to_string(),
                error => return error,
            };
            Error::Config { origin: origin.to_owned(), message }
        })
    }
}

impl ConfigBuilder {
    /// Overrides the preset with the text of a TOML file, which has to be complete without a preset. `origin` is the file's
    /// name for error messages.
    #[must_use]
    pub fn file(mut self, origin: &str, text: &str) -> Self {
        self.file = Some((text.to_owned(), origin.to_owned()));
        self
    }

    /// Sets a key, such as `agent.gamma`, overriding preset and file. [`ConfigBuilder::build`] refuses two different values
    /// of one key.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.assigned.push((key.trim().to_owned(), value.into()));
        self
    }

    /// [`ConfigBuilder::set`] from text: `agent.gamma=0.99`. The value is read as TOML; if it is not TOML, it is a string.
    #[must_use]
    pub fn assign(mut self, assignment: &str) -> Self {
        match assignment.split_once('=') {
            Some((key, value)) => self.set(key, layers::value(value.trim())),
            None => {
                self.error.get_or_insert_with(|| assignment.to_owned());
                self
            }
        }
    }

    /// [`ConfigBuilder::assign`] for each of several assignments.
    #[must_use]
    pub fn assign_all<T: AsRef<str>>(self, assignments: impl IntoIterator<Item = T>) -> Self {
        assignments.into_iter().fold(self, |builder, assignment| builder.assign(assignment.as_ref()))
    }

    /// The preset that the configuration starts from; none where a file without a preset has to be complete.
    pub fn preset_name(&self) -> Option<&str> {
        let env = self.assigned.iter().rev().find(|(key, _)| key == "env.id").and_then(|(_, id)| id.as_str());
        match (&self.preset, &self.file) {
            (Some(preset), _) => Some(preset),
            (None, None) => Some(presets::default_for(env)),
            (None, Some(_)) => None,
        }
    }

    /// Merges and checks everything, and returns the complete configuration.
    ///
    /// # Errors
    /// An error with the key that is unknown (and the nearest known one), missing, of the wrong type, out of range, or
    /// inconsistent with another key; with the file that is not TOML; or with the unknown preset.
    pub fn build(self) -> Result<TrainConfig, Error> {
        if let Some(assignment) = self.error {
            let message = "expected section.key=value, such as agent.gamma=0.99".to_owned();
            return Err(Error::Config { origin: assignment, message });
        }
        let base = self.preset_name().map(str::to_owned);
        let assigned = Layer::new(tables(&self.assigned)?, None)?;
        let file = self.file.map(|(text, origin)| Layer::parse(&text, Some(origin))).transpose()?;
        let env = assigned.get("env", "id").or_else(|| file.as_ref()?.get("env", "id")).and_then(Value::as_str);
        let base = base.map(|preset| presets::layer(&preset, env)).transpose()?;
        let layers: Vec<Layer> = base.into_iter().chain(file).chain([assigned]).collect();
        layers::merge(&layers)
    }
}

/// Converts single keys to tables, and refuses two different values of one key.
fn tables(assigned: &[(String, Value)]) -> Result<Table, Error> {
    let mut tables = Table::new();
    for (path, value) in assigned {
        let Some((section, key)) = split(path) else {
            return Err(Error::Setting { key: path.clone(), message: without_section(path) });
        };
        let section = tables.entry(section).or_insert_with(|| Table::new().into());
        let Value::Table(section) = section else { continue };
        if let Some(other) = section.insert(key.to_owned(), value.clone()).filter(|other| !are_equal(other, value)) {
            let message = format!("{} and {} are both given: remove one", show(&other), show(value));
            return Err(Error::Setting { key: path.clone(), message });
        }
    }
    Ok(tables)
}

/// Whether two values are equal, regardless of their notation: 1 and 1.0.
fn are_equal(one: &Value, other: &Value) -> bool {
    one == other || number(one).is_some_and(|one| number(other) == Some(one))
}

/// Splits a key's path into section, which may be nested (`env.gym`), and name.
fn split(path: &str) -> Option<(&str, &str)> {
    let sections = TrainConfig::sections();
    let mut nested = sections.iter().filter(|section| section.contains('.'));
    let (section, key) = match nested.find_map(|section| path.strip_prefix(section)?.strip_prefix('.')) {
        Some(key) => (&path[..path.len() - key.len() - 1], key),
        None => path.split_once('.')?,
    };
    (!section.is_empty() && !key.is_empty()).then_some((section, key))
}

fn without_section(name: &str) -> String {
    let keys = TrainConfig::keys();
    let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
    let nearest = suggest::nearest(name, &names);
    let paths: Vec<String> = keys.iter().filter(|key| nearest.contains(&key.name)).map(super::Key::path).collect();
    let suggestion = if paths.is_empty() { String::new() } else { format!("; did you mean {}?", paths.join(" or ")) };
    format!("expected section.key=value, such as agent.gamma=0.99{suggestion}")
}
