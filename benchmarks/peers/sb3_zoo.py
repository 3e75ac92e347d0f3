"""Stable-Baselines3's DQN with the settings of RL-Baselines3-Zoo, scored as RESULTS.md scores quarl's tuned presets.

    python sb3_zoo.py --env CartPole-v1 --env MountainCar-v0 --seeds 30000-30009 --out ../../results/presets
    python sb3_zoo.py --table --out ../../results/presets

Trains one agent for each environment and seed, plays 100 greedy episodes with its final model and appends one line to
sb3-ENV.csv, and the return of each of the 100 episodes to sb3-ENV-episodes.csv. Seeds that sb3-ENV.csv has are skipped, so
an interrupted measurement continues with the same command. `--table` prints the table of what the files hold.

The settings are those of hyperparams/dqn.yml in github.com/DLR-RM/rl-baselines3-zoo at commit 22e3ff2 (2026-04-23).
"""

import argparse
import csv
import os
import time
from pathlib import Path

import gymnasium as gym
import numpy as np

EVALUATION_EPISODES = 100
# Added to a run's seed for its evaluation episodes: no training run has such a seed.
EVALUATION_SEED = 1_000_000
RESAMPLES = 10_000

# Acrobot-v1 and LunarLander-v3 have the same settings in the zoo.
BOX_LIKE = {
    "learning_rate": 6.3e-4,
    "batch_size": 128,
    "buffer_size": 50_000,
    "learning_starts": 0,
    "gamma": 0.99,
    "target_update_interval": 250,
    "train_freq": 4,
    "gradient_steps": -1,
    "exploration_fraction": 0.12,
    "exploration_final_eps": 0.1,
}
# Environment: training steps, settings. All networks have two hidden layers of 256 units.
ZOO = {
    "CartPole-v1": (
        50_000,
        {
            "learning_rate": 2.3e-3,
            "batch_size": 64,
            "buffer_size": 100_000,
            "learning_starts": 1000,
            "gamma": 0.99,
            "target_update_interval": 10,
            "train_freq": 256,
            "gradient_steps": 128,
            "exploration_fraction": 0.16,
            "exploration_final_eps": 0.04,
        },
    ),
    "MountainCar-v0": (
        120_000,
        {
            "learning_rate": 4e-3,
            "batch_size": 128,
            "buffer_size": 10_000,
            "learning_starts": 1000,
            "gamma": 0.98,
            "target_update_interval": 600,
            "train_freq": 16,
            "gradient_steps": 8,
            "exploration_fraction": 0.2,
            "exploration_final_eps": 0.07,
        },
    ),
    "Acrobot-v1": (100_000, BOX_LIKE),
    "LunarLander-v3": (100_000, BOX_LIKE),
}


def threshold(env_id):
    return gym.spec(env_id).reward_threshold


def train(env_id, seed):
    """The trained model; the wall-clock seconds, the processor seconds and the episodes of its training."""
    # Imported here: the table needs neither, and importing them takes seconds.
    import torch
    from stable_baselines3 import DQN
    from stable_baselines3.common.monitor import Monitor

    torch.set_num_threads(1)
    steps, settings = ZOO[env_id]
    env = Monitor(gym.make(env_id))
    model = DQN("MlpPolicy", env, policy_kwargs={"net_arch": [256, 256]}, seed=seed, device="cpu", **settings)
    wall, cpu = time.perf_counter(), time.process_time()
    model.learn(steps)
    return model, time.perf_counter() - wall, time.process_time() - cpu, len(env.get_episode_rewards())


def greedy_returns(model, env_id, seed):
    env = gym.make(env_id)
    returns = []
    for episode in range(EVALUATION_EPISODES):
        obs, _ = env.reset(seed=EVALUATION_SEED + seed if episode == 0 else None)
        episode_return, done = 0.0, False
        while not done:
            action, _ = model.predict(obs, deterministic=True)
            obs, reward, terminated, truncated, _ = env.step(int(action))
            done = terminated or truncated
            episode_return += float(reward)
        returns.append(episode_return)
    return returns


def files(out, env_id):
    name = f"sb3-{env_id.lower()}"
    return out / f"{name}.csv", out / f"{name}-episodes.csv"


def read(path):
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def append(path, rows):
    """Appends the rows with one write, so that two processes can share a file."""
    is_new = not path.exists()
    lines = ([",".join(rows[0])] if is_new else []) + [",".join(str(value) for value in row.values()) for row in rows]
    with open(path, "a") as file:
        file.write("".join(line + "\n" for line in lines))


def measure(env_id, seed, out):
    scores, episodes = files(out, env_id)
    model, wall, cpu, trained_episodes = train(env_id, seed)
    returns = greedy_returns(model, env_id, seed)
    append(episodes, [{"seed": seed, "episode": i, "return": round(value, 3)} for i, value in enumerate(returns)])
    row = {
        "seed": seed,
        "final_mean": round(float(np.mean(returns)), 3),
        "final_std": round(float(np.std(returns, ddof=1)), 3),
        "final_min": round(min(returns), 3),
        "final_max": round(max(returns), 3),
        "final_episodes_at_threshold": sum(value >= threshold(env_id) for value in returns),
        "env_steps": ZOO[env_id][0],
        "episodes": trained_episodes,
        "wall_seconds": round(wall, 1),
        "cpu_seconds": round(cpu, 1),
        "load_average": round(os.getloadavg()[1], 1),
    }
    append(scores, [row])  # last: a seed with a line here is finished
    print(f"{env_id} seed {seed}: {row['final_mean']}, {wall:.0f} s, {cpu:.0f} s of the processor", flush=True)


def iqm(scores):
    """The mean without the lowest and the highest quarter, in the last axis (rounded down to whole scores)."""
    cut = scores.shape[-1] // 4
    return np.sort(scores)[..., cut : scores.shape[-1] - cut].mean(axis=-1)


def interval(scores, statistic):
    """The 95% percentile bootstrap interval over seeds."""
    draws = np.random.default_rng(0).choice(scores, (RESAMPLES, len(scores)))
    return np.percentile(statistic(draws), [2.5, 97.5])


def wilson(successes, count):
    z = 1.959963984540054
    share = successes / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return middle - half, middle + half


def table(out):
    print("| environment | seeds | seeds at the threshold | IQM | mean | worst seed | wall time | processor time |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for env_id in ZOO:
        rows = sorted(read(files(out, env_id)[0]), key=lambda row: int(row["seed"]))
        if not rows:
            continue
        column = lambda name: np.array([float(row[name]) for row in rows])
        scores = column("final_mean")
        solved = int((scores >= threshold(env_id)).sum())
        low, high = wilson(solved, len(rows))
        (iqm_low, iqm_high), (mean_low, mean_high) = interval(scores, iqm), interval(scores, lambda x: x.mean(axis=-1))
        print(
            f"| {env_id} | {rows[0]['seed']} to {rows[-1]['seed']} | {solved} of {len(rows)} ({low:.0%} to {high:.0%}) "
            f"| {iqm(scores):.1f} ({iqm_low:.1f} to {iqm_high:.1f}) "
            f"| {scores.mean():.1f} ({mean_low:.1f} to {mean_high:.1f}) | {scores.min():.1f} "
            f"| {column('wall_seconds').mean():.0f} s | {column('cpu_seconds').mean():.0f} s |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--env", action="append", choices=ZOO, help="train on this environment; may be given several times")
    parser.add_argument("--seeds", default="30000-30009", metavar="FIRST-LAST", help="default: %(default)s")
    parser.add_argument("--table", action="store_true", help="print the table of the finished seeds")
    parser.add_argument("--out", type=Path, default=Path("."), help="directory of the CSV files")
    args = parser.parse_args()

    first, last = (int(seed) for seed in args.seeds.split("-"))
    for env_id in args.env or []:
        for seed in range(first, last + 1):
            if not any(int(row["seed"]) == seed for row in read(files(args.out, env_id)[0])):
                measure(env_id, seed, args.out)
    if args.table:
        table(args.out)


if __name__ == "__main__":
    main()
