//! Plays greedy episodes in a thread of its own, one after the other, at the environment's own speed.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use quarl::config::{EnvConfig, StepLimit};
use quarl::env::{self, MakeOptions};
use quarl::evaluate::{GreedyEpisodes, GreedyStep, step_limit};
use quarl::policy::Policy;
use quarl::render::Scene;
use quarl::{Error, StopFlag};

use super::screen::give_way;
use crate::progress::number;

/// The delay between two looks at whether there is anything to do.
const IDLE: Duration = Duration::from_millis(50);

/// How long the end of an episode is shown.
const AFTER_EPISODE: Duration = Duration::from_millis(700);

/// What is played, and how.
pub(crate) struct Play {
    pub(crate) env: EnvConfig,
    /// The seed of the first episode's reset.
    pub(crate) seed: u64,
    /// The step limit of the episodes.
    pub(crate) limit: StepLimit,
    /// Returns the latest network, at the beginning of each episode; `None` to play the same one again.
    pub(crate) policy: Box<dyn FnMut() -> Option<Policy> + Send>,
}

/// The player: a thread, and the picture that it shows.
pub(crate) struct Player {
    shared: Arc<Shared>,
    stop: StopFlag,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    wanted: Mutex<bool>,
    picture: Mutex<Option<Arc<Picture>>>,
}

/// A picture of the environment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Picture {
    Scene {
        scene: Scene,
        caption: String,
    },
    /// The reason why there is no scene.
    Message(String),
}

impl Picture {
    pub(crate) fn new(scene: Option<Scene>, caption: String) -> Self {
        match scene {
            Some(scene) => Self::Scene { scene, caption },
            None => Self::Message(format!("This environment cannot be drawn.\n{caption}")),
        }
    }
}

impl Player {
    /// Starts the thread, which waits until it is [wanted](Self::want).
    pub(crate) fn start(play: Play) -> std::io::Result<Self> {
        let (shared, stop) = (Arc::<Shared>::default(), crate::interrupt::stop_flag().child());
        let (here, flag) = (shared.clone(), stop.clone());
        let thread = std::thread::Builder::new().name("player".to_owned()).spawn(move || {
            give_way();
            if let Err(error) = here.play(play, &flag) {
                here.show(Picture::Message(format!("The environment cannot be shown: {error}")));
            }
        })?;
        Ok(Self { shared, stop, thread: Some(thread) })
    }

    /// Sets whether to play; otherwise the thread waits.
    pub(crate) fn want(&self, wanted: bool) {
        *self.shared.wanted.lock().unwrap_or_else(PoisonError::into_inner) = wanted;
    }

    /// The latest picture.
    pub(crate) fn picture(&self) -> Option<Arc<Picture>> {
        self.shared.picture.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.stop.request();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn show(&self, picture: Picture) {
        *self.picture.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(picture));
    }

    /// Waits until `due`, and as long as playing is not wanted. Returns false once the player is to stop.
    fn wait(&self, due: Instant, stop: &StopFlag) -> bool {
        while !stop.is_requested() {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() && *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) {
                return true;
            }
            std::thread::sleep(if left.is_zero() { IDLE } else { left.min(IDLE) });
        }
        false
    }

    fn play(&self, mut play: Play, stop: &StopFlag) -> Result<(), Error> {
        if !self.wait(Instant::now(), stop) {
            return Ok(());
        }
        let mut env = env::make_configured(&play.env, &MakeOptions { rendering: true, stop: stop.clone() })?;
        let interval = Duration::from_secs_f64(1.0 / f64::from(env.spec().render_fps).clamp(1.0, 60.0));
        let limit = step_limit(play.limit, env.spec());
        let mut episodes = GreedyEpisodes::new(env.spec(), play.seed, u64::MAX, limit);
        let mut policy = None;
        let mut due = Instant::now();
        while self.wait(due, stop) {
            if episodes.running().is_none() {
                policy = (play.policy)().or(policy);
            }
            let Some(policy) = &mut policy else {
                due = Instant::now() + IDLE;
                continue;
            };
            let now = Instant::now();
            let Some(GreedyStep { ended, .. }) = episodes.step(policy, &mut *env)? else { return Ok(()) };
            let caption = match (ended, episodes.running()) {
                (Some(ended), _) => format!("return {}", number(ended.total_reward)),
                (None, Some((_, step, so_far))) => format!("step {step}  return {}", number(so_far)),
                (None, None) => String::new(),
            };
            self.show(Picture::new(env.scene()?, caption));
            due = now + if ended.is_some() { AFTER_EPISODE } else { interval };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarl::TrainConfig;
    use quarl::train::Trainer;

    fn policy() -> Policy {
        let config = TrainConfig::preset("textbook").set("network.hidden", vec![8_i64]).build().unwrap();
        Trainer::new(config).unwrap().agent().policy().unwrap()
    }

    fn play(id: &str) -> Play {
        let mut policies = vec![policy()];
        Play {
            env: EnvConfig::named(id),
            seed: 0,
            limit: StepLimit::Environment,
            policy: Box::new(move || policies.pop()),
        }
    }

    fn wait_for(player: &Player, found: impl Fn(&Picture) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !player.picture().is_some_and(|picture| found(&picture)) {
            assert!(Instant::now() < deadline, "{:?}", player.picture());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn episodes_follow_each_other_while_they_are_wanted() {
        let player = Player::start(play("CartPole-v0")).unwrap();
        std::thread::sleep(Duration::from_millis(150));
        assert_eq!(player.picture(), None, "nothing is played before it is wanted");
        player.want(true);
        let caption = |picture: &Picture, start: &str| matches!(picture, Picture::Scene { caption, .. } if caption.starts_with(start));
        wait_for(&player, |picture| caption(picture, "return "));
        // The only network is played again.
        wait_for(&player, |picture| caption(picture, "step "));
        player.want(false);
        std::thread::sleep(Duration::from_millis(200));
        let shown = player.picture();
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(player.picture(), shown);
    }

    #[test]
    fn an_error_of_the_environment_is_shown() {
        let player = Player::start(play("Nowhere-v0")).unwrap();
        player.want(true);
        wait_for(&player, |picture| matches!(picture, Picture::Message(text) if text.contains("Nowhere-v0")));
    }
}
