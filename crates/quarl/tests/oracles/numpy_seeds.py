"""Prints what the tests of rng.rs and rng/seed_sequence.rs expect. Recorded with numpy==2.4.6; any 2.x gives the same."""

import numpy as np


def hexadecimal(words):
    return ", ".join(f"0x{int(word):x}" for word in words)


print("numpy", np.__version__)
for seed in (0, 1, 42, 2**32 - 1, 2**32, 2**63 + 12345, 2**64 - 1):
    print("state of seed", seed, hexadecimal(np.random.SeedSequence(seed).generate_state(4, np.uint64)))
for seed, key in ((0, (0,)), (7, (3,)), (2**40 + 5, (1, 2)), (123, (5, 4, 3, 2, 1))):
    sequence = np.random.SeedSequence(seed, spawn_key=key)
    print("state of seed", seed, "key", key, hexadecimal(sequence.generate_state(4, np.uint64)))
    print("    its first half words", hexadecimal(sequence.generate_state(3, np.uint32)))
for seed in (0, 42, 2**63 + 12345):
    print("draws of seed", seed, hexadecimal(np.random.default_rng(seed).bit_generator.random_raw(4)))
    print("    uniform", np.random.default_rng(seed).random(4).tolist())
    print("    uniform(-0.05, 0.05)", np.random.default_rng(seed).uniform(-0.05, 0.05, 4).tolist())
