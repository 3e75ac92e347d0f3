//! The bridge and the built-in environments against the real Gymnasium. `cargo xtask test` installs it and runs these.

use std::path::Path;

use quarl::Error;
use quarl::config::{layers, presets};
use quarl::env::gym::{GymEnv, GymOptions};
use quarl::env::{self, Environment, check::check};
use quarl::render::Scene;
use quarl::rng::Rng;
use quarl::space::Dtype;
use quarl::train::{Event, Trainer};

fn options(id: &str) -> GymOptions {
    let python = std::env::var("QUARL_TEST_PYTHON").expect("cargo xtask test sets QUARL_TEST_PYTHON");
    let imports = if Path::new("tests/python").exists() { vec!["tests.python.misbehaving".to_owned()] } else { vec![] };
    GymOptions { id: id.to_owned(), python: Some(python), imports, ..GymOptions::default() }
}

fn gym(id: &str) -> GymEnv {
    GymEnv::new(options(id)).unwrap_or_else(|error| panic!("{error}"))
}

fn numbers(env: &dyn Environment) -> Vec<f32> {
    vec![f32::NAN; env.spec().observation_space.len()]
}

/// Plays 200 seeded episodes with random actions in both; `bounds` are pairs of a number of steps and the greatest
/// difference of an observation up to there.
fn parity(id: &str, bounds: &[(u32, f32)]) {
    let (mut ours, mut theirs) = (env::make(id).unwrap(), gym(id));
    let spec = env::make(id).unwrap().spec().clone();
    let space = &theirs.spec().observation_space;
    assert_eq!((&space.shape, theirs.spec().action_space), (&spec.observation_space.shape, spec.action_space), "{id}");
    assert_eq!((&space.low, &space.high), (&spec.observation_space.low, &spec.observation_space.high), "{id}");
    assert_eq!(theirs.spec().max_episode_steps, spec.max_episode_steps, "{id}");
    assert_eq!(theirs.spec().reward_threshold, spec.reward_threshold, "{id}");
    let (mut seen, mut expected) = (numbers(&*ours), numbers(&theirs));
    let (mut actions, mut worst) = (Rng::from_seed(1), vec![0.0_f32; bounds.len()]);
    for seed in 0..200 {
        ours.reset(Some(seed), &mut seen).unwrap();
        theirs.reset(Some(seed), &mut expected).unwrap();
        for step in 0_u32.. {
            let within = bounds.iter().position(|(steps, _)| step <= *steps).expect("a bound for every length");
            for (a, e) in seen.iter().zip(&expected) {
                worst[within] = worst[within].max((a - e).abs() / e.abs().max(1.0));
            }
            let action = actions.below(spec.action_space.n);
            let step_ours = ours.step(action, &mut seen).unwrap();
            assert_eq!(step_ours, theirs.step(action, &mut expected).unwrap(), "{id}, seed {seed}, step {step}");
            if step_ours.end.is_some() {
                break;
            }
        }
    }
    for ((steps, bound), worst) in bounds.iter().zip(worst) {
        println!("{id}: up to {steps} steps an observation differs by {worst:.1e} at most");
        assert!(worst <= *bound, "{id}: {worst:e} within {steps} steps");
    }
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn cartpole_is_gymnasiums_for_200_random_episodes() {
    parity("CartPole-v1", &[(200, 1e-6), (500, 1e-6)]);
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn mountain_car_is_gymnasiums_for_200_random_episodes() {
    parity("MountainCar-v0", &[(200, 1e-6)]);
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn acrobot_is_gymnasiums_for_200_random_episodes() {
    parity("Acrobot-v1", &[(200, 1e-6), (500, 2e-2)]);
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn bridged_environments_keep_an_environments_promises() {
    for id in
        ["CartPole-v1", "Acrobot-v1", "LunarLander-v3", "Taxi-v4", "Walk-v0", "Nested-v0", "Pixels-v0", "Masked-v0"]
    {
        check(&mut gym(id)).unwrap_or_else(|broken| panic!("{broken}"));
    }
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn nested_spaces_are_flattened_in_gymnasiums_order() {
    let mut env = gym("Nested-v0");
    let mut seen = numbers(&env);
    env.reset(Some(0), &mut seen).unwrap();
    // a: four equal numbers; b: 3 of 1..=3, then two bits; c: 1 of 2 and 0 of 3.
    assert!(seen[..4].iter().all(|x| *x == seen[0] && *x > 0.0), "{seen:?}");
    assert_eq!(seen[4..], [0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    assert_eq!(env.spec().observation_space.low[..5], [-9.0, -9.0, -9.0, -9.0, 0.0]);
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn pixels_keep_their_shape_and_type() {
    let mut env = gym("Pixels-v0");
    assert_eq!(env.spec().observation_space.shape, [4, 3, 1]);
    assert_eq!(env.spec().observation_space.dtype, Dtype::U8);
    let mut seen = numbers(&env);
    env.reset(Some(0), &mut seen).unwrap();
    env.step(1, &mut seen).unwrap();
    assert_eq!(seen, [1.0; 12]);
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn masks_follow_the_episode() {
    let mut env = gym("Masked-v0");
    let mut seen = numbers(&env);
    env.reset(Some(0), &mut seen).unwrap();
    assert_eq!(env.action_mask(), Some(&[true, false][..]));
    env.step(0, &mut seen).unwrap();
    assert_eq!(env.action_mask(), Some(&[false, true][..]));
    assert_eq!(gym("Walk-v0").action_mask(), None);
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn both_flags_at_once_are_a_termination() {
    let mut env = gym("BothFlags-v0");
    let mut seen = numbers(&env);
    env.reset(Some(0), &mut seen).unwrap();
    let last = (0..10).map(|_| env.step(0, &mut seen).unwrap()).last().unwrap();
    assert_eq!(last.end, Some(env::End::Terminated));
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn frames_are_pictures_where_they_were_asked_for() {
    let mut env = GymEnv::new(GymOptions { render: true, ..options("Walk-v0") }).unwrap();
    let mut seen = numbers(&env);
    assert_eq!(env.scene().unwrap(), None);
    env.reset(Some(0), &mut seen).unwrap();
    env.step(0, &mut seen).unwrap();
    assert_eq!(env.scene().unwrap(), Some(Scene::Pixels { width: 60, height: 40, rgb: vec![20; 60 * 40 * 3] }));
    let mut unseen = gym("Walk-v0");
    unseen.reset(Some(0), &mut seen).unwrap();
    assert_eq!(unseen.scene().unwrap(), None);
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn a_restored_environment_goes_on_with_the_next_episode() {
    let next_start = |env: &mut GymEnv| {
        let mut seen = numbers(env);
        env.reset(None, &mut seen).unwrap();
        seen
    };
    let mut env = gym("CartPole-v1");
    let mut seen = numbers(&env);
    env.reset(Some(5), &mut seen).unwrap();
    assert!(matches!(env.save_state(), Err(Error::State { .. })), "within an episode");
    while env.step(0, &mut seen).unwrap().end.is_none() {}
    let state = env.save_state().unwrap();
    let mut restored = gym("CartPole-v1");
    restored.load_state(&state).unwrap();
    assert_eq!(next_start(&mut restored), next_start(&mut env));
    assert!(gym("Acrobot-v1").load_state(&state).is_err(), "another environment's");
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn arguments_reach_the_environment() {
    let args = toml::Table::from_iter([("at".to_owned(), toml::Value::Integer(2))]);
    let mut env = GymEnv::new(GymOptions { args, ..options("Raises-v0") }).unwrap();
    let mut seen = numbers(&env);
    env.reset(Some(0), &mut seen).unwrap();
    env.step(0, &mut seen).unwrap();
    let message = env.step(0, &mut seen).unwrap_err().to_string();
    let expected = "gym:Raises-v0 failed at step 2, in episode 0: ValueError: the wheel came off (";
    assert!(message.starts_with(expected) && message.contains("misbehaving.py:"), "{message}");
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn a_bridged_run_that_is_taken_up_again_goes_on_as_if_it_had_never_stopped() {
    let trainer = || {
        let mut table = presets::table("textbook", Some("gym:CartPole-v1")).unwrap();
        let python = options("CartPole-v1").python.unwrap();
        for assignment in [&format!("env.python='{python}'"), "training.episodes=12", "network.hidden=[16]"] {
            layers::overlay(&mut table, &layers::assignment(assignment).unwrap());
        }
        Trainer::new(layers::resolve("test", table).unwrap()).unwrap()
    };
    let mut whole = trainer();
    let episodes = (&mut whole).map(Result::unwrap).filter(|event| matches!(event, Event::Episode(_)));
    assert_eq!(episodes.take(6).count(), 6);
    let state = whole.save_state().unwrap();
    let mut resumed = trainer();
    resumed.load_state(&state).unwrap();
    let rest = |trainer: Trainer| trainer.into_iter().map(Result::unwrap).collect::<Vec<_>>();
    let (whole, resumed) = (rest(whole), rest(resumed));
    assert!(whole.len() > 50);
    assert_eq!(resumed, whole);
}
