"""Nets that wengert wrote, in ONNX's checker and in ONNX Runtime."""

import glob
import os

import numpy
import onnx
import onnxruntime

OPSETS = range(9, 22)


def close(ours, theirs):
    """Equal to 1e-5 of the larger of 1 and the value."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return f"{theirs.dtype}{theirs.shape} instead of {ours.dtype}{ours.shape}"
    if ours.dtype.kind != "f":
        wrong = int((ours != theirs).sum())
        return f"{wrong} of {ours.size} values differ" if wrong else None
    if numpy.allclose(theirs, ours, rtol=1e-5, atol=1e-5, equal_nan=True):
        return None
    return f"differs by {numpy.nanmax(numpy.abs(ours - theirs)):.3g}"


def run_model(path, feeds):
    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 4
    quiet.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, quiet, providers=["CPUExecutionProvider"])
    wanted = {i.name for i in session.get_inputs()}
    return session.run(None, {k: v for k, v in feeds.items() if k in wanted})[0]


def check(path, feeds, expected, random):
    """(passed, why); passed is None where the runtime has no kernel for a valid model."""
    try:
        onnx.checker.check_model(path, full_check=True)
    except Exception as error:  # every complaint of the checker is one of ours
        return False, f"checker: {str(error).strip().splitlines()[-1]}"
    try:
        got = run_model(path, feeds)
    except Exception as error:
        text = str(error).replace("\n", " ")
        missing = "NOT_IMPLEMENTED" in text or "Could not find an implementation" in text
        return (None if missing else False), f"runtime: {text[:300]}"
    if random:
        return (got.shape == expected.shape and got.dtype == expected.dtype), "a random value of another shape"
    why = close(expected, got)
    return why is None, why


def models(folder, names, opsets=OPSETS):
    """(name, opset, passed, why) for each net at each opset; a refusal must say a reason."""
    for line in names:
        name, *inputs = line.split()
        feeds = {i: numpy.load(f"{folder}/{name}.{i}.npy") for i in inputs}
        expected = numpy.load(f"{folder}/{name}.out.npy")
        for opset in opsets:
            path = f"{folder}/{name}.{opset}.onnx"
            if os.path.exists(path):
                yield (name, opset, *check(path, feeds, expected, name.startswith(("uniform", "normal"))))
            else:
                with open(f"{folder}/{name}.{opset}.txt", encoding="utf-8") as f:
                    yield name, opset, None, f.read().strip()


def clean(folder):
    for path in glob.glob(f"{folder}/*.*"):
        os.remove(path)
