//! Invalid sizes are refused, also those that overflow the address space: safe code must not be able to make a kernel read
//! or write outside its slices, on 32-bit processors either.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::super::arguments::holds;
use super::super::{
    Epilogue, LayerNormCache, Product, QuantileHuber, affine, layer_norm, product, quantile_huber, row_sums, transpose,
};
use super::{CpuPath, LANES};
use crate::engine::cpu::buffer::Buffer;

const HUGE: usize = usize::MAX / 2 + 2;

#[test]
fn a_slice_holds_a_matrix_only_if_it_reaches_to_the_last_element() {
    assert!(holds(12, 3, 4, 4) && !holds(11, 3, 4, 4));
    // The last row ends with its columns.
    assert!(holds(2 * 9 + 4, 3, 4, 9) && !holds(2 * 9 + 3, 3, 4, 9));
    assert!(holds(4, 1, 4, usize::MAX));
    assert!(!holds(100, 3, 4, 3), "rows overlap");
    assert!(holds(0, 0, 4, 4), "no row needs no element");
}

#[test]
fn sizes_that_overflow_the_address_space_are_never_held() {
    for (rows, columns, stride) in [
        // (rows - 1) * stride wraps around to 2.
        (HUGE, 2, 2),
        (HUGE, 1, 2),
        (3, 1, HUGE),
        (usize::MAX, 1, usize::MAX),
        (usize::MAX, usize::MAX, usize::MAX),
        // Only the last row's columns overflow.
        (2, usize::MAX, usize::MAX),
        (2, 2, usize::MAX),
        // Where an address has 32 bits, 65537 * 65536 wraps around to 65536.
        (65538, 1, 65536),
    ] {
        for len in [0, 1, 2, 100, 65536] {
            assert!(!holds(len, rows, columns, stride), "{rows} x {columns}, stride {stride}, in {len}");
        }
    }
}

/// Whether a kernel refuses its arguments.
fn refuses(kernel: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(kernel)).is_err()
}

/// A product of one row, one column and one k, with slices of exactly the needed length.
fn smallest<'a>(a: &'a [f32], b: &'a [f32], c: &'a mut [f32]) -> Product<'a> {
    Product {
        rows: 1,
        columns: 1,
        depth: 1,
        a,
        a_transposed: false,
        a_stride: 1,
        b,
        b_stride: LANES,
        c,
        c_stride: 1,
        bias: None,
        epilogue: Epilogue::Plain,
    }
}

#[test]
fn a_product_refuses_sizes_that_its_slices_do_not_hold() {
    let (row, long) = ([1.0; LANES], [1.0; 64]);
    let refused = |change: fn(&mut Product)| {
        let mut c = [0.0; 64];
        let mut arguments = smallest(&long, &long, &mut c);
        change(&mut arguments);
        refuses(|| product(CpuPath::Scalar, &mut arguments))
    };
    assert!(!refused(|_| {}));
    assert!(refused(|p| p.rows = 0) && refused(|p| p.columns = 0) && refused(|p| p.depth = 0));
    assert!(refused(|p| p.rows = 65) && refused(|p| p.depth = 5) && refused(|p| p.columns = 17));
    // Strides that overflow to a length that the slices have.
    assert!(refused(|p| (p.rows, p.a_stride, p.c_stride) = (HUGE, 2, 2)));
    assert!(refused(|p| (p.depth, p.a_stride, p.b_stride) = (usize::MAX / LANES + 2, usize::MAX, LANES)));
    assert!(refused(|p| (p.rows, p.c_stride) = (3, HUGE)));
    assert!(refused(|p| (p.columns, p.b_stride, p.c_stride) = (usize::MAX, usize::MAX, usize::MAX)));
    // A bias and a gate that are too short.
    let mut c = [0.0; 2];
    let mut arguments = smallest(&long, &long, &mut c);
    (arguments.rows, arguments.bias) = (2, Some(&row[..1]));
    assert!(refuses(|| product(CpuPath::Scalar, &mut arguments)));
    arguments.bias = None;
    arguments.epilogue = Epilogue::WherePositive(&row);
    assert!(refuses(|| product(CpuPath::Scalar, &mut arguments)), "the second row's vector ends behind the gate");
}

#[test]
fn the_other_kernels_refuse_sizes_that_their_slices_do_not_hold() {
    let source = [1.0; 64];
    let path = CpuPath::Scalar;
    assert!(refuses(|| transpose(path, &source, HUGE, 32, &mut [0.0; 64], HUGE, 16)));
    assert!(refuses(|| transpose(path, &source, 4, 16, &mut [0.0; 60], 4, 16)));
    assert!(refuses(|| transpose(path, &source, 2, HUGE, &mut [0.0; 64], 2, 16)));
    assert!(refuses(|| row_sums(path, &source, 16, &mut [0.0; 5])));
    assert!(refuses(|| row_sums(path, &source, usize::MAX - 15, &mut [0.0; 2])));
    assert!(refuses(|| affine(path, &source, &[0.0; 16], &source, false, &mut [0.0; 2])));
    assert!(refuses(|| affine(path, &source, &[0.0; 1], &source[..32], false, &mut [0.0; 2])));
    let mut cache = LayerNormCache { normalised: Buffer::zeros(16), inverse_deviations: Buffer::zeros(16) };
    assert!(refuses(|| layer_norm(path, &mut cache, &[1.0; 2], &[0.0; 2], &mut [0.0; 16])));
    assert!(refuses(|| quantile_huber(
        path,
        &mut QuantileHuber {
            predictions: &source[..32],
            levels: &source[..16],
            targets: &source[..16],
            gradients: &mut [0.0; 32],
            losses: &mut [0.0; 16],
            distances: &mut [0.0; 16],
        }
    )));
}
