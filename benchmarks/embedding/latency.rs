//! The time that an exported agent takes to act: the fastest of 101 rounds of 10,000 actions, in nanoseconds.

mod agent;

use std::hint::black_box;
use std::time::Instant;

const CALLS: u32 = 10_000;

fn main() {
    let mut observation = [0.05; agent::OBSERVATION];
    let fastest = (0..101).map(|_| {
        let start = Instant::now();
        for i in 0..CALLS {
            observation[0] = 1e-6 * i as f32;
            black_box(agent::act(black_box(&observation)));
        }
        start.elapsed().as_secs_f64()
    });
    println!("Rust, exported: {:.0} ns", fastest.fold(f64::INFINITY, f64::min) / f64::from(CALLS) * 1e9);
}
