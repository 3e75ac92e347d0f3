//! Environments for testing engines.

use quarl::Error;
use quarl::env::{End, Environment, EnvironmentSpec, Step, state};
use quarl::render::Scene;
use quarl::rng::Rng;
use quarl::space::{BoxSpace, Discrete, Dtype};
use serde::{Deserialize, Serialize};

/// A point that drifts at random through four dimensions while the agent pushes it: each push earns how near it comes to the
/// middle. Episodes terminate at random, now and then; where there are masks, one action is forbidden half of the time.
pub(crate) struct Drift {
    spec: EnvironmentSpec,
    now: DriftState,
}

#[derive(Serialize, Deserialize)]
struct DriftState {
    rng: Rng,
    point: [f64; Drift::DIMENSIONS],
    mask: [bool; Drift::ACTIONS],
    running: bool,
}

impl Drift {
    const DIMENSIONS: usize = 4;
    const ACTIONS: usize = 3;

    pub(crate) fn new(has_action_mask: bool) -> Self {
        let spec = EnvironmentSpec {
            id: "Drift".to_owned(),
            observation_space: BoxSpace::vector(vec![-2.0; Self::DIMENSIONS], vec![2.0; Self::DIMENSIONS]),
            action_space: Discrete { n: Self::ACTIONS },
            max_episode_steps: None,
            reward_threshold: None,
            render_fps: 1,
            has_action_mask,
        };
        let now = DriftState { rng: Rng::from_seed(0), point: [0.0; 4], mask: [true; Self::ACTIONS], running: false };
        Self { spec, now }
    }

    /// What the agent sees; and a new mask.
    fn show(&mut self, observation: &mut [f32]) {
        let DriftState { rng, point, mask, .. } = &mut self.now;
        observation.iter_mut().zip(&*point).for_each(|(to, x)| *to = *x as f32);
        *mask = [true; Self::ACTIONS];
        if rng.uniform() < 0.5 {
            mask[rng.below(Self::ACTIONS)] = false;
        }
    }
}

impl Environment for Drift {
    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn reset(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), Error> {
        if let Some(seed) = seed {
            self.now.rng = Rng::from_seed(seed);
        }
        self.now.point = std::array::from_fn(|_| self.now.rng.uniform_in(-1.0, 1.0));
        self.now.running = true;
        self.show(observation);
        Ok(())
    }

    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, Error> {
        if !self.now.running {
            return Err(Error::StepBeforeReset { id: self.spec.id.clone() });
        }
        let DriftState { rng, point, running, .. } = &mut self.now;
        for (i, x) in point.iter_mut().enumerate() {
            let push = if i == action { -0.3 * x.signum() } else { 0.0 };
            *x = (*x + push + rng.uniform_in(-0.2, 0.2)).clamp(-2.0, 2.0);
        }
        let reward = 1.0 - point.iter().map(|x| x.abs()).sum::<f64>();
        *running = rng.uniform() > 0.1;
        let end = (!*running).then_some(End::Terminated);
        self.show(observation);
        Ok(Step { reward, end })
    }

    fn action_mask(&self) -> Option<&[bool]> {
        self.spec.has_action_mask.then_some(&self.now.mask)
    }

    fn scene(&mut self) -> Result<Option<Scene>, Error> {
        Ok(None)
    }

    fn save_state(&self) -> Result<Vec<u8>, Error> {
        state::save(&self.spec.id, &self.now)
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.now = state::load(&self.spec.id, bytes)?;
        Ok(())
    }
}

/// A film of small images in bytes, each known by its number: what an agent does changes nothing.
pub(crate) struct Film {
    spec: EnvironmentSpec,
    /// The number of the image that is shown.
    frame: usize,
}

impl Film {
    const PIXELS: usize = 12;
    /// How many images an episode shows after its first one.
    const FRAMES: usize = 20;

    /// Images of this shape, twelve pixels each.
    pub(crate) fn new(shape: &[usize]) -> Self {
        let spec = EnvironmentSpec {
            id: "Film".to_owned(),
            observation_space: BoxSpace {
                shape: shape.to_vec(),
                low: vec![0.0; Self::PIXELS],
                high: vec![255.0; Self::PIXELS],
                dtype: Dtype::U8,
            },
            action_space: Discrete { n: 2 },
            max_episode_steps: None,
            reward_threshold: None,
            render_fps: 1,
            has_action_mask: false,
        };
        Self { spec, frame: Self::FRAMES }
    }

    /// Image number `frame`; its first pixel tells which one it is.
    pub(crate) fn image(frame: usize) -> [u8; Self::PIXELS] {
        std::array::from_fn(|pixel| ((frame + 37 * pixel * (1 + frame)) % 256) as u8)
    }
}

impl Environment for Film {
    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn reset(&mut self, _: Option<u64>, observation: &mut [f32]) -> Result<(), Error> {
        self.frame = 0;
        observation.copy_from_slice(&Self::image(0).map(f32::from));
        Ok(())
    }

    fn step(&mut self, _: usize, observation: &mut [f32]) -> Result<Step, Error> {
        if self.frame == Self::FRAMES {
            return Err(Error::StepBeforeReset { id: self.spec.id.clone() });
        }
        self.frame += 1;
        observation.copy_from_slice(&Self::image(self.frame).map(f32::from));
        Ok(Step { reward: 1.0, end: (self.frame == Self::FRAMES).then_some(End::Terminated) })
    }

    fn scene(&mut self) -> Result<Option<Scene>, Error> {
        Ok(None)
    }

    fn save_state(&self) -> Result<Vec<u8>, Error> {
        state::save(&self.spec.id, &self.frame)
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.frame = state::load(&self.spec.id, bytes)?;
        Ok(())
    }
}
