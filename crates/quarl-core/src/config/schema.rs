//! The JSON Schema of configuration files, for editors, derived from the declarations of the settings.

use serde_json::{Map, Value, json};

use super::document::{FORMAT, FORMAT_KEY, capitalised};
use super::reference::{self, KeyReference};
use super::settings::Key;
use super::{TrainConfig, layers};

/// The JSON Schema (draft 2020-12) of a configuration file, complete or partial: every key with its type, range and default, and
/// a description that says when it applies.
///
/// The schema cannot express constraints between keys; [`TrainConfig::from_toml`] checks them.
pub fn json_schema() -> Value {
    let keys = TrainConfig::keys();
    let mut properties = Map::new();
    properties
        .insert(FORMAT_KEY.to_owned(), json!({ "const": FORMAT, "description": "Version of the file's format." }));
    for section in reference::sections() {
        let described = keys.iter().filter(|key| key.section == section.section).zip(&section.keys);
        let alternatives: Vec<Value> = described
            .clone()
            .filter_map(|(key, _)| Some([key.name, key.alternative?]))
            .filter(|[one, other]| one < other)
            .map(|pair| json!({ "not": { "required": pair } }))
            .collect();
        let mut schema = json!({
            "type": "object",
            "description": paragraphs(&section.meaning, &section.explanation),
            "properties": described.map(|(key, entry)| (key.name.to_owned(), of_key(key, entry))).collect::<Map<_, _>>(),
            "additionalProperties": false,
        });
        if !alternatives.is_empty() {
            schema["allOf"] = alternatives.into();
        }
        match section.section.split_once('.') {
            None => drop(properties.insert(section.section.to_owned(), schema)),
            Some((outer, inner)) => properties[outer]["properties"][inner] = schema,
        }
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "quarl configuration",
        "description": "The configuration of a quarl training run. A file may set some of the keys; a preset gives the others.",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

fn of_key(key: &Key, entry: &KeyReference) -> Value {
    let mut schema = (key.value_type.schema)(&key.bounds);
    schema["description"] = description(entry).into();
    if let Some(default) = key.default.as_deref().map(layers::value) {
        schema["default"] = json!(default);
    }
    schema
}

fn paragraphs(meaning: &str, explanation: &[String]) -> String {
    let all: Vec<&str> = [meaning].into_iter().chain(explanation.iter().map(String::as_str)).collect();
    all.join("\n\n")
}

fn description(entry: &KeyReference) -> String {
    let mut text = paragraphs(&entry.meaning, &entry.explanation);
    let unit = entry.unit.map_or(String::new(), |unit| format!(", in {unit}"));
    text += &format!("\n\n{}{unit}.", capitalised(&entry.expected));
    for choice in &entry.choices {
        text += &format!("\n- {}: {}", choice.value, choice.meaning);
    }
    let default = entry.default.as_deref().or(entry.without_default).unwrap_or_default();
    text += &format!("\n\nDefault: {default}.");
    if let Some(condition) = entry.condition {
        text += &format!("\n\nApplies only with {condition}.");
    }
    if let Some(alternative) = &entry.alternative {
        text += &format!("\n\nSet either this or {alternative}, not both.");
    }
    text
}
