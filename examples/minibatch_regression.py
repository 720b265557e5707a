"""Logistic regression on 100 000 samples by minibatches, compared with the optimum that L-BFGS-B finds on all of them.

A step of Adam costs 256 samples instead of 100 000. Steps along gradients of batches alone would end where the noise of
the batches holds them up; variance reduction (SVRG) takes the noise away as the optimum comes near.
"""

from __future__ import annotations

import math
import time

import numpy as np
import scipy.optimize
from numba import njit
from scipy.optimize import OptimizeResult

import numbaopt

SAMPLES, FEATURES, BATCH, EPOCHS = 100_000, 100, 256, 6


@njit(fastmath=True)
def loss(w, g, idx, features, sign, decay):
    """Mean over the samples idx of log(1 + exp(-sign z)), z = features w, + decay |w|^2 / 2; the gradient goes to g."""
    value = 0.0
    for j in range(w.size):
        value += 0.5 * decay * w[j] * w[j]
        g[j] = decay * w[j]
    for i in idx:
        z = 0.0
        for j in range(w.size):
            z += features[i, j] * w[j]
        margin = sign[i] * z
        tail = math.exp(-abs(margin))  # of the two exponentials, the one that cannot overflow
        value += (math.log1p(tail) + max(-margin, 0.0)) / idx.size
        slope = -sign[i] * (tail if margin > 0 else 1.0) / (1.0 + tail) / idx.size
        for j in range(w.size):
            g[j] += slope * features[i, j]
    return value


def make_data() -> tuple[np.ndarray, np.ndarray, float]:
    """Features, signs drawn from a logistic model of them, and the decay: the same at every run."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((SAMPLES, FEATURES))
    z = features @ rng.standard_normal(FEATURES) / 5
    sign = np.where(rng.random(SAMPLES) < 1 / (1 + np.exp(-z)), 1.0, -1.0)
    return features, sign, 1e-3


def main() -> tuple[OptimizeResult, float, float]:
    """Fit and print; the result, its relative distance from the optimum, and the loss there."""
    data = make_data()
    steps = EPOCHS * math.ceil(SAMPLES / BATCH)
    result = numbaopt.minimize(
        loss,
        np.zeros(FEATURES),
        args=data,
        method=numbaopt.Adam(lr=numbaopt.schedules.CosineDecay(0.01, steps=steps)),
        jac="inplace",
        options={
            "batch_size": BATCH,
            "n_samples": SAMPLES,
            "seed": 0,
            "maxepoch": EPOCHS,
            "variance_reduction": "svrg",
            "snapshot_every": 1,
            "history": True,
        },
    )

    everything, gradient = np.arange(SAMPLES), np.empty(FEATURES)

    def all_samples(w: np.ndarray) -> tuple[float, np.ndarray]:
        return loss(w, gradient, everything, *data), gradient

    begin = time.perf_counter()
    tight = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 1000}
    peer = scipy.optimize.minimize(all_samples, np.zeros(FEATURES), jac=True, method="L-BFGS-B", options=tight)
    seconds = time.perf_counter() - begin
    distance = float(np.linalg.norm(result.x - peer.x) / np.linalg.norm(peer.x))

    print("epoch    loss on all samples - optimum    largest element of the gradient")
    for epoch in range(EPOCHS + 1):
        row = result.history
        print(f"{epoch:5}{row.fun[epoch] - peer.fun:>27.2e}{row.gradient_norm[epoch]:>31.2e}")
    print(f"loss:  minibatches {result.fun:.12f}    L-BFGS-B {peer.fun:.12f}")
    print(f"time:  minibatches {result.time.run:.2f} s          L-BFGS-B {seconds:.2f} s, its evaluations: {peer.nfev}")
    print(f"relative distance |w - w*| / |w*|: {distance:.1e}")
    print(result.message)
    return result, distance, float(peer.fun)


if __name__ == "__main__":
    main()
