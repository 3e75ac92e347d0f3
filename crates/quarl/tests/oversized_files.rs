//! Files that are larger than what quarl writes: an error instead of the memory and the time that they would take.
#![cfg(feature = "files")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use quarl::config::TrainConfig;
use quarl::tune::StudyFollower;

/// The first line of a journal.
fn first_line() -> String {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/journal/study.jsonl");
    fs::read_to_string(corpus).unwrap().split_inclusive('\n').next().unwrap().to_owned()
}

#[test]
fn a_journal_is_read_in_parts_and_a_line_without_end_is_damage() {
    const TRIALS: u64 = 60_000;
    let dir = tempfile::tempdir().unwrap();
    let mut journal = File::create(dir.path().join("journal.jsonl")).unwrap();
    let trial = |number| {
        format!("{{\"event\":\"trial\",\"trial\":{number},\"parameters\":{{\"agent.gamma\":0.99}}}}{:40}\n", "")
    };
    let lines: String = (0..TRIALS).map(trial).collect();
    assert!(lines.len() > 5 << 20);
    write!(journal, "{}{lines}", first_line()).unwrap();
    let mut study = StudyFollower::new(dir.path());
    study.poll().unwrap();
    assert_eq!(study.trials().count() as u64, TRIALS);
    // A line that a process is still writing.
    write!(journal, "{{\"event\":").unwrap();
    study.poll().unwrap();
    journal.set_len(1 << 40).unwrap();
    let error = study.poll().unwrap_err().to_string();
    assert!(error.contains(&format!("line {} is damaged (it is too long)", TRIALS + 2)), "{error}");
}

#[test]
fn a_configuration_of_megabytes_is_not_parsed() {
    let error = TrainConfig::from_toml("large.toml", &"[".repeat(2 << 20)).unwrap_err().to_string();
    assert!(error.contains("large.toml: it has 2097152 bytes; a configuration has at most 1048576"), "{error}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_larger_than_the_memory_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    File::create(&path).unwrap().set_len(1 << 43).unwrap();
    let error = quarl::Model::load(&path).unwrap_err().to_string();
    assert!(error.contains("reading it needs 8192.0 GiB of memory, but only"), "{error}");
}
