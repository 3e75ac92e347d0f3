//! Every switch: the same run on all paths, repeated, and across a pause; and the promise of each switch.

mod common;

use common::{layered, results};
use proptest::prelude::*;
use quarl::accumulator::{Accumulator, Next};
use quarl::config::TrainConfig;
use quarl::engine::cpu::{self, kernels::CpuPath};
use quarl::env::End;
use quarl::train::{Event, Trainer};
use quarl::transition::Transition;

/// A short run with these switches.
fn short(assignments: &[&str]) -> TrainConfig {
    let short = [
        "network.hidden=[13]",
        "replay.capacity=90",
        "agent.batch_size=8",
        "training.steps=250",
        "evaluation.every_steps=100",
        "evaluation.episodes=1",
    ];
    layered("textbook", &short, assignments)
}

const SWITCHES: &[&[&str]] = &[
    &["replay.kind=prioritized"],
    &["replay.kind=prioritized", "replay.alpha=1.0", "replay.beta=0.5", "replay.eps=0.01", "agent.n_step=3"],
    &["replay.kind=none"],
    &["replay.kind=none", "agent.n_step=4", "training.learning_starts=40"],
    &["target_network.kind=none"],
    &["target_network.kind=none", "agent.target=double", "replay.kind=none"],
    &["target_network.kind=soft", "target_network.tau=0.01"],
    &["optimizer.kind=rmsprop"],
    &["optimizer.kind=rmsprop", "optimizer.centered=true", "optimizer.eps_inside_sqrt=true", "optimizer.momentum=0.5"],
    &["optimizer.kind=sgd", "optimizer.momentum=0.9", "optimizer.nesterov=true"],
    &[
        "exploration.kind=softmax",
        "exploration.temperature={ kind = \"linear\", from = 2.0, to = 0.1, fraction = 0.5 }",
    ],
    &["env.clip_reward=[-0.5, 0.5]"],
];

/// All events as text, and the last parameters.
fn finish(mut trainer: Trainer) -> (Vec<String>, Vec<u32>) {
    let events = results(&mut trainer).collect();
    (events, trainer.agent().parameters().iter().map(|x| x.to_bits()).collect())
}

#[test]
fn every_switch_gives_one_result_on_every_path_and_across_a_pause() {
    let plain = finish(Trainer::builder(short(&[])).engine(cpu::on(CpuPath::Scalar)).build().unwrap());
    for switches in SWITCHES {
        let config = short(switches);
        let expected = finish(Trainer::builder(config.clone()).engine(cpu::on(CpuPath::Scalar)).build().unwrap());
        assert_ne!(expected.1, plain.1, "{switches:?} changes nothing");
        for path in CpuPath::available() {
            assert!(
                finish(Trainer::builder(config.clone()).engine(cpu::on(path)).build().unwrap()) == expected,
                "{switches:?} on {}",
                path.name()
            );
        }
        for cut in [0, 30, 177, 400, expected.0.len()] {
            let mut interrupted = Trainer::builder(config.clone()).engine(cpu::on(CpuPath::Scalar)).build().unwrap();
            let mut events: Vec<String> = results(&mut interrupted).take(cut).collect();
            let state = interrupted.save_state().unwrap();
            let mut continued = Trainer::builder(config.clone()).engine(cpu::on(CpuPath::Scalar)).build().unwrap();
            continued.load_state(&state).unwrap();
            assert_eq!(continued.save_state().unwrap(), state, "{switches:?} saved again after {cut} events");
            let (rest, parameters) = finish(continued);
            events.extend(rest);
            assert!((events, parameters) == expected, "{switches:?} after {cut} events");
        }
    }
}

#[test]
fn alpha_zero_draws_equally_and_weighs_everything_one() {
    // With alpha 0 every sampling weight is 1, so all importance-sampling weights are 1 for any beta.
    let with = |beta: &str| {
        let beta = format!("replay.beta={beta}");
        finish(
            Trainer::builder(short(&["replay.kind=prioritized", "replay.alpha=0", &beta]))
                .engine(cpu::on(CpuPath::Scalar))
                .build()
                .unwrap(),
        )
    };
    assert!(with("0.0") == with("1.0"));
}

#[test]
fn no_target_network_is_one_that_is_copied_after_every_update() {
    let none = finish(
        Trainer::builder(short(&["target_network.kind=none"])).engine(cpu::on(CpuPath::Scalar)).build().unwrap(),
    );
    let copied = short(&["target_network.initial=online", "target_network.every_steps=1"]);
    assert!(finish(Trainer::builder(copied).engine(cpu::on(CpuPath::Scalar)).build().unwrap()) == none);
}

#[test]
fn without_replay_there_is_one_update_for_each_transition() {
    for n_step in [1, 4] {
        let n_step = format!("agent.n_step={n_step}");
        let mut config = short(&["replay.kind=none", &n_step]);
        // Keys that do not apply have no effect.
        (config.training.train_frequency, config.training.gradient_steps) = (7, 3);
        let (mut updates, mut steps_of_whole_episodes) = (0, 0);
        let mut updates_then = 0;
        for event in &mut Trainer::builder(config).engine(cpu::on(CpuPath::Scalar)).build().unwrap() {
            match event.unwrap() {
                Event::Learn { .. } => updates += 1,
                Event::Episode(episode) => (steps_of_whole_episodes, updates_then) = (episode.env_steps, updates),
                _ => {}
            }
        }
        assert!(updates_then > 100);
        assert_eq!(updates_then, steps_of_whole_episodes, "{n_step}");
    }
}

#[test]
fn rewards_are_clipped_in_what_is_learnt_not_in_what_is_reported() {
    // Every reward of CartPole is 1.
    let mut losses = Vec::new();
    for clip in ["[-2.0, 2.0]", "[-1.0, 0.25]"] {
        let clip = format!("env.clip_reward={clip}");
        let mut first_loss = None;
        for event in &mut Trainer::builder(short(&[&clip])).engine(cpu::on(CpuPath::Scalar)).build().unwrap() {
            match event.unwrap() {
                Event::Episode(episode) => assert_eq!(episode.total_reward, episode.length as f64),
                Event::Learn { report, .. } => first_loss = first_loss.or(Some(report.loss)),
                _ => {}
            }
        }
        losses.push(first_loss.unwrap());
    }
    assert_ne!(losses[0], losses[1]);
}

/// The transitions from an accumulator: (time, action, reward, discount, next time).
type Seen = (usize, usize, f32, f32, usize);

/// Several episodes' steps, as (reward, how the step ended), through an accumulator.
fn accumulate(n: usize, gamma: f64, steps: &[(f64, Option<End>)]) -> Vec<Seen> {
    let mut accumulator = Accumulator::new(n, gamma, 1);
    let mut out = Vec::new();
    for (t, (reward, end)) in steps.iter().enumerate() {
        let next = Next { obs: &[t as f32 + 0.5], mask: None };
        accumulator
            .push(&[t as f32], t % 5, *reward, next, *end, |transition| {
                let Transition { obs, action, reward, discount, next_obs, .. } = transition;
                out.push((obs[0] as usize, action, reward, discount, (next_obs[0] - 0.5) as usize));
                Ok(())
            })
            .unwrap();
    }
    out
}

fn an_end() -> impl Strategy<Value = Option<End>> {
    prop_oneof![8 => Just(None), 1 => Just(Some(End::Terminated)), 1 => Just(Some(End::Truncated))]
}

proptest! {
    /// The definition, computed forward from every step.
    #[test]
    fn returns_over_n_steps_are_what_looking_ahead_gives(
        n in 1_usize..8,
        gamma in 0.0_f64..=1.0,
        steps in prop::collection::vec((-3.0_f64..3.0, an_end()), 1..80),
    ) {
        let mut expected = Vec::new();
        for t in 0..steps.len() {
            let (mut sum, mut power) = (0.0, 1.0);
            for k in 0..n {
                let Some((reward, end)) = steps.get(t + k) else { break };
                sum += power * reward;
                power *= gamma;
                if k + 1 == n || end.is_some() {
                    let discount = if *end == Some(End::Terminated) { 0.0 } else { power };
                    expected.push((t, t % 5, sum, discount, t + k));
                    break;
                }
            }
        }
        let actual = accumulate(n, gamma, &steps);
        prop_assert_eq!(actual.len(), expected.len());
        for (a, e) in actual.iter().zip(&expected) {
            prop_assert_eq!((a.0, a.1, a.4), (e.0, e.1, e.4));
            prop_assert!((f64::from(a.2) - e.2).abs() < 1e-5, "{:?} {:?}", a, e);
            prop_assert_eq!(a.3, e.3 as f32);
        }
    }

    #[test]
    fn returns_over_one_step_are_the_steps_bit_for_bit(
        gamma in 0.0_f64..=1.0,
        steps in prop::collection::vec((-3.0_f64..3.0, an_end()), 1..80),
    ) {
        let expected: Vec<Seen> = steps.iter().enumerate().map(|(t, (reward, end))| {
            (t, t % 5, *reward as f32, if *end == Some(End::Terminated) { 0.0 } else { gamma as f32 }, t)
        }).collect();
        prop_assert_eq!(accumulate(1, gamma, &steps), expected);
    }
}

#[test]
fn diagnostics_are_given_for_every_update_and_change_nothing_that_is_learnt() {
    let switches = ["replay.kind=prioritized", "agent.target=double", "optimizer.max_grad_norm=1.0"];
    let mut without = Trainer::builder(short(&switches)).engine(cpu::on(CpuPath::Scalar)).build().unwrap();
    assert!(without.all(|event| !matches!(event, Ok(Event::Learn { report, .. }) if report.diagnostics.is_some())));
    let mut with = Trainer::builder(short(&[&switches[..], &["training.diagnostics=true"]].concat()))
        .engine(cpu::on(CpuPath::Scalar))
        .build()
        .unwrap();
    let mut updates = 0;
    for event in &mut with {
        match event.unwrap() {
            Event::Learn { report, .. } => {
                let seen = report.diagnostics.unwrap();
                let numbers = serde_json::to_value(seen).unwrap();
                let missing: Vec<_> =
                    numbers.as_object().unwrap().iter().filter(|(_, value)| value.is_null()).collect();
                assert!(missing.len() == 1 && missing[0].0 == "clipped_share", "not finite: {missing:?}");
                assert_eq!((seen.clipped_share, report.clipped_share), (None, None), "only a categorical head clips");
                assert!(seen.td_error > 0.0 && seen.grad_norm > 0.0 && seen.action_gap >= 0.0, "{seen:?}");
                assert!(seen.max_q >= f64::from(report.mean_q), "{seen:?}");
                assert!(seen.lowest_priority > 0.0 && seen.highest_priority >= seen.lowest_priority, "{seen:?}");
                let batch = short(&[]).agent.batch_size as f64;
                assert!(seen.effective_batch > 1.0 && seen.effective_batch <= batch + 1e-3, "{seen:?}");
                updates += 1;
            }
            Event::Episode(episode) => assert_eq!(episode.diagnostics.is_some(), episode.mean_loss.is_some()),
            _ => {}
        }
    }
    assert!(updates > 50);
    assert_eq!(with.agent().parameters(), without.agent().parameters());
}

#[test]
fn a_run_with_diagnostics_goes_on_across_a_pause_within_an_episode() {
    let trainer = || {
        let config = short(&["training.diagnostics=true"]);
        Trainer::builder(config).engine(cpu::on(CpuPath::Scalar)).build().unwrap()
    };
    let expected = finish(trainer());
    let mut interrupted = trainer();
    let mut events: Vec<String> = results(&mut interrupted).take(100).collect();
    let mut continued = trainer();
    continued.load_state(&interrupted.save_state().unwrap()).unwrap();
    let (rest, parameters) = finish(continued);
    events.extend(rest);
    assert!((events, parameters) == expected);
}

/// A short run of C51 on CartPole, whose rewards are 1: its warnings, and the mean clipped share of its updates.
fn clipped(assignments: &[&str]) -> (Vec<String>, f64) {
    let c51 = [
        "network.hidden=[5]",
        "network.head=categorical",
        "network.atoms=11",
        "training.steps=1300",
        "agent.batch_size=4",
        "evaluation.episodes=1",
    ];
    let mut trainer = Trainer::builder(layered("textbook", &c51, assignments))
        .engine(cpu::on(CpuPath::available()[0]))
        .build()
        .unwrap();
    let (mut warnings, mut shares) = (Vec::new(), Vec::new());
    for event in &mut trainer {
        match event.unwrap() {
            Event::Warning { message } => warnings.push(message),
            Event::Learn { report, .. } => shares.push(f64::from(report.clipped_share.unwrap())),
            Event::Episode(episode) => {
                let of_episode = episode.diagnostics.map(|diagnostics| diagnostics.clipped_share);
                assert!(of_episode.is_none_or(|share| share.is_some()), "{of_episode:?}");
            }
            _ => {}
        }
    }
    (warnings, shares.iter().sum::<f64>() / shares.len() as f64)
}

#[test]
fn a_run_warns_once_when_its_support_is_too_narrow_with_and_without_diagnostics() {
    for diagnostics in ["training.diagnostics=false", "training.diagnostics=true"] {
        let (warnings, share) = clipped(&["network.v_min=-100", "network.v_max=0", diagnostics]);
        assert!(share > 0.01, "{share}");
        let [warning] = &warnings[..] else { panic!("{warnings:?}") };
        assert!(warning.contains("network.v_min = -100") && warning.contains("network.v_max = 0"), "{warning}");
        // Nothing leaves 0 to 1 / (1 - gamma).
        let (warnings, share) = clipped(&["network.v_min=0", "network.v_max=50", "agent.gamma=0.98", diagnostics]);
        assert_eq!((warnings, share), (Vec::new(), 0.0));
    }
}
