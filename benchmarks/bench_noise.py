"""How far does lr="auto" get with minibatches, where it compares no values, against rates that were tuned?

Logistic regression of features whose sizes spread over 30, and the regression of a small network, 2e4 samples, batches
of 100, 10 epochs. "auto" was told nothing; "constant" is the best of nine rates, "cosine" the best of them at the start
of a cosine. What is printed is f - f* on all samples, the median of three seeds; f* is that of L-BFGS-B.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import scipy.optimize
from _timing import print_machine, print_table

import numbaopt
from numbaopt._rule import method_class

SAMPLES, FEATURES, HIDDEN, BATCH, EPOCHS = 20_000, 50, 10, 100, 10
RATES = 10.0 ** np.arange(-4, 0.1, 0.5)
METHODS = ("adam", "adamw", "nadam", "rmsprop", "adadelta", "adagrad", "yogi", "lion", "sgd")
WITHOUT_RATE = ("prodigy", "dadaptadam", "schedulefreeadamw", "schedulefreesgd")


@numba.njit
def logistic(w, g, idx, features, sign):
    """Mean over idx of log(1 + exp(-sign features w)), + 5e-5 |w|^2."""
    f = 5e-5 * np.sum(w * w)
    g[:] = 1e-4 * w
    for i in idx:
        margin = sign[i] * np.sum(features[i] * w)
        f += (np.log1p(np.exp(-abs(margin))) + max(-margin, 0.0)) / idx.size
        slope = -sign[i] / (1 + np.exp(margin)) / idx.size
        for j in range(w.size):
            g[j] += slope * features[i, j]
    return f


@numba.njit
def network(p, g, idx, z, y):
    """Mean over idx of (v.tanh(W z + b) + c - y)^2 / 2, with W, b, v and c behind one another in p."""
    inputs = z.shape[1]
    bias, out = inputs * HIDDEN, (inputs + 1) * HIDDEN
    f = 0.0
    g[:] = 0.0
    a = np.empty(HIDDEN)
    for i in idx:
        r = p[out + HIDDEN] - y[i]
        for h in range(HIDDEN):
            s = p[bias + h]
            for k in range(inputs):
                s += z[i, k] * p[k * HIDDEN + h]
            a[h] = np.tanh(s)
            r += p[out + h] * a[h]
        f += 0.5 * r * r / idx.size
        r /= idx.size
        g[out + HIDDEN] += r
        for h in range(HIDDEN):
            g[out + h] += r * a[h]
            d = r * p[out + h] * (1 - a[h] * a[h])
            g[bias + h] += d
            for k in range(inputs):
                g[k * HIDDEN + h] += d * z[i, k]
    return f


def problems() -> dict[str, tuple[Callable, np.ndarray, tuple]]:
    """fun, x0 and data by name."""
    rng = np.random.default_rng(0)
    scale = np.logspace(0, -1.5, FEATURES)
    features = rng.standard_normal((SAMPLES, FEATURES)) * scale
    truth = 0.3 * rng.standard_normal(FEATURES) / scale
    sign = np.where(rng.random(SAMPLES) < 1 / (1 + np.exp(-features @ truth)), 1.0, -1.0)
    z = rng.standard_normal((SAMPLES, 4))
    start = 0.5 * rng.standard_normal(6 * HIDDEN + 1)
    return {
        "logistic": (logistic, np.zeros(FEATURES), (features, sign)),
        "network": (network, start, (z, np.sin(2 * z[:, 0]) + z[:, 1] * z[:, 2])),
    }


def lowest(fun: Callable, x0: np.ndarray, data: tuple) -> float:
    """f on all samples where L-BFGS-B ends."""
    everything, g = np.arange(SAMPLES), np.empty_like(x0)

    def both(x: np.ndarray) -> tuple[float, np.ndarray]:
        return fun(x, g, everything, *data), g

    return scipy.optimize.minimize(both, x0, jac=True, method="L-BFGS-B", options={"maxiter": 5000}).fun


def found(problem: tuple, method: Any, seeds: int) -> float:
    """f on all samples after a run, the median over the seeds."""
    fun, x0, data = problem

    def run(seed: int) -> float:
        options = {"batch_size": BATCH, "n_samples": SAMPLES, "maxepoch": EPOCHS, "seed": seed}
        return numbaopt.minimize(fun, x0, data, method, "inplace", options=options).fun

    return statistics.median(map(run, range(seeds)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one seed")
    seeds = 1 if parser.parse_args().quick else 3
    print_machine(__doc__.splitlines()[0], ["numba", "numpy", "scipy"])
    for title, problem in problems().items():
        best, rows = lowest(*problem), []
        cosine = [numbaopt.schedules.CosineDecay(r, steps=EPOCHS * SAMPLES // BATCH) for r in RATES]
        for name in METHODS:
            cls = method_class(name)
            tuned = [
                min((found(problem, cls(lr=rate), seeds), float(lr)) for rate, lr in zip(rates, RATES, strict=True))
                for rates in (RATES, cosine)
            ]
            cells = [f"{f - best:.1e} ({lr:.0e})" for f, lr in tuned]
            rows.append((name, f"{found(problem, name, seeds) - best:.1e}", *cells))
        rows += [(name, f"{found(problem, name, seeds) - best:.1e}", "-", "-") for name in WITHOUT_RATE]
        print_table(f"{title}: f - f*, f* = {best:.6g}", ("method", "auto", "best constant (lr)", "cosine (lr)"), rows)


if __name__ == "__main__":
    main()
