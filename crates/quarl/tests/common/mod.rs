//! Functions shared by several test files.
#![allow(dead_code, reason = "each file uses its part")]

use quarl::Error;
use quarl::config::{self, TrainConfig};
use quarl::train::{Event, Trainer};

/// The textbook configuration with a few keys changed.
pub(crate) fn textbook(assignments: &[&str]) -> TrainConfig {
    TrainConfig::preset("textbook").assign_all(assignments).build().unwrap()
}

/// A preset with `base` over it, as a file that sets the keys of `base` that apply, and `switches` over both.
pub(crate) fn layered(preset: &str, base: &[&str], switches: &[&str]) -> TrainConfig {
    let key = |assignment: &str| assignment.split('=').next().unwrap_or_default().to_owned();
    // Of two assignments to one key the later one counts.
    let is_last = |(i, assignment): (usize, &&'_ str)| base[i + 1..].iter().all(|later| key(later) != key(assignment));
    let mut base: Vec<&str> =
        base.iter().enumerate().filter(|each| is_last((each.0, each.1))).map(|(_, assignment)| *assignment).collect();
    loop {
        let line = |assignment: &&str| {
            let (key, value) = assignment.split_once('=').unwrap();
            format!("{key} = {}\n", config::value(value.trim()))
        };
        let file: String = base.iter().map(line).collect();
        match TrainConfig::preset(preset).file("base", &file).assign_all(switches).build() {
            Err(Error::Config { message, .. }) if message.contains(": applies only where ") => {
                let key = message.split(':').next().unwrap();
                base.retain(|assignment| !assignment.starts_with(&format!("{key}=")));
            }
            built => return built.unwrap_or_else(|error| panic!("{preset} {base:?} {switches:?}: {error}")),
        }
    }
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

/// The oracle scripts' `uniform`: numbers in [low, high) from a 32-bit hash of 1,000,000 * stream + index.
pub(crate) fn uniform(stream: u32, count: usize, low: f64, high: f64) -> Vec<f32> {
    (0..count as u32)
        .map(|i| {
            let mut x = 1_000_000 * stream + i;
            for (shift, multiplier) in [(16, 0x7feb_352d_u32), (15, 0x846c_a68b)] {
                x = (x ^ (x >> shift)).wrapping_mul(multiplier);
            }
            x ^= x >> 16;
            (low + (high - low) * (f64::from(x) / 4_294_967_296.0)) as f32
        })
        .collect()
}
