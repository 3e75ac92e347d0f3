//! Vectors of sixteen virtual lanes, independent of the processor's register size.
//!
//! Every kernel is written once over [`Lanes`]. A vector always has 16 lanes: one AVX-512 register, two AVX2 registers,
//! four NEON registers or a plain array. Since the lanes, the order of operations and the fused multiply-adds are the
//! same on every path, so are the results, bit for bit.

#[cfg(target_arch = "aarch64")]
mod arm;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
pub(super) use arm::Neon;
#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

/// The number of lanes of a vector on every path.
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
    /// The 16 floats of `source` from `at` on, which must be there.
    #[inline(always)]
    unsafe fn load_at(source: &[f32], at: usize) -> Self {
        debug_assert!(at + LANES <= source.len(), "reads 16 floats at {at} of {}", source.len());
        // SAFETY: the caller guarantees 16 floats from `at` on and for the instruction set.
        unsafe { Self::load(source.as_ptr().add(at)) }
    }
    /// Writes to the 16 floats of `target` from `at` on, which must be there.
    #[inline(always)]
    unsafe fn store_at(self, target: &mut [f32], at: usize) {
        debug_assert!(at + LANES <= target.len(), "writes 16 floats at {at} of {}", target.len());
        // SAFETY: the caller guarantees 16 floats from `at` on and for the instruction set.
        unsafe { self.store(target.as_mut_ptr().add(at)) }
    }
    /// The `valid` (at most 16) floats of `source` from `at` on, and zeros behind them.
    #[inline(always)]
    unsafe fn load_partial_at(source: &[f32], at: usize, valid: usize) -> Self {
        debug_assert!(at + valid <= source.len(), "reads {valid} floats at {at} of {}", source.len());
        // SAFETY: the caller guarantees `valid` floats from `at` on and for the instruction set.
        unsafe { Self::load_partial(source.as_ptr().add(at), valid) }
    }
    /// Writes the first `valid` (at most 16) floats to `target`, from `at` on.
    #[inline(always)]
    unsafe fn store_partial_at(self, target: &mut [f32], at: usize, valid: usize) {
        debug_assert!(at + valid <= target.len(), "writes {valid} floats at {at} of {}", target.len());
        // SAFETY: the caller guarantees `valid` floats from `at` on and for the instruction set.
        unsafe { self.store_partial(target.as_mut_ptr().add(at), valid) }
    }
    /// Prefetches `source`. Any address is allowed.
    #[inline(always)]
    unsafe fn prefetch(_source: *const f32) {}
    /// The `valid` (at most 16) floats at `source`, and zeros behind them.
    #[inline(always)]
    unsafe fn load_partial(source: *const f32, valid: usize) -> Self {
        let mut lanes = [0.0; LANES];
        // SAFETY: the caller guarantees `valid` readable floats and for the instruction set.
        unsafe {
            std::ptr::copy_nonoverlapping(source, lanes.as_mut_ptr(), valid.min(LANES));
            Self::load(lanes.as_ptr())
        }
    }
    /// Writes the first `valid` (at most 16) floats to `target`.
    #[inline(always)]
    unsafe fn store_partial(self, target: *mut f32, valid: usize) {
        let mut lanes = [0.0; LANES];
        // SAFETY: the caller guarantees `valid` writable floats and for the instruction set.
        unsafe {
            self.store(lanes.as_mut_ptr());
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), target, valid.min(LANES));
        }
    }
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
    /// The larger, lane by lane; `other` where either is NaN.
    unsafe fn max(self, other: Self) -> Self;
    /// The smaller, lane by lane; `other` where either is NaN.
    unsafe fn min(self, other: Self) -> Self;
    /// `self * 2^n`, where n is the whole number in the lowest nine bits of `n` (the other bits are ignored).
    unsafe fn add_to_exponent(self, n: Self) -> Self;
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
            // SAFETY: `out` has 16 floats; the caller guarantees the instruction set.
            unsafe { row.store(out.as_mut_ptr()) };
        }
        for (i, row) in block.iter().enumerate() {
            for (j, x) in row.iter().enumerate() {
                columns[j][i] = *x;
            }
        }
        // SAFETY: each column has 16 floats; the caller guarantees the instruction set.
        std::array::from_fn(|j| unsafe { Self::load(columns[j].as_ptr()) })
    }
}

/// The portable path: an array of lanes. `FMA` means that it is compiled for processors with fused multiply-add, where
/// `f32::mul_add` is one instruction; elsewhere it would call a slow function.
#[derive(Clone, Copy)]
pub(super) struct Scalar<const FMA: bool>([f32; LANES]);

/// `a * b + c`, rounded once.
///
/// WebAssembly has no such instruction: there the result is rounded twice, and differs from the other paths in the last
/// place. Elsewhere, without hardware support, the product is exact in `f64`, and rounding the sum *to odd* before rounding
/// it to `f32` gives the same result as a single rounding (Boldo & Melquiond 2008).
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
    // Rounds to odd: towards the lost part, if there is one and the last bit is even. (NaN, from an infinity, counts as
    // nothing lost.)
    let inexact = u64::from((lost < 0.0) | (lost > 0.0)) & !bits & 1;
    let away = u64::from((lost > 0.0) == (sum > 0.0));
    f64::from_bits(bits.wrapping_add(inexact * away).wrapping_sub(inexact * (1 - away))) as f32
}

/// Whether a number is above 0 (NaN is not), tested on its bits. On AArch64, LLVM compiles `if x > 0.0 { x } else { 0.0 }`
/// to FMAXNM, which returns NaN for a signalling NaN.
#[inline(always)]
fn is_positive(x: f32) -> bool {
    x.to_bits().wrapping_sub(1) < f32::INFINITY.to_bits()
}

/// Computes sixteen lanes from their indices. A plain loop, because Miri is many times slower with [`std::array::from_fn`].
#[inline(always)]
fn each_lane(lane: impl Fn(usize) -> f32) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    let mut i = 0;
    while i < LANES {
        lanes[i] = lane(i);
        i += 1;
    }
    lanes
}

impl<const FMA: bool> Lanes for Scalar<FMA> {
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self([x; LANES])
    }
    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        // SAFETY: the caller guarantees 16 readable floats.
        Self(unsafe { source.cast::<[f32; LANES]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        // SAFETY: the caller guarantees 16 writable floats.
        unsafe { target.cast::<[f32; LANES]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(each_lane(|i| self.0[i] + other.0[i]))
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(each_lane(|i| self.0[i] - other.0[i]))
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(each_lane(|i| self.0[i] * other.0[i]))
    }
    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        Self(each_lane(|i| self.0[i] / other.0[i]))
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        Self(each_lane(|i| self.0[i].sqrt()))
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(each_lane(|i| {
            let (a, b, c) = (self.0[i], factor.0[i], addend.0[i]);
            if FMA { a.mul_add(b, c) } else { fused(a, b, c) }
        }))
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        Self(each_lane(|i| if self.0[i] > other.0[i] { self.0[i] } else { other.0[i] }))
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        Self(each_lane(|i| if self.0[i] < other.0[i] { self.0[i] } else { other.0[i] }))
    }
    #[inline(always)]
    unsafe fn add_to_exponent(self, n: Self) -> Self {
        Self(each_lane(|i| f32::from_bits(self.0[i].to_bits().wrapping_add(n.0[i].to_bits() << 23))))
    }
    #[inline(always)]
    unsafe fn where_positive(self, condition: Self) -> Self {
        Self(each_lane(|i| if is_positive(condition.0[i]) { self.0[i] } else { 0.0 }))
    }
    #[inline(always)]
    unsafe fn flush_below(self, smallest: Self) -> Self {
        Self(each_lane(|i| if self.0[i].abs() < smallest.0[i] { 0.0 } else { self.0[i] }))
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let x = self.0;
        let eight: [f32; 8] = std::array::from_fn(|i| x[i] + x[i + 8]);
        let four: [f32; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
        (four[0] + four[2]) + (four[1] + four[3])
    }
}
