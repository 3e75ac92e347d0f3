//! Measures the time that an agent takes to act: the median of many calls of `Policy::act`, on one thread.
//!
//!     quarl train --out agent
//!     cargo run --release -p quarl --example latency agent/model.safetensors

use std::hint::black_box;
use std::time::Instant;

use quarl::{Error, Policy};

const CALLS: u32 = 10_000;
const ROUNDS: usize = 101;

fn main() -> Result<(), Error> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "agent/model.safetensors".to_owned());
    let (median, fastest) = nanoseconds(&mut Policy::load(path)?)?;
    println!(
        "{median:.0} nanoseconds for each action (median of {ROUNDS} rounds of {CALLS}), the fastest round {fastest:.0}"
    );
    Ok(())
}

/// The median and the minimum over rounds of the mean time of a call.
fn nanoseconds(policy: &mut Policy) -> Result<(f64, f64), Error> {
    let mut observation = vec![0.05; policy.architecture().inputs];
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for i in 0..CALLS {
            // Another observation each time, and a result that has to be computed.
            observation[0] = 1e-6 * i as f32;
            black_box(policy.act(black_box(&observation), None)?);
        }
        rounds.push(started.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS));
    }
    rounds.sort_by(f64::total_cmp);
    Ok((rounds[ROUNDS / 2], rounds[0]))
}

#[test]
fn an_action_takes_some_time() {
    let mut trainer =
        quarl::Trainer::new(quarl::TrainConfig::preset("textbook").set("training.episodes", 1).build().unwrap())
            .unwrap();
    trainer.try_for_each(|event| event.map(|_| ())).unwrap();
    let (median, fastest) = nanoseconds(&mut trainer.agent().policy().unwrap()).unwrap();
    assert!(fastest > 0.0 && fastest <= median);
}
