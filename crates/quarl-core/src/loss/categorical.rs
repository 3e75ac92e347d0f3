//! The categorical loss of C51 (Bellemare et al. 2017): projection onto the support and cross-entropy, as pure functions.
//!
//! Shapes: distributions are `[atom][stride]`, one column for each item; other arrays have one entry for each item.

/// The support of a categorical head: `atoms` returns, evenly spaced from `v_min` to `v_max`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Support {
    /// The number of atoms, at least 2.
    pub atoms: usize,
    /// The return of the lowest atom.
    pub v_min: f32,
    /// The return of the highest atom.
    pub v_max: f32,
}

/// The fraction of the distance between two atoms that is attributed to rounding.
const ROUNDING: f32 = 1e-3;

impl Support {
    /// The distance between two atoms.
    pub fn gap(&self) -> f32 {
        (self.v_max - self.v_min) / (self.atoms - 1) as f32
    }
}

/// Projects the distribution of `reward + discount * z` onto the support, where z has the distribution `next` over the
/// support. The mass of each shifted atom is divided between its two neighbours in proportion to their nearness; mass
/// outside the support goes to the nearest end. Mass is conserved, and so is the mean where nothing is clipped.
///
/// Where the discount is 0 the return is the reward, whatever `next` holds.
///
/// Returns the probability mass that was clipped to the support by more than rounding, summed over the items: 1 for each
/// item of which everything was clipped.
pub fn project(
    support: Support,
    rewards: &[f32],
    discounts: &[f32],
    next: &[f32],
    stride: usize,
    projected: &mut [f32],
) -> f32 {
    let (gap, per_gap) = (support.gap(), 1.0 / support.gap());
    let slack = ROUNDING * gap;
    let is_outside = |value: f32| value < support.v_min - slack || value > support.v_max + slack;
    let mut clipped = 0.0;
    projected.fill(0.0);
    for (item, (reward, discount)) in rewards.iter().zip(discounts).enumerate() {
        let mut add = |value: f32, mass: f32| {
            let position = ((value - support.v_min) * per_gap).clamp(0.0, (support.atoms - 1) as f32);
            let below = (position as usize).min(support.atoms - 2);
            let upwards = position - below as f32;
            projected[below * stride + item] += mass * (1.0 - upwards);
            projected[(below + 1) * stride + item] += mass * upwards;
        };
        if *discount == 0.0 {
            add(*reward, 1.0);
            clipped += if is_outside(*reward) { 1.0 } else { 0.0 };
            continue;
        }
        let moved = |atom: usize| reward + discount * (support.v_min + gap * atom as f32);
        for atom in 0..support.atoms {
            add(moved(atom), next[atom * stride + item]);
        }
        // Shifted atoms keep their order: if neither end leaves the support, none does.
        if is_outside(moved(0)) || is_outside(moved(support.atoms - 1)) {
            let outside = (0..support.atoms).filter(|atom| is_outside(moved(*atom)));
            clipped += outside.map(|atom| next[atom * stride + item]).sum::<f32>();
        }
    }
    clipped
}

/// The cross-entropy `-sum of target * log p` of one item, from its logits and their softmax `p`.
pub fn cross_entropy(logits: &[f32], probabilities: &[f32], target: &[f32], stride: usize, item: usize) -> f32 {
    let column = || (item..logits.len()).step_by(stride);
    // log p = logit - log sum. The log sum is taken from the most likely atom, whose probability is never small.
    let likeliest = column().fold(item, |best, at| if logits[at] > logits[best] { at } else { best });
    let log_sum = logits[likeliest] - libm::logf(probabilities[likeliest]);
    column().map(|at| target[at] * (log_sum - logits[at])).sum()
}

/// The entropy `-sum of p * log p` of one item. Cross-entropy less the target's entropy is the Kullback-Leibler divergence,
/// which is 0 where prediction and target agree.
pub fn entropy(probabilities: &[f32], stride: usize, item: usize) -> f32 {
    let column = probabilities.iter().skip(item).step_by(stride);
    column.filter(|p| **p > 0.0).map(|p| -p * libm::logf(*p)).sum()
}

/// The loss of a batch: the cross-entropy between each item's target distribution, `[atom][stride]`, and its predicted
/// distribution of the action taken. `logits`, their softmax `probabilities`, and `gradient` are `[action][atom][stride]`.
/// The TD error is the cross-entropy less the target's entropy.
pub fn of_batch(
    (logits, probabilities): (&[f32], &[f32]),
    stride: usize,
    actions: &[usize],
    weights: &[f32],
    target: &[f32],
    gradient: &mut [f32],
    td_errors: &mut [f32],
) -> f32 {
    let block = target.len();
    let per_item = 1.0 / actions.len() as f32;
    let mut sum = 0.0;
    for (item, action) in actions.iter().enumerate() {
        let taken = action * block..(action + 1) * block;
        let (logits, probabilities) = (&logits[taken.clone()], &probabilities[taken.clone()]);
        let gradient = &mut gradient[taken];
        let cross_entropy = cross_entropy(logits, probabilities, target, stride, item);
        // The gradient of the cross-entropy with respect to the logits is prediction less target.
        for at in (item..block).step_by(stride) {
            gradient[at] = weights[item] * per_item * (probabilities[at] - target[at]);
        }
        td_errors[item] = (cross_entropy - entropy(target, stride, item)).max(0.0);
        sum += weights[item] * cross_entropy;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUPPORT: Support = Support { atoms: 3, v_min: 0.0, v_max: 2.0 };

    fn projection(reward: f32, discount: f32, next: [f32; 3]) -> [f32; 3] {
        let mut projected = [f32::NAN; 3];
        project(SUPPORT, &[reward], &[discount], &next, 1, &mut projected);
        projected
    }

    #[test]
    fn atoms_are_shared_out_among_their_neighbours() {
        // 0.5 + 0.5 z for z = 0, 1, 2 is 0.5, 1, 1.5.
        assert_eq!(projection(0.5, 0.5, [0.2, 0.4, 0.4]), [0.1, 0.1 + 0.4 + 0.2, 0.2]);
    }

    #[test]
    fn a_return_that_is_an_atom_goes_there_whole() {
        assert_eq!(projection(1.0, 1.0, [1.0, 0.0, 0.0]), [0.0, 1.0, 0.0]);
        assert_eq!(projection(0.0, 1.0, [0.25, 0.25, 0.5]), [0.25, 0.25, 0.5]);
    }

    #[test]
    fn what_leaves_the_support_gathers_at_its_ends() {
        assert_eq!(projection(5.0, 1.0, [0.5, 0.25, 0.25]), [0.0, 0.0, 1.0]);
        assert_eq!(projection(-5.0, 1.0, [0.5, 0.25, 0.25]), [1.0, 0.0, 0.0]);
    }

    #[test]
    fn after_the_end_there_is_the_reward_and_nothing_else() {
        assert_eq!(projection(1.5, 0.0, [f32::NAN; 3]), [0.0, 0.5, 0.5]);
    }

    #[test]
    fn cross_entropy_by_hand() {
        // Softmax of (0, ln 3) is (1/4, 3/4); the target is (1/2, 1/2).
        let logits = [0.0, 9.0, 3.0_f32.ln(), 9.0];
        let target = [0.5, 0.0, 0.5, 0.0];
        let loss = cross_entropy(&logits, &[0.25, 9.0, 0.75, 9.0], &target, 2, 0);
        let entropy = entropy(&target, 2, 0);
        assert!((loss - 0.5 * (4.0_f32.ln() + (4.0_f32 / 3.0).ln())).abs() < 1e-6, "{loss}");
        assert!((entropy - 2.0_f32.ln()).abs() < 1e-6, "{entropy}");
    }

    #[test]
    fn the_mass_that_leaves_the_support_is_counted() {
        // Two items: of 1.5 + z for z = 0, 1, 2 all but the first leave; -0.5 + 0.5 z leaves with the first alone.
        let next = [0.2, 0.1, 0.3, 0.2, 0.5, 0.7];
        let mut projected = [0.0; 6];
        let clipped = |rewards: [f32; 2], discounts: [f32; 2], projected: &mut [f32]| {
            project(SUPPORT, &rewards, &discounts, &next, 2, projected)
        };
        assert!((clipped([1.5, -0.5], [1.0, 0.5], &mut projected) - (0.8 + 0.1)).abs() < 1e-6);
        assert_eq!(clipped([0.0, 1.0], [1.0, 0.5], &mut projected), 0.0);
        // Where the discount is 0, the return is the reward.
        assert_eq!(clipped([2.0, 2.1], [0.0, 0.0], &mut projected), 1.0);
        // A return at the end of the support, up to rounding, is not counted as clipped.
        assert_eq!(clipped([2.0 + 1e-6, -1e-6], [0.0, 1.0], &mut projected), 0.0);
    }
}
