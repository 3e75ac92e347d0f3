//! Experiments and evaluation on custom environments.
#![cfg(all(feature = "files", feature = "plot"))]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use quarl::Error;
use quarl::config::TrainConfig;
use quarl::env::{End, Environment, EnvironmentSpec, Step, TimeLimit, state};
use quarl::experiment::{Experiment, ExperimentEvent, Plan, outcomes};
use quarl::render::Scene;
use quarl::run::{self, Status};
use quarl::space::{BoxSpace, Discrete};
use quarl::train::Trainer;
use quarl::trained::{SavedModel, TrainedAgent};

/// A corridor: walking right three times earns 1.
struct Corridor {
    spec: EnvironmentSpec,
    room: u8,
    running: bool,
}

impl Corridor {
    fn new() -> Self {
        let spec = EnvironmentSpec {
            id: "Corridor".to_owned(),
            observation_space: BoxSpace::vector(vec![0.0], vec![3.0]),
            action_space: Discrete { n: 2 },
            max_episode_steps: None,
            reward_threshold: Some(0.5),
            render_fps: 1,
            has_action_mask: false,
        };
        Self { spec, room: 0, running: false }
    }
}

impl Environment for Corridor {
    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn reset(&mut self, _: Option<u64>, observation: &mut [f32]) -> Result<(), Error> {
        self.spec.check_observation(observation)?;
        (self.room, self.running) = (0, true);
        observation[0] = 0.0;
        Ok(())
    }

    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, Error> {
        if !self.running {
            return Err(Error::StepBeforeReset { id: self.spec.id.clone() });
        }
        self.spec.check_action(action)?;
        self.spec.check_observation(observation)?;
        self.room = if action == 1 { self.room + 1 } else { 0 };
        self.running = self.room < 3;
        observation[0] = f32::from(self.room);
        let end = (!self.running).then_some(End::Terminated);
        Ok(Step { reward: f64::from(u8::from(end.is_some())), end })
    }

    fn scene(&mut self) -> Result<Option<Scene>, Error> {
        Ok(None)
    }

    fn save_state(&self) -> Result<Vec<u8>, Error> {
        state::save(&self.spec.id, &(self.room, self.running))
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), Error> {
        (self.room, self.running) = state::load(&self.spec.id, bytes)?;
        Ok(())
    }
}

fn corridor() -> Result<TimeLimit<Corridor>, Error> {
    TimeLimit::new(Corridor::new(), 12)
}

fn config() -> TrainConfig {
    let keys = ["network.hidden=[8]", "training.steps=300", "training.num_envs=2", "env.frame_stack=2"];
    let builder = TrainConfig::preset("dqn").assign_all(keys).set("training.learning_starts", 50);
    builder.set("evaluation.episodes", 2).build().unwrap()
}

fn plan(out: &Path, made: &Arc<AtomicUsize>) -> Plan {
    let made = made.clone();
    Plan::new(config(), out).jobs(2).environment(move |_| {
        made.fetch_add(1, Ordering::Relaxed);
        corridor()
    })
}

/// Runs what is missing; how many runs were finished.
fn finish(experiment: &Experiment) -> usize {
    let events: Vec<_> = experiment.start().unwrap().map(Result::unwrap).collect();
    let failed = |event: &&ExperimentEvent| matches!(event, ExperimentEvent::Failed { .. });
    assert_eq!(events.iter().find(failed).map(|event| format!("{event:?}")), None);
    events.iter().filter(|event| matches!(event, ExperimentEvent::Finished { .. })).count()
}

#[test]
fn an_experiment_of_ones_own_environments_trains_continues_and_is_drawn() {
    let here = tempfile::tempdir().unwrap();
    let out = here.path().join("corridor");
    let made = Arc::new(AtomicUsize::new(0));
    let first = plan(&out, &made).runs(2).open().unwrap();
    assert_eq!((first.config().env.id.as_str(), first.missing()), ("Corridor", &[0, 1][..]));
    assert_eq!(finish(&first), 2);
    assert_eq!(
        made.load(Ordering::Relaxed),
        1 + 2 * 3,
        "one to look at; two to train in and one to evaluate in each run"
    );

    let more = plan(&out, &made).runs(4).open().unwrap();
    assert_eq!(more.missing(), [2, 3]);
    assert_eq!(finish(&more), 2);
    let (rows, summary) = more.aggregate().unwrap();
    assert_eq!((summary.env.as_str(), summary.runs, summary.completed), ("Corridor", 4, 4));
    assert_eq!((summary.threshold, rows[0].n), (Some(0.5), 4));
    for file in ["mean.csv", "greedy.csv", "summary.json", "curve.svg", "curve.png", "config.toml"] {
        assert!(out.join(file).is_file(), "{file}");
    }
    assert!(std::fs::read_to_string(out.join("curve.svg")).unwrap().contains("Corridor, 4 runs"));

    let mut other = config();
    other.agent.gamma = 0.5;
    let refused = Plan::new(other, &out).environment(|_| corridor()).open().err().unwrap().to_string();
    assert!(refused.contains("agent.gamma is 0.99 there and 0.5 here"), "{refused}");
}

#[test]
fn a_run_of_an_experiment_is_what_a_trainer_gives_and_its_agent_is_evaluated() {
    let here = tempfile::tempdir().unwrap();
    let out = here.path().join("corridor");
    let experiment = plan(&out, &Arc::default()).runs(1).open().unwrap();
    finish(&experiment);
    let [run] = &outcomes(&out).unwrap()[..] else { panic!("one run") };
    let Status::Complete(summary) = &run.status else { panic!("{:?}", run.status) };

    let mut trainer = Trainer::builder(config()).environment(|_| corridor()).build().unwrap();
    (&mut trainer).for_each(|event| drop(event.unwrap()));
    assert_eq!(&run::read_config(&run.dir).unwrap(), trainer.config());
    let agent = TrainedAgent::load(&run.dir, SavedModel::Last).unwrap();
    assert_eq!(agent.model, trainer.model());
    assert_eq!(summary.episodes, trainer.episodes());

    let mut env = agent.wrap(corridor().unwrap()).unwrap();
    let episodes = agent.evaluate(&mut *env, 0, 5).unwrap();
    assert_eq!(episodes.len(), 5);
    let returns = summary.greedy_returns.as_ref().unwrap();
    assert!(episodes.iter().all(|episode| episode.total_reward == returns[0]), "{episodes:?} {returns:?}");
    let unlike = agent.greedy(quarl::env::CartPole::v0().spec(), 0, 1).err().unwrap();
    assert!(unlike.to_string().contains("CartPole-v0"), "{unlike}");
}
