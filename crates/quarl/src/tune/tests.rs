//! Whole studies, with short runs.

use std::collections::BTreeMap;

use super::journal::{Entry, JOURNAL, Journal};
use super::*;
use crate::StopFlag;
use crate::config::TrainConfig;
use crate::error::Error;
use crate::experiment::Shard;

const SPACE: &str = "[space]\n\"optimizer.lr\" = { low = 1e-4, high = 1e-2, log = true }\n\"agent.batch_size\" = { choices = \
                     [16, 32] }\n";

fn config() -> TrainConfig {
    let builder = TrainConfig::preset("textbook").set("training.episodes", 6).set("evaluation.every_episodes", 1);
    builder.set("evaluation.episodes", 1).set("network.hidden", vec![8]).build().unwrap()
}

fn plan(out: &std::path::Path) -> Plan {
    let space = Space::parse("space.toml", SPACE, &config()).unwrap();
    Plan::new(config(), space, out.join("study")).trials(6).seeds_per_trial(2).score_episodes(2).confirmations(2)
}

fn run(plan: Plan) -> (Study, Vec<StudyEvent>) {
    let study = plan.open().unwrap();
    let events = study.start().unwrap().collect::<Result<_, _>>().unwrap();
    (study, events)
}

fn table(plan: Plan) -> String {
    let (study, _) = run(plan);
    study.results().unwrap();
    std::fs::read_to_string(study.dir().join("trials.csv")).unwrap()
}

#[test]
fn a_study_runs_its_trials_and_then_the_best_with_fresh_seeds() {
    let directory = tempfile::tempdir().unwrap();
    let (study, events) = run(plan(directory.path()).pruner(Pruner::None).jobs(2));
    let count = |wanted: fn(&StudyEvent) -> bool| events.iter().filter(|event| wanted(event)).count();
    assert_eq!(count(|event| matches!(event, StudyEvent::Trial { .. })), 6);
    assert_eq!(count(|event| matches!(event, StudyEvent::Run { .. })), 12);
    assert_eq!(count(|event| matches!(event, StudyEvent::Complete { .. })), 6);
    assert_eq!(count(|event| matches!(event, StudyEvent::Confirmed { .. })), 2);
    let summary = study.results().unwrap();
    assert_eq!((summary.complete, summary.missing, summary.seeds), (6, 0, vec![0, 1]));
    let best = summary.best.unwrap();
    let trials: BTreeMap<u64, Trial> = study.trials().into_iter().map(|trial| (trial.number, trial)).collect();
    let highest = trials.values().filter_map(|trial| trial.score).fold(f64::NEG_INFINITY, f64::max);
    assert_eq!((best.score, trials[&best.trial].score), (highest, Some(highest)));
    assert_eq!(best.score, worse_half(&best.scores));
    let confirmation = summary.confirmation.unwrap();
    assert_eq!((confirmation.runs, confirmation.scores.len()), (2, 2));
    assert_eq!(confirmation.drop, Some(best.score - confirmation.score.unwrap()));
    let text = std::fs::read_to_string(study.dir().join("best.toml")).unwrap();
    let config = TrainConfig::from_toml("best.toml", &text).unwrap();
    assert_eq!(config.agent.batch_size as i64, best.parameters["agent.batch_size"].as_integer().unwrap());
    for file in ["summary.json", "trials.csv", "progress.svg", "progress.png", "coordinates.svg", "coordinates.png"] {
        assert!(study.dir().join(file).is_file(), "{file}");
    }
    assert!(
        !study.dir().join("claims").exists() && !study.dir().join("importance.svg").exists(),
        "six trials are too few"
    );
    let (_, events) = run(plan(directory.path()).pruner(Pruner::None));
    assert!(events.is_empty(), "everything is complete: {events:?}");
}

#[test]
fn more_trials_continue_a_study() {
    let directory = tempfile::tempdir().unwrap();
    let few = table(plan(directory.path()).trials(2));
    let more = table(plan(directory.path()).trials(4));
    assert!(more.starts_with(&few) && more.lines().count() == 5, "{more}");
    let fewer = table(plan(directory.path()).trials(1));
    assert_eq!(fewer, more, "ended trials are never lost");
}

#[test]
fn a_study_that_is_interrupted_anywhere_has_the_same_trials() {
    let whole = tempfile::tempdir().unwrap();
    let expected = table(plan(whole.path()));
    let again = tempfile::tempdir().unwrap();
    assert_eq!(table(plan(again.path())), expected, "the same study twice");
    let interrupted = tempfile::tempdir().unwrap();
    for events in [3, 11, 17, 29] {
        let stop = StopFlag::default();
        let study = plan(interrupted.path()).stop_flag(stop.clone()).open().unwrap();
        let mut runs = study.start().unwrap();
        runs.by_ref().take(events).for_each(|event| drop(event.unwrap()));
        stop.request();
        runs.for_each(|event| drop(event.unwrap()));
    }
    assert_eq!(table(plan(interrupted.path())), expected);
}

#[test]
fn a_journal_that_ends_anywhere_continues_to_the_same_trials() {
    let directory = tempfile::tempdir().unwrap();
    let expected = table(plan(directory.path()));
    let path = directory.path().join("study").join(JOURNAL);
    let journal = std::fs::read(&path).unwrap();
    let first = journal.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for part in 0..8 {
        let end = first + (journal.len() - first) * part / 8;
        std::fs::write(&path, &journal[..end]).unwrap();
        assert_eq!(table(plan(directory.path())), expected, "after {end} of {} bytes", journal.len());
    }
}

#[test]
fn shards_divide_the_trials_and_the_last_call_reports_all() {
    let directory = tempfile::tempdir().unwrap();
    let of =
        |index| plan(directory.path()).pruner(Pruner::None).sampler(Sampler::Random).shard(Shard { index, count: 3 });
    let (study, _) = run(of(2));
    let numbers: Vec<u64> = study.trials().iter().map(|trial| trial.number).collect();
    assert_eq!((numbers, study.missing()), (vec![1, 4], 4));
    let summary = study.results().unwrap();
    assert!(summary.confirmation.is_none() && summary.missing == 4 && summary.best.is_some());
    run(of(3));
    let (study, _) = run(of(1));
    let summary = study.results().unwrap();
    assert_eq!((summary.complete, summary.missing, summary.confirmation.unwrap().scores.len()), (6, 0, 2));
    let alone = tempfile::tempdir().unwrap();
    let expected = table(plan(alone.path()).pruner(Pruner::None).sampler(Sampler::Random));
    assert_eq!(std::fs::read_to_string(study.dir().join("trials.csv")).unwrap(), expected);
    let message = plan(alone.path()).shard(Shard { index: 4, count: 3 }).open().err().unwrap().to_string();
    assert!(message.contains("shard: 4/3"), "{message}");
}

#[test]
fn a_pruned_trial_stops_and_a_trial_that_cannot_be_run_fails_with_its_reason() {
    let directory = tempfile::tempdir().unwrap();
    let config = TrainConfig::preset("textbook").set("training.episodes", 16).set("evaluation.every_episodes", 2);
    let config = config.set("evaluation.episodes", 5).set("network.hidden", vec![16]).build().unwrap();
    let text = "[space]\n\"agent.batch_size\" = { choices = [16, 20000] }\n\"optimizer.lr\" = { low = 1e-4, high = 1e-1, log = true }";
    let space = Space::parse("space.toml", text, &config).unwrap();
    let plan = Plan::new(config, space, directory.path().join("study")).trials(30).score_episodes(1).confirmations(1);
    let (study, events) = run(plan.pruner(Pruner::Median).sampler(Sampler::Random).jobs(2));
    let summary = study.results().unwrap();
    assert_eq!(summary.complete + summary.pruned + summary.failed, 30);
    assert!(summary.pruned > 0 && summary.failed > 5 && summary.complete >= 5, "{summary:?}");
    let failed = events.iter().find_map(|event| match event {
        StudyEvent::Failed { error, .. } => Some(error.as_str()),
        _ => None,
    });
    assert!(failed.unwrap().contains("agent.batch_size"), "{failed:?}");
    let of_trial =
        |number: u64| move |event: &&StudyEvent| matches!(event, StudyEvent::Run { trial, .. } if *trial == number);
    for trial in study.trials().iter().filter(|trial| trial.state == TrialState::Pruned) {
        assert_eq!(events.iter().filter(of_trial(trial.number)).count(), 0, "its run has no final model");
    }
    assert_eq!(summary.importance.unwrap().len(), 2);
    assert!(study.dir().join("importance.png").is_file());
}

#[test]
fn a_directory_with_anything_else_is_refused_and_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("study");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("notes.txt"), "mine").unwrap();
    let refused = |plan: Plan| match plan.open() {
        Err(error @ Error::Occupied { .. }) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was opened"),
    };
    assert!(refused(plan(directory.path())).contains("holds other files (notes.txt)"));
    std::fs::write(out.join(JOURNAL), "").unwrap();
    assert!(refused(plan(directory.path())).contains("journal.jsonl"));
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 2);
    std::fs::remove_dir_all(&out).unwrap();

    run(plan(directory.path()).trials(1).confirmations(0));
    let other = TrainConfig::preset("textbook").set("agent.gamma", 0.9).set("training.episodes", 6);
    let other = other.set("evaluation.every_episodes", 1).set("evaluation.episodes", 1).set("network.hidden", vec![8]);
    let other = other.build().unwrap();
    let space = |text: &str| Space::parse("space.toml", text, &config()).unwrap();
    let with = |config: TrainConfig, space: Space| {
        Plan::new(config, space, &out).trials(6).seeds_per_trial(2).score_episodes(2)
    };
    for (plan, expected) in [
        (with(other, space(SPACE)), "agent.gamma is 0.98 there and 0.9 here"),
        (with(config(), space(SPACE).without("agent.batch_size")), "the space of agent.batch_size is"),
        (plan(directory.path()).seeds_per_trial(3), "the number of seeds per trial is 2 there and 3 here"),
        (plan(directory.path()).pruner(Pruner::None), "the pruner is hyperband there and none here"),
        (plan(directory.path()).sampler(Sampler::Random), "the sampler is tpe there and random here"),
        (plan(directory.path()).score_episodes(9), "the number of episodes of a score is 2 there and 9 here"),
    ] {
        let message = refused(plan);
        assert!(message.contains("holds a study with other settings") && message.contains(expected), "{message}");
    }
    let message = crate::experiment::Plan::new(config(), &out).open().err().unwrap().to_string();
    assert!(message.contains("holds a study"), "{message}");
    let message = crate::run::RunWriter::create(&out, true, &config()).err().unwrap().to_string();
    assert!(message.contains("holds a study"), "a study is never replaced by a run: {message}");
}

#[test]
fn a_pruner_without_evaluations_to_compare_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let config = TrainConfig::preset("textbook").set("training.episodes", 6).set("evaluation.every_episodes", 6);
    let config = config.build().unwrap();
    let plan = || Plan::new(config.clone(), Space::default_for(&config), directory.path().join("study"));
    let message = plan().open().err().unwrap().to_string();
    assert!(message.starts_with("evaluation.every_episodes: pruning compares evaluations"), "{message}");
    assert!(!directory.path().join("study").exists());
    plan().pruner(Pruner::None).open().unwrap();
}

#[test]
fn two_studies_of_one_directory_never_run_a_trial_twice() {
    let directory = tempfile::tempdir().unwrap();
    let one = || run(plan(directory.path()).pruner(Pruner::None).jobs(2)).1;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(one)).collect();
        threads.into_iter().for_each(|thread| drop(thread.join().unwrap()));
    });
    let mut journal = Journal::at(&directory.path().join("study"), vec![0, 1]);
    journal.refresh().unwrap();
    let mut scores: Vec<(u64, u64)> = Vec::new();
    let (mut trials, mut confirmed) = (Vec::new(), Vec::new());
    for entry in journal.take_news() {
        match entry {
            Entry::Score { trial, seed, .. } => scores.push((trial, seed)),
            Entry::Trial { trial, .. } => trials.push(trial),
            Entry::Confirmed { seed, .. } => confirmed.push(seed),
            _ => {}
        }
    }
    scores.sort_unstable();
    confirmed.sort_unstable();
    assert_eq!(scores, (0..6).flat_map(|trial| [(trial, 0), (trial, 1)]).collect::<Vec<_>>());
    assert_eq!((trials, confirmed), ((0..6).collect(), vec![2, 3]));
}

#[test]
fn a_study_runs_on_an_environment_of_your_own() {
    use crate::env::{CartPole, TimeLimit, classic_control::ClassicControl};
    let directory = tempfile::tempdir().unwrap();
    let short = |_| TimeLimit::new(ClassicControl::<CartPole>::new(), 12);
    let (study, _) = run(plan(directory.path()).trials(2).environment(short));
    let returns = study.results().unwrap().confirmation.unwrap().returns;
    assert!(returns.max.unwrap() <= 12.0, "{returns:?}");
}
