"""Records episodes of Gymnasium's classic control tasks for tests/gymnasium_parity.rs.

    python -m venv .venv && .venv/bin/pip install -r crates/quarl/tests/oracles/requirements.txt
    .venv/bin/python crates/quarl/tests/oracles/gymnasium_trajectories.py crates/quarl/tests/fixtures/gymnasium

One file a task: ten seeds, each with one seeded reset and five unseeded ones after it. Every action, reward and ending is
kept; of the states one in twenty, and the last. Single steps, drawn from all episodes, are kept whole.
"""

import itertools
import json
import math
import sys
from pathlib import Path

import gymnasium
import numpy as np

SEEDS = (0, 1, 2, 3, 42, 123, 2**31, 2**32 - 1, 2**32, 2**64 - 1)
EPISODES_A_SEED = 6
EVERY = 20
SINGLE_STEPS = 250


def balance(state):
    return int(state[2] + 0.3 * state[3] + 0.02 * state[0] + 0.05 * state[1] > 0)


def swing_car(state):
    return 2 if state[1] >= 0 else 0


def swing_links(state):
    return 2 if state[2] < 0 else 0


# Random actions alone would show only short episodes of CartPole and endless ones of the others.
SKILLED = {
    "CartPole-v0": balance,
    "CartPole-v1": balance,
    "MountainCar-v0": swing_car,
    "Acrobot-v1": swing_links,
}
# How often each of a seed's episodes acts at random.
RANDOMNESS = (1.0, 0.0, 0.1, 0.3, 0.6, 1.0)


def numbers(array):
    return [float(x) for x in array]


def record_episode(env, skilled, seed, randomness, rng, steps):
    observation, _ = env.reset(seed=seed)
    state = numbers(env.unwrapped.state)
    episode = {"seed": seed, "reset_state": state, "reset_observation": numbers(observation)}
    actions, rewards, states = [], [], []
    while True:
        explores = rng.random() < randomness
        action = int(rng.integers(env.action_space.n)) if explores else skilled(state)
        observation, reward, terminated, truncated, _ = env.step(action)
        next_state = numbers(env.unwrapped.state)
        steps.append((state, action, next_state, float(reward), terminated))
        actions.append(str(action))
        rewards.append(float(reward))
        state = next_state
        if len(actions) % EVERY == 0:
            states.append(state)
        if terminated or truncated:
            break
    runs = [[reward, len(list(run))] for reward, run in itertools.groupby(rewards)]
    return episode | {
        "actions": "".join(actions),
        "rewards": runs,
        "terminated": terminated,
        "truncated": truncated,
        "states": states,
        "last_state": state,
        "last_observation": numbers(observation),
    }


def record(task):
    env = gymnasium.make(task)
    rng = np.random.default_rng(sum(map(ord, task)))
    episodes, steps = [], []
    for seed in SEEDS:
        for nth, randomness in zip(range(EPISODES_A_SEED), RANDOMNESS, strict=True):
            episodes.append(record_episode(env, SKILLED[task], None if nth else seed, randomness, rng, steps))
    # Endings are few among the steps: take some of them for certain.
    ending = [step for step in steps if step[4]][: SINGLE_STEPS // 5]
    others = [steps[i] for i in rng.choice(len(steps), SINGLE_STEPS - len(ending), replace=False)]
    return episodes, ending + others


def lines(rows):
    return ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)


def main(directory):
    directory.mkdir(parents=True, exist_ok=True)
    for task in SKILLED:
        episodes, steps = record(task)
        text = (
            f'{{"recorded_with":"gymnasium {gymnasium.__version__}, numpy {np.__version__}",'
            f'"id":"{task}","every":{EVERY},"episodes":[\n{lines(episodes)}\n],"steps":[\n{lines(steps)}\n]}}\n'
        )
        json.loads(text)
        (directory / f"{task}.json").write_text(text)
        lengths = [len(episode["actions"]) for episode in episodes]
        terminated = sum(episode["terminated"] for episode in episodes)
        print(task, len(episodes), "episodes,", min(lengths), "to", max(lengths), "steps,", terminated, "terminated,",
              math.ceil(len(text) / 1024), "KB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
