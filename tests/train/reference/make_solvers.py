#!/usr/bin/env python3
"""Writes solvers.inc and schedules.inc: what PyTorch makes of the cases below.

    python3 tests/train/reference/make_solvers.py

The problem, in f64: p has 2 x 3 elements, q 3; the loss is
    sum (sin p + 0.3 p^2 + p q) + sum q^4 / 4
so that gradients differ from step to step, change sign and are large once.
"""
import os
import torch

torch.set_default_dtype(torch.float64)
HERE = os.path.dirname(os.path.abspath(__file__))
STEPS = 25
P0 = [[0.5, -1.25, 2.0], [-0.125, 3.0, -2.5]]
Q0 = [0.75, -1.5, 2.25]

O = torch.optim
# name, C initialiser of wg_solver, optimiser, clip by value, clip by norm, l1
CASES = [
    ("sgd", ".kind = WG_SOLVER_SGD, .rate = 0.05", lambda w: O.SGD(w, lr=0.05)),
    ("sgd_default", ".kind = WG_SOLVER_SGD", lambda w: O.SGD(w)),
    ("sgd_decay", ".kind = WG_SOLVER_SGD, .rate = 0.05, .weight_decay = 0.1", lambda w: O.SGD(w, lr=0.05, weight_decay=0.1)),
    ("sgd_l2", ".kind = WG_SOLVER_SGD, .rate = 0.05, .l2 = 0.1", lambda w: O.SGD(w, lr=0.05, weight_decay=0.1)),
    ("momentum", ".kind = WG_SOLVER_MOMENTUM, .rate = 0.02", lambda w: O.SGD(w, lr=0.02, momentum=0.9)),
    ("momentum_decay", ".kind = WG_SOLVER_MOMENTUM, .rate = 0.02, .momentum = 0.5, .weight_decay = 0.03",
     lambda w: O.SGD(w, lr=0.02, momentum=0.5, weight_decay=0.03)),
    ("nesterov", ".kind = WG_SOLVER_NESTEROV, .rate = 0.02, .momentum = 0.8",
     lambda w: O.SGD(w, lr=0.02, momentum=0.8, nesterov=True)),
    ("nesterov_decay", ".kind = WG_SOLVER_NESTEROV, .rate = 0.02, .weight_decay = 0.2",
     lambda w: O.SGD(w, lr=0.02, momentum=0.9, nesterov=True, weight_decay=0.2)),
    ("adagrad", ".kind = WG_SOLVER_ADAGRAD, .rate = 0.1", lambda w: O.Adagrad(w, lr=0.1)),
    ("adagrad_default", ".kind = WG_SOLVER_ADAGRAD", lambda w: O.Adagrad(w)),
    ("adagrad_eps", ".kind = WG_SOLVER_ADAGRAD, .rate = 0.1, .eps = 0.01, .weight_decay = 0.1",
     lambda w: O.Adagrad(w, lr=0.1, eps=0.01, weight_decay=0.1)),
    ("rmsprop", ".kind = WG_SOLVER_RMSPROP, .rate = 0.05", lambda w: O.RMSprop(w, lr=0.05)),
    ("rmsprop_default", ".kind = WG_SOLVER_RMSPROP", lambda w: O.RMSprop(w)),
    ("rmsprop_momentum",
     ".kind = WG_SOLVER_RMSPROP, .rate = 0.01, .rho = 0.9, .momentum = 0.7, .eps = 1e-3, .weight_decay = 0.1",
     lambda w: O.RMSprop(w, lr=0.01, alpha=0.9, momentum=0.7, eps=1e-3, weight_decay=0.1)),
    ("adadelta", ".kind = WG_SOLVER_ADADELTA, .rate = 2", lambda w: O.Adadelta(w, lr=2)),
    ("adadelta_default", ".kind = WG_SOLVER_ADADELTA", lambda w: O.Adadelta(w)),
    ("adadelta_rho", ".kind = WG_SOLVER_ADADELTA, .rho = 0.7, .eps = 1e-4, .weight_decay = 0.1",
     lambda w: O.Adadelta(w, rho=0.7, eps=1e-4, weight_decay=0.1)),
    ("adam", ".kind = WG_SOLVER_ADAM, .rate = 0.05", lambda w: O.Adam(w, lr=0.05)),
    ("adam_default", ".kind = WG_SOLVER_ADAM", lambda w: O.Adam(w)),
    ("adam_betas", ".kind = WG_SOLVER_ADAM, .rate = 0.1, .beta1 = 0.5, .beta2 = 0.7, .eps = 1e-2, .weight_decay = 0.1",
     lambda w: O.Adam(w, lr=0.1, betas=(0.5, 0.7), eps=1e-2, weight_decay=0.1)),
    ("adam_zero_betas", ".kind = WG_SOLVER_ADAM, .rate = 0.1, .beta1 = -1, .beta2 = -1, .eps = 0.5",
     lambda w: O.Adam(w, lr=0.1, betas=(0.0, 0.0), eps=0.5)),
    ("adamw", ".kind = WG_SOLVER_ADAMW, .rate = 0.05", lambda w: O.AdamW(w, lr=0.05)),
    ("adamw_default", ".kind = WG_SOLVER_ADAMW", lambda w: O.AdamW(w)),
    ("adamw_decay", ".kind = WG_SOLVER_ADAMW, .rate = 0.05, .weight_decay = 0.5",
     lambda w: O.AdamW(w, lr=0.05, weight_decay=0.5)),
    ("adamw_none", ".kind = WG_SOLVER_ADAMW, .rate = 0.05, .weight_decay = -1",
     lambda w: O.AdamW(w, lr=0.05, weight_decay=0)),
    ("clip_value", ".kind = WG_SOLVER_ADAM, .rate = 0.05, .clip_value = 0.5", lambda w: O.Adam(w, lr=0.05), 0.5),
    ("clip_norm", ".kind = WG_SOLVER_SGD, .rate = 0.05, .clip_norm = 0.75", lambda w: O.SGD(w, lr=0.05), None, 0.75),
    ("clip_norm_loose", ".kind = WG_SOLVER_SGD, .rate = 0.05, .clip_norm = 1000", lambda w: O.SGD(w, lr=0.05), None, 1000),
    ("clip_both", ".kind = WG_SOLVER_MOMENTUM, .rate = 0.05, .clip_value = 0.5, .clip_norm = 0.75, .l2 = 0.1",
     lambda w: O.SGD(w, lr=0.05, momentum=0.9, weight_decay=0.1), 0.5, 0.75),
    ("l1", ".kind = WG_SOLVER_SGD, .rate = 0.05, .l1 = 0.2", lambda w: O.SGD(w, lr=0.05), None, None, 0.2),
]


def loss(p, q):
    return (torch.sin(p) + 0.3 * p ** 2 + p * q).sum() + (q ** 4 / 4).sum()


def train(make, value=None, norm=None, l1=0.0):
    p, q = (torch.tensor(x, requires_grad=True) for x in (P0, Q0))
    solver = make([p, q])
    for _ in range(STEPS):
        solver.zero_grad()
        loss(p, q).backward()
        if value is not None:
            torch.nn.utils.clip_grad_value_([p, q], value)
        if norm is not None:
            torch.nn.utils.clip_grad_norm_([p, q], norm)
        for w in (p, q):
            w.grad += l1 * torch.sign(w.detach())
        solver.step()
    return p.detach().flatten().tolist() + q.detach().tolist()


SCHEDULES = [
    ("step", ".kind = WG_RATE_STEP, .rate = 0.5, .steps = 7, .factor = 0.3",
     lambda o: O.lr_scheduler.StepLR(o, 7, gamma=0.3), 0.5, 30),
    ("step_default", ".kind = WG_RATE_STEP, .rate = 0.5, .steps = 10",
     lambda o: O.lr_scheduler.StepLR(o, 10), 0.5, 30),
    ("cosine", ".kind = WG_RATE_COSINE, .rate = 0.2, .steps = 25, .low = 0.01",
     lambda o: O.lr_scheduler.CosineAnnealingLR(o, 25, eta_min=0.01), 0.2, 26),
    ("warmup", ".kind = WG_RATE_WARMUP, .rate = 0.2, .steps = 8",
     lambda o: O.lr_scheduler.LinearLR(o, total_iters=8), 0.2, 20),
    ("warmup_factor", ".kind = WG_RATE_WARMUP, .rate = 0.2, .steps = 8, .factor = 0.01",
     lambda o: O.lr_scheduler.LinearLR(o, start_factor=0.01, total_iters=8), 0.2, 20),
    ("one_cycle", ".kind = WG_RATE_ONE_CYCLE, .rate = 0.3, .steps = 40",
     lambda o: O.lr_scheduler.OneCycleLR(o, 0.3, total_steps=40, cycle_momentum=False), 0.3, 40),
    ("one_cycle_own", ".kind = WG_RATE_ONE_CYCLE, .rate = 0.3, .steps = 33, .div = 10, .final_div = 50, .up = 0.45",
     lambda o: O.lr_scheduler.OneCycleLR(o, 0.3, total_steps=33, cycle_momentum=False, div_factor=10,
                                         final_div_factor=50, pct_start=0.45), 0.3, 33),
]


def rates(make, rate, n):
    o = O.SGD([torch.zeros(1, requires_grad=True)], lr=rate)
    s, out = make(o), []
    for i in range(n):
        out.append(o.param_groups[0]["lr"])
        o.step()
        if i + 1 < n:
            s.step()
    return out


def row(name, init, values):
    lines = [", ".join("%.17g" % v for v in values[i:i + 4]) for i in range(0, len(values), 4)]
    return "CASE(%s, (%s),\n     %s)\n" % (name, init, ",\n     ".join(lines))


def write(name, rows):
    with open(os.path.join(HERE, name), "w") as f:
        f.write("/* Made by make_solvers.py with PyTorch %s. */\n" % torch.__version__.split("+")[0])
        f.writelines(rows)


write("solvers.inc", [row(c[0], c[1], train(*c[2:])) for c in CASES])
write("schedules.inc", [row(s[0], s[1], rates(*s[2:])) for s in SCHEDULES])
