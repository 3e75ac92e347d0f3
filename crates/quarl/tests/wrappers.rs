//! Wrappers: what each changes, what it leaves, and that a run with all of them is one result.

mod common;

use common::{layered, results};
use quarl::Error;
use quarl::config::TrainConfig;
use quarl::engine::cpu::{self, kernels::CpuPath};
use quarl::env::classic_control::ClassicControl;
use quarl::env::wrappers::{
    self, ClipReward, EpisodeStatistics, FrameStackObservation, NormalizeObservation, ObservationStatistics,
    RecordEpisodeStatistics, SeedEpisodes, TransformReward,
};
use quarl::env::{self, CartPole, Environment, EnvironmentSpec, MakeOptions, MountainCar, Step, TimeLimit, check};
use quarl::evaluate;
use quarl::model::Model;
use quarl::policy::Policy;
use quarl::render::Scene;
use quarl::rng::{Rng, Stream};
use quarl::train::{Event, Trainer};

fn config(env: &str, assignments: &[&str]) -> TrainConfig {
    layered("textbook", assignments, &[&format!("env.id={env}")])
}

/// Every wrapper at once, in two environments.
fn all(more: &[&str]) -> TrainConfig {
    let basis = [
        "env.max_episode_steps=60",
        "env.reward_scale=0.5",
        "env.clip_reward=[-0.25, 0.25]",
        "env.frame_stack=3",
        "env.normalize_observation=true",
        "network.hidden=[16]",
        "training.num_envs=2",
        "training.steps=700",
        "evaluation.every_steps=300",
        "evaluation.episodes=2",
    ];
    config("CartPole-v1", &[&basis[..], more].concat())
}

fn trainer(config: TrainConfig) -> Trainer {
    Trainer::builder(config).engine(cpu::on(CpuPath::available()[0])).build().unwrap()
}

fn texts(trainer: &mut Trainer) -> Vec<String> {
    results(trainer).collect()
}

#[test]
fn every_wrapper_keeps_an_environments_promises() {
    let statistics = ObservationStatistics::from_parts(9.0, vec![0.1; 4], vec![0.5; 4]).unwrap();
    let wrapped: [Box<dyn Environment>; 5] = [
        Box::new(ClipReward::new(CartPole::v1(), -0.5, 0.5).unwrap()),
        Box::new(TransformReward::new(CartPole::v1(), |reward| 2.0 * reward - 1.0)),
        Box::new(RecordEpisodeStatistics::new(CartPole::v1())),
        Box::new(FrameStackObservation::new(CartPole::v1(), 4).unwrap()),
        Box::new(NormalizeObservation::frozen(CartPole::v1(), statistics).unwrap()),
    ];
    for mut env in wrapped {
        check::check(&mut *env).unwrap_or_else(|broken| panic!("{broken}"));
    }
    let config = all(&[]).env;
    let mut env = env::make_configured(&config, &MakeOptions::default()).unwrap();
    assert_eq!(env.spec().max_episode_steps, Some(60));
    assert_eq!(env.spec().observation_space.shape, [3, 4]);
    check::check(&mut *env).unwrap_or_else(|broken| panic!("{broken}"));
}

/// CartPole with its own implementation of every method that has a default.
#[derive(Clone, Debug)]
struct Unusual(TimeLimit<ClassicControl<CartPole>>, Vec<bool>);

impl Environment for Unusual {
    fn spec(&self) -> &EnvironmentSpec {
        self.0.spec()
    }

    fn reset(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), Error> {
        self.0.reset(seed, observation)
    }

    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, Error> {
        self.0.step(action, observation)
    }

    fn begin_step(&mut self, action: usize) -> Result<(), Error> {
        self.0.spec().check_action(action)
    }

    fn action_mask(&self) -> Option<&[bool]> {
        Some(&self.1)
    }

    fn episode_statistics(&self) -> Option<EpisodeStatistics> {
        Some(EpisodeStatistics { total_reward: 5.0, length: 0 })
    }

    fn scene(&mut self) -> Result<Option<Scene>, Error> {
        self.0.scene()
    }

    fn saves_within_episodes(&self) -> bool {
        false
    }

    fn saves_random_state(&self) -> bool {
        false
    }

    fn save_state(&self) -> Result<Vec<u8>, Error> {
        self.0.save_state()
    }

    fn load_state(&mut self, state: &[u8]) -> Result<(), Error> {
        self.0.load_state(state)
    }
}

#[test]
fn what_a_wrapper_does_not_change_is_the_environments_own_answer() {
    let unusual = || Unusual(CartPole::v1(), vec![true, false]);
    let statistics = ObservationStatistics::from_parts(9.0, vec![0.1; 4], vec![0.5; 4]).unwrap();
    let wrapped: [(&str, Box<dyn Environment>); 8] = [
        ("Box", Box::new(Box::new(unusual()))),
        ("TimeLimit", Box::new(TimeLimit::new(unusual(), 9).unwrap())),
        ("ClipReward", Box::new(ClipReward::new(unusual(), -0.5, 0.5).unwrap())),
        ("TransformReward", Box::new(TransformReward::new(unusual(), |reward| 2.0 * reward))),
        ("RecordEpisodeStatistics", Box::new(RecordEpisodeStatistics::new(unusual()))),
        ("FrameStackObservation", Box::new(FrameStackObservation::new(unusual(), 4).unwrap())),
        ("NormalizeObservation", Box::new(NormalizeObservation::frozen(unusual(), statistics).unwrap())),
        ("SeedEpisodes", Box::new(SeedEpisodes::new(unusual()))),
    ];
    for (name, mut env) in wrapped {
        env.reset(Some(1), &mut vec![0.0; env.spec().observation_space.len()]).unwrap();
        assert!(env.begin_step(0).is_ok() && matches!(env.begin_step(9), Err(Error::InvalidAction { .. })), "{name}");
        assert_eq!(env.action_mask(), Some(&[true, false][..]), "{name}");
        let total_reward = if name == "RecordEpisodeStatistics" { 0.0 } else { 5.0 };
        assert_eq!(env.episode_statistics(), Some(EpisodeStatistics { total_reward, length: 0 }), "{name}");
        assert_eq!((env.saves_within_episodes(), env.saves_random_state()), (false, name == "SeedEpisodes"), "{name}");
        assert!(env.scene().unwrap().is_some(), "{name}");
    }
    let episodes_are_seeded = wrappers::wrap(Box::new(unusual()), &all(&[]).env).unwrap().saves_random_state();
    assert!(episodes_are_seeded);
}

#[test]
fn stacked_frames_are_the_latest_observations_oldest_first() {
    let mut plain = CartPole::v1();
    let mut stacked = FrameStackObservation::new(CartPole::v1(), 3).unwrap();
    let (mut seen, mut shown) = (vec![[0.0; 4]], [0.0; 12]);
    plain.reset(Some(3), &mut seen[0]).unwrap();
    stacked.reset(Some(3), &mut shown).unwrap();
    let first = seen[0];
    assert_eq!(shown.as_chunks::<4>().0, [first; 3]);
    for step in 0..5 {
        let mut next = [0.0; 4];
        plain.step(step % 2, &mut next).unwrap();
        stacked.step(step % 2, &mut shown).unwrap();
        seen.push(next);
        let padded = [&[first; 2][..], &seen].concat();
        assert_eq!(shown.as_chunks::<4>().0, &padded[padded.len() - 3..], "step {step}");
    }
    stacked.reset(None, &mut shown).unwrap();
    let [a, b, c] = [0, 1, 2].map(|frame| shown.as_chunks::<4>().0[frame]);
    assert!(a == b && b == c && a != *seen.last().unwrap(), "no frame reaches across a reset");
}

#[test]
fn statistics_are_the_mean_and_variance_of_all_that_was_seen() {
    let mut rng = Rng::from_seed(1);
    let observations: Vec<[f32; 2]> =
        (0..500).map(|_| [(5.0 + 2.0 * rng.normal()) as f32, rng.uniform() as f32]).collect();
    let mut statistics = ObservationStatistics::new(2);
    observations.iter().for_each(|observation| statistics.update(observation).unwrap());
    // Computed at once: the observations, and a prior of mean 0 and variance 1 with the weight of 0.0001 observations.
    let count = observations.len() as f64 + 1e-4;
    for feature in 0..2 {
        let values = || observations.iter().map(|observation| f64::from(observation[feature]));
        let mean = values().sum::<f64>() / count;
        let variance = (1e-4 * (1.0 + mean * mean) + values().map(|x| (x - mean).powi(2)).sum::<f64>()) / count;
        assert!((statistics.mean()[feature] - mean).abs() < 1e-12, "{} {mean}", statistics.mean()[feature]);
        assert!((statistics.variance()[feature] - variance).abs() < 1e-11 * variance);
    }
    let mut normal: Vec<f32> = observations.concat();
    statistics.normalize(&mut normal).unwrap();
    let mean = normal.iter().sum::<f32>() / 1000.0;
    let variance = normal.iter().map(|x| x * x).sum::<f32>() / 1000.0;
    assert!(mean.abs() < 1e-4 && (variance - 1.0).abs() < 1e-4, "{mean} {variance}");
}

#[test]
fn impossible_statistics_are_refused() {
    let parts = ObservationStatistics::from_parts;
    assert!(parts(1.0, vec![0.0], vec![1.0]).is_some());
    for broken in [
        parts(0.0, vec![0.0], vec![1.0]),
        parts(f64::NAN, vec![0.0], vec![1.0]),
        parts(1.0, vec![0.0, 0.0], vec![1.0]),
        parts(1.0, vec![f64::INFINITY], vec![1.0]),
        parts(1.0, vec![0.0], vec![-1.0]),
    ] {
        assert!(broken.is_none(), "{broken:?}");
    }
}

#[test]
fn a_frozen_normalisation_stays_as_it_is_and_a_learning_one_does_not() {
    let statistics = ObservationStatistics::from_parts(9.0, vec![1.0; 4], vec![3.0; 4]).unwrap();
    let mut frozen = NormalizeObservation::frozen(CartPole::v1(), statistics.clone()).unwrap();
    let mut learning = NormalizeObservation::new(CartPole::v1());
    let (mut plain, mut observation) = ([0.0; 4], [0.0; 4]);
    CartPole::v1().reset(Some(1), &mut plain).unwrap();
    frozen.reset(Some(1), &mut observation).unwrap();
    assert_eq!(observation, plain.map(|x| ((f64::from(x) - 1.0) / (3.0_f64 + 1e-8).sqrt()) as f32));
    assert_eq!(frozen.statistics(), &statistics);
    learning.reset(Some(1), &mut observation).unwrap();
    assert_eq!(learning.statistics().count(), 1.0001);
    assert!(NormalizeObservation::frozen(MountainCar::v0(), statistics).is_err());
}

#[test]
fn training_on_changed_rewards_reports_the_tasks_own_returns() {
    let (mut learnt_from, mut returns) = (Vec::new(), Vec::new());
    let keys = ["env.clip_reward=[-0.5, 0.5]", "env.reward_scale=3", "training.episodes=2", "evaluation.episodes=1"];
    for event in &mut trainer(config("MountainCar-v0", &keys)) {
        match event.unwrap() {
            Event::Step { reward, .. } => learnt_from.push(reward),
            Event::Episode(record) => returns.push((record.total_reward, record.length)),
            Event::Evaluation(evaluation) => assert!(evaluation.returns.iter().all(|total| *total <= -1.0)),
            _ => {}
        }
    }
    assert!(learnt_from.iter().all(|reward| *reward == -0.5), "scaled to -3, then clipped");
    assert_eq!(returns, [(-200.0, 200), (-200.0, 200)]);
}

#[test]
fn a_run_with_every_wrapper_repeats_itself_and_resumes_exactly() {
    let expected = texts(&mut trainer(all(&[])));
    for path in CpuPath::available() {
        assert_eq!(
            texts(&mut Trainer::builder(all(&[])).engine(cpu::on(path)).build().unwrap()),
            expected,
            "{}",
            path.name()
        );
    }
    assert_ne!(texts(&mut trainer(all(&["env.normalize_observation=false"]))), expected);
    for taken in [1, 2, 333, 800] {
        let mut first = trainer(all(&[]));
        let mut events: Vec<String> = results(&mut first).take(taken).collect();
        let mut second = trainer(all(&[]));
        second.load_state(&first.save_state().unwrap()).unwrap();
        events.extend(texts(&mut second));
        assert_eq!(events, expected, "interrupted after {taken} events");
    }
}

#[test]
fn what_observations_are_normalised_by_is_saved_with_the_model_and_frozen_in_play() {
    let config = all(&[]);
    let mut trained = trainer(config.clone());
    let mut last = None;
    for event in &mut trained {
        if let Event::Evaluation(evaluation) = event.unwrap() {
            last = Some(evaluation.returns);
        }
    }
    let statistics = trained.agent().observation_statistics().unwrap();
    // Every observation of both environments: one a step, and one for each episode's start.
    let starts = statistics.count() - 1e-4 - 700.0;
    let begun = trained.episodes() as f64;
    assert!((begun..=begun + 2.0).contains(&(starts + 1e-6).floor()), "{starts} starts, {begun} episodes ended");

    let model = Model {
        env: config.env.id.clone(),
        architecture: trained.agent().architecture().clone(),
        parameters: trained.agent().parameters().to_vec(),
        observation_statistics: Some(statistics.clone()),
    };
    let read = Model::from_bytes(&model.to_bytes().unwrap()).unwrap();
    assert_eq!(read, model);
    let mut env = env::make_configured(&config.env, &MakeOptions::default()).unwrap();
    let play = |env: &mut dyn Environment| -> Vec<f64> {
        let mut policy = Policy::new(&read).unwrap();
        let seed = Stream::Evaluation.seed(config.training.seed);
        evaluate::play(&mut policy, env, seed, 2).unwrap().iter().map(|episode| episode.total_reward).collect()
    };
    assert_eq!(Some(play(&mut *env)), last);
}

#[test]
fn a_limit_beyond_the_environments_own_is_refused() {
    let config = config("CartPole-v0", &["env.max_episode_steps=300"]);
    let message = Trainer::new(config).err().unwrap().to_string();
    assert_eq!(message, "env.max_episode_steps: 300 is too many: CartPole-v0 ends after 200 already");
}

#[test]
fn wrappers_that_cannot_be_are_refused() {
    assert!(ClipReward::new(CartPole::v1(), 1.0, 1.0).is_err());
    assert!(ClipReward::new(CartPole::v1(), f64::NAN, 1.0).is_err());
    assert!(FrameStackObservation::new(CartPole::v1(), 0).is_err());
}
