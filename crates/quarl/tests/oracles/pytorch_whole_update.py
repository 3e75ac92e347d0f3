"""Records three whole updates of an agent for each head, target rule, sampler and mask, for `pytorch_whole_update.rs`.

    python pytorch_whole_update.py > ../fixtures/pytorch_whole_update.json

A case is the settings that are given to quarl, and nothing else is: experience comes from a hash of the index (see
pytorch_update.py), and first parameters, batches and quantile levels come from NumPy's generators, whose numbers quarl's
named streams are. The experience goes through n-step returns and a full ring; each update is a batch, its importance-
sampling weights, targets, the loss, its gradient, clipping, Adam, new priorities and the target network's soft update.

Everything is computed in float64, and in float32 as the yardstick: see pytorch_update.py.
"""

import json
import math
import sys

import numpy as np
import torch
from pytorch_network import Network
from pytorch_update import uniform
from torch.nn import functional

torch.set_num_threads(1)

INPUTS, ACTIONS, STEPS, UPDATES = 3, 3, 14, 3
TERMINATED, TRUNCATED = (4, STEPS - 1), (9,)
REPLAY, INITIALISATION, NOISE = 2, 3, 4  # named streams
BASE = {
    "network.hidden": [5],
    "replay.capacity": 12,
    "agent.batch_size": 8,
    "agent.gamma": 0.9,
    "agent.n_step": 1,
    "agent.target": "max",
    "agent.loss": "mse",
    "target_network.initial": "random",
    "optimizer.lr": 0.02,
    # So large that the size of a gradient shows in the first step, too.
    "optimizer.eps": 0.1,
}
PRIORITIZED = {"replay.kind": "prioritized", "replay.alpha": 0.7, "replay.beta": 0.6, "replay.eps": 0.01}
CATEGORICAL = {"network.head": "categorical", "network.atoms": 6, "network.v_min": -2.0, "network.v_max": 3.0}
QUANTILE = {"network.head": "quantile", "network.quantiles": 4}
IMPLICIT = {"network.head": "implicit", "network.quantiles": 4, "network.acting_quantiles": 3, "network.cosines": 3}
DOUBLE, MUNCHAUSEN = {"agent.target": "double"}, {"agent.target": "munchausen", "agent.munchausen_temperature": 0.5}
CLIPPED, N_STEP = {"optimizer.max_grad_norm": 0.3}, {"agent.n_step": 3}
CASES = [
    ("scalar", {}, False),
    ("scalar, Huber, masks, clipped", {"agent.loss": "huber", **CLIPPED}, True),
    ("scalar, Double", {**DOUBLE, "network.hidden": [4]}, False),
    ("scalar, Double, prioritised, masks, n-step", {**DOUBLE, **PRIORITIZED, **N_STEP, "network.hidden": [4]}, True),
    ("scalar, Huber, prioritised, soft target", {"agent.loss": "huber", **PRIORITIZED, "target_network.kind": "soft", "target_network.tau": 0.3}, False),
    ("scalar, no target network", {"target_network.kind": "none"}, False),
    ("scalar, Munchausen, prioritised", {**MUNCHAUSEN, **PRIORITIZED}, False),
    ("scalar, normalised, dueling, layer_norm", {"env.normalize_observation": True, "network.dueling": True, "network.dueling_hidden": 4, "network.layer_norm": True}, False),
    ("categorical, masks", {**CATEGORICAL}, True),
    ("categorical, Double, prioritised, masks, n-step, clipped", {**CATEGORICAL, **DOUBLE, **PRIORITIZED, **N_STEP, **CLIPPED}, True),
    ("categorical, Double, dueling, prioritised", {**CATEGORICAL, **DOUBLE, **PRIORITIZED, "network.dueling": True}, False),
    ("quantile, masks", {**QUANTILE}, True),
    ("quantile, Double, prioritised, masks, n-step", {**QUANTILE, **DOUBLE, **PRIORITIZED, **N_STEP}, True),
    ("quantile, Munchausen, prioritised", {**QUANTILE, **MUNCHAUSEN, **PRIORITIZED}, False),
    ("implicit, prioritised, masks", {**IMPLICIT, **PRIORITIZED, "network.hidden": [6]}, True),
    ("implicit, Double, masks, n-step", {**IMPLICIT, **DOUBLE, **N_STEP}, True),
    ("implicit, Munchausen, clipped", {**IMPLICIT, **MUNCHAUSEN, **CLIPPED}, False),
]  # fmt: skip


def stream(index):
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(0, spawn_key=(index,))))


def below(rng, n):
    """Uniform in 0..n (Lemire 2019)."""
    while True:
        product = int(rng.bit_generator.random_raw()) * n
        if product % 2**64 >= 2**64 % n:
            return product >> 64


def first_parameters(network, rng, dtype):
    """Weights and biases uniform in +-1/sqrt(inputs), layer by layer; normalisations the identity."""
    parameters = {}
    for name, (outputs, inputs) in network.linears.items():
        bound = 1 / math.sqrt(inputs)
        values = torch.from_numpy(rng.uniform(-bound, bound, outputs * inputs + outputs).astype(np.float32)).to(dtype)
        parameters[f"{name}.weight"] = values[: outputs * inputs].reshape(outputs, inputs)
        parameters[f"{name}.bias"] = values[outputs * inputs :]
    for name, units in network.norms.items():
        parameters[f"{name}.weight"], parameters[f"{name}.bias"] = torch.ones(units, dtype=dtype), torch.zeros(units, dtype=dtype)
    return parameters


def experience(n, gamma, masks):
    """Every step's transition by looking ahead: (obs, action, reward, discount, next obs, next mask)."""
    obs = uniform(300, STEPS * INPUTS, -2, 2).reshape(STEPS, INPUTS)
    next_obs = uniform(301, STEPS * INPUTS, -2, 2).reshape(STEPS, INPUTS)
    actions = (uniform(302, STEPS, 0, 1) * ACTIONS).astype(int)
    rewards = uniform(303, STEPS, -2, 2).astype(np.float64)
    allowed = (uniform(304, STEPS * ACTIONS, 0, 1) < 0.6).reshape(STEPS, ACTIONS)
    for t in range(STEPS):
        # Something is allowed, except where the episode was truncated: there is nothing to bootstrap from there.
        allowed[t] = t not in TRUNCATED and (allowed[t] if allowed[t].any() else np.arange(ACTIONS) == t % ACTIONS)
    if not masks:
        allowed[:] = True
    transitions = []
    for t in range(STEPS):
        reward, k = 0.0, 0
        while True:
            reward += gamma**k * rewards[t + k]
            k += 1
            if k == n or t + k - 1 in TERMINATED + TRUNCATED:
                break
        last = t + k - 1
        discount = 0.0 if last in TERMINATED or not allowed[last].any() else gamma**k
        transitions.append((obs[t], actions[t], np.float32(reward), np.float32(discount), next_obs[last], allowed[last]))
    return obs, transitions


class Replay:
    """A ring of the latest transitions, sampled uniformly without replacement, or by priority."""

    def __init__(self, settings, transitions):
        self.settings, self.rng = settings, stream(REPLAY)
        capacity, self.ring = settings["replay.capacity"], {}
        for nth, transition in enumerate(transitions):
            self.ring[nth % capacity] = transition
        self.is_prioritized = settings.get("replay.kind") == "prioritized"
        self.weights = np.ones(capacity)

    def sample(self, size):
        count = len(self.ring)
        if not self.is_prioritized:
            ids = []
            for newest in range(count - size, count):  # Floyd's algorithm
                drawn = below(self.rng, newest + 1)
                ids.append(newest if drawn in ids else drawn)
            return ids, np.ones(size)
        ends = np.cumsum(self.weights)
        ids = [int(np.searchsorted(ends, (i + self.rng.random()) * ends[-1] / size, side="right")) for i in range(size)]
        p = self.weights[ids] / ends[-1]
        weights = (count * p) ** -self.settings["replay.beta"]
        return ids, (weights / weights.max()).astype(np.float32)

    def update(self, ids, priorities):
        for i, priority in zip(ids, priorities):
            if self.is_prioritized:
                self.weights[i] = (priority + self.settings["replay.eps"]) ** self.settings["replay.alpha"]


def project(rewards, discounts, probabilities, atoms):
    """Each moved atom's mass to its neighbours, written as triangular kernels over all pairs of atoms."""
    gap = atoms[1] - atoms[0]
    moved = (rewards[:, None] + discounts[:, None] * atoms).clamp(atoms[0], atoms[-1])
    nearness = (1 - (moved[:, None, :] - atoms[None, :, None]).abs() / gap).clamp(min=0)
    return (nearness * probabilities[:, None, :]).sum(2)


def quantile_huber(theta, levels, samples):
    """Summed over predictions, averaged over samples; and the mean absolute TD error."""
    errors = samples[:, None, :] - theta[:, :, None]
    huber = torch.where(errors.abs() <= 1, 0.5 * errors**2, errors.abs() - 0.5)
    weight = (levels[:, :, None] - (errors.detach() < 0).to(errors.dtype)).abs()
    return (weight * huber).mean(2).sum(1), errors.detach().abs().mean((1, 2))


def run(case_settings, masks, dtype):
    settings = {**BASE, **case_settings}
    head, target_rule = settings.get("network.head", "scalar"), settings["agent.target"]
    size, gamma = settings["agent.batch_size"], settings["agent.gamma"]
    is_implicit, quantiles = head == "implicit", settings.get("network.quantiles")
    atoms = {"scalar": 1, "implicit": 1, "categorical": settings.get("network.atoms"), "quantile": quantiles}[head]
    dueling_hidden = settings.get("network.dueling_hidden", settings["network.hidden"][-1])
    network = Network(
        INPUTS, settings["network.hidden"], ACTIONS, atoms,
        dueling_hidden if settings.get("network.dueling") else None,
        settings.get("network.layer_norm", False),
        settings["network.cosines"] if is_implicit else 0,
    )  # fmt: skip
    initialisation, noise = stream(INITIALISATION), stream(NOISE)
    online = {name: value.clone().requires_grad_() for name, value in first_parameters(network, initialisation, dtype).items()}
    has_target = settings.get("target_network.kind") != "none"
    target = first_parameters(network, initialisation, dtype) if has_target else online
    optimizer = torch.optim.Adam(online.values(), lr=settings["optimizer.lr"], eps=settings["optimizer.eps"])
    all_obs, transitions = experience(settings["agent.n_step"], gamma, masks)
    replay = Replay(settings, transitions)
    support = torch.linspace(settings.get("network.v_min", 0), settings.get("network.v_max", 1), max(atoms, 2), dtype=dtype)
    alpha, tau, floor = 0.9, settings.get("agent.munchausen_temperature"), -1.0
    mean, deviation = 0.0, 1.0
    if settings.get("env.normalize_observation"):
        # The prior of mean 0 and variance 1 counts for 0.0001 of an observation.
        seen = all_obs.astype(np.float64)
        count = len(seen) + 1e-4
        mean = seen.sum(0) / count
        deviation = np.sqrt((1e-4 * (1 + mean**2) + ((seen - mean) ** 2).sum(0)) / count + 1e-8)

    def draw_levels(count):
        """Each pass draws levels for whole vectors of sixteen items."""
        drawn = noise.random(count * 16).astype(np.float32).reshape(count, 16)[:, :size]
        return torch.from_numpy(drawn.T.copy()).to(dtype)

    def q_values(outputs):
        if head == "categorical":
            return (outputs.softmax(2) * support).sum(2)
        return outputs.mean(2)

    out = {"losses": [], "mean_q": [], "priorities": [], "clipped_shares": [], "ids": []}
    differently_chosen = 0
    for update in range(1, UPDATES + 1):
        ids, weights = replay.sample(size)
        rows = [replay.ring[i] for i in ids]
        column = lambda at: torch.from_numpy(np.array([row[at] for row in rows])).to(dtype)
        normalised = lambda at: torch.from_numpy(
            ((np.array([row[at] for row in rows]).astype(np.float64) - mean) / deviation).astype(np.float32)).to(dtype)
        obs, next_obs, rewards, discounts = normalised(0), normalised(4), column(2), column(3)
        actions, allowed = column(1).long(), torch.from_numpy(np.array([row[5] for row in rows]))
        items, weights = torch.arange(size), torch.from_numpy(np.asarray(weights)).to(dtype)

        with torch.no_grad():
            levels = draw_levels(quantiles) if is_implicit else None
            outputs_next = network.forward(target, next_obs, levels)
            acting = settings.get("network.acting_quantiles")
            q_select, q_now = q_values(outputs_next), None
            if target_rule == "double":
                q_select = q_values(network.forward(online, next_obs, draw_levels(acting) if is_implicit else None))
            elif target_rule == "munchausen":
                q_now = q_values(network.forward(target, obs, draw_levels(acting) if is_implicit else None))
            elif is_implicit:
                q_select = q_values(network.forward(target, next_obs, draw_levels(acting)))
            choose = lambda q: torch.where(allowed, q, -torch.inf).argmax(1)
            best = choose(q_select)
            differently_chosen += int(((best != choose(q_values(outputs_next))) & (discounts > 0)).sum())
            z_next = outputs_next[items, best]
            if target_rule == "munchausen":
                log_policy_now = (q_now / tau).log_softmax(1)[items, actions]
                rewards = rewards + alpha * (tau * log_policy_now).clamp(floor, 0)
                log_policy = (q_values(outputs_next) / tau).log_softmax(1)
                z_next = (log_policy.exp()[:, :, None] * (outputs_next - tau * log_policy[:, :, None])).sum(1)

        levels = draw_levels(quantiles) if is_implicit else None
        outputs = network.forward(online, obs, levels)
        chosen = outputs[items, actions]
        if head == "categorical":
            projected = project(rewards, discounts, z_next.softmax(1), support)
            losses = functional.cross_entropy(chosen, projected, reduction="none")
            priorities = losses.detach() + torch.special.xlogy(projected, projected).sum(1)
            moved = rewards[:, None] + discounts[:, None] * support
            outside = (moved < support[0] - 1e-3) | (moved > support[-1] + 1e-3)
            out["clipped_shares"].append((z_next.softmax(1) * outside).sum(1).mean().item())
        else:
            samples = rewards[:, None] + discounts[:, None] * z_next
            if head == "scalar":
                errors = (samples - chosen)[:, 0]
                huber = torch.where(errors.abs() <= 1, 0.5 * errors**2, errors.abs() - 0.5)
                losses = errors**2 if settings["agent.loss"] == "mse" else huber
                priorities = errors.detach().abs()
            else:
                midpoints = ((torch.arange(atoms, dtype=dtype) + 0.5) / atoms).expand(size, atoms)
                losses, priorities = quantile_huber(chosen, levels if is_implicit else midpoints, samples)
        loss = (weights * losses).mean()
        optimizer.zero_grad()
        loss.backward()
        norm = settings.get("optimizer.max_grad_norm")
        if norm is not None:
            assert torch.nn.utils.clip_grad_norm_(online.values(), norm) > norm, "the clipping should clip"
        out["losses"].append(loss.item())
        out["mean_q"].append(q_values(outputs)[items, actions].mean().item())
        out["priorities"] += priorities.tolist()
        out["ids"].append(ids)
        optimizer.step()
        if settings.get("target_network.kind") == "soft":
            with torch.no_grad():
                for name, value in target.items():
                    value += settings["target_network.tau"] * (online[name] - value)
        replay.update(ids, priorities.tolist())
        if update in (1, UPDATES):
            flat = torch.cat([value.detach().flatten() for value in online.values()])
            out[f"parameters_{update}"] = flat.tolist()
    if target_rule == "double" or (is_implicit and target_rule == "max"):
        assert differently_chosen > 0, f"the choice of the next action does not show: {case_settings}"
    if head != "categorical":
        del out["clipped_shares"]
    return out, list(online)


def record(name, settings, masks):
    (exact, names), (rounded, _) = run(settings, masks, torch.float64), run(settings, masks, torch.float32)
    assert exact.pop("ids") == rounded.pop("ids"), f"{name}: rounding decides which items are drawn"
    arrays = {}
    for key, values in exact.items():
        error = np.abs(np.array(values) - np.array(rounded[key])).max()
        arrays[key] = {"values": [float(f"{x:.8g}") for x in values], "float32_error": float(f"{error:.3g}")}
    return {"name": name, "settings": {**BASE, **settings}, "masks": masks, "tensors": names, "arrays": arrays}


if __name__ == "__main__":
    cases = [record(*case) for case in CASES]
    json.dump({"torch": torch.__version__.split("+")[0], "cases": cases}, sys.stdout, separators=(",", ":"))
