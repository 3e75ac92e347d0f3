//! Evaluations at an interval select the best model and may stop a run. They never change training, and the closing
//! evaluation has other initial observations.
#![cfg(feature = "files")]

mod common;

use common::layered;
use quarl::config::TrainConfig;
use quarl::run::{self, RunWriter, Status};
use quarl::train::{Evaluation, Event, Trainer};

fn config(settings: &[&str]) -> TrainConfig {
    let short = [
        "training.steps=3000",
        "training.learning_starts=100",
        "evaluation.every_steps=250",
        "evaluation.episodes=3",
        "network.hidden=[16]",
        "training.seed=5",
    ];
    layered("dqn", &short, settings)
}

/// The events of training, and the evaluations.
fn events(trainer: &mut Trainer) -> (Vec<Event>, Vec<Evaluation>) {
    let (mut training, mut evaluations) = (Vec::new(), Vec::new());
    for event in trainer {
        match event.unwrap() {
            Event::EvaluationStep { .. } => {}
            Event::Evaluation(evaluation) => evaluations.push(evaluation),
            event => training.push(event),
        }
    }
    (training, evaluations)
}

fn train(settings: &[&str]) -> (Vec<Event>, Vec<Evaluation>, Trainer) {
    let mut trainer = Trainer::new(config(settings)).unwrap();
    let (training, evaluations) = events(&mut trainer);
    (training, evaluations, trainer)
}

#[test]
fn evaluations_never_change_training() {
    let (with, evaluations, trainer) = train(&[]);
    assert_eq!(evaluations.len(), 3000 / 250 + 1);
    let mut config = config(&[]);
    config.evaluation.every_steps = None;
    let mut without = Trainer::new(config).unwrap();
    let (training, closing) = events(&mut without);
    assert_eq!(with, training);
    assert_eq!(trainer.agent().parameters(), without.agent().parameters());
    // The closing evaluation is the same, whatever was evaluated before, except that the only evaluation is also the best.
    let [only] = &closing[..] else { panic!("{closing:?}") };
    assert!(only.closing && only.best && !evaluations[12].best);
    assert_eq!(only.returns, evaluations[12].returns);
}

#[test]
fn the_closing_evaluation_has_other_initial_observations() {
    let (_, evaluations, _) = train(&[]);
    let [.., periodic, closing] = &evaluations[..] else { panic!("{evaluations:?}") };
    assert!(!periodic.closing && closing.closing && periodic.env_steps == closing.env_steps);
    assert_ne!(periodic.returns, closing.returns, "the same agent on other starts");
}

#[test]
fn a_run_stops_at_the_first_evaluation_that_reaches_the_return() {
    let (whole, evaluations, _) = train(&[]);
    let periodic = &evaluations[..12];
    let highest = periodic.iter().map(|evaluation| evaluation.mean_return).fold(f64::MIN, f64::max);
    let first = periodic.iter().position(|evaluation| evaluation.mean_return == highest).unwrap();
    let stop_at = format!("evaluation.stop_at={highest:?}");
    let (training, stopped, trainer) = train(&[&stop_at]);
    assert_eq!(stopped[..stopped.len() - 1], periodic[..=first]);
    assert_eq!(training[..], whole[..training.len()], "training is the same until then");
    assert_eq!(trainer.env_steps(), periodic[first].env_steps);
    assert!(trainer.is_finished() && stopped[first + 1].closing && !stopped[first + 1].best);
    assert!(trainer.stopped_early().unwrap().contains("evaluation.stop_at"), "{:?}", trainer.stopped_early());
    let (_, all, trainer) = train(&["evaluation.stop_at=501"]);
    assert!(all == evaluations && trainer.stopped_early().is_none(), "nothing reaches 501");
}

#[test]
fn a_run_stops_after_evaluations_without_improvement() {
    let (whole, evaluations, _) = train(&[]);
    for patience in 1..=3 {
        // The rule, applied to the evaluations of the whole run.
        let (mut best, mut waited, mut expected) = (f64::MIN, 0, None);
        for (i, evaluation) in evaluations[..11].iter().enumerate() {
            waited = if evaluation.mean_return > best { 0 } else { waited + 1 };
            best = best.max(evaluation.mean_return);
            expected = expected.or((waited >= patience).then_some(i));
        }
        let (training, stopped, trainer) = train(&[&format!("evaluation.patience={patience}")]);
        let expected = expected.expect("an agent of 3000 steps has setbacks");
        assert_eq!(stopped.len(), expected + 2, "patience {patience}");
        assert_eq!(training[..], whole[..training.len()]);
        assert!(trainer.stopped_early().unwrap().contains("evaluation.patience"));
    }
}

#[test]
fn the_count_of_evaluations_without_improvement_is_saved() {
    let (_, evaluations, _) = train(&["evaluation.patience=2"]);
    let mut trainer = Trainer::new(config(&["evaluation.patience=2"])).unwrap();
    let mut resumed = Vec::new();
    while let Some(event) = trainer.next() {
        if let Event::Evaluation(evaluation) = event.unwrap() {
            resumed.push(evaluation);
            let state = trainer.save_state().unwrap();
            trainer = Trainer::new(config(&["evaluation.patience=2"])).unwrap();
            trainer.load_state(&state).unwrap();
        }
    }
    assert_eq!(resumed, evaluations);
}

#[test]
fn a_run_that_stopped_early_is_complete() {
    let directory = tempfile::tempdir().unwrap();
    for (budget, name) in [("training.steps=3000", "steps"), ("training.episodes=300", "episodes")] {
        let dir = directory.path().join(name);
        let mut config = config(&["evaluation.patience=1"]);
        (config.training.steps, config.training.episodes) = (None, None);
        match budget {
            "training.steps=3000" => config.training.steps = Some(3000),
            _ => config.training.episodes = Some(300),
        }
        let mut writer = RunWriter::create(&dir, false, &config).unwrap();
        let mut trainer = Trainer::new(config).unwrap();
        while let Some(event) = trainer.next() {
            writer.record(&event.unwrap(), &trainer).unwrap();
        }
        writer.finish(&trainer, 1.0, false).unwrap();
        let Status::Complete(summary) = run::status(&dir).unwrap() else { panic!("{budget}") };
        assert!(summary.stopped_early.is_some() && summary.env_steps < 3000 && !summary.interrupted, "{summary:?}");
        assert!(summary.greedy_mean.is_some() && summary.best_mean.is_some());
    }
}

#[test]
fn stopping_early_needs_an_interval() {
    for (key, value) in [("stop_at", "475.0"), ("patience", "3")] {
        let text = config(&[])
            .to_toml()
            .replace("[evaluation]\nevery_steps = 250\n", &format!("[evaluation]\n{key} = {value}\n"));
        let message = TrainConfig::from_toml("own.toml", &text).unwrap_err().to_string();
        assert!(message.contains(key) && message.contains("evaluation.every_steps"), "{message}");
    }
}
