//! Configurations: all keys of one, or the keys in which several differ.

use maud::{Markup, html};
use quarl::config::TrainConfig;

/// Every key and value of a configuration.
pub(super) fn whole(config: &TrainConfig) -> Markup {
    html! {
        details {
            summary { "Configuration" }
            div .scroll tabindex="0" role="region" aria-label="Configuration" {
                table {
                    thead { tr { th scope="col" { "key" } th scope="col" { "value" } } }
                    tbody { @for (key, value) in values(config) { tr { th scope="row" { code { (key) } } td { code { (value) } } } } }
                }
            }
        }
    }
}

/// The keys in which configurations differ, one column for each configuration. Values that differ from those of the first
/// configuration are highlighted.
pub(super) fn differences(configs: &[(String, TrainConfig)]) -> Markup {
    let all: Vec<Vec<(String, String)>> = configs.iter().map(|(_, config)| values(config)).collect();
    let mut keys: Vec<&String> = all.iter().flatten().map(|(key, _)| key).collect();
    keys.sort();
    keys.dedup();
    let value = |i: usize, key: &String| all[i].iter().find(|(other, _)| other == key).map(|(_, value)| value.as_str());
    let differs = |key: &&String| (1..all.len()).any(|i| value(i, key) != value(0, key));
    let keys: Vec<&String> = keys.into_iter().filter(differs).filter(|key| *key != "training.seed").collect();
    if keys.is_empty() {
        return html! { p .note { "The configurations do not differ." } };
    }
    html! {
        div .scroll tabindex="0" role="region" aria-label="Differences between the configurations" {
            table .differences {
                caption { "Keys in which the configurations differ. Highlighted: values that differ from the first configuration." }
                thead { tr { th scope="col" { "configuration" } @for key in &keys { th scope="col" { code { (key) } } } } }
                tbody {
                    @for (i, (label, _)) in configs.iter().enumerate() {
                        tr {
                            th scope="row" { (label) }
                            @for key in &keys {
                                @let own = value(i, key);
                                td .changed[own != value(0, key)] { code { (own.unwrap_or("\u{2013}")) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Every key of a configuration with its value as TOML.
fn values(config: &TrainConfig) -> Vec<(String, String)> {
    config.settings().into_iter().map(|(key, value)| (key, value.to_string())).collect()
}
