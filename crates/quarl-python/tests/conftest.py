"""What the tests share: the command that the package provides."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

RUN = "from quarl._command import main; raise SystemExit(main())"


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., str]:
    """Runs the command of the package in a temporary directory and returns its output."""

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", RUN, *arguments],
            cwd=tmp_path,
            env={**os.environ, "NO_COLOR": "1", "XDG_STATE_HOME": str(tmp_path / "state")},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
