//! Settings as users write them, and the errors where they cannot be used.

mod documents;
mod layers;
mod support;
mod values;

use super::{ConfigBuilder, TrainConfig};

fn textbook(assignments: &[&str]) -> ConfigBuilder {
    TrainConfig::preset("textbook").assign_all(assignments)
}

fn config(assignments: &[&str]) -> TrainConfig {
    textbook(assignments).build().unwrap()
}

fn message(assignments: &[&str]) -> String {
    textbook(assignments).build().unwrap_err().to_string()
}

#[track_caller]
fn refused(assignments: &[&str], expected: &str) {
    let message = message(assignments);
    assert!(message.starts_with(expected), "{assignments:?}: {message}");
}
