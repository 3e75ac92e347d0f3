"""Mean returns while learning, window by window, of several programs.

    python benchmarks/windows.py textbook-100 textbook-200 c_curves.csv pytorch_curves.csv

Each argument is an experiment of quarl (a directory with runs/*/episodes.csv) or a CSV file with columns run, episode and return (also
compressed: .csv.xz). Prints the mean of each window of 25 episodes with its 95% t-interval over runs, and Welch's t-test between the runs of the
last argument and those of all others together. The p-values are not corrected for the number of windows.

Needs SciPy.
"""

import argparse
import csv
import lzma
from pathlib import Path

import numpy as np
from scipy import stats


def read_runs(path: Path) -> np.ndarray:
    """Returns by run and episode; all runs have the same number of episodes."""
    runs: dict[str, list[float]] = {}
    if path.is_dir():
        for table in sorted(path.glob("runs/*/episodes.csv")):
            with open(table, newline="") as file:
                runs[table.parent.name] = [float(row["return"]) for row in csv.DictReader(file)]
    else:
        opener = lzma.open if path.suffix == ".xz" else open
        with opener(path, "rt", newline="") as file:
            for row in csv.DictReader(file):
                runs.setdefault(row["run"], []).append(float(row["return"]))
    if len(runs) < 2:
        raise SystemExit(f"{path}: {len(runs)} runs; an interval needs two")
    lengths = {len(returns) for returns in runs.values()}
    if len(lengths) > 1:
        raise SystemExit(f"{path}: runs of {min(lengths)} to {max(lengths)} episodes; windows need runs of one length")
    return np.array(list(runs.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", type=Path, nargs="+")
    parser.add_argument("--window", type=int, default=25, help="episodes in a window [25]")
    arguments = parser.parse_args()
    programs = [read_runs(path) for path in arguments.programs]
    episodes = min(runs.shape[1] for runs in programs)

    header = [f"{path.name}, {len(runs)} runs" for path, runs in zip(arguments.programs, programs)]
    compared = len(programs) > 1
    if compared:
        header += [f"{arguments.programs[-1].name} minus the others", "p"]
    print("| episodes |", " | ".join(header), "|")
    print("| --- |" + " --- |" * len(header))
    for first in range(0, episodes - arguments.window + 1, arguments.window):
        means = [runs[:, first : first + arguments.window].mean(axis=1) for runs in programs]
        cells = []
        for sample in means:
            half = stats.t.ppf(0.975, len(sample) - 1) * sample.std(ddof=1) / np.sqrt(len(sample))
            cells.append(f"{sample.mean():.1f} +- {half:.1f}")
        if compared:
            others = np.concatenate(means[:-1])
            test = stats.ttest_ind(means[-1], others, equal_var=False)
            cells += [f"{means[-1].mean() - others.mean():+.1f}", f"{test.pvalue:.3f}"]
        print(f"| {first}-{first + arguments.window - 1} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
