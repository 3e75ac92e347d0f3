//! `quarl config explain`: explains a key or a section in the terminal.

use anyhow::Result;
use quarl::config::presets;
use quarl::config::reference::{self, Entry, KeyReference, PresetValue, SectionReference};

use crate::args::ExplainArgs;
use crate::output;

/// The width of text outside a terminal, and the maximum width in a terminal.
const WIDTH: usize = 100;

/// The width of the column of labels.
const LABELS: usize = 10;

pub(super) fn run(args: &ExplainArgs) -> Result<()> {
    match (reference::find(&args.key)?, args.json) {
        (Entry::Key(key), true) => output::json(&key),
        (Entry::Section(section), true) => section.keys.iter().for_each(output::json),
        (Entry::Key(key), false) => output::text(of_key(&key)),
        (Entry::Section(section), false) => output::text(of_section(&section)),
    }
    Ok(())
}

fn of_section(section: &SectionReference) -> String {
    let mut text = wrapped(&format!("[{}]  {}", section.section, section.meaning), 0);
    for paragraph in &section.explanation {
        text += &format!("\n{}", wrapped(paragraph, 0));
    }
    text += "\n";
    let width = section.keys.iter().map(|key| key.key.len()).max().unwrap_or(0) + 2;
    for key in &section.keys {
        text += &labelled(&key.key, &key.meaning, width);
    }
    text
}

fn of_key(key: &KeyReference) -> String {
    let mut text = wrapped(&format!("{}  {}", key.key, key.meaning), 0);
    for paragraph in &key.explanation {
        text += &format!("\n{}", wrapped(paragraph, 0));
    }
    text += "\n";
    let mut line = |label: &str, value: &str| text += &labelled(label, value, LABELS);
    match &key.choices[..] {
        [] => line("type", key.value_type),
        choices => {
            for (index, choice) in choices.iter().enumerate() {
                let label = if index == 0 { "one of" } else { "" };
                line(label, &format!("{}: {}", choice.value, choice.meaning));
            }
        }
    }
    if let Some(range) = &key.range {
        line("range", range);
    }
    if let Some(unit) = key.unit {
        line("unit", unit);
    }
    line("default", default(key));
    if !key.presets.is_empty() {
        line("presets", &presets(key, str::to_owned));
    }
    if let Some(condition) = key.condition {
        line("applies", &format!("only where {condition}"));
    }
    if let Some(alternative) = &key.alternative {
        line("or", &format!("{alternative}: one of the two, not both"));
    }
    for paper in &key.papers {
        line("paper", &format!("{}, {}, {}", paper.citation, paper.title, paper.url));
    }
    if let Some(page) = key.guide {
        line("guide", &format!("docs/guide/{page}.md"));
    }
    if let Some(value) = key.presets.first().map(|preset| &preset.value).or(key.default.as_ref()) {
        line("set it", &format!("--set {}", assignment(&key.key, value)));
    }
    text
}

/// The default in words.
pub(super) fn default(key: &KeyReference) -> &str {
    key.default.as_deref().or(key.without_default).unwrap_or_default()
}

/// The values in the presets as text, each value formatted by `code`: `0.98 (textbook), 0.99 (the others)`.
pub(super) fn presets(key: &KeyReference, code: impl Fn(&str) -> String) -> String {
    let all = presets::list().count();
    let given: usize = key.presets.iter().map(|value| value.presets.len()).sum();
    let is_most = |value: &&PresetValue| given == all && value.presets.len() * 2 > all;
    let (most, named): (Vec<_>, Vec<_>) = key.presets.iter().partition(is_most);
    let others = if named.is_empty() { "all presets" } else { "the others" };
    let named = named.into_iter().map(|value| (value, value.presets.join(", ")));
    let values = named.chain(most.into_iter().map(|value| (value, others.to_owned())));
    values.map(|(value, names)| format!("{} ({names})", code(&value.value))).collect::<Vec<_>>().join(", ")
}

/// `key=value`, quoted for a shell.
fn assignment(key: &str, value: &str) -> String {
    let text = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte));
    if is_plain { format!("{key}={text}") } else { format!("'{key}={value}'") }
}

/// A label and a text that is wrapped in its own column.
fn labelled(label: &str, text: &str, width: usize) -> String {
    let wrapped = wrapped(text, width);
    format!("{label:<width$}{}", wrapped.trim_start())
}

/// Text wrapped to the terminal's width, each line indented by `indent` columns.
fn wrapped(text: &str, indent: usize) -> String {
    let terminal = terminal_size::terminal_size().map_or(WIDTH, |(width, _)| usize::from(width.0));
    let width = terminal.clamp(40, WIDTH);
    let (mut lines, mut line) = (String::new(), " ".repeat(indent));
    for word in text.split(' ') {
        let is_first = line.len() == indent;
        if !is_first && line.chars().count() + 1 + word.chars().count() > width {
            lines += &format!("{}\n", line.trim_end());
            line = " ".repeat(indent) + word;
        } else {
            line += &format!("{}{word}", if is_first { "" } else { " " });
        }
    }
    lines + line.trim_end() + "\n"
}
