//! Settings of the configuration. Each part of the library declares its settings once, with `settings!` (`declare.rs`):
//! key, type, default, range, unit, condition, and a doc comment. Reading, checking, writing, the comments of a printed
//! preset, the reference and the JSON Schema all derive from these declarations.

use toml::{Table, Value};

use super::TrainConfig;
use super::errors::not_given;
use crate::error::Error;

pub(crate) use super::declare::{choices, settings};
pub(crate) use super::errors::{check, not_expected, unknown_choice};
pub use super::errors::{invalid, show};
pub(crate) use super::range::{Bounds, above, above_to, at_least, at_most, from_to, from_to_below, not_zero};

/// A key of the configuration.
#[derive(Clone, Debug)]
pub struct Key {
    /// The section; `env.gym` is a section within `env`.
    pub section: &'static str,
    /// The name within the section.
    pub name: &'static str,
    /// The doc comment: the first paragraph defines the key, the others explain it.
    pub(crate) doc: &'static [&'static str],
    /// The type of the values.
    pub value_type: ValueType,
    /// The range of the values.
    pub(crate) bounds: Bounds,
    /// The unit of the values: `environment steps`.
    pub(crate) unit: Option<&'static str>,
    /// The default as TOML; `None` where the key is required, its default depends on other keys, or an absent key means
    /// "off".
    pub(crate) default: Option<String>,
    /// The default in words, where it depends on other keys.
    pub(crate) default_in_words: Option<&'static str>,
    /// The condition under which the key applies; `None` if it always applies.
    pub condition: Option<Condition>,
    /// An alternative key of the same section; only one of the two can be set.
    pub(crate) alternative: Option<&'static str>,
    /// The error for a missing required key; `None` if the key has a default.
    pub(crate) missing: Option<Missing>,
    /// The page of the guide about it, without `.md`.
    pub(crate) guide: Option<&'static str>,
}

/// Returns the error for a missing key, with advice on its value, from the key's path and the configuration without it.
/// `None` where the value is determined by that configuration.
pub(crate) type Missing = fn(&str, &TrainConfig) -> Option<Error>;

/// The type of a key's values, as text and for the JSON Schema.
#[derive(Clone, Copy, Debug)]
pub struct ValueType {
    /// The name: `number`.
    pub name: &'static str,
    /// The texts that are allowed, each with its meaning in one line; empty where a value is no choice.
    pub(crate) choices: &'static [(&'static str, &'static str)],
    /// What a value of a range must be, such as `a number from 0 to 1`.
    pub(crate) expected: fn(&Bounds) -> String,
    /// The JSON Schema of a value of a range.
    pub(crate) schema: fn(&Bounds) -> serde_json::Value,
}

/// The condition under which a key applies.
#[derive(Clone, Copy, Debug)]
pub struct Condition {
    /// The condition as text: `replay.kind = "prioritized"`.
    pub(crate) text: &'static str,
    /// Whether a configuration satisfies the condition.
    pub(crate) holds: fn(&TrainConfig) -> bool,
    /// The key that selects the kind, for a value that is meant for one kind only: if an upper layer selects another kind,
    /// the value is not inherited, even if the other kind has the same key.
    pub(crate) only_for: Option<&'static str>,
}

impl Condition {
    /// The condition of a key that applies always: for [`Condition::only_for`].
    pub(crate) const ALWAYS: Self = Self::new("", |_| true);

    pub(crate) const fn new(text: &'static str, holds: fn(&TrainConfig) -> bool) -> Self {
        Self { text, holds, only_for: None }
    }

    /// The same condition for values that are meant only for the kind that `key` selects.
    pub(crate) const fn only_for(self, key: &'static str) -> Self {
        Self { only_for: Some(key), ..self }
    }
}

impl Key {
    /// `section.name`
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// Whether the key has an effect in this configuration.
    pub fn applies(&self, config: &TrainConfig) -> bool {
        self.condition.is_none_or(|condition| (condition.holds)(config))
    }

    /// The meaning of the key, in a sentence.
    pub(crate) fn meaning(&self) -> String {
        paragraphs(self.doc).next().unwrap_or_default()
    }

    /// What a value must be, such as `a number from 0 to 1`.
    pub(crate) fn expected(&self) -> String {
        (self.value_type.expected)(&self.bounds)
    }
}

/// The paragraphs of a doc comment, each in one line.
pub(crate) fn paragraphs(doc: &[&str]) -> impl Iterator<Item = String> {
    doc.split(|line| line.trim().is_empty())
        .map(|lines| lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "))
        .filter(|paragraph| !paragraph.is_empty())
}

/// The default of a key, used where a table does not have the key.
pub(crate) enum KeyDefault<T> {
    /// No default: the key is required.
    Required,
    /// This value.
    Is(T),
    /// A value that depends on other keys, and its description.
    Follows(fn(&Context) -> T, &'static str),
    /// A value that depends on other keys, and its description. If it cannot be determined, the key is required, and the
    /// error advises on its value.
    Advised(fn(&Context) -> Option<T>, Missing, &'static str),
}

/// The merged tables of a configuration, one for each section; a section within another one has its own entry.
pub(crate) struct Context<'a>(pub(crate) &'a Table);

impl Context<'_> {
    /// The value of a key.
    pub(crate) fn get(&self, section: &str, key: &str) -> Option<&Value> {
        self.0.get(section)?.get(key)
    }

    /// The run's budget in environment steps, if it has one.
    pub(crate) fn budget(&self) -> Option<u64> {
        u64::try_from(self.get("training", "steps")?.as_integer()?).ok()
    }
}

/// A type of settings.
pub(crate) trait Setting: Default {
    /// The type's name for people: `number`.
    const NAME: &'static str;

    /// The texts that are allowed, each with its meaning in one line; empty where a value is no choice.
    const CHOICES: &'static [(&'static str, &'static str)] = &[];

    /// What a value must be, such as `a whole number of at least 1`.
    fn expected(bounds: &Bounds) -> String;

    /// The JSON Schema of a value.
    fn schema(bounds: &Bounds) -> serde_json::Value;

    /// Reads and checks the value of `key`.
    fn read(key: &str, value: &Value, bounds: &Bounds, context: &Context) -> Result<Self, Error>;

    /// The value in the form that [`Setting::read`] accepts; `None` where the key is left out.
    fn write(&self) -> Option<Value>;
}

/// A section of the configuration; [`settings!`] implements it.
pub(crate) trait Section: Sized {
    /// All keys.
    fn keys() -> Vec<Key>;

    /// This section and those within it: name, and doc comment.
    fn sections() -> Vec<(&'static str, &'static [&'static str])>;

    /// Reads the values of a table and checks each of them; absent keys get their defaults.
    fn read(context: &Context) -> Result<Self, Error>;

    /// The keys' values, in the order of [`Section::keys`].
    fn values(&self) -> Vec<Option<Value>>;
}

/// Consistency of a section's values with each other and with other sections.
pub(crate) trait Consistent {
    /// Returns an error for the first inconsistency, with the key and what to do.
    fn check(&self, config: &TrainConfig) -> Result<(), Error>;
}

/// The parts of a key's declaration besides its type and default.
pub(crate) struct Declaration {
    pub(crate) section: &'static str,
    pub(crate) name: &'static str,
    pub(crate) doc: &'static [&'static str],
    pub(crate) bounds: Bounds,
    pub(crate) unit: Option<&'static str>,
    pub(crate) alternative: Option<&'static str>,
    pub(crate) guide: Option<&'static str>,
    pub(crate) condition: Option<Condition>,
}

impl Declaration {
    /// The key of values of type `T`.
    pub(crate) fn key<T: Setting>(self, absent: KeyDefault<T>) -> Key {
        let Self { section, name, doc, bounds, unit, alternative, guide, condition } = self;
        let value_type = ValueType { name: T::NAME, choices: T::CHOICES, expected: T::expected, schema: T::schema };
        let default = if let KeyDefault::Is(value) = &absent { value.write().map(|value| show(&value)) } else { None };
        let (missing, default_in_words): (Option<Missing>, _) = match absent {
            KeyDefault::Required => (Some(not_given), None),
            KeyDefault::Is(_) => (None, None),
            KeyDefault::Follows(_, words) => (None, Some(words)),
            KeyDefault::Advised(_, missing, words) => (Some(missing), Some(words)),
        };
        Key {
            section,
            name,
            doc,
            value_type,
            bounds,
            unit,
            default,
            default_in_words,
            condition,
            alternative,
            missing,
            guide,
        }
    }
}

/// The value of a key: from the tables, checked, or its default.
pub(crate) fn read<T: Setting>(
    context: &Context,
    (section, name): (&str, &str),
    absent: KeyDefault<T>,
    bounds: Bounds,
) -> Result<T, Error> {
    match (context.get(section, name), absent) {
        (Some(value), _) => T::read(&format!("{section}.{name}"), value, &bounds, context),
        (None, KeyDefault::Required) => Ok(T::default()),
        (None, KeyDefault::Advised(value, ..)) => Ok(value(context).unwrap_or_default()),
        (None, KeyDefault::Is(value)) => Ok(value),
        (None, KeyDefault::Follows(value, _)) => Ok(value(context)),
    }
}
