//! Every kind of file that is read, damaged in every way that `common/mutations.rs` knows.
//!
//! Reading gives an error that names the file, or a valid result. It never panics, never takes much more memory than the file has
//! bytes, never waits, and never changes a file. This test has its own file, because it measures the memory of the whole process.
#![cfg(feature = "files")]

#[path = "common/allocator.rs"]
mod allocator;
#[path = "common/mutations.rs"]
mod mutations;

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use quarl::checkpoint::Checkpoint;
use quarl::config::TrainConfig;
use quarl::experiment::{self, Comparison, Variant};
use quarl::import::Imported;
use quarl::plot::results::collect;
use quarl::run::{self, Contents, Holder, RunFollower, RunWriter};
use quarl::trained::{SavedModel, TrainedAgent};
use quarl::tune::{self, Pruner, Space, StudyFollower, read_study};
use quarl::{Error, Model, Policy, Trainer};

/// How often a file's size reading may take in memory, and how much in any case.
const MEMORY: (usize, usize) = (40, 16 << 20);
/// No file here takes longer on any machine that is not stopped.
const TIME: Duration = Duration::from_secs(20);

type Reader = Box<dyn Fn() -> Result<(), Error>>;

/// A file, and everything that reads it.
struct Subject {
    path: PathBuf,
    readers: Vec<(&'static str, Reader)>,
}

impl Subject {
    fn new(path: PathBuf) -> Self {
        Self { path, readers: Vec::new() }
    }

    fn read_by(mut self, name: &'static str, read: impl Fn() -> Result<(), Error> + 'static) -> Self {
        self.readers.push((name, Box::new(read)));
        self
    }

    /// Calls every reader, and says what is wrong.
    fn read(&self, what: &str, size: usize) -> Vec<String> {
        let name = self.path.file_name().unwrap().to_string_lossy();
        let mut wrong = Vec::new();
        for (reader, read) in &self.readers {
            let mut result = None;
            let started = Instant::now();
            let peak = allocator::peak_of(|| result = Some(catch_unwind(AssertUnwindSafe(read))));
            let mut report = |problem: String| wrong.push(format!("{name}, {what}: {reader} {problem}"));
            match result.unwrap() {
                Err(_) => report("panics".to_owned()),
                Ok(Err(error)) if !error.to_string().contains(&*name) => {
                    report(format!("does not name the file: {error}"));
                }
                Ok(_) => {}
            }
            if peak > MEMORY.0 * size + MEMORY.1 {
                report(format!("takes {peak} bytes for {size}"));
            }
            if started.elapsed() > TIME {
                report(format!("takes {:?}", started.elapsed()));
            }
        }
        wrong
    }
}

/// The contents of all files below a directory.
fn snapshot(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(snapshot(&path));
        } else {
            files.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    files
}

fn config() -> TrainConfig {
    let builder = TrainConfig::preset("textbook").set("training.episodes", 4).set("network.hidden", vec![4_i64]);
    builder.set("training.diagnostics", true).set("evaluation.every_episodes", 2).build().unwrap()
}

/// A run, an experiment in a comparison, a study and an archive.
fn write_results(root: &Path) {
    let mut writer = RunWriter::create(&root.join("run"), false, &config()).unwrap();
    let mut trainer = Trainer::new(config()).unwrap();
    while let Some(event) = trainer.next() {
        writer.record(&event.unwrap(), &trainer).unwrap();
    }
    writer.finish(&trainer, 1.0, false).unwrap();
    drop(writer);
    Checkpoint::save(&trainer, &root.join("checkpoints")).unwrap();

    let plan = experiment::Plan::new(config(), root.join("comparison")).runs(2);
    let variants = [("one", config()), ("other", config())];
    let variant =
        |(name, config): (&str, TrainConfig)| Variant { name: name.to_owned(), label: name.to_owned(), config };
    let comparison = Comparison::open(&plan, variants.map(variant).into()).unwrap();
    for event in comparison.start().unwrap() {
        event.unwrap();
    }
    comparison.results(None).unwrap();

    let space = Space::parse("space", "[space]\n\"agent.gamma\" = { choices = [0.9, 0.99] }\n", &config()).unwrap();
    let study = tune::Plan::new(config(), space, root.join("study")).trials(2).score_episodes(1).confirmations(1);
    let study = study.pruner(Pruner::None).open().unwrap();
    for event in study.start().unwrap() {
        event.unwrap();
    }
    study.results().unwrap();

    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/stable_baselines3.zip");
    fs::copy(archive, root.join("agent.zip")).unwrap();
}

fn subjects(root: &Path) -> Vec<Subject> {
    let run = root.join("run");
    let in_run = |name: &str| {
        let dir = run.clone();
        let status = move || run::status(&dir).map(drop);
        let dir = run.clone();
        let follow = move || RunFollower::new(&dir).poll().map(drop);
        Subject::new(run.join(name)).read_by("status", status).read_by("follow", follow)
    };
    let agent = |dir: &Path, saved: SavedModel| {
        let dir = dir.to_owned();
        move || {
            let agent = TrainedAgent::load(&dir, saved)?;
            Policy::new(&agent.model).map(drop)
        }
    };
    let model = {
        let path = run.join(run::MODEL);
        move || {
            let model = Model::load(&path)?;
            let mut policy = Policy::new(&model)?;
            let observation = vec![0.1; model.architecture.inputs];
            policy.act(&observation, None).map(drop)
        }
    };
    let comparison = root.join("comparison");
    let compared = {
        let dir = comparison.clone();
        move || experiment::read_comparison(&dir).map(drop)
    };
    let first = experiment_of(&comparison);
    let outcomes = |dir: &Path| {
        let dir = dir.to_owned();
        move || experiment::outcomes(&dir).map(drop)
    };
    let collected = |dir: &Path| {
        let dir = dir.to_owned();
        move || collect(std::slice::from_ref(&dir), &[]).map(drop)
    };
    let study = root.join("study");
    let studied = |dir: &Path| {
        let dir = dir.to_owned();
        move || {
            let mut followed = StudyFollower::new(&dir);
            followed.poll()?;
            assert!(followed.share().is_finite());
            if let Some(results) = read_study(&dir)? {
                results.progress().to_svg()?;
                results.parallel_coordinates().to_svg()?;
                results.importance().map(|chart| chart.to_svg()).transpose()?;
                results.best_config()?;
            }
            Ok(())
        }
    };
    let archive = root.join("agent.zip");
    let imported = {
        let path = archive.clone();
        move || {
            let imported = Imported::load(&path, "CartPole-v1")?;
            Policy::new(&imported.model).map(drop)
        }
    };
    let figure = || {
        let dir = run.clone();
        move || run::figure(&dir)?.to_svg().map(drop)
    };
    let contents = || {
        let dir = run.clone();
        move || Contents::of(&dir).map(drop)
    };
    let configuration = {
        let dir = run.clone();
        move || run::read_config(&dir).map(drop)
    };
    let table = {
        let dir = run.clone();
        move || run::read_episodes(&dir).map(drop)
    };
    let lock = {
        let dir = run.clone();
        move || {
            let _ = Holder::of(&dir);
            Ok(())
        }
    };
    fs::write(run.join(".lock"), "process 1 on host alpha, since 1970-01-01 00:00:00 UTC\n").unwrap();
    let checkpoint = files(&root.join("checkpoints"));
    let [main, segment] = [true, false].map(|is_main| {
        let is_wanted = |path: &&PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("step-") == is_main;
        checkpoint.iter().find(is_wanted).unwrap().clone()
    });
    let resumed = || {
        let path = main.clone();
        move || Trainer::resume(&Checkpoint::load(&path)?).map(drop)
    };
    vec![
        Subject::new(main.clone()).read_by("resume", resumed()),
        Subject::new(segment).read_by("resume", resumed()),
        in_run(run::MODEL).read_by("model", model).read_by("agent", agent(&run, SavedModel::Last)),
        in_run(run::BEST).read_by("agent", agent(&run, SavedModel::Best)),
        in_run(run::CONFIG)
            .read_by("configuration", configuration)
            .read_by("agent", agent(&run, SavedModel::Last))
            .read_by("contents", contents()),
        in_run(run::EPISODES).read_by("table", table).read_by("figure", figure()),
        in_run(run::EVALUATIONS).read_by("figure", figure()),
        in_run("diagnostics.csv"),
        in_run("summary.json").read_by("figure", figure()).read_by("contents", contents()),
        Subject::new(run.join(".lock")).read_by("holder", lock).read_by("contents", contents()),
        Subject::new(comparison.join("comparison.json")).read_by("comparison", compared),
        Subject::new(first.join("config.toml"))
            .read_by("outcomes", outcomes(&first))
            .read_by("curves", collected(&first)),
        Subject::new(first.join("runs/seed-0/episodes.csv"))
            .read_by("outcomes", outcomes(&first))
            .read_by("curves", collected(&first)),
        Subject::new(study.join("journal.jsonl")).read_by("study", studied(&study)),
        Subject::new(study.join("summary.json")).read_by("study", studied(&study)),
        Subject::new(archive).read_by("import", imported),
    ]
}

/// The files in a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}

/// The first experiment of a comparison.
fn experiment_of(comparison: &Path) -> PathBuf {
    let mut dirs: Vec<PathBuf> = fs::read_dir(comparison).unwrap().map(|entry| entry.unwrap().path()).collect();
    dirs.retain(|path| path.join("runs").is_dir());
    dirs.sort();
    dirs[0].clone()
}

// A single test, because other tests of the same process would allocate too.
#[test]
fn a_damaged_file_is_an_error_that_names_it_or_a_valid_result() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write_results(root);
    let subjects = subjects(root);
    // Caught panics are reported below.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let before = snapshot(root);
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for (i, subject) in subjects.iter().enumerate() {
        let original = fs::read(&subject.path).unwrap();
        wrong.extend(subject.read("undamaged", original.len()));
        for (what, bytes) in mutations::all(&original, i as u64) {
            fs::write(&subject.path, &bytes).unwrap();
            wrong.extend(subject.read(&what, bytes.len()));
            tried += 1;
            if fs::read(&subject.path).unwrap() != bytes {
                wrong.push(format!("{}: {what}: the file was changed", subject.path.display()));
            }
        }
        for (what, place) in in_place_of_a_file(root) {
            fs::remove_file(&subject.path).unwrap();
            if place(&subject.path) {
                wrong.extend(subject.read(what, 0));
                tried += 1;
            }
            let _ = fs::remove_dir(&subject.path);
            let _ = fs::remove_file(&subject.path);
            fs::write(&subject.path, &original).unwrap();
        }
        fs::write(&subject.path, &original).unwrap();
    }
    std::panic::set_hook(hook);
    let after = snapshot(root);
    let changed: Vec<&PathBuf> =
        after.keys().chain(before.keys()).filter(|path| after.get(*path) != before.get(*path)).collect();
    assert!(changed.is_empty(), "reading has changed {changed:?}");
    assert!(tried >= 2500, "only {tried} damaged files");
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{} problems:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
}

type Place = Box<dyn Fn(&Path) -> bool>;

/// What can be in the place of a file; false where this system cannot make it.
fn in_place_of_a_file(root: &Path) -> Vec<(&'static str, Place)> {
    let directory: Place = Box::new(|path| fs::create_dir(path).is_ok());
    #[cfg(not(unix))]
    let (_, places) = (root, vec![("a directory", directory)]);
    #[cfg(unix)]
    let places = {
        let mut places = vec![("a directory", directory)];
        let other = root.join("comparison/comparison.json");
        use std::os::unix::fs::symlink;
        places.push(("a link to nothing", Box::new(|path| symlink("nowhere", path).is_ok())));
        places.push(("a link to itself", Box::new(|path| symlink(path, path).is_ok())));
        places.push(("a link to a device without end", Box::new(|path| symlink("/dev/zero", path).is_ok())));
        places.push(("a link to another file", Box::new(move |path| symlink(&other, path).is_ok())));
        let pipe =
            |path: &Path| std::process::Command::new("mkfifo").arg(path).status().is_ok_and(|status| status.success());
        places.push(("a named pipe", Box::new(pipe)));
        let gigabytes = |path: &Path| fs::File::create(path).and_then(|file| file.set_len(1 << 50)).is_ok();
        places.push(("a sparse file of a petabyte", Box::new(gigabytes)));
        places
    };
    places
}
