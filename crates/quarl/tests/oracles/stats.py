"""The numbers that tests/stats.rs expects, computed by NumPy and SciPy.

    pip install numpy scipy
    python crates/quarl/tests/oracles/stats.py > crates/quarl/tests/oracles/stats.json
"""

import json

import numpy as np
import scipy
from scipy import stats

MASK = (1 << 64) - 1


def resampler(seed):
    """The library's index source (SplitMix64), so that both sides draw the same runs."""
    state = seed

    def draw(n):
        nonlocal state
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        z ^= z >> 31
        return (z * n) >> 64

    return draw


def percentile_interval(samples, level):
    tail = (1 - level) / 2
    return [float(q) for q in np.quantile(samples, [tail, 1 - tail])]


def bootstrap(values, statistic, resamples, level, seed):
    draw = resampler(seed)
    samples = [statistic([values[draw(len(values))] for _ in values]) for _ in range(resamples)]
    return percentile_interval(samples, level)


def band(runs, resamples, level, seed):
    """Pointwise intervals of the mean; None where fewer than three runs have a value."""
    draw = resampler(seed)
    length = max(len(run) for run in runs)
    padded = np.full((len(runs), length), np.nan)
    for row, run in zip(padded, runs):
        row[: len(run)] = run
    means = []
    for _ in range(resamples):
        sample = padded[[draw(len(runs)) for _ in runs]]
        count = np.sum(~np.isnan(sample), axis=0)
        with np.errstate(invalid="ignore"):
            means.append(np.nansum(sample, axis=0) / count)
    means = np.array(means)
    n = np.sum(~np.isnan(padded), axis=0)
    intervals = [
        percentile_interval(column[~np.isnan(column)], level) if count >= 3 else None
        for column, count in zip(means.T, n)
    ]
    return {
        "runs": runs,
        "resamples": resamples,
        "level": level,
        "seed": seed,
        "mean": [float(m) for m in np.nanmean(padded, axis=0)],
        "n": [int(c) for c in n],
        "intervals": intervals,
    }


def main():
    rng = np.random.default_rng(7)
    samples = []
    for size in [1, 2, 3, 4, 5, 8, 11, 40]:
        values = [float(v) for v in np.round(rng.gamma(2.0, 40.0, size), 3)]
        samples.append(
            {
                "values": values,
                "mean": float(np.mean(values)),
                "std": float(np.std(values, ddof=1)) if size > 1 else None,
                "median": float(np.median(values)),
                "quantiles": [[q, float(np.quantile(values, q))] for q in [0.0, 0.025, 0.1, 1 / 3, 0.5, 0.9, 1.0]],
                "iqm": float(stats.trim_mean(values, 0.25)),
                "moving_average": [
                    [w, [float(np.mean(values[max(0, i + 1 - w) : i + 1])) for i in range(size)]] for w in [1, 3, 10]
                ],
            }
        )

    values = samples[-1]["values"]
    trimmed = lambda sample: stats.trim_mean(sample, 0.25)
    intervals = [
        {"statistic": name, "values": values, "resamples": 500, "level": level, "seed": 3,
         "interval": bootstrap(values, statistic, 500, level, 3)}
        for name, statistic in [("mean", np.mean), ("median", np.median), ("iqm", trimmed)]
        for level in [0.95, 0.5]
    ]

    lengths = [5, 9, 7, 9, 3, 8]
    runs = [[float(v) for v in np.round(rng.normal(100, 30, length), 2)] for length in lengths]
    bands = [band(runs, 300, 0.95, 11), band([runs[0], runs[1]], 200, 0.9, 0)]

    wilson = [
        {"successes": k, "trials": n, "level": level,
         "interval": [float(b) for b in stats.binomtest(k, n).proportion_ci(level, method="wilson")]}
        for k, n, level in [(0, 1, 0.95), (1, 1, 0.95), (0, 20, 0.95), (20, 20, 0.95), (7, 10, 0.95), (93, 100, 0.99),
                            (500, 1000, 0.5), (3, 7, 0.999999), (1, 100000, 0.95)]
    ]

    print(json.dumps({
        "versions": {"numpy": np.__version__, "scipy": scipy.__version__},
        "samples": samples, "bootstrap": intervals, "bands": bands, "wilson": wilson,
    }, indent=1))


if __name__ == "__main__":
    main()
