#!/usr/bin/env python3
"""PyTorch on ADBench's problems (peer_common.py), eager and compiled."""
import json
import sys

try:
    import torch
    import adbench_common as data
    import peer_common as common
except ImportError as e:
    print(json.dumps({"absent": str(e)}), flush=True)
    sys.exit(0)


def tensors(arrays):
    return [torch.from_numpy(a) for a in arrays]


def gmm(path):
    alpha, mean, icf, x, gamma, m, rest, rows, columns = data.gmm(path)
    alpha, mean, icf, x, rows, columns = tensors((alpha, mean, icf, x, rows, columns))
    n, d = x.shape
    k = len(alpha)

    def value(alpha, mean, icf):
        q, low = icf[:, :d], icf[:, d:]
        diagonal = torch.exp(q)
        root = torch.diag_embed(diagonal)
        root = root.index_put((torch.arange(k)[:, None], rows, columns), low)
        seen = (x @ root.reshape(k * d, d).T).reshape(n, k, d)
        centre = (root @ mean[:, :, None])[:, :, 0]
        far = torch.square(seen - centre).sum(2)
        sum_q = q.sum(1)
        fit = torch.logsumexp(alpha + sum_q - 0.5 * far, 1).sum()
        size = torch.square(diagonal).sum() + torch.square(low).sum()
        return fit - n * torch.logsumexp(alpha, 0) + 0.5 * gamma * gamma * size - m * sum_q.sum() + rest
    return value, [alpha, mean, icf]


def lstm_step(main, extra, x, h, c):
    x = x * extra[0]
    bits = x.shape[0]
    new_h, new_c = [], []
    for i in range(len(h)):
        w, b = main[2 * i].split(bits), main[2 * i + 1].split(bits)
        forget, show = torch.sigmoid(w[0] * x + b[0]), torch.sigmoid(w[2] * x + b[2])
        opened, change = torch.sigmoid(w[1] * h[i] + b[1]), torch.tanh(w[3] * h[i] + b[3])
        cell = c[i] * forget + opened * change
        x = show * torch.tanh(cell)
        new_h.append(x)
        new_c.append(cell)
    return x, new_h, new_c


def lstm(path, step):
    main, extra, state, text = tensors(data.lstm(path))

    def value(main, extra):
        h, c = list(state[0::2]), list(state[1::2])
        rows = []
        for x in text[:-1]:
            y, h, c = step(main, extra, x, h, c)
            rows.append(y)
        scores = torch.stack(rows) * extra[1] + extra[2]
        fit = (text[1:] * (scores - torch.log(2 + torch.exp(scores).sum(1, keepdim=True)))).sum()
        return -fit / (text.shape[1] * (len(text) - 1))
    return value, [main, extra]


def rotate(r, x):
    angle = torch.sqrt((r * r).sum(1, keepdim=True))
    axis = r / angle
    c, s = torch.cos(angle), torch.sin(angle)
    along = (axis * x).sum(1, keepdim=True) * (1 - c)
    return x * c + torch.linalg.cross(axis, x) * s + axis * along


def residuals(camera, x, w, measured):
    seen = rotate(camera[:, 0:3], x - camera[:, 3:6])
    flat = seen[:, :2] / seen[:, 2:]
    r2 = (flat * flat).sum(1, keepdim=True)
    distortion = 1 + camera[:, 9:10] * r2 + camera[:, 10:11] * r2 * r2
    return w * (flat * distortion * camera[:, 6:7] + camera[:, 7:9] - measured)


def with_gradient(value, leaves):
    for x in leaves:
        x.requires_grad_()

    def step():
        y = value(*leaves)
        return y, torch.autograd.grad(y, leaves)
    return step


def ba(path, compiled):
    cameras, points, w, measured, of_camera, of_point = tensors(data.ba(path))
    f = torch.compile(residuals) if compiled else residuals

    def step():
        of = [cameras[of_camera].requires_grad_(), points[of_point].requires_grad_(), w.detach().requires_grad_()]
        error = f(*of, measured)
        rest = 1 - of[2] * of[2]
        rows = [torch.autograd.grad(error[:, k].sum(), of, retain_graph=k == 0) for k in range(2)]
        last = torch.autograd.grad(rest.sum(), of[2])
        return torch.square(error).sum() + torch.square(rest).sum(), [*rows[0], *rows[1], *last]
    return step


def make(kind, path, compiled):
    if kind == "ba":
        return ba(path, compiled)
    if kind == "lstm":  # the loop over the text would be unrolled: its body is compiled
        return with_gradient(*lstm(path, torch.compile(lstm_step) if compiled else lstm_step))
    value, leaves = gmm(path)
    return with_gradient(torch.compile(value) if compiled else value, leaves)


def opener(work, folder):
    kind, path = work[0], work[1]
    step = make(kind, path, COMPILED)

    def run(steps):
        for _ in range(steps):
            step()

    def outputs():
        y, d = step()
        return [y.item(), float(sum(torch.square(x).sum() for x in d))]
    return "compiled" if COMPILED else "eager", run, outputs


COMPILED = sys.argv[2] == "compiled"
torch.set_num_threads(int(sys.argv[1]))
common.serve("PyTorch %s %s" % (torch.__version__.split("+")[0], sys.argv[2]), opener, ".")
