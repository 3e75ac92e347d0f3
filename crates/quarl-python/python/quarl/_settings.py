"""Settings from keyword arguments: keys of the configuration, and the names of Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from quarl._errors import ConfigError

# The arguments of Stable-Baselines3's DQN that are a key of the configuration.
SAME_MEANING = {
    "learning_rate": "optimizer.lr",
    "buffer_size": "replay.capacity",
    "learning_starts": "training.learning_starts",
    "batch_size": "agent.batch_size",
    "gamma": "agent.gamma",
    "n_steps": "agent.n_step",
    "train_freq": "training.train_frequency",
    "gradient_steps": "training.gradient_steps",
    "target_update_interval": "target_network.every_steps",
    "max_grad_norm": "optimizer.max_grad_norm",
    "seed": "training.seed",
}
EXPLORATION = ("exploration_fraction", "exploration_initial_eps", "exploration_final_eps")
# Arguments of Stable-Baselines3 that change nothing here: quarl computes on the CPU and prints progress only on request.
WITHOUT_EFFECT = {
    "verbose": (0, 1, 2),
    "device": ("auto", "cpu"),
    # The network takes Dict observations as it is.
    "policy": ("MlpPolicy", "MultiInputPolicy"),
    "replay_buffer_class": (None,),
    "replay_buffer_kwargs": (None,),
    "optimize_memory_usage": (False,),
    "_init_setup_model": (True,),
    "tensorboard_log": (None,),
    "stats_window_size": (100,),
}
POLICIES = ("MlpPolicy", "CnnPolicy", "MultiInputPolicy")
ACTIVATIONS = {"ReLU": "relu", "Tanh": "tanh", "GELU": "gelu", "SiLU": "silu", "ELU": "elu", "LeakyReLU": "leaky_relu"}
OPTIMIZERS = {"Adam": "adam", "RMSprop": "rmsprop", "SGD": "sgd"}


def settings(config: Mapping[str, Any] | None, arguments: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The settings of `config={"agent": {"gamma": 0.99}}` and of keyword arguments, by key."""
    found: list[tuple[str, Any]] = []
    for section, entries in (config or {}).items():
        if not isinstance(entries, Mapping):
            if "." in section:
                found.append((section, entries))
                continue
            raise ConfigError(f"config[{section!r}] is {entries!r}: expected the settings of a section as a dictionary")
        for key, value in entries.items():
            if section == "env" and key == "gym" and isinstance(value, Mapping):
                found += [(f"env.gym.{name}", entry) for name, entry in value.items()]
            else:
                found.append((f"{section}.{key}", value))
    exploration: dict[str, Any] = {}
    for name, value in arguments.items():
        if name in SAME_MEANING:
            found += same_meaning(name, value)
        elif name in EXPLORATION:
            exploration[name] = value
        elif name == "tau":
            if float(value) != 1.0:
                found += [("target_network.kind", "soft"), ("target_network.tau", value)]
        elif name == "policy_kwargs":
            found += policy_settings(value or {})
        elif name in WITHOUT_EFFECT:
            if value not in WITHOUT_EFFECT[name]:
                raise ConfigError(f"{name} = {value!r}: quarl supports {expected(WITHOUT_EFFECT[name])} only")
        elif "__" in name:
            found.append((name.replace("__", "."), value))
        elif "_" in name or name.isidentifier():
            # The library names the nearest keys.
            found.append((name, value))
    if exploration:
        # Stable-Baselines3's defaults for what is not given.
        found.append(
            (
                "exploration.epsilon",
                {
                    "kind": "linear",
                    "from": float(exploration.get("exploration_initial_eps", 1.0)),
                    "to": float(exploration.get("exploration_final_eps", 0.05)),
                    "fraction": float(exploration.get("exploration_fraction", 0.1)),
                },
            )
        )
    return found


def is_policy(value: Any) -> bool:
    """Whether this is a policy of Stable-Baselines3, by its name."""
    return isinstance(value, str) and value in POLICIES


def same_meaning(name: str, value: Any) -> list[tuple[str, Any]]:
    key = SAME_MEANING[name]
    if name == "seed" and value is None:
        return []
    if name == "train_freq" and isinstance(value, tuple):
        count, unit = value
        if unit != "step":
            raise ConfigError(f"train_freq = {value!r}: quarl counts environment steps; give a number")
        value = count
    if name == "gradient_steps" and value == -1:
        raise ConfigError("gradient_steps = -1: give the number of updates, such as the value of train_freq")
    if name == "learning_rate" and callable(value):
        # A function of the remaining progress. Its two ends describe every linear schedule.
        function = cast(Callable[[float], float], value)
        start, middle, end = float(function(1.0)), float(function(0.5)), float(function(0.0))
        if abs(middle - (start + end) / 2) > 1e-9 * max(abs(start), abs(end)):
            raise ConfigError(
                "learning_rate is a function that is not linear in the remaining progress: give a number or a schedule, such "
                'as {"kind": "exponential", "from": 1e-3, "to": 1e-4, "half_life": 10000}'
            )
        value = start if start == end else {"kind": "linear", "from": start, "to": end, "fraction": 1.0}
    return [(key, value)]


def policy_settings(arguments: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The settings of Stable-Baselines3's `policy_kwargs`."""
    found: list[tuple[str, Any]] = []
    for name, value in arguments.items():
        if name == "net_arch":
            found.append(("network.hidden", [int(width) for width in value]))
        elif name == "activation_fn":
            found.append(("network.activation", ACTIVATIONS.get(value.__name__, value.__name__)))
        elif name == "optimizer_class":
            found.append(("optimizer.kind", OPTIMIZERS.get(value.__name__, value.__name__)))
        elif name == "n_quantiles":
            found.append(("network.quantiles", value))
        else:
            raise ConfigError(f"policy_kwargs[{name!r}]: quarl has net_arch, activation_fn, optimizer_class and n_quantiles")
    return found


def expected(values: tuple[Any, ...]) -> str:
    return " or ".join(repr(value) for value in values)
