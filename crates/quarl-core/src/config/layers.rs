//! Merges the layers of a configuration: a preset, a file that overrides it, single keys that override both.
//!
//! A layer has a table for each section that it sets keys of; `env.gym` has its own table. Within a layer, inconsistent
//! keys are refused whatever their order: two alternatives (`training.episodes` and `training.steps`), or a key that does
//! not belong to the layer's kind. A key of an upper layer replaces the lower layers' key and its alternative. If an upper
//! layer selects another kind, the lower layers' keys of the old kind are removed; if it names another environment, the
//! keys that belong to the old environment.

use toml::{Table, Value};

use super::TrainConfig;
use super::document::{FORMAT_KEY, check_format, upgrade};
use super::errors::key_of_stable_baselines3;
use super::settings::{Context, Key, invalid};
use crate::agent::config::imply_soft;
use crate::error::Error;
use crate::suggest;

/// A layer of a configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    table: Table,
    /// The file that it was read from, for error messages.
    origin: Option<String>,
    /// Whether keys that do not apply are ignored: complete configurations from before the format number have keys of every
    /// kind.
    is_lenient: bool,
}

impl Layer {
    /// Creates a layer from tables, and refuses unknown keys. A layer with an origin is a document, which may have an older
    /// format.
    pub(super) fn new(mut table: Table, origin: Option<String>) -> Result<Self, Error> {
        let located = |error: Error| locate(error, origin.as_deref());
        let format = table.remove(FORMAT_KEY);
        let version = format.as_ref().map(check_format).transpose().map_err(located)?;
        let sections = TrainConfig::sections();
        // Documents from before the format number had neither sections within others nor checkpoints.
        let is_newer = |section: &str| section.contains('.') || section == "checkpoint";
        let is_complete = sections.iter().all(|section| is_newer(section) || table.contains_key(*section));
        if origin.is_some() {
            upgrade(&mut table, version);
        }
        split_sections(&mut table, &sections);
        imply_soft(&mut table);
        let keys = TrainConfig::keys();
        for (section, value) in &table {
            check_section(&keys, section, value).map_err(located)?;
        }
        let layer = Self { table, origin, is_lenient: format.is_none() && is_complete };
        layer.check_alternatives(&keys).map_err(|error| layer.locate(error))?;
        Ok(layer)
    }

    /// A layer read from TOML text.
    pub(super) fn parse(text: &str, origin: Option<String>) -> Result<Self, Error> {
        let table = parse(origin.as_deref().unwrap_or("configuration"), text)?;
        Self::new(table, origin)
    }

    pub(super) fn get(&self, section: &str, key: &str) -> Option<&Value> {
        self.table.get(section)?.get(key)
    }

    fn check_alternatives(&self, keys: &[Key]) -> Result<(), Error> {
        for key in keys {
            let Some(other) = key.alternative else { continue };
            if self.get(key.section, key.name).is_some() && self.get(key.section, other).is_some() {
                let (path, other) = (key.path(), format!("{}.{other}", key.section));
                return Err(invalid(
                    &path,
                    format!("{other} is given, too, and only one of the two can be: remove one"),
                ));
            }
        }
        Ok(())
    }

    fn locate(&self, error: Error) -> Error {
        locate(error, self.origin.as_deref())
    }
}

/// Prefixes an error about a key with the name of the file.
fn locate(error: Error, origin: Option<&str>) -> Error {
    match (origin, error) {
        (Some(origin), error @ Error::Setting { .. }) => {
            Error::Config { origin: origin.to_owned(), message: error.to_string() }
        }
        (_, error) => error,
    }
}

/// Moves nested sections (`env.gym`) to the top level.
fn split_sections(table: &mut Table, sections: &[&str]) {
    for section in sections {
        let Some((outer, inner)) = section.split_once('.') else { continue };
        let Some(Value::Table(keys)) = table.get_mut(outer) else { continue };
        let Some(value) = keys.remove(inner) else { continue };
        if keys.is_empty() {
            table.remove(outer);
        }
        table.insert((*section).to_owned(), value);
    }
}

/// Checks that a section exists, is a table, and has only known keys.
fn check_section(keys: &[Key], section: &str, value: &Value) -> Result<(), Error> {
    let sections = TrainConfig::sections();
    if !sections.contains(&section) {
        let remedy = suggest::remedy(section, &sections);
        return Err(invalid(&format!("[{section}]"), format!("unknown section: {remedy}")));
    }
    let Value::Table(given) = value else {
        return Err(invalid(section, format!("this is a section: write [{section}], then its keys")));
    };
    for name in given.keys() {
        let known: Vec<&str> = keys.iter().filter(|key| key.section == section).map(|key| key.name).collect();
        if !known.contains(&name.as_str()) {
            let elsewhere = keys.iter().find(|key| key.name == name && key.section.starts_with(section));
            let elsewhere = elsewhere.map(Key::path).or_else(|| key_of_stable_baselines3(name).map(str::to_owned));
            let remedy = match elsewhere {
                Some(path) => format!("did you mean {path}?"),
                None => suggest::remedy(name, &known),
            };
            return Err(invalid(&format!("{section}.{name}"), format!("unknown key: {remedy}")));
        }
    }
    Ok(())
}

/// Merges the layers; later ones override earlier ones.
pub(super) fn merge(layers: &[Layer]) -> Result<TrainConfig, Error> {
    let keys = TrainConfig::keys();
    let mut merged = overlaid(&keys, layers);
    let config = read(&merged).map_err(|error| locate_in(layers, error))?;
    for key in keys.iter().filter(|key| !key.applies(&config)) {
        let Some(level) = layers.iter().rposition(|layer| layer.get(key.section, key.name).is_some()) else { continue };
        let Some(Value::Table(section)) = merged.get_mut(key.section) else { continue };
        if section.remove(key.name).is_none() {
            continue;
        }
        // The key may belong to a kind that an upper layer has replaced.
        let was_in_place = || {
            let below = read(&overlaid(&keys, &layers[..=level]));
            level + 1 < layers.len() && below.is_ok_and(|config| key.applies(&config))
        };
        if !layers[level].is_lenient && !was_in_place() {
            return Err(layers[level].locate(misplaced(key)));
        }
    }
    read_complete(&merged).map_err(|error| match &error {
        // The value belonged to another environment or kind and was removed.
        Error::Setting { key, .. } if !has(&merged, key) => error,
        _ => locate_in(layers, error),
    })
}

/// Whether a table has this key.
fn has(table: &Table, path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(section, name)| Context(table).get(section, name).is_some())
}

fn misplaced(key: &Key) -> Error {
    let condition = key.condition.map_or("", |condition| condition.text);
    invalid(&key.path(), format!("applies only where {condition}: set that, or remove {}", key.path()))
}

pub(super) fn read(table: &Table) -> Result<TrainConfig, Error> {
    TrainConfig::read(&Context(table))
}

/// Reads a complete configuration from a table: every required key is present, and all values are consistent.
pub(super) fn read_complete(table: &Table) -> Result<TrainConfig, Error> {
    let config = read(table)?;
    let (mut names, mut advice): (Vec<String>, Option<Error>) = (Vec::new(), None);
    for (key, error) in missing(table, &config) {
        if !matches!(error, Error::MissingKeys { .. }) {
            advice.get_or_insert(error);
            continue;
        }
        let whole_section = !table.contains_key(key.section);
        let name = if whole_section { format!("[{}]", key.section) } else { key.path() };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    match (names.is_empty(), advice) {
        // Advice refers to other keys, which have to be present.
        (false, _) => Err(Error::MissingKeys { keys: names.join(", ") }),
        (true, Some(advice)) => Err(advice),
        (true, None) => config.check().map(|()| config),
    }
}

/// The required keys that are missing from a table, each with its error.
fn missing(table: &Table, config: &TrainConfig) -> Vec<(Key, Error)> {
    let context = Context(table);
    let absent = |key: &Key| key.applies(config) && context.get(key.section, key.name).is_none();
    let keys = TrainConfig::keys().into_iter().filter(absent);
    keys.filter_map(|key| (key.missing?)(&key.path(), config).map(|error| (key, error))).collect()
}

/// The configuration of a layer that may be incomplete, and its missing keys, each with its error.
pub(super) fn read_incomplete(layer: &Layer) -> Result<(TrainConfig, Vec<(Key, Error)>), Error> {
    let config = read(&layer.table)?;
    let missing = missing(&layer.table, &config);
    Ok((config, missing))
}

/// The keys of all layers; upper ones replace lower ones and their alternatives.
fn overlaid(keys: &[Key], layers: &[Layer]) -> Table {
    let mut merged = Table::new();
    for layer in layers {
        lay_over(&mut merged, &layer.table, keys);
    }
    merged
}

fn lay_over(lower: &mut Table, upper: &Table, keys: &[Key]) {
    remove_keys_of_another_kind(lower, upper, keys);
    for (section, value) in upper {
        let (Some(Value::Table(below)), Value::Table(above)) = (lower.get_mut(section), value) else {
            lower.insert(section.clone(), value.clone());
            continue;
        };
        for key in keys.iter().filter(|key| key.section == section && above.contains_key(key.name)) {
            if let Some(other) = key.alternative {
                below.remove(other);
            }
        }
        below.extend(above.clone());
    }
}

/// If `upper` selects another kind than `lower`, removes the keys that are meant for the old kind.
fn remove_keys_of_another_kind(lower: &mut Table, upper: &Table, keys: &[Key]) {
    for key in keys {
        let Some(choice) = key.condition.and_then(|condition| condition.only_for) else { continue };
        let said =
            |layer: &Table| choice.rsplit_once('.').and_then(|(section, name)| layer.get(section)?.get(name)).cloned();
        let default = || keys.iter().find(|key| key.path() == choice)?.default.as_deref().map(value);
        let is_other = match (said(upper), said(lower).or_else(default)) {
            (Some(chosen), Some(below)) => chosen != below,
            _ => false,
        };
        if let (true, Some(Value::Table(section))) = (is_other, lower.get_mut(key.section)) {
            section.remove(key.name);
        }
    }
}

/// Prefixes an error about a key with the name of the file that set the key.
fn locate_in(layers: &[Layer], error: Error) -> Error {
    let Error::Setting { key: path, .. } = &error else { return error };
    // The path may continue within the key's value, as in `exploration.epsilon.from`.
    let is_of = |key: &Key| path.strip_prefix(&key.path()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let Some(key) = TrainConfig::keys().into_iter().find(is_of) else { return error };
    match layers.iter().rev().find(|layer| layer.get(key.section, key.name).is_some()) {
        Some(layer) => layer.locate(error),
        None => error,
    }
}

/// The largest size of a configuration in bytes; those that quarl writes have less than a hundredth.
const MOST_BYTES: usize = 1 << 20;

/// Reads a table from TOML text; `origin` (such as a file name) is for error messages.
///
/// # Errors
/// [`Error::Config`] where the text is not TOML, or longer than a configuration can be.
pub fn parse(origin: &str, text: &str) -> Result<Table, Error> {
    // Parsing takes many times the memory of the text.
    if text.len() > MOST_BYTES {
        let message = format!("it has {} bytes; a configuration has at most {MOST_BYTES}", text.len());
        return Err(Error::Config { origin: origin.to_owned(), message });
    }
    text.parse::<Table>().map_err(|error| {
        let place = error.span().map_or(String::new(), |span| {
            format!(" in line {}", text[..span.start.min(text.len())].matches('\n').count() + 1)
        });
        let reason = match error.message() {
            reason if reason.contains("number") => "a number is not valid, or has too many digits",
            reason => reason,
        };
        Error::Config { origin: origin.to_owned(), message: format!("not valid TOML{place}: {reason}") }
    })
}

/// Reads the value of `key=value`: TOML, or a string if it is not TOML.
pub fn value(text: &str) -> Value {
    format!("value = {text}")
        .parse::<Table>()
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}
