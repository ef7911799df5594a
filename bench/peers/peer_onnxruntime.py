#!/usr/bin/env python3
"""ONNX Runtime as a side of bench/run (peer_common.py): forward passes of an ONNX file."""
import json
import sys

try:
    import onnxruntime
    import peer_common as common
    import numpy as np
except ImportError as e:
    print(json.dumps({"absent": str(e)}), flush=True)
    sys.exit(0)


def opener(work, folder):
    path, batch = work[1], int(work[2])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    given, made = session.get_inputs()[0].name, session.get_outputs()[0].name
    width = session.get_inputs()[0].shape[1]
    bits = common.random_bits(1, batch * width) >> np.uint64(40)
    x = (bits.astype(np.float32) / np.float32(1 << 24) - np.float32(0.5)).reshape(batch, width)
    y = np.empty((batch, session.get_outputs()[0].shape[1]), np.float32)
    binding = session.io_binding()
    binding.bind_cpu_input(given, x)
    binding.bind_output(made, "cpu", 0, np.float32, y.shape, y.ctypes.data)

    def by_run(steps):
        for _ in range(steps):
            session.run([made], {given: x})

    def by_binding(steps):
        for _ in range(steps):
            session.run_with_iobinding(binding)
    ways = {"run": by_run, "io_binding": by_binding}
    way = common.fastest(list(ways), ways.get)

    def outputs():
        by_binding(1)  # into y, which has to live as long as the binding
        return [float(y.flat[0]), float(y.mean(dtype=np.float64))]
    return way, ways[way], outputs


THREADS = int(sys.argv[1])
common.serve("ONNX Runtime %s" % onnxruntime.__version__, opener, sys.argv[2])
