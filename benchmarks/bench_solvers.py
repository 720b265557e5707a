"""Do the solvers with gradients need fewer evaluations than scipy's of the same name, and how long is an iteration?

    python benchmarks/bench_solvers.py [--quick]

First the 35 problems of Moré, Garbow and Hillstrom with exact gradients, the same plain Python function for both, gtol
1e-8: how many are solved (fun within 1e-5, relative, of a known minimum, 1e-8 where that is 0), and the quotient of the
evaluations until then, ours over scipy's. Newton methods get the Hessian by differences of the exact gradient. Then the
time of an iteration on Rosenbrock's function, compiled, without and with bounds. BLAS has one thread: on a machine that
does other work, two that wait for each other make scipy's L-BFGS-B a hundred times slower.
"""

from __future__ import annotations

import os
import sys
import warnings

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported

import numpy as np
from _timing import alternate, duration, print_machine, print_table, ratio
from scipy.optimize import minimize as scipy_minimize

import numbaopt
from numbaopt.problems import MORE_GARBOW_HILLSTROM, rosenbrock_inplace

PEERS = [
    ("lbfgs", "L-BFGS-B", {"ftol": 0, "gtol": 1e-8, "maxfun": 100_000, "maxiter": 20_000}),
    ("bfgs", "BFGS", {"gtol": 1e-8, "maxiter": 20_000}),
    ("cg", "CG", {"gtol": 1e-8, "maxiter": 20_000}),
    ("newton-cg", "Newton-CG", {"xtol": 1e-12, "maxiter": 1000}),
    ("newton-cg", "trust-ncg", {"gtol": 1e-8}),
]


class Counted:
    """Value and gradient of a problem; the evaluation at which it was solved."""

    def __init__(self, problem):
        self.problem, self.count, self.solved_at = problem, 0, None

    def __call__(self, x):
        g = np.empty_like(x)
        f = self.problem.fun(x, g)
        self.count += 1
        if self.solved_at is None and any(
            abs(f - m) <= max(1e-5 * abs(m), 1e-8 * (m == 0)) for m in self.problem.minimum
        ):
            self.solved_at = self.count
        return f, g

    def gradient(self, x):
        """Not counted."""
        g = np.empty_like(x)
        self.problem.fun(x, g)
        return g

    def hessian(self, x):
        """By central differences of the gradient."""
        H = np.empty((x.size, x.size))
        for i in range(x.size):
            e = np.zeros(x.size)
            e[i] = 1e-6 * max(1, abs(x[i]))
            H[i] = (self.gradient(x + e) - self.gradient(x - e)) / (2 * e[i])
        return (H + H.T) / 2


def compare(method, name, options, problems):
    """A row of the first table."""
    solved, solved_by_scipy, quotients = 0, 0, []
    for problem in problems:
        ours, theirs, x0 = Counted(problem), Counted(problem), np.array(problem.x0)
        second = {"hess": ours.hessian} if method == "newton-cg" else {}
        numbaopt.minimize(ours, x0, jac=True, method=method, options={"gtol": 1e-8}, **second)
        scipy_minimize(theirs, x0, jac=True, method=name, options=options, **second)
        solved += ours.solved_at is not None
        solved_by_scipy += theirs.solved_at is not None
        if ours.solved_at and theirs.solved_at:
            quotients.append(ours.solved_at / theirs.solved_at)
    quartiles = " ".join(f"{q:.2f}" for q in np.quantile(quotients, [0.25, 0.5, 0.75]))
    mean = np.exp(np.mean(np.log(quotients)))
    return method, name, f"{solved}", f"{solved_by_scipy}", quartiles, f"{mean:.2f}"


def per_iteration(method, name, n, bounded, rounds):
    """A row of the second: seconds of an iteration of ours and of scipy's."""
    x0 = np.tile([-1.2, 1.0], n // 2)
    bounds = [(-2.0, 0.9)] * n if bounded else None
    if bounded:
        x0 = np.minimum(x0, 0.9)
    steps = 40
    counts = {}

    def both(x):
        g = np.empty_like(x)
        return rosenbrock_inplace(x, g), g

    def ours():
        options = {"maxiter": steps, "gtol": None}
        counts["ours"] = numbaopt.minimize(
            rosenbrock_inplace, x0, jac="inplace", method=method, bounds=bounds, options=options
        ).nit

    def theirs():
        options = {"maxiter": steps, "gtol": 0} | ({"ftol": 0} if name == "L-BFGS-B" else {})
        counts["scipy"] = scipy_minimize(both, x0, jac=True, method=name, bounds=bounds, options=options).nit

    times = alternate({"ours": ours, "scipy": theirs}, rounds=rounds, seconds=0.1)
    a, b = times["ours"].median / counts["ours"], times["scipy"].median / counts["scipy"]
    return method + (", bounds" if bounded else ""), f"{n:,}", duration(a), duration(b), ratio(b / a)


def main():
    """Print both tables."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    quick = "--quick" in sys.argv
    print_machine(__doc__.splitlines()[0], ["numba", "numpy", "scipy"])
    problems = list(MORE_GARBOW_HILLSTROM.values())[:: 3 if quick else 1]
    head = ("method", "scipy's", "solved", "by scipy", "evaluations, ours / scipy's: quartiles", "geometric mean")
    rows = [compare(*peer, problems) for peer in PEERS]
    print_table(f"{len(problems)} problems, evaluations until solved", head, rows)
    cases = [
        (method, name, n, bounded)
        for method, name, _ in PEERS[:3]
        for n in ((10, 1000) if quick else (10, 1000, 100_000))
        for bounded in ((False, True) if method == "lbfgs" else (False,))
        if not (method == "bfgs" and n > 1000)
    ]
    rows = [per_iteration(*case, rounds=3 if quick else 7) for case in cases]
    print_table("time of an iteration", ("method", "n", "ours", "scipy", "scipy / ours"), rows)


if __name__ == "__main__":
    main()
