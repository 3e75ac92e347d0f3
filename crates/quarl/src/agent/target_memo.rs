//! What the target network says of each stored transition's next observation, remembered while that network stands still.
//!
//! Between two copies the target network is a fixed function, and replay draws each transition many times: its answer need
//! not be worked out anew each time. An answer does not depend on the batch that it was worked out in, to the bit, so that
//! training with and without the memo is the same training.

use crate::config::{ReplayKind, TargetNetworkKind, TrainConfig};
use crate::network::kernels::LANES;
use crate::network::{Activations, Head, QNetwork};
use crate::replay::Replay;

/// The largest replay buffer that is remembered: in larger ones a transition is hardly ever drawn twice between two copies.
const LARGEST_CAPACITY: usize = 1 << 16;

/// Q'(s', .) by replay id. Nothing of it needs saving: it can be worked out again.
pub(super) struct TargetMemo {
    answers: Answers,
    /// Transitions are counted as they are stored. Those in `older..newer` have been looked at since the last copy.
    older: u64,
    newer: u64,
    /// A pass over as few observations as a vector holds, and whose they are.
    few: Activations,
    ids: Vec<usize>,
    observations: Vec<f32>,
}

/// What has been worked out since the last copy.
struct Answers {
    actions: usize,
    /// `[id][action]`
    rows: Vec<f32>,
    is_known: Vec<bool>,
}

impl Answers {
    fn is_known(&self, id: usize) -> bool {
        self.is_known[id]
    }

    fn row(&mut self, id: usize) -> &mut [f32] {
        &mut self.rows[id * self.actions..(id + 1) * self.actions]
    }

    /// The outputs of a pass over these transitions' next observations.
    fn keep(&mut self, ids: &[usize], pass: &Activations) {
        for (item, id) in ids.iter().enumerate() {
            for (action, value) in self.row(*id).iter_mut().enumerate() {
                *value = pass.outputs()[action * pass.stride() + item];
            }
            self.is_known[*id] = true;
        }
    }
}

impl TargetMemo {
    /// A memo for agents whose target network stands still between two copies and answers the same whenever it is asked.
    pub(super) fn new(network: &QNetwork, config: &TrainConfig) -> Option<Self> {
        let architecture = network.architecture();
        let stands_still = config.target_network.kind != Some(TargetNetworkKind::None)
            && !config.target_network.follows_updates()
            && !architecture.noisy
            && !config.env.normalize_observation;
        let is_drawn_often = config.replay.kind != ReplayKind::None && config.replay.capacity <= LARGEST_CAPACITY;
        (stands_still && is_drawn_often && architecture.head == Head::Scalar).then(|| Self {
            answers: Answers {
                actions: architecture.actions,
                rows: vec![0.0; config.replay.capacity * architecture.actions],
                is_known: vec![false; config.replay.capacity],
            },
            older: 0,
            newer: 0,
            few: network.activations(LANES, 1),
            ids: Vec::with_capacity(LANES),
            observations: vec![0.0; LANES * architecture.inputs],
        })
    }

    /// The target network has changed, or all transitions have.
    pub(super) fn forget_all(&mut self, replay: &Replay) {
        self.answers.is_known.fill(false);
        (self.older, self.newer) = (replay.pushed(), replay.pushed());
    }

    /// Another transition has taken the place of this one.
    pub(super) fn forget(&mut self, id: usize) {
        self.answers.is_known[id] = false;
    }

    /// Puts what is known of the batch's transitions into the outputs of `pass`; where only a few are not known, they are
    /// worked out first. False where a pass over the whole batch is the better way: nothing has been done then.
    pub(super) fn recall(
        &mut self,
        network: &QNetwork,
        parameters: &[f32],
        replay: &Replay,
        ids: &[usize],
        pass: &mut Activations,
    ) -> bool {
        let unknown = ids.iter().filter(|id| !self.answers.is_known(**id)).count();
        if unknown > LANES {
            return false;
        }
        if unknown > 0 {
            self.ids.clear();
            self.ids.extend(ids.iter().filter(|id| !self.answers.is_known(**id)));
            self.look_ahead(replay);
            self.work_out(network, parameters, replay);
        }
        for (item, id) in ids.iter().enumerate() {
            for (action, value) in self.answers.row(*id).iter().enumerate() {
                pass.set_output(action, item, *value);
            }
        }
        true
    }

    /// Takes over what a pass over the whole batch gave.
    pub(super) fn remember(&mut self, ids: &[usize], pass: &Activations) {
        self.answers.keep(ids, pass);
    }

    /// Fills the vector up with transitions that will be asked for sooner or later: a full one costs no more.
    fn look_ahead(&mut self, replay: &Replay) {
        let (stored, oldest) = (replay.pushed(), replay.pushed() - replay.len() as u64);
        self.newer = self.newer.max(oldest);
        while self.ids.len() < LANES {
            let next = if self.newer < stored {
                self.newer += 1;
                self.newer - 1
            } else if self.older > oldest {
                self.older -= 1;
                self.older
            } else {
                return;
            };
            let id = replay.id(next);
            if !self.answers.is_known(id) && !self.ids.contains(&id) {
                self.ids.push(id);
            }
        }
    }

    /// Asks the target network about `self.ids`.
    fn work_out(&mut self, network: &QNetwork, parameters: &[f32], replay: &Replay) {
        let features = replay.features();
        for (observation, id) in self.observations.chunks_exact_mut(features).zip(&self.ids) {
            replay.next_obs(*id, observation);
        }
        self.few.copy_inputs(&self.observations);
        network.forward(parameters, &mut self.few);
        self.answers.keep(&self.ids, &self.few);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Agent;
    use super::*;
    use crate::config::{layers, presets};
    use crate::env;
    use crate::network::kernels::CpuPath;
    use crate::rng::Stream;
    use crate::transition::Transition;

    fn config(assignments: &[&str]) -> TrainConfig {
        let mut table = presets::table("textbook", None).unwrap();
        let small = ["network.hidden=[19, 9]", "replay.capacity=150", "agent.batch_size=19"];
        for assignment in small.iter().chain(assignments) {
            layers::overlay(&mut table, &layers::assignment(assignment).unwrap());
        }
        layers::resolve("test", table).unwrap()
    }

    fn agent(config: &TrainConfig) -> Agent {
        Agent::new(config, env::make(&config.env.id).unwrap().spec(), 0, CpuPath::available()[0]).unwrap()
    }

    fn observe(agent: &mut Agent, rng: &mut crate::rng::Rng) {
        let mut draw = || std::array::from_fn::<f32, 4, _>(|_| rng.uniform() as f32 - 0.5);
        let (obs, next_obs) = (draw(), draw());
        let action = usize::from(obs[0] > 0.0);
        let discount = if obs[1] > 0.4 { 0.0 } else { 0.9 };
        let transition =
            Transition { obs: &obs, action, reward: obs[2], discount, next_obs: &next_obs, next_mask: None };
        agent.observe(transition).unwrap();
    }

    #[test]
    fn what_is_remembered_is_what_would_be_worked_out() {
        for switches in [
            &["agent.target=max"][..],
            &["agent.target=double", "network.dueling=true", "network.layer_norm=true"],
            &["agent.target=munchausen", "replay.kind=prioritized", "network.activation=elu"],
            // Batches that fit into one vector, and ones of several.
            &["agent.batch_size=5"],
            &["agent.batch_size=50", "target_network.tau=0.1"],
        ] {
            let config = config(switches);
            let (mut remembering, mut forgetting) = (agent(&config), agent(&config));
            let (mut one, mut other) = (Stream::Replay.rng(7), Stream::Replay.rng(7));
            let mut whole_passes = 0;
            for step in 0..600 {
                observe(&mut remembering, &mut one);
                observe(&mut forgetting, &mut other);
                if step < 50 {
                    continue;
                }
                let memo = remembering.scratch.learn.memo.as_ref().unwrap();
                whole_passes += usize::from(!memo.answers.is_known.contains(&true));
                forgetting.forget_target_values();
                assert_eq!(remembering.learn(step).unwrap(), forgetting.learn(step).unwrap(), "{switches:?}: {step}");
                // Sooner and later than everything is known; and a state put back in between.
                if step % 90 == 20 || step % 90 == 25 {
                    remembering.sync_target();
                    forgetting.sync_target();
                }
                if step == 333 {
                    remembering.set_state(forgetting.state().clone()).unwrap();
                }
            }
            assert_eq!(remembering.parameters(), forgetting.parameters(), "{switches:?}");
            assert!(whole_passes < 16, "{switches:?}: nothing is remembered ({whole_passes} of 550 updates)");
        }
    }

    #[test]
    fn what_moves_or_is_drawn_anew_is_not_remembered() {
        for switches in [
            &["target_network.kind=soft", "target_network.tau=0.1"][..],
            &["target_network.kind=none"],
            &["network.noisy=true", "exploration.epsilon=0"],
            &["network.head=implicit"],
            &["env.normalize_observation=true"],
            &["replay.kind=none"],
            &["replay.capacity=1000000"],
        ] {
            let mut table = toml::Table::try_from(config(&[])).unwrap();
            if switches[0].contains("soft") {
                table["target_network"].as_table_mut().unwrap().remove("every_episodes");
            }
            for assignment in switches {
                layers::overlay(&mut table, &layers::assignment(assignment).unwrap());
            }
            let config = layers::resolve("test", table).unwrap();
            assert!(agent(&config).scratch.learn.memo.is_none(), "{switches:?}");
        }
    }
}
