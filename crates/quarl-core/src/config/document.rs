//! The configuration as a TOML document: complete, with a format number, and optionally with a comment for each key.

use serde::{Serialize, Serializer};
use toml::{Table, Value};

use super::TrainConfig;
use super::settings::{Key, invalid, show};
use crate::error::Error;

/// The version of the format that is written. It includes the defaults of absent keys: changing a default, or the meaning
/// of a key, requires a new version, and older versions have to remain readable.
pub(super) const FORMAT: i64 = 2;

/// The top-level key of the format's version.
pub(super) const FORMAT_KEY: &str = "format";

/// Checks the format of a document.
pub(super) fn check_format(value: &Value) -> Result<i64, Error> {
    match value.as_integer() {
        Some(format) if (1..=FORMAT).contains(&format) => Ok(format),
        Some(newer) if newer > FORMAT => Err(invalid(
            FORMAT_KEY,
            format!("{newer} is newer than this version of quarl reads (up to {FORMAT}): install a newer version"),
        )),
        _ => Err(invalid(FORMAT_KEY, format!("{} is not a whole number from 1 to {FORMAT}", show(value)))),
    }
}

/// The keys that format 1 had in `[env]`, and their names in `[env.gym]`.
const MOVED_TO_GYM: [(&str, &str); 5] = [
    ("python", "python"),
    ("imports", "imports"),
    ("args", "kwargs"),
    ("timeout_seconds", "timeout_seconds"),
    ("environments_per_worker", "environments_per_worker"),
];

/// Converts the tables of a document from an older format to the current one. A document without a format number may have
/// any format.
pub(super) fn upgrade(table: &mut Table, format: Option<i64>) {
    let Some(Value::Table(env)) = table.get_mut("env").filter(|_| format != Some(FORMAT)) else { return };
    for (old, new) in MOVED_TO_GYM {
        let Some(value) = env.remove(old) else { continue };
        if let Value::Table(gym) = env.entry("gym").or_insert_with(|| Table::new().into()) {
            gym.entry(new).or_insert(value);
        }
    }
}

impl TrainConfig {
    /// The configuration as TOML: the format number, and every key that applies.
    pub fn to_toml(&self) -> String {
        self.document(|_| String::new(), &[])
    }

    /// [`TrainConfig::to_toml`] with a comment above each key: its meaning, type, range and unit.
    pub fn to_commented_toml(&self) -> String {
        self.to_template(&[])
    }

    /// [`TrainConfig::to_commented_toml`] of an incomplete configuration: the missing keys are comments with the reason.
    pub(super) fn to_template(&self, missing: &[(Key, Error)]) -> String {
        let described = |key: &Key| {
            let meaning = key.meaning();
            let unit = key.unit.filter(|unit| !meaning.contains(unit));
            let unit = unit.map_or(String::new(), |unit| format!(", in {unit}"));
            comment(&format!("{meaning} {}{unit}.", capitalised(&key.expected())))
        };
        comment("Version of the file's format.") + &self.document(described, missing)
    }

    fn document(&self, described: impl Fn(&Key) -> String, missing: &[(Key, Error)]) -> String {
        let mut text = format!("{FORMAT_KEY} = {FORMAT}\n");
        let mut section = "";
        for (key, value) in self.entries() {
            if key.section != section {
                section = key.section;
                text += &format!("\n[{section}]\n");
            }
            text += &described(&key);
            text += &match missing.iter().find(|(other, _)| other.path() == key.path()) {
                Some((_, Error::Setting { message, .. })) => {
                    comment(&format!("{}.", capitalised(message))) + &format!("# {} =\n", key.name)
                }
                Some(_) => format!("# {} =\n", key.name),
                None => format!("{} = {}\n", key.name, show(&value)),
            };
        }
        text
    }

    /// The keys that apply and have a value.
    fn entries(&self) -> Vec<(Key, Value)> {
        let keys = Self::keys().into_iter().zip(self.values());
        keys.filter(|(key, _)| key.applies(self)).filter_map(|(key, value)| Some((key, value?))).collect()
    }

    /// A table for each section; nested sections have their own entry.
    pub(super) fn to_tables(&self) -> Table {
        let mut tables = Table::new();
        for (key, value) in self.entries() {
            let section = tables.entry(key.section).or_insert_with(|| Table::new().into());
            if let Value::Table(section) = section {
                section.insert(key.name.to_owned(), value);
            }
        }
        tables
    }
}

impl Serialize for TrainConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut document = Table::from_iter([(FORMAT_KEY.to_owned(), Value::Integer(FORMAT))]);
        for (section, keys) in self.to_tables() {
            match section.split_once('.') {
                None => document.insert(section, keys),
                Some((outer, inner)) => match document.get_mut(outer) {
                    Some(Value::Table(outer)) => outer.insert(inner.to_owned(), keys),
                    _ => document.insert(outer.to_owned(), Table::from_iter([(inner.to_owned(), keys)]).into()),
                },
            };
        }
        document.serialize(serializer)
    }
}

pub(super) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// Text as comment lines of at most 100 characters.
fn comment(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > 100 {
            lines += &(line + "\n");
            line = String::from("#");
        }
        line += " ";
        line += word;
    }
    lines + &line + "\n"
}
