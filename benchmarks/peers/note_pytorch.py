"""The study note's DQN for CartPole-v0 in PyTorch: the program that quarl answers to.

The algorithm and every setting are the note's; `--no-grad` corrects one slip of it (see `Agent.learn`).

    python note_pytorch.py --time 20000
    python note_pytorch.py --runs 5 --seed 0 --csv curves.csv
"""

import argparse
import collections
import csv
import random
import time

import gymnasium as gym
import numpy as np
import torch
from torch import nn

import timing

EPISODES = 300
SYNC_INTERVAL = 20
GREEDY_EPISODES = 10


class QNet(nn.Module):
    def __init__(self, actions):
        super().__init__()
        self.l1 = nn.Linear(4, 128)
        self.l2 = nn.Linear(128, 128)
        self.l3 = nn.Linear(128, actions)

    def forward(self, obs):
        return self.l3(torch.relu(self.l2(torch.relu(self.l1(obs)))))


class Agent:
    def __init__(self, no_grad):
        self.gamma = 0.98
        self.epsilon = 0.1
        self.batch_size = 32
        self.actions = 2
        self.no_grad = no_grad
        self.replay = collections.deque(maxlen=10_000)
        self.online = QNet(self.actions)
        # Initialised on its own: until the first sync, at the end of episode 0, the two networks differ.
        self.target = QNet(self.actions)
        self.optimizer = torch.optim.Adam(self.online.parameters(), lr=0.0005)
        self.loss = nn.MSELoss()

    def act(self, obs):
        if np.random.rand() < self.epsilon:
            return np.random.choice(self.actions)
        # The note builds the graph for this forward pass too, and throws it away.
        return self.online(torch.tensor(obs[np.newaxis, :])).argmax().item()

    def learn(self, *transition):
        self.replay.append(transition)
        if len(self.replay) < self.batch_size:
            return
        obs, action, reward, next_obs, done = zip(*random.sample(self.replay, self.batch_size))
        obs = torch.tensor(np.stack(obs))
        action = torch.tensor(np.array(action, dtype=np.int64))
        reward = torch.tensor(np.array(reward, dtype=np.float32))
        next_obs = torch.tensor(np.stack(next_obs))
        done = torch.tensor(np.array(done, dtype=np.int32))

        q = self.online(obs)[np.arange(self.batch_size), action]
        # The note calls `next_q.detach()` and drops the result, so gradients are also worked out for the target
        # network, which no optimizer reads. It costs time and changes nothing that is learned.
        if self.no_grad:
            with torch.no_grad():
                bootstrap = self.target(next_obs).max(1)[0]
        else:
            bootstrap = self.target(next_obs).max(1)[0]
        td_target = reward + (1 - done) * self.gamma * bootstrap

        loss = self.loss(q, td_target)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def sync_target(self):
        self.target.load_state_dict(self.online.state_dict())


def steps(env, agent, seed):
    """The training loop, yielding after each environment step: (episode, its return if it has just ended)."""
    for episode in range(10**9):
        obs, _ = env.reset(seed=seed if episode == 0 else None)
        episode_return, done = 0.0, False
        while not done:
            action = agent.act(obs)
            next_obs, reward, terminated, truncated, _ = env.step(action)
            done = terminated | truncated
            agent.learn(obs, action, reward, next_obs, done)
            obs = next_obs
            episode_return += reward
            if done and episode % SYNC_INTERVAL == 0:
                agent.sync_target()
            yield episode, episode_return if done else None


def greedy_returns(env, agent):
    agent.epsilon = 0.0
    returns = []
    for _ in range(GREEDY_EPISODES):
        obs, _ = env.reset()
        episode_return, done = 0.0, False
        while not done:
            obs, reward, terminated, truncated, _ = env.step(agent.act(obs))
            done = terminated | truncated
            episode_return += reward
        returns.append(episode_return)
    return returns


def start(seed, no_grad):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    gym.logger.min_level = gym.logger.ERROR  # version 0 is out of date, and is what the note uses
    return gym.make("CartPole-v0"), Agent(no_grad)


def time_steps(count, no_grad):
    env, agent = start(0, no_grad)
    loop = steps(env, agent, 0)

    def block(length):
        for _ in range(length):
            next(loop)

    peer = "pytorch_no_grad" if no_grad else "pytorch"
    timing.write(peer, timing.measure(block, count), "torch")


def learning_curves(first_seed, runs, curves, greedy):
    """Appends each run's rows as it ends: the returns while learning, and those of the greedy episodes after it."""
    for seed in range(first_seed, first_seed + runs):
        began = time.time()
        env, agent = start(seed, no_grad=False)
        returns = []
        for _, episode_return in steps(env, agent, seed):
            if episode_return is not None:
                returns.append(episode_return)
            if len(returns) == EPISODES:
                break
        append_rows(curves, seed, returns)
        returns = greedy_returns(env, agent)
        append_rows(greedy, seed, returns)
        print(f"seed {seed}: greedy mean {np.mean(returns):.1f}, {time.time() - began:.1f} s", flush=True)


def append_rows(path, run, returns):
    with open(path, "a", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        if file.tell() == 0:
            rows.writerow(["run", "episode", "return"])
        rows.writerows([run, episode, int(value)] for episode, value in enumerate(returns))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--time", type=int, metavar="STEPS", help="time whole training steps, print JSON")
    parser.add_argument("--runs", type=int, metavar="N", help="train N agents, one after the other")
    parser.add_argument("--seed", type=int, default=0, help="the first run's seed")
    parser.add_argument("--csv", default="curves.csv", help="where the learning curves are appended")
    parser.add_argument("--greedy-csv", default="greedy.csv", help="where the trained agents' returns are appended")
    parser.add_argument("--no-grad", action="store_true", help="time without gradients for the target network")
    args = parser.parse_args()

    torch.set_num_threads(1)
    if args.time:
        timing.pin_to_one_core()
        time_steps(args.time, args.no_grad)
    if args.runs:
        learning_curves(args.seed, args.runs, args.csv, args.greedy_csv)


if __name__ == "__main__":
    main()
