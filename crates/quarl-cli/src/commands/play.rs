//! `quarl play`: lets a trained agent act greedily.

use std::path::{Path, PathBuf};

use anyhow::Result;
use quarl::Error;
use quarl::env::{Environment, MakeOptions};
use quarl::evaluate::{GreedyEpisode, GreedyEpisodes, GreedyStep};
use quarl::policy::Policy;
use quarl::render::{Frame, GifWriter, Rasterizer, Scene, write_png};
use quarl::stats;
use quarl::trained::{SavedModel, TrainedAgent};
use serde_json::json;

use crate::args::{PlayArgs, Render};
use crate::display::{Display, KeepGoing};
use crate::output::Usage;
use crate::{Outcome, interrupt, output};

/// The size of recordings in pixels, as in Gymnasium.
const RECORD_SIZE: (u32, u32) = (600, 400);

pub(crate) fn run(args: PlayArgs) -> Result<Outcome> {
    interrupt::listen();
    let mut agent = TrainedAgent::load(&args.run, SavedModel::Last)?;
    args.trust.check(&agent.env, &args.run)?;
    agent.env = args.gym.config(agent.env)?;
    let options = MakeOptions { rendering: true, stop: interrupt::stop_flag() };
    let mut env = agent.make_environment(&options)?;
    let (policy, episodes) = agent.greedy(env.spec(), args.seed, args.episodes)?;
    let fps = args.fps.unwrap_or(f64::from(env.spec().render_fps).clamp(1.0, 1000.0));
    if args.json && args.render == Some(Render::Terminal) {
        return Err(
            Usage("--json with --render terminal: both write to standard output; leave one out".to_owned()).into()
        );
    }
    let recorder = args.record.as_deref().map(|path| Recorder::create(path, fps)).transpose()?;
    let display = match args.render {
        Some(Render::Window) => Display::window(&agent.model.env, fps)?,
        Some(Render::Terminal) => Display::terminal(fps)?,
        Some(Render::None) => Display::None,
        None if recorder.is_some() || args.json => Display::None,
        None => match Display::window(&agent.model.env, fps) {
            Ok(window) => window,
            Err(_) if output::is_capable_terminal() => Display::terminal(fps)?,
            Err(_) => Display::None,
        },
    };
    let played = Show { display, recorder, episodes }.run(policy, &mut *env)?;
    let returns: Vec<f64> = played.iter().map(|episode| episode.total_reward).collect();
    let (mean, std) = (stats::mean(&returns), stats::sample_std(&returns));
    if args.json {
        for (episode, GreedyEpisode { total_reward, length, .. }) in played.iter().enumerate() {
            let event = json!({ "event": "episode", "episode": episode, "return": total_reward, "length": length });
            output::json(&event);
        }
        let [mean, std] = [mean, std].map(|value| value.is_finite().then_some(value));
        output::json(&json!({
            "event": "finished", "model": agent.path, "env": agent.model.env, "seed": args.seed, "episodes": returns.len(),
            "mean_return": mean, "std_return": std, "recorded": args.record, "interrupted": interrupt::requested(),
        }));
    } else {
        for (episode, total_reward) in returns.iter().enumerate() {
            output::line(format!("episode {episode}: return {total_reward}"));
        }
        if returns.len() > 1 {
            let episodes = returns.len();
            output::line(format!("{episodes} episodes: mean return {mean:.2}, standard deviation {std:.2}"));
        }
        if let Some(path) = &args.record {
            output::line(format!("recorded in {}", path.display()));
        }
    }
    Ok(if interrupt::requested() { Outcome::Interrupted } else { Outcome::Done })
}

/// Greedy episodes that are displayed, recorded in a file, or both.
pub(crate) struct Show {
    pub(crate) display: Display,
    pub(crate) recorder: Option<Recorder>,
    pub(crate) episodes: GreedyEpisodes,
}

impl Show {
    /// Plays until the last episode ends, the display is closed, or a signal arrives. Returns the finished episodes.
    pub(crate) fn run(mut self, mut policy: Policy, env: &mut dyn Environment) -> Result<Vec<GreedyEpisode>> {
        let mut played = Vec::new();
        let outcome = self.play(&mut policy, env, &mut played);
        // A signal while the environment was working is not a failure.
        if !matches!(&outcome, Err(error) if matches!(error.downcast_ref(), Some(Error::Stopped { .. }))) {
            outcome?;
        }
        if let Some(recorder) = self.recorder {
            recorder.finish()?;
        }
        Ok(played)
    }

    fn play(&mut self, policy: &mut Policy, env: &mut dyn Environment, played: &mut Vec<GreedyEpisode>) -> Result<()> {
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
            played.push(ended);
            let go_on = self.show(env, &format!("episode {episode}  return {total_reward}"))?;
            if cut {
                output::warning(&format!(
                    "episode {episode} did not end within {length} steps and was truncated (evaluation.max_episode_steps)"
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

/// Records scenes in a file.
pub(crate) struct Recorder {
    target: Target,
    rasterizer: Rasterizer,
    frame: Frame,
}

enum Target {
    /// Every frame.
    Gif(Box<GifWriter>),
    /// The last frame.
    Png(PathBuf),
}

impl Recorder {
    fn create(path: &Path, fps: f64) -> Result<Self> {
        let target = match path.extension().and_then(|extension| extension.to_str()) {
            Some("gif") => Target::Gif(Box::new(GifWriter::create(path, RECORD_SIZE, fps)?)),
            Some("png") => Target::Png(path.to_owned()),
            _ => {
                return Err(
                    Usage(format!("--record {}: the file name has to end with .gif or .png", path.display())).into()
                );
            }
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
