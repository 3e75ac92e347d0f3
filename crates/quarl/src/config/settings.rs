//! What a setting is. Each part of the library lists its settings once, with [`settings!`](super::declare): key, type, default,
//! range, unit, condition, and a doc comment. Reading, checking, writing, the comments of a printed preset, the reference and
//! the JSON Schema all follow from that list.

use toml::{Table, Value};

use super::TrainConfig;
use super::errors::not_given;
use crate::error::Error;

pub(crate) use super::declare::{choices, settings};
pub(crate) use super::errors::{check, invalid, not_expected, show, unknown_choice};
pub(crate) use super::range::{Bounds, above, above_to, at_least, at_most, from_to, from_to_below, not_zero};

/// One key of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// Its section; `env.gym` is a section within `env`.
    pub(crate) section: &'static str,
    /// Its name in the section.
    pub(crate) name: &'static str,
    /// Its doc comment: the first paragraph says what it means, the others explain.
    pub(crate) doc: &'static [&'static str],
    /// The type of its values.
    pub(crate) value_type: ValueType,
    /// The range of its values.
    pub(crate) bounds: Bounds,
    /// What its values count: `environment steps`.
    pub(crate) unit: Option<&'static str>,
    /// The value where the key is absent, as TOML; none where it must be given, follows from other keys, or means "off".
    pub(crate) default: Option<String>,
    /// The default in words, where it follows from other keys.
    pub(crate) default_in_words: Option<&'static str>,
    /// When it applies; always if absent.
    pub(crate) condition: Option<Condition>,
    /// The key of the same section that can stand in its place, but not beside it.
    pub(crate) alternative: Option<&'static str>,
    /// The error where it applies, has no default, and is not given; none if it has a default.
    pub(crate) missing: Option<Missing>,
    /// The page of the guide that explains it, without `.md`.
    pub(crate) guide: Option<&'static str>,
}

/// Says that a key is missing, and how to choose its value: from the key's path and the configuration without it. None where
/// the value follows from that configuration.
pub(crate) type Missing = fn(&str, &TrainConfig) -> Option<Error>;

/// The type of a key's values, for people and for the JSON Schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ValueType {
    /// Its name: `number`.
    pub(crate) name: &'static str,
    /// The texts that are allowed, each with its meaning in one line; empty where a value is no choice.
    pub(crate) choices: &'static [(&'static str, &'static str)],
    /// What a value of a range must be, such as `a number from 0 to 1`.
    pub(crate) expected: fn(&Bounds) -> String,
    /// The JSON Schema of a value of a range.
    pub(crate) schema: fn(&Bounds) -> serde_json::Value,
}

/// When a key applies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Condition {
    /// The condition as a user would write it: `replay.kind = "prioritized"`.
    pub(crate) text: &'static str,
    /// Whether a configuration satisfies it.
    pub(crate) holds: fn(&TrainConfig) -> bool,
    /// The key that chooses the kind, where a value is meant for one kind only: an upper layer that chooses another kind
    /// does not inherit it, even though that kind has the key, too.
    pub(crate) only_for: Option<&'static str>,
}

impl Condition {
    /// The condition of a key that applies always: for [`Condition::only_for`].
    pub(crate) const ALWAYS: Self = Self::new("", |_| true);

    pub(crate) const fn new(text: &'static str, holds: fn(&TrainConfig) -> bool) -> Self {
        Self { text, holds, only_for: None }
    }

    /// For values that are meant for the kind that `key` chooses.
    pub(crate) const fn only_for(self, key: &'static str) -> Self {
        Self { only_for: Some(key), ..self }
    }
}

impl Key {
    /// `section.name`
    pub(crate) fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// Whether it has an effect in this configuration.
    pub(crate) fn applies(&self, config: &TrainConfig) -> bool {
        self.condition.is_none_or(|condition| (condition.holds)(config))
    }

    /// What it means, in a sentence.
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

/// The value of a key that a table does not have.
pub(crate) enum Absent<T> {
    /// There is none: the key must be given.
    Required,
    /// This one.
    Is(T),
    /// It follows from other keys, which the words say.
    Follows(fn(&Context) -> T, &'static str),
    /// It follows from other keys, which the words say, or else the key must be given, and the error advises on its value.
    Advised(fn(&Context) -> Option<T>, Missing, &'static str),
}

/// The merged tables that a configuration is read from, one for each section; a section within another one stands beside it.
pub(crate) struct Context<'a>(pub(crate) &'a Table);

impl Context<'_> {
    /// The value of a key.
    pub(crate) fn get(&self, section: &str, key: &str) -> Option<&Value> {
        self.0.get(section)?.get(key)
    }

    /// The run's length in environment steps, where that is its budget.
    pub(crate) fn budget(&self) -> Option<u64> {
        u64::try_from(self.get("training", "steps")?.as_integer()?).ok()
    }
}

/// A type that a setting can have.
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

    /// The value as [`Setting::read`] takes it; none where the key is left out.
    fn write(&self) -> Option<Value>;
}

/// A section of the configuration; [`settings!`] implements it.
pub(crate) trait Section: Sized {
    /// All keys.
    fn keys() -> Vec<Key>;

    /// This section and those within it: name, and doc comment.
    fn sections() -> Vec<(&'static str, &'static [&'static str])>;

    /// The values of a table, each checked by itself; keys that are absent get their defaults.
    fn read(context: &Context) -> Result<Self, Error>;

    /// The keys' values, in the order of [`Section::keys`].
    fn values(&self) -> Vec<Option<Value>>;
}

/// What has to be true of a section's values together, and beside those of other sections.
pub(crate) trait Consistent {
    /// The first contradiction, naming the key and what to do.
    fn check(&self, config: &TrainConfig) -> Result<(), Error>;
}

/// What a declaration says of a key besides its type and default.
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
    pub(crate) fn key<T: Setting>(self, absent: Absent<T>) -> Key {
        let Self { section, name, doc, bounds, unit, alternative, guide, condition } = self;
        let value_type = ValueType { name: T::NAME, choices: T::CHOICES, expected: T::expected, schema: T::schema };
        let default = if let Absent::Is(value) = &absent { value.write().map(|value| show(&value)) } else { None };
        let (missing, default_in_words): (Option<Missing>, _) = match absent {
            Absent::Required => (Some(not_given), None),
            Absent::Is(_) => (None, None),
            Absent::Follows(_, words) => (None, Some(words)),
            Absent::Advised(_, missing, words) => (Some(missing), Some(words)),
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

/// The value of a key: what the tables say, checked, or else its default.
pub(crate) fn read<T: Setting>(
    context: &Context,
    (section, name): (&str, &str),
    absent: Absent<T>,
    bounds: Bounds,
) -> Result<T, Error> {
    match (context.get(section, name), absent) {
        (Some(value), _) => T::read(&format!("{section}.{name}"), value, &bounds, context),
        (None, Absent::Required) => Ok(T::default()),
        (None, Absent::Advised(value, ..)) => Ok(value(context).unwrap_or_default()),
        (None, Absent::Is(value)) => Ok(value),
        (None, Absent::Follows(value, _)) => Ok(value(context)),
    }
}
