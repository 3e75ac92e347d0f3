//! Determinism: one configuration gives one result on every instruction set, on every repetition, and across a pause.

mod common;

use std::sync::OnceLock;

use common::{layered, results, textbook};
use quarl::Error;
use quarl::agent::{Agent, AgentState};
use quarl::config::TrainConfig;
use quarl::engine::cpu::{self, kernels::CpuPath};
use quarl::env;
use quarl::rng::Stream;
use quarl::train::Trainer;

/// A run with every variant switched on, of odd sizes, whose replay buffer overflows.
fn everything() -> TrainConfig {
    textbook(&[
        "env.id=CartPole-v1",
        "network.hidden=[33, 20, 7]",
        "replay.capacity=150",
        "agent.n_step=3",
        "agent.target=double",
        "agent.loss=huber",
        "agent.batch_size=19",
        "agent.time_limit=bootstrap",
        "target_network.initial=online",
        "target_network.every_steps=7",
        "target_network.tau=0.05",
        "exploration.epsilon={ kind = \"linear\", from = 1.0, to = 0.05, steps = 200 }",
        "optimizer.lr={ kind = \"exponential\", from = 1e-2, to = 1e-4, half_life = 100 }",
        "optimizer.max_grad_norm=0.5",
        "training.steps=400",
        "training.learning_starts=30",
        "training.train_frequency=2",
        "training.gradient_steps=3",
        "training.seed=5",
        "evaluation.every_steps=150",
        "evaluation.episodes=1",
    ])
}

/// Runs with each switch of the network and of the target, of odd sizes.
fn family() -> Vec<TrainConfig> {
    let small = |switches: &[&str]| {
        let sizes = [
            "network.hidden=[19, 9]",
            "network.atoms=11",
            "network.v_min=0",
            "network.v_max=20",
            "network.quantiles=7",
            "network.acting_quantiles=5",
            "network.cosines=9",
            "replay.capacity=150",
            "agent.batch_size=19",
            "target_network.every_steps=7",
            "training.steps=260",
            "evaluation.every_steps=100",
            "evaluation.episodes=2",
        ];
        layered("textbook", &sizes, switches)
    };
    vec![
        small(&["network.activation=tanh", "network.layer_norm=true", "optimizer.kind=sgd", "optimizer.momentum=0.9"]),
        small(&["replay.kind=prioritized", "optimizer.kind=rmsprop", "optimizer.momentum=0.5"]),
        small(&["exploration.kind=softmax", "optimizer.kind=rmsprop", "optimizer.centered=true"]),
        small(&["network.activation=elu", "network.dueling=true", "agent.target=munchausen"]),
        small(&["network.noisy=true", "exploration.epsilon=0"]),
        small(&["network.head=categorical"]),
        small(&["network.head=quantile", "agent.target=munchausen"]),
        small(&["network.head=implicit", "agent.target=munchausen"]),
        small(&["network.head=implicit", "network.dueling=true", "network.noisy=true", "network.layer_norm=true"]),
        small(&[
            "network.head=categorical",
            "network.dueling=true",
            "network.noisy=true",
            "agent.target=double",
            "agent.n_step=3",
        ]),
    ]
}

/// A run so small that its state can be damaged at every byte, with a few more keys changed.
fn tiny_with(assignments: &[&str]) -> TrainConfig {
    let tiny = [
        "network.hidden=[3]",
        "replay.kind=prioritized",
        "replay.capacity=12",
        "agent.n_step=2",
        "agent.batch_size=4",
        "training.episodes=6",
        "evaluation.every_episodes=2",
        "evaluation.episodes=1",
    ];
    layered("textbook", &tiny, assignments)
}

fn tiny() -> TrainConfig {
    tiny_with(&[])
}

fn bits(parameters: &[f32]) -> Vec<u32> {
    parameters.iter().map(|x| x.to_bits()).collect()
}

/// The result of a run: its events as text, its final and its best parameters.
#[derive(Clone, Debug, PartialEq)]
struct Outcome {
    events: Vec<String>,
    last: Vec<u32>,
    best: Vec<u32>,
}

fn finish(mut trainer: Trainer) -> Outcome {
    let events = results(&mut trainer).collect();
    let best = bits(&trainer.best_model().expect("a run ends with an evaluation").parameters);
    Outcome { events, last: bits(trainer.agent().parameters()), best }
}

fn outcome(config: TrainConfig, path: CpuPath) -> Outcome {
    finish(Trainer::builder(config).engine(cpu::on(path)).build().unwrap())
}

/// The reference run of several tests.
fn uninterrupted() -> &'static Outcome {
    static OUTCOME: OnceLock<Outcome> = OnceLock::new();
    OUTCOME.get_or_init(|| outcome(everything(), CpuPath::available()[0]))
}

/// FNV-1a over the events' text and the parameters' bits.
fn digest(outcome: &Outcome) -> u64 {
    let words = outcome.last.iter().chain(&outcome.best).flat_map(|word| word.to_le_bytes());
    let bytes = outcome.events.iter().flat_map(|event| event.bytes()).chain(words);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[track_caller]
fn assert_equal(actual: &Outcome, expected: &Outcome, case: &str) {
    for (i, (a, e)) in actual.events.iter().zip(&expected.events).enumerate() {
        assert_eq!(a, e, "{case}: event {i}");
    }
    assert!(actual == expected, "{case}: the parameters, or the number of events, differ");
}

#[test]
fn an_instruction_set_that_this_processor_lacks_is_refused() {
    for path in CpuPath::ALL.into_iter().filter(|path| !path.is_available()) {
        assert!(
            matches!(Trainer::builder(tiny()).engine(cpu::on(path)).build(), Err(Error::CpuPath { .. })),
            "{}",
            path.name()
        );
    }
}

#[test]
fn a_run_is_the_same_on_every_instruction_set_of_this_machine() {
    for config in [textbook(&["training.episodes=12"]), everything()].into_iter().chain(family()) {
        let expected = outcome(config.clone(), CpuPath::Scalar);
        assert!(expected.events.iter().filter(|event| event.contains("loss")).count() > 50);
        for path in CpuPath::available() {
            assert_equal(&outcome(config.clone(), path), &expected, path.name());
        }
    }
}

#[test]
fn a_run_is_the_same_on_every_kind_of_processor() {
    // Recorded on x86-64; AArch64 has to give the same.
    assert_eq!(digest(uninterrupted()), 0x2a2b_125c_8c29_f27f, "{:#x}", digest(uninterrupted()));
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    assert_equal(&outcome(everything(), CpuPath::available()[0]), uninterrupted(), "repeated");
    let mut config = everything();
    config.training.seed += 1;
    let other = outcome(config, CpuPath::available()[0]);
    assert_ne!(other.last, uninterrupted().last);
    assert_ne!(other.events, uninterrupted().events);
}

#[test]
fn a_run_saved_anywhere_and_continued_elsewhere_goes_on_as_if_never_interrupted() {
    let expected = uninterrupted();
    let count = expected.events.len();
    // Saved within an episode, between the events of one step, after an evaluation, and at the end.
    for cut in [0, 1, 2, 45, 46, 47, 48, 49, 50, count / 2, count - 2, count - 1, count] {
        let mut interrupted = Trainer::builder(everything()).engine(cpu::on(CpuPath::available()[0])).build().unwrap();
        let before: Vec<String> = results(&mut interrupted).take(cut).collect();
        let state = interrupted.save_state().unwrap();
        drop(interrupted);
        let mut continued = Trainer::builder(everything()).engine(cpu::on(CpuPath::Scalar)).build().unwrap();
        continued.load_state(&state).unwrap();
        assert_eq!(continued.save_state().unwrap(), state, "saved again after {cut} events");
        let mut after = finish(continued);
        after.events.splice(0..0, before);
        assert_equal(&after, expected, &format!("interrupted after {cut} events"));
    }
}

#[test]
fn every_switch_resumes_exactly() {
    for config in family() {
        let expected = outcome(config.clone(), CpuPath::available()[0]);
        let mut interrupted =
            Trainer::builder(config.clone()).engine(cpu::on(CpuPath::available()[0])).build().unwrap();
        let before: Vec<String> = results(&mut interrupted).take(301).collect();
        let mut continued = Trainer::builder(config).engine(cpu::on(CpuPath::available()[0])).build().unwrap();
        continued.load_state(&interrupted.save_state().unwrap()).unwrap();
        let mut after = finish(continued);
        after.events.splice(0..0, before);
        assert_equal(&after, &expected, "interrupted");
    }
}

/// A state from the middle of the tiny run.
fn tiny_state() -> Vec<u8> {
    let mut trainer = Trainer::builder(tiny()).engine(cpu::on(CpuPath::Scalar)).build().unwrap();
    let events = results(&mut trainer).take(75).count();
    assert_eq!(events, 75);
    assert!(trainer.best_model().is_some(), "the state should have all of its parts");
    trainer.save_state().unwrap()
}

#[test]
fn a_state_of_the_wrong_length_is_refused_and_changes_nothing() {
    let state = tiny_state();
    let mut trainer = Trainer::builder(tiny()).engine(cpu::on(CpuPath::Scalar)).build().unwrap();
    let untouched = trainer.save_state().unwrap();
    for end in 0..state.len() {
        assert!(matches!(trainer.load_state(&state[..end]), Err(Error::State { .. })), "{end} bytes");
    }
    assert!(matches!(trainer.load_state(&[&state[..], &[0]].concat()), Err(Error::State { .. })));
    assert_eq!(trainer.save_state().unwrap(), untouched);
}

#[test]
fn a_damaged_state_is_refused_or_trained_on_but_never_panics() {
    let state = tiny_state();
    let mut accepted = 0;
    let mut try_out = |damaged: &[u8], case: String| {
        let mut trainer = Trainer::builder(tiny()).engine(cpu::on(CpuPath::available()[0])).build().unwrap();
        match trainer.load_state(damaged) {
            Err(Error::State { .. }) => {}
            Err(error) => panic!("{case}: {error}"),
            // The damaged state may be senseless, but training with it gives an event or an error.
            Ok(()) => accepted += usize::from(trainer.take(200).last().is_some()),
        }
    };
    for at in 0..state.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut damaged = state.clone();
            damaged[at] ^= mask;
            try_out(&damaged, format!("byte {at} ^ {mask:#x}"));
        }
        // A length of 4294967295.
        let end = (at + 5).min(state.len());
        let longer = [&state[..at], &[0xff, 0xff, 0xff, 0xff, 0x0f], &state[end..]].concat();
        try_out(&longer, format!("a huge number at byte {at}"));
    }
    // A number has no checksum, so damaged bits of it are not detected.
    assert!(accepted > 1000, "{accepted} of the damaged states were taken, which is suspiciously few");
}

#[test]
fn a_state_of_another_configuration_is_refused() {
    let state = tiny_state();
    let state_of = |assignment: &str| {
        Trainer::builder(tiny_with(&[assignment])).engine(cpu::on(CpuPath::Scalar)).build().unwrap().load_state(&state)
    };
    state_of("training.seed=0").unwrap();
    for assignment in [
        "env.id=CartPole-v1",
        "env.id=Acrobot-v1",
        "network.hidden=[4]",
        "replay.capacity=13",
        "agent.gamma=0.9",
        "agent.n_step=3",
        "agent.batch_size=5",
        "optimizer.lr=1e-3",
        "optimizer.beta2=0.99",
        "training.seed=1",
    ] {
        let error = state_of(assignment).unwrap_err();
        assert!(matches!(error, Error::State { .. }), "{assignment}: {error}");
    }
}

#[test]
fn an_agent_refuses_the_state_of_another_agent() {
    let agent = |assignments: &[&str]| {
        let config = layered("textbook", &["network.hidden=[3]", "replay.capacity=40"], assignments);
        Agent::with_engine(&config, env::make(&config.env.id).unwrap().spec(), 0, cpu::on(CpuPath::Scalar)).unwrap()
    };
    agent(&[]).set_state(agent(&["training.seed=1"]).state().into_owned()).unwrap();
    for other in ["network.hidden=[4]", "replay.capacity=41", "optimizer.beta1=0.8", "env.id=MountainCar-v0"] {
        let error = agent(&[]).set_state(agent(&[other]).state().into_owned()).unwrap_err();
        assert!(matches!(error, Error::State { .. }), "{other}: {error}");
    }
}

#[test]
fn a_state_whose_random_generators_would_repeat_themselves_is_refused() {
    let config = textbook(&["network.hidden=[3]", "replay.capacity=40"]);
    let agent =
        Agent::with_engine(&config, env::make(&config.env.id).unwrap().spec(), 0, cpu::on(CpuPath::Scalar)).unwrap();
    let bytes = postcard::to_stdvec(&agent.state()).unwrap();
    assert!(postcard::from_bytes::<AgentState>(&bytes).is_ok());
    for stream in [Stream::Replay, Stream::Noise] {
        let generator = postcard::to_stdvec(&stream.rng(0)).unwrap();
        let at = bytes.windows(generator.len()).position(|window| window == generator).unwrap();
        // State and increment of zero: each is one byte.
        let zeroed = [&bytes[..at], &[0, 0], &bytes[at + generator.len()..]].concat();
        assert!(postcard::from_bytes::<AgentState>(&zeroed).is_err(), "{stream:?}");
    }
}
