//! A worker process of a Gymnasium environment that answers with damaged messages: an error that names the environment, or values
//! that were checked. Never a panic, an endless wait, or memory for a length that was only announced.
#![cfg(all(unix, feature = "gym"))]

#[path = "common/allocator.rs"]
mod allocator;
#[path = "common/mutations.rs"]
mod mutations;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use quarl::config::TrainConfig;
use quarl::env::{self, MakeOptions};
use quarl::{Environment, Error};

/// A message: status, ending, environment, length, reward, payload.
fn message(status: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![status, 0, 0, 0];
    bytes.extend((payload.len() as u32).to_le_bytes());
    bytes.extend(1.0_f64.to_le_bytes());
    [&bytes, payload].concat()
}

/// The answers of a worker whose environment has four numbers and two actions: its description, a reset and two steps.
fn conversation() -> Vec<u8> {
    let description = br#"{"protocol": 3, "shape": [4], "actions": 2, "max_episode_steps": 500, "render_fps": 50}"#;
    let bounds: Vec<u8> = [-1.0_f32; 4].iter().chain(&[1.0; 4]).flat_map(|x| x.to_le_bytes()).collect();
    let length = (description.len() as u32).to_le_bytes();
    let observation: Vec<u8> = [0.5_f32; 4].iter().flat_map(|x| x.to_le_bytes()).collect();
    [
        message(2, b"importing gymnasium"),
        message(0, &[&length[..], description, &bounds].concat()),
        message(0, &observation),
        message(0, &observation),
        message(0, &observation),
    ]
    .concat()
}

/// Starts the environment, resets it and takes two steps.
fn play(config: &TrainConfig) -> Result<(), Error> {
    let mut env: Box<dyn Environment> = env::make_configured(&config.env, &MakeOptions::default())?;
    let mut observation = vec![0.0; env.spec().observation_space.len()];
    env.reset(Some(0), &mut observation)?;
    for _ in 0..2 {
        env.step(0, &mut observation)?;
    }
    Ok(())
}

// A single test, because other tests of the same process would allocate too.
#[test]
fn a_damaged_answer_of_a_worker_is_an_error_that_names_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let (python, answers) = (directory.path().join("python"), directory.path().join("answers"));
    fs::write(&python, format!("#!/bin/sh\nexec cat '{}'\n", answers.display())).unwrap();
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    let python: &Path = &python;
    let builder = TrainConfig::preset("robust").set("env.id", "gym:Fake-v0").set("training.steps", 1000);
    let config = builder.set("env.gym.python", python.to_str().unwrap()).build().unwrap();
    let original = conversation();
    fs::write(&answers, &original).unwrap();
    play(&config).unwrap();

    let endless_reports = message(2, b"still importing").repeat(2000);
    let announced = [&[0_u8, 0, 0, 0, 0xff, 0xff, 0xff, 0x0f][..], &[0; 8]].concat();
    let own = [("reports alone", endless_reports), ("a payload that is only announced", announced)];
    let own = own.map(|(what, bytes)| (what.to_owned(), bytes));
    let mut refused = 0;
    // Every third: each starts a process.
    for (what, bytes) in mutations::all(&original, 3).into_iter().step_by(3).chain(own) {
        fs::write(&answers, &bytes).unwrap();
        let mut result = None;
        let started = Instant::now();
        let peak = allocator::peak_of(|| result = Some(catch_unwind(AssertUnwindSafe(|| play(&config)))));
        let result = result.unwrap().unwrap_or_else(|_| panic!("{what}: panics"));
        if let Err(error) = result {
            refused += 1;
            assert!(error.to_string().contains("gym:Fake-v0"), "{what}: {error}");
        }
        assert!(peak <= 40 * bytes.len() + (1 << 20), "{what}: {peak} bytes for {}", bytes.len());
        assert!(started.elapsed() < Duration::from_secs(20), "{what}: {:?}", started.elapsed());
    }
    assert!(refused > 20, "{refused}");
}
