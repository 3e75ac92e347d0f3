//! Updates of small networks whose sizes are not whole vectors. `cargo xtask miri` runs them, to check the memory accesses
//! of kernels, replay and saved state; whole runs of such sizes are in `tests/odd_sizes.rs`.

use super::*;
use crate::config::{Activation, OptimizerKind, ReplayKind};
use crate::engine::{DrawnBatch, EngineState};
use crate::env;
use crate::replay::Replay;
use crate::rng::Stream;
use crate::transition::{Batch, Transition};

const ODD_SIZES: [usize; 4] = [1, 7, 17, 33];

/// Combinations that together reach every kernel.
const SWITCHES: [fn(&mut TrainConfig); 4] = [
    |config| config.optimizer.max_grad_norm = Some(0.5),
    |config| {
        config.replay.kind = ReplayKind::Prioritized;
        (config.replay.alpha, config.replay.eps) = (0.6, 1e-3);
        (config.network.activation, config.network.layer_norm) = (Activation::Elu, true);
        config.optimizer.kind = OptimizerKind::Rmsprop;
        (config.optimizer.alpha, config.optimizer.eps) = (0.9, 1e-3);
    },
    |config| {
        config.network.head = Head::Categorical { atoms: 7, v_min: 0.0, v_max: 20.0 };
        (config.network.dueling, config.network.dueling_hidden, config.network.noisy) = (true, 5, true);
        config.network.weight_norm = true;
    },
    |config| {
        config.network.head = Head::Implicit { cosines: 5, acting_quantiles: 3 };
        config.network.training_quantiles = 3;
        config.network.activation = Activation::Tanh;
        config.optimizer.kind = OptimizerKind::Sgd;
    },
];

/// The online network's bits after three updates. If `pause`, engine and replay buffer are saved and restored after the
/// first one.
fn learnt(config: &TrainConfig, spec: &EnvironmentSpec, path: CpuPath, pause: bool) -> Vec<u32> {
    let mut engine = CpuEngine::new(config, spec, path).unwrap();
    let mut rng = Stream::Initialisation.rng(3);
    let parameters = engine.network.layers().initial_parameters(0.5, &mut rng);
    engine.set_parameters(&parameters, &parameters);
    let size = config.agent.batch_size;
    let mut replay = Replay::new(&config.replay, 1, &spec.observation_space, 0).unwrap();
    for _ in 0..size + 2 {
        let [obs, next_obs] = [(); 2].map(|()| [(); 4].map(|()| rng.uniform_in(-1.0, 1.0) as f32));
        let discount = if rng.uniform() < 0.2 { 0.0 } else { 0.9 };
        let transition =
            Transition { obs: &obs, action: rng.below(2), reward: 1.0, discount, next_obs: &next_obs, next_mask: None };
        engine.invalidate(replay.push(transition).unwrap());
    }
    let (mut batch, mut td_errors) = (Batch::new(size, 4), vec![0.0; size]);
    for update in 0..3 {
        // Not 0.5: libm then takes a square root with inline assembly, which Miri cannot interpret.
        replay.draw(0.4, &mut rng, &mut batch).unwrap();
        let drawn = DrawnBatch::new(&mut batch, &replay, None).unwrap();
        engine
            .update(Update {
                batch: drawn,
                learning_rate: 1e-3,
                env_steps: update,
                wants_diagnostics: true,
                noise: &mut rng,
                td_errors: &mut td_errors,
            })
            .unwrap();
        replay.update_priorities(&batch.ids, td_errors.iter().copied());
        engine.update_target(if update == 0 { TargetUpdate::Polyak(0.1) } else { TargetUpdate::Hard });
        let mut q_values = [0.0; 4];
        engine.q_values(ObservationsView::F32(&[0.1; 8]), &mut rng, &mut q_values).unwrap();
        if pause && update == 0 {
            let saved = postcard::to_stdvec(&(engine.state(), &replay)).unwrap();
            let (state, read): (EngineState, Replay) = postcard::from_bytes(&saved).unwrap();
            engine = CpuEngine::new(config, spec, path).unwrap();
            engine.set_state(&state).unwrap();
            replay = read;
            replay.reserve();
        }
    }
    engine.parameters().iter().map(|x| x.to_bits()).collect()
}

#[test]
fn updates_have_the_same_bits_on_every_path_and_across_a_pause_at_odd_sizes() {
    let base = TrainConfig::preset("textbook").build().unwrap();
    let spec = env::make("CartPole-v1").unwrap().spec().clone();
    for (i, switch) in SWITCHES.into_iter().enumerate() {
        // Miri takes seconds for what takes microseconds: it gets one size for each combination, a different one each time.
        let sizes = if cfg!(miri) { vec![ODD_SIZES[ODD_SIZES.len() - 1 - i]] } else { ODD_SIZES.to_vec() };
        for size in sizes {
            let mut config = base.clone();
            config.network.hidden = vec![size];
            config.agent.batch_size = size;
            config.replay.capacity = size + 1;
            switch(&mut config);
            let expected = learnt(&config, &spec, CpuPath::Scalar, false);
            for path in CpuPath::available() {
                assert_eq!(
                    learnt(&config, &spec, path, true),
                    expected,
                    "combination {i}, size {size}, {}",
                    path.name()
                );
            }
        }
    }
}
