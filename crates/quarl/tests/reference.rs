//! What the reference says of the configuration keys, and how a key is found.

use std::path::Path;

use quarl::config::reference::{self, Entry, KeyReference};
use quarl::config::{TrainConfig, presets};

fn keys() -> Vec<KeyReference> {
    reference::sections().into_iter().flat_map(|section| section.keys).collect()
}

fn key(name: &str) -> KeyReference {
    match reference::find(name).unwrap() {
        Entry::Key(key) => *key,
        Entry::Section(section) => panic!("{} is a section", section.section),
    }
}

fn message(name: &str) -> String {
    reference::find(name).unwrap_err().to_string()
}

#[test]
fn every_key_says_what_it_is_what_it_accepts_and_what_happens_without_it() {
    assert!(keys().len() > 70, "{}", keys().len());
    for key in keys() {
        assert!(key.meaning.ends_with('.') && !key.expected.is_empty(), "{key:?}");
        assert!(key.default.is_some() != key.without_default.is_some(), "{key:?}");
        assert_eq!(key.value_type == "choice", !key.choices.is_empty(), "{key:?}");
        assert!(key.choices.iter().all(|choice| !choice.meaning.is_empty() && choice.meaning.len() < 140), "{key:?}");
    }
}

/// A citation without a paper would be one that the reference does not link.
#[test]
fn every_citation_is_of_a_known_paper() {
    for key in keys() {
        let choices = key.choices.iter().map(|choice| choice.meaning.to_owned());
        let text = [key.meaning.clone()].into_iter().chain(key.explanation.clone()).chain(choices);
        let text = key.papers.iter().fold(text.collect::<Vec<_>>().join(" "), |text, paper| {
            assert!(paper.url.starts_with("http"), "{paper:?}");
            text.replace(paper.citation, "")
        });
        let years = (1980..2030).filter(|year| text.contains(&year.to_string())).collect::<Vec<_>>();
        assert!(years.is_empty() && !text.contains("et al"), "{}: {years:?} in {text}", key.key);
    }
}

#[test]
fn every_page_of_the_guide_that_a_key_names_exists() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide");
    for key in keys() {
        let page = key.guide.map(|page| guide.join(page).with_extension("md"));
        assert!(page.is_none_or(|page| page.is_file()), "{key:?}");
    }
}

/// A key in backticks is a link in the reference, and a word for a key that does not exist would not be noticed.
#[test]
fn every_key_that_an_explanation_names_exists() {
    let known: Vec<String> = keys().into_iter().map(|key| key.key).collect();
    let sections: Vec<_> = reference::sections().iter().map(|section| section.section).collect();
    for key in keys() {
        for paragraph in &key.explanation {
            for code in paragraph.split('`').skip(1).step_by(2) {
                let path = code.split([' ', '/']).next().unwrap();
                let is_path =
                    sections.iter().any(|section| path.strip_prefix(section).is_some_and(|rest| rest.starts_with('.')));
                assert!(!is_path || known.iter().any(|known| known == path), "{}: {code}", key.key);
            }
        }
    }
}

#[test]
fn a_key_is_found_by_its_path_or_by_a_name_that_only_one_section_has() {
    let gamma = key("agent.gamma");
    assert_eq!((gamma.meaning.as_str(), gamma.value_type), ("Discount factor.", "number"));
    assert_eq!(
        (gamma.expected.as_str(), gamma.without_default),
        ("a number from 0 to 1", Some("none; it must be given"))
    );
    for name in ["gamma", " gamma ", "agent.gamma"] {
        assert_eq!(key(name).key, "agent.gamma");
    }
    assert_eq!(
        (gamma.range.as_deref(), key("training.steps").range.as_deref()),
        (Some("from 0 to 1"), Some("at least 1"))
    );
    assert_eq!((key("timeout_seconds").unit, key("env.id").range), (Some("seconds"), None));
    assert!(matches!(reference::find("agent").unwrap(), Entry::Section(section) if section.keys.len() == 9));
    assert_eq!(reference::find("env.gym").unwrap().name(), "env.gym");
}

#[test]
fn an_unknown_or_ambiguous_name_is_answered_with_the_right_ones() {
    assert!(
        message("kind").ends_with("choose replay.kind or target_network.kind or exploration.kind or optimizer.kind")
    );
    assert_eq!(message("agent.gama"), "agent.gama: no key or section has this name: did you mean agent.gamma?");
    assert_eq!(message("gama"), "gama: no key or section has this name: did you mean agent.gamma?");
    assert!(message("agnet").ends_with("did you mean agent?"));
    assert!(message("xyz").contains("the sections are env, env.gym, network, "));
    assert!(message("").contains("the sections are"));
}

#[test]
fn a_default_that_follows_from_other_keys_is_said_in_words() {
    assert!(key("replay.beta").without_default.unwrap().contains("from 0.4 to 1 over `training.steps`"));
    assert!(key("network.v_min").without_default.unwrap().contains("agent.gamma"));
    assert_eq!(key("replay.alpha").default.as_deref(), Some("0.6"));
    assert_eq!(key("optimizer.max_grad_norm").without_default, Some("not set"));
    let tau = key("tau");
    assert_eq!((tau.condition, tau.default), (Some("target_network.kind = \"soft\""), None));
    assert_eq!(key("training.steps").alternative.as_deref(), Some("training.episodes"));
}

#[test]
fn the_values_in_the_presets_are_those_of_the_presets() {
    for value in &key("agent.gamma").presets {
        for preset in &value.presets {
            let gamma = TrainConfig::preset(preset).build().unwrap().agent.gamma;
            assert_eq!(value.value.parse::<f64>().unwrap(), gamma, "{preset}");
        }
    }
    let named: usize = key("agent.gamma").presets.iter().map(|value| value.presets.len()).sum();
    assert_eq!(named, presets::list().count());
    assert!(key("env.frame_stack").presets.is_empty(), "all have the default");
}
