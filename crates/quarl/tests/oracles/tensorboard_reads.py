"""Reads a run's event file with TensorBoard's own package and compares it with the run's tables.

    pip install tensorboard==2.21.0
    python crates/quarl/tests/oracles/tensorboard_reads.py RUN
"""

import csv
import io
import json
import math
import struct
import sys
import tomllib
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

INTERVAL, WINDOW = 4, 100


def rows(path):
    with open(path) as file:
        return list(csv.DictReader(file))


def close(a, b):
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6)


def main(run):
    run = Path(run)
    events = EventAccumulator(str(run), size_guidance={"scalars": 0, "images": 0})
    events.Reload()
    tags = events.Tags()
    scalars = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags["scalars"]}

    episodes = rows(run / "episodes.csv")
    logged = [i for i in range(len(episodes)) if (i + 1) % INTERVAL == 0]
    steps = [int(episodes[i]["env_steps"]) for i in logged]
    for tag, column in [("rollout/ep_rew_mean", "return"), ("rollout/ep_len_mean", "length")]:
        assert [step for step, _ in scalars[tag]] == steps, tag
        for i, (_, value) in zip(logged, scalars[tag]):
            recent = [float(row[column]) for row in episodes[max(0, i + 1 - WINDOW): i + 1]]
            assert close(value, sum(recent) / len(recent)), (tag, i, value)
    for i, (_, value) in zip(logged, scalars["rollout/exploration_rate"]):
        assert close(value, float(episodes[i]["epsilon"]))
    assert [int(value) for _, value in scalars["time/total_timesteps"]] == steps
    assert {"time/fps", "time/time_elapsed", "train/loss", "train/learning_rate", "train/n_updates"} <= scalars.keys()
    assert all(math.isfinite(value) for _, value in scalars["train/loss"])

    evaluations = rows(run / "evaluations.csv")
    for tag, closing in [("eval/mean_reward", "false"), ("eval/final_mean_reward", "true")]:
        expected = [(int(row["env_steps"]), float(row["mean_return"])) for row in evaluations if row["closing"] == closing]
        actual = scalars.get(tag, [])
        assert len(actual) == len(expected), tag
        assert all(a[0] == e[0] and close(a[1], e[1]) for a, e in zip(actual, expected)), tag

    (image,) = events.Images("figures/curve")
    png = image.encoded_image_string
    assert png[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">II", png[16:24]) == (image.width, image.height)
    assert png == (run / "curve.png").read_bytes(), "the figure is that of the run"

    content = events.summary_metadata
    parse = lambda tag: plugin_data_pb2.HParamsPluginData.FromString(content[tag].plugin_data.content)
    experiment, start = parse("_hparams_/experiment").experiment, parse("_hparams_/session_start_info").session_start_info
    assert parse("_hparams_/session_end_info").session_end_info.status == 1
    assert {info.name for info in experiment.hparam_infos} == set(start.hparams)
    config = tomllib.loads((run / "config.toml").read_text())
    assert start.hparams["agent.gamma"].number_value == config["agent"]["gamma"]
    assert start.hparams["env.id"].string_value == config["env"]["id"]
    assert start.hparams["training.diagnostics"].bool_value == config["training"]["diagnostics"]
    print(f"TensorBoard reads {sum(map(len, scalars.values()))} scalars of {len(scalars)} tags, "
          f"{len(start.hparams)} hyperparameters and the figure, equal to the run's tables")


main(sys.argv[1])
