"""Model files as arrays."""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray


def read_tensors(content: bytes) -> dict[str, NDArray[np.float32]]:
    """The tensors of a safetensors file: the length of the header, the header as JSON, then the numbers."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            tensors[name] = np.frombuffer(content[begin:end], "<f4").reshape(entry["shape"]).copy()
    return tensors
