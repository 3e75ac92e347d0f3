"""Records what PyTorch makes of one DQN update, and of a hundred, for `pytorch_parity.rs`.

    python pytorch_update.py > ../fixtures/pytorch_update.json

Parameters and batches are not recorded: both sides compute them from the same hash of the index. Everything is computed
twice, in float64 and in float32. Recorded are the float64 numbers, and how far PyTorch's own float32 numbers are from them
at most (`float32_error`): the yardstick for how far any other float32 implementation may be.
"""

import copy
import json

import numpy as np
import torch
from torch import nn

torch.set_num_threads(1)

GAMMA = 0.98
UPDATES = (1, 2, 10, 100)
# Network, batch size, and of the long arrays every how manyeth number is recorded.
NETWORKS = [
    {"name": "small", "hidden": [16, 16], "batch": 8, "every": 1},
    {"name": "textbook", "hidden": [128, 128], "batch": 32, "every": 97},
]
VARIANTS = [
    {"name": "max_mse", "target": "max", "loss": "mse", "lr": 5e-4, "max_grad_norm": None},
    {"name": "double_huber_clipped", "target": "double", "loss": "huber", "lr": 1e-3, "max_grad_norm": 0.25},
]
INPUTS, ACTIONS = 4, 2


def uniform(stream, count, low, high):
    """`count` float32 numbers in [low, high), from a 32-bit hash ("lowbias32") of 1,000,000 * stream + index."""
    x = (np.arange(count, dtype=np.uint64) + np.uint64(1_000_000 * stream)) & np.uint64(0xFFFFFFFF)
    for shift, multiplier in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x ^= x >> np.uint64(shift)
        x = (x * np.uint64(multiplier)) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(16)
    return (low + (high - low) * (x.astype(np.float64) / 2.0**32)).astype(np.float32)


def network(hidden, stream, dtype):
    """An MLP whose parameters, in PyTorch's order, are uniform in +-1/sqrt(inputs), layer by layer one stream."""
    sizes = [INPUTS, *hidden, ACTIONS]
    layers = []
    for i, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
        linear = nn.Linear(inputs, outputs)
        bound = 1 / np.sqrt(np.float64(inputs))
        values = torch.from_numpy(uniform(stream + i, inputs * outputs + outputs, -bound, bound))
        with torch.no_grad():
            linear.weight.copy_(values[: inputs * outputs].reshape(outputs, inputs))
            linear.bias.copy_(values[inputs * outputs :])
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1]).to(dtype)


def batch(size, dtype):
    """A batch; every fifth item's episode has terminated."""
    as_tensor = lambda values: torch.from_numpy(values).to(dtype)
    discounts = np.full(size, GAMMA, dtype=np.float32)
    discounts[::5] = 0
    return {
        "obs": as_tensor(uniform(20, size * INPUTS, -2, 2)).reshape(size, INPUTS),
        "actions": torch.from_numpy((uniform(21, size, 0, 1) * ACTIONS).astype(np.int64)),
        "rewards": as_tensor(uniform(22, size, -3, 3)),
        "discounts": as_tensor(discounts),
        "next_obs": as_tensor(uniform(23, size * INPUTS, -2, 2)).reshape(size, INPUTS),
    }


def flat(tensors):
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors]).double().numpy()


def targets(kind, online, target, data):
    with torch.no_grad():
        q_next = target(data["next_obs"])
        best = (online if kind == "double" else target)(data["next_obs"]).argmax(dim=1, keepdim=True)
        return data["rewards"] + data["discounts"] * q_next.gather(1, best).squeeze(1)


def run(case, variant, dtype):
    """Everything recorded of one variant, as float64 arrays."""
    online, target = network(case["hidden"], 0, dtype), network(case["hidden"], 10, dtype)
    data = batch(case["batch"], dtype)
    loss_function = {"mse": nn.MSELoss(), "huber": nn.SmoothL1Loss()}[variant["loss"]]
    optimizer = torch.optim.Adam(online.parameters(), lr=variant["lr"], betas=(0.9, 0.999), eps=1e-8)
    out = {"losses": [], "mean_q": []}
    for update in range(1, max(UPDATES) + 1):
        y = targets(variant["target"], online, target, data)
        q = online(data["obs"])
        chosen = q.gather(1, data["actions"][:, None]).squeeze(1)
        loss = loss_function(chosen, y)
        optimizer.zero_grad()
        loss.backward()
        out["losses"].append(loss.item())
        out["mean_q"].append(chosen.mean().item())
        gradients = flat(parameter.grad for parameter in online.parameters())
        if update == 1:
            out |= {"q": flat([q]), "targets": flat([y]), "gradients": gradients}
        if variant["max_grad_norm"] is not None:
            norm = nn.utils.clip_grad_norm_(online.parameters(), variant["max_grad_norm"]).item()
            if update == 1:
                out["norm"] = [norm]
                out["clipped_gradients"] = flat(parameter.grad for parameter in online.parameters())
                assert norm > variant["max_grad_norm"], "the clipping should clip"
        optimizer.step()
        if update in UPDATES:
            out[f"parameters_{update}"] = flat(online.parameters())
    return {key: np.asarray(value) for key, value in out.items()}


def record(case, variant):
    exact, rounded = run(case, variant, torch.float64), run(case, variant, torch.float32)
    arrays = {}
    for key, values in exact.items():
        every = case["every"] if key.startswith("parameters") or "gradients" in key else 1
        arrays[key] = {
            "values": [float(f"{x:.9g}") for x in values[::every]],
            "sum": float(values.sum()),
            "float32_error": float(f"{np.abs(values - rounded[key]).max():.3g}"),
        }
    return {**variant, "arrays": arrays}


if __name__ == "__main__":
    cases = []
    for case in NETWORKS:
        cases.append({**case, "variants": [record(case, variant) for variant in VARIANTS]})
    print(json.dumps({"torch": torch.__version__.split("+")[0], "updates": UPDATES, "cases": cases}, separators=(",", ":")))
