//! Follows a run while it is being trained, by reading what its files have gained. Nothing is written or locked.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord};
use serde::de::DeserializeOwned;

use super::reader::read_summary;
use super::{CONFIG, DIAGNOSTICS, DiagnosticsRow, EPISODES, EVALUATIONS, EpisodeRow, EvaluationRow, Summary, table};
use crate::agent::diagnostics::Diagnostics;
use crate::config::TrainConfig;
use crate::error::Error;
use crate::files;
use crate::train::EpisodeRecord;

/// The number of bytes of a table that one call reads at most.
const CHUNK: u64 = 1 << 18;

/// A reader of a run that is being trained.
///
/// ```
/// use quarl::run::RunFollower;
/// # use quarl::{config::TrainConfig, run::RunWriter, train::Trainer};
/// # let directory = tempfile::tempdir().unwrap();
/// # let dir = directory.path().join("run");
/// # let config = TrainConfig::preset("textbook").set("training.episodes", 3).build()?;
/// # let mut writer = RunWriter::create(&dir, false, &config)?;
/// # let mut trainer = Trainer::new(config)?;
///
/// let mut follower = RunFollower::new(&dir);
/// assert_eq!(follower.poll()?.episodes, []);
/// # while let Some(event) = trainer.next() {
/// #     writer.record(&event?, &trainer)?;
/// # }
/// // .. while another process trains ..
/// assert_eq!(follower.poll()?.episodes.len(), 3);
/// assert_eq!(follower.poll()?.episodes.len(), 0);
/// # Ok::<(), quarl::Error>(())
/// ```
pub struct RunFollower {
    dir: PathBuf,
    /// The configuration's text, by which another run in the same directory is recognised; `None` before the run starts.
    config: Option<String>,
    episodes: Tail<EpisodeRecord>,
    evaluations: Tail<EvaluationRow>,
    diagnostics: Tail<DiagnosticsRow>,
    summary: Option<Summary>,
}

/// What [`RunFollower::poll`] has found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunUpdate {
    /// The configuration of a run that has started since the last call. Everything found before belongs to another run.
    pub started: Option<Box<TrainConfig>>,
    /// Whether the run has no configuration: it has not started, or its files were removed.
    pub is_absent: bool,
    /// New training episodes.
    pub episodes: Vec<EpisodeRecord>,
    /// New evaluations.
    pub evaluations: Vec<EvaluationRow>,
    /// New diagnostics, each with its episode.
    pub diagnostics: Vec<(u64, Diagnostics)>,
    /// The summary, once the run has ended and everything else has been read.
    pub summary: Option<Box<Summary>>,
    /// Whether there is more to read: a call reads a limited amount.
    pub has_more: bool,
}

impl RunFollower {
    /// Follows the run in `dir`, which need not have started.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            config: None,
            episodes: Tail::new(dir.join(EPISODES), table::header::<EpisodeRow>()),
            evaluations: Tail::new(dir.join(EVALUATIONS), table::header::<EvaluationRow>()),
            diagnostics: Tail::new(dir.join(DIAGNOSTICS), table::header::<DiagnosticsRow>()),
            summary: None,
        }
    }

    /// The run's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Reads what is new. An unfinished last line is read when it is complete. A run that replaces another one in the
    /// directory is read from its beginning.
    ///
    /// # Errors
    /// [`Error::Io`] where an existing file cannot be read, [`Error::Config`] and [`Error::File`] where it is damaged. After
    /// an error, the run is read from its beginning.
    pub fn poll(&mut self) -> Result<RunUpdate, Error> {
        let update = self.read();
        if update.is_err() {
            *self = Self::new(&self.dir);
        }
        update
    }

    fn read(&mut self) -> Result<RunUpdate, Error> {
        let mut update = RunUpdate::default();
        let path = self.dir.join(CONFIG);
        let Some(config) = files::read_text_if_exists(&path)? else {
            *self = Self::new(&self.dir);
            return Ok(RunUpdate { is_absent: true, ..update });
        };
        // The summary is written last: if it exists before the tables are read, they are read to their ends.
        let summary = read_summary(&self.dir)?;
        if self.config.as_ref() != Some(&config) || (self.summary.is_some() && self.summary != summary) {
            self.start(config, &mut update)?;
        }
        // A table that was replaced belongs to another run with the same configuration.
        if !self.read_tables(&mut update)? {
            let config = self.config.take().unwrap_or_default();
            update = RunUpdate::default();
            self.start(config, &mut update)?;
            self.read_tables(&mut update)?;
        }
        if !update.has_more && self.summary.is_none() {
            self.summary.clone_from(&summary);
            update.summary = summary.map(Box::new);
        }
        Ok(update)
    }

    fn start(&mut self, config: String, update: &mut RunUpdate) -> Result<(), Error> {
        *self = Self::new(&self.dir);
        let origin = self.dir.join(CONFIG).display().to_string();
        update.started = Some(Box::new(TrainConfig::from_toml(&origin, &config)?));
        self.config = Some(config);
        Ok(())
    }

    /// Reads the tables; false if one of them was replaced.
    fn read_tables(&mut self, update: &mut RunUpdate) -> Result<bool, Error> {
        let is_same = self.episodes.read(&mut update.episodes, &mut update.has_more)?
            && self.evaluations.read(&mut update.evaluations, &mut update.has_more)?
            && self.diagnostics.read(&mut update.diagnostics, &mut update.has_more)?;
        Ok(is_same)
    }
}

/// A table that is read as it grows.
struct Tail<R> {
    path: PathBuf,
    header: String,
    /// The number of bytes read, all in complete lines.
    offset: u64,
    lines: u64,
    /// The last line read. A file that no longer has it at its place was replaced.
    last: Vec<u8>,
    row: PhantomData<fn() -> R>,
}

impl<R: DeserializeOwned> Tail<R> {
    fn new(path: PathBuf, header: String) -> Self {
        Self { path, header, offset: 0, lines: 0, last: Vec::new(), row: PhantomData }
    }

    /// Appends the new rows. Returns false if the file was replaced or removed.
    fn read<T: From<R>>(&mut self, rows: &mut Vec<T>, has_more: &mut bool) -> Result<bool, Error> {
        let Some((bytes, more)) = self.bytes()? else { return Ok(false) };
        let text = str::from_utf8(&bytes).map_err(|_| self.damaged("is not text"))?;
        let mut text = text;
        if self.offset == 0 && !text.is_empty() {
            let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
            if first != self.header {
                return Err(self.damaged(&format!("is not '{}'", self.header)));
            }
            self.lines = 1;
            text = rest;
        }
        let header = StringRecord::from(self.header.split(',').collect::<Vec<_>>());
        let mut reader = ReaderBuilder::new().quoting(false).has_headers(false).from_reader(text.as_bytes());
        for record in reader.records() {
            let row = record.and_then(|record| record.deserialize::<R>(Some(&header)));
            rows.push(row.map_err(|_| self.damaged("cannot be read"))?.into());
            self.lines += 1;
        }
        self.offset += bytes.len() as u64;
        if let Some(line) = bytes.split_inclusive(|byte| *byte == b'\n').next_back() {
            self.last = line.to_vec();
        }
        *has_more |= more;
        Ok(true)
    }

    /// The complete lines after those read so far, and whether there are more; `None` if the file was replaced.
    fn bytes(&self) -> Result<Option<(Vec<u8>, bool)>, Error> {
        let Some(mut bytes) = files::read_appended(&self.path, self.offset, &self.last, CHUNK)? else {
            return Ok(None);
        };
        let is_full = bytes.len() as u64 == CHUNK;
        let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        bytes.truncate(complete);
        Ok(Some((bytes, is_full && complete > 0)))
    }

    fn damaged(&self, what: &str) -> Error {
        let line = self.lines + 1;
        let message = format!("line {line} {what}: the file is damaged or not a quarl table");
        Error::File { path: self.path.clone(), message }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::run::{RunWriter, SUMMARY};
    use crate::train::Trainer;

    fn config(gamma: f64) -> TrainConfig {
        let builder = TrainConfig::preset("textbook").set("training.episodes", 4).set("agent.gamma", gamma);
        builder.set("training.diagnostics", true).set("network.hidden", vec![8_i64]).build().unwrap()
    }

    /// Trains a run in `dir`; `look` is called after every recorded event.
    fn train(dir: &Path, config: &TrainConfig, mut look: impl FnMut(&Trainer)) {
        let mut writer = RunWriter::create(dir, true, config).unwrap();
        let mut trainer = Trainer::new(config.clone()).unwrap();
        while let Some(event) = trainer.next() {
            writer.record(&event.unwrap(), &trainer).unwrap();
            look(&trainer);
        }
        writer.finish(&trainer, 1.0, false).unwrap();
    }

    #[test]
    fn rows_are_returned_once_while_the_run_is_written() {
        let here = tempfile::tempdir().unwrap();
        let dir = here.path().join("run");
        let mut follower = RunFollower::new(&dir);
        assert!(follower.poll().unwrap().is_absent);
        let (mut started, mut episodes, mut evaluations, mut diagnostics) = (0, Vec::new(), 0, 0);
        train(&dir, &config(0.9), |trainer| {
            let update = follower.poll().unwrap();
            started += usize::from(update.started.is_some());
            episodes.extend(update.episodes);
            evaluations += update.evaluations.len();
            diagnostics += update.diagnostics.len();
            assert!(update.summary.is_none() && episodes.len() as u64 == trainer.episodes());
        });
        let last = follower.poll().unwrap();
        assert_eq!((started, last.summary.unwrap().episodes), (1, 4));
        assert_eq!(episodes, crate::run::read_episodes(&dir).unwrap());
        let lines = |name: &str| fs::read_to_string(dir.join(name)).unwrap().lines().count() - 1;
        assert_eq!([evaluations, diagnostics], [lines(EVALUATIONS), lines(DIAGNOSTICS)]);
        assert!(diagnostics > 0);
        assert_eq!(follower.poll().unwrap(), RunUpdate::default());
    }

    #[test]
    fn a_run_that_replaces_another_is_read_from_its_beginning() {
        let here = tempfile::tempdir().unwrap();
        let dir = here.path().join("run");
        train(&dir, &config(0.9), |_| {});
        let mut follower = RunFollower::new(&dir);
        assert_eq!(follower.poll().unwrap().episodes.len(), 4);
        for gamma in [0.8, 0.8] {
            train(&dir, &config(gamma), |_| {});
            // The same run again is recognised by its new summary.
            fs::write(dir.join(SUMMARY), fs::read_to_string(dir.join(SUMMARY)).unwrap().replace("1.0", "2.0")).unwrap();
            let update = follower.poll().unwrap();
            assert_eq!(update.started.unwrap().agent.gamma, gamma);
            assert_eq!((update.episodes.len(), update.summary.is_some()), (4, true));
            fs::write(dir.join(SUMMARY), fs::read_to_string(dir.join(SUMMARY)).unwrap().replace("2.0", "3.0")).unwrap();
            assert!(follower.poll().unwrap().started.is_some());
        }
        fs::write(dir.join(EPISODES), table::header::<EpisodeRow>() + "\n").unwrap();
        let update = follower.poll().unwrap();
        assert!(update.started.is_some() && update.episodes.is_empty(), "a shorter table");
        fs::remove_dir_all(&dir).unwrap();
        assert!(follower.poll().unwrap().is_absent);
    }

    #[test]
    fn an_unfinished_line_waits_and_a_damaged_one_is_named() {
        let here = tempfile::tempdir().unwrap();
        let path = here.path().join(EPISODES);
        let header = table::header::<EpisodeRow>();
        let mut tail = Tail::<EpisodeRecord>::new(path.clone(), header.clone());
        let mut read = |text: &str| {
            fs::write(&path, text).unwrap();
            let (mut rows, mut more) = (Vec::<EpisodeRecord>::new(), false);
            tail.read(&mut rows, &mut more).map(|is_same| (is_same, rows.len()))
        };
        assert_eq!(read(&header[..5]).unwrap(), (true, 0));
        let one = format!("{header}\n0,9,9,9,0.1,,\n");
        assert_eq!(read(&one).unwrap(), (true, 1));
        assert_eq!(read(&format!("{one}1,20,1")).unwrap(), (true, 0), "a row that is being written");
        let two = format!("{one}1,20,11,11,0.1,0.5,2\n");
        assert_eq!(read(&two).unwrap(), (true, 1));
        assert!(read(&format!("{two}2,x,1,1,0.1,,\n")).unwrap_err().to_string().contains("line 4 cannot be read"));
        assert_eq!(read(&two.replace(",0.5,", ",0.6,")).unwrap(), (false, 0), "another row at the same place");
        assert!(
            Tail::<EpisodeRecord>::new(path.clone(), "a,b".to_owned())
                .read::<EpisodeRecord>(&mut vec![], &mut false)
                .is_err()
        );
    }

    #[test]
    fn a_long_table_is_read_in_parts() {
        let here = tempfile::tempdir().unwrap();
        let path = here.path().join(EPISODES);
        let header = table::header::<EpisodeRow>();
        let rows: String = (0..20_000).map(|i| format!("{i},{},1,1,0.1,0.25,1.5\n", i + 1)).collect();
        fs::write(&path, format!("{header}\n{rows}")).unwrap();
        let mut tail = Tail::<EpisodeRecord>::new(path, header);
        let (mut all, mut reads) = (Vec::<EpisodeRecord>::new(), 0);
        loop {
            let mut more = false;
            assert!(tail.read(&mut all, &mut more).unwrap());
            reads += 1;
            if !more {
                break;
            }
        }
        assert!(reads > 1 && all.len() == 20_000 && all[19_999].env_steps == 20_000);
    }
}
