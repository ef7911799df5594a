"""What the peers share: the digits, the numbers every side starts from, and the line protocol.

A peer reads commands from stdin and answers each with one line of JSON (see serve).  bench_train
and bench_scalar answer the same commands, with the same numbers: bench/support/common.c."""
import gzip
import json
import os
import struct
import sys
import time

import numpy as np

BATCHES = 512  # different random batches before they repeat


def read_idx(folder, name):
    path = os.path.join(folder, name)
    data = open(path, "rb").read() if os.path.exists(path) else gzip.open(path + ".gz").read()
    rank = data[3]
    shape = struct.unpack(">%dI" % rank, data[4:4 + 4 * rank])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def read_digits(folder):
    """Images as float rows in 0..1, labels as they are."""
    image = read_idx(folder, "train-images-idx3-ubyte")
    label = read_idx(folder, "train-labels-idx1-ubyte")
    return (image.reshape(len(image), -1).astype(np.float32) / np.float32(255)), label


def random_bits(stream, n):
    """Numbers 0..n-1 of a SplitMix64 sequence (Steele, Lea and Flood 2014)."""
    i = np.arange(1, n + 1, dtype=np.uint64) + (np.uint64(stream) << np.uint64(40))
    z = i * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def first_weights(layers):
    """[in, out] matrices, uniform in +-1/sqrt(in); biases start at zero."""
    for k, (rows, columns) in enumerate(zip(layers, layers[1:])):
        u = (random_bits(k + 1, rows * columns) >> np.uint64(40)).astype(np.float64) / 2**24
        yield ((2 * u - 1) / np.sqrt(rows)).astype(np.float32).reshape(rows, columns)


def batches(count, batch):
    """[BATCHES, batch] indices of images."""
    return (random_bits(0, BATCHES * batch) % np.uint64(count)).astype(np.int64).reshape(BATCHES, batch)


def fastest(names, make, seconds=0.3):
    """The name whose function make(name)(steps) does the most steps a second."""
    def rate(name):
        run = make(name)
        run(20)
        steps, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            run(20)
            steps += 20
        return steps / (time.perf_counter() - start)
    return max(names, key=rate) if len(names) > 1 else names[0]


def peak_kib():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1])
    return 0


def restart_peak():
    try:
        with open("/proc/self/clear_refs", "w") as f:
            f.write("5")
    except OSError:
        pass


def serve(name, opener, folder):
    """Says its name, then answers: open WORK | go WARM STEPS | loss | rss | quit.

    WORK is "mlp 784,128,10 64 sgd 0.1" or "scalar", and may end in the name of a way to do it;
    otherwise the fastest way is found first.  opener(work, folder) gives (way, run, loss):
    run(steps) does so many steps and returns when they are done, loss() is the mean over the first
    5000 images, or the value of the scalar graph.  rss is the peak since open."""
    def say(**reply):
        print(json.dumps(reply), flush=True)
    say(name=name)
    run = loss = None
    for line in sys.stdin:
        command, *rest = line.split()
        if command == "open":
            run = loss = None
            way, run, loss = opener(rest, folder)
            restart_peak()
            say(way=way)
        elif command == "go":
            warm, steps = map(int, rest)
            if warm:
                run(warm)
            start = time.perf_counter()
            run(steps)
            say(seconds=time.perf_counter() - start)
        elif command == "loss":
            say(loss=loss())
        elif command == "rss":
            say(kib=peak_kib())
        elif command == "quit":
            return
