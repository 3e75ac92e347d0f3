//! The training loop on custom environments: small calls, evaluations that end, invalid values, and stops.

mod common;

use common::{layered, results};
use quarl::config::{StepLimit, TrainConfig};
use quarl::engine::cpu::{self, kernels::CpuPath};
use quarl::env::{End, Environment, EnvironmentSpec, Step, state};
use quarl::render::Scene;
use quarl::space::{BoxSpace, Discrete};
use quarl::train::{EnvironmentRole, Event, Trainer};
use quarl::{Error, StopFlag};
use serde::{Deserialize, Serialize};

/// The peculiarity of a [`Clock`].
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// Episodes do not end.
    Endless,
    /// The second step's reward is infinite.
    InfiniteReward,
    /// The second step's observation is not a number.
    NanObservation,
    /// The first observation is not a number.
    NanAtReset,
    /// No action is allowed after the second step.
    NothingAllowed,
    /// Episodes are truncated at observations that allow no action.
    NothingAllowedAtTheEnd,
}

/// An environment that counts its steps, each with reward 1, and terminates after six.
#[derive(Clone)]
struct Clock {
    spec: EnvironmentSpec,
    fault: Fault,
    time: Time,
    mask: [bool; 2],
}

#[derive(Clone, Serialize, Deserialize)]
struct Time {
    step: u32,
    running: bool,
}

impl Clock {
    fn new(fault: Fault) -> Self {
        let has_action_mask = matches!(fault, Fault::NothingAllowed | Fault::NothingAllowedAtTheEnd);
        let spec = EnvironmentSpec {
            id: "Clock".to_owned(),
            observation_space: BoxSpace::vector(vec![0.0], vec![6.0]),
            action_space: Discrete { n: 2 },
            max_episode_steps: None,
            reward_threshold: None,
            render_fps: 10,
            has_action_mask,
        };
        Self { spec, fault, time: Time { step: 0, running: false }, mask: [true; 2] }
    }
}

impl Environment for Clock {
    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn reset(&mut self, _: Option<u64>, observation: &mut [f32]) -> Result<(), Error> {
        self.time = Time { step: 0, running: true };
        self.mask = [true; 2];
        observation[0] = if self.fault == Fault::NanAtReset { f32::NAN } else { 0.0 };
        Ok(())
    }

    fn step(&mut self, _: usize, observation: &mut [f32]) -> Result<Step, Error> {
        self.time.step += 1;
        let (step, fault) = (self.time.step, self.fault);
        let end = match fault {
            Fault::Endless => None,
            Fault::NothingAllowedAtTheEnd => (step == 6).then_some(End::Truncated),
            _ => (step == 6).then_some(End::Terminated),
        };
        self.time.running = end.is_none();
        let nothing_allowed = fault == Fault::NothingAllowed && step == 2;
        self.mask = [!(nothing_allowed || fault == Fault::NothingAllowedAtTheEnd && end.is_some()); 2];
        observation[0] = if fault == Fault::NanObservation && step == 2 { f32::NAN } else { (step % 7) as f32 };
        Ok(Step { reward: if fault == Fault::InfiniteReward && step == 2 { f64::INFINITY } else { 1.0 }, end })
    }

    fn action_mask(&self) -> Option<&[bool]> {
        self.spec.has_action_mask.then_some(&self.mask)
    }

    fn scene(&mut self) -> Result<Option<Scene>, Error> {
        Ok(None)
    }

    fn save_state(&self) -> Result<Vec<u8>, Error> {
        state::save(&self.spec.id, &self.time)
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.time = state::load(&self.spec.id, bytes)?;
        Ok(())
    }
}

fn config(assignments: &[&str]) -> TrainConfig {
    let small = [
        "network.hidden=[4]",
        "replay.capacity=40",
        "agent.batch_size=4",
        "training.steps=30",
        "evaluation.episodes=2",
    ];
    layered("textbook", &small, assignments)
}

/// A run that trains on one kind of clock and evaluates on another kind.
fn trainer(config: TrainConfig, training: Fault, evaluation: Fault) -> Trainer {
    let clock = move |role| Ok(Clock::new(if role == EnvironmentRole::Evaluation { evaluation } else { training }));
    Trainer::builder(config).environment(clock).engine(cpu::on(CpuPath::Scalar)).build().unwrap()
}

fn warnings(events: &[Event]) -> Vec<&str> {
    fn message(event: &Event) -> Option<&str> {
        if let Event::Warning { message } = event { Some(message) } else { None }
    }
    events.iter().filter_map(message).collect()
}

#[test]
fn anything_that_implements_environment_trains() {
    for num_envs in ["training.num_envs=1", "training.num_envs=3"] {
        let mut trainer = trainer(config(&[num_envs, "env.frame_stack=2"]), Fault::None, Fault::None);
        let events: Vec<Event> = (&mut trainer).map(Result::unwrap).collect();
        let returns: Vec<f64> = events
            .iter()
            .filter_map(|event| if let Event::Episode(record) = event { Some(record.total_reward) } else { None })
            .collect();
        assert!(!returns.is_empty() && returns.iter().all(|total| *total == 6.0), "{returns:?}");
        assert!(matches!(events.last(), Some(Event::Evaluation(evaluation)) if evaluation.returns == [6.0, 6.0]));
        assert_eq!((&*trainer.config().env.id, &*trainer.model().env), ("Clock", "Clock"));
        assert_eq!(trainer.env().spec().observation_space.len(), 2, "the configured wrappers are put around it");
        assert!(trainer.is_finished());
    }
}

#[test]
fn environments_of_one_run_that_are_not_alike_are_refused() {
    let unlike = |role| {
        let mut clock = Clock::new(Fault::None);
        clock.spec.action_space.n = if role == EnvironmentRole::Evaluation { 3 } else { 2 };
        Ok(clock)
    };
    let message = Trainer::builder(config(&[])).environment(unlike).build().err().unwrap().to_string();
    assert!(message.contains("environment 'Clock' has different actions from 'Clock'"), "{message}");
}

#[test]
fn an_evaluation_on_which_no_episode_ends_is_cut_at_the_limit_with_one_warning() {
    let keys = ["evaluation.max_episode_steps=25", "evaluation.every_steps=10"];
    let mut limited = trainer(config(&keys), Fault::None, Fault::Endless);
    let events: Vec<Event> = (&mut limited).map(Result::unwrap).collect();
    let evaluations: Vec<&Vec<f64>> = events
        .iter()
        .filter_map(|event| if let Event::Evaluation(evaluation) = event { Some(&evaluation.returns) } else { None })
        .collect();
    assert_eq!(evaluations, [&vec![25.0, 25.0]; 4], "after 10, 20 and 30 steps, and the closing one");
    assert_eq!(warnings(&events).len(), 1, "{:?}", warnings(&events));
    assert!(warnings(&events)[0].contains("25 steps") && warnings(&events)[0].contains("evaluation.max_episode_steps"));
    assert_eq!(limited.warnings(), warnings(&events));
}

#[test]
fn the_step_limit_of_evaluations_is_the_configured_one_else_the_environments_else_10_000() {
    let limit = |keys: &[&str]| trainer(config(keys), Fault::None, Fault::None).config().evaluation.max_episode_steps;
    assert_eq!(limit(&[]), StepLimit::Steps(10_000));
    assert_eq!(limit(&["env.max_episode_steps=70"]), StepLimit::Steps(70));
    assert_eq!(limit(&["env.max_episode_steps=70", "evaluation.max_episode_steps=20"]), StepLimit::Steps(20));
    // The environment's own limit is no reason for a warning.
    let mut own = trainer(config(&["env.max_episode_steps=5"]), Fault::Endless, Fault::Endless);
    assert!(own.all(|event| !matches!(event.unwrap(), Event::Warning { .. })));
    let mut endless = trainer(config(&["training.steps=4", "evaluation.episodes=1"]), Fault::None, Fault::Endless);
    let steps = (&mut endless).filter(|event| matches!(event, Ok(Event::EvaluationStep { .. }))).count();
    assert_eq!(steps, 10_000);
}

#[test]
fn one_call_takes_at_most_one_step_one_update_or_one_evaluation_step() {
    let keys = ["training.gradient_steps=9000000000", "training.learning_starts=8", "training.train_frequency=8"];
    let mut endless = trainer(config(&keys), Fault::None, Fault::None);
    for call in 0..500 {
        let before = endless.env_steps();
        match endless.next().unwrap().unwrap() {
            Event::Step { .. } => assert_eq!(endless.env_steps(), before + 1),
            event => {
                assert_eq!(endless.env_steps(), before);
                assert!(matches!(event, Event::Learn { .. } | Event::Episode(_)), "call {call}: {event:?}");
            }
        }
    }
    assert_eq!(endless.env_steps(), 8, "the first of very many updates are under way");
    // No events are queued: the state is as small as before, and the run continues within the updates.
    let state = endless.save_state().unwrap();
    assert!(state.len() < 10_000, "{} bytes", state.len());
    let mut continued = trainer(config(&keys), Fault::None, Fault::None);
    continued.load_state(&state).unwrap();
    let mut next = || [results(&mut endless).next(), results(&mut continued).next()];
    for _ in 0..20 {
        let [a, b] = next();
        assert_eq!(a, b);
    }
}

#[test]
fn a_state_saved_within_an_evaluation_restarts_it_and_gives_the_same_run() {
    let keys = ["evaluation.every_steps=12", "agent.n_step=2", "training.num_envs=2", "training.gradient_steps=3"];
    let new = || trainer(config(&keys), Fault::None, Fault::None);
    let mut uninterrupted = new();
    let events: Vec<Event> = (&mut uninterrupted).map(Result::unwrap).collect();
    let is_evaluation_step = |event: &Event| matches!(event, Event::EvaluationStep { .. });
    assert_eq!(events.iter().filter(|event| is_evaluation_step(event)).count(), 3 * 12);
    let expected: Vec<String> = results(&mut new()).collect();
    for cut in 0..=events.len() {
        let mut interrupted = new();
        let before: Vec<Event> = interrupted.by_ref().take(cut).map(Result::unwrap).collect();
        let state = interrupted.save_state().unwrap();
        let mut continued = new();
        continued.load_state(&state).unwrap();
        assert_eq!(continued.save_state().unwrap(), state, "saved again after {cut} events");
        let mut all: Vec<String> = before.iter().filter(|event| !is_evaluation_step(event)).map(common::text).collect();
        all.extend(results(&mut continued));
        assert_eq!(all, expected, "interrupted after {cut} events");
        assert_eq!(continued.agent().parameters(), uninterrupted.agent().parameters());
        assert_eq!(continued.best_model(), uninterrupted.best_model());
    }
}

#[test]
fn a_warning_comes_once_even_across_a_pause() {
    let new = || {
        trainer(config(&["evaluation.max_episode_steps=3", "evaluation.every_steps=10"]), Fault::None, Fault::Endless)
    };
    let mut all = Vec::new();
    let mut interrupted = new();
    for event in &mut interrupted {
        all.push(event.unwrap());
        if all.iter().filter(|event| matches!(event, Event::Evaluation(_))).count() == 1 {
            break;
        }
    }
    let mut continued = new();
    continued.load_state(&interrupted.save_state().unwrap()).unwrap();
    all.extend((&mut continued).map(Result::unwrap));
    assert_eq!(warnings(&all).len(), 1);
    assert_eq!(continued.warnings().len(), 1);
}

#[test]
fn what_an_environment_gives_is_checked_in_evaluations_as_in_training() {
    for (fault, expected) in [
        (Fault::InfiniteReward, "Clock returned reward inf at step 2 of"),
        (Fault::NanObservation, "Clock returned observation NaN at step 2 of"),
        (Fault::NanAtReset, "Clock returned observation NaN at step 0 of"),
        (Fault::NothingAllowed, "Clock: the action mask at step 2 of"),
    ] {
        let masked = fault == Fault::NothingAllowed;
        let harmless = if masked { Fault::NothingAllowedAtTheEnd } else { Fault::None };
        for (training, evaluation, part) in [(fault, harmless, "training"), (harmless, fault, "a greedy episode")] {
            let events: Vec<_> = trainer(config(&[]), training, evaluation).collect();
            let (last, before) = events.split_last().unwrap();
            let message = last.as_ref().unwrap_err().to_string();
            assert!(message.contains(&format!("{expected} {part}")), "{fault:?}: {message}");
            let episodes = before.iter().filter(|event| matches!(event, Ok(Event::Episode(_)))).count();
            assert_eq!(episodes, if part == "training" { 0 } else { 5 }, "the last episode comes before the error");
        }
    }
}

#[test]
fn an_infinite_reward_that_a_wrapper_clips_is_an_error_all_the_same() {
    for (training, evaluation) in [(Fault::InfiniteReward, Fault::None), (Fault::None, Fault::InfiniteReward)] {
        let clipped = config(&["env.clip_reward=[-1, 1]"]);
        let error = trainer(clipped, training, evaluation).find_map(Result::err).unwrap().to_string();
        assert!(error.contains("Clock returned return inf at step 2"), "{error}");
    }
}

#[test]
fn a_truncation_where_nothing_is_allowed_trains_as_a_termination_does() {
    for n_step in ["agent.n_step=1", "agent.n_step=3"] {
        let parameters = |fault| {
            let keys = [n_step, "agent.time_limit=bootstrap", "training.steps=60"];
            let mut trainer = trainer(config(&keys), fault, fault);
            assert!(trainer.all(|event| event.is_ok()));
            trainer.agent().parameters().to_vec()
        };
        assert_eq!(parameters(Fault::NothingAllowedAtTheEnd), parameters(Fault::None), "{n_step}");
    }
}

#[test]
fn a_run_that_is_stopped_yields_nothing_more_and_has_not_finished() {
    let stop = StopFlag::default();
    let build = || {
        let clock = |_| Ok(Clock::new(Fault::Endless));
        Trainer::builder(config(&[])).environment(clock).stop_flag(stop.clone()).build().unwrap()
    };
    let mut stopped = build();
    assert!(stopped.by_ref().take(7).all(|event| event.is_ok()));
    stop.request();
    assert!(stopped.next().is_none() && !stopped.is_finished());
    // What there is can still be saved, and a run that is not stopped goes on from it.
    let state = stopped.save_state().unwrap();
    let clock = |_| Ok(Clock::new(Fault::Endless));
    let mut continued = Trainer::builder(config(&[])).environment(clock).build().unwrap();
    continued.load_state(&state).unwrap();
    assert!(continued.next().is_some());
}
