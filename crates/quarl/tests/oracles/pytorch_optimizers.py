"""Records what PyTorch's optimisers make of a hundred gradients, for `optimizers.rs`.

    python pytorch_optimizers.py > ../fixtures/pytorch_optimizers.json

Nothing random is recorded: both sides compute parameters and gradients from the same hash of the index. Everything is
computed twice, in float64 and in float32; recorded are the float64 numbers, and how far PyTorch's own float32 numbers are
from them at most (`float32_error`).
"""

import json

import numpy as np
import torch

from pytorch_update import uniform

torch.set_num_threads(1)

COUNT = 40
UPDATES = (1, 2, 10, 100)
CASES = {
    "adam": {},
    "rmsprop": {"alpha": 0.99, "eps": 1e-8},
    "rmsprop_momentum": {"alpha": 0.95, "eps": 1e-4, "momentum": 0.9},
    "rmsprop_centered": {"alpha": 0.95, "eps": 1e-2, "centered": True},
    "rmsprop_centered_momentum": {"alpha": 0.95, "eps": 1e-2, "centered": True, "momentum": 0.5},
    "rmsprop_nature": {"alpha": 0.95, "eps": 1e-2, "centered": True, "eps_inside_sqrt": True},
    "sgd": {},
    "sgd_momentum": {"momentum": 0.9},
    "sgd_nesterov": {"momentum": 0.9, "nesterov": True},
}
LR = 1e-2


class NatureRMSprop(torch.optim.Optimizer):
    """Mnih et al. 2015: as PyTorch's, centred, but with eps under the root."""

    def __init__(self, parameters, lr, alpha, eps):
        super().__init__(parameters, {"lr": lr, "alpha": alpha, "eps": eps})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state, g, alpha = self.state[p], p.grad, group["alpha"]
                square = state.setdefault("square", torch.zeros_like(p)).mul_(alpha).addcmul_(g, g, value=1 - alpha)
                mean = state.setdefault("mean", torch.zeros_like(p)).mul_(alpha).add_(g, alpha=1 - alpha)
                p.sub_(group["lr"] * g / (square - mean * mean + group["eps"]).sqrt())


def make(name, settings, p):
    settings = dict(settings)
    if settings.pop("eps_inside_sqrt", False):
        settings.pop("centered")
        return NatureRMSprop([p], LR, **settings)
    kind = {"adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop, "sgd": torch.optim.SGD}[name.split("_")[0]]
    return kind([p], LR, **settings)


def run(name, settings, dtype):
    p = torch.from_numpy(uniform(0, COUNT, -1, 1)).to(dtype).requires_grad_()
    optimizer = make(name, settings, p)
    out = []
    for update in range(1, max(UPDATES) + 1):
        noise = torch.from_numpy(uniform(update, COUNT, -1, 1)).to(dtype)
        p.grad = (p * 0.5 + noise).detach()
        optimizer.step()
        if update in UPDATES:
            out.append(p.detach().double().numpy().copy())
    return np.array(out)


if __name__ == "__main__":
    cases = []
    for name, settings in CASES.items():
        exact, rounded = run(name, settings, torch.float64), run(name, settings, torch.float32)
        cases.append({
            "name": name,
            "settings": settings,
            "values": [[float(f"{x:.9g}") for x in row] for row in exact],
            "float32_error": float(f"{np.abs(exact - rounded).max():.3g}"),
        })
    print(json.dumps({"torch": torch.__version__.split("+")[0], "updates": UPDATES, "lr": LR, "cases": cases}, separators=(",", ":")))
