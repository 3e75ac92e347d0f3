//! `quarl train`: trains one agent and writes the run.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use quarl::env::MakeOptions;
use quarl::evaluate::{GreedyEpisodes, step_limit};
use quarl::run::{self, EpisodeRecorder, RunWriter, Summary};
use quarl::train::{Event, Trainer};
use quarl::trained::{SavedModel, TrainedAgent};
use quarl::{Error, env};
use serde_json::json;

use crate::args::{Resolved, TrainArgs};
use crate::commands::play;
use crate::display::Display;
use crate::live::{Live, screen::Screen};
use crate::progress::TrainProgress;
use crate::{Outcome, interrupt, output};

pub(crate) fn run(args: TrainArgs) -> Result<Outcome> {
    let initial = args.from.as_deref().map(|path| TrainedAgent::load(path, SavedModel::Last)).transpose()?;
    let Resolved { config, name } = match &initial {
        Some(agent) => args.config.or_of(agent).resolve()?,
        None => args.config.resolve()?,
    };
    if args.tui {
        Screen::check("leave out --tui")?;
    }
    #[cfg(unix)]
    let _messages = args.tui.then(crate::live::messages::Capture::start);
    interrupt::listen();
    let mut builder = Trainer::builder(config).stop_flag(interrupt::stop_flag());
    if let Some(agent) = &initial {
        builder = builder.initial_model(agent.model.clone());
    }
    let mut trainer = builder.build()?;
    if interrupt::requested() {
        return Ok(Outcome::Interrupted);
    }
    let recorder = match args.record_every {
        None => None,
        Some(every_steps) => {
            let options = MakeOptions { rendering: true, stop: interrupt::stop_flag() };
            Some(EpisodeRecorder::new(every_steps, env::make_configured(&trainer.config().env, &options)?)?)
        }
    };
    let out = match &args.out {
        Some(out) => out.clone(),
        None => {
            let name = run::default_name(&trainer.config().env.id, &name);
            new_directory(&format!("{name}-seed{}", trainer.config().training.seed))?
        }
    };
    let mut writer = RunWriter::create(&out, args.force, trainer.config()).inspect_err(|_| {
        if args.out.is_none() {
            let _ = std::fs::remove_dir(&out);
        }
    })?;
    if let Some(agent) = &initial {
        // With the configuration, it repeats the run.
        agent.model.save(&out.join(run::INITIAL))?;
    }
    if args.tensorboard {
        writer.log_to_tensorboard(trainer.config())?;
    }
    if let Some(recorder) = recorder {
        writer.record_episodes(recorder);
    }
    if args.json {
        output::json(&json!({ "event": "start", "dir": out, "config": trainer.config() }));
    }

    let started = Instant::now();
    let mut shown = Shown::open(&args, &trainer, &out)?;
    let trained = train(&args, &mut trainer, &mut writer, &mut shown).and_then(|interrupted| {
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
        watch(&args, &trainer, &summary)?;
    } else {
        drop(shown);
    }
    if args.json {
        output::json(&json!({ "event": "finished", "dir": out, "summary": summary }));
    } else if args.quiet {
        output::quiet_result(summary.greedy_mean, &out);
    } else if interrupted {
        output::line(format!("interrupted: the agent and the results so far are in {}", out.display()));
    } else {
        print_result(&summary, &out);
    }
    Ok(if interrupt::requested() { Outcome::Interrupted } else { Outcome::Done })
}

/// Writes the results up to `error`, as far as possible.
fn stopped(error: anyhow::Error, writer: &mut RunWriter, trainer: &Trainer, started: Instant) -> anyhow::Error {
    let Some(failure) = error.downcast_ref::<Error>() else { return error };
    let dir = writer.dir().to_owned();
    let kept = writer.abandon(trainer, started.elapsed().as_secs_f64(), failure);
    let kept = kept.and_then(|_| if trainer.episodes() > 0 { run::draw(&dir) } else { Ok(()) });
    let dir = dir.display();
    error.context(match kept {
        Ok(()) => format!("training stopped; the results so far are in {dir}"),
        Err(second) => {
            format!("training stopped; some of the results could not be written ({second}), the others are in {dir}")
        }
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
