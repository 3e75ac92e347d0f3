//! Sixteen virtual lanes, whatever the processor's registers hold.
//!
//! Every kernel is written once over [`Lanes`]. A vector always has 16 lanes: one AVX-512 register, two AVX2 registers,
//! four NEON registers or a plain array. Since the lanes, the order of operations and the fused multiply-adds are the
//! same on every path, so are the results, bit for bit.

/// How many lanes a vector has on every path.
pub(crate) const LANES: usize = 16;

/// Sixteen `f32` and the few operations that the kernels need.
///
/// # Safety
/// Every method may only be called where the implementing type's instruction set is available; pointers must be valid
/// for 16 floats (no alignment is required).
pub(super) trait Lanes: Copy {
    /// All lanes equal to `x`.
    unsafe fn splat(x: f32) -> Self;
    /// The 16 floats at `source`.
    unsafe fn load(source: *const f32) -> Self;
    /// Writes the 16 floats to `target`.
    unsafe fn store(self, target: *mut f32);
    /// Tells the processor that what `source` points to will be read soon. Any address will do.
    #[inline(always)]
    unsafe fn prefetch(_source: *const f32) {}
    /// The `valid` (at most 16) floats at `source`, and zeros behind them.
    unsafe fn load_partial(source: *const f32, valid: usize) -> Self;
    /// Writes the first `valid` (at most 16) floats to `target`.
    unsafe fn store_partial(self, target: *mut f32, valid: usize);
    /// `self + other`, lane by lane.
    unsafe fn add(self, other: Self) -> Self;
    /// `self - other`, lane by lane.
    unsafe fn sub(self, other: Self) -> Self;
    /// `self * other`, lane by lane.
    unsafe fn mul(self, other: Self) -> Self;
    /// `self / other`, lane by lane.
    unsafe fn div(self, other: Self) -> Self;
    /// The square root, lane by lane.
    unsafe fn sqrt(self) -> Self;
    /// `self * factor + addend`, rounded once.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// `self` where `condition > 0`, else (NaN included) zero.
    unsafe fn where_positive(self, condition: Self) -> Self;
    /// Zero where `|self| < smallest`, else `self` (NaN included).
    unsafe fn flush_below(self, smallest: Self) -> Self;
    /// All lanes added up in one fixed tree: lane i with lane i + 8, then i + 4, i + 2, i + 1.
    unsafe fn sum(self) -> f32;
    /// The 16 by 16 block whose rows are `rows`, transposed.
    #[inline(always)]
    unsafe fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
        let mut block = [[0.0_f32; LANES]; LANES];
        let mut columns = [[0.0_f32; LANES]; LANES];
        for (row, out) in rows.iter().zip(&mut block) {
            // SAFETY: `out` has 16 floats; the caller vouches for the instruction set.
            unsafe { row.store(out.as_mut_ptr()) };
        }
        for (i, row) in block.iter().enumerate() {
            for (j, x) in row.iter().enumerate() {
                columns[j][i] = *x;
            }
        }
        // SAFETY: each column has 16 floats; the caller vouches for the instruction set.
        std::array::from_fn(|j| unsafe { Self::load(columns[j].as_ptr()) })
    }
}

/// The portable path: an array, one lane after the other.
#[derive(Clone, Copy)]
pub(super) struct Scalar([f32; LANES]);

/// `a * b + c`, rounded once.
///
/// WebAssembly has no such instruction, so there it is rounded twice (and results differ from the other paths in the last
/// place). Elsewhere, without hardware support, the product is exact in `f64`, and rounding the sum *to odd* before it is
/// rounded to `f32` gives what a single rounding would have given (Boldo & Melquiond 2008).
#[inline(always)]
pub(super) fn fused(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(target_arch = "wasm32") {
        return a * b + c;
    }
    if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
        return a.mul_add(b, c);
    }
    let (product, c) = (f64::from(a) * f64::from(b), f64::from(c));
    let sum = product + c;
    let back = sum - product;
    let lost = (product - (sum - back)) + (c - back);
    let bits = sum.to_bits();
    // Towards what was lost, if anything was and the last bit is even. (NaN, from an infinity, counts as nothing lost.)
    let inexact = u64::from((lost < 0.0) | (lost > 0.0)) & !bits & 1;
    let away = u64::from((lost > 0.0) == (sum > 0.0));
    f64::from_bits(bits.wrapping_add(inexact * away).wrapping_sub(inexact * (1 - away))) as f32
}

impl Lanes for Scalar {
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self([x; LANES])
    }
    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        // SAFETY: the caller vouches for 16 readable floats.
        Self(unsafe { source.cast::<[f32; LANES]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        // SAFETY: the caller vouches for 16 writable floats.
        unsafe { target.cast::<[f32; LANES]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn load_partial(source: *const f32, valid: usize) -> Self {
        let mut lanes = [0.0; LANES];
        // SAFETY: the caller vouches for `valid` readable floats and for the instruction set.
        unsafe {
            std::ptr::copy_nonoverlapping(source, lanes.as_mut_ptr(), valid.min(LANES));
            Self::load(lanes.as_ptr())
        }
    }
    #[inline(always)]
    unsafe fn store_partial(self, target: *mut f32, valid: usize) {
        let mut lanes = [0.0; LANES];
        // SAFETY: the caller vouches for `valid` writable floats and for the instruction set.
        unsafe {
            self.store(lanes.as_mut_ptr());
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), target, valid.min(LANES));
        }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] * other.0[i]))
    }
    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] / other.0[i]))
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        Self(self.0.map(f32::sqrt))
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(std::array::from_fn(|i| fused(self.0[i], factor.0[i], addend.0[i])))
    }
    #[inline(always)]
    unsafe fn where_positive(self, condition: Self) -> Self {
        Self(std::array::from_fn(|i| if condition.0[i] > 0.0 { self.0[i] } else { 0.0 }))
    }
    #[inline(always)]
    unsafe fn flush_below(self, smallest: Self) -> Self {
        Self(std::array::from_fn(|i| if self.0[i].abs() < smallest.0[i] { 0.0 } else { self.0[i] }))
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let x = self.0;
        let eight: [f32; 8] = std::array::from_fn(|i| x[i] + x[i + 8]);
        let four: [f32; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
        (four[0] + four[2]) + (four[1] + four[3])
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{LANES, Lanes};

    /// `x[0] + x[2] + (x[1] + x[3])`: the last two levels of the tree.
    #[inline(always)]
    unsafe fn sum_four(x: __m128) -> f32 {
        // SAFETY: SSE is part of x86-64.
        unsafe {
            let two = _mm_add_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<0b01>(two, two)))
        }
    }

    /// One AVX-512 register.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512(__m512);

    // SAFETY (all blocks below): the caller vouches for AVX-512F and for valid pointers, as the trait demands.
    impl Lanes for Avx512 {
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            unsafe { Self(_mm512_set1_ps(x)) }
        }
        #[inline(always)]
        unsafe fn load(source: *const f32) -> Self {
            unsafe { Self(_mm512_loadu_ps(source)) }
        }
        #[inline(always)]
        unsafe fn prefetch(source: *const f32) {
            unsafe { _mm_prefetch::<_MM_HINT_T0>(source.cast()) }
        }
        #[inline(always)]
        unsafe fn store(self, target: *mut f32) {
            unsafe { _mm512_storeu_ps(target, self.0) }
        }
        #[inline(always)]
        unsafe fn load_partial(source: *const f32, valid: usize) -> Self {
            unsafe { Self(_mm512_maskz_loadu_ps(((1_u32 << valid) - 1) as u16, source)) }
        }
        #[inline(always)]
        unsafe fn store_partial(self, target: *mut f32, valid: usize) {
            unsafe { _mm512_mask_storeu_ps(target, ((1_u32 << valid) - 1) as u16, self.0) }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            unsafe { Self(_mm512_add_ps(self.0, other.0)) }
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            unsafe { Self(_mm512_sub_ps(self.0, other.0)) }
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            unsafe { Self(_mm512_mul_ps(self.0, other.0)) }
        }
        #[inline(always)]
        unsafe fn div(self, other: Self) -> Self {
            unsafe { Self(_mm512_div_ps(self.0, other.0)) }
        }
        #[inline(always)]
        unsafe fn sqrt(self) -> Self {
            unsafe { Self(_mm512_sqrt_ps(self.0)) }
        }
        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
            unsafe { Self(_mm512_fmadd_ps(self.0, factor.0, addend.0)) }
        }
        #[inline(always)]
        unsafe fn where_positive(self, condition: Self) -> Self {
            unsafe {
                let positive = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(condition.0, _mm512_setzero_ps());
                Self(_mm512_maskz_mov_ps(positive, self.0))
            }
        }
        #[inline(always)]
        unsafe fn flush_below(self, smallest: Self) -> Self {
            unsafe {
                let kept = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(_mm512_abs_ps(self.0), smallest.0);
                Self(_mm512_maskz_mov_ps(kept, self.0))
            }
        }
        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            unsafe {
                let high = _mm512_castps512_ps256(_mm512_shuffle_f32x4::<0b1110>(self.0, self.0));
                let eight = _mm256_add_ps(_mm512_castps512_ps256(self.0), high);
                sum_four(_mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight)))
            }
        }
        #[inline(always)]
        unsafe fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
            unsafe {
                // Pairs of rows, then pairs of pairs, interleave within each quarter of a register; the last two
                // shuffles move whole quarters.
                let mut pairs = [_mm512_setzero_ps(); LANES];
                for i in 0..8 {
                    pairs[2 * i] = _mm512_unpacklo_ps(rows[2 * i].0, rows[2 * i + 1].0);
                    pairs[2 * i + 1] = _mm512_unpackhi_ps(rows[2 * i].0, rows[2 * i + 1].0);
                }
                let mut fours = [_mm512_setzero_ps(); LANES];
                for i in 0..4 {
                    for half in 0..2 {
                        let a = _mm512_castps_pd(pairs[4 * i + half]);
                        let b = _mm512_castps_pd(pairs[4 * i + 2 + half]);
                        fours[4 * i + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
                        fours[4 * i + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
                    }
                }
                let mut columns = rows;
                for c in 0..4 {
                    let low01 = _mm512_shuffle_f32x4::<0x88>(fours[c], fours[4 + c]);
                    let high01 = _mm512_shuffle_f32x4::<0xdd>(fours[c], fours[4 + c]);
                    let low23 = _mm512_shuffle_f32x4::<0x88>(fours[8 + c], fours[12 + c]);
                    let high23 = _mm512_shuffle_f32x4::<0xdd>(fours[8 + c], fours[12 + c]);
                    columns[c] = Self(_mm512_shuffle_f32x4::<0x88>(low01, low23));
                    columns[4 + c] = Self(_mm512_shuffle_f32x4::<0x88>(high01, high23));
                    columns[8 + c] = Self(_mm512_shuffle_f32x4::<0xdd>(low01, low23));
                    columns[12 + c] = Self(_mm512_shuffle_f32x4::<0xdd>(high01, high23));
                }
                columns
            }
        }
    }

    /// Two AVX2 registers: lanes 0 to 7 and 8 to 15.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx2(__m256, __m256);

    // SAFETY (all blocks below): the caller vouches for AVX2 and FMA and for valid pointers, as the trait demands.
    impl Lanes for Avx2 {
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            unsafe { Self(_mm256_set1_ps(x), _mm256_set1_ps(x)) }
        }
        #[inline(always)]
        unsafe fn load(source: *const f32) -> Self {
            unsafe { Self(_mm256_loadu_ps(source), _mm256_loadu_ps(source.add(8))) }
        }
        #[inline(always)]
        unsafe fn prefetch(source: *const f32) {
            unsafe { _mm_prefetch::<_MM_HINT_T0>(source.cast()) }
        }
        #[inline(always)]
        unsafe fn store(self, target: *mut f32) {
            unsafe {
                _mm256_storeu_ps(target, self.0);
                _mm256_storeu_ps(target.add(8), self.1);
            }
        }
        #[inline(always)]
        unsafe fn load_partial(source: *const f32, valid: usize) -> Self {
            unsafe {
                let (low, high) = first(valid);
                Self(_mm256_maskload_ps(source, low), _mm256_maskload_ps(source.wrapping_add(8), high))
            }
        }
        #[inline(always)]
        unsafe fn store_partial(self, target: *mut f32, valid: usize) {
            unsafe {
                let (low, high) = first(valid);
                _mm256_maskstore_ps(target, low, self.0);
                _mm256_maskstore_ps(target.wrapping_add(8), high, self.1);
            }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            unsafe { Self(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            unsafe { Self(_mm256_sub_ps(self.0, other.0), _mm256_sub_ps(self.1, other.1)) }
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            unsafe { Self(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1)) }
        }
        #[inline(always)]
        unsafe fn div(self, other: Self) -> Self {
            unsafe { Self(_mm256_div_ps(self.0, other.0), _mm256_div_ps(self.1, other.1)) }
        }
        #[inline(always)]
        unsafe fn sqrt(self) -> Self {
            unsafe { Self(_mm256_sqrt_ps(self.0), _mm256_sqrt_ps(self.1)) }
        }
        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
            unsafe { Self(_mm256_fmadd_ps(self.0, factor.0, addend.0), _mm256_fmadd_ps(self.1, factor.1, addend.1)) }
        }
        #[inline(always)]
        unsafe fn where_positive(self, condition: Self) -> Self {
            unsafe {
                let zero = _mm256_setzero_ps();
                Self(
                    _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(condition.0, zero), self.0),
                    _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(condition.1, zero), self.1),
                )
            }
        }
        #[inline(always)]
        unsafe fn flush_below(self, smallest: Self) -> Self {
            unsafe {
                let sign = _mm256_set1_ps(-0.0);
                let low = _mm256_cmp_ps::<_CMP_NLT_UQ>(_mm256_andnot_ps(sign, self.0), smallest.0);
                let high = _mm256_cmp_ps::<_CMP_NLT_UQ>(_mm256_andnot_ps(sign, self.1), smallest.1);
                Self(_mm256_and_ps(low, self.0), _mm256_and_ps(high, self.1))
            }
        }
        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            unsafe {
                let eight = _mm256_add_ps(self.0, self.1);
                sum_four(_mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight)))
            }
        }
        #[inline(always)]
        unsafe fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
            unsafe {
                let top_left = transpose_eight(std::array::from_fn(|i| rows[i].0));
                let top_right = transpose_eight(std::array::from_fn(|i| rows[i].1));
                let bottom_left = transpose_eight(std::array::from_fn(|i| rows[8 + i].0));
                let bottom_right = transpose_eight(std::array::from_fn(|i| rows[8 + i].1));
                std::array::from_fn(|j| {
                    if j < 8 { Self(top_left[j], bottom_left[j]) } else { Self(top_right[j - 8], bottom_right[j - 8]) }
                })
            }
        }
    }

    /// Masks for the first `valid` of 16 lanes.
    #[inline(always)]
    unsafe fn first(valid: usize) -> (__m256i, __m256i) {
        // SAFETY: the caller vouches for AVX2.
        unsafe {
            let valid = _mm256_set1_epi32(valid as i32);
            let low = _mm256_cmpgt_epi32(valid, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
            let high = _mm256_cmpgt_epi32(valid, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15));
            (low, high)
        }
    }

    /// An 8 by 8 block, transposed: pairs of rows, pairs of pairs, then halves of registers.
    #[inline(always)]
    unsafe fn transpose_eight(rows: [__m256; 8]) -> [__m256; 8] {
        // SAFETY: the caller vouches for AVX.
        unsafe {
            let mut fours = [_mm256_setzero_ps(); 8];
            for i in 0..2 {
                let low01 = _mm256_unpacklo_ps(rows[4 * i], rows[4 * i + 1]);
                let high01 = _mm256_unpackhi_ps(rows[4 * i], rows[4 * i + 1]);
                let low23 = _mm256_unpacklo_ps(rows[4 * i + 2], rows[4 * i + 3]);
                let high23 = _mm256_unpackhi_ps(rows[4 * i + 2], rows[4 * i + 3]);
                fours[4 * i] = _mm256_shuffle_ps::<0x44>(low01, low23);
                fours[4 * i + 1] = _mm256_shuffle_ps::<0xee>(low01, low23);
                fours[4 * i + 2] = _mm256_shuffle_ps::<0x44>(high01, high23);
                fours[4 * i + 3] = _mm256_shuffle_ps::<0xee>(high01, high23);
            }
            let mut columns = rows;
            for c in 0..4 {
                columns[c] = _mm256_permute2f128_ps::<0x20>(fours[c], fours[4 + c]);
                columns[4 + c] = _mm256_permute2f128_ps::<0x31>(fours[c], fours[4 + c]);
            }
            columns
        }
    }
}

#[cfg(target_arch = "aarch64")]
pub(super) use arm::Neon;

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::aarch64::*;

    use super::{LANES, Lanes};

    /// Four NEON registers: lanes 0 to 3, 4 to 7, 8 to 11 and 12 to 15.
    #[derive(Clone, Copy)]
    pub(crate) struct Neon([float32x4_t; 4]);

    // SAFETY (all blocks below): NEON is part of AArch64; the caller vouches for valid pointers.
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
        unsafe fn load_partial(source: *const f32, valid: usize) -> Self {
            let mut lanes = [0.0; LANES];
            // SAFETY: the caller vouches for `valid` readable floats and for the instruction set.
            unsafe {
                std::ptr::copy_nonoverlapping(source, lanes.as_mut_ptr(), valid.min(LANES));
                Self::load(lanes.as_ptr())
            }
        }
        #[inline(always)]
        unsafe fn store_partial(self, target: *mut f32, valid: usize) {
            let mut lanes = [0.0; LANES];
            // SAFETY: the caller vouches for `valid` writable floats and for the instruction set.
            unsafe {
                self.store(lanes.as_mut_ptr());
                std::ptr::copy_nonoverlapping(lanes.as_ptr(), target, valid.min(LANES));
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
        unsafe fn where_positive(self, condition: Self) -> Self {
            Self(std::array::from_fn(|i| unsafe {
                let positive = vcgtzq_f32(condition.0[i]);
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
}
