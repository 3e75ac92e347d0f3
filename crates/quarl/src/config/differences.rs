//! What tells one configuration from another, key by key.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::TrainConfig;

/// The keys in which two configurations differ, each with both values: `agent.gamma is 0.98 there and 0.99 here`.
pub(crate) fn differences(there: &TrainConfig, here: &TrainConfig) -> Vec<String> {
    let [there, here] = [there, here].map(|config| Table::try_from(config).unwrap_or_default());
    let sections: BTreeSet<&String> = there.keys().chain(here.keys()).collect();
    let mut differences = Vec::new();
    for section in sections {
        let [there, here] = [&there, &here].map(|table| table.get(section).and_then(Value::as_table));
        let keys: BTreeSet<&String> = [there, here].into_iter().flatten().flat_map(Table::keys).collect();
        for key in keys {
            let [there, here] = [there, here].map(|table| table.and_then(|table| table.get(key)));
            if there != here {
                let [there, here] = [there, here].map(|value| value.map_or("absent".to_owned(), Value::to_string));
                differences.push(format!("{section}.{key} is {there} there and {here} here"));
            }
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::presets;

    #[test]
    fn each_key_that_differs_is_named_with_both_values() {
        let there = presets::config("textbook", None).unwrap();
        assert_eq!(differences(&there, &there.clone()), [""; 0]);
        let mut here = there.clone();
        here.agent.gamma = 0.5;
        here.env.frame_stack = Some(2);
        here.network.hidden = vec![7];
        assert_eq!(
            differences(&there, &here),
            [
                "agent.gamma is 0.98 there and 0.5 here",
                "env.frame_stack is absent there and 2 here",
                "network.hidden is [128, 128] there and [7] here",
            ]
        );
    }
}
