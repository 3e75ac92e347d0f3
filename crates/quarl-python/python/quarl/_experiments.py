"""Experiments and comparisons over many seeds, in the directories of the command."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quarl._errors import ConfigError, QuarlError
from quarl._settings import settings as read_settings

if TYPE_CHECKING:
    import pandas as pd

Path_ = str | PathLike[str]
PROGRAM = "from quarl._command import main; raise SystemExit(main())"


class Results:
    """The results of an experiment or a comparison: its directory, and its tables."""

    def __init__(self, directory: Path_) -> None:
        self.directory = Path(directory)

    def __repr__(self) -> str:
        return f"Results({str(self.directory)!r})"

    @property
    def summary(self) -> dict[str, Any]:
        """The scores: mean, interquartile mean, intervals, success rates."""
        for name in ("comparison.json", "summary.json"):
            if (self.directory / name).is_file():
                summary: dict[str, Any] = json.loads((self.directory / name).read_text(encoding="utf-8"))
                return summary
        raise QuarlError(f"{self.directory} holds no results")

    def table(self, name: str) -> pd.DataFrame:
        """A table as a data frame (needs pandas): `mean` or `greedy` of an experiment, `scores` or `efficiency` of a comparison."""
        import pandas as pd

        path = self.directory / f"{name}.csv"
        if not path.is_file():
            found = ", ".join(sorted(path.stem for path in self.directory.glob("*.csv"))) or "none"
            raise ConfigError(f"{self.directory} has no table {name!r}; it has {found}")
        return pd.read_csv(path)


def experiment(
    env: str | None = None,
    *,
    out: Path_,
    preset: str | None = None,
    runs: int = 100,
    seed: int | None = None,
    steps: int | None = None,
    episodes: int | None = None,
    jobs: int | None = None,
    ablate: Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Results:
    """Trains with many seeds, as `quarl experiment` does. The same call continues an interrupted experiment."""
    arguments = ["experiment", *([env] if env else []), "--runs", str(runs), "--out", fspath(out)]
    arguments += option("preset", preset) + option("seed", seed) + option("steps", steps) + option("episodes", episodes)
    arguments += option("jobs", jobs) + (["--ablate", ",".join(ablate)] if ablate else [])
    run(arguments + assignments(config, settings))
    return Results(out)


def compare(
    *configurations: str,
    out: Path_,
    envs: Sequence[str] = (),
    runs: int = 10,
    seed: int | None = None,
    steps: int | None = None,
    episodes: int | None = None,
    jobs: int | None = None,
    sweep: Mapping[str, Sequence[Any]] | None = None,
    config: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Results:
    """Compares presets or TOML files over many seeds, as `quarl compare` does. The first one is the baseline."""
    arguments = ["compare", *configurations, "--runs", str(runs), "--out", fspath(out)]
    arguments += ["--envs", ",".join(envs)] if envs else []
    arguments += option("seed", seed) + option("steps", steps) + option("episodes", episodes) + option("jobs", jobs)
    for key, values in (sweep or {}).items():
        arguments += ["--sweep", f"{key.replace('__', '.')}={','.join(text(value) for value in values)}"]
    run(arguments + assignments(config, settings))
    return Results(out)


def report(*directories: Path_, out: Path_) -> Path:
    """Writes one HTML page of runs, experiments or comparisons, as `quarl report` does."""
    run(["report", *(fspath(directory) for directory in directories), "--out", fspath(out)])
    return Path(out)


def option(name: str, value: Any) -> list[str]:
    return [] if value is None else [f"--{name}", str(value)]


def assignments(config: Mapping[str, Any] | None, settings: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for key, value in read_settings(config, settings):
        found += ["--set", f"{key}={text(value)}"]
    return found


def text(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {text(entry)}" for key, entry in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(text(entry) for entry in value) + "]"
    return json.dumps(value)


def run(arguments: Sequence[str]) -> None:
    """Runs the command in a process of its own, which uses all cores and handles Ctrl-C by keeping the finished runs."""
    quiet = [] if arguments[0] == "report" else ["--quiet"]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments, *quiet], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        _, errors = process.communicate()
    except KeyboardInterrupt:
        process.wait()
        raise
    finally:
        if process.poll() is None:
            process.terminate()
    if process.returncode != 0:
        error = ConfigError if process.returncode == 2 else QuarlError
        raise error(errors.strip().removeprefix("error: "))
