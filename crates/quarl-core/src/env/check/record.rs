//! Plays an environment, checks everything that it returns, and records it for comparison with another episode.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Findings, MAX_STEPS, Promise, scene_error};
use crate::env::{End, Environment, EnvironmentSpec};
use crate::error::Error;
use crate::exploration::random;
use crate::rng::Rng;
use crate::space::Dtype;

/// A NaN that no computation produces: a number that still has these bits was not written.
const UNWRITTEN: u32 = 0x7fc5_eed5;

/// The result of one call. The observation is kept as a hash of its bits, because images are large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment {
    /// The number of steps since the reset.
    step: u32,
    observation: u64,
    reward: u64,
    end: Option<End>,
}

/// The results of a series of calls.
#[derive(Default)]
pub(super) struct Record(Vec<Moment>);

impl Record {
    /// The first difference between two records, if there is one.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let (a, b) = match self.0.iter().zip(&other.0).find(|(a, b)| a != b) {
            Some(pair) => pair,
            None if self.0.len() == other.0.len() => return None,
            None => return Some(format!("{} calls against {}", self.0.len(), other.0.len())),
        };
        let what = if a.end != b.end || a.step != b.step {
            "the ending"
        } else if a.reward != b.reward {
            "the reward"
        } else {
            "the observation"
        };
        Some(if a.step == 0 {
            format!("{what} after a reset differs")
        } else {
            format!("{what} of step {} differs", a.step)
        })
    }

    pub(super) fn has_different_observations(&self) -> bool {
        self.0.windows(2).any(|pair| pair[0].observation != pair[1].observation)
    }

    /// Whether an episode ended before the first reset in this record.
    pub(super) fn first_episode_ended(&self) -> bool {
        self.0.iter().take_while(|moment| moment.step > 0).any(|moment| moment.end.is_some())
    }
}

pub(super) struct Player<'a> {
    pub(super) env: &'a mut dyn Environment,
    pub(super) findings: &'a mut Findings,
    spec: EnvironmentSpec,
    observation: Vec<f32>,
    actions: Rng,
    steps: u32,
    /// Whether steps are announced before they are taken.
    announces: bool,
}

impl<'a> Player<'a> {
    pub(super) fn new(env: &'a mut dyn Environment, spec: EnvironmentSpec, findings: &'a mut Findings) -> Self {
        let observation = vec![0.0; spec.observation_space.len()];
        Self { env, findings, spec, observation, actions: Rng::from_seed(0), steps: 0, announces: false }
    }

    /// Restarts the sequence of random actions.
    pub(super) fn choose_actions_anew(&mut self) {
        self.actions = Rng::from_seed(0);
    }

    pub(super) fn reset(&mut self, seed: Option<u64>, record: &mut Record) -> Result<(), Error> {
        self.observation.fill(f32::from_bits(UNWRITTEN));
        self.env.reset(seed, &mut self.observation)?;
        self.steps = 0;
        self.look("reset");
        self.look_at_scene()?;
        record.0.push(self.moment(0.0, None));
        Ok(())
    }

    /// Sets whether steps are announced from now on; a scene is drawn after every third announcement.
    pub(super) fn announce(&mut self, announces: bool) {
        self.announces = announces;
    }

    /// Announces a random action without taking it.
    pub(super) fn begin(&mut self) -> Result<(), Error> {
        let action = self.action();
        self.env.begin_step(action)
    }

    fn action(&mut self) -> usize {
        random(self.spec.action_space.n, self.env.action_mask(), &mut self.actions)
    }

    /// Takes one random action. Returns whether the episode is over, or has reached [`MAX_STEPS`](super::MAX_STEPS).
    pub(super) fn step(&mut self, record: &mut Record) -> Result<bool, Error> {
        let action = self.action();
        if self.announces {
            self.env.begin_step(action)?;
            if self.steps.is_multiple_of(3) {
                self.look_at_scene()?;
            }
        }
        self.observation.fill(f32::from_bits(UNWRITTEN));
        let step = self.env.step(action, &mut self.observation)?;
        self.steps += 1;
        self.look("step");
        self.findings.expect(step.reward.is_finite(), Promise::RewardsAreFinite, || format!("{}", step.reward));
        record.0.push(self.moment(step.reward, step.end));

        let limit = self.spec.max_episode_steps.unwrap_or(u32::MAX);
        if step.end.is_some() {
            self.look_at_scene()?;
            self.step_must_be_refused("after the end of an episode");
        } else if self.steps >= limit {
            self.findings.record(Promise::EpisodesEndInTime, || format!("step {} ended nothing", self.steps));
        }
        Ok(step.end.is_some() || self.steps >= limit.min(MAX_STEPS))
    }

    /// Plays the current episode to its end.
    pub(super) fn play_on(&mut self, record: &mut Record) -> Result<(), Error> {
        while !self.step(record)? {}
        Ok(())
    }

    /// The number of steps since the last reset.
    pub(super) fn steps(&self) -> u32 {
        self.steps
    }

    /// Restores a state that was saved after `steps` steps of an episode.
    pub(super) fn load(&mut self, state: &[u8], steps: u32) -> Result<(), Error> {
        self.env.load_state(state)?;
        self.steps = steps;
        Ok(())
    }

    pub(super) fn step_must_be_refused(&mut self, when: &str) {
        let result = self.env.step(0, &mut self.observation);
        let refused = matches!(result, Err(Error::StepBeforeReset { .. }));
        self.findings.expect(refused, Promise::StepsNeedARunningEpisode, || format!("{when}, a step gave {result:?}"));
    }

    /// Makes calls that must be refused while an episode is running. Returns whether all were refused, with any error.
    pub(super) fn misuse(&mut self) -> bool {
        let mut all_refused = true;
        for action in [self.spec.action_space.n, usize::MAX] {
            let result = self.env.step(action, &mut self.observation);
            let refused = matches!(result, Err(Error::InvalidAction { .. }));
            self.findings
                .expect(refused, Promise::InvalidActionsAreRefused, || format!("action {action} gave {result:?}"));
            all_refused &= result.is_err();
        }
        let length = self.observation.len();
        for wrong in [length - 1, length + 1] {
            let mut slice = vec![0.0; wrong];
            let results = [self.env.reset(None, &mut slice), self.env.step(0, &mut slice).map(|_| ())];
            for (call, result) in ["reset", "step"].into_iter().zip(results) {
                let refused = matches!(result, Err(Error::ObservationLength { .. }));
                self.findings.expect(refused, Promise::WrongLengthsAreRefused, || {
                    format!("a {call} into a slice of {wrong} instead of {length} gave {result:?}")
                });
                all_refused &= result.is_err();
            }
        }
        all_refused
    }

    fn look(&mut self, call: &str) {
        let mask = self.env.action_mask();
        let fits = mask.map(|mask| mask.len()) == self.spec.has_action_mask.then_some(self.spec.action_space.n);
        self.findings.expect(fits, Promise::MasksFitTheActions, || format!("after a {call} the mask is {mask:?}"));
        let (space, observation, steps) = (&self.spec.observation_space, &self.observation, self.steps);
        if let Some(i) = observation.iter().position(|x| x.to_bits() == UNWRITTEN) {
            self.findings
                .record(Promise::ObservationsAreWhole, || format!("{call} did not write number {i} (step {steps})"));
            return;
        }
        let outside = (0..observation.len()).find(|&i| {
            let x = observation[i];
            let is_byte = || x.fract() == 0.0 && (0.0..=255.0).contains(&x);
            !(space.low[i] <= x && x <= space.high[i]) || (space.dtype == Dtype::U8 && !is_byte())
        });
        if let Some(i) = outside {
            self.findings.record(Promise::ObservationsLieInTheSpace, || {
                format!(
                    "number {i} is {} after step {steps}, its bounds are {} and {}",
                    observation[i], space.low[i], space.high[i]
                )
            });
        }
    }

    fn look_at_scene(&mut self) -> Result<(), Error> {
        let scene_error = self.env.scene()?.as_ref().and_then(scene_error);
        if let Some(scene_error) = scene_error {
            self.findings.record(Promise::ScenesCanBeDrawn, || scene_error);
        }
        Ok(())
    }

    fn moment(&self, reward: f64, end: Option<End>) -> Moment {
        let mut hasher = DefaultHasher::new();
        for x in &self.observation {
            x.to_bits().hash(&mut hasher);
        }
        Moment { step: self.steps, observation: hasher.finish(), reward: reward.to_bits(), end }
    }
}
