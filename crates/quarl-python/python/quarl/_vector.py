"""Vector environments of Gymnasium for the native module, in every autoreset mode.

The training loop steps its environments in turn and resets one when its episode has ended. A vector environment steps all of them
at once and may reset them itself, so the adapters of its environments share one object: the first step of a round takes the step
of all, with the actions that were announced.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import iterate

from quarl._environment import Adapter, Env, Refused, Taken, first_action

Vector = VectorEnv[Any, Any, Any]


class Shared:
    """A vector environment and the results of its latest step."""

    def __init__(self, venv: Vector, seeds: Sequence[int]) -> None:
        self.venv, self.seeds = venv, list(seeds)
        mode = venv.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
        self.mode = mode if isinstance(mode, AutoresetMode) else AutoresetMode(mode)
        count = venv.num_envs
        self.actions = np.zeros(count, np.int64)
        # No environment has been reset yet, or an exception has left the vector environment in an unknown state.
        self.is_new = True
        self.was_reset = False
        self.observations: list[Any] = [None] * count
        self.masks: list[Any] = [None] * count
        # The first observation of the next episode, where it is known already.
        self.first: list[Any] = [None] * count
        self.first_masks: list[Any] = [None] * count
        # Environments that are reset by the next step.
        self.ended = np.zeros(count, np.bool_)
        # Environments within an episode of the training loop.
        self.running = np.zeros(count, np.bool_)
        self.results: list[tuple[float, int] | None] = [None] * count

    def reset_all(self, seed: int | None) -> None:
        # A later reset of everything uses other seeds than the first one. Seeds of NumPy's old generator are below 2^32.
        later = [((seed or 0) + i) % 2**32 for i in range(self.venv.num_envs)]
        seeds = later if self.was_reset else self.seeds
        observations, infos = self.venv.reset(seed=seeds)  # type: ignore[arg-type]  # Gymnasium's vector environments take a list
        self.is_new, self.was_reset = False, True
        self.ended[:] = self.running[:] = False
        self.first = self._each(observations)
        self.first_masks = self._masks(infos)

    def step(self) -> None:
        """Steps all environments, those that have ended with any action."""
        start = first_action(self.venv.single_action_space)
        try:
            observations, rewards, terminated, truncated, infos = self.venv.step(self.actions + start)
        except BaseException:
            self.is_new = True
            raise
        each, masks = self._each(observations), self._masks(infos)
        for i in range(self.venv.num_envs):
            if self.ended[i]:
                # This step was the reset of the environment, and no transition.
                self.first[i], self.first_masks[i] = each[i], masks[i]
                self.ended[i] = False
                continue
            end = 1 if terminated[i] else 2 if truncated[i] else 0
            self.results[i] = (float(rewards[i]), end)
            self.observations[i], self.masks[i] = each[i], masks[i]
            self.running[i] = end == 0
            if end and self.mode == AutoresetMode.SAME_STEP:
                self.observations[i] = infos["final_obs"][i]
                final = infos.get("final_info", {})
                self.masks[i] = final["action_mask"][i] if "action_mask" in final else None
                self.first[i], self.first_masks[i] = each[i], masks[i]
            self.ended[i] = end != 0 and self.mode == AutoresetMode.NEXT_STEP

    def begin_episode(self, i: int, seed: int | None) -> None:
        """Sets the first observation of the next episode of environment `i`."""
        if self.is_new:
            self.results = [None] * self.venv.num_envs
            self.reset_all(seed)
        if self.first[i] is None:
            if self.mode == AutoresetMode.DISABLED:
                chosen = np.zeros(self.venv.num_envs, np.bool_)
                chosen[i] = True
                observations, infos = self.venv.reset(options={"reset_mask": chosen})
                self.first[i], self.first_masks[i] = self._each(observations)[i], self._masks(infos)[i]
            elif self.mode == AutoresetMode.NEXT_STEP and self.ended.all():
                self.step()
            else:
                # The next step of the others resets this environment, so that it takes no step in this round.
                raise Taken
        self.observations[i], self.masks[i] = self.first[i], self.first_masks[i]
        self.first[i] = self.first_masks[i] = None
        self.running[i] = True

    def take(self, i: int) -> tuple[float, int]:
        """The result of the announced step of environment `i`."""
        if self.is_new or (self.results[i] is None and not self.running[i]):
            raise Taken
        if self.results[i] is None:
            if any(first is not None for first in self.first):
                # After a reset of everything, the environments begin their episodes together.
                self.first[i], self.first_masks[i] = self.observations[i], self.masks[i]
                self.running[i] = False
                raise Taken
            self.step()
        result = self.results[i]
        self.results[i] = None
        assert result is not None
        return result

    def _each(self, observations: Any) -> list[Any]:
        return [item for item in iterate(self.venv.observation_space, observations)]

    def _masks(self, infos: dict[str, Any]) -> list[Any]:
        masks = infos.get("action_mask")
        return [None] * self.venv.num_envs if masks is None else list(masks)


class VectorAdapter(Adapter):
    """One environment of a vector environment."""

    def __init__(self, shared: Shared, i: int, env_id: str, has_action_mask: bool) -> None:
        self._vector, self._i = shared, i
        super().__init__(View(shared.venv), env_id, has_action_mask)  # type: ignore[arg-type]
        # A vector environment draws its random numbers itself.
        self.saves_random_state = True

    @property
    def resets_in_next_step(self) -> bool:
        """Whether the step after the end of an episode resets the environment."""
        return self._vector.mode == AutoresetMode.NEXT_STEP

    def reset(self, seed: int | None) -> None:
        self._vector.begin_episode(self._i, seed)
        self._show()

    def begin(self, action: int) -> None:
        self._vector.actions[self._i] = action

    def _make_step(self) -> Callable[[int], tuple[float, int]]:
        def take(action: int) -> tuple[float, int]:
            result = self._vector.take(self._i)
            self._show()
            return result

        return take

    def _show(self) -> None:
        self._observe(self._vector.observations[self._i])
        mask = self._vector.masks[self._i]
        if mask is not None:
            self._see({"action_mask": mask})
        elif self.has_action_mask:
            self._see({})

    def save(self) -> bytes:
        """Nothing but that there was a reset: when training goes on, all environments are reset with new seeds."""
        return b"reset" if self._vector.was_reset else b""

    def load(self, state: bytes) -> None:
        self._vector.is_new = self._vector.was_reset = True


class View:
    """The description of one environment of a vector environment."""

    def __init__(self, venv: Vector) -> None:
        self.observation_space, self.action_space = venv.single_observation_space, venv.single_action_space
        self.spec, self.metadata = venv.spec, venv.metadata


def single(venv: Vector) -> Env:
    """One environment like those of a vector environment, for evaluations."""
    import gymnasium

    functions = getattr(venv.unwrapped, "env_fns", None)
    if functions:
        made: Env = functions[0]()
        return made
    if venv.spec is not None:
        return gymnasium.make(venv.spec.id, **venv.spec.kwargs)
    raise Refused("space", f"{venv}: evaluations need a single environment: give one as eval_env")


