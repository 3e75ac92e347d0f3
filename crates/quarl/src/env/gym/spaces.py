# Flattens observations of any space to arrays of numbers. Runs in the worker, in the same program as worker.py.
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
