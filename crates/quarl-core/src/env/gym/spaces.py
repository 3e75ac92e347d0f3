# What an environment of Gymnasium looks like to a Q-network: observations of any space as arrays of numbers, action masks, and
# the random generator. Runs in the worker, in the same program as worker.py, and in the Python package. The program that contains
# it imports gymnasium, numpy as np, and gymnasium.spaces.
import json


class Refused(Exception):
    """The environment's spaces or a returned value cannot be used; `kind` is the category of the error."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


def leaves(space, path=()):
    """The elementary spaces in `space`, in the order of gymnasium.spaces.utils.flatten, each with the path to its value."""
    if isinstance(space, spaces.Tuple):
        return [leaf for i, part in enumerate(space.spaces) for leaf in leaves(part, (*path, i))]
    if isinstance(space, spaces.Dict):
        return [leaf for key, part in space.spaces.items() for leaf in leaves(part, (*path, key))]
    if isinstance(space, (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)):
        return [(path, space)]
    raise Refused("space", f"observation space {space}: {type(space).__name__} does not have a fixed number of elements")


def writer(space, view, name):
    """Returns a function that writes a value of `space` into `view`, and refuses values of another type or shape."""
    if isinstance(space, (spaces.Box, spaces.MultiBinary)):
        shape, dtype, ndarray, into = space.shape, space.dtype, np.ndarray, view.reshape(space.shape)

        def array(value):
            if type(value) is not ndarray or value.shape != shape or value.dtype != dtype:
                found = f"{value.dtype} of shape {value.shape}" if isinstance(value, ndarray) else repr(value)
                raise Refused("value", f"{name} is {found}, the space says {dtype} of shape {shape}")
            into[...] = value

        return array
    if isinstance(space, spaces.Discrete):
        start, n = int(space.start), int(space.n)

        def one_hot(value):
            if not isinstance(value, (int, np.integer)) and getattr(value, "shape", None) != ():
                raise Refused("value", f"{name} is {value!r}, the space says an integer")
            index = int(value) - start
            if not 0 <= index < n:
                raise Refused("value", f"{name} is {value}, the space says {start} to {start + n - 1}")
            view[:] = 0
            view[index] = 1

        return one_hot
    counts, starts = space.nvec.ravel(), np.asarray(space.start).ravel()
    offsets = np.concatenate([[0], np.cumsum(counts)[:-1]])

    def one_hots(value):
        value = np.asarray(value)
        if value.shape != space.shape or value.dtype.kind not in "iu":
            raise Refused("value", f"{name} is {value!r}, the space says integers of shape {space.shape}")
        index = value.ravel() - starts
        if (index < 0).any() or (index >= counts).any():
            raise Refused("value", f"{name} is {value!r}, which is not in {space}")
        view[:] = 0
        view[offsets + index] = 1

    return one_hots


def observer(space, view):
    """Returns a function that writes a whole observation into `view`."""
    parts = leaves(space)
    if len(parts) == 1 and parts[0][0] == ():
        return writer(space, view, "the observation")
    writers, at = [], 0
    for path, part in parts:
        size = spaces.flatdim(part)
        name = "the observation" + "".join(f"[{key!r}]" for key in path)
        writers.append((path, writer(part, view[at : at + size], name)))
        at += size

    def nested(value):
        for path, write_part in writers:
            part = value
            try:
                for key in path:
                    part = part[key]
            except (KeyError, IndexError, TypeError) as error:
                raise Refused("value", f"the observation {value!r} is not in {space}") from error
            write_part(part)

    return nested


def describe_spaces(env):
    """The spaces as plain data, and the observation's lower and upper bounds."""
    space, action_space = env.observation_space, env.action_space
    if not isinstance(action_space, spaces.Discrete):
        raise Refused("space", f"action space {action_space}: a Q-network has one output an action, so only Discrete fits")
    parts = leaves(space)
    for path, part in parts:
        # A single image keeps its shape, and the parent decides; an image among other parts would be flattened.
        if path and isinstance(part, spaces.Box) and part.dtype == np.uint8 and len(part.shape) >= 2:
            name = "".join(f"[{key!r}]" for key in path)
            raise Refused("space", f"observation space {space}: {name} is an image (unsigned bytes of shape {part.shape}), "
                          "and the network has fully connected layers only: register an environment without it, or with "
                          "features in its place")  # fmt: skip
    size = sum(spaces.flatdim(part) for _, part in parts)
    if size == 0:
        raise Refused("space", f"observation space {space}: it contains no numbers")
    single = len(parts) == 1 and parts[0][0] == () and isinstance(space, spaces.Box)
    bounds = [(np.ravel(p.low), np.ravel(p.high)) if isinstance(p, spaces.Box) else (np.zeros(spaces.flatdim(p)),
              np.ones(spaces.flatdim(p))) for _, p in parts]  # fmt: skip
    with np.errstate(over="ignore"):
        low, high = (np.concatenate([b[i] for b in bounds]).astype("<f4") for i in (0, 1))
    description = {
        "shape": list(space.shape) if single and space.shape else [size],
        "bytes": bool(single and space.dtype == np.uint8),
        "actions": int(action_space.n),
        "observation_space": " ".join(str(space).split()),
        "action_space": str(action_space),
    }
    return description, low, high


def mask_reader(view, n, masked):
    """Returns a function that writes the action mask of `info` into `view`; `masked`: whether the environment has masks."""

    def see(info):
        mask = info.get("action_mask")
        if mask is None:
            view[:] = 1
            return
        if not masked:
            raise Refused("value", "info has an action_mask that the first reset did not have")
        mask = np.asarray(mask)
        if mask.shape != (n,) or not np.isin(mask, (0, 1)).all():
            raise Refused("value", f"info's action_mask is {mask!r}, expected {n} zeros and ones")
        view[:] = mask

    return see


def integer_actions(space):
    """The actions of a Discrete space, as the environment expects them."""
    integer = getattr(space.dtype, "type", int)
    return [integer(int(space.start) + i) for i in range(int(space.n))]


# Gymnasium's own environments draw every random number from `np_random`, and so do the wrappers that `make` adds.
WITH_NP_RANDOM = tuple(f"gymnasium.envs.{family}." for family in ("classic_control", "toy_text", "box2d", "mujoco"))
WRAPPERS = ("gymnasium.wrappers.common", "gymnasium.wrappers.rendering")


def saves_random_state(env):
    """Whether `np_random` is known to be the environment's only random generator."""
    while isinstance(env, gymnasium.Wrapper):
        if type(env).__module__ not in WRAPPERS:
            return False
        env = env.env
    return type(env).__module__.startswith(WITH_NP_RANDOM)


def save_generator(env):
    """The random generator as JSON; empty if there is none, or if there may be other generators."""
    generator = getattr(env.unwrapped, "_np_random", None)
    if generator is None or not saves_random_state(env):
        return b""
    return json.dumps(generator.bit_generator.state).encode()


def load_generator(env, state):
    """Restores the random generator from what `save_generator` returned."""
    env.unwrapped.np_random.bit_generator.state = json.loads(state)
