//! A training run that Python drives in slices, so that Python's signals and callbacks are handled in between.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use quarl::Error;
use quarl::run::{self, EvaluationRow, RunWriter};
use quarl::train::{EnvironmentRole, EpisodeRecord, Evaluation, Event, Trainer};

use crate::config::{Config, Source};
use crate::environment::{PyEnvironment, Raised};
use crate::error::{OrRaise, caught, exception, named};
use crate::policy::{Policy, raise};
use crate::saved::{Kept, SavedRun};
use crate::values;

/// A training run.
#[pyclass(frozen, module = "quarl._quarl")]
pub(crate) struct Training {
    state: Mutex<State>,
}

struct State {
    trainer: Trainer,
    raised: Raised,
    writer: Option<RunWriter>,
    episodes: Vec<EpisodeRecord>,
    evaluations: Vec<Evaluation>,
    /// The number of first evaluations whose single returns are unknown, because the command has made them. Their returns are the
    /// lowest and the highest one.
    summarised: usize,
    /// What the configuration was made from.
    source: Source,
    /// The time spent in training so far.
    spent: Duration,
    /// The message of a defect that has left the state unreliable.
    broken: Option<String>,
    /// Whether the next step has a defect, for a test of what follows.
    fails_next: bool,
}

impl Training {
    /// The state, unless another thread is using it. Waiting could deadlock, because that thread may need the interpreter.
    fn lock(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, State>> {
        let state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                let message = "another thread is using this model: wait until its call has returned".to_owned();
                return Err(named(py, "StateError", message));
            }
        };
        match &state.broken {
            Some(message) => Err(exception(py, &Error::Internal { message: message.clone() })),
            None => Ok(state),
        }
    }
}

#[pymethods]
impl Training {
    /// Builds a run in a built-in environment, or in environments of Python: one for each training environment, and one for
    /// evaluations.
    #[new]
    #[pyo3(signature = (config, environments=None, evaluation_environment=None))]
    fn new(
        py: Python<'_>,
        config: &Config,
        environments: Option<Vec<Py<PyAny>>>,
        evaluation_environment: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let raised = Raised::default();
        let mut builder = Trainer::builder(config.inner.clone()).stop_flag(raised.renew());
        if let (Some(training), Some(evaluation)) = (environments, evaluation_environment) {
            // The adapters are complete, so that nothing of Python can fail in the factory.
            let adapt = |adapter: &Py<PyAny>| PyEnvironment::new(adapter.bind(py), raised.clone());
            let mut training: Vec<_> =
                training.iter().map(|adapter| adapt(adapter).map(Some)).collect::<PyResult<_>>()?;
            let mut evaluation = Some(adapt(&evaluation)?);
            builder = builder.environment(move |role| {
                let made = match role {
                    EnvironmentRole::Training(i) => training.get_mut(i).and_then(Option::take),
                    EnvironmentRole::Evaluation => evaluation.take(),
                };
                made.ok_or_else(|| Error::Unusable {
                    what: "training.num_envs".to_owned(),
                    message: "it is larger than the number of environments given".to_owned(),
                })
            });
        }
        let trainer = builder.build().map_err(|error| raised.take().unwrap_or_else(|| exception(py, &error)))?;
        let state = State {
            trainer,
            raised,
            writer: None,
            episodes: Vec::new(),
            evaluations: Vec::new(),
            summarised: 0,
            source: config.source.clone(),
            spent: Duration::ZERO,
            broken: None,
            fails_next: false,
        };
        Ok(Self { state: Mutex::new(state) })
    }

    /// Continues with another budget.
    fn extend(&self, py: Python<'_>, config: &Config) -> PyResult<()> {
        let mut state = self.lock(py)?;
        state.trainer.extend(config.inner.clone()).or_raise(py)?;
        state.source = config.source.clone();
        Ok(())
    }

    /// Continues this run, and what it has written.
    fn restore(&self, py: Python<'_>, saved: &SavedRun) -> PyResult<()> {
        let mut locked = self.lock(py)?;
        let state = &mut *locked;
        let restored = py.detach(|| caught(|| saved.inner.restore(&mut state.trainer)));
        let history = restored.map_err(|error| raise(py, &error, &state.raised))?;
        state.episodes = history.episodes;
        state.spent = Duration::from_secs_f64(history.seconds.max(0.0));
        let kept = saved.kept();
        (state.evaluations, state.summarised) =
            kept.map_or_else(Default::default, |kept| (kept.evaluations, kept.summarised));
        if state.evaluations.len() != history.evaluations.len() {
            state.summarised = history.evaluations.len();
            let row = |row: &EvaluationRow| Evaluation {
                episodes: row.episodes,
                env_steps: row.env_steps,
                returns: vec![row.min_return, row.max_return],
                mean_return: row.mean_return,
                best: row.best,
                closing: row.closing,
            };
            state.evaluations = history.evaluations.iter().map(row).collect();
        }
        Ok(())
    }

    /// Abandons episodes that run in environments of Python, which the caller may use from now on.
    fn pause(&self) {
        let Ok(mut state) = self.state.try_lock() else { return };
        if state.broken.is_none() {
            state.trainer.leave_episodes();
        }
    }

    /// Writes the run so far to this directory, and what follows.
    fn open(&self, py: Python<'_>, dir: PathBuf, force: bool) -> PyResult<()> {
        let mut locked = self.lock(py)?;
        locked.writer = Some(locked.write(&dir, force).or_raise(py)?);
        Ok(())
    }

    /// Trains until the next event of interest (an episode, an evaluation or a warning), for at most `seconds`. Returns the
    /// event, or `None`, and whether the run has ended. With `each_step`, every environment step is an event.
    #[pyo3(signature = (seconds, *, each_step=false))]
    fn advance(&self, py: Python<'_>, seconds: f64, each_step: bool) -> PyResult<(Py<PyAny>, bool)> {
        let mut locked = self.lock(py)?;
        let state = &mut *locked;
        let stop = state.raised.renew();
        let advanced = py.detach(|| {
            state.trainer.set_stop_flag(stop);
            let started = Instant::now();
            let advanced = caught(|| state.advance(Duration::from_secs_f64(seconds), each_step));
            state.spent += started.elapsed();
            if let Err(Error::Internal { message }) = &advanced {
                state.broken = Some(message.clone());
            }
            advanced
        });
        match advanced {
            Err(error) => {
                if state.broken.is_none() {
                    let State { writer, trainer, spent, .. } = state;
                    if let Some(writer) = writer {
                        writer.abandon(trainer, spent.as_secs_f64(), &error).or_raise(py)?;
                    }
                }
                Err(raise(py, &error, &state.raised))
            }
            Ok(event) => {
                // The environment was interrupted: its episode is abandoned, and the run can continue.
                if let Some(interrupt) = state.raised.take() {
                    return Err(interrupt);
                }
                let event = event.map_or_else(|| Ok(py.None()), |event| values::serialised(py, &event))?;
                Ok((event, state.trainer.is_finished()))
            }
        }
    }

    /// Completes the files of a run that was opened, and returns its summary.
    fn finish(&self, py: Python<'_>, interrupted: bool) -> PyResult<Py<PyAny>> {
        let mut state = self.lock(py)?;
        let kept = state.kept();
        let State { writer, trainer, spent, .. } = &mut *state;
        let Some(writer) = writer else { return Ok(py.None()) };
        let settings = &trainer.config().checkpoint;
        let keeps_state = settings.every_steps.is_some() || settings.every_seconds != Some(0);
        let summary = writer.finish(trainer, spent.as_secs_f64(), interrupted).or_raise(py)?;
        if keeps_state {
            writer.save_state(trainer, kept).or_raise(py)?;
        }
        if trainer.episodes() > 0 {
            run::draw(writer.dir()).or_raise(py)?;
        }
        values::serialised(py, &summary)
    }

    /// Closes the files of the run, so that other processes may use its directory.
    fn close(&self) {
        if let Ok(mut state) = self.state.try_lock() {
            state.writer = None;
        }
    }

    /// Writes the run so far with a checkpoint to a directory, or only the model if the path ends with `.safetensors`. A run in the
    /// directory is replaced.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let mut locked = self.lock(py)?;
        let state = &mut *locked;
        py.detach(move || caught(|| state.save(&path))).or_raise(py)
    }

    /// Makes the next step panic, for a test that a program gets an exception.
    fn _fail_next(&self, py: Python<'_>) -> PyResult<()> {
        self.lock(py)?.fails_next = true;
        Ok(())
    }

    /// The current policy, which explores as training would at this step.
    fn policy(&self, py: Python<'_>) -> PyResult<Policy> {
        let state = self.lock(py)?;
        let config = state.trainer.config();
        let exploration = config.exploration.at(state.trainer.env_steps());
        Ok(Policy::new(
            state.trainer.agent().policy().or_raise(py)?,
            exploration,
            config.training.seed,
            config.env.clone(),
            config.evaluation.max_episode_steps,
        ))
    }

    /// The episodes so far, a list for each column of `episodes.csv`.
    fn episodes(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        let state = self.lock(py)?;
        let episodes = &state.episodes;
        let columns = PyDict::new(py);
        columns.set_item("episode", episodes.iter().map(|row| row.episode).collect::<Vec<_>>())?;
        columns.set_item("env_steps", episodes.iter().map(|row| row.env_steps).collect::<Vec<_>>())?;
        columns.set_item("return", episodes.iter().map(|row| row.total_reward).collect::<Vec<_>>())?;
        columns.set_item("length", episodes.iter().map(|row| row.length).collect::<Vec<_>>())?;
        columns.set_item("epsilon", episodes.iter().map(|row| row.epsilon).collect::<Vec<_>>())?;
        let number = |value: Option<f64>| value.unwrap_or(f64::NAN);
        columns.set_item("mean_loss", episodes.iter().map(|row| number(row.mean_loss)).collect::<Vec<_>>())?;
        columns.set_item("mean_q", episodes.iter().map(|row| number(row.mean_q)).collect::<Vec<_>>())?;
        Ok(columns.unbind())
    }

    /// The evaluations so far. Where the single returns are unknown, `returns` is `None`.
    fn evaluations(&self, py: Python<'_>) -> PyResult<Py<PyList>> {
        let state = self.lock(py)?;
        let evaluations = PyList::empty(py);
        for (i, evaluation) in state.evaluations.iter().enumerate() {
            let entries = values::serialised(py, evaluation)?;
            if i < state.summarised {
                entries.bind(py).set_item("returns", py.None())?;
            }
            evaluations.append(entries)?;
        }
        Ok(evaluations.unbind())
    }

    /// The complete configuration.
    fn config(&self, py: Python<'_>) -> PyResult<Config> {
        let state = self.lock(py)?;
        Ok(Config { inner: state.trainer.config().clone(), source: state.source.clone() })
    }

    /// Environment steps so far.
    #[getter]
    fn env_steps(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.lock(py)?.trainer.env_steps())
    }

    /// The exploration probability of the next step.
    #[getter]
    fn epsilon(&self, py: Python<'_>) -> PyResult<f64> {
        let state = self.lock(py)?;
        Ok(state.trainer.config().exploration.at(state.trainer.env_steps()).epsilon())
    }

    /// Why training ended before its budget was used up, if it did.
    #[getter]
    fn stopped_early(&self, py: Python<'_>) -> PyResult<Option<String>> {
        Ok(self.lock(py)?.trainer.stopped_early().map(str::to_owned))
    }
}

impl State {
    /// Takes events until one is of interest or the time is used up.
    fn advance(&mut self, time: Duration, each_step: bool) -> Result<Option<Event>, Error> {
        assert!(!self.fails_next, "a defect for a test");
        let deadline = Instant::now() + time;
        while let Some(event) = self.trainer.next() {
            let event = event?;
            if let Some(writer) = &mut self.writer {
                writer.record(&event, &self.trainer)?;
            }
            match &event {
                Event::Episode(record) => self.episodes.push(record.clone()),
                Event::Evaluation(evaluation) => self.evaluations.push(evaluation.clone()),
                Event::Warning { .. } => {}
                Event::Step { .. } if each_step => {}
                _ if Instant::now() < deadline => continue,
                _ => return Ok(None),
            }
            return Ok(Some(event));
        }
        Ok(None)
    }

    /// Writes the run so far.
    fn save(&mut self, path: &Path) -> Result<(), Error> {
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            return self.trainer.model().save(path);
        }
        let mut writer = self.write(path, true)?;
        writer.finish(&self.trainer, self.spent.as_secs_f64(), !self.trainer.is_finished())?;
        writer.save_state(&self.trainer, self.kept())?;
        if self.episodes.is_empty() { Ok(()) } else { run::draw(path) }
    }
    /// A writer for this directory that has written the run so far.
    fn write(&self, dir: &Path, force: bool) -> Result<RunWriter, Error> {
        let mut writer = RunWriter::create(dir, force, self.trainer.config())?;
        for record in &self.episodes {
            writer.record(&Event::Episode(record.clone()), &self.trainer)?;
        }
        for evaluation in &self.evaluations {
            writer.record(&Event::Evaluation(evaluation.clone()), &self.trainer)?;
        }
        if let Some(best) = self.trainer.best_model() {
            best.save(&dir.join(run::BEST))?;
        }
        Ok(writer)
    }

    /// What a checkpoint keeps for this package.
    fn kept(&self) -> serde_json::Value {
        let Self { source, evaluations, summarised, .. } = self;
        let kept = Kept { source: source.clone(), evaluations: evaluations.clone(), summarised: *summarised };
        serde_json::to_value(kept).expect("settings and evaluations are plain data")
    }
}
