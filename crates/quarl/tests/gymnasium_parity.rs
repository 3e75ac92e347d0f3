//! The classic control tasks against recordings of the real Gymnasium.
//!
//! The fixtures are written by tests/oracles/gymnasium_trajectories.py. Resets, rewards, endings and lengths are equal
//! throughout. States are not quite, because sine and cosine are correct to the last place but one on every platform, and
//! differ there between platforms (in NumPy, too): a single step agrees to 1e-12, and over an episode the difference grows
//! as the task's own dynamics make it grow. An unattended pole multiplies it by about 1.08 a step. An acrobot is chaotic:
//! once it has been whirled around, a difference can grow tenfold in 20 steps.
//!
//! Measured (60 episodes a task): CartPole 3e-11, MountainCar 6e-16, Acrobot 9e-11 up to 200 steps and 1.4e-2 at the worst up
//! to 500 (the second worst of its episodes: 5e-8). A single step: 0 for CartPole and MountainCar, 1.4e-15 for Acrobot.

use std::path::Path;

use quarl::env::classic_control::{ClassicControl, Physics};
use quarl::env::{Acrobot, CartPole, End, Environment, MountainCar, TimeLimit};
use serde::Deserialize;

#[derive(Deserialize)]
struct Recording {
    id: String,
    every: usize,
    episodes: Vec<Episode>,
    steps: Vec<SingleStep>,
}

/// State, action, next state, reward, whether it terminated.
#[derive(Deserialize)]
struct SingleStep(Vec<f64>, usize, Vec<f64>, f64, bool);

#[derive(Deserialize)]
struct Episode {
    seed: Option<u64>,
    reset_state: Vec<f64>,
    reset_observation: Vec<f32>,
    actions: String,
    /// Each reward, and how many times in a row.
    rewards: Vec<(f64, usize)>,
    terminated: bool,
    truncated: bool,
    states: Vec<Vec<f64>>,
    last_state: Vec<f64>,
    last_observation: Vec<f32>,
}

fn recording(id: &str) -> Recording {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/gymnasium/{id}.json"));
    let recording: Recording = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(recording.id, id);
    assert!(recording.episodes.len() >= 50);
    recording
}

/// The largest difference between two states; relative where a number is larger than `floor`.
fn difference(actual: &[f64], expected: &[f64], floor: f64) -> f64 {
    assert_eq!(actual.len(), expected.len());
    actual.iter().zip(expected).map(|(a, e)| (a - e).abs() / e.abs().max(floor)).fold(0.0, f64::max)
}

fn single_steps<P: Physics>(id: &str) {
    let mut env = ClassicControl::<P>::new();
    let mut observation = vec![0.0; env.spec().observation_space.len()];
    let mut worst = 0.0_f64;
    for SingleStep(state, action, next_state, reward, terminated) in recording(id).steps {
        let mut start = P::State::default();
        start.as_mut().copy_from_slice(&state);
        env.start_from(start, &mut observation).unwrap();
        let step = env.step(action, &mut observation).unwrap();
        assert_eq!(step.reward, reward, "{id}: {state:?}, action {action}");
        assert_eq!(step.end, terminated.then_some(End::Terminated), "{id}: {state:?}, action {action}");
        worst = worst.max(difference(env.state().unwrap().as_ref(), &next_state, 1e-3));
    }
    println!("{id}: a single step differs by {worst:.1e} at most");
    assert!(worst <= 1e-12, "{id}: {worst:e}");
}

/// Replays all episodes; `bounds` are pairs of a number of steps and the greatest difference of a state up to there.
fn episodes<P: Physics>(mut env: TimeLimit<ClassicControl<P>>, reset_places: u32, bounds: &[(usize, f64)]) {
    let id = env.spec().id.clone();
    let recording = recording(&id);
    let mut observation = vec![f32::NAN; env.spec().observation_space.len()];
    let mut worst = vec![0.0_f64; bounds.len()];
    for (nth, episode) in recording.episodes.iter().enumerate() {
        let what = format!("{id}, episode {nth}");
        env.reset(episode.seed, &mut observation).unwrap();
        assert_eq!(env.inner().state().unwrap().as_ref(), episode.reset_state, "{what}: reset");
        for (actual, expected) in observation.iter().zip(&episode.reset_observation) {
            assert!(actual.to_bits().abs_diff(expected.to_bits()) <= reset_places, "{what}: {actual} {expected}");
        }

        let rewards = episode.rewards.iter().flat_map(|&(reward, times)| std::iter::repeat_n(reward, times));
        let mut compared = 0;
        for (t, (action, reward)) in (1..).zip(episode.actions.bytes().map(|digit| digit - b'0').zip(rewards)) {
            let step = env.step(usize::from(action), &mut observation).unwrap();
            let is_last = t == episode.actions.len();
            let end = match (is_last, episode.terminated, episode.truncated) {
                (false, _, _) => None,
                (true, true, _) => Some(End::Terminated),
                (true, false, truncated) => truncated.then_some(End::Truncated),
            };
            assert_eq!((step.reward, step.end), (reward, end), "{what}: step {t}");

            let expected = if is_last {
                &episode.last_state
            } else if t % recording.every == 0 {
                &episode.states[t / recording.every - 1]
            } else {
                continue;
            };
            compared += 1;
            let difference = difference(env.inner().state().unwrap().as_ref(), expected, 1.0);
            let within = bounds.iter().position(|&(steps, _)| t <= steps).expect("a bound for every length");
            worst[within] = worst[within].max(difference);
        }
        assert!(compared > 0, "{what}: nothing was compared");
        let seen: Vec<f64> = observation.iter().map(|&x| f64::from(x)).collect();
        let expected: Vec<f64> = episode.last_observation.iter().map(|&x| f64::from(x)).collect();
        // What was rounded to f32 on both sides may have been rounded to neighbours.
        let (_, bound) = bounds.iter().find(|&&(steps, _)| episode.actions.len() <= steps).unwrap();
        assert!(difference(&seen, &expected, 1.0) <= bound + f64::from(f32::EPSILON), "{what}: last observation");
    }
    for (&(steps, bound), worst) in bounds.iter().zip(worst) {
        println!("{id}: up to {steps} steps a state differs by {worst:.1e} at most");
        assert!(worst <= bound, "{id}: {worst:e} within {steps} steps");
    }
}

#[test]
fn single_steps_of_cartpole_agree_with_gymnasium() {
    single_steps::<CartPole>("CartPole-v0");
    single_steps::<CartPole>("CartPole-v1");
}

#[test]
fn single_steps_of_mountain_car_agree_with_gymnasium() {
    single_steps::<MountainCar>("MountainCar-v0");
}

#[test]
fn single_steps_of_acrobot_agree_with_gymnasium() {
    single_steps::<Acrobot>("Acrobot-v1");
}

#[test]
fn episodes_of_cartpole_agree_with_gymnasium() {
    episodes(CartPole::v0(), 0, &[(200, 1e-6)]);
    episodes(CartPole::v1(), 0, &[(200, 1e-6), (500, 1e-6)]);
}

#[test]
fn episodes_of_mountain_car_agree_with_gymnasium() {
    episodes(MountainCar::v0(), 0, &[(200, 1e-6)]);
}

#[test]
fn episodes_of_acrobot_agree_with_gymnasium() {
    // The first observation may differ in the last place: Gymnasium computes that one in f32.
    episodes(Acrobot::v1(), 1, &[(200, 1e-6), (500, 2e-2)]);
}
