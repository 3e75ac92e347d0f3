"""Records losses, gradients and targets of the distributional heads and of Munchausen, for `pytorch_heads.rs`.

    python pytorch_heads.py > ../fixtures/pytorch_heads.json

Inputs are not recorded: both sides compute them from the same hash of the index (see pytorch_update.py). Everything is
computed in float64. C51's projection is written as a sum of triangular kernels over all pairs of atoms, which is another
way of saying it than moving each atom's mass to its neighbours.
"""

import json
import sys

import numpy as np
import torch
from pytorch_update import uniform
from torch.nn import functional

ITEMS, ACTIONS = 7, 3


def numbers(stream, count, low, high):
    return torch.from_numpy(uniform(stream, count, low, high).astype(np.float64))


def rewards_and_discounts():
    rewards = numbers(50, ITEMS, -2.0, 2.0)
    discounts = torch.tensor([0.0 if item % 3 == 2 else 0.9 for item in range(ITEMS)], dtype=torch.float64)
    return rewards, discounts


def categorical(atoms, v_min, v_max):
    rewards, discounts = rewards_and_discounts()
    support = torch.linspace(v_min, v_max, atoms, dtype=torch.float64)
    next_probabilities = numbers(51, ITEMS * atoms, -3.0, 3.0).reshape(ITEMS, atoms).softmax(1)
    moved = (rewards[:, None] + discounts[:, None] * support).clamp(v_min, v_max)
    gap = (v_max - v_min) / (atoms - 1)
    nearness = (1 - (moved[:, None, :] - support[None, :, None]).abs() / gap).clamp(min=0)
    target = (nearness * next_probabilities[:, None, :]).sum(2)
    logits = numbers(52, ITEMS * atoms, -4.0, 4.0).reshape(ITEMS, atoms).requires_grad_()
    losses = functional.cross_entropy(logits, target, reduction="none")
    losses.sum().backward()
    divergence = functional.kl_div(logits.log_softmax(1), target, reduction="none").sum(1)
    return {
        "atoms": atoms,
        "v_min": v_min,
        "v_max": v_max,
        "target": target.flatten().tolist(),
        "losses": losses.tolist(),
        "divergences": divergence.tolist(),
        "gradients": logits.grad.flatten().tolist(),
    }


def quantile(predictions, samples):
    theta = numbers(53, ITEMS * predictions, -2.0, 2.0).reshape(ITEMS, predictions).requires_grad_()
    target = numbers(54, ITEMS * samples, -3.0, 3.0).reshape(ITEMS, samples)
    levels = numbers(55, ITEMS * predictions, 0.0, 1.0).reshape(ITEMS, predictions)
    errors = target[:, None, :] - theta[:, :, None]
    huber = functional.huber_loss(theta[:, :, None].expand_as(errors), target[:, None, :].expand_as(errors), reduction="none")
    weights = (levels[:, :, None] - (errors.detach() < 0).double()).abs()
    losses = (weights * huber).mean(2).sum(1)
    losses.sum().backward()
    return {
        "predictions": predictions,
        "samples": samples,
        "losses": losses.tolist(),
        "distances": errors.abs().mean((1, 2)).tolist(),
        "gradients": theta.grad.flatten().tolist(),
    }


def munchausen(alpha, temperature, floor):
    rewards, discounts = rewards_and_discounts()
    q_now = numbers(56, ITEMS * ACTIONS, -1.0, 1.0).reshape(ITEMS, ACTIONS)
    q_next = numbers(57, ITEMS * ACTIONS, -1.0, 1.0).reshape(ITEMS, ACTIONS)
    actions = torch.arange(ITEMS) % ACTIONS
    log_policy = (q_now / temperature).log_softmax(1).gather(1, actions[:, None])[:, 0]
    bonus = alpha * (temperature * log_policy).clamp(floor, 0.0)
    # The policy's mean of Q - temperature * log pi is temperature * logsumexp(Q / temperature).
    soft_value = temperature * (q_next / temperature).logsumexp(1)
    return {
        "alpha": alpha,
        "temperature": temperature,
        "floor": floor,
        "targets": (rewards + bonus + discounts * soft_value).tolist(),
    }


json.dump(
    {
        "categorical": [categorical(51, -10.0, 10.0), categorical(11, -1.0, 1.5), categorical(2, 0.0, 1.0)],
        "quantile": [quantile(1, 1), quantile(5, 5), quantile(64, 32)],
        "munchausen": [munchausen(0.9, 0.03, -1.0), munchausen(0.5, 1.0, -0.7), munchausen(1.0, 0.1, -9.0)],
    },
    sys.stdout,
    indent=1,
)
