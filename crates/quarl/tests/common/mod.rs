//! What several test files use.
#![allow(dead_code, reason = "each file uses its part")]

use quarl::config::{TrainConfig, layers, presets};
use quarl::train::{Event, Trainer};

/// The textbook configuration with a few keys changed.
pub(crate) fn textbook(assignments: &[&str]) -> TrainConfig {
    let mut table = presets::table("textbook", None).unwrap();
    for assignment in assignments {
        layers::overlay(&mut table, &layers::assignment(assignment).unwrap());
    }
    layers::resolve("test", table).unwrap()
}

/// An event as text that shows every bit.
pub(crate) fn text(event: &Event) -> String {
    serde_json::to_string(event).unwrap()
}

/// A run's events as text, without the steps of its evaluations, which a run resumed within one repeats.
pub(crate) fn results(trainer: &mut Trainer) -> impl Iterator<Item = String> + '_ {
    let events = trainer.map(Result::unwrap);
    events.filter(|event| !matches!(event, Event::EvaluationStep { .. })).map(|event| text(&event))
}
