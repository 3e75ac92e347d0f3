"""Environments that go wrong, each in one way, in their seventh step; and some that are only unusual.

Each is a walk on a line that ends after 10 steps. Where a file must remember how often something has happened (a worker that
dies forgets), it is named by the argument `memory`.
"""

import ctypes
import os
import random
import signal
import subprocess
import sys
import time

import gymnasium
import numpy as np
from gymnasium import spaces


class Walk(gymnasium.Env):
    """Well-behaved: the observation is the place and a random number."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}
    observation_space = spaces.Box(-100.0, 100.0, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, render_mode=None, memory=None, at=7):
        self.render_mode, self.memory, self.at = render_mode, memory, at

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.place = 0, 0
        return self.see(), self.info()

    def see(self):
        return np.array([self.place, self.np_random.random()], np.float32)

    def info(self):
        return {}

    def step(self, action):
        self.steps += 1
        self.place += 1 if action == 1 else -1
        if self.steps == self.at:
            changed = self.go_wrong()
            if changed is not None:
                return changed
        return self.see(), self.reward(), self.steps >= 10, False, self.info()

    def reward(self):
        return float(self.place > 0)

    def go_wrong(self):
        return None

    def render(self):
        return np.full((40, 60, 3), self.steps * 20, np.uint8)


def remembered(path):
    """How often this was called before with this path, over all processes."""
    with open(path, "a+b") as file:
        file.write(b"x")
        file.flush()
        return os.path.getsize(path) - 1


class Raises(Walk):
    def go_wrong(self):
        raise ValueError("the wheel came off")


class RaisesAtReset(Walk):
    def reset(self, seed=None, options=None):
        raise RuntimeError("no wheels")


class Exits(Walk):
    def go_wrong(self):
        os._exit(3)


class ExitsOnce(Walk):
    def go_wrong(self):
        if remembered(self.memory) == 0:
            os._exit(3)


class KilledOnce(Walk):
    def go_wrong(self):
        if remembered(self.memory) == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Hangs(Walk):
    def go_wrong(self):
        while True:
            time.sleep(1)


class HangsOnce(Hangs):
    def go_wrong(self):
        if remembered(self.memory) == 0:
            super().go_wrong()


class HangsInC(Walk):
    """In C code that keeps the interpreter's lock: no Python of this process can run any more."""

    def go_wrong(self):
        ctypes.PyDLL(None).sleep(1000)


class NanObservation(Walk):
    def go_wrong(self):
        return np.array([np.nan, 0.0], np.float32), 0.0, False, False, {}


class InfiniteReward(Walk):
    def go_wrong(self):
        return self.see(), float("inf"), False, False, {}


class NoReward(Walk):
    def go_wrong(self):
        return self.see(), None, False, False, {}


class WrongShape(Walk):
    def go_wrong(self):
        return np.zeros(3, np.float32), 0.0, False, False, {}


class WrongType(Walk):
    def go_wrong(self):
        return np.zeros(2, np.float64), 0.0, False, False, {}


class Prints(Walk):
    def step(self, action):
        print("a" * 100)
        sys.stdout.write("b\n")
        os.write(1, b"c" * 100)
        return super().step(action)


class PrintsFromC(Walk):
    def step(self, action):
        ctypes.CDLL(None).puts(b"from C")
        ctypes.CDLL(None).fflush(None)
        return super().step(action)


class Reads(Walk):
    def go_wrong(self):
        assert sys.stdin.read() == ""


class ContinuousActions(Walk):
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)


class Texts(Walk):
    observation_space = spaces.Text(5)


class StartsAtFive(Walk):
    action_space = spaces.Discrete(2, start=5)

    def step(self, action):
        assert self.action_space.contains(action), action
        return super().step(int(action) - 5)


class Nested(Walk):
    """Every kind of space; the reward is 1 where the observation is what the test expects."""

    observation_space = spaces.Dict(
        {
            "b": spaces.Tuple((spaces.Discrete(3, start=1), spaces.MultiBinary(2))),
            "a": spaces.Box(-9.0, 9.0, (2, 2), np.float64),
            "c": spaces.MultiDiscrete([2, 3]),
        }
    )

    def see(self):
        box = np.full((2, 2), self.np_random.random())
        return {"b": (3, np.array([0, 1], np.int8)), "a": box, "c": np.array([1, 0])}


class Pixels(Walk):
    observation_space = spaces.Box(0, 255, (4, 3, 1), np.uint8)

    def see(self):
        return np.full((4, 3, 1), self.steps, np.uint8)


class Masked(Walk):
    """Only one action is allowed, in turn; another one is an error. Nothing is allowed once the episode is over."""

    def info(self):
        mask = np.zeros(2, np.int8)
        if self.steps < 10:
            mask[self.steps % 2] = 1
        return {"action_mask": mask}

    def step(self, action):
        assert action == self.steps % 2, f"action {action} is forbidden at step {self.steps}"
        return super().step(action)


class NothingAllowed(Masked):
    def go_wrong(self):
        return self.see(), 0.0, False, False, {"action_mask": np.zeros(2, np.int8)}


class OwnGenerator(Walk):
    """Its randomness is its own: seeded by a seed, else from the operating system. `memory` names a file of the seeds."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.random = random.Random()

    def reset(self, seed=None, options=None):
        if seed is not None:
            self.random.seed(seed)
        if self.memory is not None:
            with open(self.memory, "a") as file:
                file.write(f"{seed}\n")
        return super().reset(seed=seed)

    def see(self):
        return np.array([self.place, self.random.random()], np.float32)


class Spawns(Walk):
    """Every episode starts processes that outlive it: one of its own, and a grandchild."""

    def reset(self, seed=None, options=None):
        subprocess.Popen(["sleep", "1000"])
        subprocess.run(["sh", "-c", "sleep 1000 & sleep 0"])
        return super().reset(seed=seed)


class SpawnsAndHangs(Spawns, Hangs):
    pass


class SpawnsAndExits(Spawns, Exits):
    pass


class ForksAndIsKilled(Walk):
    """A child holds all that its parent held open."""

    def go_wrong(self):
        if os.fork() == 0:
            time.sleep(1000)
        os.kill(os.getpid(), signal.SIGKILL)


class SlowToStart(Walk):
    def __init__(self, **arguments):
        super().__init__(**arguments)
        time.sleep(0.5)

    def reset(self, seed=None, options=None):
        time.sleep(3.0 if not hasattr(self, "steps") else 0.0)
        return super().reset(seed=seed)


class NeedsAModule(Walk):
    def __init__(self, module, **arguments):
        super().__init__(**arguments)
        sys.modules[module] = None
        __import__(module + ".part")


class Tells(Walk):
    """Fails with the arguments that it was made with."""

    def __init__(self, **arguments):
        raise ValueError(repr(arguments))


class Memory(Walk):
    """Bytes in a row are no image."""

    observation_space = spaces.Box(0, 255, (6,), np.uint8)

    def see(self):
        return np.full(6, self.steps, np.uint8)


class Table(Walk):
    """Floats in two dimensions are no image."""

    observation_space = spaces.Box(0.0, 20.0, (4, 5), np.float32)

    def see(self):
        return np.full((4, 5), self.steps, np.float32)


class GrayScale(Walk):
    observation_space = spaces.Box(0, 255, (8, 8), np.uint8)

    def see(self):
        return np.full((8, 8), self.steps, np.uint8)


class ImageAmongOthers(Walk):
    observation_space = spaces.Dict({"camera": Pixels.observation_space, "speed": spaces.Box(0.0, 1.0, (1,), np.float32)})


class Explodes(Walk):
    """Its step raises; a reset mends it."""

    def step(self, action):
        if action == 1:
            raise ValueError("the wheel came off")
        return super().step(action)


class BothFlags(Walk):
    def step(self, action):
        observation, reward, terminated, _, info = super().step(action)
        return observation, reward, terminated, terminated, info


for name, kind in list(globals().items()):
    if isinstance(kind, type) and issubclass(kind, Walk):
        gymnasium.register(f"{name}-v0", entry_point=kind)
