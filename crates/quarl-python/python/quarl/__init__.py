"""Deep Q-learning: see it learn, trust the result, use the agent.

>>> import quarl
>>> model = quarl.DQN("CartPole-v1", preset="dqn", seed=1).learn(500)
>>> model.num_timesteps
500
"""

from quarl._agent import Agent, Replay
from quarl._callbacks import BaseCallback, Callback
from quarl._dqn import DQN
from quarl._errors import (
    ConfigError,
    DivergenceError,
    EnvError,
    FileError,
    InputError,
    InternalError,
    QuarlError,
    ReplayError,
    StateError,
)
from quarl._evaluation import evaluate_policy
from quarl._experiments import Results, compare, experiment, report
from quarl._gymnasium import register as _register
from quarl._progress import Event
from quarl._quarl import __version__

_register()

__all__ = [
    "Agent",
    "BaseCallback",
    "Callback",
    "DQN",
    "ConfigError",
    "DivergenceError",
    "EnvError",
    "Event",
    "FileError",
    "InputError",
    "InternalError",
    "QuarlError",
    "Replay",
    "ReplayError",
    "Results",
    "StateError",
    "__version__",
    "compare",
    "evaluate_policy",
    "experiment",
    "report",
]
