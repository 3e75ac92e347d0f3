//! Observations, masks and transitions of another environment are errors, and leave an agent as it was.

mod common;

use common::layered;
use quarl::Error;
use quarl::agent::Agent;
use quarl::config::TrainConfig;
use quarl::engine::cpu::network::{LayerStack, QNetwork};
use quarl::engine::cpu::{self, kernels::CpuPath};
use quarl::env::EnvironmentSpec;
use quarl::env::wrappers::ObservationStatistics;
use quarl::exploration::{Exploration, Explorer};
use quarl::model::Model;
use quarl::network::{Architecture, Head};
use quarl::policy::Policy;
use quarl::rng::Rng;
use quarl::space::{BoxSpace, Discrete};
use quarl::transition::Transition;

const OBSERVATIONS: [&[f32]; 4] = [&[], &[0.0; 3], &[0.0; 5], &[0.0; 8]];
const MASKS: [&[bool]; 4] = [&[], &[true; 1], &[true; 3], &[true; 4]];

fn agent(assignments: &[&str], has_action_mask: bool) -> Agent {
    let small = ["network.hidden=[5]", "replay.capacity=8", "agent.batch_size=2"];
    let spec = EnvironmentSpec {
        id: "Four numbers, two actions".to_owned(),
        observation_space: BoxSpace::vector(vec![-1.0; 4], vec![1.0; 4]),
        action_space: Discrete { n: 2 },
        max_episode_steps: None,
        reward_threshold: None,
        render_fps: 1,
        has_action_mask,
    };
    Agent::with_engine(&layered("textbook", &small, assignments), &spec, 0, cpu::on(CpuPath::Scalar)).unwrap()
}

fn state(agent: &Agent) -> Vec<u8> {
    postcard::to_stdvec(&agent.state()).unwrap()
}

const SWITCHES: [&[&str]; 5] = [
    &[],
    &["env.normalize_observation=true"],
    &["network.head=implicit", "network.quantiles=3", "network.acting_quantiles=3"],
    &["network.noisy=true", "exploration.kind=noisy", "network.dueling=true"],
    &["network.head=categorical", "network.v_min=0", "network.v_max=50", "network.layer_norm=true"],
];

#[test]
fn an_agent_refuses_observations_and_masks_of_another_length_whatever_it_explores_by() {
    for switches in SWITCHES {
        let mut agent = agent(switches, true);
        let before = state(&agent);
        for exploration in [Exploration::EpsilonGreedy(0.0), Exploration::EpsilonGreedy(1.0), Exploration::Softmax(1.0)]
        {
            for observation in OBSERVATIONS {
                let refused = agent.act(observation, None, exploration, &mut Explorer::new(0, 0));
                assert!(matches!(refused, Err(Error::ObservationLength { expected: 4, .. })), "{refused:?}");
            }
            for mask in MASKS {
                let refused = agent.act(&[0.0; 4], Some(mask), exploration, &mut Explorer::new(0, 0));
                assert!(matches!(refused, Err(Error::MaskLength { expected: 2, .. })), "{refused:?}");
            }
        }
        for observation in OBSERVATIONS {
            assert!(agent.update_observation_statistics(observation).is_err());
        }
        assert!(state(&agent) == before, "{switches:?}");
    }
}

#[test]
fn an_agent_stores_no_transition_of_another_environment() {
    let obs = [0.0; 4];
    let good = Transition { obs: &obs, action: 1, reward: 0.0, discount: 0.9, next_obs: &obs, next_mask: None };
    for has_action_mask in [false, true] {
        let mut agent = agent(&[], has_action_mask);
        let before = state(&agent);
        for wrong in OBSERVATIONS {
            assert!(agent.observe(Transition { obs: wrong, ..good }).is_err());
            assert!(agent.observe(Transition { next_obs: wrong, ..good }).is_err());
        }
        for mask in MASKS {
            assert!(agent.observe(Transition { next_mask: Some(mask), ..good }).is_err());
        }
        let refused = agent.observe(Transition { action: 2, ..good });
        assert!(matches!(refused, Err(Error::InvalidAction { action: 2, n: 2, .. })), "{refused:?}");
        assert!(state(&agent) == before);
        agent.observe(good).unwrap();
    }
}

#[test]
fn learning_from_fewer_transitions_than_a_batch_is_an_error() {
    let mut agent = agent(&[], false);
    let obs = [0.0; 4];
    for available in 0..2 {
        let refused = agent.learn(1);
        assert!(
            matches!(refused, Err(Error::TooFewTransitions { needed: 2, available: a }) if a == available),
            "{refused:?}"
        );
        let transition =
            Transition { obs: &obs, action: 1, reward: 0.0, discount: 0.9, next_obs: &obs, next_mask: None };
        agent.observe(transition).unwrap();
    }
    agent.learn(1).unwrap();
}

#[test]
fn an_agent_cannot_be_made_from_a_configuration_that_makes_no_sense() {
    let mut config = TrainConfig::preset("textbook").build().unwrap();
    config.network.hidden = vec![0];
    let env = quarl::env::make("CartPole-v0").unwrap();
    let refused = Agent::with_engine(&config, env.spec(), 0, cpu::on(CpuPath::Scalar));
    assert!(matches!(refused.err(), Some(Error::Setting { .. })));
}

#[test]
fn an_environment_that_describes_nothing_to_learn_is_refused() {
    let config = TrainConfig::preset("textbook").build().unwrap();
    let good = quarl::env::make("CartPole-v0").unwrap().spec().clone();
    let space = |shape: &[usize], bounds: usize| BoxSpace {
        shape: shape.to_vec(),
        ..BoxSpace::vector(vec![0.0; bounds], vec![1.0; bounds])
    };
    let broken = [
        EnvironmentSpec { action_space: Discrete { n: 0 }, ..good.clone() },
        EnvironmentSpec { observation_space: space(&[0], 0), ..good.clone() },
        EnvironmentSpec { observation_space: space(&[2, 0], 0), ..good.clone() },
        EnvironmentSpec { observation_space: space(&[usize::MAX, 2], 4), ..good.clone() },
        EnvironmentSpec { observation_space: space(&[2, 2], 3), ..good.clone() },
    ];
    for spec in broken {
        let refused = Agent::new(&config, &spec, 0).err();
        assert!(matches!(refused, Some(Error::Unusable { .. })), "{spec:?}: {refused:?}");
    }
    assert!(Agent::new(&config, &good, 0).is_ok());
}

#[test]
fn a_greedy_policy_and_a_network_refuse_what_is_not_theirs() {
    let plain = Architecture::plain(4, &[5], 2);
    let implicit = Architecture { head: Head::Implicit { cosines: 3, acting_quantiles: 4 }, ..plain.clone() };
    for architecture in [plain, implicit] {
        let parameters = LayerStack::new(&architecture).initial_parameters(0.5, &mut Rng::from_seed(0));
        let model = Model {
            env: "four numbers, two actions".to_owned(),
            architecture: architecture.clone(),
            parameters: parameters.clone(),
            observation_statistics: None,
        };
        let network = QNetwork::new(architecture, CpuPath::Scalar);
        let (right, wrong) = (ObservationStatistics::new(4), ObservationStatistics::new(2));
        for statistics in [None, Some(right)] {
            let mut policy = Policy::new(&Model { observation_statistics: statistics, ..model.clone() }).unwrap();
            for observation in OBSERVATIONS {
                let refused = policy.act(observation, None);
                assert!(matches!(refused, Err(Error::ObservationLength { .. })), "{refused:?}");
            }
            for mask in MASKS {
                let refused = policy.act(&[0.0; 4], Some(mask));
                assert!(matches!(refused, Err(Error::MaskLength { expected: 2, .. })), "{refused:?}");
            }
            assert!(policy.act(&[0.0; 4], Some(&[false, true])).unwrap() == 1);
        }
        let of_others = Model { observation_statistics: Some(wrong), ..model.clone() };
        let too_few = Model { parameters: parameters[1..].to_vec(), ..model };
        for refused in [Policy::new(&of_others), Policy::new(&too_few)] {
            assert!(matches!(refused, Err(Error::State { .. })), "{refused:?}");
        }

        let mut activations = network.activations(3, 4);
        for numbers in [0, 4, 11, 13, 24] {
            let refused = activations.set_inputs(&vec![0.0; numbers]);
            assert!(matches!(refused, Err(Error::ObservationLength { expected: 12, .. })), "{refused:?}");
        }
        let mut scratch = network.single_scratch();
        assert!(network.q_values(&parameters, &[0.0; 3], &mut scratch).is_err());
    }
}
