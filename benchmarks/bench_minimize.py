"""What does an iteration of minimize() cost, over what a specialised loop written by hand costs?

The objective is Rosenbrock's function with its gradient, compiled, the same for all. Fixed costs cancel: the time of an
iteration is (t(2k) - t(k)) / k for k and 2k iterations. The hand-written Adam loops are serial, test nothing and keep
no best point. Last comes the case that we lose: how many evaluations Adam needs where L-BFGS-B can be used.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numba
import numpy as np
import scipy.optimize
from _timing import Targets, alternate, block, duration, peer, print_machine, print_table, ratio

import numbaopt

SIZES = [2, 10, 100, 1_000, 10_000, 100_000, 1_000_000]
LR = 1e-5


@numba.njit(error_model="numpy")
def rosenbrock(x, g):
    """Value; the gradient goes to g."""
    f = 0.0
    g[0] = 0.0
    for i in range(x.size - 1):
        a, b = x[i + 1] - x[i] * x[i], 1.0 - x[i]
        f += 100.0 * a * a + b * b
        g[i] += -400.0 * x[i] * a - 2.0 * b
        g[i + 1] = 200.0 * a
    return f


@numba.njit(error_model="numpy")
def adam_textbook(x, iterations, lr):
    """Adam on Rosenbrock's function as one would write it down."""
    b1, b2, eps = 0.9, 0.999, 1e-8
    g, m, v = np.empty_like(x), np.zeros_like(x), np.zeros_like(x)
    f = 0.0
    for t in range(1, iterations + 1):
        f = rosenbrock(x, g)
        step, root = lr / (1.0 - b1**t), 1.0 / math.sqrt(1.0 - b2**t)
        for i in range(x.size):
            m[i] = b1 * m[i] + (1.0 - b1) * g[i]
            v[i] = b2 * v[i] + (1.0 - b2) * g[i] * g[i]
            x[i] -= step * m[i] / (math.sqrt(v[i]) * root + eps)
    return f


@numba.njit(error_model="numpy")
def adam_products(x, iterations, lr):
    """The same with beta^t as running products."""
    b1, b2, eps = 0.9, 0.999, 1e-8
    g, m, v = np.empty_like(x), np.zeros_like(x), np.zeros_like(x)
    f, b1_t, b2_t = 0.0, 1.0, 1.0
    for _ in range(iterations):
        f = rosenbrock(x, g)
        b1_t, b2_t = b1_t * b1, b2_t * b2
        step, root = lr / (1.0 - b1_t), 1.0 / math.sqrt(1.0 - b2_t)
        for i in range(x.size):
            m[i] = b1 * m[i] + (1.0 - b1) * g[i]
            v[i] = b2 * v[i] + (1.0 - b2) * g[i] * g[i]
            x[i] -= step * m[i] / (math.sqrt(v[i]) * root + eps)
    return f


def start(n: int) -> np.ndarray:
    """The usual start, far enough from the minimum for all iterations timed here to descend."""
    return np.where(np.arange(n) % 2 == 0, -1.2, 1.0)


# --- contestants: each takes a number of iterations and does them ----------------------------------------------------


def ours(x0: np.ndarray, iterations: int, keep: str) -> None:
    options = {"lr": LR, "gtol": 0.0, "maxiter": iterations, "keep": keep}
    result = numbaopt.minimize(rosenbrock, x0, method="adam", jac="inplace", options=options)
    assert result.nit == iterations, result.message


def hand(x0: np.ndarray, iterations: int, loop: Any) -> None:
    loop(x0.copy(), iterations, LR)


def optax_loop(x0: np.ndarray) -> Callable[[int], None] | None:
    """optax.adam under jit with a compiled loop; also its vectorised objective."""
    jax, optax = peer("jax"), peer("optax")
    if jax is None or optax is None:
        return None
    jax.config.update("jax_enable_x64", True)

    def value(x: Any) -> Any:
        a, b = x[1:] - x[:-1] * x[:-1], 1.0 - x[:-1]
        return (100.0 * a * a + b * b).sum()

    optimizer = optax.adam(LR)
    start_point = jax.numpy.asarray(x0)

    def iteration(_: Any, carry: Any) -> Any:
        x, state, _ = carry
        f, g = jax.value_and_grad(value)(x)
        updates, state = optimizer.update(g, state, x)
        return optax.apply_updates(x, updates), state, f

    @jax.jit
    def loop(x: Any, iterations: Any) -> Any:
        return jax.lax.fori_loop(0, iterations, iteration, (x, optimizer.init(x), 0.0))

    return lambda iterations: loop(start_point, iterations)[0].block_until_ready()


CONTESTANTS = {
    "keep=best": lambda x0: partial(ours, x0, keep="best"),
    "keep=last": lambda x0: partial(ours, x0, keep="last"),
    "hand b**t": lambda x0: partial(hand, x0, loop=adam_textbook),
    "hand prod": lambda x0: partial(hand, x0, loop=adam_products),
    "optax": optax_loop,
}


# --- the time of an iteration ----------------------------------------------------------------------------------------


def per_iteration(n: int, options: argparse.Namespace) -> tuple[dict[str, float | None], dict[str, float]]:
    """Seconds per iteration and of the first call of every contestant."""
    x0 = start(n)
    runs = {name: make(x0) for name, make in CONTESTANTS.items()}
    first = {name: block(partial(run, 1), 1) for name, run in runs.items() if run}
    pairs, count = {}, {}
    for name in first:
        count[name] = k = iterations_for(runs[name], options.seconds)
        pairs[f"{name} k"], pairs[f"{name} 2k"] = partial(runs[name], k), partial(runs[name], 2 * k)
    found = alternate(pairs, options.rounds, inner=1)
    times = {
        name: (found[f"{name} 2k"].median - found[f"{name} k"].median) / count[name] if name in first else None
        for name in runs
    }
    return times, first


def iterations_for(run: Callable[[int], None], seconds: float) -> int:
    """How many iterations last about `seconds`."""
    k = 2
    while (spent := block(partial(run, k), 1)) < seconds / 2 and k < 1 << 24:
        k = min(4 * k, max(2 * k, int(k * seconds / spent)))
    return max(2, round(k * seconds / spent))


def scipy_per_evaluation(n: int, method: str, options: argparse.Namespace) -> float:
    """Seconds per evaluation of a whole scipy run, cut short where it is long."""
    g = np.empty(n)

    def fun(x: np.ndarray) -> tuple[float, np.ndarray]:
        return rosenbrock(x, g), g

    maxiter = max(3, min(200, int(2e6 / n)))
    times = []
    for _ in range(max(3, options.rounds // 3)):
        begin = time.perf_counter()
        result = scipy.optimize.minimize(fun, start(n), jac=True, method=method, options={"maxiter": maxiter})
        times.append((time.perf_counter() - begin) / result.nfev)
    return statistics.median(times)


def iteration_table(options: argparse.Namespace, targets: Targets) -> None:
    rows, ratios = [], []
    for n in options.sizes:
        times, first = per_iteration(n, options)
        lbfgsb = scipy_per_evaluation(n, "L-BFGS-B", options)
        bfgs = scipy_per_evaluation(n, "BFGS", options) if n <= 1_000 else None
        rows.append((f"{n:.0e}", *map(duration, times.values()), duration(lbfgsb), duration(bfgs)))
        best, last = times["keep=best"], times["keep=last"]
        rivals = [times["hand b**t"], times["hand prod"]]
        over = [ratio(mine / hand) for mine in (best, last) for hand in rivals]
        optax = times["optax"] and ratio(times["optax"] / best)
        ratios.append((f"{n:.0e}", *over, optax or "-", ratio(lbfgsb / best), duration(first["keep=best"])))
        for form, hand in zip(("b**t", "prod"), rivals, strict=True):
            targets.at_most(f"keep=best / hand {form} <= 1.3", best / hand, 1.3, f"at n = {n:.0e}")
            if n >= 1_000:
                targets.at_most(f"keep=last / hand {form} <= 1.1, n >= 1e3", last / hand, 1.1, f"at n = {n:.0e}")
    print_table("time of an iteration (scipy: of an evaluation)", ("n", *CONTESTANTS, "L-BFGS-B", "BFGS"), rows)
    head = ("n", "best/b**t", "best/prod", "last/b**t", "last/prod", "optax/best", "L-BFGS-B/best", "1st minimize()")
    print_table("ratios", head, ratios)


# --- the case that we lose -------------------------------------------------------------------------------------------


def evaluations_of_lbfgsb(n: int) -> tuple[int, float, float]:
    """Evaluations and seconds until f < 1e-8, and the value reached."""
    g, count, begin = np.empty(n), 0, time.perf_counter()

    class ReachedError(Exception):
        pass

    f = math.inf

    def fun(x: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal count, f
        count += 1
        f = rosenbrock(x, g)
        if f < 1e-8:
            raise ReachedError
        return f, g

    try:
        tight = {"maxiter": 100_000, "maxfun": 100_000, "ftol": 0, "gtol": 0}
        scipy.optimize.minimize(fun, start(n), jac=True, method="L-BFGS-B", options=tight)
    except ReachedError:
        pass
    return count, time.perf_counter() - begin, f


def evaluations_of_adam(n: int) -> tuple[float, Any, float]:
    """The best of a few learning rates: it, the result and the seconds."""
    tried = []
    for lr in (0.003, 0.01, 0.03, 0.1, 0.3):
        options = {"lr": lr, "ftarget": 1e-8, "maxiter": 300_000, "gtol": 0.0}
        begin = time.perf_counter()
        result = numbaopt.minimize(rosenbrock, start(n), jac="inplace", options=options)
        tried.append((result.fun > 1e-8, result.nfev, lr, result, time.perf_counter() - begin))
    _, _, lr, result, seconds = min(tried, key=lambda t: t[:3])
    return lr, result, seconds


def lost_case(options: argparse.Namespace) -> None:
    rows = []
    for n in (2, 10, 100):
        count, seconds, f = evaluations_of_lbfgsb(n)
        lr, result, adam_seconds = evaluations_of_adam(n)
        rows.append(
            (
                f"{n}",
                f"{count}",
                duration(seconds),
                f"{f:.1e}",
                f"{result.nfev}",
                duration(adam_seconds),
                f"{result.fun:.1e}",
                f"{lr:g}",
                f"{result.nfev / count:.0f}x",
            )
        )
    head = ("n", "L-BFGS-B nfev", "time", "f", "Adam nfev", "time", "f", "best lr", "nfev ratio")
    print_table("a case that we lose: evaluations until f < 1e-8; Adam has the best of 5 learning rates", head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, short runs")
    parser.add_argument("--sizes", nargs="+", type=lambda text: int(float(text)), default=SIZES)
    parser.add_argument("--rounds", type=int, help="times that each contestant is timed")
    parser.add_argument("--seconds", type=float, help="length of the shorter of a contestant's two runs")
    options = parser.parse_args()
    options.rounds = options.rounds or (5 if options.quick else 15)
    options.seconds = options.seconds or (0.03 if options.quick else 0.3)
    print_machine("An iteration of minimize()", ("numba", "numpy", "scipy", "jax", "optax"))
    for name in ("jax", "optax"):
        if peer(name) is None:
            print(f"{name} is missing: its columns are '-'")
    targets = Targets()
    iteration_table(options, targets)
    lost_case(options)
    targets.print()


if __name__ == "__main__":
    main()
