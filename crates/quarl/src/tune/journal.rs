//! The journal of a study, `journal.jsonl`: one JSON object per line for each event, in the order of the events.
//!
//! ```text
//! {"event":"study","format":1,"config":"..","space":"..","seeds_per_trial":2,"sampler":"tpe","pruner":"hyperband",..}
//! {"event":"plan","trials":50,"confirmations":10}
//! {"event":"trial","trial":0,"parameters":{"optimizer.lr.from":0.0012,"agent.batch_size":64}}
//! {"event":"rung","trial":0,"seed":0,"rung":0,"value":0.05}
//! {"event":"score","trial":0,"seed":0,"score":0.71,"mean_return":344.6,"seconds":3.1}
//! {"event":"pruned","trial":1,"rung":0}
//! {"event":"failed","trial":2,"seed":0,"error":".."}
//! {"event":"confirmed","trial":0,"seed":2,"score":0.68,"mean_return":330.0,"error":null,"seconds":3.0}
//! ```
//!
//! All processes of a study append to the same file. They append under the lock of the directory, which is held only while
//! reading what is new and appending. The number of a trial is chosen under the lock, too, so it is unique. A line counts
//! when its line break has been written: a last line without one, which a killed process or a full disk has left, is ignored
//! by readers and removed by the next writer. Everything except values at rungs is synchronised with the disk. A run
//! writes at most ten lines, however often it is evaluated.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Table;

use super::TrialState;
use super::pruner::Pruner;
use super::sampler::Sampler;
use super::trial::{RunResult, Trial, ranked};
use crate::atomic_write::atomic_write;
use crate::error::Error;
use crate::files;
use crate::run::lock::Lock;
use crate::run::refuse_link;

/// The file's name.
pub(crate) const JOURNAL: &str = "journal.jsonl";
/// The version of the format.
pub(super) const FORMAT: u32 = 1;
/// The number of bytes that are read at a time, and the largest size of a line. The first line holds the configuration and the space;
/// it has a few thousand bytes.
const CHUNK: u64 = 4 << 20;

/// An event of a study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Entry {
    /// The first line.
    Study(Header),
    /// A process asks for this many trials and runs with fresh seeds.
    Plan(Planned),
    /// A trial was started.
    Trial { trial: u64, parameters: Table },
    /// A run has reached a rung.
    Rung { trial: u64, seed: u64, rung: usize, value: f64 },
    /// A run has ended, and its final model was evaluated.
    Score { trial: u64, seed: u64, score: f64, mean_return: f64, seconds: f64 },
    /// The pruner has stopped a trial.
    Pruned { trial: u64, rung: usize },
    /// A trial cannot be run, or one of its runs has failed.
    Failed { trial: u64, seed: u64, error: String },
    /// A run of the best trial with a fresh seed has ended.
    Confirmed {
        trial: u64,
        seed: u64,
        score: Option<f64>,
        mean_return: Option<f64>,
        error: Option<String>,
        seconds: f64,
    },
}

/// What makes two studies the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) format: u32,
    pub(super) quarl_version: String,
    /// The configuration as TOML.
    pub(super) config: String,
    /// The space as TOML.
    pub(super) space: String,
    pub(super) seeds_per_trial: u64,
    pub(super) sampler: Sampler,
    pub(super) pruner: Pruner,
    /// The number of greedy episodes of a score.
    pub(super) score_episodes: u64,
    /// The returns of the scores 0 and 1; `None` if scores are returns.
    pub(super) score_range: Option<[f64; 2]>,
}

/// What a process asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Planned {
    pub(super) trials: u64,
    pub(super) confirmations: u64,
}

/// A run of the best trial with a fresh seed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Confirmed {
    pub(super) result: Option<RunResult>,
    pub(super) error: Option<String>,
    pub(super) seconds: f64,
}

/// The state of a study: what the journal's lines say together.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) header: Option<Header>,
    /// What was asked for last.
    pub(super) planned: Option<Planned>,
    /// The seeds of each trial.
    pub(super) seeds: Vec<u64>,
    pub(super) trials: BTreeMap<u64, Trial>,
    /// By trial and seed.
    pub(super) confirmed: BTreeMap<(u64, u64), Confirmed>,
}

impl State {
    fn add(&mut self, entry: &Entry) {
        let trial = |number: &u64, trials: &mut BTreeMap<u64, Trial>, change: &mut dyn FnMut(&mut Trial)| {
            if let Some(trial) = trials.get_mut(number) {
                change(trial);
            }
        };
        let Self { trials, seeds, .. } = self;
        match entry {
            Entry::Study(header) => {
                self.header.get_or_insert_with(|| header.clone());
            }
            Entry::Plan(planned) => self.planned = Some(*planned),
            Entry::Trial { trial, parameters } => {
                trials.entry(*trial).or_insert_with(|| Trial::new(*trial, parameters.clone()));
            }
            Entry::Rung { trial: number, seed, rung, value } => {
                trial(number, trials, &mut |trial| trial.add_rung(*seed, *rung, *value));
            }
            Entry::Score { trial: number, seed, score, mean_return, seconds } => {
                let result = RunResult { score: *score, mean_return: *mean_return };
                trial(number, trials, &mut |trial| trial.add_result(*seed, result, *seconds, seeds));
            }
            Entry::Pruned { trial: number, rung } => trial(number, trials, &mut |trial| trial.prune(*rung)),
            Entry::Failed { trial: number, error, .. } => trial(number, trials, &mut |trial| trial.fail(error.clone())),
            Entry::Confirmed { trial, seed, score, mean_return, error, seconds } => {
                let result = score.zip(*mean_return).map(|(score, mean_return)| RunResult { score, mean_return });
                let confirmed = Confirmed { result, error: error.clone(), seconds: *seconds };
                self.confirmed.entry((*trial, *seed)).or_insert(confirmed);
            }
        }
    }

    pub(super) fn is_running(&self, number: u64) -> bool {
        self.trials.get(&number).is_some_and(|trial| trial.state == TrialState::Running)
    }

    /// The complete trial with the highest score; of equal ones the first.
    pub(super) fn best(&self) -> Option<&Trial> {
        ranked(self.trials.values()).first().copied().filter(|trial| trial.state == TrialState::Complete)
    }

    /// Whether all complete trials, two at least, have the same score.
    pub(super) fn all_tie(&self) -> bool {
        let mut scores =
            self.trials.values().filter(|trial| trial.state == TrialState::Complete).filter_map(|trial| trial.score);
        let Some(first) = scores.next() else { return false };
        let mut others = scores.peekable();
        others.peek().is_some() && others.all(|score| score == first)
    }
}

/// The journal as this process has read it.
pub(super) struct Journal {
    dir: PathBuf,
    path: PathBuf,
    /// The end of the last complete line that was read.
    offset: u64,
    lines: u64,
    /// The last line read. A file that no longer has it at its place was replaced.
    last: Vec<u8>,
    pub(super) state: State,
    /// The entries since the last call of [`Journal::take_news`].
    news: Vec<Entry>,
}

impl Journal {
    /// The journal in a directory, before anything is read.
    pub(super) fn at(dir: &Path, seeds: Vec<u64>) -> Self {
        let state = State { seeds, ..State::default() };
        let path = dir.join(JOURNAL);
        Self { dir: dir.to_owned(), path, offset: 0, lines: 0, last: Vec::new(), state, news: Vec::new() }
    }

    /// Reads the first line of the journal in `dir`; `None` if it has none yet.
    pub(super) fn header(dir: &Path) -> Result<Option<Header>, Error> {
        let mut journal = Self::at(dir, Vec::new());
        journal.refresh()?;
        Ok(journal.state.header)
    }

    /// Reads what is new and calls `change`, which may append, while no other process or thread appends.
    pub(super) fn locked<T>(&mut self, change: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        let _lock = Lock::wait(&self.dir)?;
        self.refresh()?;
        change(self)
    }

    /// Reads the complete lines that were appended since the last call.
    ///
    /// # Errors
    /// Where a line is damaged, and where the file is no longer the one that was read before.
    pub(super) fn refresh(&mut self) -> Result<(), Error> {
        loop {
            let Some(bytes) = self.appended(CHUNK)? else {
                let message = "was removed or replaced while this process used the study: start the command again";
                return Err(Error::File { path: self.path.clone(), message: message.to_owned() });
            };
            let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let is_last = (bytes.len() as u64) < CHUNK;
            self.read_lines(&bytes[..complete])?;
            if is_last {
                return Ok(());
            }
            if complete == 0 {
                self.lines += 1;
                return Err(self.damaged("it is too long"));
            }
        }
    }

    /// Adds complete lines.
    fn read_lines(&mut self, bytes: &[u8]) -> Result<(), Error> {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.lines += 1;
            let entry: Entry = serde_json::from_slice(line).map_err(|error| self.damaged(&error.to_string()))?;
            if let Entry::Study(Header { format, .. }) = &entry
                && *format != FORMAT
            {
                return Err(self
                    .damaged(&format!("format {format} is not {FORMAT}: this study needs another version of quarl")));
            }
            if self.state.header.is_none() && !matches!(entry, Entry::Study(_)) {
                return Err(self.damaged("a study's first line describes the study"));
            }
            self.add(entry);
            self.last = line.to_vec();
        }
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Whether the file that was read is no longer there.
    pub(super) fn was_replaced(&self) -> Result<bool, Error> {
        Ok(self.appended(0)?.is_none())
    }

    /// The bytes after the last line read, `most` at most; `None` if that line is no longer there.
    fn appended(&self, most: u64) -> Result<Option<Vec<u8>>, Error> {
        files::read_appended(&self.path, self.offset, &self.last, most)
    }

    fn damaged(&self, message: &str) -> Error {
        let message =
            format!("line {} is damaged ({message}): remove that line, or choose another directory", self.lines);
        Error::File { path: self.path.clone(), message }
    }

    fn add(&mut self, entry: Entry) {
        self.state.add(&entry);
        self.news.push(entry);
    }

    /// Appends an event. Only within [`Journal::locked`], which has read everything before it.
    pub(super) fn append(&mut self, entry: Entry) -> Result<(), Error> {
        let line = serde_json::to_string(&entry).expect("events are plain data") + "\n";
        if self.offset == 0 {
            // A directory with a journal is a study, so its first line is written completely or not at all.
            atomic_write(&self.path, line.as_bytes())?;
            self.advance(&line, entry);
            return Ok(());
        }
        refuse_link(&self.path)?;
        let options = OpenOptions::new().write(true).create(true).truncate(false).open(&self.path);
        let mut file = options.map_err(Error::io("write", &self.path))?;
        let write = |file: &mut File| {
            // Removes an unfinished last line.
            file.set_len(self.offset)?;
            file.seek(SeekFrom::Start(self.offset))?;
            file.write_all(line.as_bytes())?;
            if matches!(entry, Entry::Rung { .. }) { Ok(()) } else { file.sync_data() }
        };
        if let Err(error) = write(&mut file) {
            // A full disk may have stored the beginning of the line.
            let _ = file.set_len(self.offset);
            return Err(Error::io("write", &self.path)(error));
        }
        self.advance(&line, entry);
        Ok(())
    }

    /// Counts a line that was appended.
    fn advance(&mut self, line: &str, entry: Entry) {
        self.offset += line.len() as u64;
        self.lines += 1;
        self.last = line.as_bytes().to_vec();
        self.add(entry);
    }

    /// The entries that were read or appended since the last call.
    pub(super) fn take_news(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.news)
    }
}

#[cfg(test)]
mod tests;
