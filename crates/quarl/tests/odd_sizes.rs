//! A few updates of small networks whose sizes do not fit whole vectors: the same bits on every path, and across a pause.
//!
//! `cargo xtask sanitize` runs these tests, so that every kernel, replay and the saved state are looked at for reads and writes
//! outside their memory. (Miri, which takes minutes to read a configuration, runs those of the engine.)

mod common;

use quarl::config::TrainConfig;
use quarl::engine::cpu::{self, kernels::CpuPath};
use quarl::train::{Event, Trainer};

const ODD_SIZES: [usize; 4] = [1, 7, 17, 33];
const UPDATES: u64 = 3;

/// Combinations that together reach every kernel.
const SWITCHES: [&[&str]; 4] = [
    &["optimizer.kind=adam", "optimizer.max_grad_norm=0.5", "target_network.every_steps=2"],
    &["replay.kind=prioritized", "network.activation=elu", "network.layer_norm=true", "optimizer.kind=rmsprop"],
    &[
        "network.head=categorical",
        "network.atoms=7",
        "network.v_min=0",
        "network.v_max=20",
        "network.dueling=true",
        "network.noisy=true",
        "agent.n_step=2",
    ],
    &[
        "network.head=implicit",
        "network.quantiles=3",
        "network.acting_quantiles=3",
        "network.cosines=5",
        "network.activation=tanh",
        "optimizer.kind=sgd",
        "target_network.kind=soft",
        "target_network.tau=0.1",
    ],
];

/// Batch, hidden layer and replay buffer of `size`, without evaluations.
fn config(size: usize, switches: &[&str]) -> TrainConfig {
    let sizes = [
        format!("network.hidden=[{size}]"),
        format!("agent.batch_size={size}"),
        format!("replay.capacity={}", size + 1),
        format!("training.learning_starts={size}"),
    ];
    let small = ["env.id=CartPole-v1", "training.steps=1000000", "evaluation.every_steps=1000000"];
    let all: Vec<&str> = sizes.iter().map(String::as_str).chain(small).chain(switches.iter().copied()).collect();
    common::textbook(&all)
}

fn learn(trainer: &mut Trainer, updates: u64) {
    let mut left = updates;
    while left > 0 {
        if let Event::Learn { .. } = trainer.next().unwrap().unwrap() {
            left -= 1;
        }
    }
}

fn parameters(trainer: &Trainer) -> Vec<u32> {
    trainer.agent().parameters().iter().map(|x| x.to_bits()).collect()
}

#[test]
fn updates_have_the_same_bits_on_every_path_and_across_a_pause_at_odd_sizes() {
    for switches in SWITCHES {
        for size in ODD_SIZES {
            let config = config(size, switches);
            let mut uninterrupted = Trainer::builder(config.clone()).engine(cpu::on(CpuPath::Scalar)).build().unwrap();
            learn(&mut uninterrupted, UPDATES);
            for path in CpuPath::available() {
                let case = format!("{} size {size} {switches:?}", path.name());
                let mut before = Trainer::builder(config.clone()).engine(cpu::on(path)).build().unwrap();
                learn(&mut before, 1);
                let state = before.save_state().unwrap();
                let mut after = Trainer::builder(config.clone()).engine(cpu::on(path)).build().unwrap();
                after.load_state(&state).unwrap();
                learn(&mut after, UPDATES - 1);
                assert_eq!(parameters(&after), parameters(&uninterrupted), "{case}");
            }
        }
    }
}
