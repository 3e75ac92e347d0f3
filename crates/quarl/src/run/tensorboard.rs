//! Logs a run for TensorBoard, with the tags of Stable-Baselines3.

use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::event_file::{EventFile, Value, now};
use super::{Summary, TENSORBOARD};
use crate::config::TrainConfig;
use crate::error::Error;
use crate::protobuf::Message;
use crate::train::{EpisodeRecord, Evaluation, Event, Trainer};

/// The number of episodes between two events, as in Stable-Baselines3.
const INTERVAL: u64 = 4;
/// The number of episodes that `rollout/ep_rew_mean` and `rollout/ep_len_mean` are means of, as in Stable-Baselines3.
const WINDOW: usize = 100;

/// The log of a run.
pub(super) struct TensorBoard {
    events: EventFile,
    started: Instant,
    state: State,
}

/// Everything of the log that changes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// The length of the event file in bytes.
    len: u64,
    /// Return and length of the last episodes.
    recent: Vec<(f64, u64)>,
    episodes: u64,
    updates: u64,
    /// The sums of losses and of Q-values since the last event, and the number of updates.
    since: (f64, f64, u64),
    /// The duration in seconds of training in earlier processes.
    seconds: f64,
}

impl TensorBoard {
    /// Creates the event file in a run's directory, and writes the configuration as hyperparameters.
    pub(super) fn create(dir: &Path, config: &TrainConfig) -> Result<Self, Error> {
        let mut events = EventFile::create(dir.join(TENSORBOARD))?;
        events.summary(0, &hyperparameters(config))?;
        Ok(Self { events, started: Instant::now(), state: State::default() })
    }

    /// The length of the event file that a saved log needs.
    pub(super) fn len(state: &State) -> u64 {
        state.len
    }

    /// Continues the log of a resumed run.
    pub(super) fn continued(dir: &Path, state: State) -> Result<Self, Error> {
        let events = EventFile::continued(dir.join(TENSORBOARD), state.len)?;
        Ok(Self { events, started: Instant::now(), state })
    }

    /// The state, for [`TensorBoard::continued`].
    pub(super) fn state(&self) -> State {
        State { len: self.events.len(), seconds: self.seconds(), ..self.state.clone() }
    }

    /// The duration of training in seconds.
    fn seconds(&self) -> f64 {
        self.state.seconds + self.started.elapsed().as_secs_f64()
    }

    pub(super) fn record(&mut self, event: &Event, trainer: &Trainer) -> Result<(), Error> {
        match event {
            Event::Learn { report, .. } => {
                let (loss, q, count) = self.state.since;
                self.state.since = (loss + f64::from(report.loss), q + f64::from(report.mean_q), count + 1);
                self.state.updates += 1;
                Ok(())
            }
            Event::Episode(record) => self.episode(record, trainer),
            Event::Evaluation(evaluation) => self.evaluation(evaluation),
            _ => Ok(()),
        }
    }

    fn episode(&mut self, record: &EpisodeRecord, trainer: &Trainer) -> Result<(), Error> {
        let at = (self.state.episodes % WINDOW as u64) as usize;
        match self.state.recent.get_mut(at) {
            Some(oldest) => *oldest = (record.total_reward, record.length),
            None => self.state.recent.push((record.total_reward, record.length)),
        }
        self.state.episodes += 1;
        if !self.state.episodes.is_multiple_of(INTERVAL) {
            return Ok(());
        }
        let n = self.state.recent.len() as f64;
        let seconds = self.seconds();
        let lengths: u64 = self.state.recent.iter().map(|(_, length)| length).sum();
        let mut values = vec![
            ("rollout/ep_rew_mean", self.state.recent.iter().map(|(total, _)| total).sum::<f64>() / n),
            ("rollout/ep_len_mean", lengths as f64 / n),
            ("rollout/exploration_rate", record.epsilon),
            ("time/fps", (record.env_steps as f64 / seconds).floor()),
            ("time/time_elapsed", seconds.floor()),
            ("time/episodes", self.state.episodes as f64),
            ("time/total_timesteps", record.env_steps as f64),
        ];
        if let (loss, q, count @ 1..) = std::mem::take(&mut self.state.since) {
            values.extend([
                ("train/learning_rate", trainer.config().optimizer.lr.value(record.env_steps)),
                ("train/loss", loss / count as f64),
                ("train/mean_q", q / count as f64),
                ("train/n_updates", self.state.updates as f64),
            ]);
        }
        if let Some(diagnostics) = record.diagnostics {
            values.extend([
                ("train/td_error", diagnostics.td_error),
                ("train/grad_norm", diagnostics.grad_norm),
                ("train/max_q", diagnostics.max_q),
                ("train/action_gap", diagnostics.action_gap),
                ("train/target_drift", diagnostics.target_drift),
                ("train/effective_batch", diagnostics.effective_batch),
            ]);
        }
        let values: Vec<(&str, Value)> = values.into_iter().map(|(tag, value)| (tag, Value::Scalar(value))).collect();
        self.events.summary(record.env_steps, &values)
    }

    /// The closing evaluation has a tag of its own, because its initial observations differ from those of the others.
    fn evaluation(&mut self, evaluation: &Evaluation) -> Result<(), Error> {
        let tag = if evaluation.closing { "eval/final_mean_reward" } else { "eval/mean_reward" };
        self.events.summary(evaluation.env_steps, &[(tag, Value::Scalar(evaluation.mean_return))])
    }

    /// Writes how the run ended, and its figure.
    pub(super) fn finish(&mut self, dir: &Path, summary: &Summary) -> Result<(), Error> {
        #[cfg(feature = "plot")]
        if summary.episodes > 0 {
            use crate::plot::{HEIGHT, PNG_SCALE, WIDTH};
            let png = super::figures::figure(dir)?.to_png()?;
            let size = (WIDTH * PNG_SCALE, HEIGHT * PNG_SCALE);
            self.events.summary(summary.env_steps, &[("figures/curve", Value::Image { png, size })])?;
        }
        #[cfg(not(feature = "plot"))]
        let _ = dir;
        const SUCCESS: i64 = 1;
        const FAILURE: i64 = 2;
        let status = if summary.error.is_some() { FAILURE } else { SUCCESS };
        let end = Message::default().message(4, Message::default().int(1, status).double(2, now()));
        self.events.summary(summary.env_steps, &[("_hparams_/session_end_info", Value::Hyperparameters(end))])?;
        self.events.sync()
    }
}

/// The configuration for TensorBoard's tab of hyperparameters: the experiment with its metrics, and the values of this run.
fn hyperparameters(config: &TrainConfig) -> [(&'static str, Value); 2] {
    const NUMBER: i64 = 3;
    const BOOL: i64 = 2;
    const STRING: i64 = 1;
    let values = config.settings();
    let (mut infos, mut session) = (Message::default(), Message::default());
    for (key, value) in &values {
        let (kind, encoded) = match value {
            toml::Value::Boolean(value) => (BOOL, Message::default().int(4, i64::from(*value))),
            toml::Value::Integer(value) => (NUMBER, Message::default().double(2, *value as f64)),
            toml::Value::Float(value) => (NUMBER, Message::default().double(2, *value)),
            toml::Value::String(value) => (STRING, Message::default().bytes(3, value)),
            other => (STRING, Message::default().bytes(3, other.to_string())),
        };
        infos = infos.message(4, Message::default().bytes(1, key).int(4, kind));
        session = session.message(1, Message::default().bytes(1, key).message(2, encoded));
    }
    for tag in ["rollout/ep_rew_mean", "eval/mean_reward", "eval/final_mean_reward"] {
        infos = infos.message(5, Message::default().message(1, Message::default().bytes(2, tag)));
    }
    session = session.double(5, now());
    [
        ("_hparams_/experiment", Value::Hyperparameters(Message::default().message(2, infos))),
        ("_hparams_/session_start_info", Value::Hyperparameters(Message::default().message(3, session))),
    ]
}
