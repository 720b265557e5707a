"""How do the methods that compare values do against scipy and the package cma: solved, evaluations, time?

    python benchmarks/bench_direct.py [--quick]

Nelder-Mead on the problems of More, Garbow and Hillstrom with up to 6 parameters; CMA-ES against `cma` (where it is
installed) to a value of 1e-9; differential evolution against scipy's, neither polished. fun is the same compiled
function for both; times are of second calls. --quick takes 3 seeds instead of 11.
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings

import numba
import numpy as np
import scipy.optimize
from _timing import duration, peer, print_machine, print_table, ratio

import numbaopt
from numbaopt.problems import MORE_GARBOW_HILLSTROM, rosenbrock, sphere

SEEDS = 3 if "--quick" in sys.argv else 11
GOAL = 1e-9


@numba.njit
def ellipsoid(x):
    """Condition number 1e6."""
    f = 0.0
    for i in range(x.size):
        f += 10 ** (6 * i / (x.size - 1)) * x[i] * x[i]
    return f


@numba.njit
def rastrigin(x):
    """Many local minima."""
    f = 10.0 * x.size
    for i in range(x.size):
        f += x[i] * x[i] - 10 * np.cos(2 * np.pi * x[i])
    return f


@numba.njit
def ackley(x):
    """Many shallow ones."""
    a = b = 0.0
    for i in range(x.size):
        a += x[i] * x[i] / x.size
        b += np.cos(2 * np.pi * x[i]) / x.size
    return -20 * np.exp(-0.2 * np.sqrt(a)) - np.exp(b) + 20 + np.e


@numba.njit
def goldstein_price(x):
    """Two parameters; the minimum is 3."""
    a, b = x[0], x[1]
    p = 1 + (a + b + 1) ** 2 * (19 - 14 * a + 3 * a * a - 14 * b + 6 * a * b + 3 * b * b)
    q = 30 + (2 * a - 3 * b) ** 2 * (18 - 32 * a + 12 * a * a + 48 * b - 36 * a * b + 27 * b * b)
    return p * q


def timed(call):
    """The result of a second call and its seconds."""
    call()
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def of_values(problem):
    """The value alone, compiled."""
    inplace = problem.fun

    @numba.njit
    def fun(x):
        return inplace(x, np.empty_like(x))

    return fun


def nelder_mead():
    """Against scipy's adaptive variant with its default and with tight tolerances."""
    rows, solved, speeds = [], [0, 0, 0], []
    for name, problem in MORE_GARBOW_HILLSTROM.items():
        if len(problem.x0) > 6:
            continue
        fun, x0 = of_values(problem), np.array(problem.x0)
        base = {"adaptive": True, "maxiter": 10_000, "maxfev": 10**6}
        tight = base | {"xatol": 1e-8, "fatol": 1e-8}
        ours, seconds = timed(lambda: numbaopt.minimize(fun, x0, method="nelder-mead"))
        found = [ours, scipy.optimize.minimize(fun, x0, method="nelder-mead", options=base)]
        theirs, longer = timed(lambda: scipy.optimize.minimize(fun, x0, method="nelder-mead", options=tight))
        found.append(theirs)
        right = [any(abs(r.fun - f) <= 1e-6 * abs(f) + 1e-9 for f in problem.minimum) for r in found]
        solved = [count + bool(yes) for count, yes in zip(solved, right, strict=True)]
        cells = [f"{'' if yes else 'x '}{r.nfev}" for r, yes in zip(found, right, strict=True)]
        speeds.append(longer / seconds)
        rows.append((name, str(len(x0)), *cells, duration(seconds), duration(longer), ratio(longer / seconds)))
    rows.append(("solved", "", *map(str, solved), "", "", ratio(statistics.median(speeds))))
    head = ("problem", "n", "ours, nfev", "scipy", "scipy, 1e-8", "ours", "scipy, 1e-8", "ratio")
    print_table("Nelder-Mead (x: not at a known minimum to 6 digits)", head, rows)


CASES = [
    ("sphere, n = 10", sphere, 10, 0),
    ("ellipsoid 1e6, n = 10", ellipsoid, 10, 0),
    ("Rosenbrock, n = 10", rosenbrock, 10, 0),
    ("ellipsoid 1e6, n = 40", ellipsoid, 40, 0),
    ("Rastrigin, n = 5, restarts", rastrigin, 5, 8),
]


def cma_run(cma, fun, x0, seed, restarts):
    """(nfev, solved, seconds) of the package."""
    options = {"seed": seed + 1, "ftarget": GOAL, "verbose": -9, "maxfevals": 10**6}
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, es = cma.fmin2(fun, x0, 1.0, options, restarts=restarts, bipop=False)
    return es.result.evaluations, es.best.f <= GOAL, time.perf_counter() - start


def cma_es():
    """Against Hansen's own package, from a standard deviation of 1."""
    cma, rows = peer("cma"), []
    for name, fun, n, restarts in CASES:
        x0, method = np.full(n, 2.3 if restarts else -1.0), numbaopt.CMAES(sigma0=1.0, restarts=restarts)
        ours, theirs = [], []
        for seed in range(SEEDS):
            options = {"seed": seed, "ftarget": GOAL, "maxfev": 10**6}
            run, seconds = timed(lambda: numbaopt.minimize(fun, x0, method=method, options=options))
            ours.append((run.nfev, run.fun <= GOAL, seconds))
            if cma is not None:
                theirs.append(cma_run(cma, fun, x0, seed, restarts))
        cells = []
        for runs in (ours, theirs):
            good = [r[0] for r in runs if r[1]]
            cells += [f"{len(good)} of {len(runs)}", f"{statistics.median(good):.0f}" if good else "-"]
        each = [statistics.median(r[2] / r[0] for r in runs) if runs else None for runs in (ours, theirs)]
        faster = ratio(each[1] / each[0]) if theirs else "-"
        rows.append((name, *cells, duration(each[0]), duration(each[1]), faster))
    head = ("function", "ours solved", "nfev", "cma solved", "nfev", "ours, per nfev", "cma, per nfev", "ratio")
    print_table(f"CMA-ES, to {GOAL:g}, sigma0 = 1, {SEEDS} seeds, medians of those solved", head, rows)


BOXES = [
    ("Rosenbrock, n = 4", rosenbrock, [(-5, 5)] * 4, 0.0),
    ("Ackley, n = 4", ackley, [(-30, 30)] * 4, 0.0),
    ("Rastrigin, n = 5", rastrigin, [(-5.12, 5.12)] * 5, 0.0),
    ("Goldstein-Price", goldstein_price, [(-2, 2)] * 2, 3.0),
]


def differential_evolution():
    """Against scipy's with the same parameters."""
    rows, same = [], {"tol": 1e-4, "atol": 1e-8}
    for name, fun, box, least in BOXES:
        ours, theirs = [], []
        for seed in range(SEEDS):
            x0, options = np.full(len(box), 1.5), {"seed": seed} | same
            run, seconds = timed(lambda: numbaopt.minimize(fun, x0, method="de", bounds=box, options=options))
            ours.append((run.nfev, run.fun < least + 1e-3, seconds))
            start = time.perf_counter()
            run = scipy.optimize.differential_evolution(fun, box, rng=seed, polish=False, **same)
            theirs.append((run.nfev, run.fun < least + 1e-3, time.perf_counter() - start))
        cells = []
        for runs in (ours, theirs):
            cells += [f"{sum(r[1] for r in runs)} of {SEEDS}", f"{statistics.median(r[0] for r in runs):.0f}"]
        times = [statistics.median(r[2] for r in runs) for runs in (ours, theirs)]
        rows.append((name, *cells, duration(times[0]), duration(times[1]), ratio(times[1] / times[0])))
    head = ("function", "ours solved", "nfev", "scipy solved", "nfev", "ours", "scipy", "ratio")
    print_table(f"Differential evolution, {SEEDS} seeds, medians", head, rows)


if __name__ == "__main__":
    print_machine(__doc__.splitlines()[0], ["numba", "numpy", "scipy", "cma"])
    nelder_mead()
    cma_es()
    differential_evolution()
