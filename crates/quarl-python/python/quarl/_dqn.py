"""The agent: trains, acts, saves and loads."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from quarl import _environment, _quarl
from quarl._callbacks import Callback, Callbacks
from quarl._curve import draw_curve
from quarl._environment import GYM_PREFIX, Env
from quarl._errors import ConfigError, EnvError, FileError, InputError, QuarlError, StateError
from quarl._progress import Progress, log
from quarl._run import AnyEnv, Path_, Run
from quarl._settings import is_policy
from quarl._settings import settings as read_settings
from quarl._tensors import read_tensors

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

# The longest time between two checks for Ctrl-C and updates of the progress bar.
SLICE = 0.05


class DQN(Run):
    """A deep Q-learning agent and its training run.

    `env` is an id (a built-in environment, or one of Gymnasium), an environment or a vector environment of Gymnasium, or a
    function that creates an environment.
    `preset` names a preset (`quarl presets` lists them); without it, the default preset of the environment is used. Settings are
    keys of the configuration, as `agent__gamma=0.99` or `config={"agent": {"gamma": 0.99}}`, or the arguments of
    Stable-Baselines3's DQN. `config` may also be the path of a TOML file, such as a run's config.toml; an environment of Gymnasium that
    only the file names is created where `trust` is true, because it is a program. With `out`, the run is
    written to that directory during training, as the command `quarl train` writes it.
    """

    def __init__(
        self,
        env: AnyEnv | None = None,
        env_after_policy: AnyEnv | None = None,
        *,
        preset: str | None = None,
        config: Mapping[str, Any] | Path_ | None = None,
        eval_env: Env | Callable[[], Env] | None = None,
        env_kwargs: Mapping[str, Any] | None = None,
        out: Path_ | None = None,
        force: bool = False,
        trust: bool = False,
        **settings: Any,
    ) -> None:
        if is_policy(env):
            # DQN("MlpPolicy", env), as in Stable-Baselines3.
            settings.setdefault("policy", env)
            env = env_after_policy
        elif env_after_policy is not None:
            raise ConfigError(f"the second argument is {env_after_policy!r}: give the environment first, and settings by name")
        file = None
        if config is not None and not isinstance(config, Mapping):
            file = (fspath(config), _quarl.read_text_file(config))
        self._prepare(preset, file, read_settings(config if isinstance(config, Mapping) else None, settings), out, force, trust)
        if env_kwargs:
            for said in (self._settings, self._said):
                said.append(("env.gym.kwargs", dict(env_kwargs)))
        self._choose_environment(env, eval_env)
        self._native = self._build(self._configuration(None))

    # Training

    def learn(
        self,
        total_timesteps: int | None = None,
        callback: Callback | Sequence[Callback] | None = None,
        log_interval: int | None = None,
        tb_log_name: str | None = None,
        reset_num_timesteps: bool = False,
        progress_bar: bool = False,
    ) -> Self:
        """Trains for `total_timesteps` environment steps, or for the budget of the configuration.

        A later call continues for as many steps more, also in a loaded model. Schedules that are given as a fraction of the run
        then refer to the whole run. `callback(model, event)` gets a dictionary for each episode, evaluation and warning; training
        stops when it returns False. A `BaseCallback` is called after every step. Ctrl-C raises KeyboardInterrupt; the model keeps
        what it has learnt, and `learn` can be called again. `log_interval` prints a line every so many episodes. `tb_log_name` exists for programs written for
        Stable-Baselines3.
        """
        training = self._training()
        callbacks = Callbacks(callback)
        before = training.env_steps
        if reset_num_timesteps and before > 0:
            raise StateError(
                f"reset_num_timesteps=True, but the model has learnt for {before} steps, and learn continues: create another "
                "model to begin again"
            )
        if total_timesteps is not None:
            config = self._configuration(before + int(total_timesteps))
            if before == 0:
                training = self._native = self._build(config)
            else:
                training.extend(config)
        if self._own_vector is not None:
            self._own_vector.is_new = True
        if self._out is not None:
            training.open(self._out, self._force)
            self._force = True  # from now on the run in the directory is this one
        budget = training.config().settings()["training"]
        bar = Progress(budget.get("steps"), budget.get("episodes")) if progress_bar else None
        ended = keeps_files = False
        callbacks.begin(self)
        try:
            while not ended:
                event, ended = training.advance(SLICE, each_step=callbacks.each_step)
                if event is not None:
                    if event["event"] == "warning":
                        warnings.warn(event["message"], stacklevel=2)
                    log(event, log_interval)
                    if not callbacks.go_on(self, event):
                        break
                if bar is not None:
                    bar.show(training.env_steps, event)
            keeps_files = True
            callbacks.end()
        except KeyboardInterrupt:
            keeps_files = True
            raise
        finally:
            if bar is not None:
                bar.close()
            training.pause()
            if keeps_files and self._out is not None:
                training.finish(not ended)
            training.close()
        return self

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
        """Writes the run with a checkpoint to a directory, which the command and `DQN.load` read and continue, and replaces a run in
        it. If the path ends with `.safetensors`, only the network is written, which acts and does not learn further."""
        self._training().save(path)

    @classmethod
    def load(
        cls,
        path: Path_,
        env: AnyEnv | None = None,
        *,
        best: bool = False,
        eval_env: Env | Callable[[], Env] | None = None,
        out: Path_ | None = None,
        force: bool = False,
        trust: bool = False,
        **settings: Any,
    ) -> Self:
        """Loads a run's directory, a checkpoint or a model file.

        From the first two, `learn` continues the run, with the same result as if it had never been saved. `env` is needed to learn
        in an environment of your own; one with an id is created again, but one of Gymnasium only with `trust`, because it is a program
        that the files choose. Give `trust=True` for files that you trust, or the environment as `env`. `best` loads the network of the best evaluation, and a
        model file has a network only: such a model acts. Settings that may change are the schedules and `checkpoint`.
        """
        if Path(path).suffix == ".zip" and Path(path).is_file():
            raise FileError(f"{path} is not a run of quarl: convert an agent of Stable-Baselines3 with the command quarl import first")
        model = cls.__new__(cls)
        for name in ("custom_objects", "print_system_info", "force_reset"):
            settings.pop(name, None)  # of Stable-Baselines3
        model._prepare(None, None, read_settings(None, settings), out, force, trust)
        saved = None if best else _quarl.SavedRun.load(path)
        if saved is None:
            model._load_network(path, best)
            is_run = Path(path).is_dir()
            if best:
                model._refusal = "this is the network of the best evaluation only: load the run without best=True to train it further"
            elif is_run:
                model._refusal = (
                    f"{path} has no checkpoint, so its training cannot be continued: runs of less than a minute write none; train "
                    "with checkpoint.every_steps, or write the run with model.save"
                )
            else:
                model._refusal = (
                    f"{path} holds the network only, so its training cannot be continued: load the directory of its run, or one "
                    "that model.save has written"
                )
            return model
        model._continue(saved, env, eval_env, path)
        return model

    def _continue(
        self,
        saved: _quarl.SavedRun,
        env: AnyEnv | None,
        eval_env: Env | Callable[[], Env] | None,
        path: Path_,
    ) -> None:
        """Restores a run in `env`, or in the environment that its configuration names."""
        source = saved.source()
        changed = {key: value for key, value in self._settings if key != "env.id"}
        # The environment is chosen anew.
        chosen = {*changed, "env.id"} if env is not None else set(changed)
        self._preset, self._file = source["preset"], tuple(source["file"]) if source["file"] else None
        self._settings = [(key, value) for key, value in source["settings"] if key not in chosen] + list(changed.items())
        self._configuration(None)
        try:
            self._choose_environment(env, eval_env)
            native = self._build(self._configuration(None))
        except (QuarlError, ImportError, gymnasium.error.Error) as error:
            if env is not None or not Path(path).is_dir():
                raise
            self._load_network(path, False)
            self._saved = saved
            self._refusal = (
                f"the environment {self._current_policy().env} of {path} cannot be created here ({error}): give it, as in "
                "DQN.load(path, env=env)"
            )
            return
        native.restore(saved)
        if self._own_vector is not None:
            self._own_vector.is_new = True
        self._native, self._policy, self._saved = native, None, None
        summary = Path(path) / "summary.json"
        if summary.is_file():
            steps = json.loads(summary.read_text(encoding="utf-8"))["env_steps"]
            if steps != saved.env_steps:
                warnings.warn(
                    f"{path}: this is the run at its latest checkpoint, after {saved.env_steps} of {steps} environment steps; its "
                    "model.safetensors has the network of the end",
                    stacklevel=3,
                )

    def _load_network(self, path: Path_, best: bool) -> None:
        self._policy = (0, _quarl.Policy.load(path, best=best))
        here = Path(path)
        self._model_file = here / ("best.safetensors" if best else "model.safetensors") if here.is_dir() else here
        config = self._model_file.parent / "config.toml"
        if config.is_file():
            self._preset, self._file = None, (fspath(config), _quarl.read_text_file(config))

    def _environment_of_files(self) -> str:
        """The id of the environment that the network was trained in."""
        name = self._current_policy().env
        if self._native is None and name not in _quarl.BUILT_IN and not self._trust:
            raise EnvError(
                f"{self._model_file} names the environment {name}, which is a program: give an environment as env, or load the "
                "model with trust=True if you trust the file"
            )
        return name

    def set_env(self, env: AnyEnv, force_reset: bool = True, *, eval_env: Env | None = None) -> None:
        """Continues training in this environment, which has to be like the one before. `force_reset` exists for programs written
        for Stable-Baselines3: a new episode always begins."""
        if self._saved is not None:
            self._continue(self._saved, env, eval_env, Path())
            return
        training = self._training()
        with tempfile.TemporaryDirectory() as directory:
            training.save(directory)
            saved = _quarl.SavedRun.load(directory)
            assert saved is not None
            # Its environment was created from the same settings.
            self._settings, self._trust = [], True
            self._adapters = self._evaluation_adapter = self._own_vector = None
            self._continue(saved, env, eval_env, directory)

    def get_env(self) -> Env | VectorEnv[Any, Any, Any]:
        """The environment of training. For a built-in one, a new environment like it."""
        if isinstance(self._given_env, (gymnasium.Env, VectorEnv)):
            return self._given_env
        if self._adapters is not None:
            return self._adapters[0].env
        name = self._environment_of_files()
        return gymnasium.make(f"quarl/{name}" if name in _quarl.BUILT_IN else name.removeprefix(GYM_PREFIX))

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
        return self._configuration(None).settings()

    @property
    def episodes(self) -> dict[str, NDArray[np.float64]]:
        """The training episodes, an array for each column of episodes.csv."""
        return {name: np.asarray(values, np.float64) for name, values in self._training().episodes().items()}

    @property
    def evaluations(self) -> list[dict[str, Any]]:
        """The greedy evaluations during training, with the return of each episode (None where only the mean is known, because the
        command has made the evaluation)."""
        return self._training().evaluations()

    def episodes_frame(self) -> pd.DataFrame:
        """The training episodes as a data frame (needs pandas)."""
        import pandas as pd

        frame = pd.DataFrame(self._training().episodes())
        return frame.astype({"episode": "int64", "env_steps": "int64", "length": "int64"})

    def plot(self, ax: Axes | None = None, *, window: int = 20) -> Axes:
        """Draws the learning curve: the return of each training episode, their moving average, and the evaluations (needs
        matplotlib)."""
        return draw_curve(self.episodes, self.evaluations, ax, window)
