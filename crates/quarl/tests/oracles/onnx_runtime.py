"""Compares the exported ONNX files in a directory with the recorded Q-values of quarl's policy, in ONNX Runtime.

Each FILE.txt has lines of four numbers (an observation) and two Q-values: random observations and those of 20 greedy episodes.
"""

import sys
from pathlib import Path

import numpy
import onnx
import onnxruntime

files = sorted(Path(sys.argv[1]).glob("*.onnx"))
assert files, "no files"
for file in files:
    onnx.checker.check_model(onnx.load(file), full_check=True)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    [given] = session.get_inputs()
    assert (given.name, given.shape, given.type) == ("observation", ["batch", 4], "tensor(float)"), given
    described = [(output.name, output.shape, output.type) for output in session.get_outputs()]
    assert described == [("q_values", ["batch", 2], "tensor(float)"), ("action", ["batch"], "tensor(int64)")], described
    rows = numpy.loadtxt(file.with_suffix(".txt"), dtype=numpy.float32)
    observations, expected = rows[:, :4], rows[:, 4:]
    q_values, actions = session.run(None, {"observation": observations})
    size = numpy.maximum(1.0, numpy.abs(expected).max(axis=1))
    difference = numpy.abs(q_values - expected).max(axis=1) / size
    assert difference.max() <= 1e-5, (file.name, difference.max())
    is_clear = numpy.abs(expected[:, 0] - expected[:, 1]) > 1e-5 * size
    assert (actions == expected.argmax(axis=1))[is_clear].all(), file.name
    single = session.run(["action"], {"observation": observations[:1]})[0]
    assert single.shape == (1,) and single[0] == actions[0]
    print(f"{file.stem}: {len(rows)} observations, largest difference {difference.max():.1e}")
