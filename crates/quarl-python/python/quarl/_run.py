"""What a model consists of: its configuration, its environments and the run in the native module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import gymnasium
from gymnasium.vector import VectorEnv

from quarl import _environment, _quarl, _vector
from quarl._environment import GYM_PREFIX, Adapter, Env, EnvLike
from quarl._errors import ConfigError, EnvError, StateError

Path_ = str | PathLike[str]
AnyEnv = EnvLike | VectorEnv[Any, Any, Any]


class Run:
    """A training run and its parts."""

    def _prepare(
        self,
        preset: str | None,
        file: tuple[str, str] | None,
        settings: list[tuple[str, Any]],
        out: Path_ | None,
        force: bool,
        trust: bool,
    ) -> None:
        self._preset, self._file, self._settings = preset, file, settings
        # What the program itself says about environments of Gymnasium, and whether files may say more.
        self._said, self._trust = [item for item in settings if item[0].startswith("env.")], trust
        self._out = None if out is None else Path(out)
        self._force = force
        self._given_env: AnyEnv | None = None
        self._adapters: Sequence[Adapter] | None = None
        self._evaluation_adapter: Adapter | None = None
        self._own_vector: _vector.Shared | None = None
        self._policy: tuple[int, _quarl.Policy] | None = None
        self._native: _quarl.Training | None = None
        # A model that was loaded and cannot learn: its file, the run that an environment is missing for, and the reason.
        self._model_file = Path()
        self._saved: _quarl.SavedRun | None = None
        self._refusal = ""

    def _choose_environment(
        self, env: AnyEnv | None, eval_env: Env | Callable[[], Env] | None
    ) -> None:
        """Records the environment's id, and creates environments that are not built in."""
        self._given_env = env
        if isinstance(env, str):
            name = env.removeprefix("quarl/")
            is_known = name in _quarl.BUILT_IN or name.startswith(GYM_PREFIX)
            self._settings.append(("env.id", name if is_known else GYM_PREFIX + name))
            self._make_gymnasium(name.removeprefix(GYM_PREFIX), is_known, True)
        elif env is None:
            name = str(self._configuration(None).settings()["env"]["id"])
            if name.startswith(GYM_PREFIX):
                self._make_gymnasium(name.removeprefix(GYM_PREFIX), True, ("env.id", name) in self._said)
        elif isinstance(env, gymnasium.Env):
            self._settings.append(("env.id", _environment.id_of(env)))
            self._adapt([env], (lambda: _environment.duplicate(env)) if eval_env is None else as_factory(eval_env))
        elif isinstance(env, VectorEnv):
            self._adapt_vector(env, eval_env)
        elif callable(env):
            factory: Callable[[], Env] = env
            first = factory()
            if not isinstance(first, gymnasium.Env):
                raise ConfigError(f"env: the function returned {first!r}, expected an environment of Gymnasium")
            self._settings.append(("env.id", _environment.id_of(first)))
            others = [factory() for _ in range(self._environments() - 1)]
            self._adapt([first, *others], factory if eval_env is None else as_factory(eval_env))
        else:
            raise ConfigError(f"env is {env!r}: expected an id, an environment of Gymnasium, or a function that creates one")

    def _environments(self) -> int:
        return int(self._configuration(None).settings()["training"]["num_envs"])

    def _make_gymnasium(self, name: str, is_known: bool, is_named: bool) -> None:
        if is_named and name in _quarl.BUILT_IN and is_known and not self._is_gymnasium():
            return
        configured = self._configuration(None).settings()["env"]["gym"]
        if not self._trust:
            self._check_files(name, is_named, configured)
        for module in configured["imports"]:
            __import__(module)
        kwargs = configured["kwargs"]
        try:
            first = _environment.make(name, kwargs)
        except EnvError:
            if not is_known:
                # The library suggests the nearest ids.
                unprefixed = [item for item in self._settings if item[0] != "env.id"] + [("env.id", name)]
                _quarl.Training(_quarl.Config(unprefixed, preset=self._preset, file=self._file))
            raise
        others = [_environment.make(name, kwargs) for _ in range(self._environments() - 1)]
        self._adapt([first, *others], lambda: _environment.make(name, kwargs))

    def _check_files(self, name: str, is_named: bool, configured: dict[str, Any]) -> None:
        """Refuses an environment of Gymnasium, or modules and arguments for it, for which only files ask: they are programs."""
        settings = [("env.id", GYM_PREFIX + name), *(item for item in self._said if item[0].startswith("env.gym."))]
        said = _quarl.Config(settings, preset="dqn", file=None).settings()["env"]["gym"]
        asked = [] if is_named else [f"env.id = {GYM_PREFIX + name!r}"]
        if configured["imports"] not in ([], said["imports"]):
            asked.append(f"env.gym.imports = {configured['imports']}")
        asked += [
            f"env.gym.kwargs.{key} = {value!r}"
            for key, value in configured["kwargs"].items()
            if key not in said["kwargs"] or said["kwargs"][key] != value
        ]
        if asked:
            raise ConfigError(
                f"an environment of Gymnasium is a program, and nothing but files asks for {', '.join(asked)}: give the environment as "
                "env, or trust=True if you trust the files"
            )

    def _is_gymnasium(self) -> bool:
        return any(key == "env.id" and str(value).startswith(GYM_PREFIX) for key, value in self._settings)

    def _adapt(self, envs: Sequence[Env], another: Callable[[], Env]) -> None:
        evaluation = another()
        masked = _environment.has_action_mask(another)
        name = str(self._configuration(None).settings()["env"]["id"])
        self._adapters = [Adapter(env, name, masked) for env in envs]
        self._evaluation_adapter = Adapter(evaluation, name, masked)

    def _adapt_vector(self, venv: VectorEnv[Any, Any, Any], eval_env: Env | Callable[[], Env] | None) -> None:
        another: Callable[[], Env] = partial(_vector.single, venv) if eval_env is None else as_factory(eval_env)
        evaluation = another()
        name = _environment.id_of(evaluation)
        self._settings += [("env.id", name), ("training.num_envs", venv.num_envs)]
        seed = int(self._configuration(None).settings()["training"]["seed"])
        shared = self._own_vector = _vector.Shared(venv, _quarl.reset_seeds(seed, venv.num_envs))
        masked = _environment.has_action_mask(another)
        self._adapters = [_vector.VectorAdapter(shared, i, name, masked) for i in range(venv.num_envs)]
        self._evaluation_adapter = Adapter(evaluation, name, masked)

    def _configuration(self, steps: int | None) -> _quarl.Config:
        """The configuration, with a budget of `steps` environment steps."""
        settings = self._settings
        if steps is not None:
            budget = ("training.steps", "training.episodes")
            settings = [item for item in settings if item[0] not in budget] + [("training.steps", steps)]
        return _quarl.Config(settings, preset=self._preset, file=self._file)

    def _build(self, config: _quarl.Config) -> _quarl.Training:
        if self._adapters is None:
            return _quarl.Training(config)
        return _quarl.Training(config, self._adapters, self._evaluation_adapter)

    def _training(self) -> _quarl.Training:
        if self._native is None:
            raise StateError(self._refusal)
        return self._native


def as_factory(env: Env | Callable[[], Env]) -> Callable[[], Env]:
    """An environment of the caller, or the caller's function, as a function."""
    if isinstance(env, gymnasium.Env):
        return lambda: env
    return env
