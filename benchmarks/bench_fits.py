"""How fast and how right are fits? NIST's certified problems, exponential decays in batches, single fits; beside scipy.

python benchmarks/bench_fits.py [--quick]
"""

from __future__ import annotations

import pathlib
import statistics
import sys
import time
import warnings

import numba
import numpy as np
import scipy.optimize
from _timing import peer, print_machine

import numbaopt
from numbaopt.data import load_nist

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))
from test_curve_fit import FOLDER, MODELS, digits

QUICK = "--quick" in sys.argv


def nist() -> None:
    """Correct digits of the worst parameter and standard deviation, by the defaults."""
    print("NIST, both starts, defaults: digits of parameters / standard deviations")
    solved = {"ours": 0, "scipy": 0}
    for name, plain in MODELS.items():
        model = numba.njit(plain)
        problem = load_nist(name if name in ("Misra1a", "Thurber") else FOLDER / f"{name}.dat")
        for k, start in enumerate(problem.starts, 1):
            row = []
            for who, fit in (("ours", numbaopt.curve_fit), ("scipy", scipy.optimize.curve_fit)):
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        popt, pcov = fit(model, problem.x, problem.y, start)
                    found = digits(popt, problem.certified), digits(np.sqrt(np.diag(pcov)), problem.certified_sd)
                except RuntimeError:
                    found = (-np.inf, -np.inf)
                solved[who] += found[0] >= 6 and found[1] >= 4
                row.append(f"{who} {found[0]:5.1f} / {found[1]:5.1f}")
            print(f"  {name:9} start {k}   {'   '.join(row)}")
    print(f"  at least 6 and 4 digits: ours {solved['ours']} of 20, scipy {solved['scipy']} of 20\n")


@numba.njit
def decay(t, a, b, c):
    return a * np.exp(-b * t) + c


T, P0 = np.linspace(0, 4, 50), np.array([2.0, 1.0, 0.5])


def curves(count: int) -> np.ndarray:
    """Noisy decays."""
    rng = np.random.default_rng(0)
    a, b, c = rng.uniform(1, 5, (count, 1)), rng.uniform(0.5, 2, (count, 1)), rng.uniform(0, 1, (count, 1))
    return a * np.exp(-b * T) + c + 0.05 * rng.standard_normal((count, T.size))


def by_optimistix():
    """The same fits by optimistix under jit and vmap, as a function of the curves; or None."""
    jax, optimistix = peer("jax"), peer("optimistix")
    if optimistix is None:
        return None
    jax.config.update("jax_enable_x64", True)
    solver, t, start = optimistix.LevenbergMarquardt(rtol=1e-8, atol=1e-8), jax.numpy.asarray(T), jax.numpy.asarray(P0)

    def residuals(p, y):
        return p[0] * jax.numpy.exp(-p[1] * t) + p[2] - y

    def fit(y):
        return optimistix.least_squares(residuals, solver, start, args=y, max_steps=100, throw=False).value

    fits = jax.jit(jax.vmap(fit))
    return lambda Y: np.asarray(fits(Y))


def batches() -> None:
    """Time of a fit, beside a loop of scipy's curve_fit and optimistix's in the same minute, alternating."""
    count, few = (20_000, 100) if QUICK else (100_000, 300)
    Y = curves(count)
    started = time.perf_counter()
    numbaopt.curve_fit_batch(decay, T, Y[:10], P0)
    print(f"{count} exponential decays, 3 parameters, 50 points; first call {time.perf_counter() - started:.1f} s")
    times: dict[str, list] = {"one thread": [], "all threads": [], "scipy": [], "scipy, NumPy": []}
    theirs, some = by_optimistix(), Y[: count // 5]
    if theirs is not None:
        times["optimistix"] = []
        found, own = theirs(some), numbaopt.curve_fit_batch(decay, T, some, P0).popt
        same = np.mean(np.abs(found - own).max(axis=1) < 1e-4)
        print(f"  optimistix has the same parameters, to 1e-4, in {same:.1%} of {len(some)}")
    for _ in range(3 if QUICK else 5):
        for who, workers in (("one thread", 1), ("all threads", None)):
            started = time.perf_counter()
            result = numbaopt.curve_fit_batch(decay, T, Y, P0, workers=workers)
            times[who].append((time.perf_counter() - started) / count)
        for who, model in (("scipy", decay), ("scipy, NumPy", decay.py_func)):
            started = time.perf_counter()
            for y in Y[:few]:
                scipy.optimize.curve_fit(model, T, y, P0)
            times[who].append((time.perf_counter() - started) / few)
        if theirs is not None:
            started = time.perf_counter()
            theirs(some)
            times["optimistix"].append((time.perf_counter() - started) / len(some))
    medians = {who: statistics.median(values) for who, values in times.items()}
    print("  scipy is given the compiled model, and the same in NumPy")
    for who, value in medians.items():
        ratios = f"{medians['scipy'] / value:6.1f}, {medians['scipy, NumPy'] / value:6.1f}"
        print(
            f"  {who:12} {value * 1e6:8.2f} us per fit; scipy over this, with the compiled and the NumPy model {ratios}"
        )
    if theirs is not None:
        print(f"  optimistix / all threads {medians['optimistix'] / medians['all threads']:.1f}")
    gain = medians["one thread"] / medians["all threads"]
    print(f"  all converged: {result.success.all()}; all threads over one {gain:.2f}\n")


def growth() -> None:
    """Seconds per fit over the number of fits."""
    print("cost over B")
    for count in (1000, 10_000, 100_000) if QUICK else (1000, 10_000, 100_000, 1_000_000):
        Y = curves(count)
        started = time.perf_counter()
        numbaopt.curve_fit_batch(decay, T, Y, P0)
        print(f"  B = {count:>9,}: {(time.perf_counter() - started) / count * 1e6:8.2f} us per fit")
    print()


@numba.njit
def spot(xy, amplitude, x0, y0, width, offset):
    return amplitude * np.exp(-((xy[0] - x0) ** 2 + (xy[1] - y0) ** 2) / (2 * width * width)) + offset


def pixels() -> None:
    """The Gpufit paper's setup: 5 x 5 pixels, float32, SNR 10, starts within 10 %, tolerance 1e-4, 10 iterations."""
    count, rng = (20_000 if QUICK else 100_000), np.random.default_rng(1)
    xy = np.array(np.meshgrid(np.arange(5.0), np.arange(5.0)), np.float32).reshape(2, -1)
    true = np.column_stack(
        [np.full(count, 10.0), rng.uniform(1.7, 2.3, (count, 2)), rng.uniform(0.9, 1.1, count), np.full(count, 1.0)]
    )
    a, x, y, s, o = (true[:, k, None] for k in range(5))
    Y = a * np.exp(-((xy[0] - x) ** 2 + (xy[1] - y) ** 2) / (2 * s * s)) + o + rng.standard_normal((count, 25))
    starts = (true * rng.uniform(0.9, 1.1, true.shape)).astype(np.float32)
    Y = Y.astype(np.float32)
    given = {"ftol": 1e-4, "xtol": 1e-4, "maxiter": 10}
    numbaopt.curve_fit_batch(spot, xy, Y[:10], starts[:10], **given)
    times = []
    for _ in range(3):
        started = time.perf_counter()
        result = numbaopt.curve_fit_batch(spot, xy, Y, starts, **given)
        times.append(time.perf_counter() - started)
    print(
        f"2-D Gaussians, 5 parameters, 5 x 5 pixels, float32: {count / statistics.median(times):,.0f} fits per second,"
    )
    print(f"  {result.success.mean():.1%} converged within 10 iterations, median error of x0 "
          f"{np.median(np.abs(result.popt[:, 1] - true[:, 1])):.3f} pixels")  # fmt: skip
    print("  Przybylski et al. (2017) have Gpufit up to 42 times as fast as the same algorithm on a CPU\n")


def single() -> None:
    """One fit, warm."""
    y = curves(1)[0]
    times: dict[str, list] = {"ours": [], "scipy": []}
    for who, fit in (("ours", numbaopt.curve_fit), ("scipy", scipy.optimize.curve_fit)) * 20:
        started = time.perf_counter()
        for _ in range(20):
            fit(decay, T, y, P0)
        times[who].append((time.perf_counter() - started) / 20)
    ours, theirs = (statistics.median(times[who]) * 1e6 for who in ("ours", "scipy"))
    print(f"one fit of a compiled model, warm: {ours:.0f} us, scipy {theirs:.0f} us: {theirs / ours:.2f} times\n")


if __name__ == "__main__":
    print_machine("How fast and how right are fits?", ("numba", "numpy", "scipy"))
    for part in (nist, batches, growth, pixels, single):
        part()
