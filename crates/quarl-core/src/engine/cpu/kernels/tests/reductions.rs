//! Sums of rows, sums of squares, products for one observation, and transposition.

use super::super::{affine, row_sums, sum_of_squares, transpose};
use super::{Implementation, LANES, ODD_SIZES, any_float, assert_same, cases, name, ordinary, tree};
use crate::rng::Rng;

/// Ordinary numbers in odd cases, arbitrary ones in even cases.
fn numbers(rng: &mut Rng, case: usize, len: usize) -> Vec<f32> {
    if case % 2 == 1 { ordinary(rng, len) } else { (0..len).map(|_| any_float(rng)).collect() }
}

#[test]
fn a_transposition_moves_every_number_and_touches_nothing_else() {
    let mut rng = Rng::from_seed(1);
    let largest = if cfg!(miri) { 18 } else { 50 };
    for rows in 1..=largest {
        for columns in [16, 32, 48] {
            let (source_extra, target_extra) = (rng.below(20), rng.below(20));
            check_transpose(&mut rng, rows, columns, (columns + source_extra, rows + target_extra));
        }
    }
}

#[test]
fn a_transposition_moves_every_number_at_odd_sizes() {
    let mut rng = Rng::from_seed(5);
    for rows in ODD_SIZES {
        for columns in ODD_SIZES.map(|size| size.next_multiple_of(LANES)) {
            check_transpose(&mut rng, rows, columns, (columns, rows));
        }
    }
}

fn check_transpose(rng: &mut Rng, rows: usize, columns: usize, (source_stride, target_stride): (usize, usize)) {
    let source = numbers(rng, 0, (rows - 1) * source_stride + columns);
    let mut expected = vec![-7.0; (columns - 1) * target_stride + rows];
    for i in 0..rows {
        for j in 0..columns {
            expected[j * target_stride + i] = source[i * source_stride + j];
        }
    }
    for path in Implementation::available() {
        let mut target = vec![-7.0; expected.len()];
        transpose(path, &source, rows, source_stride, &mut target, target_stride, columns);
        let case = format!("{} {rows} x {columns}, strides {source_stride}, {target_stride}", name(path));
        assert_same(&target, &expected, &case);
    }
}

#[test]
fn row_sums_are_their_definition_bit_for_bit_on_every_path() {
    let mut rng = Rng::from_seed(2);
    for case in 0..cases(2000) {
        let (rows, stride) = (rng.below(41), LANES * (1 + rng.below(5)));
        check_row_sums(&mut rng, case, rows, stride);
    }
}

#[test]
fn row_sums_are_their_definition_at_odd_sizes() {
    let mut rng = Rng::from_seed(6);
    for rows in ODD_SIZES {
        for columns in ODD_SIZES {
            check_row_sums(&mut rng, 1, rows, columns.next_multiple_of(LANES));
        }
    }
}

fn check_row_sums(rng: &mut Rng, case: usize, rows: usize, stride: usize) {
    let source = numbers(rng, case, rows * stride);
    let expected: Vec<f32> = source
        .chunks_exact(stride)
        .map(|row| {
            let mut lanes: [f32; LANES] = row[..LANES].try_into().unwrap();
            for (at, x) in row.iter().enumerate().skip(LANES) {
                lanes[at % LANES] += x;
            }
            tree(lanes)
        })
        .collect();
    for path in Implementation::available() {
        let mut sums = vec![-7.0; rows];
        row_sums(path, &source, stride, &mut sums);
        assert_same(&sums, &expected, &format!("{} {rows} x {stride}", name(path)));
    }
    if case % 2 == 1 {
        for (row, sum) in source.chunks_exact(stride).zip(&expected) {
            let exact: f64 = row.iter().map(|x| f64::from(*x)).sum();
            let size: f64 = row.iter().map(|x| f64::from(x.abs())).sum();
            assert!((f64::from(*sum) - exact).abs() <= 8.0 * f64::from(f32::EPSILON) * size);
        }
    }
}

#[test]
fn one_observation_through_a_layer_is_its_definition_bit_for_bit_on_every_path() {
    let mut rng = Rng::from_seed(3);
    for case in 0..cases(4000) {
        let (inputs, outputs, relu) = (1 + case / 2 % 40, rng.below(24), rng.below(2) == 1);
        check_affine(&mut rng, case, (inputs, outputs), relu);
    }
}

#[test]
fn one_observation_through_a_layer_is_its_definition_at_odd_sizes() {
    let mut rng = Rng::from_seed(7);
    for inputs in ODD_SIZES {
        for outputs in ODD_SIZES {
            check_affine(&mut rng, 1, (inputs, outputs), outputs % 4 == 1);
        }
    }
}

fn check_affine(rng: &mut Rng, case: usize, (inputs, outputs): (usize, usize), relu: bool) {
    let weight = numbers(rng, case, outputs * inputs);
    let (bias, input) = (numbers(rng, case, outputs), numbers(rng, case, inputs));
    let expected: Vec<f32> = weight
        .chunks_exact(inputs)
        .zip(&bias)
        .map(|(row, bias)| {
            let mut lanes = [0.0_f32; LANES];
            for (at, (w, x)) in row.iter().zip(&input).enumerate() {
                lanes[at % LANES] = w.mul_add(*x, lanes[at % LANES]);
            }
            let y = tree(lanes) + bias;
            if !relu || y > 0.0 { y } else { 0.0 }
        })
        .collect();
    for path in Implementation::available() {
        let mut output = vec![-7.0; outputs];
        affine(path, &weight, &bias, &input, relu, &mut output);
        assert_same(&output, &expected, &format!("{} {inputs} to {outputs}, relu {relu}", name(path)));
    }
    if case % 2 == 1 && !relu {
        for (i, (row, y)) in weight.chunks_exact(inputs).zip(&expected).enumerate() {
            let terms = || row.iter().zip(&input).map(|(w, x)| f64::from(*w) * f64::from(*x));
            let exact = f64::from(bias[i]) + terms().sum::<f64>();
            let size = f64::from(bias[i].abs()) + terms().map(f64::abs).sum::<f64>();
            assert!((f64::from(*y) - exact).abs() <= 5.0 * f64::from(f32::EPSILON) * size);
        }
    }
}

#[test]
fn a_sum_of_squares_is_its_definition_bit_for_bit_on_every_path() {
    let mut rng = Rng::from_seed(4);
    for case in 0..cases(2000) {
        let len = LANES * rng.below(40);
        check_sum_of_squares(&mut rng, case, len);
    }
}

#[test]
fn a_sum_of_squares_is_its_definition_at_odd_sizes() {
    let mut rng = Rng::from_seed(8);
    for size in ODD_SIZES {
        check_sum_of_squares(&mut rng, 1, size.next_multiple_of(LANES));
        // Numbers of vectors for which the four partial sums are used unevenly.
        check_sum_of_squares(&mut rng, 1, size * LANES);
    }
}

fn check_sum_of_squares(rng: &mut Rng, case: usize, len: usize) {
    let values = numbers(rng, case, len);
    let mut sums = [[0.0_f32; LANES]; 4];
    for (at, x) in values.iter().enumerate() {
        let sum = &mut sums[at / LANES % 4][at % LANES];
        *sum = x.mul_add(*x, *sum);
    }
    let expected = tree(std::array::from_fn(|i| (sums[0][i] + sums[2][i]) + (sums[1][i] + sums[3][i])));
    for path in Implementation::available() {
        assert_same(&[sum_of_squares(path, &values)], &[expected], &format!("{} {} values", name(path), values.len()));
    }
    if case % 2 == 1 {
        let exact: f64 = values.iter().map(|x| f64::from(*x).powi(2)).sum();
        assert!((f64::from(expected) - exact).abs() <= 16.0 * f64::from(f32::EPSILON) * exact);
    }
}
