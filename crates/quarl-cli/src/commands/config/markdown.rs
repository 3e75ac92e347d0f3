//! The reference of all configuration keys as Markdown: docs/reference.md.

use quarl::config::reference::{self, KeyReference, SectionReference};

use super::explain::{default, presets};

/// The text before the keys.
const HEAD: &str = include_str!("reference_head.md");

pub(super) fn reference() -> String {
    let sections = reference::sections();
    let mut text = HEAD.to_owned() + "\n## Contents\n\n";
    for section in &sections {
        let keys: Vec<String> =
            section.keys.iter().map(|key| format!("[{}]({})", name(key), anchor(&key.key))).collect();
        text += &format!("- [`[{}]`]({}): {}\n", section.section, anchor(section.section), keys.join(", "));
    }
    text + &sections.iter().map(of_section).collect::<String>()
}

fn of_section(section: &SectionReference) -> String {
    let mut text = format!("\n## `[{}]`\n\n{}\n", section.section, linked(&section.meaning));
    for paragraph in &section.explanation {
        text += &format!("\n{}\n", linked(paragraph));
    }
    text + &section.keys.iter().map(of_key).collect::<String>()
}

fn of_key(key: &KeyReference) -> String {
    let mut text = format!("\n### `{}`\n\n{}\n", key.key, linked(&key.meaning));
    for paragraph in &key.explanation {
        text += &format!("\n{}\n", linked(paragraph));
    }
    text += "\n";
    let mut item = |label: &str, value: &str| text += &format!("- {label}: {value}\n");
    match &key.choices[..] {
        [] => item("Type", &key.value_type.replace("schedule", "[schedule](#schedules)")),
        choices => {
            let lines =
                choices.iter().map(|choice| format!("\n  - `\"{}\"`: {}", choice.value, linked(choice.meaning)));
            item("One of", &lines.collect::<String>());
        }
    }
    if let Some(range) = &key.range {
        item("Range", range);
    }
    if let Some(unit) = key.unit {
        item("Unit", unit);
    }
    match &key.default {
        Some(value) => item("Default", &format!("`{value}`")),
        None => item("Default", &linked(default(key))),
    }
    if !key.presets.is_empty() {
        item("In the presets", &presets(key, |value| format!("`{value}`")));
    }
    if let Some(condition) = key.condition {
        item("Applies only with", &format!("`{condition}`").replace(" or ", "` or `"));
    }
    if let Some(alternative) = &key.alternative {
        item("Alternative", &format!("{} (one of the two, not both)", linked(&format!("`{alternative}`"))));
    }
    let papers: Vec<String> =
        key.papers.iter().map(|paper| format!("[{}]({}), *{}*", paper.citation, paper.url, paper.title)).collect();
    match papers.len() {
        0 => {}
        1 => item("Paper", &papers[0]),
        _ => item("Papers", &papers.iter().map(|paper| format!("\n  - {paper}")).collect::<String>()),
    }
    if let Some(page) = key.guide {
        item("Guide", &format!("[{page}](guide/{page}.md)"));
    }
    text.replace(": \n", ":\n")
}

/// The key's name without its section.
fn name(key: &KeyReference) -> &str {
    key.key.rsplit('.').next().unwrap_or_default()
}

/// The link to a key's or section's heading, as GitHub and mdBook name it.
fn anchor(path: &str) -> String {
    format!("#{}", path.replace('.', ""))
}

/// Text with a link at each key in backticks, such as `agent.gamma` or `agent.n_step = 1`.
fn linked(text: &str) -> String {
    let keys: Vec<String> =
        reference::sections().into_iter().flat_map(|section| section.keys).map(|key| key.key).collect();
    let mut linked = String::new();
    for (index, part) in text.split('`').enumerate() {
        let is_code = index % 2 == 1;
        linked += &match is_code {
            false => part.to_owned(),
            true => {
                let path = part.split(' ').next().unwrap_or_default();
                let is_key = keys.iter().any(|key| key == path);
                if is_key { format!("[`{part}`]({})", anchor(path)) } else { format!("`{part}`") }
            }
        };
    }
    linked
}
