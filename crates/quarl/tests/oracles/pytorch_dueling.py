"""Records what PyTorch makes of dueling networks (Wang et al. 2016), for `pytorch_dueling.rs`: outputs, and the gradient of
their weighted sum with respect to every tensor, with and without given noise.

    python pytorch_dueling.py > ../fixtures/pytorch_dueling.json

Parameters, observations, noise and weights are not recorded: both sides compute them from the same hash of the index
(see pytorch_update.py). Everything is computed in float64.
"""

import json
import sys

import torch
from pytorch_network import Network
from pytorch_update import uniform

INPUTS, ACTIONS, BATCH, LEVELS = 3, 3, 5, 2
CASES = [
    {"hidden": [6], "dueling_hidden": 4, "head": "scalar", "atoms": 1},
    {"hidden": [6, 5], "dueling_hidden": 7, "head": "scalar", "atoms": 1, "noisy": True},
    {"hidden": [], "dueling_hidden": 4, "head": "scalar", "atoms": 1, "layer_norm": True},
    {"hidden": [6], "dueling_hidden": 4, "head": "categorical", "atoms": 3, "layer_norm": True},
    {"hidden": [6], "dueling_hidden": 4, "head": "categorical", "atoms": 3, "noisy": True},
    {"hidden": [5], "dueling_hidden": 6, "head": "quantile", "atoms": 4, "noisy": True, "layer_norm": True},
    {"hidden": [5], "dueling_hidden": 6, "head": "quantile", "atoms": 4},
    {"hidden": [5], "dueling_hidden": 4, "head": "implicit", "atoms": 1, "cosines": 3, "noisy": True, "layer_norm": True},
]


def numbers(stream, count, low, high):
    return torch.from_numpy(uniform(stream, count, low, high)).double()


def record(case):
    noisy = case.get("noisy", False)
    network = Network(
        INPUTS, case["hidden"], ACTIONS, case["atoms"], case["dueling_hidden"],
        case.get("layer_norm", False), case.get("cosines", 0),
    )
    shapes = {}
    for name, (outputs, inputs) in network.linears.items():
        for suffix in ("", "_sigma") if noisy else ("",):
            shapes[f"{name}.weight{suffix}"], shapes[f"{name}.bias{suffix}"] = (outputs, inputs), (outputs,)
    for name, units in network.norms.items():
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (units,), (units,)
    parameters = {
        name: numbers(100 + i, torch.Size(shape).numel(), -1.0, 1.0).reshape(shape).requires_grad_()
        for i, (name, shape) in enumerate(shapes.items())
    }
    noise, start = None, 0
    if noisy:
        # One draw for each layer's inputs and outputs, in the order of the layers.
        values = numbers(200, 1000, -1.5, 1.5)
        noise = {}
        for name, (outputs, inputs) in network.linears.items():
            noise[name] = values[start : start + inputs], values[start + inputs : start + inputs + outputs]
            start += inputs + outputs
    obs = numbers(201, BATCH * INPUTS, -2.0, 2.0).reshape(BATCH, INPUTS)
    levels = numbers(202, BATCH * LEVELS, 0.0, 1.0).reshape(BATCH, LEVELS)
    outputs = network.forward(parameters, obs, levels, noise)
    weights = numbers(203, outputs.numel(), -1.0, 1.0).reshape(outputs.shape)
    (outputs * weights).sum().backward()
    rounded = lambda tensor: [float(f"{x:.9g}") for x in tensor.detach().flatten().tolist()]
    gradients = [[name, rounded(parameter.grad)] for name, parameter in parameters.items()]
    return {**case, "noise": start, "outputs": rounded(outputs), "gradients": gradients}


if __name__ == "__main__":
    json.dump({"torch": torch.__version__.split("+")[0], "cases": [record(case) for case in CASES]}, sys.stdout,
              separators=(",", ":"))
