#!/usr/bin/env python3
"""Writes python_safetensors.inc, the bytes of a file made with the format's own Python package (safetensors
0.4 or later), and reads back a file that the library wrote.

    python3 tests/train/reference/make_safetensors.py [FILE]
"""
import os
import sys
from importlib.metadata import version
import numpy as np
from safetensors.numpy import load_file, save

HERE = os.path.dirname(os.path.abspath(__file__))
if len(sys.argv) > 1:
    for name, x in sorted(load_file(sys.argv[1]).items()):
        print(name, x.dtype, x.shape, x.flatten()[:4].tolist())
else:
    data = save(
        {
            "fc1.weight": np.arange(6, dtype=np.float32).reshape(2, 3) / 8,
            "fc1.bias": np.array([-1.5, 0.25, 1e10], dtype=np.float64),
            "labels": np.array([[1, -2], [3, -4]], dtype=np.int32),
            "big": np.array(-(2**62), dtype=np.int64),
            "bytes": np.array([0, 255, 7], dtype=np.uint8),
            "mask": np.array([True, False], dtype=np.bool_),
            "empty": np.zeros((0, 4), dtype=np.float32),
            "na\u00efve \"name\"\n\U0001f600": np.ones(1, dtype=np.float32),
        },
        metadata={"format": "np", "note": "tab\there"},
    )
    with open(os.path.join(HERE, "python_safetensors.inc"), "w") as f:
        f.write("/* Made by make_safetensors.py with safetensors %s. */\n" % version("safetensors"))
        for i in range(0, len(data), 24):
            f.write(", ".join(map(str, data[i:i + 24])) + ",\n")
