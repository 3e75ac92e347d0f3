//! What a configuration must satisfy beyond its types; every message says what to change.

use super::OptimizerKind::{Adam, Rmsprop, Sgd};
use super::{
    ExplorationConfig, ExplorationKind, HeadKind, NetworkConfig, ReplayConfig, ReplayKind, TargetNetworkConfig,
    TargetNetworkKind, TrainConfig,
};
use crate::error::Error;
use crate::schedule::{Changing, Schedule};
use crate::target::TargetKind;

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
        let Self { env, network, replay, agent, optimizer, training, evaluation, .. } = self;

        check(env.timeout_seconds != Some(0), "env.timeout_seconds", 0, "choose 1 second or more")?;
        if let Some(together) = env.environments_per_worker {
            let remedy = "choose from 1 to 1024, as training.num_envs";
            check((1..=MOST_ENVIRONMENTS).contains(&together), "env.environments_per_worker", together, remedy)?;
        }
        if !env.id.starts_with("gym:") {
            for (key, given) in [
                ("env.python", env.python.is_some()),
                ("env.imports", !env.imports.is_empty()),
                ("env.timeout_seconds", env.timeout_seconds.is_some()),
                ("env.environments_per_worker", env.environments_per_worker.is_some()),
                ("env.args", !env.args.is_empty()),
            ] {
                let remedy = format!("{} is built in: use it with gym:{}, or leave it out", env.id, env.id);
                check(!given, key, "(set)", &remedy)?;
            }
        }

        check(env.max_episode_steps != Some(0), "env.max_episode_steps", 0, "choose 1 step or more, or leave it out")?;
        if let Some(scale) = env.reward_scale {
            check(scale.is_finite() && scale != 0.0, "env.reward_scale", scale, "choose a finite number other than 0")?;
        }
        if let Some([low, high]) = env.clip_reward {
            let shown = format!("[{low}, {high}]");
            check(low < high, "env.clip_reward", shown, "the first has to be below the second")?;
        }
        if let Some(frames) = env.frame_stack {
            check((1..=1024).contains(&frames), "env.frame_stack", frames, "choose from 1 to 1024 frames")?;
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
        validate_dueling(network)?;
        validate_head(network)?;
        if agent.target == TargetKind::Munchausen {
            check(
                network.head != HeadKind::Categorical,
                "agent.target",
                "munchausen",
                "its bonus has no place among a categorical head's fixed atoms: choose another network.head, or max or double",
            )?;
            check(
                agent.n_step == 1,
                "agent.target",
                "munchausen",
                &format!(
                    "its bonus belongs to one step, agent.n_step is {}: set that to 1, or choose max or double",
                    agent.n_step
                ),
            )?;
        }
        check(
            (0.0..=1.0).contains(&agent.munchausen_alpha),
            "agent.munchausen_alpha",
            agent.munchausen_alpha,
            "choose from 0 to 1",
        )?;
        check(
            (1e-6..=1e6).contains(&agent.munchausen_temperature),
            "agent.munchausen_temperature",
            agent.munchausen_temperature,
            "choose from 1e-6 to 1e6 (0.03 is usual)",
        )?;
        check(
            agent.munchausen_floor <= 0.0 && agent.munchausen_floor.is_finite(),
            "agent.munchausen_floor",
            agent.munchausen_floor,
            "choose a finite number, 0 or below",
        )?;
        let capacity = replay.capacity;
        check(
            (1..=LARGEST_CAPACITY).contains(&capacity),
            "replay.capacity",
            capacity,
            "choose from 1 to 4294967295 transitions",
        )?;
        self.validate_replay()?;

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
            batch_size <= capacity || replay.kind == ReplayKind::None,
            "agent.batch_size",
            batch_size,
            &format!("larger than replay.capacity = {capacity}: lower one or raise the other"),
        )?;

        self.validate_target_network()?;
        self.validate_exploration()?;
        check_schedule("optimizer.lr", &optimizer.lr, "choose a finite number, 0 or above", |x| {
            x >= 0.0 && x.is_finite()
        })?;
        for (key, given, kinds) in [
            ("optimizer.beta1", optimizer.beta1.is_some(), &[Adam][..]),
            ("optimizer.beta2", optimizer.beta2.is_some(), &[Adam]),
            ("optimizer.alpha", optimizer.alpha.is_some(), &[Rmsprop]),
            ("optimizer.eps", optimizer.eps.is_some(), &[Adam, Rmsprop]),
            ("optimizer.eps_inside_sqrt", optimizer.eps_inside_sqrt.is_some(), &[Rmsprop]),
            ("optimizer.centered", optimizer.centered.is_some(), &[Rmsprop]),
            ("optimizer.momentum", optimizer.momentum.is_some(), &[Rmsprop, Sgd]),
            ("optimizer.nesterov", optimizer.nesterov.is_some(), &[Sgd]),
        ] {
            let right = !given || kinds.contains(&optimizer.kind);
            check(right, key, "(set)", "this optimizer.kind does not have it: remove it, or choose another kind")?;
        }
        for (key, rate) in [
            ("optimizer.beta1", optimizer.beta1()),
            ("optimizer.beta2", optimizer.beta2()),
            ("optimizer.alpha", optimizer.alpha()),
            ("optimizer.momentum", optimizer.momentum()),
        ] {
            check((0.0..1.0).contains(&rate), key, rate, "choose from 0 to below 1")?;
        }
        let nesterov_alone = optimizer.nesterov == Some(true) && optimizer.momentum() == 0.0;
        check(!nesterov_alone, "optimizer.nesterov", true, "needs optimizer.momentum above 0: set it, or remove this")?;
        let eps = optimizer.eps();
        // Second moments below 1e-30 are taken for zero: a smaller eps would then divide by next to nothing.
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
        check(evaluation.episodes > 0, "evaluation.episodes", evaluation.episodes, "choose 1 or more")?;
        let remedy = "choose 1 step or more, or leave it out";
        check(evaluation.max_episode_steps != Some(0), "evaluation.max_episode_steps", 0, remedy)
    }

    fn validate_target_network(&self) -> Result<(), Error> {
        let TargetNetworkConfig { kind, every_episodes, every_steps, tau, .. } = self.target_network;
        let intervals =
            [("target_network.every_episodes", every_episodes), ("target_network.every_steps", every_steps)];
        check(tau > 0.0 && tau <= 1.0, "target_network.tau", tau, "choose above 0 and at most 1 (1 copies)")?;
        match kind {
            Some(TargetNetworkKind::None) => {
                let remedy = "there is no target network (target_network.kind = \"none\"): remove one of them";
                for (key, every) in intervals {
                    check(every.is_none(), key, every.unwrap_or(0), remedy)?;
                }
                return check(tau == 1.0, "target_network.tau", tau, remedy);
            }
            Some(TargetNetworkKind::Hard) => {
                let remedy = "a hard target network is copied whole: remove it, or set target_network.kind = \"soft\"";
                check(tau == 1.0, "target_network.tau", tau, remedy)?;
            }
            Some(TargetNetworkKind::Soft) => {
                let remedy = "a soft target network needs less than 1, such as 0.005";
                check(tau < 1.0, "target_network.tau", tau, remedy)?;
                if every_episodes.is_none() && every_steps.is_none() {
                    return Ok(());
                }
            }
            None => {}
        }
        exactly_one(intervals[0], intervals[1])
    }

    fn validate_exploration(&self) -> Result<(), Error> {
        let ExplorationConfig { kind, epsilon, temperature } = &self.exploration;
        match (kind, epsilon) {
            (ExplorationKind::EpsilonGreedy, None) => {
                check(false, "exploration.epsilon", "(absent)", "set it, such as 0.1")?;
            }
            (ExplorationKind::EpsilonGreedy, Some(epsilon)) => {
                check_schedule("exploration.epsilon", epsilon, "choose from 0 to 1", |x| (0.0..=1.0).contains(&x))?;
            }
            (_, given) => {
                let remedy = "only exploration.kind = \"epsilon_greedy\" has it: remove one of them";
                check(given.is_none(), "exploration.epsilon", "(set)", remedy)?;
            }
        }
        check(
            *kind != ExplorationKind::Noisy || self.network.noisy,
            "exploration.kind",
            "noisy",
            "needs a network with noise of its own: set network.noisy = true, or choose epsilon_greedy or softmax",
        )?;
        let remedy = "only exploration.kind = \"softmax\" has it: remove one of them";
        check(temperature.is_none() || *kind == ExplorationKind::Softmax, "exploration.temperature", "(set)", remedy)?;
        temperature.as_ref().map_or(Ok(()), |temperature| {
            check_schedule("exploration.temperature", temperature, "choose a number above 0", |x| {
                x > 0.0 && x.is_finite()
            })
        })
    }

    fn validate_replay(&self) -> Result<(), Error> {
        let ReplayConfig { kind, alpha, beta, eps, .. } = &self.replay;
        let of_priorities =
            [("replay.alpha", alpha.is_some()), ("replay.beta", beta.is_some()), ("replay.eps", eps.is_some())];
        if *kind != ReplayKind::Prioritized {
            for (key, given) in of_priorities {
                check(
                    !given,
                    key,
                    "(set)",
                    "only prioritised replay has it: set replay.kind = \"prioritized\", or remove it",
                )?;
            }
        }
        check((0.0..=1.0).contains(&self.replay.alpha()), "replay.alpha", self.replay.alpha(), "choose from 0 to 1")?;
        check_schedule("replay.beta", &self.beta(), "choose from 0 to 1", |x| (0.0..=1.0).contains(&x))?;
        // From 1e-12 on, the rarest and the most frequent of four billion items still add up without losing the rarest.
        let eps = self.replay.eps();
        check((1e-12..=1.0).contains(&eps), "replay.eps", eps, "choose from 1e-12 to 1 (1e-6 is usual)")
    }
}

fn validate_dueling(network: &NetworkConfig) -> Result<(), Error> {
    let key = "network.dueling_hidden";
    if !network.dueling {
        let remedy = "only a dueling network has it: set network.dueling = true, or remove it";
        return check(network.dueling_hidden.is_none(), key, "(set)", remedy);
    }
    match network.dueling_hidden() {
        Some(units) => check((1..=LARGEST_LAYER).contains(&units), key, units, "choose from 1 to 65536 units"),
        None => check(
            false,
            key,
            "(absent)",
            "network.hidden is empty, so there is no width to take over: set it, such as 64",
        ),
    }
}

/// The heads' settings, whichever is in use: a number that cannot be used is wrong everywhere.
fn validate_head(network: &NetworkConfig) -> Result<(), Error> {
    const LARGEST_HEAD: usize = 1 << 12;
    let NetworkConfig { noisy_sigma, atoms, v_min, v_max, quantiles, acting_quantiles, cosines, .. } = network;
    check(
        *noisy_sigma >= 0.0 && *noisy_sigma <= 1e3,
        "network.noisy_sigma",
        noisy_sigma,
        "choose from 0 to 1000 (0.5 is usual)",
    )?;
    check((2..=LARGEST_HEAD).contains(atoms), "network.atoms", atoms, "choose from 2 to 4096 (51 is usual)")?;
    check(v_min.is_finite() && v_min.abs() <= 1e30, "network.v_min", v_min, "choose a finite number")?;
    check(
        v_max > v_min && v_max.abs() <= 1e30,
        "network.v_max",
        v_max,
        &format!("choose a finite number above network.v_min = {v_min}"),
    )?;
    for (key, count) in
        [("network.quantiles", quantiles), ("network.acting_quantiles", acting_quantiles), ("network.cosines", cosines)]
    {
        check((1..=LARGEST_HEAD).contains(count), key, count, "choose from 1 to 4096")?;
    }
    if network.head == HeadKind::Implicit {
        let reason = network.architecture(1, 1).check().err().unwrap_or_default();
        let remedy = format!("{reason}: lower it, or the layers' units");
        check(reason.is_empty(), "network.acting_quantiles", acting_quantiles, &remedy)?;
    }
    Ok(())
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
            ("env.max_episode_steps=0", "env.max_episode_steps = 0: choose 1 step or more"),
            ("env.reward_scale=0", "env.reward_scale = 0: choose a finite number other than 0"),
            ("env.clip_reward=[1.0, -1.0]", "env.clip_reward = [1, -1]: the first has to be below the second"),
            ("env.frame_stack=0", "env.frame_stack = 0: choose from 1 to 1024 frames"),
            ("agent.gamma=1.5", "agent.gamma = 1.5: choose from 0 to 1"),
            ("agent.gamma=nan", "agent.gamma = NaN: choose from 0 to 1"),
            ("agent.n_step=0", "agent.n_step = 0: choose from 1"),
            ("agent.munchausen_alpha=2", "agent.munchausen_alpha = 2: choose from 0 to 1"),
            ("agent.munchausen_temperature=0", "agent.munchausen_temperature = 0: choose from"),
            ("agent.munchausen_floor=1", "agent.munchausen_floor = 1: choose a finite number, 0 or below"),
            ("network.atoms=1", "network.atoms = 1: choose from 2"),
            ("network.v_max=-10", "network.v_max = -10: choose a finite number above network.v_min = -10"),
            ("network.quantiles=0", "network.quantiles = 0: choose from 1"),
            ("network.noisy_sigma=-1", "network.noisy_sigma = -1: choose from 0"),
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
            ("evaluation.max_episode_steps=0", "evaluation.max_episode_steps = 0: choose 1 step or more"),
        ] {
            let message = message(assignment);
            assert!(message.starts_with(expected), "{assignment}: {message}");
        }
    }

    #[test]
    fn keys_that_contradict_each_other_are_refused_with_the_reason() {
        let with = |assignments: &[&str]| {
            let mut table = presets::table("textbook", None).unwrap();
            for assignment in assignments {
                layers::overlay(&mut table, &layers::assignment(assignment).unwrap());
            }
            layers::resolve("test", table).unwrap().validate().unwrap_err().to_string()
        };
        for (assignments, expected) in [
            (&["replay.alpha=0.5"][..], "replay.alpha = (set): only prioritised replay has it"),
            (&["replay.kind=prioritized", "replay.alpha=1.5"], "replay.alpha = 1.5: choose from 0 to 1"),
            (&["replay.kind=prioritized", "replay.beta=-1"], "replay.beta = -1: choose from 0 to 1"),
            (&["replay.kind=prioritized", "replay.eps=0"], "replay.eps = 0: choose from 1e-12"),
            (
                &["target_network.kind=none", "target_network.every_steps=10"],
                "target_network.every_steps = 10: there is no target network",
            ),
            (&["target_network.kind=none", "target_network.tau=0.1"], "target_network.tau = 0.1: there is no target"),
            (
                &["target_network.kind=hard", "target_network.tau=0.1"],
                "target_network.tau = 0.1: a hard target network",
            ),
            (&["target_network.kind=soft"], "target_network.tau = 1: a soft target network needs less than 1"),
            (&["exploration.kind=softmax", "exploration.epsilon=0.1"], "exploration.epsilon = (set): only"),
            (&["exploration.temperature=1.0"], "exploration.temperature = (set): only"),
            (&["exploration.kind=softmax", "exploration.temperature=0"], "exploration.temperature = 0: choose"),
            (&["exploration.kind=noisy"], "exploration.kind = noisy: needs a network with noise"),
            (&["optimizer.kind=sgd", "optimizer.beta1=0.5"], "optimizer.beta1 = (set): this optimizer.kind does not"),
            (&["optimizer.kind=sgd", "optimizer.nesterov=true"], "optimizer.nesterov = true: needs optimizer.momentum"),
            (&["optimizer.kind=rmsprop", "optimizer.alpha=1"], "optimizer.alpha = 1: choose from 0 to below 1"),
        ] {
            let message = with(assignments);
            assert!(message.starts_with(expected), "{assignments:?}: {message}");
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
