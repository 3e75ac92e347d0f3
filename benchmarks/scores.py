"""Scores of an experiment's agents, as the files of results/presets hold them.

    python benchmarks/scores.py EXPERIMENT results/presets/NAME

Plays 100 greedy episodes with the final model and with the best model of each run (`quarl eval`, and `--best`), and writes
NAME.csv, one line for each seed, and NAME-episodes.csv.xz, the return of every episode. Files that exist are not replaced.
Environments of Gymnasium need the virtual environment in which they were trained. The program is `quarl`, or that of --quarl.
"""

import argparse
import csv
import io
import json
import lzma
import math
import statistics
import subprocess
import sys
from pathlib import Path

EPISODES = 100
COLUMNS = [
    "seed", "final_mean", "final_std", "final_min", "final_max", "final_episodes_at_threshold", "best_mean", "best_min",
    "env_steps", "episodes", "closing_mean", "wall_seconds",
]  # fmt: skip


def returns_of(quarl: str, experiment: Path, arguments: list[str]) -> tuple[dict[int, list[float]], dict]:
    """The returns of each run's greedy episodes, and the event with the scores of all runs."""
    command = [quarl, "eval", str(experiment), "--episodes", str(EPISODES), "--json", *arguments]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if process.returncode != 0:
        sys.exit(f"failed: {' '.join(command)}")
    returns: dict[int, list[float]] = {}
    for event in map(json.loads, process.stdout.splitlines()):
        if event["event"] == "episode":
            returns.setdefault(event["run_seed"], []).append(event["return"])
        elif event["event"] == "finished":
            finished = event
    return returns, finished


def describe(model: str, finished: dict) -> str:
    scores = finished["scores"]

    def interval(key: str) -> str:
        low, high = scores[f"{key}_interval"]
        return f"{scores[key]:.1f} ({low:.1f} to {high:.1f})"

    reached = f", {scores['reached']} of {scores['n']} at {scores['threshold']:g}" if scores.get("threshold") is not None else ""
    return f"{model}: IQM {interval('iqm')}, mean {interval('mean')}, worst seed {scores['min']:.1f}{reached}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", type=Path)
    parser.add_argument("name", type=Path, help="path of the files to write, without their endings")
    parser.add_argument("--quarl", default="quarl", help="the program")
    parser.add_argument("--trust", action="store_true", help="start the environment that the runs name (quarl eval --trust)")
    arguments = parser.parse_args()

    table = arguments.name.with_name(arguments.name.name + ".csv")
    episodes = arguments.name.with_name(arguments.name.name + "-episodes.csv.xz")
    for path in (table, episodes):
        if path.exists():
            sys.exit(f"{path} exists; move it away first")

    trust = ["--trust"] if arguments.trust else []
    final, finished = returns_of(arguments.quarl, arguments.experiment, trust)
    best, best_finished = returns_of(arguments.quarl, arguments.experiment, ["--best", *trust])
    threshold = finished["scores"].get("threshold")

    rows = []
    for seed in sorted(final):
        summary = json.loads((arguments.experiment / "runs" / f"seed-{seed}" / "summary.json").read_text())
        reached = "" if threshold is None else sum(value >= threshold for value in final[seed])
        rows.append([
            seed,
            round(statistics.mean(final[seed]), 4),
            round(statistics.pstdev(final[seed]), 4),
            round(min(final[seed]), 4),
            round(max(final[seed]), 4),
            reached,
            round(statistics.mean(best[seed]), 4),
            round(min(best[seed]), 4),
            summary["env_steps"],
            summary["episodes"],
            round(summary["greedy_mean"], 4),
            round(summary["wall_seconds"], 1),
        ])  # fmt: skip
    with open(table, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["seed", "model", "episode", "return"])
    for model, returns in (("final", final), ("best", best)):
        for seed in sorted(returns):
            writer.writerows([seed, model, episode, round(value, 4)] for episode, value in enumerate(returns[seed]))
    episodes.write_bytes(lzma.compress(text.getvalue().encode(), preset=9 | lzma.PRESET_EXTREME))

    print(describe("final models", finished))
    print(describe("best models", best_finished))
    print(f"mean wall time of a run: {statistics.mean(row[-1] for row in rows):.1f} s")
    for index, unit in ((8, "steps"), (9, "episodes")):
        values = sorted(row[index] for row in rows)
        within = values[math.ceil(0.95 * len(values)) - 1]
        print(f"training {unit}: median {statistics.median(values):g}, 95% within {within}, longest {values[-1]}, mean {statistics.mean(values):.0f}")


if __name__ == "__main__":
    main()
