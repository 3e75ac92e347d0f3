//! The command as its users run it: files, output and exit status.

#[path = "../common/mod.rs"]
mod common;
mod output;
mod refusals;

use std::fs;

use tempfile::TempDir;

use common::{directory, fail, quarl, read, succeed};

const SHORT: [&str; 3] = ["train", "--episodes", "12"];

#[test]
fn train_writes_a_whole_run() {
    let here = directory();
    let said = succeed(&here, &SHORT);
    assert!(said.contains("episode    0  return ") && said.contains("episode   10  return "), "{said}");
    assert!(said.contains("return of the first greedy episode: "), "{said}");
    let run = here.path().join("runs/CartPole-v0-textbook-seed0");
    for name in [
        "config.toml",
        "episodes.csv",
        "best.safetensors",
        "model.safetensors",
        "summary.json",
        "curve.svg",
        "curve.png",
    ] {
        assert!(run.join(name).metadata().unwrap().len() > 0, "{name}");
    }
    let episodes = fs::read_to_string(run.join("episodes.csv")).unwrap();
    assert_eq!(episodes.lines().next().unwrap(), "episode,env_steps,return,length,epsilon,mean_loss,mean_q");
    assert_eq!(episodes.lines().count(), 13);
    let summary: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(run.join("summary.json")).unwrap()).unwrap();
    for key in ["quarl_version", "seed", "cpu_path", "wall_seconds", "steps_per_second", "greedy_returns"] {
        assert!(!summary[key].is_null(), "{key}");
    }
    assert_eq!(summary["greedy_returns"].as_array().unwrap().len(), 10);
}

#[test]
fn training_again_from_a_runs_configuration_gives_the_same_bytes() {
    let here = directory();
    succeed(&here, &["train", "--episodes", "8", "--seed", "5", "--set", "agent.gamma=0.97", "--out", "a", "--quiet"]);
    succeed(&here, &["train", "--config", "a/config.toml", "--out", "b", "--quiet"]);
    for name in ["config.toml", "episodes.csv", "evaluations.csv", "model.safetensors", "curve.svg"] {
        let [a, b] = ["a", "b"].map(|run| fs::read(here.path().join(run).join(name)).unwrap());
        assert_eq!(a, b, "{name}");
    }
}

#[test]
fn another_instruction_set_gives_the_same_bytes() {
    let here = directory();
    let steps = ["train", "--steps", "60", "--quiet", "--set", "network.hidden=[16, 16]", "--out"];
    for path in ["scalar", ""] {
        let out = format!("run-{path}");
        quarl(&here, &[&steps[..], &[&out]].concat()).env("QUARL_CPU", path).assert().success();
    }
    assert_eq!(read(&here, "run-scalar/episodes.csv"), read(&here, "run-/episodes.csv"));
    let models = ["run-scalar", "run-"].map(|run| fs::read(here.path().join(run).join("model.safetensors")).unwrap());
    assert_eq!(models[0], models[1]);
}

#[test]
fn an_existing_run_is_only_replaced_with_force() {
    let here = directory();
    let train = |seed: &str, force: &[&str]| -> Vec<String> {
        [&["train", "--episodes", "3", "--quiet", "--out", "run", "--seed", seed], force]
            .concat()
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    let run = |arguments: Vec<String>| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        quarl(&here, &arguments).output().unwrap().status.code()
    };
    assert_eq!(run(train("1", &[])), Some(0));
    let before = read(&here, "run/episodes.csv");
    assert_eq!(run(train("2", &[])), Some(2));
    assert_eq!(read(&here, "run/episodes.csv"), before);
    // An error in the settings is reported before anything is replaced.
    assert_eq!(run(train("2", &["--force", "--set", "agent.gamma=2"])), Some(2));
    assert_eq!(read(&here, "run/episodes.csv"), before);
    assert_eq!(run(train("2", &["--force"])), Some(0));
    assert_ne!(read(&here, "run/episodes.csv"), before);
}

#[test]
fn an_experiments_configuration_is_that_of_its_runs_and_of_train() {
    let here = directory();
    let length = ["--steps", "60", "--quiet"];
    succeed(&here, &[&["train", "--out", "run"], &length[..]].concat());
    let config = ["--config", "run/config.toml", "--quiet"];
    succeed(&here, &[&["experiment", "--runs", "2", "--out", "many"], &config[..]].concat());
    succeed(&here, &[&["experiment", "--runs", "2", "--out", "many"], &length[..]].concat());
    let of_run = read(&here, "run/config.toml");
    assert!(of_run.contains("max_episode_steps = 200\n"), "{of_run}");
    for path in ["many/config.toml", "many/runs/seed-0/config.toml"] {
        assert_eq!(read(&here, path), of_run, "{path}");
    }
    // Another environment has another limit.
    succeed(&here, &["train", "CartPole-v1", "--config", "run/config.toml", "--quiet", "--out", "other"]);
    let expected =
        of_run.replace("CartPole-v0", "CartPole-v1").replace("max_episode_steps = 200", "max_episode_steps = 500");
    assert_eq!(read(&here, "other/config.toml"), expected);
}

#[test]
fn settings_for_gymnasiums_environments_are_printed_without_python() {
    let here = directory();
    for (name, expected) in [("c51", "\n# v_min =\n"), ("tuned", "\nid = \"gym:LunarLander-v3\"\n")] {
        let mut printed = quarl(&here, &["presets", name, "gym:LunarLander-v3"]);
        let output = printed.env("PATH", "").env_remove("VIRTUAL_ENV").assert().success().get_output().stdout.clone();
        let text = String::from_utf8(output).unwrap();
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn the_runs_of_an_experiment_are_written_by_nothing_else() {
    let here = directory();
    experiment(&here, "2", "1", "many");
    let before = read(&here, "many/runs/seed-4/summary.json");
    for out in ["many/runs/seed-4", "many/runs/other", "many/runs/../runs/seed-4"] {
        let message = fail(&here, &["train", "--episodes", "3", "--quiet", "--force", "--out", out], 2);
        assert!(message.contains("belongs to the experiment in ") && message.contains("/many:"), "{message}");
    }
    assert_eq!(read(&here, "many/runs/seed-4/summary.json"), before);
    assert!(!here.path().join("many/runs/other").exists());
    let mut inside = quarl(&here, &["train", "--episodes", "3", "--quiet"]);
    inside.current_dir(here.path().join("many")).assert().code(2);
    assert_eq!(fs::read_dir(here.path().join("many/runs")).unwrap().count(), 2, "not even an empty directory");
    experiment(&here, "2", "1", "many");
    // In other places, `runs` is an ordinary name.
    succeed(&here, &["train", "--episodes", "3", "--quiet", "--out", "runs/one"]);
}

#[test]
fn play_repeats_itself_and_records() {
    let here = directory();
    succeed(&here, &["train", "--episodes", "3", "--quiet", "--out", "run"]);
    let play = |more: &[&str]| succeed(&here, &[&["play", "run", "--episodes", "3", "--seed", "7"], more].concat());
    let said = play(&[]);
    assert_eq!(said, play(&["--render", "none"]));
    assert!(said.starts_with("episode 0: return "), "{said}");
    assert!(said.contains("3 episodes: mean return ") && said.contains("standard deviation "), "{said}");
    play(&["--record", "a.gif"]);
    play(&["--record", "a.png"]);
    assert_eq!(&fs::read(here.path().join("a.gif")).unwrap()[..6], b"GIF89a");
    assert_eq!(&fs::read(here.path().join("a.png")).unwrap()[1..4], b"PNG");
    succeed(&here, &["play", "run/best.safetensors"]);
}

fn experiment(here: &TempDir, runs: &str, jobs: &str, out: &str) -> String {
    succeed(here, &["experiment", "--episodes", "6", "--seed", "3", "--runs", runs, "--jobs", jobs, "--out", out])
}

#[test]
fn an_experiments_runs_are_what_train_gives_whatever_the_number_of_threads() {
    let here = directory();
    let said = experiment(&here, "3", "1", "one");
    assert!(said.contains("run 3/3") && said.contains("of 3 runs have a mean greedy return of at least 195"), "{said}");
    experiment(&here, "3", "3", "three");
    for name in ["mean.csv", "greedy.csv", "summary.json", "curve.svg", "config.toml"] {
        assert_eq!(read(&here, format!("one/{name}")), read(&here, format!("three/{name}")), "{name}");
    }
    succeed(&here, &["train", "--episodes", "6", "--seed", "5", "--quiet", "--out", "train"]);
    for out in ["one", "three"] {
        assert_eq!(read(&here, format!("{out}/runs/seed-5/episodes.csv")), read(&here, "train/episodes.csv"));
    }
    let mean = read(&here, "one/mean.csv");
    assert_eq!(mean.lines().next().unwrap(), "episode,mean,std,lower,upper,n");
    assert_eq!(mean.lines().count(), 7);
}

#[test]
fn an_interrupted_experiment_does_only_what_is_missing() {
    let here = directory();
    experiment(&here, "3", "2", "out");
    let mean = read(&here, "out/mean.csv");
    let kept = here.path().join("out/runs/seed-3/summary.json");
    let modified = kept.metadata().unwrap().modified().unwrap();
    // The state after an interruption: one run without a summary, one run not started.
    fs::remove_file(here.path().join("out/runs/seed-4/summary.json")).unwrap();
    fs::remove_dir_all(here.path().join("out/runs/seed-5")).unwrap();
    fs::remove_file(here.path().join("out/mean.csv")).unwrap();
    let said = experiment(&here, "3", "2", "out");
    assert!(said.contains("run 2/3") && said.contains("run 3/3") && !said.contains("run 1/3"), "{said}");
    assert_eq!(read(&here, "out/mean.csv"), mean);
    assert_eq!(kept.metadata().unwrap().modified().unwrap(), modified);
    let other = ["experiment", "--episodes", "7", "--seed", "3", "--runs", "3", "--out", "out"];
    assert!(fail(&here, &other, 2).contains("an experiment with other settings"));
}

#[test]
fn an_ablation_trains_every_combination_continues_and_draws_them_together() {
    let here = tempfile::tempdir().unwrap();
    let command = |episodes: &'static str| {
        ["experiment", "--ablate", "replay,target_network", "--episodes", episodes, "--runs", "2", "--out", "out"]
    };
    let said = succeed(&here, &command("4"));
    assert!(said.contains("without replay and target network, CartPole-v0, seed 1"), "{said}");
    let out = here.path().join("out");
    let names = ["all", "no-replay", "no-target_network", "no-replay-no-target_network"];
    let curves = || names.map(|name| fs::read_to_string(out.join(name).join("runs/seed-1/episodes.csv")).unwrap());
    let first = curves();
    assert!(first.iter().all(|csv| csv.lines().count() == 5));
    assert!((0..4).all(|i| !first[..i].contains(&first[i])), "every combination learns differently");
    let svg = fs::read_to_string(out.join("curve.svg")).unwrap();
    assert!(svg.contains("everything on (2 runs)") && svg.contains("without replay and target network (2 runs)"));

    // The state after an interruption within the second combination.
    fs::remove_file(out.join("no-replay/runs/seed-1/summary.json")).unwrap();
    fs::remove_dir_all(out.join("no-target_network")).unwrap();
    fs::remove_file(out.join("curve.svg")).unwrap();
    succeed(&here, &command("4"));
    assert_eq!(curves(), first);
    assert_eq!(fs::read_to_string(out.join("curve.svg")).unwrap(), svg);
}

#[test]
fn plot_draws_runs_and_experiments_together() {
    let here = directory();
    experiment(&here, "2", "2", "many");
    succeed(&here, &["train", "--episodes", "6", "--quiet", "--out", "one"]);
    succeed(&here, &["plot", "many", "one"]);
    for name in ["quarl-plot.svg", "quarl-plot.png"] {
        assert!(here.path().join(name).metadata().unwrap().len() > 1000, "{name}");
    }
    let svg = read(&here, "quarl-plot.svg");
    assert!(svg.contains("many") && svg.contains("one"), "the legend names both");
    succeed(&here, &["plot", "many", "--out", "figure.png", "--window", "2"]);
    assert!(here.path().join("figure.png").exists());
}

#[test]
fn lists_say_what_there_is() {
    let here = directory();
    assert!(succeed(&here, &["envs"]).contains("CartPole-v1"));
    assert!(succeed(&here, &["presets"]).contains("textbook"));
    let preset = succeed(&here, &["presets", "tuned", "CartPole-v1"]);
    fs::write(here.path().join("tuned.toml"), preset).unwrap();
    succeed(&here, &["train", "--config", "tuned.toml", "--steps", "50", "--quiet"]);
}

#[test]
fn plot_labels_titles_and_separates_environments() {
    let here = directory();
    let train = |env: &str, out: &str| {
        let arguments = ["train", env, "--preset", "textbook", "--episodes", "2", "--quiet", "--out", out];
        succeed(
            &here,
            &[&arguments[..], &["--set", "network.hidden=[8]", "--set", "env.max_episode_steps=20"]].concat(),
        );
    };
    train("CartPole-v0", "cart");
    train("MountainCar-v0", "hill");
    let output = quarl(&here, &["plot", "cart", "hill", "--label", "막대", "--label", "자동차", "--title", "비교"]);
    let output = { output }.assert().success().get_output().clone();
    let warning = String::from_utf8(output.stderr).unwrap();
    assert!(warning.starts_with("warning: ") && warning.contains("CartPole-v0, MountainCar-v0"), "{warning}");
    let svg = read(&here, "quarl-plot.svg");
    for words in ["막대 (1 run)", "자동차 (1 run)", "비교, CartPole-v0", "비교, MountainCar-v0"] {
        assert!(svg.contains(&format!(">{words}</text>")), "{words}");
    }
    succeed(&here, &["plot", "cart", "cart/../hill/../cart", "."]);
}
