"""JAX, jit, in the line protocol of peer_common.py: peer_jax.py THREADS FOLDER.

JAX takes every CPU that the process may use: whoever starts this sets the affinity first."""
import sys
from functools import cache, partial

try:
    import jax
    import jax.numpy as jnp
except ImportError as e:
    print('{"absent": "%s"}' % e, flush=True)
    sys.exit(0)

import peer_common as common


def logits(weights, x):
    for k, (w, b) in enumerate(weights):
        x = jnp.dot(x, w) + b
        if k + 1 < len(weights):
            x = jax.nn.relu(x)
    return x


def cost(weights, x, y):
    log_p = jax.nn.log_softmax(logits(weights, x))
    return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=1))


def sgd(rate, weights, moments, d):
    return jax.tree.map(lambda p, g: p - rate * g, weights, d), moments


def adam(rate, weights, moments, d):
    """Kingma and Ba 2015."""
    t, m, v = moments
    t = t + 1
    m = jax.tree.map(lambda a, g: 0.9 * a + 0.1 * g, m, d)
    v = jax.tree.map(lambda a, g: 0.999 * a + 0.001 * g * g, v, d)
    s1, s2 = 1 / (1 - 0.9**t), 1 / (1 - 0.999**t)
    move = lambda p, a, b: p - rate * (a * s1) / (jnp.sqrt(b * s2) + 1e-8)
    return jax.tree.map(move, weights, m, v), (t, m, v)


@cache
def digits(folder):
    image, label = common.read_digits(folder)
    return image, label.astype("int32")


@cache
def digits_of_jax(folder):
    return tuple(jnp.array(a) for a in digits(folder))


def train(rest, folder):
    layers, batch = [int(n) for n in rest[0].split(",")], int(rest[1])
    update = partial({"sgd": sgd, "adam": adam}[rest[2]], float(rest[3]))
    host_image, host_label = digits(folder)
    image, label = digits_of_jax(folder)
    host_index = common.batches(len(host_image), batch)
    if rest[4:] in (["jit_gather"], ["jit_loop"]):  # these need one copy of the digits only
        digits.cache_clear()
        host_image = host_label = None
    index = jnp.asarray(host_index.astype("int32"))

    def step(state, x, y):
        weights, moments = state
        return update(weights, moments, jax.grad(cost)(weights, x, y))

    def picked(state, image, label, index, k):
        i = index[k % common.BATCHES]
        return step(state, image[i], label[i])

    @partial(jax.jit, donate_argnums=0)
    def given(state, x, y):
        return step(state, x, y)

    @partial(jax.jit, donate_argnums=0)
    def inside(state, image, label, index, k):
        return picked(state, image, label, index, k)

    @partial(jax.jit, donate_argnums=0)
    def looped(state, image, label, index, k, steps):
        return jax.lax.fori_loop(k, k + steps, lambda j, s: picked(s, image, label, index, j), state)

    class Run:
        def __init__(self, way):
            weights = [(jnp.asarray(w), jnp.zeros(w.shape[1])) for w in common.first_weights(layers)]
            zeros = lambda: jax.tree.map(jnp.zeros_like, weights)
            self.state = weights, (jnp.float32(0), zeros(), zeros()) if rest[2] == "adam" else ()
            self.k, self.way = 0, getattr(self, way)

        def numpy_gather(self, steps):
            for k in range(self.k, self.k + steps):
                i = host_index[k % common.BATCHES]
                self.state = given(self.state, host_image[i], host_label[i])

        def jit_gather(self, steps):
            for k in range(self.k, self.k + steps):
                self.state = inside(self.state, image, label, index, k)

        def jit_loop(self, steps):
            self.state = looped(self.state, image, label, index, self.k, steps)

        def __call__(self, steps):
            self.way(steps)
            self.k += steps
            jax.block_until_ready(self.state)

    way = common.fastest(rest[4:] or ["numpy_gather", "jit_gather", "jit_loop"], Run)
    run = Run(way)
    return way, run, lambda: float(cost(run.state[0], image[:5000], label[:5000]))


def scalar():
    f = jax.jit(jax.value_and_grad(lambda a, b: jnp.square(jnp.tanh(a * b + a)), argnums=(0, 1)))
    a, b = jnp.float32(0.5), jnp.float32(-1.25)

    def waiting(steps):
        for _ in range(steps):
            jax.block_until_ready(f(a, b))

    def pipelined(steps):
        for _ in range(steps):
            r = f(a, b)
        jax.block_until_ready(r)
    ways = {"wait_each": waiting, "wait_last": pipelined}
    way = common.fastest(list(ways), ways.get)

    def loss():
        z, d = f(a, b)
        return [float(v) for v in (z, *d)]
    return way, ways[way], loss


def opener(work, folder):
    return scalar() if work[0] == "scalar" else train(work[1:], folder)


common.serve("JAX %s jit" % jax.__version__, opener, sys.argv[2])
