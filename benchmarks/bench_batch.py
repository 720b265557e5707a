"""What does a problem of a batch cost, beside minimize() and scipy one by one; does it scale in threads, B and memory?

    python benchmarks/bench_batch.py [--quick]

Each problem fits 2 parameters of an exponential decay to its own 50 points. Tables: problems per second; one thread and
two; B = 1e3 to 1e6 (--quick: 1e5); the peak resident size over that of the data; one problem that takes 1000 times as
long as the others. First calls, which compile, are apart.
"""

from __future__ import annotations

import functools
import statistics
import sys
import time

import numba
import numpy as np
import scipy.optimize
from _timing import Targets, cores, memory_status, print_machine

import numbaopt
from numbaopt import minimize, minimize_batch

QUICK = "--quick" in sys.argv
METHODS = [name for name in ("l-bfgs-b", "adam") if numbaopt._solver.solver_class(name) or name == "adam"]
T = np.linspace(0.0, 4.0, 50)


@numba.njit
def decay(p, t, y):
    """Squares of p0 exp(-p1 t) - y."""
    total = 0.0
    for i in range(t.size):
        total += (p[0] * np.exp(-p[1] * t[i]) - y[i]) ** 2
    return total


@numba.njit
def unequal(p, t, y, repeats):
    """The same, `repeats` times."""
    total = 0.0
    for _ in range(repeats):
        for i in range(t.size):
            total += (p[0] * np.exp(-p[1] * t[i]) - y[i]) ** 2
    return total / repeats


def data(count):
    """Starting points and observations."""
    rng = np.random.default_rng(0)
    rates = rng.uniform(0.5, 2.0, (count, 1))
    y = 3 * np.exp(-rates * T)
    y += 0.01 * rng.standard_normal(y.shape)
    return rng.uniform(0.8, 1.2, (count, 2)), y


def seconds(call, repeats=5):
    """Median of some calls; the first call is not counted."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def batch(X0, y, method, workers):
    return minimize_batch(decay, X0, (T,), (y,), method, options={"workers": workers})


def against_loops(method):
    """Problems per second, beside loops in Python."""
    X0, y = data(4000)
    start = time.perf_counter()
    batch(X0[:10], y[:10], method, 1)
    first = time.perf_counter() - start
    gradient, few = numbaopt.value_and_grad(decay), range(200)

    def by_minimize():
        for b in few:
            minimize(decay, X0[b], (T, y[b]), method)

    def by_scipy():
        for b in few:
            scipy.optimize.minimize(gradient, X0[b], (T, y[b]), "L-BFGS-B", True)

    def by_scipy_alone():
        for b in few:
            scipy.optimize.minimize(decay, X0[b], (T, y[b]), "L-BFGS-B")

    print(f"\n{method}: problems per second (first call {first:.2f} s)")
    rates = {f"minimize_batch, {w} thread(s)": 4000 / seconds(lambda w=w: batch(X0, y, method, w)) for w in threads()}
    rates["minimize() in a loop"] = len(few) / seconds(by_minimize, 3)
    rates["scipy L-BFGS-B, exact gradient, compiled fun"] = len(few) / seconds(by_scipy, 3)
    rates["scipy L-BFGS-B, its differences, compiled fun"] = len(few) / seconds(by_scipy_alone, 3)
    fastest = max(rates.values())
    for name, rate in rates.items():
        print(f"  {name:48s} {rate:12,.0f}   {fastest / rate:8.1f} times slower")


def threads():
    return [1, 2] if cores() > 1 else [1]


def two_threads(method, targets):
    """The speed-up, from calls that alternate; and what all threads together spend, whatever else is running."""
    X0, y = data(20_000)
    times, spent = {1: [], 2: []}, {1: [], 2: []}
    batch(X0, y, method, 1)
    for _ in range(9):
        for workers in times:
            start, cpu = time.perf_counter(), time.process_time()
            batch(X0, y, method, workers)
            times[workers].append(time.perf_counter() - start)
            spent[workers].append(time.process_time() - cpu)
    best = min(times[1]) / min(times[2])
    more = statistics.median(spent[2]) / statistics.median(spent[1])
    print(f"\n{method}: 20,000 problems, two threads over one: {best:.2f} times as fast, {more:.2f} times the CPU time")
    targets.at_least("two threads over one >= 1.8", best, 1.8, method)
    targets.at_most("CPU time of two threads over one <= 1.1", more, 1.1, method)


def linear(method, targets):
    """Time per problem and memory as B grows."""
    sizes = [10**3, 10**4, 10**5] + ([] if QUICK else [10**6])
    print(f"\n{method}: B, seconds, us per problem, resident MB beyond the data at the end, bytes per problem of that")
    each: list[float] = []
    for count in sizes:
        X0, y = data(count)
        before = memory_status("VmRSS")
        call = functools.partial(batch, X0, y, method, threads()[-1])
        took = seconds(call, 1 if count > 10**5 else 3)
        result = call()
        more = memory_status("VmRSS") - before
        each.append(took / count)
        print(f"  {count:>8d} {took:9.3f} {took / count * 1e6:9.2f} {more / 1e6:9.1f} {more / count:9.0f}")
        assert result.success.mean() > 0.99
    targets.at_most("time per problem, largest B over 10,000", each[-1] / each[1], 1.5, method)


def balance(method):
    """One problem of 1000 times the work of the others, first, in the middle and last."""
    X0, y = data(2000)
    print(f"\n{method}: 2000 problems, one of which takes 1000 times as long; seconds by {threads()[-1]} thread(s)")
    for name, place in (("none", None), ("first", 0), ("middle", 1000), ("last", 1999)):
        repeats = np.ones(2000, np.int64)
        if place is not None:
            repeats[place] = 1000
        took = [
            seconds(
                lambda w=w, repeats=repeats: minimize_batch(
                    unequal, X0, (T,), (y, repeats), method, options={"workers": w}
                ),
                3,
            )
            for w in threads()
        ]
        print(f"  {name:8s} " + "  ".join(f"{workers}: {t:.3f}" for workers, t in zip(threads(), took, strict=True)))


if __name__ == "__main__":
    print_machine(str(__doc__).splitlines()[0], ("numba", "numpy", "scipy"))
    targets = Targets()
    for method in METHODS:
        against_loops(method)
        if cores() > 1:
            two_threads(method, targets)
        linear(method, targets)
        balance(method)
    targets.print()
