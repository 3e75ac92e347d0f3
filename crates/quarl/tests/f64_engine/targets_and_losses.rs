//! TD targets and losses of one transition, from the papers' formulas.

use quarl::config::{AgentConfig, TrainConfig};
use quarl::loss::Loss;
use quarl::network::Head;
use quarl::target::TargetKind;

/// The outputs of a network for one observation.
#[derive(Clone, Debug)]
pub(crate) struct Prediction {
    /// Each action's Q-value.
    pub(crate) q: Vec<f64>,
    /// Each action's distribution: probabilities of the atoms, or quantiles; for a scalar head the Q-value.
    pub(crate) distribution: Vec<Vec<f64>>,
}

impl Prediction {
    /// From each action's outputs: logits, quantiles, or the Q-value.
    pub(crate) fn new(head: Head, outputs: Vec<Vec<f64>>) -> Self {
        match head {
            Head::Scalar => Self { q: outputs.iter().map(|q| q[0]).collect(), distribution: outputs },
            Head::Categorical { atoms, v_min, v_max } => {
                let distribution: Vec<Vec<f64>> = outputs.iter().map(|logits| softmax(logits)).collect();
                let support = support(atoms, v_min, v_max);
                let expectation = |p: &Vec<f64>| p.iter().zip(&support).map(|(p, z)| p * z).sum();
                Self { q: distribution.iter().map(expectation).collect(), distribution }
            }
            Head::Quantile { .. } | Head::Implicit { .. } => {
                let mean = |quantiles: &Vec<f64>| quantiles.iter().sum::<f64>() / quantiles.len() as f64;
                Self { q: outputs.iter().map(mean).collect(), distribution: outputs }
            }
        }
    }
}

/// The outputs of the networks for one transition.
pub(crate) struct Transition<'a> {
    pub(crate) reward: f64,
    pub(crate) discount: f64,
    pub(crate) action: usize,
    /// Which actions are allowed at the next observation; empty where all are.
    pub(crate) next_mask: &'a [bool],
    /// The target network at the next observation.
    pub(crate) target_next: &'a Prediction,
    /// What chooses the next action: the online network for double; an implicit head's target network at levels of its own.
    pub(crate) selection: &'a Prediction,
    /// The target network at the present observation, where the rule needs it.
    pub(crate) target_present: Option<&'a Prediction>,
}

/// The target of a transition.
pub(crate) struct Target {
    /// The reward, with its bonus.
    pub(crate) reward: f64,
    /// The bootstrap: probabilities of the atoms, or samples of the next return; none after the end of an episode.
    pub(crate) bootstrap: Option<Vec<f64>>,
    /// Whether two actions are so nearly equal that rounding to f32 decides between them.
    pub(crate) is_at_tie: bool,
}

impl Target {
    pub(crate) fn new(agent: &AgentConfig, transition: &Transition) -> Self {
        let Transition { reward, discount, action, next_mask, target_next, selection, target_present } = *transition;
        let (mut reward, mut bootstrap, mut is_at_tie) = (reward, None, false);
        match agent.target {
            TargetKind::Max | TargetKind::Double | TargetKind::ClippedDouble => {
                if discount != 0.0 {
                    let best = greedy(&selection.q, next_mask);
                    is_at_tie = (0..selection.q.len()).any(|other| {
                        other != best
                            && is_allowed(next_mask, other)
                            && selection.q[best] - selection.q[other] < 3e-6 * largest(&selection.q)
                    });
                    // Clipped Double DQN: the network with the lower value of the selected action.
                    let is_clipped = agent.target == TargetKind::ClippedDouble;
                    let (online, target) = (selection.q[best], target_next.q[best]);
                    is_at_tie |= is_clipped && (online - target).abs() < 3e-6 * largest(&selection.q);
                    let lower = if is_clipped && online < target { selection } else { target_next };
                    bootstrap = Some(lower.distribution[best].clone());
                }
            }
            TargetKind::Munchausen => {
                // r + alpha clip(tau log pi(a|s), floor, 0) + gamma sum over a' of pi(a'|s') (Z(s', a') - tau log pi(a'|s'))
                let tau = agent.munchausen_temperature;
                let present = target_present.expect("Munchausen asks the target network about the present observation");
                let log_policy = log_softmax(&present.q, tau);
                reward += agent.munchausen_alpha * (tau * log_policy[action]).clamp(agent.munchausen_floor, 0.0);
                if discount != 0.0 {
                    let log_policy = log_softmax(&target_next.q, tau);
                    let mut soft = vec![0.0; target_next.distribution[0].len()];
                    for (log_pi, z) in log_policy.iter().zip(&target_next.distribution) {
                        for (soft, z) in soft.iter_mut().zip(z) {
                            *soft += log_pi.exp() * (z - tau * log_pi);
                        }
                    }
                    bootstrap = Some(soft);
                }
            }
        }
        Self { reward, bootstrap, is_at_tie }
    }

    /// Samples of the target: `reward + discount * bootstrap`; as many equal ones as there are predictions after the end.
    fn samples(&self, discount: f64, count: usize) -> Vec<f64> {
        match &self.bootstrap {
            Some(bootstrap) => bootstrap.iter().map(|z| self.reward + discount * z).collect(),
            None => vec![self.reward; count],
        }
    }
}

/// The loss of one transition, without its weight.
pub(crate) struct ItemLoss {
    pub(crate) loss: f64,
    pub(crate) td_error: f64,
    /// With respect to the outputs of the action taken.
    pub(crate) gradient: Vec<f64>,
    /// Of a categorical head: the least and the largest share of the target's probability that was clipped, depending on
    /// which way returns at the border of what counts as clipped are rounded.
    pub(crate) clipped: Option<(f64, f64)>,
    /// The size of the numbers that the loss is the difference of, to judge rounding by.
    pub(crate) scale: f64,
}

impl ItemLoss {
    /// Of the action's predicted distribution against the target; `levels` are those of the quantiles.
    pub(crate) fn new(
        config: &TrainConfig,
        head: Head,
        predicted: &[f64],
        levels: &[f64],
        target: &Target,
        discount: f64,
    ) -> Self {
        match head {
            Head::Scalar => scalar(config.agent.loss, predicted[0], target.samples(discount, 1)[0]),
            Head::Categorical { atoms, v_min, v_max } => {
                categorical(predicted, &support(atoms, v_min, v_max), target, discount)
            }
            Head::Quantile { .. } | Head::Implicit { .. } => {
                quantile(predicted, levels, &target.samples(discount, predicted.len()))
            }
        }
    }
}

/// The squared error, or Huber's loss with delta 1.
fn scalar(loss: Loss, prediction: f64, target: f64) -> ItemLoss {
    let error = prediction - target;
    let (loss, gradient) = match loss {
        Loss::Mse => (error * error, 2.0 * error),
        Loss::Huber => (huber(error), error.clamp(-1.0, 1.0)),
    };
    let scale = prediction.abs() + target.abs();
    ItemLoss { loss, td_error: error.abs(), gradient: vec![gradient], clipped: None, scale }
}

/// C51 (Bellemare et al. 2017, equation 7): atom i gets `sum_j [1 - |clip(r + gamma z_j) - z_i| / gap]_0^1 p_j`; the loss is the
/// cross-entropy.
fn categorical(predicted: &[f64], support: &[f64], target: &Target, discount: f64) -> ItemLoss {
    let (lowest, highest) = (support[0], support[support.len() - 1]);
    let gap = support[1] - support[0];
    let returns: Vec<(f64, f64)> = match &target.bootstrap {
        Some(p) => support.iter().zip(p).map(|(z, p)| (target.reward + discount * z, *p)).collect(),
        None => vec![(target.reward, 1.0)],
    };
    let projected: Vec<f64> = support
        .iter()
        .map(|z_i| {
            let nearness = |z: f64| (1.0 - (z.clamp(lowest, highest) - z_i).abs() / gap).clamp(0.0, 1.0);
            returns.iter().map(|(z, p)| nearness(*z) * p).sum()
        })
        .collect();
    let pairs = projected.iter().zip(predicted).filter(|(m, _)| **m > 0.0);
    let cross_entropy: f64 = -pairs.map(|(m, p)| m * p.ln()).sum::<f64>();
    let entropy: f64 = -projected.iter().filter(|m| **m > 0.0).map(|m| m * m.ln()).sum::<f64>();
    // Beyond the support by more than a thousandth of a gap counts.
    let clipped = |slack: f64| -> f64 {
        returns.iter().filter(|(z, _)| *z < lowest - slack * gap || *z > highest + slack * gap).map(|(_, p)| p).sum()
    };
    ItemLoss {
        loss: cross_entropy,
        td_error: cross_entropy - entropy,
        gradient: predicted.iter().zip(&projected).map(|(p, m)| p - m).collect(),
        clipped: Some((clipped(1.1e-3), clipped(0.9e-3))),
        scale: 1.0 + (lowest.abs().max(highest.abs()) / gap),
    }
}

/// The quantile Huber loss (Dabney et al. 2018a): summed over predictions, averaged over the target's samples.
fn quantile(predicted: &[f64], levels: &[f64], samples: &[f64]) -> ItemLoss {
    let per_sample = 1.0 / samples.len() as f64;
    let (mut loss, mut td_error, mut gradient) = (0.0, 0.0, vec![0.0; predicted.len()]);
    for (i, (theta, level)) in predicted.iter().zip(levels).enumerate() {
        for sample in samples {
            let error = sample - theta;
            let weight = if error < 0.0 { 1.0 - level } else { *level };
            loss += weight * huber(error) * per_sample;
            gradient[i] -= weight * error.clamp(-1.0, 1.0) * per_sample;
            td_error += error.abs() / (samples.len() * predicted.len()) as f64;
        }
    }
    ItemLoss { loss, td_error, gradient, clipped: None, scale: largest(predicted) + largest(samples) }
}

fn huber(error: f64) -> f64 {
    if error.abs() <= 1.0 { 0.5 * error * error } else { error.abs() - 0.5 }
}

/// The returns that a categorical head's atoms stand for.
fn support(atoms: usize, v_min: f64, v_max: f64) -> Vec<f64> {
    (0..atoms).map(|atom| v_min + (v_max - v_min) * atom as f64 / (atoms - 1) as f64).collect()
}

/// The allowed action with the largest value; the first of equal ones.
fn greedy(q: &[f64], mask: &[bool]) -> usize {
    let mut best = None;
    for action in (0..q.len()).filter(|action| is_allowed(mask, *action)) {
        if best.is_none_or(|best: usize| q[action] > q[best]) {
            best = Some(action);
        }
    }
    best.expect("an action is allowed while the episode goes on")
}

fn is_allowed(mask: &[bool], action: usize) -> bool {
    mask.is_empty() || mask[action]
}

pub(crate) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()))
}

fn softmax(logits: &[f64]) -> Vec<f64> {
    log_softmax(logits, 1.0).into_iter().map(f64::exp).collect()
}

/// The logarithm of `softmax(q / temperature)`.
fn log_softmax(q: &[f64], temperature: f64) -> Vec<f64> {
    let highest = q.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = q.iter().map(|q| ((q - highest) / temperature).exp()).sum();
    q.iter().map(|q| (q - highest) / temperature - sum.ln()).collect()
}
