//! The configuration as a document: complete, in a numbered format, for people with a comment at each key.

use serde::{Serialize, Serializer};
use toml::{Table, Value};

use super::TrainConfig;
use super::settings::{Key, invalid, show};
use crate::error::Error;

/// The version of the format that is written. The defaults of absent keys belong to it: whoever changes one, or what a key
/// means, raises it and keeps on reading the older formats.
pub const FORMAT: i64 = 1;

/// The top-level key that holds it.
pub(super) const FORMAT_KEY: &str = "format";

/// Checks the format of a document. A document without one is of format 1.
pub(super) fn check_format(value: &Value) -> Result<(), Error> {
    match value.as_integer() {
        Some(format) if (1..=FORMAT).contains(&format) => Ok(()),
        Some(newer) if newer > FORMAT => Err(invalid(
            FORMAT_KEY,
            format!("{newer} is newer than this version of quarl reads (up to {FORMAT}): install a newer version"),
        )),
        _ => Err(invalid(FORMAT_KEY, format!("{} is not a whole number from 1 to {FORMAT}", show(value)))),
    }
}

impl TrainConfig {
    /// The configuration as TOML: its format, and every key that applies.
    pub fn to_toml(&self) -> String {
        self.document(|_| String::new())
    }

    /// [`TrainConfig::to_toml`] with a comment above each key: what it means, and what it accepts.
    pub fn to_commented_toml(&self) -> String {
        self.document(|key| comment(&format!("{} {}.", key.meaning, capitalised(&key.expected))))
    }

    fn document(&self, comment: impl Fn(&Key) -> String) -> String {
        let mut text = format!("{FORMAT_KEY} = {FORMAT}\n");
        let mut section = "";
        for (key, value) in self.entries() {
            if key.section != section {
                section = key.section;
                text += &format!("\n[{section}]\n");
            }
            text += &format!("{}{} = {}\n", comment(&key), key.name, show(&value));
        }
        text
    }

    /// The keys that apply and have a value.
    fn entries(&self) -> Vec<(Key, Value)> {
        let keys = Self::keys().into_iter().zip(self.values());
        keys.filter(|(key, _)| key.applies(self)).filter_map(|(key, value)| Some((key, value?))).collect()
    }

    /// The configuration as tables, by section.
    pub(super) fn to_table(&self) -> Table {
        let mut table = Table::from_iter([(FORMAT_KEY.to_owned(), Value::Integer(FORMAT))]);
        for (key, value) in self.entries() {
            let section = table.entry(key.section).or_insert_with(|| Table::new().into());
            if let Value::Table(section) = section {
                section.insert(key.name.to_owned(), value);
            }
        }
        table
    }
}

impl Serialize for TrainConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_table().serialize(serializer)
    }
}

fn capitalised(text: &str) -> String {
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
