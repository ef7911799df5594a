"""PyTorch, eager, in the line protocol of peer_common.py: peer_torch.py THREADS FOLDER."""
import sys
from functools import cache

try:
    import torch
except ImportError as e:
    print('{"absent": "%s"}' % e, flush=True)
    sys.exit(0)

import numpy as np

import peer_common as common


def network(layers):
    parts = []
    for w in common.first_weights(layers):
        dense = torch.nn.Linear(*w.shape)
        with torch.no_grad():
            dense.weight.copy_(torch.from_numpy(w.T.copy()))
            dense.bias.zero_()
        parts += [dense, torch.nn.ReLU()]
    return torch.nn.Sequential(*parts[:-1])


def solver(kind, rate, net, **how):
    make = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[kind]
    return make(net.parameters(), lr=rate, **how)


@cache
def digits(folder):
    image, label = common.read_digits(folder)
    return torch.from_numpy(image), torch.from_numpy(label.astype("int64"))


def train(rest, folder):
    layers, batch = [int(n) for n in rest[0].split(",")], int(rest[1])
    kind, rate = rest[2], float(rest[3])
    image, label = digits(folder)
    index = torch.from_numpy(common.batches(len(image), batch))
    criterion = torch.nn.CrossEntropyLoss()

    def start(way):
        net, state = network(layers), [0]
        step = solver(kind, rate, net, **({} if way == "default" else {way: True}))

        def run(steps):
            for _ in range(steps):
                i = index[state[0] % common.BATCHES]
                x, y = image.index_select(0, i), label.index_select(0, i)
                step.zero_grad(set_to_none=True)
                criterion(net(x), y).backward()
                step.step()
                state[0] += 1
        return net, run

    way = common.fastest(rest[4:] or ["default", "foreach", "fused"], lambda name: start(name)[1])
    net, run = start(way)

    def loss():
        with torch.no_grad():
            return criterion(net(image[:5000]), label[:5000]).item()
    return way, run, loss


def scalar():
    a = torch.tensor(0.5, requires_grad=True)
    b = torch.tensor(-1.25, requires_grad=True)

    def value():
        return torch.square(torch.tanh(a * b + a))

    def by_backward(steps):
        for _ in range(steps):
            a.grad = b.grad = None
            value().backward()

    def by_grad(steps):
        for _ in range(steps):
            torch.autograd.grad(value(), (a, b))
    ways = {"backward": by_backward, "autograd.grad": by_grad}
    way = common.fastest(list(ways), ways.get)

    def loss():
        z = value()
        return [v.item() for v in (z, *torch.autograd.grad(z, (a, b)))]
    return way, ways[way], loss


def product(dtype, m, k, n, order):
    """order: nn, nt, tn or tt, t where the operand lies transposed, as in bench_product."""
    real = {"f32": torch.float32, "f64": torch.float64}[dtype]

    def matrix(stream, rows, columns, turned):
        x = (common.random_bits(stream, rows * columns) >> np.uint64(40)).astype(np.float64) / 2**23 - 1
        x = torch.from_numpy(x).to(real)
        return x.reshape(columns, rows).t() if turned else x.reshape(rows, columns)
    a, b = matrix(1, m, k, order[0] == "t"), matrix(2, k, n, order[1] == "t")
    c = torch.empty(m, n, dtype=real)

    def run(steps):
        for _ in range(steps):
            torch.mm(a, b, out=c)
    return "mm", run, lambda: c[-1, -1].item()


def opener(work, folder):
    if work[0] in ("f32", "f64"):
        return product(work[0], *map(int, work[1:4]), work[4])
    return scalar() if work[0] == "scalar" else train(work[1:], folder)


torch.set_num_threads(int(sys.argv[1]))
common.serve("PyTorch %s eager" % torch.__version__.split("+")[0], opener, sys.argv[2])
