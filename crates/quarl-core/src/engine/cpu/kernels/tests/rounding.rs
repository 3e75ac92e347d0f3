//! The fused multiply-add rounds once on every path, with or without hardware support.

use super::super::lanes::fused;
use super::super::{Epilogue, Product, product};
use super::{Implementation, LANES, any_float, assert_same, cases, name, same};
use crate::rng::Rng;

/// Three floats whose `a * b + c` is so near the middle between two floats that `f64` cannot distinguish the sides, so that
/// rounding twice gives the wrong result.
fn near_halfway(rng: &mut Rng) -> [f32; 3] {
    let (few, sign) = (|rng: &mut Rng| rng.below(64) as f32, |rng: &mut Rng| [1.0_f32, -1.0][rng.below(2)]);
    let power = |exponent: i32| f32::from_bits(((exponent + 127) as u32) << 23);
    // (1 + k e)(1 - k e) = 1 - k^2 e^2: just below a half of the last place of c, or just above.
    let k = few(rng);
    let scale = power(rng.below(60) as i32 - 30);
    let a = (1.0 + k * f32::EPSILON) * sign(rng);
    let b = (1.0 - (k - few(rng).min(k)) * f32::EPSILON) * sign(rng) * scale * power(-24);
    let c = (1.0 + few(rng) * f32::EPSILON) * scale * sign(rng);
    [a, b, c]
}

/// [`near_halfway`] for subnormal results, where floats are evenly spaced.
fn near_halfway_subnormal(rng: &mut Rng) -> [f32; 3] {
    let smallest = f32::from_bits(1);
    let odd_halves = |rng: &mut Rng| f32::from_bits(0x3f00_0000 + rng.below(4) as u32) * [1.0, 3.0][rng.below(2)];
    let a = odd_halves(rng) * f32::from_bits(0x2000_0000);
    let b = smallest / f32::from_bits(0x2000_0000) * [1.0, -1.0, 1.0 + f32::EPSILON][rng.below(3)];
    [a, b, f32::from_bits(rng.below(1 << 24) as u32) * [1.0, -1.0][rng.below(2)]]
}

fn any_three(rng: &mut Rng, case: usize) -> [f32; 3] {
    match case % 4 {
        0 => near_halfway(rng),
        1 => near_halfway_subnormal(rng),
        _ => std::array::from_fn(|_| any_float(rng)),
    }
}

#[test]
fn a_fused_multiply_add_without_hardware_is_rounded_once() {
    let mut rng = Rng::from_seed(1);
    let mut twice_rounded_differs = 0;
    for case in 0..cases(4_000_000) {
        let [a, b, c] = any_three(&mut rng, case);
        let (actual, expected) = (fused(a, b, c), a.mul_add(b, c));
        assert!(same(actual, expected), "{a:e} * {b:e} + {c:e} is {expected:e}, not {actual:e}");
        let twice = (f64::from(a) * f64::from(b) + f64::from(c)) as f32;
        twice_rounded_differs += usize::from(!same(twice, expected));
    }
    // Otherwise the cases would prove nothing.
    assert!(cfg!(miri) || twice_rounded_differs > 10_000, "only {twice_rounded_differs} hard cases");
}

#[test]
fn a_multiply_add_inside_a_kernel_is_rounded_once_on_every_path() {
    let mut rng = Rng::from_seed(2);
    for case in 0..cases(100_000) {
        let mut b = [0.0; LANES];
        let [a, _, c] = any_three(&mut rng, case);
        b.fill_with(|| any_three(&mut rng, case)[1]);
        let expected = b.map(|b| a.mul_add(b, c));
        for path in Implementation::available() {
            let mut out = [0.0; LANES];
            let mut arguments = Product {
                rows: 1,
                columns: LANES,
                depth: 1,
                a: &[a],
                a_transposed: false,
                a_stride: 1,
                b: &b,
                b_stride: LANES,
                c: &mut out,
                c_stride: LANES,
                bias: Some(&[c]),
                epilogue: Epilogue::Plain,
            };
            product(path, &mut arguments);
            assert_same(&out, &expected, &name(path));
        }
    }
}
