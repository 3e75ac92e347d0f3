"""Evaluation of trained agents."""

from __future__ import annotations

from typing import Any, Literal, overload

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv

from quarl import _environment, _quarl, _vector
from quarl._dqn import DQN
from quarl._environment import GYM_PREFIX, Adapter, Env
from quarl._errors import EnvError
from quarl._run import AnyEnv


@overload
def evaluate_policy(
    model: DQN,
    env: AnyEnv | None = None,
    n_eval_episodes: int = 10,
    deterministic: bool = True,
    *,
    seed: int = 0,
    reward_threshold: float | None = None,
    return_episode_rewards: Literal[False] = False,
    warn: bool = True,
) -> tuple[float, float]: ...
@overload
def evaluate_policy(
    model: DQN,
    env: AnyEnv | None = None,
    n_eval_episodes: int = 10,
    deterministic: bool = True,
    *,
    seed: int = 0,
    reward_threshold: float | None = None,
    return_episode_rewards: Literal[True],
    warn: bool = True,
) -> tuple[list[float], list[int]]: ...
def evaluate_policy(
    model: DQN,
    env: AnyEnv | None = None,
    n_eval_episodes: int = 10,
    deterministic: bool = True,
    *,
    seed: int = 0,
    reward_threshold: float | None = None,
    return_episode_rewards: bool = False,
    warn: bool = True,
) -> tuple[float, float] | tuple[list[float], list[int]]:
    """Plays episodes and returns the mean and the standard deviation of their returns, or the returns and lengths.

    Without `env`, the episodes are played in a new environment like that of training. They are those of `quarl eval` with the same
    seed, and differ from those of training. Of a vector environment, one environment like its own is used. `deterministic=False`
    explores as training does at the current step. `warn` exists for programs written for Stable-Baselines3.
    """
    returns, lengths = play(model, env, n_eval_episodes, deterministic, seed)
    if reward_threshold is not None and np.mean(returns) < reward_threshold:
        raise AssertionError(f"mean return {np.mean(returns):.2f} is below {reward_threshold}")
    if return_episode_rewards:
        return returns, lengths
    return float(np.mean(returns)), float(np.std(returns))


def play(model: DQN, env: AnyEnv | None, episodes: int, deterministic: bool, seed: int) -> tuple[list[float], list[int]]:
    policy = model._current_policy()
    if deterministic:
        return policy.evaluate(episodes, seed, adapter(model, env))
    played = make(model, env)
    returns, lengths = [], []
    for episode in range(episodes):
        observation, info = played.reset(seed=seed if episode == 0 else None)
        total, length, ended = 0.0, 0, False
        while not ended:
            action, _ = model.predict(observation, deterministic=False, action_masks=info.get("action_mask"))
            observation, reward, terminated, truncated, info = played.step(action.item())
            total, length, ended = total + float(reward), length + 1, terminated or truncated
        returns.append(total)
        lengths.append(length)
    return returns, lengths


def adapter(model: DQN, env: AnyEnv | None) -> Any:
    """The environment for the native module; `None` for a new one that is built in."""
    if env is None and model._adapters is None and model._current_policy().env in _quarl.BUILT_IN:
        return None
    if env is None and model._evaluation_adapter is not None:
        return model._evaluation_adapter
    made = make(model, env)
    masked = model._adapters[0].has_action_mask if model._adapters else "action_mask" in made.reset(seed=0)[1]
    return Adapter(made, _environment.id_of(made), masked)


def make(model: DQN, env: AnyEnv | None) -> Env:
    if env is None:
        env = model._given_env if isinstance(model._given_env, (str, gymnasium.Env)) else model._environment_of_files()
    if isinstance(env, str):
        name = env.removeprefix(GYM_PREFIX)
        return gymnasium.make(f"quarl/{name}" if env in _quarl.BUILT_IN else name)
    if isinstance(env, VectorEnv):
        return _vector.single(env)
    if not isinstance(env, gymnasium.Env) and callable(env):
        env = env()
    if not isinstance(env, gymnasium.Env):
        raise EnvError(f"env is {env!r}: expected an environment of Gymnasium or an id")
    return env
