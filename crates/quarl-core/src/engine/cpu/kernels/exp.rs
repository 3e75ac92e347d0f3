//! The exponential function from multiply-adds: portable, for sixteen lanes.

use super::lanes::Lanes;

/// e^x, to two units in the last place for x in [-87, 88]; x outside is clamped to this interval (NaN to -87).
///
/// x = n ln 2 + r with |r| <= ln 2 / 2, a polynomial for e^r (the coefficients of Moshier's Cephes library), and n added to
/// the exponent's bits. Adding 1.5 * 2^23 rounds to the nearest whole number, which then stands in the lowest bits.
///
/// # Safety
/// Only where V's instruction set is available.
#[inline(always)]
#[allow(clippy::excessive_precision)]
pub(super) unsafe fn exp<V: Lanes>(x: V) -> V {
    // SAFETY: the caller guarantees the instruction set.
    unsafe {
        let splat = |x: f32| V::splat(x);
        let x = x.max(splat(-87.0)).min(splat(88.0));
        let rounder = splat(12_582_912.0);
        let shifted = x.mul_add(splat(std::f32::consts::LOG2_E), rounder);
        let n = shifted.sub(rounder);
        // ln 2 in two pieces, the first with so few bits that its product with n is exact.
        let r = n.mul_add(splat(2.121_944_4e-4), n.mul_add(splat(-0.693_359_375), x));
        let mut p = splat(1.987_569_15e-4);
        for coefficient in
            [1.398_199_950_7e-3, 8.333_451_907_3e-3, 4.166_579_589_4e-2, 1.666_666_545_9e-1, 5.000_000_120_1e-1]
        {
            p = p.mul_add(r, splat(coefficient));
        }
        let power = p.mul_add(r.mul(r), r.add(splat(1.0)));
        power.add_to_exponent(shifted)
    }
}
