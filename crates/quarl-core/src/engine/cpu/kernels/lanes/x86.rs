//! Sixteen lanes on x86-64: AVX-512 and AVX2.

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

// SAFETY (all blocks below): the caller guarantees AVX-512F and for valid pointers, as the trait demands.
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
    unsafe fn max(self, other: Self) -> Self {
        unsafe { Self(_mm512_max_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        unsafe { Self(_mm512_min_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn add_to_exponent(self, n: Self) -> Self {
        unsafe {
            let n = _mm512_slli_epi32::<23>(_mm512_castps_si512(n.0));
            Self(_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(self.0), n)))
        }
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

// SAFETY (all blocks below): the caller guarantees AVX2 and FMA and for valid pointers, as the trait demands.
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
    unsafe fn max(self, other: Self) -> Self {
        unsafe { Self(_mm256_max_ps(self.0, other.0), _mm256_max_ps(self.1, other.1)) }
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        unsafe { Self(_mm256_min_ps(self.0, other.0), _mm256_min_ps(self.1, other.1)) }
    }
    #[inline(always)]
    unsafe fn add_to_exponent(self, n: Self) -> Self {
        unsafe {
            let half = |x: __m256, n: __m256| {
                let n = _mm256_slli_epi32::<23>(_mm256_castps_si256(n));
                _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), n))
            };
            Self(half(self.0, n.0), half(self.1, n.1))
        }
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
    // SAFETY: the caller guarantees AVX2.
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
    // SAFETY: the caller guarantees AVX.
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
