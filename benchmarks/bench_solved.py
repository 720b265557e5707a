"""Problems solved with default options: methods with lr="auto", scipy's, and Adam at its best constant rate.

    python benchmarks/bench_solved.py [--quick] [--all] [--perturbed SEEDS] [--times FACTOR]

The 35 problems of Moré, Garbow and Hillstrom and the 10 NIST sets of the tests from their second start, with exact
gradients, the same for all. Solved: fun within 1e-5, relative, of a known minimum (1e-8 where that is 0).
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from scipy.optimize import minimize as scipy_minimize

import numbaopt
from numbaopt._options import resolve
from numbaopt._rule import method_class
from numbaopt.data import load_nist
from numbaopt.problems import MORE_GARBOW_HILLSTROM, NIST
from numbaopt.schedules.auto import is_auto

DATA = pathlib.Path(__file__).parent.parent / "tests" / "data" / "nist"
SCIPY = ("BFGS", "L-BFGS-B", "CG", "Nelder-Mead", "TNC")
RATES = 10.0 ** np.arange(-5, 1.1, 0.5)


class Problem(NamedTuple):
    """`fun(x)` gives value and gradient."""

    name: str
    fun: Callable[[Any], tuple[float, Any]]
    x0: Any
    minima: tuple[float, ...]

    def solved(self, f: float) -> bool:
        return any(abs(f - m) <= max(1e-5 * abs(m), 1e-8 * (m == 0)) for m in self.minima)


def problems() -> list[Problem]:
    """All of them."""
    found = [Problem(p.name, _filled(p.fun), np.array(p.x0), p.minimum) for p in MORE_GARBOW_HILLSTROM.values()]
    for name, rss in NIST.items():
        path = DATA / f"{name}.dat"
        data = load_nist(path if path.exists() else name)
        found.append(Problem(name, _complex_step(rss, data.x, data.y), data.starts[1], (data.rss,)))
    return found


def _filled(fun: Any) -> Callable:
    def both(x: Any) -> tuple[float, Any]:
        g = np.empty_like(x)
        return fun(x, g), g

    return both


def _complex_step(rss: Any, data_x: Any, data_y: Any) -> Callable:
    @numba.njit(error_model="numpy")
    def both(x: Any) -> Any:
        g, z = np.empty_like(x), x.astype(np.complex128)
        for i in range(x.size):
            z[i] += 1e-100j
            g[i] = rss(z, data_x, data_y).imag / 1e-100
            z[i] = x[i]
        return rss(x, data_x, data_y), g

    return both


def row(label: str, chosen: list[Problem], solve: Callable[[Problem], tuple[float, int]]) -> list[bool]:
    """Solve all and print a line of the table."""
    solved, evaluations, start = [], [], time.perf_counter()
    for problem in chosen:
        f, nfev = solve(problem)
        solved.append(problem.solved(f))
        evaluations.append(nfev)
    counts = [n for n, ok in zip(evaluations, solved, strict=True) if ok]
    missed = [p.name for p, ok in zip(chosen, solved, strict=True) if not ok]
    median = f"{np.median(counts):.0f}" if counts else "-"
    shown = ", ".join(missed) if len(missed) <= 20 else f"{len(missed)} of them"
    print(
        f"| {label} | {sum(solved)} / {len(chosen)} | {median} | {sum(evaluations)} "
        f"| {time.perf_counter() - start:.1f} | {shown} |",
        flush=True,
    )
    return solved


def tuned_methods() -> list[str]:
    """Names of the methods that find their rate when none is given."""
    alone = [name for name in numbaopt.method_names() if "inner" not in method_class(name)._fields]
    return [name for name in alone if is_auto(getattr(resolve(name, {})[0], "lr", None))]


def ours(method: Any, **options: Any) -> Callable:
    def solve(problem: Problem) -> tuple[float, int]:
        found = numbaopt.minimize(problem.fun, problem.x0, jac=True, method=method, options=options)
        return found.fun, found.nfev

    return solve


def scipys(method: str) -> Callable:
    def solve(problem: Problem) -> tuple[float, int]:
        if method == "Nelder-Mead":
            found = scipy_minimize(lambda x: problem.fun(x)[0], problem.x0, method=method)
        else:
            found = scipy_minimize(problem.fun, problem.x0, jac=True, method=method)
        return found.fun, found.nfev

    return solve


def optax_adam(lr: float, steps: int) -> Callable:
    import jax
    import optax

    jax.config.update("jax_enable_x64", True)
    rule = optax.adam(lr)
    update = jax.jit(lambda g, s, x: (lambda u, s: (x + u, s))(*rule.update(g, s)))

    def solve(problem: Problem) -> tuple[float, int]:
        x, state, best = problem.x0.copy(), rule.init(problem.x0), np.inf
        for t in range(1, steps + 1):
            f, g = problem.fun(x)
            best = min(best, f)
            if not np.isfinite(f) or np.abs(g).max() <= 1e-5:
                return best, t
            x, state = update(g, state, x)
            x = np.asarray(x)
        return best, steps

    return solve


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="every third problem")
    parser.add_argument("--all", action="store_true", help="Adam at every constant rate, and optax.adam at its best")
    parser.add_argument("--perturbed", type=int, default=0, metavar="SEEDS", help="x0 * (1 + 0.1 * uniform(-1, 1))")
    parser.add_argument("--times", type=float, default=1.0, metavar="FACTOR", help="x0 * FACTOR")
    chosen = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    all_of_them = problems()[:: 3 if chosen.quick else 1]
    if chosen.perturbed:
        draws = [np.random.default_rng(seed) for seed in range(1, chosen.perturbed + 1)]
        all_of_them = [
            p._replace(x0=p.x0 * (1 + 0.1 * draw.uniform(-1, 1, p.x0.size))) for draw in draws for p in all_of_them
        ]
    all_of_them = [p._replace(x0=chosen.times * p.x0) for p in all_of_them]
    print("| method | solved | median evaluations | all evaluations | seconds | missed |\n|---|---|---|---|---|---|")
    row("None, the default", all_of_them, ours(None))
    for method in tuned_methods():
        row(f"{method}, auto", all_of_them, ours(method))
    row("adamw, auto, weight_decay=0", all_of_them, ours("adamw", weight_decay=0.0))
    for method in SCIPY:
        row(f"scipy {method}", all_of_them, scipys(method))
    if chosen.all:
        solved = {lr: row(f"adam, lr={lr:.2g}", all_of_them, ours("adam", lr=lr, maxiter=20_000)) for lr in RATES}
        print(f"Adam at the best of these rates for each problem: {np.any(list(solved.values()), axis=0).sum()}")
        best = max(solved, key=lambda lr: sum(solved[lr]))
        try:
            row(f"optax.adam, lr={best:.2g}", all_of_them, optax_adam(best, 20_000))
        except ImportError:
            print("optax is not installed.")


if __name__ == "__main__":
    main(sys.argv[1:])
