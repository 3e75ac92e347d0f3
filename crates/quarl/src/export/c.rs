//! A C header (C99, with `math.h`).

use std::fmt::Write;

use super::network::{Layer, Network, Reading, literals};
use crate::network::Activation;
use crate::network::LAYER_NORM_EPS;

const HELPERS: &str = "
static inline void quarl_affine(const float *weight, const float *bias, const float *in, int inputs, int outputs, float *out) {
    for (int o = 0; o < outputs; o++) {
        float sum = bias[o];
        for (int i = 0; i < inputs; i++) sum += weight[o * inputs + i] * in[i];
        out[o] = sum;
    }
}

static inline void quarl_relu(float *x, int n) {
    for (int i = 0; i < n; i++) x[i] = x[i] > 0.0f ? x[i] : 0.0f;
}

static inline void quarl_tanh(float *x, int n) {
    for (int i = 0; i < n; i++) x[i] = tanhf(x[i]);
}

static inline void quarl_elu(float *x, int n) {
    for (int i = 0; i < n; i++) x[i] = x[i] > 0.0f ? x[i] : expm1f(x[i]);
}

static inline void quarl_layer_norm(float *x, int n, const float *scale, const float *shift, float epsilon) {
    float mean = 0.0f, variance = 0.0f;
    for (int i = 0; i < n; i++) mean += x[i];
    mean /= (float)n;
    for (int i = 0; i < n; i++) variance += (x[i] - mean) * (x[i] - mean);
    float deviation = sqrtf(variance / (float)n + epsilon);
    for (int i = 0; i < n; i++) x[i] = (x[i] - mean) / deviation * scale[i] + shift[i];
}
";

fn array<T: std::fmt::Debug>(out: &mut String, kind: &str, name: &str, values: &[T]) {
    let suffix = if kind == "float" { "f" } else { "" };
    let _ = write!(out, "\nstatic const {kind} quarl_{name}[{}] = {{\n{}}};\n", values.len(), literals(values, suffix));
}

fn statements(out: &mut String, layers: &[Layer], indent: &str, input: &str) -> String {
    let mut seen = input.to_owned();
    for Layer { name, inputs, outputs, norm, activation, .. } in layers {
        let _ = writeln!(
            out,
            "{indent}float {name}[{outputs}];\n{indent}quarl_affine(quarl_{name}_weight, quarl_{name}_bias, {seen}, {inputs}, {outputs}, {name});"
        );
        if norm.is_some() {
            let _ = writeln!(
                out,
                "{indent}quarl_layer_norm({name}, {outputs}, quarl_{name}_scale, quarl_{name}_shift, {LAYER_NORM_EPS:?}f);"
            );
        }
        match activation {
            None => {}
            Some(Activation::Relu) => _ = writeln!(out, "{indent}quarl_relu({name}, {outputs});"),
            Some(Activation::Tanh) => _ = writeln!(out, "{indent}quarl_tanh({name}, {outputs});"),
            Some(Activation::Elu) => _ = writeln!(out, "{indent}quarl_elu({name}, {outputs});"),
        }
        seen = name.clone();
    }
    seen
}

fn outputs(out: &mut String, network: &Network, indent: &str, input: &str) -> String {
    let (actions, atoms) = (network.actions, network.atoms);
    let outputs = statements(out, &network.output, indent, input);
    if !network.value.is_empty() {
        let value = statements(out, &network.value, indent, input);
        for line in [
            format!("for (int atom = 0; atom < {atoms}; atom++) {{"),
            "    float mean = 0.0f;".to_owned(),
            format!("    for (int a = 0; a < {actions}; a++) mean += {outputs}[a * {atoms} + atom];"),
            format!("    mean /= {actions}.0f;"),
            format!("    for (int a = 0; a < {actions}; a++) {outputs}[a * {atoms} + atom] += {value}[atom] - mean;"),
            "}".to_owned(),
        ] {
            let _ = writeln!(out, "{indent}{line}");
        }
    }
    outputs
}

/// The header's text.
pub(super) fn write(network: &Network) -> String {
    let Network { env, inputs, actions, atoms, .. } = network;
    let mut out = format!(
        "// A greedy agent for {env:?}, exported by quarl {}. C99; link with -lm.\n\
         #ifndef QUARL_AGENT_H\n#define QUARL_AGENT_H\n\n#include <math.h>\n\n\
         // The number of numbers in an observation, and of actions.\n\
         #define QUARL_OBSERVATION {inputs}\n#define QUARL_ACTIONS {actions}\n{HELPERS}",
        env!("CARGO_PKG_VERSION"),
    );
    if let Some([mean, deviation]) = &network.normalisation {
        array(&mut out, "double", "mean", mean);
        array(&mut out, "double", "deviation", deviation);
    }
    match &network.reading {
        Reading::Categorical(support) => array(&mut out, "float", "support", support),
        Reading::Implicit(embedding) => array(&mut out, "float", "embedding", embedding),
        Reading::Values | Reading::Quantiles => {}
    }
    for Layer { name, weight, bias, norm, .. } in network.layers() {
        array(&mut out, "float", &format!("{name}_weight"), weight);
        array(&mut out, "float", &format!("{name}_bias"), bias);
        for (part, values) in ["scale", "shift"].iter().zip(norm.iter().flatten()) {
            array(&mut out, "float", &format!("{name}_{part}"), values);
        }
    }
    out.push_str(
        "\n// Computes the Q-values of all actions.\n\
         static inline void quarl_q_values(const float observation[QUARL_OBSERVATION], float values[QUARL_ACTIONS]) {\n",
    );
    let mut seen = "observation".to_owned();
    if network.normalisation.is_some() {
        let _ = writeln!(
            out,
            "    float input[{inputs}];\n    for (int i = 0; i < {inputs}; i++) \
             input[i] = (float)(((double)observation[i] - quarl_mean[i]) / quarl_deviation[i]);"
        );
        seen = "input".to_owned();
    }
    seen = statements(&mut out, &network.trunk, "    ", &seen);
    match &network.reading {
        Reading::Values => {
            let of = outputs(&mut out, network, "    ", &seen);
            let _ = writeln!(out, "    for (int a = 0; a < {actions}; a++) values[a] = {of}[a];");
        }
        Reading::Quantiles => {
            let of = outputs(&mut out, network, "    ", &seen);
            let _ = writeln!(
                out,
                "    for (int a = 0; a < {actions}; a++) {{\n        float sum = 0.0f;\n        \
                 for (int i = 0; i < {atoms}; i++) sum += {of}[a * {atoms} + i];\n        values[a] = sum / {atoms}.0f;\n    }}"
            );
        }
        Reading::Categorical(_) => {
            let of = outputs(&mut out, network, "    ", &seen);
            let _ = writeln!(
                out,
                "    for (int a = 0; a < {actions}; a++) {{\n        const float *logits = &{of}[a * {atoms}];\n        \
                 float largest = logits[0], sum = 0.0f, weighted = 0.0f;\n        \
                 for (int i = 1; i < {atoms}; i++) largest = logits[i] > largest ? logits[i] : largest;\n        \
                 for (int i = 0; i < {atoms}; i++) {{\n            float weight = expf(logits[i] - largest);\n            \
                 sum += weight;\n            weighted += weight * quarl_support[i];\n        }}\n        \
                 values[a] = weighted / sum;\n    }}"
            );
        }
        Reading::Implicit(embedding) => {
            let features = network.features;
            let levels = embedding.len() / features;
            let _ = writeln!(
                out,
                "    for (int a = 0; a < {actions}; a++) values[a] = 0.0f;\n    \
                 for (int level = 0; level < {levels}; level++) {{\n        float merged[{features}];\n        \
                 for (int i = 0; i < {features}; i++) merged[i] = {seen}[i] * quarl_embedding[level * {features} + i];"
            );
            let of = outputs(&mut out, network, "        ", "merged");
            let _ = writeln!(
                out,
                "        for (int a = 0; a < {actions}; a++) values[a] += {of}[a];\n    }}\n    \
                 for (int a = 0; a < {actions}; a++) values[a] /= {levels}.0f;"
            );
        }
    }
    out.push_str(
        "}\n\n// The action with the largest Q-value; the lowest among equals.\n\
         static inline int quarl_act(const float observation[QUARL_OBSERVATION]) {\n    float values[QUARL_ACTIONS];\n    \
         quarl_q_values(observation, values);\n    int best = 0;\n    \
         for (int a = 1; a < QUARL_ACTIONS; a++) best = values[a] > values[best] ? a : best;\n    return best;\n}\n\n\
         #endif  // QUARL_AGENT_H\n",
    );
    out
}
