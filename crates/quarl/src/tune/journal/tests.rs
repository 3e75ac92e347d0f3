use super::*;

fn header() -> Entry {
    Entry::Study(Header {
        format: FORMAT,
        quarl_version: "0".to_owned(),
        config: String::new(),
        space: String::new(),
        seeds_per_trial: 2,
        sampler: Sampler::Tpe,
        pruner: Pruner::Hyperband,
        score_episodes: 20,
        score_range: Some([20.0, 475.0]),
    })
}

fn trial(number: u64) -> Entry {
    let parameters = "\"agent.gamma\" = 0.99\n\"network.hidden\" = [64, 64]\n\"x\" = 1e-4\n".parse().unwrap();
    Entry::Trial { trial: number, parameters }
}

fn score(trial: u64, seed: u64, score: f64) -> Entry {
    Entry::Score { trial, seed, score, mean_return: 100.0 * score, seconds: 1.5 }
}

fn write(journal: &mut Journal, entries: Vec<Entry>) {
    journal.locked(|journal| entries.into_iter().try_for_each(|entry| journal.append(entry))).unwrap();
}

#[test]
fn two_readers_see_what_either_has_written() {
    let directory = tempfile::tempdir().unwrap();
    let mut one = Journal::at(directory.path(), vec![0, 1]);
    let mut two = Journal::at(directory.path(), vec![0, 1]);
    write(&mut one, vec![header(), trial(0), score(0, 0, 0.5)]);
    write(&mut two, vec![score(0, 1, 0.25), trial(1), Entry::Failed { trial: 1, seed: 0, error: "no".to_owned() }]);
    one.refresh().unwrap();
    assert_eq!(one.state.trials, two.state.trials);
    let [first, second] = [0, 1].map(|number| &one.state.trials[&number]);
    assert_eq!((first.state, first.score, first.seconds), (TrialState::Complete, Some(0.25), 3.0));
    assert_eq!((second.state, second.error.as_deref()), (TrialState::Failed, Some("no")));
    assert_eq!(first.parameters, second.parameters);
    assert_eq!(one.state.best().unwrap().number, 0);
    assert_eq!(std::fs::read_to_string(directory.path().join(JOURNAL)).unwrap().lines().count(), 6);
}

#[test]
fn an_unfinished_last_line_is_ignored_and_then_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(JOURNAL);
    write(&mut Journal::at(directory.path(), vec![0]), vec![header(), trial(0)]);
    let whole = std::fs::read_to_string(&path).unwrap();
    let line = serde_json::to_string(&score(0, 0, 0.5)).unwrap();
    for end in 1..=line.len() {
        std::fs::write(&path, whole.clone() + &line[..end]).unwrap();
        let mut journal = Journal::at(directory.path(), vec![0]);
        journal.refresh().unwrap();
        assert!(journal.state.is_running(0), "the score is not complete without its line break");
        write(&mut journal, vec![score(0, 0, 0.75)]);
        let mut again = Journal::at(directory.path(), vec![0]);
        again.refresh().unwrap();
        assert_eq!(again.state.trials[&0].score, Some(0.75));
    }
}

#[test]
fn damage_within_the_file_is_reported_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(JOURNAL);
    write(&mut Journal::at(directory.path(), vec![0]), vec![header(), trial(0)]);
    let text = std::fs::read_to_string(&path).unwrap();
    for (damaged, line) in [
        (text.replace("\"trial\":0", "\"trial\":x"), "line 2"),
        (text.replace("\"format\":1", "\"format\":2"), "line 1"),
        (text.lines().nth(1).unwrap().to_owned() + "\n", "line 1"),
    ] {
        std::fs::write(&path, damaged).unwrap();
        let message = Journal::at(directory.path(), vec![0]).refresh().unwrap_err().to_string();
        assert!(message.contains(line) && message.contains(JOURNAL), "{message}");
    }
}

#[test]
fn a_journal_that_was_removed_or_replaced_is_neither_read_on_nor_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(JOURNAL);
    let mut journal = Journal::at(directory.path(), vec![0]);
    write(&mut journal, vec![header(), trial(0)]);
    let whole = std::fs::read_to_string(&path).unwrap();
    // Others are as long, longer, or shorter.
    let same_length = whole.replace("0.99", "0.98");
    for other in [Some(same_length.clone()), Some(same_length.repeat(2)), Some(String::new()), None] {
        match &other {
            Some(text) => std::fs::write(&path, text).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        assert!(journal.was_replaced().unwrap());
        let appended = journal.locked(|journal| journal.append(score(0, 0, 0.5)));
        let message = appended.unwrap_err().to_string();
        assert!(message.contains("removed or replaced") && message.contains(JOURNAL), "{message}");
        assert_eq!(std::fs::read_to_string(&path).ok(), other, "untouched");
    }
    std::fs::write(&path, whole + "\n").unwrap();
    assert!(!journal.was_replaced().unwrap(), "an appended line is none");
}

#[test]
fn what_comes_after_a_trials_end_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = Journal::at(directory.path(), vec![0, 1]);
    let rung = |seed, value| Entry::Rung { trial: 0, seed, rung: 0, value };
    write(&mut journal, vec![header(), trial(0), rung(0, 0.5), rung(0, 0.9), rung(1, 0.1)]);
    write(&mut journal, vec![Entry::Pruned { trial: 0, rung: 0 }, score(0, 0, 1.0), score(0, 1, 1.0)]);
    let trial = &journal.state.trials[&0];
    assert_eq!((trial.state, trial.score), (TrialState::Pruned, Some(0.1)), "the worse half of 0.5 and 0.1");
    assert!(journal.state.best().is_none());
}
