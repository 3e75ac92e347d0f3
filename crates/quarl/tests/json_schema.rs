//! The JSON Schema accepts the files that people and quarl write, and refuses wrong ones.
//!
//! A small validator of the keywords that the schema uses checks this in every test run. The test that is ignored by default
//! repeats it with Python's jsonschema, which also checks the schema itself against draft 2020-12.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use quarl::config::{TrainConfig, json_schema, presets};
use serde_json::{Value, json};

/// Every `.toml` file below a directory.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

fn parsed(toml: &str) -> Value {
    serde_json::to_value(toml.parse::<toml::Table>().unwrap()).unwrap()
}

/// Complete files, partial ones, and those that quarl writes.
fn right() -> Vec<Value> {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    // The search space of `quarl tune` is no configuration.
    let files = files_below(&configs).into_iter().filter(|path| !path.ends_with("space.toml"));
    let mut right: Vec<Value> = files.map(|path| parsed(&fs::read_to_string(path).unwrap())).collect();
    assert!(right.len() >= 17);
    for (preset, _) in presets::list() {
        right.push(parsed(&presets::text(preset, None).unwrap()));
        for switches in [
            &[
                "env.id=gym:CartPole-v1",
                "env.gym.imports=[\"a\"]",
                "network.head=scalar",
                "env.gym.kwargs={ speed = 2 }",
            ][..],
            &["replay.kind=prioritized", "optimizer.kind=rmsprop", "optimizer.max_grad_norm=1"],
            &["exploration.kind=softmax", "env.clip_reward=[-1, 1]", "env.max_episode_steps=100"],
            &[
                "exploration.epsilon={ kind = \"exponential\", from = 1.0, to = 0.1, half_life = 5 }",
                "exploration.kind=ez_greedy",
            ],
        ] {
            let config = TrainConfig::preset(preset).assign_all(switches).build().unwrap();
            right.extend([parsed(&config.to_toml()), parsed(&config.to_commented_toml()), json!(config)]);
        }
    }
    right.extend(
        ["", "format = 2", "[agent]\ngamma = 1", "[optimizer]\nlr = 0.001\n", "[network]\nhidden = []\n"].map(parsed),
    );
    right
}

/// Files with one mistake each.
fn wrong() -> Vec<(&'static str, Value)> {
    [
        "agents = {}",
        "agent = 3",
        "format = 1",
        "format = 3",
        "[agent]\ngama = 0.9",
        "[agent]\ngamma = 1.5",
        "[agent]\ngamma = -0.1",
        "[agent]\ngamma = \"high\"",
        "[agent]\nn_step = 1.5",
        "[agent]\nn_step = 0",
        "[agent]\ntarget = \"dubble\"",
        "[agent]\ntarget = 3",
        "[agent]\nmunchausen_floor = 0.5",
        "[env]\nid = 3",
        "[env]\nframe_stack = 1025",
        "[env]\nreward_scale = 0",
        "[env]\nreward_scale = 0.0",
        "[env]\nclip_reward = [1.0]",
        "[env]\nclip_reward = 1.0",
        "[env]\nmax_episode_steps = \"none\"",
        "[env]\nmax_episode_steps = 0",
        "[env]\nmax_episode_steps = 4294967296",
        "[env]\npython = \"python3\"",
        "[env.gym]\npyton = \"python3\"",
        "[env.gym]\nimports = [1]",
        "[env.gym]\nkwargs = 3",
        "[exploration]\nepsilon = 1.5",
        "[exploration]\nepsilon = \"linear\"",
        "[exploration]\nmu = 1.0",
        "[exploration]\nepsilon = { kind = \"linear\", from = 1.0, to = 0.1 }",
        "[exploration]\nepsilon = { kind = \"linear\", from = 2.0, to = 0.1, steps = 10 }",
        "[exploration]\nepsilon = { kind = \"linear\", from = 1.0, to = 0.1, steps = 10, fraction = 0.1 }",
        "[exploration]\nepsilon = { kind = \"linear\", from = 1.0, to = 0.1, fraction = 1.1 }",
        "[exploration]\nepsilon = { kind = \"linear\", from = 1.0, to = 0.1, half_life = 10 }",
        "[exploration]\nepsilon = { kind = \"cosine\", from = 1.0, to = 0.1, steps = 10 }",
        "[exploration]\nepsilon = { kind = \"exponential\", from = 1.0, to = 0.1, half_life = 0 }",
        "[exploration]\nepsilon = { from = 1.0, to = 0.1, steps = 10 }",
        "[network]\nhidden = 64",
        "[network]\nhidden = [64, 0]",
        "[network]\nhidden = [65537]",
        "[network]\ndueling = \"yes\"",
        "[network]\natoms = 1",
        "[optimizer]\nbeta2 = 1",
        "[optimizer]\nlr = -1e-3",
        "[optimizer]\nmax_grad_norm = 0",
        "[target_network]\ntau = 0",
        "[target_network]\ntau = 1.1",
        "[target_network]\nevery_steps = 5\nevery_episodes = 5",
        "[training]\nepisodes = 5\nsteps = 10",
        "[training]\nseed = -1",
        "[training]\ndiagnostics = 1",
    ]
    .map(|text| (text, parsed(text)))
    .into()
}

/// Whether a value satisfies a schema. It refuses keywords that it does not know.
fn is_valid(schema: &Value, value: &Value) -> bool {
    let every = |schemas: &Value, holds: &dyn Fn(&Value) -> bool| schemas.as_array().unwrap().iter().all(holds);
    let valid = |schemas: &Value| schemas.as_array().unwrap().iter().filter(|schema| is_valid(schema, value)).count();
    let number = |limit: &Value, holds: fn(f64, f64) -> bool| {
        value.as_f64().is_none_or(|number| holds(number, limit.as_f64().unwrap()))
    };
    let length = value.as_array().map(|items| items.len() as u64);
    schema.as_object().unwrap().iter().all(|(keyword, rule)| match keyword.as_str() {
        "$schema" | "title" | "description" | "default" => true,
        "type" => match rule.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "number" => value.is_number(),
            "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
            other => panic!("type {other}"),
        },
        "const" => value == rule || (value.is_number() && value.as_f64() == rule.as_f64()),
        "enum" => rule.as_array().unwrap().contains(value),
        "not" => !is_valid(rule, value),
        "anyOf" => valid(rule) > 0,
        "oneOf" => valid(rule) == 1,
        "allOf" => valid(rule) == rule.as_array().unwrap().len(),
        "required" => {
            value.as_object().is_none_or(|value| every(rule, &|name| value.contains_key(name.as_str().unwrap())))
        }
        "properties" => value.as_object().is_none_or(|value| {
            value.iter().all(|(name, value)| rule.get(name).is_none_or(|schema| is_valid(schema, value)))
        }),
        "additionalProperties" => value.as_object().is_none_or(|value| {
            assert_eq!(rule, false);
            value.keys().all(|name| schema["properties"].get(name).is_some())
        }),
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| is_valid(rule, item))),
        "minItems" => length.is_none_or(|length| length >= rule.as_u64().unwrap()),
        "maxItems" => length.is_none_or(|length| length <= rule.as_u64().unwrap()),
        "minimum" => number(rule, |number, limit| number >= limit),
        "maximum" => number(rule, |number, limit| number <= limit),
        "exclusiveMinimum" => number(rule, |number, limit| number > limit),
        "exclusiveMaximum" => number(rule, |number, limit| number < limit),
        other => panic!("keyword {other}"),
    })
}

#[test]
fn files_that_people_and_quarl_write_are_accepted() {
    let schema = json_schema();
    for value in right() {
        assert!(is_valid(&schema, &value), "{value:#}");
    }
}

#[test]
fn wrong_types_ranges_and_names_are_refused_as_training_refuses_them() {
    let schema = json_schema();
    for (text, value) in wrong() {
        assert!(!is_valid(&schema, &value), "{text}");
        // Format 1 is an older version of the file, which quarl still reads.
        let read = TrainConfig::preset("textbook").file("wrong.toml", text).build();
        assert!(read.is_err() || text == "format = 1", "{text}");
    }
}

#[test]
fn every_key_has_a_description_and_its_default_is_valid() {
    let schema = json_schema();
    let mut sections: Vec<&Value> = schema["properties"].as_object().unwrap().values().collect();
    sections.push(&schema["properties"]["env"]["properties"]["gym"]);
    let mut keys = 0;
    for section in sections.into_iter().filter_map(|section| section["properties"].as_object()) {
        for (name, key) in section {
            let description = key["description"].as_str().unwrap();
            assert!(!description.is_empty(), "{name}");
            if let Some(default) = key.get("default") {
                assert!(is_valid(key, default), "{name}: {default}");
            }
            keys += 1;
        }
    }
    assert!(keys > 70, "{keys}");
    let alpha = &schema["properties"]["replay"]["properties"]["alpha"];
    assert!(alpha["description"].as_str().unwrap().contains("Applies only with replay.kind = \"prioritized\"."));
    assert_eq!((&alpha["minimum"], &alpha["maximum"], &alpha["default"]), (&json!(0), &json!(1), &json!(0.6)));
}

#[test]
#[ignore = "needs Python's jsonschema; `cargo xtask test` installs it and runs this"]
fn pythons_jsonschema_agrees() {
    let python = std::env::var("QUARL_TEST_PYTHON").expect("cargo xtask test sets QUARL_TEST_PYTHON");
    let wrong: Vec<Value> = wrong().into_iter().map(|(_, value)| value).collect();
    let cases = json!({ "schema": json_schema(), "right": right(), "wrong": wrong });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/json_schema.py");
    let mut validator = Command::new(python).arg(script).stdin(Stdio::piped()).spawn().unwrap();
    validator.stdin.take().unwrap().write_all(cases.to_string().as_bytes()).unwrap();
    assert!(validator.wait().unwrap().success());
}
