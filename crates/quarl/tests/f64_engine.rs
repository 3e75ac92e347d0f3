//! A second engine, in f64 and written from the formulas: it trains through `Trainer`, and checks every update of the CPU
//! engine.

mod common;
#[path = "f64_engine/mod.rs"]
mod f64_engine;

use std::sync::{Arc, Mutex};

use common::{layered, results, uniform};
use f64_engine::check::{Tally, checked};
use f64_engine::engine::F64Engine;
use f64_engine::environments::{Drift, Film};
use f64_engine::recorder::{Recorder, Seen};
use quarl::Error;
use quarl::config::{TrainConfig, presets};
use quarl::engine::cpu;
use quarl::engine::{EngineFactory, EngineState};
use quarl::env::{Environment, TimeLimit};
use quarl::observations::{Observations, ObservationsView};
use quarl::rng::Rng;
use quarl::space::Dtype;
use quarl::train::{Event, Trainer};

/// A run of sixty steps with small networks.
fn small(switches: &[&[&str]]) -> TrainConfig {
    let small = [
        "env.id=Drift",
        "network.hidden=[7, 5]",
        "replay.capacity=50",
        "agent.batch_size=17",
        "agent.gamma=0.9",
        "agent.time_limit=bootstrap",
        "optimizer.lr=3e-3",
        "exploration.epsilon=0.3",
        "target_network.every_steps=15",
        "training.steps=60",
        "training.diagnostics=true",
        "evaluation.every_steps=1000",
        "evaluation.episodes=1",
    ];
    layered("textbook", &small, &switches.concat())
}

/// Trains the checked engine with these switches, on an environment with or without action masks.
fn check(switches: &[&[&str]], has_action_mask: bool, tally: &Arc<Mutex<Tally>>) {
    let of = switches.concat().join(" ");
    let trainer = Trainer::builder(small(switches))
        .environment(move |_| TimeLimit::new(Drift::new(has_action_mask), 15))
        .engine(checked(of.clone(), Arc::clone(tally)))
        .build()
        .unwrap_or_else(|error| panic!("{of}: {error}"));
    let before = tally.lock().unwrap().updates;
    run(trainer);
    let updates = tally.lock().unwrap().updates - before;
    assert!(updates >= 35, "{of}: only {updates} updates");
}

/// Trains to the end.
fn run(trainer: impl Iterator<Item = Result<Event, Error>>) {
    trainer.for_each(|event| drop(event.unwrap()));
}

const HEADS: &[&[&str]] = &[
    &["agent.loss=mse"],
    &["agent.loss=huber"],
    &["network.head=categorical", "network.atoms=7", "network.v_min=-3", "network.v_max=2"],
    &["network.head=quantile", "network.quantiles=5"],
    &["network.head=implicit", "network.quantiles=4", "network.acting_quantiles=3", "network.cosines=6"],
];
const TARGETS: &[&[&str]] =
    &[&["agent.target=max"], &["agent.target=double"], &["agent.target=clipped_double"], &["agent.target=munchausen"]];
const SAMPLERS: &[&[&str]] = &[&["replay.kind=uniform"], &["replay.kind=prioritized"], &["replay.kind=none"]];
const NOISE: &[&[&str]] = &[&["network.noisy=false"], &["network.noisy=true"]];

#[test]
fn every_update_of_every_head_target_sampler_and_noise_is_the_f64_engines() {
    let tally: Arc<Mutex<Tally>> = Arc::default();
    for head in HEADS {
        for target in TARGETS {
            if head[0] == "network.head=categorical" && target[0] == "agent.target=munchausen" {
                continue;
            }
            for sampler in SAMPLERS {
                for noise in NOISE {
                    check(&[head, target, sampler, noise], false, &tally);
                }
            }
        }
    }
    tally.lock().unwrap().report();
}

/// All other settings that an update depends on, for every head.
const SWITCHES: &[&[&str]] = &[
    &["network.hidden=[]"],
    &["network.hidden=[17]", "agent.batch_size=16"],
    &["network.hidden=[33, 3, 5]", "agent.batch_size=1"],
    &["network.activation=tanh"],
    &["network.activation=elu"],
    &["network.layer_norm=true"],
    &["network.weight_norm=true"],
    &["network.weight_norm=true", "network.noisy=true", "network.dueling=true", "optimizer.max_grad_norm=0.5"],
    &["network.dueling=true", "network.dueling_hidden=6"],
    &["network.dueling=true", "network.dueling_hidden=6", "network.hidden=[]", "network.noisy=true"],
    &[
        "network.dueling=true",
        "network.dueling_hidden=6",
        "network.layer_norm=true",
        "network.activation=elu",
        "network.noisy=true",
        "agent.target=double",
        "replay.kind=prioritized",
        "agent.n_step=3",
    ],
    &["optimizer.beta1=0.5", "optimizer.beta2=0.9", "optimizer.eps=1e-4"],
    &["optimizer.kind=rmsprop"],
    &["optimizer.kind=rmsprop", "optimizer.centered=true", "optimizer.momentum=0.5"],
    &["optimizer.kind=rmsprop", "optimizer.eps_inside_sqrt=true", "optimizer.eps=0.01", "optimizer.alpha=0.95"],
    &["optimizer.kind=sgd", "optimizer.lr=0.02"],
    &["optimizer.kind=sgd", "optimizer.lr=0.01", "optimizer.momentum=0.9"],
    &["optimizer.kind=sgd", "optimizer.lr=0.01", "optimizer.momentum=0.9", "optimizer.nesterov=true"],
    &["optimizer.max_grad_norm=0.1"],
    &["optimizer.max_grad_norm=0.5", "optimizer.kind=sgd", "optimizer.lr=0.02", "replay.kind=prioritized"],
    &["optimizer.lr={ kind = \"linear\", from = 1e-2, to = 1e-4, steps = 50 }"],
    &["agent.n_step=3", "agent.gamma=1.0"],
    &["agent.time_limit=terminal", "agent.target=double"],
    &["replay.kind=prioritized", "replay.alpha=1.0", "replay.beta=1.0", "replay.eps=0.01"],
    &["target_network.kind=none"],
    &["target_network.kind=none", "agent.target=double", "replay.kind=none", "agent.n_step=2"],
    &["target_network.kind=soft", "target_network.tau=0.1"],
    &["target_network.initial=online", "target_network.every_steps=1"],
    &["training.num_envs=3"],
    &["training.gradient_steps=2", "training.train_frequency=2"],
    &["env.normalize_observation=true"],
    &["env.normalize_observation=true", "env.frame_stack=2", "agent.target=double"],
    &["env.clip_reward=[-0.5, 0.5]"],
    &["exploration.kind=softmax"],
    &["exploration.kind=noisy", "network.noisy=true", "network.noisy_sigma=1.0"],
];

#[test]
fn every_update_is_the_f64_engines_whatever_else_is_switched() {
    let tally: Arc<Mutex<Tally>> = Arc::default();
    for head in HEADS {
        for switches in SWITCHES {
            check(&[head, switches], false, &tally);
        }
    }
    let munchausen = [
        "agent.target=munchausen",
        "agent.munchausen_alpha=0.5",
        "agent.munchausen_temperature=0.5",
        "agent.munchausen_floor=-0.4",
    ];
    for head in HEADS.iter().filter(|head| head[0] != "network.head=categorical") {
        check(&[head, &munchausen], false, &tally);
    }
    tally.lock().unwrap().report();
}

#[test]
fn every_update_with_action_masks_is_the_f64_engines() {
    let tally: Arc<Mutex<Tally>> = Arc::default();
    for head in HEADS {
        for target in &TARGETS[..2] {
            for switches in [&[][..], &["replay.kind=prioritized", "agent.n_step=3"], &["replay.kind=none"]] {
                check(&[head, target, switches], true, &tally);
            }
        }
    }
    tally.lock().unwrap().report();
}

#[test]
fn q_values_of_several_observations_are_the_f64_engines() {
    let tally: Arc<Mutex<Tally>> = Arc::default();
    let env = Drift::new(false);
    let observations = uniform(1, 5 * 4, -2.0, 2.0);
    for head in HEADS {
        for noise in NOISE {
            let config = small(&[head, noise]);
            let mut engine = checked(head.join(" "), Arc::clone(&tally))(&config, env.spec()).unwrap();
            let online = uniform(2, engine.parameters().len(), -0.5, 0.5);
            engine.set_state(&EngineState { online, ..engine.state() }).unwrap();
            let mut q_values = [0.0; 5 * 3];
            engine.q_values(ObservationsView::F32(&observations), &mut Rng::from_seed(0), &mut q_values).unwrap();
            let short = ObservationsView::F32(&observations[1..]);
            let Err(Error::ObservationLength { expected: 20, actual: 19, .. }) =
                engine.q_values(short, &mut Rng::from_seed(0), &mut q_values)
            else {
                panic!("{head:?}: not refused")
            };
        }
    }
}

/// Runs of a few hundred updates with the combined settings of the presets.
#[test]
fn every_update_of_the_presets_is_the_f64_engines() {
    let tally: Arc<Mutex<Tally>> = Arc::default();
    for preset in presets::list().map(|(name, _)| name) {
        let small = [
            "network.hidden=[9, 6]",
            "network.quantiles=4",
            "network.acting_quantiles=3",
            "network.cosines=5",
            "network.atoms=11",
            "agent.batch_size=8",
            "training.learning_starts=8",
            "training.train_frequency=1",
            "training.gradient_steps=1",
            "training.steps=200",
            "training.diagnostics=true",
            "evaluation.episodes=1",
        ];
        let config = layered(preset, &small, &["env.id=CartPole-v1"]);
        run(Trainer::builder(config).engine(checked(preset.to_owned(), Arc::clone(&tally))).build().unwrap());
    }
    tally.lock().unwrap().report();
}

#[test]
fn every_update_on_bytes_is_the_f64_engines() {
    let tally: Arc<Mutex<Tally>> = Arc::default();
    for head in HEADS {
        for switches in [&["env.id=Film"][..], &["env.id=Film", "env.normalize_observation=true", "env.frame_stack=2"]]
        {
            let engine = checked(head.join(" "), Arc::clone(&tally));
            let config = small(&[head, switches]);
            run(Trainer::builder(config).environment(|_| Ok(Film::new(&[12]))).engine(engine).build().unwrap());
        }
    }
    tally.lock().unwrap().report();
}

/// A checked run equals the run of the CPU engine.
#[test]
fn a_checked_run_is_the_cpu_engines() {
    for switches in [&["network.noisy=true", "agent.target=double", "training.steps=150"], HEADS[2]] {
        let events = |engine: EngineFactory| {
            let environment = |_| TimeLimit::new(Drift::new(true), 15);
            let mut trainer =
                Trainer::builder(small(&[switches])).environment(environment).engine(engine).build().unwrap();
            results(&mut trainer).collect::<Vec<_>>()
        };
        assert_eq!(events(checked(String::new(), Arc::default())), events(cpu::fastest().unwrap()), "{switches:?}");
    }
}

#[test]
fn the_f64_engine_says_when_a_run_diverges() {
    let config = small(&[&["optimizer.kind=sgd", "optimizer.lr=1e30"]]);
    let environment = |_| TimeLimit::new(Drift::new(false), 15);
    let mut trainer = Trainer::builder(config).environment(environment).engine(F64Engine::make).build().unwrap();
    let error = trainer.by_ref().find_map(Result::err);
    let Some(Error::NotFinite { step, .. }) = error else { panic!("{error:?}") };
    assert_eq!(step, trainer.env_steps());
}

/// The mean greedy return of the f64 engine after `steps` steps with these switches.
fn learnt_return(switches: &[&str], steps: &str) -> f64 {
    let long = ["network.hidden=[16]", "replay.capacity=1000", "optimizer.lr=5e-3", "evaluation.episodes=40", steps];
    let trainer = Trainer::builder(small(&[&long, switches]))
        .environment(|_| TimeLimit::new(Drift::new(false), 15))
        .engine(F64Engine::make)
        .build()
        .unwrap();
    assert_eq!(trainer.agent().engine().name(), "f64");
    let mean_return =
        |event| if let Event::Evaluation(evaluation) = event { Some(evaluation.mean_return) } else { None };
    trainer.filter_map(|event| mean_return(event.unwrap())).last().unwrap()
}

#[test]
fn the_f64_engine_learns_through_the_trainer() {
    for switches in [
        &["agent.loss=mse"][..],
        &["agent.target=double", "network.dueling=true", "replay.kind=prioritized", "agent.n_step=3"],
        &["network.head=categorical", "network.atoms=11", "network.v_min=-9", "network.v_max=2", "network.noisy=true"],
        &["network.head=quantile", "network.quantiles=5", "agent.target=munchausen"],
        &["network.head=implicit", "network.quantiles=4", "network.acting_quantiles=4", "network.cosines=6"],
    ] {
        // The same starts and the same drift, whatever was learnt; 17 steps see the first update.
        let untrained = learnt_return(switches, "training.steps=17");
        let trained = learnt_return(switches, "training.steps=600");
        assert!(trained > untrained + 1.2, "{switches:?}: from {untrained} to {trained}");
    }
}

#[test]
fn a_run_goes_on_from_the_state_of_either_engine() {
    for switches in [
        &[][..],
        &["network.noisy=true", "replay.kind=prioritized", "network.head=quantile", "network.quantiles=5"],
        &["optimizer.kind=rmsprop", "optimizer.centered=true", "optimizer.momentum=0.5"],
        &["optimizer.kind=sgd", "optimizer.momentum=0.9"],
    ] {
        let with = |engine: EngineFactory| {
            let environment = |_| TimeLimit::new(Drift::new(false), 15);
            Trainer::builder(small(&[switches])).environment(environment).engine(engine).build().unwrap()
        };
        let (f64_engine, cpu_engine) = (|| with(Box::new(F64Engine::make)), || with(cpu::fastest().unwrap()));
        for mut interrupted in [f64_engine(), cpu_engine()] {
            interrupted.by_ref().take(77).for_each(|event| drop(event.unwrap()));
            let state = interrupted.save_state().unwrap();
            let parameters = interrupted.agent().parameters().to_vec();
            let mut ends = Vec::new();
            for mut continued in [f64_engine(), f64_engine(), cpu_engine()] {
                continued.load_state(&state).unwrap();
                assert_eq!(continued.save_state().unwrap(), state, "{switches:?}");
                assert_eq!(continued.agent().parameters(), parameters, "{switches:?}");
                run(&mut continued);
                assert_eq!(continued.env_steps(), 60);
                ends.push(continued.agent().parameters().to_vec());
            }
            assert_eq!(ends[0], ends[1], "{switches:?}: the same state, the same end");
            assert_ne!(ends[0], parameters, "{switches:?}");
        }
    }
}

#[test]
fn a_state_of_another_network_or_optimizer_is_refused() {
    let trainer = |switches: &[&str]| {
        let environment = |_| TimeLimit::new(Drift::new(false), 15);
        Trainer::builder(small(&[switches])).environment(environment).engine(F64Engine::make).build().unwrap()
    };
    let state = trainer(&[]).agent().state().into_owned();
    for switches in [&["optimizer.kind=sgd"][..], &["optimizer.beta1=0.8"], &["network.hidden=[23]"]] {
        let mut other = trainer(switches);
        let before = other.agent().parameters().to_vec();
        let engine = other.agent().engine().state();
        assert!(state.engine().check(&engine).is_err(), "{switches:?}");
        assert!(other.load_state(&trainer(&[]).save_state().unwrap()).is_err(), "{switches:?}");
        assert_eq!(other.agent().parameters(), before);
    }
}

/// The observations that the engine receives in a run on the film; greedy, so that every step computes Q-values.
fn film(switches: &[&str]) -> Seen {
    let config = small(&[&["env.id=Film", "exploration.epsilon=0.0"], switches]);
    let seen = Arc::default();
    run(Trainer::builder(config)
        .environment(|_| Ok(Film::new(&[3, 4])))
        .engine(Recorder::engine(&seen))
        .build()
        .unwrap());
    std::mem::take(&mut seen.lock().unwrap())
}

#[test]
fn images_are_for_engines_that_can_learn_from_them() {
    let build = |engine: EngineFactory| {
        let config = small(&[&["env.id=Film"]]);
        Trainer::builder(config).environment(|_| Ok(Film::new(&[3, 4]))).engine(engine).build()
    };
    assert!(build(Box::new(F64Engine::make)).is_ok());
    let Err(Error::ImageObservation { shape, .. }) = build(cpu::fastest().unwrap()) else { panic!("not refused") };
    assert_eq!(shape, [3, 4]);
}

#[test]
fn images_reach_the_engine_as_bytes_in_their_shape() {
    let seen = film(&[]);
    assert_eq!(seen.shapes, [[3, 4]; 2]);
    // Episodes of 20 steps: images 0 to 19 are acted on.
    let expected: Vec<_> = (0..60).map(|step| Observations::U8(Film::image(step % 20).to_vec())).collect();
    assert_eq!(seen.acting, expected);
    assert_eq!(seen.batches.len(), 60 - 16);
    for [obs, next_obs] in &seen.batches {
        let (Observations::U8(obs), Observations::U8(next_obs)) = (obs, next_obs) else { panic!("{obs:?}") };
        assert_eq!((obs.len(), next_obs.len()), (17 * 12, 17 * 12));
        for (obs, next_obs) in obs.chunks(12).zip(next_obs.chunks(12)) {
            let frame = usize::from(obs[0]);
            assert!(frame < 20 && *obs == Film::image(frame) && *next_obs == Film::image(frame + 1), "{obs:?}");
        }
    }
}

#[test]
fn stacked_images_reach_the_engine_as_bytes() {
    let seen = film(&["env.frame_stack=2"]);
    assert_eq!(seen.shapes, [[2, 3, 4]; 2]);
    for (step, stack) in seen.acting.iter().enumerate() {
        let now = step % 20;
        let expected = [Film::image(now.saturating_sub(1)), Film::image(now)].concat();
        assert_eq!(*stack, Observations::U8(expected), "step {step}");
    }
    assert!(seen.batches.iter().flatten().all(|seen| seen.dtype() == Dtype::U8 && seen.len() == 17 * 24));
}

#[test]
fn normalised_images_reach_the_engine_as_floats() {
    let seen = film(&["env.normalize_observation=true"]);
    assert_eq!(seen.shapes, [[3, 4]; 2]);
    let numbers = |seen: &Observations, count: usize| {
        let Observations::F32(numbers) = seen else { panic!("{seen:?}") };
        assert_eq!(numbers.len(), count);
        assert!(numbers.iter().all(|x| x.abs() < 10.0), "{numbers:?}");
        numbers.iter().sum::<f32>() / count as f32
    };
    assert_eq!((seen.acting.len(), seen.batches.len()), (60, 60 - 16));
    for seen in &seen.acting {
        numbers(seen, 12);
    }
    for seen in seen.batches.iter().flatten() {
        // Of many images, each pixel's mean is near 0, where the bytes' is near 128.
        let mean = numbers(seen, 17 * 12);
        assert!(mean.abs() < 0.5, "{mean}");
    }
}
