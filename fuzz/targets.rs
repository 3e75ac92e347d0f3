//! What is fuzzed: every reader of files, from bytes. The fuzz targets and the replay of the corpus
//! (`crates/quarl/tests/fuzz_corpus.rs`) share these functions. Any panic is a finding.

#[path = "../crates/quarl/tests/common/checksums.rs"]
mod checksums;
#[path = "zip.rs"]
mod zip;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use quarl::checkpoint::Checkpoint;
use quarl::config::TrainConfig;
use quarl::experiment::read_comparison;
use quarl::import::stable_baselines3;
use quarl::run::{self, Contents, RunFollower};
use quarl::tune::{Space, StudyFollower, read_study};
use quarl::{Model, Policy, Trainer};

/// A model file. A model that is read can act, and is written as it was read.
pub(crate) fn model(bytes: &[u8]) {
    let Ok(model) = Model::from_bytes(bytes) else { return };
    assert_eq!(Model::from_bytes(&model.to_bytes().unwrap()).unwrap(), model);
    let mut policy = Policy::new(&model).unwrap();
    let _ = policy.act(&vec![0.5; model.architecture.inputs], None);
}

/// A configuration. One that is read is written and read again as it was.
pub(crate) fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(config) = TrainConfig::from_toml("fuzz.toml", text) else { return };
    let written = config.to_commented_toml();
    assert_eq!(TrainConfig::from_toml("written.toml", &written).unwrap(), config);
}

/// A search space.
pub(crate) fn space(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let config = TrainConfig::preset("dqn").build().unwrap();
    let Ok(space) = Space::parse("fuzz.toml", text, &config) else { return };
    let _ = Space::parse("written.toml", &space.to_toml(), &config).unwrap();
}

/// An archive of Stable-Baselines3. An agent that is read can act. Its checksums are made right, because they would hide what is behind
/// them.
pub(crate) fn archive(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    let _ = checksums::repair(&mut bytes);
    let Ok(imported) = stable_baselines3(&bytes, "CartPole-v1") else { return };
    let mut policy = Policy::new(&imported.model).unwrap();
    let _ = policy.act(&vec![0.5; imported.model.architecture.inputs], None);
}

/// An entry of an archive of Stable-Baselines3 that is intact otherwise: the settings (JSON) if it begins with a brace, else the pickle
/// of the tensors.
pub(crate) fn entry(bytes: &[u8]) {
    let [settings, pickle]: [&[u8]; 2] =
        [include_bytes!("corpus/entry/data.json"), include_bytes!("corpus/entry/data.pkl")];
    let (settings, pickle) = if bytes.starts_with(b"{") { (bytes, pickle) } else { (settings, bytes) };
    let Ok(imported) = stable_baselines3(&zip::agent(settings, pickle), "CartPole-v1") else { return };
    let mut policy = Policy::new(&imported.model).unwrap();
    let _ = policy.act(&vec![0.5; imported.model.architecture.inputs], None);
}

/// The runs whose states are fuzzed, small enough for thousands of steps in a second.
pub(crate) fn small_run(index: u8) -> TrainConfig {
    const SIZES: [&str; 9] = [
        "network.hidden=[3]",
        "replay.capacity=12",
        "agent.batch_size=4",
        "training.learning_starts=8",
        "training.steps=300",
        "training.train_frequency=4",
        "evaluation.every_steps=25",
        "evaluation.episodes=1",
        "target_network.every_steps=7",
    ];
    let (preset, own): (_, &[&str]) = match index % 3 {
        0 => ("dqn", &["env.normalize_observation=true", "env.frame_stack=2", "training.diagnostics=true"]),
        1 => ("rainbow", &["network.atoms=3", "optimizer.kind=rmsprop", "optimizer.centered=true"]),
        _ => ("dqn", &["training.num_envs=2", "exploration.kind=ez_greedy", "env.id=MountainCar-v0"]),
    };
    TrainConfig::preset(preset).assign_all(SIZES).assign_all(own).build().unwrap()
}

/// A run that was restored from a file continues.
fn continue_run(mut trainer: Trainer) {
    let events = std::iter::from_fn(|| trainer.next()).take(500);
    let _ = events.take_while(Result::is_ok).count();
}

/// A saved state of a run. The first byte chooses the run, whose configuration precedes the rest.
pub(crate) fn state(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let mut trainer = Trainer::new(small_run(*first)).unwrap();
    let state = [state_prefix(&trainer), rest.to_vec()].concat();
    if trainer.load_state(&state).is_ok() {
        continue_run(trainer);
    }
}

/// The configuration as a saved state begins with it: its length in groups of seven bits, and its text.
pub(crate) fn state_prefix(trainer: &Trainer) -> Vec<u8> {
    let text = trainer.config().to_toml();
    let (mut prefix, mut length) = (Vec::new(), text.len());
    while length >= 0x80 {
        prefix.push(length as u8 | 0x80);
        length >>= 7;
    }
    prefix.push(length as u8);
    prefix.extend(text.bytes());
    prefix
}

/// The names of the two files of the first small run's checkpoint: a segment of its replay buffer, and the rest.
pub(crate) const CHECKPOINT: [&str; 2] = ["replay-00000-000000000040.safetensors", "step-000000040.safetensors"];

/// A checkpoint, or a segment of its replay buffer, of the first small run; the other of the two files is intact. Checksums are made
/// right.
pub(crate) fn checkpoint(bytes: &[u8]) {
    let [mut main, mut segment]: [Vec<u8>; 2] = [
        include_bytes!("corpus/checkpoint/main.safetensors").into(),
        include_bytes!("corpus/checkpoint/segment.safetensors").into(),
    ];
    if bytes.windows(11).any(|window| window == b"first_place") {
        segment = bytes.to_vec();
        if let Some(checksum) = checksums::repair_checkpoint(&mut segment) {
            main = checksums::with_segment(&main, checksum);
        }
    } else {
        main = bytes.to_vec();
    }
    let _ = checksums::repair_checkpoint(&mut main);
    let dir = Scratch::new();
    fs::write(dir.0.join(CHECKPOINT[1]), main).unwrap();
    fs::write(dir.0.join(CHECKPOINT[0]), segment).unwrap();
    let Ok(checkpoint) = Checkpoint::load(&dir.0.join(CHECKPOINT[1])) else { return };
    let _ = checkpoint.config();
    let mut trainer = Trainer::new(small_run(0)).unwrap();
    if trainer.restore(&checkpoint).is_ok() {
        continue_run(trainer);
    }
}

/// A directory that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("quarl-fuzz-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The answers of a worker process: to its start, a reset, two steps, a request for a picture and one to save.
#[cfg(unix)]
pub(crate) fn worker(bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;

    use quarl::env::{self, MakeOptions};

    let dir = Scratch::new();
    let (python, answers) = (dir.0.join("python"), dir.0.join("answers"));
    fs::write(&answers, bytes).unwrap();
    fs::write(&python, format!("#!/bin/sh\nexec cat '{}'\n", answers.display())).unwrap();
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    let builder = TrainConfig::preset("robust").set("env.id", "gym:Fake-v0").set("training.steps", 1000);
    let config = builder.set("env.gym.python", python.to_str().unwrap()).build().unwrap();
    let options = MakeOptions { rendering: true, ..MakeOptions::default() };
    let Ok(mut env) = env::make_configured(&config.env, &options) else { return };
    let mut observation = vec![0.0; env.spec().observation_space.len()];
    let Ok(()) = env.reset(Some(0), &mut observation) else { return };
    for _ in 0..2 {
        let _ = env.step(0, &mut observation);
    }
    if let Ok(Some(scene)) = env.scene() {
        let _ = quarl::render::pixels::rasterize(&scene, 8, 8);
    }
    let _ = env.save_state().map(|state| env.load_state(&state));
}

/// The journal of a study, which is read, summarised and drawn.
pub(crate) fn journal(bytes: &[u8]) {
    let dir = Scratch::new();
    fs::write(dir.0.join("journal.jsonl"), bytes).unwrap();
    let mut followed = StudyFollower::new(&dir.0);
    let _ = followed.poll();
    assert!(followed.share().is_finite());
    if let Ok(Some(results)) = read_study(&dir.0) {
        let _ = results.progress().to_svg();
        let _ = results.parallel_coordinates().to_svg();
        let _ = results.importance().map(|chart| chart.to_svg());
        let _ = results.best_config();
    }
}

/// The files of runs, comparisons and studies. The first byte chooses the file.
pub(crate) fn results(bytes: &[u8]) {
    const FILES: [&str; 7] = [
        "episodes.csv",
        "evaluations.csv",
        "diagnostics.csv",
        "summary.json",
        "config.toml",
        "comparison.json",
        "journal.jsonl",
    ];
    let Some((first, rest)) = bytes.split_first() else { return };
    let scratch = Scratch::new();
    let dir = &scratch.0;
    let config = TrainConfig::preset("textbook").build().unwrap();
    fs::write(dir.join("config.toml"), config.to_commented_toml()).unwrap();
    fs::write(dir.join("episodes.csv"), "episode,env_steps,return,length,epsilon,mean_loss,mean_q\n").unwrap();
    fs::write(dir.join(FILES[usize::from(*first) % FILES.len()]), rest).unwrap();
    let _ = run::status(dir);
    let _ = RunFollower::new(dir).poll();
    let _ = Contents::of(dir);
    if let Ok(figure) = run::figure(dir) {
        let _ = figure.to_svg();
    }
    let _ = read_comparison(dir);
    let _ = read_study(dir);
}
