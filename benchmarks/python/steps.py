"""What a step of Gymnasium's CartPole costs in the Python package, beside the bare Python loop and Stable-Baselines3.

    python steps.py                 # the step of the environment: needs quarl
    python steps.py --peer          # also a whole training step: needs stable-baselines3
    python steps.py --threads       # also two agents in two threads

Both programs of a comparison take turns on one core. Times are CPU times of the thread, because other processes of the machine
use the same cores; the elapsed times are in the JSON too. Writes python.json and python.md into --out.
"""

import argparse
import json
import os
import platform
import statistics
import threading
import time
import warnings
from datetime import date
from pathlib import Path

import gymnasium
import numpy as np

import quarl

HIDDEN = [128, 128]


class Clock:
    """CPU time and elapsed time per step, in microseconds."""

    def __init__(self):
        self.cpu, self.elapsed = [], []

    def add(self, before, after, steps):
        self.cpu.append((after[0] - before[0]) / steps * 1e6)
        self.elapsed.append((after[1] - before[1]) / steps * 1e6)

    def results(self):
        return {
            "median": statistics.median(self.cpu),
            "least": min(self.cpu),
            "most": max(self.cpu),
            "median_elapsed": statistics.median(self.elapsed),
            "rounds": [round(value, 3) for value in self.cpu],
        }


def now():
    return time.thread_time(), time.perf_counter()


def bare_loop(env, actions, clock):
    """The loop that a program without quarl would have: steps and resets, nothing kept."""
    env.reset(seed=0)
    before = now()
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()
    clock.add(before, now(), len(actions))


class Marks:
    """Notes the clock at the ends of episodes, so that the evaluation after training is not counted."""

    def __init__(self):
        self.marks = []

    def __call__(self, model, event):
        if event["event"] == "episode":
            self.marks.append((now(), event["env_steps"]))

    def add_to(self, clock):
        (before, first), (after, last) = self.marks[0], self.marks[-1]
        clock.add(before, after, last - first)


def measure_environment(rounds, steps):
    """Random actions, no updates: what remains is the environment, the way to it, and the replay buffer."""
    bare, ours = Clock(), Clock()
    generator = np.random.default_rng(0)
    settings = {
        "preset": "dqn",
        "exploration__epsilon": 1.0,
        "learning_starts": 10 * steps,
        "evaluation__episodes": 1,
        "checkpoint__every_seconds": 0,
    }
    for _ in range(rounds):
        bare_loop(gymnasium.make("CartPole-v1"), [np.int64(a) for a in generator.integers(2, size=steps)], bare)
        marks = Marks()
        quarl.DQN(gymnasium.make("CartPole-v1"), **settings).learn(steps, callback=marks)
        marks.add_to(ours)
    differences = [with_quarl - without for with_quarl, without in zip(ours.cpu, bare.cpu, strict=True)]
    return {
        "bare_loop": bare.results(),
        "quarl": ours.results(),
        "quarl_adds": {"median": statistics.median(differences), "rounds": [round(value, 3) for value in differences]},
    }


def measure_training(rounds, steps):
    """One update of batch 32 after every step, with the same settings in both."""
    import stable_baselines3
    import torch

    torch.set_num_threads(1)
    shared = {
        "learning_rate": 5e-4,
        "buffer_size": 10_000,
        "learning_starts": 100,
        "batch_size": 32,
        "gamma": 0.98,
        "train_freq": 1,
        "gradient_steps": 1,
        "target_update_interval": 500,
        "exploration_fraction": 0.1,
        "exploration_final_eps": 0.1,
        "policy_kwargs": {"net_arch": HIDDEN},
        "seed": 0,
    }
    theirs_clock, ours_clock = Clock(), Clock()
    theirs = stable_baselines3.DQN("MlpPolicy", gymnasium.make("CartPole-v1"), device="cpu", **shared)
    theirs.learn(500)
    ours = quarl.DQN("MlpPolicy", gymnasium.make("CartPole-v1"), preset="dqn", evaluation__episodes=1, **shared)
    ours.learn(500)
    for _ in range(rounds):
        before = now()
        theirs.learn(steps, reset_num_timesteps=False)
        theirs_clock.add(before, now(), steps)
        marks = Marks()
        ours.learn(10 * steps, callback=marks)
        marks.add_to(ours_clock)
    ratios = [a / b for a, b in zip(theirs_clock.cpu, ours_clock.cpu, strict=True)]
    return {
        "stable_baselines3": {"version": stable_baselines3.__version__, "torch": torch.__version__, **theirs_clock.results()},
        "quarl": ours_clock.results(),
        "times_faster": {"median": statistics.median(ratios), "rounds": [round(value, 2) for value in ratios]},
        "settings": {**shared, "hidden": HIDDEN},
    }


def measure_threads(rounds, steps):
    """Elapsed times of two agents, one after the other and in two threads, without Gymnasium and with it."""
    results = {}
    for env in ("CartPole-v1", "gym:CartPole-v1"):

        def train(seed, env=env):
            quarl.DQN(env, preset="dqn", seed=seed, evaluation__episodes=1, checkpoint__every_seconds=0).learn(steps)

        ratios = []
        for _ in range(rounds):
            before = time.perf_counter()
            for seed in (0, 1):
                train(seed)
            between = time.perf_counter()
            threads = [threading.Thread(target=train, args=(seed,)) for seed in (0, 1)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            ratios.append((between - before) / (time.perf_counter() - between))
        results[env] = {"median": statistics.median(ratios), "rounds": [round(value, 2) for value in ratios]}
    return results


def machine():
    model = "unknown"
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "gymnasium": gymnasium.__version__,
        "numpy": np.__version__,
        "quarl": quarl.__version__,
    }


def table(results):
    def row(name, entry):
        return f"| {name} | {entry['median']:.1f} | {entry['least']:.1f} | {entry['most']:.1f} |\n"

    head = "| {} | median | least | most |\n| --- | --- | --- | --- |\n"
    step = results["environment_step"]
    text = head.format("microseconds a CartPole step with a random action, resets included")
    text += row("the bare Python loop", step["bare_loop"]) + row("in `learn`, stored and without updates", step["quarl"])
    text += f"\nquarl adds {step['quarl_adds']['median']:.1f} (median of the differences of {len(step['quarl']['rounds'])} rounds).\n"
    if "training_step" in results:
        whole = results["training_step"]
        text += "\n" + head.format("microseconds a whole training step")
        text += row("Stable-Baselines3", whole["stable_baselines3"]) + row("quarl", whole["quarl"])
        text += f"\nquarl is {whole['times_faster']['median']:.1f} times as fast (median of the rounds).\n"
    for env, entry in results.get("threads", {}).items():
        text += f"\nTwo threads train two agents in {env} {entry['median']:.2f} times as fast as one after the other (elapsed time).\n"
    info = results["machine"]
    text += (
        f"\n{results['date']}, {info['processor']}, {info['cores']} cores, load {info['load']:.1f} (CPU times of one thread); Python "
        f"{info['python']}, Gymnasium {info['gymnasium']}, NumPy {info['numpy']}.\n"
    )
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/runs") / date.today().isoformat())
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--peer", action="store_true", help="also time Stable-Baselines3's training step")
    parser.add_argument("--threads", action="store_true", help="also time two agents in two threads, on all cores")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", "nothing is learnt")
    results = {"date": date.today().isoformat(), "machine": machine()}
    if arguments.threads:
        results["threads"] = measure_threads(max(3, arguments.rounds // 6), arguments.steps)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    results["environment_step"] = measure_environment(arguments.rounds, arguments.steps)
    if arguments.peer:
        results["training_step"] = measure_training(max(3, arguments.rounds // 3), arguments.steps // 10)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "python.json").write_text(json.dumps(results, indent=1) + "\n")
    (arguments.out / "python.md").write_text(table(results))
    print(table(results))


if __name__ == "__main__":
    main()
