#!/usr/bin/env python3
"""JAX on ADBench's problems (peer_common.py), under jit."""
import json
import sys

try:
    import jax
    import jax.numpy as jnp
    import adbench_common as data
    import peer_common as common
except ImportError as e:
    print(json.dumps({"absent": str(e)}), flush=True)
    sys.exit(0)

jax.config.update("jax_enable_x64", True)


def gmm(path):
    alpha, mean, icf, x, gamma, m, rest, rows, columns = data.gmm(path)
    n, d = x.shape
    k = len(alpha)

    def value(alpha, mean, icf):
        q, low = icf[:, :d], icf[:, d:]
        diagonal = jnp.exp(q)
        root = jax.vmap(jnp.diag)(diagonal).at[:, rows, columns].set(low)
        seen = (x @ root.reshape(k * d, d).T).reshape(n, k, d)
        centre = jnp.einsum("kij,kj->ki", root, mean)
        far = jnp.square(seen - centre).sum(2)
        sum_q = q.sum(1)
        fit = jax.scipy.special.logsumexp(alpha + sum_q - 0.5 * far, 1).sum()
        size = jnp.square(diagonal).sum() + jnp.square(low).sum()
        return (fit - n * jax.scipy.special.logsumexp(alpha) + 0.5 * gamma * gamma * size - m * sum_q.sum() + rest)
    return jax.jit(jax.value_and_grad(value, (0, 1, 2))), [alpha, mean, icf]


def lstm(path):
    main, extra, state, text = data.lstm(path)
    layers, bits = len(state) // 2, text.shape[1]

    def value(main, extra):
        w, b = main[0::2].reshape(layers, 4, bits), main[1::2].reshape(layers, 4, bits)

        def step(carry, x):
            h, c = carry
            x, new_h, new_c = x * extra[0], [], []
            for i in range(layers):
                forget, show = jax.nn.sigmoid(w[i, 0] * x + b[i, 0]), jax.nn.sigmoid(w[i, 2] * x + b[i, 2])
                opened, change = jax.nn.sigmoid(w[i, 1] * h[i] + b[i, 1]), jnp.tanh(w[i, 3] * h[i] + b[i, 3])
                cell = c[i] * forget + opened * change
                x = show * jnp.tanh(cell)
                new_h.append(x)
                new_c.append(cell)
            return (jnp.stack(new_h), jnp.stack(new_c)), x
        _, rows = jax.lax.scan(step, (state[0::2], state[1::2]), text[:-1])
        scores = rows * extra[1] + extra[2]
        fit = (text[1:] * (scores - jnp.log(2 + jnp.exp(scores).sum(1, keepdims=True)))).sum()
        return -fit / (bits * (len(text) - 1))
    return jax.jit(jax.value_and_grad(value, (0, 1))), [main, extra]


def ba(path):
    cameras, points, w, measured, of_camera, of_point = data.ba(path)

    def rotate(r, x):
        angle = jnp.sqrt((r * r).sum(1, keepdims=True))
        axis = r / angle
        c, s = jnp.cos(angle), jnp.sin(angle)
        return x * c + jnp.cross(axis, x) * s + axis * (axis * x).sum(1, keepdims=True) * (1 - c)

    def residuals(camera, x, w):
        seen = rotate(camera[:, 0:3], x - camera[:, 3:6])
        flat = seen[:, :2] / seen[:, 2:]
        r2 = (flat * flat).sum(1, keepdims=True)
        distortion = 1 + camera[:, 9:10] * r2 + camera[:, 10:11] * r2 * r2
        return w * (flat * distortion * camera[:, 6:7] + camera[:, 7:9] - measured)

    def step(cameras, points, w):
        error, pull = jax.vjp(residuals, cameras[of_camera], points[of_point], w)
        ones, zeros = jnp.ones(len(w)), jnp.zeros(len(w))
        rows = [*pull(jnp.stack([ones, zeros], 1)), *pull(jnp.stack([zeros, ones], 1)), -2 * w]
        return jnp.square(error).sum() + jnp.square(1 - w * w).sum(), rows
    return jax.jit(step), [cameras, points, w]


def opener(work, folder):
    f, leaves = {"gmm": gmm, "lstm": lstm, "ba": ba}[work[0]](work[1])
    leaves = [jnp.asarray(x) for x in leaves]

    def run(steps):
        for _ in range(steps):
            last = f(*leaves)
        jax.block_until_ready(last)

    def outputs():
        y, d = f(*leaves)
        return [float(y), float(sum(jnp.square(x).sum() for x in d))]
    run(1)
    return "jit", run, outputs


common.serve("JAX %s jit" % jax.__version__, opener, ".")
