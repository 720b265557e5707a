"""Fit the seven parameters of NIST's Thurber model by Adam, and compare with the certified values.

The parameters differ by a factor of 10,000 in size: `x_scale="x0"` makes a step mean the same fraction of each. The
learning rate falls, so that Adam, whose steps are about `lr` long, can come to rest.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy.optimize import OptimizeResult

import numbaopt
from numbaopt.data import load_nist
from numbaopt.schedules import ExponentialDecay


@njit
def rss(b, x, y):
    """Residual sum of squares of a rational function, cubic over cubic; b may be complex, for jac="cs"."""
    total = 0.0
    for i in range(x.size):
        t = x[i]
        r = y[i] - (b[0] + t * (b[1] + t * (b[2] + t * b[3]))) / (1 + t * (b[4] + t * (b[5] + t * b[6])))
        total += r * r
    return total


def main() -> tuple[OptimizeResult, np.ndarray]:
    """Fit and print; the result and the relative errors of the parameters."""
    problem = load_nist("Thurber")
    result = numbaopt.minimize(
        rss,
        problem.starts[0],  # the far one
        args=(problem.x, problem.y),
        method=numbaopt.Adam(lr=ExponentialDecay(0.01, gamma=1e-6, every=200_000)),
        jac="cs",
        options={"x_scale": "x0", "maxiter": 200_000, "gtol": 0, "ftol": 1e-12, "patience": 20_000},
    )
    error = np.abs(result.x / problem.certified - 1)
    print(f"{problem.name}: {problem.model}")
    print(f"{'':5}{'start':>10}{'fitted':>20}{'certified':>20}{'relative error':>17}")
    for i in range(error.size):
        start, found, right = problem.starts[0][i], result.x[i], problem.certified[i]
        print(f"b{i + 1:<4}{start:>10g}{found:>20.10e}{right:>20.10e}{error[i]:>17.1e}")
    print(f"RSS  {'':>10}{result.fun:>20.10e}{problem.rss:>20.10e}{abs(result.fun / problem.rss - 1):>17.1e}")
    print(f"{result.nit} iterations, {result.time.run:.2f} s, and {result.time.compile:.2f} s of compilation")
    print(result.message)
    return result, error


if __name__ == "__main__":
    main()
