"""How every Python peer is timed: one core, a warm-up, then blocks of whole training steps.

A training step is everything between two environment steps: acting, the environment, the replay buffer, one update,
and the resets and target syncs that fall due.
"""

import json
import os
import statistics
import time
from importlib.metadata import version

# Past this many steps the replay buffer is far larger than a batch, and the allocators and caches are warm.
WARM_UP = 2_000
BLOCKS = 10


def pin_to_one_core():
    """Keeps the whole process on its last allowed core: the first is where a system's own work tends to run."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def measure(block, steps):
    """Runs `block(length)` for the warm-up and then ten times; the microseconds per step of each of the ten."""
    length = max(1, steps // BLOCKS)
    for _ in range(-(-WARM_UP // length)):
        block(length)
    blocks = []
    for _ in range(BLOCKS):
        began = time.perf_counter()
        block(length)
        blocks.append((time.perf_counter() - began) / length * 1e6)
    return blocks


def write(peer, blocks, library):
    result = {"peer": peer, "version": f"{library} {version(library)}"}
    result |= {"step_us": statistics.median(blocks), "step_us_blocks": blocks}
    print(json.dumps(result))
