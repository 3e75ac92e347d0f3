"""Rainbow's update in PyTorch (Hessel et al. 2018): Double, dueling, noisy, C51, three-step returns, prioritised replay.

The network is CartPole's 4-128-128, each dueling stream with a hidden layer of 128, with 51 atoms, batch 64, as quarl's preset `rainbow` has it; every layer is noisy.
Transitions are stored beforehand: what is timed is sampling, targets, loss, gradients, the step of Adam, and the new
priorities.

    python rainbow_pytorch.py --time 2000
"""

import argparse

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import timing

ATOMS, ACTIONS, BATCH, CAPACITY = 51, 2, 64, 10_000
V_MIN, V_MAX = 0.0, 100.0


class NoisyLinear(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        bound = inputs**-0.5
        self.weight_mu = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        self.weight_sigma = nn.Parameter(torch.full((outputs, inputs), 0.5 * bound))
        self.bias_mu = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound))
        self.bias_sigma = nn.Parameter(torch.full((outputs,), 0.5 * bound))

    def draw(self):
        noise = [torch.randn(self.weight_mu.shape[1]), torch.randn(self.weight_mu.shape[0])]
        self.of_inputs, self.of_outputs = (x.sign() * x.abs().sqrt() for x in noise)

    def forward(self, x):
        weight = self.weight_mu + self.weight_sigma * torch.outer(self.of_outputs, self.of_inputs)
        return functional.linear(x, weight, self.bias_mu + self.bias_sigma * self.of_outputs)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1, self.l2 = NoisyLinear(4, 128), NoisyLinear(128, 128)
        self.value_hidden, self.advantage_hidden = NoisyLinear(128, 128), NoisyLinear(128, 128)
        self.value, self.advantage = NoisyLinear(128, ATOMS), NoisyLinear(128, ACTIONS * ATOMS)

    def draw(self):
        for layer in self.children():
            layer.draw()

    def forward(self, obs):
        x = torch.relu(self.l2(torch.relu(self.l1(obs))))
        advantage = self.advantage(torch.relu(self.advantage_hidden(x))).view(-1, ACTIONS, ATOMS)
        value = self.value(torch.relu(self.value_hidden(x))).view(-1, 1, ATOMS)
        return value + advantage - advantage.mean(1, keepdim=True)


class SumTree:
    """A binary tree in an array, walked for the whole batch at once."""

    def __init__(self, capacity):
        self.leaves = 1 << (capacity - 1).bit_length()
        self.levels = self.leaves.bit_length() - 1
        self.sums = np.zeros(2 * self.leaves)

    def set(self, items, values):
        nodes = items + self.leaves
        self.sums[nodes] = values
        for _ in range(self.levels):
            nodes = np.unique(nodes >> 1)
            self.sums[nodes] = self.sums[2 * nodes] + self.sums[2 * nodes + 1]

    def find(self, prefixes):
        nodes = np.ones(len(prefixes), dtype=np.int64)
        for _ in range(self.levels):
            nodes *= 2
            left = self.sums[nodes]
            right = prefixes >= left
            prefixes = np.where(right, prefixes - left, prefixes)
            nodes += right
        return nodes - self.leaves


class Rainbow:
    def __init__(self):
        rng = np.random.default_rng(0)
        self.rng = rng
        self.online, self.target = Network(), Network()
        self.optimizer = torch.optim.Adam(self.online.parameters(), lr=5e-4)
        self.support = torch.linspace(V_MIN, V_MAX, ATOMS)
        self.obs = rng.uniform(-1, 1, (CAPACITY, 4)).astype(np.float32)
        self.next_obs = rng.uniform(-1, 1, (CAPACITY, 4)).astype(np.float32)
        self.actions = rng.integers(ACTIONS, size=CAPACITY)
        self.rewards = np.full(CAPACITY, 2.97, dtype=np.float32)
        self.discounts = np.where(rng.random(CAPACITY) < 0.02, 0, 0.97).astype(np.float32)
        self.tree = SumTree(CAPACITY)
        self.tree.set(np.arange(CAPACITY), np.ones(CAPACITY))

    def update(self):
        total = self.tree.sums[1]
        items = self.tree.find((np.arange(BATCH) + self.rng.random(BATCH)) * (total / BATCH))
        items = np.minimum(items, CAPACITY - 1)
        weights = (CAPACITY * self.tree.sums[items + self.tree.leaves] / total) ** -0.4
        weights = torch.from_numpy((weights / weights.max()).astype(np.float32))
        obs, next_obs = torch.from_numpy(self.obs[items]), torch.from_numpy(self.next_obs[items])
        actions, each = torch.from_numpy(self.actions[items]), torch.arange(BATCH)
        rewards, discounts = torch.from_numpy(self.rewards[items]), torch.from_numpy(self.discounts[items])

        with torch.no_grad():
            self.online.draw()
            best = (self.online(next_obs).softmax(2) * self.support).sum(2).argmax(1)
            self.target.draw()
            next_probabilities = self.target(next_obs)[each, best].softmax(1)
            moved = (rewards[:, None] + discounts[:, None] * self.support).clamp(V_MIN, V_MAX)
            position = (moved - V_MIN) / ((V_MAX - V_MIN) / (ATOMS - 1))
            below = position.floor().clamp(max=ATOMS - 2)
            upwards = position - below
            goal = torch.zeros(BATCH, ATOMS)
            goal.scatter_add_(1, below.long(), next_probabilities * (1 - upwards))
            goal.scatter_add_(1, below.long() + 1, next_probabilities * upwards)

        self.online.draw()
        log_probabilities = self.online(obs)[each, actions].log_softmax(1)
        losses = -(goal * log_probabilities).sum(1)
        self.optimizer.zero_grad()
        (losses * weights).mean().backward()
        nn.utils.clip_grad_norm_(self.online.parameters(), 10.0)
        self.optimizer.step()
        divergences = losses.detach() - torch.special.entr(goal).sum(1)
        self.tree.set(items, (divergences.clamp(min=0).numpy() + 1e-6) ** 0.5)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--time", type=int, metavar="UPDATES", required=True, help="time updates, print JSON")
    args = parser.parse_args()
    torch.set_num_threads(1)
    timing.pin_to_one_core()
    agent = Rainbow()

    def block(length):
        for _ in range(length):
            agent.update()

    timing.write("rainbow_pytorch", timing.measure(block, args.time), "torch")


if __name__ == "__main__":
    main()
