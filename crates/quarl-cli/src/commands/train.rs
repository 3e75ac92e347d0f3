//! `quarl train`: trains one agent and writes the run.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use quarl::config::TrainConfig;
use quarl::env::MakeOptions;
use quarl::evaluate::{GreedyEpisodes, step_limit};
use quarl::run::{self, EpisodeRecorder, Resume, RunWriter, Status, Summary};
use quarl::train::{Event, Trainer};
use quarl::trained::{SavedModel, TrainedAgent};
use quarl::{Error, Model, env};
use serde_json::json;

use crate::args::{Resolved, TrainArgs, TrustArgs};
use crate::commands::play;
use crate::display::Display;
use crate::live::{Live, screen::Screen};
use crate::output::Usage;
use crate::progress::TrainProgress;
use crate::{Outcome, interrupt, output};

pub(crate) fn run(args: TrainArgs) -> Result<Outcome> {
    let start = Start::of(&args)?;
    if args.tui {
        Screen::check("leave out --tui")?;
    }
    #[cfg(unix)]
    let _messages = args.tui.then(crate::live::messages::Capture::start);
    interrupt::listen();
    let mut builder = Trainer::builder(start.config().clone()).stop_flag(interrupt::stop_flag());
    if let Some(model) = start.initial_model() {
        builder = builder.initial_model(model.clone());
    }
    let mut trainer = builder.build()?;
    if interrupt::requested() {
        return Ok(Outcome::Interrupted);
    }
    let writer = match start {
        Start::New { resolved, initial } => new(&args, &trainer, &resolved.name, initial.as_deref())?,
        Start::Resumed { resume, .. } => match resumed(&args, *resume, &mut trainer)? {
            Some(writer) => writer,
            None => return Ok(Outcome::Done),
        },
    };
    complete(&args, trainer, writer)
}

/// Trains a run to its end and shows the result.
pub(crate) fn complete(args: &TrainArgs, mut trainer: Trainer, mut writer: RunWriter) -> Result<Outcome> {
    let out = writer.dir().to_owned();
    if args.json {
        output::json(&json!({ "event": "start", "dir": out, "config": trainer.config() }));
    }

    let started = Instant::now();
    let mut shown = Shown::open(args, &trainer, &out)?;
    let trained = train(args, &mut trainer, &mut writer, &mut shown).and_then(|interrupted| {
        let seconds = (started.elapsed() - shown.paused()).as_secs_f64();
        Ok((writer.finish(&trainer, seconds, interrupted)?, interrupted))
    });
    let (summary, interrupted) = match trained {
        Ok(trained) => trained,
        Err(error) => {
            drop(shown);
            let error = stopped(error, &mut writer, &trainer, started);
            if args.json {
                output::json(&json!({ "event": "failed", "dir": out, "error": format!("{error:#}") }));
            }
            return Err(error);
        }
    };
    run::draw(&out)?;
    // The run is complete. Another process may replace it while it is shown.
    drop(writer);
    if !interrupted && !interrupt::requested() {
        shown.wait(&mut trainer);
        drop(shown);
        watch(args, &trainer, &summary)?;
    } else {
        drop(shown);
    }
    if args.json {
        output::json(&json!({ "event": "finished", "dir": out, "summary": summary }));
    } else if args.quiet {
        output::quiet_result(summary.greedy_mean, &out);
    } else if interrupted {
        let (out, trust) = (out.display(), TrustArgs::suggestion(&trainer.config().env));
        output::line(format!("interrupted: the agent and the results so far are in {out}"));
        output::line(format!("continue with: quarl train --resume {out}{trust}"));
    } else {
        print_result(&summary, &out);
    }
    Ok(if interrupt::requested() { Outcome::Interrupted } else { Outcome::Done })
}

/// What is trained: a new run, or one that continues.
enum Start {
    /// From a trained agent or from a random network.
    New { resolved: Box<Resolved>, initial: Option<Box<Model>> },
    /// Its configuration may have a new budget.
    Resumed { resume: Box<Resume>, config: Box<TrainConfig> },
}

impl Start {
    fn of(args: &TrainArgs) -> Result<Self> {
        let Some(dir) = &args.resume else {
            let initial = args.from.as_deref().map(|path| TrainedAgent::load(path, SavedModel::Last)).transpose()?;
            let resolved = match &initial {
                Some(agent) => args.config.or_of(agent).resolve()?,
                None => args.config.resolve()?,
            };
            return Ok(Self::New { resolved: Box::new(resolved), initial: initial.map(|agent| Box::new(agent.model)) });
        };
        let resume = Resume::open(dir)?;
        args.config.trust.check(&resume.config().env, dir)?;
        let mut config = resume.config().clone();
        let budget = |number: i64| u64::try_from(number).unwrap_or_default();
        match (args.config.settings.steps, args.config.settings.episodes) {
            (Some(steps), _) => (config.training.steps, config.training.episodes) = (Some(budget(steps)), None),
            (_, Some(episodes)) => (config.training.steps, config.training.episodes) = (None, Some(budget(episodes))),
            _ => {}
        }
        config.validate()?;
        Ok(Self::Resumed { resume: Box::new(resume), config: Box::new(config) })
    }

    fn config(&self) -> &TrainConfig {
        match self {
            Self::New { resolved, .. } => &resolved.config,
            Self::Resumed { config, .. } => config,
        }
    }

    /// The model that training starts from, instead of a random network.
    fn initial_model(&self) -> Option<&Model> {
        match self {
            Self::New { initial, .. } => initial.as_deref(),
            Self::Resumed { resume, .. } => resume.initial_model(),
        }
    }
}

/// The writer of a new run.
fn new(args: &TrainArgs, trainer: &Trainer, name: &str, initial: Option<&Model>) -> Result<RunWriter> {
    let recorder = args.record_every.map(|every_steps| recorder(trainer, every_steps)).transpose()?;
    let out = match &args.out {
        Some(out) => out.clone(),
        None => {
            let name = run::default_name(&trainer.config().env.id, name);
            new_directory(&format!("{name}-seed{}", trainer.config().training.seed))?
        }
    };
    let created = match initial {
        // With the configuration, it repeats the run.
        Some(model) => RunWriter::create_with_initial_model(&out, args.force, trainer.config(), model.clone()),
        None => RunWriter::create(&out, args.force, trainer.config()),
    };
    let mut writer = created.inspect_err(|_| {
        if args.out.is_none() {
            let _ = std::fs::remove_dir(&out);
        }
    })?;
    if args.tensorboard {
        writer.log_to_tensorboard(trainer.config())?;
    }
    if let Some(recorder) = recorder {
        writer.record_episodes(recorder);
    }
    Ok(writer)
}

/// Records greedy episodes of a run in an environment of their own.
fn recorder(trainer: &Trainer, every_steps: u64) -> Result<EpisodeRecorder> {
    let options = MakeOptions { rendering: true, stop: interrupt::stop_flag() };
    Ok(EpisodeRecorder::new(every_steps, env::make_configured(&trainer.config().env, &options)?)?)
}

/// Restores the run that continues, and returns its writer; `None` where it is complete.
fn resumed(args: &TrainArgs, mut resume: Resume, trainer: &mut Trainer) -> Result<Option<RunWriter>> {
    let (before, now) = (&resume.config().training, &trainer.config().training);
    if let Status::Complete(summary) = resume.status()
        && (before.steps, before.episodes) == (now.steps, now.episodes)
    {
        let dir = resume.dir();
        // The process may have been killed after the run was complete and before its figure was.
        resume.remove_temporary_files()?;
        run::draw(dir)?;
        if args.json {
            output::json(&json!({ "event": "finished", "dir": dir, "summary": summary }));
        } else if args.quiet {
            output::quiet_result(summary.greedy_mean, dir);
        } else {
            output::line(format!("{} is complete: give --steps or --episodes to train it longer", dir.display()));
        }
        return Ok(None);
    }
    resume.restore(trainer)?;
    let mut notes = resume.skipped().to_vec();
    notes.extend(resume.schedule_note(trainer));
    for note in &notes {
        if args.json {
            output::json(&json!({ "event": "warning", "message": note }));
        } else {
            output::warning(note);
        }
    }
    if !args.json && !args.quiet {
        output::line(match resume.env_steps() {
            Some(steps) => {
                format!("resuming {} from its checkpoint after {steps} environment steps", resume.dir().display())
            }
            None => format!("{} has no checkpoint: training from the beginning", resume.dir().display()),
        });
    }
    let begins_again = resume.env_steps().is_none();
    let asked = args.record_every.filter(|_| begins_again);
    let record_every = asked.or(resume.record_every());
    let has_other_interval = args.record_every.is_some() && args.record_every != record_every;
    if has_other_interval || (args.tensorboard && !begins_again && !resume.logs_to_tensorboard()) {
        let option = if has_other_interval { "--record-every" } else { "--tensorboard" };
        let message = format!("{option}: a run that continues keeps the logs that it began with: leave the option out");
        return Err(Usage(message).into());
    }
    let has_tensorboard = resume.logs_to_tensorboard();
    let mut writer = resume.writer(trainer)?;
    if begins_again && (args.tensorboard || has_tensorboard) {
        writer.log_to_tensorboard(trainer.config())?;
    }
    if let Some(every_steps) = record_every {
        writer.record_episodes(recorder(trainer, every_steps)?);
    }
    Ok(Some(writer))
}

/// Writes the results up to `error`, as far as possible.
fn stopped(error: anyhow::Error, writer: &mut RunWriter, trainer: &Trainer, started: Instant) -> anyhow::Error {
    let Some(failure) = error.downcast_ref::<Error>() else { return error };
    let dir = writer.dir().to_owned();
    let kept = writer.abandon(trainer, started.elapsed().as_secs_f64(), failure);
    let kept = kept.and_then(|_| if trainer.episodes() > 0 { run::draw(&dir) } else { Ok(()) });
    let (dir, trust) = (dir.display(), TrustArgs::suggestion(&trainer.config().env));
    let checkpoint = writer.last_checkpoint().map_or(String::new(), |steps| {
        format!("; its last checkpoint is that after {steps} environment steps (quarl train --resume {dir}{trust})")
    });
    error.context(match kept {
        Ok(()) => format!("training stopped; the results so far are in {dir}{checkpoint}"),
        Err(second) => format!(
            "training stopped; some of the results could not be written ({second}), the others are in {dir}{checkpoint}"
        ),
    })
}

/// How the progress is shown.
enum Shown {
    Nothing,
    Line(Box<TrainProgress>),
    Live(Box<Live>),
}

impl Shown {
    fn open(args: &TrainArgs, trainer: &Trainer, out: &Path) -> Result<Self> {
        Ok(match args {
            TrainArgs { tui: true, .. } => Self::Live(Box::new(Live::open(trainer, out)?)),
            TrainArgs { quiet: false, json: false, .. } => {
                Self::Line(Box::new(TrainProgress::new(&trainer.config().training)))
            }
            _ => Self::Nothing,
        })
    }

    fn event(&mut self, event: &Event, trainer: &mut Trainer) {
        match (self, event) {
            (Self::Live(live), event) => live.event(event, trainer),
            (Self::Line(progress), event) => progress.event(event),
            (Self::Nothing, Event::Warning { message }) => output::warning(message),
            _ => {}
        }
    }

    /// How long training was paused.
    fn paused(&self) -> Duration {
        if let Self::Live(live) = self { live.paused() } else { Duration::ZERO }
    }

    /// Shows the complete run until the live view is closed.
    fn wait(&mut self, trainer: &mut Trainer) {
        if let Self::Live(live) = self {
            live.wait(trainer);
        }
    }
}

/// Trains: records every event and shows the progress. Returns whether the run was interrupted.
fn train(args: &TrainArgs, trainer: &mut Trainer, writer: &mut RunWriter, shown: &mut Shown) -> Result<bool> {
    while let Some(event) = trainer.next() {
        let event = event?;
        writer.record(&event, trainer)?;
        if args.json && matches!(event, Event::Episode(_) | Event::Evaluation(_) | Event::Warning { .. }) {
            output::json(&event);
        }
        shown.event(&event, trainer);
    }
    let interrupted = !trainer.is_finished();
    if let Shown::Line(progress) = shown {
        progress.finish(!interrupted);
    }
    Ok(interrupted)
}

/// Prints, and on a terminal shows, one greedy episode of the trained agent, the first of its closing evaluation.
fn watch(args: &TrainArgs, trainer: &Trainer, summary: &Summary) -> Result<()> {
    let Some(total_reward) = summary.greedy_returns.iter().flatten().next() else { return Ok(()) };
    if args.json {
        output::json(&json!({ "event": "play", "total_reward": total_reward }));
        return Ok(());
    }
    if args.quiet {
        return Ok(());
    }
    // The live view has shown greedy play already.
    if !args.tui && output::is_capable_terminal() && !interrupt::requested() {
        let options = MakeOptions { rendering: true, stop: interrupt::stop_flag() };
        let mut env = match env::make_configured(&trainer.config().env, &options) {
            // Ctrl-C ends the display only; the run is complete.
            Err(Error::Stopped { .. }) => return Ok(()),
            made => made?,
        };
        let display = Display::terminal(f64::from(env.spec().render_fps))?;
        let seed = quarl::rng::Stream::Evaluation.seed(trainer.config().training.seed);
        let limit = step_limit(trainer.config().evaluation.max_episode_steps, env.spec());
        let episodes = GreedyEpisodes::new(env.spec(), seed, 1, limit);
        let show = play::Show { display, recorder: None, episodes };
        show.run(trainer.agent().policy()?, &mut *env)?;
    }
    output::line(format!("return of the first greedy episode: {total_reward}"));
    Ok(())
}

fn print_result(summary: &Summary, out: &Path) {
    let Summary { episodes, env_steps, wall_seconds, .. } = summary;
    if let Summary { greedy_returns: Some(returns), greedy_mean: Some(mean), .. } = summary {
        output::line(format!("mean return over {} greedy episodes of the trained agent: {mean:.1}", returns.len()));
    }
    if let Summary { best_mean: Some(best), best_episodes: Some(then), .. } = summary {
        output::line(format!("mean return of the best evaluation: {best:.1}, after {then} training episodes"));
    }
    if let Some(reason) = &summary.stopped_early {
        output::line(format!("training ended early: {reason}"));
    }
    output::line(format!("trained for {episodes} episodes, {env_steps} environment steps, in {wall_seconds:.2} s"));
    output::line(format!("run directory: {}", out.display()));
}

/// Creates `runs/NAME`, or the first of `runs/NAME-2`, `runs/NAME-3`, .. that does not exist. Creating it immediately
/// prevents another process from using the same name.
fn new_directory(name: &str) -> Result<PathBuf, Error> {
    let runs = Path::new("runs");
    std::fs::create_dir_all(runs).map_err(Error::io("create", runs))?;
    let mut path = runs.join(name);
    for number in 2_u64.. {
        match std::fs::create_dir(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                path = runs.join(format!("{name}-{number}"));
            }
            made => {
                made.map_err(Error::io("create", &path))?;
                break;
            }
        }
    }
    Ok(path)
}
