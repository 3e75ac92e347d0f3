"""A training loop in one file: DQN on several environments at once, with a learning curve.

    python loop.py

With one environment, this is the learning curve of `quarl train CartPole-v1 --preset dqn`, number for number.
"""

import argparse

import gymnasium
import numpy as np

import quarl


def train(num_envs: int, steps: int, seed: int) -> list[float]:
    """Trains and returns the return of each episode."""
    envs = gymnasium.make_vec("quarl/CartPole-v1", num_envs=num_envs)
    agent = quarl.Agent(envs, preset="dqn", seed=seed, training__steps=steps)
    returns, totals = [], np.zeros(num_envs)
    observations, _ = envs.reset(seed=seed)
    while agent.env_steps < steps:
        actions = agent.act(observations)
        following, rewards, terminated, truncated, _ = envs.step(actions)
        # The step after the end of an episode is a reset; observe() leaves it out.
        agent.observe(observations, actions, rewards, following, terminated, truncated)
        agent.learn()
        totals += rewards
        for i in np.flatnonzero(terminated | truncated):
            returns.append(float(totals[i]))
            totals[i] = 0.0
        observations = following
    return returns


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--num-envs", type=int, default=1)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    curve = train(arguments.num_envs, arguments.steps, arguments.seed)
    for first in range(0, len(curve), 20):
        print(f"episodes {first} to {min(first + 20, len(curve)) - 1}: mean return {np.mean(curve[first : first + 20]):.1f}")
