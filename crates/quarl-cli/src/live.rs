//! The live view of a run: `quarl train --tui` and `quarl watch`.
//!
//! `--tui` has three threads. The main thread trains as always; some times a second it publishes a [`Snapshot`] and never
//! waits for the others, unless a pause or a limited speed was asked for ([`controls`]). The display's thread draws the latest
//! snapshot and reads the keys. The [`player`]'s thread plays greedy episodes of the latest network.

pub(crate) mod chart;
pub(crate) mod controls;
pub(crate) mod curve;
mod display;
pub(crate) mod group;
pub(crate) mod group_panels;
pub(crate) mod history;
#[cfg(unix)]
pub(crate) mod messages;
pub(crate) mod panels;
pub(crate) mod player;
pub(crate) mod rate;
pub(crate) mod screen;
pub(crate) mod study_panels;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use quarl::policy::Policy;
use quarl::rng::Stream;
use quarl::train::{Event, Trainer};

use crate::{interrupt, output, terminal};
use controls::Controls;
use curve::Curve;
use display::Display;
use history::History;
use player::{Picture, Play, Player};
use rate::Rate;
use screen::Screen;

/// The shortest time between two snapshots.
const INTERVAL: Duration = Duration::from_millis(66);

/// How long the player waits for the latest network. Training may be paused; then the last one is played again.
const NETWORK_WAIT: Duration = Duration::from_millis(300);

/// How long the display may take to close.
const CLOSING: Duration = Duration::from_secs(3);

/// The live view of a training run, as the training sees it.
pub(crate) struct Live {
    shared: Arc<Shared>,
    history: History,
    rate: Rate,
    phase: Phase,
    /// The loss and the mean Q-value of the latest update.
    update: Option<(f32, f32)>,
    /// The environment's own speed in steps per second.
    fps: f64,
    started: Instant,
    paused: Duration,
    published: Instant,
    display: Option<JoinHandle<Result<()>>>,
}

/// What the threads share.
pub(crate) struct Shared {
    pub(crate) controls: Controls,
    snapshot: Mutex<Arc<Snapshot>>,
    network: Mutex<Request>,
    is_closing: AtomicBool,
}

/// A request for the latest network.
#[derive(Default)]
struct Request {
    is_wanted: bool,
    policy: Option<Policy>,
}

/// What the run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Training,
    /// A greedy evaluation, with the number of its running episode.
    Evaluating(u64),
    Complete,
}

/// The state of a run at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) history: History,
    pub(crate) phase: Phase,
    pub(crate) rate: Option<f64>,
    pub(crate) rates: Curve,
    pub(crate) seconds_left: Option<f64>,
    pub(crate) now: Vec<(String, f64)>,
    /// The training environment, while training waits for the person watching.
    pub(crate) training: Option<Picture>,
}

impl Live {
    /// Shows the live view of a run that is about to start. `dir` is its directory.
    pub(crate) fn open(trainer: &Trainer, dir: &Path) -> Result<Self> {
        let config = trainer.config();
        let mut live = Self::hidden(trainer);
        let (shared, networks) = (live.shared.clone(), live.shared.clone());
        let player = Player::start(Play {
            env: config.env.clone(),
            seed: Stream::Evaluation.seed(config.training.seed),
            limit: config.evaluation.max_episode_steps,
            policy: Box::new(move || networks.ask_for_network()),
        });
        let player = player.context("cannot start a thread")?;
        let title = format!("{}  seed {}  {}", config.env.id, config.training.seed, dir.display());
        let display = Display::new(shared, Screen::open()?, player, title, live.fps);
        let thread = std::thread::Builder::new().name("display".to_owned());
        live.display = Some(thread.spawn(move || display.run()).context("cannot start a thread")?);
        Ok(live)
    }

    /// A live view without a display.
    fn hidden(trainer: &Trainer) -> Self {
        let (history, started) = (History::new(trainer.config()), Instant::now());
        let snapshot = Snapshot {
            history: history.clone(),
            phase: Phase::Training,
            rate: None,
            rates: Curve::default(),
            seconds_left: None,
            now: Vec::new(),
            training: None,
        };
        let shared = Arc::new(Shared {
            controls: Controls::default(),
            snapshot: Mutex::new(Arc::new(snapshot)),
            network: Mutex::default(),
            is_closing: AtomicBool::new(false),
        });
        Self {
            shared,
            history,
            rate: Rate::default(),
            phase: Phase::Training,
            update: None,
            fps: f64::from(trainer.env().spec().render_fps).clamp(1.0, 1000.0),
            started,
            paused: Duration::ZERO,
            published: started,
            display: None,
        }
    }

    /// Records an event, publishes a snapshot if one is due, and waits if that was asked for.
    pub(crate) fn event(&mut self, event: &Event, trainer: &mut Trainer) {
        let is_step = matches!(event, Event::Step { .. } | Event::EvaluationStep { .. });
        match event {
            Event::Step { .. } => self.phase = Phase::Training,
            Event::EvaluationStep { episode, .. } => self.phase = Phase::Evaluating(*episode),
            Event::Learn { report, .. } => self.update = Some((report.loss, report.mean_q)),
            _ => {}
        }
        self.history.event(event);
        let is_paused = is_step && self.shared.controls.is_engaged() && self.shared.controls.requests().is_paused;
        if is_paused || self.published.elapsed() >= INTERVAL {
            self.publish(trainer);
        }
        if is_step {
            let real_time = matches!(event, Event::Step { .. }).then_some(self.fps);
            self.paused += self.shared.controls.hold(real_time);
        }
    }

    /// How long training was paused.
    pub(crate) fn paused(&self) -> Duration {
        self.paused
    }

    /// Shows that the run is complete and waits until the display is closed, or a signal arrives.
    pub(crate) fn wait(&mut self, trainer: &mut Trainer) {
        self.phase = Phase::Complete;
        while !interrupt::requested() && self.display.as_ref().is_some_and(|display| !display.is_finished()) {
            self.publish(trainer);
            std::thread::sleep(interrupt::SLICE);
        }
    }

    fn publish(&mut self, trainer: &mut Trainer) {
        self.published = Instant::now();
        let seconds = (self.published - self.started).saturating_sub(self.paused).as_secs_f64();
        let tally = &self.history.tally;
        if self.phase != Phase::Complete {
            self.rate.update(seconds, tally.env_steps, tally.share());
        }
        let mut now = Vec::new();
        if let Some((total_reward, length)) = trainer.running_episode() {
            now.push((format!("return, step {length}"), total_reward));
        }
        if let Some((loss, mean_q)) = self.update {
            let td_errors = trainer.agent().td_errors();
            let td_error = td_errors.iter().map(|error| f64::from(*error)).sum::<f64>() / td_errors.len() as f64;
            let latest =
                [("latest TD error", td_error), ("latest loss", loss.into()), ("latest Q-value", mean_q.into())];
            now.extend(latest.map(|(name, value)| (name.to_owned(), value)));
        }
        let is_shown = self.shared.controls.is_engaged() && self.phase != Phase::Complete;
        let training = is_shown.then(|| match trainer.scene() {
            Ok(scene) => scene.map(|scene| Picture::Scene { scene, caption: String::new() }),
            Err(error) => Some(Picture::Message(error.to_string())),
        });
        let snapshot = Snapshot {
            history: self.history.clone(),
            phase: self.phase,
            rate: self.rate.per_second(),
            rates: self.rate.curve().clone(),
            seconds_left: self.rate.seconds_left(),
            now,
            training: training.flatten(),
        };
        *lock(&self.shared.snapshot) = Arc::new(snapshot);
        let mut request = lock(&self.shared.network);
        if std::mem::take(&mut request.is_wanted) {
            request.policy = trainer.agent().policy().ok();
        }
    }
}

impl Drop for Live {
    /// Closes the display, which restores the terminal.
    fn drop(&mut self) {
        self.shared.is_closing.store(true, Ordering::SeqCst);
        // A terminal that does not read, or an environment that hangs, must not hold up the end.
        let deadline = Instant::now() + CLOSING;
        while self.display.as_ref().is_some_and(|display| !display.is_finished()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        terminal::restore();
        match self.display.take().filter(JoinHandle::is_finished).map(JoinHandle::join) {
            Some(Ok(Err(error))) => output::warning(&format!("the live view ended early: {error:#}")),
            Some(Err(_)) => {
                output::warning("the live view ended early because of an internal error; training was not affected")
            }
            _ => {}
        }
        for warning in &self.history.warnings {
            output::warning(warning);
        }
    }
}

impl Shared {
    fn snapshot(&self) -> Arc<Snapshot> {
        lock(&self.snapshot).clone()
    }

    fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::SeqCst)
    }

    fn ask_for_network(&self) -> Option<Policy> {
        lock(&self.network).is_wanted = true;
        let deadline = Instant::now() + NETWORK_WAIT;
        loop {
            if let Some(policy) = lock(&self.network).policy.take() {
                return Some(policy);
            }
            if Instant::now() >= deadline || self.is_closing() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use quarl::TrainConfig;
    use screen::work;

    /// Processor time, because other processes keep a test waiting. Per second of training on an otherwise idle machine, the
    /// training thread handles the events of that second and publishes once in each interval.
    #[test]
    fn training_keeps_more_than_19_parts_of_20_of_its_throughput() {
        let config = TrainConfig::preset("dqn").set("training.steps", 20_000).set("training.diagnostics", true);
        let mut trainer = Trainer::new(config.build().unwrap()).unwrap();
        let mut live = Live::hidden(&trainer);
        // Publishes only when it is told to.
        live.published = Instant::now() + Duration::from_secs(1_000_000);
        let (mut training, mut events) = (Duration::ZERO, Duration::ZERO);
        while trainer.env_steps() < 12_000 {
            let before = work();
            let some: Vec<Event> = trainer.by_ref().take(500).map(Result::unwrap).collect();
            training += work().saturating_sub(before);
            let before = work();
            some.iter().for_each(|event| live.event(event, &mut trainer));
            events += work().saturating_sub(before);
        }
        const TIMES: u32 = 200;
        let before = work();
        for _ in 0..TIMES {
            // The player always wants the latest network.
            lock(&live.shared.network).is_wanted = true;
            live.publish(&mut trainer);
        }
        let publishing = work().saturating_sub(before) / TIMES;
        let [events, publishing] = [events.div_duration_f64(training + events), publishing.div_duration_f64(INTERVAL)];
        println!("of the training thread's time: events {:.2}%, snapshots {:.2}%", 100.0 * events, 100.0 * publishing);
        assert!(events + publishing < 0.05, "events take {events:.4}, snapshots {publishing:.4}");
    }
}
