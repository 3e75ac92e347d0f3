//! What a configuration must satisfy beyond its types; every message says what to change.

use super::TrainConfig;
use crate::error::Error;
use crate::schedule::{Changing, Schedule};

/// More units, transitions or items than this are a typing mistake, and would only end in a lack of memory.
const LARGEST_LAYER: usize = 1 << 16;
const LARGEST_BATCH: usize = 1 << 20;
const LARGEST_CAPACITY: usize = u32::MAX as usize;
const LONGEST_RETURN: usize = 10_000;
const MOST_ENVIRONMENTS: usize = 1024;
/// Seeds are written to TOML, whose integers are signed.
const LARGEST_SEED: u64 = i64::MAX as u64;

impl TrainConfig {
    /// Whether training can start from this configuration.
    ///
    /// # Errors
    /// [`Error::InvalidValue`], naming the first key that cannot be used and what to do.
    pub fn validate(&self) -> Result<(), Error> {
        let Self { env, network, replay, agent, target_network, exploration, optimizer, training, evaluation } = self;

        check(env.timeout_seconds != Some(0), "env.timeout_seconds", 0, "choose 1 second or more")?;
        if !env.id.starts_with("gym:") {
            for (key, given) in [
                ("env.python", env.python.is_some()),
                ("env.imports", !env.imports.is_empty()),
                ("env.timeout_seconds", env.timeout_seconds.is_some()),
                ("env.args", !env.args.is_empty()),
            ] {
                let remedy = format!("{} is built in: use it with gym:{}, or leave it out", env.id, env.id);
                check(!given, key, "(set)", &remedy)?;
            }
        }

        for units in &network.hidden {
            let shown = format!("{:?}", network.hidden);
            check(
                (1..=LARGEST_LAYER).contains(units),
                "network.hidden",
                shown,
                "every layer needs from 1 to 65536 units",
            )?;
        }
        let capacity = replay.capacity;
        check(
            (1..=LARGEST_CAPACITY).contains(&capacity),
            "replay.capacity",
            capacity,
            "choose from 1 to 4294967295 transitions",
        )?;

        check((0.0..=1.0).contains(&agent.gamma), "agent.gamma", agent.gamma, "choose from 0 to 1")?;
        check(
            (1..=LONGEST_RETURN).contains(&agent.n_step),
            "agent.n_step",
            agent.n_step,
            "choose from 1 to 10000 steps",
        )?;
        let batch_size = agent.batch_size;
        check(
            (1..=LARGEST_BATCH).contains(&batch_size),
            "agent.batch_size",
            batch_size,
            "choose from 1 to 1048576 transitions",
        )?;
        check(
            batch_size <= capacity,
            "agent.batch_size",
            batch_size,
            &format!("larger than replay.capacity = {capacity}: lower one or raise the other"),
        )?;

        exactly_one(
            ("target_network.every_episodes", target_network.every_episodes),
            ("target_network.every_steps", target_network.every_steps),
        )?;
        let tau = target_network.tau;
        check(tau > 0.0 && tau <= 1.0, "target_network.tau", tau, "choose above 0 and at most 1 (1 copies)")?;

        check_schedule("exploration.epsilon", &exploration.epsilon, "choose from 0 to 1", |x| {
            (0.0..=1.0).contains(&x)
        })?;
        check_schedule("optimizer.lr", &optimizer.lr, "choose a finite number, 0 or above", |x| {
            x >= 0.0 && x.is_finite()
        })?;
        for (key, beta) in [("optimizer.beta1", optimizer.beta1), ("optimizer.beta2", optimizer.beta2)] {
            check((0.0..1.0).contains(&beta), key, beta, "choose from 0 to below 1")?;
        }
        let eps = optimizer.eps;
        // Adam takes second moments below 1e-30 for zero: a smaller eps would then divide by next to nothing.
        check(eps.is_finite() && eps >= 1e-12, "optimizer.eps", eps, "choose a number from 1e-12 on (1e-8 is usual)")?;
        if let Some(norm) = optimizer.max_grad_norm {
            check(
                norm > 0.0 && norm.is_finite(),
                "optimizer.max_grad_norm",
                norm,
                "choose a number above 0, or remove it for no clipping",
            )?;
        }

        check(training.seed <= LARGEST_SEED, "training.seed", training.seed, "choose below 9223372036854775808")?;
        check(
            (1..=MOST_ENVIRONMENTS).contains(&training.num_envs),
            "training.num_envs",
            training.num_envs,
            "choose from 1 to 1024",
        )?;
        exactly_one(("training.episodes", training.episodes), ("training.steps", training.steps))?;
        for (key, value) in [
            ("training.train_frequency", training.train_frequency),
            ("training.gradient_steps", training.gradient_steps),
        ] {
            check(value > 0, key, value, "choose 1 or more")?;
        }
        if evaluation.every_episodes.is_some() && evaluation.every_steps.is_some() {
            exactly_one(
                ("evaluation.every_episodes", evaluation.every_episodes),
                ("evaluation.every_steps", evaluation.every_steps),
            )?;
        }
        for (key, value) in [
            ("evaluation.every_episodes", evaluation.every_episodes),
            ("evaluation.every_steps", evaluation.every_steps),
        ] {
            check(value != Some(0), key, 0, "choose 1 or more")?;
        }
        check(evaluation.episodes > 0, "evaluation.episodes", evaluation.episodes, "choose 1 or more")
    }
}

fn check(right: bool, key: &str, value: impl ToString, remedy: &str) -> Result<(), Error> {
    if right {
        return Ok(());
    }
    Err(Error::InvalidValue { key: key.to_owned(), value: value.to_string(), remedy: remedy.to_owned() })
}

fn check_schedule(key: &str, schedule: &Schedule, remedy: &str, right: impl Fn(f64) -> bool) -> Result<(), Error> {
    let (low, high) = schedule.range();
    for value in [low, high] {
        check(right(value), key, value, remedy)?;
    }
    if let Schedule::Changing(Changing::Exponential { half_life, .. }) = schedule {
        check(
            *half_life > 0.0 && half_life.is_finite(),
            &format!("{key}.half_life"),
            half_life,
            "choose a number of steps above 0",
        )?;
    }
    Ok(())
}

fn exactly_one(a: (&str, Option<u64>), b: (&str, Option<u64>)) -> Result<(), Error> {
    match (a, b) {
        ((key, Some(value)), (_, None)) | ((_, None), (key, Some(value))) => {
            check(value > 0, key, value, "choose 1 or more")
        }
        ((key, Some(value)), (other, Some(_))) => {
            check(false, key, value, &format!("{other} is set, too: remove one of them"))
        }
        ((key, None), (other, None)) => check(false, key, "(absent)", &format!("set it, or {other}")),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{layers, presets};

    fn message(assignment: &str) -> String {
        let mut table = presets::table("textbook", None).unwrap();
        layers::overlay(&mut table, &layers::assignment(assignment).unwrap());
        layers::resolve("test", table).unwrap().validate().unwrap_err().to_string()
    }

    #[test]
    fn values_out_of_range_are_named_with_the_range() {
        for (assignment, expected) in [
            ("agent.gamma=1.5", "agent.gamma = 1.5: choose from 0 to 1"),
            ("agent.gamma=nan", "agent.gamma = NaN: choose from 0 to 1"),
            ("agent.n_step=0", "agent.n_step = 0: choose from 1"),
            ("agent.batch_size=0", "agent.batch_size = 0: choose from 1"),
            ("network.hidden=[128, 0]", "network.hidden = [128, 0]: every layer needs"),
            ("replay.capacity=0", "replay.capacity = 0: choose from 1"),
            ("exploration.epsilon=-0.1", "exploration.epsilon = -0.1: choose from 0 to 1"),
            ("optimizer.lr=inf", "optimizer.lr = inf: choose a finite number"),
            ("optimizer.eps=0", "optimizer.eps = 0: choose a number from 1e-12 on"),
            ("optimizer.beta2=1", "optimizer.beta2 = 1: choose from 0 to below 1"),
            ("target_network.tau=0", "target_network.tau = 0: choose above 0"),
            ("target_network.every_steps=0", "target_network.every_steps = 0: choose 1 or more"),
            ("training.num_envs=0", "training.num_envs = 0: choose from 1 to 1024"),
            ("training.episodes=0", "training.episodes = 0: choose 1 or more"),
            ("training.train_frequency=0", "training.train_frequency = 0: choose 1 or more"),
            ("evaluation.episodes=0", "evaluation.episodes = 0: choose 1 or more"),
        ] {
            let message = message(assignment);
            assert!(message.starts_with(expected), "{assignment}: {message}");
        }
    }

    #[test]
    fn a_batch_larger_than_the_buffer_says_which_two_to_change() {
        assert_eq!(
            message("replay.capacity=16"),
            "agent.batch_size = 32: larger than replay.capacity = 16: lower one or raise the other"
        );
    }
}
