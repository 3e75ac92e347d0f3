"""Callbacks: functions of a model and an event, and objects with the methods of Stable-Baselines3's callbacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from quarl._errors import ConfigError
from quarl._progress import Event

if TYPE_CHECKING:
    from quarl._dqn import DQN

Function = Callable[["DQN", Event], bool | None]


class Methods(Protocol):
    """What Stable-Baselines3 calls of a callback object."""

    def init_callback(self, model: Any) -> None: ...
    def on_training_start(self, locals_: dict[str, Any], globals_: dict[str, Any]) -> None: ...
    def on_step(self) -> bool: ...
    def on_training_end(self) -> None: ...


class BaseCallback:
    """A callback object, as in Stable-Baselines3: override `_on_step`, which is called after every environment step and stops training
    when it returns False, and the other methods with an underscore as needed."""

    model: DQN

    def __init__(self, verbose: int = 0) -> None:
        self.verbose = verbose
        self.n_calls = 0
        self.num_timesteps = 0

    @property
    def training_env(self) -> Any:
        """The environment of training."""
        return self.model.get_env()

    def init_callback(self, model: DQN) -> None:
        self.model = model
        self._init_callback()

    def on_training_start(self, locals_: dict[str, Any], globals_: dict[str, Any]) -> None:
        self.num_timesteps = self.model.num_timesteps
        self._on_training_start()

    def on_step(self) -> bool:
        self.n_calls += 1
        self.num_timesteps = self.model.num_timesteps
        return self._on_step()

    def on_training_end(self) -> None:
        self._on_training_end()

    def _init_callback(self) -> None:
        """Called when `learn` begins."""

    def _on_training_start(self) -> None:
        """Called before the first step."""

    def _on_step(self) -> bool:
        """Called after every environment step, before the updates that follow it."""
        return True

    def _on_training_end(self) -> None:
        """Called after the last step."""


Callback = Function | Methods


class Callbacks:
    """The callbacks of a call of `learn`."""

    def __init__(self, callback: Callback | Sequence[Callback] | None) -> None:
        given: Any = callback
        if given is None:
            each: list[Any] = []
        elif callable(given) or hasattr(given, "on_step"):
            each = [given]
        else:
            each = list(given)
        self._objects: list[Methods] = [one for one in each if hasattr(one, "on_step")]
        self._functions: list[Function] = [one for one in each if not hasattr(one, "on_step")]
        for one in self._functions:
            if not callable(one):
                raise ConfigError(f"callback is {one!r}: expected a function of the model and an event, or a BaseCallback")

    @property
    def each_step(self) -> bool:
        """Whether every environment step is an event."""
        return bool(self._objects)

    def begin(self, model: DQN) -> None:
        for one in self._objects:
            one.init_callback(model)
            one.on_training_start({"self": model}, {})

    def go_on(self, model: DQN, event: Event) -> bool:
        """Calls those that an event concerns. Whether training goes on."""
        if event["event"] == "step":
            return all([one.on_step() for one in self._objects])
        return not any([one(model, event) is False for one in self._functions])

    def end(self) -> None:
        for one in self._objects:
            one.on_training_end()
