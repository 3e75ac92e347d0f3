//! A worker process of a Gymnasium environment that does not do its part: an error within the time limit, never an endless wait or
//! memory for what was only announced.
#![cfg(all(unix, feature = "gym"))]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use quarl::config::{EnvConfig, TrainConfig};
use quarl::env::{self, MakeOptions};
use quarl::{Environment, Error, StopFlag};
use tempfile::TempDir;

/// A message: status, ending, environment, length, reward, payload.
fn message(status: u8, environment: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![status, 0, environment, 0];
    bytes.extend((payload.len() as u32).to_le_bytes());
    bytes.extend(1.0_f64.to_le_bytes());
    [&bytes, payload].concat()
}

/// The description of an environment whose observations have one number, with further fields.
fn description(fields: &str) -> Vec<u8> {
    let text = format!(r#"{{"protocol": 3, "shape": [1], {fields}}}"#);
    let bounds = [-1.0_f32, 1.0].map(f32::to_le_bytes).concat();
    message(0, 0, &[&(text.len() as u32).to_le_bytes()[..], text.as_bytes(), &bounds].concat())
}

/// An answer with an observation.
fn observation() -> Vec<u8> {
    message(0, 0, &0.5_f32.to_le_bytes())
}

/// A worker that sends these answers, without reading a request, and then does what the shell script says.
struct Worker {
    config: EnvConfig,
    _dir: TempDir,
}

impl Worker {
    fn new(answers: &[u8], then: &str, timeout_seconds: i64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (python, file) = (dir.path().join("python"), dir.path().join("answers"));
        fs::write(&file, answers).unwrap();
        fs::write(&python, format!("#!/bin/sh\ncat '{}'\n{then}\n", file.display())).unwrap();
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
        let builder = TrainConfig::preset("robust").set("env.id", "gym:Fake-v0").set("training.steps", 1000);
        let builder = builder.set("env.gym.python", python.to_str().unwrap());
        let config = builder.set("env.gym.timeout_seconds", timeout_seconds).build().unwrap();
        Self { config: config.env, _dir: dir }
    }

    fn start(&self) -> Result<Box<dyn Environment>, Error> {
        env::make_configured(&self.config, &MakeOptions::default())
    }
}

/// The first error of an environment that is reset and stepped, and the number of steps before it.
fn failure(env: &mut dyn Environment) -> (usize, String) {
    let mut values = vec![0.0; env.spec().observation_space.len()];
    if let Err(error) = env.reset(Some(0), &mut values) {
        return (0, error.to_string());
    }
    (0..)
        .find_map(|steps| env.step(0, &mut values).err().map(|error| (steps, error.to_string())))
        .expect("a worker does not answer forever")
}

#[test]
fn a_worker_that_reads_no_requests_is_given_up() {
    let answers = [description(r#""actions": 2"#), observation().repeat(10_000)].concat();
    let worker = Worker::new(&answers, "exec sleep 100", 1);
    let started = Instant::now();
    let (steps, error) = failure(&mut *worker.start().unwrap());
    assert!(steps < 10_000 && error.contains("did not answer within 1 s"), "{steps}: {error}");
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_worker_whose_child_keeps_the_pipe_open_has_ended() {
    let answers = [description(r#""actions": 2"#), observation().repeat(3)].concat();
    let worker = Worker::new(&answers, "sleep 100 &\nexit 7", 600);
    let started = Instant::now();
    let (steps, error) = failure(&mut *worker.start().unwrap());
    assert!(steps == 2 && error.contains("it ended with status 7"), "{steps}: {error}");
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn answers_that_were_not_asked_for_are_invalid() {
    let answers = [description(r#""actions": 2"#), message(0, 1, &[0; 4]).repeat(100_000)].concat();
    let mut worker = Worker::new(&answers, "exec sleep 100", 600);
    worker.config.gym.environments_per_worker = 2;
    let mut envs = env::make_several(&worker.config, 2, &MakeOptions::default()).unwrap();
    let (steps, error) = failure(&mut *envs[0]);
    assert!(steps == 0 && error.contains("it sent an invalid answer"), "{steps}: {error}");
}

#[test]
fn a_mask_that_was_only_announced_takes_no_memory() {
    for actions in [1 << 44, u64::MAX] {
        let fields = format!(r#""actions": {actions}, "has_action_mask": true"#);
        let worker = Worker::new(&[description(&fields), observation().repeat(3)].concat(), "exec sleep 100", 600);
        let (steps, error) = failure(&mut *worker.start().unwrap());
        assert!(steps == 0 && error.contains("it sent an invalid answer"), "{steps}: {error}");
    }
}

#[test]
fn descriptions_that_are_no_environment_are_refused() {
    let refused = |answers: &[u8]| Worker::new(answers, "exec sleep 100", 600).start().err().unwrap().to_string();
    let error = refused(&description(r#""actions": 2, "max_episode_steps": 0"#));
    assert!(error.contains("an episode of no steps"), "{error}");
    let error = refused(b"Python 2.7 prints this before anything else\n");
    assert!(error.contains("it sent an invalid answer"), "{error}");
}

#[test]
fn a_report_of_a_start_is_cut_and_the_start_can_be_stopped() {
    let report = message(2, 0, &vec![b'x'; 1 << 20]);
    let worker = Worker::new(&report.repeat(3), "exec sleep 100", 600);
    let stop = StopFlag::default();
    let options = MakeOptions { stop: stop.clone(), ..MakeOptions::default() };
    let activity = std::thread::scope(|scope| {
        let start = scope.spawn(|| env::make_configured(&worker.config, &options).map(drop));
        let activity = loop {
            let startup = env::gym::startups().into_iter().find(|startup| startup.activity.starts_with('x'));
            match startup {
                Some(startup) => break startup.activity,
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        stop.request();
        assert!(matches!(start.join().unwrap(), Err(Error::Stopped { .. })));
        activity
    });
    assert_eq!(activity.len(), 200);
}
