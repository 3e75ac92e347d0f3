//! Measures the overhead of the bridge to Gymnasium per CartPole step, compared with the same loop inside Python and a bare
//! pipe. `cargo xtask bridge` runs it and stores the results.

#[cfg(all(feature = "gym", unix))]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let python =
        std::env::var("QUARL_TEST_PYTHON").map_err(|_| "QUARL_TEST_PYTHON names the interpreter to measure")?;
    println!("{}", cost::measure(&python)?);
    Ok(())
}

#[cfg(not(all(feature = "gym", unix)))]
fn main() {}

#[cfg(all(feature = "gym", unix))]
mod cost {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};
    use std::time::Instant;

    use quarl::config::GymConfig;
    use quarl::env::Environment;
    use quarl::env::gym::{GymEnv, GymOptions};
    use quarl::rng::Rng;

    type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

    const STEPS: usize = 20_000;
    const ROUNDS: usize = 9;

    /// The loop of [`bridged`] inside Python.
    const INSIDE: &str = "
import sys, time, gymnasium, numpy as np
env = gymnasium.make('CartPole-v1', disable_env_checker=True)
actions = [np.int64(c) for c in sys.stdin.read()]
env.reset(seed=0)
for warm_up in (True, False):
    start = time.perf_counter()
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            env.reset()
    seconds = time.perf_counter() - start
print(seconds / len(actions) * 1e6)
";

    /// Answers 16 bytes with 32, as a CartPole step does, and does nothing else.
    const ECHO: &str = "
import os
answer = bytes(32)
while len(os.read(0, 16)) == 16:
    os.write(1, answer)
";

    /// Microseconds a step of all three in turn, as one line of JSON.
    pub(super) fn measure(python: &str) -> Result<String> {
        let mut rng = Rng::from_seed(0);
        let actions: Vec<usize> = (0..STEPS).map(|_| rng.below(2)).collect();
        let (mut bridge, mut inside, mut pipe) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            bridge.push(bridged(python, &actions)?);
            inside.push(in_python(python, &actions)?);
            pipe.push(bare_pipe(python)?);
        }
        let middle = |times: &[f64]| {
            let mut sorted = times.to_vec();
            sorted.sort_by(f64::total_cmp);
            sorted[sorted.len() / 2]
        };
        let added = middle(&bridge) - middle(&inside);
        Ok(serde_json::json!({
            "unit": "microseconds a step, resets included",
            "steps_a_round": STEPS,
            "bridge": { "median": middle(&bridge), "rounds": bridge },
            "inside_python": { "median": middle(&inside), "rounds": inside },
            "bare_pipe_round_trip": { "median": middle(&pipe), "rounds": pipe },
            "bridge_adds": added,
            "allowed": f64::max(15.0, 1.5 * middle(&pipe)),
        })
        .to_string())
    }

    fn bridged(python: &str, actions: &[usize]) -> Result<f64> {
        let settings = GymConfig { python: python.to_owned(), ..GymConfig::default() };
        let options = GymOptions { id: "CartPole-v1".to_owned(), settings, ..GymOptions::default() };
        let mut env = GymEnv::new(options)?;
        let mut observation = [0.0; 4];
        env.reset(Some(0), &mut observation)?;
        let mut seconds = 0.0;
        for _warm_up_then_measured in 0..2 {
            let started = Instant::now();
            for action in actions {
                if env.step(*action, &mut observation)?.end.is_some() {
                    env.reset(None, &mut observation)?;
                }
            }
            seconds = started.elapsed().as_secs_f64();
        }
        Ok(seconds / actions.len() as f64 * 1e6)
    }

    fn in_python(python: &str, actions: &[usize]) -> Result<f64> {
        let mut child =
            Command::new(python).args(["-c", INSIDE]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let text: String = actions.iter().map(|action| action.to_string()).collect();
        child.stdin.take().ok_or("no input")?.write_all(text.as_bytes())?;
        let output = child.wait_with_output()?;
        Ok(String::from_utf8(output.stdout)?.trim().parse()?)
    }

    fn bare_pipe(python: &str) -> Result<f64> {
        let mut child = Command::new(python).args(["-c", ECHO]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut requests = child.stdin.take().ok_or("no input")?;
        let mut replies = child.stdout.take().ok_or("no output")?;
        let (request, mut answer) = ([0; 16], [0; 32]);
        let mut seconds = 0.0;
        for _warm_up_then_measured in 0..2 {
            let started = Instant::now();
            for _ in 0..STEPS {
                requests.write_all(&request)?;
                replies.read_exact(&mut answer)?;
            }
            seconds = started.elapsed().as_secs_f64();
        }
        drop(requests);
        child.wait()?;
        Ok(seconds / STEPS as f64 * 1e6)
    }
}
