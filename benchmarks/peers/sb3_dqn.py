"""Stable-Baselines3's DQN with the study note's settings, timed per environment step.

    python sb3_dqn.py --time 20000

Two things differ, because the library has no setting for them: the target network is copied every fixed number of
steps, not episodes, and a time limit bootstraps. Its loss is Huber's. None of them moves the time.
"""

import argparse
import time

import gymnasium as gym
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import BaseCallback

import timing

# About twenty episodes' worth of steps, once CartPole-v0 is nearly learned.
TARGET_UPDATE_INTERVAL = 3_000


class Blocks(BaseCallback):
    """Notes the clock at the start of training's every block; SB3 is asked to train once, as its users do."""

    def __init__(self, length):
        super().__init__()
        self.length = length
        self.marks = []

    def _on_step(self):
        if self.num_timesteps >= timing.WARM_UP and (self.num_timesteps - timing.WARM_UP) % self.length == 0:
            self.marks.append(time.perf_counter())
        return True


def agent(seed):
    gym.logger.min_level = gym.logger.ERROR  # version 0 is out of date, and is what the note uses
    return DQN(
        "MlpPolicy",
        gym.make("CartPole-v0"),
        learning_rate=5e-4,
        buffer_size=10_000,
        learning_starts=32,
        batch_size=32,
        gamma=0.98,
        train_freq=1,
        gradient_steps=1,
        target_update_interval=TARGET_UPDATE_INTERVAL,
        exploration_initial_eps=0.1,
        exploration_final_eps=0.1,
        max_grad_norm=float("inf"),
        policy_kwargs={"net_arch": [128, 128]},
        seed=seed,
        device="cpu",
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--time", type=int, metavar="STEPS", required=True, help="time training steps, print JSON")
    args = parser.parse_args()

    timing.pin_to_one_core()
    torch.set_num_threads(1)
    length = max(1, args.time // timing.BLOCKS)
    blocks = Blocks(length)
    agent(0).learn(timing.WARM_UP + timing.BLOCKS * length, callback=blocks)
    seconds = [after - before for before, after in zip(blocks.marks, blocks.marks[1:])]
    timing.write("sb3", [value / length * 1e6 for value in seconds], "stable_baselines3")


if __name__ == "__main__":
    main()
