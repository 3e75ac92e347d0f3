//! Q-learning on a small grid world: with a table, and with a network by the library's DQN. The Q-values are drawn.
//!
//!     cargo run --release -p quarl --example grid_world -- .     # writes q_learning.png and function_approximation.png
//!
//! The agent starts at the lower left. Moving to +1 or -1 gives that reward and ends the episode. A move against the edge or
//! the wall leaves the agent where it is.

use std::path::Path;

use quarl::env::{End, EnvironmentSpec, Step, state};
use quarl::render::{Color, Scene, Shape, rasterize, write_png};
use quarl::rng::Rng;
use quarl::space::{BoxSpace, Discrete};
use quarl::{Environment, Error, TrainConfig, Trainer};

const COLUMNS: usize = 4;
const ROWS: usize = 3;
const CELLS: usize = COLUMNS * ROWS; // cell 0 is the upper left one, cell 11 the lower right one
const START: usize = 8;
const WALL: usize = 5;
const TERMINAL: [(usize, f64); 2] = [(3, 1.0), (7, -1.0)]; // cell and reward
const ACTIONS: [(isize, isize); 4] = [(0, -1), (1, 0), (0, 1), (-1, 0)]; // up, right, down, left

const ALPHA: f64 = 0.1; // step size
const GAMMA: f64 = 0.9; // discount factor
const EPSILON: f64 = 0.3; // probability of a random action

/// A Q-value for each cell and action.
type QTable = [[f64; 4]; CELLS];

struct GridWorld {
    spec: EnvironmentSpec,
    cell: usize,
}

impl GridWorld {
    fn new() -> Self {
        let spec = EnvironmentSpec {
            id: "GridWorld".to_owned(),
            observation_space: BoxSpace::vector(vec![-1.0; 2], vec![1.0; 2]),
            action_space: Discrete { n: ACTIONS.len() },
            max_episode_steps: None,
            reward_threshold: None,
            render_fps: 5,
            has_action_mask: false,
        };
        Self { spec, cell: TERMINAL[0].0 } // no episode runs before the first reset
    }
}

fn terminal_reward(cell: usize) -> Option<f64> {
    TERMINAL.into_iter().find(|(terminal, _)| *terminal == cell).map(|(_, reward)| reward)
}

/// The observation that a network gets: column and row of the cell, each scaled to -1 to 1.
fn observation(cell: usize) -> [f32; 2] {
    let scaled = |at: usize, count: usize| 2.0 * at as f32 / (count - 1) as f32 - 1.0;
    [scaled(cell % COLUMNS, COLUMNS), scaled(cell / COLUMNS, ROWS)]
}

impl Environment for GridWorld {
    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn reset(&mut self, _seed: Option<u64>, out: &mut [f32]) -> Result<(), Error> {
        self.spec.check_observation(out)?;
        self.cell = START;
        out.copy_from_slice(&observation(self.cell));
        Ok(())
    }

    fn step(&mut self, action: usize, out: &mut [f32]) -> Result<Step, Error> {
        if terminal_reward(self.cell).is_some() {
            return Err(Error::StepBeforeReset { id: self.spec.id.clone() });
        }
        self.spec.check_action(action)?;
        self.spec.check_observation(out)?;
        let column = (self.cell % COLUMNS).checked_add_signed(ACTIONS[action].0).filter(|column| *column < COLUMNS);
        let row = (self.cell / COLUMNS).checked_add_signed(ACTIONS[action].1).filter(|row| *row < ROWS);
        let next = row.zip(column).map(|(row, column)| row * COLUMNS + column);
        self.cell = next.filter(|cell| *cell != WALL).unwrap_or(self.cell);
        out.copy_from_slice(&observation(self.cell));
        let reward = terminal_reward(self.cell);
        Ok(Step { reward: reward.unwrap_or(0.0), end: reward.map(|_| End::Terminated) })
    }

    fn scene(&mut self) -> Result<Option<Scene>, Error> {
        Ok(None)
    }

    fn save_state(&self) -> Result<Vec<u8>, Error> {
        state::save(&self.spec.id, &self.cell)
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let cell = state::load(&self.spec.id, bytes)?;
        if cell >= CELLS {
            return Err(Error::State { what: self.spec.id.clone(), message: format!("there is no cell {cell}") });
        }
        self.cell = cell;
        Ok(())
    }
}

/// Tabular Q-learning.
fn q_learning(episodes: usize) -> Result<QTable, Error> {
    let (mut env, mut rng, mut out) = (GridWorld::new(), Rng::from_seed(0), [0.0; 2]);
    let mut q = [[0.0; 4]; CELLS];
    for _ in 0..episodes {
        env.reset(None, &mut out)?;
        loop {
            let state = env.cell;
            let action = if rng.uniform() < EPSILON { rng.below(4) } else { greedy(&q[state]) };
            let step = env.step(action, &mut out)?;
            let bootstrap = if step.end.is_some() { 0.0 } else { max(&q[env.cell]) };
            let td_error = step.reward + GAMMA * bootstrap - q[state][action];
            q[state][action] += ALPHA * td_error;
            if step.end.is_some() {
                break;
            }
        }
    }
    Ok(q)
}

fn max(q: &[f64; 4]) -> f64 {
    q.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn greedy(q: &[f64; 4]) -> usize {
    (1..4).fold(0, |best, action| if q[action] > q[best] { action } else { best })
}

/// The Q-values of every cell after the library's DQN has trained for this many environment steps.
fn dqn(steps: i64) -> Result<QTable, Error> {
    let config = TrainConfig::preset("dqn")
        .set("agent.gamma", GAMMA)
        .set("exploration.epsilon", EPSILON)
        .set("env.max_episode_steps", 100)
        .set("training.steps", steps)
        .set("network.hidden", vec![64, 64])
        .build()?;
    let mut trainer = Trainer::builder(config).environment(|_role| Ok(GridWorld::new())).build()?;
    trainer.try_for_each(|event| event.map(|_| ()))?;
    let mut policy = trainer.agent().policy()?;
    let mut q = [[0.0; 4]; CELLS];
    for (cell, row) in q.iter_mut().enumerate() {
        let q_values = policy.q_values(&observation(cell))?;
        *row = std::array::from_fn(|action| f64::from(q_values.get(0, action)));
    }
    Ok(q)
}

/// Draws tables side by side: in each cell a triangle for each action, and a dot at the greedy one.
fn draw(path: &Path, panels: &[(String, QTable)]) -> Result<(), Error> {
    const BLACK: Color = Color(30, 30, 30);
    let text = |center, size, words| Shape::Text { center, size, words, color: BLACK };
    let square = |(x, y): (f32, f32), r: f32| [(x - r, y + r), (x + r, y + r), (x + r, y - r), (x - r, y - r)];
    let filled = |points: &[(f32, f32)], color| Shape::Polygon { points: points.to_vec(), color };
    let mut shapes = Vec::new();
    for (panel, (title, q)) in panels.iter().enumerate() {
        let left = 4.3 * panel as f32 + 0.15;
        shapes.push(text((left + 2.0, 3.35), 0.26, title.clone()));
        for (cell, values) in q.iter().enumerate() {
            let center = (left + (cell % COLUMNS) as f32 + 0.5, (ROWS - cell / COLUMNS) as f32 - 0.35);
            let corners = square(center, 0.48);
            shapes.push(filled(&square(center, 0.5), Color(190, 190, 190)));
            if let Some(reward) = terminal_reward(cell) {
                shapes.push(filled(&corners, shade(reward)));
                shapes.push(text(center, 0.4, format!("{reward:+}")));
            } else if cell != WALL {
                for (action, value) in values.iter().enumerate() {
                    let (dx, dy) = (ACTIONS[action].0 as f32, -ACTIONS[action].1 as f32);
                    let towards = |distance| (center.0 + distance * dx, center.1 + distance * dy);
                    shapes.push(filled(&[center, corners[action], corners[(action + 1) % 4]], shade(*value)));
                    shapes.push(text(towards(0.31), 0.15, format!("{value:.2}")));
                    if action == greedy(values) {
                        shapes.push(Shape::Circle { center: towards(0.07), radius: 0.045, color: BLACK });
                    }
                }
            }
        }
    }
    let width = 4.3 * panels.len() as f32;
    let scene = Scene::Shapes { width, height: 3.6, background: Color(255, 255, 255), shapes };
    write_png(path, &rasterize(&scene, (width * 140.0) as u32, 504)?)
}

/// Red for -1, white for 0, green for 1.
fn shade(value: f64) -> Color {
    let fade = |to: f64| (255.0 - value.abs().min(1.0) * (255.0 - to)) as u8;
    if value < 0.0 { Color(fade(235.0), fade(110.0), fade(90.0)) } else { Color(fade(80.0), fade(185.0), fade(110.0)) }
}

fn learn_and_draw(directory: &Path) -> Result<[QTable; 2], Error> {
    let table = |episodes| Ok((format!("table after {episodes} episodes"), q_learning(episodes)?));
    let network = |steps| Ok((format!("network after {steps} steps"), dqn(steps)?));
    let tables: [(String, QTable); 3] = [table(10)?, table(100)?, table(5000)?];
    draw(&directory.join("q_learning.png"), &tables)?;
    let networks = [network(1000)?, network(20_000)?, tables[2].clone()];
    draw(&directory.join("function_approximation.png"), &networks)?;
    Ok([tables[2].1, networks[1].1])
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1).ok_or("usage: grid_world DIRECTORY")?;
    learn_and_draw(Path::new(&directory))?;
    Ok(())
}

#[test]
fn table_and_network_learn_the_discounted_returns() {
    quarl::env::check::check(&mut quarl::env::TimeLimit::new(GridWorld::new(), 100).unwrap()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    for (q, tolerance) in learn_and_draw(directory.path()).unwrap().iter().zip([1e-3, 0.05]) {
        // The shortest way from the start: up, up, right, right, right. Each step farther from +1 costs a factor of gamma.
        for (steps_after, (cell, action)) in [(2, 1), (1, 1), (0, 1), (4, 0), (8, 0)].into_iter().enumerate() {
            let expected = GAMMA.powi(steps_after as i32);
            assert!((q[cell][action] - expected).abs() < tolerance, "cell {cell}: {:?}", q[cell]);
            // From the start, the way along the bottom row is as short.
            assert!(cell == START || greedy(&q[cell]) == action, "cell {cell}: {:?}", q[cell]);
        }
    }
}
