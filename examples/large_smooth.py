"""One million unknowns: a smooth, coupled objective with a known minimum, by AdamW.

`weight_decay=0`: AdamW's default of 0.01 pulls every unknown toward 0, and so away from the minimum.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from scipy.optimize import OptimizeResult

import numbaopt
from numbaopt.schedules import CosineDecay

N = 1_000_000
STEPS = 300


@njit
def chain(x, g, minimum):
    """Sum of sqrt(1 + d_i^2) - 1 + (d_{i+1} - d_i)^2 / 2 with d = x - minimum; writes the gradient into g."""
    value = 0.0
    previous, g[0] = x[0] - minimum[0], 0.0
    for i in range(x.size):
        d = x[i] - minimum[i]
        root = math.sqrt(1.0 + d * d)
        stretch = d - previous
        value += d * d / (1.0 + root) + 0.5 * stretch * stretch  # sqrt(1 + d^2) - 1 without cancellation
        g[i] = d / root + stretch
        if i > 0:
            g[i - 1] -= stretch
        previous = d
    return value


def main() -> tuple[OptimizeResult, float]:
    """Minimise and print; the result and the largest distance from the minimum in any coordinate."""
    minimum = np.random.default_rng(0).uniform(-2, 2, N)
    result = numbaopt.minimize(
        chain,
        np.zeros(N),
        args=(minimum,),
        method=numbaopt.AdamW(lr=CosineDecay(0.1, steps=STEPS), weight_decay=0),
        jac="inplace",
        # One thread: the objective, which is serial, takes most of the time, and threads for the rest gain little.
        options={"maxiter": STEPS, "gtol": 1e-4, "workers": 1},
    )
    distance = float(np.abs(result.x - minimum).max())
    print(f"{N:,} unknowns, {result.nit} iterations: {result.time.run:.2f} s,", end=" ")
    print(f"and {result.time.compile:.2f} s of compilation")
    print(f"fun:      {result.fun:.1e} (at the minimum: 0)")
    print(f"distance: {distance:.1e} in the worst coordinate (at the start: {np.abs(minimum).max():.1f})")
    print(result.message)
    return result, distance


if __name__ == "__main__":
    main()
