"""Environments of Gymnasium for the native module: adapters that write observations into arrays, and copies for evaluation."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from quarl import _quarl
from quarl._errors import EnvError

Env = gymnasium.Env[Any, Any]
EnvLike = str | Env | Callable[[], Env]

# The code that describes spaces to the worker processes of the command describes them here, too.
_shared: dict[str, Any] = {"gymnasium": gymnasium, "np": np, "spaces": gymnasium.spaces, "__name__": "quarl._spaces"}
exec(compile(_quarl.SPACES, "<quarl/spaces.py>", "exec"), _shared)
Refused: type[Exception] = _shared["Refused"]

GYM_PREFIX = "gym:"


class Taken(Exception):
    """Another user of the environment object has reset it, so the running episode cannot go on."""


# The token of the adapter that has reset an environment object last.
_owners: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()


class Adapter:
    """An environment as the native module calls it. Observations are written into `observation`, action masks into `mask`."""

    def __init__(self, env: Env, env_id: str, has_action_mask: bool) -> None:
        try:
            description, low, high = _shared["describe_spaces"](env)
        except Refused as error:
            raise EnvError(f"{env_id}: {error}") from None
        self.env = env
        self.id = env_id
        self.shape: list[int] = description["shape"]
        self.bytes: bool = description["bytes"]
        self.actions: int = description["actions"]
        self.low: np.ndarray[Any, Any] = np.ascontiguousarray(low, np.float32)
        self.high: np.ndarray[Any, Any] = np.ascontiguousarray(high, np.float32)
        spec = env.spec
        self.max_episode_steps = spec.max_episode_steps if spec else None
        self.reward_threshold = spec.reward_threshold if spec else None
        self.render_fps = int(env.metadata.get("render_fps") or 30)
        self.has_action_mask = has_action_mask
        self.saves_random_state: bool = _shared["saves_random_state"](env) if isinstance(env, gymnasium.Env) else False
        self.observation = np.zeros(int(np.prod(self.shape)), np.uint8 if self.bytes else np.float32)
        self.mask = np.ones(self.actions, np.uint8)
        self._observe = _shared["observer"](env.observation_space, self.observation)
        self._see = _shared["mask_reader"](self.mask, self.actions, has_action_mask)
        self._owner: list[Any] = _owners.setdefault(env, [None])
        self._token = object()
        self.step = self._make_step()

    def flatten(self, observation: Any) -> np.ndarray[Any, Any]:
        """An observation as numbers."""
        self._observe(observation)
        return self.observation.astype(np.float32)

    def reset(self, seed: int | None) -> None:
        self._owner[0] = self._token
        observation, info = self.env.reset(seed=seed)
        self._observe(observation)
        if self.has_action_mask or "action_mask" in info:
            self._see(info)

    def _make_step(self) -> Callable[[int], tuple[float, int]]:
        step, observe, see, masked = self.env.step, self._observe, self._see, self.has_action_mask
        actions, owner = _shared["integer_actions"](self.env.action_space), self._owner
        me = self._token

        def take(action: int) -> tuple[float, int]:
            if owner[0] is not me:
                raise Taken
            observation, reward, terminated, truncated, info = step(actions[action])
            observe(observation)
            if masked or "action_mask" in info:
                see(info)
            try:
                return float(reward), 1 if terminated else 2 if truncated else 0
            except (TypeError, ValueError):
                raise Refused("value", f"the reward is {reward!r}, expected a number") from None

        return take

    def save(self) -> bytes:
        state: bytes = _shared["save_generator"](self.env)
        return state

    def load(self, state: bytes) -> None:
        _shared["load_generator"](self.env, bytes(state))


def first_action(space: gymnasium.Space[Any]) -> int:
    """The smallest action of a Discrete space."""
    return int(space.start) if isinstance(space, gymnasium.spaces.Discrete) else 0


def has_action_mask(copy_of: Callable[[], Env]) -> bool:
    """Whether the environment has an action mask, tested on a separate copy so that the real one is unchanged."""
    try:
        probe = copy_of()
        _, info = probe.reset(seed=0)
        probe.close()
        return "action_mask" in info
    except Exception:
        return False


def id_of(env: Env) -> str:
    """The name of an environment object in configurations and model files."""
    return GYM_PREFIX + env.spec.id if env.spec else type(env.unwrapped).__name__


def duplicate(env: Env) -> Env:
    """A new environment like `env`, for evaluations."""
    if env.spec is not None:
        try:
            made = gymnasium.make(env.spec, disable_env_checker=True)
            if type(made.unwrapped) is type(env.unwrapped):
                return made
        except Exception:
            pass  # wrappers that cannot be created again: try a copy
    try:
        return copy.deepcopy(env)
    except Exception as error:
        raise EnvError(
            f"{id_of(env)}: evaluations need a second environment, and this one cannot be copied ({error}): give a function that "
            "creates the environment instead, or an evaluation environment as eval_env"
        ) from error


def make(name: str, kwargs: dict[str, Any]) -> Env:
    """An environment of Gymnasium by its id, without the prefix `gym:`."""
    arguments = {key: None if value == "None" else value for key, value in kwargs.items()}
    arguments.setdefault("disable_env_checker", True)
    try:
        return gymnasium.make(name, **arguments)
    except (gymnasium.error.UnregisteredEnv, gymnasium.error.DeprecatedEnv) as error:
        raise EnvError(f"{GYM_PREFIX}{name}: {error}") from error
