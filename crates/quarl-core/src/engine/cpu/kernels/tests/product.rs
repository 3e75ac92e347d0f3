//! The matrix product: every shape, stride and epilogue.

use super::super::{Epilogue, Product, product};
use super::{Implementation, LANES, ODD_SIZES, any_float, assert_same, cases, name, ordinary, same};
use crate::rng::Rng;

/// The value of numbers that a kernel must not touch.
const UNTOUCHED: f32 = -12345.0;

/// The shape of a product. Every stride is larger than needed, and the rest is filled with a marker.
#[derive(Clone, Copy, Debug)]
struct Shape {
    rows: usize,
    columns: usize,
    depth: usize,
    a_transposed: bool,
    a_extra: usize,
    b_extra: usize,
    c_extra: usize,
    bias: bool,
    epilogue: Ending,
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Plain,
    Relu,
    WherePositive,
}

struct Operands {
    a: Vec<f32>,
    b: Vec<f32>,
    bias: Vec<f32>,
    gate: Vec<f32>,
}

impl Shape {
    fn any(rng: &mut Rng, largest: usize) -> Self {
        Self {
            rows: 1 + rng.below(largest),
            columns: 1 + rng.below(largest),
            depth: 1 + rng.below(largest),
            a_transposed: rng.below(2) == 1,
            a_extra: rng.below(20),
            b_extra: rng.below(20),
            c_extra: rng.below(20),
            bias: rng.below(2) == 1,
            epilogue: [Ending::Plain, Ending::Relu, Ending::WherePositive][rng.below(3)],
        }
    }

    fn vectors(&self) -> usize {
        self.columns.next_multiple_of(LANES)
    }

    fn a_rows_and_columns(&self) -> (usize, usize) {
        if self.a_transposed { (self.depth, self.rows) } else { (self.rows, self.depth) }
    }

    fn a_stride(&self) -> usize {
        self.a_rows_and_columns().1 + self.a_extra
    }

    fn b_stride(&self) -> usize {
        self.vectors() + self.b_extra
    }

    fn c_stride(&self) -> usize {
        self.columns + self.c_extra
    }

    /// Operands from `numbers`, and NaN wherever nothing should be read, or nothing read should be stored. The slices end
    /// with the last element that the shape needs.
    fn operands(&self, rng: &mut Rng, mut number: impl FnMut(&mut Rng) -> f32) -> Operands {
        let mut matrix = |rows: usize, columns: usize, stride: usize, end: usize| {
            let mut values = vec![f32::NAN; (rows - 1) * stride + end];
            for row in 0..rows {
                values[row * stride..row * stride + columns].fill_with(|| number(rng));
            }
            values
        };
        let (a_rows, a_columns) = self.a_rows_and_columns();
        Operands {
            a: matrix(a_rows, a_columns, self.a_stride(), a_columns),
            b: matrix(self.depth, self.columns, self.b_stride(), self.vectors()),
            bias: matrix(1, self.rows, self.rows, self.rows),
            gate: matrix(self.rows, self.columns, self.c_stride(), self.vectors()),
        }
    }

    fn a(&self, operands: &Operands, i: usize, k: usize) -> f32 {
        operands.a[if self.a_transposed { k * self.a_stride() + i } else { i * self.a_stride() + k }]
    }

    /// `C`, element by element: k in ascending order, one rounding for each step.
    fn expected(&self, operands: &Operands) -> Vec<f32> {
        self.each_element(|i, j| {
            let start = if self.bias { operands.bias[i] } else { 0.0 };
            let sum = (0..self.depth)
                .fold(start, |sum, k| self.a(operands, i, k).mul_add(operands.b[k * self.b_stride() + j], sum));
            let keep = match self.epilogue {
                Ending::Plain => true,
                Ending::Relu => sum > 0.0,
                Ending::WherePositive => operands.gate[i * self.c_stride() + j] > 0.0,
            };
            if keep { sum } else { 0.0 }
        })
    }

    fn each_element(&self, value: impl Fn(usize, usize) -> f32) -> Vec<f32> {
        let mut c = vec![UNTOUCHED; (self.rows - 1) * self.c_stride() + self.columns];
        for i in 0..self.rows {
            for j in 0..self.columns {
                c[i * self.c_stride() + j] = value(i, j);
            }
        }
        c
    }

    fn computed(&self, path: Implementation, operands: &Operands) -> Vec<f32> {
        let mut c = vec![UNTOUCHED; (self.rows - 1) * self.c_stride() + self.columns];
        let mut arguments = Product {
            rows: self.rows,
            columns: self.columns,
            depth: self.depth,
            a: &operands.a,
            a_transposed: self.a_transposed,
            a_stride: self.a_stride(),
            b: &operands.b,
            b_stride: self.b_stride(),
            c: &mut c,
            c_stride: self.c_stride(),
            bias: self.bias.then_some(&operands.bias),
            epilogue: match self.epilogue {
                Ending::Plain => Epilogue::Plain,
                Ending::Relu => Epilogue::Relu,
                Ending::WherePositive => Epilogue::WherePositive(&operands.gate),
            },
        };
        product(path, &mut arguments);
        c
    }

    fn check(&self, operands: &Operands) {
        let expected = self.expected(operands);
        for path in Implementation::available() {
            assert_same(&self.computed(path, operands), &expected, &format!("{} {self:?}", name(path)));
        }
    }
}

#[test]
fn products_of_any_shape_are_their_definition_bit_for_bit_on_every_path() {
    let mut rng = Rng::from_seed(1);
    for _ in 0..cases(3000) {
        let shape = Shape::any(&mut rng, 40);
        shape.check(&shape.operands(&mut rng, |rng| rng.uniform_in(-1.0, 1.0) as f32));
    }
}

#[test]
fn products_of_every_small_shape_are_their_definition_bit_for_bit_on_every_path() {
    let mut rng = Rng::from_seed(2);
    let largest = if cfg!(miri) { 9 } else { 40 };
    for rows in 1..=largest {
        for columns in 1..=largest {
            let depth = 1 + (rows + columns) % 9;
            let shape = Shape { rows, columns, depth, ..Shape::any(&mut rng, 1) };
            shape.check(&shape.operands(&mut rng, |rng| rng.uniform_in(-1.0, 1.0) as f32));
        }
    }
}

#[test]
fn products_are_their_definition_on_every_path_at_odd_sizes() {
    let mut rng = Rng::from_seed(5);
    for case in 0..ODD_SIZES.len().pow(2) {
        // Every pair of sizes, each with and without a bias and a transposed A; the slices end with their last element.
        let (row, column) = (case % ODD_SIZES.len(), case / ODD_SIZES.len());
        let shape = Shape {
            rows: ODD_SIZES[row],
            columns: ODD_SIZES[column],
            depth: ODD_SIZES[(row + column) % ODD_SIZES.len()],
            a_transposed: case % 2 == 1,
            a_extra: 0,
            b_extra: 0,
            c_extra: 0,
            bias: case / 2 % 2 == 1,
            epilogue: [Ending::Plain, Ending::Relu, Ending::WherePositive][case % 3],
        };
        shape.check(&shape.operands(&mut rng, |rng| rng.uniform_in(-1.0, 1.0) as f32));
    }
}

#[test]
fn products_of_any_numbers_at_all_have_the_same_bits_on_every_path() {
    let mut rng = Rng::from_seed(3);
    for _ in 0..cases(3000) {
        let shape = Shape::any(&mut rng, 24);
        shape.check(&shape.operands(&mut rng, any_float));
    }
}

#[test]
fn the_definition_of_a_product_is_the_sum_in_f64_up_to_rounding() {
    let mut rng = Rng::from_seed(4);
    for _ in 0..cases(300) {
        let shape = Shape { epilogue: Ending::Plain, ..Shape::any(&mut rng, 40) };
        let operands = shape.operands(&mut rng, |rng| rng.uniform_in(-1.0, 1.0) as f32);
        let actual = shape.expected(&operands);
        let each = |i: usize, j: usize, of: fn(f64) -> f64| {
            let start = if shape.bias { of(f64::from(operands.bias[i])) } else { 0.0 };
            let products = (0..shape.depth)
                .map(|k| of(f64::from(shape.a(&operands, i, k)) * f64::from(operands.b[k * shape.b_stride() + j])));
            start + products.sum::<f64>()
        };
        for i in 0..shape.rows {
            for j in 0..shape.columns {
                let error = (f64::from(actual[i * shape.c_stride() + j]) - each(i, j, |x| x)).abs();
                // One rounding for each step, of at most half a unit in the last place of a partial sum.
                let bound = shape.depth as f64 * f64::from(f32::EPSILON) / 2.0 * each(i, j, f64::abs);
                assert!(error <= bound, "{shape:?}: element ({i}, {j}) is off by {error:e}, more than {bound:e}");
            }
        }
    }
}

#[test]
fn a_gradient_passes_a_relu_only_where_its_output_was_positive() {
    let gate = [1.0, 0.0, -0.0, -1.0, f32::NAN, f32::from_bits(1), -f32::from_bits(1), f32::INFINITY];
    let mut gate_row = vec![0.0; LANES];
    gate_row[..gate.len()].copy_from_slice(&gate);
    for path in Implementation::available() {
        let mut c = [UNTOUCHED; 8];
        let mut arguments = Product {
            rows: 1,
            columns: 8,
            depth: 1,
            a: &[2.0],
            a_transposed: false,
            a_stride: 1,
            b: &[3.0; LANES],
            b_stride: LANES,
            c: &mut c,
            c_stride: 8,
            bias: None,
            epilogue: Epilogue::WherePositive(&gate_row),
        };
        product(path, &mut arguments);
        assert_eq!(c, [6.0, 0.0, 0.0, 0.0, 0.0, 6.0, 0.0, 6.0], "{}", name(path));
    }
}

#[test]
fn relu_makes_zero_of_nan_and_of_both_zeros() {
    let inputs = [1.0, -1.0, 0.0, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::from_bits(1)];
    let expected = [1.0, 0.0, 0.0, 0.0, 0.0, f32::INFINITY, 0.0, f32::from_bits(1)];
    for path in Implementation::available() {
        let mut b = ordinary(&mut Rng::from_seed(0), LANES);
        b[..8].copy_from_slice(&inputs);
        let mut c = [UNTOUCHED; 8];
        let mut arguments = Product {
            rows: 1,
            columns: 8,
            depth: 1,
            a: &[1.0],
            a_transposed: false,
            a_stride: 1,
            b: &b,
            b_stride: LANES,
            c: &mut c,
            c_stride: 8,
            bias: None,
            epilogue: Epilogue::Relu,
        };
        product(path, &mut arguments);
        assert!(c.iter().zip(expected).all(|(c, e)| same(*c, e)), "{}: {c:?}", name(path));
    }
}
