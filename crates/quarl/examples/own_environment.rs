//! A custom environment, checked and trained on: the agent walks along a corridor to a treasure, within 40 steps of lamp
//! light.
//!
//!     cargo run -p quarl --example own_environment

use quarl::env::check::check;
use quarl::env::{End, EnvironmentSpec, Step, TimeLimit, state};
use quarl::evaluate::GreedyEpisodes;
use quarl::render::terminal::{TextStyle, scene_text};
use quarl::render::{Color, Scene, Shape};
use quarl::rng::Rng;
use quarl::space::{BoxSpace, Discrete};
use quarl::train::Evaluation;
use quarl::{Environment, Error, Event, Policy, TrainConfig, Trainer};
use serde::{Deserialize, Serialize};

/// How many rooms the corridor has.
const ROOMS: usize = 8;

/// Everything that changes, which is what is saved.
#[derive(Serialize, Deserialize)]
struct Walk {
    rng: Rng,
    room: usize,
    running: bool,
}

struct Corridor {
    spec: EnvironmentSpec,
    walk: Walk,
}

impl Corridor {
    fn new() -> Self {
        let spec = EnvironmentSpec {
            id: "Corridor".to_owned(),
            observation_space: BoxSpace::vector(vec![0.0], vec![1.0]),
            action_space: Discrete { n: 2 },
            max_episode_steps: None,
            reward_threshold: Some(0.9),
            render_fps: 10,
            has_action_mask: false,
        };
        Self { spec, walk: Walk { rng: Rng::from_seed(0), room: 0, running: false } }
    }

    fn see(&self, observation: &mut [f32]) {
        observation[0] = self.walk.room as f32 / (ROOMS - 1) as f32;
    }
}

impl Environment for Corridor {
    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn reset(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), Error> {
        self.spec.check_observation(observation)?;
        if let Some(seed) = seed {
            self.walk.rng = Rng::from_seed(seed);
        }
        self.walk.room = self.walk.rng.below(ROOMS - 1);
        self.walk.running = true;
        self.see(observation);
        Ok(())
    }

    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, Error> {
        if !self.walk.running {
            return Err(Error::StepBeforeReset { id: self.spec.id.clone() });
        }
        self.spec.check_action(action)?;
        self.spec.check_observation(observation)?;
        self.walk.room = if action == 1 { self.walk.room + 1 } else { self.walk.room.saturating_sub(1) };
        self.see(observation);
        let found = self.walk.room == ROOMS - 1;
        self.walk.running = !found;
        Ok(Step { reward: f64::from(u8::from(found)), end: found.then_some(End::Terminated) })
    }

    fn scene(&mut self) -> Result<Option<Scene>, Error> {
        let room = |room: usize| room as f32 + 0.5;
        let circle = |at: usize, color| Shape::Circle { center: (room(at), 0.5), radius: 0.4, color };
        let shapes = vec![circle(ROOMS - 1, Color(210, 160, 0)), circle(self.walk.room, Color(0, 110, 180))];
        Ok(Some(Scene::Shapes { width: ROOMS as f32, height: 1.0, background: Color(255, 255, 255), shapes }))
    }

    fn save_state(&self) -> Result<Vec<u8>, Error> {
        state::save(&self.spec.id, &self.walk)
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let walk: Walk = state::load(&self.spec.id, bytes)?;
        if walk.room >= ROOMS {
            let message = format!("there is no room {}", walk.room);
            return Err(Error::State { what: self.spec.id.clone(), message });
        }
        self.walk = walk;
        Ok(())
    }
}

/// One greedy episode in the terminal.
fn play(policy: &mut Policy, env: &mut Corridor) -> Result<(), Error> {
    let style = TextStyle::detect(|name| std::env::var(name).ok());
    let mut episode = GreedyEpisodes::new(env.spec(), 0, 1, 40);
    let show = |env: &mut Corridor| -> Result<(), Error> {
        if let Some(scene) = env.scene()? {
            println!("{}", scene_text(&scene, 64, 4, style)?);
        }
        Ok(())
    };
    while episode.begin(env)? {
        show(env)?;
        episode.step(policy, env)?;
    }
    show(env)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    check(&mut TimeLimit::new(Corridor::new(), 40)?)?;
    println!("the corridor keeps an environment's promises");

    let config = TrainConfig::preset("dqn").set("training.steps", 5000).build()?;
    let corridor = |_role| TimeLimit::new(Corridor::new(), 40);
    let mut trainer = Trainer::builder(config).environment(corridor).build()?;
    let mut last = 0.0;
    for event in &mut trainer {
        if let Event::Evaluation(Evaluation { env_steps, mean_return, .. }) = event? {
            println!("{env_steps} steps: mean greedy return {mean_return}");
            last = mean_return;
        }
    }
    if last < 0.9 {
        return Err("the agent has not learnt to find the treasure".into());
    }
    play(&mut trainer.agent().policy()?, &mut Corridor::new())?;
    Ok(())
}

#[test]
fn the_example_keeps_an_environments_promises_and_is_solved() {
    main().unwrap();
}
