"""Records what Gymnasium's own wrappers make of two tasks, for tests/gymnasium_wrappers.rs.

    python -m venv .venv && .venv/bin/pip install -r crates/quarl/tests/oracles/requirements.txt
    .venv/bin/python crates/quarl/tests/oracles/gymnasium_wrappers.py > crates/quarl/tests/fixtures/gymnasium_wrappers.json

For each task, all steps of three episodes under the same actions: seeded once, with resets where an episode ends.
"""

import json

import gymnasium
import numpy as np
from gymnasium import wrappers

STEPS = 60
STACK = 3
BOUNDS = (-0.5, 0.5)


def record(wrap, task, actions):
    """The observations (that of a reset has no reward) and rewards."""
    env = wrap(gymnasium.make(task, max_episode_steps=25, disable_env_checker=True))
    observation, _ = env.reset(seed=7)
    rows = [[np.ravel(observation).tolist(), None]]
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(action)
        rows.append([np.ravel(observation).tolist(), float(reward)])
        if terminated or truncated:
            observation, _ = env.reset()
            rows.append([np.ravel(observation).tolist(), None])
    return rows


def main():
    recordings = []
    for task in ("CartPole-v1", "MountainCar-v0"):
        n = int(gymnasium.make(task).action_space.n)
        actions = np.random.default_rng(1).integers(n, size=STEPS).tolist()
        for name, wrap in (
            ("NormalizeObservation", wrappers.NormalizeObservation),
            ("FrameStackObservation", lambda env: wrappers.FrameStackObservation(env, STACK)),
            ("ClipReward", lambda env: wrappers.ClipReward(env, *BOUNDS)),
        ):
            rows = record(wrap, task, actions)
            recordings.append({"id": task, "wrapper": name, "actions": actions, "rows": rows})
    versions = f"gymnasium {gymnasium.__version__}, numpy {np.__version__}"
    lines = ",\n".join(json.dumps(recording, separators=(",", ":")) for recording in recordings)
    print(f'{{"recorded_with":"{versions}","recordings":[\n{lines}\n]}}')


if __name__ == "__main__":
    main()
