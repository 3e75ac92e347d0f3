"""The network, head by head, as PyTorch code: what `pytorch_dueling.py` and `pytorch_whole_update.py` share.

Parameters are a dictionary of tensors by their names in a model file, so that any of them can be given.
"""

import math

import torch
from torch.nn import functional


class Network:
    """`hidden`: the trunk. `dueling_hidden`: units of each stream's hidden layer; None for a network without streams.
    `atoms`: numbers an action has in the output. `cosines`: 0, or those of an implicit head."""

    def __init__(self, inputs, hidden, actions, atoms=1, dueling_hidden=None, layer_norm=False, cosines=0):
        self.actions, self.atoms, self.dueling, self.cosines = actions, atoms, dueling_hidden is not None, cosines
        self.trunk = len(hidden)
        self.linears, self.norms = {}, {}  # name: (outputs, inputs), name: units
        width = inputs
        for i, units in enumerate(hidden, 1):
            self.linears[f"l{i}"], self.norms[f"norm{i}"] = (units, width), units
            width = units
        if cosines:
            self.linears["embedding"] = (width, cosines)
        if self.dueling:
            for name, outputs in (("value", atoms), ("advantage", actions * atoms)):
                self.linears[f"{name}_hidden"], self.norms[f"{name}_norm"] = (dueling_hidden, width), dueling_hidden
                self.linears[name] = (outputs, dueling_hidden)
        else:
            self.linears[f"l{len(hidden) + 1}"] = (actions * atoms, width)
        if not layer_norm:
            self.norms = {}

    def forward(self, parameters, obs, levels=None, noise=None):
        """`[item][action][atom]`; for an implicit head, at `levels` (`[item][level]`), `[item][action][level]`. `noise`
        gives each noisy layer's f(eps) of inputs and of outputs."""

        def linear(name, x):
            weight, bias = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
            if noise is not None:
                of_inputs, of_outputs = noise[name]
                weight = weight + parameters[f"{name}.weight_sigma"] * torch.outer(of_outputs, of_inputs)
                bias = bias + parameters[f"{name}.bias_sigma"] * of_outputs
            return functional.linear(x, weight, bias)

        def hidden(name, norm, x):
            x = linear(name, x)
            if norm in self.norms:
                x = functional.layer_norm(x, x.shape[-1:], parameters[f"{norm}.weight"], parameters[f"{norm}.bias"])
            return x.relu()

        x = obs
        for i in range(1, self.trunk + 1):
            x = hidden(f"l{i}", f"norm{i}", x)
        if self.cosines:
            angles = math.pi * torch.arange(self.cosines, dtype=torch.float64) * levels.double()[:, :, None]
            x = x[:, None, :] * linear("embedding", angles.cos().to(obs.dtype)).relu()
        if self.dueling:
            value = linear("value", hidden("value_hidden", "value_norm", x)).unflatten(-1, (1, self.atoms))
            advantage = linear("advantage", hidden("advantage_hidden", "advantage_norm", x))
            advantage = advantage.unflatten(-1, (self.actions, self.atoms))
            x = value + advantage - advantage.mean(-2, keepdim=True)
        else:
            x = linear(f"l{self.trunk + 1}", x).unflatten(-1, (self.actions, self.atoms))
        return x.squeeze(-1).transpose(1, 2) if self.cosines else x
