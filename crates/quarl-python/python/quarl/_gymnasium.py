"""The built-in environments as environments of Gymnasium: quarl/CartPole-v1 and so on."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from quarl import _quarl
from quarl._errors import ConfigError

Observation = NDArray[np.float32]
Observations = NDArray[np.float32]
RENDER_SIZE = (600, 400)


def spaces_of(spec: dict[str, Any]) -> tuple[Any, spaces.Discrete]:
    """The observation and action space. JSON has no infinity, so an unbounded number has no bound."""
    box = spec["observation_space"]
    low = np.array([-np.inf if bound is None else bound for bound in box["low"]], np.float32)
    high = np.array([np.inf if bound is None else bound for bound in box["high"]], np.float32)
    return spaces.Box(low, high, dtype=np.float32), spaces.Discrete(spec["action_space"]["n"])


class BuiltInEnv(gymnasium.Env[Observation, np.int64]):
    """A built-in environment."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}

    def __init__(self, id: str, render_mode: str | None = None) -> None:
        if render_mode not in (None, "rgb_array"):
            raise ConfigError(f"render_mode = {render_mode!r}: expected None or 'rgb_array'")
        spec = _quarl.built_in_spec(id)
        self.metadata = {**self.metadata, "render_fps": spec["render_fps"]}
        self.render_mode = render_mode
        box, self.action_space = spaces_of(spec)
        self.observation_space = box
        self._size = box.shape[0]
        self._native = _quarl.BuiltIn(id)
        self._is_seeded = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is None and not self._is_seeded:
            # Without a seed, the first episode differs from process to process, as in Gymnasium.
            seed = int(self.np_random.integers(2**31))
        self._is_seeded = True
        observation = np.empty(self._size, np.float32)
        self._native.reset(seed, observation)
        return observation, {}

    def step(self, action: np.int64 | int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        observation = np.empty(self._size, np.float32)
        reward, terminated, truncated = self._native.step(int(action), observation)
        return observation, reward, terminated, truncated, {}

    def render(self) -> NDArray[np.uint8] | None:
        if self.render_mode is None:
            return None
        width, height = RENDER_SIZE
        pixels = self._native.render(width, height)
        if pixels is None:
            return None
        return np.frombuffer(pixels, np.uint8).reshape(height, width, 3).copy()


class BuiltInVectorEnv(VectorEnv[Observations, NDArray[np.int64], NDArray[Any]]):
    """Several built-in environments of one kind, stepped together. The step after the end of an episode resets it."""

    def __init__(self, id: str, num_envs: int = 1, max_episode_steps: int | None = None) -> None:
        spec = _quarl.built_in_spec(id)
        if max_episode_steps not in (None, spec["max_episode_steps"]):
            raise ConfigError(f"max_episode_steps = {max_episode_steps}: {id} has {spec['max_episode_steps']}")
        self.metadata = {"render_fps": spec["render_fps"], "autoreset_mode": AutoresetMode.NEXT_STEP}
        self.num_envs = num_envs
        box, self.single_action_space = spaces_of(spec)
        self.single_observation_space = box
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._shape = (num_envs, box.shape[0])
        self._native = _quarl.BuiltInVector(id, num_envs)
        self._is_seeded = False

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        if isinstance(seed, int):
            seeds: list[int | None] = [seed + i for i in range(self.num_envs)]
        elif seed is not None:
            seeds = list(seed)
        elif self._is_seeded:
            seeds = [None] * self.num_envs
        else:
            seeds = [int(each) for each in np.random.default_rng().integers(2**31, size=self.num_envs)]
        if len(seeds) != self.num_envs:
            raise ConfigError(f"{len(seeds)} seeds for {self.num_envs} environments: give one for each")
        self._is_seeded = True
        observations = np.empty(self._shape, np.float32)
        self._native.reset(seeds, observations)
        return observations, {}

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[Observations, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        actions = np.ascontiguousarray(actions, np.int64)
        if actions.shape != (self.num_envs,):
            raise ConfigError(f"actions of shape {actions.shape} for {self.num_envs} environments: give one for each")
        observations, rewards = np.empty(self._shape, np.float32), np.empty(self.num_envs)
        terminated, truncated = np.empty(self.num_envs, np.uint8), np.empty(self.num_envs, np.uint8)
        self._native.step(actions, observations, rewards, terminated, truncated)
        return observations, rewards, terminated.view(np.bool_), truncated.view(np.bool_), {}


def register() -> None:
    """Registers every built-in environment, once."""
    for name in _quarl.BUILT_IN:
        if f"quarl/{name}" in gymnasium.registry:
            continue
        spec = _quarl.built_in_spec(name)
        gymnasium.register(
            f"quarl/{name}",
            entry_point="quarl._gymnasium:BuiltInEnv",
            vector_entry_point="quarl._gymnasium:BuiltInVectorEnv",
            kwargs={"id": name},
            max_episode_steps=spec["max_episode_steps"],
            reward_threshold=spec["reward_threshold"],
        )
