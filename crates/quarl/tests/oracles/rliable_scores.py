"""The numbers that tests/aggregate_scores.rs expects, computed by rliable (Agarwal et al. 2021).

    pip install rliable==1.2.0 'pandas<3'
    python crates/quarl/tests/oracles/rliable_scores.py > crates/quarl/tests/fixtures/rliable.json
"""

import json
from importlib.metadata import version

import numpy as np
from rliable import library, metrics

RESAMPLES = 50_000
THRESHOLDS = [-0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5]


def aggregates(scores):
    return np.array([
        metrics.aggregate_mean(scores),
        metrics.aggregate_median(scores),
        metrics.aggregate_iqm(scores),
        metrics.aggregate_optimality_gap(scores, 1.0),
    ])


def case(name, own, other, rng):
    points, intervals = library.get_interval_estimates(
        {"own": own}, aggregates, reps=RESAMPLES, random_state=np.random.RandomState(rng.integers(1 << 31)))
    pairs = {"pair": (own, other)}
    probability, probability_interval = library.get_interval_estimates(
        pairs, metrics.probability_of_improvement, reps=RESAMPLES // 25, random_state=np.random.RandomState(rng.integers(1 << 31)))
    profile, profile_intervals = library.create_performance_profile({"own": own}, np.array(THRESHOLDS), reps=RESAMPLES // 10)
    return {
        "name": name,
        # One row for each task.
        "own": own.T.tolist(),
        "other": other.T.tolist(),
        "aggregates": points["own"].tolist(),
        "intervals": intervals["own"].T.tolist(),
        "probability": float(probability["pair"]),
        "probability_interval": np.ravel(probability_interval["pair"]).tolist(),
        "profile": profile["own"].tolist(),
        "profile_intervals": profile_intervals["own"].T.tolist(),
    }


def main():
    rng = np.random.default_rng(20211229)
    normal = lambda runs, tasks, shift: rng.normal(0.6 + shift, 0.4, (runs, tasks))
    rounded = lambda runs, tasks, shift: np.round(normal(runs, tasks, shift) * 4) / 4
    cases = [
        case("ten runs of three tasks", normal(10, 3, 0), normal(12, 3, -0.2), rng),
        case("one task", normal(30, 1, 0), normal(30, 1, 0.1), rng),
        case("many ties", rounded(20, 4, 0), rounded(16, 4, 0), rng),
        case("five runs of five tasks", normal(5, 5, 0.3), normal(5, 5, 0), rng),
        case("no overlap", rng.uniform(1, 2, (8, 2)), rng.uniform(-1, 0, (9, 2)), rng),
    ]
    print(json.dumps({"rliable": version("rliable"), "thresholds": THRESHOLDS, "cases": cases}))


main()
