//! Moments of a recorded run: inspected, continued with other settings, and the updates within a fall.
#![cfg(feature = "files")]

mod common;

use std::fs;
use std::path::Path;

use common::layered;
use quarl::config::TrainConfig;
use quarl::run::{self, Resume, RunWriter};
use quarl::timeline::{self, Timeline};
use quarl::train::Trainer;
use quarl::{Error, StopFlag};

fn config(switches: &[&str]) -> TrainConfig {
    let short = [
        "env.id=CartPole-v1",
        "training.steps=900",
        "training.learning_starts=50",
        "training.seed=4",
        "evaluation.every_steps=100",
        "evaluation.episodes=3",
        "env.max_episode_steps=100",
        "checkpoint.every_steps=70",
        "checkpoint.keep=5",
        "optimizer.lr=0.002",
    ];
    layered("dqn", &short, switches)
}

fn train(dir: &Path, config: &TrainConfig) {
    let mut trainer = Trainer::new(config.clone()).unwrap();
    let writer = RunWriter::create(dir, false, trainer.config()).unwrap();
    finish(&mut trainer, writer);
}

fn finish(trainer: &mut Trainer, mut writer: RunWriter) {
    while let Some(event) = trainer.next() {
        writer.record(&event.unwrap(), trainer).unwrap();
    }
    writer.finish(trainer, 0.1, false).unwrap();
}

/// The evaluations at an interval: environment steps and mean return.
fn evaluations(dir: &Path) -> Vec<(u64, f64)> {
    let text = fs::read_to_string(dir.join("evaluations.csv")).unwrap();
    let rows = text.lines().skip(1).filter(|row| row.ends_with("false")).map(|row| {
        let cells: Vec<&str> = row.split(',').collect();
        (cells[1].parse().unwrap(), cells[2].parse().unwrap())
    });
    rows.collect()
}

#[test]
fn the_greedy_return_at_the_step_of_an_evaluation_is_that_of_the_evaluation() {
    let here = tempfile::tempdir().unwrap();
    let dir = here.path().join("run");
    train(&dir, &config(&[]));
    let without = here.path().join("without-checkpoints");
    train(&without, &config(&["checkpoint.every_seconds=0"]));
    let rows = evaluations(&dir);
    assert_eq!(rows.len(), 9);
    for (steps, mean_return) in rows {
        let inspection = timeline::inspect(&Timeline::open(&dir, StopFlag::default()).unwrap(), steps, 3).unwrap();
        assert_eq!((inspection.env_steps, inspection.greedy_mean), (steps, mean_return));
        let other = timeline::inspect(&Timeline::open(&without, StopFlag::default()).unwrap(), steps, 3).unwrap();
        let text = |inspection: &timeline::Inspection| {
            let mut value = serde_json::to_value(inspection).unwrap();
            value["checkpoint"] = serde_json::Value::Null;
            value.to_string()
        };
        assert_eq!(text(&inspection), text(&other), "from a checkpoint and from the start");
        assert!(other.checkpoint.is_none());
    }
}

#[test]
fn a_moment_shows_the_episode_and_the_replay_buffer_as_the_tables_have_them() {
    let here = tempfile::tempdir().unwrap();
    let dir = here.path().join("run");
    train(&dir, &config(&[]));
    let run = Timeline::open(&dir, StopFlag::default()).unwrap();
    let records = run::read_episodes(&dir).unwrap();
    let middle = &records[records.len() / 2];
    // At its last step, and five steps before.
    for (at, length) in [(middle.env_steps, middle.length), (middle.env_steps - 5, middle.length - 5)] {
        let inspection = timeline::inspect(&run, at, 1).unwrap();
        let episode = inspection.episode.unwrap();
        assert_eq!((episode.number, episode.steps.len() as u64), (middle.episode, length), "after {at} steps");
        assert_eq!(episode.steps.last().unwrap().env_steps, at - 1);
        // A reset puts every number within 0.05 of 0.
        assert!(episode.steps[0].observation.iter().all(|x| x.abs() <= 0.05));
        assert_eq!(inspection.stored as u64, at);
        let counted: usize = inspection.replay.iter().map(|group| group.transitions).sum();
        assert_eq!(counted, inspection.stored);
        // One transition of each episode that ended before its time limit has no bootstrap.
        let ends = records.iter().filter(|record| record.env_steps <= at && record.length < 100).count() as f64;
        let terminal: f64 = inspection.replay.iter().map(|group| group.terminal * group.transitions as f64).sum();
        assert!((terminal - ends).abs() < 1e-6, "{terminal} of {ends}");
    }
    assert!(matches!(timeline::inspect(&run, 901, 1), Err(Error::Unusable { .. })), "beyond its end");
    let stop = StopFlag::default();
    stop.request();
    assert!(matches!(timeline::inspect(&Timeline::open(&dir, stop).unwrap(), 500, 1), Err(Error::Stopped { .. })));
}

fn assert_same(one: &Path, other: &Path) {
    for name in ["episodes.csv", "evaluations.csv", "model.safetensors", "best.safetensors", "config.toml"] {
        let [one, other] = [one, other].map(|dir| fs::read(dir.join(name)).unwrap());
        assert!(one == other, "{name} differs");
    }
}

#[test]
fn a_fork_without_changes_is_the_same_run_and_with_changes_shares_what_came_before() {
    let here = tempfile::tempdir().unwrap();
    let (dir, same, other) = (here.path().join("run"), here.path().join("same"), here.path().join("other"));
    train(&dir, &config(&[]));
    let run = Timeline::open(&dir, StopFlag::default()).unwrap();
    for at in [0, 430, 500] {
        let (mut trainer, writer) = timeline::fork(&run, at, run.config().clone(), &same, true).unwrap();
        finish(&mut trainer, writer);
        assert_same(&dir, &same);
    }
    let slower = config(&["optimizer.lr=0.0001", "exploration.epsilon=0.5", "training.steps=700"]);
    let (mut trainer, writer) = timeline::fork(&run, 450, slower.clone(), &other, false).unwrap();
    finish(&mut trainer, writer);
    let [whole, branch] = [&dir, &other].map(|dir| run::read_episodes(dir).unwrap());
    let shared = whole.iter().filter(|record| record.env_steps <= 450).count();
    assert_eq!(whole[..shared], branch[..shared]);
    assert_ne!(whole.get(shared), branch.get(shared));
    let fork: timeline::Fork = serde_json::from_str(&fs::read_to_string(other.join("fork.json")).unwrap()).unwrap();
    assert_eq!(fork.env_steps, 450);
    assert!(fork.differences.iter().any(|difference| difference.starts_with("optimizer.lr is 0.002 there")));

    // A fork that is killed is resumed, even from its first step.
    let killed = here.path().join("killed");
    let (trainer, writer) = timeline::fork(&run, 450, slower.clone(), &killed, false).unwrap();
    drop((trainer, writer));
    let mut resume = Resume::open(&killed).unwrap();
    let mut trainer = Trainer::new(resume.config().clone()).unwrap();
    resume.restore(&mut trainer).unwrap();
    assert_eq!(resume.env_steps(), Some(450));
    let writer = resume.writer(&trainer).unwrap();
    finish(&mut trainer, writer);
    assert_same(&other, &killed);
    fs::remove_dir_all(killed.join("checkpoints")).unwrap();
    let mut resume = Resume::open(&killed).unwrap();
    let error = resume.restore(&mut Trainer::new(resume.config().clone()).unwrap()).unwrap_err().to_string();
    assert!(error.contains("branched off another run"), "{error}");
}

#[test]
fn a_fork_is_inspected_from_its_first_step_and_its_own_evaluations_are_bisected() {
    let here = tempfile::tempdir().unwrap();
    let (dir, other) = (here.path().join("run"), here.path().join("other"));
    train(&dir, &config(&[]));
    let run = Timeline::open(&dir, StopFlag::default()).unwrap();
    let (mut trainer, writer) = timeline::fork(&run, 455, config(&["optimizer.lr=0.01"]), &other, false).unwrap();
    finish(&mut trainer, writer);
    let branch = Timeline::open(&other, StopFlag::default()).unwrap();
    for at in [455, 456, 470] {
        assert_eq!(timeline::inspect(&branch, at, 1).unwrap().env_steps, at);
    }
    let error = timeline::inspect(&branch, 454, 1).unwrap_err().to_string();
    assert!(error.contains("its first 455 environment steps are those of"), "{error}");
    if let Ok(found) = timeline::bisect(&branch, Some(1), 3) {
        assert!(found.before.env_steps >= 455);
    }
}

#[test]
fn a_fork_that_does_not_fit_is_refused() {
    let here = tempfile::tempdir().unwrap();
    let (dir, out) = (here.path().join("run"), here.path().join("out"));
    train(&dir, &config(&[]));
    let run = Timeline::open(&dir, StopFlag::default()).unwrap();
    let refused = |at, switches: &[&str]| timeline::fork(&run, at, config(switches), &out, false).err().unwrap();
    assert!(refused(500, &["training.steps=500"]).to_string().contains("above the 500 environment steps"));
    assert!(matches!(refused(500, &["network.hidden=[7]"]), Error::State { .. }));
    assert!(matches!(refused(500, &["replay.capacity=100"]), Error::State { .. }));
    assert!(matches!(refused(5000, &["training.steps=6000"]), Error::Unusable { .. }));
    assert!(
        refused(500, &["network.hidden=[7]"]).to_string().contains("network.hidden is [128, 128] there and [7] here")
    );
    assert!(refused(500, &["training.seed=5"]).to_string().contains("training.seed"));
    assert!(!out.exists());
    let error = timeline::fork(&run, 500, config(&[]), &dir, true).err().unwrap();
    assert!(error.to_string().contains("is the run itself"), "{error}");
    assert_eq!(run::read_episodes(&dir).unwrap().last().unwrap().env_steps / 100, 8, "it is still there");
}

#[test]
fn scores_within_a_fall_begin_and_end_with_the_evaluations() {
    let here = tempfile::tempdir().unwrap();
    let dir = here.path().join("run");
    train(&dir, &config(&[]));
    let run = Timeline::open(&dir, StopFlag::default()).unwrap();
    let found = timeline::bisect(&run, Some(1), 3).unwrap();
    let rows = evaluations(&dir);
    let largest = rows.windows(2).map(|pair| pair[0].1 - pair[1].1).fold(f64::NEG_INFINITY, f64::max);
    assert!(largest > 0.0);
    assert_eq!(found.before.mean_return - found.after.mean_return, largest);
    let (first, last) = (found.scores.first().unwrap(), found.scores.last().unwrap());
    assert_eq!((first.score, last.score), (found.before.mean_return, found.after.mean_return));
    assert_eq!((first.env_steps, last.env_steps), (found.before.env_steps, found.after.env_steps));
    let sum: f64 = found.scores.iter().map(|scored| scored.fall).sum();
    assert!((sum - largest).abs() < 1e-9);
    for fall in &found.falls {
        let batch = fall.batch.as_ref().unwrap();
        assert!(batch.actions.iter().sum::<usize>() > 0 && batch.largest_td_error >= batch.td_error);
        assert!((0.0..=fall.env_steps as f64).contains(&batch.age));
    }
    // Every tenth update: the same scores, fewer of them.
    let coarse = timeline::bisect(&run, Some(10), 3).unwrap();
    for scored in &coarse.scores {
        assert_eq!(scored.score, found.scores[scored.update as usize].score);
    }
    let steady = here.path().join("steady");
    train(&steady, &config(&["training.steps=150"]));
    let error = timeline::bisect(&Timeline::open(&steady, StopFlag::default()).unwrap(), None, 3).err().unwrap();
    assert!(error.to_string().contains("no evaluation is below the one before it"), "{error}");
}
