"""What `learn` shows: a progress bar and lines."""

from __future__ import annotations

import sys
import time
from typing import Any

Event = dict[str, Any]


class Progress:
    """A line on standard error: the share of the budget, steps, and the latest return."""

    def __init__(self, steps: int | None, episodes: int | None) -> None:
        self._steps, self._episodes = steps, episodes
        self._latest, self._done, self._due, self._width = "", 0, 0.0, 0

    def show(self, steps: int, event: Event | None) -> None:
        if event is not None and event["event"] == "episode":
            self._latest, self._done = f", return {event['return']:g}", event["episode"] + 1
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + 0.2
            share = steps / self._steps if self._steps else self._done / self._episodes if self._episodes else 0.0
            line = f"{100 * share:3.0f}%  {steps} steps, {self._done} episodes{self._latest}"
            sys.stderr.write("\r" + line.ljust(self._width))
            sys.stderr.flush()
            self._width = len(line)

    def close(self) -> None:
        sys.stderr.write("\n")


def log(event: Event, interval: int | None) -> None:
    """Prints a line every `interval` episodes."""
    if interval and event["event"] == "episode" and (event["episode"] + 1) % interval == 0:
        print(f"episode {event['episode'] + 1}, step {event['env_steps']}: return {event['return']:g}")
