//! The memory of a replay buffer: the bytes of its fields, and little more.

#[path = "common/allocator.rs"]
mod allocator;

use quarl::config::{ReplayConfig, ReplayKind, TrainConfig};
use quarl::replay::Replay;
use quarl::space::{BoxSpace, Dtype};
use quarl::transition::Transition;

// A single test, because other tests of the same process would allocate too.
#[test]
fn a_million_transitions_take_at_most_1_3_times_the_bytes_of_their_fields() {
    const CAPACITY: usize = 1_000_000;
    // Observation, next observation, action, reward, discount.
    for (dtype, fields) in [(Dtype::F32, 4 * 4 * 2 + 4 * 3), (Dtype::U8, 4 * 2 + 4 * 3)] {
        for kind in [ReplayKind::Uniform, ReplayKind::Prioritized] {
            let space = BoxSpace { dtype, ..BoxSpace::vector(vec![0.0; 4], vec![255.0; 4]) };
            let config = TrainConfig::preset("textbook").build().unwrap().replay;
            let config = ReplayConfig { kind, capacity: CAPACITY, ..config };
            let before = allocator::bytes();
            let mut replay = Replay::new(&config, 1, &space, 0).unwrap();
            for i in 0..CAPACITY + 10 {
                let obs = [(i % 256) as f32; 4];
                replay
                    .push(Transition {
                        obs: &obs,
                        action: 1,
                        reward: 1.0,
                        discount: 0.9,
                        next_obs: &obs,
                        next_mask: None,
                    })
                    .unwrap();
            }
            let ratio = (allocator::bytes() - before) as f64 / (CAPACITY * fields) as f64;
            // Priorities are eight bytes each: much beside observations of four bytes, little beside any others.
            let most = if dtype == Dtype::U8 && kind == ReplayKind::Prioritized { 1.5 } else { 1.3 };
            println!("{kind:?} {dtype:?}: {ratio:.3}");
            assert!((1.0..=most).contains(&ratio), "{kind:?} {dtype:?}: {ratio}");
            drop(replay);
        }
    }
}
