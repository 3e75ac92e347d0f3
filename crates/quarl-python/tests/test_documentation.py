"""The Python code of the documentation and the examples run."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import quarl

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "docs/guide/python.md", ROOT / "crates/quarl-python/README.md"]
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
]


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS)
def test_code_of_the_documentation_runs(block, tmp_path, monkeypatch):
    for name in ("pandas", "matplotlib"):
        if f"needs {name}" in block or (name == "pandas" and ".table(" in block):
            pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    exec(compile(block, "documentation", "exec"), {"__name__": "documentation"})


def test_the_loop_of_the_example_is_that_of_the_run():
    train = runpy.run_path(str(ROOT / "crates/quarl-python/examples/loop.py"))["train"]
    run = quarl.DQN("CartPole-v1", preset="dqn", seed=2).learn(1500)
    np.testing.assert_array_equal(train(1, 1500, 2), run.episodes["return"])
    several = quarl.DQN("CartPole-v1", preset="dqn", seed=2, training__num_envs=4).learn(1500)
    assert len(train(4, 1500, 2)) > 10 and len(several.episodes["return"]) > 10
