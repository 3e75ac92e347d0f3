//! `quarl play`: a trained agent, acting greedily.

use std::path::{Path, PathBuf};

use anyhow::Result;
use quarl::Error;
use quarl::config::EnvConfig;
use quarl::env::{self, Environment, MakeOptions};
use quarl::evaluate::{GreedyEpisode, GreedyEpisodes, GreedyPolicy, GreedyStep, step_limit};
use quarl::model::Model;
use quarl::render::{Frame, GifWriter, Rasterizer, Scene, write_png};
use quarl::{run_dir, stats};

use crate::args::{PlayArgs, Render};
use crate::display::{Display, KeepGoing};
use crate::output::Usage;
use crate::{Outcome, interrupt, output};

/// How large a recording is: as large as Gymnasium draws.
const RECORD_SIZE: (u32, u32) = (600, 400);

pub(crate) fn run(args: PlayArgs) -> Result<Outcome> {
    let model = Model::load(&model_path(&args.run)?)?;
    let (env_config, max_episode_steps) = settings(&args.run, &model)?;
    let options = MakeOptions { rendering: true, stop: interrupt::stop_flag() };
    let mut env = env::make_configured(&args.gym.config(env_config)?, &options)?;
    let network = model.network(env.spec())?;
    let fps = args.fps.unwrap_or(f64::from(env.spec().render_fps));
    if !(0.01..=1000.0).contains(&fps) {
        return Err(Usage(format!("--fps {fps}: choose from 0.01 to 1000")).into());
    }
    let recorder = args.record.as_deref().map(|path| Recorder::create(path, fps)).transpose()?;
    let display = match args.render {
        Some(Render::Window) => Display::window(&model.env, fps)?,
        Some(Render::Terminal) => Display::terminal(fps)?,
        Some(Render::None) => Display::None,
        None if recorder.is_some() => Display::None,
        None => match Display::window(&model.env, fps) {
            Ok(window) => window,
            Err(_) if output::is_terminal() => Display::terminal(fps)?,
            Err(_) => Display::None,
        },
    };
    interrupt::listen();
    let limit = step_limit(max_episode_steps, env.spec());
    let episodes = GreedyEpisodes::new(env.spec(), args.seed, args.episodes, limit);
    let policy = GreedyPolicy::new(&network, &model.parameters).normalized(model.observation_statistics.as_ref());
    let returns = Show { display, recorder, episodes }.run(policy, &mut *env)?;
    for (episode, total_reward) in returns.iter().enumerate() {
        output::line(format!("episode {episode}: total reward {total_reward}"));
    }
    if returns.len() > 1 {
        let (mean, std) = (stats::mean(&returns), stats::sample_std(&returns));
        output::line(format!("{} episodes: mean {mean:.2}, standard deviation {std:.2}", returns.len()));
    }
    if let Some(path) = &args.record {
        output::line(format!("recorded in {}", path.display()));
    }
    Ok(if interrupt::requested() { Outcome::Interrupted } else { Outcome::Done })
}

/// The environment's settings and the step limit of greedy episodes: those of the run that the model lies in, if they are
/// for the model's environment.
fn settings(run: &Path, model: &Model) -> Result<(EnvConfig, Option<u32>), Error> {
    let dir = if run.is_dir() { run } else { run.parent().unwrap_or(Path::new("")) };
    if dir.join(run_dir::CONFIG).exists() {
        let config = run_dir::read_config(dir)?;
        if config.env.id == model.env {
            return Ok((config.env, config.evaluation.max_episode_steps));
        }
    }
    Ok((EnvConfig::named(&model.env), None))
}

/// The model file of a run, or the file itself.
fn model_path(run: &Path) -> Result<PathBuf, Error> {
    if !run.is_dir() {
        return Ok(run.to_owned());
    }
    let path = run.join(run_dir::MODEL);
    if path.exists() {
        return Ok(path);
    }
    let message = if run.join("runs").is_dir() {
        "an experiment: name one of its runs, such as runs/seed-0 in it"
    } else if run.join(run_dir::BEST).exists() {
        "the run is not finished; its best.safetensors can be played"
    } else {
        "no run: there is no model.safetensors in it"
    };
    Err(Error::File { path: run.to_owned(), message: message.to_owned() })
}

/// Greedy episodes shown on a display, recorded in a file, or played just for their returns.
pub(crate) struct Show {
    pub(crate) display: Display,
    pub(crate) recorder: Option<Recorder>,
    pub(crate) episodes: GreedyEpisodes,
}

impl Show {
    /// Plays until the last episode ends, the display is closed, or a signal comes; the returns of the whole episodes.
    pub(crate) fn run(mut self, mut policy: GreedyPolicy, env: &mut dyn Environment) -> Result<Vec<f64>> {
        let mut returns = Vec::new();
        let outcome = self.play(&mut policy, env, &mut returns);
        // A signal while the environment was working is no failure.
        if !matches!(&outcome, Err(error) if matches!(error.downcast_ref(), Some(Error::Stopped { .. }))) {
            outcome?;
        }
        if let Some(recorder) = self.recorder {
            recorder.finish()?;
        }
        Ok(returns)
    }

    fn play(&mut self, policy: &mut GreedyPolicy, env: &mut dyn Environment, returns: &mut Vec<f64>) -> Result<()> {
        while self.episodes.begin(env)? {
            if let Some((episode, step, total_reward)) = self.episodes.running() {
                let caption = format!("episode {episode}  step {step}  return {total_reward}");
                if self.show(env, &caption)? != KeepGoing::Yes {
                    return Ok(());
                }
            }
            let Some(GreedyStep { episode, ended: Some(ended), .. }) = self.episodes.step(policy, env)? else {
                continue;
            };
            let GreedyEpisode { total_reward, length, cut, .. } = ended;
            returns.push(total_reward);
            let go_on = self.show(env, &format!("episode {episode}  return {total_reward}"))?;
            if cut {
                output::warning(&format!(
                    "episode {episode} had not ended after {length} steps and was truncated there \
                     (evaluation.max_episode_steps)"
                ));
            }
            if go_on != KeepGoing::Yes {
                return Ok(());
            }
        }
        Ok(())
    }

    fn show(&mut self, env: &mut dyn Environment, caption: &str) -> Result<KeepGoing> {
        if interrupt::requested() {
            return Ok(KeepGoing::Interrupted);
        }
        if matches!(self.display, Display::None) && self.recorder.is_none() {
            return Ok(KeepGoing::Yes);
        }
        let Some(scene) = env.scene()? else { return Ok(KeepGoing::Yes) };
        if let Some(recorder) = &mut self.recorder {
            recorder.push(&scene)?;
        }
        let go_on = self.display.show(&scene, caption)?;
        if go_on == KeepGoing::Interrupted {
            interrupt::request();
        }
        Ok(go_on)
    }
}

/// What is seen, into a file.
pub(crate) struct Recorder {
    target: Target,
    rasterizer: Rasterizer,
    frame: Frame,
}

enum Target {
    /// Every picture.
    Gif(Box<GifWriter>),
    /// The last picture.
    Png(PathBuf),
}

impl Recorder {
    fn create(path: &Path, fps: f64) -> Result<Self> {
        let target = match path.extension().and_then(|extension| extension.to_str()) {
            Some("gif") => Target::Gif(Box::new(GifWriter::create(path, RECORD_SIZE, fps)?)),
            Some("png") => Target::Png(path.to_owned()),
            _ => return Err(Usage(format!("--record {}: name a .gif or .png file", path.display())).into()),
        };
        let frame = Frame::new(RECORD_SIZE.0, RECORD_SIZE.1)?;
        Ok(Self { target, rasterizer: Rasterizer::default(), frame })
    }

    fn push(&mut self, scene: &Scene) -> Result<()> {
        self.rasterizer.draw(scene, &mut self.frame)?;
        if let Target::Gif(gif) = &mut self.target {
            gif.push(&self.frame)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        match self.target {
            Target::Gif(gif) => gif.finish()?,
            Target::Png(path) => write_png(&path, &self.frame)?,
        }
        Ok(())
    }
}
