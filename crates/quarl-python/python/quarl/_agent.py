"""The parts for training loops in Python: an agent, and a replay buffer."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import ArrayLike, NDArray

from quarl import _environment, _quarl, _vector
from quarl._environment import GYM_PREFIX, Adapter, Env
from quarl._errors import ConfigError
from quarl._settings import settings as read_settings


class Agent:
    """An agent that acts, observes transitions and learns, for a training loop in Python.

    `env` is an environment, a vector environment or an id; only its spaces are used. The agent explores, stores transitions and
    learns when the settings say so, as the training loop of `DQN` does: with the same environment and seeds, the results are equal.

        actions = agent.act(observations)
        next_observations, rewards, terminated, truncated, infos = envs.step(actions)
        agent.observe(observations, actions, rewards, next_observations, terminated, truncated)
        reports = agent.learn()
    """

    def __init__(
        self,
        env: str | Env | VectorEnv[Any, Any, Any],
        *,
        preset: str | None = None,
        config: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        chosen = read_settings(config, settings)
        adapter: Adapter | None = None
        name = ""
        if isinstance(env, str):
            name = env.removeprefix("quarl/")
            if name not in _quarl.BUILT_IN:
                env = _environment.make(name.removeprefix(GYM_PREFIX), {})
        self._is_vector = isinstance(env, VectorEnv)
        if isinstance(env, VectorEnv):
            name = f"{GYM_PREFIX}{env.spec.id}" if env.spec else type(env.unwrapped).__name__
            adapter = _vector.VectorAdapter(_vector.Shared(env, []), 0, name, False)
            chosen.append(("training.num_envs", env.num_envs))
        elif isinstance(env, gymnasium.Env):
            another = env
            name = _environment.id_of(env)
            adapter = Adapter(env, name, _environment.has_action_mask(lambda: _environment.duplicate(another)))
        elif not isinstance(env, str):
            raise ConfigError(f"env is {env!r}: expected an id, or an environment or vector environment of Gymnasium")
        chosen.append(("env.id", name))
        self._adapter = adapter
        self._start = 0 if adapter is None else _environment.first_action(adapter.env.action_space)
        self._native = _quarl.Agent(_quarl.Config(chosen, preset=preset), adapter)
        # Environments of a vector environment in autoreset mode NEXT_STEP whose next step is a reset, not a transition.
        self._resets_itself = isinstance(adapter, _vector.VectorAdapter) and adapter.resets_in_next_step
        self._ended = np.zeros(self._native.environments, np.bool_)

    def act(self, observations: Any, *, action_masks: ArrayLike | None = None) -> Any:
        """An action with exploration for an observation; for a vector environment, an action for each."""
        batch = self._batch(observations)
        actions = np.empty(len(batch), np.int64)
        masks = None if action_masks is None else np.ascontiguousarray(action_masks, np.uint8)
        self._native.act(batch, actions, (~self._ended).astype(np.uint8), masks=masks)
        actions += self._start
        return actions if self._is_vector else int(actions[0])

    def observe(
        self,
        observations: Any,
        actions: Any,
        rewards: Any,
        next_observations: Any,
        terminated: Any,
        truncated: Any,
        *,
        next_action_masks: ArrayLike | None = None,
    ) -> None:
        """Observes a step. `next_observations` are those before a reset: in a vector environment in autoreset mode SAME_STEP, they
        are in `infos["final_obs"]`. In mode NEXT_STEP, the default, the step after the end of an episode is a reset and is left out.
        """
        n = self._native.environments
        terminated = np.ascontiguousarray(terminated, np.uint8).reshape(n)
        truncated = np.ascontiguousarray(truncated, np.uint8).reshape(n)
        is_reset = self._ended
        batch = self._batch(observations).copy()
        self._native.observe(
            batch,
            np.ascontiguousarray(actions, np.int64).reshape(n) - self._start,
            np.ascontiguousarray(rewards, np.float64).reshape(n),
            self._batch(next_observations),
            terminated,
            truncated,
            (~is_reset).astype(np.uint8),
            next_masks=None if next_action_masks is None else np.ascontiguousarray(next_action_masks, np.uint8),
        )
        if self._resets_itself:
            self._ended = ((terminated | truncated) != 0) & ~is_reset

    def learn(self) -> list[dict[str, float]]:
        """Performs the updates that are due for the observed steps, and returns loss and mean Q-value of each."""
        return self._native.learn()

    def predict(self, observation: Any, *, action_masks: ArrayLike | None = None) -> Any:
        """The greedy action for an observation; for a vector environment, for each."""
        batch = self._batch(observation)
        actions = np.empty(len(batch), np.int64)
        masks = None if action_masks is None else np.ascontiguousarray(action_masks, np.uint8)
        self._native.policy().act(batch, actions, masks=masks)
        actions += self._start
        return actions if self._is_vector else int(actions[0])

    def q_values(self, observations: ArrayLike) -> NDArray[np.float32]:
        """The Q-values of an array of observations, [n, actions]."""
        batch = np.ascontiguousarray(observations, np.float32).reshape(-1, self._native.inputs)
        values = np.empty((len(batch), self._native.actions), np.float32)
        self._native.policy().q_values(batch, values)
        return values

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the model to a file, which `DQN.load` and the command read."""
        self._native.save(path)

    @property
    def env_steps(self) -> int:
        """The number of steps observed."""
        return self._native.env_steps

    @property
    def epsilon(self) -> float:
        """The exploration probability."""
        return self._native.epsilon

    @property
    def replay_size(self) -> int:
        """The number of transitions in the replay buffer."""
        return self._native.replay_len

    def _batch(self, observations: Any) -> NDArray[np.float32]:
        n, adapter = self._native.environments, self._adapter
        if adapter is None or isinstance(adapter.env.observation_space, gymnasium.spaces.Box):
            return np.ascontiguousarray(observations, np.float32).reshape(n, -1)
        if isinstance(adapter, _vector.VectorAdapter):
            each = adapter._vector._each(observations)
            return np.stack([adapter.flatten(item) for item in each])
        return adapter.flatten(observations).reshape(1, -1)


class Replay:
    """A replay buffer: a ring of transitions that is sampled uniformly, or by priority (Schaul et al. 2016).

    A transition carries its own discount: gamma, or 0 where the episode terminated.
    """

    def __init__(
        self, capacity: int, observation_size: int, *, prioritized: bool = False, alpha: float = 0.6, eps: float = 1e-6, seed: int = 0
    ) -> None:
        self._size = observation_size
        self._native = _quarl.Replay(capacity, observation_size, prioritized, alpha, eps, seed)

    def __len__(self) -> int:
        return len(self._native)

    def add(
        self, observations: ArrayLike, actions: ArrayLike, rewards: ArrayLike, discounts: ArrayLike, next_observations: ArrayLike
    ) -> NDArray[np.int64]:
        """Stores transitions, one for each row, and returns their ids."""
        ids = self._native.add(
            np.ascontiguousarray(observations, np.float32),
            np.atleast_1d(np.ascontiguousarray(actions, np.int64)),
            np.atleast_1d(np.ascontiguousarray(rewards, np.float32)),
            np.atleast_1d(np.ascontiguousarray(discounts, np.float32)),
            np.ascontiguousarray(next_observations, np.float32),
        )
        return np.asarray(ids, np.int64)

    def sample(self, batch_size: int, *, beta: float = 1.0) -> dict[str, NDArray[Any]]:
        """A batch: `obs`, `actions`, `rewards`, `discounts`, `next_obs`, `ids`, and importance-sampling `weights`."""
        batch = self._native.sample(batch_size, beta)
        shape = (batch_size, self._size)
        return {
            "obs": np.asarray(batch["obs"], np.float32).reshape(shape),
            "actions": np.asarray(batch["actions"], np.int64),
            "rewards": np.asarray(batch["rewards"], np.float32),
            "discounts": np.asarray(batch["discounts"], np.float32),
            "next_obs": np.asarray(batch["next_obs"], np.float32).reshape(shape),
            "ids": np.asarray(batch["ids"], np.int64),
            "weights": np.asarray(batch["weights"], np.float32),
        }

    def update_priorities(self, ids: ArrayLike, td_errors: ArrayLike) -> None:
        """Sets the priorities of sampled transitions from their TD errors."""
        self._native.update_priorities(np.asarray(ids).tolist(), np.ascontiguousarray(td_errors, np.float32))
