//! Figures of what runs, experiments and ablations left on disk.
#![cfg(all(feature = "plot", feature = "files"))]

use std::path::{Path, PathBuf};

use quarl::config::{StepLimit, TrainConfig};
use quarl::experiment::{self, Comparison, Plan, Variant};
use quarl::plot::results::{Collected, Options, collect, compare};
use quarl::plot::{Figure, XAxis};
use quarl::run::{self, RunWriter};
use quarl::train::Trainer;

/// A budget, in episodes or environment steps.
#[derive(Clone, Copy)]
enum Budget {
    Episodes(u64),
    Steps(u64),
}

fn config(env: &str, budget: Budget, gamma: f64, seed: u64) -> quarl::config::TrainConfig {
    let mut config = TrainConfig::preset("textbook").build().unwrap();
    config.env.id = env.to_owned();
    if env != "CartPole-v0" {
        config.env.max_episode_steps = StepLimit::Steps(20);
    }
    config.network.hidden = vec![4];
    config.agent.gamma = gamma;
    config.training.seed = seed;
    (config.training.episodes, config.training.steps) = match budget {
        Budget::Episodes(episodes) => (Some(episodes), None),
        Budget::Steps(steps) => (None, Some(steps)),
    };
    config.evaluation.every_episodes = None;
    config.evaluation.episodes = 1;
    config
}

fn train(dir: &Path, config: quarl::config::TrainConfig) {
    let mut trainer = Trainer::new(config).unwrap();
    let mut writer = RunWriter::create(dir, false, trainer.config()).unwrap();
    while let Some(event) = trainer.next() {
        writer.record(&event.unwrap(), &trainer).unwrap();
    }
    writer.finish(&trainer, 1.0, false).unwrap();
}

fn run_experiment(out: &Path, config: quarl::config::TrainConfig, runs: u64) {
    let experiment = Plan::new(config, out).runs(runs).open().unwrap();
    experiment.start().unwrap().for_each(|event| drop(event.unwrap()));
}

fn names(collected: &Collected) -> Vec<String> {
    collected.curves.iter().map(|curves| format!("{} ({})", curves.group.name, curves.group.counted())).collect()
}

fn options() -> Options {
    Options { window: 1, ..Options::default() }
}

fn figures(paths: &[PathBuf]) -> Vec<Figure> {
    compare(&collect(paths, &[]).unwrap().curves, &options()).unwrap()
}

#[test]
fn a_directory_of_runs_becomes_a_curve_for_each_configuration() {
    let here = tempfile::tempdir().unwrap();
    let runs = here.path().join("runs");
    for (name, gamma, seed) in
        [("a-seed0", 0.9, 0), ("a-seed1", 0.9, 1), ("a-seed10", 0.9, 10), ("b-seed0", 0.5, 0), ("b-seed0-2", 0.5, 0)]
    {
        train(&runs.join(name), config("CartPole-v0", Budget::Episodes(3), gamma, seed));
    }
    std::fs::create_dir(runs.join("notes")).unwrap();
    let collected = collect(std::slice::from_ref(&runs), &[]).unwrap();
    assert_eq!(names(&collected), ["a (3 runs)", "b-seed0 (1 run)"]);
    assert_eq!(collected.left_out.len(), 1, "{:?}", collected.left_out);
    assert!(collected.left_out[0].contains("b-seed0-2: repeats b-seed0"), "{:?}", collected.left_out);

    // A label names the path; a path of several curves puts it before their own names.
    let labelled = collect(&[runs.clone(), runs.join("b-seed0")], &["all".into(), "one".into()]).unwrap();
    assert_eq!(names(&labelled), ["all: a (3 runs)", "all: b-seed0 (1 run)", "one (1 run)"]);
    let twice = collect(&[runs.join("a-seed0"), runs.join("a-seed0")], &[]).unwrap();
    assert_eq!(names(&twice), ["a-seed0 (1 run)", "a-seed0 (2) (1 run)"]);
}

#[test]
fn runs_of_one_name_in_several_directories_are_told_apart() {
    let here = tempfile::tempdir().unwrap();
    let paths = ["a", "b"].map(|name| here.path().join(name));
    for path in &paths {
        train(&path.join("run"), config("CartPole-v0", Budget::Episodes(2), 0.9, 0));
    }
    assert_eq!(names(&collect(&paths, &[]).unwrap()), ["a: run (1 run)", "b: run (1 run)"]);
    assert_eq!(names(&collect(&paths[..1], &[]).unwrap()), ["run (1 run)"]);
}

#[test]
fn an_ablation_is_drawn_from_its_directory_as_it_was_when_it_ended() {
    let here = tempfile::tempdir().unwrap();
    let out = here.path().join("why");
    for (name, gamma) in [("no-replay", 0.8), ("all", 0.9), ("no-replay-no-target_network", 0.6)] {
        run_experiment(&out.join(name), config("CartPole-v0", Budget::Episodes(3), gamma, 0), 2);
    }
    let collected = collect(std::slice::from_ref(&out), &[]).unwrap();
    let labels = ["everything on", "without replay", "without replay and target network"];
    assert_eq!(names(&collected), labels.map(|label| format!("{label} (2 runs)")));
    let variant = |name: &str, label: &str, gamma: f64| Variant {
        name: name.to_owned(),
        label: label.to_owned(),
        config: config("CartPole-v0", Budget::Episodes(3), gamma, 0),
    };
    let dirs = ["all", "no-replay", "no-replay-no-target_network"];
    let variants = dirs.into_iter().zip(labels).zip([0.9, 0.8, 0.6]);
    let variants: Vec<Variant> = variants.map(|((name, label), gamma)| variant(name, label, gamma)).collect();
    let plan = Plan::new(variants[0].config.clone(), &out).runs(2);
    let comparison = Comparison::open(&plan, variants).unwrap();
    assert_eq!(comparison.missing(), []);
    comparison.results(None).unwrap();
    let drawn = std::fs::read_to_string(out.join("curve.svg")).unwrap();
    let figure = &compare(&collected.curves, &Options { window: 10, ..Options::default() }).unwrap()[0];
    assert_eq!(drawn, figure.to_svg().unwrap());
    let beside = collect(&[out.clone(), out.join("all")], &[]).unwrap();
    assert_eq!(names(&beside)[0], "why: everything on (2 runs)");
    assert_eq!(names(&beside)[3], "all (2 runs)");
}

#[test]
fn paths_that_end_alike_get_names_that_differ() {
    let here = tempfile::tempdir().unwrap();
    let paths = ["x/dqn", "y/dqn"].map(|path| here.path().join(path));
    paths.iter().for_each(|path| train(path, config("CartPole-v0", Budget::Episodes(2), 0.9, 0)));
    assert_eq!(names(&collect(&paths, &[]).unwrap()), ["x/dqn (1 run)", "y/dqn (1 run)"]);
}

#[test]
fn a_directory_named_for_the_preset_that_it_holds_is_shown_by_the_presets_name_in_words() {
    let here = tempfile::tempdir().unwrap();
    let path = |name: &str| here.path().join(name);
    let preset = |name: &str, seed: u64| {
        let mut config = TrainConfig::preset(name).set("env.id", "CartPole-v1").build().unwrap();
        (config.training.steps, config.training.seed) = (Some(60), seed);
        config.evaluation.every_steps = None;
        config.evaluation.episodes = 1;
        config
    };
    train(&path("runs/CartPole-v1-dqn-seed0"), preset("dqn", 0));
    train(&path("runs/CartPole-v1-dqn-seed1"), preset("dqn", 1));
    train(&path("runs/CartPole-v1-double-seed0-2"), preset("double", 0));
    train(&path("dqn"), preset("dqn", 7));
    train(&path("rainbow"), preset("dqn", 0));
    train(&path("mine"), preset("dqn", 0));
    let shown = |paths: &[&str], labels: &[&str]| {
        let paths: Vec<PathBuf> = paths.iter().map(|name| path(name)).collect();
        let labels: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
        names(&collect(&paths, &labels).unwrap())
    };
    assert_eq!(shown(&["runs"], &[]), ["Double DQN (1 run)", "DQN (2 runs)"]);
    // A directory's own name stays where it says something else than the preset, or where two would be called alike.
    assert_eq!(shown(&["dqn", "rainbow", "mine"], &[]), ["DQN (1 run)", "rainbow (1 run)", "mine (1 run)"]);
    assert_eq!(shown(&["dqn", "runs/CartPole-v1-dqn-seed0"], &[]), ["dqn (1 run)", "CartPole-v1-dqn-seed0 (1 run)"]);
    assert_eq!(shown(&["dqn"], &["dqn"]), ["dqn (1 run)"]);
    let mut other = preset("dqn", 0);
    other.agent.gamma = 0.5;
    train(&path("other/dqn"), other);
    assert_eq!(shown(&["other/dqn"], &[]), ["dqn (1 run)"]);
}

#[test]
fn a_budget_of_steps_is_drawn_over_steps_everywhere() {
    let here = tempfile::tempdir().unwrap();
    let path = |name: &str| here.path().join(name);
    train(&path("steps"), config("CartPole-v0", Budget::Steps(90), 0.9, 0));
    train(&path("episodes"), config("CartPole-v0", Budget::Episodes(3), 0.9, 0));
    run_experiment(&path("many"), config("CartPole-v0", Budget::Steps(90), 0.9, 0), 2);
    run::draw(&path("steps")).unwrap();
    run::draw(&path("episodes")).unwrap();
    experiment::draw(&path("many")).unwrap();
    for (name, x) in [("steps", "Environment steps"), ("episodes", "Episode"), ("many", "Environment steps")] {
        let svg = std::fs::read_to_string(path(name).join("curve.svg")).unwrap();
        assert!(svg.contains(&format!(">{x}</text>")), "{name}");
        assert_eq!(figures(&[path(name)])[0].x_label, x, "{name}");
    }
    assert_eq!(figures(&[path("episodes"), path("steps")])[0].x_label, "Environment steps");
    let collected = collect(&[path("many")], &[]).unwrap();
    let episodes = Options { x: Some(XAxis::Episodes), ..options() };
    assert_eq!(compare(&collected.curves, &episodes).unwrap()[0].x_label, "Episode");
}

#[test]
fn each_environment_has_a_panel_of_its_own() {
    let here = tempfile::tempdir().unwrap();
    let path = |name: &str| here.path().join(name);
    train(&path("cart"), config("CartPole-v0", Budget::Episodes(3), 0.9, 0));
    train(&path("hill"), config("MountainCar-v0", Budget::Episodes(3), 0.9, 0));
    train(&path("cart2"), config("CartPole-v0", Budget::Episodes(3), 0.8, 0));
    let paths = [path("cart"), path("hill"), path("cart2")];
    let panels = figures(&paths);
    let titles: Vec<&str> = panels.iter().map(|panel| panel.title.as_str()).collect();
    assert_eq!(titles, ["CartPole-v0", "MountainCar-v0"]);
    assert_eq!(panels.iter().map(|panel| panel.series.len()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(panels.iter().map(|panel| panel.references[0].value).collect::<Vec<_>>(), [195.0, -110.0]);
    let titled = |paths: &[PathBuf]| {
        let options = Options { title: Some("Mine".to_owned()), ..options() };
        let panels = compare(&collect(paths, &[]).unwrap().curves, &options).unwrap();
        panels.into_iter().map(|panel| panel.title).collect::<Vec<_>>()
    };
    assert_eq!(titled(&paths), ["Mine, CartPole-v0", "Mine, MountainCar-v0"]);
    assert_eq!(titled(&paths[..1]), ["Mine"]);
}

#[test]
fn what_cannot_be_drawn_says_why() {
    let here = tempfile::tempdir().unwrap();
    let path = |name: &str| here.path().join(name);
    let message = |path: PathBuf| collect(&[path], &[]).unwrap_err().to_string();
    assert!(message(path("absent")).ends_with("absent: there is no such file or directory"));
    std::fs::create_dir(path("empty")).unwrap();
    assert!(message(path("empty")).contains("holds no run, no experiment"));
    train(&path("runs/begun"), config("CartPole-v0", Budget::Episodes(2), 0.9, 0));
    std::fs::write(path("runs/begun/episodes.csv"), "episode,env_steps,return,length,epsilon,mean_loss,mean_q\n")
        .unwrap();
    assert!(message(path("runs/begun")).contains("no episode of this run has finished"));
    assert!(message(path("runs")).contains("no episode of this run has finished"));
    train(&path("runs/whole"), config("CartPole-v0", Budget::Episodes(2), 0.9, 1));
    assert_eq!(collect(&[path("runs")], &[]).unwrap().left_out.len(), 1);
}

#[test]
fn tables_of_other_programs_belong_to_the_environment_of_the_runs() {
    let here = tempfile::tempdir().unwrap();
    let path = |name: &str| here.path().join(name);
    for (name, env) in [("v0", "CartPole-v0"), ("v1", "CartPole-v1")] {
        train(&path(name), config(env, Budget::Steps(30), 0.9, 0));
    }
    let table = path("pytorch.csv");
    std::fs::write(&table, "run,episode,return\n0,0,20\n0,1,30\n1,0,40\n1,1,50\n").unwrap();
    let monitor = path("monitor.csv");
    std::fs::write(&monitor, "#{\"env_id\": \"CartPole-v0\"}\nr,l,t\n9,9,0.1\n12,12,0.2\n").unwrap();
    let collected = collect(&[path("v0"), table.clone()], &[]).unwrap();
    assert_eq!(names(&collected), ["v0 (1 run)", "pytorch.csv (2 runs)"]);
    assert!(collected.curves.iter().all(|curves| curves.env == "CartPole-v0"));
    // Over episodes, because the table does not say how long they were.
    let figure = &compare(&collected.curves, &options()).unwrap()[0];
    assert_eq!((figure.x_label.as_str(), &figure.series[1].points[..]), ("Episode", &[(0.0, 30.0), (1.0, 40.0)][..]));
    let steps = Options { x: Some(XAxis::Steps), ..options() };
    let message = compare(&collected.curves, &steps).unwrap_err().to_string();
    assert!(message.starts_with("x: pytorch.csv has neither a column env_steps"), "{message}");
    // One that names its environment is drawn with the runs of that.
    let collected = collect(&[path("v0"), path("v1"), monitor.clone()], &[]).unwrap();
    let panels = compare(&collected.curves, &options()).unwrap();
    assert_eq!(panels.iter().map(|panel| panel.series.len()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(panels[0].x_label, "Environment steps");
    // The error names the table without an environment, not the one before it.
    let paths = [monitor.clone(), path("v0"), path("v1"), path("v0"), table.clone()];
    let message = collect(&paths, &[]).unwrap_err().to_string();
    assert!(message.contains("CartPole-v0, CartPole-v1:"), "{message}");
    assert!(message.contains("pytorch.csv: this table does not name its environment"), "{message}");
    // Tables alone.
    let collected = collect(&[table, monitor], &["A".to_owned(), "B".to_owned()]).unwrap();
    assert_eq!(names(&collected), ["A (2 runs)", "B (1 run)"]);
    let message = collect(&[path("missing.csv")], &[]).unwrap_err().to_string();
    assert!(message.contains("missing.csv"), "{message}");
}
