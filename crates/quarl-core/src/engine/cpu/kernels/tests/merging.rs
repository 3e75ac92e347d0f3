//! The product of trunk and embedding of an implicit head, and its gradient.

use super::super::{merge, merge_gradient};
use super::{Implementation, LANES, ODD_SIZES, any_float, assert_same, name, ordinary};
use crate::rng::Rng;

/// `[unit][stride]`, and the number of quantile levels of each item.
struct Shape {
    units: usize,
    levels: usize,
    stride: usize,
}

fn check(rng: &mut Rng, shape: &Shape, numbers: fn(&mut Rng, usize) -> Vec<f32>) {
    let Shape { units, levels, stride } = *shape;
    let (trunk, embedded) = (numbers(rng, units * stride), numbers(rng, units * levels * stride));
    let upstream = numbers(rng, embedded.len());
    let (mut expected, mut expected_deltas) = (vec![0.0; embedded.len()], vec![0.0; embedded.len()]);
    let mut expected_trunk_deltas = vec![0.0_f32; trunk.len()];
    for unit in 0..units {
        for level in 0..levels {
            for item in 0..stride {
                let (of_trunk, at) = (unit * stride + item, (unit * levels + level) * stride + item);
                expected[at] = embedded[at] * trunk[of_trunk];
                // Through the embedding's ReLU.
                expected_deltas[at] = if embedded[at] > 0.0 { upstream[at] * trunk[of_trunk] } else { 0.0 };
                let sum = &mut expected_trunk_deltas[of_trunk];
                *sum = upstream[at].mul_add(embedded[at], *sum);
            }
        }
    }
    for path in Implementation::available() {
        let case = format!("{} {units} units, {levels} levels, stride {stride}", name(path));
        let mut merged = vec![f32::NAN; embedded.len()];
        merge(path, &trunk, stride, &embedded, &mut merged);
        assert_same(&merged, &expected, &case);
        let (mut deltas, mut trunk_deltas) = (upstream.clone(), vec![f32::NAN; trunk.len()]);
        merge_gradient(path, &trunk, stride, &embedded, &mut deltas, &mut trunk_deltas);
        assert_same(&deltas, &expected_deltas, &case);
        assert_same(&trunk_deltas, &expected_trunk_deltas, &case);
    }
}

#[test]
fn merging_and_its_gradient_are_their_definitions_at_odd_sizes() {
    let mut rng = Rng::from_seed(1);
    for (units, levels) in ODD_SIZES.into_iter().zip([7, 3, 1, 2]) {
        let stride = (50 - units).next_multiple_of(LANES);
        check(&mut rng, &Shape { units, levels, stride }, ordinary);
    }
}

#[test]
fn merging_any_numbers_at_all_gives_the_same_bits_on_every_path() {
    let mut rng = Rng::from_seed(2);
    for case in 0..super::cases(300) {
        let shape = Shape { units: 1 + rng.below(9), levels: 1 + rng.below(9), stride: LANES * (1 + case % 3) };
        check(&mut rng, &shape, |rng, len| (0..len).map(|_| any_float(rng)).collect());
    }
}
