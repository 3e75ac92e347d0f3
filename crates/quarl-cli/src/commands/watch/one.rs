//! Watches one run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use quarl::policy::Policy;
use quarl::rng::Stream;
use quarl::run::{Contents, Holder, RunFollower, Summary};
use quarl::trained::{SavedModel, TrainedAgent};
use quarl::{Error, TrainConfig};

use super::{Action, Kind, keys};
use crate::args::TrustArgs;
use crate::keyboard::Key;
use crate::live::chart::sparkline;
use crate::live::curve::Curve;
use crate::live::group::RunStatus;
use crate::live::history::{DIAGNOSTICS, History};
use crate::live::panels::{self, RunView};
use crate::live::player::{Picture, Play, Player};
use crate::live::rate::Rate;
use crate::live::screen::{Screen, Theme, ascii};
use crate::progress::{MEAN_WINDOW, duration, number};
use crate::{Outcome, output};

const KEYS: &str = "r picture  Ctrl-L redraw  q leave";

/// The time without a new row after which it is mentioned.
const QUIET: Duration = Duration::from_secs(10);

/// A run that is followed.
struct Run {
    dir: PathBuf,
    follower: RunFollower,
    history: History,
    config: Option<Box<TrainConfig>>,
    summary: Option<Box<Summary>>,
    rate: Rate,
    started: Instant,
    /// When something new was last found.
    changed: Instant,
    notice: Option<String>,
    /// Why the files could not be read the last time.
    problem: Option<Error>,
}

impl Run {
    fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            follower: RunFollower::new(dir),
            history: History::default(),
            config: None,
            summary: None,
            rate: Rate::default(),
            started: Instant::now(),
            changed: Instant::now(),
            notice: None,
            problem: None,
        }
    }

    /// Reads what is new. Returns whether there is more, and whether a run has started.
    fn poll(&mut self) -> (bool, bool) {
        let update = match self.follower.poll() {
            Ok(update) => update,
            Err(error) => {
                (self.config, self.notice, self.problem) = (None, Some(error.to_string()), Some(error));
                return (false, false);
            }
        };
        self.problem = None;
        if update.is_absent {
            let is_removed = self.config.is_some() || !self.dir.exists();
            let message = if is_removed { "The run's files were removed." } else { "The run has not started." };
            self.notice = Some(message.to_owned());
            return (false, false);
        }
        let has_started = update.started.is_some();
        if has_started {
            let is_new = self.config.is_none();
            self.notice = (!is_new).then(|| "Another run has replaced the one shown before.".to_owned());
            self.config.clone_from(&update.started);
            (self.summary, self.rate) = (None, Rate::default());
        } else if self.changed.elapsed() > QUIET || self.config.is_none() {
            self.notice = None;
        }
        if has_started || !update.episodes.is_empty() || !update.evaluations.is_empty() || update.summary.is_some() {
            self.changed = Instant::now();
        }
        self.history.update(&update);
        if let Some(summary) = update.summary {
            self.summary = Some(summary);
        }
        // What was there already says nothing about the speed.
        if !update.has_more && self.summary.is_none() && !has_started {
            let tally = &self.history.tally;
            self.rate.update(self.started.elapsed().as_secs_f64(), tally.env_steps, tally.share());
        }
        (update.has_more, has_started)
    }

    fn status(&self) -> RunStatus {
        match &self.config {
            None => RunStatus::NotStarted,
            Some(_) => RunStatus::of(&self.dir, self.summary.as_deref()),
        }
    }

    /// The status in a phrase.
    fn state(&self) -> String {
        if self.problem.is_some() {
            return "cannot be read".to_owned();
        }
        match self.status() {
            RunStatus::Running if self.changed.elapsed() > QUIET => {
                let seconds = self.changed.elapsed().as_secs_f64();
                format!("running, no new episode for {}", duration(seconds))
            }
            RunStatus::Unfinished => match Holder::of(&self.dir) {
                Some(Holder { is_running: Some(false), .. }) => "unfinished: its process has ended".to_owned(),
                _ => "unfinished".to_owned(),
            },
            status => status.word().to_owned(),
        }
    }

    fn title(&self) -> String {
        let what = self.config.as_ref().map(|config| format!("{}  seed {}  ", config.env.id, config.training.seed));
        format!("{}{}", what.unwrap_or_default(), self.dir.display())
    }

    fn per_second(&self) -> Option<f64> {
        self.summary.as_ref().map_or_else(|| self.rate.per_second(), |summary| Some(summary.steps_per_second))
    }

    /// A player of the run's best model so far, or of its final one, in an environment that is trusted.
    fn player(&self, trust: TrustArgs) -> Option<Player> {
        let config = self.config.as_ref().filter(|config| trust.allows(&config.env))?;
        let dir = self.dir.clone();
        Player::start(Play {
            env: config.env.clone(),
            seed: Stream::Evaluation.seed(config.training.seed),
            limit: config.evaluation.max_episode_steps,
            policy: Box::new(move || policy(&dir)),
        })
        .ok()
    }
}

/// In place of an environment that is not started.
fn unshown() -> Picture {
    Picture::Message("This environment is a Python program.\n--trust starts it.".to_owned())
}

/// The policy of a run's final model, or of the best one so far.
fn policy(dir: &Path) -> Option<Policy> {
    let load = |saved| TrainedAgent::load(dir, saved).ok();
    let agent = load(SavedModel::Last).or_else(|| load(SavedModel::Best))?;
    Policy::new(&agent.model).ok()
}

/// Prints the present state.
pub(super) fn print(dir: &Path) -> Result<Outcome> {
    let mut run = Run::new(dir);
    while run.poll().0 {}
    if let Some(error) = run.problem {
        return Err(error.into());
    }
    output::text(run.text(&Theme::detect()));
    Ok(Outcome::Done)
}

/// The width of a sparkline in plain text.
const SPARKLINE: usize = 40;

impl Run {
    /// The state as plain text, a line for each value.
    fn text(&self, theme: &Theme) -> String {
        let History { tally, returns, loss, mean_q, epsilon, diagnostics, warnings, .. } = &self.history;
        let mut lines = Vec::new();
        let mut add = |name: &str, value: String| lines.push(format!("{name:<17} {value}"));
        add("directory", self.dir.display().to_string());
        add("status", self.state());
        let Some(config) = &self.config else { return lines.join("\n") + "\n" };
        if let Some(Summary { error: Some(error), .. }) = self.summary.as_deref() {
            add("error", error.clone());
        } else if let Some(holder) = Holder::of(&self.dir).filter(|_| self.summary.is_none()) {
            add("trained by", holder.description);
        }
        add("environment", config.env.id.clone());
        add("seed", config.training.seed.to_string());
        let percent = (tally.share() * 100.0).floor();
        add("progress", format!("{} ({percent:.0}%)", tally.done().long));
        add("episodes", tally.episodes.to_string());
        add("steps", tally.env_steps.to_string());
        let shown = |curve: &Curve| {
            let latest = curve.latest().map_or_else(|| "-".to_owned(), number);
            let blocks = sparkline(curve, SPARKLINE);
            let is_ascii = theme.scenes == quarl::render::TextStyle::Ascii;
            let blocks = if is_ascii { blocks.chars().map(ascii).collect() } else { blocks };
            format!("{latest:>8}  {blocks}").trim_end().to_owned()
        };
        add("return", shown(returns));
        add(&format!("mean of last {MEAN_WINDOW}"), shown(&self.history.mean));
        add("evaluation", shown(&self.history.evaluations));
        if let Some((mean, episodes)) = tally.best {
            add("best evaluation", format!("{:>8}  after {episodes} episodes", number(mean)));
        }
        add("epsilon", shown(epsilon));
        add("loss", shown(loss));
        add("mean Q-value", shown(mean_q));
        for ((name, _), curve) in DIAGNOSTICS.iter().zip(diagnostics).filter(|(_, curve)| curve.latest().is_some()) {
            add(name, shown(curve));
        }
        if let Some(rate) = self.per_second() {
            add("steps per second", format!("{:>8}", number(rate.round())));
        }
        for warning in warnings {
            add("warning", warning.clone());
        }
        lines.join("\n") + "\n"
    }
}

/// Shows the run until the display is closed. Its environment is shown unless it is one of Gymnasium that is not trusted.
pub(super) fn watch(dir: &Path, trust: TrustArgs) -> Result<Option<Kind>> {
    let mut screen = Screen::open()?;
    let mut run = Run::new(dir);
    let (mut player, mut shows_environment) = (None::<Player>, true);
    loop {
        let (has_more, has_started) = run.poll();
        if has_started || (player.is_none() && shows_environment && run.config.is_some()) {
            player = run.player(trust);
        }
        if run.config.is_none() {
            match Contents::of(dir) {
                Ok(Contents::Experiment | Contents::Several { .. }) => return Ok(Some(Kind::Several)),
                Ok(Contents::Study) => return Ok(Some(Kind::Study)),
                _ => {}
            }
        }
        if let Some(player) = &player {
            player.want(shows_environment);
        }
        let unshown = run.config.as_ref().filter(|config| !trust.allows(&config.env)).map(|_| Arc::new(unshown()));
        let played = unshown.or_else(|| player.as_ref().and_then(Player::picture));
        let view = RunView {
            title: run.title(),
            state: if has_more { "reading".to_owned() } else { run.state() },
            history: &run.history,
            rate: run.per_second(),
            rates: run.rate.curve(),
            seconds_left: run.rate.seconds_left(),
            is_complete: run.summary.is_some(),
            now: Vec::new(),
            picture: shows_environment.then_some(("Greedy play, best model", played.as_deref())),
            notice: run.notice.clone(),
            keys: KEYS,
        };
        if !screen.draw(|frame, theme| panels::draw(frame, &view, theme))? {
            return Ok(None);
        }
        match keys(&mut screen)? {
            Action::Leave => return Ok(None),
            Action::Key(Key::Char('r')) => shows_environment = !shows_environment,
            _ => {}
        }
    }
}
