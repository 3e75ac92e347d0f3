//! Every kernel in every implementation of this machine, against its definition.
//!
//! A definition is plain Rust with [`f32::mul_add`], in the kernel's order of operations; kernel and definition have to
//! give the same bits. The definitions are compared with sums in `f64`. All NaNs count as equal, whatever their payload.

mod heads;
mod merging;
mod parameter_updates;
mod product;
mod reductions;
mod rounding;
mod shapes;

use super::{CpuPath, Implementation, LANES};
use crate::rng::Rng;

/// The number of random cases: many natively, a few under Miri, which checks pointers rather than numbers.
fn cases(natively: usize) -> usize {
    if cfg!(miri) { natively.div_ceil(500).min(8) } else { natively }
}

/// Sizes below, at and above whole vectors, with a rest that is odd. The tests at these sizes are few enough for Miri
/// (`cargo xtask miri`), which runs every test whose name ends in `at_odd_sizes`.
const ODD_SIZES: [usize; 4] = [1, 7, 17, 33];

/// The name of an implementation in assertion messages.
fn name(implementation: Implementation) -> String {
    format!("{implementation:?}")
}

/// `len` random numbers between -1 and 1.
fn ordinary(rng: &mut Rng, len: usize) -> Vec<f32> {
    (0..len).map(|_| rng.uniform_in(-1.0, 1.0) as f32).collect()
}

/// A random float, more often than not one at which arithmetic goes wrong.
fn any_float(rng: &mut Rng) -> f32 {
    const SPECIAL: [f32; 12] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        f32::MAX,
        f32::MIN,
        f32::MIN_POSITIVE,
        f32::EPSILON,
        1.0 + f32::EPSILON,
    ];
    let bits = rng.next_u64() as u32;
    match rng.below(8) {
        0 => SPECIAL[rng.below(SPECIAL.len())],
        // Subnormal.
        1 => f32::from_bits(bits & 0x807f_ffff),
        // Few digits and similar exponents, so that sums cancel and tie.
        2 => f32::from_bits((bits & 0x8070_0000) | ((118 + rng.below(18) as u32) << 23)),
        // Around a power of two.
        3 => f32::from_bits((bits & 0x8000_0003).wrapping_add((110 + rng.below(34) as u32) << 23).wrapping_sub(2)),
        _ => f32::from_bits(bits),
    }
}

/// Whether two floats are the same: bit for bit, or both NaN.
fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

#[track_caller]
fn assert_same(actual: &[f32], expected: &[f32], case: &str) {
    assert_eq!(actual.len(), expected.len(), "{case}");
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        assert!(same(*a, *e), "{case}: element {i} is {a:e} ({:#x}), not {e:e} ({:#x})", a.to_bits(), e.to_bits());
    }
}

/// The sum of sixteen lanes: i with i + 8, then i + 4, i + 2, i + 1.
fn tree(mut lanes: [f32; LANES]) -> f32 {
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
    }
    lanes[0]
}

#[test]
fn the_scalar_path_is_available_everywhere_and_comes_last() {
    assert_eq!(CpuPath::available().last(), Some(&CpuPath::Scalar));
}

#[test]
fn the_scalar_path_uses_fused_multiply_add_where_the_processor_has_it() {
    let implementations = Implementation::available();
    assert_eq!(implementations.last(), Some(&Implementation::Scalar));
    let expected =
        if Implementation::ScalarFma.is_available() { Implementation::ScalarFma } else { Implementation::Scalar };
    assert_eq!(Implementation::from(CpuPath::Scalar), expected);
    #[cfg(target_arch = "x86_64")]
    assert_eq!(Implementation::ScalarFma.is_available(), is_x86_feature_detected!("fma"));
}
