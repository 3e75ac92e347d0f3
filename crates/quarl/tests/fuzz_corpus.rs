//! Replays the corpus of the fuzz targets (`fuzz/`), and mutates it for a while: without the fuzzer, on stable Rust.
//!
//! `QUARL_FUZZ_SECONDS=300 cargo test --package quarl --test fuzz_corpus` mutates for five minutes for each target.
#![cfg(feature = "files")]

#[path = "common/mutations.rs"]
mod mutations;
#[path = "../../../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mutations::Random;
use quarl::Trainer;
use quarl::checkpoint::Checkpoint;

/// The inputs of a target's corpus.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Replays a target's corpus, then mutates it.
fn replay(name: &str, target: fn(&[u8])) {
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "{name}");
    corpus.iter().for_each(|input| target(input));
    let seconds: f64 = std::env::var("QUARL_FUZZ_SECONDS").map_or(0.5, |seconds| seconds.parse().unwrap());
    let (started, mut random, mut tried) = (Instant::now(), Random(name.len() as u64), 0_u64);
    while started.elapsed() < Duration::from_secs_f64(seconds) {
        let mut input = corpus[random.below(corpus.len())].clone();
        for _ in 0..1 + random.below(4) {
            mutate(&mut input, &corpus, &mut random);
        }
        tried += 1;
        if catch_unwind(AssertUnwindSafe(|| target(&input))).is_err() {
            let path = std::env::temp_dir().join(format!("quarl-fuzz-{name}"));
            fs::write(&path, &input).unwrap();
            panic!("{name} panics at input {tried}, which is in {}", path.display());
        }
    }
    println!("{name}: {tried} inputs in {seconds} s");
    assert!(tried > 0);
}

/// One random change.
fn mutate(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let (at, len) = (random.below(input.len()), random.below(16));
    let end = (at + len).min(input.len());
    match random.below(9) {
        0 => input.truncate(at),
        1 => drop(input.drain(at..end)),
        2 => input[at..end].fill([0x00, 0xff, 0x7f, b'9', b'['][random.below(5)]),
        3 => {
            let copy = input[at..end].to_vec();
            let to = random.below(input.len());
            input.splice(to..to, copy);
        }
        4 => {
            let other = &corpus[random.below(corpus.len())];
            let from = random.below(other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        5 => {
            const WORDS: [&str; 8] = ["nan", "-1", "1e999", "18446744073709551616", "\"", "\n", "0", "[["];
            input.splice(at..end, WORDS[random.below(WORDS.len())].bytes());
        }
        _ => {
            for _ in 0..1 + random.below(3) {
                let at = random.below(input.len());
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
}

#[test]
fn models() {
    replay("model", targets::model);
}

#[test]
fn configurations() {
    replay("config", targets::config);
}

#[test]
fn search_spaces() {
    replay("space", targets::space);
}

#[test]
fn archives() {
    replay("archive", targets::archive);
}

#[test]
fn results() {
    replay("results", targets::results);
}

#[test]
fn entries_of_archives() {
    replay("entry", targets::entry);
}

#[test]
fn states_of_runs() {
    replay("state", targets::state);
}

#[test]
fn checkpoints() {
    replay("checkpoint", targets::checkpoint);
}

#[cfg(all(unix, feature = "gym"))]
#[test]
fn answers_of_workers() {
    replay("worker", targets::worker);
}

#[test]
fn journals() {
    replay("journal", targets::journal);
}

/// The saved states of the corpus, as this version writes them.
fn saved() -> Vec<(PathBuf, Vec<u8>)> {
    let dir = tempfile::tempdir().unwrap();
    let trainer = |index| {
        let mut trainer = Trainer::new(targets::small_run(index)).unwrap();
        trainer.run_to(40, |_, _| Ok(())).unwrap();
        trainer
    };
    Checkpoint::save(&trainer(0), dir.path()).unwrap();
    let mut files: Vec<PathBuf> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let names_of_files: Vec<_> = files.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names_of_files, targets::CHECKPOINT);
    let names = ["checkpoint/segment.safetensors", "checkpoint/main.safetensors"];
    let mut saved: Vec<_> =
        names.iter().zip(&files).map(|(name, path)| (name.into(), fs::read(path).unwrap())).collect();
    for index in 0..3 {
        let trainer = trainer(index);
        let (state, prefix) = (trainer.save_state().unwrap(), targets::state_prefix(&trainer));
        let rest = state.strip_prefix(&*prefix).unwrap();
        saved.push((format!("state/{index}").into(), [&[index], rest].concat()));
    }
    saved
}

#[test]
fn the_corpus_has_the_states_that_this_version_writes() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, bytes) in saved() {
        let path = corpus.join(&name);
        if std::env::var_os("QUARL_WRITE_CORPUS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
        let remedy =
            "write the files again with QUARL_WRITE_CORPUS=1 cargo test --package quarl --test fuzz_corpus corpus_has";
        assert!(fs::read(&path).is_ok_and(|read| read == bytes), "{} differs: {remedy}", path.display());
    }
}
