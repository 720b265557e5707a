"""`python -m numbaopt`: fits two NIST data sets by every method, and prints the answers beside the certified ones."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from . import Adadelta, Adam, AdamW, minimize
from ._status import Status
from .data import NistProblem, load_nist
from .problems import NIST
from .schedules import ExponentialDecay

# gtol is 0, as the elements of the gradient have units that differ by many powers of ten. The patience is long, as fun
# rests above its minimum while the learning rate is still large.
OPTIONS: dict[str, Any] = {"x_scale": "x0", "gtol": 0, "ftol": 1e-12, "patience": 20_000}


def methods(adam: int, adadelta: int) -> list[Any]:
    """The methods with their settings: learning rates that fall by a given factor in so many iterations."""
    rate = ExponentialDecay(0.01, gamma=1e-6, every=adam)
    slow = ExponentialDecay(0.1, gamma=1e-4, every=adadelta)
    return [Adam(lr=rate), AdamW(lr=rate, weight_decay=0), Adadelta(lr=slow, eps=1e-8)]


METHODS = {"Misra1a": methods(100_000, 100_000), "Thurber": methods(200_000, 500_000)}


def fit(problem: NistProblem, method: Any) -> OptimizeResult:
    """Fit `problem` from its start 2; the result has the relative errors of the parameters as `error`."""
    result = minimize(
        NIST[problem.name],
        problem.starts[1],
        args=(problem.x, problem.y),
        method=method,
        jac="cs",
        options={**OPTIONS, "maxiter": int(method.lr.every)},
    )
    result.error = np.abs(result.x / problem.certified - 1)
    return result


def digits(error: np.ndarray) -> float:
    """Digits to which the worst parameter agrees; NIST certifies 11."""
    return min(11.0, -np.log10(max(error.max(), 1e-300)))


def show_problem(problem: NistProblem) -> None:
    """Print what is fitted, and how."""
    options = ", ".join(f"{name}={value!r}" for name, value in OPTIONS.items())
    print(f"NIST {problem.name}: {problem.model}")
    print(f"  {problem.x.size} observations; x0 = start 2 = [{', '.join(f'{v:g}' for v in problem.starts[1])}]")
    print(f"  fun: residual sum of squares; jac='cs' (complex step); {options}\n")


def show_fit(problem: NistProblem, result: OptimizeResult) -> None:
    """Print what one method found beside the certified values."""
    h = result.hyperparameters
    print(f"  {result.method}: lr={h.lr}, eps={h.eps:g}, weight_decay={h.weight_decay:g}")
    print(f"    {'':4}{'fitted':>20}{'certified':>20}{'relative error':>17}")
    for i, (found, right, error) in enumerate(zip(result.x, problem.certified, result.error, strict=True)):
        print(f"    {f'b{i + 1}':4}{found:>20.10e}{right:>20.10e}{error:>17.1e}")
    error = abs(result.fun / problem.rss - 1)
    print(f"    {'RSS':4}{result.fun:>20.10e}{problem.rss:>20.10e}{error:>17.1e}")
    print(f"    parameters agree to {digits(result.error):.1f} digits")
    print(f"    {result.nit} iterations, {result.nfev} evaluations; {result.time.run:.2f} s to run, ", end="")
    print(f"{result.time.compile:.2f} s to compile or to load compiled code")
    print(f"    {Status(result.status).name}: {result.message.split(';')[0].rstrip('.')}.\n")


def main() -> dict[tuple[str, str], OptimizeResult]:
    """Fit and print; the results by data set and method."""
    start, results = time.perf_counter(), {}
    for name, chosen in METHODS.items():
        problem = load_nist(name)
        show_problem(problem)
        for method in chosen:
            result = results[name, type(method).__name__.lower()] = fit(problem, method)
            show_fit(problem, result)
    print("Digits of agreement with the certified parameters (11 are certified):")
    for (name, method), result in results.items():
        print(f"  {name:10}{method:10}{digits(result.error):5.1f}")
    print(f"{time.perf_counter() - start:.1f} s in all; the next run finds the compiled loops on disk.")
    return results


if __name__ == "__main__":
    main()
