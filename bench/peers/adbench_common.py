"""Data files of ADBench, as NumPy arrays of f64 (bench/adbench/ reads the same)."""
import math

import numpy as np


def numbers(path):
    return np.array(open(path).read().split(), np.float64)


class Numbers:
    def __init__(self, path):
        self.at, self.used = numbers(path), 0

    def take(self, *shape):
        n = math.prod(shape)
        self.used += n
        return self.at[self.used - n:self.used].reshape(shape)

    def count(self):
        return int(self.take(1)[0])


def log_gamma(a, p):
    return 0.25 * p * (p - 1) * math.log(math.pi) + sum(math.lgamma(a + 0.5 * (1 - j)) for j in range(1, p + 1))


def gmm(path):
    """alpha [k], mean [k,d], icf [k,d(d+1)/2], x [n,d], and the constants of the objective."""
    f = Numbers(path)
    d, k, n = f.count(), f.count(), f.count()
    alpha, mean, icf, x = f.take(k), f.take(k, d), f.take(k, d * (d + 1) // 2), f.take(n, d)
    gamma, m = f.take(2)
    freedom = d + m + 1
    constant = freedom * d * (math.log(gamma) - 0.5 * math.log(2)) - log_gamma(0.5 * freedom, d)
    rest = -0.5 * n * d * math.log(2 * math.pi) - k * constant
    rows, columns = np.tril_indices(d, -1)
    order = np.lexsort((rows, columns))  # l lies column by column
    return alpha, mean, icf, x, gamma, m, rest, rows[order], columns[order]


def lstm(path):
    """main [2 layers, 4 bits], extra [3,bits], state [2 layers, bits], text [length,bits]."""
    f = Numbers(path)
    layers, length, bits = f.count(), f.count(), f.count()
    return f.take(2 * layers, 4 * bits), f.take(3, bits), f.take(2 * layers, bits), f.take(length, bits)


def ba(path):
    """Cameras, points and weights of each observation, and what it measured."""
    f = Numbers(path)
    n, m, count = f.count(), f.count(), f.count()
    camera, point, weight, measured = f.take(11), f.take(3), f.take(1), f.take(2)
    return (np.tile(camera, (n, 1)), np.tile(point, (m, 1)), np.tile(weight, (count, 1)), np.tile(measured, (count, 1)),
            np.arange(count) % n, np.arange(count) % m)
