//! Links in a directory of results, which somebody else may have made: nothing is written through them.
#![cfg(all(unix, feature = "files"))]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use quarl::config::TrainConfig;
use quarl::experiment::{Comparison, Plan, Variant};
use quarl::run::{Resume, RunWriter};
use quarl::tune::{self, Pruner, Space};
use quarl::{Error, Trainer};
use tempfile::TempDir;

const PRECIOUS: &str = "precious\n";

fn config() -> TrainConfig {
    let builder = TrainConfig::preset("textbook").set("training.steps", 300).set("network.hidden", vec![4_i64]);
    builder.set("training.diagnostics", true).set("checkpoint.every_steps", 100).build().unwrap()
}

fn write_run(dir: &Path) {
    let mut trainer = Trainer::new(config()).unwrap();
    let mut writer = RunWriter::create(dir, false, &config()).unwrap();
    writer.log_to_tensorboard(&config()).unwrap();
    while let Some(event) = trainer.next() {
        writer.record(&event.unwrap(), &trainer).unwrap();
    }
    writer.finish(&trainer, 1.0, false).unwrap();
}

/// Trains the run for some steps more.
fn resume(dir: &Path) -> Result<(), Error> {
    let mut resume = Resume::open(dir)?;
    let mut longer = resume.config().clone();
    longer.training.steps = Some(400);
    let mut trainer = Trainer::new(longer)?;
    resume.restore(&mut trainer)?;
    let mut writer = resume.writer(&trainer)?;
    while let Some(event) = trainer.next() {
        writer.record(&event?, &trainer)?;
    }
    writer.finish(&trainer, 1.0, false).map(drop)
}

fn replace(dir: &Path) -> Result<(), Error> {
    RunWriter::create(dir, true, &config()).map(drop)
}

fn short() -> TrainConfig {
    let mut config = config();
    config.training.steps = Some(100);
    config
}

/// In a copy, a run is missing.
fn plan(dir: &Path) -> Plan {
    let runs = if dir.ends_with("copy") { 3 } else { 2 };
    Plan::new(short(), dir).runs(runs)
}

fn experiment(dir: &Path) -> Result<(), Error> {
    let experiment = plan(dir).open()?;
    for event in experiment.start()? {
        event?;
    }
    Ok(())
}

fn comparison(dir: &Path) -> Result<(), Error> {
    let variant = |name: &str| Variant { name: name.to_owned(), label: name.to_owned(), config: short() };
    let comparison = Comparison::open(&plan(dir), vec![variant("one"), variant("other")])?;
    for event in comparison.start()? {
        event?;
    }
    Ok(())
}

fn study(dir: &Path) -> Result<(), Error> {
    let space = Space::parse("space", "[space]\n\"agent.gamma\" = { choices = [0.9, 0.99] }\n", &short())?;
    let trials = if dir.ends_with("copy") { 2 } else { 1 };
    let study = tune::Plan::new(short(), space, dir).trials(trials).score_episodes(1).confirmations(1);
    let study = study.pruner(Pruner::None).open()?;
    for event in study.start()? {
        event?;
    }
    Ok(())
}

/// Copies a directory.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (path, copied) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(&path, &copied).unwrap();
        }
    }
}

/// What is elsewhere: names and contents.
fn contents(dir: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut found: Vec<_> =
        fs::read_dir(dir).unwrap().flatten().map(|entry| (entry.path(), fs::read(entry.path()).ok())).collect();
    found.sort();
    found
}

type Write = fn(&Path) -> Result<(), Error>;

/// Puts a link in the place of `name` in a copy of the results, to something elsewhere, and writes. Whatever the outcome, nothing
/// elsewhere may change.
fn try_link(here: &TempDir, results: &str, name: &str, write: Write) -> Result<(), Error> {
    let (copied, elsewhere) = (here.path().join("copy"), here.path().join("elsewhere"));
    let mut outcome = Ok(());
    for target in ["file", "copied", "absent"] {
        let _ = fs::remove_dir_all(&copied);
        let _ = fs::remove_dir_all(&elsewhere);
        copy(&here.path().join(results), &copied);
        fs::create_dir_all(&elsewhere).unwrap();
        let link = copied.join(name);
        match target {
            "file" => fs::write(elsewhere.join(target), PRECIOUS).unwrap(),
            // A directory with the same files, or a file that begins as the one in its place does.
            "copied" if link.is_dir() => copy(&link, &elsewhere.join(target)),
            "copied" if link.is_file() => {
                let text = [fs::read(&link).unwrap(), PRECIOUS.into()].concat();
                fs::write(elsewhere.join(target), text).unwrap();
            }
            "copied" => fs::create_dir(elsewhere.join(target)).unwrap(),
            _ => {}
        }
        let before = contents(&elsewhere);
        let inner = elsewhere.join(target).is_dir().then(|| contents(&elsewhere.join(target)));
        let _ = if link.is_dir() { fs::remove_dir_all(&link) } else { fs::remove_file(&link) };
        symlink(elsewhere.join(target), &link).unwrap();
        let written = write(&copied);
        assert_eq!(contents(&elsewhere), before, "{results}/{name} -> {target}: {written:?}");
        if let Some(inner) = inner {
            assert_eq!(contents(&elsewhere.join(target)), inner, "{results}/{name} -> {target}: {written:?}");
        }
        if target == "copied" {
            outcome = written;
        }
    }
    outcome
}

#[test]
fn nothing_is_written_through_a_link() {
    let here = tempfile::tempdir().unwrap();
    let at = |name: &str| here.path().join(name);
    write_run(&at("run"));
    experiment(&at("experiment")).unwrap();
    comparison(&at("comparison")).unwrap();
    study(&at("study")).unwrap();
    let tables =
        ["episodes.csv", "evaluations.csv", "diagnostics.csv", "summary.json", "config.toml", "model.safetensors"];
    let others = [".lock", "checkpoints", "recordings", "checkpoints/step-000000300.safetensors"];
    let events = fs::read_dir(at("run")).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    let events: Vec<String> = events.filter(|name| name.contains("tfevents")).collect();
    assert_eq!(events.len(), 1);
    for name in tables.into_iter().chain(others).chain([&*events[0]]) {
        for write in [resume as Write, replace] {
            let _ = try_link(&here, "run", name, write);
        }
    }
    for name in
        ["config.toml", ".lock", "runs", "runs/seed-0", "runs/seed-2", "runs/seed-1/.lock", "runs/seed-1/summary.json"]
    {
        let _ = try_link(&here, "experiment", name, experiment);
    }
    for name in ["one", "one/runs", "one/.lock", "one/runs/seed-1"] {
        let _ = try_link(&here, "comparison", name, comparison);
    }
    for name in ["journal.jsonl", ".lock", "checkpoints", "claims"] {
        let _ = try_link(&here, "study", name, study);
    }
}

#[test]
fn the_error_names_the_link() {
    let here = tempfile::tempdir().unwrap();
    write_run(&here.path().join("run"));
    experiment(&here.path().join("experiment")).unwrap();
    for (results, name, write) in [
        ("run", ".lock", resume as Write),
        ("run", "checkpoints", resume),
        ("run", "episodes.csv", resume),
        ("run", ".lock", replace),
        ("experiment", "runs", experiment),
    ] {
        let message = try_link(&here, results, name, write).unwrap_err().to_string();
        let path = here.path().join("copy").join(name);
        assert!(message.starts_with(&path.display().to_string()) && message.contains("this is a link"), "{message}");
    }
    // A directory of results may itself be behind a link, which the user has given.
    symlink(here.path().join("run"), here.path().join("link")).unwrap();
    resume(&here.path().join("link")).unwrap();
}
