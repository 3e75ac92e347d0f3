//! The reference of all keys: type, default, range, unit, meaning, condition and papers, from the keys' declarations.

use serde::Serialize;
use toml::Value;

pub use super::papers::Paper;

use super::document::capitalised;
use super::errors::key_of_stable_baselines3;
use super::papers::PAPERS;
use super::settings::{Key, invalid, paragraphs, show};
use super::{TrainConfig, presets};
use crate::error::Error;
use crate::suggest;

/// A section and its keys.
#[derive(Clone, Debug, Serialize)]
pub struct SectionReference {
    /// The name, such as `agent` or `env.gym`.
    pub section: &'static str,
    /// A description in one sentence.
    pub meaning: String,
    /// Further paragraphs of the description.
    pub explanation: Vec<String>,
    /// The keys of the section.
    pub keys: Vec<KeyReference>,
}

/// The reference of one key.
#[derive(Clone, Debug, Serialize)]
pub struct KeyReference {
    /// The name with its section: `agent.gamma`.
    pub key: String,
    /// The meaning, in one sentence.
    pub meaning: String,
    /// Further paragraphs, such as when to raise or lower the value.
    pub explanation: Vec<String>,
    /// The type of the values: `number`.
    #[serde(rename = "type")]
    pub value_type: &'static str,
    /// The range of the numbers: `from 0 to 1`.
    pub range: Option<String>,
    /// The type with the range: `a number from 0 to 1`.
    pub expected: String,
    /// The allowed texts; empty where the value is not a choice.
    pub choices: Vec<Choice>,
    /// The unit of the values: `environment steps`.
    pub unit: Option<&'static str>,
    /// The default as TOML, if it does not depend on other keys.
    pub default: Option<String>,
    /// Describes the default where [`KeyReference::default`] is `None`: it depends on other keys, the key is required, or
    /// it is not set.
    pub without_default: Option<&'static str>,
    /// The values in the presets that differ from the default.
    pub presets: Vec<PresetValue>,
    /// The condition under which the key applies: `replay.kind = "prioritized"`; `None` if it always applies.
    pub condition: Option<&'static str>,
    /// An alternative key; only one of the two can be set.
    pub alternative: Option<String>,
    /// The cited papers.
    pub papers: Vec<Paper>,
    /// The page of the guide about it, without `.md`: `n_step` for `docs/guide/n_step.md`.
    pub guide: Option<&'static str>,
}

/// A text that a key accepts.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Choice {
    /// The text.
    pub value: &'static str,
    /// The meaning, in one line.
    pub meaning: &'static str,
}

/// A value of a key, and the presets that use it.
#[derive(Clone, Debug, Serialize)]
pub struct PresetValue {
    /// The value as TOML.
    pub value: String,
    /// The names of the presets, with their own environments.
    pub presets: Vec<&'static str>,
}

/// The section or key with a given name.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A section.
    Section(SectionReference),
    /// A key.
    Key(Box<KeyReference>),
}

impl Entry {
    /// The full name of the section or key: `agent.gamma`.
    pub fn name(&self) -> &str {
        match self {
            Self::Section(section) => section.section,
            Self::Key(key) => &key.key,
        }
    }
}

/// All sections.
pub fn sections() -> Vec<SectionReference> {
    let presets: Vec<_> = presets::list().map(|(name, _)| (name, values_of_preset(name))).collect();
    let keys: Vec<(usize, Key)> = TrainConfig::keys().into_iter().enumerate().collect();
    let of_section = |section: &str| {
        let keys = keys.iter().filter(|(_, key)| key.section == section);
        keys.map(|(index, key)| describe(key, &preset_values(&presets, *index, key))).collect()
    };
    let describe_section = |(section, doc): (&'static str, &[&str])| {
        let mut paragraphs = paragraphs(doc);
        let first = paragraphs.next().unwrap_or_default();
        let meaning = first.split_once(": ").map_or(first.as_str(), |(_, meaning)| meaning);
        SectionReference {
            section,
            meaning: capitalised(meaning),
            explanation: paragraphs.collect(),
            keys: of_section(section),
        }
    };
    TrainConfig::section_docs().into_iter().map(describe_section).collect()
}

/// Finds the section or key with a name: `agent`, `agent.gamma`, or `gamma` if only one section has such a key.
///
/// # Errors
/// [`Error::Setting`], with the nearest known names where there is none of this name, or with all where there are several.
pub fn find(name: &str) -> Result<Entry, Error> {
    let name = name.trim();
    let sections = sections();
    if let Some(section) = sections.iter().find(|section| section.section == name) {
        return Ok(Entry::Section(section.clone()));
    }
    let keys = || sections.iter().flat_map(|section| &section.keys);
    if let Some(key) = keys().find(|key| key.key == name) {
        return Ok(Entry::Key(Box::new(key.clone())));
    }
    let last = |path: &str| path.rsplit('.').next().map(str::to_owned).unwrap_or_default();
    match keys().filter(|key| last(&key.key) == name).collect::<Vec<_>>()[..] {
        [key] => Ok(Entry::Key(Box::new(key.clone()))),
        [] => {
            let known: Vec<(String, &str)> = sections
                .iter()
                .map(|section| (section.section.to_owned(), section.section))
                .chain(keys().map(|key| {
                    let shown = if name.contains('.') { key.key.clone() } else { last(&key.key) };
                    (shown, key.key.as_str())
                }))
                .collect();
            let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
            let nearest = suggest::nearest(name, &names);
            let paths: Vec<&str> =
                known.iter().filter(|(name, _)| nearest.contains(&name.as_str())).map(|(_, path)| *path).collect();
            let remedy = match paths[..] {
                _ if key_of_stable_baselines3(name).is_some() => {
                    format!("did you mean {}?", key_of_stable_baselines3(name).unwrap_or_default())
                }
                [] => format!("the sections are {}", TrainConfig::sections().join(", ")),
                _ => format!("did you mean {}?", paths.join(" or ")),
            };
            Err(invalid(name, format!("no key or section has this name: {remedy}")))
        }
        ref several => {
            let paths: Vec<&str> = several.iter().map(|key| key.key.as_str()).collect();
            Err(invalid(name, format!("several sections have this key: choose {}", paths.join(" or "))))
        }
    }
}

/// The values of a preset for its own environment, in the order of all keys; none where a key does not apply.
fn values_of_preset(name: &str) -> Vec<Option<Value>> {
    let Ok(config) = TrainConfig::preset(name).build() else { return Vec::new() };
    let values = TrainConfig::keys().into_iter().zip(config.values());
    values.map(|(key, value)| value.filter(|_| key.applies(&config))).collect()
}

/// The values of the key at this index, each with its presets; none where all presets have the default.
fn preset_values(presets: &[(&'static str, Vec<Option<Value>>)], index: usize, key: &Key) -> Vec<PresetValue> {
    let mut groups: Vec<PresetValue> = Vec::new();
    for (name, values) in presets {
        let Some(value) = values.get(index).cloned().flatten().map(|value| show(&value)) else { continue };
        match groups.iter_mut().find(|group| group.value == value) {
            Some(group) => group.presets.push(name),
            None => groups.push(PresetValue { value, presets: vec![name] }),
        }
    }
    let is_default = |group: &PresetValue| Some(&group.value) == key.default.as_ref();
    if groups.iter().all(is_default) { Vec::new() } else { groups }
}

fn describe(key: &Key, presets: &[PresetValue]) -> KeyReference {
    let mut doc = paragraphs(key.doc);
    let (meaning, explanation) = (doc.next().unwrap_or_default(), doc.collect::<Vec<_>>());
    let choices: Vec<Choice> =
        key.value_type.choices.iter().map(|(value, meaning)| Choice { value, meaning }).collect();
    let texts = [meaning.as_str()].into_iter().chain(explanation.iter().map(String::as_str));
    let text = texts.chain(choices.iter().map(|choice| choice.meaning)).collect::<Vec<_>>().join(" ");
    let without_default = key.default_in_words.or(match (&key.default, key.missing) {
        (Some(_), _) => None,
        (None, Some(_)) => Some("none; it must be given"),
        (None, None) => Some("not set"),
    });
    KeyReference {
        key: key.path(),
        meaning,
        explanation,
        value_type: key.value_type.name,
        range: Some(key.bounds.words().trim_start_matches(" of").trim().to_owned()).filter(|range| !range.is_empty()),
        expected: key.expected(),
        choices,
        unit: key.unit,
        default: key.default.clone(),
        without_default,
        presets: presets.to_vec(),
        condition: key.condition.map(|condition| condition.text).filter(|text| !text.is_empty()),
        alternative: key.alternative.map(|name| format!("{}.{name}", key.section)),
        papers: PAPERS.iter().filter(|paper| text.contains(paper.citation)).copied().collect(),
        guide: key.guide,
    }
}
