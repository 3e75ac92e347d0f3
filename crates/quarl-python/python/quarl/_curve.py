"""The learning curve as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_curve(
    episodes: Mapping[str, NDArray[np.float64]], evaluations: Sequence[Mapping[str, Any]], ax: Axes | None, window: int
) -> Axes:
    """Draws the return of each training episode, their moving average, and the evaluations."""
    import matplotlib.pyplot as plt

    axes: Axes = plt.subplots()[1] if ax is None else ax
    steps, returns = episodes["env_steps"], episodes["return"]
    axes.plot(steps, returns, color="tab:blue", alpha=0.3, label="training episodes")
    if len(returns) >= window:
        mean = np.convolve(returns, np.ones(window) / window, "valid")
        axes.plot(steps[window - 1 :], mean, color="tab:blue", label=f"mean of {window} episodes")
    if evaluations:
        at = [evaluation["env_steps"] for evaluation in evaluations]
        means = [evaluation["mean_return"] for evaluation in evaluations]
        axes.plot(at, means, "o-", color="tab:orange", label="greedy evaluations")
    axes.set_xlabel("environment steps")
    axes.set_ylabel("return")
    axes.legend()
    return axes
