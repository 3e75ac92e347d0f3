//! Measures how long a checkpoint stops training: a full replay buffer of 1,000,000 CartPole transitions, 10,000 of them new, with
//! uniform and with prioritised sampling; and beside it what one new checkpoint a minute takes from training.
//!
//! ```text
//! cargo run --release --package quarl --example checkpoint_cost
//! ```

use std::time::{Duration, Instant};

use quarl::checkpoint::Checkpoints;
use quarl::{Error, TrainConfig, Trainer};

const CAPACITY: u64 = 1_000_000;
const NEW: u64 = 10_000;
const ROUNDS: usize = 15;

fn main() -> Result<(), Error> {
    for kind in ["uniform", "prioritized"] {
        let directory = tempfile::tempdir().map_err(Error::io("create", "a temporary directory"))?;
        // Without updates: only the buffer matters here.
        let config = TrainConfig::preset("dqn")
            .set("env.id", "CartPole-v1")
            .set("replay.kind", kind)
            .set("replay.capacity", CAPACITY as i64)
            .set("training.steps", 2 * CAPACITY as i64)
            .set("training.learning_starts", 2 * CAPACITY as i64 - 1)
            .build()?;
        let mut trainer = Trainer::new(config)?;
        let mut checkpoints = Checkpoints::new(directory.path().join("checkpoints"), 2);
        trainer.run_to(CAPACITY, |_, _| Ok(()))?;
        let save = |checkpoints: &mut Checkpoints, trainer: &Trainer| -> Result<Duration, Error> {
            let started = Instant::now();
            checkpoints.save(trainer)?;
            Ok(started.elapsed())
        };
        let first = save(&mut checkpoints, &trainer)?;
        let mut pauses = Vec::new();
        for round in 1..=ROUNDS as u64 {
            trainer.run_to(CAPACITY + round * NEW, |_, _| Ok(()))?;
            pauses.push(save(&mut checkpoints, &trainer)?);
        }
        pauses.sort();
        let milliseconds = |duration: Duration| 1e3 * duration.as_secs_f64();
        let median = milliseconds(pauses[ROUNDS / 2]);
        println!(
            "{kind:<12} first {:7.1} ms; {NEW} of {CAPACITY} transitions new: median {median:.1} ms, {:.1} to {:.1} ms; one a \
             minute is {:.3}% of training",
            milliseconds(first),
            milliseconds(pauses[0]),
            milliseconds(pauses[ROUNDS - 1]),
            median / 600.0
        );
    }
    Ok(())
}
