//! A run that is killed and resumed again and again equals an uninterrupted one, byte for byte.
#![cfg(feature = "files")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::layered;
use quarl::Error;
use quarl::checkpoint::{self, Checkpoint, Checkpoints};
use quarl::config::{TrainConfig, presets};
use quarl::env::{CartPole, Environment, EnvironmentSpec, Step, classic_control::ClassicControl};
use quarl::render::Scene;
use quarl::rng::Rng;
use quarl::run::{CHECKPOINTS, Resume, RunWriter, Status, status};
use quarl::train::{Event, Trainer};

/// The files of a run that do not contain times.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let names = entries.filter(|path| path.is_file() && !path.ends_with("summary.json"));
    names.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap())).collect()
}

/// Asserts that two runs have the same files.
#[track_caller]
fn assert_same(one: &Path, other: &Path, what: &str) {
    let (one, other) = (files(one), files(other));
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>(), "{what}");
    for (name, bytes) in &one {
        assert!(*bytes == other[name], "{what}: {name} differs");
    }
}

/// Trains until the run ends or `events` events have been written. Returns whether it has ended.
fn train(trainer: &mut Trainer, writer: &mut RunWriter, events: usize) -> bool {
    for _ in 0..events {
        match trainer.next() {
            Some(event) => writer.record(&event.unwrap(), trainer).unwrap(),
            None => {
                writer.finish(trainer, 0.5, false).unwrap();
                return true;
            }
        }
    }
    false
}

fn uninterrupted(dir: &Path, mut trainer: Trainer) {
    let mut writer = RunWriter::create(dir, false, trainer.config()).unwrap();
    assert!(train(&mut trainer, &mut writer, usize::MAX));
}

/// Trains a run that loses its process after a random number of events, and is resumed, until it ends. Returns the number of
/// interruptions after which it continued from a checkpoint. `events` is more than an evaluation has, or the run would not end.
fn killed(dir: &Path, build: &dyn Fn() -> Trainer, rng: &mut Rng, events: usize) -> usize {
    let mut trainer = build();
    let mut writer = RunWriter::create(dir, false, trainer.config()).unwrap();
    let mut resumed = 0;
    // Dropped without a word to either, as by a process that is killed.
    while !train(&mut trainer, &mut writer, 1 + rng.below(events)) {
        drop((trainer, writer));
        let mut resume = Resume::open(dir).unwrap();
        trainer = build();
        resume.restore(&mut trainer).unwrap();
        assert!(resume.skipped().is_empty(), "{:?}", resume.skipped());
        resumed += usize::from(resume.env_steps().is_some());
        writer = resume.writer(&trainer).unwrap();
    }
    resumed
}

fn config(preset: &str, switches: &[&str]) -> TrainConfig {
    let short = [
        "env.id=CartPole-v1",
        "training.steps=400",
        "training.learning_starts=50",
        "training.seed=5",
        "evaluation.every_steps=130",
        "evaluation.episodes=2",
        "env.max_episode_steps=90",
        "checkpoint.every_steps=37",
    ];
    layered(preset, &short, switches)
}

#[test]
fn every_preset_killed_again_and_again_gives_the_bytes_of_an_uninterrupted_run() {
    let here = tempfile::tempdir().unwrap();
    let mut rng = Rng::from_seed(1);
    let presets = presets::list().map(|(name, _)| (name, vec![]));
    let switched = [
        ("dqn", vec!["env.id=MountainCar-v0"]),
        ("dqn", vec!["env.id=Acrobot-v1", "training.diagnostics=true"]),
        ("dqn", vec!["training.num_envs=3", "agent.n_step=3"]),
        ("dqn", vec!["env.normalize_observation=true", "training.num_envs=2"]),
        ("dqn", vec!["env.frame_stack=2", "env.reward_scale=0.5", "agent.n_step=4"]),
        ("dqn", vec!["replay.kind=none", "agent.n_step=2"]),
        ("dqn", vec!["replay.capacity=64", "training.gradient_steps=2"]),
        ("per", vec!["replay.capacity=100"]),
        ("dqn", vec!["exploration.kind=ez_greedy"]),
        ("dqn", vec!["network.weight_norm=true"]),
        ("dqn", vec!["optimizer.kind=rmsprop"]),
        ("dqn", vec!["optimizer.kind=sgd"]),
        ("dqn", vec!["target_network.kind=soft", "target_network.tau=0.01"]),
        ("dqn", vec!["target_network.kind=none"]),
        ("dqn", vec!["evaluation.patience=2"]),
    ];
    let mut resumed = 0;
    for (number, (preset, switches)) in presets.chain(switched).enumerate() {
        let config = config(preset, &switches);
        let (whole, killed_dir) = (here.path().join(format!("{number}")), here.path().join(format!("{number}-killed")));
        uninterrupted(&whole, Trainer::new(config.clone()).unwrap());
        resumed += killed(&killed_dir, &|| Trainer::new(config.clone()).unwrap(), &mut rng, 500);
        assert_same(&whole, &killed_dir, &format!("{preset} {switches:?}"));
        let kept = checkpoint::list(&killed_dir.join(CHECKPOINTS)).unwrap();
        assert!((1..=3).contains(&kept.len()), "the last two and the best: {kept:?}");
        assert!(matches!(status(&killed_dir).unwrap(), Status::Complete(_)));
    }
    assert!(resumed > 50, "{resumed} interruptions");
}

#[test]
fn a_finished_run_that_is_trained_longer_equals_one_that_was_planned_longer() {
    let here = tempfile::tempdir().unwrap();
    // An evaluation at an interval is due at the end of the shorter run, or not.
    for (number, interval) in ["evaluation.every_steps=130", "evaluation.every_steps=100"].into_iter().enumerate() {
        let switches =
            |steps: &'static str| config("dqn", &[interval, steps, "exploration.epsilon=0.1", "optimizer.lr=0.001"]);
        let (short, long) = (switches("training.steps=300"), switches("training.steps=500"));
        let (planned, extended) = (here.path().join(format!("planned{number}")), here.path().join(format!("{number}")));
        uninterrupted(&planned, Trainer::new(long.clone()).unwrap());
        uninterrupted(&extended, Trainer::new(short).unwrap());

        let mut resume = Resume::open(&extended).unwrap();
        let mut trainer = Trainer::new(long).unwrap();
        resume.restore(&mut trainer).unwrap();
        assert_eq!(resume.env_steps(), Some(300), "the last checkpoint is that before the closing evaluation");
        assert_eq!(resume.schedule_note(&trainer), None);
        let mut writer = resume.writer(&trainer).unwrap();
        assert!(train(&mut trainer, &mut writer, usize::MAX));
        drop(writer);
        assert_same(&planned, &extended, interval);
    }
}

#[test]
fn a_budget_that_is_used_up_and_other_settings_are_refused_and_nothing_is_changed() {
    let here = tempfile::tempdir().unwrap();
    let dir = here.path().join("run");
    uninterrupted(&dir, Trainer::new(config("dqn", &[])).unwrap());
    let before = files(&dir);
    let refused = |switches: &[&str]| {
        let mut resume = Resume::open(&dir).unwrap();
        resume.restore(&mut Trainer::new(config("dqn", switches)).unwrap()).unwrap_err().to_string()
    };
    assert!(refused(&["training.steps=399"]).contains("has 400 environment steps already"));
    assert!(refused(&["agent.gamma=0.5"]).contains("agent.gamma is 0.99 there and 0.5 here"));
    let resume = Resume::open(&dir).unwrap();
    assert!(matches!(Resume::open(&dir), Err(Error::Locked { .. })), "one process at a time");
    drop(resume);
    assert_eq!(files(&dir), before);
    assert!(matches!(Resume::open(here.path()), Err(Error::Occupied { .. })));
    assert!(matches!(Resume::open(&here.path().join("absent")), Err(Error::Occupied { .. })));
    // Schedules that end with the budget.
    let resume = Resume::open(&dir).unwrap();
    let linear = "exploration.epsilon={ kind = \"linear\", from = 1.0, to = 0.1, steps = 100 }";
    let longer = Trainer::new(config("dqn", &["training.steps=500", linear])).unwrap();
    assert!(resume.schedule_note(&longer).unwrap().contains("exploration.epsilon"));
}

#[test]
fn damaged_checkpoints_are_passed_over_and_without_any_the_run_begins_again() {
    let here = tempfile::tempdir().unwrap();
    let (whole, dir) = (here.path().join("whole"), here.path().join("damaged"));
    let build = || Trainer::new(config("per", &[])).unwrap();
    uninterrupted(&whole, build());
    type Damage = fn(&Path, &[PathBuf]);
    let damages: [(&str, Damage, usize); 5] = [
        ("the latest is cut short", |_, all| cut(&all[all.len() - 1]), 1),
        ("every one is empty", |_, all| all.iter().for_each(|path| fs::write(path, "").unwrap()), usize::MAX),
        (
            "the segments are gone",
            |dir, _| segments(dir).iter().for_each(|path| fs::remove_file(path).unwrap()),
            usize::MAX,
        ),
        ("the segments are cut short", |dir, _| segments(dir).iter().for_each(|path| cut(path)), usize::MAX),
        ("a table is shorter", |dir, _| fs::write(dir.join("episodes.csv"), "episode").unwrap(), usize::MAX),
    ];
    for (what, damage, skipped) in damages {
        let mut trainer = build();
        let mut writer = RunWriter::create(&dir, true, trainer.config()).unwrap();
        assert!(!train(&mut trainer, &mut writer, 900));
        drop((trainer, writer));
        let all: Vec<PathBuf> =
            checkpoint::list(&dir.join(CHECKPOINTS)).unwrap().into_iter().map(|(_, path)| path).collect();
        assert!(all.len() >= 2);
        damage(&dir, &all);
        let (mut resume, mut trainer) = (Resume::open(&dir).unwrap(), build());
        resume.restore(&mut trainer).unwrap();
        assert_eq!(resume.skipped().len(), skipped.min(all.len()), "{what}: {:?}", resume.skipped());
        assert_eq!(resume.env_steps().is_some(), skipped == 1, "{what}");
        let mut writer = resume.writer(&trainer).unwrap();
        assert!(train(&mut trainer, &mut writer, usize::MAX));
        drop(writer);
        assert_same(&whole, &dir, what);
    }
}

fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join(CHECKPOINTS)).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("replay-")).collect()
}

#[test]
fn a_checkpoint_shares_the_replay_segments_that_have_not_changed() {
    let here = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::new(config("dqn", &["training.steps=40000", "training.learning_starts=39000"])).unwrap();
    let mut step = |until: u64| {
        while trainer.env_steps() < until {
            trainer.next().transpose().unwrap();
        }
        Checkpoint::load(&Checkpoint::save(&trainer, here.path()).unwrap()).unwrap()
    };
    let names = || {
        let names = fs::read_dir(here.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("replay-")).collect::<std::collections::BTreeSet<_>>()
    };
    step(20_000);
    let first = names();
    let later = step(20_100);
    let second = names();
    assert!(first.len() >= 3 && second.len() == first.len() + 1, "{first:?}, then {second:?}");
    assert_eq!((later.env_steps(), later.config().unwrap().training.seed), (20_100, 5));
    assert_eq!(Trainer::resume(&later).unwrap().save_state().unwrap(), trainer.save_state().unwrap());
}

#[test]
fn segments_that_somebody_has_removed_are_written_again() {
    let here = tempfile::tempdir().unwrap();
    let dir = here.path().join("checkpoints");
    let mut trainer = Trainer::new(config("dqn", &[])).unwrap();
    let mut checkpoints = Checkpoints::new(dir.clone(), 2);
    trainer.run_to(100, |_, _| Ok(())).unwrap();
    checkpoints.save(&trainer).unwrap();
    fs::remove_dir_all(&dir).unwrap();
    // Not changed since.
    checkpoints.save(&trainer).unwrap();
    let latest = Checkpoint::load(&checkpoint::list(&dir).unwrap().pop().unwrap().1).unwrap();
    assert_eq!(Trainer::resume(&latest).unwrap().save_state().unwrap(), trainer.save_state().unwrap());
    fs::remove_dir_all(here.path()).unwrap();
    assert!(matches!(checkpoints.save(&trainer), Err(Error::Io { .. })), "the directory above is not created");
}

#[test]
fn a_run_that_begins_again_is_never_without_its_configuration_and_its_initial_model() {
    let here = tempfile::tempdir().unwrap();
    let dir = here.path().join("run");
    let config = config("dqn", &["checkpoint.every_seconds=0"]);
    let mut trainer = Trainer::new(config.clone()).unwrap();
    let model = trainer.model();
    let mut writer = RunWriter::create_with_initial_model(&dir, false, trainer.config(), model.clone()).unwrap();
    assert!(!train(&mut trainer, &mut writer, 600));
    drop(writer);
    // Removing this table fails, as if the process had been killed there.
    fs::remove_file(dir.join("evaluations.csv")).unwrap();
    fs::create_dir(dir.join("evaluations.csv")).unwrap();
    let (mut resume, mut trainer) = (Resume::open(&dir).unwrap(), Trainer::new(config.clone()).unwrap());
    resume.restore(&mut trainer).unwrap();
    assert_eq!(resume.env_steps(), None);
    assert!(resume.writer(&trainer).is_err());
    fs::remove_dir(dir.join("evaluations.csv")).unwrap();
    let resume = Resume::open(&dir).unwrap();
    assert_eq!(resume.initial_model(), Some(&model));
    assert!(resume.config().fixed_differences(trainer.config()).is_empty());
}

#[test]
fn a_changed_configuration_and_a_budget_below_the_checkpoint_are_refused_and_nothing_is_lost() {
    let here = tempfile::tempdir().unwrap();
    let dir = here.path().join("run");
    let mut trainer = Trainer::new(config("dqn", &[])).unwrap();
    let mut writer = RunWriter::create(&dir, false, trainer.config()).unwrap();
    assert!(!train(&mut trainer, &mut writer, 700));
    let saved = writer.last_checkpoint().unwrap();
    drop(writer);
    let steps = format!("training.steps={}", saved - 1);
    let mut resume = Resume::open(&dir).unwrap();
    let error = resume.restore(&mut Trainer::new(config("dqn", &[&steps])).unwrap()).unwrap_err().to_string();
    assert!(error.contains(" environment steps already"), "{error}");
    drop(resume);
    let text = fs::read_to_string(dir.join("config.toml")).unwrap();
    fs::write(dir.join("config.toml"), text.replace("gamma = 0.99", "gamma = 0.98")).unwrap();
    let before = files(&dir);
    let mut resume = Resume::open(&dir).unwrap();
    let edited = Trainer::new(resume.config().clone()).unwrap();
    let error = { resume.restore(&mut { edited }).unwrap_err().to_string() };
    assert!(error.contains("agent.gamma is 0.99 there and 0.98 here"), "{error}");
    drop(resume);
    assert_eq!(files(&dir), before);
}

/// CartPole that can be saved only between episodes, and whose random state cannot be restored.
struct BetweenEpisodes(ClassicControl<CartPole>);

impl Environment for BetweenEpisodes {
    fn spec(&self) -> &EnvironmentSpec {
        self.0.spec()
    }

    fn reset(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), Error> {
        self.0.reset(seed, observation)
    }

    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, Error> {
        self.0.step(action, observation)
    }

    fn scene(&mut self) -> Result<Option<Scene>, Error> {
        self.0.scene()
    }

    fn saves_within_episodes(&self) -> bool {
        false
    }

    fn saves_random_state(&self) -> bool {
        false
    }

    fn save_state(&self) -> Result<Vec<u8>, Error> {
        Ok(Vec::new())
    }

    fn load_state(&mut self, _: &[u8]) -> Result<(), Error> {
        self.0 = ClassicControl::new();
        Ok(())
    }
}

fn between_episodes(num_envs: &str) -> Trainer {
    let limits = ["env.max_episode_steps=\"environment\"", "evaluation.max_episode_steps=90"];
    let config = config("dqn", &[&limits[..], &["training.steps=1500", num_envs]].concat());
    Trainer::builder(config).environment(|_| Ok(BetweenEpisodes(ClassicControl::new()))).build().unwrap()
}

#[test]
fn an_environment_that_is_saved_between_episodes_only_gives_the_same_bytes() {
    let here = tempfile::tempdir().unwrap();
    let (whole, dir) = (here.path().join("whole"), here.path().join("killed"));
    let build = || between_episodes("training.num_envs=1");
    uninterrupted(&whole, build());
    assert!(killed(&dir, &build, &mut Rng::from_seed(2), 2000) > 0);
    assert_same(&whole, &dir, "saved between episodes");
}

#[test]
fn several_such_environments_start_new_episodes_and_the_run_says_so() {
    let here = tempfile::tempdir().unwrap();
    let dir = here.path().join("killed");
    let build = || between_episodes("training.num_envs=3");
    assert!(killed(&dir, &build, &mut Rng::from_seed(3), 2000) > 0);
    let Status::Complete(summary) = status(&dir).unwrap() else { panic!("the run is complete") };
    let warning = summary.warnings.iter().find(|warning| warning.contains("differ from those of an uninterrupted run"));
    assert!(warning.is_some(), "{:?}", summary.warnings);
}

#[test]
fn the_event_of_a_warning_follows_a_restored_checkpoint() {
    let mut trainer = between_episodes("training.num_envs=2");
    while trainer.env_steps() < 100 || !trainer.can_be_saved() {
        trainer.next().transpose().unwrap();
    }
    let state = trainer.save_state().unwrap();
    let mut restored = between_episodes("training.num_envs=2");
    restored.load_state(&state).unwrap();
    assert!(matches!(restored.next(), Some(Ok(Event::Warning { .. }))));
    (&mut restored).for_each(|event| drop(event.unwrap()));
    assert_eq!(restored.env_steps(), 1500);
}
