//! The reference: every key with type, default, range, unit, meaning, condition and papers, as its declaration says them.

use serde::Serialize;
use toml::Value;

pub use super::papers::Paper;

use super::document::capitalised;
use super::papers::PAPERS;
use super::settings::{Key, invalid, paragraphs, show};
use super::{TrainConfig, presets};
use crate::error::Error;
use crate::suggest;

/// A section and its keys.
#[derive(Clone, Debug, Serialize)]
pub struct SectionReference {
    /// Its name, such as `agent` or `env.gym`.
    pub section: &'static str,
    /// What it is about, in a sentence.
    pub meaning: String,
    /// More about it, a paragraph each.
    pub explanation: Vec<String>,
    /// Its keys.
    pub keys: Vec<KeyReference>,
}

/// One key.
#[derive(Clone, Debug, Serialize)]
pub struct KeyReference {
    /// Its name with its section: `agent.gamma`.
    pub key: String,
    /// What it means, in a sentence.
    pub meaning: String,
    /// More about it, such as when to raise or lower it; a paragraph each.
    pub explanation: Vec<String>,
    /// The type of its values: `number`.
    #[serde(rename = "type")]
    pub value_type: &'static str,
    /// The range of its numbers: `from 0 to 1`.
    pub range: Option<String>,
    /// The type with the range: `a number from 0 to 1`.
    pub expected: String,
    /// The texts that are allowed; empty where a value is no choice.
    pub choices: Vec<Choice>,
    /// What its values count: `environment steps`.
    pub unit: Option<&'static str>,
    /// The value where the key is absent, as TOML, where that does not depend on other keys.
    pub default: Option<String>,
    /// What happens where the key is absent, where [`KeyReference::default`] does not say: it follows from other keys, it must be
    /// given, or it is not set.
    pub without_default: Option<&'static str>,
    /// Its values in the presets, where they are not the default.
    pub presets: Vec<PresetValue>,
    /// When it applies: `replay.kind = "prioritized"`; always if absent.
    pub condition: Option<&'static str>,
    /// The key that can be given in its place, but not beside it.
    pub alternative: Option<String>,
    /// The papers that it cites.
    pub papers: Vec<Paper>,
    /// The page of the guide that explains it, without `.md`: `n_step` for `docs/guide/n_step.md`.
    pub guide: Option<&'static str>,
}

/// A text that a key accepts.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Choice {
    /// The text.
    pub value: &'static str,
    /// What it means, in a line.
    pub meaning: &'static str,
}

/// A value of a key, and the presets that have it.
#[derive(Clone, Debug, Serialize)]
pub struct PresetValue {
    /// The value as TOML.
    pub value: String,
    /// The names of the presets, for their own environment.
    pub presets: Vec<&'static str>,
}

/// What a name stands for.
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

/// The section or key of a name: `agent`, `agent.gamma`, or `gamma`, where only one section has such a key.
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
