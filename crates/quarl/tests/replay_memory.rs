//! What a replay buffer costs: the bytes that its fields need, and little more.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use quarl::config::{ReplayConfig, ReplayKind};
use quarl::replay::Replay;
use quarl::space::{BoxSpace, Dtype};
use quarl::transition::Transition;

struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on as it came.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// One test, so that no other runs beside it.
#[test]
fn a_million_transitions_take_at_most_1_3_times_the_bytes_of_their_fields() {
    const CAPACITY: usize = 1_000_000;
    // Observation, next observation, action, reward, discount.
    for (dtype, fields) in [(Dtype::F32, 4 * 4 * 2 + 4 * 3), (Dtype::U8, 4 * 2 + 4 * 3)] {
        for kind in [ReplayKind::Uniform, ReplayKind::Prioritized] {
            let space = BoxSpace { dtype, ..BoxSpace::vector(vec![0.0; 4], vec![255.0; 4]) };
            let config = ReplayConfig { kind, capacity: CAPACITY, alpha: None, beta: None, eps: None };
            let before = BYTES.load(Ordering::Relaxed);
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
            let ratio = (BYTES.load(Ordering::Relaxed) - before) as f64 / (CAPACITY * fields) as f64;
            // Priorities are eight bytes each: much beside observations of four bytes, little beside any others.
            let most = if dtype == Dtype::U8 && kind == ReplayKind::Prioritized { 1.5 } else { 1.3 };
            println!("{kind:?} {dtype:?}: {ratio:.3}");
            assert!((1.0..=most).contains(&ratio), "{kind:?} {dtype:?}: {ratio}");
            drop(replay);
        }
    }
}
