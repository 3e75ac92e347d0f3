//! ONNX, opset 17 (the first with `LayerNormalization`). Field numbers are those of `onnx.proto`.

use super::network::{Layer, Network, Reading};
use crate::network::Activation;
use crate::network::LAYER_NORM_EPS;
use crate::protobuf::Message;

const IR_VERSION: i64 = 8;
const OPSET: i64 = 17;
/// Types of tensor elements.
const FLOAT: i64 = 1;
const INT64: i64 = 7;
const DOUBLE: i64 = 11;

/// An attribute of a node.
enum Attribute {
    Int(i64),
    Float(f32),
    Ints(Vec<i64>),
}

/// The graph while nodes are appended.
#[derive(Default)]
struct Graph {
    nodes: Vec<Message>,
    tensors: Vec<Message>,
}

impl Graph {
    /// Appends a node and returns the name of its output.
    fn node(&mut self, kind: &str, inputs: &[&str], output: &str, attributes: &[(&str, Attribute)]) -> String {
        let mut node = Message::default();
        for input in inputs {
            node = node.bytes(1, input);
        }
        node = node.bytes(2, output).bytes(3, format!("{output}_node")).bytes(4, kind);
        for (name, value) in attributes {
            let attribute = Message::default().bytes(1, name);
            node = node.message(
                5,
                match value {
                    Attribute::Float(value) => attribute.float(2, *value).int(20, 1),
                    Attribute::Int(value) => attribute.int(3, *value).int(20, 2),
                    Attribute::Ints(values) => {
                        values.iter().fold(attribute, |all, value| all.int(8, *value)).int(20, 7)
                    }
                },
            );
        }
        self.nodes.push(node);
        output.to_owned()
    }

    fn tensor(&mut self, name: &str, kind: i64, shape: &[usize], bytes: Vec<u8>) {
        let tensor = shape.iter().fold(Message::default(), |tensor, size| tensor.int(1, *size as i64));
        self.tensors.push(tensor.int(2, kind).bytes(8, name).bytes(9, bytes));
    }

    fn floats(&mut self, name: &str, shape: &[usize], numbers: &[f32]) {
        self.tensor(name, FLOAT, shape, numbers.iter().flat_map(|x| x.to_le_bytes()).collect());
    }

    fn doubles(&mut self, name: &str, numbers: &[f64]) {
        self.tensor(name, DOUBLE, &[numbers.len()], numbers.iter().flat_map(|x| x.to_le_bytes()).collect());
    }

    /// Gives a tensor another shape, of which -1 is the remaining size.
    fn reshape(&mut self, input: &str, output: &str, shape: &[i64]) -> String {
        let name = format!("{output}_shape");
        self.tensor(&name, INT64, &[shape.len()], shape.iter().flat_map(|x| x.to_le_bytes()).collect());
        self.node("Reshape", &[input, &name], output, &[])
    }

    fn mean(&mut self, input: &str, output: &str, axis: i64, keep: i64) -> String {
        let attributes = [("axes", Attribute::Ints(vec![axis])), ("keepdims", Attribute::Int(keep))];
        self.node("ReduceMean", &[input], output, &attributes)
    }

    fn layers(&mut self, layers: &[Layer], input: String) -> String {
        let mut seen = input;
        for Layer { name, inputs, outputs, weight, bias, norm, activation } in layers {
            let [of_weight, of_bias] = ["weight", "bias"].map(|part| format!("{name}.{part}"));
            self.floats(&of_weight, &[*outputs, *inputs], weight);
            self.floats(&of_bias, &[*outputs], bias);
            seen = self.node("Gemm", &[&seen, &of_weight, &of_bias], name, &[("transB", Attribute::Int(1))]);
            if let Some([scale, shift]) = norm {
                let [of_scale, of_shift] = ["scale", "shift"].map(|part| format!("{name}.norm.{part}"));
                self.floats(&of_scale, &[*outputs], scale);
                self.floats(&of_shift, &[*outputs], shift);
                let attributes = [("axis", Attribute::Int(-1)), ("epsilon", Attribute::Float(LAYER_NORM_EPS))];
                let inputs = [&*seen, &of_scale, &of_shift];
                seen = self.node("LayerNormalization", &inputs, &format!("{name}_normalised"), &attributes);
            }
            let kind = match activation {
                None => continue,
                Some(Activation::Relu) => "Relu",
                Some(Activation::Tanh) => "Tanh",
                Some(Activation::Elu) => "Elu",
            };
            seen = self.node(kind, &[&seen], &format!("{name}_activated"), &[]);
        }
        seen
    }
}

/// The description of an input or output: `[batch]`, or `[batch, size]`.
fn value(name: &str, kind: i64, size: Option<usize>) -> Message {
    let mut shape = Message::default().message(1, Message::default().bytes(2, "batch"));
    if let Some(size) = size {
        shape = shape.message(1, Message::default().int(1, size as i64));
    }
    let tensor = Message::default().int(1, kind).message(2, shape);
    Message::default().bytes(1, name).message(2, Message::default().message(1, tensor))
}

/// The bytes of the model.
pub(super) fn write(network: &Network) -> Vec<u8> {
    let (actions, atoms) = (network.actions as i64, network.atoms as i64);
    let graph = &mut Graph::default();
    let mut seen = "observation".to_owned();
    if let Some([mean, deviation]) = &network.normalisation {
        graph.doubles("observation.mean", mean);
        graph.doubles("observation.deviation", deviation);
        seen = graph.node("Cast", &[&seen], "observation_f64", &[("to", Attribute::Int(DOUBLE))]);
        seen = graph.node("Sub", &[&seen, "observation.mean"], "observation_centred", &[]);
        seen = graph.node("Div", &[&seen, "observation.deviation"], "observation_scaled", &[]);
        seen = graph.node("Cast", &[&seen], "observation_normalised", &[("to", Attribute::Int(FLOAT))]);
    }
    seen = graph.layers(&network.trunk, seen);
    if let Reading::Implicit(embedding) = &network.reading {
        let features = network.features;
        graph.floats("embedding", &[1, embedding.len() / features, features], embedding);
        seen = graph.reshape(&seen, "features", &[-1, 1, features as i64]);
        seen = graph.node("Mul", &[&seen, "embedding"], "merged", &[]);
        seen = graph.reshape(&seen, "merged_rows", &[-1, features as i64]);
    }
    let outputs = graph.layers(&network.output, seen.clone());
    let mut outputs = graph.reshape(&outputs, "outputs", &[-1, actions, atoms]);
    if !network.value.is_empty() {
        let value = graph.layers(&network.value, seen);
        let value = graph.reshape(&value, "values", &[-1, 1, atoms]);
        let mean = graph.mean(&outputs, "advantage_mean", 1, 1);
        let centred = graph.node("Sub", &[&outputs, &mean], "advantage_centred", &[]);
        outputs = graph.node("Add", &[&centred, &value], "dueling", &[]);
    }
    match &network.reading {
        Reading::Values => {
            graph.reshape(&outputs, "q_values", &[-1, actions]);
        }
        Reading::Quantiles => {
            graph.mean(&outputs, "q_values", 2, 0);
        }
        Reading::Categorical(support) => {
            graph.floats("support", &[support.len(), 1], support);
            let probabilities = graph.node("Softmax", &[&outputs], "probabilities", &[("axis", Attribute::Int(-1))]);
            let product = graph.node("MatMul", &[&probabilities, "support"], "expectation", &[]);
            graph.reshape(&product, "q_values", &[-1, actions]);
        }
        Reading::Implicit(embedding) => {
            let levels = embedding.len() / network.features;
            let by_level = graph.reshape(&outputs, "by_level", &[-1, levels as i64, actions]);
            graph.mean(&by_level, "q_values", 1, 0);
        }
    }
    graph.node("ArgMax", &["q_values"], "action", &[("axis", Attribute::Int(1)), ("keepdims", Attribute::Int(0))]);

    let mut message = Message::default();
    for node in std::mem::take(&mut graph.nodes) {
        message = message.message(1, node);
    }
    message = message.bytes(2, "quarl");
    for tensor in std::mem::take(&mut graph.tensors) {
        message = message.message(5, tensor);
    }
    message = message
        .message(11, value("observation", FLOAT, Some(network.inputs)))
        .message(12, value("q_values", FLOAT, Some(network.actions)))
        .message(12, value("action", INT64, None));
    Message::default()
        .int(1, IR_VERSION)
        .bytes(2, "quarl")
        .message(7, message)
        .message(8, Message::default().int(2, OPSET))
        .message(14, Message::default().bytes(1, "env").bytes(2, &network.env))
        .0
}
