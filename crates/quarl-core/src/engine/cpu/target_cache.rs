//! A cache of the target network's Q-values at the next observations of stored transitions.
//!
//! Between two hard updates the target network does not change, and replay samples each transition many times. A cached
//! output is the same, bit for bit, in whatever batch it was computed, so training with and without the cache gives the
//! same result.

use super::kernels::LANES;
use super::network::{Activations, QNetwork};
use crate::config::{ReplayKind, TargetNetworkKind, TrainConfig};
use crate::network::{Architecture, Head};
use crate::observations::ObservationsView;
use crate::replay::Replay;

/// The largest replay buffer with a cache. In larger ones, a transition is rarely sampled twice between two hard updates.
const MAX_CAPACITY: usize = 1 << 16;

/// Q'(s', .) by transition id. The cache is not saved, because it can be recomputed.
pub(crate) struct TargetCache {
    outputs: Outputs,
    /// Transitions are counted in the order in which they were stored. `older..newer` have been considered for prefetching
    /// since the last hard update.
    older: u64,
    newer: u64,
    /// Whether the target network or all transitions have changed since the outputs were computed.
    is_stale: bool,
    /// A forward pass over one vector of observations, and their ids.
    small_batch: Activations,
    ids: Vec<usize>,
    observations: Vec<f32>,
}

/// The outputs computed since the last hard update.
struct Outputs {
    actions: usize,
    /// `[id][action]`
    rows: Vec<f32>,
    is_cached: Vec<bool>,
}

impl Outputs {
    fn is_cached(&self, id: usize) -> bool {
        self.is_cached[id]
    }

    fn row(&mut self, id: usize) -> &mut [f32] {
        &mut self.rows[id * self.actions..(id + 1) * self.actions]
    }

    /// Stores the outputs of a forward pass over these transitions' next observations.
    fn store(&mut self, ids: &[usize], pass: &Activations) {
        for (item, id) in ids.iter().enumerate() {
            for (action, value) in self.row(*id).iter_mut().enumerate() {
                *value = pass.outputs()[action * pass.stride() + item];
            }
            self.is_cached[*id] = true;
        }
    }
}

impl TargetCache {
    /// Whether a run uses the cache: its target network changes only by hard updates, its outputs do not depend on noise or
    /// sampled quantile levels, and transitions are sampled more than once.
    pub(crate) fn is_used(config: &TrainConfig, architecture: &Architecture) -> bool {
        let stands_still = config.target_network.kind != TargetNetworkKind::None
            && !config.target_network.follows_updates()
            && !architecture.is_reparametrised()
            && !config.env.normalize_observation;
        let is_drawn_often = config.replay.kind != ReplayKind::None && config.replay.capacity <= MAX_CAPACITY;
        stands_still && is_drawn_often && architecture.head == Head::Scalar
    }

    /// Creates the cache of a run; `None` if it does not use one.
    pub(super) fn new(network: &QNetwork, config: &TrainConfig) -> Option<Self> {
        let architecture = network.architecture();
        Self::is_used(config, architecture).then(|| Self {
            outputs: Outputs {
                actions: architecture.actions,
                rows: vec![0.0; config.replay.capacity * architecture.actions],
                is_cached: vec![false; config.replay.capacity],
            },
            older: 0,
            newer: 0,
            is_stale: true,
            small_batch: network.activations(LANES, 1),
            ids: Vec::with_capacity(LANES),
            observations: vec![0.0; LANES * architecture.inputs],
        })
    }

    /// Invalidates all outputs, because the target network or all transitions have changed.
    pub(super) fn invalidate_all(&mut self) {
        self.is_stale = true;
    }

    /// Invalidates the output of a transition that another one has replaced.
    pub(super) fn invalidate(&mut self, id: usize) {
        self.outputs.is_cached[id] = false;
    }

    /// Copies the batch's cached outputs into `pass`, after computing the missing ones if they are few. Returns false,
    /// without any effect, where a forward pass over the whole batch is faster.
    pub(super) fn lookup(
        &mut self,
        network: &QNetwork,
        parameters: &[f32],
        replay: &Replay,
        ids: &[usize],
        pass: &mut Activations,
    ) -> bool {
        if self.is_stale {
            self.outputs.is_cached.fill(false);
            (self.older, self.newer) = (replay.pushed(), replay.pushed());
            self.is_stale = false;
        }
        let unknown = ids.iter().filter(|id| !self.outputs.is_cached(**id)).count();
        if unknown > LANES {
            return false;
        }
        if unknown > 0 {
            self.ids.clear();
            self.ids.extend(ids.iter().filter(|id| !self.outputs.is_cached(**id)));
            self.prefetch(replay);
            self.compute(network, parameters, replay);
        }
        for (item, id) in ids.iter().enumerate() {
            for (action, value) in self.outputs.row(*id).iter().enumerate() {
                pass.set_output(action, item, *value);
            }
        }
        true
    }

    /// Stores the outputs of a forward pass over the whole batch.
    pub(super) fn store(&mut self, ids: &[usize], pass: &Activations) {
        self.outputs.store(ids, pass);
    }

    /// Fills the vector with transitions that will be sampled later: a full vector costs the same as a partly filled one.
    fn prefetch(&mut self, replay: &Replay) {
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
            if !self.outputs.is_cached(id) && !self.ids.contains(&id) {
                self.ids.push(id);
            }
        }
    }

    /// Computes the target network's outputs for `self.ids`.
    fn compute(&mut self, network: &QNetwork, parameters: &[f32], replay: &Replay) {
        let features = replay.features();
        for (observation, id) in self.observations.chunks_exact_mut(features).zip(&self.ids) {
            replay.next_obs(*id, observation);
        }
        self.small_batch.copy_inputs(ObservationsView::F32(&self.observations));
        network.forward(parameters, &mut self.small_batch);
        self.outputs.store(&self.ids, &self.small_batch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::Agent;
    use crate::engine::cpu::{self, CpuPath};
    use crate::env;
    use crate::rng::{Rng, Stream};
    use crate::transition::Transition;

    fn config(assignments: &[&str]) -> TrainConfig {
        let small = ["network.hidden=[19, 9]", "replay.capacity=150", "agent.batch_size=19"];
        let key = |assignment: &str| assignment.split('=').next().map(str::to_owned);
        let small = small.into_iter().filter(|each| assignments.iter().all(|switch| key(switch) != key(each)));
        TrainConfig::preset("textbook").assign_all(small).assign_all(assignments).build().unwrap()
    }

    fn network(config: &TrainConfig) -> QNetwork {
        let spec = env::make(&config.env.id).unwrap().spec().clone();
        let architecture = config.network.architecture(&spec.observation_space, spec.action_space.n);
        QNetwork::new(architecture, CpuPath::available()[0])
    }

    fn agent(config: &TrainConfig) -> Agent {
        let spec = env::make(&config.env.id).unwrap().spec().clone();
        Agent::with_engine(config, &spec, 0, cpu::on(CpuPath::available()[0])).unwrap()
    }

    fn observe(agent: &mut Agent, rng: &mut Rng) {
        let mut draw = || std::array::from_fn::<f32, 4, _>(|_| rng.uniform() as f32 - 0.5);
        let (obs, next_obs) = (draw(), draw());
        let action = usize::from(obs[0] > 0.0);
        let discount = if obs[1] > 0.4 { 0.0 } else { 0.9 };
        let transition =
            Transition { obs: &obs, action, reward: obs[2], discount, next_obs: &next_obs, next_mask: None };
        agent.observe(transition).unwrap();
    }

    #[test]
    fn training_with_and_without_the_cache_is_the_same() {
        for switches in [
            &["agent.target=max"][..],
            &["agent.target=double", "network.dueling=true", "network.layer_norm=true"],
            &["agent.target=munchausen", "replay.kind=prioritized", "network.activation=elu"],
            // Batches that fit into one vector, and larger ones.
            &["agent.batch_size=5"],
            &["agent.batch_size=50", "target_network.kind=soft", "target_network.tau=0.1"],
        ] {
            let config = config(switches);
            let (mut caching, mut computing) = (agent(&config), agent(&config));
            let (mut one, mut other) = (Stream::Replay.rng(7), Stream::Replay.rng(7));
            for step in 0..600 {
                observe(&mut caching, &mut one);
                observe(&mut computing, &mut other);
                if step < 50 {
                    continue;
                }
                computing.drop_caches();
                assert_eq!(caching.learn(step).unwrap(), computing.learn(step).unwrap(), "{switches:?}: {step}");
                // Before and after everything is cached; and a state restored in between.
                if step % 90 == 20 || step % 90 == 25 {
                    caching.update_target();
                    computing.update_target();
                }
                if step == 333 {
                    caching.set_state(computing.state()).unwrap();
                }
            }
            assert_eq!(caching.parameters(), computing.parameters(), "{switches:?}");
        }
    }

    #[test]
    fn what_is_known_is_recalled_until_it_changes() {
        let config = config(&[]);
        let space = env::make(&config.env.id).unwrap().spec().observation_space.clone();
        let network = network(&config);
        let parameters = network.layers().initial_parameters(0.5, &mut Stream::Initialisation.rng(0));
        let mut replay = Replay::new(&config.replay, 1, &space, 0).unwrap();
        for i in 0..60 {
            let obs = [i as f32 * 0.01; 4];
            let transition =
                Transition { obs: &obs, action: 0, reward: 0.0, discount: 1.0, next_obs: &obs, next_mask: None };
            replay.push(transition).unwrap();
        }
        let mut cache = TargetCache::new(&network, &config).unwrap();
        let ids: Vec<usize> = (0..40).collect();
        let mut pass = network.activations(ids.len(), 1);
        let lookup =
            |cache: &mut TargetCache, pass: &mut Activations| cache.lookup(&network, &parameters, &replay, &ids, pass);
        assert!(!lookup(&mut cache, &mut pass), "of 40 unknown ones a whole pass is the better way");
        cache.store(&ids, &pass);
        assert!(lookup(&mut cache, &mut pass));
        cache.invalidate(7);
        assert!(lookup(&mut cache, &mut pass), "one alone is computed");
        cache.invalidate_all();
        assert!(!lookup(&mut cache, &mut pass));
    }

    #[test]
    fn what_moves_or_is_drawn_anew_is_not_cached() {
        for switches in [
            &["target_network.kind=soft", "target_network.tau=0.1"][..],
            &["target_network.kind=none"],
            &["network.noisy=true", "exploration.epsilon=0"],
            &["network.weight_norm=true"],
            &["network.head=implicit"],
            &["env.normalize_observation=true"],
            &["replay.kind=none"],
            &["replay.capacity=1000000"],
        ] {
            let config = TrainConfig::preset("textbook").assign_all(switches).build().unwrap();
            let network = network(&config);
            assert!(TargetCache::new(&network, &config).is_none(), "{switches:?}");
        }
    }
}
