//! Recordings of greedy episodes as GIFs.

use std::fs;
use std::path::Path;

use super::RECORDINGS;
use super::contents::{name, recording_steps, recordings};
use crate::env::Environment;
use crate::error::Error;
use crate::evaluate::{GreedyEpisode, GreedyEpisodes, step_limit};
use crate::policy::Policy;
use crate::render::pixels::draw_error;
use crate::render::{Frame, GifWriter, Rasterizer};
use crate::rng::Stream;
use crate::train::{Event, Trainer};

/// The size of a recording in pixels.
const SIZE: (u32, u32) = (300, 200);
/// The largest number of frames of a recording: half a minute at 50 frames per second.
const MOST_FRAMES: u64 = 1500;

/// Records a greedy episode of a run at an interval, from the same initial observation every time.
///
/// The episodes are played in an environment of their own, so that training is the same with and without recordings.
pub struct EpisodeRecorder {
    env: Box<dyn Environment>,
    every_steps: u64,
    /// The environment steps at the last recording.
    last: Option<u64>,
}

impl EpisodeRecorder {
    /// Records every `every_steps` environment steps and at the end of the run. The episodes are played in `env`.
    ///
    /// # Errors
    /// [`Error::Draw`] for an environment that cannot be drawn; those of resetting it.
    pub fn new(every_steps: u64, mut env: Box<dyn Environment>) -> Result<Self, Error> {
        let mut observation = vec![0.0; env.spec().observation_space.len()];
        env.reset(Some(0), &mut observation)?;
        if env.scene()?.is_none() {
            let message = "it cannot be drawn, so its episodes cannot be recorded".to_owned();
            return Err(draw_error(&env.spec().id, message));
        }
        Ok(Self { env, every_steps: every_steps.max(1), last: None })
    }

    /// The interval in environment steps.
    pub(super) fn every_steps(&self) -> u64 {
        self.every_steps
    }

    /// Records an episode into the run's directory if one is due.
    pub(super) fn record(&mut self, event: &Event, trainer: &Trainer, run: &Path) -> Result<(), Error> {
        match event {
            // At the next step, because the updates of a step follow its event. The first recording shows the untrained agent.
            Event::Step { env_steps, .. } if (env_steps - 1).is_multiple_of(self.every_steps) => {
                self.episode(env_steps - 1, trainer, run)
            }
            Event::Evaluation(evaluation) if evaluation.closing => self.episode(evaluation.env_steps, trainer, run),
            _ => Ok(()),
        }
    }

    fn episode(&mut self, env_steps: u64, trainer: &Trainer, run: &Path) -> Result<(), Error> {
        if self.last == Some(env_steps) {
            return Ok(());
        }
        self.last = Some(env_steps);
        let dir = run.join(RECORDINGS);
        fs::create_dir_all(&dir).map_err(Error::io("create", &dir))?;
        let path = dir.join(file_name(env_steps));
        let limit = step_limit(trainer.config().evaluation.max_episode_steps, self.env.spec());
        let seed = Stream::Evaluation.seed(trainer.config().training.seed);
        record_greedy_episode(&mut trainer.agent().policy()?, &mut *self.env, seed, limit, &path)?;
        Ok(())
    }
}

/// Removes the recordings of a run that a run resumed after `env_steps` environment steps makes again.
pub(super) fn cut(run: &Path, env_steps: u64) -> Result<(), Error> {
    for path in recordings(run).unwrap_or_default() {
        if recording_steps(&name(&path)).is_none_or(|steps| steps >= env_steps) {
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}

/// The name of the recording after `env_steps` environment steps. Names sort by time.
fn file_name(env_steps: u64) -> String {
    format!("step-{env_steps:09}.gif")
}

/// Records a greedy episode as a GIF of 300 by 200 pixels, at the speed of the environment. A film of more than 1500 frames is
/// cut.
///
/// # Errors
/// Those of the environment and of [`GifWriter`].
pub fn record_greedy_episode(
    policy: &mut Policy,
    env: &mut dyn Environment,
    seed: u64,
    max_episode_steps: u32,
    path: &Path,
) -> Result<Option<GreedyEpisode>, Error> {
    let fps = f64::from(env.spec().render_fps).clamp(1.0, 1000.0);
    let mut film = GifWriter::create(path, SIZE, fps)?;
    let (mut rasterizer, mut frame) = (Rasterizer::default(), Frame::new(SIZE.0, SIZE.1)?);
    let mut episodes = GreedyEpisodes::new(env.spec(), seed, 1, max_episode_steps);
    let mut ended = None;
    for _ in 0..MOST_FRAMES {
        if ended.is_some() || !episodes.begin(env)? {
            break;
        }
        let mut draw = |env: &mut dyn Environment| -> Result<(), Error> {
            if let Some(scene) = env.scene()? {
                rasterizer.draw(&scene, &mut frame)?;
                film.push(&frame)?;
            }
            Ok(())
        };
        draw(env)?;
        ended = episodes.step(policy, env)?.and_then(|step| step.ended);
        if ended.is_some() {
            draw(env)?;
        }
    }
    film.finish()?;
    Ok(ended)
}
