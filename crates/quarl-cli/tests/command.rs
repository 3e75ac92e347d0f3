//! The command as its users run it: files, output and exit status.

mod common;

use std::fs;
use std::path::PathBuf;

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
fn a_run_that_fails_ends_its_json_with_the_reason() {
    let here = directory();
    let arguments = ["train", "--set", "optimizer.lr=1e30", "--json", "--out", "run"];
    let output = quarl(&here, &arguments).assert().code(1).get_output().clone();
    let said = String::from_utf8(output.stdout).unwrap();
    let last: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["dir"]), (&"failed".into(), &"run".into()));
    let message = last["error"].as_str().unwrap();
    assert!(message.contains("not finite at step"), "{message}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("error: {message}\n"));
}

#[test]
fn json_is_one_event_a_line() {
    let here = directory();
    let said = succeed(&here, &["train", "--episodes", "3", "--json", "--out", "run"]);
    let events: Vec<serde_json::Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["start", "episode", "episode", "episode", "evaluation", "play", "finished"]);
    assert_eq!(events[1]["episode"], 0);
    assert_eq!(events[6]["summary"]["greedy_returns"][0], events[5]["total_reward"]);
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
fn bench_reports_its_keys() {
    let here = directory();
    let said = succeed(&here, &["bench", "--json"]);
    let figures: serde_json::Value = serde_json::from_str(&said).unwrap();
    for key in ["fma_peak_gflops", "update_us", "update_peak_fraction", "step_us"] {
        assert!(figures[key].as_f64().unwrap() > 0.0, "{key}");
    }
    assert!(figures["cpu_path"].is_string());
}

#[test]
fn wrong_usage_and_configuration_end_with_2_and_a_remedy() {
    let here = directory();
    fs::write(here.path().join("broken.toml"), "[env\n").unwrap();
    fs::write(here.path().join("part.toml"), "[agent]\ngamma = 0.9\n").unwrap();
    fs::write(here.path().join("latin1.toml"), b"# \xe9").unwrap();
    fs::create_dir(here.path().join("folder")).unwrap();
    for (arguments, expected) in [
        (&["train", "--set", "agent.gama=1"][..], "did you mean gamma?"),
        (&["train", "--set", "agent.gamma=2"], "agent.gamma: 2 is not a number from 0 to 1"),
        (&["train", "--set", "replay.capacity=16"], "lower one or raise the other"),
        (
            &["train", "--set", "optimizer.lr=fast"],
            "optimizer.lr: \"fast\" is not a number of at least 0, or a schedule",
        ),
        (&["train", "--preset", "textbok"], "did you mean textbook?"),
        (&["train", "Cartpole-v1"], "did you mean CartPole-v1?"),
        (&["train", "--config", "broken.toml"], "broken.toml: not valid TOML in line 1"),
        (&["train", "--config", "part.toml"], "--preset"),
        (&["train", "--config", "absent.toml"], "cannot read absent.toml"),
        (&["train", "--config", "folder"], "cannot read folder: this is a directory"),
        (&["train", "--config", "latin1.toml"], "cannot read latin1.toml: this is not a text file"),
        (&["train", "LunarLander-v3"], "did you mean gym:LunarLander-v3?"),
        (&["train", "MountainCar-v0", "--set", "network.hidden=[65536, 65536, 65536]"], "lower network.hidden"),
        (
            &["train", "--set", "network.hidden=[4096, 4096]", "--preset", "c51", "--set", "env.id=Mine-v0"],
            "v_min: needed",
        ),
        (&["train", "MyTask-v0"], "use gym:ID for a Gymnasium environment"),
        (&["train", "--set", "training.episodes=5", "--steps", "100"], "training.steps is given, too"),
        (&["train", "--episodes", "0"], "training.episodes: 0 is not"),
        (&["experiment", "--set", "agent.gamma=2", "--out", "x"], "agent.gamma: 2"),
        (
            &["experiment", "--seed", "9223372036854775806", "--runs", "3", "--out", "x"],
            "training.seed: 3 runs from seed 9223372036854775806 on need seeds above the largest seed",
        ),
        (&["presets", "tund"], "did you mean tuned?"),
        (&["train", "--set", "agent.gamma=0.9", "--set", "agent.gamma=0.8"], "agent.gamma: 0.9 and 0.8 are both given"),
        (&["train", "--set", "training.steps=400", "--steps", "300"], "training.steps: 400 and 300 are both given"),
        (&["train", "CartPole-v1", "--set", "env.id=CartPole-v0"], "\"CartPole-v1\" and \"CartPole-v0\" are both"),
        (
            &["train", "gym:LunarLander-v3", "--env-arg", "gravity=-5", "--env-arg", "gravity=-6"],
            "--env-arg gravity: -5 and -6 are both given",
        ),
    ] {
        let message = fail(&here, arguments, 2);
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
    assert!(!here.path().join("runs").exists(), "a mistake leaves nothing behind");
    let message = quarl(&here, &["train"]).env("QUARL_CPU", "mmx").assert().code(2).get_output().stderr.clone();
    assert!(
        String::from_utf8(message).unwrap().contains("QUARL_CPU=mmx: there is no such instruction set; choose one of")
    );
    for (arguments, expected) in [
        (&["train", "--seed", "9223372036854775808"][..], "a whole number from 0 to 9223372036854775807"),
        (&["train", "--episodes", "abc"], "a whole number from 0 to"),
        (&["play", "run", "--episodes", "0"], "a whole number from 1 to"),
        (&["play", "run", "--fps", "fast"], "a number from 0.01 to 1000"),
        (&["experiment", "--out", "x", "--jobs", "70000"], "a whole number from 1 to 65535"),
    ] {
        let output = quarl(&here, arguments).assert().code(2).get_output().stderr.clone();
        let message = String::from_utf8(output).unwrap();
        assert!(message.contains(expected) && !message.contains("digit"), "{message}");
    }
    quarl(&here, &["train", "--epochs", "3"]).assert().code(2);
    quarl(&here, &["train", "--seed", "18446744073709551615"]).assert().code(2);
    quarl(&here, &["experiment", "--runs", "0", "--out", "x"]).assert().code(2);
}

#[test]
fn missing_and_damaged_files_end_with_1_and_name_the_file() {
    let here = directory();
    succeed(&here, &["train", "--episodes", "3", "--quiet", "--out", "run"]);
    let model = here.path().join("run/model.safetensors");
    let whole = fs::read(&model).unwrap();
    fs::write(here.path().join("cut.safetensors"), &whole[..whole.len() / 2]).unwrap();
    fs::write(here.path().join("empty.safetensors"), "").unwrap();
    fs::create_dir(here.path().join("nothing")).unwrap();
    fs::write(here.path().join("file"), "").unwrap();
    for (arguments, expected) in [
        (&["play", "absent"][..], "absent"),
        (&["play", "nothing"], "holds no run and no experiment"),
        (&["play", "cut.safetensors"], "cut.safetensors: not a safetensors file, or damaged"),
        (&["play", "empty.safetensors"], "empty.safetensors: not a safetensors file, or damaged"),
        (&["play", "run", "--render", "window"], "--render terminal"),
        (&["play", "run", "--record", "absent/a.gif"], "absent"),
        (&["train", "--episodes", "3", "--out", "file/run"], "file"),
        (&["plot", "nothing"], "nothing"),
        (&["train", "--set", "optimizer.lr=1e30", "--out", "diverged"], "not finite at step"),
    ] {
        let message = fail(&here, arguments, 1);
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
    assert!(read(&here, "diverged/episodes.csv").lines().count() > 1, "what came before is kept");
}

#[test]
fn a_reader_that_goes_away_stops_the_talking_not_the_run() {
    let here = directory();
    let binary: PathBuf = assert_cmd::cargo::cargo_bin("quarl");
    let mut child = std::process::Command::new(binary)
        .current_dir(&here)
        .args(["train", "--episodes", "40", "--out", "run"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    assert!(here.path().join("run/summary.json").exists());
}

/// Every line of a command's standard output, as JSON.
fn objects(directory: &TempDir, arguments: &[&str]) -> Vec<serde_json::Value> {
    succeed(directory, arguments).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn events(objects: &[serde_json::Value]) -> Vec<&str> {
    objects.iter().map(|object| object["event"].as_str().unwrap()).collect()
}

#[test]
fn quiet_prints_the_mean_of_the_greedy_episodes_and_the_directory() {
    let here = directory();
    let said = succeed(&here, &["train", "--episodes", "3", "--quiet", "--out", "run"]);
    let summary: serde_json::Value = serde_json::from_str(&read(&here, "run/summary.json")).unwrap();
    assert_eq!(said, format!("mean greedy return: {}\ndirectory: run\n", summary["greedy_mean"].as_f64().unwrap()));
}

#[test]
fn an_experiments_json_and_quiet_output_are_for_programs() {
    let here = directory();
    let arguments = |out, more: &[&'static str]| {
        let all = [
            "experiment",
            "--episodes",
            "4",
            "--runs",
            "2",
            "--jobs",
            "1",
            "--set",
            "network.hidden=[8]",
            "--out",
            out,
        ];
        [&all[..], more].concat()
    };
    let all = objects(&here, &arguments("json", &["--json"]));
    assert_eq!(events(&all), ["start", "run", "run", "finished"]);
    assert_eq!((&all[0]["missing"], &all[1]["seed"], &all[2]["seed"]), (&2.into(), &0.into(), &1.into()));
    let summary: serde_json::Value = serde_json::from_str(&read(&here, "json/summary.json")).unwrap();
    assert_eq!(all[3]["summary"], summary);
    assert!(summary["greedy_iqm_interval"].is_null() && summary["reached_interval"].is_null(), "of two runs");
    let again = objects(&here, &arguments("json", &["--json"]));
    assert_eq!(events(&again), ["start", "finished"]);
    let said = succeed(&here, &arguments("json", &["--quiet"]));
    // The sum of 9.3 and 9.4 in double precision is a little more than 18.7.
    assert_eq!(summary["greedy_mean"].as_f64(), Some(9.350000000000001));
    assert_eq!(said, "mean greedy return: 9.35\ndirectory: json\n");
    let ablation = objects(&here, &arguments("why", &["--json", "--ablate", "replay"]));
    let ends = ["finished", "finished", "compared"];
    assert_eq!(events(&ablation), [&["start", "start", "run", "run", "run", "run"][..], &ends].concat());
    assert_eq!(ablation[1]["variant"], "without replay");
    let said = succeed(&here, &arguments("json", &[]));
    assert!(said.contains("no intervals: fewer than 3 runs") && !said.contains("95%"), "{said}");
}

#[test]
fn eval_reports_scores_of_runs_models_and_experiments() {
    let here = directory();
    let train = ["train", "--episodes", "12", "--quiet", "--set", "network.hidden=[16]", "--out", "run"];
    succeed(&here, &train);
    let said = succeed(&here, &["eval", "run", "--episodes", "12"]);
    for words in [
        "12 greedy episodes of run/model.safetensors in CartPole-v0, seed 0",
        "  mean ",
        "standard deviation",
        "interquartile mean",
        "minimum, maximum",
        "at least 195",
        "95% interval",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(said, succeed(&here, &["eval", "run", "--episodes", "12"]), "the same seed, the same episodes");
    let few = succeed(&here, &["eval", "run", "--episodes", "2"]);
    assert!(!few.contains("95%") && few.contains("no intervals: fewer than 3 episodes"), "{few}");
    assert!(
        succeed(&here, &["eval", "run", "--episodes", "9"]).contains("intervals of fewer than 10 episodes are rough")
    );
    assert!(succeed(&here, &["eval", "run", "--best", "--episodes", "3"]).contains("run/best.safetensors"));

    let all = objects(&here, &["eval", "run/model.safetensors", "--episodes", "12", "--json"]);
    assert_eq!(events(&all)[..12], ["episode"; 12]);
    let scores = &all[12]["scores"];
    let returns: Vec<f64> = all[..12].iter().map(|event| event["return"].as_f64().unwrap()).collect();
    assert_eq!(scores["mean"].as_f64().unwrap(), returns.iter().sum::<f64>() / 12.0);
    assert_eq!(scores["n"], 12);
    assert!(scores["reached_interval"][1].as_f64().unwrap() < 0.5);
    let other = objects(&here, &["eval", "run", "--episodes", "12", "--json", "--seed", "1"]);
    assert_ne!(other[..12], all[..12], "another seed, other episodes");
    // The initial observations differ from those of the run's own evaluations.
    let summary: serde_json::Value = serde_json::from_str(&read(&here, "run/summary.json")).unwrap();
    assert_ne!(
        summary["greedy_returns"].as_array().unwrap()[..],
        all[..10].iter().map(|event| event["return"].clone()).collect::<Vec<_>>()[..]
    );

    experiment(&here, "3", "1", "many");
    let said = succeed(&here, &["eval", "many", "--episodes", "2"]);
    assert!(said.contains("run with seed 4: mean return ") && said.contains("3 runs of many in CartPole-v0"), "{said}");
    let all = objects(&here, &["eval", "many", "--episodes", "2", "--json"]);
    assert_eq!(
        events(&all),
        ["episode", "episode", "run", "episode", "episode", "run", "episode", "episode", "run", "finished"]
    );
    assert_eq!((&all[2]["seed"], &all[9]["scores"]["n"]), (&3.into(), &3.into()));
    let single = objects(&here, &["eval", "many/runs/seed-4", "--episodes", "2", "--json"]);
    assert_eq!(single[2]["scores"], all[5]["scores"], "a run by itself has the score that it has among others");
}

#[test]
fn a_wrong_path_says_what_is_there() {
    let here = directory();
    experiment(&here, "2", "1", "many");
    fs::create_dir(here.path().join("empty")).unwrap();
    fs::create_dir_all(here.path().join("begun")).unwrap();
    fs::copy(here.path().join("many/config.toml"), here.path().join("begun/config.toml")).unwrap();
    for command in ["play", "eval"] {
        let message = |path: &str| fail(&here, &[command, path], 1);
        assert!(message("absent").contains("absent: there is no such file or directory"));
        assert!(message("empty").contains("empty: this directory holds no run and no experiment"));
        assert!(message("begun").contains("begun: this run is not finished"));
        assert_eq!(message("absent").matches("absent").count(), 1, "said once");
    }
    let message = fail(&here, &["play", "many"], 1);
    assert!(
        message.contains("this is an experiment; choose one of its 2 runs (seeds 3 to 4), such as many/runs/seed-3"),
        "{message}"
    );
    assert!(fail(&here, &["play", "many/runs"], 1).contains("choose one of seed-3, seed-4"));
    assert!(fail(&here, &["plot", "absent"], 1).contains("absent: there is no such file or directory"));
    assert!(fail(&here, &["plot", "many/config.toml"], 1).contains("this is a file"));
    fail(&here, &["plot", "many", "--label", "a", "--label", "b"], 2);
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

#[test]
fn json_of_play_envs_and_presets_is_one_object_a_line() {
    let here = directory();
    succeed(&here, &["train", "--episodes", "3", "--quiet", "--out", "run"]);
    let played = objects(&here, &["play", "run", "--episodes", "2", "--json"]);
    assert_eq!(events(&played), ["episode", "episode", "finished"]);
    let mean = (played[0]["return"].as_f64().unwrap() + played[1]["return"].as_f64().unwrap()) / 2.0;
    assert_eq!(played[2]["mean_return"].as_f64().unwrap(), mean);
    quarl(&here, &["play", "run", "--json", "--render", "terminal"]).assert().code(2);
    let envs = objects(&here, &["envs", "--json"]);
    let cart = envs.iter().find(|env| env["id"] == "CartPole-v0").unwrap();
    assert_eq!((&cart["actions"], &cart["max_episode_steps"]), (&2.into(), &200.into()));
    assert_eq!(objects(&here, &["envs", "CartPole-v0", "--json"]), std::slice::from_ref(cart));
    let presets = objects(&here, &["presets", "--json"]);
    assert!(presets.iter().any(|preset| preset["name"] == "textbook" && preset["summary"].is_string()));
    let textbook = objects(&here, &["presets", "textbook", "--json"]);
    assert_eq!((textbook.len(), &textbook[0]["config"]["env"]["id"]), (1, &"CartPole-v0".into()));
}
