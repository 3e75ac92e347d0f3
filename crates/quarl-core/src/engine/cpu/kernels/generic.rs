//! The kernels, written once over [`Lanes`] and compiled for each instruction set.
//!
//! Everything here is `inline(always)`: the only callers are the wrappers in the parent module that enable the instruction
//! set.
//!
//! # Safety
//! Each function may only be called where its `Lanes` type's instruction set is available. The slices' lengths have been
//! checked by the parent module.

use super::lanes::{LANES, Lanes};
use super::{Epilogue, Product};
pub(super) use super::{distributions::*, optimizers::*, units::*};

/// [`super::product`]: tiles whose sums stay in registers while k runs, of the widest kind that fits: `MR4` rows by 4
/// vectors, `MR2` rows by 2 (on paths with enough registers), and `MR1` rows by 1.
#[inline(always)]
pub(super) unsafe fn product<V: Lanes, const MR4: usize, const MR2: usize, const MR1: usize>(product: &mut Product) {
    let vectors = product.columns.div_ceil(LANES);
    let mut vector = 0;
    // SAFETY: the parent has checked the slices; the caller guarantees the instruction set.
    unsafe {
        while MR4 > 0 && vector + 4 <= vectors {
            column_of_tiles::<V, MR4, 4>(product, vector * LANES);
            vector += 4;
        }
        while MR2 > 0 && vector + 2 <= vectors {
            column_of_tiles::<V, MR2, 2>(product, vector * LANES);
            vector += 2;
        }
        while vector < vectors {
            column_of_tiles::<V, MR1, 1>(product, vector * LANES);
            vector += 1;
        }
    }
}

/// All rows of the `NV` vectors that start at `column`.
#[inline(always)]
unsafe fn column_of_tiles<V: Lanes, const MR: usize, const NV: usize>(product: &mut Product, column: usize) {
    let mut row = 0;
    // SAFETY: as in `product`.
    unsafe {
        while MR > 0 && row + MR <= product.rows {
            tile::<V, MR, NV>(product, row, column);
            row += MR;
        }
        while row + 4 <= product.rows {
            tile::<V, 4, NV>(product, row, column);
            row += 4;
        }
        while row < product.rows {
            if row + 2 <= product.rows {
                tile::<V, 2, NV>(product, row, column);
                row += 2;
            } else {
                tile::<V, 1, NV>(product, row, column);
                row += 1;
            }
        }
    }
}

/// One tile. Each element is summed in the order k = 0, 1, 2, .. with fused multiply-adds, starting from its bias, so its
/// value depends neither on the tile's shape nor on the path.
#[inline(always)]
unsafe fn tile<V: Lanes, const MR: usize, const NV: usize>(product: &mut Product, row: usize, column: usize) {
    // SAFETY: the parent has checked that every index used here lies within the slices; the caller guarantees the
    // instruction set.
    unsafe {
        let mut sums = [[V::splat(0.0); NV]; MR];
        if let Some(bias) = product.bias {
            for (i, sums) in sums.iter_mut().enumerate() {
                *sums = [V::splat(*bias.get_unchecked(row + i)); NV];
            }
        }
        let b = product.b.get_unchecked(column..);
        // Two loops, so that the distance between A's rows is a constant in the first one.
        if product.a_transposed {
            let a = product.a.get_unchecked(row..);
            add_all_products(&mut sums, product.depth, a, (1, product.a_stride), b, product.b_stride);
        } else {
            let a = product.a.get_unchecked(row * product.a_stride..);
            add_all_products(&mut sums, product.depth, a, (product.a_stride, 1), b, product.b_stride);
        }
        // One loop for each epilogue: a branch for each vector would cost as much as storing it.
        match product.epilogue {
            Epilogue::Plain => store(product, row, column, sums, |sum, _| sum),
            Epilogue::Relu => store(product, row, column, sums, |sum, _| sum.where_positive(sum)),
            Epilogue::WherePositive(gate) => {
                store(product, row, column, sums, |sum, at| sum.where_positive(V::load_at(gate, at)))
            }
        }
    }
}

/// Writes a tile, each vector changed by `epilogue`, which is also told where in C it goes.
#[inline(always)]
unsafe fn store<V: Lanes, const MR: usize, const NV: usize>(
    product: &mut Product,
    row: usize,
    column: usize,
    sums: [[V; NV]; MR],
    epilogue: impl Fn(V, usize) -> V,
) {
    let whole = column + NV * LANES <= product.columns;
    for (i, sums) in sums.into_iter().enumerate() {
        for (j, sum) in sums.into_iter().enumerate() {
            let at = (row + i) * product.c_stride + column + LANES * j;
            // SAFETY: as in `tile`.
            unsafe {
                if whole {
                    epilogue(sum, at).store_at(product.c, at);
                } else {
                    let valid = (product.columns - (column + LANES * j)).min(LANES);
                    epilogue(sum, at).store_partial_at(product.c, at, valid);
                }
            }
        }
    }
}

/// Adds the products of all k to a tile's sums. Four k are unrolled: loop counters would otherwise compete with
/// multiplications.
#[inline(always)]
unsafe fn add_all_products<V: Lanes, const MR: usize, const NV: usize>(
    sums: &mut [[V; NV]; MR],
    depth: usize,
    a: &[f32],
    (row_step, k_step): (usize, usize),
    b: &[f32],
    b_stride: usize,
) {
    debug_assert!(
        (MR - 1) * row_step + (depth - 1) * k_step < a.len() && (depth - 1) * b_stride + NV * LANES <= b.len()
    );
    let (mut a, mut b) = (a.as_ptr(), b.as_ptr());
    // SAFETY: as in `add_products`. The pointers advance by `wrapping_add`, because after the last k they lie behind the
    // slices' ends, where `add` must not go; nothing is read there. Nor are the addresses to prefetch read.
    unsafe {
        let mut next_tile = a.wrapping_add(MR * row_step);
        for _ in 0..depth / 4 {
            // A is read from the second cache, so it is asked for early. Along its rows: the next tile's, as much as this
            // tile uses meanwhile. Down its columns (a line each k, which later tiles have to fetch anew): some k ahead.
            if k_step == 1 {
                for line in 0..(MR * 4).div_ceil(LANES) {
                    V::prefetch(next_tile.wrapping_add(line * LANES));
                }
                next_tile = next_tile.wrapping_add(MR * 4);
            } else {
                for k in 12..16 {
                    V::prefetch(a.wrapping_add(k * k_step));
                }
            }
            add_products::<V, MR, NV, 4>(sums, a, (row_step, k_step), b, b_stride);
            a = a.wrapping_add(4 * k_step);
            b = b.wrapping_add(4 * b_stride);
        }
        for _ in 0..depth % 4 {
            add_products::<V, MR, NV, 1>(sums, a, (row_step, k_step), b, b_stride);
            a = a.wrapping_add(k_step);
            b = b.wrapping_add(b_stride);
        }
    }
}

/// Adds the products of `K` successive k to a tile's sums.
#[inline(always)]
unsafe fn add_products<V: Lanes, const MR: usize, const NV: usize, const K: usize>(
    sums: &mut [[V; NV]; MR],
    a: *const f32,
    (row_step, k_step): (usize, usize),
    b: *const f32,
    b_stride: usize,
) {
    // SAFETY: the caller guarantees `MR` rows and `K` columns of A from `a` on, `K` rows of B from `b` on, and for the
    // instruction set.
    unsafe {
        for k in 0..K {
            let factors: [V; NV] = std::array::from_fn(|j| V::load(b.add(k * b_stride + LANES * j)));
            for (i, sums) in sums.iter_mut().enumerate() {
                let a = V::splat(*a.add(i * row_step + k * k_step));
                for (sum, factor) in sums.iter_mut().zip(factors) {
                    *sum = a.mul_add(factor, *sum);
                }
            }
        }
    }
}

/// [`super::transpose`].
#[inline(always)]
pub(super) unsafe fn transpose<V: Lanes>(
    source: &[f32],
    rows: usize,
    source_stride: usize,
    target: &mut [f32],
    target_stride: usize,
    columns: usize,
) {
    for row in (0..rows).step_by(LANES) {
        for column in (0..columns).step_by(LANES) {
            if row + LANES <= rows {
                // SAFETY: the parent has checked that whole blocks lie within both slices.
                unsafe {
                    let block = std::array::from_fn(|i| V::load_at(source, (row + i) * source_stride + column));
                    for (j, out) in V::transpose(block).into_iter().enumerate() {
                        out.store_at(target, (column + j) * target_stride + row);
                    }
                }
            } else {
                for i in row..rows {
                    for j in column..column + LANES {
                        target[j * target_stride + i] = source[i * source_stride + j];
                    }
                }
            }
        }
    }
}

/// [`super::row_sums`].
#[inline(always)]
pub(super) unsafe fn row_sums<V: Lanes>(source: &[f32], stride: usize, sums: &mut [f32]) {
    for (row, out) in source.chunks_exact(stride).zip(sums) {
        // SAFETY: a row is a whole number of vectors; the caller guarantees the instruction set.
        unsafe {
            let mut sum = V::load_at(row, 0);
            for at in (LANES..stride).step_by(LANES) {
                sum = sum.add(V::load_at(row, at));
            }
            *out = sum.sum();
        }
    }
}

/// [`super::affine`]: four rows at a time, so that four chains of multiply-adds hide each other's latency.
#[inline(always)]
pub(super) unsafe fn affine<V: Lanes>(weight: &[f32], bias: &[f32], input: &[f32], relu: bool, output: &mut [f32]) {
    let mut row = 0;
    // SAFETY: as below.
    unsafe {
        while row + 4 <= output.len() {
            affine_rows::<V, 4>(weight, bias, input, relu, output, row);
            row += 4;
        }
        while row < output.len() {
            affine_rows::<V, 1>(weight, bias, input, relu, output, row);
            row += 1;
        }
    }
}

/// `ROWS` dot products: 16 partial sums each, added in the fixed tree.
#[inline(always)]
unsafe fn affine_rows<V: Lanes, const ROWS: usize>(
    weight: &[f32],
    bias: &[f32],
    input: &[f32],
    relu: bool,
    output: &mut [f32],
    row: usize,
) {
    let inputs = input.len();
    let whole = inputs - inputs % LANES;
    // SAFETY: each row has `inputs` floats, `whole` of them in whole vectors; the caller guarantees the instruction set.
    unsafe {
        let rows = weight.get_unchecked(row * inputs..);
        let mut sums = [V::splat(0.0); ROWS];
        for at in (0..whole).step_by(LANES) {
            let x = V::load_at(input, at);
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = V::load_at(rows, i * inputs + at).mul_add(x, *sum);
            }
        }
        if whole < inputs {
            let x = V::load_partial_at(input, whole, inputs - whole);
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = V::load_partial_at(rows, i * inputs + whole, inputs - whole).mul_add(x, *sum);
            }
        }
        for (i, sum) in sums.into_iter().enumerate() {
            let y = sum.sum() + bias.get_unchecked(row + i);
            *output.get_unchecked_mut(row + i) = if !relu || y > 0.0 { y } else { 0.0 };
        }
    }
}

/// [`super::sum_of_squares`]: four vectors of partial sums, added pairwise.
#[inline(always)]
pub(super) unsafe fn sum_of_squares<V: Lanes>(values: &[f32]) -> f32 {
    // SAFETY: the length is a multiple of the vector's; the caller guarantees the instruction set.
    unsafe {
        let mut sums = [V::splat(0.0); 4];
        for (i, chunk) in values.chunks_exact(LANES).enumerate() {
            let x = V::load_at(chunk, 0);
            sums[i % 4] = x.mul_add(x, sums[i % 4]);
        }
        sums[0].add(sums[2]).add(sums[1].add(sums[3])).sum()
    }
}

/// [`super::polyak_update`].
#[inline(always)]
pub(super) unsafe fn polyak_update<V: Lanes>(target: &mut [f32], source: &[f32], tau: f32) {
    // SAFETY: both slices have the same length, a multiple of the vector's; the caller guarantees the instruction set.
    unsafe {
        let tau = V::splat(tau);
        for at in (0..target.len()).step_by(LANES) {
            let old = V::load_at(target, at);
            V::load_at(source, at).sub(old).mul_add(tau, old).store_at(target, at);
        }
    }
}

/// [`super::multiply_add_loop`]: as many independent chains as the processor can execute at once.
#[inline(always)]
pub(super) unsafe fn multiply_add_loop<V: Lanes, const CHAINS: usize>(repetitions: u64) -> f32 {
    // SAFETY: the caller guarantees the instruction set.
    unsafe {
        let (factor, addend) = (V::splat(0.999_999), V::splat(1e-6));
        // All chains differ and none is constant, so that the compiler cannot merge them.
        let starts = std::hint::black_box([[0.5_f32; LANES]; CHAINS]);
        let mut sums: [V; CHAINS] = std::array::from_fn(|i| V::load_at(&starts[i], 0));
        for _ in 0..repetitions {
            for sum in &mut sums {
                *sum = sum.mul_add(factor, addend);
            }
        }
        // Summed lane by lane, so that the scalar path's lanes stay together as in the other kernels.
        let sums = std::hint::black_box(sums);
        sums.into_iter().fold(V::splat(0.0), |a, b| a.add(b)).sum()
    }
}
