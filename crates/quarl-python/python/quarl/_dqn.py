"""The agent: trains, acts, saves and loads."""

from __future__ import annotations

import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from quarl import _environment, _quarl, _vector
from quarl._environment import GYM_PREFIX, Adapter, Env, EnvLike
from quarl._errors import ConfigError, EnvError, InputError, StateError
from quarl._settings import settings as read_settings

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Path_ = str | PathLike[str]
Event = dict[str, Any]
Callback = Callable[["DQN", Event], bool | None]

# The longest time between two checks for Ctrl-C and updates of the progress bar.
SLICE = 0.05


class DQN:
    """A deep Q-learning agent and its training run.

    `env` is an id (a built-in environment, or one of Gymnasium), an environment or a vector environment of Gymnasium, or a
    function that creates an environment.
    `preset` names a preset (`quarl presets` lists them); without it, the default preset of the environment is used. Settings are
    keys of the configuration, as `agent__gamma=0.99` or `config={"agent": {"gamma": 0.99}}`, or the arguments of
    Stable-Baselines3's DQN. `config` may also be the path of a TOML file, such as a run's config.toml. With `out`, the run is
    written to that directory during training, as the command `quarl train` writes it.
    """

    def __init__(
        self,
        env: EnvLike | VectorEnv[Any, Any, Any] | None = None,
        *,
        preset: str | None = None,
        config: Mapping[str, Any] | Path_ | None = None,
        eval_env: Env | Callable[[], Env] | None = None,
        env_kwargs: Mapping[str, Any] | None = None,
        out: Path_ | None = None,
        force: bool = False,
        **settings: Any,
    ) -> None:
        self._preset = preset
        self._file = None if config is None or isinstance(config, Mapping) else fspath(config)
        self._settings = read_settings(config if isinstance(config, Mapping) else None, settings)
        if env_kwargs:
            self._settings.append(("env.gym.kwargs", dict(env_kwargs)))
        self._out = None if out is None else Path(out)
        self._force = force
        self._adapters: Sequence[Adapter] | None = None
        self._evaluation_adapter: Adapter | None = None
        self._own_objects: list[Env] = []
        self._own_vector: _vector.Shared | None = None
        self._policy: tuple[int, _quarl.Policy] | None = None
        self._model_file = Path()
        self._choose_environment(env, eval_env)
        self._native: _quarl.Training | None = self._build(self._configuration(None))

    # Building

    def _choose_environment(
        self, env: EnvLike | VectorEnv[Any, Any, Any] | None, eval_env: Env | Callable[[], Env] | None
    ) -> None:
        """Records the environment's id, and creates environments that are not built in."""
        self._given_env = env
        if isinstance(env, str):
            name = env.removeprefix("quarl/")
            is_known = name in _quarl.BUILT_IN or name.startswith(GYM_PREFIX)
            self._settings.append(("env.id", name if is_known else GYM_PREFIX + name))
            self._make_gymnasium(name.removeprefix(GYM_PREFIX), is_known)
        elif env is None:
            name = str(self._configuration(None).settings()["env"]["id"])
            if name.startswith(GYM_PREFIX):
                self._make_gymnasium(name.removeprefix(GYM_PREFIX), True)
        elif isinstance(env, gymnasium.Env):
            self._settings.append(("env.id", _environment.id_of(env)))
            self._own_objects = [env]
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

    def _make_gymnasium(self, name: str, is_known: bool) -> None:
        if name in _quarl.BUILT_IN and is_known and not self._is_gymnasium():
            return
        configured = self._configuration(None).settings()["env"]["gym"]
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

    # Training

    def learn(
        self,
        total_timesteps: int | None = None,
        callback: Callback | Sequence[Callback] | None = None,
        log_interval: int | None = None,
        *,
        progress_bar: bool = False,
    ) -> Self:
        """Trains for `total_timesteps` environment steps, or for the budget of the configuration.

        A later call continues for as many steps more. Schedules that are given as a fraction of the run then refer to the whole
        run. `callback(model, event)` gets a dictionary for each episode, evaluation and warning; training stops when it returns
        False. Ctrl-C raises KeyboardInterrupt; the model keeps what it has learnt, and `learn` can be called again.
        `log_interval` prints a line every so many episodes.
        """
        training = self._training()
        callbacks: Sequence[Callback] = () if callback is None else (callback,) if callable(callback) else callback
        before = training.env_steps
        if total_timesteps is not None:
            config = self._configuration(before + int(total_timesteps))
            if before == 0:
                training = self._native = self._build(config)
            else:
                training.extend(config)
        for env in self._own_objects:
            _environment.release(env)
        if self._own_vector is not None:
            self._own_vector.is_new = True
        if self._out is not None:
            training.open(self._out, self._force)
            self._force = True  # from now on the run in the directory is this one
        budget = training.config().settings()["training"]
        bar = Progress(budget.get("steps"), budget.get("episodes")) if progress_bar else None
        ended, interrupted = False, True
        try:
            while not ended:
                event, ended = training.advance(SLICE)
                if event is not None:
                    if event["event"] == "warning":
                        warnings.warn(event["message"], stacklevel=2)
                    log(event, log_interval)
                    if any(each(self, event) is False for each in callbacks):
                        break
                if bar is not None:
                    bar.show(training.env_steps, event)
            interrupted = not ended
        finally:
            if bar is not None:
                bar.close()
            if self._out is not None and sys.exc_info()[0] in (None, KeyboardInterrupt):
                training.finish(interrupted)
            training.close()
        return self

    def _training(self) -> _quarl.Training:
        if self._native is None:
            raise StateError("this model was loaded from files without the state of its training, so it cannot learn further")
        return self._native

    # Acting

    def _current_policy(self) -> _quarl.Policy:
        if self._native is None:
            assert self._policy is not None
            return self._policy[1]
        steps = self._native.env_steps
        if self._policy is None or self._policy[0] != steps:
            self._policy = (steps, self._native.policy())
        return self._policy[1]

    def predict(
        self,
        observation: Any,
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = True,
        *,
        action_masks: Any | None = None,
    ) -> tuple[NDArray[np.int64], tuple[NDArray[Any], ...] | None]:
        """The action for an observation, or the actions for an array of observations, and `state` unchanged.

        With `deterministic=False`, it explores as training does at the current step. `state` and `episode_start` exist for
        programs written for Stable-Baselines3; the network has no memory.
        """
        policy = self._current_policy()
        observations, is_single = self._as_batch(observation, policy)
        actions = np.empty(len(observations), np.int64)
        masks = None
        if action_masks is not None:
            masks = np.ascontiguousarray(action_masks, np.uint8).reshape(len(observations), -1)
        policy.act(observations, actions, masks=masks, greedy=deterministic)
        if self._adapters is not None:
            actions += _environment.first_action(self._adapters[0].env.action_space)
        return (actions.reshape(()) if is_single else actions), state

    def q_values(self, observation: Any) -> NDArray[np.float32]:
        """The Q-values of an observation, or of each of several."""
        policy = self._current_policy()
        observations, is_single = self._as_batch(observation, policy)
        values = np.empty((len(observations), policy.actions), np.float32)
        policy.q_values(observations, values)
        return values[0] if is_single else values

    def _as_batch(self, observation: Any, policy: _quarl.Policy) -> tuple[NDArray[np.float32], bool]:
        """Observations as an array [n, inputs], and whether there was a single one."""
        adapter = self._evaluation_adapter
        if adapter is not None and not isinstance(adapter.env.observation_space, gymnasium.spaces.Box):
            return adapter.flatten(observation).reshape(1, -1), True
        numbers = np.ascontiguousarray(observation, np.float32)
        if numbers.size == policy.inputs:
            return numbers.reshape(1, -1), numbers.ndim < 2 or numbers.shape[0] != 1 or policy.inputs == 1
        if numbers.ndim > 1 and numbers.size == len(numbers) * policy.inputs:
            return numbers.reshape(len(numbers), -1), False
        raise InputError(f"an observation has {policy.inputs} numbers, the array given has the shape {numbers.shape}")

    # Files

    def save(self, path: Path_) -> None:
        """Writes the run to a directory, which the command and `DQN.load` read, and replaces a run in it. If the path ends with
        `.safetensors`, only the model is written."""
        self._training().save(path)

    @classmethod
    def load(cls, path: Path_, env: EnvLike | None = None, *, best: bool = False) -> Self:
        """Loads the agent of a run's directory, or of a model file. `best` chooses the model of the best evaluation."""
        model = cls.__new__(cls)
        policy = _quarl.Policy.load(path, best=best)
        name = "best.safetensors" if best else "model.safetensors"
        model._model_file = Path(path) / name if Path(path).is_dir() else Path(path)
        file = Path(path) / "config.toml"
        model._preset, model._file = None, str(file) if file.is_file() else None
        model._settings, model._out, model._force = [], None, False
        model._adapters, model._evaluation_adapter, model._own_objects, model._own_vector = None, None, [], None
        model._native, model._policy = None, (0, policy)
        model._given_env = policy.env if env is None else env
        return model

    def state_dict(self) -> dict[str, NDArray[np.float32]]:
        """The parameters of the network by their names in PyTorch: `{name: torch.from_numpy(array) for name, array in ..}` can be
        loaded into a torch module with the same layers."""
        if self._native is None:
            return read_tensors(self._model_file.read_bytes())
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "model.safetensors"
            self._native.save(file)
            return read_tensors(file.read_bytes())

    # Results

    @property
    def num_timesteps(self) -> int:
        """The number of environment steps so far."""
        return 0 if self._native is None else self._native.env_steps

    @property
    def exploration_rate(self) -> float:
        """The exploration probability at the current step."""
        return 0.0 if self._native is None else self._native.epsilon

    @property
    def config(self) -> dict[str, Any]:
        """The complete configuration, by section and key."""
        if self._native is not None:
            return self._native.config().settings()
        if self._file is None:
            raise StateError("this model was loaded from a model file, which has no configuration")
        return _quarl.Config([], file=self._file).settings()

    @property
    def episodes(self) -> dict[str, NDArray[np.float64]]:
        """The training episodes, an array for each column of episodes.csv."""
        return {name: np.asarray(values, np.float64) for name, values in self._training().episodes().items()}

    @property
    def evaluations(self) -> list[dict[str, Any]]:
        """The greedy evaluations during training, with the return of each episode."""
        return self._training().evaluations()

    def episodes_frame(self) -> pd.DataFrame:
        """The training episodes as a data frame (needs pandas)."""
        import pandas as pd

        frame = pd.DataFrame(self._training().episodes())
        return frame.astype({"episode": "int64", "env_steps": "int64", "length": "int64"})

    def plot(self, ax: Axes | None = None, *, window: int = 20) -> Axes:
        """Draws the learning curve: the return of each training episode, their moving average, and the evaluations (needs
        matplotlib)."""
        import matplotlib.pyplot as plt

        axes: Axes = plt.subplots()[1] if ax is None else ax
        steps, returns = self.episodes["env_steps"], self.episodes["return"]
        axes.plot(steps, returns, color="tab:blue", alpha=0.3, label="training episodes")
        if len(returns) >= window:
            mean = np.convolve(returns, np.ones(window) / window, "valid")
            axes.plot(steps[window - 1 :], mean, color="tab:blue", label=f"mean of {window} episodes")
        evaluations = self.evaluations
        if evaluations:
            at = [evaluation["env_steps"] for evaluation in evaluations]
            means = [evaluation["mean_return"] for evaluation in evaluations]
            axes.plot(at, means, "o-", color="tab:orange", label="greedy evaluations")
        axes.set_xlabel("environment steps")
        axes.set_ylabel("return")
        axes.legend()
        return axes


def read_tensors(content: bytes) -> dict[str, NDArray[np.float32]]:
    """The tensors of a safetensors file: the length of the header, the header as JSON, then the numbers."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            tensors[name] = np.frombuffer(content[begin:end], "<f4").reshape(entry["shape"]).copy()
    return tensors


class Progress:
    """A line on standard error: the share of the budget, steps, and the latest return."""

    def __init__(self, steps: int | None, episodes: int | None) -> None:
        self._steps, self._episodes = steps, episodes
        self._latest, self._done, self._due, self._width = "", 0, 0.0, 0

    def show(self, steps: int, event: Event | None) -> None:
        if event is not None and event["event"] == "episode":
            self._latest, self._done = f", return {event['return']:g}", event["episode"] + 1
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + 0.2
            share = steps / self._steps if self._steps else self._done / self._episodes if self._episodes else 0.0
            line = f"{100 * share:3.0f}%  {steps} steps, {self._done} episodes{self._latest}"
            sys.stderr.write("\r" + line.ljust(self._width))
            sys.stderr.flush()
            self._width = len(line)

    def close(self) -> None:
        sys.stderr.write("\n")


def log(event: Event, interval: int | None) -> None:
    """Prints a line every `interval` episodes."""
    if interval and event["event"] == "episode" and (event["episode"] + 1) % interval == 0:
        print(f"episode {event['episode'] + 1}, step {event['env_steps']}: return {event['return']:g}")


def as_factory(env: Env | Callable[[], Env]) -> Callable[[], Env]:
    """An environment of the caller, or the caller's function, as a function."""
    if isinstance(env, gymnasium.Env):
        return lambda: env
    return env
