"""DQN with everything in JAX, environment included, and the whole loop compiled: what PureJaxRL showed to be fast.

    python jax_dqn.py --time 20000
    python jax_dqn.py --runs 3

The study note's algorithm and settings, for one seed. Written to be as fast as it can be on one core: a replay row
holds a whole transition, so that storing is one update in place and sampling one gather; the random numbers of a
block are drawn at once; and the loop's state is donated, so that no buffer is copied between blocks.
"""

import argparse
import os

import timing

timing.pin_to_one_core()  # before JAX counts the cores
# One thread: at this size XLA's thread pool only costs.
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false " + os.environ.get("XLA_FLAGS", "")

import functools  # noqa: E402
from typing import NamedTuple  # noqa: E402

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

LAYERS = [(4, 128), (128, 128), (128, 2)]
LEARNING_RATE, BETA_1, BETA_2, ADAM_EPS = 5e-4, 0.9, 0.999, 1e-8
GAMMA, EPSILON = 0.98, 0.1
BUFFER_SIZE, BATCH_SIZE = 10_000, 32
SYNC_INTERVAL, TIME_LIMIT = 20, 200
# A replay row: observation, next observation, action, reward, discount (0 where the episode ended), padding.
OBS, NEXT_OBS, ACTION, REWARD, DISCOUNT, ROW = slice(0, 4), slice(4, 8), 8, 9, 10, 12


class State(NamedTuple):
    """All that the loop carries from one environment step to the next."""

    online: list
    target: list
    moment_1: list
    moment_2: list
    bias_1: jax.Array  # Adam's beta_1^t and beta_2^t
    bias_2: jax.Array
    replay: jax.Array
    stored: jax.Array
    obs: jax.Array
    episode: jax.Array
    episode_step: jax.Array


class Draws(NamedTuple):
    """The random numbers of a step, uniform in [0, 1)."""

    explore: jax.Array
    action: jax.Array
    batch: jax.Array
    reset: jax.Array


def init_network(key):
    """PyTorch's default: weights and biases uniform within 1/sqrt(fan in)."""
    layers = []
    for layer_key, (fan_in, fan_out) in zip(jax.random.split(key, len(LAYERS)), LAYERS):
        weight_key, bias_key = jax.random.split(layer_key)
        bound = fan_in**-0.5
        weight = jax.random.uniform(weight_key, (fan_in, fan_out), minval=-bound, maxval=bound)
        layers.append((weight, jax.random.uniform(bias_key, (fan_out,), minval=-bound, maxval=bound)))
    return layers


def q_values(network, obs):
    (w1, b1), (w2, b2), (w3, b3) = network
    hidden = jax.nn.relu(jax.nn.relu(obs @ w1 + b1) @ w2 + b2)
    return hidden @ w3 + b3


def cartpole(obs, action):
    """One Euler step of 0.02 s of CartPole's equations: the next observation, and whether the pole has fallen."""
    x, v, angle, spin = obs
    force = jnp.where(action == 1, 10.0, -10.0)
    sin, cos = jnp.sin(angle), jnp.cos(angle)
    push = (force + 0.05 * spin * spin * sin) / 1.1
    spin_rate = (9.8 * sin - cos * push) / (0.5 * (4.0 / 3.0 - 0.1 * cos * cos / 1.1))
    acceleration = push - 0.05 * spin_rate * cos / 1.1
    next_obs = jnp.stack([x + 0.02 * v, v + 0.02 * acceleration, angle + 0.02 * spin, spin + 0.02 * spin_rate])
    return next_obs, (jnp.abs(next_obs[0]) > 2.4) | (jnp.abs(next_obs[2]) > 12 * 2 * jnp.pi / 360)


def reset(draws):
    return 0.1 * draws - 0.05


def init(seed):
    online_key, target_key, reset_key = jax.random.split(jax.random.key(seed), 3)
    online = init_network(online_key)
    zeros = functools.partial(jax.tree.map, jnp.zeros_like)
    return State(
        online=online,
        target=init_network(target_key),
        moment_1=zeros(online),
        moment_2=zeros(online),
        bias_1=jnp.float32(1.0),
        bias_2=jnp.float32(1.0),
        replay=jnp.zeros((BUFFER_SIZE, ROW)),
        stored=jnp.int32(0),
        obs=reset(jax.random.uniform(reset_key, (4,))),
        episode=jnp.int32(0),
        episode_step=jnp.int32(0),
    )


def loss(online, target, batch):
    bootstrap = q_values(target, batch[:, NEXT_OBS]).max(axis=1)
    td_target = jax.lax.stop_gradient(batch[:, REWARD] + batch[:, DISCOUNT] * bootstrap)
    q = q_values(online, batch[:, OBS])
    taken = jnp.where(batch[:, ACTION] == 1, q[:, 1], q[:, 0])
    return jnp.mean((taken - td_target) ** 2)


def learn(state, draws):
    filled = jnp.minimum(state.stored, BUFFER_SIZE)
    batch = state.replay[(draws.batch * filled).astype(jnp.int32)]
    gradient = jax.grad(loss)(state.online, state.target, batch)
    bias_1, bias_2 = state.bias_1 * BETA_1, state.bias_2 * BETA_2
    rate, root = LEARNING_RATE / (1 - bias_1), jax.lax.rsqrt(1 - bias_2)
    moment_1 = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, state.moment_1, gradient)
    moment_2 = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, state.moment_2, gradient)
    online = jax.tree.map(
        lambda w, m, v: w - rate * m / (jnp.sqrt(v) * root + ADAM_EPS), state.online, moment_1, moment_2
    )
    return state._replace(online=online, moment_1=moment_1, moment_2=moment_2, bias_1=bias_1, bias_2=bias_2)


def step(state, draws, learning):
    """One whole training step; also the return of the episode that it ended, or 0."""
    q = q_values(state.online, state.obs)
    action = jnp.where(draws.explore < EPSILON, draws.action < 0.5, q[1] > q[0]).astype(jnp.int32)
    next_obs, fallen = cartpole(state.obs, action)
    episode_step = state.episode_step + 1
    done = fallen | (episode_step >= TIME_LIMIT)
    scalars = jnp.stack([action.astype(jnp.float32), 1.0, jnp.where(done, 0.0, GAMMA), 0.0])
    row = jnp.concatenate([state.obs, next_obs, scalars])
    replay = jax.lax.dynamic_update_slice(state.replay, row[None], (state.stored % BUFFER_SIZE, 0))
    state = state._replace(replay=replay, stored=state.stored + 1)
    if learning:
        state = learn(state, draws)
    sync = done & (state.episode % SYNC_INTERVAL == 0)
    return state._replace(
        target=jax.lax.cond(sync, lambda: state.online, lambda: state.target),
        obs=jnp.where(done, reset(draws.reset), next_obs),
        episode=state.episode + done,
        episode_step=jnp.where(done, 0, episode_step),
    ), jnp.where(done, episode_step, 0)


@functools.partial(jax.jit, static_argnums=(2, 3), donate_argnums=0)
def run(state, key, length, learning):
    explore, action, batch, reset_ = jax.random.split(key, 4)
    draws = Draws(
        explore=jax.random.uniform(explore, (length,)),
        action=jax.random.uniform(action, (length,)),
        batch=jax.random.uniform(batch, (length, BATCH_SIZE)),
        reset=jax.random.uniform(reset_, (length, 4)),
    )
    return jax.lax.scan(functools.partial(step, learning=learning), state, draws)


class Training:
    def __init__(self, seed):
        # As in the note, no update until the buffer holds a batch: a loop of its own spares the others the question.
        self.key, key = jax.random.split(jax.random.key(seed + 1_000_000))
        self.state, returns = run(init(seed), key, BATCH_SIZE - 1, False)
        self.returns = list(np.asarray(returns)[np.asarray(returns) > 0])

    def block(self, length):
        self.key, key = jax.random.split(self.key)
        self.state, returns = run(self.state, key, length, True)
        returns = np.asarray(returns)  # waits for the result
        self.returns += list(returns[returns > 0])


def learning_curves(runs):
    """Shows that the program does learn."""
    for seed in range(runs):
        training = Training(seed)
        while len(training.returns) < 300:
            training.block(1_000)
        windows = np.reshape(training.returns[:300], (6, 50)).mean(axis=1)
        print(f"seed {seed}: mean return by 50 episodes {windows.round()}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--time", type=int, metavar="STEPS", help="time whole training steps, print JSON")
    parser.add_argument("--runs", type=int, metavar="N", help="print the learning curves of N runs")
    args = parser.parse_args()
    if args.time:
        timing.write("jax", timing.measure(Training(0).block, args.time), "jax")
    if args.runs:
        learning_curves(args.runs)


if __name__ == "__main__":
    main()
