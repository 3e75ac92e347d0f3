//! The memory that a run allocates agrees with `memory::requirements`.

#[path = "common/allocator.rs"]
mod allocator;

use quarl::config::TrainConfig;
use quarl::engine::cpu::{self, kernels::CpuPath};
use quarl::env;
use quarl::memory;
use quarl::train::Trainer;

/// The peak of the memory allocated by a short run.
fn peak(config: TrainConfig) -> usize {
    allocator::peak_of(|| {
        let mut trainer = Trainer::builder(config).engine(cpu::on(CpuPath::available()[0])).build().unwrap();
        trainer.try_for_each(|event| event.map(|_| ())).unwrap();
    })
}

// A single test, because other tests of the same process would allocate too.
#[test]
fn a_run_allocates_its_computed_requirements() {
    for (preset, assignments) in [
        ("textbook", &["replay.capacity=200000"][..]),
        ("textbook", &["network.hidden=[700, 500]"]),
        ("textbook", &["network.hidden=[300]", "agent.batch_size=2000", "network.layer_norm=true"]),
        ("textbook", &["optimizer.kind=rmsprop", "optimizer.centered=true", "network.hidden=[400, 300]"]),
        ("per", &["replay.capacity=300000"]),
        ("c51", &["agent.batch_size=500"]),
        ("qrdqn", &["network.quantiles=200", "agent.batch_size=200"]),
        ("iqn", &["network.quantiles=64", "agent.batch_size=64"]),
        ("iqn", &["network.quantiles=2", "network.acting_quantiles=2000", "agent.batch_size=4"]),
        ("munchausen", &["agent.batch_size=1500"]),
        ("rainbow", &["network.hidden=[400, 400]", "agent.batch_size=128"]),
        ("dueling", &["network.hidden=[500, 500]"]),
        ("dqn", &["network.hidden=[500, 500]", "network.weight_norm=true"]),
        ("textbook", &["training.num_envs=50", "agent.n_step=5000", "env.frame_stack=4"]),
        ("textbook", &["replay.kind=none", "network.hidden=[900, 900]"]),
    ] {
        let builder = TrainConfig::preset(preset).assign_all(assignments);
        let short = [
            "training.steps=2100",
            "training.learning_starts=2098",
            "evaluation.episodes=1",
            // Two evaluations that select a model: while the second is kept, the first still exists.
            "evaluation.every_steps=1050",
        ];
        let config = builder.assign_all(short).build().unwrap();
        let spec = env::make_configured(&config.env, &env::MakeOptions::default()).unwrap().spec().clone();
        let computed: u64 = memory::requirements(&config, &spec).iter().map(|part| part.bytes).sum();
        let ratio = peak(config) as f64 / computed as f64;
        println!("{preset} {assignments:?}: {ratio:.3} of {computed}");
        assert!((0.98..=1.02).contains(&ratio), "{preset} {assignments:?}: {ratio} of {computed} bytes");
    }
}
