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
use std::path::Path;
use std::time::{Duration, Instant};

use mutations::Random;

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
