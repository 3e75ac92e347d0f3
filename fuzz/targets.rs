//! What is fuzzed: every reader of files, from bytes. The fuzz targets and the replay of the corpus
//! (`crates/quarl/tests/fuzz_corpus.rs`) share these functions. Any panic is a finding.

#[path = "../crates/quarl/tests/common/checksums.rs"]
mod checksums;

use std::path::PathBuf;

use quarl::config::TrainConfig;
use quarl::experiment::read_comparison;
use quarl::import::stable_baselines3;
use quarl::run::{self, Contents, RunFollower};
use quarl::tune::{Space, read_study};
use quarl::{Model, Policy};

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
    let dir: PathBuf = std::env::temp_dir().join(format!("quarl-fuzz-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let config = TrainConfig::preset("textbook").build().unwrap();
    std::fs::write(dir.join("config.toml"), config.to_commented_toml()).unwrap();
    std::fs::write(dir.join("episodes.csv"), "episode,env_steps,return,length,epsilon,mean_loss,mean_q\n").unwrap();
    std::fs::write(dir.join(FILES[usize::from(*first) % FILES.len()]), rest).unwrap();
    let _ = run::status(&dir);
    let _ = RunFollower::new(&dir).poll();
    let _ = Contents::of(&dir);
    if let Ok(figure) = run::figure(&dir) {
        let _ = figure.to_svg();
    }
    let _ = read_comparison(&dir);
    let _ = read_study(&dir);
    let _ = std::fs::remove_dir_all(&dir);
}
