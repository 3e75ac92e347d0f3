//! `quarl config`, `quarl completions`, `quarl man`, and the pages in docs that are made of them.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{directory, fail, quarl, read, succeed};

fn docs(page: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page)).unwrap_or_default()
}

/// The page equals what the command prints; Git may have given it other line ends.
fn assert_current(page: &str, arguments: &[&str]) {
    let is_current = docs(page).replace("\r\n", "\n") == succeed(&directory(), arguments);
    assert!(is_current, "docs/{page} is not up to date: run `cargo xtask reference` and commit what it writes");
}

#[test]
fn the_reference_of_the_keys_is_up_to_date() {
    assert_current("reference.md", &["config", "reference"]);
}

#[test]
fn the_reference_of_the_commands_is_up_to_date() {
    assert_current("command-reference.md", &["man", "--markdown"]);
}

/// Every link within the reference leads to a heading, which GitHub and mdBook name alike.
#[test]
fn links_within_the_references_lead_to_headings() {
    for page in ["reference.md", "command-reference.md"] {
        let text = docs(page);
        let anchors: Vec<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix('#'))
            .map(|heading| heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"))
            .map(|heading| heading.replace(|c: char| !c.is_alphanumeric() && c != '-' && c != '_', ""))
            .collect();
        let links: Vec<&str> = text.split("](#").skip(1).filter_map(|rest| rest.split(')').next()).collect();
        assert!(links.len() > 10, "{page}");
        for link in links {
            assert_eq!(anchors.iter().filter(|anchor| *anchor == link).count(), 1, "{page}: {link}");
        }
    }
}

#[test]
fn explain_describes_a_key_and_a_section() {
    let here = directory();
    let gamma = succeed(&here, &["config", "explain", "agent.gamma"]);
    for part in ["agent.gamma  Discount factor.", "from 0 to 1", "0.98 (textbook)", "--set agent.gamma=0.98"] {
        assert!(gamma.contains(part), "{part}: {gamma}");
    }
    assert_eq!(succeed(&here, &["config", "explain", "gamma"]), gamma);
    assert!(gamma.lines().all(|line| line.chars().count() <= 100), "{gamma}");
    let agent = succeed(&here, &["config", "explain", "agent"]);
    assert!(agent.starts_with("[agent]  ") && agent.contains("\nagent.gamma "), "{agent}");
    let target = succeed(&here, &["config", "explain", "agent.target"]);
    assert!(target.contains("double: Double DQN: ") && target.contains("https://arxiv.org/abs/1509.06461"), "{target}");
}

#[test]
fn what_explain_offers_to_set_can_be_set() {
    let here = directory();
    for key in ["agent.gamma", "network.hidden", "env.id", "optimizer.lr", "env.gym.timeout_seconds"] {
        let text = succeed(&here, &["config", "explain", key]);
        let assignment = text.rsplit_once("--set ").unwrap().1.trim().trim_matches('\'');
        let gym = if key.starts_with("env.gym") { "gym:CartPole-v1" } else { "CartPole-v0" };
        fs::write(here.path().join("empty.toml"), "").unwrap();
        let refused = ["train", "--preset", "textbook", "--set", assignment, "--set", "training.steps=0"];
        let with_env = [&refused[..], if key == "env.id" { &[] } else { std::slice::from_ref(&gym) }].concat();
        assert!(fail(&here, &with_env, 2).starts_with("error: training.steps: 0 "), "{assignment}");
    }
}

#[test]
fn explain_answers_an_unknown_or_ambiguous_name_with_the_right_ones() {
    let here = directory();
    for (name, expected) in [
        ("agent.gama", "did you mean agent.gamma?"),
        ("gama", "did you mean agent.gamma?"),
        ("kind", "choose replay.kind or target_network.kind or exploration.kind or optimizer.kind"),
        ("xyz", "the sections are env, env.gym, network"),
        ("", "the sections are"),
    ] {
        let message = fail(&here, &["config", "explain", name], 2);
        assert!(message.contains(expected), "{name}: {message}");
    }
    assert!(fail(&here, &["config", "explain", "agent.gama", "--json"], 2).contains("did you mean agent.gamma?"));
}

#[test]
fn json_of_explain_is_one_key_a_line() {
    let here = directory();
    let keys = |name: &str| -> Vec<serde_json::Value> {
        let text = succeed(&here, &["config", "explain", name, "--json"]);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let alpha = &keys("replay.alpha")[0];
    assert_eq!(
        (&alpha["key"], &alpha["type"], &alpha["default"]),
        (&"replay.alpha".into(), &"number".into(), &"0.6".into())
    );
    assert_eq!(alpha["papers"][0]["citation"], "Schaul et al. 2016");
    assert_eq!(keys("agent").len(), 9);
}

#[test]
fn the_schema_is_json() {
    let schema = succeed(&directory(), &["config", "schema"]);
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["properties"]["agent"]["properties"]["gamma"]["maximum"], 1);
}

#[test]
fn check_says_whether_a_file_can_be_trained_from() {
    let here = directory();
    let write = |name: &str, text: &str| fs::write(here.path().join(name), text).unwrap();
    write("part.toml", "[agent]\ngamma = 0.9\n");
    write("wrong.toml", "[agent]\ngamma = 1.9\n");
    write("unknown.toml", "[agent]\ngama = 0.9\n");
    write("broken.toml", "[agent\n");
    write("complete.toml", &succeed(&here, &["presets", "dqn"]));
    assert_eq!(
        succeed(&here, &["config", "check", "complete.toml"]),
        "complete.toml: a complete configuration for CartPole-v1\n"
    );
    let of_preset = succeed(&here, &["config", "check", "part.toml", "--preset", "textbook"]);
    assert_eq!(of_preset, "part.toml: a complete configuration for CartPole-v0\n");
    for (arguments, expected) in [
        (&["part.toml"][..], "part.toml: missing keys: [env], "),
        (&["part.toml", "--preset", "textbok"], "did you mean textbook?"),
        (&["wrong.toml", "--preset", "dqn"], "wrong.toml: agent.gamma: 1.9 is not a number from 0 to 1"),
        (&["unknown.toml", "--preset", "dqn"], "unknown.toml: agent.gama: unknown key: did you mean gamma?"),
        (&["broken.toml"], "broken.toml: not valid TOML in line 1"),
        (&["missing.toml"], "cannot read missing.toml"),
        (&["."], "this is a directory"),
    ] {
        let message = fail(&here, &[&["config", "check"], arguments].concat(), 2);
        assert!(message.contains(expected), "{message}");
    }
    assert!(!here.path().join("runs").exists());
}

#[test]
fn an_error_about_a_key_names_the_command_that_explains_it() {
    let here = directory();
    fs::write(here.path().join("wrong.toml"), "[exploration]\nepsilon = 2\n").unwrap();
    for (arguments, hint) in [
        (&["--set", "agent.gamma=2"][..], "quarl config explain agent.gamma` describes the key"),
        (&["--set", "agent.gama=0.9"], "quarl config explain agent` lists the keys"),
        (&["--set", "gamma=0.9"], "quarl config explain agent.gamma"),
        (&["--set", "exploration.epsilon={ kind = \"linear\" }"], "quarl config explain exploration.epsilon"),
        (&["--config", "wrong.toml", "--preset", "dqn"], "quarl config explain exploration.epsilon"),
    ] {
        let message = fail(&here, &[&["train"], arguments].concat(), 2);
        assert!(
            message.lines().nth(1).is_some_and(|line| line.starts_with("hint: ") && line.contains(hint)),
            "{message}"
        );
    }
    assert!(!fail(&here, &["train", "--set", "agnet.gamma=1"], 2).contains("hint"));
}

#[test]
fn printed_presets_and_a_runs_configuration_have_a_comment_for_every_key() {
    let here = directory();
    succeed(&here, &["train", "--episodes", "1", "--set", "evaluation.episodes=1", "--quiet", "--out", "run"]);
    let gym = succeed(&here, &["presets", "rainbow", "gym:CartPole-v1"]);
    for text in [read(&here, "run/config.toml"), succeed(&here, &["presets", "textbook"]), gym] {
        let lines: Vec<&str> = text.lines().collect();
        let keys = (1..lines.len()).filter(|line| lines[*line].contains(" = ") && !lines[*line].starts_with('#'));
        for line in keys {
            assert!(lines[line - 1].starts_with("# "), "{}", lines[line]);
        }
        assert!(lines.iter().filter(|line| line.starts_with('#')).all(|line| line.len() <= 120), "{text}");
    }
}

/// Runs a shell with a script; none where this machine does not have the shell.
fn shell(name: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(name).args(arguments).output().ok()?;
    assert!(output.status.success() && output.stderr.is_empty(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn completions_are_printed_for_every_shell() {
    let here = directory();
    // The generators for these complete commands and options.
    for name in ["powershell", "elvish"] {
        assert!(succeed(&here, &["completions", name]).contains("--preset"), "{name}");
    }
    for name in ["bash", "zsh", "fish"] {
        let script = succeed(&here, &["completions", name]);
        for word in ["MountainCar-v0", "munchausen", "agent.gamma=", "target_network.tau"] {
            assert!(script.contains(word), "{name}: {word}");
        }
    }
    quarl(&here, &["completions", "tcsh"]).assert().code(2);
}

#[test]
fn bash_completes_commands_presets_environments_and_keys() {
    let here = directory();
    fs::write(here.path().join("quarl.bash"), succeed(&here, &["completions", "bash"])).unwrap();
    let script = here.path().join("quarl.bash");
    let complete = |words: &[&str]| {
        let (current, previous) = (words[words.len() - 1], words[words.len() - 2]);
        let program = format!(
            "compopt() {{ :; }}; source '{}'; COMP_WORDS=({}); COMP_CWORD={}; _quarl quarl '{current}' '{previous}'; \
             echo \"${{COMPREPLY[@]}}\"",
            script.display(),
            words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
            words.len() - 1,
        );
        shell("bash", &["-c", &program])
    };
    for (words, expected) in [
        (&["quarl", "tr"][..], "train"),
        (&["quarl", "config", "expl"], "explain"),
        (&["quarl", "train", "--preset", "munch"], "munchausen"),
        (&["quarl", "train", "--set", "agent.gam"], "agent.gamma="),
        (&["quarl", "experiment", "--set", "replay.alp"], "replay.alpha="),
        (&["quarl", "train", "Mountain"], "MountainCar-v0"),
        (&["quarl", "presets", "rain"], "rainbow"),
    ] {
        let Some(completed) = complete(words) else { return };
        assert_eq!(completed.trim(), expected, "{words:?}");
    }
    assert!(fs::read_to_string(&script).unwrap().contains("compopt -o nospace"), "a value follows the equals sign");
}

#[test]
fn zsh_and_fish_accept_their_scripts() {
    let here = directory();
    for name in ["zsh", "fish"] {
        fs::write(here.path().join(name), succeed(&here, &["completions", name])).unwrap();
        let path = here.path().join(name);
        shell(name, &["-n", path.to_str().unwrap()]);
    }
    let script = here.path().join("fish");
    let complete = |line: &str| {
        shell("fish", &["--no-config", "-c", &format!("source {}; complete -C '{line}'", script.display())])
    };
    for (line, expected) in [
        ("quarl train --set agent.gam", "agent.gamma="),
        ("quarl train Mountain", "MountainCar-v0"),
        ("quarl config explain replay.alp", "replay.alpha"),
        ("quarl presets rain", "rainbow"),
    ] {
        let Some(completed) = complete(line) else { return };
        assert!(completed.starts_with(expected), "{line}: {completed}");
    }
}

#[test]
fn manual_pages_are_written_for_every_command() {
    let here = directory();
    succeed(&here, &["man", "--out", "man"]);
    for page in ["quarl.1", "quarl-train.1", "quarl-experiment.1", "quarl-config.1", "quarl-config-explain.1"] {
        let text = read(&here, Path::new("man").join(page));
        assert!(text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{page}");
        let path = here.path().join("man").join(page);
        // Warnings are the generator's: long lines and white space.
        shell("mandoc", &["-T", "lint", "-W", "error", path.to_str().unwrap()]);
    }
    assert!(read(&here, "man/quarl-train.1").contains("\\-\\-preset"));
    quarl(&here, &["man"]).assert().code(2);
    quarl(&here, &["man", "--out", "a", "--markdown"]).assert().code(2);
    fs::write(here.path().join("file"), "").unwrap();
    assert!(fail(&here, &["man", "--out", "file"], 1).contains("file"));
    assert_eq!(read(&here, "file"), "");
}
