"""The time that an exported agent takes to act in ONNX Runtime: the fastest of 51 rounds of 1,000 actions, in nanoseconds."""

import time

import numpy as np
import onnxruntime

CALLS = 1000

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession("agent.onnx", options, providers=["CPUExecutionProvider"])
observation = np.full((1, 4), 0.05, dtype=np.float32)
fastest = float("inf")
for _ in range(51):
    start = time.perf_counter()
    for i in range(CALLS):
        observation[0, 0] = 1e-6 * i
        session.run(["action"], {"observation": observation})
    fastest = min(fastest, time.perf_counter() - start)
print(f"Python, ONNX Runtime {onnxruntime.__version__}: {fastest / CALLS * 1e9:.0f} ns")
