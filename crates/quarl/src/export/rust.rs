//! A Rust module that uses `core` only.

use std::fmt::Write;

use super::network::{Layer, Network, Reading, literals};
use crate::network::Activation;
use crate::network::LAYER_NORM_EPS;

const AFFINE: &str = "
fn affine<const I: usize, const O: usize>(weight: &[[f32; I]; O], bias: &[f32; O], inputs: &[f32; I]) -> [f32; O] {
    let mut outputs = *bias;
    for (output, row) in outputs.iter_mut().zip(weight) {
        for (weight, input) in row.iter().zip(inputs) {
            *output += weight * input;
        }
    }
    outputs
}
";
const RELU: &str = "
fn relu(units: &mut [f32]) {
    for x in units {
        *x = x.max(0.0);
    }
}
";
const TANH: &str = "
fn tanh(units: &mut [f32]) {
    for x in units {
        *x = (1.0 - 2.0 / (exp(2.0 * f64::from(*x)) + 1.0)) as f32;
    }
}
";
const ELU: &str = "
fn elu(units: &mut [f32]) {
    for x in units {
        if *x < 0.0 {
            *x = (exp(f64::from(*x)) - 1.0) as f32;
        }
    }
}
";
/// `core` has no exponential: exp(x) = 2^k exp(r) with |r| <= ln(2) / 2, and a Taylor polynomial of degree 13 for exp(r).
const EXP: &str = "
fn exp(x: f64) -> f64 {
    let x = x.clamp(-700.0, 700.0);
    let power = x * core::f64::consts::LOG2_E;
    let k = (power + if power < 0.0 { -0.5 } else { 0.5 }) as i64;
    let r = x - k as f64 * core::f64::consts::LN_2;
    let mut sum = 1.0;
    for i in (1..14).rev() {
        sum = 1.0 + sum * r / f64::from(i);
    }
    sum * f64::from_bits(((k + 1023) as u64) << 52)
}
";
/// `core` has no square root: Newton's method, from half the exponent.
const LAYER_NORM: &str = "
fn sqrt(x: f64) -> f64 {
    let mut root = f64::from_bits((x.to_bits() >> 1) + 0x1ff8_0000_0000_0000);
    for _ in 0..5 {
        root = 0.5 * (root + x / root);
    }
    root
}

fn layer_norm<const N: usize>(units: &mut [f32; N], scale: &[f32; N], shift: &[f32; N]) {
    let mean = units.iter().sum::<f32>() / N as f32;
    let variance = units.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / N as f32;
    let deviation = sqrt(f64::from(variance + EPSILON)) as f32;
    for ((x, scale), shift) in units.iter_mut().zip(scale).zip(shift) {
        *x = (*x - mean) / deviation * scale + shift;
    }
}
";

/// Declares the arrays of a layer.
fn arrays(out: &mut String, layer: &Layer) {
    let Layer { name, inputs, outputs, weight, bias, norm, .. } = layer;
    let name = name.to_uppercase();
    matrix(out, &format!("{name}_WEIGHT"), weight, *inputs);
    vector(out, &format!("{name}_BIAS"), bias, "f32");
    for (part, values) in ["SCALE", "SHIFT"].iter().zip(norm.iter().flatten()) {
        vector(out, &format!("{name}_{part}"), values, "f32");
    }
    debug_assert_eq!(weight.len(), inputs * outputs);
}

fn vector<T: std::fmt::Debug>(out: &mut String, name: &str, values: &[T], kind: &str) {
    let _ =
        write!(out, "\n#[rustfmt::skip]\nstatic {name}: [{kind}; {}] = [\n{}];\n", values.len(), literals(values, ""));
}

fn matrix(out: &mut String, name: &str, values: &[f32], columns: usize) {
    let rows = values.len() / columns;
    let _ = write!(out, "\n#[rustfmt::skip]\nstatic {name}: [[f32; {columns}]; {rows}] = [\n");
    for row in values.chunks_exact(columns) {
        let _ = write!(out, "    [\n{}    ],\n", literals(row, ""));
    }
    out.push_str("];\n");
}

/// The statements of layers after one another; returns the variable with their outputs.
fn statements(out: &mut String, layers: &[Layer], indent: &str, input: &str) -> String {
    let mut seen = input.to_owned();
    for Layer { name, norm, activation, .. } in layers {
        let upper = name.to_uppercase();
        let mutable = if norm.is_some() || activation.is_some() || name == "advantage" { "mut " } else { "" };
        let _ = writeln!(out, "{indent}let {mutable}{name} = affine(&{upper}_WEIGHT, &{upper}_BIAS, &{seen});");
        if norm.is_some() {
            let _ = writeln!(out, "{indent}layer_norm(&mut {name}, &{upper}_SCALE, &{upper}_SHIFT);");
        }
        match activation {
            None => {}
            Some(Activation::Relu) => _ = writeln!(out, "{indent}relu(&mut {name});"),
            Some(Activation::Tanh) => _ = writeln!(out, "{indent}tanh(&mut {name});"),
            Some(Activation::Elu) => _ = writeln!(out, "{indent}elu(&mut {name});"),
        }
        seen = name.clone();
    }
    seen
}

/// The statements of the output layers, dueling included; returns the variable with the outputs.
fn outputs(out: &mut String, network: &Network, indent: &str, input: &str) -> String {
    let outputs = statements(out, &network.output, indent, input);
    if !network.value.is_empty() {
        let value = statements(out, &network.value, indent, input);
        for line in [
            "for atom in 0..ATOMS {".to_owned(),
            format!("    let mean = {outputs}.iter().skip(atom).step_by(ATOMS).sum::<f32>() / ACTIONS as f32;"),
            format!("    for x in {outputs}.iter_mut().skip(atom).step_by(ATOMS) {{"),
            format!("        *x += {value}[atom] - mean;"),
            "    }".to_owned(),
            "}".to_owned(),
        ] {
            let _ = writeln!(out, "{indent}{line}");
        }
    }
    outputs
}

/// The module's text.
pub(super) fn write(network: &Network) -> String {
    let Network { env, inputs, actions, atoms, .. } = network;
    let mut out = format!(
        "//! A greedy agent for {env:?}, exported by quarl {}. Uses `core` only.\n\n\
         /// The number of numbers in an observation.\npub const OBSERVATION: usize = {inputs};\n\
         /// The number of actions.\npub const ACTIONS: usize = {actions};\n",
        env!("CARGO_PKG_VERSION"),
    );
    let is_categorical = matches!(network.reading, Reading::Categorical(_));
    if !network.value.is_empty() || is_categorical || matches!(network.reading, Reading::Quantiles) {
        let _ = writeln!(out, "/// The number of outputs of each action.\nconst ATOMS: usize = {atoms};");
    }
    let has_norm = network.layers().any(|layer| layer.norm.is_some());
    if has_norm {
        let _ = writeln!(out, "/// Added to variances.\nconst EPSILON: f32 = {LAYER_NORM_EPS:?};");
    }
    out.push_str(
        "\n/// The action with the largest Q-value; the lowest among equals.\n#[allow(dead_code)]\n\
         pub fn act(observation: &[f32; OBSERVATION]) -> usize {\n    let values = q_values(observation);\n    \
         let mut best = 0;\n    for (action, value) in values.iter().enumerate() {\n        if *value > values[best] {\n            \
         best = action;\n        }\n    }\n    best\n}\n\n/// The Q-values of all actions.\n\
         pub fn q_values(observation: &[f32; OBSERVATION]) -> [f32; ACTIONS] {\n",
    );
    let mut seen = "observation".to_owned();
    if network.normalisation.is_some() {
        out.push_str(
            "    let input: [f32; OBSERVATION] =\n        core::array::from_fn(|i| ((f64::from(observation[i]) - MEAN[i]) / DEVIATION[i]) as f32);\n",
        );
        seen = "input".to_owned();
    }
    seen = statements(&mut out, &network.trunk, "    ", &seen);
    match &network.reading {
        Reading::Values => {
            let values = outputs(&mut out, network, "    ", &seen);
            let _ = writeln!(out, "    {values}");
        }
        Reading::Quantiles => {
            let values = outputs(&mut out, network, "    ", &seen);
            let _ = writeln!(
                out,
                "    core::array::from_fn(|a| {values}[a * ATOMS..(a + 1) * ATOMS].iter().sum::<f32>() / ATOMS as f32)"
            );
        }
        Reading::Categorical(_) => {
            let values = outputs(&mut out, network, "    ", &seen);
            let _ = writeln!(
                out,
                "    core::array::from_fn(|a| {{\n        let logits = &{values}[a * ATOMS..(a + 1) * ATOMS];\n        \
                 let largest = logits.iter().fold(f32::NEG_INFINITY, |largest, x| largest.max(*x));\n        \
                 let (mut sum, mut weighted) = (0.0, 0.0);\n        for (logit, value) in logits.iter().zip(&SUPPORT) {{\n            \
                 let weight = exp(f64::from(logit - largest));\n            sum += weight;\n            \
                 weighted += weight * f64::from(*value);\n        }}\n        (weighted / sum) as f32\n    }})"
            );
        }
        Reading::Implicit(_) => {
            let features = network.features;
            let _ = writeln!(
                out,
                "    let mut sums = [0.0; ACTIONS];\n    for level in &EMBEDDING {{\n        \
                 let merged: [f32; {features}] = core::array::from_fn(|i| {seen}[i] * level[i]);"
            );
            let values = outputs(&mut out, network, "        ", "merged");
            let _ = writeln!(
                out,
                "        for (sum, x) in sums.iter_mut().zip(&{values}) {{\n            *sum += x;\n        }}\n    }}\n    \
                 sums.map(|sum| sum / EMBEDDING.len() as f32)"
            );
        }
    }
    out.push_str("}\n");
    out.push_str(AFFINE);
    let (tanh, elu) = (network.uses(Activation::Tanh), network.uses(Activation::Elu));
    for (used, text) in [
        (network.uses(Activation::Relu), RELU),
        (tanh, TANH),
        (elu, ELU),
        (tanh || elu || is_categorical, EXP),
        (has_norm, LAYER_NORM),
    ] {
        if used {
            out.push_str(text);
        }
    }
    if let Some([mean, deviation]) = &network.normalisation {
        vector(&mut out, "MEAN", mean, "f64");
        vector(&mut out, "DEVIATION", deviation, "f64");
    }
    match &network.reading {
        Reading::Categorical(support) => vector(&mut out, "SUPPORT", support, "f32"),
        Reading::Implicit(embedding) => matrix(&mut out, "EMBEDDING", embedding, network.features),
        Reading::Values | Reading::Quantiles => {}
    }
    network.layers().for_each(|layer| arrays(&mut out, layer));
    out
}
