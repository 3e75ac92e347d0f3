//! The bridge and the built-in environments against the real Gymnasium. `cargo xtask test` installs it and runs these.

#![cfg(all(feature = "gym", unix))]

use std::collections::HashSet;
use std::path::Path;

use quarl::Error;
use quarl::config::{GymConfig, TrainConfig};
use quarl::env::gym::{GymEnv, GymOptions};
use quarl::env::{self, Environment, check::check};
use quarl::render::Scene;
use quarl::rng::Rng;
use quarl::space::Dtype;
use quarl::train::{Event, Trainer};

fn options(id: &str) -> GymOptions {
    let python = std::env::var("QUARL_TEST_PYTHON").expect("cargo xtask test sets QUARL_TEST_PYTHON");
    let imports = if Path::new("tests/python").exists() { vec!["tests.python.misbehaving".to_owned()] } else { vec![] };
    let settings = GymConfig { python, imports, ..GymConfig::default() };
    GymOptions { id: id.to_owned(), settings, ..GymOptions::default() }
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
    for id in [
        "CartPole-v1",
        "Acrobot-v1",
        "LunarLander-v3",
        "Taxi-v4",
        "Walk-v0",
        "Nested-v0",
        "Pixels-v0",
        "Masked-v0",
        "OwnGenerator-v0",
    ] {
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
    assert!(env.spec().observation_space.is_image());
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
fn gymnasiums_own_environments_go_on_with_the_next_episode_once_restored() {
    let ids = ["CartPole-v1", "MountainCar-v0", "LunarLander-v3", "Taxi-v4", "FrozenLake-v1", "Blackjack-v1"];
    for id in ids {
        let three_episodes = |env: &mut GymEnv| -> Vec<Vec<f32>> {
            let mut all = Vec::new();
            for _ in 0..3 {
                let mut seen = numbers(env);
                env.reset(None, &mut seen).unwrap();
                all.push(seen.clone());
                for step in 0..50 {
                    if env.step(step % env.spec().action_space.n, &mut seen).unwrap().end.is_some() {
                        break;
                    }
                    all.push(seen.clone());
                }
            }
            all
        };
        let mut env = gym(id);
        assert!(env.saves_random_state(), "{id}");
        env.reset(Some(5), &mut numbers(&env)).unwrap();
        let mut seen = numbers(&env);
        for action in [0, 1, 0] {
            if env.step(action, &mut seen).unwrap().end.is_some() {
                break;
            }
        }
        let state = env.save_state().unwrap();
        let mut restored = gym(id);
        restored.load_state(&state).unwrap();
        assert!(restored.step(0, &mut seen).is_err(), "{id}: the running episode is not part of a saved state");
        assert_eq!(three_episodes(&mut restored), three_episodes(&mut env), "{id}");
        let other = if id == "Taxi-v4" { "CartPole-v1" } else { "Taxi-v4" };
        assert!(gym(other).load_state(&state).is_err(), "another environment's");
    }
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn nobody_knows_the_random_state_of_environments_outside_gymnasium() {
    for id in ["Walk-v0", "OwnGenerator-v0"] {
        assert!(!gym(id).saves_random_state(), "{id}");
    }
}

/// Two environments in two workers, or in one.
fn two(id: &str, together: bool, render: bool) -> Vec<GymEnv> {
    let options = GymOptions { render, ..options(id) };
    match together {
        true => GymEnv::several(options, 2).unwrap(),
        false => vec![GymEnv::new(options.clone()).unwrap(), GymEnv::new(options).unwrap()],
    }
}

/// Both environments' first episodes, steps taken in turn.
fn whole_episodes(envs: &mut [GymEnv]) -> Vec<(Vec<f32>, f64)> {
    let mut record = Vec::new();
    let mut seen = numbers(&envs[0]);
    for (i, env) in envs.iter_mut().enumerate() {
        env.reset(Some(i as u64), &mut seen).unwrap();
        record.push((seen.clone(), 0.0));
    }
    for step in 0..10 {
        envs.iter_mut().for_each(|env| env.begin_step(step % 2).unwrap());
        for env in envs.iter_mut() {
            let outcome = env.step(step % 2, &mut seen).unwrap();
            record.push((seen.clone(), outcome.reward));
        }
    }
    record
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn a_step_that_has_begun_can_be_abandoned_by_anything_and_the_answers_stay_in_order() {
    let saved = |env: &mut GymEnv| {
        env.reset(Some(9), &mut numbers(env)).unwrap();
        env.save_state().unwrap()
    };
    for together in [false, true] {
        let mut envs = two("Walk-v0", together, true);
        let expected = whole_episodes(&mut envs);
        let mut seen = numbers(&envs[0]);
        let state = saved(&mut envs[0]);
        for call in ["reset", "load_state", "scene", "scene and reset", "both"] {
            for env in &mut envs {
                env.reset(Some(3), &mut seen).unwrap();
                env.begin_step(1).unwrap();
            }
            match call {
                "reset" => envs[0].reset(Some(4), &mut seen).unwrap(),
                "load_state" => envs[0].load_state(&state).unwrap(),
                "scene" => assert!(envs[0].scene().unwrap().is_some()),
                "scene and reset" => {
                    envs[0].scene().unwrap();
                    envs[0].reset(None, &mut seen).unwrap();
                }
                _ => envs.iter_mut().for_each(|env| env.load_state(&state).unwrap()),
            }
            if call == "load_state" || call == "both" {
                assert!(matches!(envs[0].step(1, &mut seen), Err(Error::StepBeforeReset { .. })), "{call}");
            }
            assert_eq!(whole_episodes(&mut envs), expected, "{call}, together: {together}");
        }
        // A step with a scene in between is one step, not two.
        envs[0].reset(Some(3), &mut seen).unwrap();
        envs[0].begin_step(1).unwrap();
        envs[0].scene().unwrap();
        envs[0].step(1, &mut seen).unwrap();
        assert_eq!(seen[0], 1.0);
    }
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn a_step_announced_twice_is_taken_once_and_another_action_is_refused() {
    for together in [false, true] {
        let mut envs = two("Walk-v0", together, false);
        let mut seen = numbers(&envs[0]);
        envs.iter_mut().for_each(|env| env.reset(Some(3), &mut [0.0; 2]).unwrap());
        envs.iter_mut().for_each(|env| env.begin_step(1).unwrap());
        envs[0].begin_step(1).unwrap();
        for refused in [envs[0].begin_step(0), envs[0].step(0, &mut seen).map(|_| ())] {
            assert!(matches!(refused, Err(Error::StepBegun { begun: 1, action: 0, .. })), "{refused:?}");
        }
        assert!(matches!(envs[0].begin_step(2), Err(Error::InvalidAction { .. })));
        assert!(matches!(envs[0].save_state(), Err(Error::State { .. })));
        for env in &mut envs {
            env.step(1, &mut seen).unwrap();
            assert_eq!(seen[0], 1.0);
        }
        envs[0].begin_step(0).unwrap();
        drop(envs.remove(0));
        envs[0].step(1, &mut seen).unwrap();
        assert_eq!(seen[0], 2.0, "the other one's step that has begun is not in the way");
    }
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn an_exception_in_an_abandoned_step_is_abandoned_with_it() {
    let mut env = gym("Explodes-v0");
    let mut seen = numbers(&env);
    for _ in 0..2 {
        env.reset(Some(3), &mut seen).unwrap();
        env.begin_step(1).unwrap();
    }
    env.reset(Some(3), &mut seen).unwrap();
    env.step(0, &mut seen).unwrap();
    env.begin_step(1).unwrap();
    assert!(matches!(env.step(1, &mut seen), Err(Error::EnvironmentFailed { .. })));
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn a_time_limit_does_not_keep_an_environment_from_being_saved_between_episodes() {
    let mut env = env::TimeLimit::new(gym("CartPole-v1"), 3).unwrap();
    let mut seen = vec![0.0; 4];
    env.reset(Some(0), &mut seen).unwrap();
    while env.step(0, &mut seen).unwrap().end.is_none() {}
    assert!(matches!(env.begin_step(0), Err(Error::StepBeforeReset { .. })));
    let state = env.save_state().unwrap();
    let mut restored = env::TimeLimit::new(gym("CartPole-v1"), 3).unwrap();
    restored.load_state(&state).unwrap();
    let mut expected = seen.clone();
    env.reset(None, &mut expected).unwrap();
    restored.reset(None, &mut seen).unwrap();
    assert_eq!(seen, expected);
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn arguments_reach_the_environment() {
    let mut options = options("Raises-v0");
    options.settings.kwargs.insert("at".to_owned(), toml::Value::Integer(2));
    let mut env = GymEnv::new(options).unwrap();
    let mut seen = numbers(&env);
    env.reset(Some(0), &mut seen).unwrap();
    env.step(0, &mut seen).unwrap();
    let message = env.step(0, &mut seen).unwrap_err().to_string();
    let expected = "gym:Raises-v0 failed at step 2, in episode 0: ValueError: the wheel came off (";
    assert!(message.starts_with(expected) && message.contains("misbehaving.py:"), "{message}");
}

fn trainer(id: &str, more: &[&str]) -> Trainer {
    let GymConfig { python, imports, .. } = options(id).settings;
    let small = ["training.episodes=12", "network.hidden=[16]", "evaluation.every_episodes=4"];
    let builder = TrainConfig::preset("textbook").set("env.id", format!("gym:{id}"));
    let builder = builder.set("env.gym.python", python).set("env.gym.imports", imports).assign_all(small);
    Trainer::new(builder.assign_all(more).build().unwrap()).unwrap()
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn a_bridged_run_that_is_interrupted_goes_on_as_if_it_had_not_been() {
    for (id, more) in [
        ("CartPole-v1", &[][..]),
        ("CartPole-v1", &["env.max_episode_steps=9"]),
        ("OwnGenerator-v0", &[]),
        ("OwnGenerator-v0", &["env.frame_stack=2", "env.reward_scale=0.5", "env.max_episode_steps=7"]),
        ("Walk-v0", &[]),
    ] {
        let mut whole = trainer(id, more);
        let mut episodes = (&mut whole).map(Result::unwrap).filter(|event| matches!(event, Event::Episode(_)));
        assert_eq!(episodes.by_ref().take(6).count(), 6);
        let state = whole.save_state().unwrap();
        let mut resumed = trainer(id, more);
        resumed.load_state(&state).unwrap();
        let rest = |trainer: Trainer| trainer.map(Result::unwrap).collect::<Vec<_>>();
        let (whole, resumed) = (rest(whole), rest(resumed));
        assert!(whole.len() > 40, "{id}");
        assert_eq!(resumed, whole, "{id} {more:?}");
    }
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn a_run_is_not_saved_while_an_episode_runs_that_cannot_be() {
    let mut running = trainer("CartPole-v1", &[]);
    running.by_ref().take(2).for_each(|event| drop(event.unwrap()));
    let message = running.save_state().unwrap_err().to_string();
    assert!(message.contains("only be saved between episodes"), "{message}");
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn an_environment_of_unknown_randomness_is_seeded_in_every_episode_and_repeats_itself() {
    let directory = tempfile::tempdir().unwrap();
    let run = |seed: u64, name: &str| -> (Vec<Event>, Vec<String>) {
        let memory = directory.path().join(name);
        let more = [
            format!("training.seed={seed}"),
            format!("env.gym.kwargs={{memory='{}'}}", memory.display()),
            "training.num_envs=2".to_owned(),
            "env.gym.environments_per_worker=2".to_owned(),
        ];
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let events = trainer("OwnGenerator-v0", &more).map(Result::unwrap).collect();
        let seeds = std::fs::read_to_string(memory).unwrap().lines().map(str::to_owned).collect();
        (events, seeds)
    };
    let ((once, seeds), (twice, _), (_, others)) = (run(3, "once"), run(3, "twice"), run(4, "other"));
    assert_eq!(once, twice);
    assert!(!seeds.contains(&"None".to_owned()) && seeds.contains(&"3".to_owned()), "{seeds:?}");
    // Each worker looks for an action mask with seed 0 first; evaluations repeat their seeds.
    let distinct = |seeds: Vec<String>| seeds.into_iter().filter(|seed| seed != "0").collect::<HashSet<_>>();
    let (seeds, others) = (distinct(seeds), distinct(others));
    assert!(seeds.len() > 12 && seeds.is_disjoint(&others), "{seeds:?} {others:?}");
}
