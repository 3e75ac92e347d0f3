//! Sixteen lanes on AArch64: NEON.

use std::arch::aarch64::*;

use super::Lanes;

/// Four NEON registers: lanes 0 to 3, 4 to 7, 8 to 11 and 12 to 15.
#[derive(Clone, Copy)]
pub(crate) struct Neon([float32x4_t; 4]);

// SAFETY (all blocks below): NEON is part of AArch64; the caller guarantees valid pointers.
impl Lanes for Neon {
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        unsafe { Self([vdupq_n_f32(x); 4]) }
    }
    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        unsafe {
            Self([vld1q_f32(source), vld1q_f32(source.add(4)), vld1q_f32(source.add(8)), vld1q_f32(source.add(12))])
        }
    }
    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        for (i, quarter) in self.0.into_iter().enumerate() {
            unsafe { vst1q_f32(target.add(4 * i), quarter) }
        }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| unsafe { vaddq_f32(self.0[i], other.0[i]) }))
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| unsafe { vsubq_f32(self.0[i], other.0[i]) }))
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| unsafe { vmulq_f32(self.0[i], other.0[i]) }))
    }
    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| unsafe { vdivq_f32(self.0[i], other.0[i]) }))
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        Self(self.0.map(|quarter| unsafe { vsqrtq_f32(quarter) }))
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(std::array::from_fn(|i| unsafe { vfmaq_f32(addend.0[i], self.0[i], factor.0[i]) }))
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| unsafe { vbslq_f32(vcgtq_f32(self.0[i], other.0[i]), self.0[i], other.0[i]) }))
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| unsafe { vbslq_f32(vcltq_f32(self.0[i], other.0[i]), self.0[i], other.0[i]) }))
    }
    #[inline(always)]
    unsafe fn add_to_exponent(self, n: Self) -> Self {
        Self(std::array::from_fn(|i| unsafe {
            let n = vshlq_n_u32::<23>(vreinterpretq_u32_f32(n.0[i]));
            vreinterpretq_f32_u32(vaddq_u32(vreinterpretq_u32_f32(self.0[i]), n))
        }))
    }
    #[inline(always)]
    unsafe fn where_positive(self, condition: Self) -> Self {
        Self(std::array::from_fn(|i| unsafe {
            // Tested on the bits, as in the parent's `is_positive`.
            let bits = vreinterpretq_u32_f32(condition.0[i]);
            let positive = vcltq_u32(vsubq_u32(bits, vdupq_n_u32(1)), vdupq_n_u32(f32::INFINITY.to_bits()));
            vreinterpretq_f32_u32(vandq_u32(positive, vreinterpretq_u32_f32(self.0[i])))
        }))
    }
    #[inline(always)]
    unsafe fn flush_below(self, smallest: Self) -> Self {
        Self(std::array::from_fn(|i| unsafe {
            let below = vcaltq_f32(self.0[i], smallest.0[i]);
            vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(self.0[i]), below))
        }))
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        unsafe {
            let low = vaddq_f32(self.0[0], self.0[2]);
            let high = vaddq_f32(self.0[1], self.0[3]);
            let four = vaddq_f32(low, high);
            let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
            vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
        }
    }
}
